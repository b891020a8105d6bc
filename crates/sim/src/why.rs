//! Asks the broker why, as an operator does, and compares the verdicts with what the model knows.

use std::collections::BTreeSet;
use std::sync::Arc;

use columba_broker::event::Effect;
use columba_broker::query::{Answer, Request, RequestId, SubscriptionRow, SubscriptionsQuery};
use columba_broker::recorder::Recording;
use columba_broker::{Input, Shard};
use columba_diagnosis::{
    Code, Confidence, Evidence, Presence, Question, Report, Verdict, diagnose, history, render,
};
use columba_speech::Language;

use crate::chance::Chance;
use crate::checks::verdict::Claim;
use crate::oracle::truth::Accepted;
use crate::world::World;

/// Messages that are asked about at a time.
const MESSAGES: usize = 8;

/// Rows of a page.
const ROWS_MAX: usize = 1_000;

/// What came of the questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// How many verdicts.
    pub asked: u64,
    /// Those about messages that the record has, with all that followed.
    pub covered: u64,
    /// Those of them that are not sure.
    pub unsure: u64,
}

/// How the broker stands, read once for several questions.
struct Standing {
    recordings: Vec<Recording>,
    subscriptions: Vec<SubscriptionRow>,
}

impl World {
    /// Asks about some messages. Draws from no chance but its own, so that the run goes on as if
    /// nobody had asked.
    pub(crate) fn ask_why(&mut self) {
        // Times of the record are those of the calendar, and tell nothing when that was set.
        if self.oracle.has_failed()
            || self.oracle.has_jumped
            || self.oracle.truth.accepted.is_empty()
        {
            return;
        }
        self.oracle.now_ms = self.now_ms;
        let mut chance = Chance::new(self.seed ^ self.now_ms ^ 0x7768_793f);
        let standing = self.standing();
        let all = self.oracle.truth.accepted.len() as u64;
        for round in 0..MESSAGES {
            // Half of them are among the last.
            let last = if round % 2 == 0 { all.min(30) } else { all };
            let of = self.oracle.truth.accepted[(all - 1 - chance.below(last)) as usize].clone();
            // What came again cannot be told from its first time, nor what has no number from others,
            // nor what came in the millisecond in which the broker died from what came after.
            let truth = &self.oracle.truth;
            let blank = (of.at_ms, of.message.topic.clone());
            let is_early = of.life < truth.life && of.at_ms >= truth.began_ms;
            if self.oracle.is_repeated(of.id) || is_early || truth.blank.contains(&blank) {
                continue;
            }
            let client = chance.below(self.swarm.clients as u64) as usize;
            let client = self.clients[client].persona.client_id.clone();
            let publisher = (!chance.percent(30)).then(|| of.message.publisher.clone());
            let subscriber = (!chance.percent(15)).then_some(client);
            self.ask_about(&standing, &of, publisher, subscriber);
            if self.oracle.has_failed() {
                return;
            }
        }
    }

    fn ask_about(
        &mut self,
        standing: &Standing,
        of: &Accepted,
        publisher: Option<String>,
        subscriber: Option<String>,
    ) {
        let at_ms = of.at_ms + self.unix_offset_ms;
        let question = Question {
            topic: Some(of.message.topic.clone()),
            publisher,
            subscriber,
            from_ms: at_ms,
            to_ms: at_ms,
        };
        let evidence = self.evidence(standing, question);
        let mut report = diagnose(&evidence);
        if let Some(tamper) = self.tamper {
            tamper(&mut report);
        }
        self.verdicts.asked += 1;
        let coverage = &report.coverage;
        let since_ms = coverage.from_ms.max(coverage.excess_from_ms);
        if of.life == self.oracle.truth.life && since_ms < at_ms && coverage.left_out_since == 0 {
            self.verdicts.covered += 1;
            let is_unsure = report.verdict.code == Code::U01
                || report.verdict.confidence == Confidence::Possible;
            self.verdicts.unsure += u64::from(is_unsure);
        }
        let has_left_out = standing.recordings.iter().any(|of| of.left_out > 0);
        let result = self.judge_report(of, &report, has_left_out);
        self.oracle.judge("verdict", result);
    }

