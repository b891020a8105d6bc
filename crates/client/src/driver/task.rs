//! The task that owns one connection.

mod again;
mod authenticate;
mod ending;
mod keeping;
mod outlet;
mod requests;
mod stalled;
mod waiters;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use columba_codec::ReasonCode;
use tokio::io::{AsyncReadExt, AsyncWrite, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};

use super::budget::{Budget, Queued};
use super::session_file::Journal;
use super::stream::Streams;
use super::transport::Transport;
use super::{Authentication, Exchange, LastingEvent, Reply, Request};
use crate::backoff::EndedConnections;
use crate::outcome::{Accepted, CloseCause};
use crate::session::{Input, Session};
pub(super) use again::LastingLink;
use ending::Leaving;
use keeping::{Keeping, Written, is_writing, written};
pub(super) use requests::tokens_from;
use stalled::Stalled;
use waiters::Waiters;

/// No more requests and no more reading while this many bytes wait for the socket.
const OUTGOING_BYTES_MAX: usize = 256 * 1024;
/// Requests that may wait for their answers.
const WAITING_REQUESTS_MAX: usize = 10_000;
/// Requests that are looked at before what they made is written and the server is heard again.
const REQUESTS_A_TURN_MAX: usize = 64;
/// A buffer that the server fills is doubled, up to the larger.
const READ_BYTES: usize = 16 * 1024;
const READ_BYTES_MAX: usize = 64 * 1024;
/// When an alarm rings that nobody has set.
const FAR_OFF: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct Task {
    session: Session,
    /// If the session is in a file.
    keeping: Option<Keeping>,
    reader: ReadHalf<Transport>,
    writer: WriteHalf<Transport>,
    /// The transport has ended, and the session knows it.
    is_cut: bool,
    requests: mpsc::Receiver<Request>,
    urgent: mpsc::Receiver<Request>,
    events: mpsc::Sender<Queued<LastingEvent>>,
    /// The memory of what waits in the queues.
    budget: Arc<Budget>,
    /// What the queues had no room for yet.
    stalled: Stalled,
    /// A message that cannot be dropped has come after the budget was used up.
    is_overfull: bool,
    /// Since then the events have been full of messages, and none was taken.
    ignored_since: Option<Instant>,
    streams: Streams,
    lasting: Option<LastingLink>,
    ended: EndedConnections,
    accepted_ms: u64,
    authentication: Option<Arc<dyn Authentication>>,
    exchange: Option<Box<dyn Exchange>>,
    /// Who waits for the end of a re-authentication.
    reauthenticating: Option<Reply<()>>,
    /// The server's QoS 2 has been doubted, once.
    has_doubted: bool,
    /// The client wants the connection to end like a lost one, and no other.
    abandoned: bool,
    waiting: Waiters,
    outgoing: Vec<u8>,
    written: usize,
    unflushed: bool,
    started: Instant,
    /// Rings no later than the deadline. Deadlines move with each packet and the alarm does not: if it
    /// rings too early, it is set again.
    alarm: Pin<Box<Sleep>>,
    leaving: Option<Leaving>,
    requests_open: bool,
    /// There is a handle of the application, which can make requests.
    has_handles: bool,
    closed: Option<CloseCause>,
    transport_error: Option<io::Error>,
    accepted: Option<Accepted>,
    input: Vec<u8>,
}

/// What woke the task.
enum Wake {
    /// So many bytes, and whether they left for the network.
    Written(io::Result<(usize, bool)>),
    Read(io::Result<usize>),
    Room,
    Request(Option<Request>),
    Urgent(Option<Request>),
    Deadline,
    RecordsWritten(Written),
}

impl Task {
    pub(super) fn new(
        session: Session,
        journal: Option<Journal>,
        transport: Transport,
        (requests, urgent): (mpsc::Receiver<Request>, mpsc::Receiver<Request>),
        (events, budget): (mpsc::Sender<Queued<LastingEvent>>, Arc<Budget>),
        lasting: Option<LastingLink>,
        authentication: Option<Arc<dyn Authentication>>,
    ) -> Self {
        let (reader, writer) = tokio::io::split(transport);
        Self {
            session,
            keeping: journal.map(Keeping::new),
            reader,
            writer,
            is_cut: false,
            requests,
            urgent,
            events,
            budget,
            stalled: Stalled::default(),
            is_overfull: false,
            ignored_since: None,
            streams: Streams::default(),
            lasting,
            ended: EndedConnections::default(),
            accepted_ms: 0,
            authentication,
            exchange: None,
            reauthenticating: None,
            has_doubted: false,
            abandoned: false,
            waiting: Waiters::default(),
            outgoing: Vec::new(),
            written: 0,
            unflushed: false,
            started: Instant::now(),
            alarm: Box::pin(sleep_until(Instant::now() + FAR_OFF)),
            leaving: None,
            requests_open: true,
            has_handles: true,
            closed: None,
            transport_error: None,
            accepted: None,
            input: vec![0; READ_BYTES],
        }
    }

