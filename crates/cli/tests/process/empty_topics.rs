//! A topic without a character, as of a variable that is not set: the exit codes of Mosquitto's clients, and
//! a sentence.

use std::path::Path;

use crate::bed::columba;
use crate::mosquitto::Bench;

#[test]
fn an_empty_topic_ends_a_command_as_mosquittos_does() {
    let bench = Bench::new();
    for (line, exit) in [
        ("pub -t  -m x", 0),
        ("pub -t  -m x -q 1", 0),
        ("pub -t  -m x -V 5", 0),
        ("pub -t  -n -r", 0),
        ("pub -t  -s\0x", 0),
        ("pub -t  -m x --repeat 2", 0),
        ("pub -t  -l\0a\nb\n", 3),
        ("pub -t  -q 1 -l\0a\nb\n", 3),
        ("pub -L mqtt://127.0.0.1:PORT/ -m x", 0),
        ("pub -t a -m x --will-topic ", 7),
        ("sub -t  -W 1", 27),
        ("sub -L mqtt://127.0.0.1:PORT/ -W 1", 27),
        ("sub -t  -t b -W 1", 27),
        ("sub -t a -U  -W 1", 27),
        ("rr -t a -e  -m x -W 5", 0),
        ("rr -t  -e b -m x -W 5", 3),
        ("rr -L mqtt://127.0.0.1:PORT/ -e b -m x -W 5", 3),
        ("rr -t a -e b -m x -W 5 --will-topic ", 7),
    ] {
        let theirs = bench.run(Path::new("/usr/bin"), line);
        let ours = bench.run(&bench.dir.path().join("ours"), line);
        // What an empty filter brings theirs depends on the server: Mosquitto's closes the connection, which
        // is tried again until `-W` runs out; Columba refuses the filter.
        // An empty Will Topic brings a code or none with MQTT 5.
        if !line.starts_with("sub ") && line != "rr -t a -e b -m x -W 5 --will-topic " {
            assert_eq!(theirs.exit, Some(exit), "{line}: {theirs:?}");
        }
        assert_eq!(
            (ours.exit, &*ours.shown),
            (Some(exit), ""),
            "{line}: {ours:?}"
        );
        assert!(
            ours.said.contains("at least one character"),
            "{line}: {ours:?}"
        );
    }
    // Theirs tries for ever, and waits for ever.
    for (line, exit) in [("sub -t a --will-topic ", 255), ("sub -t ", 1)] {
        let ours = bench.run(&bench.dir.path().join("ours"), line);
        assert_eq!(ours.exit, Some(exit), "{line}: {ours:?}");
        assert!(
            ours.said.contains("at least one character"),
            "{line}: {ours:?}"
        );
    }
}

#[test]
fn natively_an_empty_topic_is_refused() {
    for words in [
        &["pub", "-t", "", "-m", "x"][..],
        &["sub", "-t", "", "-W", "1"],
    ] {
        let output = columba().args(words).output().expect("the binary");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("at least one character"), "{said}");
        assert_eq!(output.status.code(), Some(3), "{said}");
    }
}
