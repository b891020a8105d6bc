//! What the shim below `tests/powerloss` writes down, read again.

use anyhow::{Context as _, ensure};

/// One note of the shim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// Counted from 1 in each process.
    pub(super) number: u64,
    pub(super) event: Event,
}

/// What was asked of a file. Names are relative to the watched directory, which itself is "".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Start,
    Open {
        fd: u32,
        name: String,
        creates: bool,
        truncates: bool,
    },
    Close {
        fd: u32,
    },
    Write {
        fd: u32,
        offset: u64,
        data: Vec<u8>,
    },
    Length {
        fd: u32,
        length: u64,
    },
    /// `upto`: the last note that it covers; `length`: the file's then.
    Sync {
        fd: u32,
        upto: u64,
        length: u64,
    },
    SyncFailed {
        fd: u32,
        upto: u64,
    },
    Rename {
        from: String,
        to: String,
    },
    Unlink {
        name: String,
    },
}

const HEAD_BYTES: usize = 40;

/// The notes of a journal. What is cut off at its end was never done.
pub(super) fn read(mut bytes: &[u8]) -> anyhow::Result<Vec<Note>> {
    let mut notes = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) {
        let number_at = |at: usize| {
            let bytes = head[at..at + 8].try_into().unwrap_or_default();
            u64::from_ne_bytes(bytes)
        };
        let kind = u32::from_ne_bytes(head[0..4].try_into()?);
        let fd = u32::from_ne_bytes(head[4..8].try_into()?);
        let length = usize::try_from(number_at(32))?;
        let Some((data, rest)) = rest.split_at_checked(length) else {
            break;
        };
        let (value, extra) = (number_at(16), number_at(24));
        let event = event(kind, fd, value, extra, data)?;
        notes.push(Note {
            number: number_at(8),
            event,
        });
        bytes = rest;
    }
    let starts = |note: &Note| note.event == Event::Start && note.number == 1;
    for pair in notes.windows(2) {
        let follows = pair[1].number == pair[0].number + 1 || starts(&pair[1]);
        ensure!(follows, "the shim's journal has a gap at {:?}", pair[1]);
    }
    Ok(notes)
}

fn event(kind: u32, fd: u32, value: u64, extra: u64, data: &[u8]) -> anyhow::Result<Event> {
    let text = || String::from_utf8(data.to_vec()).context("a name in the shim's journal");
    Ok(match kind {
        1 => Event::Start,
        2 => Event::Open {
            fd,
            name: text()?,
            creates: value & 1 != 0,
            truncates: value & 2 != 0,
        },
        3 => Event::Close { fd },
        4 => Event::Write {
            fd,
            offset: value,
            data: data.to_vec(),
        },
        5 => Event::Length { fd, length: value },
        6 => Event::Sync {
            fd,
            upto: value,
            length: extra,
        },
        7 => Event::SyncFailed { fd, upto: value },
        8 => {
            let names = text()?;
            let (from, to) = names.split_once('\0').context("a rename has two names")?;
            Event::Rename {
                from: from.to_owned(),
                to: to.to_owned(),
            }
        }
        9 => Event::Unlink { name: text()? },
        _ => anyhow::bail!("the shim's journal has a note of kind {kind}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_is_cut_off_was_never_done() {
        let mut bytes = Vec::new();
        for (kind, number, data) in [(1u32, 1u64, ""), (9, 2, "spare"), (9, 3, "mark")] {
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(0u32.to_ne_bytes());
            for value in [number, 0, 0, data.len() as u64] {
                bytes.extend(value.to_ne_bytes());
            }
            bytes.extend(data.as_bytes());
        }
        let notes = read(&bytes[..bytes.len() - 1]).expect("a sound journal");
        let name = "spare".to_owned();
        assert_eq!(notes.len(), 2);
        assert_eq!(notes[1].event, Event::Unlink { name });
    }
}
