//! Recognises other protocols by the first bytes of a connection, and answers them in their own
//! words, so that whoever mistook the port learns what is wrong.

use columba_codec::packet::ConnAck;
use columba_codec::{
    Decoded, Packet, PacketType, Properties, PropertiesBuf, PropertyId, ReasonCode, Value, Version,
    decode, fixed_header,
};

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// MQTT without anything below it.
    Plain,
    Tls,
    WebSocket,
    SecureWebSocket,
}

impl Carrier {
    /// In words, with "a port for" before them.
    const fn words(self) -> &'static str {
        match self {
            Self::Plain => "plain MQTT",
            Self::Tls => "MQTT over TLS (mqtts)",
            Self::WebSocket => "MQTT over WebSocket (ws)",
            Self::SecureWebSocket => "MQTT over WebSocket with TLS (wss)",
        }
    }

    /// What a client of plain MQTT has to do instead.
    const fn how(self) -> Option<&'static str> {
        Some(match self {
            Self::Plain => return None,
            Self::Tls => "connect with TLS, such as --cafile or mqtts://",
            Self::WebSocket => "connect through a WebSocket, such as ws://",
            Self::SecureWebSocket => "connect through a WebSocket with TLS, such as wss://",
        })
    }

    const fn has_tls(self) -> bool {
        matches!(self, Self::Tls | Self::SecureWebSocket)
    }

    /// Whether it begins with a request of HTTP that is not encrypted.
    const fn is_http(self) -> bool {
        matches!(self, Self::WebSocket)
    }
}

/// Another protocol than that of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// A request of HTTP or the upgrade to a WebSocket.
    Http,
    /// A TLS handshake.
    Tls,
    /// A CONNECT that nothing carries.
    Mqtt(Version),
    /// SSH.
    Ssh,
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// Not surely of another protocol: the port's own has to do with them.
    Expected,
    /// A CONNECT, perhaps; more bytes tell.
    Undecided,
    /// Surely of another protocol.
    Strange(Stranger),
}

impl Greeting {
    /// Judges the first bytes that came to a port.
    pub(crate) fn of(first: &[u8], carrier: Carrier) -> Self {
        match first {
            [TLS_HANDSHAKE] | [TLS_HANDSHAKE, 0x03, ..] if !carrier.has_tls() => {
                Self::Strange(Stranger::Tls)
            }
            [MQTT_CONNECT, ..] if carrier != Carrier::Plain => mqtt(first),
            _ if first.starts_with(b"SSH-") => Self::Strange(Stranger::Ssh),
            _ if METHODS.iter().any(|method| first.starts_with(method)) && !carrier.is_http() => {
                Self::Strange(Stranger::Http)
            }
            _ => Self::Expected,
        }
    }
}

/// Whether bytes that begin like a CONNECT are one, as far as the version that it names.
fn mqtt(first: &[u8]) -> Greeting {
    let Ok(header) = fixed_header(first, u32::MAX) else {
        return Greeting::Expected;
    };
    let body = header.and_then(|header| first.get(header.header_len..));
    let Some(body) = body else {
        return Greeting::Undecided;
    };
    for (name, versions) in NAMES {
        if let Some(rest) = body.strip_prefix(name) {
            let level = rest.first().map(|level| level & !LEVEL_BRIDGE);
            let version = versions.iter().find(|of| Some(of.level()) == level);
            return match (version, level) {
                (Some(version), _) => Greeting::Strange(Stranger::Mqtt(*version)),
                (None, Some(_)) => Greeting::Strange(Stranger::Mqtt(Version::V311)),
                (None, None) => Greeting::Undecided,
            };
        }
        if name.starts_with(body) {
            return Greeting::Undecided;
        }
    }
    Greeting::Expected
}

impl Stranger {
    /// What is wrong, in words, for the log and for whoever is told: sentences of
    /// `columba_diagnosis::noted`.
    pub(crate) fn describe(self, carrier: Carrier, port: Option<u16>) -> String {
        self.told(self.spoken(carrier), carrier, port)
    }

    /// The same of one that was found within TLS, where a WebSocket was to begin.
    pub(crate) fn describe_within_tls(self, carrier: Carrier, port: Option<u16>) -> String {
        let spoken = match self {
            Self::Mqtt(_) => Carrier::Tls.words(),
            Self::Http | Self::Tls | Self::Ssh => self.spoken(carrier),
        };
        self.told(spoken, carrier, port)
    }

