//! What users of MQTTX's command line type does the same here, or is refused with what does.

use std::process::Output;

use crate::bed::{Broker, columba};

fn publish(broker: &Broker, line: &str) -> Output {
    let mut command = columba();
    command.args(["pub", "--lang", "en", "--hostname", "127.0.0.1"]);
    // It is followed by the path.
    let port = broker.port().split('/').next().unwrap_or_default();
    command.args(["-p", port, "-t", "a", "-m", "x"]);
    command.args(line.split_whitespace());
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command.output().expect("the binary")
}

#[test]
fn protocol_and_path_lead_to_the_websocket() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[broker]\nshards = 1\n[[listener]]\nkind = \"ws\"\nbind = \"127.0.0.1:0\"\n\
                  websocket_path = \"/pigeons\"\nanonymous = \"always\"\n";
    let mut broker = Broker::start_at("ws://", dir.path(), config, |_| ());
    // Nobody reads it, and it must not fill up.
    drop(broker.take_stderr());
    for line in [
        "--protocol ws --path /pigeons",
        "--protocol ws --path pigeons",
        "--ws --path /pigeons --response-topic b",
    ] {
        let output = publish(&broker, line);
        assert!(output.status.success(), "{line}: {output:?}");
    }
    for line in [
        "--protocol ws",
        "--protocol ws --path /doves",
        "--protocol mqtt --path /pigeons",
        "--protocol wss --insecure --path /pigeons",
    ] {
        let output = publish(&broker, line);
        assert!(!output.status.success(), "{line}: {output:?}");
    }
}
