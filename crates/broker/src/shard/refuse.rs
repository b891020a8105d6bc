//! The end of connections that were never let in.

use std::sync::Arc;

use columba_codec::packet::ConnAck;
use columba_codec::{
    DecodeError, Fault, Packet, PacketType, PropertiesBuf, PropertyId, ReasonCode, Value, Version,
    fixed_header,
};

use super::faults::Whose;
use super::{Shard, foreign};
use crate::connection::{State, Waiting};
use crate::event::{Effect, ReportEvent};
use crate::hash::hash_of;
use crate::id::ConnectionId;
use crate::outcome::Outcome;

/// Why a CONNECT, a PUBLISH or a filter is refused.
pub(super) struct Refusal {
    pub(super) reason: ReasonCode,
    pub(super) outcome: Outcome,
    pub(super) detail: String,
    /// The operator who wants it so, if one does: recorded, and not told to the client.
    operator: Box<str>,
}

impl Refusal {
    pub(super) fn new(reason: ReasonCode, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self {
            reason,
            outcome,
            detail: detail.into(),
            operator: Box::default(),
        }
    }

    /// The same because of an operator.
    pub(super) fn by(mut self, operator: &str) -> Self {
        self.operator = operator.into();
        self
    }
}

impl Refusal {
    pub(super) fn of_shutdown() -> Self {
        Self::new(
            ReasonCode::ServerUnavailable,
            Outcome::ConnectShuttingDown,
            "the broker is shutting down",
        )
    }
}

impl Shard {
    /// Refuses with a CONNACK where the version has one for the reason.
    pub(super) fn refuse(&mut self, id: ConnectionId, client_id: &str, refusal: &Refusal) {
        let mut properties = PropertiesBuf::new();
        let version = self
            .connection(id)
            .map_or(Version::V311, |connection| connection.version);
        if version.has_properties() {
            let _ = properties.push(PropertyId::ReasonString, Value::String(&refusal.detail));
        }
        let packet = Packet::ConnAck(ConnAck {
            session_present: false,
            reason: refusal.reason,
            properties: properties.as_properties(),
        });
        // Without a fitting return code MQTT 3 closes without CONNACK: nothing is written then.
        self.write_packet(id, &packet);
        if !client_id.is_empty() {
            let refused = Waiting::Login(Arc::from(client_id), false);
            if let Some(connection) = self.connection_mut(id) {
                connection.waiting = Some(Box::new(refused));
            }
        }
        // One that is not spoken here is none of those that are counted.
        let told = Some(version).filter(|_| refusal.outcome != Outcome::ConnectVersion);
        self.end_refused(id, told, refusal);
    }

    /// Refuses without a word.
    pub(super) fn refuse_silently(&mut self, id: ConnectionId, outcome: Outcome, detail: String) {
        // Its CONNECT was whole, unless it is the first thing that is waited for.
        let connection = self.connection(id);
        let connection = connection.filter(|of| of.state != State::AwaitConnect);
        let version = connection.map(|connection| connection.version);
        self.end_refused(
            id,
            version,
            &Refusal::new(ReasonCode::UnspecifiedError, outcome, detail),
        );
    }

    fn end_refused(&mut self, id: ConnectionId, version: Option<Version>, refusal: &Refusal) {
        let (outcome, detail) = (refusal.outcome, &*refusal.detail);
        self.stats.count(outcome);
        if let Some(version) = version {
            self.stats.count_connect(version, outcome);
        }
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.state = State::Closing;
        connection.partial = Vec::new();
        let client_id = connection.take_login().map(|(client_id, _)| client_id);
        let peer = Some(connection.peer.clone());
        self.effects.push_back(Effect::Close { conn: id });
        let addr = peer.as_ref().and_then(|peer| peer.addr);
        self.note_refused(
            client_id.as_deref(),
            addr,
            (outcome, detail, &refusal.operator),
        );
        let whose = match &client_id {
            Some(client_id) => Whose::client(hash_of(&self.hashing, &**client_id), client_id),
            None => Whose::stranger(hash_of(&self.hashing, &addr.map(|addr| addr.ip()))),
        };
        if self.may_report(whose) {
            let detail = detail.to_owned();
            self.report(client_id, peer, ReportEvent::Refused { outcome, detail });
        }
    }

    pub(super) fn refuse_undecodable(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        error: DecodeError,
    ) {
        if let Fault::ProtocolLevel(level) = error.fault {
            let version = if level > Version::V5.level() {
                Version::V5
            } else {
                Version::V311
            };
            if let Some(connection) = self.connection_mut(id) {
                connection.version = version;
            }
            let refusal = Refusal::new(
                ReasonCode::UnsupportedProtocolVersion,
                Outcome::ConnectVersion,
                error.fault.to_string(),
            );
            return self.refuse(id, "", &refusal);
        }
        if looks_like_v5(bytes) {
            // MQTT 5 has codes for a CONNECT that is wrong; MQTT 3 closes without a word
            // (MQTT-3.1.4-1 of both).
            if let Some(connection) = self.connection_mut(id) {
                connection.version = Version::V5;
            }
            let refusal =
                Refusal::new(error.reason(), Outcome::ConnectMalformed, error.to_string());
            return self.refuse(id, "", &refusal);
        }
        self.refuse_silently(id, Outcome::ConnectMalformed, error.to_string());
    }

    /// Refuses bytes that are no CONNECT: of another protocol, or of a client that forgot it.
    pub(super) fn refuse_stranger(&mut self, id: ConnectionId, bytes: &[u8]) {
        if let Some(name) = foreign::name_of(bytes) {
            let detail = format!("these bytes are {name}, not MQTT: is this the right port?");
            return self.refuse_silently(id, Outcome::ConnectWrongProtocol, detail);
        }
        match fixed_header(bytes, u32::MAX) {
            Ok(_) => {
                let first = bytes.first().copied().unwrap_or_default();
                let packet = PacketType::from_first_byte(first);
                let detail = format!("the first packet was {packet}, not CONNECT");
                self.refuse_silently(id, Outcome::ConnectMalformed, detail);
            }
            Err(error) => {
                let detail = format!("these bytes are not MQTT: {error}");
                self.refuse_silently(id, Outcome::ConnectWrongProtocol, detail);
            }
        }
    }
}

/// Whether bytes start like a CONNECT of MQTT 5, as far as one can tell before they decode.
fn looks_like_v5(bytes: &[u8]) -> bool {
    let Some((0x10, rest)) = bytes.split_first() else {
        return false;
    };
    let length = rest
        .iter()
        .take(4)
        .take_while(|byte| **byte & 0x80 != 0)
        .count()
        + 1;
    rest.get(length..)
        .is_some_and(|body| body.starts_with(b"\x00\x04MQTT\x05"))
}
