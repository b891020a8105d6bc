//! What has to be on disk before somebody is told: messages for sessions that outlive the process,
//! retained messages, and the steps of QoS 2.
//!
//! While a message is routed, [`Keeping`] gathers who has to keep it; one record holds the message
//! and all of them. Other shards that are concerned answer with what they want to be written, and
//! the shard that began writes all of it as one step: an [`Exchange`]. Exchanges are written in the
//! order in which they began, so what one publisher sent is stored in the order in which it was
//! sent, and is acknowledged in that order.

use std::collections::VecDeque;

use columba_codec::packet::{Acknowledgement, UnsubAck};
use columba_codec::{Packet, PacketId, PacketType, Properties, QoS, ReasonCode};

use super::Shard;
use crate::connection::{Answers, Connection};
use crate::event::{ConnectionId, ShardId};
use crate::hash::Map;
use crate::journal::{Owner, RecordId, StoreEvent};
use crate::kept::{Kept, KeptId};
use crate::mail::{Draft, ExchangeRef, Letter};
use crate::message::Message;
use crate::outcome::Outcome;
use crate::record::{
    Clock, Exchange as Step2, MessageRecord, Recipient, Record, Step, write_message,
};
use crate::routing::share::SessionRef;
use crate::session::ReceivedId;
use crate::session::queue::Delivery;
use crate::session::window::Window;
use crate::timer::Timer;

/// Answers that wait for other shards or for the disk; then clients whose packets call for more of
/// them have to wait.
const ANSWERS_MAX: usize = 1 << 16;

/// Who has to keep the message that is being routed.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    is_open: bool,
    /// Another shard began this, and is told what to write.
    leader: Option<ExchangeRef>,
    /// The exchange that this shard began, if others have a part in it.
    number: Option<u64>,
    /// The message, once somebody has to keep it.
    message: Option<(KeptId, Message)>,
    recipients: Vec<Recipient>,
    drafts: Vec<Draft>,
    /// Something was released that has to be on disk before the answer.
    has_released: bool,
}

/// Something that this shard has begun and that is not written yet.
#[derive(Debug)]
struct Exchange {
    /// Answers to come.
    waiting: usize,
    drafts: Vec<Draft>,
    has_released: bool,
    also: Also,
    then: Then,
}

/// What goes to the store in the same step as the records of an exchange.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Also {
    #[default]
    Nothing,
    /// That a QoS 2 message was received, if there are records.
    Received {
        session: SessionRef,
        packet_id: PacketId,
    },
    /// A copy that somebody else has now.
    Settle(Kept, Option<RecordId>),
}

/// What follows when all of it is durable.
#[derive(Debug)]
pub(super) enum Then {
    Nothing,
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Acknowledge {
        conn: ConnectionId,
        packet: PacketType,
        packet_id: PacketId,
        reason: ReasonCode,
    },
    /// SUBACK, if nothing else is missing.
    Applied {
        number: u64,
    },
    UnsubAck {
        conn: ConnectionId,
        packet_id: PacketId,
        codes: Vec<u8>,
    },
    /// The shard that began is answered.
    Answer {
        to: ExchangeRef,
        drafts: Vec<Draft>,
    },
}

impl Then {
    const fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Acknowledge { conn, .. } | Self::UnsubAck { conn, .. } => Some(*conn),
            Self::Nothing | Self::Applied { .. } | Self::Answer { .. } => None,
        }
    }
}

/// Exchanges in the order in which they began, and what waits for the disk.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    /// Number of the first one in the queue; they count from 1.
    first: u64,
    queue: VecDeque<Exchange>,
    /// By ticket, in order.
    committing: VecDeque<Committing>,
    /// What has to wait longer than for its ticket, in order.
    ending: Vec<Committing>,
    /// Sessions that hold messages back until the store has them.
    holding: Vec<SessionRef>,
    /// Connections whose input waits for the store.
    held: Vec<ConnectionId>,
}

/// What follows when something is durable.
#[derive(Debug)]
struct Committing {
    /// The batch that has to be.
    ticket: u64,
    /// What it says has ended, and is released later: see [`Journal::end`].
    ///
    /// [`Journal::end`]: crate::journal::Journal::end
    ending: Vec<u64>,
    then: Then,
}

