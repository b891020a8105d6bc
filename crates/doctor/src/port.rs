//! What a port speaks: asked in MQTT, TLS and HTTP, judged by its first bytes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use columba_codec::packet::{Connect, Disconnect, Packet};
use columba_codec::{Properties, ReasonCode, Version};
use columba_speech::Text;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::report::{Check, Finding};
use crate::target::Target;
use crate::text::network as text;
use crate::within::{self, Carrier, Way};

/// The return code "server unavailable" of a CONNACK of MQTT 3.1.1.
const CONNACK_UNAVAILABLE: u8 = 3;
/// Bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: usize = 8 * 1024;
/// Longest banner that is shown, in characters.
const BANNER_CHARS_MAX: usize = 60;

/// What a port speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// MQTT.
    Mqtt,
    /// TLS, and what is inside, if that could be told.
    Tls(Option<Box<Self>>),
    /// HTTP, and the WebSocket upgrade to MQTT works at this path.
    WebSocket {
        /// The path.
        path: String,
        /// Whether the server agreed to the subprotocol `mqtt` (`MQTT-6.0.0-4`).
        has_subprotocol: bool,
    },
    /// HTTP without a WebSocket.
    Http {
        /// Status code of the answer.
        status: u16,
        /// The `Server` header.
        server: Option<String>,
    },
    /// Another protocol that is known by name.
    Named(&'static str),
    /// A line of text that says nothing to us.
    Banner(String),
    /// Bytes that say nothing to us.
    Unknown,
    /// Nothing at all.
    Silent,
    /// The end of the connection.
    Closed,
    /// A reset.
    Resets,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// How the connection ended, if it did.
    pub(crate) end: Option<io::Result<()>>,
}

/// Asks a port in every protocol, that of the target first, until one is understood.
pub async fn look(target: &Target, address: SocketAddr, patience: Duration) -> Speaks {
    let way = Way {
        target,
        address,
        identity: None,
        patience,
    };
    let mut last = Speaks::Silent;
    for probe in order(target) {
        let speaks = match probe {
            Probe::Mqtt => match mqtt(address, patience).await {
                (Speaks::Mqtt, Refusal::Unavailable) => {
                    last = Speaks::Mqtt;
                    continue;
                }
                (page @ Speaks::Http { .. }, _) => way.websocket(Carrier::Tcp, Some(page)).await,
                (speaks, _) => speaks,
            },
            Probe::Http => way.websocket(Carrier::Tcp, None).await,
            Probe::Tls => match within::look(&way).await {
                Some(speaks) => speaks,
                None => continue,
            },
        };
        // An alert says that there is TLS, and not what is within.
        let speaks = match (speaks, probe) {
            (Speaks::Tls(None), Probe::Mqtt | Probe::Http) => {
                within::look(&way).await.unwrap_or(Speaks::Tls(None))
            }
            (speaks, _) => speaks,
        };
        // Who has no service in plain MQTT, and has it in something else, is that.
        let is_carrier = matches!(speaks, Speaks::Tls(Some(_)) | Speaks::WebSocket { .. });
        if speaks.is_understood() && (is_carrier || last != Speaks::Mqtt) {
            return speaks;
        }
        // The answer to the protocol that was meant says most.
        if matches!(last, Speaks::Silent) {
            last = speaks;
        }
    }
    last
}

/// Whether a broker says in its CONNACK that it has no service here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// Server unavailable: the answer of Columba in plain MQTT on a port for TLS or WebSocket.
    Unavailable,
    None,
}

/// Asks in MQTT 3.1.1, and in MQTT 5 whoever hangs up on that: brokers with MQTT 5 alone do.
async fn mqtt(address: SocketAddr, patience: Duration) -> (Speaks, Refusal) {
    let mut last = Speaks::Silent;
    for version in [Version::V311, Version::V5] {
        let answer = match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => ask(stream, &mqtt_connect(version), patience).await,
            Ok(Err(error)) => return (of_end(&Err(error)), Refusal::None),
            Err(_) => return (Speaks::Silent, Refusal::None),
        };
        last = classify(&answer);
        if !matches!(last, Speaks::Closed | Speaks::Resets) {
            let refusal = match says_unavailable(&answer) {
                true => Refusal::Unavailable,
                false => Refusal::None,
            };
            return (last, refusal);
        }
    }
    (last, Refusal::None)
}

