//! `pub --why`: what became of the one message that was published, asked of the broker's management API.

use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use columba_speech::{Language, Param};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::own::OwnQuestion;
use super::{PublishArgs, nobody, publish};
use crate::admin_client::{AdminClient, encoded};
use crate::connection::{Talk, Trouble, run_to_code};
use crate::failure::{Failure, print};
use crate::trace::ledger::{Ledger, Look};
use crate::trace::read;
use crate::why::{CANNOT_TELL, FAULT_FOUND, WAITING, exit_code};
use crate::{texts, words};

/// How long nothing must have come of a message whose copies have come to an end: those of all shards come
/// in one go.
const QUIET: Duration = Duration::from_millis(300);
/// How often it is looked whether that is so.
const TURN: Duration = Duration::from_millis(50);
/// How much longer than the command may wait the trace goes on: connecting takes time, and what is
/// killed cannot delete it.
const TRACE_SECS_MORE: u64 = 60;
/// Lines on their way from the reading thread, and those of other messages on the topic that are kept
/// until it is known which is ours.
const ROWS_MAX: usize = 1_024;
/// Clients whose reasons are told in full.
const REASONS_MAX: usize = 5;

/// Who published.
#[derive(Debug, Default)]
pub(super) struct Sender {
    /// Its client id, once the message was sent; empty if the server made one up and did not say.
    pub(super) client_id: Option<String>,
    /// What is asked while it is connected, where there is no trace.
    pub(super) own: Option<OwnQuestion>,
}

impl Sender {
    /// The client is connected, and has published nothing.
    pub(super) async fn begin(&mut self, client_id: &str) {
        if let Some(own) = &mut self.own {
            own.begin(client_id).await;
        }
    }

    /// The message was sent; the client is connected yet, unless it lost its server.
    pub(super) async fn end(&mut self, client_id: String) {
        if let Some(own) = &mut self.own {
            own.ask().await;
        }
        self.client_id = Some(client_id);
    }
}

/// Publishes, and says what became of it.
pub(super) fn run(args: PublishArgs) -> ExitCode {
    let talk = args.connection.talk();
    let usage = |trouble: Trouble| {
        talk.error(trouble.sentence);
        ExitCode::from(trouble.exit)
    };
    let plan = match args.connection.plan() {
        Ok(plan) => plan,
        Err(trouble) => return usage(trouble),
    };
    let Some(topic) = args.topic.clone().or_else(|| plan.url_topic.clone()) else {
        return usage(Trouble::usage(words::no_topic()));
    };
    let (language, patience) = (args.connection.language(), args.why_for);
    let mut sender = Sender::default();
    let begun = args.api.client(&args.connection).and_then(|client| {
        let begun = Follower::begin(client.clone(), topic.clone(), patience);
        // Who may not trace may still ask.
        if begun.as_ref().is_err_and(Failure::is_unauthorized) {
            sender.own = Some(OwnQuestion::new(client, topic, patience, language));
        }
        begun
    });
    // What can be said where nobody is named is known once the server has the message.
    let nobody_is_named = begun.is_err() && args.api.names_nobody(&args.connection);
    let is_told_later = nobody_is_named || sender.own.is_some();
    let follower = begun.inspect_err(|failure| {
        if !is_told_later {
            tell_failure(talk, failure);
        }
    });
    let connection = args.connection.clone();
    let exit = run_to_code(talk, publish(args, plan, &mut sender));
    if nobody_is_named && sender.client_id.is_some() {
        nobody::tell(&connection);
    }
    let (Some(client_id), own) = (sender.client_id, sender.own) else {
        return ExitCode::from(exit);
    };
    let told = match (follower, own.and_then(OwnQuestion::into_answer)) {
        (Ok(follower), _) => follower
            .follow(&client_id, patience)
            .map(|fate| follower.tell(&fate, &client_id, patience, language)),
        (Err(_), Some(Ok(answer))) => Ok(tell_verdict(&answer, language)),
        // That there may be no trace says what to do.
        (Err(failure), Some(Err(own))) if own.is_unauthorized() => Err(failure),
        (Err(_), Some(Err(own))) => Err(own),
        // It was told.
        (Err(_), None) => return ExitCode::from(exit),
    };
    match told {
        // That the server refused it, or was lost, comes first.
        Ok(fate) => ExitCode::from(if exit == 0 { fate } else { exit }),
        Err(failure) => {
            tell_failure(talk, &failure);
            ExitCode::from(exit)
        }
    }
}

