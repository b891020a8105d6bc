//! A connection that comes back by itself.

use std::hash::BuildHasher as _;
use std::time::Duration;

use columba_codec::ReasonCode;
use tokio::sync::mpsc;

use super::budget::{Budget, Queued};
use super::session_file::{Journal, SessionFile};
use super::task::{LastingLink, Task, tokens_from};
use super::{Client, ConnectError, ConnectOptions, Ended, Warning, transport};
use crate::backoff::Backoff;
use crate::message::Incoming;
use crate::options::SessionOptions;
use crate::outcome::{Accepted, CloseCause};
use crate::session::Session;

/// How [`Client::connect_lasting`] comes back.
#[derive(Clone, Debug)]
pub struct Reconnect {
    /// The first wait; each further one is twice as long, with jitter (see [`Backoff`]).
    pub first_delay: Duration,
    /// The longest wait.
    pub longest_delay: Duration,
    /// Attempts in a row after which to give up; `None` for never.
    pub attempts_max: Option<u32>,
    /// Seed of the jitter; `None` draws one.
    pub jitter_seed: Option<u64>,
    /// Which ends of a connection, and refusals of a later attempt, are the end for good:
    /// [`LastingEvent::Ended`] follows at once, however full the queue of events is. The other client
    /// of a [`columba_codec::ReasonCode::SessionTakenOver`] is not thrown out in its turn, if this says so.
    pub is_final: fn(&CloseCause) -> bool,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(60),
            attempts_max: None,
            jitter_seed: None,
            is_final: |_| false,
        }
    }
}

/// What happens to a lasting connection without having been asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum LastingEvent {
    /// A message that no stream of [`Client::subscribe_stream`] takes.
    Message(Box<Incoming>),
    /// The connection is back. The first one is not reported.
    Connected(Box<Accepted>),
    /// The connection is gone, or an attempt to bring it back failed. Requests wait.
    Disconnected {
        /// Why, as a sentence for people with its `Display`.
        error: ConnectError,
        /// The wait before the next attempt.
        next_attempt_after: Duration,
    },
    /// Something went wrong that nobody waits for, or the ends of several connections tell a story.
    Warning(Warning),
    /// It is over for good. Always the last event.
    Ended(Box<Ended>),
}

/// The events of a lasting connection, in order.
///
/// When nobody takes them, warnings and what is said of the connection are dropped, the oldest first,
/// and counted ([`Warning::EventsMissed`]). Messages outside of streams are not: once one of them has no
/// room, reading from the server and connecting again stop. If there are streams, messages at QoS 0 hold
/// them up for ten seconds at most ([`Warning::MessagesMissed`]). Dropping this says that nobody wants the
/// events, and that those messages may go.
///
/// With [`crate::SessionOptions::acknowledges_by_hand`], messages that go like this are refused (MQTT 3 has no
/// word for that, and they are acknowledged) as long as somebody listens to a stream; else they come again with
/// the next connection.
#[derive(Debug)]
pub struct LastingEvents {
    receiver: mpsc::Receiver<Queued<LastingEvent>>,
}

impl LastingEvents {
    /// The next event; `None` after [`LastingEvent::Ended`]. Cancel safe.
    pub async fn next(&mut self) -> Option<LastingEvent> {
        self.receiver.recv().await.map(Queued::into_item)
    }
}

impl Client {
    /// Connects, and from then on connects again whenever the connection ends other than by
    /// [`Client::disconnect`] or [`Client::abandon`].
    ///
    /// The first attempt's failure is returned: wrong addresses and passwords show at once. Later
    /// on, messages at QoS 1 and 2 and subscriptions wait for the connection, up to the session's
    /// limits; a message at QoS 0 fails without one. The session recovers what a server forgets
    /// ([`crate::SessionOptions::recovers_lost_session`] is switched on).
    ///
    /// The server keeps the session between connections only if asked to: with MQTT 5 by a Session
    /// Expiry Interval, with MQTT 3 by `clean_start: false`. Without it, what others publish in the
    /// meantime is lost, and an unanswered message at QoS 2 ends in
    /// [`crate::Failure::SessionLost`].
    ///
    /// # Errors
    /// [`ConnectError`], whose text is a sentence for people.
    pub async fn connect_lasting(
        options: ConnectOptions,
        reconnect: Reconnect,
    ) -> Result<(Self, LastingEvents), ConnectError> {
        let mut session = options.session.clone();
        session.recovers_lost_session = true;
        Self::resume_lasting(options, reconnect, Session::new(session)).await
    }