/// Whether it is the CONNACK of a broker that has no service in MQTT without a carrier here.
pub(crate) fn says_unavailable(answer: &Answer) -> bool {
    matches!(
        answer.bytes.as_slice(),
        [0x20, _, _, CONNACK_UNAVAILABLE, ..]
    )
}

#[derive(Clone, Copy)]
enum Probe {
    Mqtt,
    Tls,
    Http,
}

const fn order(target: &Target) -> [Probe; 3] {
    match (target.is_tls, &target.websocket_path) {
        (true, _) => [Probe::Tls, Probe::Mqtt, Probe::Http],
        (false, None) => [Probe::Mqtt, Probe::Tls, Probe::Http],
        (false, Some(_)) => [Probe::Http, Probe::Mqtt, Probe::Tls],
    }
}

/// Looks inside TLS for what the target wants.
pub(crate) async fn inside(
    target: &Target,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    patience: Duration,
) -> Answer {
    let question = match &target.websocket_path {
        Some(path) => upgrade(target, path),
        None => mqtt_connect(Version::V311),
    };
    ask(stream, &question, patience).await
}

/// A CONNECT without credentials: whatever a broker that has the version thinks of it, it answers
/// with a CONNACK. Ends with a DISCONNECT.
pub(crate) fn mqtt_connect(version: Version) -> Vec<u8> {
    let client_id = format!("doctor-{:08x}", crate::nonce() as u32);
    let connect = Packet::Connect(Connect {
        version,
        is_bridge: false,
        clean_start: true,
        keep_alive_secs: 10,
        properties: Properties::default(),
        client_id: &client_id,
        will: None,
        user_name: None,
        password: None,
    });
    let mut bytes = Vec::new();
    // Both are short and within every limit of the encoding.
    let encoded = connect.encode(version, &mut bytes);
    let disconnect = Packet::Disconnect(Disconnect {
        reason: ReasonCode::Success,
        properties: Properties::default(),
    });
    let left = disconnect.encode(version, &mut bytes);
    assert!(encoded.is_ok() && left.is_ok(), "a CONNECT can be encoded");
    bytes
}

/// RFC 6455, 4.1, with the subprotocol of MQTT (`MQTT-6.0.0-3`).
pub(crate) fn upgrade(target: &Target, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {}:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: Y29sdW1iYSBkb2N0b3IhIQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n\r\n",
        crate::target::bracketed(&target.host),
        target.port
    )
    .into_bytes()
}

/// Sends a question and takes the first answer, whole enough to tell what it is.
pub(crate) async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    question: &[u8],
    patience: Duration,
) -> Answer {
    let mut answer = Answer::default();
    // A banner may have come and the connection be gone already; so reading goes on regardless.
    let _ = timeout(patience, async {
        stream.write_all(question).await?;
        stream.flush().await
    })
    .await;
    let reading = async {
        let mut chunk = [0; 2_048];
        while !is_enough(&answer.bytes) {
            match stream.read(&mut chunk).await {
                Ok(0) => return Some(Ok(())),
                Ok(len) => answer.bytes.extend(chunk.iter().take(len)),
                Err(error) => return Some(Err(error)),
            }
        }
        None
    };
    let end = timeout(patience, reading).await.unwrap_or_default();
    Answer { end, ..answer }
}

fn is_enough(bytes: &[u8]) -> bool {
    if bytes.len() >= ANSWER_BYTES_MAX {
        return true;
    }
    let is_http = b"HTTP/".starts_with(bytes.get(..5).unwrap_or(bytes));
    if is_http {
        return bytes.windows(4).any(|end| end == b"\r\n\r\n");
    }
    let is_text = bytes
        .iter()
        .all(|byte| matches!(byte, b'\r' | b'\n' | b' '..=b'~'));
    if is_text {
        return bytes.contains(&b'\n');
    }
    bytes.len() >= 2
}

