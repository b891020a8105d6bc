//! The recorder as a whole: what comes back, what it costs, what it leaves out.

use std::net::SocketAddr;

use super::*;
use crate::hash::Map;
use crate::limits::RecorderSize;
use columba_codec::QoS;

const HASHING: Hashing = Hashing::with_seed(7);

fn at(mono_ms: u64) -> Now {
    Now {
        mono_ms,
        unix_ms: 1_700_000_000_000 + mono_ms,
    }
}

fn recorder(bytes_max: usize) -> Recorder {
    Recorder::new(ShardId(3), bytes_max, HASHING)
}

/// All entries of a tape, oldest first: time, outcome, client, topic, times.
fn told(recording: &Recording, tape: TapeName) -> Vec<(u64, Outcome, String, String, u64)> {
    let chunks = recording.chunks.iter().filter(|chunk| chunk.tape() == tape);
    let lines = chunks.flat_map(|chunk| chunk.entries());
    lines
        .filter_map(|line| match line.unwrap() {
            Line::Entry(entry) => Some((
                entry.mono_ms,
                entry.outcome,
                entry.facts.client.to_owned(),
                entry.facts.topic.to_owned(),
                entry.times,
            )),
            Line::Gap { .. } => None,
        })
        .collect()
}

#[test]
fn an_entry_comes_back_as_it_went_in_from_memory_and_from_a_file() {
    let mut recorder = recorder(1 << 20);
    let full = Facts {
        client: "客户端-1",
        by: "publisher",
        topic: "home/温度",
        detail: "denied by etc/acl.toml:14",
        peer: Some("192.168.1.40:51234".parse().unwrap()),
        message: 3 << 48 | 17,
        qos: Some(QoS::ExactlyOnce),
        flags: flag::RETAIN | flag::AGAIN,
        packet_id: 65_535,
        size_bytes: 70_000,
        count: 2,
        secs: u64::from(u32::MAX),
        payload: Some(PayloadKind::Gbk),
    };
    let all = [
        full,
        Facts::default(),
        Facts {
            client: full.client,
            peer: Some("[2001:db8::1]:1883".parse().unwrap()),
            qos: Some(QoS::AtMostOnce),
            ..Facts::default()
        },
    ];
    for facts in &all {
        recorder.note_event(at(5), Outcome::PublishDeniedAcl, 1, facts);
    }
    let recording = recorder.recording(at(5));
    assert_eq!(recording.shard, 3);
    let [chunk] = recording.chunks.as_slice() else {
        panic!("{:?}", recording.chunks.len());
    };
    let mut file = Vec::new();
    chunk.write(&mut file);
    for chunk in [&**chunk, &Chunk::read(&file).unwrap()] {
        let entries: Vec<_> = chunk.entries().map(Result::unwrap).collect();
        for (at, (line, facts)) in entries.iter().zip(&all).enumerate() {
            let Line::Entry(entry) = line else { panic!() };
            assert_eq!(entry.facts, *facts);
            assert_eq!((entry.sequence, entry.times), (at as u64, 1));
            assert_eq!((entry.mono_ms, entry.unix_ms), (5, 1_700_000_000_005));
        }
        assert_eq!(entries.len(), all.len());
    }
}

#[test]
fn any_damage_to_a_chunk_ends_its_reading_and_nothing_else() {
    let mut recorder = recorder(1 << 20);
    for number in 0..20 {
        let topic = format!("t/{number}");
        let facts = Facts {
            client: "c",
            topic: &topic,
            detail: "é",
            count: number * 1000,
            ..Facts::default()
        };
        recorder.note_event(at(number), Outcome::PublishBadTopic, number, &facts);
    }
    let mut file = Vec::new();
    recorder.recording(at(20)).chunks[0].write(&mut file);
    for at in 0..file.len() {
        for change in [0xff, 0x01, 0x80] {
            let mut bytes = file.clone();
            bytes[at] ^= change;
            if let Ok(chunk) = Chunk::read(&bytes) {
                assert!(chunk.entries().count() <= file.len());
            }
        }
        if let Ok(chunk) = Chunk::read(&file[..at]) {
            let _ = chunk.entries().count();
        }
    }
}

