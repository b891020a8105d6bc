//! Whether somebody else uses a client id. This takes the id over, and whoever uses it loses its
//! connection; so it is done only when asked for.

use std::time::Duration;

use columba_client::CloseCause;
use columba_client::driver::{ConnectError, ConnectOptions};
use columba_codec::{QoS, ReasonCode};
use columba_speech::Text;
use tokio::time::Instant;

use crate::line::{Line, Next, close_text, connect_text};
use crate::report::{Check, Finding};
use crate::text::message as text;

/// Never: how long a session is kept that may be somebody's. In MQTT 5 every CONNECT sets the expiry
/// anew, what it was cannot be asked for, and too short a time would lose what waits (MQTT 5.0
/// 3.1.2.11.2).
const EXPIRY_SECS: u32 = u32::MAX;

/// What was seen.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// It could not be tried.
    Broken(Text),
    /// Nobody came for it. The session of this id, if there was one.
    Alone { session: Option<Touched> },
    /// Somebody took it back after so long.
    TakenBack(Duration, CloseCause),
}

/// What this did to a session that was there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touched {
    /// Its expiry from now on; `None` before MQTT 5, where CONNECT names none.
    expiry_secs: Option<u32>,
    /// Messages at QoS 0 that came: nothing gives them back.
    lost: usize,
}

/// Takes the id over and waits whether somebody takes it back.
pub(crate) async fn look(
    options: &ConnectOptions,
    client_id: &str,
    wait: Duration,
    patience: Duration,
) -> Seen {
    let mut options = options.clone();
    options.session.client_id = client_id.to_owned();
    // A clean start would take a session away that somebody needs.
    options.clean_start = false;
    // What waits stays with the broker: nothing that comes is acknowledged.
    options.session.acknowledges_by_hand = true;
    if options.session.version.has_properties() {
        options.session.properties.session_expiry_secs = Some(EXPIRY_SECS);
        options.session.properties.receive_maximum = Some(1);
    }
    let start = Instant::now();
    let mut line = match Line::open(options.clone(), patience).await {
        Ok(line) => line,
        // So soon that it came right behind CONNACK.
        Err(ConnectError::Mqtt(cause)) if is_takeover(&cause) => {
            return Seen::TakenBack(start.elapsed(), cause);
        }
        Err(error) => return Seen::Broken(connect_text(&error)),
    };
    let has_session = line.accepted().session_present;
    let granted_secs = line.accepted().session_expiry_secs;
    let mut lost = 0;
    let start = Instant::now();
    let ended = loop {
        match line.next(start + wait).await {
            Next::Message(incoming) => {
                lost += usize::from(incoming.message.qos == QoS::AtMostOnce);
            }
            Next::Silent => break false,
            Next::Ended => break true,
        }
    };
    if ended {
        let after = start.elapsed();
        return Seen::TakenBack(after, line.cause().await);
    }
    line.leave().await;
    let has_expiry = options.session.version.has_properties();
    if !has_session {
        // The session that is there now is of this test alone.
        options.clean_start = true;
        options.session.properties.session_expiry_secs = None;
        if let Ok(line) = Line::open(options, patience).await {
            line.leave().await;
        }
    }
    let expiry_secs = has_expiry.then(|| granted_secs.unwrap_or(EXPIRY_SECS));
    let session = has_session.then_some(Touched { expiry_secs, lost });
    Seen::Alone { session }
}

fn is_takeover(cause: &CloseCause) -> bool {
    matches!(cause, CloseCause::ByServer(answer) if answer.reason == ReasonCode::SessionTakenOver)
}

/// What it means.
pub(crate) fn judge(client_id: &str, seen: &Seen, wait: Duration) -> Finding {
    match seen {
        Seen::Broken(why) => Finding::fail(Check::Twin, text::twin_broken(client_id, why.clone())),
        Seen::Alone { session } => {
            let finding = Finding::pass(Check::Twin, text::twin_alone(client_id, wait));
            let Some(touched) = session else {
                return finding;
            };
            let expiry = touched.expiry_secs.map(|secs| match secs {
                EXPIRY_SECS => text::twin_expiry_never(),
                secs => text::twin_expiry(Duration::from_secs(secs.into())),
            });
            finding
                .note(Some(text::twin_session()))
                .note(expiry)
                .note((touched.lost > 0).then(|| text::twin_lost(touched.lost)))
        }
        Seen::TakenBack(after, cause) if is_takeover(cause) => {
            Finding::fail(Check::Twin, text::twin_certain(client_id, *after)).fix(text::twin_fix())
        }
        Seen::TakenBack(after, cause) => {
            let what = text::twin_likely(client_id, *after, close_text(cause));
            Finding::fail(Check::Twin, what).fix(text::twin_fix())
        }
    }
}
