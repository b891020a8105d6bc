//! Which brokers run on this machine: each leaves a link to its Unix socket where the commands that ask
//! one find it, so that they need no `--dir` for the only broker there is.
//!
//! A broker that is killed leaves its link behind. Whoever looks next tries the socket, hears that nobody
//! answers, and takes the link away.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// The one directory for all links, in place of those of the system.
const OWN_DIRECTORY: &str = "COLUMBA_RUNTIME_DIR";
/// Where services keep what lives as long as they run; systemd makes it with `RuntimeDirectory=columba`.
const OF_SERVICES: &str = "/run/columba";

/// The link of a broker that runs; it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Presence(PathBuf);

impl Presence {
    /// Leaves a link to a socket.
    ///
    /// # Errors
    /// No directory for it is there or can be made.
    pub(crate) fn announce(socket: &Path) -> io::Result<Self> {
        let socket = std::path::absolute(socket)?;
        let mut last = io::ErrorKind::NotFound.into();
        for dir in directories() {
            match leave_link(&dir, &socket) {
                Ok(link) => return Ok(Self(link)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // One that stays is taken away by whoever looks next.
        drop(fs::remove_file(&self.0));
    }
}

fn leave_link(dir: &Path, socket: &Path) -> io::Result<PathBuf> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    if !is_trusted(dir) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let link = dir.join(std::process::id().to_string());
    // A leftover of a process that had the same id. Others are tried by who looks: a broker that hangs must not
    // hold up the start of this one.
    drop(fs::remove_file(&link));
    symlink(socket, &link)?;
    Ok(link)
}

/// The sockets of the brokers that run here and that this user can ask, in the order of their paths.
pub(crate) fn sockets() -> Vec<PathBuf> {
    let dirs = directories();
    let trusted = dirs.iter().filter(|dir| is_trusted(dir));
    let mut sockets: Vec<PathBuf> = trusted.flat_map(|dir| links(dir)).collect();
    sockets.sort();
    sockets.dedup();
    sockets
}

/// Where links lead to at which a broker answers. The others are taken away.
fn links(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let link = entry.path();
            let socket = fs::read_link(&link).ok()?;
            match UnixStream::connect(&socket) {
                Ok(_) => return Some(socket),
                Err(error) if is_left_over(&error) => drop(fs::remove_file(&link)),
                // Of another user.
                Err(_) => {}
            }
            None
        })
        .collect()
}

fn is_left_over(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    matches!(error.kind(), ConnectionRefused | NotFound)
}

/// Where links may be, the best place first.
fn directories() -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    if let Some(own) = variable(OWN_DIRECTORY) {
        return vec![own.into()];
    }
    let of_user = variable("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("columba"));
    let of_nobody = std::env::temp_dir().join(format!("columba-{}", geteuid().as_raw()));
    let mut dirs: Vec<PathBuf> = of_user.into_iter().collect();
    dirs.push(OF_SERVICES.into());
    dirs.push(of_nobody);
    dirs
}

/// Whether nobody else can have put a link there, in a place where everybody may make directories.
fn is_trusted(dir: &Path) -> bool {
    let others_may_write = 0o022;
    fs::symlink_metadata(dir).is_ok_and(|found| {
        // That of the services is made by root, for the user of the service.
        let is_own = found.uid() == geteuid().as_raw() || dir == Path::new(OF_SERVICES);
        found.is_dir() && is_own && found.mode() & others_may_write == 0
    })
}
