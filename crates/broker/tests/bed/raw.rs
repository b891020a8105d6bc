//! Packets byte by byte, for what the codec refuses to write.

/// A packet: its first byte, the length, the body.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = body.len();
    loop {
        let more = if rest >= 128 { 0x80 } else { 0 };
        bytes.push((rest % 128) as u8 | more);
        rest /= 128;
        if rest == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

/// A string or binary field: its length and its bytes.
pub fn field(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u16).to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

/// A CONNECT without keep alive: protocol name, level, connect flags, and what follows the keep
/// alive (the properties of MQTT 5 included).
pub fn connect(name: &[u8], level: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    let mut body = field(name);
    body.extend_from_slice(&[level, flags, 0, 0]);
    body.extend_from_slice(rest);
    packet(0x10, &body)
}

/// A CONNECT of a version by its level: 3, 4 or 5; no properties, and the fields as given.
pub fn connect_of(level: u8, flags: u8, fields: &[&[u8]]) -> Vec<u8> {
    let mut rest = if level == 5 { vec![0] } else { Vec::new() };
    for bytes in fields {
        rest.extend_from_slice(&field(bytes));
    }
    let name: &[u8] = if level == 3 { b"MQIsdp" } else { b"MQTT" };
    connect(name, level, flags, &rest)
}
