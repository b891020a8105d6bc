//! Throw-away certificates for TLS listeners, by the `openssl` program.

use std::path::{Path, PathBuf};

use crate::process::{command, quiet};

/// A certificate authority and a server certificate for loopback.
pub(crate) struct Certificates {
    /// The authority that clients trust.
    pub(crate) ca: PathBuf,
    /// The server's certificate.
    pub(crate) cert: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
}

/// Makes them in `dir`.
pub(crate) fn make(dir: &Path) -> anyhow::Result<Certificates> {
    let new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    let mut authority = command(new);
    authority
        .current_dir(dir)
        .args([
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            "/CN=Columba test authority",
        ])
        .args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
    quiet(authority)?;
    let mut server = command(new);
    server
        .current_dir(dir)
        .args(["-CA", "ca.pem", "-CAkey", "ca.key"])
        .args([
            "-keyout",
            "server.key",
            "-out",
            "server.pem",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "extendedKeyUsage=serverAuth"]);
    quiet(server)?;
    Ok(Certificates {
        ca: dir.join("ca.pem"),
        cert: dir.join("server.pem"),
        key: dir.join("server.key"),
    })
}
