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
pub struct BanList {
    clients: BTreeMap<Box<str>, Ban>,
    users: BTreeMap<Box<str>, Ban>,
    addresses: BTreeMap<IpAddr, Ban>,
}

impl BanList {
    /// Adds a ban, or replaces the one for the same.
    ///
    /// # Errors
    /// There are [`BANS_MAX`] that are in force.
    pub fn add(&mut self, whom: Banned, ban: Ban) -> Result<(), TooManyBans> {
        if self.len() >= BANS_MAX && self.get(&whom).is_none() {
            let now_ms = ban.since_unix_ms;
            self.clients.retain(|_, old| old.holds_at(now_ms));
            self.users.retain(|_, old| old.holds_at(now_ms));
            self.addresses.retain(|_, old| old.holds_at(now_ms));
            if self.len() >= BANS_MAX {
                return Err(TooManyBans);
            }
        }
        match whom {
            Banned::Client(id) => self.clients.insert(id, ban),
            Banned::User(name) => self.users.insert(name, ban),
            Banned::Address(addr) => self.addresses.insert(addr, ban),
        };
        Ok(())
    }

    /// Lifts a ban; gives it back if there was one.
    pub fn remove(&mut self, whom: &Banned) -> Option<Ban> {
        match whom {
            Banned::Client(id) => self.clients.remove(id),
            Banned::User(name) => self.users.remove(name),
            Banned::Address(addr) => self.addresses.remove(addr),
        }
    }

    /// A ban, over or not.
    pub fn get(&self, whom: &Banned) -> Option<&Ban> {
        match whom {
            Banned::Client(id) => self.clients.get(id),
            Banned::User(name) => self.users.get(name),
            Banned::Address(addr) => self.addresses.get(addr),
        }
    }

    /// All of them, over or not, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Banned, &Ban)> {
        let clients = self.clients.iter();
        let users = self.users.iter();
        let addresses = self.addresses.iter();
        clients
            .map(|(id, ban)| (Banned::Client(id.clone()), ban))
            .chain(users.map(|(name, ban)| (Banned::User(name.clone()), ban)))
            .chain(addresses.map(|(addr, ban)| (Banned::Address(*addr), ban)))
    }

    /// Those that an older list has not, or has with another end.
    pub(crate) fn newer_than(&self, old: &Self) -> Self {
        let newer = self.iter().filter(|(whom, ban)| {
            old.get(whom).map(|old| old.until_unix_ms) != Some(ban.until_unix_ms)
        });
        let mut list = Self::default();
        for (whom, ban) in newer {
            match whom {
                Banned::Client(id) => list.clients.insert(id, ban.clone()),
                Banned::User(name) => list.users.insert(name, ban.clone()),
                Banned::Address(addr) => list.addresses.insert(addr, ban.clone()),
            };
        }
        list
    }

    /// The client ids.
    pub(crate) fn clients(&self) -> impl Iterator<Item = &str> {
        self.clients.keys().map(|id| &**id)
    }

    /// Whether there are client ids only, so that nobody else has to be looked at.
    pub(crate) fn has_clients_only(&self) -> bool {
        self.users.is_empty() && self.addresses.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clients.len() + self.users.len() + self.addresses.len()
    }

    /// Whether nobody is banned.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What keeps somebody out at a time: in words, and why.
    pub fn find(
        &self,
        client_id: &str,
        user: Option<&str>,
        addr: Option<IpAddr>,
        unix_ms: u64,
    ) -> Option<(&'static str, &Ban)> {
        let user = user.and_then(|user| self.users.get(user));
        let addr = addr.and_then(|addr| self.addresses.get(&addr.to_canonical()));
        [
            ("the client id", self.clients.get(client_id)),
            ("the user", user),
            ("the address", addr),
        ]
        .into_iter()
        .find_map(|(what, ban)| Some((what, ban.filter(|ban| ban.holds_at(unix_ms))?)))
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
