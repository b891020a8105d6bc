//! What truly became of each message and client, for whoever judges verdicts about them.
//!
//! All of it is learned from packets, as the rest of the model is; that a copy was dropped is taken
//! from the broker's own report, and believed only where the message and its client fit.

use std::collections::{BTreeMap, BTreeSet};

use columba_broker::outcome::Outcome;
use columba_codec::QoS;

use super::{Message, Oracle, Said, Session};
use crate::checks::delivery::matches;

/// Acceptances that are remembered; of more, the last ones.
const ACCEPTED_MAX: usize = 4_000;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    WithConnection,
    CleanStart,
    Expired,
    ByOperator,
    /// It did not outlive the process.
    Crash,
}

/// Something that a client did, or that happened to it.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Connected,
    Ended(Ending),
    Subscribed(String),
    Unsubscribed(String),
    /// From what it was not sure to have, after a crash.
    PerhapsUnsubscribed(String),
    /// SUBSCRIBE was refused.
    Denied(String),
    /// The access rules have taken back a subscription.
    Revoked(String),
}

/// When, in milliseconds of the run, and what.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) at_ms: u64,
    pub(crate) what: What,
}

/// How a client stood to a message when it was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its subscription was acknowledged.
    Subscribed {
        qos: QoS,
        is_online: bool,
        /// Every filter that matches is No Local, and the message its own.
        is_own: bool,
    },
    /// It had no subscription, and was asking for none.
    Nothing,
    /// It had a session before a crash, which may have come back or not.
    Ghost,
    /// A request was under way, it was a member of a shared group, or the model does not know.
    Open,
}

/// A message that was accepted once.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) id: u64,
    pub(crate) at_ms: u64,
    /// Which life of the process.
    pub(crate) life: u64,
    pub(crate) message: Message,
    pub(crate) standings: BTreeMap<String, Standing>,
    /// Who was, or may have been, a member of a shared group that it is for.
    pub(crate) members: BTreeSet<String>,
}

/// A message that the access rules did not let in.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) at_ms: u64,
    /// Which life of the process.
    pub(crate) life: u64,
    pub(crate) topic: String,
    pub(crate) publisher: String,
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) life: u64,
    pub(crate) accepted: Vec<Accepted>,
    pub(crate) refused: Vec<Refused>,
    /// What the clients did in this life of the process.
    pub(crate) changes: BTreeMap<String, Vec<Change>>,
    /// When each client was let in last, in any life.
    pub(crate) connected: BTreeMap<String, u64>,
    /// Which message was written to whom, and whose answer came.
    written: BTreeSet<(String, u64)>,
    /// When it came last.
    answered: BTreeMap<(String, u64), u64>,
    /// Which message a packet id of a client stands for.
    outstanding: BTreeMap<(String, u16), u64>,
    /// What was accepted without a number, or perhaps for the second time: when, on which topic.
    pub(crate) blank: BTreeSet<(u64, String)>,
    /// When this life of the process began.
    pub(crate) began_ms: u64,
    /// Who may have had a session then.
    pub(crate) haunted: BTreeSet<String>,
    /// Why copies were dropped, by client and topic.
    withheld: BTreeMap<(String, String), BTreeSet<Outcome>>,
    /// From when until when a shard stood still, and read no letters.
    pub(crate) standstills: Vec<(u64, u64)>,
}

impl Truth {
    pub(crate) fn note(&mut self, client_id: &str, at_ms: u64, what: What) {
        if matches!(what, What::Connected) {
            self.connected.insert(client_id.to_owned(), at_ms);
        }
        let changes = self.changes.entry(client_id.to_owned()).or_default();
        changes.push(Change { at_ms, what });
    }

    /// A message was written to a client; one without an id counts for its packet id alone.
    pub(crate) fn wrote(&mut self, client_id: &str, id: Option<u64>, packet_id: Option<u16>) {
        if let Some(packet_id) = packet_id {
            self.outstanding.remove(&(client_id.to_owned(), packet_id));
        }
        let Some(id) = id else {
            return;
        };
        self.written.insert((client_id.to_owned(), id));
        if let Some(packet_id) = packet_id {
            self.outstanding
                .insert((client_id.to_owned(), packet_id), id);
        }
    }

    pub(crate) fn answered(&mut self, client_id: &str, at_ms: u64, packet_id: u16) {
        let key = (client_id.to_owned(), packet_id);
        if let Some(id) = self.outstanding.get(&key) {
            self.answered.insert((key.0, *id), at_ms);
        }
    }

