//! The secrets of TLS connections in a file, for those who look at their own traffic.

#![expect(
    clippy::disallowed_types,
    reason = "the driver has files, and rustls may log from any thread"
)]

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Mutex;

use rustls::KeyLog;

/// Where the secrets of connections are written to, a line each.
#[derive(Debug)]
pub(super) struct KeyFile(Mutex<File>);

impl KeyFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.append(true).create(true);
        // It is as secret as what it opens.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        Ok(Self(Mutex::new(file)))
    }
}

impl KeyLog for KeyFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = format!("{label} ");
        for byte in client_random {
            line += &format!("{byte:02x}");
        }
        line.push(' ');
        for byte in secret {
            line += &format!("{byte:02x}");
        }
        line.push('\n');
        // A connection does not fail because its log does.
        if let Ok(mut file) = self.0.lock() {
            drop(file.write_all(line.as_bytes()));
        }
    }
}
