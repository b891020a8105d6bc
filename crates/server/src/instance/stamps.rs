//! What tells whether files are others than those that were read.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Files, and what they looked like right before they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps(Vec<(PathBuf, Option<Stamp>)>);

/// What tells one version of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    /// A rename puts another file in its place, which may have the same time and length.
    inode: u64,
    modified_secs: i64,
    modified_nanosecs: i64,
    len_bytes: u64,
}

impl Stamps {
    /// Looks at a file that is about to be read. A change between the look and the reading shows
    /// as one that came later, so that the file is read once more rather than once too seldom.
    pub(crate) fn look(&mut self, path: &Path) {
        self.0.push((path.to_owned(), stamp(path)));
    }

    /// The same files as they are now.
    pub(crate) fn again(&self) -> Self {
        let files = self.0.iter();
        Self(files.map(|(path, _)| (path.clone(), stamp(path))).collect())
    }
}

/// `None` where there is no file.
fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    Some(Stamp {
        inode: file.ino(),
        modified_secs: file.mtime(),
        modified_nanosecs: file.mtime_nsec(),
        len_bytes: file.len(),
    })
}
