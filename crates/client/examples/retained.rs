//! Reads what is retained below a topic, and ends when nothing more has come for a while.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::time::Duration;

use columba_client::driver::{Address, Client, ConnectOptions};
use columba_client::{QoS, ReasonCode, SessionOptions, Subscription};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let session = SessionOptions {
        client_id: "retained-example".to_owned(),
        ..SessionOptions::default()
    };
    let options = ConnectOptions::new(Address::tcp("localhost", 1883), session);
    let (client, events) = Client::connect(options).await?;
    drop(events);
    let subscription = Subscription::to("status/#", QoS::AtLeastOnce);
    let (granted, mut messages) = client.subscribe_stream(subscription, 100).await?;
    granted.into_result()?;
    // MQTT does not say when the last one has come.
    let quiet = Duration::from_millis(500);
    while let Ok(Some(incoming)) = tokio::time::timeout(quiet, messages.next()).await {
        if incoming.message.retain {
            let payload = String::from_utf8_lossy(&incoming.message.payload);
            println!("{}: {payload}", incoming.message.topic);
        }
    }
    client
        .disconnect(ReasonCode::Success, Duration::from_secs(5))
        .await;
    Ok(())
}
