//! Changed users and access rules reach clients that are connected already.

mod bed;

use std::collections::BTreeMap;
use std::sync::Arc;

use bed::exchange::keeping;
use bed::{Bed, ConnectOptions, V5};
use columba_broker::access::{AccessRules, Actions, Rule, TopicPattern, Who};
use columba_broker::event::{AuthRequest, AuthVerdict, Command, ReportEvent, UserChange};
use columba_broker::outcome::Outcome;
use columba_codec::{Packet, PropertyId, QoS, ReasonCode, Value};

const SHARDS: [u16; 2] = [1, 3];

fn users_changed(user: &str, change: UserChange, access: Option<AccessRules>) -> Command {
    Command::UsersChanged {
        changes: Arc::new(BTreeMap::from([(Arc::from(user), change)])),
        access: access.map(Arc::new),
    }
}

/// Only members of a group may use topics.
fn only(group: &str) -> AccessRules {
    let rule = Rule {
        is_allow: true,
        actions: Actions::ALL,
        who: Who {
            groups: vec![group.into()],
            ..Who::default()
        },
        topics: vec![TopicPattern::parse("#").expect("a pattern")],
        place: "test:1".to_owned(),
    };
    AccessRules::new(vec![rule], Actions::NONE)
}

/// Everybody may log in and is in the group `old`, except the watcher, who is in all groups.
fn allow(request: &AuthRequest) -> AuthVerdict {
    let groups: &[&str] = match request.user_name.as_deref() {
        Some("watcher") => &["old", "new"],
        _ => &["old"],
    };
    AuthVerdict::Allow {
        user: request.user_name.as_deref().map(Arc::from),
        groups: groups.iter().map(|group| Arc::from(*group)).collect(),
    }
}

#[test]
fn subscriptions_that_the_rules_no_longer_allow_end() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "a/+", QoS::AtLeastOnce);
        bed.subscribe(client, "$share/g/b", QoS::AtLeastOnce);
        bed.command(Command::SetAccess(Arc::new(AccessRules::deny_all())));
        assert_eq!(bed.outcome(Outcome::SubscribeRevoked), 2);
        assert_eq!(
            (bed.stats().subscriptions, bed.stats().shared_subscriptions),
            (0, 0)
        );
        bed.command(Command::SetAccess(Arc::new(AccessRules::allow_all())));
        let publisher = bed.connect(V5, "publisher");
        for topic in ["a/x", "b"] {
            bed.publish(publisher, topic, b"x", QoS::AtLeastOnce);
            match bed.take(publisher).one() {
                Packet::PubAck(ack) => assert_eq!(ack.reason, ReasonCode::NoMatchingSubscribers),
                other => panic!("{other:?}"),
            }
        }
        bed.check_books();
    }
}

#[test]
fn a_removed_user_has_to_log_in_again() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        bed.authenticate = |request| AuthVerdict::Allow {
            user: request.user_name.as_deref().map(Arc::from),
            groups: Arc::new([]),
        };
        let gone = bed.connect_with(&ConnectOptions::new(V5, "1").login("gone", b""));
        let stays = bed.connect_with(&ConnectOptions::new(V5, "2").login("stays", b""));
        let nobody = bed.connect(V5, "3");
        bed.command(users_changed("gone", UserChange::Removed, None));
        match bed.take(gone).one() {
            Packet::Disconnect(end) => assert_eq!(end.reason, ReasonCode::NotAuthorized),
            other => panic!("{other:?}"),
        }
        let closed = [gone, stays, nobody].map(|client| bed.is_closed(client));
        assert_eq!(closed, [true, false, false]);
        bed.check_gauges();
    }
}

