//! Messages from a client process to another, through a network that cuts, delays and forgets, while
//! clients and server are killed: nothing is lost, QoS 1 comes in order, QoS 2 once and in order.
//!
//! A seed decides what happens. `COLUMBA_TURMOIL_SEEDS` runs others than those of the gate, as
//! `cargo xtask brokers --seeds` does.

mod chance;
mod clients;
mod judge;
mod network;
mod programs;

use std::collections::VecDeque;
use std::path::Path;

use chance::Chance;
use network::Network;
use programs::Program;

use crate::foreign::programs::{self as elsewhere, Broker};
use crate::mosquitto::Mosquitto;
use crate::*;

/// Runs those of the gate, or `first count` of the environment.
const SEEDS: &str = "COLUMBA_TURMOIL_SEEDS";

#[tokio::test]
async fn columba_and_its_clients_lose_nothing_in_turmoil() {
    for seed in seeds(1..=5) {
        Run::new(seed, Kind::Columba).judged().await;
    }
}

#[tokio::test]
async fn clients_of_mosquitto_lose_nothing_in_turmoil() {
    for seed in seeds(1..=3) {
        Run::new(seed, Kind::Mosquitto).judged().await;
    }
}

#[tokio::test]
async fn clients_of_aedes_lose_nothing_in_turmoil() {
    for seed in seeds(1..=2) {
        Run::new(seed, Kind::Aedes).judged().await;
    }
}

#[tokio::test]
async fn clients_of_rumqttd_lose_nothing_in_turmoil() {
    for seed in seeds(1..=2) {
        Run::new(seed, Kind::Rumqttd).judged().await;
    }
}

fn seeds(gate: std::ops::RangeInclusive<u64>) -> std::ops::RangeInclusive<u64> {
    let Some(seeds) = std::env::var_os(SEEDS) else {
        return gate;
    };
    let seeds = seeds.into_string().expect("text");
    let (first, count) = seeds.split_once(' ').expect("two numbers");
    let first = first.parse::<u64>().expect("a number");
    let count = count.parse::<u64>().expect("a number");
    first..=first + count.saturating_sub(1)
}

/// What is sent, as sender, receiver and judge know it.
#[derive(Clone, Copy, Debug)]
struct Workload {
    kind: Kind,
    seed: u64,
    version: Version,
    messages: u64,
    inflight_messages_max: u16,
    /// Else by itself, as soon as a message is handed over: its receiver is not killed.
    acknowledges_by_hand: bool,
}

impl Workload {
    fn qos(&self, number: u64) -> QoS {
        match number % 2 {
            1 if self.kind.resumes_qos_2() => QoS::ExactlyOnce,
            _ => QoS::AtLeastOnce,
        }
    }

    fn highest_qos(&self) -> QoS {
        match self.kind.resumes_qos_2() {
            true => QoS::ExactlyOnce,
            false => QoS::AtLeastOnce,
        }
    }

    fn all(&self, qos: QoS) -> Vec<u64> {
        let all = 0..self.messages;
        all.filter(|number| self.qos(*number) == qos).collect()
    }

    /// Its number, and bytes behind it.
    fn message(&self, number: u64) -> Message {
        let place = usize::try_from(number).expect("a small number");
        let mut chance = Chance::new(self.seed, "payload", place);
        let longest = if chance.once_in(16) { 6000 } else { 120 };
        let payload = format!("{number} {}", "x".repeat(chance.below(longest)));
        let topic = format!("x/{}", chance.below(20));
        Message::new(topic, payload).with_qos(self.qos(number))
    }

    fn to_words(self) -> String {
        let kind = self.kind as u8;
        let version = self.version.level();
        let (seed, messages, inflight) = (self.seed, self.messages, self.inflight_messages_max);
        let by_hand = u8::from(self.acknowledges_by_hand);
        format!("{kind} {seed} {version} {messages} {inflight} {by_hand}")
    }

