//! The fault lab: reasons why a message does not arrive, each made by real clients against the real
//! broker, and what `columba why` says of it; and beside each the same with the fault taken away.

mod catalogue;
mod connections;
mod doors;
mod elsewhere;
#[cfg(target_os = "linux")]
mod kernel;
mod lab;
mod publishing;
mod raw;
mod refusals;
mod sessions;
mod takeover;
mod tls;

use std::io::Write as _;
use std::net::TcpStream;

use lab::{CANNOT_TELL, Lab, NOT_DELIVERED, WAITING, advises, notices, tells};

/// Causes 29, 30, 40 and 41 of why messages do not arrive.
#[test]
fn what_no_filter_matches_and_what_arrives() {
    let lab = Lab::start();

    // The message arrives: with QoS 1 the client says so, with QoS 0 nobody does.
    let mut phone = lab.listens("phone", &["-q", "1", "-t", "home/kitchen/+"]);
    lab.publishes("esp", &["-q", "1", "-t", "home/kitchen/temp", "-m", "21"]);
    phone.gets("sending PUBACK");
    lab.publishes("esp", &["-q", "0", "-t", "home/kitchen/hum", "-m", "40"]);
    phone.gets("home/kitchen/hum");
    lab.says(&["home/kitchen/temp", "--to", "phone"], 0, "D01");
    lab.says(&["home/kitchen/hum", "--to", "phone"], 0, "D02");

    // 29, 30: a slash too many, another case.
    for (topic, rule) in [
        ("/home/kitchen/temp", "A / at the beginning"),
        ("home/Kitchen/temp", "upper"),
    ] {
        lab.publishes("esp", &["-q", "1", "-t", topic, "-m", "21"]);
        let report = lab.says(&[topic, "--to", "phone"], NOT_DELIVERED, "R02");
        let text = report["verdict"]["text"].as_str().unwrap_or_default();
        assert!(
            text.contains("home/kitchen/+") && text.contains(rule),
            "{text}"
        );
    }

    // 41: nobody subscribes to anything like it.
    lab.publishes("esp", &["-q", "1", "-t", "garage/door", "-m", "open"]);
    lab.says(&["garage/door"], NOT_DELIVERED, "R01");

    // 40: it was never published here; or the client was never seen. The broker started
    // half a second ago, and what was before that nobody asks about, unless it is named.
    let light = ["home/kitchen/light", "--to", "phone"];
    lab.says(&light, NOT_DELIVERED, "P05");
    let report = lab.says(
        &[&light[..], &["--since", "1h"]].concat(),
        CANNOT_TELL,
        "U01",
    );
    assert_eq!(report["verdict"]["sentence"], "u01_started");
    assert_eq!(report["also"][0]["code"], "P05", "{report:#}");
    lab.says(&["home/kitchen/temp", "--to", "fone"], CANNOT_TELL, "U03");

    // Somebody who looked on with # and left does not hide whose filter nearly matches.
    lab.leaves("debugtool", &["-t", "#"]);
    let _assistant = lab.listens("assistant", &["-t", "shed/door/+"]);
    lab.publishes("esp", &["-q", "1", "-t", "shed/Door/open", "-m", "1"]);
    let report = lab.says(&["shed/Door/open"], NOT_DELIVERED, "R02");
    tells(notices(&report, "S01"), &["debugtool"]);
}