#[test]
fn another_user_does_not_get_a_session_by_its_client_id() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        bed.authenticate = |request| AuthVerdict::Allow {
            user: request.user_name.as_deref().map(Arc::from),
            groups: Arc::new([]),
        };
        let expiry = |user| {
            ConnectOptions::new(V5, "shared-id")
                .clean(false)
                .property(PropertyId::SessionExpiryInterval, Value::U32(60))
                .login(user, b"")
        };
        let alice = bed.connect_with(&expiry("alice"));
        bed.subscribe(alice, "secret", QoS::AtLeastOnce);
        bed.drop_connection(alice);
        let publisher = bed.connect(V5, "publisher");
        bed.publish(publisher, "secret", b"for alice", QoS::AtLeastOnce);
        let (_, inbox) = bed.connect_raw(&expiry("mallory"));
        assert!(matches!(inbox.one(), Packet::ConnAck(ack) if !ack.session_present));
        assert_eq!(bed.outcome(Outcome::SessionReplaced), 1);
        bed.check_books();
    }
}

#[test]
fn the_will_of_an_expelled_client_is_judged_by_what_its_user_may_do_now() {
    let groups = |group: &str| -> Arc<[Arc<str>]> { [Arc::from(group)].into() };
    let cases = [
        // What changed for the user, the group that may use topics then, the Will that comes.
        (UserChange::Removed, "old", None),
        (UserChange::Expelled(groups("old")), "old", Some("help")),
        (UserChange::Expelled(groups("other")), "old", None),
        (UserChange::Expelled(groups("new")), "new", Some("help")),
        (UserChange::Expelled(groups("old")), "new", None),
    ];
    for shards in SHARDS {
        for delay_secs in [0, 10] {
            for (change, group, expected) in &cases {
                let mut bed = Bed::new(shards);
                bed.authenticate = allow;
                bed.command(Command::SetAccess(Arc::new(only("old"))));
                let watcher = ConnectOptions::new(V5, "w").login("watcher", b"");
                let watcher = bed.connect_with(&watcher);
                bed.subscribe(watcher, "will", QoS::AtMostOnce);
                let expelled = ConnectOptions::new(V5, "e")
                    .login("expelled", b"")
                    .property(PropertyId::SessionExpiryInterval, Value::U32(60))
                    .will("will", b"help", QoS::AtMostOnce, false)
                    .will_property(PropertyId::WillDelayInterval, Value::U32(delay_secs));
                let expelled = bed.connect_with(&expelled);
                bed.command(users_changed("expelled", change.clone(), Some(only(group))));
                assert!(bed.is_closed(expelled));
                bed.advance(u64::from(delay_secs) * 1000);
                let came = bed.take(watcher).payloads();
                let came = came.first().map(String::as_str);
                assert_eq!(came, *expected, "{change:?}, {group:?}, {delay_secs} s");
                let denied = bed.outcome(Outcome::PublishDeniedAcl);
                assert_eq!(denied, u64::from(expected.is_none()));
                bed.check_books();
                bed.check_gauges();
            }
        }
    }
}

#[test]
fn groups_and_rules_that_change_together_count_from_the_same_moment() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        bed.authenticate = allow;
        bed.command(Command::SetAccess(Arc::new(only("old"))));
        let client = bed.connect_with(&ConnectOptions::new(V5, "c").login("user", b""));
        bed.subscribe(client, "t", QoS::AtMostOnce);
        let groups = UserChange::Groups([Arc::from("new")].into());
        bed.command(users_changed("user", groups, Some(only("new"))));
        assert_eq!(bed.outcome(Outcome::SubscribeRevoked), 0);
        bed.publish(client, "t", b"still here", QoS::AtMostOnce);
        assert_eq!(bed.take(client).payloads(), ["still here"]);
    }
}

#[test]
fn what_the_groups_of_a_removed_user_allowed_has_ended() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        bed.authenticate = allow;
        bed.command(Command::SetAccess(Arc::new(only("old"))));
        let away = ConnectOptions::new(V5, "away")
            .login("user", b"")
            .property(PropertyId::SessionExpiryInterval, Value::U32(60));
        let away = bed.connect_with(&away);
        bed.subscribe(away, "t", QoS::AtLeastOnce);
        bed.drop_connection(away);
        bed.command(users_changed("user", UserChange::Removed, None));
        assert_eq!(bed.outcome(Outcome::SubscribeRevoked), 1);
        assert_eq!(bed.stats().subscriptions, 0);
        bed.check_gauges();
    }
}

