//! One connection to the broker that is examined, and what can go wrong with it.

use std::future::Future;
use std::time::Duration;

use columba_client::driver::{Client, ConnectError, ConnectOptions, Ended, Event, Events, Pending};
use columba_client::{
    Accepted, Answer, CloseCause, Failure, FilterAnswer, Incoming, Message, Subscription,
};
use columba_codec::packet::SubscribeOptions;
use columba_codec::{QoS, ReasonCode, Version};
use columba_speech::Text;
use tokio::time::{Instant, timeout, timeout_at};

use crate::text::broker as text;
use crate::text::reason;

/// Messages that may wait to be looked at.
const EVENTS_MAX: usize = 1_024;

/// A connection with its events.
#[derive(Debug)]
pub(crate) struct Line {
    client: Client,
    events: Events,
    options: ConnectOptions,
    patience: Duration,
    /// Why it is over, if it is.
    ended: Option<CloseCause>,
}

/// What came over a line.
#[derive(Debug)]
pub(crate) enum Next {
    Message(Box<Incoming>),
    /// The line is over; [`Line::ended`] says why.
    Ended,
    /// Nothing until the time was up.
    Silent,
}

/// Why a request got no answer.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// The broker did not answer in time.
    NoAnswer(Duration),
    /// The connection ended instead.
    Ended(CloseCause),
    /// It was not sent.
    Failure(Failure),
}

impl Line {
    /// Connects.
    pub(crate) async fn open(
        mut options: ConnectOptions,
        patience: Duration,
    ) -> Result<Self, ConnectError> {
        options.events_max = EVENTS_MAX;
        options.session.response_timeout = patience;
        options.transport_timeout = patience;
        let (client, events) = Client::connect(options.clone()).await?;
        Ok(Self {
            client,
            events,
            options,
            patience,
            ended: None,
        })
    }

    /// Connects anew if the line is over.
    pub(crate) async fn revive(&mut self) -> Result<(), ConnectError> {
        if self.take_end().is_some() {
            *self = Self::open(self.options.clone(), self.patience).await?;
        }
        Ok(())
    }

    /// What the broker said when it accepted the connection.
    pub(crate) fn accepted(&self) -> &Accepted {
        self.client.accepted()
    }

    pub(crate) const fn version(&self) -> Version {
        self.options.session.version
    }

    /// The next message, but no later than this.
    pub(crate) async fn next(&mut self, until: Instant) -> Next {
        loop {
            if self.ended.is_some() {
                return Next::Ended;
            }
            match timeout_at(until, self.events.next()).await {
                Ok(Some(Event::Message(incoming))) => return Next::Message(incoming),
                // Every request of ours is waited for; what nobody waits for is of no interest.
                Ok(Some(Event::Unanswered(_))) => {}
                Ok(Some(Event::Ended(ended))) => self.on_end(*ended),
                Ok(None) => self.ended = Some(CloseCause::Lost),
                Err(_) => return Next::Silent,
            }
        }
    }