/// Tells a verdict alone; returns the exit code.
fn tell_verdict(answer: &Value, language: Language) -> u8 {
    let mut lines = Vec::new();
    texts::whole_verdict(answer, language, &mut lines);
    for line in lines {
        print(&format!("{line}\n"));
    }
    exit_code(answer)
}

fn tell_failure(talk: Talk, failure: &Failure) {
    let why = failure.sentence();
    talk.warning(words::fate_untold(why));
}

/// Follows a message by a trace of its topic, which ends with it.
struct Follower {
    client: AdminClient,
    topic: String,
    path: String,
    began_unix_ms: u64,
}

impl Drop for Follower {
    fn drop(&mut self) {
        // A broker that has stopped has forgotten the trace; one that cannot be reached ends it in time.
        drop(self.client.request("DELETE", &self.path, None));
    }
}

/// What is known of a message.
#[derive(Debug, Default)]
struct Fate {
    publication: Option<Value>,
    /// The last line of each copy, by client.
    copies: BTreeMap<String, Value>,
    /// Lines of messages of which it is not known whether they are this one.
    early: VecDeque<Value>,
}

impl Follower {
    fn begin(client: AdminClient, topic: String, patience: Duration) -> Result<Self, Failure> {
        let secs = patience.as_secs() + TRACE_SECS_MORE;
        let new = json!({"filter": topic, "for_secs": secs});
        let begun = client.request("POST", "/traces", Some(&new))?;
        let number = |name: &str| begun.get(name).and_then(Value::as_u64).unwrap_or_default();
        Ok(Self {
            client,
            topic,
            path: format!("/traces/{}", number("id")),
            began_unix_ms: number("began_unix_ms"),
        })
    }

