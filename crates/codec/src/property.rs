//! Properties of MQTT 5: one table says id, type, allowed packets and whether a property may
//! repeat; reading, writing and checking all go by it.

use crate::error::Fault;
use crate::packet::PacketType;
use crate::wire::{FIELD_BYTES_MAX, ReadError, Reader, VARINT_MAX, put_binary, put_varint};

/// The wire type of a property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One byte that is 0 or 1.
    Flag,
    /// Two byte integer.
    U16,
    /// Two byte integer that is not 0.
    U16NotZero,
    /// Two byte integer that is not 0, with a reason code of its own if it is.
    Alias,
    /// Four byte integer.
    U32,
    /// Four byte integer that is not 0.
    U32NotZero,
    /// Variable byte integer that is not 0.
    VarintNotZero,
    /// UTF-8 string.
    String,
    /// Topic name: a UTF-8 string without wildcards.
    Topic,
    /// Binary data.
    Binary,
    /// Two UTF-8 strings.
    Pair,
}

/// Where a property may occur. The Will's properties have a place of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the properties of this packet.
    Packet(PacketType),
    /// In the Will Properties of CONNECT.
    Will,
}

impl Place {
    const fn bit(self) -> u32 {
        match self {
            Self::Packet(packet) => 1 << packet as u32,
            Self::Will => WILL,
        }
    }
}

const WILL: u32 = 1;
const CONNECT: u32 = 1 << PacketType::Connect as u32;
const CONNACK: u32 = 1 << PacketType::ConnAck as u32;
const PUBLISH: u32 = 1 << PacketType::Publish as u32;
const ACKS: u32 = 1 << PacketType::PubAck as u32
    | 1 << PacketType::PubRec as u32
    | 1 << PacketType::PubRel as u32
    | 1 << PacketType::PubComp as u32;
const SUBSCRIBE: u32 = 1 << PacketType::Subscribe as u32;
const SUBACK: u32 = 1 << PacketType::SubAck as u32;
const UNSUBSCRIBE: u32 = 1 << PacketType::Unsubscribe as u32;
const UNSUBACK: u32 = 1 << PacketType::UnsubAck as u32;
const DISCONNECT: u32 = 1 << PacketType::Disconnect as u32;
const AUTH: u32 = 1 << PacketType::Auth as u32;

macro_rules! properties {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $text:literal, $kind:ident, $places:expr, $repeats:expr;)*) => {
        /// The identifier of a property.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum PropertyId { $($(#[$doc])* $name = $id,)* }

        impl PropertyId {
            /// All properties in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The property with this identifier, if the standard has one.
            pub const fn from_u32(id: u32) -> Option<Self> {
                match id { $($id => Some(Self::$name),)* _ => None }
            }

            /// The standard's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The type of the value.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }

            /// Whether the property may occur there.
            pub const fn is_allowed_in(self, place: Place) -> bool {
                let places = match self { $(Self::$name => $places,)* };
                places & place.bit() != 0
            }

            /// Whether the property may occur more than once in this place. A client never sends
            /// a Subscription Identifier in PUBLISH; a server may send several.
            pub const fn may_repeat_in(self, place: Place) -> bool {
                let places = match self { $(Self::$name => $repeats,)* };
                places & place.bit() != 0
            }
        }
    };
}

