//! Who does not get past the door: the broker never learns a client id, and says what it saw.

use crate::lab::{Lab, command, notices, tells};

/// A listener that takes two connections.
const TINY: &str = "[store]\ndurability = \"memory\"\n[[listener]]\nname = \"tiny\"\n\
    bind = \"127.0.0.1:0\"\nanonymous = \"always\"\nconnections_max = 2\n";

fn publishes_at(lab: &Lab, port: &str, id: &str) -> bool {
    let mut publisher = command("mosquitto_pub", lab.dir.path());
    publisher.args(["-h", "127.0.0.1", "-p", port, "-i", id, "-q", "1"]);
    publisher.args(["-t", "door/x", "-m", "1"]);
    let output = publisher.output().expect("mosquitto_pub");
    output.status.success()
}

/// Cause 50: the listener has all the connections that it may have.
#[test]
fn a_listener_is_full() {
    let lab = Lab::start_with(TINY);
    let port = lab.port_where("name", "tiny");
    let first = lab.listens_at(&port, "lim2", &["-t", "door/#"]);
    let mut second = lab.listens_at(&port, "lim3", &["-q", "1", "-t", "door/#"]);
    assert!(!publishes_at(&lab, &port, "lim4"));
    let report = lab.answers("from=lim4", "P01");
    let noticed = notices(&report, "P02");
    assert_eq!(noticed["confidence"], "possible", "{report:#}");
    tells(
        noticed,
        &["connections_max", "may have been the publisher's"],
    );
    let report = lab.answers("to=lim4", "U03");
    let noticed = notices(&report, "S15");
    assert_eq!(noticed["confidence"], "possible", "{report:#}");
    tells(noticed, &["connections_max"]);
    // The others come again and again: one line counts them.
    for _ in 0..3 {
        assert!(!publishes_at(&lab, &port, "lim4"));
    }
    let events = lab.events(&["--outcome", "connect.quota"]);
    let times = events.iter().map(|event| event["times"].as_u64());
    assert_eq!(times.sum::<Option<u64>>(), Some(4), "{events:?}");
    assert!(events.len() <= 2, "{events:?}");

    // The control: one has left, and who comes in is not suspected of it.
    drop(first);
    lab.has_seen("lim2", "disconnect.");
    assert!(publishes_at(&lab, &port, "lim4"));
    second.gets("sending PUBACK");
    let report = lab.answers("topic=door/x&from=lim4&to=lim3", "D01");
    assert!(!report["also"].to_string().contains("P02"), "{report:#}");
}
