//! Which subscribers want a topic.

pub(crate) mod cache;
pub(crate) mod filters;
pub(crate) mod share;
pub(crate) mod trie;

pub(crate) use filters::{Filter, FilterId, FilterTable, Subscriber};
