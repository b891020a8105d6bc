//! Connecting, subscribing and leaving.

use std::io;

use columba_codec::packet::{ConnAck, Connect, Subscribe, SubscribeFilters, SubscribeOptions};
use columba_codec::{
    Packet, PacketId, PacketType, Properties, PropertiesBuf, PropertyId, QoS, ReasonCode, Value,
    Version,
};
use mio::Token;

use super::{Client, Job, Standing, Worker};
use crate::clock::{SECOND_NS, now_ns};
use crate::connection::Connection;
use crate::stage::{Connecting, Reply, Setting, Who};
use crate::trouble::Trouble;

const FILTERS_OF_A_SUBSCRIBE: usize = 50;
const DISCONNECT: [u8; 2] = [0xE0, 0];

impl Worker {
    /// Opens connections, at most so many at a time.
    pub(super) fn connect(&mut self, order: Connecting) {
        let mut waiting = self.places(order.who);
        for place in &waiting {
            let due_ns = self.connect_due_ns(*place, &order);
            if let Some(client) = self.clients.get_mut(*place) {
                client.connect_due_ns = due_ns;
                client.clean_start = order.clean_start;
                client.is_persistent = order.is_persistent;
            }
        }
        waiting.reverse();
        self.job = Some(Job::Connect {
            order,
            waiting,
            under_way: 0,
        });
        self.open_connections(now_ns());
        self.end_job_if_done();
    }

    fn connect_due_ns(&self, place: usize, order: &Connecting) -> u64 {
        let number = self.numbers.get(place).copied().unwrap_or_default();
        let offset_secs = order.per_sec.map_or(0.0, |per_sec| number as f64 / per_sec);
        order.start_ns + (offset_secs * SECOND_NS as f64) as u64
    }

    /// When the next connection is due, unless enough are under way.
    pub(super) fn next_connect_ns(&self) -> Option<u64> {
        let Some(Job::Connect {
            waiting, under_way, ..
        }) = &self.job
        else {
            return None;
        };
        if *under_way >= self.setting.connecting_max {
            return None;
        }
        let client = self.clients.get(*waiting.last()?)?;
        Some(client.connect_due_ns)
    }

    pub(super) fn open_connections(&mut self, now_ns: u64) {
        while self.next_connect_ns().is_some_and(|due| due <= now_ns) {
            let Some(Job::Connect {
                waiting,
                under_way,
                order,
            }) = &mut self.job
            else {
                return;
            };
            let Some(place) = waiting.pop() else {
                return;
            };
            *under_way += 1;
            let is_scheduled = order.per_sec.is_some();
            let address = self.setting.address;
            let opened = Connection::open(address, self.poll.registry(), Token(place));
            let Some(client) = self.clients.get_mut(place) else {
                return;
            };
            if !is_scheduled {
                client.connect_due_ns = crate::clock::now_ns();
            }
            client.standing = Standing::Connecting;
            match opened {
                Ok(connection) => client.connection = Some(connection),
                Err(source) => self.fail_client(place, Trouble::Connect { address, source }),
            }
        }
    }

    /// The socket of a client on its way is ready: it is connected, or it failed.
    pub(super) fn on_connect_progress(&mut self, place: usize) {
        let address = self.setting.address;
        let Some(client) = self.clients.get_mut(place) else {
            return;
        };
        let Some(connection) = &mut client.connection else {
            return;
        };
        let result = match connection.is_open() {
            Ok(false) => return,
            Ok(true) => {
                client.standing = Standing::Greeting;
                client.greet(&self.setting)
            }
            Err(source) => Err(source),
        };
        if let Err(source) = result {
            self.fail_client(place, Trouble::Connect { address, source });
        }
    }

