//! Columba's client under load.

use std::collections::VecDeque;
use std::time::Duration;

use client_bench::{INFLIGHT_MAX, Job, Mode, Outcome};
use columba_client::driver::{Address, Client, ConnectOptions, Messages, Pending};
use columba_client::{Answer, Message, SessionOptions, Subscription};
use columba_codec::{QoS, ReasonCode};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let job = Job::from_arguments()?;
    let session = SessionOptions {
        inflight_messages_max: INFLIGHT_MAX,
        ..SessionOptions::default()
    };
    let options = ConnectOptions::new(Address::tcp("127.0.0.1", job.port), session);
    let (client, _events) = Client::connect(options).await?;
    let qos = QoS::from_u8(job.qos).ok_or("no such QoS")?;
    match job.mode {
        Mode::Publish => publish(&client, &job, qos, |_| job.topic.clone(), false).await?,
        Mode::Fill => {
            let topic = |number| format!("{}/{number}", job.topic);
            publish(&client, &job, qos, topic, true).await?;
        }
        Mode::Single => {
            for _ in 0..job.count {
                let message = Message::new(job.topic.clone(), job.payload()).with_qos(qos);
                accepted(&client.publish(message).await?)?;
            }
        }
        Mode::Receive => {
            let mut messages = subscribe(&client, &job, qos).await?;
            for _ in 0..job.count {
                job.check(
                    &messages
                        .next()
                        .await
                        .ok_or("the connection ended")?
                        .message
                        .payload,
                )?;
            }
        }
        Mode::Echo => {
            let mut messages = subscribe(&client, &job, qos).await?;
            for _ in 0..job.count {
                let message = Message::new(job.topic.clone(), job.payload()).with_qos(qos);
                let answer = client.start_publish(message).await?;
                job.check(
                    &messages
                        .next()
                        .await
                        .ok_or("the connection ended")?
                        .message
                        .payload,
                )?;
                accepted(&answer.await?)?;
            }
        }
    }
    client
        .disconnect(ReasonCode::Success, Duration::from_secs(5))
        .await;
    Ok(())
}

async fn publish(
    client: &Client,
    job: &Job,
    qos: QoS,
    topic: impl Fn(u64) -> String,
    retain: bool,
) -> Outcome<()> {
    let mut pending: VecDeque<Pending<Answer>> = VecDeque::new();
    for number in 0..job.count {
        let mut message = Message::new(topic(number), job.payload()).with_qos(qos);
        message.retain = retain;
        pending.push_back(client.start_publish(message).await?);
        if pending.len() >= usize::from(INFLIGHT_MAX)
            && let Some(first) = pending.pop_front()
        {
            accepted(&first.await?)?;
        }
    }
    for answer in pending {
        accepted(&answer.await?)?;
    }
    // Everything has come to the broker when this has.
    let last = Message::new("bench/last", "").with_qos(QoS::AtLeastOnce);
    accepted(&client.publish(last).await?)
}

async fn subscribe(client: &Client, job: &Job, qos: QoS) -> Outcome<Messages> {
    let (answer, messages) = client
        .subscribe_stream(Subscription::to(job.topic.clone(), qos), 100)
        .await?;
    match answer.codes[..] {
        [code] if !code.is_error() => Ok(messages),
        _ => Err(format!("the subscription was refused: {:?}", answer.codes).into()),
    }
}

fn accepted(answer: &Answer) -> Outcome<()> {
    if answer.reason.is_error() {
        return Err(format!("refused: {}", answer.reason).into());
    }
    Ok(())
}
