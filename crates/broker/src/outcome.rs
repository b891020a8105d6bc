//! THE reason vocabulary: every accept, drop, denial and delay has one variant here. Counters,
//! `$SYS`, logs and whatever explains a lost message later use these names and no others.

/// What an outcome means for the message, packet or connection concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effectively {
    /// It went on its way.
    Accepted,
    /// It was refused, and whoever sent it could be told.
    Denied,
    /// It was lost on purpose.
    Dropped,
    /// It waits.
    Delayed,
    /// A connection or session ended.
    Ended,
}

macro_rules! outcomes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $effectively:ident;)*) => {
        /// One way that a publish, a delivery, a subscription or a connection can go.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Outcome { $($(#[$doc])* $name,)* }

        impl Outcome {
            /// All outcomes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable dotted name: `stage.reason`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The outcome with a name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)* _ => None }
            }

            /// What it means.
            pub const fn effectively(self) -> Effectively {
                match self { $(Self::$name => Effectively::$effectively,)* }
            }
        }
    };
}

outcomes! {
    // A PUBLISH that a client sent, or a Will.
    /// Accepted, and at least one subscription matched.
    PublishAccepted = "publish.accepted", Accepted;
    /// Accepted, but nobody subscribes.
    PublishNoMatch = "publish.no_match", Accepted;
    /// A QoS 2 PUBLISH came again before its PUBREL; acknowledged, not published twice.
    PublishDuplicate = "publish.duplicate", Dropped;
    /// The access rules deny it.
    PublishDeniedAcl = "publish.denied_acl", Denied;
    /// More unacknowledged QoS 1 and 2 messages than the server's Receive Maximum.
    PublishReceiveMaximum = "publish.receive_maximum", Denied;
    /// Larger than the server's Maximum Packet Size.
    PublishTooLarge = "publish.too_large", Denied;
    /// A topic that cannot be published to (wildcard, empty, `$`-topic of the server, too deep).
    PublishBadTopic = "publish.bad_topic", Denied;
    /// A topic alias of 0, above the maximum, or never set.
    PublishAliasInvalid = "publish.alias_invalid", Denied;
    /// The payload is not the UTF-8 that its format indicator promises.
    PublishPayloadInvalid = "publish.payload_invalid", Denied;
    /// The store does not keep up, or its disk is full or failed; the client's input waits.
    PublishStoreWait = "publish.store_wait", Delayed;
    /// Taken before the disk was found full or failed; its acknowledgement waits.
    PublishAnswerWait = "publish.answer_wait", Delayed;
    /// No room for another retained message.
    PublishRetainQuota = "publish.retain_quota", Denied;

    // One copy of a message for one subscriber.
    /// A QoS 0 copy was handed to the connection.
    DeliverSent = "deliver.sent", Accepted;
    /// A QoS 1 or 2 copy was acknowledged to the end.
    DeliverAcked = "deliver.acked", Accepted;
    /// A QoS 1 or 2 copy was refused by the client with a reason code of 0x80 or above.
    DeliverRefused = "deliver.refused", Dropped;
    /// A QoS 1 or 2 copy was handed to the connection; its acknowledgement is awaited.
    DeliverInFlight = "deliver.in_flight", Delayed;
    /// The client's Receive Maximum is used up; the copy waits.
    DeliverInflightFull = "deliver.inflight_full", Delayed;
    /// The client's socket takes no more; the copy waits.
    DeliverSocketFull = "deliver.socket_full", Delayed;
    /// The client is offline; the copy waits in its session.
    DeliverOffline = "deliver.offline", Delayed;
    /// The copy waited in the store alone and is read back; it waits until it is.
    DeliverFetching = "deliver.fetching", Delayed;
    /// The access rules do not let the client receive it.
    DeliverDeniedRead = "deliver.denied_read", Dropped;
    /// The subscriber is the publisher and asked for No Local.
    DeliverNoLocal = "deliver.no_local", Dropped;
    /// QoS 0, and the client is offline.
    DeliverQos0Offline = "deliver.qos0_offline", Dropped;
    /// The session's queue was full.
    DeliverQueueFull = "deliver.queue_full", Dropped;
    /// The Message Expiry Interval passed while it waited.
    DeliverExpired = "deliver.expired_message", Dropped;
    /// The copy waited in the store alone, which cannot read it back.
    DeliverStoreLost = "deliver.store_lost", Dropped;
    /// The session ended while it waited.
    DeliverSessionEnded = "deliver.session_ended", Dropped;
    /// Larger than the client's Maximum Packet Size.
    DeliverTooLarge = "deliver.too_large_for_client", Dropped;
    /// QoS 0, and the client's socket takes no more.
    DeliverSocketCongested = "deliver.socket_congested", Dropped;
    /// A member of the shared group left; another member got the copy.
    DeliverOtherSharedMember = "deliver.other_shared_member", Accepted;
    /// A shared group had no member that could take the copy.
    DeliverNoSharedMember = "deliver.no_shared_member", Dropped;

    // SUBSCRIBE, one filter.
    /// Granted.
    SubscribeGranted = "subscribe.granted", Accepted;
    /// The access rules deny it.
    SubscribeDeniedAcl = "subscribe.denied_acl", Denied;
    /// Not a valid filter.
    SubscribeBadFilter = "subscribe.bad_filter", Denied;
    /// Too many subscriptions of one client.
    SubscribeQuota = "subscribe.quota", Denied;
    /// Too many bytes of filters of one client.
    SubscribeBytesQuota = "subscribe.bytes_quota", Denied;
    /// Granted before; changed access rules no longer allow it.
    SubscribeRevoked = "subscribe.revoked", Denied;
    /// Unsubscribed.
    UnsubscribeDone = "unsubscribe.done", Accepted;
    /// Nothing to unsubscribe.
    UnsubscribeUnknown = "unsubscribe.unknown", Accepted;
    /// An operator ended the subscription.
    UnsubscribeByAdmin = "unsubscribe.by_admin", Ended;
    /// An UNSUBSCRIBE with more filters than a client may have subscriptions.
    UnsubscribeQuota = "unsubscribe.quota", Denied;

    // Retained messages and Wills.
    /// Stored.
    RetainedSet = "retained.set", Accepted;
    /// Removed by an empty retained message.
    RetainedCleared = "retained.cleared", Accepted;
    /// Removed because its Message Expiry Interval passed.
    RetainedExpired = "retained.expired", Dropped;
    /// Published.
    WillPublished = "will.published", Accepted;
    /// Discarded: the client said goodbye.
    WillDiscarded = "will.discarded", Dropped;
    /// Discarded: the client came back before the Will Delay Interval passed.
    WillCancelled = "will.cancelled", Dropped;

    // CONNECT.
    /// Connected.
    ConnectAccepted = "connect.accepted", Accepted;
    /// Wrong user name or password.
    ConnectBadCredentials = "connect.bad_credentials", Denied;
    /// No credentials, and the listener wants some.
    ConnectAnonymousRefused = "connect.anonymous_refused", Denied;
    /// The credentials could not be checked.
    ConnectAuthUnavailable = "connect.auth_unavailable", Denied;
    /// Too many other credentials wait for a check.
    ConnectAuthBusy = "connect.auth_busy", Denied;
    /// An authentication method that is not supported.
    ConnectAuthMethod = "connect.auth_method", Denied;
    /// A client id that is not accepted.
    ConnectClientId = "connect.client_id", Denied;
    /// The client id, the user or the address is banned.
    ConnectBanned = "connect.banned", Denied;
    /// A version that is not supported.
    ConnectVersion = "connect.version", Denied;
    /// Bytes that are no CONNECT.
    ConnectMalformed = "connect.malformed", Denied;
    /// Bytes of another protocol (HTTP, TLS, ...).
    ConnectWrongProtocol = "connect.wrong_protocol", Denied;
    /// The handshake of TLS or WebSocket failed.
    ConnectHandshake = "connect.handshake", Denied;
    /// A connection that closed before it had said anything, after an agreement on TLS at most: a health
    /// check, a port scan, or a client that does not trust the certificate.
    ConnectProbe = "connect.probe", Ended;
    /// A web page of an origin that may not connect.
    ConnectOrigin = "connect.origin", Denied;
    /// No CONNECT in time.
    ConnectTimeout = "connect.timeout", Denied;
    /// The session that the client leaves behind is not gone from the disk yet; CONNACK waits.
    ConnectStoreWait = "connect.store_wait", Delayed;
    /// The client id has changed hands too often lately: CONNACK waits, and whoever is connected stays.
    ConnectTakeoverWait = "connect.takeover_wait", Delayed;
    /// The session is to be stored, and twice as much waits for the disk as may.
    ConnectStoreBusy = "connect.store_busy", Denied;
    /// Waited, and the client came on another connection.
    ConnectTakenOver = "connect.taken_over", Denied;
    /// Sessions or connections are at their limit.
    ConnectQuota = "connect.quota", Denied;
    /// The Will is too large, or there is no room for another one.
    ConnectWillQuota = "connect.will_quota", Denied;
    /// The client's Maximum Packet Size is too small for what CONNACK has to tell.
    ConnectAnswerTooLarge = "connect.answer_too_large", Denied;
    /// The broker stops.
    ConnectShuttingDown = "connect.shutting_down", Denied;

    // The end of a connection.
    /// The client said goodbye.
    DisconnectByClient = "disconnect.by_client", Ended;
    /// The client said goodbye and wants its Will published.
    DisconnectWithWill = "disconnect.with_will", Ended;
    /// The client closed the socket without a word.
    DisconnectPeerClosed = "disconnect.peer_closed", Ended;
    /// The network or the transport failed.
    DisconnectTransport = "disconnect.transport", Ended;
    /// Silent for longer than 1.5 times the keep alive.
    DisconnectKeepAlive = "disconnect.keep_alive", Ended;
    /// Another connection uses the client id.
    DisconnectTakenOver = "disconnect.taken_over", Ended;
    /// The client sent bytes that are no packet.
    DisconnectMalformed = "disconnect.malformed", Ended;
    /// The client broke a rule of the protocol.
    DisconnectProtocol = "disconnect.protocol", Ended;
    /// It published what the access rules deny, speaks MQTT 3, which has no word for that, and the
    /// broker is told to close then.
    DisconnectDenied = "disconnect.denied", Ended;
    /// An operator closed it.
    DisconnectAdmin = "disconnect.admin", Ended;
    /// The broker stops.
    DisconnectShuttingDown = "disconnect.shutting_down", Ended;
    /// The client does not read what it is sent.
    DisconnectSlow = "disconnect.slow", Ended;

    // The broker itself.
    /// It started.
    BrokerStarted = "broker.started", Accepted;
    /// It stops because somebody asked for it.
    BrokerStopping = "broker.stopping", Ended;
    /// The disk is full: what would have to be stored waits until there is room; what would not goes on.
    BrokerDiskFull = "broker.disk_full", Delayed;
    /// The disk has room again.
    BrokerDiskRoom = "broker.disk_room", Accepted;
    /// The disk has failed: what would have to be stored waits until a restart; what would not goes on.
    BrokerDiskFailed = "broker.disk_failed", Ended;
    /// A start has found a place of the store damaged, or that a session has lost its record so.
    BrokerStoreDamaged = "broker.store_damaged", Ended;
    /// Other access rules, users or limits are in force.
    BrokerSettings = "broker.settings_changed", Accepted;

    // The end of a session.
    /// Its expiry interval passed.
    SessionExpired = "session.expired", Ended;
    /// It was made to end with its connection.
    SessionEndedWithConnection = "session.ended_with_connection", Ended;
    /// The client asked for a clean start.
    SessionReplaced = "session.replaced", Ended;
    /// An operator ended it.
    SessionEndedByAdmin = "session.ended_by_admin", Ended;
}

