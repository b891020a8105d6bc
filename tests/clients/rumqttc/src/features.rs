//! What is tried, one function a feature.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{PublishProperties, SubscribeProperties};
use tokio::time::timeout;

use crate::Outcome;
use crate::client::{Handle, Place, Wish, qos5, text};

pub async fn run(place: &Place, name: &str) -> Outcome<()> {
    match name {
        "connect" => {
            place.open().await?.close().await;
            Ok(())
        }
        "qos0" => qos(place, 0).await,
        "qos1" => qos(place, 1).await,
        "qos2" => qos(place, 2).await,
        "retain" => retain(place).await,
        "will" => will(place).await,
        "session" => session(place).await,
        "large" => large(place).await,
        "properties" => properties(place).await,
        "shared" => shared(place).await,
        _ => Err("no such feature".into()),
    }
}

fn ensure(holds: bool, what: impl std::fmt::Debug) -> Outcome<()> {
    if holds {
        Ok(())
    } else {
        Err(format!("{what:?}"))
    }
}

async fn qos(place: &Place, level: u8) -> Outcome<()> {
    let topic = place.topic(&format!("qos{level}"));
    let mut subscriber = place.open().await?;
    let mut publisher = place.open().await?;
    subscriber.subscribe(&topic, level).await?;
    publisher.publish(&topic, b"hello", level, false).await?;
    let message = subscriber.next().await?;
    ensure(
        message.payload == b"hello" && message.qos == level && !message.retain,
        &message,
    )?;
    subscriber.expect_nothing().await?;
    subscriber.close().await;
    publisher.close().await;
    Ok(())
}

async fn retain(place: &Place) -> Outcome<()> {
    let topic = place.topic("retain");
    let mut publisher = place.open().await?;
    let mut subscriber = place.open().await?;
    let mut late = place.open().await?;
    publisher.publish(&topic, b"keep", 1, true).await?;
    subscriber.subscribe(&topic, 1).await?;
    let message = subscriber.next().await?;
    ensure(message.retain && message.payload == b"keep", &message)?;
    publisher.publish(&topic, b"", 1, true).await?;
    late.subscribe(&topic, 1).await?;
    late.expect_nothing().await?;
    for client in [publisher, subscriber, late] {
        client.close().await;
    }
    Ok(())
}

async fn will(place: &Place) -> Outcome<()> {
    let topic = place.topic("will");
    let mut subscriber = place.open().await?;
    subscriber.subscribe(&topic, 1).await?;
    let will = Some((topic.clone(), "gone".into()));
    place
        .open_with(Wish {
            will,
            ..Wish::default()
        })
        .await?
        .vanish();
    let message = subscriber.next().await?;
    ensure(
        message.payload == b"gone" && message.topic == topic,
        &message,
    )?;
    subscriber.close().await;
    Ok(())
}

async fn session(place: &Place) -> Outcome<()> {
    let topic = place.topic("session");
    let id = format!("{}-session", place.run);
    let wish = |is_clean, expiry_secs| Wish {
        id: id.clone(),
        is_clean,
        expiry_secs: Some(expiry_secs),
        will: None,
    };
    let mut owner = place.open_with(wish(place.is_v5, 60)).await?;
    ensure(!owner.session_present, "session present")?;
    owner.subscribe(&topic, 2).await?;
    owner.close().await;
    let mut publisher = place.open().await?;
    for (payload, level) in [(b"1", 1), (b"2", 1), (b"3", 2)] {
        publisher.publish(&topic, payload, level, false).await?;
    }
    let mut owner = place.open_with(wish(false, 0)).await?;
    ensure(owner.session_present, "no session present")?;
    for payload in [b"1", b"2", b"3"] {
        let message = owner.next().await?;
        ensure(message.payload == payload, &message)?;
    }
    owner.close().await;
    publisher.close().await;
    Ok(())
}

async fn large(place: &Place) -> Outcome<()> {
    let topic = place.topic("large");
    let payload = vec![7; 200_000];
    let mut subscriber = place.open().await?;
    let mut publisher = place.open().await?;
    subscriber.subscribe(&topic, 1).await?;
    publisher.publish(&topic, &payload, 1, false).await?;
    let message = subscriber.next().await?;
    ensure(message.payload == payload, message.payload.len())?;
    subscriber.close().await;
    publisher.close().await;
    Ok(())
}

async fn properties(place: &Place) -> Outcome<()> {
    let mut subscriber = place.open().await?;
    let mut publisher = place.open().await?;
    let (Handle::V5(from), Handle::V5(to)) = (&publisher.handle, &subscriber.handle) else {
        return Err("properties need MQTT 5".into());
    };
    let asked = SubscribeProperties {
        id: Some(70_000),
        user_properties: Vec::new(),
    };
    let filter = place.topic("properties/#");
    to.subscribe_with_properties(filter, qos5(1), asked)
        .await
        .map_err(text)?;
    let sent = PublishProperties {
        user_properties: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
        response_topic: Some(place.topic("reply")),
        ..PublishProperties::default()
    };
    let from = from.clone();
    subscriber.answer("suback").await?;
    let topic = place.topic("properties/1");
    from.publish_with_properties(topic, qos5(1), false, "x", sent.clone())
        .await
        .map_err(text)?;
    publisher.answer("puback").await?;
    let got = subscriber.next().await?.properties;
    ensure(got.user_properties == sent.user_properties, &got)?;
    ensure(got.response_topic == sent.response_topic, &got)?;
    ensure(got.subscription_identifiers == [70_000], &got)?;
    subscriber.close().await;
    publisher.close().await;
    Ok(())
}

async fn shared(place: &Place) -> Outcome<()> {
    let topic = place.topic("shared");
    let mut members = [place.open().await?, place.open().await?];
    let mut publisher = place.open().await?;
    for member in &mut members {
        member
            .subscribe(&format!("$share/group/{topic}"), 1)
            .await?;
    }
    for number in 0..20_u8 {
        publisher.publish(&topic, &[number], 1, false).await?;
    }
    let mut count = 0;
    for member in &mut members {
        while timeout(Duration::from_millis(500), member.messages.recv())
            .await
            .is_ok()
        {
            count += 1;
        }
    }
    ensure(count == 20, count)?;
    for client in members {
        client.close().await;
    }
    publisher.close().await;
    Ok(())
}
