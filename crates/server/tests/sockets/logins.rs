//! Logins while the checks of credentials are slow, many, or overtaken by other users.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};

use columba_broker::event::{AuthRequest, AuthVerdict, Command, UserChange};
use columba_broker::limits::Limits;
use columba_codec::packet::Disconnect;
use columba_codec::{Packet, Properties, QoS, ReasonCode};
use columba_server::Broker;
use columba_server::auth::Authenticate;
use columba_server::listener::{ListenerConfig, ListenerKind, WebSocketSettings};

use crate::bed::{
    Client, PATIENCE, connect_with_login, encoded, loopback, publish_packet, settings, socket,
    start, tcp, until,
};
use crate::secure::Frames;

/// Lets in who has the right password, once the gate is open.
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    generation: AtomicU64,
}

struct State {
    is_open: bool,
    right: String,
    /// Users whose check has begun.
    checked: Vec<String>,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                is_open: false,
                right: "right".to_owned(),
                checked: Vec::new(),
            }),
            changed: Condvar::new(),
            generation: AtomicU64::new(0),
        })
    }

    fn open(&self) {
        self.state.lock().unwrap().is_open = true;
        self.changed.notify_all();
    }

    fn checked(&self) -> Vec<String> {
        self.state.lock().unwrap().checked.clone()
    }

    fn set_right(&self, right: &str) {
        self.state.lock().unwrap().right = right.to_owned();
        self.generation.fetch_add(1, Ordering::SeqCst);
    }
}

impl Authenticate for Gate {
    fn check(&self, request: &AuthRequest) -> AuthVerdict {
        let user = request.user_name.clone().unwrap_or_default();
        let mut state = self.state.lock().unwrap();
        state.checked.push(user.clone());
        let right = state.right.clone();
        let closed = |state: &mut State| !state.is_open;
        let (state, _) = self
            .changed
            .wait_timeout_while(state, PATIENCE, closed)
            .unwrap();
        drop(state);
        if request.password.as_deref() != Some(right.as_bytes()) {
            return AuthVerdict::BadCredentials;
        }
        allow(&user)
    }

