//! What TLS says, in words, with what rustls says of it in brackets.

use std::error::Error;
use std::io;
use std::path::Path;

use columba_client::driver::{TlsFault, TlsFile};
use columba_speech::{Param, Text};
use rustls::pki_types::pem;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};

use super::client::other;
use super::{system, with_fix};

columba_speech::catalogue! {
    /// All sentences.
    pub(super) ALL;

    host_name(host) {
        en: "'{host}' is no name that a certificate can have", zh: "“{host}”不能是证书中的名称",
    }
    nobody_trusted(why) { en: "no certificates to trust: {why}", zh: "没有可信任的证书：{why}" }
    other_key(certificate, why) {
        en: "the certificate {certificate} does not go with its key: {why}",
        zh: "证书 {certificate} 与其密钥不匹配：{why}",
    }
    no_certificate(file) {
        en: "{file} holds no certificate in PEM form", zh: "{file} 中没有 PEM 格式的证书",
    }
    unusable(what, file, why) { en: "cannot use {what} in {file}: {why}", zh: "无法使用 {file} 中的{what}：{why}" }
    private_key() { en: "the private key", zh: "私钥" }
    key_log() { en: "the key log", zh: "密钥日志" }
    a_certificate() { en: "a certificate", zh: "证书" }
    certificates() { en: "the certificates", zh: "证书" }

    pem_none() { en: "there is nothing in PEM form", zh: "没有找到 PEM 内容" }
    pem_wrong() { en: "it is no PEM", zh: "PEM 格式有误" }
    no_roots() {
        en: "no root trust anchors were provided", zh: "未提供任何根证书",
    }

    /// What it is about, and what rustls says.
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
    certificate_refused() {
        en: "it does not accept the client's certificate", zh: "不接受客户端证书",
    }
    no_application_protocol() {
        en: "it does not have the application protocol", zh: "不支持所要求的应用协议（ALPN）",
    }
    other_alert() { en: "for another reason", zh: "其他原因" }
    incompatible() {
        en: "the two sides have no version or parameter in common", zh: "没有双方都支持的版本或参数",
    }
    misbehaved() { en: "the server broke the rules of TLS", zh: "服务器违反了 TLS 协议" }
    failed() { en: "TLS failed", zh: "TLS 出错" }

    name_authority() {
        en: "name the authority that signed the server's certificate with --cafile",
        zh: "请用 --cafile 指定签发服务器证书的机构",
    }
    other_host() {
        en: "use a host name that the certificate has, or --insecure for a test",
        zh: "请使用证书中的主机名；测试时可用 --insecure",
    }
    renew() {
        en: "the server's certificate must be renewed", zh: "服务器的证书需要更新",
    }
    speaks_none() {
        en: "the server does not seem to speak TLS on this port", zh: "服务器在该端口上似乎不使用 TLS",
    }
}

/// Why TLS cannot be set up.
pub(super) fn setup(fault: &TlsFault) -> Text {
    let shown = |path: &Path| path.display().to_string();
    match fault {
        TlsFault::HostName(host) => host_name(host.as_str()),
        TlsFault::NobodyTrusted(source) => {
            let text = source.to_string();
            let known = no_roots();
            let is_known = text == known.to_string(columba_speech::Language::English);
            nobody_trusted(if is_known {
                Param::from(known)
            } else {
                text.into()
            })
        }
        TlsFault::OtherKey {
            certificate,
            source,
        } => other_key(shown(certificate), told(failed(), source.to_string())),
        TlsFault::NoCertificate(path) => no_certificate(shown(path)),
        TlsFault::Unusable { what, path, source } => {
            let what = match what {
                TlsFile::PrivateKey => private_key(),
                TlsFile::KeyLog => key_log(),
                TlsFile::Certificate => a_certificate(),
                TlsFile::Certificates => certificates(),
            };
            unusable(what, shown(path), file_fault(source.as_ref()))
        }
        TlsFault::Other(error) => told(failed(), error.to_string()),
        _ => other(fault.to_string()),
    }
}

fn file_fault(source: &(dyn Error + 'static)) -> Param {
    if let Some(error) = source.downcast_ref::<io::Error>() {
        return system(error);
    }
    if let Some(error) = source.downcast_ref::<rustls::Error>() {
        return tls(error).into();
    }
    match source.downcast_ref::<pem::Error>() {
        Some(pem::Error::Io(error)) => system(error),
        Some(pem::Error::NoItemsFound) => pem_none().into(),
        Some(error) => told(pem_wrong(), error.to_string()).into(),
        None => told(failed(), source.to_string()).into(),
    }
}

/// Why a handshake failed, and what to do.
pub(super) fn handshake(error: &io::Error) -> Param {
    let inner = error.get_ref();
    let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let what = match inner {
        Some(inner) => tls(inner).into(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            told(ended(), error.to_string()).into()
        }
        None => system(error),
    };
    let is_end = error.kind() == io::ErrorKind::UnexpectedEof;
    let advice = match inner {
        Some(rustls::Error::InvalidCertificate(fault)) => match fault {
            CertificateError::UnknownIssuer => Some(name_authority()),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Some(other_host())
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Some(renew()),
            _ => None,
        },
        Some(rustls::Error::InvalidMessage(_)) => Some(speaks_none()),
        _ if is_end => Some(speaks_none()),
        _ => None,
    };
    match advice {
        Some(advice) => with_fix(what, advice).into(),
        None => what,
    }
}

/// What rustls says.
fn tls(error: &rustls::Error) -> Text {
    let what = match error {
        rustls::Error::InvalidCertificate(fault) => match certificate_fault(fault) {
            Some(why) => certificate(why),
            None => failed(),
        },
        rustls::Error::AlertReceived(description) => alert(alerted(*description)),
        rustls::Error::InvalidMessage(_) => no_tls_there(),
        rustls::Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            protocol_version()
        }
        rustls::Error::PeerIncompatible(_) => incompatible(),
        rustls::Error::PeerMisbehaved(_) => misbehaved(),
        rustls::Error::NoApplicationProtocol => no_application_protocol(),
        _ => failed(),
    };
    told(what, error.to_string())
}

fn certificate_fault(fault: &CertificateError) -> Option<Text> {
    Some(match fault {
        CertificateError::UnknownIssuer => unknown_issuer(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => expired(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => not_yet(),
        CertificateError::Revoked => revoked(),
        CertificateError::BadEncoding => bad_encoding(),
        CertificateError::BadSignature => bad_signature(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            other_name()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            purpose()
        }
        _ => return None,
    })
}

fn alerted(description: AlertDescription) -> Text {
    match description {
        AlertDescription::HandshakeFailure => handshake_failure(),
        AlertDescription::ProtocolVersion => protocol_version(),
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            certificate_required()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => certificate_refused(),
        AlertDescription::NoApplicationProtocol => no_application_protocol(),
        _ => other_alert(),
    }
}
