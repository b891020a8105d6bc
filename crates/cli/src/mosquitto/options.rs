//! Every option of Mosquitto's clients 2.1 in both spellings: it means what it means there, or is refused
//! with its reason.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use columba_speech::Language;

use super::spelling::SPELLINGS;
use super::{Tool, command_line};
use crate::connection::ConnectionArgs;
use crate::publish::PublishArgs;
use crate::request::RequestArgs;
use crate::subscribe::SubscribeArgs;
use crate::words;

/// Clients (p, s, r), spellings, our argument, and a value for those that take one.
const OPTIONS: &[(&str, &str, &str, &str)] = &[
    ("psr", "-A", "bind_address", "127.0.0.1"),
    ("psr", "--cafile", "cafile", "f"),
    ("psr", "--capath", "capath", "d"),
    ("psr", "--cert", "cert", "f"),
    ("psr", "--ciphers", "ciphers", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("s", "-C", "count", "3"),
    (
        "psr",
        "-c --disable-clean-session",
        "disable_clean_session",
        "",
    ),
    ("psr", "-d --debug", "debug", ""),
    (
        "psr",
        "-D --property",
        "properties",
        "connect\0receive-maximum\x005",
    ),
    ("r", "-e", "response_topic", "a"),
    ("s", "-E", "exit_after_subscribing", ""),
    ("pr", "-f --file", "file", "-x"),
    ("sr", "-F", "format", "-%t"),
    ("psr", "-h --host", "host", "-h"),
    ("psr", "-i --id", "id", "-i"),
    ("psr", "-I --id-prefix", "id_prefix", "-I"),
    ("psr", "--insecure", "insecure", ""),
    ("psr", "-k --keepalive", "keepalive", "7"),
    ("psr", "--key", "key", "f"),
    ("psr", "--keyform", "keyform", "pem"),
    ("p", "-l --stdin-line", "stdin_line", ""),
    ("psr", "-L --url", "url", "mqtt://h/a"),
    ("r", "--latency", "latency", ""),
    ("pr", "-m --message", "message", "-5"),
    ("psr", "-M", "max_inflight", "7"),
    ("s", "--message-rate", "message_rate", ""),
    ("psr", "--mptcp", "mptcp", ""),
    ("pr", "-n --null-message", "null_message", ""),
    ("sr", "-N", "no_line_break", ""),
    ("psr", "--no-tls", "no_tls", ""),
    ("psr", "--nodelay", "nodelay", ""),
    ("psr", "-p --port", "port", "7"),
    ("psr", "-P --pw", "password", "-P"),
    ("sr", "--pretty", "pretty", ""),
    ("psr", "--proxy", "proxy", "socks5h://p"),
    ("psr", "--psk", "psk", "00"),
    ("psr", "--psk-identity", "psk_identity", "a"),
    ("psr", "-q --qos", "qos", "2"),
    ("psr", "--quiet", "quiet", ""),
    ("p", "-r --retain", "retain", ""),
    ("sr", "-R", "no_retained", ""),
    ("s", "--random-filter", "random_filter", "7"),
    ("s", "--remove-retained", "remove_retained", ""),
    ("p", "--repeat", "repeat", "7"),
    ("p", "--repeat-delay", "repeat_delay", "0.5"),
    ("sr", "--retain-as-published", "retain_as_published", ""),
    ("sr", "--retain-handling", "retain_handling", "never"),
    ("s", "--retained-only", "retained_only", ""),
    ("pr", "-s --stdin-file", "stdin_file", ""),
    ("psr", "-S", "srv", ""),
    ("psr", "-t --topic", "topic", "-t"),
    ("s", "-T --filter-out", "filter_out", "-T"),
    ("psr", "--tls-alpn", "tls_alpn", "a"),
    ("psr", "--tls-engine", "tls_engine", "a"),
    (
        "psr",
        "--tls-engine-kpass-sha1",
        "tls_engine_kpass_sha1",
        "00",
    ),
    ("psr", "--tls-keylog", "tls_keylog", "f"),
    ("psr", "--tls-use-os-certs", "tls_use_os_certs", ""),
    ("psr", "--tls-version", "tls_version", "tlsv1.3"),
    ("psr", "-u --username", "username", "-u"),
    ("s", "-U --unsubscribe", "unsubscribe", "-U"),
    ("psr", "--unix", "unix", "f"),
    ("sr", "-v --verbose", "verbose", ""),
    (
        "psr",
        "-V --protocol-version",
        "protocol_version",
        "mqttv311",
    ),
    ("s", "-w --watch", "watch", ""),
    ("sr", "-W", "timeout", "7"),
    ("psr", "--will-payload", "will_payload", "-x"),
    ("psr", "--will-qos", "will_qos", "2"),
    ("psr", "--will-retain", "will_retain", ""),
    ("psr", "--will-topic", "will_topic", "-w"),
    ("psr", "--ws", "ws", ""),
    ("psr", "-x", "session_expiry_interval", "-1"),
];

/// Those that read, print or end before anything else counts.
const AT_ONCE: &[&str] = &["--help", "-o", "--version"];

/// An option, its value, and what the sentence that refuses it holds.
const REFUSED: &[(&str, &str, &str)] = &[
    ("--psk", "00", "pre-shared keys"),
    ("--psk-identity", "a", "pre-shared keys"),
    ("-S", "", "SRV records"),
    ("--tls-engine", "a", "engines belong to OpenSSL"),
    ("--tls-engine-kpass-sha1", "00", "engines belong to OpenSSL"),
    ("--keyform", "engine", "PEM files only"),
    ("--ciphers", "RC4-MD5", "RC4-MD5"),
];

/// What the command makes of these words and of those that they need beside them.
pub(super) fn matches(tool: Tool, words: &[&str]) -> Result<ArgMatches, String> {
    let command = match tool {
        Tool::Publish => PublishArgs::augment_args(Command::new("pub")),
        Tool::Subscribe => SubscribeArgs::augment_args(Command::new("sub")),
        Tool::Request => RequestArgs::augment_args(Command::new("rr")),
    };
    let always = "-o /dev/null -t t --will-topic w --cert c --key k -h h".split(' ');
    let mut line: Vec<OsString> = vec!["columba".into(), tool.command().into()];
    line.extend(always.map(OsString::from));
    if tool == Tool::Request {
        line.extend(["-e", "r"].map(OsString::from));
    }
    let is_message = words.first().is_some_and(|word| MESSAGES.contains(word));
    if tool != Tool::Subscribe && !is_message {
        line.extend(["-m", "x"].map(OsString::from));
    }
    line.extend(words.iter().map(OsString::from));
    let line = command_line(line).map_err(|exit| format!("{words:?}: {exit:?}"))?;
    let found = command.try_get_matches_from(line.into_iter().skip(1));
    found.map_err(|error| format!("{words:?}: {error}"))
}

/// Of which a command takes one.
const MESSAGES: &[&str] = &[
    "-f",
    "--file",
    "--file-read",
    "-l",
    "--stdin-line",
    "--multiline",
    "--line-mode",
    "-n",
    "--null-message",
    "-s",
    "--stdin-file",
    "--stdin",
];

/// The clients behind their letters.
pub(super) fn tools(letters: &str) -> impl Iterator<Item = Tool> {
    Tool::ALL.into_iter().filter(move |tool| {
        letters.contains(match tool {
            Tool::Publish => 'p',
            Tool::Subscribe => 's',
            Tool::Request => 'r',
        })
    })
}

#[test]
fn every_option_is_taken_in_every_spelling() {
    for (clients, spellings, argument, value) in OPTIONS {
        for tool in tools(clients) {
            for spelled in spellings.split(' ') {
                let mut words = vec![spelled];
                words.extend(value.split('\0').filter(|word| !word.is_empty()));
                let found = matches(tool, &words).unwrap_or_else(|fault| panic!("{fault}"));
                let source = found.value_source(argument);
                assert_eq!(source, Some(ValueSource::CommandLine), "{words:?}");
                let mut given = found.get_raw(argument).into_iter().flatten();
                let last = given.next_back().expect("a value");
                let expected = if value.is_empty() { "true" } else { value };
                assert!(last == expected || value.is_empty(), "{words:?}: {last:?}");
            }
        }
    }
}

#[test]
fn the_list_of_options_is_whole() {
    let words = |list: &[&'static str]| {
        let mut words: Vec<_> = list.iter().flat_map(|words| words.split(' ')).collect();
        words.sort_unstable();
        words
    };
    let tried: Vec<_> = OPTIONS
        .iter()
        .map(|(_, spellings, ..)| *spellings)
        .collect();
    let tried = words(&[&tried, AT_ONCE].concat());
    let known: Vec<_> = SPELLINGS.iter().map(|(spellings, ..)| *spellings).collect();
    assert_eq!(tried, words(&[&known[..], &["--version"]].concat()));
    // The 97 of 2.1, and --mptcp.
    assert_eq!(tried.len(), 98);
}

#[test]
fn what_cannot_be_done_is_refused_with_its_reason_and_documented() {
    let documented = include_str!("../../../../docs/clients.md");
    let (_, documented) = documented
        .split_once("silence would mislead:")
        .expect("a table");
    let (documented, _) = documented.split_once("###").expect("an end");
    for (option, value, reason) in REFUSED {
        for tool in Tool::ALL {
            let words: Vec<_> = [*option, *value]
                .into_iter()
                .filter(|word| !word.is_empty())
                .collect();
            let found = matches(tool, &words).unwrap_or_else(|fault| panic!("{fault}"));
            let connection = ConnectionArgs::from_arg_matches(&found).expect("a connection");
            let refused = connection.plan().expect_err(option).sentence;
            let said = words::error(refused).to_string(Language::English);
            assert!(said.contains(reason), "{option}: {said}");
        }
        let rows = documented.lines().filter(|line| line.starts_with("| "));
        let mut options = rows.filter_map(|row| row.split(" | ").next());
        let quoted = [format!("`{option}`"), format!("`{option} {value}`")];
        let is_told = options.any(|named| quoted.iter().any(|quoted| named.contains(quoted)));
        assert!(is_told, "{option}");
    }
}
