//! Asks a bed what became of a message, as the server does.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "a module of test files, of which each uses its own part; a test that goes wrong stops"
)]

use columba_broker::query::{
    Answer, Request, SubscriptionRow, SubscriptionsQuery, TopicRow, TopicsQuery,
};
use columba_diagnosis::{Code, Confidence, Evidence, Presence, Question, Report, diagnose, render};
use columba_speech::Language;

use crate::bed::Bed;

/// The first time of a bed.
const START_MS: u64 = 1_700_000_000_000;

/// A report, to be asserted about.
pub struct Asked {
    pub report: Report,
}

impl Asked {
    pub fn is(&self, code: Code, confidence: Confidence) {
        let found = (self.report.verdict.code, self.report.verdict.confidence);
        let text = render::text(&self.report, &render::Style::default());
        assert_eq!(found, (code, confidence), "\n{text}");
        for language in Language::ALL {
            assert!(
                !render::markdown(&self.report, language).contains('{'),
                "{text}"
            );
        }
        let json = render::json(&self.report, Language::Chinese);
        assert_eq!(json["schema"], render::SCHEMA);
        assert_eq!(json["verdict"]["code"], code.name());
    }

    pub fn says(&self, part: &str) {
        let text = self.report.verdict.text.to_string(Language::English);
        assert!(text.contains(part), "{text}");
    }

    pub fn param(&self, name: &str) -> String {
        let mut params = self.report.verdict.text.params();
        let (_, value) = params.find(|(of, _)| *of == name).unwrap();
        value.to_string(Language::English)
    }

    pub fn fix(&self, at: usize) -> String {
        self.report.fixes[at].to_string(Language::English)
    }

    pub fn also(&self) -> Vec<Code> {
        self.report.also.iter().map(|other| other.code).collect()
    }
}

pub fn ask(bed: &mut Bed, topic: &str, publisher: Option<&str>, subscriber: Option<&str>) -> Asked {
    ask_since(bed, topic, publisher, subscriber, START_MS)
}

pub fn ask_since(
    bed: &mut Bed,
    topic: &str,
    publisher: Option<&str>,
    subscriber: Option<&str>,
    from_ms: u64,
) -> Asked {
    let evidence = evidence(bed, Some(topic), publisher, subscriber, from_ms);
    let report = diagnose(&evidence);
    Asked { report }
}

pub fn ask_all(
    bed: &mut Bed,
    topic: Option<&str>,
    publisher: Option<&str>,
    subscriber: Option<&str>,
) -> Asked {
    let evidence = evidence(bed, topic, publisher, subscriber, START_MS);
    let report = diagnose(&evidence);
    Asked { report }
}

pub fn ask_with(bed: &mut Bed, topic: &str, change: impl FnOnce(&mut Evidence)) -> Asked {
    let mut evidence = evidence(bed, Some(topic), Some("esp"), Some("hub"), START_MS);
    change(&mut evidence);
    let report = diagnose(&evidence);
    Asked { report }
}

pub fn evidence(
    bed: &mut Bed,
    topic: Option<&str>,
    publisher: Option<&str>,
    subscriber: Option<&str>,
    from_ms: u64,
) -> Evidence {
    let now = bed.now();
    let question = Question {
        topic: topic.map(ToOwned::to_owned),
        publisher: publisher.map(ToOwned::to_owned),
        subscriber: subscriber.map(ToOwned::to_owned),
        from_ms,
        to_ms: now.unix_ms,
    };
    let recordings = bed.recordings();
    let mut all = Vec::new();
    for shard in 0..recordings.len() {
        let query = SubscriptionsQuery {
            rows_max: 1000,
            ..SubscriptionsQuery::default()
        };
        let Answer::Subscriptions(page) = bed.request(shard, Request::Subscriptions(query)) else {
            panic!("no subscriptions");
        };
        all.extend(page.rows);
    }
    let own = all
        .iter()
        .filter(|row: &&SubscriptionRow| subscriber == Some(&*row.key.client_id));
    let own = own.cloned().collect();
    let mut evidence = Evidence::from_recordings(question, own, now, &recordings);
    let topic = evidence.question.topic.clone();
    let is_matching = |filter: &str| {
        topic
            .as_deref()
            .is_some_and(|topic| columba_codec::topic::matches(filter, topic))
    };
    let rows = all.iter();
    evidence.matching = rows
        .clone()
        .filter(|row| is_matching(&row.key.filter))
        .cloned()
        .collect();
    let owners = rows.clone().map(|row| {
        let client = row.key.client_id.to_string();
        (columba_diagnosis::history::filter_of(row), client)
    });
    evidence.owners = owners.collect();
    evidence.filters = rows.map(columba_diagnosis::history::filter_of).collect();
    for shard in 0..recordings.len() {
        let query = TopicsQuery {
            filter: "#".into(),
            after: None,
            rows_max: 1000,
        };
        let Answer::Topics(page) = bed.request(shard, Request::Topics(query)) else {
            panic!("no topics");
        };
        let is_it = |row: &TopicRow| evidence.question.topic.as_deref() == Some(&*row.topic);
        evidence
            .topic_rows
            .extend(page.rows.into_iter().filter(is_it));
    }
    for client in evidence.wanted_holders() {
        if let Presence::Session(session) = presence(bed, Some(&client)) {
            evidence.holders.push(*session);
        }
    }
    evidence.publisher = presence(bed, publisher);
    evidence.subscriber = presence(bed, subscriber);
    evidence
}

fn presence(bed: &mut Bed, client: Option<&str>) -> Presence {
    let Some(client) = client else {
        return Presence::Unknown;
    };
    let request = Request::Session {
        client_id: client.into(),
    };
    match bed.request_home(client, request) {
        Answer::Session(Some(detail)) => Presence::Session(detail),
        Answer::Session(None) => Presence::Absent,
        other => panic!("{other:?}"),
    }
}
