//! This codec against mqtt-packet, a published codec that others wrote, both ways.
//!
//! Packets from a fixed seed go to a child process, which reads them, tells what it read and
//! writes them again; both have to say what this codec says. Then packets with a few changed
//! bytes: what this codec accepts the other one accepts too, and reads the same. Where mqtt-packet
//! is at fault, [`KNOWN_UNREAD`] and [`KNOWN_UNWRITTEN`] name the clause.

mod strategy;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use columba_codec::packet::{Acknowledgement, Connect, Publish};
use columba_codec::property::PropertyId;
use columba_codec::wire::PACKET_BYTES_MAX;
use columba_codec::{Decoded, Packet, Properties, QoS, ReasonCode, Value, Version, decode};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use strategy::{Sample, samples};

const VALID: usize = 6000;
const MUTATED: usize = 12_000;
/// How many changed packets come from one sample.
const CHANGED_EACH: usize = 6;

/// What mqtt-packet 9.0.2 does otherwise.
struct Known {
    /// The rule on this codec's side.
    #[expect(dead_code, reason = "read by people")]
    clause: &'static str,
    /// Its message.
    message: &'static str,
    /// The packets that the rule is about.
    applies: fn(&Packet<'_>) -> bool,
}

/// Valid packets that it refuses to read.
const KNOWN_UNREAD: &[Known] = &[
    Known {
        clause: "section 3.15.2.1: reason code and property length of AUTH may be left out",
        message: "Invalid auth reason code",
        applies: |packet| matches!(packet, Packet::Auth(auth) if auth.properties.is_empty()),
    },
    Known {
        clause: "section 2.4, table 2-6: 0x8C is for CONNACK and DISCONNECT (table 3-10 omits it)",
        message: "Invalid disconnect reason code",
        applies: |packet| {
            matches!(packet, Packet::Disconnect(disconnect)
                if disconnect.reason == ReasonCode::BadAuthenticationMethod)
        },
    },
];

/// Valid packets that it reads but refuses to write.
const KNOWN_UNWRITTEN: &[Known] = &[
    Known {
        clause: "section 3.1.2.9: MQTT 5 allows a password without a user name",
        message: "Username is required to use password",
        applies: |packet| {
            matches!(packet, Packet::Connect(connect)
                if connect.version == Version::V5 && connect.user_name.is_none())
        },
    },
    Known {
        clause: "section 3.1.3.1: an empty client id is well-formed, and the server's to refuse",
        message: "clientId must be",
        applies: |packet| matches!(packet, Packet::Connect(connect) if connect.client_id.is_empty()),
    },
];

fn is_known(known: &[Known], message: &str, packet: &Packet<'_>) -> bool {
    known
        .iter()
        .any(|known| message.contains(known.message) && (known.applies)(packet))
}

/// mqtt-packet keeps user properties by name and takes an empty value for none, so an equal name
/// behind it replaces it (section 3.1.2.11.8: the same name may come more than once).
fn loses_user_properties(packet: &Packet<'_>) -> bool {
    let lost = |properties: Properties<'_>| {
        let pairs: Vec<_> = properties.user_properties().collect();
        let is_lost = |at: usize, name: &str| pairs.iter().skip(at + 1).any(|(n, _)| *n == name);
        pairs
            .iter()
            .enumerate()
            .any(|(at, (name, value))| value.is_empty() && is_lost(at, name))
    };
    let will = match packet {
        Packet::Connect(connect) => connect.will.map(|will| will.properties),
        _ => None,
    };
    lost(properties_of(packet)) || will.is_some_and(lost)
}

fn properties_of<'a>(packet: &Packet<'a>) -> Properties<'a> {
    match packet {
        Packet::Connect(packet) => packet.properties,
        Packet::ConnAck(packet) => packet.properties,
        Packet::Publish(packet) => packet.properties,
        Packet::PubAck(packet)
        | Packet::PubRec(packet)
        | Packet::PubRel(packet)
        | Packet::PubComp(packet) => packet.properties,
        Packet::Subscribe(packet) => packet.properties,
        Packet::SubAck(packet) => packet.properties,
        Packet::Unsubscribe(packet) => packet.properties,
        Packet::UnsubAck(packet) => packet.properties,
        Packet::Disconnect(packet) => packet.properties,
        Packet::Auth(packet) => packet.properties,
        Packet::PingReq | Packet::PingResp => Properties::EMPTY,
    }
}

