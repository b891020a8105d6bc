//! Lists in pages: the limit, the cursor, and the merging of what the shards say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use columba_broker::query::{PAGE_ROWS_MAX, Page};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::paged::Paged;
use super::problem::Problem;

/// Rows of a page, if nothing else is said.
const ROWS: usize = 100;

/// What every list takes.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// Rows at most: 1 to 1000, 100 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<usize>,
    /// `page.next` of the page before, of the same list with the same filters.
    pub(super) cursor: Option<String>,
}

impl PageParams {
    /// Rows at most.
    pub(super) fn rows_max(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(ROWS),
            Some(limit) if (1..=PAGE_ROWS_MAX).contains(&limit) => Ok(limit),
            Some(limit) => Err(Problem::invalid(format!(
                "limit is {limit}: write a number from 1 to {PAGE_ROWS_MAX}"
            ))),
        }
    }

    /// For what comes without pages: the cursor alone.
    pub(super) fn cursor_alone(&self) -> Result<Option<&str>, Problem> {
        match self.limit {
            None => Ok(self.cursor.as_deref()),
            Some(_) => Err(Problem::invalid("limit is for pages: a stream has none")),
        }
    }
}

/// What a list is sorted by: one of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort<K> {
    /// The key.
    pub(super) key: K,
    /// Whether the highest comes first: `-` stands before the key.
    pub(super) is_descending: bool,
}

impl<K: Copy + PartialEq> Sort<K> {
    /// What a text such as `-queued` means.
    pub(super) fn parse(text: &str, keys: &[(&str, K)]) -> Option<Self> {
        let name = text.strip_prefix('-').unwrap_or(text);
        let found = keys.iter().find(|(known, _)| *known == name);
        found.map(|(_, key)| Self {
            key: *key,
            is_descending: name.len() < text.len(),
        })
    }

    /// The text that means it.
    pub(super) fn to_text(self, keys: &[(&str, K)]) -> String {
        let name = keys.iter().find(|(_, key)| *key == self.key);
        let name = name.map_or("", |(name, _)| *name);
        let sign = if self.is_descending { "-" } else { "" };
        format!("{sign}{name}")
    }
}

/// The refusal of a `sort` that a list does not have; it names those that it has, besides others.
pub(super) fn no_such_sort<K>(text: &str, keys: &[(&str, K)], others: &[&str]) -> Problem {
    let keys = keys.iter().map(|(name, _)| *name);
    let names: Vec<_> = keys
        .flat_map(|name| [name.to_owned(), format!("-{name}")])
        .collect();
    let others = others.iter().map(|name| (*name).to_owned());
    let all: Vec<_> = others.chain(names).collect();
    Problem::invalid(format!("sort is {text:?}: write one of {}", all.join(", ")))
}

/// What a list is sorted by: what is said, or what its cursor remembers.
pub(super) fn sort_text<'a>(
    said: Option<&'a str>,
    remembered: Option<&'a str>,
) -> Result<Option<&'a str>, Problem> {
    match (said, remembered) {
        (Some(said), Some(remembered)) if said != remembered => Err(Problem::bad_cursor(format!(
            "it is of the list that is sorted by {remembered}: begin anew without the cursor, or leave \
                 `sort` as it was"
        ))),
        (said, remembered) => Ok(said.or(remembered)),
    }
}

/// A key as a text that nobody is to take apart.
pub(super) fn to_cursor<K: Serialize>(key: &K) -> Option<String> {
    let text = serde_json::to_vec(key).ok()?;
    Some(URL_SAFE_NO_PAD.encode(text))
}

/// The key that such a text stands for.
pub(super) fn from_cursor<K: DeserializeOwned>(cursor: &str) -> Option<K> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T> {
    /// The rows.
    pub(super) data: Vec<T>,
    /// How to go on.
    pub(super) page: Next,
}

/// How to go on with a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Next {
    /// The `cursor` of the next page; null on the last one.
    pub(super) next: Option<String>,
}

impl<T> Listed<T> {
    /// The first rows of all shards' pages, by their keys.
    pub(super) fn merge<R, K: Ord + Clone, C: Serialize>(
        paged: &Paged,
        pages: Vec<Page<R, K>>,
        rows_max: usize,
        key_of: impl Fn(&R) -> &K,
        cursor_of: impl Fn(&K) -> C,
        view: impl Fn(R) -> T,
    ) -> Self {
        // Behind the end of a page that is not the last of its shard, rows may be missing.
        let mut end = pages.iter().filter_map(|page| page.next.clone()).min();
        let mut rows: Vec<R> = pages.into_iter().flat_map(|page| page.rows).collect();
        rows.retain(|row| end.as_ref().is_none_or(|end| key_of(row) <= end));
        rows.sort_by(|a, b| key_of(a).cmp(key_of(b)));
        if rows.len() > rows_max {
            rows.truncate(rows_max);
            end = rows.last().map(|row| key_of(row).clone());
        }
        let page = paged.next(end.map(|key| cursor_of(&key)).as_ref());
        Self {
            data: rows.into_iter().map(view).collect(),
            page,
        }
    }

    /// A part of a list that is held in memory, sorted by a key.
    pub(super) fn cut<K: Ord + Serialize + DeserializeOwned>(
        rows: impl Iterator<Item = (K, T)>,
        paged: &Paged,
    ) -> Result<Self, Problem> {
        let rows_max = paged.rows_max()?;
        let after: Option<K> = paged.after()?;
        let mut last = None;
        let mut data = Vec::new();
        let behind = rows.filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
        for (key, row) in behind {
            if data.len() == rows_max {
                let page = paged.next(last.as_ref());
                return Ok(Self { data, page });
            }
            data.push(row);
            last = Some(key);
        }
        let page = paged.next::<K>(None);
        Ok(Self { data, page })
    }
}

#[cfg(test)]
mod tests {
    use super::super::paged::paged_of;
    use super::*;

    fn merged(pages: &[(&[u32], Option<u32>)], rows_max: usize) -> (Vec<u32>, Option<u32>) {
        let pages = pages.iter().map(|(rows, next)| Page {
            rows: rows.to_vec(),
            next: *next,
        });
        let (paged, pages) = (paged_of(None), pages.collect());
        let listed = Listed::merge(&paged, pages, rows_max, |row| row, |key| *key, |row| row);
        (listed.data, paged_of(listed.page.next).after().unwrap())
    }

    #[test]
    fn rows_of_all_shards_come_in_order_and_none_is_passed_over() {
        let check = |pages: &[(&[u32], Option<u32>)], rows_max, rows: &[u32], next| {
            assert_eq!(merged(pages, rows_max), (rows.to_vec(), next));
        };
        check(&[(&[1, 4], None), (&[2, 3], None)], 9, &[1, 2, 3, 4], None);
        check(&[(&[1, 4], None), (&[2, 3], None)], 3, &[1, 2, 3], Some(3));
        check(
            &[(&[1, 4], Some(4)), (&[2, 9], None)],
            9,
            &[1, 2, 4],
            Some(4),
        );
        // The first shard has more behind 5, whose row is gone.
        check(&[(&[1], Some(5)), (&[2, 7], None)], 2, &[1, 2], Some(5));
        check(&[(&[], Some(5)), (&[6], None)], 2, &[], Some(5));
    }
}
