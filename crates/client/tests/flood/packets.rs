//! Packets of a hostile server with MQTT 5, made of bytes that decide: nearly right, so that they get past
//! the first checks, and wrong in any one place.

use columba_codec::property::{Kind, Place};
use columba_codec::{PacketType, PropertyId, ReasonCode};

/// Decisions. When they are used up, all further ones are 0.
pub(crate) struct Choices<'a>(pub(crate) &'a [u8]);

impl Choices<'_> {
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// A number below `end`, which is at most 65,536.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let [high, low, rest @ ..] = self.0 else {
            self.0 = &[];
            return 0;
        };
        self.0 = rest;
        usize::from(u16::from_be_bytes([*high, *low])) % end
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let [byte, rest @ ..] = self.0 else {
            return 0;
        };
        self.0 = rest;
        *byte
    }

    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    fn packet_id(&mut self) -> u16 {
        u16::try_from(1 + self.below(24)).expect("small") % 24
    }
}

/// An accepting CONNACK without properties.
pub(crate) const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];

/// One packet, or what is nearly one.
pub(crate) fn packet(choices: &mut Choices<'_>) -> Vec<u8> {
    let (first, body) = match choices.below(32) {
        0..14 => publish(choices),
        14 => {
            let flags = u8::from(choices.once_in(2)) + u8::from(choices.once_in(32));
            let mut body = vec![flags, reason(choices, PacketType::ConnAck)];
            body.extend(properties(choices, PacketType::ConnAck));
            (0x20, body)
        }
        15..24 => {
            let (first, kind) = [
                (0x40, PacketType::PubAck),
                (0x50, PacketType::PubRec),
                (0x62, PacketType::PubRel),
                (0x70, PacketType::PubComp),
            ][choices.below(4)];
            let mut body = choices.packet_id().to_be_bytes().to_vec();
            if choices.once_in(2) {
                body.push(reason(choices, kind));
                body.extend(properties(choices, kind));
            }
            (first, body)
        }
        24..27 => {
            let kinds = [(0x90, PacketType::SubAck), (0xB0, PacketType::UnsubAck)];
            let (first, kind) = kinds[choices.below(2)];
            let mut body = choices.packet_id().to_be_bytes().to_vec();
            body.extend(properties(choices, kind));
            for _ in 0..choices.below(6) {
                body.push(reason(choices, kind));
            }
            (first, body)
        }
        27 => (0xD0, Vec::new()),
        which @ (28 | 29) => {
            let kinds = [(0xE0, PacketType::Disconnect), (0xF0, PacketType::Auth)];
            let (first, kind) = kinds[which - 28];
            let mut body = vec![reason(choices, kind)];
            body.extend(properties(choices, kind));
            (first, body)
        }
        _ => {
            let len = choices.below(40);
            (choices.byte(), (0..len).map(|_| choices.byte()).collect())
        }
    };
    let is_other = choices.once_in(64);
    let mut packet = vec![if is_other { choices.byte() } else { first }];
    put_varint(choices, body.len(), &mut packet);
    packet.extend(body);
    if choices.once_in(64) {
        packet.truncate(choices.below(packet.len()));
    }
    packet
}

fn publish(choices: &mut Choices<'_>) -> (u8, Vec<u8>) {
    let qos = choices.below(3) + usize::from(choices.once_in(64));
    let qos = u8::try_from(qos).expect("small");
    let dup = (qos > 0 && choices.once_in(4)) || choices.once_in(64);
    let flags = qos << 1 | u8::from(dup) << 3 | u8::from(choices.once_in(8));
    let properties = properties(choices, PacketType::Publish);
    let topic = match choices.below(4) {
        // Fits if an alias is among the properties.
        0 if properties.len() > 2 => String::new(),
        1 => "t".repeat(1 + choices.below(4000)),
        _ => format!("a/{}", choices.below(40)),
    };
    let mut body = Vec::new();
    put_field(choices, topic.as_bytes(), &mut body);
    if qos > 0 {
        body.extend(choices.packet_id().to_be_bytes());
    }
    body.extend(properties);
    body.extend(vec![0; choices.below(3000)]);
    (0x30 | flags, body)
}

