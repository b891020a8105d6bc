//! Each verdict from a broker in which its cause really happened, and the control without the cause.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask};
use bed::exchange::{QOS_0, QOS_1, QOS_2, handling, keeping};
use bed::{Bed, ConnectOptions, V5, V311};
use columba_broker::access::Action;
use columba_broker::event::AuthVerdict;
use columba_broker::query::{Answer, Condition, Request};
use columba_codec::packet::RetainHandling;
use columba_codec::{Properties, PropertyId, QoS, Value};
use columba_diagnosis::{Code, Confidence, Fate};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

/// A publisher and a subscriber, apart in time.
fn pair(filter: &str) -> (Bed, usize, usize) {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, filter, QOS_1);
    bed.pass(10);
    (bed, publisher, subscriber)
}

fn whole(bed: &mut Bed) -> Asked {
    ask(bed, TOPIC, Some("esp"), Some("hub"))
}

#[test]
fn d01_the_copy_was_acknowledged() {
    let (mut bed, publisher, subscriber) = pair("home/#");
    bed.publish(publisher, TOPIC, b"{\"t\":1}", QOS_1);
    bed.pass(30);
    bed.finish(subscriber);
    let asked = whole(&mut bed);
    asked.is(Code::D01, Confidence::Certain);
    asked.says("hub acknowledged the message 30 ms after it was sent");
    assert_eq!(asked.also(), []);
    assert_eq!(asked.report.exit_code(), 0);
    for question in [(Some("esp"), None), (None, Some("hub")), (None, None)] {
        ask(&mut bed, TOPIC, question.0, question.1).is(Code::D01, Confidence::Certain);
    }
}

#[test]
fn d01_without_a_topic_the_last_message_is_meant() {
    let (mut bed, publisher, subscriber) = pair("home/#");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(subscriber);
    let asked = asked::ask_all(&mut bed, None, None, Some("hub"));
    asked.is(Code::D01, Confidence::Certain);
    assert_eq!(asked.report.question.topic.as_deref(), Some(TOPIC));
    asked::ask_all(&mut bed, None, None, None).is(Code::U02, Confidence::Certain);
}

#[test]
fn d02_qos_0_was_sent() {
    let (mut bed, publisher, _) = pair("home/#");
    bed.publish(publisher, TOPIC, b"1", QOS_0);
    whole(&mut bed).is(Code::D02, Confidence::Likely);
}

#[test]
fn d03_the_acknowledgement_is_awaited() {
    let (mut bed, publisher, _) = pair("home/#");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let asked = whole(&mut bed);
    asked.is(Code::D03, Confidence::Certain);
    assert_eq!(asked.report.verdict.fate(), Fate::Waiting);
    assert_eq!(asked.report.exit_code(), 12);
}

#[test]
fn d04_the_payload_looks_odd() {
    let (mut bed, publisher, subscriber) = pair("home/#");
    bed.publish(publisher, TOPIC, &[0xce, 0xc2, 0xb6, 0xc8], QOS_1);
    bed.finish(subscriber);
    let asked = whole(&mut bed);
    asked.is(Code::D01, Confidence::Certain);
    assert_eq!(asked.also(), [Code::D04]);
}

#[test]
fn p01_and_p13_the_publisher_never_came() {
    let (mut bed, ..) = pair("home/#");
    let asked = ask(&mut bed, TOPIC, Some("other-device"), Some("hub"));
    asked.is(Code::P01, Confidence::Certain);
    assert_eq!(asked.also(), [Code::P13]);
    assert_eq!(asked.report.exit_code(), 10);
}

#[test]
fn p02_the_connection_was_refused() {
    let mut bed = Bed::new(1);
    bed.authenticate = |_| AuthVerdict::BadCredentials;
    bed.connect_raw(&ConnectOptions::new(V5, "esp").login("u", b"wrong"));
    bed.pass(5);
    bed.connect_raw(&ConnectOptions::new(V5, "esp").login("u", b"wrong"));
    let asked = ask(&mut bed, TOPIC, Some("esp"), None);
    asked.is(Code::P02, Confidence::Certain);
    asked.says("refused 2 times");
}

