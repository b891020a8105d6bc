//! What the kernel knows of messages that were sent.

use crate::lab::{Lab, Listener, WAITING, command};

fn signal(lab: &Lab, listener: &Listener, name: &str) {
    let pid = listener.child.id().to_string();
    let sent = command("kill", lab.dir.path()).args([name, &pid]).status();
    assert!(sent.expect("kill").success());
}

/// Causes 24 and 53 of why messages do not arrive: a program that does not read.
#[test]
fn a_client_that_stops_reading_has_it_in_its_kernel_or_keeps_it_waiting_here() {
    let lab = Lab::start();
    let filters = ["-q", "1", "-t", "zero/#", "-t", "one/#"];
    let mut hub = lab.listens("hub", &filters);
    signal(&lab, &hub, "-STOP");

    // Its kernel takes a little without it.
    lab.publishes("esp", &["-q", "0", "-t", "zero/first", "-m", "1"]);
    lab.publishes("esp", &["-q", "1", "-t", "one/first", "-m", "1"]);
    let asked = ["zero/first", "--to", "hub"];
    let report = lab.comes_to(&asked, 0, "D02", "has acknowledged every byte of it");
    assert_eq!(report["verdict"]["confidence"], "certain", "{report:#}");
    let asked = ["one/first", "--to", "hub"];
    let report = lab.comes_to(&asked, WAITING, "D03", "has acknowledged every byte of it");
    assert_eq!(report["verdict"]["confidence"], "certain", "{report:#}");

    // And then no more.
    let payload = "x".repeat(9_000);
    let many = [
        "--repeat",
        "60",
        "-q",
        "0",
        "-t",
        "zero/many",
        "-m",
        &payload,
    ];
    lab.publishes("esp", &many);
    lab.publishes("esp", &["-q", "0", "-t", "zero/last", "-m", "1"]);
    lab.publishes("esp", &["-q", "1", "-t", "one/last", "-m", "1"]);
    for topic in ["zero/last", "one/last"] {
        let asked = [topic, "--to", "hub"];
        let report = lab.comes_to(&asked, WAITING, "D06", "does not read");
        assert_eq!(report["verdict"]["confidence"], "certain", "{report:#}");
        let kernel = &report["kernel"];
        let waiting = [&kernel["send_queue_bytes"], &kernel["unsent_bytes"]];
        let waiting = waiting.map(|bytes| bytes.as_u64().unwrap_or_default());
        assert!(waiting[0] + waiting[1] > 1_000, "{report:#}");
    }
    // What came before is still known to have arrived.
    lab.comes_to(&["zero/first", "--to", "hub"], 0, "D02", "every byte of it");

    // It goes on reading: all of it arrives.
    signal(&lab, &hub, "-CONT");
    hub.gets("one/last");
    lab.comes_to(&["zero/last", "--to", "hub"], 0, "D02", "every byte of it");
    lab.comes_to(&["one/last", "--to", "hub"], 0, "D01", "acknowledged");
}