#[test]
fn strangers_of_one_address_that_fail_in_different_ways_are_different_faults() {
    for outcome in [
        Outcome::ConnectHandshake,
        Outcome::ConnectWrongProtocol,
        Outcome::ConnectQuota,
        Outcome::ConnectMalformed,
        Outcome::ConnectVersion,
        Outcome::ConnectTimeout,
    ] {
        let mut recorder = recorder(1 << 20);
        for (n, detail) in ["expired", "expired", "unknown"].into_iter().enumerate() {
            let facts = Facts {
                detail,
                ..Facts::default()
            };
            recorder.note_fault(at(n as u64), outcome, 7, 0, &facts);
        }
        let lines = told(&recorder.recording(at(9)), TapeName::Events);
        let times: Vec<u64> = lines.iter().map(|line| line.4).collect();
        assert_eq!(times, [1, 1, 1], "{outcome}: {lines:?}");
    }
}

#[test]
fn what_was_counted_is_told_with_its_port_if_that_was_one() {
    let mut recorder = recorder(1 << 20);
    let told = |recorder: &mut Recorder, ports: &[u16]| {
        for port in ports {
            let facts = Facts {
                detail: "HTTP on a port for MQTT",
                peer: Some(SocketAddr::from(([127, 0, 0, 1], *port))),
                ..Facts::default()
            };
            recorder.note_fault(at(1), Outcome::ConnectWrongProtocol, 7, 0, &facts);
        }
        let mut told = Vec::new();
        for chunk in &recorder.recording(at(9)).chunks {
            for line in chunk.entries() {
                if let Line::Entry(entry) = line.expect("a line") {
                    let address = entry.facts.address().expect("an address");
                    told.push((entry.times, address));
                }
            }
        }
        told
    };
    let line = |times, address: &str| (times, address.to_owned());
    let mut lines = vec![line(1, "127.0.0.1:1"), line(2, "127.0.0.1")];
    assert_eq!(told(&mut recorder, &[1, 2, 3]), lines);
    // What was told before is no part of the next line.
    lines.push(line(1, "127.0.0.1:4"));
    assert_eq!(told(&mut recorder, &[4]), lines);
    lines.push(line(2, "127.0.0.1:5"));
    assert_eq!(told(&mut recorder, &[5, 5]), lines);
    lines.push(line(3, "127.0.0.1"));
    assert_eq!(told(&mut recorder, &[5, 6, 5]), lines);
}

/// What a busy broker with many clients and topics puts into one recorder.
fn fill(recorder: &mut Recorder, clients: u64, topics: u64, mut look: impl FnMut(&Recorder)) {
    for number in 0..topics {
        let now = at(number * 2);
        let client = format!("client-with-a-long-name-{:06}", number % clients);
        let topic = format!("plant/hall-{}/line-{number:06}/temperature", number % 40);
        let client_hash = hash_of_text(&client);
        let mut facts = Facts {
            client: &client,
            topic: &topic,
            ..Facts::default()
        };
        recorder.note_event(now, Outcome::ConnectAccepted, client_hash, &facts);
        let detail = "denied by etc/acl.toml:14, as it is for all that ".repeat(8);
        facts.detail = &detail;
        recorder.note_fault(now, Outcome::PublishDeniedAcl, client_hash, number, &facts);
        facts.detail = "";
        facts.message = recorder.follow(now, &topic, number);
        recorder.note_in_ledger(now, Outcome::PublishAccepted, &facts);
        let taken = Taken {
            topic: &topic,
            topic_hash: hash_of_text(&topic),
            payload_bytes: 100,
            publisher: client_hash,
            is_matched: true,
        };
        recorder.note_topic(now, &taken, || Some(client.as_str().into()));
        if number % 1000 == 999 {
            look(recorder);
        }
    }
}

#[test]
fn a_hundred_thousand_clients_and_twice_as_many_topics_fit_into_every_preset() {
    // Of one shard, and the least that a shard has of the small one.
    for bytes_max in [
        RecorderSize::Standard.bytes_of_shard(1),
        RecorderSize::Small.bytes_of_shard(1),
        RecorderSize::Small.bytes_of_shard(64),
    ] {
        let mut recorder = recorder(bytes_max);
        let mut most = 0;
        fill(&mut recorder, 100_000, 200_000, |recorder| {
            most = most.max(recorder.memory_bytes());
        });
        assert!(most <= bytes_max, "{most} of {bytes_max} bytes");
        // It is used, and each layer has its part.
        assert!(most > bytes_max / 10 * 6, "{most} of {bytes_max} bytes");
        let tables = recorder.repeats.memory_bytes()
            + recorder.fairness.memory_bytes()
            + recorder.pace.quiet.capacity() * size_of::<u32>();
        let expected = TABLES_BYTES / 10 * 7..=TABLES_BYTES;
        assert!(expected.contains(&tables), "{tables} bytes of tables");
        for name in [TapeName::Events, TapeName::Ledger] {
            let lines = told(&recorder.recording(at(400_000)), name).len();
            assert!(lines * 1000 > bytes_max / 1000, "{lines} lines of {name:?}");
        }
        assert!(recorder.topics().len() > bytes_max / 8000);
    }
}

