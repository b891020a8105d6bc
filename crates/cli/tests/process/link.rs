//! What `columba link-mosquitto` makes, what it leaves alone, and what programs of these names say of
//! themselves.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::bed::columba;

const NAMES: [&str; 3] = ["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"];

fn link(dir: &Path, path: &str, more: &[&str]) -> Output {
    let mut command = columba();
    command.arg("link-mosquitto").arg(dir).args(more);
    command.env("PATH", path).env("LANG", "C");
    command.output().expect("the binary")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn links_replace_other_files_only_by_force() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("a path");
    let file = dir.path().join("mosquitto_sub");
    fs::write(&file, "precious").expect("a file");
    let other = dir.path().join("mosquitto_rr");
    std::os::unix::fs::symlink("/opt/other", &other).expect("a link");
    let refused = link(dir.path(), path, &[]);
    assert_eq!(refused.status.code(), Some(1));
    // All that would be replaced is named at once.
    let words = said(&refused);
    assert!(words.contains("mosquitto_sub, "), "{words}");
    assert!(
        words.contains("mosquitto_rr -> /opt/other is there already"),
        "{words}"
    );
    assert_eq!(fs::read_to_string(&file).expect("the file"), "precious");
    assert!(!dir.path().join("mosquitto_pub").exists());
    let forced = link(dir.path(), path, &["--force"]);
    assert_eq!(
        (forced.status.code(), said(&forced)),
        (Some(0), String::new())
    );
    // What is linked already stays.
    assert_eq!(link(dir.path(), path, &[]).status.code(), Some(0));
    for name in NAMES {
        let target = fs::read_link(dir.path().join(name)).expect("a link");
        assert!(
            target.is_absolute() && target.ends_with("columba"),
            "{target:?}"
        );
    }
}

#[test]
fn a_directory_in_the_place_of_a_link_leaves_all_as_it_was() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("mosquitto_rr")).expect("a directory");
    let refused = link(dir.path(), "", &["--force"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("mosquitto_rr is a directory"));
    assert!(!dir.path().join("mosquitto_pub").exists());
    let refused = link(&dir.path().join("none"), "", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("no directory for the links"));
}

#[test]
fn whoever_calls_another_program_by_the_name_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = link(dir.path(), "", &[]);
    assert_eq!(made.status.code(), Some(0));
    assert!(said(&made).contains("PATH does not name"), "{made:?}");
    let before = tempfile::tempdir().expect("a directory");
    fs::write(before.path().join("mosquitto_sub"), "").expect("a file");
    let path = std::env::join_paths([before.path(), dir.path()]).expect("a path");
    let made = link(dir.path(), path.to_str().expect("text"), &[]);
    assert_eq!(made.status.code(), Some(0));
    assert!(said(&made).contains("PATH still finds"), "{made:?}");
}

/// The links work in whatever directory they are called, by whatever way.
#[test]
fn a_relative_directory_and_a_binary_behind_a_link_will_do() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("bin")).expect("a directory");
    let behind = dir.path().join("columba");
    let binary = columba().get_program().to_owned();
    std::os::unix::fs::symlink(binary, &behind).expect("a link");
    let mut command = Command::new("./columba");
    command.current_dir(dir.path()).env("PATH", "");
    let made = command.args(["link-mosquitto", "bin"]).output();
    assert_eq!(made.expect("the binary").status.code(), Some(0));
    // They do not go by way of that link.
    fs::remove_file(behind).expect("the link");
    let mut command = Command::new("./mosquitto_pub");
    command.current_dir(dir.path().join("bin")).arg("--version");
    let output = command.output().expect("the link");
    assert!(output.stdout.starts_with(b"mosquitto_pub version 2.1"));
}

#[test]
fn help_and_faults_name_the_program_that_was_called() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(link(dir.path(), "", &[]).status.code(), Some(0));
    for name in NAMES {
        let run = |words: &[&str]| {
            let mut command = Command::new(dir.path().join(name));
            command.args(words);
            // The links have the names of options files.
            command.env("XDG_CONFIG_HOME", dir.path().join("none"));
            command.stdin(Stdio::null()).output().expect("the link")
        };
        let (help, none, unknown) = (run(&["--help"]), run(&[]), run(&["-t", "a", "--foo"]));
        for output in [&help, &none, &unknown] {
            assert_eq!(output.status.code(), Some(1), "{output:?}");
        }
        let text = String::from_utf8_lossy(&help.stdout).into_owned();
        assert!(text.starts_with(&format!("{name} version 2.1")), "{text}");
        assert!(text.contains(&format!("Usage: {name} [OPTIONS]")), "{text}");
        assert_eq!(said(&help), "");
        for output in [&none, &unknown] {
            let words = said(output);
            assert!(
                words.contains(&format!("Usage: {name} [OPTIONS]")),
                "{words}"
            );
            assert!(
                words.ends_with(&format!("\nUse '{name} --help' to see usage.\n")),
                "{words}"
            );
            assert!(output.stdout.is_empty());
        }
        for text in [text, said(&none), said(&unknown)] {
            for other in ["columba pub", "columba sub ", "columba rr", "try '--help'"] {
                assert!(!text.contains(other), "{text}");
            }
        }
    }
}
