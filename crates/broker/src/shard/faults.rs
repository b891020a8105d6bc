//! How many lines of what goes wrong each client gets: one that fails all the time does not hide
//! the first failure of another.

use std::sync::Arc;

/// Clients that are remembered; one whose hash leads to the same place takes another's.
const SLOTS: usize = 1024;

/// After so many seconds without a line a client's next failure is news again.
const NEWS_SECS: u64 = 60;

/// The part of a second's lines that one client may have.
const SHARE: u32 = 10;

/// Who a report is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    hash: u64,
    client: Option<&'a Arc<str>>,
}

impl<'a> Whose<'a> {
    /// No client in particular.
    pub(super) const NOBODY: Self = Self {
        hash: 0,
        client: None,
    };

    pub(super) const fn client(hash: u64, client: &'a Arc<str>) -> Self {
        Self {
            hash,
            client: Some(client),
        }
    }

    /// Somebody who has not said who it is, by a hash of where it comes from.
    pub(super) const fn stranger(hash: u64) -> Self {
        Self { hash, client: None }
    }
}

/// What was said of whom.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Lines of this second.
    used: u32,
    /// Those of them about clients of whom something had been said before.
    used_again: u32,
    suppressed: u64,
    /// The client of whom most was left out in this second, and how much.
    most: Option<(Arc<str>, u64)>,
    /// Empty until something goes wrong.
    slots: Vec<Slot>,
}

/// Lines about one client. Seconds are counted from 1, as 0 is never.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u64,
    /// When something was last said of it.
    said: u64,
    /// The second of the two below.
    second: u64,
    used: u32,
    suppressed: u32,
}

impl Faults {
    /// Whether another line about somebody fits into a second that has room for so many. Each has a
    /// tenth of them at most, and half is kept for those of whom nothing was said lately.
    pub(super) fn take(&mut self, whose: Whose<'_>, second: u64, max: u32) -> bool {
        if self.slots.is_empty() {
            self.slots = vec![Slot::default(); SLOTS];
        }
        // Other bits than the shard is chosen by.
        let at = (whose.hash ^ (whose.hash >> 23)) as usize % SLOTS;
        let Some(slot) = self.slots.get_mut(at) else {
            return false;
        };
        let second = second + 1;
        if slot.hash != whose.hash {
            *slot = Slot {
                hash: whose.hash,
                ..Slot::default()
            };
        }
        let is_news = slot.said == 0 || second >= slot.said + NEWS_SECS;
        if slot.second != second {
            (slot.second, slot.used, slot.suppressed) = (second, 0, 0);
        }
        let may_again = self.used_again < max.div_ceil(2) && slot.used < max.div_ceil(SHARE);
        let has_room = self.used < max && (is_news || may_again);
        if has_room {
            slot.used += 1;
            slot.said = second;
            self.used += 1;
            self.used_again += u32::from(!is_news);
            return true;
        }
        self.suppressed += 1;
        slot.suppressed = slot.suppressed.saturating_add(1);
        let (of_client, most) = (u64::from(slot.suppressed), self.most.as_ref());
        if let Some(client) = whose.client
            && most.is_none_or(|(_, most)| of_client > *most)
        {
            self.most = Some((Arc::clone(client), of_client));
        }
        false
    }

    pub(super) const fn suppressed(&self) -> u64 {
        self.suppressed
    }

    /// A second is over: how much was left out in it, and of whom most.
    pub(super) fn end_second(&mut self) -> (u64, Option<(Arc<str>, u64)>) {
        self.used = 0;
        self.used_again = 0;
        (std::mem::take(&mut self.suppressed), self.most.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many lines about one client fit into a second.
    fn fit(faults: &mut Faults, hash: u64, second: u64, lines: usize) -> usize {
        let client: Arc<str> = Arc::from(format!("client-{hash}"));
        let whose = Whose::client(hash, &client);
        (0..lines)
            .filter(|_| faults.take(whose, second, 50))
            .count()
    }

    #[test]
    fn who_fails_all_the_time_has_a_tenth_and_leaves_room_for_the_first_failure_of_others() {
        let mut faults = Faults::default();
        assert_eq!(fit(&mut faults, 1, 7, 1_000), 5);
        // Ten of them have half of the second; whoever is new has the other.
        for hash in 2..=100 {
            let lines = fit(&mut faults, hash, 7, 100);
            assert!(lines >= usize::from(hash <= 25), "{hash}: {lines}");
        }
        assert!(faults.used <= 50);
        assert_eq!(
            faults.suppressed(),
            995 + 99 * 100 - u64::from(faults.used - 5)
        );
        let (_, most) = faults.end_second();
        let (client, count) = most.expect("a client");
        assert_eq!((&*client, count), ("client-1", 995));
        // The next second begins anew, but for what is news.
        let again = (1..=25).map(|hash| fit(&mut faults, hash, 8, 100));
        assert_eq!(again.sum::<usize>(), 25);
        assert_eq!(
            fit(&mut faults, 100, 8, 100),
            1,
            "nothing was said of it yet"
        );
    }

    #[test]
    fn a_failure_after_a_quiet_minute_is_news_again() {
        let mut faults = Faults::default();
        for second in [0, 1, 60, 61] {
            // Others have used up what is not kept for news.
            for hash in 2..=10 {
                fit(&mut faults, hash, second, 10);
            }
            let lines = fit(&mut faults, 1, second, 1);
            assert_eq!(lines, usize::from(second != 1 && second != 61), "{second}");
            faults.end_second();
        }
    }

    #[test]
    fn many_clients_are_not_each_remembered_and_all_lines_are_bounded() {
        let mut faults = Faults::default();
        let lines: usize = (0..100_000).map(|hash| fit(&mut faults, hash, 3, 1)).sum();
        assert_eq!((lines, faults.slots.len()), (50, SLOTS));
        assert_eq!(faults.end_second().0, 99_950);
    }
}