    const fn spoken(self, carrier: Carrier) -> &'static str {
        match self {
            Self::Http if matches!(carrier, Carrier::SecureWebSocket) => {
                "HTTP (or WebSocket) without TLS"
            }
            Self::Http => "HTTP (or WebSocket)",
            Self::Tls => "TLS",
            Self::Mqtt(_) => "plain MQTT",
            Self::Ssh => "SSH",
        }
    }

    fn told(self, spoken: &str, carrier: Carrier, port: Option<u16>) -> String {
        let is_for = carrier.words();
        let said = match port {
            Some(port) => {
                format!("the client speaks {spoken} on port {port}, which is for {is_for}")
            }
            None => format!("the client speaks {spoken} on a socket for {is_for}"),
        };
        match (self, carrier.how()) {
            (Self::Mqtt(_), Some(how)) => format!("{said}; {how}"),
            _ => said,
        }
    }

    /// The client id in the CONNECT that a peer began with, if that has come as a whole and has one.
    pub(crate) fn client_id(self, first: &[u8]) -> Option<String> {
        let Self::Mqtt(version) = self else {
            return None;
        };
        match decode(first, version, u32::MAX) {
            Ok(Decoded::Packet(Packet::Connect(connect), _)) => {
                Some(connect.client_id.to_owned()).filter(|id| !id.is_empty())
            }
            Ok(_) | Err(_) => None,
        }
    }

    /// What to say before hanging up to a peer that began with some bytes. `websocket_at` tells where
    /// WebSocket would be.
    pub(crate) fn answer(
        self,
        carrier: Carrier,
        first: &[u8],
        websocket_at: Option<&str>,
    ) -> Vec<u8> {
        match self {
            // A fatal alert, unexpected_message.
            Self::Tls => vec![0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0A],
            Self::Http => {
                let hint = match (carrier, websocket_at) {
                    (Carrier::SecureWebSocket, _) => {
                        "Connect with TLS: the address begins with wss:// or https://".to_owned()
                    }
                    (_, Some(place)) => format!("MQTT over WebSocket is served at {place}"),
                    (_, None) => "This broker has no listener for WebSocket".to_owned(),
                };
                let text = format!(
                    "This port is for {}, not for HTTP. {hint}.\n",
                    carrier.words()
                );
                http_answer("400 Bad Request", "", &text)
            }
            Self::Mqtt(version) => refusal(version, carrier, first),
            // RFC 4253, 4.2: lines may come before a server's version. `ssh -v` shows them.
            Self::Ssh => {
                format!("This port is for {}, not for SSH.\r\n", carrier.words()).into_bytes()
            }
        }
    }
}

/// A CONNACK that says what the port is for, as far as the version has words for it: `first` begins
/// with the CONNECT.
fn refusal(version: Version, carrier: Carrier, first: &[u8]) -> Vec<u8> {
    let how = carrier.how().unwrap_or_default();
    let reason = format!("this port is for {}: {how}", carrier.words());
    let mut properties = PropertiesBuf::new();
    if version.has_properties() {
        // A sentence fits.
        let _ = properties.push(PropertyId::ReasonString, Value::String(&reason));
    }
    let encoded = |properties: Properties<'_>| {
        let packet = Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::ServerUnavailable,
            properties,
        });
        let mut bytes = Vec::new();
        // A CONNACK of each version has a code for it.
        packet
            .encode(version, &mut bytes)
            .map_or_else(|_| Vec::new(), |_| bytes)
    };
    let answer = encoded(properties.as_properties());
    // MQTT-3.2.2-19: not if it makes the packet larger than the client takes.
    let most = match decode(first, version, u32::MAX) {
        Ok(Decoded::Packet(Packet::Connect(connect), _)) => {
            connect.properties.u32(PropertyId::MaximumPacketSize)
        }
        Ok(_) | Err(_) => None,
    };
    if most.is_some_and(|most| answer.len() > most as usize) {
        return encoded(Properties::EMPTY);
    }
    answer
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

/// The first byte of plain MQTT (`MQTT-3.1.0-1`).
const MQTT_CONNECT: u8 = (PacketType::Connect as u8) << 4;

/// The protocol names of CONNECT, and the versions that go by them.
const NAMES: [(&[u8], &[Version]); 2] = [
    (b"\x00\x04MQTT", &[Version::V311, Version::V5]),
    (b"\x00\x06MQIsdp", &[Version::V31]),
];

/// Bridges may set it in the level.
const LEVEL_BRIDGE: u8 = 0x80;

