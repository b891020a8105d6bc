//! How Mosquitto's clients read values: numbers as C's `atoi` and `atof` do, a URL as the options that it
//! stands for, and what they refuse. Scripts that rely on it go on working under their names; the native
//! commands are stricter.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use columba_codec::topic::TopicFilter;
use columba_speech::Text;

use super::Tool;
use crate::words::{code_point, command_line};

/// Options with a whole number. What does not begin with one is 0.
const WHOLE: &[&str] = &[
    "--qos=",
    "--will-qos=",
    "--port=",
    "--keepalive=",
    "--timeout=",
    "--count=",
    "--max-inflight=",
    "--repeat=",
];

/// Options with a number that may have a fraction.
const FRACTION: &[&str] = &["--repeat-delay=", "--random-filter="];

/// Options whose text may hold no control character: servers may end the connection for it.
const TEXTS: &[&str] = &[
    "--topic=",
    "--filter-out=",
    "--unsubscribe=",
    "--response-topic=",
    "--will-topic=",
    "--id=",
    "--username=",
];

/// Other options with a text. Payloads, passwords, formats and names of files may be any bytes.
const OTHER_TEXTS: &[&str] = &["--url=", "--host=", "--id-prefix=", "--context="];

/// What a message comes from, of which there is one.
const PAYLOADS: &[&str] = &[
    "--message=",
    "--file=",
    "--null-message",
    "--stdin-file",
    "--stdin-line",
];

/// Brings a command line of Mosquitto's client, with its options spelled out, into ours.
///
/// # Errors
/// Why Mosquitto's client would refuse it.
pub(super) fn as_mosquitto_reads(tool: Tool, words: Vec<OsString>) -> Result<Vec<OsString>, Text> {
    let mut line = Vec::new();
    let mut payloads = 0;
    for word in words {
        let bytes = word.as_bytes();
        if let Some(url) = value_of(&word, "--url=") {
            line.extend(of_url(url)?);
            continue;
        }
        if PAYLOADS
            .iter()
            .any(|option| bytes.starts_with(option.as_bytes()))
        {
            payloads += 1;
        }
        if payloads > 1 {
            return Err(command_line::one_message());
        }
        check(&word)?;
        line.push(number(&word).unwrap_or(word));
    }
    let has = |option: &str| {
        line.iter()
            .any(|word| word.as_bytes().starts_with(option.as_bytes()))
    };
    if tool == Tool::Subscribe && has("--unsubscribe=") && !has("--topic=") {
        return Err(command_line::no_topic_to_subscribe());
    }
    let (has_lines, has_will) = (has("--stdin-line"), has("--will-topic="));
    // Lines are never repeated.
    if has_lines {
        let is_idle = |word: &OsString| value_of(word, "--repeat=").is_some_and(|n| whole(n) > 0);
        line.retain(|word| !is_idle(word));
    }
    // Without a Will its QoS means nothing.
    if !has_will {
        let is_idle = |word: &OsString| {
            matches!(
                word.to_str(),
                Some("--will-qos=0" | "--will-qos=1" | "--will-qos=2")
            )
        };
        line.retain(|word| !is_idle(word));
    }
    Ok(line)
}

/// Looks for the first text that is not UTF-8: who reads a command line says of those only that there
/// is one.
pub(super) fn check_texts(words: &[OsString]) -> Result<(), Text> {
    for word in words {
        let bytes = word.as_bytes();
        for option in TEXTS.iter().chain(OTHER_TEXTS) {
            let value = bytes.strip_prefix(option.as_bytes()).unwrap_or_default();
            if let Err(error) = std::str::from_utf8(value) {
                let (at, option) = (error.valid_up_to(), option.trim_end_matches('='));
                let byte = value.get(at).copied().unwrap_or_default();
                return Err(command_line::no_utf_8(
                    option,
                    format!("{byte:#04x}"),
                    at + 1,
                ));
            }
        }
    }
    Ok(())
}

fn value_of<'a>(word: &'a OsString, option: &str) -> Option<&'a str> {
    word.to_str()?.strip_prefix(option)
}

/// What our own options would take.
fn check(word: &OsString) -> Result<(), Text> {
    let out_of = |value: &str, least| !(least..=65_535).contains(&whole(value));
    for option in TEXTS {
        let mut characters = value_of(word, option).unwrap_or_default().chars();
        if let Some(control) = characters.find(|character| character.is_control()) {
            let option = option.trim_end_matches('=');
            return Err(command_line::control_character(option, code_point(control)));
        }
    }
    if word == "--id=" {
        return Err(command_line::empty_id());
    }
    if value_of(word, "--keepalive=").is_some_and(|value| out_of(value, 5)) {
        return Err(command_line::keep_alive_range());
    }
    if value_of(word, "--port=").is_some_and(|value| out_of(value, 1)) {
        return Err(command_line::port_range());
    }
    for option in ["--filter-out=", "--unsubscribe="] {
        let filter = value_of(word, option).filter(|filter| !filter.is_empty());
        if let Some(filter) = filter
            && TopicFilter::parse(filter).is_err()
        {
            return Err(command_line::wrong_filter(
                option.trim_end_matches('='),
                filter,
            ));
        }
    }
    Ok(())
}

/// The option with its number as Mosquitto's clients read it, if it has one.
fn number(word: &OsString) -> Option<OsString> {
    let text = word.to_string_lossy();
    let (option, value) = text.split_at(text.find('=')? + 1);
    let read = match option {
        "--max-inflight=" => whole(value).min(65_535).to_string(),
        _ if WHOLE.contains(&option) => whole(value).to_string(),
        _ if FRACTION.contains(&option) => fraction(value).to_string(),
        _ => return None,
    };
    Some(format!("{option}{read}").into())
}

