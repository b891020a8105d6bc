//! CONNECT and CONNACK (sections 3.1 and 3.2): who is let in, and what everybody is told.

mod bed;

use bed::{Bed, ConnectOptions, V5, V31, V311, raw};
use columba_broker::access::AccessRules;
use columba_broker::event::AuthVerdict;
use columba_broker::limits::{Anonymous, Limits};
use columba_broker::outcome::Outcome;
use columba_codec::packet::{Acknowledgement, ConnAck};
use columba_codec::{Packet, PacketId, PropertyId, QoS, ReasonCode, Value, Version};

const SHARDS: [u16; 2] = [1, 3];
const VERSIONS: [Version; 3] = [V31, V311, V5];

fn connack<'a>(packets: &[Packet<'a>]) -> ConnAck<'a> {
    match packets.first() {
        Some(Packet::ConnAck(ack)) => *ack,
        other => panic!("no CONNACK but {other:?}"),
    }
}

/// The broker answers bytes on a new connection with this, closes, and counts one outcome.
fn refuses(shards: u16, bytes: &[u8], answer: &[u8], outcome: Outcome) {
    let mut bed = Bed::new(shards);
    let bystander = bed.connect(V311, "bystander");
    let client = bed.open(V5);
    bed.send_raw(client, bytes);
    let inbox = bed.take(client);
    // Properties differ with the words for people: the start decides.
    let start = inbox.bytes.get(..answer.len());
    assert_eq!(start, Some(answer), "{bytes:02x?}: {:02x?}", inbox.bytes);
    assert_eq!(answer.is_empty(), inbox.bytes.is_empty(), "{bytes:02x?}");
    assert!(bed.is_closed(client), "{bytes:02x?}");
    assert_eq!(bed.outcome(outcome), 1, "{bytes:02x?}");
    assert_eq!(bed.outcome(Outcome::ConnectAccepted), 1, "{bytes:02x?}");
    bed.send(bystander, &Packet::PingReq);
    assert_eq!(bed.take(bystander).one(), Packet::PingResp);
    bed.check_books();
}

/// As the three versions answer a CONNECT that is no CONNECT: MQTT 3 is closed without a word.
fn refuses_malformed(level: u8, bytes: &[u8]) {
    for shards in SHARDS {
        let answer: &[u8] = if level == 5 { &[0x20] } else { &[] };
        refuses(shards, bytes, answer, Outcome::ConnectMalformed);
    }
}

/// Whether hand-made bytes are let in.
fn is_let_in(bytes: &[u8]) -> bool {
    let mut bed = Bed::new(1);
    let client = bed.open(V311);
    bed.send_raw(client, bytes);
    !bed.is_closed(client) && bed.outcome(Outcome::ConnectAccepted) == 1
}

#[test]
fn an_accepted_connect_gets_one_connack_before_everything_else() {
    // MQTT-3.1.4-5, MQTT-3.2.0-1, MQTT-3.2.0-2, MQTT-v311-3.1.4-4, MQTT-v311-3.2.0-1
    for shards in SHARDS {
        for version in VERSIONS {
            // What has to be read back before comes whenever it does.
            let mut bed = Bed::with(shards, |limits| limits.queue_memory_bytes_max = usize::MAX);
            let publisher = bed.connect(V5, "publisher");
            let options = ConnectOptions::new(version, "client").clean(false);
            let options = match version {
                V5 => options.property(PropertyId::SessionExpiryInterval, Value::U32(60)),
                _ => options,
            };
            let client = bed.connect_with(&options);
            bed.subscribe(client, "t", QoS::AtLeastOnce);
            bed.drop_connection(client);
            bed.publish(publisher, "t", b"waits", QoS::AtLeastOnce);
            // What is sent along with CONNECT is answered behind CONNACK.
            let client = bed.open(version);
            let mut bytes = options.bytes();
            bytes.extend_from_slice(&[0xC0, 0]);
            bed.send_raw(client, &bytes);
            let inbox = bed.take(client);
            let packets = inbox.packets();
            assert_eq!(connack(&packets).reason, ReasonCode::Success);
            assert!(
                matches!(packets[1..], [Packet::Publish(_), Packet::PingResp]),
                "{packets:?}"
            );
        }
    }
}

