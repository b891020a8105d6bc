//! What a session forgets, loses, or keeps for later.

use crate::lab::{Lab, NOT_DELIVERED, WAITING, advises, tells};
use crate::raw::{Hello, Raw};

/// Session Expiry Interval of MQTT 5, in CONNECT.
const fn expiry(secs: u8) -> [u8; 5] {
    [0x11, 0, 0, 0, secs]
}

/// Causes 5, 6 and 7: the session and its subscriptions were gone.
#[test]
fn a_session_does_not_outlive_its_connection_or_its_time() {
    let lab = Lab::start();

    // 6: clean start 0 is not enough with MQTT 5.
    let hello = Hello {
        is_clean: false,
        ..Hello::v5("forgetful")
    };
    let mut forgetful = Raw::connects(&lab, &hello);
    forgetful.subscribes("six/x", 1);
    forgetful.leaves(0);
    lab.publishes("esp", &["-q", "1", "-t", "six/x", "-m", "1"]);
    let asked = ["six/x", "--to", "forgetful"];
    let report = lab.says(&asked, NOT_DELIVERED, "S01");
    advises(&report, "Session Expiry");

    // 5: it came back with clean start, and subscribes to something else.
    lab.leaves("tidy", &["-c", "-q", "1", "-t", "five/x"]);
    let mut tidy = lab.listens("tidy", &["-q", "1", "-t", "five/other"]);
    lab.publishes("esp", &["-q", "1", "-t", "five/x", "-m", "1"]);
    lab.publishes("esp", &["-q", "1", "-t", "five/other", "-m", "1"]);
    tidy.gets("sending PUBACK");
    let report = lab.says(&["five/x", "--to", "tidy"], NOT_DELIVERED, "S03");
    tells(
        &report["verdict"],
        &["clean session", "not subscribed again"],
    );
    lab.says(&["five/other", "--to", "tidy"], 0, "D01");

    // 7: it expired, with a message in it; and what came after that was for nobody.
    let hello = Hello {
        is_clean: false,
        properties: &expiry(1),
        ..Hello::v5("late")
    };
    let mut late = Raw::connects(&lab, &hello);
    late.subscribes("seven/#", 1);
    late.leaves(0);
    lab.publishes("esp", &["-q", "1", "-t", "seven/x", "-m", "1"]);
    lab.comes_to(&["seven/x", "--to", "late"], NOT_DELIVERED, "S03", "waited");
    lab.publishes("esp", &["-q", "1", "-t", "seven/y", "-m", "1"]);
    let report = lab.says(&["seven/y", "--to", "late"], NOT_DELIVERED, "S03");
    tells(&report["verdict"], &["expired"]);

    // The control: it came back in time.
    let hello = Hello {
        id: "prompt",
        properties: &expiry(200),
        ..hello
    };
    let mut prompt = Raw::connects(&lab, &hello);
    prompt.subscribes("seven/#", 1);
    prompt.leaves(0);
    lab.publishes("esp", &["-q", "1", "-t", "seven/z", "-m", "1"]);
    lab.says(&["seven/z", "--to", "prompt"], WAITING, "S13");
    Raw::connects(&lab, &hello).acknowledges();
    lab.says(&["seven/z", "--to", "prompt"], 0, "D01");
}

/// Cause 12: the message expired before the client came back.
#[test]
fn a_message_expires_in_the_queue() {
    let lab = Lab::start();
    lab.leaves("away", &["-c", "-q", "1", "-t", "milk/+"]);
    let expiring = ["-V", "5", "-D", "publish", "message-expiry-interval", "1"];
    let milk = [&expiring[..], &["-q", "1", "-t", "milk/x", "-m", "1"]].concat();
    lab.publishes("esp", &milk);
    lab.publishes("esp", &["-q", "1", "-t", "milk/y", "-m", "1"]);
    // Nobody takes it out of the queue, but its time is known. The control is the one that stays.
    let asked = ["milk/x", "--to", "away"];
    lab.comes_to(&asked, NOT_DELIVERED, "S09", "expired");
    let _away = lab.listens("away", &["-c", "-q", "1", "-t", "milk/+"]);
    lab.comes_to(&["milk/y", "--to", "away"], 0, "D01", "acknowledged");
    let report = lab.says(&asked, NOT_DELIVERED, "S09");
    tells(&report["verdict"], &["expired while it waited for away"]);

    // With an interval of 0 it is for those who are there at once.
    let mut esp = Raw::connects(&lab, &Hello::v5("esp5"));
    esp.publishes("milk/z", 0x02, 7, &[0x02, 0, 0, 0, 0]);
    esp.pings();
    lab.comes_to(&["milk/z", "--to", "away"], 0, "D01", "acknowledged");
}

/// Cause 11: the client does not acknowledge, and the window is full.
#[test]
fn a_receive_maximum_is_stalled() {
    let lab = Lab::start();
    let hello = Hello {
        properties: &[0x21, 0, 1],
        ..Hello::v5("stuck")
    };
    let mut stuck = Raw::connects(&lab, &hello);
    stuck.subscribes("window/#", 1);
    lab.publishes("esp", &["-q", "1", "-t", "window/first", "-m", "1"]);
    lab.publishes("esp", &["-q", "1", "-t", "window/second", "-m", "1"]);
    let asked = ["window/second", "--to", "stuck"];
    let report = lab.says(&asked, WAITING, "S11");
    tells(&report["verdict"], &["1 unacknowledged message"]);
    advises(&report, "cknowledge");
    lab.says(&["window/first", "--to", "stuck"], WAITING, "D03");
    // It acknowledges: all of it arrives, and the stall is a thing of the past.
    stuck.acknowledges();
    lab.says(&["window/first", "--to", "stuck"], 0, "D01");
    lab.says(&["window/second", "--to", "stuck"], WAITING, "D03");
    lab.publishes("esp", &["-q", "0", "-t", "window/zero", "-m", "1"]);
    lab.says(&["window/zero", "--to", "stuck"], 0, "D02");
}

