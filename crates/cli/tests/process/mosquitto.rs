//! The same command lines by Mosquitto's own clients and by this binary under their names, with the
//! same broker: output and exit code are equal, and on standard error both say something of the
//! matter, or nothing.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bed::{Broker, columba};

/// A command line, with `\0` for its standard input behind it; what both say on standard error:
/// Mosquitto's word, and ours. No words: both are silent.
pub(crate) type Case = (&'static str, Option<(&'static str, &'static str)>);

/// What reads the retained messages `g/json` and `g/all`.
const SUBSCRIBE: &[Case] = &[
    ("sub -t g/json -C 1", None),
    ("sub -t g/json -C 1 -v", None),
    ("sub -t g/json -C 1 -N", None),
    ("sub --topic g/json -C 1 --verbose --qos 2", None),
    ("sub -t g/json -t g/all -C 2", None),
    ("sub -t g/+ -T g/json -C 1 -v", None),
    ("sub -t g/json -C 1 -F %t|%q|%r|%l|%m|%p|%x|%X|%%", None),
    ("sub -t g/json -q 1 -C 1 -F %t|%q|%r|%l|%m", None),
    ("sub -t g/all -V 5 -C 1 -F %A|%C|%D|%E|%F|%P|%R|%S|%p", None),
    (
        "sub -t g/all -D subscribe subscription-identifier 7 -C 1 -F %S|%20A|%-20C|%20F|%020l|%-5l|%5m",
        None,
    ),
    (
        "sub -t g/all -V 5 -C 1 -F %05m|%.3t|%10.2t|%20R|%.1R|%5S|%20p|%3q|%3r",
        None,
    ),
    (
        "sub -t g/all -V 5 -C 1 -F %20t|%-20t|%020t|%06.1C|%06F|%-6F|%9P|%06S",
        None,
    ),
    (
        r"sub -t g/all -C 1 -F %.4I|%6.4I|%-6.4I|%06.4I|@Y-@m|\\|\a\e\v\0x@@",
        None,
    ),
    ("sub -t g/json -C 1 -F %j", None),
    ("sub -t g/json -C 1 -F %J", None),
    ("sub -t g/json -C 1 -F %J --pretty", None),
    ("sub -t g/all -V 5 -C 1 -F %j", None),
    (
        "sub -t g/all -C 1 -F %J",
        Some(("not valid json", "not valid json")),
    ),
    ("sub -t h/lines -C 1 -F %J", None),
    ("sub -t h/lines -C 1 -F [%J|%j]", None),
    ("sub -t h/lines -C 1 -F %J --pretty", None),
    (
        "sub -t g/all -C 1 -F a%Jb%t",
        Some(("not valid json", "not valid json")),
    ),
    ("sub -t g/json -R -W 1", Some(("timed out", "timed out"))),
    ("sub -t g/json -W 1", Some(("timed out", "timed out"))),
    // Of a topic without a retained message: whether that is seen before the end is a matter of luck.
    ("sub -t g/none -E", None),
    ("sub -t g/json --retained-only -C 1", None),
    ("sub -t g/json -C 1 -V 31", None),
    ("sub -t g/json -C 1 -V mqttv5 -x 5", None),
    ("sub -t g/json -C 1 -i -x -k 5", None),
    (
        "sub -t g/json -C 1 -I prefix -c -i x",
        Some(("-i and -i argument", "cannot be used with")),
    ),
    ("sub -t g/json -C 1 -c -i kept", None),
    (
        "sub -t g/json -C 1 --will-topic w --will-payload -5 --will-qos 1 --will-retain",
        None,
    ),
    (
        "sub -t g/json -C 1 -F x%y",
        Some(("format specifier", "%y is not")),
    ),
    (
        "sub -t g/json -C 1 -F x%",
        Some(("incomplete", "unfinished")),
    ),
    ("sub -t g/json -C 1 -F x@", Some(("incomplete", "after @"))),
    (
        r"sub -t g/json -C 1 -F \q",
        Some(("escape specifier", r"after \")),
    ),
    (
        "sub -t g/#x",
        Some(("invalid subscription topic", "invalid topic filter")),
    ),
    // Who wants to hear of no errors still hears of those in the command line.
    (
        "sub -t g/#x --quiet",
        Some(("invalid subscription topic", "invalid topic filter")),
    ),
    ("sub", Some(("specify a topic", "--topic"))),
    (
        "sub -t g/json -C 0",
        Some(("invalid message count", "--count")),
    ),
    (
        "sub -t g/json -q 3",
        Some(("invalid qos", "the qos is 0, 1 or 2")),
    ),
    // Numbers are what C makes of them.
    ("sub -t g/json -q  -C 1", None),
    ("sub -t g/json -q 1x -C 1 -F %q", None),
    ("sub -t g/json -C 1x", None),
    ("sub -t g/none -W 1.5", Some(("timed out", "timed out"))),
    (
        "sub -t g/json -C ",
        Some(("invalid message count", "--count")),
    ),
    (
        "sub -t g/json -W abc",
        Some(("invalid timeout", "--timeout")),
    ),
    (
        "sub -t g/json -k 4",
        Some(("invalid keepalive", "invalid keepalive")),
    ),
    (
        "sub -t g/json -k 65536",
        Some(("invalid keepalive", "invalid keepalive")),
    ),
    (
        "sub -t g/json --random-filter abc",
        Some(("random-filter", "random-filter")),
    ),
    (
        "sub -t g/json -T g/#/x",
        Some((
            "invalid filter topic",
            "topic filter 'g/#/x' of --filter-out",
        )),
    ),
    (
        "sub -t g/json -U g+",
        Some((
            "invalid unsubscribe topic",
            "topic filter 'g+' of --unsubscribe",
        )),
    ),
    ("sub -t g/json -T  -C 1", None),
    ("sub -t g/\njson", Some(("malformed utf-8", "u+000a"))),
    (
        "sub -t g/json -T g/\u{7f}",
        Some(("malformed utf-8", "u+007f")),
    ),
    (
        "sub -t g/json -U g/\u{1}",
        Some(("malformed utf-8", "u+0001")),
    ),
    (
        "sub -t g/json --will-topic g/\u{1}",
        Some(("malformed utf-8", "u+0001")),
    ),
    (
        "sub -U g/json",
        Some(("specify a topic", "specify a topic")),
    ),
    ("sub -t g/json -i ", Some(("invalid id", "invalid id"))),
    ("sub -L mqtt://127.0.0.1:PORT/g/json -C 1 -v", None),
    ("sub -L mqtt://127.0.0.1:PORT/g/json -t g/all -C 2 -v", None),
    (
        "sub -L mqtt://127.0.0.1:PORT/g/json -L mqtt://127.0.0.1:PORT/g/all -C 2 -v",
        None,
    ),
    ("sub -L MQTT://127.0.0.1:PORT/g/json -C 1", None),
    (
        "sub -L mqtt://u%41:p%20@127.0.0.1:PORT/g/json",
        Some(("bad user name", "bad user name")),
    ),
    ("sub -t g/json -W 0", Some(("invalid timeout", "--timeout"))),
    (
        "sub -t g/json -R --retained-only",
        Some(("makes no sense", "cannot be used with")),
    ),
    ("sub -t g/json -c", Some(("client id", "client id"))),
    (
        "sub -t g/json --will-payload x",
        Some(("no will topic", "--will-topic")),
    ),
    (
        "sub -t g/json --will-topic x/# -C 1",
        Some(("invalid will topic", "wildcard")),
    ),
    (
        "sub -t g/json -V 4",
        Some(("protocol version", "--protocol-version")),
    ),
    (
        "sub -t g/json -x abc",
        Some(("not a number", "a number of seconds")),
    ),
    (
        "sub -t g/json --cert x",
        Some(("both certfile and keyfile", "--key")),
    ),
    (
        "sub -t g/json --unix /nonexistent",
        Some(("no such file", "no such file")),
    ),
    (
        "sub -t g/json -m x",
        Some(("unknown option", "unexpected argument")),
    ),
    ("sub -t", Some(("no topic specified", "without its value"))),
    (
        "sub -t g/json -u nobody -P x",
        Some(("bad user name", "bad user name")),
    ),
    (
        "sub -t g/json -u nobody -P x -V 5",
        Some(("bad user name", "bad user name")),
    ),
];

/// What publishes retained messages, or fails.
const PUBLISH: &[Case] = &[
    ("pub -r -t p/1 -m hello", None),
    ("pub -r -t p/1 -m -5", None),
    ("pub -r -t -t -m -r", None),
    ("pub --retain --topic p/1 --message hello --qos 2", None),
    ("pub -r -t p/1 -t p/2 -m hello -q 1 -M 5", None),
    ("pub -r -t p/1 -s\0all of\nit\n", None),
    ("pub -r -t p/1 -l\0one\ntwo\nthree", None),
    ("pub -r -t p/1 -l -q 1\0one\n\nthree\n", None),
    ("pub -r -t p/1 -l\0", None),
    ("pub -r -t p/1 -f FILE", None),
    ("pub -r -t p/1 -n", None),
    (
        "pub -r -t p/1 -m x --repeat 3 --repeat-delay 0.01 -q 1",
        None,
    ),
    ("pub -r -t p/1 -m x -V 31", None),
    ("pub -r -t p/1 -m x -c -i pub-kept -q 1", None),
    ("pub -r -t p/1 -m x -x -1 -i pub-kept -q 1", None),
    (
        "pub -r -t p/1 -m x -D publish content-type text/plain -D publish response-topic z -D \
         publish correlation-data -x -D publish user-property a b -D publish user-property -c -d",
        None,
    ),
    (
        "pub -r -t p/1 -m x -D publish payload-format-indicator 1 --property connect receive-maximum 5",
        None,
    ),
    (
        "pub -r -t p/1 -m x -D connect user-property a b -V 311",
        Some(("not supported", "needs mqtt 5")),
    ),
    (
        "pub -r -t p/1 -m x -D will content-type b --will-topic w -V 311",
        Some(("problem setting will", "needs mqtt 5")),
    ),
    ("pub -r -L mqtt://127.0.0.1:PORT/p/url -m x", None),
    // Of -L and -t the last counts.
    ("pub -r -L mqtt://127.0.0.1:PORT/p/url -t p/1 -m x", None),
    ("pub -r -t p/1 -L mqtt://127.0.0.1:PORT/p/url -m x", None),
    ("pub -r -L mqtt://127.0.0.1:PORT//p/%31 -m x", None),
    (
        "pub -r -L mqtt://127.0.0.1:PORT -t p/1 -m x",
        Some(("topic missing", "topic missing")),
    ),
    ("pub -r -L mqtt://127.0.0.1/p/url -p PORT -m x", None),
    ("pub -r -t p/1 -m x -q ", None),
    ("pub -r -t p/1 -m x --repeat 1x --repeat-delay abc", None),
    ("pub -r -t p/1 -m x -M 70000", None),
    ("pub -r -t p/1 -m x --will-qos 1", None),
    (
        "pub -r -t p/1 -m x -p 0",
        Some(("no such file", "invalid port")),
    ),
    (
        "pub -r -t p/1 -m x -m y",
        Some(("only one type", "only one type")),
    ),
    (
        "pub -r -t p/1 -n -n",
        Some(("only one type", "only one type")),
    ),
    (
        "pub -r -t p/1 -l -s",
        Some(("only one type", "only one type")),
    ),
    (
        "pub -r -t p/1 -f FILE -l",
        Some(("only one type", "only one type")),
    ),
    (
        "pub -r -L mqtt://nonexistent.invalid:PORT/p/url -h 127.0.0.1 -m x",
        None,
    ),
    (
        "pub -r --unix /nonexistent -h 127.0.0.1 -p PORT -t p/1 -m x",
        None,
    ),
    (
        "pub -r -t p/1 -m x -u nobody -P x",
        Some(("bad user name", "bad user name")),
    ),
    (
        "pub -r -t p/1 -m x -u nobody -P x -V 5",
        Some(("bad user name", "bad user name")),
    ),
    (
        "pub -r -t p/1 -s\0",
        Some(("zero length", "stdin is empty")),
    ),
    (
        "pub -r -t p/1 -f /nonexistent",
        Some(("unable to open", "cannot read")),
    ),
    (
        "pub -r -t p/# -m x",
        Some(("invalid publish topic", "wildcard")),
    ),
    (
        "pub -r -t p/1 -m x -n",
        Some(("only one type", "only one type")),
    ),
    (
        "pub -r -t p/1 -m x --foo",
        Some(("unknown option", "unexpected argument")),
    ),
    (
        "pub -r -t p/1 -m x -C 1",
        Some(("unknown option", "unexpected argument")),
    ),
    (
        "pub -r -t p/1 -m x --repeat 0",
        Some(("--repeat", "--repeat")),
    ),
    (
        "pub -r -t p/1 -m x -D publish foo bar",
        Some(("property name", "no such property")),
    ),
    (
        "pub -r -t p/1 -m x -D publish content-type",
        Some(("not enough", "without its value")),
    ),
    (
        "pub -r -t p/1 -m x -D auth authentication-method x",
        Some(("not supported for auth", "not supported for auth")),
    ),
    (
        "pub -r -t p/1 -m x -D puback reason-string x",
        Some(("not supported", "the packets are")),
    ),
    (
        "pub -r -t p/1 -m x -D connect authentication-method none",
        Some(("bad authentication method", "bad authentication method")),
    ),
    (
        "pub -r -t p/1 -m x -D connect receive-maximum 0",
        Some(("connect properties", "receive maximum")),
    ),
    (
        "pub -r -t p/1 -m x -D connect will-delay-interval 1",
        Some(("not allowed for connect", "no such property")),
    ),
    (
        "pub -r -t p/1 -m x -D disconnect reason-string enough",
        None,
    ),
    (
        "pub -r -t p/1 -m x -D CONNECT Receive-Maximum 5 -D Publish User-Property a b",
        None,
    ),
    // Debian builds Mosquitto's without it.
    (
        "pub -r -t p/1 -m x -S",
        Some(("unknown option", "no srv records")),
    ),
    (
        "pub -r -t p/1 -m x -D foo content-type x",
        Some(("invalid command", "the packets are")),
    ),
    (
        "pub -r -t p/1 -m x -M 0",
        Some(("inflight", "--max-inflight")),
    ),
    (
        "pub -r -t p/1 -m x -p 99999",
        Some(("invalid port", "--port")),
    ),
    (
        "pub -r -L http://127.0.0.1/x -m x",
        Some(("url scheme", "the schemes are")),
    ),
    ("pub -r -t p/1 -m x -P pw", Some(("username", "user name"))),
    (
        "pub -r -t p/1 -m x -h nonexistent.invalid",
        Some(("lookup", "lookup")),
    ),
    ("pub -r -t p/1 -m x -p 1", Some(("refused", "refused"))),
    ("pub -r -t p/1 -m x -A 127.0.0.1", None),
    (
        "pub -r -t p/1 -m x --proxy http://127.0.0.1:1",
        Some(("proxy", "socks5h")),
    ),
    (
        "pub -r -t p/1 -m x --proxy socks5h://127.0.0.1:1",
        Some(("refused", "refused")),
    ),
    ("pub -r -t p/1 -m x -p 1 --quiet", None),
    ("pub -r -t p/1 -f /nonexistent --quiet", None),
    ("pub -r -t p/1 -m x --cafile /nonexistent --quiet", None),
    // A wrong topic is found before anything else.
    (
        "pub -r -t p/# -m x -p 1 --quiet",
        Some(("invalid publish topic", "invalid topic")),
    ),
    (
        "pub -r -t p/1 -m x --will-topic w/# --quiet",
        Some(("invalid will topic", "wildcard")),
    ),
    (
        "pub -r -t p/1 -m x -D publish colour red --quiet",
        Some(("invalid property", "colour")),
    ),
    (
        "pub -r -t p/1 -m x -c --quiet",
        Some(("client id", "client id")),
    ),
    (
        "pub -r -t p/1 -m x --unix /nonexistent",
        Some(("no such file", "no such file")),
    ),
];

const REQUEST: &[Case] = &[
    ("rr -t a -e a -m x -W 5", None),
    ("rr -t a -e a -n -W 5 -v", None),
    ("rr -t a -e a -m x -W 5 -V 311 -v -q 1", None),
    ("rr -t a -e a -m x -W 5 -F %t|%R|%p -q 2", None),
    ("rr -t a -e b -m x -W 1", Some(("timed out", "timed out"))),
    (
        "rr -t a -e a -m x -m y",
        Some(("only one type", "only one type")),
    ),
    ("rr -t a -e b\n -m x", Some(("malformed utf-8", "u+000a"))),
    ("rr -L mqtt://127.0.0.1:PORT/a -t b -e b -m x -W 5", None),
    (
        "rr -t a -e b/# -m x",
        Some(("invalid response topic", "response topic")),
    ),
    (
        "rr -t a/+ -e b -m x -p 1 --quiet",
        Some(("invalid publish topic", "invalid topic")),
    ),
    ("rr -t a -m x", Some(("response topic", "--response-topic"))),
    ("rr -e a -m x", Some(("topic", "--topic"))),
    (
        "rr -t a -e a -m x -u nobody -P x",
        Some(("bad user name", "bad user name")),
    ),
];

pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) broker: Broker,
}

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) exit: Option<i32>,
    pub(crate) shown: String,
    pub(crate) said: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut broker =
            Broker::start(&dir.path().join("broker"), "[broker]\nshards = 1\n", |_| ());
        // Nobody reads it, and it must not fill up.
        drop(broker.take_stderr());
        fs::write(dir.path().join("file"), "from\0a file\n").expect("a file");
        fs::create_dir(dir.path().join("ours")).expect("a directory");
        let linked = columba()
            .arg("link-mosquitto")
            .arg(dir.path().join("ours"))
            .output();
        assert!(linked.expect("the binary").status.success());
        Self { dir, broker }
    }

    pub(crate) fn run(&self, programs: &Path, line: &str) -> Outcome {
        self.run_with(programs, line, &[("TZ", "UTC")])
    }

    fn run_with(&self, programs: &Path, line: &str, variables: &[(&str, &str)]) -> Outcome {
        let (line, input) = line.split_once('\0').unwrap_or((line, ""));
        let file = self.dir.path().join("file");
        let line = line.replace("PORT", self.broker.port());
        let mut words = line.split(' ').map(|word| match word {
            "FILE" => file.as_os_str().to_owned(),
            word => word.into(),
        });
        let tool = words.next().and_then(|tool| tool.into_string().ok());
        let program = programs.join(format!("mosquitto_{}", tool.expect("a tool")));
        let mut command = Command::new(program);
        // A later port in the line goes before this one.
        command
            .args(["-h", "127.0.0.1", "-p", self.broker.port()])
            .args(words);
        command.env("XDG_CONFIG_HOME", self.dir.path());
        command.envs(variables.iter().copied());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("mosquitto-clients is installed");
        // It may have ended without reading.
        drop(
            child
                .stdin
                .take()
                .expect("a pipe")
                .write_all(input.as_bytes()),
        );
        let output = child.wait_with_output().expect("an end");
        Outcome {
            exit: output.status.code(),
            shown: String::from_utf8_lossy(&output.stdout).into_owned(),
            said: String::from_utf8_lossy(&output.stderr).to_lowercase(),
        }
    }

    pub(crate) fn theirs(&self, line: &str) -> Outcome {
        self.run(Path::new("/usr/bin"), line)
    }

    pub(crate) fn ours(&self, line: &str) -> Outcome {
        self.run(&self.dir.path().join("ours"), line)
    }

    /// The PUBLISH packets of all retained messages, which it then removes, but for those of topics below `g`.
    pub(crate) fn retained(&self) -> Vec<Vec<u8>> {
        let mut socket = self.broker.open();
        // CONNECT of MQTT 5, SUBSCRIBE to all with QoS 2, PINGREQ. With one shard the answer to the
        // last is behind the messages.
        let packets = b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\0\x82\x07\0\x01\0\0\x01#\x02\xc0\0";
        socket.write_all(packets).expect("packets");
        let mut messages = Vec::new();
        loop {
            let packet = read_packet(&mut socket);
            match packet.first().map(|first| first >> 4) {
                Some(3) => messages.push(packet),
                Some(13) => break,
                _ => {}
            }
        }
        let topics = messages.iter().map(|message| topic_of(message));
        for topic in topics.filter(|topic| !topic.starts_with(b"g/")) {
            let mut packet = vec![0x31, topic.len() as u8 + 3, 0, topic.len() as u8];
            packet.extend(topic);
            packet.push(0);
            socket.write_all(&packet).expect("PUBLISH");
        }
        socket.write_all(b"\xc0\0").expect("PINGREQ");
        while read_packet(&mut socket).first() != Some(&0xd0) {}
        messages
    }
}

