//! Payloads of Sparkplug B as JSON: the wire format of Protocol Buffers, read by tables that repeat
//! `sparkplug_b.proto` of Eclipse Tahu.
//!
//! Names are those of the definition. The member `value` stands for whichever of the fields of a
//! value is there, and is what the data type makes of it: an `Int8` that travels as 251 is -5.
//! Fields that the definition does not name are skipped, as Protocol Buffers want it.

use super::bytes::{Reader, Undecodable};
use super::json_text::JsonText;
use crate::words::decoding;

pub(super) mod births;
mod value;

use std::cell::Cell;

use births::Known;
use value::DataType;

/// Whether messages to this topic are payloads of Sparkplug B: `spBv1.0/group/NDATA/node`.
pub(super) fn is_topic(topic: &str) -> bool {
    let mut levels = topic.split('/');
    levels.next() == Some("spBv1.0")
        && levels.next().is_some()
        && levels
            .next()
            .is_some_and(|kind| KINDS.split(' ').any(|known| known == kind))
}

/// The messages that are Protocol Buffers; STATE is JSON.
const KINDS: &str = "NBIRTH NDEATH DBIRTH DDEATH NDATA DDATA NCMD DCMD";

/// A payload as it is shown.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) json: JsonText,
    /// The last alias that no birth gives a name.
    pub(super) unknown_alias: Option<u64>,
}

