//! A hole in the record, as a broker that was killed leaves one: a client may have come and gone in it, and
//! what is said of it is no surer than that.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::Asked;
use bed::exchange::{QOS_1, options};
use bed::{Bed, V5};
use columba_broker::access::Action;
use columba_broker::event::Command;
use columba_broker::query::{Answer, Request};
use columba_broker::recorder::Recording;
use columba_codec::Properties;
use columba_diagnosis::{Code, Confidence, Evidence, Presence, Question, diagnose};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

/// What a broker had noted, a second of which nothing is known, and what the next process has noted.
struct Killed {
    bed: Bed,
    recordings: Vec<Recording>,
}

/// `is_known`: the same two processes without a hole between them.
fn killed(
    mut bed: Bed,
    is_known: bool,
    before: impl FnOnce(&mut Bed),
    after: impl FnOnce(&mut Bed),
) -> Killed {
    before(&mut bed);
    bed.pass(10);
    let last_ms = bed.now().unix_ms;
    let mut recordings = bed.recordings();
    bed.pass(1_000);
    bed.kill(1);
    let start_ms = bed.now().unix_ms;
    after(&mut bed);
    bed.pass(1_000);
    for (all, next) in recordings.iter_mut().zip(bed.recordings()) {
        all.chunks.extend(next.chunks);
        all.holes.extend((!is_known).then_some((last_ms, start_ms)));
    }
    Killed { bed, recordings }
}

impl Killed {
    /// Asks about the last so many milliseconds.
    fn ask(
        &mut self,
        (publisher, subscriber): (Option<&str>, Option<&str>),
        last_ms: u64,
    ) -> Asked {
        let now = self.bed.now();
        let question = Question {
            topic: None,
            publisher: publisher.map(ToOwned::to_owned),
            subscriber: subscriber.map(ToOwned::to_owned),
            from_ms: now.unix_ms - last_ms,
            to_ms: now.unix_ms,
        };
        let mut evidence = Evidence::from_recordings(question, Vec::new(), now, &self.recordings);
        evidence.publisher = self.presence(publisher);
        evidence.subscriber = self.presence(subscriber);
        Asked {
            report: diagnose(&evidence),
        }
    }

    fn presence(&mut self, client: Option<&str>) -> Presence {
        let Some(client) = client else {
            return Presence::Unknown;
        };
        let request = Request::Session {
            client_id: client.into(),
        };
        match self.bed.request_home(client, request) {
            Answer::Session(Some(detail)) => Presence::Session(detail),
            _ => Presence::Absent,
        }
    }
}

/// It subscribes, and leaves.
fn come_and_go(bed: &mut Bed) {
    let client = bed.connect(V5, "hub");
    bed.subscribe(client, TOPIC, QOS_1);
    bed.pass(10);
    bed.disconnect(client);
}

/// The subscriber may have been there in the hole, and have got everything.
#[test]
fn since_when_a_client_is_gone_is_not_claimed_over_a_hole() {
    let mut of = killed(Bed::durable(1), false, come_and_go, |_| {});
    // The hole may be in the window, or before it.
    for last_ms in [60_000, 500] {
        let asked = of.ask((None, Some("hub")), last_ms);
        asked.is(Code::S01, Confidence::Possible);
        asked.says("hub is offline now, and it has no session");
        asked.says("between 2023-11-14T22:13:20.020Z and 2023-11-14T22:13:21.025Z");
    }
    let mut of = killed(Bed::durable(1), true, come_and_go, |_| {});
    let asked = of.ask((None, Some("hub")), 60_000);
    asked.is(Code::S01, Confidence::Certain);
    asked.says("hub has been offline for 2.0 s");
}

#[test]
fn a_publisher_that_may_have_come_in_a_hole_is_not_said_to_be_away_for_certain() {
    for (is_known, sure) in [(false, Confidence::Possible), (true, Confidence::Certain)] {
        let mut of = killed(Bed::durable(1), is_known, come_and_go, |_| {});
        let asked = of.ask((Some("hub"), None), 500);
        asked.is(Code::P04, sure);
    }
}

