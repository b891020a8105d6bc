//! Remembers which filters matched a topic, so that the steady state is one look-up.

use super::filters::FilterId;

/// A direct-mapped cache: a fixed number of slots, a topic has one slot, the later topic wins. It
/// never grows, never stalls to make room, and entries of an older generation count as absent.
#[derive(Debug)]
pub(crate) struct MatchCache {
    slots: Vec<Option<Box<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    topic: Box<str>,
    generation: u64,
    filters: Vec<FilterId>,
}

/// Longer topics are looked up each time, so that the cache is bounded in bytes as well.
const TOPIC_BYTES_MAX: usize = 256;

/// So are topics that more filters match.
const FILTERS_MAX: usize = 64;

impl MatchCache {
    /// A cache of about `slots_max` slots; 0 turns it off.
    pub(crate) fn new(slots_max: usize) -> Self {
        let slots = if slots_max == 0 {
            0
        } else {
            (slots_max / 2 + 1).next_power_of_two()
        };
        Self {
            slots: (0..slots).map(|_| None).collect(),
        }
    }

    fn slot_of(&self, hash: u64) -> usize {
        hash as usize & self.slots.len().wrapping_sub(1)
    }

    /// The filters that matched, if known for this generation of the filter table.
    pub(crate) fn find(&self, hash: u64, topic: &str, generation: u64) -> Option<&[FilterId]> {
        let entry = self.slots.get(self.slot_of(hash))?.as_ref()?;
        (entry.generation == generation && *entry.topic == *topic).then_some(&entry.filters)
    }

    /// Remembers a match.
    pub(crate) fn put(&mut self, hash: u64, topic: &str, generation: u64, filters: &[FilterId]) {
        let slot = self.slot_of(hash);
        let fits = topic.len() <= TOPIC_BYTES_MAX && filters.len() <= FILTERS_MAX;
        let Some(slot) = self.slots.get_mut(slot).filter(|_| fits) else {
            return;
        };
        match slot {
            Some(entry) => {
                entry.generation = generation;
                if *entry.topic != *topic {
                    entry.topic = topic.into();
                }
                entry.filters.clear();
                entry.filters.extend_from_slice(filters);
            }
            None => {
                let entry = Entry {
                    topic: topic.into(),
                    generation,
                    filters: filters.to_vec(),
                };
                *slot = Some(Box::new(entry));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_matches_are_not_kept() {
        let mut cache = MatchCache::new(4);
        let filters = vec![FilterId(1); FILTERS_MAX + 1];
        let topic = "t".repeat(TOPIC_BYTES_MAX + 1);
        cache.put(1, "t", 0, &filters);
        cache.put(2, &topic, 0, &[]);
        assert!(cache.find(1, "t", 0).is_none() && cache.find(2, &topic, 0).is_none());
        cache.put(1, "t", 0, &filters[1..]);
        assert_eq!(cache.find(1, "t", 0).map(<[_]>::len), Some(FILTERS_MAX));
    }
}