    /// Sends CONNECT and waits for the answer.
    pub(super) async fn connect(&mut self, clean_start: bool) -> Result<Accepted, CloseCause> {
        // One may be left of a server that was accepted by MQTT and then refused.
        self.accepted = None;
        // They come again on this connection.
        self.budget.take_untaken();
        self.begin_authentication();
        self.handle(Input::TransportOpened { clean_start });
        loop {
            // A server that is accepted by MQTT may be refused by its proof of who it is. Any other end that
            // came with CONNACK is the end of a connection: there may be messages of it.
            if !matches!(self.closed, Some(CloseCause::Authentication(_)))
                && let Some(accepted) = self.accepted.take()
            {
                self.accepted_ms = self.now_ms();
                return Ok(accepted);
            }
            if let Some(cause) = self.closed.take() {
                self.finish_transport().await;
                return Err(cause);
            }
            if self.leave_if_due() {
                continue;
            }
            let wake = self.wait(false).await;
            self.on_wake(wake);
        }
    }

    /// Runs the connection to its end.
    pub(super) async fn run(mut self) {
        loop {
            while self.closed.is_none() {
                self.forget_unwanted_events();
                if self.leave_if_due() {
                    continue;
                }
                let wake = self.wait(true).await;
                self.on_wake(wake);
            }
            self.doubt_qos_2();
            if !self.come_back().await {
                break;
            }
        }
        self.finish().await;
    }

    async fn wait(&mut self, with_requests: bool) -> Wake {
        if let Some(wake) = self.write_now().await {
            return wake;
        }
        let has_bytes = self.outgoing.len() > self.written;
        let reads = self.is_listening() && !self.is_crowded() && !self.is_cut;
        let writes_records = is_writing(self.keeping.as_ref());
        let takes_requests = with_requests && self.takes_requests();
        let is_abandoned = self.is_abandoned();
        let (lacks_bytes, events_have_bytes) = self.bytes_left();
        let deadline = self.deadline();
        if let Some(deadline) = deadline
            && (deadline < self.alarm.deadline() || self.alarm.is_elapsed())
        {
            self.alarm.as_mut().reset(deadline);
        }
        let bytes = self.outgoing.get(self.written..).unwrap_or_default();
        let mut writer = Pin::new(&mut self.writer);
        tokio::select! {
            read = self.reader.read(&mut self.input), if reads => {
                Wake::Read(read)
            }
            written = poll_fn(|context| write(writer.as_mut(), bytes, context)),
                if has_bytes || self.unflushed => Wake::Written(written),
            () = self.stalled.room(&self.events, events_have_bytes), if !self.stalled.is_empty() => {
                Wake::Room
            }
            () = self.budget.room(), if lacks_bytes => Wake::Room,
            request = self.requests.recv(), if takes_requests => Wake::Request(request),
            request = self.urgent.recv(), if self.has_handles => Wake::Urgent(request),
            () = self.alarm.as_mut(), if deadline.is_some() => Wake::Deadline,
            () = unheard(&self.events, &self.streams), if is_abandoned => Wake::Request(None),
            written = written(&mut self.keeping), if writes_records => {
                Wake::RecordsWritten(written)
            }
        }
    }

    /// Writes what there is, if the network takes it without waiting.
    async fn write_now(&mut self) -> Option<Wake> {
        let bytes = self.outgoing.get(self.written..).unwrap_or_default();
        if bytes.is_empty() && !self.unflushed {
            return None;
        }
        let mut writer = Pin::new(&mut self.writer);
        let written = poll_fn(|context| {
            Poll::Ready(match write(writer.as_mut(), bytes, context) {
                Poll::Ready(written) => Some(written),
                Poll::Pending => None,
            })
        });
        written.await.map(Wake::Written)
    }

    /// Whether so much waits for the network or the disk that nothing may be added.
    fn is_crowded(&self) -> bool {
        let kept = self.keeping.as_ref().map_or(0, Keeping::waiting_bytes);
        let held = self.session.held_acknowledgement_bytes();
        self.outgoing.len() - self.written + kept + held >= OUTGOING_BYTES_MAX
    }

    fn takes_requests(&self) -> bool {
        !self.is_crowded() && self.takes_requests_offline()
    }

    /// The same while there is no connection, and nothing can be written that would make room.
    fn takes_requests_offline(&self) -> bool {
        self.requests_open
            && self.leaving.is_none()
            && self.closed.is_none()
            && self.has_room_for_requests()
    }

    fn has_room_for_requests(&self) -> bool {
        self.session.has_room() && self.waiting.len() < WAITING_REQUESTS_MAX
    }

    /// Whether the application is gone if nobody listens. Requests that still stand in the queue are looked
    /// at before, but not waited for: room for them may never come.
    fn is_abandoned(&self) -> bool {
        let is_last = !self.requests_open || !self.has_handles && !self.has_room_for_requests();
        is_last && self.leaving.is_none()
    }

    /// Whether what the server sends can be passed on.
    fn is_listening(&self) -> bool {
        self.has_room_for_messages() && !self.keeping.as_ref().is_some_and(Keeping::is_full)
    }

