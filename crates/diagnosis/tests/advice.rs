//! What is advised helps against what happened.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask};
use bed::exchange::{QOS_1, handling, properties};
use bed::{Bed, ConnectOptions, V5, V311};
use columba_broker::query::{Condition, Request};
use columba_codec::packet::RetainHandling;
use columba_codec::{Properties, PropertyId, Value};
use columba_diagnosis::Code;
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

fn fixes(asked: &Asked) -> Vec<String> {
    let fixes = asked.report.fixes.iter();
    fixes.map(|fix| fix.to_string(Language::English)).collect()
}

/// The side that is wrong is to be changed, and what does not show is shown.
#[test]
fn of_a_filter_that_nearly_matches_the_side_that_is_wrong_is_to_be_changed() {
    for (filter, topic, wanted) in [
        ("n12/{id}/x", "n12/7/x", &["Subscribe to n12/7/x"][..]),
        ("n12/7/x", "n12/{id}/x", &["Publish to n12/7/x"]),
        ("n5/＃", "n5/a", &["Subscribe to n5/a"]),
        ("n9.a", "n9/a", &["Subscribe to n9/a"]),
        ("n9/a", "n9.a", &["Publish to n9/a"]),
        (
            "n4/temp",
            "n4/temp ",
            &["Publish to [n4/temp], exactly what is between the brackets"],
        ),
        (
            "n4/temp ",
            "n4/temp",
            &["Subscribe to [n4/temp], exactly what is between the brackets"],
        ),
        (
            "caf\u{e9}/x",
            "cafe\u{301}/x",
            &["Publish to [caf\u{e9}<U+00E9>/x], exactly what is between the brackets"],
        ),
        // Either may be meant, and each shows how it is written.
        (
            "n4\u{200B}/a",
            "n4/a ",
            &[
                "Publish to [n4<U+200B>/a], exactly what is between the brackets",
                "Subscribe to [n4/a ], exactly what is between the brackets",
            ],
        ),
        (
            "n7/+",
            "n7/a/b",
            &["Subscribe to n7/+/+", "Subscribe to n7/#"],
        ),
        ("+", "n7/a", &["Subscribe to +/+", "Subscribe to #"]),
        ("$share/n16/a", "n16/a", &["Subscribe to $share/n16/n16/a"]),
        ("n3/#/a", "n3/b/a", &["Subscribe to n3/b/a"]),
        (
            "n1/Temp",
            "n1/temp",
            &["Publish to n1/Temp", "Subscribe to n1/temp"],
        ),
    ] {
        let mut bed = Bed::new(1);
        let publisher = bed.connect(V5, "esp");
        let subscriber = bed.connect(V5, "hub");
        bed.pass(10);
        bed.publish(publisher, topic, b"1", QOS_1);
        bed.pass(10);
        let _ = subscriber;
        let mut evidence = asked::evidence(&mut bed, Some(topic), None, None, 0);
        evidence.filters = vec![filter.to_owned()];
        let asked = Asked {
            report: columba_diagnosis::diagnose(&evidence),
        };
        assert_eq!(asked.report.verdict.code, Code::R02, "{filter} {topic}");
        let fixes = fixes(&asked);
        let of_page = "Write the topic in one place of your code and use it on both sides";
        assert_eq!(fixes[..fixes.len() - 1], *wanted, "{filter} {topic}");
        assert_eq!(fixes.last().unwrap(), of_page);
    }
}

/// What was published by mistake is not advised to be subscribed to.
#[test]
fn of_a_topic_that_is_nearly_the_one_the_publisher_is_to_be_changed() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    bed.publish(publisher, "home/kitchen/temp ", b"1", QOS_1);
    let asked = ask(&mut bed, TOPIC, None, None);
    assert_eq!(asked.report.verdict.code, Code::P05);
    let fixes = fixes(&asked);
    assert!(fixes[0].starts_with("Publish to [home/kitchen/temp]"));
    assert!(!fixes.iter().any(|fix| fix.starts_with("Subscribe")));
}

