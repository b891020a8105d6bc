//! Questions to other clients and their answers (MQTT 5, section 4.10).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use columba_codec::packet::SubscribeOptions;
use columba_codec::{QoS, ReasonCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::lasting::draw_seed;
use super::{Client, Messages};
use crate::advice;
use crate::message::{Incoming, Message};
use crate::outcome::{Answer, Failure};
use crate::session::Subscription;

/// Requests that may wait for an answer, unless told otherwise.
const REQUESTS_MAX: usize = 1_000;
/// Answers that wait for the requester to look at them.
const ANSWERS_MAX: usize = 64;

/// Requesters of this process that had no topic of their own; each gets its own number.
static REQUESTERS: AtomicU64 = AtomicU64::new(0);

/// How [`Client::requester`] asks.
#[derive(Clone, Debug)]
pub struct RequesterOptions {
    /// Where answers go to. No other client should receive there. Without it, a topic below the
    /// server's Response Information if it gave one, else `responses/CLIENT_ID/NUMBER`.
    pub response_topic: Option<String>,
    /// Most requests that wait for an answer at once.
    pub requests_max: usize,
}

/// Asks other clients. Clones share its topic and its limit.
///
/// When the last clone is dropped, the topic is unsubscribed from.
#[derive(Clone, Debug)]
pub struct Requester {
    client: Client,
    response_topic: String,
    questions: mpsc::Sender<Question>,
    /// With the number of the request, it makes the Correlation Data: answers to an earlier process
    /// with the same client id are not taken for those to this one.
    seed: u64,
    next_number: std::sync::Arc<AtomicU64>,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server did not let this client receive answers.
    #[error("no answers can come: {0}")]
    ResponseTopicRefused(String),
    /// The request could not be sent, or this client could not subscribe for answers.
    #[error("the request could not be made: {0}")]
    Failure(#[from] Failure),
    /// The server refused the request.
    #[error("{}", advice::refused_publish(.topic, .answer))]
    Refused {
        /// Where the request went to.
        topic: String,
        /// What the server said.
        answer: Answer,
    },
    /// The server says that nobody would have received the request.
    #[error(
        "nobody is subscribed to '{topic}', so nobody can answer; \
         start the answering client first, and check the topic"
    )]
    NobodyListens {
        /// Where the request went to.
        topic: String,
    },
    /// The server did not take the request in time.
    #[error("the server did not acknowledge the request to '{topic}' within {limit:?}")]
    NotAcknowledged {
        /// Where the request went to.
        topic: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The request went out, at QoS 1 and 2 the server took it, and no answer came in time.
    #[error(
        "no answer to the request to '{topic}' within {limit:?}; check that somebody subscribes to \
         it, and answers to its Response Topic '{}' with its Correlation Data",
        advice::printable(.response_topic)
    )]
    NoAnswer {
        /// Where the request went to.
        topic: String,
        /// Where the answer was expected.
        response_topic: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// As many requests wait for an answer as may.
    #[error("{0} requests already wait for an answer")]
    TooManyRequests(usize),
}

struct Question {
    correlation_data: Vec<u8>,
    reply: oneshot::Sender<Result<Incoming, RequestError>>,
}

impl Default for RequesterOptions {
    fn default() -> Self {
        Self {
            response_topic: None,
            requests_max: REQUESTS_MAX,
        }
    }
}

impl Client {
    /// Subscribes to a topic for answers, and gives what asks and takes them. Needs MQTT 5.
    ///
    /// # Errors
    /// [`RequestError`], whose text is a sentence for people.
    pub async fn requester(&self, options: RequesterOptions) -> Result<Requester, RequestError> {
        let response_topic = options
            .response_topic
            .unwrap_or_else(|| self.own_response_topic());
        let filter = SubscribeOptions::from_qos(QoS::AtLeastOnce);
        let subscription = Subscription {
            filters: vec![(response_topic.clone(), filter)],
            ..Subscription::default()
        };
        let (answer, messages) = self.subscribe_stream(subscription, ANSWERS_MAX).await?;
        if let Some(code) = answer.codes.iter().find(|code| code.is_error()) {
            let said = answer.reason_string.as_deref();
            let sentence = advice::refused_filter(&response_topic, *code, said);
            return Err(RequestError::ResponseTopicRefused(sentence));
        }
        let requests_max = options.requests_max.max(1);
        let (questions, receiver) = mpsc::channel(requests_max);
        let desk = Desk {
            client: self.clone(),
            response_topic: response_topic.clone(),
            requests_max,
            waiting: BTreeMap::new(),
        };
        tokio::spawn(desk.run(receiver, messages));
        Ok(Requester {
            client: self.clone(),
            response_topic,
            questions,
            seed: draw_seed(),
            next_number: std::sync::Arc::default(),
        })
    }

