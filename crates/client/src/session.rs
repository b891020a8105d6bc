//! The client's side of MQTT as a state machine: bytes and requests in, bytes and outcomes out.
//!
//! ```text
//!            TransportOpened               CONNACK accepts
//!  Closed ------------------> Connecting -------------------> Open
//!    ^                            |                             |
//!    +---- refused, timeout ------+     DISCONNECT, lost, fault |
//!    +----------------------------------------------------------+
//! ```
//!
//! [`Session`] outlives its connections: what the standard calls the client's session state (sent
//! and unacknowledged messages, received QoS 2 packet ids) stays in it and goes on with the next
//! [`Input::TransportOpened`]. It does no IO and owns no clock. A session of [`Session::kept`] also
//! outlives the process, if its records are kept.

mod acknowledge;
mod aliases;
mod authenticate;
mod goodbye;
mod hold;
mod inbound;
mod keep;
mod receive;
mod request;
mod subscriptions;
mod watch;
mod window;

use std::collections::{BTreeMap, VecDeque};

use columba_codec::packet::{Disconnect, Packet, SubscribeOptions};
use columba_codec::{
    DecodeError, Decoded, PacketId, PacketType, Properties, PropertiesBuf, QoS, ReasonCode,
    Version, decode,
};

use crate::message::{Incoming, Message};
use crate::options::SessionOptions;
use crate::outcome::{Accepted, Answer, CloseCause, Failure, FilterAnswer, OtherProtocol};
pub use acknowledge::Receipt;
use acknowledge::Unacknowledged;
#[cfg(feature = "tokio")]
pub(crate) use acknowledge::acknowledgement_of;
use aliases::OutgoingAliases;
use inbound::{Arrivals, IncomingAliases, ReceivedIds};
use keep::Keep;
pub use keep::RecordError;
use request::{Asked, Request};
use subscriptions::Subscriptions;
pub use watch::PacketWatcher;
use window::{PacketIds, Window};

/// Memory that stays for packets that come in pieces.
const KEPT_INCOMING_BYTES: usize = 64 * 1024;

/// A number that the caller gives a request, to know its outcome by.
pub type Token = u64;

/// What happens to a session. Time comes beside it, in milliseconds that never go back.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A transport to the server is there: introduce yourself.
    TransportOpened {
        /// Clean Start (MQTT 3: Clean Session): drop the session on both sides.
        clean_start: bool,
    },
    /// Bytes from the server, cut anywhere.
    Received(&'a [u8]),
    /// The transport is gone.
    TransportClosed,
    /// The time of [`Session::next_deadline`] has come.
    DeadlineReached {
        /// Whether received bytes are being passed on. If not, no answer of the server counts as
        /// missing.
        listening: bool,
    },
    /// Publish a message. Ends in [`Output::Published`] or [`Output::Failed`].
    Publish {
        /// Names the request.
        token: Token,
        /// The message. At QoS 1 and 2 it may be given without a connection.
        message: Message,
    },
    /// Subscribe. Ends in [`Output::Subscribed`] or [`Output::Failed`].
    Subscribe {
        /// Names the request.
        token: Token,
        /// What to.
        subscription: Subscription,
    },
    /// Unsubscribe. Ends in [`Output::Unsubscribed`] or [`Output::Failed`].
    Unsubscribe {
        /// Names the request.
        token: Token,
        /// The topic filters, at least one.
        filters: Vec<String>,
        /// User Properties (MQTT 5).
        user_properties: Vec<(String, String)>,
    },
    /// Acknowledge a message that waits for it. With a code that is an error it is refused (MQTT 5).
    ///
    /// Acknowledgements go out in the order in which the messages came, so one waits for those of
    /// earlier messages. One for a message of an earlier connection does nothing.
    Acknowledge {
        /// Of the message.
        receipt: Receipt,
        /// Success, or why the message is refused. In the place of a code that PUBACK and PUBREC do not
        /// have ([`ReasonCode::is_allowed_in`]), Unspecified error goes out, or Success if it is no error.
        reason: ReasonCode,
    },
    /// Answer [`Output::Challenged`] with an AUTH.
    AnswerChallenge {
        /// Authentication Data.
        data: &'a [u8],
    },
    /// Authenticate again, on an open connection and with the method of CONNECT. Ends in
    /// [`Output::Authenticated`] or [`Output::NotReauthenticated`], or with the connection.
    Reauthenticate {
        /// Authentication Data.
        data: &'a [u8],
    },
    /// Leave a server that failed to authenticate itself, or whose challenge has no answer.
    RefuseServer {
        /// A sentence that says why.
        why: String,
    },
    /// Leave with a DISCONNECT.
    Disconnect {
        /// Success, or Disconnect with Will Message (MQTT 5), or why. In the place of a code that a client
        /// may not leave with, Unspecified error goes out, or Success if it is no error.
        reason: ReasonCode,
    },
}

