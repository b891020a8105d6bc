//! What operators can ask shards and do to them.

mod bed;

use std::collections::BTreeSet;
use std::sync::Arc;

use bed::exchange::keeping;
use bed::{Bed, ConnectOptions, V5, V311};
use columba_broker::access::{AccessRules, Action, Actions, Rule, TopicPattern, Who};
use columba_broker::ban::{Ban, BanList, Banned};
use columba_broker::event::{AuthVerdict, Command};
use columba_broker::limits::{Anonymous, Limits};
use columba_broker::outcome::Outcome;
use columba_broker::query::{
    AccessIdentity, AccessQuery, Answer, Condition, GroupsQuery, PublishRequest, Request,
    RetainedQuery, SCANS_MAX, SessionKey, SessionOrder, SessionRow, SessionsQuery, SubscriptionKey,
    SubscriptionRow, SubscriptionsQuery, WaitingOn,
};
use columba_codec::{Packet, PropertiesBuf, QoS, ReasonCode};

const SHARDS: [u16; 2] = [1, 3];

/// All sessions that a query gives, page by page, merged as the server does it.
fn sessions(bed: &mut Bed, shards: u16, query: &SessionsQuery) -> Vec<SessionRow> {
    let mut all = Vec::new();
    for shard in 0..usize::from(shards) {
        let mut query = query.clone();
        loop {
            let Answer::Sessions(page) = bed.request(shard, Request::Sessions(query.clone()))
            else {
                panic!("no sessions");
            };
            all.extend(page.rows);
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
    }
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all
}

fn ids(rows: &[SessionRow]) -> Vec<&str> {
    rows.iter().map(|row| &*row.key.client_id).collect()
}

fn of_rows(rows_max: usize) -> SessionsQuery {
    SessionsQuery {
        rows_max,
        ..SessionsQuery::default()
    }
}

fn publish(topic: &str, payload: &str, retain: bool) -> PublishRequest {
    PublishRequest {
        topic: topic.into(),
        payload: payload.into(),
        qos: QoS::AtLeastOnce,
        retain,
        expiry_secs: None,
        properties: PropertiesBuf::new(),
        condition: Condition::None,
    }
}

fn send(bed: &mut Bed, request: PublishRequest) -> Answer {
    let topic = request.topic.clone();
    bed.request_home(&topic, Request::Publish(Box::new(request)))
}

#[test]
fn pages_of_sessions_are_in_the_order_of_client_ids_and_leave_nobody_out() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let mut expected = BTreeSet::new();
        for n in (0..50).rev() {
            let id = format!("c{n:02}");
            bed.connect(V311, &id);
            expected.insert(id);
        }
        for rows_max in [1, 7, 1000] {
            let rows = sessions(&mut bed, shards, &of_rows(rows_max));
            let expected: Vec<_> = expected.iter().map(String::as_str).collect();
            assert_eq!(ids(&rows), expected);
        }
    }
}

#[test]
fn who_is_there_all_the_time_is_told_once_while_others_come_and_go() {
    let mut bed = Bed::new(1);
    let stay: Vec<String> = (0..20).map(|n| format!("stay{n:02}")).collect();
    let mut others = Vec::new();
    for (n, id) in stay.iter().enumerate() {
        others.push(bed.connect(V311, &format!("other{n}")));
        bed.connect(V311, id);
    }
    let mut query = of_rows(3);
    let mut told = Vec::new();
    loop {
        let Answer::Sessions(page) = bed.request(0, Request::Sessions(query.clone())) else {
            panic!("no sessions");
        };
        told.extend(page.rows.iter().map(|row| row.key.client_id.to_string()));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
        if let Some(other) = others.pop() {
            bed.disconnect(other);
        }
        bed.connect(V311, &format!("new{}", told.len()));
    }
    let kept: Vec<_> = told.iter().filter(|id| id.starts_with("stay")).collect();
    assert_eq!(kept, stay.iter().collect::<Vec<_>>());
}

