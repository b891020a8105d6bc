//! What to run: the plan that a command line fills in, and its check.

use std::time::Duration;

use columba_codec::{QoS, TopicFilter, TopicName, Version};

use crate::payload::STAMP_BYTES;

/// The shape of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Open connections and hold them.
    Conn,
    /// Publish, to nobody in particular.
    Pub,
    /// Subscribe, and count what comes.
    Sub,
    /// Publishers, each with a subscriber of its own.
    Pair,
    /// Many publishers, one subscriber.
    FanIn,
    /// One publisher, many subscribers.
    FanOut,
    /// Store retained messages, have subscribers take them all, clear them.
    Retained,
    /// Sessions that were away take what was kept for them.
    Offline,
    /// Devices, a collector, dashboards and a controller at once.
    Mixed,
    /// Many subscriptions, few of which match a message.
    Filters,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Conn,
        Self::Pub,
        Self::Sub,
        Self::Pair,
        Self::FanIn,
        Self::FanOut,
        Self::Retained,
        Self::Offline,
        Self::Mixed,
        Self::Filters,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conn => "conn",
            Self::Pub => "pub",
            Self::Sub => "sub",
            Self::Pair => "pair",
            Self::FanIn => "fanin",
            Self::FanOut => "fanout",
            Self::Retained => "retained",
            Self::Offline => "offline",
            Self::Mixed => "mixed",
            Self::Filters => "filters",
        }
    }
}

/// How much of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many messages.
    Messages(u64),
    /// As many as go into this time.
    Time(Duration),
}

/// What a client logs in with.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user name; `%i` stands for the number of the client.
    pub user_name: Option<String>,
    /// The password.
    pub password: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The password stays out of logs.
        f.debug_struct("Credentials")
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

/// Everything about a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The shape of the load.
    pub kind: Kind,
    /// The broker: a name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The version that clients speak.
    pub version: Version,
    /// What clients log in with.
    pub credentials: Credentials,
    /// Client ids: `%i` stands for the number of the client, `%r` for the run.
    pub client_id: String,
    /// How many: connections, publishers, subscribers, pairs, sessions or devices, by kind.
    pub clients: u32,
    /// Topics of a publisher, which it uses in turn.
    pub topics: u32,
    /// The topic: `%i` stands for the publisher, `%t` for the number of its topic, `%c` for its
    /// client id, `%u` for its user name and `%r` for the run. For [`Kind::Sub`] the filter, for
    /// [`Kind::Filters`] what stands before the levels that differ.
    pub topic: Option<String>,
    /// What messages are published with.
    pub qos: QoS,
    /// What is subscribed with.
    pub subscribe_qos: QoS,
    /// Whether messages are published as retained.
    pub retain: bool,
    /// Length of a payload.
    pub payload_bytes: usize,
    /// How much is measured.
    pub amount: Amount,
    /// How much runs before, unmeasured.
    pub warmup: Option<Amount>,
    /// Open loop: messages a second, all publishers together. Without it a closed loop.
    pub messages_per_sec: Option<f64>,
    /// Messages of one publisher that may be on their way: unacknowledged at QoS 1 and 2, and in a
    /// closed loop undelivered.
    pub window: u16,
    /// Connections opened a second; without it as fast as the broker answers.
    pub connections_per_sec: Option<f64>,
    /// Connections of one thread that may be under way to their CONNACK.
    pub connecting_max: u32,
    /// [`Kind::Filters`]: subscriptions of all clients together.
    pub subscriptions: u32,
    /// [`Kind::Filters`]: how many of them match each message, those of as many clients; 0 for none.
    pub matching: u32,
    /// [`Kind::Filters`]: whether no filter has wildcards, so that those that match are the same.
    pub is_exact: bool,
    /// [`Kind::Conn`]: how long connections are held.
    pub hold: Duration,
    /// How long sessions outlive their connection; 0: they end with it. For [`Kind::Offline`] 0 is an
    /// hour.
    pub session_expiry_secs: u32,
    /// Keep alive; 0 turns it off.
    pub keep_alive_secs: u16,
    /// Threads that make the load.
    pub threads: usize,
    /// The broker may be silent so long while something is missing.
    pub stall_timeout: Duration,
    /// At QoS 0, where messages may be lost: so long after the last arrival the rest counts as lost.
    pub quiet: Duration,
    /// Whether payloads are stamped and checked.
    pub is_verified: bool,
    /// [`Kind::Retained`]: leave the messages with the broker.
    pub keeps_retained: bool,
    /// The broker's process, to report what it used.
    pub broker_process: Option<u32>,
}

