//! The last line of an export: how many records there are, and a checksum of them all.

use columba_speech::Text;
use columba_store::Position;
use serde_json::{Value, json};

use crate::words::store as words;

/// Counts and sums up records, whatever else their lines say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub(super) records: u64,
    crc: u32,
}

impl Sum {
    pub(super) fn add(&mut self, position: Position, record: &[u8]) {
        self.records += 1;
        self.crc = crc32c::crc32c_append(self.crc, &position.value().to_le_bytes());
        self.crc = crc32c::crc32c_append(self.crc, &(record.len() as u64).to_le_bytes());
        self.crc = crc32c::crc32c_append(self.crc, record);
    }

    /// The line.
    pub(super) fn line(self) -> String {
        let checksum = format!("{:08x}", self.crc);
        format!(
            "{}\n",
            json!({"records": self.records, "checksum": checksum})
        )
    }

    /// Whether an object is such a line.
    pub(super) fn is_line(value: &Value) -> bool {
        value.get("records").is_some() && value.get("position").is_none()
    }

    /// What does not go with the line.
    pub(super) fn check(self, line: &Value) -> Result<(), Text> {
        let records = line.get("records").and_then(Value::as_u64);
        if records != Some(self.records) {
            let wanted = line
                .get("records")
                .map_or_else(String::new, Value::to_string);
            return Err(words::other_count(self.records, wanted));
        }
        let checksum = line.get("checksum").and_then(Value::as_str);
        if checksum != Some(&format!("{:08x}", self.crc)) {
            return Err(words::other_checksum());
        }
        Ok(())
    }
}