#[test]
fn p04_the_publisher_was_away() {
    let (mut bed, publisher, _) = pair("home/#");
    bed.disconnect(publisher);
    bed.pass(5_000);
    let from_ms = bed.now().unix_ms;
    bed.pass(5_000);
    let asked = asked::ask_since(&mut bed, TOPIC, Some("esp"), Some("hub"), from_ms);
    asked.is(Code::P04, Confidence::Certain);
    asked.says("its connection had ended 10 s before (the client disconnected)");
}

#[test]
fn p05_no_publish_came() {
    let (mut bed, publisher, _) = pair("home/#");
    bed.publish(publisher, "garden/rain", b"1", QOS_1);
    let asked = whole(&mut bed);
    asked.is(Code::P05, Confidence::Certain);
    asked.says("esp was connected, and sent no PUBLISH to home/kitchen/temp");
    bed.publish(publisher, "home/Kitchen/temp", b"1", QOS_1);
    let asked = whole(&mut bed);
    asked.is(Code::P05, Confidence::Certain);
    asked
        .says("there were some to home/Kitchen/temp: Level 2 differs only in upper and lower case");
    assert_eq!(asked.fix(1), "Subscribe to home/Kitchen/temp");
}

#[test]
fn p06_a_topic_with_a_wildcard() {
    let (mut bed, ..) = pair("home/#");
    ask(&mut bed, "home/+/temp", Some("esp"), Some("hub")).is(Code::P06, Confidence::Certain);
}

#[test]
fn p07_the_publish_is_denied() {
    for version in [V311, V5] {
        let mut bed = Bed::denying(1, &[(Action::Publish, "home/#")]);
        let publisher = bed.connect(version, "esp");
        let subscriber = bed.connect(V5, "hub");
        bed.subscribe(subscriber, "home/#", QOS_1);
        bed.pass(10);
        bed.publish(publisher, TOPIC, b"1", QOS_0);
        let asked = whole(&mut bed);
        asked.is(Code::P07, Confidence::Certain);
        asked.says("rules:1");
        assert_eq!(
            asked.fix(1),
            format!("Check: columba can esp publish {TOPIC}")
        );
    }
}

#[test]
fn p11_the_publish_came_twice() {
    let (mut bed, publisher, subscriber) = pair("home/#");
    let id = bed::exchange::id(7);
    bed.publish_as(publisher, TOPIC, b"1", id);
    bed.publish_as(publisher, TOPIC, b"1", id);
    bed.finish(subscriber);
    let asked = whole(&mut bed);
    asked.is(Code::D01, Confidence::Certain);
    assert_eq!(asked.also(), [Code::P11, Code::P10]);
}

#[test]
fn r01_nobody_subscribed() {
    let (mut bed, publisher, _) = pair("garden/#");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let asked = whole(&mut bed);
    asked.is(Code::R01, Confidence::Certain);
    asked.says("hub had no subscription that matches home/kitchen/temp");
    let asked = ask(&mut bed, TOPIC, Some("esp"), None);
    asked.is(Code::R01, Confidence::Certain);
    asked.says("Nobody subscribed");
}

#[test]
fn r02_a_filter_nearly_matched() {
    let (mut bed, publisher, _) = pair("home/Kitchen/+");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    for subscriber in [Some("hub"), None] {
        let asked = ask(&mut bed, TOPIC, Some("esp"), subscriber);
        asked.is(Code::R02, Confidence::Certain);
        asked.says("Closest: home/Kitchen/+. Level 2 differs only");
        assert_eq!(asked.param("filter"), "home/Kitchen/+");
    }
}

