//! Rings that carry letters between shard threads: one bounded single-producer single-consumer
//! ring for each ordered pair of shards.
//!
//! A tick collects the letters for each destination and pushes them as one batch, with one wake if
//! the other shard's thread sleeps.
//! If a ring is full the batch stays with its sender and grows. What waits for a shard, in its ring
//! and at the sender, is counted in bytes: a sender without [`room`](Mailboxes::room) does nothing
//! that makes more letters, such as reading its clients. Taking letters out never waits, so that
//! two shards with full rings towards each other cannot hold each other up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use columba_broker::event::ShardId;
use columba_broker::mail::Mail;

use crate::bell::Bell;

/// One shard's ends of all rings; `B` is a batch of letters.
#[derive(Debug)]
pub(crate) struct Mailboxes<B> {
    /// By shard; `None` at the shard itself.
    outgoing: Vec<Option<Outgoing<B>>>,
    incoming: Vec<Incoming<B>>,
    /// Wakes this shard's thread.
    bell: Arc<Bell>,
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
    /// Wakes the receiver's thread.
    bell: Arc<Bell>,
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
    /// The ends for each shard, given the bells of all.
    pub(crate) fn connect(bells: &[Arc<Bell>]) -> Vec<Self> {
        let mut all: Vec<Self> = bells
            .iter()
            .map(|bell| Self {
                outgoing: Vec::new(),
                incoming: Vec::new(),
                bell: Arc::clone(bell),
                count: MailCount::default(),
            })
            .collect();
        for from in 0..bells.len() {
            for (to, bell) in bells.iter().enumerate() {
                if from == to {
                    all[from].outgoing.push(None);
                    continue;
                }
                let (producer, consumer) = rtrb::RingBuffer::new(RING_BATCHES);
                let ring_bytes = Arc::new(AtomicUsize::new(0));
                all[from].outgoing.push(Some(Outgoing {
                    ring: producer,
                    ring_bytes: Arc::clone(&ring_bytes),
                    bell: Arc::clone(bell),
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
            outgoing.bell.ring_if_asleep();
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

    /// This shard's thread is about to sleep. Whether it may: not if there are letters for it.
    pub(crate) fn may_sleep(&self) -> bool {
        let has_mail = || {
            self.incoming
                .iter()
                .any(|incoming| !incoming.ring.is_empty())
        };
        self.bell.may_sleep(has_mail)
    }

    /// It sleeps no more.
    pub(crate) fn wake_up(&self) {
        self.bell.wake_up();
    }

    /// The books.
    pub(crate) fn count(&self) -> MailCount {
        self.count
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
    use std::time::Duration;

    use mio::Waker;

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
        let bell =
            |poll: &mio::Poll| Bell::new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let bells: Vec<_> = polls.iter().map(|poll| Arc::new(bell(poll))).collect();
        let mut all = Mailboxes::connect(&bells);
        let second = all.pop().unwrap();
        let first = all.pop().unwrap();
        (polls, first, second)
    }

    fn is_woken(poll: &mut mio::Poll) -> bool {
        let mut events = mio::Events::with_capacity(8);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        !events.is_empty()
    }

    #[test]
    fn a_tick_makes_one_batch_for_each_shard_and_wakes_a_sleeper_once() {
        let (mut polls, mut first, mut second) = two();
        assert!(second.may_sleep());
        first.collect(ShardId(1), vec![1, 2]);
        first.collect(ShardId(1), vec![3]);
        assert!(second.take(0).is_none());
        assert!(first.push());
        assert!(is_woken(&mut polls[1]));
        // It may be slow to get up; one wake is enough.
        first.collect(ShardId(1), vec![4]);
        assert!(first.push());
        assert!(!is_woken(&mut polls[1]));
        second.wake_up();
        assert_eq!(second.take(0), Some((ShardId(0), vec![1, 2, 3])));
        assert_eq!(second.take(0), Some((ShardId(0), vec![4])));
        assert!(second.take(0).is_none());
        assert!(first.push());
        assert_eq!((first.count().pushed, second.count().taken), (2, 2));
    }

    #[test]
    fn who_is_awake_is_not_woken_and_looks_before_it_sleeps() {
        let (mut polls, mut first, mut second) = two();
        first.collect(ShardId(1), vec![1]);
        assert!(first.push());
        assert!(!is_woken(&mut polls[1]));
        assert!(!second.may_sleep());
        first.collect(ShardId(1), vec![2]);
        assert!(first.push());
        assert!(!is_woken(&mut polls[1]));
        while second.take(0).is_some() {}
        assert!(second.may_sleep());
    }

    #[test]
    fn no_wake_is_lost_between_threads() {
        const LETTERS: u32 = 20_000;
        let (mut polls, mut first, mut second) = two();
        let mut second_poll = polls.pop().unwrap();
        let mut first_poll = polls.pop().unwrap();
        // Each letter waits for the answer to the one before: a wake that is lost ends it all.
        let answering = std::thread::spawn(move || {
            let mut next = 0;
            while next < LETTERS {
                doze(&mut second_poll, &second);
                while let Some((from, letters)) = second.take(0) {
                    assert_eq!(letters, [next]);
                    next += 1;
                    second.collect(from, letters);
                    second.push();
                }
            }
        });
        for number in 0..LETTERS {
            first.collect(ShardId(1), vec![number]);
            first.push();
            let answer = loop {
                if let Some((_, answer)) = first.take(0) {
                    break answer;
                }
                doze(&mut first_poll, &first);
            };
            assert_eq!(answer, [number]);
        }
        answering.join().unwrap();
    }

    /// Sleeps until it is woken, however long that takes, unless there are letters.
    fn doze(poll: &mut mio::Poll, mail: &Mailboxes<Vec<u32>>) {
        if mail.may_sleep() {
            let mut events = mio::Events::with_capacity(8);
            poll.poll(&mut events, None).unwrap();
            mail.wake_up();
        }
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
