//! Text that a peer has chosen, on its way into the log: never long, never more than one line.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Bytes of a client id, topic or user name that a line shows.
const NAME_BYTES_MAX: usize = 200;
/// Bytes of a sentence, which may quote several of them.
const DETAIL_BYTES_MAX: usize = 600;

/// A name for a field of a line, cut if it is long. The formats of the log escape fields
/// themselves.
pub(crate) fn name(text: &str) -> Cow<'_, str> {
    match cut(text, NAME_BYTES_MAX) {
        Some(start) => Cow::Owned(format!("{start}…({} bytes)", text.len())),
        None => Cow::Borrowed(text),
    }
}

/// A sentence for the message of a line, which the format for people writes as it is: cut if it is
/// long, and what would end the line, steer a terminal or turn the direction of writing is escaped.
#[derive(Debug)]
pub(crate) struct Detail<'a>(pub(crate) &'a str);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = cut(self.0, DETAIL_BYTES_MAX);
        for char in start.unwrap_or(self.0).chars() {
            match char {
                '\'' | '"' | '\\' => f.write_char(char)?,
                _ => write!(f, "{}", char.escape_debug())?,
            }
        }
        match start {
            Some(_) => write!(f, "…({} bytes)", self.0.len()),
            None => Ok(()),
        }
    }
}

/// The start of a text of more bytes than that, up to the end of a character.
fn cut(text: &str, bytes_max: usize) -> Option<&str> {
    if text.len() <= bytes_max {
        return None;
    }
    text.get(..text.floor_char_boundary(bytes_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(name("lamp"), "lamp");
        let exact = "x".repeat(NAME_BYTES_MAX);
        assert_eq!(name(&exact), exact);
        let long = format!("x{}", "ü".repeat(30_000));
        assert_eq!(name(&long), format!("x{}…(60001 bytes)", "ü".repeat(99)));
    }

    #[test]
    fn a_sentence_stays_one_line_of_plain_characters() {
        let check = |text: &str, shown: &str| assert_eq!(Detail(text).to_string(), shown);
        check("rule 3: 'a\\b' \"c\" für", "rule 3: 'a\\b' \"c\" für");
        check("a\r\nINFO connected", "a\\r\\nINFO connected");
        check("\u{1b}[2J\u{9b}1m\u{7f}\0", "\\u{1b}[2J\\u{9b}1m\\u{7f}\\0");
        check("\u{2028}\u{202e}", "\\u{2028}\\u{202e}");
        let shown = Detail(&"\n".repeat(70_000)).to_string();
        let expected = format!("{}…(70000 bytes)", "\\n".repeat(DETAIL_BYTES_MAX));
        assert_eq!(shown, expected);
    }
}
