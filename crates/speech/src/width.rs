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

/// Lines of so many cells behind a start, under which the second one and those after it begin.
pub fn behind(start: &str, text: &str, cells: usize) -> String {
    let indent = " ".repeat(width(start));
    let mut out = String::new();
    for (at, line) in wrapped(text, cells.saturating_sub(indent.len()))
        .iter()
        .enumerate()
    {
        out.push_str(if at == 0 { start } else { &indent });
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Narrower lines are hard to read.
const CELLS_MIN: usize = 20;

/// What begins no line.
const CLOSING: &str = "，。、；：？！）】》」』”’…—,.;:?!)]}%";
/// What ends no line.
const OPENING: &str = "（【《「『“‘([{";

/// Lines of so many cells, and no fewer than 20: broken at blanks, and beside Chinese characters, but for
/// punctuation that belongs to its neighbour. What has neither and is longer is broken anywhere. What would
/// make a terminal act stands as `\u{FFFD}`.
pub fn wrapped(text: &str, cells: usize) -> Vec<String> {
    let cells = cells.max(CELLS_MIN);
    let mut lines = vec![String::new()];
    for piece in pieces(text) {
        let last = lines.last().map_or(0, |line| width(line));
        if last > 0 && last + width(piece.trim_end()) > cells {
            lines.push(String::new());
        }
        for c in piece.chars() {
            let used = lines.last().map_or(0, |line| width(line));
            if used + width_of(c) > cells && c != ' ' {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push(if c.is_control() { '\u{FFFD}' } else { c });
            }
        }
    }
    lines
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn width_of(c: char) -> usize {
    width(c.encode_utf8(&mut [0; 4]))
}

/// What stays together: a word with the blank behind it, a Chinese character with its punctuation.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices().peekable();
        let mut end = rest.len();
        while let Some((_, c)) = chars.next() {
            let Some((at, next)) = chars.peek() else {
                break;
            };
            if may_break(c, *next) {
                end = *at;
                break;
            }
        }
        let (piece, left) = rest.split_at_checked(end)?;
        rest = left;
        (!piece.is_empty()).then_some(piece)
    })
}

fn may_break(before: char, behind: char) -> bool {
    if before == ' ' {
        return behind != ' ';
    }
    let is_wide = width_of(before) == 2 || width_of(behind) == 2;
    is_wide && behind != ' ' && !OPENING.contains(before) && !CLOSING.contains(behind)
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

    #[test]
    fn chinese_is_broken_between_characters_and_its_punctuation_stays() {
        let text =
            "记录从这里重新开始：Broker 在被强行终止或崩溃后（于那时）启动，home/kitchen-1 此前";
        let lines = wrapped(text, 22);
        assert_eq!(
            lines,
            [
                "记录从这里重新开始：",
                "Broker 在被强行终止或",
                "崩溃后（于那时）启动，",
                "home/kitchen-1 此前"
            ]
        );
        // Neither begins nor ends a line: what is closed or opened goes with its neighbour.
        assert_eq!(wrapped("一二三四五六七八九十。", 20)[1], "十。");
        assert_eq!(wrapped("一二三四五六七八九（十）", 20)[1], "（十）");
        assert_eq!(wrapped("一二三四五六七八九(十)", 20)[1], "(十)");
    }

    #[test]
    fn lines_are_broken_at_blanks_or_where_there_are_none() {
        let text = "a message that was not received 消息没有送达订阅端的程序";
        let lines = wrapped(text, 20);
        assert!(lines.iter().all(|line| width(line) <= 20), "{lines:?}");
        assert_eq!(lines[..2], ["a message that was", "not received 消息没"]);
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        assert_eq!(wrapped("a\u{1b}[2J", 80), ["a\u{FFFD}[2J"]);
        let lines = behind("建议 ", "one two three four five", 25);
        assert_eq!(lines, "建议 one two three four\n     five\n");
    }
}
