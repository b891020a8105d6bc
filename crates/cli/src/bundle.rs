//! One file with everything that a report about a missing message needs.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use columba_codec::topic::TopicName;
use serde_json::{Value, json};

use crate::admin_client::{AdminClient, encoded};
use crate::failure::Failure;
use crate::words::{self, broker};

/// The name of the file's form; changes with it.
const SCHEMA: &str = "columba.bundle/1";

/// Events in the file; the latest ones are kept.
const EVENTS_MAX: usize = 10_000;

/// Keys whose values name people, sites or files with secrets.
const LEFT_OUT: [&str; 7] = [
    "users",
    "hosts",
    "allowed_origins",
    "tokens",
    "tls_certificate",
    "tls_key",
    "tls_client_ca",
];

/// Which events belong to a question: those of its topic or of its clients, in its time.
pub(crate) struct Subjects<'a> {
    pub(crate) topic: Option<&'a str>,
    pub(crate) clients: [Option<&'a str>; 2],
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
}

impl Subjects<'_> {
    /// The lists that have them.
    fn paths(&self) -> Vec<String> {
        let path = format!("/events?ledger=true&since_unix_ms={}", self.from_ms);
        // Nothing is recorded by the name of what is no topic.
        let topic = self.topic.filter(|topic| TopicName::parse(topic).is_ok());
        let topic = topic.map(|topic| format!("{path}&topic={}", encoded(topic)));
        let clients = self.clients.iter().flatten();
        let clients = clients.map(|client| format!("{path}&client={}", encoded(client)));
        topic.into_iter().chain(clients).collect()
    }
}

/// Writes the file. Returns how many events are in it.
///
/// # Errors
/// The broker says no, or there is such a file already.
pub(crate) fn write(
    client: &AdminClient,
    report: &Value,
    wanted: &Subjects<'_>,
    file: &Path,
) -> Result<usize, Failure> {
    // In order, and each once.
    let mut events: BTreeMap<[u64; 4], Value> = BTreeMap::new();
    let mut is_cut = false;
    for path in wanted.paths() {
        client.rows(&path, |row| {
            let number = |name: &str| row.get(name).and_then(Value::as_u64).unwrap_or_default();
            let key = ["at_unix_ms", "shard", "tape", "sequence"].map(number);
            if number("at_unix_ms") <= wanted.to_ms {
                events.insert(key, row.clone());
            }
            if events.len() > EVENTS_MAX {
                events.pop_first();
                is_cut = true;
            }
            Ok(())
        })?;
    }
    let events: Vec<Value> = events.into_values().collect();
    let count = events.len();
    let mut config = client.get("/config")?;
    redact(&mut config);
    let bundle = json!({
        "schema": SCHEMA,
        "written_by": env!("CARGO_PKG_VERSION"),
        "report": report,
        "events": events,
        "events_are_cut": is_cut,
        "broker": client.get("/broker")?,
        "config": config.get("data").unwrap_or(&Value::Null),
    });
    let failed = |error: std::io::Error| {
        let what = words::unwritable(file.display().to_string(), words::system(&error));
        Failure::new(what).fix(broker::other_file())
    };
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(failed)?;
    let text = format!("{bundle:#}\n");
    out.write_all(text.as_bytes()).map_err(failed)?;
    Ok(count)
}

/// Takes values out of the configuration that are nobody's business.
fn redact(config: &mut Value) {
    let rows = config.get_mut("data").and_then(Value::as_array_mut);
    for row in rows.into_iter().flatten() {
        let key = row.get("key").and_then(Value::as_str).unwrap_or_default();
        let name = key.rsplit('.').next().unwrap_or_default();
        let is_set = row.get("value").is_some_and(|value| !value.is_null());
        let is_left_out = is_set && LEFT_OUT.contains(&name);
        if let Some(fields) = row.as_object_mut() {
            // The manual has it.
            fields.remove("doc");
            if is_left_out {
                fields.insert("value".to_owned(), json!("(left out)"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_people_sites_or_secrets_is_left_out() {
        let row = |key: &str, value: Value| json!({"key": key, "value": value, "doc": "x"});
        let mut config = json!({"data": [
            row("admin.users", json!("[\"ann\"]")),
            row("listener.mqtt.tls_key", json!("\"/etc/secret.pem\"")),
            row("listener.mqtt.allowed_origins", Value::Null),
            row("broker.shards", json!("2")),
        ]});
        redact(&mut config);
        let rows = config["data"].as_array().expect("a list");
        let values: Vec<&Value> = rows.iter().map(|row| &row["value"]).collect();
        assert_eq!(values[0], "(left out)");
        assert_eq!(values[1], "(left out)");
        assert!(values[2].is_null());
        assert_eq!(values[3], "2");
        assert!(rows.iter().all(|row| row.get("doc").is_none()));
    }
}
