//! TLS: the session of one connection, and the keys of one listener.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use columba_certificates::{ClientVerifier, certified_key};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SingleCertAndKey;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use super::Flow;
use super::certificate::{common_name, not_after_secs};
use crate::listener::TlsFiles;

/// The TLS session of one connection.
#[derive(Debug)]
pub(crate) struct Tls(ServerConnection);

impl Tls {
    /// Waits for a ClientHello.
    pub(crate) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let mut session = ServerConnection::new(config)?;
        // The driver bounds what it hands in, and takes out what it made of it at once.
        session.set_buffer_limit(None);
        Ok(Self(session))
    }

    /// Whether the handshake is done.
    pub(super) fn is_established(&self) -> bool {
        !self.0.is_handshaking()
    }

    /// The common name in the peer's verified certificate.
    pub(super) fn certificate(&self) -> Option<Arc<str>> {
        self.0
            .peer_certificates()?
            .first()
            .and_then(|der| common_name(der))
            .map(Arc::from)
    }

    /// Decrypts; appends the plain bytes to `plain`, records to answer with (an alert if this
    /// fails) to `wire`.
    pub(super) fn receive(
        &mut self,
        mut bytes: &[u8],
        plain: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> Result<Flow, rustls::Error> {
        let mut flow = Flow::Open;
        while !bytes.is_empty() && flow == Flow::Open {
            // Fails only where a record is larger than TLS permits.
            let taken = self
                .0
                .read_tls(&mut bytes)
                .map_err(|e| rustls::Error::General(e.to_string()))?;
            let state = match self.0.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    self.take_records(wire);
                    return Err(error);
                }
            };
            let len = state.plaintext_bytes_to_read();
            if len > 0 {
                let start = plain.len();
                plain.resize(start + len, 0);
                let read = plain
                    .get_mut(start..)
                    .map_or(Ok(0), |room| self.0.reader().read(room));
                plain.truncate(start + read.unwrap_or(0));
            }
            if state.peer_has_closed() || taken == 0 {
                flow = Flow::Ended;
            }
        }
        self.take_records(wire);
        Ok(flow)
    }

    /// Encrypts.
    pub(super) fn send(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        // Without a buffer limit the session takes everything.
        let taken = self.0.writer().write(plain);
        debug_assert!(matches!(taken, Ok(len) if len == plain.len()));
        self.take_records(wire);
    }

    /// Appends the close_notify alert.
    pub(super) fn close(&mut self, wire: &mut Vec<u8>) {
        self.0.send_close_notify();
        self.take_records(wire);
    }

    fn take_records(&mut self, wire: &mut Vec<u8>) {
        while self.0.wants_write() {
            // Writing into memory does not fail.
            if !matches!(self.0.write_tls(wire), Ok(len) if len > 0) {
                break;
            }
        }
    }
}

/// Why a listener's keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the wanted kind.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: rustls::pki_types::pem::Error,
    },
    /// A file has no certificate in it.
    #[error("{}: no certificate in it", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key do not belong together.
    #[error("{}: not the key of the certificate {}", key.display(), certificate_chain.display())]
    OtherKey {
        /// The chain.
        certificate_chain: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The library refuses certificate or key.
    #[error("certificate {}, key {}: {cause}", certificate_chain.display(), key.display())]
    Refused {
        /// The chain.
        certificate_chain: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        cause: rustls::Error,
    },
    /// The file of client authorities cannot be used.
    #[error("{}: {cause}", path.display())]
    ClientAuthority {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// The keys of one listener, exchangeable while it runs.
#[derive(Debug)]
pub(crate) struct TlsListener {
    files: TlsFiles,
    /// Locked for one clone per handshake.
    current: Mutex<Arc<ServerConfig>>,
    /// When the certificate ends, in seconds since 1970, if that can be read.
    expires_at_secs: Mutex<Option<i64>>,
    /// What the files looked like when they were last read, for good or ill.
    seen: Mutex<Vec<Option<Stamp>>>,
}

impl TlsListener {
    /// Reads the files.
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let seen = Mutex::new(stamps(&files));
        let (config, expires_at_secs) = server_config(&files)?;
        Ok(Self {
            files,
            current: Mutex::new(config),
            expires_at_secs: Mutex::new(expires_at_secs),
            seen,
        })
    }

    /// For a new connection.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again. If anything is wrong with them, the old keys stay.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamps(&self.files);
        let (config, expires_at_secs) = server_config(&self.files)?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = config;
        let expiry = self.expires_at_secs.lock();
        *expiry.unwrap_or_else(PoisonError::into_inner) = expires_at_secs;
        Ok(())
    }

    /// When the certificate in use ends, in seconds since 1970.
    pub(crate) fn expires_at_secs(&self) -> Option<i64> {
        *self
            .expires_at_secs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a file looks different from when it was last read.
    pub(crate) fn has_changed(&self) -> bool {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != stamps(&self.files)
    }
}

/// What tells one version of a file from the next: its inode, as a rename puts another file in its
/// place, its time and its length.
type Stamp = (u64, SystemTime, u64);

/// Of each file; `None` where there is none.
fn stamps(files: &TlsFiles) -> Vec<Option<Stamp>> {
    let client = files
        .client_authority
        .as_ref()
        .map(|client| client.file.as_path());
    [
        Some(files.certificate_chain.as_path()),
        Some(files.key.as_path()),
        client,
    ]
    .into_iter()
    .flatten()
    .map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.modified().ok()?, metadata.len()))
    })
    .collect()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = |cause| TlsError::File {
        path: path.to_owned(),
        cause,
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(file)?
        .collect::<Result<_, _>>()
        .map_err(file)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(chain)
}

/// What connections use, and when its certificate ends.
fn server_config(files: &TlsFiles) -> Result<(Arc<ServerConfig>, Option<i64>), TlsError> {
    let chain = certificates(&files.certificate_chain)?;
    let expires_at_secs = chain.first().and_then(|der| not_after_secs(der));
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|cause| TlsError::File {
        path: files.key.clone(),
        cause,
    })?;
    let refused = |cause| {
        let (certificate_chain, key) = (files.certificate_chain.clone(), files.key.clone());
        match cause {
            rustls::Error::InconsistentKeys(_) => TlsError::OtherKey {
                certificate_chain,
                key,
            },
            cause => TlsError::Refused {
                certificate_chain,
                key,
                cause,
            },
        }
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    let builder = match &files.client_authority {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let authority = |cause: String| TlsError::ClientAuthority {
                path: client.file.clone(),
                cause,
            };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(&client.file)? {
                roots
                    .add(certificate)
                    .map_err(|cause| authority(cause.to_string()))?;
            }
            let verifier = ClientVerifier::new(Arc::new(roots), &provider, client.is_required)
                .map_err(|cause| authority(cause.to_string()))?;
            builder.with_client_cert_verifier(Arc::new(verifier))
        }
    };
    let identity = certified_key(chain, key, &provider).map_err(refused)?;
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    // MQTT clients reconnect seldom and stay long: one ticket is enough.
    config.send_tls13_tickets = 1;
    Ok((Arc::new(config), expires_at_secs))
}
