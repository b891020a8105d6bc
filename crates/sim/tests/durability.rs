//! A store that does not wait for its disk, as with `durability = "os"`: what it says outlives the process,
//! and a loss of power leaves something that a broker starts on.

use columba_sim::{Options, Planted, run};

const OS: Options = Options {
    is_traced: false,
    tamper: None,
    is_tight: false,
    is_synced: Some(false),
    planted: None,
};

/// The last one failed once: an operator ended a subscription of a session that had come back.
const SEEDS: [u64; 5] = [3, 5, 9, 14, 191];

#[test]
fn what_was_acknowledged_outlives_the_process() {
    for seed in SEEDS {
        let failure = run(seed, OS).failure;
        assert_eq!(failure, None, "seed {seed}, with --durability os");
    }
}

/// A system that forgets what was written when a process dies.
#[test]
fn a_death_of_the_process_that_costs_what_was_written_is_noticed() {
    let options = Options {
        planted: Some(Planted::Unwritten),
        ..OS
    };
    let failed = (1..21).filter(|seed| run(*seed, options).failure.is_some());
    let failed = failed.count();
    assert!(failed >= 5, "{failed} of 20 seeds notice it");
}

/// With a store that is synced the same seed is another run: the options are not ignored.
#[test]
fn the_seed_decides_unless_it_is_told() {
    let synced = Options {
        is_synced: Some(true),
        ..OS
    };
    let hashes = |options| SEEDS.map(|seed| run(seed, options).trace_hash);
    assert_ne!(hashes(OS), hashes(synced));
}