/// What an answer is.
pub(crate) fn classify(answer: &Answer) -> Speaks {
    let bytes = answer.bytes.as_slice();
    match bytes {
        [] => match &answer.end {
            Some(end) => of_end(end),
            None => Speaks::Silent,
        },
        // CONNACK, of three bytes and more.
        [0x20, 0x02..=0xFF, ..] => Speaks::Mqtt,
        // A record of TLS: alert or handshake, version 3.x.
        [0x15 | 0x16, 0x03, ..] => Speaks::Tls(None),
        _ if bytes.starts_with(b"HTTP/") => http(bytes),
        // Some servers answer what is no request with a page and nothing above it.
        _ if is_page(bytes) => Speaks::Http {
            status: 400,
            server: None,
        },
        _ if bytes.starts_with(b"SSH-") => Speaks::Named("SSH"),
        _ if bytes.starts_with(b"AMQP") => Speaks::Named("AMQP"),
        _ if bytes.starts_with(b"INFO {") => Speaks::Named("NATS"),
        _ if bytes.starts_with(b"-ERR") => Speaks::Named("Redis"),
        _ if bytes.starts_with(b"ERROR\n") => Speaks::Named("STOMP"),
        _ if bytes.starts_with(b"RFB ") => Speaks::Named("VNC"),
        _ if bytes.starts_with(b"220") => Speaks::Named("SMTP / FTP"),
        _ if bytes.get(5..13) == Some(b"ActiveMQ") => Speaks::Named("OpenWire"),
        _ => mysql(bytes).map_or_else(|| banner(bytes), Speaks::Banner),
    }
}

/// What a MySQL or MariaDB server says first: its version, or in an error packet why it does not talk to us.
/// Around that stand lengths and numbers, which are no text.
fn mysql(bytes: &[u8]) -> Option<String> {
    let (head, packet) = bytes.split_at_checked(4)?;
    // A length below 256 in three bytes, and the number of the packet.
    if !matches!(head, [_, 0, 0, 0 | 1]) {
        return None;
    }
    let text = match packet {
        [10, version @ ..] => {
            let version = version.split(|byte| *byte == 0).next()?;
            // MariaDB stands behind a version that old replicas want to see.
            let version = version.strip_prefix(b"5.5.5-").unwrap_or(version);
            format!("MySQL / MariaDB {}", String::from_utf8_lossy(version))
        }
        [0xFF, _, _, reason @ ..] => {
            format!("MySQL / MariaDB: {}", String::from_utf8_lossy(reason))
        }
        _ => return None,
    };
    Some(shown(&text))
}

fn is_page(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"].iter().any(|start| {
        let begun = bytes.get(..start.len());
        begun.is_some_and(|begun| begun.eq_ignore_ascii_case(start))
    })
}

pub(crate) fn of_end(end: &io::Result<()>) -> Speaks {
    match end {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Speaks::Resets,
        Ok(()) | Err(_) => Speaks::Closed,
    }
}

fn http(bytes: &[u8]) -> Speaks {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers: Vec<_> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| shown(value))
    };
    match status.unwrap_or_default() {
        101 => Speaks::WebSocket {
            path: String::new(),
            has_subprotocol: header("sec-websocket-protocol").is_some_and(|p| p == "mqtt"),
        },
        status => Speaks::Http {
            status,
            server: header("server").filter(|server| !server.is_empty()),
        },
    }
}

fn banner(bytes: &[u8]) -> Speaks {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    match std::str::from_utf8(line) {
        Ok(line) if line.trim().len() >= 3 && !line.trim().contains(char::is_control) => {
            Speaks::Banner(shown(line))
        }
        _ => Speaks::Unknown,
    }
}

/// What a peer sent, made harmless and short for a terminal.
pub(crate) fn shown(text: &str) -> String {
    let harmless = text.trim().chars().filter(|c| !c.is_control());
    harmless.take(BANNER_CHARS_MAX).collect()
}

impl Speaks {
    /// Whether it answered something that names it.
    pub(crate) fn is_understood(&self) -> bool {
        match self {
            Self::Mqtt
            | Self::Tls(_)
            | Self::WebSocket { .. }
            | Self::Http { .. }
            | Self::Named(_)
            | Self::Banner(_) => true,
            Self::Unknown | Self::Silent | Self::Closed | Self::Resets => false,
        }
    }
}

