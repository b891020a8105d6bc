//! The data types of Sparkplug B, and what they make of a value.

use super::super::bytes::{Reader, Undecodable};
use super::super::json_text::JsonText;
use crate::words::decoding;

/// A data type by its number; 0 is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DataType(pub(super) u64);

/// By number, from 1.
const NAMES: &str = "Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float Double Boolean String \
                     DateTime Text UUID DataSet Bytes File Template PropertySet PropertySetList \
                     Int8Array Int16Array Int32Array Int64Array UInt8Array UInt16Array UInt32Array \
                     UInt64Array FloatArray DoubleArray BooleanArray StringArray DateTimeArray";

impl DataType {
    pub(super) fn name(self) -> Option<&'static str> {
        let index = usize::try_from(self.0).ok()?.checked_sub(1)?;
        NAMES.split_ascii_whitespace().nth(index)
    }

    /// A whole number, which travels without its sign.
    pub(super) fn show_integer(
        self,
        number: u64,
        at: usize,
        json: &mut JsonText,
    ) -> Result<(), Undecodable> {
        match self.name() {
            Some("Int8") => json.plain(number as i8, at),
            Some("Int16") => json.plain(number as i16, at),
            Some("Int32") => json.plain(number as i32, at),
            Some("Int64") => json.plain(number as i64, at),
            Some("Boolean") => json.plain(number != 0, at),
            _ => json.plain(number, at),
        }
    }

    /// Bytes: an array of numbers, packed, or just bytes.
    pub(super) fn show_bytes(
        self,
        bytes: &[u8],
        start: usize,
        json: &mut JsonText,
    ) -> Result<(), Undecodable> {
        let mut reader = Reader::inside(bytes, start);
        match self.name() {
            Some("BooleanArray") => return booleans(reader, json),
            Some("StringArray") => return strings(bytes, start, json),
            Some(name) if name.ends_with("Array") => {}
            _ => return json.bytes(bytes, start),
        }
        json.open('[', start)?;
        while !reader.is_at_end() {
            let at = reader.at();
            match self.name().unwrap_or_default() {
                "Int8Array" => json.plain(i8::from_le_bytes(reader.array()?), at)?,
                "Int16Array" => json.plain(i16::from_le_bytes(reader.array()?), at)?,
                "Int32Array" => json.plain(i32::from_le_bytes(reader.array()?), at)?,
                "Int64Array" => json.plain(i64::from_le_bytes(reader.array()?), at)?,
                "UInt8Array" => json.plain(u8::from_le_bytes(reader.array()?), at)?,
                "UInt16Array" => json.plain(u16::from_le_bytes(reader.array()?), at)?,
                "UInt32Array" => json.plain(u32::from_le_bytes(reader.array()?), at)?,
                "FloatArray" => json.float32(f32::from_le_bytes(reader.array()?), at)?,
                "DoubleArray" => json.float(f64::from_le_bytes(reader.array()?), at)?,
                // UInt64Array and DateTimeArray.
                _ => json.plain(u64::from_le_bytes(reader.array()?), at)?,
            }
        }
        json.close(']');
        Ok(())
    }
}

/// How many there are, in four bytes, and then a bit for each, the first the highest of its byte.
fn booleans(mut reader: Reader<'_>, json: &mut JsonText) -> Result<(), Undecodable> {
    let start = reader.at();
    let count = u64::from(u32::from_le_bytes(reader.array()?));
    let bits = reader.take(count.div_ceil(8))?;
    reader.end()?;
    json.open('[', start)?;
    let each = bits
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
    for (bit, _) in each.zip(0..count) {
        json.plain(bit, start)?;
    }
    json.close(']');
    Ok(())
}

/// Texts, each with a zero behind it.
fn strings(bytes: &[u8], start: usize, json: &mut JsonText) -> Result<(), Undecodable> {
    json.open('[', start)?;
    let mut at = start;
    for text in bytes.split_inclusive(|byte| *byte == 0) {
        let len = text.len();
        let Some(text) = text.strip_suffix(b"\0") else {
            return Err(Undecodable::new(at + len, decoding::no_zero()));
        };
        let mut reader = Reader::inside(text, at);
        json.string(reader.text(text.len() as u64)?, at)?;
        at += len;
    }
    json.close(']');
    Ok(())
}
