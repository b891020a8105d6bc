//! What is wrong with a server's certificates: every fault by itself, not only the first.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use columba_certificates::{Names, ServerVerifier};
use columba_speech::{Param, Text};
use rustls::client::danger::ServerCertVerifier as _;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{AlertDescription, CertificateError, Error, RootCertStore};
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};
use x509_cert::time::Time;
use x509_cert::{Certificate, Version};

use crate::report::{Check, Finding};
use crate::text::{tls as text, tls_fault};
use crate::tls::{Facts, TlsError, provider};

const DAY: Duration = Duration::from_secs(86_400);
/// A certificate that ends sooner is worth a warning; automatic renewal happens at 30 days.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// Names that are shown of a certificate.
const NAMES_MAX: usize = 12;

/// What a certificate says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Certified {
    subject: String,
    issuer: String,
    not_before: Time,
    not_after: Time,
    names: Vec<String>,
    is_authority: bool,
    /// Whether it is of a version without extensions.
    is_old: bool,
}

impl Certified {
    fn parse(der: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let body = certificate.tbs_certificate();
        let names = match body.get_extension::<SubjectAltName>() {
            Ok(Some((_, SubjectAltName(names)))) => names.iter().filter_map(name).collect(),
            Ok(None) | Err(_) => Vec::new(),
        };
        let constraints = body.get_extension::<BasicConstraints>();
        let shown = |name: String| match name.as_str() {
            "" => "?".to_owned(),
            _ => crate::port::shown(&name),
        };
        Some(Self {
            subject: shown(body.subject().to_string()),
            issuer: shown(body.issuer().to_string()),
            not_before: body.validity().not_before,
            not_after: body.validity().not_after,
            names,
            is_old: body.version() != Version::V3,
            is_authority: matches!(constraints, Ok(Some((_, constraints))) if constraints.ca),
        })
    }

    fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(crate::port::shown(name.as_str())),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
            Some(v4.or_else(|_| v6()).ok()?.to_string())
        }
        _ => None,
    }
}

/// How the server's certificates are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Viewpoint<'a> {
    /// The host that was asked for.
    pub host: &'a str,
    /// Whom this client trusts.
    pub roots: &'a RootCertStore,
    /// Whether those are the ones of a file that the user named.
    pub has_ca_file: bool,
    /// Whether another name is accepted.
    pub accepts_any_name: bool,
    /// Whether a common name will do.
    pub accepts_common_name: bool,
    /// Time since 1970.
    pub now: Duration,
}

/// What a finished handshake means.
pub fn judge(facts: &Facts, viewpoint: Viewpoint<'_>) -> Vec<Finding> {
    let Some(der) = facts.chain.first() else {
        return vec![Finding::fail(Check::Tls, text::no_certificate())];
    };
    let Some(leaf) = Certified::parse(der) else {
        return vec![Finding::fail(Check::Tls, text::certificate_unreadable())];
    };
    let mut findings = Vec::new();
    findings.extend(lifetime(&leaf, viewpoint.now));
    let parsed = ParsedCertificate::try_from(der);
    match &parsed {
        // Clients take it, though it has a fault that strict ones would not forgive.
        _ if takes(facts, &leaf, viewpoint) => {}
        Ok(parsed) => {
            findings.extend(trust(facts, &leaf, parsed, viewpoint));
            findings.extend(host_name(&leaf, parsed, viewpoint));
        }
        Err(_) if leaf.is_old => {
            let finding = Finding::fail(Check::Tls, text::certificate_of_old_version());
            findings.push(finding.fix(text::certificate_of_old_version_fix(viewpoint.host)));
        }
        Err(error) => {
            let what = text::certificate_refused(refused_for(error));
            findings.push(Finding::fail(Check::Tls, what));
        }
    }
    let has_failed = findings.iter().any(|f| f.mark == crate::report::Mark::Fail);
    if !has_failed
        && !findings
            .iter()
            .any(|f| f.what.code() == "certificate_ends_soon")
    {
        let days = left(&leaf, viewpoint.now).as_secs() / DAY.as_secs();
        let what = text::tls_good(facts.version, leaf.subject, days, date(&leaf.not_after));
        let alpn = facts.alpn.as_deref().map(text::alpn);
        findings.insert(0, Finding::pass(Check::Tls, what).note(alpn));
    }
    findings
}

