//! What the client processes do: one publishes a row of messages, the other writes down what comes. Both
//! keep their sessions in files, and go on where an earlier process of theirs was killed.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use columba_client::driver::{LastingEvent, LastingEvents, Pending, SessionFile};
use columba_client::{Answer, Incoming};
use tokio::time::Instant;

use super::Workload;
use super::programs::say;
use crate::lasting::{at_once, to};
use crate::*;

/// Messages that wait for their answers at a time.
const PENDING_MAX: usize = 24;

/// A line of what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) number: u64,
    /// [`columba_client::Receipt::number`]: at QoS 2, if acknowledged by hand.
    pub(crate) arrival: Option<u64>,
}

/// What the receiver has written down; shown if the test fails.
pub(crate) struct Database(pub(crate) Vec<Applied>);

impl Database {
    pub(crate) fn read(directory: &Path) -> Self {
        Self(applied(directory))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.0.iter().map(|line| (line.number, line.arrival));
            eprintln!("written down: {:?}", lines.collect::<Vec<_>>());
        }
    }
}

fn applied(directory: &Path) -> Vec<Applied> {
    let text = fs::read_to_string(directory.join("applied")).unwrap_or_default();
    let line = |line: &str| {
        let (number, arrival) = line.split_once(' ').expect("two words");
        Applied {
            number: number.parse().expect("a number"),
            arrival: arrival.parse().ok(),
        }
    };
    text.lines().map(line).collect()
}

/// Connects through a network that may cut the first attempts too. Gives the number of messages that
/// the session has ever taken besides.
async fn connect(
    port: u16,
    workload: &Workload,
    directory: &Path,
    name: &str,
) -> (Client, LastingEvents, u64) {
    let mut options = options(port, workload.version, name);
    options.clean_start = false;
    let session = &mut options.session;
    session.inflight_messages_max = workload.inflight_messages_max;
    session.acknowledges_by_hand = workload.acknowledges_by_hand;
    session.keep_alive_secs = 1;
    session.response_timeout = Duration::from_secs(2);
    if workload.version == Version::V5 {
        session.properties.session_expiry_secs = Some(3600);
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let file = SessionFile::open(directory.join(name), options.session.clone());
        let file = file.expect("opens");
        let taken = file.taken_messages();
        match Client::connect_kept(options.clone(), at_once(), file).await {
            Ok((client, events)) => return (client, events, taken),
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        // The server may be starting again.
        tokio::task::yield_now().await;
    }
}

/// Publishes all that no earlier process has.
pub(crate) async fn send(port: u16, workload: &Workload, directory: &Path) {
    let (client, events, taken) = connect(port, workload, directory, "sender").await;
    drop(events);
    if !workload.kind.knows_publishers_again() {
        let granted = client.subscribe(to("nothing", QoS::AtMostOnce)).await;
        assert!(!granted.expect("an answer").codes[0].is_error());
    }
    say("ready");
    let mut pending = VecDeque::new();
    for number in taken..workload.messages {
        pending.push_back(
            client
                .start_publish(workload.message(number))
                .await
                .expect("queued"),
        );
        if pending.len() >= PENDING_MAX {
            answered(pending.pop_front()).await;
        }
    }
    while !pending.is_empty() {
        answered(pending.pop_front()).await;
    }
    assert_eq!(client.disconnect(ReasonCode::Success, PATIENCE).await, 0);
}

async fn answered(pending: Option<Pending<Answer>>) {
    if let Some(pending) = pending {
        let answer = pending.await.expect("an answer");
        assert!(!answer.reason.is_error(), "{answer:?}");
    }
}

/// Receives until the last message.
pub(crate) async fn receive(port: u16, workload: &Workload, directory: &Path) {
    let earlier = applied(directory);
    let mut done: BTreeSet<u64> = earlier
        .iter()
        .filter_map(|applied| applied.arrival)
        .collect();
    let mut database = File::options()
        .append(true)
        .create(true)
        .open(directory.join("applied"))
        .expect("opens");
    let (client, mut events, _) = connect(port, workload, directory, "receiver").await;
    let subscribing = client.subscribe(to("x/#", workload.highest_qos()));
    let mut subscribing = std::pin::pin!(subscribing);
    let mut is_ready = false;
    let mut is_over = false;
    while !(is_ready && is_over) {
        let event = tokio::select! {
            granted = &mut subscribing, if !is_ready => {
                assert!(!granted.expect("an answer").codes[0].is_error());
                is_ready = true;
                say("ready");
                continue;
            }
            event = events.next() => event.expect("it goes on"),
        };
        let LastingEvent::Message(incoming) = event else {
            continue;
        };
        is_over |= incoming.message.payload == b"last";
        if incoming.message.payload != b"last" {
            apply(workload, &incoming, &mut done, &mut database);
        }
        let acknowledged = client.acknowledge(&incoming, ReasonCode::Success);
        acknowledged.await.expect("it goes on");
    }
    client.disconnect(ReasonCode::Success, PATIENCE).await;
}

/// Writes a message down, unless it is one that was, by its number.
fn apply(workload: &Workload, incoming: &Incoming, done: &mut BTreeSet<u64>, database: &mut File) {
    let text = std::str::from_utf8(&incoming.message.payload).expect("text");
    let number = text.split(' ').next().expect("a first word");
    let number = number.parse().expect("a number");
    let sent = workload.message(number);
    assert_eq!(incoming.message.payload, sent.payload, "bytes as sent");
    assert_eq!(incoming.message.qos, sent.qos);
    assert_eq!(incoming.receipt.is_some(), workload.acknowledges_by_hand);
    let arrival = incoming.receipt.and_then(|receipt| receipt.number());
    if arrival.is_some_and(|arrival| !done.insert(arrival)) {
        return;
    }
    let arrival = arrival.map_or_else(|| "-".to_owned(), |arrival| arrival.to_string());
    // One write is the transaction of this database.
    let line = format!("{number} {arrival}\n");
    database.write_all(line.as_bytes()).expect("writes");
}
