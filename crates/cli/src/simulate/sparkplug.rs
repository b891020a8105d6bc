//! Payloads of Sparkplug B 3.0 as an edge node makes them: the fields of `sparkplug_b.proto` that it
//! needs, in the wire format of Protocol Buffers.

/// A type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataType {
    Int32,
    Int64,
    UInt32,
    UInt64,
    Float,
    Double,
    Boolean,
    String,
}

/// The value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `int_value`; Int32 as two's complement.
    Int(u32),
    /// `long_value`; Int64 as two's complement.
    Long(u64),
    Float(f32),
    Double(f64),
    Boolean(bool),
    String(String),
}

/// A metric with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) data_type: DataType,
    /// None is null.
    pub(super) value: Option<Value>,
}

/// Counts births and what follows them: `bdSeq` and `seq`, both from 0 to 255 and then from 0 again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sequence {
    next_birth: u8,
    birth: u8,
    next: u8,
}

/// The metric that tells a death from those of other births.
const BIRTH_SEQUENCE: &str = "bdSeq";
/// The metric that asks a node to be born again.
pub(super) const REBIRTH: &str = "Node Control/Rebirth";

impl DataType {
    const ALL: [(Self, &'static str, u64); 8] = [
        (Self::Int32, "int32", 3),
        (Self::Int64, "int64", 4),
        (Self::UInt32, "uint32", 7),
        (Self::UInt64, "uint64", 8),
        (Self::Float, "float", 9),
        (Self::Double, "double", 10),
        (Self::Boolean, "boolean", 11),
        (Self::String, "string", 12),
    ];

    pub(super) fn from_name(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known, _)| *known == name);
        found.map(|(data_type, ..)| *data_type)
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(_, name, _)| *name)
    }

    fn entry(self) -> (&'static str, u64) {
        let found = Self::ALL.iter().find(|(data_type, ..)| *data_type == self);
        found.map_or(("string", 12), |(_, name, number)| (*name, *number))
    }

    pub(super) fn name(self) -> &'static str {
        self.entry().0
    }

    /// A text as a value of this type.
    pub(super) fn read(self, text: &str) -> Option<Value> {
        let text = text.trim();
        Some(match self {
            Self::Int32 => Value::Int(text.parse::<i32>().ok()?.cast_unsigned()),
            Self::UInt32 => Value::Int(text.parse().ok()?),
            Self::Int64 => Value::Long(text.parse::<i64>().ok()?.cast_unsigned()),
            Self::UInt64 => Value::Long(text.parse().ok()?),
            Self::Float => Value::Float(text.parse().ok()?),
            Self::Double => Value::Double(text.parse().ok()?),
            Self::Boolean => Value::Boolean(text.parse().ok()?),
            Self::String => Value::String(text.to_owned()),
        })
    }
}

impl Sequence {
    /// A connection is about to be made: its birth has a number of its own.
    pub(super) fn connect(&mut self) {
        self.birth = self.next_birth;
        self.next_birth = self.next_birth.wrapping_add(1);
    }

    /// The payload of NDEATH: no `seq`, and the number of the birth that it ends.
    pub(super) fn death(self, now_ms: u64) -> Vec<u8> {
        payload(now_ms, None, &[self.birth_metric()])
    }

    /// The payload of NBIRTH, which begins `seq` anew.
    pub(super) fn birth(&mut self, now_ms: u64, metrics: &[Metric]) -> Vec<u8> {
        self.next = 0;
        let rebirth = Metric {
            name: REBIRTH.to_owned(),
            data_type: DataType::Boolean,
            value: Some(Value::Boolean(false)),
        };
        let metrics = [&[self.birth_metric(), rebirth], metrics].concat();
        self.data(now_ms, &metrics)
    }

    /// The payload of every other message of the node.
    pub(super) fn data(&mut self, now_ms: u64, metrics: &[Metric]) -> Vec<u8> {
        let seq = self.next;
        self.next = self.next.wrapping_add(1);
        payload(now_ms, Some(seq), metrics)
    }

    fn birth_metric(self) -> Metric {
        Metric {
            name: BIRTH_SEQUENCE.to_owned(),
            data_type: DataType::Int64,
            value: Some(Value::Long(u64::from(self.birth))),
        }
    }
}

/// Whether a text can be the id of a group, node or device.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '+', '#', '\0'])
}

/// Whether the payload of an NCMD asks for a new birth. One that cannot be read does not.
pub(super) fn asks_for_rebirth(payload: &[u8]) -> bool {
    let is_rebirth = |metric: &[u8]| {
        let has_name = fields(metric).any(|(field, value)| {
            field == 1 && matches!(value, Field::Bytes(name) if name == REBIRTH.as_bytes())
        });
        has_name && fields(metric).any(|(field, value)| field == 14 && value == Field::Number(1))
    };
    fields(payload).any(|(field, value)| match value {
        Field::Bytes(metric) => field == 2 && is_rebirth(metric),
        Field::Number(_) | Field::Fixed => false,
    })
}

