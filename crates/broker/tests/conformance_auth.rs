//! AUTH and enhanced authentication (sections 3.15 and 4.12), which Columba does not offer.

mod bed;

use bed::{Bed, ConnectOptions, V5, V31, V311, raw};
use columba_broker::outcome::Outcome;
use columba_codec::packet::Auth;
use columba_codec::{Packet, PropertiesBuf, PropertyId, QoS, ReasonCode, Value};

const SHARDS: [u16; 2] = [1, 3];

fn disconnected_with(bed: &mut Bed, client: bed::ClientIx) -> Option<ReasonCode> {
    assert!(bed.is_closed(client));
    let inbox = bed.take(client);
    match inbox.packets()[..] {
        [] => None,
        [Packet::Disconnect(disconnect)] => Some(disconnect.reason),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn an_authentication_method_is_refused() {
    // MQTT-4.12.0-1
    for shards in SHARDS {
        for data in [None, Some(&b"data"[..])] {
            let mut bed = Bed::new(shards);
            let method = Value::String("SCRAM-SHA-256");
            let mut options = ConnectOptions::new(V5, "client")
                .property(PropertyId::AuthenticationMethod, method);
            if let Some(data) = data {
                options = options.property(PropertyId::AuthenticationData, Value::Binary(data));
            }
            let (client, inbox) = bed.connect_raw(&options.login("user", b"password"));
            let Packet::ConnAck(ack) = inbox.one() else {
                panic!("{:?}", inbox.packets());
            };
            assert_eq!(ack.reason, ReasonCode::BadAuthenticationMethod);
            assert!(bed.is_closed(client));
            assert_eq!(bed.outcome(Outcome::ConnectAuthMethod), 1);
        }
    }
}

#[test]
fn without_a_method_the_broker_speaks_of_none() {
    // MQTT-4.12.0-6
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        for options in [
            ConnectOptions::new(V5, "a"),
            ConnectOptions::new(V5, "b").login("user", b"password"),
        ] {
            let (client, inbox) = bed.connect_raw(&options);
            let Packet::ConnAck(ack) = inbox.one() else {
                panic!("{:?}", inbox.packets());
            };
            let method = ack.properties.find(PropertyId::AuthenticationMethod);
            assert_eq!(method, None);
            let data = ack.properties.find(PropertyId::AuthenticationData);
            assert_eq!(data, None);
            bed.subscribe(client, "t", QoS::AtMostOnce);
            bed.publish(client, "t", b"", QoS::AtMostOnce);
            let inbox = bed.take(client);
            assert!(!inbox.packets().iter().any(|p| matches!(p, Packet::Auth(_))));
        }
    }
}

#[test]
fn auth_without_a_method_in_connect_is_a_protocol_error() {
    // MQTT-4.12.0-7, MQTT-4.12.1-1
    for shards in SHARDS {
        for reason in [
            ReasonCode::Success,
            ReasonCode::ContinueAuthentication,
            ReasonCode::ReAuthenticate,
        ] {
            let mut bed = Bed::new(shards);
            let client = bed.connect_with(&ConnectOptions::new(V5, "client").login("u", b"p"));
            let mut properties = PropertiesBuf::new();
            let method = Value::String("SCRAM-SHA-256");
            properties
                .push(PropertyId::AuthenticationMethod, method)
                .expect("fits");
            let properties = properties.as_properties();
            bed.send(client, &Packet::Auth(Auth { reason, properties }));
            let told = disconnected_with(&mut bed, client);
            assert_eq!(told, Some(ReasonCode::ProtocolError));
            assert_eq!(bed.outcome(Outcome::DisconnectProtocol), 1);
        }
    }
}

#[test]
fn auth_that_is_no_auth_is_malformed() {
    // MQTT-3.15.1-1
    let good = b"\x19\x04\x15\x00\x01m";
    for shards in SHARDS {
        for flags in 1..16 {
            let mut bed = Bed::new(shards);
            let client = bed.connect(V5, "client");
            bed.send_raw(client, &raw::packet(0xF0 | flags, good));
            let told = disconnected_with(&mut bed, client);
            assert_eq!(told, Some(ReasonCode::MalformedPacket));
            assert_eq!(bed.outcome(Outcome::DisconnectMalformed), 1);
        }
        // A reason code that AUTH does not have, properties that end early.
        for bad in [&b"\x01\x04\x15\x00\x01m"[..], b"\x19\x05\x15\x00\x01m"] {
            let mut bed = Bed::new(shards);
            let client = bed.connect(V5, "client");
            bed.send_raw(client, &raw::packet(0xF0, bad));
            assert!(disconnected_with(&mut bed, client).is_some());
        }
    }
}

#[test]
fn before_mqtt_5_there_is_no_auth() {
    // MQTT-v311-4.8.0-1
    for shards in SHARDS {
        for version in [V31, V311] {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            bed.send_raw(client, &[0xF0, 0]);
            assert_eq!(disconnected_with(&mut bed, client), None);
            assert_eq!(bed.outcome(Outcome::DisconnectMalformed), 1);
        }
    }
}
