//! The `-F` formats of `mosquitto_sub`.

pub(super) mod clock;
mod json;
mod number;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use columba_client::Incoming;
use columba_speech::Text;
use jiff::ZonedDateTime;

use crate::words::{Said, value};

/// A format that was checked when the command line was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    /// `%` and a letter, with flags, width and most characters.
    Field {
        letter: char,
        left: bool,
        zeros: bool,
        width: usize,
        most: Option<usize>,
        /// What stands between the bytes of `%x` and `%X`.
        separator: Option<char>,
    },
    /// `@` and a letter of strftime, `N` for nanoseconds, or any other.
    Time(char),
}

const LETTERS: &str = "%ACDEFIjJlmPpqRrStUxXfd";
/// Those that a width has no effect on.
const WITHOUT_WIDTH: &str = "%DjJPqrU";
/// Those that are text, and are filled up with spaces even where zeros are asked for.
const FILLED_WITH_SPACES: &str = "CIRt";
/// What may stand between the bytes of `%x` and `%X`.
const SEPARATORS: &str = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~ ";
/// Digits behind the point of `%f` and `%d`, if the format does not say.
const FRACTION_DIGITS: usize = 6;

impl Format {
    /// Reads a format. What is not UTF-8 in it is printed as it stands.
    pub(crate) fn parse(text: &OsStr) -> Result<Self, Said> {
        let mut pieces = Vec::new();
        for chunk in text.as_bytes().utf8_chunks() {
            read(chunk.valid(), &mut pieces)?;
            if !chunk.invalid().is_empty() {
                pieces.push(Piece::Literal(chunk.invalid().to_vec()));
            }
        }
        Ok(Self { pieces })
    }

    /// Appends a message as this format shows it.
    ///
    /// # Errors
    /// What the first field lacks that cannot be shown. The others are there all the same, as Mosquitto
    /// prints them.
    pub(crate) fn write(
        &self,
        incoming: &Incoming,
        now: &ZonedDateTime,
        pretty: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Text> {
        let mut fault = None;
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Field {
                    letter,
                    left,
                    zeros,
                    width,
                    most,
                    separator,
                } => {
                    let payload = &incoming.message.payload;
                    let value = match letter {
                        'x' | 'X' => Ok(hex(payload, *letter, *separator)),
                        'f' | 'd' => float(payload, *letter, *most),
                        _ => render(*letter, incoming, now),
                    };
                    let mut value = match value {
                        Ok(value) => value,
                        Err(sentence) => {
                            fault.get_or_insert(sentence);
                            continue;
                        }
                    };
                    if pretty && matches!(letter, 'j' | 'J') {
                        value = json::spread(&value);
                    }
                    if let Some(most) = most.filter(|_| FILLED_WITH_SPACES.contains(*letter)) {
                        value.truncate(most);
                    }
                    // Mosquitto fills nothing up where there is no Response Topic.
                    let is_missing = *letter == 'R' && value.is_empty();
                    if is_missing || WITHOUT_WIDTH.contains(*letter) {
                        out.extend_from_slice(&value);
                    } else {
                        let zeros = *zeros && !FILLED_WITH_SPACES.contains(*letter);
                        pad(value, *left, zeros, *width, out);
                    }
                }
                Piece::Time(letter) => out.extend_from_slice(clock::show(*letter, now).as_bytes()),
            }
        }
        fault.map_or(Ok(()), Err)
    }
}

fn read(text: &str, pieces: &mut Vec<Piece>) -> Result<(), Said> {
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '%' => pieces.push(field(&mut rest)?),
            '@' => match rest.next() {
                Some('@') => pieces.push(Piece::Literal(b"@".to_vec())),
                Some(letter) => pieces.push(Piece::Time(letter)),
                None => return Err(value::format_time().into()),
            },
            '\\' => pieces.push(Piece::Literal(vec![escape(rest.next())?])),
            other => pieces.push(Piece::Literal(other.to_string().into_bytes())),
        }
    }
    Ok(())
}

