//! Clients and brokers that do not come to an agreement on TLS: what is said of it, and what to do.

use std::path::Path;

use serde_json::Value;

use crate::lab::{ASKED_MAX, Lab, NOT_DELIVERED, command};

/// A directory with two authorities, `own` and `other`.
fn authorities() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["own", "other"] {
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        openssl(
            dir.path(),
            &[
                &EC[..],
                &["-x509", "-days", "2", "-subj", &subject],
                &["-keyout", &key, "-out", &pem],
            ]
            .concat(),
        );
    }
    dir
}

const EC: [&str; 6] = [
    "req",
    "-newkey",
    "ec",
    "-nodes",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
];

fn openssl(dir: &Path, args: &[&str]) {
    let made = command("openssl", dir)
        .args(args)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{made:?}");
}

/// Has an authority vouch for a host or client, for so many days from now.
fn certify(dir: &Path, (file, host): (&str, &str), authority: &str, days: &str) {
    let [key, csr, pem] = ["key", "csr", "pem"].map(|end| format!("{file}.{end}"));
    let subject = format!("/CN={host}");
    openssl(
        dir,
        &[&EC[..], &["-subj", &subject, "-keyout", &key, "-out", &csr]].concat(),
    );
    std::fs::write(dir.join("names"), format!("subjectAltName=DNS:{host}")).expect("a file");
    let [by, by_key] = ["pem", "key"].map(|end| format!("{authority}.{end}"));
    let what = [
        "x509",
        "-req",
        "-in",
        &csr,
        "-CA",
        &by,
        "-CAkey",
        &by_key,
        "-CAcreateserial",
    ];
    let how = ["-days", days, "-extfile", "names", "-out", &pem];
    openssl(dir, &[&what[..], &how].concat());
}

/// A publisher that comes by TLS; whether it got through.
fn publishes(lab: &Lab, id: &str, authority: &str, more: &[&str]) -> bool {
    let port = lab.tls_port();
    let mut publisher = command("mosquitto_pub", lab.dir.path());
    publisher.args(["-h", "localhost", "-p", &port, "-i", id, "-q", "1"]);
    publisher.args(["-t", "tls/x", "-m", "1", "--cafile", authority]);
    let output = publisher.args(more).output().expect("mosquitto_pub");
    output.status.success()
}

/// The broker knows no client id, so all it can say of the missing one is that somebody failed so.
/// The client is gone before the broker has read why, so it is asked until it has.
#[track_caller]
fn is_noticed(lab: &Lab, id: &str, [code, also]: [&str; 2], parts: &[&str]) {
    let who = format!("topic=tls/x&from={id}");
    let says_all = |report: &Value| {
        let found = report["also"].as_array().into_iter().flatten();
        let mut texts = found.filter(|found| found["code"] == also);
        texts.any(|found| {
            let text = found["text"].as_str().unwrap_or_default();
            parts.iter().all(|part| text.contains(part))
        })
    };
    let mut reports = (0..ASKED_MAX).map(|_| lab.answers(&who, code));
    assert!(
        reports.any(|report| says_all(&report)),
        "{id}: {also} is not noticed with {parts:?}: {:#}",
        lab.answers(&who, code)
    );
}

/// The control: the same with nothing wrong.
#[track_caller]
fn arrives(lab: &Lab, more: &[&str]) {
    let mut hub = lab.listens("hub", &["-q", "1", "-t", "tls/x"]);
    assert!(publishes(lab, "calm", "own.pem", more));
    hub.gets("sending PUBACK");
    lab.says(&["tls/x", "--from", "calm", "--to", "hub"], 0, "D01");
}

