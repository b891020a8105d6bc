//! Certificates by the recipe of Mosquitto's manual page `mosquitto-tls`, and with what is wrong with
//! them: what Mosquitto's clients take, this binary takes under their names, and the broker shows and
//! takes them too.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::bed::{Broker, columba};

/// Of an authority `ca` or `other`: X.509 version 1, and the host in the common name alone.
fn by_the_recipe(dir: &Path, name: &str, common_name: &str, authority: &str, days: &str) {
    openssl(dir, &format!("genrsa -out {name}.key 2048"));
    openssl(
        dir,
        &format!("req -out {name}.csr -key {name}.key -new -subj /CN={common_name}"),
    );
    openssl(
        dir,
        &format!(
            "x509 -req -in {name}.csr -CA {authority}.crt -CAkey {authority}.key -CAcreateserial \
             -out {name}.crt -days {days}"
        ),
    );
}

/// One that has signed itself and may sign others.
pub(crate) fn self_signed(dir: &Path, name: &str, common_name: &str) {
    openssl(
        dir,
        &format!(
            "req -new -x509 -days 2 -extensions v3_ca -nodes -subj /CN={common_name} -keyout {name}.key \
             -out {name}.crt"
        ),
    );
}

fn openssl(dir: &Path, line: &str) {
    let mut command = Command::new("openssl");
    let made = command.current_dir(dir).args(line.split(' ')).output();
    let made = made.expect("openssl is installed");
    assert!(made.status.success(), "{line}: {made:?}");
}

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        self_signed(dir.path(), "ca", "authority");
        self_signed(dir.path(), "other", "another");
        self_signed(dir.path(), "own", "localhost");
        by_the_recipe(dir.path(), "server", "localhost", "ca", "2");
        by_the_recipe(dir.path(), "expired", "localhost", "ca", "-1");
        by_the_recipe(dir.path(), "client", "pump-17", "ca", "2");
        by_the_recipe(dir.path(), "stranger", "pump-17", "other", "2");
        fs::create_dir(dir.path().join("ours")).expect("a directory");
        let mut link = columba();
        link.arg("link-mosquitto").arg(dir.path().join("ours"));
        assert!(link.output().expect("the binary").status.success());
        Self { dir }
    }

    /// A broker with this certificate, and its port.
    fn broker(&self, certificate: &str, more: &str) -> (Broker, String) {
        let of = |end: &str| self.dir.path().join(format!("{certificate}.{end}"));
        let config = format!(
            "[broker]\nshards = 1\n[[listener]]\nkind = \"tls\"\nbind = \"127.0.0.1:0\"\n\
             anonymous = \"always\"\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n{more}",
            of("crt").display(),
            of("key").display()
        );
        let dir = self.dir.path().join(format!("broker-{certificate}"));
        let mut broker = Broker::start_at("mqtts://", &dir, &config, |_| ());
        // Nobody reads it, and it must not fill up.
        drop(broker.take_stderr());
        let port = broker.port().to_owned();
        (broker, port)
    }

    fn run(&self, mut command: Command, port: &str, line: &str) -> Output {
        let words = ["-p", port, "-t", "a", "-m", "x"];
        command.current_dir(self.dir.path()).args(words);
        command.args(line.split(' '));
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        command.output().expect("mosquitto-clients is installed")
    }

    /// By both clients, whose exit codes are the same; what ours says. Mosquitto's ends with 8 in the place
    /// of 1 where the server is slow enough for the handshake to fail later.
    #[track_caller]
    fn both(&self, port: &str, line: &str, exit: i32) -> String {
        let [theirs, ours] = [PathBuf::from("/usr/bin"), self.dir.path().join("ours")]
            .map(|programs| self.run(Command::new(programs.join("mosquitto_pub")), port, line));
        let found = theirs
            .status
            .code()
            .map(|code| if code == 8 { 1 } else { code });
        assert_eq!(found, Some(exit), "{line}: {theirs:?}");
        assert_eq!(ours.status.code(), Some(exit), "{line}: {ours:?}");
        assert_eq!(theirs.stderr.is_empty(), exit == 0, "{line}: {theirs:?}");
        let said = String::from_utf8_lossy(&ours.stderr).into_owned();
        assert_eq!(said.is_empty(), exit == 0, "{line}: {said}");
        assert_no_debug_text(&said);
        said
    }

    /// With a context that names the server and the authority, and says this besides.
    fn by_context(&self, port: &str, more: &str) -> (Option<i32>, String) {
        let file = self.dir.path().join("config/columba/contexts/home.toml");
        fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
        let ca = self.dir.path().join("ca.crt");
        let url = format!("url = \"mqtts://localhost:{port}\"\n");
        let text = format!("{url}cafile = \"{}\"\n{more}", ca.display());
        fs::write(&file, text).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
        let mut command = columba();
        command.args([
            "pub",
            "--lang",
            "en",
            "--context",
            "home",
            "-t",
            "a",
            "-m",
            "x",
        ]);
        command.env("XDG_CONFIG_HOME", self.dir.path().join("config"));
        let output = command.output().expect("the binary");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }

    /// By the native name.
    fn native(&self, port: &str, line: &str) -> (Option<i32>, String) {
        let mut command = columba();
        command.arg("pub").args(["--lang", "en"]);
        let output = self.run(command, port, line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_no_debug_text(&said);
        (output.status.code(), said)
    }
}

