//! `columba sub` against a server made of bytes: what it does when connections end, and what it
//! acknowledges.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Stdio;

use crate::bed::columba;
use crate::mosquitto::read_packet;

#[test]
fn sub_connects_again_when_the_connection_is_lost() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port().to_string();
    let mut command = columba();
    command.args(["sub", "-o", "/dev/null", "-h", "127.0.0.1", "-p", &port]);
    command.args(["-V", "311", "-t", "a", "-C", "1"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary");
    for is_lost in [true, false] {
        let (mut socket, _) = server.accept().expect("a connection");
        assert_eq!(read_packet(&mut socket).first(), Some(&0x10));
        socket.write_all(b"\x20\x02\0\0").expect("CONNACK");
        let subscribe = read_packet(&mut socket);
        assert_eq!(subscribe.first(), Some(&0x82));
        let suback = [0x90, 3, subscribe[1], subscribe[2], 0];
        socket.write_all(&suback).expect("SUBACK");
        if is_lost {
            continue;
        }
        socket.write_all(b"\x30\x04\0\x01ax").expect("PUBLISH");
        assert_eq!(read_packet(&mut socket).first(), Some(&0xe0));
    }
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"x\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("connecting again"), "{said}");
}

fn listen() -> (TcpListener, String) {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port().to_string();
    (server, port)
}

/// Takes a connection, and ends it in the place of SUBACK.
fn end_at_subscribe(server: &TcpListener) {
    let (mut socket, _) = server.accept().expect("a connection");
    assert_eq!(read_packet(&mut socket).first(), Some(&0x10));
    socket.write_all(b"\x20\x02\0\0").expect("CONNACK");
    assert_eq!(read_packet(&mut socket).first(), Some(&0x82));
}

fn subscribes(port: &str, filter: &str) -> std::process::Child {
    let mut command = columba();
    command.args(["sub", "-o", "/dev/null", "-h", "127.0.0.1", "-p", port]);
    command.args(["--lang", "en", "-V", "311", "-C", "1", "-t", filter]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary")
}

/// MQTT-1.5.4-1 and what stands below it: a server may end the connection for a control character, and
/// does so again each time.
#[test]
fn sub_stops_when_its_filter_ends_the_connection() {
    let (server, port) = listen();
    let child = subscribes(&port, "a\nb");
    end_at_subscribe(&server);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(r#"the topic filter "a\nb" holds"#), "{said}");
    assert!(said.contains("U+000A"), "{said}");
}

#[test]
fn sub_says_that_the_connection_ended_in_the_place_of_an_answer() {
    let (server, port) = listen();
    let child = subscribes(&port, "a");
    end_at_subscribe(&server);
    let (mut socket, _) = server.accept().expect("a connection");
    assert_eq!(read_packet(&mut socket).first(), Some(&0x10));
    socket.write_all(b"\x20\x02\0\0").expect("CONNACK");
    let subscribe = read_packet(&mut socket);
    let suback = [0x90, 3, subscribe[1], subscribe[2], 0];
    socket.write_all(&suback).expect("SUBACK");
    socket.write_all(b"\x30\x04\0\x01ax").expect("PUBLISH");
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("before the server answered the subscription"),
        "{said}"
    );
    assert!(said.contains("connecting again"), "{said}");
}

/// The server sends again what it has no PUBREL for; what has been printed is not printed twice.
#[test]
fn sub_goes_on_with_its_session_when_it_connects_again() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port().to_string();
    let mut command = columba();
    command.args(["sub", "-o", "/dev/null", "-h", "127.0.0.1", "-p", &port]);
    command.args([
        "-V", "311", "-t", "a", "-q", "2", "-c", "-i", "me", "-C", "2",
    ]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary");
    let accept = |session_present: u8| {
        let (mut socket, _) = server.accept().expect("a connection");
        assert_eq!(read_packet(&mut socket).first(), Some(&0x10));
        let connack = [0x20, 2, session_present, 0];
        socket.write_all(&connack).expect("CONNACK");
        let subscribe = read_packet(&mut socket);
        assert_eq!(subscribe.first(), Some(&0x82));
        let suback = [0x90, 3, subscribe[1], subscribe[2], 2];
        socket.write_all(&suback).expect("SUBACK");
        socket
    };
    let mut socket = accept(0);
    socket
        .write_all(b"\x34\x06\0\x01a\0\x01x")
        .expect("PUBLISH");
    assert_eq!(read_packet(&mut socket), [0x50, 0, 1]);
    drop(socket);
    // A try that fails does not cost it the session.
    drop(server.accept().expect("a connection"));
    let mut socket = accept(1);
    socket
        .write_all(b"\x3c\x06\0\x01a\0\x01x")
        .expect("PUBLISH again");
    assert_eq!(read_packet(&mut socket), [0x50, 0, 1]);
    socket.write_all(b"\x62\x02\0\x01").expect("PUBREL");
    assert_eq!(read_packet(&mut socket), [0x70, 0, 1]);
    socket
        .write_all(b"\x34\x06\0\x01a\0\x02y")
        .expect("PUBLISH");
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, b"x\ny\n");
}

/// The connection is lost while a message is being printed, and its acknowledgement comes too late.
#[test]
fn sub_does_not_print_again_what_it_was_printing_when_the_connection_was_lost() {
    const LEN: usize = 200_000;
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port().to_string();
    let mut command = columba();
    command.args(["sub", "-o", "/dev/null", "-h", "127.0.0.1", "-p", &port]);
    command.args([
        "-V", "311", "-t", "a", "-q", "2", "-c", "-i", "me", "-C", "2",
    ]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary");
    let accept = |session_present: u8| {
        let (mut socket, _) = server.accept().expect("a connection");
        assert_eq!(read_packet(&mut socket).first(), Some(&0x10));
        let connack = [0x20, 2, session_present, 0];
        socket.write_all(&connack).expect("CONNACK");
        socket
    };
    // Larger than what a pipe holds that nobody reads from.
    let large = |first: u8| {
        let mut packet = vec![first, 0xc5, 0x9a, 0x0c];
        packet.extend_from_slice(b"\0\x01a\0\x01");
        packet.resize(packet.len() + LEN, b'x');
        packet
    };
    let mut socket = accept(0);
    assert_eq!(read_packet(&mut socket).first(), Some(&0x82));
    socket.write_all(&large(0x34)).expect("PUBLISH");
    drop(socket);
    let mut socket = accept(1);
    socket.write_all(&large(0x3c)).expect("PUBLISH again");
    let output = std::thread::spawn(|| child.wait_with_output());
    let answers = [read_packet(&mut socket), read_packet(&mut socket)];
    assert!(answers.contains(&vec![0x50, 0, 1]), "{answers:?}");
    socket.write_all(b"\x62\x02\0\x01").expect("PUBREL");
    assert_eq!(read_packet(&mut socket), [0x70, 0, 1]);
    socket
        .write_all(b"\x34\x06\0\x01a\0\x02y")
        .expect("PUBLISH");
    let output = output.join().expect("joins").expect("an end");
    assert_eq!(output.status.code(), Some(0), "{:?}", output.stderr);
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let lens = lines.map(<[u8]>::len).collect::<Vec<_>>();
    assert_eq!(lens, [LEN, 1, 0]);
}

/// What comes in the same read as the last message that is wanted stays with the server.
#[test]
fn sub_acknowledges_only_what_it_has_printed() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port().to_string();
    let mut command = columba();
    command.args(["sub", "-o", "/dev/null", "-h", "127.0.0.1", "-p", &port]);
    command.args([
        "-V", "311", "-t", "a", "-q", "1", "-c", "-i", "me", "-C", "1",
    ]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary");
    let (mut socket, _) = server.accept().expect("a connection");
    assert_eq!(read_packet(&mut socket).first(), Some(&0x10));
    socket.write_all(b"\x20\x02\0\0").expect("CONNACK");
    let subscribe = read_packet(&mut socket);
    let suback = [0x90, 3, subscribe[1], subscribe[2], 1];
    socket.write_all(&suback).expect("SUBACK");
    let messages = b"\x32\x06\0\x01a\0\x01x\x32\x06\0\x01a\0\x02y";
    socket.write_all(messages).expect("two PUBLISH");
    assert_eq!(read_packet(&mut socket), [0x40, 0, 1]);
    assert_eq!(read_packet(&mut socket), [0xe0]);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, b"x\n");
}
