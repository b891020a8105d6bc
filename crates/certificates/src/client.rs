//! What a server accepts of a client.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use crate::certificate::Certificate;
use crate::direct::{self, Purpose};
use crate::server::{old_form, verify_tls12, verify_tls13};

/// Judges clients by the certificates in `roots`.
#[derive(Debug)]
pub struct ClientVerifier {
    strict: Arc<dyn ClientCertVerifier>,
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    /// `is_required`: clients without a certificate are refused.
    ///
    /// # Errors
    /// Nobody is trusted.
    pub fn new(
        roots: Arc<RootCertStore>,
        provider: &Arc<CryptoProvider>,
        is_required: bool,
    ) -> Result<Self, VerifierBuilderError> {
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider));
        let builder = match is_required {
            true => builder,
            false => builder.allow_unauthenticated(),
        };
        Ok(Self {
            strict: builder.build()?,
            roots,
            algorithms: provider.signature_verification_algorithms,
        })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.strict.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.strict.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.strict.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let judged = self
            .strict
            .verify_client_cert(end_entity, intermediates, now);
        let Err(error) = judged else {
            return judged;
        };
        match Certificate::parse(end_entity) {
            Ok(certificate) if certificate.has_old_form() => {
                let at = (now, Purpose::Client);
                let (roots, algorithms) = (&self.roots, &self.algorithms);
                direct::check(&certificate, intermediates, roots, algorithms, at)?;
                Ok(ClientCertVerified::assertion())
            }
            Ok(_) | Err(_) => Err(error),
        }
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
