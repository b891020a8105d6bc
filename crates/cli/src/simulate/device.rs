//! One device: connects, publishes at its pace, loses its connection and comes back, until all end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use columba_client::driver::{Client, ConnectError, ConnectOptions, Ended, Event, Events, Pending};
use columba_client::{Answer, CloseCause, Failure, Message, Subscription, Will};
use columba_codec::packet::SubscribeOptions;
use columba_codec::{QoS, ReasonCode, Version};
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::scenario::{Kind, MetricPlan, Pace, Sparkplug};
use super::sparkplug::{Metric, Sequence, asks_for_rebirth};
use super::tally::Tally;
use super::template::Device;

/// Messages of a device on their way whose answers have not come.
const UNSEEN_ANSWERS_MAX: usize = 16;
/// How long the server may take for the last answers.
const PATIENCE: Duration = Duration::from_secs(5);
/// Waiting between two attempts to connect begins with the first and ends with the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What all devices share.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) options: ConnectOptions,
    /// Whether MQTT 3.1.1 is tried once the server does not know MQTT 5.
    pub(super) falls_back: bool,
    pub(super) is_fallen_back: AtomicBool,
    pub(super) tally: Tally,
    pub(super) stop: watch::Sender<bool>,
    /// Messages that may still be sent.
    pub(super) messages_left: AtomicU64,
    pub(super) rate: f64,
}

/// A device with what it remembers.
pub(super) struct Member {
    fleet: Arc<Fleet>,
    kind: Arc<Kind>,
    device: Device,
    sequence: Sequence,
}

/// A connection that has been accepted.
pub(super) type Connection = (Client, Events);

/// How a connection ended.
enum End {
    /// Everybody is to end.
    Stopped,
    /// The scenario wanted it.
    Cut,
    /// The server or the network ended it.
    Lost,
}

/// What waits for its time: a message of the kind, or the metrics of an edge node.
#[derive(Clone, Copy)]
enum Task {
    Message(usize),
    Metrics,
}

impl Fleet {
    /// Takes one of the messages that may still be sent; with the last one all end.
    fn take_message(&self) -> bool {
        let left = self
            .messages_left
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if left.is_ok_and(|left| left == 1) {
            // Whoever leaves sends what it has begun with and waits for the answers.
            self.stop.send_replace(true);
        }
        left.is_ok()
    }
}

impl Member {
    pub(super) fn new(fleet: Arc<Fleet>, kind: Arc<Kind>, device: Device) -> Self {
        Self {
            fleet,
            kind,
            device,
            sequence: Sequence::default(),
        }
    }

    /// Lives until all end. `first` is a connection that is there already.
    pub(super) async fn live(mut self, delay: Duration, first: Option<Connection>) {
        let mut stop = self.fleet.stop.subscribe();
        if is_stopped_within(&mut stop, delay).await {
            return;
        }
        let mut first = first;
        let mut backoff = BACKOFF.0;
        let mut was_connected = false;
        loop {
            let connected = match first.take() {
                Some(connection) => Ok(connection),
                None => tokio::select! {
                    connected = self.connect() => connected,
                    () = stopped(&mut stop) => return,
                },
            };
            let pause = match connected {
                Ok((client, events)) => {
                    backoff = BACKOFF.0;
                    self.fleet.tally.count(|counts| {
                        counts.opened += 1;
                        counts.connected += 1;
                        counts.reconnects += u64::from(was_connected);
                    });
                    was_connected = true;
                    let end = self.serve(&client, events).await;
                    self.fleet.tally.count(|counts| counts.connected -= 1);
                    match end {
                        End::Stopped => return,
                        End::Cut => self.kind.faults.away,
                        End::Lost => self.jittered(backoff),
                    }
                }
                Err(error) => {
                    let sentence = error.to_string();
                    let count = |counts: &mut super::tally::Counts| {
                        counts.not_connected.add(&sentence);
                    };
                    self.fleet.tally.count(count);
                    let pause = self.jittered(backoff);
                    backoff = (backoff * 2).min(BACKOFF.1);
                    pause
                }
            };
            if is_stopped_within(&mut stop, pause).await {
                return;
            }
        }
    }

