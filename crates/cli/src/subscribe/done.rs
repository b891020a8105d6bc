//! Messages at QoS 2 that are done with and may come again, because their acknowledgement was lost with a
//! connection.

use std::collections::BTreeSet;

use columba_client::Incoming;

/// As many as there are packet ids: of what has none any more, nothing comes again.
const NUMBERS_MAX: usize = 65_535;

/// The numbers of messages that are done with.
#[derive(Debug, Default)]
pub(super) struct Done(BTreeSet<u64>);

impl Done {
    /// Whether this message has come before and is done with.
    pub(super) fn has(&self, incoming: &Incoming) -> bool {
        number(incoming).is_some_and(|number| self.0.contains(&number))
    }

    /// Notes that a message is done with.
    pub(super) fn note(&mut self, incoming: &Incoming) {
        self.0.extend(number(incoming));
        // Numbers rise, so the least is the oldest.
        if self.0.len() > NUMBERS_MAX {
            self.0.pop_first();
        }
    }
}

fn number(incoming: &Incoming) -> Option<u64> {
    incoming.receipt.and_then(|receipt| receipt.number())
}
