//! What never becomes a message, and what no copy is made of.

use crate::lab::{CANNOT_TELL, Lab, NOT_DELIVERED, WAITING, advises, notices, tells};
use crate::raw::{Hello, Raw};

/// QoS 1, No Local and Retain Handling, as SUBSCRIBE has them.
const NO_LOCAL: u8 = 0x05;
const RETAINED_IF_NEW: u8 = 0x11;
const RETAINED_NEVER: u8 = 0x21;

/// Cause 13: it was the client's own message.
#[test]
fn no_local_keeps_ones_own_messages_away() {
    let lab = Lab::start();
    let mut own = Raw::connects(&lab, &Hello::v5("own"));
    own.subscribes("chat/#", NO_LOCAL);
    own.publishes("chat/x", 0x02, 7, &[]);
    own.pings();
    let asked = ["chat/x", "--from", "own", "--to", "own"];
    let report = lab.says(&asked, NOT_DELIVERED, "R06");
    tells(&report["verdict"], &["own published the message itself"]);
    // Somebody else's arrives.
    lab.publishes("esp", &["-q", "1", "-t", "chat/x", "-m", "1"]);
    own.acknowledges();
    lab.says(&["chat/x", "--from", "esp", "--to", "own"], 0, "D01");
    // Without No Local one's own does.
    own.subscribes("chat/#", 1);
    own.publishes("chat/y", 0x02, 8, &[]);
    own.acknowledges();
    lab.says(&["chat/y", "--from", "own", "--to", "own"], 0, "D01");
}

/// What came before the time that was asked about is not said to have never come.
#[test]
fn the_last_message_came_before_the_time_asked_about() {
    let mut lab = Lab::start();
    lab.publishes("esp", &["-q", "1", "-t", "early/x", "-m", "1"]);
    lab.answers("topic=early/x&from=esp", "R01");
    lab.asks_since_now();
    let report = lab.answers("topic=early/x&from=esp", "U04");
    tells(&report["verdict"], &["Its last one came"]);
    advises(&report, "--since");
}

/// Cause 16: the retained message was not asked for.
#[test]
fn retain_handling_leaves_retained_messages_out() {
    let lab = Lab::start();
    for topic in ["kept/a", "kept/b", "kept/c"] {
        lab.publishes("esp", &["-r", "-q", "1", "-t", topic, "-m", "1"]);
    }
    let mut never = Raw::connects(&lab, &Hello::v5("never"));
    never.subscribes("kept/a", RETAINED_NEVER);
    let report = lab.says(&["kept/a", "--to", "never"], NOT_DELIVERED, "R04");
    tells(&report["verdict"], &["Retain Handling 2"]);
    // The control: a new subscription with 1 gets it.
    never.subscribes("kept/b", RETAINED_IF_NEW);
    never.acknowledges();
    lab.says(&["kept/b", "--to", "never"], 0, "D01");
    // Shared subscriptions get none.
    never.subscribes("$share/g/kept/c", 1);
    let report = lab.says(&["kept/c", "--to", "never"], NOT_DELIVERED, "R04");
    advises(&report, "etain");
}

/// Cause 54, and a PUBLISH that comes twice.
#[test]
fn qos_2_is_not_finished_or_comes_again() {
    let lab = Lab::start();
    let mut hub = lab.listens("hub", &["-q", "1", "-t", "two/#"]);
    let mut esp = Raw::connects(&lab, &Hello::v5("esp"));
    esp.publishes("two/x", 0x04, 7, &[]);
    esp.publishes("two/x", 0x0c, 7, &[]);
    esp.pings();
    hub.gets("sending PUBACK");
    let asked = ["two/x", "--from", "esp", "--to", "hub"];
    let report = lab.says(&asked, 0, "D01");
    tells(notices(&report, "P11"), &["again, 1 time"]);
    tells(notices(&report, "P10"), &["1 QoS 2 message without PUBREL"]);
    // PUBREL: the exchange is over.
    esp.send(&[0x62, 2, 0, 7]);
    esp.pings();
    esp.publishes("two/y", 0x02, 8, &[]);
    hub.gets("sending PUBACK");
    let report = lab.says(&["two/y", "--from", "esp", "--to", "hub"], 0, "D01");
    assert!(!report["also"].to_string().contains("P1"), "{report:#}");
}

/// Causes 46 and 49: a topic alias that is not set, and more messages on their way than the broker takes.
#[test]
fn a_publisher_breaks_a_limit() {
    let lab = Lab::start_with("[store]\ndurability = \"memory\"\n");
    let mut alias = Raw::connects(&lab, &Hello::v5("alias"));
    // Topic Alias 3 in place of a topic.
    alias.publishes("", 0, 0, &[0x23, 0, 3]);
    alias.is_closed();
    let report = lab.says(&["alias/x", "--from", "alias"], NOT_DELIVERED, "P06");
    tells(&report["verdict"], &["alias"]);
    // The control: it is set first.
    let mut hub = lab.listens("hub", &["-q", "0", "-t", "alias/x"]);
    let mut alias = Raw::connects(&lab, &Hello::v5("alias2"));
    alias.publishes("alias/x", 0, 0, &[0x23, 0, 3]);
    alias.publishes("", 0, 0, &[0x23, 0, 3]);
    alias.pings();
    hub.gets("alias/x");
    lab.says(&["alias/x", "--from", "alias2", "--to", "hub"], 0, "D02");

    // 49: one more with QoS 2 than the Receive Maximum, none of them released.
    let mut eager = Raw::connects(&lab, &Hello::v5("eager"));
    for id in 1..=RECEIVE_MAXIMUM + 1 {
        eager.publishes("eager/x", 0x04, id, &[]);
    }
    eager.is_closed();
    let asked = ["eager/x", "--from", "eager"];
    let report = lab.says(&asked, NOT_DELIVERED, "P09");
    tells(&report["verdict"], &["eager reached a limit"]);
    // A protocol error is none of the topic.
    let mut broken = Raw::connects(&lab, &Hello::v5("broken"));
    broken.send(&[0x36, 0]);
    broken.is_closed();
    lab.says(&["eager/y", "--from", "broken"], NOT_DELIVERED, "P04");
}

