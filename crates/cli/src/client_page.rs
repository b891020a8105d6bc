//! One client on a page: who it is, what it has subscribed to, and what its messages wait for.

use columba_speech::width::{behind, pad};
use columba_speech::{Language, Param, Text};
use serde_json::Value;

use crate::clients::{cell, time_since};
use crate::words::{client_page as words, shown as lists};

/// Rows of a list that are shown; the API has up to 100, and `-o json` all of those.
const ROWS_MAX: usize = 20;

/// Cells of the name of a line.
const NAME_CELLS: usize = 14;

/// The page of what `GET /clients/{id}` answers, in lines of so many cells if it is for a terminal.
pub(crate) fn page(shown: &Value, language: Language, cells: Option<usize>) -> String {
    let mut page = Page {
        text: String::new(),
        language,
        cells,
    };
    let session = &shown["session"];
    let client = shown.get("client").filter(|client| !client.is_null());
    page.put("", &cell(session.get("id")));
    page.of_connection(session, client);
    page.of_identity(shown, session);
    page.of_session(shown, session, client);
    page.of_messages(shown, session, client);
    page.of_will(&shown["will"]);
    page.of_subscriptions(shown, session);
    page.of_inflight(shown);
    page.text
}

#[derive(Debug)]
struct Page {
    text: String,
    language: Language,
    cells: Option<usize>,
}

impl Page {
    /// A line with a name and what is to be said of it.
    fn line(&mut self, name: &Text, said: impl Into<Param>) {
        let name = pad(&name.to_string(self.language), NAME_CELLS);
        let said = said.into().to_string(self.language);
        self.put(&format!("  {name} "), &said);
    }

    fn put(&mut self, start: &str, said: &str) {
        match self.cells {
            Some(cells) => self.text.push_str(&behind(start, said, cells)),
            None => self.text.push_str(&format!("{start}{said}\n")),
        }
    }

    fn of_connection(&mut self, session: &Value, client: Option<&Value>) {
        let since = session["since_unix_ms"].as_u64();
        let since = since.map_or_else(|| Param::from("-"), |since| time_since(since).into());
        let Some(client) = client else {
            let said = match session["address"].as_str() {
                Some(_) => words::away_from(since, cell(session.get("address"))),
                None => words::away(since),
            };
            return self.line(&words::offline(), said);
        };
        let way = match client["address"].as_str() {
            Some(_) => words::from_address(cell(client.get("address"))),
            None => words::by_unix_socket(),
        };
        let (listener, protocol) = (cell(client.get("listener")), cell(client.get("protocol")));
        let said = words::connected(since, way, listener, protocol);
        self.line(&words::online(), said);
        let silent_secs = client["silent_ms"].as_u64().unwrap_or(0) / 1000;
        let keep_alive = match client["keep_alive_secs"].as_u64() {
            Some(secs @ 1..) => words::seconds(secs),
            Some(0) | None => words::no_keep_alive(),
        };
        let said = words::silent_for(keep_alive, silent_secs);
        self.line(&words::keep_alive(), said);
    }

    fn of_identity(&mut self, shown: &Value, session: &Value) {
        let user: Param = match session["user"].as_str() {
            Some(_) => cell(session.get("user")).into(),
            None => words::anonymous().into(),
        };
        let groups = shown["groups"].as_array().map_or(&[][..], Vec::as_slice);
        let groups: Vec<_> = groups.iter().map(|group| cell(Some(group))).collect();
        let said = match groups.as_slice() {
            [] => user,
            _ => words::in_groups(user, Param::list(groups)).into(),
        };
        self.line(&words::user(), said);
        if shown["certificate"].is_string() {
            self.line(&words::certificate(), cell(shown.get("certificate")));
        }
    }

    fn of_session(&mut self, shown: &Value, session: &Value, client: Option<&Value>) {
        let lasts = match session["session_expiry_secs"].as_u64() {
            None => words::never_ends(),
            Some(0) => words::ends_with_connection(),
            Some(secs) if client.is_some() => words::lasts(secs),
            Some(secs) => words::lasts_yet(secs),
        };
        let stored = match shown["is_durable"].as_bool() {
            Some(true) => words::on_disk(),
            Some(false) | None => words::in_memory(),
        };
        self.line(&words::session(), words::kept(lasts, stored));
    }

    fn of_messages(&mut self, shown: &Value, session: &Value, client: Option<&Value>) {
        let number = |of: &Value, key: &str| of[key].as_u64().unwrap_or(0);
        let (queued, bytes) = (number(session, "queued"), number(session, "queued_bytes"));
        let inflight = number(session, "inflight");
        let said = match client {
            Some(client) => words::of_window(inflight, number(client, "receive_maximum")).into(),
            None => Param::from(inflight),
        };
        self.line(&words::inflight(), said);
        let said = match shown["oldest"]["topic"].as_str() {
            Some(_) => words::waiting_since(queued, bytes, cell(shown["oldest"].get("topic"))),
            None => words::waiting(queued, bytes),
        };
        self.line(&words::queued(), said);
        if let Some(client) = client {
            let what = client["waiting_on"].as_str().and_then(lists::waiting);
            let what = what.map_or_else(|| cell(client.get("waiting_on")).into(), Param::from);
            let said = match number(client, "output_bytes") {
                0 => what,
                bytes => words::behind_socket(what, bytes).into(),
            };
            self.line(&words::waiting_on(), said);
        }
        if let unreleased @ 1.. = number(shown, "unreleased") {
            self.line(&words::unreleased(), words::without_pubrel(unreleased));
        }
    }

