//! The task that owns one connection.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use columba_codec::ReasonCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::transport::Transport;
use super::{Ended, Event, Reply, Request};
use crate::advice;
use crate::outcome::{Accepted, Answer, CloseCause, Failure, FilterAnswer};
use crate::session::{Input, Output, Session, Token};

/// No more requests and no more reading while this many bytes wait for the socket.
const OUTGOING_BYTES_MAX: usize = 256 * 1024;
/// Requests that may wait for their answers.
const WAITING_REQUESTS_MAX: usize = 10_000;
/// How long the last bytes of a connection may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 16 * 1024;

/// Tokens are never used twice in a process, so a resumed session cannot mix up its requests.
static NEXT_TOKEN: AtomicU64 = AtomicU64::new(1);

pub(super) struct Task {
    session: Session,
    reader: ReadHalf<Transport>,
    writer: WriteHalf<Transport>,
    requests: mpsc::Receiver<Request>,
    events: mpsc::Sender<Event>,
    /// Events that the queue had no room for yet.
    stalled: VecDeque<Event>,
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

enum Waiting {
    Publish(String, Reply<Answer>),
    Subscribe(Vec<String>, Reply<FilterAnswer>),
    Unsubscribe(Reply<FilterAnswer>),
}

struct Leaving {
    reason: ReasonCode,
    until: Instant,
    reply: Option<oneshot::Sender<usize>>,
}

/// What woke the task.
enum Wake {
    Written(io::Result<usize>),
    Flushed(io::Result<()>),
    Read(io::Result<usize>),
    Room,
    Request(Option<Request>),
    Deadline,
}

impl Task {
    pub(super) fn new(
        session: Session,
        transport: Transport,
        requests: mpsc::Receiver<Request>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let (reader, writer) = tokio::io::split(transport);
        Self {
            session,
            reader,
            writer,
            requests,
            events,
            stalled: VecDeque::new(),
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
        self.handle(Input::TransportOpened { clean_start });
        loop {
            if let Some(cause) = self.closed.take() {
                self.finish_transport().await;
                return Err(cause);
            }
            if let Some(accepted) = self.accepted.take() {
                return Ok(accepted);
            }
            let wake = self.wait(false).await;
            self.on_wake(wake);
        }
    }

    /// Runs the connection to its end.
    pub(super) async fn run(mut self) {
        while self.closed.is_none() {
            self.forget_unwanted_events();
            if self.leave_if_due() {
                continue;
            }
            let wake = self.wait(true).await;
            self.on_wake(wake);
        }
        self.finish().await;
    }

    async fn wait(&mut self, with_requests: bool) -> Wake {
        let pending = self.outgoing.len() - self.written;
        let has_bytes = pending > 0;
        let crowded = pending >= OUTGOING_BYTES_MAX;
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
            read = self.reader.read(&mut self.input), if self.stalled.is_empty() && !crowded => {
                Wake::Read(read)
            }
            wake = write_or_flush(&mut self.writer, bytes), if has_bytes || self.unflushed => wake,
            _ = self.events.reserve(), if !self.stalled.is_empty() => Wake::Room,
            request = self.requests.recv(), if takes_requests => Wake::Request(request),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                Wake::Deadline
            }
            () = self.events.closed(), if is_abandoned => Wake::Request(None),
        }
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
                self.start_leaving(ReasonCode::Success, Duration::ZERO, None);
            }
            Wake::Deadline => {
                let listening = self.stalled.is_empty();
                self.handle(Input::DeadlineReached { listening });
            }
        }
    }

    fn on_transport_end(&mut self, error: Option<io::Error>) {
        if error.is_some() {
            self.transport_error = error;
        }
        self.handle(Input::TransportClosed);
    }

    fn on_request(&mut self, request: Request) {
        let token = NEXT_TOKEN.fetch_add(1, Ordering::Relaxed);
        match request {
            Request::Publish(message, reply) => {
                self.waiting
                    .insert(token, Waiting::Publish(message.topic.clone(), reply));
                self.handle(Input::Publish { token, message });
            }
            Request::Subscribe(subscription, reply) => {
                let filters = subscription
                    .filters
                    .iter()
                    .map(|(filter, _)| filter.clone());
                self.waiting
                    .insert(token, Waiting::Subscribe(filters.collect(), reply));
                self.handle(Input::Subscribe {
                    token,
                    subscription,
                });
            }
            Request::Unsubscribe(filters, reply) => {
                self.waiting.insert(token, Waiting::Unsubscribe(reply));
                self.handle(Input::Unsubscribe {
                    token,
                    filters,
                    user_properties: Vec::new(),
                });
            }
            Request::Abandon => self.on_transport_end(None),
            Request::Disconnect {
                reason,
                patience,
                reply,
            } => {
                self.start_leaving(reason, patience, Some(reply));
            }
        }
    }

    fn start_leaving(
        &mut self,
        reason: ReasonCode,
        patience: Duration,
        reply: Option<oneshot::Sender<usize>>,
    ) {
        let until = Instant::now() + patience;
        self.leaving = Some(Leaving {
            reason,
            until,
            reply,
        });
    }

    /// Sends DISCONNECT once nothing is left to wait for, and says whether it did.
    fn leave_if_due(&mut self) -> bool {
        let Some(leaving) = &self.leaving else {
            return false;
        };
        if !self.session.is_idle() && Instant::now() < leaving.until {
            return false;
        }
        let reason = leaving.reason;
        self.handle(Input::Disconnect { reason });
        true
    }

    fn deadline(&self) -> Option<Instant> {
        let session = self.session.next_deadline();
        let session = session.map(|millis| self.started + Duration::from_millis(millis));
        let leaving = self.leaving.as_ref().map(|leaving| leaving.until);
        session.into_iter().chain(leaving).min()
    }

    fn handle(&mut self, input: Input<'_>) {
        let now_millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.session.handle(now_millis, input);
        while let Some(output) = self.session.poll() {
            self.on_output(output);
        }
        self.session.transmit(&mut self.outgoing);
        self.pass_events();
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Connected(accepted) => self.accepted = Some(*accepted),
            Output::Message(incoming) => self.stalled.push_back(Event::Message(incoming)),
            Output::Published { token, answer } => self.on_published(token, Ok(answer)),
            Output::Subscribed { token, answer } | Output::Unsubscribed { token, answer } => {
                self.on_filter_answer(token, Ok(answer));
            }
            Output::Failed { token, failure } => match self.waiting.get(&token) {
                Some(Waiting::Subscribe(..) | Waiting::Unsubscribe(_)) => {
                    self.on_filter_answer(token, Err(failure));
                }
                Some(Waiting::Publish(..)) | None => self.on_published(token, Err(failure)),
            },
            Output::Closed(cause) => self.closed = Some(cause),
        }
    }

    fn on_published(&mut self, token: Token, answer: Result<Answer, Failure>) {
        let (topic, unheard) = match self.waiting.remove(&token) {
            Some(Waiting::Publish(topic, reply)) => (topic, reply.send(answer).err()),
            _ => ("of an earlier connection".to_owned(), Some(answer)),
        };
        match unheard {
            Some(Ok(answer)) if answer.reason.is_error() => {
                self.unanswered(advice::refused_publish(&topic, &answer));
            }
            Some(Err(failure)) => {
                self.unanswered(format!(
                    "the message to '{topic}' was not published: {failure}"
                ));
            }
            Some(Ok(_)) | None => {}
        }
    }

    fn on_filter_answer(&mut self, token: Token, answer: Result<FilterAnswer, Failure>) {
        let (filters, unheard) = match self.waiting.remove(&token) {
            Some(Waiting::Subscribe(filters, reply)) => (filters, reply.send(answer).err()),
            Some(Waiting::Unsubscribe(reply)) => (Vec::new(), reply.send(answer).err()),
            Some(Waiting::Publish(..)) | None => return,
        };
        match unheard {
            Some(Ok(answer)) => {
                for (filter, code) in filters.iter().zip(answer.codes) {
                    if code.is_error() {
                        let said = answer.reason_string.as_deref();
                        self.unanswered(advice::refused_filter(filter, code, said));
                    }
                }
            }
            Some(Err(failure)) => {
                self.unanswered(format!("subscribing or unsubscribing failed: {failure}"));
            }
            None => {}
        }
    }

    fn unanswered(&mut self, sentence: String) {
        self.stalled.push_back(Event::Unanswered(sentence));
    }

    fn pass_events(&mut self) {
        while let Some(event) = self.stalled.pop_front() {
            match self.events.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.stalled.push_front(event);
                    return;
                }
            }
        }
    }

    fn forget_unwanted_events(&mut self) {
        if self.events.is_closed() {
            self.stalled.clear();
        }
    }

    async fn finish_transport(&mut self) {
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

    async fn finish(mut self) {
        self.finish_transport().await;
        let unfinished = self.session.unfinished_messages();
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            match waiting {
                Waiting::Publish(topic, reply) => {
                    if reply.send(Err(Failure::ConnectionLost)).is_err() {
                        let failure = Failure::ConnectionLost;
                        self.unanswered(format!("the message to '{topic}': {failure}"));
                    }
                }
                Waiting::Subscribe(_, reply) | Waiting::Unsubscribe(reply) => {
                    let _ = reply.send(Err(Failure::ConnectionLost));
                }
            }
        }
        if let Some(reply) = self.leaving.and_then(|leaving| leaving.reply) {
            let _ = reply.send(unfinished);
        }
        // Requests that were never looked at learn it by their reply being dropped.
        drop(self.requests);
        let ended = Ended {
            cause: self.closed.unwrap_or(CloseCause::Lost),
            transport_error: self.transport_error,
            session: self.session,
        };
        self.stalled.push_back(Event::Ended(Box::new(ended)));
        for event in self.stalled {
            if self.events.send(event).await.is_err() {
                return;
            }
        }
    }
}

/// Writes what there is, or flushes if there is nothing. Dropping it on the way loses nothing.
async fn write_or_flush(writer: &mut WriteHalf<Transport>, bytes: &[u8]) -> Wake {
    if bytes.is_empty() {
        Wake::Flushed(writer.flush().await)
    } else {
        Wake::Written(writer.write(bytes).await)
    }
}
