//! What the model remembers: connections, sessions, messages.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use std::net::IpAddr;

use columba_broker::limits::{Limits, Promise};
use columba_codec::packet::SubscribeOptions;
use columba_codec::{QoS, Version};

use crate::checks::acknowledgement::Answer;
use crate::checks::order::Order;
use crate::event::LinkId;
use crate::oracle::crash::Saved;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No CONNACK yet.
    Await,
    Open,
    Closed,
}

/// What the broker has said of something by acknowledging it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Said {
    /// Nothing yet.
    #[default]
    Nothing,
    /// That it is done.
    Done,
    /// That it outlives the process.
    Written,
    /// That it outlives a loss of power.
    Durable,
}

impl From<Promise> for Said {
    fn from(promise: Promise) -> Self {
        match promise {
            Promise::Nothing => Self::Done,
            Promise::Written => Self::Written,
            Promise::Durable => Self::Durable,
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) version: Version,
    pub(crate) addr: IpAddr,
    pub(crate) listener: usize,
    /// What an acknowledgement to it says.
    pub(crate) says: Said,
    pub(crate) phase: Phase,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) connect: Option<Connecting>,
    pub(crate) client_id: String,
    pub(crate) user: Option<&'static str>,
    /// Serial of the session.
    pub(crate) session: u64,
    pub(crate) session_present: bool,
    pub(crate) keep_alive_secs: u16,
    pub(crate) receive_maximum: u16,
    pub(crate) packet_bytes_max: usize,
    pub(crate) alias_maximum: u16,
    /// Aliases that the broker and the client have set.
    pub(crate) aliases_out: BTreeMap<u16, String>,
    pub(crate) aliases_in: BTreeMap<u16, String>,
    /// Packet ids of PUBLISH packets sent on this connection and not answered to the end.
    pub(crate) on_air: BTreeSet<u16>,
    /// Answers that are due at once, in order.
    pub(crate) answers: VecDeque<Answer>,
    /// SUBSCRIBE packets without SUBACK.
    pub(crate) subscribing: BTreeMap<u16, Subscribing>,
    pub(crate) is_garbage: bool,
    /// Messages of PUBLISH packets that were not answered, by packet id.
    pub(crate) publishing: BTreeMap<u16, Publishing>,
    /// UNSUBSCRIBE packets without UNSUBACK.
    pub(crate) unsubscribing: BTreeMap<u16, Vec<String>>,
    pub(crate) last_received_ms: u64,
    /// PUBLISH packets that the access rules deny and that were not answered, by packet id: whether
    /// that is sure, or the broker may have the message from before a crash.
    pub(crate) refused: BTreeMap<u16, bool>,
    /// Which input has said that its client may log in.
    pub(crate) authenticated: u64,
}

/// A CONNECT that was not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct Connecting {
    pub(crate) client_id: String,
    /// Who the client is, if it logs in.
    pub(crate) user: Option<&'static str>,
    pub(crate) is_v5: bool,
    pub(crate) clean_start: bool,
    /// What it asks for; limits of the broker come on top.
    pub(crate) expiry_secs: u32,
    pub(crate) keep_alive_secs: u16,
    pub(crate) receive_maximum: u16,
    pub(crate) packet_bytes_max: usize,
    pub(crate) alias_maximum: u16,
    pub(crate) will: Option<Will>,
}

impl Conn {
    pub(crate) const fn new(version: Version, listener: usize, addr: IpAddr, now_ms: u64) -> Self {
        Self {
            version,
            addr,
            listener,
            says: Said::Nothing,
            phase: Phase::Await,
            input: Vec::new(),
            output: Vec::new(),
            connect: None,
            client_id: String::new(),
            user: None,
            session: 0,
            session_present: false,
            keep_alive_secs: 0,
            receive_maximum: u16::MAX,
            packet_bytes_max: usize::MAX,
            alias_maximum: 0,
            aliases_out: BTreeMap::new(),
            aliases_in: BTreeMap::new(),
            on_air: BTreeSet::new(),
            answers: VecDeque::new(),
            subscribing: BTreeMap::new(),
            is_garbage: false,
            publishing: BTreeMap::new(),
            unsubscribing: BTreeMap::new(),
            last_received_ms: now_ms,
            refused: BTreeMap::new(),
            authenticated: 0,
        }
    }
}

