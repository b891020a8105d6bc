//! Topics whose names are kept out of the record.

use std::sync::Arc;

use columba_codec::topic::matches;

use super::{Facts, flag};

/// Filters of private topics: what is recorded of a topic or a filter that one of them covers has that
/// one in its place, and [`flag::PRIVATE`].
#[derive(Debug, Default)]
pub(super) struct PrivateTopics {
    filters: Arc<[Box<str>]>,
}

impl PrivateTopics {
    pub(super) fn new(filters: &Arc<[Box<str>]>) -> Self {
        Self {
            filters: Arc::clone(filters),
        }
    }

    /// Whether there are any.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// The private filter that covers a topic. A filter of a subscription is covered if it is, level by
    /// level, no wider.
    pub(super) fn covering(&self, topic: &str) -> Option<&str> {
        let mut filters = self.filters.iter();
        filters
            .find(|filter| matches(filter, topic))
            .map(|filter| &**filter)
    }

    /// Facts without the name of a private topic.
    #[inline]
    pub(super) fn cover<'a>(&'a self, facts: &Facts<'a>) -> Facts<'a> {
        if self.is_empty() {
            return *facts;
        }
        self.cover_name(facts)
    }

    fn cover_name<'a>(&'a self, facts: &Facts<'a>) -> Facts<'a> {
        // Wildcards match what has no topic as well.
        if facts.topic.is_empty() {
            return *facts;
        }
        let name = unshared(facts.topic);
        match self.covering(name) {
            Some(filter) => Facts {
                topic: filter,
                detail: without_name(facts.detail, name),
                flags: facts.flags | flag::PRIVATE,
                ..*facts
            },
            None => *facts,
        }
    }
}

/// The filter of a shared subscription, or what is given.
fn unshared(text: &str) -> &str {
    let rest = text.strip_prefix("$share/");
    let filter = rest.and_then(|rest| rest.split_once('/'));
    filter.map_or(text, |(_, filter)| filter)
}

/// What was said in words, but for what has the name in it, or that of a group with its filter.
fn without_name<'a>(detail: &'a str, name: &str) -> &'a str {
    if detail.contains("$share/") || detail.contains(name) {
        return "";
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private() -> PrivateTopics {
        PrivateTopics::new(&["patients/+/#".into(), "door/code".into()].into())
    }

    #[test]
    fn names_that_a_filter_covers_are_not_told() {
        let private = private();
        let cover = |topic, detail| {
            let facts = Facts {
                topic,
                detail,
                ..Facts::default()
            };
            let covered = private.cover(&facts);
            assert_eq!(
                covered.flags & flag::PRIVATE != 0,
                covered.topic != topic || topic == "door/code"
            );
            (covered.topic.to_owned(), covered.detail.to_owned())
        };
        let is = |found: (String, String), topic: &str, detail: &str| {
            assert_eq!((found.0.as_str(), found.1.as_str()), (topic, detail));
        };
        is(
            cover("patients/4711/pulse", "etc/acl.toml:3"),
            "patients/+/#",
            "etc/acl.toml:3",
        );
        is(cover("patients/4711/#", ""), "patients/+/#", "");
        is(
            cover(
                "$share/g/patients/4711/+",
                "$share/g/patients/4711/+ has no member",
            ),
            "patients/+/#",
            "",
        );
        is(cover("door/code", "not on door/code"), "door/code", "");
        is(cover("patients", "x"), "patients", "x");
        is(cover("#", "x"), "#", "x");
        is(cover("", "x"), "", "x");
    }

    #[test]
    fn what_has_no_topic_is_told_whatever_is_private() {
        let facts = Facts {
            detail: "the client disconnected",
            ..Facts::default()
        };
        for filter in ["#", "+", "+/#"] {
            let private = PrivateTopics::new(&[filter.into()].into());
            assert_eq!(private.cover(&facts), facts, "{filter}");
        }
    }

    #[test]
    fn without_private_topics_everything_is_told() {
        let facts = Facts {
            topic: "patients/4711",
            ..Facts::default()
        };
        assert_eq!(PrivateTopics::default().cover(&facts), facts);
    }
}
