//! Topic aliases of one connection (section 3.3.2.3.4); they die with it (`MQTT-3.3.2-7`).

use std::sync::Arc;

use crate::hash::{Hashing, Map};

/// Aliases in both directions.
#[derive(Debug)]
pub(crate) struct Aliases {
    /// Set by the client; the alias is the position plus 1.
    incoming: Vec<Option<Arc<str>>>,
    /// Set by the server: one for each of the first topics, as many as the client takes.
    outgoing: Map<Arc<str>, u16>,
    outgoing_max: u16,
}

/// How a topic goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// In full, without an alias.
    Plain,
    /// In full, and from now on this alias stands for it.
    Set(u16),
    /// As this alias.
    Use(u16),
}

impl Aliases {
    pub(crate) fn new(hashing: Hashing, outgoing_max: u16) -> Self {
        Self {
            incoming: Vec::new(),
            outgoing: Map::with_hasher(hashing),
            outgoing_max,
        }
    }

    /// Sets an alias that was checked against the maximum.
    pub(crate) fn set_incoming(&mut self, alias: u16, topic: &str) {
        let position = usize::from(alias).saturating_sub(1);
        if self.incoming.len() <= position {
            self.incoming.resize(position + 1, None);
        }
        if let Some(place) = self.incoming.get_mut(position) {
            // Clients that send the topic along every time are common.
            if place.as_deref() != Some(topic) {
                *place = Some(topic.into());
            }
        }
    }

    /// The topic that an alias stands for.
    pub(crate) fn incoming(&self, alias: u16) -> Option<Arc<str>> {
        self.incoming
            .get(usize::from(alias).checked_sub(1)?)?
            .clone()
    }

    /// How a topic goes out (`MQTT-3.3.2-11`). A `Set` that is sent is to be remembered.
    pub(crate) fn outgoing(&self, topic: &str) -> Outgoing {
        if let Some(alias) = self.outgoing.get(topic) {
            return Outgoing::Use(*alias);
        }
        if self.outgoing.len() >= usize::from(self.outgoing_max) {
            return Outgoing::Plain;
        }
        Outgoing::Set(self.outgoing.len() as u16 + 1)
    }

    /// A topic was sent with a new alias.
    pub(crate) fn remember(&mut self, topic: &str, alias: u16) {
        self.outgoing.insert(topic.into(), alias);
    }

    /// Whether the client takes aliases at all.
    pub(crate) const fn has_outgoing(&self) -> bool {
        self.outgoing_max > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outgoing_aliases_stay_within_the_clients_maximum() {
        // MQTT-3.1.2-26, MQTT-3.3.2-11
        let mut aliases = Aliases::new(Hashing::with_seed(1), 2);
        assert_eq!(aliases.outgoing("a"), Outgoing::Set(1));
        assert_eq!(aliases.outgoing("b"), Outgoing::Set(1), "not sent, not set");
        aliases.remember("a", 1);
        assert_eq!(aliases.outgoing("b"), Outgoing::Set(2));
        aliases.remember("b", 2);
        assert_eq!(aliases.outgoing("c"), Outgoing::Plain);
        assert_eq!(aliases.outgoing("a"), Outgoing::Use(1));
    }

    #[test]
    fn incoming_aliases_can_be_set_again() {
        let mut aliases = Aliases::new(Hashing::with_seed(1), 0);
        assert_eq!(aliases.incoming(2), None);
        aliases.set_incoming(2, "a");
        aliases.set_incoming(2, "b");
        assert_eq!(aliases.incoming(2).as_deref(), Some("b"));
        assert_eq!(aliases.incoming(1), None);
        assert_eq!(aliases.incoming(0), None);
    }
}
