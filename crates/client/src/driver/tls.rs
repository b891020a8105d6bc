//! TLS with rustls: whom to trust, and as whom to speak.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use columba_certificates::{Fault, Names, ServerVerifier, certified_key};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use rustls_native_certs::ErrorKind;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::key_file::KeyFile;
use super::transport::Transport;
use super::{Address, ConnectError, TlsOptions};

/// What a connection begins TLS with.
pub(super) struct Handshake {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Handshake {
    /// Reads the files and puts together what they say. Before anything is dialled: what is wrong there is
    /// wrong whether the server answers or not.
    pub(super) fn prepare(host: &str, options: &TlsOptions) -> Result<Self, ConnectError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| ConnectError::TlsSetup(TlsFault::HostName(host.to_owned())))?;
        let connector = TlsConnector::from(Arc::new(tls_config(options)?));
        Ok(Self { connector, name })
    }

    pub(super) async fn perform(
        self,
        tcp: TcpStream,
        address: &Address,
    ) -> Result<Transport, ConnectError> {
        let stream = self.connector.connect(self.name, tcp).await;
        let stream = stream.map_err(|source| ConnectError::Tls {
            address: address.to_string(),
            source,
        })?;
        Ok(Box::new(stream))
    }
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
    #[error("the certificate {} does not go with the key {}", .certificate.display(), .key.display())]
    OtherKey {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
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

/// What is not accepted in the server's certificate, if this library says so and not rustls.
pub fn certificate_fault(error: &io::Error) -> Option<&Fault> {
    match rustls_error(error)? {
        Error::InvalidCertificate(fault) => Fault::of(fault),
        _ => None,
    }
}

fn rustls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What is said of a handshake that fails.
pub(super) fn said(error: &io::Error) -> String {
    match certificate_fault(error) {
        Some(fault) => format!("the server's certificate is not accepted: {fault}"),
        None => error.to_string(),
    }
}

/// What to do about a handshake that fails.
pub(super) fn advice(error: &io::Error) -> &'static str {
    match certificate_fault(error) {
        Some(Fault::CommonNameOnly) => {
            return "; have it made anew with a subjectAltName, or accept its common name";
        }
        Some(Fault::OldForm { .. }) => {
            return "; name the authority that signed it";
        }
        Some(Fault::NotDirect { .. }) => {
            return "; trust the authority that signed it as well";
        }
        Some(_) | None => {}
    }
    match rustls_error(error) {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "; name the authority that signed the server's certificate"
        }
        // Made anew under the same name, the usual end of a home-made authority.
        Some(Error::InvalidCertificate(CertificateError::BadSignature)) => {
            "; an authority of that name is trusted, but has another key: name the one that signed the \
             server's certificate"
        }
        Some(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "; use a host name that the certificate has, or accept any for a test",
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
    let names = match (options.accept_any_host_name, options.accept_common_name) {
        (true, _) => Names::Any,
        (false, true) => Names::OrCommonName,
        (false, false) => Names::SubjectAltName,
    };
    // Authorities of operating systems make no certificates of old forms; only who names one may know
    // that it does.
    let takes_old_forms = options.ca_file.is_some() || options.ca_directory.is_some();
    let verifier = ServerVerifier::new(roots, &provider, names, takes_old_forms)
        .map_err(|error| ConnectError::TlsSetup(TlsFault::NobodyTrusted(error.into())))?;
    let versions: &[_] = match options.only_tls_1_3 {
        true => &[&rustls::version::TLS13],
        false => rustls::DEFAULT_VERSIONS,
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| ConnectError::TlsSetup(TlsFault::Other(error)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &options.client_certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let identity = identity(certificate, key, &provider)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
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

/// The certificate to speak with, and its key.
fn identity(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, ConnectError> {
    let chain = certificates(certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| unusable(TlsFile::PrivateKey, key, error))?;
    certified_key(chain, secret, provider).map_err(|error| match error {
        Error::InconsistentKeys(_) => ConnectError::TlsSetup(TlsFault::OtherKey {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        }),
        Error::InvalidCertificate(_) => unusable(TlsFile::Certificate, certificate, error),
        error => unusable(TlsFile::PrivateKey, key, error),
    })
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