#[test]
fn memory_stays_within_the_bound_and_what_was_overwritten_is_counted() {
    let bytes_max = 1 << 20;
    let mut recorder = recorder(bytes_max);
    let mut sent = 0;
    for number in 0..100_000_u64 {
        let now = at(number * 20);
        let (client, topic) = (
            format!("client-{}", number % 5000),
            format!("topic/{number}"),
        );
        let client_hash = hash_of_text(&client);
        let mut facts = Facts {
            client: &client,
            topic: &topic,
            detail: "denied by etc/acl.toml:14",
            ..Facts::default()
        };
        recorder.note_fault(now, Outcome::PublishDeniedAcl, client_hash, number, &facts);
        facts.message = recorder.follow(now, "topic", number);
        recorder.note_in_ledger(now, Outcome::PublishAccepted, &facts);
        sent += 1;
        if number % 1000 == 0 {
            let bytes = recorder.memory_bytes();
            assert!(bytes <= bytes_max, "{bytes} bytes after {number}");
        }
    }
    let recording = recorder.recording(at(100_000 * 20));
    let events =
        told(&recording, TapeName::Events).len() + told(&recording, TapeName::Excess).len();
    assert_eq!(events as u64 + recording.overwritten, sent);
    assert!(recording.overwritten > 0 && events > 1000, "{events}");
}

fn hash_of_text(text: &str) -> u64 {
    hash_of(&HASHING, text)
}

/// Cause 1: two clients with one id that throw each other out, for hours.
#[test]
fn a_client_that_flaps_pushes_out_nobody_elses_history() {
    let mut recorder = recorder(1 << 20);
    let event = |recorder: &mut Recorder, now, client: &str| {
        let facts = Facts {
            client,
            ..Facts::default()
        };
        let hash = hash_of_text(client);
        recorder.note_event(now, Outcome::ConnectAccepted, hash, &facts);
    };
    event(&mut recorder, at(1), "quiet");
    for number in 0..200_000 {
        event(&mut recorder, at(2 + number), "flapping");
    }
    let now = at(200_000);
    let events = told(&recorder.recording(now), TapeName::Events);
    assert_eq!(events[0].2, "quiet");
    // Its burst, and one each ten seconds.
    assert!(events.len() < 2 + 32 + 21, "{}", events.len());
    let excess = told(&recorder.recording(now), TapeName::Excess);
    assert!(excess.len() > 100 && excess.iter().all(|entry| entry.2 == "flapping"));
}

#[test]
fn faults_on_many_topics_in_turn_push_out_nobody_elses_history() {
    let mut recorder = recorder(1 << 20);
    let fault = |recorder: &mut Recorder, now, client: &str, topic: &str| {
        let facts = Facts {
            client,
            topic,
            ..Facts::default()
        };
        let (client, topic) = (hash_of_text(client), hash_of_text(topic));
        recorder.note_fault(now, Outcome::DeliverQueueFull, client, topic, &facts);
    };
    fault(&mut recorder, at(1), "quiet", "q");
    let topics: Vec<String> = (0..256).map(|n| format!("t/{n}")).collect();
    for turn in 0..400 {
        for topic in &topics {
            // The second is counted, and told when another topic takes its place.
            fault(&mut recorder, at(2 + turn * 100), "busy", topic);
            fault(&mut recorder, at(2 + turn * 100), "busy", topic);
        }
        // As the thread that writes the tapes to the disk does.
        recorder.recording(at(3 + turn * 100));
    }
    let now = at(40_100);
    let events = told(&recorder.recording(now), TapeName::Events);
    assert_eq!(events[0].2, "quiet");
    // Its burst, and one each ten seconds.
    assert!(events.len() <= 1 + 32 + 5, "{}", events.len());
    let excess = told(&recorder.recording(now), TapeName::Excess);
    assert!(excess.len() > 100 && excess.iter().all(|entry| entry.2 == "busy"));
}

