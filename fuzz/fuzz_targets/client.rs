//! Bytes of a server, and what happens meanwhile, into a session of the client.
//!
//! The first byte picks version and options. Then come steps: a byte says what happens, and for bytes
//! of the server the next one how many. No panic, a message and a request have no more than one
//! outcome, and what is kept stays within its bounds.
#![no_main]

use std::collections::BTreeSet;

use columba_client::{Input, Message, Output, Session, SessionOptions, Subscription};
use columba_codec::packet::SubscribeOptions;
use columba_codec::{QoS, ReasonCode, Version};
use libfuzzer_sys::fuzz_target;

const INFLIGHT_MAX: u16 = 4;
const BACKLOG_MAX: usize = 4;

fuzz_target!(|input: &[u8]| {
    let [choice, rest @ ..] = input else {
        return;
    };
    let mut bed = Bed::new(*choice);
    let mut rest = rest;
    while let [step, after @ ..] = rest {
        rest = bed.step(*step, after);
        bed.drain();
    }
});

struct Bed {
    session: Session,
    now: u64,
    token: u64,
    open_tokens: BTreeSet<u64>,
}

impl Bed {
    fn new(choice: u8) -> Self {
        let version = Version::ALL[usize::from(choice % 3)];
        let mut options = SessionOptions {
            version,
            inflight_messages_max: INFLIGHT_MAX,
            backlog_messages_max: BACKLOG_MAX,
            subscriptions_max: 4,
            acknowledges_by_hand: choice & 0x10 != 0,
            recovers_lost_session: choice & 0x20 != 0,
            ..SessionOptions::default()
        };
        options.properties.packet_bytes_max = Some(512);
        if version == Version::V5 {
            options.properties.receive_maximum = Some(4);
            options.properties.topic_alias_maximum = Some(2);
            if choice & 0x40 != 0 {
                options.properties.authentication_method = Some("m".to_owned());
            }
        }
        let mut bed = Self {
            session: Session::new(options),
            now: 0,
            token: 0,
            open_tokens: BTreeSet::new(),
        };
        bed.input(Input::TransportOpened { clean_start: false });
        bed
    }

    fn input(&mut self, input: Input<'_>) {
        self.session.handle(self.now, input);
    }

    /// Does one step and gives back what it did not read.
    fn step<'a>(&mut self, step: u8, rest: &'a [u8]) -> &'a [u8] {
        match step % 16 {
            0 => self.input(Input::TransportOpened {
                clean_start: step & 0x80 != 0,
            }),
            1 => self.input(Input::TransportClosed),
            2 => {
                self.now += u64::from(step) * 1_000;
                self.input(Input::DeadlineReached {
                    listening: step & 0x40 != 0,
                });
            }
            3 | 4 => {
                let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
                let qos = qos[usize::from(step >> 4) % 3];
                let token = self.next_token();
                let message = Message::new("topic/long", "payload").with_qos(qos);
                self.input(Input::Publish { token, message });
            }
            5 => {
                let options = SubscribeOptions::from_qos(QoS::AtLeastOnce);
                let subscription = Subscription {
                    filters: vec![(format!("f/{}", step >> 4), options)],
                    ..Subscription::default()
                };
                let token = self.next_token();
                self.input(Input::Subscribe {
                    token,
                    subscription,
                });
            }
            6 => {
                let filters = vec![format!("f/{}", step >> 4)];
                let token = self.next_token();
                let user_properties = Vec::new();
                self.input(Input::Unsubscribe {
                    token,
                    filters,
                    user_properties,
                });
            }
            7 => self.input(Input::AnswerChallenge { data: b"x" }),
            8 => self.input(Input::Reauthenticate { data: b"x" }),
            _ => {
                let [len, rest @ ..] = rest else { return rest };
                let (bytes, rest) = rest.split_at(rest.len().min(usize::from(*len)));
                self.input(Input::Received(bytes));
                return rest;
            }
        }
        rest
    }

    fn next_token(&mut self) -> u64 {
        self.token += 1;
        self.open_tokens.insert(self.token);
        self.token
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Published { token, .. }
                | Output::Subscribed { token, .. }
                | Output::Unsubscribed { token, .. }
                | Output::Failed { token, .. } => {
                    assert!(self.open_tokens.remove(&token), "a second outcome");
                }
                Output::Message(incoming) => {
                    if let Some(receipt) = incoming.receipt {
                        let reason = ReasonCode::Success;
                        self.session
                            .handle(self.now, Input::Acknowledge { receipt, reason });
                    }
                }
                _ => {}
            }
        }
        self.session.transmit(&mut Vec::new());
        // What a lost session gives back to the backlog goes beyond its bound, once.
        assert!(self.session.unfinished_messages() <= usize::from(INFLIGHT_MAX) * 2 + BACKLOG_MAX);
    }
}
