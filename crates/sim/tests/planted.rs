//! What a store must not do is noticed: each fault fails one of the first seeds, which passes without
//! it.

use columba_sim::{Options, Planted, run};

/// The seeds in which a fault has to show itself.
const SEEDS: std::ops::Range<u64> = 1..41;

fn is_found(planted: Planted) {
    let sound = Options {
        // Only there does one batch pass another.
        is_tight: planted == Planted::LostTurn,
        ..Options::default()
    };
    let faulty = Options {
        planted: Some(planted),
        ..sound
    };
    for seed in SEEDS {
        if run(seed, faulty).failure.is_some() {
            let without = run(seed, sound).failure;
            assert_eq!(without, None, "seed {seed} fails without a fault");
            return;
        }
    }
    panic!("{planted:?} fails no seed of {SEEDS:?}");
}

#[test]
fn what_is_not_synced() {
    is_found(Planted::Unsynced);
}

#[test]
fn a_batch_without_its_last_record() {
    is_found(Planted::LastRecord);
}

#[test]
fn a_release_before_what_takes_its_place() {
    is_found(Planted::EarlyRelease);
}

#[test]
fn a_release_that_its_records_go_without() {
    is_found(Planted::LateRelease);
}

#[test]
fn a_release_that_is_lost() {
    is_found(Planted::LostRelease);
}

/// Sessions, subscriptions, messages, steps of QoS 2 deliveries, and notes of copies that are done.
#[test]
fn records_of_a_kind_that_are_lost() {
    (2..=7).for_each(|kind| is_found(Planted::RecordsOf(kind)));
}
