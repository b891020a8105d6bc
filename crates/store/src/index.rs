//! Where each live record lies: 16 bytes a record, in the order of positions.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

const PAGE_BITS: u32 = 8;
const PAGE_POSITIONS: usize = 1 << PAGE_BITS;

/// Where a record lies in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    /// How long the record itself is.
    pub(crate) length: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    low: u8,
    place: Place,
}

/// The live records of 256 positions, in order. Most come at the end and go at the start.
type Page = VecDeque<Entry>;

/// Positions of live records and their places, in pages.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pages: BTreeMap<u64, Page>,
    count: u64,
}

impl Index {
    pub(crate) const fn len(&self) -> u64 {
        self.count
    }

    pub(crate) fn get(&self, position: u64) -> Option<Place> {
        let page = self.pages.get(&(position >> PAGE_BITS))?;
        let at = find(page, position as u8)?;
        page.get(at).map(|entry| entry.place)
    }

    /// Notes where a record lies; returns where it lay.
    pub(crate) fn insert(&mut self, position: u64, place: Place) -> Option<Place> {
        let mut old = None;
        self.insert_all(&[(position, place)], |_, was| old = Some(was));
        old
    }

    /// The same for many. Tells of those that lay elsewhere: where they are, and where they were.
    /// Positions that follow each other cost least.
    pub(crate) fn insert_all(
        &mut self,
        records: &[(u64, Place)],
        mut moved: impl FnMut(Place, Place),
    ) {
        for run in records.chunk_by(|a, b| a.0 >> PAGE_BITS == b.0 >> PAGE_BITS) {
            let Some((first, _)) = run.first() else {
                continue;
            };
            let page = self.pages.entry(first >> PAGE_BITS).or_default();
            let before = page.len();
            page.reserve(run.len().min(PAGE_POSITIONS - before));
            for (position, place) in run {
                if let Some(old) = put(page, *position as u8, *place) {
                    moved(*place, old);
                }
            }
            self.count += (page.len() - before) as u64;
        }
    }

    pub(crate) fn remove(&mut self, position: u64) -> Option<Place> {
        let mut old = None;
        self.remove_all(&[position], |place| old = Some(place));
        old
    }

    /// Forgets records, and tells where those were that were live. Positions that follow each other
    /// cost least.
    pub(crate) fn remove_all<P: Copy + Into<u64>>(
        &mut self,
        positions: &[P],
        mut removed: impl FnMut(Place),
    ) {
        let page_of = |position: P| position.into() >> PAGE_BITS;
        for run in positions.chunk_by(|a, b| page_of(*a) == page_of(*b)) {
            let Some(number) = run.first().map(|first| page_of(*first)) else {
                continue;
            };
            let Some(page) = self.pages.get_mut(&number) else {
                continue;
            };
            let before = page.len();
            for position in run {
                let position: u64 = (*position).into();
                if let Some(place) = take(page, position as u8) {
                    removed(place);
                }
            }
            self.count -= (before - page.len()) as u64;
            if page.is_empty() {
                self.pages.remove(&number);
            } else if page.len() * 4 <= page.capacity() {
                page.shrink_to(page.len() * 2);
            }
        }
    }

    /// The live records at or behind a position.
    pub(crate) fn from(&self, position: u64) -> impl Iterator<Item = (u64, Place)> {
        let first = position >> PAGE_BITS;
        self.pages
            .range((Bound::Included(first), Bound::Unbounded))
            .flat_map(|(number, page)| {
                page.iter()
                    .map(move |e| (number << PAGE_BITS | u64::from(e.low), e.place))
            })
            .skip_while(move |(found, _)| *found < position)
    }
}

fn find(page: &Page, low: u8) -> Option<usize> {
    if page.front()?.low == low {
        return Some(0);
    }
    page.binary_search_by_key(&low, |entry| entry.low).ok()
}

/// Puts an entry into its place in a page; returns what was there.
fn put(page: &mut Page, low: u8, place: Place) -> Option<Place> {
    if page.back().is_none_or(|last| last.low < low) {
        page.push_back(Entry { low, place });
        return None;
    }
    match page.binary_search_by_key(&low, |entry| entry.low) {
        Ok(at) => page
            .get_mut(at)
            .map(|entry| std::mem::replace(&mut entry.place, place)),
        Err(at) => {
            page.insert(at, Entry { low, place });
            None
        }
    }
}

fn take(page: &mut Page, low: u8) -> Option<Place> {
    let at = find(page, low)?;
    page.remove(at).map(|entry| entry.place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_in_order_and_leave_nothing_behind() {
        let mut index = Index::default();
        let place = |n: u64| Place {
            segment: 1,
            offset: n as u32,
            length: 3,
        };
        for position in (0..2000).rev().chain(3000..3010) {
            assert_eq!(index.insert(position, place(position)), None);
        }
        assert_eq!(index.insert(7, place(99)), Some(place(7)));
        assert_eq!(index.len(), 2010);
        assert_eq!(index.get(7), Some(place(99)));
        assert_eq!(index.get(2000), None);
        let found: Vec<u64> = index.from(1998).map(|(p, _)| p).take(3).collect();
        assert_eq!(found, [1998, 1999, 3000]);
        for position in (0..2000).chain(3000..3010) {
            assert!(index.remove(position).is_some());
            assert!(index.remove(position).is_none());
        }
        assert!(index.pages.is_empty());
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn many_at_once_are_the_same_as_one_by_one() {
        let place = |n: u64| Place {
            segment: 1,
            offset: n as u32,
            length: 3,
        };
        let (mut many, mut single) = (Index::default(), Index::default());
        // Over several pages, in no order, some of them twice.
        let numbers: Vec<u64> = (0..3000).map(|n| n * 7919 % 1500).collect();
        for (at, part) in numbers.chunks(271).enumerate() {
            let mut part = part.to_vec();
            if at % 2 == 0 {
                // In runs, as they come as a rule.
                part.sort_unstable();
            }
            let records: Vec<_> = part.iter().map(|n| (*n, place(n + 1))).collect();
            let (mut moved, mut of_single) = (Vec::new(), Vec::new());
            many.insert_all(&records, |_, old| moved.push(old));
            of_single.extend(records.iter().filter_map(|(n, at)| single.insert(*n, *at)));
            assert_eq!(moved, of_single);
            // Some live and some do not.
            let gone: Vec<u64> = part.iter().map(|n| n / 2 * 3).collect();
            let (mut removed, mut of_single) = (Vec::new(), Vec::new());
            many.remove_all(&gone, |place| removed.push(place));
            of_single.extend(gone.iter().filter_map(|n| single.remove(*n)));
            assert!(!removed.is_empty());
            assert_eq!(removed, of_single);
        }
        assert!(many.from(0).eq(single.from(0)));
        assert_eq!(many.from(0).count() as u64, many.len());
    }
}
