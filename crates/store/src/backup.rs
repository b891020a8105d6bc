//! Copies a store while a process writes to it.

use crate::error::Error;
use crate::files::{Files, Name};
use crate::format::{MARK_SLOT_BYTES, Mark, SEGMENT_HEADER_BYTES};
use crate::walk::{Step, Walk};

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackedUp {
    /// The last commit that is in the copy.
    pub commit: u64,
    /// Bytes of the copy.
    pub bytes: u64,
}

/// Copies the store in `source`, which may be in use, into `target`, which holds none: all that was
/// committed when the last segment was copied. `progress` is told how many bytes have been copied
/// so far.
///
/// # Errors
/// If there is no store in `source` or one in `target`, or a file cannot be read or written.
pub fn backup<S: Files, T: Files>(
    source: &mut S,
    target: &mut T,
    progress: &mut dyn FnMut(u64),
) -> Result<BackedUp, Error> {
    target.lock()?;
    let there = target.list();
    let there = there.map_err(|error| Error::failed(Name::Directory, "listing", error))?;
    if there.iter().any(|name| *name != Name::Lock) {
        return Err(Error::NotEmpty);
    }
    let mut walk = Walk::new();
    let mut copied_bytes = 0;
    let (last, mark) = loop {
        match walk.next(source)? {
            Step::Closed(number, bytes) => {
                write(target, number, &bytes)?;
                copied_bytes += bytes.len() as u64;
            }
            // Those that are gone buried others, or were buried: all of them go, or none.
            Step::Gone(number) => {
                let file = Name::Segment(number);
                let removed = target.remove(file);
                removed.map_err(|error| Error::failed(file, "removing", error))?;
            }
            Step::End(last, mark) => break (last, mark),
        }
        progress(copied_bytes);
    };
    if let Some((number, bytes)) = last
        && bytes.len() > SEGMENT_HEADER_BYTES
    {
        write(target, number, &bytes)?;
        copied_bytes += bytes.len() as u64;
    }
    progress(copied_bytes);
    write_mark(target, mark)?;
    let synced = target.sync_directory();
    synced.map_err(|error| Error::failed(Name::Directory, "syncing", error))?;
    Ok(BackedUp {
        commit: mark.sequence,
        bytes: copied_bytes,
    })
}

fn write(target: &mut impl Files, number: u32, bytes: &[u8]) -> Result<(), Error> {
    let file = Name::Segment(number);
    let written = target.create(file);
    let written = written.and_then(|()| target.write_at(file, 0, bytes));
    let written = written.and_then(|()| target.sync_data(file));
    written.map_err(|error| Error::failed(file, "writing", error))
}

fn write_mark(target: &mut impl Files, mark: Mark) -> Result<(), Error> {
    let file = Name::Mark;
    let slot = mark.sequence % 2 * MARK_SLOT_BYTES;
    let written = target.create(file);
    let written = written.and_then(|()| target.allocate(file, 2 * MARK_SLOT_BYTES));
    let written = written.and_then(|()| target.write_at(file, slot, &mark.write()));
    let written = written.and_then(|()| target.sync_data(file));
    written.map_err(|error| Error::failed(file, "writing", error))
}
