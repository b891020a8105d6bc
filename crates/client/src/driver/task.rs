//! The task that owns one connection.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use columba_codec::ReasonCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::lasting::Random;
use super::stream::Streams;
use super::transport::{self, Transport};
use super::{Address, ConnectError, Ended, LastingEvent, Reply, Request};
use crate::advice;
use crate::backoff::{Backoff, EndedConnections};
use crate::message::Incoming;
use crate::outcome::{Accepted, Answer, CloseCause, Failure, FilterAnswer};
use crate::session::{Input, Output, Session, Token};

/// No more requests and no more reading while this many bytes wait for the socket.
const OUTGOING_BYTES_MAX: usize = 256 * 1024;
/// Requests that may wait for their answers.
const WAITING_REQUESTS_MAX: usize = 10_000;
/// How long the last bytes of a connection may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that lived so long resets the backoff.
const LASTING_LIFE_MS: u64 = 10_000;
const READ_BYTES: usize = 16 * 1024;

/// Tokens are never used twice in a process, so a resumed session cannot mix up its requests.
static NEXT_TOKEN: AtomicU64 = AtomicU64::new(1);

pub(super) struct Task {
    session: Session,
    reader: ReadHalf<Transport>,
    writer: WriteHalf<Transport>,
    requests: mpsc::Receiver<Request>,
    urgent: mpsc::Receiver<Request>,
    events: mpsc::Sender<LastingEvent>,
    /// What the queues had no room for yet.
    stalled: VecDeque<Parcel>,
    streams: Streams,
    lasting: Option<LastingLink>,
    ended: EndedConnections,
    accepted_ms: u64,
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

/// What a connection that comes back needs for it.
pub(super) struct LastingLink {
    pub(super) address: Address,
    pub(super) transport_timeout: Duration,
    pub(super) clean_start: bool,
    pub(super) backoff: Backoff,
    pub(super) attempts_max: u32,
    pub(super) random: Random,
}

/// Something on its way out, and where to.
enum Parcel {
    Event(LastingEvent),
    Message(mpsc::Sender<Incoming>, Box<Incoming>),
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
        (requests, urgent): (mpsc::Receiver<Request>, mpsc::Receiver<Request>),
        events: mpsc::Sender<LastingEvent>,
        lasting: Option<LastingLink>,
    ) -> Self {
        let (reader, writer) = tokio::io::split(transport);
        Self {
            session,
            reader,
            writer,
            requests,
            urgent,
            events,
            stalled: VecDeque::new(),
            streams: Streams::default(),
            lasting,
            ended: EndedConnections::default(),
            accepted_ms: 0,
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
            () = room(&self.events, self.stalled.front()), if !self.stalled.is_empty() => Wake::Room,
            request = self.requests.recv(), if takes_requests => Wake::Request(request),
            Some(request) = self.urgent.recv() => Wake::Request(Some(request)),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                Wake::Deadline
            }
            () = unheard(&self.events, &self.streams), if is_abandoned => Wake::Request(None),
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
                self.start_leaving(ReasonCode::Success, Instant::now(), None);
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
            Request::Subscribe(subscription, stream, reply) => {
                let filters = subscription
                    .filters
                    .iter()
                    .map(|(filter, _)| filter.clone())
                    .collect::<Vec<_>>();
                if let Some(sender) = stream {
                    self.streams.add(token, filters.clone(), sender);
                }
                self.waiting
                    .insert(token, Waiting::Subscribe(filters, reply));
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
            Request::Abandon => {
                self.abandoned = true;
                self.on_transport_end(None);
                self.closed.get_or_insert(CloseCause::Lost);
            }
            Request::Disconnect {
                reason,
                until,
                reply,
            } => {
                self.start_leaving(reason, until, Some(reply));
            }
        }
    }

