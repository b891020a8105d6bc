//! A restart of the broker in the window is told: when it ended, how, and when it was back.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::Asked;
use bed::exchange::QOS_1;
use bed::{Bed, V5};
use columba_broker::event::Command;
use columba_broker::recorder::Recording;
use columba_broker::recovery::StartNotes;
use columba_diagnosis::render::{Style, json, text};
use columba_diagnosis::{Code, Confidence, Evidence, Presence, Question, diagnose};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

/// A broker that ended and came back five milliseconds later, with all that both processes recorded.
fn restarted(ends: impl FnOnce(&mut Bed)) -> (Bed, Vec<Recording>) {
    let mut bed = Bed::durable(2);
    let subscriber = bed.connect_keeping(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    ends(&mut bed);
    let mut all = bed.recordings();
    bed.kill(2);
    bed.pass(1_000);
    let publisher = bed.connect(V5, "esp");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    for (before, after) in all.iter_mut().zip(bed.recordings()) {
        before.chunks.extend(after.chunks);
    }
    (bed, all)
}

fn ask(bed: &Bed, recordings: &[Recording], secs: u64) -> Asked {
    let now = bed.now();
    let question = Question {
        topic: Some(TOPIC.to_owned()),
        from_ms: now.unix_ms - secs * 1_000,
        to_ms: now.unix_ms,
        ..Question::default()
    };
    let evidence = Evidence::from_recordings(question, Vec::new(), now, recordings);
    Asked {
        report: diagnose(&evidence),
    }
}

fn shown(asked: &Asked) -> String {
    let style = Style {
        width: 1000,
        ..Style::default()
    };
    text(&asked.report, &style)
}

#[test]
fn a_broker_that_was_stopped_is_told_with_both_times() {
    let (bed, recordings) = restarted(|bed| bed.command(Command::PublishWills));
    let asked = ask(&bed, &recordings, 60);
    let shown = shown(&asked);
    let told = "The broker was stopped at 22:13:20.010 UTC and started again at 22:13:20.015 UTC.";
    assert!(shown.contains(told), "{shown}");
    let kinds = asked.report.timeline.iter();
    let kinds: Vec<_> = kinds.map(|event| event.outcome.name()).collect();
    let at = |kind| kinds.iter().position(|of| *of == kind);
    assert!(at("broker.stopping") < at("broker.started"), "{kinds:?}");
    assert!(at("broker.stopping").is_some(), "{kinds:?}");
    let restarts = &json(&asked.report, Language::English)["coverage"]["restarts"];
    assert_eq!(restarts[0]["clean"], true);
    assert_eq!(restarts[0]["stopped"], "2023-11-14T22:13:20.010Z");
}

/// What is written to files ends before the shards do.
#[test]
fn a_broker_whose_record_ends_whole_was_stopped_after_its_last_line() {
    let (bed, recordings) = restarted(|_| {});
    let asked = ask(&bed, &recordings, 60);
    let shown = shown(&asked);
    let told = "was stopped after 22:13:20.000 UTC and started again at 22:13:20.015 UTC.";
    assert!(shown.contains(told), "{shown}");
    let restarts = &json(&asked.report, Language::English)["coverage"]["restarts"];
    assert_eq!(restarts.as_array().map(Vec::len), Some(1));
    assert_eq!(restarts[0]["clean"], true);
}

/// Whatever is asked: the last line may be about somebody else.
#[test]
fn when_a_broker_was_stopped_does_not_depend_on_the_question() {
    let (bed, recordings) = restarted(|bed| {
        let other = bed.connect(V5, "other");
        bed.publish(other, "garden/gate", b"1", QOS_1);
        bed.pass(3);
    });
    let now = bed.now();
    for (topic, client) in [
        (TOPIC, None),
        ("garden/gate", None),
        (TOPIC, Some("other")),
        (TOPIC, Some("hub")),
    ] {
        let question = Question {
            topic: Some(topic.to_owned()),
            subscriber: client.map(ToOwned::to_owned),
            from_ms: now.unix_ms - 60_000,
            to_ms: now.unix_ms,
            ..Question::default()
        };
        let evidence = Evidence::from_recordings(question, Vec::new(), now, &recordings);
        let stopped: Vec<u64> = evidence.restarts.iter().map(|of| of.stopped_ms).collect();
        assert_eq!(stopped, [1_700_000_000_010], "{topic} {client:?}");
    }
}

/// What the killed process had not written is a hole in the record.
#[test]
fn a_broker_that_was_killed_is_told_with_the_time_of_its_last_line() {
    let (bed, mut recordings) = restarted(|_| {});
    let start_ms = 1_700_000_000_000;
    recordings[0].holes.push((start_ms + 7, start_ms + 15));
    let asked = ask(&bed, &recordings, 60);
    let shown = shown(&asked);
    let told = "killed or crashed after 22:13:20.007 UTC, and started again at 22:13:20.015 UTC.";
    assert!(shown.contains(told), "{shown}");
    // What is shown from before it says that the record begins earlier.
    let gap = "with a gap from 22:13:20.007 UTC to 22:13:20.015 UTC";
    assert!(shown.contains(gap), "{shown}");
    assert!(!shown.contains("begins"), "{shown}");
    let restarts = &json(&asked.report, Language::English)["coverage"]["restarts"];
    assert_eq!(restarts[0]["clean"], false);
}

/// What was found in the store at the start stands where the restart is told, and what is damaged in any
/// case: what is asked for may have been in it.
#[test]
fn what_a_start_found_in_the_store_is_told() {
    let recovered = "recovered 2 sessions, 6 queued, 0 retained in 0.003 s; 1 place is damaged, what it \
                     held is lost: see the log";
    let place = "00000001.log is damaged at offset 120 (32 bytes): the record at position 3";
    let (bed, recordings) = restarted(|bed| {
        bed.store.notes = StartNotes {
            recovered: recovered.to_owned(),
            damage: vec![place.to_owned()],
        };
    });
    let asked = ask(&bed, &recordings, 60);
    let told = format!("The start at 22:13:20.015 UTC found damage: {place}.");
    let shown_whole = shown(&asked);
    assert!(
        shown_whole.contains(&format!("It {recovered}.")),
        "{shown_whole}"
    );
    assert!(shown_whole.contains(&told), "{shown_whole}");
    let coverage = &json(&asked.report, Language::English)["coverage"];
    assert_eq!(coverage["restarts"][0]["recovered"], recovered);
    assert_eq!(coverage["damaged"][0]["what"], place);
    let chinese = Style {
        language: Language::Chinese,
        width: 1000,
        ..Style::default()
    };
    let chinese = text(&asked.report, &chinese);
    for told in [
        "启动时，0.003 秒内恢复 2 个会话",
        "启动时发现损坏：00000001.log 在偏移量 120 处",
    ] {
        assert!(chinese.contains(told), "{chinese}");
    }
    // The start is before the window.
    let later = shown(&ask(&bed, &recordings, 0));
    assert!(
        later.contains(&told) && !later.contains("recovered 2"),
        "{later}"
    );
}

/// How many sessions the broker has is nobody's business who may ask about its own clients alone.
#[test]
fn who_may_not_read_everything_learns_that_there_is_damage_and_no_more() {
    let (bed, recordings) = restarted(|bed| {
        bed.store.notes = StartNotes {
            recovered: "recovered 2 sessions".to_owned(),
            damage: vec!["a place".to_owned(), "another place".to_owned()],
        };
    });
    let now = bed.now();
    let question = Question {
        topic: Some(TOPIC.to_owned()),
        from_ms: now.unix_ms - 60_000,
        to_ms: now.unix_ms,
        ..Question::default()
    };
    let mut evidence = Evidence::from_recordings(question, Vec::new(), now, &recordings);
    evidence.conceal(&["esp"], true);
    let report = diagnose(&evidence);
    let shown = shown(&Asked { report });
    assert!(
        shown.contains("found the store of the broker damaged."),
        "{shown}"
    );
    assert!(
        !shown.contains("recovered") && !shown.contains("place"),
        "{shown}"
    );
}

/// Before the window, or never: the first start is no restart.
#[test]
fn a_restart_outside_the_window_is_not_told() {
    let (bed, recordings) = restarted(|bed| bed.command(Command::PublishWills));
    assert_eq!(ask(&bed, &recordings, 0).report.restarts, []);
    let mut bed = Bed::new(1);
    bed.pass(10);
    let recordings = bed.recordings();
    assert_eq!(ask(&bed, &recordings, 60).report.restarts, []);
}

/// Cause 18: who is looked for may stand in what the killed process had not written.
#[test]
fn u03_is_not_certain_where_lines_of_a_killed_broker_are_missing() {
    let start_ms = 1_700_000_000_000;
    for (is_killed, sure) in [(true, Confidence::Possible), (false, Confidence::Certain)] {
        let (bed, mut recordings) = restarted(|_| {});
        if is_killed {
            recordings[0].holes.push((start_ms + 7, start_ms + 15));
        }
        let question = Question {
            subscriber: Some("ghost".to_owned()),
            from_ms: start_ms,
            to_ms: bed.now().unix_ms,
            ..Question::default()
        };
        let mut evidence = Evidence::from_recordings(question, Vec::new(), bed.now(), &recordings);
        evidence.subscriber = Presence::Absent;
        let report = diagnose(&evidence);
        Asked { report }.is(Code::U03, sure);
    }
}

/// One that recorded nothing ran in between: when the one before ended is not known, nor that it was killed.
#[test]
fn of_a_process_without_a_recorder_no_restart_is_told() {
    let (bed, mut recordings) = restarted(|bed| bed.command(Command::PublishWills));
    let off = (1_700_000_000_012, 1_700_000_000_014);
    recordings[0].holes.push(off);
    recordings[0].off.push(off);
    let asked = ask(&bed, &recordings, 60);
    let shown = shown(&asked);
    assert!(asked.report.restarts.is_empty(), "{shown}");
    assert!(shown.contains("until then the recorder was off"), "{shown}");
}
