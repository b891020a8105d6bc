//! `columba sub` against a server made of bytes: what it does when connections end, and what it
//! acknowledges.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

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

/// Takes a connection of MQTT 3.1.1 and its subscription.
fn answer_subscribe(server: &TcpListener) -> TcpStream {
    let (mut socket, _) = server.accept().expect("a connection");
    let patience = Some(Duration::from_secs(20));
    socket.set_read_timeout(patience).expect("a timeout");
    assert_eq!(read_packet(&mut socket).first(), Some(&0x10));
    socket.write_all(b"\x20\x02\0\0").expect("CONNACK");
    let subscribe = read_packet(&mut socket);
    let suback = [0x90, 3, subscribe[1], subscribe[2], 0];
    socket.write_all(&suback).expect("SUBACK");
    socket
}

/// Reads a removal, acknowledges it, and sends it to its own client, as it subscribes to it.
fn answer_removal(socket: &mut TcpStream, topic: u8, sent_back: &[u8]) {
    let removal = read_packet(socket);
    // QoS 1 and RETAIN, a topic of one letter, the packet id, and no payload.
    assert_eq!(removal.first(), Some(&0x33), "{removal:?}");
    assert_eq!(removal.get(1..4), Some(&[0, 1, topic][..]), "{removal:?}");
    assert_eq!(removal.len(), 6, "{removal:?}");
    let puback = [0x40, 2, removal[4], removal[5]];
    socket.write_all(&puback).expect("PUBACK");
    socket.write_all(sent_back).expect("PUBLISH");
}

/// A server may send its retained messages in portions, and the removals of the first come back before the
/// second is there.
#[test]
fn sub_removes_what_is_retained_also_when_its_removals_come_back_in_between() {
    for (what, first, second) in [
        ("as a live message", b"\x30\x03\0\x01a", b"\x30\x03\0\x01b"),
        // With --retain-as-published.
        ("with RETAIN", b"\x31\x03\0\x01a", b"\x31\x03\0\x01b"),
    ] {
        let (server, port) = listen();
        let mut command = columba();
        command.args(["sub", "-o", "/dev/null", "-h", "127.0.0.1", "-p", &port]);
        command.args(["--lang", "en", "-V", "311", "-t", "#", "-v"]);
        command.args(["--retained-only", "--remove-retained"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the binary");
        let mut socket = answer_subscribe(&server);
        socket.write_all(b"\x31\x04\0\x01ax").expect("PUBLISH");
        answer_removal(&mut socket, b'a', first);
        socket.write_all(b"\x31\x04\0\x01by").expect("PUBLISH");
        answer_removal(&mut socket, b'b', second);
        assert_eq!(read_packet(&mut socket).first(), Some(&0xe0), "{what}");
        let output = child.wait_with_output().expect("an end");
        assert_eq!(output.status.code(), Some(0), "{what}: {output:?}");
        assert_eq!(output.stdout, b"a x\nb y\n", "{what}");
    }
}

/// What is no removal ends it, as `--retained-only` says.
#[test]
fn sub_leaves_at_the_first_message_that_is_neither_retained_nor_a_removal() {
    let (server, port) = listen();
    let mut command = columba();
    command.args(["sub", "-o", "/dev/null", "-h", "127.0.0.1", "-p", &port]);
    command.args(["--lang", "en", "-V", "311", "-t", "#", "-W", "60"]);
    command.args(["--retained-only", "--remove-retained"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary");
    let mut socket = answer_subscribe(&server);
    socket.write_all(b"\x31\x04\0\x01ax").expect("PUBLISH");
    socket.write_all(b"\x30\x04\0\x01bz").expect("PUBLISH");
    answer_removal(&mut socket, b'a', b"");
    assert_eq!(read_packet(&mut socket).first(), Some(&0xe0));
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, b"x\n");
}
