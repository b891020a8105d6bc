//! Topic filters and names: parsing and matching agree with a matcher that goes level by level.
//!
//! The first line is the filter, the rest the topic.
#![no_main]

use columba_codec::topic::matches;
use columba_codec::{TopicFilter, TopicName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let Some((filter, topic)) = input.split_once('\n') else {
        return;
    };
    let (Ok(filter), Ok(name)) = (TopicFilter::parse(filter), TopicName::parse(topic)) else {
        return;
    };
    assert_eq!(name.as_str(), topic);
    let filter_levels: Vec<&str> = filter.filter().split('/').collect();
    let topic_levels: Vec<&str> = topic.split('/').collect();
    let has_wildcard = filter_levels
        .iter()
        .any(|level| matches!(*level, "+" | "#"));
    assert_eq!(filter.has_wildcard(), has_wildcard);
    let is_hidden = topic.starts_with('$') && matches!(filter_levels[0], "+" | "#");
    let expected = !is_hidden && model(&filter_levels, &topic_levels);
    assert_eq!(filter.matches(topic), expected);
    assert_eq!(matches(filter.filter(), topic), expected);
    assert!(matches(topic, topic));
});

fn model(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, topic @ ..]) => model(filter, topic),
        ([level, filter @ ..], [other, topic @ ..]) => level == other && model(filter, topic),
        ([], [_, ..]) | ([_, ..], []) => false,
    }
}
