//! One client on a page: who it is, what it has subscribed to, and what its messages wait for.

use serde_json::Value;

use crate::clients::{ago, cell};

/// Rows of a list that are shown; the API has up to 100, and `-o json` all of those.
const ROWS_MAX: usize = 20;

/// The page of what `GET /clients/{id}` answers.
pub(crate) fn page(shown: &Value) -> String {
    let mut page = Page::default();
    let session = &shown["session"];
    let client = shown.get("client").filter(|client| !client.is_null());
    page.text.push_str(&cell(session.get("id")));
    page.text.push('\n');
    page.of_connection(session, client);
    page.of_identity(shown, session);
    page.of_session(shown, session, client);
    page.of_messages(shown, session, client);
    page.of_will(&shown["will"]);
    page.of_subscriptions(shown, session);
    page.of_inflight(shown);
    page.text
}

#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    /// A line with a name and what is to be said of it.
    fn line(&mut self, name: &str, said: &str) {
        self.text.push_str(&format!("  {name:<14} {said}\n"));
    }

    fn of_connection(&mut self, session: &Value, client: Option<&Value>) {
        let since = session["since_unix_ms"]
            .as_u64()
            .map_or_else(String::new, ago);
        let Some(client) = client else {
            let address = session["address"].as_str();
            let last = address.map_or_else(String::new, |of| format!(", last from {of}"));
            return self.line("offline", &format!("since {since}{last}"));
        };
        let address = match client["address"].as_str() {
            Some(address) => format!("from {address}"),
            None => "by a Unix socket".to_owned(),
        };
        let (listener, protocol) = (cell(client.get("listener")), cell(client.get("protocol")));
        self.line(
            "online",
            &format!("since {since}, {address}, listener {listener}, MQTT {protocol}"),
        );
        let silent_secs = client["silent_ms"].as_u64().unwrap_or(0) / 1000;
        let keep_alive = match client["keep_alive_secs"].as_u64() {
            Some(secs @ 1..) => format!("{secs} s"),
            Some(0) | None => "none".to_owned(),
        };
        self.line(
            "keep alive",
            &format!("{keep_alive}, silent for {silent_secs} s"),
        );
    }

    fn of_identity(&mut self, shown: &Value, session: &Value) {
        let user = match session["user"].as_str() {
            Some(_) => cell(session.get("user")),
            None => "none, it is anonymous".to_owned(),
        };
        let groups = shown["groups"].as_array().map_or(&[][..], Vec::as_slice);
        let groups: Vec<_> = groups.iter().map(|group| cell(Some(group))).collect();
        let groups = match groups.as_slice() {
            [] => String::new(),
            of => format!(", in {}", of.join(", ")),
        };
        self.line("user", &format!("{user}{groups}"));
        if shown["certificate"].is_string() {
            self.line("certificate", &cell(shown.get("certificate")));
        }
    }

    fn of_session(&mut self, shown: &Value, session: &Value, client: Option<&Value>) {
        let lasts = match session["session_expiry_secs"].as_u64() {
            None => "lasts until somebody ends it".to_owned(),
            Some(0) => "ends with its connection".to_owned(),
            Some(secs) if client.is_some() => format!("lasts {secs} s without a connection"),
            Some(secs) => format!("lasts {secs} s, unless its client comes back"),
        };
        let stored = match shown["is_durable"].as_bool() {
            Some(true) => "on the disk",
            Some(false) | None => "in memory alone",
        };
        self.line("session", &format!("{lasts}, {stored}"));
    }

    fn of_messages(&mut self, shown: &Value, session: &Value, client: Option<&Value>) {
        let number = |of: &Value, key: &str| of[key].as_u64().unwrap_or(0);
        let (queued, bytes) = (number(session, "queued"), number(session, "queued_bytes"));
        let inflight = number(session, "inflight");
        let of_window = client.map_or_else(String::new, |client| {
            format!(" of {} at most", number(client, "receive_maximum"))
        });
        self.line("in flight", &format!("{inflight}{of_window}"));
        let oldest = shown["oldest"]["topic"].is_string();
        let oldest = if oldest {
            format!(", the oldest to {}", cell(shown["oldest"].get("topic")))
        } else {
            String::new()
        };
        self.line("queued", &format!("{queued}, {bytes} B{oldest}"));
        if let Some(client) = client {
            let output = match number(client, "output_bytes") {
                0 => String::new(),
                bytes => format!(", {bytes} B wait for its socket"),
            };
            let waiting_on = cell(client.get("waiting_on"));
            self.line("waiting on", &format!("{waiting_on}{output}"));
        }
        if let unreleased @ 1.. = number(shown, "unreleased") {
            let said = format!("{unreleased} QoS 2 messages of its own without PUBREL");
            self.line("unreleased", &said);
        }
    }

    fn of_will(&mut self, will: &Value) {
        if will.is_null() {
            return;
        }
        let (topic, qos) = (cell(will.get("topic")), &will["qos"]);
        let bytes = &will["payload_bytes"];
        let retain = if will["retain"] == true {
            ", retained"
        } else {
            ""
        };
        let delay = match will["delay_secs"].as_u64() {
            Some(secs @ 1..) => format!(", {secs} s after the connection"),
            Some(0) | None => String::new(),
        };
        self.line(
            "Will",
            &format!("{topic}, QoS {qos}, {bytes} B{retain}{delay}"),
        );
    }

    fn of_subscriptions(&mut self, shown: &Value, session: &Value) {
        let all = session["subscriptions"].as_u64().unwrap_or(0);
        let row = |row: &Value| {
            let mut said = format!("{}  QoS {}", cell(row.get("subscription")), row["qos"]);
            let flags = [
                ("no_local", "no local"),
                ("retain_as_published", "retain as published"),
            ];
            for (key, word) in flags {
                if row[key] == true {
                    said.push_str(", ");
                    said.push_str(word);
                }
            }
            said
        };
        self.list("subscriptions", all, &shown["subscriptions"], row);
    }

    fn of_inflight(&mut self, shown: &Value) {
        let rows = shown["inflight"].as_array().map_or(0, Vec::len) as u64;
        if rows == 0 {
            return;
        }
        let row = |row: &Value| {
            let message = &row["message"];
            format!(
                "packet id {}  {}  {}, QoS {}, {} B",
                row["packet_id"],
                cell(row.get("step")),
                cell(message.get("topic")),
                message["qos"],
                message["size_bytes"]
            )
        };
        self.list("on their way", rows, &shown["inflight"], row);
    }

    fn list(&mut self, name: &str, all: u64, rows: &Value, row: impl Fn(&Value) -> String) {
        self.line(name, &all.to_string());
        let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
        for said in rows.iter().take(ROWS_MAX).map(row) {
            self.text.push_str(&format!("    {said}\n"));
        }
        let shown = rows.len().min(ROWS_MAX) as u64;
        if let left @ 1.. = all.saturating_sub(shown) {
            self.text
                .push_str(&format!("    and {left} more: -o json\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn session() -> Value {
        json!({
            "id": "lamp-1", "user": "ann", "address": "192.0.2.7", "is_online": true,
            "since_unix_ms": 0, "session_expiry_secs": 3600, "subscriptions": 1, "inflight": 1,
            "queued": 3, "queued_bytes": 90
        })
    }

    #[test]
    fn a_client_is_told_in_words_and_its_texts_cannot_move_the_cursor() {
        let client = json!({
            "address": "192.0.2.7:50000", "listener": "tcp", "protocol": "5.0",
            "keep_alive_secs": 60, "silent_ms": 1500, "receive_maximum": 20, "output_bytes": 10,
            "waiting_on": "socket"
        });
        let message = json!({"topic": "a\u{1b}[2J", "qos": 1, "size_bytes": 9});
        let text = page(&json!({
            "session": session(), "client": client, "groups": ["crew"], "certificate": "lamp",
            "subscriptions": [{"subscription": "$share/g/home/+", "qos": 1, "no_local": true}],
            "inflight": [{"packet_id": 4, "step": "sent", "message": message}],
            "oldest": message, "unreleased": 2, "is_durable": true,
            "will": {"topic": "gone", "qos": 1, "retain": true, "payload_bytes": 2, "delay_secs": 5}
        }));
        for part in [
            "lamp-1\n  online ",
            "from 192.0.2.7:50000, listener tcp, MQTT 5.0\n",
            "keep alive     60 s, silent for 1 s\n",
            "user           ann, in crew\n",
            "lasts 3600 s without a connection, on the disk\n",
            "in flight      1 of 20 at most\n",
            "queued         3, 90 B, the oldest to a\u{fffd}[2J\n",
            "waiting on     socket, 10 B wait for its socket\n",
            "Will           gone, QoS 1, 2 B, retained, 5 s after the connection\n",
            "subscriptions  1\n    $share/g/home/+  QoS 1, no local\n",
            "    packet id 4  sent  a\u{fffd}[2J, QoS 1, 9 B\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn a_client_that_is_away_has_no_connection_and_a_long_list_is_cut() {
        let row = json!({"subscription": "f", "qos": 0});
        let mut session = session();
        session["subscriptions"] = json!(150);
        let text = page(&json!({
            "session": session, "client": null, "groups": [], "certificate": null,
            "subscriptions": vec![row; 100], "inflight": [], "oldest": null, "unreleased": 0,
            "will": null, "is_durable": false
        }));
        assert!(text.contains("  offline        since "), "{text}");
        assert!(text.contains(", last from 192.0.2.7\n"), "{text}");
        assert!(text.contains("    and 130 more: -o json\n"), "{text}");
        assert!(
            !text.contains("waiting on") && !text.contains("on their way"),
            "{text}"
        );
    }
}
