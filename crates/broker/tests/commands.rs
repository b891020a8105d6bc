//! What an operator and the driver can ask for: disconnect, new settings, the end.

mod bed;

use bed::{Bed, ClientIx, ConnectOptions, V5, V31, V311};
use columba_broker::event::{AuthVerdict, Command, ListenerId, Peer};
use columba_broker::limits::{Anonymous, ListenerSettings, Promise};
use columba_broker::outcome::Outcome;
use columba_codec::{Packet, PropertyId, QoS, ReasonCode, Value, Version};

const SHARDS: [u16; 2] = [1, 3];
const VERSIONS: [Version; 3] = [V31, V311, V5];

fn lasting(version: Version, client_id: &str) -> ConnectOptions<'_> {
    let options = ConnectOptions::new(version, client_id).clean(false);
    match version {
        V5 => options.property(PropertyId::SessionExpiryInterval, Value::U32(60)),
        V31 | V311 => options,
    }
}

fn disconnect(bed: &mut Bed, client_id: &str, end_session: bool) {
    bed.command(Command::Disconnect {
        client_id: client_id.into(),
        end_session,
    });
}

/// The reason in the DISCONNECT that is all that came; `None` before MQTT 5.
fn farewell(bed: &mut Bed, client: ClientIx) -> Option<ReasonCode> {
    assert!(bed.is_closed(client));
    let inbox = bed.take(client);
    match inbox.packets()[..] {
        [] => None,
        [Packet::Disconnect(disconnect)] => Some(disconnect.reason),
        ref other => panic!("{other:?}"),
    }
}

fn listener(anonymous: Anonymous, certificate_is_user: bool) -> Command {
    let settings = ListenerSettings {
        name: "test".into(),
        anonymous,
        connections_max: 0,
        packet_bytes_max: None,
        certificate_is_user,
        promise: Promise::Durable,
    };
    Command::SetListeners([settings].into())
}

#[test]
fn an_operator_can_end_a_connection_and_leave_the_session() {
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let other = bed.connect(version, "other");
            let client = bed.connect_with(&lasting(version, "client"));
            bed.subscribe(client, "t", QoS::AtLeastOnce);
            disconnect(&mut bed, "client", false);
            let told = farewell(&mut bed, client);
            let expected = (version == V5).then_some(ReasonCode::AdministrativeAction);
            assert_eq!(told, expected);
            assert_eq!(bed.outcome(Outcome::DisconnectAdmin), 1);
            assert!(!bed.is_closed(other));
            bed.publish(other, "t", b"waits", QoS::AtLeastOnce);
            let (_, inbox) = bed.connect_raw(&lasting(version, "client"));
            assert_eq!(inbox.payloads(), ["waits"]);
        }
    }
}

#[test]
fn an_operator_can_end_a_session_with_or_without_connection() {
    for shards in SHARDS {
        for version in VERSIONS {
            for is_online in [true, false] {
                let mut bed = Bed::new(shards);
                let other = bed.connect(version, "other");
                let client = bed.connect_with(&lasting(version, "client"));
                bed.subscribe(client, "t", QoS::AtLeastOnce);
                if !is_online {
                    bed.drop_connection(client);
                }
                bed.publish(other, "t", b"waits", QoS::AtLeastOnce);
                disconnect(&mut bed, "client", true);
                assert_eq!(bed.is_closed(client), is_online);
                assert_eq!(bed.outcome(Outcome::SessionEndedByAdmin), 1);
                assert_eq!(bed.stats().sessions, 1);
                assert_eq!(bed.stats().subscriptions, 0);
                bed.check_books();
                let (_, inbox) = bed.connect_raw(&lasting(version, "client"));
                assert_eq!(inbox.packets().len(), 1);
            }
        }
        // A session that ends with its connection has ended by then; nobody has no session.
        let mut bed = Bed::new(shards);
        bed.connect(V311, "client");
        disconnect(&mut bed, "client", true);
        disconnect(&mut bed, "client", true);
        disconnect(&mut bed, "nobody", true);
        assert_eq!(bed.stats().sessions, 0);
        assert_eq!(bed.outcome(Outcome::SessionEndedWithConnection), 1);
        assert_eq!(bed.outcome(Outcome::SessionEndedByAdmin), 0);
    }
}

