//! How Mosquitto's clients and this binary under their names end when a server refuses, goes away or says
//! nothing, and when a signal ends them: exit codes, and whether standard error says why.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::bed::columba;
use crate::mosquitto::read_packet;

/// A command line, what the server answers to each packet in turn, and the exit code. A server that has
/// no answer left ends the connection.
type Case = (&'static str, &'static [&'static [u8]], i32);

/// What a client may take for its next step; one that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

const ACCEPTED: &[u8] = b"\x20\x02\0\0";
const ACCEPTED_5: &[u8] = b"\x20\x03\0\0\0";

const ENDS: &[Case] = &[
    ("pub -t a -m x", &[b"\x20\x02\0\x01"], 1),
    ("pub -t a -m x", &[b"\x20\x02\0\x02"], 2),
    ("pub -t a -m x", &[b"\x20\x02\0\x03"], 3),
    ("pub -t a -m x", &[b"\x20\x02\0\x04"], 4),
    ("pub -t a -m x", &[b"\x20\x02\0\x05"], 5),
    ("sub -t a", &[b"\x20\x02\0\x03"], 3),
    ("sub -t a", &[b"\x20\x02\0\x05"], 5),
    ("rr -V 311 -t a -e b -m x", &[b"\x20\x02\0\x05"], 5),
    ("pub -V 5 -t a -m x", &[b"\x20\x03\0\x80\0"], 128),
    ("pub -V 5 -t a -m x", &[b"\x20\x03\0\x84\0"], 132),
    ("pub -V 5 -t a -m x", &[b"\x20\x03\0\x85\0"], 133),
    ("pub -V 5 -t a -m x", &[b"\x20\x03\0\x89\0"], 137),
    ("sub -V 5 -t a", &[b"\x20\x03\0\x87\0"], 135),
    ("rr -t a -e b -m x", &[b"\x20\x03\0\x87\0"], 135),
    ("pub -t a -m x", &[], 7),
    ("rr -t a -e b -m x", &[], 7),
    ("pub -q 1 -t a -m x", &[ACCEPTED, b""], 7),
    ("sub -t a", &[ACCEPTED, b"\x90\x03\0\x01\x80"], 0),
    ("sub -V 5 -t a", &[ACCEPTED_5, b"\x90\x04\0\x01\0\x87"], 0),
    (
        "rr -t a -e b -m x",
        &[ACCEPTED_5, b"\x90\x04\0\x01\0\x87"],
        0,
    ),
    (
        "pub -V 5 -q 1 -t a -m x",
        &[ACCEPTED_5, b"\x40\x04\0\x01\x87\0"],
        0,
    ),
    (
        "pub -V 5 -q 2 -t a -m x",
        &[ACCEPTED_5, b"\x50\x04\0\x01\x87\0"],
        0,
    ),
];

struct Clients {
    ours: tempfile::TempDir,
}

impl Clients {
    fn new() -> Self {
        let ours = tempfile::tempdir().expect("a directory");
        let linked = columba().arg("link-mosquitto").arg(ours.path()).output();
        assert!(linked.expect("the binary").status.success());
        Self { ours }
    }

    /// Of one of the two directories, with a port of this machine.
    fn command(&self, is_ours: bool, line: &str, port: &str) -> Command {
        let (tool, words) = line.split_once(' ').expect("a tool and words");
        let programs = match is_ours {
            true => self.ours.path().to_owned(),
            false => PathBuf::from("/usr/bin"),
        };
        let mut command = Command::new(programs.join(format!("mosquitto_{tool}")));
        command.args(["-h", "127.0.0.1", "-p", port]);
        command.args(words.split(' '));
        // Not the directory of the links: there Mosquitto's clients look for options in files of their names.
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, is_ours: bool, line: &str, answers: &[&[u8]]) -> Output {
        let (server, port) = listen();
        let mut command = self.command(is_ours, line, &port);
        let child = command.spawn().expect("mosquitto-clients is installed");
        let mut socket = accept(server);
        read_packet(&mut socket);
        for (index, answer) in answers.iter().enumerate() {
            socket.write_all(answer).expect("an answer");
            if index + 1 < answers.len() {
                read_packet(&mut socket);
            }
        }
        if answers.last().is_none_or(|answer| answer.is_empty()) {
            // What the client still sends must not be answered with a reset, which overtakes the answer.
            socket.shutdown(Shutdown::Write).expect("an end");
        }
        // A client that got an answer leaves by itself.
        drop(socket.read_to_end(&mut Vec::new()));
        drop(socket);
        end_of(child)
    }
}

fn listen() -> (TcpListener, String) {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port().to_string();
    (server, port)
}

/// Takes one connection and refuses all others.
fn accept(server: TcpListener) -> TcpStream {
    let (send, accepted) = channel();
    thread::spawn(move || send.send(server.accept()));
    let accepted = accepted.recv_timeout(PATIENCE);
    let (socket, _) = accepted.expect("a client").expect("a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// Waits for the end of a client, and ends one that hangs.
fn end_of(child: Child) -> Output {
    let client = Pid::from_child(&child);
    let (send, ended) = channel();
    thread::spawn(move || send.send(child.wait_with_output()));
    let ended = ended.recv_timeout(PATIENCE);
    if ended.is_err() {
        // Ended already, if it was just about to.
        let _ = kill_process(client, Signal::KILL);
    }
    ended.expect("a client that ends").expect("what it said")
}

#[test]
fn what_the_server_does_ends_both_with_the_same_code() {
    let clients = Clients::new();
    for (line, answers, exit) in ENDS {
        for is_ours in [false, true] {
            let output = clients.run(is_ours, line, answers);
            let context = format!("{line} {answers:?} ours: {is_ours} {output:?}");
            assert_eq!(output.status.code(), Some(*exit), "{context}");
            assert!(!output.stderr.is_empty(), "{context}");
        }
    }
}

#[test]
fn a_session_expiry_below_mqtt_5_is_overlooked_by_both_and_refused_by_its_name_natively() {
    let clients = Clients::new();
    let line = "pub -x 10 -V 311 -q 1 -t a -m x";
    for is_ours in [false, true] {
        let output = clients.run(is_ours, line, &[ACCEPTED, b"\x40\x02\0\x01"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
    let output = columba()
        .args(line.split(' '))
        .output()
        .expect("the binary");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("-x"), "{said}");
}

/// A port that is open before its broker is there closes what it has accepted. Both try again until the
/// broker is there; `pub` and `rr` are in the table above.
#[test]
fn a_connection_that_ends_before_connack_is_made_again_by_sub() {
    let clients = Clients::new();
    for is_ours in [false, true] {
        let (server, port) = listen();
        let mut command = clients.command(is_ours, "sub -t a -C 1", &port);
        let child = command.spawn().expect("mosquitto-clients is installed");
        for _ in 0..2 {
            let mut socket = accept(server.try_clone().expect("a handle"));
            read_packet(&mut socket);
        }
        let mut socket = accept(server);
        read_packet(&mut socket);
        socket.write_all(ACCEPTED).expect("CONNACK");
        read_packet(&mut socket);
        let answer = b"\x90\x03\0\x01\0\x30\x04\0\x01ax";
        socket.write_all(answer).expect("SUBACK and PUBLISH");
        drop(socket.read_to_end(&mut Vec::new()));
        drop(socket);
        let output = end_of(child);
        assert_eq!(output.status.code(), Some(0), "{is_ours} {output:?}");
        assert_eq!(output.stdout, b"x\n", "{is_ours} {output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        let told = said.matches("connecting again").count();
        assert_eq!(told, usize::from(is_ours), "{said}");
    }
}

/// DISCONNECT of the server ends Mosquitto's `sub` with 0, and so ours, which says why. Where a new connection
/// may mend it ours makes one, and Mosquitto's still ends.
#[test]
fn a_disconnect_of_the_server_ends_sub_with_0() {
    let clients = Clients::new();
    for code in [b'\x87', b'\x98', b'\x9d'] {
        for is_ours in [false, true] {
            let answer = [b"\x90\x04\0\x01\0\0\xe0\x02", &[code, 0][..]].concat();
            let output = clients.run(is_ours, "sub -V 5 -t a", &[ACCEPTED_5, &answer]);
            assert_eq!(output.status.code(), Some(0), "{code} {is_ours} {output:?}");
            assert_eq!(output.stderr.is_empty(), !is_ours, "{code} {output:?}");
        }
    }
}

/// In the place of SUBACK, of the answer to the request, and of the response.
#[test]
fn a_disconnect_of_the_server_ends_rr_with_its_reason() {
    const DISCONNECT: &[u8] = b"\xe0\x02\x97\0";
    const GRANTED: &[u8] = b"\x90\x04\0\x01\0\0";
    let clients = Clients::new();
    let with_granted = [GRANTED, DISCONNECT].concat();
    let answers: [&[&[u8]]; 3] = [
        &[ACCEPTED_5, DISCONNECT],
        &[ACCEPTED_5, &with_granted],
        &[ACCEPTED_5, GRANTED, DISCONNECT],
    ];
    for answers in answers {
        let output = clients.run(true, "rr -q 1 -t a -e b -m x", answers);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0x97), "{answers:?} {said}");
        assert!(
            said.contains("the server disconnected: Quota exceeded"),
            "{said}"
        );
        assert!(said.contains("ask its administrator"), "{said}");
    }
}

/// By the native name a message that was refused is a failure.
#[test]
fn a_refused_message_fails_by_the_native_name() {
    let (server, port) = listen();
    let mut command = columba();
    command.args(["pub", "-h", "127.0.0.1", "-p", &port, "-t", "a", "-m", "x"]);
    command.args(["-q", "1", "-o", "/dev/null"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary");
    let mut socket = accept(server);
    read_packet(&mut socket);
    socket.write_all(ACCEPTED_5).expect("CONNACK");
    read_packet(&mut socket);
    socket.write_all(b"\x40\x04\0\x01\x87\0").expect("PUBACK");
    drop(socket.read_to_end(&mut Vec::new()));
    let output = end_of(child);
    assert_eq!(output.status.code(), Some(0x87), "{output:?}");
}

/// `sub` leaves in order once the server has accepted it, and with 255 before, as Mosquitto's does. The
/// others are ended by the signal. Mosquitto's own client is not run here: it may hang when a signal
/// comes while it reads.
#[test]
fn signals_end_sub_in_order_and_the_others_at_once() {
    let clients = Clients::new();
    for (line, answers, exit) in [
        ("sub -t a", &[][..], Some(255)),
        ("rr -t a -e b -m x", &[], None),
        ("pub -t a -m x", &[], None),
        ("sub -t a", &[ACCEPTED, b"\x90\x03\0\x01\0"], Some(0)),
        (
            "sub -V 5 -t a",
            &[ACCEPTED_5, b"\x90\x04\0\x01\0\0"],
            Some(0),
        ),
        (
            "rr -t a -e b -m x",
            &[ACCEPTED_5, b"\x90\x04\0\x01\0\0"],
            None,
        ),
        ("pub -q 1 -t a -m x", &[ACCEPTED, b""], None),
    ] {
        for signal in [Signal::INT, Signal::TERM] {
            let (server, port) = listen();
            let mut command = clients.command(true, line, &port);
            let child = command.spawn().expect("the binary");
            let mut socket = accept(server);
            read_packet(&mut socket);
            for (index, answer) in answers.iter().enumerate() {
                socket.write_all(answer).expect("an answer");
                if index == 0 {
                    read_packet(&mut socket);
                }
            }
            kill_process(Pid::from_child(&child), signal).expect("a signal");
            // DISCONNECT or the end: whoever says goodbye waits for the server to close.
            drop(socket.read(&mut [0]));
            drop(socket);
            let ended = end_of(child).status;
            assert_eq!(ended.code(), exit, "{line} {signal:?} {ended:?}");
            let ended_by = exit.is_none().then_some(signal.as_raw());
            assert_eq!(ended.signal(), ended_by, "{line} {signal:?} {ended:?}");
        }
    }
}