/// Two programs that share a client id, and the store, make a client wait for its CONNACK: it has logged
/// in before its user changed.
#[test]
fn who_waits_to_take_over_has_to_log_in_again_too() {
    for shards in SHARDS {
        for change in [UserChange::Removed, UserChange::Expelled([].into())] {
            let mut bed = Bed::new(shards);
            bed.authenticate = allow;
            let options = ConnectOptions::new(V5, "esp").login("user", b"");
            for _ in 0..6 {
                bed.connect_with(&options);
            }
            let (waiting, inbox) = bed.connect_raw(&options);
            assert!(inbox.bytes.is_empty(), "it waits");
            bed.command(users_changed("user", change, None));
            match bed.take(waiting).one() {
                Packet::ConnAck(ack) => assert_eq!(ack.reason, ReasonCode::BadUserNameOrPassword),
                other => panic!("{other:?}"),
            }
            assert!(bed.is_closed(waiting));
            bed.advance(10_000);
            assert_eq!(bed.stats().connections, 0);
            bed.check_gauges();
        }
    }
}

#[test]
fn who_waits_for_the_disk_has_to_log_in_again_too() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        bed.authenticate = allow;
        let away = keeping(V5, "away").login("user", b"");
        let client = bed.connect_with(&away);
        bed.subscribe(client, "t", QoS::AtLeastOnce);
        bed.disconnect(client);
        bed.store.is_held = true;
        let (waiting, inbox) = bed.connect_raw(&ConnectOptions::new(V5, "away").login("user", b""));
        assert!(inbox.bytes.is_empty(), "it waits");
        bed.command(users_changed("user", UserChange::Removed, None));
        match bed.take(waiting).one() {
            Packet::ConnAck(ack) => assert_eq!(ack.reason, ReasonCode::BadUserNameOrPassword),
            other => panic!("{other:?}"),
        }
        bed.release_store();
        assert!(bed.is_closed(waiting));
        assert_eq!(bed.stats().connections, 0);
        bed.check_gauges();
    }
}

#[test]
fn who_waits_to_take_over_comes_in_with_the_groups_of_now() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        bed.authenticate = allow;
        bed.command(Command::SetAccess(Arc::new(only("new"))));
        let options = ConnectOptions::new(V5, "esp").login("user", b"");
        for _ in 0..6 {
            bed.connect_with(&options);
        }
        let (waiting, _) = bed.connect_raw(&options);
        let groups = UserChange::Groups([Arc::from("new")].into());
        bed.command(users_changed("user", groups, None));
        bed.advance(500);
        bed.take(waiting);
        bed.subscribe(waiting, "t", QoS::AtMostOnce);
        assert_eq!(bed.outcome(Outcome::SubscribeDeniedAcl), 0);
    }
}

/// The file of the rules may change while the broker is down.
#[test]
fn subscriptions_that_the_rules_of_another_start_do_not_allow_end() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let client = bed.connect_keeping(V5, "client");
        bed.subscribe(client, "a/+", QoS::AtLeastOnce);
        bed.subscribe(client, "$share/g/b", QoS::AtLeastOnce);
        bed.subscribe(client, "c", QoS::AtLeastOnce);
        let allowed = Rule {
            is_allow: true,
            actions: Actions::ALL,
            who: Who::default(),
            topics: vec![TopicPattern::parse("c").expect("a pattern")],
            place: "test:1".to_owned(),
        };
        // What a file of rules falls back to: nothing but the end of the subscriptions holds it back.
        let default = Actions {
            subscribe: false,
            ..Actions::ALL
        };
        bed = bed.with_rules_at_start(AccessRules::new(vec![allowed], default));
        bed.crash(shards);
        assert_eq!(bed.stats().subscriptions, 1);
        let publisher = bed.connect(V5, "publisher");
        for topic in ["a/x", "b", "c"] {
            bed.publish(publisher, topic, topic.as_bytes(), QoS::AtLeastOnce);
        }
        let back = bed.resume(V5, "client");
        assert_eq!(bed.payloads(back), ["c"]);
        let revoked = bed.outcome(Outcome::SubscribeRevoked);
        assert_eq!(revoked, 2);
        // For good.
        bed.crash(shards);
        assert_eq!(bed.outcome(Outcome::SubscribeRevoked), 0);
        bed.check_books();
        bed.check_gauges();
    }
}