pub(crate) fn read_packet(socket: &mut TcpStream) -> Vec<u8> {
    let mut packet = vec![0; 1];
    socket.read_exact(&mut packet).expect("a packet");
    let (mut len, mut shift) = (0, 0);
    loop {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("a length");
        len |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let start = packet.len();
    packet.resize(start + len, 0);
    socket.read_exact(&mut packet[start..]).expect("the rest");
    packet
}

/// The topic of a PUBLISH of [`read_packet`].
fn topic_of(packet: &[u8]) -> &[u8] {
    let (len, rest) = packet.get(1..).expect("a body").split_at(2);
    let len = u16::from_be_bytes([len[0], len[1]]);
    &rest[..usize::from(len)]
}

/// A line without the times of its arrival; as JSON where the order of the properties may differ.
fn without_time(line: &str) -> Value {
    const TIME: &str = "\"tst\":\"";
    let mut parts = line.split(TIME);
    let mut timeless = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        timeless.push_str(TIME);
        timeless.push_str(part.split_once('"').map_or(part, |(_, behind)| behind));
    }
    if line.contains("\"properties\"")
        && let Ok(Value::Object(mut members)) = serde_json::from_str(line)
    {
        members.remove("tst");
        return Value::Object(members);
    }
    Value::from(timeless)
}

