//! What TLS says, in words. Of what there are no words for, the name stands in brackets.

use std::error::Error;
use std::io;
use std::path::Path;

use columba_client::driver::{CertificateFault, TlsFault, TlsFile};
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

    no_plain_key() {
        en: "there is no private key in PEM form without encryption; `openssl pkey` takes it off",
        zh: "没有未加密的 PEM 格式私钥；可用 `openssl pkey` 去除加密",
    }
    pem_none() { en: "there is nothing in PEM form", zh: "没有找到 PEM 内容" }
    pem_wrong() { en: "it is no PEM", zh: "PEM 格式有误" }
    no_roots() {
        en: "no root trust anchors were provided", zh: "未提供任何根证书",
    }

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
    accept_common_name() {
        en: "have it made anew with a subjectAltName, or use --accept-common-name, which trusts the authority to give nobody else a certificate with this name",
        zh: "请重新签发含 subjectAltName 的证书，或使用 --accept-common-name，这意味着相信该机构不会把带有此名称的证书发给别人",
    }
    trust_authority_between() {
        en: "add the certificate of the authority that signed it to the file of --cafile",
        zh: "请把签发它的机构的证书加入 --cafile 的文件",
    }

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
        TlsFault::OtherKey { certificate, key } => other_key(shown(certificate), shown(key)),
        TlsFault::NoCertificate(path) => no_certificate(shown(path)),
        TlsFault::Unusable { what, path, source } => {
            let is_key = *what == TlsFile::PrivateKey;
            let why = match source.downcast_ref::<pem::Error>() {
                Some(pem::Error::NoItemsFound) if is_key => no_plain_key().into(),
                _ => file_fault(source.as_ref()),
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
            _ => match CertificateFault::of(fault) {
                Some(CertificateFault::CommonNameOnly) => Some(accept_common_name()),
                Some(CertificateFault::OldForm { .. }) => Some(name_authority()),
                Some(CertificateFault::NotDirect { .. }) => Some(trust_authority_between()),
                Some(CertificateFault::OtherCommonName(_)) => Some(other_host()),
                _ => None,
            },
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

/// With a name like `NoCipherSuitesInCommon` as words; what is more than a name says nothing to people.
fn named(what: Text, name: &str) -> Text {
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return what;
    }
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    told(what, words)
}

fn certificate_fault(fault: &CertificateError) -> Text {
    if let Some(fault) = CertificateFault::of(fault) {
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

fn fault_of_form(fault: &CertificateFault) -> Text {
    match fault {
        CertificateFault::CommonNameOnly => common_name_only(),
        CertificateFault::OtherCommonName(name) => other_common_name(name.as_str()),
        CertificateFault::NoName => no_name(),
        CertificateFault::OldForm { version } => old_form(version.to_string()),
        CertificateFault::NotDirect { version } => not_direct(version.to_string()),
        CertificateFault::ConstrainedAuthority => constrained_authority(),
        CertificateFault::UnknownExtension(id) => unknown_extension(id.as_str()),
        _ => other(fault.to_string()),
    }
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
