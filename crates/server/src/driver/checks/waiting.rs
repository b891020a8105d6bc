//! Checks that wait for a thread: bounded, and fair between the addresses they come from.
//!
//! One address that tries thousands of passwords would keep everybody else out of a plain queue. So
//! each source has a line of its own, the lines are served in turn, and where there is no more room
//! the longest line gives up its last place to a source that has less.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use columba_broker::event::{AuthRequest, ConnectionId};

use super::Check;

/// Who shares a line: an IPv4 address, the 64 bits that a network with IPv6 hands out to a site, or
/// all that come over Unix sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    V4([u8; 4]),
    V6([u8; 8]),
    Unix,
}

impl Source {
    fn of(request: &AuthRequest) -> Self {
        match request.peer.addr.map(|addr| addr.ip().to_canonical()) {
            Some(IpAddr::V4(addr)) => Self::V4(addr.octets()),
            Some(IpAddr::V6(addr)) => {
                let [a, b, c, d, e, f, g, h, ..] = addr.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
            None => Self::Unix,
        }
    }
}

/// What became of a check that wants to wait.
#[derive(Debug)]
pub(super) enum Offer {
    /// It waits.
    Taken,
    /// This one does not wait (any more): the one offered, or one that made room for it.
    TurnedAway(Check),
}

/// The lines.
#[derive(Debug)]
pub(super) struct Waiting {
    /// None is empty.
    lines: HashMap<Source, VecDeque<Check>>,
    /// The sources of all lines, the next to be served in front.
    turns: VecDeque<Source>,
    len: usize,
    max: usize,
}

impl Waiting {
    pub(super) fn new(max: usize) -> Self {
        Self {
            lines: HashMap::new(),
            turns: VecDeque::new(),
            len: 0,
            max: max.max(1),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts a check at the end of its source's line.
    pub(super) fn offer(&mut self, check: Check) -> Offer {
        let source = Source::of(&check.request);
        if self.len < self.max {
            self.push(source, check);
            return Offer::Taken;
        }
        let own = self.lines.get(&source).map_or(0, VecDeque::len);
        let longest = self.lines.iter().max_by_key(|(_, line)| line.len());
        let Some((&longest, line)) = longest else {
            return Offer::TurnedAway(check);
        };
        if line.len() < own + 2 {
            return Offer::TurnedAway(check);
        }
        let last = self.take(longest, VecDeque::pop_back);
        self.push(source, check);
        last.map_or(Offer::Taken, Offer::TurnedAway)
    }

    /// The check whose turn it is.
    pub(super) fn next(&mut self) -> Option<Check> {
        let source = *self.turns.front()?;
        let check = self.take(source, VecDeque::pop_front);
        // Unless its line has ended, it is the turn of another now.
        if self.turns.front() == Some(&source) {
            self.turns.rotate_left(1);
        }
        check
    }

    /// Takes out the check of a connection.
    pub(super) fn forget(&mut self, shard: usize, conn: ConnectionId) {
        let is_it = |check: &Check| check.shard == shard && check.conn == conn;
        let found = self.lines.iter().find_map(|(source, line)| {
            let at = line.iter().position(is_it)?;
            Some((*source, at))
        });
        if let Some((source, at)) = found {
            self.take(source, |line| line.remove(at));
        }
    }

    fn push(&mut self, source: Source, check: Check) {
        let line = self.lines.entry(source).or_default();
        if line.is_empty() {
            self.turns.push_back(source);
        }
        line.push_back(check);
        self.len += 1;
    }

    fn take(
        &mut self,
        source: Source,
        how: impl FnOnce(&mut VecDeque<Check>) -> Option<Check>,
    ) -> Option<Check> {
        let line = self.lines.get_mut(&source)?;
        let check = how(line)?;
        self.len -= 1;
        if line.is_empty() {
            self.lines.remove(&source);
            self.turns.retain(|other| *other != source);
        }
        Some(check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_broker::event::{ListenerId, Peer};

    fn check(addr: &str, index: u32) -> Check {
        let peer = Peer {
            addr: addr.parse().ok().map(|addr: IpAddr| (addr, 1).into()),
            listener: ListenerId(0),
            certificate: None,
        };
        Check {
            shard: 0,
            conn: conn(index),
            request: Box::new(AuthRequest {
                peer,
                client_id: "c".into(),
                user_name: None,
                password: None,
            }),
        }
    }

    fn conn(index: u32) -> ConnectionId {
        ConnectionId {
            index,
            generation: 0,
        }
    }

    /// Who is turned away.
    fn offer(waiting: &mut Waiting, addr: &str, index: u32) -> Option<u32> {
        match waiting.offer(check(addr, index)) {
            Offer::Taken => None,
            Offer::TurnedAway(check) => Some(check.conn.index),
        }
    }

    fn served(waiting: &mut Waiting) -> Vec<u32> {
        std::iter::from_fn(|| waiting.next())
            .map(|check| check.conn.index)
            .collect()
    }

    #[test]
    fn sources_are_served_in_turn_and_each_in_order() {
        let mut waiting = Waiting::new(100);
        for (index, addr) in ["10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2", "unix"]
            .into_iter()
            .enumerate()
        {
            assert_eq!(offer(&mut waiting, addr, index as u32), None);
        }
        assert_eq!(served(&mut waiting), [0, 3, 4, 1, 2]);
        assert!(waiting.is_empty() && waiting.turns.is_empty() && waiting.lines.is_empty());
    }

    #[test]
    fn the_longest_line_makes_room_for_a_source_that_has_less() {
        let mut waiting = Waiting::new(4);
        for index in 0..4 {
            assert_eq!(offer(&mut waiting, "10.0.0.1", index), None);
        }
        assert_eq!(offer(&mut waiting, "10.0.0.1", 4), Some(4));
        assert_eq!(offer(&mut waiting, "10.0.0.2", 5), Some(3));
        assert_eq!(offer(&mut waiting, "10.0.0.2", 6), Some(2));
        // Both have two.
        assert_eq!(offer(&mut waiting, "10.0.0.2", 7), Some(7));
        let turned_away = offer(&mut waiting, "unix", 8);
        assert!(
            matches!(turned_away, Some(1 | 6)),
            "one of the two: {turned_away:?}"
        );
        assert_eq!(waiting.len, 4);
        assert_eq!(served(&mut waiting).len(), 4);
    }

    #[test]
    fn a_site_with_many_addresses_is_one_source() {
        let mut waiting = Waiting::new(2);
        assert_eq!(offer(&mut waiting, "2001:db8:0:1::1", 0), None);
        assert_eq!(offer(&mut waiting, "2001:db8:0:1::2", 1), None);
        assert_eq!(offer(&mut waiting, "2001:db8:0:1:ffff::3", 2), Some(2));
        assert_eq!(offer(&mut waiting, "2001:db8:0:2::1", 3), Some(1));
        assert_eq!(offer(&mut waiting, "::ffff:10.0.0.1", 4), Some(4));
    }

    #[test]
    fn what_is_forgotten_leaves_its_place() {
        let mut waiting = Waiting::new(3);
        for index in 0..3 {
            assert_eq!(offer(&mut waiting, "10.0.0.1", index), None);
        }
        waiting.forget(0, conn(1));
        waiting.forget(1, conn(2));
        waiting.forget(0, conn(7));
        assert_eq!(offer(&mut waiting, "10.0.0.2", 3), None);
        waiting.forget(0, conn(3));
        assert_eq!(served(&mut waiting), [0, 2]);
    }
}
