//! What has to be on disk before somebody is told: messages for sessions that outlive the process,
//! retained messages, and the steps of QoS 2.
//!
//! While a message is routed, [`Keeping`] gathers who has to keep it; one record holds the message
//! and all of them. Other shards that are concerned answer with what they want to be written, and
//! the shard that began writes all of it as one step: an [`Exchange`]. Exchanges are written in the
//! order in which they began, so what one publisher sent is stored in the order in which it was
//! sent, and is acknowledged in that order.

use columba_codec::packet::{Acknowledgement, UnsubAck};
use columba_codec::{Packet, PacketId, Properties, QoS, ReasonCode};

use super::Shard;
use super::drafts::{Drafts, Way};
use super::exchange::{Also, Exchange, Standing, Then};
use super::line::Committing;
use crate::connection::{Answers, Connection};
use crate::id::ConnectionId;
use crate::journal::{Owner, RecordId};
use crate::kept::KeptId;
use crate::limits::Promise;
use crate::mail::{Draft, ExchangeRef, Letter};
use crate::message::Message;
use crate::record::{Clock, MessageRecord, Recipient, Record, Step, write_message};
use crate::routing::share::SessionRef;
use crate::session::ReceivedId;
use crate::session::queue::Delivery;

/// What was being gathered when something else began, if anything was.
pub(super) type Outer = Option<Box<Keeping>>;

/// The longest list of recipients that is kept for the next message.
const SPARE_RECIPIENTS_MAX: usize = 1024;

/// Who has to keep the message that is being routed.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    is_open: bool,
    /// Another shard accepted the message, and knew of no session here that would have to keep it.
    is_without_part: bool,
    /// Another shard began this, and is told what to write.
    leader: Option<ExchangeRef>,
    /// The exchange that this shard began, if others have a part in it.
    number: Option<u64>,
    /// The message, once somebody has to keep it.
    message: Option<(KeptId, Message)>,
    pub(super) recipients: Vec<Recipient>,
    drafts: Drafts,
    /// Something was released that has to be on disk before the answer.
    has_released: bool,
}

/// What was gathered, but for the message itself.
struct Gathered {
    leader: Option<ExchangeRef>,
    number: Option<u64>,
    drafts: Drafts,
    has_released: bool,
}

impl Keeping {
    /// Takes out what was gathered and goes on with what it was gathered within.
    fn close(&mut self, outer: Outer) -> Gathered {
        let gathered = Gathered {
            leader: self.leader.take(),
            number: self.number.take(),
            drafts: std::mem::take(&mut self.drafts),
            has_released: std::mem::take(&mut self.has_released),
        };
        if let Some(outer) = outer {
            *self = *outer;
            return gathered;
        }
        self.is_open = false;
        self.is_without_part = false;
        if self.recipients.capacity() <= SPARE_RECIPIENTS_MAX {
            self.recipients.clear();
        } else {
            self.recipients = Vec::new();
        }
        gathered
    }
}

/// What the record of a message takes at most, as a rule, so that it need not grow.
const fn draft_bytes(message: &MessageRecord<'_>, recipients: usize) -> usize {
    const NUMBERS: usize = 40;
    const RECIPIENT: usize = 16;
    let texts = message.topic.len() + message.properties.len() + message.payload.len();
    NUMBERS + texts + RECIPIENT * recipients
}

impl Shard {
    /// Begins to gather who keeps a message; `leader` is the exchange that it is a part of, if
    /// another shard began it. Gives back what was being gathered, for [`Self::close_keeping`].
    pub(super) fn open_keeping(&mut self, leader: Option<ExchangeRef>) -> Outer {
        if !self.journal.is_on() {
            return None;
        }
        let is_within = self.keeping.is_open;
        let outer = is_within.then(|| Box::new(std::mem::take(&mut self.keeping)));
        self.keeping.is_open = true;
        self.keeping.leader = leader;
        outer
    }

