//! Where the record begins within the time in question, the answer is about what it has, and says why it
//! begins there.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::Asked;
use bed::exchange::QOS_1;
use bed::{Bed, V5};
use columba_broker::recorder::Recording;
use columba_diagnosis::render::{Style, json, markdown, text};
use columba_diagnosis::{Beginning, Code, Confidence, Evidence, Question, diagnose};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";
const MINUTE_MS: u64 = 60_000;

/// A broker that started a minute ago, and has a publisher; asked about the last 15 minutes.
struct Young {
    bed: Bed,
    change: fn(&mut Recording, u64),
    start_ms: u64,
}

impl Young {
    fn new(change: fn(&mut Recording, u64)) -> Self {
        let mut bed = Bed::new(2);
        let start_ms = bed.now().unix_ms;
        bed.connect(V5, "esp");
        bed.advance(MINUTE_MS);
        Self {
            bed,
            change,
            start_ms,
        }
    }

    fn evidence(&mut self, topic: &str) -> Evidence {
        let now = self.bed.now();
        let question = Question {
            topic: Some(topic.to_owned()),
            from_ms: now.unix_ms - 15 * MINUTE_MS,
            to_ms: now.unix_ms,
            ..Question::default()
        };
        let mut recordings = self.bed.recordings();
        for recording in &mut recordings {
            (self.change)(recording, self.start_ms);
        }
        Evidence::from_recordings(question, Vec::new(), now, &recordings)
    }

    /// As if no beginning was named.
    fn asked(&mut self, topic: &str) -> Asked {
        self.asked_of(topic, true)
    }

    /// The same of a broker whose record ends with its process, if it does not `outlive` it.
    fn asked_of(&mut self, topic: &str, outlives: bool) -> Asked {
        let mut evidence = self.evidence(topic);
        evidence.clip_to_start(outlives);
        Asked {
            report: diagnose(&evidence),
        }
    }

    /// As if that beginning was named.
    fn asked_about_all(&mut self, topic: &str) -> Asked {
        Asked {
            report: diagnose(&self.evidence(topic)),
        }
    }
}

/// One line for each thing that is said.
fn wide(utc_offset_secs: i64) -> Style {
    Style {
        width: 1000,
        utc_offset_secs,
        ..Style::default()
    }
}

fn killed(recording: &mut Recording, start_ms: u64) {
    recording.holes.push((start_ms - 5 * MINUTE_MS, start_ms));
}

fn off(recording: &mut Recording, start_ms: u64) {
    recording.holes.push((0, start_ms + MINUTE_MS / 2));
}

fn nothing(_: &mut Recording, _: u64) {}

#[test]
fn in_the_first_minutes_nothing_is_said_to_be_outside_the_record() {
    let asked = Young::new(nothing).asked(TOPIC);
    asked.is(Code::P05, Confidence::Certain);
    let shown = text(&asked.report, &wide(0));
    let told = "The record begins at 22:13:20.000 UTC: the broker started then.";
    assert!(shown.contains(told), "{shown}");
    let coverage = &json(&asked.report, Language::English)["coverage"];
    assert_eq!(coverage["complete"], true);
    assert_eq!(coverage["beginning"], "started");
}

/// A broker that keeps nothing cannot tell its first start from that after a crash.
#[test]
fn where_no_record_outlives_its_process_the_answer_is_about_the_time_since_the_start() {
    let asked = Young::new(nothing).asked_of(TOPIC, false);
    asked.is(Code::P05, Confidence::Likely);
    asked.says("has come since the broker started at ");
    asked.says("What came before that is not on record");
    // The publisher is a client of the new process.
    let mut young = Young::new(nothing);
    let mut evidence = young.evidence(TOPIC);
    evidence.question.publisher = Some("esp".to_owned());
    evidence.clip_to_start(false);
    let asked = Asked {
        report: diagnose(&evidence),
    };
    asked.is(Code::P05, Confidence::Likely);
    asked.says("No PUBLISH of esp");
}

/// Nothing can be said of tomorrow, least of all that nothing came.
#[test]
fn a_time_that_has_not_come_is_told_to_be_none() {
    for (topic, publisher, subscriber) in [
        (Some(TOPIC), None, None),
        (Some(TOPIC), None, Some("hub")),
        (Some(TOPIC), Some("esp"), None),
        (None, Some("esp"), None),
    ] {
        let mut young = Young::new(nothing);
        let from_ms = young.bed.now().unix_ms + MINUTE_MS;
        let mut evidence = asked::evidence(&mut young.bed, topic, publisher, subscriber, from_ms);
        evidence.question.to_ms = from_ms + 16 * MINUTE_MS;
        let asked = Asked {
            report: diagnose(&evidence),
        };
        asked.is(Code::U02, Confidence::Certain);
        asked.says("which is not yet");
        assert!(asked.fix(0).starts_with("Ask about a time that is over"));
        assert_eq!(asked.report.exit_code(), 11);
    }
}

