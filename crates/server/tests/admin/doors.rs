//! What every request has to pass, whoever makes it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use crate::bed::{Bed, answer, request_text};

#[test]
fn a_name_that_is_not_ours_is_refused() {
    let bed = Bed::with("hosts = [\"broker.example\"]");
    let check = |host: &str, status: u16| {
        let auth = format!("Authorization: Bearer {}\r\n", bed.token);
        let text =
            format!("GET /api/v1/me HTTP/1.1\r\nHost: {host}\r\n{auth}Connection: close\r\n\r\n");
        let answer = bed.raw(&text);
        assert_eq!(answer.status, status, "{host}");
        if status == 403 {
            assert_eq!(answer.code(), "foreign_origin");
        }
    };
    check("localhost:61680", 200);
    check("127.0.0.1", 200);
    check("[::1]:80", 200);
    check("Broker.Example:61680", 200);
    check("evil.example", 403);
    check("localhost.evil.example", 403);
    check("127.0.0.1.evil.example", 403);
}

#[test]
fn a_web_page_of_elsewhere_changes_nothing() {
    let bed = Bed::new();
    let auth = format!("Authorization: Bearer {}\r\n", bed.token);
    let own = format!("{auth}Origin: http://{}\r\n", bed.address());
    let other = format!("{auth}Origin: http://evil.example\r\n");
    let message = || Some(json!({"topic": "t"}));
    assert_eq!(
        bed.send("POST", "/api/v1/publish", &own, message()).status,
        200
    );
    let answer = bed.send("POST", "/api/v1/publish", &other, message());
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (403, "foreign_origin")
    );
    let null = format!("{auth}Origin: null\r\n");
    assert_eq!(
        bed.send("POST", "/api/v1/publish", &null, message()).status,
        403
    );
    let read = bed.send("GET", "/api/v1/broker", &other, None);
    assert_eq!(read.header("access-control-allow-origin"), None);
}

#[test]
fn every_answer_has_the_headers_that_keep_browsers_from_mischief() {
    let bed = Bed::new();
    for path in ["/api/v1/broker", "/nothing", "/healthz", "/metrics"] {
        let answer = bed.request("GET", path, None);
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert!(answer.header("content-security-policy").is_some(), "{path}");
    }
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let bed = Bed::new();
    let large = json!({"client": "c".repeat(1024 * 1024), "action": "publish", "topic": "t"});
    let answer = bed.request("POST", "/api/v1/acl/check", Some(large));
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"));
    let message = json!({"topic": "t", "payload": "x".repeat(2 * 1024 * 1024)});
    let answer = bed.request("POST", "/api/v1/publish", Some(message));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn connections_on_top_of_the_limit_are_turned_away_and_the_socket_stays_open() {
    let bed = Bed::with("connections_max = 2");
    let mut waiting: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(bed.address()).unwrap();
            let text = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", bed.address());
            stream.write_all(text.as_bytes()).unwrap();
            let mut answer = [0; 15];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200 OK");
            stream
        })
        .collect();
    let mut third = TcpStream::connect(bed.address()).unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("application/problem+json"), "{head}");
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["code"], "busy");
    assert_eq!(bed.local("GET", "/healthz").status, 200);
    drop(waiting.pop());
    // The place is free as soon as the broker has seen that it is.
    while bed
        .raw("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .status
        != 200
    {
        std::thread::yield_now();
    }
}

#[test]
fn the_door_speaks_tls_where_it_has_a_certificate_and_takes_a_new_one_without_a_restart() {
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (first, second) = (made(), made());
    let certificate = first.cert.pem();
    let key = first.signing_key.serialize_pem();
    let lines = "tls_certificate = \"etc/door.pem\"\ntls_key = \"etc/door.key\"";
    let bed = Bed::with_files(lines, &[("door.pem", &certificate), ("door.key", &key)]);
    assert!(health(&bed, first.cert.der()).is_ok());
    assert!(health(&bed, second.cert.der()).is_err());
    let etc = bed.instance().join("etc");
    std::fs::write(etc.join("door.key"), second.signing_key.serialize_pem()).unwrap();
    std::fs::write(etc.join("door.pem"), second.cert.pem()).unwrap();
    assert!(health(&bed, second.cert.der()).is_ok());
}

/// Asks for the health over TLS, trusting one certificate.
fn health(bed: &Bed, trusted: &CertificateDer<'static>) -> std::io::Result<()> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(session, TcpStream::connect(bed.address())?);
    let text = request_text("GET", "/healthz", "Host: localhost\r\n", None);
    stream.write_all(text.as_bytes())?;
    assert_eq!(answer(stream).status, 200);
    Ok(())
}

#[test]
fn every_refusal_is_a_problem_but_those_before_there_is_a_request() {
    let bed = Bed::new();
    let ask = |text: &str| {
        let mut stream = TcpStream::connect(bed.address()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let head = format!("Host: {}\r\nConnection: close\r\n", bed.address());
    let (long, headers) = ("a".repeat(60_000), "X: y\r\n".repeat(90));
    for (text, status) in [
        (format!("PATCH /api/v1/me HTTP/1.1\r\n{head}\r\n"), 405),
        (format!("GET /nowhere HTTP/1.1\r\n{head}\r\n"), 404),
        (format!("GET /{long} HTTP/1.1\r\n{head}{headers}\r\n"), 404),
        (
            "GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(),
            400,
        ),
        (format!("GET /api/v1/clients HTTP/1.1\r\n{head}\r\n"), 401),
    ] {
        let answer = ask(&text);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
    // The manual says so of these.
    let (long, headers) = ("a".repeat(66_000), "X: y\r\n".repeat(101));
    for (text, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\r\n{head}\r\n"), 414),
        (format!("GET / HTTP/1.1\r\n{headers}\r\n"), 431),
    ] {
        let answer = ask(&text);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains("content-length: 0\r\n"), "{answer}");
    }
}
