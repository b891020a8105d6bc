//! `%j` and `%J`: a message as an object of JSON in one line, or spread over lines, as cJSON writes it for
//! Mosquitto.

mod foreign;

use std::borrow::Cow;
use std::convert::Infallible;

use columba_client::Incoming;
use columba_speech::Text;
use jiff::ZonedDateTime;
use serde_json::Value;
use serde_json::value::RawValue;

use super::number::number;
use crate::words::value;

/// The object, member by member in Mosquitto's order, with this as its payload.
pub(super) fn object(incoming: &Incoming, now: &ZonedDateTime, payload: &[u8]) -> Vec<u8> {
    let message = &incoming.message;
    let packet_id = incoming
        .packet_id
        .map(|id| format!("\"mid\":{id},"))
        .unwrap_or_default();
    let head = format!(
        "{{\"tst\":\"{}\",\"topic\":{},\"qos\":{},\"retain\":{},\"payloadlen\":{},{packet_id}",
        now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ%z"),
        quoted(&message.topic),
        message.qos.as_u8(),
        u8::from(message.retain),
        message.payload.len(),
    );
    let properties = properties(incoming);
    [head.as_bytes(), &properties, b"\"payload\":", payload, b"}"].concat()
}

/// What stands for a payload of no bytes.
const NULL: &str = "null";

/// The payload as a string of JSON.
pub(super) fn payload_as_text(incoming: &Incoming) -> Vec<u8> {
    match &*incoming.message.payload {
        [] => NULL.into(),
        payload => quoted_bytes(payload),
    }
}

/// The payload, which is JSON, in one line.
pub(super) fn payload_as_json(incoming: &Incoming) -> Result<Vec<u8>, Text> {
    let message = &incoming.message;
    if message.payload.is_empty() {
        return Ok(NULL.into());
    }
    let written = foreign::write(&message.payload, |text| {
        let text = without_raw_controls(text.trim_start_matches('\u{feff}'));
        let json: &RawValue = serde_json::from_str(&text)?;
        Ok::<_, serde_json::Error>(in_one_line(json.get()))
    });
    written.map_err(|_| value::format_no_json(message.topic.as_str()))
}

/// Escapes what may not stand in a string of JSON and does so in that of many a device; cJSON takes it.
fn without_raw_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(|character: char| character.is_ascii_control()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut place = Place::default();
    for character in text.chars() {
        let was_in_string = place.step(character);
        if was_in_string && place.is_in_string && u32::from(character) < 0x20 {
            out.push_str(quoted(&character.to_string()).trim_matches('"'));
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Where in a text of JSON one is.
#[derive(Default)]
struct Place {
    is_in_string: bool,
    is_escaped: bool,
}

impl Place {
    /// Goes over a character, and says whether it stands behind the opening quote of a string.
    fn step(&mut self, character: char) -> bool {
        let was_in_string = self.is_in_string;
        if was_in_string {
            self.is_in_string = self.is_escaped || character != '"';
            self.is_escaped = !self.is_escaped && character == '\\';
        } else {
            self.is_in_string = character == '"';
        }
        was_in_string
    }
}

/// Valid JSON without the space between its tokens, each written as cJSON writes it.
fn in_one_line(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '"' => string_len(rest),
            '-' | '0'..='9' => rest
                .find(|other: char| !(other.is_ascii_alphanumeric() || "+-.".contains(other)))
                .unwrap_or(rest.len()),
            other => other.len_utf8(),
        };
        let (token, behind) = rest.split_at_checked(len).unwrap_or((rest, ""));
        rest = behind;
        match first {
            ' ' | '\t' | '\n' | '\r' => {}
            // Half of a surrogate pair is no text, and stays as it is.
            '"' => match serde_json::from_str::<String>(token) {
                Ok(text) => out.push_str(&quoted(&text)),
                Err(_) => out.push_str(token),
            },
            '-' | '0'..='9' => out.push_str(&number(token)),
            _ => out.push_str(token),
        }
    }
    out
}

/// Of the string that a text begins with, its quotes included.
fn string_len(text: &str) -> usize {
    let mut place = Place::default();
    let end = text
        .char_indices()
        .find(|(_, character)| place.step(*character) && !place.is_in_string);
    end.map_or(text.len(), |(at, _)| at + 1)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn quoted_bytes(bytes: &[u8]) -> Vec<u8> {
    match foreign::write(bytes, |text| Ok::<_, Infallible>(quoted(text))) {
        Ok(written) => written,
        Err(never) => match never {},
    }
}

/// The member `properties` if there are any, in alphabetical order.
fn properties(incoming: &Incoming) -> Vec<u8> {
    let properties = &incoming.message.properties;
    let mut members = Vec::new();
    let mut put_bytes = |name: &str, value: Option<Vec<u8>>| {
        let name = format!("\"{name}\":");
        members.extend(value.map(|value| [name.as_bytes(), &value].concat()));
    };
    let string = |text: &Option<String>| text.as_deref().map(quoted);
    let content_type = string(&properties.content_type);
    put_bytes("content-type", content_type.map(String::into_bytes));
    let correlation = properties.correlation_data.as_deref();
    put_bytes("correlation-data", correlation.map(quoted_bytes));
    let mut put = |name: &str, value: Option<String>| {
        put_bytes(name, value.map(String::into_bytes));
    };
    put(
        "message-expiry-interval",
        properties.message_expiry_secs.map(|secs| secs.to_string()),
    );
    put(
        "payload-format-indicator",
        properties
            .payload_is_utf8
            .map(|flag| u8::from(flag).to_string()),
    );
    put("response-topic", string(&properties.response_topic));
    put(
        "subscription-identifier",
        match incoming.subscription_identifiers.as_slice() {
            [] => None,
            [one] => Some(one.to_string()),
            more => Some(Value::from(more).to_string()),
        },
    );
    put(
        "topic-alias",
        incoming.topic_alias.map(|alias| alias.to_string()),
    );
    // One after the other as they came: the same name may be there twice.
    let pairs = properties.user_properties.iter();
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)))
        .collect();
    put(
        "user-properties",
        (!pairs.is_empty()).then(|| format!("{{{}}}", pairs.join(","))),
    );
    if members.is_empty() {
        Vec::new()
    } else {
        [&b"\"properties\":{"[..], &members.join(&b','), b"},"].concat()
    }
}

