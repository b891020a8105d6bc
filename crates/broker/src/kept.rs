//! Messages that sessions keep across a restart: one record each, released when the last of its
//! recipients has settled its copy.

mod bodies;

use std::collections::VecDeque;
use std::num::NonZeroU32;

use slab::Slab;

use crate::journal::{Journal, RecordId};
use crate::record::Record;
use bodies::{Bodies, Body};

/// How long a copy that is settled while others are not may stay unnoted. After a crash within that
/// time a QoS 1 copy is sent again and a QoS 2 exchange is gone through to its end once more.
const UNSAVED_MS_MAX: u64 = 100;

/// How much later it is looked again if nothing may be written: there may be many.
const PUT_OFF_MS: u64 = 1000;

/// A message of [`KeptMessages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeptId(NonZeroU32);

/// A copy of a message that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) message: KeptId,
    /// Its place in the record.
    pub(crate) recipient: u32,
}

/// The messages that sessions of one shard keep.
#[derive(Debug, Default)]
pub(crate) struct KeptMessages {
    messages: Slab<KeptMessage>,
    /// Messages with settled copies that the store does not know of, and when it is to be told.
    unsaved: VecDeque<(u64, KeptId)>,
    bodies: Bodies,
}

#[derive(Debug)]
struct KeptMessage {
    /// Its record; none while it is being routed.
    record: Option<RecordId>,
    /// Copies that are not settled, and one more while it is being routed.
    open: u32,
    /// Copies in all.
    count: u32,
    partial: Option<Box<Partial>>,
    /// The message itself, while copies lean on it.
    body: Option<Body>,
}

/// What is known of a message with copies that are settled and others that are not.
#[derive(Debug, Default)]
struct Partial {
    /// Places of the settled ones.
    settled: Vec<u32>,
    /// Whether it is among the unsaved.
    is_unsaved: bool,
    /// The record that says which are settled.
    record: Option<RecordId>,
    /// Records of QoS 2 exchanges that have ended, to be released with the next such record.
    ended: Vec<RecordId>,
    /// Whether one of them is somebody else's now, with a record of its own.
    is_handed_on: bool,
}

impl Partial {
    /// Whether a copy may be on disk by the record of this message alone, although somebody else has it:
    /// what its new owner has is in a batch with the record that says so, or before it.
    fn may_be_needed(&self, journal: &Journal) -> bool {
        let is_noted = self.record.is_some_and(|record| journal.is_durable(record));
        self.is_handed_on && !is_noted
    }
}

impl KeptMessage {
    /// Writes down which copies are settled. `false` if the message itself is not durable yet, or
    /// nothing may be written.
    fn save(&mut self, journal: &mut Journal, may_write: bool) -> bool {
        let Some(partial) = self.partial.as_mut().filter(|of| of.is_unsaved) else {
            return true;
        };
        if !may_write {
            return false;
        }
        let Some(position) = self.record.and_then(|record| journal.position(record)) else {
            return false;
        };
        partial.is_unsaved = false;
        let settled = Record::Settled {
            message: position,
            recipients: partial.settled.clone(),
        };
        journal.replace(&mut partial.record, |out| settled.write(out));
        for record in partial.ended.drain(..) {
            journal.release(record);
        }
        true
    }
}

