//! Which kept messages are in memory, and which are only in the store because so many wait.
//!
//! A copy that waits in a queue has no message of its own: it leans on the kept message, which has
//! one body for all of them or, while it is out, the topic and what else is needed without reading
//! it back. Those go first that are farthest from being sent: the newest of sessions that are
//! offline, then the newest of the others, and those that were read back last.

use std::collections::VecDeque;

use super::{KeptId, KeptMessage, KeptMessages};
use crate::journal::Journal;
use crate::message::Message;
use crate::session::queue::Delivery;

/// What copies lean on.
#[derive(Debug)]
pub(super) struct Body {
    /// Without properties and payload while it is not here.
    message: Message,
    place: Place,
    /// Whether a session that is connected waits for it.
    is_urgent: bool,
    /// Whether an earlier process took it in.
    is_found: bool,
    /// Bytes of its properties and payload.
    size_bytes: u32,
    /// Copies that lean on it.
    leaning: u32,
    /// Its place in a line is void if it has another stamp.
    stamp: u32,
}

/// Where a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Here,
    /// In the store alone.
    Out,
    /// The same, and it is being read.
    Coming,
}

/// How much is in memory, and in which order it goes out.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    here_bytes: u64,
    here: usize,
    out: usize,
    next_stamp: u32,
    /// The outline that was made last: the next one may be like it.
    last_outline: Option<Message>,
    /// Whose records are on their way to the disk, in about the order in which they get there.
    unwritten: Line,
    offline: Line,
    online: Line,
    /// Those that were read back, in the order in which they came.
    fetched: Line,
}

/// Messages with their stamps. Those whose stamp is void go when they are met, or when they are most
/// of it.
type Line = VecDeque<(KeptId, u32)>;

/// Void places that a line may have in any case.
const VOID_MAX: usize = 64;

impl Body {
    fn is_here(&self) -> bool {
        self.place == Place::Here
    }
}

impl Bodies {
    fn come(&mut self, size_bytes: u32) {
        self.here_bytes += u64::from(size_bytes);
        self.here += 1;
    }

    fn go(&mut self, size_bytes: u32) {
        self.here_bytes -= u64::from(size_bytes);
        self.here -= 1;
    }

    fn forget(&mut self, body: &Body) {
        match body.place {
            Place::Here => self.go(body.size_bytes),
            Place::Out | Place::Coming => self.out -= 1,
        }
    }

    const fn stamp(&mut self) -> u32 {
        self.next_stamp = self.next_stamp.wrapping_add(1);
        self.next_stamp
    }
}

impl KeptMessages {
    /// A copy leans on its message from now on; `is_urgent` if it is for a connected client.
    pub(crate) fn lean(&mut self, id: KeptId, message: Message, is_urgent: bool) {
        let Some(kept) = self.messages.get_mut(id.index()) else {
            return;
        };
        let size_bytes = message.body_bytes();
        let bodies = &mut self.bodies;
        let Some(body) = &mut kept.body else {
            bodies.come(size_bytes);
            let is_routed = kept.record.is_some();
            let stamp = bodies.stamp();
            kept.body = Some(Body {
                message,
                place: Place::Here,
                is_urgent,
                is_found: false,
                size_bytes,
                leaning: 1,
                stamp,
            });
            if is_routed {
                bodies.unwritten.push_back((id, stamp));
            }
            return;
        };
        body.leaning += 1;
        body.is_urgent |= is_urgent;
        if !body.is_here() {
            self.bring(id, message);
        }
    }

    /// A copy of a message that was found in the store leans on it: `stub` has neither properties nor
    /// payload.
    pub(crate) fn lean_out(&mut self, id: KeptId, stub: &Message, size_bytes: u32) {
        let Some(kept) = self.messages.get_mut(id.index()) else {
            return;
        };
        let bodies = &mut self.bodies;
        let body = kept.body.get_or_insert_with(|| {
            bodies.out += 1;
            Body {
                message: stub.clone(),
                place: Place::Out,
                is_urgent: false,
                is_found: true,
                size_bytes,
                leaning: 0,
                stamp: bodies.stamp(),
            }
        });
        body.leaning += 1;
    }