    /// Forgets messages that have come, and says why the line is over, if it is.
    fn take_end(&mut self) -> Option<&CloseCause> {
        use std::task::{Context, Poll, Waker};
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let next = std::pin::pin!(self.events.next()).poll(&mut context);
            match next {
                Poll::Ready(Some(Event::Ended(ended))) => self.on_end(*ended),
                Poll::Ready(Some(Event::Message(_) | Event::Unanswered(_))) => {}
                Poll::Ready(None) => {
                    self.ended.get_or_insert(CloseCause::Lost);
                    return self.ended.as_ref();
                }
                Poll::Pending => return self.ended.as_ref(),
            }
        }
    }

    fn on_end(&mut self, ended: Ended) {
        self.ended = Some(ended.cause);
    }

    /// Subscribes to one filter; the code in the answer may be a refusal.
    pub(crate) async fn subscribe(
        &mut self,
        filter: &str,
        qos: QoS,
    ) -> Result<(ReasonCode, FilterAnswer), Trouble> {
        let filters = vec![(filter.to_owned(), SubscribeOptions::from_qos(qos))];
        let subscription = Subscription {
            filters,
            ..Subscription::default()
        };
        let answer = timeout(self.patience, self.client.subscribe(subscription)).await;
        let answer = self.answered(answer).await?;
        let code = answer.codes.first().copied();
        Ok((code.unwrap_or(ReasonCode::UnspecifiedError), answer))
    }

    pub(crate) async fn unsubscribe(&mut self, filter: &str) -> Result<(), Trouble> {
        let request = self.client.unsubscribe(vec![filter.to_owned()]);
        let answer = timeout(self.patience, request).await;
        self.answered(answer).await.map(drop)
    }

    /// Publishes and waits for the answer, which may be a refusal.
    pub(crate) async fn publish(&mut self, message: Message) -> Result<Answer, Trouble> {
        let answer = timeout(self.patience, self.client.publish(message)).await;
        self.answered(answer).await
    }

    /// Publishes; the answer comes later.
    pub(crate) async fn start_publish(
        &mut self,
        message: Message,
    ) -> Result<Pending<Answer>, Trouble> {
        let pending = self.client.start_publish(message).await;
        self.answered(Ok(pending)).await
    }

    pub(crate) async fn answered<T>(
        &mut self,
        answer: Result<Result<T, Failure>, tokio::time::error::Elapsed>,
    ) -> Result<T, Trouble> {
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Failure::ConnectionLost | Failure::NotConnected)) => {
                Err(Trouble::Ended(self.cause().await))
            }
            Ok(Err(failure)) => Err(Trouble::Failure(failure)),
            Err(_) => Err(Trouble::NoAnswer(self.patience)),
        }
    }

    /// Why the line is over, which it is or is about to be.
    pub(crate) async fn cause(&mut self) -> CloseCause {
        let until = Instant::now() + self.patience;
        while let Next::Message(_) = self.next(until).await {}
        self.ended.clone().unwrap_or(CloseCause::Lost)
    }

    /// Leaves with a DISCONNECT.
    pub(crate) async fn leave(self) {
        self.client
            .disconnect(ReasonCode::Success, Duration::ZERO)
            .await;
    }

    /// Breaks the connection off.
    pub(crate) async fn abandon(mut self) {
        self.client.abandon().await;
        self.cause().await;
    }
}

impl Trouble {
    /// In words.
    pub(crate) fn text(&self) -> Text {
        match self {
            Self::NoAnswer(patience) => text::no_answer(*patience),
            Self::Ended(cause) => close_text(cause),
            Self::Failure(failure) => failure_text(failure),
        }
    }
}

/// Why a connection ended, in words.
pub(crate) fn close_text(cause: &CloseCause) -> Text {
    match cause {
        CloseCause::Refused { answer, version } => text::refused(refusal_words(answer, *version)),
        CloseCause::ByServer(answer) => text::disconnected(reason::words(answer.reason)),
        CloseCause::LostBeforeAccepted => text::closed_before_connack(),
        CloseCause::Lost => text::closed(),
        CloseCause::ConnectTimeout => text::no_connack(),
        CloseCause::PingTimeout => text::no_pingresp(),
        CloseCause::Options(failure) => failure_text(failure),
        other => text::broke_protocol(other.to_string()),
    }
}

/// What a CONNACK says, with the number that was sent.
pub(crate) fn refusal_words(answer: &Answer, version: Version) -> Text {
    match answer.reason.to_v3_connack() {
        Some(code) if !version.has_reason_codes() => reason::words_v3(code, answer.reason),
        _ => reason::words(answer.reason),
    }
}

fn failure_text(failure: &Failure) -> Text {
    match failure {
        Failure::PacketTooLarge { size, limit } => {
            text::packet_too_large_for(size_param(*size), size_param(*limit as usize))
        }
        Failure::QosAbove(qos) => text::qos_above(qos.as_u8()),
        Failure::RetainNotAvailable => text::retain_not_available(),
        other => text::not_sent(other.to_string()),
    }
}

fn size_param(bytes: usize) -> columba_speech::Param {
    columba_speech::Param::Bytes(bytes as u64)
}

/// Why there is no connection, in words.
pub(crate) fn connect_text(error: &ConnectError) -> Text {
    match error {
        ConnectError::Mqtt(cause) => close_text(cause),
        ConnectError::Timeout { .. } => text::no_transport_in_time(),
        other => text::no_transport(other.to_string()),
    }
}
