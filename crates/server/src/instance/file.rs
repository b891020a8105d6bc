//! Files of an instance: written so that a reader sees the old text or the new, never a part.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Component, Path, PathBuf};

use columba_store::{DiskFiles, Files as _};
use rustix::process::geteuid;

use crate::store::StoreError;

/// Permissions of files with secrets.
pub const SECRET_MODE: u32 = 0o600;
/// Permissions of other files.
pub const PLAIN_MODE: u32 = 0o644;

/// How a file was written.
#[derive(Debug)]
pub enum Written {
    /// It is on the disk.
    Safe,
    /// It is there, but its directory could not be synced: a loss of power may bring back the old one.
    Unsynced(io::Error),
}

/// Writes a file beside the old one, then puts it in its place. It has `mode`, whatever the old one
/// had, and the owner of the old one. A link stays, and what it leads to is written.
///
/// # Errors
/// As [`replace`]. Where the directory alone could not be synced, the new file is there, and a loss of
/// power may bring back the old.
pub fn write_atomically(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    match replace(path, text, mode)? {
        Written::Safe => Ok(()),
        Written::Unsynced(error) => Err(error),
    }
}

/// The same, for whoever goes on with the new file in any case.
///
/// # Errors
/// What the file system says, or a link that is not followed; the old file is as it was.
pub fn replace(path: &Path, text: &str, mode: u32) -> io::Result<Written> {
    replace_by(path, text, mode, |dir| File::open(dir)?.sync_all())
}

fn replace_by(
    path: &Path,
    text: &str,
    mode: u32,
    sync_dir: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<Written> {
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
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&temporary)))?;
    // The new name is safe once its directory is on disk.
    Ok(sync_dir(dir).map_or_else(Written::Unsynced, |()| Written::Safe))
}

/// What a link leads to; `None` if there is none at this path.
///
/// Followed are links of whoever runs this program, or of the owner of the file, all the way: a root that
/// changes a file of a service must not be led by that service to a file of somebody else.
fn behind_link(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let unfollowed = |error: io::Error| {
        let what = format!("it is a link that cannot be followed: {error}");
        io::Error::new(error.kind(), what)
    };
    let mut owners = Vec::new();
    let target = follow(path, &mut owners).map_err(unfollowed)?;
    let may_lead = [geteuid().as_raw(), fs::metadata(&target)?.uid()];
    if !owners.iter().all(|owner| may_lead.contains(owner)) {
        let target = target.display();
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "it leads to {target} by a link that belongs to another user than both: name that file"
            ),
        ));
    }
    Ok(Some(target))
}

/// As many links as the kernel follows.
const LINKS_MAX: usize = 40;

/// The file at the end of all links of a path but those of the directory that it begins in, and who owns
/// them.
fn follow(path: &Path, owners: &mut Vec<u32>) -> io::Result<PathBuf> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let mut place = fs::canonicalize(dir.unwrap_or_else(|| Path::new(".")))?;
    let mut rest: Vec<OsString> = path.file_name().map(OsString::from).into_iter().collect();
    while let Some(step) = rest.pop() {
        if step == ".." {
            place.pop();
            continue;
        }
        place.push(step);
        let found = fs::symlink_metadata(&place)?;
        if !found.is_symlink() {
            continue;
        }
        if owners.len() == LINKS_MAX {
            return Err(io::Error::other("too many links"));
        }
        owners.push(found.uid());
        let link = fs::read_link(&place)?;
        place.pop();
        for part in link.components().rev() {
            match part {
                Component::RootDir => place = PathBuf::from("/"),
                Component::CurDir | Component::Prefix(_) => {}
                Component::ParentDir => rest.push("..".into()),
                Component::Normal(name) => rest.push(name.into()),
            }
        }
    }
    Ok(place)
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
    fn a_file_whose_directory_cannot_be_synced_is_there_and_said_not_to_be_safe() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bans.json");
        fs::write(&path, "old").unwrap();
        let failing = |at: &Path| {
            assert_eq!(at, dir.path());
            Err(io::ErrorKind::TimedOut.into())
        };
        let written = replace_by(&path, "new", PLAIN_MODE, failing).unwrap();
        assert!(matches!(written, Written::Unsynced(of) if of.kind() == io::ErrorKind::TimedOut));
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let written = replace(&path, "newer", PLAIN_MODE).unwrap();
        assert!(matches!(written, Written::Safe));
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
        // Nor does one in the middle, be it of a file or of a directory.
        let (dirs, first) = (dir.path().join("dirs"), dir.path().join("first"));
        symlink(dir.path(), &dirs).unwrap();
        for way in ["users", "dirs/shadow"] {
            symlink(way, &first).unwrap();
            lchown(&dirs, Some(12345), None).unwrap();
            let error = write_atomically(&first, "new", PLAIN_MODE).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{way}");
            fs::remove_file(&first).unwrap();
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        lchown(&file, Some(12345), None).unwrap();
        write_atomically(&link, "new", PLAIN_MODE).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }
}
