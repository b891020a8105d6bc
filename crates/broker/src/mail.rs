//! Letters between shards.

/// A letter from one shard to another. The driver carries it and never looks inside.
#[derive(Debug)]
pub enum Mail {}
