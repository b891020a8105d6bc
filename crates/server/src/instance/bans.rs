//! The file of bans in the data directory: JSON, written as a whole.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use columba_broker::ban::{Ban, BanList, Banned};
use serde::{Deserialize, Serialize};

use super::file::{SECRET_MODE, Written, replace};

/// Its name in the data directory.
pub const BANS: &str = "bans.json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    bans: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    kind: Kind,
    value: String,
    until_unix_ms: Option<u64>,
    reason: String,
    by: String,
    since_unix_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Client,
    User,
    Address,
}

/// The bans in a text.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read(text: &str) -> Result<BanList, String> {
    let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut bans = BanList::default();
    for line in file.bans {
        let whom = match line.kind {
            Kind::Client => Banned::Client(line.value.into()),
            Kind::User => Banned::User(line.value.into()),
            Kind::Address => {
                let addr = line.value.parse::<IpAddr>();
                Banned::Address(addr.map_err(|_| format!("{:?} is no address", line.value))?)
            }
        };
        let ban = Ban {
            until_unix_ms: line.until_unix_ms,
            reason: line.reason,
            by: line.by,
            since_unix_ms: line.since_unix_ms,
        };
        bans.add(whom, ban).map_err(|error| error.to_string())?;
    }
    Ok(bans)
}

/// Writes all bans that are in force.
///
/// # Errors
/// As [`replace`].
pub(crate) fn write(path: &Path, bans: &BanList, now_unix_ms: u64) -> io::Result<Written> {
    let held = bans.iter().filter(|(_, ban)| ban.holds_at(now_unix_ms));
    let lines = held.map(|(whom, ban)| {
        let (kind, value) = match whom {
            Banned::Client(id) => (Kind::Client, id.to_string()),
            Banned::User(name) => (Kind::User, name.to_string()),
            Banned::Address(addr) => (Kind::Address, addr.to_string()),
        };
        Line {
            kind,
            value,
            until_unix_ms: ban.until_unix_ms,
            reason: ban.reason.clone(),
            by: ban.by.clone(),
            since_unix_ms: ban.since_unix_ms,
        }
    });
    let file = File {
        bans: lines.collect(),
    };
    let text = serde_json::to_string_pretty(&file).map_err(io::Error::other)?;
    replace(path, &text, SECRET_MODE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_are_read_as_they_were_written_without_those_that_are_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(BANS);
        let ban = |until_unix_ms| Ban {
            until_unix_ms,
            reason: "\"floods\"".to_owned(),
            by: "ann".to_owned(),
            since_unix_ms: 1,
        };
        let mut bans = BanList::default();
        bans.add(Banned::Client("c\u{1}".into()), ban(Some(50)))
            .unwrap();
        bans.add(Banned::User("u".into()), ban(None)).unwrap();
        bans.add(Banned::Address("::1".parse().unwrap()), ban(Some(51)))
            .unwrap();
        write(&path, &bans, 50).unwrap();
        bans.remove(&Banned::Client("c\u{1}".into()));
        assert_eq!(read(&std::fs::read_to_string(&path).unwrap()), Ok(bans));
        assert!(read("{}").is_err() && read("").is_err());
    }
}