    pub(super) fn on_connack(&mut self, place: usize, packet: &ConnAck<'_>, now_ns: u64) {
        let address = self.setting.address;
        let Some(client) = self.clients.get_mut(place) else {
            return;
        };
        if packet.reason != ReasonCode::Success {
            let client_id = client.spec.client_id.clone();
            let trouble = Trouble::Refused {
                address,
                client_id,
                reason: packet.reason,
            };
            return self.fail_client(place, trouble);
        }
        let greeting = std::mem::replace(&mut client.standing, Standing::Connected);
        self.connected += 1;
        if let Err(trouble) = client.keep_to(packet.properties, &self.setting) {
            return self.fail_client(place, trouble);
        }
        self.tally.sessions_present += u64::from(packet.session_present);
        let time_ns = now_ns.saturating_sub(client.connect_due_ns);
        self.tally.connects.record(time_ns);
        self.tally.last_connect_ns = now_ns;
        if greeting == Standing::Greeting
            && let Some(Job::Connect { under_way, .. }) = &mut self.job
        {
            *under_way -= 1;
        }
        self.end_job_if_done();
    }

    /// Sends the subscriptions of these clients.
    pub(super) fn subscribe(&mut self, who: Who) {
        let mut under_way = 0;
        for place in self.places(who) {
            let Some(client) = self.clients.get_mut(place) else {
                continue;
            };
            if client.standing != Standing::Connected {
                continue;
            }
            match client.subscribe(self.setting.version) {
                Ok(0) => continue,
                Ok(_) => under_way += 1,
                Err(source) => {
                    self.fail(Trouble::system("cannot encode", io::Error::other(source)));
                    continue;
                }
            }
            self.flush(place);
        }
        self.job = Some(Job::Subscribe { under_way });
        self.end_job_if_done();
    }

    pub(super) fn on_suback(&mut self, place: usize, codes: &[u8]) {
        let address = self.setting.address;
        let Some(client) = self.clients.get_mut(place) else {
            return;
        };
        let wanted = client.spec.subscriber.as_ref().map(|s| s.qos.as_u8());
        let client_id = client.spec.client_id.clone();
        if let Some(code) = codes.iter().copied().find(|code| *code >= 0x80) {
            let trouble = Trouble::Subscription {
                address,
                client_id,
                code,
            };
            return self.fail_client(place, trouble);
        }
        if let Some(granted) = codes.iter().copied().find(|code| Some(*code) < wanted) {
            let what =
                format!("grants subscriptions QoS {granted} and no more: add --sub-qos {granted}");
            return self.fail_client(place, Trouble::Incapable { address, what });
        }
        client.subscribes = client.subscribes.saturating_sub(1);
        if client.subscribes == 0
            && let Some(Job::Subscribe { under_way }) = &mut self.job
        {
            *under_way = under_way.saturating_sub(1);
        }
        self.end_job_if_done();
    }

    /// Says goodbye for these clients.
    pub(super) fn disconnect(&mut self, who: Who) {
        let mut leaving = Vec::new();
        for place in self.places(who) {
            if let Some(client) = self.clients.get_mut(place)
                && client.standing == Standing::Connected
                && let Some(connection) = &mut client.connection
            {
                connection.out.extend_from_slice(&DISCONNECT);
                client.standing = Standing::Leaving;
                leaving.push(place);
            }
        }
        self.job = Some(Job::Disconnect {
            under_way: leaving.len(),
        });
        for place in leaving {
            self.flush(place);
        }
        self.end_job_if_done();
    }

    /// A connection ended while something was under way on it.
    pub(super) fn on_job_lost(&mut self, place: usize, before: Standing) {
        let subscribes = self.clients.get_mut(place);
        let subscribes = subscribes.map_or(0, |c| std::mem::take(&mut c.subscribes));
        match (&mut self.job, before) {
            (Some(Job::Connect { under_way, .. }), Standing::Connecting | Standing::Greeting)
            | (Some(Job::Disconnect { under_way }), Standing::Leaving) => *under_way -= 1,
            (Some(Job::Subscribe { under_way }), _) if subscribes > 0 => *under_way -= 1,
            _ => {}
        }
        self.end_job_if_done();
    }

