//! Bytes that should not have come: of every type, in every state of a connection.
//!
//! Whatever comes, the broker answers as the standard says, closes that connection, counts one
//! outcome, and goes on serving the others.

mod bed;

use bed::{Bed, ClientIx, ConnectOptions, V5, V31, V311, raw};
use columba_broker::event::{AuthVerdict, ReportEvent};
use columba_broker::outcome::Outcome;
use columba_codec::{Packet, QoS, ReasonCode, Version};

const SHARDS: [u16; 2] = [1, 3];
const VERSIONS: [Version; 3] = [V31, V311, V5];

/// A well-formed packet of each type, as a version writes it: first byte and body.
fn well_formed(version: Version) -> Vec<(u8, Vec<u8>)> {
    let is_v5 = version == V5;
    let plain = |first: u8, v3: &[u8], v5: &[u8]| (first, if is_v5 { v5 } else { v3 }.to_vec());
    let connect = ConnectOptions::new(version, "first").bytes();
    let mut packets = vec![
        (0x10, connect[2..].to_vec()),
        plain(0x20, b"\0\0", b"\0\0\0"),
        plain(0x30, b"\0\x01tp", b"\0\x01t\0p"),
        plain(0x32, b"\0\x01t\0\x07p", b"\0\x01t\0\x07\0p"),
        plain(0x34, b"\0\x01t\0\x08p", b"\0\x01t\0\x08\0p"),
        plain(0x40, b"\0\x01", b"\0\x01"),
        plain(0x50, b"\0\x01", b"\0\x01"),
        plain(0x62, b"\0\x01", b"\0\x01"),
        plain(0x70, b"\0\x01", b"\0\x01"),
        plain(0x82, b"\0\x01\0\x01f\x01", b"\0\x01\0\0\x01f\x01"),
        plain(0x90, b"\0\x01\x01", b"\0\x01\0\x01"),
        plain(0xA2, b"\0\x01\0\x01f", b"\0\x01\0\0\x01f"),
        plain(0xB0, b"\0\x01", b"\0\x01\0\0"),
        plain(0xC0, b"", b""),
        plain(0xD0, b"", b""),
        plain(0xE0, b"", b""),
    ];
    if is_v5 {
        packets.push((0xF0, b"\x18\x04\x15\x00\x01m".to_vec()));
    }
    packets
}

/// Somebody who must not notice anything.
fn bystander(bed: &mut Bed) -> ClientIx {
    let bystander = bed.connect(V311, "bystander");
    bed.subscribe(bystander, "bystander", QoS::AtLeastOnce);
    bystander
}

fn check_bystander(bed: &mut Bed, bystander: ClientIx) {
    bed.publish(bystander, "bystander", b"", QoS::AtMostOnce);
    assert_eq!(bed.take(bystander).one_publish().topic, "bystander");
    bed.check_books();
}

fn refusals(bed: &Bed) -> u64 {
    let all = Outcome::ALL.iter();
    all.filter(|outcome| outcome.name().starts_with("connect."))
        .filter(|outcome| **outcome != Outcome::ConnectAccepted)
        .map(|outcome| bed.outcome(*outcome))
        .sum()
}

fn ends(bed: &Bed) -> u64 {
    let all = Outcome::ALL.iter();
    all.filter(|outcome| outcome.name().starts_with("disconnect."))
        .map(|outcome| bed.outcome(*outcome))
        .sum()
}

/// Sends bytes on an open connection of a client with a Will, and checks what must follow.
fn ends_connection(shards: u16, version: Version, bytes: &[u8], what: &str) -> Option<ReasonCode> {
    let mut bed = Bed::new(shards);
    let bystander = bystander(&mut bed);
    let client = bed.connect(version, "client");
    bed.send_raw(client, bytes);
    assert!(bed.is_closed(client), "{what} {bytes:02x?} {version}");
    assert_eq!(ends(&bed), 1, "{what} {bytes:02x?} {version}");
    let inbox = bed.take(client);
    check_bystander(&mut bed, bystander);
    match (version, &inbox.packets()[..]) {
        (V5, [Packet::Disconnect(disconnect)]) => Some(disconnect.reason),
        (V31 | V311, []) => None,
        (_, packets) => panic!("{what} {bytes:02x?} {version}: {packets:?}"),
    }
}

