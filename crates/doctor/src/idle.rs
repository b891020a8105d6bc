//! A connection that is silent for long: whether something between forgets it.

use std::time::Duration;

use columba_client::CloseCause;
use columba_speech::Text;
use tokio::time::Instant;

use crate::line::{Line, Next, close_text, connect_text};
use crate::pair::Pair;
use crate::report::{Check, Finding};
use crate::text::message as text;

/// What was seen.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// It could not be tried.
    Broken(Text),
    /// Still good after the time; the broker's keep alive, if it insists on one.
    Alive(Option<u16>),
    /// Ended by the other side after so long.
    Ended(Duration, CloseCause),
    /// Nothing said that it is gone, and nothing comes through.
    Deaf,
}

/// Says nothing for this long, then sends a message from itself to itself.
pub(crate) async fn look(pair: &mut Pair, time: Duration) -> Seen {
    let mut options = pair.options_of('i');
    options.session.keep_alive_secs = keep_alive_beyond(time);
    let mut line = match Line::open(options, pair.patience).await {
        Ok(line) => line,
        Err(error) => return Seen::Broken(connect_text(&error)),
    };
    let asked_secs = keep_alive_beyond(time);
    let keep_alive_secs = Some(line.accepted().keep_alive_secs).filter(|secs| *secs != asked_secs);
    let topic = pair.topic("idle");
    if let Err(trouble) = line.subscribe(&topic, pair.sure_qos()).await {
        return Seen::Broken(trouble.text());
    }
    let start = Instant::now();
    if let Next::Ended = quiet(&mut line, start + time).await {
        return Seen::Ended(start.elapsed(), line.cause().await);
    }
    let published = line.publish(pair.message(&topic, "still there")).await;
    let until = Instant::now() + pair.patience;
    match (published, line.next(until).await) {
        (Ok(_), Next::Message(_)) => {
            line.leave().await;
            Seen::Alive(keep_alive_secs)
        }
        _ => Seen::Deaf,
    }
}

/// Longer than the silence, so that nothing is sent meanwhile; some brokers refuse to do without.
fn keep_alive_beyond(time: Duration) -> u16 {
    let secs = time.as_secs().saturating_mul(2).saturating_add(30);
    u16::try_from(secs).unwrap_or(u16::MAX)
}

async fn quiet(line: &mut Line, until: Instant) -> Next {
    loop {
        match line.next(until).await {
            Next::Message(_) => {}
            end => return end,
        }
    }
}

/// What it means.
pub(crate) fn judge(seen: &Seen, time: Duration) -> Finding {
    match seen {
        Seen::Broken(why) => Finding::fail(Check::Idle, text::idle_broken(why.clone())),
        Seen::Alive(keep_alive) => {
            let finding = Finding::pass(Check::Idle, text::idle_good(time));
            let secs = keep_alive.map(|secs| Duration::from_secs(secs.into()));
            finding.note(secs.map(text::idle_keep_alive))
        }
        Seen::Ended(after, cause) => {
            Finding::fail(Check::Idle, text::idle_ended(*after, close_text(cause)))
                .fix(text::idle_fix(*after))
        }
        Seen::Deaf => Finding::fail(Check::Idle, text::idle_deaf(time)).fix(text::idle_fix(time)),
    }
}
