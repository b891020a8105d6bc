//! `--quiet` keeps errors of the connection to itself, and nothing that a change of the command line mends.

use crate::bed::columba;

/// Runs a command at a port where nothing listens: its exit code and what it says.
fn said(line: &str) -> (Option<i32>, String) {
    let mut command = columba();
    command.args(line.split(' '));
    command.args(["-h", "127.0.0.1", "-p", "1", "--quiet"]);
    let output = command.output().expect("the binary");
    assert_eq!(output.stdout, b"", "{line}");
    let said = String::from_utf8(output.stderr).expect("text");
    (output.status.code(), said)
}

#[test]
fn a_connection_that_fails_is_told_by_the_exit_code_alone() {
    for line in ["pub -t a -m x", "sub -t a", "rr -t a -e b -m x"] {
        let (exit, said) = said(line);
        assert_eq!((exit, said.as_str()), (Some(14), ""), "{line}");
    }
}

#[test]
fn a_wrong_command_line_is_told_all_the_same() {
    for (line, part) in [
        ("pub -t a/# -m x", "invalid topic 'a/#'"),
        ("pub -t a -m x -D publish colour red", "colour"),
        ("pub -t a -m x -c", "client id"),
        ("pub -t a -m x --will-topic w/+", "wildcard"),
        ("pub -t a -f /nonexistent", "/nonexistent"),
        ("pub -t a -m x --cafile /nonexistent", "/nonexistent"),
        ("pub --replay /nonexistent", "/nonexistent"),
        ("sub -t a/#/b", "invalid topic filter 'a/#/b'"),
        ("sub -t a -T b#", "invalid topic filter 'b#'"),
        ("sub -U +a", "invalid topic filter '+a'"),
        ("rr -t a/+ -e b -m x", "invalid topic 'a/+'"),
        ("rr -t a -e b/# -m x", "b/#"),
        ("sub -t a --context nowhere", "nowhere"),
    ] {
        let (exit, said) = said(line);
        assert!(said.contains(part), "{line}: {said}");
        assert!(exit.is_some_and(|exit| exit != 0), "{line}: {exit:?}");
    }
}
