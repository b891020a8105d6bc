//! The Will of a connection that breaks without a DISCONNECT.

use std::time::Duration;

use columba_client::{Message, Will};
use columba_codec::QoS;
use columba_speech::Text;
use tokio::time::Instant;

use crate::line::{Line, Next, connect_text};
use crate::pair::Pair;
use crate::report::{Check, Finding};
use crate::text::message as text;
use crate::text::reason;

/// What was seen.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// It could not be tried.
    Broken(Text),
    /// It came after so long.
    Came(Duration),
    /// It did not come within this time.
    Missing(Duration),
}

/// Connects with a Will, breaks off, and waits for it.
pub(crate) async fn look(pair: &mut Pair) -> Seen {
    if let Err(error) = pair.revive().await {
        return Seen::Broken(connect_text(&error));
    }
    let topic = pair.topic("will");
    match pair.subscriber.subscribe(&topic, QoS::AtLeastOnce).await {
        Ok((code, _)) if code.is_error() => return Seen::Broken(reason::words(code)),
        Ok(_) => {}
        Err(trouble) => return Seen::Broken(trouble.text()),
    }
    let mut options = pair.options_of('w');
    options.session.will = Some(Will {
        message: Message::new(topic.as_str(), "gone").with_qos(pair.sure_qos()),
        delay_secs: None,
    });
    let line = match Line::open(options, pair.patience).await {
        Ok(line) => line,
        Err(error) => return Seen::Broken(connect_text(&error)),
    };
    let start = Instant::now();
    line.abandon().await;
    let until = start + pair.patience;
    loop {
        match pair.subscriber.next(until).await {
            Next::Message(incoming) if incoming.message.topic == topic => {
                return Seen::Came(start.elapsed());
            }
            Next::Message(_) => {}
            Next::Silent => return Seen::Missing(pair.patience),
            Next::Ended => {
                return Seen::Broken(crate::line::close_text(&pair.subscriber.cause().await));
            }
        }
    }
}

/// What it means.
pub(crate) fn judge(seen: &Seen, patience: Duration) -> Finding {
    match seen {
        Seen::Broken(why) => Finding::fail(Check::Will, text::will_broken(why.clone())),
        // A broker that sees the end of a connection publishes at once.
        Seen::Came(time) if *time >= patience / 2 => {
            Finding::warn(Check::Will, text::will_came(*time)).note(text::will_slow())
        }
        Seen::Came(time) => Finding::pass(Check::Will, text::will_came(*time)),
        Seen::Missing(time) => {
            Finding::fail(Check::Will, text::will_missing(*time)).fix(text::will_fix())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Mark;

    #[test]
    fn what_was_seen_is_judged() {
        for (seen, mark) in [
            (Seen::Came(Duration::from_millis(3)), Mark::Pass),
            (Seen::Came(Duration::from_secs(3)), Mark::Warn),
            (Seen::Missing(Duration::from_secs(5)), Mark::Fail),
        ] {
            assert_eq!(judge(&seen, Duration::from_secs(5)).mark, mark);
        }
    }
}