    /// Writes what was gathered, or hands it to whoever does. `then` follows when it is durable; at
    /// once if nobody has to keep anything and nothing of the same connection waits.
    pub(super) fn close_keeping(&mut self, outer: Outer, also: Also, then: Then) {
        if !self.journal.is_on() {
            return self.do_then(then);
        }
        let way = self.way();
        let is_written = self.write_kept(way);
        let gathered = self.keeping.close(outer);
        let has_released = gathered.has_released || (is_written && way == Way::Batch);
        match way {
            Way::Batch => return self.write_step(has_released, also, then),
            Way::Mail(_) if is_written => return,
            Way::Mail(_) | Way::Draft => {}
        }
        if let Some(leader) = gathered.leader {
            return self.answer_leader(leader, gathered.drafts, has_released);
        }
        let exchange = Exchange {
            waiting: 0,
            drafts: gathered.drafts,
            has_released,
            also,
            then,
        };
        match gathered.number {
            None if self.exchanges.queue.is_empty() => self.write_exchange(exchange),
            None => self.write_in_turn(exchange),
            Some(number) => {
                self.count_asked(&exchange.then, true);
                if let Some(open) = self.exchanges.get_mut(number) {
                    open.drafts.extend(exchange.drafts);
                    open.has_released |= exchange.has_released;
                    (open.also, open.then) = (exchange.also, exchange.then);
                } else {
                    // The store has failed since it began.
                    self.do_also(false, exchange.also);
                }
                self.on_answered(number, Vec::new());
            }
        }
    }

    /// Writes an exchange that no other shard has a part in, now or when its turn comes.
    fn write_in_turn(&mut self, exchange: Exchange) {
        if self.must_queue(&exchange) {
            self.count_asked(&exchange.then, true);
            self.begin(exchange);
        } else {
            self.write_exchange(exchange);
        }
    }

    /// Whether an exchange has to be written behind those that wait for other shards: it has
    /// something to write, or an answer on a connection that is waiting for an earlier one.
    fn must_queue(&self, exchange: &Exchange) -> bool {
        !exchange.drafts.is_empty()
            || exchange.has_released
            || exchange.then.connection().is_some_and(|conn| {
                self.connection(conn)
                    .is_some_and(|connection| connection.answers().asked > 0)
            })
    }

    /// Where the record of what was gathered goes.
    fn way(&self) -> Way {
        let keeping = &self.keeping;
        let is_all = keeping.number.is_none() && keeping.drafts.is_empty();
        match keeping.leader {
            None if is_all && self.exchanges.queue.is_empty() => Way::Batch,
            Some(leader) if is_all && !keeping.has_released && leader.shard != self.id => {
                Way::Mail(leader)
            }
            _ => Way::Draft,
        }
    }

    /// Turns what was gathered into a record, and puts it where it goes. `false` if there is nothing
    /// to keep.
    fn write_kept(&mut self, way: Way) -> bool {
        let Some((kept, message)) = self.keeping.message.take() else {
            return false;
        };
        let record = self.journal.reserve();
        let Some(settled) = self.kept.finish(kept, record) else {
            self.journal.abandon(record);
            return false;
        };
        let Keeping {
            recipients, drafts, ..
        } = &mut self.keeping;
        for place in settled {
            if let Some(recipient) = recipients.get_mut(place as usize) {
                recipient.session = 0;
            }
        }
        let facts = MessageRecord::of(&message, Clock::new(self.now));
        let owner = Owner::Here(record);
        match way {
            Way::Batch => self
                .journal
                .append_as(owner, |out| write_message(out, &facts, recipients)),
            Way::Mail(leader) => {
                if let Some(outbox) = self.outbox.get_mut(leader.shard.index()) {
                    let start = outbox.bytes.len();
                    write_message(&mut outbox.bytes, &facts, recipients);
                    outbox.push(Letter::AnsweredCopied {
                        number: leader.number,
                        record,
                        len_bytes: (outbox.bytes.len() - start) as u32,
                    });
                    self.has_mail = true;
                }
            }
            Way::Draft => {
                let mut bytes = self.exchanges.spares.take();
                bytes.reserve(draft_bytes(&facts, recipients.len()));
                write_message(&mut bytes, &facts, recipients);
                drafts.push(Draft { owner, bytes });
            }
        }
        true
    }

    fn answer_leader(&mut self, to: ExchangeRef, drafts: Drafts, has_released: bool) {
        let mut drafts = drafts.into_vec();
        for draft in &mut drafts {
            if let Owner::Here(record) = draft.owner
                && to.shard != self.id
            {
                draft.owner = Owner::There(self.id, record);
            }
        }
        let then = Then::Answer { to, drafts };
        if has_released {
            return self.do_when_durable(then);
        }
        self.do_then(then);
    }