    fn own_response_topic(&self) -> String {
        let number = REQUESTERS.fetch_add(1, Ordering::Relaxed);
        match &self.accepted.response_information {
            Some(prefix) => format!("{}/{number}", prefix.trim_end_matches('/')),
            None => {
                // Characters that mean something in a topic filter, or would make more levels.
                let client_id = self.accepted.client_id.replace(['+', '#', '/'], "_");
                format!("responses/{client_id}/{number}")
            }
        }
    }
}

impl Requester {
    /// Where answers come to.
    pub fn response_topic(&self) -> &str {
        &self.response_topic
    }

    /// Publishes a request with Response Topic and Correlation Data, and waits for its answer.
    ///
    /// At QoS 1 and 2 the server's refusal, and its word that nobody is subscribed (if it gives
    /// it), end the waiting at once. An answer after `limit` is dropped.
    ///
    /// Not cancel safe: what was dropped before it was done, or ended by `limit`, may have published the
    /// request or publish it still, so that another try may ask twice. The answer is then dropped.
    ///
    /// # Errors
    /// [`RequestError`], whose text is a sentence for people.
    pub async fn request(
        &self,
        mut message: Message,
        limit: Duration,
    ) -> Result<Incoming, RequestError> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let correlation_data = [self.seed.to_be_bytes(), number.to_be_bytes()].concat();
        message.properties.response_topic = Some(self.response_topic.clone());
        message.properties.correlation_data = Some(correlation_data.clone());
        let topic = message.topic.clone();
        let mut is_taken = false;
        let asking = async {
            let (reply, answer) = oneshot::channel();
            let question = Question {
                correlation_data,
                reply,
            };
            let sent = self.questions.send(question).await;
            sent.map_err(|_| Failure::NotConnected)?;
            let word = self.client.publish(message).await?;
            if word.reason.is_error() {
                let topic = topic.clone();
                return Err(RequestError::Refused {
                    topic,
                    answer: word,
                });
            }
            if word.reason == ReasonCode::NoMatchingSubscribers {
                let topic = topic.clone();
                return Err(RequestError::NobodyListens { topic });
            }
            is_taken = true;
            answer.await.map_err(|_| Failure::ConnectionLost)?
        };
        match timeout(limit, asking).await {
            Ok(outcome) => outcome,
            Err(_) if is_taken => Err(RequestError::NoAnswer {
                topic,
                response_topic: self.response_topic.clone(),
                limit,
            }),
            Err(_) => Err(RequestError::NotAcknowledged { topic, limit }),
        }
    }
}

/// Gives answers to those who wait for them.
struct Desk {
    client: Client,
    response_topic: String,
    requests_max: usize,
    waiting: BTreeMap<Vec<u8>, oneshot::Sender<Result<Incoming, RequestError>>>,
}

impl Desk {
    async fn run(mut self, mut questions: mpsc::Receiver<Question>, mut messages: Messages) {
        loop {
            tokio::select! {
                // A question is here before its request goes out; its answer must not overtake it.
                biased;
                question = questions.recv() => match question {
                    Some(question) => self.on_question(question),
                    None => break,
                },
                message = messages.next() => match message {
                    Some(message) => self.on_message(message),
                    // The connection is over for good: those who wait learn it by their reply
                    // being dropped.
                    None => return,
                },
            }
        }
        drop(messages);
        // Without a connection there is nothing to unsubscribe from.
        let _ = self.client.unsubscribe(vec![self.response_topic]).await;
    }

    fn on_question(&mut self, question: Question) {
        if self.waiting.len() >= self.requests_max {
            self.waiting.retain(|_, reply| !reply.is_closed());
        }
        if self.waiting.len() >= self.requests_max {
            let refusal = RequestError::TooManyRequests(self.waiting.len());
            // It may have given up already.
            let _ = question.reply.send(Err(refusal));
            return;
        }
        self.waiting
            .insert(question.correlation_data, question.reply);
    }

    fn on_message(&mut self, message: Incoming) {
        let Some(correlation_data) = &message.message.properties.correlation_data else {
            return;
        };
        if let Some(reply) = self.waiting.remove(correlation_data) {
            // Its time may have run out a moment ago.
            let _ = reply.send(Ok(message));
        }
    }
}
