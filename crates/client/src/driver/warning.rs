//! What went wrong that nobody waits for, each with a sentence that says so.

use columba_codec::ReasonCode;

use super::ConnectError;
use crate::advice;
use crate::backoff::Story;
use crate::outcome::{Answer, Failure};

/// Something that went wrong, and that nobody waits for any more. Its `Display` says what, and what
/// to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// The server refused a message.
    #[error("{}", advice::refused_publish(.topic, .answer))]
    RefusedPublish {
        /// The topic of the message.
        topic: String,
        /// What the server said.
        answer: Answer,
    },
    /// A message was not published.
    #[error("the message to '{topic}' was not published: {failure}")]
    NotPublished {
        /// The topic of the message.
        topic: String,
        /// Why.
        failure: Failure,
    },
    /// The server refused a topic filter.
    #[error("{}", advice::refused_filter(.filter, *.reason, .reason_string.as_deref()))]
    RefusedFilter {
        /// The topic filter.
        filter: String,
        /// What the server said.
        reason: ReasonCode,
        /// What it said in words.
        reason_string: Option<String>,
    },
    /// A SUBSCRIBE or UNSUBSCRIBE was not carried out.
    #[error("subscribing or unsubscribing failed: {0}")]
    NotSubscribed(Failure),
    /// The server has forgotten a subscription, and could not be asked again.
    #[error("the subscription to '{}' has ended with the server's session: {failure}", .filters.join("', '"))]
    NotResubscribed {
        /// The topic filters.
        filters: Vec<String>,
        /// Why.
        failure: Failure,
    },
    /// The connection ended with [`crate::Session::doubts_qos_2`].
    #[error("{}", advice::no_qos_2())]
    NoQos2,
    /// The ends of several connections tell a story.
    #[error("{0}")]
    Story(Story),
    /// The connection did not come back, which is why it is over.
    #[error("{0}")]
    NotBack(Box<ConnectError>),
    /// Nobody took the events for so long that the oldest of them were dropped.
    #[error(
        "{events} events were dropped since nobody took them; \
         take the events of the connection, or drop the queue that they come from"
    )]
    EventsMissed {
        /// How many.
        events: u64,
    },
    /// Messages at QoS 0 were dropped: as many bytes waited to be taken as may, and the server owed an
    /// answer that came behind them; or the events were full, and nobody took them for so long that
    /// streams were not to wait for it.
    #[error(
        "{messages} messages at QoS 0 were dropped, as those before them were not taken in time; \
         take messages faster, or drop the events if nobody wants them"
    )]
    MessagesMissed {
        /// How many.
        messages: u64,
    },
}
