//! Shell scripts of the kinds that people write around Mosquitto's clients (cron jobs, loops that read lines,
//! health checks, options files, pipes that end early): the same output and exit code by Mosquitto's own
//! clients and by this binary under their names, each with a broker of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::bed::{Broker, columba};
use crate::mosquitto::read_packet;

/// In the order in which they run, since they leave retained messages for each other. `$H` names the broker,
/// and the directory is one of their own.
const SCRIPTS: &[&str] = &[
    // Cron jobs and sensors.
    r#"mosquitto_pub $H -t s/cpu -m "$(echo 42.5)" -r >/dev/null 2>&1"#,
    r#"V=$(mosquitto_sub $H -t s/cpu -C 1 -W 9); echo "$? [$V]""#,
    r#"V=$(mosquitto_sub $H -t s/none -C 1 -W 1 2>/dev/null); echo "$? [$V]""#,
    r#"mosquitto_pub $H -t "sp ace/ü" -m " two  words °C " -r; mosquitto_sub $H -v -t "sp ace/#" -C 1"#,
    // Loops that read lines.
    r#"mosquitto_sub $H -v -t 's/#' -C 1 | while read -r topic payload; do echo "$topic: $payload"; done"#,
    r#"mosquitto_sub $H -F '%t|%p|%r|%q|%l' -t 's/#' -C 1 | while IFS='|' read -r t p r q l; do echo "$t $p $r $q $l"; done"#,
    r#"mkfifo fifo; mosquitto_sub $H -t s/cpu -v -C 1 > fifo & read -r t p < fifo; echo "$t=$p"; wait $!"#,
    r#"for i in 1 2 3; do mosquitto_pub $H -t hd/$i -m $i -r; done; mosquitto_sub $H -t 'hd/#' -v -W 1 2>/dev/null | head -n 2"#,
    r#"timeout 20 mosquitto_sub $H -t 'hd/+' -v -C 3 | tee log | sort; wc -l < log"#,
    // Standard input, slow and otherwise.
    r#"(echo a; mosquitto_sub $H -t s/cpu -C 1; printf 'c') | mosquitto_pub $H -t l/x -l -q 1 -r; echo $?; mosquitto_sub $H -t l/x -C 1"#,
    "mosquitto_pub $H -t l/x -l -r <<END\nfirst\nlast\nEND\nmosquitto_sub $H -t l/x -C 1",
    r#"printf 'a\0\377' | mosquitto_pub $H -t b/n -s -r; mosquitto_sub $H -t b/n -C 1 -F %x; mosquitto_sub $H -t b/n -C 1 -N | od -An -tx1"#,
    r#"printf 'one\ntwo' > p; mosquitto_pub $H -t p/f -r -f p; mosquitto_sub $H -t p/f -C 1; mosquitto_pub $H -t a -f none 2>/dev/null"#,
    r#"mosquitto_pub $H -t s/cpu -m 1 -r <&-; echo $?; mosquitto_sub $H -t s/cpu -C 1 >&-"#,
    // Time limits; signals are not sent here: Mosquitto's own client may hang when one comes while it reads.
    r#"mosquitto_sub $H -t none -W 1 --quiet; echo $?; mosquitto_sub $H -t 'hd/#' -R -W 1 2>/dev/null"#,
    // Sessions, Wills, retained messages.
    r#"mosquitto_sub $H -t 'q/#' -E -i dur -c -q 1; mosquitto_pub $H -t q/a -q 1 -m kept; mosquitto_sub $H -t 'q/#' -i dur -c -q 1 -C 1; mosquitto_sub $H -i dur -t x -E"#,
    r#"mosquitto_sub $H -t hd/1 -C 1 --will-topic w/t --will-payload bye --will-qos 1 --will-retain; mosquitto_sub $H -t w/t -C 1 -W 1 2>/dev/null"#,
    r#"mosquitto_pub $H -t e/m -m '' -r; echo $?; mosquitto_pub $H -t hd/3 -n -r; mosquitto_sub $H -t 'hd/#' -v -C 2 --retained-only"#,
    r#"mosquitto_sub $H -t 'hd/#' --remove-retained --retained-only -W 1 2>/dev/null; mosquitto_pub $H -t hd/9 -r -m 9; mosquitto_sub $H -t 'hd/#' -C 1 -v"#,
    // Health checks.
    r#"mosquitto_pub $H -t h -m x --nodelay -q 1 && echo healthy || echo sick"#,
    r#"mosquitto_pub -h 127.0.0.1 -p 1 -t h -m x 2>/dev/null || echo "down $?""#,
    r#"mosquitto_pub $H -t a/+/b -m x 2>/dev/null; echo $?; mosquitto_pub $H --bogus 2>/dev/null >&2; echo $?; mosquitto_sub >/dev/null 2>&1"#,
    // Options files.
    r#"mkdir -p h/.config; printf -- "-h 127.0.0.1\n-p $P\n# note\n-v\n" > h/.config/mosquitto_sub; unset XDG_CONFIG_HOME; HOME=h mosquitto_sub -t p/f -C 1"#,
    r#"mkdir -p c; printf -- "-h 127.0.0.1\n-p $P\n-t f/o\n-q 1\n-r\n" > c/mosquitto_pub; XDG_CONFIG_HOME=c mosquitto_pub -m hi; mosquitto_sub $H -t f/o -C 1"#,
    r#"mosquitto_sub -L mqtt://127.0.0.1:$P/f/o -C 1; mosquitto_pub --host 127.0.0.1 --port $P --topic f/o --message y --qos 1 --retain --id me; mosquitto_sub $H -I app- -t f/o -C 1"#,
];