/// Causes 2, 3, 4 and 31 of why messages do not arrive.
#[test]
fn what_the_rules_forbid() {
    let lab = Lab::start();

    // 2: the rules do not let it be published.
    lab.publishes("esp", &["-q", "1", "-t", "forbidden/x", "-m", "1"]);
    let report = lab.says(&["forbidden/x", "--from", "esp"], NOT_DELIVERED, "P07");
    assert!(report.to_string().contains("acl.toml:2"), "{report:#}");

    // 4: the subscription was refused, and the client did not mind.
    let mut nosy = lab.listens("nosy", &["-q", "1", "-t", "secret/#", "-t", "home/hall"]);
    lab.publishes("esp", &["-q", "1", "-t", "secret/plan", "-m", "1"]);
    lab.publishes("esp", &["-q", "1", "-t", "home/hall", "-m", "1"]);
    nosy.gets("sending PUBACK");
    lab.says(&["secret/plan", "--to", "nosy"], NOT_DELIVERED, "S05");
    lab.says(&["home/hall", "--to", "nosy"], 0, "D01");

    // 3: it may subscribe and not receive.
    let mut blind = lab.listens("blind", &["-q", "1", "-t", "#"]);
    lab.publishes("esp", &["-q", "1", "-t", "hidden/x", "-m", "1"]);
    lab.publishes("esp", &["-q", "1", "-t", "plain/x", "-m", "1"]);
    blind.gets("sending PUBACK");
    let report = lab.says(&["hidden/x", "--to", "blind"], NOT_DELIVERED, "S06");
    assert!(report.to_string().contains("acl.toml:9"), "{report:#}");
    advises(&report, "columba can blind receive hidden/x");
    lab.says(&["plain/x", "--to", "blind"], 0, "D01");

    // 31: # does not match $other/x.
    lab.publishes("esp", &["-q", "1", "-t", "$other/x", "-m", "1"]);
    lab.says(&["$other/x", "--to", "blind"], NOT_DELIVERED, "R07");

    // Nor does it match what the broker itself publishes; who asks for that gets it, unrecorded.
    let uptime = "$SYS/broker/uptime";
    let _all = lab.listens("all", &["-t", "#"]);
    let mut sys = lab.listens("sys", &["-t", uptime]);
    sys.gets(uptime);
    lab.says(&[uptime, "--to", "all"], NOT_DELIVERED, "R07");
    let report = lab.says(&[uptime, "--to", "sys"], CANNOT_TELL, "U01");
    tells(
        &report["verdict"],
        &["sys is subscribed to $SYS/broker/uptime", "not recorded"],
    );
    lab.says(&[uptime], CANNOT_TELL, "U01");
    lab.says(&["--to", "sys"], CANNOT_TELL, "U02");
}

/// Causes 5, 8, 9, 14, 15, 19 and 28 of why messages do not arrive.
#[test]
fn what_sessions_and_retained_messages_do() {
    let lab = Lab::start();

    // 14, 28: it came before the subscription, and was not retained.
    lab.publishes("esp", &["-q", "1", "-t", "late/x", "-m", "1"]);
    let _late = lab.listens("late", &["-q", "1", "-t", "late/x"]);
    lab.says(&["late/x", "--to", "late"], NOT_DELIVERED, "R03");

    // 15: it was retained, and then cleared.
    lab.publishes("esp", &["-r", "-q", "1", "-t", "kept/x", "-m", "1"]);
    lab.publishes("ghost", &["-r", "-q", "1", "-t", "kept/x", "-n"]);
    let _kept = lab.listens("kept", &["-q", "1", "-t", "kept/x"]);
    lab.says(&["kept/x", "--to", "kept"], NOT_DELIVERED, "R04");

    // 8: away, and its subscription has QoS 0.
    lab.leaves("away-0", &["-c", "-q", "0", "-t", "queue/zero"]);
    lab.publishes("esp", &["-q", "1", "-t", "queue/zero", "-m", "1"]);
    lab.says(&["queue/zero", "--to", "away-0"], NOT_DELIVERED, "S02");

    // Away with QoS 1: it waits. 9: until the queue is full.
    lab.leaves("away-1", &["-c", "-q", "1", "-t", "queue/+"]);
    lab.publishes("esp", &["-q", "1", "-t", "queue/one", "-m", "1"]);
    lab.says(&["queue/one", "--to", "away-1"], WAITING, "S13");
    for _ in 0..3 {
        lab.publishes("esp", &["-q", "1", "-t", "queue/two", "-m", "1"]);
    }
    lab.says(&["queue/one", "--to", "away-1"], NOT_DELIVERED, "S07");

    // 5: a session that ended with its connection.
    lab.leaves("clean", &["-q", "1", "-t", "gone/x"]);
    lab.publishes("esp", &["-q", "1", "-t", "gone/x", "-m", "1"]);
    lab.says(&["gone/x", "--to", "clean"], NOT_DELIVERED, "S01");

    // 19: another member of the shared group has it.
    let group = ["-V", "5", "-q", "1", "-t", "$share/g/jobs/x"];
    let _workers = [lab.listens("w1", &group), lab.listens("w2", &group)];
    lab.publishes("esp", &["-q", "1", "-t", "jobs/x", "-m", "1"]);
    let (first, second) = (
        lab.why(&["jobs/x", "--to", "w1"]),
        lab.why(&["jobs/x", "--to", "w2"]),
    );
    let codes = [&first, &second].map(|(_, report)| report["verdict"]["code"].to_string());
    assert!(
        codes.contains(&"\"R05\"".to_owned()),
        "{codes:?} {first:#?} {second:#?}"
    );
}

