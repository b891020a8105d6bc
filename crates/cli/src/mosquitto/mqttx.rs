//! What users of MQTTX's command line type: its names that mean something here, and a sentence for those
//! that do not.

use std::ffi::{OsStr, OsString};

use columba_speech::Text;

use crate::words::command_line;

/// Options of two letters behind one dash that no reading of ours takes, and their long names.
const SHORTS: &[(&str, &str)] = &[
    ("-Wt", "--will-topic"),
    ("-Wm", "--will-message"),
    ("-Wq", "--will-qos"),
    ("-Wr", "--will-retain"),
    ("-Wd", "--will-delay-interval"),
    ("-Wpf", "--will-payload-format-indicator"),
    ("-We", "--will-message-expiry-interval"),
    ("-Wct", "--will-content-type"),
    ("-Wrt", "--will-response-topic"),
    ("-Wcd", "--will-correlation-data"),
    ("-Wup", "--will-user-properties"),
    ("-Cup", "--conn-user-properties"),
];

/// Of `bench` and `simulate`, where they clash with nothing.
const OF_LOADS: &[(&str, &str)] = &[("-sc", "--scenario"), ("-im", "--message-interval")];

/// What is to be written in the place of a short option.
pub(super) fn long_of_short(word: &str) -> Option<Text> {
    let (short, long) = SHORTS.iter().find(|(short, _)| *short == word)?;
    Some(command_line::mqttx_short(*short, *long))
}

/// What `--format` of MQTTX takes. As a format of ours each of them prints only itself.
const FORMATS: &[&str] = &["base64", "json", "hex", "binary", "cbor", "msgpack"];

/// What does the same as a long option that does not exist here, or means something else with this
/// word behind it.
pub(super) fn not_here(word: &OsStr, next: Option<&OsString>) -> Option<Text> {
    let word = word.to_str()?;
    let (option, value) = match word.split_once('=') {
        Some((option, value)) => (option, Some(value)),
        None => (word, next.and_then(|next| next.to_str())),
    };
    Some(match option {
        "--format" => {
            let format = FORMATS.iter().find(|format| Some(**format) == value)?;
            command_line::mqttx_format(*format)
        }
        "--reconnect-period" | "--maximum-reconnect-times" => command_line::mqttx_reconnect(option),
        "--ws-headers" => command_line::mqttx_ws_headers(),
        "--dup" => command_line::mqttx_dup(),
        "--output-mode" => command_line::mqttx_output_mode(),
        "--file-save" | "--file-write" | "--delimiter" => command_line::mqttx_file(option),
        "--save-options" | "--load-options" => command_line::mqttx_options(option),
        "--protobuf-path" | "--protobuf-message-name" | "--avsc-path" => {
            command_line::mqttx_schema(option)
        }
        "--payload-size" => command_line::mqttx_payload_size(),
        _ => return None,
    })
}

/// Our options for the protocol that `--protocol` names.
pub(super) fn protocol(name: &OsStr) -> Result<Vec<OsString>, Text> {
    let options: &[&str] = match name.to_str() {
        Some("mqtt") => &[],
        Some("mqtts") => &["--tls-use-os-certs"],
        Some("ws") => &["--ws"],
        Some("wss") => &["--ws", "--tls-use-os-certs"],
        _ => {
            return Err(command_line::mqttx_protocol(
                name.to_string_lossy().into_owned(),
            ));
        }
    };
    Ok(options.iter().map(OsString::from).collect())
}

/// A command of MQTTX that is none here.
pub(super) fn other_command(word: &str) -> Option<Text> {
    Some(match word {
        "conn" => command_line::mqttx_conn(),
        "ls" => command_line::mqttx_ls(),
        "init" => command_line::mqttx_init(),
        _ => return None,
    })
}