    fn start_leaving(
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
        self.session.handle(self.now_ms(), input);
        while let Some(output) = self.session.poll() {
            self.on_output(output);
        }
        self.session.transmit(&mut self.outgoing);
        self.pass_events();
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Connected(accepted) => self.accepted = Some(*accepted),
            Output::Message(incoming) => self.on_message(incoming),
            Output::Published { token, answer } => self.on_published(token, Ok(answer)),
            Output::Subscribed { token, answer } | Output::Unsubscribed { token, answer } => {
                self.on_filter_answer(token, Ok(answer));
            }
            Output::Resubscribed { filters, answer } => {
                self.report_refused(&filters, &answer);
            }
            Output::NotResubscribed { filters, failure } => {
                let filters = filters.join("', '");
                self.unanswered(format!(
                    "the subscription to '{filters}' has ended with the server's session: {failure}"
                ));
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

    fn on_message(&mut self, incoming: Box<Incoming>) {
        let streams = self.streams.matching(&incoming.message.topic);
        if streams.is_empty() {
            self.event(LastingEvent::Message(incoming));
            return;
        }
        for sender in streams {
            self.stalled
                .push_back(Parcel::Message(sender, incoming.clone()));
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
        let granted = answer
            .as_ref()
            .is_ok_and(|answer| answer.codes.iter().any(|code| !code.is_error()));
        if !granted {
            self.streams.remove(token);
        }
        let (filters, unheard) = match self.waiting.remove(&token) {
            Some(Waiting::Subscribe(filters, reply)) => (filters, reply.send(answer).err()),
            Some(Waiting::Unsubscribe(reply)) => (Vec::new(), reply.send(answer).err()),
            Some(Waiting::Publish(..)) | None => return,
        };
        match unheard {
            Some(Ok(answer)) => self.report_refused(&filters, &answer),
            Some(Err(failure)) => {
                self.unanswered(format!("subscribing or unsubscribing failed: {failure}"));
            }
            None => {}
        }
    }

    fn report_refused(&mut self, filters: &[String], answer: &FilterAnswer) {
        for (filter, code) in filters.iter().zip(&answer.codes) {
            if code.is_error() {
                let said = answer.reason_string.as_deref();
                self.unanswered(advice::refused_filter(filter, *code, said));
            }
        }
    }

    fn unanswered(&mut self, sentence: String) {
        self.event(LastingEvent::Warning(sentence));
    }

    fn event(&mut self, event: LastingEvent) {
        self.stalled.push_back(Parcel::Event(event));
    }

    fn pass_events(&mut self) {
        while let Some(parcel) = self.stalled.pop_front() {
            if let Some(parcel) = parcel.try_send(&self.events) {
                self.stalled.push_front(parcel);
                return;
            }
        }
    }

    fn forget_unwanted_events(&mut self) {
        if self.events.is_closed() {
            self.stalled
                .retain(|parcel| matches!(parcel, Parcel::Message(..)));
        }
    }

    /// After the end of a connection: brings the next one, if there is to be one.
    async fn come_back(&mut self) -> bool {
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
        if let Some(sentence) = story {
            self.unanswered(sentence);
        }
        if !matches!(cause, CloseCause::Lost) {
            self.finish_transport().await;
        }
        loop {
            let gives_up = self.abandoned || link.backoff.attempts() >= link.attempts_max;
            if gives_up || matches!(cause, CloseCause::Requested | CloseCause::Options(_)) {
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

    fn install(&mut self, transport: Transport) {
        (self.reader, self.writer) = tokio::io::split(transport);
        self.outgoing.clear();
        self.written = 0;
        self.unflushed = false;
        self.transport_error = None;
    }

    /// Waits and opens a transport, again and again, taking requests meanwhile.
    async fn open_again(
        &mut self,
        link: &mut LastingLink,
        mut error: ConnectError,
    ) -> Result<Transport, CloseCause> {
        loop {
            if link.backoff.attempts() >= link.attempts_max {
                return Err(match error {
                    ConnectError::Mqtt(cause) => cause,
                    other => {
                        self.unanswered(other.to_string());
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
            let address = &link.address;
            let opening = async {
                sleep(next_attempt_after).await;
                transport::open(address, link.transport_timeout).await
            };
            match self.while_opening(opening).await {
                Some(Ok(transport)) => return Ok(transport),
                Some(Err(failed)) => error = failed,
                None => return Err(self.closed.take().unwrap_or(CloseCause::Requested)),
            }
        }
    }

    /// Takes requests until `opening` is done, or until the client leaves (`None`).
    async fn while_opening<T>(&mut self, opening: impl Future<Output = T>) -> Option<T> {
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
            let takes_requests = self.requests_open
                && self.leaving.is_none()
                && self.session.has_room()
                && self.waiting.len() < WAITING_REQUESTS_MAX;
            let is_abandoned = !self.requests_open && self.leaving.is_none();
            let until = self.leaving.as_ref().map(|leaving| leaving.until);
            let wake = tokio::select! {
                // Each attempt may make an event, and events that nobody takes must not pile up.
                opened = &mut opening, if self.stalled.is_empty() => return Some(opened),
                () = room(&self.events, self.stalled.front()), if !self.stalled.is_empty() => {
                    Wake::Room
                }
                request = self.requests.recv(), if takes_requests => Wake::Request(request),
                Some(request) = self.urgent.recv() => Wake::Request(Some(request)),
                () = unheard(&self.events, &self.streams), if is_abandoned => Wake::Request(None),
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => continue,
            };
            self.on_wake(wake);
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
        self.stalled
            .push_back(Parcel::Event(LastingEvent::Ended(Box::new(ended))));
        for parcel in self.stalled {
            // Nobody there is nobody to tell.
            let _ = match parcel {
                Parcel::Event(event) => self.events.send(event).await.is_ok(),
                Parcel::Message(sender, incoming) => sender.send(*incoming).await.is_ok(),
            };
        }
    }
}

impl Parcel {
    /// Gives the parcel back if there is no room for it.
    fn try_send(self, events: &mpsc::Sender<LastingEvent>) -> Option<Self> {
        match self {
            Self::Event(event) => match events.try_send(event) {
                Ok(()) | Err(TrySendError::Closed(_)) => None,
                Err(TrySendError::Full(event)) => Some(Self::Event(event)),
            },
            Self::Message(sender, incoming) => match sender.try_send(*incoming) {
                Ok(()) => None,
                // Its stream was dropped a moment ago: as without a stream.
                Err(TrySendError::Closed(incoming)) => {
                    Self::Event(LastingEvent::Message(Box::new(incoming))).try_send(events)
                }
                Err(TrySendError::Full(incoming)) => {
                    Some(Self::Message(sender, Box::new(incoming)))
                }
            },
        }
    }
}

/// Waits until the first parcel has room where it goes.
async fn room(events: &mpsc::Sender<LastingEvent>, parcel: Option<&Parcel>) {
    // A receiver that is gone is room too: trying to send finds out.
    match parcel {
        Some(Parcel::Message(sender, _)) => drop(sender.reserve().await),
        Some(Parcel::Event(_)) | None => drop(events.reserve().await),
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
