//! The protocol between core and driver: effects only for connections that the driver has,
//! Transmit told once until the output is empty, Close told once.

use std::collections::BTreeSet;

use crate::event::LinkId;
use crate::oracle::{About, Observation};

/// What was told.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    transmitting: BTreeSet<LinkId>,
    closing: BTreeSet<LinkId>,
}

impl Effects {
    /// `written` are the connections that have new output.
    pub(crate) fn check(&mut self, seen: &Observation, written: &[LinkId]) -> Result<(), String> {
        if let About::Adopted { link } = seen.about {
            // A new connection, as far as its new shard knows.
            self.transmitting.remove(&link);
        }
        for link in &seen.transmits {
            let link = link.ok_or("Transmit for an unknown connection")?;
            if self.closing.contains(&link) {
                return Err(format!("Transmit for link {link} after Close"));
            }
            if !self.transmitting.insert(link) {
                return Err(format!("Transmit for link {link} was told already"));
            }
        }
        for link in written {
            if !self.transmitting.contains(link) {
                return Err(format!("link {link} has output, and nobody was told"));
            }
        }
        for link in &seen.closes {
            let link = link.ok_or("Close for an unknown connection")?;
            if !self.closing.insert(link) {
                return Err(format!("Close for link {link} was told already"));
            }
        }
        Ok(())
    }

    /// The driver has taken all of a connection's output.
    pub(crate) fn emptied(&mut self, link: LinkId) {
        self.transmitting.remove(&link);
    }
}
