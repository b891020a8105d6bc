//! Who may log in: the users file, password hashes, and the check that connects them.

mod authenticator;
pub mod password;
pub mod tokens;
pub mod users;

pub use authenticator::Authenticator;
pub use users::Users;

use columba_broker::event::{AuthRequest, AuthVerdict, UserChange};

/// Checks credentials.
pub trait Authenticate: Send + Sync {
    /// Whether the client may come in, and as whom. Called on a thread where it may take its time.
    fn check(&self, request: &AuthRequest) -> AuthVerdict;

    /// The same if it is known without work; unlike a check, this is asked on a shard's thread.
    fn recall(&self, _request: &AuthRequest) -> Option<AuthVerdict> {
        None
    }

    /// What a user is now, for sessions that an earlier process has stored: [`UserChange::Groups`] with all
    /// of its groups, or [`UserChange::Removed`]. `None` if that is known of a client that logs in alone.
    fn user_now(&self, _name: &str) -> Option<UserChange> {
        None
    }

    /// A number that grows with every change that can turn an answer around. A verdict counts only
    /// if it still is what it was before the check; it grows before clients are told of the change.
    fn generation(&self) -> u64 {
        0
    }
}