properties! {
    /// Whether the payload is UTF-8.
    PayloadFormatIndicator = 1, "Payload Format Indicator", Flag, PUBLISH | WILL, 0;
    /// Lifetime of a message in seconds.
    MessageExpiryInterval = 2, "Message Expiry Interval", U32, PUBLISH | WILL, 0;
    /// What the payload is.
    ContentType = 3, "Content Type", String, PUBLISH | WILL, 0;
    /// Where a reply goes.
    ResponseTopic = 8, "Response Topic", Topic, PUBLISH | WILL, 0;
    /// What a reply refers to.
    CorrelationData = 9, "Correlation Data", Binary, PUBLISH | WILL, 0;
    /// Number of the subscription that matched.
    SubscriptionIdentifier = 11, "Subscription Identifier", VarintNotZero, PUBLISH | SUBSCRIBE, PUBLISH;
    /// Seconds that the session outlives its connection.
    SessionExpiryInterval = 17, "Session Expiry Interval", U32, CONNECT | CONNACK | DISCONNECT, 0;
    /// The id that the server made up.
    AssignedClientIdentifier = 18, "Assigned Client Identifier", String, CONNACK, 0;
    /// The keep alive that the server wants.
    ServerKeepAlive = 19, "Server Keep Alive", U16, CONNACK, 0;
    /// Name of the authentication method.
    AuthenticationMethod = 21, "Authentication Method", String, CONNECT | CONNACK | AUTH, 0;
    /// Data of the authentication method.
    AuthenticationData = 22, "Authentication Data", Binary, CONNECT | CONNACK | AUTH, 0;
    /// Whether the client wants reason strings.
    RequestProblemInformation = 23, "Request Problem Information", Flag, CONNECT, 0;
    /// Seconds between the end of the connection and the Will.
    WillDelayInterval = 24, "Will Delay Interval", U32, WILL, 0;
    /// Whether the client wants response information.
    RequestResponseInformation = 25, "Request Response Information", Flag, CONNECT, 0;
    /// Basis for response topics.
    ResponseInformation = 26, "Response Information", String, CONNACK, 0;
    /// Another server.
    ServerReference = 28, "Server Reference", String, CONNACK | DISCONNECT, 0;
    /// Text for people.
    ReasonString = 31, "Reason String", String, CONNACK | ACKS | SUBACK | UNSUBACK | DISCONNECT | AUTH, 0;
    /// How many unacknowledged messages the sender of this takes.
    ReceiveMaximum = 33, "Receive Maximum", U16NotZero, CONNECT | CONNACK, 0;
    /// The highest topic alias that the sender of this takes.
    TopicAliasMaximum = 34, "Topic Alias Maximum", U16, CONNECT | CONNACK, 0;
    /// A number that stands for a topic.
    TopicAlias = 35, "Topic Alias", Alias, PUBLISH, 0;
    /// The highest QoS that the server takes.
    MaximumQos = 36, "Maximum QoS", Flag, CONNACK, 0;
    /// Whether the server keeps retained messages.
    RetainAvailable = 37, "Retain Available", Flag, CONNACK, 0;
    /// Name and value for the application.
    UserProperty = 38, "User Property", Pair, CONNECT | CONNACK | PUBLISH | WILL | ACKS | SUBSCRIBE | SUBACK | UNSUBSCRIBE | UNSUBACK | DISCONNECT | AUTH, u32::MAX;
    /// The largest packet that the sender of this takes.
    MaximumPacketSize = 39, "Maximum Packet Size", U32NotZero, CONNECT | CONNACK, 0;
    /// Whether the server takes wildcard subscriptions.
    WildcardSubscriptionAvailable = 40, "Wildcard Subscription Available", Flag, CONNACK, 0;
    /// Whether the server takes subscription identifiers.
    SubscriptionIdentifierAvailable = 41, "Subscription Identifier Available", Flag, CONNACK, 0;
    /// Whether the server takes shared subscriptions.
    SharedSubscriptionAvailable = 42, "Shared Subscription Available", Flag, CONNACK, 0;
}

impl std::fmt::Display for PropertyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The value of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// [`Kind::Flag`].
    Flag(bool),
    /// [`Kind::U16`], [`Kind::U16NotZero`] and [`Kind::Alias`].
    U16(u16),
    /// [`Kind::U32`], [`Kind::U32NotZero`] and [`Kind::VarintNotZero`].
    U32(u32),
    /// [`Kind::String`] and [`Kind::Topic`].
    String(&'a str),
    /// [`Kind::Binary`].
    Binary(&'a [u8]),
    /// [`Kind::Pair`].
    Pair(&'a str, &'a str),
}

/// One property as it stands in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// Which.
    pub id: PropertyId,
    /// Its value.
    pub value: Value<'a>,
    /// Identifier and value as bytes, to pass on unchanged.
    pub bytes: &'a [u8],
}

