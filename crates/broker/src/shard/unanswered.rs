//! Who is told nothing of what was taken, since the disk takes nothing more.

use std::collections::BTreeMap;
use std::sync::Arc;

use columba_codec::PacketType;

use super::Shard;
use super::exchange::Then;
use crate::outcome::Outcome;
use crate::recorder::{Facts, Line, TapeName, flag};

/// Packet ids of the PUBLISH whose acknowledgements wait, by the index of their connection.
pub(super) type Unacknowledged = BTreeMap<u32, Vec<u16>>;

/// Of so many PUBLISH of one client it is recorded that their acknowledgement waits.
const NOTED_OF_ONE_MAX: usize = 16;
/// The same of all clients together, but for one of each.
const NOTED_MAX: usize = 8192;

/// What the ledger has of a PUBLISH.
struct Found {
    topic: String,
    message: u64,
}

/// What it has of packet ids, by their client.
type Wanted = BTreeMap<Arc<str>, BTreeMap<u16, Option<Found>>>;

fn forget(wanted: &mut Wanted) {
    let all = wanted.values_mut().flat_map(BTreeMap::values_mut);
    all.for_each(|found| *found = None);
}

impl Shard {
    /// The PUBLISH whose PUBACK or PUBREC waits for other shards or for the store.
    #[cold]
    pub(super) fn unacknowledged(&self) -> Unacknowledged {
        let exchanges = &self.exchanges;
        let lines = exchanges
            .durable
            .waiting()
            .chain(exchanges.written.waiting());
        let all = lines.chain(exchanges.queue.iter().map(|exchange| &exchange.then));
        let mut waiting = Unacknowledged::new();
        for then in all {
            if let Then::Acknowledge {
                conn,
                packet: PacketType::PubAck | PacketType::PubRec,
                packet_id,
                ..
            } = then
                && self.connection(*conn).is_some()
            {
                waiting.entry(conn.index).or_default().push(packet_id.get());
            }
        }
        waiting
    }

    /// The disk takes nothing more: whose answers wait for it is told of now, since what they sent was
    /// taken before. A line a PUBLISH says which it is, as far as the ledger has it; a client with another
    /// packet that waits for its answer alone has one line.
    #[cold]
    pub(super) fn note_answers_held(&mut self, unacknowledged: &Unacknowledged) {
        let held = &self.exchanges.held_inputs;
        let all = (0u32..).zip(&self.connections);
        let waiting = all.filter_map(|(index, connection)| {
            let connection = connection.as_ref()?;
            let is_news = !held.contains_key(&index) && self.is_answer_held(connection);
            is_news.then_some((index, connection.session))
        });
        let waiting: Vec<(u32, u32)> = waiting.collect();
        let each_max = (NOTED_MAX / waiting.len().max(1)).clamp(1, NOTED_OF_ONE_MAX);
        let detail = match self.journal.has_failed() {
            true => "the disk has failed",
            false => "the disk is full",
        };
        let mut wanted = Wanted::new();
        for (index, slot) in &waiting {
            let ids = unacknowledged.get(index).map_or(&[][..], Vec::as_slice);
            if let Some(session) = self.session(*slot).filter(|_| !ids.is_empty()) {
                let ids = ids.iter().rev().take(each_max);
                let of_client = wanted.entry(Arc::clone(&session.client_id)).or_default();
                of_client.extend(ids.map(|packet_id| (*packet_id, None)));
            }
        }
        self.look_up(&mut wanted);
        for (index, slot) in waiting {
            let ids = unacknowledged.get(&index).map_or(&[][..], Vec::as_slice);
            for _ in 0..ids.len().max(1) {
                self.stats.count(Outcome::PublishAnswerWait);
            }
            let of_client = self.session(slot).and_then(|of| wanted.get(&of.client_id));
            let first = ids.len().saturating_sub(each_max);
            let told = ids.get(first..).filter(|told| !told.is_empty());
            for packet_id in told.unwrap_or(&[0]) {
                let found = of_client.and_then(|of| of.get(packet_id));
                let found = found.and_then(Option::as_ref);
                let facts = Facts {
                    topic: found.map_or("", |found| &found.topic),
                    message: found.map_or(0, |found| found.message),
                    packet_id: *packet_id,
                    count: ids.len() as u64,
                    detail,
                    ..Facts::default()
                };
                self.note_answer_held(slot, facts);
            }
        }
    }

    /// Looks up in the ledger which message a packet id stands for: the last that its client sent with it.
    /// Where messages were left out since, it may be one of those.
    fn look_up(&mut self, wanted: &mut Wanted) {
        if wanted.is_empty() {
            return;
        }
        let recording = self.recorder.recording(self.now);
        let ledger = recording.chunks.iter();
        let ledger = ledger.filter(|chunk| chunk.tape() == TapeName::Ledger);
        let mut end = None;
        for chunk in ledger {
            let mut entries = chunk.entries();
            // What was overwritten or does not read is left out as well.
            if end.is_some_and(|end| end != entries.next_sequence()) {
                forget(wanted);
            }
            for line in entries.by_ref() {
                let entry = match line {
                    Ok(Line::Entry(entry)) => entry,
                    Ok(Line::Gap { .. }) | Err(_) => {
                        forget(wanted);
                        continue;
                    }
                };
                let facts = &entry.facts;
                let is_publication = matches!(
                    entry.outcome,
                    Outcome::PublishAccepted | Outcome::PublishNoMatch
                );
                if !is_publication || facts.packet_id == 0 {
                    continue;
                }
                let of_client = wanted.get_mut(facts.client);
                if let Some(found) = of_client.and_then(|of| of.get_mut(&facts.packet_id)) {
                    // A private topic is told by nothing.
                    let is_private = facts.flags & flag::PRIVATE != 0;
                    *found = (!is_private).then(|| Found {
                        topic: facts.topic.to_owned(),
                        message: facts.message,
                    });
                }
            }
            end = Some(entries.next_sequence());
        }
    }
}