/// What it means that this port speaks so, and whether MQTT can go on. `hints` come from the
/// address.
pub fn judge(target: &Target, speaks: &Speaks, hints: Vec<Text>, patience: Duration) -> Finding {
    let wanted = protocol(target.is_tls, target.websocket_path.is_some());
    let other = |is_tls: bool, is_websocket: bool, path: Option<&str>| {
        let url = target.other(target.port, is_tls, path).url();
        let speaks = protocol(is_tls, is_websocket);
        Finding::fail(Check::Port, text::port_speaks_other(speaks, wanted)).fix(text::try_url(url))
    };
    let wants_websocket = target.websocket_path.is_some();
    let finding = match speaks {
        Speaks::Mqtt if !target.is_tls && !wants_websocket => {
            return Finding::pass(Check::Port, text::port_speaks(wanted));
        }
        Speaks::Mqtt => return other(false, false, None),
        Speaks::Tls(inside) => match (inside.as_deref(), target.is_tls) {
            (Some(Speaks::Mqtt), true) if !wants_websocket => {
                return Finding::pass(Check::Port, text::port_speaks(wanted));
            }
            (Some(Speaks::Mqtt), _) => return other(true, false, None),
            (
                Some(Speaks::WebSocket {
                    path,
                    has_subprotocol,
                }),
                true,
            ) if wants_websocket => {
                return websocket_path(target, path, *has_subprotocol);
            }
            (Some(Speaks::WebSocket { path, .. }), _) => return other(true, true, Some(path)),
            (Some(Speaks::Http { status, server }), true) if wants_websocket => {
                refused_upgrade(*status, server.as_deref())
            }
            (Some(Speaks::Http { server, .. }), _) => {
                web_server(text::port_https(), server.as_deref())
            }
            // What is inside may want a login or a certificate first.
            (_, true) => return Finding::pass(Check::Port, text::port_speaks("TLS")),
            (_, false) => {
                let path = target.websocket_path.as_deref();
                return other(true, path.is_some(), path);
            }
        },
        Speaks::WebSocket {
            path,
            has_subprotocol,
        } => {
            if !wants_websocket || target.is_tls {
                return other(false, true, Some(path));
            }
            return websocket_path(target, path, *has_subprotocol);
        }
        Speaks::Http { status, server } if wants_websocket => {
            refused_upgrade(*status, server.as_deref())
        }
        Speaks::Http { server, .. } => web_server(text::port_http(), server.as_deref()),
        Speaks::Named(name) => Finding::fail(Check::Port, text::port_other(*name)),
        Speaks::Banner(line) => Finding::fail(Check::Port, text::port_banner(line.as_str())),
        Speaks::Unknown => Finding::fail(Check::Port, text::port_other("?")),
        Speaks::Silent => {
            Finding::fail(Check::Port, text::port_silent(patience)).fix(text::port_silent_fix())
        }
        Speaks::Closed => {
            Finding::fail(Check::Port, text::port_closes()).fix(text::port_closes_fix())
        }
        Speaks::Resets => {
            Finding::fail(Check::Port, text::port_resets()).fix(text::port_closes_fix())
        }
    };
    Finding {
        notes: [finding.notes, hints].concat(),
        ..finding
    }
}

fn web_server(what: Text, server: Option<&str>) -> Finding {
    Finding::fail(Check::Port, what).note(server.map(text::port_http_server))
}

fn refused_upgrade(status: u16, server: Option<&str>) -> Finding {
    web_server(text::websocket_refused(status), server).fix(text::websocket_path_fix())
}

fn websocket_path(target: &Target, path: &str, has_subprotocol: bool) -> Finding {
    if target.websocket_path.as_deref() != Some(path) {
        let url = target.other(target.port, target.is_tls, Some(path)).url();
        let what = text::websocket_other_path(url.as_str());
        return Finding::fail(Check::Port, what).fix(text::try_url(url));
    }
    if has_subprotocol {
        Finding::pass(
            Check::Port,
            text::port_speaks(protocol(target.is_tls, true)),
        )
    } else {
        Finding::warn(Check::Port, text::websocket_no_subprotocol())
            .fix(text::websocket_no_subprotocol_fix())
    }
}

