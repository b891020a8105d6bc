//! What every command shows at a terminal is Chinese where Chinese is asked for, and nothing else is.

use std::path::Path;

use columba_speech::width::width;

use crate::bed::{Broker, columba};
use crate::terminal::at_a_terminal_with;
use crate::widths::plain;

/// Words that stand in a Chinese text as they are, also beside each other: those of MQTT and of files.
const NAMES: &[&str] = &[
    "allow",
    "deny",
    "publish",
    "subscribe",
    "receive",
    "all",
    "clean",
    "start",
    "retain",
    "qos",
    "id",
    "columba",
    "store",
    "check",
    "create",
    "run",
    "passwd",
    "add",
    "token",
    "context",
    "use",
    "version",
    // A client of these tests, in a command that is to be typed.
    "thief",
];

/// Words in a row that only an English sentence has; not those of the command line or a JSON value.
fn prose(shown: &str, args: &[&str]) -> Option<String> {
    for line in shown.lines().filter(|line| !line.contains(['{', '"'])) {
        // What is to be typed stands between such marks.
        let outside = line
            .split('`')
            .step_by(2)
            .collect::<Vec<_>>()
            .join(" \u{b7} ");
        let mut row: Vec<&str> = Vec::new();
        for word in outside.split(|c: char| c.is_whitespace() || "（）()：，。；、".contains(c))
        {
            let bare = word.trim_matches(|c: char| ",;:.'".contains(c));
            let is_word = bare.len() > 1 && bare.chars().all(|c| c.is_ascii_lowercase());
            let is_known = NAMES.contains(&bare) || args.iter().any(|arg| arg.contains(bare));
            if is_word && !is_known {
                row.push(bare);
            } else if !word.is_empty() {
                row.clear();
            }
            if row.len() > 1 {
                return Some(format!("{} in {line}", row.join(" ")));
            }
        }
    }
    None
}

fn has_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// Runs a command at a terminal in Chinese; what is wrong with what it shows.
fn fault(dir: &Path, columns: u16, args: &[&str]) -> Option<String> {
    let variables = [
        ("COLUMBA_LANG", "zh_CN.UTF-8"),
        ("XDG_CONFIG_HOME", dir.to_str().expect("UTF-8")),
    ];
    let (shown, _) = at_a_terminal_with(columns, &variables, dir, args, &[]);
    let shown = plain(&shown);
    let what = match prose(&shown, args) {
        Some(found) => found,
        None if !has_chinese(&shown) => format!("no Chinese: {shown}"),
        None => return None,
    };
    Some(format!("{args:?}: {what}"))
}

/// What runs without a broker, one after the other.
const ALONE: &[&[&str]] = &[
    &["create", "inst"],
    &["create", "inst"],
    &["check", "inst"],
    &["check", "nowhere"],
    &["passwd", "inst", "ann", "--generate"],
    &["passwd", "inst", "ann", "--groups", "a"],
    &["passwd", "inst", "ann", "--delete"],
    &["passwd", "inst", "ann", "--delete"],
    &["token", "add", "inst", "x", "--expires", "90d"],
    &["token", "add", "inst", "x"],
    &["token", "list", "inst"],
    &["token", "revoke", "inst", "x"],
    &["token", "revoke", "inst", "x"],
    &["store", "check", "inst"],
    &["store", "check", "nowhere"],
    &["store", "check", "--store", "nowhere/at/all"],
    &["match", "home/+", "home/kitchen"],
    &["match", "home/+", "home/kitchen/lamp"],
    &["match", "home/#/x", "home/+"],
    &["explain"],
    &["explain", "R02"],
    &["context", "list"],
    &["context", "add", "lab", "--url", "mqtt://127.0.0.1:1"],
    &["context", "add", "lab", "--url", "mqtt://127.0.0.1:1"],
    &["context", "list"],
    &["context", "use", "lab"],
    &["context", "check"],
    &["context", "remove", "lab"],
    &["man", "man1"],
    &["top", "--dir", "inst"],
    &["run", "nowhere"],
    &["link-mosquitto", "nowhere/at/all"],
];