#[test]
fn a_list_of_many_sessions_takes_turns_in_which_others_are_served() {
    let mut bed = Bed::new(1);
    for n in 0..5000 {
        bed.connect(V311, &format!("c{n}"));
    }
    let client = bed.connect(V311, "client");
    bed.is_work_held = true;
    let id = bed.ask(0, Request::Sessions(of_rows(10)));
    assert!(bed.answers.is_empty(), "all in one step");
    bed.subscribe(client, "t", QoS::AtMostOnce);
    bed.publish(client, "t", b"meanwhile", QoS::AtMostOnce);
    assert_eq!(bed.payloads(client), ["meanwhile"]);
    assert!(bed.answers.is_empty());
    while bed.turn() {}
    assert!(bed.answers.iter().any(|(of, _)| *of == id));
}

#[test]
fn a_session_that_ends_while_its_page_is_made_is_left_out_and_no_other_one() {
    let mut bed = Bed::new(1);
    let first = bed.connect(V311, "a");
    for n in 0..3000 {
        bed.connect(V311, &format!("b{n:04}"));
    }
    bed.is_work_held = true;
    bed.ask(0, Request::Sessions(of_rows(3)));
    bed.disconnect(first);
    while bed.turn() {}
    let Some((_, Answer::Sessions(page))) = bed.answers.pop() else {
        panic!("no sessions");
    };
    assert_eq!(ids(&page.rows), ["b0000", "b0001"]);
    assert_eq!(page.next.map(|key| key.client_id), Some("b0001".into()));
}

#[test]
fn lists_on_top_of_the_limit_are_refused_and_the_others_are_all_made() {
    let mut bed = Bed::new(1);
    for n in 0..2500 {
        bed.connect(V311, &format!("c{n}"));
    }
    bed.is_work_held = true;
    for _ in 0..=SCANS_MAX {
        bed.ask(0, Request::Sessions(of_rows(1)));
    }
    assert!(matches!(bed.answers[..], [(_, Answer::Busy)]));
    bed.answers.clear();
    while bed.turn() {}
    let is_page = |(_, answer): &(_, Answer)| matches!(answer, Answer::Sessions(_));
    assert!(bed.answers.iter().all(is_page));
    assert_eq!(bed.answers.len(), SCANS_MAX);
}

#[test]
fn sessions_are_found_by_what_they_are_and_sorted_by_what_waits() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        for (id, count) in [("few", 1), ("many", 3), ("some", 2)] {
            let client = bed.connect_with(&keeping(V5, id));
            bed.subscribe(client, &format!("for/{id}"), QoS::AtLeastOnce);
            bed.disconnect(client);
            for _ in 0..count {
                bed.publish(publisher, &format!("for/{id}"), b"x", QoS::AtLeastOnce);
            }
        }
        let queued = SessionsQuery {
            order: SessionOrder::Queued,
            is_descending: true,
            is_online: Some(false),
            ..of_rows(2)
        };
        let rows = sessions(&mut bed, shards, &queued);
        assert_eq!(ids(&rows), ["many", "some", "few"]);
        let many = &rows[0];
        assert_eq!((many.queued, many.subscriptions), (3, 1));
        assert_eq!(many.waiting_on, WaitingOn::Client);
        assert!(many.connection.is_none() && many.expires_unix_ms.is_none());
        assert_eq!(many.expiry_secs, u32::MAX);
        let mut check = |query: SessionsQuery, expected: &[&str]| {
            let rows = sessions(&mut bed, shards, &query);
            assert_eq!(ids(&rows), expected);
        };
        let part = Some("m".into());
        check(
            SessionsQuery {
                client_id_part: part,
                ..of_rows(9)
            },
            &["many", "some"],
        );
        check(
            SessionsQuery {
                is_online: Some(true),
                ..of_rows(9)
            },
            &["publisher"],
        );
        check(
            SessionsQuery {
                waiting_on: Some(WaitingOn::Nothing),
                ..of_rows(9)
            },
            &["publisher"],
        );
        check(
            SessionsQuery {
                user: Some("ann".into()),
                ..of_rows(9)
            },
            &[],
        );
        check(
            SessionsQuery {
                addr: Some("192.0.2.1".parse().unwrap()),
                ..of_rows(9)
            },
            &[],
        );
        let behind = SessionKey {
            rank: 0,
            client_id: "many".into(),
            is_reversed: false,
        };
        let after = SessionsQuery {
            after: Some(behind),
            ..of_rows(9)
        };
        check(after, &["publisher", "some"]);
    }
}

