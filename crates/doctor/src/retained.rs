//! A retained message that is set, read by a new subscriber, and cleared.

use columba_codec::QoS;
use columba_speech::Text;
use tokio::time::Instant;

use crate::line::{Next, Trouble, connect_text};
use crate::pair::Pair;
use crate::report::{Check, Finding};
use crate::text::message as text;
use crate::text::{broker, reason};

const VALUE: &[u8] = b"columba doctor";
/// The test message takes itself away if nobody else can.
const EXPIRY_SECS: u32 = 60;

/// What was seen.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// The broker announced that it has none.
    NotOffered,
    /// The broker refused the message.
    Refused(Text),
    /// No answer, or no connection any more.
    Broken(Text),
    /// Set, and what a new subscriber and one after clearing got.
    Set {
        /// The RETAIN flag of the message that came, if one came.
        got: Option<bool>,
        /// Whether it still came after it was cleared.
        is_still_there: bool,
    },
}

/// Sets, reads and clears.
pub(crate) async fn look(pair: &mut Pair) -> Seen {
    if !pair.publisher.accepted().retain_available {
        return Seen::NotOffered;
    }
    if let Err(error) = pair.revive().await {
        return Seen::Broken(connect_text(&error));
    }
    let topic = pair.topic("retained");
    let mut message = pair.message(&topic, VALUE).retained();
    if pair.publisher.version().has_properties() {
        message.properties.message_expiry_secs = Some(EXPIRY_SECS);
    }
    match pair.publisher.publish(message).await {
        Ok(answer) if answer.reason.is_error() => {
            return Seen::Refused(reason::words(answer.reason));
        }
        Ok(_) => {}
        Err(trouble) => return Seen::Broken(trouble.text()),
    }
    let got = read(pair, &topic, true).await;
    let cleared = pair
        .publisher
        .publish(pair.message(&topic, "").retained())
        .await;
    let got = match (got, cleared) {
        (Ok(got), Ok(_)) => got,
        (Err(trouble), _) | (_, Err(trouble)) => return Seen::Broken(trouble.text()),
    };
    match read(pair, &topic, false).await {
        Ok(after) => Seen::Set {
            got,
            is_still_there: after.is_some(),
        },
        Err(trouble) => Seen::Broken(trouble.text()),
    }
}

/// Subscribes anew; the RETAIN flag of what comes.
async fn read(pair: &mut Pair, topic: &str, is_expected: bool) -> Result<Option<bool>, Trouble> {
    // Whether filters are refused is looked at elsewhere; here nothing comes then.
    let _ = pair.subscriber.subscribe(topic, QoS::AtLeastOnce).await?;
    let time = if is_expected {
        pair.patience
    } else {
        pair.settle
    };
    let until = Instant::now() + time;
    let got = loop {
        match pair.subscriber.next(until).await {
            Next::Message(incoming) if incoming.message.topic != topic => {}
            Next::Message(incoming) if incoming.message.payload == VALUE => {
                break Some(incoming.message.retain);
            }
            // The empty message that cleared it, for those who were subscribed.
            Next::Message(_) => {}
            Next::Silent => break None,
            Next::Ended => return Err(Trouble::Ended(pair.subscriber.cause().await)),
        }
    };
    pair.subscriber.unsubscribe(topic).await?;
    Ok(got)
}

/// What it means.
pub(crate) fn judge(seen: &Seen) -> Finding {
    match seen {
        Seen::NotOffered => Finding::warn(Check::Retained, broker::retain_not_available())
            .note(text::retained_missing_note()),
        Seen::Refused(reason) => {
            Finding::fail(Check::Retained, text::retained_refused(reason.clone()))
                .fix(text::publish_permission_fix())
        }
        Seen::Broken(why) => Finding::fail(Check::Retained, text::retained_broken(why.clone()))
            .note(text::retained_missing_note()),
        Seen::Set { got: None, .. } => Finding::fail(Check::Retained, text::retained_lost())
            .note(text::retained_missing_note())
            .fix(text::retained_fix()),
        Seen::Set {
            is_still_there: true,
            ..
        } => Finding::warn(Check::Retained, text::retained_not_cleared()),
        Seen::Set {
            got: Some(false), ..
        } => Finding::warn(Check::Retained, text::retained_without_flag())
            .note(text::retained_without_flag_note()),
        Seen::Set {
            got: Some(true), ..
        } => Finding::pass(Check::Retained, text::retained_good()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Mark;

    #[test]
    fn what_was_seen_is_judged() {
        let set = |got, is_still_there| Seen::Set {
            got,
            is_still_there,
        };
        for (seen, mark, code) in [
            (set(Some(true), false), Mark::Pass, "retained_good"),
            (set(None, false), Mark::Fail, "retained_lost"),
            (set(Some(true), true), Mark::Warn, "retained_not_cleared"),
            (set(Some(false), false), Mark::Warn, "retained_without_flag"),
            (Seen::NotOffered, Mark::Warn, "retain_not_available"),
        ] {
            let finding = judge(&seen);
            assert_eq!((finding.mark, finding.what.code()), (mark, code));
        }
    }
}
