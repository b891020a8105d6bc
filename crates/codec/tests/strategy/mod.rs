//! Packets for property tests: every type in every version, with every field a packet can have.
//!
//! A [`Sample`] owns its fields, and [`Sample::packet`] borrows them. Whatever a strategy here
//! makes is a packet that the standard allows.
#![allow(
    dead_code,
    reason = "every test binary uses its own part of this module"
)]

use columba_codec::packet::{
    Acknowledgement, Auth, ConnAck, Connect, Disconnect, Publish, RetainHandling, SubAck,
    Subscribe, SubscribeFilters, SubscribeOptions, UnsubAck, Unsubscribe, UnsubscribeFilters, Will,
};
use columba_codec::property::{Kind, Place};
use columba_codec::{
    Packet, PacketId, PacketType, Properties, PropertiesBuf, PropertyId, QoS, ReasonCode, Value,
    Version,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::sample::{select, subsequence};

/// The fields of one packet; those that its type has not are ignored.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) version: Version,
    pub(crate) packet_type: PacketType,
    /// DUP, RETAIN, Clean Start, Session Present or the mark of a bridge, by packet.
    flags: (bool, bool),
    qos: QoS,
    number: u16,
    packet_id: PacketId,
    reason: ReasonCode,
    properties: PropertiesBuf,
    texts: (String, Option<String>),
    data: (Vec<u8>, Option<Vec<u8>>),
    will: Option<(PropertiesBuf, String)>,
    filters: Vec<(String, SubscribeOptions)>,
    filter_bytes: Vec<u8>,
    codes: Vec<u8>,
}

impl Sample {
    /// The packet.
    pub(crate) fn packet(&self) -> Packet<'_> {
        let properties = self.properties.as_properties();
        let (packet_id, reason) = (self.packet_id, self.reason);
        let acknowledgement = Acknowledgement {
            packet_id,
            reason,
            properties,
        };
        match self.packet_type {
            PacketType::Connect => Packet::Connect(self.connect()),
            PacketType::ConnAck => Packet::ConnAck(ConnAck {
                session_present: self.flags.0
                    && self.version.has_session_present()
                    && !reason.is_error(),
                reason,
                properties,
            }),
            PacketType::Publish => Packet::Publish(self.publish()),
            PacketType::PubAck => Packet::PubAck(acknowledgement),
            PacketType::PubRec => Packet::PubRec(acknowledgement),
            PacketType::PubRel => Packet::PubRel(acknowledgement),
            PacketType::PubComp => Packet::PubComp(acknowledgement),
            PacketType::Subscribe => Packet::Subscribe(Subscribe {
                packet_id,
                properties,
                filters: SubscribeFilters::from_bytes(&self.filter_bytes, self.version)
                    .expect("written by put"),
            }),
            PacketType::SubAck => Packet::SubAck(SubAck {
                packet_id,
                properties,
                codes: &self.codes,
            }),
            PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe {
                packet_id,
                properties,
                filters: UnsubscribeFilters::from_bytes(&self.filter_bytes)
                    .expect("written by put"),
            }),
            PacketType::UnsubAck => Packet::UnsubAck(UnsubAck {
                packet_id,
                properties,
                codes: &self.codes,
            }),
            PacketType::PingReq => Packet::PingReq,
            PacketType::PingResp => Packet::PingResp,
            PacketType::Disconnect => Packet::Disconnect(Disconnect { reason, properties }),
            PacketType::Auth => Packet::Auth(Auth { reason, properties }),
            PacketType::Reserved => panic!("never made"),
        }
    }

    /// The packet's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let len = self
            .packet()
            .encode(self.version, &mut out)
            .expect("samples are valid");
        assert_eq!(len, out.len());
        out
    }

    fn connect(&self) -> Connect<'_> {
        let user_name = self.texts.1.as_deref();
        let needs_name = !self.version.has_password_without_user_name();
        let password = self.data.1.as_deref();
        Connect {
            version: self.version,
            is_bridge: self.flags.0 && self.version != Version::V5,
            clean_start: self.flags.1,
            keep_alive_secs: self.number,
            properties: self.properties.as_properties(),
            client_id: &self.texts.0,
            will: self.will.as_ref().map(|(properties, topic)| Will {
                qos: self.qos,
                retain: self.flags.0,
                properties: properties.as_properties(),
                topic,
                payload: &self.data.0,
            }),
            user_name,
            password: password.filter(|_| user_name.is_some() || !needs_name),
        }
    }

    pub(crate) fn publish(&self) -> Publish<'_> {
        let properties = self.properties.as_properties();
        let has_alias = properties.find(PropertyId::TopicAlias).is_some();
        let has_id = self.qos != QoS::AtMostOnce;
        Publish {
            dup: self.flags.0 && has_id,
            qos: self.qos,
            retain: self.flags.1,
            // With an alias the topic may be left out.
            topic: if has_alias && self.texts.1.is_none() {
                ""
            } else {
                &self.texts.0
            },
            packet_id: has_id.then_some(self.packet_id),
            properties,
            payload: &self.data.0,
        }
    }
}