#[test]
fn a_session_is_shown_with_what_it_waits_for() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.inflight_max = 2);
        let options = keeping(V5, "client").will("gone", b"bye", QoS::AtLeastOnce, true);
        let client = bed.connect_with(&options);
        bed.subscribe(client, "a/#", QoS::AtLeastOnce);
        bed.subscribe(client, "$share/g/b", QoS::AtMostOnce);
        let publisher = bed.connect(V311, "publisher");
        for n in 0..5 {
            bed.publish(publisher, &format!("a/{n}"), b"x", QoS::AtLeastOnce);
        }
        let session = Request::Session {
            client_id: "client".into(),
        };
        let Answer::Session(Some(detail)) = bed.request_home("client", session) else {
            panic!("no session");
        };
        assert_eq!(detail.row.waiting_on, WaitingOn::Acknowledgement);
        assert_eq!((detail.row.inflight, detail.row.queued), (2, 3));
        let connection = detail.row.connection.expect("it is connected");
        assert_eq!((connection.version, connection.receive_maximum), (V5, 2));
        let topics: Vec<_> = detail
            .inflight
            .iter()
            .map(|row| (row.packet_id, &*row.message.topic))
            .collect();
        assert_eq!(topics, [(1, "a/0"), (2, "a/1")]);
        assert_eq!(detail.oldest.as_ref().map(|row| &*row.topic), Some("a/2"));
        let filters: Vec<_> = detail.subscriptions.iter().map(name).collect();
        assert_eq!(
            filters,
            [("client", "a/#", None), ("client", "b", Some("g"))]
        );
        let will = detail.will.as_ref().expect("a Will");
        assert_eq!(
            (&*will.topic, will.retain, will.payload_bytes),
            ("gone", true, 3)
        );
        let nobody = Request::Session {
            client_id: "nobody".into(),
        };
        let answer = bed.request_home("nobody", nobody);
        assert!(matches!(answer, Answer::Session(None)));
        bed.check_books();
    }
}

fn name(row: &SubscriptionRow) -> (&str, &str, Option<&str>) {
    let SubscriptionKey {
        client_id,
        filter,
        group,
    } = &row.key;
    (client_id, filter, group.as_deref())
}

#[test]
fn subscriptions_are_found_by_topic_filter_client_and_group() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let ann = bed.connect(V5, "ann");
        let bob = bed.connect(V5, "bob");
        bed.subscribe(ann, "a/+", QoS::AtLeastOnce);
        bed.subscribe(ann, "b", QoS::AtMostOnce);
        bed.subscribe(bob, "#", QoS::ExactlyOnce);
        bed.subscribe(bob, "$share/g/a/b", QoS::AtMostOnce);
        let mut check = |query: SubscriptionsQuery, expected: &[(&str, &str, Option<&str>)]| {
            let mut all = Vec::new();
            for shard in 0..usize::from(shards) {
                let mut query = query.clone();
                query.rows_max = 1;
                loop {
                    let request = Request::Subscriptions(query.clone());
                    let Answer::Subscriptions(page) = bed.request(shard, request) else {
                        panic!("no subscriptions");
                    };
                    all.extend(page.rows);
                    query.after = page.next;
                    if query.after.is_none() {
                        break;
                    }
                }
            }
            all.sort_by(|a, b| a.key.cmp(&b.key));
            assert_eq!(all.iter().map(name).collect::<Vec<_>>(), expected);
        };
        let all = [
            ("ann", "a/+", None),
            ("ann", "b", None),
            ("bob", "#", None),
            ("bob", "a/b", Some("g")),
        ];
        let none = SubscriptionsQuery::default;
        check(none(), &all);
        let topic = Some("a/b".into());
        check(
            SubscriptionsQuery { topic, ..none() },
            &[all[0], all[2], all[3]],
        );
        let filter = Some("b".into());
        check(SubscriptionsQuery { filter, ..none() }, &all[1..2]);
        let client_id = Some("ann".into());
        check(
            SubscriptionsQuery {
                client_id,
                ..none()
            },
            &all[..2],
        );
        let group = Some("g".into());
        check(SubscriptionsQuery { group, ..none() }, &all[3..]);
    }
}

