//! Enhanced authentication with a server that follows a script.

use std::sync::Arc;

use columba_client::Failure;
use columba_client::driver::{Authentication, Exchange, LastingEvent, Reconnect};
use columba_codec::packet::{Auth, ConnAck, Packet};
use columba_codec::{Decoded, PropertiesBuf, PropertyId, Value, decode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Says `first`, answers `challenge` with `answer`, and believes the proof `proof`.
#[derive(Debug)]
struct Riddle;

struct Asked;

impl Authentication for Riddle {
    fn method(&self) -> String {
        "RIDDLE".to_owned()
    }

    fn begin(&self) -> Box<dyn Exchange> {
        Box::new(Asked)
    }
}

impl Exchange for Asked {
    fn first(&mut self) -> Option<Vec<u8>> {
        Some(b"first".to_vec())
    }

    fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, String> {
        match challenge {
            b"challenge" => Ok(b"answer".to_vec()),
            _ => Err("an unknown challenge".to_owned()),
        }
    }

    fn finish(&mut self, proof: Option<&[u8]>) -> Result<(), String> {
        match proof {
            Some(b"proof") => Ok(()),
            _ => Err("the server did not prove who it is".to_owned()),
        }
    }
}

/// The server's end.
struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Peer {
    /// The next packet: the reason of AUTH, and the Authentication Data of AUTH and CONNECT.
    async fn receive(&mut self) -> Option<(Option<ReasonCode>, Vec<u8>)> {
        let data = |properties: columba_codec::Properties<'_>| {
            let data = properties.binary(PropertyId::AuthenticationData);
            data.unwrap_or_default().to_vec()
        };
        loop {
            let decoded = decode(&self.unread, Version::V5, u32::MAX).expect("packets");
            if let Decoded::Packet(packet, len) = decoded {
                let seen = match packet {
                    Packet::Connect(connect) => (None, data(connect.properties)),
                    Packet::Auth(auth) => (Some(auth.reason), data(auth.properties)),
                    Packet::Disconnect(disconnect) => (Some(disconnect.reason), Vec::new()),
                    other => panic!("unexpected {other:?}"),
                };
                self.unread.drain(..len);
                return Some(seen);
            }
            if self.stream.read_buf(&mut self.unread).await.ok()? == 0 {
                return None;
            }
        }
    }

    async fn send(&mut self, reason: Option<ReasonCode>, method: &str, data: &[u8]) {
        let mut properties = PropertiesBuf::new();
        let method = properties.push(PropertyId::AuthenticationMethod, Value::String(method));
        method.expect("a property");
        let data = properties.push(PropertyId::AuthenticationData, Value::Binary(data));
        data.expect("a property");
        let properties = properties.as_properties();
        let packet = match reason {
            Some(reason) => Packet::Auth(Auth { reason, properties }),
            None => Packet::ConnAck(ConnAck {
                session_present: false,
                reason: ReasonCode::Success,
                properties,
            }),
        };
        let mut bytes = Vec::new();
        packet.encode(Version::V5, &mut bytes).expect("encodes");
        self.stream.write_all(&bytes).await.expect("sent");
    }
}

async fn listen() -> (TcpListener, ConnectOptions) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    let mut options = options(port, Version::V5, "client");
    options.authentication = Some(Arc::new(Riddle));
    (listener, options)
}

async fn accept(listener: &TcpListener) -> Peer {
    let (stream, _) = listener.accept().await.expect("a client");
    Peer {
        stream,
        unread: Vec::new(),
    }
}

const CONTINUE: Option<ReasonCode> = Some(ReasonCode::ContinueAuthentication);

/// The server's side of a whole exchange, up to CONNACK.
async fn let_in(listener: &TcpListener) -> Peer {
    let mut peer = accept(listener).await;
    assert_eq!(peer.receive().await, Some((None, b"first".to_vec())));
    peer.send(CONTINUE, "RIDDLE", b"challenge").await;
    assert_eq!(peer.receive().await, Some((CONTINUE, b"answer".to_vec())));
    peer.send(None, "RIDDLE", b"proof").await;
    peer
}