    /// Of [`Self::to_words`], and what stands behind them.
    fn of_words(words: &str) -> (Self, &str) {
        let mut words = words.splitn(7, ' ');
        let mut number = || {
            let word = words.next().expect("seven words");
            word.parse::<u64>().expect("a number")
        };
        let kind = number();
        let kind = Kind::ALL
            .into_iter()
            .find(|of| u64::from(*of as u8) == kind);
        let seed = number();
        let level = number();
        let mut versions = Version::ALL.into_iter();
        let version = versions.find(|version| u64::from(version.level()) == level);
        let workload = Self {
            kind: kind.expect("a server"),
            seed,
            version: version.expect("a version"),
            messages: number(),
            inflight_messages_max: number().try_into().expect("a packet id's size"),
            acknowledges_by_hand: number() == 1,
        };
        (workload, words.next().expect("a seventh word"))
    }
}

/// Something that happens to a process, once so many packets have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Server,
    Sender,
    Receiver,
}

/// One seed.
struct Run {
    workload: Workload,
}

impl Run {
    fn new(seed: u64, kind: Kind) -> Self {
        let mut chance = Chance::new(seed, "run", 0);
        let versions = kind.versions();
        let version = versions[chance.below(versions.len())];
        let inflight_messages_max = match kind {
            Kind::Columba | Kind::Aedes | Kind::Rumqttd => 64,
            // It handles no more, and MQTT 3 cannot say so.
            Kind::Mosquitto => 20,
        };
        let workload = Workload {
            kind,
            seed,
            version,
            messages: 300,
            inflight_messages_max,
            acknowledges_by_hand: !chance.once_in(3),
        };
        Self { workload }
    }

    /// When something happens to a process: after so many packets.
    fn blows(&self) -> VecDeque<(usize, Blow)> {
        let mut chance = Chance::new(self.workload.seed, "blows", 0);
        let mut blows = Vec::new();
        for blow in [Blow::Server, Blow::Sender, Blow::Receiver] {
            let may_fall = match blow {
                Blow::Server => self.workload.kind.outlives_its_process(),
                Blow::Sender => true,
                Blow::Receiver => self.workload.acknowledges_by_hand,
            };
            if !may_fall {
                continue;
            }
            for _ in 0..chance.between(1, 3) {
                blows.push((chance.between(20, 1400), blow));
            }
        }
        blows.sort_by_key(|(at, _)| *at);
        blows.into()
    }

    async fn judged(self) {
        let directory = tempfile::tempdir().expect("a directory");
        let Workload {
            kind,
            seed,
            version,
            ..
        } = self.workload;
        let mut server = Server::start(kind, version, directory.path()).await;
        let network = Network::new(seed, version, server.port());
        eprintln!("seed {seed}, {kind:?}, {version}");
        let run = self.through_turmoil(&mut server, &network, directory.path());
        let in_time = tokio::time::timeout(PATIENCE * 3, run).await;
        in_time.unwrap_or_else(|_| panic!("seed {seed}: not all has come in time"));
        let applied = clients::Database::read(directory.path());
        let again = judge::judge(&self.workload, &applied.0, &network.trace().lines());
        eprintln!("    {:?}, {again}", network.happened());
    }

    async fn through_turmoil(&self, server: &mut Server, network: &Network, directory: &Path) {
        let (to_sender, to_receiver) = (
            network.way_for("sender").await,
            network.way_for("receiver").await,
        );
        let start_sender = || Program::client("sender", to_sender, &self.workload, directory);
        let start_receiver = || Program::client("receiver", to_receiver, &self.workload, directory);
        let mut receiver = start_receiver();
        assert_eq!(receiver.step().await.as_deref(), Some("ready"));
        let mut sender = start_sender();
        assert_eq!(sender.step().await.as_deref(), Some("ready"));
        network.begin();
        let mut blows = self.blows();
        loop {
            let next = blows.front().copied();
            let (at, blow) = next.unwrap_or((usize::MAX, Blow::Server));
            tokio::select! {
                step = sender.step() => match step.as_deref() {
                    Some("ready") => {}
                    Some("done") => break,
                    other => panic!("the sender ended: {other:?}"),
                },
                step = receiver.step() => {
                    assert_eq!(step.as_deref(), Some("ready"), "the receiver goes on");
                }
                () = network.trace().reaches(at) => {
                    blows.pop_front();
                    network.count(blow.name());
                    match blow {
                        Blow::Server => {
                            network.lead_nowhere();
                            server.end_and_start(&self.workload, directory).await;
                            network.lead_to(server.port());
                        }
                        Blow::Sender => {
                            sender.kill();
                            sender = start_sender();
                        }
                        Blow::Receiver => {
                            receiver.kill();
                            receiver = start_receiver();
                        }
                    }
                }
            }
        }
        sender.finish().await;
        // Whatever is still to come comes before this one.
        let straight = options(server.port(), self.workload.version, "straight");
        let (straight, _events) = Client::connect(straight).await.expect("connects");
        let last = Message::new("x/y", "last").with_qos(self.workload.highest_qos());
        publish(&straight, last).await;
        loop {
            match receiver.step().await.as_deref() {
                Some("ready") => {}
                Some("done") => break,
                other => panic!("the receiver ended: {other:?}"),
            }
        }
        receiver.finish().await;
    }
}

