//! The terminal as a surface: its size, and text that fits.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::fd::AsFd;

use columba_speech::width::width;

/// Columns and rows of a terminal, or of a usual one.
pub(crate) fn size(terminal: impl AsFd) -> (usize, usize) {
    match rustix::termios::tcgetwinsize(terminal) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            (usize::from(size.ws_col), usize::from(size.ws_row))
        }
        _ => (80, 24),
    }
}

/// Whether a person sees what is written there, on a terminal that moves its cursor when it is told. That of an
/// editor, whose `TERM` is `dumb`, shows such a command as characters.
pub(crate) fn is_movable(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && !is_dumb(|name| std::env::var_os(name))
}

/// Whether the terminal takes no commands.
pub(crate) fn is_dumb(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("TERM").is_some_and(|term| term == "dumb")
}

/// Cells of a line of the standard output, if a person sees it.
pub(crate) fn terminal_cells() -> Option<usize> {
    let stdout = std::io::stdout();
    stdout.is_terminal().then(|| size(&stdout).0)
}

/// The start of a text that fits in so many cells, with `…` for what is left out; what a terminal
/// would take for a command is shown as `?`.
pub(crate) fn cut(text: &str, cells: usize) -> String {
    let mut out = String::new();
    let mut filled = 0;
    for character in text.chars() {
        let character = if character.is_control() {
            '?'
        } else {
            character
        };
        let mut buffer = [0; 4];
        let wide = width(character.encode_utf8(&mut buffer));
        if filled + wide > cells {
            // Room for the mark.
            while filled + 1 > cells {
                let Some(last) = out.pop() else {
                    return out;
                };
                filled -= width(last.encode_utf8(&mut buffer));
            }
            out.push('…');
            return out;
        }
        out.push(character);
        filled += wide;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_cells() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("主题温度", 8), "主题温度");
        assert_eq!(cut("主题温度", 7), "主题温…");
        assert_eq!(cut("主题温度", 6), "主题…");
        assert_eq!(cut("主", 1), "…");
        assert_eq!(cut("ab", 0), "");
        assert_eq!(cut("a\x1b[2J", 9), "a?[2J");
    }
}
