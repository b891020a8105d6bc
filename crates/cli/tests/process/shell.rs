//! What a shell and `man` make of what the program writes for them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::bed::columba;

fn script(shell: &str) -> String {
    let output = columba().args(["completion", shell]).output();
    let output = output.expect("the binary");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

/// What bash offers for the last of these words.
fn offered(words: &[&str]) -> Vec<String> {
    let last = words.last().expect("a word");
    let before = words.iter().rev().nth(1).expect("the program");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("columba.bash");
    std::fs::write(&path, script("bash")).expect("a file");
    let ask = format!(
        "source \"$0\"; COMP_WORDS=({}); COMP_CWORD={}; _columba columba '{last}' '{before}'; printf '%s\\n' \
         \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words.len() - 1,
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &ask])
        .arg(&path)
        .output()
        .expect("bash");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{error}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert_eq!(offered(&["columba", "clie"]), ["clients"]);
    assert_eq!(offered(&["columba", "store", "ba"]), ["backup"]);
    assert_eq!(offered(&["columba", "pub", "--will-p"]), ["--will-payload"]);
    assert_eq!(
        offered(&["columba", "why", "--output", "j"]),
        ["json"],
        "values too"
    );
}

#[test]
fn hidden_options_are_not_offered() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = script(shell);
        assert!(script.contains("will-payload"), "{shell}");
        assert!(!script.contains("psk"), "{shell}");
    }
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let dir = tempfile::tempdir().expect("a directory");
    let pages = dir.path().join("man1");
    let written = columba().arg("man").arg(&pages).output().expect("an end");
    assert!(written.status.success());
    for (name, words) in [
        (
            "columba",
            &["COLUMBA(1)", "columba-pub(1)", "columba-store(1)"][..],
        ),
        (
            "columba-pub",
            &["--will-payload", "Payload of the Will", "--qos"],
        ),
        ("columba-store-backup", &["columba store backup"]),
        ("columba-bench", &["columba bench pair -c 20 --rate 5000"]),
    ] {
        let path = pages.join(format!("{name}.1"));
        let shown = rendered(&path);
        for word in words {
            assert!(shown.contains(word), "{name}: {word} in {shown}");
        }
        assert!(!shown.contains("psk"), "{name}");
    }
    let one = columba().arg("man").output().expect("an end");
    let page = std::fs::read(pages.join("columba.1")).expect("a page");
    assert_eq!(one.stdout, page);
}

/// A page as a terminal shows it; where there is no `man`, what it is made of.
fn rendered(path: &Path) -> String {
    let source = std::fs::read_to_string(path).expect("a page");
    assert!(source.contains("\n.TH ") && source.contains("\n.SH NAME\n"));
    let shown = Command::new("man")
        .args(["--warnings=w", "-P", "cat", "-l"])
        .arg(path)
        .env("MANWIDTH", "300")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output();
    match shown {
        Ok(shown) if shown.status.success() => {
            let warnings = String::from_utf8_lossy(&shown.stderr);
            assert_eq!(warnings, "", "{}", path.display());
            let text = String::from_utf8(shown.stdout).expect("text");
            without_overstrikes(&text)
        }
        // Without `man`, or a smaller one that does not know these options.
        _ => source
            .replace("\\-", "-")
            .replace("\\fB", "")
            .replace("\\fR", ""),
    }
}

/// Bold is a letter twice in one place, with a backspace in between.
fn without_overstrikes(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c == '\u{8}' {
            plain.pop();
        } else {
            plain.push(c);
        }
    }
    plain
}
