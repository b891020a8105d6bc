//! What there is to say, in English and Chinese.

pub mod pages;
pub mod sentences;

pub use pages::{Page, explain, manual, page};

#[cfg(test)]
mod tests {
    /// A file of the repository; empty if it is not there.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test compares with the manual that is checked in"
    )]
    pub(super) fn read(path: &str) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn the_sentences_are_complete() {
        assert_eq!(columba_speech::faults(super::sentences::ALL), [""; 0]);
    }
}