/// A message that waits for its PUBACK or PUBREC.
#[derive(Clone, Debug)]
pub(crate) struct Publishing {
    pub(crate) id: Option<u64>,
    pub(crate) topic: String,
    /// Counts what is retained.
    pub(crate) retained: Option<u64>,
}

impl Connecting {
    /// How long the session outlives its connection.
    pub(crate) fn granted_expiry_secs(&self, limits: &Limits) -> u32 {
        match (self.is_v5, self.clean_start) {
            (true, _) => self.expiry_secs.min(limits.session_expiry_secs_max),
            (false, true) => 0,
            (false, false) => limits.session_expiry_v3_secs,
        }
    }

    /// The keep alive in force.
    pub(crate) const fn granted_keep_alive_secs(&self, limits: &Limits) -> u16 {
        let (asked, most) = (self.keep_alive_secs, limits.keep_alive_secs_max);
        let is_cut = self.is_v5 && most > 0 && (asked == 0 || asked > most);
        if is_cut { most } else { asked }
    }
}

/// A Will.
#[derive(Clone, Debug)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) delay_secs: u32,
}

/// A SUBSCRIBE that waits for its SUBACK.
#[derive(Clone, Debug)]
pub(crate) struct Subscribing {
    /// Counts the SUBSCRIBE packets of a run.
    pub(crate) number: u64,
    /// With whether the access rules deny it.
    pub(crate) filters: Vec<(String, bool)>,
}

/// A subscription.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscription {
    pub(crate) options: SubscribeOptions,
    /// The SUBSCRIBE that made it; an earlier one's SUBACK promises nothing for it.
    pub(crate) number: u64,
    /// The SUBSCRIBE that named it last.
    pub(crate) last: u64,
    /// Whether its SUBACK was sent: from then on no message may be missed.
    pub(crate) is_acknowledged: bool,
    /// What the SUBACKs for this filter have said: the store has it.
    pub(crate) sure: Said,
    /// What the SUBACK for the last SUBSCRIBE for it has said.
    pub(crate) settled: Said,
}

/// A message that the broker sent and the client has not answered to the end.
#[derive(Clone, Debug)]
pub(crate) struct Unsettled {
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) is_released: bool,
    pub(crate) is_shared: bool,
}

/// A message that a session has to get.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    pub(crate) topic: String,
    /// At QoS 0 it is enough that it is sent, and only while the client stays connected.
    pub(crate) qos: QoS,
    /// What the publisher had been told of it before it came again. An answer to the first time is no
    /// promise to who subscribed after that.
    pub(crate) told: Said,
}

