//! Backups of a store that may be in use.

use std::path::Path;

use columba_store::{BackedUp, DiskFiles};

use super::meter::{Meter, size};
use super::{Look, failed, failed_to_open, look, show_damage};
use crate::failure::{Failure, tell};
use crate::words::store as words;

pub(super) fn backup(store: &Path, target: &Path) -> Result<(), Failure> {
    let source = DiskFiles::open_read_only(store);
    let mut source = source.map_err(|error| failed_to_open(store, error))?;
    let files = DiskFiles::open(target);
    let mut files = files.map_err(|error| failed_to_open(target, error))?;
    let mut meter = Meter::new(words::copying());
    let done = columba_store::backup(&mut source, &mut files, &mut |bytes| meter.bytes(bytes));
    let BackedUp { commit, bytes, .. } = done.map_err(|error| match error {
        columba_store::Error::NoStore | columba_store::Error::Unreadable { .. } => {
            failed(store, error)
        }
        error => failed(target, error),
    })?;
    drop(files);
    let Look { found, .. } = look(target)?;
    if show_damage(&found) {
        let what = words::copy_damaged(target.display().to_string());
        return Err(Failure::new(what).fix(words::store_too()));
    }
    tell(words::copied(
        target.display().to_string(),
        words::records(found.records),
        size(bytes),
        commit,
    ));
    Ok(())
}
