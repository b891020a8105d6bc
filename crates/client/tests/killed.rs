//! Client processes that are killed in the midst of QoS 2, sender and receiver, again and again: each
//! message arrives once and in order.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests of the driver start processes and use files"
)]

#[path = "servers/columba.rs"]
mod columba;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use columba_client::driver::{
    Address, Client, ConnectOptions, LastingEvents, Reconnect, SessionFile,
};
use columba_client::{Message, SessionOptions, Subscription};
use columba_codec::{QoS, ReasonCode};

const MESSAGES: u64 = 400;
const KILLS: usize = 12;
/// No step of a local server takes this long; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client says.
const STEPS: [&str; 4] = ["ready", "applied", "answered", "done"];

/// The environment variable that makes this program one of the clients: its role, the server's port
/// and a directory.
const ROLE: &str = "COLUMBA_TEST_CLIENT";

#[test]
fn clients_killed_in_the_midst_of_qos_2_lose_nothing_and_repeat_nothing() {
    let (_broker, port) = columba::start();
    let directory = tempfile::tempdir().expect("a directory");
    let start = |role: &str| Program::start(role, port, directory.path());
    let mut receiver = start("receiver");
    receiver.read(1, "ready");
    let sending = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            for kill in 0..KILLS {
                let mut sender = start("sender");
                sender.read(3 + kill * 7 % 11, "answered");
                sender.kill(kill);
            }
            start("sender").finish();
        });
        for kill in 0..KILLS {
            receiver.read(2 + kill * 5 % 13, "applied");
            receiver.kill(kill);
            receiver = start("receiver");
        }
        receiver.finish();
        sending.join()
    });
    sending.expect("the sender comes to its end");
    let numbers = applied(directory.path());
    let numbers = numbers.iter().map(|(number, _)| *number);
    assert_eq!(
        numbers.collect::<Vec<_>>(),
        (0..MESSAGES).collect::<Vec<_>>()
    );
}

/// A client in a process of its own. It says its steps line by line, and after each waits for a line.
struct Program {
    child: Child,
    go: ChildStdin,
    /// Ends with the process.
    steps: mpsc::Receiver<&'static str>,
    is_waiting: bool,
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(role: &str, port: u16, directory: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["--exact", "as_a_client", "--nocapture"])
            .env(ROLE, format!("{role} {port} {}", directory.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let go = child.stdin.take().expect("piped");
        let (sender, steps) = mpsc::channel();
        // A thread of its own, as reading from a pipe has no end of its patience.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut steps = STEPS.into_iter();
                if let Some(step) = steps.find(|step| line.trim_end() == *step)
                    && sender.send(step).is_err()
                {
                    return;
                }
            }
        });
        Self {
            child,
            go,
            steps,
            is_waiting: false,
        }
    }

    fn go(&mut self) {
        if std::mem::take(&mut self.is_waiting) {
            self.go.write_all(b"\n").expect("it waits for it");
        }
    }

    /// The next step.
    fn next(&mut self) -> &'static str {
        self.go();
        let step = self.steps.recv_timeout(PATIENCE);
        self.is_waiting = true;
        step.unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => panic!("it does not come to its next step"),
            RecvTimeoutError::Disconnected => panic!("it ended before it was done"),
        })
    }

    /// Lets it go on until it has come to a step so many times, and waits there.
    fn read(&mut self, times: usize, step: &str) {
        for _ in 0..times {
            while self.next() != step {}
        }
    }

    /// SIGKILL: where it waits, or wherever it has come to.
    fn kill(&mut self, number: usize) {
        if number.is_multiple_of(2) {
            self.go();
        }
        self.child.kill().expect("kills");
        self.child.wait().expect("ends");
    }

    fn finish(mut self) {
        while self.next() != "done" {}
        self.go();
        let ended = self.steps.recv_timeout(PATIENCE);
        assert_eq!(ended, Err(RecvTimeoutError::Disconnected), "it ends");
        assert!(self.child.wait().expect("ends").success());
    }
}

/// Does nothing unless [`Program`] started it.
#[test]
fn as_a_client() {
    let Some(role) = std::env::var_os(ROLE) else {
        return;
    };
    let role = role.into_string().expect("text");
    let mut words = role.splitn(3, ' ');
    let mut word = || words.next().expect("three words").to_owned();
    let (role, port, directory) = (word(), word(), PathBuf::from(word()));
    let port = port.parse().expect("a port");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        match role.as_str() {
            "sender" => send(port, &directory).await,
            _ => receive(port, &directory).await,
        }
    });
}

