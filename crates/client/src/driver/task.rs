//! The task that owns one connection.

mod again;
mod authenticate;
mod ending;
mod keeping;
mod outlet;
mod requests;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use columba_codec::ReasonCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::session_file::Journal;
use super::stream::Streams;
use super::transport::Transport;
use super::{Authentication, Exchange, LastingEvent, Reply, Request};
use crate::backoff::EndedConnections;
use crate::outcome::{Accepted, CloseCause};
use crate::session::{Input, Session, Token};
pub(super) use again::LastingLink;
use ending::Leaving;
use keeping::{Keeping, Written, is_writing, written};
use outlet::{Parcel, room};
use requests::Waiting;
pub(super) use requests::tokens_from;

/// No more requests and no more reading while this many bytes wait for the socket.
const OUTGOING_BYTES_MAX: usize = 256 * 1024;
/// Requests that may wait for their answers.
const WAITING_REQUESTS_MAX: usize = 10_000;
const READ_BYTES: usize = 16 * 1024;

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
    events: mpsc::Sender<LastingEvent>,
    /// What the queues had no room for yet.
    stalled: VecDeque<Parcel>,
    streams: Streams,
    lasting: Option<LastingLink>,
    ended: EndedConnections,
    accepted_ms: u64,
    authentication: Option<Arc<dyn Authentication>>,
    exchange: Option<Box<dyn Exchange>>,
    /// Who waits for the end of a re-authentication.
    reauthenticating: Option<Reply<()>>,
    /// The client wants the connection to end like a lost one, and no other.
    abandoned: bool,
    waiting: BTreeMap<Token, Waiting>,
    outgoing: Vec<u8>,
    written: usize,
    unflushed: bool,
    started: Instant,
    leaving: Option<Leaving>,
    requests_open: bool,
    closed: Option<CloseCause>,
    transport_error: Option<io::Error>,
    accepted: Option<Accepted>,
    input: Vec<u8>,
}

/// What woke the task.
enum Wake {
    Written(io::Result<usize>),
    Flushed(io::Result<()>),
    Read(io::Result<usize>),
    Room,
    Request(Option<Request>),
    Deadline,
    RecordsWritten(Written),
}

impl Task {
    pub(super) fn new(
        session: Session,
        journal: Option<Journal>,
        transport: Transport,
        (requests, urgent): (mpsc::Receiver<Request>, mpsc::Receiver<Request>),
        events: mpsc::Sender<LastingEvent>,
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
            stalled: VecDeque::new(),
            streams: Streams::default(),
            lasting,
            ended: EndedConnections::default(),
            accepted_ms: 0,
            authentication,
            exchange: None,
            reauthenticating: None,
            abandoned: false,
            waiting: BTreeMap::new(),
            outgoing: Vec::new(),
            written: 0,
            unflushed: false,
            started: Instant::now(),
            leaving: None,
            requests_open: true,
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
        self.begin_authentication();
        self.handle(Input::TransportOpened { clean_start });
        loop {
            if let Some(cause) = self.closed.take() {
                self.finish_transport().await;
                return Err(cause);
            }
            if let Some(accepted) = self.accepted.take() {
                self.accepted_ms = self.now_ms();
                return Ok(accepted);
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
            if !self.come_back().await {
                break;
            }
        }
        self.finish().await;
    }

    async fn wait(&mut self, with_requests: bool) -> Wake {
        let pending = self.outgoing.len() - self.written;
        let has_bytes = pending > 0;
        let keeping = self.keeping.as_ref();
        let kept_bytes = keeping.map_or(0, Keeping::waiting_bytes);
        let crowded = pending + kept_bytes >= OUTGOING_BYTES_MAX;
        let reads = self.is_listening() && !crowded && !self.is_cut;
        let writes_records = is_writing(keeping);
        let takes_requests = with_requests
            && self.requests_open
            && self.leaving.is_none()
            && !crowded
            && self.session.has_room()
            && self.waiting.len() < WAITING_REQUESTS_MAX;
        let is_abandoned = !self.requests_open && self.leaving.is_none();
        let deadline = self.deadline();
        let bytes = self.outgoing.get(self.written..).unwrap_or_default();
        tokio::select! {
            read = self.reader.read(&mut self.input), if reads => {
                Wake::Read(read)
            }
            wake = write_or_flush(&mut self.writer, bytes), if has_bytes || self.unflushed => wake,
            () = room(&self.events, self.stalled.front()), if !self.stalled.is_empty() => Wake::Room,
            request = self.requests.recv(), if takes_requests => Wake::Request(request),
            Some(request) = self.urgent.recv() => Wake::Request(Some(request)),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                Wake::Deadline
            }
            () = unheard(&self.events, &self.streams), if is_abandoned => Wake::Request(None),
            written = written(&mut self.keeping), if writes_records => {
                Wake::RecordsWritten(written)
            }
        }
    }

    /// Whether what the server sends can be passed on.
    fn is_listening(&self) -> bool {
        self.stalled.is_empty() && !self.keeping.as_ref().is_some_and(Keeping::is_full)
    }

    fn on_wake(&mut self, wake: Wake) {
        match wake {
            Wake::Written(Ok(0)) => self.on_transport_end(Some(io::ErrorKind::WriteZero.into())),
            Wake::Written(Ok(len)) => {
                self.written += len;
                self.unflushed = true;
                if self.written == self.outgoing.len() {
                    self.outgoing.clear();
                    self.written = 0;
                }
            }
            Wake::Flushed(Ok(())) => self.unflushed = false,
            Wake::Read(Ok(0)) => self.on_transport_end(None),
            Wake::Read(Ok(len)) => {
                let input = std::mem::take(&mut self.input);
                self.handle(Input::Received(input.get(..len).unwrap_or_default()));
                self.input = input;
            }
            // What the server has sent before it reset the connection is still there to read, and
            // may say why; so a failed write waits for reading to end.
            Wake::Written(Err(error)) | Wake::Flushed(Err(error)) => {
                self.outgoing.clear();
                self.written = 0;
                self.unflushed = false;
                self.transport_error = Some(error);
            }
            Wake::Read(Err(error)) => self.on_transport_end(Some(error)),
            Wake::Room => self.pass_events(),
            Wake::Request(Some(request)) => self.on_request(request),
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
        session.into_iter().chain(leaving).min()
    }

    fn handle(&mut self, input: Input<'_>) {
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
async fn unheard(events: &mpsc::Sender<LastingEvent>, streams: &Streams) {
    events.closed().await;
    streams.closed().await;
}

/// Writes what there is, or flushes if there is nothing. Dropping it on the way loses nothing.
async fn write_or_flush(writer: &mut WriteHalf<Transport>, bytes: &[u8]) -> Wake {
    if bytes.is_empty() {
        Wake::Flushed(writer.flush().await)
    } else {
        Wake::Written(writer.write(bytes).await)
    }
}
