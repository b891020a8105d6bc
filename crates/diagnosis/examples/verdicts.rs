//! Writes the manual of all verdicts: `cargo run -p columba-diagnosis --example verdicts -- zh`.

use columba_speech::Language;

#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program, not the library"
)]
fn main() {
    let tag = std::env::args().nth(1).unwrap_or_default();
    let language = Language::from_tag(&tag).unwrap_or_default();
    print!("{}", columba_diagnosis::manual(language));
}
