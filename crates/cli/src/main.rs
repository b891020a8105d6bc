//! The `columba` binary.

mod allocator;
mod file_limit;

use std::process::ExitCode;

fn main() -> ExitCode {
    file_limit::fail_writes();
    columba_cli::program::run(allocator::keep_large_tables_apart)
}
