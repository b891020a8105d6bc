//! Operators: what the management API does to the shards, while clients work and faults happen.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use columba_broker::ban::{Ban, BanList, Banned};
use columba_broker::event::{Command, Effect, Input};
use columba_broker::home_of;
use columba_broker::limits::{Anonymous, Limits, ListenerSettings, Promise};
use columba_broker::query::{
    Answer, Condition, PAGE_ROWS_MAX, PublishRequest, Request, RequestId, RetainedQuery,
    SubscriptionsQuery,
};
use columba_codec::{PropertiesBuf, QoS};

use crate::chance::Chance;
use crate::event::Event;
use crate::guard::USER;
use crate::oracle::About;
use crate::swarm::draw_limits;
use crate::world::{Mode, World};

/// Something that an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Disconnect,
    EndSession,
    Unsubscribe,
    Ban,
    LiftBan,
    Publish,
    ClearRetained,
    ClearAllRetained,
    SetLimits,
    SetListeners,
    BackUp,
}

impl Act {
    pub(crate) const ALL: [Self; 11] = [
        Self::Disconnect,
        Self::EndSession,
        Self::Unsubscribe,
        Self::Ban,
        Self::LiftBan,
        Self::Publish,
        Self::ClearRetained,
        Self::ClearAllRetained,
        Self::SetLimits,
        Self::SetListeners,
        Self::BackUp,
    ];
}

/// Filters of which all retained messages are cleared.
const CLEARED: [&str; 6] = ["#", "t/#", "t/+", "+/a", "u", "w/#"];

/// Who does it, with a chance of their own: what clients do is the same as without them, as far as
/// it does not follow from what operators have done.
#[derive(Debug)]
pub(crate) struct Operator {
    chance: Chance,
    bans: BanList,
    /// What was asked, until it is answered.
    asked: BTreeMap<RequestId, Request>,
    next_id: u64,
    /// When the last word to each shard arrives; a later one does not overtake it.
    last_at_ms: Vec<u64>,
}

impl Operator {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            bans: BanList::default(),
            asked: BTreeMap::new(),
            next_id: 1_000,
            last_at_ms: Vec::new(),
        }
    }

    /// The process is gone, and nobody answers any more.
    pub(crate) fn crash(&mut self) {
        self.asked.clear();
        self.last_at_ms.clear();
    }
}

/// What tells whether there is anything that a request can change.
fn question_before(request: &Request) -> Option<Request> {
    Some(match request {
        Request::Disconnect { client_id, .. } => Request::Session {
            client_id: Arc::clone(client_id),
        },
        Request::Unsubscribe { client_id, .. } => Request::Subscriptions(SubscriptionsQuery {
            rows_max: PAGE_ROWS_MAX,
            client_id: Some(Arc::clone(client_id)),
            ..SubscriptionsQuery::default()
        }),
        Request::ClearRetained { topic, .. } => Request::RetainedMessage {
            topic: Arc::clone(topic),
        },
        // The same as a dry run.
        Request::ClearAllRetained { filter, after, .. } => Request::Retained(RetainedQuery {
            filter: Arc::clone(filter),
            after: after.clone(),
            rows_max: PAGE_ROWS_MAX,
        }),
        Request::Publish(publish) => Request::RetainedMessage {
            topic: Arc::clone(&publish.topic),
        },
        _ => return None,
    })
}

/// What a file of the configuration may say next.
fn reloaded_limits(limits: &Limits, chance: &mut Chance) -> Limits {
    Limits {
        // The clients send again at once whatever was not acknowledged, however much they may have
        // sent: with a lower one they would break a rule of MQTT 5.
        receive_maximum: limits.receive_maximum,
        // After a crash nobody knows which one a session was saved with last.
        session_expiry_v3_secs: limits.session_expiry_v3_secs,
        session_expiry_secs_max: limits.session_expiry_secs_max,
        queue_memory_bytes_max: chance.pick(&[0, 1_000, 1 << 26]),
        // A record of another size begins anew, in the middle of a millisecond, and times of the record
        // are no finer than that.
        recorder_bytes_max: limits.recorder_bytes_max,
        ..draw_limits(chance)
    }
}

/// The settings of listeners that make these promises.
pub(crate) fn listener_settings(
    promises: &[Promise],
    anonymous: Anonymous,
    connections_max: usize,
) -> Arc<[ListenerSettings]> {
    let settings = promises.iter().map(|promise| ListenerSettings {
        name: format!("{promise:?}"),
        anonymous,
        connections_max,
        packet_bytes_max: None,
        certificate_is_user: false,
        promise: *promise,
    });
    settings.collect()
}

/// An address of a client: some have the same one.
pub(crate) const fn address_of(client: usize) -> [u8; 4] {
    [127, 0, 0, 1 + (client % 3) as u8]
}