/// The verdicts that outcomes lead to by themselves, by their codes: whatever was denied or lost, and
/// what is about to be.
const VERDICTS: &[(Outcome, &str)] = &[
    (Outcome::PublishBadTopic, "P06"),
    (Outcome::PublishAliasInvalid, "P06"),
    (Outcome::PublishDeniedAcl, "P07"),
    (Outcome::PublishTooLarge, "P08"),
    (Outcome::PublishReceiveMaximum, "P09"),
    (Outcome::PublishPayloadInvalid, "P09"),
    (Outcome::PublishRetainQuota, "P09"),
    (Outcome::PublishDuplicate, "P11"),
    (Outcome::PublishNoMatch, "R01"),
    (Outcome::RetainedExpired, "R04"),
    (Outcome::DeliverNoSharedMember, "R05"),
    (Outcome::DeliverNoLocal, "R06"),
    (Outcome::DeliverQos0Offline, "S02"),
    (Outcome::DeliverSessionEnded, "S03"),
    (Outcome::DisconnectTakenOver, "S04"),
    (Outcome::ConnectTakeoverWait, "S04"),
    (Outcome::SubscribeDeniedAcl, "S05"),
    (Outcome::SubscribeBadFilter, "S05"),
    (Outcome::SubscribeQuota, "S05"),
    (Outcome::SubscribeBytesQuota, "S05"),
    (Outcome::SubscribeRevoked, "S05"),
    (Outcome::DeliverDeniedRead, "S06"),
    (Outcome::DeliverQueueFull, "S07"),
    (Outcome::DeliverSocketCongested, "S08"),
    (Outcome::DeliverExpired, "S09"),
    (Outcome::DeliverTooLarge, "S10"),
    (Outcome::DeliverStoreLost, "S14"),
];

