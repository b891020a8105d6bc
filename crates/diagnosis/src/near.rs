//! Filters and topics that nearly match, and the one thing that keeps them apart.

use columba_codec::topic;
use columba_codec::{TopicFilter, TopicName};
use columba_speech::Text;
use unicode_normalization::UnicodeNormalization as _;

use crate::evidence::FILTERS_MAX;
use crate::texts::sentences as say;

/// Why a filter or topic is not the other one. Earlier ones are better guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// `A` is not `a`.
    Case,
    /// A `/` at the beginning or the end makes another topic.
    OuterSlash,
    /// A blank, or a character that does not show.
    Whitespace,
    /// `／`, `＃`, `＋` or another full-width form from an input method.
    FullWidth,
    /// The same to the eye, other characters: composed and decomposed, Cyrillic and Latin.
    LookAlike,
    /// `%c`, `{id}`, `${x}` or `<id>` that nobody replaced.
    Placeholder,
    /// `.`, `*` or `>` as in NATS or RabbitMQ.
    OtherSyntax,
    /// `$share` without a name or with a wildcard in it, or misspelt.
    ShareSyntax,
    /// `#` that is not the last level, or a wildcard that does not fill its level.
    WildcardPlace,
    /// A leading wildcard never matches a topic that begins with `$`.
    DollarTopic,
    /// `-` is not `_`.
    Dash,
    /// `+` stands for one level, and there are more.
    PlusSpansOne,
    /// A level is missing or too much.
    LevelCount,
    /// Up to two letters of one level differ.
    Typo,
}

impl Rule {
    /// A word for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Case => "case",
            Self::OuterSlash => "outer_slash",
            Self::Whitespace => "whitespace",
            Self::FullWidth => "full_width",
            Self::LookAlike => "look_alike",
            Self::Placeholder => "placeholder",
            Self::OtherSyntax => "other_syntax",
            Self::ShareSyntax => "share_syntax",
            Self::WildcardPlace => "wildcard_place",
            Self::DollarTopic => "dollar_topic",
            Self::Dash => "dash",
            Self::PlusSpansOne => "plus_spans_one",
            Self::LevelCount => "level_count",
            Self::Typo => "typo",
        }
    }

    /// The sentence about a level, given as its number from 1.
    pub fn sentence(self, level: usize) -> Text {
        match self {
            Self::Case => say::near_case(level),
            Self::OuterSlash => say::near_outer_slash(),
            Self::Whitespace => say::near_whitespace(level),
            Self::FullWidth => say::near_full_width(level),
            Self::LookAlike => say::near_look_alike(level),
            Self::Placeholder => say::near_placeholder(level),
            Self::OtherSyntax => say::near_other_syntax(),
            Self::ShareSyntax => say::near_share_syntax(),
            Self::WildcardPlace => say::near_wildcard_place(),
            Self::DollarTopic => say::near_dollar_topic(),
            Self::Dash => say::near_dash(level),
            Self::PlusSpansOne => say::near_plus_spans_one(),
            Self::LevelCount => say::near_level_count(),
            Self::Typo => say::near_typo(level),
        }
    }
}

impl Rule {
    /// Whether it is this text that is written as it can hardly be meant: the other one is as it should be.
    pub(crate) fn is_odd(self, text: &str) -> bool {
        match self {
            Self::Placeholder => text.split('/').any(is_placeholder),
            Self::OtherSyntax => translated(text) != text,
            Self::WildcardPlace | Self::PlusSpansOne => TopicName::parse(text).is_err(),
            Self::Whitespace | Self::FullWidth | Self::LookAlike => {
                let mut folds = FOLDS.iter().filter(|(rule, _)| *rule == self);
                folds.any(|(_, fold)| fold(text) != text)
            }
            Self::Case
            | Self::OuterSlash
            | Self::ShareSyntax
            | Self::DollarTopic
            | Self::Dash
            | Self::LevelCount
            | Self::Typo => false,
        }
    }