    /// A copy leans on its message no more. What it gets is whole only if that
    /// [is here](Self::is_here).
    pub(crate) fn take_back(&mut self, id: KeptId) -> Option<Message> {
        let kept = self.messages.get_mut(id.index())?;
        let body = kept.body.as_mut()?;
        body.leaning -= 1;
        if body.leaning > 0 {
            return Some(body.message.clone());
        }
        let body = kept.body.take()?;
        self.bodies.forget(&body);
        Some(body.message)
    }

    /// Whether the message of a copy is in memory.
    pub(crate) fn has(&self, delivery: &Delivery) -> bool {
        delivery.message.is_some() || delivery.kept.is_some_and(|of| self.is_here(of.message))
    }

    /// Whether the message of a copy is in the store alone, and nobody reads it.
    pub(crate) fn is_out(&self, delivery: &Delivery) -> bool {
        let body = delivery.kept.and_then(|of| self.body(of.message));
        delivery.message.is_none() && body.is_some_and(|body| body.place == Place::Out)
    }

    /// What is known of a message without reading it back: its topic, expiry and origin.
    pub(crate) fn outline(&self, id: KeptId) -> Option<&Message> {
        Some(&self.body(id)?.message)
    }

    /// Whether a message that copies lean on is in memory.
    pub(crate) fn is_here(&self, id: KeptId) -> bool {
        self.body(id).is_some_and(Body::is_here)
    }

    /// Whether it is being read.
    pub(crate) fn is_coming(&self, id: KeptId) -> bool {
        self.body(id)
            .is_some_and(|body| body.place == Place::Coming)
    }

    /// Bytes of its properties and payload.
    pub(crate) fn size_bytes(&self, id: KeptId) -> u32 {
        self.body(id).map_or(0, |body| body.size_bytes)
    }

    /// Whether any message is out.
    pub(crate) const fn has_out(&self) -> bool {
        self.bodies.out > 0
    }

    /// Bytes of the properties and payloads of messages that copies lean on and that are in memory.
    pub(crate) const fn here_bytes(&self) -> u64 {
        self.bodies.here_bytes
    }

    fn body(&self, id: KeptId) -> Option<&Body> {
        self.messages.get(id.index())?.body.as_ref()
    }

    fn body_mut(&mut self, id: KeptId) -> Option<&mut Body> {
        self.messages.get_mut(id.index())?.body.as_mut()
    }

    /// Whether a message that copies lean on was taken in by an earlier process.
    pub(crate) fn is_found(&self, id: KeptId) -> bool {
        self.body(id).is_some_and(|body| body.is_found)
    }

    /// A message is being read back.
    pub(crate) fn begin_reading(&mut self, id: KeptId) {
        if let Some(body) = self.body_mut(id)
            && body.place == Place::Out
        {
            body.place = Place::Coming;
        }
    }

    /// A message could not be read, or is not needed now.
    pub(crate) fn end_reading(&mut self, id: KeptId) {
        if let Some(body) = self.body_mut(id)
            && body.place == Place::Coming
        {
            body.place = Place::Out;
        }
    }

    /// A message is in memory again.
    pub(crate) fn bring(&mut self, id: KeptId, message: Message) {
        let kept = self.messages.get_mut(id.index());
        let Some(body) = kept.and_then(|kept| kept.body.as_mut()) else {
            return;
        };
        if body.is_here() {
            return;
        }
        self.bodies.out -= 1;
        self.bodies.come(body.size_bytes);
        let stamp = self.bodies.stamp();
        body.message = message;
        body.place = Place::Here;
        body.stamp = stamp;
        self.bodies.fetched.push_back((id, stamp));
        self.tidy_lines();
    }

    /// The record of a message is about to be written: as soon as it is, the message may go out.
    pub(super) fn line_up(&mut self, id: KeptId) {
        if let Some(body) = self
            .messages
            .get(id.index())
            .and_then(|of| of.body.as_ref())
        {
            self.bodies.unwritten.push_back((id, body.stamp));
        }
    }

