//! What a payload is shown as: `--decode`.
//!
//! A publisher that nobody knows wrote the payload. So nothing in it can make the decoders allocate
//! more than a fixed multiple of it or go deeper than a limit, and what they do not take is shown as
//! bytes.

mod bytes;
mod cbor;
mod hex;
mod json_text;
mod msgpack;
mod sparkplug;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use columba_client::Message;
use columba_speech::Text;
use serde_json::value::RawValue;

use bytes::Undecodable;
use json_text::JsonText;
pub(crate) use sparkplug::births::Births;

use crate::words::decoding;

/// What the payload is, or is shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Decoding {
    /// Found out by topic, content type and payload
    Auto,
    /// JSON; on a terminal it is spread over lines
    Json,
    /// Bytes in hexadecimal
    Hex,
    /// CBOR, shown as JSON
    Cbor,
    /// MessagePack, shown as JSON
    Msgpack,
    /// Sparkplug B, shown as JSON
    Sparkplug,
    /// Bytes in Base64
    Base64,
}

/// A payload as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Text, as it came.
    Text(String),
    /// JSON in one line, or as it came.
    Json(String),
    /// Lines of bytes.
    Bytes(String),
}

/// A payload as it is shown, and what has to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) shown: Shown,
    /// Why it is not shown as it should be.
    pub(crate) fault: Option<Text>,
    /// Of Sparkplug B: an alias that no birth gives a name.
    pub(crate) unknown_alias: Option<u64>,
}

impl Decoded {
    fn new(shown: Shown) -> Self {
        Self {
            shown,
            fault: None,
            unknown_alias: None,
        }
    }
}

/// Of binary formats more is not decoded.
const PAYLOAD_BYTES_MAX: usize = 4 << 20;
/// How much of a payload is shown that nobody asked to see as bytes.
const UNASKED_BYTES_MAX: usize = 1 << 10;
/// How much of it is shown to those who asked.
const ASKED_BYTES_MAX: usize = 16 << 20;

/// Whether births are of use to those who decode so.
pub(crate) fn needs_births(decoding: Decoding) -> bool {
    matches!(decoding, Decoding::Auto | Decoding::Sparkplug)
}

/// Decodes a payload; of Sparkplug B with the births that came before.
pub(crate) fn decode(decoding: Decoding, message: &Message, births: &Births) -> Decoded {
    let payload = &message.payload;
    let fine = Decoded::new;
    let read_as = |format, otherwise| read_as(format, message, otherwise, births);
    match decoding {
        Decoding::Auto => automatic(message, births),
        Decoding::Hex => fine(Shown::Bytes(hex::dump(payload, ASKED_BYTES_MAX))),
        Decoding::Base64 => fine(Shown::Text(STANDARD.encode(payload))),
        Decoding::Json => read_as(Format::Json, decoding::no_json()),
        Decoding::Cbor => read_as(Format::Cbor, decoding::no_cbor()),
        Decoding::Msgpack => read_as(Format::Msgpack, decoding::no_msgpack()),
        Decoding::Sparkplug => read_as(Format::Sparkplug, decoding::no_sparkplug()),
    }
}

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Cbor,
    Msgpack,
    Sparkplug,
}

fn read_as(format: Format, message: &Message, otherwise: Text, births: &Births) -> Decoded {
    let payload = &message.payload;
    let mut unknown_alias = None;
    let read = match format {
        Format::Json => json(payload).map(str::to_owned),
        Format::Cbor => binary(payload, cbor::show),
        Format::Msgpack => binary(payload, msgpack::show),
        Format::Sparkplug => binary(payload, |payload| {
            let shown = sparkplug::show(payload, births.of(&message.topic))?;
            unknown_alias = shown.unknown_alias;
            Ok(shown.json)
        }),
    };
    match read {
        Ok(json) => Decoded {
            shown: Shown::Json(json),
            fault: None,
            unknown_alias,
        },
        Err(Undecodable { at, why }) => Decoded {
            shown: Shown::Bytes(hex::dump(payload, UNASKED_BYTES_MAX)),
            fault: Some(decoding::undecodable(
                message.topic.as_str(),
                otherwise,
                why,
                at,
                payload.len(),
            )),
            unknown_alias: None,
        },
    }
}

fn binary(
    payload: &[u8],
    show: impl FnOnce(&[u8]) -> Result<JsonText, Undecodable>,
) -> Result<String, Undecodable> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        let why = decoding::too_large(PAYLOAD_BYTES_MAX >> 20);
        return Err(Undecodable::new(PAYLOAD_BYTES_MAX, why));
    }
    show(payload).map(|json| json.finish().0)
}

