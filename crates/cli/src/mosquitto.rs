//! The command lines of Mosquitto's clients: every spelling of an option that `mosquitto_pub`,
//! `mosquitto_sub` and `mosquitto_rr` know, their options files, and the names under which this
//! binary behaves as they do.
//!
//! Their grammar is not that of other programs: an option takes the next word as its value
//! whatever that looks like, `-D` takes three or four, and a later option replaces an earlier one.
//! So a command line is first brought into a form that leaves nothing to interpretation
//! (`--option=value`), and read then.

pub(crate) mod debug;
pub(crate) mod file;
pub(crate) mod help;
pub mod link;
mod mqttx;
#[cfg(test)]
mod options;
mod reading;
mod spelling;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use columba_speech::Text;

use crate::connection::{PROPERTY_SEPARATOR, USER_PROPERTY};
use crate::context;
use crate::failure;
use crate::language;
use crate::words::{self, command_line};
use spelling::{Takes, spelling};

/// One of Mosquitto's clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `mosquitto_pub`, `columba pub`.
    Publish,
    /// `mosquitto_sub`, `columba sub`.
    Subscribe,
    /// `mosquitto_rr`, `columba rr`.
    Request,
}

/// Exit code of Mosquitto's clients for everything that ends them before the server has answered.
pub(crate) const EXIT_BEFORE_ANSWER: u8 = 1;
/// Exit code of `mosquitto_sub` that a signal ends before the server has accepted it.
pub(crate) const EXIT_UNANSWERED: u8 = 255;

impl Tool {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Publish, Self::Subscribe, Self::Request];

    /// The name of Mosquitto's program, which is also that of its options file.
    pub fn program(self) -> &'static str {
        match self {
            Self::Publish => "mosquitto_pub",
            Self::Subscribe => "mosquitto_sub",
            Self::Request => "mosquitto_rr",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::Publish => "pub",
            Self::Subscribe => "sub",
            Self::Request => "rr",
        }
    }

    fn of_program(path: &OsStr) -> Option<Self> {
        let name = Path::new(path).file_name()?;
        Self::ALL.into_iter().find(|tool| name == tool.program())
    }
}

/// The client of Mosquitto whose name this program was called by.
pub fn called_as() -> Option<Tool> {
    Tool::of_program(&std::env::args_os().next()?)
}

/// Brings the words of a command line into the form in which they are read: those of other commands
/// are left alone.
///
/// # Errors
/// The exit code, when all is said already.
pub fn command_line(words: Vec<OsString>) -> Result<Vec<OsString>, ExitCode> {
    let Some(program) = words.first() else {
        return Ok(words);
    };
    let drop_in = Tool::of_program(program);
    let words = match drop_in {
        Some(_) => words,
        None => language::behind_command(words),
    };
    let by_command = || {
        let command = words.get(1)?;
        Tool::ALL.into_iter().find(|tool| command == tool.command())
    };
    let (tool, rest) = match (drop_in, by_command()) {
        (Some(tool), _) => (tool, words.get(1..)),
        (None, Some(tool)) => (tool, words.get(2..)),
        (None, None)
            if words
                .get(1)
                .is_some_and(|command| command == "doctor" || command == "simulate") =>
        {
            let words = mqttx::of_loads(words);
            return with_groups(&words).map_err(|text| {
                say(words::error(text));
                ExitCode::from(failure::EXIT_FAULTY)
            });
        }
        (None, None) if words.get(1).is_some_and(|command| command == "bench") => {
            return Ok(mqttx::of_loads(words));
        }
        (None, None) => {
            let mut names = words.iter().skip(1).filter_map(|word| word.to_str());
            let command = names.find(|name| *name != "help" && !name.starts_with("--lang="));
            return match command.and_then(mqttx::other_command) {
                Some(text) => {
                    say(words::error(text));
                    Err(ExitCode::from(failure::EXIT_FAULTY))
                }
                None => Ok(words),
            };
        }
    };
    let rest = rest.unwrap_or_default();
    if rest.iter().any(|word| word == "--version") && !is_value(rest, "--version") {
        version(tool, drop_in.is_some());
        return Err(ExitCode::from(u8::from(drop_in.is_some())));
    }
    let mut line = vec!["columba".into(), tool.command().into()];
    let folded = with_options_file(tool, rest).and_then(|folded| {
        reading::check_texts(&folded)?;
        match drop_in {
            Some(tool) => reading::as_mosquitto_reads(tool, folded),
            None => Ok(folded),
        }
    });
    match folded {
        Ok(folded) => line.extend(folded),
        Err(what) => return Err(refuse(tool, drop_in.is_some(), what)),
    }
    Ok(line)
}