#[test]
fn of_a_retained_message_that_was_gone_the_advice_is_against_what_took_it_away() {
    enum Way {
        Expired,
        Operator,
        Client,
        NotAsked,
    }
    for (way, wanted) in [
        (Way::Expired, "Publish it with a longer Message Expiry"),
        (Way::Operator, "Publish the value again with RETAIN"),
        (Way::Client, "See why cleaner publishes an empty message"),
        (Way::NotAsked, "Subscribe with Retain Handling 0"),
    ] {
        let mut bed = Bed::new(2);
        let publisher = bed.connect(V5, "esp");
        let subscriber = bed.connect(V5, "hub");
        let secs = if matches!(way, Way::Expired) { 30 } else { 300 };
        let expiry = properties(&[(PropertyId::MessageExpiryInterval, Value::U32(secs))]);
        bed.publish_with(publisher, TOPIC, b"1", QOS_1, true, expiry.as_properties());
        bed.pass(40);
        let mut options = handling(QOS_1, RetainHandling::Send);
        match way {
            Way::Expired => bed.advance(31_000),
            Way::Operator => {
                let request = Request::ClearRetained {
                    topic: TOPIC.into(),
                    condition: Condition::None,
                    operator: "".into(),
                };
                bed.request_home(TOPIC, request);
            }
            Way::Client => {
                let cleaner = bed.connect(V5, "cleaner");
                bed.retain(cleaner, TOPIC, b"", QOS_1);
            }
            Way::NotAsked => options = handling(QOS_1, RetainHandling::DoNotSend),
        }
        bed.pass(40);
        bed.subscribe_with(subscriber, "home/#", options, Properties::EMPTY);
        let asked = ask(&mut bed, TOPIC, Some("esp"), Some("hub"));
        assert_eq!(asked.report.verdict.code, Code::R04);
        let fixes = fixes(&asked);
        assert_eq!(fixes.len(), 1, "{fixes:?}");
        assert!(fixes[0].starts_with(wanted), "{fixes:?}");
    }
}

/// A session that is kept would help against neither.
#[test]
fn of_a_client_that_was_offline_the_advice_begins_with_why_it_was() {
    for is_silent in [true, false] {
        let mut bed = Bed::new(2);
        let publisher = bed.connect(V5, "esp");
        let hub = bed.connect_with(&ConnectOptions::new(V311, "hub").keep_alive(10));
        bed.subscribe(hub, "home/#", QOS_1);
        if is_silent {
            bed.advance(16_000);
        } else {
            let request = Request::Disconnect {
                client_id: "hub".into(),
                end_session: false,
                operator: "".into(),
            };
            bed.request_home("hub", request);
        }
        bed.pass(1_000);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        let wanted = if is_silent {
            "See that the program of hub goes on to run its client library"
        } else {
            "Ask whoever operates the broker why hub was disconnected"
        };
        let with_message = ask(&mut bed, TOPIC, None, Some("hub"));
        let without = asked::ask_all(&mut bed, None, None, Some("hub"));
        let unnamed = ask(&mut bed, TOPIC, None, None);
        for asked in [with_message, without, unnamed] {
            assert_eq!(asked.report.verdict.code, Code::S01);
            assert!(asked.fix(0).starts_with(wanted), "{}", asked.fix(0));
        }
    }
}

#[test]
fn a_topic_of_the_broker_is_no_matter_of_wildcards() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    bed.publish(publisher, "$SYS/x", b"1", QOS_1);
    let asked = ask(&mut bed, "$SYS/x", Some("esp"), None);
    assert_eq!(asked.report.verdict.code, Code::P06);
    let fixes = fixes(&asked);
    assert!(
        fixes.len() == 1 && fixes[0].contains("does not begin with $SYS"),
        "{fixes:?}"
    );
}
