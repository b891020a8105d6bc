//! Asks the broker about clients without a topic, over the deaths of its processes, and compares what it says
//! of them with what they did.

use columba_broker::recorder::Recording;
use columba_diagnosis::{Code, Confidence, Question, Report, Verdict, diagnose, render};
use columba_speech::{Language, Param};

use crate::chance::Chance;
use crate::oracle::truth::Standing;
use crate::why::Standings;
use crate::world::World;

/// Clients that are asked about at a time.
const CLIENTS: usize = 4;

/// What is on the disk of the recorders: of processes that are over, and what this one has written last.
#[derive(Debug, Default)]
pub(crate) struct Written {
    past: Vec<Recording>,
    present: Vec<Recording>,
    /// When that was written, or this process began.
    until_ms: u64,
}

impl World {
    /// The recorders write what they have, as they do now and then.
    pub(crate) fn write_record(&mut self) {
        let recordings = self.shards.iter_mut().map(|node| node.core.recording());
        self.written.present = recordings.collect();
        self.written.until_ms = self.now().unix_ms;
    }

    /// A process is over. It has written all, as one that is stopped, or leaves a hole from when it wrote last.
    pub(crate) fn end_record(&mut self) {
        let now_ms = self.now().unix_ms;
        let mut chance = Chance::new(self.seed ^ self.now_ms ^ 0x656e_6464);
        let is_whole = chance.percent(40);
        if is_whole {
            self.write_record();
        }
        let Written {
            mut past,
            present,
            until_ms,
        } = std::mem::take(&mut self.written);
        put_behind(&mut past, present);
        if !is_whole {
            if past.is_empty() {
                past.push(Recording::default());
            }
            let hole = (until_ms, now_ms);
            past.iter_mut().for_each(|of| of.holes.push(hole));
        }
        self.written = Written {
            past,
            present: Vec::new(),
            until_ms: now_ms,
        };
    }

    /// Asks about some clients, up to now.
    pub(crate) fn ask_of_clients(&mut self) {
        if self.oracle.has_failed() || self.oracle.has_jumped {
            return;
        }
        self.oracle.now_ms = self.now_ms;
        let mut chance = Chance::new(self.seed ^ self.now_ms ^ 0x636c_6965);
        let mut standing = self.standing();
        let mut recordings = self.written.past.clone();
        put_behind(&mut recordings, std::mem::take(&mut standing.recordings));
        standing.recordings = recordings;
        let now_ms = self.now().unix_ms;
        for _ in 0..CLIENTS {
            let client = chance.below(self.swarm.clients as u64) as usize;
            let client = self.clients[client].persona.client_id.clone();
            let is_publisher = chance.percent(35);
            let back_ms = chance.pick(&[500, 5_000, 60_000, 10_000_000]);
            let question = Question {
                topic: None,
                publisher: is_publisher.then(|| client.clone()),
                subscriber: (!is_publisher).then(|| client.clone()),
                from_ms: now_ms.saturating_sub(back_ms).max(self.unix_offset_ms),
                to_ms: now_ms,
            };
            self.ask_of_client(&standing, &client, question);
            if self.oracle.has_failed() {
                return;
            }
        }
    }

    fn ask_of_client(&mut self, standing: &Standings, client: &str, question: Question) {
        let evidence = self.evidence(standing, question);
        let mut report = diagnose(&evidence);
        if let Some(tamper) = self.tamper {
            tamper(&mut report);
        }
        self.verdicts.asked += 1;
        let result = if report.question.topic.is_some() {
            let has_left_out = standing.recordings.iter().any(|of| of.left_out > 0);
            // What is recorded of earlier processes is more than the model knows of clients.
            if self.oracle.truth.life == 0 {
                self.judge_window(&report, has_left_out)
            } else {
                self.none_came(&report, has_left_out).map_or(Ok(()), Err)
            }
        } else {
            let all = std::iter::once(&report.verdict).chain(&report.also);
            let mut faults = all.filter_map(|verdict| {
                let fault = self.contradicts_client(verdict, &report, client)?;
                Some(format!("{:?} about {client}, but {fault}", verdict.code))
            });
            faults.next().map_or(Ok(()), Err)
        };
        let result = result.map_err(|why| {
            let text = render::markdown(&report, Language::English);
            let holes = &evidence.holes;
            format!(
                "{why}\nholes {holes:?}, offset {}\n{text}",
                self.unix_offset_ms
            )
        });
        self.oracle.judge("verdict", result);
    }