#[test]
fn every_packet_but_connect_is_refused_as_the_first() {
    // MQTT-3.1.0-1, MQTT-3.14.0-1, MQTT-v311-3.1.0-1
    for shards in SHARDS {
        for version in VERSIONS {
            for (first, body) in well_formed(version) {
                if first == 0x10 {
                    continue;
                }
                let mut bed = Bed::new(shards);
                let bystander = bystander(&mut bed);
                let client = bed.open(version);
                bed.send_raw(client, &raw::packet(first, &body));
                assert!(bed.is_closed(client), "{first:#x}");
                assert!(bed.take(client).bytes.is_empty(), "{first:#x}");
                assert_eq!(bed.outcome(Outcome::ConnectMalformed), 1, "{first:#x}");
                assert_eq!(bed.stats().publish_received(), 0);
                check_bystander(&mut bed, bystander);
                // The first byte is enough to know.
                let client = bed.open(version);
                bed.send_raw(client, &[first]);
                assert!(bed.is_closed(client), "{first:#x}");
            }
        }
    }
}

#[test]
fn flags_that_the_standard_does_not_list_end_the_connection() {
    // MQTT-2.1.3-1, MQTT-3.6.1-1, MQTT-3.8.1-1, MQTT-3.10.1-1, MQTT-v311-2.2.2-1,
    // MQTT-v311-2.2.2-2, MQTT-v311-3.6.1-1, MQTT-v311-3.8.1-1, MQTT-v311-3.10.1-1
    for shards in SHARDS {
        for version in [V311, V5] {
            for (first, body) in well_formed(version) {
                if first & 0xF0 == 0x30 {
                    continue;
                }
                for flags in 0..16 {
                    let wrong = first & 0xF0 | flags;
                    if wrong == first {
                        continue;
                    }
                    let told =
                        ends_connection(shards, version, &raw::packet(wrong, &body), "wrong flags");
                    let expected = (version == V5).then_some(ReasonCode::MalformedPacket);
                    assert_eq!(told, expected, "{wrong:#x}");
                }
            }
        }
    }
}

#[test]
fn impossible_flags_of_publish_end_the_connection() {
    // MQTT-3.3.1-2, MQTT-3.3.1-4, MQTT-v311-3.3.1-4
    for shards in SHARDS {
        for version in VERSIONS {
            let body: &[u8] = match version {
                V5 => b"\0\x01t\0\x07\0p",
                V31 | V311 => b"\0\x01t\0\x07p",
            };
            for first in [0x36, 0x37, 0x3E, 0x3F] {
                ends_connection(shards, version, &raw::packet(first, body), "QoS 3");
            }
            if version != V31 {
                ends_connection(shards, version, &raw::packet(0x38, body), "DUP at QoS 0");
            }
        }
    }
}

#[test]
fn what_servers_send_is_not_for_clients_to_send() {
    // MQTT-4.13.1-1, MQTT-v311-4.8.0-1
    for shards in SHARDS {
        for version in VERSIONS {
            for (first, body) in well_formed(version) {
                if ![0x10, 0x20, 0x90, 0xB0, 0xD0, 0xF0].contains(&first) {
                    continue;
                }
                let bytes = raw::packet(first, &body);
                let told = ends_connection(shards, version, &bytes, "not for clients");
                let expected = (version == V5).then_some(ReasonCode::ProtocolError);
                assert_eq!(told, expected, "{first:#x}");
            }
        }
    }
}

#[test]
fn packets_that_end_too_early_or_too_late_are_malformed() {
    // MQTT-4.13.1-1, MQTT-v311-4.8.0-1
    for shards in SHARDS {
        for version in VERSIONS {
            for (first, body) in well_formed(version) {
                let is_publish = first & 0xF0 == 0x30;
                // Bytes that follow are payload in a PUBLISH, and more properties or codes than
                // there is room for elsewhere.
                let has_list = [0x82, 0x90, 0xA2, 0xB0].contains(&first);
                if !is_publish && !has_list && first != 0x10 {
                    let mut long = body.clone();
                    long.extend_from_slice(&[0xFF; 3]);
                    ends_connection(shards, version, &raw::packet(first, &long), "too long");
                }
                // A topic and a packet id are the least that a PUBLISH has.
                let least = match (first, version) {
                    (0x30, V5) => 4,
                    (0x30, _) => 3,
                    (0x32 | 0x34, V5) => 6,
                    (0x32 | 0x34, _) => 5,
                    // A reason code and what follows may be missing, in DISCONNECT and AUTH too.
                    (0x40 | 0x50 | 0x62 | 0x70, _) => 2,
                    (0xE0, _) => 0,
                    _ => body.len(),
                };
                for len in 0..least {
                    if (first, len) == (0xF0, 0) {
                        continue;
                    }
                    let bytes = raw::packet(first, &body[..len]);
                    ends_connection(shards, version, &bytes, "too short");
                }
            }
        }
    }
}