#[test]
fn denials_by_two_rules_in_turn_are_counted_each() {
    let mut recorder = recorder(1 << 20);
    for ms in 0..1000 {
        let facts = Facts {
            client: "c",
            topic: "t",
            detail: ["acl.toml:1", "acl.toml:2"][ms as usize % 2],
            ..Facts::default()
        };
        recorder.note_fault(at(ms), Outcome::PublishDeniedAcl, 1, 2, &facts);
    }
    let recording = recorder.recording(at(1000));
    let lines = recording.chunks.iter().flat_map(|chunk| chunk.entries());
    let mut lines: Vec<_> = lines
        .map(|line| match line.unwrap() {
            Line::Entry(entry) => (entry.facts.detail.to_owned(), entry.times),
            Line::Gap { .. } => panic!(),
        })
        .collect();
    lines.sort();
    let expected = [1, 2].map(|line| [1, 499].map(|times| (format!("acl.toml:{line}"), times)));
    assert_eq!(lines, expected.concat());
}

#[test]
fn a_fault_that_comes_again_is_written_once_and_counted() {
    let mut recorder = recorder(1 << 20);
    let fault = |recorder: &mut Recorder, now, topic: &str| {
        let facts = Facts {
            client: "c",
            topic,
            ..Facts::default()
        };
        let (client, topic) = (hash_of_text("c"), hash_of_text(topic));
        recorder.note_fault(now, Outcome::DeliverQueueFull, client, topic, &facts);
    };
    for ms in 0..1000 {
        fault(&mut recorder, at(ms), "a");
    }
    fault(&mut recorder, at(1000), "b");
    let events = told(&recorder.recording(at(1000)), TapeName::Events);
    let lines: Vec<_> = events.iter().map(|of| (of.0, &*of.3, of.4)).collect();
    assert_eq!(lines, [(0, "a", 1), (1000, "b", 1), (999, "a", 999)]);
    // What was told is not told again.
    assert_eq!(
        told(&recorder.recording(at(1001)), TapeName::Events).len(),
        3
    );
    fault(&mut recorder, at(1002), "a");
    fault(&mut recorder, at(50_000), "a");
    let events = told(&recorder.recording(at(50_000)), TapeName::Events);
    let lines: Vec<_> = events
        .iter()
        .skip(3)
        .map(|of| (of.0, &*of.3, of.4))
        .collect();
    assert_eq!(lines, [(1002, "a", 1), (50_000, "a", 1)]);
}

#[test]
fn the_ledger_reaches_back_a_minute_at_any_load_and_says_what_it_left_out() {
    let mut recorder = recorder(4 << 20);
    let mut followed = 0_u64;
    let mut all = 0_u64;
    for ms in 0..90_000_u64 {
        for topic in 0..100_u64 {
            let number = recorder.follow(at(ms), "topic", topic);
            all += 1;
            followed += u64::from(number != 0);
            let topic = format!("busy/{topic}");
            let facts = Facts {
                client: "publisher",
                topic: &topic,
                message: number,
                ..Facts::default()
            };
            recorder.note_in_ledger(at(ms), Outcome::PublishAccepted, &facts);
        }
    }
    let recording = recorder.recording(at(90_000));
    assert_eq!(followed + recording.left_out, all);
    let ledger = told(&recording, TapeName::Ledger);
    assert!(ledger[0].0 <= 30_000, "reaches back to {}", ledger[0].0);
    assert!(ledger.len() > 10_000, "{}", ledger.len());
    let chunks = recording
        .chunks
        .iter()
        .filter(|of| of.tape() == TapeName::Ledger);
    let gaps = chunks.flat_map(|chunk| chunk.entries());
    let gaps = gaps.filter(|line| matches!(line, Ok(Line::Gap { .. })));
    assert!(gaps.count() > 0);
}

