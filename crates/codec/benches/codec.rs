//! The codec's hot path: PUBLISH in, PUBLISH out, acknowledgements, and one filter against one
//! topic.
#![allow(missing_docs, reason = "criterion's macro makes a function")]

use std::hint::black_box;
use std::time::Duration;

use columba_codec::encode::TemplateParts;
use columba_codec::packet::{Acknowledgement, Publish};
use columba_codec::wire::PACKET_BYTES_MAX;
use columba_codec::{
    Packet, PacketId, Properties, PropertiesBuf, PropertyId, PublishTemplate, QoS, Value, Version,
    decode, fixed_header, topic,
};
use criterion::{Criterion, criterion_group, criterion_main};

const TOPIC: &str = "site/7/building/12/floor/3/room/42/temperature";

fn publish_bytes(version: Version, payload_bytes: usize, properties: Properties<'_>) -> Vec<u8> {
    let payload = vec![0x55; payload_bytes];
    let packet = Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: TOPIC,
        packet_id: Some(PacketId::MIN),
        properties,
        payload: &payload,
    });
    let mut out = Vec::new();
    packet.encode(version, &mut out).expect("a valid packet");
    out
}

fn some_properties() -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    let mut push = |id, value| properties.push(id, value).expect("a valid value");
    push(PropertyId::MessageExpiryInterval, Value::U32(60));
    push(PropertyId::ContentType, Value::String("application/json"));
    push(
        PropertyId::UserProperty,
        Value::Pair("trace", "0af7651916cd43dd"),
    );
    properties
}

fn reading(criterion: &mut Criterion) {
    let properties = some_properties();
    let properties = properties.as_properties();
    let puback = |version| {
        let mut out = Vec::new();
        let packet = Packet::PubAck(Acknowledgement::success(PacketId::MIN));
        packet.encode(version, &mut out).expect("a valid packet");
        out
    };
    let cases = [
        (
            "publish 64 B, 3.1.1",
            Version::V311,
            publish_bytes(Version::V311, 64, Properties::EMPTY),
        ),
        (
            "publish 1 KiB, 3.1.1",
            Version::V311,
            publish_bytes(Version::V311, 1024, Properties::EMPTY),
        ),
        (
            "publish 64 B, 5",
            Version::V5,
            publish_bytes(Version::V5, 64, Properties::EMPTY),
        ),
        (
            "publish 1 KiB, 5",
            Version::V5,
            publish_bytes(Version::V5, 1024, Properties::EMPTY),
        ),
        (
            "publish 64 B with properties, 5",
            Version::V5,
            publish_bytes(Version::V5, 64, properties),
        ),
        ("puback, 3.1.1", Version::V311, puback(Version::V311)),
        ("puback, 5", Version::V5, puback(Version::V5)),
    ];
    let mut group = criterion.benchmark_group("decode");
    for (name, version, bytes) in &cases {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| decode(black_box(bytes), *version, PACKET_BYTES_MAX).is_ok());
        });
    }
    group.finish();
    criterion.bench_function("fixed header", |bencher| {
        bencher.iter(|| fixed_header(black_box(&[0x32, 0x80, 0x01]), PACKET_BYTES_MAX));
    });
}

fn writing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("template");
    let mut out = Vec::with_capacity(64 * 1024);
    for (name, payload_bytes) in [("64 B", 64), ("1 KiB", 1024)] {
        let payload = vec![0x55; payload_bytes];
        let parts = TemplateParts {
            version: Version::V5,
            has_packet_id: true,
            topic: TOPIC,
            properties: &[],
            payload: &payload,
            payload_inline: true,
        };
        let mut template = PublishTemplate::default();
        group.bench_function(format!("encode {name}"), |bencher| {
            bencher.iter(|| template.encode(black_box(parts)));
        });
        group.bench_function(format!("write {name}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                let packet_id = black_box(Some(PacketId::MIN));
                template.write(false, QoS::AtLeastOnce, false, packet_id, &mut out);
                out.len()
            });
        });
    }
    group.bench_function("puback as a packet", |bencher| {
        bencher.iter(|| {
            out.clear();
            let packet = Packet::PubAck(Acknowledgement::success(black_box(PacketId::MIN)));
            packet.encode(Version::V5, &mut out).is_ok()
        });
    });
    group.finish();
}

fn matching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matches");
    for filter in [
        TOPIC,
        "site/+/building/+/floor/+/room/+/temperature",
        "site/7/#",
        "site/8/building/12/floor/3/room/42/temperature",
    ] {
        group.bench_function(filter, |bencher| {
            bencher.iter(|| topic::matches(black_box(filter), black_box(TOPIC)));
        });
    }
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
}

criterion_group! {
    name = codec;
    config = short();
    targets = reading, writing, matching
}
criterion_main!(codec);