/// A message that is on its way from another shard meets the subscription.
#[test]
fn r03_is_no_more_than_possible_right_after_where_lines_are_left_out() {
    for (late_ms, sure) in [(1_000, Confidence::Possible), (1_001, Confidence::Certain)] {
        let mut bed = Bed::new(1);
        let publisher = bed.connect(V5, "esp");
        let other = bed.connect(V5, "other");
        bed.subscribe(other, "home/#", QOS_1);
        let subscriber = bed.connect(V5, "hub");
        bed.pass(10);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        bed.pass(late_ms);
        bed.subscribe(subscriber, "home/#", QOS_1);
        for (left_out_since, sure) in [(0, Confidence::Certain), (1, sure)] {
            let asked = asked::ask_with(&mut bed, TOPIC, |evidence| {
                evidence.coverage.left_out_since = left_out_since;
            });
            asked.is(Code::R03, sure);
        }
    }
}

#[test]
fn r03_the_subscription_came_later() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(40);
    bed.subscribe(subscriber, "home/#", QOS_1);
    for who in [Some("hub"), None] {
        let asked = ask(&mut bed, TOPIC, Some("esp"), who);
        asked.is(Code::R03, Confidence::Certain);
        asked.says("hub subscribed to home/# 40 ms after the publish");
    }
}

#[test]
fn r04_an_operator_cleared_it_or_there_was_no_room() {
    for is_cleared in [true, false] {
        let mut bed = Bed::with(2, |limits| {
            limits.retained_messages_max = usize::from(is_cleared);
        });
        let publisher = bed.connect(V311, "esp");
        let subscriber = bed.connect(V5, "hub");
        bed.retain(publisher, TOPIC, b"1", QOS_1);
        bed.pass(40);
        if is_cleared {
            let request = Request::ClearRetained {
                topic: TOPIC.into(),
                condition: Condition::None,
                operator: "user ann".into(),
            };
            let answer = bed.request_home(TOPIC, request);
            assert!(matches!(answer, Answer::Done), "{answer:?}");
        }
        bed.pass(40);
        bed.subscribe(subscriber, "home/#", QOS_1);
        let asked = whole(&mut bed);
        asked.is(Code::R04, Confidence::Certain);
        asked.says(if is_cleared {
            "an operator (user ann) had cleared it"
        } else {
            "no room to retain it"
        });
    }
}

#[test]
fn r04_the_retained_message_was_gone_or_not_asked_for() {
    for is_cleared in [true, false] {
        let mut bed = Bed::new(2);
        let publisher = bed.connect(V5, "esp");
        let subscriber = bed.connect(V5, "hub");
        bed.retain(publisher, TOPIC, b"1", QOS_1);
        bed.pass(40);
        let options = if is_cleared {
            let other = bed.connect(V5, "cleaner");
            bed.retain(other, TOPIC, b"", QOS_1);
            handling(QOS_1, RetainHandling::Send)
        } else {
            handling(QOS_1, RetainHandling::DoNotSend)
        };
        bed.pass(40);
        bed.subscribe_with(subscriber, "home/#", options, Properties::EMPTY);
        let asked = whole(&mut bed);
        asked.is(Code::R04, Confidence::Certain);
        asked.says(if is_cleared {
            "cleaner had cleared it"
        } else {
            "Retain Handling 2"
        });
    }
    // The control: it is there and asked for.
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.retain(publisher, TOPIC, b"1", QOS_1);
    bed.pass(40);
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.finish(subscriber);
    whole(&mut bed).is(Code::D01, Confidence::Certain);
}

#[test]
fn r06_no_local() {
    let mut bed = Bed::new(1);
    let client = bed.connect(V5, "hub");
    let options = columba_codec::packet::SubscribeOptions {
        no_local: true,
        ..bed::exchange::options(QOS_1)
    };
    bed.subscribe_with(client, "home/#", options, Properties::EMPTY);
    bed.pass(10);
    bed.publish(client, TOPIC, b"1", QOS_1);
    ask(&mut bed, TOPIC, Some("hub"), Some("hub")).is(Code::R06, Confidence::Certain);
}