#[test]
fn a_quiet_topic_is_followed_while_others_are_left_out() {
    let mut recorder = recorder(1 << 20);
    let mut missed = 0;
    for ms in 0..10_000_u64 {
        for _ in 0..50 {
            let message = recorder.follow(at(ms), "topic", 1);
            let facts = Facts {
                client: "busy",
                topic: "busy",
                message,
                ..Facts::default()
            };
            recorder.note_in_ledger(at(ms), Outcome::PublishAccepted, &facts);
        }
        if ms % 1000 == 999 {
            missed += usize::from(recorder.follow(at(ms), "topic", 2) == 0);
        }
    }
    assert_eq!(missed, 0);
    assert!(recorder.recording(at(10_000)).left_out > 100_000);
}

#[test]
fn a_clock_that_is_set_begins_a_chunk() {
    let mut recorder = recorder(1 << 20);
    let facts = Facts::default();
    for now in [
        at(10),
        at(20),
        Now {
            mono_ms: 30,
            unix_ms: 50,
        },
        Now {
            mono_ms: 40,
            unix_ms: 60,
        },
    ] {
        recorder.note_event(now, Outcome::ConnectTimeout, 0, &facts);
    }
    let recording = recorder.recording(Now {
        mono_ms: 40,
        unix_ms: 60,
    });
    let times: Vec<_> = recording
        .chunks
        .iter()
        .flat_map(|chunk| chunk.entries())
        .map(|line| match line.unwrap() {
            Line::Entry(entry) => (entry.mono_ms, entry.unix_ms),
            Line::Gap { .. } => panic!(),
        })
        .collect();
    assert_eq!(
        times,
        [
            (10, 1_700_000_000_010),
            (20, 1_700_000_000_020),
            (30, 50),
            (40, 60)
        ]
    );
}

#[test]
fn numbers_of_messages_differ_on_all_shards() {
    let mut seen = Map::with_hasher(HASHING);
    for shard in 0..4 {
        let mut recorder = Recorder::new(ShardId(shard), 1 << 20, HASHING);
        for topic in 0..100 {
            let number = recorder.follow(at(0), "topic", topic);
            assert!(number != 0 && seen.insert(number, ()).is_none());
        }
    }
    assert_eq!(
        Recorder::new(ShardId(0), 0, HASHING).follow(at(0), "topic", 1),
        0
    );
}

#[test]
fn a_long_text_is_cut_where_a_character_ends_and_its_fault_is_written_each_time() {
    let mut recorder = recorder(1 << 20);
    let long = "é".repeat(600);
    let facts = Facts {
        client: "c",
        topic: &long,
        ..Facts::default()
    };
    for ms in 0..3 {
        recorder.note_fault(at(ms), Outcome::PublishDeniedAcl, 1, 2, &facts);
    }
    let events = told(&recorder.recording(at(3)), TapeName::Events);
    // Counted, its text would be kept beside the tape.
    assert_eq!(events.len(), 3);
    for (_, _, _, topic, times) in events {
        assert_eq!((topic.as_str(), times), ("é".repeat(512).as_str(), 1));
    }
}

/// Who asks about the very moment of a message finds what happened at that moment.
#[test]
fn what_was_counted_before_a_chunk_began_keeps_its_time() {
    let mut recorder = recorder(1 << 20);
    let facts = Facts {
        client: "esp",
        topic: "t",
        ..Facts::default()
    };
    for ms in [100, 205] {
        recorder.note_fault(at(ms), Outcome::PublishDeniedAcl, 1, 2, &facts);
    }
    let facts = Facts {
        client: "esp",
        detail: "a reason of some length, so that chunks fill up soon enough for a test",
        ..Facts::default()
    };
    for ms in 300..9_000 {
        recorder.note_event(at(ms), Outcome::ConnectAccepted, ms, &facts);
    }
    let recording = recorder.recording(at(9_000));
    assert!(recording.chunks.len() > 1);
    let events = told(&recording, TapeName::Events);
    let last = events.last().expect("an entry");
    assert_eq!((last.0, last.1), (205, Outcome::PublishDeniedAcl));
}

#[test]
fn a_recorder_that_is_off_keeps_nothing() {
    let mut recorder = recorder(0);
    let facts = Facts {
        message: 1,
        ..Facts::default()
    };
    recorder.note_event(at(0), Outcome::ConnectAccepted, 1, &facts);
    recorder.note_fault(at(0), Outcome::PublishDeniedAcl, 1, 2, &facts);
    recorder.note_in_ledger(at(0), Outcome::PublishAccepted, &facts);
    assert!(recorder.count_fault(at(0), Outcome::PublishDeniedAcl, 1, 2));
    assert_eq!(recorder.recording(at(0)).chunks.len(), 0);
    assert_eq!(recorder.memory_bytes(), 0);
}

