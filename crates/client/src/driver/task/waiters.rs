//! Who waits for the answers to requests.

use std::collections::VecDeque;

use super::requests::Waiting;
use crate::session::Token;

/// Gaps that are left before they are closed up.
const GAPS_MAX: usize = 64;

/// Waiting applications in the order of their tokens, which rise. Nearly all are answered in that
/// order, so that the place of one is found at the front.
#[derive(Default)]
pub(super) struct Waiters {
    /// An answered one leaves a gap until all before it are answered, or the gaps are most of it.
    entries: VecDeque<(Token, Option<Waiting>)>,
    len: usize,
}

impl Waiters {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds one, whose token is higher than all before.
    pub(super) fn push(&mut self, token: Token, waiting: Waiting) {
        debug_assert!(self.entries.back().is_none_or(|(last, _)| *last < token));
        if self.entries.len() > 2 * self.len + GAPS_MAX {
            self.entries.retain(|(_, waiting)| waiting.is_some());
        }
        self.entries.push_back((token, Some(waiting)));
        self.len += 1;
    }

    pub(super) fn get(&self, token: Token) -> Option<&Waiting> {
        let (_, waiting) = self.entries.get(self.place(token)?)?;
        waiting.as_ref()
    }

    /// Takes out who waits, if he still does.
    pub(super) fn remove(&mut self, token: Token) -> Option<Waiting> {
        let place = self.place(token)?;
        let (_, slot) = self.entries.get_mut(place)?;
        let waiting = slot.take()?;
        self.len -= 1;
        if place + 1 == self.entries.len() {
            self.entries.pop_back();
        }
        while let Some((_, None)) = self.entries.front() {
            self.entries.pop_front();
        }
        Some(waiting)
    }

    /// Takes out all.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Waiting> {
        self.len = 0;
        std::mem::take(&mut self.entries)
            .into_iter()
            .filter_map(|(_, waiting)| waiting)
    }

    fn place(&self, token: Token) -> Option<usize> {
        match (self.entries.front(), self.entries.back()) {
            (Some((first, _)), _) if *first == token => Some(0),
            (_, Some((last, _))) if *last == token => Some(self.entries.len() - 1),
            _ => self
                .entries
                .binary_search_by_key(&token, |(at, _)| *at)
                .ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn waiting() -> Waiting {
        Waiting::Unsubscribe(Vec::new(), oneshot::channel().0)
    }

    #[test]
    fn each_is_found_once_in_whatever_order() {
        let mut waiters = Waiters::default();
        for token in [3, 5, 9, 10] {
            waiters.push(token, waiting());
        }
        assert!(waiters.remove(4).is_none());
        for (token, left) in [(5, 3), (10, 2), (3, 1), (9, 0)] {
            assert!(waiters.get(token).is_some());
            assert!(waiters.remove(token).is_some());
            assert!(waiters.get(token).is_none() && waiters.remove(token).is_none());
            assert_eq!(waiters.len(), left);
        }
        assert!(waiters.entries.is_empty());
    }

    #[test]
    fn one_that_waits_for_long_does_not_make_gaps_pile_up() {
        let mut waiters = Waiters::default();
        waiters.push(0, waiting());
        for token in 1..10_000 {
            waiters.push(2 * token, waiting());
            waiters.push(2 * token + 1, waiting());
            assert!(waiters.remove(2 * token).is_some());
            assert!(waiters.remove(2 * token + 1).is_some());
            assert!(waiters.entries.len() <= 2 * 2 + GAPS_MAX + 1);
        }
        assert_eq!(waiters.drain().count(), 1);
        assert_eq!(waiters.len(), 0);
    }
}