/// The properties of one packet, checked against the table and kept as bytes.
///
/// Order is the order of receipt. Empty for MQTT 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Properties<'a> {
    bytes: &'a [u8],
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const EMPTY: Self = Self { bytes: &[] };

    /// The encoded properties, without the length in front of them.
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// All properties in order.
    pub fn iter(self) -> impl Iterator<Item = Property<'a>> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || {
            if reader.is_empty() {
                None
            } else {
                read_one(&mut reader, self.bytes).ok()
            }
        })
    }

    /// The first value of a property.
    pub fn find(self, id: PropertyId) -> Option<Value<'a>> {
        if self.is_empty() {
            return None;
        }
        self.iter()
            .find(|property| property.id == id)
            .map(|property| property.value)
    }

    /// The value of a [`Kind::Flag`] property.
    pub fn flag(self, id: PropertyId) -> Option<bool> {
        match self.find(id) {
            Some(Value::Flag(value)) => Some(value),
            _ => None,
        }
    }

    /// The value of a two byte property.
    pub fn u16(self, id: PropertyId) -> Option<u16> {
        match self.find(id) {
            Some(Value::U16(value)) => Some(value),
            _ => None,
        }
    }

    /// The value of a four byte or variable byte property.
    pub fn u32(self, id: PropertyId) -> Option<u32> {
        match self.find(id) {
            Some(Value::U32(value)) => Some(value),
            _ => None,
        }
    }

    /// The value of a string property.
    pub fn string(self, id: PropertyId) -> Option<&'a str> {
        match self.find(id) {
            Some(Value::String(value)) => Some(value),
            _ => None,
        }
    }

    /// The value of a binary property.
    pub fn binary(self, id: PropertyId) -> Option<&'a [u8]> {
        match self.find(id) {
            Some(Value::Binary(value)) => Some(value),
            _ => None,
        }
    }

    /// All User Properties in order.
    pub fn user_properties(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.iter().filter_map(|property| match property.value {
            Value::Pair(name, value) => Some((name, value)),
            _ => None,
        })
    }

    /// All Subscription Identifiers in order.
    pub fn subscription_identifiers(self) -> impl Iterator<Item = u32> {
        self.iter()
            .filter_map(|property| match (property.id, property.value) {
                (PropertyId::SubscriptionIdentifier, Value::U32(value)) => Some(value),
                _ => None,
            })
    }

    /// Reads the length and the properties, and checks them against the table.
    pub(crate) fn read(reader: &mut Reader<'a>, place: Place) -> Result<Self, ReadError> {
        let len = reader.varint()?;
        let start = reader.at();
        let bytes = reader.take(len as usize)?;
        if bytes.is_empty() {
            return Ok(Self::EMPTY);
        }
        let shift = |error: ReadError| ReadError {
            at: error.at + start as u32,
            ..error
        };
        let mut inner = Reader::new(bytes);
        let mut seen = 0u64;
        let mut has_method = false;
        let mut has_data = false;
        while !inner.is_empty() {
            let at = start + inner.at();
            let property = read_one(&mut inner, bytes).map_err(shift)?;
            if !property.id.is_allowed_in(place) {
                return reader.fault_at(at, Fault::PropertyNotAllowed(property.id));
            }
            let bit = 1u64 << property.id as u8;
            if seen & bit != 0 && !property.id.may_repeat_in(place) {
                return reader.fault_at(at, Fault::PropertyTwice(property.id));
            }
            seen |= bit;
            has_method |= property.id == PropertyId::AuthenticationMethod;
            has_data |= property.id == PropertyId::AuthenticationData;
        }
        if has_data && !has_method {
            return reader.fault_at(start, Fault::AuthenticationDataWithoutMethod);
        }
        Ok(Self { bytes })
    }
}

