//! Both formats, by decisions.

use super::*;
use Action::{Publish, Receive, Subscribe};
use columba_broker::access::{Action, Client};

const ANN: Client<'_> = Client {
    client_id: "esp-1",
    user: Some("ann"),
    groups: &[],
    addr: None,
};
const GUEST: Client<'_> = Client { user: None, ..ANN };

fn rules(text: &str, format: AclFormat) -> AccessRules {
    let file = read("etc/acl", text, format);
    assert_eq!(file.faults, []);
    file.rules
}

fn faults(text: &str, format: AclFormat) -> Vec<String> {
    read("etc/acl", text, format)
        .faults
        .iter()
        .map(Fault::in_one_line)
        .collect()
}

#[test]
fn rules_are_read_and_know_their_place() {
    let text = r#"
[[rule]]
comment = "doors are for the staff"
deny = "publish"
topics = "home/door/#"
users = ["bob"]

[[rule]]
allow = ["publish", "subscribe"]
topics = ["home/#", "own/%u/#"]
users = ["*"]
clients = ["esp-*", "pc"]
addresses = ["10.0.0.0/8", "local"]

[[rule]]
allow = "all"
topics = ["guests"]
anonymous = true
"#;
    let rules = rules(text, AclFormat::Columba);
    let bob = Client {
        user: Some("bob"),
        ..ANN
    };
    let check = |client, action, topic, expected: (bool, &str)| {
        let decision = rules.decide(client, action, topic);
        let place = decision.rule.map_or("", |rule| rules.describe(rule));
        assert_eq!((decision.is_allowed, place), expected, "{action:?} {topic}");
    };
    check(&ANN, Publish, "home/door/1", (true, "etc/acl:8"));
    check(&bob, Publish, "home/door/1", (false, "etc/acl:2"));
    check(&bob, Subscribe, "home/#", (true, "etc/acl:8"));
    check(&ANN, Subscribe, "own/ann/#", (true, "etc/acl:8"));
    check(&ANN, Subscribe, "own/bob/#", (false, ""));
    check(&GUEST, Publish, "guests", (true, "etc/acl:15"));
    check(&GUEST, Publish, "home/x", (false, ""));
    let far = Client {
        addr: Some([192, 168, 0, 1].into()),
        ..ANN
    };
    check(&far, Publish, "home/x", (false, ""));
}

#[test]
fn every_fault_of_a_rule_file_is_told() {
    let text = r#"
[[rule]]
alow = ["publish"]
topics = ["a"]

[[rule]]
allow = ["publish", "subcribe"]
deny = ["receive"]
topics = ["a/#/b"]

[[rule]]
deny = ["subcribe"]
topics = ["x%u"]
users = []
addresses = ["10.0.0.0/33"]
clients = ["a*b"]

[[role]]
"#;
    let told = faults(text, AclFormat::Columba);
    assert_eq!(
        told,
        [
            "etc/acl:18:3: unknown section `role` (this file is a list of [[rule]] tables)",
            "etc/acl:3:1: unknown key `alow` in [[rule]] (did you mean `allow`?)",
            "etc/acl:2:1: a rule with neither allow nor deny (write allow = [\"publish\", \
             \"subscribe\"], or deny, once in each rule)",
            "etc/acl:9:11: topic `a/#/b`: # stands alone in the last level of a topic filter",
            "etc/acl:6:1: a rule with both allow and deny (write allow = [\"publish\", \
             \"subscribe\"], or deny, once in each rule)",
            "etc/acl:13:11: topic `x%u`: %c and %u fill a whole level of the topic",
            "etc/acl:14:9: users is empty (name at least one, or remove it)",
            "etc/acl:16:12: `a*b`: a * stands only at the end of a client id (write the start of \
             the client id and one *)",
            "etc/acl:15:14: `10.0.0.0/33` is no range of addresses (write \"192.168.1.0/24\", \
             \"fd00::/8\", one address, or \"local\")",
            "etc/acl:12:9: `subcribe` is no action (did you mean \"subscribe\"?)",
        ]
    );
}

#[test]
fn a_mosquitto_file_means_what_it_means_there() {
    let text = "\
# for guests
topic read $SYS/#
topic guest room

user ann
topic home/#
topic deny home/door
topic write log/%u

user bob
topic read home/#

pattern readwrite own/%u/#
pattern deny own/%u/secret
";
    let mosquitto = rules(
        &text.replace("guest room", "read guest room"),
        AclFormat::Mosquitto,
    );
    let bob = Client {
        user: Some("bob"),
        ..ANN
    };
    let check = |client, action, topic, expected| {
        let decision = mosquitto.decide(client, action, topic);
        assert_eq!(
            decision.is_allowed, expected,
            "{:?} {action:?} {topic}",
            client.user
        );
    };
    check(&GUEST, Receive, "$SYS/broker/uptime", true);
    check(&GUEST, Receive, "guest room", true);
    check(&GUEST, Publish, "guest room", false);
    check(&GUEST, Receive, "home/x", false);
    check(&GUEST, Subscribe, "home/x", true);
    check(&ANN, Publish, "home/x", true);
    check(&ANN, Receive, "home/x", true);
    check(&ANN, Publish, "home/door", false);
    check(&ANN, Receive, "home/door", false);
    check(&ANN, Subscribe, "home/door", false);
    check(&ANN, Subscribe, "home/#", true);
    check(&ANN, Publish, "log/ann", false);
    check(&ANN, Publish, "log/%u", true);
    check(&ANN, Receive, "$SYS/broker/uptime", false);
    check(&bob, Receive, "home/x", true);
    check(&bob, Publish, "home/x", false);
    check(&bob, Publish, "own/bob/x", true);
    check(&bob, Publish, "own/ann/x", false);
    check(&bob, Publish, "own/bob/secret", false);
    check(&GUEST, Publish, "own//x", false);
}

#[test]
fn every_fault_of_a_mosquitto_file_is_told() {
    let text = "tpoic a\nuser\ntopic raed a\ntopic read a/#/b\ninclude x\npattern x%c\n";
    assert_eq!(
        faults(text, AclFormat::Mosquitto),
        [
            "etc/acl:1:1: unknown word `tpoic` (did you mean `topic`?)",
            "etc/acl:2:1: user without a name (write user NAME)",
            "etc/acl:3:1: `raed` is no kind of access (did you mean `read`?)",
            "etc/acl:4:1: topic `a/#/b`: # stands alone in the last level of a topic filter \
             (correct the topic filter)",
            "etc/acl:5:1: unknown word `include` (a line starts with user, topic, pattern or #)",
            "etc/acl:6:1: topic `x%c`: %c and %u fill a whole level of the topic (correct the \
             topic filter)",
        ]
    );
}
