//! Words of command lines that people are advised to type.

/// A word as one writes it in a shell: in quotes where it needs them, and bare where it does not, so that
/// `home/lamp` stays as it is and `home/#` and `living room` do not become something else.
///
/// ```
/// use columba_speech::shell::word;
/// assert_eq!(word("home/+/lamp"), "home/+/lamp");
/// assert_eq!(word("the hub's"), r"'the hub'\''s'");
/// ```
pub fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,".contains(c);
    // Elsewhere in a word they are nothing special: `~` is a home directory, `=` the path of a program.
    let rest = text.get(1..).filter(|_| text.starts_with(is_plain));
    let is_bare = rest.is_some_and(|rest| rest.chars().all(|c| is_plain(c) || "~=".contains(c)));
    let is_bare = is_bare || !text.is_empty() && text.chars().all(is_plain);
    if is_bare {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_make_something_else_of_them() {
        for plain in [
            "./columba-data",
            "home/lamp",
            "home/+/temp",
            "家/客厅/温度",
            "AA:BB:CC",
            "mqttjs_01",
            "a=b",
            "backup~",
        ] {
            assert_eq!(word(plain), plain);
        }
        for (text, quoted) in [
            ("", "''"),
            ("a b", "'a b'"),
            ("a\u{3000}b", "'a\u{3000}b'"),
            ("home/#", "'home/#'"),
            ("$SYS/broker", "'$SYS/broker'"),
            ("a*", "'a*'"),
            ("my dir's", r"'my dir'\''s'"),
            ("a\"b", "'a\"b'"),
            ("a;b", "'a;b'"),
            ("{a,b}", "'{a,b}'"),
            ("~ann", "'~ann'"),
            ("=ls", "'=ls'"),
            ("a\\b", r"'a\b'"),
        ] {
            assert_eq!(word(text), quoted);
        }
    }
}
