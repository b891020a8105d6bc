//! Certificates: exchanged while the broker runs, and asked of clients.

use std::io::{Read, Write};

use columba_broker::limits::{Anonymous, Limits, ListenerSettings};
use columba_broker::outcome::Outcome;
use columba_server::Broker;
use columba_server::listener::{ListenerConfig, ListenerKind, TlsFiles};

use crate::bed::{Client, broker_with, connect_packet, loopback, settings, socket};
use crate::secure::{Authority, Identity};

fn tls_broker(tls: TlsFiles, settings: ListenerSettings) -> Broker {
    let kind = ListenerKind::Tls {
        bind: loopback(),
        tls,
    };
    broker_with(
        2,
        Limits::default(),
        vec![ListenerConfig { kind, settings }],
    )
}

fn served(broker: &Broker, authority: &Authority) -> Vec<u8> {
    let mut stream = authority.client(socket(broker, 0), None);
    stream
        .write_all(&connect_packet("looks at the certificate"))
        .unwrap();
    let mut first = [0];
    stream.read_exact(&mut first).unwrap();
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_new_certificate_is_used_and_a_bad_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let files = authority.files(directory.path(), None);
    let broker = tls_broker(files.clone(), settings("tls"));
    let mut before = Client::connect(authority.client(socket(&broker, 0), None), "before");

    let next = authority.sign("server");
    next.write(&files);
    assert!(broker.reload_tls().is_empty());
    assert_eq!(served(&broker, &authority), next.certificate().to_vec());

    std::fs::write(&files.key, "no key at all").unwrap();
    let failed = broker.reload_tls();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].0, "tls");
    assert_eq!(served(&broker, &authority), next.certificate().to_vec());

    // A key that belongs to another certificate.
    let other = authority.sign("server");
    other.write(&files);
    next_certificate_only(&next, &files);
    assert_eq!(broker.reload_tls().len(), 1);
    assert_eq!(served(&broker, &authority), next.certificate().to_vec());

    before.ping();
    broker.shutdown();
}

fn next_certificate_only(identity: &Identity, files: &TlsFiles) {
    let key = std::fs::read(&files.key).unwrap();
    identity.write(files);
    std::fs::write(&files.key, key).unwrap();
}

#[test]
fn a_client_certificate_is_asked_for_and_names_the_user() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let stranger = Authority::new();
    let files = authority.files(directory.path(), Some(true));
    let settings = ListenerSettings {
        anonymous: Anonymous::Never,
        certificate_is_user: true,
        ..settings("tls")
    };
    let broker = tls_broker(files, settings);
    let pump = authority.sign("pump-17");
    let mut client = Client::connect(authority.client(socket(&broker, 0), Some(&pump)), "known");
    client.ping();
    for identity in [None, Some(&stranger.sign("pump-17"))] {
        let mut stream = authority.client(socket(&broker, 0), identity);
        // The refusal may come with the write or with the read.
        let result = stream
            .write_all(&connect_packet("unknown"))
            .and_then(|()| stream.read_exact(&mut [0]));
        assert!(result.is_err());
    }
    broker.shutdown();
}

#[test]
fn a_handshake_that_fails_is_counted_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let files = Authority::new().files(directory.path(), None);
    let broker = tls_broker(files, settings("tls"));
    let mut wire = socket(&broker, 0);
    // A record that holds a handshake message of a length that cannot be.
    wire.write_all(b"\x16\x03\x01\0\x05\x01\xff\xff\xff\0")
        .unwrap();
    crate::bed::read_to_end(&mut wire);
    assert_eq!(broker.refused_count(Outcome::ConnectHandshake), 1);
    broker.shutdown();
}
