//! Clients that ask why with their own user and password.

use std::path::PathBuf;

use super::{Running, command, explained, listens};

/// A broker that knows the user ann, and the file with her password.
pub(super) fn with_ann() -> (Running, PathBuf) {
    let broker = Running::start_with("[access]\nusers = \"etc/users\"\n");
    let secret = broker.dir.path().join("secret");
    std::fs::write(&secret, "open-sesame\n").expect("a file");
    let given = std::fs::File::open(&secret).expect("the file");
    let words = ["passwd", "columba-data", "ann", "--password-stdin"];
    let mut added = command(broker.dir.path(), &words);
    assert!(added.stdin(given).status().expect("an end").success());
    broker.reload();
    (broker, secret)
}

#[test]
fn a_subscriber_asks_with_its_own_user_and_password() {
    let (broker, _) = with_ann();
    broker.retain("home/Kitchen/hum", "48");
    // Asked about one topic, and about all that a filter may match: that it is nearly right is told of what
    // the client may receive.
    for filter in ["home/kitchen/hum", "home/kitchen/+"] {
        let args = ["sub", "-p", &broker.port, "-t", filter, "-i", "me"];
        let login = ["-u", "ann", "-P", "open-sesame", "--api", &broker.url];
        let told = explained(&broker, &[&args[..], &login].concat());
        assert!(told.contains("home/Kitchen/hum"), "{told}");
    }
}

#[test]
fn a_publisher_asks_with_its_own_user_and_password() {
    let (broker, _) = with_ann();
    let publish = |password: &str| {
        let args = [
            "pub",
            "-p",
            &broker.port,
            "-i",
            "esp",
            "-t",
            "home/hum",
            "-m",
            "48",
            "-q",
            "1",
        ];
        let login = ["-u", "ann", "-P", password, "--why", "--api", &broker.url];
        let output = broker.run(&[&args[..], &login, &["--lang", "en"]].concat());
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(told).expect("text"))
    };
    let (code, told) = publish("open-sesame");
    assert!(
        code == Some(10) && told.starts_with("R01  "),
        "{code:?} {told}"
    );
    assert!(told.contains("\n     Fix: "), "{told}");
    // Of what the same client published before is said nothing.
    let mut ha = listens(&broker, &["-i", "ha", "-t", "home/#", "-q", "1"]);
    let (code, told) = publish("open-sesame");
    assert!(code == Some(0) && told.starts_with('D'), "{code:?} {told}");
    let (code, told) = publish("wrong");
    assert!(code != Some(0) && !told.contains("R01"), "{code:?} {told}");
    ha.kill().expect("an end");
    ha.wait().expect("an end");
}