#[test]
fn shared_groups_are_told_by_their_owner_alone() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        for id in ["a", "b", "c"] {
            let client = bed.connect(V5, id);
            bed.subscribe(client, "$share/g/t", QoS::AtLeastOnce);
        }
        let mut found = Vec::new();
        for shard in 0..usize::from(shards) {
            let request = Request::Groups(GroupsQuery::default());
            let Answer::Groups(page) = bed.request(shard, request) else {
                panic!("no groups");
            };
            found.extend(page.rows);
        }
        let [group] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!((&*group.key.name, &*group.key.filter), ("g", "t"));
        assert_eq!(group.members, 3);
    }
}

#[test]
fn what_an_operator_publishes_is_delivered_and_retained_like_everything_else() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "t", QoS::AtLeastOnce);
        let answer = send(&mut bed, publish("t", "hello", true));
        assert!(matches!(answer, Answer::Published { is_matched: true }));
        assert_eq!(bed.payloads(client), ["hello"]);
        let late = bed.connect(V5, "late");
        bed.subscribe(late, "t", QoS::AtLeastOnce);
        assert_eq!(bed.payloads(late), ["hello"]);
        let answer = send(&mut bed, publish("u", "x", false));
        assert!(matches!(answer, Answer::Published { is_matched: false }));
        for (topic, expected) in [
            ("a/+", Outcome::PublishBadTopic),
            ("$SYS/x", Outcome::PublishBadTopic),
            ("", Outcome::PublishBadTopic),
        ] {
            match send(&mut bed, publish(topic, "x", false)) {
                Answer::Refused { outcome, .. } => assert_eq!(outcome, expected),
                other => panic!("{topic}: {other:?}"),
            }
        }
        bed.check_books();
    }
}