#[test]
fn another_codec_reads_and_writes_the_same_packets() {
    let mut runner = runner();
    let strategy = samples();
    let samples: Vec<Sample> = (0..VALID).map(|_| draw(&mut runner, &strategy)).collect();
    let questions: Vec<_> = samples.iter().map(|s| (s.version, s.bytes())).collect();
    let mut known = 0;
    for ((sample, (version, bytes)), answer) in samples.iter().zip(&questions).zip(ask(&questions))
    {
        let packet = sample.packet();
        let context = || format!("{version} {} as {packet:?}", hex(bytes));
        let (read, written) = answer.split_once('\t').expect("two columns");
        if let Some(message) = read.strip_prefix('!') {
            let is_known = is_known(KNOWN_UNREAD, message, &packet);
            assert!(is_known, "refused with {message}: {}", context());
            known += 1;
        } else if loses_user_properties(&packet) {
            known += 1;
        } else if let Some(message) = written.strip_prefix('!') {
            assert_eq!(read, text(&packet, *version), "{}", context());
            let is_known = is_known(KNOWN_UNWRITTEN, message, &packet);
            assert!(is_known, "not written, {message}: {}", context());
            known += 1;
        } else {
            assert_eq!(read, text(&packet, *version), "{}", context());
            let theirs = unhex(written);
            match decode(&theirs, *version, PACKET_BYTES_MAX) {
                Ok(Decoded::Packet(again, len)) if len == theirs.len() => {
                    assert_eq!(text(&again, *version), read, "{}", context());
                }
                other => panic!("wrote {written}, {other:?}: {}", context()),
            }
        }
    }
    assert!(
        known * 4 < VALID,
        "{known} of {VALID} packets prove nothing"
    );
}

#[test]
fn another_codec_accepts_what_this_one_accepts() {
    let mut runner = runner();
    let strategy = samples();
    let mut questions = Vec::new();
    while questions.len() < MUTATED {
        let sample: Sample = draw(&mut runner, &strategy);
        for _ in 0..CHANGED_EACH {
            let mut bytes = sample.bytes();
            for _ in 0..draw(&mut runner, &(1..4usize)) {
                let at = draw(&mut runner, &(0..bytes.len().min(40)));
                bytes[at] = draw(&mut runner, &proptest::num::u8::ANY);
            }
            questions.push((sample.version, bytes));
        }
    }
    let mut accepted = 0;
    for ((version, bytes), answer) in questions.iter().zip(ask(&questions)) {
        let (packet, len) = match decode(bytes, *version, PACKET_BYTES_MAX) {
            Ok(Decoded::Packet(packet, len)) => (packet, len),
            Ok(Decoded::Incomplete { .. }) | Err(_) => continue,
        };
        // It is asked about one packet and nothing behind it.
        if len != bytes.len() || is_lenient_3_1(&packet, *version, bytes) {
            continue;
        }
        let version = match &packet {
            Packet::Connect(connect) => connect.version,
            _ => *version,
        };
        let (read, _) = answer.split_once('\t').expect("two columns");
        let context = || format!("{version} {} as {packet:?}", hex(bytes));
        if let Some(message) = read.strip_prefix('!') {
            let is_known = is_known(KNOWN_UNREAD, message, &packet);
            assert!(is_known, "refused with {message}: {}", context());
        } else if !loses_user_properties(&packet) {
            assert_eq!(read, text(&packet, version), "{}", context());
        }
        accepted += 1;
    }
    assert!(accepted > MUTATED / 10, "only {accepted} were accepted");
}

/// mqtt-packet reads 3.1 by the rules of 3.1.1. What 3.1 alone allows has table tests of its own:
/// DUP on packets that are sent again, and flags of CONNECT and CONNACK that mean nothing.
fn is_lenient_3_1(packet: &Packet<'_>, version: Version, bytes: &[u8]) -> bool {
    let version = match packet {
        Packet::Connect(connect) => connect.version,
        _ => version,
    };
    let mut plain = Vec::new();
    version == Version::V31 && packet.encode(version, &mut plain).is_ok() && plain != bytes
}

fn runner() -> TestRunner {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, b"columba against another codec 01");
    TestRunner::new_with_rng(Config::default(), rng)
}

fn draw<T: std::fmt::Debug>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy
        .new_tree(runner)
        .expect("a strategy without hopeless filters")
        .current()
}

/// Asks mqtt-packet about all packets, in one child process.
fn ask(questions: &[(Version, Vec<u8>)]) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/differential");
    let installed: PathBuf = folder.join("node_modules/mqtt-packet");
    assert!(
        installed.is_dir(),
        "mqtt-packet is not installed: run `npm ci --ignore-scripts` in tests/differential"
    );
    let mut child = Command::new("node")
        .arg("mqtt-packet.js")
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node 20 or later is on the path");
    let mut input = child.stdin.take().expect("piped");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    // Both pipes are bounded, so one thread writes while this one reads.
    let answers = std::thread::scope(|scope| {
        scope.spawn(move || {
            for (version, bytes) in questions {
                writeln!(input, "{} {}", version.level(), hex(bytes)).expect("the child reads");
            }
        });
        let lines = output.lines().map(|line| line.expect("hexadecimal text"));
        lines.collect::<Vec<String>>()
    });
    assert!(child.wait().expect("a child").success());
    assert_eq!(answers.len(), questions.len(), "one answer a question");
    answers
}

