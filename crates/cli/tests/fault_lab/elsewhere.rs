//! What libraries and their users do: Paho for Python, and MQTT.js. `cargo xtask faultlab` installs
//! them.

use std::path::{Path, PathBuf};

use crate::lab::{CANNOT_TELL, Lab, Listener, NOT_DELIVERED, WAITING, advises, command, tells};
use crate::raw::{Hello, PUBLISH, Raw};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A subscriber by Paho.
fn paho(lab: &Lab, id: &str, filter: &str, how: &str) -> Listener {
    let python = root().join("target/clients/venv/bin/python");
    let mut command = command(&python.to_string_lossy(), lab.dir.path());
    command.arg(root().join("tests/clients/lab_paho.py"));
    command.args([&*lab.port, id, filter, how]);
    Listener::start(command, "subscribed")
}

/// A client by MQTT.js.
fn mqtt_js(lab: &Lab, args: &[&str]) -> Listener {
    let mut command = command("node", lab.dir.path());
    command.arg(root().join("tests/clients/node/lab.mjs"));
    command.arg(&lab.port).args(args);
    Listener::start(command, "subscribed")
}

/// Causes 25 and 26: the callback raises an exception, or waits for something.
#[test]
fn a_callback_of_paho_raises_or_blocks() {
    let lab = Lab::start();
    let mut fine = paho(&lab, "fine", "call/fine", "fine");
    lab.publishes("esp", &["-q", "1", "-t", "call/fine", "-m", "1"]);
    fine.gets("got call/fine");
    lab.comes_to(&["call/fine", "--to", "fine"], 0, "D01", "acknowledged");

    // Either way the acknowledgement, which follows the callback, never comes.
    for how in ["raises", "blocks"] {
        let filter = format!("call/{how}");
        let mut client = paho(&lab, how, &filter, how);
        lab.publishes("esp", &["-q", "1", "-t", &filter, "-m", "1"]);
        client.gets("got call/");
        let asked = [&*filter, "--to", how];
        let report = lab.comes_to(&asked, WAITING, "D03", "own acknowledgement");
        advises(&report, "callback");
    }
}

/// Cause 11: with manual acknowledgement, a program reads it and leaves without one.
#[test]
fn a_program_has_it_and_leaves_without_its_acknowledgement() {
    let lab = Lab::start();
    let mut gone = paho(&lab, "gone", "manual/x", "leaves");
    lab.publishes("esp", &["-q", "1", "-t", "manual/x", "-m", "1"]);
    gone.gets("got manual/x");
    let asked = ["manual/x", "--to", "gone"];
    let report = lab.comes_to(&asked, CANNOT_TELL, "D07", "it may have it");
    advises(&report, "manual acknowledgement");
    assert_eq!(report["stages"][4]["status"], "pass", "{report:#}");

    // Its session is kept: it is sent again.
    let hello = Hello {
        is_clean: false,
        ..Hello::v3("keeper")
    };
    let mut keeper = Raw::connects(&lab, &hello);
    keeper.subscribes("manual/y", 1);
    lab.publishes("esp", &["-q", "1", "-t", "manual/y", "-m", "1"]);
    keeper.gets(PUBLISH);
    keeper.leaves(0);
    let report = lab.says(&["manual/y", "--to", "keeper"], WAITING, "S13");
    tells(&report["verdict"], &["it may have it", "sends it again"]);
    Raw::connects(&lab, &hello).acknowledges();
    lab.says(&["manual/y", "--to", "keeper"], 0, "D01");
}

/// Causes 11, 13 and 16, as users of MQTT.js meet them.
#[test]
fn options_of_mqtt_js() {
    let lab = Lab::start();
    // 13: its own message.
    let mut own = mqtt_js(&lab, &["own", "chat/#", "no-local", "chat/x"]);
    own.gets("published");
    let asked = ["chat/x", "--from", "own", "--to", "own"];
    lab.says(&asked, NOT_DELIVERED, "R06");
    let mut own = mqtt_js(&lab, &["echo", "echo/#", "fine", "echo/x"]);
    own.gets("got echo/x");
    let asked = ["echo/x", "--from", "echo", "--to", "echo"];
    lab.comes_to(&asked, 0, "D01", "acknowledged");

    // 16: retained messages are not asked for.
    lab.publishes("esp", &["-r", "-q", "1", "-t", "kept/x", "-m", "1"]);
    let _never = mqtt_js(&lab, &["never", "kept/x", "never-retained"]);
    let report = lab.says(&["kept/x", "--to", "never"], NOT_DELIVERED, "R04");
    tells(&report["verdict"], &["Retain Handling 2"]);
    let _asks = mqtt_js(&lab, &["asks", "kept/x", "fine"]);
    lab.comes_to(&["kept/x", "--to", "asks"], 0, "D01", "acknowledged");

    // 11: a Receive Maximum of 1, and no acknowledgement.
    let mut stalled = mqtt_js(&lab, &["stalled", "jam/#", "stalled"]);
    lab.publishes("esp", &["-q", "1", "-t", "jam/first", "-m", "1"]);
    lab.publishes("esp", &["-q", "1", "-t", "jam/second", "-m", "1"]);
    stalled.gets("got jam/first");
    lab.says(&["jam/second", "--to", "stalled"], WAITING, "S11");
}
