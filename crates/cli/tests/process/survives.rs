//! What was acknowledged is there after the broker was killed.

use std::io::{Read as _, Write as _};
use std::path::Path;

use rustix::process::Signal;

use crate::bed::{Broker, connect_packet};

/// CONNECT of MQTT 3.1.1 with clean session 0.
fn resume(broker: &Broker, client_id: &str, is_present: bool) -> std::net::TcpStream {
    let mut packet = connect_packet(client_id);
    // Fixed header of two bytes, name of the protocol and its version.
    packet[9] = 0;
    let mut socket = broker.open();
    socket.write_all(&packet).expect("CONNECT");
    expect(&mut socket, &[0x20, 2, u8::from(is_present), 0]);
    socket
}

fn expect(socket: &mut std::net::TcpStream, wanted: &[u8]) {
    let mut answer = vec![0; wanted.len()];
    socket.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer, wanted);
}

/// Ends a connection and waits until the broker has: a message that comes before would be sent
/// into the closing socket, and come again with DUP.
fn leave(mut socket: std::net::TcpStream) {
    socket.write_all(b"\xe0\0").expect("DISCONNECT");
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).expect("the broker's end");
    assert_eq!(rest, b"");
}

/// PUBLISH to the topic `q`.
fn publish_packet(flags: u8, packet_id: u8, payload: &str) -> Vec<u8> {
    let mut packet = vec![
        0x30 | flags,
        payload.len() as u8 + 5,
        0,
        1,
        b'q',
        0,
        packet_id,
    ];
    packet.extend(payload.bytes());
    packet
}

fn killed_and_found_again(config: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut broker = Broker::start(dir.path(), config, |_| ());
    let mut away = resume(&broker, "away", false);
    away.write_all(b"\x82\x06\0\x01\0\x01q\x02")
        .expect("SUBSCRIBE");
    expect(&mut away, b"\x90\x03\0\x01\x02");
    leave(away);
    let mut publisher = resume(&broker, "publisher", false);
    for n in 1..=20 {
        // The last is retained, and with QoS 2 only half done.
        let flags = if n == 20 { 0b101 } else { 0b010 };
        let packet = publish_packet(flags, n, &format!("message {n}"));
        publisher.write_all(&packet).expect("PUBLISH");
        let answer = if n == 20 { 0x50 } else { 0x40 };
        expect(&mut publisher, &[answer, 2, 0, n]);
    }
    broker.signal(Signal::KILL);
    assert!(!broker.wait().success());
    check(dir.path(), config);
}

fn check(dir: &Path, config: &str) {
    let mut broker = Broker::start(dir, config, |_| ());
    let shown = broker.take_shown();
    assert!(
        shown.contains("recovered 2 sessions, 20 queued, 1 retained in "),
        "{shown}"
    );
    let mut publisher = resume(&broker, "publisher", true);
    // The second half of the last message.
    publisher.write_all(b"\x62\x02\0\x14").expect("PUBREL");
    expect(&mut publisher, b"\x70\x02\0\x14");
    let mut away = resume(&broker, "away", true);
    for n in 1..=20_u8 {
        let mut packet = publish_packet(
            if n == 20 { 0b100 } else { 0b010 },
            n,
            &format!("message {n}"),
        );
        let mut found = vec![0; packet.len()];
        away.read_exact(&mut found).expect("PUBLISH");
        // Whatever packet id it has.
        packet[5..7].copy_from_slice(&found[5..7]);
        assert_eq!(found, packet);
    }
    broker.signal(Signal::TERM);
    assert!(broker.wait().success());
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    killed_and_found_again("[broker]\nshards = 1\n");
    killed_and_found_again("[broker]\nshards = 3\n[store]\ndurability = \"os\"\n");
    killed_and_found_again("[broker]\nshards = 2\n[[listener]]\ndurability = \"os\"\n");
}

/// What waits goes on in order although hardly any of it is in memory, and after a kill none.
#[test]
fn a_backlog_larger_than_memory_arrives_in_order() {
    let config = "[broker]\nshards = 2\n[limits]\nqueue_memory_bytes_max = \"1KiB\"\n";
    let dir = tempfile::tempdir().expect("a directory");
    let mut broker = Broker::start(dir.path(), config, |_| ());
    let mut away = resume(&broker, "away", false);
    away.write_all(b"\x82\x06\0\x01\0\x01q\x01")
        .expect("SUBSCRIBE");
    expect(&mut away, b"\x90\x03\0\x01\x01");
    leave(away);
    let mut publisher = resume(&broker, "publisher", false);
    let message = |n: u8| publish_packet(0b010, n, &format!("{n:0>100}"));
    for n in 1..=200 {
        publisher.write_all(&message(n)).expect("PUBLISH");
        expect(&mut publisher, &[0x40, 2, 0, n]);
    }
    let take = |away: &mut std::net::TcpStream, n: u8| {
        let mut wanted = message(n);
        let mut found = vec![0; wanted.len()];
        away.read_exact(&mut found).expect("PUBLISH");
        let packet_id = [found[5], found[6]];
        wanted[5..7].copy_from_slice(&packet_id);
        assert_eq!(found, wanted);
        away.write_all(&[0x40, 2, packet_id[0], packet_id[1]])
            .expect("PUBACK");
    };
    let mut away = resume(&broker, "away", true);
    for n in 1..=20 {
        take(&mut away, n);
    }
    // Answered behind the acknowledgements: they are taken.
    away.write_all(b"\x82\x06\0\x02\0\x01x\x01")
        .expect("SUBSCRIBE");
    let mut n = 21;
    loop {
        let mut first = [0; 1];
        away.read_exact(&mut first).expect("a packet");
        if first == [0x90] {
            break;
        }
        let mut rest = vec![0; message(n).len() - 1];
        away.read_exact(&mut rest).expect("the rest of PUBLISH");
        assert_eq!(rest[6..], message(n)[7..]);
        n += 1;
    }
    broker.signal(Signal::KILL);
    assert!(!broker.wait().success());
    let mut broker = Broker::start(dir.path(), config, |_| ());
    let mut away = resume(&broker, "away", true);
    // What was acknowledged just before the kill may come again.
    let mut first = vec![0; message(1).len()];
    away.read_exact(&mut first).expect("PUBLISH");
    let text = String::from_utf8_lossy(&first[7..]).into_owned();
    let first: u8 = text.parse().expect("a number");
    assert!((1..=21).contains(&first), "{first}");
    for n in first + 1..=200 {
        let mut found = vec![0; message(n).len()];
        away.read_exact(&mut found).expect("PUBLISH");
        assert_eq!(found[7..], message(n)[7..]);
        away.write_all(&[0x40, 2, found[5], found[6]])
            .expect("PUBACK");
    }
    broker.signal(Signal::TERM);
    assert!(broker.wait().success());
}