#[test]
fn lengths_that_are_none_are_malformed() {
    // MQTT-1.5.5-1
    for shards in SHARDS {
        for version in VERSIONS {
            for first in [0x30, 0x82, 0xC0] {
                let told = ends_connection(
                    shards,
                    version,
                    &[first, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
                    "five bytes of length",
                );
                let expected = (version == V5).then_some(ReasonCode::MalformedPacket);
                assert_eq!(told, expected);
            }
            ends_connection(shards, version, &[0x00, 0], "type 0");
        }
        ends_connection(shards, V5, &[0xC0, 0x80, 0x00], "not the shortest form");
    }
}

#[test]
fn packet_id_0_ends_the_connection() {
    // MQTT-v311-2.3.1-1, MQTT-2.2.1-4
    for shards in SHARDS {
        for version in VERSIONS {
            for (first, mut body) in well_formed(version) {
                let at = match first {
                    0x32 | 0x34 => 3,
                    0x40 | 0x50 | 0x62 | 0x70 | 0x82 | 0xA2 => 0,
                    _ => continue,
                };
                body[at] = 0;
                body[at + 1] = 0;
                ends_connection(shards, version, &raw::packet(first, &body), "packet id 0");
            }
        }
    }
}

#[test]
fn strings_that_are_no_utf_8_end_the_connection() {
    // MQTT-1.5.4-1, MQTT-1.5.4-2, MQTT-1.5.7-1, MQTT-v311-1.5.3-1, MQTT-v311-1.5.3-2
    let ill_formed: [&[u8]; 4] = [b"\xFF", b"\xED\xA0\x80", b"\xC0\xAF", b"\0"];
    for shards in SHARDS {
        for version in VERSIONS {
            let properties: &[u8] = if version == V5 { &[0] } else { &[] };
            for bad in ill_formed {
                let field = raw::field(bad);
                let publish = [&field, properties].concat();
                ends_connection(shards, version, &raw::packet(0x30, &publish), "topic");
                let subscribe = [&[0, 1][..], properties, &field, &[0]].concat();
                ends_connection(shards, version, &raw::packet(0x82, &subscribe), "filter");
                let unsubscribe = [&[0, 1][..], properties, &field].concat();
                ends_connection(shards, version, &raw::packet(0xA2, &unsubscribe), "filter");
                if version != V5 {
                    continue;
                }
                let good = raw::field(b"good");
                for pair in [[&field, &good], [&good, &field]] {
                    let pair = [&[0x26][..], pair[0], pair[1]].concat();
                    let publish = [&b"\0\x01t"[..], &[pair.len() as u8], &pair].concat();
                    let told = ends_connection(
                        shards,
                        version,
                        &raw::packet(0x30, &publish),
                        "user property",
                    );
                    assert_eq!(told, Some(ReasonCode::MalformedPacket));
                }
            }
        }
    }
}

#[test]
fn packets_above_the_limit_are_refused_before_they_come() {
    // packet_bytes_max; section 3.2.2.3.6
    for shards in SHARDS {
        for version in VERSIONS {
            for (first, outcome) in [(0x30, 1), (0x82, 0)] {
                let mut bed = Bed::with(shards, |limits| limits.packet_bytes_max = 1000);
                let bystander = bystander(&mut bed);
                let client = bed.connect(version, "client");
                // 1000 bytes in all are allowed, one more is not.
                let body_len = 1000 - 3;
                let mut body = vec![0; body_len];
                body[..3].copy_from_slice(b"\0\x01t");
                bed.send_raw(client, &raw::packet(0x30, &body));
                assert!(!bed.is_closed(client));
                let more = raw::packet(first, &[&body[..], b"x"].concat());
                bed.send_raw(client, &more[..3]);
                assert!(bed.is_closed(client));
                assert_eq!(bed.outcome(Outcome::PublishTooLarge), outcome);
                assert_eq!(bed.outcome(Outcome::DisconnectProtocol), 1);
                let inbox = bed.take(client);
                match (version, &inbox.packets()[..]) {
                    (V5, [Packet::Disconnect(disconnect)]) => {
                        assert_eq!(disconnect.reason, ReasonCode::PacketTooLarge);
                    }
                    (V31 | V311, []) => {}
                    (_, packets) => panic!("{packets:?}"),
                }
                check_bystander(&mut bed, bystander);
            }
        }
    }
}

#[test]
fn a_packet_may_be_cut_anywhere() {
    // MQTT-v311-7.1.1-1 has its reason; here is what it means for the reader.
    for shards in SHARDS {
        for version in VERSIONS {
            let connect = ConnectOptions::new(version, "client")
                .keep_alive(10)
                .will("w", b"will", QoS::AtLeastOnce, false)
                .login("user", b"password")
                .bytes();
            let mut whole = connect.clone();
            for (first, body) in well_formed(version) {
                if [0x30, 0x32, 0xC0].contains(&first) {
                    whole.extend_from_slice(&raw::packet(first, &body));
                }
            }
            let mut expected = None;
            let cuts = (1..whole.len()).map(|at| vec![at]);
            let byte_by_byte = (1..whole.len()).collect::<Vec<_>>();
            for cut in std::iter::once(Vec::new())
                .chain(cuts)
                .chain([byte_by_byte])
            {
                let mut bed = Bed::new(shards);
                let client = bed.open(version);
                let mut from = 0;
                for at in cut.into_iter().chain([whole.len()]) {
                    bed.send_raw(client, &whole[from..at]);
                    from = at;
                }
                let answer = bed.take(client).bytes;
                assert!(!bed.is_closed(client));
                assert!(answer.len() >= 10);
                assert_eq!(*expected.get_or_insert_with(|| answer.clone()), answer);
                assert_eq!(bed.outcome(Outcome::ConnectAccepted), 1);
            }
        }
    }
}

#[test]
fn a_connect_that_stops_anywhere_ends_with_the_connection_or_the_timeout() {
    for shards in SHARDS {
        for version in VERSIONS {
            let connect = ConnectOptions::new(version, "client")
                .will("w", b"will", QoS::AtLeastOnce, false)
                .login("user", b"password")
                .bytes();
            for len in 0..connect.len() {
                let mut bed = Bed::new(shards);
                let bystander = bystander(&mut bed);
                let hung_up = bed.open(version);
                bed.send_raw(hung_up, &connect[..len]);
                bed.close_socket(hung_up);
                let silent = bed.open(version);
                bed.send_raw(silent, &connect[..len]);
                assert!(!bed.is_closed(silent));
                bed.advance(10_000);
                assert!(bed.is_closed(silent));
                assert!(bed.take(silent).bytes.is_empty());
                assert_eq!(bed.outcome(Outcome::ConnectTimeout), 1);
                assert_eq!(bed.stats().connections, 1);
                assert_eq!(bed.stats().sessions, 1);
                check_bystander(&mut bed, bystander);
            }
        }
    }
}

#[test]
fn other_protocols_are_known_by_their_first_bytes() {
    let others: [(&[u8], &str); 14] = [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP"),
        (b"POST /mqtt HTTP/1.1\r\n\r\n", "HTTP"),
        (b"PUT / HTTP/1.0\r\n\r\n", "HTTP"),
        (b"HEAD / HTTP/1.0\r\n\r\n", "HTTP"),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", "HTTP"),
        (b"CONNECT x:443 HTTP/1.1\r\n\r\n", "HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03", "TLS"),
        (b"\x16\x03\x03\x00\x7A\x01\x00\x00\x76\x03\x03", "TLS"),
        (b"SSH-2.0-OpenSSH_9.7\r\n", "SSH"),
        (b"AMQP\x00\x00\x09\x01", "AMQP"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C", "PROXY"),
        (b"\0\0\0\0\0\0\0\0", "not MQTT"),
    ];
    for shards in SHARDS {
        for (bytes, name) in others {
            let mut bed = Bed::new(shards);
            let bystander = bystander(&mut bed);
            let client = bed.open(V311);
            bed.send_raw(client, bytes);
            assert!(bed.is_closed(client), "{name}");
            assert!(bed.take(client).bytes.is_empty(), "{name}");
            assert_eq!(bed.outcome(Outcome::ConnectWrongProtocol), 1, "{name}");
            assert_eq!(refusals(&bed), 1);
            let said = bed.reports.iter().any(|report| {
                matches!(&report.event, ReportEvent::Refused { detail, .. } if detail.contains(name))
            });
            assert!(said, "{name}: {:?}", bed.reports);
            check_bystander(&mut bed, bystander);
            // One byte at a time it is still refused.
            let client = bed.open(V311);
            for byte in bytes {
                bed.send_raw(client, &[*byte]);
            }
            assert!(bed.is_closed(client), "{name}");
        }
    }
}

#[test]
fn bytes_behind_a_refused_connect_are_not_read() {
    // MQTT-3.1.4-6, MQTT-v311-3.1.4-5
    for shards in SHARDS {
        for level in [4, 5] {
            let mut bed = Bed::new(shards);
            let mut bytes = raw::connect_of(level, 0b11, &[b"client"]);
            bytes.extend_from_slice(&ConnectOptions::new(V311, "client").bytes());
            bytes.extend_from_slice(b"\x31\x04\0\x01tx");
            let client = bed.open(V311);
            bed.send_raw(client, &bytes);
            assert!(bed.is_closed(client));
            assert_eq!(refusals(&bed), 1);
            assert_eq!(bed.outcome(Outcome::ConnectAccepted), 0);
            assert_eq!(bed.stats().retained_messages, 0);
        }
    }
}

#[test]
fn bytes_of_a_client_whose_credentials_are_being_checked_wait() {
    for shards in SHARDS {
        for version in VERSIONS {
            for is_welcome in [true, false] {
                let mut bed = Bed::new(shards);
                bed.is_authentication_slow = true;
                bed.authenticate = match is_welcome {
                    true => |_| AuthVerdict::Allow {
                        user: None,
                        groups: [].into(),
                    },
                    false => |_| AuthVerdict::BadCredentials,
                };
                let client = bed.open(version);
                let options = ConnectOptions::new(version, "client").login("u", b"p");
                bed.send_raw(client, &options.bytes());
                // A PINGREQ, a server's packet, and half a packet.
                bed.send_raw(client, &[0xC0]);
                bed.send_raw(client, &[0, 0xD0, 0, 0x30]);
                assert!(bed.take(client).bytes.is_empty());
                assert!(!bed.is_closed(client));
                bed.answer_credentials();
                let inbox = bed.take(client);
                let packets = inbox.packets();
                assert!(bed.is_closed(client));
                if !is_welcome {
                    assert_eq!(packets.len(), 1, "{packets:?}");
                    assert_eq!(bed.outcome(Outcome::ConnectBadCredentials), 1);
                    continue;
                }
                assert!(matches!(
                    packets[..2],
                    [Packet::ConnAck(_), Packet::PingResp]
                ));
                assert_eq!(packets.len(), if version == V5 { 3 } else { 2 });
                assert_eq!(bed.outcome(Outcome::DisconnectProtocol), 1);
            }
        }
    }
}

#[test]
fn a_client_that_leaves_while_its_credentials_are_checked_is_forgotten() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        bed.is_authentication_slow = true;
        let options = ConnectOptions::new(V311, "client").login("u", b"p");
        let gone = bed.open(V311);
        bed.send_raw(gone, &options.bytes());
        bed.close_socket(gone);
        // Another connection takes the slot before the answer comes.
        let other = bed.open(V311);
        bed.answer_credentials();
        assert_eq!(bed.stats().sessions, 0);
        assert!(bed.take(other).bytes.is_empty());
        assert!(!bed.is_closed(other));
        assert_eq!(bed.outcome(Outcome::ConnectAccepted), 0);
    }
}

#[test]
fn random_bytes_never_disturb_the_others() {
    // A small generator of its own: the same bytes in every run.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.packet_bytes_max = 4096);
        let bystander = bystander(&mut bed);
        for round in 0..2000 {
            let version = VERSIONS[round % 3];
            let client = bed.open(version);
            let is_open = round % 2 == 0;
            if is_open {
                bed.send_raw(client, &ConnectOptions::new(version, "client").bytes());
            }
            let packets = well_formed(version);
            for _ in 0..next() % 8 {
                // A packet with a few of its bits changed.
                let (first, body) = &packets[next() as usize % packets.len()];
                let mut bytes = raw::packet(*first, body);
                for _ in 0..next() % 4 {
                    let at = next() as usize % bytes.len();
                    bytes[at] ^= 1 << (next() % 8);
                }
                bed.send_raw(client, &bytes);
            }
            let answer = bed.take(client);
            assert!(answer.bytes.first().is_none_or(|first| *first == 0x20));
            if next() % 2 == 0 {
                bed.close_socket(client);
            }
        }
        bed.advance(10_000);
        check_bystander(&mut bed, bystander);
    }
}
