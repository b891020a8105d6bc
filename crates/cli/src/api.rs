//! Which management API `pub` and `sub` ask, whose other options are about the MQTT connection.

use std::path::PathBuf;

use clap::Args;

use crate::admin_client::{AdminArgs, AdminClient};
use crate::connection::ConnectionArgs;
use crate::failure::Failure;

/// Where to ask, and with which token.
#[derive(Args, Clone, Debug)]
pub(crate) struct ApiArgs {
    /// Management API to ask, such as `https://broker.example:61680`
    ///
    /// Without a token, as the user of -u and -P, who may ask about clients of its own.
    ///
    /// Without it, as `columba why` does: --dir, the context's, that of COLUMBA_URL, the instance in
    /// ./columba-data, or the only broker that runs here.
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// Directory of the instance to ask, if it runs on this machine
    #[arg(long, value_name = "DIR", conflicts_with = "api")]
    dir: Option<PathBuf>,
    /// Token for the management API; better in the environment as COLUMBA_TOKEN, or in a context, where
    /// other users cannot see it
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

impl ApiArgs {
    /// Whether one of the options is there.
    pub(crate) fn is_given(&self) -> bool {
        self.api.is_some() || self.dir.is_some() || self.token.is_some()
    }

    /// The client of the API of the broker that a connection is to.
    ///
    /// # Errors
    /// There is no such instance, or the URL is none.
    pub(crate) fn client(&self, connection: &ConnectionArgs) -> Result<AdminClient, Failure> {
        // To `pub` and `sub` --url is the MQTT server's.
        AdminClient::with_url_option(&self.args(connection), "--api")
    }

    /// Whether nothing says which broker to ask, and there is none where it is looked for then.
    pub(crate) fn names_nobody(&self, connection: &ConnectionArgs) -> bool {
        self.args(connection).names_nobody()
    }

    fn args(&self, connection: &ConnectionArgs) -> AdminArgs {
        AdminArgs {
            dir: self.dir.clone(),
            url: self.api.clone(),
            token: self.token.clone(),
            cafile: connection.cafile().cloned(),
            context: connection.context().map(str::to_owned),
            login: None,
            // Whose password it is, the API of that broker alone is to hear it.
            login_of_client: self.api.as_ref().and_then(|_| connection.login()),
        }
    }
}
