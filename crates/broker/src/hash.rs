//! Seeded hashing and seeded chance: the core's only sources of either.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::{FixedState, FoldHasher};

use crate::event::ShardId;

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

/// A small generator of chance (splitmix64); for choices and ids, not for secrets.
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
