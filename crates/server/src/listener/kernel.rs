//! What the kernel knows of the bytes that were written to a TCP socket.

use super::socket::Socket;

/// What became of bytes that a socket took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SendQueue {
    /// Bytes that the other end's kernel has not acknowledged, sent or not.
    pub(crate) queued_bytes: u64,
    /// Those of them that were not sent.
    pub(crate) unsent_bytes: u64,
    /// How often in a row the oldest segment was sent again, and nothing came back.
    pub(crate) retransmits: u64,
}

/// What the kernel says; `None` where it does not: on other systems than Linux, of other sockets than
/// those of TCP.
pub(crate) fn send_queue(socket: &Socket) -> Option<SendQueue> {
    match socket {
        Socket::Tcp(stream) => system::send_queue(stream),
        Socket::Unix(_) => None,
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::{AsFd, AsRawFd};

    use super::SendQueue;

    #[expect(
        unsafe_code,
        reason = "no safe interface to these calls is among the dependencies"
    )]
    pub(super) fn send_queue(stream: &impl AsFd) -> Option<SendQueue> {
        let descriptor = stream.as_fd().as_raw_fd();
        let count = |request: libc::Ioctl| {
            let mut bytes: libc::c_int = 0;
            // SAFETY: the descriptor is open as long as `stream` is borrowed. Both requests write one
            // int (tcp(7), linux/sockios.h).
            let told = unsafe { libc::ioctl(descriptor, request, &raw mut bytes) };
            (told == 0).then(|| u64::try_from(bytes).unwrap_or_default())
        };
        // SIOCOUTQ has the value of TIOCOUTQ. More may be sent and acknowledged between both, so that
        // the first never counts less.
        let queued_bytes = count(libc::TIOCOUTQ)?;
        let unsent_bytes = count(libc::SIOCOUTQNSD as libc::Ioctl)?;
        // SAFETY: `tcp_info` is plain numbers, of which every pattern is one.
        let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
        let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `len` bytes to `info`, and how many to `len` (tcp(7)); older
        // kernels write fewer, newer ones no more.
        let told = unsafe {
            libc::getsockopt(
                descriptor,
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                (&raw mut info).cast(),
                &raw mut len,
            )
        };
        (told == 0).then(|| SendQueue {
            queued_bytes,
            unsent_bytes,
            retransmits: u64::from(info.tcpi_retransmits),
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::SendQueue;

    pub(super) fn send_queue<T>(_: &T) -> Option<SendQueue> {
        None
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};

    use super::*;

    fn pair() -> (Socket, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        (Socket::Tcp(mio::net::TcpStream::from_std(stream)), peer)
    }

    #[test]
    fn what_the_other_end_has_taken_is_no_longer_queued() {
        let (socket, mut peer) = pair();
        (&socket).write_all(b"0123456789").unwrap();
        // Whoever reads bytes has acknowledged them, over loopback.
        peer.read_exact(&mut [0; 10]).unwrap();
        let queue = send_queue(&socket).unwrap();
        assert_eq!((queue.queued_bytes, queue.retransmits), (0, 0));
    }

    #[test]
    fn what_nobody_reads_stays_queued_and_is_acknowledged_up_to_there() {
        let (socket, mut peer) = pair();
        let mut sent = 0;
        loop {
            match (&socket).write(&[0; 65_536]) {
                Ok(len) => sent += len,
                Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        let queue = send_queue(&socket).unwrap();
        assert!(queue.unsent_bytes <= queue.queued_bytes, "{queue:?}");
        let queued = queue.queued_bytes as usize;
        assert!(0 < queued && queued < sent, "{queued} of {sent}");
        // The rest was acknowledged: it is there to be read.
        drop(socket);
        let mut read = Vec::new();
        peer.read_to_end(&mut read).unwrap();
        assert_eq!(read.len(), sent);
    }

    #[test]
    fn a_unix_socket_says_nothing() {
        let (socket, _peer) = mio::net::UnixStream::pair().unwrap();
        assert_eq!(send_queue(&Socket::Unix(socket)), None);
    }
}