    fn recall(&self, request: &AuthRequest) -> Option<AuthVerdict> {
        let user = request.user_name.as_deref()?;
        (request.password.as_deref() == Some(b"known")).then(|| allow(user))
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
}

fn allow(user: &str) -> AuthVerdict {
    AuthVerdict::Allow {
        user: Some(user.into()),
        groups: Arc::new([]),
    }
}

fn login(broker: &Broker, user: &str, password: &str) -> Client {
    let mut client = Client::new(socket(broker, 0));
    client.send(&connect_with_login(user, password));
    client
}

/// A broker whose only thread for checks is busy with the first login.
fn busy(shards: u16, auth_queue_max: usize, unix: Option<ListenerConfig>) -> (Arc<Gate>, Broker) {
    let gate = Gate::new();
    let listeners = [tcp()].into_iter().chain(unix).collect();
    let broker = start(
        shards,
        Limits {
            connect_timeout_ms: 60_000,
            ..Limits::default()
        },
        listeners,
        gate.clone(),
        auth_queue_max,
    );
    (gate, broker)
}

fn begin_first(gate: &Gate, broker: &Broker) -> Client {
    let first = login(broker, "first", "right");
    until("the check begins", || gate.checked() == ["first"]);
    first
}

/// Logs in several times at once; the answers come in their own order.
fn many(broker: &Broker, count: usize, password: &str) -> Receiver<ReasonCode> {
    let (sender, answers) = channel();
    for number in 0..count {
        let mut client = login(broker, &format!("one of many {number}"), password);
        let sender = sender.clone();
        std::thread::spawn(move || sender.send(client.connack_reason()).unwrap());
    }
    answers
}

fn expect_answers(answers: &Receiver<ReasonCode>, count: usize, expected: ReasonCode) {
    for _ in 0..count {
        assert_eq!(answers.recv_timeout(PATIENCE), Ok(expected));
    }
}

#[test]
fn a_check_whose_client_is_gone_is_never_done() {
    let (gate, broker) = busy(2, 16, None);
    let mut first = begin_first(&gate, &broker);
    let others: Vec<_> = (0..10)
        .map(|number| login(&broker, &format!("gone {number}"), "wrong"))
        .collect();
    until("they are here", || broker.connections(0) == 11);
    drop(others);
    until("they are gone", || broker.connections(0) == 1);
    gate.open();
    first.expect_connack();
    login(&broker, "next", "right").expect_connack();
    assert_eq!(gate.checked(), ["first", "next"]);
    broker.shutdown();
}

/// CONNECT with a password, a message and DISCONNECT, as a sensor sends them that then sleeps.
fn message_and_goodbye(user: &str) -> Vec<u8> {
    let mut bytes = connect_with_login(user, "right");
    bytes.extend(publish_packet("from", user.as_bytes(), None));
    bytes.extend(goodbye());
    bytes
}

fn goodbye() -> Vec<u8> {
    encoded(&Packet::Disconnect(Disconnect {
        reason: ReasonCode::Success,
        properties: Properties::default(),
    }))
}

#[test]
fn messages_of_a_client_that_is_gone_before_its_password_is_checked_arrive() {
    for shards in [1, 3] {
        let (gate, broker) = busy(shards, 16, None);
        let mut first = begin_first(&gate, &broker);
        let mut subscriber = login(&broker, "subscriber", "known");
        subscriber.expect_connack();
        subscriber.subscribe("from", QoS::AtMostOnce);
        for (number, cut) in [None, Some(20), Some(1)].into_iter().enumerate() {
            // In one piece, in two, and closed in either case.
            let bytes = message_and_goodbye(&format!("sensor {number}"));
            let (begin, rest) = bytes.split_at(bytes.len() - cut.unwrap_or(0));
            let mut sensor = Client::new(socket(&broker, 0));
            sensor.send(begin);
            until("it is here", || broker.connections(0) == 3 + number);
            // Whatever the shards have read by now, the rest is behind it.
            for other in 0..4 {
                login(&broker, &format!("other {other}"), "known").expect_connack();
            }
            sensor.send(rest);
            drop(sensor);
            for other in 0..4 {
                login(&broker, &format!("other {other}"), "known").expect_connack();
            }
            until("the others are gone", || {
                broker.connections(0) == 3 + number
            });
        }
        gate.open();
        first.expect_connack();
        // Each has a home of its own, so they come in any order.
        let mut senders: Vec<_> = (0..3).map(|_| subscriber.any_payload()).collect();
        senders.sort();
        assert_eq!(senders, [b"sensor 0", b"sensor 1", b"sensor 2"]);
        until("they are gone", || broker.connections(0) == 2);
        broker.shutdown();
    }
}

#[test]
fn a_message_before_a_websocket_close_arrives_though_a_password_is_checked() {
    let gate = Gate::new();
    let listener = ListenerConfig {
        kind: ListenerKind::Ws {
            bind: loopback(),
            websocket: WebSocketSettings::default(),
        },
        settings: settings("ws"),
    };
    let broker = start(3, Limits::default(), vec![tcp(), listener], gate.clone(), 4);
    let mut subscriber = login(&broker, "subscriber", "known");
    subscriber.expect_connack();
    subscriber.subscribe("from", QoS::AtMostOnce);
    let message = message_and_goodbye("page");
    // With a mask of zeros the payload stays as it is. The goodbye is left out: the Close says it.
    let message = &message[..message.len() - goodbye().len()];
    let mut bytes = vec![0x82, 0x80 | message.len() as u8, 0, 0, 0, 0];
    bytes.extend(message);
    bytes.extend([0x88, 0x80, 0, 0, 0, 0]);
    let mut page = Frames::open(socket(&broker, 1)).socket.into_inner();
    page.write_all(&bytes).unwrap();
    until("the check begins", || gate.checked() == ["page"]);
    gate.open();
    subscriber.expect_publish("from", b"page");
    until("it is let go", || broker.connections(1) == 0);
    drop(page);
    broker.shutdown();
}

#[test]
fn a_full_queue_of_checks_tells_clients_to_come_again() {
    let (gate, broker) = busy(2, 2, None);
    let mut first = begin_first(&gate, &broker);
    let answers = many(&broker, 8, "right");
    // Two wait, the others are told.
    expect_answers(&answers, 6, ReasonCode::ServerBusy);
    gate.open();
    first.expect_connack();
    expect_answers(&answers, 2, ReasonCode::Success);
    broker.shutdown();
}

#[test]
fn a_password_that_is_known_needs_no_place_in_the_queue() {
    let (gate, broker) = busy(2, 1, None);
    let mut first = begin_first(&gate, &broker);
    let answers = many(&broker, 2, "right");
    expect_answers(&answers, 1, ReasonCode::ServerBusy);
    let mut known = login(&broker, "known", "known");
    known.expect_connack();
    known.ping();
    gate.open();
    first.expect_connack();
    expect_answers(&answers, 1, ReasonCode::Success);
    broker.shutdown();
}

#[test]
fn one_address_does_not_keep_the_others_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mqtt.sock");
    let unix = ListenerConfig {
        kind: ListenerKind::Unix {
            path: path.clone(),
            mode: 0o600,
        },
        settings: settings("unix"),
    };
    let (gate, broker) = busy(1, 4, Some(unix));
    let mut first = begin_first(&gate, &broker);
    let flood = many(&broker, 8, "wrong");
    expect_answers(&flood, 4, ReasonCode::ServerBusy);
    let stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut other = Client::new(stream);
    other.send(&connect_with_login("other", "right"));
    // One of the flood makes room.
    expect_answers(&flood, 1, ReasonCode::ServerBusy);
    gate.open();
    first.expect_connack();
    other.expect_connack();
    let checked = gate.checked();
    // One of the flood may have been next already.
    assert!(checked[..3].contains(&"other".to_owned()), "{checked:?}");
    expect_answers(&flood, 3, ReasonCode::BadUserNameOrPassword);
    broker.shutdown();
}

