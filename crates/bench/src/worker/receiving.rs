//! The receiving side of a thread: whole packets are told by their fixed header, and of messages
//! and acknowledgements only what is needed is looked at.

use std::io;
use std::sync::atomic::Ordering;

use columba_codec::wire::{ReadError, Reader};
use columba_codec::{
    DecodeError, Decoded, FixedHeader, Packet, PacketType, decode, error::Fault, fixed_header,
};

use super::{Standing, Worker};
use crate::clock::now_ns;
use crate::payload::Stamp;
use crate::stage::TimeFrom;
use crate::subscriber::Verdict;
use crate::trouble::Trouble;
use crate::verify::Arrival;

/// Why a connection cannot go on.
enum Stop {
    Malformed(DecodeError),
    OutOfPlace(String),
    /// The client has failed, and has said so.
    Said,
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl Worker {
    /// Reads and handles what has come.
    pub(super) fn receive(&mut self, place: usize, has_hung_up: bool) {
        // Taken out, so that packets can lie in it while the thread changes.
        let mut buffer = std::mem::take(&mut self.buffer);
        self.receive_into(place, has_hung_up, &mut buffer);
        self.buffer = buffer;
        self.flush(place);
    }

    fn receive_into(&mut self, place: usize, has_hung_up: bool, buffer: &mut [u8]) {
        loop {
            let Some(connection) = self.connection(place) else {
                return;
            };
            let kept = connection.partial.len();
            let (partial, free) = buffer.split_at_mut(kept);
            partial.copy_from_slice(&connection.partial);
            let free_bytes = free.len();
            let len = match connection.read(free) {
                Ok(Some(0)) => return self.on_closed(place, None),
                Ok(Some(len)) => len,
                Ok(None) => return,
                Err(error) => return self.on_closed(place, Some(error)),
            };
            let bytes = buffer.get(..kept + len).unwrap_or_default();
            match self.packets(place, bytes, now_ns()) {
                Ok(used) => {
                    let Some(connection) = self.connection(place) else {
                        return;
                    };
                    connection.partial.clear();
                    let rest = bytes.get(used..).unwrap_or_default();
                    connection.partial.extend_from_slice(rest);
                }
                Err(stop) => return self.on_stop(place, stop),
            }
            // A socket that gave less than there was room for is empty, and will say when it is not.
            if len < free_bytes && !has_hung_up {
                return;
            }
        }
    }

    /// Handles whole packets; how many bytes they were.
    fn packets(&mut self, place: usize, bytes: &[u8], now_ns: u64) -> Result<usize, Stop> {
        let mut used = 0;
        let packet_bytes_max = self.setting.packet_bytes_max;
        while let Some(rest) = bytes.get(used..)
            && let Some(header) = fixed_header(rest, packet_bytes_max)?
            && let Some(packet) = rest.get(..header.total_len)
        {
            self.on_packet(place, header, packet, now_ns)?;
            used += header.total_len;
        }
        Ok(used)
    }

    #[inline]
    fn on_packet(
        &mut self,
        place: usize,
        header: FixedHeader,
        packet: &[u8],
        now_ns: u64,
    ) -> Result<(), Stop> {
        let body = packet.get(header.header_len..).unwrap_or_default();
        match header.packet {
            PacketType::Publish => self.on_publish(place, header, body, now_ns),
            PacketType::PubAck | PacketType::PubRec | PacketType::PubComp => {
                self.on_acknowledgement(place, header.packet, body, now_ns)
            }
            PacketType::PubRel => {
                let packet_id = packet_id(&mut Reader::new(body));
                let packet_id = packet_id.map_err(|error| malformed(header.packet, &error))?;
                self.answer(place, PUBCOMP, packet_id);
                Ok(())
            }
            _ => self.on_control(place, packet, now_ns),
        }
    }

    #[inline]
    fn on_publish(
        &mut self,
        place: usize,
        header: FixedHeader,
        body: &[u8],
        now_ns: u64,
    ) -> Result<(), Stop> {
        let qos = header.flags >> 1 & 0b11;
        let mut reader = Reader::new(body);
        let mut skip = || -> Result<u16, ReadError> {
            let topic_len = reader.u16()?;
            reader.take(usize::from(topic_len))?;
            let packet_id = if qos > 0 { packet_id(&mut reader)? } else { 0 };
            if self.setting.version.has_properties() {
                let properties_len = reader.varint()?;
                reader.take(properties_len as usize)?;
            }
            Ok(packet_id)
        };
        let packet_id = skip().map_err(|error| malformed(header.packet, &error))?;
        let payload = reader.take_rest();
        match qos {
            0 => {}
            1 => self.answer(place, PUBACK, packet_id),
            _ => self.answer(place, PUBREC, packet_id),
        }
        if self.is_staged {
            self.on_message(place, header.flags, payload, now_ns);
        }
        Ok(())
    }

    fn answer(&mut self, place: usize, first_byte: u8, packet_id: u16) {
        if let Some(connection) = self.connection(place) {
            let [high, low] = packet_id.to_be_bytes();
            connection
                .out
                .extend_from_slice(&[first_byte, 2, high, low]);
        }
    }

    #[inline]
    fn on_message(&mut self, place: usize, flags: u8, payload: &[u8], now_ns: u64) {
        let qos = usize::from(flags >> 1 & 0b11).min(2);
        let Some(client) = self.clients.get_mut(place) else {
            return;
        };
        let Some(subscriber) = &mut client.subscriber else {
            self.tally.foreign += 1;
            return;
        };
        let stamp = Stamp::read(payload).filter(|_| self.setting.is_verified);
        let is_own =
            stamp.is_some_and(|s| s.run == self.setting.run && s.clock == self.setting.clock);
        if !is_own && self.setting.is_verified && !subscriber.takes_anything() {
            self.tally.foreign += 1;
            return;
        }
        if is_own && stamp.is_some_and(|s| s.due_ns < self.stage.valid_from_ns) {
            return;
        }
        if self.tally.first_arrival_ns == 0 {
            self.tally.first_arrival_ns = now_ns;
        }
        self.tally.last_arrival_ns = now_ns;
        self.tally.received += 1;
        self.tally.retained += u64::from(flags & 1);
        self.tally.payload_bytes += payload.len() as u64;
        let Some(stamp) = stamp else {
            self.tally.unique[qos] += 1;
            return self.credit_unstamped(place);
        };
        match subscriber.on_message(&stamp) {
            Verdict::Foreign => {
                self.tally.foreign += 1;
                return;
            }
            Verdict::Expected(Arrival::Duplicate) => {
                self.tally.duplicated += 1;
                return;
            }
            Verdict::Expected(Arrival::Late) => self.tally.reordered += 1,
            Verdict::Expected(Arrival::InOrder) => {}
        }
        self.tally.unique[qos] += 1;
        if stamp.clock == self.setting.clock {
            match self.stage.time_from {
                TimeFrom::Due => self.record(now_ns.saturating_sub(stamp.due_ns)),
                TimeFrom::StageStart => self.record(now_ns.saturating_sub(self.stage.start_ns)),
                TimeFrom::DueToAcknowledgement => {}
            }
        }
        if is_own {
            let publisher = self.board.publisher_of.get(stamp.stream as usize);
            self.credit(publisher.copied());
        }
    }

    /// Without stamps the publisher of a message is known only where there is one.
    fn credit_unstamped(&mut self, place: usize) {
        let client = self.clients.get(place);
        let expects = client.and_then(|c| c.spec.subscriber.as_ref().map(|s| &s.expects));
        if let Some(crate::fleet::Expects::Streams(streams)) = expects {
            let of = |stream: u32| self.board.publisher_of.get(stream as usize).copied();
            let first = of(streams.start);
            if first == of(streams.end.saturating_sub(1)) {
                self.credit(first);
            }
        }
    }

    #[inline]
    fn credit(&mut self, publisher: Option<u32>) {
        if let Some(publisher) = publisher
            && let Some(fresh) = self.fresh.get_mut(publisher as usize)
        {
            if *fresh == 0 {
                self.fresh_publishers.push(publisher);
            }
            *fresh += 1;
        }
    }

    #[inline]
    pub(super) fn record(&mut self, time_ns: u64) {
        self.tally.latency.record(time_ns);
        if let Some(recent) = &mut self.recent {
            recent.record(time_ns);
        }
    }

    /// Puts arrivals on the board and wakes threads whose publishers wait for them.
    pub(super) fn post_deliveries(&mut self) {
        let mut publishers = std::mem::take(&mut self.fresh_publishers);
        for publisher in publishers.drain(..) {
            let at = publisher as usize;
            let fresh = self.fresh.get_mut(at).map_or(0, std::mem::take);
            if let Some(delivered) = self.board.delivered.get(at) {
                delivered.fetch_add(fresh, Ordering::SeqCst);
            }
            let thread = self.board.thread_of.get(at).copied().unwrap_or_default();
            if thread == self.thread {
                self.list_publisher(publisher);
            } else if self.board.gauges[thread].is_waiting.load(Ordering::SeqCst)
                && self.board.gauges[thread]
                    .is_waiting
                    .swap(false, Ordering::SeqCst)
                && let Some(waker) = self.wakers.get(thread)
                && let Err(error) = waker.wake()
            {
                self.fail(Trouble::system("cannot wake a thread", error));
            }
        }
        self.fresh_publishers = publishers;
    }

    /// Lists a publisher of this thread by its number.
    fn list_publisher(&mut self, number: u32) {
        let clients = &self.clients;
        let of = |place: &usize| clients.get(*place)?.publisher.as_ref().map(|p| p.number);
        let found = self.publishers.binary_search_by_key(&Some(number), of);
        if let Some(place) = found.ok().and_then(|at| self.publishers.get(at)) {
            self.list(*place);
        }
    }

    #[inline]
    fn on_acknowledgement(
        &mut self,
        place: usize,
        packet: PacketType,
        body: &[u8],
        now_ns: u64,
    ) -> Result<(), Stop> {
        let mut reader = Reader::new(body);
        let packet_id = packet_id(&mut reader).map_err(|error| malformed(packet, &error))?;
        // Absent means success; MQTT 3 never has one.
        let code = reader.u8().unwrap_or(0);
        let unexpected = || {
            let what = format!("a {packet} for packet id {packet_id}, which is not in flight");
            Err(Stop::OutOfPlace(what))
        };
        let client = self.clients.get_mut(place);
        let Some(publisher) = client.and_then(|client| client.publisher.as_mut()) else {
            return unexpected();
        };
        let is_refused = code >= 0x80;
        if packet == PacketType::PubRec && !is_refused {
            if !publisher.inflight.contains(packet_id) {
                return unexpected();
            }
            self.answer(place, PUBREL, packet_id);
            return Ok(());
        }
        let Some(due_ns) = publisher.inflight.free(packet_id) else {
            return unexpected();
        };
        self.unanswered -= 1;
        self.tally.acknowledged += 1;
        self.tally.last_acknowledged_ns = now_ns;
        if is_refused {
            self.tally.refused += 1;
            self.tally.refused_code = code;
        }
        if self.is_staged {
            let time_ns = now_ns.saturating_sub(due_ns);
            self.tally.acknowledgements.record(time_ns);
            if self.stage.time_from == TimeFrom::DueToAcknowledgement {
                self.record(time_ns);
            }
        }
        self.list(place);
        Ok(())
    }

    fn on_control(&mut self, place: usize, packet: &[u8], now_ns: u64) -> Result<(), Stop> {
        self.control += 1;
        let (version, bytes_max) = (self.setting.version, self.setting.packet_bytes_max);
        let Decoded::Packet(packet, _) = decode(packet, version, bytes_max)? else {
            return Ok(());
        };
        let standing = self.clients.get(place).map(|client| client.standing);
        match packet {
            Packet::ConnAck(packet) if standing == Some(Standing::Greeting) => {
                self.on_connack(place, &packet, now_ns);
            }
            Packet::SubAck(packet) => self.on_suback(place, packet.codes),
            Packet::PingResp => self.on_pong(place, now_ns),
            Packet::Disconnect(packet) => {
                let client_id = self.client_id(place);
                let (address, reason) = (self.setting.address, packet.reason);
                let trouble = Trouble::Disconnected {
                    address,
                    client_id,
                    reason,
                };
                self.fail_client(place, trouble);
                return Err(Stop::Said);
            }
            other => {
                let what = format!("a {} that nobody waited for", other.packet_type());
                return Err(Stop::OutOfPlace(what));
            }
        }
        match self.connection(place) {
            Some(_) => Ok(()),
            None => Err(Stop::Said),
        }
    }

    fn on_pong(&mut self, place: usize, now_ns: u64) {
        let client = self.clients.get_mut(place);
        if let Some(publisher) = client.and_then(|c| c.publisher.as_mut())
            && publisher.awaits_pong
        {
            publisher.awaits_pong = false;
            self.unanswered -= 1;
            self.tally.last_acknowledged_ns = now_ns;
        }
    }

    fn client_id(&self, place: usize) -> String {
        let client = self.clients.get(place);
        client.map(|c| c.spec.client_id.clone()).unwrap_or_default()
    }

    fn on_stop(&mut self, place: usize, stop: Stop) {
        let (address, client_id) = (self.setting.address, self.client_id(place));
        let trouble = match stop {
            Stop::Said => return,
            Stop::Malformed(source) => Trouble::Malformed {
                address,
                client_id,
                source,
            },
            Stop::OutOfPlace(what) => Trouble::OutOfPlace {
                address,
                client_id,
                what,
            },
        };
        self.fail_client(place, trouble);
    }

    /// The broker has closed a connection.
    pub(super) fn on_closed(&mut self, place: usize, source: Option<io::Error>) {
        let Some(client) = self.clients.get(place) else {
            return;
        };
        if client.standing == Standing::Leaving {
            return self.lose_connection(place, Standing::Away);
        }
        let address = self.setting.address;
        let trouble = match (client.standing, source) {
            (Standing::Connecting, Some(source)) => Trouble::Connect { address, source },
            (_, source) => Trouble::Closed {
                address,
                client_id: client.spec.client_id.clone(),
                source,
            },
        };
        self.fail_client(place, trouble);
    }
}

const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;

fn packet_id(reader: &mut Reader<'_>) -> Result<u16, ReadError> {
    match reader.u16()? {
        0 => reader.fault(Fault::PacketIdZero),
        packet_id => Ok(packet_id),
    }
}

fn malformed(packet: PacketType, error: &ReadError) -> Stop {
    Stop::Malformed(DecodeError {
        packet,
        at: error.at,
        fault: error.fault,
    })
}