#[test]
fn connack_before_mqtt_5_is_four_bytes() {
    for shards in SHARDS {
        for (version, present) in [(V31, 0), (V311, 1)] {
            let mut bed = Bed::with(shards, |limits| limits.packet_bytes_max = 1000);
            let options = ConnectOptions::new(version, "client").clean(false);
            let (client, inbox) = bed.connect_raw(&options);
            assert_eq!(inbox.bytes, [0x20, 2, 0, 0]);
            bed.disconnect(client);
            // MQTT 3.1 has no Session Present: the byte is reserved.
            let (_, inbox) = bed.connect_raw(&options);
            assert_eq!(inbox.bytes, [0x20, 2, present, 0]);
        }
    }
}

#[test]
fn a_second_connect_is_a_protocol_error() {
    // MQTT-3.1.0-2, MQTT-v311-3.1.0-2, MQTT-v311-4.8.0-1
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            let other = bed.connect(version, "other");
            bed.send_raw(client, &ConnectOptions::new(version, "client").bytes());
            let inbox = bed.take(client);
            match (version, &inbox.packets()[..]) {
                (V5, [Packet::Disconnect(disconnect)]) => {
                    assert_eq!(disconnect.reason, ReasonCode::ProtocolError);
                }
                (V31 | V311, []) => {}
                (_, packets) => panic!("{packets:?}"),
            }
            assert!(bed.is_closed(client));
            assert_eq!(bed.outcome(Outcome::DisconnectProtocol), 1);
            assert!(!bed.is_closed(other));
        }
    }
}

#[test]
fn a_name_that_is_not_mqtt_is_closed_without_an_answer() {
    // MQTT-3.1.2-1, MQTT-v311-3.1.2-1
    for shards in SHARDS {
        for (name, level) in [
            (&b"MQTX"[..], 4),
            (b"mqtt", 4),
            (b"MQTT ", 5),
            (b"", 5),
            (b"MQisdp", 3),
            (b"AMQP", 0),
        ] {
            let bytes = raw::connect(name, level, 2, &[0, 0, 1, b'a']);
            refuses(shards, &bytes, &[], Outcome::ConnectMalformed);
        }
    }
}

#[test]
fn a_level_that_does_not_exist_is_answered_in_the_nearest_version() {
    // MQTT-3.1.2-2, MQTT-v311-3.1.2-2, MQTT-v311-3.2.2-5
    for shards in SHARDS {
        for level in [0, 1, 2, 3] {
            let bytes = raw::connect(b"MQTT", level, 2, &[0, 1, b'a']);
            refuses(shards, &bytes, &[0x20, 2, 0, 1], Outcome::ConnectVersion);
        }
        for level in [4, 2] {
            let bytes = raw::connect(b"MQIsdp", level, 2, &[0, 1, b'a']);
            refuses(shards, &bytes, &[0x20, 2, 0, 1], Outcome::ConnectVersion);
        }
        for level in [6, 7, 0x85, 255] {
            let bytes = raw::connect(b"MQTT", level, 2, &[0, 0, 1, b'a']);
            let mut bed = Bed::new(shards);
            let client = bed.open(V5);
            bed.send_raw(client, &bytes);
            let inbox = bed.take(client);
            let Packet::ConnAck(ack) = inbox.one() else {
                panic!("{:?}", inbox.packets());
            };
            assert_eq!(ack.reason, ReasonCode::UnsupportedProtocolVersion);
            assert!(bed.is_closed(client));
            assert_eq!(bed.outcome(Outcome::ConnectVersion), 1);
        }
    }
}

