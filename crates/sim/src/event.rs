//! What is going to happen: the events of a run and their order.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use columba_broker::event::{AuthVerdict, CloseCause, Command, ConnectionId, Handover};
use columba_broker::journal::StoreEvent;
use columba_broker::query::{Request, RequestId};
use columba_codec::PacketId;

/// A link between a client and the broker, counted from the start of the run.
pub(crate) type LinkId = usize;

/// An acknowledgement that a client owes: PUBACK, PUBREC or PUBCOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    Acknowledged(PacketId),
    Received(PacketId),
    Completed(PacketId),
}

/// What happens to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskFault {
    /// It takes no more.
    Full,
    /// It takes more again.
    Room,
    /// One of the next syncs fails.
    FailedSync,
}

/// Something that happens at a time.
#[derive(Debug)]
pub(crate) enum Event {
    /// Bytes of a client arrive at the broker.
    Up { link: LinkId, bytes: Vec<u8> },
    /// The broker learns that the client's side has ended.
    UpEnd { link: LinkId, cause: CloseCause },
    /// Bytes of the broker arrive at the client's machine.
    Down { link: LinkId, bytes: Vec<u8> },
    /// The client learns that the broker's side has ended.
    DownEnd { link: LinkId },
    /// The client looks into its socket.
    Read { link: LinkId },
    /// The driver writes what output there is.
    Write { link: LinkId },
    /// The broker has waited long enough for a closing connection's output to go.
    CloseAnyway { link: LinkId },
    /// The next batch from one shard to another arrives.
    Mail { from: usize, to: usize },
    /// A connection arrives at its home.
    Adopt {
        link: LinkId,
        to: usize,
        handover: Box<Handover>,
    },
    /// Credentials have been checked.
    Verdict {
        link: LinkId,
        shard: usize,
        conn: ConnectionId,
        verdict: AuthVerdict,
    },
    /// A shard's deadline.
    Deadline { shard: usize },
    /// An operator speaks to a shard.
    Command { shard: usize, command: Command },
    /// An operator asks a shard for something.
    Request {
        shard: usize,
        id: RequestId,
        request: Box<Request>,
    },
    /// An operator does something.
    Operate,
    /// Access rules or users change.
    Guard,
    /// A shard that stood still goes on.
    Resume { shard: usize },
    /// A client does something.
    Turn { client: usize },
    /// A client shows that it is alive, while there is nothing else to do.
    Ping { client: usize },
    /// A shard's tick ends: what it has for the store is handed over.
    Tick { shard: usize },
    /// The store writes what waits, and does not sync it.
    Written,
    /// The store commits what waits.
    Commit,
    /// A shard hears from the store.
    Stored { shard: usize, event: StoreEvent },
    /// A shard gets records that it has asked for.
    Fetch { shard: usize, positions: Vec<u64> },
    /// Something happens to the disk.
    Disk(DiskFault),
    /// The broker is about to die.
    Crash,
    /// A client sends an acknowledgement that it owed.
    Owed { link: LinkId, owed: Owed },
}

/// Events by time; those of one time in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Entry>,
    sequence: u64,
    /// Events that are neither deadlines nor signs of life.
    active: usize,
}

#[derive(Debug)]
struct Entry {
    at_ms: u64,
    sequence: u64,
    event: Event,
}

impl Agenda {
    pub(crate) fn put(&mut self, at_ms: u64, event: Event) {
        self.sequence += 1;
        self.active += usize::from(is_active(&event));
        self.heap.push(Entry {
            at_ms,
            sequence: self.sequence,
            event,
        });
    }

    pub(crate) fn next(&mut self) -> Option<(u64, Event)> {
        let Entry { at_ms, event, .. } = self.heap.pop()?;
        self.active -= usize::from(is_active(&event));
        Some((at_ms, event))
    }

    /// Removes what will not happen any more.
    pub(crate) fn retain(&mut self, mut is_kept: impl FnMut(&Event) -> bool) {
        self.heap.retain(|entry| is_kept(&entry.event));
        let active = self.heap.iter().filter(|entry| is_active(&entry.event));
        self.active = active.count();
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|entry| entry.at_ms)
    }

    /// Whether nothing is left but deadlines and signs of life.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.active == 0
    }
}

const fn is_active(event: &Event) -> bool {
    !matches!(
        event,
        Event::Deadline { .. } | Event::Ping { .. } | Event::Crash | Event::Disk(_)
    )
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// Earliest first in a heap that puts the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ms, other.sequence).cmp(&(self.at_ms, self.sequence))
    }
}