impl KeptId {
    fn at(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.unwrap_or(NonZeroU32::MAX))
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl KeptMessages {
    /// A message that is being routed. It is there until [`Self::finish`] at least.
    pub(crate) fn begin(&mut self) -> KeptId {
        KeptId::at(self.messages.insert(KeptMessage {
            record: None,
            open: 1,
            count: 0,
            partial: None,
            body: None,
        }))
    }

    /// One more copy.
    pub(crate) fn add(&mut self, id: KeptId) -> Kept {
        let mut recipient = 0;
        if let Some(message) = self.messages.get_mut(id.index()) {
            recipient = message.count;
            message.count += 1;
            message.open += 1;
        }
        Kept {
            message: id,
            recipient,
        }
    }

    /// A message that was found in the store, with so many copies, of which these are settled.
    pub(crate) fn restore(
        &mut self,
        record: RecordId,
        count: u32,
        settled: Vec<u32>,
        settled_record: Option<RecordId>,
    ) -> KeptId {
        let open = count - settled.len() as u32;
        let has_partial = !settled.is_empty() || settled_record.is_some();
        let partial = has_partial.then(|| {
            Box::new(Partial {
                settled,
                is_unsaved: false,
                record: settled_record,
                ..Partial::default()
            })
        });
        KeptId::at(self.messages.insert(KeptMessage {
            record: Some(record),
            open,
            count,
            partial,
            body: None,
        }))
    }

    /// Routing is over. Gives the places of copies that are settled already, for the record to
    /// leave out; `None` if no copy is left, and the message is forgotten.
    pub(crate) fn finish(&mut self, id: KeptId, record: RecordId) -> Option<Vec<u32>> {
        let message = self.messages.get_mut(id.index())?;
        message.open -= 1;
        if message.open == 0 {
            let message = self.messages.try_remove(id.index())?;
            bodies::forget(message.body, &mut self.bodies);
            return None;
        }
        message.record = Some(record);
        let partial = message.partial.as_mut();
        let settled = partial.map_or_else(Vec::new, |of| of.settled.clone());
        self.line_up(id);
        Some(settled)
    }

    /// The record of a message.
    pub(crate) fn record(&self, id: KeptId) -> Option<RecordId> {
        self.messages.get(id.index())?.record
    }

    /// A copy needs nothing any more; `exchange` is the record of its QoS 2 exchange. Returns when
    /// [`Self::save`] is due, if nobody knows yet.
    pub(crate) fn settle(
        &mut self,
        kept: Kept,
        exchange: Option<RecordId>,
        journal: &mut Journal,
        now_ms: u64,
    ) -> Option<u64> {
        let message = self.messages.get_mut(kept.message.index())?;
        message.open -= 1;
        if message.open == 0 {
            let message = self.messages.try_remove(kept.message.index())?;
            bodies::forget(message.body, &mut self.bodies);
            if let Some(record) = message.record {
                journal.release(record);
            }
            if let Some(partial) = message.partial {
                if partial.may_be_needed(journal) {
                    journal.keep_turn();
                }
                for record in partial.record.into_iter().chain(partial.ended) {
                    journal.release(record);
                }
            }
            if let Some(record) = exchange {
                journal.release(record);
            }
            return None;
        }
        let is_routed = message.record.is_some();
        let partial = message.partial.get_or_insert_default();
        partial.settled.push(kept.recipient);
        partial.ended.extend(exchange);
        if !is_routed || std::mem::replace(&mut partial.is_unsaved, true) {
            return None;
        }
        let is_first = self.unsaved.is_empty();
        let due_ms = now_ms + UNSAVED_MS_MAX;
        self.unsaved.push_back((due_ms, kept.message));
        is_first.then_some(due_ms)
    }

    /// Somebody else has a copy of a message now: writes down at once which of its copies are settled, if
    /// its record is durable.
    pub(crate) fn save_handed_on(&mut self, id: KeptId, journal: &mut Journal) {
        if let Some(message) = self.messages.get_mut(id.index()) {
            if let Some(partial) = &mut message.partial {
                partial.is_handed_on = true;
            }
            message.save(journal, true);
        }
    }

    /// Writes down now which copies are settled, of all messages whose records are durable.
    pub(crate) fn save_all(&mut self, journal: &mut Journal) {
        // Their places stay, and with them the time at which somebody looks.
        for (_, id) in &self.unsaved {
            if let Some(message) = self.messages.get_mut(id.index()) {
                message.save(journal, true);
            }
        }
    }

    /// Writes down which copies are settled, where that is due, or puts it off. Returns when it is due
    /// again.
    pub(crate) fn save(
        &mut self,
        journal: &mut Journal,
        now_ms: u64,
        may_write: bool,
    ) -> Option<u64> {
        // Those that are put back are due later.
        for _ in 0..self.unsaved.len() {
            let Some((due_ms, id)) = self.unsaved.front().copied() else {
                break;
            };
            if due_ms > now_ms {
                break;
            }
            self.unsaved.pop_front();
            let Some(message) = self.messages.get_mut(id.index()) else {
                continue;
            };
            if !message.save(journal, may_write) {
                let later_ms = if may_write {
                    UNSAVED_MS_MAX
                } else {
                    PUT_OFF_MS
                };
                self.unsaved.push_back((now_ms + later_ms, id));
            }
        }
        self.unsaved.front().map(|(due_ms, _)| *due_ms)
    }

    /// Messages that are kept.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(journal: &mut Journal, ticket: u64, first: u64) -> (usize, Vec<u64>) {
        let batch = journal.take_batch().unwrap_or_default();
        journal.on_durable(ticket, first, &mut Vec::new());
        (batch.ends.len(), batch.releases)
    }