#[test]
fn r07_a_leading_wildcard_and_a_dollar() {
    let (mut bed, publisher, _) = pair("#");
    bed.publish(publisher, "$dev/x", b"1", QOS_1);
    let asked = ask(&mut bed, "$dev/x", Some("esp"), Some("hub"));
    asked.is(Code::R07, Confidence::Certain);
    assert_eq!(asked.fix(0), "Subscribe to $dev/#");
}

#[test]
fn s01_offline_with_a_clean_session() {
    let (mut bed, publisher, subscriber) = pair("home/#");
    bed.disconnect(subscriber);
    bed.pass(2_000);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    for who in [Some("hub"), None] {
        let asked = ask(&mut bed, TOPIC, Some("esp"), who);
        asked.is(Code::S01, Confidence::Certain);
        asked.says("its session had ended with its connection 2 s before");
        // Nothing matched: its subscription had gone with it.
        assert_eq!(
            asked.report.stages[2],
            columba_diagnosis::stages::Status::Fail
        );
    }
}

#[test]
fn s02_offline_and_qos_0() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect_keeping(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_0);
    bed.drop_connection(subscriber);
    bed.pass(100);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let asked = whole(&mut bed);
    asked.is(Code::S02, Confidence::Certain);
    asked.says("The message has QoS 1, the subscription 0");
}

#[test]
fn s03_the_session_was_wiped() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect_keeping(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.drop_connection(subscriber);
    bed.pass(100);
    bed.connect(V5, "hub");
    bed.pass(100);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let asked = whole(&mut bed);
    asked.is(Code::S03, Confidence::Certain);
    asked.says("hub had begun a clean session 100 ms before the publish");
}

#[test]
fn s03_the_session_expired() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let options =
        ConnectOptions::new(V5, "hub").property(PropertyId::SessionExpiryInterval, Value::U32(60));
    let subscriber = bed.connect_with(&options);
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.drop_connection(subscriber);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    whole(&mut bed).is(Code::S13, Confidence::Certain);
    bed.advance(61_000);
    whole(&mut bed).is(Code::S03, Confidence::Certain);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let asked = whole(&mut bed);
    asked.is(Code::S03, Confidence::Certain);
    asked.says("had expired 1 s before the publish");
}

#[test]
fn s05_subscribe_was_refused() {
    let mut bed = Bed::denying(1, &[(Action::Subscribe, "home/#")]);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    let options = bed::exchange::options(QOS_1);
    let codes = bed.subscribe_with(subscriber, "home/#", options, Properties::EMPTY);
    assert_eq!(codes, [0x87]);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let asked = whole(&mut bed);
    asked.is(Code::S05, Confidence::Certain);
    asked.says("rules:1");
}

