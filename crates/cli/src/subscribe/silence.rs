//! `sub --explain`: when nothing comes, what the broker knows about why.

use std::future::pending;
use std::time::Duration;

use columba_codec::TopicName;
use columba_codec::topic::matches;
use columba_diagnosis::near;
use columba_speech::{Language, Param};
use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::admin_client::{AdminClient, encoded};
use crate::events::{clock, printable};
use crate::failure::Failure;
use crate::texts;

/// How far back publications are looked at.
const WINDOW_MS: u64 = 15 * 60 * 1000;
/// Publications that are looked at, at most; of a busy broker those are a sample.
const ROWS_MAX: usize = 10_000;
const PAGE_ROWS: usize = 1_000;
/// Filters that are explained, and near misses of each.
const FILTERS_MAX: usize = 10;
const NEAR_MAX: usize = 3;

/// Watches for silence.
pub(super) struct Silence {
    after: Duration,
    /// When it has lasted long enough; none once it was told, until something comes.
    due: Option<Instant>,
    asking: Option<JoinHandle<Vec<String>>>,
    asker: Asker,
}

/// Whom to ask about what.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) client: Result<AdminClient, Failure>,
    pub(super) client_id: String,
    pub(super) filters: Vec<String>,
    pub(super) language: Language,
}

impl Silence {
    pub(super) fn new(after: Duration, asker: Asker) -> Self {
        Self {
            after,
            due: None,
            asking: None,
            asker,
        }
    }

    /// The server has answered the subscriptions of a client.
    pub(super) fn begin(&mut self, client_id: &str) {
        self.asker.client_id = client_id.to_owned();
        self.end();
    }

    /// The connection is gone, which is told by itself.
    pub(super) fn pause(&mut self) {
        self.due = None;
        self.asking = None;
    }

    /// A message has come.
    pub(super) fn end(&mut self) {
        self.due = Some(Instant::now() + self.after);
        // It is no longer true.
        self.asking = None;
    }

    /// Waits until it has lasted, and says what the broker knows; once. Dropping the future loses nothing.
    pub(super) async fn explanation(&mut self) -> Vec<String> {
        loop {
            if let Some(asking) = &mut self.asking {
                let told = asking.await;
                self.asking = None;
                return told.unwrap_or_default();
            }
            let Some(due) = self.due else {
                return pending().await;
            };
            sleep_until(due).await;
            self.due = None;
            let (asker, after) = (self.asker.clone(), self.after);
            self.asking = Some(tokio::task::spawn_blocking(move || asker.lines(after)));
        }
    }
}

impl Asker {
    fn lines(&self, after: Duration) -> Vec<String> {
        let mut lines = vec![self.say(&texts::silence(after))];
        let told = self.client.clone().and_then(|client| {
            let rows = match publications(&client) {
                Err(failure) if failure.is_unauthorized() => {
                    // A user may not look at what others publish, but ask about its own clients.
                    return self
                        .explain_own(&client, &mut lines)
                        .map_err(|own| if own.is_unauthorized() { own } else { failure });
                }
                rows => rows?,
            };
            for filter in self.filters.iter().take(FILTERS_MAX) {
                self.explain(&client, filter, &rows, &mut lines)?;
            }
            Ok(())
        });
        if let Err(failure) = told {
            let why = failure.sentence();
            lines.push(format!("  {}", self.say(&texts::silence_unasked(why))));
        }
        lines
    }

    fn say(&self, text: &columba_speech::Text) -> String {
        text.to_string(self.language)
    }

