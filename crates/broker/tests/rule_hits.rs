//! Each access rule counts what it decides.

mod bed;

use std::sync::Arc;

use bed::exchange::rule;
use bed::{Bed, ConnectOptions, V5};
use columba_broker::access::{
    AccessRules, Action, Actions, ClientMatch, Hits, HitsByAction, Rule, RuleHits, Who,
};
use columba_broker::event::Command;
use columba_broker::limits::{Anonymous, Limits};
use columba_broker::query::{AccessAnswer, AccessQuery, Answer, Request};
use columba_codec::packet::SubscribeOptions;
use columba_codec::{Properties, QoS};

const SHARDS: [u16; 2] = [1, 3];

const ALL: [Action; 3] = [Action::Publish, Action::Subscribe, Action::Receive];

fn only(client: &str, rule: Rule) -> Rule {
    let clients = vec![ClientMatch::Is(client.into())];
    let who = Who {
        clients,
        ..Who::default()
    };
    Rule { who, ..rule }
}

/// The boss may publish secrets, nobody else has to do with them, and homes are for everybody.
fn rules(place: &str) -> AccessRules {
    let mut rules = vec![
        only("boss", rule(true, &[Action::Publish], "secret/#")),
        rule(false, &ALL, "secret/#"),
        rule(true, &ALL, "home/#"),
        only("reader", rule(true, &[Action::Subscribe], "#")),
    ];
    for rule in &mut rules {
        rule.place = place.to_owned();
    }
    AccessRules::new(rules, Actions::NONE)
}

fn bed(shards: u16, rules: AccessRules) -> Bed {
    let limits = Limits {
        sys_interval_ms: 0,
        ..Limits::default()
    };
    Bed::build(shards, limits, rules, Anonymous::Always)
}

/// The counts of all shards.
fn hits(bed: &mut Bed, shards: u16) -> RuleHits {
    let mut sum: Option<RuleHits> = None;
    for shard in 0..usize::from(shards) {
        let Answer::AccessHits(one) = bed.request(shard, Request::AccessHits) else {
            panic!("no answer");
        };
        match &mut sum {
            None => sum = Some(one.hits),
            Some(sum) => sum.add(&one.hits),
        }
    }
    sum.expect("a shard")
}

/// Published, subscribed, received.
fn times(hits: &HitsByAction) -> [u64; 3] {
    [hits.publish, hits.subscribe, hits.receive].map(|hits| hits.times)
}

#[test]
fn what_a_rule_or_none_decides_is_counted_once_with_its_time() {
    for shards in SHARDS {
        let mut bed = bed(shards, rules("a"));
        let begin = bed.now().unix_ms;
        let boss = bed.connect(V5, "boss");
        let reader = bed.connect(V5, "reader");
        for (filter, code) in [
            ("home/+", 1),
            ("#", 1),
            ("secret/#", 135),
            ("$share/g/secret/x", 135),
        ] {
            let options = SubscribeOptions::from_qos(QoS::AtLeastOnce);
            let codes = bed.subscribe_with(reader, filter, options, Properties::EMPTY);
            assert_eq!(codes, [code], "{filter}");
        }
        bed.advance(1_000);
        for topic in ["home/a", "secret/x", "else"] {
            bed.publish(boss, topic, b"x", QoS::AtLeastOnce);
        }
        bed.advance(1_000);
        bed.publish(reader, "secret/x", b"x", QoS::AtLeastOnce);
        let will = ConnectOptions::new(V5, "dying").will("secret/w", b"x", QoS::AtMostOnce, false);
        let dying = bed.connect_with(&will);
        bed.drop_connection(dying);
        let RuleHits { rules, by_default } = hits(&mut bed, shards);
        let counts: Vec<_> = rules.iter().map(times).collect();
        // The reader has two subscriptions for home/a, but gets one copy.
        assert_eq!(counts, [[1, 0, 0], [2, 2, 1], [1, 1, 1], [0, 1, 0]]);
        assert_eq!(times(&by_default), [1, 0, 0]);
        assert_eq!(rules[0].publish.last_unix_ms, begin + 1_000);
        assert_eq!(rules[1].publish.last_unix_ms, begin + 2_000);
        assert_eq!(rules[1].subscribe.last_unix_ms, begin);
        assert_eq!(rules[0].receive, Hits::default());
        assert_eq!(rules[1].since_unix_ms, begin);
    }
}

