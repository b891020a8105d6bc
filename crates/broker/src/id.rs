//! How connections, shards and listeners are numbered: what everything else stands on.

/// A connection, as the driver numbers it.
///
/// The index may be used again once the connection is closed; the generation tells the users
/// apart, so that a late answer never reaches the wrong connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Slot in the driver's table; small and dense, the shard indexes by it.
    pub index: u32,
    /// Which user of the slot.
    pub generation: u32,
}

/// A shard of the broker, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The shard as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A listener, counted from 0 in the order of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u16);