/// Mostly one that this packet may have.
fn reason(choices: &mut Choices<'_>, packet: PacketType) -> u8 {
    let any = choices.byte();
    let is_allowed = |code: &u8| {
        let reason = ReasonCode::from_u8(*code);
        reason.is_some_and(|reason| reason.is_allowed_in(packet))
    };
    if choices.once_in(2) || (!is_allowed(&any) && !choices.once_in(32)) {
        return 0;
    }
    any
}

/// A length and properties: mostly those that may stand in this packet.
fn properties(choices: &mut Choices<'_>, packet: PacketType) -> Vec<u8> {
    let place = Place::Packet(packet);
    let allowed = PropertyId::ALL.iter().copied();
    let allowed = allowed.filter(|id| id.is_allowed_in(place));
    let allowed = allowed.collect::<Vec<_>>();
    let count = match choices.below(8) {
        0..4 => 0,
        4..7 => choices.below(5),
        _ => choices.below(400),
    };
    let mut properties = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..count {
        let mut id = allowed[choices.below(allowed.len())];
        if choices.once_in(64) {
            id = PropertyId::ALL[choices.below(PropertyId::ALL.len())];
        }
        if seen.contains(&id) && !id.may_repeat_in(place) && !choices.once_in(64) {
            continue;
        }
        seen.push(id);
        let unknown = choices.once_in(256);
        properties.push(if unknown { choices.byte() } else { id as u8 });
        put_value(choices, id.kind(), &mut properties);
    }
    let mut all = Vec::new();
    put_varint(choices, properties.len(), &mut all);
    all.extend(properties);
    all
}

fn put_value(choices: &mut Choices<'_>, kind: Kind, out: &mut Vec<u8>) {
    match kind {
        Kind::Flag => out.push(u8::from(choices.once_in(2)) + u8::from(choices.once_in(32))),
        Kind::U16 | Kind::U16NotZero | Kind::Alias => {
            let number = u16::try_from(choices.below(6)).expect("small");
            out.extend(number.to_be_bytes());
        }
        Kind::U32 | Kind::U32NotZero => out.extend([0, 0, choices.byte(), choices.byte()]),
        Kind::VarintNotZero => {
            let number = choices.below(300);
            put_varint(choices, number, out);
        }
        Kind::String | Kind::Topic | Kind::Binary => put_text(choices, out),
        Kind::Pair => {
            put_text(choices, out);
            put_text(choices, out);
        }
    }
}

fn put_text(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    const FAULTS: [&[u8]; 5] = [b"\0", b"\xED\xA0\x80", b"\xC0\x80", b"\xFF", b"#"];
    let longest = if choices.once_in(32) { 2000 } else { 12 };
    let mut text = vec![b'x'; choices.below(longest)];
    if choices.once_in(64) {
        text.extend(FAULTS[choices.below(FAULTS.len())]);
    }
    put_field(choices, &text, out);
}

/// Bytes behind their length, which is now and then another.
fn put_field(choices: &mut Choices<'_>, bytes: &[u8], out: &mut Vec<u8>) {
    let len = if choices.once_in(256) {
        choices.below(65_536)
    } else {
        bytes.len()
    };
    out.extend(u16::try_from(len).expect("a short field").to_be_bytes());
    out.extend(bytes);
}

/// A variable byte integer, now and then another or longer than it has to be.
fn put_varint(choices: &mut Choices<'_>, number: usize, out: &mut Vec<u8>) {
    match choices.below(256) {
        0 => out.extend([0xFF, 0xFF, 0xFF, 0xFF]),
        1 => out.extend([0xFF, 0xFF, 0xFF, 0x7F]),
        2 => out.extend([0x80, 0x80, 0x00]),
        which => {
            let mut rest = if which == 3 { number + 1 } else { number };
            while rest >= 0x80 {
                out.push(0x80 | u8::try_from(rest & 0x7F).expect("seven bits"));
                rest >>= 7;
            }
            out.push(u8::try_from(rest).expect("seven bits"));
        }
    }
}
