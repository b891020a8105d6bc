//! The end: leaving in order, and what is said last.

use std::time::Duration;

use columba_codec::ReasonCode;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::Task;
use super::requests::Waiting;
use crate::driver::{Ended, LastingEvent, Warning};
use crate::outcome::{CloseCause, Failure};
use crate::session::Input;

/// How long the last bytes of a connection may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The application wants to leave.
pub(super) struct Leaving {
    reason: ReasonCode,
    pub(super) until: Instant,
    reply: Option<oneshot::Sender<usize>>,
}

impl Task {
    pub(super) fn start_leaving(
        &mut self,
        reason: ReasonCode,
        until: Instant,
        reply: Option<oneshot::Sender<usize>>,
    ) {
        self.leaving = Some(Leaving {
            reason,
            until,
            reply,
        });
    }

    /// Says, once, that a server which closes the connection may do so over QoS 2.
    pub(super) fn doubt_qos_2(&mut self) {
        let is_lost = matches!(self.closed, Some(CloseCause::Lost)) && !self.abandoned;
        if is_lost && !self.has_doubted && self.session.doubts_qos_2() {
            self.has_doubted = true;
            self.unanswered(Warning::NoQos2);
        }
    }

    /// Sends DISCONNECT once nothing is left to wait for, and says whether it did.
    pub(super) fn leave_if_due(&mut self) -> bool {
        let Some(leaving) = &self.leaving else {
            return false;
        };
        // What it said last may still wait for the disk.
        if self.session.is_closed() {
            return false;
        }
        if !self.session.is_idle() && Instant::now() < leaving.until {
            return false;
        }
        let reason = leaving.reason;
        self.handle(Input::Disconnect { reason });
        true
    }

    pub(super) async fn finish_transport(&mut self) {
        let rest = self.outgoing.get(self.written..).unwrap_or_default();
        let writer = &mut self.writer;
        let finished = timeout(FLUSH_TIMEOUT, async {
            writer.write_all(rest).await?;
            writer.flush().await?;
            writer.shutdown().await
        });
        // The connection is over either way; the cause is already known.
        let _ = finished.await;
    }

    pub(super) async fn finish(mut self) {
        self.finish_keeping().await;
        self.finish_transport().await;
        let unfinished = self.session.unfinished_messages();
        // The file is closed and its lock free before anybody hears of the end.
        self.keeping = None;
        self.session.end_keeping();
        let mut last = Vec::new();
        for waiting in self.waiting.drain() {
            match waiting {
                Waiting::Publish(topic, reply) => {
                    if reply.send(Err(Failure::ConnectionLost)).is_err() {
                        let failure = Failure::ConnectionLost;
                        let warning = Warning::NotPublished { topic, failure };
                        last.push(LastingEvent::Warning(warning));
                    }
                }
                Waiting::Subscribe(_, reply) | Waiting::Unsubscribe(_, reply) => {
                    let _ = reply.send(Err(Failure::ConnectionLost));
                }
            }
        }
        if let Some(reply) = self.leaving.and_then(|leaving| leaving.reply) {
            let _ = reply.send(unfinished);
        }
        // Requests that were never looked at learn it by their reply being dropped. Nor may anybody
        // wait for room here who takes the events that wait below: he may be acknowledging one.
        drop(self.requests);
        drop(self.urgent);
        let ended = Ended {
            cause: self.closed.unwrap_or(CloseCause::Lost),
            transport_error: self.transport_error,
            session: self.session,
        };
        last.push(LastingEvent::Ended(Box::new(ended)));
        // Those streams end here that have all their messages.
        drop(self.streams);
        self.stalled.finish(self.events, last).await;
    }
}
