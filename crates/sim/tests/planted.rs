//! What a store must not do is noticed: each fault fails one of fifty seeds, which passes without it.

use std::ops::Range;

use columba_sim::{Options, Planted, run};

fn is_found(planted: Planted) {
    is_found_in(1..51, planted);
}

fn is_found_in(seeds: Range<u64>, planted: Planted) {
    is_found_with(Options::default(), seeds, planted);
}

fn is_found_with(sound: Options, seeds: Range<u64>, planted: Planted) {
    let faulty = Options {
        planted: Some(planted),
        ..sound
    };
    for seed in seeds {
        if run(seed, faulty).failure.is_some() {
            let without = run(seed, sound).failure;
            assert_eq!(without, None, "seed {seed} fails without a fault");
            return;
        }
    }
    panic!("{planted:?} fails none of fifty seeds");
}

#[test]
fn what_is_not_synced() {
    is_found(Planted::Unsynced);
}

/// It takes a death of the process alone, between what was told to be written and its sync: one seed of
/// a hundred has it.
#[test]
fn what_is_not_written() {
    is_found_in(151..201, Planted::Unwritten);
}

#[test]
fn a_batch_without_its_last_record() {
    is_found(Planted::LastRecord);
}

/// It takes a death between the two, and a message that the one half makes complete without the other.
#[test]
fn a_batch_in_two_steps() {
    is_found(Planted::Halves);
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

/// It takes a disk that is full while something else is put in place of what has found no room, and a death
/// before there is room again.
#[test]
fn a_release_that_passes_what_has_found_no_room() {
    let tight = Options {
        is_tight: true,
        ..Options::default()
    };
    is_found_with(tight, 51..101, Planted::LostTurn);
}

/// Sessions, subscriptions, messages, steps of QoS 2 deliveries, notes of copies that are done, packet
/// ids of publishers, retained messages, and notes of those that were cleared.
#[test]
fn records_of_a_kind_that_are_lost() {
    for kind in [2, 3, 4, 5, 6, 7, 8, 9, 11] {
        is_found(Planted::RecordsOf(kind));
    }
}
