//! Random operations of several clients: the books balance, the gauges are true, no quota is
//! broken, and the number of shards makes no difference.

mod bed;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bed::exchange::{Arrived, QOS_0, SHARDS, properties};
use bed::{Bed, ClientIx, ConnectOptions, V5, V31, V311};
use columba_broker::event::{AuthVerdict, Command, UserChange};
use columba_broker::limits::{Limits, QueuePolicy, ShareStrategy};
use columba_codec::packet::{
    Acknowledgement, Disconnect, RetainHandling, Subscribe, SubscribeFilters, SubscribeOptions,
};
use columba_codec::{Packet, PacketId, Properties, PropertyId, QoS, ReasonCode, Value, Version};
use proptest::prelude::*;

const NAMES: [&str; 6] = ["ann", "bob", "cyd", "dan", "eve", "flo"];
const TOPICS: [&str; 5] = ["a", "a/b", "a/c", "b", "$own/a"];
const FILTERS: [&str; 9] = [
    "a",
    "a/b",
    "a/+",
    "#",
    "+/b",
    "$share/g/a/+",
    "$share/h/#",
    "$share/g/b",
    "$own/#",
];

#[derive(Clone, Debug)]
struct Connecting {
    version: Version,
    is_clean: bool,
    expiry_secs: u32,
    receive_maximum: u16,
    packet_bytes_max: u32,
    alias_maximum: u16,
    has_will: bool,
}

#[derive(Clone, Debug)]
struct Publishing {
    topic: usize,
    qos: QoS,
    retain: bool,
    expiry_secs: Option<u32>,
    payload_len: usize,
}

#[derive(Clone, Debug)]
enum Operation {
    Connect(Connecting),
    Drop,
    Disconnect {
        with_will: bool,
    },
    Subscribe {
        filter: usize,
        options: SubscribeOptions,
        identifier: u32,
    },
    Unsubscribe {
        filter: usize,
    },
    Publish(Publishing),
    /// Reads, and answers some of what calls for it; some with an error.
    Answer {
        count: usize,
        newest_first: bool,
        refuses: bool,
    },
    StopReading,
    Ping,
    Advance {
        ms: u64,
    },
    Nonsense,
    Kick {
        end_session: bool,
    },
    /// The users file changes.
    ChangeUser(UserChange),
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![1 => Just(V31), 2 => Just(V311), 4 => Just(V5)]
}

fn qos() -> impl Strategy<Value = QoS> {
    (0u8..3).prop_map(|qos| QoS::from_u8(qos).expect("a QoS"))
}

fn connecting() -> impl Strategy<Value = Connecting> {
    (
        version(),
        any::<bool>(),
        prop::sample::select(vec![0, 5, u32::MAX]),
        prop::sample::select(vec![1, 2, 100]),
        prop::sample::select(vec![60, 1000, 1_000_000]),
        0u16..3,
        any::<bool>(),
    )
        .prop_map(
            |(version, is_clean, expiry_secs, receive, packet, alias, has_will)| Connecting {
                version,
                is_clean,
                expiry_secs,
                receive_maximum: receive,
                packet_bytes_max: packet,
                alias_maximum: alias,
                has_will,
            },
        )
}

fn options() -> impl Strategy<Value = SubscribeOptions> {
    let handling = prop::sample::select(vec![
        RetainHandling::Send,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ]);
    (qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        |(qos, no_local, retain_as_published, retain_handling)| SubscribeOptions {
            qos,
            no_local,
            retain_as_published,
            retain_handling,
        },
    )
}