    /// Another shard gets a part in what is being gathered: how it names this.
    pub(super) fn expect_answer(&mut self) -> Option<ExchangeRef> {
        if !self.keeping.is_open {
            return None;
        }
        let number = self.keeping.number.unwrap_or_else(|| {
            self.begin(Exchange {
                // One for what is being gathered here.
                waiting: 1,
                drafts: Drafts::default(),
                has_released: false,
                also: Also::Nothing,
                then: Then::Nothing,
            })
        });
        self.keeping.number = Some(number);
        if let Some(exchange) = self.exchanges.get_mut(number) {
            exchange.waiting += 1;
        }
        Some(ExchangeRef {
            shard: self.id,
            number,
            is_moving: false,
        })
    }

    /// Something begins that is written in its turn, and gets its number. If nothing is written any
    /// more it never ends, nor does what follows it on its connection, and answers to its number find
    /// nothing.
    fn begin(&mut self, exchange: Exchange) -> u64 {
        if !self.journal.has_failed() {
            return self.exchanges.push(exchange);
        }
        self.do_also(false, exchange.also);
        0
    }

    /// Nothing will be durable any more: nobody hears of what is not by now but who was promised nothing, and
    /// nothing is gathered that waits for it.
    pub(super) fn give_up_store(&mut self) {
        self.journal.on_failed();
        for exchange in self.exchanges.give_up() {
            let ticket = self.journal.ticket();
            if self.standing_of(&exchange.then).promise == Promise::Nothing {
                self.count_asked(&exchange.then, false);
                self.do_also(false, exchange.also);
                self.do_then(exchange.then);
                continue;
            }
            // The answer has not been given, and keeps back those behind it.
            if let Some(answers) = self.answers_of(&exchange.then) {
                answers.ticket = ticket;
            }
            self.do_also(false, exchange.also);
        }
    }

    /// Begins an exchange with a copy that somebody else may get.
    pub(super) fn begin_handing_on(
        &mut self,
        from: SessionRef,
        delivery: &Delivery,
    ) -> Option<ExchangeRef> {
        let kept = delivery.kept?;
        let number = self.begin(Exchange {
            waiting: 1,
            drafts: Drafts::default(),
            has_released: false,
            also: Also::Settle {
                kept,
                step: delivery.exchange,
                from,
                membership: delivery.membership,
            },
            then: Then::Nothing,
        });
        Some(ExchangeRef {
            shard: self.id,
            number,
            is_moving: delivery.qos == QoS::ExactlyOnce,
        })
    }

    /// Does something in the store behind what has begun so far.
    pub(super) fn do_behind_exchanges(&mut self, also: Also) {
        self.begin(Exchange {
            waiting: 0,
            drafts: Drafts::default(),
            has_released: false,
            also,
            then: Then::Nothing,
        });
        self.write_exchanges();
    }

    /// What is being gathered is for a message of another shard. `exchange` is the part that this
    /// shard has in it.
    pub(super) const fn note_part(&mut self, exchange: Option<ExchangeRef>) {
        self.keeping.is_without_part = self.keeping.is_open && exchange.is_none();
    }

    /// Whether the message that is being routed was accepted before any subscription of this session
    /// that matches it was in force there. A copy at QoS 2 would not be written in one step with
    /// the packet id of the publisher, who sends the message again after a crash: it would come twice.
    /// SUBACK was not sent either, so the session need not get it.
    pub(super) fn is_before_subscription(&self, slot: u32, qos: QoS) -> bool {
        qos == QoS::ExactlyOnce
            && self.keeping.is_without_part
            && self.durable_number(slot).is_some()
    }

    /// Whether a message is being routed whose keepers are gathered.
    pub(super) const fn is_keeping(&self) -> bool {
        self.keeping.is_open
    }

    /// An answer to an exchange has come. Those that are complete are written, in order.
    pub(super) fn on_answered(&mut self, number: u64, drafts: Vec<Draft>) {
        let Some(exchange) = self.exchanges.get_mut(number) else {
            return;
        };
        exchange.waiting -= 1;
        exchange.drafts.extend(drafts);
        self.write_exchanges();
    }