/// All packets of all versions.
pub(crate) fn samples() -> impl Strategy<Value = Sample> {
    (select(&Version::ALL[..]), select(&PacketType::ALL[1..]))
        .prop_filter("AUTH is new in MQTT 5", |(version, packet_type)| {
            *packet_type != PacketType::Auth || version.has_auth()
        })
        .prop_flat_map(|(version, packet_type)| sample(version, packet_type))
}

/// One type of packet in one version.
pub(crate) fn sample(version: Version, packet_type: PacketType) -> BoxedStrategy<Sample> {
    let first_text = match packet_type {
        PacketType::Publish => topic().boxed(),
        _ => text().boxed(),
    };
    let head = (
        any::<(bool, bool)>(),
        qos(),
        any::<u16>(),
        any::<PacketId>(),
        reason(version, packet_type),
        properties(version, Place::Packet(packet_type)),
    );
    let tail = (
        (first_text, option::of(text())),
        (data(), option::of(data())),
        option::of((properties(version, Place::Will), topic())),
        vec((filter(), options(version)), 1..5),
        vec(code(version, packet_type), 1..5),
    );
    (head, tail)
        .prop_map(move |(head, tail)| {
            let (flags, qos, number, packet_id, reason, mut properties) = head;
            let (texts, data, will, filters, codes) = tail;
            let is_plain = reason == ReasonCode::Success && properties.as_properties().is_empty();
            if packet_type == PacketType::Auth && !is_plain {
                require_method(&mut properties);
            }
            let is_v3_unsuback = packet_type == PacketType::UnsubAck && version != Version::V5;
            Sample {
                version,
                packet_type,
                flags,
                qos,
                number,
                packet_id,
                reason,
                properties,
                texts,
                data,
                will,
                filter_bytes: filter_bytes(packet_type, &filters),
                filters,
                codes: if is_v3_unsuback { Vec::new() } else { codes },
            }
        })
        .boxed()
}

/// AUTH has an Authentication Method unless it is empty.
fn require_method(properties: &mut PropertiesBuf) {
    let id = PropertyId::AuthenticationMethod;
    if properties.as_properties().find(id).is_none() {
        properties
            .push(id, Value::String("method"))
            .expect("a string");
    }
}

fn filter_bytes(packet_type: PacketType, filters: &[(String, SubscribeOptions)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (filter, options) in filters {
        if packet_type == PacketType::Unsubscribe {
            UnsubscribeFilters::put(&mut out, filter).expect("short");
        } else {
            SubscribeFilters::put(&mut out, filter, *options).expect("short");
        }
    }
    out
}

fn reason(version: Version, packet_type: PacketType) -> BoxedStrategy<ReasonCode> {
    let of_version = move |code: &ReasonCode| match packet_type {
        _ if version == Version::V5 => true,
        PacketType::ConnAck => (0..=5)
            .filter_map(ReasonCode::from_v3_connack)
            .any(|known| known == *code),
        _ => *code == ReasonCode::Success,
    };
    let codes: Vec<ReasonCode> = ReasonCode::ALL
        .iter()
        .copied()
        .filter(|code| code.is_allowed_in(packet_type) && of_version(code))
        .collect();
    if codes.is_empty() {
        Just(ReasonCode::Success).boxed()
    } else {
        select(codes).boxed()
    }
}

fn code(version: Version, packet_type: PacketType) -> BoxedStrategy<u8> {
    match version {
        Version::V5 => reason(version, packet_type)
            .prop_map(|code| code as u8)
            .boxed(),
        Version::V311 => select(&[0, 1, 2, 0x80][..]).boxed(),
        Version::V31 => (0..=2u8).boxed(),
    }
}

/// Properties that may stand in this place; none before MQTT 5.
pub(crate) fn properties(version: Version, place: Place) -> BoxedStrategy<PropertiesBuf> {
    let allowed: Vec<PropertyId> = PropertyId::ALL
        .iter()
        .copied()
        .filter(|id| version.has_properties() && id.is_allowed_in(place))
        .collect();
    let len = allowed.len();
    subsequence(allowed, 0..=len)
        .prop_flat_map(move |ids| {
            let mut values = Vec::new();
            for id in ids {
                let times = if id.may_repeat_in(place) { 1..4 } else { 1..2 };
                values.push(vec(value(id), times));
            }
            values
        })
        .prop_map(|groups| {
            let mut buffer = PropertiesBuf::new();
            for (id, value) in groups.iter().flatten() {
                buffer
                    .push(*id, value.borrowed())
                    .expect("of the property's type");
            }
            if has_data_without_method(buffer.as_properties()) {
                require_method(&mut buffer);
            }
            buffer
        })
        .boxed()
}

fn has_data_without_method(properties: Properties<'_>) -> bool {
    properties.find(PropertyId::AuthenticationData).is_some()
        && properties.find(PropertyId::AuthenticationMethod).is_none()
}

/// A [`Value`] that owns what it holds.
#[derive(Clone, Debug)]
enum OwnedValue {
    Flag(bool),
    U16(u16),
    U32(u32),
    String(String),
    Binary(Vec<u8>),
    Pair(String, String),
}

impl OwnedValue {
    fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Flag(value) => Value::Flag(*value),
            Self::U16(value) => Value::U16(*value),
            Self::U32(value) => Value::U32(*value),
            Self::String(value) => Value::String(value),
            Self::Binary(value) => Value::Binary(value),
            Self::Pair(name, value) => Value::Pair(name, value),
        }
    }
}

