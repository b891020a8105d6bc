//! CBOR (RFC 8949) as JSON.

use std::borrow::Cow;

use super::bytes::{Reader, Undecodable};
use super::json_text::JsonText;
use crate::words::decoding;

/// The tag that says no more than that this is CBOR (RFC 8949, 3.4.6).
const SELF_DESCRIBED: u64 = 55_799;

/// Shows one item, which must be the whole payload.
pub(super) fn show(payload: &[u8]) -> Result<JsonText, Undecodable> {
    let mut reader = Reader::new(payload);
    let mut json = JsonText::new();
    item(&mut reader, &mut json)?;
    reader.end()?;
    Ok(json)
}

/// The first byte of an item and the number behind it.
struct Head {
    at: usize,
    major: u8,
    minor: u8,
    /// `None`: until a break.
    argument: Option<u64>,
}

fn head(reader: &mut Reader<'_>) -> Result<Head, Undecodable> {
    let at = reader.at();
    let first = reader.byte()?;
    let (major, minor) = (first >> 5, first & 0x1f);
    let argument = match minor {
        0..=23 => Some(u64::from(minor)),
        24 => Some(u64::from(reader.byte()?)),
        25 => Some(u64::from(u16::from_be_bytes(reader.array()?))),
        26 => Some(u64::from(u32::from_be_bytes(reader.array()?))),
        27 => Some(u64::from_be_bytes(reader.array()?)),
        31 if (2..=5).contains(&major) => None,
        31 if major == 7 => return Err(Undecodable::new(at, decoding::break_outside())),
        _ => {
            let why = decoding::no_cbor_item(format!("0x{first:02x}"));
            return Err(Undecodable::new(at, why));
        }
    };
    Ok(Head {
        at,
        major,
        minor,
        argument,
    })
}

/// Whether the next byte is the break that ends what has no length; takes it.
fn is_break(reader: &mut Reader<'_>) -> bool {
    let is_break = reader.peek() == Some(0xff);
    if is_break {
        // It is there.
        let _ = reader.byte();
    }
    is_break
}

fn item(reader: &mut Reader<'_>, json: &mut JsonText) -> Result<(), Undecodable> {
    let head = head(reader)?;
    let at = head.at;
    match (head.major, head.argument) {
        (0, Some(number)) => json.plain(number, at),
        (1, Some(number)) => json.plain(-1 - i128::from(number), at),
        (2, _) => json.bytes(&bytes(reader, &head)?, at),
        (3, _) => json.string(&text(reader, &head)?, at),
        (4, _) => array(reader, json, &head),
        (5, _) => map(reader, json, &head),
        (6, Some(SELF_DESCRIBED)) if reader.at() == at + 3 && at == 0 => item(reader, json),
        (6, Some(tag)) => {
            json.open('{', at)?;
            json.name("$tag");
            json.plain(tag, at)?;
            json.name("$value");
            item(reader, json)?;
            json.close('}');
            Ok(())
        }
        _ => simple(json, &head),
    }
}

fn array(reader: &mut Reader<'_>, json: &mut JsonText, head: &Head) -> Result<(), Undecodable> {
    json.open('[', head.at)?;
    let mut left = head.argument;
    while left != Some(0) && !(left.is_none() && is_break(reader)) {
        item(reader, json)?;
        left = left.map(|left| left - 1);
    }
    json.close(']');
    Ok(())
}

fn map(reader: &mut Reader<'_>, json: &mut JsonText, head: &Head) -> Result<(), Undecodable> {
    json.open('{', head.at)?;
    let mut left = head.argument;
    while left != Some(0) && !(left.is_none() && is_break(reader)) {
        name(reader, json)?;
        item(reader, json)?;
        left = left.map(|left| left - 1);
    }
    json.close('}');
    Ok(())
}

/// The key of a map entry; numbers become text.
fn name(reader: &mut Reader<'_>, json: &mut JsonText) -> Result<(), Undecodable> {
    let head = head(reader)?;
    match (head.major, head.argument) {
        (0, Some(number)) => json.name(&number.to_string()),
        (1, Some(number)) => json.name(&(-1 - i128::from(number)).to_string()),
        (3, _) => json.name(&text(reader, &head)?),
        _ => {
            let why = decoding::map_key();
            return Err(Undecodable::new(head.at, why));
        }
    }
    Ok(())
}

fn bytes<'a>(reader: &mut Reader<'a>, head: &Head) -> Result<Cow<'a, [u8]>, Undecodable> {
    if let Some(len) = head.argument {
        return reader.take(len).map(Cow::Borrowed);
    }
    let mut whole = Vec::new();
    while !is_break(reader) {
        let len = piece(reader, head)?;
        whole.extend_from_slice(reader.take(len)?);
    }
    Ok(Cow::Owned(whole))
}

fn text<'a>(reader: &mut Reader<'a>, head: &Head) -> Result<Cow<'a, str>, Undecodable> {
    if let Some(len) = head.argument {
        return reader.text(len).map(Cow::Borrowed);
    }
    let mut whole = String::new();
    while !is_break(reader) {
        let len = piece(reader, head)?;
        whole.push_str(reader.text(len)?);
    }
    Ok(Cow::Owned(whole))
}

/// The length of one of the pieces that a text or byte string without a length is made of.
fn piece(reader: &mut Reader<'_>, whole: &Head) -> Result<u64, Undecodable> {
    let piece = head(reader)?;
    match piece.argument {
        Some(len) if piece.major == whole.major => Ok(len),
        _ => Err(Undecodable::new(piece.at, decoding::other_piece())),
    }
}

