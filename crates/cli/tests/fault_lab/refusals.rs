//! Who is not let in, or not heard, and is told why: subscribers as well as publishers.

use crate::lab::{Lab, NOT_DELIVERED, advises, notices, tells};
use crate::raw::{Hello, Raw};

/// Causes 39 and 49 for a subscriber: it is refused, and did not forget to subscribe.
#[test]
fn a_subscriber_is_not_let_in() {
    let lab = Lab::start();
    let body = r#"{"kind":"client","value":"banned","for_secs":600,"reason":"it flaps"}"#;
    lab.api("POST", "/api/v1/bans", body);
    let filter = ["-q", "1", "-t", "door/#", "-E"];
    for (client, login, reason) in [
        ("sbad", &["-u", "ann", "-P", "wrong"][..], "password"),
        ("banned", &[], "it flaps"),
    ] {
        let args = [login, &filter].concat();
        let output = lab.mosquitto("mosquitto_sub", client, &args).output();
        assert!(!output.expect("mosquitto_sub").status.success());
        lab.publishes("esp", &["-q", "1", "-t", "door/a", "-m", "1"]);
        let report = lab.says(&["door/a", "--to", client], NOT_DELIVERED, "S15");
        assert_eq!(report["verdict"]["confidence"], "certain", "{report:#}");
        tells(&report["verdict"], &["was refused 1 time", reason]);
        advises(&report, "Correct what the refusal names");
        notices(&report, "R01");
        lab.says(&["--to", client], NOT_DELIVERED, "S15");
    }
    // The control: it is let in.
    let mut hub = lab.listens("sbad", &["-q", "1", "-t", "door/#"]);
    lab.publishes("late", &["-q", "1", "-t", "door/a", "-m", "1"]);
    hub.gets("sending PUBACK");
    let asked = ["door/a", "--from", "late", "--to", "sbad"];
    lab.says(&asked, 0, "D01");
}

/// Causes 22, 33 and 49 for who does not know the topic, or not the publisher.
#[test]
fn what_was_not_read_is_told_whatever_is_asked() {
    let lab = Lab::start();
    let body = r#"{"kind":"client","value":"crook","for_secs":600,"reason":"it flaps"}"#;
    lab.api("POST", "/api/v1/bans", body);
    lab.publishes("crook", &["-q", "1", "-t", "unread/x", "-m", "1"]);
    lab.says(&["--from", "crook"], NOT_DELIVERED, "P02");
    let report = lab.answers("topic=unread/x", "P05");
    tells(notices(&report, "P02"), &["crook was refused", "it flaps"]);

    let payload = "x".repeat(20_000);
    lab.publishes("huge", &["-q", "1", "-t", "unread/x", "-m", &payload]);
    let report = lab.says(&["--from", "huge"], NOT_DELIVERED, "P08");
    advises(&report, "Send less at a time");
    let report = lab.answers("topic=unread/x", "P05");
    assert_eq!(report["verdict"]["confidence"], "possible", "{report:#}");
    assert_eq!(notices(&report, "P08")["confidence"], "possible");

    // A topic with a wildcard, and one in GBK.
    for (client, topic, code) in [("wild", &b"a/+"[..], "P06"), ("gbk", b"\xce\xc2/x", "P04")] {
        let mut raw = Raw::connects(&lab, &Hello::v3(client));
        let len = topic.len() as u8;
        raw.send(&[&[0x30, len + 3, 0, len], topic, b"1"].concat());
        raw.is_closed();
        lab.says(&["--from", client], NOT_DELIVERED, code);
    }
    let report = lab.says(&["a/+"], NOT_DELIVERED, "P06");
    assert!(!report["also"].to_string().contains("P05"), "{report:#}");

    // The control: what is small enough, of somebody who may.
    let mut hub = lab.listens("hub", &["-q", "1", "-t", "unread/x"]);
    lab.publishes("esp", &["-q", "1", "-t", "unread/x", "-m", "1"]);
    hub.gets("sending PUBACK");
    lab.says(&["--from", "esp"], 0, "D01");
    lab.says(&["unread/x", "--to", "hub"], 0, "D01");
}

/// Cause 4, where the topic is named: a filter that is none, and who is not asked about.
#[test]
fn a_refused_filter_is_told_where_the_topic_is_named() {
    let lab = Lab::start();
    let mut raw = Raw::connects(&lab, &Hello::v3("badf"));
    assert_eq!(raw.subscribes("bf/#/b", 1), 0x80);
    lab.publishes("esp", &["-q", "1", "-t", "bf/x/b", "-m", "1"]);
    let report = lab.says(&["bf/x/b", "--to", "badf"], NOT_DELIVERED, "S05");
    advises(&report, "Correct bf/#/b");
    assert!(!report["fixes"].to_string().contains("access rules"));
    let mut nosy = Raw::connects(&lab, &Hello::v3("nosy"));
    assert_eq!(nosy.subscribes("secret/#", 1), 0x80);
    lab.publishes("esp", &["-q", "1", "-t", "secret/x", "-m", "1"]);
    let report = lab.says(&["secret/x"], NOT_DELIVERED, "S05");
    tells(&report["verdict"], &["nosy asked for secret/#"]);
    // The control: a filter as it should be.
    raw.subscribes("bf/+/b", 1);
    lab.publishes("late", &["-q", "1", "-t", "bf/x/b", "-m", "1"]);
    raw.acknowledges();
    lab.says(&["bf/x/b", "--from", "late", "--to", "badf"], 0, "D01");
}

/// Cause 36 for a subscriber, and for one device of a fleet.
#[test]
fn another_protocol_may_have_been_that_of_a_subscriber() {
    let lab = Lab::start();
    for greeting in [
        &b"GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"SSH-2.0-x\r\n",
    ] {
        let mut stranger = Raw::silent(&lab);
        stranger.send(greeting);
        stranger.is_closed();
    }
    lab.publishes("sensor-11", &["-q", "1", "-t", "fleet/x", "-m", "1"]);
    for asked in ["topic=fleet/x&to=sensor-12", "to=sensor-12"] {
        let report = lab.answers(asked, "U03");
        let also = notices(&report, "S15");
        assert_eq!(also["confidence"], "possible", "{report:#}");
        tells(also, &["HTTP", "SSH"]);
    }
    let report = lab.answers("topic=fleet/x&from=sensor-12", "P01");
    tells(notices(&report, "P02"), &["HTTP", "SSH"]);
    // The control: who has been here is not suspected of it.
    let report = lab.answers("topic=fleet/x&from=sensor-11", "R01");
    assert!(!report["also"].to_string().contains("P02"), "{report:#}");
}
