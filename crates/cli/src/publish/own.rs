//! `pub --why` of who may not trace: what the broker makes of the message. A user may ask that about a client
//! of its own as long as the client has a session, so it is asked before the connection ends.

use std::time::Duration;

use columba_speech::Language;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::fate::why_query;
use crate::admin_client::AdminClient;
use crate::failure::Failure;

/// How often is asked while copies are on their way.
const PAUSE: Duration = Duration::from_millis(250);

/// The question, and its answer once there is one.
#[derive(Debug)]
pub(super) struct OwnQuestion {
    client: AdminClient,
    topic: String,
    patience: Duration,
    language: Language,
    client_id: String,
    /// By the clock of the broker, before the message was published.
    since_unix_ms: Option<u64>,
    answer: Option<Result<Value, Failure>>,
}

impl OwnQuestion {
    pub(super) fn new(
        client: AdminClient,
        topic: String,
        patience: Duration,
        language: Language,
    ) -> Self {
        Self {
            client,
            topic,
            patience,
            language,
            client_id: String::new(),
            since_unix_ms: None,
            answer: None,
        }
    }

    /// The client is connected, and has published nothing.
    pub(super) async fn begin(&mut self, client_id: &str) {
        client_id.clone_into(&mut self.client_id);
        match self.get().await {
            Ok(answer) => self.since_unix_ms = asked_at(&answer),
            Err(failure) => self.answer = Some(Err(failure)),
        }
    }

    /// Asks until the message is settled, but no longer than may be waited.
    pub(super) async fn ask(&mut self) {
        let end = Instant::now() + self.patience;
        while self.answer.is_none() {
            let answer = self.get().await;
            let is_on_its_way = answer.as_ref().is_ok_and(|answer| !is_settled(answer));
            if is_on_its_way && Instant::now() < end {
                sleep(PAUSE).await;
            } else {
                self.answer = Some(answer);
            }
        }
    }

    /// What the broker has answered.
    pub(super) fn into_answer(self) -> Option<Result<Value, Failure>> {
        self.answer
    }

    async fn get(&self) -> Result<Value, Failure> {
        let (id, since) = (&self.client_id, self.since_unix_ms);
        let query = why_query(&self.topic, since, self.language, Some(id), None);
        let client = self.client.clone();
        let asked = tokio::task::spawn_blocking(move || client.get(&query));
        asked.await.unwrap_or(Ok(Value::Null))
    }
}

/// The time of a question that was about what had been until then.
fn asked_at(answer: &Value) -> Option<u64> {
    let time = answer.pointer("/report/question/to")?.as_str()?;
    let time: Timestamp = time.parse().ok()?;
    time.as_millisecond().try_into().ok()
}

/// Whether nothing more is to come of the message soon: who is away is not waited for.
fn is_settled(answer: &Value) -> bool {
    let text = |name: &str| {
        let text = answer.pointer(name).and_then(Value::as_str);
        text.unwrap_or_default()
    };
    let code = text("/report/verdict/code");
    let is_unseen = code.starts_with('P') || code == "U03";
    let waits = text("/report/verdict/outcome") == "waiting" && code != "S13";
    !is_unseen && !waits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_on_its_way_is_not_settled() {
        for (code, outcome, expected) in [
            ("D01", "delivered", true),
            ("R01", "not_delivered", true),
            ("S13", "waiting", true),
            ("S07", "waiting", false),
            // The broker may not have read a message of QoS 0 yet.
            ("P05", "not_delivered", false),
            ("U03", "unknown", false),
        ] {
            let answer = json!({"report": {"verdict": {"code": code, "outcome": outcome}}});
            assert_eq!(is_settled(&answer), expected, "{code}");
        }
    }

    #[test]
    fn the_brokers_clock_says_when_it_was_asked() {
        let answer = json!({"report": {"question": {"to": "1970-01-01T00:00:01.500Z"}}});
        assert_eq!(asked_at(&answer), Some(1_500));
        assert_eq!(asked_at(&Value::Null), None);
    }
}
