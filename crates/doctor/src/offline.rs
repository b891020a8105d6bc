//! Messages for a session that has no connection.

use columba_client::Message;
use columba_codec::QoS;
use columba_speech::Text;
use tokio::time::{Instant, sleep};

use crate::line::{Line, Next, connect_text};
use crate::pair::Pair;
use crate::report::{Check, Finding};
use crate::text::message as text;
use crate::text::reason;

/// Messages at QoS 1 that wait.
const MESSAGES: u8 = 3;
/// How long the session of the test may outlive its connection.
const EXPIRY_SECS: u32 = 120;

/// What was seen.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// It could not be tried.
    Broken(Text),
    /// The client was away and came back.
    Back {
        /// Session Present.
        has_session: bool,
        /// Messages at QoS 1 that came.
        queued: u8,
        /// Whether the message at QoS 0 came.
        has_qos_0: bool,
    },
}

/// Subscribes, leaves, publishes, comes back, and cleans up.
pub(crate) async fn look(pair: &mut Pair) -> Seen {
    match try_it(pair).await {
        Ok(seen) => seen,
        Err(why) => Seen::Broken(why),
    }
}

async fn try_it(pair: &mut Pair) -> Result<Seen, Text> {
    pair.revive().await.map_err(|error| connect_text(&error))?;
    let mut options = pair.options_of('o');
    options.clean_start = false;
    if options.session.version.has_properties() {
        options.session.properties.session_expiry_secs = Some(EXPIRY_SECS);
    }
    let patience = pair.patience;
    let open = async |options: &columba_client::driver::ConnectOptions| {
        let line = Line::open(options.clone(), patience).await;
        line.map_err(|error| connect_text(&error))
    };
    let topic = pair.topic("offline");
    let mut line = open(&options).await?;
    let subscribed = line.subscribe(&topic, QoS::AtLeastOnce).await;
    let (code, _) = subscribed.map_err(|trouble| trouble.text())?;
    line.leave().await;
    if code.is_error() {
        return Err(reason::words(code));
    }
    // What comes while a busy broker has not read the DISCONNECT yet is on its way to a connection that is
    // gone; NATS sends it again after half a minute only.
    sleep(pair.settle).await;
    let unsure = Message::new(topic.as_str(), "0");
    let sent = pair.publisher.publish(unsure).await;
    // At QoS 0 there is no word of the server's in it.
    let _ = sent.map_err(|trouble| trouble.text())?;
    for number in 1..=MESSAGES {
        let answer = pair.publisher.publish(pair.message(&topic, [number])).await;
        let answer = answer.map_err(|trouble| trouble.text())?;
        if answer.reason.is_error() {
            return Err(reason::words(answer.reason));
        }
    }
    let mut line = open(&options).await?;
    let has_session = line.accepted().session_present;
    let (mut queued, mut has_qos_0) = (0, false);
    let mut until = Instant::now() + if has_session { patience } else { pair.settle };
    while let Next::Message(incoming) = line.next(until).await {
        match incoming.message.payload.as_slice() {
            b"0" => has_qos_0 = true,
            _ => queued += 1,
        }
        if queued >= MESSAGES {
            until = Instant::now() + pair.settle;
        }
    }
    line.leave().await;
    // A clean start takes the session away again.
    options.clean_start = true;
    options.session.properties.session_expiry_secs = None;
    open(&options).await?.leave().await;
    Ok(Seen::Back {
        has_session,
        queued,
        has_qos_0,
    })
}

/// What it means.
pub(crate) fn judge(seen: &Seen) -> Finding {
    match seen {
        Seen::Broken(why) => Finding::fail(Check::Offline, text::offline_broken(why.clone())),
        Seen::Back {
            has_session,
            queued,
            has_qos_0,
        } => {
            if *queued >= MESSAGES {
                let finding = Finding::pass(Check::Offline, text::offline_good(*queued));
                return finding.note(if *has_qos_0 {
                    text::offline_qos_0_kept()
                } else {
                    text::offline_qos_0_dropped()
                });
            }
            let finding = if *has_session {
                Finding::fail(Check::Offline, text::offline_lost(*queued, MESSAGES))
            } else {
                Finding::fail(Check::Offline, text::offline_no_session())
            };
            finding.fix(text::offline_fix())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Mark;

    #[test]
    fn what_was_seen_is_judged() {
        let back = |has_session, queued, has_qos_0| Seen::Back {
            has_session,
            queued,
            has_qos_0,
        };
        for (seen, mark, code) in [
            (back(true, 3, false), Mark::Pass, "offline_good"),
            (back(true, 3, true), Mark::Pass, "offline_good"),
            (back(true, 1, false), Mark::Fail, "offline_lost"),
            (back(false, 0, false), Mark::Fail, "offline_no_session"),
        ] {
            let finding = judge(&seen);
            assert_eq!((finding.mark, finding.what.code()), (mark, code));
        }
    }
}
