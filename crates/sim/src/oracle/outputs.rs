//! Packets of the broker in the model.

use columba_codec::packet::Publish;
use columba_codec::{Decoded, Packet, PropertyId, ReasonCode, Version, decode};

use super::{Oracle, Phase, Said, Subscription, id_of};
use crate::checks::{acknowledgement, delivery, exactly_once, window, wire};
use crate::event::LinkId;

impl Oracle {
    /// The first packet on a connection must be CONNACK; it is taken before anything else.
    pub(crate) fn take_connack(&mut self, link: LinkId) {
        if self.conns[link].connect.is_none() {
            return;
        }
        let output = std::mem::take(&mut self.conns[link].output);
        let mut used = 0;
        match decode(&output, self.conns[link].version, u32::MAX) {
            Ok(Decoded::Packet(Packet::ConnAck(ack), len)) => {
                used = len;
                if ack.reason == ReasonCode::Success {
                    self.establish(link, ack.session_present);
                }
            }
            Ok(Decoded::Incomplete { .. }) if output.is_empty() => {}
            other => {
                let detail = format!("link {link} got something else than CONNACK: {other:?}");
                self.fail("wire", detail);
            }
        }
        self.conns[link].output = output[used..].to_vec();
    }

    /// Takes all packets that the broker wrote for a connection; it writes whole ones.
    pub(crate) fn take_output(&mut self, link: LinkId) {
        let output = std::mem::take(&mut self.conns[link].output);
        let mut rest = output.as_slice();
        while !rest.is_empty() {
            match decode(rest, self.conns[link].version, u32::MAX) {
                Ok(Decoded::Packet(packet, len)) => {
                    let (bytes, behind) = rest.split_at(len);
                    rest = behind;
                    let result = wire::check(&self.conns[link], &packet, bytes);
                    self.judge(
                        "wire",
                        result.map_err(|fault| format!("link {link}: {fault}")),
                    );
                    self.on_spoken(link, &packet);
                }
                other => {
                    let detail = format!("link {link}: {other:?} in {rest:02x?}");
                    return self.fail("wire", detail);
                }
            }
        }
    }

    fn on_spoken(&mut self, link: LinkId, packet: &Packet<'_>) {
        if let Packet::Publish(publish) = packet {
            return self.on_delivered(link, publish);
        }
        if let Packet::SubAck(ack) = packet {
            return self.on_suback(link, ack.packet_id.get(), ack.codes);
        }
        if let Packet::PubRel(ack) = packet
            && self.is_resent(link, ack.packet_id.get())
        {
            return;
        }
        self.on_promised(link, packet);
        self.on_refused(link, packet);
        let result = acknowledgement::check(&mut self.conns[link], packet, self.is_durable);
        self.judge(
            "acknowledgement",
            result.map_err(|f| format!("link {link}: {f}")),
        );
    }

    /// The broker has said that it has something.
    fn on_promised(&mut self, link: LinkId, packet: &Packet<'_>) {
        let conn = &mut self.conns[link];
        let packet_id = match packet {
            Packet::PubAck(ack) | Packet::PubRec(ack) => ack.packet_id.get(),
            Packet::UnsubAck(ack) => {
                let filters = conn.unsubscribing.remove(&ack.packet_id.get());
                let session = self.sessions.get_mut(&conn.client_id);
                if let Some(session) = session.filter(|of| of.serial == conn.session) {
                    for filter in filters.unwrap_or_default() {
                        // Another UNSUBSCRIBE may have ended what was subscribed after this one.
                        let mut others = conn.unsubscribing.values();
                        if !others.any(|filters| filters.contains(&filter))
                            && session.leaving.remove(&filter)
                            && conn.says < Said::Durable
                        {
                            session.left.insert(filter, conn.says);
                        }
                    }
                }
                return;
            }
            _ => return,
        };
        let Some(publishing) = conn.publishing.remove(&packet_id) else {
            return;
        };
        if let Some(message) = publishing.id.and_then(|id| self.messages.get_mut(&id)) {
            message.acknowledged = message.acknowledged.max(conn.says);
        }
        if let Some(number) = publishing.retained {
            let says = conn.says;
            self.retained.acknowledged(&publishing.topic, number, says);
        }
    }

    /// A PUBREL that no PUBREC on this connection asked for: one that is sent again on resuming.
    fn is_resent(&self, link: LinkId, packet_id: u16) -> bool {
        let conn = &self.conns[link];
        let session = self.sessions.get(&conn.client_id);
        let sent = session.and_then(|session| session.unsettled.get(&packet_id));
        let is_perhaps =
            session.is_some_and(|of| of.is_loose || of.perhaps.contains_key(&packet_id));
        conn.session_present
            && (is_perhaps || sent.is_some_and(|sent| sent.is_released))
            && !conn
                .answers
                .iter()
                .any(|answer| answer.is_pubrel(packet_id))
    }