    #[test]
    fn a_message_is_released_with_its_last_copy() {
        let (mut kept, mut journal) = (KeptMessages::default(), Journal::new(true));
        let id = kept.begin();
        let copies = [kept.add(id), kept.add(id)];
        let record = journal.append(|out| out.push(0));
        assert_eq!(kept.finish(id, record), Some(vec![]));
        assert_eq!(written(&mut journal, 1, 10), (1, vec![]));
        assert_eq!(kept.settle(copies[0], None, &mut journal, 5), Some(105));
        assert!(!journal.has_batch());
        assert_eq!(kept.settle(copies[1], None, &mut journal, 5), None);
        assert_eq!(written(&mut journal, 2, 0), (0, vec![10]));
        assert_eq!((kept.len(), journal.len()), (0, 0));
        assert_eq!(kept.save(&mut journal, 9999, true), None);
    }

    #[test]
    fn copies_that_are_settled_long_before_others_are_noted_once() {
        let (mut kept, mut journal) = (KeptMessages::default(), Journal::new(true));
        let id = kept.begin();
        let copies = [kept.add(id), kept.add(id), kept.add(id)];
        let record = journal.append(|out| out.push(0));
        kept.finish(id, record);
        let exchange = journal.append(|out| out.push(1));
        assert_eq!(
            kept.settle(copies[2], Some(exchange), &mut journal, 0),
            Some(100)
        );
        // Not before the message itself is there.
        assert_eq!(kept.save(&mut journal, 100, true), Some(200));
        assert_eq!(written(&mut journal, 1, 10), (2, vec![]));
        assert_eq!(kept.save(&mut journal, 199, true), Some(200));
        assert_eq!(kept.save(&mut journal, 200, true), None);
        assert_eq!(written(&mut journal, 2, 12), (1, vec![11]));
        assert_eq!(kept.settle(copies[0], None, &mut journal, 300), Some(400));
        assert_eq!(kept.save(&mut journal, 400, true), None);
        // The new note takes the place of the old one.
        assert_eq!(written(&mut journal, 3, 13), (1, vec![12]));
        kept.settle(copies[1], None, &mut journal, 5000);
        let (_, releases) = written(&mut journal, 4, 0);
        assert_eq!(releases, [10, 13]);
        assert_eq!((kept.len(), journal.len()), (0, 0));
    }

    #[test]
    fn a_message_whose_copies_are_settled_while_it_is_routed_needs_no_record() {
        let (mut kept, mut journal) = (KeptMessages::default(), Journal::new(true));
        let id = kept.begin();
        let copy = kept.add(id);
        assert_eq!(kept.settle(copy, None, &mut journal, 0), None);
        let record = journal.reserve();
        assert_eq!(kept.finish(id, record), None);
        journal.abandon(record);
        let id = kept.begin();
        let copies = [kept.add(id), kept.add(id)];
        kept.settle(copies[0], None, &mut journal, 0);
        let record = journal.append(|out| out.push(0));
        assert_eq!(kept.finish(id, record), Some(vec![0]));
        kept.settle(copies[1], None, &mut journal, 0);
        assert_eq!(kept.len(), 0);
    }
}
