//! Options files: `$XDG_CONFIG_HOME/mosquitto_pub` and its like, or the one of `-o`. A line holds an
//! option and, behind one space, its value as it stands; lines with `#` in front are comments.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
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
        Ok(_) => fs::read(&path),
        Err(error) => Err(error),
    };
    match read {
        // Not always UTF-8: a payload or a comment may be in GBK or Latin-1.
        Ok(text) => Ok(text
            .split(|byte| *byte == b'\n')
            .filter_map(words)
            .collect()),
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

fn words(line: &[u8]) -> Option<Vec<OsString>> {
    if line.starts_with(b"#") {
        return None;
    }
    let end = line.iter().rposition(|byte| *byte != b'\r')? + 1;
    let begin = line.iter().position(|byte| *byte != b' ')?;
    let mut line = line.get(begin..end)?.splitn(2, is_space);
    let option = line.next().filter(|option| !option.is_empty())?;
    let word = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    let mut words = vec![word(option)];
    // Mosquitto's own clients cannot read a property from a file; here its words are told apart.
    let spelled = std::str::from_utf8(option).ok().and_then(spelling);
    match line.next() {
        Some(value) if spelled.is_some_and(|found| found.takes == Takes::Group) => {
            let is_user_property = value
                .split(is_space)
                .nth(1)
                .is_some_and(|name| name.eq_ignore_ascii_case(USER_PROPERTY.as_bytes()));
            let limit = if is_user_property { 4 } else { 3 };
            words.extend(value.splitn(limit, is_space).map(word));
        }
        Some(value) => words.push(word(value)),
        None => {}
    }
    Some(words)
}

fn is_space(byte: &u8) -> bool {
    *byte == b' '
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_option_and_its_value() {
        let check = |line: &str, expected: &[&str]| {
            let words = words(line.as_bytes()).unwrap_or_default();
            assert_eq!(words, expected, "{line}");
        };
        check("-h broker.example", &["-h", "broker.example"]);
        check("-m two  words ", &["-m", "two  words "]);
        check("  -d\r", &["-d"]);
        check("# -d", &[]);
        check("", &[]);
        check("  \r", &[]);
        check(
            "-D publish user-property a b c",
            &["-D", "publish", "user-property", "a", "b c"],
        );
    }

    #[test]
    fn bytes_that_are_not_utf_8_stay_as_they_are() {
        let expected = [OsStr::new("-m"), OsStr::from_bytes(b"\xce\xc2 \xb6")];
        assert_eq!(words(b"-m \xce\xc2 \xb6").unwrap_or_default(), expected);
        assert_eq!(words(b"# \xce\xc2"), None);
    }
}