/// Shows a payload, with what its births say.
pub(super) fn show(payload: &[u8], known: Known<'_>) -> Result<Payload, Undecodable> {
    let mut json = JsonText::new();
    let unknown_alias = Cell::new(None);
    let around = Around {
        births: Some((known, &unknown_alias)),
        ..Around::default()
    };
    message(&PAYLOAD, Reader::new(payload), around, &mut json)?;
    let unknown_alias = unknown_alias.get();
    Ok(Payload {
        json,
        unknown_alias,
    })
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Number,
    Boolean,
    Text,
    Bytes,
    Message(&'static Message),
    /// A number that names a [`DataType`].
    DataType,
    /// One of the forms of a value.
    Value(Form),
}

/// How a value travels.
#[derive(Clone, Copy, Debug)]
enum Form {
    Integer,
    Float,
    Double,
    Boolean,
    Text,
    Bytes,
    Message(&'static Message),
}

#[derive(Debug)]
struct Field {
    number: u64,
    name: &'static str,
    kind: Kind,
    is_repeated: bool,
}

/// Which messages are treated in a way of their own.
#[derive(Clone, Copy, Debug)]
enum Name {
    DataSet,
    Row,
    Metric,
    Other,
}

/// A kind of message: its fields in the order in which they are shown.
#[derive(Debug)]
struct Message {
    name: Name,
    fields: &'static [Field],
}

const fn one(number: u64, name: &'static str, kind: Kind) -> Field {
    Field {
        number,
        name,
        kind,
        is_repeated: false,
    }
}

const fn many(number: u64, name: &'static str, kind: Kind) -> Field {
    Field {
        number,
        name,
        kind,
        is_repeated: true,
    }
}

const fn value(number: u64, form: Form) -> Field {
    one(number, "value", Kind::Value(form))
}

static PAYLOAD: Message = Message {
    name: Name::Other,
    fields: &[
        one(1, "timestamp", Kind::Number),
        one(3, "seq", Kind::Number),
        one(4, "uuid", Kind::Text),
        many(2, "metrics", Kind::Message(&METRIC)),
        one(5, "body", Kind::Bytes),
    ],
};

static METRIC: Message = Message {
    name: Name::Metric,
    fields: &[
        one(1, "name", Kind::Text),
        one(2, "alias", Kind::Number),
        one(3, "timestamp", Kind::Number),
        one(4, "datatype", Kind::DataType),
        one(5, "is_historical", Kind::Boolean),
        one(6, "is_transient", Kind::Boolean),
        one(7, "is_null", Kind::Boolean),
        one(8, "metadata", Kind::Message(&META_DATA)),
        one(9, "properties", Kind::Message(&PROPERTY_SET)),
        value(10, Form::Integer),
        value(11, Form::Integer),
        value(12, Form::Float),
        value(13, Form::Double),
        value(14, Form::Boolean),
        value(15, Form::Text),
        value(16, Form::Bytes),
        value(17, Form::Message(&DATA_SET)),
        value(18, Form::Message(&TEMPLATE)),
    ],
};

static META_DATA: Message = Message {
    name: Name::Other,
    fields: &[
        one(1, "is_multi_part", Kind::Boolean),
        one(2, "content_type", Kind::Text),
        one(3, "size", Kind::Number),
        one(4, "seq", Kind::Number),
        one(5, "file_name", Kind::Text),
        one(6, "file_type", Kind::Text),
        one(7, "md5", Kind::Text),
        one(8, "description", Kind::Text),
    ],
};

static PROPERTY_SET: Message = Message {
    name: Name::Other,
    fields: &[
        many(1, "keys", Kind::Text),
        many(2, "values", Kind::Message(&PROPERTY_VALUE)),
    ],
};

static PROPERTY_VALUE: Message = Message {
    name: Name::Other,
    fields: &[
        one(1, "type", Kind::DataType),
        one(2, "is_null", Kind::Boolean),
        value(3, Form::Integer),
        value(4, Form::Integer),
        value(5, Form::Float),
        value(6, Form::Double),
        value(7, Form::Boolean),
        value(8, Form::Text),
        value(9, Form::Message(&PROPERTY_SET)),
        value(10, Form::Message(&PROPERTY_SET_LIST)),
    ],
};

static PROPERTY_SET_LIST: Message = Message {
    name: Name::Other,
    fields: &[many(1, "propertyset", Kind::Message(&PROPERTY_SET))],
};

static DATA_SET: Message = Message {
    name: Name::DataSet,
    fields: &[
        one(1, "num_of_columns", Kind::Number),
        many(2, "columns", Kind::Text),
        many(3, "types", Kind::DataType),
        many(4, "rows", Kind::Message(&ROW)),
    ],
};

static ROW: Message = Message {
    name: Name::Row,
    fields: &[many(1, "elements", Kind::Message(&DATA_SET_VALUE))],
};

static DATA_SET_VALUE: Message = Message {
    name: Name::Other,
    fields: &[
        value(1, Form::Integer),
        value(2, Form::Integer),
        value(3, Form::Float),
        value(4, Form::Double),
        value(5, Form::Boolean),
        value(6, Form::Text),
    ],
};

static TEMPLATE: Message = Message {
    name: Name::Other,
    fields: &[
        one(1, "version", Kind::Text),
        one(4, "template_ref", Kind::Text),
        one(5, "is_definition", Kind::Boolean),
        many(3, "parameters", Kind::Message(&PARAMETER)),
        many(2, "metrics", Kind::Message(&METRIC)),
    ],
};

static PARAMETER: Message = Message {
    name: Name::Other,
    fields: &[
        one(1, "name", Kind::Text),
        one(2, "type", Kind::DataType),
        value(3, Form::Integer),
        value(4, Form::Integer),
        value(5, Form::Float),
        value(6, Form::Double),
        value(7, Form::Boolean),
        value(8, Form::Text),
    ],
};

/// A field as it travels.
#[derive(Clone, Debug)]
struct Found<'a> {
    number: u64,
    at: usize,
    wire: Wire<'a>,
}

#[derive(Clone, Debug)]
enum Wire<'a> {
    Varint(u64),
    Eight([u8; 8]),
    Four([u8; 4]),
    /// Its start is there in the payload.
    Delimited(&'a [u8], usize),
}

/// What a message knows from those around it.
#[derive(Clone, Copy, Debug, Default)]
struct Around<'a> {
    /// The data type of its value, if it does not say itself.
    data_type: DataType,
    /// Of a data set: the data types of its columns.
    columns: &'a [DataType],
    /// Of a payload: the births, and an alias that is in none of them.
    births: Option<(Known<'a>, &'a Cell<Option<u64>>)>,
}