/// The words of `bench` and `simulate` with our names.
pub(super) fn of_loads(words: Vec<OsString>) -> Vec<OsString> {
    let ours = |word: OsString| {
        let known = OF_LOADS.iter().find(|(short, _)| word == *short);
        known.map_or(word, |(_, long)| (*long).into())
    };
    words.into_iter().map(ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mosquitto::options::{matches, tools};
    use crate::mosquitto::spelling::MQTTX;
    use clap::parser::ValueSource;
    use columba_speech::Language;

    #[test]
    fn what_does_not_exist_here_is_refused_with_what_does_the_same() {
        let said = |option: &str, next: Option<&str>| {
            let next = next.map(OsString::from);
            let text = not_here(OsStr::new(option), next.as_ref())?;
            Some(text.to_string(Language::English))
        };
        for (option, instead) in [
            ("--reconnect-period", "by itself"),
            ("--maximum-reconnect-times", "by itself"),
            ("--ws-headers", "-u and -P"),
            ("--dup", "sent again"),
            ("--output-mode", "--json"),
            ("--file-save", "--record"),
            ("--file-write", "--record"),
            ("--delimiter", "--record"),
            ("--save-options", "context add"),
            ("--load-options", "context add"),
            ("--protobuf-path", "--decode sparkplug"),
            ("--protobuf-message-name", "--decode sparkplug"),
            ("--avsc-path", "--decode sparkplug"),
            ("--payload-size", "columba bench pub"),
        ] {
            let text = said(option, Some("x")).expect(option);
            assert!(text.contains(instead), "{option}: {text}");
            assert!(
                super::super::spelling::spelling(option).is_none(),
                "{option}"
            );
        }
        let format = said("--format", Some("hex")).expect("a sentence");
        assert!(format.contains("--decode hex"), "{format}");
        assert!(said("--format=json", None).is_some());
        assert_eq!(said("--format", Some("%t hex")), None);
        assert_eq!(said("--format", None), None);
        assert_eq!(said("--formats", Some("hex")), None);
    }

    /// Clients (p, s, r), MQTTX's spellings, what follows, our argument, and what it has.
    const TAKEN: &[(&str, &str, &str, &str, &str)] = &[
        ("psr", "--hostname", "b", "host", "b"),
        ("psr", "--client-id", "c", "id", "c"),
        ("psr", "--password", "-p", "password", "-p"),
        (
            "psr",
            "--mqtt-version",
            "3.1.1",
            "protocol_version",
            "3.1.1",
        ),
        ("psr", "--no-clean", "", "disable_clean_session", "true"),
        ("s", "--no_local", "", "no_local", "true"),
        ("psr", "--protocol", "mqtts", "tls_use_os_certs", "true"),
        ("psr", "--protocol", "ws", "ws", "true"),
        ("psr", "--protocol", "wss", "ws", "true"),
        ("psr", "--protocol", "wss", "tls_use_os_certs", "true"),
        (
            "p",
            "--response-topic",
            "b",
            "properties",
            "publish response-topic b",
        ),
        ("r", "--response-topic", "b", "response_topic", "b"),
        (
            "psr",
            "--session-expiry-interval",
            "7",
            "session_expiry_interval",
            "7",
        ),
        ("psr", "--ca", "f", "cafile", "f"),
        ("psr", "--alpn", "mqtt", "tls_alpn", "mqtt"),
        ("psr", "--will-message", "-x", "will_payload", "-x"),
        ("p", "--stdin", "", "stdin_file", "true"),
        ("p", "--multiline --line-mode", "", "stdin_line", "true"),
        ("p", "--file-read", "f", "file", "f"),
        (
            "psr",
            "--conn-user-properties",
            "a: b",
            "properties",
            "connect user-property a b",
        ),
        (
            "psr",
            "--will-user-properties",
            "a: b",
            "properties",
            "will user-property a b",
        ),
        (
            "psr",
            "--user-properties",
            "a: b",
            "properties",
            "subscribe user-property a b",
        ),
        (
            "psr",
            "--req-response-info",
            "",
            "properties",
            "connect request-response-information 1",
        ),
        (
            "psr",
            "--no-req-problem-info",
            "",
            "properties",
            "connect request-problem-information 0",
        ),
        (
            "psr",
            "--rcv-max --receive-maximum",
            "7",
            "properties",
            "connect receive-maximum 7",
        ),
        (
            "psr",
            "--maximum-packet-size",
            "7",
            "properties",
            "connect maximum-packet-size 7",
        ),
        (
            "psr",
            "--topic-alias-maximum",
            "7",
            "properties",
            "connect topic-alias-maximum 7",
        ),
        (
            "psr",
            "--authentication-method",
            "m",
            "properties",
            "connect authentication-method m",
        ),
        (
            "s",
            "--subscription-identifier",
            "7",
            "properties",
            "subscribe subscription-identifier 7",
        ),
        (
            "p",
            "--payload-format-indicator",
            "",
            "properties",
            "publish payload-format-indicator 1",
        ),
        (
            "p",
            "--message-expiry-interval",
            "7",
            "properties",
            "publish message-expiry-interval 7",
        ),
        (
            "p",
            "--topic-alias",
            "7",
            "properties",
            "publish topic-alias 7",
        ),
        (
            "p",
            "--correlation-data",
            "d",
            "properties",
            "publish correlation-data d",
        ),
        (
            "p",
            "--content-type",
            "t",
            "properties",
            "publish content-type t",
        ),
        (
            "psr",
            "--will-delay-interval",
            "7",
            "properties",
            "will will-delay-interval 7",
        ),
        (
            "psr",
            "--will-payload-format-indicator",
            "",
            "properties",
            "will payload-format-indicator 1",
        ),
        (
            "psr",
            "--will-message-expiry-interval",
            "7",
            "properties",
            "will message-expiry-interval 7",
        ),
        (
            "psr",
            "--will-content-type",
            "t",
            "properties",
            "will content-type t",
        ),
        (
            "psr",
            "--will-response-topic",
            "t",
            "properties",
            "will response-topic t",
        ),
        (
            "psr",
            "--will-correlation-data",
            "d",
            "properties",
            "will correlation-data d",
        ),
        // Written alike here.
        ("psr", "--path", "/a", "path", "/a"),
        ("psr", "--port", "7", "port", "7"),
        ("psr", "--keepalive", "7", "keepalive", "7"),
        ("psr", "--username", "u", "username", "u"),
        ("psr", "--key", "f", "key", "f"),
        ("psr", "--cert", "f", "cert", "f"),
        ("psr", "--insecure", "", "insecure", "true"),
        ("psr", "--debug", "", "debug", "true"),
        ("psr", "--topic", "a", "topic", "a"),
        ("psr", "--qos", "1", "qos", "1"),
        ("p", "--message", "a", "message", "a"),
        ("p", "--retain", "", "retain", "true"),
        (
            "s",
            "--retain-as-published",
            "",
            "retain_as_published",
            "true",
        ),
        ("psr", "--will-topic", "a", "will_topic", "a"),
        ("psr", "--will-qos", "1", "will_qos", "1"),
        ("psr", "--will-retain", "", "will_retain", "true"),
    ];

    #[test]
    fn every_long_name_that_is_taken_means_what_it_means_there() {
        for (clients, spellings, value, argument, expected) in TAKEN {
            let spellings = || spellings.split(' ');
            for (tool, name) in
                tools(clients).flat_map(|tool| spellings().map(move |name| (tool, name)))
            {
                let mut words = vec![name];
                words.extend((!value.is_empty()).then_some(*value));
                let found = matches(tool, &words).unwrap_or_else(|fault| panic!("{fault}"));
                assert_eq!(
                    found.value_source(argument),
                    Some(ValueSource::CommandLine),
                    "{words:?}"
                );
                let given = found.get_raw(argument).into_iter().flatten().next_back();
                // A switch of ours has no words.
                let given = given.map_or_else(
                    || "true".into(),
                    |word| word.to_string_lossy().replace('\0', " "),
                );
                assert_eq!(given, *expected, "{words:?}");
            }
        }
        let tried = TAKEN
            .iter()
            .flat_map(|(_, spellings, ..)| spellings.split(' '));
        let tried: Vec<_> = tried.collect();
        for name in MQTTX.iter().flat_map(|(names, ..)| names.split(' ')) {
            assert!(tried.contains(&name), "{name}");
        }
    }

    #[test]
    fn every_long_name_that_a_sentence_gives_is_taken() {
        for (short, long) in SHORTS {
            assert!(super::super::spelling::spelling(long).is_some(), "{long}");
            let said = long_of_short(short).expect("a sentence");
            assert!(said.to_string(Language::English).contains(long));
        }
    }
}
