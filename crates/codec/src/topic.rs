//! Topic names and topic filters (section 4.7) and shared subscriptions (section 4.8.2).

use crate::wire::FIELD_BYTES_MAX;

/// Why a text is not a topic name or topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicFault {
    /// No character at all (`MQTT-4.7.3-1`).
    #[error("a topic has at least one character")]
    Empty,
    /// U+0000 (`MQTT-4.7.3-2`).
    #[error("a topic never holds U+0000")]
    Nul,
    /// More than 65,535 bytes (`MQTT-4.7.3-3`).
    #[error("a topic has at most 65,535 bytes")]
    TooLong,
    /// A wildcard in a topic name (`MQTT-3.3.2-2`).
    #[error("a topic to publish to has no wildcard (+ or #)")]
    WildcardInName,
    /// `#` that is not the last level (`MQTT-4.7.1-1`).
    #[error("# stands alone in the last level of a topic filter")]
    HashNotLast,
    /// `+` or `#` beside other characters (`MQTT-4.7.1-1`, `MQTT-4.7.1-2`).
    #[error("a wildcard fills a whole level of a topic filter")]
    WildcardInLevel,
    /// `$share` without a name and a filter (`MQTT-4.8.2-1`, `MQTT-4.8.2-2`).
    #[error("a shared subscription is $share/NAME/FILTER, and NAME has no + or #")]
    Share,
}

/// A topic that one can publish to: not empty, no wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks a text.
    ///
    /// # Errors
    /// The rule that it breaks.
    #[inline]
    pub fn parse(text: &'a str) -> Result<Self, TopicFault> {
        check_text(text)?;
        Self::from_field(text)
    }

    /// Checks a string field, which has at most 65,535 bytes and no U+0000.
    #[inline]
    pub(crate) fn from_field(text: &'a str) -> Result<Self, TopicFault> {
        if text.is_empty() {
            Err(TopicFault::Empty)
        } else if has_wildcard(text) {
            Err(TopicFault::WildcardInName)
        } else {
            Ok(Self(text))
        }
    }

    /// The text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// What one can subscribe to: a filter, shared or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a> {
    share: Option<&'a str>,
    filter: &'a str,
}

impl<'a> TopicFilter<'a> {
    /// Checks a text, and takes `$share/NAME/` off.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &'a str) -> Result<Self, TopicFault> {
        check_text(text)?;
        let Some(shared) = text.strip_prefix("$share/") else {
            if text == "$share" {
                return Err(TopicFault::Share);
            }
            check_wildcards(text)?;
            return Ok(Self {
                share: None,
                filter: text,
            });
        };
        let (share, filter) = shared.split_once('/').ok_or(TopicFault::Share)?;
        if share.is_empty() || share.contains(['+', '#']) || filter.is_empty() {
            return Err(TopicFault::Share);
        }
        check_wildcards(filter)?;
        Ok(Self {
            share: Some(share),
            filter,
        })
    }

    /// The share name, for a shared subscription.
    pub const fn share(self) -> Option<&'a str> {
        self.share
    }

    /// The filter that topics are matched against, without `$share/NAME/`.
    pub const fn filter(self) -> &'a str {
        self.filter
    }

    /// Whether the filter holds a wildcard.
    pub fn has_wildcard(self) -> bool {
        has_wildcard(self.filter)
    }

    /// Whether a topic name matches.
    pub fn matches(self, topic: &str) -> bool {
        matches(self.filter, topic)
    }
}

/// Whether a filter holds a wildcard.
#[inline]
pub fn has_wildcard(filter: &str) -> bool {
    // Without leaving the loop early, which lets the compiler take many bytes at once.
    filter
        .bytes()
        .fold(false, |found, byte| found | matches!(byte, b'+' | b'#'))
}

/// Whether a topic name matches a valid filter, character by character, without normalisation
/// (`MQTT-4.7.3-4`). A wildcard in the first level never matches a topic that starts with `$`
/// (`MQTT-4.7.2-1`).
///
/// One filter against one topic; the broker has an index for many.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    // Levels are short, and a search for one byte in a few is slower on text than on bytes.
    let mut topic_levels = topic.as_bytes().split(|byte| *byte == b'/');
    for filter_level in filter.as_bytes().split(|byte| *byte == b'/') {
        if filter_level == b"#" {
            return true;
        }
        match topic_levels.next() {
            None => return false,
            Some(level) if filter_level == b"+" || filter_level == level => {}
            Some(_) => return false,
        }
    }
    topic_levels.next().is_none()
}

fn check_text(text: &str) -> Result<(), TopicFault> {
    if text.is_empty() {
        return Err(TopicFault::Empty);
    }
    if text.len() > FIELD_BYTES_MAX {
        return Err(TopicFault::TooLong);
    }
    if text.as_bytes().contains(&0) {
        return Err(TopicFault::Nul);
    }
    Ok(())
}

fn check_wildcards(filter: &str) -> Result<(), TopicFault> {
    if !has_wildcard(filter) {
        return Ok(());
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        match level {
            "#" if levels.peek().is_some() => return Err(TopicFault::HashNotLast),
            "#" | "+" => {}
            _ if has_wildcard(level) => return Err(TopicFault::WildcardInLevel),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        // MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1, MQTT-4.8.2-1, MQTT-4.8.2-2
        for good in [
            "#",
            "+",
            "/",
            "a/#",
            "a/+/b",
            "+/+",
            "/+",
            "a//b",
            "$SYS/#",
            "$share/g/a/#",
        ] {
            assert!(TopicFilter::parse(good).is_ok(), "{good}");
        }
        let check = |text: &str, fault| assert_eq!(TopicFilter::parse(text), Err(fault), "{text}");
        check("", TopicFault::Empty);
        check("a/#/b", TopicFault::HashNotLast);
        check("a#", TopicFault::WildcardInLevel);
        check("a/b+/c", TopicFault::WildcardInLevel);
        check("$share", TopicFault::Share);
        check("$share/g", TopicFault::Share);
        check("$share/g/", TopicFault::Share);
        check("$share//a", TopicFault::Share);
        check("$share/g+/a", TopicFault::Share);
        check("a\0", TopicFault::Nul);
    }

    #[test]
    fn share_name_is_taken_off() {
        let filter = TopicFilter::parse("$share/group/a/+").expect("valid");
        assert_eq!((filter.share(), filter.filter()), (Some("group"), "a/+"));
    }

    #[test]
    fn matching_follows_the_standards_examples() {
        // MQTT-4.7.1-2, MQTT-4.7.2-1 and the non-normative examples beside them
        let check = |filter: &str, topic: &str, expect: bool| {
            assert_eq!(matches(filter, topic), expect, "{filter} on {topic}");
        };
        check("sport/tennis/player1/#", "sport/tennis/player1", true);
        check(
            "sport/tennis/player1/#",
            "sport/tennis/player1/ranking",
            true,
        );
        check(
            "sport/tennis/player1/#",
            "sport/tennis/player1/score/wimbledon",
            true,
        );
        check("sport/#", "sport", true);
        check("#", "sport", true);
        check("sport/tennis/+", "sport/tennis/player1/ranking", false);
        check("sport/+", "sport", false);
        check("sport/+", "sport/", true);
        check("+/+", "/finance", true);
        check("/+", "/finance", true);
        check("+", "/finance", false);
        check("#", "$SYS/monitor", false);
        check("+/monitor", "$SYS/monitor", false);
        check("$SYS/#", "$SYS/monitor", true);
        check("$SYS/+", "$SYS/monitor", true);
        check("ACCOUNTS", "Accounts", false);
    }
}
