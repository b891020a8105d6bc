//! What operators were told, and what follows from it: what is done is on the disk, each answer comes
//! once, and whoever is banned is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use columba_broker::access::AccessRules;
use columba_broker::ban::{BanList, Banned};
use columba_broker::event::Command;
use columba_broker::limits::{Limits, Promise};
use columba_broker::query::{
    Answer, Condition, PublishRequest, Request, RequestId, SubscriptionKey,
};

use super::truth::What;
use super::{About, Ending, Message, Observation, Oracle, Phase, Said, id_of};
use crate::checks::delivery::matches;
use crate::event::LinkId;
use crate::swarm::Swarm;

/// What the configuration says.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    /// What each listener promises.
    promises: Vec<Promise>,
    /// Who may do what.
    pub(super) access: Arc<AccessRules>,
}

impl Settings {
    pub(crate) fn of(swarm: &Swarm) -> Self {
        Self {
            limits: swarm.limits.clone(),
            promises: swarm.listeners.clone(),
            access: Arc::clone(&swarm.access),
        }
    }
}

/// What was asked, and who is banned.
#[derive(Debug, Default)]
pub(crate) struct Operators {
    asked: BTreeMap<RequestId, Asked>,
    /// Who is banned, as far as each shard knows, and who was before the present input.
    bans: BTreeMap<usize, Bans>,
    before: Bans,
    /// By shard, once they have changed.
    settings: BTreeMap<usize, Settings>,
    /// Which input has expelled the user, by shard.
    pub(super) expelled: BTreeMap<usize, u64>,
}

/// Until when, by whom it is for.
type Bans = BTreeMap<Banned, Option<u64>>;

/// Something that was asked for, and what it did.
#[derive(Debug)]
pub(super) enum Asked {
    Disconnect {
        client_id: String,
        /// The last session of anybody that had begun when a session was to end: none of the client's
        /// up to that one comes back.
        ended: Option<u64>,
    },
    Unsubscribe {
        client_id: String,
        filter: String,
    },
    Publish {
        id: Option<u64>,
        topic: String,
        retained: Option<u64>,
        /// Whether somebody subscribes to it for sure.
        has_to_match: bool,
    },
    Clear {
        topic: String,
        retained: u64,
    },
    ClearAll {
        retained: Vec<(String, u64)>,
        next: Option<Arc<str>>,
    },
    /// There was no such thing, and is none.
    Missing {
        /// Whose session, and the last session of anybody that had begun.
        session: Option<(String, u64)>,
    },
    /// It was not what the condition asks for.
    Changed,
    /// It was refused at once, for now.
    Busy,
}

impl Operators {
    /// Another process knows nothing of what was asked.
    pub(crate) fn crash(&mut self) {
        self.asked.clear();
        self.bans.clear();
        self.settings.clear();
        self.expelled.clear();
    }
}

impl Oracle {
    /// All is quiet: every operator has an answer.
    pub(crate) fn check_answered(&mut self) {
        if let Some((id, asked)) = self.operators.asked.first_key_value() {
            let detail = format!("{id:?} has no answer: {asked:?}");
            self.fail("operator", detail);
        }
    }

    /// A request reaches a shard, which has told before how things stand.
    pub(crate) fn on_request(
        &mut self,
        seen: &Observation,
        id: RequestId,
        request: &Request,
        before: Option<&Answer>,
    ) {
        let mut answers = seen.answers.iter();
        let is_busy = answers.any(|(of, answer)| *of == id && matches!(answer, Answer::Busy));
        let asked = match (request, before) {
            (Request::Publish(_), _) if is_busy && self.is_durable => Asked::Busy,
            (Request::Disconnect { client_id, .. }, Some(Answer::Session(found))) => {
                self.on_disconnect_request(client_id, found.is_some())
            }
            (
                Request::Unsubscribe {
                    client_id, filter, ..
                },
                Some(Answer::Subscriptions(page)),
            ) => {
                let mut rows = page.rows.iter();
                let has_it = rows.any(|row| text_of(&row.key) == **filter);
                self.on_unsubscribe_request(client_id, filter, has_it)
            }
            (Request::Publish(publish), Some(Answer::RetainedMessage(found))) => {
                match publish.condition {
                    Condition::Absent if found.is_some() => Asked::Changed,
                    Condition::Present if found.is_none() => Asked::Changed,
                    _ => self.on_publish_request(publish),
                }
            }
            (
                Request::ClearRetained {
                    topic, condition, ..
                },
                Some(Answer::RetainedMessage(found)),
            ) => match (found, condition) {
                (None, _) => Asked::Missing { session: None },
                (Some(_), Condition::Absent) => Asked::Changed,
                (Some(_), _) => Asked::Clear {
                    topic: topic.to_string(),
                    retained: self.clear(topic),
                },
            },
            (Request::ClearAllRetained { .. }, Some(Answer::Retained(page))) => {
                let topics = page.rows.iter().map(|row| row.message.topic());
                let retained = topics.map(|topic| (topic.to_owned(), self.clear(topic)));
                Asked::ClearAll {
                    retained: retained.collect(),
                    next: page.next.clone(),
                }
            }
            other => return self.fail("operator", format!("an operator asked {other:?}")),
        };
        self.operators.asked.insert(id, asked);
    }

