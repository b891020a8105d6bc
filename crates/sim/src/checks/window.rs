//! Packet ids are unique and the client's Receive Maximum is kept (`MQTT-2.2.1-4`,
//! `MQTT-3.3.4-9`); what is sent again is what was sent before (`MQTT-3.3.1-1`).

use columba_codec::QoS;
use columba_codec::packet::Publish;

use crate::oracle::{Conn, Session, Unsettled};

pub(crate) fn sent(
    conn: &mut Conn,
    session: &mut Session,
    publish: &Publish<'_>,
    is_shared: bool,
) -> Result<(), String> {
    let Some(packet_id) = publish.packet_id.map(|id| id.get()) else {
        return Ok(());
    };
    let known = session.unsettled.get(&packet_id);
    match (known, publish.dup) {
        (Some(_), false) => return Err(format!("packet id {packet_id} is in use")),
        // It may have been about to be sent for the first time; and the model does not know any more
        // what came by a group that the session has left.
        (None, true) if session.has_crashed => {}
        (None, true) => return Err(format!("packet id {packet_id} with DUP was never sent")),
        (Some(known), true) => {
            let is_same = known.payload == publish.payload && known.qos == publish.qos;
            if !is_same || known.is_released {
                return Err(format!("packet id {packet_id} was sent as {known:?}"));
            }
        }
        (None, false) => {}
    }
    if !conn.on_air.insert(packet_id) {
        return Err(format!("packet id {packet_id} twice on one connection"));
    }
    if conn.on_air.len() > usize::from(conn.receive_maximum) {
        let (count, most) = (conn.on_air.len(), conn.receive_maximum);
        return Err(format!(
            "{count} unacknowledged messages, {most} are allowed"
        ));
    }
    let unsettled = Unsettled {
        payload: publish.payload.to_vec(),
        qos: publish.qos,
        is_released: false,
        is_shared: is_shared && publish.qos != QoS::AtMostOnce,
    };
    session.unsettled.insert(packet_id, unsettled);
    Ok(())
}
