//! Options files: `$XDG_CONFIG_HOME/mosquitto_pub` and its like, or the one of `-o`. A line holds an
//! option and, behind one space, its value as it stands; lines with `#` in front are comments.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::{env, fs, io};

use clap::Args;
use columba_speech::{Param, Text};

use super::Tool;
use super::spelling::{Takes, spelling};
use crate::connection::USER_PROPERTY;
use crate::words::{command_line, system};

/// A larger file is no options file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the help says of `-o`: its file is read before the command line is, and takes its place there.
#[derive(Args, Clone, Debug)]
pub(crate) struct OptionsFileArg {
    /// File with options, one a line, in the place of mosquitto_pub, mosquitto_sub or mosquitto_rr in
    /// ~/.config
    #[arg(short = 'o', value_name = "FILE", help_heading = "Other")]
    options_file: Option<PathBuf>,
}

/// The words of each line. A file that nobody named may be missing.
pub(super) fn read(tool: Tool, named: Option<&OsStr>) -> Result<Vec<Vec<OsString>>, Text> {
    let path = match named {
        Some(path) => PathBuf::from(path),
        None => match usual_path(tool) {
            Some(path) => path,
            None => return Ok(Vec::new()),
        },
    };
    let wrong = |what: Param| command_line::options_file(path.display().to_string(), what);
    let read = match fs::metadata(&path) {
        Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
            return Err(wrong(command_line::options_file_too_large().into()));
        }
        Ok(_) => fs::read_to_string(&path),
        Err(error) => Err(error),
    };
    match read {
        Ok(text) => Ok(text.lines().filter_map(words).collect()),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(wrong(system(&error))),
    }
}

fn usual_path(tool: Tool) -> Option<PathBuf> {
    let directory = match env::var_os("XDG_CONFIG_HOME") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(env::var_os("HOME")?).join(".config"),
    };
    Some(directory.join(tool.program()))
}

fn words(line: &str) -> Option<Vec<OsString>> {
    if line.starts_with('#') {
        return None;
    }
    let line = line.trim_start_matches(' ').trim_end_matches('\r');
    let (option, value) = match line.split_once(' ') {
        Some((option, value)) => (option, Some(value)),
        None => (line, None),
    };
    if option.is_empty() {
        return None;
    }
    let mut words = vec![OsString::from(option)];
    // Mosquitto's own clients cannot read a property from a file; here its words are told apart.
    let is_group = spelling(option).is_some_and(|found| found.takes == Takes::Group);
    match value {
        Some(value) if is_group => {
            let is_user_property = value
                .split(' ')
                .nth(1)
                .is_some_and(|name| name.eq_ignore_ascii_case(USER_PROPERTY));
            let limit = if is_user_property { 4 } else { 3 };
            words.extend(value.splitn(limit, ' ').map(OsString::from));
        }
        Some(value) => words.push(value.into()),
        None => {}
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_option_and_its_value() {
        let check = |line: &str, expected: &[&str]| {
            let words = words(line).unwrap_or_default();
            assert_eq!(words, expected, "{line}");
        };
        check("-h broker.example", &["-h", "broker.example"]);
        check("-m two  words ", &["-m", "two  words "]);
        check("  -d\r", &["-d"]);
        check("# -d", &[]);
        check("", &[]);
        check(
            "-D publish user-property a b c",
            &["-D", "publish", "user-property", "a", "b c"],
        );
    }
}
