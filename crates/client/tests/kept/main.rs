//! Sessions that outlive their processes, against the broker's core: processes die at any time, disks lose
//! what was not synced, connections are cut anywhere. What was taken arrives, and at QoS 2 once.

mod planted;
mod world;

use columba_client::{Failure, Input, Message, Output, Receipt, RecordError, Session};
use columba_codec::packet::{Acknowledgement, ConnAck, Packet, Publish};
use columba_codec::{Decoded, PacketId, PacketType, Properties, QoS, ReasonCode, Version, decode};

use world::{Process, Random, Tally, World, options};

#[test]
fn whatever_dies_each_message_arrives_and_those_at_qos_2_once() {
    let mut sum = Tally::default();
    for seed in 0..1_000 {
        let run = std::panic::catch_unwind(|| World::new(seed, None).run());
        let tally = run.unwrap_or_else(|_| panic!("seed {seed}"));
        sum.deaths += tally.deaths;
        sum.torn += tally.torn;
        sum.cuts += tally.cuts;
        sum.again_with_the_same_number += tally.again_with_the_same_number;
        sum.again_at_once += tally.again_at_once;
    }
    assert!(sum.deaths > 10_000, "{sum:?}");
    assert!(sum.torn > 1_000, "{sum:?}");
    assert!(sum.cuts > 10_000, "{sum:?}");
    assert!(sum.again_with_the_same_number > 1_000, "{sum:?}");
    assert!(sum.again_at_once > 1_000, "{sum:?}");
}

#[test]
fn a_full_session_refuses_a_message_and_has_room_for_a_smaller_one() {
    let mut random = Random(1);
    let mut options = options("full", Version::V5, &mut random);
    options.kept_bytes_max = 100;
    let mut process = Process::new(options, None);
    let publish = |process: &mut Process, payload: usize| {
        let token = process.session.next_token();
        let message = Message::new("x", vec![0; payload]).with_qos(QoS::AtLeastOnce);
        process.input(Input::Publish { token, message });
        process.outputs.pop()
    };
    assert_eq!(publish(&mut process, 80), None);
    let records = process.records.len();
    let Some(Output::Failed { failure, .. }) = publish(&mut process, 80) else {
        panic!("it is full");
    };
    assert_eq!(failure, Failure::KeptFull(100));
    assert_eq!(process.records.len(), records, "a refusal leaves no record");
    assert_eq!(publish(&mut process, 0), None);
    assert_eq!(process.session.taken_messages(), 2);
}

#[test]
fn records_of_another_client_or_version_make_no_session() {
    let mut random = Random(1);
    let mine = options("mine", Version::V5, &mut random);
    let mut records = Vec::new();
    Session::kept(mine.clone()).snapshot(&mut records);
    let yours = options("yours", Version::V5, &mut random);
    let error = Session::restore(yours, &records).expect_err("another client's");
    assert_eq!(
        error,
        RecordError::OtherClient("mine".to_owned(), "yours".to_owned())
    );
    let older = options("mine", Version::V311, &mut random);
    let error = Session::restore(older, &records).expect_err("another version's");
    assert_eq!(error, RecordError::OtherVersion(Version::V5, Version::V311));
    let error = Session::restore(mine.clone(), &[]).expect_err("nobody's");
    assert_eq!(error, RecordError::NoHead);
    records.push(0xEE);
    let error = Session::restore(mine, &records).expect_err("not ours");
    assert!(matches!(error, RecordError::Malformed { number: 1, .. }));
}

/// A session that acknowledges by hand, after the packets of a server.
struct Direct {
    session: Session,
    records: Vec<u8>,
}

impl Direct {
    fn connected(mut session: Session) -> Self {
        session.handle(0, Input::TransportOpened { clean_start: false });
        let mut direct = Self {
            session,
            records: Vec::new(),
        };
        direct.receive(&Packet::ConnAck(ConnAck {
            session_present: true,
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        }));
        direct.sent();
        direct
    }

    fn receive(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(Version::V5, &mut bytes).expect("encodes");
        self.session.handle(0, Input::Received(&bytes));
        self.session.take_records(&mut self.records);
    }

    /// A message under the packet id 5; what the session makes of it.
    fn message(&mut self) -> Option<Receipt> {
        self.receive(&Packet::Publish(Publish {
            dup: false,
            qos: QoS::ExactlyOnce,
            retain: false,
            topic: "x",
            packet_id: PacketId::new(5),
            properties: Properties::EMPTY,
            payload: b"",
        }));
        let mut outputs = std::iter::from_fn(|| self.session.poll());
        outputs.find_map(|output| match output {
            Output::Message(incoming) => incoming.receipt,
            _ => None,
        })
    }

    fn pubrel(&mut self) {
        let packet_id = PacketId::new(5).expect("not 0");
        self.receive(&Packet::PubRel(Acknowledgement::success(packet_id)));
    }

    fn acknowledge(&mut self, receipt: Receipt) {
        let reason = ReasonCode::Success;
        self.session
            .handle(0, Input::Acknowledge { receipt, reason });
        self.session.take_records(&mut self.records);
    }

    fn sent(&mut self) -> Vec<PacketType> {
        let mut bytes = Vec::new();
        self.session.transmit(&mut bytes);
        let (mut types, mut rest) = (Vec::new(), bytes.as_slice());
        while let Ok(Decoded::Packet(packet, len)) = decode(rest, Version::V5, u32::MAX) {
            types.push(packet.packet_type());
            rest = &rest[len..];
        }
        types
    }
}

/// It ends the exchange, and the packet id goes to another message.
#[test]
fn a_pubrel_before_the_applications_word_leaves_nothing_of_the_message_behind() {
    let options = options("receiver", Version::V5, &mut Random(1));
    let mut records = Vec::new();
    Session::kept(options.clone()).snapshot(&mut records);
    let session = Session::restore(options.clone(), &records).expect("restores");
    let mut direct = Direct::connected(session);
    let first = direct.message().expect("a message");
    direct.pubrel();
    assert_eq!(direct.sent(), [PacketType::PubComp]);
    let second = direct.message().expect("another message");
    assert!(second.number() > first.number());
    direct.acknowledge(first);
    assert_eq!(
        direct.sent(),
        [],
        "a PUBREC would be taken for the second's"
    );
    direct.acknowledge(second);
    assert_eq!(direct.sent(), [PacketType::PubRec]);
    direct.pubrel();
    let third = direct.message().expect("one more");
    direct.pubrel();
    direct.acknowledge(third);
    records.append(&mut direct.records);
    let session = Session::restore(options, &records).expect("restores");
    let mut direct = Direct::connected(session);
    assert!(direct.message().is_some(), "a message that nobody has had");
}
