//! Messages that are only in the store: when they are read back, and who waits for them.
//!
//! A session reads ahead of what it sends, as far as there is room in memory. What it needs at once
//! puts others out, and waits its turn if even that makes no room. Whoever needs a message that is
//! on its way already waits for the same answer.

use std::collections::VecDeque;

use columba_codec::PacketId;

use super::Shard;
use crate::event::Effect;
use crate::hash::{Hashing, Map, Set, hash_of};
use crate::journal::Fetched;
use crate::kept::KeptId;
use crate::message::Message;
use crate::outcome::Outcome;
use crate::record::MessageRecord;
use crate::recorder::Facts;
use crate::routing::share::SessionRef;
use crate::session::Session;
use crate::session::queue::Delivery;

/// Messages that a session reads ahead at most, those in memory already included.
const AHEAD_MAX: usize = 128;
/// Bytes of them; one message is read in any case.
const AHEAD_BYTES_MAX: usize = 1 << 20;

/// Messages that are being read.
#[derive(Debug)]
pub(super) struct Fetches {
    /// By position.
    coming: Map<u64, Coming>,
    /// Bytes of them.
    bytes: u64,
    /// Sessions that need a message for which there was no room.
    queue: VecDeque<SessionRef>,
    is_queued: Set<SessionRef>,
    /// The one of them whose turn it is.
    served: Option<SessionRef>,
}

#[derive(Debug)]
struct Coming {
    message: KeptId,
    bytes: u32,
    waiting: Vec<SessionRef>,
}

/// A message that could not be read.
struct Lost {
    message: KeptId,
    position: u64,
    why: String,
    waiting: Vec<SessionRef>,
}

impl Fetches {
    pub(super) fn new(hashing: Hashing) -> Self {
        Self {
            coming: Map::with_hasher(hashing),
            bytes: 0,
            queue: VecDeque::new(),
            is_queued: Set::with_hasher(hashing),
            served: None,
        }
    }

    /// Whether a session may read what it needs, or else more: not before those who wait for room. It
    /// would take that from them, and what is put out to make room would be read anew before their
    /// turn comes. Nor in its own turn, which is for what it needs: it may need something for its queue
    /// and something else to hand on.
    fn has_turn(&self, me: SessionRef, is_needed: bool) -> bool {
        match self.served {
            Some(served) => is_needed && served == me,
            None => self.queue.is_empty(),
        }
    }

    fn wait_for_room(&mut self, me: SessionRef) {
        if self.is_queued.insert(me) {
            self.queue.push_back(me);
        }
    }

    fn take_next(&mut self) -> Option<SessionRef> {
        let next = self.queue.pop_front()?;
        self.is_queued.remove(&next);
        Some(next)
    }
}

impl Shard {
    /// A copy that is about to wait leans on its message from now on, if that is kept.
    pub(super) fn lean(&mut self, slot: u32, delivery: &mut Delivery) {
        let is_urgent = self.session(slot).is_some_and(Session::is_online);
        if let Some(kept) = delivery.kept
            && let Some(message) = delivery.message.take()
        {
            self.kept.lean(kept.message, message, is_urgent);
        }
    }

    /// A copy that leaves its queue or its window gets its message: all of it if that is in memory,
    /// or else its outline, which is enough to drop it.
    pub(super) fn take_back(&mut self, delivery: &mut Delivery) {
        if delivery.message.is_none()
            && let Some(kept) = delivery.kept
        {
            delivery.message = self.kept.take_back(kept.message);
        }
    }

    /// The same for a copy in the window, which stays there.
    pub(super) fn take_back_sent(
        &mut self,
        slot: u32,
        packet_id: PacketId,
        delivery: &mut Delivery,
    ) {
        if delivery.message.is_some() {
            return;
        }
        self.take_back(delivery);
        let window = self.session_mut(slot).and_then(|of| of.window.as_mut());
        if let Some(sent) = window.and_then(|window| window.delivery_mut(packet_id)) {
            sent.message.clone_from(&delivery.message);
        }
    }

    /// What is known of a copy's message without reading it back.
    pub(super) fn outline_of<'a>(&'a self, delivery: &'a Delivery) -> Option<&'a Message> {
        match (&delivery.message, delivery.kept) {
            (Some(message), _) => Some(message),
            (None, Some(kept)) => self.kept.outline(kept.message),
            (None, None) => None,
        }
    }