    /// Half of a time to all of it, so that devices do not come back all at once.
    fn jittered(&mut self, time: Duration) -> Duration {
        time.mul_f64(self.device.random.between(0.5, 1.0))
    }

    /// Connects, with MQTT 3.1.1 if that is all that the server knows.
    pub(super) async fn connect(&mut self) -> Result<Connection, ConnectError> {
        if self.kind.sparkplug.is_some() {
            self.sequence.connect();
        }
        let connected = Client::connect(self.options()).await;
        let refused = match &connected {
            Err(ConnectError::Mqtt(CloseCause::Refused { answer, .. })) => Some(answer.reason),
            Ok(_) | Err(_) => None,
        };
        let fleet = &self.fleet;
        if refused == Some(ReasonCode::UnsupportedProtocolVersion)
            && fleet.falls_back
            && !fleet.is_fallen_back.swap(true, Ordering::Relaxed)
        {
            return Client::connect(self.options()).await;
        }
        connected
    }

    fn options(&mut self) -> ConnectOptions {
        let mut options = self.fleet.options.clone();
        let session = &mut options.session;
        if self.fleet.is_fallen_back.load(Ordering::Relaxed) {
            session.version = Version::V311;
            session.properties.session_expiry_secs = None;
        }
        session.client_id.clone_from(&self.device.id);
        if session.user_name.is_none() {
            let user = self.kind.user.as_ref();
            session.user_name = user.map(|user| self.device.render(user));
            let password = self.kind.password.as_ref();
            let password = password.map(|password| self.device.render(password).into_bytes());
            session.password = session.password.take().or(password);
        }
        if let Some(secs) = self.kind.keep_alive_secs {
            session.keep_alive_secs = secs;
        }
        if let Some(secs) = self.kind.session_expiry_secs {
            options.clean_start = secs == 0;
            if session.version.has_properties() {
                session.properties.session_expiry_secs = Some(secs);
            }
        }
        let will = match &self.kind.sparkplug {
            Some(plan) => Some(death(plan, &mut self.device, self.sequence)),
            None => {
                let will = self.kind.will.as_ref();
                will.map(|will| will.message(&mut self.device))
            }
        };
        session.will = will.map(|message| Will {
            message,
            delay_secs: None,
        });
        options
    }

    /// Does what the scenario says for as long as the connection lasts.
    async fn serve(&mut self, client: &Client, events: Events) -> End {
        let mut stop = self.fleet.stop.subscribe();
        let kind = Arc::clone(&self.kind);
        let rebirth = Arc::new(Notify::new());
        let mut ended = tokio::spawn(take_events(
            events,
            Arc::clone(&self.fleet),
            Arc::clone(&rebirth),
        ));
        let mut unseen = VecDeque::new();
        self.greet(client, &mut unseen).await;
        let now = Instant::now();
        let cut_at = kind.faults.drop_every.map(|every| {
            // Somewhere around it, or all of a kind would go at once.
            now + every.mul_f64(self.device.random.between(0.5, 1.5))
        });
        let mut due = self.first_tasks(now);
        loop {
            let next = due.iter().map(|(at, _)| *at).min();
            let has_room = unseen.len() < UNSEEN_ANSWERS_MAX;
            tokio::select! {
                biased;
                () = stopped(&mut stop) => {
                    self.leave(client, &mut unseen, ended).await;
                    return End::Stopped;
                }
                cause = &mut ended => {
                    self.end(cause.ok().flatten(), &mut unseen).await;
                    return End::Lost;
                }
                answer = next_answer(&mut unseen), if !unseen.is_empty() => {
                    self.judge(&answer.0, answer.1);
                }
                () = sleep_until(cut_at.unwrap_or(now)), if cut_at.is_some() => {
                    client.abandon().await;
                    self.fleet.tally.count(|counts| counts.cut += 1);
                    // The end that this makes is no loss to be told.
                    drop(ended.await);
                    self.see_rest(&mut unseen).await;
                    return End::Cut;
                }
                () = rebirth.notified(), if has_room => self.be_born(client, &mut unseen).await,
                () = sleep_until(next.unwrap_or(now)), if has_room && next.is_some() => {
                    self.do_due(client, &mut unseen, &mut due).await;
                }
            }
        }
    }

