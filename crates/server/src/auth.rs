//! Who may log in: the users file, password hashes, and the check that connects them.

mod authenticator;
pub mod password;
pub mod users;

pub use authenticator::Authenticator;
pub use users::Users;

use columba_broker::event::{AuthRequest, AuthVerdict};

/// Checks credentials. Called on a thread where it may take its time, never on a shard's.
pub trait Authenticate: Send + Sync {
    /// Whether the client may come in, and as whom.
    fn check(&self, request: &AuthRequest) -> AuthVerdict;
}