impl World {
    /// An operator's turn.
    pub(crate) fn on_operate(&mut self) {
        let Some(operating) = &self.swarm.operators else {
            return;
        };
        if self.mode != Mode::Faulty {
            return;
        }
        let pause_ms_max = operating.pause_ms_max;
        let act = self.operator.chance.pick(&operating.acts);
        self.operate(act);
        let pause_ms = self.operator.chance.range(1, pause_ms_max);
        self.put(pause_ms, Event::Operate);
    }

    fn operate(&mut self, act: Act) {
        match act {
            Act::Disconnect | Act::EndSession => {
                let client_id = self.some_client();
                let end_session = act == Act::EndSession;
                let home = self.home_of(&client_id);
                let request = Request::Disconnect {
                    client_id,
                    end_session,
                    operator: who(),
                };
                self.ask(home, request);
            }
            Act::Unsubscribe => self.end_subscription(),
            Act::Ban => {
                let whom = self.some_banned();
                let unix_ms = self.now().unix_ms;
                let for_ms = self.operator.chance.pick(&[None, Some(50), Some(1_000)]);
                let ban = Ban {
                    until_unix_ms: for_ms.map(|ms: u64| unix_ms + ms),
                    reason: "floods".to_owned(),
                    by: "operator".to_owned(),
                    since_unix_ms: unix_ms,
                };
                if self.operator.bans.add(whom, ban).is_ok() {
                    self.tell_bans();
                }
            }
            Act::LiftBan => {
                let all: Vec<Banned> = self.operator.bans.iter().map(|(whom, _)| whom).collect();
                if !all.is_empty() {
                    let at = self.operator.chance.below(all.len() as u64) as usize;
                    self.operator.bans.remove(&all[at]);
                    self.tell_bans();
                }
            }
            Act::Publish => self.publish_by_operator(),
            Act::ClearRetained => {
                let topic = self.some_topic();
                let condition = self.some_condition();
                let home = self.home_of(&topic);
                let operator = who();
                self.ask(
                    home,
                    Request::ClearRetained {
                        topic,
                        condition,
                        operator,
                    },
                );
            }
            Act::SetLimits => {
                self.swarm.limits = reloaded_limits(&self.swarm.limits, &mut self.operator.chance);
                self.tell_all(&Command::SetLimits(Arc::new(self.swarm.limits.clone())));
            }
            Act::SetListeners => {
                let chance = &mut self.operator.chance;
                if self.swarm.store.is_some() {
                    for promise in &mut self.swarm.listeners {
                        *promise =
                            chance.pick(&[Promise::Durable, Promise::Written, Promise::Nothing]);
                    }
                }
                let anonymous = chance.pick(&[Anonymous::Always, Anonymous::Never]);
                let connections_max = chance.pick(&[0, 0, 1]);
                let settings = listener_settings(&self.swarm.listeners, anonymous, connections_max);
                self.tell_all(&Command::SetListeners(settings));
            }
            Act::BackUp => self.back_up(),
            Act::ClearAllRetained => {
                let filter = self.operator.chance.pick(&CLEARED).into();
                self.ask(
                    0,
                    Request::ClearAllRetained {
                        filter,
                        after: None,
                        operator: who(),
                    },
                );
            }
        }
    }

    fn end_subscription(&mut self) {
        let client = self.operator.chance.below(self.swarm.clients as u64) as usize;
        let subscribed = &self.clients[client].subscribed;
        let at = self.operator.chance.below(subscribed.len() as u64) as usize;
        let Some(filter) = subscribed.iter().nth(at) else {
            return;
        };
        let filter = filter.as_str().into();
        let client_id: Arc<str> = self.clients[client].persona.client_id.as_str().into();
        let home = self.home_of(&client_id);
        let operator = who();
        self.ask(
            home,
            Request::Unsubscribe {
                client_id,
                filter,
                operator,
            },
        );
    }

    fn publish_by_operator(&mut self) {
        let chance = &mut self.operator.chance;
        let qos = chance.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let retain = chance.percent(40);
        let is_clearing = retain && chance.percent(25);
        let len = chance.below(self.swarm.payload_bytes_max) as usize;
        let expiry_secs = chance.percent(15).then(|| chance.pick(&[1, 3]));
        let mut payload = Vec::new();
        if !is_clearing {
            payload = self.numbered_payload(len);
        }
        let topic = self.some_topic();
        let condition = self.some_condition();
        let home = self.home_of(&topic);
        let request = PublishRequest {
            topic,
            payload,
            qos,
            retain,
            expiry_secs,
            properties: PropertiesBuf::new(),
            condition,
        };
        self.ask(home, Request::Publish(Box::new(request)));
    }

    fn some_client(&mut self) -> Arc<str> {
        let client = self.operator.chance.below(self.swarm.clients as u64) as usize;
        self.clients[client].persona.client_id.as_str().into()
    }

