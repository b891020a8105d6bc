//! Any bytes, read as each version: no panic, and what is accepted reads the same again after it
//! was written.
#![no_main]

use columba_codec::wire::PACKET_BYTES_MAX;
use columba_codec::{Decoded, Packet, Properties, Version, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for version in Version::ALL {
        match decode(bytes, version, PACKET_BYTES_MAX) {
            Ok(Decoded::Packet(packet, len)) => {
                let alone = decode(&bytes[..len], version, PACKET_BYTES_MAX);
                assert_eq!(alone, Ok(Decoded::Packet(packet, len)));
                let version = match &packet {
                    Packet::Connect(connect) => connect.version,
                    _ => version,
                };
                let mut again = Vec::new();
                packet
                    .encode(version, &mut again)
                    .expect("what was read can be written");
                let read_again = decode(&again, version, PACKET_BYTES_MAX);
                assert_eq!(read_again, Ok(Decoded::Packet(packet, again.len())));
                read_lazily(&packet);
            }
            Ok(Decoded::Incomplete { needed }) => assert!(needed > bytes.len()),
            Err(error) => assert!(error.at as usize <= bytes.len()),
        }
    }
});

/// What stays bytes until someone asks holds as many items as there are.
fn read_lazily(packet: &Packet<'_>) {
    let all = |properties: Properties<'_>| {
        let read: usize = properties.iter().map(|property| property.bytes.len()).sum();
        assert_eq!(read, properties.bytes().len());
    };
    match packet {
        Packet::Connect(connect) => {
            all(connect.properties);
            if let Some(will) = &connect.will {
                all(will.properties);
            }
        }
        Packet::ConnAck(packet) => all(packet.properties),
        Packet::Publish(packet) => all(packet.properties),
        Packet::PubAck(packet)
        | Packet::PubRec(packet)
        | Packet::PubRel(packet)
        | Packet::PubComp(packet) => all(packet.properties),
        Packet::Subscribe(packet) => {
            all(packet.properties);
            assert!(packet.filters.iter().count() > 0);
        }
        Packet::SubAck(packet) => all(packet.properties),
        Packet::Unsubscribe(packet) => {
            all(packet.properties);
            assert!(packet.filters.iter().count() > 0);
        }
        Packet::UnsubAck(packet) => all(packet.properties),
        Packet::Disconnect(packet) => all(packet.properties),
        Packet::Auth(packet) => all(packet.properties),
        Packet::PingReq | Packet::PingResp => {}
    }
}
