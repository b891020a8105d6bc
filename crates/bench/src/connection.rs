//! One connection: its socket, and the bytes that wait on either side.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// A socket that never blocks, with what could not be written yet and what is not a packet yet.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    /// Packets to write. Whoever appends calls [`Self::flush`].
    pub(crate) out: Vec<u8>,
    written: usize,
    /// The start of a packet whose rest has not come.
    pub(crate) partial: Vec<u8>,
    /// When something was written last.
    pub(crate) last_written_ns: u64,
}

/// A buffer grows beyond this for one packet only.
const BUFFER_BYTES_KEPT: usize = 512 << 10;

impl Connection {
    /// Starts to connect. Readiness to write tells that it is done.
    pub(crate) fn open(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        registry.register(
            &mut socket,
            token,
            Interest::READABLE.add(Interest::WRITABLE),
        )?;
        Ok(Self {
            socket,
            out: Vec::new(),
            written: 0,
            partial: Vec::new(),
            last_written_ns: 0,
        })
    }

    /// Whether the connection is made; called when it is ready.
    ///
    /// # Errors
    /// Why it never will be.
    pub(crate) fn is_open(&self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => self.socket.set_nodelay(true).map(|()| true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Bytes that the socket has not taken.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.out.len() - self.written
    }

    /// Writes as much as the socket takes. The rest goes when it is ready again.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while let Some(waiting) = self.out.get(self.written..)
            && !waiting.is_empty()
        {
            match self.socket.write(waiting) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
            if self.out.capacity() > BUFFER_BYTES_KEPT {
                self.out.shrink_to(BUFFER_BYTES_KEPT);
            }
        } else if self.written > BUFFER_BYTES_KEPT {
            self.out.drain(..self.written);
            self.written = 0;
        }
        Ok(())
    }

    /// Reads once; `None` if nothing is there, 0 at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.socket.read(buffer) {
                Ok(len) => return Ok(Some(len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the socket out of the readiness loop before it is dropped.
    pub(crate) fn leave(mut self, registry: &Registry) {
        // Closing does the same; that it fails here means it is closed already.
        drop(registry.deregister(&mut self.socket));
    }
}
