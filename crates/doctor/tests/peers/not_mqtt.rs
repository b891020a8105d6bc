//! Ports that are closed or speak something else.

use std::io::Read;

use columba_doctor::{Check, Mark};
use rustix::net::sockopt::set_socket_linger;

use crate::bed::{
    PATIENCE, SHORT, closed_port, codes, english, examined, finding, over_websocket, says, serve,
    verdict, visit,
};

#[tokio::test]
async fn a_closed_port_is_refused_and_the_rest_not_reached() {
    let report = examined(&visit(closed_port(), PATIENCE)).await;
    assert_eq!(verdict(&report, Check::Tcp), (Mark::Fail, "tcp_refused"));
    assert!(report.unreached.contains(&Check::Connect));
    assert!(!report.unreached.contains(&Check::Tls));
    assert_eq!(report.exit_code(false), 10);
}

#[tokio::test]
async fn a_broker_nearby_is_named() {
    let connack = says(b"\x20\x02\x00\x00");
    let mut visit = visit(closed_port(), PATIENCE);
    visit.nearby_ports = vec![connack];
    let report = examined(&visit).await;
    let notes = english(&finding(&report, Check::Tcp).notes);
    let nearby = format!("an MQTT broker answers at mqtt://127.0.0.1:{connack}");
    assert!(notes.contains(&nearby), "{notes:?}");
}

#[tokio::test]
async fn other_protocols_are_named() {
    for (banner, code, name) in [
        (
            &b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"[..],
            "port_other",
            "SSH",
        ),
        (b"AMQP\x00\x00\x09\x01", "port_other", "AMQP"),
        (b"220 mail.example ESMTP\r\n", "port_other", "SMTP"),
        (b"Hello there\r\n", "port_banner", "Hello there"),
        (
            b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.27.0\r\nContent-Length: 0\r\n\r\n",
            "port_http",
            "nginx/1.27.0",
        ),
    ] {
        let report = examined(&visit(says(banner), PATIENCE)).await;
        assert_eq!(verdict(&report, Check::Port), (Mark::Fail, code), "{name}");
        let finding = finding(&report, Check::Port);
        let said = [
            english(std::slice::from_ref(&finding.what)),
            english(&finding.notes),
        ]
        .concat();
        assert!(said.iter().any(|text| text.contains(name)), "{said:?}");
    }
}

#[tokio::test]
async fn a_web_server_without_websocket_says_so() {
    let port = says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let report = examined(&over_websocket(visit(port, PATIENCE), "/mqtt")).await;
    let expected = (Mark::Fail, "websocket_refused");
    assert_eq!(verdict(&report, Check::Port), expected);
    let fixes = codes(&finding(&report, Check::Port).fixes);
    assert_eq!(fixes, ["websocket_path_fix"]);
}

#[tokio::test]
async fn a_silent_port_is_told_from_one_that_closes_and_one_that_resets() {
    let silent = serve(|mut stream| {
        let mut taken = [0; 1_024];
        while matches!(stream.read(&mut taken), Ok(1..)) {}
    });
    let report = examined(&visit(silent, SHORT)).await;
    assert_eq!(verdict(&report, Check::Port), (Mark::Fail, "port_silent"));
    let closes = says(b"");
    let report = examined(&visit(closes, PATIENCE)).await;
    assert_eq!(verdict(&report, Check::Port), (Mark::Fail, "port_closes"));
    let resets = serve(|mut stream| {
        let mut taken = [0; 1_024];
        drop(stream.read(&mut taken));
        // No lingering at all is a reset.
        set_socket_linger(&stream, Some(std::time::Duration::ZERO)).unwrap();
    });
    let report = examined(&visit(resets, PATIENCE)).await;
    assert_eq!(verdict(&report, Check::Port), (Mark::Fail, "port_resets"));
}
