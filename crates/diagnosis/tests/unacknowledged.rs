//! Verdicts about a message that went to its client, which never said that it has it.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask, ask_since};
use bed::exchange::{QOS_1, QOS_2, id, with_reason};
use bed::{Bed, V5, V311};
use columba_broker::outcome::Outcome;
use columba_codec::{Packet, PacketId, ReasonCode};
use columba_diagnosis::stages::Status::{Pass, Unknown, Wait};
use columba_diagnosis::{Code, Confidence, Fate};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

fn whole(bed: &mut Bed) -> Asked {
    ask(bed, TOPIC, Some("esp"), Some("hub"))
}

/// The application has it: whoever reads that it did not arrive looks in the wrong place.
#[test]
fn d07_what_was_sent_is_not_called_lost_when_its_session_ends() {
    for version in [V311, V5] {
        let mut bed = Bed::new(2);
        let publisher = bed.connect(V5, "esp");
        let subscriber = bed.connect(version, "hub");
        bed.subscribe(subscriber, "home/#", QOS_1);
        bed.pass(10);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        assert_eq!(bed.arrivals(subscriber).len(), 1);
        bed.pass(10);
        bed.disconnect(subscriber);
        let asked = whole(&mut bed);
        asked.is(Code::D07, Confidence::Certain);
        assert_eq!(asked.report.verdict.fate(), Fate::Unknown);
        assert_eq!(asked.report.exit_code(), 11);
        asked.says("hub did not acknowledge it: it may have it");
        let stages = [Pass, Pass, Pass, Pass, Pass, Unknown];
        assert_eq!(asked.report.stages, stages);
    }
}

/// Asked about alone, the client has lost nothing for sure.
#[test]
fn d07_is_not_among_the_losses_of_a_client() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.disconnect(subscriber);
    let asked = asked::ask_all(&mut bed, None, None, Some("hub"));
    assert_eq!(asked.report.losses, []);
}

/// Of a message that was not followed, the end of its session says whether it had been sent.
#[test]
fn d07_is_said_of_what_was_not_followed() {
    for is_read in [true, false] {
        let mut bed = Bed::new(1);
        let publisher = bed.connect(V5, "esp");
        let subscriber = bed.connect_keeping(V5, "hub");
        bed.subscribe(subscriber, "home/#", QOS_1);
        if !is_read {
            bed.drop_connection(subscriber);
        }
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        bed.pass(10);
        let mut evidence = asked::evidence(&mut bed, Some(TOPIC), None, Some("hub"), 0);
        bed.connect(V5, "hub");
        let now = asked::evidence(&mut bed, Some(TOPIC), None, Some("hub"), 0);
        let is_loss = |event: &&columba_diagnosis::Event| {
            event.outcome.name().starts_with("deliver.session_ended")
                && event.tape == columba_broker::recorder::TapeName::Events
        };
        evidence.events = now.events.iter().filter(is_loss).cloned().collect();
        evidence.question.to_ms = now.question.to_ms;
        let report = columba_diagnosis::diagnose(&evidence);
        let code = if is_read { Code::D07 } else { Code::S03 };
        Asked { report }.is(code, Confidence::Certain);
    }
}

/// It waits to be sent again, and may be there all the same.
#[test]
fn s13_says_that_it_was_sent_before() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect_keeping(V311, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(10);
    bed.drop_connection(subscriber);
    bed.pass(10);
    let asked = whole(&mut bed);
    asked.is(Code::S13, Confidence::Certain);
    asked.says("sent to it at");
    let stages = [Pass, Pass, Pass, Wait, Pass, Unknown];
    assert_eq!(asked.report.stages, stages);
    // As the session alone shows it.
    let from_ms = bed.now().unix_ms + 1;
    bed.pass(10);
    let mut evidence = asked::evidence(&mut bed, Some(TOPIC), None, Some("hub"), from_ms);
    evidence.events.retain(|event| event.message == 0);
    evidence.topic_rows.clear();
    let report = columba_diagnosis::diagnose(&evidence);
    let asked = Asked { report };
    asked.is(Code::S13, Confidence::Certain);
    asked.says("it may have it");
    assert_eq!(asked.report.stages, stages);
    // When it never went out, nothing is said of that.
    bed.publish(publisher, "home/hall/temp", b"2", QOS_1);
    let asked = ask_since(&mut bed, "home/hall/temp", None, Some("hub"), from_ms);
    asked.is(Code::S13, Confidence::Certain);
    asked.says("the message waits in its session");
    assert_eq!(
        asked.report.stages[4],
        columba_diagnosis::stages::Status::Skip
    );
}

