//! A message from before the window counts if it was delivered, or waited, in the window.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask, ask_since, evidence};
use bed::exchange::{QOS_0, QOS_1, keeping, options};
use bed::{Bed, V5};
use columba_broker::outcome::Outcome;
use columba_broker::recorder::TapeName;
use columba_codec::packet::SubscribeOptions;
use columba_codec::{Properties, PropertyId, Value};
use columba_diagnosis::render::markdown;
use columba_diagnosis::{Beginning, Code, Confidence, diagnose};
use columba_speech::{Language, Param};

const TOPIC: &str = "home/kitchen/temp";

/// Asks about the last seconds.
fn ask_last(bed: &mut Bed, secs: u64, publisher: Option<&str>, subscriber: Option<&str>) -> Asked {
    let from_ms = bed.now().unix_ms - secs * 1000;
    ask_since(bed, TOPIC, publisher, subscriber, from_ms)
}

/// Asks about some seconds that ended so many seconds ago.
fn ask_until(bed: &mut Bed, (secs, ago_secs): (u64, u64), subscriber: Option<&str>) -> Asked {
    let to_ms = bed.now().unix_ms - ago_secs * 1000;
    let mut evidence = evidence(bed, Some(TOPIC), None, subscriber, to_ms - secs * 1000);
    evidence.question.to_ms = to_ms;
    let report = diagnose(&evidence);
    Asked { report }
}

#[test]
fn a_retained_message_of_long_ago_that_was_delivered_in_the_window_was_delivered() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    bed.retain(publisher, TOPIC, b"1", QOS_1);
    bed.finish(publisher);
    bed.advance(600_000);
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, TOPIC, QOS_1);
    bed.pass(10);
    bed.finish(subscriber);
    bed.advance(1_000);
    for publisher in [None, Some("esp")] {
        for subscriber in [None, Some("hub")] {
            ask_last(&mut bed, 3, publisher, subscriber).is(Code::D01, Confidence::Certain);
        }
    }
}

/// A session that waits, and a message for it.
fn waiting() -> Bed {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect_with(&keeping(V5, "hub"));
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.drop_connection(subscriber);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(publisher);
    bed.advance(60_000);
    bed
}

#[test]
fn a_message_of_long_ago_that_waits_still_is_waiting() {
    let mut bed = waiting();
    ask_last(&mut bed, 3, None, None).is(Code::S13, Confidence::Possible);
    ask_last(&mut bed, 3, None, Some("hub")).is(Code::S13, Confidence::Certain);
    // Once it was taken, it arrived.
    let subscriber = bed.connect_with(&keeping(V5, "hub").clean(false));
    bed.finish(subscriber);
    bed.advance(1_000);
    for subscriber in [None, Some("hub")] {
        ask_last(&mut bed, 3, None, subscriber).is(Code::D01, Confidence::Certain);
    }
    // It was on its way during a window in which nothing happened to it.
    for subscriber in [None, Some("hub")] {
        let asked = ask_until(&mut bed, (5, 20), subscriber);
        assert_ne!(asked.report.exit_code(), 10);
    }
}

#[test]
fn a_message_that_had_come_to_its_end_before_the_window_is_no_answer_about_it() {
    let mut bed = waiting();
    let subscriber = bed.connect_with(&keeping(V5, "hub"));
    bed.advance(60_000);
    for subscriber in [None, Some("hub")] {
        let asked = ask_last(&mut bed, 3, None, subscriber);
        asked.is(Code::U04, Confidence::Certain);
        asked.says("The last one came 120 s ago");
        assert_eq!(asked.fix(0), "Ask with --since 3m");
    }
    bed.disconnect(subscriber);
}

#[test]
fn what_was_published_before_the_window_alone_is_not_told_to_be_missing() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(publisher);
    bed.finish(subscriber);
    bed.advance(60_000);
    bed.disconnect(publisher);
    bed.advance(60_000);
    for publisher in [None, Some("esp")] {
        for subscriber in [None, Some("hub")] {
            let asked = ask_last(&mut bed, 3, publisher, subscriber);
            asked.is(Code::U04, Confidence::Certain);
            assert!(!asked.also().contains(&Code::P05), "{:?}", asked.also());
        }
    }
    let asked = ask_last(&mut bed, 3, Some("esp"), Some("hub"));
    assert_eq!(asked.also(), [Code::P04]);
    // Of another topic nothing was ever heard.
    let from_ms = bed.now().unix_ms - 3_000;
    let asked = ask_since(&mut bed, "garden/gate", None, Some("hub"), from_ms);
    asked.is(Code::P05, Confidence::Certain);
}

