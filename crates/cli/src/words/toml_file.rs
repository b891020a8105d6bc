//! What is wrong with a file in TOML, in words. The English is that of its reader.

use columba_speech::{Param, Text};

columba_speech::catalogue! {
    /// All sentences.
    pub(super) ALL;

    unknown_key(key, known) {
        en: "unknown field `{key}`, expected {known}", zh: "未知的键 `{key}`，可用的有 {known}",
    }
    one_of(names) { en: "one of {names}", zh: "{names}" }
    missing_key(key) { en: "missing field `{key}`", zh: "缺少键 `{key}`" }
    duplicate_key() { en: "duplicate key", zh: "键重复" }
    other_type(found, expected) {
        en: "invalid type: {found}, expected {expected}", zh: "类型不符：这里是{found}，应为{expected}",
    }
    no_toml(why) { en: "{why}", zh: "TOML 语法错误（{why}）" }

    text_of(value) { en: "string {value}", zh: "文本 {value}" }
    integer_of(value) { en: "integer `{value}`", zh: "整数 `{value}`" }
    float_of(value) { en: "floating point `{value}`", zh: "小数 `{value}`" }
    boolean_of(value) { en: "boolean `{value}`", zh: "布尔值 `{value}`" }
    a_map() { en: "map", zh: "表" }
    a_sequence() { en: "sequence", zh: "数组" }
    a_text() { en: "a string", zh: "文本" }
    an_array() { en: "a sequence", zh: "数组" }
    a_boolean() { en: "a boolean", zh: "布尔值" }
}

/// A sentence of the reader.
pub(crate) fn fault(message: &str) -> Text {
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((key, known)) = rest.split_once("`, expected ")
    {
        let names = known.trim_start_matches("one of ");
        return match names == known {
            true => unknown_key(key, known),
            false => unknown_key(key, one_of(list(names))),
        };
    }
    if let Some(key) = message.strip_prefix("missing field `") {
        return missing_key(key.trim_end_matches('`'));
    }
    if message == "duplicate key" {
        return duplicate_key();
    }
    if let Some(rest) = message.strip_prefix("invalid type: ")
        && let Some((found, expected)) = rest.split_once(", expected ")
    {
        return other_type(kind(found), kind(expected));
    }
    no_toml(message)
}

/// Names, as the reader lists them.
fn list(names: &str) -> Param {
    Param::list(names.split(", "))
}

/// What a value is, or should be.
fn kind(text: &str) -> Param {
    for (start, of) in [
        ("string ", text_of as fn(Param) -> Text),
        ("integer `", integer_of),
        ("floating point `", float_of),
        ("boolean `", boolean_of),
    ] {
        if let Some(value) = text.strip_prefix(start) {
            return of(value.trim_end_matches('`').into()).into();
        }
    }
    let known = [a_map(), a_sequence(), a_text(), an_array(), a_boolean()];
    let same = |kind: &Text| kind.to_string(columba_speech::Language::English) == text;
    known
        .into_iter()
        .find(same)
        .map_or_else(|| text.into(), Param::from)
}
