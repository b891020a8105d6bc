//! Connects over TLS, with an authority and a certificate of one's own.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::time::Duration;

use columba_client::driver::{Address, Client, ConnectOptions, TlsOptions};
use columba_client::{ReasonCode, SessionOptions};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let tls = TlsOptions {
        ca_file: Some("ca.pem".into()),
        client_certificate: Some(("client.pem".into(), "client.key".into())),
        ..TlsOptions::default()
    };
    let address = Address::Network {
        host: "localhost".to_owned(),
        port: 8883,
        tls: Some(tls),
        websocket_path: None,
    };
    let options = ConnectOptions::new(address, SessionOptions::default());
    match Client::connect(options).await {
        Ok((client, _events)) => {
            println!("in, as {}", client.accepted().client_id);
            client
                .disconnect(ReasonCode::Success, Duration::from_secs(5))
                .await;
        }
        // Says which certificate was not trusted and why, or which file is missing.
        Err(error) => println!("{error}"),
    }
    Ok(())
}