    fn clear(&mut self, topic: &str) -> u64 {
        let (shard, turn) = (self.shard, self.turn);
        self.retained.accepted(topic, None, shard, turn)
    }

    /// Whether the broker has a session is known now. When one ends that is not sure is as open as before.
    fn check_presence(&mut self, client_id: &str, is_there: bool) {
        let session = self.sessions.get_mut(client_id);
        let is_fine = match (&session, is_there) {
            (Some(_), true) | (None, false) => true,
            (Some(session), false) => session.is_doubtful,
            (None, true) => self.ghosts.contains_key(client_id),
        };
        if !is_fine {
            let detail = format!("{client_id} has a session: {is_there}, as an operator sees it");
            return self.fail("operator", detail);
        }
        match session {
            Some(session) if is_there && session.home == usize::MAX => session.home = self.shard,
            Some(_) if !is_there => {
                // One that is not there now may be there after another crash.
                let ghost = self.ghosts.remove(client_id);
                self.resolve(client_id, false);
                let ghost = ghost.map(|ghost| (client_id.to_owned(), ghost));
                self.ghosts.extend(ghost);
            }
            Some(_) | None => {}
        }
    }

    fn on_disconnect_request(&mut self, client_id: &str, is_there: bool) -> Asked {
        self.check_presence(client_id, is_there);
        if !is_there {
            return Asked::Missing {
                session: Some((client_id.to_owned(), self.serial)),
            };
        }
        self.admin = Some(client_id.to_owned());
        Asked::Disconnect {
            client_id: client_id.to_owned(),
            ended: None,
        }
    }

    pub(super) fn on_unsubscribe_request(
        &mut self,
        client_id: &str,
        filter: &str,
        is_there: bool,
    ) -> Asked {
        let session = self.sessions.get(client_id);
        let session = session.filter(|of| !of.is_doubtful && !of.is_loose);
        let is_known = session.is_some_and(|session| {
            session.subscriptions.contains_key(filter) || session.shared.contains_key(filter)
        });
        let is_sure = session.is_some_and(|session| !session.unsure.contains(filter));
        if is_sure && is_known != is_there {
            let detail = format!("{client_id} has {filter}: {is_there}, as an operator sees it");
            self.fail("operator", detail);
        }
        if !is_there {
            return Asked::Missing { session: None };
        }
        self.check_presence(client_id, true);
        self.end_subscription(client_id, filter, What::Unsubscribed);
        Asked::Unsubscribe {
            client_id: client_id.to_owned(),
            filter: filter.to_owned(),
        }
    }

    fn on_publish_request(&mut self, publish: &PublishRequest) -> Asked {
        let message = Message {
            topic: publish.topic.to_string(),
            payload: publish.payload.clone(),
            qos: publish.qos,
            retain: publish.retain,
            publisher: String::new(),
            is_will: false,
            expires_ms: publish
                .expiry_secs
                .map(|secs| self.now_ms + u64::from(secs) * 1000),
            first: 0,
            last: 0,
            times: 0,
            owed_to: BTreeSet::new(),
            extra: 0,
            acknowledged: Said::Nothing,
            is_expiry_open: false,
        };
        let has_to_match = self.sessions.values().any(|session| {
            let mut all = session.subscriptions.iter();
            !session.is_doubtful
                && !session.is_loose
                && all.any(|(filter, of)| of.is_acknowledged && matches(filter, &message.topic))
        });
        Asked::Publish {
            id: id_of(&message.payload),
            topic: message.topic.clone(),
            retained: self.accept(message),
            has_to_match,
        }
    }

