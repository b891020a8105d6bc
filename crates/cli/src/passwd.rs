//! `columba passwd`: the users of an instance.

use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use columba_server::auth::password::{PasswordHash, generate};
use columba_server::auth::users::{Users, check_name, with_user, without_user};
use columba_server::config::Config;
use columba_server::instance::Location;
use columba_server::instance::file::{SECRET_MODE, write_atomically};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use columba_speech::width::{pad, width};
use columba_speech::{Param, Text};

use crate::create::quoted;
use crate::failure::{Failure, end, note, print, tell};
use crate::language;
use crate::words::{broker, instance, start, system};

/// Longest password that is read, in bytes; MQTT carries no longer one.
pub(crate) const PASSWORD_BYTES_MAX: u64 = 65_535;

/// Add a user, or change password and groups
///
/// Asks for the password on the terminal. A running broker takes the change over within two
/// seconds.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n\
\x20 columba passwd /srv/mqtt ann\n\
\x20 columba passwd /srv/mqtt sensor --generate --groups sensors\n\
\x20 columba passwd /srv/mqtt ann --delete")]
pub struct PasswdArgs {
    /// Directory of the instance
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Name of the user
    #[arg(value_name = "USER")]
    user: String,
    /// Take the first line of the standard input as the password
    #[arg(long, conflicts_with_all = ["generate", "delete"])]
    password_stdin: bool,
    /// Make a random password and show it
    #[arg(long, conflicts_with = "delete")]
    generate: bool,
    /// Groups of the user, which access rules can name; alone, it leaves the password as it is
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        conflicts_with = "delete"
    )]
    groups: Option<Vec<String>>,
    /// Remove the user
    #[arg(long)]
    delete: bool,
}

/// Runs the command.
pub fn run(args: &PasswdArgs) -> ExitCode {
    end(change(args))
}

fn change(args: &PasswdArgs) -> Result<(), Failure> {
    let path = users_file(&args.dir)?;
    let failed =
        |error: &io::Error| Failure::new(instance::file(&path, error)).fix(instance::check_file());
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(&error)),
    };
    let (users, _) = Users::read("", &text);
    let is_known = users.names().any(|name| name == args.user);
    let name = &args.user;
    if args.delete {
        let text = without_user(&text, name).ok_or_else(|| {
            let what = instance::no_user(name.as_str(), path.display().to_string());
            let known = instance::users(Param::list(users.names()));
            Failure::new(what).fix(known).faulty()
        })?;
        write_atomically(&path, &text, SECRET_MODE).map_err(|error| failed(&error))?;
        tell(start::user_removed(name.as_str()));
        return Ok(());
    }
    let fault = |what: Text, why: &str| Failure::new(instance::name(what, why)).faulty();
    check_name(name, "user name").map_err(|why| fault(instance::user_name(), &why))?;
    let groups = args.groups.as_ref().map(|groups| -> Vec<String> {
        groups
            .iter()
            .filter(|group| !group.is_empty())
            .cloned()
            .collect()
    });
    for group in groups.iter().flatten() {
        check_name(group, "group").map_err(|why| fault(instance::group(), &why))?;
    }
    let has_password = args.password_stdin || args.generate || groups.is_none() || !is_known;
    let password = if has_password {
        Some(new_password(args)?)
    } else {
        None
    };
    let hash = password.as_deref().map(PasswordHash::new).transpose();
    let hash = hash.map_err(|error| Failure::new(instance::password_unmade(error.to_string())))?;
    let text = with_user(&text, name, hash.as_ref(), groups.as_deref());
    write_atomically(&path, &text, SECRET_MODE).map_err(|error| failed(&error))?;
    if let (true, Some(password)) = (args.generate, &password) {
        let language = language::spoken();
        let labels = [start::user(), start::password()].map(|text| text.to_string(language));
        let cells = labels.iter().map(|label| width(label)).max();
        let labels = labels.map(|label| pad(&label, cells.unwrap_or_default()));
        let [user, pass] = labels;
        let password = String::from_utf8_lossy(password);
        print(&format!("{user}  {name}\n{pass}  {password}\n"));
    }
    note(match is_known {
        true => start::user_changed(name.as_str()),
        false => start::user_added(name.as_str()),
    });
    Ok(())
}

/// The users file that the configuration names.
fn users_file(dir: &Path) -> Result<PathBuf, Failure> {
    let location = Location::of_directory(dir);
    let text = std::fs::read_to_string(&location.config_file).map_err(|error| {
        let what = broker::no_instance(dir.display().to_string(), system(&error));
        Failure::new(what)
            .fix(instance::make_one(quoted(dir)))
            .faulty()
    })?;
    let name = location.config_file.display().to_string();
    let (config, _) = Config::read(&name, &text, &location.base, std::env::vars());
    config.users.ok_or_else(|| {
        Failure::new(instance::no_users_file())
            .fix(instance::name_users_file(name))
            .faulty()
    })
}

fn new_password(args: &PasswdArgs) -> Result<Vec<u8>, Failure> {
    let say = |question: Text| question.to_string(language::spoken());
    let failed = |error: io::Error| Failure::new(instance::password_unread(system(&error)));
    let password = if args.generate {
        generate()
            .map_err(|error| Failure::new(instance::password_unmade(error.to_string())))?
            .into_bytes()
    } else if args.password_stdin {
        first_line_of_stdin().map_err(failed)?
    } else if io::stdin().is_terminal() {
        let password = ask(&say(instance::new_password(args.user.as_str()))).map_err(failed)?;
        if ask(&say(instance::again())).map_err(failed)? != password {
            return Err(Failure::new(instance::passwords_differ()));
        }
        password
    } else {
        return Err(Failure::new(instance::no_terminal_for_password())
            .fix(instance::password_options())
            .faulty());
    };
    if password.is_empty() {
        return Err(Failure::new(instance::password_empty()).faulty());
    }
    if password.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(Failure::new(instance::password_too_long()).faulty());
    }
    Ok(password)
}

/// The first line of the standard input, without its end.
pub(crate) fn first_line_of_stdin() -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut input = io::stdin().lock().take(PASSWORD_BYTES_MAX + 2);
    input.read_until(b'\n', &mut line)?;
    Ok(without_line_end(line))
}

/// Asks on the terminal, without showing what is typed.
pub(crate) fn ask(question: &str) -> io::Result<Vec<u8>> {
    let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let line = {
        // Before the question: what is typed from then on is not shown, and not thrown away.
        let _silent = Silent::new(terminal.try_clone()?)?;
        terminal.write_all(question.as_bytes())?;
        let mut line = Vec::new();
        let mut reader = io::BufReader::new(terminal.try_clone()?.take(PASSWORD_BYTES_MAX + 2));
        reader.read_until(b'\n', &mut line)?;
        line
    };
    terminal.write_all(b"\n")?;
    Ok(without_line_end(line))
}

/// Whether [`ask`] found nobody to ask: this process has no terminal, or there is none at all.
pub(crate) fn is_no_terminal(error: &io::Error) -> bool {
    let numbers = [Errno::NXIO, Errno::NOTTY, Errno::NOENT].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|of| numbers.contains(&of))
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Silent {
    terminal: File,
    before: rustix::termios::Termios,
}

impl Silent {
    fn new(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(terminal.as_fd())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal.as_fd(), OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // There is nobody to tell if the terminal is gone.
        let _ = tcsetattr(self.terminal.as_fd(), OptionalActions::Flush, &self.before);
    }
}

fn without_line_end(mut line: Vec<u8>) -> Vec<u8> {
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    line
}