#[test]
fn a_full_queue_that_loses_again_says_its_limit() {
    let mut bed = Bed::with(2, |limits| limits.queue_messages_max = 2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect_keeping(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.drop_connection(subscriber);
    for _ in 0..5 {
        bed.pass(10);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
    }
    let asked = whole(&mut bed);
    asked.is(Code::S07, Confidence::Certain);
    asked.says("its limit of 2 messages");
}

#[test]
fn s07_the_queue_was_full() {
    let mut bed = Bed::with(2, |limits| limits.queue_messages_max = 2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect_keeping(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.drop_connection(subscriber);
    for _ in 0..3 {
        bed.pass(10);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
    }
    let asked = whole(&mut bed);
    asked.is(Code::S07, Confidence::Certain);
    assert_eq!(asked.report.judged.messages, 3);
    assert_eq!(
        (
            asked.report.judged.not_delivered,
            asked.report.judged.waiting
        ),
        (1, 2)
    );
}

#[test]
fn s09_it_expired_while_it_waited() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect_keeping(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.drop_connection(subscriber);
    let expiry = bed::exchange::properties(&[(PropertyId::MessageExpiryInterval, Value::U32(30))]);
    bed.publish_with(publisher, TOPIC, b"1", QOS_1, false, expiry.as_properties());
    bed.advance(95_000);
    bed.resume(V5, "hub");
    whole(&mut bed).is(Code::S09, Confidence::Certain);
}

#[test]
fn s10_larger_than_the_client_takes() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let options =
        ConnectOptions::new(V5, "hub").property(PropertyId::MaximumPacketSize, Value::U32(200));
    let subscriber = bed.connect_with(&options);
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.publish(publisher, TOPIC, &[b'x'; 300], QOS_1);
    whole(&mut bed).is(Code::S10, Confidence::Certain);
}

#[test]
fn s11_it_waits_for_acknowledgements() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let options =
        ConnectOptions::new(V5, "hub").property(PropertyId::ReceiveMaximum, Value::U16(1));
    let subscriber = bed.connect_with(&options);
    bed.subscribe(subscriber, "home/#", QOS_1);
    for _ in 0..2 {
        bed.pass(10);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
    }
    let asked = whole(&mut bed);
    asked.is(Code::S11, Confidence::Certain);
    asked.says("hub has 1 unacknowledged message");
    bed.finish(subscriber);
    whole(&mut bed).is(Code::D01, Confidence::Certain);
}

#[test]
fn s12_it_had_unsubscribed() {
    let (mut bed, publisher, subscriber) = pair("home/#");
    bed.unsubscribe(subscriber, "home/#");
    bed.pass(50);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let asked = whole(&mut bed);
    asked.is(Code::S12, Confidence::Certain);
    asked.says("unsubscribed from home/# 50 ms before");
}

/// Later lines of the copy may be among those that are gone.
#[test]
fn s13_is_no_more_than_possible_where_the_record_is_not_whole_since() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect_with(&keeping(V311, "hub"));
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.drop_connection(subscriber);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let published_ms = bed.now().unix_ms;
    bed.pass(10);
    for (excess_from_ms, sure) in [
        (published_ms, Confidence::Certain),
        (published_ms + 1, Confidence::Possible),
    ] {
        let asked = asked::ask_with(&mut bed, TOPIC, |evidence| {
            evidence.coverage.excess_from_ms = excess_from_ms;
        });
        asked.is(Code::S13, sure);
    }
}

#[test]
fn s13_it_waits_for_the_client() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect_with(&keeping(V311, "hub"));
    bed.subscribe(subscriber, "home/#", QOS_2);
    bed.drop_connection(subscriber);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_2);
    for who in [Some("hub"), None] {
        let asked = ask(&mut bed, TOPIC, Some("esp"), who);
        assert_eq!(asked.report.verdict.code, Code::S13);
        assert_eq!(asked.report.exit_code(), 12);
    }
    let subscriber = bed.resume(V311, "hub");
    bed.finish(subscriber);
    whole(&mut bed).is(Code::D01, Confidence::Certain);
}

#[test]
fn u03_no_such_subscriber() {
    let (mut bed, publisher, _) = pair("home/#");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let asked = ask(&mut bed, TOPIC, Some("esp"), Some("hubb"));
    asked.is(Code::U03, Confidence::Certain);
    asked.says("Did you mean hub?");
    let asked = ask(&mut bed, TOPIC, Some("ESP"), Some("hub"));
    asked.is(Code::U03, Confidence::Certain);
    assert_eq!(asked.fix(0), "Ask about esp");
}

#[test]
fn u01_what_is_not_covered_is_not_judged() {
    let (mut bed, ..) = pair("home/#");
    let asked = asked::ask_with(&mut bed, TOPIC, |evidence| {
        evidence.coverage.from_ms = evidence.question.from_ms + 1;
    });
    asked.is(Code::U01, Confidence::Certain);
    assert_eq!(asked.also(), [Code::P05]);
    assert_eq!(asked.report.exit_code(), 11);
}