    fn of_will(&mut self, will: &Value) {
        if will.is_null() {
            return;
        }
        let mut said = message(will, "payload_bytes");
        if will["retain"] == true {
            said = words::retained(said);
        }
        if let Some(secs @ 1..) = will["delay_secs"].as_u64() {
            said = words::delayed(said, secs);
        }
        self.line(&words::will(), said);
    }

    fn of_subscriptions(&mut self, shown: &Value, session: &Value) {
        let all = session["subscriptions"].as_u64().unwrap_or(0);
        let row = |row: &Value| {
            let filter = cell(row.get("subscription"));
            let mut said = Param::from(format!("{filter}  QoS {}", row["qos"]));
            let flags = [
                ("no_local", "no local"),
                ("retain_as_published", "retain as published"),
            ];
            for (key, word) in flags {
                if row[key] == true {
                    said = words::with_option(said, word).into();
                }
            }
            said
        };
        self.list(&words::subscriptions(), all, &shown["subscriptions"], row);
    }

    fn of_inflight(&mut self, shown: &Value) {
        let rows = shown["inflight"].as_array().map_or(0, Vec::len) as u64;
        if rows == 0 {
            return;
        }
        let row = |row: &Value| {
            let step = words::step(&cell(row.get("step")));
            let message = message(&row["message"], "size_bytes");
            words::sent_as(row["packet_id"].to_string(), step, message).into()
        };
        self.list(&words::on_their_way(), rows, &shown["inflight"], row);
    }

    fn list(&mut self, name: &Text, all: u64, rows: &Value, row: impl Fn(&Value) -> Param) {
        self.line(name, all);
        let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
        for said in rows.iter().take(ROWS_MAX).map(row) {
            self.put("    ", &said.to_string(self.language));
        }
        let shown = rows.len().min(ROWS_MAX) as u64;
        if let left @ 1.. = all.saturating_sub(shown) {
            self.put("    ", &words::and_more(left).to_string(self.language));
        }
    }
}

/// Topic, QoS and size of a message.
fn message(of: &Value, size: &str) -> Text {
    let (qos, bytes) = (of["qos"].to_string(), of[size].to_string());
    words::message(cell(of.get("topic")), qos, bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ENGLISH: Language = Language::English;

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
        let text = page(
            &json!({
                "session": session(), "client": client, "groups": ["crew"], "certificate": "lamp",
                "subscriptions": [{"subscription": "$share/g/home/+", "qos": 1, "no_local": true}],
                "inflight": [{"packet_id": 4, "step": "sent", "message": message}],
                "oldest": message, "unreleased": 2, "is_durable": true,
                "will": {"topic": "gone", "qos": 1, "retain": true, "payload_bytes": 2, "delay_secs": 5}
            }),
            ENGLISH,
            None,
        );
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
        let text = page(
            &json!({
                "session": session, "client": null, "groups": [], "certificate": null,
                "subscriptions": vec![row; 100], "inflight": [], "oldest": null, "unreleased": 0,
                "will": null, "is_durable": false
            }),
            ENGLISH,
            None,
        );
        assert!(text.contains("  offline        since "), "{text}");
        assert!(text.contains(", last from 192.0.2.7\n"), "{text}");
        assert!(text.contains("    and 130 more: -o json\n"), "{text}");
        assert!(
            !text.contains("waiting on") && !text.contains("on their way"),
            "{text}"
        );
    }

    #[test]
    fn in_chinese_all_of_it_is_and_the_columns_stand() {
        let message = json!({"topic": "t", "qos": 1, "size_bytes": 9});
        let of = |client: Value| {
            json!({
                "session": session(), "client": client, "groups": ["crew", "day"], "certificate": "lamp",
                "subscriptions": [{"subscription": "f", "qos": 1, "retain_as_published": true}],
                "inflight": [{"packet_id": 4, "step": "released", "message": message}],
                "oldest": message, "unreleased": 1, "is_durable": true,
                "will": {"topic": "gone", "qos": 1, "retain": true, "payload_bytes": 2, "delay_secs": 5}
            })
        };
        let online = of(json!({
            "address": null, "listener": "unix", "protocol": "5.0", "keep_alive_secs": 0,
            "silent_ms": 1500, "receive_maximum": 20, "output_bytes": 10, "waiting_on": "socket"
        }));
        for shown in [online, of(Value::Null)] {
            let text = page(&shown, Language::Chinese, None);
            for line in text
                .lines()
                .filter(|line| !line.starts_with("    "))
                .skip(1)
            {
                let mut cells = 0;
                let value = line.chars().find(|c| {
                    let is_there = cells == 2 + NAME_CELLS + 1;
                    cells += columba_speech::width::width(&c.to_string());
                    is_there
                });
                assert!(value.is_some_and(|c| c != ' '), "{line:?} in\n{text}");
            }
            for word in [
                "online",
                "offline",
                "keep",
                "user",
                "certificate",
                "session",
                "flight",
                "queued",
                "waiting",
                "Will",
                "subscriptions",
                "retained",
                "packet",
                "released",
                "since",
            ] {
                assert!(!text.contains(word), "{word} in\n{text}");
            }
        }
    }
}