/// Prints what clap says of a command line that it does not take, and chooses the exit code, if this
/// program was called by the name of one of Mosquitto's clients.
pub(crate) fn refuse_arguments(error: &clap::Error) -> Option<ExitCode> {
    let tool = called_as()?;
    let text = under_own_name(tool, &error.render().to_string());
    let program = tool.program();
    if error.use_stderr() {
        failure::say(&format!("{text}\nUse '{program} --help' to see usage.\n"));
    } else {
        failure::print(&format!("{}\n{text}", version_line(tool)));
    }
    Some(ExitCode::from(EXIT_BEFORE_ANSWER))
}

/// The help or a fault with the names that this program was called by.
fn under_own_name(tool: Tool, text: &str) -> String {
    let ours = format!("columba {}", tool.command());
    let text = text.replace(&ours, tool.program());
    // What to type is said below.
    let mut text = text.replace("\nFor more information, try '--help'.\n", "");
    // What only `columba` has is no example here.
    if let Some((before, _)) = text.split_once("\nExamples:\n") {
        text = before.to_owned();
    }
    text
}

fn refuse(tool: Tool, is_drop_in: bool, what: Text) -> ExitCode {
    let (name, exit) = if is_drop_in {
        (tool.program().to_owned(), EXIT_BEFORE_ANSWER)
    } else {
        (format!("columba {}", tool.command()), failure::EXIT_FAULTY)
    };
    say(words::error(what));
    failure::say("\n");
    say(command_line::see_usage(name));
    ExitCode::from(exit)
}

fn say(text: Text) {
    failure::say(&format!("{}\n", text.to_string(language::spoken())));
}

fn version(tool: Tool, is_drop_in: bool) {
    let version = env!("CARGO_PKG_VERSION");
    let line = if is_drop_in {
        version_line(tool)
    } else {
        format!("columba {version}\n")
    };
    failure::print(&line);
}

fn version_line(tool: Tool) -> String {
    let (program, version) = (tool.program(), env!("CARGO_PKG_VERSION"));
    format!("{program} version 2.1.0 (its options, by Columba {version}).\n")
}

/// Whether every such word is the value of the option before it.
fn is_value(words: &[OsString], wanted: &str) -> bool {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == wanted {
            return false;
        }
        let takes = word.to_str().and_then(spelling).map(|found| found.takes);
        if matches!(
            takes,
            Some(Takes::Value | Takes::Properties(..) | Takes::Pair(_) | Takes::Protocol)
        ) {
            words.next();
        }
    }
    true
}

/// The words of the options file, if there is one, and then those of the command line.
fn with_options_file(tool: Tool, words: &[OsString]) -> Result<Vec<OsString>, Text> {
    let (folded, named) = fold(tool, words)?;
    let mut line = Vec::new();
    for words in file::read(tool, named.as_deref())? {
        let (words, _) = fold(tool, &words)?;
        line.extend(words);
    }
    let names_context = folded.iter().any(|word| is_one_of(word, &["--context="]));
    let names_server = |words: &[OsString]| words.iter().any(|word| is_one_of(word, SERVERS));
    // Who names a context on the command line means its server, not that of the file; and a password
    // in a file that names no server is not for that of a context.
    if names_context || !names_server(&line) && !names_server(&folded) && has_context() {
        line.retain(|word| !is_one_of(word, OF_A_SERVER));
    }
    line.extend(folded);
    forget_earlier_servers(&mut line);
    Ok(line)
}

/// Whether a context counts for a command line that names no server.
fn has_context() -> bool {
    // One that cannot be read is told of where it is used.
    !matches!(context::choose(None, false), Ok(None))
}

/// What names a server.
const SERVERS: &[&str] = &["--url=", "--host=", "--unix="];

/// What an options file can say that a context says too.
const OF_A_SERVER: &[&str] = &[
    "--host=",
    "--port=",
    "--unix=",
    "--url=",
    "--ws",
    "--path=",
    "--username=",
    "--pw=",
    "--cafile=",
    "--cert=",
    "--key=",
    "--insecure",
    "--tls-use-os-certs",
];

