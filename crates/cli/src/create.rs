//! `columba create`: a new instance.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use columba_server::instance::create::{ADMIN, CreateError, create};

use crate::failure::{Failure, end, print};
use crate::words::instance;

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
        print(&format!(
            "\nNext:\n  columba passwd {dir} NAME     add a user\n  columba run {dir}             \
             start the broker\n"
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
    print(&format!(
        "Made an instance in {}.\n\n  user      {ADMIN}\n  password  {password}\n\nThe password is \
         stored nowhere; `columba passwd {} {ADMIN}` sets another one.\n",
        dir.display(),
        quoted(dir),
    ));
    Ok(())
}

/// A path as one writes it in a shell.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+~".contains(c);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_can_be_pasted_into_a_shell() {
        assert_eq!(quoted(Path::new("./columba-data")), "./columba-data");
        assert_eq!(quoted(Path::new("my dir's")), "'my dir'\\''s'");
    }
}
