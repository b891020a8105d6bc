//! The aliases that this client gives to topics.

use std::collections::BTreeMap;
use std::sync::Arc;

/// An alias goes to another topic once its own was not published to for this many messages, for each
/// alias that there may be. Fewer would make topics that take turns take each other's alias, and an
/// alias that is used once costs bytes.
const IDLE_MESSAGES_PER_ALIAS: u64 = 4;
/// An alias is no shorter than such a topic.
const SHORT_TOPIC_BYTES: usize = 3;

/// The aliases on this connection; as many topics are remembered as there may be aliases.
#[derive(Clone, Debug, Default)]
pub(super) struct OutgoingAliases {
    aliases: BTreeMap<Arc<str>, Alias>,
    /// Topics by the message that last used their alias.
    by_use: BTreeMap<u64, Arc<str>>,
    messages: u64,
    maximum: u16,
}

#[derive(Clone, Copy, Debug)]
struct Alias {
    number: u16,
    used: u64,
}

/// How a PUBLISH names its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// In full, without an alias.
    Topic,
    /// In full, and from now on by this alias.
    Introduce(u16),
    /// By this alias alone.
    Alias(u16),
}

impl OutgoingAliases {
    /// A new connection, on which the server takes this many.
    pub(super) fn reset(&mut self, maximum: u16) {
        *self = Self {
            maximum,
            ..Self::default()
        };
    }

    /// How to name a topic now.
    pub(super) fn name(&self, topic: &str) -> Naming {
        if let Some(alias) = self.aliases.get(topic) {
            return Naming::Alias(alias.number);
        }
        if topic.len() <= SHORT_TOPIC_BYTES || self.maximum == 0 {
            return Naming::Topic;
        }
        let taken = u16::try_from(self.aliases.len()).unwrap_or(u16::MAX);
        if taken < self.maximum {
            return Naming::Introduce(taken + 1);
        }
        let idle = IDLE_MESSAGES_PER_ALIAS * u64::from(self.maximum);
        match self.by_use.first_key_value() {
            Some((used, idler)) if self.messages - used >= idle => self
                .aliases
                .get(idler)
                .map_or(Naming::Topic, |alias| Naming::Introduce(alias.number)),
            _ => Naming::Topic,
        }
    }

    /// A PUBLISH named like this went out.
    pub(super) fn sent(&mut self, topic: &str, naming: Naming) {
        if self.maximum == 0 {
            return;
        }
        self.messages += 1;
        let used = self.messages;
        match naming {
            Naming::Topic => {}
            Naming::Introduce(number) => {
                if self.aliases.len() >= usize::from(self.maximum)
                    && let Some((_, idler)) = self.by_use.pop_first()
                {
                    self.aliases.remove(&idler);
                }
                let topic = Arc::<str>::from(topic);
                self.by_use.insert(used, Arc::clone(&topic));
                self.aliases.insert(topic, Alias { number, used });
            }
            Naming::Alias(_) => {
                if let Some(alias) = self.aliases.get_mut(topic)
                    && let Some(topic) = self.by_use.remove(&alias.used)
                {
                    alias.used = used;
                    self.by_use.insert(used, topic);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Naming, OutgoingAliases};

    fn publish(aliases: &mut OutgoingAliases, topic: &str) -> Naming {
        let naming = aliases.name(topic);
        aliases.sent(topic, naming);
        naming
    }

    #[test]
    fn an_alias_that_nobody_uses_goes_to_another_topic() {
        let mut aliases = OutgoingAliases::default();
        aliases.reset(2);
        assert_eq!(publish(&mut aliases, "once/only"), Naming::Introduce(1));
        assert_eq!(publish(&mut aliases, "always"), Naming::Introduce(2));
        for _ in 0..6 {
            assert_eq!(publish(&mut aliases, "always"), Naming::Alias(2));
            assert_eq!(publish(&mut aliases, "bit"), Naming::Topic, "too short");
        }
        assert_eq!(publish(&mut aliases, "later"), Naming::Introduce(1));
        assert_eq!(publish(&mut aliases, "later"), Naming::Alias(1));
        assert_eq!(publish(&mut aliases, "once/only"), Naming::Topic);
        aliases.reset(0);
        assert_eq!(publish(&mut aliases, "always"), Naming::Topic);
    }

    #[test]
    fn topics_that_take_turns_do_not_take_each_others_aliases_and_memory_is_bounded() {
        let mut aliases = OutgoingAliases::default();
        aliases.reset(3);
        let mut introduced = 0;
        for number in 0..1_000 {
            let topic = format!("topic/{}", number % 5);
            introduced += usize::from(matches!(
                publish(&mut aliases, &topic),
                Naming::Introduce(_)
            ));
            assert!(aliases.aliases.len() <= 3 && aliases.by_use.len() <= 3);
        }
        assert_eq!(introduced, 3);
    }
}
