//! From the core to sockets: one write per connection and tick, vectored if it has several pieces.

use std::io::{self, IoSlice, Write};

use columba_broker::Input;
use columba_broker::event::{CloseCause, ConnectionId};

use super::{Driver, Phase};
use crate::transport::TransportError;

/// What became of a turn of writing.
enum Written {
    /// Everything that was tried went out.
    All(usize),
    /// The socket is full.
    Blocked(usize),
    /// The connection is broken.
    Failed,
}

impl Driver {
    /// Writes each connection on the list once.
    pub(super) fn write_dirty(&mut self) {
        let spare = std::mem::take(&mut self.dirty_spare);
        let mut list = std::mem::replace(&mut self.dirty, spare);
        for id in list.drain(..) {
            self.write(id);
        }
        self.dirty_spare = list;
    }

    fn write(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        connection.is_dirty = false;
        if connection.is_blocked || connection.phase == Phase::Lingering {
            return;
        }
        let written = if connection.layers.is_some() {
            self.write_layered(id)
        } else {
            self.write_plain(id)
        };
        let len = match written {
            Written::All(len) => len,
            Written::Blocked(len) => {
                if let Some(connection) = self.connections.find(id) {
                    connection.is_blocked = true;
                }
                len
            }
            Written::Failed => {
                self.end(id, CloseCause::Transport);
                return;
            }
        };
        if len > 0 {
            self.core.handle(self.now, Input::Sent { conn: id, len });
            self.drain();
        }
        self.after_write(id);
    }

    /// Goes on in the next tick if there is more, or closes if this was the last of it.
    fn after_write(&mut self, id: ConnectionId) {
        let has_more = self
            .core
            .output(id)
            .is_some_and(|output| !output.is_empty());
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        if connection.is_blocked {
            return;
        }
        if has_more {
            super::mark(&mut connection.is_dirty, &mut self.dirty, id);
        } else if matches!(connection.phase, Phase::Closing { .. }) {
            self.finish_close(id);
        }
    }

    fn write_plain(&mut self, id: ConnectionId) -> Written {
        let Some(output) = self.core.output(id) else {
            return Written::All(0);
        };
        let Some(connection) = self.connections.find(id) else {
            return Written::All(0);
        };
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let mut count = 0;
        let mut tried = 0;
        for (place, chunk) in pieces.iter_mut().zip(output.chunks()) {
            *place = IoSlice::new(chunk);
            count += 1;
            tried += chunk.len();
        }
        if tried == 0 {
            return Written::All(0);
        }
        let pieces = pieces.get(..count).unwrap_or_default();
        let socket = &connection.socket;
        let written = match pieces {
            // What most writes are, and for the kernel cheaper than a list of one.
            [piece] => retry(|| (&*socket).write(piece)),
            pieces => retry(|| (&*socket).write_vectored(pieces)),
        };
        match written {
            Ok(len) if len == tried => Written::All(len),
            // A short write means a full socket, and an event once it is not (epoll(7)).
            Ok(len) => Written::Blocked(len),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Written::Blocked(0),
            Err(_) => Written::Failed,
        }
    }

    /// Wraps some output and writes it. What the socket does not take stays with the transport, so
    /// the core may forget it.
    fn write_layered(&mut self, id: ConnectionId) -> Written {
        self.buffers.wire.clear();
        match self.write_wire(id) {
            Ok(true) => {}
            Ok(false) => return Written::Blocked(0),
            Err(_) => return Written::Failed,
        }
        let Some(output) = self.core.output(id) else {
            return Written::All(0);
        };
        let Some(connection) = self.connections.find(id) else {
            return Written::All(0);
        };
        let Some(layers) = &mut connection.layers else {
            return Written::All(0);
        };
        self.buffers.app.clear();
        for chunk in output.chunks() {
            let room = LAYERED_BYTES - self.buffers.app.len();
            self.buffers
                .app
                .extend_from_slice(chunk.get(..room).unwrap_or(chunk));
            if self.buffers.app.len() == LAYERED_BYTES {
                break;
            }
        }
        let len = self.buffers.app.len();
        if len == 0 {
            return Written::All(0);
        }
        let app = std::mem::take(&mut self.buffers.app);
        layers.send(&app, &mut self.buffers);
        self.buffers.app = app;
        match self.write_wire(id) {
            Ok(true) => Written::All(len),
            Ok(false) => Written::Blocked(len),
            Err(_) => Written::Failed,
        }
    }

    /// Writes what the transport kept and then `buffers.wire`; keeps what does not go out. Whether
    /// everything went out.
    pub(super) fn write_wire(&mut self, id: ConnectionId) -> Result<bool, TransportError> {
        let wire = self.buffers.wire.as_slice();
        let Some(connection) = self.connections.find(id) else {
            return Ok(true);
        };
        let socket = &connection.socket;
        let Some(layers) = &mut connection.layers else {
            // Plain connections get words of the driver only as the first and last thing, when
            // their socket has room for them.
            let _ = retry(|| (&*socket).write(wire));
            return Ok(true);
        };
        if connection.is_blocked {
            layers.keep_unsent(wire)?;
            return Ok(false);
        }
        let kept = layers.unsent().len();
        if kept + wire.len() == 0 {
            return Ok(true);
        }
        let pieces = [IoSlice::new(layers.unsent()), IoSlice::new(wire)];
        let len = match retry(|| (&*socket).write_vectored(&pieces)) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            // A broken socket is found again by the next read or write; nothing can be kept for it.
            Err(_) => return Err(TransportError::Flooded),
        };
        let is_all = len == kept + wire.len();
        layers.consume_unsent(len.min(kept));
        layers.keep_unsent(wire.get(len.saturating_sub(kept)..).unwrap_or_default())?;
        connection.is_blocked = !is_all;
        Ok(is_all)
    }
}

fn retry(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Pieces in one vectored write.
const PIECES: usize = 64;
/// Bytes of MQTT that a transport wraps in one tick.
const LAYERED_BYTES: usize = 64 * 1024;