fn is_one_of(word: &OsString, options: &[&str]) -> bool {
    let word = word.as_encoded_bytes();
    options
        .iter()
        .any(|option| word.starts_with(option.as_bytes()))
}

/// Whoever names a server replaces what was said of it before, in an options file for example: a URL
/// with a user also user and password, which are those of another server. A host behind a URL takes
/// the place of the one in it.
fn forget_earlier_servers(line: &mut Vec<OsString>) {
    for word in std::mem::take(line) {
        let forgotten: &[&str] = match word.to_str() {
            Some(url) if url.starts_with("--url=") && url.contains('@') => {
                &["--host=", "--port=", "--unix=", "--username=", "--pw="]
            }
            Some(url) if url.starts_with("--url=") => &["--host=", "--port=", "--unix="],
            Some(path) if path.starts_with("--unix=") => &["--host=", "--port=", "--url="],
            Some(host) if host.starts_with("--host=") => &["--unix="],
            _ => &[],
        };
        line.retain(|earlier| !is_one_of(earlier, forgotten));
        line.push(word);
    }
}

/// Puts the words of each property together, for commands whose other options are read as usual.
fn with_groups(words: &[OsString]) -> Result<Vec<OsString>, Text> {
    let mut line = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "-D" || word == "--property" {
            line.push(group(word, &mut words)?);
        } else {
            line.push(word.clone());
        }
    }
    Ok(line)
}

/// Packet, name and value of a property, and the second value of a user property, as one word.
fn group(option: &OsStr, words: &mut std::slice::Iter<'_, OsString>) -> Result<OsString, Text> {
    let mut next = || {
        let word = words.next().map(OsString::as_os_str);
        word.ok_or_else(|| missing(option))
    };
    let mut group = vec![next()?, next()?, next()?];
    let name = group.get(1).copied().unwrap_or_default();
    if name.eq_ignore_ascii_case(USER_PROPERTY) {
        group.push(next()?);
    }
    let separator = OsString::from(PROPERTY_SEPARATOR.to_string());
    Ok(joined("--property", &group.join(&separator)))
}

fn missing(option: &OsStr) -> Text {
    command_line::at_end(option.to_string_lossy().into_owned())
}

/// What `-D` and `-x` ask for besides; a -V behind them may still say otherwise.
const VERSION_5: &str = "--protocol-version=5";

/// Gives every value its option, and returns the options file of `-o` apart.
fn fold(tool: Tool, words: &[OsString]) -> Result<(Vec<OsString>, Option<OsString>), Text> {
    let (mut folded, mut options_file) = (Vec::new(), None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(found) = word.to_str().and_then(spelling) else {
            if let Some(instead) = word.to_str().and_then(mqttx::long_of_short) {
                return Err(instead);
            }
            if let Some(file) = word.as_bytes().strip_prefix(b"-o") {
                options_file = Some(OsStr::from_bytes(file).to_owned());
                continue;
            }
            if let Some(instead) = mqttx::not_here(word, words.as_slice().first()) {
                return Err(instead);
            }
            folded.push(word.clone());
            continue;
        };
        let mut next = || words.next().ok_or_else(|| missing(word));
        match found.takes {
            Takes::Nothing => folded.push(found.ours.into()),
            Takes::Protocol => folded.extend(mqttx::protocol(next()?)?),
            Takes::Value if tool == Tool::Publish && word == "--response-topic" => {
                folded.push(property("publish", "response-topic", next()?));
            }
            Takes::Value => {
                folded.push(joined(found.ours, next()?));
                if word == "-x" {
                    folded.push(VERSION_5.into());
                }
            }
            Takes::File => options_file = Some(next()?.clone()),
            Takes::Group => {
                folded.push(group(word, &mut words)?);
                folded.push(VERSION_5.into());
            }
            Takes::Switch(packet, name, value) => {
                let group = [packet, name, value].join(&PROPERTY_SEPARATOR.to_string());
                folded.push(joined(found.ours, OsStr::new(&group)));
            }
            Takes::Pair(packets) => {
                let pair = next()?.to_string_lossy().into_owned();
                let (name, value) = pair
                    .split_once(':')
                    .ok_or_else(|| command_line::no_pair(pair.as_str()))?;
                for packet in packets {
                    let group = [packet, USER_PROPERTY, name.trim(), value.trim()];
                    let group = group.join(&PROPERTY_SEPARATOR.to_string());
                    folded.push(joined(found.ours, OsStr::new(&group)));
                }
            }
            Takes::Properties(packet, name) => {
                folded.push(property(packet, name, next()?));
            }
        }
    }
    Ok((folded, options_file))
}