    fn some_topic(&mut self) -> Arc<str> {
        let topics = self.topics();
        let at = self.operator.chance.below(topics.len() as u64) as usize;
        topics[at].as_str().into()
    }

    fn some_condition(&mut self) -> Condition {
        match self.operator.chance.below(10) {
            0 => Condition::Absent,
            1 => Condition::Present,
            _ => Condition::None,
        }
    }

    fn some_banned(&mut self) -> Banned {
        let client = self.operator.chance.below(self.swarm.clients as u64) as usize;
        match self.operator.chance.below(10) {
            0 => Banned::User(USER.into()),
            1 | 2 => Banned::Address(IpAddr::from(address_of(client))),
            _ => Banned::Client(self.clients[client].persona.client_id.as_str().into()),
        }
    }

    fn home_of(&self, name: &str) -> usize {
        home_of(self.shard_seed, name, self.swarm.shards).index()
    }

    /// When something that an operator says now reaches a shard.
    fn reaches_ms(&mut self, shard: usize) -> u64 {
        let operator = &mut self.operator;
        operator.last_at_ms.resize(self.shards.len(), 0);
        let at_ms = self.now_ms + operator.chance.below(4);
        let last_ms = &mut operator.last_at_ms[shard];
        *last_ms = at_ms.max(*last_ms);
        *last_ms
    }

    fn ask(&mut self, shard: usize, request: Request) {
        self.operator.next_id += 1;
        let id = RequestId(self.operator.next_id);
        let at_ms = self.reaches_ms(shard);
        self.operator.asked.insert(id, request.clone());
        let request = Box::new(request);
        self.agenda
            .put(at_ms, Event::Request { shard, id, request });
    }

    fn tell_bans(&mut self) {
        let bans = Arc::new(self.operator.bans.clone());
        self.tell_all(&Command::SetBans(bans));
    }

    pub(crate) fn tell_all(&mut self, command: &Command) {
        for shard in 0..self.shards.len() {
            let at_ms = self.reaches_ms(shard);
            let command = command.clone();
            self.agenda.put(at_ms, Event::Command { shard, command });
        }
    }

    /// Bans outlive the process: the shards have them before anybody comes.
    pub(crate) fn begin_with_bans(&mut self) {
        if self.operator.bans.is_empty() {
            return;
        }
        let bans = Arc::new(self.operator.bans.clone());
        for shard in 0..self.shards.len() {
            let command = Command::SetBans(Arc::clone(&bans));
            let about = About::Command(command.clone());
            self.input(shard, Input::Command(command), about);
        }
    }

    /// Everybody may come again.
    pub(crate) fn let_all_in(&mut self) {
        let operating = self.swarm.operators.as_ref();
        if operating.is_some_and(|of| of.acts.contains(&Act::SetListeners)) {
            let settings = listener_settings(&self.swarm.listeners, Anonymous::Always, 0);
            self.tell_all(&Command::SetListeners(settings));
        }
        if !self.operator.bans.is_empty() {
            self.operator.bans = BanList::default();
            self.tell_bans();
        }
    }

    /// A request reaches its shard. How things stand is asked first, as an operator could.
    pub(crate) fn on_request(&mut self, shard: usize, id: RequestId, request: Request) {
        let before = question_before(&request).and_then(|question| self.inquire(shard, question));
        let about = About::Request {
            id,
            request: Box::new(request.clone()),
            before,
        };
        self.input(shard, Input::Request { id, request }, about);
    }

    /// Asks a shard something that changes nothing.
    pub(crate) fn inquire(&mut self, shard: usize, request: Request) -> Option<Answer> {
        let now = self.now();
        let core = &mut self.shards[shard].core;
        let id = RequestId(2);
        core.handle(now, Input::Request { id, request });
        let mut answers = Vec::new();
        while let Some(effect) = core.poll() {
            match effect {
                Effect::Answer { answer, .. } => answers.push(*answer),
                other => {
                    let detail = format!("a question had the effect {other:?}");
                    self.oracle.fail("effects", detail);
                }
            }
        }
        answers.pop()
    }

    /// An operator is answered. Whoever clears page by page asks for the next one.
    pub(crate) fn on_answer(&mut self, shard: usize, id: RequestId, answer: &Answer) {
        let request = self.operator.asked.remove(&id);
        if let (Some(Request::ClearAllRetained { filter, .. }), Answer::Cleared { next, .. }) =
            (request, answer)
        {
            let after = next.clone();
            let shard = if after.is_some() { shard } else { shard + 1 };
            if shard < self.shards.len() {
                let operator = who();
                self.ask(
                    shard,
                    Request::ClearAllRetained {
                        filter,
                        after,
                        operator,
                    },
                );
            }
        }
    }
}

/// Who asks.
fn who() -> Arc<str> {
    "user ann".into()
}
