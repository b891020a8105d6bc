//! What is in a store, as text: what a start finds, how each session stands, what its client gets when it
//! comes back, and what is retained.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use columba_broker::event::Command;
use columba_broker::query::{
    Answer, GroupsQuery, Request, SessionDetail, SessionsQuery, SubscriptionRow,
};
use columba_broker::recovery::RecoveredCounts;
use columba_codec::property::Property;
use columba_codec::{Packet, Properties};
use columba_store::{DiskFiles, Log, Options, Position};

use crate::bed::exchange::{QOS_1, keeping};
use crate::bed::{Bed, ClientIx, V5, V311};
use crate::writer::ann;

/// Opens a copy of a store and compares what is there.
pub(crate) fn check(store: &Path, wanted: &str) {
    let live = read(store);
    for shards in [1, 2, 3] {
        let mut bed = Bed::durable(shards);
        bed.authenticate = ann;
        // A day later.
        bed.advance(86_400_000);
        bed.store.begin_with(live.clone());
        let mut text = String::new();
        tell_counts(&mut text, bed.crash(shards));
        for of in &bed.store.lost {
            let (number, filters, messages) = (of.number, &of.subscriptions, of.messages);
            writeln!(
                text,
                "lost session {number} filters {filters:?} messages {messages}"
            )
            .unwrap();
        }
        for client_id in client_ids(&mut bed) {
            tell_session(&mut text, &mut bed, &client_id);
        }
        tell_groups(&mut text, &mut bed);
        come_back(&mut text, &mut bed);
        assert_eq!(text, wanted, "{shards} shards; it is now:\n{text}");
        bed.check_books();
    }
}

/// The records that live in it, which is sound.
fn read(store: &Path) -> BTreeMap<u64, Vec<u8>> {
    let temp = tempfile::tempdir().unwrap();
    crate::copy(store, temp.path());
    let files = DiskFiles::open(temp.path()).unwrap();
    let (mut log, found) = Log::open(files, Options::new(1), &mut |_| ()).unwrap();
    assert_eq!((found.damage, found.torn_bytes), (Vec::new(), 0));
    let mut live = BTreeMap::new();
    let mut from = Some(Position::new(0));
    while let Some(position) = from {
        let next = log.replay(position, 64, |position, record| {
            live.insert(position.value(), record.to_vec());
        });
        from = next.unwrap();
    }
    assert_eq!(log.take_damage(), []);
    live
}

fn tell_counts(text: &mut String, counts: RecoveredCounts) {
    let RecoveredCounts {
        sessions,
        subscriptions,
        queued,
        retained,
        expired,
        unusable,
    } = counts;
    writeln!(
        text,
        "found {sessions} sessions, {subscriptions} subscriptions, {queued} queued, {retained} \
         retained; expired {}, {}, {}; unusable {unusable}",
        expired.sessions, expired.queued, expired.retained
    )
    .unwrap();
}

fn client_ids(bed: &mut Bed) -> Vec<Arc<str>> {
    let mut all = Vec::new();
    for shard in 0..bed.shards.len() {
        let query = SessionsQuery {
            rows_max: 100,
            ..SessionsQuery::default()
        };
        match bed.request(shard, Request::Sessions(query)) {
            Answer::Sessions(page) => all.extend(page.rows.into_iter().map(|r| r.key.client_id)),
            other => panic!("{other:?}"),
        }
    }
    all.sort();
    all
}