fn run(programs: &Path, broker: &Broker, dir: &Path, script: &str) -> Output {
    let mut path = programs.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let port = broker.port();
    let mut command = Command::new("timeout");
    command.args(["30", "sh", "-c", script]).current_dir(dir);
    command.env("PATH", path).env("P", port);
    command.env("H", format!("-h 127.0.0.1 -p {port}"));
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command.stdin(Stdio::null());
    command.output().expect("a shell")
}

#[test]
fn scripts_do_the_same_with_either_client() {
    let links = tempfile::tempdir().expect("a directory");
    let linked = columba().arg("link-mosquitto").arg(links.path()).output();
    assert!(linked.expect("the binary").status.success());
    let both = [Path::new("/usr/bin"), links.path()].map(|programs| {
        let dir = tempfile::tempdir().expect("a directory");
        let config = "[broker]\nshards = 1\n";
        let mut broker = Broker::start(&dir.path().join("broker"), config, |_| ());
        // Nobody reads it, and it must not fill up.
        drop(broker.take_stderr());
        (programs, dir, broker)
    });
    for script in SCRIPTS {
        let outputs = both.each_ref().map(|(programs, dir, broker)| {
            let output = run(programs, broker, dir.path(), script);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let shown = String::from_utf8_lossy(&output.stdout).into_owned();
            (shown, output.status.code(), said)
        });
        let [theirs, ours] = &outputs;
        assert_eq!(theirs.0, ours.0, "{script}\n{outputs:?}");
        assert_eq!(theirs.1, ours.1, "{script}\n{outputs:?}");
        assert_ne!(theirs.1, Some(124), "{script}\n{outputs:?}");
    }
}

/// With standard output closed the socket gets its number with Mosquitto's client, and the message goes to
/// the server. Ours waits for the message, as it was asked to, and it goes nowhere.
#[test]
fn a_closed_standard_output_is_not_the_socket() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port().to_string();
    let mut command = Command::new("sh");
    let line = "exec \"$0\" sub -o /dev/null -V 311 -h 127.0.0.1 -p \"$1\" -t a -C 1 >&-";
    command.args(["-c", line, env!("CARGO_BIN_EXE_columba"), &port]);
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    let mut child = command.spawn().expect("a shell");
    let (mut socket, _) = server.accept().expect("a connection");
    let patience = Some(Duration::from_secs(20));
    socket.set_read_timeout(patience).expect("a timeout");
    read_packet(&mut socket);
    socket.write_all(b"\x20\x02\0\0").expect("CONNACK");
    read_packet(&mut socket);
    let answer = b"\x90\x03\0\x01\0\x30\x04\0\x01ax";
    socket.write_all(answer).expect("SUBACK and PUBLISH");
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).expect("an end");
    assert_eq!(rest, b"\xe0\0", "DISCONNECT and nothing else");
    drop(socket);
    assert_eq!(child.wait().expect("an end").code(), Some(0));
}