#[test]
fn a_message_that_is_too_large_or_finds_no_room_is_refused() {
    let mut bed = Bed::with(1, |limits| {
        limits.packet_bytes_max = 100;
        limits.retained_messages_max = 1;
    });
    let mut check = |request, expected| match send(&mut bed, request) {
        Answer::Refused { outcome, .. } => assert_eq!(outcome, expected),
        other => panic!("{other:?}"),
    };
    check(
        publish("t", &"x".repeat(100), false),
        Outcome::PublishTooLarge,
    );
    assert!(matches!(
        send(&mut bed, publish("one", "x", true)),
        Answer::Published { .. }
    ));
    match send(&mut bed, publish("two", "x", true)) {
        Answer::Refused { outcome, .. } => assert_eq!(outcome, Outcome::PublishRetainQuota),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_waits_for_the_disk_as_an_acknowledgement_does() {
    let mut bed = Bed::durable(1);
    let client = bed.connect_with(&keeping(V5, "client"));
    bed.subscribe(client, "t", QoS::AtLeastOnce);
    bed.disconnect(client);
    bed.store.is_held = true;
    let id = bed.ask(0, Request::Publish(Box::new(publish("t", "x", true))));
    assert!(bed.answers.is_empty(), "{:?}", bed.answers);
    bed.release_store();
    assert!(matches!(
        bed.answers[..],
        [(of, Answer::Published { is_matched: true })] if of == id
    ));
}

#[test]
fn an_operator_who_publishes_more_than_the_disk_takes_is_told_to_wait() {
    let mut bed = Bed::with(1, |limits| limits.store_waiting_bytes_max = 1).with_store();
    bed.store.is_held = true;
    bed.ask(0, Request::Publish(Box::new(publish("t", "x", true))));
    assert!(bed.answers.is_empty());
    let answer = send(&mut bed, publish("t", "y", true));
    assert!(matches!(answer, Answer::Busy), "{answer:?}");
    let mut lossy = publish("t", "z", false);
    lossy.qos = QoS::AtMostOnce;
    let answer = send(&mut bed, lossy);
    assert!(matches!(answer, Answer::Published { .. }), "{answer:?}");
    bed.release_store();
    let answer = send(&mut bed, publish("t", "y", true));
    assert!(matches!(answer, Answer::Published { .. }), "{answer:?}");
}

#[test]
fn retained_messages_are_read_changed_on_condition_and_cleared() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        for topic in ["a/1", "a/2", "b/1"] {
            send(&mut bed, publish(topic, topic, true));
        }
        let get = |bed: &mut Bed, topic: &str| {
            let request = Request::RetainedMessage {
                topic: topic.into(),
            };
            match bed.request_home(topic, request) {
                Answer::RetainedMessage(found) => found,
                other => panic!("{other:?}"),
            }
        };
        let first = get(&mut bed, "a/1").expect("a message");
        assert_eq!(first.message.payload(), b"a/1");
        assert!(get(&mut bed, "a").is_none());
        let change = |bed: &mut Bed, topic: &str, condition| {
            let mut request = publish(topic, "new", true);
            request.condition = condition;
            send(bed, request)
        };
        let right = Condition::Tag(first.tag);
        let is_changed = |answer| matches!(answer, Answer::Changed);
        assert!(is_changed(change(&mut bed, "a/1", Condition::Absent)));
        assert!(is_changed(change(&mut bed, "c", Condition::Present)));
        assert!(is_changed(change(&mut bed, "c", right)));
        assert!(!is_changed(change(&mut bed, "c", Condition::Absent)));
        assert!(!is_changed(change(&mut bed, "a/1", right)));
        assert!(is_changed(change(&mut bed, "a/1", right)));
        let clear = |bed: &mut Bed, topic: &str, condition| {
            let request = Request::ClearRetained {
                topic: topic.into(),
                condition,
                operator: "user ann".into(),
            };
            bed.request_home(topic, request)
        };
        assert!(is_changed(clear(&mut bed, "a/1", right)));
        assert!(matches!(
            clear(&mut bed, "a/1", Condition::Present),
            Answer::Done
        ));
        assert!(matches!(
            clear(&mut bed, "a/1", Condition::None),
            Answer::Missing
        ));
        assert_eq!(retained(&mut bed, shards, "#"), ["a/2", "b/1", "c"]);
        assert_eq!(retained(&mut bed, shards, "+/1"), ["b/1"]);
    }
}