#[test]
fn the_bit_of_bridges_is_no_version_of_its_own() {
    for (level, name) in [(0x83, &b"MQIsdp"[..]), (0x84, b"MQTT")] {
        assert!(is_let_in(&raw::connect(name, level, 2, &[0, 1, b'a'])));
    }
}

#[test]
fn the_reserved_connect_flag_is_checked() {
    // MQTT-3.1.2-3, MQTT-3.1.4-1, MQTT-v311-3.1.2-3, MQTT-v311-3.1.4-1
    for level in [4, 5] {
        refuses_malformed(level, &raw::connect_of(level, 0b11, &[b"a"]));
    }
    // MQTT 3.1: "Bit 0 is not used and reserved."
    assert!(is_let_in(&raw::connect_of(3, 0b11, &[b"a"])));
}

#[test]
fn flags_of_a_will_need_the_will_flag() {
    // MQTT-3.1.2-11, MQTT-3.1.2-12, MQTT-3.1.2-13, MQTT-v311-3.1.2-11, MQTT-v311-3.1.2-13,
    // MQTT-v311-3.1.2-14, MQTT-v311-3.1.2-15
    for level in [4, 5] {
        for flags in [0b0000_1010, 0b0001_0010, 0b0010_0010] {
            refuses_malformed(level, &raw::connect_of(level, flags, &[b"a"]));
        }
    }
    for level in [3, 4] {
        let qos_3 = raw::connect_of(level, 0b0001_1110, &[b"a", b"t", b"p"]);
        refuses_malformed(level, &qos_3);
    }
    let mut will = vec![0, 0, 1, b'a', 0];
    will.extend_from_slice(&[0, 1, b't', 0, 1, b'p']);
    assert!(is_let_in(&raw::connect(b"MQTT", 5, 0b0001_0110, &will)));
    refuses_malformed(5, &raw::connect(b"MQTT", 5, 0b0001_1110, &will));
}

#[test]
fn fields_are_there_exactly_if_their_flags_are_set() {
    // MQTT-3.1.2-9, MQTT-3.1.2-16, MQTT-3.1.2-17, MQTT-3.1.2-18, MQTT-3.1.2-19,
    // MQTT-v311-3.1.2-9, MQTT-v311-3.1.2-18, MQTT-v311-3.1.2-19, MQTT-v311-3.1.2-20,
    // MQTT-v311-3.1.2-21
    const WILL: u8 = 0b0000_0110;
    const USER: u8 = 0b1000_0010;
    const BOTH: u8 = 0b1100_0010;
    for level in [4, 5] {
        // Fields without their flags.
        refuses_malformed(level, &raw::connect_of(level, 0b10, &[b"a", b"user"]));
        refuses_malformed(
            level,
            &raw::connect_of(level, USER, &[b"a", b"user", b"pw"]),
        );
        // Flags without their fields.
        refuses_malformed(level, &raw::connect_of(level, USER, &[b"a"]));
        refuses_malformed(level, &raw::connect_of(level, BOTH, &[b"a", b"user"]));
        refuses_malformed(level, &raw::connect_of(level, WILL, &[b"a"]));
        assert!(is_let_in(&raw::connect_of(level, USER, &[b"a", b"user"])));
        assert!(is_let_in(&raw::connect_of(
            level,
            BOTH,
            &[b"a", b"user", b"pw"]
        )));
    }
    refuses_malformed(4, &raw::connect_of(4, WILL, &[b"a", b"topic"]));
    // MQTT 3.1 lets the user name be missing: "the Remaining Length field takes precedence".
    assert!(is_let_in(&raw::connect_of(3, USER, &[b"a"])));
}

