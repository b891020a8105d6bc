//! The Chinese help of the commands: every word of it, within the terminal.

use columba_speech::width::width;

use crate::chinese::english;
use crate::terminal::at_a_terminal_with;
use crate::widths::plain;

/// How the help is asked for: in short, and whole.
const LINES: &[&[&str]] = &[
    &["pub", "--help"],
    &["sub", "--help"],
    &["rr", "--help"],
    &["help", "pub"],
    &["help", "sub"],
    &["help", "rr"],
    &["context", "-h"],
    &["context", "--help"],
    &["context", "add", "--help"],
    &["context", "use", "--help"],
    &["context", "list", "--help"],
    &["context", "show", "--help"],
    &["context", "remove", "--help"],
    &["context", "check", "--help"],
    &["--help"],
    &["run", "--help"],
    &["create", "--help"],
    &["check", "--help"],
    &["passwd", "--help"],
    &["link-mosquitto", "--help"],
    &["bench", "--help"],
    &["bench", "pair", "--help"],
    &["simulate", "--help"],
    &["doctor", "--help"],
    &["store", "--help"],
    &["store", "check", "--help"],
    &["store", "stats", "--help"],
    &["store", "compact", "--help"],
    &["store", "discard", "--help"],
    &["store", "export", "--help"],
    &["store", "import", "--help"],
    &["store", "backup", "--help"],
    &["token", "--help"],
    &["token", "add", "--help"],
    &["token", "list", "--help"],
    &["token", "revoke", "--help"],
    &["why", "--help"],
    &["explain", "--help"],
    &["events", "--help"],
    &["trace", "--help"],
    &["top", "--help"],
    &["can", "--help"],
    &["match", "--help"],
    &["clients", "--help"],
    &["acl", "--help"],
    &["topics", "--help"],
    &["retained", "--help"],
    &["completion", "--help"],
    &["man", "--help"],
    &["config", "--help"],
];

/// Whether a line shows what to type: as it is to be typed, it is not broken.
fn is_typed(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("用法：") || line.starts_with("columba ")
}

#[test]
fn the_help_is_chinese_and_fits_into_the_terminal() {
    let dir = tempfile::tempdir().expect("a directory");
    let variables = [("COLUMBA_LANG", "zh"), ("LC_ALL", "zh_CN.UTF-8")];
    for columns in [60, 80, 100] {
        for args in LINES {
            let (shown, is_well) = at_a_terminal_with(columns, &variables, dir.path(), args, &[]);
            assert!(is_well, "{args:?}: {shown}");
            let shown = plain(&shown);
            let lines = || shown.lines().filter(|line| !is_typed(line));
            assert!(lines().count() > 3, "{args:?}: {shown}");
            for line in lines() {
                assert!(width(line) <= usize::from(columns), "{columns}: {line}");
                // What options take.
                let taken = "connect publish subscribe unsubscribe disconnect will user-property \
                             content-type text/plain colour red mosquitto_pub \
                             auto, json, hex, cbor, msgpack, sparkplug, base64, always, never, new \
                             error, warn, info, debug, trace bash, elvish, fish, powershell, zsh \
                             nothing, client, acknowledgement, socket, disk, completion";
                assert_eq!(english(line, taken), None, "{args:?}: {line}");
            }
        }
    }
}