/// What the laboratory's configuration allows.
const RECEIVE_MAXIMUM: u16 = 8;

/// Cause 57: it arrived, and the program does not understand it.
#[test]
fn a_payload_looks_odd() {
    let lab = Lab::start();
    let mut hub = lab.listens("hub", &["-q", "1", "-t", "odd/+"]);
    for (topic, payload, part) in [
        ("odd/cut", "{\"t\": 21", "like JSON"),
        ("odd/empty", "", "empty"),
    ] {
        lab.publishes("esp", &["-q", "1", "-t", topic, "-m", payload]);
        hub.gets("sending PUBACK");
        let report = lab.says(&[topic, "--to", "hub"], 0, "D01");
        tells(notices(&report, "D04"), &[part]);
    }
    lab.publishes("esp", &["-q", "1", "-t", "odd/fine", "-m", "{\"t\": 21}"]);
    hub.gets("sending PUBACK");
    let report = lab.says(&["odd/fine", "--to", "hub"], 0, "D01");
    assert_eq!(
        report["also"].as_array().map(Vec::len),
        Some(0),
        "{report:#}"
    );
}

/// Causes 23, 25 and 26 as far as a broker sees them: it was delivered.
#[test]
fn behind_the_acknowledgement_is_the_program() {
    let lab = Lab::start();
    let mut hub = lab.listens("hub", &["-q", "1", "-t", "app/#"]);
    lab.publishes("esp", &["-q", "1", "-t", "app/x", "-m", "1"]);
    hub.gets("sending PUBACK");
    let report = lab.says(&["app/x", "--to", "hub"], 0, "D01");
    advises(&report, "callback");
    let payload = "x".repeat(312);
    lab.publishes("esp", &["-q", "0", "-t", "app/large", "-m", &payload]);
    hub.gets("app/large");
    let report = lab.says(&["app/large", "--to", "hub"], 0, "D02");
    advises(&report, "setBufferSize");
    // 26: its callback waits for something, and acknowledges nothing.
    let mut dead = Raw::connects(&lab, &Hello::v5("dead"));
    dead.subscribes("app/stalled", 1);
    lab.publishes("esp", &["-q", "1", "-t", "app/stalled", "-m", "1"]);
    let asked = ["app/stalled", "--to", "dead"];
    let report = lab.comes_to(&asked, WAITING, "D03", "acknowledge");
    advises(&report, "callback");
}

/// Cause 9, and others: two of them at once, one on another topic, and one that is over.
#[test]
fn what_counts_of_several_causes() {
    let lab = Lab::start();
    // The rules deny the PUBLISH, and nobody subscribes either: what comes first counts.
    lab.publishes("esp", &["-q", "1", "-t", "forbidden/x", "-m", "1"]);
    let asked = ["forbidden/x", "--from", "esp", "--to", "nobody"];
    lab.says(&asked, NOT_DELIVERED, "P07");
    // A refusal on one topic is not why another one is silent.
    let mut hub = lab.listens("hub", &["-q", "1", "-t", "open/x"]);
    lab.publishes("esp", &["-q", "1", "-t", "open/x", "-m", "1"]);
    hub.gets("sending PUBACK");
    let report = lab.says(&["open/x", "--from", "esp", "--to", "hub"], 0, "D01");
    assert!(!report["also"].to_string().contains("P07"), "{report:#}");
    // The queue was full once and is not any more.
    lab.leaves("away", &["-c", "-q", "1", "-t", "queue/x"]);
    for _ in 0..5 {
        lab.publishes("esp", &["-q", "1", "-t", "queue/x", "-m", "1"]);
    }
    lab.says(&["queue/x", "--to", "away"], NOT_DELIVERED, "S07");
    let _away = lab.listens("away", &["-c", "-q", "1", "-t", "queue/x"]);
    lab.publishes("late", &["-q", "1", "-t", "queue/x", "-m", "1"]);
    let asked = ["queue/x", "--from", "late", "--to", "away"];
    lab.comes_to(&asked, 0, "D01", "acknowledged");
    // It was published before somebody subscribed, and nothing since.
    lab.publishes("esp", &["-q", "1", "-t", "early/x", "-m", "1"]);
    let _patient = lab.listens("patient", &["-q", "1", "-t", "early/x"]);
    lab.says(&["--to", "patient"], CANNOT_TELL, "U02");
    // A client that nobody knows.
    lab.says(&["--from", "nobody-at-all"], NOT_DELIVERED, "P01");
}
