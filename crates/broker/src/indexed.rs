//! A list whose entries are found by a key, in one look-up however many there are.

use std::hash::Hash;

use hashbrown::Equivalent;

use crate::hash::{Hashing, Map};

/// What stands in an [`Indexed`] list.
pub(crate) trait Keyed {
    /// What it is found by; stays the same while it is in the list.
    type Key: Hash + Eq + std::fmt::Debug;

    fn key(&self) -> Self::Key;
}

/// Entries in no order that means anything; small while there is none.
#[derive(Debug)]
pub(crate) struct Indexed<T: Keyed>(Option<Box<Entries<T>>>);

#[derive(Debug)]
struct Entries<T: Keyed> {
    list: Vec<T>,
    positions: Map<T::Key, u32>,
}

impl<T: Keyed> Default for Indexed<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Keyed> Indexed<T> {
    /// Adds an entry, in place of the one with its key.
    pub(crate) fn put(&mut self, entry: T, hashing: Hashing) {
        let Entries { list, positions } = &mut **self.0.get_or_insert_with(|| {
            Box::new(Entries {
                list: Vec::new(),
                positions: Map::with_hasher(hashing),
            })
        });
        let key = entry.key();
        let known = positions.get(&key).copied();
        match known.and_then(|position| list.get_mut(position as usize)) {
            Some(known) => *known = entry,
            None => {
                positions.insert(key, list.len() as u32);
                list.push(entry);
            }
        }
    }

    /// The entry with a key.
    pub(crate) fn find<Q: Hash + Equivalent<T::Key> + ?Sized>(&self, key: &Q) -> Option<&T> {
        let entries = self.0.as_ref()?;
        let position = *entries.positions.get(key)?;
        entries.list.get(position as usize)
    }

    /// The entry with a key, to change all but its key.
    pub(crate) fn find_mut<Q: Hash + Equivalent<T::Key> + ?Sized>(
        &mut self,
        key: &Q,
    ) -> Option<&mut T> {
        let entries = self.0.as_mut()?;
        let position = *entries.positions.get(key)?;
        entries.list.get_mut(position as usize)
    }

    /// Takes an entry out; the last one takes its place.
    pub(crate) fn remove<Q: Hash + Equivalent<T::Key> + ?Sized>(&mut self, key: &Q) -> Option<T> {
        let Entries { list, positions } = &mut **self.0.as_mut()?;
        let position = positions.remove(key)?;
        let removed = list.swap_remove(position as usize);
        if let Some(moved) = list.get(position as usize) {
            positions.insert(moved.key(), position);
        }
        if list.is_empty() {
            self.0 = None;
        }
        Some(removed)
    }
}

impl<T: Keyed> std::ops::Deref for Indexed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |entries| &entries.list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl Keyed for (u8, u32) {
        type Key = u8;

        fn key(&self) -> u8 {
            self.0
        }
    }

    proptest! {
        #[test]
        fn holds_what_a_map_holds(
            operations in prop::collection::vec((any::<bool>(), 0u8..12, any::<u32>()), 0..200),
        ) {
            let mut indexed = Indexed::default();
            let mut map = BTreeMap::new();
            for (is_put, key, value) in operations {
                if is_put {
                    indexed.put((key, value), Hashing::with_seed(3));
                    map.insert(key, (key, value));
                } else {
                    prop_assert_eq!(indexed.remove(&key), map.remove(&key));
                }
                for key in 0..12 {
                    prop_assert_eq!(indexed.find(&key), map.get(&key));
                    prop_assert_eq!(indexed.find_mut(&key), map.get_mut(&key));
                }
                let mut listed = indexed.to_vec();
                listed.sort_unstable();
                prop_assert!(listed.iter().eq(map.values()));
                prop_assert_eq!(indexed.0.is_some(), !map.is_empty());
            }
        }
    }
}
