//! Traces: every message of a filter, what became of each copy, and nothing beyond their bounds.

mod bed;

use std::collections::BTreeSet;

use bed::{Bed, ConnectOptions, V5};
use columba_broker::access::{AccessRules, Actions, Rule, TopicPattern, Who};
use columba_broker::limits::{Anonymous, Limits};
use columba_broker::outcome::Outcome;
use columba_broker::query::{Answer, Request, TraceRequest};
use columba_broker::recorder::{Line, Recording, TRACES_MAX, TapeName, TraceId};
use columba_codec::packet::Packet;
use columba_codec::{PropertyId, QoS, Value};

const SHARDS: [u16; 2] = [1, 3];

/// A broker whose recorder is off, and where nobody may publish to `home/secret`.
fn bed(shards: u16, recorder_bytes_max: usize) -> Bed {
    let limits = Limits {
        recorder_bytes_max,
        ..Limits::default()
    };
    let rule = Rule {
        is_allow: false,
        who: Who::default(),
        actions: Actions {
            publish: true,
            ..Actions::NONE
        },
        topics: vec![TopicPattern::parse("home/secret").expect("a pattern")],
        place: "etc/acl.toml:7".into(),
    };
    let rules = AccessRules::new(vec![rule], Actions::ALL);
    Bed::build(shards, limits, rules, Anonymous::Always)
}

fn begin(bed: &mut Bed, shards: u16, id: u64, filter: &str) {
    for shard in 0..usize::from(shards) {
        let request = Request::BeginTrace(TraceRequest {
            id: TraceId(id),
            filter: filter.into(),
            secs: 60,
            bytes_max: 256 * 1024,
        });
        let answer = bed.request(shard, request);
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }
}

fn seen(bed: &mut Bed, shards: u16, id: u64) -> Vec<Recording> {
    let recording = |shard| match bed.request(shard, Request::Trace(TraceId(id))) {
        Answer::Recording(recording) => *recording,
        other => panic!("no recording: {other:?}"),
    };
    (0..usize::from(shards)).map(recording).collect()
}

/// Outcome, client, topic and number of each line.
fn lines(recordings: &[Recording]) -> BTreeSet<(Outcome, String, String, u64)> {
    let chunks = recordings.iter().flat_map(|of| &of.chunks);
    let lines = chunks.flat_map(|chunk| chunk.entries());
    lines
        .filter_map(|line| match line.expect("a line") {
            Line::Entry(entry) => Some((
                entry.outcome,
                entry.facts.client.to_owned(),
                entry.facts.topic.to_owned(),
                entry.facts.message,
            )),
            Line::Gap { .. } => None,
        })
        .collect()
}

#[test]
fn a_trace_has_every_message_and_what_became_of_each_copy_though_the_ledger_is_off() {
    for shards in SHARDS {
        let mut bed = bed(shards, 0);
        let here = bed.connect(V5, "here");
        bed.subscribe(here, "home/+", QoS::AtLeastOnce);
        let options = ConnectOptions::new(V5, "away");
        let options = options.property(PropertyId::SessionExpiryInterval, Value::U32(60));
        let away = bed.connect_with(&options);
        bed.subscribe(away, "home/lamp", QoS::AtLeastOnce);
        bed.drop_connection(away);
        let publisher = bed.connect(V5, "publisher");
        begin(&mut bed, shards, 1, "home/#");
        bed.publish(publisher, "home/lamp", b"on", QoS::AtLeastOnce);
        bed.publish(publisher, "other", b"x", QoS::AtLeastOnce);
        bed.publish(publisher, "home/a/b", b"x", QoS::AtMostOnce);
        bed.publish(publisher, "home/secret", b"x", QoS::AtLeastOnce);
        let inbox = bed.take(here);
        let packets = inbox.packets();
        let Some(Packet::Publish(publish)) = packets.first() else {
            panic!("no PUBLISH: {packets:?}");
        };
        let packet_id = publish.packet_id.expect("a packet id");
        bed.puback(here, packet_id);
        let told = lines(&seen(&mut bed, shards, 1));
        let of = |topic: &str| -> Vec<(Outcome, &str)> {
            let lines = told.iter().filter(|line| line.2 == topic);
            lines.map(|line| (line.0, &*line.1)).collect()
        };
        assert_eq!(
            of("home/lamp"),
            [
                (Outcome::PublishAccepted, "publisher"),
                (Outcome::DeliverAcked, "here"),
                (Outcome::DeliverInFlight, "here"),
                (Outcome::DeliverOffline, "away"),
            ]
        );
        let numbers = told.iter().filter(|line| line.2 == "home/lamp");
        let numbers: BTreeSet<u64> = numbers.map(|line| line.3).collect();
        assert_eq!(numbers.len(), 1, "{numbers:?}");
        assert_eq!(of("home/a/b"), [(Outcome::PublishNoMatch, "publisher")]);
        assert_eq!(
            of("home/secret"),
            [(Outcome::PublishDeniedAcl, "publisher")]
        );
        assert_eq!(of("other"), []);
        assert!(bed.recordings().iter().all(|of| of.chunks.is_empty()));
    }
}

