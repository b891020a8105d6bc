//! `pub --why` where nothing says which broker to ask.

use std::process::Output;

use crate::bed::{Broker, columba};

#[test]
fn who_has_named_no_instance_hears_what_the_broker_seems_to_be_and_how_to_name_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[broker]\nshards = 1\n[limits]\nsys_interval = \"1s\"\n";
    let mut broker = Broker::start(&dir.path().join("instance"), config, |_| ());
    // Nobody reads it, and it must not fill up.
    drop(broker.take_stderr());
    // What it says of itself is there.
    let mut command = columba();
    command.args(["sub", "-h", "127.0.0.1", "-p", broker.port()]);
    let version = command.args(["-t", "$SYS/broker/version", "-C", "1"]);
    assert!(version.output().expect("an end").status.success());
    let publish = |port: &str, more: &[&str]| -> Output {
        let mut command = columba();
        command.args(["--lang", "en", "pub", "-h", "127.0.0.1", "-p", port]);
        command.args(["-t", "a", "-m", "x", "--why"]).args(more);
        command.current_dir(dir.path()).output().expect("an end")
    };
    let output = publish(broker.port(), &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("this broker seems to be columba version"),
        "{said}"
    );
    assert!(said.contains("--dir") && said.contains("--api"), "{said}");
    let output = publish(broker.port(), &["--quiet"]);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    // What was not sent has no fate.
    let output = publish("1", &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("cannot connect"), "{said}");
}