    /// An operator is told what came of a request.
    pub(crate) fn on_answer(&mut self, id: RequestId, answer: &Answer) {
        let Some(asked) = self.operators.asked.remove(&id) else {
            let detail = format!("{id:?}, which nobody waits for, is answered {answer:?}");
            return self.fail("operator", detail);
        };
        let is_fine = match (&asked, answer) {
            (Asked::Disconnect { client_id, ended }, Answer::Done) => {
                if let Some(ended) = ended {
                    self.is_gone_for_good(client_id, *ended);
                }
                true
            }
            (Asked::Unsubscribe { client_id, filter }, Answer::Done) => {
                self.has_left_for_good(client_id, filter);
                true
            }
            (
                Asked::Publish {
                    id,
                    topic,
                    retained,
                    has_to_match,
                },
                Answer::Published { is_matched },
            ) => {
                if let Some(message) = id.and_then(|id| self.messages.get_mut(&id)) {
                    message.acknowledged = Said::Durable;
                }
                if let Some(number) = retained {
                    self.retained.acknowledged(topic, *number, Said::Durable);
                }
                *is_matched || !has_to_match
            }
            (Asked::Clear { topic, retained }, Answer::Done) => {
                self.retained.acknowledged(topic, *retained, Said::Durable);
                true
            }
            (Asked::ClearAll { retained, next }, Answer::Cleared { count, next: told }) => {
                for (topic, number) in retained {
                    self.retained.acknowledged(topic, *number, Said::Durable);
                }
                // What has expired is counted as well.
                *count >= retained.len() && next == told
            }
            (Asked::Missing { session }, Answer::Missing) => {
                if let Some((client_id, serial)) = session {
                    self.is_gone_for_good(client_id, *serial);
                }
                true
            }
            (Asked::Changed, Answer::Changed) => true,
            // A disk that is full or has failed has no room for what would be waited for.
            (_, Answer::Busy) => self.is_durable,
            _ => false,
        };
        if !is_fine {
            self.fail("operator", format!("{asked:?} is answered {answer:?}"));
        }
    }

    /// No session of a client up to this one comes back.
    fn is_gone_for_good(&mut self, client_id: &str, serial: u64) {
        self.ended
            .retain(|(of, ghost)| of != client_id || ghost.session.serial > serial);
        self.ghosts
            .retain(|of, ghost| of != client_id || ghost.serial > serial);
    }

    /// A subscription that an operator has ended is gone from the disk.
    fn has_left_for_good(&mut self, client_id: &str, filter: &String) {
        let Some(session) = self.sessions.get_mut(client_id) else {
            return;
        };
        // Another end of it may be under way.
        let conn = session.conn.and_then(|link| self.conns.get(link));
        let mut ending = conn
            .into_iter()
            .flat_map(|conn| conn.unsubscribing.values());
        let mut asked = self.operators.asked.values();
        let is_asked = asked.any(|of| {
            matches!(of, Asked::Unsubscribe { client_id: client, filter: other }
                if client == client_id && other == filter)
        });
        if !is_asked && !ending.any(|filters| filters.contains(filter)) {
            session.leaving.remove(filter);
        }
    }

    /// An operator ends a session, whether its client is connected or not.
    pub(super) fn end_by_operator(&mut self, seen: &Observation) {
        match &seen.about {
            About::Command(Command::Disconnect {
                client_id,
                end_session: true,
            }) => {
                if let Some(session) = self.sessions.get_mut(&**client_id)
                    && session.home == usize::MAX
                {
                    // Some shard has it.
                    session.is_doubtful = true;
                    session.owed.clear();
                }
                if self
                    .sessions
                    .get(&**client_id)
                    .is_some_and(|session| session.home == seen.shard)
                {
                    self.end_session(client_id, Ending::ByOperator);
                }
            }
            About::Request { id, request, .. } => {
                if let Request::Disconnect {
                    client_id,
                    end_session: true,
                    ..
                } = &**request
                    && let Some(Asked::Disconnect { ended, .. }) = self.operators.asked.get_mut(id)
                {
                    *ended = Some(self.serial);
                    if self.ghosts.contains_key(&**client_id) {
                        // One that the model was not sure of.
                        let what = What::Ended(Ending::ByOperator);
                        self.truth.note(client_id, self.now_ms, what);
                    }
                    self.end_session(client_id, Ending::ByOperator);
                }
            }
            _ => {}
        }
    }

