//! CONNECT: who may come in, and with which session.

use std::sync::Arc;

use columba_codec::packet::{ConnAck, Connect};
use columba_codec::{
    Decoded, Packet, PacketType, PropertiesBuf, PropertyId, QoS, ReasonCode, Version, decode,
};

use super::connack::PACKET_BYTES_UNLIMITED;
use super::note;
use super::refuse::Refusal;
use super::{Shard, foreign};
use crate::connection::{Connection, State, Waiting};
use crate::event::{AuthRequest, AuthVerdict, Effect, Handover, ReportEvent};
use crate::hash::{hash_of, shard_of};
use crate::id::ConnectionId;
use crate::limits::{Anonymous, CONNECT_BYTES_MAX, EARLY_BYTES_MAX};
use crate::message::{Message, MessageParts, NEVER_MS};
use crate::outcome::Outcome;
use crate::recorder::flag;
use crate::routing::share::SessionRef;
use crate::session::alias::Aliases;
use crate::session::{Identity, Memberships, Session, Will};
use crate::timer::Timer;

/// A CONNECT that passed: what the new connection is established with.
pub(super) struct Admission<'a> {
    pub(super) connect: Connect<'a>,
    pub(super) client_id: Arc<str>,
    pub(super) is_assigned: bool,
    pub(super) identity: Arc<Identity>,
}

impl Shard {
    /// Input of a connection that has not sent its whole CONNECT.
    pub(super) fn on_received_first(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if connection.partial.is_empty() {
            let used = self.on_first_packet(id, bytes);
            let used = used + self.consume_if_open(id, bytes.get(used..).unwrap_or_default());
            self.keep_partial(id, bytes.get(used..).unwrap_or_default());
        } else {
            let mut partial = std::mem::take(&mut connection.partial);
            partial.extend_from_slice(bytes);
            let used = self.on_first_packet(id, &partial);
            if used == 0 {
                // Still not whole: it is kept as it is, or a CONNECT that trickles in would be
                // copied for every byte.
                if let Some(connection) = self.connection_mut(id)
                    && connection.state == State::AwaitConnect
                {
                    connection.partial = partial;
                }
                return;
            }
            let used = used + self.consume_if_open(id, partial.get(used..).unwrap_or_default());
            self.keep_partial(id, partial.get(used..).unwrap_or_default());
        }
    }

    fn consume_if_open(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        match self.connection(id).map(|connection| connection.state) {
            Some(State::Open) => self.consume(id, bytes),
            Some(State::AwaitConnect) => 0,
            Some(State::Authenticating | State::Closing) | None => bytes.len(),
        }
    }

    /// Returns how many bytes were used up.
    fn on_first_packet(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        let Some(connection) = self.connection(id) else {
            return bytes.len();
        };
        let limit = connection.packet_bytes_max_in.min(CONNECT_BYTES_MAX);
        // The first byte is enough to know (MQTT-3.1.0-1), except that TLS starts like a CONNECT.
        let is_connect = |first: &u8| first >> 4 == PacketType::Connect as u8;
        if bytes.first().is_some_and(|first| !is_connect(first))
            || foreign::name_of(bytes).is_some()
        {
            self.refuse_stranger(id, bytes);
            return bytes.len();
        }
        match decode(bytes, Version::V311, limit) {
            Ok(Decoded::Incomplete { .. }) => 0,
            Ok(Decoded::Packet(Packet::Connect(connect), len)) => {
                self.on_connect(id, &connect, bytes, len)
            }
            Ok(Decoded::Packet(..)) => {
                self.refuse_stranger(id, bytes);
                bytes.len()
            }
            Err(error) => {
                self.refuse_undecodable(id, bytes, error);
                bytes.len()
            }
        }
    }

