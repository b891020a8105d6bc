//! `columba help COMMAND`.

use crate::bed::columba;

/// Standard output and standard error of a command line.
fn said(line: &str) -> (String, String) {
    let output = columba().args(line.split(' ')).output().expect("an end");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr))
}

#[test]
fn help_speaks_the_language_that_is_asked_for_anywhere_in_its_line() {
    let (chinese, _) = said("--lang zh help pub");
    assert!(chinese.contains("用法："), "{chinese}");
    for line in [
        "help pub --lang zh",
        "help --lang zh pub",
        "--lang=zh help pub",
        "help pub --help --lang=zh",
    ] {
        let (shown, error) = said(line);
        assert!(
            shown == chinese && error.is_empty(),
            "{line}: {shown}{error}"
        );
    }
    let (add, _) = said("help token add");
    assert!(add.contains("Usage: columba token add"), "{add}");
    assert_eq!(said("help token add -h"), (add, String::new()));
    let (all, _) = said("help --lang zh");
    assert!(all.contains("用法：columba [选项] <命令>"), "{all}");
}

#[test]
fn help_names_commands_that_resemble_one_that_there_is_not() {
    let check = |line: &str, expected: &[&str]| {
        let (shown, error) = said(line);
        assert_eq!(shown, "", "{line}");
        for text in expected {
            assert!(error.contains(text), "{line}: {error}");
        }
    };
    check(
        "help smulate",
        &["unrecognized subcommand 'smulate'", "'simulate'"],
    );
    check(
        "help smulate --lang zh",
        &["没有命令“smulate”", "“simulate”"],
    );
    check("help token ad", &["unrecognized subcommand 'ad'", "'add'"]);
    check("help frob", &["unrecognized subcommand 'frob'"]);
    // What stands behind them there is no name of a command.
    check("help pub frob", &["unrecognized subcommand 'frob'"]);
    // Of MQTTX.
    check(
        "help conn",
        &["there is no command conn: `columba doctor HOST`"],
    );
}
