//! Properties of the packets that end a subscription and a connection.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Stdio;

use crate::bed::columba;
use crate::mosquitto::read_packet;

#[test]
fn unsubscribe_and_disconnect_carry_their_properties() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port().to_string();
    let mut command = columba();
    command.args(["sub", "-o", "/dev/null", "-h", "127.0.0.1", "-p", &port]);
    command.args(["-U", "b", "-E", "-x", "60"]);
    command.args(["-D", "unsubscribe", "user-property", "k", "v"]);
    command.args(["-D", "disconnect", "user-property", "bye", "now"]);
    command.args(["-D", "disconnect", "session-expiry-interval", "9"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary");
    let (mut socket, _) = server.accept().expect("a connection");
    assert_eq!(read_packet(&mut socket).first(), Some(&0x10));
    socket.write_all(b"\x20\x03\0\0\0").expect("CONNACK");
    let unsubscribe = read_packet(&mut socket);
    let id = [unsubscribe[1], unsubscribe[2]];
    assert_eq!(unsubscribe[..1], [0xa2]);
    assert_eq!(unsubscribe[3..], *b"\x07\x26\0\x01k\0\x01v\0\x01b");
    let unsuback = [0xb0, 4, id[0], id[1], 0, 0];
    socket.write_all(&unsuback).expect("UNSUBACK");
    let disconnect = read_packet(&mut socket);
    assert_eq!(
        disconnect,
        *b"\xe0\0\x10\x11\0\0\0\x09\x26\0\x03bye\0\x03now"
    );
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
