//! The section `[admin]`: where operators come in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::parse_addr;
use super::settings::Table;
use crate::listener::TlsFiles;

/// The port of the management API.
const PORT: u16 = 61680;

/// The door for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Whether there is one.
    pub is_enabled: bool,
    /// Where it listens.
    pub bind: SocketAddr,
    /// Whether the file says so; if not, another program may have the port.
    pub is_bind_set: bool,
    /// Its keys; plain HTTP without.
    pub tls: Option<TlsFiles>,
    /// Its Unix socket.
    pub socket: PathBuf,
    /// The tokens file.
    pub tokens: PathBuf,
    /// Users that may do everything, besides those in the group `admin`.
    pub users: Vec<String>,
    /// Names that it is reached under, besides addresses and localhost.
    pub hosts: Vec<String>,
    /// Connections at a time.
    pub connections_max: usize,
}

impl Admin {
    /// Reads and checks.
    pub(super) fn read(
        table: &Table,
        base: &Path,
        data_dir: &Path,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let path = |key| table.text(key).map(|text| base.join(text));
        let bind = read_bind(table, faults);
        let tls = read_tls(table, base, faults);
        let is_remote = !bind.ip().to_canonical().is_loopback();
        if is_remote && tls.is_none() && !table.is_on("allow_plaintext") {
            let what = format!("bind: {bind} is open to other machines, and there is no TLS");
            let fix = "name tls_certificate and tls_key, or write bind = \"127.0.0.1:61680\"; on a \
                       network that is trusted, allow_plaintext = true";
            faults.push(Fault::error(table.place_of("bind").clone(), what).fix(fix));
        }
        Self {
            is_enabled: table.is_on("enabled"),
            bind,
            is_bind_set: table.is_set("bind"),
            tls,
            socket: path("socket").unwrap_or_else(|| data_dir.join("admin.sock")),
            tokens: path("tokens").unwrap_or_else(|| base.join("etc/tokens")),
            users: table.texts("users").unwrap_or_default(),
            hosts: table.texts("hosts").unwrap_or_default(),
            connections_max: table
                .number("connections_max")
                .and_then(|max| usize::try_from(max).ok())
                .unwrap_or(1),
        }
    }
}

fn read_bind(table: &Table, faults: &mut Vec<Fault>) -> SocketAddr {
    let default = SocketAddr::from(([127, 0, 0, 1], PORT));
    let Some(text) = table.text("bind") else {
        return default;
    };
    match parse_addr(&text, PORT) {
        Ok(addr) => addr,
        Err(fix) => {
            let what = format!("bind: `{text}` is no ADDRESS:PORT");
            faults.push(Fault::error(table.place_of("bind").clone(), what).fix(fix));
            default
        }
    }
}

fn read_tls(table: &Table, base: &Path, faults: &mut Vec<Fault>) -> Option<TlsFiles> {
    let mut file = |key: &str, other: &str| {
        let Some(path) = table.text(key).map(|text| base.join(text)) else {
            if table.is_set(other) {
                let what = format!("{other} without {key}");
                let fault = Fault::error(table.place_of(other).clone(), what);
                faults.push(fault.fix(format!("name the PEM file in {key}, or remove {other}")));
            }
            return None;
        };
        if !path.is_file() {
            let what = format!("{key}: there is no file {}", path.display());
            let fault = Fault::error(table.place_of(key).clone(), what);
            faults.push(fault.fix("put the PEM file there or correct the path"));
        }
        Some(path)
    };
    let certificate_chain = file("tls_certificate", "tls_key");
    let key = file("tls_key", "tls_certificate");
    Some(TlsFiles {
        certificate_chain: certificate_chain?,
        key: key?,
        client_authority: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::fault::{Fault, has_errors};
    use super::*;

    fn read(text: &str) -> (Admin, Vec<Fault>) {
        let text = format!("[admin]\n{text}\n");
        let (config, faults) = Config::read("etc/columba.toml", &text, Path::new("/i"), []);
        (config.admin, faults)
    }

    #[test]
    fn the_door_is_open_to_this_machine_alone_unless_the_file_says_more() {
        let (admin, faults) = read("");
        assert_eq!(faults, []);
        assert!(admin.is_enabled && !admin.is_bind_set && admin.tls.is_none());
        assert_eq!(admin.bind.to_string(), "127.0.0.1:61680");
        assert_eq!(admin.socket, Path::new("/i/data/admin.sock"));
        assert_eq!(admin.tokens, Path::new("/i/etc/tokens"));
        let check = |text: &str, expected: &str| {
            let (_, faults) = read(text);
            assert!(has_errors(&faults), "{text}");
            let told = faults.iter().map(Fault::in_one_line).collect::<Vec<_>>();
            assert!(told.iter().any(|line| line.contains(expected)), "{told:?}");
        };
        check("bind = \"0.0.0.0:61680\"", "there is no TLS");
        check("bind = \"[::]:1\"", "there is no TLS");
        check("bind = \"home\"", "no ADDRESS:PORT");
        check(
            "tls_key = \"etc/key.pem\"",
            "tls_key without tls_certificate",
        );
        check(
            "tls_certificate = \"etc/no.pem\"\ntls_key = \"etc/no.key\"",
            "there is no file",
        );
        for text in [
            "bind = \"127.0.0.2:1\"",
            "bind = \"[::1]:1\"",
            "bind = \"0.0.0.0:1\"\nallow_plaintext = true",
        ] {
            assert_eq!(read(text).1, [], "{text}");
        }
    }
}
