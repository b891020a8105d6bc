//! rumqttc under load.

use std::time::Duration;

use client_bench::{INFLIGHT_MAX, Job, Mode, Outcome};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::sync::mpsc;

/// What the event loop tells the application.
enum News {
    Answered,
    Message(Publish),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let job = Job::from_arguments()?;
    let mut options = MqttOptions::new(
        format!("rumqttc-{}", std::process::id()),
        "127.0.0.1",
        job.port,
    );
    options.set_outgoing_inflight_upper_limit(INFLIGHT_MAX);
    let (client, mut events) = AsyncClient::new(options, usize::from(INFLIGHT_MAX));
    let qos = match job.qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    };
    match job.mode {
        Mode::Publish => publish(&client, events, &job, qos).await?,
        Mode::Receive => {
            // As its examples have it: the application is what polls the event loop.
            client.subscribe(job.topic.clone(), qos).await?;
            let mut received = 0;
            while received < job.count {
                if let Event::Incoming(Packet::Publish(publish)) = events.poll().await? {
                    job.check(&publish.payload)?;
                    received += 1;
                }
            }
            leave(&client, events).await?;
        }
        Mode::Single | Mode::Echo => one_by_one(&client, events, &job, qos).await?,
        Mode::Fill => return Err("not this program".into()),
    }
    Ok(())
}

async fn publish(client: &AsyncClient, mut events: EventLoop, job: &Job, qos: QoS) -> Outcome<()> {
    // One more: the last.
    let mut answers = if qos == QoS::AtMostOnce {
        1
    } else {
        job.count + 1
    };
    let polling = tokio::spawn(async move {
        while answers > 0 {
            match events.poll().await {
                Ok(Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_))) => answers -= 1,
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(events)
    });
    for _ in 0..job.count {
        client
            .publish(job.topic.clone(), qos, false, job.payload())
            .await?;
    }
    client
        .publish("bench/last", QoS::AtLeastOnce, false, "")
        .await?;
    leave(client, polling.await??).await
}

async fn one_by_one(
    client: &AsyncClient,
    mut events: EventLoop,
    job: &Job,
    qos: QoS,
) -> Outcome<()> {
    let (sender, mut news) = mpsc::channel(100);
    let polling = tokio::spawn(async move {
        loop {
            let told = match events.poll().await {
                Ok(Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_) | Packet::SubAck(_))) => {
                    News::Answered
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => News::Message(publish),
                Ok(_) => continue,
                Err(error) => return error.to_string(),
            };
            if sender.send(told).await.is_err() {
                return String::new();
            }
        }
    });
    let is_echo = job.mode == Mode::Echo;
    if is_echo {
        client.subscribe(job.topic.clone(), qos).await?;
        news.recv().await.ok_or("the connection ended")?;
    }
    for _ in 0..job.count {
        client
            .publish(job.topic.clone(), qos, false, job.payload())
            .await?;
        let (mut is_answered, mut is_back) = (qos == QoS::AtMostOnce, !is_echo);
        while !(is_answered && is_back) {
            match news.recv().await {
                Some(News::Answered) => is_answered = true,
                Some(News::Message(publish)) => {
                    job.check(&publish.payload)?;
                    is_back = true;
                }
                None => return Err(polling.await?.into()),
            }
        }
    }
    Ok(())
}

async fn leave(client: &AsyncClient, mut events: EventLoop) -> Outcome<()> {
    client.disconnect().await?;
    let end = async { while events.poll().await.is_ok() {} };
    Ok(tokio::time::timeout(Duration::from_secs(5), end).await?)
}
