//! QoS 2 through a network that cuts: each message once, and in order.

use std::collections::BTreeSet;

use columba_client::driver::LastingEvents;

use crate::cutter::Cutter;
use crate::foreign::programs::{Broker, Kind};
use crate::lasting::{at_once, next, to};
use crate::mosquitto::Mosquitto;
use crate::trace::Line;
use crate::*;

#[tokio::test]
async fn columba_delivers_each_message_once_and_in_order_through_cuts() {
    for (seed, version) in (21..).zip(Version::ALL) {
        let (_broker, port) = columba::start();
        let run = Run {
            port,
            seed,
            version,
            inflight_messages_max: 64,
            last_waits: false,
        };
        let all = Run::all().collect::<Vec<_>>();
        run.through_cuts(|numbers, _| assert_eq!(numbers, all))
            .await;
    }
}

// Two faults of Mosquitto 2.0.11 that these cuts find, from the packets that passed (number of the
// connection, `>` to the server):
//
// It handles 20 messages of a client at a time and takes the others' PUBREL without having them in
// hand. MQTT 3 cannot announce the 20. Of these, the receiver got 20 and 65, and none between them:
//
//     1 > PUBLISH 1..=64      1 < PUBREC 1..=64      1 > PUBREL 1..=64      1 < PUBCOMP 1..=19, cut
//     2 > PUBREL 20..=64      2 < PUBCOMP 20..=64    2 > PUBLISH 65 ..
//
// After a connection that ends before PUBREL has gone out again, it begins the exchange anew, although
// the PUBREL before had freed the packet id (against MQTT-4.3.3-6); the message comes twice:
//
//     11 < PUBLISH 22 DUP     11 > PUBREC 22         13 < PUBREL 22         24 < PUBREL 22, cut
//     25 > CONNECT, cut       26 < PUBLISH 22 DUP
//
// So nothing may be missing unless Mosquitto had completed its exchange and never sent it on, and
// nothing may come twice unless PUBREL had come in between. The order always holds.
#[tokio::test]
async fn what_mosquitto_delivers_through_cuts_is_in_order_and_faults_are_its_own() {
    let runs = [
        (11, Version::V5, 64),
        (12, Version::V311, 20),
        (13, Version::V31, 20),
        (14, Version::V311, 64),
    ];
    for (seed, version, inflight_messages_max) in runs {
        let server = Mosquitto::start().await;
        let run = Run {
            port: server.port,
            seed,
            version,
            inflight_messages_max,
            last_waits: false,
        };
        let check = |numbers: &[usize], trace: &[Line]| {
            let mut seen = BTreeSet::new();
            for number in numbers {
                if !seen.insert(*number) {
                    assert!(was_sent_after_pubrel(*number, trace), "{number} came twice");
                } else {
                    assert_eq!(seen.last(), Some(number), "{number} came late");
                }
            }
            for number in Run::all().filter(|number| !seen.contains(number)) {
                assert!(was_lost_by_the_server(number, trace), "{number} is missing");
            }
        };
        run.through_cuts(check).await;
    }
}

// NATS 2.15 sends what was on its way when a connection was lost only after `ack_wait`, and what came later before
// it (against MQTT-v311-4.4.0-1 and MQTT-v311-4.6.0-6). All messages that a receiver was sent, by their numbers:
//
//     12 < PUBLISH 155 ..= 211, cut         24 < PUBLISH 229 ..= 253, cut        26 < PUBLISH 277 ..= 292, cut
//     29 < PUBLISH 317 ..= 349, cut         32 < PUBLISH 352 ..= 399, and a second after, with DUP, 4 ..= 17, cut
//     33 < PUBLISH 64 ..= 86 DUP, cut       34 < PUBLISH 152 ..= 154, 203 ..= 228 DUP ..
//
// What it waits for is 30 s unless set: whoever does not wait as long takes the messages for lost. None is, and none
// comes twice.
#[tokio::test]
async fn what_nats_delivers_through_cuts_is_whole_and_late_only_if_it_was_sent_late() {
    for seed in 31..=32 {
        let server = Broker::start(Kind::NatsAfterASecond).await;
        let run = Run {
            port: server.port,
            seed,
            version: Version::V311,
            inflight_messages_max: 64,
            last_waits: true,
        };
        let check = |numbers: &[usize], trace: &[Line]| {
            let mut seen = BTreeSet::new();
            for number in numbers {
                assert!(seen.insert(*number), "{number} came twice");
                let is_in_order = seen.last() == Some(number);
                assert!(
                    is_in_order || was_sent_late(*number, trace),
                    "{number} came late"
                );
            }
            assert_eq!(seen.len(), Run::MESSAGES);
        };
        run.through_cuts(check).await;
    }
}