#[test]
fn what_is_followed_for_a_trace_alone_is_in_no_other_tape() {
    // Of a ledger this small, a second takes two messages at most.
    let mut bed = bed(1, 16 * 1024);
    let publisher = bed.connect(V5, "publisher");
    begin(&mut bed, 1, 1, "#");
    for _ in 0..100 {
        bed.publish(publisher, "home/lamp", b"on", QoS::AtMostOnce);
    }
    let told = lines(&seen(&mut bed, 1, 1));
    assert_eq!(told.len(), 100);
    let recordings = bed.recordings();
    let ledger = recordings.iter().flat_map(|of| &of.chunks);
    let ledger = ledger.filter(|chunk| chunk.tape() == TapeName::Ledger);
    let followed: usize = ledger.map(|chunk| chunk.entries().count()).sum();
    assert!(followed < 10, "{followed} lines");
    assert!(recordings[0].left_out >= 90);
}

#[test]
fn traces_are_limited_in_number_and_in_time_and_can_be_ended() {
    let mut bed = bed(1, 0);
    let publisher = bed.connect(V5, "publisher");
    for id in 0..TRACES_MAX as u64 {
        begin(&mut bed, 1, id, "#");
    }
    let more = || {
        Request::BeginTrace(TraceRequest {
            id: TraceId(99),
            filter: "#".into(),
            secs: 1,
            bytes_max: 256 * 1024,
        })
    };
    assert!(matches!(bed.request(0, more()), Answer::Busy));
    bed.publish(publisher, "a", b"x", QoS::AtMostOnce);
    let end = |id| Request::EndTrace(TraceId(id));
    assert!(matches!(bed.request(0, end(3)), Answer::Done));
    assert!(matches!(bed.request(0, end(3)), Answer::Missing));
    let gone = bed.request(0, Request::Trace(TraceId(3)));
    assert!(matches!(gone, Answer::Missing));
    assert!(matches!(bed.request(0, more()), Answer::Done));
    bed.advance(1000);
    bed.publish(publisher, "b", b"x", QoS::AtMostOnce);
    assert_eq!(lines(&seen(&mut bed, 1, 99)).len(), 0);
    assert_eq!(lines(&seen(&mut bed, 1, 0)).len(), 2);
    bed.advance(59_000);
    bed.publish(publisher, "c", b"x", QoS::AtMostOnce);
    assert_eq!(lines(&seen(&mut bed, 1, 0)).len(), 2);
}

#[test]
fn a_flood_stays_within_the_bytes_of_a_trace_and_what_is_left_out_is_counted() {
    let mut bed = bed(1, 0);
    let publisher = bed.connect(V5, "publisher");
    begin(&mut bed, 1, 1, "#");
    let mut sent = 0;
    for _ in 0..30 {
        for _ in 0..2000 {
            bed.publish(publisher, "flood", b"x", QoS::AtMostOnce);
            sent += 1;
        }
        bed.advance(1000);
    }
    let recording = &seen(&mut bed, 1, 1)[0];
    let bytes: usize = recording.chunks.iter().map(|chunk| chunk.len_bytes()).sum();
    assert!(bytes <= 256 * 1024, "{bytes} bytes");
    let told = lines(std::slice::from_ref(recording)).len() as u64;
    assert!(told > 0 && recording.overwritten > 0 && recording.left_out > 0);
    assert_eq!(told + recording.overwritten + recording.left_out, sent);
}
