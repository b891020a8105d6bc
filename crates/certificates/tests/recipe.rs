//! Certificates made with the commands of the manual page `mosquitto-tls`, and with what is wrong
//! with them: handshakes in memory, with TLS 1.2 and 1.3, that both sides end alike.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use columba_certificates::{ClientVerifier, Fault, Names, ServerVerifier, certified_key};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, InconsistentKeys, RootCertStore,
    ServerConfig, ServerConnection, SupportedProtocolVersion,
};

/// A directory in which `openssl` has made things.
struct Workshop(tempfile::TempDir);

impl Workshop {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    #[track_caller]
    fn openssl(&self, line: &str) {
        let mut command = Command::new("openssl");
        let made = command.current_dir(self.path()).args(line.split(' '));
        let made = made.output().expect("openssl is installed");
        assert!(made.status.success(), "{line}: {made:?}");
    }

    /// An authority: "openssl req -new -x509 -days <duration> -extensions v3_ca".
    fn authority(&self, name: &str) {
        self.openssl(&format!(
            "req -new -x509 -days 2 -extensions v3_ca -nodes -subj /CN=authority-{name} -keyout {name}.key -out {name}.crt"
        ));
    }

    /// A key and a certificate for it: "openssl genrsa", "openssl req", "openssl x509 -req".
    fn certificate(&self, name: &str, common_name: &str, authority: &str, more: &str) {
        self.openssl(&format!("genrsa -out {name}.key 2048"));
        self.openssl(&format!(
            "req -out {name}.csr -key {name}.key -new -subj /CN={common_name}"
        ));
        let days = if more.contains("-days") {
            ""
        } else {
            " -days 2"
        };
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {authority}.crt -CAkey {authority}.key -CAcreateserial -out {name}.crt{days}{more}"
        ));
    }

    /// The same of version 3, with extensions.
    fn extended(&self, name: &str, common_name: &str, authority: &str, extensions: &str) {
        let file = format!("{name}.ext");
        fs::write(self.path().join(&file), extensions).expect("a file");
        self.certificate(name, common_name, authority, &format!(" -extfile {file}"));
    }

    /// "openssl req -x509" without anything: a certificate that may sign others.
    fn self_signed(&self, name: &str, common_name: &str) {
        self.openssl(&format!(
            "req -x509 -nodes -newkey rsa:2048 -days 2 -subj /CN={common_name} -keyout {name}.key -out {name}.crt"
        ));
    }

    fn chain(&self, name: &str) -> Vec<CertificateDer<'static>> {
        let file = self.path().join(format!("{name}.crt"));
        let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
        read.expect("certificates")
    }

    fn key(&self, name: &str) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(self.path().join(format!("{name}.key"))).expect("a key")
    }

    fn roots(&self, name: &str) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for certificate in self.chain(name) {
            roots.add(certificate).expect("an authority");
        }
        Arc::new(roots)
    }

    fn identity(&self, name: &str) -> Arc<SingleCertAndKey> {
        let key = certified_key(self.chain(name), self.key(name), &default_provider());
        Arc::new(SingleCertAndKey::from(key.expect("they belong together")))
    }
}

/// Who connects to whom.
#[derive(Clone, Copy)]
struct Meeting<'a> {
    host: &'a str,
    server: &'a str,
    trusted: &'a str,
    names: Names,
    takes_old_forms: bool,
    /// The client's certificate, and whom the server trusts.
    client: Option<(&'a str, &'a str)>,
}

const fn meeting<'a>(host: &'a str, server: &'a str, trusted: &'a str) -> Meeting<'a> {
    Meeting {
        host,
        server,
        trusted,
        names: Names::OrCommonName,
        takes_old_forms: true,
        client: None,
    }
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