/// The table of topics knows the last time where the ledger does not go back so far.
#[test]
fn a_message_that_only_the_table_of_topics_knows_is_known() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    bed.publish(publisher, TOPIC, b"1", QOS_0);
    bed.advance(60_000);
    for (publisher, secs, code) in [
        (None, 3, Code::U04),
        (Some("esp"), 3, Code::U04),
        (None, 90, Code::U01),
        (Some("esp"), 90, Code::U01),
    ] {
        let from_ms = bed.now().unix_ms - secs * 1000;
        let mut evidence = evidence(&mut bed, Some(TOPIC), publisher, None, from_ms);
        evidence
            .events
            .retain(|event| !event.outcome.name().starts_with("publish."));
        let asked = Asked {
            report: diagnose(&evidence),
        };
        asked.is(code, Confidence::Certain);
        assert!(!asked.also().contains(&Code::P05), "{:?}", asked.also());
    }
}

/// What waits in the session is there, whatever the record says.
#[test]
fn a_message_that_the_session_holds_waits_even_if_the_record_does_not_know_it() {
    let mut bed = waiting();
    for (publisher, secs, sure) in [
        (None, 50, Confidence::Certain),
        // Before the record begins there may have been another one.
        (None, 90, Confidence::Likely),
        (Some("esp"), 50, Confidence::Possible),
    ] {
        let from_ms = bed.now().unix_ms - secs * 1000;
        let mut evidence = evidence(&mut bed, Some(TOPIC), publisher, Some("hub"), from_ms);
        evidence.events.retain(|event| event.topic != TOPIC);
        evidence.topic_rows.clear();
        let asked = Asked {
            report: diagnose(&evidence),
        };
        asked.is(Code::S13, sure);
    }
}

/// A copy whose message is older than the record.
#[test]
fn a_copy_in_the_window_counts_without_the_line_of_its_message() {
    let mut bed = waiting();
    let subscriber = bed.connect_with(&keeping(V5, "hub").clean(false));
    bed.finish(subscriber);
    bed.advance(1_000);
    for (publisher, sure) in [
        (None, Confidence::Certain),
        (Some("esp"), Confidence::Possible),
    ] {
        for subscriber in [None, Some("hub")] {
            let from_ms = bed.now().unix_ms - 3_000;
            let mut evidence = evidence(&mut bed, Some(TOPIC), publisher, subscriber, from_ms);
            evidence
                .events
                .retain(|event| !event.outcome.name().starts_with("publish."));
            let asked = Asked {
                report: diagnose(&evidence),
            };
            asked.is(Code::D01, sure);
        }
    }
}

/// Each process numbers its messages anew.
#[test]
fn a_number_of_an_earlier_process_is_another_message() {
    let mut bed = waiting();
    let now_ms = bed.now().unix_ms;
    let mut evidence = evidence(&mut bed, Some(TOPIC), None, Some("hub"), now_ms - 90_000);
    // As if an earlier process had given the same number to a message that was acknowledged.
    let start_ms = evidence.events[0].unix_ms;
    let older: Vec<_> = evidence
        .events
        .iter()
        .filter(|event| event.message != 0 || event.outcome == Outcome::BrokerStarted)
        .cloned()
        .map(|mut event| {
            event.unix_ms = start_ms - 500_000;
            event.first_unix_ms = event.unix_ms;
            if event.outcome == Outcome::DeliverOffline {
                event.outcome = Outcome::DeliverAcked;
            }
            event
        })
        .collect();
    evidence.events.splice(0..0, older);
    let asked = Asked {
        report: diagnose(&evidence),
    };
    asked.is(Code::S13, Confidence::Certain);
    // Nor is it the one that is asked about.
    ask(&mut bed, TOPIC, None, Some("hub")).is(Code::S13, Confidence::Certain);
}

