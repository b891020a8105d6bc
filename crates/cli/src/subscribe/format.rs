//! The `-F` formats of `mosquitto_sub`.

use columba_client::Incoming;
use columba_speech::Text;
use jiff::ZonedDateTime;
use serde_json::{Map, Value};

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
    /// `@` and a letter of strftime.
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
    /// Reads a format.
    pub(crate) fn parse(text: &str) -> Result<Self, Said> {
        let mut pieces = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            match character {
                '%' => pieces.push(field(&mut rest)?),
                '@' => match rest.next() {
                    Some('@') => pieces.push(Piece::Literal(b"@".to_vec())),
                    Some(letter) if letter.is_ascii_alphabetic() => {
                        pieces.push(Piece::Time(letter))
                    }
                    _ => return Err(value::format_time().into()),
                },
                '\\' => pieces.push(Piece::Literal(vec![escape(rest.next())?])),
                other => pieces.push(Piece::Literal(other.to_string().into_bytes())),
            }
        }
        Ok(Self { pieces })
    }

    /// Appends a message as this format shows it.
    pub(crate) fn write(
        &self,
        incoming: &Incoming,
        now: &ZonedDateTime,
        pretty: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Text> {
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
                    let mut value = match letter {
                        'x' | 'X' => hex(&incoming.message.payload, *letter, *separator),
                        'f' | 'd' => float(&incoming.message.payload, *letter, *most)?,
                        _ => render(*letter, incoming, now)?,
                    };
                    if pretty && matches!(letter, 'j' | 'J') {
                        value = spread(&value);
                    }
                    if let Some(most) = most.filter(|_| FILLED_WITH_SPACES.contains(*letter)) {
                        value.truncate(most);
                    }
                    if WITHOUT_WIDTH.contains(*letter) {
                        out.extend_from_slice(&value);
                    } else {
                        let zeros = *zeros && !FILLED_WITH_SPACES.contains(*letter);
                        pad(value, *left, zeros, *width, out);
                    }
                }
                Piece::Time('N') => {
                    let nanoseconds = now.timestamp().subsec_nanosecond();
                    out.extend_from_slice(format!("{nanoseconds:09}").as_bytes());
                }
                Piece::Time(letter) => {
                    let text = jiff::fmt::strtime::format(format!("%{letter}"), now);
                    let text = text.map_err(|error| {
                        value::format_unprinted(letter.to_string(), error.to_string())
                    })?;
                    out.extend_from_slice(text.as_bytes());
                }
            }
        }
        Ok(())
    }
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
        'j' => json(incoming, now, None)?,
        'J' => json(incoming, now, Some(payload_as_json(incoming)?))?,
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

fn payload_as_json(incoming: &Incoming) -> Result<&serde_json::value::RawValue, Text> {
    let message = &incoming.message;
    serde_json::from_slice(&message.payload)
        .map_err(|_| value::format_no_json(message.topic.as_str()))
}

/// The object of `%j` and `%J`, member by member in Mosquitto's order.
fn json(
    incoming: &Incoming,
    now: &ZonedDateTime,
    payload: Option<&serde_json::value::RawValue>,
) -> Result<String, Text> {
    let message = &incoming.message;
    let payload = match payload {
        Some(raw) => raw.get().to_owned(),
        None => quoted(&String::from_utf8_lossy(&message.payload)),
    };
    let packet_id = incoming
        .packet_id
        .map(|id| format!("\"mid\":{id},"))
        .unwrap_or_default();
    Ok(format!(
        "{{\"tst\":\"{}\",\"topic\":{},\"qos\":{},\"retain\":{},\"payloadlen\":{},{packet_id}{}\"payload\":{payload}}}",
        now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ%z"),
        quoted(&message.topic),
        message.qos.as_u8(),
        u8::from(message.retain),
        message.payload.len(),
        json_properties(incoming),
    ))
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn json_properties(incoming: &Incoming) -> String {
    let properties = &incoming.message.properties;
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    let flag = |flag: bool| Value::from(u8::from(flag));
    put(
        "payload-format-indicator",
        properties.payload_is_utf8.map(flag),
    );
    put(
        "message-expiry-interval",
        properties.message_expiry_secs.map(Value::from),
    );
    put(
        "content-type",
        properties.content_type.clone().map(Value::from),
    );
    put(
        "response-topic",
        properties.response_topic.clone().map(Value::from),
    );
    let correlation = properties.correlation_data.as_deref();
    put(
        "correlation-data",
        correlation.map(|data| Value::from(String::from_utf8_lossy(data))),
    );
    put("topic-alias", incoming.topic_alias.map(Value::from));
    let ids = &incoming.subscription_identifiers;
    put(
        "subscription-identifier",
        (!ids.is_empty()).then(|| match ids.as_slice() {
            [one] => Value::from(*one),
            more => Value::from(more),
        }),
    );
    let pairs = &properties.user_properties;
    put(
        "user-properties",
        (!pairs.is_empty()).then(|| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| (name.clone(), Value::from(value.as_str())));
            Value::Object(pairs.collect())
        }),
    );
    if members.is_empty() {
        String::new()
    } else {
        format!("\"properties\":{},", Value::Object(members))
    }
}

/// Spreads a JSON text over lines as Mosquitto does: a tab for each level, arrays in one line.
fn spread(text: &[u8]) -> Vec<u8> {
    let (mut out, mut depth, mut in_string, mut is_escaped) = (Vec::new(), 0, false, false);
    // Whether each open bracket is that of an object.
    let mut open = Vec::new();
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b'\t', depth));
    };
    for &byte in text {
        if in_string {
            out.push(byte);
            in_string = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
            continue;
        }
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b'{' => {
                depth += 1;
                open.push(true);
                out.push(byte);
                line(&mut out, depth);
            }
            b'}' => {
                depth -= 1;
                open.pop();
                // An empty object has its closing bracket on the line that was begun for a member.
                if out.ends_with(b"\t") && out.trim_ascii_end().ends_with(b"{") {
                    out.pop();
                } else {
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b'[' => {
                depth += 1;
                open.push(false);
                out.push(byte);
            }
            b']' => {
                depth -= 1;
                open.pop();
                out.push(byte);
            }
            b',' if open.last() == Some(&true) => {
                out.push(byte);
                line(&mut out, depth);
            }
            b',' => out.extend_from_slice(b", "),
            b':' => out.extend_from_slice(b":\t"),
            other => {
                in_string = other == b'"';
                out.push(other);
            }
        }
    }
    out
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
        let format = Format::parse(format).expect("a format");
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
    fn pretty_json_is_that_of_mosquitto() {
        // Compared with mosquitto_sub 2.0.11.
        let spread = spread(br#"{"a":[1,2,{"b":"{,\"}"}],"c":{},"d":[]}"#);
        let expected = "{\n\t\"a\":\t[1, 2, {\n\t\t\t\"b\":\t\"{,\\\"}\"\n\t\t}],\n\t\"c\":\t{\n\t},\n\t\"d\":\t[]\n}";
        assert_eq!(String::from_utf8_lossy(&spread), expected);
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
            assert!(Format::parse(format).is_err(), "{format}");
        }
    }
}