pub(crate) fn compare((line, words): &Case, theirs: &Outcome, ours: &Outcome) {
    let context = format!("{line}\ntheirs: {theirs:?}\nours: {ours:?}");
    assert_eq!(theirs.exit, ours.exit, "{context}");
    // With an error in the command line Mosquitto's client may show its usage as output.
    let lines = |outcome: &Outcome| -> Vec<_> {
        let lines = outcome.shown.lines();
        let timeless = lines.filter(|line| !line.starts_with("\t\"tst\""));
        timeless.map(without_time).collect()
    };
    if !theirs.shown.contains("Usage: ") {
        assert_eq!(lines(theirs), lines(ours), "{context}");
        assert_eq!(
            theirs.shown.ends_with('\n'),
            ours.shown.ends_with('\n'),
            "{context}"
        );
    }
    match words {
        Some((their_word, our_word)) => {
            assert!(theirs.said.contains(their_word), "{context}");
            assert!(ours.said.contains(our_word), "{context}");
        }
        None => assert_eq!((&*theirs.said, &*ours.said), ("", ""), "{context}"),
    }
}

#[test]
fn sub_prints_and_ends_as_mosquitto_sub_does() {
    let bench = Bench::new();
    bench.theirs(r#"pub -r -t g/json -m {"a":[1,{"b":null}],"c":{}}"#);
    bench.theirs(
        "pub -r -t g/all -q 1 -m te\"xt -D publish content-type text/plain -D publish \
         user-property a b -D publish user-property c d -D publish response-topic z -D publish \
         correlation-data co -D publish payload-format-indicator 1",
    );
    bench.theirs(
        "pub -r -t h/lines -s\0{\n  \"b\": [1.0, 21.50, 1e3, -0.5 , 1795906054],\n  \"a\": \"x\\u00e9\\/\",\n\
         \t\"a\": { \"c\": { }, \"raw\": \"\t\" }\n}\n",
    );
    for case in SUBSCRIBE {
        compare(case, &bench.theirs(case.0), &bench.ours(case.0));
    }
}

/// Of the same minute, which one of two runs before and behind it is in.
#[test]
fn sub_shows_time_as_mosquitto_sub_does() {
    const FORMAT: &str = "sub -t g -C 1 -F @a|@A|@b|@B|@C|@d|@D|@e|@F|@g|@G|@h|@H|@I|@j|@k|@l|@m|@M|@n|\
                          @p|@P|@R|@t|@u|@U|@V|@w|@W|@x|@y|@Y|@z|@Z|@E|@K|@+|@-|@f|@q|%.16I";
    let bench = Bench::new();
    bench.theirs("pub -r -t g -m x");
    for zone in [
        "UTC",
        "Asia/Shanghai",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "NZST-12NZDT",
        "<+0330>-3:30",
        "",
    ] {
        let run = |programs: &Path| bench.run_with(programs, FORMAT, &[("TZ", zone)]);
        let before = run(Path::new("/usr/bin"));
        let ours = run(&bench.dir.path().join("ours"));
        let behind = run(Path::new("/usr/bin"));
        assert!(
            ours == before || ours == behind,
            "{zone}: {ours:?} {behind:?}"
        );
    }
}

#[test]
fn pub_publishes_and_ends_as_mosquitto_pub_does() {
    let bench = Bench::new();
    for case in PUBLISH {
        let theirs = (bench.theirs(case.0), bench.retained());
        let ours = (bench.ours(case.0), bench.retained());
        compare(case, &theirs.0, &ours.0);
        assert_eq!(theirs.1, ours.1, "{}", case.0);
    }
}

/// Properties that the version does not have. Of DISCONNECT: Mosquitto's own publishes, and waits for
/// ever for the end of the connection. Of PUBLISH: it sends nothing, says nothing and exits with 0.
#[test]
fn properties_without_mqtt_5_cost_no_message_silently() {
    let bench = Bench::new();
    let ours = bench.ours("pub -r -t p/1 -m x -D disconnect reason-string b -V 311");
    assert_eq!((ours.exit, &*ours.said), (Some(0), ""));
    assert_eq!(bench.retained().len(), 1);
    let ours = bench.ours("pub -r -t p/1 -m x -D publish user-property a b -V 311");
    assert_eq!(ours.exit, Some(1));
    assert!(ours.said.contains("needs mqtt 5"), "{ours:?}");
    assert!(bench.retained().is_empty());
}

#[test]
fn rr_answers_and_ends_as_mosquitto_rr_does() {
    let bench = Bench::new();
    for case in REQUEST {
        compare(case, &bench.theirs(case.0), &bench.ours(case.0));
    }
}

#[test]
fn options_files_are_read_as_mosquitto_reads_them() {
    let bench = Bench::new();
    let file: PathBuf = bench.dir.path().join("mosquitto_pub");
    fs::write(file, "# a comment\n-t p/file\n-m two  words \n-r\n-q 1\n").expect("a file");
    for case in [("pub", None), ("pub -q 0 -t p/other", None)] {
        let theirs = (bench.theirs(case.0), bench.retained());
        let ours = (bench.ours(case.0), bench.retained());
        compare(&case, &theirs.0, &ours.0);
        assert_eq!(theirs.1.len(), 1, "{:?}", theirs.0);
        assert_eq!(theirs.1, ours.1);
    }
    // `-o` is one of 2.1's: the file in the place of the usual one.
    let other = bench.dir.path().join("file");
    fs::write(&other, "-t p/o\n-m other\n-r\n").expect("a file");
    assert_eq!(bench.ours("pub -o FILE").exit, Some(0));
    let retained = bench.retained();
    assert_eq!(retained.len(), 1);
    let message = retained
        .first()
        .map(|packet| String::from_utf8_lossy(packet));
    assert!(message.is_some_and(|message| message.contains("p/o")));
    assert_eq!(bench.ours("pub -o /nonexistent").exit, Some(1));
}
