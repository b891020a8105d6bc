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

/// One shard's ends of all rings.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    /// By shard; `None` at the shard itself.
    outgoing: Vec<Option<Outgoing>>,
    incoming: Vec<(ShardId, rtrb::Consumer<Vec<Mail>>)>,
    /// Batches pushed and taken so far; a shutdown compares the two over all shards.
    count: MailCount,
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
struct Outgoing {
    ring: rtrb::Producer<Vec<Mail>>,
    waker: Arc<Waker>,
    /// Not pushed yet.
    batch: Vec<Mail>,
}

impl Mailboxes {
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
                    batch: Vec::new(),
                }));
                all[to].incoming.push((ShardId(from as u16), consumer));
            }
        }
        all
    }

    /// Adds letters to what goes to a shard at the end of the tick.
    pub(crate) fn collect(&mut self, to: ShardId, mut batch: Vec<Mail>) {
        let Some(Some(outgoing)) = self.outgoing.get_mut(to.index()) else {
            panic!("mail from a shard to {to:?}, which is itself or does not exist");
        };
        if outgoing.batch.is_empty() {
            outgoing.batch = batch;
        } else {
            outgoing.batch.append(&mut batch);
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
    pub(crate) fn take(&mut self, ring: usize) -> Option<(ShardId, Vec<Mail>)> {
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

    fn two() -> (Vec<mio::Poll>, Mailboxes, Mailboxes) {
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
    fn nothing_collected_pushes_nothing() {
        let (_polls, mut first, mut second) = two();
        assert!(first.push());
        assert!(second.take(0).is_none());
        assert_eq!(first.count(), MailCount::default());
    }

    #[test]
    fn knows_its_rings() {
        let (_polls, first, second) = two();
        assert_eq!((first.rings(), second.rings()), (1, 1));
        assert_eq!(Mailboxes::connect(&[]).len(), 0);
    }
}
