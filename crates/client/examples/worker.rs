//! Shares work with other workers, and acknowledges a job when it is done and not before.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use columba_client::driver::{Address, Client, ConnectOptions, Reconnect};
use columba_client::{QoS, ReasonCode, SessionOptions, Subscription};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut session = SessionOptions {
        acknowledges_by_hand: true,
        ..SessionOptions::default()
    };
    // The server keeps further jobs for other workers.
    session.properties.receive_maximum = Some(1);
    let options = ConnectOptions::new(Address::tcp("localhost", 1883), session);
    let (client, events) = Client::connect_lasting(options, Reconnect::default()).await?;
    drop(events);
    let jobs = Subscription::to("$share/workers/jobs/#", QoS::AtLeastOnce);
    let (granted, mut jobs) = client.subscribe_stream(jobs, 1).await?;
    granted.into_result()?;
    while let Some(job) = jobs.next().await {
        let reason = match work(&job.message.payload) {
            Ok(()) => ReasonCode::Success,
            Err(why) => {
                println!("{}: {why}", job.message.topic);
                ReasonCode::ImplementationSpecificError
            }
        };
        client.acknowledge(&job, reason).await?;
    }
    Ok(())
}

fn work(job: &[u8]) -> Result<(), &'static str> {
    if job.is_empty() {
        return Err("an empty job");
    }
    println!("{} bytes done", job.len());
    Ok(())
}