    fn end_job_if_done(&mut self) {
        let left = match &self.job {
            Some(Job::Connect {
                waiting, under_way, ..
            }) => waiting.len() + under_way,
            Some(Job::Subscribe { under_way } | Job::Disconnect { under_way }) => *under_way,
            None => return,
        };
        if left == 0 {
            self.job = None;
            self.reply(Reply::Done);
        }
    }
}

impl Client {
    /// Sends CONNECT.
    fn greet(&mut self, setting: &Setting) -> io::Result<()> {
        let mut properties = PropertiesBuf::new();
        if setting.version.has_properties() {
            let expiry_secs = setting.session_expiry_secs;
            let value = Value::U32(if self.is_persistent { expiry_secs } else { 0 });
            let pushed = properties.push(PropertyId::SessionExpiryInterval, value);
            pushed.map_err(io::Error::other)?;
        }
        let packet = Packet::Connect(Connect {
            version: setting.version,
            is_bridge: false,
            clean_start: self.clean_start,
            keep_alive_secs: setting.keep_alive_secs,
            properties: properties.as_properties(),
            client_id: &self.spec.client_id,
            will: None,
            user_name: self.spec.user_name.as_deref(),
            password: setting.password.as_deref().map(str::as_bytes),
        });
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let encoded = packet.encode(setting.version, &mut connection.out);
        encoded.map_err(io::Error::other)?;
        connection.last_written_ns = now_ns();
        connection.flush()
    }

    /// Takes the limits that CONNACK names.
    fn keep_to(&mut self, limits: Properties<'_>, setting: &Setting) -> Result<(), Trouble> {
        let incapable = |what: String| {
            let address = setting.address;
            Err(Trouble::Incapable { address, what })
        };
        let Some(publisher) = &mut self.publisher else {
            return Ok(());
        };
        if let Some(receive_max) = limits.u16(PropertyId::ReceiveMaximum)
            && publisher.qos != QoS::AtMostOnce
        {
            publisher.narrow(receive_max.min(setting.window));
        }
        let qos_max = limits.flag(PropertyId::MaximumQos);
        let qos_max = qos_max.and_then(|is_one| QoS::from_u8(u8::from(is_one)));
        if let Some(qos_max) = qos_max
            && publisher.qos > qos_max
        {
            let qos = qos_max.as_u8();
            return incapable(format!("takes QoS {qos} and no more: add -q {qos}"));
        }
        let packet_bytes_max = limits.u32(PropertyId::MaximumPacketSize);
        let message_bytes = publisher.message_bytes(&setting.payload);
        if packet_bytes_max.is_some_and(|max| message_bytes > max as usize) {
            return incapable(format!(
                "takes packets of at most {} bytes, and a message is {message_bytes} bytes long",
                packet_bytes_max.unwrap_or_default()
            ));
        }
        Ok(())
    }

    /// Appends the subscriptions; how many packets they are.
    fn subscribe(&mut self, version: Version) -> Result<u32, columba_codec::EncodeError> {
        let (Some(spec), Some(connection)) = (&self.spec.subscriber, &mut self.connection) else {
            return Ok(0);
        };
        for filters in spec.filters.chunks(FILTERS_OF_A_SUBSCRIBE) {
            let mut bytes = Vec::new();
            for filter in filters {
                let options = SubscribeOptions::from_qos(spec.qos);
                SubscribeFilters::put(&mut bytes, filter, options)?;
            }
            let Ok(filters) = SubscribeFilters::from_bytes(&bytes, version) else {
                return Err(columba_codec::EncodeError::NotInThisVersion);
            };
            self.subscribes += 1;
            let packet_id = PacketId::new(self.subscribes as u16).unwrap_or(PacketId::MIN);
            let packet = Packet::Subscribe(Subscribe {
                packet_id,
                properties: Properties::EMPTY,
                filters,
            });
            debug_assert_eq!(packet.packet_type(), PacketType::Subscribe);
            packet.encode(version, &mut connection.out)?;
        }
        Ok(self.subscribes)
    }
}