#[test]
fn the_last_message_that_failed_counts_and_how_it_goes_now_is_told() {
    let (mut bed, publisher, subscriber) = pair("home/#");
    bed.unsubscribe(subscriber, "home/#");
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(10);
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"2", QOS_1);
    bed.finish(subscriber);
    let asked = whole(&mut bed);
    asked.is(Code::S12, Confidence::Certain);
    assert_eq!(asked.also(), [Code::D01]);
    let judged = asked.report.judged;
    assert_eq!(
        (judged.messages, judged.delivered, judged.not_delivered),
        (2, 1, 1)
    );
    // Asked about the time after, the old cause counts no more.
    let from_ms = bed.now().unix_ms;
    let asked = asked::ask_since(&mut bed, TOPIC, Some("esp"), Some("hub"), from_ms);
    asked.is(Code::D01, Confidence::Certain);
}

#[test]
fn a_cause_on_another_topic_does_not_count() {
    let mut bed = Bed::denying(1, &[(Action::Publish, "garden/#")]);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, "garden/rain", b"1", QOS_1);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(subscriber);
    whole(&mut bed).is(Code::D01, Confidence::Certain);
    ask(&mut bed, "garden/rain", Some("esp"), Some("hub")).is(Code::P07, Confidence::Certain);
}

#[test]
fn of_two_causes_the_earlier_one_on_the_way_counts() {
    let denied = [(Action::Publish, "home/#"), (Action::Subscribe, "home/#")];
    let mut bed = Bed::denying(1, &denied);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    let options = bed::exchange::options(QoS::AtLeastOnce);
    bed.subscribe_with(subscriber, "home/#", options, Properties::EMPTY);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    whole(&mut bed).is(Code::P07, Confidence::Certain);
}

#[test]
fn without_a_subscriber_each_of_them_is_told() {
    let (mut bed, publisher, subscriber) = pair("home/#");
    let slow = bed.connect(V5, "slow");
    bed.subscribe(slow, "home/+/temp", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(subscriber);
    let asked = ask(&mut bed, TOPIC, Some("esp"), None);
    asked.is(Code::D03, Confidence::Likely);
    let each = asked
        .report
        .subscribers
        .iter()
        .map(|of| (&*of.client, of.verdict.code));
    assert_eq!(
        each.collect::<Vec<_>>(),
        [("hub", Code::D01), ("slow", Code::D03)]
    );
}

#[test]
fn p08_the_publish_is_too_large() {
    let mut bed = Bed::with(1, |limits| limits.packet_bytes_max = 1_000);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, &[b'x'; 2_000], QOS_1);
    let asked = whole(&mut bed);
    asked.is(Code::P08, Confidence::Likely);
}

#[test]
fn p06_and_p09_the_publisher_breaks_a_rule_or_a_limit() {
    let (mut bed, publisher, _) = pair("home/#");
    bed.publish(publisher, "$SYS/x", b"1", QOS_1);
    let asked = ask(&mut bed, "$SYS/x", Some("esp"), Some("hub"));
    asked.is(Code::P06, Confidence::Certain);
    let mut bed = Bed::with(1, |limits| limits.receive_maximum = 1);
    let publisher = bed.connect(V5, "esp");
    for number in 1..=2 {
        bed.publish_as(publisher, TOPIC, b"1", bed::exchange::id(number));
    }
    let asked = ask(&mut bed, TOPIC, Some("esp"), None);
    asked.is(Code::P09, Confidence::Certain);
}

#[test]
fn s08_the_socket_was_full() {
    let mut bed = Bed::with(1, |limits| limits.output_bytes_max = 2_000);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.reading[subscriber] = false;
    for _ in 0..5 {
        bed.pass(10);
        bed.publish(publisher, TOPIC, &[b'x'; 1_000], QOS_0);
    }
    let asked = whole(&mut bed);
    asked.is(Code::S08, Confidence::Certain);
    assert!(asked.report.judged.delivered > 0);
}

/// A busy minute, of which the ledger cannot follow all.
fn busy(bed: &mut Bed, publisher: usize, subscriber: usize) {
    for n in 0..3_000 {
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        if n % 20 == 0 {
            bed.finish(subscriber);
            bed.take(publisher);
        }
    }
    bed.finish(subscriber);
}

