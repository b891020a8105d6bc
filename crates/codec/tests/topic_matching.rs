//! Topic filters against a naive model, level by level.

mod strategy;

use columba_codec::topic::matches;
use columba_codec::{TopicFault, TopicFilter, TopicName};
use proptest::prelude::*;
use strategy::{filter, text, topic};

/// Section 4.7, said with lists of levels.
fn model_matches(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, topic @ ..]) => model_matches(filter, topic),
        ([level, filter @ ..], [other, topic @ ..]) => {
            level == other && model_matches(filter, topic)
        }
        ([], [_, ..]) | ([_, ..], []) => false,
    }
}

/// Whether a text is a filter, said in the words of MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1,
/// MQTT-4.7.3-2, MQTT-4.8.2-1 and MQTT-4.8.2-2.
fn model_is_filter(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    let filter = match levels.as_slice() {
        ["$share"] => return false,
        ["$share", name, filter @ ..] => {
            let has_filter = !filter.is_empty() && filter != [""];
            if name.is_empty() || name.contains(['+', '#']) || !has_filter {
                return false;
            }
            filter
        }
        all => all,
    };
    let is_last = |at: usize| at + 1 == filter.len();
    !text.is_empty()
        && !text.contains('\0')
        && filter.iter().enumerate().all(|(at, level)| {
            (!level.contains('#') || *level == "#" && is_last(at))
                && (!level.contains('+') || *level == "+")
        })
}

/// A failure prints its input, which then becomes a test of its own.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn filters_are_what_the_standard_says(
        text in prop_oneof![filter(), text(), "(\\$share)?[/+#ag]{0,7}"],
    ) {
        prop_assert_eq!(TopicFilter::parse(&text).is_ok(), model_is_filter(&text), "{}", text);
    }

    #[test]
    fn names_are_filters_without_wildcards(text in prop_oneof![topic(), text(), "[/+#a$]{0,5}"]) {
        let expected = !text.is_empty() && !text.contains(['+', '#', '\0']);
        prop_assert_eq!(TopicName::parse(&text).is_ok(), expected);
    }

    #[test]
    fn matching_is_the_models(filter in "[$]?[ab+]?(/[ab+]?){0,4}(/#)?|#", topic in "[$]?[ab]?(/[ab]?){0,4}") {
        // MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.2-1, MQTT-4.7.3-4
        prop_assume!(TopicFilter::parse(&filter).is_ok() && TopicName::parse(&topic).is_ok());
        let filter_levels: Vec<&str> = filter.split('/').collect();
        let topic_levels: Vec<&str> = topic.split('/').collect();
        let is_hidden = topic.starts_with('$') && matches!(filter_levels[0], "+" | "#");
        let expected = !is_hidden && model_matches(&filter_levels, &topic_levels);
        prop_assert_eq!(matches(&filter, &topic), expected, "{} on {}", filter, topic);
        let parsed = TopicFilter::parse(&filter).expect("assumed");
        prop_assert_eq!(parsed.matches(&topic), expected);
    }

    #[test]
    fn every_topic_matches_itself(topic in topic()) {
        prop_assert!(matches(&topic, &topic));
        let hidden = topic.starts_with('$');
        prop_assert_eq!(matches("#", &topic), !hidden);
    }
}

#[test]
fn topics_have_at_most_65535_bytes() {
    // MQTT-4.7.3-3
    let longest = "é".repeat(32_767) + "a";
    assert!(TopicName::parse(&longest).is_ok());
    assert!(TopicFilter::parse(&longest).is_ok());
    let longer = longest + "b";
    assert_eq!(TopicName::parse(&longer), Err(TopicFault::TooLong));
    assert_eq!(TopicFilter::parse(&longer), Err(TopicFault::TooLong));
}
