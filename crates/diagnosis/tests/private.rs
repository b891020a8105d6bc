//! Private topics: their names are nowhere in the record, and nothing is claimed about them.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::ask;
use bed::exchange::QOS_1;
use bed::{Bed, V5};
use columba_broker::event::Command;
use columba_broker::limits::Limits;
use columba_broker::recorder::{Line, TapeName};
use columba_diagnosis::{Code, Confidence, Evidence, Question};

const TOPIC: &str = "patients/4711/pulse";
const FILTER: &str = "patients/+/#";

fn keep_private(bed: &mut Bed, filters: &[&str]) {
    let filters = filters.iter().map(|filter| Box::from(*filter));
    let limits = Limits {
        recorder_private_topics: filters.collect(),
        sys_interval_ms: 0,
        ..Limits::default()
    };
    bed.command(Command::SetLimits(limits.into()));
    bed.pass(10);
}

/// Topics and words of everything that is recorded.
fn texts(bed: &mut Bed) -> Vec<String> {
    texts_of(bed, |_| true)
}

fn texts_of(bed: &mut Bed, is_wanted: impl Fn(TapeName) -> bool) -> Vec<String> {
    let mut texts = Vec::new();
    for recording in bed.recordings() {
        for chunk in recording.chunks.iter().filter(|of| is_wanted(of.tape())) {
            for line in chunk.entries() {
                if let Line::Entry(entry) = line.expect("an entry that can be read") {
                    texts.extend([entry.facts.topic, entry.facts.detail].map(str::to_owned));
                }
            }
        }
    }
    texts
}

#[test]
fn the_record_has_the_filter_in_place_of_the_name() {
    let mut bed = Bed::new(2);
    keep_private(&mut bed, &[FILTER]);
    let publisher = bed.connect(V5, "monitor");
    let member = bed.connect(V5, "ward");
    bed.subscribe(member, "$share/ward/patients/4711/#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"61", QOS_1);
    bed.publish(publisher, "patients/4712/pulse", b"62", QOS_1);
    bed.publish(publisher, "home/kitchen", b"21", QOS_1);
    bed.pass(10);
    bed.finish(member);

    let texts = texts(&mut bed);
    let named: Vec<_> = texts.iter().filter(|text| text.contains("471")).collect();
    assert!(named.is_empty(), "{named:?}");
    assert!(texts.iter().any(|text| text == FILTER));
    assert!(texts.iter().any(|text| text == "home/kitchen"));
}

#[test]
fn nothing_is_claimed_about_a_private_topic() {
    let mut bed = Bed::new(1);
    keep_private(&mut bed, &[FILTER]);
    let publisher = bed.connect(V5, "monitor");
    bed.publish(publisher, TOPIC, b"61", QOS_1);
    bed.publish(publisher, "home/kitchen", b"21", QOS_1);
    bed.pass(10);
    let asked = ask(&mut bed, TOPIC, Some("monitor"), None);
    asked.is(Code::U01, Confidence::Certain);
    // Others are told as ever.
    ask(&mut bed, "home/kitchen", Some("monitor"), None).is(Code::R01, Confidence::Certain);
    ask(&mut bed, "patients", Some("monitor"), None).is(Code::P05, Confidence::Certain);

    // What was kept out stays so, and what is not private any more is known.
    keep_private(&mut bed, &[]);
    ask(&mut bed, TOPIC, Some("monitor"), None).is(Code::U01, Confidence::Certain);
    bed.publish(publisher, "patients/4712/pulse", b"62", QOS_1);
    bed.pass(10);
    let texts = texts(&mut bed);
    assert!(texts.iter().any(|text| text == "patients/4712/pulse"));
}

/// What becomes of a message may be recorded after the window, and after the setting has changed.
#[test]
fn what_became_of_a_copy_later_on_may_be_about_the_topic() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "monitor");
    let member = bed.connect_keeping(V5, "ward");
    bed.subscribe(member, TOPIC, QOS_1);
    bed.disconnect(member);
    bed.pass(10);
    let from_ms = bed.now().unix_ms;
    bed.publish(publisher, TOPIC, b"61", QOS_1);
    let to_ms = bed.now().unix_ms;
    let question = Question {
        topic: Some(TOPIC.to_owned()),
        from_ms,
        to_ms,
        ..Question::default()
    };
    let private = |bed: &mut Bed, question: &Question| {
        let now = bed.now();
        let recordings = bed.recordings();
        Evidence::from_recordings(question.clone(), Vec::new(), now, &recordings).private
    };
    bed.pass(10);
    keep_private(&mut bed, &[FILTER]);
    assert_eq!(private(&mut bed, &question), None);
    let member = bed.resume(V5, "ward");
    bed.finish(member);
    bed.pass(10);
    assert_eq!(private(&mut bed, &question).as_deref(), Some(FILTER));
    let later = Question {
        from_ms: bed.now().unix_ms + 1,
        to_ms: bed.now().unix_ms + 2,
        ..question
    };
    assert_eq!(private(&mut bed, &later), None);
}

/// A fault that comes again is counted, and written later, under another setting.
#[test]
fn what_was_counted_before_is_written_without_the_name() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "monitor");
    for _ in 0..3 {
        bed.publish(publisher, TOPIC, b"61", QOS_1);
    }
    keep_private(&mut bed, &[FILTER]);
    let texts = texts_of(&mut bed, |tape| tape == TapeName::Events);
    let named = texts.iter().filter(|text| *text == TOPIC).count();
    let covered = texts.iter().filter(|text| *text == FILTER).count();
    assert_eq!((named, covered), (1, 1), "{texts:?}");
}