/// What does not go together in a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanFault {
    /// A number that has to be above 0.
    #[error("{0} has to be more than 0")]
    Zero(&'static str),
    /// A payload without room for what is checked.
    #[error(
        "a payload needs {STAMP_BYTES} bytes for run, publisher, number and time; smaller ones go \
         with --no-verify"
    )]
    PayloadTooSmall,
    /// A payload that no packet carries.
    #[error("a payload of {0} bytes is more than the 64 MiB that this generator sends")]
    PayloadTooLarge(usize),
    /// Two clients would have one client id.
    #[error("every client needs a client id of its own: put %i into --client-id")]
    ClientIdsAlike,
    /// Publishers would share a topic that tells nobody's messages apart.
    #[error("every publisher needs topics of its own here: put %i or %c into --topic")]
    TopicsAlike,
    /// Several topics with one name.
    #[error("with more than one topic a publisher, put %t into --topic")]
    TopicNumbersAlike,
    /// Not a topic name.
    #[error("{0} is no topic to publish to")]
    Topic(String),
    /// Not a topic filter.
    #[error("{0} is no topic filter")]
    Filter(String),
    /// A kind that takes no rate.
    #[error("{0} has no rate of messages")]
    Rate(&'static str),
    /// More matches than clients to have one each, or than subscriptions.
    #[error("{0} subscriptions cannot match a message: each is of another client")]
    Matching(u32),
    /// A kind that needs a number of messages.
    #[error("{0} takes a number of messages, not a time")]
    NeedsMessages(&'static str),
    /// A kind that is about QoS 1 and 2.
    #[error("a session keeps messages of QoS 1 and 2 only: add -q 1")]
    NeedsQos,
    /// Too much for numbers of 32 bits.
    #[error("{0} is more than this generator counts")]
    TooMuch(&'static str),
    /// More clients than the system allows open files.
    #[error(
        "{clients} connections need more open files than the limit of {limit}: raise it with \
         `ulimit -n`"
    )]
    OpenFiles {
        /// Connections of the plan.
        clients: u64,
        /// What the system allows.
        limit: u64,
    },
}

const PAYLOAD_BYTES_MAX: usize = 64 << 20;
const RATE_MAX: f64 = 1e9;

