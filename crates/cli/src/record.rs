//! Messages as lines of JSON: `sub --json` and `--record` write them, `pub --replay` reads them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use columba_client::{Incoming, Message, MessageProperties};
use columba_codec::QoS;
use columba_codec::topic::TopicName;
use columba_speech::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::words::{self, recording};

/// A message and when it came, as a line of JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    time: String,
    topic: String,
    qos: u8,
    #[serde(default)]
    retain: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    dup: bool,
    payload: String,
    #[serde(default)]
    encoding: Encoding,
    #[serde(default, skip_serializing_if = "Properties::are_none")]
    properties: Properties,
    /// What the payload means, for readers; whoever replays the message needs the payload alone.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    decoded: Option<Box<RawValue>>,
}

/// What the text of a payload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Encoding {
    /// The payload.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// The Base64 of a payload that is no text.
    #[serde(rename = "base64")]
    Base64,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Properties {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_is_utf8: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_expiry_secs: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_data_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subscription_identifiers: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    user_properties: Vec<UserProperty>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserProperty {
    name: String,
    value: String,
}

impl Properties {
    fn are_none(&self) -> bool {
        *self == Self::default()
    }

    fn of(incoming: &Incoming) -> Self {
        let properties = incoming.message.properties.clone();
        let correlation = properties.correlation_data;
        let pairs = properties.user_properties.into_iter();
        Self {
            payload_is_utf8: properties.payload_is_utf8,
            message_expiry_secs: properties.message_expiry_secs,
            content_type: properties.content_type,
            response_topic: properties.response_topic,
            correlation_data_base64: correlation.map(|data| STANDARD.encode(data)),
            subscription_identifiers: incoming.subscription_identifiers.clone(),
            user_properties: pairs
                .map(|(name, value)| UserProperty { name, value })
                .collect(),
        }
    }

    /// Those that a publisher sends.
    fn into_message(self) -> Result<MessageProperties, Text> {
        let correlation_data = self.correlation_data_base64.map(|text| {
            let decoded = STANDARD.decode(text);
            decoded.map_err(|error| no_base64("correlation_data_base64", &error))
        });
        let pairs = self.user_properties.into_iter();
        Ok(MessageProperties {
            payload_is_utf8: self.payload_is_utf8,
            message_expiry_secs: self.message_expiry_secs,
            content_type: self.content_type,
            response_topic: self.response_topic,
            correlation_data: correlation_data.transpose()?,
            user_properties: pairs.map(|pair| (pair.name, pair.value)).collect(),
        })
    }
}

/// A message that came just now, as a line without its end. `decoded` is JSON.
pub(crate) fn line(incoming: &Incoming, now: Timestamp, decoded: Option<String>) -> String {
    let message = &incoming.message;
    let (payload, encoding) = match std::str::from_utf8(&message.payload) {
        Ok(text) => (text.to_owned(), Encoding::Utf8),
        Err(_) => (STANDARD.encode(&message.payload), Encoding::Base64),
    };
    let line = Line {
        time: format!("{now:.6}"),
        topic: message.topic.clone(),
        qos: message.qos.as_u8(),
        retain: message.retain,
        dup: incoming.dup,
        payload,
        encoding,
        properties: Properties::of(incoming),
        decoded: decoded.and_then(|json| RawValue::from_string(json).ok()),
    };
    // Text, numbers and checked JSON: nothing in it can fail.
    serde_json::to_string(&line).unwrap_or_default()
}

fn no_base64(key: &str, error: &base64::DecodeError) -> Text {
    // Some of its sentences end with a full stop, which the sentence around it has too.
    recording::no_base64(key, error.to_string().trim_end_matches('.'))
}

/// Reads a line: when the message came, and the message.
///
/// # Errors
/// What is wrong with the line, with its column if it has one.
pub(crate) fn parse(line: &[u8]) -> Result<(Timestamp, Message), Text> {
    let line: Line = serde_json::from_slice(line).map_err(|error| {
        let sentence = error.to_string();
        match sentence.split_once(" at line ") {
            Some((what, _)) => recording::at_column(recording::no_line(what), error.column()),
            None => recording::no_line(sentence),
        }
    })?;
    let time = line.time.parse();
    let time =
        time.map_err(|error: jiff::Error| recording::time(line.time.as_str(), error.to_string()))?;
    TopicName::parse(&line.topic)
        .map_err(|fault| recording::topic(line.topic.as_str(), words::client::topic(fault)))?;
    let qos = QoS::from_u8(line.qos);
    let qos = qos.ok_or_else(|| recording::qos(line.qos))?;
    let payload = match line.encoding {
        Encoding::Utf8 => line.payload.into_bytes(),
        Encoding::Base64 => STANDARD
            .decode(line.payload)
            .map_err(|error| no_base64("payload", &error))?,
    };
    let mut message = Message::new(line.topic, payload).with_qos(qos);
    message.retain = line.retain;
    message.properties = line.properties.into_message()?;
    Ok((time, message))
}

/// A file to which messages are appended as they come.
#[derive(Debug)]
pub(crate) struct Recorder {
    file: File,
    path: PathBuf,
}

impl Recorder {
    /// Opens the file, which is made if there is none.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(crate) fn open(path: &Path) -> Result<Self, Text> {
        let failed = |error: io::Error| unrecorded(path, &error);
        let mut options = OpenOptions::new();
        let opened = options.read(true).append(true).create(true).open(path);
        let mut file = opened.map_err(failed)?;
        end_last_line(&mut file).map_err(failed)?;
        let path = path.to_owned();
        Ok(Self { file, path })
    }

    /// Appends a message: all of its line at once, so that a reader sees no half.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(crate) fn append(&mut self, incoming: &Incoming) -> Result<(), Text> {
        let mut line = line(incoming, Timestamp::now(), None);
        line.push('\n');
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| unrecorded(&self.path, &error))
    }
}

