//! What a client does while it has no connection.

use std::time::Duration;

use columba_client::driver::{Address, Client, ConnectOptions, LastingEvent, Reconnect};
use columba_client::{Failure, Message, SessionOptions};
use columba_codec::{QoS, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// More than the buffers of a connection take, on both sides.
const LARGE_BYTES: usize = 16 << 20;

/// What a lost connection had no time to write is not in the way: requests are looked at, and those that
/// cannot wait fail. The silence is noticed by the keep alive.
#[tokio::test]
async fn requests_are_taken_while_offline_however_much_the_lost_connection_had_to_write() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut bytes = [0; 64];
        assert!(stream.read(&mut bytes).await.expect("CONNECT") > 0);
        stream.write_all(b"\x20\x02\0\0").await.expect("CONNACK");
        // It reads the beginning of PUBLISH and no more, as behind a network that swallows everything;
        // nobody listens at its port any more.
        assert!(stream.read(&mut bytes).await.expect("PUBLISH") > 0);
        stream
    });
    let session = SessionOptions {
        version: Version::V311,
        client_id: "client".to_owned(),
        keep_alive_secs: 1,
        response_timeout: Duration::from_millis(50),
        ..SessionOptions::default()
    };
    let address = Address::Network {
        host: "127.0.0.1".to_owned(),
        port,
        tls: None,
        websocket_path: None,
    };
    let options = ConnectOptions::new(address, session);
    let (client, mut events) = Client::connect_lasting(options, Reconnect::default())
        .await
        .expect("connects");
    let large = Message::new("t", vec![0; LARGE_BYTES]).with_qos(QoS::AtLeastOnce);
    let _waiting = client.start_publish(large).await.expect("taken");
    let event = timeout(PATIENCE, events.next()).await.expect("in time");
    assert!(
        matches!(event, Some(LastingEvent::Disconnected { .. })),
        "{event:?}"
    );
    let published = timeout(PATIENCE, client.publish(Message::new("t", "now"))).await;
    let failure = published.expect("an answer").expect_err("no connection");
    assert_eq!(failure, Failure::NotConnected);
    drop(server.await.expect("a server"));
}
