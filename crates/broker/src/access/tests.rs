//! Decisions of rule lists, by table.

use super::*;

fn rule(is_allow: bool, actions: &[Action], topics: &[&str]) -> Rule {
    Rule {
        is_allow,
        actions: Actions {
            publish: actions.contains(&Publish),
            subscribe: actions.contains(&Subscribe),
            receive: actions.contains(&Receive),
        },
        who: Who::default(),
        topics: topics
            .iter()
            .map(|text| TopicPattern::parse(text).expect("a pattern"))
            .collect(),
        place: String::new(),
    }
}

fn allow(actions: &[Action], topics: &[&str]) -> Rule {
    rule(true, actions, topics)
}

fn deny(actions: &[Action], topics: &[&str]) -> Rule {
    rule(false, actions, topics)
}

/// What rules in a file of ours fall back to.
const FILE_DEFAULT: Actions = Actions {
    publish: false,
    subscribe: false,
    receive: true,
};

const ANN: Client<'_> = Client {
    client_id: "esp-1",
    user: Some("ann"),
    groups: &[],
    addr: None,
};

use Action::{Publish, Receive, Subscribe};

#[test]
fn the_first_rule_decides_and_nothing_is_allowed_by_default() {
    let rules = AccessRules::new(
        vec![
            deny(&[Publish], &["home/door"]),
            allow(&[Publish, Subscribe], &["home/#"]),
            deny(&[Publish], &["home/lamp"]),
        ],
        FILE_DEFAULT,
    );
    let check = |action, topic, is_allowed, rule: Option<u32>| {
        let expected = Decision {
            is_allowed,
            rule: rule.map(RuleId),
        };
        assert_eq!(
            rules.decide(&ANN, action, topic),
            expected,
            "{action:?} {topic}"
        );
    };
    check(Publish, "home/door", false, Some(0));
    check(Publish, "home/lamp", true, Some(1));
    check(Publish, "garden", false, None);
    check(Subscribe, "home/+/t", true, Some(1));
    check(Subscribe, "$share/group/home/#", true, Some(1));
    check(Subscribe, "#", false, None);
    check(Subscribe, "$SYS/#", false, None);
    check(Receive, "home/door", true, None);
}

#[test]
fn a_denied_part_of_a_filter_is_held_back_at_delivery() {
    for denied in [Subscribe, Receive] {
        let rules = AccessRules::new(
            vec![
                allow(&[Subscribe], &["secret/menu"]),
                allow(&[Receive], &["secret/menu"]),
                deny(&[denied], &["secret/#"]),
                allow(&[Subscribe], &["#"]),
            ],
            FILE_DEFAULT,
        );
        let may = |action, topic| rules.decide(&ANN, action, topic).is_allowed;
        assert!(rules.has_receive_rules());
        assert!(may(Subscribe, "#"));
        assert!(may(Receive, "home"));
        assert!(may(Receive, "secret/menu"));
        assert!(!may(Receive, "secret/key"));
        assert_eq!(may(Subscribe, "secret/+"), denied == Receive);
    }
}

#[test]
fn a_rule_about_receiving_goes_before_one_about_subscribing() {
    let rules = AccessRules::new(
        vec![allow(&[Subscribe], &["#"]), deny(&[Receive], &["secret/#"])],
        FILE_DEFAULT,
    );
    assert!(!rules.decide(&ANN, Receive, "secret/key").is_allowed);
}

