//! TLS with rustls: whom to trust, and as whom to speak.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_native_certs::ErrorKind;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::key_file::KeyFile;
use super::transport::Transport;
use super::{Address, ConnectError, TlsOptions};

pub(super) async fn open(
    tcp: TcpStream,
    host: &str,
    address: &Address,
    options: &TlsOptions,
) -> Result<Transport, ConnectError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| ConnectError::TlsSetup(TlsFault::HostName(host.to_owned())))?;
    let connector = TlsConnector::from(Arc::new(tls_config(options)?));
    let stream = connector.connect(name, tcp).await;
    let stream = stream.map_err(|source| ConnectError::Tls {
        address: address.to_string(),
        source,
    })?;
    Ok(Box::new(stream))
}

/// What a file or a library said.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// A host name that no certificate can be for.
    #[error("'{0}' is no name that a certificate can have")]
    HostName(String),
    /// There is nobody whose word counts.
    #[error("no certificates to trust: {0}")]
    NobodyTrusted(Cause),
    /// A certificate and a key that do not belong together.
    #[error("the certificate {} does not go with its key: {source}", .certificate.display())]
    OtherKey {
        /// The file with the certificate.
        certificate: PathBuf,
        /// What rustls said.
        source: Error,
    },
    /// A file that should hold certificates and holds none.
    #[error("{} holds no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// A file that cannot be used.
    #[error("cannot use {what} in {}: {source}", .path.display())]
    Unusable {
        /// What it should hold.
        what: TlsFile,
        /// The file, or the directory of files.
        path: PathBuf,
        /// Why.
        source: Cause,
    },
    /// Anything else that rustls does not take.
    #[error("{0}")]
    Other(Error),
}

/// What a file is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    /// The private key of the client.
    PrivateKey,
    /// The secrets that are logged.
    KeyLog,
    /// One certificate of several.
    Certificate,
    /// Certificates.
    Certificates,
}

impl fmt::Display for TlsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PrivateKey => "the private key",
            Self::KeyLog => "the key log",
            Self::Certificate => "a certificate",
            Self::Certificates => "the certificates",
        })
    }
}

/// What to do about a handshake that fails.
pub(super) fn advice(error: &io::Error) -> &'static str {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "; name the authority that signed the server's certificate with --cafile"
        }
        Some(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "; use a host name that the certificate has, or --insecure for a test",
        Some(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "; the server's certificate must be renewed",
        Some(Error::InvalidMessage(_)) => "; the server does not seem to speak TLS on this port",
        _ if error.kind() == io::ErrorKind::UnexpectedEof => {
            "; the server does not seem to speak TLS on this port"
        }
        _ => "",
    }
}

/// What rustls is set up with for these options, for other protocols than MQTT.
///
/// # Errors
/// A file cannot be used, or nobody is trusted.
pub fn tls_config(options: &TlsOptions) -> Result<ClientConfig, ConnectError> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let wanted = &options.cipher_suites;
    provider.cipher_suites.retain(|suite| {
        wanted.is_empty() || suite.tls13().is_some() || wanted.contains(&suite.suite())
    });
    let provider = Arc::new(provider);
    let roots = Arc::new(roots(options)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(|error| ConnectError::TlsSetup(TlsFault::NobodyTrusted(error.into())))?;
    let versions: &[_] = match options.only_tls_1_3 {
        true => &[&rustls::version::TLS13],
        false => rustls::DEFAULT_VERSIONS,
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| ConnectError::TlsSetup(TlsFault::Other(error)))?;
    let builder = if options.accept_any_host_name {
        let verifier = AnyHostName { verifier, provider };
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        builder.with_webpki_verifier(verifier)
    };
    let mut config = match &options.client_certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| unusable(TlsFile::PrivateKey, key, error))?;
            let config = builder.with_client_auth_cert(certificates(certificate)?, key);
            config.map_err(|error| {
                ConnectError::TlsSetup(TlsFault::OtherKey {
                    certificate: certificate.clone(),
                    source: error,
                })
            })?
        }
    };
    let protocols = options.application_protocols.iter();
    config.alpn_protocols = protocols.map(|name| name.clone().into_bytes()).collect();
    if let Some(path) = &options.key_log {
        let file = KeyFile::open(path).map_err(|error| unusable(TlsFile::KeyLog, path, error))?;
        config.key_log = Arc::new(file);
    }
    Ok(config)
}

fn roots(options: &TlsOptions) -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &options.ca_file {
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| unusable(TlsFile::Certificate, path, error))?;
        }
    }
    if let Some(path) = &options.ca_directory {
        let found = rustls_native_certs::load_certs_from_paths(None, Some(path));
        if let Some(error) = found.errors.into_iter().next() {
            return Err(match error.kind {
                ErrorKind::Io { inner, path } => unusable(TlsFile::Certificates, &path, inner),
                ErrorKind::Pem(error) => unusable(TlsFile::Certificates, path, error),
                _ => unusable(TlsFile::Certificates, path, error),
            });
        }
        roots.add_parsable_certificates(found.certs);
    }
    if options.ca_file.is_none() && options.ca_directory.is_none() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(TlsFile::Certificates, path, error))?;
    if certificates.is_empty() {
        let fault = TlsFault::NoCertificate(path.to_owned());
        return Err(ConnectError::TlsSetup(fault));
    }
    Ok(certificates)
}

fn unusable(what: TlsFile, path: &Path, error: impl Into<Cause>) -> ConnectError {
    ConnectError::TlsSetup(TlsFault::Unusable {
        what,
        path: path.to_owned(),
        source: error.into(),
    })
}

/// Checks everything about a certificate but the host name in it.
#[derive(Debug)]
struct AnyHostName {
    verifier: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyHostName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        // The name is the last thing that is looked at, so everything else was found good.
        match verified {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