    /// The same for an answer that is one record of another shard.
    pub(super) fn on_answered_copied(&mut self, number: u64, owner: Owner, bytes: &[u8]) {
        let mut copy = self.exchanges.spares.take();
        let Some(exchange) = self.exchanges.get_mut(number) else {
            return;
        };
        exchange.waiting -= 1;
        copy.extend_from_slice(bytes);
        exchange.drafts.push(Draft { owner, bytes: copy });
        self.write_exchanges();
    }

    /// Writes exchanges that are complete, in order.
    fn write_exchanges(&mut self) {
        while self
            .exchanges
            .queue
            .front()
            .is_some_and(|first| first.waiting == 0)
            && let Some(exchange) = self.exchanges.queue.pop_front()
        {
            self.exchanges.first += 1;
            self.count_asked(&exchange.then, false);
            self.write_exchange(exchange);
        }
    }

    /// All of an exchange is known: it goes into the batch.
    fn write_exchange(&mut self, exchange: Exchange) {
        let has_records = exchange.has_released || !exchange.drafts.is_empty();
        let mut moved = None;
        for Draft { owner, bytes } in exchange.drafts {
            if bytes.is_empty() {
                moved = Some(owner);
                continue;
            }
            self.journal
                .append_as(owner, |out| out.extend_from_slice(&bytes));
            self.exchanges.spares.give(bytes);
        }
        self.write_step(has_records, exchange.also, exchange.then);
        if let Some(owner) = moved {
            let (to, mark) = match owner {
                Owner::Here(mark) => (self.id, mark),
                Owner::There(shard, mark) => (shard, mark),
            };
            self.do_when_durable(Then::Moved { to, mark });
        }
    }

    /// What goes into the batch with records that are in it already, if there are any.
    fn write_step(&mut self, has_records: bool, also: Also, then: Then) {
        self.do_also(has_records, also);
        self.commit_then(has_records, then);
    }

    fn do_also(&mut self, has_records: bool, also: Also) {
        match also {
            Also::Nothing => {}
            Also::Received { session, packet_id } if has_records => {
                self.record_received(session, packet_id);
            }
            Also::Received { .. } => {}
            Also::Settle {
                kept,
                step,
                from,
                membership,
            } => {
                self.settle_kept(kept, step);
                // In one step with its new owner's record, or a crash would leave it with both.
                self.kept.save_handed_on(kept.message, &mut self.journal);
                self.note_handed_on_written(from, membership);
            }
            Also::End(records) => {
                self.journal.keep_turn();
                for record in records {
                    self.journal.end(record);
                }
            }
        }
    }

    /// Does what follows when everything up to now is durable, or, if that is nothing to it, as
    /// soon as earlier answers on the same connection are given.
    pub(super) fn commit_then(&mut self, has_records: bool, then: Then) {
        let standing = self.standing_of(&then);
        let is_behind = standing.ticket > self.journal.reached(standing.promise);
        let is_waited_for = is_behind || has_records || standing.is_ending;
        if matches!(then, Then::Nothing) || !is_waited_for {
            return self.do_then(then);
        }
        self.do_behind(standing, then);
    }

    /// Does what follows when everything up to now is durable, and released what has ended. Another
    /// shard is answered without waiting for that: what was ended here may wait for that shard.
    pub(super) fn do_when_durable(&mut self, then: Then) {
        let standing = self.standing_of(&then);
        self.do_behind(standing, then);
    }

    fn do_behind(&mut self, standing: Standing, then: Then) {
        let ending = match then {
            Then::Answer { .. } | Then::Moved { .. } => 0,
            Then::Nothing
            | Then::Acknowledge { .. }
            | Then::Refuse(_)
            | Then::Forgotten { .. }
            | Then::Applied { .. }
            | Then::Tell(_)
            | Then::UnsubAck { .. } => self.journal.ending(),
        };
        let ticket = self.journal.ticket();
        let promise = standing.promise;
        let is_ending = ending > 0 || standing.is_ending;
        let is_reached = ticket <= self.journal.reached(promise);
        if (is_reached && !is_ending) || promise == Promise::Nothing {
            return self.do_then(then);
        }
        let is_over = self.journal.has_failed();
        if let Some(answers) = self.answers_of(&then) {
            answers.ticket = ticket;
            answers.waiting += u32::from(!is_over);
        }
        if is_over {
            return;
        }
        let waiting = Committing {
            ticket,
            ending,
            then,
        };
        if is_reached {
            self.put_off(promise, waiting);
        } else {
            self.journal.tell_written(promise, ticket);
            self.exchanges.line(promise).push(waiting);
        }
    }

