//! Packets, messages and bytes, and how long messages take.

use columba_broker::stats::{ByQoS, DELIVERY_MS, Stats};
use columba_codec::{PacketType, QoS};

use super::text::Text;

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

pub(super) fn of_traffic(text: &mut Text, stats: &Stats) {
    of_packets(text, stats);
    of_messages(text, stats);
    of_delivery_times(text, stats);
    let counters = [
        ("received_bytes", "Bytes received.", stats.bytes_received),
        ("sent_bytes", "Bytes sent.", stats.bytes_sent),
        (
            "message_received_bytes",
            "Bytes of payloads received.",
            stats.publish_bytes_received,
        ),
        (
            "message_sent_bytes",
            "Bytes of payloads sent.",
            stats.publish_bytes_sent,
        ),
        (
            "message_copies",
            "Copies made for subscribers.",
            stats.copies,
        ),
        (
            "sockets_opened",
            "Connections that listeners accepted.",
            stats.sockets_opened,
        ),
    ];
    for (name, help, value) in counters {
        text.one(&format!("columba_{name}_total"), "counter", help, value);
    }
}

fn of_packets(text: &mut Text, stats: &Stats) {
    let name = "columba_packets_total";
    text.metric(name, "counter", "MQTT packets.");
    let mut of = |direction, count_of: &dyn Fn(PacketType) -> u64| {
        for number in 1..16_u8 {
            let packet = PacketType::from_first_byte(number << 4);
            let word = packet.to_string();
            let labels = [("direction", direction), ("type", word.as_str())];
            text.value(name, &labels, count_of(packet));
        }
    };
    of("received", &|packet| stats.received_of(packet));
    of("sent", &|packet| stats.sent_of(packet));
}

fn of_messages(text: &mut Text, stats: &Stats) {
    let mut of = |name, help, counts: &ByQoS| {
        text.metric(name, "counter", help);
        for (qos, count) in QOS.iter().zip(counts) {
            text.value(name, &[("qos", label_of(*qos))], count);
        }
    };
    of(
        "columba_messages_received_total",
        "PUBLISH packets received.",
        &stats.publishes_received,
    );
    of(
        "columba_messages_sent_total",
        "PUBLISH packets sent.",
        &stats.publishes_sent,
    );
}

fn of_delivery_times(text: &mut Text, stats: &Stats) {
    let name = "columba_delivery_seconds";
    text.metric(
        name,
        "histogram",
        "From reading a PUBLISH to handing a copy to its connection (QoS 0) or to its acknowledgement, \
         of messages that the flight recorder follows.",
    );
    let bucket = format!("{name}_bucket");
    for qos in QOS {
        let counts = stats.delivery_times.cumulative(qos);
        let ends = DELIVERY_MS.map(|ms| (ms as f64 / 1000.0).to_string());
        let ends = ends.iter().map(String::as_str).chain(["+Inf"]);
        for (end, count) in ends.zip(counts) {
            text.value(&bucket, &[("qos", label_of(qos)), ("le", end)], count);
        }
        let sum_secs = stats.delivery_times.sum_ms(qos) as f64 / 1000.0;
        let labels = [("qos", label_of(qos))];
        text.value(&format!("{name}_sum"), &labels, sum_secs);
        let all = counts.last().copied().unwrap_or_default();
        text.value(&format!("{name}_count"), &labels, all);
    }
}

const fn label_of(qos: QoS) -> &'static str {
    match qos {
        QoS::AtMostOnce => "0",
        QoS::AtLeastOnce => "1",
        QoS::ExactlyOnce => "2",
    }
}
