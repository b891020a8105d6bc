//! Topics and topic filters of a command line, looked at before anything is done with them.

use columba_codec::topic::{TopicFault, TopicFilter, TopicName};

use super::Trouble;
use crate::mosquitto;
use crate::words;

/// Checks a topic to publish to before anything is done with it, as Mosquitto's clients do. Those find out
/// that it is empty when they publish.
pub(crate) fn check_topic(topic: &str) -> Result<(), Trouble> {
    match TopicName::parse(topic) {
        Err(TopicFault::Empty) if mosquitto::called_as().is_some() => Ok(()),
        Err(fault) => {
            let why = words::client::topic(fault);
            Err(Trouble::usage(words::not_a_topic(topic, why)))
        }
        Ok(_) => Ok(()),
    }
}

/// The same for topic filters.
pub(crate) fn check_filters<'a>(
    filters: impl IntoIterator<Item = &'a String>,
) -> Result<(), Trouble> {
    for filter in filters {
        match TopicFilter::parse(filter) {
            Err(TopicFault::Empty) if mosquitto::called_as().is_some() => {}
            Err(fault) => {
                let why = words::client::topic(fault);
                return Err(Trouble::usage(words::not_a_filter(filter.as_str(), why)));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}