    /// One verdict counts for all messages that the question is about: it has to fit one of them.
    fn judge_report(
        &self,
        of: &Accepted,
        report: &Report,
        has_left_out: bool,
    ) -> Result<(), String> {
        let question = &report.question;
        // A copy that was not followed is told by its own time, which is that of its message or later.
        let slack_ms = if has_left_out { 5_000 } else { 0 };
        let from_ms = of.at_ms.saturating_sub(slack_ms);
        let all: Vec<&Accepted> = self
            .oracle
            .truth
            .accepted
            .iter()
            .filter(|other| (from_ms..=of.at_ms).contains(&other.at_ms))
            .filter(|other| other.message.topic == of.message.topic)
            .filter(|other| {
                question
                    .publisher
                    .as_ref()
                    .is_none_or(|publisher| *publisher == other.message.publisher)
            })
            .collect();
        let since_ms = report.coverage.from_ms.max(report.coverage.excess_from_ms);
        let since_ms = since_ms.saturating_sub(self.unix_offset_ms);
        let fits = |code, confidence, client: &str| {
            let mut why = "";
            let is_fine = all.iter().any(|of| {
                // Of what came again, once may have had another end than the other time.
                if self.oracle.is_repeated(of.id) {
                    return true;
                }
                let claim = Claim {
                    code,
                    confidence,
                    of,
                    client,
                    since_ms,
                };
                match self.oracle.contradiction(claim) {
                    // What came out of the store is not followed: its end counts where it comes.
                    Some(_) if self.oracle.may_be_older(claim) => true,
                    Some(fault) => {
                        why = fault;
                        false
                    }
                    None => true,
                }
            });
            if is_fine { Ok(()) } else { Err(why) }
        };
        let verdict = &report.verdict;
        let mut claims: Vec<(Code, Confidence, &str)> = Vec::new();
        match &question.subscriber {
            Some(client) => claims.push((verdict.code, verdict.confidence, client)),
            None => claims.extend(
                report
                    .subscribers
                    .iter()
                    .map(|of| (of.verdict.code, of.verdict.confidence, &*of.client)),
            ),
        }
        if question.subscriber.is_none() && !is_of_a_row(report) {
            self.judge_without_row(&all, report)?;
        }
        for (code, confidence, client) in claims {
            if let Err(why) = fits(code, confidence, client) {
                let (id, at_ms, life) = (of.id, of.at_ms, of.life);
                let standings: BTreeSet<_> = all
                    .iter()
                    .map(|of| of.standings.get(client))
                    .map(|of| format!("{of:?}"))
                    .collect();
                let changes = self.oracle.truth.changes_of(client);
                let text = render::markdown(report, Language::English);
                let asked = &report.question.subscriber;
                return Err(format!(
                    "{code:?} about message {id} of {at_ms} ms (life {life} of {}) to {client} (asked {asked:?}), but {why}; it stood {standings:?}, {changes:?}\n{text}",
                    self.oracle.truth.life
                ));
            }
        }
        Ok(())
    }

    /// A verdict that names no subscriber, and is none of a subscriber either.
    fn judge_without_row(&self, all: &[&Accepted], report: &Report) -> Result<(), String> {
        let Verdict {
            code, confidence, ..
        } = report.verdict;
        let mut why = "";
        let is_fine = all.iter().any(|of| {
            let fault = self.oracle.contradiction_for_all(code, confidence, of);
            why = fault.unwrap_or_default();
            fault.is_none() || self.oracle.is_repeated(of.id)
        });
        if is_fine {
            return Ok(());
        }
        let about: Vec<_> = all.iter().map(|of| (of.id, of.at_ms, of.life)).collect();
        let text = render::markdown(report, Language::English);
        Err(format!(
            "{code:?} about all subscribers of one of {about:?}, but {why}\n{text}"
        ))
    }

    fn standing(&mut self) -> Standing {
        let recordings = self.shards.iter_mut().map(|node| node.core.recording());
        let recordings = recordings.collect();
        let query = SubscriptionsQuery {
            rows_max: ROWS_MAX,
            ..SubscriptionsQuery::default()
        };
        let mut subscriptions = Vec::new();
        for answer in self.ask_all(&Request::Subscriptions(query)) {
            if let Answer::Subscriptions(page) = answer {
                subscriptions.extend(page.rows);
            }
        }
        Standing {
            recordings,
            subscriptions,
        }
    }

    /// The same evidence as the management API has.
    fn evidence(&mut self, standing: &Standing, question: Question) -> Evidence {
        let mut evidence = Evidence::from_recordings(question, self.now(), &standing.recordings);
        let Question {
            topic,
            publisher,
            subscriber,
            ..
        } = evidence.question.clone();
        let rows = || standing.subscriptions.iter();
        evidence.publisher = self.presence(publisher.as_deref());
        evidence.subscriber = self.presence(subscriber.as_deref());
        let own = rows().filter(|row| subscriber.as_deref() == Some(&*row.key.client_id));
        evidence.subscriptions = own.cloned().collect();
        let is_matching = |row: &&SubscriptionRow| {
            let topic = topic.as_deref();
            topic.is_some_and(|topic| columba_codec::topic::matches(&row.key.filter, topic))
        };
        evidence.matching = rows().filter(is_matching).cloned().collect();
        let filters: BTreeSet<String> = rows().map(history::filter_of).collect();
        evidence.filters = filters.into_iter().collect();
        evidence
    }

    fn presence(&mut self, client_id: Option<&str>) -> Presence {
        let Some(client_id) = client_id else {
            return Presence::Unknown;
        };
        let request = Request::Session {
            client_id: Arc::from(client_id),
        };
        let answers = self.ask_all(&request).into_iter();
        let mut sessions = answers.filter_map(|answer| match answer {
            Answer::Session(session) => session,
            _ => None,
        });
        sessions.next().map_or(Presence::Absent, Presence::Session)
    }

    /// Asks every shard something that changes nothing.
    fn ask_all(&mut self, request: &Request) -> Vec<Answer> {
        let now = self.now();
        let mut answers = Vec::new();
        for node in &mut self.shards {
            let input = Input::Request {
                id: RequestId(1),
                request: request.clone(),
            };
            node.core.handle(now, input);
            for effect in polled(&mut node.core) {
                match effect {
                    Effect::Answer { answer, .. } => answers.push(*answer),
                    other => {
                        let detail = format!("a question had the effect {other:?}");
                        self.oracle.fail("effects", detail);
                    }
                }
            }
        }
        answers
    }
}

/// Whether the verdict is that of a subscriber, or the cause of it.
fn is_of_a_row(report: &Report) -> bool {
    let code = report.verdict.code;
    report.subscribers.iter().any(|row| {
        let of = row.verdict.code;
        of == code || code == Code::S04 && matches!(of, Code::S01 | Code::S03)
    })
}

fn polled(core: &mut Shard) -> Vec<Effect> {
    std::iter::from_fn(|| core.poll()).collect()
}
