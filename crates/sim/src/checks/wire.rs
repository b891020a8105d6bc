//! What the broker writes is a packet that a server sends, in the client's version and within its
//! Maximum Packet Size (`MQTT-3.1.2-24`).

use columba_codec::{Packet, Version};

use crate::oracle::Conn;

pub(crate) fn check(conn: &Conn, packet: &Packet<'_>, bytes: &[u8]) -> Result<(), String> {
    if bytes.len() > conn.packet_bytes_max {
        let (len, most) = (bytes.len(), conn.packet_bytes_max);
        return Err(format!(
            "{} of {len} bytes, {most} are allowed",
            packet.packet_type()
        ));
    }
    let is_v5 = conn.version == Version::V5;
    match packet {
        Packet::Connect(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::Auth(_) => return Err(format!("a server sent {}", packet.packet_type())),
        Packet::Disconnect(_) if !is_v5 => {
            return Err("a server's DISCONNECT before MQTT 5".to_owned());
        }
        Packet::Disconnect(_)
        | Packet::ConnAck(_)
        | Packet::Publish(_)
        | Packet::PubAck(_)
        | Packet::PubRec(_)
        | Packet::PubRel(_)
        | Packet::PubComp(_)
        | Packet::SubAck(_)
        | Packet::UnsubAck(_)
        | Packet::PingResp => {}
    }
    // The one encoding of the packet; bytes that an older version ignores would be missed here.
    let mut again = Vec::new();
    match packet.encode(conn.version, &mut again) {
        Ok(_) if again == bytes => Ok(()),
        Ok(_) => Err(format!("{bytes:02x?} instead of {again:02x?}")),
        Err(error) => Err(format!("{packet:?}: {error}")),
    }
}
