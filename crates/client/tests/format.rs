//! The bytes of session files: files of every version that there has been are read, and the newest is what is
//! written. The files in `golden` stay as they are; a new version gets a new one.

use columba_client::journal::{self, FileId};
use columba_client::{Input, Message, Output, Session, SessionOptions};
use columba_codec::packet::{Acknowledgement, ConnAck, Packet, Publish};
use columba_codec::{PacketId, Properties, QoS, ReasonCode, Version};
use proptest::prelude::*;

const VERSION_1: &str = include_str!("golden/version-1.hex");
const VERSION_2: &str = include_str!("golden/version-2.hex");

fn options() -> SessionOptions {
    let mut options = SessionOptions {
        client_id: "golden".to_owned(),
        inflight_messages_max: 3,
        acknowledges_by_hand: true,
        recovers_lost_session: true,
        ..SessionOptions::default()
    };
    options.properties.session_expiry_secs = Some(3600);
    options
}

fn receive(session: &mut Session, packet: &Packet<'_>) {
    let mut bytes = Vec::new();
    packet.encode(Version::V5, &mut bytes).expect("encodes");
    session.handle(0, Input::Received(&bytes));
}

fn publish(session: &mut Session, payload: &str, qos: QoS) {
    let mut message = Message::new("golden/topic", payload).with_qos(qos);
    message.properties.content_type = Some("text/plain".to_owned());
    message.properties.user_properties = vec![("a".to_owned(), "1".to_owned())];
    let token = session.next_token();
    session.handle(0, Input::Publish { token, message });
}

fn incoming(number: u16, payload: &str) -> Packet<'_> {
    Packet::Publish(Publish {
        dup: false,
        qos: QoS::ExactlyOnce,
        retain: false,
        topic: "golden/in",
        packet_id: PacketId::new(number),
        properties: Properties::EMPTY,
        payload: payload.as_bytes(),
    })
}

/// Batches that have every kind of record but those of a session that the server has forgotten.
fn batches() -> [Vec<u8>; 2] {
    let mut session = Session::kept(options());
    session.handle(0, Input::TransportOpened { clean_start: false });
    let connack = ConnAck {
        session_present: true,
        reason: ReasonCode::Success,
        properties: Properties::EMPTY,
    };
    receive(&mut session, &Packet::ConnAck(connack));
    publish(&mut session, "done", QoS::AtLeastOnce);
    publish(&mut session, "released", QoS::ExactlyOnce);
    publish(&mut session, "sent", QoS::AtLeastOnce);
    publish(&mut session, "waiting", QoS::ExactlyOnce);
    let of = |number| Acknowledgement::success(PacketId::new(number).expect("not 0"));
    receive(&mut session, &Packet::PubRec(of(2)));
    receive(&mut session, &incoming(7, "acknowledged"));
    receive(&mut session, &incoming(8, "handed over"));
    let receipt = std::iter::from_fn(|| session.poll()).find_map(|output| match output {
        Output::Message(incoming) => incoming.receipt,
        _ => None,
    });
    let receipt = receipt.expect("a message");
    let reason = ReasonCode::Success;
    session.handle(0, Input::Acknowledge { receipt, reason });
    let mut earlier = Vec::new();
    session.take_records(&mut earlier);
    let mut snapshot = Vec::new();
    session.snapshot(&mut snapshot);
    receive(&mut session, &Packet::PubAck(of(1)));
    publish(&mut session, "last", QoS::AtLeastOnce);
    receive(&mut session, &incoming(9, "handed over too"));
    let mut records = Vec::new();
    session.take_records(&mut records);
    [snapshot, records]
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.split_whitespace().collect::<String>();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes
        .chunks(32)
        .map(line)
        .collect::<Vec<String>>()
        .join("\n")
        + "\n"
}

#[test]
fn files_of_every_version_are_read() {
    for text in [VERSION_1, VERSION_2] {
        let contents = journal::read(&from_hex(text)).expect("reads");
        assert_eq!(
            (contents.records, contents.next_batch),
            (batches().concat(), 2)
        );
    }
}

#[test]
fn what_is_written_is_the_newest_version() {
    let id = FileId(*b"golden files");
    let mut file = Vec::new();
    journal::put_header(id, &mut file);
    for (number, batch) in (0..).zip(batches()) {
        journal::put_batch(id, number, &batch, &mut file);
    }
    assert_eq!(to_hex(&file), VERSION_2);
}

