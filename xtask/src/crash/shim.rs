//! Builds the shim below `tests/powerloss` and puts it before a broker.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::process::{find, quiet};

/// What the disk below a broker does.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Disposition {
    #[default]
    Sound,
    /// A sync fails after so many.
    FailsAfter(u64),
    /// It is full whenever [`Shim::control`] is there.
    FullAtTimes,
    /// Syncs do nothing.
    Lies,
}

/// The library, and the files of one broker.
pub(super) struct Shim {
    library: PathBuf,
    /// The broker's store.
    pub(super) store: PathBuf,
    /// What it asked of its files.
    pub(super) journal: PathBuf,
    /// As long as this is there, the disk is full.
    pub(super) control: PathBuf,
}

impl Shim {
    /// Compiles it, for the broker that runs in `dir` and has its store in `data` there.
    pub(super) fn build(root: &Path, dir: &Path) -> anyhow::Result<Self> {
        if find("cc").is_none() {
            bail!("missing: a C compiler; on Debian: sudo apt-get install -y gcc libc6-dev");
        }
        let library = root.join("target/crash/shim.so");
        let mut compile = Command::new("cc");
        compile.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC"]);
        compile.args(["-pthread", "-o"]);
        compile
            .arg(&library)
            .arg(root.join("tests/powerloss/shim.c"));
        quiet(compile)?;
        // As the shim sees paths: absolute and without links.
        let dir = dir.canonicalize().context("the broker's directory")?;
        Ok(Self {
            library: library.canonicalize()?,
            store: dir.join("data"),
            journal: dir.join("journal"),
            control: dir.join("full"),
        })
    }

    /// Has a broker run on a disk of this kind.
    pub(super) fn attach(&self, broker: &mut Command, disposition: Disposition) {
        broker
            .env("LD_PRELOAD", &self.library)
            .env("COLUMBA_SHIM_DIR", &self.store)
            .env("COLUMBA_SHIM_JOURNAL", &self.journal);
        match disposition {
            Disposition::Sound => {}
            Disposition::FailsAfter(syncs) => {
                broker.env("COLUMBA_SHIM_FAIL_AFTER", syncs.to_string());
            }
            Disposition::FullAtTimes => {
                broker.env("COLUMBA_SHIM_FULL", &self.control);
            }
            Disposition::Lies => {
                broker.env("COLUMBA_SHIM_LIE", "1");
            }
        }
    }
}
