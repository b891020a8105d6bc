//! How wide text is in a terminal: a Chinese character fills two cells.

use unicode_width::UnicodeWidthStr as _;

/// The cells that a text fills.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text, with spaces up to so many cells. Longer text stays as it is.
pub fn pad(text: &str, cells: usize) -> String {
    let missing = cells.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_fills_two_cells_a_character() {
        assert_eq!(width("主题"), 4);
        assert_eq!(pad("主题", 6), "主题  ");
        assert_eq!(pad("DNS", 6), "DNS   ");
        assert_eq!(pad("longer", 3), "longer");
    }
}
