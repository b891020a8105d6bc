//! What a record says, for those who read an export.

use serde_json::Value;

/// The fields of a record, if this program knows what it means.
///
/// Nothing is known yet: the core, which writes the records, does not hand out what they say.
pub(super) const fn meaning(_record: &[u8]) -> Option<Value> {
    None
}
