//! What is wrong with TLS, in words: certificates, alerts, and what two sides do not have in common. Of what
//! there are no words for, the name stands in brackets.

use columba_certificates::Fault;
use columba_speech::{Param, Text, words_of};
use rustls::pki_types::pem;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};

columba_speech::catalogue! {
    /// All sentences.
    pub ALL;

    /// What it is about, and more of it.
    told(what, said) { en: "{what} ({said})", zh: "{what}（{said}）" }
    certificate(why) { en: "the server's certificate is not accepted: {why}", zh: "不接受服务器的证书：{why}" }
    unknown_issuer() { en: "who signed it is unknown", zh: "签发机构未知" }
    expired() { en: "it has expired", zh: "已过期" }
    not_yet() { en: "it is not valid yet", zh: "尚未生效" }
    revoked() { en: "it was revoked", zh: "已被吊销" }
    bad_encoding() { en: "it is no certificate", zh: "编码有误" }
    bad_signature() { en: "its signature is wrong", zh: "签名有误" }
    other_name() { en: "it is for another host name", zh: "其中没有该主机名" }
    purpose() { en: "it is not for servers", zh: "其用途不是服务器" }
    /// Of the version of X.509, and of a name instead of a subjectAltName.
    common_name_only() {
        en: "it names the host in its common name alone, and has no subjectAltName",
        zh: "其中只有通用名（CN）是该主机名，没有 subjectAltName",
    }
    other_common_name(name) {
        en: "it has no subjectAltName, and its common name is '{name}'",
        zh: "其中没有 subjectAltName，通用名（CN）是“{name}”",
    }
    no_name() { en: "it names no host", zh: "其中没有主机名" }
    old_form(version) {
        en: "it is of X.509 version {version} or may sign others itself", zh: "其 X.509 版本为 {version} 或可签发其他证书",
    }
    not_direct(version) {
        en: "it is of X.509 version {version} or may sign others itself, and an authority in between has signed it, so it cannot be verified safely",
        zh: "其 X.509 版本为 {version} 或可签发其他证书，且由中间机构签发，无法安全验证",
    }
    constrained_authority() {
        en: "its authority may vouch for certain names only, and it has no subjectAltName that could be compared with them",
        zh: "其签发机构只能为特定名称签发，而其中没有可供核对的 subjectAltName",
    }
    unknown_extension(id) {
        en: "it has the extension {id}, which must be understood and is not known here",
        zh: "其中有必须识别却不认识的扩展 {id}",
    }
    signature_algorithm() {
        en: "it is signed in a way that is not safe, or not known here", zh: "其签名算法不安全或无法识别",
    }
    not_accepted() { en: "it does not fit the rules", zh: "不符合规则" }

    /// The number of an alert of TLS.
    alert_number(number) { en: "alert {number}", zh: "警报 {number}" }
    alert(what) { en: "the server ended the handshake: {what}", zh: "服务器中止了握手：{what}" }
    no_tls_there() { en: "what came is not TLS", zh: "收到的不是 TLS 数据" }
    ended() { en: "the connection ended within the handshake", zh: "握手期间连接被关闭" }
    handshake_failure() {
        en: "it accepts none of the cipher suites, or wants a certificate of the client",
        zh: "没有双方都支持的密码套件，或要求客户端证书",
    }
    protocol_version() {
        en: "it does not have the versions of TLS that this client has", zh: "不支持本端的 TLS 版本",
    }
    certificate_required() {
        en: "it wants a certificate of the client", zh: "要求客户端证书",
    }
    client_certificate_not_taken() {
        en: "it does not accept the client's certificate", zh: "不接受客户端证书",
    }
    no_application_protocol() {
        en: "it does not have the application protocol", zh: "不支持所要求的应用协议（ALPN）",
    }
    client_authority_unknown() {
        en: "it does not know who signed the client's certificate", zh: "不认识客户端证书的签发机构",
    }
    client_certificate_expired() {
        en: "to it the client's certificate has expired", zh: "认为客户端证书已过期",
    }
    client_certificate_revoked() {
        en: "the client's certificate was revoked", zh: "客户端证书已被吊销",
    }
    access_denied() {
        en: "the client's certificate may not come in", zh: "不允许使用该客户端证书",
    }
    no_such_host() {
        en: "it knows no such host name (SNI)", zh: "不认识这个主机名（SNI）",
    }
    not_understood() {
        en: "it does not understand what the client sent, or takes it for forged",
        zh: "无法理解客户端发送的数据，或认为其被篡改",
    }
    failed_there() { en: "it failed itself", zh: "服务器内部错误" }
    other_alert() { en: "for another reason", zh: "其他原因" }
    incompatible() {
        en: "the two sides have no version or parameter in common", zh: "没有双方都支持的版本或参数",
    }
    misbehaved() { en: "the server broke the rules of TLS", zh: "服务器违反了 TLS 协议" }
    failed() { en: "TLS failed", zh: "TLS 出错" }

    no_plain_key() {
        en: "there is no private key in PEM form without encryption; `openssl pkey` takes it off",
        zh: "没有未加密的 PEM 格式私钥；可用 `openssl pkey` 去除加密",
    }
    pem_none() { en: "there is nothing in PEM form", zh: "没有找到 PEM 内容" }
    pem_wrong() { en: "it is no PEM", zh: "PEM 格式有误" }
    /// What TLS alone has words for.
    other(what) { en: "{what}", zh: "{what}" }
}

