//! When a client whose connection was lost connects again, as Mosquitto's does.

use std::io;
use std::time::Duration;

use columba_client::CloseCause;
use columba_client::driver::{Client, ConnectError, Ended, LastingEvents, Reconnect};
use columba_codec::ReasonCode;
use tokio::time::sleep;

use crate::connection::{Plan, Trouble, close_trouble, connect_trouble};
use crate::mosquitto;
use crate::words;

/// Between two tries, at most, as long as Mosquitto's client waits.
const DELAY: Duration = Duration::from_secs(1);

/// How often, and after which ends.
pub(crate) fn reconnect() -> Reconnect {
    Reconnect {
        first_delay: DELAY,
        longest_delay: DELAY,
        is_final: |cause| !is_worth_it(cause),
        ..Reconnect::default()
    }
}

/// Connects for the first time. Under Mosquitto's name a server that closes the connection in the place of
/// its answer is asked again, and so is all that comes after it: so does a port that a container has opened
/// before its broker is there.
///
/// # Errors
/// The server cannot be reached, or refuses.
pub(super) async fn connect(plan: &mut Plan) -> Result<(Client, LastingEvents), Trouble> {
    let reconnect = reconnect();
    let is_drop_in = mosquitto::called_as().is_some();
    let mut was_lost = false;
    loop {
        let error = match plan.try_connect_lasting(&reconnect).await {
            Ok(connected) => return Ok(connected),
            Err(error) => error,
        };
        let is_lost = matches!(error, ConnectError::Mqtt(CloseCause::LostBeforeAccepted));
        if !is_drop_in || !(is_lost || was_lost && may_pass(&error)) {
            return Err(connect_trouble(&error));
        }
        if !was_lost {
            let why = words::client::connect(&error);
            plan.talk.warning(words::connecting_again(why));
        }
        was_lost = true;
        sleep(DELAY).await;
    }
}

/// The end of a connection for good. Mosquitto's client takes the server's DISCONNECT for an end like others.
pub(super) fn end_trouble(ended: &Ended) -> Trouble {
    let mut trouble = close_trouble(&ended.cause, ended.transport_error.as_ref());
    if matches!(ended.cause, CloseCause::ByServer(_)) && mosquitto::called_as().is_some() {
        trouble.exit = 0;
    }
    trouble
}

/// Whether the end of a connection is one that a new connection may mend. Another client with the
/// same id is none: the two would throw each other out for ever.
fn is_worth_it(cause: &CloseCause) -> bool {
    match cause {
        CloseCause::ByServer(answer) => match answer.reason {
            ReasonCode::ServerShuttingDown => true,
            reason => !reason.is_error(),
        },
        cause => is_loss(cause),
    }
}

/// Whether connecting failed for want of a server, and not by its word.
pub(crate) fn may_pass(error: &ConnectError) -> bool {
    match error {
        // A proxy or a gateway says so too when there is no server behind it.
        ConnectError::Transport { .. }
        | ConnectError::Proxy { .. }
        | ConnectError::WebSocket { .. }
        | ConnectError::Timeout { .. } => true,
        // What TLS itself does not like is no loss: a certificate stays what it is. A server that
        // starts behind a load balancer ends the connection within the handshake.
        ConnectError::Tls { source, .. } => !matches!(
            source.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
        ),
        ConnectError::Mqtt(cause) => is_worth_it(cause),
        _ => false,
    }
}

fn is_loss(cause: &CloseCause) -> bool {
    matches!(
        cause,
        CloseCause::Lost
            | CloseCause::LostBeforeAccepted
            | CloseCause::ConnectTimeout
            | CloseCause::PingTimeout
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_client::Answer;
    use columba_codec::Version;

    fn answer(reason: ReasonCode) -> Answer {
        Answer {
            reason,
            reason_string: None,
            server_reference: None,
            user_properties: Vec::new(),
        }
    }

    #[test]
    fn a_loss_passes_and_a_refusal_does_not() {
        let tls = |source| ConnectError::Tls {
            address: "a:1".to_owned(),
            source,
        };
        assert!(may_pass(&tls(io::ErrorKind::UnexpectedEof.into())));
        assert!(may_pass(&tls(io::ErrorKind::ConnectionReset.into())));
        assert!(!may_pass(&tls(io::ErrorKind::InvalidData.into())));
        assert!(may_pass(&ConnectError::Mqtt(
            CloseCause::LostBeforeAccepted
        )));
        // Code 1 of MQTT 3 is the exit code of Mosquitto's clients without a server too.
        let refusal = CloseCause::Refused {
            answer: answer(ReasonCode::UnsupportedProtocolVersion),
            version: Version::V311,
        };
        assert!(!may_pass(&ConnectError::Mqtt(refusal)));
    }

    #[test]
    fn a_takeover_and_a_refusal_end_it() {
        let by_server = |reason| CloseCause::ByServer(answer(reason));
        assert!(is_worth_it(&CloseCause::Lost));
        assert!(is_worth_it(&by_server(ReasonCode::ServerShuttingDown)));
        assert!(!is_worth_it(&by_server(ReasonCode::SessionTakenOver)));
        assert!(!is_worth_it(&by_server(ReasonCode::NotAuthorized)));
    }
}
