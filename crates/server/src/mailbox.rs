//! Rings that carry letters between shard threads: one bounded single-producer single-consumer
//! ring for each ordered pair of shards.
//!
//! A tick collects the letters for each destination and pushes them as one batch, with one wake.
//! If a ring is full the batch stays with its sender and grows. What waits for a shard, in its ring
//! and at the sender, is counted in bytes: a sender without [`room`](Mailboxes::room) does nothing
//! that makes more letters, such as reading its clients. Taking letters out never waits, so that
//! two shards with full rings towards each other cannot hold each other up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use columba_broker::event::ShardId;
use columba_broker::mail::Mail;
use mio::Waker;

/// One shard's ends of all rings; `B` is a batch of letters.
#[derive(Debug)]
pub(crate) struct Mailboxes<B> {
    /// By shard; `None` at the shard itself.
    outgoing: Vec<Option<Outgoing<B>>>,
    incoming: Vec<Incoming<B>>,
    /// Batches pushed and taken so far; a shutdown compares the two over all shards.
    count: MailCount,
}

/// What a ring carries.
pub(crate) trait Batch: Default {
    /// Whether there is nothing to carry.
    fn is_empty(&self) -> bool;
    /// Bytes that it keeps in memory.
    fn size_bytes(&self) -> usize;
    /// Adds what comes later.
    fn append(&mut self, later: Self);
}

impl Batch for Mail {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn size_bytes(&self) -> usize {
        Self::size_bytes(self)
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
    ring_bytes: Arc<AtomicUsize>,
    waker: Arc<Waker>,
    /// Not pushed yet.
    batch: B,
}

#[derive(Debug)]
struct Incoming<B> {
    from: ShardId,
    ring: rtrb::Consumer<B>,
    ring_bytes: Arc<AtomicUsize>,
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
                let ring_bytes = Arc::new(AtomicUsize::new(0));
                all[from].outgoing.push(Some(Outgoing {
                    ring: producer,
                    ring_bytes: Arc::clone(&ring_bytes),
                    waker: Arc::clone(waker),
                    batch: B::default(),
                }));
                all[to].incoming.push(Incoming {
                    from: ShardId(from as u16),
                    ring: consumer,
                    ring_bytes,
                });
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

    /// Pushes what was collected. Whether all of it found a place in the rings.
    pub(crate) fn push(&mut self) -> bool {
        self.count.has_waiting = false;
        for outgoing in self.outgoing.iter_mut().flatten() {
            if outgoing.batch.is_empty() {
                continue;
            }
            if outgoing.ring.is_full() {
                self.count.has_waiting = true;
                continue;
            }
            let batch = std::mem::take(&mut outgoing.batch);
            // Before the receiver can take them off again.
            outgoing
                .ring_bytes
                .fetch_add(batch.size_bytes(), Ordering::Relaxed);
            let pushed = outgoing.ring.push(batch);
            assert!(pushed.is_ok(), "nobody else pushes into this ring");
            self.count.pushed += 1;
            wake(&outgoing.waker);
        }
        !self.count.has_waiting
    }

    /// Bytes that may be collected for any shard until too many wait for it; 0: they do already.
    pub(crate) fn room(&self) -> usize {
        let waiting = self.outgoing.iter().flatten().map(|outgoing| {
            outgoing.ring_bytes.load(Ordering::Relaxed) + outgoing.batch.size_bytes()
        });
        WAITING_BYTES_MAX.saturating_sub(waiting.max().unwrap_or_default())
    }

    /// How many rings lead here.
    pub(crate) fn rings(&self) -> usize {
        self.incoming.len()
    }

    /// The next batch from one of the rings that lead here.
    pub(crate) fn take(&mut self, ring: usize) -> Option<(ShardId, B)> {
        let incoming = self.incoming.get_mut(ring)?;
        let batch = incoming.ring.pop().ok()?;
        incoming
            .ring_bytes
            .fetch_sub(batch.size_bytes(), Ordering::Relaxed);
        self.count.taken += 1;
        Some((incoming.from, batch))
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

/// Batches that a ring holds. One tick pushes at most two.
const RING_BATCHES: usize = 64;

/// Bytes of letters, and of the messages behind them, that may wait for one shard at one other,
/// until that one stops making more. What was begun is finished, so that one read of a client or
/// one answer to another shard may go beyond.
pub(crate) const WAITING_BYTES_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    impl Batch for Vec<u32> {
        fn is_empty(&self) -> bool {
            Self::is_empty(self)
        }

        fn size_bytes(&self) -> usize {
            self.len() * size_of::<u32>()
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

    #[test]
    fn room_counts_what_is_in_the_ring_and_what_waits_for_it() {
        let (_polls, mut first, mut second) = two();
        let batch = || vec![0; WAITING_BYTES_MAX / size_of::<u32>() / 2];
        assert_eq!(first.room(), WAITING_BYTES_MAX);
        first.collect(ShardId(1), batch());
        assert_eq!(first.room(), WAITING_BYTES_MAX / 2);
        first.push();
        assert_eq!(first.room(), WAITING_BYTES_MAX / 2);
        first.collect(ShardId(1), batch());
        assert_eq!(first.room(), 0);
        first.collect(ShardId(1), batch());
        first.push();
        assert_eq!(first.room(), 0);
        assert!(second.take(0).is_some());
        assert_eq!(first.room(), 0);
        assert!(second.take(0).is_some());
        assert_eq!(first.room(), WAITING_BYTES_MAX);
        // The other direction has room of its own.
        assert_eq!(second.room(), WAITING_BYTES_MAX);
    }
}