/// A SUBSCRIBE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The topic filters with their options, at least one.
    pub filters: Vec<(String, SubscribeOptions)>,
    /// Subscription Identifier (MQTT 5).
    pub identifier: Option<u32>,
    /// User Properties (MQTT 5).
    pub user_properties: Vec<(String, String)>,
}

impl Subscription {
    /// To one topic filter.
    pub fn to(filter: impl Into<String>, qos: QoS) -> Self {
        Self {
            filters: vec![(filter.into(), SubscribeOptions::from_qos(qos))],
            ..Self::default()
        }
    }
}

/// What a session has to say, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// CONNACK accepted.
    Connected(Box<Accepted>),
    /// A message came. Its acknowledgement, if any, is among the bytes to transmit; who wants to
    /// have the message safe first, hands it over before writing them.
    // Boxed, as it moves from queue to queue on its way to the application: copying its two hundred bytes
    // each time takes longer than to allocate them.
    Message(Box<Incoming>),
    /// QoS 0: the packet is among the bytes to transmit. QoS 1 and 2: the server took the message
    /// or refused it (MQTT 5; see the code).
    Published {
        /// Of the request.
        token: Token,
        /// The server's word; Success at QoS 0.
        answer: Answer,
    },
    /// The server's answer to a SUBSCRIBE; a code per filter, some may be refusals.
    Subscribed {
        /// Of the request.
        token: Token,
        /// The server's word.
        answer: FilterAnswer,
    },
    /// The server had lost a subscription and was asked for it again; its word. A refusal ends the
    /// subscription.
    Resubscribed {
        /// The topic filters.
        filters: Vec<String>,
        /// The server's word.
        answer: FilterAnswer,
    },
    /// The server had lost a subscription and cannot be asked for it again. It has ended.
    NotResubscribed {
        /// The topic filters.
        filters: Vec<String>,
        /// Why.
        failure: Failure,
    },
    /// The server's answer to an UNSUBSCRIBE.
    Unsubscribed {
        /// Of the request.
        token: Token,
        /// The server's word.
        answer: FilterAnswer,
    },
    /// The request has no other outcome than this.
    Failed {
        /// Of the request.
        token: Token,
        /// Why.
        failure: Failure,
    },
    /// AUTH: the server wants to know more. Answer with [`Input::AnswerChallenge`].
    Challenged {
        /// Authentication Data.
        data: Option<Vec<u8>>,
    },
    /// The server has accepted the authentication: after [`Output::Connected`] of a connection
    /// with an Authentication Method, and when it was done again.
    Authenticated {
        /// Authentication Data, with which the server may prove who it is.
        data: Option<Vec<u8>>,
    },
    /// Authenticating again has not begun.
    NotReauthenticated(Failure),
    /// The connection is over. Transmit what there is and close the transport.
    Closed(CloseCause),
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Session {
    options: SessionOptions,
    state: State,
    timers: Timers,
    packet_ids: PacketIds,
    window: Window,
    backlog: VecDeque<(Token, Message)>,
    requests: BTreeMap<PacketId, Request>,
    subscriptions: Subscriptions,
    reauthenticating: bool,
    /// The server has acknowledged a message at QoS 2.
    has_pubrec: bool,
    received_ids: ReceivedIds,
    arrivals: Arrivals,
    unacknowledged: Unacknowledged,
    incoming_aliases: IncomingAliases,
    outgoing_aliases: OutgoingAliases,
    /// Only if the session is to outlive the process.
    keep: Option<Keep>,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// PUBACK and PUBREC that are held back.
    held: Vec<u8>,
    holds_acknowledgements: bool,
    /// Memory for the properties of a PUBLISH on its way out.
    properties: PropertiesBuf,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Connecting {
        clean_start: bool,
        deadline_millis: u64,
    },
    Open(Limits),
}

