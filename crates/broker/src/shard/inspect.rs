//! What operators are shown of a session.

use std::sync::Arc;

use super::Shard;
use super::query::shared;
use crate::id::ConnectionId;
use crate::message::{Message, NEVER_MS};
use crate::query::{
    Answer, ConnectionRow, DETAIL_ROWS_MAX, InflightRow, QueuedRow, SessionDetail, SessionKey,
    SessionOrder, SessionRow, SubscriptionKey, SubscriptionRow, SubscriptionsQuery, WaitingOn,
    WillRow,
};
use crate::recorder::is_found;
use crate::routing::FilterId;
use crate::session::queue::Delivery;
use crate::session::{Membership, Session};
use crate::shard::scan::{Top, is_wanted};

impl Shard {
    /// Where a session stands in an order.
    pub(super) fn key_of(
        &self,
        session: &Session,
        order: SessionOrder,
        is_descending: bool,
    ) -> SessionKey {
        let value = self.value_of(session, order);
        SessionKey {
            rank: if is_descending { !value } else { value },
            client_id: Arc::clone(&session.client_id),
            is_reversed: is_descending && order == SessionOrder::ClientId,
        }
    }

    /// What a session is sorted by. Times are those of the clock that never goes back: the other one, and so
    /// every place in the order, would shift between two pages.
    fn value_of(&self, session: &Session, order: SessionOrder) -> u64 {
        let queue = session.queue.as_ref();
        let connection = || session.connection.and_then(|id| self.connection(id));
        // What was before the start of the process is below 0.
        let in_order = |ms: i64| (ms as u64) ^ (1 << 63);
        match order {
            SessionOrder::ClientId => 0,
            SessionOrder::Queued => queue.map_or(0, |queue| queue.len()) as u64,
            SessionOrder::QueuedBytes => queue.map_or(0, |queue| queue.bytes()) as u64,
            SessionOrder::Inflight => inflight_of(session) as u64,
            SessionOrder::Since => in_order(session.since_ms),
            SessionOrder::Subscriptions => session.subscription_count() as u64,
            SessionOrder::OutputBytes => connection().map_or(0, |of| of.output_len()) as u64,
            SessionOrder::Silent => {
                let last = connection().map(|of| of.last_received_ms as i64);
                !in_order(last.unwrap_or(session.since_ms))
            }
        }
    }

    /// What the messages of a session wait for.
    pub(super) fn waiting_on(&self, session: &Session) -> WaitingOn {
        let has_queue = session.queue.as_ref().is_some_and(|of| !of.is_empty());
        let window = session.window.as_deref();
        let connection = session
            .connection
            .and_then(|id| Some((id, self.connection(id)?)));
        let Some((id, connection)) = connection else {
            let has_any = has_queue || window.is_some_and(|window| window.len() > 0);
            return if has_any {
                WaitingOn::Client
            } else {
                WaitingOn::Nothing
            };
        };
        if connection.output_len() >= self.limits.output_bytes_max {
            return WaitingOn::Socket;
        }
        if window.is_some_and(|window| window.has_held()) {
            return WaitingOn::Disk;
        }
        if connection.is_input_held {
            return if self.is_held_for_store(id) {
                WaitingOn::Disk
            } else {
                WaitingOn::Broker
            };
        }
        let bytes_max = self.limits.inflight_bytes_max;
        let is_full =
            window.is_some_and(|window| !window.has_room(connection.receive_maximum, bytes_max));
        if (has_queue || session.replays.is_some()) && is_full {
            return WaitingOn::Acknowledgement;
        }
        if has_queue || session.replays.is_some() {
            return WaitingOn::Broker;
        }
        match window.map_or(0, |window| window.len()) {
            0 if self.is_answer_held(connection) => WaitingOn::Disk,
            0 => WaitingOn::Nothing,
            _ => WaitingOn::Acknowledgement,
        }
    }

    pub(super) fn row_of(&self, slot: u32, key: SessionKey) -> Option<SessionRow> {
        let session = self.session(slot)?;
        let connection = session.connection.and_then(|id| self.connection_row(id));
        let queue = session.queue.as_ref();
        let expires = session.expires_at_ms();
        Some(SessionRow {
            key,
            user: session.identity.user.clone(),
            addr: session.addr,
            since_unix_ms: self.unix_ms_of(session.since_ms),
            connection,
            expiry_secs: session.expiry_secs,
            expires_unix_ms: expires.and_then(|at_ms| self.expires_unix_ms(at_ms)),
            subscriptions: session.subscription_count(),
            queued: queue.map_or(0, |queue| queue.len()),
            queued_bytes: queue.map_or(0, |queue| queue.bytes()),
            inflight: inflight_of(session),
            waiting_on: self.waiting_on(session),
        })
    }

    fn connection_row(&self, id: ConnectionId) -> Option<ConnectionRow> {
        let connection = self.connection(id)?;
        Some(ConnectionRow {
            id,
            addr: connection.peer.addr,
            listener: connection.peer.listener,
            version: connection.version,
            keep_alive_secs: u32::from(connection.keep_alive_secs),
            silent_ms: self.now.mono_ms.saturating_sub(connection.last_received_ms),
            receive_maximum: connection.receive_maximum,
            packet_bytes_max: connection.packet_bytes_max_out,
            output_bytes: connection.output_len(),
        })
    }