/// A packet as the text that `mqtt-packet.js` writes.
fn text(packet: &Packet<'_>, version: Version) -> String {
    let props = properties(properties_of(packet));
    let acknowledgement = |name: &str, packet: &Acknowledgement<'_>| {
        format!(
            "{name} {} {} [{props}]",
            packet.packet_id, packet.reason as u8
        )
    };
    match packet {
        Packet::Connect(packet) => connect(packet, &props),
        Packet::ConnAck(packet) => {
            let code = match version {
                Version::V5 => Some(packet.reason as u8),
                Version::V31 | Version::V311 => packet.reason.to_v3_connack(),
            };
            let code = code.expect("a code of the version");
            format!(
                "connack {} {code} [{props}]",
                u8::from(packet.session_present)
            )
        }
        Packet::Publish(packet) => publish(packet, &props),
        Packet::PubAck(packet) => acknowledgement("puback", packet),
        Packet::PubRec(packet) => acknowledgement("pubrec", packet),
        Packet::PubRel(packet) => acknowledgement("pubrel", packet),
        Packet::PubComp(packet) => acknowledgement("pubcomp", packet),
        Packet::Subscribe(packet) => {
            let filters: Vec<String> = packet
                .filters
                .iter()
                .map(|(filter, options)| format!("{}:{}", hex(filter.as_bytes()), options.as_u8()))
                .collect();
            format!(
                "subscribe {} [{props}] {}",
                packet.packet_id,
                filters.join(" ")
            )
        }
        Packet::Unsubscribe(packet) => {
            let filters: Vec<String> = packet
                .filters
                .iter()
                .map(|filter| hex(filter.as_bytes()) + ".")
                .collect();
            format!(
                "unsubscribe {} [{props}] {}",
                packet.packet_id,
                filters.join(" ")
            )
        }
        Packet::SubAck(packet) => {
            format!(
                "suback {} [{props}] {}",
                packet.packet_id,
                hex(packet.codes)
            )
        }
        Packet::UnsubAck(packet) => {
            format!(
                "unsuback {} [{props}] {}",
                packet.packet_id,
                hex(packet.codes)
            )
        }
        Packet::PingReq => "pingreq".to_owned(),
        Packet::PingResp => "pingresp".to_owned(),
        Packet::Disconnect(packet) => format!("disconnect {} [{props}]", packet.reason as u8),
        Packet::Auth(packet) => format!("auth {} [{props}]", packet.reason as u8),
    }
}

fn connect(packet: &Connect<'_>, props: &str) -> String {
    let will = packet.will.map_or_else(
        || "-".to_owned(),
        |will| {
            format!(
                "{} {} [{}] {} {}",
                will.qos.as_u8(),
                u8::from(will.retain),
                properties(will.properties),
                hex(will.topic.as_bytes()),
                hex(will.payload)
            )
        },
    );
    let optional =
        |data: Option<&[u8]>| data.map_or_else(|| "-".to_owned(), |data| hex(data) + ".");
    format!(
        "connect {} {} {} {} [{props}] {} {will} {} {}",
        packet.version.level(),
        u8::from(packet.is_bridge),
        u8::from(packet.clean_start),
        packet.keep_alive_secs,
        hex(packet.client_id.as_bytes()),
        optional(packet.user_name.map(str::as_bytes)),
        optional(packet.password)
    )
}

fn publish(packet: &Publish<'_>, props: &str) -> String {
    let id = match packet.qos {
        QoS::AtMostOnce => "-".to_owned(),
        QoS::AtLeastOnce | QoS::ExactlyOnce => packet.packet_id.expect("above 0").to_string(),
    };
    format!(
        "publish {} {} {} {id} {} [{props}] {}",
        u8::from(packet.dup),
        packet.qos.as_u8(),
        u8::from(packet.retain),
        hex(packet.topic.as_bytes()),
        hex(packet.payload)
    )
}

/// Properties by identifier, user properties by name, otherwise in order.
fn properties(properties: Properties<'_>) -> String {
    let mut lines: Vec<(PropertyId, String, String)> = properties
        .iter()
        .map(|property| match property.value {
            Value::Flag(value) => (String::new(), u8::from(value).to_string()),
            Value::U16(value) => (String::new(), value.to_string()),
            Value::U32(value) => (String::new(), value.to_string()),
            Value::String(value) => (String::new(), hex(value.as_bytes())),
            Value::Binary(value) => (String::new(), hex(value)),
            Value::Pair(name, value) => {
                (hex(name.as_bytes()), format!(":{}", hex(value.as_bytes())))
            }
        })
        .zip(properties.iter())
        .map(|((name, value), property)| (property.id, name, value))
        .collect();
    lines.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
    let lines: Vec<String> = lines
        .iter()
        .map(|(id, name, value)| format!("{}={name}{value}", *id as u8))
        .collect();
    lines.join(",")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().collect();
    digits
        .chunks(2)
        .map(|pair| {
            let pair: String = pair.iter().collect();
            u8::from_str_radix(&pair, 16).expect("hexadecimal")
        })
        .collect()
}