#[test]
fn a_copy_for_a_shared_group_is_counted_once_where_it_is_allowed_and_for_each_member_that_is_denied()
 {
    for shards in SHARDS {
        let denied = ["0", "1"].map(|client| only(client, rule(false, &[Action::Receive], "t")));
        let allowed = rule(true, &[Action::Receive], "t");
        let rules = denied.into_iter().chain([allowed]).collect();
        let mut bed = bed(shards, AccessRules::new(rules, Actions::ALL));
        for client in ["0", "1", "2"] {
            let member = bed.connect(V5, client);
            bed.subscribe(member, "$share/g/t", QoS::AtMostOnce);
        }
        let publisher = bed.connect(V5, "publisher");
        for _ in 0..6 {
            bed.publish(publisher, "t", b"x", QoS::AtMostOnce);
        }
        let received: Vec<_> = hits(&mut bed, shards)
            .rules
            .iter()
            .map(|hits| hits.receive.times)
            .collect();
        assert_eq!(received[2], 6);
        // Round robin asks each of them in turn.
        assert!((2..=6).contains(&received[0]), "{received:?}");
        assert!((2..=6).contains(&received[1]), "{received:?}");
    }
}

#[test]
fn a_question_to_the_rules_counts_nothing() {
    let mut bed = bed(1, rules("a"));
    let query = AccessQuery {
        client_id: "boss".into(),
        action: Action::Publish,
        topic: "secret/x".into(),
        identity: None,
    };
    let answer = bed.request(0, Request::Access(Box::new(query)));
    let is_allowed = |answer: &AccessAnswer| answer.is_allowed;
    assert!(matches!(answer, Answer::Access(answer) if is_allowed(&answer)));
    assert_eq!(times(&hits(&mut bed, 1).rules[0]), [0; 3]);
}

#[test]
fn counts_outlive_other_rules_that_change() {
    for shards in SHARDS {
        let mut bed = bed(shards, rules("etc/acl.toml:1"));
        let begin = bed.now().unix_ms;
        let boss = bed.connect(V5, "boss");
        bed.subscribe(boss, "home/#", QoS::AtMostOnce);
        bed.publish(boss, "secret/x", b"x", QoS::AtLeastOnce);
        bed.publish(boss, "else", b"x", QoS::AtLeastOnce);
        bed.advance(5_000);
        // Another line, another place, and one that says something else by now.
        let mut changed = rules("etc/acl.toml:9").rules().to_vec();
        changed.swap(0, 1);
        changed.insert(0, rule(false, &[Action::Subscribe], "home/#"));
        changed[3] = rule(true, &[Action::Publish], "home/#");
        let changed = AccessRules::new(changed, Actions::NONE);
        bed.command(Command::SetAccess(Arc::new(changed)));
        let told = hits(&mut bed, shards);
        let counts: Vec<_> = told.rules.iter().map(times).collect();
        // What took the subscription back has decided that.
        assert_eq!(counts[..4], [[0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]]);
        assert_eq!(times(&told.by_default), [0; 3]);
        let since: Vec<_> = told.rules.iter().map(|hits| hits.since_unix_ms).collect();
        let now = begin + 5_000;
        assert_eq!(since, [now, begin, begin, now, begin]);
        // The same rules once more, as when a comment is added.
        let same = bed.request(0, Request::AccessHits);
        let Answer::AccessHits(same) = same else {
            panic!("no answer");
        };
        bed.advance(1);
        bed.command(Command::UsersChanged {
            changes: Arc::default(),
            access: Some(same.access),
        });
        assert_eq!(hits(&mut bed, shards).rules, told.rules);
    }
}