    /// The advice to publish to a topic, so that nobody reads what is wrong there now.
    pub(crate) fn publish_to(self, topic: &str) -> Text {
        match self.marked(topic) {
            Some(marked) => say::fix_publish_exactly(marked),
            None => say::fix_publish_to(topic),
        }
    }

    /// The same to subscribe to a filter.
    pub(crate) fn subscribe_to(self, filter: &str) -> Text {
        match self.marked(filter) {
            Some(marked) => say::fix_subscribe_exactly(marked),
            None => say::fix_subscribe_to(filter),
        }
    }

    /// With the code points of what does not show, or looks like something else, where a rule is about that.
    fn marked(self, text: &str) -> Option<String> {
        let is_about_that = matches!(self, Self::Whitespace | Self::LookAlike);
        is_about_that.then(|| text.chars().map(|c| self.marked_character(c)).collect())
    }

    fn marked_character(self, c: char) -> String {
        let code = format!("<U+{:04X}>", u32::from(c));
        if c != ' ' && is_blank(c) || is_combining(c) {
            code
        } else if self == Self::LookAlike && !c.is_ascii() {
            format!("{c}{code}")
        } else {
            c.to_string()
        }
    }
}

/// Something that nearly matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// The filter or topic.
    pub name: String,
    /// What keeps it apart.
    pub rule: Rule,
    /// The level that differs, from 1.
    pub level: usize,
}

/// Whether a filter, `$share/NAME/` before it or not, matches a topic. A filter that is not valid
/// matches nothing.
pub fn matches(filter: &str, topic: &str) -> bool {
    TopicFilter::parse(filter).is_ok_and(|filter| filter.matches(topic))
}

/// The filters that nearly match a topic, the best guesses first. Looks at [`FILTERS_MAX`].
pub fn filters<'a>(topic: &str, filters: impl IntoIterator<Item = &'a str>) -> Vec<Near> {
    near(filters, |filter| of_filter(filter, topic))
}

/// The topics that are nearly this one, the best guesses first. Looks at [`FILTERS_MAX`].
pub fn topics<'a>(topic: &str, topics: impl IntoIterator<Item = &'a str>) -> Vec<Near> {
    near(topics, |other| of_topic(other, topic))
}

fn near<'a>(
    names: impl IntoIterator<Item = &'a str>,
    rule_of: impl Fn(&str) -> Option<(Rule, usize)>,
) -> Vec<Near> {
    let names = names.into_iter().take(FILTERS_MAX);
    let mut found: Vec<_> = names
        .filter_map(|name| {
            let (rule, level) = rule_of(name)?;
            let name = name.to_owned();
            Some(Near { name, rule, level })
        })
        .collect();
    found.sort_by(|a, b| (a.rule, &a.name).cmp(&(b.rule, &b.name)));
    found.dedup();
    found
}

/// The one thing that keeps a filter from matching a topic. `None` if it matches, or if more than one
/// thing does.
pub fn of_filter(filter: &str, topic: &str) -> Option<(Rule, usize)> {
    if matches(filter, topic) {
        return None;
    }
    let bare = TopicFilter::parse(filter).map_or(filter, TopicFilter::filter);
    by_spelling(bare, topic)
        .or_else(|| of_share(filter, topic).map(|rule| (rule, 1)))
        .or_else(|| by_structure(bare, topic).map(|rule| (rule, 1)))
        .or_else(|| typo(bare, topic))
}

/// Where a filter stops matching a topic that it does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference<'a> {
    /// A level, from 1, of the filter and of the topic.
    Level(usize, &'a str, &'a str),
    /// The topic ends where the filter has so many levels; it has so many itself.
    TopicEnds(usize, usize),
    /// The filter ends where the topic has so many levels; it has so many itself.
    FilterEnds(usize, usize),
}

