//! Connections that come back.

use columba_client::driver::{LastingEvent, Messages, Reconnect, SessionFile};

use super::*;

pub(crate) fn at_once() -> Reconnect {
    Reconnect {
        first_delay: Duration::from_millis(2),
        longest_delay: Duration::from_millis(4),
        jitter_seed: Some(1),
        ..Reconnect::default()
    }
}

pub(crate) async fn next(messages: &mut Messages) -> String {
    let message = tokio::time::timeout(PATIENCE, messages.next()).await;
    let message = message.expect("in time").expect("the stream goes on");
    String::from_utf8(message.message.payload).expect("text")
}

pub(crate) fn to(filter: &str, qos: QoS) -> Subscription {
    let options = SubscribeOptions::from_qos(qos);
    Subscription {
        filters: vec![(filter.to_owned(), options)],
        ..Subscription::default()
    }
}

#[tokio::test]
async fn a_server_without_memory_is_asked_for_subscriptions_again() {
    in_time(async {
        let server = Mosquitto::start().await;
        let options = server.options(Version::V311, "forgotten");
        let (client, mut events) = Client::connect_lasting(options.clone(), at_once())
            .await
            .expect("connects");
        let subscribed = client.subscribe_stream(to("x", QoS::AtLeastOnce), 4);
        let (_, mut messages) = subscribed.await.expect("subscribes");
        // Another client with the same id throws this one out; it leaves, and both sides forget.
        let (other, mut other_events) = Client::connect(options).await.expect("connects");
        let mut was_told = false;
        loop {
            match tokio::time::timeout(PATIENCE, events.next()).await {
                Ok(Some(LastingEvent::Disconnected { .. })) => was_told = true,
                Ok(Some(LastingEvent::Connected(accepted))) => {
                    assert!(!accepted.session_present);
                    break;
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        assert!(was_told);
        drop(other);
        while other_events.next().await.is_some() {}
        let message = Message::new("x", "hello").with_qos(QoS::AtLeastOnce);
        publish(&client, message).await;
        assert_eq!(next(&mut messages).await, "hello");
        client.disconnect(ReasonCode::Success, PATIENCE).await;
    })
    .await;
}

#[tokio::test]
async fn an_end_that_is_final_is_not_come_back_from() {
    in_time(async {
        let server = Mosquitto::start().await;
        // This server closes the connection of a client that is thrown out without a word.
        let options = server.options(Version::V5, "taken");
        let reconnect = Reconnect {
            is_final: |cause| *cause == CloseCause::Lost,
            ..at_once()
        };
        let (_client, mut events) = Client::connect_lasting(options.clone(), reconnect)
            .await
            .expect("connects");
        let (other, mut other_events) = Client::connect(options).await.expect("connects");
        match tokio::time::timeout(PATIENCE, events.next()).await {
            Ok(Some(LastingEvent::Ended(ended))) => {
                assert_eq!(ended.cause, CloseCause::Lost);
            }
            other => panic!("unexpected {other:?}"),
        }
        // Nobody has thrown the other client out.
        other.disconnect(ReasonCode::Success, PATIENCE).await;
        let ended = loop {
            match other_events.next().await {
                Some(Event::Ended(ended)) => break ended,
                Some(_) => {}
                None => panic!("no end"),
            }
        };
        assert_eq!(ended.cause, CloseCause::Requested);
    })
    .await;
}

#[tokio::test]
async fn leaving_while_the_server_is_gone_ends_in_time_and_says_what_is_left() {
    in_time(async {
        let server = Mosquitto::start().await;
        let mut options = server.options(Version::V5, "leaves");
        options.session.backlog_messages_max = 1;
        let (client, mut events) = Client::connect_lasting(options, at_once())
            .await
            .expect("connects");
        drop(server);
        loop {
            match tokio::time::timeout(PATIENCE, events.next()).await {
                Ok(Some(LastingEvent::Disconnected { .. })) => break,
                Ok(Some(_)) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        drop(events);
        // The second fills the queue behind a full backlog, where an orderly goodbye waits as well.
        for number in 0..2 {
            let message = Message::new("x", number.to_string()).with_qos(QoS::AtLeastOnce);
            client.start_publish(message).await.expect("queued");
        }
        let left = client.disconnect(ReasonCode::Success, Duration::from_millis(20));
        let left = tokio::time::timeout(PATIENCE, left).await.expect("in time");
        assert_eq!(left, 1);
    })
    .await;
}

/// What the server remembers of an earlier session has nothing to do with a file that is new
/// (`MQTT-3.2.2-4`).
#[tokio::test]
async fn a_new_session_file_begins_without_what_the_server_remembers() {
    in_time(async {
        // MQTT 3.1 does not tell.
        for version in [Version::V311, Version::V5] {
            let (_broker, port) = columba::start();
            let mut options = options(port, version, "kept");
            options.clean_start = false;
            if version == Version::V5 {
                options.session.properties.session_expiry_secs = Some(3600);
            }
            let (earlier, _events) = Client::connect(options.clone()).await.expect("connects");
            subscribe(&earlier, "x", QoS::AtLeastOnce).await;
            leave(&earlier).await;
            let directory = tempfile::tempdir().expect("a directory");
            for is_known in [false, true] {
                let file =
                    SessionFile::open(directory.path().join("file"), options.session.clone());
                let file = file.expect("opens");
                let connected = Client::connect_kept(options.clone(), at_once(), file).await;
                let (client, _events) = connected.expect("connects");
                assert_eq!(client.accepted().session_present, is_known, "{version}");
                leave(&client).await;
            }
        }
    })
    .await;
}
