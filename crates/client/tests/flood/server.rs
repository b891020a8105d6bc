//! A server over WebSocket that says what it is told to, and a client that takes all of it.

use std::net::Ipv4Addr;
use std::time::Duration;

use columba_client::driver::{Address, Client, ConnectOptions, Event};
use columba_client::{Incoming, SessionOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// No connection takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a port of its own.
pub(crate) struct Server {
    runtime: Runtime,
    listener: TcpListener,
}

impl Server {
    pub(crate) fn new(host: Ipv4Addr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((host, 0)));
        Self {
            runtime,
            listener: listener.expect("a port"),
        }
    }

    /// Sends what `next` makes to a client that connects to `host`, until there is no more of it or the
    /// client has gone. Gives back the messages that came to the client until its end was told.
    pub(crate) fn send(
        &self,
        host: Ipv4Addr,
        options: SessionOptions,
        next: impl FnMut() -> Option<Vec<u8>>,
    ) -> Vec<Incoming> {
        let port = self.listener.local_addr().expect("its number").port();
        let address = Address::Network {
            host: host.to_string(),
            port,
            tls: None,
            websocket_path: Some("/mqtt".to_owned()),
        };
        let taking = take(ConnectOptions::new(address, options));
        let both = async { tokio::join!(send(&self.listener, next), taking).1 };
        let ended = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, both).await });
        ended.expect("an end")
    }
}

/// Connects and takes what comes until the end, which is told.
async fn take(options: ConnectOptions) -> Vec<Incoming> {
    let mut messages = Vec::new();
    let Ok((client, mut events)) = Client::connect(options).await else {
        return messages;
    };
    loop {
        match events.next().await {
            Some(Event::Message(incoming)) => {
                let reason = columba_codec::ReasonCode::Success;
                // The connection may be over by now.
                let _ = client.acknowledge(&incoming, reason).await;
                messages.push(*incoming);
            }
            Some(Event::Unanswered(_)) => {}
            Some(Event::Ended(_)) => return messages,
            None => panic!("the task has gone without a word"),
        }
    }
}

/// Sends what `next` makes until there is no more of it or the client has gone, and reads what it says.
async fn send(listener: &TcpListener, mut next: impl FnMut() -> Option<Vec<u8>>) {
    let mut stream = shake_hands(listener).await;
    let (mut reader, mut writer) = stream.split();
    let reading = async {
        let mut buffer = [0; 4096];
        while let Ok(1..) = reader.read(&mut buffer).await {}
    };
    let writing = async {
        while let Some(bytes) = next() {
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // An error says that the client has gone.
        let _ = writer.shutdown().await;
    };
    tokio::join!(reading, writing);
}

/// Answers the handshake.
async fn shake_hands(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.expect("a client");
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let read = stream.read_buf(&mut request).await;
        assert!(read.is_ok_and(|len| len > 0), "the client asks");
    }
    let request = String::from_utf8(request).expect("text");
    let mut lines = request.lines().filter_map(|line| line.split_once(": "));
    let key = lines.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    let key = derive_accept_key(key.expect("a key").1.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.expect("sent");
    stream
}
