//! The last words of a thread that panics are in the log before anything else happens.
//!
//! A program of its own, since the log belongs to the whole process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use columba_server::log::{LogSettings, init};

#[test]
fn a_panic_is_a_line_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    let log = init(&LogSettings {
        file: Some(file.clone()),
        ..LogSettings::default()
    });
    let _log = log.unwrap();
    let panics = || panic!("an invariant\nis broken");
    let thread = std::thread::Builder::new().name("shard-7".to_owned());
    assert!(thread.spawn(panics).unwrap().join().is_err());
    // The thread has ended, so its line is written.
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("an invariant\\nis broken"), "{text}");
    assert!(text.contains("shard-7"), "{text}");
}
