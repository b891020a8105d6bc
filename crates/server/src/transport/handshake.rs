//! What is said of a handshake of TLS that failed, and what is to be done about it. Every sentence is one of
//! `columba_diagnosis::noted`, so that who reads Chinese gets it in Chinese.

use columba_certificates::Fault;
use columba_speech::words_of;
use rustls::{AlertDescription as Alert, CertificateError, Error, PeerIncompatible};

/// What is said of it.
pub(super) fn said(error: &Error) -> String {
    match error {
        Error::AlertReceived(alert) => format!(
            "the client ended the handshake: {} (alert {})",
            why_ended(*alert),
            u8::from(*alert)
        ),
        Error::NoCertificatesPresented => "the client showed no certificate".to_owned(),
        Error::InvalidCertificate(fault) => refused(fault),
        Error::PeerIncompatible(why) => incompatible(why),
        Error::PeerMisbehaved(why) => {
            with_name("the client broke the rules of TLS", &format!("{why:?}"))
        }
        Error::InvalidMessage(_) => "these bytes are not TLS".to_owned(),
        Error::NoApplicationProtocol => {
            "the client asks for no application protocol (ALPN) that this listener has".to_owned()
        }
        _ => error.to_string(),
    }
}

/// What is to be done about it, where its error tells.
pub(crate) fn advice(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::AlertReceived(Alert::UnknownCA) => {
            "give the client the file of the authority, such as with --cafile"
        }
        Error::AlertReceived(Alert::CertificateExpired) => {
            "renew tls_certificate, or set the client's clock"
        }
        // Mosquitto's clients say this of a name that does not fit, and others of much else.
        Error::AlertReceived(Alert::InternalError) => {
            "perhaps it does not take this listener's certificate: see that the name by which it \
             connects is among the names in it"
        }
        Error::AlertReceived(Alert::BadCertificate | Alert::CertificateUnknown) => {
            "see that the name by which it connects is among the names in it"
        }
        Error::NoCertificatesPresented => {
            "tls_client_certificate is \"required\": give the client a certificate and its key"
        }
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "give it a new one, or set this machine's clock",
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "compare the clocks of the two machines",
        _ => return None,
    })
}

/// Why a client ends a handshake.
fn why_ended(alert: Alert) -> &'static str {
    match alert {
        Alert::UnknownCA => "it does not know who signed this listener's certificate",
        Alert::CertificateExpired => "to it this listener's certificate has expired",
        Alert::CertificateRevoked => "to it this listener's certificate was revoked",
        Alert::BadCertificate
        | Alert::CertificateUnknown
        | Alert::UnsupportedCertificate
        | Alert::AccessDenied => "it does not take this listener's certificate",
        Alert::ProtocolVersion => "it does not take this version of TLS",
        Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            "it has no way of TLS in common with this listener"
        }
        Alert::UnexpectedMessage
        | Alert::BadRecordMac
        | Alert::IllegalParameter
        | Alert::DecodeError
        | Alert::DecryptError => {
            "it does not understand what this listener sent, or takes it for forged"
        }
        Alert::InternalError => "it failed itself",
        Alert::UserCanceled => "it was told to",
        _ => "for another reason",
    }
}

/// Why a client's certificate is refused.
fn refused(fault: &CertificateError) -> String {
    let what = match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the client's certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the client's certificate is not valid yet"
        }
        CertificateError::UnknownIssuer => {
            "the client's certificate is of an authority that is not in tls_client_ca"
        }
        CertificateError::BadSignature => "the signature of the client's certificate is wrong",
        CertificateError::BadEncoding => "what the client shows is no certificate",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the client's certificate is not for clients"
        }
        other => {
            return match Fault::of(other) {
                Some(fault) => format!("the client's certificate is not accepted: {fault}"),
                None => with_name(
                    "the client's certificate does not fit the rules",
                    &format!("{other:?}"),
                ),
            };
        }
    };
    what.to_owned()
}

/// What a client does not have in common with a listener.
fn incompatible(why: &PeerIncompatible) -> String {
    match why {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired => {
            "the client speaks neither TLS 1.2 nor 1.3".to_owned()
        }
        PeerIncompatible::NoCipherSuitesInCommon => {
            "the client has no cipher suite that this listener has".to_owned()
        }
        other => with_name(
            "the client has no way of TLS in common with this listener",
            &format!("{other:?}"),
        ),
    }
}

/// With what rustls calls it, where that is a name.
fn with_name(what: &str, name: &str) -> String {
    match words_of(name) {
        Some(words) => format!("{what} ({words})"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use columba_diagnosis::noted::noted;
    use columba_speech::{Language, Text};
    use rustls::PeerMisbehaved;

    use super::*;
    use crate::transport::TransportError;

    fn in_chinese(error: Error) -> String {
        let english = TransportError::Tls(error).describe();
        columba_speech::catalogue! { ALL; it(what) { en: "{what}", zh: "{what}" } }
        assert_eq!(ALL.len(), 1);
        let text: Text = it(noted(&english));
        assert_eq!(text.to_string(Language::English), english);
        text.to_string(Language::Chinese)
    }

    #[test]
    fn every_alert_is_a_sentence_in_both_languages() {
        for number in 0..=u8::MAX {
            let said = in_chinese(Error::AlertReceived(Alert::from(number)));
            let (_, why) = said.split_once("客户端中止了握手：").expect(&said);
            assert!(!why.starts_with(|first: char| first.is_ascii()), "{said}");
            assert!(said.contains(&format!("警报 {number}")), "{said}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_client_is_a_sentence_in_both_languages() {
        for fault in [
            CertificateError::Expired,
            CertificateError::NotValidYet,
            CertificateError::UnknownIssuer,
            CertificateError::BadSignature,
            CertificateError::BadEncoding,
            CertificateError::InvalidPurpose,
            CertificateError::Revoked,
        ] {
            let said = in_chinese(Error::InvalidCertificate(fault));
            assert!(said.starts_with("TLS：客户端"), "{said}");
        }
        for fault in [
            Fault::OldForm { version: 1 },
            Fault::NotDirect { version: 1 },
            Fault::ConstrainedAuthority,
            Fault::UnknownExtension("1.2.3".to_owned()),
        ] {
            let said = in_chinese(fault.into());
            let (_, why) = said.split_once("：不接受客户端证书：").expect(&said);
            assert!(!why.starts_with("it"), "{said}");
        }
        for error in [
            Error::NoCertificatesPresented,
            Error::NoApplicationProtocol,
            PeerIncompatible::Tls12NotOffered.into(),
            PeerIncompatible::NoCipherSuitesInCommon.into(),
            PeerIncompatible::NoKxGroupsInCommon.into(),
            PeerMisbehaved::InvalidKeyShare.into(),
        ] {
            let said = in_chinese(error);
            assert!(said.starts_with("TLS：客户端"), "{said}");
        }
    }
}
