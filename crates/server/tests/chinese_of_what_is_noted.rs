//! What the broker notes is in the catalogue that has its Chinese: starts from the source of those
//! who note, so that a new sentence without Chinese fails.

use std::path::{Path, PathBuf};

use columba_diagnosis::noted::{ALL, noted};
use columba_speech::{Language, recognise};

/// Files, and directories with all that is below them, whose sentences reach the flight recorder or
/// a peer.
const SENDERS: [&str; 12] = [
    "broker/src/shard.rs",
    "broker/src/shard",
    "broker/src/recorder/entry.rs",
    "codec/src/error.rs",
    "codec/src/topic.rs",
    "server/src/driver/closing.rs",
    "server/src/listener/acceptor.rs",
    "server/src/transport.rs",
    "server/src/transport/greeting.rs",
    "server/src/transport/handshake.rs",
    "server/src/transport/upgrade.rs",
    "server/src/transport/websocket.rs",
];

/// Files below [`SENDERS`] that note nothing: topics of `$SYS`, and first bytes of other protocols.
const SILENT: [&str; 2] = ["sys.rs", "foreign.rs"];

/// Parts of sentences, and bytes for no person. [`what_is_put_together`] has the sentences.
///
/// [`what_is_put_together`]: what_is_put_together_of_parts_is_said_in_chinese
const PARTS: [&str; 11] = [
    "both come from one address, so two programs there use it, or one comes back all the time",
    "two programs seem to use it",
    "the client id has changed hands {} times lately, and {}: this one waits {} ms, and {} stays until then",
    "{} is banned",
    "the client broke the rules of TLS",
    "Web pages of {} may not connect",
    "This port is for MQTT over WebSocket: use an MQTT client here.",
    "another connection",
    // For the log alone.
    "the others are kept for files",
    // Bytes of HTTP, and a line for those who speak SSH.
    "This port is for {}, not for SSH.\r\n",
    "This port is for {}, not for HTTP. {}.\n",
];

#[test]
fn every_sentence_in_the_source_of_those_who_note_is_in_the_catalogue() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut missing = Vec::new();
    let mut known = 0;
    for file in SENDERS
        .iter()
        .flat_map(|place| sources(&crates.join(place)))
    {
        let name = file.file_name().unwrap_or_default();
        if SILENT.iter().any(|silent| name == *silent) {
            continue;
        }
        let source = std::fs::read_to_string(&file).expect("a source");
        for literal in literals(&source) {
            let said = bare(&literal);
            if !is_sentence(&said) || PARTS.contains(&&*said) {
                continue;
            }
            if recognise(ALL, &said.replace("{}", "X")).is_none() {
                missing.push(format!("{}: {said:?}", file.display()));
            }
            known += 1;
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    // Otherwise the source was not read as it should be.
    assert!(known > 100, "{known}");
}

#[test]
fn what_is_put_together_of_parts_is_said_in_chinese() {
    let waits = "this one waits 500 ms, and 10.0.0.7:4711 stays until then";
    let hands = "the client id has changed hands 6 times lately, and";
    for said in [
        format!("{hands} {}: {waits}", PARTS[0]),
        format!("{hands} {}: {waits}", PARTS[1]),
        "the client id is banned".to_owned(),
        "the user is banned: left".to_owned(),
        "the address is banned: scans".to_owned(),
        format!("TLS: {}", PARTS[4]),
        format!("{} The request is too long", PARTS[6]),
        format!(
            "{} Web pages of \"http://a\" may not connect: allowed_origins of this listener names \
             those that may",
            PARTS[6]
        ),
        "This port is for plain MQTT, not for HTTP. MQTT over WebSocket is served at ws, port \
         8083, path /mqtt"
            .to_owned(),
        "This port is for MQTT over TLS (mqtts), not for HTTP. This broker has no listener for \
         WebSocket"
            .to_owned(),
    ] {
        let text = noted(&said);
        assert_eq!(text.to_string(Language::English), said);
        let chinese = text.to_string(Language::Chinese);
        for english in [" is ", " the ", " for ", " may ", "two"] {
            assert!(!chinese.contains(english), "{chinese}");
        }
    }
}

fn sources(place: &Path) -> Vec<PathBuf> {
    if place.extension().is_some() {
        return vec![place.to_owned()];
    }
    let entries = std::fs::read_dir(place).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = paths.flat_map(|path| sources(&path)).collect();
    found.sort();
    found
}

/// More than a name or a piece of one: words outside the holes.
fn is_sentence(said: &str) -> bool {
    let words = said.replace("{}", " ");
    let words = words.split(' ').filter(|word| {
        word.len() > 1
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || ".,;:'".contains(c))
    });
    words.count() > 0 && said.trim().contains(' ') && !said.starts_with("HTTP/1.1 ")
}

/// With `{}` for every hole, whatever it is called.
fn bare(literal: &str) -> String {
    let mut out = String::new();
    let mut is_hole = false;
    for c in literal.chars() {
        match c {
            '{' => is_hole = true,
            '}' => {
                out.push_str("{}");
                is_hole = false;
            }
            _ if is_hole => {}
            c => out.push(c),
        }
    }
    out
}

/// The strings in a source, without those in comments, in tests, in the log, and in what holds for
/// programmers.
fn literals(source: &str) -> Vec<String> {
    const ASIDE: [&str; 9] = [
        "tracing::",
        "assert!(",
        "assert_eq!(",
        "assert_ne!(",
        "debug_assert!(",
        "unreachable!(",
        ".expect(",
        "#[expect(",
        "concat!(",
    ];
    let source = source.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    let mut found = Vec::new();
    let mut rest = source;
    // Parentheses that are open since something aside began.
    let mut aside: Option<usize> = None;
    while let Some(c) = rest.chars().next() {
        if aside.is_none()
            && let Some(start) = ASIDE.iter().find(|start| rest.starts_with(**start))
        {
            let open = usize::from(start.ends_with('('));
            aside = Some(open);
            rest = &rest[start.len()..];
            continue;
        }
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            continue;
        }
        if let Some(after) = rest.strip_prefix("'\"'") {
            rest = after;
            continue;
        }
        if c == '"' {
            let (literal, after) = literal(&rest[1..]);
            if aside.is_none() {
                found.push(literal);
            }
            rest = after;
            continue;
        }
        aside = match (aside, c) {
            (Some(open), '(') => Some(open + 1),
            (Some(0 | 1), ')') | (Some(0), ';') => None,
            (Some(open), ')') => Some(open - 1),
            (other, _) => other,
        };
        rest = &rest[c.len_utf8()..];
    }
    found
}

/// A string from behind its first quote, and what follows it.
fn literal(source: &str) -> (String, &str) {
    let mut text = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '"' => break,
            '\\' => {
                let escaped = rest.chars().next().unwrap_or_default();
                rest = &rest[escaped.len_utf8()..];
                match escaped {
                    '\n' => rest = rest.trim_start(),
                    'n' => text.push('\n'),
                    'r' => text.push('\r'),
                    other => text.push(other),
                }
            }
            c => text.push(c),
        }
    }
    (text, rest)
}