/// A message was accepted, perhaps once more, and is owed.
pub(crate) fn owe(all: &mut BTreeMap<u64, Owed>, id: u64, owed: Owed, told: Said) {
    let before = all.get(&id).map(|before| before.told.max(told));
    let told = before.unwrap_or(Said::Nothing);
    all.insert(id, Owed { told, ..owed });
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) serial: u64,
    pub(crate) home: usize,
    /// Who its client has logged in as.
    pub(crate) user: Option<&'static str>,
    pub(crate) conn: Option<LinkId>,
    pub(crate) expiry_secs: u32,
    /// Whether it ever was to outlive its connection.
    pub(crate) has_lasted: bool,
    pub(crate) disconnected_ms: u64,
    pub(crate) will: Option<Will>,
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    pub(crate) shared: BTreeMap<String, Subscription>,
    /// Every filter it ever had, once for each SUBSCRIBE, with whether retained messages came.
    pub(crate) history: Vec<(String, bool)>,
    /// Filters that it had without No Local at some time.
    pub(crate) local: BTreeSet<String>,
    /// QoS 2 packet ids received and not released.
    pub(crate) received: BTreeSet<u16>,
    pub(crate) unsettled: BTreeMap<u16, Unsettled>,
    pub(crate) owed: BTreeMap<u64, Owed>,
    /// How often each message was sent without DUP.
    pub(crate) sent: BTreeMap<u64, u64>,
    /// How often the client took each message as new at QoS 2.
    pub(crate) taken: BTreeMap<u64, u64>,
    pub(crate) order: Order,
    /// Messages that the client has.
    pub(crate) got: BTreeSet<u64>,
    /// Messages that the access rules did not let it receive when they were routed to it, with whether
    /// they have let it since.
    pub(crate) forbidden: BTreeMap<u64, bool>,
    /// What the store is told when it was made, and when it changed last.
    pub(crate) made: Saved,
    pub(crate) saved: Saved,
    /// Whether it has changed since the last crash.
    pub(crate) is_saved_anew: bool,
    /// What SUBACKs have said: the store has the session.
    pub(crate) subscribed: Said,
    /// Whether it may not be there.
    pub(crate) is_doubtful: bool,
    /// Whether it is not known which session this is.
    pub(crate) is_loose: bool,
    /// Whether it has outlived a crash.
    pub(crate) has_crashed: bool,
    /// Filters that it may have, and those whose UNSUBSCRIBE was not answered.
    pub(crate) unsure: BTreeSet<String>,
    pub(crate) leaving: BTreeSet<String>,
    /// Filters that it has left, by what UNSUBACK has said of that.
    pub(crate) left: BTreeMap<String, Said>,
    /// Wills of this life of the process that are published, discarded or cancelled.
    pub(crate) past_wills: Vec<Will>,
    /// QoS 2 exchanges that may be there at any step.
    pub(crate) perhaps: BTreeMap<u16, Unsettled>,
    /// Packet ids of the client that may be taken for received.
    pub(crate) received_perhaps: BTreeSet<u16>,
}

impl Session {
    pub(crate) fn new(serial: u64, home: usize) -> Self {
        Self {
            serial,
            home,
            user: None,
            conn: None,
            expiry_secs: 0,
            has_lasted: false,
            disconnected_ms: 0,
            will: None,
            subscriptions: BTreeMap::new(),
            shared: BTreeMap::new(),
            history: Vec::new(),
            local: BTreeSet::new(),
            received: BTreeSet::new(),
            unsettled: BTreeMap::new(),
            owed: BTreeMap::new(),
            sent: BTreeMap::new(),
            taken: BTreeMap::new(),
            order: Order::default(),
            got: BTreeSet::new(),
            forbidden: BTreeMap::new(),
            made: Saved::default(),
            saved: Saved::default(),
            is_saved_anew: false,
            subscribed: Said::Nothing,
            is_doubtful: false,
            is_loose: false,
            has_crashed: false,
            unsure: BTreeSet::new(),
            leaving: BTreeSet::new(),
            left: BTreeMap::new(),
            past_wills: Vec::new(),
            perhaps: BTreeMap::new(),
            received_perhaps: BTreeSet::new(),
        }
    }

    /// The shared subscription that a message on this topic came by, now or before.
    pub(crate) fn group_of(&self, topic: &str) -> Option<&str> {
        self.history
            .iter()
            .map(|(filter, _)| filter.as_str())
            .find(|filter| {
                filter.starts_with("$share/") && crate::checks::delivery::matches(filter, topic)
            })
    }

    /// How many times retained messages on this topic may have come.
    pub(crate) fn replays_of(&self, topic: &str) -> u64 {
        let replays = self.history.iter().filter(|(filter, has_retained)| {
            *has_retained && crate::checks::delivery::matches(filter, topic)
        });
        replays.count() as u64
    }
}

/// A message with a payload of its own.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) publisher: String,
    pub(crate) is_will: bool,
    pub(crate) expires_ms: Option<u64>,
    /// When it was accepted first and last, in numbers that count acceptances.
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// How often; more than once only if its client sent it again.
    pub(crate) times: u64,
    /// Sessions that were to get it above QoS 0, by their serials.
    pub(crate) owed_to: BTreeSet<u64>,
    /// How often it may have been published besides.
    pub(crate) extra: u64,
    /// What its publisher was told.
    pub(crate) acknowledged: Said,
    /// Whether it is open when it expires.
    pub(crate) is_expiry_open: bool,
}