fn field(rest: &mut std::str::Chars<'_>) -> Result<Piece, Said> {
    let (mut left, mut zeros, mut width, mut most) = (false, false, 0, None);
    let mut next = rest.next();
    while let Some(flag @ ('-' | '0')) = next {
        left |= flag == '-';
        zeros |= flag == '0';
        next = rest.next();
    }
    while let Some(digit) = next.and_then(|character| character.to_digit(10)) {
        width = width * 10 + digit as usize;
        if width > 10_000 {
            return Err(value::format_width().into());
        }
        next = rest.next();
    }
    if next == Some('.') {
        let mut value = 0;
        next = rest.next();
        while let Some(digit) = next.and_then(|character| character.to_digit(10)) {
            value = (value * 10 + digit as usize).min(1_000_000);
            next = rest.next();
        }
        most = Some(value);
    }
    let separator = next.filter(|character| SEPARATORS.contains(*character));
    if separator.is_some() {
        next = rest.next();
    }
    match next {
        Some(letter) if LETTERS.contains(letter) => Ok(Piece::Field {
            letter,
            left,
            zeros,
            width,
            most,
            separator,
        }),
        Some(letter) => Err(value::format_letter(letter.to_string(), LETTERS).into()),
        None => Err(value::format_unfinished().into()),
    }
}

fn escape(character: Option<char>) -> Result<u8, Said> {
    match character {
        Some('\\') => Ok(b'\\'),
        Some('0') => Ok(0),
        Some('a') => Ok(7),
        Some('e') => Ok(27),
        Some('n') => Ok(b'\n'),
        Some('r') => Ok(b'\r'),
        Some('t') => Ok(b'\t'),
        Some('v') => Ok(11),
        _ => Err(value::format_escape().into()),
    }
}

fn pad(value: Vec<u8>, left: bool, zeros: bool, width: usize, out: &mut Vec<u8>) {
    let missing = width.saturating_sub(value.len());
    let fill = if zeros && !left { b'0' } else { b' ' };
    if left {
        out.extend_from_slice(&value);
        out.extend(std::iter::repeat_n(fill, missing));
    } else {
        out.extend(std::iter::repeat_n(fill, missing));
        out.extend_from_slice(&value);
    }
}

fn render(letter: char, incoming: &Incoming, now: &ZonedDateTime) -> Result<Vec<u8>, Text> {
    let message = &incoming.message;
    let properties = &message.properties;
    let text = match letter {
        '%' => "%".to_owned(),
        'A' => incoming
            .topic_alias
            .map(|alias| alias.to_string())
            .unwrap_or_default(),
        'C' => properties.content_type.clone().unwrap_or_default(),
        'D' => return Ok(properties.correlation_data.clone().unwrap_or_default()),
        'E' => properties
            .message_expiry_secs
            .map(|secs| secs.to_string())
            .unwrap_or_default(),
        'F' => properties
            .payload_is_utf8
            .map(|flag| u8::from(flag).to_string())
            .unwrap_or_default(),
        'I' => now.strftime("%Y-%m-%dT%H:%M:%S%z").to_string(),
        'j' => {
            let payload = json::payload_as_text(incoming);
            return Ok(json::object(incoming, now, &payload));
        }
        'J' => {
            let payload = json::payload_as_json(incoming)?;
            return Ok(json::object(incoming, now, &payload));
        }
        'l' => message.payload.len().to_string(),
        'm' => incoming
            .packet_id
            .map_or(0, std::num::NonZeroU16::get)
            .to_string(),
        'P' => {
            let pairs = properties.user_properties.iter();
            let pairs: Vec<_> = pairs
                .map(|(name, value)| format!("{name}:{value}"))
                .collect();
            pairs.join(" ")
        }
        'p' => return Ok(message.payload.clone()),
        'q' => message.qos.as_u8().to_string(),
        'R' => properties.response_topic.clone().unwrap_or_default(),
        'r' => u8::from(message.retain).to_string(),
        'S' => {
            let ids = incoming.subscription_identifiers.iter();
            ids.map(u32::to_string).collect::<Vec<_>>().join(" ")
        }
        't' => message.topic.clone(),
        'U' => {
            let timestamp = now.timestamp();
            format!(
                "{}.{:09}",
                timestamp.as_second(),
                timestamp.subsec_nanosecond()
            )
        }
        other => return Err(value::format_letter(other.to_string(), LETTERS)),
    };
    Ok(text.into_bytes())
}

