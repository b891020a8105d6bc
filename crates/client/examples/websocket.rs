//! Receives over WebSocket, as behind a proxy for the Web.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use columba_client::driver::{Address, Client, ConnectOptions, TlsOptions};
use columba_client::{QoS, SessionOptions, Subscription};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = Address::Network {
        host: "broker.example.org".to_owned(),
        port: 443,
        tls: Some(TlsOptions::default()),
        websocket_path: Some("/mqtt".to_owned()),
    };
    let options = ConnectOptions::new(address, SessionOptions::default());
    let (client, events) = Client::connect(options).await?;
    drop(events);
    let news = Subscription::to("news/#", QoS::AtMostOnce);
    let (granted, mut news) = client.subscribe_stream(news, 100).await?;
    granted.into_result()?;
    while let Some(item) = news.next().await {
        println!("{}", item.message.topic);
    }
    Ok(())
}