/// What the server allows on this connection, and this client itself.
#[derive(Clone, Copy, Debug)]
struct Limits {
    inflight_messages_max: usize,
    packet_bytes_max: u32,
    maximum_qos: QoS,
    retain_available: bool,
    wildcards_available: bool,
    subscription_identifiers_available: bool,
    shared_subscriptions_available: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Timers {
    now_millis: u64,
    last_sent_millis: u64,
    last_received_millis: u64,
    /// When the oldest unanswered PINGREQ was sent, or the last sign of life since.
    ping_millis: Option<u64>,
    /// Silence after which a PINGREQ goes out; 0 for never.
    ping_after_millis: u64,
}

impl Session {
    /// A session without a connection and without a past.
    pub fn new(options: SessionOptions) -> Self {
        Self {
            options,
            state: State::Closed,
            timers: Timers::default(),
            packet_ids: PacketIds::default(),
            window: Window::default(),
            backlog: VecDeque::new(),
            requests: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            reauthenticating: false,
            has_pubrec: false,
            received_ids: ReceivedIds::default(),
            arrivals: Arrivals::default(),
            unacknowledged: Unacknowledged::default(),
            incoming_aliases: IncomingAliases::default(),
            outgoing_aliases: OutgoingAliases::default(),
            keep: None,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            held: Vec::new(),
            holds_acknowledgements: false,
            properties: PropertiesBuf::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input. Drain [`Self::poll`] and [`Self::transmit`] after it.
    pub fn handle(&mut self, now_millis: u64, input: Input<'_>) {
        self.timers.now_millis = self.timers.now_millis.max(now_millis);
        match input {
            Input::TransportOpened { clean_start } => self.on_transport_opened(clean_start),
            Input::Received(bytes) => self.on_received(bytes),
            Input::TransportClosed => self.on_transport_closed(),
            Input::DeadlineReached { listening } => self.on_deadline(listening),
            Input::Publish { token, message } => self.publish(token, message),
            Input::Subscribe {
                token,
                subscription,
            } => self.subscribe(token, subscription),
            Input::Unsubscribe {
                token,
                filters,
                user_properties,
            } => {
                self.unsubscribe(token, &filters, &user_properties);
            }
            Input::Acknowledge { receipt, reason } => self.acknowledge(receipt, reason),
            Input::AnswerChallenge { data } => self.answer_challenge(data),
            Input::Reauthenticate { data } => self.reauthenticate(data),
            Input::RefuseServer { why } => self.refuse_server(why),
            Input::Disconnect { reason } => self.disconnect(reason),
        }
    }

    /// The next thing the session has to say.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Moves the bytes for the server to the end of `out`.
    pub fn transmit(&mut self, out: &mut Vec<u8>) {
        self.show_sent();
        out.append(&mut self.outgoing);
    }

    /// When [`Input::DeadlineReached`] is due, if nothing else happens.
    pub fn next_deadline(&self) -> Option<u64> {
        match self.state {
            State::Closed => None,
            State::Connecting {
                deadline_millis, ..
            } => Some(deadline_millis),
            State::Open(_) => self.timers.next_deadline(self.response_millis()),
        }
    }

    /// Whether the server has accepted the connection and it still stands.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether there is neither a connection nor one on its way.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether a message at QoS 1 or 2 would be taken now.
    pub fn has_room(&self) -> bool {
        self.backlog.len() < self.options.backlog_messages_max
            || self.options.backlog_messages_max == 0 && self.can_send_now().is_some()
    }

    /// Whether every request has had its outcome.
    pub fn is_idle(&self) -> bool {
        self.window.is_empty()
            && self.backlog.is_empty()
            && self.requests.is_empty()
            && !self.subscriptions.has_due()
    }

    /// Messages of this client at QoS 1 and 2 that have had no outcome yet.
    pub fn unfinished_messages(&self) -> usize {
        self.window.len() + self.backlog.len()
    }

    /// Whether messages at QoS 2 have gone to a server that may have no QoS 2: it has never
    /// acknowledged one, and MQTT 3 has no word for it.
    pub fn doubts_qos_2(&self) -> bool {
        let mut published = self.window.published();
        !self.options.version.has_properties()
            && !self.has_pubrec
            && published.any(|entry| entry.message.qos == QoS::ExactlyOnce)
    }

    /// The options it was made from, with the client id that the server has assigned, if it has.
    pub fn options(&self) -> &SessionOptions {
        &self.options
    }

    fn on_transport_opened(&mut self, clean_start: bool) {
        self.on_transport_closed();
        self.outgoing.clear();
        self.incoming.clear();
        if clean_start {
            self.drop_session();
        }
        if let Err(failure) = self.options.encode_connect(clean_start, &mut self.outgoing) {
            self.close(CloseCause::Options(failure));
            return;
        }
        self.timers.connected_at_now();
        let deadline_millis = self
            .timers
            .now_millis
            .saturating_add(self.response_millis());
        self.state = State::Connecting {
            clean_start,
            deadline_millis,
        };
    }

    fn on_transport_closed(&mut self) {
        match self.state {
            State::Closed => {}
            State::Connecting { .. } => self.close(CloseCause::LostBeforeAccepted),
            State::Open(_) => self.close(CloseCause::Lost),
        }
    }

    fn on_received(&mut self, bytes: &[u8]) {
        self.timers.heard();
        if self.incoming.is_empty() {
            let used = self.take_packets(bytes);
            self.incoming
                .extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            let mut incoming = std::mem::take(&mut self.incoming);
            incoming.extend_from_slice(bytes);
            let used = self.take_packets(&incoming);
            incoming.drain(..used);
            // A large packet does not leave its memory behind.
            if incoming.is_empty() {
                incoming.shrink_to(KEPT_INCOMING_BYTES);
            }
            self.incoming = incoming;
        }
        if matches!(self.state, State::Closed) {
            self.incoming.clear();
        } else {
            self.pump();
        }
    }

    /// Takes the whole packets that there are, and says how many bytes they had.
    fn take_packets(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while !matches!(self.state, State::Closed) {
            match self.decode(bytes.get(used..).unwrap_or_default()) {
                Ok(Decoded::Packet(packet, len)) => {
                    used += len;
                    self.show_received(&packet);
                    if let Err(violation) = self.on_packet(&packet) {
                        self.fail(CloseCause::Violation(violation), violation.reason());
                    }
                }
                Ok(Decoded::Incomplete { .. }) => break,
                Err(error) => {
                    let version = self.options.version;
                    let first = bytes.get(used..).filter(|_| !self.is_open());
                    let cause = match first.and_then(OtherProtocol::of) {
                        Some(other) => CloseCause::OtherProtocol(other),
                        None => CloseCause::Malformed { error, version },
                    };
                    self.fail(cause, error.reason());
                }
            }
        }
        used
    }

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Decoded<'a>, DecodeError> {
        let version = self.options.version;
        let limit = self.options.packet_bytes_max();
        let decoded = decode(bytes, version, limit);
        // A server without MQTT 5 refuses in the form of MQTT 3.1.1 (there: MQTT-3.1.2-2).
        if decoded.is_err() && version == Version::V5 && !self.is_open() {
            let older = decode(bytes, Version::V311, limit);
            if let Ok(Decoded::Packet(Packet::ConnAck(connack), _)) = &older
                && connack.reason.is_error()
            {
                return older;
            }
        }
        decoded
    }

    fn on_deadline(&mut self, listening: bool) {
        let now = self.timers.now_millis;
        match self.state {
            State::Closed => {}
            State::Connecting {
                deadline_millis, ..
            } => {
                if now >= deadline_millis {
                    self.close(CloseCause::ConnectTimeout);
                }
            }
            State::Open(_) => {
                if !listening && self.timers.ping_millis.is_some() {
                    self.timers.ping_millis = Some(now);
                }
                if self.timers.answer_is_missing(self.response_millis()) {
                    self.close(CloseCause::PingTimeout);
                } else if self.timers.ping_is_due() {
                    self.timers.ping_millis.get_or_insert(now);
                    self.send(&Packet::PingReq);
                }
            }
        }
    }

    /// Ends the connection over a fault of the server's, and tells it where MQTT can.
    fn fail(&mut self, cause: CloseCause, reason: ReasonCode) {
        if self.is_open() && self.options.version.has_reason_codes() {
            // Reading a CONNECT has faults of its own, whose codes belong into CONNACK.
            let reason = if reason.is_allowed_in(PacketType::Disconnect) {
                reason
            } else {
                ReasonCode::ProtocolError
            };
            self.send(&Packet::Disconnect(Disconnect {
                reason,
                properties: Properties::EMPTY,
            }));
        }
        self.close(cause);
    }

    /// Ends the connection: what belongs to it goes, what belongs to the session stays.
    fn close(&mut self, cause: CloseCause) {
        self.state = State::Closed;
        self.incoming.clear();
        self.held.clear();
        self.incoming_aliases.clear();
        self.reauthenticating = false;
        self.forget_unacknowledged();
        for (packet_id, request) in std::mem::take(&mut self.requests) {
            self.packet_ids.free(packet_id);
            match (request.asked, request.token) {
                (Asked::Subscribe(subscription), token) if self.options.recovers_lost_session => {
                    self.subscriptions.put_due(token, subscription);
                }
                (_, Some(token)) => self.fail_request(token, Failure::ConnectionLost),
                (_, None) => {}
            }
        }
        self.outputs.push_back(Output::Closed(cause));
    }

    /// Forgets the session state (`MQTT-3.1.2-4`, `MQTT-3.2.2-5`). What was never sent is no part
    /// of it and stays.
    fn drop_session(&mut self) {
        self.received_ids.clear();
        self.keep_incoming_cleared();
        self.subscriptions.session_lost();
        let mut again = Vec::new();
        for (packet_id, token, message) in self.window.clear() {
            self.packet_ids.free(packet_id);
            match message {
                Some(message)
                    if self.options.recovers_lost_session && message.qos == QoS::AtLeastOnce =>
                {
                    self.keep_unsent(token);
                    again.push((token, message));
                }
                _ => self.fail_request(token, Failure::SessionLost),
            }
        }
        // They were first, and stay it; beyond the backlog's limit, since they were taken before.
        for entry in again.into_iter().rev() {
            self.backlog.push_front(entry);
        }
    }

    fn fail_request(&mut self, token: Token, failure: Failure) {
        self.keep_done(token);
        self.outputs.push_back(Output::Failed { token, failure });
    }

    /// Sends a packet of the protocol's own, which always has an encoding.
    fn send(&mut self, packet: &Packet<'_>) {
        let encoded = packet.encode(self.options.version, &mut self.outgoing);
        assert!(encoded.is_ok(), "a packet without texts always encodes");
        self.timers.last_sent_millis = self.timers.now_millis;
    }

    fn response_millis(&self) -> u64 {
        u64::try_from(self.options.response_timeout.as_millis()).unwrap_or(u64::MAX)
    }

    fn receive_maximum(&self) -> u16 {
        self.options.properties.receive_maximum.unwrap_or(u16::MAX)
    }
}

impl Limits {
    fn new(options: &SessionOptions, accepted: &Accepted) -> Self {
        Self {
            inflight_messages_max: usize::from(
                accepted
                    .receive_maximum
                    .min(options.inflight_messages_max)
                    .max(1),
            ),
            packet_bytes_max: accepted.packet_bytes_max,
            maximum_qos: accepted.maximum_qos,
            retain_available: accepted.retain_available,
            wildcards_available: accepted.wildcards_available,
            subscription_identifiers_available: accepted.subscription_identifiers_available,
            shared_subscriptions_available: accepted.shared_subscriptions_available,
        }
    }

