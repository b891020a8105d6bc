//! Goes on with a session by hand: what was unanswered on one connection is answered on the next.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use columba_client::driver::{Address, Client, ConnectOptions, Event};
use columba_client::{Message, QoS, SessionOptions, Version};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let session = SessionOptions {
        version: Version::V311,
        client_id: "resume-example".to_owned(),
        ..SessionOptions::default()
    };
    let mut options = ConnectOptions::new(Address::tcp("localhost", 1883), session);
    options.clean_start = false;
    let (client, mut events) = Client::connect(options.clone()).await?;
    let message = Message::new("meter/1", "17").with_qos(QoS::ExactlyOnce);
    let answer = client.start_publish(message).await?;
    // As if the network had failed, perhaps before the answer.
    client.abandon().await;
    let ended = loop {
        match events.next().await {
            Some(Event::Ended(ended)) => break ended,
            Some(other) => println!("{other:?}"),
            None => return Ok(()),
        }
    };
    println!(
        "{}: {} unfinished",
        ended.cause,
        ended.session.unfinished_messages()
    );
    drop(answer);
    let (client, _events) = Client::resume(options, ended.session).await?;
    println!("session kept: {}", client.accepted().session_present);
    Ok(())
}