fn unrecorded(path: &Path, error: &io::Error) -> Text {
    recording::unrecorded(path.display().to_string(), words::system(error))
}

/// A line that was cut off must not spoil the next one too.
fn end_last_line(file: &mut File) -> io::Result<()> {
    // A pipe or a terminal has neither a length nor an end to look at.
    if !file.metadata()?.is_file() || file.metadata()?.len() == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(payload: &[u8]) -> Incoming {
        let mut message = Message::new("a/b", payload).with_qos(QoS::AtLeastOnce);
        message.retain = true;
        message.properties = MessageProperties {
            payload_is_utf8: Some(false),
            message_expiry_secs: Some(60),
            content_type: Some("x/y".to_owned()),
            response_topic: Some("r".to_owned()),
            correlation_data: Some(vec![0, 255]),
            user_properties: vec![
                ("k".to_owned(), "1".to_owned()),
                ("k".to_owned(), "2".to_owned()),
            ],
        };
        Incoming {
            message,
            dup: false,
            packet_id: None,
            subscription_identifiers: vec![7],
            topic_alias: None,
            receipt: None,
        }
    }

    #[test]
    fn a_message_comes_back_from_its_line() {
        let now: Timestamp = "2026-11-28T09:00:00.25Z".parse().expect("a time");
        for payload in [&b"text \"\n\x1b"[..], b"\xff\x00", b""] {
            let incoming = incoming(payload);
            let line = line(&incoming, now, Some("[1]".to_owned()));
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(
                parse(line.as_bytes()),
                Ok((now, incoming.message)),
                "{line}"
            );
        }
    }

    #[test]
    fn a_line_has_no_more_than_it_needs() {
        let now: Timestamp = "2026-11-28T09:00:00Z".parse().expect("a time");
        let mut plain = incoming(b"\xff");
        plain.message.properties = MessageProperties::default();
        plain.subscription_identifiers.clear();
        assert_eq!(
            line(&plain, now, None),
            r#"{"time":"2026-11-28T09:00:00.000000Z","topic":"a/b","qos":1,"retain":true,"payload":"/w==","encoding":"base64"}"#
        );
    }

    #[test]
    fn wrong_lines_are_refused_with_the_reason() {
        let check = |line: &str, expected: &str| {
            let sentence = parse(line.as_bytes()).expect_err(line);
            let sentence = sentence.to_string(columba_speech::Language::English);
            assert!(sentence.contains(expected), "{line}: {sentence}");
        };
        check(
            "{\"time\":",
            "no recorded message (EOF while parsing a value), at column 8",
        );
        check("{}", "missing field `time`");
        let with = |topic: &str, qos: u8, rest: &str| {
            format!(r#"{{"time":"2026-11-28T09:00:00Z","topic":"{topic}","qos":{qos},{rest}}}"#)
        };
        check(&with("a/#", 0, r#""payload":"""#), "wildcard");
        check(&with("a", 3, r#""payload":"""#), "0, 1 or 2");
        check(
            &with("a", 0, r#""payload":"!","encoding":"base64""#),
            "no Base64: Invalid symbol 33, offset 0",
        );
        let wrong = with("a", 0, r#""payload":"!","encoding":"base64""#);
        let sentence = parse(wrong.as_bytes()).expect_err("no Base64");
        let sentence = sentence.to_string(columba_speech::Language::English);
        assert!(!sentence.ends_with('.'), "{sentence}");
        check(
            &with("a", 0, r#""payload":"","encoding":"hex""#),
            "unknown variant `hex`",
        );
        check(
            &with("a", 0, r#""payload":"","properties":{"colour":1}"#),
            "unknown field `colour`",
        );
        check(
            r#"{"time":"noon","topic":"a","qos":0,"payload":""}"#,
            "time 'noon'",
        );
    }

    #[test]
    fn a_line_that_was_cut_off_does_not_spoil_the_next() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("recorded");
        std::fs::write(&path, "{\"time\":").expect("a file");
        let mut recorder = Recorder::open(&path).expect("a recorder");
        recorder.append(&incoming(b"x")).expect("written");
        drop(recorder);
        let mut recorder = Recorder::open(&path).expect("a recorder");
        recorder.append(&incoming(b"y")).expect("written");
        let text = std::fs::read_to_string(&path).expect("the file");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        for line in lines.iter().skip(1) {
            assert!(parse(line.as_bytes()).is_ok(), "{line}");
        }
    }
}