pub(crate) const fn protocol(is_tls: bool, is_websocket: bool) -> &'static str {
    match (is_tls, is_websocket) {
        (false, false) => "MQTT",
        (true, false) => "MQTT + TLS",
        (false, true) => "MQTT + WebSocket",
        (true, true) => "MQTT + WebSocket + TLS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: &[u8]) -> Answer {
        Answer {
            bytes: bytes.to_vec(),
            end: None,
        }
    }

    #[test]
    fn first_bytes_name_the_protocol() {
        for (bytes, speaks) in [
            (&b"\x20\x02\x00\x05"[..], Speaks::Mqtt),
            (b"\x20\x03\x00\x84\x00", Speaks::Mqtt),
            (b"\x15\x03\x01\x00\x02\x02\x46", Speaks::Tls(None)),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Speaks::Named("SSH")),
            (b"AMQP\x00\x00\x09\x01", Speaks::Named("AMQP")),
            (b"INFO {\"server_id\":\"x\"}\r\n", Speaks::Named("NATS")),
            (b"220 mail ESMTP\r\n", Speaks::Named("SMTP / FTP")),
            (
                b"\x00\x00\x01\x3d\x01ActiveMQ\x00",
                Speaks::Named("OpenWire"),
            ),
            (
                b"J\x00\x00\x00\x0a8.0.33\x00\x08\x00\x00\x00\x1d",
                Speaks::Banner("MySQL / MariaDB 8.0.33".to_owned()),
            ),
            (
                b"e\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB\x00\x1f",
                Speaks::Banner("MySQL / MariaDB 10.11.6-MariaDB".to_owned()),
            ),
            (
                b"E\x00\x00\x00\xff\x6a\x04Host '10.0.0.7' is not allowed",
                Speaks::Banner("MySQL / MariaDB: Host '10.0.0.7' is not allowed".to_owned()),
            ),
            (b"J\x00\x00\x00\x0b8.0.33\x00", Speaks::Unknown),
            (b"Welcome\x1b to it\r\n", Speaks::Unknown),
            (
                b"Welcome to it\r\n",
                Speaks::Banner("Welcome to it".to_owned()),
            ),
            (b"\xff\xfb\x01", Speaks::Unknown),
            (b"", Speaks::Silent),
        ] {
            assert_eq!(classify(&answer(bytes)), speaks, "{bytes:?}");
        }
        let http = b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.27\r\n\r\n";
        let server = Some("nginx/1.27".to_owned());
        assert_eq!(
            classify(&answer(http)),
            Speaks::Http {
                status: 400,
                server
            }
        );
        for page in [&b"<!DOCTYPE HTML>\n<html lang=\"en\">"[..], b"\r\n<html>\n"] {
            let is_http = matches!(classify(&answer(page)), Speaks::Http { status: 400, .. });
            assert!(is_http, "{page:?}");
        }
        let upgraded = b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-protocol: mqtt\r\n\r\n";
        assert!(matches!(
            classify(&answer(upgraded)),
            Speaks::WebSocket {
                has_subprotocol: true,
                ..
            }
        ));
    }

    #[test]
    fn an_answer_is_read_as_far_as_it_must_be() {
        for (bytes, enough) in [
            (&b""[..], false),
            (b"\x20", false),
            (b"\x20\x02", true),
            (b"HT", false),
            (b"HTTP/1.1 200 OK\r\n", false),
            (b"HTTP/1.1 200 OK\r\n\r\n", true),
            (b"SSH-2", false),
            (b"SSH-2.0\r\n", true),
        ] {
            assert_eq!(is_enough(bytes), enough, "{bytes:?}");
        }
        assert!(is_enough(&vec![b'x'; ANSWER_BYTES_MAX]));
    }

    #[test]
    fn the_right_url_is_named() {
        let target = |is_tls, path: Option<&str>| Target {
            host: "h".to_owned(),
            port: 1,
            is_tls,
            websocket_path: path.map(str::to_owned),
        };
        let websocket = || Speaks::WebSocket {
            path: "/mqtt".to_owned(),
            has_subprotocol: true,
        };
        let tls = |inside| Speaks::Tls(Some(Box::new(inside)));
        for (target, speaks, url) in [
            (target(true, None), Speaks::Mqtt, "mqtt://h:1"),
            (target(false, Some("/x")), Speaks::Mqtt, "mqtt://h:1"),
            (target(false, None), tls(Speaks::Mqtt), "mqtts://h:1"),
            (target(false, None), websocket(), "ws://h:1/mqtt"),
            (target(false, Some("/x")), websocket(), "ws://h:1/mqtt"),
            (target(false, Some("/x")), Speaks::Tls(None), "wss://h:1/x"),
        ] {
            let finding = judge(&target, &speaks, Vec::new(), Duration::ZERO);
            let fix = finding.fixes[0].to_string(columba_speech::Language::English);
            assert_eq!(fix, format!("try {url}"), "{target:?} {speaks:?}");
        }
    }
}
