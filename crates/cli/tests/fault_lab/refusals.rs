//! Who is not let in, or not heard, and is told why: subscribers as well as publishers.

use crate::lab::{Lab, NOT_DELIVERED, advises, notices, tells};

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