    /// What follows a connection: subscriptions, then births.
    async fn greet(&mut self, client: &Client, unseen: &mut Unseen) {
        let kind = Arc::clone(&self.kind);
        let mut filters: Vec<_> = kind
            .subscriptions
            .iter()
            .map(|(filter, qos)| (self.device.render(filter), SubscribeOptions::from_qos(*qos)))
            .collect();
        if let Some(plan) = &kind.sparkplug {
            let topic = topic(plan, &mut self.device, "NCMD", None);
            filters.push((topic, SubscribeOptions::from_qos(QoS::AtLeastOnce)));
        }
        if !filters.is_empty() {
            let subscription = Subscription {
                filters,
                identifier: None,
                user_properties: Vec::new(),
            };
            match client.subscribe(subscription).await {
                Ok(answer) => {
                    for code in answer.codes.iter().filter(|code| code.is_error()) {
                        self.refused("SUBSCRIBE", *code, answer.reason_string.as_deref());
                    }
                }
                // Told as the end of the connection.
                Err(Failure::ConnectionLost | Failure::NotConnected) => {}
                Err(failure) => {
                    let sentence = format!("SUBSCRIBE: {failure}");
                    self.fleet
                        .tally
                        .count(|counts| counts.refused.add(&sentence));
                }
            }
        }
        for birth in &kind.births {
            let message = birth.message(&mut self.device);
            self.publish(client, unseen, message).await;
        }
        self.be_born(client, unseen).await;
    }

    /// NBIRTH, and a DBIRTH for each device behind the node.
    async fn be_born(&mut self, client: &Client, unseen: &mut Unseen) {
        let kind = Arc::clone(&self.kind);
        let Some(plan) = &kind.sparkplug else {
            return;
        };
        for device in devices(plan) {
            let metrics = metrics(plan, &mut self.device, device);
            let (name, payload) = match device {
                None => ("NBIRTH", self.sequence.birth(now_ms(), &metrics)),
                Some(_) => ("DBIRTH", self.sequence.data(now_ms(), &metrics)),
            };
            let topic = topic(plan, &mut self.device, name, device);
            self.publish(client, unseen, Message::new(topic, payload))
                .await;
        }
    }

    async fn send_metrics(&mut self, client: &Client, unseen: &mut Unseen) {
        let kind = Arc::clone(&self.kind);
        let Some(plan) = &kind.sparkplug else {
            return;
        };
        for device in devices(plan) {
            let metrics = metrics(plan, &mut self.device, device);
            if metrics.is_empty() {
                continue;
            }
            let name = if device.is_some() { "DDATA" } else { "NDATA" };
            let topic = topic(plan, &mut self.device, name, device);
            let payload = self.sequence.data(now_ms(), &metrics);
            self.publish(client, unseen, Message::new(topic, payload))
                .await;
        }
    }

    /// The tasks of the kind, each beginning somewhere in its first round.
    fn first_tasks(&mut self, now: Instant) -> Vec<(Instant, Task)> {
        let kind = Arc::clone(&self.kind);
        let messages = kind.messages.iter().enumerate();
        let messages = messages.map(|(at, (_, pace))| (Task::Message(at), *pace));
        let metrics = kind.sparkplug.iter().map(|plan| (Task::Metrics, plan.pace));
        let tasks = messages.chain(metrics);
        let place = |(task, pace): (Task, Pace)| {
            let wait = self.scaled(pace.every).mul_f64(self.device.random.unit());
            (now + wait, task)
        };
        tasks.map(place).collect()
    }

