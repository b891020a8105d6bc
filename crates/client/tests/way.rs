//! The way to a server: local addresses, proxies, and what TLS is asked for.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests make the files that TLS is told of"
)]

use std::path::PathBuf;
use std::sync::Arc;

use columba_client::SessionOptions;
use columba_client::driver::{Address, Client, ConnectError, ConnectOptions, Proxy, TlsOptions};
use columba_codec::Version;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

const CONNACK: &[u8] = b"\x20\x02\0\0";

fn options(port: u16, tls: Option<TlsOptions>) -> ConnectOptions {
    let session = SessionOptions {
        version: Version::V311,
        client_id: "client".to_owned(),
        ..SessionOptions::default()
    };
    let address = Address::Network {
        host: "localhost".to_owned(),
        port,
        tls,
        websocket_path: None,
    };
    ConnectOptions::new(address, session)
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// Takes CONNECT and accepts it.
async fn accept(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut connect = [0; 64];
    assert!(stream.read(&mut connect).await.expect("CONNECT") > 0);
    stream.write_all(CONNACK).await.expect("CONNACK");
}

#[tokio::test]
async fn a_connection_comes_from_the_address_that_was_named() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        let (stream, peer) = listener.accept().await.expect("a connection");
        accept(stream).await;
        peer.ip().to_string()
    });
    let mut options = options(port, None);
    options.route.local_address = Some("127.0.0.2".to_owned());
    Client::connect(options).await.expect("connects");
    assert_eq!(server.await.expect("a server"), "127.0.0.2");
}

#[tokio::test]
async fn an_address_of_another_machine_is_no_address_to_connect_from() {
    let (_listener, port) = listen().await;
    let mut options = options(port, None);
    // An address for documentation (RFC 5737), which no machine has.
    options.route.local_address = Some("192.0.2.1".to_owned());
    let error = Client::connect(options).await.expect_err("it has not");
    let sentence = error.to_string();
    assert!(
        sentence.contains("cannot connect from 192.0.2.1"),
        "{sentence}"
    );
}

/// A SOCKS5 proxy (RFC 1928) for one connection, to the port that is asked for on this machine; it
/// returns the name that was asked for.
fn proxy(listener: TcpListener, password: Option<&'static str>) -> JoinHandle<String> {
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("a connection");
        let mut head = [0; 2];
        client.read_exact(&mut head).await.expect("a greeting");
        let mut methods = vec![0; usize::from(head[1])];
        client.read_exact(&mut methods).await.expect("methods");
        let method = if password.is_some() { 2 } else { 0 };
        assert!(methods.contains(&method), "{methods:?}");
        client.write_all(&[5, method]).await.expect("a method");
        if let Some(password) = password {
            let mut wanted = vec![1, 4];
            wanted.extend(b"user");
            wanted.push(password.len() as u8);
            wanted.extend(password.bytes());
            let mut given = vec![0; wanted.len()];
            client.read_exact(&mut given).await.expect("credentials");
            let is_wrong = u8::from(given != wanted);
            client.write_all(&[1, is_wrong]).await.expect("a word");
            if is_wrong == 1 {
                return String::new();
            }
        }
        let mut request = [0; 5];
        client.read_exact(&mut request).await.expect("a request");
        assert_eq!(request[..4], [5, 1, 0, 3], "CONNECT to a name");
        let mut name = vec![0; usize::from(request[4])];
        client.read_exact(&mut name).await.expect("a name");
        let port = client.read_u16().await.expect("a port");
        let mut server = TcpStream::connect(("127.0.0.1", port)).await;
        let is_refused = u8::from(server.is_err()) * 5;
        let answer = [5, is_refused, 0, 1, 127, 0, 0, 1, 0, 0];
        client.write_all(&answer).await.expect("an answer");
        if let Ok(server) = &mut server {
            drop(copy_bidirectional(&mut client, server).await);
        }
        String::from_utf8(name).expect("a name")
    })
}

/// Connects through a proxy: the name that it was asked for, or what the error says.
async fn through_proxy(
    port: u16,
    wanted: Option<&'static str>,
    given: Option<&str>,
) -> Result<String, String> {
    let (listener, proxy_port) = listen().await;
    let proxy = proxy(listener, wanted);
    let mut options = options(port, None);
    options.route.proxy = Some(Proxy {
        host: "127.0.0.1".to_owned(),
        port: proxy_port,
        credentials: given.map(|password| ("user".to_owned(), password.to_owned())),
    });
    match Client::connect(options).await {
        // The connection ends here, and the proxy with it.
        Ok(connected) => drop(connected),
        Err(error) => return Err(error.to_string()),
    }
    Ok(proxy.await.expect("a proxy"))
}