/// The first place where a filter, `$share/NAME/` before it or not, and a topic differ. `None` if it
/// matches, if it is not valid, or for a rule of a kind of its own ([`Rule::DollarTopic`]).
pub fn first_difference<'a>(filter: &'a str, topic: &'a str) -> Option<Difference<'a>> {
    let bare = TopicFilter::parse(filter).ok()?.filter();
    if topic::matches(bare, topic) {
        return None;
    }
    let at = differing_level(bare, topic);
    let counts = (bare.split('/').count(), topic.split('/').count());
    match (bare.split('/').nth(at - 1), topic.split('/').nth(at - 1)) {
        (Some("#"), _) | (None, None) => None,
        (Some(of_filter), Some(of_topic)) => Some(Difference::Level(at, of_filter, of_topic)),
        (Some(_), None) => Some(Difference::TopicEnds(counts.0, counts.1)),
        (None, Some(_)) => Some(Difference::FilterEnds(counts.1, counts.0)),
    }
}

/// The one thing that keeps two topics apart. `None` if they are the same, or very different.
pub fn of_topic(other: &str, topic: &str) -> Option<(Rule, usize)> {
    if other == topic {
        return None;
    }
    by_spelling(other, topic)
        .or_else(|| (has_other_syntax(other, topic)).then_some((Rule::OtherSyntax, 1)))
        .or_else(|| is_one_level_apart(other, topic).then_some((Rule::LevelCount, 1)))
        .or_else(|| typo(other, topic))
}

/// A rule by which both become the same.
type Fold = fn(&str) -> String;

const FOLDS: [(Rule, Fold); 5] = [
    (Rule::Case, |text| text.to_lowercase()),
    (Rule::Whitespace, |text| {
        text.chars().filter(|c| !is_blank(*c)).collect()
    }),
    (Rule::FullWidth, |text| text.chars().map(narrow).collect()),
    (Rule::LookAlike, |text| {
        text.nfkc().map(latin).collect::<String>().nfc().collect()
    }),
    (Rule::Dash, |text| text.replace('-', "_")),
];

fn by_spelling(filter: &str, topic: &str) -> Option<(Rule, usize)> {
    let trimmed = (filter.trim_matches('/'), topic.trim_matches('/'));
    let is_trimmed = trimmed != (filter, topic);
    if is_trimmed && !trimmed.0.is_empty() && topic::matches(trimmed.0, trimmed.1) {
        return Some((Rule::OuterSlash, 1));
    }
    for (rule, fold) in FOLDS {
        let (folded, other) = (fold(filter), fold(topic));
        if (folded != filter || other != topic) && matches(&folded, &other) {
            return Some((rule, differing_level(filter, topic)));
        }
    }
    placeholder(filter, topic)
}

/// Accents and the like, which stand on the character before them.
const fn is_combining(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}')
}

const fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\0'..='\x1F')
}

/// The ASCII character of a full-width form.
pub(crate) fn narrow(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{3000}' => ' ',
        '。' => '.',
        _ => c,
    }
}

/// The Latin letter that a Cyrillic or Greek one looks like.
pub(crate) const fn latin(c: char) -> char {
    match c {
        'а' => 'a',
        'е' => 'e',
        'о' | 'ο' => 'o',
        'р' | 'ρ' => 'p',
        'с' => 'c',
        'х' | 'χ' => 'x',
        'у' => 'y',
        'і' => 'i',
        'ѕ' => 's',
        'ј' => 'j',
        'А' | 'Α' => 'A',
        'В' | 'Β' => 'B',
        'Е' | 'Ε' => 'E',
        'К' | 'Κ' => 'K',
        'М' | 'Μ' => 'M',
        'Н' | 'Η' => 'H',
        'О' | 'Ο' => 'O',
        'Р' | 'Ρ' => 'P',
        'С' => 'C',
        'Т' | 'Τ' => 'T',
        'Х' | 'Χ' => 'X',
        '‐' | '‑' | '–' | '—' | '−' => '-',
        '⁄' | '∕' => '/',
        _ => c,
    }
}

/// The first level in which a topic is not what a filter says, from 1.
fn differing_level(filter: &str, topic: &str) -> usize {
    let pairs = filter.split('/').zip(topic.split('/'));
    let same = pairs.take_while(|(of, level)| *of == "+" || of == level);
    same.count() + 1
}

