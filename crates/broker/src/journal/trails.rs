//! Records of retained messages that nobody needs any more and that may still come to the disk.
//!
//! Each shard writes for those whose messages it accepts, so of two records of one topic the newer
//! one may be durable first. Were that released while the older one is on its way, the older one
//! would be taken for the topic's message after a crash. So a record stays until all older ones of
//! its topic are durable, and are released with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::RecordId;

/// By topic. As many as are on their way to the disk, and what is held for them.
#[derive(Debug, Default)]
pub(super) struct Trails {
    topics: BTreeMap<Arc<str>, BTreeMap<u64, Former>>,
    /// Topic and number of those on their way.
    coming: BTreeMap<u32, (Arc<str>, u64)>,
    next: u64,
}

/// A record that was the topic's, or says that it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Former {
    /// It is not known to be durable.
    Coming,
    /// It is to be released when all before it are.
    Held(RecordId),
}

impl Trails {
    /// Whether anything of a topic is on its way.
    pub(super) fn has(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// A record that is on its way is not the topic's any more.
    pub(super) fn add_coming(&mut self, topic: &str, id: RecordId) {
        let place = self.add(topic, Former::Coming);
        self.coming.insert(id.value(), place);
    }

    /// A record has to stay until those that are on their way have come.
    pub(super) fn add_held(&mut self, topic: &str, id: RecordId) {
        self.add(topic, Former::Held(id));
    }

    fn add(&mut self, topic: &str, former: Former) -> (Arc<str>, u64) {
        let known = self.topics.get_key_value(topic);
        let topic = known.map_or_else(|| Arc::from(topic), |(topic, _)| Arc::clone(topic));
        let number = self.next;
        self.next += 1;
        let trail = self.topics.entry(Arc::clone(&topic)).or_default();
        trail.insert(number, former);
        (topic, number)
    }

    /// A record is durable. Those that need not stay for it any more are added to `free`. Returns
    /// whether the record itself has to stay, if it is `unwanted`: then it is held.
    pub(super) fn came(&mut self, id: RecordId, unwanted: bool, free: &mut Vec<RecordId>) -> bool {
        let Some((topic, number)) = self.coming.remove(&id.value()) else {
            return false;
        };
        let Some(trail) = self.topics.get_mut(&topic) else {
            return false;
        };
        let stays = unwanted && trail.first_key_value().is_some_and(|(at, _)| *at < number);
        if stays {
            trail.insert(number, Former::Held(id));
        } else {
            trail.remove(&number);
        }
        while let Some(first) = trail.first_entry()
            && let Former::Held(held) = *first.get()
        {
            first.remove();
            free.push(held);
        }
        if trail.is_empty() {
            self.topics.remove(&topic);
        }
        stays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> RecordId {
        RecordId::at(number)
    }

    fn came(trails: &mut Trails, number: usize) -> (bool, Vec<RecordId>) {
        let mut free = Vec::new();
        let stays = trails.came(id(number), true, &mut free);
        (stays, free)
    }

    #[test]
    fn what_is_held_waits_for_all_that_is_older_and_for_nothing_newer() {
        let mut trails = Trails::default();
        trails.add_coming("t", id(1));
        trails.add_coming("t", id(2));
        trails.add_held("t", id(3));
        trails.add_coming("t", id(4));
        trails.add_held("t", id(5));
        trails.add_coming("other", id(6));
        assert_eq!(came(&mut trails, 2), (true, vec![]));
        assert_eq!(came(&mut trails, 1), (false, vec![id(2), id(3)]));
        assert_eq!(came(&mut trails, 9), (false, vec![]));
        assert!(trails.has("t"));
        assert_eq!(came(&mut trails, 4), (false, vec![id(5)]));
        assert!(!trails.has("t") && trails.has("other"));
        assert_eq!(came(&mut trails, 6), (false, vec![]));
        assert!(trails.topics.is_empty() && trails.coming.is_empty());
    }

    /// What takes its place is on its way as well, and releases it.
    #[test]
    fn what_is_not_unwanted_yet_is_not_held() {
        let mut trails = Trails::default();
        trails.add_coming("t", id(1));
        trails.add_coming("t", id(2));
        assert!(!trails.came(id(2), false, &mut Vec::new()));
        assert_eq!(came(&mut trails, 1), (false, vec![]));
        assert!(!trails.has("t"));
    }
}