#[test]
fn records_make_the_session_that_they_were_taken_of() {
    let records = batches().concat();
    let session = Session::restore(options(), &records).expect("restores");
    let unfinished = session.unfinished().map(|(token, message)| {
        let payload = message.map(|message| String::from_utf8_lossy(&message.payload).into_owned());
        (token, payload)
    });
    let expected = [
        (1, None),
        (2, Some("sent")),
        (3, Some("waiting")),
        (4, Some("last")),
    ];
    let expected = expected.map(|(token, payload)| (token, payload.map(str::to_owned)));
    assert_eq!(unfinished.collect::<Vec<_>>(), expected);
    assert_eq!((session.taken_messages(), session.next_token()), (5, 5));
    let (mut snapshot, mut again) = (Vec::new(), Vec::new());
    session.snapshot(&mut snapshot);
    let session = Session::restore(options(), &snapshot).expect("restores");
    session.snapshot(&mut again);
    assert_eq!(snapshot, again);
}

/// What a session that records have made does next: it connects, and the server answers all that it may have.
fn go_on(mut session: Session) {
    session.handle(0, Input::TransportOpened { clean_start: false });
    let connack = ConnAck {
        session_present: true,
        reason: ReasonCode::Success,
        properties: Properties::EMPTY,
    };
    receive(&mut session, &Packet::ConnAck(connack));
    for number in 1..12 {
        let of = Acknowledgement::success(PacketId::new(number).expect("not 0"));
        receive(&mut session, &Packet::PubRec(of));
        receive(&mut session, &Packet::PubComp(of));
        receive(&mut session, &incoming(number, "x"));
        receive(&mut session, &Packet::PubRel(of));
    }
    // Tokens rise; one that a file says is the last leaves none for a message.
    if session.next_token() < u64::MAX {
        publish(&mut session, "x", QoS::ExactlyOnce);
    }
    session.snapshot(&mut Vec::new());
    session.handle(0, Input::TransportOpened { clean_start: true });
    session.handle(0, Input::TransportClosed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Checksums hold against chance, not against whoever can write to the file.
    #[test]
    fn no_records_end_the_process(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        moved in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut records = batches().concat();
        for (at, byte) in changes {
            let at = at.index(records.len());
            // Mostly the small numbers of kinds, packet ids and tokens.
            records[at] = if byte < 200 { byte % 12 } else { byte };
        }
        if is_cut {
            let (cut, moved) = (cut.index(records.len()), moved.index(records.len()));
            records.rotate_left(cut);
            records.truncate(moved);
        }
        if let Ok(session) = Session::restore(options(), &records) {
            go_on(session);
        }
        let mut file = Vec::new();
        journal::put_header(FileId::default(), &mut file);
        journal::put_batch(FileId::default(), 0, b"", &mut file);
        file.extend_from_slice(&records);
        let read = journal::read(&file);
        prop_assert!(read.is_ok_and(|contents| contents.records.is_empty()));
    }

    /// Records of known kinds, in any order and for any packet ids.
    #[test]
    fn no_order_of_records_ends_the_process(
        pieces in proptest::collection::vec((1..11_u8, 0..4_u64, 1..4_u16), 0..24),
    ) {
        let [snapshot, _] = batches();
        let mut records = snapshot;
        for (kind, number, packet_id) in pieces {
            records.push(kind);
            match kind {
                1 => {
                    records.pop();
                    Session::kept(options()).snapshot(&mut records);
                }
                2 => {
                    let mut one = Session::kept(options());
                    publish(&mut one, "x", QoS::ExactlyOnce);
                    let mut taken = Vec::new();
                    one.take_records(&mut taken);
                    taken[1..9].copy_from_slice(&number.to_be_bytes());
                    records.pop();
                    records.extend_from_slice(&taken);
                }
                3 | 5 | 7 => {
                    records.extend_from_slice(&number.to_be_bytes());
                    records.extend_from_slice(&packet_id.to_be_bytes());
                }
                4 | 6 => records.extend_from_slice(&number.to_be_bytes()),
                8 | 9 => records.extend_from_slice(&packet_id.to_be_bytes()),
                _ => {}
            }
        }
        if let Ok(session) = Session::restore(options(), &records) {
            go_on(session);
        }
    }
}