fn hex(payload: &[u8], letter: char, separator: Option<char>) -> Vec<u8> {
    let mut out = String::with_capacity(payload.len() * 3);
    for (index, byte) in payload.iter().enumerate() {
        out.extend(separator.filter(|_| index > 0));
        out.push_str(&match letter {
            'X' => format!("{byte:02X}"),
            _ => format!("{byte:02x}"),
        });
    }
    out.into_bytes()
}

/// The payload as one floating point number in this machine's byte order, of 4 bytes (`%f`) or 8.
fn float(payload: &[u8], letter: char, digits: Option<usize>) -> Result<Vec<u8>, Text> {
    let number = match letter {
        'f' => payload
            .try_into()
            .map(|bytes| f64::from(f32::from_ne_bytes(bytes))),
        _ => payload.try_into().map(f64::from_ne_bytes),
    };
    let number = number.map_err(|_| {
        let wanted = if letter == 'f' { "4" } else { "8" };
        value::format_bytes(letter.to_string(), wanted, payload.len())
    })?;
    let digits = digits.unwrap_or(FRACTION_DIGITS).min(100);
    Ok(format!("{number:.digits$}").into_bytes())
}

#[cfg(test)]
mod tests {
    use columba_client::Message;
    use columba_codec::{PacketId, QoS};

    use super::*;

    fn check(format: &str, expected: &str) {
        let mut message = Message::new("x/y", "h\"i").with_qos(QoS::AtLeastOnce);
        message.properties.content_type = Some("text/plain".to_owned());
        message.properties.user_properties = vec![("a".to_owned(), "b".to_owned())];
        let incoming = Incoming {
            message,
            dup: false,
            packet_id: PacketId::new(1),
            subscription_identifiers: vec![5],
            topic_alias: None,
            receipt: None,
        };
        let timestamp = jiff::Timestamp::new(1_795_462_526, 754_171_000).expect("a time");
        let now = ZonedDateTime::new(timestamp, jiff::tz::TimeZone::UTC);
        let mut out = Vec::new();
        let format = Format::parse(OsStr::new(format)).expect("a format");
        format
            .write(&incoming, &now, false, &mut out)
            .expect("printable");
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn fields_print_as_mosquitto_prints_them() {
        // Compared with mosquitto_sub 2.0.11, which orders the members of "properties" as they came.
        check("%t %q %r %l %m %P %S %C", "x/y 1 0 3 1 a:b 5 text/plain");
        check("%05l|%6t|%-6t|%.1t", "00003|   x/y|x/y   |x");
        check("[%5R|%05R|%5A|%05E]", "[||     |00000]");
        check("%x %X %:x %%\\t@@", "682269 682269 68:22:69 %\t@");
        check("%06t|%3q|%9P|%08x|%6.1t", "   x/y|1|a:b|00682269|     x");
        check(
            "%I %U @H",
            "2026-11-23T19:35:26+0000 1795462526.754171000 19",
        );
        check(
            "%j",
            "{\"tst\":\"2026-11-23T19:35:26.754171Z+0000\",\"topic\":\"x/y\",\"qos\":1,\
             \"retain\":0,\"payloadlen\":3,\"mid\":1,\"properties\":{\"content-type\":\
             \"text/plain\",\"subscription-identifier\":5,\"user-properties\":{\"a\":\"b\"}},\
             \"payload\":\"h\\\"i\"}",
        );
    }

    #[test]
    fn a_payload_of_four_or_eight_bytes_is_a_number() {
        let check = |payload: &[u8], letter, digits, expected: &str| {
            let text = float(payload, letter, digits).unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&text), expected);
        };
        check(&1.5_f32.to_ne_bytes(), 'f', None, "1.500000");
        check(&2.25_f64.to_ne_bytes(), 'd', Some(1), "2.2");
        check(b"abc", 'f', None, "");
    }

    #[test]
    fn wrong_formats_are_refused() {
        for format in ["%", "%y", "@", "\\q", "%99999t"] {
            assert!(Format::parse(OsStr::new(format)).is_err(), "{format}");
        }
    }
}
