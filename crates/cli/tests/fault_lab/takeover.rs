//! Two programs that throw each other out are slowed down.

use serde_json::Value;

use crate::lab::{Lab, Listener, tells};

/// More takeovers than are ever done at once.
const TAKEOVERS_MAX: usize = 40;

/// Cause 1, and what the broker does about it.
#[test]
fn two_programs_that_throw_each_other_out_are_slowed_down() {
    let lab = Lab::start();
    let waits = |client: &str| {
        let wanted = ["--client", client, "--outcome", "connect.takeover_wait"];
        lab.events(&wanted)
    };
    // It has its SUBACK while the one before it is still there.
    let comes = |client: &str, from: &str| {
        let args = ["-A", from, "-q", "1", "-t", "twin/x"];
        lab.listens(client, &args)
    };

    // The control: nobody is slowed down who comes back a few times.
    let mut calm = comes("calm", "127.0.0.1");
    for _ in 0..4 {
        calm = comes("calm", "127.0.0.1");
    }
    assert_eq!(waits("calm"), [Value::Null; 0]);
    drop(calm);

    let mut twins: Vec<Listener> = Vec::new();
    for number in 0..TAKEOVERS_MAX {
        let from = ["127.0.0.1", "127.0.0.2"][number % 2];
        twins.push(comes("twin", from));
        // The one before it does not come back by itself.
        twins.drain(..twins.len() - 1);
        if !waits("twin").is_empty() {
            break;
        }
    }
    let wait = &waits("twin")[0];
    let detail = wait["detail"].as_str().unwrap_or_default();
    for part in ["two programs seem to use it", "127.0.0.", " ms, and "] {
        assert!(detail.contains(part), "{part} is not in {wait:#}");
    }
    let addresses = [wait["address"].to_string(), detail.to_owned()].concat();
    for address in ["127.0.0.1:", "127.0.0.2:"] {
        assert!(addresses.contains(address), "{address}: {wait:#}");
    }

    // A publisher that shares its id with them is told so, and what the broker does about it.
    let report = lab.answers("topic=twin/y&from=twin", "P03");
    assert_eq!(report["verdict"]["confidence"], "certain", "{report:#}");
    let parts = [
        "twin changed hands",
        "127.0.0.1 (",
        "127.0.0.2 (",
        "The broker slows them down",
        detail,
    ];
    tells(&report["verdict"], &parts);
}
