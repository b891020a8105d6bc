//! Publishes ten thousand messages at QoS 1 as fast as the server acknowledges them.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::time::Duration;

use columba_client::driver::{Address, Client, ConnectOptions};
use columba_client::{Message, QoS, ReasonCode, SessionOptions};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let session = SessionOptions {
        inflight_messages_max: 1_000,
        ..SessionOptions::default()
    };
    let options = ConnectOptions::new(Address::tcp("localhost", 1883), session);
    let (client, events) = Client::connect(options).await?;
    drop(events);
    let mut answers = Vec::new();
    for number in 0..10_000 {
        let message = Message::new("meter/1", number.to_string()).with_qos(QoS::AtLeastOnce);
        // Waits while the queue is full, not for the answer.
        answers.push(client.start_publish(message).await?);
    }
    let mut refused = 0;
    for answer in answers {
        refused += usize::from(answer.await?.reason.is_error());
    }
    println!("{refused} of 10000 were refused");
    client
        .disconnect(ReasonCode::Success, Duration::from_secs(5))
        .await;
    Ok(())
}