impl Blow {
    fn name(self) -> &'static str {
        match self {
            Self::Server => "server ended",
            Self::Sender => "sender killed",
            Self::Receiver => "receiver killed",
        }
    }
}

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// With a store; ended by SIGKILL.
    Columba,
    /// Ended by SIGTERM: it writes its sessions then, and else every half hour.
    Mosquitto,
    /// Never ended, as it keeps sessions in memory.
    Aedes,
    /// Likewise.
    Rumqttd,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Columba, Self::Mosquitto, Self::Aedes, Self::Rumqttd];

    fn versions(self) -> &'static [Version] {
        match self {
            Self::Columba | Self::Mosquitto => &Version::ALL,
            Self::Aedes => &[Version::V31, Version::V311],
            Self::Rumqttd => &[Version::V311, Version::V5],
        }
    }

    fn outlives_its_process(self) -> bool {
        match self {
            Self::Columba | Self::Mosquitto => true,
            Self::Aedes | Self::Rumqttd => false,
        }
    }

    /// Whether an exchange at QoS 2 goes on with another connection. rumqttd 0.20 forgets what it has answered
    /// with PUBREC, and ends each connection that begins with the PUBREL.
    fn resumes_qos_2(self) -> bool {
        match self {
            Self::Columba | Self::Mosquitto | Self::Aedes => true,
            Self::Rumqttd => false,
        }
    }

    /// Whether a session without subscriptions is known again.
    fn knows_publishers_again(self) -> bool {
        match self {
            Self::Columba | Self::Mosquitto | Self::Rumqttd => true,
            Self::Aedes => false,
        }
    }
}

/// A server that goes on where it was ended.
enum Server {
    Columba(Program, u16),
    Mosquitto(Mosquitto),
    Elsewhere(Broker),
}

impl Server {
    async fn start(kind: Kind, version: Version, directory: &Path) -> Self {
        match kind {
            Kind::Columba => {
                let mut program = Program::columba(&directory.join("store"));
                let port = program.step().await.expect("it starts");
                Self::Columba(program, port.parse().expect("a port"))
            }
            Kind::Mosquitto => {
                let place = directory.display();
                // Started by root, it becomes another user that cannot write here, unless told not to.
                let rest = format!(
                    "allow_anonymous true\npersistence true\npersistence_location {place}/\n\
                     user root\n"
                );
                let config = |port: u16, _: &Path| format!("listener {port} 127.0.0.1\n{rest}");
                Self::Mosquitto(Mosquitto::start_with(config).await)
            }
            Kind::Aedes => Self::Elsewhere(Broker::start(elsewhere::Kind::Aedes).await),
            Kind::Rumqttd => {
                let kind = match version {
                    Version::V5 => elsewhere::Kind::Rumqttd5,
                    Version::V31 | Version::V311 => elsewhere::Kind::Rumqttd3,
                };
                Self::Elsewhere(Broker::start(kind).await)
            }
        }
    }

    fn port(&self) -> u16 {
        match self {
            Self::Columba(_, port) => *port,
            Self::Mosquitto(server) => server.port,
            Self::Elsewhere(broker) => broker.port,
        }
    }

    async fn end_and_start(&mut self, workload: &Workload, directory: &Path) {
        match self {
            Self::Columba(program, _) => program.kill(),
            Self::Mosquitto(server) => server.terminate(),
            Self::Elsewhere(_) => panic!("it would forget all"),
        }
        *self = Self::start(workload.kind, workload.version, directory).await;
    }
}
