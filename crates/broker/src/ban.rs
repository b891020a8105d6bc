//! Who is not let in, whatever the password.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Bans that a list holds at most.
pub const BANS_MAX: usize = 10_000;

/// Whom a ban is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Banned {
    /// A client id.
    Client(Box<str>),
    /// A user.
    User(Box<str>),
    /// An address.
    Address(IpAddr),
}

impl std::fmt::Display for Banned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client(id) => write!(f, "client {id:?}"),
            Self::User(name) => write!(f, "user {name:?}"),
            Self::Address(addr) => write!(f, "address {addr}"),
        }
    }
}

/// What is known of a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// When it ends, in milliseconds since 1970; never, if there is none.
    pub until_unix_ms: Option<u64>,
    /// Why, for people.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub since_unix_ms: u64,
}

impl Ban {
    /// Whether it is still in force.
    pub fn holds_at(&self, unix_ms: u64) -> bool {
        self.until_unix_ms.is_none_or(|until| unix_ms < until)
    }
}

/// All bans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BanList(BTreeMap<Banned, Ban>);

impl BanList {
    /// Adds a ban, or replaces the one for the same.
    ///
    /// # Errors
    /// There are [`BANS_MAX`] that are in force.
    pub fn add(&mut self, whom: Banned, ban: Ban) -> Result<(), TooManyBans> {
        if self.0.len() >= BANS_MAX && !self.0.contains_key(&whom) {
            self.0.retain(|_, old| old.holds_at(ban.since_unix_ms));
            if self.0.len() >= BANS_MAX {
                return Err(TooManyBans);
            }
        }
        self.0.insert(whom, ban);
        Ok(())
    }

    /// Lifts a ban; gives it back if there was one.
    pub fn remove(&mut self, whom: &Banned) -> Option<Ban> {
        self.0.remove(whom)
    }

    /// All of them, over or not, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Banned, &Ban)> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is banned.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ban that keeps somebody out at a time.
    pub fn find(
        &self,
        client_id: &str,
        user: Option<&str>,
        addr: Option<IpAddr>,
        unix_ms: u64,
    ) -> Option<(Banned, &Ban)> {
        if self.0.is_empty() {
            return None;
        }
        let whom = [
            Some(Banned::Client(client_id.into())),
            user.map(|user| Banned::User(user.into())),
            addr.map(|addr| Banned::Address(addr.to_canonical())),
        ];
        whom.into_iter().flatten().find_map(|whom| {
            let ban = self.0.get(&whom).filter(|ban| ban.holds_at(unix_ms))?;
            Some((whom, ban))
        })
    }
}

/// The list of bans is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are {BANS_MAX} bans already: lift some first")]
pub struct TooManyBans;

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(until_unix_ms: Option<u64>) -> Ban {
        Ban {
            until_unix_ms,
            reason: "floods".to_owned(),
            by: "ann".to_owned(),
            since_unix_ms: 10,
        }
    }

    #[test]
    fn a_ban_is_for_a_client_a_user_or_an_address_until_its_time_is_over() {
        let mut bans = BanList::default();
        let addr: IpAddr = "192.0.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        bans.add(Banned::Client("c".into()), ban(Some(100)))
            .unwrap();
        bans.add(Banned::User("u".into()), ban(None)).unwrap();
        bans.add(Banned::Address(addr), ban(None)).unwrap();
        let check = |client, user, addr, at, expected| {
            let found = bans.find(client, user, addr, at).is_some();
            assert_eq!(found, expected, "{client} {user:?} {addr:?} {at}");
        };
        check("c", None, None, 99, true);
        check("c", None, None, 100, false);
        check("d", Some("u"), None, 1 << 40, true);
        check("d", Some("c"), None, 1, false);
        check("d", None, Some(addr), 1, true);
        check("d", None, Some(mapped), 1, true);
        assert!(bans.remove(&Banned::User("u".into())).is_some());
        assert!(bans.find("d", Some("u"), None, 1).is_none());
    }

    #[test]
    fn a_full_list_makes_room_by_what_is_over_and_takes_no_more_otherwise() {
        let mut bans = BanList::default();
        let client = |n: usize| Banned::Client(n.to_string().into());
        for n in 0..BANS_MAX {
            bans.add(client(n), ban((n == 0).then_some(5))).unwrap();
        }
        bans.add(client(BANS_MAX), ban(None)).unwrap();
        assert_eq!(bans.len(), BANS_MAX);
        assert_eq!(bans.add(client(0), ban(None)), Err(TooManyBans));
        bans.add(client(1), ban(None)).unwrap();
    }
}