#[test]
fn a_password_may_come_alone_only_in_mqtt_5() {
    // MQTT-3.1.2-19, MQTT-v311-3.1.2-22
    const PASSWORD: u8 = 0b0100_0010;
    refuses_malformed(4, &raw::connect_of(4, PASSWORD, &[b"a", b"pw"]));
    refuses_malformed(3, &raw::connect_of(3, PASSWORD, &[b"a", b"pw"]));
    let mut bed = Bed::new(1);
    bed.authenticate = |request| {
        assert_eq!(request.user_name, None);
        assert_eq!(request.password.as_deref(), Some(&b"pw"[..]));
        AuthVerdict::Allow {
            user: None,
            groups: [].into(),
        }
    };
    let client = bed.open(V5);
    bed.send_raw(client, &raw::connect_of(5, PASSWORD, &[b"a", b"pw"]));
    let inbox = bed.take(client);
    assert_eq!(connack(&inbox.packets()).reason, ReasonCode::Success);
}

#[test]
fn fields_are_read_in_their_order() {
    // MQTT-3.1.3-1, MQTT-3.1.3-3, MQTT-v311-3.1.3-1, MQTT-v311-3.1.3-3
    for shards in SHARDS {
        for level in [3, 4, 5] {
            let mut bed = Bed::new(shards);
            bed.authenticate = |request| {
                assert_eq!(&*request.client_id, "the-id");
                assert_eq!(request.user_name.as_deref(), Some("the-user"));
                assert_eq!(request.password.as_deref(), Some(&b"the-password"[..]));
                AuthVerdict::Allow {
                    user: None,
                    groups: [].into(),
                }
            };
            let watcher = bed.connect(V311, "watcher");
            bed.subscribe(watcher, "#", QoS::AtLeastOnce);
            let bytes = if level == 5 {
                // The Will Properties stand between client id and Will Topic.
                let mut rest = vec![0];
                rest.extend_from_slice(&raw::field(b"the-id"));
                rest.push(0);
                for bytes in [&b"the-topic"[..], b"the-will", b"the-user", b"the-password"] {
                    rest.extend_from_slice(&raw::field(bytes));
                }
                raw::connect(b"MQTT", 5, 0b1100_0110, &rest)
            } else {
                let fields: [&[u8]; 5] = [
                    b"the-id",
                    b"the-topic",
                    b"the-will",
                    b"the-user",
                    b"the-password",
                ];
                raw::connect_of(level, 0b1100_0110, &fields)
            };
            let version = [V31, V311, V5][usize::from(level) - 3];
            let client = bed.open(version);
            bed.send_raw(client, &bytes);
            let inbox = bed.take(client);
            assert_eq!(connack(&inbox.packets()).reason, ReasonCode::Success);
            bed.drop_connection(client);
            let inbox = bed.take(watcher);
            let will = inbox.one_publish();
            assert_eq!((will.topic, will.payload), ("the-topic", &b"the-will"[..]));
        }
    }
}

#[test]
fn strings_of_connect_are_utf_8_without_nul() {
    // MQTT-1.5.4-1, MQTT-1.5.4-2, MQTT-3.1.3-4, MQTT-3.1.3-11, MQTT-3.1.3-12, MQTT-v311-1.5.3-1,
    // MQTT-v311-1.5.3-2, MQTT-v311-3.1.3-4, MQTT-v311-3.1.3-10, MQTT-v311-3.1.3-11
    let ill_formed: [&[u8]; 5] = [
        b"\xFF",
        b"a\xC3",          // cut
        b"\xC0\xAF",       // overlong
        b"x\xED\xA0\x80y", // a surrogate
        b"a\0b",           // U+0000
    ];
    for bad in ill_formed {
        for level in [4, 5] {
            refuses_malformed(level, &raw::connect_of(level, 0b10, &[bad]));
            refuses_malformed(level, &raw::connect_of(level, 0b1000_0010, &[b"a", bad]));
        }
        refuses_malformed(4, &raw::connect_of(4, 0b110, &[b"a", bad, b"p"]));
        let mut rest = vec![0, 0, 1, b'a', 0];
        rest.extend_from_slice(&raw::field(bad));
        rest.extend_from_slice(&raw::field(b"p"));
        refuses_malformed(5, &raw::connect(b"MQTT", 5, 0b110, &rest));
    }
}