#[test]
fn what_runs_without_a_broker_speaks_chinese() {
    let dir = tempfile::tempdir().expect("a directory");
    let faults: Vec<_> = ALONE
        .iter()
        .filter_map(|args| fault(dir.path(), 100, args))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What asks a broker in `inst`, or looks at its store while it runs.
const ASKING: &[&[&str]] = &[
    &["clients"],
    &["clients", "--sessions"],
    &["clients", "nobody"],
    &["clients", "away"],
    &["clients", "waits"],
    &["clients", "--sort", "colour"],
    &["topics"],
    &["topics", "--tree"],
    &["retained"],
    &["retained", "a#"],
    &["acl"],
    &["events"],
    &["events", "--ledger"],
    &["events", "--outcome", "colour"],
    &["top", "--once"],
    &["why", "home/a"],
    &["why", "home/a", "--to", "away"],
    &["why", "secret/a"],
    &["can", "away", "publish", "secret/a"],
    &["can", "away", "subscribe", "home/#", "--user", "ann"],
    &["trace", "#", "--for", "1s"],
];

const STORE: &[&[&str]] = &[
    &["store", "check", "inst"],
    &["store", "stats", "inst"],
    &["store", "export", "inst", "--to", "records.jsonl"],
    &["store", "backup", "inst", "--to", "copy"],
    &["store", "compact", "inst"],
    &["store", "compact", "--store", "copy"],
    &[
        "store",
        "import",
        "--store",
        "new",
        "--from",
        "records.jsonl",
    ],
    &[
        "store",
        "import",
        "--store",
        "new",
        "--from",
        "records.jsonl",
    ],
    &[
        "store",
        "import",
        "--store",
        "other",
        "--from",
        "inst/etc/acl.toml",
    ],
    &["run", "inst", "--listen", "127.0.0.1:0"],
];

fn broker(dir: &Path) -> Broker {
    let inst = dir.join("inst");
    std::fs::create_dir_all(inst.join("etc")).expect("a directory");
    let rules = "[[rule]]\ndeny = [\"publish\"]\ntopics = [\"secret/#\"]\n\n\
                 [[rule]]\nallow = [\"all\"]\ntopics = [\"#\"]\n";
    std::fs::write(inst.join("etc/acl.toml"), rules).expect("a file");
    let config = "[broker]\nshards = 1\n[access]\nacl = \"etc/acl.toml\"\n";
    let mut broker = Broker::start(&inst, config, |command| {
        command.env("COLUMBA_LANG", "zh");
    });
    drop(broker.take_stderr());
    let welcome = broker.take_shown();
    assert_eq!(prose(&welcome, &[]), None, "{welcome}");
    let widths: Vec<_> = welcome.lines().map(width).collect();
    assert!(
        widths.windows(2).all(|pair| pair[0] == pair[1]),
        "{welcome}"
    );
    let run = |args: &[&str]| {
        let server = ["-h", "127.0.0.1", "-p", broker.port()];
        columba()
            .args(args)
            .args(server)
            .output()
            .expect("the binary")
    };
    run(&["sub", "-q", "1", "-c", "-i", "away", "-t", "home/#", "-E"]);
    run(&["pub", "-q", "1", "-t", "home/a", "-m", "x", "-r"]);
    run(&[
        "pub", "-q", "1", "-V", "5", "-i", "thief", "-t", "secret/a", "-m", "x",
    ]);
    broker
}

#[test]
fn what_asks_a_broker_speaks_chinese() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let _waits = broker.connect("waits");
    let at = ["--dir", "inst"];
    let mut faults: Vec<_> = ASKING
        .iter()
        .filter_map(|args| fault(dir.path(), 100, &[*args, &at[..]].concat()))
        .collect();
    faults.extend(STORE.iter().filter_map(|args| fault(dir.path(), 100, args)));
    let server = ["-h", "127.0.0.1", "-p", broker.port()];
    for args in [
        &[
            "pub", "-q", "1", "-t", "home/a", "-m", "x", "--why", "--dir", "inst",
        ][..],
        &["pub", "-q", "1", "-t", "nobody/a", "-m", "x"],
        &["sub", "-t", "home/#", "-C", "1", "--count-by-topic"],
        &["sub", "-t", "home/#", "-C", "1", "--rate"],
        &["rr", "-t", "nobody", "-e", "answer", "-m", "x", "-W", "1"],
        &["simulate", "-s", "smart-home", "--duration", "1s"],
    ] {
        faults.extend(fault(dir.path(), 100, &[args, &server[..]].concat()));
    }
    let url = format!("mqtt://127.0.0.1:{}", broker.port());
    faults.extend(fault(dir.path(), 100, &["doctor", &url, "-W", "5"]));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn english_sentences_are_found_and_names_are_none() {
    for (shown, found) in [
        ("手机 (not logged in)", true),
        ("错误：there is no such path", true),
        ("i：good. 2 listeners, 4 access rules", true),
        ("由 etc/acl.toml:14 决定", false),
        ("请关闭 clean start", false),
        ("用 `make the directory first`", false),
        ("{\"text\": \"what is in it\"}", false),
    ] {
        assert_eq!(prose(shown, &[]).is_some(), found, "{shown}");
    }
}