#[test]
fn what_the_ledger_left_out_is_known_to_be_acknowledged_by_how_the_session_stands() {
    let mut bed = Bed::with(1, |limits| limits.recorder_bytes_max = 1 << 20);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.advance(1_000);
    busy(&mut bed, publisher, subscriber);
    bed.advance(1_000);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(subscriber);
    let asked = whole(&mut bed);
    assert!(asked.report.coverage.left_out > 0);
    asked.is(Code::D01, Confidence::Certain);
    assert_eq!(asked.report.judged.not_delivered, 0);
}

#[test]
fn who_may_have_subscribed_again_in_a_line_that_is_not_there_had_perhaps_unsubscribed() {
    let (mut bed, publisher, subscriber) = pair("home/#");
    // So that the message is not known to have matched nothing.
    let other = bed.connect(V5, "other");
    bed.subscribe(other, "home/#", QOS_0);
    bed.unsubscribe(subscriber, "home/#");
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    whole(&mut bed).is(Code::S12, Confidence::Certain);
    let asked = asked::ask_with(&mut bed, TOPIC, |evidence| {
        let coverage = &mut evidence.coverage;
        (coverage.left_out, coverage.left_out_since) = (41, 41);
        coverage.excess_from_ms = 1;
    });
    asked.is(Code::S12, Confidence::Possible);
}

#[test]
fn what_the_ledger_left_out_is_not_judged_as_lost() {
    let mut bed = Bed::with(1, |limits| limits.recorder_bytes_max = 1 << 20);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.advance(1_000);
    busy(&mut bed, publisher, subscriber);
    bed.advance(1_000);
    // Another topic: no line about it, and messages that were left out.
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(subscriber);
    let asked = ask(&mut bed, "home/kitchen/humidity", Some("esp"), Some("hub"));
    asked.is(Code::U01, Confidence::Certain);
    assert_eq!(asked.also(), [Code::P05]);
}

#[test]
fn a_report_reads_as_text_in_both_languages_and_in_ascii() {
    let (mut bed, publisher, _) = pair("home/Kitchen/+");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let report = whole(&mut bed).report;
    let style = |language, is_ascii| columba_diagnosis::render::Style {
        language,
        is_ascii,
        width: 80,
        utc_offset_secs: 8 * 3600,
    };
    let english = columba_diagnosis::render::text(&report, &style(Language::English, true));
    assert!(english.is_ascii(), "{english}");
    assert!(
        english.starts_with("x Not delivered: No filter matched; one nearly did"),
        "{english}"
    );
    assert!(
        english.contains("06:13:20.010  publish.no_match  esp"),
        "{english}"
    );
    let chinese = columba_diagnosis::render::text(&report, &style(Language::Chinese, false));
    assert!(
        chinese.starts_with("✗ 未送达：没有匹配的过滤器"),
        "{chinese}"
    );
    for line in english.lines().chain(chinese.lines()).take(3) {
        assert!(columba_speech::width::width(line) <= 80, "{line}");
    }
}

#[test]
fn p06_a_publish_to_a_wildcard_ends_the_connection() {
    let (mut bed, publisher, _) = pair("home/#");
    let topic = bed::raw::field(b"home/+/temp");
    bed.send_raw(
        publisher,
        &bed::raw::packet(0x30, &[topic, vec![0]].concat()),
    );
    assert!(bed.is_closed(publisher));
    for topic in ["home/+/temp", TOPIC] {
        ask(&mut bed, topic, Some("esp"), Some("hub")).is(Code::P06, Confidence::Likely);
    }
}

#[test]
fn p04_a_publisher_that_breaks_the_protocol_is_not_read_any_further() {
    let (mut bed, publisher, _) = pair("home/#");
    bed.send_raw(publisher, &bed::raw::packet(0x36, &[]));
    let asked = whole(&mut bed);
    asked.is(Code::P04, Confidence::Likely);
    asked.says("esp broke the protocol");
}
