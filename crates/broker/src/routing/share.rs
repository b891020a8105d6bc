//! Shared subscriptions: groups, and the choice of the member that gets a message.

use std::sync::Arc;

use slab::Slab;

use crate::hash::{Chance, Hashing, Map, hash_of};
use crate::id::ShardId;
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
    /// Whether a member ever was a session that outlives the process: what the group gets may have to be
    /// stored.
    pub(crate) is_durable: bool,
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
    /// Where it stands in [`Members`].
    pub(crate) place: u32,
    /// Messages given to it and not settled.
    pub(crate) outstanding: u32,
    /// Whether it outlives the process.
    pub(crate) is_durable: bool,
}

/// The sessions that are members of a shard's groups: what they share in all of them, so that a
/// session which comes or goes changes it in one place.
#[derive(Debug)]
pub(crate) struct Members {
    states: Slab<MemberState>,
    places: Map<SessionRef, u32>,
}

#[derive(Clone, Copy, Debug)]
struct MemberState {
    /// Whether it is connected.
    is_online: bool,
    /// How many messages of a group it should have outstanding at most.
    room: u32,
    /// Groups that it is in.
    groups: u32,
}

impl Members {
    pub(crate) fn new(hashing: Hashing) -> Self {
        Self {
            states: Slab::new(),
            places: Map::with_hasher(hashing),
        }
    }

    /// A session is in one group more. Returns its place.
    pub(crate) fn join(&mut self, session: SessionRef) -> u32 {
        let Self { states, places } = self;
        let place = *places.entry(session).or_insert_with(|| {
            let state = MemberState {
                is_online: false,
                room: 0,
                groups: 0,
            };
            states.insert(state) as u32
        });
        if let Some(state) = states.get_mut(place as usize) {
            state.groups += 1;
        }
        place
    }

    /// A session is in one group less.
    pub(crate) fn leave(&mut self, member: &Member) {
        let Some(state) = self.states.get_mut(member.place as usize) else {
            return;
        };
        state.groups -= 1;
        if state.groups == 0 {
            self.states.remove(member.place as usize);
            self.places.remove(&member.session);
        }
    }

    /// A session is connected or not, and takes so many messages at a time.
    pub(crate) fn tell(&mut self, session: SessionRef, is_online: bool, room: u32) {
        let place = self.places.get(&session).copied();
        if let Some(state) = place.and_then(|place| self.states.get_mut(place as usize)) {
            state.is_online = is_online;
            state.room = room;
        }
    }

    /// How willing a member is, the best first.
    fn class(&self, member: &Member) -> u8 {
        match self.states.get(member.place as usize) {
            Some(state) if state.is_online => u8::from(member.outstanding >= state.room),
            Some(_) | None => 2,
        }
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
    /// Whether the message was accepted where the group was not known to store anything: members that do
    /// are taken only if nobody else is.
    pub(crate) is_unstored: bool,
    /// Members that may not have it.
    pub(crate) refused: &'a [SessionRef],
    /// Who is connected and has room.
    pub(crate) members: &'a Members,
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
            let is_returned = choice.not == Some(member.session);
            let is_late = choice.is_unstored && member.is_durable;
            choice.members.class(member) + 3 * u8::from(is_returned || is_late)
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

    fn group(members: &[(bool, u32)]) -> (Group, Members) {
        let mut all = Members::new(Hashing::with_seed(3));
        let mut of = Indexed::default();
        for (slot, (is_online, outstanding)) in members.iter().enumerate() {
            let session = session(slot);
            let place = all.join(session);
            all.tell(session, *is_online, 10);
            let member = Member {
                session,
                place,
                outstanding: *outstanding,
                is_durable: false,
            };
            of.put(member, Hashing::with_seed(3));
        }
        let group = Group {
            name: "g".into(),
            owner: ShardId(0),
            is_durable: false,
            members: of,
            turn: 0,
        };
        (group, all)
    }

    fn session(slot: usize) -> SessionRef {
        SessionRef {
            shard: ShardId(0),
            slot: slot as u32,
            serial: 0,
        }
    }

    fn choose(
        group: &mut (Group, Members),
        strategy: ShareStrategy,
        publisher: u64,
    ) -> Option<usize> {
        choose_for(group, strategy, publisher, false)
    }

    fn choose_for(
        (group, members): &mut (Group, Members),
        strategy: ShareStrategy,
        publisher: u64,
        is_unstored: bool,
    ) -> Option<usize> {
        let hashing = Hashing::with_seed(3);
        let choice = Choice {
            members,
            strategy,
            publisher,
            not: None,
            is_unstored,
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

    /// Whoever accepted it had not heard of that member, so its copy would not be stored in one step with
    /// the packet id of the publisher.
    #[test]
    fn a_message_accepted_before_a_member_that_lasts_was_known_goes_to_another_one() {
        for strategy in [
            ShareStrategy::RoundRobin,
            ShareStrategy::Random,
            ShareStrategy::LeastInflight,
            ShareStrategy::Sticky,
        ] {
            for lasting in 0..2 {
                let mut group = group(&[(true, 0), (true, 0)]);
                let member = group.0.members.find_mut(&session(lasting));
                member.expect("a member").is_durable = true;
                for publisher in 0..8 {
                    let chosen = choose_for(&mut group, strategy, publisher, true);
                    assert_eq!(chosen, Some(1 - lasting), "{strategy:?}");
                }
                let in_turn = ShareStrategy::RoundRobin;
                let stored = (0..2).map(|_| choose(&mut group, in_turn, 0));
                assert!(stored.collect::<Vec<_>>().contains(&Some(lasting)));
            }
            let mut alone = group(&[(true, 0)]);
            let member = alone.0.members.find_mut(&session(0));
            member.expect("a member").is_durable = true;
            assert_eq!(choose_for(&mut alone, strategy, 1, true), Some(0));
        }
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
    fn a_session_is_forgotten_with_its_last_group() {
        let mut members = Members::new(Hashing::with_seed(3));
        let member = |place| Member {
            session: session(7),
            place,
            outstanding: 0,
            is_durable: false,
        };
        let first = member(members.join(session(7)));
        let second = member(members.join(session(7)));
        members.tell(session(7), true, 1);
        members.leave(&first);
        assert_eq!(members.class(&second), 0);
        members.leave(&second);
        assert!(members.states.is_empty() && members.places.is_empty());
        members.tell(session(7), true, 1);
        assert!(members.places.is_empty());
    }

    #[test]
    fn an_empty_group_chooses_nobody() {
        assert_eq!(choose(&mut group(&[]), ShareStrategy::RoundRobin, 0), None);
    }
}