/// Spreads a JSON text over lines as Mosquitto does: a tab for each level, arrays in one line.
pub(super) fn spread(text: &[u8]) -> Vec<u8> {
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

    use super::*;

    fn incoming(payload: &[u8]) -> Incoming {
        Incoming {
            message: Message::new("x", payload),
            dup: false,
            packet_id: None,
            subscription_identifiers: Vec::new(),
            topic_alias: None,
            receipt: None,
        }
    }

    #[test]
    fn a_payload_of_json_comes_out_in_one_line() {
        // Compared with mosquitto_sub 2.0.11.
        let check = |payload: &[u8], expected: &str| {
            let shown = payload_as_json(&incoming(payload)).expect("JSON");
            assert_eq!(String::from_utf8_lossy(&shown), expected);
        };
        check(
            b"{\n  \"b\" : 1.0,\r\n\t\"a\": [ true, null ,-2e2 ],\n  \"c\": { }\n}\n",
            r#"{"b":1,"a":[true,null,-200],"c":{}}"#,
        );
        // The order and what is there twice stay.
        check(br#"{"z":1, "a":2, "z":3}"#, r#"{"z":1,"a":2,"z":3}"#);
        check(br#" "a \\\" , : [\u00e9\/" "#, "\"a \\\\\\\" , : [é/\"");
        check(b"", "null");
        check(b"\xef\xbb\xbf[1]", "[1]");
        // What no JSON may have, and that of many a device has.
        check(b"{\"a\":\"x\ny\t\x01\"}", r#"{"a":"x\ny\t\u0001"}"#);
        check(b"[\"Malm\xf6\"]", "[\"Malm\u{fffd}\"]");
    }

    #[test]
    fn half_a_character_stays_as_it_came() {
        let shown = payload_as_json(&incoming(br#"[ "\ud800" ]"#)).expect("JSON");
        assert_eq!(shown, br#"["\ud800"]"#);
    }

    #[test]
    fn what_is_no_json_is_told() {
        for payload in [&b"x"[..], b"[1,]", b"{} {}", b"\"a", b" ", b"[\"a\x01]"] {
            assert!(payload_as_json(&incoming(payload)).is_err(), "{payload:?}");
        }
    }

    #[test]
    fn a_payload_of_no_bytes_is_null_as_text_too() {
        assert_eq!(payload_as_text(&incoming(b"")), b"null");
        assert_eq!(payload_as_text(&incoming(b"\"\x01")), br#""\"\u0001""#);
    }

    #[test]
    fn user_properties_of_one_name_are_all_there() {
        let mut incoming = incoming(b"");
        incoming.message.properties.user_properties = [("z", "1"), ("a", "2"), ("z", "3")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        assert_eq!(
            String::from_utf8_lossy(&properties(&incoming)),
            r#""properties":{"user-properties":{"z":"1","a":"2","z":"3"}},"#
        );
    }

    #[test]
    fn pretty_json_is_that_of_mosquitto() {
        // Compared with mosquitto_sub 2.0.11.
        let spread = spread(br#"{"a":[1,2,{"b":"{,\"}"}],"c":{},"d":[]}"#);
        let expected = "{\n\t\"a\":\t[1, 2, {\n\t\t\t\"b\":\t\"{,\\\"}\"\n\t\t}],\n\t\"c\":\t{\n\t},\n\t\"d\":\t[]\n}";
        assert_eq!(String::from_utf8_lossy(&spread), expected);
    }
}