/// A level that was meant to be replaced by something, while all others match.
fn placeholder(filter: &str, topic: &str) -> Option<(Rule, usize)> {
    let open = |text: &str| {
        let levels = text.split('/');
        let opened = levels.map(|level| if is_placeholder(level) { "+" } else { level });
        opened.collect::<Vec<_>>().join("/")
    };
    let (opened, other) = (open(filter), open(topic));
    let is_near = match (opened != filter, other != topic) {
        (true, _) => matches(&opened, topic),
        // What the topic has at that place stands for whatever the filter has there.
        (false, true) => {
            let levels: Vec<_> = filter.split('/').collect();
            let replaced = topic.split('/').enumerate().map(|(at, level)| {
                let there = levels.get(at).copied().unwrap_or(level);
                if is_placeholder(level) { there } else { level }
            });
            matches(filter, &replaced.collect::<Vec<_>>().join("/"))
        }
        (false, false) => false,
    };
    is_near.then(|| (Rule::Placeholder, differing_level(filter, topic)))
}

pub(crate) fn is_placeholder(level: &str) -> bool {
    let is_between = |open: &str, close: char| {
        let start = level.find(open);
        start.is_some_and(|start| level.get(start..).is_some_and(|rest| rest.contains(close)))
    };
    matches!(
        level,
        "%c" | "%u" | "%i" | "%s" | "%d" | "%topic%" | "%prefix%"
    ) || level.starts_with(':') && level.len() > 1
        || is_between("{", '}')
        || is_between("<", '>')
}

/// Words of `$share` that were meant to make a shared subscription and do not.
fn of_share(filter: &str, topic: &str) -> Option<Rule> {
    let lower = filter.to_lowercase();
    let is_share = ["$share", "share/", "$queue/", "$shared/"];
    let is_share = is_share.iter().any(|start| lower.starts_with(start));
    if !is_share {
        return None;
    }
    // Without one level or two of it, it would match; of a valid one the name is a level of the topic.
    let most = if TopicFilter::parse(filter).is_ok_and(|of| of.share().is_some()) {
        1
    } else {
        2
    };
    let mut rest = filter;
    for _ in 0..most {
        rest = rest.split_once('/')?.1;
        if matches(rest, topic) {
            return Some(Rule::ShareSyntax);
        }
    }
    None
}

fn by_structure(filter: &str, topic: &str) -> Option<Rule> {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        let levels = topic.split_once('/').map(|(_, rest)| rest);
        let is_near = filter == "#"
            || levels.is_some_and(|rest| {
                filter
                    .split_once('/')
                    .is_some_and(|(_, of)| topic::matches(of, rest))
            });
        return is_near.then_some(Rule::DollarTopic);
    }
    if has_other_syntax(filter, topic) {
        return Some(Rule::OtherSyntax);
    }
    if TopicFilter::parse(filter).is_err() {
        return is_wildcard_misplaced(filter, topic).then_some(Rule::WildcardPlace);
    }
    let is_plus_last = filter.ends_with("/+") || filter == "+";
    if is_plus_last {
        let all = format!("{}#", filter.trim_end_matches('+'));
        let (levels, of) = (topic.split('/').count(), filter.split('/').count());
        if matches(&all, topic) && levels > of {
            return Some(Rule::PlusSpansOne);
        }
    }
    let has_word = filter
        .split('/')
        .any(|level| !matches!(level, "+" | "#" | ""));
    (has_word && is_one_level_apart(filter, topic)).then_some(Rule::LevelCount)
}

/// Whether it matches once `.` is `/`, `*` is `+` and `>` is `#`.
fn has_other_syntax(filter: &str, topic: &str) -> bool {
    let (of, other) = (translated(filter), translated(topic));
    (of != filter || other != topic) && matches(&of, &other)
}

/// What is written as in another system, as in MQTT.
fn translated(text: &str) -> String {
    let text = if text.contains('/') {
        text.to_owned()
    } else {
        text.replace('.', "/")
    };
    let levels = text.split('/').map(|level| match level {
        "*" => "+",
        ">" | "**" => "#",
        level => level,
    });
    levels.collect::<Vec<_>>().join("/")
}

