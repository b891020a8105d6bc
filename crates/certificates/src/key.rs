//! A certificate with its key.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use crate::certificate::Certificate;

/// Puts a certificate, those that vouch for it, and its key together, whatever the version of the
/// certificate.
///
/// # Errors
/// It is no certificate or no key, or they do not belong together.
pub fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Error> {
    let key = provider.key_provider.load_private_key(key)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        // rustls reads the key of none that it would refuse itself; the peer may take it.
        Err(Error::InvalidCertificate(_)) => check_match(&certified)?,
        Err(error) => return Err(error),
    }
    Ok(certified)
}

fn check_match(certified: &CertifiedKey) -> Result<(), Error> {
    let certificate = Certificate::parse(certified.end_entity_cert()?)?;
    match certified.key.public_key() {
        Some(key) if key != certificate.key() => Err(InconsistentKeys::KeyMismatch.into()),
        _ => Ok(()),
    }
}