/// Whether the packet that brought the message to the receiver, which is the last one before its PUBREC,
/// came after one of a later message.
fn was_sent_late(number: usize, trace: &[Line]) -> bool {
    let payload = format!("'{number}'");
    let of_receiver = trace.iter().filter(|line| line.client_id == "receiver");
    let of_receiver = of_receiver.collect::<Vec<_>>();
    let mut messages = of_receiver.iter();
    let Some(first) = messages.find(|line| line.packet.ends_with(&payload)) else {
        return false;
    };
    let pubrec = format!("PUBREC {}", first.packet_id());
    let before = of_receiver.split(|line| line.packet == pubrec).next();
    let before = before.unwrap_or_default();
    let sent = before.iter().rposition(|l| l.packet.ends_with(&payload));
    let earlier = before.iter().take(sent.unwrap_or_default());
    let mut numbers = earlier.filter_map(|line| line.packet.rsplit('\'').nth(1)?.parse().ok());
    numbers.any(|earlier: usize| earlier > number)
}

/// Whether the server had the message for good and never sent it to the receiver.
pub(crate) fn was_lost_by_the_server(number: impl std::fmt::Display, trace: &[Line]) -> bool {
    let payload = format!("'{number}'");
    let mut of_sender = trace.iter().filter(|line| line.client_id == "sender");
    let published = of_sender.find(|line| line.packet.ends_with(&payload));
    let Some(packet_id) = published.map(Line::packet_id) else {
        return false;
    };
    let of_sender = of_sender.collect::<Vec<_>>();
    let has_passed = |steps: &[(char, &str)]| {
        let mut lines = of_sender.iter();
        steps.iter().all(|(direction, step)| {
            let step = format!("{step} {packet_id}");
            lines.any(|line| line.direction == *direction && line.packet == step)
        })
    };
    let is_completed = has_passed(&[('<', "PUBACK")])
        || has_passed(&[('<', "PUBREC"), ('>', "PUBREL"), ('<', "PUBCOMP")]);
    let mut of_receiver = trace.iter().filter(|line| line.client_id == "receiver");
    is_completed && !of_receiver.any(|line| line.packet.ends_with(&payload))
}

/// Whether the receiver was sent the message again after its exchange had come to PUBREL.
pub(crate) fn was_sent_after_pubrel(number: impl std::fmt::Display, trace: &[Line]) -> bool {
    let payload = format!("'{number}'");
    let mut of_receiver = trace.iter().filter(|line| line.client_id == "receiver");
    let first = of_receiver.find(|line| line.packet.ends_with(&payload));
    let Some(packet_id) = first.map(Line::packet_id) else {
        return false;
    };
    let pubrel = format!("PUBREL {packet_id}");
    of_receiver.any(|line| line.direction == '<' && line.packet == pubrel)
        && of_receiver.any(|line| line.packet.ends_with(&payload))
}

/// What the standard asks of the sender, whatever the server does: messages go out in order, also
/// when they are sent again (`MQTT-4.6.0-1`), and never after their PUBREL (`MQTT-4.3.3-6`).
fn check_sender(trace: &[Line]) {
    let mut released = BTreeSet::new();
    let mut latest = (0, 0);
    for line in trace {
        if line.client_id != "sender" || line.direction != '>' {
            continue;
        }
        if line.packet.starts_with("PUBREL") {
            released.insert(line.packet_id());
        }
        if line.packet.starts_with("PUBLISH") {
            // Packet ids rise, as there are fewer messages than ids.
            let packet_id = line.packet_id();
            let number = (
                line.connection,
                packet_id.parse::<u16>().expect("a packet id"),
            );
            assert!(number > latest, "{} is out of order", line.packet);
            assert!(
                !released.contains(packet_id),
                "{} after PUBREL",
                line.packet
            );
            latest = number;
        }
    }
}

