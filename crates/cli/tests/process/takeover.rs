//! What `sub` does when another client connects with its client id.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use crate::bed::columba;
use crate::mosquitto::read_packet;

/// A server of MQTT 5 that throws its first client out.
struct Server {
    listener: TcpListener,
    child: Child,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        command.args(["-V", "5", "-i", "me", "-t", "a", "-C", "1"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the binary");
        let server = Self { listener, child };
        let mut socket = server.accept();
        socket.write_all(b"\xe0\x01\x8e").expect("DISCONNECT");
        server
    }

    fn accept(&self) -> TcpStream {
        let (mut socket, _) = self.listener.accept().expect("a connection");
        assert_eq!(read_packet(&mut socket).first(), Some(&0x10));
        socket.write_all(b"\x20\x03\0\0\0").expect("CONNACK");
        let subscribe = read_packet(&mut socket);
        assert_eq!(subscribe.first(), Some(&0x82));
        let suback = [0x90, 4, subscribe[2], subscribe[3], 0, 0];
        socket.write_all(&suback).expect("SUBACK");
        socket
    }
}

#[test]
fn a_takeover_ends_columba_sub() {
    let mut command = columba();
    command.args(["sub", "-o", "/dev/null"]);
    let server = Server::start(command);
    let output = server.child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0x8e), "{output:?}");
    // It has not come back before it ended.
    server.listener.set_nonblocking(true).expect("a mode");
    assert!(server.listener.accept().is_err());
}

/// Mosquitto's ends without a word, ours says why.
#[test]
fn a_takeover_ends_mosquitto_sub_with_0() {
    let mut ours = columba();
    ours.arg0("mosquitto_sub").args(["-o", "/dev/null"]);
    let mut theirs = Command::new("/usr/bin/mosquitto_sub");
    theirs.env("XDG_CONFIG_HOME", "/nonexistent");
    for (command, word) in [(theirs, ""), (ours, "Session taken over")] {
        let server = Server::start(command);
        let output = server.child.wait_with_output().expect("an end");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(word), "{said}");
        server.listener.set_nonblocking(true).expect("a mode");
        assert!(server.listener.accept().is_err());
    }
}
