//! A question that names a client and no topic: what it lost, what keeps messages from it, what it is
//! subscribed to.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask_all, evidence};
use bed::exchange::{QOS_0, QOS_1, keeping, options};
use bed::{Bed, ConnectOptions, V5, V311};
use columba_broker::access::Action;
use columba_broker::event::AuthVerdict;
use columba_broker::outcome::Outcome;
use columba_broker::query::{Condition, PublishRequest, Request};
use columba_codec::{Properties, PropertiesBuf};
use columba_diagnosis::losses::Loss;
use columba_diagnosis::render::{Style, json, markdown, text};
use columba_diagnosis::{Code, Confidence, diagnose};
use columba_speech::Language;
use serde_json::Value;

fn for_hub(bed: &mut Bed) -> Asked {
    ask_all(bed, None, None, Some("hub"))
}

fn of_esp(bed: &mut Bed) -> Asked {
    ask_all(bed, None, Some("esp"), None)
}

#[test]
fn the_topic_is_that_of_the_worst_loss() {
    let denied = [
        (Action::Receive, "home/loud"),
        (Action::Receive, "home/quiet"),
    ];
    let mut bed = Bed::denying(2, &denied);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    for topic in ["home/loud", "home/loud", "home/quiet", "home/fine"] {
        bed.pass(10);
        bed.publish(publisher, topic, b"1", QOS_1);
    }
    let asked = for_hub(&mut bed);
    asked.is(Code::S06, Confidence::Certain);
    assert_eq!(asked.report.question.topic.as_deref(), Some("home/loud"));
    let lost: Vec<_> = asked.report.losses.iter().map(shown).collect();
    assert_eq!(lost, ["home/loud S06 2", "home/quiet S06 1"]);
    assert_eq!(asked.report.subscriptions, ["home/#"]);
    let rendered = text(&asked.report, &Style::default());
    assert!(rendered.contains("home/quiet: 1 message,"), "{rendered}");
    assert!(rendered.contains("Subs   home/#"), "{rendered}");
    let json = json(&asked.report, Language::English);
    assert_eq!(json["losses"][1]["topic"], "home/quiet");
    assert_eq!(json["subscriptions"][0], "home/#");
    // With a topic, that one is told alone.
    let asked = ask_all(&mut bed, Some("home/quiet"), None, Some("hub"));
    assert_eq!(
        (asked.report.losses.len(), asked.report.subscriptions.len()),
        (0, 0)
    );
}

fn shown(loss: &Loss) -> String {
    format!("{} {} {}", loss.topic, loss.code.name(), loss.times)
}

/// What it publishes itself is not what it misses.
#[test]
fn what_the_subscriber_published_is_no_answer() {
    let mut bed = Bed::new(1);
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/+/temp", QOS_1);
    bed.pass(10);
    bed.publish(subscriber, "hub/state", b"1", QOS_1);
    let asked = for_hub(&mut bed);
    asked.is(Code::P05, Confidence::Certain);
    asked.says("hub is subscribed to, as far as is recorded: home/+/temp");
    assert_eq!(asked.report.subscriptions, ["home/+/temp"]);
}

/// However many other topics there are before it in the alphabet and in the record.
#[test]
fn a_topic_that_nearly_matches_is_named_behind_a_flood_of_others() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/kitchen/temp", QOS_1);
    bed.pass(10);
    for number in 0..6_000 {
        bed.publish(publisher, &format!("a/{number}/x"), b"1", QOS_0);
        bed.pass(10);
    }
    bed.publish(publisher, "home/Kitchen/temp", b"1", QOS_0);
    let asked = for_hub(&mut bed);
    asked.is(Code::R02, Confidence::Possible);
    asked.says("Closest: home/kitchen/temp. Level 2 differs only in upper and lower case");
}

/// What was not compared may have been near, or what it is subscribed to.
#[test]
fn an_answer_says_of_how_many_messages_the_topics_were_not_compared() {
    let mut bed = Bed::new(1);
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/kitchen/temp", QOS_1);
    bed.pass(10);
    let mut evidence = evidence(&mut bed, None, None, Some("hub"), 1_700_000_000_000);
    let report = diagnose(&evidence);
    assert_eq!(report.verdict.code, Code::P05);
    assert_eq!(report.verdict.confidence, Confidence::Certain);
    evidence.coverage.uncompared = 7;
    let report = diagnose(&evidence);
    let found = (report.verdict.code, report.verdict.confidence);
    assert_eq!(found, (Code::P05, Confidence::Possible));
    let said = report.verdict.text.to_string(Language::English);
    assert!(
        said.contains("7 messages were published to topics that were too many"),
        "{said}"
    );
    assert_eq!(
        json(&report, Language::English)["coverage"]["uncompared"],
        7
    );
}