    /// Whether the server said that it takes such a message (`MQTT-3.2.2-11`, `MQTT-3.2.2-14`).
    fn admit(&self, message: &Message) -> Result<(), Failure> {
        if message.qos > self.maximum_qos {
            return Err(Failure::QosAbove(self.maximum_qos));
        }
        if message.retain && !self.retain_available {
            return Err(Failure::RetainNotAvailable);
        }
        Ok(())
    }

    fn admit_size(&self, size: usize) -> Result<(), Failure> {
        if size as u64 > u64::from(self.packet_bytes_max) {
            return Err(Failure::PacketTooLarge {
                size,
                limit: self.packet_bytes_max,
            });
        }
        Ok(())
    }
}

impl Timers {
    fn connected_at_now(&mut self) {
        self.last_sent_millis = self.now_millis;
        self.last_received_millis = self.now_millis;
        self.ping_millis = None;
        self.ping_after_millis = 0;
    }

    /// A tenth of the keep alive is left for the way to the server (`MQTT-3.1.2-20`).
    fn keep_alive(&mut self, keep_alive_secs: u16) {
        self.ping_after_millis = u64::from(keep_alive_secs) * 900;
    }

    fn heard(&mut self) {
        self.last_received_millis = self.now_millis;
        if self.ping_millis.is_some() {
            self.ping_millis = Some(self.now_millis);
        }
    }

    /// Silence of the server asks for a sign of life as well as our own, or a client that only
    /// publishes at QoS 0 would never notice a dead connection.
    fn ping_due_millis(&self) -> u64 {
        let since = match self.ping_millis {
            Some(_) => self.last_sent_millis,
            None => self.last_sent_millis.min(self.last_received_millis),
        };
        since.saturating_add(self.ping_after_millis)
    }

    fn ping_is_due(&self) -> bool {
        self.ping_after_millis > 0 && self.now_millis >= self.ping_due_millis()
    }

    fn answer_is_missing(&self, response_millis: u64) -> bool {
        self.ping_millis
            .is_some_and(|sent| self.now_millis >= sent.saturating_add(response_millis))
    }

    fn next_deadline(&self, response_millis: u64) -> Option<u64> {
        if self.ping_after_millis == 0 {
            return None;
        }
        let answer = self
            .ping_millis
            .map(|sent| sent.saturating_add(response_millis));
        Some(self.ping_due_millis().min(answer.unwrap_or(u64::MAX)))
    }
}
