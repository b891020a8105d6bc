//! Certificates that a trusted certificate has signed itself: the way for those whose form rustls does
//! not take, with all that it checks of the others.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage};

use crate::certificate::{Certificate, key_parts};
use crate::fault::Fault;

/// What a certificate is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Server,
    Client,
}

impl Purpose {
    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Server => ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1"),
            Self::Client => ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2"),
        }
    }
}

/// Extensions that are looked at, or that say nothing against a use: basic constraints, key usage,
/// extended key usage, subjectAltName, and the ids of keys.
const KNOWN: [&str; 6] = [
    "2.5.29.19",
    "2.5.29.15",
    "2.5.29.37",
    "2.5.29.17",
    "2.5.29.14",
    "2.5.29.35",
];

/// What was found out about who signed a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    /// The certificate itself is one of the trusted.
    pub(crate) is_itself: bool,
    /// It may only vouch for certain names.
    pub(crate) is_constrained: bool,
}

/// Checks everything but names.
///
/// # Errors
/// Why the certificate is refused.
pub(crate) fn check(
    certificate: &Certificate<'_>,
    others: &[CertificateDer<'_>],
    roots: &RootCertStore,
    algorithms: &WebPkiSupportedAlgorithms,
    (now, purpose): (UnixTime, Purpose),
) -> Result<Signer, Error> {
    certificate.check_time(now)?;
    check_use(certificate, purpose)?;
    let [inner, outer] = certificate.algorithms;
    if inner != outer {
        return Err(CertificateError::BadEncoding.into());
    }
    let named = roots
        .roots
        .iter()
        .filter(|anchor| anchor.subject.as_ref() == certificate.issuer);
    let mut refusal = unknown_signer(certificate, others);
    for anchor in named {
        match check_signature(certificate, anchor, algorithms) {
            Ok(()) => {
                return Ok(Signer {
                    is_itself: is_same(certificate, anchor),
                    is_constrained: anchor.name_constraints.is_some(),
                });
            }
            Err(error) => refusal = error.into(),
        }
    }
    Err(refusal)
}

/// Whether its own words permit the use.
fn check_use(certificate: &Certificate<'_>, purpose: Purpose) -> Result<(), Error> {
    let body = certificate.parsed.tbs_certificate();
    if certificate.version() < 3 && body.extensions().is_some() {
        return Err(CertificateError::BadEncoding.into());
    }
    let extensions = body.extensions().into_iter().flatten();
    for extension in extensions.filter(|extension| extension.critical) {
        let id = extension.extn_id.to_string();
        if !KNOWN.contains(&&*id) {
            return Err(Fault::UnknownExtension(id).into());
        }
    }
    let bad = |_| Error::from(CertificateError::BadEncoding);
    let usage = body.get_extension::<KeyUsage>().map_err(bad)?;
    let extended = body.get_extension::<ExtendedKeyUsage>().map_err(bad)?;
    let signs = usage.is_none_or(|(_, usage)| usage.digital_signature());
    let serves = extended.is_none_or(|(_, usages)| usages.0.contains(&purpose.oid()));
    match signs && serves {
        true => Ok(()),
        false => Err(CertificateError::InvalidPurpose.into()),
    }
}

fn unknown_signer(certificate: &Certificate<'_>, others: &[CertificateDer<'_>]) -> Error {
    let is_between = others.iter().any(|other| {
        Certificate::parse(other).is_ok_and(|other| other.subject == certificate.issuer)
    });
    if is_between && certificate.subject != certificate.issuer {
        let version = certificate.version();
        return Fault::NotDirect { version }.into();
    }
    CertificateError::UnknownIssuer.into()
}

fn check_signature(
    certificate: &Certificate<'_>,
    anchor: &TrustAnchor<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), CertificateError> {
    let [_, signed_by] = certificate.algorithms;
    let is_signed_so = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
        algorithm.signature_alg_id().as_ref() == signed_by
    };
    let fitting = algorithms.all.iter().filter(is_signed_so).copied();
    let key = anchor.subject_public_key_info.as_ref();
    verify(fitting, key, certificate.signed, certificate.signature)
}

/// Verifies a signature by the algorithms that fit a key, which is without its header.
///
/// # Errors
/// No algorithm fits, or the signature is wrong.
pub(crate) fn verify<'a>(
    algorithms: impl Iterator<Item = &'a dyn SignatureVerificationAlgorithm>,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), CertificateError> {
    let (kind, key) = key_parts(key).ok_or(CertificateError::BadEncoding)?;
    let mut refusal = CertificateError::BadEncoding;
    let mut is_known = false;
    for algorithm in algorithms.filter(|found| found.public_key_alg_id().as_ref() == kind) {
        is_known = true;
        match algorithm.verify_signature(key, message, signature) {
            Ok(()) => return Ok(()),
            Err(_) => refusal = CertificateError::BadSignature,
        }
    }
    match is_known {
        true => Err(refusal),
        #[expect(
            deprecated,
            reason = "the other one says which, with types that cannot be made here"
        )]
        false => Err(CertificateError::UnsupportedSignatureAlgorithm),
    }
}

/// Whether an anchor was made of this certificate, or of one with its name and key.
fn is_same(certificate: &Certificate<'_>, anchor: &TrustAnchor<'_>) -> bool {
    anchor.subject.as_ref() == certificate.subject
        && anchor.subject_public_key_info.as_ref() == certificate.key_content()
}