/// The record of which "never" is said goes further back than the window, and so do its holes. What is said of a
/// window with a hole begins behind it.
#[test]
fn a_client_that_may_have_come_in_a_hole_is_not_said_never_to_have_been_here() {
    let (subscriber, publisher) = ((None, Some("boiler")), (Some("boiler"), None));
    for (is_known, sure) in [(false, Confidence::Possible), (true, Confidence::Certain)] {
        let mut of = killed(Bed::durable(1), is_known, come_and_go, |_| {});
        for (question, code) in [(subscriber, Code::U03), (publisher, Code::P01)] {
            let asked = of.ask(question, 500);
            asked.is(code, sure);
            if !is_known {
                asked.says("Between 2023-11-14T22:13:20.020Z and 2023-11-14T22:13:21.025Z");
            }
        }
        // Nor where somebody of nearly the same name was.
        for question in [(None, Some("hubb")), (Some("hubb"), None)] {
            let asked = of.ask(question, 500);
            asked.is(Code::U03, sure);
            asked.says("id you mean hub?");
            let names = [
                "Between",
                "2023-11-14T22:13:20.020Z",
                "2023-11-14T22:13:21.025Z",
            ];
            let text = asked.report.verdict.text.to_string(Language::English);
            assert_eq!(
                names.map(|part| text.contains(part)),
                [!is_known; 3],
                "{text}"
            );
        }
    }
}

/// That it has no subscription is certain; what it lost the last one by is not.
#[test]
fn why_a_client_has_no_subscription_is_not_claimed_over_a_hole() {
    let connect = |bed: &mut Bed| {
        bed.connect(V5, "hub");
    };
    let mut of = killed(Bed::durable(1), false, come_and_go, connect);
    let asked = of.ask((None, Some("hub")), 60_000);
    asked.is(Code::R01, Confidence::Certain);
    let mut of = killed(Bed::durable(1), true, come_and_go, connect);
    let asked = of.ask((None, Some("hub")), 60_000);
    asked.is(Code::S03, Confidence::Certain);
    asked.says("ended 2.0 s ago");
}

/// It had subscribed anew, and that went with the broker.
#[test]
fn the_end_of_an_older_subscription_is_no_reason() {
    let before = |bed: &mut Bed| {
        let client = bed.connect(V5, "hub");
        bed.subscribe(client, "old/topic", QOS_1);
        bed.unsubscribe(client, "old/topic");
        bed.subscribe(client, TOPIC, QOS_1);
    };
    let mut of = killed(Bed::durable(1), true, before, |bed| {
        bed.connect(V5, "hub");
    });
    let asked = of.ask((None, Some("hub")), 60_000);
    asked.is(Code::R01, Confidence::Certain);
}

/// The access rules may have let it subscribe in the hole; the session that was refused may be over.
#[test]
fn a_refused_subscription_is_not_certain_over_a_hole() {
    let refused = |bed: &mut Bed| {
        let client = bed.connect_keeping(V5, "hub");
        bed.subscribe(client, "fine/topic", QOS_1);
        bed.subscribe_with(client, TOPIC, options(QOS_1), Properties::EMPTY);
    };
    for (is_known, sure) in [(false, Confidence::Possible), (true, Confidence::Certain)] {
        let bed = Bed::denying(1, &[(Action::Subscribe, TOPIC)]).with_store();
        let mut of = killed(bed, is_known, refused, |_| {});
        let asked = of.ask((None, Some("hub")), 60_000);
        asked.is(Code::S05, sure);
    }
}

/// Its connection ended with the process; nobody noted that.
#[test]
fn a_client_that_has_not_come_back_after_a_restart_is_told_that_its_connection_ended_with_the_broker()
 {
    let here = |bed: &mut Bed| {
        let client = bed.connect(V5, "hub");
        bed.subscribe(client, TOPIC, QOS_1);
    };
    let mut of = killed(Bed::durable(1), true, here, |_| {});
    let asked = of.ask((None, Some("hub")), 60_000);
    asked.is(Code::S01, Confidence::Certain);
    asked.says("The connection of hub ended with the broker, which was started again at");
    let stopped = |bed: &mut Bed| {
        here(bed);
        bed.command(Command::PublishWills);
    };
    let mut of = killed(Bed::durable(1), true, stopped, |_| {});
    let asked = of.ask((None, Some("hub")), 60_000);
    asked.is(Code::S01, Confidence::Certain);
    asked.says("ended when the broker was stopped at 2023-11-14T22:13:20.0");
    // It may have left, or got all, in what is missing.
    let mut of = killed(Bed::durable(1), false, here, |_| {});
    let asked = of.ask((None, Some("hub")), 60_000);
    asked.is(Code::S01, Confidence::Possible);
    // It came back.
    let mut of = killed(Bed::durable(1), true, here, here);
    let asked = of.ask((None, Some("hub")), 60_000);
    assert_ne!(asked.report.verdict.code, Code::S01);
}