#[test]
fn a_byte_order_mark_is_a_character_like_others() {
    // MQTT-1.5.4-3, MQTT-v311-1.5.3-3
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let plain = bed.connect(version, "client");
            let marked = bed.connect(version, "\u{FEFF}client");
            assert!(!bed.is_closed(plain), "two client ids, two sessions");
            bed.subscribe(plain, "t", QoS::AtLeastOnce);
            bed.subscribe(marked, "\u{FEFF}t", QoS::AtLeastOnce);
            bed.publish(plain, "\u{FEFF}t", b"", QoS::AtMostOnce);
            assert!(bed.take(plain).bytes.is_empty());
            assert_eq!(bed.take(marked).one_publish().topic, "\u{FEFF}t");
        }
    }
}

#[test]
fn ids_of_23_letters_and_digits_are_accepted() {
    // MQTT-3.1.3-5, MQTT-v311-3.1.3-5
    let all = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            for start in 0..=all.len() - 23 {
                bed.connect(version, &all[start..start + 23]);
            }
            for len in 1..23 {
                bed.connect(version, &all[..len]);
            }
        }
    }
}

#[test]
fn an_empty_id_is_replaced_by_a_unique_one_that_the_client_is_told() {
    // MQTT-3.1.3-6, MQTT-3.1.3-7, MQTT-3.2.2-16
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let options =
            ConnectOptions::new(V5, "").property(PropertyId::SessionExpiryInterval, Value::U32(60));
        let mut ids = std::collections::BTreeSet::new();
        for number in 0..50 {
            let (client, inbox) = bed.connect_raw(&options.clone().clean(number % 2 == 0));
            let ack = connack(&inbox.packets());
            assert_eq!(ack.reason, ReasonCode::Success);
            assert!(!ack.session_present);
            let assigned = ack.properties.string(PropertyId::AssignedClientIdentifier);
            assert!(ids.insert(assigned.expect("an assigned id").to_owned()));
            bed.drop_connection(client);
        }
        assert_eq!(bed.stats().sessions, 50);
        // The id works as if the client had chosen it, and is not assigned twice then.
        for id in &ids {
            let mut again = ConnectOptions::new(V5, id).clean(false);
            again.properties = options.properties.clone();
            let (_, inbox) = bed.connect_raw(&again);
            let ack = connack(&inbox.packets());
            assert!(ack.session_present);
            assert_eq!(
                ack.properties.find(PropertyId::AssignedClientIdentifier),
                None
            );
        }
    }
}

#[test]
fn clients_without_an_id_do_not_push_each_other_out() {
    // MQTT-v311-3.1.3-6
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let clients: Vec<_> = (0..20).map(|_| bed.connect(V311, "")).collect();
        assert!(clients.iter().all(|client| !bed.is_closed(*client)));
        assert_eq!(bed.stats().clients_connected, 20);
        for client in clients {
            bed.subscribe(client, "t", QoS::AtMostOnce);
        }
    }
}

#[test]
fn an_empty_id_needs_clean_session_in_3_1_1_and_is_refused_in_3_1() {
    // MQTT-v311-3.1.3-7, MQTT-v311-3.1.3-8, MQTT-v311-3.1.3-9, MQTT-v311-3.2.2-4, MQTT-v311-3.2.2-5
    for shards in SHARDS {
        for (version, is_clean) in [(V311, false), (V31, true), (V31, false)] {
            let bytes = ConnectOptions::new(version, "").clean(is_clean).bytes();
            refuses(shards, &bytes, &[0x20, 2, 0, 2], Outcome::ConnectClientId);
        }
    }
}

