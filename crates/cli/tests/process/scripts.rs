//! What scripts rely on in Mosquitto's clients while a connection comes and goes, and when nobody
//! reads what they say: the same by Mosquitto's own clients and by this binary under their names.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::bed::columba;
use crate::mosquitto::read_packet;

/// The two directories with clients: Mosquitto's, and one with links to this binary.
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

    fn both(&self) -> [PathBuf; 2] {
        [PathBuf::from("/usr/bin"), self.ours.path().to_owned()]
    }

    /// A client that reads no options file.
    fn command(&self, programs: &Path, name: &str, words: &str) -> Command {
        let mut command = Command::new(programs.join(name));
        command.args(words.split(' '));
        command.env("XDG_CONFIG_HOME", self.ours.path().join("none"));
        command.stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }
}

fn listen() -> (TcpListener, String) {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port().to_string();
    (server, port)
}

/// Takes a connection and the CONNECT, and accepts it in the version that it speaks.
fn accept(server: &TcpListener) -> TcpStream {
    let (mut socket, _) = server.accept().expect("a connection");
    let connect = read_packet(&mut socket);
    assert_eq!(connect.first(), Some(&0x10));
    let is_5 = connect.get(7) == Some(&5);
    let connack: &[u8] = if is_5 {
        b"\x20\x03\0\0\0"
    } else {
        b"\x20\x02\0\0"
    };
    socket.write_all(connack).expect("CONNACK");
    socket
}

fn exit_of(mut child: Child) -> Option<i32> {
    drop(child.stdin.take());
    child.wait().expect("an end").code()
}

/// The packet id and the payload of a PUBLISH of MQTT 3.1.1 to a topic of one character at QoS 1.
fn published(socket: &mut TcpStream) -> ([u8; 2], Vec<u8>) {
    let packet = read_packet(socket);
    assert_eq!(packet.first().map(|first| first & 0xf6), Some(0x32));
    let id = [packet[4], packet[5]];
    (id, packet[6..].to_vec())
}

#[test]
fn lines_go_on_when_the_connection_was_lost() {
    let clients = Clients::new();
    for programs in clients.both() {
        let (server, port) = listen();
        let words = format!("-h 127.0.0.1 -p {port} -V 311 -t a -q 1 -l");
        let mut command = clients.command(&programs, "mosquitto_pub", &words);
        let mut child = command.spawn().expect("the client");
        let mut stdin = child.stdin.take().expect("a pipe");
        let mut socket = accept(&server);
        stdin.write_all(b"x\n").expect("a line");
        assert_eq!(published(&mut socket).1, b"x");
        // Not answered.
        drop(socket);
        let mut socket = accept(&server);
        let (id, payload) = published(&mut socket);
        assert_eq!(payload, b"x", "{}", programs.display());
        socket.write_all(&[0x40, 2, id[0], id[1]]).expect("PUBACK");
        stdin.write_all(b"y\n").expect("a line");
        let (id, payload) = published(&mut socket);
        assert_eq!(payload, b"y", "{}", programs.display());
        socket.write_all(&[0x40, 2, id[0], id[1]]).expect("PUBACK");
        drop(stdin);
        assert_eq!(read_packet(&mut socket), [0xe0]);
        drop(socket);
        assert_eq!(exit_of(child), Some(0), "{}", programs.display());
    }
}

#[test]
fn lines_at_qos_0_that_found_no_connection_are_counted() {
    let (server, port) = listen();
    let mut command = columba();
    command.args(["pub", "-o", "/dev/null", "-h", "127.0.0.1", "-p", &port]);
    command.args(["-V", "311", "-t", "a", "-l", "--lang", "en"]);
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    drop(accept(&server));
    let mut next = || said.next().map(|line| line.expect("text"));
    let lost = next().expect("a warning");
    assert!(lost.contains("connecting again"), "{lost}");
    stdin.write_all(b"x\ny\n").expect("lines");
    drop(stdin);
    let lost = next().expect("an error");
    assert!(lost.contains("2 lines were not sent"), "{lost}");
    assert_eq!(exit_of(child), Some(7));
}

/// The DISCONNECT of a client that is told to leave, once it has subscribed.
fn goodbye(mut command: Command, server: &TcpListener, signal: Option<Signal>) -> (u8, i32) {
    let child = command.spawn().expect("the client");
    let mut socket = accept(server);
    let subscribe = read_packet(&mut socket);
    assert_eq!(subscribe.first(), Some(&0x82));
    let suback = [0x90, 4, subscribe[1], subscribe[2], 0, 0];
    socket.write_all(&suback).expect("SUBACK");
    if let Some(signal) = signal {
        // Whoever acknowledges a message is ready for signals too.
        let message = b"\x32\x07\0\x01a\0\x01\0x";
        socket.write_all(message).expect("PUBLISH");
        assert_eq!(read_packet(&mut socket).first(), Some(&0x40));
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("a signal");
    }
    let goodbye = loop {
        let packet = read_packet(&mut socket);
        if packet.first() == Some(&0xe0) {
            break packet;
        }
    };
    drop(socket);
    let exit = exit_of(child).expect("an exit code");
    (goodbye.get(1).copied().unwrap_or_default(), exit)
}