    fn on_connect(
        &mut self,
        id: ConnectionId,
        connect: &Connect<'_>,
        bytes: &[u8],
        len: usize,
    ) -> usize {
        if let Some(connection) = self.connection_mut(id) {
            connection.version = connect.version;
            // From here on, for a refusal too (MQTT-3.2.2-19).
            connection.packet_bytes_max_out = connect
                .properties
                .u32(PropertyId::MaximumPacketSize)
                .unwrap_or(PACKET_BYTES_UNLIMITED)
                .min(PACKET_BYTES_UNLIMITED);
        }
        if !connect.client_id.is_empty() {
            let home = shard_of(hash_of(&self.hashing, connect.client_id), self.shards);
            if home != self.id {
                self.hand_over(id, home, bytes);
                return bytes.len();
            }
        }
        self.stats.count_received(PacketType::Connect);
        let (client_id, is_assigned) = match self.check_connect(connect) {
            Ok(checked) => checked,
            Err(refusal) => {
                self.refuse(id, connect.client_id, &refusal);
                return bytes.len();
            }
        };
        // Before a password costs anything; once more when the user is known.
        if let Err(refusal) = self.check_ban(id, &client_id, None) {
            self.refuse(id, connect.client_id, &refusal);
            return bytes.len();
        }
        if self.has_credentials(id, connect) {
            if bytes.len() - len > EARLY_BYTES_MAX {
                self.refuse(id, connect.client_id, &too_early());
                return bytes.len();
            }
            self.ask_authentication(id, connect, client_id, is_assigned);
            if let Some(connection) = self.connection_mut(id) {
                connection.partial = bytes.to_vec();
            }
            return bytes.len();
        }
        if let Err(refusal) = self.check_anonymous(id) {
            self.refuse(id, connect.client_id, &refusal);
            return bytes.len();
        }
        self.stats.anonymous_accepted += 1;
        let identity = Arc::clone(&self.nobody);
        let admission = Admission {
            connect: *connect,
            client_id,
            is_assigned,
            identity,
        };
        if self.waits_to_take_over(id, &admission) || self.waits_to_leave(id, &admission) {
            if let Some(connection) = self.connection_mut(id) {
                connection.partial = bytes.to_vec();
            }
            return bytes.len();
        }
        self.establish(id, admission);
        len
    }

    /// Whether a client begins a new session instead of the one that is there. What waits for one
    /// user is not for another that knows the client id.
    pub(super) fn leaves_behind(&self, slot: u32, admission: &Admission<'_>) -> bool {
        admission.connect.clean_start
            || self.session(slot).is_some_and(|session| {
                // One that ends with its connection ends when that is taken over.
                !session.is_persistent() || session.identity.user != admission.identity.user
            })
    }

    fn hand_over(&mut self, id: ConnectionId, to: crate::id::ShardId, bytes: &[u8]) {
        if let Some(connection) = self.take_connection(id) {
            let handover = Handover {
                peer: connection.peer,
                bytes: bytes.to_vec(),
            };
            self.effects.push_back(Effect::Handover {
                conn: id,
                to,
                handover: Box::new(handover),
            });
        }
    }

    /// The client id to use, and whether the server made it up.
    fn check_connect(&mut self, connect: &Connect<'_>) -> Result<(Arc<str>, bool), Refusal> {
        if self.is_stopping {
            return Err(Refusal::of_shutdown());
        }
        if let Some(method) = connect.properties.string(PropertyId::AuthenticationMethod) {
            // MQTT-4.12.0-1
            return Err(Refusal::new(
                ReasonCode::BadAuthenticationMethod,
                Outcome::ConnectAuthMethod,
                format!("authentication method {method:?} is not supported"),
            ));
        }
        if !connect.client_id.is_empty() {
            return Ok((connect.client_id.into(), false));
        }
        if !connect.version.has_assigned_client_id() {
            return Err(Refusal::new(
                ReasonCode::ClientIdentifierNotValid,
                Outcome::ConnectClientId,
                "MQTT 3.1 needs a client id",
            ));
        }
        if !connect.clean_start && connect.version < Version::V5 {
            // MQTT-3.1.3-8 of 3.1.1
            return Err(Refusal::new(
                ReasonCode::ClientIdentifierNotValid,
                Outcome::ConnectClientId,
                "an empty client id needs clean session 1",
            ));
        }
        Ok((self.new_client_id(), true))
    }

    /// An id that nobody has and whose home is this shard (`MQTT-3.2.2-16`).
    fn new_client_id(&mut self) -> Arc<str> {
        loop {
            let id = self.client_ids.next_id();
            let home = shard_of(hash_of(&self.hashing, id.as_str()), self.shards);
            if home == self.id && self.slot_of(&id).is_none() {
                return id.into();
            }
        }
    }

