//! TLS servers with something wrong about them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use columba_client::driver::TlsOptions;
use columba_doctor::{Check, Mark, Report};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::bed::{PATIENCE, codes, examined, finding, findings, over_tls, verdict, visit};

/// An authority, with its certificate in a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    file: PathBuf,
    _directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Test CA");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        std::fs::write(&file, certificate.pem()).unwrap();
        Self {
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            file,
            _directory: directory,
        }
    }

    /// Starts a server for `localhost` that answers every CONNECT with a refusal.
    async fn serve(&self, change: impl FnOnce(&mut CertificateParams), wants_client: bool) -> u16 {
        self.answer(change, wants_client, |_| b"\x20\x02\x00\x03")
            .await
    }

    /// Starts a server for `localhost` that answers a question so.
    async fn answer(
        &self,
        change: impl FnOnce(&mut CertificateParams),
        wants_client: bool,
        answer: fn(&[u8]) -> &'static [u8],
    ) -> u16 {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![certificate.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if wants_client {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await?;
                    let mut question = [0; 1_024];
                    let len = stream.read(&mut question).await?;
                    stream.write_all(answer(&question[..len])).await?;
                    stream.shutdown().await
                });
            }
        });
        port
    }
}

async fn look(port: u16, host: &str, ca_file: Option<&Path>) -> Report {
    let options = TlsOptions {
        ca_file: ca_file.map(Path::to_owned),
        ..TlsOptions::default()
    };
    examined(&over_tls(visit(port, PATIENCE), host, options)).await
}

#[tokio::test]
async fn a_good_certificate_leads_on_to_connect() {
    let authority = Authority::new();
    let port = authority.serve(|_| {}, false).await;
    let report = look(port, "localhost", Some(&authority.file)).await;
    assert_eq!(verdict(&report, Check::Port), (Mark::Pass, "port_speaks"));
    assert_eq!(verdict(&report, Check::Tls), (Mark::Pass, "tls_good"));
    assert_eq!(
        verdict(&report, Check::Connect),
        (Mark::Fail, "connect_refused")
    );
}

#[tokio::test]
async fn wrong_name_age_and_authority_are_told_apart() {
    let authority = Authority::new();
    let port = authority.serve(|_| {}, false).await;
    let report = look(port, "127.0.0.1", Some(&authority.file)).await;
    assert_eq!(verdict(&report, Check::Tls), (Mark::Fail, "other_names"));
    assert_eq!(
        codes(&finding(&report, Check::Tls).fixes),
        ["use_name_fix", "name_fix"]
    );
    assert!(report.unreached.contains(&Check::Connect));

    let old = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 12, 31);
    };
    let expired = authority.serve(old, false).await;
    let report = look(expired, "localhost", Some(&authority.file)).await;
    let found: Vec<_> = findings(&report, Check::Tls)
        .iter()
        .map(|f| f.what.code())
        .collect();
    // This authority is valid since 1975, so the certificate's age is its only fault.
    assert_eq!(found, ["certificate_expired"]);

    let report = look(port, "localhost", None).await;
    assert_eq!(verdict(&report, Check::Tls), (Mark::Fail, "issuer_unknown"));
    let missing = Path::new("/nonexistent/ca.pem");
    let report = look(port, "localhost", Some(missing)).await;
    assert_eq!(verdict(&report, Check::Tls), (Mark::Fail, "file_unusable"));
}

#[tokio::test]
async fn a_missing_client_certificate_is_told() {
    let authority = Authority::new();
    let port = authority.serve(|_| {}, true).await;
    let report = look(port, "localhost", Some(&authority.file)).await;
    assert_eq!(verdict(&report, Check::Tls), (Mark::Fail, "tls_alert"));
    let tls = finding(&report, Check::Tls);
    assert_eq!(codes(&tls.notes), ["client_certificate_wanted"]);
    assert_eq!(codes(&tls.fixes), ["client_certificate_fix"]);
}

