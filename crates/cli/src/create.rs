//! `columba create`: a new instance.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use columba_server::instance::create::{ADMIN, CreateError, create};
use columba_speech::Text;
use columba_speech::shell::word;
use columba_speech::width::{pad, width};

use crate::failure::{Failure, end, print};
use crate::language::spoken;
use crate::words::{instance, start};

/// Make a new instance: configuration, users, access rules
///
/// Makes DIR with etc/columba.toml, etc/users, etc/acl.toml, data/ and log/, and a user `admin`
/// whose password is shown once. Programs on the same machine may connect without a password,
/// everybody else logs in.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n\
\x20 columba create /srv/mqtt && columba run /srv/mqtt")]
pub struct CreateArgs {
    /// Directory of the instance; it is made, or is empty
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Runs the command.
pub fn run(args: &CreateArgs) -> ExitCode {
    end(make(&args.dir).map(|()| {
        let dir = quoted(&args.dir);
        let language = spoken();
        let said = |text: Text| text.to_string(language);
        let add = format!("columba passwd {dir} {}", said(start::name()));
        let run = format!("columba run {dir}");
        let cells = width(&add).max(width(&run));
        print(&format!(
            "\n{}\n  {}  {}\n  {}  {}\n",
            said(start::next()),
            pad(&add, cells),
            said(start::add_a_user()),
            pad(&run, cells),
            said(start::start_it()),
        ));
    }))
}

/// Makes an instance and shows the password.
pub(crate) fn make(dir: &Path) -> Result<(), Failure> {
    let password = create(dir).map_err(|error| {
        let failure = Failure::new(instance::create(&error));
        match error {
            CreateError::NotEmpty(_) => failure.fix(instance::other_dir()).faulty(),
            _ => failure.fix(instance::check_above()),
        }
    })?;
    let language = spoken();
    let said = |text: Text| text.to_string(language);
    let (user, pass) = (said(start::user()), said(start::password()));
    let cells = width(&user).max(width(&pass));
    let again = format!("columba passwd {} {ADMIN}", quoted(dir));
    print(&format!(
        "{}\n\n  {}  {ADMIN}\n  {}  {password}\n\n{}\n",
        said(start::made(dir.display().to_string())),
        pad(&user, cells),
        pad(&pass, cells),
        said(start::nowhere_stored(again)),
    ));
    Ok(())
}

/// A path as one writes it in a shell.
pub(crate) fn quoted(path: &Path) -> String {
    word(&path.display().to_string())
}