    /// Waits until the message is settled, but no longer than that.
    ///
    /// # Errors
    /// The broker is lost.
    fn follow(&self, client_id: &str, patience: Duration) -> Result<Fate, Failure> {
        let (sender, events) = sync_channel(ROWS_MAX);
        let (client, path) = (self.client.clone(), format!("{}/events", self.path));
        std::thread::spawn(move || {
            let end = read(&client, &path, &sender);
            // Nobody listens any more once the message is settled.
            drop(sender.send(Err(end)));
        });
        let begun = Instant::now();
        let (mut fate, mut last_row) = (Fate::default(), begun);
        loop {
            match events.recv_timeout(TURN) {
                Ok(Ok(event)) if event.name.is_empty() => {
                    if fate.take(event.data, client_id) {
                        last_row = Instant::now();
                    }
                }
                // The end of the trace has come while something was waited for.
                Ok(Ok(event)) if event.name == "end" => return Ok(fate),
                Ok(Ok(_)) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Err(failure)) => return Err(failure),
                Err(RecvTimeoutError::Disconnected) => return Ok(fate),
            }
            let is_quiet = last_row.elapsed() >= QUIET;
            if fate.is_settled() && is_quiet || begun.elapsed() >= patience {
                return Ok(fate);
            }
        }
    }

    /// Tells who got it, who did not and why; returns the exit code.
    fn tell(&self, fate: &Fate, client_id: &str, patience: Duration, language: Language) -> u8 {
        let Some(publication) = &fate.publication else {
            for line in self.unseen(client_id, patience, language) {
                print(&format!("{line}\n"));
            }
            return CANNOT_TELL;
        };
        let mut ledger = Ledger::new(Look {
            language,
            is_ascii: false,
            is_numbered: false,
            zone: TimeZone::system(),
        });
        let now = Instant::now();
        ledger.take(publication, now);
        for row in fate.copies.values() {
            ledger.take(row, now);
        }
        let mut lines = Vec::new();
        ledger.rest(&mut lines);
        self.reasons(fate, client_id, language, &mut lines);
        if !fate.is_settled() {
            let (client, topic) = (Param::word(client_id), Param::word(&*self.topic));
            lines.push(texts::fate_unsettled(patience, client, topic).to_string(language));
        }
        for line in lines {
            print(&format!("{line}\n"));
        }
        fate.exit_code()
    }

    /// What to say of a message that the trace has not shown: the topic may be private, or much else was
    /// traced. That the broker knows nothing of it may mean that it is another one.
    fn unseen(&self, client_id: &str, patience: Duration, language: Language) -> Vec<String> {
        let mut lines = Vec::new();
        let answer = self.client.get(&self.query(client_id, None, language));
        let answer = answer.unwrap_or_default();
        texts::whole_verdict(&answer, language, &mut lines);
        let code = answer
            .pointer("/report/verdict/code")
            .and_then(Value::as_str);
        let has_it = |code: &str| !code.starts_with('P') && code != "U03";
        if !code.is_some_and(has_it) {
            let told = texts::fate_unseen(self.client.name(), patience);
            lines.insert(0, told.to_string(language));
        }
        lines
    }

    /// What the broker makes of it where it was not delivered.
    fn reasons(&self, fate: &Fate, client_id: &str, language: Language, lines: &mut Vec<String>) {
        if fate.copies.is_empty() {
            self.reason(client_id, None, language, lines);
            return;
        }
        let of = |wanted: Copy| {
            let rows = fate.copies.iter();
            rows.filter(move |(_, row)| Copy::of(row) == wanted)
                .map(|(client, _)| client.as_str())
        };
        let missed: Vec<&str> = of(Copy::Failed).chain(of(Copy::Waiting)).collect();
        for subscriber in missed.iter().take(REASONS_MAX) {
            self.reason(client_id, Some(subscriber), language, lines);
        }
        if missed.len() > REASONS_MAX {
            let more = texts::more_reasons(missed.len() - REASONS_MAX, Param::word(&*self.topic));
            lines.push(more.to_string(language));
        }
    }

    /// The verdict on a copy, or on the message, and what to do about it. That there is none takes
    /// nothing from what the trace has shown.
    fn reason(
        &self,
        client_id: &str,
        subscriber: Option<&str>,
        language: Language,
        lines: &mut Vec<String>,
    ) {
        let query = self.query(client_id, subscriber, language);
        let Ok(answer) = self.client.get(&query) else {
            return;
        };
        texts::verdict(&answer, language, lines);
    }

    /// The question about it.
    fn query(&self, client_id: &str, subscriber: Option<&str>, language: Language) -> String {
        let since = Some(self.began_unix_ms);
        why_query(&self.topic, since, language, Some(client_id), subscriber)
    }
}

/// The question about a message; a client id may be empty.
pub(super) fn why_query(
    topic: &str,
    since_unix_ms: Option<u64>,
    language: Language,
    publisher: Option<&str>,
    subscriber: Option<&str>,
) -> String {
    let (topic, language) = (encoded(topic), language.tag());
    let mut query = format!("/why?topic={topic}&lang={language}");
    if let Some(since) = since_unix_ms {
        query.push_str(&format!("&since_unix_ms={since}"));
    }
    for (name, client) in [("from", publisher), ("to", subscriber)] {
        if let Some(client) = client.filter(|client| !client.is_empty()) {
            query.push_str(&format!("&{name}={}", encoded(client)));
        }
    }
    query
}

/// How it stands with a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    /// Acknowledged, or with QoS 0 sent.
    Delivered,
    /// Somebody else was to get it.
    NotMeant,
    Waiting,
    Failed,
}

impl Copy {
    fn of(row: &Value) -> Self {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        match (text("outcome"), text("effect")) {
            ("deliver.acked" | "deliver.sent", _) => Self::Delivered,
            ("deliver.no_local" | "deliver.other_shared_member", _) => Self::NotMeant,
            (_, "delayed") => Self::Waiting,
            _ => Self::Failed,
        }
    }
}

