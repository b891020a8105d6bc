//! Files of an instance: written so that a reader sees the old text or the new, never a part.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use columba_store::{DiskFiles, Files as _};

use crate::store::StoreError;

/// Permissions of files with secrets.
pub const SECRET_MODE: u32 = 0o600;
/// Permissions of other files.
pub const PLAIN_MODE: u32 = 0o644;

/// Writes a file beside the old one, then puts it in its place. It has `mode`, whatever the old one
/// had, and the owner of the old one.
///
/// # Errors
/// What the file system says; the old file is as it was.
pub fn write_atomically(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.{}", std::process::id()));
    let write = || {
        // A leftover of a process that had the same id.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        // What the process takes away from new files is not meant for one that is there.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        // A root that changes the file of a service must not take it away from the service.
        if let Ok(old) = fs::metadata(path) {
            let new = file.metadata()?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The new name is safe once its directory is on disk.
        File::open(dir)?.sync_all()
    };
    write().inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Whether everybody on the machine can read a file.
pub fn is_readable_by_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

/// Takes the lock of a data directory, which is made if need be. The lock is held until the value is
/// dropped.
///
/// # Errors
/// If another process holds it, or it cannot be used.
pub fn lock_data_dir(dir: &Path) -> Result<DiskFiles, StoreError> {
    let place = || dir.display().to_string();
    let files = DiskFiles::open(dir);
    let mut files = files.map_err(|error| StoreError::of_directory(place(), error))?;
    match files.lock() {
        Ok(()) => Ok(files),
        Err(error) => Err(StoreError::new(place(), error.into())),
    }
}