    pub(crate) fn withheld(&mut self, client_id: &str, topic: &str, outcome: Outcome) {
        let key = (client_id.to_owned(), topic.to_owned());
        self.withheld.entry(key).or_default().insert(outcome);
    }

    /// Another process knows nothing of what was recorded.
    pub(crate) fn crash(&mut self, now_ms: u64) {
        self.began_ms = now_ms;
        self.life += 1;
        self.changes.clear();
        self.outstanding.clear();
    }

    pub(crate) fn is_written(&self, client_id: &str, id: u64) -> bool {
        self.written.contains(&(client_id.to_owned(), id))
    }

    pub(crate) fn is_answered(&self, client_id: &str, id: u64) -> bool {
        self.answered.contains_key(&(client_id.to_owned(), id))
    }

    /// When which client answered a message last.
    pub(crate) fn answers(&self, id: u64) -> impl Iterator<Item = (&str, u64)> {
        let all = self.answered.iter().filter(move |((_, of), _)| *of == id);
        all.map(|((client_id, _), at_ms)| (&**client_id, *at_ms))
    }

    pub(crate) fn was_withheld(&self, client_id: &str, topic: &str, outcome: Outcome) -> bool {
        let key = (client_id.to_owned(), topic.to_owned());
        self.withheld
            .get(&key)
            .is_some_and(|all| all.contains(&outcome))
    }

    pub(crate) fn changes_of(&self, client_id: &str) -> &[Change] {
        self.changes.get(client_id).map_or(&[], Vec::as_slice)
    }
}

impl Oracle {
    /// Whether a message was accepted more than once, or may have been.
    pub(crate) fn is_repeated(&self, id: u64) -> bool {
        let known = self.messages.get(&id);
        known.is_none_or(|known| known.times != 1 || known.extra > 0)
    }

    /// A message was accepted: notes how everybody stands to it.
    pub(crate) fn note_accepted(&mut self, id: u64) {
        let Some(message) = self.messages.get(&id) else {
            return;
        };
        let clients = self.truth.changes.keys().chain(self.sessions.keys());
        let clients = clients.chain(self.ghosts.keys());
        let clients: BTreeSet<&String> = clients.collect();
        let standings = clients.into_iter().map(|client_id| {
            let standing = match self.sessions.get(client_id) {
                None if self.ghosts.contains_key(client_id) => Standing::Ghost,
                None => Standing::Nothing,
                Some(session) => standing(client_id, session, message),
            };
            (client_id.clone(), standing)
        });
        let is_member = |(_, session): &(&String, &Session)| {
            let unsure = session.unsure.iter().chain(&session.leaving);
            let mut groups = session.shared.keys().chain(unsure);
            groups.any(|of| of.starts_with("$share/") && matches(of, &message.topic))
        };
        let members = self.sessions.iter().filter(is_member);
        let members = members.map(|(client_id, _)| client_id.clone());
        let accepted = Accepted {
            id,
            at_ms: self.now_ms,
            life: self.truth.life,
            message: message.clone(),
            standings: standings.collect(),
            members: members.collect(),
        };
        if self.truth.accepted.len() >= ACCEPTED_MAX {
            self.truth.accepted.drain(..ACCEPTED_MAX / 2);
        }
        self.truth.accepted.push(accepted);
    }
}

fn standing(client_id: &str, session: &Session, message: &Message) -> Standing {
    let is_about = |filter: &String| matches(filter, &message.topic);
    if session.is_doubtful {
        return Standing::Ghost;
    }
    let is_open = session.is_loose
        || session.unsure.iter().any(is_about)
        || session.leaving.iter().any(is_about)
        || session.shared.keys().any(is_about);
    let own = session.subscriptions.iter();
    let own: Vec<_> = own.filter(|(filter, _)| is_about(filter)).collect();
    if is_open
        || !own
            .iter()
            .all(|(_, of)| of.is_acknowledged && of.settled > Said::Nothing)
    {
        return Standing::Open;
    }
    let Some(most) = own.iter().map(|(_, of)| of.options.qos).max() else {
        return Standing::Nothing;
    };
    // A message of its own does not come by those with No Local.
    let is_its = message.publisher == client_id;
    let others = own
        .iter()
        .filter(|(_, of)| !(is_its && of.options.no_local));
    let qos = others.map(|(_, of)| of.options.qos).max();
    Standing::Subscribed {
        qos: qos.unwrap_or(most),
        is_online: session.conn.is_some(),
        is_own: qos.is_none(),
    }
}