#[test]
fn every_part_of_who_must_match() {
    let group: Arc<str> = "staff".into();
    let mut one = allow(&[Publish], &["t"]);
    one.who = Who {
        users: UserMatch::Named(vec!["ann".into(), "ann".into()]),
        groups: vec![group.clone()],
        clients: vec![
            ClientMatch::StartsWith("esp-".into()),
            ClientMatch::Is("pc".into()),
        ],
        addresses: vec![AddressRange::Network {
            base: [10, 1, 0, 0].into(),
            prefix_len: 16,
        }],
    };
    let rules = AccessRules::new(vec![one], FILE_DEFAULT);
    let groups = [group];
    let good = Client {
        groups: &groups,
        addr: Some([10, 1, 2, 3].into()),
        ..ANN
    };
    let may = |client: Client<'_>| rules.decide(&client, Publish, "t").is_allowed;
    assert!(may(good));
    assert!(may(Client {
        client_id: "pc",
        ..good
    }));
    assert!(may(Client {
        addr: Some("::ffff:10.1.2.3".parse().expect("an address")),
        ..good
    }));
    assert!(!may(Client {
        client_id: "pc2",
        ..good
    }));
    assert!(!may(Client {
        user: Some("bob"),
        ..good
    }));
    assert!(!may(Client { user: None, ..good }));
    assert!(!may(Client {
        groups: &[],
        ..good
    }));
    assert!(!may(Client {
        addr: Some([10, 2, 2, 3].into()),
        ..good
    }));
    assert!(!may(Client { addr: None, ..good }));
}

#[test]
fn address_ranges_are_exact() {
    let check = |base: &str, prefix_len, addr: &str, expected| {
        let range = AddressRange::Network {
            base: base.parse().expect("base"),
            prefix_len,
        };
        assert_eq!(
            range.has(addr.parse().ok()),
            expected,
            "{base}/{prefix_len} {addr}"
        );
    };
    check("0.0.0.0", 0, "255.1.2.3", true);
    check("192.168.1.7", 32, "192.168.1.7", true);
    check("192.168.1.7", 31, "192.168.1.6", true);
    check("192.168.1.7", 32, "192.168.1.6", false);
    check("::", 0, "1.2.3.4", false);
    check("fd00::", 8, "fd12::1", true);
    check("fd00::", 128, "fd00::1", false);
    assert!(AddressRange::Local.has(None));
    assert!(AddressRange::Local.has("::ffff:127.0.0.1".parse().ok()));
    assert!(!AddressRange::Local.has("10.0.0.1".parse().ok()));
}

#[test]
fn rules_of_users_keep_their_order_among_the_general_ones() {
    let mut ann = deny(&[Publish], &["t"]);
    ann.who.users = UserMatch::Named(vec!["ann".into()]);
    let mut late = allow(&[Publish], &["late"]);
    late.who.users = UserMatch::Named(vec!["ann".into()]);
    let mut guests = allow(&[Publish], &["guests"]);
    guests.who.users = UserMatch::Anonymous;
    let mut known = allow(&[Publish], &["known"]);
    known.who.users = UserMatch::LoggedIn;
    let rules = AccessRules::new(
        vec![ann, allow(&[Publish], &["t"]), late, guests, known],
        FILE_DEFAULT,
    );
    let may = |user, topic| {
        rules
            .decide(&Client { user, ..ANN }, Publish, topic)
            .is_allowed
    };
    assert!(!may(Some("ann"), "t"));
    assert!(may(Some("bob"), "t"));
    assert!(may(None, "t"));
    assert!(may(Some("ann"), "late"));
    assert!(!may(Some("bob"), "late"));
    assert!(may(None, "guests") && !may(Some("ann"), "guests") && !may(Some("bob"), "guests"));
    assert!(!may(None, "known") && may(Some("ann"), "known") && may(Some("bob"), "known"));
}

#[test]
fn the_fast_paths_tell_the_truth() {
    assert!(AccessRules::allow_all().allows_all());
    assert!(!AccessRules::allow_all().has_receive_rules());
    let open = AccessRules::new(vec![allow(&[Publish], &["a"])], Actions::ALL);
    assert!(open.allows_all());
    let closed = AccessRules::new(vec![allow(&[Publish], &["#"])], FILE_DEFAULT);
    assert!(!closed.allows_all() && !closed.has_receive_rules());
    assert!(AccessRules::new(vec![deny(&[Subscribe], &["a"])], Actions::ALL).has_receive_rules());
    let read_default = Actions {
        receive: false,
        ..Actions::ALL
    };
    assert!(AccessRules::new(vec![], read_default).has_receive_rules());
}