/// A property of a packet, as one word.
fn property(packet: &str, name: &str, value: &OsStr) -> OsString {
    let separator = OsString::from(PROPERTY_SEPARATOR.to_string());
    let group = [OsStr::new(packet), OsStr::new(name), value].join(&separator);
    joined("--property", &group)
}

fn joined(option: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(option);
    word.push("=");
    word.push(value);
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expected: &[&str]) {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        let (folded, _) = fold(Tool::Publish, &words).expect("a command line");
        assert_eq!(folded, expected);
    }

    #[test]
    fn an_options_file_may_stand_in_the_word_of_its_option() {
        for words in [&["-ofile", "-r"][..], &["-o", "file", "-r"]] {
            let words: Vec<_> = words.iter().map(OsString::from).collect();
            let (folded, file) = fold(Tool::Publish, &words).expect("a command line");
            assert_eq!(
                (folded, file),
                (vec!["--retain".into()], Some("file".into()))
            );
        }
    }

    #[test]
    fn an_option_takes_the_next_word_whatever_it_looks_like() {
        check(&["-m", "-5", "-r"], &["--message=-5", "--retain"]);
        check(&["-t", "-t", "-m", ""], &["--topic=-t", "--message="]);
        check(&["-x", "-1"], &["--session-expiry-interval=-1", VERSION_5]);
        check(&["-h", "--help"], &["--host=--help"]);
    }

    #[test]
    fn a_property_takes_three_words_or_four() {
        check(
            &["-D", "publish", "content-type", "-x", "-r"],
            &[
                "--property=publish\0content-type\0-x",
                VERSION_5,
                "--retain",
            ],
        );
        check(
            &["-D", "connect", "user-property", "a", "-D", "-d"],
            &[
                "--property=connect\0user-property\0a\0-D",
                VERSION_5,
                "--debug",
            ],
        );
        check(
            &["--content-type", "text/plain"],
            &["--property=publish\0content-type\0text/plain"],
        );
    }

    #[test]
    fn names_of_mqttx_mean_something() {
        check(
            &["--user-properties", "a: b c", "--payload-format-indicator"],
            &[
                "--property=publish\0user-property\0a\0b c",
                "--property=subscribe\0user-property\0a\0b c",
                "--property=publish\0payload-format-indicator\x001",
            ],
        );
        check(
            &["--rcv-max", "5", "--alpn", "mqtt", "--file-read", "x"],
            &[
                "--property=connect\0receive-maximum\x005",
                "--tls-alpn=mqtt",
                "--file=x",
            ],
        );
        check(
            &["--protocol", "wss", "--path", "/a", "--no_local"],
            &["--ws", "--tls-use-os-certs", "--path=/a", "--no-local"],
        );
        check(&["--protocol", "mqtt"], &[]);
        check(
            &["--response-topic", "a"],
            &["--property=publish\0response-topic\0a"],
        );
        let words = ["--response-topic", "a"].map(OsString::from);
        let (of_request, _) = fold(Tool::Request, &words).expect("a command line");
        assert_eq!(of_request, ["--response-topic=a"]);
        // Clusters of our own letters stay what they are.
        check(&["-rt", "a", "-ct", "b"], &["-rt", "a", "-ct", "b"]);
        let told = |word: &str| {
            let words = [OsString::from(word), OsString::from("x")];
            let what = fold(Tool::Publish, &words).expect_err("a sentence");
            what.to_string(columba_speech::Language::English)
        };
        assert_eq!(told("-Wt"), "-Wt of MQTTX is --will-topic here");
        assert!(told("--user-properties").contains("NAME: VALUE"));
        assert!(told("--protocol").contains("'x'"));
        assert!(told("--maximum-reconnect-times").contains("by itself"));
        assert!(told("--reconnect-period=5").contains("by itself"));
        let line = ["columba", "bench", "pub", "-im", "10"].map(OsString::from);
        let line = command_line(line.to_vec()).expect("a command line");
        assert_eq!(
            line,
            ["columba", "bench", "pub", "--message-interval", "10"]
        );
        let line = ["columba", "simulate", "-sc", "fleet"].map(OsString::from);
        let line = command_line(line.to_vec()).expect("a command line");
        assert_eq!(line, ["columba", "simulate", "--scenario", "fleet"]);
    }

    #[test]
    fn a_language_before_the_command_hides_nothing_of_it() {
        for (words, expected) in [
            (
                "--lang zh pub -o /dev/null -m -5 -D publish content-type x",
                "pub --lang=zh --message=-5 --property=publish\0content-type\0x --protocol-version=5",
            ),
            (
                "--lang=zh sub -o /dev/null -t -t",
                "sub --lang=zh --topic=-t",
            ),
            (
                "--lang zh rr -o /dev/null -e a",
                "rr --lang=zh --response-topic=a",
            ),
            (
                "--lang zh doctor -D connect receive-maximum 5",
                "doctor --lang=zh --property=connect\0receive-maximum\x005",
            ),
            (
                "--lang zh bench pub -im 9",
                "bench --lang=zh pub --message-interval 9",
            ),
            (
                "--lang zh simulate -sc x",
                "simulate --lang=zh --scenario x",
            ),
        ] {
            let words = format!("columba {words}");
            let words = words.split(' ').map(OsString::from).collect();
            let line = command_line(words).expect("a command line");
            let line = line.join(OsStr::new(" "));
            assert_eq!(line, OsString::from(format!("columba {expected}")));
        }
        let words = ["columba", "--lang", "zh", "conn"].map(OsString::from);
        assert!(command_line(words.to_vec()).is_err());
    }

    #[test]
    fn a_missing_value_is_told() {
        for words in [
            &["-t"][..],
            &["-D", "publish"],
            &["-D", "will", "user-property", "a"],
        ] {
            let words: Vec<_> = words.iter().map(OsString::from).collect();
            let what = fold(Tool::Publish, &words).expect_err("no value");
            let sentence = what.to_string(columba_speech::Language::English);
            assert!(sentence.contains("without its value"), "{sentence}");
        }
    }

    #[test]
    fn a_server_replaces_what_was_said_before_it() {
        let check = |words: &[&str], expected: &[&str]| {
            let mut line: Vec<_> = words.iter().map(OsString::from).collect();
            forget_earlier_servers(&mut line);
            assert_eq!(line, expected);
        };
        check(&["--port=1"], &["--port=1"]);
        check(
            &["--port=1", "--id=a", "--url=mqtt://h/t", "--port=2"],
            &["--id=a", "--url=mqtt://h/t", "--port=2"],
        );
        check(
            &["--port=1", "--url=mqtt://h/t", "--host=b"],
            &["--url=mqtt://h/t", "--host=b"],
        );
        check(&["--unix=a", "--host=b"], &["--host=b"]);
        check(
            &["--host=b", "--port=1", "--url=ws://h", "--unix=a"],
            &["--unix=a"],
        );
        // The password of a file is not that of the URL's user.
        check(
            &["--username=a", "--pw=x", "--url=mqtt://b:y@h"],
            &["--url=mqtt://b:y@h"],
        );
    }

    #[test]
    fn the_doctor_takes_properties_too() {
        let words = [
            "columba",
            "doctor",
            "-D",
            "connect",
            "receive-maximum",
            "5",
            "-v",
        ];
        let line = command_line(words.iter().map(OsString::from).collect());
        assert_eq!(
            line.expect("a command line"),
            [
                "columba",
                "doctor",
                "--property=connect\x00receive-maximum\x005",
                "-v"
            ]
        );
    }

    #[test]
    fn other_words_stay_as_they_are() {
        check(&["-q1", "--qos=2", "stray"], &["-q1", "--qos=2", "stray"]);
    }

    #[test]
    fn the_name_of_the_program_chooses_the_command() {
        let line = |words: &[&str]| {
            let words = words.iter().map(OsString::from).collect();
            command_line(words).expect("a command line")
        };
        assert_eq!(
            line(&["/x/mosquitto_rr", "-o", "/dev/null", "-N"]),
            ["columba", "rr", "-N"]
        );
        assert_eq!(line(&["columba", "run", "-h"]), ["columba", "run", "-h"]);
    }
}