/// Bytes of a CONNECT that tell its version: the header, the longer name and the level.
#[cfg(test)]
const GREETING_BYTES_MAX: usize = 5 + 8 + 1;

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
    use columba_diagnosis::noted::noted;
    use columba_speech::{Language, Text};

    use super::*;

    #[test]
    fn tells_strangers_from_those_that_a_port_is_for() {
        use Carrier::{Plain, SecureWebSocket, Tls, WebSocket};
        use Greeting::{Expected, Undecided};
        let strange = Greeting::Strange;
        let connect = |name: &[u8], level| [b"\x10\x10", name, &[level]].concat();
        let v5 = connect(b"\x00\x04MQTT", 5);
        let all = [Plain, Tls, WebSocket, SecureWebSocket];
        let mqtt = |version| {
            let mqtt = strange(Stranger::Mqtt(version));
            [Expected, mqtt, mqtt, mqtt]
        };
        let http = strange(Stranger::Http);
        let tls = strange(Stranger::Tls);
        let wait = [Expected, Undecided, Undecided, Undecided];
        let table: [(&[u8], [Greeting; 4]); 14] = [
            (&v5, mqtt(Version::V5)),
            (&connect(b"\x00\x04MQTT", 4), mqtt(Version::V311)),
            (&connect(b"\x00\x04MQTT", 0x84), mqtt(Version::V311)),
            (&connect(b"\x00\x04MQTT", 9), mqtt(Version::V311)),
            (&connect(b"\x00\x06MQIsdp", 3), mqtt(Version::V31)),
            (b"\x10", wait),
            (b"\x10\xff\x7f\x00\x04MQ", wait),
            (b"\x10\x10\x00\x04HTTP", [Expected; 4]),
            (b"GET / HTTP/1.1\r\n", [http, http, Expected, http]),
            (b"\x16", [tls, Expected, tls, Expected]),
            (b"\x16\x03\x01\x02\x00", [tls, Expected, tls, Expected]),
            (b"\x16\x04MQTT", [Expected; 4]),
            (b"SSH-2.0-OpenSSH_9.2", [strange(Stranger::Ssh); 4]),
            (b"\x00\x00", [Expected; 4]),
        ];
        for (bytes, greetings) in table {
            for (carrier, greeting) in all.iter().zip(greetings) {
                assert_eq!(
                    Greeting::of(bytes, *carrier),
                    greeting,
                    "{bytes:02x?} {carrier:?}"
                );
            }
        }
        // However it is cut, it is decided in time.
        for len in 1..v5.len() {
            assert_eq!(Greeting::of(&v5[..len], Tls), Undecided);
        }
        let longest = [&b"\x10\xff\xff\xff\x7f\x00\x06MQIsdp"[..], &[3]].concat();
        assert_eq!(longest.len(), GREETING_BYTES_MAX);
        assert_ne!(Greeting::of(&longest, Tls), Undecided);
    }

    columba_speech::catalogue! { ALL; it(what) { en: "{what}", zh: "{what}" } }

    #[test]
    fn what_is_spoken_and_what_the_port_is_for_is_said_in_both_languages() {
        assert_eq!(ALL.len(), 1);
        for carrier in [
            Carrier::Plain,
            Carrier::Tls,
            Carrier::WebSocket,
            Carrier::SecureWebSocket,
        ] {
            let mqtt = Stranger::Mqtt(Version::V5);
            for stranger in [Stranger::Http, Stranger::Tls, mqtt, Stranger::Ssh] {
                for port in [Some(8883), None] {
                    // A socket of the file system carries plain MQTT alone.
                    if port.is_none() && carrier != Carrier::Plain {
                        continue;
                    }
                    let within = (carrier == Carrier::SecureWebSocket)
                        .then(|| stranger.describe_within_tls(carrier, port));
                    let outside = stranger.describe(carrier, port);
                    for said in [Some(outside), within].into_iter().flatten() {
                        let text: Text = it(noted(&said));
                        assert_eq!(text.to_string(Language::English), said);
                        let chinese = text.to_string(Language::Chinese);
                        let has_english =
                            ["client", "plain", "over", "without", "connect", "such as"];
                        assert!(
                            !has_english.iter().any(|word| chinese.contains(word)),
                            "{chinese}"
                        );
                        assert_eq!(chinese.contains("8883"), port.is_some(), "{chinese}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_client_id_is_told_of_a_connect_that_is_whole() {
        let connect = b"\x10\x10\0\x04MQTT\x04\x02\0\0\0\x04lamp";
        let mqtt = Stranger::Mqtt(Version::V311);
        assert_eq!(mqtt.client_id(connect).as_deref(), Some("lamp"));
        for len in 0..connect.len() {
            assert_eq!(mqtt.client_id(&connect[..len]), None, "{len}");
        }
        assert_eq!(mqtt.client_id(b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0"), None);
        assert_eq!(Stranger::Tls.client_id(connect), None);
    }

    #[test]
    fn a_refusal_keeps_to_the_size_that_the_client_takes() {
        // MQTT-3.2.2-19
        let connect = |most: &[u8]| {
            let properties = [&[most.len() as u8][..], most].concat();
            let body = [
                b"\x00\x04MQTT\x05\x02\x00\x00",
                &properties[..],
                b"\x00\x01a",
            ]
            .concat();
            [&[0x10, body.len() as u8], &body[..]].concat()
        };
        let long = refusal(Version::V5, Carrier::Tls, &connect(&[]));
        let text = String::from_utf8_lossy(&long).into_owned();
        assert!(text.contains("this port is for MQTT over TLS"), "{text}");
        let short = refusal(Version::V5, Carrier::Tls, &connect(b"\x27\x00\x00\x00\x10"));
        assert_eq!(short, b"\x20\x03\x00\x88\x00");
        let v311 = refusal(Version::V311, Carrier::Tls, b"\x10");
        assert_eq!(v311, b"\x20\x02\x00\x03");
    }
}
