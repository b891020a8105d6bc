//! What TLS says, in words, and what to do about it.

use std::error::Error;
use std::io;
use std::path::Path;

use columba_client::driver::{CertificateFault, TlsFault, TlsFile};
use columba_doctor::text::tls_fault::{ended, failed, pem_fault, said as tls, told};
use columba_speech::{Param, Text};
use rustls::pki_types::pem;
use rustls::{AlertDescription, CertificateError};

use super::client::other;
use super::{system, with_fix};

columba_speech::catalogue! {
    /// All sentences.
    pub(super) ALL;

    host_name(host) {
        en: "'{host}' is no name that a certificate can have", zh: "“{host}”不能是证书中的名称",
    }
    nobody_trusted(why) { en: "no certificates to trust: {why}", zh: "没有可信任的证书：{why}" }
    other_key(certificate, key) {
        en: "the certificate {certificate} does not go with the key {key}",
        zh: "证书 {certificate} 与密钥 {key} 不匹配",
    }
    no_certificate(file) {
        en: "{file} holds no certificate in PEM form", zh: "{file} 中没有 PEM 格式的证书",
    }
    unusable(what, file, why) { en: "cannot use {what} in {file}: {why}", zh: "无法使用 {file} 中的{what}：{why}" }
    private_key() { en: "the private key", zh: "私钥" }
    key_log() { en: "the key log", zh: "密钥日志" }
    a_certificate() { en: "a certificate", zh: "证书" }
    certificates() { en: "the certificates", zh: "证书" }

    no_roots() {
        en: "no root trust anchors were provided", zh: "未提供任何根证书",
    }

    accept_common_name() {
        en: "have it made anew with a subjectAltName, or use --accept-common-name, which trusts the authority to give nobody else a certificate with this name",
        zh: "请重新签发含 subjectAltName 的证书，或使用 --accept-common-name，这意味着相信该机构不会把带有此名称的证书发给别人",
    }
    trust_authority_between() {
        en: "add the certificate of the authority that signed it to the file of --cafile",
        zh: "请把签发它的机构的证书加入 --cafile 的文件",
    }

    name_authority() {
        en: "name the authority that signed the server's certificate with --cafile",
        zh: "请用 --cafile 指定签发服务器证书的机构",
    }
    anew_under_its_name() {
        en: "an authority of that name is trusted, but has another key: name the one that signed the server's certificate with --cafile",
        zh: "受信任的同名机构使用的是另一个密钥；请用 --cafile 指定签发服务器证书的机构",
    }
    other_host() {
        en: "use a host name that the certificate has, or --insecure for a test",
        zh: "请使用证书中的主机名；测试时可用 --insecure",
    }
    renew() {
        en: "the server's certificate must be renewed", zh: "服务器的证书需要更新",
    }
    seems_plain() {
        en: "the port seems to speak plain MQTT: leave --cafile and other options of TLS away, or use the port with TLS, usually 8883",
        zh: "该端口似乎不使用 TLS，而是普通的 MQTT：请去掉 --cafile 等 TLS 选项，或使用 TLS 端口，通常为 8883",
    }
    speaks_none() {
        en: "the server does not seem to speak TLS on this port", zh: "服务器在该端口上似乎不使用 TLS",
    }
}

/// Behind an address: where MQTT has TLS as a rule.
const TLS_PORT: &str = ":8883";

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
        TlsFault::OtherKey { certificate, key } => other_key(shown(certificate), shown(key)),
        TlsFault::NoCertificate(path) => no_certificate(shown(path)),
        TlsFault::Unusable { what, path, source } => {
            let is_key = *what == TlsFile::PrivateKey;
            let why = match source.downcast_ref::<pem::Error>() {
                Some(error) => pem_fault(error, is_key),
                None => file_fault(source.as_ref()),
            };
            let what = match what {
                TlsFile::PrivateKey => private_key(),
                TlsFile::KeyLog => key_log(),
                TlsFile::Certificate => a_certificate(),
                TlsFile::Certificates => certificates(),
            };
            unusable(what, shown(path), why)
        }
        TlsFault::Other(error) => tls(error),
        _ => other(fault.to_string()),
    }
}

/// What is wrong with a file of certificates or a key.
pub(super) fn file_fault(source: &(dyn Error + 'static)) -> Param {
    if let Some(error) = source.downcast_ref::<io::Error>() {
        return system(error);
    }
    if let Some(error) = source.downcast_ref::<rustls::Error>() {
        return tls(error).into();
    }
    match source.downcast_ref::<pem::Error>() {
        Some(error) => pem_fault(error, false),
        None => told(failed(), source.to_string()).into(),
    }
}

/// Why a handshake with this address failed, and what to do.
pub(super) fn handshake(address: &str, error: &io::Error) -> Param {
    let inner = error.get_ref();
    let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let what = match inner {
        Some(inner) => tls(inner).into(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            told(ended(), error.to_string()).into()
        }
        None => system(error),
    };
    // What a broker does with the first bytes of TLS where it speaks none: to it they are no CONNECT.
    // A close that leaves them unread is a reset.
    let is_end = matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    );
    let advice = match inner {
        Some(rustls::Error::InvalidCertificate(fault)) => match fault {
            CertificateError::UnknownIssuer => Some(name_authority()),
            CertificateError::BadSignature => Some(anew_under_its_name()),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Some(other_host())
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Some(renew()),
            _ => match CertificateFault::of(fault) {
                Some(CertificateFault::CommonNameOnly) => Some(accept_common_name()),
                Some(CertificateFault::OldForm { .. }) => Some(name_authority()),
                Some(CertificateFault::NotDirect { .. }) => Some(trust_authority_between()),
                Some(CertificateFault::OtherCommonName(_)) => Some(other_host()),
                _ => None,
            },
        },
        Some(rustls::Error::InvalidMessage(_)) => Some(speaks_none()),
        // The answer of Columba to TLS where there is none.
        Some(rustls::Error::AlertReceived(AlertDescription::UnexpectedMessage)) => {
            Some(seems_plain())
        }
        _ if is_end && address.ends_with(TLS_PORT) => Some(speaks_none()),
        _ if is_end => Some(seems_plain()),
        _ => None,
    };
    match advice {
        Some(advice) => with_fix(what, advice).into(),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_speech::Language;

    #[test]
    fn an_end_at_the_first_bytes_is_taken_for_a_port_without_tls() {
        for kind in [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::BrokenPipe,
        ] {
            let said = |address| handshake(address, &kind.into()).to_string(Language::English);
            let plain = said("broker.example:1883");
            assert!(plain.contains("seems to speak plain MQTT"), "{plain}");
            let usual = said("broker.example:8883");
            assert!(usual.contains("does not seem to speak TLS"), "{usual}");
        }
        let alert = rustls::Error::AlertReceived(AlertDescription::UnexpectedMessage);
        let columba = handshake("a:1", &io::Error::other(alert)).to_string(Language::English);
        assert!(columba.contains("seems to speak plain MQTT"), "{columba}");
        let other = handshake("a:1", &io::ErrorKind::PermissionDenied.into());
        let other = other.to_string(Language::English);
        assert!(!other.contains("plain MQTT"), "{other}");
    }
}
