//! A command that is told no broker finds the one that runs on this machine.

use std::path::Path;
use std::process::{Command, Output};

use rustix::process::Signal;

use crate::bed::{Broker, columba};

const CONFIG: &str = "[admin]\nbind = \"127.0.0.1:0\"\n[store]\ndurability = \"memory\"\n";

/// Where the brokers of a test leave their links.
fn run_dir(dir: &Path) -> impl Fn(&mut Command) {
    let links = dir.join("run");
    move |command| {
        command.env("COLUMBA_RUNTIME_DIR", &links);
    }
}

fn listeners(dir: &Path) -> Output {
    let mut command = columba();
    run_dir(dir)(&mut command);
    command.current_dir(dir).arg("clients");
    command.output().expect("an end")
}

fn refused(dir: &Path) -> String {
    let output = listeners(dir);
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn the_only_broker_that_runs_here_needs_no_dir() {
    let dir = tempfile::tempdir().expect("a directory");
    let none = refused(dir.path());
    assert!(none.contains("no broker of this user runs"), "{none}");

    let mut one = Broker::start(&dir.path().join("one"), CONFIG, run_dir(dir.path()));
    one.take_shown();
    let found = listeners(dir.path());
    let error = String::from_utf8_lossy(&found.stderr);
    assert!(found.status.success(), "{error}");

    let mut two = Broker::start(&dir.path().join("two"), CONFIG, run_dir(dir.path()));
    two.take_shown();
    let several = refused(dir.path());
    let both = format!("{0}/one, {0}/two", dir.path().display());
    assert!(several.contains(&both), "{several}");

    // One that cannot take its link away is not taken for running.
    two.signal(Signal::KILL);
    two.wait();
    assert!(listeners(dir.path()).status.success());
    let links = std::fs::read_dir(dir.path().join("run")).expect("a directory");
    assert_eq!(links.count(), 1, "the link of the dead is gone");
    one.signal(Signal::TERM);
    one.wait();
    let links = std::fs::read_dir(dir.path().join("run")).expect("a directory");
    assert_eq!(links.count(), 0, "a broker that stops takes its link away");
}

#[test]
fn an_instance_in_columba_data_goes_before_another_that_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut one = Broker::start(&dir.path().join("one"), CONFIG, run_dir(dir.path()));
    one.take_shown();
    std::fs::create_dir_all(dir.path().join("columba-data/etc")).expect("a directory");
    std::fs::write(dir.path().join("columba-data/etc/columba.toml"), CONFIG).expect("a file");
    let output = listeners(dir.path());
    assert_eq!(output.status.code(), Some(3), "that one does not run");
    one.signal(Signal::TERM);
    one.wait();
}

#[test]
fn a_directory_in_which_others_can_write_is_not_believed() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let mut one = Broker::start(&dir.path().join("one"), CONFIG, run_dir(dir.path()));
    one.take_shown();
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(dir.path().join("run"), mode).expect("a mode");
    let none = refused(dir.path());
    assert!(none.contains("no broker of this user runs"), "{none}");
    one.signal(Signal::TERM);
    one.wait();
}