/// Causes 21, 22, 33 and 39 of why messages do not arrive.
#[test]
fn what_is_too_large_and_who_is_not_let_in() {
    let lab = Lab::start();

    // 21: larger than the client takes.
    let small = ["-V", "5", "-q", "1", "-t", "large/x", "-D", "connect"];
    let _small = lab.listens(
        "small",
        &[&small[..], &["maximum-packet-size", "100"]].concat(),
    );
    let payload = "x".repeat(500);
    lab.publishes("esp", &["-q", "1", "-t", "large/x", "-m", &payload]);
    lab.says(&["large/x", "--to", "small"], NOT_DELIVERED, "S10");

    // 22: larger than the broker takes.
    let payload = "x".repeat(20_000);
    lab.publishes("huge", &["-q", "1", "-t", "huge/x", "-m", &payload]);
    lab.says(&["huge/x", "--from", "huge"], NOT_DELIVERED, "P08");

    // 39: the password is wrong.
    let output = lab.publishes(
        "login",
        &["-u", "ann", "-P", "wrong", "-t", "login/x", "-m", "1"],
    );
    assert!(!output.status.success());
    lab.says(&["login/x", "--from", "login"], NOT_DELIVERED, "P02");

    // 33: a wildcard in a topic that is published to, by a client that does not check.
    let mut raw = TcpStream::connect(format!("127.0.0.1:{}", lab.port)).expect("a connection");
    raw.write_all(b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03raw")
        .expect("sent");
    raw.write_all(b"\x30\x06\0\x03a/+1").expect("sent");
    let mut closed = Vec::new();
    drop(std::io::Read::read_to_end(&mut raw, &mut closed));
    lab.says(&["a/+", "--from", "raw"], NOT_DELIVERED, "P06");
}

/// Cause 18, as far as it is about what is known afterwards.
#[test]
fn what_was_recorded_before_a_restart_is_known_after_it() {
    let mut lab = Lab::start_with("[store]\ndurability = \"os\"\n");
    lab.publishes("esp", &["-q", "1", "-t", "garage/door", "-m", "open"]);
    lab.says(&["garage/door"], NOT_DELIVERED, "R01");
    // Stopped in order: all of it is there, and it is known that nothing came in between.
    for boots in [2, 3] {
        lab.restart("TERM");
        lab.says(&["garage/door"], NOT_DELIVERED, "R01");
        let (_, report) = lab.why(&["garage/door"]);
        assert_eq!(report["coverage"]["boots"], boots, "{report:#}");
    }
    // Killed: what it had not written yet is missing, and that is said.
    lab.publishes("esp", &["-q", "1", "-t", "garage/gate", "-m", "open"]);
    lab.restart("KILL");
    lab.says(&["garage/door"], NOT_DELIVERED, "R01");
    let report = lab.says(&["garage/gate"], CANNOT_TELL, "U01");
    assert_eq!(report["verdict"]["sentence"], "u01_killed");
}
