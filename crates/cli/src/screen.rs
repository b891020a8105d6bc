//! The terminal as a surface: its size, and text that fits.

use std::io::IsTerminal as _;
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
