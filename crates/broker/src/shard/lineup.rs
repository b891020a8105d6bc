//! In which order a session got what it has not settled, after a restart.
//!
//! The store has the packet ids of QoS 2 alone: of QoS 1 it knows only that a message is not
//! acknowledged. But ids are given out in order, so a message of QoS 1 that is older than one of QoS 2
//! which has begun was sent before it, with an id below. Which of these ids it was does not matter: a
//! client keeps nothing of QoS 1 when its connection ends.
//!
//! A message of QoS 2 that is older than one that has begun had an id below as well: the newer one's
//! record has come to the store with the batch of another shard, and that of its own id has not. It was
//! not sent, nor was what has an id above, but these ids keep the order.

use std::collections::{BTreeMap, BTreeSet};

use columba_codec::PacketId;

use crate::session::window::SPAN_MAX;

/// How many packet ids there are. After the last comes the first again.
const IDS: usize = 65_535;

/// What the store has of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    /// A delivery of QoS 2 that has begun.
    Begun {
        /// Its id.
        id: PacketId,
        /// Something that is the same for messages of one topic.
        topic: u64,
    },
    /// QoS 1: sent or not. QoS 2: not sent.
    MayHaveId {
        /// See above.
        topic: u64,
    },
    /// It had no id.
    Waits,
}

/// A delivery that has begun: when its message came, and its number in the window, of which the id is a
/// part.
#[derive(Clone, Copy, Debug)]
struct Begun {
    at: usize,
    number: usize,
}

/// For each copy, in the order of their messages, its number in the window, from which ids come by
/// [`id_of`]; nothing for what is to be sent for the first time.
///
/// What has begun keeps its id. Another copy gets the last number that is free before the first newer
/// one that has begun. It waits if an older one of its topic would then come after it: one that a shared
/// group handed over, say, which comes late.
pub(super) fn line_up(traces: &[Trace]) -> Vec<Option<usize>> {
    let begun = begun_by_number(traces);
    let mut numbers = vec![None; traces.len()];
    let (Some(first), Some(last)) = (begun.first(), begun.last()) else {
        return numbers;
    };
    let room = SPAN_MAX.saturating_sub(last.number - first.number + 1);
    let taken: BTreeSet<usize> = begun.iter().map(|of| of.number).collect();
    for of in &begun {
        if let Some(number) = numbers.get_mut(of.at) {
            *number = Some(of.number);
        }
    }
    let newest = newest_until(&begun);
    let late = oldest_from_by_topic(traces, &begun);
    let may_have_id = traces
        .iter()
        .enumerate()
        .filter_map(|(at, trace)| match trace {
            Trace::MayHaveId { topic } => Some((at, *topic)),
            Trace::Begun { .. } | Trace::Waits => None,
        });
    let may_have_id: Vec<_> = may_have_id.take(room).collect();
    let mut free = usize::MAX;
    let mut waits = Vec::new();
    for (at, topic) in may_have_id.into_iter().rev() {
        let newer = newest.partition_point(|newest| *newest < at);
        let Some(newer) = begun.get(newer) else {
            continue;
        };
        let mut number = free.min(newer.number).saturating_sub(1);
        while taken.contains(&number) {
            number = number.saturating_sub(1);
        }
        if has_older_behind(late.get(&topic), number, at) {
            waits.push((at, topic));
            continue;
        }
        free = number;
        if let Some(found) = numbers.get_mut(at) {
            *found = Some(number);
        }
    }
    hold_back(&mut numbers, traces, &waits);
    numbers
}

/// The id of a number in the window.
pub(super) fn id_of(number: usize) -> Option<PacketId> {
    let id = u16::try_from(number % IDS + 1).ok()?;
    PacketId::new(id)
}

/// Packet ids go round in a ring, and those of a window lie close together: the widest gap between
/// them is where it begins.
fn begun_by_number(traces: &[Trace]) -> Vec<Begun> {
    let begun = traces
        .iter()
        .enumerate()
        .filter_map(|(at, trace)| match trace {
            // There is room for all ids before it.
            Trace::Begun { id, .. } => Some(Begun {
                at,
                number: IDS + usize::from(id.get()) - 1,
            }),
            Trace::MayHaveId { .. } | Trace::Waits => None,
        });
    let mut begun: Vec<_> = begun.collect();
    begun.sort_by_key(|of| of.number);
    let Some(last) = begun.last() else {
        return begun;
    };
    let mut before = last.number - IDS;
    let (mut first, mut gap) = (0, 0);
    for (place, of) in begun.iter().enumerate() {
        if of.number - before > gap {
            (first, gap) = (place, of.number - before);
        }
        before = of.number;
    }
    begun.iter_mut().take(first).for_each(|of| of.number += IDS);
    begun.rotate_left(first);
    begun
}

/// The newest message up to each place.
fn newest_until(begun: &[Begun]) -> Vec<usize> {
    let newest = begun.iter().scan(0, |newest, of| {
        *newest = of.at.max(*newest);
        Some(*newest)
    });
    newest.collect()
}

/// The oldest message of a topic from each number on.
fn oldest_from_by_topic(traces: &[Trace], begun: &[Begun]) -> BTreeMap<u64, Vec<Begun>> {
    let mut by_topic: BTreeMap<u64, Vec<Begun>> = BTreeMap::new();
    for of in begun.iter().rev() {
        let Some(Trace::Begun { topic, .. }) = traces.get(of.at) else {
            continue;
        };
        let list = by_topic.entry(*topic).or_default();
        let at = list.last().map_or(of.at, |later| later.at.min(of.at));
        list.push(Begun { at, ..*of });
    }
    by_topic
}

