//! UNSUBSCRIBE.

use super::publish::read_packet_id;
use super::{PacketId, PacketType};
use crate::encode::{BodyWriter, EncodeError};
use crate::error::Fault;
use crate::property::{Place, Properties};
use crate::version::Version;
use crate::wire::{FIELD_BYTES_MAX, ReadError, Reader, put_binary};

/// A request for no more messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// The id that UNSUBACK repeats.
    pub packet_id: PacketId,
    /// Properties, empty before MQTT 5.
    pub properties: Properties<'a>,
    /// At least one filter.
    pub filters: UnsubscribeFilters<'a>,
}

/// The filters of an UNSUBSCRIBE, kept as bytes: each a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsubscribeFilters<'a> {
    bytes: &'a [u8],
}

impl<'a> UnsubscribeFilters<'a> {
    /// Filters that [`Self::put`] has written.
    ///
    /// # Errors
    /// The first fault, if the bytes are none.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Fault> {
        check(&mut Reader::new(bytes)).map_err(|error| error.fault)?;
        Ok(Self { bytes })
    }

    /// Appends a filter; too long a filter is refused.
    ///
    /// # Errors
    /// [`EncodeError::FieldTooLong`].
    pub fn put(out: &mut Vec<u8>, filter: &str) -> Result<(), EncodeError> {
        if filter.len() > FIELD_BYTES_MAX {
            return Err(EncodeError::FieldTooLong);
        }
        put_binary(out, filter.as_bytes());
        Ok(())
    }

    /// All filters in order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || reader.string().ok())
    }
}

impl<'a> Unsubscribe<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, ReadError> {
        let packet_id = read_packet_id(reader)?;
        let properties = if version.has_properties() {
            Properties::read(reader, Place::Packet(PacketType::Unsubscribe))?
        } else {
            Properties::EMPTY
        };
        let mut rest = reader.clone();
        check(reader)?;
        Ok(Self {
            packet_id,
            properties,
            filters: UnsubscribeFilters {
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

fn check(reader: &mut Reader<'_>) -> Result<(), ReadError> {
    if reader.is_empty() {
        return reader.fault(Fault::NoFilters);
    }
    while !reader.is_empty() {
        reader.string()?;
    }
    Ok(())
}
