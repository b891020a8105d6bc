//! Where in a command line the cursor stands: which command, which option or argument, and what of it
//! is written already.

use clap::{Arg, Command};

use crate::connection::USER_PROPERTY;

/// What may come where the cursor stands.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) command: &'a Command,
    /// The names of the commands, without that of the program.
    pub(super) path: Vec<&'a str>,
    /// What takes a value here: an option whose value is missing, or an argument.
    pub(super) argument: Option<&'a Arg>,
    /// Whether it is an option's value: nothing else may come then.
    pub(super) is_value: bool,
    /// What stands before the value in the same word, `--option=`.
    pub(super) before: String,
    /// What is written of the word.
    pub(super) written: String,
    /// Options that were given, by their id, with their values.
    pub(super) given: Vec<(&'a str, String)>,
    /// Whether only arguments may come, behind `--`.
    pub(super) is_behind_dashes: bool,
}

impl<'a> Place<'a> {
    /// Walks along the words behind the program's name to the last one, which is being written.
    pub(super) fn find(program: &'a Command, words: &[String]) -> Self {
        let (written, before) = words
            .split_last()
            .map_or(("", words), |(last, before)| (last.as_str(), before));
        let mut place = Self {
            command: program,
            path: Vec::new(),
            argument: None,
            is_value: false,
            before: String::new(),
            written: written.to_owned(),
            given: Vec::new(),
            is_behind_dashes: false,
        };
        let mut positional = 0;
        // Words that an option still takes, and the option.
        let mut pending: Option<(&Arg, usize)> = None;
        for word in before {
            pending = match pending {
                Some((arg, left)) => {
                    place.given.push((arg.get_id().as_str(), word.clone()));
                    let more = usize::from(is_property(arg) && word == USER_PROPERTY);
                    Some((arg, left - 1 + more)).filter(|(_, left)| *left > 0)
                }
                None => place.step(word, &mut positional),
            };
        }
        if let Some((arg, _)) = pending {
            place.argument = Some(arg);
            place.is_value = true;
            return place;
        }
        let option = written.split_once('=').filter(|_| !place.is_behind_dashes);
        if let Some((name, value)) = option.filter(|(name, _)| name.starts_with("--")) {
            place.argument = place.long(name);
            place.is_value = true;
            place.before = format!("{name}=");
            place.written = value.to_owned();
            return place;
        }
        let mut positionals = place.command.get_positionals();
        place.argument = positionals.nth(positional).filter(|arg| !arg.is_hide_set());
        place
    }

    /// Takes a whole word; returns the option whose values come behind it.
    fn step(&mut self, word: &str, positional: &mut usize) -> Option<(&'a Arg, usize)> {
        if self.is_behind_dashes {
            *positional += 1;
            return None;
        }
        if word == "--" {
            self.is_behind_dashes = true;
            return None;
        }
        if word.starts_with("--") {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let arg = self.long(name)?;
            if word.contains('=') {
                self.given.push((arg.get_id().as_str(), value.to_owned()));
                return None;
            }
            return values_of(arg);
        }
        if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            for (at, letter) in letters.char_indices() {
                let found = |arg: &&Arg| {
                    let mut all = arg.get_short_and_visible_aliases().into_iter().flatten();
                    all.any(|short| short == letter)
                };
                let arg = self.command.get_arguments().find(found)?;
                let values = values_of(arg);
                if values.is_some() {
                    let is_last = at + letter.len_utf8() == letters.len();
                    return values.filter(|_| is_last);
                }
            }
            return None;
        }
        match self.command.find_subcommand(word) {
            Some(command) if *positional == 0 => {
                self.command = command;
                self.path.push(command.get_name());
            }
            _ => *positional += 1,
        }
        None
    }

    fn long(&self, name: &str) -> Option<&'a Arg> {
        let name = name.strip_prefix("--")?;
        let mut arguments = self.command.get_arguments();
        arguments.find(|arg| {
            let mut aliases = arg.get_all_aliases().into_iter().flatten();
            arg.get_long() == Some(name) || aliases.any(|alias| alias == name)
        })
    }
}

fn is_property(arg: &Arg) -> bool {
    arg.get_id().as_str() == "properties"
}

/// An option that takes words behind it, and how many.
fn values_of(arg: &Arg) -> Option<(&Arg, usize)> {
    // -D PACKET NAME VALUE is one value once the words were brought together.
    let count = if is_property(arg) { 3 } else { 1 };
    arg.get_action().takes_values().then_some((arg, count))
}

/// The words of a line up to the cursor as a shell makes them; the last one is that which is being
/// written, and empty behind a space.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut is_between = true;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        let starts = !is_between;
        let last = words.last_mut();
        let Some(word) = last else { break };
        match (c, quote) {
            (' ' | '\t' | '\n', None) => {
                if starts {
                    words.push(String::new());
                    is_between = true;
                }
                continue;
            }
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => word.extend(rest.next()),
            (c, _) => word.push(c),
        }
        is_between = false;
    }
    words
}

/// What bash takes for the word that it completes, of one that is not quoted: it breaks words at `:`
/// and `=`, so that only what is behind the last of them is to be offered.
pub(super) fn of_bash<'a>(candidate: &'a str, line: &str, written: &str) -> &'a str {
    // Of a quoted word bash keeps all.
    match written.rfind([':', '=']) {
        Some(at) if !is_quoted(line) => candidate.get(at + 1..).unwrap_or(candidate),
        _ => candidate,
    }
}

/// Whether the line ends inside of quotation marks.
pub(super) fn is_quoted(line: &str) -> bool {
    let mut quote = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => drop(rest.next()),
            _ => {}
        }
    }
    quote.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_made_as_a_shell_makes_them() {
        let check = |line: &str, expected: &[&str]| assert_eq!(split(line), expected, "{line}");
        check("columba  pub", &["columba", "pub"]);
        check("columba pub ", &["columba", "pub", ""]);
        check("columba pub -t 'a b", &["columba", "pub", "-t", "a b"]);
        check(
            "columba -m \"x \\\" y\" z",
            &["columba", "-m", "x \" y", "z"],
        );
        check("columba a\\ b ''", &["columba", "a b", ""]);
        check("", &[""]);
    }

    #[test]
    fn bash_gets_what_is_behind_its_word_breaks() {
        assert_eq!(of_bash("aa:bb:cc", "x aa:b", "aa:b"), "bb:cc");
        assert_eq!(of_bash("--qos=1", "x --qos=", "--qos="), "1");
        assert_eq!(of_bash("aa:bb", "x 'aa:b", "aa:b"), "aa:bb");
        assert_eq!(of_bash("home", "x h", "h"), "home");
    }
}
