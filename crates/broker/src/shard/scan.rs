//! Lists for operators, made in turns: each looks at some of what is there and keeps the first rows
//! behind a key.
//!
//! Sessions stand in no order in memory, and keeping them in one would cost every client memory for
//! what is rarely asked. So a page takes a look at all of them; what it costs is time, a bounded
//! part of each turn. A session stays in its slot and a filter in its place, so whatever is there
//! from the beginning to the end of a scan is seen.

use std::collections::BinaryHeap;
use std::sync::Arc;

use columba_codec::topic;

use super::Shard;
use super::topics::{Standings, TopicScan};
use crate::query::{
    Answer, GroupKey, GroupRow, GroupsQuery, PAGE_ROWS_MAX, Page, RequestId, SessionKey,
    SessionsQuery, SubscriptionKey, SubscriptionRow, SubscriptionsQuery, TopicTreeQuery,
    TopicsQuery,
};
use crate::routing::FilterId;
use crate::session::Session;

/// Slots, or other things that take as long, that are looked at in one turn.
const TURN_STEPS: usize = 2048;

/// The first entries behind a key, of those that were offered.
#[derive(Debug)]
pub(super) struct Top<K, V> {
    after: Option<K>,
    rows_max: usize,
    /// The last of them on top.
    rows: BinaryHeap<Entry<K, V>>,
    has_more: bool,
}

#[derive(Debug)]
struct Entry<K, V>(K, V);

impl<K: Ord, V> PartialEq for Entry<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K: Ord, V> Eq for Entry<K, V> {}

impl<K: Ord, V> PartialOrd for Entry<K, V> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, V> Ord for Entry<K, V> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K: Ord + Clone, V> Top<K, V> {
    pub(super) fn new(rows_max: usize, after: Option<K>) -> Self {
        Self {
            after,
            rows_max: rows_max.clamp(1, PAGE_ROWS_MAX),
            rows: BinaryHeap::new(),
            has_more: false,
        }
    }

    /// Whether an entry with this key would be kept.
    fn has_room(&mut self, key: &K) -> bool {
        if self.after.as_ref().is_some_and(|after| key <= after) {
            return false;
        }
        let is_full = self.rows.len() >= self.rows_max;
        if is_full && self.rows.peek().is_some_and(|last| last.0 <= *key) {
            self.has_more = true;
            return false;
        }
        true
    }

    pub(super) fn offer(&mut self, key: K, value: V) {
        if !self.has_room(&key) {
            return;
        }
        self.rows.push(Entry(key, value));
        if self.rows.len() > self.rows_max {
            self.rows.pop();
            self.has_more = true;
        }
    }

    pub(super) fn into_page(self) -> Page<V, K> {
        self.into_page_of(|_, value| Some(value))
    }

    /// The same, of what becomes of the entries now; `None` for those that are gone since.
    fn into_page_of<T>(self, row: impl Fn(K, V) -> Option<T>) -> Page<T, K> {
        let entries = self.rows.into_sorted_vec();
        let last = entries.last().filter(|_| self.has_more);
        let next = last.map(|Entry(key, _)| key.clone());
        let rows = entries.into_iter();
        Page {
            rows: rows
                .filter_map(|Entry(key, value)| row(key, value))
                .collect(),
            next,
        }
    }
}

/// A list that is being made.
#[derive(Debug)]
pub(super) struct Scan {
    id: RequestId,
    /// The slot or filter to go on with.
    at: usize,
    of: Of,
}

#[derive(Debug)]
enum Of {
    /// Slots and serials; the rows are made at the end, as they are then.
    Sessions(SessionsQuery, Top<SessionKey, (u32, u32)>),
    Subscriptions(SubscriptionsQuery, Top<SubscriptionKey, SubscriptionRow>),
    Groups(GroupsQuery, Top<GroupKey, GroupRow>),
    Topics(TopicScan),
    TopicStandings(Standings),
}

impl Scan {
    pub(super) const fn id(&self) -> RequestId {
        self.id
    }

    pub(super) fn of_sessions(id: RequestId, query: SessionsQuery) -> Self {
        let top = Top::new(query.rows_max, query.after.clone());
        let (at, of) = (0, Of::Sessions(query, top));
        Self { id, at, of }
    }

    pub(super) fn of_subscriptions(id: RequestId, query: SubscriptionsQuery) -> Self {
        let top = Top::new(query.rows_max, query.after.clone());
        let (at, of) = (0, Of::Subscriptions(query, top));
        Self { id, at, of }
    }

    pub(super) fn of_groups(id: RequestId, query: GroupsQuery) -> Self {
        let top = Top::new(query.rows_max, query.after.clone());
        let (at, of) = (0, Of::Groups(query, top));
        Self { id, at, of }
    }

    pub(super) fn of_topics(id: RequestId, query: TopicsQuery) -> Self {
        let (at, of) = (0, Of::Topics(TopicScan::of_list(query)));
        Self { id, at, of }
    }

    pub(super) fn of_topic_tree(id: RequestId, query: TopicTreeQuery) -> Self {
        let (at, of) = (0, Of::Topics(TopicScan::of_tree(query)));
        Self { id, at, of }
    }

    pub(super) fn of_topic_traffic(id: RequestId, filter: Arc<str>) -> Self {
        let (at, of) = (0, Of::Topics(TopicScan::of_traffic(filter)));
        Self { id, at, of }
    }

    pub(super) fn of_topic_standings(id: RequestId, topics: Arc<[Arc<str>]>) -> Self {
        let (at, of) = (0, Of::TopicStandings(Standings::new(topics)));
        Self { id, at, of }
    }
}