/// Names of types and variants are no words for people.
#[track_caller]
fn assert_no_debug_text(said: &str) {
    for word in [
        "Other",
        "Error(",
        "Unknown",
        "Inconsistent",
        "Mismatch",
        "{",
        "::",
    ] {
        assert!(!said.contains(word), "{said}");
    }
}

#[test]
fn certificates_by_the_recipe_are_taken_as_mosquitto_takes_them() {
    let bench = Bench::new();
    let (_broker, port) = bench.broker("server", "");
    bench.both(&port, "-h localhost --cafile ca.crt", 0);
    bench.both(
        &port,
        "-h localhost --cafile ca.crt --tls-version tlsv1.2",
        0,
    );
    let said = bench.both(&port, "-h 127.0.0.1 --cafile ca.crt", 1);
    assert!(said.contains("its common name is 'localhost'"), "{said}");
    bench.both(&port, "-h 127.0.0.1 --cafile ca.crt --insecure", 0);
    let said = bench.both(&port, "-h localhost --cafile other.crt", 1);
    assert!(said.contains("who signed it is unknown"), "{said}");
    bench.both(&port, "-h localhost --cafile other.crt --insecure", 1);
    let said = bench.both(
        &port,
        "-h localhost --cafile ca.crt --cert client.crt --key ca.key",
        1,
    );
    assert!(
        said.contains("client.crt does not go with the key ca.key"),
        "{said}"
    );
    // A client certificate that nobody asks for.
    bench.both(
        &port,
        "-h localhost --cafile ca.crt --cert client.crt --key client.key",
        0,
    );

    let (exit, said) = bench.native(&port, "-h localhost --cafile ca.crt");
    assert_eq!(exit, Some(8), "{said}");
    assert!(said.contains("--accept-common-name"), "{said}");
    let taken = bench.native(&port, "-h localhost --cafile ca.crt --accept-common-name");
    assert_eq!(taken.0, Some(0), "{taken:?}");
    let taken = bench.by_context(&port, "accept_common_name = true\n");
    assert_eq!(taken.0, Some(0), "{taken:?}");
    let (exit, said) = bench.by_context(&port, "");
    assert_eq!(exit, Some(8), "{said}");
    let (exit, said) = bench.native(&port, "-h localhost --tls-use-os-certs");
    assert_eq!(exit, Some(8), "{said}");
    assert!(said.contains("--cafile"), "{said}");
}

#[test]
fn a_self_signed_certificate_is_trusted_where_it_is_named_itself() {
    let bench = Bench::new();
    let (_broker, port) = bench.broker("own", "");
    bench.both(&port, "-h localhost --cafile own.crt", 0);
    bench.both(&port, "-h localhost --cafile ca.crt", 1);
    bench.both(&port, "-h 127.0.0.1 --cafile own.crt", 1);
    let taken = bench.native(&port, "-h localhost --cafile own.crt");
    assert_eq!(taken.0, Some(0), "{taken:?}");
}

#[test]
fn an_expired_certificate_is_refused_by_both() {
    let bench = Bench::new();
    let (_broker, port) = bench.broker("expired", "");
    let said = bench.both(&port, "-h localhost --cafile ca.crt", 1);
    assert!(said.contains("it has expired"), "{said}");
    bench.both(&port, "-h localhost --cafile ca.crt --insecure", 1);
}

#[test]
fn clients_with_certificates_by_the_recipe_come_in_and_others_do_not() {
    let bench = Bench::new();
    let authority = bench.dir.path().join("ca.crt");
    let more = format!(
        "tls_client_ca = \"{}\"\ntls_client_certificate = \"required\"\n",
        authority.display()
    );
    let (_broker, port) = bench.broker("server", &more);
    let server = "-h localhost --cafile ca.crt";
    bench.both(
        &port,
        &format!("{server} --cert client.crt --key client.key"),
        0,
    );
    // Which error TLS 1.3 ends with depends on who is faster; that it fails does not.
    for line in [
        server.to_owned(),
        format!("{server} --cert stranger.crt --key stranger.key"),
    ] {
        for programs in [PathBuf::from("/usr/bin"), bench.dir.path().join("ours")] {
            let command = Command::new(programs.join("mosquitto_pub"));
            let output = bench.run(command, &port, &line);
            assert_ne!(output.status.code(), Some(0), "{line}: {output:?}");
        }
    }
}
