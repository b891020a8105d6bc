//! Publishes from a list, exactly once each, however often this program is killed and started again.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use columba_client::driver::{Address, Client, ConnectOptions, Reconnect, SessionFile};
use columba_client::{Message, QoS, SessionOptions};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut session = SessionOptions {
        client_id: "kept-example".to_owned(),
        ..SessionOptions::default()
    };
    // The server has to keep its part of the session, too.
    session.properties.session_expiry_secs = Some(7 * 24 * 3600);
    let file = SessionFile::open("kept-example.session", session.clone())?;
    let taken = file.taken_messages();
    println!(
        "{taken} readings were taken before, {} of them wait for their answer",
        file.unfinished().count()
    );
    let options = ConnectOptions::new(Address::tcp("localhost", 1883), session);
    let (client, _events) = Client::connect_kept(options, Reconnect::default(), file).await?;
    for number in taken..1_000 {
        let reading = Message::new("meter/1", number.to_string()).with_qos(QoS::ExactlyOnce);
        let answer = client.publish(reading).await?;
        answer.into_result()?;
        println!("reading {number} has arrived");
    }
    Ok(())
}