    fn explain(
        &self,
        client: &AdminClient,
        filter: &str,
        rows: &[Publication],
        lines: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let found = Found::of(filter, rows);
        if let Some(refused) = found.refused {
            let (who, topic) = (printable(&refused.client), printable(&refused.topic));
            let told = texts::silence_refused(who, topic, printable(&refused.detail));
            lines.push(format!("  {}", self.say(&told)));
        }
        let Some(last) = found.last else {
            if found.refused.is_none() && TopicName::parse(filter).is_ok() {
                let answer = client.get(&self.question(filter))?;
                self.indented(&answer, lines);
                return Ok(());
            }
            if let Some(private) = found.private {
                let (private, filter) = (printable(&private.topic), printable(filter));
                let told = texts::silence_private(private, filter);
                lines.push(format!("  {}", self.say(&told)));
                return Ok(());
            }
            // Who was refused has published, for all that it knows.
            let told = if found.refused.is_some() {
                texts::silence_nobody_else(printable(filter))
            } else {
                texts::silence_nobody(printable(filter))
            };
            lines.push(format!("  {}", self.say(&told)));
            for (publication, why) in found.near {
                let who = printable(&publication.client);
                let why = why.to_string(self.language);
                let told = texts::silence_near(who, printable(&publication.topic), why);
                lines.push(format!("  {}", self.say(&told)));
            }
            return Ok(());
        };
        let answer = client.get(&self.question(&last.topic))?;
        let before = lines.len();
        texts::verdict(&answer, self.language, lines);
        if lines.len() == before {
            let time = clock(last.at_unix_ms, &TimeZone::system(), "%H:%M:%S");
            let (who, topic) = (printable(&last.client), printable(&last.topic));
            let word = Param::word(&*topic);
            let told = texts::silence_since(printable(filter), who, topic, time, word);
            lines.push(format!("  {}", self.say(&told)));
        }
        Ok(())
    }
}

impl Asker {
    /// The verdicts on the topics among the filters, and one on the client for all others.
    fn explain_own(&self, client: &AdminClient, lines: &mut Vec<String>) -> Result<(), Failure> {
        let filters = || self.filters.iter().take(FILTERS_MAX);
        let is_topic = |filter: &&String| TopicName::parse(filter).is_ok();
        let mut questions: Vec<_> = filters()
            .filter(is_topic)
            .map(|topic| self.question(topic))
            .collect();
        if questions.len() < filters().count() {
            let (id, tag) = (encoded(&self.client_id), self.language.tag());
            questions.push(format!("/why?to={id}&lang={tag}"));
        }
        for question in questions {
            let answer = client.get(&question)?;
            self.indented(&answer, lines);
        }
        Ok(())
    }

    fn indented(&self, answer: &Value, lines: &mut Vec<String>) {
        let mut told = Vec::new();
        texts::whole_verdict(answer, self.language, &mut told);
        lines.extend(told.into_iter().map(|line| format!("  {line}")));
    }

    /// Why a message on a topic has not come to us.
    fn question(&self, topic: &str) -> String {
        format!(
            "/why?topic={}&to={}&lang={}",
            encoded(topic),
            encoded(&self.client_id),
            self.language.tag()
        )
    }
}

/// A PUBLISH that the broker has recorded.
#[derive(Clone, Debug, Default)]
struct Publication {
    topic: String,
    client: String,
    at_unix_ms: u64,
    is_refused: bool,
    /// In the place of the topic stands the filter that keeps its name out of the record.
    is_private: bool,
    detail: String,
}

/// The publications of the last time, in the order of the record.
fn publications(client: &AdminClient) -> Result<Vec<Publication>, Failure> {
    let now_ms = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
    let since_ms = now_ms.saturating_sub(WINDOW_MS);
    let path =
        format!("/events?ledger=true&outcome=publish&since_unix_ms={since_ms}&limit={PAGE_ROWS}");
    let (mut found, mut cursor) = (Vec::new(), String::new());
    while found.len() < ROWS_MAX {
        let page = client.get(&format!("{path}{cursor}"))?;
        let rows = page.get("data").and_then(Value::as_array);
        for row in rows.into_iter().flatten() {
            let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
            let at = row.get("at_unix_ms").and_then(Value::as_u64);
            found.push(Publication {
                topic: text("topic").to_owned(),
                client: text("client").to_owned(),
                at_unix_ms: at.unwrap_or_default(),
                is_refused: text("effect") != "accepted",
                is_private: row.get("private").and_then(Value::as_bool) == Some(true),
                detail: text("detail").to_owned(),
            });
        }
        match page.pointer("/page/next").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => break,
        }
    }
    Ok(found)
}

