//! Seeded hashing, seeded chance and secret names: the core's only sources of either.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::{FixedState, FoldHasher};
use siphasher::sip128::SipHasher24;

use crate::id::ShardId;

/// Makes hashers that are the same on every shard and differ from process to process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hashing(u64);

impl Hashing {
    pub(crate) const fn with_seed(seed: u64) -> Self {
        Self(seed)
    }
}

impl BuildHasher for Hashing {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> FoldHasher<'static> {
        FixedState::with_seed(self.0).build_hasher()
    }
}

/// A map with seeded hashing.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, Hashing>;

/// A set with seeded hashing.
pub(crate) type Set<K> = hashbrown::HashSet<K, Hashing>;

/// The hash of a value.
pub(crate) fn hash_of<T: Hash + ?Sized>(hashing: &Hashing, value: &T) -> u64 {
    hashing.hash_one(value)
}

/// The shard that a hash belongs to.
pub(crate) fn shard_of(hash: u64, shards: u16) -> ShardId {
    // The upper half, because hash tables use the lower bits.
    ShardId(((hash >> 32) % u64::from(shards.max(1))) as u16)
}

/// The home shard of a client, by its client id, or of a retained message, by its topic, in a broker
/// whose shards were made with this seed.
pub fn home_of(seed: u64, name: &str, shards: u16) -> ShardId {
    shard_of(hash_of(&Hashing::with_seed(seed), name), shards)
}

/// A small generator of chance (splitmix64); for choices, not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) const fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() % bound as u64) as usize
    }
}

/// Makes the client ids that the server assigns.
///
/// SipHash-2-4 with 128 bits under a key of its own, over the shard and a counter. It is a
/// pseudorandom function: whoever has seen any number of ids can neither compute another one nor
/// the key, and the key is used for nothing else, so ids tell nothing about the hash tables.
#[derive(Clone)]
pub(crate) struct ClientIds {
    key: [u8; 16],
    shard: ShardId,
    count: u64,
}

impl ClientIds {
    pub(crate) const fn new(key: [u8; 16], shard: ShardId) -> Self {
        Self {
            key,
            shard,
            count: 0,
        }
    }

    /// An id that this broker has not made before.
    pub(crate) fn next_id(&mut self) -> String {
        self.count += 1;
        let mut input = self.count.to_le_bytes().to_vec();
        input.extend(self.shard.0.to_le_bytes());
        let id = SipHasher24::new_with_key(&self.key).hash(&input).as_u128();
        format!("columba-{id:032x}")
    }
}

impl std::fmt::Debug for ClientIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientIds")
            .field("shard", &self.shard)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_the_key_the_shard_and_the_count() {
        let first = |key: u8, shard: u16| ClientIds::new([key; 16], ShardId(shard)).next_id();
        let mut ids = ClientIds::new([1; 16], ShardId(0));
        let all = [ids.next_id(), ids.next_id(), first(1, 1), first(2, 0)];
        assert_eq!(all[0], first(1, 0));
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
        // columba- and 128 bits.
        assert!(all.iter().all(|id| id.len() == 8 + 32), "{all:?}");
        assert!(!format!("{ids:?}").contains("key"));
    }
}