fn payload(now_ms: u64, seq: Option<u8>, metrics: &[Metric]) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, 1, now_ms);
    for metric in metrics {
        let mut inner = Vec::new();
        put_bytes(&mut inner, 1, metric.name.as_bytes());
        put_number(&mut inner, 3, now_ms);
        put_number(&mut inner, 4, metric.data_type.entry().1);
        match &metric.value {
            None => put_number(&mut inner, 7, 1),
            Some(Value::Int(value)) => put_number(&mut inner, 10, u64::from(*value)),
            Some(Value::Long(value)) => put_number(&mut inner, 11, *value),
            Some(Value::Float(value)) => {
                put_varint(&mut inner, 12 << 3 | 5);
                inner.extend(value.to_le_bytes());
            }
            Some(Value::Double(value)) => {
                put_varint(&mut inner, 13 << 3 | 1);
                inner.extend(value.to_le_bytes());
            }
            Some(Value::Boolean(value)) => put_number(&mut inner, 14, u64::from(*value)),
            Some(Value::String(value)) => put_bytes(&mut inner, 15, value.as_bytes()),
        }
        put_bytes(&mut out, 2, &inner);
    }
    if let Some(seq) = seq {
        put_number(&mut out, 3, u64::from(seq));
    }
    out
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    put_varint(out, field << 3);
    put_varint(out, value);
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes, which nobody here asks for.
    Fixed,
}

/// The fields of a message, up to the first that cannot be read.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    std::iter::from_fn(move || {
        let tag = take_varint(&mut bytes)?;
        let field = match tag & 7 {
            0 => Field::Number(take_varint(&mut bytes)?),
            1 => take(&mut bytes, 8).map(|_| Field::Fixed)?,
            2 => {
                let len = take_varint(&mut bytes)?;
                Field::Bytes(take(&mut bytes, usize::try_from(len).ok()?)?)
            }
            5 => take(&mut bytes, 4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, field))
    })
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take(bytes, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, data_type: DataType, text: &str) -> Metric {
        Metric {
            name: name.to_owned(),
            data_type,
            value: data_type.read(text),
        }
    }

    #[test]
    fn bytes_are_those_of_the_wire_format() {
        let mut sequence = Sequence::default();
        sequence.connect();
        assert_eq!(
            sequence.death(300),
            // timestamp 300, metrics { "bdSeq", 300, Int64, long_value 0 }
            b"\x08\xac\x02\x12\x0e\x0a\x05bdSeq\x18\xac\x02\x20\x04\x58\x00"
        );
        let metrics = [
            metric("i", DataType::Int32, "-1"),
            metric("f", DataType::Float, "1.5"),
            metric("d", DataType::Double, "-2"),
            metric("b", DataType::Boolean, "true"),
            metric("s", DataType::String, "on"),
            metric("n", DataType::UInt32, "x"),
        ];
        let expected: &[&[u8]] = &[
            b"\x08\x01",
            b"\x12\x0d\x0a\x01i\x18\x01\x20\x03\x50\xff\xff\xff\xff\x0f",
            b"\x12\x0c\x0a\x01f\x18\x01\x20\x09\x65\x00\x00\xc0\x3f",
            b"\x12\x10\x0a\x01d\x18\x01\x20\x0a\x69\x00\x00\x00\x00\x00\x00\x00\xc0",
            b"\x12\x09\x0a\x01b\x18\x01\x20\x0b\x70\x01",
            b"\x12\x0b\x0a\x01s\x18\x01\x20\x0c\x7a\x02on",
            b"\x12\x09\x0a\x01n\x18\x01\x20\x07\x38\x01",
            b"\x18\x00",
        ];
        assert_eq!(sequence.data(1, &metrics), expected.concat());
    }

    #[test]
    fn numbers_go_to_255_and_begin_anew() {
        let mut sequence = Sequence::default();
        for round in 0..300_u32 {
            sequence.connect();
            assert_eq!(u32::from(sequence.birth), round % 256);
        }
        let seq = |payload: &[u8]| {
            let last = fields(payload).last();
            last.map(|(field, value)| (field, value == Field::Number(0)))
        };
        assert_eq!(seq(&sequence.birth(1, &[])), Some((3, true)));
        for _ in 1..256 {
            assert_eq!(seq(&sequence.data(1, &[])), Some((3, false)));
        }
        assert_eq!(seq(&sequence.data(1, &[])), Some((3, true)));
    }

    #[test]
    fn a_command_to_be_born_again_is_understood() {
        let ask =
            |name: &str, value: &str| payload(1, None, &[metric(name, DataType::Boolean, value)]);
        assert!(asks_for_rebirth(&ask(REBIRTH, "true")));
        assert!(!asks_for_rebirth(&ask(REBIRTH, "false")));
        assert!(!asks_for_rebirth(&ask("Node Control/Reboot", "true")));
        let whole = ask(REBIRTH, "true");
        for len in 0..whole.len() {
            assert!(!asks_for_rebirth(&whole[..len]), "{len}");
        }
        assert!(!asks_for_rebirth(&[0xff; 40]));
    }
}
