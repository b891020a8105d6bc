//! Topic patterns of access rules: topic filters in which `%c` and `%u` stand for the client id
//! and the user name.

use columba_codec::topic::{TopicFault, TopicFilter};

use super::Client;

/// Why a text is not a topic pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// Not a topic filter.
    #[error(transparent)]
    Filter(#[from] TopicFault),
    /// `$share/NAME/` in a rule; rules see the filter behind it.
    #[error("a rule names the topics behind $share/NAME/, not the shared subscription")]
    Share,
    /// `%c` or `%u` beside other characters.
    #[error("%c and %u fill a whole level of the topic")]
    PlaceholderInLevel,
}

/// A topic filter of a rule, split into levels.
///
/// A placeholder fills a whole level. A value that could change the shape of the pattern never
/// matches: an empty one, one that holds `/`, `+` or `#`, and in the first level one that starts
/// with `$`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicPattern {
    levels: Box<[Level]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Level {
    Text(Box<str>),
    Plus,
    Hash,
    ClientId,
    User,
}

impl TopicPattern {
    /// Reads a filter in which `%c` and `%u` are placeholders.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        let mut pattern = Self::parse_plain(text)?;
        for level in &mut pattern.levels {
            match level {
                Level::Text(text) if &**text == "%c" => *level = Level::ClientId,
                Level::Text(text) if &**text == "%u" => *level = Level::User,
                Level::Text(text) if text.contains("%c") || text.contains("%u") => {
                    return Err(PatternFault::PlaceholderInLevel);
                }
                Level::Text(_) | Level::Plus | Level::Hash | Level::ClientId | Level::User => {}
            }
        }
        Ok(pattern)
    }

    /// Reads a filter in which `%c` and `%u` are ordinary characters.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse_plain(text: &str) -> Result<Self, PatternFault> {
        if TopicFilter::parse(text)?.share().is_some() {
            return Err(PatternFault::Share);
        }
        let level = |text: &str| match text {
            "+" => Level::Plus,
            "#" => Level::Hash,
            text => Level::Text(text.into()),
        };
        Ok(Self {
            levels: text.split('/').map(level).collect(),
        })
    }

    /// Whether a topic name matches, for a client.
    pub(super) fn matches(&self, client: &Client<'_>, topic: &str) -> bool {
        if topic.starts_with('$') && self.starts_open() {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in &self.levels {
            if matches!(wanted, Level::Hash) {
                return true;
            }
            match levels.next() {
                Some(level) if wanted.takes(client, level) => {}
                Some(_) | None => return false,
            }
        }
        levels.next().is_none()
    }

    /// Whether every topic that a filter can match matches this pattern, for a client.
    pub(super) fn covers(&self, client: &Client<'_>, filter: &str) -> bool {
        if filter.starts_with('$') && self.starts_open() {
            return false;
        }
        let mut wanted = self.levels.iter();
        for (depth, level) in filter.split('/').enumerate() {
            let Some(next) = wanted.next() else {
                return false;
            };
            if matches!(next, Level::Hash) {
                return true;
            }
            let is_covered = match level {
                // `a/#` also matches `a`, which only `#` covers. But there is no topic without a
                // level and none of one empty level, so that `+/#` is as good as `#` there.
                "#" => {
                    return (depth == 0 || filter == "/#")
                        && matches!(next, Level::Plus)
                        && matches!(wanted.as_slice(), [Level::Hash]);
                }
                "+" => matches!(next, Level::Plus),
                text => next.takes(client, text),
            };
            if !is_covered {
                return false;
            }
        }
        matches!(wanted.as_slice(), [] | [Level::Hash])
    }

    /// Whether the first level is not plain text, so that it must not match a `$`-topic
    /// (`MQTT-4.7.2-1`).
    fn starts_open(&self) -> bool {
        !matches!(self.levels.first(), Some(Level::Text(_)))
    }
}

impl Level {
    fn takes(&self, client: &Client<'_>, level: &str) -> bool {
        match self {
            Self::Text(text) => &**text == level,
            Self::Plus | Self::Hash => true,
            Self::ClientId => is_value(client.client_id) && client.client_id == level,
            Self::User => client
                .user
                .is_some_and(|user| is_value(user) && user == level),
        }
    }
}

