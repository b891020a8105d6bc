//! Whether somebody else uses a client id. This takes the id over, and whoever uses it loses its
//! connection; so it is done only when asked for.

use std::time::Duration;

use columba_client::CloseCause;
use columba_client::driver::{ConnectError, ConnectOptions};
use columba_codec::ReasonCode;
use columba_speech::Text;
use tokio::time::Instant;

use crate::line::{Line, Next, close_text, connect_text};
use crate::report::{Check, Finding};
use crate::text::message as text;

/// How long a session is kept that may be somebody's.
const EXPIRY_SECS: u32 = 7_200;

/// What was seen.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// It could not be tried.
    Broken(Text),
    /// Nobody came for it. Whether there was a session of this id.
    Alone { has_session: bool },
    /// Somebody took it back after so long.
    TakenBack(Duration, CloseCause),
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
    if options.session.version.has_properties() {
        options.session.properties.session_expiry_secs = Some(EXPIRY_SECS);
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
    let start = Instant::now();
    let ended = loop {
        match line.next(start + wait).await {
            Next::Message(_) => {}
            Next::Silent => break false,
            Next::Ended => break true,
        }
    };
    if ended {
        let after = start.elapsed();
        return Seen::TakenBack(after, line.cause().await);
    }
    line.leave().await;
    if !has_session {
        // The session that is there now is of this test alone.
        options.clean_start = true;
        options.session.properties.session_expiry_secs = None;
        if let Ok(line) = Line::open(options, patience).await {
            line.leave().await;
        }
    }
    Seen::Alone { has_session }
}

fn is_takeover(cause: &CloseCause) -> bool {
    matches!(cause, CloseCause::ByServer(answer) if answer.reason == ReasonCode::SessionTakenOver)
}

/// What it means.
pub(crate) fn judge(client_id: &str, seen: &Seen, wait: Duration) -> Finding {
    match seen {
        Seen::Broken(why) => Finding::fail(Check::Twin, text::twin_broken(client_id, why.clone())),
        Seen::Alone { has_session } => {
            let finding = Finding::pass(Check::Twin, text::twin_alone(client_id, wait));
            finding.note(has_session.then(text::twin_session))
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
