//! Records are read as they were written, and any bytes without a panic.

use super::*;
use proptest::prelude::*;

fn message() -> MessageRecord<'static> {
    MessageRecord {
        topic: "a/é",
        properties: b"\x01\x01",
        payload: &[0, 255, 3],
        qos: QoS::ExactlyOnce,
        retain: true,
        expires_at_unix_ms: Some(1_700_000_000_000),
        publisher: u64::MAX,
    }
}

fn all_kinds() -> Vec<Record<'static>> {
    let packet_id = PacketId::new(65_535).unwrap();
    let exchange = Exchange {
        session: 300,
        message: u64::MAX,
        packet_id,
    };
    let session = SessionRecord {
        number: 1,
        client_id: "c",
        user: Some("u"),
        groups: vec!["g", ""],
        addr: Some([127, 0, 0, 1].into()),
        expiry_secs: u32::MAX,
        disconnected_at_unix_ms: Some(7),
        will: Some(WillRecord {
            message: message(),
            expiry_secs: Some(0),
            delay_secs: 9,
        }),
    };
    let subscription = SubscriptionRecord {
        session: 1,
        filter: "a/+",
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: false,
        identifier: 268_435_455,
        share: Some(("s", 4)),
    };
    let recipient = |step, membership, identifiers: &[u32]| Recipient {
        session: 128,
        qos: QoS::AtLeastOnce,
        retain: true,
        membership,
        identifiers: identifiers.to_vec(),
        step,
    };
    let recipients = vec![
        recipient(Step::Queued, 0, &[]),
        recipient(Step::Sent(packet_id), 5, &[1, 128]),
        recipient(Step::Released(PacketId::MIN), 0, &[3]),
    ];
    let plain = SessionRecord {
        user: None,
        groups: Vec::new(),
        addr: None,
        disconnected_at_unix_ms: None,
        will: None,
        ..session.clone()
    };
    vec![
        Record::Seed(u64::MAX),
        Record::Session(session),
        Record::Session(plain),
        Record::Subscription(SubscriptionRecord {
            share: None,
            ..subscription.clone()
        }),
        Record::Subscription(subscription),
        Record::Message(message(), recipients.clone()),
        Record::Moved {
            place: 300,
            message: message(),
            recipients,
        },
        Record::Sent(exchange),
        Record::Released(exchange),
        Record::Settled {
            message: 5,
            recipients: vec![0, 9, 1000],
        },
        Record::Received {
            session: 2,
            packet_id,
        },
        Record::Retained {
            version: 3,
            message: MessageRecord {
                expires_at_unix_ms: None,
                ..message()
            },
        },
        Record::Cleared {
            version: 300,
            topic: "a/é",
        },
        Record::Lost {
            session: 300,
            found_at_unix_ms: 1_700_000_000_000,
        },
    ]
}

#[test]
fn every_kind_comes_back_as_it_was_and_nothing_shorter_or_longer_is_taken_for_it() {
    for record in all_kinds() {
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        assert_eq!(Record::read(&bytes).as_ref(), Some(&record));
        for len in 0..bytes.len() {
            assert_eq!(Record::read(&bytes[..len]), None, "{record:?} cut at {len}");
        }
        bytes.push(0);
        assert_eq!(Record::read(&bytes), None);
    }
}

/// The bytes of version 1, a record a line behind the name of its kind, in the order of [`all_kinds`]:
/// encoded from `docs/store-records.md` by a program of its own, not by [`Record::write`]. The lines stay as
/// they are, for stores hold them; a new kind, or another form of one, gets new lines.
const VERSION_1: &str = include_str!("golden/version-1.hex");

fn from_hex(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn version_1_is_written_and_read() {
    let records = all_kinds();
    assert_eq!(VERSION_1.lines().count(), records.len());
    for (line, record) in VERSION_1.lines().zip(&records) {
        let (kind, hex) = line.split_once(' ').unwrap();
        let golden = from_hex(hex);
        assert_eq!(Record::read(&golden).as_ref(), Some(record), "{line}");
        let mut written = Vec::new();
        record.write(&mut written);
        assert_eq!(written, golden, "{line}");
        let said = describe(&golden).and_then(|fields| fields.into_iter().next());
        assert_eq!(said, Some(("kind", Field::Text(kind.to_owned()))), "{line}");
    }
}

#[test]
fn version_1_has_every_kind_there_is() {
    let mut kinds: Vec<u8> = VERSION_1
        .lines()
        .map(|line| from_hex(line.split_once(' ').unwrap().1)[0])
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, (1..=12).collect::<Vec<u8>>());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, kind in 0u8..14) {
        let _ = Record::read(&bytes);
        let _ = Record::read(&[&[kind][..], &bytes].concat());
    }
}

#[test]
fn times_survive_a_process_that_starts_its_clock_anew() {
    use crate::now::Now;
    let before = Clock::new(Now {
        mono_ms: 50_000,
        unix_ms: 1_000_000,
    });
    let after = Clock::new(Now {
        mono_ms: 10,
        unix_ms: 1_000_100,
    });
    assert_eq!(before.to_unix_ms(50_200), 1_000_200);
    assert_eq!(after.to_mono_ms(1_000_200), 110);
    assert_eq!(after.to_mono_ms(900_000), -100_090);
    let expired = MessageRecord {
        expires_at_unix_ms: Some(900_000),
        ..message()
    };
    assert!(expired.to_message(after).is_expired(10));
}
