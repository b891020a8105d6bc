//! Asks the broker why, as an operator does, and compares the verdicts with what the model knows.

use std::collections::BTreeSet;
use std::sync::Arc;

use columba_broker::event::Effect;
use columba_broker::query::{Answer, Request, RequestId, SubscriptionRow, SubscriptionsQuery};
use columba_broker::recorder::Recording;
use columba_broker::{Input, Shard};
use columba_diagnosis::{
    Area, Code, Confidence, Evidence, Fate, Presence, Question, Report, Verdict, diagnose, history,
    render,
};
use columba_speech::Language;

use crate::chance::Chance;
use crate::checks::verdict::Claim;
use crate::oracle::truth::{Accepted, Refused};
use crate::world::World;

/// Messages that are asked about at a time.
const MESSAGES: usize = 8;

/// Messages that were not let in, that are asked about at a time.
const REFUSED: usize = 3;

/// Rows of a page.
const ROWS_MAX: usize = 1_000;

/// What came of the questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// How many verdicts.
    pub asked: u64,
    /// Those of them about the moment of a message; the others are about a time that was drawn.
    pub exact: u64,
    /// Those about messages that the record has, with all that followed.
    pub covered: u64,
    /// Those of them that are not sure.
    pub unsure: u64,
}

/// How the broker stands, read once for several questions.
pub(crate) struct Standings {
    pub(crate) recordings: Vec<Recording>,
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
            // What came again cannot be told from its first time, nor what is blank from others,
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
            // Nobody publishes for operators.
            let publisher = publisher.filter(|of| !of.is_empty());
            let subscriber = (!chance.percent(15)).then_some(client);
            let window = self.window(&mut chance, round, of.at_ms);
            self.ask_about(&standing, &of, (publisher, subscriber), window);
            if self.oracle.has_failed() {
                return;
            }
        }
        self.ask_why_refused(&standing, &mut chance);
    }

    /// Asks about messages that the access rules did not let in, by their very millisecond.
    fn ask_why_refused(&mut self, standing: &Standings, chance: &mut Chance) {
        for _ in 0..REFUSED {
            let truth = &self.oracle.truth;
            let all = truth.refused.len() as u64;
            if all == 0 || self.oracle.has_failed() {
                return;
            }
            let last = if chance.percent(50) { all.min(10) } else { all };
            let of = truth.refused[(all - 1 - chance.below(last)) as usize].clone();
            // Another one in the same millisecond may be meant, and what came with it from before a crash.
            let blank = (of.at_ms, of.topic.clone());
            let mut accepted = truth.accepted.iter();
            let is_alone = !accepted.any(|it| it.at_ms == of.at_ms && it.message.topic == of.topic);
            if of.life < truth.life || !is_alone || truth.blank.contains(&blank) {
                continue;
            }
            let client = chance.below(self.swarm.clients as u64) as usize;
            let client = self.clients[client].persona.client_id.clone();
            let at_ms = of.at_ms + self.unix_offset_ms;
            let question = Question {
                topic: Some(of.topic.clone()),
                publisher: (!chance.percent(30)).then(|| of.publisher.clone()),
                subscriber: chance.percent(50).then_some(client),
                from_ms: at_ms,
                to_ms: at_ms,
            };
            let evidence = self.evidence(standing, question);
            let mut report = diagnose(&evidence);
            if let Some(tamper) = self.tamper {
                tamper(&mut report);
            }
            self.verdicts.asked += 1;
            // A copy of an earlier message may have come to its end in this millisecond.
            let mut rows = report.subscribers.iter().map(|row| row.published_ms);
            let is_other = |published_ms: Option<u64>| published_ms.is_some_and(|ms| ms != at_ms);
            if is_other(report.published_ms) || rows.any(is_other) {
                continue;
            }
            let result = judge_refused(&of, &report);
            self.oracle.judge("verdict", result);
        }
    }

    /// The time that is asked about, in milliseconds of the run: half of the questions are about the very
    /// millisecond of a message, the others about a time before it, around it or after it.
    fn window(&self, chance: &mut Chance, round: usize, at_ms: u64) -> (u64, u64) {
        if round < MESSAGES / 2 {
            return (at_ms, at_ms);
        }
        let (near_ms, far_ms) = (chance.range(1, 500), chance.range(1, 4_000));
        let (from_ms, to_ms) = match chance.below(4) {
            0 => (at_ms.saturating_sub(far_ms), at_ms + near_ms),
            1 => (at_ms + near_ms, at_ms + near_ms + far_ms),
            2 => (
                at_ms.saturating_sub(near_ms + far_ms),
                at_ms.saturating_sub(near_ms),
            ),
            _ => (at_ms + near_ms, u64::MAX),
        };
        (from_ms.min(self.now_ms), to_ms.min(self.now_ms))
    }

    fn ask_about(
        &mut self,
        standing: &Standings,
        of: &Accepted,
        (publisher, subscriber): (Option<String>, Option<String>),
        (from_ms, to_ms): (u64, u64),
    ) {
        let at_ms = of.at_ms + self.unix_offset_ms;
        let question = Question {
            topic: Some(of.message.topic.clone()),
            publisher,
            subscriber,
            from_ms: from_ms + self.unix_offset_ms,
            to_ms: to_ms + self.unix_offset_ms,
        };
        let is_exact = from_ms == of.at_ms && to_ms == of.at_ms;
        let evidence = self.evidence(standing, question);
        let mut report = diagnose(&evidence);
        if let Some(tamper) = self.tamper {
            tamper(&mut report);
        }
        self.verdicts.asked += 1;
        self.verdicts.exact += u64::from(is_exact);
        let coverage = &report.coverage;
        let since_ms = coverage.from_ms.max(coverage.excess_from_ms);
        let is_now = is_exact && of.life == self.oracle.truth.life;
        if is_now && since_ms < at_ms && coverage.left_out_since == 0 {
            self.verdicts.covered += 1;
            let is_unsure = report.verdict.code == Code::U01
                || report.verdict.confidence == Confidence::Possible;
            self.verdicts.unsure += u64::from(is_unsure);
        }
        let has_left_out = standing.recordings.iter().any(|of| of.left_out > 0);
        let result = if is_exact {
            self.judge_report(of, &report, has_left_out)
        } else {
            self.judge_window(&report, has_left_out)
        };
        let result = result.map_err(|why| {
            let own = evidence.events.iter().filter(|event| event.message != 0);
            let own: Vec<_> = own
                .map(|event| {
                    let at_ms = event.unix_ms.saturating_sub(self.unix_offset_ms);
                    let (name, client) = (event.outcome.name(), &event.client);
                    format!("{at_ms} {} {name} {client}", event.message)
                })
                .collect();
            format!(
                "{why}\nasked about {from_ms} to {to_ms}; messages: {}",
                own.join("; ")
            )
        });
        self.oracle.judge("verdict", result);
    }

    /// Messages on the topic of a question, by its publisher, that were accepted in a time of the run.
    fn accepted_in(&self, question: &Question, from_ms: u64, to_ms: u64) -> Vec<&Accepted> {
        let publisher = question.publisher.as_ref();
        let all = self.oracle.truth.accepted.iter();
        all.filter(|of| (from_ms..=to_ms).contains(&of.at_ms))
            .filter(|of| question.topic.as_ref() == Some(&of.message.topic))
            .filter(|of| publisher.is_none_or(|publisher| *publisher == of.message.publisher))
            .collect()
    }

    /// Each verdict names the message that it is about by its time, or says that none came.
    pub(crate) fn judge_window(&self, report: &Report, has_left_out: bool) -> Result<(), String> {
        let question = &report.question;
        let fault = |what: String| {
            let text = render::markdown(report, Language::English);
            Err(format!("{what}\n{text}"))
        };
        if let Some(why) = self.none_came(report, has_left_out) {
            let code = report.verdict.code;
            return fault(format!("{code:?} about a time, but {why}"));
        }
        let of_all = question.subscriber.as_deref();
        let of_all = of_all.map(|client| (&report.verdict, report.published_ms, client));
        let rows = report.subscribers.iter();
        let rows = rows.map(|row| (&row.verdict, row.published_ms, &*row.client));
        for (verdict, published_ms, client) in of_all.into_iter().chain(rows) {
            let Some(published_ms) = published_ms else {
                continue;
            };
            let at_ms = published_ms.saturating_sub(self.unix_offset_ms);
            let blank = (at_ms, question.topic.clone().unwrap_or_default());
            let all = self.accepted_in(question, at_ms, at_ms);
            let (code, confidence) = (verdict.code, verdict.confidence);
            if all.is_empty() || self.oracle.truth.blank.contains(&blank) {
                continue;
            }
            if let Err(why) = self.fits(&all, report, (code, confidence, client)) {
                let ids: Vec<_> = all.iter().map(|of| (of.id, of.at_ms, of.life)).collect();
                let changes = self.oracle.truth.changes_of(client);
                return fault(format!(
                    "{code:?} about one of {ids:?} to {client}, but {why}; {changes:?}"
                ));
            }
        }
        Ok(())
    }

    /// What speaks against a verdict that says that nothing was published in a time.
    pub(crate) fn none_came(&self, report: &Report, has_left_out: bool) -> Option<String> {
        let says_none = matches!(
            report.verdict.code,
            Code::P01 | Code::P04 | Code::P05 | Code::P06 | Code::P13 | Code::U04
        );
        let Verdict {
            code, confidence, ..
        } = report.verdict;
        if !says_none || confidence == Confidence::Possible {
            return None;
        }
        let question = &report.question;
        let from_ms = question.from_ms.saturating_sub(self.unix_offset_ms);
        let to_ms = question.to_ms.saturating_sub(self.unix_offset_ms);
        let truth = &self.oracle.truth;
        let accepted = self.accepted_in(question, from_ms, to_ms);
        let mut accepted = accepted.into_iter();
        // What came in the millisecond in which the broker died is told by nobody.
        if let Some(of) = accepted.find(|of| of.life == truth.life || of.at_ms < truth.began_ms) {
            return Some(format!("{} was accepted at {}", of.id, of.at_ms));
        }
        let mut refused = truth.refused.iter().filter(|of| {
            (from_ms..=to_ms).contains(&of.at_ms)
                && of.life == truth.life
                && question.topic.as_ref() == Some(&of.topic)
                && question
                    .publisher
                    .as_ref()
                    .is_none_or(|publisher| *publisher == of.publisher)
        });
        if let Some(of) = refused.next() {
            return Some(format!("{of:?} was denied"));
        }
        // What is not followed leaves no trace, and U04 does not say that nothing was delivered.
        if has_left_out || code == Code::U04 {
            return None;
        }
        let before = self.accepted_in(question, truth.began_ms + 1, from_ms);
        let before = before.into_iter().filter(|of| of.life == truth.life);
        for of in before.filter(|of| !self.oracle.is_repeated(of.id)) {
            let subscriber = question.subscriber.as_deref();
            let mut answers = truth.answers(of.id).filter(|(client, at_ms)| {
                subscriber.is_none_or(|subscriber| subscriber == *client)
                    && (from_ms..=to_ms).contains(at_ms)
            });
            if let Some((client, at_ms)) = answers.next() {
                let id = of.id;
                return Some(format!("{client} acknowledged {id} at {at_ms}"));
            }
        }
        None
    }

    /// Whether a verdict about a client fits one of these messages.
    fn fits(
        &self,
        all: &[&Accepted],
        report: &Report,
        (code, confidence, client): (Code, Confidence, &str),
    ) -> Result<(), &'static str> {
        let since_ms = report.coverage.from_ms.max(report.coverage.excess_from_ms);
        let since_ms = since_ms.saturating_sub(self.unix_offset_ms);
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
                // What came out of the store counts where it comes to its end.
                Some(_) if self.oracle.may_be_older(claim) => true,
                Some(fault) => {
                    why = fault;
                    false
                }
                None => true,
            }
        });
        if is_fine { Ok(()) } else { Err(why) }
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
        let all = self.accepted_in(question, from_ms, of.at_ms);
        let verdict = &report.verdict;
        // A copy of an earlier message may have come to its end in this millisecond.
        let offset_ms = self.unix_offset_ms;
        let is_earlier = |published_ms: Option<u64>| {
            published_ms.is_some_and(|published_ms| published_ms < of.at_ms + offset_ms)
        };
        if is_earlier(report.published_ms)
            || report
                .subscribers
                .iter()
                .any(|row| is_earlier(row.published_ms))
        {
            return self.judge_window(report, has_left_out);
        }
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
            if let Err(why) = self.fits(&all, report, (code, confidence, client)) {
                let (id, at_ms, life) = (of.id, of.at_ms, of.life);
                let standings: BTreeSet<_> = all
                    .iter()
                    .map(|of| of.standings.get(client))
                    .map(|of| format!("{of:?}"))
                    .collect();
                let answers: Vec<_> = all
                    .iter()
                    .flat_map(|of| self.oracle.truth.answers(of.id))
                    .collect();
                let changes = (answers, self.oracle.truth.changes_of(client));
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

    pub(crate) fn standing(&mut self) -> Standings {
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
        Standings {
            recordings,
            subscriptions,
        }
    }

    /// The same evidence as the management API has.
    pub(crate) fn evidence(&mut self, standing: &Standings, question: Question) -> Evidence {
        let rows = || standing.subscriptions.iter();
        let is_own =
            |row: &&SubscriptionRow| question.subscriber.as_deref() == Some(&*row.key.client_id);
        let own = rows().filter(is_own).cloned().collect();
        let recordings = &standing.recordings;
        let mut evidence = Evidence::from_recordings(question, own, self.now(), recordings);
        let Question {
            topic,
            publisher,
            subscriber,
            ..
        } = evidence.question.clone();
        evidence.publisher = self.presence(publisher.as_deref());
        evidence.subscriber = self.presence(subscriber.as_deref());
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

/// A message that the rules did not let in was denied, as far as a verdict says anything.
fn judge_refused(of: &Refused, report: &Report) -> Result<(), String> {
    let Verdict {
        code, confidence, ..
    } = report.verdict;
    let says_nothing = code.fate() == Fate::Unknown || confidence == Confidence::Possible;
    // What else is known of the publisher is told where the record does not have it any more.
    let coverage = &report.coverage;
    let since_ms = coverage.from_ms.max(coverage.excess_from_ms);
    let is_gone = since_ms > report.question.from_ms;
    // A copy of somebody else's message may have been lost at that moment.
    let is_of_other = report.question.publisher.is_none() && code.area() == Area::Session;
    if code == Code::P07 || says_nothing || is_of_other || is_gone && code == Code::P03 {
        return Ok(());
    }
    let text = render::markdown(report, Language::English);
    Err(format!("{code:?} about {of:?}, which was denied\n{text}"))
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
