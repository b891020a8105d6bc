//! What is written is read again, however it arrives; what arrives never panics the reader.

mod strategy;

use columba_codec::encode::TemplateParts;
use columba_codec::wire::PACKET_BYTES_MAX;
use columba_codec::{Decoded, Packet, PacketType, PublishTemplate, QoS, Version, decode};
use proptest::prelude::*;
use proptest::sample::Index;
use strategy::{sample, samples};

/// What one look at bytes says, without the packet itself.
fn look(bytes: &[u8], version: Version) -> Result<Option<usize>, u32> {
    match decode(bytes, version, PACKET_BYTES_MAX) {
        Ok(Decoded::Packet(_, len)) => {
            assert!(2 <= len && len <= bytes.len(), "{len} of {}", bytes.len());
            Ok(Some(len))
        }
        Ok(Decoded::Incomplete { needed }) => {
            assert!(needed > bytes.len());
            Ok(None)
        }
        Err(error) => {
            assert!(error.at as usize <= bytes.len());
            assert!(!error.to_string().is_empty());
            Err(error.at)
        }
    }
}

/// Whatever is accepted is written and read again as the same packet.
fn check_any_bytes(bytes: &[u8], version: Version) {
    for packet_bytes_max in [PACKET_BYTES_MAX, 16] {
        let Ok(Decoded::Packet(packet, len)) = decode(bytes, version, packet_bytes_max) else {
            look(bytes, version).ok();
            continue;
        };
        // Nothing behind the packet matters.
        let alone = decode(&bytes[..len], version, packet_bytes_max);
        assert_eq!(alone, Ok(Decoded::Packet(packet, len)));
        let mut again = Vec::new();
        let version = match &packet {
            Packet::Connect(connect) => connect.version,
            _ => version,
        };
        packet
            .encode(version, &mut again)
            .expect("what was read can be written");
        assert_eq!(
            decode(&again, version, PACKET_BYTES_MAX),
            Ok(Decoded::Packet(packet, again.len()))
        );
    }
}

/// A failure prints its input, which then becomes a test of its own.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn every_packet_is_read_as_it_was_written(sample in samples()) {
        let bytes = sample.bytes();
        let decoded = decode(&bytes, sample.version, PACKET_BYTES_MAX);
        prop_assert_eq!(decoded, Ok(Decoded::Packet(sample.packet(), bytes.len())));
        // The limit is the size of the whole packet (MQTT-3.1.2-24).
        let len = bytes.len() as u32;
        prop_assert!(decode(&bytes, sample.version, len).is_ok());
        prop_assert!(decode(&bytes, sample.version, len - 1).is_err());
    }

    #[test]
    fn packets_arrive_in_any_pieces(
        stream in prop::collection::vec(sample(Version::V5, PacketType::Publish), 1..4),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let bytes: Vec<u8> = stream.iter().flat_map(|sample| sample.bytes()).collect();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let mut expected = stream.iter();
        let mut start = 0;
        let mut needed = 0;
        for end in ends {
            loop {
                match decode(&bytes[start..end], Version::V5, PACKET_BYTES_MAX) {
                    Ok(Decoded::Packet(packet, len)) => {
                        prop_assert!(needed <= len, "asked for {} of {}", needed, len);
                        let sample = expected.next().expect("no more than were sent");
                        prop_assert_eq!(packet, sample.packet());
                        start += len;
                        needed = 0;
                    }
                    Ok(Decoded::Incomplete { needed: more }) => {
                        prop_assert!(needed <= more && end - start < more);
                        needed = more;
                        break;
                    }
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                }
            }
        }
        prop_assert!(expected.next().is_none());
        prop_assert_eq!(start, bytes.len());
    }

    #[test]
    fn beginnings_of_packets_ask_for_no_more_than_the_packet(sample in samples()) {
        let bytes = sample.bytes();
        let mut before = 0;
        for len in 0..bytes.len().min(64) {
            let expected = match decode(&bytes[..len], sample.version, PACKET_BYTES_MAX) {
                Ok(Decoded::Incomplete { needed }) => needed,
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            };
            prop_assert!(len < expected && expected <= bytes.len() && before <= expected);
            before = expected;
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        for version in Version::ALL {
            check_any_bytes(&bytes, version);
        }
    }

    #[test]
    fn mutated_packets_never_panic(
        sample in samples(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        cut in any::<Index>(),
        insert in prop::option::of((any::<Index>(), any::<u8>())),
    ) {
        let mut bytes = sample.bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len().min(48));
            bytes[at] = byte;
        }
        if let Some((at, byte)) = insert {
            bytes.insert(at.index(bytes.len().min(48)), byte);
        }
        for version in Version::ALL {
            check_any_bytes(&bytes, version);
            check_any_bytes(&bytes[..cut.index(bytes.len())], version);
        }
    }

    #[test]
    fn template_writes_what_the_packet_writes(
        sample in prop::sample::select(&Version::ALL[..])
            .prop_flat_map(|version| sample(version, PacketType::Publish)),
        split in any::<Index>(),
        payload_inline in any::<bool>(),
    ) {
        let publish = sample.publish();
        let expected = sample.bytes();
        let properties = publish.properties.bytes();
        let (first, second) = properties.split_at(split.index(properties.len() + 1));
        let mut template = PublishTemplate::default();
        // A used template keeps nothing of its last message.
        for topic in ["another/topic", publish.topic] {
            template.encode(TemplateParts {
                version: sample.version,
                has_packet_id: publish.qos != QoS::AtMostOnce,
                topic,
                properties: &[first, second],
                payload: publish.payload,
                payload_inline,
            });
        }
        let mut out = b"before".to_vec();
        let (dup, qos, retain) = (publish.dup, publish.qos, publish.retain);
        template.write(dup, qos, retain, publish.packet_id, &mut out);
        prop_assert_eq!(template.packet_len(), expected.len());
        if !payload_inline {
            out.extend_from_slice(publish.payload);
        }
        prop_assert_eq!(&out[..6], b"before");
        prop_assert_eq!(&out[6..], &expected[..]);
    }
}