impl Meeting<'_> {
    /// With both versions of TLS, which end alike.
    #[track_caller]
    fn outcome(self, workshop: &Workshop) -> Result<(), Error> {
        let [old, new] = VERSIONS.map(|version| self.shake_hands(workshop, version));
        assert_eq!(old.is_ok(), new.is_ok(), "{old:?} {new:?}");
        new
    }

    fn shake_hands(
        self,
        workshop: &Workshop,
        version: &'static SupportedProtocolVersion,
    ) -> Result<(), Error> {
        let provider = Arc::new(default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])?;
        let server = match self.client {
            None => server.with_no_client_auth(),
            Some((_, trusted)) => {
                let verifier = ClientVerifier::new(workshop.roots(trusted), &provider, true);
                server.with_client_cert_verifier(Arc::new(verifier.expect("a verifier")))
            }
        };
        let server = server.with_cert_resolver(workshop.identity(self.server));
        let roots = workshop.roots(self.trusted);
        let verifier = ServerVerifier::new(roots, &provider, self.names, self.takes_old_forms);
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier.expect("a verifier")));
        let client = match self.client {
            None => client.with_no_client_auth(),
            Some((name, _)) => client.with_client_cert_resolver(workshop.identity(name)),
        };
        let host = self.host.to_owned().try_into().expect("a name");
        let mut client = ClientConnection::new(Arc::new(client), host)?;
        let mut server = ServerConnection::new(Arc::new(server))?;
        // Each side's answer may come a round late.
        for _ in 0..4 {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).expect("memory");
            }
            server.read_tls(&mut &wire[..]).expect("memory");
            server.process_new_packets()?;
            wire.clear();
            while server.wants_write() {
                server.write_tls(&mut wire).expect("memory");
            }
            client.read_tls(&mut &wire[..]).expect("memory");
            client.process_new_packets()?;
        }
        assert!(!client.is_handshaking() && !server.is_handshaking());
        Ok(())
    }
}

#[track_caller]
fn refused_as(outcome: Result<(), Error>, expected: &Fault) {
    let error = outcome.expect_err("a refusal");
    let Error::InvalidCertificate(fault) = &error else {
        panic!("{error}");
    };
    assert_eq!(Fault::of(fault), Some(expected), "{error}");
}

