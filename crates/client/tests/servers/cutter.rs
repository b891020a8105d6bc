//! A network that cuts connections at random places, and remembers the packets that passed.

use columba_codec::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::trace::{Line, Trace, Watch};

/// Passes bytes on to a server, and cuts its first connections after a random number of them.
pub(crate) struct Cutter {
    pub(crate) port: u16,
    trace: Trace,
}

impl Cutter {
    pub(crate) async fn start(
        server_port: u16,
        mut seed: u64,
        cuts: usize,
        version: Version,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let trace = Trace::default();
        let lines = trace.clone();
        tokio::spawn(async move {
            for at in 0.. {
                let Ok((client, _)) = listener.accept().await else {
                    return;
                };
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let bytes = if at < cuts {
                    usize::try_from(seed >> 33).expect("31 bits") % 1500 + 20
                } else {
                    usize::MAX
                };
                let up = Direction::new(Watch::new(&lines, version, at, '>'));
                let down = Direction::new(Watch::new(&lines, version, at, '<'));
                tokio::spawn(pass(client, server_port, bytes, up, down));
            }
        });
        Self { port, trace }
    }

    /// What has passed so far.
    pub(crate) fn trace(&self) -> Vec<Line> {
        self.trace.lines()
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.trace.show_if_failed();
    }
}

/// Passes `left` bytes of both directions together, and drops the connection.
async fn pass(
    mut client: TcpStream,
    server_port: u16,
    mut left: usize,
    mut up: Direction,
    mut down: Direction,
) {
    let server = TcpStream::connect(("127.0.0.1", server_port)).await;
    let Ok(mut server) = server else { return };
    while left > 0 {
        let done = tokio::select! {
            read = client.read(&mut up.buffer) => {
                up.pass(read, &mut left, &mut server).await
            }
            read = server.read(&mut down.buffer) => {
                down.pass(read, &mut left, &mut client).await
            }
        };
        if done {
            return;
        }
    }
}

/// One direction of one connection.
struct Direction {
    watch: Watch,
    buffer: [u8; 512],
}

impl Direction {
    fn new(watch: Watch) -> Self {
        let buffer = [0; 512];
        Self { watch, buffer }
    }

    /// Passes on what was read, and says whether that was the last of it.
    async fn pass(
        &mut self,
        read: std::io::Result<usize>,
        left: &mut usize,
        to: &mut TcpStream,
    ) -> bool {
        let Ok(len @ 1..) = read else { return true };
        let passed = len.min(*left);
        *left -= passed;
        self.watch.note(&self.buffer[..passed]);
        to.write_all(&self.buffer[..passed]).await.is_err()
    }
}