impl Plan {
    /// A plan of this kind with the defaults of the command line.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            host: "127.0.0.1".to_owned(),
            port: 1883,
            version: Version::V5,
            credentials: Credentials::default(),
            client_id: "bench-%r-%i".to_owned(),
            clients: match kind {
                Kind::Conn => 1000,
                Kind::Pair | Kind::Pub | Kind::Sub => 1,
                Kind::FanIn | Kind::FanOut | Kind::Retained | Kind::Offline => 10,
                Kind::Mixed | Kind::Filters => 100,
            },
            topics: 1,
            topic: None,
            qos: match kind {
                Kind::Retained | Kind::Offline => QoS::AtLeastOnce,
                _ => QoS::AtMostOnce,
            },
            subscribe_qos: QoS::ExactlyOnce,
            retain: false,
            payload_bytes: 64,
            amount: match kind {
                Kind::Retained | Kind::Offline => Amount::Messages(10_000),
                _ => Amount::Time(Duration::from_secs(10)),
            },
            warmup: None,
            messages_per_sec: None,
            window: 256,
            connections_per_sec: None,
            connecting_max: 128,
            subscriptions: 20_000,
            matching: 1,
            is_exact: false,
            hold: Duration::from_secs(2),
            session_expiry_secs: 0,
            keep_alive_secs: 60,
            threads: 1,
            stall_timeout: Duration::from_secs(10),
            quiet: Duration::from_millis(500),
            is_verified: true,
            keeps_retained: false,
            broker_process: None,
        }
    }

    /// The topic pattern, with the default of the kind.
    pub fn topic_pattern(&self) -> &str {
        match (&self.topic, self.kind) {
            (Some(topic), _) => topic,
            (None, Kind::Sub) => "bench/#",
            (None, Kind::Filters) => "bench/%r",
            (None, _) => "bench/%r/%i/%t",
        }
    }

    /// A window for the number of clients: where one subscriber gets the messages of all, together
    /// no more than a broker that keeps 1,000 messages for a session takes without loss.
    pub fn window_for_clients(&self) -> u16 {
        const WINDOW: u32 = 256;
        const UNDELIVERED: u32 = 800;
        let window = match self.kind {
            Kind::FanIn | Kind::Mixed => (UNDELIVERED / self.clients.max(1)).clamp(1, WINDOW),
            _ => WINDOW,
        };
        window as u16
    }

    /// Whether messages are published.
    pub fn has_publishers(&self) -> bool {
        !matches!(self.kind, Kind::Conn | Kind::Sub)
    }

    /// Checks the parts against each other.
    ///
    /// # Errors
    /// The first thing that does not go together.
    pub fn check(&self) -> Result<(), PlanFault> {
        let positive = [
            ("the number of clients", u64::from(self.clients)),
            ("the number of topics", u64::from(self.topics)),
            ("the window", u64::from(self.window)),
            ("the number of threads", self.threads as u64),
            ("the number of connects", u64::from(self.connecting_max)),
            ("the number of subscriptions", u64::from(self.subscriptions)),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(PlanFault::Zero(name));
        }
        self.check_amounts()?;
        if self.kind == Kind::Filters && self.matching > self.clients.min(self.subscriptions) {
            return Err(PlanFault::Matching(self.matching));
        }
        if self.is_verified && self.has_publishers() && self.payload_bytes < STAMP_BYTES {
            return Err(PlanFault::PayloadTooSmall);
        }
        if self.payload_bytes > PAYLOAD_BYTES_MAX {
            return Err(PlanFault::PayloadTooLarge(self.payload_bytes));
        }
        if !self.client_id.contains("%i") {
            return Err(PlanFault::ClientIdsAlike);
        }
        self.check_topic()
    }

    fn check_amounts(&self) -> Result<(), PlanFault> {
        for rate in [self.messages_per_sec, self.connections_per_sec] {
            match rate {
                Some(rate) if rate.is_nan() || rate <= 0.0 => {
                    return Err(PlanFault::Zero("a rate"));
                }
                Some(rate) if rate > RATE_MAX => return Err(PlanFault::TooMuch("the rate")),
                _ => {}
            }
        }
        match self.amount {
            Amount::Messages(0) => return Err(PlanFault::Zero("the number of messages")),
            Amount::Messages(messages) if messages > u64::from(u32::MAX) => {
                return Err(PlanFault::TooMuch("the number of messages"));
            }
            Amount::Time(time) if time.is_zero() => {
                return Err(PlanFault::Zero("the duration"));
            }
            Amount::Time(_) if matches!(self.kind, Kind::Retained | Kind::Offline) => {
                return Err(PlanFault::NeedsMessages(self.kind.name()));
            }
            Amount::Messages(_) | Amount::Time(_) => {}
        }
        if self.messages_per_sec.is_some() && !self.has_publishers() {
            return Err(PlanFault::Rate(self.kind.name()));
        }
        if self.kind == Kind::Offline && self.qos.min(self.subscribe_qos) == QoS::AtMostOnce {
            return Err(PlanFault::NeedsQos);
        }
        Ok(())
    }

    fn check_topic(&self) -> Result<(), PlanFault> {
        let pattern = self.topic_pattern();
        if self.kind == Kind::Sub {
            let parsed = TopicFilter::parse(pattern);
            return parsed
                .map(drop)
                .map_err(|_| PlanFault::Filter(pattern.to_owned()));
        }
        TopicName::parse(pattern).map_err(|_| PlanFault::Topic(pattern.to_owned()))?;
        let tells_publishers = pattern.contains("%i") || pattern.contains("%c");
        let has_own_topics = match self.kind {
            Kind::Pair => self.clients > 1,
            Kind::Mixed => true,
            _ => false,
        };
        if has_own_topics && !tells_publishers {
            return Err(PlanFault::TopicsAlike);
        }
        let has_numbered = self.topics > 1 || matches!(self.kind, Kind::Retained | Kind::Offline);
        if has_numbered && !pattern.contains("%t") {
            return Err(PlanFault::TopicNumbersAlike);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Plan), expected: Result<(), PlanFault>) {
        let mut plan = Plan::new(Kind::Pair);
        change(&mut plan);
        assert_eq!(plan.check(), expected);
    }

    #[test]
    fn every_kind_has_defaults_that_run() {
        for kind in Kind::ALL {
            assert_eq!(Plan::new(kind).check(), Ok(()), "{kind:?}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        check(
            |p| p.clients = 0,
            Err(PlanFault::Zero("the number of clients")),
        );
        check(|p| p.payload_bytes = 23, Err(PlanFault::PayloadTooSmall));
        check(|p| (p.payload_bytes, p.is_verified) = (0, false), Ok(()));
        check(
            |p| p.client_id = "x".to_owned(),
            Err(PlanFault::ClientIdsAlike),
        );
        check(|p| p.topic = Some("a".to_owned()), Ok(()));
        check(
            |p| (p.topic, p.clients) = (Some("a".to_owned()), 2),
            Err(PlanFault::TopicsAlike),
        );
        check(
            |p| (p.topic, p.topics) = (Some("a/%i".to_owned()), 2),
            Err(PlanFault::TopicNumbersAlike),
        );
        check(
            |p| p.topic = Some("a/#".to_owned()),
            Err(PlanFault::Topic("a/#".to_owned())),
        );
        check(
            |p| p.messages_per_sec = Some(0.0),
            Err(PlanFault::Zero("a rate")),
        );
        check(
            |p| p.messages_per_sec = Some(f64::NAN),
            Err(PlanFault::Zero("a rate")),
        );
        check(
            |p| (p.kind, p.qos) = (Kind::Offline, QoS::AtMostOnce),
            Err(PlanFault::NeedsMessages("offline")),
        );
        check(
            |p| {
                p.kind = Kind::Offline;
                p.amount = Amount::Messages(1);
            },
            Err(PlanFault::NeedsQos),
        );
        check(
            |p| (p.kind, p.matching) = (Kind::Filters, 2),
            Err(PlanFault::Matching(2)),
        );
        check(
            |p| (p.kind, p.messages_per_sec) = (Kind::Sub, Some(1.0)),
            Err(PlanFault::Rate("sub")),
        );
    }
}
