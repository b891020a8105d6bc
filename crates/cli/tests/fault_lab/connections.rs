//! Who is let in, who stays, and who only seems to be there.

use crate::lab::{Lab, NOT_DELIVERED, WAITING, advises, notices, tells};
use crate::raw::{Hello, Raw};

/// Cause 1: two programs with one client id.
#[test]
fn two_programs_throw_each_other_out() {
    let lab = Lab::start_hasty();
    let args = ["-q", "1", "-t", "twin/own"];
    // Each of them connects again by itself when it has been thrown out.
    let _loop: Vec<_> = (0..4).map(|_| lab.listens("twin", &args)).collect();

    // As a publisher that nobody has heard.
    let asked = ["twin/state", "--from", "twin"];
    let report = lab.says(&asked, NOT_DELIVERED, "P03");
    advises(&report, "client id");
    tells(&report["verdict"], &["twin changed hands", "127.0.0.1 ("]);

    // As a subscriber: whoever comes next has not subscribed to what the one before had.
    // The publisher is there before, for it has to be quicker than the others are back.
    let mut publisher = Raw::connects(&lab, &Hello::v3("esp"));
    let other = Raw::connects(&lab, &Hello::v3("twin"));
    publisher.publishes("twin/own", 0x02, 1, &[]);
    publisher.pings();
    let report = lab.says(&["twin/own", "--to", "twin"], NOT_DELIVERED, "S04");
    let also = report["also"].to_string();
    assert!(also.contains("S0"), "what the loop has cost: {report:#}");
    drop(other);

    // The control: one program, whose message arrives; and what others do is not its fault.
    let mut single = lab.listens("single", &["-q", "1", "-t", "single/own"]);
    lab.publishes("esp", &["-q", "1", "-t", "single/own", "-m", "1"]);
    single.gets("sending PUBACK");
    lab.says(&["single/own", "--to", "single"], 0, "D01");
}

/// Cause 1, where the message does arrive: at the other one of the two.
#[test]
fn the_other_program_of_that_client_id_got_it() {
    let lab = Lab::start_hasty();
    let args = ["-q", "1", "-t", "twin/#"];
    let mut all: Vec<_> = (0..4).map(|_| lab.listens("twin", &args)).collect();
    lab.publishes("esp", &["-q", "1", "-t", "twin/own", "-m", "1"]);
    let (_, report) = lab.why(&["twin/own", "--to", "twin"]);
    let codes = [&report["verdict"]["code"], &report["also"][0]["code"]];
    // By the time it is asked, the loop may have gone on and the copy been lost with a session.
    if codes[0] == "D01" {
        assert_eq!(codes[1], "D05", "{report:#}");
    } else {
        assert!(codes.iter().any(|code| *code == "S04"), "{report:#}");
    }
    drop(all.pop());
}

/// Causes 34 and 35: a connection that is dead and not known to be.
#[test]
fn a_client_falls_silent() {
    let lab = Lab::start();
    let hello = Hello {
        keep_alive_secs: 1,
        is_clean: false,
        ..Hello::v3("deaf")
    };
    let mut deaf = Raw::connects(&lab, &hello);
    deaf.subscribes("deaf/zero", 0);
    deaf.subscribes("deaf/one", 1);
    lab.publishes("esp", &["-q", "0", "-t", "deaf/zero", "-m", "1"]);
    lab.publishes("esp", &["-q", "1", "-t", "deaf/one", "-m", "1"]);

    // After one and a half of its keep alive the broker gives it up.
    deaf.is_closed();
    let asked = ["deaf/zero", "--to", "deaf"];
    let report = lab.comes_to(&asked, 0, "D02", "may have been dead before");
    assert_eq!(report["verdict"]["confidence"], "possible", "{report:#}");
    lab.comes_to(&["deaf/one", "--to", "deaf"], WAITING, "S13", "offline");

    // It comes back and takes it: the cause of before is none any more.
    let mut deaf = Raw::connects(&lab, &hello);
    deaf.acknowledges();
    lab.says(&["deaf/one", "--to", "deaf"], 0, "D01");
    deaf.leaves(0);

    // A publisher that fell silent says nothing from then on.
    let hello = Hello {
        keep_alive_secs: 1,
        ..Hello::v3("mute")
    };
    Raw::connects(&lab, &hello).is_closed();
    let asked = ["mute/x", "--from", "mute", "--since", "1s"];
    lab.comes_to(&asked, NOT_DELIVERED, "P04", "ended");
}

