//! The `-D PACKET NAME VALUE [VALUE]` groups.

use std::ffi::OsString;
use std::num::NonZeroU16;
use std::os::unix::ffi::OsStrExt as _;

use columba_client::{ConnectProperties, DisconnectProperties, MessageProperties};
use columba_speech::Text;

use crate::words;

/// Stands between the words of a group; no word of a command line can have it in it.
pub(crate) const PROPERTY_SEPARATOR: char = '\0';

/// The property that has a name and a value.
pub(crate) const USER_PROPERTY: &str = "user-property";

/// What all `-D` of a command line say, by packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PropertySets {
    pub(crate) connect: ConnectProperties,
    pub(crate) publish: MessageProperties,
    /// `topic-alias`: let the client give its topics aliases.
    pub(crate) publish_with_alias: bool,
    pub(crate) subscribe_identifier: Option<u32>,
    pub(crate) subscribe_user_properties: Vec<(String, String)>,
    pub(crate) unsubscribe_user_properties: Vec<(String, String)>,
    pub(crate) disconnect: DisconnectProperties,
    pub(crate) will: MessageProperties,
    pub(crate) will_delay_secs: Option<u32>,
}

/// Reads the groups: a user property has four words, others three.
pub(crate) fn parse_properties(groups: &[OsString]) -> Result<PropertySets, Text> {
    let mut sets = PropertySets::default();
    for group in groups {
        let bytes = group.as_bytes();
        let words: Vec<_> = bytes
            .split(|byte| char::from(*byte) == PROPERTY_SEPARATOR)
            .collect();
        // Mosquitto's clients know no case here.
        let lower = |at: usize| {
            let word = words.get(at).copied().unwrap_or_default();
            String::from_utf8_lossy(word).to_ascii_lowercase()
        };
        let (packet, property_name) = (lower(0), lower(1));
        match (property_name.as_str(), words.get(2..)) {
            (USER_PROPERTY, Some([name, value])) => {
                let pair = (
                    text(USER_PROPERTY, name)?.to_owned(),
                    text(USER_PROPERTY, value)?.to_owned(),
                );
                user_properties(&mut sets, &packet)?.push(pair);
            }
            (name, Some([value])) if name != USER_PROPERTY => {
                property(&mut sets, &packet, name, value)?;
            }
            _ => {
                return Err(words::property_words());
            }
        }
    }
    // MQTT-3.1.2.11.10: a protocol error.
    if sets.connect.authentication_data.is_some() && sets.connect.authentication_method.is_none() {
        return Err(words::property_needs_method());
    }
    Ok(sets)
}

fn user_properties<'a>(
    sets: &'a mut PropertySets,
    packet: &str,
) -> Result<&'a mut Vec<(String, String)>, Text> {
    Ok(match packet {
        "connect" => &mut sets.connect.user_properties,
        "publish" => &mut sets.publish.user_properties,
        "subscribe" => &mut sets.subscribe_user_properties,
        "unsubscribe" => &mut sets.unsubscribe_user_properties,
        "disconnect" => &mut sets.disconnect.user_properties,
        "will" => &mut sets.will.user_properties,
        _ => return Err(unknown_packet(packet)),
    })
}

/// A value that MQTT sends as a UTF-8 Encoded String. Binary Data may be any bytes.
fn text<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, Text> {
    std::str::from_utf8(value).map_err(|error| {
        let at = error.valid_up_to();
        let byte = value.get(at).copied().unwrap_or_default();
        words::property_no_utf_8(name, format!("{byte:#04x}"), at + 1)
    })
}

fn property(sets: &mut PropertySets, packet: &str, name: &str, value: &[u8]) -> Result<(), Text> {
    match packet {
        "connect" => connect_property(&mut sets.connect, name, value),
        "publish" if name == "topic-alias" => {
            number::<NonZeroU16>(name, value)?;
            sets.publish_with_alias = true;
            Ok(())
        }
        "publish" => message_property(&mut sets.publish, packet, name, value),
        "subscribe" if name == "subscription-identifier" => {
            sets.subscribe_identifier = Some(number(name, value)?);
            Ok(())
        }
        "will" if name == "will-delay-interval" => {
            sets.will_delay_secs = Some(number(name, value)?);
            Ok(())
        }
        "will" => message_property(&mut sets.will, packet, name, value),
        "disconnect" if name == "session-expiry-interval" => {
            sets.disconnect.session_expiry_secs = Some(number(name, value)?);
            Ok(())
        }
        "disconnect" if name == "reason-string" => {
            sets.disconnect.reason_string = Some(text(name, value)?.to_owned());
            Ok(())
        }
        "subscribe" | "unsubscribe" | "disconnect" => Err(unknown_name(packet, name)),
        _ => Err(unknown_packet(packet)),
    }
}

