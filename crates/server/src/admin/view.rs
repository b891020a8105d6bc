//! What several resources show alike.

use std::sync::Arc;

use columba_broker::query::{ConnectionRow, SessionRow, SubscriptionRow, WaitingOn};
use columba_codec::{QoS, Version};
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;

/// A connected client.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientView {
    /// Client id.
    id: Arc<str>,
    /// The user it logged in as.
    user: Option<Arc<str>>,
    /// Its address and port; null over a Unix socket.
    address: Option<String>,
    /// The listener it came in by.
    listener: String,
    /// `3.1`, `3.1.1` or `5.0`.
    protocol: &'static str,
    /// Since when, in milliseconds since 1970.
    connected_unix_ms: u64,
    /// Keep alive in force; 0 for none.
    keep_alive_secs: u32,
    /// How long ago it sent something last.
    silent_ms: u64,
    /// Whether its session outlives the connection.
    is_persistent: bool,
    /// How long; null for ever.
    session_expiry_secs: Option<u32>,
    /// Subscriptions, shared ones included.
    subscriptions: usize,
    /// QoS 1 and 2 messages sent to it and not settled.
    inflight: usize,
    /// How many it may have so.
    receive_maximum: u16,
    /// Messages that wait.
    queued: usize,
    /// Their bytes.
    queued_bytes: usize,
    /// Bytes that wait for its socket.
    output_bytes: usize,
    /// What its messages wait for: `nothing`, `client`, `acknowledgement`, `socket`, `disk` or
    /// `broker`.
    waiting_on: &'static str,
}

/// A session, connected or not.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionView {
    /// Client id.
    id: Arc<str>,
    /// The user it logged in as last.
    user: Option<Arc<str>>,
    /// Its last address.
    address: Option<String>,
    /// Whether it is connected.
    is_online: bool,
    /// Since when it has been, or has not, in milliseconds since 1970.
    since_unix_ms: u64,
    /// How long it outlives its connection; null for ever.
    session_expiry_secs: Option<u32>,
    /// When it ends, unless its client comes back, in milliseconds since 1970.
    expires_unix_ms: Option<u64>,
    /// Subscriptions, shared ones included.
    subscriptions: usize,
    /// QoS 1 and 2 messages sent to it and not settled.
    inflight: usize,
    /// Messages that wait.
    queued: usize,
    /// Their bytes.
    queued_bytes: usize,
    /// What its messages wait for.
    waiting_on: &'static str,
}

/// A subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SubscriptionView {
    /// Whose.
    client: Arc<str>,
    /// Its filter as it was subscribed, with `$share/NAME/` if it is shared.
    subscription: String,
    /// The filter alone.
    filter: Arc<str>,
    /// The share name.
    group: Option<Arc<str>>,
    /// Granted QoS.
    qos: u8,
    /// The client does not get its own messages.
    no_local: bool,
    /// RETAIN comes as it was published.
    retain_as_published: bool,
    /// Subscription Identifier.
    identifier: Option<u32>,
    /// Whether the client is connected.
    is_online: bool,
    /// When it was last subscribed, with these options, in milliseconds since 1970; null if that was before the broker started.
    subscribed_unix_ms: Option<u64>,
    /// Messages that it matched since it began, or since the broker started; of a shared one those that
    /// its group gave to it.
    matched: u64,
    /// When the last of them came, in milliseconds since 1970; null if none did.
    last_matched_unix_ms: Option<u64>,
}

impl ClientView {
    /// `None` if it is not connected.
    pub(super) fn new(app: &App, row: &SessionRow) -> Option<Self> {
        let connection: ConnectionRow = row.connection?;
        Some(Self {
            id: Arc::clone(&row.key.client_id),
            user: row.user.clone(),
            address: connection.addr.map(|addr| addr.to_string()),
            listener: app
                .asker
                .shared
                .listener(connection.listener)
                .name()
                .to_owned(),
            protocol: protocol(connection.version),
            connected_unix_ms: row.since_unix_ms,
            keep_alive_secs: connection.keep_alive_secs,
            silent_ms: connection.silent_ms,
            is_persistent: row.expiry_secs > 0,
            session_expiry_secs: (row.expiry_secs != u32::MAX).then_some(row.expiry_secs),
            subscriptions: row.subscriptions,
            inflight: row.inflight,
            receive_maximum: connection.receive_maximum,
            queued: row.queued,
            queued_bytes: row.queued_bytes,
            output_bytes: connection.output_bytes,
            waiting_on: row.waiting_on.name(),
        })
    }
}

impl From<SessionRow> for SessionView {
    fn from(row: SessionRow) -> Self {
        Self {
            is_online: row.connection.is_some(),
            id: row.key.client_id,
            user: row.user,
            address: row.addr.map(|addr| addr.to_string()),
            since_unix_ms: row.since_unix_ms,
            session_expiry_secs: (row.expiry_secs != u32::MAX).then_some(row.expiry_secs),
            expires_unix_ms: row.expires_unix_ms,
            subscriptions: row.subscriptions,
            inflight: row.inflight,
            queued: row.queued,
            queued_bytes: row.queued_bytes,
            waiting_on: row.waiting_on.name(),
        }
    }
}

impl From<SubscriptionRow> for SubscriptionView {
    fn from(row: SubscriptionRow) -> Self {
        let key = row.key;
        Self {
            subscription: match &key.group {
                Some(group) => format!("$share/{group}/{}", key.filter),
                None => key.filter.to_string(),
            },
            client: key.client_id,
            filter: key.filter,
            group: key.group,
            qos: row.qos as u8,
            no_local: row.no_local,
            retain_as_published: row.retain_as_published,
            identifier: (row.identifier != 0).then_some(row.identifier),
            is_online: row.is_online,
            subscribed_unix_ms: row.subscribed_unix_ms,
            matched: row.matched,
            last_matched_unix_ms: row.last_matched_unix_ms,
        }
    }
}

/// The protocol in words.
const fn protocol(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5.0",
    }
}

/// What a word means.
pub(super) fn waiting_on(word: &str) -> Option<WaitingOn> {
    WaitingOn::ALL.into_iter().find(|of| of.name() == word)
}

/// A QoS as a number of MQTT.
pub(super) fn qos(number: u8) -> Option<QoS> {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]
        .into_iter()
        .find(|qos| *qos as u8 == number)
}
