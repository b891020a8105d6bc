//! MQTT 3.1 (2010) where it differs from 3.1.1: what it allows, and what it cannot say. It has no
//! numbered statements.

mod bed;

use bed::{Bed, ConnectOptions, V5, V31, raw};
use columba_broker::event::AuthVerdict;
use columba_broker::outcome::Outcome;
use columba_codec::packet::Acknowledgement;
use columba_codec::{Packet, PacketId, QoS};

const SHARDS: [u16; 2] = [1, 3];

/// Connects with hand-made bytes; the CONNACK must say yes.
fn connect_raw(bed: &mut Bed, bytes: &[u8]) -> bed::ClientIx {
    let client = bed.open(V31);
    bed.send_raw(client, bytes);
    assert_eq!(bed.take(client).bytes, [0x20, 2, 0, 0]);
    client
}

#[test]
fn connect_flags_that_mean_nothing_are_disregarded() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let watcher = bed.connect(V5, "watcher");
        bed.subscribe(watcher, "#", QoS::AtLeastOnce);
        // Bit 0, Will QoS and Will Retain without a Will.
        for flags in [0b0000_0011, 0b0000_1010, 0b0011_1010] {
            let client = connect_raw(&mut bed, &raw::connect_of(3, flags, &[b"a"]));
            bed.drop_connection(client);
            assert!(bed.take(watcher).bytes.is_empty());
        }
    }
}

#[test]
fn a_user_name_may_be_announced_and_missing() {
    // "The Remaining Length field takes precedence over the User Name flag."
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        bed.authenticate = |request| {
            assert_eq!(request.user_name.as_deref(), Some("user"));
            assert_eq!(request.password, None);
            AuthVerdict::Allow {
                user: request.user_name.as_deref().map(Into::into),
                groups: [].into(),
            }
        };
        connect_raw(&mut bed, &raw::connect_of(3, 0b1000_0010, &[b"a"]));
        connect_raw(&mut bed, &raw::connect_of(3, 0b1100_0010, &[b"b"]));
        connect_raw(&mut bed, &raw::connect_of(3, 0b1100_0010, &[b"c", b"user"]));
    }
}

#[test]
fn client_ids_longer_than_23_characters_are_taken() {
    // 3.1 lets a server refuse them; refusing would only lock clients out.
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        bed.connect(V31, &"x".repeat(24));
        bed.connect(V31, &"x".repeat(1000));
    }
}

#[test]
fn dup_may_stand_on_what_is_sent_again() {
    // Section 2.1: DUP is for PUBLISH, PUBREL, SUBSCRIBE and UNSUBSCRIBE.
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V31, "client");
        let id = PacketId::new(7).expect("not 0");
        bed.send_raw(client, &raw::packet(0x8A, b"\0\x07\0\x01t\x01"));
        assert!(matches!(bed.take(client).one(), Packet::SubAck(ack) if ack.packet_id == id));
        bed.send_raw(client, &raw::packet(0x3C, b"\0\x01q\0\x07x"));
        let ack = Acknowledgement::success(id);
        assert_eq!(bed.take(client).one(), Packet::PubRec(ack));
        bed.send_raw(client, &raw::packet(0x6A, b"\0\x07"));
        assert_eq!(bed.take(client).one(), Packet::PubComp(ack));
        bed.send_raw(client, &raw::packet(0x38, b"\0\x01tx"));
        assert!(
            !bed.take(client).one_publish().dup,
            "it was sent for the first time"
        );
        bed.send_raw(client, &raw::packet(0xAA, b"\0\x07\0\x01t"));
        assert!(matches!(bed.take(client).one(), Packet::UnsubAck(ack) if ack.packet_id == id));
        // Elsewhere DUP is not used.
        bed.send_raw(client, &[0xC8, 0]);
        assert!(bed.is_closed(client));
        assert_eq!(bed.outcome(Outcome::DisconnectMalformed), 1);
    }
}

#[test]
fn refusals_use_the_five_return_codes() {
    for shards in SHARDS {
        for (verdict, code) in [
            (AuthVerdict::BadCredentials, 4),
            (AuthVerdict::Unavailable, 3),
        ] {
            let mut bed = Bed::new(shards);
            bed.authenticate = match verdict {
                AuthVerdict::BadCredentials => |_| AuthVerdict::BadCredentials,
                _ => |_| AuthVerdict::Unavailable,
            };
            let options = ConnectOptions::new(V31, "client").login("user", b"password");
            let (client, inbox) = bed.connect_raw(&options);
            assert_eq!(inbox.bytes, [0x20, 2, 0, code]);
            assert!(bed.is_closed(client));
        }
    }
}