#[test]
fn a_broker_that_stops_takes_nobody_in_and_serves_those_who_are() {
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            bed.subscribe(client, "t", QoS::AtLeastOnce);
            // Its credentials are being checked.
            bed.is_authentication_slow = true;
            let waiting = bed.open(version);
            let options = ConnectOptions::new(version, "waiting").login("user", b"password");
            bed.send_raw(waiting, &options.bytes());
            bed.command(Command::PublishWills);
            bed.answer_credentials();
            let (late, refusal) = bed.connect_raw(&ConnectOptions::new(version, "late"));
            for (refused, inbox) in [(waiting, bed.take(waiting)), (late, refusal)] {
                assert!(bed.is_closed(refused));
                let Packet::ConnAck(ack) = inbox.one() else {
                    panic!("{:?}", inbox.packets());
                };
                assert_eq!(ack.reason, ReasonCode::ServerUnavailable);
            }
            assert_eq!(bed.outcome(Outcome::ConnectShuttingDown), 2);
            bed.publish(client, "t", b"still here", QoS::AtMostOnce);
            assert_eq!(bed.take(client).payloads(), ["still here"]);
        }
    }
}

#[test]
fn a_shutdown_tells_everybody_and_ends_every_connection() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let mut clients = Vec::new();
        for version in VERSIONS {
            for number in 0..5 {
                let id = format!("{version}-{number}");
                clients.push((version, bed.connect_with(&lasting(version, &id))));
            }
        }
        bed.subscribe(clients[0].1, "t", QoS::AtLeastOnce);
        bed.publish(clients[1].1, "t", b"", QoS::AtLeastOnce);
        for (_, client) in &clients {
            bed.take(*client);
        }
        let silent = bed.open(V311);
        bed.is_authentication_slow = true;
        let waiting = bed.open(V5);
        let options = ConnectOptions::new(V5, "waiting").login("user", b"password");
        bed.send_raw(waiting, &options.bytes());
        bed.command(Command::Shutdown);
        for (version, client) in clients {
            let told = farewell(&mut bed, client);
            let expected = (version == V5).then_some(ReasonCode::ServerShuttingDown);
            assert_eq!(told, expected);
        }
        assert_eq!(farewell(&mut bed, silent), None);
        assert_eq!(farewell(&mut bed, waiting), None);
        bed.answer_credentials();
        assert_eq!(bed.stats().connections, 0);
        assert_eq!(bed.stats().clients_connected, 0);
        assert_eq!(bed.stats().sessions, 15);
        assert_eq!(bed.outcome(Outcome::DisconnectShuttingDown), 15);
        assert_eq!(bed.outcome(Outcome::ConnectShuttingDown), 2);
        bed.check_books();
    }
}

#[test]
fn new_listener_settings_are_for_new_connections() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V311, "client");
        bed.command(listener(Anonymous::Never, false));
        assert!(!bed.is_closed(client));
        let (refused, inbox) = bed.connect_raw(&ConnectOptions::new(V311, "late"));
        assert_eq!(inbox.bytes, [0x20, 2, 0, 5]);
        assert!(bed.is_closed(refused));
        bed.command(listener(Anonymous::Always, false));
        bed.connect(V311, "later");
    }
}

#[test]
fn a_certificate_is_a_login_where_the_listener_says_so() {
    for shards in SHARDS {
        for certificate_is_user in [true, false] {
            let mut bed = Bed::new(shards);
            bed.command(listener(Anonymous::Never, certificate_is_user));
            bed.authenticate = |request| {
                assert_eq!(request.peer.certificate.as_deref(), Some("device-7"));
                assert_eq!(request.user_name, None);
                AuthVerdict::Allow {
                    user: request.peer.certificate.clone(),
                    groups: [].into(),
                }
            };
            let client = bed.open_as(
                V311,
                Peer {
                    addr: "192.0.2.1:1".parse().ok(),
                    listener: ListenerId(0),
                    certificate: Some("device-7".into()),
                },
            );
            bed.send_raw(client, &ConnectOptions::new(V311, "client").bytes());
            let code = if certificate_is_user { 0 } else { 5 };
            assert_eq!(bed.take(client).bytes, [0x20, 2, 0, code]);
        }
    }
}

#[test]
fn a_certificate_says_nothing_where_the_listener_does_not_take_it() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        bed.command(listener(Anonymous::Never, false));
        bed.authenticate = |request| {
            assert_eq!(
                request.peer.certificate, None,
                "a user name alone would be a login"
            );
            AuthVerdict::BadCredentials
        };
        let client = bed.open_as(
            V311,
            Peer {
                addr: "192.0.2.1:1".parse().ok(),
                listener: ListenerId(0),
                certificate: Some("admin".into()),
            },
        );
        let mut options = ConnectOptions::new(V311, "client");
        options.user_name = Some("anybody");
        bed.send_raw(client, &options.bytes());
        assert_eq!(bed.take(client).bytes, [0x20, 2, 0, 4]);
    }
}
