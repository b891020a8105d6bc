//! Nearly right packets of a server with MQTT 5 into a session of the client.
//!
//! The bytes are decisions of the generator that `crates/client/tests/flood` uses, so that properties, lengths and
//! codes are mutated and not the bytes around them. No panic, and all that the client sends are packets.
#![no_main]

#[path = "../../crates/client/tests/flood/packets.rs"]
mod packets;

use columba_client::{Input, Message, Output, Session, SessionOptions};
use columba_codec::{Decoded, QoS, ReasonCode, Version, decode};
use libfuzzer_sys::fuzz_target;
use packets::{CONNACK, Choices, packet};

fuzz_target!(|input: &[u8]| {
    let mut choices = Choices(input);
    let mut session = Session::new(options(&mut choices));
    let mut now = 0;
    while !choices.is_over() {
        now += 1;
        if session.is_closed() {
            let clean_start = choices.once_in(4);
            session.handle(now, Input::TransportOpened { clean_start });
            session.handle(now, Input::Received(&CONNACK));
            let message = Message::new("a", "b").with_qos(QoS::ExactlyOnce);
            let token = now;
            session.handle(now, Input::Publish { token, message });
        }
        session.handle(now, Input::Received(&packet(&mut choices)));
        while let Some(output) = session.poll() {
            if let Output::Message(incoming) = output
                && let Some(receipt) = incoming.receipt
            {
                let reason = ReasonCode::Success;
                session.handle(now, Input::Acknowledge { receipt, reason });
            }
        }
        let mut sent = Vec::new();
        session.transmit(&mut sent);
        let mut rest = sent.as_slice();
        while !rest.is_empty() {
            match decode(rest, Version::V5, 1024).expect("the client sends packets") {
                Decoded::Packet(_, len) => rest = &rest[len..],
                Decoded::Incomplete { .. } => panic!("the client sends whole packets"),
            }
        }
    }
});

fn options(choices: &mut Choices<'_>) -> SessionOptions {
    let mut options = SessionOptions {
        version: Version::V5,
        client_id: "client".to_owned(),
        acknowledges_by_hand: choices.once_in(2),
        recovers_lost_session: choices.once_in(2),
        ..SessionOptions::default()
    };
    options.properties.packet_bytes_max = Some(8 * 1024);
    options.properties.receive_maximum = Some(8);
    options.properties.topic_alias_maximum = Some(4);
    options.properties.session_expiry_secs = Some(60);
    if choices.once_in(2) {
        options.properties.authentication_method = Some("m".to_owned());
    }
    options
}