impl Exchanges {
    /// Whether an answer on a connection waits longer than for its ticket.
    fn is_ending(&self, conn: Option<ConnectionId>) -> bool {
        let of = |waiting: &Committing| waiting.then.connection() == conn;
        conn.is_some() && self.ending.iter().any(of)
    }

    pub(super) fn new() -> Self {
        Self {
            first: 1,
            ..Self::default()
        }
    }

    fn push(&mut self, exchange: Exchange) -> u64 {
        self.queue.push_back(exchange);
        self.first + self.queue.len() as u64 - 1
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut Exchange> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.queue.get_mut(place)
    }

    /// Whether an exchange is not written yet.
    fn is_open(&self, number: u64) -> bool {
        (self.first..self.first + self.queue.len() as u64).contains(&number)
    }
}

impl Shard {
    /// Begins to gather who keeps a message; `leader` is the exchange that it is a part of, if
    /// another shard began it. Gives back what was being gathered, for [`Self::close_keeping`].
    pub(super) fn open_keeping(&mut self, leader: Option<ExchangeRef>) -> Keeping {
        if !self.journal.is_on() {
            return Keeping::default();
        }
        let keeping = Keeping {
            is_open: true,
            leader,
            ..Keeping::default()
        };
        std::mem::replace(&mut self.keeping, keeping)
    }

