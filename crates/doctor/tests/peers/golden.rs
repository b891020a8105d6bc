//! The whole text of reports, in both languages.

use std::time::Duration;

use columba_broker::limits::Anonymous;
use columba_doctor::render::{self, Style};
use columba_doctor::{Mark, Report, Visit};
use columba_speech::Language;

use crate::bed::{PATIENCE, closed_port, examined, visit};
use crate::brokers::columba;

/// A report with stars for everything that differs from run to run.
fn shown(report: &Report, visit: &Visit, port: u16, style: Style) -> String {
    let text = render::text(report, false, style).replace(&port.to_string(), "PORT");
    let topic = format!("{}/", visit.test_topic);
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for at in 0..words.len() {
            if let Some(nonce) = words[at].strip_prefix(&topic) {
                words[at] = words[at].replace(nonce, "NONCE");
            }
            // A time is a number before its unit.
            let unit = words.get(at + 1).map_or("", String::as_str);
            let is_time = ["ms", "s", "毫秒", "秒"].iter().any(|word| {
                unit.strip_prefix(word).is_some_and(|rest| {
                    !rest.starts_with(char::is_alphanumeric) || !rest.is_ascii()
                })
            });
            let number_at = words[at].trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
            if is_time && number_at.len() < words[at].len() {
                words[at] = format!("{number_at}N");
            }
        }
        lines.push(words.join(" "));
    }
    lines.join("\n") + "\n"
}

fn style(language: Language) -> Style {
    Style {
        language,
        ..Style::default()
    }
}

#[tokio::test]
async fn a_good_report_reads_well_in_both_languages() {
    let (_broker, port) = columba(Anonymous::Always, false);
    let mut visit = visit(port, PATIENCE);
    visit.filters = vec!["/dev/1/up".to_owned()];
    let report = examined(&visit).await;
    assert_eq!(
        shown(&report, &visit, port, style(Language::English)),
        include_str!("good.en.txt")
    );
    assert_eq!(
        shown(&report, &visit, port, style(Language::Chinese)),
        include_str!("good.zh.txt")
    );
}

#[tokio::test]
async fn a_bad_report_reads_well_in_both_languages() {
    let port = closed_port();
    let visit = visit(port, PATIENCE);
    let mut report = examined(&visit).await;
    // Other programs of this machine may listen anywhere.
    for finding in &mut report.findings {
        finding
            .notes
            .retain(|note| note.code() == "tcp_local_nothing");
    }
    let ascii = Style {
        is_ascii: true,
        ..style(Language::English)
    };
    assert_eq!(
        shown(&report, &visit, port, ascii),
        include_str!("bad.en.txt")
    );
    assert_eq!(
        shown(&report, &visit, port, style(Language::Chinese)),
        include_str!("bad.zh.txt")
    );
}

#[tokio::test]
async fn json_carries_codes_parameters_and_sentences() {
    let port = closed_port();
    let report = examined(&visit(port, Duration::from_secs(20))).await;
    let json = render::json(&report, "mqtt://h", false, Language::Chinese);
    assert_eq!(json["schema"], "columba.doctor/1");
    assert_eq!(json["exit"], 10);
    assert_eq!(json["failed"], report.count(Mark::Fail));
    let failed = &json["findings"][1];
    assert_eq!(failed["check"], "tcp");
    assert_eq!(failed["mark"], "fail");
    assert_eq!(failed["what"]["code"], "tcp_refused");
    let address = format!("127.0.0.1:{port}");
    assert_eq!(failed["what"]["params"]["address"], address);
    let text = format!("{address} 拒绝连接：该端口没有程序监听");
    assert_eq!(failed["what"]["text"], text);
    assert_eq!(json["unreached"][0], "port");
}

#[test]
fn colours_are_put_on_when_asked_for() {
    let report = Report {
        interrupted: true,
        ..Report::default()
    };
    assert_eq!(
        render::text(&report, false, style(Language::English)),
        "interrupted\n0 failed, 0 warnings, 0 passed, 0 skipped; exit code 3\n"
    );
    let coloured = Style {
        has_colour: true,
        ..style(Language::English)
    };
    let finding = columba_doctor::Finding::fail(
        columba_doctor::Check::Tcp,
        columba_doctor::text::network::lookup_literal(),
    );
    let text = render::finding(&finding, coloured);
    assert!(text.starts_with("\x1b[31m✗\x1b[0m TCP"), "{text:?}");
}