fn tell_session(text: &mut String, bed: &mut Bed, client_id: &Arc<str>) {
    let client_id = Arc::clone(client_id);
    let answer = bed.request_home(&client_id.clone(), Request::Session { client_id });
    let Answer::Session(Some(session)) = answer else {
        panic!("{answer:?}");
    };
    let SessionDetail {
        row,
        groups,
        subscriptions,
        inflight,
        unreleased,
        will,
        ..
    } = *session;
    writeln!(
        text,
        "session {} user {:?} groups {groups:?} from {:?} expiry {} ends {:?} queued {} unreleased {unreleased}",
        row.key.client_id, row.user, row.addr, row.expiry_secs, row.expires_unix_ms, row.queued
    )
    .unwrap();
    for SubscriptionRow {
        key,
        qos,
        no_local,
        retain_as_published,
        identifier,
        ..
    } in subscriptions
    {
        let (filter, group, qos) = (key.filter, key.group, qos.as_u8());
        writeln!(
            text,
            "  subscription {filter} group {group:?} qos {qos} no local {no_local} as published \
             {retain_as_published} identifier {identifier}"
        )
        .unwrap();
    }
    for of in inflight {
        let (topic, step) = (of.message.topic, of.step);
        writeln!(text, "  in flight {topic} as {} {step:?}", of.packet_id).unwrap();
    }
    if let Some(will) = will {
        let (topic, qos, retain, delay) =
            (will.topic, will.qos.as_u8(), will.retain, will.delay_secs);
        writeln!(
            text,
            "  will {topic} qos {qos} retain {retain} after {delay}"
        )
        .unwrap();
    }
}

fn tell_groups(text: &mut String, bed: &mut Bed) {
    let mut all = Vec::new();
    for shard in 0..bed.shards.len() {
        let query = GroupsQuery {
            rows_max: 100,
            ..GroupsQuery::default()
        };
        match bed.request(shard, Request::Groups(query)) {
            Answer::Groups(page) => all.extend(page.rows.into_iter().map(|r| (r.key, r.members))),
            other => panic!("{other:?}"),
        }
    }
    all.sort();
    for (key, members) in all {
        writeln!(
            text,
            "group {} of {} members {members}",
            key.name, key.filter
        )
        .unwrap();
    }
}

/// Each client comes back and takes what there is; a session with a Will ends; somebody new asks for what
/// is retained.
fn come_back(text: &mut String, bed: &mut Bed) {
    let sessions = [
        keeping(V5, "press/1").login("ann", b"secret"),
        keeping(V311, "panel"),
        keeping(V5, "office"),
        keeping(V5, "machine"),
        keeping(V5, "orders"),
        keeping(V5, "staying"),
    ];
    for options in sessions {
        writeln!(text, "to {}", options.client_id).unwrap();
        let client = bed.connect_with(&options.clean(false));
        tell_packets(text, bed, client);
        bed.disconnect(client);
    }
    let witness = bed.connect(V5, "witness");
    bed.subscribe(witness, "gate/#", QOS_1);
    writeln!(text, "will").unwrap();
    bed.command(Command::Disconnect {
        client_id: "gate".into(),
        end_session: true,
    });
    tell_packets(text, bed, witness);
    writeln!(text, "retained").unwrap();
    let mut topics = String::new();
    let new = bed.connect(V5, "new");
    bed.subscribe(new, "retained/#", QOS_1);
    tell_packets(&mut topics, bed, new);
    let mut topics: Vec<&str> = topics.lines().collect();
    topics.sort_unstable();
    text.extend(topics.into_iter().flat_map(|line| [line, "\n"]));
}

/// Tells of packets until no more come. Packet ids of what was not sent before are the broker's choice.
fn tell_packets(text: &mut String, bed: &mut Bed, client: ClientIx) {
    loop {
        let inbox = bed.take(client);
        let packets = inbox.packets();
        if packets.is_empty() {
            return;
        }
        for packet in &packets {
            match packet {
                Packet::Publish(of) => {
                    let payload = match of.payload.first() {
                        Some(0xff) => format!("{} bytes", of.payload.len()),
                        _ => String::from_utf8_lossy(of.payload).into_owned(),
                    };
                    let id = of.packet_id.filter(|_| of.dup);
                    let (topic, qos, retain) = (of.topic, of.qos.as_u8(), of.retain);
                    let again = id.map(|id| format!(" again as {id}")).unwrap_or_default();
                    let with = with(of.properties);
                    writeln!(
                        text,
                        "  {topic} qos {qos} retain {retain}{again}: {payload}{with}"
                    )
                    .unwrap();
                }
                Packet::PubRel(of) => writeln!(text, "  PUBREL {}", of.packet_id).unwrap(),
                _ => {}
            }
            bed.answer(client, packet);
        }
    }
}

fn with(properties: Properties<'_>) -> String {
    let mut text = String::new();
    for Property { id, value, .. } in properties.iter() {
        write!(text, "; {} {value:?}", id.name()).unwrap();
    }
    text
}
