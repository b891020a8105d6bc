//! Stores that released versions have written stay readable: each is a directory beside this file, and never
//! changes. A release leaves a new one:
//!
//! ```sh
//! cargo nextest run -p columba-cli --test golden_store written_today
//! cp -r target/tmp/store crates/cli/tests/golden_store/VERSION
//! ```
//!
//! and a test here that looks for what is in it. `writer.rs` makes the same bytes each time; what it learns
//! to write later is for the stores of later versions.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong stops"
)]

#[path = "../../../broker/tests/bed/mod.rs"]
mod bed;
#[path = "../binary/mod.rs"]
mod binary;
mod found;
mod process;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};

/// What is to be found in it.
const FOUND_IN_0_1_0: &str = include_str!("0.1.0.txt");

/// How its export ends.
const EXPORT_OF_0_1_0: &str = r#"{"checksum":"ce49185e","records":54}"#;

/// What a user of 0.1.0 may have in the data directory.
fn of_0_1_0() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden_store/0.1.0")
}

/// A copy, for whoever opens a store writes to it.
fn copy(store: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(store).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn the_store_of_0_1_0_has_everything_by_name_on_as_many_shards_as_one_likes() {
    found::check(&of_0_1_0(), FOUND_IN_0_1_0);
}

#[test]
fn a_broker_and_columba_store_take_the_store_of_0_1_0() {
    process::check(&of_0_1_0(), EXPORT_OF_0_1_0);
}

/// So that the way to make one is there when it is needed.
#[test]
fn a_store_like_these_is_written_today() {
    let store = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("store");
    drop(fs::remove_dir_all(&store));
    writer::write_into(&store);
    found::check(&store, FOUND_IN_0_1_0);
}