/// Another member gets what this one had and did not acknowledge.
#[test]
fn d07_a_member_of_a_group_that_read_it_and_left_may_have_it() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "$share/g/home/#", QOS_1);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(10);
    let other = bed.connect(V5, "other");
    bed.subscribe(other, "$share/g/home/#", QOS_1);
    bed.disconnect(subscriber);
    bed.pass(10);
    bed.finish(other);
    let asked = whole(&mut bed);
    asked.is(Code::D07, Confidence::Certain);
    asked.says("$share/g/home/# gave the message to other");
    // Nobody lost it: the other member has it.
    let asked = ask(&mut bed, TOPIC, None, None);
    asked.is(Code::D01, Confidence::Certain);
    assert_eq!(asked.report.judged.messages, 1);
}

/// What a client gets that came back is not followed: the copy may be settled when its session ends.
#[test]
fn s03_is_no_more_than_possible_if_the_client_came_back_before_its_session_ended() {
    for (was_sent, comes_back, sure) in [
        (false, false, Confidence::Likely),
        (false, true, Confidence::Possible),
        (true, false, Confidence::Likely),
        (true, true, Confidence::Possible),
    ] {
        let mut bed = Bed::new(1);
        let publisher = bed.connect(V5, "esp");
        let mut subscriber = bed.connect_keeping(V5, "hub");
        bed.subscribe(subscriber, "home/#", QOS_1);
        if !was_sent {
            bed.drop_connection(subscriber);
        }
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        let published_ms = bed.now().unix_ms;
        bed.pass(10);
        if was_sent {
            bed.drop_connection(subscriber);
            bed.pass(10);
        }
        if comes_back {
            subscriber = bed.resume(V5, "hub");
            bed.pass(10);
            bed.drop_connection(subscriber);
            bed.pass(10);
        }
        bed.connect(V5, "hub");
        bed.pass(10);
        let asked = asked::ask_with(&mut bed, TOPIC, |evidence| {
            // What came back from the disk has neither of these lines.
            evidence.events.retain(|event| match event.outcome {
                Outcome::DeliverInFlight => event.unix_ms == published_ms,
                outcome => outcome != Outcome::DeliverSessionEnded,
            });
        });
        asked.is(if was_sent { Code::D07 } else { Code::S03 }, sure);
    }
}

/// PUBREC is an acknowledgement: the client has it, whatever becomes of the rest.
#[test]
fn d03_does_not_deny_a_pubrec_that_came() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect_keeping(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_2);
    bed.publish(publisher, TOPIC, b"1", QOS_2);
    bed.finish(publisher);
    let arrived = bed.arrivals(subscriber);
    let asked = whole(&mut bed);
    asked.is(Code::D03, Confidence::Certain);
    asked.says("no acknowledgement has come");
    let asked = ask(&mut bed, TOPIC, None, None);
    asked.is(Code::D03, Confidence::Likely);
    asked.says("the exchange is not finished");
    let packet_id = arrived[0].packet_id.and_then(PacketId::new);
    bed.pubrec(subscriber, packet_id.expect("QoS 2 has one"));
    let asked = whole(&mut bed);
    asked.is(Code::D03, Confidence::Certain);
    asked.says("PUBREC came. PUBCOMP, which ends the exchange, has not");
    bed.drop_connection(subscriber);
    bed.pass(10);
    let asked = whole(&mut bed);
    asked.is(Code::S13, Confidence::Certain);
    asked.says("PUBREC came");
}

/// Who refuses a message has it, also if another subscription asks for it once more.
#[test]
fn what_its_client_refused_does_not_wait_with_a_second_copy() {
    for reason in [ReasonCode::UnspecifiedError, ReasonCode::Success] {
        let mut bed = Bed::new(1);
        let publisher = bed.connect(V5, "esp");
        let subscriber = bed.connect(V5, "hub");
        bed.subscribe(subscriber, "home/#", QOS_1);
        bed.pass(10);
        bed.retain(publisher, TOPIC, b"1", QOS_1);
        let packet_id = id(bed.arrivals(subscriber)[0].packet_id.unwrap());
        bed.send(subscriber, &Packet::PubAck(with_reason(packet_id, reason)));
        bed.pass(10);
        bed.subscribe(subscriber, "home/kitchen/+", QOS_1);
        assert_eq!(bed.arrivals(subscriber).len(), 1);
        let asked = whole(&mut bed);
        asked.is(Code::D01, Confidence::Certain);
        let text = asked.report.verdict.text.to_string(Language::English);
        assert_eq!(text.contains("refused"), reason != ReasonCode::Success);
    }
}
