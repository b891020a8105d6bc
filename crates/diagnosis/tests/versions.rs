//! Recordings of another version of the broker.

use std::sync::Arc;

use columba_broker::event::Now;
use columba_broker::recorder::{Chunk, Recording};
use columba_diagnosis::evidence::{Evidence, Question};

/// A chunk of events with entries of this outcome, and one that only a later version knows.
fn chunk(sequence: u64, unix_ms: u64, entries: u8) -> Arc<Chunk> {
    let mut bytes = b"CREC\x01\x00\x00\x00".to_vec();
    for number in [sequence, unix_ms, unix_ms] {
        bytes.extend(number.to_be_bytes());
    }
    for text in ["publish.no_match", "publish.of_the_future"] {
        bytes.extend([text.len() as u8 + 1, 0]);
        bytes.extend(text.as_bytes());
    }
    for age_ms in 0..entries {
        // A line of an entry: its outcome by number, its age, and no field.
        bytes.extend([4, 2, u8::from(age_ms == 1), age_ms, 0]);
    }
    Arc::new(Chunk::read(&bytes).expect("a chunk"))
}

fn coverage_from_ms(chunks: Vec<Arc<Chunk>>) -> u64 {
    let question = Question {
        to_ms: 10_000,
        ..Question::default()
    };
    let now = Now {
        mono_ms: 10_000,
        unix_ms: 10_000,
    };
    let recording = Recording {
        chunks,
        ..Recording::default()
    };
    let evidence = Evidence::from_recordings(question, Vec::new(), now, &[recording]);
    evidence.coverage.from_ms
}

#[test]
fn entries_that_only_a_later_version_knows_are_no_gap() {
    let whole = vec![chunk(0, 1_000, 3), chunk(3, 2_000, 3), chunk(6, 3_000, 3)];
    assert_eq!(coverage_from_ms(whole), 1_000);
    // What is missing is one.
    let with_gap = vec![chunk(0, 1_000, 3), chunk(3, 2_000, 3), chunk(7, 3_000, 3)];
    assert_eq!(coverage_from_ms(with_gap), 3_001);
}

/// Entries of one millisecond fill more than a chunk.
#[test]
fn what_was_lost_may_be_of_the_millisecond_with_which_the_rest_begins() {
    let cut = vec![chunk(3, 2_000, 3), chunk(6, 3_000, 3)];
    assert_eq!(coverage_from_ms(cut), 2_001);
}
