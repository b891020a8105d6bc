//! Where the examined port is and what it is supposed to speak.

use columba_client::driver::Address;

/// A TCP port and what stands above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether TLS is wanted.
    pub is_tls: bool,
    /// The path of the WebSocket, if one is wanted.
    pub websocket_path: Option<String>,
}

impl Target {
    /// The target of an address; a Unix socket has none.
    pub fn of(address: &Address) -> Option<Self> {
        match address {
            Address::Network {
                host,
                port,
                tls,
                websocket_path,
            } => Some(Self {
                host: host.clone(),
                port: *port,
                is_tls: tls.is_some(),
                websocket_path: websocket_path.clone(),
            }),
            Address::Unix(_) => None,
        }
    }

    /// The URL.
    pub fn url(&self) -> String {
        let scheme = match (&self.websocket_path, self.is_tls) {
            (None, false) => "mqtt",
            (None, true) => "mqtts",
            (Some(_), false) => "ws",
            (Some(_), true) => "wss",
        };
        let path = self.websocket_path.as_deref().unwrap_or_default();
        format!("{scheme}://{}:{}{path}", bracketed(&self.host), self.port)
    }

    /// The same host with another port and kind.
    pub fn other(&self, port: u16, is_tls: bool, websocket_path: Option<&str>) -> Self {
        Self {
            host: self.host.clone(),
            port,
            is_tls,
            websocket_path: websocket_path.map(str::to_owned),
        }
    }

    /// The same port with TLS or without.
    pub fn with_tls(&self, is_tls: bool) -> Self {
        Self {
            is_tls,
            ..self.clone()
        }
    }
}

/// A host as a URL has it: IPv6 addresses in brackets.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// What a port number usually means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usual {
    /// A web console of this product, whose MQTT is usually on the other port.
    Console(&'static str, u16),
    /// MQTT over TLS.
    Tls,
    /// MQTT over WebSocket.
    WebSocket,
    /// MQTT over secure WebSocket.
    SecureWebSocket,
    /// Apache Apollo: MQTT and other protocols on one port.
    Apollo,
    /// Plain MQTT.
    Mqtt,
    /// Something that is no MQTT.
    Other(&'static str),
}

/// What a port number usually means, if it means anything to MQTT's users.
pub const fn usual(port: u16) -> Option<Usual> {
    Some(match port {
        1883 => Usual::Mqtt,
        8883 | 61614 => Usual::Tls,
        61613 => Usual::Apollo,
        8083 | 9001 | 15675 | 61623 => Usual::WebSocket,
        8084 | 15676 | 61624 => Usual::SecureWebSocket,
        18083 | 18084 => Usual::Console("EMQX", 1883),
        61680 | 61681 => Usual::Console("Apollo", 61613),
        8161 => Usual::Console("ActiveMQ", 1883),
        15672 | 15671 => Usual::Console("RabbitMQ", 1883),
        8222 => Usual::Console("NATS", 1883),
        22 => Usual::Other("SSH"),
        80 | 8080 => Usual::Other("HTTP"),
        443 => Usual::Other("HTTPS"),
        4222 => Usual::Other("NATS"),
        5672 | 5671 => Usual::Other("AMQP"),
        6379 => Usual::Other("Redis"),
        9092 => Usual::Other("Kafka"),
        61616 => Usual::Other("OpenWire"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_kind_host_port_and_path() {
        let target = Target {
            host: "::1".to_owned(),
            port: 1883,
            is_tls: false,
            websocket_path: None,
        };
        assert_eq!(target.url(), "mqtt://[::1]:1883");
        assert_eq!(target.with_tls(true).url(), "mqtts://[::1]:1883");
        let other = target.other(8084, true, Some("/mqtt"));
        assert_eq!(other.url(), "wss://[::1]:8084/mqtt");
    }
}
