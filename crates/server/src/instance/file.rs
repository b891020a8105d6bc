//! Files of an instance: written so that a reader sees the old text or the new, never a part.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use columba_store::{DiskFiles, Files as _};
use rustix::process::geteuid;

use crate::store::StoreError;

/// Permissions of files with secrets.
pub const SECRET_MODE: u32 = 0o600;
/// Permissions of other files.
pub const PLAIN_MODE: u32 = 0o644;

/// Writes a file beside the old one, then puts it in its place. It has `mode`, whatever the old one
/// had, and the owner of the old one. A link stays, and what it leads to is written.
///
/// # Errors
/// What the file system says, or a link that is not followed; the old file is as it was.
pub fn write_atomically(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let target = behind_link(path)?;
    let path = target.as_deref().unwrap_or(path);
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

/// What a link leads to; `None` if there is none at this path.
///
/// Followed is a link of whoever runs this program, or of the owner of the file: a root that changes a file of
/// a service must not be led by that service to a file of somebody else.
fn behind_link(path: &Path) -> io::Result<Option<PathBuf>> {
    let link = match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => found,
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let target = fs::canonicalize(path).map_err(|error| {
        let what = format!("it is a link that cannot be followed: {error}");
        io::Error::new(error.kind(), what)
    })?;
    let owners = [geteuid().as_raw(), fs::metadata(&target)?.uid()];
    if !owners.contains(&link.uid()) {
        let target = target.display();
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "it is a link to {target} that belongs to another user than both: name that file"
            ),
        ));
    }
    Ok(Some(target))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{lchown, symlink};

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let (elsewhere, link) = (dir.path().join("elsewhere"), dir.path().join("acl.toml"));
        fs::create_dir(&elsewhere).unwrap();
        let file = elsewhere.join("rules");
        fs::write(&file, "old").unwrap();
        symlink("elsewhere/rules", dir.path().join("hop")).unwrap();
        symlink("hop", &link).unwrap();
        write_atomically(&link, "new", PLAIN_MODE).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
        // One that leads nowhere is not replaced, either.
        fs::remove_file(&file).unwrap();
        let error = write_atomically(&link, "new", PLAIN_MODE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_link_of_another_user_leads_to_nobody_elses_file() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("shadow"), dir.path().join("users"));
        fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        if !geteuid().is_root() {
            // Only root can make a link that is somebody else's.
            return;
        }
        lchown(&link, Some(12345), None).unwrap();
        let error = write_atomically(&link, "new", PLAIN_MODE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        lchown(&file, Some(12345), None).unwrap();
        write_atomically(&link, "new", PLAIN_MODE).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }
}
