//! Options of Mosquitto's clients that change nothing here, or that cannot be done here and are
//! refused with the reason: silence would leave a script less safe than its author believes.

use std::path::PathBuf;

use clap::Args;

/// See the [module](self).
#[derive(Args, Clone, Debug)]
pub(super) struct RefusedArgs {
    /// No TLS, whatever else asks for it
    #[arg(long)]
    pub(super) no_tls: bool,
    /// Multipath TCP; plain TCP is used, as where the system has none
    #[arg(long)]
    mptcp: bool,
    /// TLS: lowest version, tlsv1.2; 1.3 is used where the server has it
    #[arg(long, value_name = "VERSION")]
    tls_version: Option<String>,
    /// TLS: form of --key, pem
    #[arg(long, value_name = "FORM", requires = "key")]
    keyform: Option<String>,
    #[arg(short = 'A', long, hide = true)]
    bind_address: Option<String>,
    #[arg(long, hide = true)]
    capath: Option<PathBuf>,
    #[arg(long, hide = true)]
    ciphers: Option<String>,
    #[arg(long, hide = true)]
    proxy: Option<String>,
    #[arg(long, hide = true)]
    psk: Option<String>,
    #[arg(long, hide = true)]
    psk_identity: Option<String>,
    #[arg(short = 'S', long, hide = true)]
    srv: bool,
    #[arg(long, hide = true)]
    tls_alpn: Option<String>,
    #[arg(long, hide = true)]
    tls_engine: Option<String>,
    #[arg(long, hide = true)]
    tls_engine_kpass_sha1: Option<String>,
    #[arg(long, hide = true)]
    tls_keylog: Option<PathBuf>,
}

impl RefusedArgs {
    /// Says what cannot be done.
    pub(super) fn check(&self) -> Result<(), String> {
        let refusals = [
            (
                self.bind_address.is_some(),
                "-A: this client leaves the choice of its own address to the system; remove -A, or \
                 set a route",
            ),
            (
                self.capath.is_some(),
                "--capath: this client reads authorities from one file; put them together with \
                 `cat DIR/*.pem > FILE` and give --cafile FILE",
            ),
            (
                self.ciphers.is_some(),
                "--ciphers: this client offers the cipher suites of rustls, all of them with \
                 forward secrecy, and takes no list of OpenSSL's; remove --ciphers",
            ),
            (
                self.proxy.is_some(),
                "--proxy: this client speaks no SOCKS; run it under `proxychains4`, or forward the \
                 port with `ssh -L`",
            ),
            (
                self.psk.is_some() || self.psk_identity.is_some(),
                "--psk: rustls has no TLS with pre-shared keys; use certificates (--cafile, --cert, \
                 --key)",
            ),
            (
                self.srv,
                "-S: this client looks up no SRV records; name the host with -h and the port with -p",
            ),
            (
                self.tls_alpn.is_some(),
                "--tls-alpn: this client offers no application protocol in TLS; use a port of the \
                 server that needs none",
            ),
            (
                self.tls_engine.is_some() || self.tls_engine_kpass_sha1.is_some(),
                "--tls-engine: engines belong to OpenSSL, and this client uses rustls; give the key \
                 as a PEM file with --key",
            ),
            (
                self.tls_keylog.is_some(),
                "--tls-keylog: this client writes no session keys; remove --tls-keylog",
            ),
            (
                self.keyform.as_deref().is_some_and(|form| form != "pem"),
                "--keyform: keys are read from PEM files only; say pem",
            ),
        ];
        if let Some((_, sentence)) = refusals.iter().find(|(is_asked, _)| *is_asked) {
            return Err((*sentence).to_owned());
        }
        match self.tls_version.as_deref() {
            None | Some("tlsv1.1" | "tlsv1.2") => Ok(()),
            Some("tlsv1.3") => Err(
                "--tls-version tlsv1.3: this client takes TLS 1.3 where the \
                                    server has it, else 1.2, and cannot insist; let the server \
                                    refuse 1.2"
                    .to_owned(),
            ),
            Some(other) => Err(format!(
                "--tls-version {other}: the versions are tlsv1.2 and tlsv1.3"
            )),
        }
    }
}
