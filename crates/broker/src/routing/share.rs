//! Shared subscriptions: groups, and the choice of the member that gets a message.

use std::sync::Arc;

use crate::event::ShardId;
use crate::hash::{Chance, Hashing, hash_of};
use crate::indexed::{Indexed, Keyed};
use crate::limits::ShareStrategy;

/// A group on one filter (`$share/NAME/FILTER`), as every shard knows it. Only its owner knows the
/// members.
#[derive(Debug)]
pub(crate) struct Group {
    /// The share name.
    pub(crate) name: Arc<str>,
    /// The shard that chooses.
    pub(crate) owner: ShardId,
    /// The members; empty on shards that do not own the group.
    pub(crate) members: Indexed<Member>,
    /// Whose turn it is.
    pub(crate) turn: usize,
}

/// Where a session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionRef {
    /// Its home.
    pub(crate) shard: ShardId,
    /// Its slot there.
    pub(crate) slot: u32,
    /// Which user of the slot.
    pub(crate) serial: u32,
}

/// A member of a group, as the owner sees it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its session.
    pub(crate) session: SessionRef,
    /// Whether it is connected.
    pub(crate) is_online: bool,
    /// Messages given to it and not settled.
    pub(crate) outstanding: u32,
    /// How many it should have outstanding at most.
    pub(crate) room: u32,
}

impl Member {
    const fn has_room(&self) -> bool {
        self.outstanding < self.room
    }
}

impl Keyed for Member {
    type Key = SessionRef;

    fn key(&self) -> SessionRef {
        self.session
    }
}

impl Keyed for Group {
    type Key = Arc<str>;

    fn key(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }
}

/// What a choice goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<'a> {
    /// The strategy.
    pub(crate) strategy: ShareStrategy,
    /// Hash of the publishing client's id, for [`ShareStrategy::Sticky`].
    pub(crate) publisher: u64,
    /// The member that could not keep the message, if it comes back; taken only if nobody else is.
    pub(crate) not: Option<SessionRef>,
    /// Members that may not have it.
    pub(crate) refused: &'a [SessionRef],
    /// For `Sticky`.
    pub(crate) hashing: &'a Hashing,
}

impl Group {
    /// The position of the member that gets the next message.
    ///
    /// Members that are online and have room come first, then members that are online, then
    /// members whose session can keep the message until they return. Within the best class the
    /// strategy decides.
    pub(crate) fn choose(&mut self, choice: Choice<'_>, chance: &mut Chance) -> Option<usize> {
        let class = |member: &Member| {
            let returned = u8::from(choice.not == Some(member.session));
            let class = match (member.is_online, member.has_room()) {
                (true, true) => 0,
                (true, false) => 1,
                (false, _) => 2,
            };
            class + 3 * returned
        };
        let may_have = |member: &Member| !choice.refused.contains(&member.session);
        let best = || {
            let members = self.members.iter().filter(|member| may_have(member));
            members.map(class).min()
        };
        let count = self.members.len();
        if count == 0 {
            return None;
        }
        let in_turn = |start: usize| {
            let find = |wanted: u8| {
                let mut positions = (0..count).map(|step| (start + step) % count);
                let is_it = |member: &Member| class(member) == wanted && may_have(member);
                positions.find(|position| self.members.get(*position).is_some_and(is_it))
            };
            // Most of the time the next one can: nobody else needs to be looked at.
            find(0).or_else(|| find(best()?))
        };
        let is_candidate = {
            let is_picky = matches!(
                choice.strategy,
                ShareStrategy::LeastInflight | ShareStrategy::Sticky
            );
            let best = if is_picky { best() } else { None };
            move |member: &Member| Some(class(member)) == best && may_have(member)
        };
        let chosen = match choice.strategy {
            ShareStrategy::RoundRobin => in_turn(self.turn % count),
            ShareStrategy::Random => in_turn(chance.below(count)),
            ShareStrategy::LeastInflight => {
                let candidates = self
                    .members
                    .iter()
                    .enumerate()
                    .filter(|(_, m)| is_candidate(m));
                // Equal ones in turn, so that an idle group still spreads.
                let turn = self.turn;
                candidates
                    .min_by_key(|(position, member)| {
                        (
                            member.outstanding,
                            (position + count - turn % count) % count,
                        )
                    })
                    .map(|(position, _)| position)
            }
            ShareStrategy::Sticky => {
                // The highest of the pairs' hashes wins: no table, and when a member leaves only
                // its own publishers move.
                let score =
                    |member: &Member| hash_of(choice.hashing, &(choice.publisher, member.session));
                let candidates = self
                    .members
                    .iter()
                    .enumerate()
                    .filter(|(_, m)| is_candidate(m));
                candidates
                    .max_by_key(|(_, member)| score(member))
                    .map(|(position, _)| position)
            }
        };
        if let Some(position) = chosen {
            self.turn = position + 1;
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(members: &[(bool, u32)]) -> Group {
        let member = |slot: usize, is_online: bool, outstanding: u32| Member {
            session: SessionRef {
                shard: ShardId(0),
                slot: slot as u32,
                serial: 0,
            },
            is_online,
            outstanding,
            room: 10,
        };
        let mut of = Indexed::default();
        for (slot, (is_online, outstanding)) in members.iter().enumerate() {
            of.put(
                member(slot, *is_online, *outstanding),
                Hashing::with_seed(3),
            );
        }
        Group {
            name: "g".into(),
            owner: ShardId(0),
            members: of,
            turn: 0,
        }
    }

    fn choose(group: &mut Group, strategy: ShareStrategy, publisher: u64) -> Option<usize> {
        let hashing = Hashing::with_seed(3);
        let choice = Choice {
            strategy,
            publisher,
            not: None,
            refused: &[],
            hashing: &hashing,
        };
        group.choose(choice, &mut Chance::new(5))
    }

    #[test]
    fn round_robin_takes_turns_among_those_that_can() {
        let mut group = group(&[(true, 0), (false, 0), (true, 10), (true, 0)]);
        let chosen: Vec<_> = (0..4)
            .map(|_| choose(&mut group, ShareStrategy::RoundRobin, 0))
            .collect();
        assert_eq!(chosen, [Some(0), Some(3), Some(0), Some(3)]);
    }

    #[test]
    fn full_members_are_better_than_offline_ones() {
        for strategy in [
            ShareStrategy::RoundRobin,
            ShareStrategy::Random,
            ShareStrategy::Sticky,
        ] {
            let mut group = group(&[(false, 0), (true, 10)]);
            assert_eq!(choose(&mut group, strategy, 1), Some(1), "{strategy:?}");
        }
    }

    #[test]
    fn least_inflight_takes_the_idlest() {
        let mut group = group(&[(true, 3), (true, 1), (true, 2)]);
        assert_eq!(choose(&mut group, ShareStrategy::LeastInflight, 0), Some(1));
    }

    #[test]
    fn sticky_keeps_a_publisher_with_its_member() {
        let mut group = group(&[(true, 0), (true, 0), (true, 0)]);
        let first: Vec<_> = (0..20)
            .map(|p| choose(&mut group, ShareStrategy::Sticky, p))
            .collect();
        let again: Vec<_> = (0..20)
            .map(|p| choose(&mut group, ShareStrategy::Sticky, p))
            .collect();
        assert_eq!(first, again);
        assert!(
            first.iter().any(|chosen| *chosen != first[0]),
            "publishers spread"
        );
    }

    #[test]
    fn an_empty_group_chooses_nobody() {
        assert_eq!(choose(&mut group(&[]), ShareStrategy::RoundRobin, 0), None);
    }
}
