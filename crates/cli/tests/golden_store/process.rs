//! The program on a store: `columba store`, and a broker.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// Who is banned in `bans.json`.
const BANNED: &str = "intruder";

/// Looks at a copy of a store with `columba store`, starts a broker on it, and asks it for what is
/// retained. `ending` ends its export: the count and checksum of all records.
pub(crate) fn check(store: &Path, ending: &str) {
    let temp = tempfile::tempdir().unwrap();
    let instance = temp.path().join("instance");
    let dir = instance.to_str().unwrap();
    good(&["create", dir]);
    let data = instance.join("data");
    crate::copy(store, &data);
    let checked = good(&["store", "check", dir]);
    assert!(checked.contains("sound. "), "{checked}");
    let exported = good(&["store", "export", dir]);
    assert_eq!(exported.lines().last(), Some(ending));
    assert_eq!(
        exported.matches("\"meaning\":").count() + 1,
        exported.lines().count()
    );

    let broker = Running::start(dir);
    let found = "recovered 7 sessions, 21 queued, 3 retained in ";
    assert!(broker.shown.contains(found), "{}", broker.shown);
    let lost =
        "0 acknowledged messages lost; 1 session has lost its record, the rest of it is kept";
    assert!(broker.shown.contains(lost), "{}", broker.shown);
    let (host, port) = broker.address.rsplit_once(':').unwrap();
    let asked = ["-h", host, "-p", port, "-t", "retained/#", "-C", "3", "-v"];
    let mut retained: Vec<String> = good(&[&["sub"][..], &asked].concat())
        .lines()
        .map(str::to_owned)
        .collect();
    retained.sort();
    assert_eq!(
        retained,
        [
            "retained/expiring late",
            "retained/plain at QoS 0",
            "retained/replaced new"
        ]
    );
    let sent = ["-h", host, "-p", port, "-i", BANNED, "-t", "t", "-m", "x"];
    let refused = columba(&[&["pub"][..], &sent].concat());
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && why.contains("banned"), "{why}");
}

fn command(args: &[&str]) -> Command {
    let mut command = crate::binary::columba();
    command.args(args).stdin(Stdio::null());
    command
}

fn columba(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn good(args: &[&str]) -> String {
    let output = columba(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// A broker until it is dropped.
struct Running {
    child: Child,
    shown: String,
    address: String,
}

impl Running {
    fn start(dir: &str) -> Self {
        let mut child = command(&["run", dir, "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut shown = String::new();
        while !shown.contains('╰') {
            shown += &lines.next().expect("the broker goes on").unwrap();
            shown.push('\n');
        }
        let (_, address) = shown.split_once("mqtt://").expect("a listener");
        let address = address.split_whitespace().next().unwrap().to_owned();
        Self {
            child,
            shown,
            address,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, if it went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