fn simple(json: &mut JsonText, head: &Head) -> Result<(), Undecodable> {
    let at = head.at;
    let argument = head.argument.unwrap_or_default();
    match (head.minor, argument) {
        (20, _) => json.plain(false, at),
        (21, _) => json.plain(true, at),
        // Null, and undefined, which JSON does not know.
        (22 | 23, _) => json.plain("null", at),
        (24, 0..=31) => Err(Undecodable::new(at, decoding::simple_value())),
        (25, _) => json.float32(half(argument as u16), at),
        (26, _) => json.float32(f32::from_bits(argument as u32), at),
        (27, _) => json.float(f64::from_bits(argument), at),
        _ => {
            json.open('{', at)?;
            json.name("$simple");
            json.plain(argument, at)?;
            json.close('}');
            Ok(())
        }
    }
}

/// A number of two bytes (RFC 8949, appendix D).
fn half(bits: u16) -> f32 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    let value = match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (fraction + 1024.0) * 2_f32.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { value } else { -value }
}

#[cfg(test)]
mod tests {
    use super::super::tests::unhex;
    use super::*;
    use columba_speech::Language;

    fn check(bytes: &str, expected: &str) {
        let shown = show(&unhex(bytes)).map(|json| json.finish().0);
        let expected = expected.to_owned();
        assert_eq!(shown, Ok(expected), "{bytes}");
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
    fn the_examples_of_the_standard() {
        // RFC 8949, appendix A.
        check("00", "0");
        check("1818", "24");
        check("1bffffffffffffffff", "18446744073709551615");
        check("3bffffffffffffffff", "-18446744073709551616");
        check("20", "-1");
        check("3903e7", "-1000");
        check("f90000", "0.0");
        check("f98000", "-0.0");
        check("f93c00", "1.0");
        check("f93e00", "1.5");
        check("f97bff", "65504.0");
        check("f90001", "5.9604645e-8");
        check("f9c400", "-4.0");
        check("fa47c35000", "100000.0");
        check("fb3ff199999999999a", "1.1");
        check("fb7e37e43c8800759c", "1e+300");
        check("f97c00", "\"inf\"");
        check("f97e00", "\"NaN\"");
        check("f9fc00", "\"-inf\"");
        check("f4", "false");
        check("f5", "true");
        check("f6", "null");
        check("f7", "null");
        check("f0", "{\"$simple\":16}");
        check("f8ff", "{\"$simple\":255}");
        check("c11a514b67b0", "{\"$tag\":1,\"$value\":1363896240}");
        check("4401020304", "{\"$bytes\":\"AQIDBA==\"}");
        check("6449455446", "\"IETF\"");
        check("62225c", "\"\\\"\\\\\"");
        check("64f0908591", "\"\u{10151}\"");
        check("80", "[]");
        check("8301820203820405", "[1,[2,3],[4,5]]");
        check("a201020304", "{\"1\":2,\"3\":4}");
        check("a26161016162820203", "{\"a\":1,\"b\":[2,3]}");
        check("826161a161626163", "[\"a\",{\"b\":\"c\"}]");
        check("5f42010243030405ff", "{\"$bytes\":\"AQIDBAU=\"}");
        check("7f657374726561646d696e67ff", "\"streaming\"");
        check("9fff", "[]");
        check("9f018202039f0405ffff", "[1,[2,3],[4,5]]");
        check("bf6346756ef563416d7421ff", "{\"Fun\":true,\"Amt\":-2}");
        // It says of itself that it is CBOR.
        check("d9d9f7a0", "{}");
    }

    #[test]
    fn what_is_no_cbor_is_told_with_its_byte() {
        refuse("", 0, "1 byte too early");
        refuse("8301", 2, "too early");
        refuse("6261", 2, "1 byte too early");
        refuse("0000", 1, "1 more byte behind");
        refuse("1c", 0, "begins no CBOR");
        refuse("ff", 0, "break");
        refuse("81ff", 1, "break");
        refuse("62c328", 1, "not UTF-8");
        refuse("f810", 0, "wrong form");
        refuse("a18001", 1, "map key");
        refuse("7f4100ff", 1, "another kind");
        refuse("5f5f4100ffff", 1, "another kind");
        // Lengths that nobody can have.
        refuse("5bffffffffffffffff", 9, "too early");
        refuse("9bffffffffffffffff", 9, "too early");
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |levels: usize| [vec![0x81; levels], vec![0x80]].concat();
        assert!(show(&nested(63)).is_ok());
        let fault = show(&nested(64))
            .map(|json| json.finish())
            .expect_err("too deep");
        assert_eq!(
            (
                fault.at,
                fault.why.to_string(Language::English).contains("64 values")
            ),
            (64, true)
        );
        // Tags inside of tags are as deep.
        let fault = show(&vec![0xc1; 1 << 20]).map(|json| json.finish());
        assert_eq!(fault.expect_err("too deep").at, 64);
        // Saying of oneself that one is CBOR counts once.
        let repeated = [0xd9, 0xd9, 0xf7].repeat(1 << 20);
        assert!(show(&repeated).is_err());
    }

    #[test]
    fn what_it_is_shown_as_has_a_limit() {
        // An empty byte string is one byte, and 13 in JSON.
        let strings = [vec![0x9f], vec![0x40; 3 << 20], vec![0xff]].concat();
        let fault = show(&strings)
            .map(|json| json.finish())
            .expect_err("too long");
        assert!(
            fault
                .why
                .to_string(Language::English)
                .contains("more than 16 MiB"),
            "{fault:?}"
        );
    }
}