fn refused_credentials(version: Version, verdict: fn() -> AuthVerdict) -> Vec<u8> {
    let mut answers = Vec::new();
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let watcher = bed.connect(V5, "watcher");
        bed.subscribe(watcher, "#", QoS::AtLeastOnce);
        let owner = ConnectOptions::new(version, "client").clean(false).will(
            "will",
            b"",
            QoS::AtMostOnce,
            false,
        );
        let owner = bed.connect_with(&owner);
        bed.subscribe(owner, "t", QoS::AtLeastOnce);
        // A stranger with a wrong password and all other fields right.
        bed.authenticate = match verdict() {
            AuthVerdict::BadCredentials => |_| AuthVerdict::BadCredentials,
            _ => |_| AuthVerdict::Unavailable,
        };
        let options = ConnectOptions::new(version, "client").login("user", b"wrong");
        let stranger = bed.open(version);
        let mut bytes = options.bytes();
        bytes.extend_from_slice(b"\x30\x05\x00\x03abc");
        bed.send_raw(stranger, &bytes);
        bed.send_raw(stranger, b"\x30\x05\x00\x03abc");
        let answer = bed.take(stranger);
        assert!(bed.is_closed(stranger));
        let packets = answer.packets();
        assert_eq!(packets.len(), 1, "{packets:?}");
        assert!(!connack(&packets).session_present);
        answers.push(answer.bytes.clone());
        // Nothing of the stranger's was processed, and the owner has not noticed.
        assert!(bed.take(watcher).bytes.is_empty());
        assert_eq!(bed.stats().publish_received(), 0);
        assert!(!bed.is_closed(owner));
        bed.publish(watcher, "t", b"still here", QoS::AtLeastOnce);
        assert_eq!(bed.take(owner).payloads(), ["still here"]);
        bed.check_books();
    }
    assert_eq!(answers[0], answers[1]);
    answers.remove(0)
}

#[test]
fn refused_credentials_close_and_leave_the_session_alone() {
    // MQTT-3.1.4-2, MQTT-3.1.4-6, MQTT-3.2.2-6, MQTT-3.2.2-7, MQTT-4.13.2-1, MQTT-v311-3.1.4-5,
    // MQTT-v311-4.8.0-2 (the credentials cannot be checked at the moment),
    // MQTT-v311-3.2.2-4, MQTT-v311-3.2.2-5
    for version in [V31, V311] {
        let bad = refused_credentials(version, || AuthVerdict::BadCredentials);
        assert_eq!(bad, [0x20, 2, 0, 4]);
        let unavailable = refused_credentials(version, || AuthVerdict::Unavailable);
        assert_eq!(unavailable, [0x20, 2, 0, 3]);
    }
    let bad = refused_credentials(V5, || AuthVerdict::BadCredentials);
    assert_eq!(bad[3], ReasonCode::BadUserNameOrPassword as u8);
    let unavailable = refused_credentials(V5, || AuthVerdict::Unavailable);
    assert_eq!(unavailable[3], ReasonCode::ServerBusy as u8);
}

#[test]
fn who_may_come_without_credentials_is_for_the_listener_to_say() {
    // MQTT-3.1.4-2
    let near = "127.0.0.1:1".parse().ok();
    let mapped = "[::ffff:127.0.0.1]:1".parse().ok();
    let far = "192.0.2.1:1".parse().ok();
    for (anonymous, addr, is_welcome) in [
        (Anonymous::Never, near, false),
        (Anonymous::Loopback, near, true),
        (Anonymous::Loopback, mapped, true),
        (Anonymous::Loopback, None, true),
        (Anonymous::Loopback, far, false),
        (Anonymous::Always, far, true),
    ] {
        for (version, refusal) in [(V31, 5), (V311, 5), (V5, 0x87)] {
            let limits = Limits {
                sys_interval_ms: 0,
                ..Limits::default()
            };
            let mut bed = Bed::build(3, limits, AccessRules::allow_all(), anonymous);
            let client = bed.open_from(version, addr);
            bed.send_raw(client, &ConnectOptions::new(version, "c").bytes());
            let inbox = bed.take(client);
            let code = inbox.bytes[3];
            assert_eq!(code, if is_welcome { 0 } else { refusal });
            assert_eq!(bed.is_closed(client), !is_welcome);
            let refused = bed.outcome(Outcome::ConnectAnonymousRefused);
            assert_eq!(refused, u64::from(!is_welcome));
        }
    }
}