    /// Asks for the messages that a session sends next, if they are out. `is_needed` if it has come
    /// to the first of them.
    pub(super) fn read_ahead(&mut self, slot: u32, is_needed: bool) {
        let Some(session) = self.session(slot) else {
            return;
        };
        let Some(queue) = session.queue.as_ref() else {
            return;
        };
        let me = session.me;
        if !is_needed {
            // Half of it is there: then it is not worth the while yet.
            let is_out = |delivery: &Delivery| self.kept.is_out(delivery);
            if !queue.behind(AHEAD_MAX / 2).is_some_and(is_out) {
                return;
            }
        }
        let mut wanted = Vec::new();
        let mut bytes = 0;
        for (at, delivery) in queue.iter().take(AHEAD_MAX).enumerate() {
            bytes += delivery.size_bytes();
            if bytes > AHEAD_BYTES_MAX && at > 0 {
                break;
            }
            let is_first = at == 0 && is_needed;
            if self.kept.is_out(delivery) || (is_first && !self.kept.has(delivery)) {
                wanted.extend(delivery.kept.map(|kept| kept.message));
            }
        }
        self.read(me, &wanted, is_needed);
    }

    /// Asks for the messages of a window that are to be sent again.
    pub(super) fn read_window(&mut self, slot: u32) {
        let Some(session) = self.session(slot) else {
            return;
        };
        let me = session.me;
        let leaning = session.window.iter().flat_map(|of| of.leaning(AHEAD_MAX));
        let wanted: Vec<KeptId> = leaning.filter(|id| !self.kept.is_here(*id)).collect();
        self.read(me, &wanted, true);
    }

    /// Asks for messages as far as there is room; `is_needed` if the session cannot go on without the
    /// first of them.
    pub(super) fn read(&mut self, me: SessionRef, wanted: &[KeptId], is_needed: bool) {
        let bytes_max = self.limits.queue_memory_bytes_max as u64;
        let Self {
            kept,
            journal,
            fetches,
            ..
        } = self;
        let mut positions = Vec::new();
        for (at, id) in wanted.iter().enumerate() {
            let position = kept.record(*id).and_then(|of| journal.position(of));
            let Some(position) = position else { continue };
            if let Some(coming) = fetches.coming.get_mut(&position)
                && coming.message == *id
            {
                if !coming.waiting.contains(&me) {
                    coming.waiting.push(me);
                }
                continue;
            }
            let is_first = is_needed && at == 0;
            if !fetches.has_turn(me, is_first) {
                if is_first {
                    fetches.wait_for_room(me);
                }
                break;
            }
            let bytes = kept.size_bytes(*id);
            let room = fetches.bytes + u64::from(bytes);
            if !kept.make_room(room, bytes_max, is_first) {
                if !is_first {
                    break;
                }
                // One at a time goes in any case.
                if !fetches.coming.is_empty() {
                    fetches.wait_for_room(me);
                    break;
                }
            }
            kept.begin_reading(*id);
            fetches.bytes += u64::from(bytes);
            let coming = Coming {
                message: *id,
                bytes,
                waiting: vec![me],
            };
            fetches.coming.insert(position, coming);
            positions.push(position);
        }
        if !positions.is_empty() {
            let count = positions.len() as u64;
            self.stats.count_many(Outcome::DeliverFetching, count);
            self.effects.push_back(Effect::Fetch { positions });
        }
    }