impl Fate {
    /// Takes a line of the trace; says whether it is about the message.
    fn take(&mut self, row: Value, client_id: &str) -> bool {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |row: &Value| row.get("message").and_then(Value::as_u64);
        if let Some(publication) = &self.publication {
            let is_copy = text("outcome").starts_with("deliver.");
            let is_ours =
                is_copy && number(publication).is_some_and(|own| number(&row) == Some(own));
            if is_ours {
                self.copies.insert(text("client").to_owned(), row);
            }
            return is_ours;
        }
        let is_publication = text("outcome").starts_with("publish.");
        if is_publication && (client_id.is_empty() || text("client") == client_id) {
            self.publication = Some(row);
            for row in std::mem::take(&mut self.early) {
                self.take(row, client_id);
            }
            return true;
        }
        if self.early.len() >= ROWS_MAX {
            self.early.pop_front();
        }
        self.early.push_back(row);
        false
    }

    /// Whether nothing more is to come of it soon.
    fn is_settled(&self) -> bool {
        let is_offline =
            |row: &Value| row.get("outcome").and_then(Value::as_str) == Some("deliver.offline");
        let mut copies = self.copies.values();
        self.publication.is_some()
            && copies.all(|row| Copy::of(row) != Copy::Waiting || is_offline(row))
    }

    fn exit_code(&self) -> u8 {
        let has = |wanted: Copy| self.copies.values().any(|row| Copy::of(row) == wanted);
        if has(Copy::Failed) {
            FAULT_FOUND
        } else if has(Copy::Waiting) {
            WAITING
        } else if has(Copy::Delivered) {
            0
        } else {
            FAULT_FOUND
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(message: u64, outcome: &str, effect: &str, client: &str) -> Value {
        json!({"message": message, "outcome": outcome, "effect": effect, "client": client})
    }

    fn fate_of(copies: &[(&str, &str)]) -> Fate {
        let mut fate = Fate::default();
        fate.take(row(7, "publish.accepted", "accepted", "me"), "me");
        for (number, (outcome, effect)) in copies.iter().enumerate() {
            fate.take(row(7, outcome, effect, &number.to_string()), "me");
        }
        fate
    }

    #[test]
    fn the_exit_code_is_the_worst_of_the_copies() {
        let acked = ("deliver.acked", "accepted");
        let offline = ("deliver.offline", "delayed");
        let full = ("deliver.queue_full", "dropped");
        let own = ("deliver.no_local", "dropped");
        let check = |copies: &[(&str, &str)], expected: u8| {
            assert_eq!(fate_of(copies).exit_code(), expected, "{copies:?}");
        };
        check(&[acked, own], 0);
        check(&[acked, offline], WAITING);
        check(&[acked, offline, full], FAULT_FOUND);
        check(&[own], FAULT_FOUND);
        check(&[], FAULT_FOUND);
    }

    #[test]
    fn who_is_not_connected_is_not_waited_for() {
        assert!(fate_of(&[("deliver.offline", "delayed")]).is_settled());
        assert!(!fate_of(&[("deliver.in_flight", "delayed")]).is_settled());
        assert!(!Fate::default().is_settled());
    }

    #[test]
    fn messages_of_others_on_the_topic_are_left_out_and_copies_may_come_first() {
        let mut fate = Fate::default();
        assert!(!fate.take(row(1, "publish.accepted", "accepted", "other"), "me"));
        assert!(!fate.take(row(1, "deliver.queue_full", "dropped", "a"), "me"));
        assert!(!fate.take(row(2, "deliver.acked", "accepted", "b"), "me"));
        assert!(fate.take(row(2, "publish.accepted", "accepted", "me"), "me"));
        assert!(!fate.take(row(3, "publish.accepted", "accepted", "me"), "me"));
        assert_eq!(fate.copies.keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_flood_of_other_messages_takes_no_more_than_its_room() {
        let mut fate = Fate::default();
        for message in 0..3 * ROWS_MAX as u64 {
            fate.take(row(message, "deliver.acked", "accepted", "a"), "me");
        }
        assert_eq!(fate.early.len(), ROWS_MAX);
    }
}
