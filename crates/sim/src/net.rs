//! The network: one link for each connection that a client opens.

use std::collections::VecDeque;

use columba_broker::event::{CloseCause, ConnectionId};

/// What the broker's driver does with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Traffic.
    Open,
    /// On its way to another shard.
    Moving,
    /// The core has ended it: output still goes out, nothing is read.
    Closing,
    /// The core has been told that it is closed.
    Gone,
}

/// Something that arrived at the broker and waits to be read.
#[derive(Debug)]
pub(crate) enum Arrived {
    Bytes(Vec<u8>),
    End(CloseCause),
}

/// A connection's way through the network, and both of its ends.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) client: usize,
    pub(crate) shard: usize,
    /// Its number at its shard, while the core knows it.
    pub(crate) conn: ConnectionId,
    pub(crate) phase: Phase,
    /// When the last bytes on their way arrive; later ones never overtake them.
    pub(crate) up_at_ms: u64,
    pub(crate) down_at_ms: u64,
    /// What the driver has not read.
    pub(crate) held: VecDeque<Arrived>,
    /// Bytes that the broker wrote and the client has not read.
    pub(crate) unread: usize,
    /// Arrived at the client and not read.
    pub(crate) inbox: Vec<u8>,
    /// The broker's side has ended, behind what is in `inbox`.
    pub(crate) has_ended: bool,
    pub(crate) is_read_due: bool,
    pub(crate) is_write_due: bool,
    /// Nothing passes any more, and nobody is told.
    pub(crate) is_half_open: bool,
    /// Whether the client still has its side open.
    pub(crate) is_client_open: bool,
    /// What the driver has handed in of a packet that is not whole.
    pub(crate) tail: Vec<u8>,
    /// Bytes that wait to fill a record.
    pub(crate) record: Vec<u8>,
    /// Bytes of output that the oracle has seen, and that the driver has taken.
    pub(crate) tapped: u64,
    pub(crate) sent: u64,
}

impl Link {
    pub(crate) fn new(client: usize, shard: usize, conn: ConnectionId, now_ms: u64) -> Self {
        Self {
            client,
            shard,
            conn,
            phase: Phase::Open,
            up_at_ms: now_ms,
            down_at_ms: now_ms,
            held: VecDeque::new(),
            unread: 0,
            inbox: Vec::new(),
            has_ended: false,
            is_read_due: false,
            is_write_due: false,
            is_half_open: false,
            is_client_open: true,
            tail: Vec::new(),
            record: Vec::new(),
            tapped: 0,
            sent: 0,
        }
    }

    /// Whether the core has it.
    pub(crate) const fn is_known(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Closing)
    }
}

/// A shard's table of connections: indexes are used again, generations tell their users apart.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<(u32, Option<usize>)>,
}

impl Slots {
    /// Gives a link a place.
    pub(crate) fn put(&mut self, link: usize) -> ConnectionId {
        let free = self.slots.iter().position(|(_, user)| user.is_none());
        let index = free.unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        let slot = &mut self.slots[index];
        slot.0 += 1;
        slot.1 = Some(link);
        ConnectionId {
            index: index as u32,
            generation: slot.0,
        }
    }

    /// The link that an id stands for now.
    pub(crate) fn find(&self, id: ConnectionId) -> Option<usize> {
        let (generation, link) = self.slots.get(id.index as usize)?;
        link.filter(|_| *generation == id.generation)
    }

    /// Frees the place of an id.
    pub(crate) fn free(&mut self, id: ConnectionId) {
        if self.find(id).is_some() {
            self.slots[id.index as usize].1 = None;
        }
    }

    /// All links, in order of their places.
    pub(crate) fn links(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().filter_map(|(_, link)| *link)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.links().count()
    }
}