#[test]
fn a_malformed_connect_of_mqtt_3_has_no_return_code_and_gets_none() {
    // MQTT-v311-3.2.2-6, MQTT-v311-3.1.4-1
    for level in [3, 4] {
        // The length says more than the fields, a field says more than the packet.
        let mut trailing = raw::connect_of(level, 0b10, &[b"a"]);
        trailing[1] += 1;
        trailing.push(0);
        refuses_malformed(level, &trailing);
        let mut short = raw::connect_of(level, 0b10, &[b"a"]);
        short[1] -= 1;
        short.pop();
        refuses_malformed(level, &short);
    }
}

#[test]
fn connack_tells_the_limits_that_differ_from_the_defaults() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| {
            limits.receive_maximum = 7;
            limits.packet_bytes_max = 5000;
            limits.topic_alias_maximum = 3;
            limits.keep_alive_secs_max = 30;
            limits.session_expiry_secs_max = 100;
        });
        let options = ConnectOptions::new(V5, "client")
            .keep_alive(60)
            .property(PropertyId::SessionExpiryInterval, Value::U32(u32::MAX));
        let (_, inbox) = bed.connect_raw(&options);
        let told = connack(&inbox.packets()).properties;
        assert_eq!(told.u16(PropertyId::ReceiveMaximum), Some(7));
        assert_eq!(told.u32(PropertyId::MaximumPacketSize), Some(5000));
        assert_eq!(told.u16(PropertyId::TopicAliasMaximum), Some(3));
        assert_eq!(told.u16(PropertyId::ServerKeepAlive), Some(30));
        assert_eq!(told.u32(PropertyId::SessionExpiryInterval), Some(100));
        // Everything is available, which need not be said.
        for property in [
            PropertyId::MaximumQos,
            PropertyId::RetainAvailable,
            PropertyId::WildcardSubscriptionAvailable,
            PropertyId::SubscriptionIdentifierAvailable,
            PropertyId::SharedSubscriptionAvailable,
        ] {
            assert_eq!(told.find(property), None);
        }
        let options = ConnectOptions::new(V5, "modest")
            .keep_alive(20)
            .property(PropertyId::SessionExpiryInterval, Value::U32(10));
        let (_, inbox) = bed.connect_raw(&options);
        let told = connack(&inbox.packets()).properties;
        assert_eq!(told.u16(PropertyId::ServerKeepAlive), None);
        assert_eq!(told.u32(PropertyId::SessionExpiryInterval), None);
    }
}

#[test]
fn response_information_comes_only_on_request() {
    // MQTT-3.1.2-28
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        for (asked, is_told) in [(None, false), (Some(false), false), (Some(true), true)] {
            let mut options = ConnectOptions::new(V5, "client");
            if let Some(asked) = asked {
                let value = Value::Flag(asked);
                options = options.property(PropertyId::RequestResponseInformation, value);
            }
            let (_, inbox) = bed.connect_raw(&options);
            let told = connack(&inbox.packets()).properties;
            let response = told.string(PropertyId::ResponseInformation);
            assert_eq!(response, is_told.then_some("response/client/"));
        }
    }
}