impl Shard {
    /// Takes the next turn of the list that is first, and puts it behind the others if it is not
    /// done.
    pub(super) fn go_on_scanning(&mut self) {
        let Some(mut scan) = self.scans.pop_front() else {
            return;
        };
        let Scan { at, of, .. } = &mut scan;
        let end = match of {
            Of::Sessions(..) | Of::Subscriptions(..) => self.sessions.capacity(),
            Of::Groups(..) => self.filters.slots(),
            // What is retained comes behind the table.
            Of::Topics(_) => self.recorder.topics().slots(),
            Of::TopicStandings(standings) => standings.len(),
        };
        let mut steps = TURN_STEPS;
        while *at < end && steps > 0 {
            let spent = match of {
                Of::Sessions(query, top) => self.scan_session(*at, query, top),
                Of::Subscriptions(query, top) => match self.sessions.get(*at) {
                    Some(session) => self.offer_subscriptions(session, query, top),
                    None => 0,
                },
                Of::Groups(query, top) => self.scan_groups(*at, query, top),
                Of::Topics(scan) => scan.look_at_table(self, *at),
                Of::TopicStandings(standings) => standings.look_at(self, *at),
            };
            steps = steps.saturating_sub(1 + spent);
            *at += 1;
        }
        let mut is_done = *at >= end;
        if let Of::Topics(scan) = of
            && is_done
        {
            is_done = scan.look_at_retained(self, steps);
        }
        if !is_done {
            return self.scans.push_back(scan);
        }
        let answer = self.finish_scan(scan.of);
        self.answer(scan.id, answer);
    }

    fn scan_session(
        &self,
        slot: usize,
        query: &SessionsQuery,
        top: &mut Top<SessionKey, (u32, u32)>,
    ) -> usize {
        let Some(session) = self.sessions.get(slot) else {
            return 0;
        };
        if self.is_wanted_session(session, query) {
            let key = self.key_of(session, query.order, query.is_descending);
            top.offer(key, (slot as u32, session.me.serial));
        }
        1
    }

    fn is_wanted_session(&self, session: &Session, query: &SessionsQuery) -> bool {
        let is_user = |user: &Arc<str>| session.identity.user.as_ref() == Some(user);
        query
            .is_online
            .is_none_or(|wanted| wanted == session.is_online())
            && query
                .client_id_part
                .as_ref()
                .is_none_or(|part| session.client_id.contains(&**part))
            && query.user.as_ref().is_none_or(is_user)
            && query.addr.is_none_or(|addr| session.addr == Some(addr))
            && query
                .waiting_on
                .is_none_or(|wanted| wanted == self.waiting_on(session))
    }

    fn scan_groups(
        &self,
        at: usize,
        query: &GroupsQuery,
        top: &mut Top<GroupKey, GroupRow>,
    ) -> usize {
        let Some(filter) = self.filters.get(FilterId(at as u32)) else {
            return 0;
        };
        let owned = filter.groups.iter().filter(|group| group.owner == self.id);
        for group in owned {
            if query.name.as_ref().is_some_and(|name| *name != group.name) {
                continue;
            }
            let key = GroupKey {
                name: Arc::clone(&group.name),
                filter: Arc::clone(&filter.text),
            };
            let members = group.members.len();
            top.offer(key.clone(), GroupRow { key, members });
        }
        filter.groups.len()
    }

    fn finish_scan(&self, of: Of) -> Answer {
        match of {
            Of::Sessions(_, top) => Answer::Sessions(top.into_page_of(|key, (slot, serial)| {
                let is_same = self.session(slot)?.me.serial == serial;
                // What it is sorted by may have changed since it was looked at; its place has not.
                self.row_of(slot, key).filter(|_| is_same)
            })),
            Of::Subscriptions(_, top) => Answer::Subscriptions(top.into_page()),
            Of::Groups(_, top) => Answer::Groups(top.into_page()),
            Of::Topics(scan) => scan.into_answer(self),
            Of::TopicStandings(standings) => standings.into_answer(),
        }
    }
}

/// Whether a subscription is one that was asked for.
pub(super) fn is_wanted(query: &SubscriptionsQuery, filter: &str, group: Option<&str>) -> bool {
    query
        .filter
        .as_ref()
        .is_none_or(|wanted| **wanted == *filter)
        && query
            .group
            .as_ref()
            .is_none_or(|wanted| group == Some(wanted))
        && query
            .topic
            .as_ref()
            .is_none_or(|name| topic::matches(filter, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_first_rows_behind_its_key_whatever_order_they_come_in() {
        let mut top = Top::new(3, Some(2));
        for key in [9, 1, 5, 2, 4, 7, 3] {
            top.offer(key, key * 10);
        }
        let page = top.into_page();
        assert_eq!((page.rows, page.next), (vec![30, 40, 50], Some(5)));
        let mut top = Top::new(3, Some(6));
        for key in [9, 1, 5, 2, 4, 7, 3] {
            top.offer(key, key * 10);
        }
        let page = top.into_page();
        assert_eq!((page.rows, page.next), (vec![70, 90], None));
    }

    #[test]
    fn a_page_has_no_more_rows_than_a_page_may_have() {
        let mut top = Top::new(usize::MAX, None);
        for key in 0..2 * PAGE_ROWS_MAX {
            top.offer(key, ());
        }
        let page = top.into_page();
        assert_eq!(page.rows.len(), PAGE_ROWS_MAX);
    }
}
