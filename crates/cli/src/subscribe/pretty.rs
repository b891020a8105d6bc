//! What people at a terminal see of JSON and of text from strangers.

const NAME: &str = "\x1b[34m";
const STRING: &str = "\x1b[32m";
const NUMBER: &str = "\x1b[33m";
const WORD: &str = "\x1b[35m";
const END: &str = "\x1b[0m";

/// JSON that is no longer stays in one line.
const LINE_BYTES_MAX: usize = 80;
/// Longer JSON is shown as it came.
const SPREAD_BYTES_MAX: usize = 1 << 20;
/// No deeper level is indented further, or a few brackets would be a screen of spaces each.
const INDENTED_LEVELS_MAX: usize = 24;

/// Valid JSON in one line if it is short, else spread over lines.
pub(super) fn json(json: &str, has_colours: bool) -> String {
    if json.len() > SPREAD_BYTES_MAX {
        return harmless(json);
    }
    spread(json, json.len() > LINE_BYTES_MAX, has_colours)
}

/// Valid JSON in one line.
pub(super) fn json_line(json: &str) -> String {
    spread(json, false, false)
}

fn spread(json: &str, has_lines: bool, has_colours: bool) -> String {
    let mut out = Spread {
        text: String::with_capacity(json.len() * 2),
        depth: 0,
        has_lines,
        has_colours,
    };
    let mut rest = json;
    while let Some(character) = rest.chars().next() {
        let len = token(rest);
        let (token, behind) = rest.split_at_checked(len).unwrap_or((rest, ""));
        rest = behind.trim_ascii_start();
        match character {
            '{' | '[' => {
                // An empty one stays together.
                let is_empty = rest.starts_with(['}', ']']);
                out.text.push_str(token);
                out.depth += 1;
                if !is_empty {
                    out.line();
                }
            }
            '}' | ']' => {
                out.depth = out.depth.saturating_sub(1);
                if !out.text.ends_with(['{', '[']) {
                    out.line();
                }
                out.text.push_str(token);
            }
            ',' => {
                out.text.push(',');
                out.line();
                if !out.has_lines {
                    out.text.push(' ');
                }
            }
            ':' => out.text.push_str(": "),
            '"' if rest.starts_with(':') => out.paint(token, NAME),
            '"' => out.paint(token, STRING),
            't' | 'f' | 'n' => out.paint(token, WORD),
            _ if character.is_ascii_whitespace() => {}
            _ => out.paint(token, NUMBER),
        }
    }
    out.text
}

struct Spread {
    text: String,
    depth: usize,
    has_lines: bool,
    has_colours: bool,
}

impl Spread {
    fn line(&mut self) {
        if self.has_lines {
            let levels = self.depth.min(INDENTED_LEVELS_MAX);
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n("  ", levels));
        }
    }

    fn paint(&mut self, token: &str, colour: &str) {
        let token = &harmless(token);
        if self.has_colours {
            self.text.push_str(colour);
            self.text.push_str(token);
            self.text.push_str(END);
        } else {
            self.text.push_str(token);
        }
    }
}

/// How long the first token of a valid JSON text is.
fn token(json: &str) -> usize {
    let bytes = json.as_bytes();
    let is_end = |byte: &u8| b" \t\r\n,:[]{}\"".contains(byte);
    match bytes.first() {
        Some(b'"') => {
            let mut is_escaped = false;
            let end = bytes.iter().skip(1).position(|byte| {
                let is_end = *byte == b'"' && !is_escaped;
                is_escaped = *byte == b'\\' && !is_escaped;
                is_end
            });
            end.map_or(json.len(), |end| end + 2)
        }
        Some(first) if is_end(first) => 1,
        _ => bytes.iter().position(is_end).unwrap_or(json.len()),
    }
}

/// Text without what a terminal would take for a command.
pub(super) fn harmless(text: &str) -> String {
    let is_harmful = |character: char| character.is_control() && !"\n\t".contains(character);
    if !text.contains(is_harmful) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmful(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// A topic, so that one sees where the message begins.
pub(super) fn topic(topic: &str, has_colours: bool) -> String {
    if has_colours {
        format!("\x1b[36m{topic}{END}")
    } else {
        topic.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_json_stays_in_one_line() {
        let shown = json(r#"{"a" :[1,-2.5e3], "b":{},"c":null }"#, false);
        assert_eq!(shown, r#"{"a": [1, -2.5e3], "b": {}, "c": null}"#);
        assert_eq!(json("[]", false), "[]");
        assert_eq!(json("\"a\\\"],\"", false), "\"a\\\"],\"");
    }

    #[test]
    fn long_json_is_spread() {
        let long = "x".repeat(80);
        let shown = json(&format!(r#"{{"a":["{long}",{{}}],"b":true}}"#), false);
        let expected =
            format!("{{\n  \"a\": [\n    \"{long}\",\n    {{}}\n  ],\n  \"b\": true\n}}");
        assert_eq!(shown, expected);
    }

    #[test]
    fn colours_tell_names_from_values() {
        assert_eq!(
            json(r#"{"a":"b","c":1,"d":false}"#, true),
            "{\x1b[34m\"a\"\x1b[0m: \x1b[32m\"b\"\x1b[0m, \x1b[34m\"c\"\x1b[0m: \
             \x1b[33m1\x1b[0m, \x1b[34m\"d\"\x1b[0m: \x1b[35mfalse\x1b[0m}"
        );
    }

    #[test]
    fn deep_json_is_not_a_screen_of_spaces() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        let shown = json(&deep, false);
        assert!(shown.len() < deep.len() * 52, "{}", shown.len());
        let large = format!("[{}1]", "1,".repeat(1 << 20));
        assert_eq!(json(&large, false), large);
    }

    #[test]
    fn commands_to_the_terminal_are_shown_and_not_obeyed() {
        assert_eq!(
            harmless("a\x1b[2Jb\u{9b}31m\tc\n"),
            "a\\u{1b}[2Jb\\u{9b}31m\tc\n"
        );
        assert_eq!(harmless("主题"), "主题");
        assert_eq!(json("[\r\n\"\u{9b}\"]", false), "[\"\\u{9b}\"]");
    }
}