fn automatic(message: &Message, births: &Births) -> Decoded {
    if sparkplug::is_topic(&message.topic) {
        let otherwise = decoding::no_sparkplug_after_all();
        return read_as(Format::Sparkplug, message, otherwise, births);
    }
    let content_type = message.properties.content_type.as_deref();
    if let Some(format) = content_type.and_then(named_format) {
        let otherwise = decoding::not_its_content_type();
        return read_as(format, message, otherwise, births);
    }
    let payload = &message.payload;
    let shown = match std::str::from_utf8(payload) {
        Ok(text) if !text.contains(is_no_text) => match json(payload) {
            Ok(json) if json.starts_with(['{', '[']) => Shown::Json(json.to_owned()),
            Ok(_) | Err(_) => Shown::Text(text.to_owned()),
        },
        _ => match plausible(payload) {
            Some(json) => Shown::Json(json),
            None => Shown::Bytes(hex::dump(payload, UNASKED_BYTES_MAX)),
        },
    };
    Decoded::new(shown)
}

/// Characters that are in no text; the escape of colours is in some.
fn is_no_text(character: char) -> bool {
    character.is_ascii_control() && !"\t\r\n\x1b".contains(character)
}

fn named_format(content_type: &str) -> Option<Format> {
    let name = content_type.split(';').next()?.trim().to_ascii_lowercase();
    match name.as_str() {
        "application/json" => Some(Format::Json),
        "application/cbor" => Some(Format::Cbor),
        "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" => {
            Some(Format::Msgpack)
        }
        _ if name.ends_with("+json") => Some(Format::Json),
        _ if name.ends_with("+cbor") => Some(Format::Cbor),
        _ => None,
    }
}

/// The JSON of a payload that is CBOR or MessagePack to all appearances: a map or an array with
/// something in it, from the first byte to the last, and no text in it that people do not write.
fn plausible(payload: &[u8]) -> Option<String> {
    if payload.len() < 2 || payload.len() > PAYLOAD_BYTES_MAX {
        return None;
    }
    [cbor::show, msgpack::show].into_iter().find_map(|show| {
        let (json, is_written_by_people) = show(payload).ok()?.finish();
        let is_filled = json.starts_with(['{', '[']) && json.len() > 2;
        (is_filled && is_written_by_people && !json.starts_with("{\"$")).then_some(json)
    })
}