    fn standing_of(&self, then: &Then) -> Standing {
        let connection = then.promised_to().and_then(|conn| self.connection(conn));
        let promise = then.promise_on(connection);
        let answers = connection.map(Connection::answers);
        // What comes in no order with the other answers waits for none of them.
        match answers.filter(|_| then.connection().is_some()) {
            Some(answers) => Standing {
                promise,
                ticket: answers.ticket,
                is_ending: answers.ending > 0,
            },
            None => Standing {
                promise,
                ticket: 0,
                is_ending: false,
            },
        }
    }

    /// Does what follows from what is durable or written now. Answers on one connection keep their
    /// order.
    pub(super) fn follow_commits(&mut self) {
        for promise in [Promise::Written, Promise::Durable] {
            while let Some(waiting) = self.exchanges.line(promise).next(&self.journal) {
                if waiting.ending > 0 || self.is_ending(&waiting.then) {
                    self.put_off(promise, waiting);
                    continue;
                }
                if let Some(answers) = self.answers_of(&waiting.then) {
                    answers.waiting -= 1;
                }
                self.do_then(waiting.then);
            }
            while let Some(waiting) = self.exchanges.line(promise).next_put_off(&mut self.journal) {
                if let Some(answers) = self.answers_of(&waiting.then) {
                    answers.ending -= 1;
                    answers.waiting -= 1;
                }
                self.do_then(waiting.then);
            }
        }
    }

    /// Something waits for more than its ticket, or for what does on the same connection.
    fn put_off(&mut self, promise: Promise, waiting: Committing) {
        if let Some(answers) = self.answers_of(&waiting.then) {
            answers.ending += 1;
        }
        self.exchanges.line(promise).put_off(waiting);
    }

    /// Whether an earlier answer on the same connection waits longer than for its ticket.
    fn is_ending(&self, then: &Then) -> bool {
        let connection = then.connection().and_then(|conn| self.connection(conn));
        connection.is_some_and(|connection| connection.answers().ending > 0)
    }

    /// Whether acknowledgements on a connection promise anything of the store.
    pub(super) fn is_promised(&self, conn: ConnectionId) -> bool {
        self.connection(conn)
            .is_none_or(|connection| connection.promise != Promise::Nothing)
    }

    fn count_asked(&mut self, then: &Then, is_more: bool) {
        if let Some(answers) = self.answers_of(then) {
            let asked = answers.asked;
            answers.asked = if is_more { asked + 1 } else { asked - 1 };
        }
    }

    fn answers_of(&mut self, then: &Then) -> Option<&mut Answers> {
        self.connection_mut(then.connection()?)?.answers_mut()
    }

    pub(super) fn do_then(&mut self, then: Then) {
        match then {
            Then::Nothing => {}
            Then::Acknowledge {
                conn,
                packet,
                packet_id,
                reason: ReasonCode::Success,
            } => self.write_success(conn, packet, packet_id),
            Then::Acknowledge {
                conn,
                packet,
                packet_id,
                reason,
            } => {
                let properties = Properties::EMPTY;
                let ack = Acknowledgement {
                    packet_id,
                    reason,
                    properties,
                };
                self.write_ack(conn, packet, ack);
            }
            Then::Refuse(refused) => self.write_refusal(&refused),
            Then::Applied { number, .. } => self.on_applied(number),
            Then::Tell(told) => self.answer(told.0, told.1),
            Then::Forgotten { client_id } => self.on_forgotten(&client_id),
            Then::UnsubAck {
                conn,
                packet_id,
                codes,
            } => {
                let packet = Packet::UnsubAck(UnsubAck {
                    packet_id,
                    properties: Properties::EMPTY,
                    codes: &codes,
                });
                self.write_packet(conn, &packet);
            }
            Then::Moved { to, mark } => self.post(to, Letter::Moved { mark }),
            Then::Answer { to, drafts } => {
                let number = to.number;
                self.post(to.shard, Letter::Answered { number, drafts });
            }
        }
    }