    fn on_suback(&mut self, link: LinkId, packet_id: u16, codes: &[u8]) {
        let Some(waiting) = self.conns[link].subscribing.remove(&packet_id) else {
            let detail = format!("link {link}: SUBACK {packet_id} answers no SUBSCRIBE");
            return self.fail("acknowledgement", detail);
        };
        let filters = waiting.filters;
        // MQTT 3.1 has no word for it.
        let has_word = self.conns[link].version != Version::V31;
        let is_answer = |((_, is_denied), code): (&(String, bool), &u8)| match is_denied {
            true if has_word => *code >= 0x80,
            true => *code == 0,
            false => *code <= 2,
        };
        if filters.len() != codes.len() || !filters.iter().zip(codes).all(is_answer) {
            let detail = format!("link {link}: SUBACK {codes:?} for {filters:?}");
            self.fail("acknowledgement", detail);
        }
        let says = self.conns[link].says;
        let client_id = self.conns[link].client_id.clone();
        let Some(session) = self.sessions.get_mut(&client_id) else {
            return;
        };
        session.subscribed = session.subscribed.max(says);
        for (filter, _) in filters.iter().filter(|(_, is_denied)| !is_denied) {
            let is_meant = |known: &&mut Subscription| known.number <= waiting.number;
            if let Some(known) = session.subscriptions.get_mut(filter).filter(is_meant) {
                known.is_acknowledged = true;
                known.sure = known.sure.max(says);
                if known.last == waiting.number {
                    known.settled = says;
                }
            }
            if let Some(known) = session.shared.get_mut(filter).filter(is_meant) {
                known.is_acknowledged = true;
                known.sure = known.sure.max(says);
                self.groups.joined(filter, &client_id);
            }
        }
    }

    fn on_delivered(&mut self, link: LinkId, publish: &Publish<'_>) {
        self.emitted += 1;
        let topic = match self.topic_of(link, publish) {
            Ok(topic) => topic,
            Err(fault) => return self.fail("wire", format!("link {link}: {fault}")),
        };
        let conn = &mut self.conns[link];
        let client_id = conn.client_id.clone();
        let packet_id = publish.packet_id.map(|id| id.get());
        self.truth
            .wrote(&client_id, id_of(publish.payload), packet_id);
        // The same input may have ended the connection, and the session with it.
        let serial = conn.session;
        let session = self.sessions.get_mut(&client_id);
        let Some(session) = session.filter(|session| session.serial == serial) else {
            if conn.phase == Phase::Open {
                self.fail(
                    "session",
                    format!("link {link}: a message without a session"),
                );
            }
            return;
        };
        if session.is_loose {
            if let Some(packet_id) = publish.packet_id {
                conn.on_air.insert(packet_id.get());
            }
            return;
        }
        let has_missed = self.dropped.contains(&(client_id.clone(), topic.clone()));
        let is_shared = session.group_of(&topic).is_some();
        let mut result = window::sent(conn, session, publish, is_shared).map_err(|f| ("window", f));
        if let Some(id) = id_of(publish.payload) {
            match self.messages.get(&id) {
                None => result = Err(("delivery", "a message of nobody".to_owned())),
                Some(message) => {
                    let mut check = |name, outcome: Result<(), String>| {
                        if result.is_ok() {
                            result = outcome.map_err(|fault| (name, fault));
                        }
                    };
                    check(
                        "delivery",
                        delivery::check(session, message, &topic, publish),
                    );
                    check(
                        "access",
                        super::access::check_received(session, id, message),
                    );
                    check(
                        "no_local",
                        crate::checks::no_local::check(&client_id, session, message, publish),
                    );
                    if is_shared {
                        check("share", self.groups.sent(session, id, message, publish));
                    } else {
                        // Accepted once more after a crash, or behind a loss that was said.
                        let is_doubtful = session.has_crashed
                            && (message.extra > 0
                                || (message.first <= self.crashed_at && has_missed));
                        let is_again = session.has_crashed && session.sent.contains_key(&id);
                        check(
                            "exactly_once",
                            exactly_once::sent(session, id, message, publish),
                        );
                        if !is_doubtful {
                            check("order", session.order.sent(message, publish, !is_again));
                        }
                    }
                    delivery::sent(session, id);
                }
            }
        }
        if let Err((check, fault)) = result {
            self.fail(
                check,
                format!("link {link} ({client_id}), topic {topic}: {fault}"),
            );
        }
    }

    /// The topic of a delivery, alias resolved.
    fn topic_of(&mut self, link: LinkId, publish: &Publish<'_>) -> Result<String, String> {
        let conn = &mut self.conns[link];
        let Some(alias) = publish.properties.u16(PropertyId::TopicAlias) else {
            return Ok(publish.topic.to_owned());
        };
        if alias > conn.alias_maximum {
            return Err(format!("alias {alias} above {}", conn.alias_maximum));
        }
        if !publish.topic.is_empty() {
            conn.aliases_out.insert(alias, publish.topic.to_owned());
        }
        let known = conn.aliases_out.get(&alias).cloned();
        known.ok_or_else(|| format!("alias {alias} was never set"))
    }
}