#[test]
fn who_is_told_to_leave_lets_the_will_be_published() {
    let clients = Clients::new();
    let cases = [
        ("mosquitto_sub", "-t a", Some(Signal::INT), 0),
        ("mosquitto_sub", "-t a", Some(Signal::TERM), 0),
        ("mosquitto_sub", "-t a -W 1", None, 27),
        ("mosquitto_rr", "-t b -e a -m x -W 1", None, 27),
    ];
    for (name, words, signal, exit) in cases {
        for programs in clients.both() {
            // Mosquitto's may lock itself up when the signal comes at a bad moment.
            if signal.is_some() && programs == clients.both()[0] {
                continue;
            }
            let (server, port) = listen();
            let words =
                format!("-h 127.0.0.1 -p {port} -V 5 --will-topic w --will-payload x {words}");
            let command = clients.command(&programs, name, &words);
            let left = goodbye(command, &server, signal);
            assert_eq!(left, (4, exit), "{} {words}", programs.display());
        }
    }
}

/// Where nobody takes what is said.
fn nowhere() -> [Stdio; 2] {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let full = File::options().write(true).open("/dev/full");
    [writer.into(), full.expect("a device").into()]
}

#[test]
fn that_nobody_takes_what_is_said_changes_no_exit_code() {
    let clients = Clients::new();
    let (server, port) = listen();
    let refused = {
        let (closed, port) = listen();
        drop(closed);
        port
    };
    for programs in clients.both() {
        for stderr in nowhere() {
            let words = format!("-h 127.0.0.1 -p {refused} -t a -m x");
            let mut command = clients.command(&programs, "mosquitto_pub", &words);
            command.stderr(stderr);
            let exit = exit_of(command.spawn().expect("the client"));
            // A pipe without a reader kills Mosquitto's client.
            let is_killed = exit.is_none() && programs == clients.both()[0];
            assert!(exit == Some(1) || is_killed, "{}", programs.display());
        }
        for stderr in nowhere() {
            // The connection is lost, which is a warning, and then -W runs out, which is an error.
            let words = format!("-h 127.0.0.1 -p {port} -t a -W 1");
            let mut command = clients.command(&programs, "mosquitto_sub", &words);
            command.stderr(stderr);
            let child = command.spawn().expect("the client");
            drop(accept(&server));
            let exit = exit_of(child);
            let is_killed = exit.is_none() && programs == clients.both()[0];
            assert!(exit == Some(27) || is_killed, "{}", programs.display());
            // A try that was under way is nobody's any more.
            server.set_nonblocking(true).expect("a flag");
            while server.accept().is_ok() {}
            server.set_nonblocking(false).expect("a flag");
        }
    }
}

/// Options about TLS that say nothing of whom to trust do not make a connection one with TLS.
#[test]
fn options_about_tls_alone_leave_a_connection_plain() {
    let clients = Clients::new();
    let null: &OsStr = "/dev/null".as_ref();
    for programs in clients.both() {
        for words in [&["--insecure"][..], &["--tls-version", "tlsv1.2"]] {
            let (server, port) = listen();
            let line = format!("-h 127.0.0.1 -p {port} -t a -m x");
            let mut command = clients.command(&programs, "mosquitto_pub", &line);
            let child = command.args(words).spawn().expect("the client");
            let mut socket = accept(&server);
            assert_eq!(read_packet(&mut socket), b"\x30\0\x01ax", "{words:?}");
            assert_eq!(read_packet(&mut socket), [0xe0]);
            drop(socket);
            assert_eq!(exit_of(child), Some(0), "{words:?}");
        }
        let (server, port) = listen();
        let line = format!("-h 127.0.0.1 -p {port} -t a -m x");
        let mut command = clients.command(&programs, "mosquitto_pub", &line);
        command.arg("--cert").arg(null).arg("--key").arg(null);
        let child = command.spawn().expect("the client");
        let mut socket = accept(&server);
        assert_eq!(read_packet(&mut socket), b"\x30\0\x01ax");
        assert_eq!(read_packet(&mut socket), [0xe0]);
        drop(socket);
        assert_eq!(exit_of(child), Some(0));
    }
}