/// So may the file of the users.
#[test]
fn what_groups_allowed_in_which_a_user_is_no_more_ends_at_a_start() {
    let change = |groups: &[&str]| {
        let groups = groups.iter().map(|group| Arc::from(*group)).collect();
        BTreeMap::from([(Arc::from("user"), UserChange::Groups(groups))])
    };
    let removed = BTreeMap::from([(Arc::from("user"), UserChange::Removed)]);
    for (shards, last) in SHARDS.into_iter().flat_map(|shards| {
        let last = [change(&["old"]), change(&[]), removed.clone()];
        last.map(|last| (shards, last))
    }) {
        let mut bed = Bed::durable(shards).with_rules_at_start(only("old"));
        bed.authenticate = allow;
        let options = keeping(V5, "away").login("user", b"");
        let away = bed.connect_with(&options);
        bed.subscribe(away, "t", QoS::AtLeastOnce);
        bed.subscribe(away, "$share/g/t", QoS::AtLeastOnce);
        // The same groups are no change.
        bed.users_at_start = change(&["old"]);
        bed.crash(shards);
        assert_eq!(bed.outcome(Outcome::SubscribeRevoked), 0);
        // Rules and groups that have changed together.
        bed.users_at_start = change(&["new"]);
        bed = bed.with_rules_at_start(only("new"));
        bed.crash(shards);
        assert_eq!(bed.outcome(Outcome::SubscribeRevoked), 0);
        // They are stored.
        bed.users_at_start.clear();
        bed.crash(shards);
        assert_eq!(bed.outcome(Outcome::SubscribeRevoked), 0);
        bed.users_at_start = last;
        bed.crash(shards);
        assert_eq!(bed.outcome(Outcome::SubscribeRevoked), 2);
        assert_eq!(bed.stats().subscriptions, 0);
        assert_eq!(bed.stats().sessions, 1);
        bed.check_books();
        bed.check_gauges();
    }
}

/// As where it is removed while the broker runs.
#[test]
fn the_will_of_a_user_that_was_removed_before_a_start_is_not_published() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        bed.authenticate = allow;
        for name in ["removed", "watcher"] {
            let options = keeping(V5, name).login(name, b"");
            bed.connect_with(&options.will("t", b"gone", QoS::AtLeastOnce, false));
        }
        bed.users_at_start = BTreeMap::from([(Arc::from("removed"), UserChange::Removed)]);
        bed.crash(shards);
        bed.advance(0);
        assert_eq!(bed.outcome(Outcome::WillPublished), 1);
        assert_eq!(bed.outcome(Outcome::PublishDeniedAcl), 1);
        // For good.
        bed.users_at_start.clear();
        bed.crash(shards);
        bed.advance(0);
        assert_eq!(bed.outcome(Outcome::WillPublished), 0);
        assert_eq!(bed.stats().sessions, 2);
        bed.check_books();
        bed.check_gauges();
    }
}

#[test]
fn a_shared_subscription_that_is_taken_back_goes_by_its_whole_name() {
    let mut bed = Bed::new(1);
    let client = bed.connect(V5, "client");
    bed.subscribe(client, "$share/g/b", QoS::AtLeastOnce);
    bed.command(Command::SetAccess(Arc::new(AccessRules::deny_all())));
    let mut revoked = bed.reports.iter().filter_map(|report| match &report.event {
        ReportEvent::Withheld { outcome, topic, .. } => {
            (*outcome == Outcome::SubscribeRevoked).then_some(&**topic)
        }
        _ => None,
    });
    assert_eq!(revoked.next(), Some("$share/g/b"));
}
