//! Why a certificate is refused, where rustls has no word for it.

use std::sync::Arc;

use rustls::{CertificateError, Error, OtherError};

/// A reason that rustls does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The host name stands in the common name alone, which does not count here.
    #[error("it names the host in its common name alone, and has no subjectAltName")]
    CommonNameOnly,
    /// There is no subjectAltName, and the common name is another.
    #[error("it has no subjectAltName, and its common name is '{0}'")]
    OtherCommonName(String),
    /// There is no name at all.
    #[error("it names no host")]
    NoName,
    /// Version 1, or an authority as a server, where nobody has named an authority that makes such.
    #[error("it is of X.509 version {version} or may sign others itself")]
    OldForm {
        /// The version that it says it has.
        version: u8,
    },
    /// Version 1, or an authority as a server or client, and not signed by a trusted certificate itself.
    #[error(
        "it is of X.509 version {version} or may sign others itself, and is signed by an authority in \
         between: so it is only taken from an authority that is trusted itself"
    )]
    NotDirect {
        /// The version that it says it has.
        version: u8,
    },
    /// The authority may only vouch for certain names, and none of them can be found.
    #[error("its authority may vouch for certain names only, and it has no subjectAltName")]
    ConstrainedAuthority,
    /// An extension that must be understood and is not.
    #[error("it has an extension that must be understood and is not: {0}")]
    UnknownExtension(String),
}

impl Fault {
    /// The fault behind an error of rustls.
    pub fn of(error: &CertificateError) -> Option<&Self> {
        match error {
            CertificateError::Other(OtherError(inner)) => inner.downcast_ref(),
            _ => None,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        CertificateError::Other(OtherError(Arc::new(fault))).into()
    }
}