/// Cause 27: the publisher leaves before its message does.
#[test]
fn a_publisher_exits_too_early() {
    let lab = Lab::start();
    let mut hasty = Raw::connects(&lab, &Hello::v3("hasty"));
    // Half a PUBLISH.
    hasty.send(b"\x30\x09\0\x07has");
    drop(hasty);
    lab.has_seen("hasty", "disconnect.");
    let report = lab.answers("topic=hasty/x&from=hasty", "P05");
    advises(&report, "before the program exits");
    // The control.
    let mut calm = Raw::connects(&lab, &Hello::v3("calm"));
    let mut hub = lab.listens("hub", &["-q", "0", "-t", "calm/x"]);
    calm.publishes("calm/x", 0, 0, &[]);
    calm.leaves(0);
    hub.gets("calm/x");
    lab.says(&["calm/x", "--from", "calm", "--to", "hub"], 0, "D02");
}

/// Cause 36: another protocol at the port.
#[test]
fn something_else_than_mqtt_is_spoken() {
    let lab = Lab::start();
    let mut browser = Raw::silent(&lab);
    browser.send(b"GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n");
    browser.is_closed();
    let report = lab.answers("topic=web/x&from=web", "P01");
    let also = notices(&report, "P02");
    assert_eq!(also["confidence"], "possible", "{report:#}");
    tells(also, &["HTTP"]);
    // Who has been here is not suspected of it.
    lab.publishes("esp", &["-q", "1", "-t", "esp/other", "-m", "1"]);
    notices(&lab.answers("topic=web/x&from=web", "P01"), "P13");
    let report = lab.answers("topic=esp/x&from=esp", "P05");
    assert!(!report["also"].to_string().contains("P02"), "{report:#}");
}

/// Cause 49: too many connections of one client, and a ban.
#[test]
fn a_client_is_banned() {
    let lab = Lab::start();
    let body = r#"{"kind":"client","value":"crook","for_secs":600,"reason":"it flaps"}"#;
    lab.api("POST", "/api/v1/bans", body);
    lab.publishes("crook", &["-q", "1", "-t", "ban/x", "-m", "1"]);
    let report = lab.says(&["ban/x", "--from", "crook"], NOT_DELIVERED, "P02");
    tells(&report["verdict"], &["it flaps"]);
    // Two causes at once: what stopped it first counts, whoever had listened.
    let mut hub = lab.listens("hub", &["-q", "1", "-t", "ban/x"]);
    let asked = ["ban/x", "--from", "crook", "--to", "hub"];
    lab.says(&asked, NOT_DELIVERED, "P02");
    lab.publishes("honest", &["-q", "1", "-t", "ban/x", "-m", "1"]);
    hub.gets("sending PUBACK");
    let asked = ["ban/x", "--from", "honest", "--to", "hub"];
    lab.says(&asked, 0, "D01");
}

/// Cause 47: a Will that is not sent, or not yet.
#[test]
fn a_will_is_not_sent() {
    let lab = Lab::start();
    let mut hub = lab.listens("hub", &["-q", "1", "-t", "will/#"]);
    let with_will = |id, topic, properties| Hello {
        is_clean: false,
        // Session expiry interval, a minute.
        properties: &[0x11, 0, 0, 0, 60],
        will: Some((topic, properties)),
        ..Hello::v5(id)
    };
    // It says goodbye.
    Raw::connects(&lab, &with_will("polite", "will/polite", &[])).leaves(0);
    let asked = ["will/polite", "--from", "polite", "--to", "hub"];
    let report = lab.says(&asked, NOT_DELIVERED, "P05");
    tells(&report["verdict"], &["Will", "DISCONNECT"]);
    advises(&report, "0x04");

    // It comes back within the Will Delay Interval.
    let hello = with_will("quick", "will/quick", &[0x18, 0, 0, 0, 30]);
    drop(Raw::connects(&lab, &hello));
    lab.has_seen("quick", "disconnect.");
    // Until then it waits.
    let asked = ["will/quick", "--from", "quick", "--to", "hub"];
    let report = lab.says(&asked, NOT_DELIVERED, "P05");
    tells(&report["verdict"], &["Will", "not due yet"]);
    let again = Raw::connects(
        &lab,
        &Hello {
            will: None,
            ..hello
        },
    );
    let report = lab.says(&asked, NOT_DELIVERED, "P05");
    tells(&report["verdict"], &["Will", "came back"]);
    drop(again);

    // The controls: a connection that breaks, and a DISCONNECT that asks for it. Wills of the lab have
    // QoS 0.
    let hello = with_will("broken", "will/broken", &[]);
    drop(Raw::connects(&lab, &hello));
    hub.gets("will/broken");
    let asked = ["will/broken", "--from", "broken", "--to", "hub"];
    lab.says(&asked, 0, "D02");
    Raw::connects(&lab, &with_will("asks", "will/asks", &[])).leaves(4);
    hub.gets("will/asks");
    lab.says(&["will/asks", "--from", "asks", "--to", "hub"], 0, "D02");
}
