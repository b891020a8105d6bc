//! Everything that the doctor says, in both languages: the catalogue.

pub mod broker;
pub mod filter;
pub mod label;
pub mod message;
pub mod network;
pub mod reason;
pub mod summary;
pub mod tls;
pub mod tls_fault;

use columba_speech::Entry;

/// All sentences.
pub fn all() -> Vec<Entry> {
    [
        label::ALL,
        summary::ALL,
        network::ALL,
        tls::ALL,
        tls_fault::ALL,
        reason::ALL,
        broker::ALL,
        filter::ALL,
        message::ALL,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_there_in_both_languages_with_the_same_parameters() {
        assert_eq!(columba_speech::faults(&all()), [""; 0]);
    }
}
