//! What a client accepts of a server.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, RootCertStore, SignatureScheme,
};

use crate::certificate::Certificate;
use crate::direct::{self, Purpose, Signer};
use crate::fault::Fault;
use crate::name::fits;

/// Which name a server's certificate must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// The host's, in its subjectAltName; in the common name only if this very certificate is trusted.
    #[default]
    SubjectAltName,
    /// The host's; in the common name, where there is no subjectAltName for hosts.
    ///
    /// Who gives out certificates to clients with their names as common names must then give none out
    /// with the name of a host.
    OrCommonName,
    /// Any.
    Any,
}

/// Judges a server by the certificates in `roots`.
#[derive(Debug)]
pub struct ServerVerifier {
    strict: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    names: Names,
    takes_old_forms: bool,
}

impl ServerVerifier {
    /// `takes_old_forms` is for roots that somebody has named: whoever gets into those of an operating
    /// system has to give out better certificates.
    ///
    /// # Errors
    /// Nobody is trusted.
    pub fn new(
        roots: Arc<RootCertStore>,
        provider: &Arc<CryptoProvider>,
        names: Names,
        takes_old_forms: bool,
    ) -> Result<Self, VerifierBuilderError> {
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider));
        Ok(Self {
            strict: builder.build()?,
            roots,
            algorithms: provider.signature_verification_algorithms,
            names,
            takes_old_forms,
        })
    }

    /// Judges a certificate that rustls has refused with `error`.
    fn judge(
        &self,
        error: Error,
        (end_entity, others): (&CertificateDer<'_>, &[CertificateDer<'_>]),
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        // The name is the last thing that is looked at, so everything else was found good.
        let is_name_alone = matches!(
            error,
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )
        );
        if is_name_alone && self.names == Names::Any {
            return Ok(());
        }
        let Ok(certificate) = Certificate::parse(end_entity) else {
            return Err(error);
        };
        if !self.takes_old_forms {
            let version = certificate.version();
            // rustls has no word for it.
            let is_form_alone =
                matches!(error, Error::InvalidCertificate(CertificateError::Other(_)));
            return Err(match certificate.has_old_form() && is_form_alone {
                true => Fault::OldForm { version }.into(),
                false => error,
            });
        }
        let signer = if certificate.has_old_form() {
            let at = (now, Purpose::Server);
            direct::check(&certificate, others, &self.roots, &self.algorithms, at)?
        } else if is_name_alone {
            Signer {
                is_itself: self.is_trusted_itself(&certificate),
                is_constrained: self.may_be_constrained(&certificate, others),
            }
        } else {
            return Err(error);
        };
        if self.names == Names::Any {
            return Ok(());
        }
        if certificate.version() == 3 {
            let named = ParsedCertificate::try_from(end_entity)
                .and_then(|parsed| verify_server_name(&parsed, host));
            match named {
                Ok(()) if signer.is_constrained && !signer.is_itself => {
                    return Err(Fault::ConstrainedAuthority.into());
                }
                Ok(()) => return Ok(()),
                Err(error) if certificate.has_dns_names() => return Err(error),
                Err(_) => {}
            }
        }
        self.judge_common_name(&certificate, signer, host)
    }

    fn judge_common_name(
        &self,
        certificate: &Certificate<'_>,
        signer: Signer,
        host: &ServerName<'_>,
    ) -> Result<(), Error> {
        let Some(common_name) = certificate.common_name() else {
            return Err(Fault::NoName.into());
        };
        if !fits(&common_name, host) {
            return Err(Fault::OtherCommonName(common_name).into());
        }
        if signer.is_itself {
            return Ok(());
        }
        if self.names != Names::OrCommonName {
            return Err(Fault::CommonNameOnly.into());
        }
        match signer.is_constrained {
            true => Err(Fault::ConstrainedAuthority.into()),
            false => Ok(()),
        }
    }

    fn is_trusted_itself(&self, certificate: &Certificate<'_>) -> bool {
        self.roots.roots.iter().any(|anchor| {
            anchor.subject.as_ref() == certificate.subject
                && anchor.subject_public_key_info.as_ref() == certificate.key_content()
        })
    }

    /// Whether anybody who may have vouched for it may do so for certain names only: rustls does not
    /// tell which way it went.
    fn may_be_constrained(
        &self,
        certificate: &Certificate<'_>,
        others: &[CertificateDer<'_>],
    ) -> bool {
        let mut issuers = vec![certificate.issuer];
        for other in others {
            let Ok(other) = Certificate::parse(other) else {
                return true;
            };
            if other.has_name_constraints() {
                return true;
            }
            issuers.push(other.issuer);
        }
        self.roots.roots.iter().any(|anchor| {
            anchor.name_constraints.is_some() && issuers.contains(&anchor.subject.as_ref())
        })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.strict.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let Err(error) = judged else {
            return judged;
        };
        self.judge(error, (end_entity, intermediates), server_name, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match old_form(certificate) {
            Some(old) => verify_tls12(message, &old, signature, &self.algorithms),
            None => self
                .strict
                .verify_tls12_signature(message, certificate, signature),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match old_form(certificate) {
            Some(old) => verify_tls13(message, &old, signature, &self.algorithms),
            None => self
                .strict
                .verify_tls13_signature(message, certificate, signature),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A certificate that rustls cannot read the key of.
pub(crate) fn old_form<'a>(certificate: &'a CertificateDer<'_>) -> Option<Certificate<'a>> {
    let certificate = Certificate::parse(certificate).ok()?;
    (certificate.version() < 3).then_some(certificate)
}

/// The signature of a handshake with the key of such a certificate.
///
/// # Errors
/// It is wrong.
pub(crate) fn verify_tls12(
    message: &[u8],
    certificate: &Certificate<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let mut mapping = algorithms.mapping.iter();
    let found = mapping.find(|(scheme, _)| *scheme == signature.scheme);
    let (_, fitting) = found.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let (key, bytes) = (certificate.key_content(), signature.signature());
    direct::verify(fitting.iter().copied(), key, message, bytes)?;
    Ok(HandshakeSignatureValid::assertion())
}

/// The same for TLS 1.3, which knows fewer schemes.
///
/// # Errors
/// It is wrong.
pub(crate) fn verify_tls13(
    message: &[u8],
    certificate: &Certificate<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature_with_raw_key(message, &certificate.key(), signature, algorithms)
}
