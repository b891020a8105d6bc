//! Receives the messages of two subscriptions, each in a stream of its own, through reconnects.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use columba_client::driver::{Address, Client, ConnectOptions, LastingEvent, Reconnect};
use columba_client::{QoS, SessionOptions, Subscription};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut session = SessionOptions {
        client_id: "subscribe-example".to_owned(),
        ..SessionOptions::default()
    };
    // What others publish while this client is away waits for an hour.
    session.properties.session_expiry_secs = Some(3600);
    let mut options = ConnectOptions::new(Address::tcp("localhost", 1883), session);
    options.clean_start = false;
    let (client, mut events) = Client::connect_lasting(options, Reconnect::default()).await?;
    let lamps = Subscription::to("lamp/#", QoS::ExactlyOnce);
    let (granted, mut lamps) = client.subscribe_stream(lamps, 100).await?;
    granted.into_result()?;
    let doors = Subscription::to("door/+", QoS::AtLeastOnce);
    let (granted, mut doors) = client.subscribe_stream(doors, 100).await?;
    granted.into_result()?;
    loop {
        tokio::select! {
            Some(lamp) = lamps.next() => {
                let payload = String::from_utf8_lossy(&lamp.message.payload);
                println!("lamp {}: {payload}", lamp.message.topic);
            }
            Some(door) = doors.next() => println!("door {}", door.message.topic),
            event = events.next() => match event {
                Some(LastingEvent::Disconnected { error, next_attempt_after }) => {
                    println!("{error}; again in {next_attempt_after:?}");
                }
                Some(LastingEvent::Connected(accepted)) => {
                    println!("back; session kept: {}", accepted.session_present);
                }
                Some(LastingEvent::Warning(sentence)) => println!("{sentence}"),
                Some(other) => println!("{other:?}"),
                None => return Ok(()),
            },
        }
    }
}