    fn has_credentials(&self, id: ConnectionId, connect: &Connect<'_>) -> bool {
        if connect.user_name.is_some() || connect.password.is_some() {
            return true;
        }
        let has_certificate = |connection: &Connection| connection.peer.certificate.is_some();
        self.connection(id).is_some_and(has_certificate) && self.takes_certificate(id)
    }

    /// Whether a verified certificate is a login at the listener of a connection.
    fn takes_certificate(&self, id: ConnectionId) -> bool {
        let Some(connection) = self.connection(id) else {
            return false;
        };
        let listener = self.listeners.get(usize::from(connection.peer.listener.0));
        listener.is_some_and(|listener| listener.certificate_is_user)
    }

    fn check_anonymous(&self, id: ConnectionId) -> Result<(), Refusal> {
        let Some(connection) = self.connection(id) else {
            return Ok(());
        };
        let listener = self.listeners.get(usize::from(connection.peer.listener.0));
        let is_allowed = match listener.map(|listener| listener.anonymous) {
            Some(Anonymous::Always) => true,
            Some(Anonymous::Loopback) => connection.peer.is_local(),
            Some(Anonymous::Never) | None => false,
        };
        if is_allowed {
            return Ok(());
        }
        let name = listener.map_or("?", |listener| listener.name.as_str());
        Err(Refusal::new(
            ReasonCode::NotAuthorized,
            Outcome::ConnectAnonymousRefused,
            format!("listener {name:?} wants a user name and a password from this address"),
        ))
    }

    fn ask_authentication(
        &mut self,
        id: ConnectionId,
        connect: &Connect<'_>,
        client_id: Arc<str>,
        is_assigned: bool,
    ) {
        let takes_certificate = self.takes_certificate(id);
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.state = State::Authenticating;
        let login = Waiting::Login(Arc::clone(&client_id), is_assigned);
        connection.waiting = Some(Box::new(login));
        let mut peer = connection.peer.clone();
        peer.certificate = peer.certificate.filter(|_| takes_certificate);
        let request = AuthRequest {
            peer,
            client_id,
            user_name: connect.user_name.map(str::to_owned),
            password: connect.password.map(<[u8]>::to_vec),
        };
        self.effects.push_back(Effect::Authenticate {
            conn: id,
            request: Box::new(request),
        });
    }

    /// Input that comes while the credentials are checked waits, within a bound.
    pub(super) fn on_received_early(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if connection.is_input_held {
            return connection.partial.extend_from_slice(bytes);
        }
        if connection.partial.len() + bytes.len() > connection.connect_len() + EARLY_BYTES_MAX {
            return self.refuse(id, "", &too_early());
        }
        connection.partial.extend_from_slice(bytes);
    }

