//! Which messages of a stream arrived, which came twice, which late.

use std::collections::BTreeMap;

/// What an arrival turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next one, or one after a gap.
    InOrder,
    /// Seen for the first time, after a later one.
    Late,
    /// Seen before.
    Duplicate,
}

/// The sequence numbers of one stream that have not been seen.
///
/// In order, which is the rule, an arrival costs a comparison.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// One above the highest number seen.
    next: u32,
    /// Numbers below `next` that have not been seen: first to last.
    gaps: Option<BTreeMap<u32, u32>>,
}

impl Stream {
    /// A stream that is met in its middle.
    pub(crate) fn starting_at(sequence: u32) -> Self {
        Self {
            next: sequence,
            gaps: None,
        }
    }

    /// Takes note of an arrival.
    #[inline]
    pub(crate) fn on_arrival(&mut self, sequence: u32) -> Arrival {
        if sequence == self.next {
            self.next = sequence.wrapping_add(1);
            return Arrival::InOrder;
        }
        self.on_irregular(sequence)
    }

    #[cold]
    fn on_irregular(&mut self, sequence: u32) -> Arrival {
        let gaps = self.gaps.get_or_insert_default();
        if sequence > self.next {
            gaps.insert(self.next, sequence - 1);
            self.next = sequence.wrapping_add(1);
            return Arrival::InOrder;
        }
        let gap = gaps.range(..=sequence).next_back();
        let Some((first, last)) = gap.map(|(first, last)| (*first, *last)) else {
            return Arrival::Duplicate;
        };
        if sequence > last {
            return Arrival::Duplicate;
        }
        gaps.remove(&first);
        if first < sequence {
            gaps.insert(first, sequence - 1);
        }
        if sequence < last {
            gaps.insert(sequence + 1, last);
        }
        Arrival::Late
    }

    /// Numbers below the highest one seen that are missing.
    pub(crate) fn missing(&self) -> u64 {
        let gaps = self.gaps.iter().flat_map(|gaps| gaps.iter());
        gaps.map(|(first, last)| u64::from(last - first) + 1).sum()
    }
}

/// Numbers that may come in any order, such as retained messages of different topics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    words: Vec<u64>,
}

impl Seen {
    /// Takes note of an arrival; it is a duplicate or not, never late.
    pub(crate) fn on_arrival(&mut self, sequence: u32) -> Arrival {
        let at = sequence as usize / 64;
        let bit = 1 << (sequence % 64);
        if self.words.len() <= at {
            self.words.resize(at + 1, 0);
        }
        let word = &mut self.words[at];
        if *word & bit != 0 {
            return Arrival::Duplicate;
        }
        *word |= bit;
        Arrival::InOrder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arrivals: &[u32], late: usize, duplicates: usize, missing: u64) {
        let mut stream = Stream::default();
        let found: Vec<_> = arrivals.iter().map(|n| stream.on_arrival(*n)).collect();
        let count = |kind| found.iter().filter(|a| **a == kind).count();
        assert_eq!(count(Arrival::Late), late, "{arrivals:?}: {found:?}");
        assert_eq!(count(Arrival::Duplicate), duplicates, "{arrivals:?}");
        assert_eq!(stream.missing(), missing, "{arrivals:?}");
    }

    #[test]
    fn loss_duplicates_and_order_are_told_apart() {
        check(&[], 0, 0, 0);
        check(&[0, 1, 2, 3], 0, 0, 0);
        check(&[0, 2, 3], 0, 0, 1);
        check(&[3], 0, 0, 3);
        check(&[0, 0, 1, 1, 0], 0, 3, 0);
        check(&[0, 2, 1, 3], 1, 0, 0);
        check(&[4, 3, 2, 1, 0], 4, 0, 0);
        check(&[0, 5, 2, 2, 5, 1], 2, 2, 2);
        check(&[9, 4, 4, 3, 5, 9, 0], 4, 2, 5);
    }

    #[test]
    fn a_stream_met_in_its_middle_has_lost_nothing_before() {
        let mut stream = Stream::starting_at(1000);
        assert_eq!(stream.on_arrival(1000), Arrival::InOrder);
        assert_eq!(stream.on_arrival(1002), Arrival::InOrder);
        assert_eq!(stream.missing(), 1);
    }

    #[test]
    fn any_order_will_do_where_none_is_promised() {
        let mut seen = Seen::default();
        let found = [70, 0, 3, 70, 3, 1].map(|n| seen.on_arrival(n));
        let duplicates = found.iter().filter(|a| **a == Arrival::Duplicate).count();
        assert_eq!(duplicates, 2);
        assert!(!found.contains(&Arrival::Late));
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_a_set(arrivals in proptest::collection::vec(0u32..40, 0..120)) {
            let mut stream = Stream::default();
            let mut set = std::collections::BTreeSet::new();
            for sequence in arrivals {
                let highest = set.last().copied();
                let expected = if !set.insert(sequence) {
                    Arrival::Duplicate
                } else if highest > Some(sequence) {
                    Arrival::Late
                } else {
                    Arrival::InOrder
                };
                proptest::prop_assert_eq!(stream.on_arrival(sequence), expected);
            }
            let all = set.last().map_or(0, |highest| u64::from(*highest) + 1);
            proptest::prop_assert_eq!(stream.missing(), all - set.len() as u64);
        }
    }
}