fn is_wildcard_misplaced(filter: &str, topic: &str) -> bool {
    // As if `#` stood for any number of levels, and a wildcard in a level for any letters.
    let levels: Vec<_> = filter.split('/').collect();
    let names: Vec<_> = topic.split('/').collect();
    fits_loosely(&levels, &names)
}

fn fits_loosely(levels: &[&str], names: &[&str]) -> bool {
    let Some((level, rest)) = levels.split_first() else {
        return names.is_empty();
    };
    if *level == "#" {
        // Filters are short; a `#` is tried at each level behind it once.
        return (0..=names.len())
            .any(|at| names.get(at..).is_some_and(|of| fits_loosely(rest, of)))
            && levels.len() <= 16;
    }
    let Some((name, others)) = names.split_first() else {
        return false;
    };
    let is_same = match level.find(['+', '#']) {
        Some(at) => {
            let (start, end) = level.split_at(at);
            let end = end.get(1..).unwrap_or_default();
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => level == name,
    };
    is_same && fits_loosely(rest, others)
}

/// Whether it would match with one level less on one side.
fn is_one_level_apart(filter: &str, topic: &str) -> bool {
    let (levels, names): (Vec<_>, Vec<_>) =
        (filter.split('/').collect(), topic.split('/').collect());
    let without = |of: &[&str], at: usize| {
        let kept = of.iter().enumerate().filter(|(n, _)| *n != at);
        kept.map(|(_, level)| *level).collect::<Vec<_>>().join("/")
    };
    if levels.len() == names.len() + 1 {
        return levels.len() > 2
            && (0..levels.len()).any(|at| matches(&without(&levels, at), topic));
    }
    names.len() == levels.len() + 1
        && levels.len() > 1
        && (0..names.len()).any(|at| matches(filter, &without(&names, at)))
}

/// The level in which up to two letters differ, if it is the only one.
fn typo(filter: &str, topic: &str) -> Option<(Rule, usize)> {
    let (levels, names): (Vec<_>, Vec<_>) =
        (filter.split('/').collect(), topic.split('/').collect());
    let has_rest = levels.last() == Some(&"#");
    if levels.len() != names.len() && !(has_rest && names.len() + 1 >= levels.len()) {
        return None;
    }
    let mut found = None;
    for (at, (level, name)) in levels.iter().zip(&names).enumerate() {
        if *level == "#" {
            break;
        }
        if *level == "+" || level == name {
            continue;
        }
        let (most, length) = (level.chars().count().min(name.chars().count()), 2);
        // Two numbers that differ are two devices, and half a word is no typo.
        let is_number = |text: &str| text.chars().any(|c| c.is_ascii_digit());
        let is_close = most > 3 || most == 3 && distance(level, name) == 1;
        if found.is_some()
            || !is_close
            || is_number(level) && is_number(name)
            || distance(level, name) > length
        {
            return None;
        }
        found = Some((Rule::Typo, at + 1));
    }
    found
}

/// Letters to change, add or take away, or neighbours to swap; 3 for more than 2 in any case.
pub fn distance(a: &str, b: &str) -> usize {
    const LEN_MAX: usize = 64;
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 2 || a.len() > LEN_MAX || b.len() > LEN_MAX {
        return 3;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, of_a) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, of_b) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let change = cell(&row, j) + usize::from(of_a != of_b);
            let mut best = change.min(cell(&row, j + 1) + 1).min(cell(&next, j) + 1);
            let is_swap =
                i > 0 && j > 0 && a.get(i - 1) == Some(of_b) && b.get(j - 1) == Some(of_a);
            if is_swap {
                best = best.min(cell(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default().min(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_where_a_filter_and_a_topic_differ_is_found() {
        use Difference::{FilterEnds, Level, TopicEnds};
        let of = first_difference;
        assert_eq!(
            of("home/+/x", "home/kitchen/temp"),
            Some(Level(3, "x", "temp"))
        );
        assert_eq!(of("$share/g/home/a", "home/b"), Some(Level(2, "a", "b")));
        assert_eq!(of("home/+/temp/raw", "home/kitchen"), Some(TopicEnds(4, 2)));
        assert_eq!(of("home/+", "home/kitchen/temp"), Some(FilterEnds(3, 2)));
        assert_eq!(of("home/#", "home/kitchen/temp"), None);
        assert_eq!(of("#", "$SYS/broker"), None);
        assert_eq!(of("home/#/x", "home/a"), None);
    }

    #[test]
    fn each_rule_finds_its_near_miss() {
        for (filter, topic, rule) in [
            ("home/kitchen/+", "home/Kitchen/temp", Some(Rule::Case)),
            ("/home/temp", "home/temp", Some(Rule::OuterSlash)),
            ("home/temp/", "home/temp", Some(Rule::OuterSlash)),
            ("home/temp", "home/temp ", Some(Rule::Whitespace)),
            ("home/temp", "home/\u{200B}temp", Some(Rule::Whitespace)),
            ("home／temp", "home/temp", Some(Rule::FullWidth)),
            ("home/＃", "home/temp", Some(Rule::FullWidth)),
            ("home/＋/x", "home/temp/x", Some(Rule::FullWidth)),
            ("cafe\u{301}/x", "café/x", Some(Rule::LookAlike)),
            ("hоme/x", "home/x", Some(Rule::LookAlike)),
            ("dev/%c/x", "dev/7/x", Some(Rule::Placeholder)),
            ("dev/{id}/x", "dev/7/x", Some(Rule::Placeholder)),
            ("dev/7/x", "dev/${id}/x", Some(Rule::Placeholder)),
            ("dev/<id>/x", "dev/7/x", Some(Rule::Placeholder)),
            ("home.*.temp", "home/k/temp", Some(Rule::OtherSyntax)),
            ("home/>", "home/k/temp", Some(Rule::OtherSyntax)),
            ("$share/home/temp", "home/temp", Some(Rule::ShareSyntax)),
            ("$queue/home/temp", "home/temp", Some(Rule::ShareSyntax)),
            ("home/#/temp", "home/k/temp", Some(Rule::WildcardPlace)),
            ("home/k#", "home/kitchen", Some(Rule::WildcardPlace)),
            ("#", "$SYS/uptime", Some(Rule::DollarTopic)),
            ("+/uptime", "$SYS/uptime", Some(Rule::DollarTopic)),
            ("home/living_room", "home/living-room", Some(Rule::Dash)),
            ("home/+", "home/k/temp", Some(Rule::PlusSpansOne)),
            ("home/temp", "home/k/temp", Some(Rule::LevelCount)),
            ("home/k/+/temp", "home/k/temp", Some(Rule::LevelCount)),
            ("home/kitchn/temp", "home/kitchen/temp", Some(Rule::Typo)),
            ("home/kichten/#", "home/kitchen/temp", Some(Rule::Typo)),
            // Something else altogether, or what matches anyway.
            ("home/cellar/temp", "home/kitchen/temp", None),
            ("dev/17/x", "dev/18/x", None),
            ("home/#", "home/temp", None),
            ("Office/Kitchn", "home/kitchen", None),
        ] {
            let found = of_filter(filter, topic).map(|(rule, _)| rule);
            assert_eq!(found, rule, "{filter} {topic}");
        }
    }

    #[test]
    fn the_level_that_differs_is_named_and_the_best_guess_comes_first() {
        let found = filters(
            "home/Kitchen/temp",
            ["home/Kitchn/temp", "x", "home/kitchen/+"],
        );
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].rule, found[0].level), (Rule::Case, 2));
        assert_eq!((found[1].rule, found[1].level), (Rule::Typo, 2));
    }

    #[test]
    fn only_so_many_filters_are_looked_at() {
        let many: Vec<_> = (0..FILTERS_MAX).map(|n| format!("other/{n}")).collect();
        let names = many.iter().map(String::as_str).chain(["home/Temp"]);
        assert_eq!(filters("home/temp", names), []);
    }

    #[test]
    fn distances() {
        for (a, b, far) in [
            ("abcd", "abcd", 0),
            ("abcd", "abdc", 1),
            ("abcd", "abc", 1),
            ("abcd", "wxyz", 3),
        ] {
            assert_eq!(distance(a, b), far, "{a} {b}");
        }
    }
}
