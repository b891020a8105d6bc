//! Backups of a store that may be in use.

use std::path::Path;

use columba_store::{BackedUp, DiskFiles};

use super::meter::{Meter, counted, size};
use super::{Look, failed, failed_to_open, look, show_damage};
use crate::failure::{Failure, print};

pub(super) fn backup(store: &Path, target: &Path) -> Result<(), Failure> {
    let source = DiskFiles::open_read_only(store);
    let mut source = source.map_err(|error| failed_to_open(store, error))?;
    let files = DiskFiles::open(target);
    let mut files = files.map_err(|error| failed_to_open(target, error))?;
    let mut meter = Meter::new("copying");
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
        let what = format!("the copy in {} has damage", target.display());
        return Err(Failure::new(what).fix("the store has it, too: see `columba store check`"));
    }
    print(&format!(
        "{}: sound. {}, {}, up to commit {commit}.\n",
        target.display(),
        counted(found.records, "record"),
        size(bytes),
    ));
    Ok(())
}
