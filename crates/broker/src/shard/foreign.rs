//! What speaks to an MQTT port without speaking MQTT.

/// How the first bytes of other protocols look, and what people call them.
const STARTS: [(&[u8], &str); 16] = [
    // A TLS record with a handshake in it.
    (b"\x16\x03", "TLS"),
    (b"GET ", "HTTP"),
    (b"POST ", "HTTP"),
    (b"PUT ", "HTTP"),
    (b"HEAD ", "HTTP"),
    (b"OPTIONS ", "HTTP"),
    (b"DELETE ", "HTTP"),
    (b"PATCH ", "HTTP"),
    (b"TRACE ", "HTTP"),
    (b"CONNECT ", "HTTP"),
    (b"PRI * HTTP/2", "HTTP/2"),
    (b"SSH-", "SSH"),
    (b"AMQP", "AMQP"),
    (b"PROXY ", "the PROXY protocol"),
    (b"\r\n\r\n\0\r\nQUIT\n", "the PROXY protocol"),
    (b"STOMP\n", "STOMP"),
];

/// The protocol that the first bytes of a connection belong to, if it is a known one.
pub(super) fn name_of(bytes: &[u8]) -> Option<&'static str> {
    let found = STARTS.iter().find(|(start, _)| bytes.starts_with(start));
    found.map(|(_, name)| *name)
}
