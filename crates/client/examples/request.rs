//! Asks another client and waits for its answer; both ends in one program.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::time::Duration;

use columba_client::driver::{Address, Client, ConnectOptions, RequesterOptions};
use columba_client::{Message, QoS, SessionOptions, Subscription};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (answering, events) = Client::connect(options("thermometer")).await?;
    drop(events);
    let questions = Subscription::to("temperature/get", QoS::AtLeastOnce);
    let (granted, mut questions) = answering.subscribe_stream(questions, 10).await?;
    granted.into_result()?;
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            if let Some(answer) = question.answer("21.5")
                && let Err(failure) = answering.publish(answer).await
            {
                println!("no answer was sent: {failure}");
            }
        }
    });
    let (asking, events) = Client::connect(options("display")).await?;
    drop(events);
    let requester = asking.requester(RequesterOptions::default()).await?;
    let question = Message::new("temperature/get", "").with_qos(QoS::AtLeastOnce);
    let answer = requester.request(question, Duration::from_secs(2)).await?;
    println!("{}", String::from_utf8_lossy(&answer.message.payload));
    Ok(())
}

fn options(client_id: &str) -> ConnectOptions {
    let session = SessionOptions {
        client_id: client_id.to_owned(),
        ..SessionOptions::default()
    };
    ConnectOptions::new(Address::tcp("localhost", 1883), session)
}