/// Whether something older of the topic comes after a number. The list has the last number first.
fn has_older_behind(list: Option<&Vec<Begun>>, number: usize, at: usize) -> bool {
    let Some(list) = list else {
        return false;
    };
    let behind = list.partition_point(|of| of.number > number);
    let next = behind.checked_sub(1).and_then(|next| list.get(next));
    next.is_some_and(|of| of.at < at)
}

/// What is newer than something of its topic that waits is not sent before it.
fn hold_back(numbers: &mut [Option<usize>], traces: &[Trace], waits: &[(usize, u64)]) {
    // The oldest of a topic is the last in the list.
    let oldest: BTreeMap<u64, usize> = waits.iter().map(|(at, topic)| (*topic, *at)).collect();
    if oldest.is_empty() {
        return;
    }
    for (at, (number, trace)) in numbers.iter_mut().zip(traces).enumerate() {
        if let Trace::MayHaveId { topic } = trace
            && oldest.get(topic).is_some_and(|oldest| *oldest <= at)
        {
            *number = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(id: u16) -> Trace {
        begun_of(id, u64::from(id))
    }

    fn begun_of(id: u16, topic: u64) -> Trace {
        let id = PacketId::new(id).expect("an id");
        Trace::Begun { id, topic }
    }

    const QOS_1: Trace = Trace::MayHaveId { topic: 100_000 };

    /// What was sent, in this order: its place among the messages and its id.
    fn lined_up(traces: &[Trace]) -> Vec<(usize, u16)> {
        let numbers = line_up(traces);
        let all = numbers.iter().enumerate();
        let all = all.filter_map(|(at, number)| number.map(|number| (number, at)));
        let mut all: Vec<_> = all.collect();
        all.sort_unstable();
        let id = |number| id_of(number).expect("an id").get();
        all.into_iter()
            .map(|(number, at)| (at, id(number)))
            .collect()
    }

    #[test]
    fn what_is_older_than_an_exchange_was_sent_before_it() {
        let traces = [QOS_1, begun(2), QOS_1, begun(4), QOS_1];
        assert_eq!(lined_up(&traces), [(0, 1), (1, 2), (2, 3), (3, 4)]);
        // Where some were acknowledged there is more room than is needed.
        let traces = [QOS_1, begun(9), QOS_1, QOS_1, begun(20)];
        let expected = [(0, 8), (1, 9), (2, 18), (3, 19), (4, 20)];
        assert_eq!(lined_up(&traces), expected);
    }

    #[test]
    fn nothing_was_sent_where_nothing_has_begun() {
        assert_eq!(lined_up(&[QOS_1, QOS_1, Trace::Waits]), []);
        assert_eq!(lined_up(&[Trace::Waits, begun(1)]), [(1, 1)]);
    }

    #[test]
    fn the_ring_goes_round() {
        let traces = [QOS_1, QOS_1, begun(1), begun(2)];
        let expected = [(0, 65_534), (1, 65_535), (2, 1), (3, 2)];
        assert_eq!(lined_up(&traces), expected);
        let traces = [begun(65_534), QOS_1, QOS_1, begun(2)];
        let expected = [(0, 65_534), (1, 65_535), (2, 1), (3, 2)];
        assert_eq!(lined_up(&traces), expected);
    }

    /// Their ids did not come to the store, and that of a newer one did.
    #[test]
    fn what_waits_at_qos_2_keeps_its_place_before_a_newer_one_that_has_begun() {
        let own = Trace::MayHaveId { topic: 7 };
        let traces = [begun(1), own, own, begun_of(4, 7), own];
        assert_eq!(lined_up(&traces), [(0, 1), (1, 2), (2, 3), (3, 4)]);
    }

    #[test]
    fn what_has_no_room_in_its_place_goes_before() {
        let traces = [begun(5), QOS_1, QOS_1, begun(6), begun(8)];
        let expected = [(1, 3), (2, 4), (0, 5), (3, 6), (4, 8)];
        assert_eq!(lined_up(&traces), expected);
        // But not before something older of its topic, nor does anything newer of it.
        let own = Trace::MayHaveId { topic: 5 };
        let traces = [begun(5), own, QOS_1, begun(6), own, begun(9)];
        let expected = [(2, 4), (0, 5), (3, 6), (5, 9)];
        assert_eq!(lined_up(&traces), expected);
    }

    #[test]
    fn nothing_overtakes_an_older_one_of_its_topic_that_was_sent_late() {
        let [own, other] = [9, 1].map(|topic| Trace::MayHaveId { topic });
        let traces = [begun(9), own, begun(5)];
        assert_eq!(lined_up(&traces), [(2, 5), (0, 9)]);
        let traces = [begun(9), other, begun(5)];
        assert_eq!(lined_up(&traces), [(1, 4), (2, 5), (0, 9)]);
    }

    #[test]
    fn the_window_is_never_wider_than_ids_stay_unique() {
        let mut traces = vec![QOS_1; 70_000];
        traces.push(begun(1));
        let all = lined_up(&traces);
        assert_eq!(all.len(), SPAN_MAX);
        assert_eq!(all.last(), Some(&(70_000, 1)));
        assert_eq!(all.first(), Some(&(0, 3)));
    }
}
