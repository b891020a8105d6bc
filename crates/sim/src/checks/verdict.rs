//! A verdict about a message does not contradict what truly became of it.

use columba_broker::outcome::Outcome;
use columba_codec::QoS;
use columba_diagnosis::{Code, Confidence, Fate};

use super::delivery::matches;
use crate::oracle::truth::{Accepted, Change, Ending, Standing, What};
use crate::oracle::{Oracle, id_of};

/// One verdict about one message for one client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) code: Code,
    pub(crate) confidence: Confidence,
    pub(crate) of: &'a Accepted,
    pub(crate) client: &'a str,
    /// Since when there is a record; what was before cannot be told.
    pub(crate) since_ms: u64,
}

impl Oracle {
    /// What speaks against a verdict, if anything does. What is only possible may be wrong.
    pub(crate) fn contradiction(&self, claim: Claim<'_>) -> Option<&'static str> {
        if claim.confidence == Confidence::Possible {
            return None;
        }
        let Claim {
            code, of, client, ..
        } = claim;
        let (is_written, is_answered) = (
            self.truth.is_written(client, of.id),
            self.truth.is_answered(client, of.id),
        );
        if code.fate() == Fate::NotDelivered && is_answered {
            return Some("the client acknowledged it");
        }
        if code.fate() == Fate::Waiting && is_answered && !self.has_unsettled(claim) {
            return Some("the client acknowledged it, and nothing waits");
        }
        let says_no_copy = matches!(
            code,
            Code::R01
                | Code::R02
                | Code::R03
                | Code::R04
                | Code::R05
                | Code::R07
                | Code::S01
                | Code::S03
                | Code::S04
                | Code::S12
                | Code::S15
        );
        if says_no_copy && is_written {
            return Some("a copy was sent to the client");
        }
        match code {
            Code::D01 | Code::D04 => (!is_answered).then_some("no acknowledgement came"),
            Code::D02 | Code::D05 => (!is_written).then_some("it was never sent"),
            Code::D03 | Code::D06 | Code::D07 => (!is_written).then_some("it was never sent"),
            Code::S11 | Code::S13 => self.waits(claim),
            Code::R01 | Code::R02 | Code::R07 => self.never_subscribed(claim),
            Code::R03 | Code::R04 => self.subscribed_later(claim),
            Code::R05 => (!self.was_member(claim)).then_some("it was no member of a shared group"),
            Code::R06 => match of.standings.get(client) {
                Some(
                    Standing::Subscribed { is_own: true, .. } | Standing::Open | Standing::Ghost,
                ) => None,
                _ => Some("No Local does not hold it back"),
            },
            Code::S01 => self.ended(claim, &[Ending::WithConnection]),
            Code::S03 => self.session_ended(claim),
            Code::S12 => self.unsubscribed(claim),
            Code::S02 => self.was_offline(claim),
            Code::S07 => self.was_dropped(claim, Outcome::DeliverQueueFull),
            Code::S08 => self.was_dropped(claim, Outcome::DeliverSocketCongested),
            Code::S10 => self.was_dropped(claim, Outcome::DeliverTooLarge),
            Code::S09 | Code::P12 => match of.message.expires_ms {
                // It is dropped when its turn to be sent comes, and is lost from now on.
                Some(at_ms) if at_ms <= self.now_ms + SLACK_MS && !is_written => None,
                Some(at_ms) if at_ms <= self.now_ms + SLACK_MS => {
                    self.was_dropped(claim, Outcome::DeliverExpired)
                }
                _ => Some("it has not expired"),
            },
            Code::U03 => {
                let changes = self.truth.changes_of(client);
                let mut changes = changes.iter().filter(|of| of.at_ms > claim.since_ms);
                let is_known = changes.any(|of| matches!(of.what, What::Connected));
                is_known.then_some("the client was here")
            }
            Code::U01 | Code::U02 | Code::U04 => None,
            Code::R08 => Some("no copy is lost without a trace"),
            Code::S04 => self.session_ended(claim),
            Code::S05 => self.was_denied(claim),
            Code::S06 => self.was_kept_back(claim),
            Code::P07 => (!self.was_refused(of)).then_some("the broker accepted it"),
            Code::S15 => self.was_online(claim).then_some("the client was online"),
            Code::P01
            | Code::P02
            | Code::P03
            | Code::P04
            | Code::P05
            | Code::P06
            | Code::P08
            | Code::P09
            | Code::P10
            | Code::P11
            | Code::P13
            | Code::P14 => Some("the broker accepted it"),
            Code::S14 => self.was_dropped(claim, Outcome::DeliverStoreLost),
        }
    }

    /// Whether a copy of the message is on its way, perhaps another one than was answered.
    fn has_unsettled(&self, claim: Claim<'_>) -> bool {
        let session = self.sessions.get(claim.client);
        session.is_some_and(|session| {
            let all = session.unsettled.values().chain(session.perhaps.values());
            let mut ids = all.map(|sent| id_of(&sent.payload));
            session.is_loose || ids.any(|id| id == Some(claim.of.id))
        })
    }

    fn waits(&self, claim: Claim<'_>) -> Option<&'static str> {
        let Some(session) = self.sessions.get(claim.client) else {
            let may_be_there = self.ghosts.contains_key(claim.client);
            return (!may_be_there).then_some("there is no session that it could wait in");
        };
        let is_offline = session.conn.is_none();
        match claim.code {
            Code::S13 if !is_offline => Some("the client is online"),
            Code::S11 if is_offline => Some("the client is offline"),
            _ => None,
        }
    }

    /// What a client did before a message and after it, as far as times tell.
    fn before<'s>(&'s self, claim: Claim<'s>) -> impl Iterator<Item = &'s Change> {
        let changes = self.truth.changes_of(claim.client).iter();
        changes.take_while(move |change| change.at_ms <= claim.of.at_ms)
    }

    fn is_about(claim: Claim<'_>, change: &Change) -> bool {
        match &change.what {
            What::Subscribed(filter)
            | What::Unsubscribed(filter)
            | What::Denied(filter)
            | What::Revoked(filter) => matches(filter, &claim.of.message.topic),
            What::PerhapsUnsubscribed(_) | What::Connected | What::Ended(_) => false,
        }
    }

    fn has_no_subscription(claim: Claim<'_>) -> bool {
        let standing = claim.of.standings.get(claim.client);
        !matches!(standing, Some(Standing::Subscribed { .. }))
    }

    fn is_nothing(claim: Claim<'_>) -> bool {
        let standing = claim.of.standings.get(claim.client);
        matches!(standing, None | Some(Standing::Nothing))
    }

    /// Whether this may have happened before the message came to the client's shard from another one.
    fn is_on_its_way(&self, claim: Claim<'_>, is_it: impl Fn(&Change) -> bool) -> bool {
        let changes = self.truth.changes_of(claim.client).iter();
        let from_ms = claim.of.at_ms;
        let until_ms = self.on_its_way_until_ms(from_ms);
        let mut meanwhile = changes.filter(|of| (from_ms..until_ms).contains(&of.at_ms));
        self.shards > 1 && meanwhile.any(is_it)
    }

    /// When a message of this time has come to all shards: one that stands still reads it afterwards.
    fn on_its_way_until_ms(&self, from_ms: u64) -> u64 {
        let until_ms = from_ms + ON_THE_WAY_MS_MAX;
        let standstills = self.truth.standstills.iter();
        let meanwhile =
            standstills.filter(|(begin_ms, end_ms)| *begin_ms < until_ms && *end_ms > from_ms);
        let ends_ms = meanwhile.map(|(_, end_ms)| end_ms + ON_THE_WAY_MS_MAX);
        ends_ms.max().unwrap_or(until_ms)
    }

    fn never_subscribed(&self, claim: Claim<'_>) -> Option<&'static str> {
        if !Self::has_no_subscription(claim) {
            // The session may have ended before the message came to it.
            let has_ended = |of: &Change| matches!(of.what, What::Ended(_));
            return (!self.is_on_its_way(claim, has_ended))
                .then_some("a subscription of the client matches");
        }
        let known = self.before(claim).filter(|of| of.at_ms > claim.since_ms);
        let mut asked = known.filter(|of| Self::is_about(claim, of));
        (Self::is_nothing(claim) && asked.next().is_some())
            .then_some("the client had a subscription that ended")
    }

    fn subscribed_later(&self, claim: Claim<'_>) -> Option<&'static str> {
        if !Self::has_no_subscription(claim) {
            return Some("a subscription of the client matches");
        }
        let changes = self.truth.changes_of(claim.client).iter();
        let mut later = changes.filter(|of| of.at_ms >= claim.of.at_ms);
        let has_asked =
            later.any(|of| matches!(of.what, What::Subscribed(_)) && Self::is_about(claim, of));
        if !has_asked {
            return Some("the client did not subscribe later");
        }
        match (claim.code, claim.of.message.retain) {
            (Code::R03, true) => Some("it was retained"),
            (Code::R04, false) => Some("it was not retained"),
            _ => None,
        }
    }

    fn was_member(&self, claim: Claim<'_>) -> bool {
        let session = self.sessions.get(claim.client);
        let topic = &claim.of.message.topic;
        let mut changes = self.truth.changes_of(claim.client).iter();
        claim.of.members.contains(claim.client)
            || session.is_some_and(|of| of.group_of(topic).is_some())
            || changes.any(|of| {
                matches!(&of.what, What::Subscribed(filter) if filter.starts_with("$share/"))
                    && Self::is_about(claim, of)
            })
    }

    /// The session that the client had before the message ended, in one of these ways.
    fn ended(&self, claim: Claim<'_>, ways: &[Ending]) -> Option<&'static str> {
        if !Self::has_no_subscription(claim) {
            return Some("a subscription of the client matches");
        }
        let has_ended = self
            .before(claim)
            .any(|of| matches!(of.what, What::Ended(why) if ways.contains(&why)));
        (!has_ended).then_some("no session of the client had ended so")
    }

    fn session_ended(&self, claim: Claim<'_>) -> Option<&'static str> {
        if claim.of.standings.get(claim.client) == Some(&Standing::Ghost) {
            return None;
        }
        let changes = self.truth.changes_of(claim.client);
        let mut ended = changes
            .iter()
            .filter(|of| matches!(of.what, What::Ended(_)));
        // What is retained, or was under way between shards, may have come by a later subscription, whose
        // session has ended since.
        let may_come_later =
            claim.of.message.retain || self.truth.is_written(claim.client, claim.of.id);
        let is_later = may_come_later && ended.clone().any(|of| of.at_ms >= claim.of.at_ms);
        // What it may have had after a crash was not seen to end, and had ended.
        let was_ghost = self.truth.haunted.contains(claim.client);
        if Self::is_nothing(claim) && was_ghost && claim.of.life == self.truth.life {
            return None;
        }
        if Self::is_nothing(claim) && !is_later {
            let all = [
                Ending::WithConnection,
                Ending::CleanStart,
                Ending::Expired,
                Ending::ByOperator,
                Ending::Crash,
            ];
            return self.ended(claim, &all);
        }
        (!ended.any(|of| of.at_ms >= claim.of.at_ms))
            .then_some("no session of the client has ended")
    }

    fn unsubscribed(&self, claim: Claim<'_>) -> Option<&'static str> {
        if !Self::has_no_subscription(claim) {
            return Some("a subscription of the client matches");
        }
        let topic = &claim.of.message.topic;
        let has_left = self.before(claim).any(|of| match &of.what {
            What::Unsubscribed(filter) | What::PerhapsUnsubscribed(filter) => {
                matches(filter, topic)
            }
            What::Subscribed(_)
            | What::Denied(_)
            | What::Revoked(_)
            | What::Connected
            | What::Ended(_) => false,
        });
        (!has_left).then_some("the client had not unsubscribed")
    }

    /// The SUBSCRIBE was refused, or the rules have taken back what it had.
    fn was_denied(&self, claim: Claim<'_>) -> Option<&'static str> {
        if !Self::has_no_subscription(claim) {
            return Some("a subscription of the client matches");
        }
        let topic = &claim.of.message.topic;
        let was_denied = self.before(claim).any(|of| match &of.what {
            What::Denied(filter) | What::Revoked(filter) | What::PerhapsUnsubscribed(filter) => {
                matches(filter, topic)
            }
            What::Subscribed(_) | What::Unsubscribed(_) | What::Connected | What::Ended(_) => false,
        });
        (!was_denied).then_some("no subscription of the client was denied")
    }

    /// Rules kept it back from the client, or from the only one of a group that was left.
    fn was_kept_back(&self, claim: Claim<'_>) -> Option<&'static str> {
        let (topic, outcome) = (&claim.of.message.topic, Outcome::DeliverDeniedRead);
        if self.was_member(claim) && self.truth.was_withheld("", topic, outcome) {
            return None;
        }
        self.was_dropped(claim, outcome)
    }

    /// Whether another message was refused in the same millisecond.
    fn was_refused(&self, of: &Accepted) -> bool {
        let mut refused = self.truth.refused.iter();
        refused.any(|other| other.at_ms == of.at_ms && other.topic == of.message.topic)
    }

    fn was_offline(&self, claim: Claim<'_>) -> Option<&'static str> {
        if self.truth.is_written(claim.client, claim.of.id) {
            return Some("it was sent");
        }
        match claim.of.standings.get(claim.client) {
            Some(Standing::Subscribed { qos, .. })
                if (*qos).min(claim.of.message.qos) > QoS::AtMostOnce =>
            {
                // What is left of its subscriptions when the message comes may have QoS 0.
                let may_be_less =
                    |of: &Change| matches!(of.what, What::Ended(_)) || Self::is_about(claim, of);
                (!self.is_on_its_way(claim, may_be_less)).then_some("the copy has more than QoS 0")
            }
            Some(Standing::Nothing) if !claim.of.message.retain => {
                // It may have subscribed before the message came.
                let has_asked = |of: &Change| {
                    matches!(of.what, What::Subscribed(_)) && Self::is_about(claim, of)
                };
                // Within a millisecond it may have come before the session ended.
                let has_ended =
                    |of: &Change| matches!(of.what, What::Ended(_)) && of.at_ms == claim.of.at_ms;
                let may_have_had_it =
                    self.is_on_its_way(claim, has_asked) || self.before(claim).any(has_ended);
                (!may_have_had_it).then_some("the client had no subscription")
            }
            _ => None,
        }
    }

    /// Whether the client had a connection and a subscription that matched.
    fn was_online(&self, claim: Claim<'_>) -> bool {
        matches!(
            claim.of.standings.get(claim.client),
            Some(Standing::Subscribed {
                is_online: true,
                ..
            })
        )
    }

    /// What speaks against a verdict about a message that was accepted if it names no subscriber.
    pub(crate) fn contradiction_for_all(
        &self,
        code: Code,
        confidence: Confidence,
        of: &Accepted,
    ) -> Option<&'static str> {
        if confidence == Confidence::Possible {
            return None;
        }
        let is_due = |standing: &Standing| match standing {
            Standing::Subscribed {
                qos,
                is_online,
                is_own,
            } => !is_own && (*is_online || (*qos).min(of.message.qos) > QoS::AtMostOnce),
            Standing::Nothing | Standing::Open | Standing::Ghost => false,
        };
        match code {
            Code::P01 | Code::P04 | Code::P05 | Code::P06 | Code::P13 => Some("it was accepted"),
            Code::R01
            | Code::R02
            | Code::R03
            | Code::R04
            | Code::R07
            | Code::S01
            | Code::S03
            | Code::S04
            | Code::S12
            | Code::S15 => {
                let is_for_somebody = of.standings.values().any(is_due);
                is_for_somebody.then_some("a subscription matched it")
            }
            _ if code.fate() == Fate::Delivered => Some("nobody is named who got it"),
            _ => None,
        }
    }

    /// Whether what is said may be true of a copy of a message that was accepted in an earlier life of
    /// the process.
    pub(crate) fn may_be_older(&self, claim: Claim<'_>) -> bool {
        let topic = &claim.of.message.topic;
        let all = self.truth.accepted.iter();
        let mut earlier = all.filter(|of| of.life < claim.of.life && of.message.topic == *topic);
        let outcome = match claim.code {
            // What came out of the store is followed from when it is sent.
            Code::D01 | Code::D04 => {
                let began_ms = self.truth.began_ms;
                return earlier.any(|of| {
                    let mut answers = self.truth.answers(of.id);
                    answers.any(|(client, at_ms)| client == claim.client && at_ms >= began_ms)
                });
            }
            Code::D03 | Code::D06 | Code::S11 | Code::S13 => {
                return earlier.any(|of| !self.truth.is_answered(claim.client, of.id));
            }
            Code::S07 => Outcome::DeliverQueueFull,
            Code::S08 => Outcome::DeliverSocketCongested,
            Code::S09 => Outcome::DeliverExpired,
            Code::S10 => Outcome::DeliverTooLarge,
            _ => return false,
        };
        earlier.any(|of| !self.truth.is_answered(claim.client, of.id))
            && self.truth.was_withheld(claim.client, topic, outcome)
    }

    fn was_dropped(&self, claim: Claim<'_>, outcome: Outcome) -> Option<&'static str> {
        let topic = &claim.of.message.topic;
        (!self.truth.was_withheld(claim.client, topic, outcome))
            .then_some("no such drop was reported")
    }
}

/// So long a message may be on its way from one shard to another, but for the time in which a shard stands still.
const ON_THE_WAY_MS_MAX: u64 = 1_000;
/// By how much the time of a message's end is rounded.
const SLACK_MS: u64 = 1_000;