/// What of the publications has to do with a filter.
struct Found<'a> {
    /// The last one that it matches.
    last: Option<&'a Publication>,
    /// The last one that it would have matched.
    refused: Option<&'a Publication>,
    /// One of which it cannot be told.
    private: Option<&'a Publication>,
    /// Those that it nearly matches, a topic each, with what keeps them apart.
    near: Vec<(&'a Publication, columba_speech::Text)>,
}

impl<'a> Found<'a> {
    fn of(filter: &str, rows: &'a [Publication]) -> Self {
        let bare = match filter.strip_prefix("$share/") {
            Some(rest) => rest.split_once('/').map_or(rest, |(_, bare)| bare),
            None => filter,
        };
        let named = || rows.iter().filter(|row| !row.is_private);
        let last = |is_refused: bool| {
            let rows = named().filter(|row| row.is_refused == is_refused);
            rows.filter(|row| matches(bare, &row.topic))
                .max_by_key(|row| row.at_unix_ms)
        };
        let mut near: Vec<(&Publication, _)> = Vec::new();
        for row in named().filter(|row| !row.is_refused) {
            if near.len() >= NEAR_MAX {
                break;
            }
            if near.iter().any(|(known, _)| known.topic == row.topic) {
                continue;
            }
            if let Some((rule, level)) = near::of_filter(bare, &row.topic) {
                near.push((row, rule.sentence(level)));
            }
        }
        Self {
            last: last(false),
            refused: last(true),
            private: rows
                .iter()
                .find(|row| row.is_private && overlap(bare, &row.topic)),
            near,
        }
    }
}

/// Whether there may be a topic that both filters match.
fn overlap(one: &str, other: &str) -> bool {
    let (mut of_one, mut of_other) = (one.split('/'), other.split('/'));
    loop {
        match (of_one.next(), of_other.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(one), Some(other)) if one == other || one == "+" || other == "+" => {}
            (Some(_), _) | (None, Some(_)) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(topic: &str, at_unix_ms: u64, is_refused: bool) -> Publication {
        Publication {
            topic: topic.to_owned(),
            at_unix_ms,
            is_refused,
            ..Publication::default()
        }
    }

    #[test]
    fn matching_refused_and_near_publications_are_told_apart() {
        let rows = [
            row("home/kitchen/t", 5, false),
            row("home/kitchen/h", 3, false),
            row("home/kitchen/x", 9, true),
            row("home/Kitchen/t", 7, false),
            row("home/Kitchen/t", 8, false),
            row("elsewhere", 8, false),
        ];
        for filter in ["home/kitchen/+", "$share/g/home/kitchen/+"] {
            let found = Found::of(filter, &rows);
            assert_eq!(found.last.map(|row| row.at_unix_ms), Some(5), "{filter}");
            assert_eq!(found.refused.map(|row| row.at_unix_ms), Some(9), "{filter}");
            let near: Vec<_> = found.near.iter().map(|(row, _)| &*row.topic).collect();
            assert_eq!(near, ["home/Kitchen/t"], "{filter}");
        }
        assert!(Found::of("none/at/all", &rows).last.is_none());
    }

    #[test]
    fn a_private_topic_may_be_one_that_a_filter_matches_and_is_never_taken_for_its_name() {
        let private = Publication {
            is_private: true,
            ..row("patients/+/#", 5, false)
        };
        let rows = [private];
        let check = |filter: &str, expected: bool| {
            let found = Found::of(filter, &rows);
            assert_eq!(found.private.is_some(), expected, "{filter}");
            assert!(found.last.is_none() && found.near.is_empty(), "{filter}");
        };
        for filter in [
            "patients/7/pulse",
            "patients/#",
            "+/+/pulse",
            "#",
            "$share/g/patients/7",
        ] {
            check(filter, true);
        }
        // No topic of these is covered.
        for filter in ["patients", "patient/+", "+", "home/#"] {
            check(filter, false);
        }
    }
}
