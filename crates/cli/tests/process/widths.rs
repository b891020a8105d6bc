//! What the commands show fits into the terminal, in both languages, whatever clients are called.

use columba_speech::width::width;

use crate::bed::{Broker, columba};
use crate::terminal::at_a_terminal_with;

const LONG_TOPIC: &str =
    "工厂/二号车间/一条非常长的生产线/温度传感器/第十七号/当前读数/home/kitchen/ceiling/lamp/state";
const LONG_CLIENT: &str = "网关-第三号-一个名字很长的客户端-0123456789-abcdefghijklmnopqrstuvwxyz";

/// A broker that has something to show of everything.
fn busy_broker(dir: &std::path::Path) -> Broker {
    std::fs::create_dir_all(dir.join("broker/etc")).expect("a directory");
    let rules = "[[rule]]\ndeny = [\"publish\"]\ntopics = [\"secret/#\"]\n\n[[rule]]\nallow = [\"all\"]\n\
                 topics = [\"#\"]\ncomment = \"everybody\"\n";
    std::fs::write(dir.join("broker/etc/acl.toml"), rules).expect("a file");
    let config = "[broker]\nshards = 1\n[access]\nacl = \"etc/acl.toml\"\n";
    let mut broker = Broker::start(&dir.join("broker"), config, |_| ());
    drop(broker.take_stderr());
    let run = |args: &[&str]| {
        let mut command = columba();
        command
            .args(args)
            .args(["-h", "127.0.0.1", "-p", broker.port()]);
        let output = command.output().expect("the binary");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // A session that stays, with something in its queue.
    let session = [
        "sub",
        "-q",
        "1",
        "-c",
        "-i",
        LONG_CLIENT,
        "-t",
        LONG_TOPIC,
        "-E",
    ];
    assert_eq!(run(&session), "");
    for (topic, more) in [
        (LONG_TOPIC, "-r"),
        ("home/a", "-r"),
        ("secret/a/long/topic/that/nobody/may/publish/to", "-d"),
    ] {
        let said = run(&[
            "pub",
            "-i",
            "发布者-名字也很长-0123456789",
            "-q",
            "1",
            "-V",
            "5",
            "-t",
            topic,
            "-m",
            "二十一度五分，一段较长的中文内容，用来填满一行",
            more,
        ]);
        assert!(!said.contains("cannot"), "{said}");
    }
    broker
}

/// Without what colours text and moves the cursor; what comes behind a return begins its line anew.
pub(crate) fn plain(shown: &str) -> String {
    let mut out = String::new();
    let mut rest = shown.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => drop(rest.by_ref().find(|c| c.is_ascii_alphabetic())),
            '\r' => out.push('\n'),
            c => out.push(c),
        }
    }
    out
}

#[test]
fn nothing_runs_over_the_width_of_the_terminal_in_either_language() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = busy_broker(dir.path());
    let url = format!("mqtt://127.0.0.1:{}", broker.port());
    let at = ["--dir", "broker"];
    let commands: &[&[&str]] = &[
        &["topics"],
        &["topics", "--sort", "messages"],
        &["topics", "--tree", "--depth", "9"],
        &["clients"],
        &["clients", "--sessions"],
        &["clients", LONG_CLIENT],
        &["retained"],
        &["acl"],
        &["events"],
        &["events", "--ledger"],
        &["top", "--once"],
        &["why", LONG_TOPIC],
        &["why", LONG_TOPIC, "--to", LONG_CLIENT],
        &["why", "secret/a/long/topic/that/nobody/may/publish/to"],
        &["can", LONG_CLIENT, "publish", LONG_TOPIC],
        &["can", "lamp", "publish", "secret/a"],
        &["can", "lamp", "receive", LONG_TOPIC, "--user", "ann"],
        &["topics", "--sort", "subscriptions"],
        &["events", "--utc", "--outcome", "publish"],
    ];
    let mut wide = Vec::new();
    for columns in [60, 80, 120] {
        for language in ["en_US.UTF-8", "zh_CN.UTF-8"] {
            let check = |wide: &mut Vec<String>, args: &[&str]| {
                let variables = [("COLUMBA_LANG", language), ("LC_ALL", language)];
                let (shown, _) = at_a_terminal_with(columns, &variables, dir.path(), args, &[]);
                assert!(!shown.trim().is_empty(), "{args:?} shows nothing");
                let shown = plain(&shown);
                let over = shown
                    .lines()
                    .filter(|line| width(line) > usize::from(columns));
                wide.extend(over.map(|line| format!("{args:?} in {columns}, {language}: {line}")));
            };
            for args in commands {
                check(&mut wide, &[args, &at[..]].concat());
            }
            check(&mut wide, &["doctor", &url, "-W", "5"]);
            check(&mut wide, &["match", "home/+/x", LONG_TOPIC]);
            check(&mut wide, &["match", LONG_TOPIC, LONG_TOPIC]);
            check(&mut wide, &["check", "broker"]);
            check(&mut wide, &["explain"]);
            check(&mut wide, &["store", "check", "broker"]);
            check(&mut wide, &["store", "stats", "broker"]);
        }
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}