    pub(super) fn on_authenticated(&mut self, id: ConnectionId, verdict: AuthVerdict) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if connection.state != State::Authenticating || connection.is_input_held {
            return;
        }
        self.go_on_with_connect(id, |shard, connect| {
            let identity = shard.identity_of(id, connect, verdict);
            shard.stats.logins_accepted += u64::from(identity.is_ok());
            identity
        });
    }

    /// Goes on with a client whose CONNECT waited.
    pub(super) fn go_on_with_connect(
        &mut self,
        id: ConnectionId,
        identity_of: impl FnOnce(&mut Self, &Connect<'_>) -> Result<Arc<Identity>, Refusal>,
    ) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let bytes = std::mem::take(&mut connection.partial);
        let Some((client_id, is_assigned)) = connection.take_login() else {
            return;
        };
        connection.state = State::AwaitConnect;
        // The same bytes were decoded before.
        let Ok(Decoded::Packet(Packet::Connect(connect), len)) =
            decode(&bytes, Version::V311, u32::MAX)
        else {
            return;
        };
        let identity = match identity_of(self, &connect) {
            Ok(identity) => identity,
            Err(refusal) => return self.refuse(id, &client_id, &refusal),
        };
        if self.is_stopping {
            return self.refuse(id, &client_id, &Refusal::of_shutdown());
        }
        let admission = Admission {
            connect,
            client_id,
            is_assigned,
            identity,
        };
        if self.waits_to_take_over(id, &admission) || self.waits_to_leave(id, &admission) {
            if let Some(connection) = self.connection_mut(id) {
                connection.partial = bytes;
            }
            return;
        }
        self.establish(id, admission);
        let rest = bytes.get(len..).unwrap_or_default();
        let used = self.consume_if_open(id, rest);
        self.keep_partial(id, rest.get(used..).unwrap_or_default());
    }

    /// Who a client is, by what came of its credentials.
    fn identity_of(
        &self,
        id: ConnectionId,
        connect: &Connect<'_>,
        verdict: AuthVerdict,
    ) -> Result<Arc<Identity>, Refusal> {
        match verdict {
            AuthVerdict::Allow { user, groups } => Ok(Arc::new(Identity {
                user,
                groups: groups.to_vec(),
            })),
            AuthVerdict::BadCredentials => {
                let certificate = self
                    .connection(id)
                    .and_then(|connection| connection.peer.certificate.as_deref());
                let what = match (connect.user_name, certificate) {
                    (None, Some(name)) if connect.password.is_none() => {
                        format!("the name {name:?} in the certificate is not that of a user")
                    }
                    (user, _) => {
                        let user = user.unwrap_or_default();
                        format!("user name {user:?} or its password is wrong")
                    }
                };
                Err(Refusal::new(
                    ReasonCode::BadUserNameOrPassword,
                    Outcome::ConnectBadCredentials,
                    what,
                ))
            }
            AuthVerdict::Unavailable => Err(Refusal::new(
                ReasonCode::ServerBusy,
                Outcome::ConnectAuthUnavailable,
                "the credentials could not be checked now: try again",
            )),
            AuthVerdict::Busy => Err(Refusal::new(
                ReasonCode::ServerBusy,
                Outcome::ConnectAuthBusy,
                "too many other logins wait for a check: try again",
            )),
        }
    }

    /// Whether a client can have what it asks for: its Will, and the properties of its CONNACK.
    pub(super) fn check_admission(
        &self,
        id: ConnectionId,
        admission: &Admission<'_>,
    ) -> Result<(Option<Box<Will>>, PropertiesBuf), Refusal> {
        let connect = &admission.connect;
        let existing = self.slot_of(&admission.client_id);
        if existing.is_none() && self.sessions.len() >= self.limits.sessions_max {
            return Err(Refusal::new(
                ReasonCode::QuotaExceeded,
                Outcome::ConnectQuota,
                format!(
                    "the broker has its limit of {} sessions",
                    self.limits.sessions_max
                ),
            ));
        }
        let is_stored = self.session_expiry_secs(connect) > 0
            || existing.is_some_and(|slot| self.durable_number(slot).is_some());
        // Nothing holds back a Will when it is due.
        let will = connect.will.as_ref();
        let is_will_stored = will.is_some_and(|of| of.retain || of.qos != QoS::AtMostOnce);
        if (is_stored || is_will_stored) && self.is_store_overfull() {
            return Err(Refusal::new(
                ReasonCode::ServerBusy,
                Outcome::ConnectStoreBusy,
                "too much waits for the disk to take another session or Will that is stored: try again",
            ));
        }
        let will = self.will_of(connect, &admission.client_id);
        self.check_will(existing, will.as_deref())?;
        let mut properties = PropertiesBuf::new();
        if connect.version.has_properties() {
            self.fill_connack(id, admission, &mut properties);
            self.check_connack(id, properties.as_properties())?;
        }
        Ok((will, properties))
    }

    fn establish(&mut self, id: ConnectionId, admission: Admission<'_>) {
        let connect = &admission.connect;
        let user = admission.identity.user.as_deref();
        if let Err(refusal) = self.check_ban(id, &admission.client_id, user) {
            return self.refuse(id, &admission.client_id, &refusal);
        }
        let (will, properties) = match self.check_admission(id, &admission) {
            Ok(checked) => checked,
            Err(refusal) => return self.refuse(id, &admission.client_id, &refusal),
        };
        self.dismiss_rival(&admission.client_id, id);
        let existing = self.slot_of(&admission.client_id);
        if let Some(slot) = existing {
            self.take_over(slot, id);
        }
        // The session may have ended with the connection that was taken over.
        let mut existing = self.slot_of(&admission.client_id);
        if let Some(slot) = existing
            && self.leaves_behind(slot, &admission)
        {
            existing = None;
            self.end_session(slot, Outcome::SessionReplaced);
        }
        let session_present = existing.is_some();
        let slot = existing.unwrap_or_else(|| self.new_session(&admission.client_id));
        self.enter_session(slot, id, &admission, will);
        self.enter_connection(slot, id, connect);
        self.save_session(slot);
        self.stats.count(Outcome::ConnectAccepted);
        self.stats
            .count_connect(connect.version, Outcome::ConnectAccepted);
        let packet = Packet::ConnAck(ConnAck {
            session_present,
            reason: ReasonCode::Success,
            properties: properties.as_properties(),
        });
        self.write_packet(id, &packet);
        let keep_alive_secs = self.keep_alive_secs(connect);
        let mut flags = if session_present {
            flag::SESSION_PRESENT
        } else {
            0
        };
        flags |= if connect.clean_start {
            flag::CLEAN_START
        } else {
            0
        };
        flags |= if connect.will.is_some() {
            flag::WILL
        } else {
            0
        };
        let login = note::Login {
            flags,
            keep_alive_secs,
        };
        self.note_connected(slot, id, login);
        let event = ReportEvent::Connected {
            version: connect.version,
            session_present,
            keep_alive_secs,
            user: admission.identity.user.clone(),
        };
        self.report_connection(slot, event);
        self.tell_groups(slot);
        self.pump(slot);
    }

    pub(super) fn new_session(&mut self, client_id: &Arc<str>) -> u32 {
        self.next_serial = self.next_serial.wrapping_add(1);
        let hash = hash_of(&self.hashing, &**client_id);
        let entry = self.sessions.vacant_entry();
        let slot = entry.key() as u32;
        entry.insert(Session {
            client_id: Arc::clone(client_id),
            hash,
            me: SessionRef {
                shard: self.id,
                slot,
                serial: self.next_serial,
            },
            identity: Arc::clone(&self.nobody),
            addr: None,
            connection: None,
            expiry_secs: 0,
            since_ms: self.now.mono_ms as i64,
            will: None,
            subscriptions: None,
            memberships: Memberships::default(),
            subscription_bytes: 0,
            window: None,
            queue: None,
            received: None,
            replays: None,
            unanswered: None,
            durable: None,
        });
        let Self {
            by_client,
            sessions,
            ..
        } = self;
        by_client.insert_unique(hash, slot, |slot| {
            sessions
                .get(*slot as usize)
                .map_or(0, |session| session.hash)
        });
        self.stats.sessions += 1;
        slot
    }

    fn enter_session(
        &mut self,
        slot: u32,
        id: ConnectionId,
        admission: &Admission<'_>,
        will: Option<Box<Will>>,
    ) {
        let now_ms = self.now.mono_ms as i64;
        let old_will = self.replace_will(slot, will);
        let expiry_secs = self.session_expiry_secs(&admission.connect);
        let addr = self
            .connection(id)
            .and_then(|connection| connection.peer.addr);
        let Some(session) = self.session_mut(slot) else {
            return;
        };
        session.identity = Arc::clone(&admission.identity);
        session.addr = addr.map(|addr| addr.ip().to_canonical());
        session.connection = Some(id);
        session.since_ms = now_ms;
        session.expiry_secs = expiry_secs;
        if let Some(window) = &mut session.window {
            window.reconnected();
        }
        if let Some(will) = old_will {
            // MQTT-3.1.3-9
            self.stats.count(Outcome::WillCancelled);
            self.note_will_of(slot, &will, Outcome::WillCancelled);
        }
        self.stats.clients_connected += 1;
    }

    fn enter_connection(&mut self, slot: u32, id: ConnectionId, connect: &Connect<'_>) {
        let properties = connect.properties;
        let receive_maximum = properties
            .u16(PropertyId::ReceiveMaximum)
            .unwrap_or(u16::MAX)
            .min(self.limits.inflight_max.max(1));
        let alias_maximum = properties
            .u16(PropertyId::TopicAliasMaximum)
            .unwrap_or(0)
            .min(self.limits.topic_alias_out_max);
        let keep_alive_secs = self.keep_alive_secs(connect);
        let now_ms = self.now.mono_ms;
        let aliases = Aliases::new(self.hashing, alias_maximum);
        let receive_maximum_in = self.limits.receive_maximum.max(1);
        let topic_alias_maximum_in = self.limits.topic_alias_maximum;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.state = State::Open;
        connection.last_received_ms = now_ms;
        connection.version = connect.version;
        connection.is_bridge = connect.is_bridge;
        connection.session = slot;
        connection.receive_maximum = receive_maximum;
        connection.receive_maximum_in = receive_maximum_in;
        connection.topic_alias_maximum_in = topic_alias_maximum_in;
        connection.wants_problem_information = properties
            .flag(PropertyId::RequestProblemInformation)
            .unwrap_or(true);
        connection.aliases = aliases.has_outgoing().then(|| Box::new(aliases));
        connection.keep_alive_secs = keep_alive_secs;
        let silence_max_ms = connection.silence_max_ms();
        if silence_max_ms > 0 {
            let timer = Timer::KeepAlive {
                index: id.index,
                generation: id.generation,
            };
            self.set_connection_timer(now_ms + silence_max_ms, timer);
        }
    }

    /// Whether there is room for a Will, in place of the one that the client has already.
    fn check_will(&self, existing: Option<u32>, will: Option<&Will>) -> Result<(), Refusal> {
        let Some(will) = will else { return Ok(()) };
        let old = existing.and_then(|slot| self.session(slot)?.will.as_ref());
        let (size, most) = (will.size_bytes(), self.limits.will_bytes_max);
        let sum = self.stats.will_bytes as usize - old.map_or(0, |old| old.size_bytes()) + size;
        let detail = if size > most {
            format!("the Will has {size} bytes, and {most} are the limit")
        } else if sum > self.limits.wills_bytes_max {
            "the broker has no room for another Will".to_owned()
        } else {
            return Ok(());
        };
        Err(Refusal::new(
            ReasonCode::QuotaExceeded,
            Outcome::ConnectWillQuota,
            detail,
        ))
    }

    fn will_of(&self, connect: &Connect<'_>, client_id: &str) -> Option<Box<Will>> {
        let will = connect.will?;
        let mut forwarded = Vec::new();
        for property in will.properties.iter() {
            let is_ours = matches!(
                property.id,
                PropertyId::WillDelayInterval | PropertyId::MessageExpiryInterval
            );
            if !is_ours {
                forwarded.extend_from_slice(property.bytes);
            }
        }
        let message = Message::new(MessageParts {
            topic: will.topic,
            properties: &[&forwarded],
            payload: will.payload,
            qos: will.qos,
            retain: will.retain,
            expires_at_ms: NEVER_MS,
            publisher: hash_of(&self.hashing, client_id),
            number: 0,
        });
        Some(Box::new(Will {
            message,
            expiry_secs: will.properties.u32(PropertyId::MessageExpiryInterval),
            delay_secs: will
                .properties
                .u32(PropertyId::WillDelayInterval)
                .unwrap_or(0),
        }))
    }

    pub(super) fn on_connect_timeout(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let is_late = matches!(
            connection.state,
            State::AwaitConnect | State::Authenticating
        );
        // Who has sent its CONNECT and waits for another client is not late.
        if !is_late || self.rival_of(id).is_some() {
            return;
        }
        // Its time began later, when it had waited for another client.
        let since_ms = connection.last_received_ms;
        if self.now.mono_ms < since_ms + self.limits.connect_timeout_ms {
            return self.set_connect_timer(id, since_ms);
        }
        let secs = self.limits.connect_timeout_ms / 1000;
        let detail = if self.is_leaving(id) {
            format!("the end of the session before was not on disk within {secs} s")
        } else {
            format!("no CONNECT was accepted within {secs} s")
        };
        self.refuse_silently(id, Outcome::ConnectTimeout, detail);
    }
}

fn too_early() -> Refusal {
    Refusal::new(
        ReasonCode::QuotaExceeded,
        Outcome::ConnectQuota,
        "too many bytes came before the client was let in",
    )
}
