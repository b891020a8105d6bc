//! A help text in the width of the terminal. Clap breaks lines at blanks alone and counts a Chinese character as
//! one cell, so it is asked not to break any.

use columba_speech::width::{width, wrapped};

use super::without_colours;

/// Where the text about an option stands that has no room beside it.
const NEXT_LINE: usize = 10;

/// The text with lines of so many cells. Colours may be in it.
pub(super) fn fitted(help: &str, cells: usize) -> String {
    let mut out = String::new();
    for group in help.split("\n\n").map(|group| group.trim_end_matches('\n')) {
        if !out.is_empty() {
            out.push('\n');
        }
        let rows: Vec<_> = group.lines().map(Row::of).collect();
        // One option without room beside it, and those with it look as it does; as clap has it.
        let goes_below = rows.iter().any(|row| row.has_no_room(cells));
        for row in &rows {
            row.print(goes_below, cells, &mut out);
        }
    }
    out
}

/// A line: what stands in front, and the text that may be broken, which begins at a column.
struct Row {
    front: String,
    text: String,
    column: usize,
    is_option: bool,
}

impl Row {
    fn of(line: &str) -> Self {
        let bare = without_colours(line);
        let trimmed = bare.trim_start();
        let indent = bare.len() - trimmed.len();
        // What is to be typed is not broken.
        let is_usage = trimmed.starts_with("用法：") || trimmed.starts_with("columba ");
        let gap = trimmed.find("  ").map(|at| indent + at);
        let text = match gap.and_then(|gap| bare.get(gap..)) {
            Some(behind) => behind.trim_start(),
            None if is_usage => "",
            None => trimmed,
        };
        let is_option = trimmed.starts_with('-') && !trimmed.starts_with("- ");
        // What is coloured is not broken.
        let (front, text) = match line.strip_suffix(text) {
            Some(front) => (front, text),
            None => (line, ""),
        };
        Self {
            column: width(&without_colours(front)),
            front: front.to_owned(),
            text: text.to_owned(),
            is_option,
        }
    }

    /// Whether it is an option whose text is too long to stand beside it, far to the right as it is.
    fn has_no_room(&self, cells: usize) -> bool {
        let is_far = self.column * 5 >= cells * 2;
        let is_beside = !self.front.trim().is_empty();
        self.is_option && is_beside && is_far && self.column + width(&self.text) > cells
    }

    fn print(&self, goes_below: bool, cells: usize, out: &mut String) {
        let is_beside = !self.front.trim().is_empty();
        let column = match self.is_option && is_beside && goes_below {
            true => {
                out.push_str(self.front.trim_end());
                out.push('\n');
                out.push_str(&" ".repeat(NEXT_LINE));
                NEXT_LINE
            }
            false => {
                out.push_str(&self.front);
                self.column
            }
        };
        let lines = wrapped(&self.text, cells.saturating_sub(column));
        out.push_str(&lines.join(&format!("\n{}", " ".repeat(column))));
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_in_its_column_and_goes_below_where_that_is_far_to_the_right() {
        let help = "用法：columba x [选项] and a usage that is longer than all of these cells\n\n选项：\n  \
                    \u{1b}[1m-q\u{1b}[0m  一二三四五六七八九十一二三四五六七八\n      --x\n\n\
                    其他：\n  -a, --an-option <WITH VALUES>  一二三四五\n  -b                             六\n";
        let expected = "用法：columba x [选项] and a usage that is longer than all of these cells\n\n选项：\n  \
                        \u{1b}[1m-q\u{1b}[0m  一二三四五六七八九十一二三四五六七\n      八\n      --x\n\n\
                        其他：\n  -a, --an-option <WITH VALUES>\n          一二三四五\n  -b\n          六\n";
        assert_eq!(fitted(help, 40), expected);
    }

    #[test]
    fn paragraphs_and_values_hang_where_they_begin() {
        let help = "一二三四五六七八九十一二三四五六七八九十一\n\n      --x\n          一二三四五六七八九十一二三四五六七八\n\n          - a:   one two three four five six\n";
        let expected = "一二三四五六七八九十一二三四五六七八九十\n一\n\n      --x\n          一二三四五六七八九十一二三四五\n          六七八\n\n          \
                        - a:   one two three four five\n                 six\n";
        assert_eq!(fitted(help, 40), expected);
    }
}
