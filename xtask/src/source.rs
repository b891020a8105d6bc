//! Just enough reading of Rust text: what is code, what is comment, where functions are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One Rust file.
pub(crate) struct Source {
    /// Relative to the repository's root, with `/`.
    pub(crate) path: String,
    /// As it stands on disk.
    pub(crate) text: String,
    /// Of the same length, with comments and the contents of literals blanked.
    pub(crate) code: String,
}

/// A function in a [`Source`]; lines count from 0.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// First line of the comments and attributes above it.
    pub(crate) top: usize,
    /// The line with `fn`.
    pub(crate) line: usize,
    /// The line with the closing brace.
    pub(crate) end: usize,
    /// Whether an attribute makes it a test.
    pub(crate) is_test: bool,
}

impl Source {
    /// Reads `path` below `root`.
    pub(crate) fn read(root: &Path, path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let shown = path.strip_prefix(root).unwrap_or(path);
        Ok(Self::new(shown.to_string_lossy().replace('\\', "/"), text))
    }

    /// From text at hand.
    pub(crate) fn new(path: String, text: String) -> Self {
        let code = blank(&text);
        Self { path, text, code }
    }

    /// Whether the whole file is test code.
    pub(crate) fn is_test_file(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// The functions with a body, in order.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let code = self.code.as_bytes();
        let lines: Vec<&str> = self.text.lines().collect();
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(hit) = self.code[at..].find("fn ") {
            let start = at + hit;
            at = start + 3;
            if start > 0 && is_word(code[start - 1]) {
                continue;
            }
            let name: String = self.code[at..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let Some(body) = (!name.is_empty()).then(|| body_of(code, at)).flatten() else {
                continue;
            };
            let line = line_of(code, start);
            let (top, is_test) = above(&lines, line);
            found.push(Function {
                name,
                top,
                line,
                end: line_of(code, body.1),
                is_test,
            });
        }
        found
    }

    /// The line numbers (from 0) of test code: test functions, `mod tests`, whole test files.
    pub(crate) fn is_test_line(&self, functions: &[Function], line: usize) -> bool {
        if self.is_test_file()
            || functions
                .iter()
                .any(|f| f.is_test && (f.top..=f.end).contains(&line))
        {
            return true;
        }
        match self.code.find("mod tests {") {
            Some(at) => line >= line_of(self.code.as_bytes(), at),
            None => false,
        }
    }
}

/// Every file below `dir` whose name ends in `ending`, sorted; hidden and built folders left out.
pub(crate) fn files_below(dir: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        if !dir.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && !matches!(&*name, "target" | "node_modules") {
                    open.push(entry.path());
                }
            } else if name.ends_with(ending) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_of(code: &[u8], at: usize) -> usize {
    code[..at].iter().filter(|b| **b == b'\n').count()
}

/// The span of the braces that follow a signature; `None` for a declaration without a body.
fn body_of(code: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut nested = 0_i32;
    let mut open = None;
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => nested += 1,
            b')' | b']' => nested -= 1,
            b';' if nested == 0 => return None,
            b'{' if nested == 0 => {
                open = Some(at);
                break;
            }
            _ => {}
        }
    }
    let open = open?;
    let mut depth = 0_i32;
    for (at, byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((open, at));
        }
    }
    None
}

/// How far comments and attributes reach up from a signature, and whether one says "test".
fn above(lines: &[&str], line: usize) -> (usize, bool) {
    let mut top = line;
    let mut is_test = false;
    while top > 0 {
        let text = lines[top - 1].trim();
        if !(text.starts_with("#[") || text.starts_with("//")) {
            break;
        }
        is_test |= text.starts_with("#[test]")
            || (text.starts_with("#[") && (text.contains("::test]") || text.contains("::test(")));
        top -= 1;
    }
    (top, is_test)
}

/// Replaces comments and the contents of string and character literals by spaces.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => bytes[at..]
                .iter()
                .position(|b| *b == b'\n')
                .map_or(bytes.len(), |n| at + n),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if at == 0 || !is_word(bytes[at - 1]) || bytes[at - 1] == b'b' => {
                raw_string_end(bytes, at).unwrap_or(at)
            }
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_u32;
    let mut at = start;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..]
        .iter()
        .take_while(|b| **b == b'#')
        .count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"')
        .chain(std::iter::repeat_n(b'#', hashes))
        .collect();
    let found = bytes[open + 1..]
        .windows(close.len())
        .position(|w| w == close);
    Some(found.map_or(bytes.len(), |n| open + 1 + n + close.len()))
}

/// The end of a character literal; `None` for a lifetime.
fn char_end(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start + 1) == Some(&b'\\') {
        let close = bytes[start + 3..].iter().position(|b| *b == b'\'')?;
        return Some(start + 3 + close + 1);
    }
    // One character of up to four bytes; a lifetime has no quote behind it.
    let close = bytes
        .get(start + 2..bytes.len().min(start + 6))?
        .iter()
        .position(|b| *b == b'\'')?;
    let one = std::str::from_utf8(&bytes[start + 1..start + 2 + close]).ok()?;
    (one.chars().count() == 1).then_some(start + 2 + close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_and_literals_and_keeps_lifetimes() {
        for (text, code) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"x { \\\" y\") {", "f(          ) {"),
            ("r#\"a \" {\"# }", "           }"),
            ("x('{', '\\'', 'ä')", "x(   ,     ,     )"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        ] {
            assert_eq!(blank(text), code, "{text}");
        }
    }

    #[test]
    fn finds_functions_with_their_comments_and_attributes() {
        let text = "trait T { fn declared(&self) -> [u8; 4]; }\n\n// why\n#[test]\nfn one() { // tag\n    \
                    if x { y }\n}\nfn two() {}\n";
        let source = Source::new("crates/x/src/a.rs".into(), text.into());
        let found: Vec<_> = source
            .functions()
            .into_iter()
            .map(|f| (f.name, f.top, f.line, f.end, f.is_test))
            .collect();
        assert_eq!(
            found,
            [
                ("one".into(), 2, 4, 6, true),
                ("two".into(), 7, 7, 7, false)
            ]
        );
    }
}
