//! How often somebody may be wrong about a password.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong passwords of one address in one [`WINDOW`].
const WRONG_MAX: u32 = 10;
/// How long they are remembered.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered; when there are more, all that are not wait together.
const ADDRESSES_MAX: usize = 1024;

/// Counts wrong passwords by address. Tokens are too long to be guessed.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<Option<IpAddr>, Wrong>>);

#[derive(Debug)]
struct Wrong {
    count: u32,
    since: Instant,
}

impl Throttle {
    /// Whether an address may try, or in how many seconds.
    pub(super) fn check(&self, addr: Option<IpAddr>, now: Instant) -> Result<(), u64> {
        let wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = wrong.get(&addr.map(network_of)).or_else(|| {
            let is_full = wrong.len() >= ADDRESSES_MAX;
            is_full.then(|| wrong.get(&None)).flatten()
        });
        match known.filter(|wrong| wrong.count >= WRONG_MAX) {
            Some(wrong) if wrong.since + WINDOW > now => {
                Err((wrong.since + WINDOW - now).as_secs() + 1)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Counts a wrong password.
    pub(super) fn count(&self, addr: Option<IpAddr>, now: Instant) {
        let mut wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = addr.map(network_of);
        if wrong.len() >= ADDRESSES_MAX && !wrong.contains_key(&key) {
            wrong.retain(|_, wrong| wrong.since + WINDOW > now);
            if wrong.len() >= ADDRESSES_MAX {
                key = None;
            }
        }
        let entry = wrong.entry(key).or_insert(Wrong {
            count: 0,
            since: now,
        });
        if entry.since + WINDOW <= now {
            *entry = Wrong {
                count: 0,
                since: now,
            };
        }
        entry.count += 1;
    }
}

/// Who has one address of IPv6 has 2^64.
fn network_of(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(addr) => IpAddr::V6((addr.to_bits() >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_wrong_too_often_waits_and_others_do_not() {
        let throttle = Throttle::default();
        let start = Instant::now();
        let (a, b) = (
            "2001:db8::1".parse().unwrap(),
            "2001:db8:1::1".parse().unwrap(),
        );
        for _ in 0..WRONG_MAX {
            assert_eq!(throttle.check(Some(a), start), Ok(()));
            throttle.count(Some(a), start);
        }
        let neighbour = "2001:db8::2".parse().unwrap();
        assert_eq!(throttle.check(Some(neighbour), start), Err(61));
        assert_eq!(throttle.check(Some(b), start), Ok(()));
        let later = start + WINDOW;
        assert_eq!(throttle.check(Some(a), later), Ok(()));
        throttle.count(Some(a), later);
        assert_eq!(throttle.check(Some(a), later), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_a_flood_of_addresses_is_throttled_as_one() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for n in 0..ADDRESSES_MAX as u32 + WRONG_MAX {
            throttle.count(Some(IpAddr::V4(n.into())), now);
        }
        let unknown = IpAddr::V4(u32::MAX.into());
        assert!(throttle.check(Some(unknown), now).is_err());
        assert!(throttle.0.lock().unwrap().len() <= ADDRESSES_MAX + 1);
        assert_eq!(throttle.check(Some(unknown), now + WINDOW), Ok(()));
    }
}