    /// All about a session.
    pub(super) fn detail_of(&self, slot: u32) -> Option<SessionDetail> {
        let session = self.session(slot)?;
        let key = self.key_of(session, SessionOrder::ClientId, false);
        let row = self.row_of(slot, key)?;
        let connection = session.connection.and_then(|id| self.connection(id));
        let query = SubscriptionsQuery::default();
        let mut top = Top::new(DETAIL_ROWS_MAX, None);
        self.offer_subscriptions(session, &query, &mut top);
        let inflight = session.window.as_ref().map(|window| {
            let rows = window.open().take(DETAIL_ROWS_MAX);
            rows.map(|(id, delivery, step)| InflightRow {
                packet_id: id.get(),
                step,
                message: self.queued_row(delivery),
            })
            .collect()
        });
        let oldest = session.queue.as_ref().and_then(|queue| queue.front());
        Some(SessionDetail {
            row,
            groups: session.identity.groups.clone(),
            certificate: connection.and_then(|of| of.peer.certificate.clone()),
            subscriptions: top.into_page().rows,
            inflight: inflight.unwrap_or_default(),
            oldest: oldest.map(|delivery| self.queued_row(delivery)),
            unreleased: session
                .received
                .as_ref()
                .map_or(0, |received| received.len()),
            will: session.will.as_ref().map(|will| WillRow {
                topic: shared(will.message.topic()),
                qos: will.message.head().qos,
                retain: will.message.head().retain,
                payload_bytes: will.message.payload().len(),
                delay_secs: will.delay_secs,
            }),
            is_durable: session.durable.is_some(),
        })
    }

    fn queued_row(&self, delivery: &Delivery) -> QueuedRow {
        let message = self.outline_of(delivery);
        let expires_at_ms = message.map_or(NEVER_MS, |message| message.head().expires_at_ms);
        let was_found = message.is_some_and(|message| is_found(message.head().number));
        let mut kept = delivery.kept.iter();
        QueuedRow {
            topic: shared(message.map_or("", Message::topic)),
            qos: delivery.qos,
            size_bytes: delivery.message_bytes as usize,
            expires_unix_ms: self.expires_unix_ms(expires_at_ms),
            is_found: was_found || kept.any(|of| self.kept.is_found(of.message)),
        }
    }

    /// A page of one client's subscriptions.
    pub(super) fn subscriptions_of(&self, client_id: &str, query: SubscriptionsQuery) -> Answer {
        let mut top = Top::new(query.rows_max, query.after.clone());
        if let Some(session) = self.slot_of(client_id).and_then(|slot| self.session(slot)) {
            self.offer_subscriptions(session, &query, &mut top);
        }
        Answer::Subscriptions(top.into_page())
    }

    /// Offers those subscriptions of a session that are wanted. Returns how many it looked at.
    pub(super) fn offer_subscriptions(
        &self,
        session: &Session,
        query: &SubscriptionsQuery,
        top: &mut Top<SubscriptionKey, SubscriptionRow>,
    ) -> usize {
        let own = session.subscriptions.iter().flat_map(|map| map.iter());
        for (id, position) in own {
            if let Some(row) = self.own_subscription(session, *id, *position, query) {
                top.offer(row.key.clone(), row);
            }
        }
        for membership in session.memberships.iter() {
            let (filter, group) = (&membership.filter, Some(&*membership.group));
            if is_wanted(query, filter, group) {
                let row = self.shared_subscription(session, membership);
                top.offer(row.key.clone(), row);
            }
        }
        session.subscription_count()
    }

    fn own_subscription(
        &self,
        session: &Session,
        id: FilterId,
        position: u32,
        query: &SubscriptionsQuery,
    ) -> Option<SubscriptionRow> {
        let filter = self.filters.get(id)?;
        if !is_wanted(query, &filter.text, None) {
            return None;
        }
        let subscriber = filter.local.get(position as usize)?;
        let (matched, last_ms) = filter.matched_of(subscriber);
        Some(SubscriptionRow {
            key: SubscriptionKey {
                client_id: Arc::clone(&session.client_id),
                filter: Arc::clone(&filter.text),
                group: None,
            },
            qos: subscriber.qos,
            no_local: subscriber.no_local,
            retain_as_published: subscriber.retain_as_published,
            identifier: subscriber.identifier,
            is_online: session.is_online(),
            subscribed_unix_ms: self.subscribed_of(subscriber.since_ms),
            matched,
            last_matched_unix_ms: self.last_of(matched, last_ms),
        })
    }

    fn shared_subscription(&self, session: &Session, membership: &Membership) -> SubscriptionRow {
        SubscriptionRow {
            key: SubscriptionKey {
                client_id: Arc::clone(&session.client_id),
                filter: Arc::clone(&membership.filter),
                group: Some(Arc::clone(&membership.group)),
            },
            qos: membership.qos,
            no_local: false,
            retain_as_published: membership.retain_as_published,
            identifier: membership.identifier,
            is_online: session.is_online(),
            subscribed_unix_ms: self.subscribed_of(membership.since_ms),
            matched: membership.taken,
            last_matched_unix_ms: self.last_of(membership.taken, membership.last_taken_ms),
        }
    }

    fn subscribed_of(&self, since_ms: u64) -> Option<u64> {
        (since_ms > 0).then(|| self.unix_ms_of(since_ms as i64))
    }

    fn last_of(&self, matched: u64, last_ms: u64) -> Option<u64> {
        (matched > 0).then(|| self.unix_ms_of(last_ms as i64))
    }
}

/// QoS 1 and 2 messages that are not settled.
fn inflight_of(session: &Session) -> usize {
    session.window.as_ref().map_or(0, |window| window.len())
}
