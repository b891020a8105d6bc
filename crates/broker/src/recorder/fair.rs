//! How many events a client may have in the common history.

use crate::now::Now;

/// Events that a client may have at once.
pub const BURST: u8 = 32;
/// Then one more each so many seconds.
pub const REFILL_SECS: u64 = 10;
/// Clients share an allowance if their hashes agree in so many values.
const SLOTS: usize = 4096;

/// An allowance for each client, by its hash.
#[derive(Debug, Default)]
pub(super) struct Fairness {
    slots: Vec<Allowance>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    /// When it was last used, in steps of [`REFILL_SECS`], plus one.
    step: u32,
    used: u8,
}

impl Fairness {
    /// Whether an event of a client fits into the common history.
    pub(super) fn admits(&mut self, client_hash: u64, now: Now) -> bool {
        if self.slots.is_empty() {
            self.slots = vec![Allowance::default(); SLOTS];
        }
        // Other bits than the shard is chosen by.
        let slot = (client_hash ^ (client_hash >> 21)) as usize % SLOTS;
        let Some(of) = self.slots.get_mut(slot) else {
            return true;
        };
        let step = (now.mono_ms / 1000 / REFILL_SECS) as u32 + 1;
        let refilled = step.saturating_sub(of.step).min(u32::from(BURST)) as u8;
        of.used = of.used.saturating_sub(refilled);
        of.step = step;
        if of.used >= BURST {
            return false;
        }
        of.used += 1;
        true
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Allowance>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Now {
        Now {
            mono_ms: secs * 1000,
            unix_ms: 0,
        }
    }

    #[test]
    fn a_client_has_a_burst_and_then_one_event_a_step() {
        let mut fairness = Fairness::default();
        let mut admitted = |secs: u64, client: u64, tries: usize| {
            (0..tries)
                .filter(|_| fairness.admits(client, at(secs)))
                .count()
        };
        assert_eq!(admitted(5, 1, 100), 32);
        // Another one is not concerned.
        assert_eq!(admitted(5, 2, 10), 10);
        assert_eq!(admitted(25, 1, 100), 2);
        assert_eq!(admitted(100_000, 1, 100), 32);
    }
}
