//! What a shell and `man` make of what the program writes for them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::bed::{Broker, columba};

fn script(shell: &str) -> String {
    let output = columba().args(["completion", shell]).output();
    let output = output.expect("the binary");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

/// A directory in which `columba` is the program.
fn program_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let program = columba().get_program().to_owned();
    std::fs::create_dir(dir.path().join("bin")).expect("a directory");
    std::os::unix::fs::symlink(program, dir.path().join("bin/columba")).expect("a link");
    for file in ["notes.txt", "two words.txt"] {
        std::fs::write(dir.path().join(file), "").expect("a file");
    }
    dir
}

/// What a shell prints that has the script and runs this, in the directory of the program.
fn shell(name: &str, arguments: &[&str], ask: &str, dir: &Path) -> String {
    let path = dir.join(format!("columba.{name}"));
    std::fs::write(&path, script(name)).expect("a file");
    let mut paths = vec![dir.join("bin")];
    paths.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    // As the binary itself is run: without settings of whoever runs the tests.
    let mut command = Command::new(name);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COLUMBA_")) {
        command.env_remove(name);
    }
    let output = command
        .args(arguments)
        .arg(ask)
        .current_dir(dir)
        .env("PATH", std::env::join_paths(paths).expect("paths"))
        .env("XDG_CONFIG_HOME", dir)
        .env("COLUMBA_RUNTIME_DIR", dir.join("run"))
        .env("HOME", dir)
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!("{name}: {error}; `cargo xtask test` installs zsh, fish and man");
    });
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{error}");
    String::from_utf8(output.stdout).expect("text")
}