#[test]
fn a_topic_that_nearly_matches_is_named() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/kitchen/+", QOS_1);
    bed.pass(10);
    bed.publish(publisher, "home/Kitchen/temp", b"1", QOS_1);
    let asked = for_hub(&mut bed);
    asked.is(Code::R02, Confidence::Possible);
    asked.says("Closest: home/kitchen/+. Level 2 differs only in upper and lower case");
    assert_eq!(asked.fix(0), "Publish to home/kitchen/temp");
    assert_eq!(asked.fix(1), "Subscribe to home/Kitchen/temp");
}

#[test]
fn takeovers_go_before_what_was_delivered() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let mut subscriber = 0;
    for _ in 0..4 {
        subscriber = bed.connect_with(&keeping(V5, "hub").clean(false));
        bed.pass(500);
    }
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, "home/temp", b"1", QOS_1);
    bed.finish(subscriber);
    let asked = for_hub(&mut bed);
    asked.is(Code::S04, Confidence::Certain);
    assert_eq!(asked.report.question.topic, None);
}

#[test]
fn a_subscription_that_was_refused_is_told() {
    let mut bed = Bed::denying(1, &[(Action::Subscribe, "secret/#")]);
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe_with(subscriber, "secret/#", options(QOS_1), Properties::EMPTY);
    bed.pass(10);
    let asked = for_hub(&mut bed);
    asked.is(Code::S05, Confidence::Certain);
    asked.says("hub asked for secret/#");
    assert_eq!(asked.also(), [Code::R01]);
    // In a new session it has not asked for it.
    bed.connect(V5, "hub");
    for_hub(&mut bed).is(Code::R01, Confidence::Certain);
}

#[test]
fn a_client_without_subscriptions_is_told_so() {
    let mut bed = Bed::new(1);
    let subscriber = bed.connect(V5, "hub");
    let asked = for_hub(&mut bed);
    asked.is(Code::R01, Confidence::Certain);
    asked.says("hub is connected and subscribed to nothing");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.unsubscribe(subscriber, "home/#");
    bed.pass(1_000);
    let asked = for_hub(&mut bed);
    asked.is(Code::S12, Confidence::Certain);
    asked.says("its last subscription, home/#, was ended 1 s ago");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.connect(V5, "hub");
    let asked = for_hub(&mut bed);
    asked.is(Code::S03, Confidence::Certain);
    asked.says("it has not subscribed again");
}

