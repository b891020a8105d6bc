//! The way back to the server after the end of a connection.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::keeping::{is_writing, written};
use super::{Task, Wake, unheard};
use crate::backoff::Backoff;
use crate::driver::lasting::Random;
use crate::driver::transport::{self, Transport};
use crate::driver::{Address, ConnectError, LastingEvent, Route, Warning};
use crate::outcome::CloseCause;

/// A connection that lived so long resets the backoff.
const LASTING_LIFE_MS: u64 = 10_000;

/// What a connection that comes back needs for it.
pub(in crate::driver) struct LastingLink {
    pub(in crate::driver) address: Address,
    pub(in crate::driver) route: Route,
    pub(in crate::driver) transport_timeout: Duration,
    pub(in crate::driver) clean_start: bool,
    pub(in crate::driver) backoff: Backoff,
    pub(in crate::driver) attempts_max: u32,
    pub(in crate::driver) is_final: fn(&CloseCause) -> bool,
    pub(in crate::driver) random: Random,
}

/// Whether no other connection can follow.
fn is_over(cause: &CloseCause) -> bool {
    matches!(
        cause,
        CloseCause::Requested | CloseCause::Options(_) | CloseCause::SessionFile(_)
    )
}

impl Task {
    /// After the end of a connection: brings the next one, if there is to be one.
    pub(super) async fn come_back(&mut self) -> bool {
        let Some(mut link) = self.lasting.take() else {
            return false;
        };
        let Some(mut cause) = self.closed.take() else {
            return false;
        };
        let lived_ms = self.now_ms().saturating_sub(self.accepted_ms);
        // A server that accepts and closes at once must not be asked without pause.
        if lived_ms >= LASTING_LIFE_MS {
            link.backoff.reset();
        }
        let story = self.ended.on_end(self.accepted_ms, self.now_ms(), &cause);
        if let Some(story) = story {
            self.unanswered(Warning::Story(story));
        }
        if !matches!(cause, CloseCause::Lost) {
            self.finish_transport().await;
        }
        loop {
            let gives_up = self.abandoned || link.backoff.attempts() >= link.attempts_max;
            if gives_up || is_over(&cause) || (link.is_final)(&cause) {
                self.closed = Some(cause);
                return false;
            }
            let transport = match self.open_again(&mut link, ConnectError::Mqtt(cause)).await {
                Ok(transport) => transport,
                Err(cause) => {
                    self.closed = Some(cause);
                    return false;
                }
            };
            self.install(transport);
            match self.connect(link.clean_start).await {
                Ok(accepted) => {
                    self.event(LastingEvent::Connected(Box::new(accepted)));
                    self.pass_events();
                    self.lasting = Some(link);
                    return true;
                }
                Err(refused) => cause = refused,
            }
        }
    }

    pub(super) fn install(&mut self, transport: Transport) {
        (self.reader, self.writer) = tokio::io::split(transport);
        self.is_cut = false;
        self.forget_kept_bytes();
        self.outgoing.clear();
        self.written = 0;
        self.unflushed = false;
        self.transport_error = None;
    }

    /// Waits and opens a transport, again and again, taking requests meanwhile.
    pub(super) async fn open_again(
        &mut self,
        link: &mut LastingLink,
        mut error: ConnectError,
    ) -> Result<Transport, CloseCause> {
        loop {
            if link.backoff.attempts() >= link.attempts_max {
                return Err(match error {
                    ConnectError::Mqtt(cause) => cause,
                    other => {
                        self.unanswered(Warning::NotBack(Box::new(other)));
                        CloseCause::Lost
                    }
                });
            }
            let next_attempt_after = link.backoff.next_delay(link.random.next());
            self.event(LastingEvent::Disconnected {
                error,
                next_attempt_after,
            });
            self.pass_events();
            let (address, route) = (&link.address, &link.route);
            let packet_bytes_max = self.session.options().packet_bytes_max();
            let opening = async {
                sleep(next_attempt_after).await;
                transport::open(address, route, link.transport_timeout, packet_bytes_max).await
            };
            match self.while_opening(opening).await {
                Some(Ok(transport)) => return Ok(transport),
                Some(Err(failed)) => error = failed,
                None => return Err(self.closed.take().unwrap_or(CloseCause::Requested)),
            }
        }
    }

    /// Takes requests until `opening` is done, or until the client leaves (`None`).
    pub(super) async fn while_opening<T>(&mut self, opening: impl Future<Output = T>) -> Option<T> {
        let mut opening = pin!(opening);
        loop {
            self.forget_unwanted_events();
            if let Some(leaving) = &self.leaving
                && (self.session.is_idle() || Instant::now() >= leaving.until)
            {
                return None;
            }
            if self.closed.is_some() {
                return None;
            }
            let takes_requests = self.takes_requests_offline();
            let is_abandoned = self.is_abandoned();
            let until = self.leaving.as_ref().map(|leaving| leaving.until);
            let patience = self.patience_ends();
            let patience_end = patience.unwrap_or_else(Instant::now);
            let writes_records = is_writing(self.keeping.as_ref());
            let (lacks_bytes, events_have_bytes) = self.bytes_left();
            let wake = tokio::select! {
                // A message that has no room would hold up CONNACK as well.
                opened = &mut opening, if self.has_room_for_messages() => return Some(opened),
                () = self.stalled.room(&self.events, events_have_bytes),
                    if !self.stalled.is_empty() => Wake::Room,
                () = self.budget.room(), if lacks_bytes => Wake::Room,
                () = sleep_until(patience_end), if patience.is_some() => Wake::Room,
                request = self.requests.recv(), if takes_requests => Wake::Request(request),
                request = self.urgent.recv(), if self.has_handles => Wake::Urgent(request),
                () = unheard(&self.events, &self.streams), if is_abandoned => Wake::Request(None),
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => continue,
                written = written(&mut self.keeping), if writes_records => {
                    Wake::RecordsWritten(written)
                }
            };
            self.on_wake(wake);
        }
    }
}