#[tokio::test]
async fn a_challenge_is_answered_before_connack_and_when_authenticating_again() {
    in_time(async {
        let (listener, options) = listen().await;
        let (connected, mut peer) = tokio::join!(Client::connect(options), let_in(&listener));
        let (client, _events) = connected.expect("connects");
        let script = async {
            let again = Some(ReasonCode::ReAuthenticate);
            assert_eq!(peer.receive().await, Some((again, b"first".to_vec())));
            peer.send(CONTINUE, "RIDDLE", b"challenge").await;
            assert_eq!(peer.receive().await, Some((CONTINUE, b"answer".to_vec())));
            assert_eq!(
                client.reauthenticate().await,
                Err(Failure::Reauthenticating)
            );
            peer.send(Some(ReasonCode::Success), "RIDDLE", b"proof")
                .await;
        };
        let (again, ()) = tokio::join!(client.reauthenticate(), script);
        assert_eq!(again, Ok(()));
        // A refusal is the end of the connection.
        let script = async {
            peer.receive().await;
            drop(peer);
        };
        let (again, ()) = tokio::join!(client.reauthenticate(), script);
        assert_eq!(again, Err(Failure::ConnectionLost));
    })
    .await;
}

async fn ends_with(reason: Option<ReasonCode>, method: &str, data: &[u8]) -> String {
    let (listener, options) = listen().await;
    let script = async {
        let mut peer = accept(&listener).await;
        peer.receive().await;
        peer.send(reason, method, data).await;
        while peer.receive().await.is_some() {}
    };
    let (connected, ()) = tokio::join!(Client::connect(options), script);
    connected.expect_err("no connection").to_string()
}

#[tokio::test]
async fn a_server_that_does_not_prove_itself_or_asks_nonsense_is_left() {
    in_time(async {
        let error = ends_with(None, "RIDDLE", b"no proof").await;
        assert!(error.contains("did not prove who it is"), "{error}");
        let error = ends_with(CONTINUE, "RIDDLE", b"nonsense").await;
        assert!(error.contains("an unknown challenge"), "{error}");
        // MQTT-4.12.0-5
        for reason in [None, CONTINUE] {
            let error = ends_with(reason, "OTHER", b"proof").await;
            assert!(error.contains("another method"), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_fails_its_proof_when_connecting_again_is_not_connected() {
    in_time(async {
        let (listener, options) = listen().await;
        let reconnect = Reconnect {
            attempts_max: Some(3),
            ..lasting::at_once()
        };
        let connecting = Client::connect_lasting(options, reconnect);
        let (connected, peer) = tokio::join!(connecting, let_in(&listener));
        let (_client, mut events) = connected.expect("connects");
        drop(peer);
        let script = async {
            for _ in 0..3 {
                let mut peer = accept(&listener).await;
                peer.receive().await;
                peer.send(None, "RIDDLE", b"no proof").await;
                while peer.receive().await.is_some() {}
            }
        };
        let listening = async {
            loop {
                match events.next().await.expect("the end comes") {
                    LastingEvent::Disconnected { .. } | LastingEvent::Warning(_) => {}
                    LastingEvent::Ended(ended) => return ended.cause,
                    other => panic!("unexpected {other:?}"),
                }
            }
        };
        let (cause, ()) = tokio::join!(listening, script);
        assert!(matches!(cause, CloseCause::Authentication(_)), "{cause}");
    })
    .await;
}

#[tokio::test]
async fn without_a_method_there_is_nothing_to_authenticate_with() {
    in_time(async {
        let (_broker, port) = columba::start();
        let options = options(port, Version::V5, "client");
        let (client, _events) = Client::connect(options).await.expect("connects");
        let again = client.reauthenticate().await;
        assert_eq!(again, Err(Failure::NoAuthenticationMethod));
        // MQTT-4.12.0-6
        let (listener, mut options) = listen().await;
        options.authentication = None;
        let script = async {
            let mut peer = accept(&listener).await;
            peer.receive().await;
            peer.send(CONTINUE, "RIDDLE", b"challenge").await;
            while peer.receive().await.is_some() {}
        };
        let (connected, ()) = tokio::join!(Client::connect(options), script);
        let error = connected.expect_err("no connection").to_string();
        assert!(error.contains("no place here"), "{error}");
    })
    .await;
}
