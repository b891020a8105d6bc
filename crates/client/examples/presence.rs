//! Says `online` while it runs; the server says `offline` for it when it is gone without a word.

use std::time::Duration;

use columba_client::driver::{Address, Client, ConnectOptions, Reconnect};
use columba_client::{Message, QoS, ReasonCode, SessionOptions, Will};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let status = |word: &str| Message::new("status/presence", word).with_qos(QoS::AtLeastOnce);
    let session = SessionOptions {
        client_id: "presence-example".to_owned(),
        keep_alive_secs: 20,
        will: Some(Will {
            message: status("offline").retained(),
            // A short absence is no news (MQTT 5).
            delay_secs: Some(10),
        }),
        ..SessionOptions::default()
    };
    let options = ConnectOptions::new(Address::tcp("localhost", 1883), session);
    let (client, events) = Client::connect_lasting(options, Reconnect::default()).await?;
    drop(events);
    let answer = client.publish(status("online").retained()).await?;
    answer.into_result()?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    // Leaving with a word: the server drops the Will, so this client says it itself.
    let answer = client.publish(status("offline").retained()).await?;
    answer.into_result()?;
    client
        .disconnect(ReasonCode::Success, Duration::from_secs(5))
        .await;
    Ok(())
}