    /// The store has read records, or could not.
    pub(super) fn on_fetched(&mut self, fetched: Vec<Fetched>) {
        let mut waiting = Vec::new();
        for Fetched { position, record } in fetched {
            let Some(coming) = self.fetches.coming.remove(&position) else {
                continue;
            };
            self.fetches.bytes -= u64::from(coming.bytes);
            let id = coming.message;
            let is_it = self.kept.is_coming(id) && self.position_of(id) == Some(position);
            // Whatever has become of it, those who waited go on with what they have now.
            waiting.extend_from_slice(&coming.waiting);
            if !is_it {
                continue;
            }
            let number = self.number_of(id);
            let outline = self.kept.outline(id);
            let read = record.and_then(|bytes| {
                let message =
                    outline.and_then(|outline| MessageRecord::read_back(&bytes, outline, number));
                message.ok_or_else(|| "what is there is not this message".to_owned())
            });
            match read {
                Ok(message) => self.kept.bring(id, message),
                Err(why) => {
                    // Others may have more luck later.
                    self.kept.end_reading(id);
                    self.lose(&Lost {
                        message: id,
                        position,
                        why,
                        waiting: coming.waiting,
                    });
                }
            }
        }
        let mut seen = Set::with_hasher(self.hashing);
        for me in waiting {
            if seen.insert(me) {
                self.go_on_reading(me);
            }
        }
        self.serve_readers();
    }

    /// The number that the flight recorder follows a message by. What an earlier process took in gets
    /// one when it is about to be sent: all of it at once would be more than there is room for.
    fn number_of(&mut self, id: KeptId) -> u64 {
        let Some(outline) = self.kept.outline(id) else {
            return 0;
        };
        let number = outline.head().number;
        if number != 0 || !self.kept.is_found(id) {
            return number;
        }
        let topic = outline.topic();
        let topic_hash = hash_of(&self.hashing, topic);
        self.recorder.follow_found(self.now, topic, topic_hash)
    }

    fn position_of(&self, id: KeptId) -> Option<u64> {
        self.journal.position(self.kept.record(id)?)
    }

    /// Sessions whose turn to read has come.
    pub(super) fn serve_readers(&mut self) {
        for _ in 0..self.fetches.queue.len() {
            let Some(next) = self.fetches.take_next() else {
                return;
            };
            self.fetches.served = Some(next);
            self.go_on_reading(next);
            self.fetches.served = None;
            if self.fetches.is_queued.contains(&next) {
                // There is no room for others either, and it was first.
                if self.fetches.queue.back() == Some(&next) {
                    self.fetches.queue.rotate_right(1);
                }
                return;
            }
        }
    }

    fn go_on_reading(&mut self, me: SessionRef) {
        if self.session(me.slot).is_some_and(|of| of.me == me) {
            self.pump(me.slot);
        }
        self.hand_over_rest(me);
    }

    /// A message cannot be read: those who wait for it do without.
    fn lose(&mut self, lost: &Lost) {
        let (position, why) = (lost.position, &lost.why);
        let detail = format!("record {position} of the store cannot be read back: {why}");
        for me in &lost.waiting {
            self.lose_handed(*me, lost.message, &detail);
            let Some(session) = self.session_mut(me.slot).filter(|of| of.me == *me) else {
                continue;
            };
            let queue = session.queue.as_mut();
            let taken = queue.and_then(|queue| queue.take_one(lost.message, AHEAD_MAX));
            if let Some(mut delivery) = taken {
                self.stats.queued_messages -= 1;
                self.stats.queued_bytes -= delivery.size_bytes() as u64;
                self.take_back(&mut delivery);
                self.drop_lost(me.slot, &delivery, &detail);
            }
            let window = self.session_mut(me.slot).and_then(|of| of.window.as_mut());
            let taken = window.and_then(|window| {
                let id = window.id_of_leaning(lost.message, AHEAD_MAX)?;
                window.lose(id).ok()
            });
            if let Some(mut delivery) = taken {
                self.stats.inflight_messages -= 1;
                self.take_back(&mut delivery);
                self.drop_lost(me.slot, &delivery, &detail);
            }
        }
    }

    /// A copy is lost because of the store.
    pub(super) fn drop_lost(&mut self, slot: u32, delivery: &Delivery, detail: &str) {
        let outcome = Outcome::DeliverStoreLost;
        self.stats.count(outcome);
        let message = delivery.message().clone();
        let facts = Facts {
            topic: message.topic(),
            detail,
            message: message.head().number,
            ..Facts::default()
        };
        self.withhold(slot, outcome, facts);
        self.settle(slot, delivery);
    }

    /// More records are durable: messages may go out.
    pub(super) fn put_out(&mut self) {
        self.kept.note_durable(&self.journal);
        let bytes_max = self.limits.queue_memory_bytes_max as u64;
        self.kept.put_out(bytes_max);
    }
}
