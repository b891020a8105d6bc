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
    /// Places in `aliases`.
    places: BTreeMap<Arc<str>, usize>,
    /// The alias at place `n` is `n + 1`.
    aliases: Vec<Alias>,
    /// The places of the alias that was used last, and of the one that is longest idle.
    ends: Option<(usize, usize)>,
    messages: u64,
    maximum: u16,
}

/// An alias in the list from the last used to the longest idle.
#[derive(Clone, Debug)]
struct Alias {
    topic: Arc<str>,
    /// The message that used it last.
    used: u64,
    used_later: Option<usize>,
    used_earlier: Option<usize>,
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
        if self.maximum == 0 {
            return Naming::Topic;
        }
        if let Some(place) = self.place(topic) {
            return Naming::Alias(number(place));
        }
        if topic.len() <= SHORT_TOPIC_BYTES {
            return Naming::Topic;
        }
        if self.aliases.len() < usize::from(self.maximum) {
            return Naming::Introduce(number(self.aliases.len()));
        }
        let idle = IDLE_MESSAGES_PER_ALIAS * u64::from(self.maximum);
        match self.idler() {
            Some((place, alias)) if self.messages - alias.used >= idle => {
                Naming::Introduce(number(place))
            }
            Some(_) | None => Naming::Topic,
        }
    }

    /// A PUBLISH named like this went out.
    pub(super) fn sent(&mut self, topic: &str, naming: Naming) {
        if self.maximum == 0 {
            return;
        }
        self.messages += 1;
        let place = match naming {
            Naming::Topic => return,
            Naming::Introduce(number) | Naming::Alias(number) => usize::from(number) - 1,
        };
        if matches!(naming, Naming::Introduce(_)) {
            self.introduce(topic, place);
        }
        self.touch(place);
    }

    /// The place of a topic's alias.
    fn place(&self, topic: &str) -> Option<usize> {
        // Most often it is the topic of the message before.
        if let Some((last, _)) = self.ends
            && self
                .aliases
                .get(last)
                .is_some_and(|alias| &*alias.topic == topic)
        {
            return Some(last);
        }
        self.places.get(topic).copied()
    }

    fn idler(&self) -> Option<(usize, &Alias)> {
        let (_, place) = self.ends?;
        Some((place, self.aliases.get(place)?))
    }

    /// Gives a place to a topic: a new one, or that of another topic.
    fn introduce(&mut self, topic: &str, place: usize) {
        let topic = Arc::<str>::from(topic);
        self.places.insert(Arc::clone(&topic), place);
        if let Some(alias) = self.aliases.get_mut(place) {
            self.places.remove(&alias.topic);
            alias.topic = topic;
            return;
        }
        let before = self.ends.map(|(last, _)| last);
        self.aliases.push(Alias {
            topic,
            used: 0,
            used_later: None,
            used_earlier: before,
        });
        match before.and_then(|last| self.aliases.get_mut(last)) {
            Some(last) => last.used_later = Some(place),
            None => self.ends = Some((place, place)),
        }
        if let Some((last, _)) = &mut self.ends {
            *last = place;
        }
    }

    /// Puts a place to the front of the list.
    fn touch(&mut self, place: usize) {
        let (Some((last, idler)), Some(alias)) = (self.ends, self.aliases.get_mut(place)) else {
            return;
        };
        alias.used = self.messages;
        let Some(later) = alias.used_later.take() else {
            return;
        };
        let earlier = alias.used_earlier.replace(last);
        if let Some(alias) = self.aliases.get_mut(later) {
            alias.used_earlier = earlier;
        }
        if let Some(alias) = earlier.and_then(|earlier| self.aliases.get_mut(earlier)) {
            alias.used_later = Some(later);
        }
        if let Some(alias) = self.aliases.get_mut(last) {
            alias.used_later = Some(place);
        }
        self.ends = Some((place, if idler == place { later } else { idler }));
    }
}

/// The alias at a place; there are no more places than aliases.
fn number(place: usize) -> u16 {
    u16::try_from(place + 1).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
            assert!(aliases.aliases.len() <= 3 && aliases.places.len() <= 3);
        }
        assert_eq!(introduced, 3);
    }
    /// Compared with a search for the longest idle topic among all.
    #[test]
    fn the_alias_that_is_longest_idle_is_the_one_that_goes() {
        let mut aliases = OutgoingAliases::default();
        aliases.reset(4);
        // Topics with the number of their alias and the message that used it last.
        let mut used = BTreeMap::<String, (u16, u64)>::new();
        let (mut chance, mut taken_over) = (1_u64, 0);
        for message in 1..20_000_u64 {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // Most of the time a few topics, so that others fall idle.
            let among = if chance >> 60 == 0 { 9 } else { 3 };
            let topic = format!("topic/{}", (chance >> 33) % among);
            let idler = used.iter().min_by_key(|(_, (_, last))| *last);
            let idler = idler.map(|(topic, (number, last))| (topic.clone(), *number, *last));
            let known = used.get(&topic).map(|(number, _)| *number);
            let expected = match (known, idler) {
                (Some(number), _) => Naming::Alias(number),
                (None, Some((idler, number, last))) if used.len() == 4 => {
                    if message - 1 - last >= 16 {
                        used.remove(&idler);
                        taken_over += 1;
                        Naming::Introduce(number)
                    } else {
                        Naming::Topic
                    }
                }
                (None, _) => Naming::Introduce(used.len() as u16 + 1),
            };
            assert_eq!(publish(&mut aliases, &topic), expected, "message {message}");
            if let Naming::Introduce(number) | Naming::Alias(number) = expected {
                used.insert(topic, (number, message));
            }
            assert_eq!(used.len(), aliases.places.len());
        }
        assert!(taken_over > 100, "{taken_over}");
    }
}
