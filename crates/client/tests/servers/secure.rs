//! TLS, and WebSocket over it: who is trusted, and what is said of who is not.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use columba_server::listener::{ListenerKind, TlsFiles, WebSocketSettings};

use crate::mosquitto::Mosquitto;
use crate::*;

/// Who signs the certificates of servers.
struct Authority {
    pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        let named = &mut params.distinguished_name;
        named.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = rcgen::Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// Its certificate in a file.
    fn write(&self, path: PathBuf) -> PathBuf {
        std::fs::write(&path, &self.pem).expect("written");
        path
    }

    /// The files of a server that is called `localhost`.
    fn files(&self, directory: &Path) -> TlsFiles {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned()];
        let params = rcgen::CertificateParams::new(names).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer);
        let certificate = certificate.expect("a certificate").pem();
        let files = TlsFiles {
            certificate_chain: directory.join("cert.pem"),
            key: directory.join("key.pem"),
            client_authority: None,
        };
        std::fs::write(&files.certificate_chain, certificate).expect("written");
        std::fs::write(&files.key, key.serialize_pem()).expect("written");
        files
    }
}

#[tokio::test]
async fn tls_trusts_the_named_authority_and_no_other() {
    in_time(async {
        let authority = Authority::new("authority");
        let server = Mosquitto::start_with(|port, directory| {
            let files = authority.files(directory);
            format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\ncertfile {}\nkeyfile {}\n",
                files.certificate_chain.display(),
                files.key.display()
            )
        })
        .await;
        let ca_file = Some(authority.write(server.directory.path().join("ca.pem")));
        let connect = async |name: &str, ca_file, accept_any_host_name| {
            let mut options = server.options(Version::V5, "client");
            if let Address::Network { host, tls, .. } = &mut options.address {
                *host = name.to_owned();
                *tls = Some(TlsOptions {
                    ca_file,
                    accept_any_host_name,
                    ..TlsOptions::default()
                });
            }
            Client::connect(options).await
        };
        assert!(connect("localhost", ca_file.clone(), false).await.is_ok());
        assert!(connect("127.0.0.1", ca_file.clone(), true).await.is_ok());
        for (name, ca_file) in [("127.0.0.1", ca_file), ("localhost", None)] {
            match connect(name, ca_file, false).await {
                Err(ConnectError::Tls { .. } | ConnectError::TlsSetup(_)) => {}
                other => panic!("expected TLS to refuse {name}, got {other:?}"),
            }
        }
    })
    .await;
}

/// Columba at `/mqtt` over WebSocket over TLS, and how to get there.
struct Wss {
    _broker: columba_server::Broker,
    port: u16,
    authority: Authority,
    directory: tempfile::TempDir,
}

impl Wss {
    fn start() -> Self {
        let authority = Authority::new("authority");
        let directory = tempfile::tempdir().expect("a directory");
        let kind = ListenerKind::Wss {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: authority.files(directory.path()),
            websocket: WebSocketSettings {
                path: Some("/mqtt".to_owned()),
                ..WebSocketSettings::default()
            },
        };
        let (broker, port) = columba::start_at(kind, None);
        Self {
            _broker: broker,
            port,
            authority,
            directory,
        }
    }

    fn options(&self, client_id: &str) -> ConnectOptions {
        let ca_file = self.directory.path().join("authority.pem");
        let ca_file = Some(self.authority.write(ca_file));
        let mut options = options(self.port, Version::V5, client_id);
        options.address = Address::Network {
            host: "localhost".to_owned(),
            port: self.port,
            tls: Some(TlsOptions {
                ca_file,
                ..TlsOptions::default()
            }),
            websocket_path: Some("/mqtt".to_owned()),
        };
        options
    }

    /// What is said of a connection that does not come to be.
    async fn refusal(&self, change: impl FnOnce(&mut Address)) -> ConnectError {
        let mut options = self.options("stranger");
        change(&mut options.address);
        Client::connect(options).await.expect_err("no connection")
    }
}

#[tokio::test]
async fn secure_websockets_carry_large_and_small_messages_at_every_qos() {
    in_time(async {
        let server = Wss::start();
        let connected = Client::connect(server.options("subscriber")).await;
        let (subscriber, mut events) = connected.expect("connects");
        subscribe(&subscriber, "x", QoS::ExactlyOnce).await;
        let connected = Client::connect(server.options("publisher")).await;
        let (publisher, _events) = connected.expect("connects");
        for qos in ALL_QOS {
            // Shorter and longer than a TLS record and a WebSocket frame's short forms.
            for bytes in [0, 100, 200, 70_000, 500_000] {
                let sent = Message::new("x", vec![7; bytes]).with_qos(qos);
                publish(&publisher, sent.clone()).await;
                assert_eq!(message(&mut events).await.message, sent);
            }
        }
        leave(&publisher).await;
        leave(&subscriber).await;
        assert_eq!(ended(&mut events).await.cause, CloseCause::Requested);
    })
    .await;
}

#[tokio::test]
async fn a_secure_websocket_of_another_authority_is_not_trusted() {
    in_time(async {
        let server = Wss::start();
        let directory = server.directory.path();
        let others = [
            (
                "other",
                "name the authority that signed the server's certificate",
            ),
            // Made anew, with another key.
            ("authority", "has another key"),
        ];
        for (name, advice) in others {
            let other = Authority::new(name).write(directory.join("other.pem"));
            let change = |address: &mut Address| {
                if let Address::Network { tls: Some(tls), .. } = address {
                    tls.ca_file = Some(other);
                }
            };
            let error = server.refusal(change).await;
            assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
            let sentence = error.to_string();
            assert!(sentence.contains(advice), "{sentence}");
            // That is an option of a command line, which a library has none of.
            assert!(!sentence.contains("--cafile"), "{sentence}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_a_secure_websocket_is_told() {
    in_time(async {
        let server = Wss::start();
        // TLS or none, a WebSocket and its path or none, and what is said.
        let wrong = [
            (
                true,
                Some("/other"),
                "Nothing is served at /other; MQTT is at /mqtt",
            ),
            (true, Some(""), "Nothing is served at /; MQTT is at /mqtt"),
            (true, None, "connect through a WebSocket with TLS"),
            (
                false,
                Some("/mqtt"),
                "Connect with TLS: the address begins with wss://",
            ),
            (false, None, "connect through a WebSocket with TLS"),
        ];
        for (is_tls, path, said) in wrong {
            let change = |address: &mut Address| {
                let Address::Network {
                    tls,
                    websocket_path,
                    ..
                } = address
                else {
                    panic!("it is over the network");
                };
                *websocket_path = path.map(str::to_owned);
                if !is_tls {
                    *tls = None;
                }
            };
            let sentence = server.refusal(change).await.to_string();
            assert!(sentence.contains(said), "{sentence}");
        }
    })
    .await;
}
