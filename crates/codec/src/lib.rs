//! MQTT 3.1, 3.1.1 and 5.0: bytes to packets and back.
//!
//! One model serves the three versions. A packet in memory has the shape of MQTT 5; for the older
//! versions its properties are empty and its reason codes are translated at the edge. Decoding
//! borrows from the input, allocates nothing and never panics; every limit is checked while
//! reading, before a byte of the body is trusted.
//!
//! Start reading at [`decode()`], [`Packet`] and the property table in [`property`].
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

pub mod decode;
pub mod encode;
pub mod error;
pub mod packet;
pub mod property;
pub mod reason;
pub mod topic;
pub mod version;
pub mod wire;

pub use decode::{Decoded, FixedHeader, decode, fixed_header};
pub use encode::{EncodeError, PublishTemplate};
pub use error::{DecodeError, Fault};
pub use packet::{Packet, PacketId, PacketType, QoS};
pub use property::{Properties, PropertiesBuf, PropertyId, Value};
pub use reason::ReasonCode;
pub use topic::{TopicFault, TopicFilter, TopicName};
pub use version::Version;
