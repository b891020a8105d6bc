//! Options of Mosquitto's clients that change nothing here, or that cannot be done here and are
//! refused with the reason: silence would leave a script less safe than its author believes.

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
    /// TLS: form of --key, pem
    #[arg(long, value_name = "FORM", requires = "key")]
    keyform: Option<String>,
    #[arg(long, hide = true)]
    ciphers: Option<String>,
    #[arg(long, hide = true)]
    psk: Option<String>,
    #[arg(long, hide = true)]
    psk_identity: Option<String>,
    #[arg(short = 'S', long, hide = true)]
    srv: bool,
    #[arg(long, hide = true)]
    tls_engine: Option<String>,
    #[arg(long, hide = true)]
    tls_engine_kpass_sha1: Option<String>,
}

impl RefusedArgs {
    /// Says what cannot be done.
    pub(super) fn check(&self) -> Result<(), String> {
        let refusals = [
            (
                self.ciphers.is_some(),
                "--ciphers: this client offers the cipher suites of rustls, all of them with \
                 forward secrecy, and takes no list of OpenSSL's; remove --ciphers",
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
                self.tls_engine.is_some() || self.tls_engine_kpass_sha1.is_some(),
                "--tls-engine: engines belong to OpenSSL, and this client uses rustls; give the key \
                 as a PEM file with --key",
            ),
            (
                self.keyform.as_deref().is_some_and(|form| form != "pem"),
                "--keyform: keys are read from PEM files only; say pem",
            ),
        ];
        match refusals.iter().find(|(is_asked, _)| *is_asked) {
            Some((_, sentence)) => Err((*sentence).to_owned()),
            None => Ok(()),
        }
    }
}