/// The payload, if it is JSON.
fn json(payload: &[u8]) -> Result<&str, Undecodable> {
    match serde_json::from_slice::<&RawValue>(payload) {
        Ok(json) => Ok(json.get()),
        Err(error) => {
            let lines = payload.split_inclusive(|byte| *byte == b'\n');
            let before: usize = lines
                .take(error.line().saturating_sub(1))
                .map(<[u8]>::len)
                .sum();
            let at = before + error.column().saturating_sub(1);
            let sentence = error.to_string();
            let why = sentence.split(" at line ").next().unwrap_or_default();
            Err(Undecodable::new(at, decoding::syntax(why)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes from their hexadecimal form.
    pub(super) fn unhex(digits: &str) -> Vec<u8> {
        let pairs = digits.as_bytes().chunks(2);
        pairs
            .map(|pair| {
                let pair = std::str::from_utf8(pair).expect("digits");
                u8::from_str_radix(pair, 16).expect("digits")
            })
            .collect()
    }

    fn english(text: Text) -> String {
        text.to_string(columba_speech::Language::English)
    }

    fn auto(topic: &str, content_type: Option<&str>, payload: &[u8]) -> Decoded {
        let mut message = Message::new(topic, payload);
        message.properties.content_type = content_type.map(str::to_owned);
        decode(Decoding::Auto, &message, &Births::default())
    }

    fn check(content_type: Option<&str>, payload: &[u8], expected: Shown) {
        let decoded = auto("a", content_type, payload);
        assert_eq!((decoded.shown, decoded.fault), (expected, None));
    }

    fn json_of(text: &str) -> Shown {
        Shown::Json(text.to_owned())
    }

    #[test]
    fn auto_finds_out() {
        check(None, b"21.5", Shown::Text("21.5".to_owned()));
        check(None, b"", Shown::Text(String::new()));
        check(None, "主题\n".as_bytes(), Shown::Text("主题\n".to_owned()));
        check(None, b"{\"a\": [1]}", json_of("{\"a\": [1]}"));
        check(None, b"[not json", Shown::Text("[not json".to_owned()));
        let cbor = unhex("a26161016162820203");
        check(None, &cbor, json_of("{\"a\":1,\"b\":[2,3]}"));
        let msgpack = unhex("82a16101a16293c2c3c0");
        check(None, &msgpack, json_of("{\"a\":1,\"b\":[false,true,null]}"));
        check(Some("application/cbor"), &unhex("1818"), json_of("24"));
        check(
            Some("application/x-msgpack"),
            &unhex("ccff"),
            json_of("255"),
        );
        check(
            Some("application/senml+json; charset=utf-8"),
            b"1",
            json_of("1"),
        );
        let sparkplug = auto("spBv1.0/g/NDATA/n", None, &unhex("1800"));
        assert_eq!(sparkplug.shown, json_of("{\"seq\":0}"));
    }

    #[test]
    fn auto_shows_bytes_when_nothing_is_plausible() {
        for payload in [
            // Numbers.
            "0000002a",
            "1818",
            "ccff",
            // An empty map of MessagePack, or an empty array of CBOR.
            "80",
            // A map of CBOR with a name that nobody writes; the start of one.
            "a1610101",
            "a16161",
            // A JPEG.
            "ffd8ffe000104a46494600",
        ] {
            let decoded = auto("a", None, &unhex(payload));
            assert!(matches!(decoded.shown, Shown::Bytes(_)), "{decoded:?}");
            assert_eq!(decoded.fault, None);
        }
    }

    #[test]
    fn what_does_not_decode_is_told_with_its_byte_and_shown_as_bytes() {
        let check = |decoding, payload: &[u8], expected: &str| {
            let decoded = decode(decoding, &Message::new("a/b", payload), &Births::default());
            assert_eq!(
                decoded.fault.clone().map(english).as_deref(),
                Some(expected)
            );
            assert!(matches!(decoded.shown, Shown::Bytes(_)), "{decoded:?}");
        };
        check(
            Decoding::Cbor,
            &unhex("8301"),
            "the message on 'a/b' is no CBOR: the payload ends 1 byte too early, at byte 2 of 2",
        );
        check(
            Decoding::Json,
            b"{\n\"a\": x}",
            "the message on 'a/b' is no JSON: expected value, at byte 7 of 9",
        );
        check(
            Decoding::Msgpack,
            b"",
            "the message on 'a/b' is no MessagePack: the payload ends 1 byte too early, at byte 0 of 0",
        );
        let decoded = auto("spBv1.0/g/DDATA/n/d", None, b"x");
        let fault = decoded.fault.map(english).unwrap_or_default();
        assert!(fault.contains("though its topic says so"), "{fault}");
        let decoded = auto("a", Some("application/json"), b"x");
        let fault = decoded.fault.map(english).unwrap_or_default();
        assert!(fault.contains("not what its content type says"), "{fault}");
    }

    #[test]
    fn large_payloads_have_limits() {
        let large = Message::new("a", vec![0xff; PAYLOAD_BYTES_MAX + 1]);
        let decoded = decode(Decoding::Cbor, &large, &Births::default());
        let fault = decoded.fault.map(english).unwrap_or_default();
        assert!(fault.contains("more than 4 MiB"), "{fault}");
        let Shown::Bytes(lines) = decode(Decoding::Auto, &large, &Births::default()).shown else {
            panic!("no bytes");
        };
        assert!(lines.ends_with("more bytes"), "{lines}");
        assert!(lines.len() < 10_000);
        // JSON is not decoded, only looked at, however deep it is.
        let deep = Message::new("a", "[".repeat(1 << 20) + &"]".repeat(1 << 20));
        let decoded = decode(Decoding::Auto, &deep, &Births::default());
        assert!(matches!(decoded.shown, Shown::Json(_)));
    }

    #[test]
    fn whatever_the_bytes_are_they_are_shown() {
        // Every start of two bytes, with something behind it, and a cut of each.
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let payload = [first, second, 0x61, 0x81, 0xff, 0x0a, 0x01, first];
                for len in 0..=payload.len() {
                    let payload = payload.get(..len).unwrap_or_default();
                    let message = Message::new("a", payload);
                    for decoding in [Decoding::Cbor, Decoding::Msgpack, Decoding::Sparkplug] {
                        let decoded = decode(decoding, &message, &Births::default());
                        if let Shown::Json(json) = &decoded.shown {
                            let is_json = serde_json::from_str::<&RawValue>(json).is_ok();
                            assert!(is_json, "{json}");
                        }
                    }
                }
            }
        }
    }
}
