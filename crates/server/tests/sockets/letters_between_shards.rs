//! What one shard tells another arrives without anything else happening.

use columba_broker::limits::Limits;
use columba_codec::packet::Will;
use columba_codec::{Properties, QoS};

use super::bed::{Client, broker_with, connect_with_will, socket, tcp};

#[test]
fn a_will_goes_to_the_other_shards_when_its_connection_ends() {
    // MQTT-3.1.2-8. No timer of the broker's is due within the test: the letter itself must wake
    // the other shard.
    let limits = Limits {
        sys_interval_ms: 0,
        connect_timeout_ms: 600_000,
        ..Limits::default()
    };
    let broker = broker_with(2, limits, vec![tcp()]);
    let mut subscribers: Vec<_> = (0..4)
        .map(|number| Client::connect(socket(&broker, 0), &format!("s{number}")))
        .collect();
    for subscriber in &mut subscribers {
        subscriber.subscribe("w", QoS::AtMostOnce);
    }
    for number in 0..4 {
        let mut dying = Client::new(socket(&broker, 0));
        let will = Will {
            topic: "w",
            payload: b"gone",
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::default(),
        };
        dying.send(&connect_with_will(&format!("d{number}"), Some(will)));
        dying.expect_connack();
        drop(dying);
        for subscriber in &mut subscribers {
            subscriber.expect_publish("w", b"gone");
        }
    }
}
