//! Which list a cursor is of: its path, and everything that says which rows it has.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::extract::{FromRequestParts, MatchedPath, Query, RawPathParams};
use axum::http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::page::{Next, PageParams, from_cursor, to_cursor};
use super::problem::Problem;

/// What may be another on each page. A cursor remembers the sort by itself, and says so.
const FREE: [&str; 3] = ["limit", "cursor", "sort"];

/// A page of a list that is asked for.
pub(super) struct Paged {
    pub(super) params: PageParams,
    list: List,
}

/// A list: its path as the description has it, and a hash of what stands in that and of the filters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct List {
    path: String,
    filters: u64,
}

impl<S: Send + Sync> FromRequestParts<S> for Paged {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(params) = Query::from_request_parts(parts, state).await?;
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await?;
        let path = parts.extensions.get::<MatchedPath>();
        let path = path.map_or_else(String::new, |path| path.as_str().to_owned());
        let within = RawPathParams::from_request_parts(parts, state).await;
        let within = within.map_err(|_| Problem::invalid("the path is not UTF-8"))?;
        let within = within.iter().map(|(_, value)| value);
        let list = List::new(path, within, &pairs);
        Ok(Self { params, list })
    }
}

impl List {
    fn new<'a>(
        path: String,
        within: impl Iterator<Item = &'a str>,
        pairs: &[(String, String)],
    ) -> Self {
        let filters = pairs
            .iter()
            .filter(|(name, _)| !FREE.contains(&name.as_str()));
        let filters: BTreeSet<_> = filters.collect();
        // The same in every process, so that a cursor outlives a restart.
        let mut hasher = DefaultHasher::new();
        within.for_each(|value| value.hash(&mut hasher));
        filters.hash(&mut hasher);
        Self {
            path,
            filters: hasher.finish(),
        }
    }

    /// The key in a cursor, if that is one of this list.
    fn key<K: DeserializeOwned>(&self, cursor: &str) -> Result<K, Problem> {
        let advice = "take `page.next` of the page before as it is, or leave the cursor out";
        let other = || Problem::bad_cursor(advice);
        let (path, filters, key): (String, u64, serde_json::Value) =
            from_cursor(cursor).ok_or_else(other)?;
        if path != self.path {
            let what = format!("it is one of {path}, and this is {}: {advice}", self.path);
            return Err(Problem::bad_cursor(what));
        }
        if filters != self.filters {
            let what = "it is one of this list with other filters: leave them as they were, or begin \
                        anew without the cursor";
            return Err(Problem::bad_cursor(what));
        }
        serde_json::from_value(key).map_err(|_| other())
    }
}

impl Paged {
    /// Rows at most.
    pub(super) fn rows_max(&self) -> Result<usize, Problem> {
        self.params.rows_max()
    }

    /// Where the page before has ended.
    pub(super) fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        let cursor = self.params.cursor.as_deref();
        cursor.map(|cursor| self.list.key(cursor)).transpose()
    }

    /// Goes on behind a key.
    pub(super) fn next<K: Serialize>(&self, key: Option<&K>) -> Next {
        let List { path, filters } = &self.list;
        Next {
            next: key.and_then(|key| to_cursor(&(path, filters, key))),
        }
    }
}

#[cfg(test)]
pub(super) fn paged_of(cursor: Option<String>) -> Paged {
    Paged {
        params: PageParams {
            limit: None,
            cursor,
        },
        list: List::new("/list".to_owned(), [].into_iter(), &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(path: &str, within: &[&str], pairs: &[(&str, &str)]) -> List {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        List::new(path.to_owned(), within.iter().copied(), &pairs)
    }

    #[test]
    fn a_cursor_is_of_one_list_with_its_filters_in_any_order() {
        let own = list("/a/{id}", &["x"], &[("topic", "t"), ("limit", "3")]);
        let paged = Paged {
            params: PageParams::default(),
            list: own.clone(),
        };
        let next = paged.next(Some(&7_u32)).next.unwrap();
        let check = |of: &List, says: Option<&str>| {
            let told = of.key::<u32>(&next);
            let told = told.map_err(|problem| problem.detail().to_owned());
            match says {
                None => assert_eq!(told, Ok(7), "{of:?}"),
                Some(says) => assert!(told.as_ref().unwrap_err().contains(says), "{told:?}"),
            }
        };
        check(&own, None);
        let more = [
            ("sort", "-id"),
            ("limit", "9"),
            ("cursor", "c"),
            ("topic", "t"),
        ];
        check(&list("/a/{id}", &["x"], &more), None);
        let other = Some("one of /a/{id}, and this is /b");
        check(&list("/b", &["x"], &[("topic", "t")]), other);
        let filtered = Some("with other filters");
        check(&list("/a/{id}", &["y"], &[("topic", "t")]), filtered);
        check(&list("/a/{id}", &["x"], &[("topic", "u")]), filtered);
        check(&list("/a/{id}", &["x"], &[]), filtered);
    }

    #[test]
    fn a_cursor_of_something_else_is_refused() {
        for cursor in ["", "?", "bm8"] {
            let paged = paged_of(Some(cursor.to_owned()));
            assert!(paged.after::<(u64, String)>().is_err(), "{cursor}");
        }
        let key = paged_of(None).next(Some(&7_u32)).next;
        assert!(paged_of(key).after::<(u64, String)>().is_err());
    }
}