/// Whether a client with the same options takes the certificate in spite of its form.
fn takes(facts: &Facts, leaf: &Certified, viewpoint: Viewpoint<'_>) -> bool {
    let names = match viewpoint.accepts_common_name {
        _ if viewpoint.accepts_any_name && leaf.is_old => Names::Any,
        // There is a warning of a name that does not fit.
        _ if viewpoint.accepts_any_name => return false,
        true => Names::OrCommonName,
        false => Names::SubjectAltName,
    };
    let roots = Arc::new(viewpoint.roots.clone());
    let verifier = ServerVerifier::new(roots, &provider(), names, viewpoint.has_ca_file);
    let host = ServerName::try_from(viewpoint.host.to_owned());
    let (Ok(verifier), Ok(host), [leaf, others @ ..]) = (verifier, host, &*facts.chain) else {
        return false;
    };
    let now = UnixTime::since_unix_epoch(viewpoint.now);
    let taken = verifier.verify_server_cert(leaf, others, &host, &[], now);
    taken.is_ok()
}

/// Whether this is the certificate's time, or this machine's clock is wrong.
fn lifetime(leaf: &Certified, now: Duration) -> Option<Finding> {
    let start = leaf.not_before.to_unix_duration();
    let end = leaf.not_after.to_unix_duration();
    if now < start {
        let what = text::certificate_not_yet(date(&leaf.not_before));
        return Some(Finding::fail(Check::Tls, what).fix(text::clock_fix(today(now))));
    }
    if now > end {
        let days = (now - end).as_secs() / DAY.as_secs();
        let what = text::certificate_expired(date(&leaf.not_after), days);
        let finding = Finding::fail(Check::Tls, what).fix(text::certificate_renew_fix());
        return Some(finding.fix(text::clock_fix(today(now))));
    }
    (end - now < SOON).then(|| {
        let days = (end - now).as_secs() / DAY.as_secs();
        let what = text::certificate_ends_soon(days, date(&leaf.not_after));
        Finding::warn(Check::Tls, what).fix(text::certificate_renew_fix())
    })
}

fn left(leaf: &Certified, now: Duration) -> Duration {
    leaf.not_after.to_unix_duration().saturating_sub(now)
}

/// Whether an authority that this client trusts has signed the chain.
fn trust(
    facts: &Facts,
    leaf: &Certified,
    parsed: &ParsedCertificate<'_>,
    viewpoint: Viewpoint<'_>,
) -> Option<Finding> {
    // At a time when the certificate is valid, so that its age is not taken for a lack of trust.
    let (start, end) = (&leaf.not_before, &leaf.not_after);
    let time = viewpoint.now.clamp(
        start.to_unix_duration(),
        end.to_unix_duration().max(start.to_unix_duration()),
    );
    let verified = verify_server_cert_signed_by_trust_anchor(
        parsed,
        viewpoint.roots,
        facts.chain.get(1..).unwrap_or_default(),
        UnixTime::since_unix_epoch(time),
        provider().signature_verification_algorithms.all,
    );
    let error = match verified {
        Ok(()) => return None,
        Err(error) => error,
    };
    if leaf.is_authority {
        let what = text::certificate_of_authority(leaf.subject.as_str());
        return Some(Finding::fail(Check::Tls, what).fix(text::certificate_of_authority_fix()));
    }
    if error == Error::InvalidCertificate(CertificateError::BadSignature) {
        // Made anew under the same name, the usual end of a home-made authority.
        let what = text::issuer_has_other_key(leaf.issuer.as_str());
        return Some(Finding::fail(Check::Tls, what).fix(text::other_ca_file_fix()));
    }
    if error != Error::InvalidCertificate(CertificateError::UnknownIssuer) {
        let what = text::certificate_refused(refused_for(&error));
        return Some(Finding::fail(Check::Tls, what));
    }
    let finding = if leaf.is_self_signed() {
        Finding::fail(
            Check::Tls,
            text::certificate_self_signed(leaf.subject.as_str()),
        )
    } else {
        let missing = missing_issuer(&facts.chain, leaf);
        let finding = Finding::fail(Check::Tls, text::issuer_unknown(missing.as_str()));
        let sent = facts.chain.len();
        finding.note((sent == 1).then(text::chain_of_one))
    };
    Some(if viewpoint.has_ca_file {
        finding.fix(text::other_ca_file_fix())
    } else {
        finding.fix(text::ca_file_fix())
    })
}

