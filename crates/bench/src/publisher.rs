//! A publisher: packets that are encoded once and patched for each message, and how many of them
//! may be on their way.

use columba_codec::{EncodeError, Packet, PacketId, Properties, QoS, Version};

use crate::fleet::PublisherSpec;
use crate::inflight::InFlight;
use crate::payload::Payload;
use crate::schedule::Schedule;

/// A PUBLISH up to its payload.
#[derive(Clone, Debug)]
struct Head {
    bytes: Vec<u8>,
}

/// Publishes messages in turn over its topics.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) number: u32,
    pub(crate) qos: QoS,
    heads: Vec<Head>,
    /// How far before the end of a head its packet id stands.
    packet_id_back: usize,
    first_stream: u32,
    pub(crate) copies: [u32; 3],
    pub(crate) inflight: InFlight,
    window: u32,
    /// Rooms are filled in portions, so that a broker's reading of many messages at once is met by
    /// writing many at once.
    portion: u64,
    /// Messages since the first stage; they number the messages of the streams.
    sent: u64,
    /// `sent` when the stage began.
    sent_before: u64,
    /// How far `sent` may go in this stage: up to `target`, and up to `due` in an open loop.
    pub(crate) target: u64,
    pub(crate) due: u64,
    /// Deliveries by which `sent` is ahead of those counted in, before this stage or written off.
    pub(crate) uncounted: u64,
    /// A closed loop waits for deliveries.
    pub(crate) is_windowed_by_delivery: bool,
    /// Payloads are left out, which removes retained messages.
    pub(crate) is_clearing: bool,
    /// Whether it stands on the list of those that may have something to send.
    pub(crate) is_listed: bool,
    /// At QoS 0: PINGREQ has gone out behind the last message and not come back.
    pub(crate) awaits_pong: bool,
}

impl Publisher {
    /// A publisher whose packets are encoded.
    ///
    /// # Errors
    /// A topic that no packet carries.
    pub(crate) fn new(
        spec: &PublisherSpec,
        version: Version,
        retain: bool,
        window: u16,
        payload_bytes: usize,
    ) -> Result<Self, EncodeError> {
        let heads = spec.topics.iter().map(|topic| {
            let payload = vec![0; payload_bytes];
            encode(topic, version, spec.qos, retain, &payload)
        });
        let properties = usize::from(version.has_properties());
        let mut publisher = Self {
            number: spec.number,
            qos: spec.qos,
            heads: heads.collect::<Result<_, _>>()?,
            packet_id_back: 2 + properties,
            first_stream: spec.first_stream,
            copies: spec.copies,
            inflight: InFlight::new(window),
            window: 0,
            portion: 1,
            sent: 0,
            sent_before: 0,
            target: 0,
            due: u64::MAX,
            uncounted: 0,
            is_windowed_by_delivery: false,
            is_clearing: false,
            is_listed: false,
            awaits_pong: false,
        };
        publisher.narrow(window);
        Ok(publisher)
    }

    /// Takes a smaller window, as a broker's receive maximum asks for.
    pub(crate) fn narrow(&mut self, window: u16) {
        self.window = u32::from(window);
        self.portion = u64::from(self.window / 4).max(1);
    }

    /// Deliveries that each message calls for.
    pub(crate) fn copies_in_all(&self) -> u64 {
        self.copies.iter().map(|copies| u64::from(*copies)).sum()
    }

    /// Begins a stage of at most `messages`.
    pub(crate) fn begin(&mut self, messages: u64, is_scheduled: bool, delivered: u64) {
        self.sent_before = self.sent;
        self.target = self.sent.saturating_add(messages);
        self.due = if is_scheduled { self.sent } else { u64::MAX };
        self.write_off(delivered);
    }

    /// Sends no more in this stage.
    pub(crate) fn stop(&mut self) {
        self.target = self.sent;
    }

    /// Counts what has not been delivered as lost.
    pub(crate) fn write_off(&mut self, delivered: u64) {
        self.uncounted = (self.sent * self.copies_in_all()).saturating_sub(delivered);
    }

    /// Messages of this stage that are not sent yet.
    pub(crate) fn remaining(&self) -> u64 {
        self.target - self.sent
    }

    /// How many messages may go now; 0 until there is room for a portion.
    pub(crate) fn room(&self, delivered: u64) -> u64 {
        let wanted = self.target.min(self.due) - self.sent;
        let mut room = wanted;
        if self.qos != QoS::AtMostOnce {
            room = room.min(u64::from(self.window.saturating_sub(self.inflight.len())));
        }
        let copies = self.copies_in_all();
        if self.is_windowed_by_delivery && copies > 0 {
            let counted = delivered + self.uncounted;
            let undelivered = (self.sent * copies).saturating_sub(counted);
            room = room.min(u64::from(self.window).saturating_sub(undelivered.div_ceil(copies)));
        }
        if room < wanted && room < self.portion {
            return 0;
        }
        room
    }

    /// Bytes of a message, about.
    pub(crate) fn message_bytes(&self, payload: &Payload) -> usize {
        self.heads.first().map_or(0, |head| head.bytes.len()) + payload.len()
    }

    /// Appends the next message; says when it was due.
    #[inline]
    pub(crate) fn append(
        &mut self,
        payload: &Payload,
        schedule: Option<&Schedule>,
        now_ns: u64,
        out: &mut Vec<u8>,
    ) -> u64 {
        let topics = self.heads.len() as u64;
        let (sequence, topic) = if topics == 1 {
            (self.sent, 0)
        } else {
            (self.sent / topics, self.sent % topics)
        };
        let due_ns = schedule.map_or(now_ns, |schedule| {
            schedule.due_ns(u64::from(self.number), self.sent - self.sent_before)
        });
        let Some(head) = self.heads.get(topic as usize) else {
            return due_ns;
        };
        out.extend_from_slice(&head.bytes);
        if self.qos != QoS::AtMostOnce {
            let packet_id = self.inflight.take(due_ns);
            let at = out.len() - self.packet_id_back;
            out[at..at + 2].copy_from_slice(&packet_id.to_be_bytes());
        }
        self.sent += 1;
        if !self.is_clearing {
            let stream = self.first_stream + topic as u32;
            payload.append(stream, sequence as u32, due_ns, out);
        }
        due_ns
    }

