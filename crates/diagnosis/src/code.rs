//! The verdicts by their codes, which never change.

/// Where on a message's way a verdict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// The publisher and its PUBLISH.
    Publisher,
    /// Who subscribes to it.
    Routing,
    /// The subscriber's session.
    Session,
    /// After it was sent.
    Delivered,
    /// Not known.
    Unknown,
}

impl Area {
    /// A word for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publisher => "publisher",
            Self::Routing => "routing",
            Self::Session => "session",
            Self::Delivered => "delivered",
            Self::Unknown => "unknown",
        }
    }
}

/// What became of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It did not arrive.
    NotDelivered,
    /// It is on its way.
    Waiting,
    /// Nobody can tell.
    Unknown,
    /// It arrived.
    Delivered,
}

impl Fate {
    /// A word for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotDelivered => "not_delivered",
            Self::Waiting => "waiting",
            Self::Unknown => "unknown",
            Self::Delivered => "delivered",
        }
    }

    /// What a command exits with.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Delivered => 0,
            Self::NotDelivered => 10,
            Self::Unknown => 11,
            Self::Waiting => 12,
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident $area:ident $fate:ident;)*) => {
        /// A verdict.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $code,)* }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// `P05`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)* }
            }

            /// Where on the way.
            pub const fn area(self) -> Area {
                match self { $(Self::$code => Area::$area,)* }
            }

            /// What became of the message.
            pub const fn fate(self) -> Fate {
                match self { $(Self::$code => Fate::$fate,)* }
            }
        }
    };
}

codes! {
    /// The publisher was never here.
    P01 Publisher NotDelivered;
    /// The publisher's connection was refused.
    P02 Publisher NotDelivered;
    /// Several programs use the publisher's client id.
    P03 Publisher NotDelivered;
    /// The publisher was not connected.
    P04 Publisher NotDelivered;
    /// No PUBLISH came to this topic.
    P05 Publisher NotDelivered;
    /// Nobody can publish to such a topic.
    P06 Publisher NotDelivered;
    /// The access rules deny the PUBLISH.
    P07 Publisher NotDelivered;
    /// The PUBLISH is too large.
    P08 Publisher NotDelivered;
    /// A limit of the publisher was reached.
    P09 Publisher NotDelivered;
    /// The publisher does not finish its QoS 2 exchanges.
    P10 Publisher NotDelivered;
    /// The PUBLISH came twice and went out once.
    P11 Publisher NotDelivered;
    /// It had expired at once.
    P12 Publisher NotDelivered;
    /// The publisher may be at another broker.
    P13 Publisher NotDelivered;
    /// It waits for the broker's disk.
    P14 Publisher Waiting;
    /// Nobody subscribed.
    R01 Routing NotDelivered;
    /// A filter nearly matched.
    R02 Routing NotDelivered;
    /// The subscription came after the message.
    R03 Routing NotDelivered;
    /// The retained message was not there, or not asked for.
    R04 Routing NotDelivered;
    /// Another member of the shared group got it.
    R05 Routing NotDelivered;
    /// No Local.
    R06 Routing NotDelivered;
    /// A leading wildcard does not match `$`.
    R07 Routing NotDelivered;
    /// It matched and no copy was recorded.
    R08 Routing NotDelivered;
    /// Offline, and no session.
    S01 Session NotDelivered;
    /// Offline, and QoS 0.
    S02 Session NotDelivered;
    /// The session expired or was wiped.
    S03 Session NotDelivered;
    /// Another program uses the subscriber's client id.
    S04 Session NotDelivered;
    /// SUBSCRIBE was refused.
    S05 Session NotDelivered;
    /// The access rules withhold it.
    S06 Session NotDelivered;
    /// The queue was full.
    S07 Session NotDelivered;
    /// QoS 0, and the socket was full.
    S08 Session NotDelivered;
    /// It expired in the queue.
    S09 Session NotDelivered;
    /// Larger than the client takes.
    S10 Session NotDelivered;
    /// It waits for acknowledgements of others.
    S11 Session Waiting;
    /// The client had unsubscribed.
    S12 Session NotDelivered;
    /// It waits for the client to come back.
    S13 Session Waiting;
    /// The broker's disk failed.
    S14 Session NotDelivered;
    /// The subscriber's connection was refused.
    S15 Session NotDelivered;
    /// Acknowledged.
    D01 Delivered Delivered;
    /// Sent, with QoS 0.
    D02 Delivered Delivered;
    /// Sent, and not acknowledged yet.
    D03 Delivered Waiting;
    /// Delivered, and the payload looks odd.
    D04 Delivered Delivered;
    /// Delivered to another connection of this client id.
    D05 Delivered Delivered;
    /// Sent, and the other end's kernel does not have it.
    D06 Delivered Waiting;
    /// Sent and not acknowledged, and not to be sent again.
    D07 Delivered Unknown;
    /// The record does not reach there.
    U01 Unknown Unknown;
    /// The question lacks something.
    U02 Unknown Unknown;
    /// No such client.
    U03 Unknown Unknown;
    /// It came before the time that was asked about.
    U04 Unknown Unknown;
}

impl Code {
    /// The code with a name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|code| code.name().eq_ignore_ascii_case(name))
    }
}

/// How sure a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// It fits, and other things would fit too.
    Possible,
    /// How things stand implies it.
    Likely,
    /// It was recorded when it happened.
    Certain,
}

impl Confidence {
    /// A word for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

#[cfg(test)]
mod tests {
    use columba_broker::outcome::Outcome;
    use columba_broker::recorder::TapeName;

    use super::*;
    use crate::evidence::Event;
    use crate::rules::{copy, publisher};

    #[test]
    fn what_outcomes_are_counted_for_is_what_the_rules_find() {
        for outcome in Outcome::ALL {
            let Some(name) = outcome.verdict() else {
                continue;
            };
            let code = Code::from_name(name);
            assert_eq!(code.map(Code::fate), Some(Fate::NotDelivered), "{outcome}");
            let event = Event {
                shard: 0,
                tape: TapeName::Events,
                sequence: 1,
                unix_ms: 1,
                first_unix_ms: 1,
                times: 1,
                outcome: *outcome,
                client: "client".to_owned(),
                by: String::new(),
                topic: "topic".to_owned(),
                detail: "detail".to_owned(),
                peer: None,
                message: 0,
                qos: None,
                flags: 0,
                packet_id: 0,
                size_bytes: 0,
                count: 0,
                secs: 0,
                payload: None,
            };
            let found = publisher::refused(&event).or_else(|| copy::fault(&event, "client"));
            if let Some(found) = found {
                assert_eq!(Some(found.code), code, "{outcome}");
            }
        }
    }
}