fn message(
    message: &Message,
    reader: Reader<'_>,
    around: Around<'_>,
    json: &mut JsonText,
) -> Result<(), Undecodable> {
    let start = reader.at();
    let found = split(reader)?;
    let mut types = data_types(message, &found)?;
    let mut name_of_birth = None;
    if let (Name::Metric, Some((known, unknown))) = (message.name, around.births) {
        let (name, data_type) = of_birth(&found, known, unknown);
        name_of_birth = name;
        if let (Some(data_type), true) = (data_type, types.is_empty()) {
            types.push(data_type);
        }
    }
    // The metrics of a template in a metric have no aliases of their own.
    let births = around
        .births
        .filter(|_| matches!(message.name, Name::Other));
    let around = Around { births, ..around };
    let around = match (message.name, types.last()) {
        (Name::DataSet, _) => Around {
            columns: &types,
            ..around
        },
        (Name::Other | Name::Metric, Some(own)) => Around {
            data_type: *own,
            ..Around::default()
        },
        (Name::Row | Name::Other | Name::Metric, _) => around,
    };
    json.open('{', start)?;
    if let Some(name) = name_of_birth {
        json.name("name");
        json.string(name, start)?;
    }
    for field in message.fields {
        let mut occurrences = found.iter().filter(|found| found.number == field.number);
        if field.is_repeated {
            let mut occurrences = occurrences.enumerate().peekable();
            if occurrences.peek().is_none() {
                continue;
            }
            json.name(field.name);
            json.open('[', start)?;
            for (index, occurrence) in occurrences {
                let mut around = around;
                if matches!(message.name, Name::Row) {
                    around.data_type = around.columns.get(index).copied().unwrap_or_default();
                }
                show_repeated(field, occurrence, around, json)?;
            }
            json.close(']');
        } else if let Some(last) = occurrences.next_back() {
            // Of a field that is there twice the last counts.
            json.name(field.name);
            show_field(field.kind, last, around, json)?;
        }
    }
    json.close('}');
    Ok(())
}

/// Name and data type that a birth gives a metric that has only an alias, or only a name.
fn of_birth<'a>(
    metric: &[Found<'_>],
    known: Known<'a>,
    unknown: &Cell<Option<u64>>,
) -> (Option<&'a str>, Option<DataType>) {
    let (mut name, mut alias) = (None, None);
    for found in metric {
        match (found.number, &found.wire) {
            (1, Wire::Delimited(text, _)) if !text.is_empty() => name = Some(*text),
            (2, Wire::Varint(number)) => alias = Some(*number),
            _ => {}
        }
    }
    match (name, alias) {
        (Some(name), _) => {
            let name = std::str::from_utf8(name).ok();
            (None, name.and_then(|name| known.data_type(name)))
        }
        (None, Some(alias)) => match known.alias(alias) {
            Some(named) => (Some(named.name.as_str()), Some(named.data_type)),
            None => {
                unknown.set(Some(alias));
                (None, None)
            }
        },
        (None, None) => (None, None),
    }
}

/// The data types that a message names: that of its value, or those of its columns.
fn data_types(message: &Message, found: &[Found<'_>]) -> Result<Vec<DataType>, Undecodable> {
    let mut types = Vec::new();
    for found in found {
        let is_type =
            field(message, found.number).is_some_and(|field| matches!(field.kind, Kind::DataType));
        match &found.wire {
            _ if !is_type => {}
            Wire::Varint(number) => types.push(DataType(*number)),
            Wire::Delimited(part, start) => {
                let mut reader = Reader::inside(part, *start);
                while !reader.is_at_end() {
                    types.push(DataType(varint(&mut reader)?));
                }
            }
            Wire::Eight(_) | Wire::Four(_) => {}
        }
    }
    Ok(types)
}

fn field(message: &Message, number: u64) -> Option<&'static Field> {
    message.fields.iter().find(|field| field.number == number)
}

