//! SUBSCRIBE.

use super::publish::read_packet_id;
use super::{PacketId, PacketType, QoS};
use crate::encode::{BodyWriter, EncodeError};
use crate::error::Fault;
use crate::property::{Place, Properties};
use crate::version::Version;
use crate::wire::{FIELD_BYTES_MAX, ReadError, Reader, put_binary};

/// A request for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// The id that SUBACK repeats.
    pub packet_id: PacketId,
    /// Properties, empty before MQTT 5.
    pub properties: Properties<'a>,
    /// At least one filter.
    pub filters: SubscribeFilters<'a>,
}

/// When retained messages are sent for a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// At every SUBSCRIBE.
    #[default]
    Send = 0,
    /// Only if the subscription is new.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

/// The options of one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscribeOptions {
    /// The highest QoS that the client wants.
    pub qos: QoS,
    /// Leave out what the client itself published.
    pub no_local: bool,
    /// Keep RETAIN as it was published.
    pub retain_as_published: bool,
    /// When retained messages are sent.
    pub retain_handling: RetainHandling,
}

impl SubscribeOptions {
    /// The options that MQTT 3 knows: a QoS.
    pub const fn from_qos(qos: QoS) -> Self {
        Self {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
        }
    }

    /// The options byte.
    pub const fn as_u8(self) -> u8 {
        self.qos.as_u8()
            | (self.no_local as u8) << 2
            | (self.retain_as_published as u8) << 3
            | (self.retain_handling as u8) << 4
    }

    fn from_u8(byte: u8, version: Version) -> Result<Self, Fault> {
        let reserved = if version.has_properties() {
            0b1100_0000
        } else {
            0b1111_1100
        };
        if byte & reserved != 0 {
            return Err(Fault::ReservedBits("the subscription options"));
        }
        let retain_handling = match byte >> 4 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(Fault::RetainHandlingThree),
        };
        Ok(Self {
            qos: QoS::from_u8(byte & 0b11).ok_or(Fault::MaximumQosThree)?,
            no_local: byte & 1 << 2 != 0,
            retain_as_published: byte & 1 << 3 != 0,
            retain_handling,
        })
    }
}

/// The filters of a SUBSCRIBE, kept as bytes: each a string and an options byte.
///
/// The strings are UTF-8 and the options valid; whether a filter is a valid topic filter is for
/// the server to say, per filter, in SUBACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeFilters<'a> {
    bytes: &'a [u8],
}

impl<'a> SubscribeFilters<'a> {
    /// Filters that [`Self::put`] has written.
    ///
    /// # Errors
    /// The first fault, if the bytes are none.
    pub fn from_bytes(bytes: &'a [u8], version: Version) -> Result<Self, Fault> {
        check(&mut Reader::new(bytes), version).map_err(|error| error.fault)?;
        Ok(Self { bytes })
    }

    /// Appends a filter; too long a filter is refused.
    ///
    /// # Errors
    /// [`EncodeError::FieldTooLong`].
    pub fn put(
        out: &mut Vec<u8>,
        filter: &str,
        options: SubscribeOptions,
    ) -> Result<(), EncodeError> {
        if filter.len() > FIELD_BYTES_MAX {
            return Err(EncodeError::FieldTooLong);
        }
        put_binary(out, filter.as_bytes());
        out.push(options.as_u8());
        Ok(())
    }

    /// All filters in order.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, SubscribeOptions)> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || {
            let filter = reader.string().ok()?;
            // The options were checked against their version; version 5 allows a superset.
            let options = SubscribeOptions::from_u8(reader.u8().ok()?, Version::V5).ok()?;
            Some((filter, options))
        })
    }
}

impl<'a> Subscribe<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, ReadError> {
        let packet_id = read_packet_id(reader)?;
        let properties = if version.has_properties() {
            Properties::read(reader, Place::Packet(PacketType::Subscribe))?
        } else {
            Properties::EMPTY
        };
        let mut rest = reader.clone();
        check(reader, version)?;
        Ok(Self {
            packet_id,
            properties,
            filters: SubscribeFilters {
                bytes: rest.take_rest(),
            },
        })
    }

    pub(crate) fn write(
        &self,
        version: Version,
        out: &mut BodyWriter<'_>,
    ) -> Result<(), EncodeError> {
        out.u16(self.packet_id.get());
        out.properties(version, self.properties)?;
        out.bytes(self.filters.bytes);
        Ok(())
    }
}

fn check(reader: &mut Reader<'_>, version: Version) -> Result<(), ReadError> {
    if reader.is_empty() {
        return reader.fault(Fault::NoFilters);
    }
    while !reader.is_empty() {
        reader.string()?;
        let at = reader.at();
        if let Err(fault) = SubscribeOptions::from_u8(reader.u8()?, version) {
            return reader.fault_at(at, fault);
        }
    }
    Ok(())
}
