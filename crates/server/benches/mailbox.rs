//! Letters from shard to shard: collected, pushed through the ring as one batch, taken out.
//!
//! Both ends are on one thread, so the figures hold the work, and where the receiver sleeps the
//! wake's system call, not the way between two processors.
#![allow(missing_docs, reason = "criterion's macro makes a function")]

#[path = "../src/bell.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "a private module of the server, of which the bench uses a part"
)]
mod bell;
#[path = "../src/mailbox.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "a private module of the server, of which the bench uses a part"
)]
mod mailbox;

use std::sync::Arc;
use std::time::Duration;

use bell::Bell;
use columba_broker::event::ShardId;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mailbox::{Batch, Mailboxes};
use mio::{Poll, Token, Waker};

/// A batch of letters of 64 bytes.
#[derive(Debug, Default)]
struct Letters(Vec<[u64; 8]>);

impl Batch for Letters {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn size_bytes(&self) -> usize {
        size_of_val(self.0.as_slice())
    }

    fn append(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }
}

fn ring(criterion: &mut Criterion) {
    let polls: Vec<Poll> = (0..2).map(|_| Poll::new().expect("a poll")).collect();
    let waker = |poll: &Poll| Waker::new(poll.registry(), Token(0)).expect("a waker");
    let bell = |poll: &Poll| Arc::new(Bell::new(waker(poll)));
    let bells: Vec<Arc<Bell>> = polls.iter().map(bell).collect();
    let mut all = Mailboxes::<Letters>::connect(&bells);
    let (mut second, mut first) = (all.remove(1), all.remove(0));
    let mut group = criterion.benchmark_group("mailbox");
    for letters in [1, 10, 100, 1_000] {
        group.throughput(Throughput::Elements(letters));
        for is_asleep in [true, false] {
            let to = if is_asleep { "a sleeper" } else { "one awake" };
            group.bench_function(format!("batch of {letters} to {to}"), |bencher| {
                bencher.iter_batched(
                    || Letters(vec![[0_u64; 8]; letters as usize]),
                    |batch| {
                        if is_asleep {
                            assert!(second.may_sleep(), "there is nothing for it");
                        }
                        first.collect(ShardId(1), batch);
                        assert!(first.push(), "the ring is empty");
                        second.wake_up();
                        second.take(0)
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
}

criterion_group! {
    name = mailbox_ring;
    config = short();
    targets = ring
}
criterion_main!(mailbox_ring);
