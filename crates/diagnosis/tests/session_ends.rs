//! What ended the session in which a message waited.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use std::sync::Arc;

use asked::{Asked, ask};
use bed::exchange::QOS_1;
use bed::{Bed, ConnectOptions, V5, V311};
use columba_broker::ban::{Ban, BanList, Banned};
use columba_broker::event::Command;
use columba_broker::outcome::Outcome;
use columba_broker::query::{Answer, Condition, Request};
use columba_codec::{PropertyId, Value};
use columba_diagnosis::{Code, Confidence, diagnose, render};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

/// Offline, with a message in its session.
fn away() -> Bed {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let expiry = (PropertyId::SessionExpiryInterval, Value::U32(60));
    let options = ConnectOptions::new(V5, "hub").property(expiry.0, expiry.1);
    let subscriber = bed.connect_with(&options);
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.drop_connection(subscriber);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(10);
    bed
}

fn fixes(asked: &Asked) -> Vec<String> {
    let fixes = asked.report.fixes.iter();
    fixes.map(|fix| fix.to_string(Language::English)).collect()
}

/// Each has its own sentence, and advice that helps against it alone.
#[test]
fn s03_tells_what_ended_the_session_that_a_message_waited_in() {
    let mut expired = away();
    expired.advance(61_000);
    let mut wiped = away();
    wiped.connect(V5, "hub");
    for (bed, says, advice) in [
        (
            &mut expired,
            "it expired before hub came back",
            "Raise the Session Expiry Interval of hub",
        ),
        (
            &mut wiped,
            "hub connected with a clean start",
            "Connect hub with clean start off",
        ),
    ] {
        let asked = ask(bed, TOPIC, Some("esp"), Some("hub"));
        asked.is(Code::S03, Confidence::Certain);
        asked.says(says);
        let fixes = fixes(&asked);
        assert!(
            fixes.len() == 1 && fixes[0].starts_with(advice),
            "{fixes:?}"
        );
        // Not followed, it is told by the event alone.
        let mut evidence = asked::evidence(bed, Some(TOPIC), None, Some("hub"), 0);
        evidence.events.retain(|event| {
            event.message == 0 || event.tape != columba_broker::recorder::TapeName::Ledger
        });
        evidence
            .events
            .retain(|event| event.outcome != Outcome::PublishAccepted);
        let asked = Asked {
            report: diagnose(&evidence),
        };
        asked.is(Code::S03, Confidence::Certain);
        asked.says(says);
    }
}

/// Asks about a message before (`with_message`) or after what an operator did.
fn after(request: Request, with_message: bool) -> Asked {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let expiry = (PropertyId::SessionExpiryInterval, Value::U32(60));
    let options = ConnectOptions::new(V5, "hub").property(expiry.0, expiry.1);
    let subscriber = bed.connect_with(&options);
    bed.subscribe(subscriber, "home/#", QOS_1);
    let is_retained = matches!(request, Request::ClearRetained { .. });
    if is_retained {
        bed.retain(publisher, "home/lamp", b"on", QOS_1);
    }
    if matches!(request, Request::Disconnect { .. }) {
        bed.drop_connection(subscriber);
    }
    if with_message {
        bed.publish(publisher, TOPIC, b"1", QOS_1);
    }
    bed.pass(10);
    let home = if is_retained { "home/lamp" } else { "hub" };
    let answer = bed.request_home(home, request);
    assert!(matches!(answer, Answer::Done), "{answer:?}");
    bed.pass(10);
    if !with_message && !is_retained {
        bed.publish(publisher, TOPIC, b"1", QOS_1);
    }
    bed.pass(10);
    if is_retained {
        let late = bed.connect(V5, "late");
        bed.subscribe(late, "home/lamp", QOS_1);
        return ask(&mut bed, "home/lamp", None, Some("late"));
    }
    ask(&mut bed, TOPIC, Some("esp"), Some("hub"))
}

/// The operator is named as the management API knows them, in both languages, and in the timeline.
#[test]
fn who_ended_a_session_or_a_subscription_or_cleared_what_was_retained_is_named() {
    let end = |operator: &str| Request::Disconnect {
        client_id: "hub".into(),
        end_session: true,
        operator: operator.into(),
    };
    let unsubscribe = Request::Unsubscribe {
        client_id: "hub".into(),
        filter: "home/#".into(),
        operator: "socket, uid 0".into(),
    };
    let clear = Request::ClearRetained {
        topic: "home/lamp".into(),
        condition: Condition::None,
        operator: "user ann".into(),
    };
    for (request, with_message, code, english, chinese) in [
        (
            end("user ann"),
            true,
            Code::S03,
            "an operator (user ann) ended it",
            "管理员（用户 ann）结束了它",
        ),
        (
            end("token ops"),
            false,
            Code::S03,
            "An operator (token ops) had ended the session",
            "管理员（令牌 ops）在发布前",
        ),
        (
            unsubscribe,
            false,
            Code::S12,
            "An operator (on the admin socket, uid 0) had ended the subscription",
            "管理员（通过管理套接字，uid 0）在发布前",
        ),
        (
            clear,
            false,
            Code::R04,
            "an operator (user ann) had cleared it",
            "管理员（用户 ann）已将其清除",
        ),
        (
            end(""),
            true,
            Code::S03,
            "an operator ended it",
            "管理员结束了它",
        ),
    ] {
        let is_named = !english.contains("operator ended");
        let asked = after(request, with_message);
        asked.is(code, Confidence::Certain);
        asked.says(english);
        let said = asked.report.verdict.text.to_string(Language::Chinese);
        assert!(said.contains(chinese), "{said}");
        let style = render::Style {
            language: Language::Chinese,
            width: 200,
            ..render::Style::default()
        };
        let text = render::text(&asked.report, &style);
        assert_eq!(text.contains("操作者："), is_named, "{text}");
    }
}

/// The client is told that it is banned; who did that is for the record alone.
#[test]
fn who_has_banned_a_client_is_named_to_those_who_ask_and_not_to_the_client() {
    let mut bed = Bed::new(2);
    let mut bans = BanList::default();
    let ban = Ban {
        until_unix_ms: None,
        reason: "noisy".to_owned(),
        by: "token ops".to_owned(),
        since_unix_ms: bed.now().unix_ms,
    };
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bans.add(Banned::Client("hub".into()), ban).unwrap();
    bed.command(Command::SetBans(Arc::new(bans)));
    let told = bed.take(subscriber).bytes;
    let told = String::from_utf8_lossy(&told);
    assert!(
        told.contains("banned by an operator") && !told.contains("ops"),
        "{told:?}"
    );
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let evidence = asked::evidence(&mut bed, Some(TOPIC), Some("esp"), Some("hub"), 0);
    let ended = |outcome| {
        let mut events = evidence.events.iter();
        events.find(|event| event.outcome == outcome).unwrap()
    };
    assert_eq!(ended(Outcome::DisconnectAdmin).by, "token ops");
    let mut own = evidence.clone();
    own.conceal(&["hub"], false);
    assert!(own.events.iter().all(|event| event.by != "token ops"));
    // MQTT 5 alone has a Reason String.
    for version in [V5, V311] {
        let (_, refused) = bed.connect_raw(&ConnectOptions::new(version, "hub"));
        assert!(!String::from_utf8_lossy(&refused.bytes).contains("ops"));
    }
    let asked = ask(&mut bed, TOPIC, Some("esp"), Some("hub"));
    let text = render::text(&asked.report, &render::Style::default());
    assert!(
        text.contains("(banned by an operator)  operator: token ops"),
        "{text}"
    );
}
