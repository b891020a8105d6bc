//! Checks passwords against the users file.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::{hmac, rand};
use columba_broker::event::{AuthRequest, AuthVerdict, UserChange};

use super::password::{NoRandomness, PasswordHash};
use super::users::User;
use super::{Authenticate, Users};

/// How long a right password is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// How many right passwords are remembered.
const REMEMBERED_MAX: usize = 65_536;

/// Checks passwords against the users file.
///
/// A check costs tens of milliseconds by design. When a network comes back and all clients log in
/// at once, that would keep them out for minutes; so a right password is remembered for a minute,
/// as a hash with a secret key that never leaves the process. An unknown user costs as much as a
/// wrong password.
#[derive(Debug)]
pub struct Authenticator {
    state: Mutex<State>,
    generation: AtomicU64,
    key: hmac::Key,
    /// For unknown users where no user has a password.
    decoy: PasswordHash,
}

#[derive(Debug)]
struct State {
    users: Arc<Users>,
    /// Until when, by [`Authenticator::tag`].
    remembered: HashMap<[u8; 32], Instant>,
}

impl Authenticator {
    /// One for these users.
    ///
    /// # Errors
    /// If there is no randomness to be had.
    pub fn new(users: Arc<Users>) -> Result<Self, NoRandomness> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| NoRandomness)?;
        Ok(Self {
            state: Mutex::new(State {
                users,
                remembered: HashMap::new(),
            }),
            generation: AtomicU64::new(0),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            decoy: PasswordHash::new(&key)?,
        })
    }

    /// The users in force.
    pub fn users(&self) -> Arc<Users> {
        Arc::clone(&self.lock().users)
    }

    /// Uses other users from now on and forgets what it remembers.
    pub fn set_users(&self, users: Arc<Users>) {
        let mut state = self.lock();
        state.users = users;
        state.remembered.clear();
        // A check that reads the old number and the new users is done once more, for nothing; the
        // other way around an old verdict would count.
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_at(&self, request: &AuthRequest, now: Instant) -> AuthVerdict {
        if let Some(verdict) = self.recall_at(request, now) {
            return verdict;
        }
        let (Some(name), Some(password)) = (&request.user_name, &request.password) else {
            return AuthVerdict::BadCredentials;
        };
        let users = self.lock().users.clone();
        let user = users.user(name);
        let own = user.and_then(|(_, user)| user.password.as_ref());
        let hash = own.unwrap_or_else(|| self.decoy_for(&users, name));
        // The decoy is checked to the end, and its answer does not count.
        if !hash.verify(password) || own.is_none() {
            return AuthVerdict::BadCredentials;
        }
        self.remember(&users, self.tag(name, password), now);
        verdict_of(user)
    }

    /// What is known without a hash: passwords that were right a moment ago, and certificates.
    fn recall_at(&self, request: &AuthRequest, now: Instant) -> Option<AuthVerdict> {
        let (Some(name), Some(password)) = (&request.user_name, &request.password) else {
            // The listener has verified the certificate; whether its name may come in is for the
            // users file to say, or nobody could be shut out before the certificate expires.
            let verdict = match &request.peer.certificate {
                Some(name) => verdict_of(self.lock().users.user(name)),
                None => AuthVerdict::BadCredentials,
            };
            return Some(verdict);
        };
        let tag = self.tag(name, password);
        let state = self.lock();
        let is_remembered = state.remembered.get(&tag).is_some_and(|until| *until > now);
        is_remembered.then(|| verdict_of(state.users.user(name)))
    }

    /// The hash of a user that an unknown name is checked against. The same name always gets the
    /// same one, so that in a file of mixed hashes, too, the time tells nothing.
    fn decoy_for<'a>(&'a self, users: &'a Users, name: &str) -> &'a PasswordHash {
        let count = users.passwords().count().max(1);
        let [first, second, ..] = self.tag(name, b"");
        let at = usize::from(u16::from_le_bytes([first, second])) % count;
        users.passwords().nth(at).unwrap_or(&self.decoy)
    }

    fn remember(&self, users: &Arc<Users>, tag: [u8; 32], now: Instant) {
        let mut state = self.lock();
        // The users may have changed while the password was checked.
        if !Arc::ptr_eq(users, &state.users) {
            return;
        }
        if state.remembered.len() >= REMEMBERED_MAX {
            state.remembered.retain(|_, until| *until > now);
            if state.remembered.len() >= REMEMBERED_MAX {
                return;
            }
        }
        state.remembered.insert(tag, now + REMEMBERED_FOR);
    }

    fn tag(&self, name: &str, password: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&name.len().to_le_bytes());
        context.update(name.as_bytes());
        context.update(password);
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

impl Authenticate for Authenticator {
    fn check(&self, request: &AuthRequest) -> AuthVerdict {
        self.check_at(request, Instant::now())
    }

    fn recall(&self, request: &AuthRequest) -> Option<AuthVerdict> {
        self.recall_at(request, Instant::now())
    }

    fn user_now(&self, name: &str) -> Option<UserChange> {
        Some(match self.lock().users.user(name) {
            Some((_, user)) => UserChange::Groups(Arc::clone(&user.groups)),
            None => UserChange::Removed,
        })
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// Of a user whose password or certificate is right.
fn verdict_of(user: Option<(&Arc<str>, &User)>) -> AuthVerdict {
    match user {
        Some((name, user)) => AuthVerdict::Allow {
            user: Some(name.clone()),
            groups: user.groups.clone(),
        },
        None => AuthVerdict::BadCredentials,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_broker::event::{ListenerId, Peer};

    fn users(text: &str) -> Arc<Users> {
        let (users, faults) = Users::read("etc/users", text);
        assert_eq!(faults, []);
        Arc::new(users)
    }

    fn line(name: &str, password: &str, groups: &str) -> String {
        let hash = PasswordHash::new(password.as_bytes()).expect("a hash");
        format!("{name}:{hash}:{groups}\n")
    }

    fn request(name: Option<&str>, password: Option<&str>) -> AuthRequest {
        AuthRequest {
            peer: Peer {
                addr: None,
                listener: ListenerId(0),
                certificate: None,
            },
            client_id: "c".into(),
            user_name: name.map(str::to_owned),
            password: password.map(|password| password.as_bytes().to_vec()),
        }
    }

    fn allow(name: &str, groups: &[&str]) -> AuthVerdict {
        let groups: Vec<Arc<str>> = groups.iter().map(|group| (*group).into()).collect();
        AuthVerdict::Allow {
            user: Some(name.into()),
            groups: groups.into(),
        }
    }

    #[test]
    fn what_a_user_is_now_is_known_without_its_password() {
        let text = line("ann", "secret", "admin,staff") + "esp:*:devices\n";
        let authenticator = Authenticator::new(users(&text)).expect("an authenticator");
        let groups =
            |names: &[&str]| UserChange::Groups(names.iter().map(|name| (*name).into()).collect());
        assert_eq!(
            authenticator.user_now("ann"),
            Some(groups(&["admin", "staff"]))
        );
        assert_eq!(authenticator.user_now("esp"), Some(groups(&["devices"])));
        assert_eq!(authenticator.user_now("bob"), Some(UserChange::Removed));
    }

    #[test]
    fn the_right_password_lets_in_with_the_groups_of_the_user() {
        let text = line("ann", "secret", "admin,staff") + "esp:*:devices\n";
        let authenticator = Authenticator::new(users(&text)).expect("an authenticator");
        let check = |name, password, expected| {
            assert_eq!(
                authenticator.check(&request(name, password)),
                expected,
                "{name:?}"
            );
        };
        check(
            Some("ann"),
            Some("secret"),
            allow("ann", &["admin", "staff"]),
        );
        check(
            Some("ann"),
            Some("secret"),
            allow("ann", &["admin", "staff"]),
        );
        check(Some("ann"), Some("Secret"), AuthVerdict::BadCredentials);
        check(Some("ann"), None, AuthVerdict::BadCredentials);
        check(Some("eve"), Some("secret"), AuthVerdict::BadCredentials);
        check(Some("esp"), Some("*"), AuthVerdict::BadCredentials);
        check(None, None, AuthVerdict::BadCredentials);
    }

    #[test]
    fn a_verified_certificate_of_a_user_needs_no_password() {
        let text = line("ann", "secret", "admin") + "esp:*:devices\n";
        let authenticator = Authenticator::new(users(&text)).expect("one");
        let mut request = request(None, None);
        let mut check = |name: &str| {
            request.peer.certificate = Some(name.into());
            let verdict = authenticator.check(&request);
            assert_eq!(authenticator.recall(&request).as_ref(), Some(&verdict));
            verdict
        };
        assert_eq!(check("esp"), allow("esp", &["devices"]));
        assert_eq!(check("ann"), allow("ann", &["admin"]));
        assert_eq!(check("other"), AuthVerdict::BadCredentials);
        authenticator.set_users(users("other:*\n"));
        assert_eq!(check("esp"), AuthVerdict::BadCredentials);
        assert_eq!(check("other"), allow("other", &[]));
    }

    #[test]
    fn a_remembered_password_is_answered_without_a_check_until_the_users_change() {
        let text = line("ann", "a", "");
        let authenticator = Authenticator::new(users(&text)).expect("one");
        let ann = request(Some("ann"), Some("a"));
        let wrong = request(Some("ann"), Some("b"));
        assert_eq!(authenticator.recall(&ann), None);
        assert_eq!(authenticator.check(&ann), allow("ann", &[]));
        assert_eq!(authenticator.recall(&ann), Some(allow("ann", &[])));
        assert_eq!(authenticator.check(&wrong), AuthVerdict::BadCredentials);
        assert_eq!(authenticator.recall(&wrong), None);
        let before = authenticator.generation();
        authenticator.set_users(users(&text));
        assert!(authenticator.generation() > before);
        assert_eq!(authenticator.recall(&ann), None);
    }

    #[test]
    fn a_right_password_is_remembered_for_a_minute_and_no_longer_than_the_users_file() {
        let authenticator = Authenticator::new(users(&line("ann", "a", ""))).expect("one");
        let start = Instant::now();
        let ann = request(Some("ann"), Some("a"));
        let remembered = |now| {
            let tag = authenticator.tag("ann", b"a");
            let state = authenticator
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            state.remembered.get(&tag).is_some_and(|until| *until > now)
        };
        assert_eq!(
            authenticator.check_at(&request(Some("ann"), Some("b")), start),
            AuthVerdict::BadCredentials
        );
        assert!(!remembered(start));
        assert_eq!(authenticator.check_at(&ann, start), allow("ann", &[]));
        assert!(remembered(start + Duration::from_secs(59)));
        assert!(!remembered(start + Duration::from_secs(60)));
        authenticator.set_users(users(&line("ann", "b", "")));
        assert!(!remembered(start));
        assert_eq!(
            authenticator.check_at(&ann, start),
            AuthVerdict::BadCredentials
        );
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let text = line("ann", "a", "");
        let authenticator = Authenticator::new(users(&text)).expect("one");
        let now = Instant::now();
        let users = {
            let mut state = authenticator
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            for n in 0..REMEMBERED_MAX {
                let mut tag = [0; 32];
                tag[..8].copy_from_slice(&n.to_le_bytes());
                state.remembered.insert(tag, now + REMEMBERED_FOR);
            }
            state.users.clone()
        };
        authenticator.remember(&users, [0xff; 32], now);
        let count = || {
            authenticator
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remembered
                .len()
        };
        assert_eq!(count(), REMEMBERED_MAX);
        authenticator.remember(&users, [0xff; 32], now + REMEMBERED_FOR);
        assert_eq!(count(), 1);
    }

    #[test]
    fn an_unknown_user_is_checked_against_a_hash_like_those_of_the_others() {
        let authenticator = Authenticator::new(users("")).expect("one");
        let users = users(&line("ann", "a", ""));
        assert_eq!(
            authenticator.decoy_for(&Users::default(), "eve"),
            &authenticator.decoy
        );
        assert_eq!(
            Some(authenticator.decoy_for(&users, "eve")),
            users.passwords().next()
        );
    }
}