/// What rustls says, of a server.
pub fn said(error: &rustls::Error) -> Text {
    match error {
        rustls::Error::InvalidCertificate(fault) => certificate(certificate_fault(fault)),
        rustls::Error::AlertReceived(description) => told(
            alert(alerted(*description)),
            alert_number(u8::from(*description).to_string()),
        ),
        rustls::Error::InvalidMessage(_) => no_tls_there(),
        rustls::Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            protocol_version()
        }
        rustls::Error::PeerIncompatible(why) => named(incompatible(), &format!("{why:?}")),
        rustls::Error::PeerMisbehaved(why) => named(misbehaved(), &format!("{why:?}")),
        rustls::Error::InconsistentKeys(_) => failed(),
        rustls::Error::NoApplicationProtocol => no_application_protocol(),
        _ => told(failed(), error.to_string()),
    }
}

/// What is wrong with a file in PEM form, which may be that of a private key.
pub fn pem_fault(error: &pem::Error, is_key: bool) -> Param {
    match error {
        pem::Error::Io(error) => columba_speech::system(error),
        pem::Error::NoItemsFound if is_key => no_plain_key().into(),
        pem::Error::NoItemsFound => pem_none().into(),
        error => told(pem_wrong(), error.to_string()).into(),
    }
}

/// With what rustls calls it, where that is a name.
fn named(what: Text, name: &str) -> Text {
    match words_of(name) {
        Some(words) => told(what, words),
        None => what,
    }
}

/// Why a server's certificate is not accepted.
pub fn certificate_fault(fault: &CertificateError) -> Text {
    if let Some(fault) = Fault::of(fault) {
        return fault_of_form(fault);
    }
    match fault {
        CertificateError::UnknownIssuer => unknown_issuer(),
        CertificateError::Expired => expired(),
        CertificateError::NotValidYet => not_yet(),
        CertificateError::ExpiredContext { .. } => told(expired(), fault.to_string()),
        CertificateError::NotValidYetContext { .. } => told(not_yet(), fault.to_string()),
        CertificateError::Revoked => revoked(),
        CertificateError::BadEncoding => bad_encoding(),
        CertificateError::BadSignature => bad_signature(),
        CertificateError::NotValidForName => other_name(),
        CertificateError::NotValidForNameContext { .. } => told(other_name(), fault.to_string()),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            purpose()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            signature_algorithm()
        }
        other => named(not_accepted(), &format!("{other:?}")),
    }
}

fn fault_of_form(fault: &Fault) -> Text {
    match fault {
        Fault::CommonNameOnly => common_name_only(),
        Fault::OtherCommonName(name) => other_common_name(name.as_str()),
        Fault::NoName => no_name(),
        Fault::OldForm { version } => old_form(version.to_string()),
        Fault::NotDirect { version } => not_direct(version.to_string()),
        Fault::ConstrainedAuthority => constrained_authority(),
        Fault::UnknownExtension(id) => unknown_extension(id.as_str()),
        _ => other(fault.to_string()),
    }
}

/// Why a server ended a handshake.
pub fn alerted(description: AlertDescription) -> Text {
    match description {
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            handshake_failure()
        }
        AlertDescription::ProtocolVersion => protocol_version(),
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            certificate_required()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown => client_certificate_not_taken(),
        AlertDescription::UnknownCA => client_authority_unknown(),
        AlertDescription::CertificateExpired => client_certificate_expired(),
        AlertDescription::CertificateRevoked => client_certificate_revoked(),
        AlertDescription::AccessDenied => access_denied(),
        AlertDescription::UnrecognisedName => no_such_host(),
        AlertDescription::InternalError => failed_there(),
        AlertDescription::UnexpectedMessage
        | AlertDescription::BadRecordMac
        | AlertDescription::IllegalParameter
        | AlertDescription::DecodeError
        | AlertDescription::DecryptError => not_understood(),
        AlertDescription::NoApplicationProtocol => no_application_protocol(),
        _ => other_alert(),
    }
}

#[cfg(test)]
mod tests {
    use columba_speech::Language;
    use rustls::{Error, PeerMisbehaved};

    use super::*;

    fn check(error: impl Into<Error>, english: &str, chinese: &str) {
        let text = said(&error.into());
        assert_eq!(text.to_string(Language::English), english);
        assert_eq!(text.to_string(Language::Chinese), chinese);
    }

    #[test]
    fn what_rustls_says_is_said_in_words() {
        check(
            Error::AlertReceived(AlertDescription::UnknownCA),
            "the server ended the handshake: it does not know who signed the client's certificate (alert 48)",
            "服务器中止了握手：不认识客户端证书的签发机构（警报 48）",
        );
        check(
            CertificateError::UnknownIssuer,
            "the server's certificate is not accepted: who signed it is unknown",
            "不接受服务器的证书：签发机构未知",
        );
        check(
            PeerIncompatible::NoCipherSuitesInCommon,
            "the two sides have no version or parameter in common (no cipher suites in common)",
            "没有双方都支持的版本或参数（no cipher suites in common）",
        );
        check(
            PeerMisbehaved::InvalidKeyShare,
            "the server broke the rules of TLS (invalid key share)",
            "服务器违反了 TLS 协议（invalid key share）",
        );
    }

    /// No name of rustls comes to people: they are written together.
    #[test]
    fn every_alert_has_words() {
        for number in 0..=u8::MAX {
            let text = alerted(AlertDescription::from(number));
            let english = text.to_string(Language::English);
            assert!(english.contains(' '), "{number}: {english}");
        }
    }
}
