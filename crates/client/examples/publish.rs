//! Publishes one message and says what the server answered.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::time::Duration;

use columba_client::driver::{Address, Client, ConnectOptions};
use columba_client::{Message, QoS, ReasonCode, SessionOptions, advice};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = Address::tcp("localhost", 1883);
    let options = ConnectOptions::new(address, SessionOptions::default());
    let (client, events) = Client::connect(options).await?;
    drop(events);
    let message = Message::new("lamp/1", "on")
        .with_qos(QoS::AtLeastOnce)
        .retained();
    let answer = client.publish(message).await?;
    if answer.reason.is_error() {
        println!("{}", advice::refused_publish("lamp/1", &answer));
    } else {
        println!("{}", answer.reason);
    }
    let left = client
        .disconnect(ReasonCode::Success, Duration::from_secs(5))
        .await;
    println!("{left} messages left without an answer");
    Ok(())
}