#[test]
fn a_client_that_is_gone_is_told_so() {
    let mut bed = Bed::new(1);
    let subscriber = bed.connect(V311, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.drop_connection(subscriber);
    bed.pass(60_000);
    let asked = for_hub(&mut bed);
    asked.is(Code::S01, Confidence::Certain);
    asked.says("hub has been offline for 60 s");
    // Who is kept out is told why.
    bed.authenticate = |_| AuthVerdict::BadCredentials;
    bed.connect_raw(&ConnectOptions::new(V311, "hub").login("u", b"wrong"));
    let asked = for_hub(&mut bed);
    asked.is(Code::S15, Confidence::Certain);
    asked.says("hub was refused 1 time");
    assert_eq!(asked.also(), [Code::S01]);
}

#[test]
fn a_client_that_never_came_is_told_so() {
    let mut bed = Bed::new(1);
    bed.connect(V5, "hub");
    let asked = ask_all(&mut bed, None, None, Some("hbu"));
    asked.is(Code::U03, Confidence::Certain);
    asked.says("Did you mean hub?");
    ask_all(&mut bed, None, Some("other-device"), None).is(Code::P01, Confidence::Certain);
}

#[test]
fn a_publisher_that_published_nothing_is_told_so() {
    let mut bed = Bed::denying(1, &[(Action::Publish, "home/temp")]);
    let publisher = bed.connect(V5, "esp");
    let asked = of_esp(&mut bed);
    asked.is(Code::P05, Confidence::Certain);
    asked.says("esp published nothing");
    bed.publish(publisher, "home/temp", b"1", QOS_0);
    let asked = of_esp(&mut bed);
    asked.is(Code::P07, Confidence::Certain);
    let lost: Vec<_> = asked.report.losses.iter().map(shown).collect();
    assert_eq!(lost, ["home/temp P07 1"]);
}

/// What the management API publishes has no client, and those who never became one are not it.
#[test]
fn strangers_are_no_evidence_about_what_the_api_published() {
    let mut bed = Bed::new(1);
    let stranger = bed.open(V5);
    bed.send_raw(stranger, b"\xC0\0");
    let hub = bed.connect(V5, "hub");
    bed.subscribe(hub, "home/#", QOS_1);
    bed.pass(10);
    let request = PublishRequest {
        topic: "home/a".into(),
        payload: b"1".to_vec(),
        qos: QOS_1,
        retain: false,
        expiry_secs: None,
        properties: PropertiesBuf::new(),
        condition: Condition::None,
    };
    bed.request_home("home/a", Request::Publish(Box::new(request)));
    bed.finish(hub);
    let asked = ask_all(&mut bed, Some("home/a"), None, Some("hub"));
    asked.is(Code::D01, Confidence::Certain);
    let strange = asked.report.timeline.iter();
    let strange = strange.filter(|event| event.outcome == Outcome::ConnectMalformed);
    assert_eq!(strange.count(), 0, "{:?}", asked.report.timeline);
}

#[test]
fn programs_read_what_a_client_said_when_it_connected_by_its_names() {
    let mut bed = Bed::new(1);
    let options = ConnectOptions {
        keep_alive_secs: 60,
        ..ConnectOptions::new(V5, "hub")
    };
    bed.connect_with(&options);
    let asked = for_hub(&mut bed);
    let json = json(&asked.report, Language::English);
    let events = json["timeline"].as_array().expect("events");
    let accepted = events
        .iter()
        .find(|event| event["kind"] == "connect.accepted");
    let accepted = accepted.expect("the connection");
    assert_eq!(accepted["keep_alive_secs"], 60, "{accepted}");
    assert!(accepted["packet_bytes_max"].is_u64(), "{accepted}");
    assert_eq!(
        (&accepted["bytes"], &accepted["count"]),
        (&Value::Null, &Value::Null)
    );
}

/// Without a message nobody knows how far one would come.
#[test]
fn the_way_of_no_message_is_not_known() {
    let mut bed = Bed::new(1);
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.disconnect(subscriber);
    let asked = for_hub(&mut bed);
    asked.is(Code::S01, Confidence::Certain);
    let shown = text(&asked.report, &Style::default());
    assert!(shown.contains("publisher ? cannot tell"), "{shown}");
    let stages = &json(&asked.report, Language::English)["stages"];
    let told: Vec<_> = (0..6).map(|at| stages[at]["status"].clone()).collect();
    assert_eq!(
        told,
        ["unknown", "unknown", "unknown", "fail", "skip", "skip"]
    );
    assert!(!markdown(&asked.report, Language::English).contains("✓"));
}

/// Somebody who looks at everything got it; who was to get it has a filter that does not match.
#[test]
fn a_filter_that_nearly_matches_is_told_beside_a_delivery() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let logger = bed.connect(V5, "logger");
    bed.subscribe(logger, "#", QOS_0);
    let hub = bed.connect(V5, "homeassistant");
    bed.subscribe(hub, "home/kitchen/+", QOS_0);
    bed.pass(10);
    bed.publish(publisher, "home/Kitchen/temp", b"1", QOS_1);
    bed.finish(logger);
    let asked = ask_all(&mut bed, Some("home/Kitchen/temp"), None, None);
    assert_eq!(asked.also(), [Code::R02]);
    let said = asked.report.also[0].text.to_string(Language::English);
    let told =
        "homeassistant is subscribed to home/kitchen/+, which nearly matches home/Kitchen/temp";
    assert!(said.starts_with(told), "{said}");
    assert_eq!(asked.report.also[0].confidence, Confidence::Possible);
    // A level more is another topic.
    bed.publish(publisher, "home/kitchen/temp/raw", b"1", QOS_1);
    let asked = ask_all(&mut bed, Some("home/kitchen/temp/raw"), None, None);
    assert_eq!(asked.also(), []);
}

/// When it came is not in the record; that it left shows that it was there.
#[test]
fn a_publisher_that_left_in_the_window_was_connected_in_it() {
    for is_within in [true, false] {
        let mut bed = Bed::new(1);
        let publisher = bed.connect(V5, "esp");
        bed.disconnect(publisher);
        bed.pass(10_000);
        let publisher = bed.connect(V5, "esp");
        bed.pass(1_000);
        bed.disconnect(publisher);
        let left_ms = bed.now().unix_ms;
        bed.pass(1_000);
        let from_ms = if is_within {
            left_ms - 500
        } else {
            left_ms + 500
        };
        let mut evidence = evidence(&mut bed, None, Some("esp"), None, from_ms);
        let events = &mut evidence.events;
        let last = events
            .iter()
            .rposition(|event| event.outcome == Outcome::ConnectAccepted);
        events.remove(last.unwrap());
        let code = diagnose(&evidence).verdict.code;
        assert_eq!(code == Code::P04, !is_within, "{code:?}");
    }
}

/// Who asks about clients of its own is told of no topic that has nothing to do with them.
#[test]
fn the_topics_that_have_to_do_with_a_client_are_those_of_its_filters_or_nearly_so() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/kitchen/+", QOS_0);
    for topic in ["garden/pump", "home/kitchen/temp", "home/Kitchen/light"] {
        bed.publish(publisher, topic, b"1", QOS_0);
    }
    let mut related = |topic, topics_max| {
        let evidence = evidence(&mut bed, topic, None, Some("hub"), 0);
        evidence.related_topics(topics_max)
    };
    let all = ["home/kitchen/temp", "home/Kitchen/light"];
    let mut of_client = related(None, 10);
    assert_eq!(of_client.len(), all.len(), "{of_client:?}");
    of_client.retain(|topic| !all.contains(&&**topic));
    assert_eq!(of_client, [""; 0]);
    assert_eq!(related(None, 1).len(), 1);
    assert_eq!(
        related(Some("home/kitchen/tmep"), 10),
        ["home/kitchen/temp"]
    );
}