#[tokio::test]
async fn a_proxy_looks_up_the_name_and_may_want_a_password() {
    for password in [None, Some("secret")] {
        let (listener, port) = listen().await;
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            accept(stream).await;
        });
        let name = through_proxy(port, password, password).await;
        assert_eq!(name.as_deref(), Ok("localhost"));
        server.await.expect("a server");
    }
}

#[tokio::test]
async fn what_a_proxy_refuses_is_told_with_its_name() {
    // The port is taken, and nobody listens there.
    let taken = TcpSocket::new_v4().expect("a socket");
    taken.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let refused = through_proxy(port, None, None).await.expect_err("refused");
    assert!(
        refused.contains("through the proxy 127.0.0.1:"),
        "{refused}"
    );
    assert!(refused.contains("Connection refused"), "{refused}");
    let refused = through_proxy(port, Some("secret"), Some("public"))
        .await
        .expect_err("refused");
    assert!(refused.contains("through the proxy"), "{refused}");
    assert!(!refused.contains("public"), "{refused}");
}

/// A TLS server for `localhost` with a certificate in a file, and what was agreed with a client.
struct Secure {
    directory: tempfile::TempDir,
    port: u16,
    agreed: JoinHandle<(Option<rustls::ProtocolVersion>, Option<Vec<u8>>)>,
}

impl Secure {
    async fn start(versions: &'static [&'static rustls::SupportedProtocolVersion]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let key = rcgen::KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned()];
        let params = rcgen::CertificateParams::new(names).expect("parameters");
        let certificate = params.self_signed(&key).expect("a certificate");
        let authorities = directory.path().join("authorities");
        std::fs::create_dir(&authorities).expect("a directory");
        std::fs::write(authorities.join("one.pem"), certificate.pem()).expect("written");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate");
        config.alpn_protocols = vec![b"other".to_vec(), b"mqtt".to_vec()];
        let (listener, port) = listen().await;
        let agreed = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let acceptor = TlsAcceptor::from(Arc::new(config));
            let Ok(stream) = acceptor.accept(stream).await else {
                return (None, None);
            };
            let (_, tls) = stream.get_ref();
            let protocol = tls.alpn_protocol().map(<[u8]>::to_vec);
            let agreed = (tls.protocol_version(), protocol);
            accept(stream).await;
            agreed
        });
        Self {
            directory,
            port,
            agreed,
        }
    }

    fn tls(&self) -> TlsOptions {
        TlsOptions {
            ca_directory: Some(self.directory.path().join("authorities")),
            ..TlsOptions::default()
        }
    }
}

#[tokio::test]
async fn tls_trusts_a_directory_asks_for_a_protocol_and_logs_its_secrets() {
    let secure = Secure::start(rustls::ALL_VERSIONS).await;
    let log: PathBuf = secure.directory.path().join("keys");
    let mut tls = secure.tls();
    tls.application_protocols = vec!["mqtt".to_owned()];
    tls.only_tls_1_3 = true;
    tls.key_log = Some(log.clone());
    let connected = Client::connect(options(secure.port, Some(tls))).await;
    connected.expect("connects");
    let agreed = secure.agreed.await.expect("a server");
    assert_eq!(
        agreed,
        (
            Some(rustls::ProtocolVersion::TLSv1_3),
            Some(b"mqtt".to_vec())
        )
    );
    let log = std::fs::read_to_string(log).expect("a log");
    let words: Vec<_> = log.lines().map(|line| line.split(' ').count()).collect();
    assert!(words.iter().all(|count| *count == 3), "{log}");
    assert!(log.contains("CLIENT_TRAFFIC_SECRET_0 "), "{log}");
}

#[tokio::test]
async fn tls_1_2_is_not_good_enough_if_1_3_is_wanted() {
    static ONLY_1_2: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
    let secure = Secure::start(ONLY_1_2).await;
    let mut tls = secure.tls();
    tls.only_tls_1_3 = true;
    let refused = Client::connect(options(secure.port, Some(tls))).await;
    assert!(
        matches!(refused, Err(ConnectError::Tls { .. })),
        "{refused:?}"
    );
    assert_eq!(secure.agreed.await.expect("a server"), (None, None));
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named() {
    let tls = TlsOptions {
        ca_directory: Some("/nonexistent".into()),
        ..TlsOptions::default()
    };
    let (_listener, port) = listen().await;
    let refused = Client::connect(options(port, Some(tls))).await;
    let sentence = refused.expect_err("no directory").to_string();
    assert!(sentence.contains("/nonexistent"), "{sentence}");
}
