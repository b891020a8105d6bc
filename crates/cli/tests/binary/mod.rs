//! The binary as a test runs it.

use std::process::Command;

/// The binary, without settings of whoever runs the tests.
pub(crate) fn columba() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_columba"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COLUMBA_")) {
        command.env_remove(name);
    }
    command
        // No contexts and options files of theirs.
        .env("XDG_CONFIG_HOME", "/nonexistent")
        // Nor brokers that run beside these, which they are not to find either.
        .env("COLUMBA_RUNTIME_DIR", "/nonexistent/run")
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC");
    command
}