#[tokio::test]
async fn tls_behind_a_plain_url_is_named() {
    let authority = Authority::new();
    let port = authority.serve(|_| {}, false).await;
    let report = examined(&visit(port, PATIENCE)).await;
    let port_finding = finding(&report, Check::Port);
    let fix = crate::bed::english(&port_finding.fixes);
    assert_eq!(fix, [format!("try mqtts://127.0.0.1:{port}")]);
}

/// As Columba answers on a port for WebSockets over TLS.
fn websocket_at_ws(question: &[u8]) -> &'static [u8] {
    if question.starts_with(b"GET /ws HTTP") {
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    } else if question.starts_with(b"GET ") {
        b"HTTP/1.1 404 Not Found\r\n\r\n"
    } else {
        b"\x20\x02\x00\x03"
    }
}

#[tokio::test]
async fn a_websocket_within_tls_is_named_with_its_path() {
    let authority = Authority::new();
    let trusting = || TlsOptions {
        ca_file: Some(authority.file.clone()),
        ..TlsOptions::default()
    };
    let port = authority.answer(|_| {}, false, websocket_at_ws).await;
    let over_mqtts = over_tls(visit(port, PATIENCE), "localhost", trusting());
    let over_wss = crate::bed::over_websocket(over_mqtts.clone(), "/mqtt");
    for (visit, code, host) in [
        (over_mqtts, "port_speaks_other", "localhost"),
        (over_wss, "websocket_other_path", "localhost"),
        (visit(port, PATIENCE), "port_speaks_other", "127.0.0.1"),
    ] {
        let report = examined(&visit).await;
        let found = finding(&report, Check::Port);
        assert_eq!((found.mark, found.what.code()), (Mark::Fail, code));
        let fix = crate::bed::english(&found.fixes);
        assert_eq!(fix, [format!("try wss://{host}:{port}/ws")]);
    }
}

/// The web server of Python behind TLS, which is no program of ours.
struct WebServer {
    program: std::process::Child,
    port: u16,
}

impl WebServer {
    fn start(authority: &Authority) -> Self {
        use std::io::BufRead as _;
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = certificate.signed_by(&key, &authority.issuer).unwrap();
        let file = authority.file.with_file_name("server.pem");
        std::fs::write(&file, certificate.pem() + &key.serialize_pem()).unwrap();
        let source = "import http.server, ssl, sys\n\
            server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n\
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
            context.load_cert_chain(sys.argv[1])\n\
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)\n\
            print(server.server_port, flush=True)\n\
            server.serve_forever()\n";
        let mut program = std::process::Command::new("python3")
            .args(["-c", source])
            .arg(file)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = program.stdout.as_mut().unwrap();
        std::io::BufReader::new(stdout)
            .read_line(&mut line)
            .unwrap();
        let port = line.trim().parse().unwrap();
        Self { program, port }
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        drop(self.program.kill());
        drop(self.program.wait());
    }
}

#[tokio::test]
async fn a_web_server_over_tls_is_not_taken_for_a_broker() {
    let authority = Authority::new();
    let server = WebServer::start(&authority);
    // This server waits for the end of a line, which no CONNECT has.
    let patience = std::time::Duration::from_secs(2);
    let trusting = TlsOptions {
        ca_file: Some(authority.file.clone()),
        ..TlsOptions::default()
    };
    let over_mqtts = over_tls(visit(server.port, patience), "localhost", trusting);
    let over_wss = crate::bed::over_websocket(over_mqtts.clone(), "/mqtt");
    for (visit, code) in [
        (over_mqtts, "port_https"),
        (over_wss, "websocket_refused"),
        (visit(server.port, patience), "port_https"),
    ] {
        let report = examined(&visit).await;
        assert_eq!(verdict(&report, Check::Port), (Mark::Fail, code));
        let notes = crate::bed::english(&finding(&report, Check::Port).notes);
        let is_named = notes.iter().any(|note| note.contains("SimpleHTTP"));
        assert!(is_named, "{notes:?}");
        assert!(report.unreached.contains(&Check::Connect));
    }
}
