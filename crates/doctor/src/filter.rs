//! A topic filter as a person wrote it: what makes it invalid, and what makes it match nothing.

use columba_codec::TopicFault;
use columba_codec::topic::TopicFilter;
use columba_speech::Text;

use crate::address::half_width;
use crate::report::{Check, Finding};
use crate::text::filter as text;

/// What is to be said about a filter.
pub fn judge(filter: &str) -> Finding {
    let shown = shown(filter);
    let odd = oddities(filter);
    let fixed = corrected(filter);
    let fix = (fixed != filter && TopicFilter::parse(&fixed).is_ok())
        .then(|| text::filter_fix(fixed.as_str()));
    match TopicFilter::parse(filter) {
        Err(fault) => {
            let mut finding = Finding::fail(Check::Filter, text::filter_invalid(shown));
            finding.notes = [vec![fault_text(fault)], odd].concat();
            finding.fix(fix)
        }
        Ok(_) if odd.is_empty() => {
            let finding = Finding::pass(Check::Filter, text::filter_good(shown));
            finding.note(
                filter
                    .starts_with(['#', '+'])
                    .then(text::hash_without_dollar),
            )
        }
        Ok(_) => {
            let mut finding = Finding::warn(Check::Filter, text::filter_odd(shown));
            finding.notes = odd;
            finding.fix(fix)
        }
    }
}

fn fault_text(fault: TopicFault) -> Text {
    match fault {
        TopicFault::Empty => text::filter_empty(),
        TopicFault::Nul => text::filter_nul(),
        TopicFault::TooLong => text::filter_too_long(),
        TopicFault::WildcardInName | TopicFault::WildcardInLevel => text::wildcard_in_level(),
        TopicFault::HashNotLast => text::hash_not_last(),
        TopicFault::Share => text::share_invalid(),
    }
}

/// The filter with its invisible characters taken out, for a terminal.
fn shown(filter: &str) -> String {
    filter
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect()
}

fn oddities(filter: &str) -> Vec<Text> {
    let mut found = Vec::new();
    let name = shown(filter);
    if filter.len() >= 2 && filter.starts_with(['\'', '"', '“']) {
        found.push(text::quoted());
    }
    if filter.len() > 1 && filter.starts_with('/') {
        let other = shown(filter.trim_start_matches('/'));
        found.push(text::leading_slash(name.as_str(), other));
    }
    if filter.len() > 1 && filter.ends_with('/') {
        let other = shown(filter.trim_end_matches('/'));
        found.push(text::trailing_slash(name, other));
    }
    if filter.trim_matches('/').contains("//") {
        found.push(text::double_slash());
    }
    for level in filter.split('/') {
        if level.trim_matches([' ', '\t']) != level {
            found.push(text::space_around(shown(level)));
        } else if level.contains([' ', '\t']) {
            found.push(text::space_inside(shown(level)));
        }
    }
    characters(filter, &mut found);
    if let Some(placeholder) = placeholder(filter) {
        found.push(text::placeholder(shown(placeholder)));
    }
    for (wildcard, name) in [("*", "*"), (">", ">")] {
        if filter.split(['/', '.']).any(|level| level == wildcard) {
            found.push(text::foreign_wildcard(name));
        }
    }
    if !filter.contains('/') && filter.matches('.').count() >= 2 {
        found.push(text::dots());
    }
    if filter.contains('\\') {
        found.push(text::backslash());
    }
    if filter.starts_with("share/") {
        found.push(text::share_without_dollar());
    }
    found
}

fn characters(filter: &str, found: &mut Vec<Text>) {
    let mut seen = Vec::new();
    for c in filter.chars() {
        let twin = half_width(c);
        let said = if twin != c && c != '。' {
            text::full_width(c.to_string(), twin.to_string())
        } else if is_invisible(c) {
            text::invisible(format!("U+{:04X}", c as u32))
        } else if matches!(c, '\u{300}'..='\u{36F}') {
            text::combining()
        } else {
            continue;
        };
        if !seen.contains(&c) {
            seen.push(c);
            if !found.contains(&said) {
                found.push(said);
            }
        }
    }
}

/// Characters that one cannot see: controls, zero width, marks of direction, no-break spaces.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{1}'..='\u{8}' | '\u{A}'..='\u{1F}' | '\u{7F}'..='\u{A0}' | '\u{AD}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2064}'
            | '\u{FEFF}'
    )
}