/// C's `atoi`.
fn whole(text: &str) -> i64 {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.bytes().take_while(u8::is_ascii_digit);
    let value = digits.fold(0_i64, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    sign * value
}

/// C's `atof`, as far as anybody writes it.
fn fraction(text: &str) -> f64 {
    let text = text.trim_start();
    let ends = (0..=text.len())
        .rev()
        .filter(|end| text.is_char_boundary(*end));
    let mut prefixes = ends.filter_map(|end| text.get(..end)?.parse::<f64>().ok());
    prefixes
        .next()
        .filter(|number| number.is_finite())
        .unwrap_or(0.0)
}

/// The options that a URL stands for, in the order in which they count. User name, password and topic
/// are taken as they are: Mosquitto's clients decode nothing.
fn of_url(url: &str) -> Result<Vec<OsString>, Text> {
    let lower = url.to_ascii_lowercase();
    let (is_tls, rest) = if lower.starts_with("mqtt://") {
        (false, url.get("mqtt://".len()..))
    } else if lower.starts_with("mqtts://") {
        (true, url.get("mqtts://".len()..))
    } else {
        // One of a WebSocket, which they do not know.
        return Ok(vec![format!("--url={url}").into()]);
    };
    let rest = rest.unwrap_or_default();
    let (server, topic) = rest
        .split_once('/')
        .ok_or_else(command_line::url_without_topic)?;
    let (user, server) = match server.split_once('@') {
        Some((user, server)) => (Some(user), server),
        None => (None, server),
    };
    let mut options = Vec::new();
    if let Some(user) = user {
        let (name, password) = match user.split_once(':') {
            Some((name, password)) => (name, Some(password)),
            None => (user, None),
        };
        options.push(format!("--username={name}"));
        options.extend(password.map(|password| format!("--pw={password}")));
    }
    let (host, port) = crate::connection::split_port(server);
    let usual = if is_tls { "8883" } else { "1883" };
    let port = port.unwrap_or(usual);
    if !(1..=65_535).contains(&whole(port)) {
        return Err(command_line::port_range());
    }
    options.push(format!("--host={host}"));
    options.push(format!("--port={}", whole(port)));
    options.push(format!("--topic={topic}"));
    if is_tls {
        options.push("--tls-use-os-certs".to_owned());
    }
    Ok(options.into_iter().map(OsString::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tool: Tool, words: &[&str]) -> Result<Vec<OsString>, Text> {
        as_mosquitto_reads(tool, words.iter().map(OsString::from).collect())
    }

    #[test]
    fn numbers_are_what_c_makes_of_them() {
        let check = |word: &str, expected: &str| {
            assert_eq!(read(Tool::Publish, &[word]), Ok(vec![expected.into()]));
        };
        check("--qos=", "--qos=0");
        check("--qos=1x", "--qos=1");
        check("--qos=-1", "--qos=-1");
        check("--timeout=1.5", "--timeout=1");
        check("--count= 7", "--count=7");
        check(
            "--repeat=99999999999999999999",
            "--repeat=9223372036854775807",
        );
        check("--repeat-delay=0.5s", "--repeat-delay=0.5");
        check("--repeat-delay=abc", "--repeat-delay=0");
        check("--repeat-delay=-1", "--repeat-delay=-1");
        check("--max-inflight=70000", "--max-inflight=65535");
        check("--message=1.5", "--message=1.5");
    }

    #[test]
    fn a_url_stands_for_options() {
        let check = |url: &str, expected: &[&str]| {
            let word = format!("--url={url}");
            let read = read(Tool::Subscribe, &[&word]).expect("a command line");
            assert_eq!(read, expected, "{url}");
        };
        check(
            "mqtt://u%41:p%20:q@h/a/b%2F",
            &[
                "--username=u%41",
                "--pw=p%20:q",
                "--host=h",
                "--port=1883",
                "--topic=a/b%2F",
            ],
        );
        check(
            "MQTTS://h:99//a",
            &["--host=h", "--port=99", "--topic=/a", "--tls-use-os-certs"],
        );
        check("mqtt://[::1]:5/a", &["--host=::1", "--port=5", "--topic=a"]);
        check("wss://h/mqtt", &["--url=wss://h/mqtt"]);
        // An empty topic is one, as that of -t.
        check("mqtt://h/", &["--host=h", "--port=1883", "--topic="]);
        for url in [
            "mqtt://h",
            "mqtt://h:0/a",
            "mqtt://h:x/a",
            "mqtt://h:70000/a",
        ] {
            assert!(
                read(Tool::Publish, &[&format!("--url={url}")]).is_err(),
                "{url}"
            );
        }
    }

    #[test]
    fn what_mosquitto_refuses_is_refused() {
        for words in [
            &["--message=a", "--message=b"][..],
            &["--null-message", "--null-message"],
            &["--stdin-line", "--file=x"],
            &["--keepalive=4"],
            &["--keepalive=0"],
            &["--keepalive=65536"],
            &["--port=0"],
            &["--port=abc"],
            &["--id="],
            &["--topic=a\nb"],
            &["--id=a\u{7f}b"],
            &["--topic=a", "--filter-out=a/#/b"],
            &["--topic=a", "--unsubscribe=a+"],
            &["--unsubscribe=a"],
        ] {
            assert!(read(Tool::Subscribe, words).is_err(), "{words:?}");
        }
        let idle = read(Tool::Publish, &["--stdin-line", "--repeat=3"]);
        assert_eq!(idle, Ok(vec!["--stdin-line".into()]));
        let idle = read(Tool::Publish, &["--message=a", "--will-qos=1"]);
        assert_eq!(idle, Ok(vec!["--message=a".into()]));
    }
}