/// The topics that have retained messages, page by page.
fn retained(bed: &mut Bed, shards: u16, filter: &str) -> Vec<String> {
    let mut topics = Vec::new();
    for shard in 0..usize::from(shards) {
        let mut query = RetainedQuery {
            filter: filter.into(),
            after: None,
            rows_max: 1,
        };
        loop {
            let request = Request::Retained(query.clone());
            let Answer::Retained(page) = bed.request(shard, request) else {
                panic!("no retained messages");
            };
            let rows = page.rows.iter().map(|row| row.message.topic().to_owned());
            topics.extend(rows);
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
    }
    topics.sort();
    topics
}

#[test]
fn clearing_by_filter_goes_on_where_it_stopped_and_leaves_sys_alone() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| {
            limits.retained_steps_max = 4;
            limits.sys_interval_ms = 1000;
        });
        bed.advance(1000);
        for n in 0..30 {
            send(&mut bed, publish(&format!("a/{n:02}"), "x", true));
        }
        send(&mut bed, publish("b", "x", true));
        let clear = |bed: &mut Bed, filter: &str| {
            let (mut cleared, mut steps) = (0, 0);
            for shard in 0..usize::from(shards) {
                let mut after = None;
                loop {
                    let request = Request::ClearAllRetained {
                        filter: filter.into(),
                        after,
                        operator: "user ann".into(),
                    };
                    let Answer::Cleared { count, next } = bed.request(shard, request) else {
                        panic!("nothing cleared");
                    };
                    cleared += count;
                    steps += 1;
                    after = next;
                    if after.is_none() {
                        break;
                    }
                }
            }
            assert!(steps > usize::from(shards), "all in one step");
            cleared
        };
        assert_eq!(clear(&mut bed, "a/#"), 30);
        assert_eq!(clear(&mut bed, "$SYS/#"), 0);
        assert_eq!(retained(&mut bed, shards, "#"), ["b"]);
        assert!(!retained(&mut bed, shards, "$SYS/broker/version").is_empty());
        bed.check_gauges();
    }
}

#[test]
fn what_is_cleared_stays_cleared_after_a_crash() {
    let mut bed = Bed::durable(2);
    for topic in ["one", "two", "three"] {
        send(&mut bed, publish(topic, "x", true));
    }
    let one = Request::ClearRetained {
        topic: "one".into(),
        condition: Condition::None,
        operator: "user ann".into(),
    };
    assert!(matches!(bed.request_home("one", one), Answer::Done));
    bed.crash(2);
    assert_eq!(retained(&mut bed, 2, "#"), ["three", "two"]);
    for shard in 0..2 {
        let request = Request::ClearAllRetained {
            filter: "#".into(),
            after: None,
            operator: "user ann".into(),
        };
        assert!(matches!(
            bed.request(shard, request),
            Answer::Cleared { .. }
        ));
    }
    bed.crash(2);
    assert!(retained(&mut bed, 2, "#").is_empty());
}

#[test]
fn an_operator_ends_connections_sessions_and_subscriptions() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect_with(&keeping(V5, "client"));
        bed.subscribe(client, "a", QoS::AtLeastOnce);
        bed.subscribe(client, "$share/g/b", QoS::AtLeastOnce);
        let unsubscribe = |bed: &mut Bed, filter: &str| {
            let request = Request::Unsubscribe {
                client_id: "client".into(),
                filter: filter.into(),
                operator: "user ann".into(),
            };
            bed.request_home("client", request)
        };
        assert!(matches!(unsubscribe(&mut bed, "a"), Answer::Done));
        assert!(matches!(unsubscribe(&mut bed, "a"), Answer::Missing));
        assert!(matches!(unsubscribe(&mut bed, "a/#/b"), Answer::Missing));
        assert!(matches!(unsubscribe(&mut bed, "$share/g/b"), Answer::Done));
        assert_eq!(bed.outcome(Outcome::UnsubscribeByAdmin), 2);
        assert_eq!(bed.stats().subscriptions, 0);
        let disconnect = |bed: &mut Bed, client_id: &str, end_session| {
            let request = Request::Disconnect {
                client_id: client_id.into(),
                end_session,
                operator: "user ann".into(),
            };
            bed.request_home(client_id, request)
        };
        assert!(matches!(disconnect(&mut bed, "x", true), Answer::Missing));
        assert!(matches!(
            disconnect(&mut bed, "client", false),
            Answer::Done
        ));
        assert!(bed.is_closed(client));
        assert_eq!(bed.stats().sessions, 1);
        assert!(matches!(disconnect(&mut bed, "client", true), Answer::Done));
        assert_eq!(bed.stats().sessions, 0);
        bed.check_gauges();
    }
}

fn ban(until_unix_ms: Option<u64>) -> Ban {
    Ban {
        until_unix_ms,
        reason: "floods".to_owned(),
        by: "ann".to_owned(),
        since_unix_ms: 0,
    }
}