/// Something that a program or a person was to replace.
fn placeholder(filter: &str) -> Option<&str> {
    for (open, close) in [("${", '}'), ("{", '}'), ("<", '>'), ("[[", ']')] {
        if let Some((at, _)) = filter.match_indices(open).next()
            && let Some(len) = filter.get(at..).and_then(|rest| rest.find(close))
        {
            return filter.get(at..=at + len);
        }
    }
    filter.split('/').find(|level| {
        let rest = level.strip_prefix('%');
        rest.is_some_and(|rest| {
            matches!(rest, "c" | "u" | "s" | "d" | "i" | "clientid" | "username")
        })
    })
}

/// The filter as it was most likely meant.
fn corrected(filter: &str) -> String {
    let half: String = filter
        .chars()
        .map(|c| if c == '。' { c } else { half_width(c) })
        .filter(|c| !is_invisible(*c))
        .collect();
    let unquoted = half.trim().trim_matches(['\'', '"', '“', '”']);
    let unquoted = if unquoted.contains("://") {
        unquoted.to_owned()
    } else {
        unquoted.replace('\\', "/")
    };
    let levels: Vec<_> = unquoted
        .split('/')
        .map(|level| match level.trim() {
            "*" => "+",
            ">" => "#",
            level => level,
        })
        .collect();
    let joined = levels.join("/");
    if joined.len() > 1 {
        joined.trim_start_matches('/').to_owned()
    } else {
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Mark;

    fn check(filter: &str) -> (Mark, Vec<&'static str>, Option<String>) {
        let finding = judge(filter);
        let fix = finding.fixes.first().map(|fix| {
            let english = fix.to_string(columba_speech::Language::English);
            english.trim_start_matches("use ").to_owned()
        });
        (
            finding.mark,
            finding.notes.iter().map(Text::code).collect(),
            fix,
        )
    }

    #[test]
    fn good_filters_pass() {
        for filter in [
            "a/b",
            "home/+/temp",
            "a/#",
            "$SYS/#",
            "$share/g/a/#",
            "家/客厅/温度",
            "v1.2/a",
        ] {
            assert_eq!(check(filter), (Mark::Pass, vec![], None), "{filter}");
        }
        assert_eq!(check("#"), (Mark::Pass, vec!["hash_without_dollar"], None));
    }

    #[test]
    fn invalid_filters_fail_with_the_rule() {
        for (filter, rule) in [
            ("", "filter_empty"),
            ("a/#/b", "hash_not_last"),
            ("a#", "wildcard_in_level"),
            ("a/b+/c", "wildcard_in_level"),
            ("$share/g", "share_invalid"),
            ("$share/+/a", "share_invalid"),
        ] {
            let (mark, notes, _) = check(filter);
            assert_eq!((mark, notes[0]), (Mark::Fail, rule), "{filter}");
        }
    }

    #[test]
    fn filters_that_match_nothing_are_told_with_what_was_meant() {
        for (filter, note, fix) in [
            ("/dev/1", "leading_slash", Some("dev/1")),
            ("dev/1/", "trailing_slash", None),
            ("dev//1", "double_slash", None),
            ("POWER ", "space_around", Some("POWER")),
            ("living room/temp", "space_inside", None),
            ("home／＋／temp", "full_width", Some("home/+/temp")),
            ("home/＃", "full_width", Some("home/#")),
            ("home/\u{200B}temp", "invisible", Some("home/temp")),
            ("cafe\u{301}/x", "combining", None),
            ("dev/${id}/up", "placeholder", None),
            ("dev/<id>/up", "placeholder", None),
            ("dev/%c/up", "placeholder", None),
            ("'home/#'", "quoted", Some("home/#")),
            ("home/*/temp", "foreign_wildcard", Some("home/+/temp")),
            ("home.>", "foreign_wildcard", None),
            ("home.kitchen.temp", "dots", None),
            ("home\\kitchen", "backslash", Some("home/kitchen")),
            ("share/g/a", "share_without_dollar", None),
        ] {
            let (mark, notes, fixed) = check(filter);
            let expected = if filter == "'home/#'" {
                Mark::Fail
            } else {
                Mark::Warn
            };
            assert_eq!(mark, expected, "{filter}");
            assert!(notes.contains(&note), "{filter}: {notes:?}");
            assert_eq!(fixed.as_deref(), fix, "{filter}");
        }
    }
}