/// Cause 53: QoS 0 to a socket that takes no more.
#[test]
fn a_slow_reader_loses_qos_0() {
    let lab = Lab::start();
    let mut slow = Raw::connects(&lab, &Hello::v5("slow"));
    slow.subscribes("flood/#", 0);
    let payload = "x".repeat(9_000);
    // More than both kernels and the broker keep for it.
    let many = [
        "--repeat", "2000", "-q", "0", "-t", "flood/x", "-m", &payload,
    ];
    lab.publishes("esp", &many);
    let report = lab.says(&["flood/x", "--to", "slow"], NOT_DELIVERED, "S08");
    tells(&report["verdict"], &["took no more"]);
    // Somebody who reads has all of it.
    let mut quick = lab.listens("quick", &["-q", "0", "-t", "calm/x"]);
    lab.publishes("esp", &["-q", "0", "-t", "calm/x", "-m", "1"]);
    quick.gets("calm/x");
    lab.says(&["calm/x", "--to", "quick"], 0, "D02");
}

/// Cause 56: an operator takes the subscription away, or ends the session.
#[test]
fn an_operator_unsubscribes_and_ends_sessions() {
    let lab = Lab::start();
    let mut hub = lab.listens("hub", &["-q", "1", "-t", "ops/x", "-t", "ops/y"]);
    lab.api("DELETE", "/api/v1/clients/hub/subscriptions/ops%2Fx", "");
    lab.publishes("esp", &["-q", "1", "-t", "ops/x", "-m", "1"]);
    lab.publishes("esp", &["-q", "1", "-t", "ops/y", "-m", "1"]);
    hub.gets("sending PUBACK");
    let report = lab.says(&["ops/x", "--to", "hub"], NOT_DELIVERED, "S12");
    tells(&report["verdict"], &["An operator", "ops/x"]);
    lab.says(&["ops/y", "--to", "hub"], 0, "D01");

    lab.leaves("idle", &["-c", "-q", "1", "-t", "ops/z"]);
    lab.api("DELETE", "/api/v1/sessions/idle", "");
    lab.publishes("esp", &["-q", "1", "-t", "ops/z", "-m", "1"]);
    let report = lab.says(&["ops/z", "--to", "idle"], NOT_DELIVERED, "S03");
    tells(&report["verdict"], &["An operator"]);

    // The same with a message in it: nothing that the client could do would have helped.
    lab.leaves("full", &["-c", "-q", "1", "-t", "ops/u"]);
    lab.publishes("esp", &["-q", "1", "-t", "ops/u", "-m", "1"]);
    // It may be on its way to the session's shard when the publisher has its answer.
    lab.comes_to(&["ops/u", "--to", "full"], WAITING, "S13", "offline");
    lab.api("DELETE", "/api/v1/sessions/full", "");
    let report = lab.says(&["ops/u", "--to", "full"], NOT_DELIVERED, "S03");
    tells(
        &report["verdict"],
        &["an operator (on the admin socket", "ended it"],
    );
    advises(&report, "columba events --client full");
    let fixes = report["fixes"].to_string();
    assert!(!fixes.contains("Session Expiry"), "{fixes}");

    // It unsubscribed by itself; and again is as before.
    let mut fickle = Raw::connects(&lab, &Hello::v5("fickle"));
    fickle.subscribes("ops/+", 1);
    fickle.unsubscribes("ops/+");
    lab.publishes("esp", &["-q", "1", "-t", "ops/v", "-m", "1"]);
    let report = lab.says(&["ops/v", "--to", "fickle"], NOT_DELIVERED, "S12");
    tells(&report["verdict"], &["fickle had unsubscribed from ops/+"]);
    fickle.subscribes("ops/+", 1);
    lab.publishes("esp", &["-q", "1", "-t", "ops/w", "-m", "1"]);
    fickle.acknowledges();
    lab.says(&["ops/w", "--to", "fickle"], 0, "D01");
}

/// Causes 19, 20 and 45: a member of a shared subscription that is away, and several filters of one client.
#[test]
fn a_shared_subscription_and_one_of_its_own() {
    let lab = Lab::start();
    let filter = "$share/g/jobs/+";
    lab.leaves("w1", &["-c", "-q", "1", "-t", filter]);
    // All members are away: it waits for one of them.
    lab.publishes("esp", &["-q", "1", "-t", "jobs/first", "-m", "1"]);
    lab.says(&["jobs/first", "--to", "w1"], WAITING, "S13");
    // One of them is there, and gets what comes from now on.
    let mut w2 = lab.listens("w2", &["-q", "1", "-t", filter]);
    lab.publishes("esp", &["-q", "1", "-t", "jobs/second", "-m", "1"]);
    w2.gets("sending PUBACK");
    lab.says(&["jobs/second", "--to", "w2"], 0, "D01");
    let report = lab.says(&["jobs/second", "--to", "w1"], NOT_DELIVERED, "R05");
    tells(&report["verdict"], &["w2"]);

    // A client whose two filters match has it at least once.
    let mut both = lab.listens("both", &["-q", "1", "-t", "twice/#", "-t", "twice/+"]);
    lab.publishes("esp", &["-q", "1", "-t", "twice/x", "-m", "1"]);
    both.gets("sending PUBACK");
    lab.comes_to(&["twice/x", "--to", "both"], 0, "D01", "acknowledged");
}
