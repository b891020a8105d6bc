//! A TLS handshake that looks at everything and trusts nothing: it accepts any certificate, so that
//! what is wrong with it can be told, and sends no secret.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use columba_client::driver::TlsOptions;
use columba_speech::{Param, Text};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, RootCertStore,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::text::{tls as text, tls_fault};

/// What a handshake showed.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The protocol that was agreed on by ALPN.
    pub alpn: Option<String>,
    /// The server's certificates as it sent them, its own first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether it asked for a client certificate.
    pub wants_certificate: bool,
}

/// Why there is no TLS.
#[derive(Debug)]
pub enum TlsError {
    /// The server refused with an alert.
    Alert(AlertDescription),
    /// The server speaks TLS, but nothing that this client speaks.
    Incompatible(Text),
    /// What came back is not TLS.
    NotTls,
    /// Nothing came back.
    Silent,
    /// The connection ended.
    Closed(io::Error),
    /// The name cannot be in a certificate.
    Name,
}

impl TlsError {
    /// Whether the other side speaks TLS for certain.
    pub const fn is_tls(&self) -> bool {
        match self {
            Self::Alert(_) | Self::Incompatible(_) => true,
            Self::NotTls | Self::Silent | Self::Closed(_) | Self::Name => false,
        }
    }

    /// Of a failed handshake or a broken connection.
    pub(crate) fn of(error: io::Error) -> Self {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            Some(Error::AlertReceived(alert)) => Self::Alert(*alert),
            Some(Error::InvalidMessage(_)) => Self::NotTls,
            Some(inner) => Self::Incompatible(tls_fault::said(inner)),
            None => Self::Closed(error),
        }
    }
}

/// A client certificate with its key.
pub type Identity = Arc<CertifiedKey>;

/// Connects, accepting any certificate, and tells what it saw.
///
/// # Errors
/// [`TlsError`].
pub async fn open(
    address: SocketAddr,
    host: &str,
    identity: Option<Identity>,
    alpn: &[&[u8]],
    patience: Duration,
) -> Result<(Facts, TlsStream<TcpStream>), TlsError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Name)?;
    let asked = Arc::new(Asked {
        identity,
        was_asked: AtomicBool::new(false),
    });
    let provider = provider();
    let verifier = AnyCertificate(Arc::clone(&provider));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Incompatible(tls_fault::said(&error)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::clone(&asked) as Arc<dyn ResolvesClientCert>);
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let handshake = async {
        let tcp = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    };
    let stream = match timeout(patience, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(TlsError::of(error)),
        Err(_) => return Err(TlsError::Silent),
    };
    let (_, connection) = stream.get_ref();
    let facts = Facts {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "?",
        },
        alpn: connection
            .alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).into_owned()),
        chain: connection
            .peer_certificates()
            .map(|chain| chain.iter().map(|one| one.clone().into_owned()).collect())
            .unwrap_or_default(),
        wants_certificate: asked.was_asked.load(Ordering::Relaxed),
    };
    Ok((facts, stream))
}

/// Whom the options trust.
///
/// # Errors
/// What is wrong with the file.
pub fn roots(options: &TlsOptions) -> Result<RootCertStore, Text> {
    let mut roots = RootCertStore::empty();
    match &options.ca_file {
        Some(path) => {
            for certificate in certificates(path)? {
                let added = roots.add(certificate);
                added.map_err(|error| unusable(path, tls_fault::said(&error)))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

/// As whom the options speak.
///
/// # Errors
/// What is wrong with the files.
pub fn identity(options: &TlsOptions) -> Result<Option<Identity>, Text> {
    let Some((certificate, key_file)) = &options.client_certificate else {
        return Ok(None);
    };
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| unusable(key_file, tls_fault::pem_fault(&error, true)))?;
    let key = provider().key_provider.load_private_key(key);
    let key = key.map_err(|error| unusable(key_file, tls_fault::said(&error)))?;
    let identity = CertifiedKey::new(chain, key);
    match identity.keys_match() {
        Err(Error::InconsistentKeys(_)) => Err(text::key_mismatch(
            certificate.display().to_string(),
            key_file.display().to_string(),
        )),
        _ => Ok(Some(Arc::new(identity))),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Text> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(path, tls_fault::pem_fault(&error, false)))?;
    if certificates.is_empty() {
        return Err(text::no_certificate_in_file(path.display().to_string()));
    }
    Ok(certificates)
}

fn unusable(path: &Path, why: impl Into<Param>) -> Text {
    text::file_unusable(path.display().to_string(), why)
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Remembers whether the server asked for a certificate.
#[derive(Debug)]
struct Asked {
    identity: Option<Identity>,
    was_asked: AtomicBool,
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_asked.store(true, Ordering::Relaxed);
        self.identity.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Accepts every certificate; its owner looks at it afterwards.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