    /// Notes which messages may go out, now that more records are durable.
    pub(crate) fn note_durable(&mut self, journal: &Journal) {
        let Self {
            messages, bodies, ..
        } = self;
        while let Some((id, stamp)) = bodies.unwritten.front().copied() {
            let kept = messages.get(id.index());
            if let Some((kept, body)) = kept.and_then(|kept| Some((kept, kept.body.as_ref()?)))
                && body.stamp == stamp
            {
                let record = kept.record;
                if record.is_none_or(|record| journal.position(record).is_none()) {
                    break;
                }
                let line = match body.is_urgent {
                    true => &mut bodies.online,
                    false => &mut bodies.offline,
                };
                line.push_back((id, stamp));
            }
            bodies.unwritten.pop_front();
        }
        self.tidy_lines();
    }

    /// Puts messages out until those in memory are no more than so many bytes, as far as it can.
    pub(crate) fn put_out(&mut self, bytes_max: u64) {
        while self.bodies.here_bytes > bytes_max && (self.put_one_out() || self.put_back_one()) {}
    }

    /// The same, but those that were read back stay unless `is_needed`: whether there is room for so
    /// many bytes more.
    pub(crate) fn make_room(&mut self, bytes: u64, bytes_max: u64, is_needed: bool) -> bool {
        while self.bodies.here_bytes + bytes > bytes_max {
            let has_gone = self.put_one_out() || (is_needed && self.put_back_one());
            if !has_gone {
                return false;
            }
        }
        true
    }

    fn put_one_out(&mut self) -> bool {
        let Self {
            messages, bodies, ..
        } = self;
        while let Some((id, stamp)) = bodies
            .offline
            .pop_back()
            .or_else(|| bodies.online.pop_back())
        {
            if leave(messages.get_mut(id.index()), stamp, bodies) {
                return true;
            }
        }
        false
    }

    fn put_back_one(&mut self) -> bool {
        let Self {
            messages, bodies, ..
        } = self;
        while let Some((id, stamp)) = bodies.fetched.pop_front() {
            if leave(messages.get_mut(id.index()), stamp, bodies) {
                return true;
            }
        }
        false
    }

    /// Keeps the lines from filling with places that are void.
    fn tidy_lines(&mut self) {
        let Self {
            messages, bodies, ..
        } = self;
        let most = 2 * bodies.here + VOID_MAX;
        let is_valid = |(id, stamp): &(KeptId, u32)| {
            let body = messages.get(id.index()).and_then(|kept| kept.body.as_ref());
            body.is_some_and(|body| body.stamp == *stamp && body.is_here())
        };
        let Bodies {
            offline,
            online,
            fetched,
            ..
        } = bodies;
        for line in [offline, online, fetched] {
            if line.len() > most {
                line.retain(is_valid);
            }
        }
    }

    /// The sum of what is in memory, counted one by one.
    pub(crate) fn recount_here_bytes(&self) -> u64 {
        let bodies = self
            .messages
            .iter()
            .filter_map(|(_, kept)| kept.body.as_ref());
        let here = bodies.filter(|body| body.is_here());
        here.map(|body| u64::from(body.message.body_bytes())).sum()
    }
}

/// Puts a message out, if its place in the line is not void.
fn leave(kept: Option<&mut KeptMessage>, stamp: u32, bodies: &mut Bodies) -> bool {
    let Some(body) = kept.and_then(|kept| kept.body.as_mut()) else {
        return false;
    };
    if body.stamp != stamp || !body.is_here() {
        return false;
    }
    body.message = body.message.outline_like(&mut bodies.last_outline);
    body.place = Place::Out;
    bodies.out += 1;
    bodies.go(body.size_bytes);
    true
}

/// A message is forgotten whatever leans on it.
pub(super) fn forget(body: Option<Body>, bodies: &mut Bodies) {
    if let Some(body) = body {
        bodies.forget(&body);
    }
}