/// Messages from a client to another, through a network that cuts the connections of both.
struct Run {
    port: u16,
    seed: u64,
    version: Version,
    inflight_messages_max: u16,
    /// Whether the message that ends it is published only when all have come, as the server keeps no order.
    last_waits: bool,
}

impl Run {
    const MESSAGES: usize = 400;
    const CUTS: usize = 40;

    fn all() -> std::ops::Range<usize> {
        0..Self::MESSAGES
    }

    /// Publishes all, and checks what came and what passed the network.
    async fn through_cuts(&self, check: impl FnOnce(&[usize], &[Line])) {
        let cutter = Cutter::start(self.port, self.seed, Self::CUTS, self.version).await;
        let (receiver, receiver_events) = connect(&self.options("receiver", cutter.port)).await;
        drop(receiver_events);
        let subscribed = receiver.subscribe_stream(to("x/#", QoS::ExactlyOnce), 4);
        let (_, mut messages) = subscribed.await.expect("subscribes");
        let (sender, sender_events) = connect(&self.options("sender", cutter.port)).await;
        drop(sender_events);
        let (all_came, all_have_come) = tokio::sync::oneshot::channel();
        let publishing = async {
            publish_all(&sender).await;
            assert_eq!(sender.disconnect(ReasonCode::Success, PATIENCE).await, 0);
            if self.last_waits {
                all_have_come.await.expect("the receiver is there");
            }
            // Whatever is still to come comes before this one.
            let last = Message::new("x/y", "last").with_qos(QoS::ExactlyOnce);
            let straight = options(self.port, self.version, "straight");
            let (straight, _events) = Client::connect(straight).await.expect("connects");
            publish(&straight, last).await;
        };
        let receiving = async {
            let mut numbers = Vec::new();
            let mut all_came = Some(all_came);
            loop {
                if numbers.len() == Self::MESSAGES
                    && let Some(all_came) = all_came.take()
                {
                    // Nobody waits for it unless `last_waits`.
                    let _ = all_came.send(());
                }
                match next(&mut messages).await.as_str() {
                    "last" => return numbers,
                    number => numbers.push(number.parse().expect("a number")),
                }
            }
        };
        let both = async { tokio::join!(publishing, receiving) };
        let both = tokio::time::timeout(PATIENCE * 2, both).await;
        let ((), numbers) = both.expect("all messages in time");
        receiver.disconnect(ReasonCode::Success, PATIENCE).await;
        check_sender(&cutter.trace());
        check(&numbers, &cutter.trace());
    }

    fn options(&self, client_id: &str, port: u16) -> ConnectOptions {
        let mut options = options(port, self.version, client_id);
        options.clean_start = false;
        options.session.inflight_messages_max = self.inflight_messages_max;
        if self.version == Version::V5 {
            options.session.properties.session_expiry_secs = Some(3600);
        }
        options
    }
}

/// Connects through a network that may cut the first attempts too.
async fn connect(options: &ConnectOptions) -> (Client, LastingEvents) {
    for _ in 0..100 {
        if let Ok(connected) = Client::connect_lasting(options.clone(), at_once()).await {
            return connected;
        }
    }
    panic!("no connection in a hundred attempts");
}

async fn publish_all(sender: &Client) {
    let mut pending = Vec::new();
    for number in 0..Run::MESSAGES {
        let message = Message::new("x/y", number.to_string());
        let message = message.with_qos(QoS::ExactlyOnce);
        pending.push(sender.start_publish(message).await.expect("queued"));
    }
    for answer in pending {
        let answer = answer.await.expect("an answer");
        assert!(!answer.reason.is_error(), "{answer:?}");
    }
}
