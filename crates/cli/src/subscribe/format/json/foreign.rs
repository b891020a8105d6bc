//! Bytes that are not UTF-8, in GBK or Latin-1, in JSON. There they have no place: natively U+FFFD stands for
//! each, so that what reads the output gets JSON. Mosquitto's clients pass them on, and so does this program
//! under their names.

use std::ops::Range;

use crate::mosquitto;

/// What a function of text writes for these bytes.
pub(super) fn write<E>(
    bytes: &[u8],
    written: impl Fn(&str) -> Result<String, E>,
) -> Result<Vec<u8>, E> {
    match std::str::from_utf8(bytes) {
        Ok(text) => written(text).map(String::into_bytes),
        Err(_) if mosquitto::called_as().is_some() => passing_on(bytes, written),
        Err(_) => written(&String::from_utf8_lossy(bytes)).map(String::into_bytes),
    }
}

/// The same with the bytes that are not UTF-8 as they are: a character stands for each while the text is
/// written, one of those for private use that this text has not.
fn passing_on<E>(bytes: &[u8], written: impl Fn(&str) -> Result<String, E>) -> Result<Vec<u8>, E> {
    let without = written(&String::from_utf8_lossy(bytes))?;
    let range = free_range(&without);
    let mut text = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let invalid = chunk.invalid().iter();
        text.extend(invalid.filter_map(|byte| char::from_u32(range.start + u32::from(*byte))));
    }
    let mut out = Vec::with_capacity(bytes.len() * 2);
    for character in written(&text)?.chars() {
        let byte = u32::from(character).checked_sub(range.start);
        match byte.and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => out.push(byte),
            None => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(out)
}

/// Where 256 characters for private use lie none of which this text has. A text that has one of each 256
/// has none free, and gets the last.
fn free_range(text: &str) -> Range<u32> {
    const FIRST: u32 = 0xf_0000;
    const COUNT: u32 = 0x100;
    let mut is_taken = [false; COUNT as usize];
    for character in text.chars() {
        let block = u32::from(character).checked_sub(FIRST).map(|at| at / COUNT);
        if let Some(taken) = block.and_then(|block| is_taken.get_mut(block as usize)) {
            *taken = true;
        }
    }
    let free = is_taken.iter().position(|taken| !taken);
    let start = FIRST + free.map_or(COUNT - 1, |block| block as u32) * COUNT;
    start..start + COUNT
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn as_it_is(text: &str) -> Result<String, Infallible> {
        Ok(text.to_owned())
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_passed_on_under_mosquittos_names() {
        for bytes in [
            &b"\xce\xc2 \xb6\xc8"[..],
            "\u{f00ce}\u{fffd}\u{10ffff}".as_bytes(),
            &["\u{f00ce}\u{fffd}".as_bytes(), b"\xce"].concat(),
        ] {
            assert_eq!(passing_on(bytes, as_it_is), Ok(bytes.to_vec()));
        }
    }

    #[test]
    fn natively_they_are_replaced() {
        assert_eq!(write(b"a\xf6", as_it_is), Ok("a\u{fffd}".into()));
    }
}
