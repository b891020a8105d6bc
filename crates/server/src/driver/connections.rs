//! A shard's table of connections.

use columba_broker::event::{CloseCause, ConnectionId, ListenerId, Peer};

use crate::listener::socket::Socket;
use crate::transport::Layers;

/// A connection, as the driver knows it. An idle one over plain TCP owns nothing beyond this.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    /// TLS and WebSocket; `None` for plain MQTT.
    pub(crate) layers: Option<Box<Layers>>,
    /// Who it is, until the core knows.
    pub(crate) pending: Option<Box<Peer>>,
    pub(crate) listener: ListenerId,
    pub(crate) phase: Phase,
    /// Whether it is on the list of connections to read.
    pub(crate) is_ready: bool,
    /// Whether it is on the list of connections to write.
    pub(crate) is_dirty: bool,
    /// Whether the socket takes no more until an event says so.
    pub(crate) is_blocked: bool,
    /// Whether the peer has said that nothing more comes, so that a short read does not end it.
    pub(crate) has_hung_up: bool,
    /// Whether its credentials are being checked. Nothing is read meanwhile: what the peer sends
    /// behind its CONNECT waits in the socket.
    pub(crate) is_checked: bool,
    /// Whether the transport has ended with the bytes that are being passed to the core, which may
    /// hand the connection over to its home on the way.
    pub(crate) ending: Option<CloseCause>,
}

/// What the driver still does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The transport's handshake, or the wait for a first byte. The core does not know it.
    Greeting,
    /// Traffic.
    Open,
    /// The peer or the network ended it; output is tried once more, then it goes.
    Ended(CloseCause),
    /// The broker ended it: output is sent, nothing is read.
    Closing {
        /// Whether the core waits for [`Input::Closed`](columba_broker::Input::Closed).
        is_known: bool,
    },
    /// All is sent and the sending side is shut down. What comes is thrown away until the peer
    /// closes too: closing at once would reset the connection, and the reset could overtake the
    /// last packet.
    Lingering,
}

/// Connections by id. Indexes are used again, generations tell their users apart.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

impl Connections {
    /// Gives a connection a place.
    pub(crate) fn insert(&mut self, connection: Connection) -> ConnectionId {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.connection = Some(connection);
            return ConnectionId {
                index,
                generation: slot.generation,
            };
        }
        let index = self.slots.len() as u32;
        self.slots.push(Slot {
            generation: 0,
            connection: Some(connection),
        });
        ConnectionId {
            index,
            generation: 0,
        }
    }

    /// The connection, if it is still there.
    pub(crate) fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(id.index as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        slot.connection.as_mut()
    }

    /// The connection that now has the index.
    pub(crate) fn at(&mut self, index: usize) -> Option<(ConnectionId, &mut Connection)> {
        let slot = self.slots.get_mut(index)?;
        let id = ConnectionId {
            index: index as u32,
            generation: slot.generation,
        };
        slot.connection.as_mut().map(|connection| (id, connection))
    }

    /// Takes a connection out.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let slot = self.slots.get_mut(id.index as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let connection = slot.connection.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        Some(connection)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The ids of all.
    pub(crate) fn ids(&self) -> Vec<ConnectionId> {
        let occupied = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.connection.is_some());
        occupied
            .map(|(index, slot)| ConnectionId {
                index: index as u32,
                generation: slot.generation,
            })
            .collect()
    }

    /// Whether all connections that are left only wait for their peers to close.
    pub(crate) fn are_all_lingering(&self) -> bool {
        let mut connections = self
            .slots
            .iter()
            .filter_map(|slot| slot.connection.as_ref());
        connections.all(|connection| connection.phase == Phase::Lingering)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        let (socket, _) = mio::net::UnixStream::pair().unwrap();
        Connection {
            socket: Socket::Unix(socket),
            layers: None,
            pending: None,
            listener: ListenerId(0),
            phase: Phase::Open,
            is_ready: false,
            is_dirty: false,
            is_blocked: false,
            has_hung_up: false,
            is_checked: false,
            ending: None,
        }
    }

    #[test]
    fn an_old_id_never_reaches_the_next_user_of_the_slot() {
        let mut connections = Connections::default();
        let first = connections.insert(connection());
        assert!(connections.remove(first).is_some());
        assert!(connections.remove(first).is_none());
        let second = connections.insert(connection());
        assert_eq!(
            (second.index, second.generation),
            (first.index, first.generation + 1)
        );
        assert!(connections.find(first).is_none());
        assert!(connections.find(second).is_some());
        assert_eq!((connections.len(), connections.ids()), (1, vec![second]));
    }

    #[test]
    fn an_idle_connection_takes_few_bytes() {
        assert!(size_of::<Slot>() <= 64, "{} bytes", size_of::<Slot>());
    }
}