    /// What speaks against a verdict about a client, whatever the topic, up to now.
    fn contradicts_client(
        &self,
        verdict: &Verdict,
        report: &Report,
        client: &str,
    ) -> Option<String> {
        if verdict.confidence == Confidence::Possible {
            return None;
        }
        let truth = &self.oracle.truth;
        let session = self.oracle.sessions.get(client);
        let is_online = session.is_some_and(|session| session.conn.is_some());
        let connected_ms = truth
            .connected
            .get(client)
            .map(|ms| ms + self.unix_offset_ms);
        let is_online_fault = || is_online.then(|| "it is online".to_owned());
        match verdict.code {
            Code::S01 => is_online_fault().or_else(|| {
                // It says since when, and cites that if it is what counts.
                if report.verdict.code != Code::S01 {
                    return None;
                }
                let last = report.timeline.iter().rfind(|event| {
                    event.client == client && event.outcome.name().starts_with("disconnect.")
                });
                let gone_ms = last
                    .map(|event| event.unix_ms)
                    .filter(|_| has(verdict, "ago"))?;
                let back_ms = connected_ms.filter(|back_ms| *back_ms > gone_ms)?;
                Some(format!("it was back at {back_ms}"))
            }),
            Code::S13 | Code::S15 => is_online_fault(),
            Code::S11 => (!is_online).then(|| "it is offline".to_owned()),
            Code::R01 | Code::S03 | Code::S12 => {
                // One that came back after its end may lack any of them.
                let known = session.filter(|of| !of.is_loose);
                let mut has = known.into_iter().flat_map(|of| of.subscriptions.iter());
                let sure = has
                    .find(|(_, of)| of.is_acknowledged)
                    .map(|(filter, _)| filter);
                if is_online {
                    sure.map(|filter| format!("it is subscribed to {filter}"))
                } else {
                    Some("it is offline".to_owned())
                }
            }
            Code::S05 => {
                let filter = param(verdict, "filter")?;
                let known = session.filter(|of| !of.is_loose)?;
                let held = known.subscriptions.get(&filter)?;
                held.is_acknowledged
                    .then(|| format!("it is subscribed to {filter}"))
            }
            Code::P04 => {
                let back_ms = connected_ms.filter(|ms| *ms > report.question.from_ms)?;
                (!has(verdict, "why")).then(|| format!("it was here at {back_ms}"))
            }
            Code::P01 | Code::U03 => {
                let came_ms = connected_ms?;
                let coverage = &report.coverage;
                (came_ms > coverage.from_ms.max(coverage.excess_from_ms))
                    .then(|| format!("it came at {came_ms}"))
            }
            Code::P05 => self.came(report, client),
            _ => None,
        }
    }

    /// A message that the client published in the window, or that it was subscribed to.
    fn came(&self, report: &Report, client: &str) -> Option<String> {
        let truth = &self.oracle.truth;
        let from_ms = report.question.from_ms.saturating_sub(self.unix_offset_ms);
        let is_publisher = report.question.publisher.is_some();
        let mut all = truth.accepted.iter().filter(|of| {
            // What came in the millisecond in which the broker died is told by nobody.
            of.at_ms >= from_ms && (of.life == truth.life || of.at_ms < truth.began_ms)
        });
        let came = all.find(|of| match is_publisher {
            true => of.message.publisher == client,
            false => matches!(
                of.standings.get(client),
                Some(Standing::Subscribed { is_own: false, .. })
            ),
        })?;
        Some(format!(
            "{} to {} came at {}",
            came.id, came.message.topic, came.at_ms
        ))
    }
}

/// Puts recordings behind those of earlier processes, shard by shard.
fn put_behind(past: &mut Vec<Recording>, next: Vec<Recording>) {
    for recording in next {
        match past.iter_mut().find(|of| of.shard == recording.shard) {
            Some(of) => {
                of.chunks.extend(recording.chunks);
                of.overwritten += recording.overwritten;
                of.left_out += recording.left_out;
                of.holes.extend(recording.holes);
            }
            None => past.push(recording),
        }
    }
}

fn has(verdict: &Verdict, name: &str) -> bool {
    verdict.text.params().any(|(of, _)| of == name)
}

fn param(verdict: &Verdict, name: &str) -> Option<String> {
    let mut params = verdict.text.params();
    let (_, value): (_, &Param) = params.find(|(of, _)| *of == name)?;
    Some(value.to_string(Language::English))
}
