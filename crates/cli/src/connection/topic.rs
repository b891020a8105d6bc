//! Topics and topic filters of a command line, looked at before anything is done with them.

use columba_client::Failure;
use columba_codec::topic::{TopicFault, TopicFilter, TopicName};

use super::{EXIT_LOST, Trouble};
use crate::mosquitto::{self, EXIT_UNANSWERED, Tool};
use crate::words;

/// What the client library says of a topic or filter without a character.
pub(crate) const EMPTY_TOPIC: Failure = Failure::Topic(TopicFault::Empty);

/// The exit code for this failure, where that of Mosquitto's client for an empty topic is known.
pub(crate) fn exit_of(failure: &Failure, theirs_if_empty: u8) -> Option<u8> {
    (*failure == EMPTY_TOPIC && mosquitto::called_as().is_some()).then_some(theirs_if_empty)
}

/// Checks the topic of the Will. With an empty one Mosquitto's clients connect, which no server takes: it
/// closes the connection.
pub(crate) fn check_will_topic(topic: Option<&str>) -> Result<(), Trouble> {
    let exit = match mosquitto::called_as() {
        Some(Tool::Subscribe) => EXIT_UNANSWERED,
        Some(Tool::Publish | Tool::Request) => EXIT_LOST,
        None => return Ok(()),
    };
    if topic != Some("") {
        return Ok(());
    }
    let why = words::client::topic(TopicFault::Empty);
    Err(Trouble::new(words::not_a_topic("", why), exit))
}

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
