//! Rings that carry letters between shard threads: one bounded single-producer single-consumer
//! ring for each ordered pair of shards.
//!
//! A tick collects the letters for each destination and pushes them as one batch, with one wake.
//! If a ring is full the batch stays with its sender and grows; the sender then stops reading its
//! clients until the ring took it. Taking letters out never waits, so that two shards with full
//! rings towards each other cannot hold each other up.

use std::sync::Arc;

use columba_broker::event::ShardId;
use columba_broker::mail::Mail;
use mio::Waker;

/// One shard's ends of all rings; `B` is a batch of letters.
#[derive(Debug)]
pub(crate) struct Mailboxes<B> {
    /// By shard; `None` at the shard itself.
    outgoing: Vec<Option<Outgoing<B>>>,
    incoming: Vec<(ShardId, rtrb::Consumer<B>)>,
    /// Batches pushed and taken so far; a shutdown compares the two over all shards.
    count: MailCount,
}

/// What a ring carries.
pub(crate) trait Batch: Default {
    /// Whether there is nothing to carry.
    fn is_empty(&self) -> bool;
    /// Adds what comes later.
    fn append(&mut self, later: Self);
}

impl Batch for Mail {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn append(&mut self, later: Self) {
        Self::append(self, later);
    }
}

/// How many batches went through one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MailCount {
    pub(crate) pushed: u64,
    pub(crate) taken: u64,
    /// Whether batches wait for room in a ring.
    pub(crate) has_waiting: bool,
}

#[derive(Debug)]
struct Outgoing<B> {
    ring: rtrb::Producer<B>,
    waker: Arc<Waker>,
    /// Not pushed yet.
    batch: B,
}

impl<B: Batch> Mailboxes<B> {
    /// The ends for each shard, given the wakers of all.
    pub(crate) fn connect(wakers: &[Arc<Waker>]) -> Vec<Self> {
        let mut all: Vec<Self> = wakers
            .iter()
            .map(|_| Self {
                outgoing: Vec::new(),
                incoming: Vec::new(),
                count: MailCount::default(),
            })
            .collect();
        for from in 0..wakers.len() {
            for (to, waker) in wakers.iter().enumerate() {
                if from == to {
                    all[from].outgoing.push(None);
                    continue;
                }
                let (producer, consumer) = rtrb::RingBuffer::new(RING_BATCHES);
                let waker = Arc::clone(waker);
                all[from].outgoing.push(Some(Outgoing {
                    ring: producer,
                    waker,
                    batch: B::default(),
                }));
                all[to].incoming.push((ShardId(from as u16), consumer));
            }
        }
        all
    }

    /// Adds letters to what goes to a shard at the end of the tick.
    pub(crate) fn collect(&mut self, to: ShardId, batch: B) {
        let Some(Some(outgoing)) = self.outgoing.get_mut(to.index()) else {
            panic!("mail from a shard to {to:?}, which is itself or does not exist");
        };
        if outgoing.batch.is_empty() {
            outgoing.batch = batch;
        } else {
            outgoing.batch.append(batch);
        }
    }

    /// Pushes what was collected. Whether all of it found room.
    pub(crate) fn push(&mut self) -> bool {
        self.count.has_waiting = false;
        for outgoing in self.outgoing.iter_mut().flatten() {
            if outgoing.batch.is_empty() {
                continue;
            }
            match outgoing.ring.push(std::mem::take(&mut outgoing.batch)) {
                Ok(()) => {
                    self.count.pushed += 1;
                    wake(&outgoing.waker);
                }
                Err(rtrb::PushError::Full(batch)) => {
                    outgoing.batch = batch;
                    self.count.has_waiting = true;
                }
            }
        }
        !self.count.has_waiting
    }

    /// How many rings lead here.
    pub(crate) fn rings(&self) -> usize {
        self.incoming.len()
    }

    /// The next batch from one of the rings that lead here.
    pub(crate) fn take(&mut self, ring: usize) -> Option<(ShardId, B)> {
        let (from, consumer) = self.incoming.get_mut(ring)?;
        let batch = consumer.pop().ok()?;
        self.count.taken += 1;
        Some((*from, batch))
    }

    /// The books.
    pub(crate) fn count(&self) -> MailCount {
        self.count
    }
}

/// Wakes a thread. A failed wake costs latency only: the thread polls again by itself.
pub(crate) fn wake(waker: &Waker) {
    if let Err(error) = waker.wake() {
        tracing::error!(%error, "cannot wake a shard thread");
    }
}

/// Batches that a ring holds. One tick pushes at most one.
const RING_BATCHES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    impl Batch for Vec<u32> {
        fn is_empty(&self) -> bool {
            Self::is_empty(self)
        }

        fn append(&mut self, mut later: Self) {
            Self::append(self, &mut later);
        }
    }

    fn two() -> (Vec<mio::Poll>, Mailboxes<Vec<u32>>, Mailboxes<Vec<u32>>) {
        let polls: Vec<_> = (0..2).map(|_| mio::Poll::new().unwrap()).collect();
        let wakers: Vec<_> = polls
            .iter()
            .map(|poll| Arc::new(Waker::new(poll.registry(), mio::Token(0)).unwrap()))
            .collect();
        let mut all = Mailboxes::connect(&wakers);
        let second = all.pop().unwrap();
        let first = all.pop().unwrap();
        (polls, first, second)
    }

    #[test]
    fn a_tick_makes_one_batch_and_one_wake_for_each_shard() {
        let (mut polls, mut first, mut second) = two();
        first.collect(ShardId(1), vec![1, 2]);
        first.collect(ShardId(1), vec![3]);
        assert!(second.take(0).is_none());
        assert!(first.push());
        let mut events = mio::Events::with_capacity(8);
        polls[1].poll(&mut events, None).unwrap();
        assert_eq!(events.iter().count(), 1);
        assert_eq!(second.take(0), Some((ShardId(0), vec![1, 2, 3])));
        assert!(second.take(0).is_none());
        assert!(first.push());
        assert_eq!((first.count().pushed, second.count().taken), (1, 1));
    }

    #[test]
    fn a_full_ring_keeps_the_letters_with_their_sender_in_order() {
        let (_polls, mut first, mut second) = two();
        let mut sent = 0;
        loop {
            first.collect(ShardId(1), vec![sent]);
            sent += 1;
            if !first.push() {
                break;
            }
        }
        assert_eq!(sent as usize, RING_BATCHES + 1);
        // Full both ways: each still takes what is there.
        second.collect(ShardId(0), vec![7]);
        assert!(second.push());
        assert_eq!(first.take(0), Some((ShardId(1), vec![7])));
        first.collect(ShardId(1), vec![sent]);
        assert!(!first.push());
        let mut received = Vec::new();
        while let Some((_, batch)) = second.take(0) {
            received.extend(batch);
        }
        assert!(first.push());
        while let Some((_, batch)) = second.take(0) {
            received.extend(batch);
        }
        assert_eq!(received, (0..=sent).collect::<Vec<_>>());
    }
}