    /// A copy for a session that outlives the process goes into the record of the message that is
    /// being routed.
    pub(super) fn keep(&mut self, slot: u32, delivery: &mut Delivery) {
        if !self.keeping.is_open || delivery.qos == QoS::AtMostOnce {
            return;
        }
        let Some(number) = self.durable_number(slot) else {
            return;
        };
        let Self { keeping, kept, .. } = self;
        let (id, _) = keeping
            .message
            .get_or_insert_with(|| (kept.begin(), delivery.message().clone()));
        delivery.kept = Some(kept.add(*id));
        keeping.recipients.push(Recipient {
            session: number,
            qos: delivery.qos,
            retain: delivery.retain,
            membership: delivery.membership,
            identifiers: delivery.identifiers.as_slice().to_vec(),
            step: Step::Queued,
        });
    }

    /// How records name a session, if it outlives the process.
    pub(super) fn durable_number(&self, slot: u32) -> Option<u64> {
        Some(self.session(slot)?.durable.as_ref()?.number)
    }

    fn record_received(&mut self, of: SessionRef, packet_id: PacketId) {
        let Some(session) = self.sessions.get_mut(of.slot as usize) else {
            return;
        };
        let Some(number) = session.durable.as_ref().map(|durable| durable.number) else {
            return;
        };
        if session.me != of {
            return;
        }
        let received = session.received.as_mut();
        if let Some(id) = received.and_then(|received| received.get_mut(&packet_id.get())) {
            let fact = Record::Received {
                session: number,
                packet_id,
            };
            self.journal.replace(&mut id.record, |out| fact.write(out));
        }
    }

    /// Acknowledges what leaves nothing in the store, behind what came before it on the same connection
    /// (`MQTT-4.6.0-2` and `MQTT-4.6.0-3` of 3.1.1).
    pub(super) fn acknowledge_in_turn(&mut self, then: Then) {
        self.write_in_turn(Exchange {
            waiting: 0,
            drafts: Drafts::default(),
            has_released: false,
            also: Also::Nothing,
            then,
        });
    }

    /// PUBREC for a QoS 2 message that came again: not before the first time's answer could go.
    pub(super) fn acknowledge_again(
        &mut self,
        conn: ConnectionId,
        received: ReceivedId,
        then: Then,
    ) {
        let answers = self.connection(conn).map(Connection::answers);
        // Nor before the answers to what came before it (MQTT-4.6.0-3).
        let is_behind = answers.is_some_and(|answers| answers.asked > 0);
        if is_behind || self.exchanges.is_open(received.exchange) {
            let exchange = Exchange {
                waiting: 0,
                drafts: Drafts::default(),
                has_released: true,
                also: Also::Nothing,
                then,
            };
            self.count_asked(&exchange.then, true);
            self.begin(exchange);
            return;
        }
        let is_durable = received
            .record
            .is_none_or(|record| self.journal.position(record).is_some());
        let standing = self.standing_of(&then);
        let is_reached = standing.ticket <= self.journal.reached(standing.promise);
        let waits = !is_reached || standing.is_ending;
        if is_durable && !waits {
            return self.do_then(then);
        }
        self.do_when_durable(then);
    }

    /// The exchange that is being gathered, or will be if others get a part in it.
    pub(super) fn next_exchange(&self) -> u64 {
        match self.keeping.number {
            Some(number) => number,
            None => self.exchanges.first + self.exchanges.queue.len() as u64,
        }
    }

    /// Notes something that is written in the same step as the message that is being routed.
    pub(super) fn draft(&mut self, record: RecordId, fact: &Record<'_>) {
        let mut bytes = Vec::new();
        fact.write(&mut bytes);
        let owner = Owner::Here(record);
        self.keeping.drafts.push(Draft { owner, bytes });
    }

    /// What a copy has to wait for that this shard gets by an exchange and does not keep: all of that has
    /// to be durable.
    pub(super) fn draft_mark(&mut self) -> RecordId {
        let mark = self.journal.reserve();
        let (owner, bytes) = (Owner::Here(mark), Vec::new());
        self.keeping.drafts.push(Draft { owner, bytes });
        mark
    }

    /// Notes that something was released that has to be on disk before the answer.
    pub(super) const fn note_released(&mut self) {
        self.keeping.has_released = true;
    }

    /// Notes that there is no answer that what was released would have to be on disk before.
    pub(super) const fn forget_released(&mut self) {
        self.keeping.has_released = false;
    }
}
