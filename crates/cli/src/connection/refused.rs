//! Options of Mosquitto's clients that change nothing here, or that cannot be done here and are
//! refused with the reason: silence would leave a script less safe than its author believes.

use clap::Args;
use columba_speech::Text;

use super::{SERVER, TLS};
use crate::words;

/// See the [module](self).
#[derive(Args, Clone, Debug)]
pub(super) struct RefusedArgs {
    /// No TLS, whatever else asks for it
    #[arg(long, help_heading = TLS)]
    pub(super) no_tls: bool,
    /// Multipath TCP; plain TCP is used, as where the system has none
    #[arg(long, help_heading = SERVER, hide_short_help = true)]
    mptcp: bool,
    /// Form of --key: pem
    #[arg(long, value_name = "FORM", requires = "key", help_heading = TLS, hide_short_help = true)]
    keyform: Option<String>,
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
    pub(super) fn check(&self) -> Result<(), Text> {
        let has_engine = self.tls_engine.is_some() || self.tls_engine_kpass_sha1.is_some();
        let has_form = self.keyform.as_deref().is_some_and(|form| form != "pem");
        if self.psk.is_some() || self.psk_identity.is_some() {
            Err(words::no_psk())
        } else if self.srv {
            Err(words::no_srv())
        } else if has_engine {
            Err(words::no_engine())
        } else if has_form {
            Err(words::no_keyform())
        } else {
            Ok(())
        }
    }
}