/// Cause 37: the client does not trust the certificate, or speaks no TLS.
#[test]
fn a_certificate_is_not_trusted() {
    let dir = authorities();
    certify(dir.path(), ("host", "localhost"), "own", "2");
    let lab = Lab::start_tls(dir, "host", "");
    assert!(!publishes(&lab, "wary", "other.pem", &[]));
    is_noticed(
        &lab,
        "wary",
        ["P01", "P02"],
        &["TLS", "it does not know who signed", "--cafile"],
    );

    // Plain MQTT at the port for TLS.
    let mut plain = command("mosquitto_pub", lab.dir.path());
    let port = lab.tls_port();
    plain.args([
        "-h",
        "localhost",
        "-p",
        &port,
        "-i",
        "plain",
        "-t",
        "tls/x",
        "-m",
        "1",
    ]);
    let output = plain.output().expect("mosquitto_pub");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("unavailable"), "{said}");
    // It said who it is, so the refusal is its own.
    let report = lab.answers("topic=tls/x&from=plain", "P02");
    let verdict = &report["verdict"];
    assert_eq!(verdict["confidence"], "certain", "{report:#}");
    let text = verdict["text"].as_str().unwrap_or_default();
    let what = format!("plain was refused 1 time: the client speaks plain MQTT on port {port}");
    assert!(text.starts_with(&what), "{text}");
    assert!(text.contains("connect with TLS"), "{text}");
    lab.says(&["--to", "plain"], NOT_DELIVERED, "S15");
    // A client that shows the reason string of MQTT 5.
    let mut plain = command(env!("CARGO_BIN_EXE_columba"), lab.dir.path());
    plain.args(["sub", "-V", "5", "-h", "localhost", "-p", &port, "-t", "#"]);
    let output = plain.output().expect("columba");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("connect with TLS"), "{said}");
    arrives(&lab, &[]);
}

/// Cause 37: the broker's certificate has expired, or is of another name.
#[test]
fn a_certificate_has_expired_or_another_name() {
    for (host, days, part) in [
        ("localhost", "-1", "renew tls_certificate"),
        ("elsewhere.example", "2", "the name by which it connects"),
    ] {
        let dir = authorities();
        certify(dir.path(), ("host", host), "own", days);
        let lab = Lab::start_tls(dir, "host", "");
        assert!(!publishes(&lab, "wary", "own.pem", &[]));
        is_noticed(
            &lab,
            "wary",
            ["P01", "P02"],
            &["TLS: the client ended the handshake", part],
        );
    }
}

/// Cause 37: the client's certificate has expired, is of an unknown authority, or is not there.
#[test]
fn a_client_shows_no_good_certificate() {
    let dir = authorities();
    certify(dir.path(), ("host", "localhost"), "own", "2");
    certify(dir.path(), ("good", "calm"), "own", "2");
    certify(dir.path(), ("late", "calm"), "own", "-1");
    certify(dir.path(), ("strange", "calm"), "other", "2");
    let ca = dir.path().join("own.pem").display().to_string();
    let more = format!("tls_client_certificate = \"required\"\ntls_client_ca = \"{ca}\"\n");
    let lab = Lab::start_tls(dir, "host", &more);
    let shows = |name: &str| ["pem", "key"].map(|end| format!("{name}.{end}"));
    for (name, part) in [
        ("late", "the client's certificate has expired"),
        ("strange", "an authority that is not in tls_client_ca"),
    ] {
        let [pem, key] = shows(name);
        assert!(!publishes(
            &lab,
            name,
            "own.pem",
            &["--cert", &pem, "--key", &key]
        ));
        is_noticed(&lab, name, ["P01", "P02"], &["TLS", part]);
    }
    assert!(!publishes(&lab, "bare", "own.pem", &[]));
    is_noticed(
        &lab,
        "bare",
        ["P01", "P02"],
        &["TLS", "give the client a certificate and its key"],
    );
    let [pem, key] = shows("good");
    arrives(&lab, &["--cert", &pem, "--key", &key]);
}

/// Cause 37: a client that ends the handshake in order, and then closes without a word, as Node does.
#[test]
fn a_certificate_is_not_trusted_and_nothing_is_said() {
    let dir = authorities();
    certify(dir.path(), ("host", "localhost"), "own", "2");
    let lab = Lab::start_tls(dir, "host", "");
    for version in ["TLSv1.2", "TLSv1.3"] {
        let script = format!(
            "require('tls').connect({{ host: 'localhost', port: {}, minVersion: '{version}', \
             maxVersion: '{version}' }}).on('error', error => console.log(error.code))",
            lab.tls_port()
        );
        let node = command("node", lab.dir.path())
            .args(["-e", &script])
            .output();
        let said = String::from_utf8(node.expect("node").stdout).expect("text");
        assert!(said.contains("UNABLE_TO_VERIFY"), "{version}: {said}");
        is_noticed(
            &lab,
            "juntrust",
            ["P01", "P02"],
            &["TLS", "before its CONNECT", "perhaps", "health check"],
        );
    }
    // The control: who trusts it leaves no such line.
    arrives(&lab, &[]);
    let report = lab.answers("topic=tls/x&from=calm&to=hub", "D01");
    assert!(!report["also"].to_string().contains("P02"), "{report:#}");
}
