//! `cargo xtask api`: requests that Schemathesis makes up from the description of the management API,
//! against a running broker.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::matrix::broker::free_ports;
use crate::process::{Server, output_of, tee};

/// How many requests are made up for each operation, where they are the same ones every time.
const EXAMPLES: u32 = 40;
/// What is not checked. A topic filter or a group has rules that a schema cannot say, so that requests
/// which fit the schema may be refused; and whoever sends wrong passwords all the time is told to wait,
/// which is neither 401 nor 403. What is deleted with `dry_run` is still there. The tests of the server do all
/// three.
const UNCHECKED: &str = "positive_data_acceptance,ignored_auth,use_after_free";

/// Which requests are made up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Search {
    /// The same ones every time.
    Same,
    /// Other ones every time, for so many seconds. The first phase, which goes through the bounds of
    /// every parameter, takes a part of them.
    Other {
        /// Seconds.
        secs: u32,
    },
}

impl Search {
    /// From the command line.
    ///
    /// # Errors
    /// It is not a number of seconds.
    pub(crate) fn parse(options: &[&str]) -> anyhow::Result<Self> {
        match options {
            [] => Ok(Self::Same),
            [secs] => Ok(Self::Other {
                secs: secs.parse().with_context(|| format!("seconds: {secs:?}"))?,
            }),
            _ => anyhow::bail!("cargo xtask api [SECONDS]"),
        }
    }

    fn options(self) -> Vec<String> {
        match self {
            Self::Same => vec![
                "--generation-deterministic".to_owned(),
                "--max-examples".to_owned(),
                EXAMPLES.to_string(),
            ],
            Self::Other { secs } => vec!["--max-time".to_owned(), secs.to_string()],
        }
    }
}

/// Runs it; whether nothing was found.
pub(crate) fn run(
    root: &Path,
    binary: &Path,
    python: &Path,
    search: Search,
) -> anyhow::Result<bool> {
    let dir = root.join("target/api");
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => std::fs::create_dir_all(&dir)?,
    }
    let instance = dir.join("instance");
    output_of(Command::new(binary).arg("create").arg(&instance))?;
    let [mqtt, http, ..] = free_ports()?;
    let config = format!(
        "[broker]\nshards = 2\n[[listener]]\nbind = \"127.0.0.1:{mqtt}\"\n[access]\nusers = \
         \"etc/users\"\nacl = \"etc/acl.toml\"\n[admin]\nbind = \"127.0.0.1:{http}\"\n"
    );
    std::fs::write(instance.join("etc/columba.toml"), config)?;
    let mut add = Command::new(binary);
    add.args(["token", "add"]).arg(&instance);
    let token = output_of(add.args(["api", "--scopes", "admin", "--expires", "1h"]))?;
    let mut broker = Command::new(binary);
    broker.arg("run").arg(&instance);
    let mut server = Server::start(broker, &dir.join("broker.log"))?;
    server.wait_for(http)?;
    let tool = python.with_file_name("st");
    let mut requests = Command::new(&tool);
    requests
        .arg("run")
        .arg(format!("http://127.0.0.1:{http}/api/v1/openapi.json"))
        .args([
            "--header",
            &format!("Authorization: Bearer {}", token.trim()),
        ])
        .args(["--checks", "all", "--exclude-checks", UNCHECKED])
        .args(search.options())
        .args(["--warnings", "off"])
        .arg("--continue-on-failure")
        // Its database of failures.
        .current_dir(&dir);
    let (is_fine, _) = tee(requests).with_context(|| tool.display().to_string())?;
    // Whatever was asked of it, it serves.
    server.wait_for(mqtt)?;
    Ok(is_fine)
}