    /// [`Self::connect_lasting`] with the session of an earlier connection, whose own options stay
    /// in force.
    ///
    /// # Errors
    /// [`ConnectError`], whose text is a sentence for people.
    pub async fn resume_lasting(
        options: ConnectOptions,
        reconnect: Reconnect,
        session: Session,
    ) -> Result<(Self, LastingEvents), ConnectError> {
        // Clean Session of MQTT 3 says at once how the session ends; asking otherwise on the next
        // connection would leave a session on the server for ever. MQTT 5 has an expiry for that.
        let cleans = options.clean_start && !session.options().version.has_properties();
        let link = LastingLink::new(&options, &reconnect, cleans);
        let (client, receiver) = Self::open(options, session, None, Some(link)).await?;
        Ok((client, LastingEvents { receiver }))
    }

    /// [`Self::connect_lasting`] with a session in a file: it goes on where an earlier process left
    /// it, however that ended. The session's options are those that the file was opened with, and
    /// the server is always asked to continue it.
    ///
    /// No packet leaves and no answer comes before the file has what they stand on; messages that
    /// come while it is being written share the next write. If the file fails, so does the
    /// connection, with [`CloseCause::SessionFile`].
    ///
    /// A new file begins with a connection that ends the session that the server may still have: its
    /// packet ids would be taken for those of the new one (`MQTT-3.2.2-4`).
    ///
    /// Subscriptions are not in the file: subscribe after connecting, the server takes it as the
    /// same subscription. Messages may come before that, as events.
    ///
    /// # Errors
    /// [`ConnectError`], whose text is a sentence for people.
    pub async fn connect_kept(
        mut options: ConnectOptions,
        reconnect: Reconnect,
        mut file: SessionFile,
    ) -> Result<(Self, LastingEvents), ConnectError> {
        if file.is_new() {
            Self::end_session(options.clone(), file.session.options()).await?;
            let written = file.write();
            written
                .map_err(|error| ConnectError::Mqtt(CloseCause::SessionFile(error.to_string())))?;
        }
        options.clean_start = false;
        tokens_from(file.session.next_token());
        let link = LastingLink::new(&options, &reconnect, false);
        let opened = Self::open(options, file.session, Some(file.journal), Some(link));
        let (client, receiver) = opened.await?;
        Ok((client, LastingEvents { receiver }))
    }

    /// Has the server forget the client.
    async fn end_session(
        mut options: ConnectOptions,
        session: &SessionOptions,
    ) -> Result<(), ConnectError> {
        options.clean_start = true;
        options.session = session.clone();
        options.session.will = None;
        options.session.properties.session_expiry_secs = None;
        let patience = options.transport_timeout;
        let (client, _events) = Self::connect(options).await?;
        client.disconnect(ReasonCode::Success, patience).await;
        Ok(())
    }

    pub(super) async fn open(
        options: ConnectOptions,
        session: Session,
        journal: Option<Journal>,
        link: Option<LastingLink>,
    ) -> Result<(Self, mpsc::Receiver<Queued<LastingEvent>>), ConnectError> {
        session
            .options()
            .check()
            .map_err(|failure| ConnectError::Mqtt(CloseCause::Options(failure)))?;
        let packet_bytes_max = session.options().packet_bytes_max();
        let (address, route) = (&options.address, &options.route);
        let opening = transport::open(address, route, options.transport_timeout, packet_bytes_max);
        let transport = opening.await?;
        let (requests, request_receiver) = mpsc::channel(options.requests_max.max(1));
        let (urgent, urgent_receiver) = mpsc::channel(1);
        let (events, receiver) = mpsc::channel(options.events_max.max(1));
        let mut task = Task::new(
            session,
            journal,
            transport,
            (request_receiver, urgent_receiver),
            (events, Budget::new(options.queued_bytes_max)),
            link,
            options.authentication,
        );
        let accepted = task
            .connect(options.clean_start)
            .await
            .map_err(ConnectError::Mqtt)?;
        tokio::spawn(task.run());
        let client = Self {
            requests,
            urgent,
            accepted: std::sync::Arc::new(accepted),
        };
        Ok((client, receiver))
    }
}

impl LastingLink {
    fn new(options: &ConnectOptions, reconnect: &Reconnect, clean_start: bool) -> Self {
        Self {
            address: options.address.clone(),
            route: options.route.clone(),
            transport_timeout: options.transport_timeout,
            clean_start,
            backoff: Backoff::new(reconnect.first_delay, reconnect.longest_delay),
            attempts_max: reconnect.attempts_max.unwrap_or(u32::MAX),
            is_final: reconnect.is_final,
            random: Random(reconnect.jitter_seed.unwrap_or_else(draw_seed)),
        }
    }
}

/// Numbers for jitter (SplitMix64).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// Jitter is no secret, and a secure generator takes up to a tenth of a second to begin: longer than
/// connecting does.
#[expect(
    clippy::disallowed_types,
    reason = "the driver has no seed but this one"
)]
pub(super) fn draw_seed() -> u64 {
    std::hash::RandomState::new().hash_one(())
}