/// A Will that waits now says nothing of a time at which its client was there.
#[test]
fn a_will_that_waits_since_after_the_window_is_not_what_was_missed_in_it() {
    let mut bed = Bed::new(1);
    let delay = (PropertyId::WillDelayInterval, Value::U32(600));
    let connect = keeping(V5, "esp").will(TOPIC, b"gone", QOS_1, false);
    let publisher = bed.connect_with(&connect.will_property(delay.0, delay.1));
    bed.advance(20_000);
    bed.drop_connection(publisher);
    bed.advance(10_000);
    let waits = "has a Will for home/kitchen/temp, which is not due yet";
    let said = |bed: &mut Bed, (secs, ago_secs): (u64, u64), excess_from_ms| {
        let to_ms = bed.now().unix_ms - ago_secs * 1000;
        let mut evidence = evidence(bed, Some(TOPIC), Some("esp"), None, to_ms - secs * 1000);
        evidence.question.to_ms = to_ms;
        evidence.coverage.excess_from_ms = excess_from_ms;
        let report = diagnose(&evidence);
        let mut all = std::iter::once(&report.verdict).chain(&report.also);
        let found = all.find(|found| found.text.to_string(Language::English).contains(waits));
        found.map(|found| found.confidence)
    };
    assert_eq!(said(&mut bed, (5, 0), 0), Some(Confidence::Certain));
    assert_eq!(said(&mut bed, (5, 15), 0), None);
    // One that was refused in the window may be among what is lost.
    let now_ms = bed.now().unix_ms;
    assert_eq!(said(&mut bed, (5, 0), now_ms), Some(Confidence::Possible));
}

/// A client that has used up what it has of the common history did more, and that may all be lost.
#[test]
fn of_a_client_whose_excess_is_lost_nothing_is_certain() {
    for (connects, sure) in [(1, Confidence::Certain), (40, Confidence::Possible)] {
        let mut bed = Bed::new(1);
        let mut client = bed.connect_with(&keeping(V5, "hub"));
        let no_local = SubscribeOptions {
            no_local: true,
            ..options(QOS_1)
        };
        bed.subscribe_with(client, TOPIC, no_local, Properties::EMPTY);
        for _ in 0..connects {
            bed.drop_connection(client);
            client = bed.connect_with(&keeping(V5, "hub").clean(false));
        }
        bed.advance(60_000);
        bed.publish(client, TOPIC, b"1", QOS_1);
        bed.pass(10);
        let from_ms = bed.now().unix_ms - 1_000;
        let mut evidence = evidence(&mut bed, Some(TOPIC), Some("hub"), Some("hub"), from_ms);
        // Whether it was a copy of its own is to be told by how it stood.
        evidence.events.retain(|event| {
            event.tape != TapeName::Excess && event.outcome != Outcome::DeliverNoLocal
        });
        evidence.coverage.excess_from_ms = from_ms;
        evidence.coverage.beginning = Beginning::Overwritten;
        let verdict = diagnose(&evidence).verdict;
        assert_eq!(
            (verdict.code, verdict.confidence),
            (Code::R06, sure),
            "{connects}"
        );
    }
}

/// "Never seen here, as far as the record goes back": what goes back less far is told.
#[test]
fn a_record_that_has_lost_what_was_in_excess_does_not_say_that_nothing_is_missing() {
    let mut bed = Bed::new(1);
    bed.connect(V5, "hub");
    bed.advance(60_000);
    let now_ms = bed.now().unix_ms;
    let mut evidence = evidence(&mut bed, None, None, Some("esp"), now_ms - 1_000);
    let excess_from_ms = now_ms - 20_000;
    evidence.coverage.excess_from_ms = excess_from_ms;
    let report = diagnose(&evidence);
    assert_eq!(report.verdict.code, Code::U03);
    let shown = markdown(&report, Language::English);
    let told = format!(
        "Of clients that came and went again and again it goes back to {} only.",
        Param::Moment(excess_from_ms).to_string(Language::English)
    );
    assert!(shown.contains(&told), "{shown}");
    assert!(!shown.contains("nothing is missing"), "{shown}");
    evidence.coverage.excess_from_ms = 0;
    let shown = markdown(&diagnose(&evidence), Language::English);
    assert!(shown.contains("nothing is missing"), "{shown}");
}
