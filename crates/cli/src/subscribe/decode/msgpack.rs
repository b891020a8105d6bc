//! MessagePack as JSON, as its specification of 2017 has it.

use super::bytes::{Reader, Undecodable};
use super::json_text::JsonText;
use crate::words::decoding;

/// The extension type of a time.
const TIMESTAMP: i8 = -1;

/// Shows one object, which must be the whole payload.
pub(super) fn show(payload: &[u8]) -> Result<JsonText, Undecodable> {
    let mut reader = Reader::new(payload);
    let mut json = JsonText::new();
    object(&mut reader, &mut json)?;
    reader.end()?;
    Ok(json)
}

/// What a first byte and the numbers behind it announce.
enum Kind {
    Nil,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Float32(f32),
    Float64(f64),
    Text(u64),
    Binary(u64),
    Array(u64),
    Map(u64),
    Extension(u64),
}

fn kind(reader: &mut Reader<'_>) -> Result<(usize, Kind), Undecodable> {
    let at = reader.at();
    let first = reader.byte()?;
    let kind = match first {
        0x00..=0x7f => Kind::Unsigned(u64::from(first)),
        0x80..=0x8f => Kind::Map(u64::from(first & 0x0f)),
        0x90..=0x9f => Kind::Array(u64::from(first & 0x0f)),
        0xa0..=0xbf => Kind::Text(u64::from(first & 0x1f)),
        0xc0 => Kind::Nil,
        0xc1 => return Err(Undecodable::new(at, decoding::no_msgpack_object())),
        0xc2 | 0xc3 => Kind::Boolean(first == 0xc3),
        0xc4..=0xc6 => Kind::Binary(unsigned(reader, first - 0xc4)?),
        0xc7..=0xc9 => Kind::Extension(unsigned(reader, first - 0xc7)?),
        0xca => Kind::Float32(f32::from_be_bytes(reader.array()?)),
        0xcb => Kind::Float64(f64::from_be_bytes(reader.array()?)),
        0xcc..=0xcf => Kind::Unsigned(unsigned(reader, first - 0xcc)?),
        0xd0 => Kind::Signed(i64::from(i8::from_be_bytes(reader.array()?))),
        0xd1 => Kind::Signed(i64::from(i16::from_be_bytes(reader.array()?))),
        0xd2 => Kind::Signed(i64::from(i32::from_be_bytes(reader.array()?))),
        0xd3 => Kind::Signed(i64::from_be_bytes(reader.array()?)),
        0xd4..=0xd8 => Kind::Extension(1 << (first - 0xd4)),
        0xd9..=0xdb => Kind::Text(unsigned(reader, first - 0xd9)?),
        0xdc | 0xdd => Kind::Array(unsigned(reader, first - 0xdb)?),
        0xde | 0xdf => Kind::Map(unsigned(reader, first - 0xdd)?),
        0xe0..=0xff => Kind::Signed(i64::from(first as i8)),
    };
    Ok((at, kind))
}

/// A number of 1, 2, 4 or 8 bytes for a power of 0 to 3.
fn unsigned(reader: &mut Reader<'_>, power: u8) -> Result<u64, Undecodable> {
    Ok(match power {
        0 => u64::from(reader.byte()?),
        1 => u64::from(u16::from_be_bytes(reader.array()?)),
        2 => u64::from(u32::from_be_bytes(reader.array()?)),
        _ => u64::from_be_bytes(reader.array()?),
    })
}

fn object(reader: &mut Reader<'_>, json: &mut JsonText) -> Result<(), Undecodable> {
    let (at, kind) = kind(reader)?;
    match kind {
        Kind::Nil => json.plain("null", at),
        Kind::Boolean(value) => json.plain(value, at),
        Kind::Unsigned(value) => json.plain(value, at),
        Kind::Signed(value) => json.plain(value, at),
        Kind::Float32(value) => json.float32(value, at),
        Kind::Float64(value) => json.float(value, at),
        Kind::Text(len) => json.string(reader.text(len)?, at),
        Kind::Binary(len) => json.bytes(reader.take(len)?, at),
        Kind::Array(len) => {
            json.open('[', at)?;
            for _ in 0..len {
                object(reader, json)?;
            }
            json.close(']');
            Ok(())
        }
        Kind::Map(len) => {
            json.open('{', at)?;
            for _ in 0..len {
                name(reader, json)?;
                object(reader, json)?;
            }
            json.close('}');
            Ok(())
        }
        Kind::Extension(len) => extension(reader, json, at, len),
    }
}

/// The key of a map entry; numbers become text.
fn name(reader: &mut Reader<'_>, json: &mut JsonText) -> Result<(), Undecodable> {
    let (at, kind) = kind(reader)?;
    match kind {
        Kind::Unsigned(value) => json.name(&value.to_string()),
        Kind::Signed(value) => json.name(&value.to_string()),
        Kind::Text(len) => json.name(reader.text(len)?),
        _ => {
            let why = decoding::map_key();
            return Err(Undecodable::new(at, why));
        }
    }
    Ok(())
}