impl Outcome {
    /// The code of the verdict that it leads to by itself, such as `S07`; every refused connection is
    /// `P02`. `None`: nothing was denied or lost, or it depends on more than this.
    pub fn verdict(self) -> Option<&'static str> {
        let found = VERDICTS.iter().find(|(outcome, _)| *outcome == self);
        let is_refusal =
            self.effectively() == Effectively::Denied && self.name().starts_with("connect.");
        found
            .map(|(_, code)| *code)
            .or_else(|| is_refusal.then_some("P02"))
    }

    /// How many outcomes there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Whether a copy of a message was lost for its subscriber.
    pub fn is_dropped_copy(self) -> bool {
        self.effectively() == Effectively::Dropped && self.name().starts_with("deliver.")
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_denied_or_lost_leads_to_a_verdict() {
        // Nobody is told that these went wrong by a verdict: they are no loss.
        let others = [
            Outcome::DeliverRefused,
            Outcome::UnsubscribeQuota,
            Outcome::WillDiscarded,
            Outcome::WillCancelled,
        ];
        for outcome in Outcome::ALL {
            let is_loss = matches!(
                outcome.effectively(),
                Effectively::Denied | Effectively::Dropped
            );
            let has_verdict = outcome.verdict().is_some();
            if is_loss {
                assert_eq!(has_verdict, !others.contains(outcome), "{outcome}");
            }
        }
    }

    #[test]
    fn names_are_unique_and_dotted() {
        let mut names: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
        assert!(names.iter().all(|name| name.split('.').count() == 2));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Outcome::COUNT);
    }
}