fn value(id: PropertyId) -> BoxedStrategy<(PropertyId, OwnedValue)> {
    let value = match id.kind() {
        Kind::Flag => any::<bool>().prop_map(OwnedValue::Flag).boxed(),
        Kind::U16 => any::<u16>().prop_map(OwnedValue::U16).boxed(),
        Kind::U16NotZero | Kind::Alias => (1..=u16::MAX).prop_map(OwnedValue::U16).boxed(),
        Kind::U32 => any::<u32>().prop_map(OwnedValue::U32).boxed(),
        Kind::U32NotZero => (1..=u32::MAX).prop_map(OwnedValue::U32).boxed(),
        // Each width is as likely as the others.
        Kind::VarintNotZero => (0..28u32)
            .prop_flat_map(|bits| (1u32 << bits)..=(1u32 << (bits + 1)) - 1)
            .prop_map(OwnedValue::U32)
            .boxed(),
        Kind::String => text().prop_map(OwnedValue::String).boxed(),
        Kind::Topic => topic().prop_map(OwnedValue::String).boxed(),
        Kind::Binary => data().prop_map(OwnedValue::Binary).boxed(),
        Kind::Pair => (text(), text())
            .prop_map(|(name, value)| OwnedValue::Pair(name, value))
            .boxed(),
    };
    value.prop_map(move |value| (id, value)).boxed()
}

fn qos() -> impl Strategy<Value = QoS> {
    select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..])
}

fn options(version: Version) -> impl Strategy<Value = SubscribeOptions> {
    let handling = [
        RetainHandling::Send,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ];
    (qos(), any::<(bool, bool)>(), select(handling.to_vec())).prop_map(
        move |(qos, (no_local, retain_as_published), retain_handling)| {
            if version == Version::V5 {
                SubscribeOptions {
                    qos,
                    no_local,
                    retain_as_published,
                    retain_handling,
                }
            } else {
                SubscribeOptions::from_qos(qos)
            }
        },
    )
}

/// Text without U+0000, of one to four bytes a character, a byte order mark now and then.
pub(crate) fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("\u{FEFF}?[ -~]{0,12}|[\u{1}-\u{10FFFF}]{0,8}")
        .expect("a valid expression")
}

/// A topic name.
pub(crate) fn topic() -> impl Strategy<Value = String> {
    proptest::string::string_regex("\\$?[a-c]{0,2}(/[a-c]{0,2}){0,4}x|[^\0+#]{1,8}|[!-*,-~]{0,3}/")
        .expect("a valid expression")
        .prop_map(|topic| topic.replace(['+', '#'], "-"))
}

/// A topic filter, or what a client may mistake for one.
pub(crate) fn filter() -> impl Strategy<Value = String> {
    proptest::string::string_regex("(\\$share/g/)?[a-c+]?(/[a-c+]){0,4}(/#)?|[^\0]{0,8}")
        .expect("a valid expression")
}

/// Payloads and other binary data; now and then long enough for a longer remaining length.
pub(crate) fn data() -> impl Strategy<Value = Vec<u8>> {
    proptest::prop_oneof![
        8 => vec(any::<u8>(), 0..40),
        1 => vec(any::<u8>(), 100..300),
        1 => (16_000..17_000usize).prop_map(|len| vec![0x5A; len]),
    ]
}