/// Takes a message apart.
fn split(mut reader: Reader<'_>) -> Result<Vec<Found<'_>>, Undecodable> {
    let mut fields = Vec::new();
    while !reader.is_at_end() {
        let at = reader.at();
        let key = varint(&mut reader)?;
        let wire = match key & 7 {
            0 => Wire::Varint(varint(&mut reader)?),
            1 => Wire::Eight(reader.array()?),
            2 => {
                let len = varint(&mut reader)?;
                let start = reader.at();
                Wire::Delimited(reader.take(len)?, start)
            }
            5 => Wire::Four(reader.array()?),
            other => {
                let why = decoding::wire_type(other.to_string());
                return Err(Undecodable::new(at, why));
            }
        };
        let number = key >> 3;
        if number == 0 {
            return Err(Undecodable::new(at, decoding::field_0()));
        }
        fields.push(Found { number, at, wire });
    }
    Ok(fields)
}

fn varint(reader: &mut Reader<'_>) -> Result<u64, Undecodable> {
    let at = reader.at();
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let byte = reader.byte()?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Undecodable::new(at, decoding::over_64_bits()))
}

/// A field that may be there often; numbers may also be packed into one.
fn show_repeated(
    field: &Field,
    found: &Found<'_>,
    around: Around<'_>,
    json: &mut JsonText,
) -> Result<(), Undecodable> {
    match (field.kind, &found.wire) {
        (Kind::Number | Kind::DataType | Kind::Boolean, Wire::Delimited(part, start)) => {
            let mut reader = Reader::inside(part, *start);
            while !reader.is_at_end() {
                let at = reader.at();
                let one = Found {
                    number: found.number,
                    at,
                    wire: Wire::Varint(varint(&mut reader)?),
                };
                show_field(field.kind, &one, around, json)?;
            }
            Ok(())
        }
        _ => show_field(field.kind, found, around, json),
    }
}

fn show_field(
    kind: Kind,
    found: &Found<'_>,
    around: Around<'_>,
    json: &mut JsonText,
) -> Result<(), Undecodable> {
    let at = found.at;
    match (kind, &found.wire) {
        (Kind::Number, Wire::Varint(number)) => json.plain(number, at),
        (Kind::Boolean | Kind::Value(Form::Boolean), Wire::Varint(number)) => {
            json.plain(*number != 0, at)
        }
        (Kind::DataType, Wire::Varint(number)) => match DataType(*number).name() {
            Some(name) => json.string(name, at),
            None => json.plain(number, at),
        },
        (Kind::Text | Kind::Value(Form::Text), Wire::Delimited(part, start)) => {
            let text = Reader::inside(part, *start).text(part.len() as u64)?;
            json.string(text, at)
        }
        (Kind::Bytes, Wire::Delimited(part, _)) => json.bytes(part, at),
        (Kind::Value(Form::Bytes), Wire::Delimited(part, start)) => {
            around.data_type.show_bytes(part, *start, json)
        }
        (Kind::Message(kind) | Kind::Value(Form::Message(kind)), Wire::Delimited(part, start)) => {
            message(kind, Reader::inside(part, *start), around, json)
        }
        (Kind::Value(Form::Integer), Wire::Varint(number)) => {
            around.data_type.show_integer(*number, at, json)
        }
        (Kind::Value(Form::Float), Wire::Four(bytes)) => {
            json.float32(f32::from_le_bytes(*bytes), at)
        }
        (Kind::Value(Form::Double), Wire::Eight(bytes)) => {
            json.float(f64::from_le_bytes(*bytes), at)
        }
        _ => {
            let why = decoding::other_kind(found.number.to_string());
            Err(Undecodable::new(at, why))
        }
    }
}

#[cfg(test)]
mod tests;
