//! What people read: every sentence of every verdict, in both languages, at terminals of several widths.

use columba_broker::recorder::TapeName;
use columba_speech::{Entry, Param};

use super::*;
use crate::code::{Code, Confidence};
use crate::evidence::{Coverage, Question};
use crate::explain;
use crate::texts::sentences::ALL;
use crate::verdict::SubscriberSummary;

/// A name as long as people make them, one with Chinese characters, and one without any blank.
const NAMES: [&str; 3] = [
    "homeassistant-on-the-second-floor",
    "家/客厅/温度传感器/当前读数/摄氏度",
    "zigbee2mqtt/0x00158d0001dc126a/availability/of/a/device/with/a/long/name/behind/a/gateway",
];

const LANGUAGES: [Language; 2] = Language::ALL;

fn filled(entry: &'static Entry, name: &str) -> Text {
    let parameters = entry.parameters.iter();
    // Where a number decides between one and many, a name would read as many: it is one of both.
    let of = |parameter: &&str| match *parameter {
        "times" | "count" | "messages" | "lost" | "inflight" | "published" | "granted"
        | "level" => Param::from(3_u64),
        _ => Param::from(name.to_owned()),
    };
    Text::new(entry, parameters.map(of).collect())
}

/// The sentences that a verdict may begin with: `p05`, `p05_near`, ...
fn sentences_of(code: Code) -> impl Iterator<Item = &'static Entry> {
    let start = code.name().to_lowercase();
    let is_own = move |entry: &&Entry| {
        let rest = entry.code.strip_prefix(&*start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    ALL.iter().filter(is_own)
}

fn report(code: Code, entry: &'static Entry, name: &str) -> Report {
    let event = Event {
        shard: 0,
        tape: TapeName::Events,
        sequence: 7,
        unix_ms: 1_700_000_000_000,
        first_unix_ms: 1_700_000_000_000,
        times: 12,
        outcome: Outcome::PublishDeniedAcl,
        client: name.to_owned(),
        by: String::new(),
        topic: name.to_owned(),
        detail: "denied by etc/acl.toml:14".to_owned(),
        peer: "[2001:db8::1]:51234".parse().ok(),
        message: 0,
        qos: Some(QoS::AtLeastOnce),
        flags: flag::RETAIN,
        packet_id: 65_535,
        size_bytes: 12,
        count: 0,
        secs: 0,
        payload: None,
    };
    let verdict = Verdict {
        code,
        confidence: Confidence::Possible,
        text: filled(entry, name),
    };
    let fixes = ALL.iter().filter(|entry| entry.code.starts_with("fix_"));
    let judged = Judged {
        messages: 200,
        delivered: 197,
        not_delivered: 1,
        waiting: 1,
        unknown: 1,
    };
    Report {
        question: Question::default(),
        verdict: verdict.clone(),
        published_ms: None,
        stages: [Status::Skip; 6],
        fixes: fixes.map(|entry| filled(entry, name)).collect(),
        timeline: vec![event],
        also: vec![verdict.clone()],
        judged,
        subscribers: vec![SubscriberSummary {
            published_ms: None,
            client: name.to_owned(),
            judged,
            verdict,
        }],
        losses: vec![Loss {
            topic: name.to_owned(),
            code,
            times: 12,
            last_ms: 1_700_000_000_000,
        }],
        subscriptions: vec![name.to_owned()],
        kernel: None,
        restarts: vec![Restart {
            stopped_ms: 1_700_000_000_000,
            end: End::Killed,
            started_ms: 1_700_000_001_000,
            recovered: name.to_owned(),
        }],
        damage: vec![Damage {
            found_ms: 1_700_000_001_000,
            what: name.to_owned(),
        }],
        coverage: Coverage {
            from_ms: 1_700_000_000_000,
            left_out: 12_345,
            ..Coverage::default()
        },
    }
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

#[track_caller]
fn fits(shown: &str, cells: usize) {
    for line in shown.lines() {
        assert!(width::width(line) <= cells, "{cells}: {line}\n{shown}");
        assert!(!line.contains(['{', '}', '\u{FFFD}']), "{line}");
    }
}

#[test]
fn every_sentence_of_every_verdict_fits_the_terminal_and_is_filled_in() {
    for code in Code::ALL.iter().copied() {
        assert!(
            sentences_of(code).count() > 0,
            "{} says nothing",
            code.name()
        );
        for entry in sentences_of(code) {
            for (name, cells) in NAMES
                .iter()
                .flat_map(|name| [60, 80, 120].map(|cells| (name, cells)))
            {
                for (language, is_ascii) in LANGUAGES
                    .map(|language| [(language, false), (language, true)])
                    .concat()
                {
                    let style = Style {
                        language,
                        is_ascii,
                        width: cells,
                        utc_offset_secs: 0,
                    };
                    fits(&text(&report(code, entry, name), &style), cells);
                }
            }
        }
    }
}

#[test]
fn every_page_fits_the_terminal_and_is_in_its_language() {
    for code in Code::ALL.iter().copied() {
        for language in LANGUAGES {
            for cells in [60, 80, 120] {
                let page = explain(code, language, cells);
                fits(&page, cells);
                let mut paragraphs = page.split("\n\n");
                let is_translated =
                    |part: &str| is_chinese(part) == (language == Language::Chinese);
                assert!(paragraphs.all(is_translated), "{page}");
            }
        }
    }
}

#[test]
fn every_sentence_is_in_its_language() {
    for entry in ALL {
        let words: Vec<_> = entry.zh.split(['{', '}']).step_by(2).collect();
        assert!(is_chinese(&words.concat()), "{}: {}", entry.code, entry.zh);
        assert!(!is_chinese(entry.en), "{}: {}", entry.code, entry.en);
    }
}

/// The port of one connection is not that of all.
#[test]
fn an_event_that_came_from_several_ports_has_none() {
    let entry = sentences_of(Code::P07).next().expect("a sentence");
    let mut report = report(Code::P07, entry, "lamp");
    for (port, address) in [(0, "  2001:db8::1  "), (51234, "  [2001:db8::1]:51234  ")] {
        for event in &mut report.timeline {
            event.peer.as_mut().expect("an address").set_port(port);
        }
        let shown = text(&report, &Style::default());
        assert!(shown.contains(address), "{shown}");
        let shown = markdown(&report, Language::English);
        assert!(shown.contains(address), "{shown}");
        let shown = json(&report, Language::English);
        assert_eq!(shown["timeline"][0]["peer"], address.trim(), "{shown}");
    }
}

/// What became of the message is said once, and with the punctuation of the language.
#[test]
fn the_first_line_says_once_what_became_of_the_message() {
    for code in Code::ALL.iter().copied() {
        let entry = sentences_of(code).next().expect("a sentence");
        let report = report(code, entry, "lamp");
        for language in LANGUAGES {
            let fate = fate_word(code.fate()).to_string(language);
            let shown = [
                text(
                    &report,
                    &Style {
                        language,
                        width: 200,
                        ..Style::default()
                    },
                ),
                markdown(&report, language),
            ];
            for shown in shown {
                let first = shown.lines().next().expect("a line");
                let times = first.to_lowercase().matches(&fate.to_lowercase()).count();
                assert_eq!(times, 1, "{first}");
                if language == Language::Chinese {
                    assert!(!first.contains([':', '(', ')']), "{first}");
                }
            }
        }
    }
}

/// Between other words none begins with a capital.
#[test]
fn how_far_a_message_came_is_told_in_small_letters() {
    for status in [
        Status::Pass,
        Status::Fail,
        Status::Wait,
        Status::Skip,
        Status::Unknown,
    ] {
        let word = status_word(status).to_string(Language::English);
        assert_eq!(word, word.to_lowercase());
    }
}

/// Chinese readers get words for what happened, not the names that programs use.
#[test]
fn a_timeline_in_chinese_has_chinese_words() {
    let entry = sentences_of(Code::P07).next().expect("a sentence");
    let report = report(Code::P07, entry, "lamp");
    let style = Style {
        language: Language::Chinese,
        width: 200,
        ..Style::default()
    };
    let shown = [text(&report, &style), markdown(&report, Language::Chinese)];
    for shown in shown {
        assert!(shown.contains("发布被规则拒绝"), "{shown}");
        assert!(!shown.contains("publish.denied_acl"), "{shown}");
    }
}