#[test]
fn who_is_banned_is_disconnected_and_not_let_in_until_the_ban_is_over() {
    for shards in SHARDS {
        let mut bed = Bed::build(
            shards,
            Limits {
                sys_interval_ms: 0,
                ..Limits::default()
            },
            AccessRules::allow_all(),
            Anonymous::Always,
        );
        bed.authenticate = |request| AuthVerdict::Allow {
            user: request.user_name.as_deref().map(Arc::from),
            groups: Arc::new([]),
        };
        let client = bed.connect(V5, "bad");
        let other = bed.connect(V5, "good");
        let login = |id| ConnectOptions::new(V5, id).login("eve", b"x");
        let user = bed.connect_with(&login("eve's"));
        let mut bans = BanList::default();
        let until = Some(1_700_000_000_000 + 60_000);
        bans.add(Banned::Client("bad".into()), ban(until)).unwrap();
        bans.add(Banned::User("eve".into()), ban(until)).unwrap();
        bed.command(Command::SetBans(Arc::new(bans)));
        assert!(bed.is_closed(client) && bed.is_closed(user) && !bed.is_closed(other));
        for options in [ConnectOptions::new(V5, "bad"), login("other id")] {
            let (_, inbox) = bed.connect_raw(&options);
            match inbox.packets()[..] {
                [Packet::ConnAck(ack)] => assert_eq!(ack.reason, ReasonCode::Banned),
                ref other => panic!("{other:?}"),
            }
        }
        let (old, inbox) = bed.connect_raw(&ConnectOptions::new(V311, "bad"));
        assert!(matches!(inbox.packets()[..], [Packet::ConnAck(_)]));
        assert!(bed.is_closed(old));
        assert_eq!(bed.outcome(Outcome::ConnectBanned), 3);
        bed.advance(60_000);
        bed.connect(V5, "bad");
        bed.connect_with(&login("eve's"));
    }
}

#[test]
fn the_access_rules_are_asked_for_a_session_or_for_somebody_else() {
    let rule = Rule {
        is_allow: true,
        actions: Actions::ALL,
        who: Who {
            groups: vec!["staff".into()],
            ..Who::default()
        },
        topics: vec![TopicPattern::parse("a/#").expect("a pattern")],
        place: "etc/acl.toml:3".to_owned(),
    };
    let limits = Limits {
        sys_interval_ms: 0,
        ..Limits::default()
    };
    let rules = AccessRules::new(vec![rule], Actions::NONE);
    let mut bed = Bed::build(1, limits, rules, Anonymous::Always);
    bed.authenticate = |_| AuthVerdict::Allow {
        user: Some("ann".into()),
        groups: Arc::new(["staff".into()]),
    };
    bed.connect_with(&ConnectOptions::new(V5, "client").login("ann", b"x"));
    let mut check = |client_id: &str, identity, topic: &str, expected| {
        let query = AccessQuery {
            client_id: client_id.into(),
            action: Action::Publish,
            topic: topic.into(),
            identity,
        };
        let Answer::Access(answer) = bed.request(0, Request::Access(Box::new(query))) else {
            panic!("no answer");
        };
        let told = (
            answer.is_allowed,
            answer.rule.as_deref().map(str::to_owned),
            answer.is_from_session,
        );
        let (is_allowed, rule, is_from_session): (bool, Option<&str>, bool) = expected;
        assert_eq!(told, (is_allowed, rule.map(str::to_owned), is_from_session));
    };
    let place = Some("etc/acl.toml:3");
    check("client", None, "a/b", (true, place, true));
    check("client", None, "b", (false, None, true));
    check("nobody", None, "a/b", (false, None, false));
    check(
        "client",
        Some(AccessIdentity::default()),
        "a/b",
        (false, None, false),
    );
    let bob = AccessIdentity {
        user: Some("bob".into()),
        groups: vec!["staff".into()],
        addr: None,
    };
    check("nobody", Some(bob), "a/b", (true, place, false));
}
