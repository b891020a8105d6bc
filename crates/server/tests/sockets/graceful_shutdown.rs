//! What clients see when the broker stops.

use columba_codec::packet::Will;
use columba_codec::{Properties, QoS, ReasonCode};

use crate::bed::{Client, broker, connect_with_will, socket};

#[test]
fn wills_are_published_and_clients_are_told() {
    for shards in [1, 3] {
        let broker = broker(shards);
        let mut watcher = Client::connect(socket(&broker, 0), "watcher");
        watcher.subscribe("gone/#", QoS::AtMostOnce);
        let mut clients = Vec::new();
        for number in 0..4 {
            let topic = format!("gone/{number}");
            let mut client = Client::new(socket(&broker, 0));
            client.send(&connect_with_will(
                &format!("client {number}"),
                Some(Will {
                    qos: QoS::AtMostOnce,
                    retain: false,
                    properties: Properties::default(),
                    topic: &topic,
                    payload: b"will",
                }),
            ));
            client.expect_connack();
            clients.push(client);
        }
        // Never says a word, and does not hold up the stop.
        let silent = socket(&broker, 0);
        let stopping = std::thread::spawn(move || broker.shutdown());
        let mut wills = 0;
        while wills < 4 {
            watcher.next(|packet| match packet {
                Some(columba_codec::Packet::Publish(publish)) => {
                    assert_eq!(publish.payload, b"will");
                    wills += 1;
                }
                other => panic!("instead of a Will: {other:?}"),
            });
        }
        watcher.expect_disconnect(ReasonCode::ServerShuttingDown);
        for mut client in clients {
            client.expect_disconnect(ReasonCode::ServerShuttingDown);
        }
        stopping.join().unwrap();
        drop(silent);
    }
}
