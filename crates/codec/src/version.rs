//! The protocol versions, and the only home of "does this version have ...".

/// A version of the MQTT protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// MQTT 3.1 (IBM, 2010): protocol name `MQIsdp`, level 3.
    V31,
    /// MQTT 3.1.1 (OASIS, 2014): protocol name `MQTT`, level 4.
    V311,
    /// MQTT 5.0 (OASIS, 2019): protocol name `MQTT`, level 5.
    V5,
}

impl Version {
    /// All versions, oldest first.
    pub const ALL: [Self; 3] = [Self::V31, Self::V311, Self::V5];

    /// The name that CONNECT carries.
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Self::V31 => "MQIsdp",
            Self::V311 | Self::V5 => "MQTT",
        }
    }

    /// The protocol level that CONNECT carries.
    pub const fn level(self) -> u8 {
        match self {
            Self::V31 => 3,
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }

    /// The version that a protocol name and level ask for, if it is one of ours.
    pub fn from_name_and_level(name: &str, level: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|v| v.protocol_name() == name && v.level() == level)
    }

    /// Whether packets carry properties.
    pub const fn has_properties(self) -> bool {
        matches!(self, Self::V5)
    }

    /// Whether acknowledgements, DISCONNECT and UNSUBACK carry reason codes.
    pub const fn has_reason_codes(self) -> bool {
        matches!(self, Self::V5)
    }

    /// Whether the server may send DISCONNECT.
    pub const fn has_server_disconnect(self) -> bool {
        matches!(self, Self::V5)
    }

    /// Whether AUTH exists.
    pub const fn has_auth(self) -> bool {
        matches!(self, Self::V5)
    }

    /// Whether CONNACK tells that a session was present (`MQTT-3.2.2-2`).
    pub const fn has_session_present(self) -> bool {
        !matches!(self, Self::V31)
    }

    /// Whether an empty client id asks the server to make one up (`MQTT-3.1.3-6`).
    pub const fn has_assigned_client_id(self) -> bool {
        !matches!(self, Self::V31)
    }

    /// Whether a password may come without a user name (`MQTT-3.1.2-22` of 3.1.1 forbids it).
    pub const fn has_password_without_user_name(self) -> bool {
        matches!(self, Self::V5)
    }

    /// Whether fixed header flags that a packet does not use have to be as listed
    /// (`MQTT-2.2.2-1` of 3.1.1). MQTT 3.1 lets DUP stand on a PUBREL, SUBSCRIBE or UNSUBSCRIBE
    /// that is sent again, and disregards connect flags that mean nothing.
    pub const fn has_reserved_flags(self) -> bool {
        !matches!(self, Self::V31)
    }

    /// Whether a variable byte integer has to be in its shortest form (`MQTT-1.5.5-1`). The older
    /// versions only describe how it is read.
    pub const fn has_shortest_varints(self) -> bool {
        matches!(self, Self::V5)
    }

    /// Whether SUBACK can say that a subscription failed (`MQTT-3.9.3-2` of 3.1.1). In MQTT 3.1
    /// "it must make a positive acknowledgement", and the client is not told.
    pub const fn has_subscribe_failure(self) -> bool {
        !matches!(self, Self::V31)
    }

    /// Whether the receive quota and its flow control exist.
    pub const fn has_receive_maximum(self) -> bool {
        matches!(self, Self::V5)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_level_identify_a_version() {
        for version in Version::ALL {
            let found = Version::from_name_and_level(version.protocol_name(), version.level());
            assert_eq!(found, Some(version));
        }
        assert_eq!(Version::from_name_and_level("MQTT", 3), None);
        assert_eq!(Version::from_name_and_level("mqtt", 4), None);
        assert_eq!(Version::from_name_and_level("MQTT", 6), None);
    }
}
