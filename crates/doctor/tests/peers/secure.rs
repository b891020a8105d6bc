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
                    let _ = stream.read(&mut question).await?;
                    stream.write_all(b"\x20\x02\x00\x03").await?;
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