    /// Whether the messages that may come can be taken.
    ///
    /// While the server owes an answer, more is taken than the queues have room for: who waits for it may
    /// be the one who is to take the messages before it.
    fn has_room_for_messages(&self) -> bool {
        if self.awaits_answer() {
            !self.budget.is_used_up() || !self.is_overfull
        } else {
            !self.stalled.has_messages() && !self.budget.is_used_up()
        }
    }

    /// Whether the budget has to be waited for, and whether the events have something of it. Looked at
    /// once a wait: what is given back meanwhile ends it.
    fn bytes_left(&self) -> (bool, bool) {
        let events_have_bytes = !self.budget.is_used_up_by_events();
        // By hand, messages that are dropped with the events are to be heard of.
        let by_hand = self.session.options().acknowledges_by_hand;
        let waits = by_hand || !events_have_bytes || self.budget.is_used_up();
        (waits, events_have_bytes)
    }

    fn awaits_answer(&self) -> bool {
        !self.session.is_idle() || self.reauthenticating.is_some()
    }

    fn on_wake(&mut self, wake: Wake) {
        match wake {
            Wake::Written(Ok((0, false))) => {
                self.on_transport_end(Some(io::ErrorKind::WriteZero.into()));
            }
            Wake::Written(Ok((len, is_flushed))) => {
                self.written += len;
                self.unflushed = !is_flushed;
                if self.written == self.outgoing.len() {
                    self.outgoing.clear();
                    self.written = 0;
                }
            }
            Wake::Read(Ok(0)) => self.on_transport_end(None),
            Wake::Read(Ok(len)) => {
                let input = std::mem::take(&mut self.input);
                self.handle(Input::Received(input.get(..len).unwrap_or_default()));
                self.input = input;
                if len == self.input.len() && len < READ_BYTES_MAX {
                    self.input.resize(2 * len, 0);
                }
            }
            // What the server has sent before it reset the connection is still there to read, and
            // may say why; so a failed write waits for reading to end.
            Wake::Written(Err(error)) => {
                self.outgoing.clear();
                self.written = 0;
                self.unflushed = false;
                self.transport_error = Some(error);
            }
            Wake::Read(Err(error)) => self.on_transport_end(Some(error)),
            Wake::Room => self.pass_events(),
            Wake::Request(Some(request)) => self.on_requests(request),
            Wake::Urgent(Some(request)) => self.on_request(request),
            Wake::Urgent(None) => self.has_handles = false,
            Wake::Request(None) if self.requests_open => self.requests_open = false,
            Wake::Request(None) => {
                self.start_leaving(ReasonCode::Success, Instant::now(), None);
            }
            Wake::Deadline => {
                let listening = self.is_listening();
                self.handle(Input::DeadlineReached { listening });
            }
            Wake::RecordsWritten(written) => self.on_records_written(written),
        }
    }

    fn on_transport_end(&mut self, error: Option<io::Error>) {
        self.is_cut = true;
        if error.is_some() {
            self.transport_error = error;
        }
        self.handle(Input::TransportClosed);
    }

    fn deadline(&self) -> Option<Instant> {
        let session = self.session.next_deadline();
        let session = session.map(|millis| self.started + Duration::from_millis(millis));
        // Once it has left, only the disk is waited for.
        let leaving = self.leaving.as_ref().filter(|_| !self.session.is_closed());
        let leaving = leaving.map(|leaving| leaving.until);
        let patience = self.patience_ends();
        session.into_iter().chain(leaving).chain(patience).min()
    }

    fn handle(&mut self, input: Input<'_>) {
        if self.stalled.has_messages() {
            self.session.hold_acknowledgements(true);
        }
        self.session.handle(self.now_ms(), input);
        if self.keeping.is_some() {
            self.keep();
        } else {
            while let Some(output) = self.session.poll() {
                self.on_output(output);
            }
            self.session.transmit(&mut self.outgoing);
        }
        self.pass_events();
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Waits until nobody listens any more.
async fn unheard(events: &mpsc::Sender<Queued<LastingEvent>>, streams: &Streams) {
    events.closed().await;
    streams.closed().await;
}

/// Writes what there is, and flushes once all of it is written. Ready with nothing written only if the
/// network takes nothing, or if there was nothing but to flush.
fn write(
    mut writer: Pin<&mut WriteHalf<Transport>>,
    bytes: &[u8],
    context: &mut Context<'_>,
) -> Poll<io::Result<(usize, bool)>> {
    let mut len = 0;
    if !bytes.is_empty() {
        len = ready!(writer.as_mut().poll_write(context, bytes))?;
        if len < bytes.len() {
            return Poll::Ready(Ok((len, false)));
        }
    }
    match writer.poll_flush(context) {
        Poll::Ready(flushed) => Poll::Ready(flushed.map(|()| (len, true))),
        // The bytes are written, and that must not be forgotten.
        Poll::Pending if len > 0 => Poll::Ready(Ok((len, false))),
        Poll::Pending => Poll::Pending,
    }
}