    /// Encodes the packets again with no payload, which removes what was retained.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn clear_retained(
        &mut self,
        spec: &PublisherSpec,
        version: Version,
    ) -> Result<(), EncodeError> {
        let heads = spec.topics.iter();
        let heads = heads.map(|topic| encode(topic, version, spec.qos, true, &[]));
        self.heads = heads.collect::<Result<_, _>>()?;
        self.is_clearing = true;
        Ok(())
    }
}

fn encode(
    topic: &str,
    version: Version,
    qos: QoS,
    retain: bool,
    payload: &[u8],
) -> Result<Head, EncodeError> {
    let has_packet_id = qos != QoS::AtMostOnce;
    let packet = Packet::Publish(columba_codec::packet::Publish {
        dup: false,
        qos,
        retain,
        topic,
        packet_id: has_packet_id.then_some(PacketId::MIN),
        properties: Properties::EMPTY,
        payload,
    });
    let mut bytes = Vec::new();
    let packet_len = packet.encode(version, &mut bytes)?;
    bytes.truncate(packet_len - payload.len());
    bytes.shrink_to_fit();
    Ok(Head { bytes })
}

#[cfg(test)]
mod tests {
    use columba_codec::{Decoded, decode};

    use super::*;
    use crate::payload::Stamp;

    fn spec(qos: QoS, topics: u32, copies: u32) -> PublisherSpec {
        let mut by_qos = [0; 3];
        by_qos[usize::from(qos.as_u8())] = copies;
        PublisherSpec {
            number: 0,
            topics: (0..topics).map(|topic| format!("t/{topic}")).collect(),
            first_stream: 10,
            qos,
            copies: by_qos,
        }
    }

    #[test]
    fn patched_packets_decode_to_what_was_meant() {
        for version in [Version::V311, Version::V5] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                for payload_bytes in [24, 200, 20_000] {
                    let payload = Payload::new(1, 2, payload_bytes);
                    let spec = spec(qos, 3, 1);
                    let mut publisher =
                        Publisher::new(&spec, version, true, 8, payload_bytes).unwrap();
                    for message in 0..7u32 {
                        let mut out = Vec::new();
                        publisher.append(&payload, None, 99, &mut out);
                        let decoded = decode(&out, version, u32::MAX).unwrap();
                        let Decoded::Packet(Packet::Publish(packet), len) = decoded else {
                            panic!("{decoded:?}");
                        };
                        assert_eq!(len, out.len());
                        assert_eq!(packet.topic, format!("t/{}", message % 3));
                        assert_eq!((packet.qos, packet.retain), (qos, true));
                        let id = (qos != QoS::AtMostOnce).then_some(message as u16 + 1);
                        assert_eq!(packet.packet_id.map(PacketId::get), id);
                        let stamp = Stamp::read(packet.payload).unwrap();
                        assert_eq!(stamp.stream, 10 + message % 3);
                        assert_eq!(stamp.sequence, message / 3);
                        assert_eq!(stamp.due_ns, 99);
                    }
                }
            }
        }
    }

    #[test]
    fn a_closed_loop_keeps_to_its_window_and_fills_it_in_portions() {
        let payload = Payload::new(1, 2, 24);
        let spec = spec(QoS::AtMostOnce, 1, 2);
        let mut publisher = Publisher::new(&spec, Version::V5, false, 8, 24).unwrap();
        publisher.begin(100, false, 0);
        publisher.is_windowed_by_delivery = true;
        assert_eq!(publisher.room(0), 8);
        for _ in 0..8 {
            publisher.append(&payload, None, 0, &mut Vec::new());
        }
        assert_eq!(publisher.room(0), 0);
        // Half a message more is no message.
        assert_eq!(publisher.room(3), 0);
        assert_eq!(publisher.room(4), 2);
        publisher.write_off(4);
        assert_eq!(publisher.room(4), 8);
        publisher.stop();
        assert_eq!((publisher.room(16), publisher.remaining()), (0, 0));
    }

    #[test]
    fn an_open_loop_sends_what_is_due_whether_or_not_it_arrives() {
        let spec = spec(QoS::AtMostOnce, 1, 1);
        let mut publisher = Publisher::new(&spec, Version::V311, false, 2, 24).unwrap();
        publisher.begin(100, true, 0);
        assert_eq!(publisher.room(0), 0);
        publisher.due += 10;
        assert_eq!(publisher.room(0), 10);
        publisher.due += 1000;
        assert_eq!(publisher.room(0), 100);
    }

    #[test]
    fn a_message_is_stamped_with_its_due_time() {
        let schedule = Schedule {
            start_ns: 1000,
            per_sec: 1e6,
            publishers: 1,
        };
        let payload = Payload::new(1, 2, 24);
        let spec = spec(QoS::AtMostOnce, 1, 1);
        let mut publisher = Publisher::new(&spec, Version::V5, false, 2, 24).unwrap();
        for stage in 0..2 {
            publisher.begin(2, true, 0);
            for expected in [1000, 2000] {
                let now_ns = 77_777 + stage;
                let due = publisher.append(&payload, Some(&schedule), now_ns, &mut Vec::new());
                assert_eq!(due, expected);
            }
        }
    }
}