#[test]
fn a_verdict_that_was_overtaken_by_other_users_does_not_count() {
    for shards in [1, 3] {
        let (gate, broker) = busy(shards, 4, None);
        let mut first = begin_first(&gate, &broker);
        gate.set_right("new");
        let expelled = UserChange::Expelled(Arc::new([]));
        broker.command(Command::UsersChanged {
            changes: Arc::new(BTreeMap::from([("first".into(), expelled)])),
            access: None,
        });
        // Every shard has the command once it has let a client in.
        for number in 0..8 {
            login(&broker, &format!("{number}"), "known").expect_connack();
        }
        gate.open();
        assert_eq!(first.connack_reason(), ReasonCode::BadUserNameOrPassword);
        assert_eq!(gate.checked(), ["first", "first"]);
        login(&broker, "first", "new").expect_connack();
        broker.shutdown();
    }
}

#[test]
fn what_is_sent_behind_connect_waits_in_the_socket_while_the_password_is_checked() {
    // [MQTT-3.1.4-5] [MQTT-v311-3.1.4-5]
    let (gate, broker) = busy(2, 4, None);
    let mut first = begin_first(&gate, &broker);
    let mut bytes = connect_with_login("hasty", "right");
    for _ in 0..10 {
        bytes.extend(publish_packet("t", &vec![7; 1024 * 1024], None));
    }
    bytes.extend(encoded(&Packet::PingReq));
    let stream = socket(&broker, 0);
    let mut other_end = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        std::io::Write::write_all(&mut other_end, &bytes).unwrap();
    });
    login(&broker, "behind it", "known").expect_connack();
    gate.open();
    first.expect_connack();
    let mut hasty = Client::new(stream);
    hasty.expect_connack();
    hasty.next(|packet| assert_eq!(packet, Some(Packet::PingResp)));
    writer.join().unwrap();
    broker.shutdown();
}
