//! Faults that come again and again: written once, counted after that.

use std::net::SocketAddr;

use super::entry::{Facts, OwnedFacts};
use crate::now::Now;
use crate::outcome::Outcome;

/// Faults that are counted at a time; a new one takes the place of another.
const SLOTS: usize = 128;

/// What has more text is written each time.
const TEXT_BYTES_MAX: usize = 512;

/// What was counted is written at the latest when a fault comes again after so long.
const TELL_AFTER_MS: u64 = 10_000;

/// Times of an entry that stands for several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) times: u64,
    pub(super) first_ms: u64,
    pub(super) last_ms: u64,
}

impl Known {
    pub(super) const fn once(now: Now) -> Self {
        Self {
            times: 1,
            first_ms: now.mono_ms,
            last_ms: now.mono_ms,
        }
    }
}

/// Counts faults, by a hash that tells them apart.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    slots: Vec<Option<Box<Repeat>>>,
}

/// A fault that was written once and has come again so often since.
#[derive(Debug)]
pub(super) struct Repeat {
    fault: u64,
    /// Of the client that it is told of.
    client_hash: u64,
    outcome: Outcome,
    facts: OwnedFacts,
    /// Since the last line about it.
    times: u64,
    first_ms: u64,
    last_ms: u64,
    told_ms: u64,
}

impl Repeat {
    /// Hands out what was counted and not written, with the hash of its client.
    pub(super) fn tell(&self, mut write: impl FnMut(u64, Outcome, &Facts<'_>, Known)) {
        if self.times > 0 {
            let known = Known {
                times: self.times,
                first_ms: self.first_ms,
                last_ms: self.last_ms,
            };
            write(self.client_hash, self.outcome, &self.facts.borrow(), known);
        }
    }
}

impl Repeats {
    fn slot_of(fault: u64) -> usize {
        (fault ^ (fault >> 29)) as usize % SLOTS
    }

    /// Whether a fault is known and was counted; else it has to be written, and begun. A detail that
    /// is given has to be the same; of several addresses the last one is kept, without its port.
    pub(super) fn count(
        &mut self,
        fault: u64,
        detail: Option<&str>,
        peer: Option<SocketAddr>,
        now: Now,
    ) -> bool {
        let slot = self.slots.get_mut(Self::slot_of(fault));
        let Some(Some(repeat)) = slot.map(|slot| slot.as_mut()) else {
            return false;
        };
        let is_other = detail.is_some_and(|detail| repeat.facts.borrow().detail != detail);
        if is_other || repeat.fault != fault || now.mono_ms >= repeat.told_ms + TELL_AFTER_MS {
            return false;
        }
        match peer {
            Some(peer) if repeat.times == 0 => repeat.facts.set_peer(peer),
            Some(peer) => repeat.facts.add_peer(peer),
            None => repeat.facts.forget_port(),
        }
        if repeat.times == 0 {
            repeat.first_ms = now.mono_ms;
        }
        repeat.times += 1;
        repeat.last_ms = now.mono_ms;
        true
    }

    /// Counts a fault from now on, which has just been written; gives back the one whose place it takes.
    pub(super) fn begin(
        &mut self,
        (fault, client_hash): (u64, u64),
        outcome: Outcome,
        facts: &Facts<'_>,
        now: Now,
    ) -> Option<Box<Repeat>> {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        let facts = OwnedFacts::from(facts);
        let slot = self.slots.get_mut(Self::slot_of(fault))?;
        if facts.text_bytes() > TEXT_BYTES_MAX {
            return None;
        }
        slot.replace(Box::new(Repeat {
            fault,
            client_hash,
            outcome,
            facts,
            times: 0,
            first_ms: now.mono_ms,
            last_ms: now.mono_ms,
            told_ms: now.mono_ms,
        }))
    }

    /// Hands out all that was counted and not written.
    pub(super) fn tell_all(&mut self, mut write: impl FnMut(u64, Outcome, &Facts<'_>, Known)) {
        for repeat in self.slots.iter_mut().flatten() {
            repeat.tell(&mut write);
            repeat.times = 0;
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let texts = self.slots.iter().flatten();
        let texts: usize = texts.map(|repeat| repeat.facts.text_bytes()).sum();
        let held = self.slots.iter().flatten().count();
        self.slots.capacity() * size_of::<Option<Box<Repeat>>>()
            + held * size_of::<Repeat>()
            + texts
    }
}