fn extension(
    reader: &mut Reader<'_>,
    json: &mut JsonText,
    at: usize,
    len: u64,
) -> Result<(), Undecodable> {
    let kind = i8::from_be_bytes(reader.array()?);
    let data = reader.take(len)?;
    if let Some(time) = timestamp(data).filter(|_| kind == TIMESTAMP) {
        return json.string(&time.to_string(), at);
    }
    json.open('{', at)?;
    json.name("$extension");
    json.plain(kind, at)?;
    json.name("$value");
    json.bytes(data, at)?;
    json.close('}');
    Ok(())
}

/// A time in one of its three forms, if it is one that can be shown.
fn timestamp(data: &[u8]) -> Option<jiff::Timestamp> {
    let (seconds, nanoseconds) = match data.len() {
        4 => (i64::from(u32::from_be_bytes(data.try_into().ok()?)), 0),
        8 => {
            let both = u64::from_be_bytes(data.try_into().ok()?);
            (i64::try_from(both & 0x3_ffff_ffff).ok()?, both >> 34)
        }
        12 => {
            let (nanoseconds, seconds) = data.split_at_checked(4)?;
            let nanoseconds = u32::from_be_bytes(nanoseconds.try_into().ok()?);
            let seconds = i64::from_be_bytes(seconds.try_into().ok()?);
            (seconds, u64::from(nanoseconds))
        }
        _ => return None,
    };
    let nanoseconds = i32::try_from(nanoseconds).ok()?;
    jiff::Timestamp::new(seconds, nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::unhex;
    use super::*;
    use columba_speech::Language;

    fn check(bytes: &str, expected: &str) {
        let shown = show(&unhex(bytes)).map(|json| json.finish().0);
        assert_eq!(shown, Ok(expected.to_owned()), "{bytes}");
    }

    fn refuse(bytes: &str, at: usize, why: &str) {
        let fault = show(&unhex(bytes)).map(|json| json.finish().0);
        let fault = fault.expect_err(bytes);
        assert_eq!(fault.at, at, "{bytes}: {fault:?}");
        assert!(
            fault.why.to_string(Language::English).contains(why),
            "{bytes}: {fault:?}"
        );
    }

    #[test]
    fn every_kind_of_object() {
        check("00", "0");
        check("7f", "127");
        check("ff", "-1");
        check("e0", "-32");
        check("c0", "null");
        check("c2", "false");
        check("c3", "true");
        check("ccff", "255");
        check("cdffff", "65535");
        check("ceffffffff", "4294967295");
        check("cfffffffffffffffff", "18446744073709551615");
        check("d080", "-128");
        check("d18000", "-32768");
        check("d280000000", "-2147483648");
        check("d38000000000000000", "-9223372036854775808");
        check("ca3dcccccd", "0.1");
        check("cb3ff199999999999a", "1.1");
        check("cb7ff0000000000000", "\"inf\"");
        check("a3616263", "\"abc\"");
        check("d903616263", "\"abc\"");
        check("da0003616263", "\"abc\"");
        check("db00000003616263", "\"abc\"");
        check("c4020001", "{\"$bytes\":\"AAE=\"}");
        check("c500020001", "{\"$bytes\":\"AAE=\"}");
        check("c6000000020001", "{\"$bytes\":\"AAE=\"}");
        check("93010203", "[1,2,3]");
        check("dc0001c0", "[null]");
        check("dd00000001c0", "[null]");
        check("82a16101a16293c2c3c0", "{\"a\":1,\"b\":[false,true,null]}");
        check("de000101a0", "{\"1\":\"\"}");
        check("df00000001ffa0", "{\"-1\":\"\"}");
        check(
            "d40501",
            "{\"$extension\":5,\"$value\":{\"$bytes\":\"AQ==\"}}",
        );
        check("c7000a", "{\"$extension\":10,\"$value\":{\"$bytes\":\"\"}}");
        check("d6ff00000000", "\"1970-01-01T00:00:00Z\"");
        check("d7ff7735940065920080", "\"2024-01-01T00:00:00.5Z\"");
        check(
            "c70cff00000001ffffffffffffffff",
            "\"1969-12-31T23:59:59.000000001Z\"",
        );
    }

    #[test]
    fn what_is_no_messagepack_is_told_with_its_byte() {
        refuse("", 0, "1 byte too early");
        refuse("c1", 0, "0xc1");
        refuse("9201", 2, "too early");
        refuse("a261", 2, "1 byte too early");
        refuse("a2c328", 1, "not UTF-8");
        refuse("0000", 1, "1 more byte behind");
        refuse("819001", 1, "map key");
        refuse("dbffffffff61", 6, "too early");
        refuse("ddffffffff", 5, "too early");
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = [vec![0x91; 64], vec![0x90]].concat();
        let fault = show(&nested)
            .map(|json| json.finish())
            .expect_err("too deep");
        assert_eq!(fault.at, 64);
        assert!(show(nested.get(1..).unwrap_or_default()).is_ok());
    }
}