    /// Does the task whose time has come, and says when it comes again.
    async fn do_due(&mut self, client: &Client, unseen: &mut Unseen, due: &mut [(Instant, Task)]) {
        let Some((at, task)) = due.iter_mut().min_by_key(|(at, _)| *at) else {
            return;
        };
        let kind = Arc::clone(&self.kind);
        let pace = match *task {
            Task::Message(at) => {
                let Some((sent, pace)) = kind.messages.get(at) else {
                    return;
                };
                let message = sent.message(&mut self.device);
                self.publish(client, unseen, message).await;
                *pace
            }
            Task::Metrics => {
                self.send_metrics(client, unseen).await;
                let Some(plan) = &kind.sparkplug else {
                    return;
                };
                plan.pace
            }
        };
        let every = self.scaled(pace.every);
        let random = &mut self.device.random;
        *at += every.mul_f64(1.0 + random.between(-pace.jitter, pace.jitter));
        let now = Instant::now();
        if *at + every < now {
            let missed = (now - *at).as_nanos() / every.as_nanos().max(1);
            let missed = u64::try_from(missed).unwrap_or(u64::MAX);
            self.fleet.tally.count(|counts| counts.late += missed);
            *at = now + every;
        }
    }

    fn scaled(&self, every: Duration) -> Duration {
        // A scenario has no 0; a large rate must not make one of it.
        every.div_f64(self.fleet.rate).max(Duration::from_micros(1))
    }

    /// Hands a message over, once there is room for its answer.
    async fn publish(&mut self, client: &Client, unseen: &mut Unseen, message: Message) {
        while unseen.len() >= UNSEEN_ANSWERS_MAX {
            let (answer, qos) = next_answer(unseen).await;
            self.judge(&answer, qos);
        }
        if !self.fleet.take_message() {
            return;
        }
        let qos = message.qos;
        // If there is no connection any more, its end is told by its events.
        if let Ok(pending) = client.start_publish(message).await {
            unseen.push_back((pending, qos));
            self.fleet.tally.count(|counts| {
                counts.sent += 1;
                counts.sent_for_answer += u64::from(qos != QoS::AtMostOnce);
            });
        }
    }

    fn judge(&self, answer: &Result<Answer, Failure>, qos: QoS) {
        let has_answer = qos != QoS::AtMostOnce;
        match answer {
            Ok(answer) if answer.reason.is_error() => {
                self.refused("PUBLISH", answer.reason, answer.reason_string.as_deref());
            }
            Ok(answer) => self.fleet.tally.count(|counts| {
                counts.acknowledged += u64::from(has_answer);
                let nobody = answer.reason == ReasonCode::NoMatchingSubscribers;
                counts.nobody += u64::from(nobody);
            }),
            Err(Failure::ConnectionLost | Failure::NotConnected) => {
                self.fleet
                    .tally
                    .count(|counts| counts.unanswered += u64::from(has_answer));
            }
            Err(failure) => {
                let sentence = format!("PUBLISH: {failure}");
                self.fleet
                    .tally
                    .count(|counts| counts.refused.add(&sentence));
            }
        }
    }

    fn refused(&self, packet: &str, code: ReasonCode, said: Option<&str>) {
        let said = said.map(|said| format!(", {said}")).unwrap_or_default();
        let sentence = format!("{packet}: {} (0x{:02x}){said}", code.name(), code as u8);
        self.fleet
            .tally
            .count(|counts| counts.refused.add(&sentence));
    }

    /// Leaves as the scenario wants it.
    async fn leave(
        &mut self,
        client: &Client,
        unseen: &mut Unseen,
        ended: JoinHandle<Option<Box<Ended>>>,
    ) {
        if self.kind.faults.leaves_silently {
            client.abandon().await;
        } else {
            if let Some(plan) = &self.kind.sparkplug {
                // An edge node that leaves in order says that it is dead: the server drops the Will.
                let message = death(plan, &mut self.device, self.sequence);
                drop(client.start_publish(message).await);
            }
            client.disconnect(ReasonCode::Success, PATIENCE).await;
        }
        drop(ended.await);
        self.see_rest(unseen).await;
    }