#[test]
fn chunks_of_which_all_was_seen_are_not_given_again() {
    let mut recorder = recorder(1 << 20);
    let facts = Facts {
        client: "esp",
        ..Facts::default()
    };
    let accepted = Outcome::ConnectAccepted;
    for n in 0..5 {
        recorder.note_event(at(n), accepted, 7, &facts);
    }
    let all = recorder.recording(at(5));
    assert_eq!((all.chunks.len(), all.chunks[0].end()), (1, 5));
    let seen = Seen {
        events: 5,
        ..Seen::default()
    };
    assert_eq!(recorder.recording_since(at(5), seen).chunks.len(), 0);
    // The chunk comes again as a whole when it has grown.
    recorder.note_event(at(6), accepted, 7, &facts);
    let new = recorder.recording_since(at(6), seen);
    assert_eq!((new.chunks[0].sequence(), new.chunks[0].end()), (0, 6));
    assert_eq!(told(&new, TapeName::Events).len(), 6);
}

#[test]
fn full_chunks_are_given_from_the_first_that_has_something_new() {
    let mut recorder = recorder(1 << 20);
    let facts = Facts {
        client: "esp",
        detail: "a reason of some length, so that chunks fill up soon enough for a test",
        ..Facts::default()
    };
    for n in 0..20_000 {
        recorder.note_event(at(n * 20_000), Outcome::ConnectAccepted, n, &facts);
    }
    let now = at(20_000 * 20_000);
    let all = recorder.recording(now).chunks;
    assert!(all.len() > 3, "{}", all.len());
    for (chunk, next) in all.iter().zip(all.iter().skip(1)) {
        assert_eq!(chunk.end(), next.sequence());
        for (events, first) in [(chunk.end() - 1, chunk), (chunk.end(), next)] {
            let seen = Seen {
                events,
                ..Seen::default()
            };
            let new = recorder.recording_since(now, seen).chunks;
            assert_eq!(new[0].sequence(), first.sequence());
        }
    }
}

#[test]
fn entries_are_counted_on_when_the_size_changes() {
    let mut recorder = recorder(1 << 20);
    let facts = Facts {
        client: "esp",
        ..Facts::default()
    };
    for n in 0..5 {
        recorder.note_event(at(n), Outcome::ConnectAccepted, 7, &facts);
    }
    recorder.resize(at(0), 2 << 20, HASHING);
    recorder.note_event(at(6), Outcome::ConnectAccepted, 7, &facts);
    let chunks = recorder.recording(at(7)).chunks;
    assert_eq!((chunks.len(), chunks[0].sequence()), (1, 5));
    // It has the new size: half of what the tables leave of it is the ledger's.
    let ledger = ((2 << 20) - TABLES_BYTES) / 16 * 8;
    assert_eq!(recorder.ledger.bytes_max(), ledger);
}

#[test]
fn private_topics_are_not_in_the_table() {
    let mut recorder = recorder(1 << 20);
    let note = |recorder: &mut Recorder, topic: &str| {
        let seen = Taken {
            topic,
            topic_hash: hash_of_text(topic),
            payload_bytes: 1,
            publisher: 0,
            is_matched: true,
        };
        recorder.note_topic(at(1), &seen, || None);
    };
    let topics = |recorder: &Recorder| {
        let table = recorder.topics();
        let entries = (0..table.slots()).filter_map(|slot| table.get(slot));
        let mut topics: Vec<_> = entries.map(|entry| entry.topic.to_string()).collect();
        topics.sort_unstable();
        topics
    };
    for topic in ["home/a", "patients/1", "patients/2"] {
        note(&mut recorder, topic);
    }
    recorder.keep_private(&["patients/+".into()].into());
    assert_eq!(topics(&recorder), ["home/a"]);
    for topic in ["patients/1", "home/a", "home/b"] {
        note(&mut recorder, topic);
    }
    assert_eq!(topics(&recorder), ["home/a", "home/b"]);
    // Another size keeps them private.
    recorder.resize(at(2), 2 << 20, HASHING);
    note(&mut recorder, "patients/1");
    assert!(topics(&recorder).is_empty());
}