/// Reads one property; `all` is what the reader was made from.
fn read_one<'a>(reader: &mut Reader<'a>, all: &'a [u8]) -> Result<Property<'a>, ReadError> {
    let start = reader.at();
    let number = reader.varint()?;
    let Some(id) = PropertyId::from_u32(number) else {
        return reader.fault_at(start, Fault::UnknownProperty(number));
    };
    let forbidden = |reader: &Reader<'a>| reader.fault_at(start, Fault::PropertyValue(id));
    let value = match id.kind() {
        Kind::Flag => match reader.u8()? {
            0 => Value::Flag(false),
            1 => Value::Flag(true),
            _ => return forbidden(reader),
        },
        Kind::U16 => Value::U16(reader.u16()?),
        Kind::U16NotZero => match reader.u16()? {
            0 => return forbidden(reader),
            value => Value::U16(value),
        },
        Kind::Alias => match reader.u16()? {
            0 => return reader.fault_at(start, Fault::TopicAliasZero),
            value => Value::U16(value),
        },
        Kind::U32 => Value::U32(reader.u32()?),
        Kind::U32NotZero => match reader.u32()? {
            0 => return forbidden(reader),
            value => Value::U32(value),
        },
        Kind::VarintNotZero => match reader.varint()? {
            0 => return forbidden(reader),
            value => Value::U32(value),
        },
        Kind::String => Value::String(reader.string()?),
        Kind::Topic => {
            let topic = reader.string()?;
            if topic.contains(['+', '#']) || topic.is_empty() {
                return forbidden(reader);
            }
            Value::String(topic)
        }
        Kind::Binary => Value::Binary(reader.binary()?),
        Kind::Pair => Value::Pair(reader.string()?, reader.string()?),
    };
    let bytes = all.get(start..reader.at()).unwrap_or_default();
    Ok(Property { id, value, bytes })
}

/// Properties under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertiesBuf {
    bytes: Vec<u8>,
}

/// A value that does not have the property's type, or does not fit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("property {0} does not take this value")]
pub struct ValueError(pub PropertyId);

impl PropertiesBuf {
    /// No properties yet.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// The properties so far, to put into a packet.
    pub fn as_properties(&self) -> Properties<'_> {
        Properties { bytes: &self.bytes }
    }

    /// Appends a property.
    ///
    /// # Errors
    /// [`ValueError`] if the value's type is not the table's or the value is one that the
    /// standard forbids. Nothing is appended then.
    pub fn push(&mut self, id: PropertyId, value: Value<'_>) -> Result<(), ValueError> {
        let before = self.bytes.len();
        self.bytes.push(id as u8);
        if put_value(&mut self.bytes, id.kind(), value).is_none() {
            self.bytes.truncate(before);
            return Err(ValueError(id));
        }
        Ok(())
    }

    /// Appends a property that was read from another packet, unchanged.
    pub fn push_read(&mut self, property: Property<'_>) {
        self.bytes.extend_from_slice(property.bytes);
    }

    /// Removes all properties and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

fn put_value(out: &mut Vec<u8>, kind: Kind, value: Value<'_>) -> Option<()> {
    let fits = |data: &[u8]| (data.len() <= FIELD_BYTES_MAX).then_some(());
    let text = |text: &str| fits(text.as_bytes()).filter(|()| !text.contains('\0'));
    match (kind, value) {
        (Kind::Flag, Value::Flag(value)) => out.push(u8::from(value)),
        (Kind::U16NotZero | Kind::Alias, Value::U16(0)) | (Kind::U32NotZero, Value::U32(0)) => {
            return None;
        }
        (Kind::U16 | Kind::U16NotZero | Kind::Alias, Value::U16(value)) => {
            out.extend_from_slice(&value.to_be_bytes());
        }
        (Kind::U32 | Kind::U32NotZero, Value::U32(value)) => {
            out.extend_from_slice(&value.to_be_bytes());
        }
        (Kind::VarintNotZero, Value::U32(value)) => {
            if value == 0 || value > VARINT_MAX {
                return None;
            }
            put_varint(out, value);
        }
        (Kind::String, Value::String(value)) => {
            text(value)?;
            put_binary(out, value.as_bytes());
        }
        (Kind::Topic, Value::String(value)) => {
            if value.is_empty() || value.contains(['+', '#']) {
                return None;
            }
            text(value)?;
            put_binary(out, value.as_bytes());
        }
        (Kind::Binary, Value::Binary(value)) => {
            fits(value)?;
            put_binary(out, value);
        }
        (Kind::Pair, Value::Pair(name, value)) => {
            text(name)?;
            text(value)?;
            put_binary(out, name.as_bytes());
            put_binary(out, value.as_bytes());
        }
        _ => return None,
    }
    Some(())
}
