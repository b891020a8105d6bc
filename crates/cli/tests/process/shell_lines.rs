//! Lines of shell scripts as people write them around Mosquitto's clients: with Mosquitto's own and with
//! this binary under their names they print the same and end with the same code.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::bed::{Broker, columba};

/// `$P` names the server, `$D` a directory of the run; every line has topics of its own.
const LINES: &[&str] = &[
    // A value in a variable, or nothing in time.
    "mosquitto_pub $P -t a/1 -m on -r; v=$(mosquitto_sub $P -t a/1 -C 1 -W 5); echo \"[$v]\"",
    "mosquitto_sub $P -t a/none -C 1 -W 1 2>/dev/null || echo \"nothing: $?\"",
    "if mosquitto_sub $P -t a/none -C 1 -W 1 >/dev/null 2>&1; then echo up; else echo down; fi",
    // Lines in loops.
    "for i in 1 2 3; do mosquitto_pub $P -t b/$i -m v$i -r -q 1; done; mosquitto_sub $P -t b/+ -v -C 3 \
     | sort | while read -r topic message; do echo \"$topic=$message\"; done",
    "mosquitto_sub $P -t b/+ -F '%t %p %q %r' -C 3 | sort | head -1",
    "mosquitto_sub $P -t b/+ -v -T b/2 -C 2 | sort",
    "mosquitto_sub $P -t b/1 -C 1 -N | od -c",
    "mosquitto_sub $P -t b/1 -t b/1 -C 1 --quiet",
    "printf 'x\\n\\ny' | mosquitto_pub $P -t c -l -q 1 -r; mosquitto_sub $P -t c -C 1",
    "printf 'x\\ny\\n' > $D/in; mosquitto_pub $P -t c -l < $D/in; mosquitto_pub $P -t c -s -r < $D/in; \
     mosquitto_sub $P -t c -C 1",
    "mosquitto_pub $P -t c -r -f $D/in; mosquitto_sub $P -t c -C 1 -F '%l %x'",
    // Retained messages.
    "mosquitto_pub $P -t d/1 -m x -r; mosquitto_sub $P -t d/1 -R -W 1 2>/dev/null; echo $?",
    "mosquitto_pub $P -r -n -t d/1; mosquitto_sub $P -t d/1 -v -W 1 2>/dev/null; echo $?",
    "mosquitto_pub $P -t d/2 -m x -r; mosquitto_sub $P -t d/2 --remove-retained -W 1 2>/dev/null; echo $?; \
     mosquitto_sub $P -t d/2 -W 1 2>/dev/null; echo $?",
    "mosquitto_sub $P -t d/3 -E; echo $?",
    // Sessions.
    "mosquitto_sub $P -c -i kept -q 1 -t e -E; mosquitto_pub $P -t e -q 1 -m held; \
     mosquitto_sub $P -c -i kept -q 1 -t e -C 1 -W 5; mosquitto_sub $P -i kept -t e -E",
    "mosquitto_sub $P -x 60 -c -i kept5 -q 1 -t e -E; mosquitto_pub $P -t e -q 1 -m held5; \
     mosquitto_sub $P -V 5 -x 60 -c -i kept5 -q 1 -t e -C 1 -W 5",
    // Options files, and none.
    "mkdir -p $HOME/.config; printf '%s\\n' '# here' \"$P\" '' '-q 1' '-r' | sed 's/ -p/\\n-p/' \
     > $HOME/.config/mosquitto_pub; mosquitto_pub -t f -m opt; rm $HOME/.config/mosquitto_pub; \
     mosquitto_sub $P -q 1 -t f -C 1 -F '%q %p'",
    "unset HOME; mosquitto_pub $P -t g -m nohome -r; mosquitto_sub $P -t g -C 1",
    // Ends of streams, and signals.
    "mosquitto_pub $P -t h -m x >&-; echo $?",
    "mosquitto_sub $P -t 'b/#' -v -W 5 | head -0",
    "timeout -s INT 0.5 mosquitto_sub $P -t h/never -v; echo $?",
    "timeout --preserve-status -s TERM 0.5 mosquitto_sub $P -t h/never; echo $?",
    // Messages of no bytes, held in a session of each round: Mosquitto's leaves without acknowledging the last.
    "n=0; for o in '-v' '-v -N' '' '-F %p|'; do n=$((n+1)); mosquitto_sub $P -c -i null$n -q 1 -t i/$n -E; \
     mosquitto_pub $P -t i/$n -q 1 -n; mosquitto_pub $P -t i/$n -q 1 -m end; \
     mosquitto_sub $P -c -i null$n -q 1 -t i/$n -C 2 -W 5 $o; echo; done",
    // Wills, URLs, bytes beyond ASCII, wrong lines.
    "mosquitto_pub $P -t j -m v --will-topic w --will-payload gone --will-qos 1 --will-retain; echo $?",
    "mosquitto_pub -L mqtt://127.0.0.1:${P##* }/k/url -m u -r; mosquitto_sub -L mqtt://127.0.0.1:${P##* }/k/url -C 1",
    "mosquitto_pub $P -t l -m 'ä€ ' -r; mosquitto_sub $P -t l -C 1 -F '%x %l [%p] %5t|%-8t|'",
    "mosquitto_pub $P -t m -m x -q 3 2>/dev/null || echo $?",
    "mosquitto_pub $P -m x >/dev/null 2>&1 || echo $?",
    "mosquitto_sub $P m 2>/dev/null || echo $?",
    "mosquitto_pub $P -t m -m a b >/dev/null 2>&1 || echo $?",
    "mosquitto_pub --unix $D/none -t m -m x 2>/dev/null || echo $?",
    "mosquitto_rr $P -t n -e n -m ping -W 5",
];

/// What the shell printed, and its exit code.
fn run(dir: &Path, programs: &Path, server: &str, line: &str) -> (String, Option<i32>) {
    let own = tempfile::tempdir_in(dir).expect("a directory");
    // A line that hangs shows what it printed.
    let mut command = Command::new("timeout");
    command
        .args(["20", "bash", "-c"])
        .arg(line)
        .current_dir(own.path());
    command.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    command
        .env("HOME", own.path())
        .env_remove("XDG_CONFIG_HOME");
    command.env("P", server).env("D", dir).env("TZ", "UTC");
    let output = command.stdin(Stdio::null()).output().expect("bash");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    (shown, output.status.code())
}

#[test]
fn lines_of_scripts_do_the_same_with_the_links() {
    let dir = tempfile::tempdir().expect("a directory");
    let ours = dir.path().join("ours");
    std::fs::create_dir(&ours).expect("a directory");
    let linked = columba().arg("link-mosquitto").arg(&ours).output();
    assert!(linked.expect("the binary").status.success());
    let outcomes = [Path::new("/usr/bin"), &ours].map(|programs| {
        let own = tempfile::tempdir_in(dir.path()).expect("a directory");
        let mut broker =
            Broker::start(&own.path().join("broker"), "[broker]\nshards = 1\n", |_| ());
        // Nobody reads it, and it must not fill up.
        drop(broker.take_stderr());
        let server = format!("-h 127.0.0.1 -p {}", broker.port());
        let run = |line: &&str| run(own.path(), programs, &server, line);
        LINES.iter().map(run).collect::<Vec<_>>()
    });
    let [theirs, ours] = &outcomes;
    for ((line, theirs), ours) in LINES.iter().zip(theirs).zip(ours) {
        assert_eq!(theirs, ours, "{line}");
    }
}