/// Whether a placeholder may stand for the value. The level it is compared with holds no `/`.
fn is_value(value: &str) -> bool {
    !value.is_empty() && !value.contains(['+', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_codec::topic::matches;
    use proptest::prelude::*;

    fn client<'a>(client_id: &'a str, user: Option<&'a str>) -> Client<'a> {
        Client {
            client_id,
            user,
            groups: &[],
            addr: None,
        }
    }

    fn covers(pattern: &str, filter: &str) -> bool {
        TopicPattern::parse(pattern).is_ok_and(|pattern| pattern.covers(&client("c", None), filter))
    }

    #[test]
    fn covering_means_every_topic_that_the_filter_can_match() {
        for (pattern, filter) in [
            ("#", "#"),
            ("+/#", "#"),
            ("#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/#"),
            ("a/+", "a/+"),
            ("a/+/#", "a/+"),
            ("$SYS/#", "$SYS/broker/#"),
        ] {
            assert!(covers(pattern, filter), "{pattern} covers {filter}");
        }
        for (pattern, filter) in [
            ("a/+/#", "a/#"),
            ("+", "#"),
            ("a/b", "a/+"),
            ("a/+", "a/#"),
            ("#", "$SYS/#"),
            ("+/x", "$SYS/x"),
            ("+/+/#", "#"),
            ("a", "+"),
        ] {
            assert!(
                !covers(pattern, filter),
                "{pattern} does not cover {filter}"
            );
        }
    }

    #[test]
    fn a_placeholder_fills_one_level_with_a_harmless_value() {
        let pattern = |text| TopicPattern::parse(text).expect("a pattern");
        assert!(pattern("home/%c/#").matches(&client("esp", None), "home/esp/t"));
        assert!(!pattern("home/%c/#").matches(&client("esp", None), "home/other/t"));
        assert!(pattern("%u").matches(&client("", Some("ann")), "ann"));
        for value in ["", "+", "#", "a+", "$SYS"] {
            let client = client(value, Some(value));
            assert!(
                !pattern("%u/#").covers(&client, &format!("{value}/#")),
                "{value:?}"
            );
            assert!(
                !pattern("%c/#").matches(&client, &format!("{value}/x")),
                "{value:?}"
            );
        }
        // A value with a `/` spans two levels of the topic, but only one of the pattern.
        assert!(!pattern("%c/#").matches(&client("a/b", None), "a/b/c"));
        assert!(!pattern("%u").matches(&client("c", None), "c"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let check = |text, fault| assert_eq!(TopicPattern::parse(text), Err(fault), "{text}");
        check("a/#/b", PatternFault::Filter(TopicFault::HashNotLast));
        check("a/x%c", PatternFault::PlaceholderInLevel);
        check("$share/g/a", PatternFault::Share);
        check("", PatternFault::Filter(TopicFault::Empty));
        assert!(TopicPattern::parse_plain("a/x%c").is_ok());
    }

    /// All topics of up to four levels over a few level texts; `x` stands for texts that no
    /// pattern and no filter names.
    fn topics() -> Vec<String> {
        let mut topics: Vec<String> = Vec::new();
        let mut last = vec![String::new()];
        for depth in 0..4 {
            last = last
                .iter()
                .flat_map(|prefix| {
                    ["a", "b", "", "$S", "x"].map(|level| match depth {
                        0 => level.to_owned(),
                        _ => format!("{prefix}/{level}"),
                    })
                })
                .collect();
            topics.extend(last.iter().filter(|topic| !topic.is_empty()).cloned());
        }
        topics
    }

    fn filter() -> impl Strategy<Value = String> {
        let level = prop::sample::select(vec!["a", "b", "", "+", "$S"]);
        (prop::collection::vec(level, 1..4), any::<bool>()).prop_filter_map(
            "empty",
            |(mut v, h)| {
                if h {
                    v.pop();
                    v.push("#");
                }
                let text = v.join("/");
                (!text.is_empty()).then_some(text)
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn covers_agrees_with_trying_every_topic(pattern in filter(), filter in filter()) {
            let topics = topics();
            let expected = topics
                .iter()
                .filter(|topic| matches(&filter, topic))
                .all(|topic| matches(&pattern, topic));
            prop_assert_eq!(covers(&pattern, &filter), expected, "{} covers {}", pattern, filter);
        }

        #[test]
        fn matching_agrees_with_the_codec(pattern in filter()) {
            let parsed = TopicPattern::parse(&pattern).expect("a pattern");
            for topic in topics() {
                let is_match = parsed.matches(&client("c", None), &topic);
                prop_assert_eq!(is_match, matches(&pattern, &topic), "{} {}", pattern, topic);
            }
        }
    }
}
