//! What a record says, for those who read an export.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use columba_broker::record::{Description, Field, describe};
use serde_json::{Map, Value};

/// The fields of a record, if this program knows what it means.
pub(super) fn meaning(record: &[u8]) -> Option<Value> {
    describe(record).map(object)
}

fn object(description: Description) -> Value {
    let fields = description
        .into_iter()
        .map(|(name, field)| (name.to_owned(), value(field)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn value(field: Field) -> Value {
    match field {
        Field::Flag(flag) => flag.into(),
        Field::Number(number) => number.into(),
        Field::Text(text) => text.into(),
        // Most payloads are text; the others come as {"base64": ...}.
        Field::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(error) => serde_json::json!({ "base64": STANDARD.encode(error.as_bytes()) }),
        },
        Field::List(list) => list.into_iter().map(value).collect(),
        Field::Group(description) => object(description),
    }
}