    /// The settings of the shard that the present input is for.
    pub(crate) fn settings_here(&self) -> &Settings {
        let settings = self.operators.settings.get(&self.shard);
        settings.unwrap_or(&self.settings)
    }

    /// A connection begins here: until it ends it is promised what its listener promises now.
    pub(crate) fn promise(&mut self, link: LinkId) {
        let promises = &self.settings_here().promises;
        let promise = promises.get(self.conns[link].listener).copied();
        self.conns[link].says = promise.unwrap_or_default().into();
    }

    pub(crate) fn on_command(&mut self, command: &Command) {
        let mut settings = self.settings_here().clone();
        match command {
            Command::SetBans(bans) => return self.on_bans(bans),
            Command::SetLimits(limits) => settings.limits = (**limits).clone(),
            Command::SetListeners(listeners) => {
                settings.promises = listeners.iter().map(|of| of.promise).collect();
            }
            Command::SetAccess(access) => settings.access = Arc::clone(access),
            Command::UsersChanged {
                access: Some(access),
                ..
            } => settings.access = Arc::clone(access),
            _ => return,
        }
        self.operators.settings.insert(self.shard, settings);
    }

    /// A shard learns who is banned.
    fn on_bans(&mut self, bans: &BanList) {
        let bans = bans.iter().map(|(whom, ban)| (whom, ban.until_unix_ms));
        let bans: Bans = bans.collect();
        let old = self.operators.bans.insert(self.shard, bans);
        self.operators.before = old.unwrap_or_default();
    }

    fn is_banned(&self, link: LinkId, client_id: &str, is_new: bool) -> bool {
        let conn = &self.conns[link];
        let Some(bans) = self.operators.bans.get(&self.shard) else {
            return false;
        };
        let user = conn.user.map(|user| Banned::User(user.into()));
        let all = [
            Some(Banned::Client(client_id.into())),
            user,
            Some(Banned::Address(conn.addr)),
        ];
        all.into_iter().flatten().any(|whom| {
            let until = bans.get(&whom);
            let holds = until.is_some_and(|until| until.is_none_or(|ms| self.unix_ms < ms));
            holds && !(is_new && self.operators.before.get(&whom) == until)
        })
    }

    /// Whether a connection is closed because its client is banned from now on.
    pub(super) fn is_banned_now(&self, link: LinkId, seen: &Observation) -> bool {
        let is_about = matches!(seen.about, About::Command(Command::SetBans(_)));
        is_about && self.is_banned(link, &self.conns[link].client_id, true)
    }

    /// Whoever is banned from now on is not there any more.
    pub(super) fn check_bans(&mut self, seen: &Observation) {
        if !matches!(seen.about, About::Command(Command::SetBans(_))) {
            return;
        }
        let here = self.sessions.values().filter(|of| of.home == seen.shard);
        let mut links = here.filter_map(|session| session.conn);
        let banned = links
            .find(|link| self.conns[*link].phase == Phase::Open && self.is_banned_now(*link, seen));
        if let Some(link) = banned {
            let client_id = &self.conns[link].client_id;
            let detail = format!("link {link} ({client_id}) is banned and stays");
            self.fail("ban", detail);
        }
    }

    /// A client is let in.
    pub(super) fn check_not_banned(&mut self, link: LinkId, client_id: &str) {
        if self.is_banned(link, client_id, false) {
            let detail = format!("link {link} ({client_id}) is banned and was let in");
            self.fail("ban", detail);
        }
    }
}

/// A filter as its client names it.
fn text_of(key: &SubscriptionKey) -> String {
    match &key.group {
        Some(group) => format!("$share/{group}/{}", key.filter),
        None => key.filter.to_string(),
    }
}
