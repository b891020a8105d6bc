//! Deterministic workloads of the core, for a profiler that counts instructions.
//!
//! `cargo xtask instructions` runs this under callgrind and writes `docs/instructions.md`. Arguments:
//! `measure` runs all workloads but those of growing tables, `scale N` those with N subscriptions,
//! `recorder` the same messages with the flight recorder off and on.
//! Anything else runs everything at a small size, which shows that it works.
//!
//! A line on standard output stands for each measurement, in order: group, name, what is counted,
//! how many of it, how often the core allocated.
#![allow(
    clippy::print_stdout,
    reason = "the lines are for the program that started this one"
)]

#[path = "../driver/mod.rs"]
mod driver;
mod flows;
mod matches;
mod recorder;
mod sessions;

use std::alloc::System;

use columba_broker::limits::Limits;
use driver::{Driver, metered};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Runs and names measurements.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Small enough for a debug build.
    is_smoke: bool,
    group: &'static str,
}

impl Meter {
    /// How much of something to do: all of it, or a hundredth in a smoke test.
    fn scaled(&self, count: usize) -> usize {
        if self.is_smoke {
            (count / 100).max(1)
        } else {
            count
        }
    }

    /// Measures what `run` does with `count` of something.
    fn measure(
        &self,
        driver: &mut Driver,
        name: &str,
        unit: &str,
        count: usize,
        run: impl FnOnce(&mut Driver),
    ) {
        let before = driver.core_allocations();
        metered::begin();
        run(driver);
        metered::end();
        let allocations = driver.core_allocations() - before;
        println!("{}\t{name}\t{unit}\t{count}\t{allocations}", self.group);
    }
}

/// Shards whose allocations are counted.
fn counted(shards: u16) -> Driver {
    counted_with(shards, |_| {})
}

/// The same with other limits.
fn counted_with(shards: u16, change: impl FnOnce(&mut Limits)) -> Driver {
    let mut driver = Driver::with(shards, change);
    driver.count_allocations(|| {
        let stats = ALLOCATOR.stats();
        (stats.allocations + stats.reallocations) as u64
    });
    driver
}

fn main() {
    let arguments = driver::arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut meter = Meter {
        is_smoke: false,
        group: "",
    };
    match arguments[..] {
        ["measure"] => measure(&mut meter),
        ["scale", count] => {
            let count = count.parse().expect("a number of subscriptions");
            matches::scale(&mut meter, count);
        }
        ["recorder"] => recorder::run(&mut meter),
        _ => {
            meter.is_smoke = true;
            measure(&mut meter);
            matches::scale(&mut meter, 1_000);
            recorder::run(&mut meter);
        }
    }
}

fn measure(meter: &mut Meter) {
    meter.group = "Messages";
    flows::run(meter);
    meter.group = "Subscriptions, 20,000 in the table";
    matches::run(meter, 20_000);
    meter.group = "Sessions and retained messages";
    sessions::run(meter);
}
