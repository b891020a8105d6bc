//! A subscriber whose connection was lost connects again by itself, as Mosquitto's does.

use std::time::Duration;

use columba_client::driver::{Client, Events};
use columba_codec::ReasonCode;

use crate::connection::{EXIT_LOST, Plan, Trouble, is_before_answer};
use crate::mosquitto;

/// Between two tries, as long as Mosquitto's client waits.
const DELAY: Duration = Duration::from_secs(1);

/// Whether the end of a connection is one that a new connection may mend. Another client with the
/// same id is none: the two would throw each other out for ever. Mosquitto's client does just that,
/// and so does this program under its name.
pub(super) fn is_worth_it(trouble: &Trouble) -> bool {
    let is_taken_over = trouble.exit == ReasonCode::SessionTakenOver as u8;
    trouble.exit == EXIT_LOST
        || trouble.exit == ReasonCode::ServerShuttingDown as u8
        || is_taken_over && mosquitto::called_as().is_some()
}

/// Tries until the server answers, and fails if it refuses.
pub(super) async fn connect(plan: &mut Plan) -> Result<(Client, Events), Trouble> {
    loop {
        tokio::time::sleep(DELAY).await;
        match plan.connect().await {
            Err(trouble) if is_before_answer(&trouble) => {
                plan.talk.debug(|| trouble.sentence.clone());
            }
            ended => return ended,
        }
    }
}