    /// Writes what was gathered, or hands it to whoever does. `then` follows when it is durable; at
    /// once if nobody has to keep anything and nothing of the same connection waits.
    pub(super) fn close_keeping(&mut self, outer: Keeping, also: Also, then: Then) {
        if !self.journal.is_on() {
            return self.do_then(then);
        }
        let mut keeping = std::mem::replace(&mut self.keeping, outer);
        let is_direct = keeping.leader.is_none()
            && keeping.number.is_none()
            && keeping.drafts.is_empty()
            && self.exchanges.queue.is_empty();
        let is_written = self.write_kept(&mut keeping, is_direct);
        let Keeping {
            leader,
            number,
            drafts,
            has_released,
            ..
        } = keeping;
        if let Some(leader) = leader {
            return self.answer_leader(leader, drafts, has_released);
        }
        let exchange = Exchange {
            waiting: 0,
            drafts,
            has_released: has_released || is_written,
            also,
            then,
        };
        match number {
            None if self.exchanges.queue.is_empty() => self.write_exchange(exchange),
            None => {
                if self.must_queue(&exchange) {
                    self.count_asked(&exchange.then, true);
                    self.exchanges.push(exchange);
                } else {
                    self.write_exchange(exchange);
                }
            }
            Some(number) => {
                self.count_asked(&exchange.then, true);
                if let Some(open) = self.exchanges.get_mut(number) {
                    open.drafts.extend(exchange.drafts);
                    open.has_released |= exchange.has_released;
                    (open.also, open.then) = (exchange.also, exchange.then);
                }
                self.on_answered(number, Vec::new());
            }
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

    /// Turns what was gathered into a record. Returns whether it went into the batch.
    fn write_kept(&mut self, keeping: &mut Keeping, is_direct: bool) -> bool {
        let Some((kept, message)) = keeping.message.take() else {
            return false;
        };
        let record = self.journal.reserve();
        let Some(settled) = self.kept.finish(kept, record) else {
            self.journal.abandon(record);
            return false;
        };
        for place in settled {
            if let Some(recipient) = keeping.recipients.get_mut(place as usize) {
                recipient.session = 0;
            }
        }
        let facts = MessageRecord::of(&message, Clock::new(self.now));
        let owner = Owner::Here(record);
        if is_direct {
            self.journal
                .append_as(owner, |out| write_message(out, &facts, &keeping.recipients));
            return true;
        }
        let mut bytes = Vec::new();
        write_message(&mut bytes, &facts, &keeping.recipients);
        keeping.drafts.push(Draft { owner, bytes });
        false
    }

    fn answer_leader(&mut self, to: ExchangeRef, mut drafts: Vec<Draft>, has_released: bool) {
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
        let number = *self.keeping.number.get_or_insert_with(|| {
            self.exchanges.push(Exchange {
                // One for what is being gathered here.
                waiting: 1,
                drafts: Vec::new(),
                has_released: false,
                also: Also::Nothing,
                then: Then::Nothing,
            })
        });
        if let Some(exchange) = self.exchanges.get_mut(number) {
            exchange.waiting += 1;
        }
        Some(ExchangeRef {
            shard: self.id,
            number,
        })
    }

    /// Begins an exchange with a copy that somebody else may get.
    pub(super) fn begin_handing_on(&mut self, delivery: &Delivery) -> Option<ExchangeRef> {
        let kept = delivery.kept?;
        let number = self.exchanges.push(Exchange {
            waiting: 1,
            drafts: Vec::new(),
            has_released: false,
            also: Also::Settle(kept, delivery.exchange),
            then: Then::Nothing,
        });
        Some(ExchangeRef {
            shard: self.id,
            number,
        })
    }

    /// Whether the part of another shard's exchange is what is being gathered now.
    pub(super) fn is_part_of(&self, message: &Message) -> bool {
        self.keeping.is_open
            && self
                .keeping
                .message
                .as_ref()
                .is_none_or(|(_, kept)| kept.is_same(message))
    }

    pub(super) fn on_answered(&mut self, number: u64, drafts: Vec<Draft>) {
        let Some(exchange) = self.exchanges.get_mut(number) else {
            return;
        };
        exchange.waiting -= 1;
        exchange.drafts.extend(drafts);
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
        for Draft { owner, bytes } in exchange.drafts {
            self.journal
                .append_as(owner, |out| out.extend_from_slice(&bytes));
        }
        match exchange.also {
            Also::Nothing => {}
            Also::Received { session, packet_id } if has_records => {
                self.record_received(session, packet_id);
            }
            Also::Received { .. } => {}
            Also::Settle(kept, step) => self.settle_kept(kept, step),
        }
        self.commit_then(has_records, exchange.then);
    }

    /// Does what follows when everything up to now is durable, or, if that is nothing to it, as
    /// soon as earlier answers on the same connection are given.
    fn commit_then(&mut self, has_records: bool, then: Then) {
        let durable = self.journal.durable();
        let last = match then.connection() {
            Some(conn) => self.connection(conn).map_or(0, |of| of.answers().ticket),
            None => 0,
        };
        let is_ending = self.exchanges.is_ending(then.connection());
        let is_waited_for = last > durable || has_records || is_ending;
        if matches!(then, Then::Nothing) || !is_waited_for {
            return self.do_then(then);
        }
        self.do_when_durable(then);
    }

    /// Does what follows when everything up to now is durable, and released what has ended. Another
    /// shard is answered without waiting for that: what was ended here may wait for that shard.
    pub(super) fn do_when_durable(&mut self, then: Then) {
        let ending = match then {
            Then::Answer { .. } => Vec::new(),
            Then::Nothing
            | Then::Acknowledge { .. }
            | Then::Applied { .. }
            | Then::UnsubAck { .. } => self.journal.ending(),
        };
        let ticket = self.journal.ticket();
        let is_ending = !ending.is_empty() || self.exchanges.is_ending(then.connection());
        if ticket <= self.journal.durable() && !is_ending {
            return self.do_then(then);
        }
        if let Some(answers) = self.answers_of(&then) {
            answers.ticket = ticket;
        }
        let waiting = Committing {
            ticket,
            ending,
            then,
        };
        if ticket <= self.journal.durable() {
            self.exchanges.ending.push(waiting);
        } else {
            self.exchanges.committing.push_back(waiting);
        }
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
            Then::Applied { number } => self.on_applied(number),
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
        let is_another = |(_, known): &(KeptId, Message)| !known.is_same(&delivery.message);
        if self.keeping.message.as_ref().is_some_and(is_another) {
            // A retained message, or one that changes hands, came before it on the way.
            let mut keeping = std::mem::take(&mut self.keeping);
            self.write_kept(&mut keeping, false);
            keeping.recipients.clear();
            self.keeping = keeping;
        }
        let Self { keeping, kept, .. } = self;
        let (id, _) = keeping
            .message
            .get_or_insert_with(|| (kept.begin(), delivery.message.clone()));
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

    /// Whether a delivery that could be sent now has to be held back.
    pub(super) fn must_hold(&self, slot: u32, delivery: &Delivery) -> bool {
        let has_held = |window: &Window| window.has_held();
        (delivery.kept.is_some() && delivery.qos == QoS::ExactlyOnce)
            || self
                .session(slot)
                .and_then(|session| session.window.as_deref())
                .is_some_and(has_held)
    }

    /// Gives a delivery its packet id, and sends it when the store knows of both.
    pub(super) fn hold(&mut self, slot: u32, mut delivery: Delivery) {
        let number = self.durable_number(slot);
        let Some(session) = self.sessions.get_mut(slot as usize) else {
            return;
        };
        let window = session.window.get_or_insert_default();
        let packet_id = window.next_id();
        let is_exact = delivery.qos == QoS::ExactlyOnce;
        if let Some(kept) = delivery.kept.filter(|_| is_exact) {
            match self.kept.record(kept.message) {
                // Its record is about to be written and can say so itself.
                None => {
                    let place = kept.recipient as usize;
                    if let Some(recipient) = self.keeping.recipients.get_mut(place) {
                        recipient.step = Step::Sent(packet_id);
                    }
                }
                Some(record) => {
                    let position = self.journal.position(record);
                    if let (Some(session), Some(message)) = (number, position) {
                        let sent = Record::Sent(Step2 {
                            session,
                            message,
                            packet_id,
                        });
                        self.journal
                            .replace(&mut delivery.exchange, |out| sent.write(out));
                    }
                }
            }
        }
        window.push_held(delivery);
        self.wait_for_store(slot);
    }

    /// Whether the store has the message of a delivery that waits, so that the next step can be
    /// written down.
    pub(super) fn is_recorded(&self, delivery: &Delivery) -> bool {
        delivery.kept.is_none_or(|kept| {
            let record = self.kept.record(kept.message);
            record.is_some_and(|record| self.journal.position(record).is_some())
        })
    }

    /// Has [`Self::pump`] called again when the store is further.
    pub(super) fn wait_for_store(&mut self, slot: u32) {
        let Some(me) = self.session(slot).map(|session| session.me) else {
            return;
        };
        if self.exchanges.holding.last() != Some(&me) {
            self.exchanges.holding.push(me);
        }
    }

    /// The client has a QoS 2 message: PUBREL goes out when the store knows.
    pub(super) fn release_outgoing(
        &mut self,
        conn: ConnectionId,
        slot: u32,
        packet_id: PacketId,
        is_first: bool,
    ) {
        let number = self.durable_number(slot);
        let Self {
            sessions,
            kept,
            journal,
            ..
        } = self;
        let delivery = sessions
            .get_mut(slot as usize)
            .and_then(|session| session.window.as_mut()?.delivery_mut(packet_id));
        let then = Then::Acknowledge {
            conn,
            packet: PacketType::PubRel,
            packet_id,
            reason: ReasonCode::Success,
        };
        let Some(delivery) = delivery else { return };
        let message = delivery
            .kept
            .and_then(|of| journal.position(kept.record(of.message)?));
        let (Some(session), Some(message)) = (number, message) else {
            // Not before those that were asked for earlier (MQTT-4.6.0-4).
            return self.commit_then(false, then);
        };
        if is_first {
            let released = Record::Released(Step2 {
                session,
                message,
                packet_id,
            });
            journal.replace(&mut delivery.exchange, |out| released.write(out));
        }
        let is_durable = delivery
            .exchange
            .is_none_or(|record| journal.position(record).is_some());
        self.commit_then(!is_durable, then);
    }

    /// A copy is off this shard's hands.
    pub(super) fn settle_kept(&mut self, kept: Kept, exchange: Option<RecordId>) {
        let now_ms = self.now.mono_ms;
        let due = self.kept.settle(kept, exchange, &mut self.journal, now_ms);
        if let Some(due_ms) = due {
            self.timers.set(due_ms, Timer::SaveSettled);
        }
    }

    pub(super) fn on_save_settled(&mut self) {
        let due = self.kept.save(&mut self.journal, self.now.mono_ms);
        if let Some(due_ms) = due {
            self.timers.set(due_ms, Timer::SaveSettled);
        }
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
                drafts: Vec::new(),
                has_released: true,
                also: Also::Nothing,
                then,
            };
            self.count_asked(&exchange.then, true);
            self.exchanges.push(exchange);
            return;
        }
        let is_durable = received
            .record
            .is_none_or(|record| self.journal.position(record).is_some());
        let waits = self.exchanges.is_ending(Some(conn));
        let waits = waits
            || self
                .connection(conn)
                .is_some_and(|connection| connection.answers().ticket > self.journal.durable());
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

    /// Notes that something was released that has to be on disk before the answer.
    pub(super) const fn note_released(&mut self) {
        self.keeping.has_released = true;
    }

    fn is_store_behind(&self) -> bool {
        let answers = self.exchanges.queue.len()
            + self.exchanges.committing.len()
            + self.exchanges.ending.len();
        self.journal.is_behind(self.limits.store_waiting_bytes_max) || answers > ANSWERS_MAX
    }

    /// Whether a packet has to wait because the store does not keep up.
    pub(super) fn must_wait_for_store(&self, packet: &Packet<'_>) -> bool {
        if !self.is_store_behind() {
            return false;
        }
        match packet {
            Packet::Publish(publish) => publish.qos != QoS::AtMostOnce || publish.retain,
            Packet::Subscribe(_) | Packet::Unsubscribe(_) => true,
            _ => false,
        }
    }

    /// Input of a connection waits until the store keeps up.
    #[cold]
    pub(super) fn hold_for_store(&mut self, id: ConnectionId) {
        self.stats.count(Outcome::PublishStoreWait);
        if let Some(connection) = self.connection_mut(id) {
            connection.is_input_held = true;
            self.exchanges.held.push(id);
        }
    }

    pub(super) fn on_store(&mut self, event: StoreEvent) {
        match event {
            StoreEvent::Durable { ticket, first } => self.on_durable(ticket, first),
            StoreEvent::Full => self.journal.on_full(),
            StoreEvent::Room => self.journal.on_room(),
            StoreEvent::Failed => self.journal.on_failed(),
        }
        if !self.exchanges.held.is_empty() && !self.is_store_behind() {
            self.held.extend(self.exchanges.held.drain(..));
        }
    }

    fn on_durable(&mut self, ticket: u64, first: u64) {
        let mut others = Vec::new();
        self.journal.on_durable(ticket, first, &mut others);
        self.tell_stored(&others);
        self.follow_commits();
        self.pump_holding();
    }

    /// Does what follows from what is durable now. Answers on one connection keep their order.
    fn follow_commits(&mut self) {
        for waiting in std::mem::take(&mut self.exchanges.ending) {
            self.follow(waiting);
        }
        let durable = self.journal.durable();
        while self
            .exchanges
            .committing
            .front()
            .is_some_and(|waiting| waiting.ticket <= durable)
            && let Some(waiting) = self.exchanges.committing.pop_front()
        {
            self.follow(waiting);
        }
    }

    fn follow(&mut self, mut waiting: Committing) {
        if !waiting.ending.is_empty() && self.journal.has_ended(&waiting.ending) {
            (waiting.ending, waiting.ticket) = (Vec::new(), self.journal.ticket());
        }
        let is_over = waiting.ending.is_empty() && waiting.ticket <= self.journal.durable();
        if is_over && !self.exchanges.is_ending(waiting.then.connection()) {
            return self.do_then(waiting.then);
        }
        self.exchanges.ending.push(waiting);
    }

    fn tell_stored(&mut self, others: &[crate::journal::Settled]) {
        if others.is_empty() {
            return;
        }
        let mut by_shard: Map<ShardId, Vec<(RecordId, u64)>> = Map::with_hasher(self.hashing);
        for settled in others {
            let records = by_shard.entry(settled.shard).or_default();
            records.push((settled.record, settled.position));
        }
        for shard in self.others() {
            if let Some(records) = by_shard.remove(&shard) {
                self.post(shard, Letter::Stored { records });
            }
        }
    }

    pub(super) fn on_stored(&mut self, records: Vec<(RecordId, u64)>) {
        for (record, position) in records {
            self.journal.settle(record, position);
        }
        self.follow_commits();
        self.pump_holding();
    }

    /// Sends what waited for the store, as far as it has come.
    fn pump_holding(&mut self) {
        for me in std::mem::take(&mut self.exchanges.holding) {
            if self
                .session(me.slot)
                .is_some_and(|session| session.me == me)
            {
                self.pump(me.slot);
            }
        }
    }

    /// Records that are live or on their way, and messages that are kept: what tests check against
    /// leaks.
    pub fn kept_counts(&self) -> (usize, usize) {
        (self.journal.len(), self.kept.len())
    }
}
