//! Where each live record lies: 16 bytes a record, in the order of positions.

use std::collections::BTreeMap;
use std::ops::Bound;

const PAGE_BITS: u32 = 8;

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

/// Positions of live records and their places, in pages of 256 positions.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pages: BTreeMap<u64, Vec<Entry>>,
    count: u64,
}

impl Index {
    pub(crate) const fn len(&self) -> u64 {
        self.count
    }

    pub(crate) fn get(&self, position: u64) -> Option<Place> {
        let page = self.pages.get(&(position >> PAGE_BITS))?;
        let at = page
            .binary_search_by_key(&(position as u8), |e| e.low)
            .ok()?;
        page.get(at).map(|entry| entry.place)
    }

    /// Notes where a record lies; returns where it lay.
    pub(crate) fn insert(&mut self, position: u64, place: Place) -> Option<Place> {
        let page = self.pages.entry(position >> PAGE_BITS).or_default();
        let low = position as u8;
        // Most records come in order.
        let at = if page.last().is_none_or(|last| last.low < low) {
            Err(page.len())
        } else {
            page.binary_search_by_key(&low, |entry| entry.low)
        };
        match at {
            Ok(at) => page
                .get_mut(at)
                .map(|entry| std::mem::replace(&mut entry.place, place)),
            Err(at) => {
                page.insert(at, Entry { low, place });
                self.count += 1;
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, position: u64) -> Option<Place> {
        let number = position >> PAGE_BITS;
        let page = self.pages.get_mut(&number)?;
        let at = page
            .binary_search_by_key(&(position as u8), |e| e.low)
            .ok()?;
        let entry = page.remove(at);
        self.count -= 1;
        if page.is_empty() {
            self.pages.remove(&number);
        } else if page.len() * 4 <= page.capacity() {
            page.shrink_to(page.len() * 2);
        }
        Some(entry.place)
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
}