/// What bash offers at the end of a line.
fn offered_in(dir: &Path, line: &str) -> Vec<String> {
    let ask = format!(
        "source ./columba.bash; COMP_LINE={0}; COMP_POINT=${{#COMP_LINE}}; \
         COMP_WORDS=({1}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _columba; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted(line),
        // As bash breaks them, but for words in quotes, which these are not.
        line.split(' ').map(quoted).collect::<Vec<_>>().join(" "),
    );
    let text = shell("bash", &["--norc", "-c"], &ask, dir);
    text.lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn offered(line: &str) -> Vec<String> {
    offered_in(program_dir().path(), line)
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert_eq!(offered("columba clie"), ["clients"]);
    assert_eq!(offered("columba store ba"), ["backup"]);
    assert_eq!(offered("columba pub --will-p"), ["--will-payload"]);
    assert_eq!(offered("columba why --output j"), ["json"], "values too");
    assert_eq!(offered("columba why --output=j"), ["json"]);
    assert_eq!(offered("columba explain R0").len(), 8);
    assert_eq!(offered("columba simulate -s fl"), ["fleet", "flaky"]);
    assert_eq!(
        offered("columba sub -D subscribe user-property a b --tre"),
        ["--tree"]
    );
    assert_eq!(offered("columba pub -rq "), ["0", "1", "2"]);
    assert_eq!(offered("columba pub --cafile n"), ["notes.txt"]);
    assert_eq!(offered("columba pub -m x --psk"), [""; 0], "hidden");
    // Nobody can be asked, which is no reason to say so.
    assert_eq!(offered("columba why "), [""; 0]);
    assert_eq!(offered("columba clients "), [""; 0]);
}

#[test]
fn names_of_contexts_are_completed() {
    let dir = program_dir();
    let contexts = dir.path().join("columba/contexts");
    std::fs::create_dir_all(&contexts).expect("a directory");
    for name in ["lab", "lake", "prod"] {
        std::fs::write(contexts.join(format!("{name}.toml")), "").expect("a file");
    }
    assert_eq!(
        offered_in(dir.path(), "columba context use la"),
        ["lab", "lake"]
    );
    assert_eq!(offered_in(dir.path(), "columba top --context p"), ["prod"]);
    assert_eq!(offered_in(dir.path(), "columba context add la"), [""; 0]);
}

#[test]
fn a_running_broker_is_asked_for_clients_and_topics() {
    let dir = program_dir();
    let instance = dir.path().join("columba-data");
    let broker = Broker::start(&instance, "[broker]\nshards = 1\n", |_| ());
    let _clients = ["lamp-1", "lamp:2", "lamp 3", "door"].map(|id| broker.connect(id));
    for topic in [
        "home/kitchen/lamp",
        "home/kitchen/lamp/state",
        "home/hall",
        "$x/y",
    ] {
        let sent = columba()
            .args([
                "pub",
                "-h",
                "127.0.0.1",
                "-p",
                broker.port(),
                "-r",
                "-t",
                topic,
                "-m",
                "x",
            ])
            .status();
        assert!(sent.expect("an end").success());
    }
    let offered = |line: &str| offered_in(dir.path(), line);
    assert_eq!(offered("columba clients do"), ["door"]);
    assert_eq!(
        offered("columba why --from lamp"),
        ["lamp\\ 3", "lamp-1", "lamp:2"]
    );
    assert_eq!(
        offered("columba why --from lamp:"),
        ["2"],
        "bash breaks at the colon"
    );
    assert_eq!(offered("columba sub -t h"), ["home/"]);
    assert_eq!(offered("columba why home/"), ["home/hall", "home/kitchen/"]);
    let below = ["home/kitchen/lamp/", "home/kitchen/lamp"];
    assert_eq!(offered("columba pub --topic=home/kitchen/"), below);
    assert_eq!(
        offered("columba trace home/kitchen/lamp/s"),
        ["home/kitchen/lamp/state"]
    );
    assert_eq!(
        offered("columba pub --api http://x -t h"),
        [""; 0],
        "no other machine"
    );
    assert_eq!(offered("columba why --dir nowhere h"), [""; 0]);
    let text = shell(
        "fish",
        &["--no-config", "-c"],
        "source columba.fish; complete -C 'columba why --from lamp'; complete -C 'columba why home/'",
        dir.path(),
    );
    let words: Vec<_> = text.lines().collect();
    let expected = ["lamp 3", "lamp-1", "lamp:2", "home/hall", "home/kitchen/"];
    for word in expected {
        assert!(
            words.iter().any(|line| line.replace('\\', "") == word),
            "{word}: {text}"
        );
    }
}

/// zsh has no way to ask for what it would offer but a terminal: here its builtin is played.
#[test]
fn zsh_and_fish_ask_the_program() {
    let dir = program_dir();
    let ask = "compdef() { :; }; compadd() { shift $(($# - 1)); print -rl -- ${(P)1}; }; _files() { ls }; \
               source ./columba.zsh; \
               words=(columba store ba); CURRENT=3; _columba; \
               words=(columba pub --cafile ''); CURRENT=4; _columba";
    let text = shell("zsh", &["-f", "-c"], ask, dir.path());
    assert!(text.starts_with("backup\n"), "{text}");
    assert!(text.contains("notes.txt"), "{text}");
    let ask = "source columba.fish; complete -C 'columba store ba'; complete -C 'columba pub --cafile no'";
    let text = shell("fish", &["--no-config", "-c"], ask, dir.path());
    assert!(text.starts_with("backup\tCopy the store"), "{text}");
    assert!(text.contains("notes.txt"), "{text}");
}

#[test]
fn hidden_options_are_not_offered() {
    for shell in ["powershell", "elvish"] {
        let script = script(shell);
        assert!(script.contains("will-payload"), "{shell}");
        assert!(!script.contains("psk"), "{shell}");
    }
    for shell in ["zsh", "fish"] {
        let output = columba()
            .args(["complete", "--shell", shell, "--", "columba", "pub", "--"])
            .output();
        let offered = String::from_utf8(output.expect("the binary").stdout).expect("text");
        assert!(
            offered.contains("--will-payload\tPayload of the Will\n"),
            "{offered}"
        );
        assert!(!offered.contains("psk"), "{offered}");
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