#[test]
fn connack_keeps_to_the_packet_size_of_the_client() {
    // MQTT-3.1.2-24, MQTT-3.2.2-19, MQTT-3.2.2-20
    for shards in SHARDS {
        for most in [5, 8, 20, 40, 1000] {
            let mut bed = Bed::new(shards);
            bed.authenticate = |_| AuthVerdict::BadCredentials;
            let options = ConnectOptions::new(V5, "client")
                .login(
                    "a user name that takes some room in the words for people",
                    b"",
                )
                .property(PropertyId::MaximumPacketSize, Value::U32(most));
            let (client, inbox) = bed.connect_raw(&options);
            assert!(inbox.bytes.len() <= most as usize, "{:?}", inbox.packets());
            let ack = connack(&inbox.packets());
            assert_eq!(ack.reason, ReasonCode::BadUserNameOrPassword);
            let told = ack.properties.string(PropertyId::ReasonString);
            assert_eq!(told.is_some(), most == 1000);
            assert!(bed.is_closed(client));
        }
    }
}

#[test]
fn a_client_that_cannot_take_the_limits_it_has_to_know_is_refused() {
    // MQTT-3.1.2-24, MQTT-3.1.3-7
    for shards in SHARDS {
        for (most, answer_len) in [(4, 0), (5, 5), (20, 5)] {
            let mut bed = Bed::new(shards);
            let options = ConnectOptions::new(V5, "")
                .property(PropertyId::MaximumPacketSize, Value::U32(most));
            let (client, inbox) = bed.connect_raw(&options);
            assert_eq!(inbox.bytes.len(), answer_len);
            assert!(bed.is_closed(client));
            if answer_len > 0 {
                let reason = connack(&inbox.packets()).reason;
                assert_eq!(reason, ReasonCode::PacketTooLarge);
            }
            assert_eq!(bed.outcome(Outcome::ConnectAnswerTooLarge), 1);
            assert_eq!(bed.outcome(Outcome::ConnectAccepted), 0);
            assert_eq!(bed.stats().sessions, 0);
        }
    }
}

#[test]
fn without_problem_information_acknowledgements_carry_no_words() {
    // MQTT-3.1.2-29
    for shards in SHARDS {
        for (wants, is_told) in [(None, true), (Some(true), true), (Some(false), false)] {
            let mut bed = Bed::new(shards);
            let mut options = ConnectOptions::new(V5, "client");
            if let Some(wants) = wants {
                let value = Value::Flag(wants);
                options = options.property(PropertyId::RequestProblemInformation, value);
            }
            let client = bed.connect_with(&options);
            for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                bed.publish(client, "$SYS/mine", b"", qos);
                let inbox = bed.take(client);
                let (Packet::PubAck(ack) | Packet::PubRec(ack)) = inbox.one() else {
                    panic!("{:?}", inbox.packets());
                };
                assert_eq!(ack.reason, ReasonCode::TopicNameInvalid);
                let words = ack.properties.string(PropertyId::ReasonString);
                assert_eq!(words.is_some(), is_told);
                assert!(is_told || ack.properties.is_empty());
            }
            let id = PacketId::new(9).expect("not 0");
            bed.send(client, &Packet::PubRel(Acknowledgement::success(id)));
            let inbox = bed.take(client);
            let Packet::PubComp(ack) = inbox.one() else {
                panic!("{:?}", inbox.packets());
            };
            assert_eq!(ack.reason, ReasonCode::PacketIdentifierNotFound);
            assert!(is_told || ack.properties.is_empty());
            // Two filters, the second one impossible.
            bed.send_raw(client, b"\x82\x0d\x00\x05\x00\x00\x01a\x00\x00\x03a#b\x00");
            let inbox = bed.take(client);
            let Packet::SubAck(ack) = inbox.one() else {
                panic!("{:?}", inbox.packets());
            };
            assert_eq!(
                ack.codes.to_vec(),
                [0, ReasonCode::TopicFilterInvalid as u8]
            );
            assert!(is_told || ack.properties.is_empty());
        }
    }
}