fn connect_property(
    properties: &mut ConnectProperties,
    name: &str,
    value: &[u8],
) -> Result<(), Text> {
    match name {
        "session-expiry-interval" => properties.session_expiry_secs = Some(number(name, value)?),
        "receive-maximum" => properties.receive_maximum = Some(number(name, value)?),
        "maximum-packet-size" => properties.packet_bytes_max = Some(number(name, value)?),
        "topic-alias-maximum" => properties.topic_alias_maximum = Some(number(name, value)?),
        "request-response-information" => {
            properties.request_response_information = Some(flag(name, value)?);
        }
        "request-problem-information" => {
            properties.request_problem_information = Some(flag(name, value)?);
        }
        "authentication-method" => {
            properties.authentication_method = Some(text(name, value)?.to_owned())
        }
        "authentication-data" => properties.authentication_data = Some(value.to_vec()),
        _ => return Err(unknown_name("connect", name)),
    }
    Ok(())
}

fn message_property(
    properties: &mut MessageProperties,
    packet: &str,
    name: &str,
    value: &[u8],
) -> Result<(), Text> {
    match name {
        "payload-format-indicator" => properties.payload_is_utf8 = Some(flag(name, value)?),
        "message-expiry-interval" => properties.message_expiry_secs = Some(number(name, value)?),
        "content-type" => properties.content_type = Some(text(name, value)?.to_owned()),
        "response-topic" => properties.response_topic = Some(text(name, value)?.to_owned()),
        "correlation-data" => properties.correlation_data = Some(value.to_vec()),
        _ => return Err(unknown_name(packet, name)),
    }
    Ok(())
}

fn number<T: std::str::FromStr>(name: &str, value: &[u8]) -> Result<T, Text> {
    let value = text(name, value)?;
    value
        .parse()
        .map_err(|_| words::property_number(name, value))
}

fn flag(name: &str, value: &[u8]) -> Result<bool, Text> {
    match text(name, value)? {
        "0" => Ok(false),
        "1" => Ok(true),
        value => Err(words::property_flag(name, value)),
    }
}

fn unknown_packet(packet: &str) -> Text {
    if packet == "auth" {
        return words::property_auth();
    }
    words::property_packet(packet)
}

fn unknown_name(packet: &str, name: &str) -> Text {
    words::property_name(packet, name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn check(groups: &str) -> Result<PropertySets, Text> {
        let groups = groups
            .split(", ")
            .map(|group| group.replace(' ', "\0").into());
        parse_properties(&groups.collect::<Vec<_>>())
    }

    #[test]
    fn groups_of_three_and_four_words_mix() {
        let sets = check(
            "publish user-property a b, publish content-type text/plain, \
             connect receive-maximum 5, subscribe subscription-identifier 7",
        )
        .expect("all good");
        assert_eq!(
            sets.publish.user_properties,
            [("a".to_owned(), "b".to_owned())]
        );
        assert_eq!(sets.publish.content_type.as_deref(), Some("text/plain"));
        assert_eq!(sets.connect.receive_maximum, Some(5));
        assert_eq!(sets.subscribe_identifier, Some(7));
    }

    #[test]
    fn names_know_no_case() {
        let sets = check("CONNECT Receive-Maximum 5, Disconnect User-Property A B").expect("good");
        assert_eq!(sets.connect.receive_maximum, Some(5));
        let pair = ("A".to_owned(), "B".to_owned());
        assert_eq!(sets.disconnect.user_properties, [pair]);
        let sets = check("disconnect reason-string enough").expect("good");
        assert_eq!(sets.disconnect.reason_string.as_deref(), Some("enough"));
    }

    #[test]
    fn wrong_groups_are_refused() {
        for words in [
            "publish content-type",
            "publish user-property a",
            "publish receive-maximum 1",
            "nothing content-type x",
            "publish payload-format-indicator 2",
            "publish content-type text/plain surplus",
            "connect authentication-data x",
            "auth authentication-method x",
            "disconnect server-reference x",
        ] {
            assert!(check(words).is_err(), "{words}");
        }
    }

    #[test]
    fn binary_data_takes_any_bytes_and_text_must_be_utf_8() {
        let group = |name: &str| {
            let bytes = [b"publish\0", name.as_bytes(), b"\0a\xce\xc2"].concat();
            parse_properties(&[OsString::from_vec(bytes)])
        };
        let sets = group("correlation-data").expect("Binary Data");
        assert_eq!(
            sets.publish.correlation_data.as_deref(),
            Some(&b"a\xce\xc2"[..])
        );
        for name in ["content-type", "user-property\0name"] {
            let sentence = group(name).expect_err("no UTF-8");
            let sentence = sentence.to_string(columba_speech::Language::English);
            let name = name.split('\0').next().unwrap_or_default();
            assert_eq!(
                sentence,
                format!("-D: the value of {name} is not UTF-8: byte 2 is 0xce")
            );
        }
    }
}
