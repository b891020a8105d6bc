//! Recognises other protocols by their first bytes on a port for plain MQTT, and answers them in
//! their own words, so that whoever mistook the port learns what is wrong.

/// Another protocol on the port of plain MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// A request of HTTP or the upgrade to a WebSocket.
    Http,
    /// A TLS handshake.
    Tls,
}

impl Stranger {
    /// What the first bytes of a connection are, if they are surely no MQTT: CONNECT, which comes
    /// first (`MQTT-3.1.0-1`), starts with 0x10.
    pub(crate) fn recognise(first: &[u8]) -> Option<Self> {
        match first {
            [TLS_HANDSHAKE] | [TLS_HANDSHAKE, 0x03, ..] => Some(Self::Tls),
            _ if METHODS.iter().any(|method| first.starts_with(method)) => Some(Self::Http),
            _ => None,
        }
    }

    /// In words, for the log.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Http => "the peer speaks HTTP (or WebSocket) on a port for plain MQTT",
            Self::Tls => "the peer speaks TLS on a port for plain MQTT",
        }
    }

    /// What to say before hanging up. `websocket_at` tells where WebSocket would be.
    pub(crate) fn answer(self, websocket_at: Option<&str>) -> Vec<u8> {
        match self {
            // A fatal alert, unexpected_message.
            Self::Tls => vec![0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0A],
            Self::Http => {
                let hint = match websocket_at {
                    Some(place) => format!("MQTT over WebSocket is served at {place}."),
                    None => "This broker has no listener for WebSocket.".to_owned(),
                };
                let text = format!("This port is for MQTT, not for HTTP. {hint}\n");
                http_answer("400 Bad Request", "", &text)
            }
        }
    }
}

/// A whole HTTP response that ends the connection. Each extra header ends with CR LF.
pub(super) fn http_answer(status: &str, headers: &str, text: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
    .into_bytes()
}

/// The content type of a TLS record that holds a handshake message.
const TLS_HANDSHAKE: u8 = 0x16;

const METHODS: &[&[u8]] = &[
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"PRI * ",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_strangers_from_mqtt() {
        let table: &[(&[u8], Option<Stranger>)] = &[
            (b"\x10\x10\x00\x04MQTT", None),
            (b"\x10", None),
            (b"G", None),
            (b"GET / HTTP/1.1\r\n", Some(Stranger::Http)),
            (b"\x16", Some(Stranger::Tls)),
            (b"\x16\x03\x01\x02\x00", Some(Stranger::Tls)),
            (b"\x16\x04MQTT", None),
            (b"\x00\x00", None),
        ];
        for (bytes, stranger) in table {
            assert_eq!(Stranger::recognise(bytes), *stranger, "{bytes:02x?}");
        }
    }
}