fn publishing() -> impl Strategy<Value = Publishing> {
    let payload_len = prop::sample::select(vec![0, 1, 40, 500, 5000]);
    let expiry = prop::option::weighted(0.2, 0u32..8);
    (0..TOPICS.len(), qos(), any::<bool>(), expiry, payload_len).prop_map(
        |(topic, qos, retain, expiry_secs, payload_len)| Publishing {
            topic,
            qos,
            retain,
            expiry_secs,
            payload_len,
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    let subscribe =
        (0..FILTERS.len(), options(), 0u32..3).prop_map(|(filter, options, identifier)| {
            Operation::Subscribe {
                filter,
                options,
                identifier,
            }
        });
    let answer = (0usize..12, any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(count, newest_first, refuses)| Operation::Answer {
            count,
            newest_first,
            refuses,
        },
    );
    prop_oneof![
        6 => connecting().prop_map(Operation::Connect),
        2 => Just(Operation::Drop),
        1 => any::<bool>().prop_map(|with_will| Operation::Disconnect { with_will }),
        6 => subscribe,
        2 => (0..FILTERS.len()).prop_map(|filter| Operation::Unsubscribe { filter }),
        16 => publishing().prop_map(Operation::Publish),
        8 => answer,
        1 => Just(Operation::StopReading),
        1 => Just(Operation::Ping),
        2 => (0u64..6_000).prop_map(|ms| Operation::Advance { ms }),
        1 => Just(Operation::Nonsense),
        1 => any::<bool>().prop_map(|end_session| Operation::Kick { end_session }),
        1 => prop::sample::select(vec![
            UserChange::Removed,
            UserChange::Expelled([].into()),
            UserChange::Groups([].into()),
        ])
        .prop_map(Operation::ChangeUser),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let strategy = prop::sample::select(vec![
        ShareStrategy::RoundRobin,
        ShareStrategy::Random,
        ShareStrategy::LeastInflight,
        ShareStrategy::Sticky,
    ]);
    let numbers = (1u16..5, 0usize..6, 1usize..9);
    (numbers, any::<bool>(), any::<bool>(), strategy).prop_map(
        |(numbers, drops_newest, queue_qos0, share_strategy)| Limits {
            inflight_max: numbers.0,
            queue_messages_max: numbers.1,
            retained_steps_max: numbers.2,
            queue_policy: if drops_newest {
                QueuePolicy::DropNewest
            } else {
                QueuePolicy::DropOldest
            },
            queue_qos0,
            share_strategy,
            queue_bytes_max: 8_000,
            inflight_bytes_max: 8_000,
            output_bytes_max: 6_000,
            packet_bytes_max: 20_000,
            receive_maximum: 4,
            subscriptions_max: 5,
            retained_messages_max: 3,
            retained_bytes_max: 6_000,
            match_cache_max: 8,
            sys_interval_ms: 0,
            takeover_delay_ms_max: 1,
            ..Limits::default()
        },
    )
}

/// What a client owes the broker.
#[derive(Clone, Copy, Debug)]
enum Owed {
    /// PUBACK.
    Acknowledge(PacketId),
    /// PUBREC.
    Receive(PacketId),
    /// PUBREL.
    Release(PacketId),
    /// PUBCOMP.
    Complete(PacketId),
}

/// A client of a random run.
#[derive(Debug)]
struct Player {
    client: ClientIx,
    version: Version,
    receive_maximum: usize,
    /// Messages that came on this connection and were not settled, with their QoS.
    open: BTreeMap<u16, QoS>,
    owed: VecDeque<Owed>,
    next_id: u16,
}

struct Run {
    bed: Bed,
    players: Vec<Option<Player>>,
    limits: Limits,
    inflight_max: usize,
    count: usize,
}

impl Run {
    fn new(shards: u16, limits: &Limits) -> Self {
        let wanted = limits.clone();
        let mut bed = Bed::with(shards, |limits| *limits = wanted);
        bed.authenticate = |request| AuthVerdict::Allow {
            user: request.user_name.as_deref().map(Arc::from),
            groups: Arc::new([]),
        };
        Self {
            bed,
            players: NAMES.iter().map(|_| None).collect(),
            limits: limits.clone(),
            inflight_max: usize::from(limits.inflight_max),
            count: 0,
        }
    }

    fn apply(&mut self, who: usize, operation: &Operation) {
        match operation {
            Operation::Connect(connecting) => self.connect(who, connecting),
            Operation::Advance { ms } => self.bed.advance(*ms),
            Operation::Kick { end_session } => {
                let client_id = NAMES[who].into();
                let end_session = *end_session;
                self.bed.command(Command::Disconnect {
                    client_id,
                    end_session,
                });
            }
            Operation::ChangeUser(change) => {
                let change = (Arc::from(NAMES[who]), change.clone());
                self.bed.command(Command::UsersChanged {
                    changes: Arc::new(BTreeMap::from([change])),
                    access: None,
                });
            }
            Operation::Drop
            | Operation::Disconnect { .. }
            | Operation::Subscribe { .. }
            | Operation::Unsubscribe { .. }
            | Operation::Publish(_)
            | Operation::Answer { .. }
            | Operation::StopReading
            | Operation::Ping
            | Operation::Nonsense => {
                if let Some(mut player) = self.players[who].take() {
                    self.play(&mut player, operation);
                    self.players[who] = Some(player);
                }
            }
        }
        self.bed.check_books();
        self.bed.check_gauges();
    }

    fn connect(&mut self, who: usize, connecting: &Connecting) {
        let mut options =
            ConnectOptions::new(connecting.version, NAMES[who]).clean(connecting.is_clean);
        options = options.login(NAMES[who], b"");
        if connecting.has_will {
            options = options.will("a/b", b"will", QoS::AtLeastOnce, false);
        }
        let mut receive_maximum = usize::from(u16::MAX);
        if connecting.version == V5 {
            receive_maximum = usize::from(connecting.receive_maximum);
            options = options
                .property(
                    PropertyId::SessionExpiryInterval,
                    Value::U32(connecting.expiry_secs),
                )
                .property(
                    PropertyId::ReceiveMaximum,
                    Value::U16(connecting.receive_maximum),
                )
                .property(
                    PropertyId::MaximumPacketSize,
                    Value::U32(connecting.packet_bytes_max),
                )
                .property(
                    PropertyId::TopicAliasMaximum,
                    Value::U16(connecting.alias_maximum),
                );
        }
        let client = self.bed.open(connecting.version);
        self.bed.send_raw(client, &options.bytes());
        // Who takes over too often waits.
        self.bed.advance(1);
        self.players[who] = Some(Player {
            client,
            version: connecting.version,
            receive_maximum: receive_maximum.min(self.inflight_max),
            open: BTreeMap::new(),
            owed: VecDeque::new(),
            next_id: 0,
        });
    }

    fn play(&mut self, player: &mut Player, operation: &Operation) {
        let client = player.client;
        match operation {
            Operation::Drop => self.bed.drop_connection(client),
            Operation::Disconnect { with_will } => {
                let reason = if *with_will && player.version == V5 {
                    ReasonCode::DisconnectWithWill
                } else {
                    ReasonCode::Success
                };
                let properties = Properties::EMPTY;
                self.bed.send(
                    client,
                    &Packet::Disconnect(Disconnect { reason, properties }),
                );
            }
            Operation::Subscribe {
                filter,
                options,
                identifier,
            } => {
                let packet = subscribe_bytes(player, FILTERS[*filter], *options, *identifier);
                self.bed.send_raw(client, &packet);
            }
            Operation::Unsubscribe { filter } => {
                let packet_id = player.next_id();
                self.bed
                    .send_unsubscribe(client, packet_id, &[FILTERS[*filter]]);
            }
            Operation::Publish(publishing) => self.publish(client, publishing),
            Operation::Answer {
                count,
                newest_first,
                refuses,
            } => {
                self.bed.read_all(client);
                self.read(player);
                for _ in 0..*count {
                    let owed = if *newest_first {
                        player.owed.pop_back()
                    } else {
                        player.owed.pop_front()
                    };
                    let Some(owed) = owed else { break };
                    self.settle(player, owed, *refuses);
                }
            }
            Operation::StopReading => self.bed.reading[client] = false,
            Operation::Ping => self.bed.send(client, &Packet::PingReq),
            Operation::Nonsense => self.bed.send_raw(client, &[0xF0, 0xFF, 0xFF, 0xFF, 0xFF]),
            Operation::Connect(_)
            | Operation::Advance { .. }
            | Operation::Kick { .. }
            | Operation::ChangeUser(_) => {}
        }
    }

    fn publish(&mut self, client: ClientIx, publishing: &Publishing) {
        self.count += 1;
        let mut payload = format!("{}", self.count).into_bytes();
        payload.resize(payload.len().max(publishing.payload_len), b'.');
        if publishing.payload_len == 0 {
            payload.clear();
        }
        let expiry = publishing
            .expiry_secs
            .map(|secs| properties(&[(PropertyId::MessageExpiryInterval, Value::U32(secs))]));
        let is_v5 = self.bed.version_of(client) == V5;
        let properties = match &expiry {
            Some(expiry) if is_v5 => expiry.as_properties(),
            _ => Properties::EMPTY,
        };
        let topic = TOPICS[publishing.topic];
        let (qos, retain) = (publishing.qos, publishing.retain);
        self.bed
            .publish_with(client, topic, &payload, qos, retain, properties);
    }

    /// Takes what came, and checks that the broker keeps to ids and quota.
    fn read(&mut self, player: &mut Player) {
        let inbox = self.bed.take(player.client);
        for packet in inbox.packets() {
            match packet {
                Packet::Publish(publish) => {
                    let Some(packet_id) = publish.packet_id else {
                        continue;
                    };
                    let old = player.open.insert(packet_id.get(), publish.qos);
                    assert!(old.is_none(), "packet id {packet_id} is in use");
                    player.owed.push_back(if publish.qos == QoS::AtLeastOnce {
                        Owed::Acknowledge(packet_id)
                    } else {
                        Owed::Receive(packet_id)
                    });
                }
                Packet::PubRel(ack) => player.owed.push_back(Owed::Complete(ack.packet_id)),
                Packet::PubRec(ack) if !ack.reason.is_error() => {
                    player.owed.push_back(Owed::Release(ack.packet_id));
                }
                _ => {}
            }
        }
        assert!(player.open.len() <= player.receive_maximum, "{player:?}");
    }

    fn settle(&mut self, player: &mut Player, owed: Owed, refuses: bool) {
        let client = player.client;
        let refuses = refuses && player.version == V5;
        let ack = |packet_id| Acknowledgement {
            packet_id,
            reason: if refuses {
                ReasonCode::UnspecifiedError
            } else {
                ReasonCode::Success
            },
            properties: Properties::EMPTY,
        };
        match owed {
            Owed::Acknowledge(packet_id) => {
                player.open.remove(&packet_id.get());
                self.bed.send(client, &Packet::PubAck(ack(packet_id)));
            }
            Owed::Receive(packet_id) => {
                if refuses {
                    player.open.remove(&packet_id.get());
                }
                self.bed.send(client, &Packet::PubRec(ack(packet_id)));
            }
            Owed::Release(packet_id) => self.bed.pubrel(client, packet_id),
            Owed::Complete(packet_id) => {
                player.open.remove(&packet_id.get());
                self.bed.pubcomp(client, packet_id);
            }
        }
    }

    /// Everybody comes back and acknowledges: nothing is stuck.
    fn drain(&mut self) {
        // Nobody waits for those that have not left.
        let limits = Limits {
            takeover_delay_ms_max: 0,
            ..self.limits.clone()
        };
        self.bed.command(Command::SetLimits(Arc::new(limits)));
        let clients = NAMES.map(|name| {
            let options = ConnectOptions::new(V5, name)
                .clean(false)
                .login(name, b"")
                .property(PropertyId::SessionExpiryInterval, Value::U32(u32::MAX));
            self.bed.connect_with(&options)
        });
        while clients
            .iter()
            .any(|client| !self.bed.finish(*client).is_empty())
        {}
        self.bed.check_books();
        let stats = self.bed.stats();
        assert_eq!(
            stats.copies,
            stats.settled_copies(),
            "something waits: {stats:?}"
        );
        assert_eq!(stats.queued_messages, 0);
    }

    /// Everybody starts anew: nothing is left over.
    fn end(&mut self) {
        for name in NAMES {
            let client = self.bed.connect(V311, name);
            self.bed.check_books();
            self.bed.disconnect(client);
        }
        self.bed.check_gauges();
        let stats = self.bed.stats();
        assert_eq!(stats.copies, stats.settled_copies());
        assert_eq!(
            (stats.sessions, stats.subscriptions, stats.queued_messages),
            (0, 0, 0)
        );
    }
}

impl Player {
    fn next_id(&mut self) -> PacketId {
        self.next_id = self.next_id % 1000 + 1;
        // Away from the ids that the bed gives to PUBLISH.
        PacketId::new(self.next_id + 60_000).expect("an id")
    }
}

fn subscribe_bytes(
    player: &mut Player,
    filter: &str,
    mut options: SubscribeOptions,
    identifier: u32,
) -> Vec<u8> {
    options.no_local &= !filter.starts_with("$share/");
    if player.version != V5 {
        options = SubscribeOptions::from_qos(options.qos);
    }
    let mut filters = Vec::new();
    SubscribeFilters::put(&mut filters, filter, options).expect("a filter");
    let number = properties(&[(
        PropertyId::SubscriptionIdentifier,
        Value::U32(identifier.max(1)),
    )]);
    let is_numbered = player.version == V5 && identifier > 0;
    let subscribe = Subscribe {
        packet_id: player.next_id(),
        properties: if is_numbered {
            number.as_properties()
        } else {
            Properties::EMPTY
        },
        filters: SubscribeFilters::from_bytes(&filters, V5).expect("filters"),
    };
    let mut out = Vec::new();
    Packet::Subscribe(subscribe)
        .encode(player.version, &mut out)
        .expect("it encodes");
    out
}

/// A step of a script that every broker must play alike: no faults, nothing that waits for long.
#[derive(Clone, Debug)]
enum Step {
    Resume,
    Leave,
    Subscribe {
        filter: usize,
        options: SubscribeOptions,
        identifier: u32,
    },
    Unsubscribe {
        filter: usize,
    },
    Publish(Publishing),
}

fn step() -> impl Strategy<Value = Step> {
    let subscribe =
        (0..5usize, options(), 0u32..3).prop_map(|(filter, options, identifier)| Step::Subscribe {
            filter,
            options,
            identifier,
        });
    prop_oneof![
        2 => Just(Step::Resume),
        2 => Just(Step::Leave),
        5 => subscribe,
        1 => (0..5usize).prop_map(|filter| Step::Unsubscribe { filter }),
        10 => publishing().prop_map(Step::Publish),
    ]
}

/// What each client got in the end, sorted; without what differs from run to run.
fn outcome_of(shards: u16, versions: &[Version], script: &[(usize, Step)]) -> Vec<Vec<Arrived>> {
    let limits = Limits {
        sys_interval_ms: 0,
        ..Limits::default()
    };
    let mut run = Run::new(shards, &limits);
    let mut got: Vec<Vec<Arrived>> = versions.iter().map(|_| Vec::new()).collect();
    let mut clients: Vec<Option<ClientIx>> = versions.iter().map(|_| None).collect();
    for (who, step) in script {
        let version = versions[*who];
        match (step, clients[*who]) {
            (Step::Resume, None) => {
                clients[*who] = Some(run.bed.resume(version, NAMES[*who]));
            }
            (Step::Leave, Some(client)) => {
                run.bed.disconnect(client);
                clients[*who] = None;
            }
            (
                Step::Subscribe {
                    filter,
                    options,
                    identifier,
                },
                Some(client),
            ) => {
                let mut player = player(client, version);
                let bytes = subscribe_bytes(&mut player, FILTERS[*filter], *options, *identifier);
                run.bed.send_raw(client, &bytes);
            }
            (Step::Unsubscribe { filter }, Some(client)) => {
                let packet_id = player(client, version).next_id();
                run.bed
                    .send_unsubscribe(client, packet_id, &[FILTERS[*filter]]);
            }
            (Step::Publish(publishing), Some(client)) => run.publish(client, publishing),
            (Step::Resume, Some(_)) | (_, None) => {}
        }
        for (client, got) in clients.iter().zip(&mut got) {
            if let Some(client) = client {
                got.extend(run.bed.finish(*client));
            }
        }
        run.bed.check_books();
    }
    for got in &mut got {
        got.iter_mut().for_each(|one| one.packet_id = None);
        got.sort();
    }
    got
}

fn player(client: ClientIx, version: Version) -> Player {
    Player {
        client,
        version,
        receive_maximum: 0,
        open: BTreeMap::new(),
        owed: VecDeque::new(),
        next_id: 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_books_balance_whatever_clients_do(
        limits in limits(),
        script in prop::collection::vec((0..NAMES.len(), operation()), 1..150),
    ) {
        for shards in SHARDS {
            let mut run = Run::new(shards, &limits);
            for (who, operation) in &script {
                run.apply(*who, operation);
            }
            run.drain();
            run.end();
        }
    }

    #[test]
    fn one_shard_and_three_deliver_the_same(
        versions in prop::collection::vec(version(), 4),
        script in prop::collection::vec((0..4usize, step()), 1..80),
    ) {
        let script: Vec<_> = (0..4).map(|who| (who, Step::Resume)).chain(script).collect();
        let expected = outcome_of(1, &versions, &script);
        prop_assert_eq!(outcome_of(3, &versions, &script), expected);
    }
}

#[test]
fn a_fixed_script_delivers_something() {
    // The comparison above would hold for brokers that deliver nothing.
    let publishing = Publishing {
        topic: 1,
        qos: QOS_0,
        retain: true,
        expiry_secs: None,
        payload_len: 1,
    };
    let options = SubscribeOptions::from_qos(QOS_0);
    let script = [
        (0, Step::Resume),
        (1, Step::Resume),
        (0, Step::Publish(publishing.clone())),
        (
            1,
            Step::Subscribe {
                filter: 2,
                options,
                identifier: 1,
            },
        ),
        (0, Step::Publish(publishing)),
    ];
    for shards in SHARDS {
        let got = outcome_of(shards, &[V5, V311], &script);
        assert_eq!((got[0].len(), got[1].len()), (0, 2));
    }
}