/// What the killed process had not written, or came while the recorder was off, may be the message.
#[test]
fn what_may_have_come_and_is_not_recorded_is_told_with_its_reason() {
    for (change, beginning, told) in [
        (
            killed as fn(&mut Recording, u64),
            Beginning::Killed,
            "begins anew at 22:13:20.000 UTC: the broker started then, after it had been killed",
        ),
        (
            off,
            Beginning::Off,
            "The record begins at 22:13:50.000 UTC: until then the recorder was off",
        ),
    ] {
        let asked = Young::new(change).asked(TOPIC);
        asked.is(Code::U01, Confidence::Certain);
        assert!(asked.fix(0).starts_with("Publish again and ask then"));
        let shown = text(&asked.report, &wide(0));
        assert!(shown.contains(told), "{shown}");
        assert!(!shown.contains("nothing is missing"), "{shown}");
        let coverage = &json(&asked.report, Language::English)["coverage"];
        assert_eq!(coverage["complete"], false);
        assert_eq!(coverage["beginning"], beginning.name());
    }
}

/// What was asked for is not covered, and that is said; with it, not instead of it, what is known.
#[test]
fn a_beginning_that_was_named_is_told_to_be_outside_the_record() {
    for (change, sentence) in [
        (nothing as fn(&mut Recording, u64), "u01_started"),
        (killed, "u01_killed"),
        (off, "u01_off"),
    ] {
        let asked = Young::new(change).asked_about_all(TOPIC);
        asked.is(Code::U01, Confidence::Certain);
        assert_eq!(asked.report.verdict.text.code(), sentence);
        assert_eq!(asked.also(), [Code::P05]);
    }
    // A name that is nearly the same is in the record.
    let mut young = Young::new(nothing);
    let other = young.bed.connect(V5, "other");
    young.bed.publish(other, "home/Kitchen/temp", b"1", QOS_1);
    young.bed.finish(other);
    let asked = young.asked_about_all(TOPIC);
    asked.is(Code::P05, Confidence::Possible);
    let shown = text(&asked.report, &wide(0));
    assert!(shown.contains("the broker started then"), "{shown}");
    assert!(!shown.contains("nothing is missing"), "{shown}");
    let shown = markdown(&asked.report, Language::English);
    assert!(!shown.contains("nothing is missing"), "{shown}");
    let coverage = &json(&asked.report, Language::English)["coverage"];
    assert_eq!(coverage["complete"], false);
}

/// The process that was killed has left what it knew of the message.
#[test]
fn what_is_known_from_before_the_record_begins_anew_counts() {
    let mut young = Young::new(|recording, start_ms| {
        let end_ms = start_ms + 2 * MINUTE_MS;
        recording.holes.push((start_ms + MINUTE_MS, end_ms));
    });
    let publisher = young.bed.connect(V5, "sensor");
    young.bed.publish(publisher, TOPIC, b"1", QOS_1);
    young.bed.finish(publisher);
    young.bed.advance(5 * MINUTE_MS);
    assert_eq!(young.asked(TOPIC).report.verdict.code, Code::R01);
    assert_eq!(young.asked("garden/gate").report.verdict.code, Code::U01);
}

/// [`text`] has the reader's clock throughout, and the day where there are two.
#[test]
fn times_are_in_one_zone_and_have_a_date_where_the_day_changes() {
    let asked = Young::new(nothing).asked(TOPIC);
    let shown = |utc_offset_secs| text(&asked.report, &wide(utc_offset_secs));
    let hour = 3600;
    assert!(shown(hour).contains(" 23:13:20.000 UTC+1: "));
    assert!(shown(hour * 5 + hour / 2).contains(" 03:43:20.000 UTC+5:30: "));
    assert!(shown(-hour * 4).contains(" 18:13:20.000 UTC-4: "));
    let mut report = asked.report.clone();
    report.question.to_ms += 3 * 3_600_000;
    let asked = Asked { report };
    let shown = text(&asked.report, &wide(0));
    assert!(shown.contains(" 2023-11-14 22:13:20.000 UTC: "), "{shown}");
    let shown = markdown(&asked.report, Language::English);
    assert!(shown.contains(" 2023-11-14T22:13:20.000Z: "), "{shown}");
}