    /// Counts the end of a connection that nobody wanted.
    async fn end(&mut self, ended: Option<Box<Ended>>, unseen: &mut Unseen) {
        let sentence = ended.map_or_else(String::new, |ended| match &ended.cause {
            // Without what the server says besides: it may name a port, another one each time.
            CloseCause::ByServer(answer) => {
                let code = answer.reason;
                format!("DISCONNECT: {} (0x{:02x})", code.name(), code as u8)
            }
            cause => match &ended.transport_error {
                Some(error) => format!("{cause} ({error})"),
                None => cause.to_string(),
            },
        });
        self.fleet.tally.count(|counts| counts.lost.add(&sentence));
        self.see_rest(unseen).await;
    }

    /// The connection is over, so that all answers are there.
    async fn see_rest(&mut self, unseen: &mut Unseen) {
        while !unseen.is_empty() {
            let (answer, qos) = next_answer(unseen).await;
            self.judge(&answer, qos);
        }
    }
}

type Unseen = VecDeque<(Pending<Answer>, QoS)>;

/// The oldest answer that has not been looked at. Cancel safe; waits for ever if there is none.
async fn next_answer(unseen: &mut Unseen) -> (Result<Answer, Failure>, QoS) {
    let Some((pending, qos)) = unseen.front_mut() else {
        return std::future::pending().await;
    };
    let (answer, qos) = (pending.await, *qos);
    unseen.pop_front();
    (answer, qos)
}

/// Waits until all are to end. Cancel safe.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender lives as long as anybody who waits; without it, it is the end as well.
    drop(stop.wait_for(|stop| *stop).await);
}

async fn is_stopped_within(stop: &mut watch::Receiver<bool>, time: Duration) -> bool {
    tokio::select! {
        biased;
        () = stopped(stop) => true,
        () = sleep(time) => false,
    }
}

/// Counts what comes, and hears commands, until the connection ends.
async fn take_events(
    mut events: Events,
    fleet: Arc<Fleet>,
    rebirth: Arc<Notify>,
) -> Option<Box<Ended>> {
    while let Some(event) = events.next().await {
        match event {
            Event::Message(incoming) => {
                fleet.tally.count(|counts| counts.received += 1);
                let topic = &incoming.message.topic;
                let is_command = topic.starts_with("spBv1.0/") && topic.contains("/NCMD/");
                if is_command && asks_for_rebirth(&incoming.message.payload) {
                    rebirth.notify_one();
                }
            }
            // Answers are looked at elsewhere; one that nobody waits for belongs to a death.
            Event::Unanswered(_) => {}
            Event::Ended(ended) => return Some(ended),
        }
    }
    None
}

/// The devices behind a node, the node itself before them.
fn devices(plan: &Sparkplug) -> Vec<Option<&str>> {
    let mut devices = vec![None];
    for metric in &plan.metrics {
        if !devices.contains(&metric.device.as_deref()) {
            devices.push(metric.device.as_deref());
        }
    }
    devices
}

fn metrics(plan: &Sparkplug, device: &mut Device, of: Option<&str>) -> Vec<Metric> {
    let is_of = |metric: &&MetricPlan| metric.device.as_deref() == of;
    let metrics = plan.metrics.iter().filter(is_of);
    metrics.map(|metric| metric.metric(device)).collect()
}

fn topic(plan: &Sparkplug, device: &mut Device, name: &str, of: Option<&str>) -> String {
    let group = device.render(&plan.group);
    let node = device.render(&plan.node);
    let of = of.map(|of| format!("/{of}")).unwrap_or_default();
    format!("spBv1.0/{group}/{name}/{node}{of}")
}

fn death(plan: &Sparkplug, device: &mut Device, sequence: Sequence) -> Message {
    let topic = topic(plan, device, "NDEATH", None);
    Message::new(topic, sequence.death(now_ms())).with_qos(QoS::AtLeastOnce)
}

fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}