/// Why rustls refuses a certificate.
fn refused_for(error: &Error) -> Text {
    match error {
        Error::InvalidCertificate(fault) => tls_fault::certificate_fault(fault),
        _ => tls_fault::said(error),
    }
}

/// The issuer at the end of the chain, whose certificate nobody has.
fn missing_issuer(chain: &[CertificateDer<'_>], leaf: &Certified) -> String {
    let others: Vec<_> = chain.iter().skip(1).filter_map(Certified::parse).collect();
    let mut wanted = leaf.issuer.clone();
    // A chain cannot be longer than its certificates, even if they sign each other in a circle.
    for _ in 0..others.len() {
        match others.iter().find(|other| other.subject == wanted) {
            Some(other) if !other.is_self_signed() => wanted.clone_from(&other.issuer),
            Some(_) | None => break,
        }
    }
    wanted
}

/// Whether the certificate is for this host.
fn host_name(
    leaf: &Certified,
    parsed: &ParsedCertificate<'_>,
    viewpoint: Viewpoint<'_>,
) -> Option<Finding> {
    let wanted = ServerName::try_from(viewpoint.host.to_owned()).ok()?;
    if verify_server_name(parsed, &wanted).is_ok() {
        return None;
    }
    let names = Param::list(leaf.names.iter().take(NAMES_MAX).map(String::as_str));
    let what: Text = if leaf.names.is_empty() {
        text::no_names(leaf.subject.as_str())
    } else {
        text::other_names(viewpoint.host, names)
    };
    if viewpoint.accepts_any_name {
        return Some(Finding::warn(Check::Tls, what).note(text::any_name_accepted()));
    }
    let finding = Finding::fail(Check::Tls, what);
    let first = leaf.names.iter().find(|name| !name.starts_with('*'));
    Some(
        finding
            .fix(first.map(|name| text::use_name_fix(name.as_str())))
            .fix(text::name_fix(viewpoint.host)),
    )
}

/// What a handshake that failed, or a connection that was cut after it, means.
pub fn judge_failure(error: &TlsError, has_certificate: bool, patience: Duration) -> Finding {
    let alert = match error {
        TlsError::Alert(alert) => *alert,
        TlsError::Incompatible(why) => {
            let what = text::tls_incompatible(why.clone());
            return Finding::fail(Check::Tls, what).fix(text::tls_version_fix());
        }
        TlsError::NotTls => return Finding::fail(Check::Tls, text::not_tls()),
        TlsError::Silent => return Finding::fail(Check::Tls, text::tls_silent(patience)),
        TlsError::Closed(error) => {
            return Finding::fail(Check::Tls, text::tls_closed(error.to_string()));
        }
        TlsError::Name => return Finding::fail(Check::Tls, text::name_unusable()),
    };
    let number = u8::from(alert).to_string();
    let what = text::tls_alert(tls_fault::alerted(alert), number);
    let finding = Finding::fail(Check::Tls, what);
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::HandshakeFailure
            if !has_certificate =>
        {
            finding
                .note(text::client_certificate_wanted())
                .fix(text::client_certificate_fix())
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => finding
            .note(text::client_certificate_refused())
            .fix(text::client_certificate_refused_fix()),
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => {
            finding.fix(text::tls_version_fix())
        }
        AlertDescription::UnrecognisedName => finding.fix(text::server_name_fix()),
        AlertDescription::NoApplicationProtocol => finding.fix(text::alpn_fix()),
        _ => finding,
    }
}

fn date(time: &Time) -> String {
    let date = time.to_date_time();
    format!("{}-{:02}-{:02}", date.year(), date.month(), date.day())
}

/// The date that this machine believes in.
fn today(now: Duration) -> String {
    x509_cert::der::DateTime::from_unix_duration(now).map_or_else(
        |_| "?".to_owned(),
        |date| format!("{}-{:02}-{:02}", date.year(), date.month(), date.day()),
    )
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;
    use crate::report::Mark;

    /// Certificates of an authority `Test CA` that are valid in 2030.
    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        certificate: CertificateDer<'static>,
    }

    fn params(names: &[&str], subject: &str) -> CertificateParams {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = rcgen::date_time_ymd(2030, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 12, 31);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject);
        params
    }

    impl Authority {
        fn new() -> Self {
            Self::named("Test CA")
        }

        fn named(name: &str) -> Self {
            let key = KeyPair::generate().expect("a key");
            let mut params = params(&[], name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let certificate = params.self_signed(&key).expect("a certificate");
            Self {
                certificate: certificate.der().clone(),
                issuer: Issuer::new(params, key),
            }
        }

        fn sign(&self, names: &[&str]) -> CertificateDer<'static> {
            let key = KeyPair::generate().expect("a key");
            let signed = params(names, "broker").signed_by(&key, &self.issuer);
            signed.expect("a certificate").der().clone()
        }
    }

    /// Findings on 2030, this month, at its 20th.
    fn check(
        chain: &[CertificateDer<'static>],
        trusted: &[CertificateDer<'static>],
        host: &str,
        days_into_2030: u64,
    ) -> Vec<(Mark, &'static str)> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        let facts = Facts {
            version: "1.3",
            chain: chain.to_vec(),
            ..Facts::default()
        };
        let viewpoint = Viewpoint {
            host,
            roots: &roots,
            has_ca_file: true,
            accepts_common_name: false,
            accepts_any_name: false,
            now: Duration::from_secs(1_893_456_000)
                + DAY * u32::try_from(days_into_2030).expect("few"),
        };
        let findings = judge(&facts, viewpoint);
        findings.iter().map(|f| (f.mark, f.what.code())).collect()
    }

    #[test]
    fn every_fault_of_a_certificate_is_told() {
        let authority = Authority::new();
        let roots = [authority.certificate.clone()];
        let good = [authority.sign(&["broker.test", "127.0.0.1"])];
        for (host, day, found) in [
            ("broker.test", 20, vec![(Mark::Pass, "tls_good")]),
            ("127.0.0.1", 20, vec![(Mark::Pass, "tls_good")]),
            ("other.test", 20, vec![(Mark::Fail, "other_names")]),
            (
                "broker.test",
                360,
                vec![(Mark::Warn, "certificate_ends_soon")],
            ),
            (
                "broker.test",
                400,
                vec![(Mark::Fail, "certificate_expired")],
            ),
            (
                "other.test",
                400,
                vec![
                    (Mark::Fail, "certificate_expired"),
                    (Mark::Fail, "other_names"),
                ],
            ),
        ] {
            assert_eq!(check(&good, &roots, host, day), found, "{host} {day}");
        }
        for (stranger, code) in [
            ("Other CA", "issuer_unknown"),
            ("Test CA", "issuer_has_other_key"),
        ] {
            let stranger = [Authority::named(stranger).certificate];
            let found = check(&good, &stranger, "broker.test", 20);
            assert_eq!(found, [(Mark::Fail, code)]);
        }
    }

    #[test]
    fn self_signed_certificates_are_told_apart() {
        let key = KeyPair::generate().expect("a key");
        let own = params(&["broker.test"], "broker")
            .self_signed(&key)
            .expect("one");
        let own = [own.der().clone()];
        assert_eq!(
            check(&own, &[], "broker.test", 20),
            [(Mark::Fail, "certificate_self_signed")]
        );
        let authority = [Authority::new().certificate];
        let found = check(&authority, &authority, "broker.test", 20);
        assert_eq!(found[0], (Mark::Fail, "certificate_of_authority"));
        assert_eq!(found[1], (Mark::Fail, "no_names"));
    }

    #[test]
    fn the_missing_issuer_is_named() {
        let root = Authority::new();
        let key = KeyPair::generate().expect("a key");
        let mut middle = params(&[], "Middle CA");
        middle.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let middle_certificate = middle
            .signed_by(&key, &root.issuer)
            .expect("one")
            .der()
            .clone();
        let middle = Authority {
            certificate: middle_certificate,
            issuer: Issuer::new(middle, key),
        };
        let leaf = middle.sign(&["broker.test"]);
        let parsed = Certified::parse(&leaf).expect("a certificate");
        assert_eq!(
            missing_issuer(std::slice::from_ref(&leaf), &parsed),
            "CN=Middle CA"
        );
        let chain = [leaf, middle.certificate.clone()];
        assert_eq!(missing_issuer(&chain, &parsed), "CN=Test CA");
        let roots = [root.certificate];
        assert_eq!(
            check(&chain, &roots, "broker.test", 20),
            [(Mark::Pass, "tls_good")]
        );
    }

    #[test]
    fn bytes_that_are_no_certificate_are_told() {
        let bytes = [CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])];
        assert_eq!(
            check(&bytes, &[], "h", 0),
            [(Mark::Fail, "certificate_unreadable")]
        );
        assert_eq!(check(&[], &[], "h", 0), [(Mark::Fail, "no_certificate")]);
    }
}