#[track_caller]
fn refused_by_rustls(outcome: Result<(), Error>, is_expected: impl Fn(&CertificateError) -> bool) {
    match outcome {
        Err(Error::InvalidCertificate(fault)) => assert!(is_expected(&fault), "{fault:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_recipe_of_the_manual_page_works_for_both_sides() {
    let workshop = Workshop::new();
    workshop.authority("ca");
    workshop.certificate("server", "localhost", "ca", "");
    workshop.certificate("client", "pump-17", "ca", "");
    let plain = meeting("localhost", "server", "ca");
    assert_eq!(plain.outcome(&workshop), Ok(()));
    let mutual = Meeting {
        client: Some(("client", "ca")),
        ..plain
    };
    assert_eq!(mutual.outcome(&workshop), Ok(()));
}

#[test]
fn an_authority_of_version_1_and_an_address_as_the_common_name() {
    let workshop = Workshop::new();
    workshop.openssl("genrsa -out ca.key 2048");
    workshop.openssl("req -new -key ca.key -out ca.csr -subj /CN=old");
    workshop.openssl("x509 -req -in ca.csr -signkey ca.key -days 2 -out ca.crt");
    workshop.certificate("server", "127.0.0.1", "ca", "");
    assert_eq!(
        meeting("127.0.0.1", "server", "ca").outcome(&workshop),
        Ok(())
    );
    let other = meeting("127.0.0.2", "server", "ca").outcome(&workshop);
    refused_as(other, &Fault::OtherCommonName("127.0.0.1".to_owned()));
}

#[test]
fn another_name_is_refused() {
    let workshop = Workshop::new();
    workshop.authority("ca");
    workshop.certificate("server", "localhost", "ca", "");
    let elsewhere = meeting("broker.example", "server", "ca");
    let fault = Fault::OtherCommonName("localhost".to_owned());
    refused_as(elsewhere.outcome(&workshop), &fault);
    let any = Meeting {
        names: Names::Any,
        ..elsewhere
    };
    assert_eq!(any.outcome(&workshop), Ok(()));
}

#[test]
fn another_authority_is_refused_even_if_it_has_the_same_name() {
    let workshop = Workshop::new();
    workshop.authority("ca");
    workshop.certificate("server", "localhost", "ca", "");
    workshop.authority("other");
    workshop.openssl(
        "req -new -x509 -days 2 -extensions v3_ca -nodes -subj /CN=authority-ca -keyout false.key -out false.crt",
    );
    for names in [Names::OrCommonName, Names::Any] {
        let to = |trusted| Meeting {
            names,
            ..meeting("localhost", "server", trusted)
        };
        refused_by_rustls(to("other").outcome(&workshop), |fault| {
            *fault == CertificateError::UnknownIssuer
        });
        refused_by_rustls(to("false").outcome(&workshop), |fault| {
            *fault == CertificateError::BadSignature
        });
    }
}

#[test]
fn what_has_expired_or_is_not_yet_valid_is_refused() {
    let workshop = Workshop::new();
    workshop.authority("ca");
    workshop.certificate("server", "localhost", "ca", " -days -1");
    let outcome = meeting("localhost", "server", "ca").outcome(&workshop);
    refused_by_rustls(outcome, |fault| {
        matches!(fault, CertificateError::ExpiredContext { .. })
    });
    workshop.certificate("good", "localhost", "ca", "");
    workshop.certificate("client", "pump-17", "ca", " -days -1");
    let client = Some(("client", "ca"));
    let outcome = Meeting {
        client,
        ..meeting("localhost", "good", "ca")
    }
    .outcome(&workshop);
    refused_by_rustls(outcome, |fault| {
        matches!(fault, CertificateError::ExpiredContext { .. })
    });
}

#[test]
fn a_client_of_another_authority_is_refused() {
    let workshop = Workshop::new();
    workshop.authority("ca");
    workshop.authority("other");
    workshop.certificate("server", "localhost", "ca", "");
    workshop.certificate("client", "pump-17", "other", "");
    let client = Some(("client", "ca"));
    let outcome = Meeting {
        client,
        ..meeting("localhost", "server", "ca")
    }
    .outcome(&workshop);
    refused_by_rustls(outcome, |fault| *fault == CertificateError::UnknownIssuer);
}

/// A certificate that is trusted itself may say who it is as it likes.
#[test]
fn a_self_signed_certificate_that_may_sign_others_is_its_own_authority() {
    let workshop = Workshop::new();
    workshop.self_signed("server", "localhost");
    workshop.self_signed("other", "localhost");
    let strict = |trusted, takes_old_forms| Meeting {
        names: Names::SubjectAltName,
        takes_old_forms,
        ..meeting("localhost", "server", trusted)
    };
    assert_eq!(strict("server", true).outcome(&workshop), Ok(()));
    let unnamed = strict("server", false).outcome(&workshop);
    refused_as(unnamed, &Fault::OldForm { version: 3 });
    // Of the same name, with another key.
    refused_by_rustls(strict("other", true).outcome(&workshop), |fault| {
        *fault == CertificateError::BadSignature
    });
    let elsewhere = meeting("broker.example", "server", "server").outcome(&workshop);
    refused_as(elsewhere, &Fault::OtherCommonName("localhost".to_owned()));
}

#[test]
fn a_common_name_counts_only_where_that_was_asked_for() {
    let workshop = Workshop::new();
    workshop.authority("ca");
    workshop.certificate("old", "localhost", "ca", "");
    workshop.extended("new", "localhost", "ca", "basicConstraints=CA:FALSE\n");
    for server in ["old", "new"] {
        let wanted = meeting("localhost", server, "ca");
        assert_eq!(wanted.outcome(&workshop), Ok(()));
        let strict = Meeting {
            names: Names::SubjectAltName,
            ..wanted
        };
        refused_as(strict.outcome(&workshop), &Fault::CommonNameOnly);
        let of_the_system = Meeting {
            takes_old_forms: false,
            ..wanted
        };
        assert!(of_the_system.outcome(&workshop).is_err());
    }
}

/// RFC 6125, 6.4.4: the common name is a last resort.
#[test]
fn a_common_name_does_not_count_beside_other_names() {
    let workshop = Workshop::new();
    workshop.authority("ca");
    workshop.extended(
        "server",
        "localhost",
        "ca",
        "subjectAltName=DNS:broker.example\n",
    );
    let outcome = meeting("localhost", "server", "ca").outcome(&workshop);
    refused_by_rustls(outcome, |fault| {
        matches!(fault, CertificateError::NotValidForNameContext { .. })
    });
}

#[test]
fn an_authority_for_certain_names_does_not_vouch_by_a_common_name() {
    let workshop = Workshop::new();
    workshop.openssl(
        "req -new -x509 -days 2 -nodes -subj /CN=narrow -keyout ca.key -out ca.crt -addext nameConstraints=critical,permitted;DNS:example",
    );
    workshop.certificate("old", "localhost", "ca", "");
    workshop.extended("new", "localhost", "ca", "basicConstraints=CA:FALSE\n");
    for server in ["old", "new"] {
        let outcome = meeting("localhost", server, "ca").outcome(&workshop);
        refused_as(outcome, &Fault::ConstrainedAuthority);
    }
}

#[test]
fn a_certificate_of_version_1_is_not_taken_from_an_authority_in_between() {
    let workshop = Workshop::new();
    workshop.authority("ca");
    workshop.extended(
        "between",
        "between",
        "ca",
        "basicConstraints=critical,CA:TRUE\n",
    );
    workshop.certificate("server", "localhost", "between", "");
    let [server, between] = ["server.crt", "between.crt"]
        .map(|file| fs::read_to_string(workshop.path().join(file)).expect("a file"));
    fs::write(workshop.path().join("server.crt"), server + &between).expect("a file");
    let outcome = meeting("localhost", "server", "ca").outcome(&workshop);
    refused_as(outcome, &Fault::NotDirect { version: 1 });
    // What is to be done about it.
    assert_eq!(
        meeting("localhost", "server", "between").outcome(&workshop),
        Ok(())
    );
}

/// One that is for something else does not become a server's by being an authority.
#[test]
fn a_certificate_is_used_only_for_what_it_is_for() {
    let workshop = Workshop::new();
    workshop.authority("ca");
    for (name, extensions) in [
        (
            "signer",
            "basicConstraints=CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n",
        ),
        (
            "client",
            "basicConstraints=CA:TRUE\nextendedKeyUsage=clientAuth\n",
        ),
    ] {
        workshop.extended(name, "localhost", "ca", extensions);
        let outcome = meeting("localhost", name, "ca").outcome(&workshop);
        refused_by_rustls(outcome, |fault| *fault == CertificateError::InvalidPurpose);
    }
    workshop.extended("both", "localhost", "ca", "basicConstraints=CA:TRUE\n");
    assert_eq!(
        meeting("localhost", "both", "ca").outcome(&workshop),
        Ok(())
    );
    workshop.extended(
        "strange",
        "localhost",
        "ca",
        "basicConstraints=CA:TRUE\n1.3.6.1.4.1.32473.1=critical,DER:0500\n",
    );
    let outcome = meeting("localhost", "strange", "ca").outcome(&workshop);
    refused_as(
        outcome,
        &Fault::UnknownExtension("1.3.6.1.4.1.32473.1".to_owned()),
    );
}

#[test]
fn a_key_of_another_certificate_is_found_out() {
    let workshop = Workshop::new();
    workshop.authority("ca");
    workshop.certificate("server", "localhost", "ca", "");
    let taken = certified_key(
        workshop.chain("server"),
        workshop.key("ca"),
        &default_provider(),
    );
    let error = taken.expect_err("a refusal");
    assert_eq!(
        error,
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch)
    );
}