/// Says a step and waits for the word to go on. The client's task goes on meanwhile.
fn say(step: &str) {
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "{step}").and_then(|()| out.flush());
    said.expect("somebody reads");
    let heard = std::io::stdin().read_line(&mut String::new());
    heard.expect("somebody answers");
}

async fn connect(port: u16, directory: &Path, name: &str) -> (Client, LastingEvents, u64) {
    let mut session = SessionOptions {
        client_id: name.to_owned(),
        acknowledges_by_hand: true,
        ..SessionOptions::default()
    };
    session.properties.session_expiry_secs = Some(3600);
    let file = SessionFile::open(directory.join(name), session.clone()).expect("opens");
    let taken = file.taken_messages();
    let options = ConnectOptions::new(Address::tcp("127.0.0.1", port), session);
    let connected = Client::connect_kept(options, Reconnect::default(), file).await;
    let (client, events) = connected.expect("connects");
    (client, events, taken)
}

async fn send(port: u16, directory: &Path) {
    let (client, events, taken) = connect(port, directory, "sender").await;
    drop(events);
    let mut pending = std::collections::VecDeque::new();
    for number in taken..MESSAGES {
        let message = Message::new("x", number.to_string()).with_qos(QoS::ExactlyOnce);
        pending.push_back(client.start_publish(message).await.expect("queued"));
        if pending.len() >= 8 {
            answered(pending.pop_front()).await;
        }
    }
    while !pending.is_empty() {
        answered(pending.pop_front()).await;
    }
    assert_eq!(client.disconnect(ReasonCode::Success, PATIENCE).await, 0);
    say("done");
}

async fn answered(pending: Option<columba_client::driver::Pending<columba_client::Answer>>) {
    if let Some(pending) = pending {
        let answer = pending.await.expect("an answer");
        assert!(!answer.reason.is_error(), "{answer:?}");
        say("answered");
    }
}

/// Numbers that have been applied, with the numbers of their arrivals.
fn applied(directory: &Path) -> Vec<(u64, u64)> {
    let text = fs::read_to_string(directory.join("applied")).unwrap_or_default();
    let pair = |line: &str| {
        let (number, arrival) = line.split_once(' ').expect("two numbers");
        (
            number.parse().expect("a number"),
            arrival.parse().expect("a number"),
        )
    };
    text.lines().map(pair).collect()
}

async fn receive(port: u16, directory: &Path) {
    let applied = applied(directory);
    let mut last = applied.last().map(|(_, arrival)| *arrival);
    let mut count = applied.len() as u64;
    let mut database = File::options()
        .append(true)
        .create(true)
        .open(directory.join("applied"))
        .expect("opens");
    let (client, mut events, _) = connect(port, directory, "receiver").await;
    let to = Subscription::to("x", QoS::ExactlyOnce);
    let subscribing = client.subscribe(to);
    let mut subscribing = std::pin::pin!(subscribing);
    let mut is_ready = false;
    while count < MESSAGES || !is_ready {
        let event = tokio::select! {
            granted = &mut subscribing, if !is_ready => {
                assert!(!granted.expect("an answer").codes[0].is_error());
                is_ready = true;
                say("ready");
                continue;
            }
            event = events.next() => event.expect("it goes on"),
        };
        let columba_client::driver::LastingEvent::Message(incoming) = event else {
            continue;
        };
        let receipt = incoming.receipt.expect("acknowledged by hand");
        let arrival = receipt.number().expect("QoS 2 has a number");
        if last.is_none_or(|last| arrival > last) {
            let number = String::from_utf8(incoming.message.payload.clone()).expect("text");
            // One write is the transaction of this database.
            let line = format!("{number} {arrival}\n");
            database.write_all(line.as_bytes()).expect("writes");
            last = Some(arrival);
            count += 1;
            say("applied");
        }
        let acknowledged = client.acknowledge(&incoming, ReasonCode::Success);
        acknowledged.await.expect("it goes on");
    }
    client.disconnect(ReasonCode::Success, PATIENCE).await;
    say("done");
}
