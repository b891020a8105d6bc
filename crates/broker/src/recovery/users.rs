//! Users that were changed while no broker ran.

use super::RecoveredShard;
use crate::event::UserChange;

impl RecoveredShard {
    /// Puts the users of now in the place of those that sessions were stored with. `now` says what a user
    /// has become, and nothing of one that it does not know about; without a connection there is nobody
    /// to expel.
    pub fn change_users(&mut self, now: impl Fn(&str) -> Option<UserChange>) {
        for session in &mut self.sessions {
            let change = session.user.as_deref().and_then(&now);
            let groups = match &change {
                None => continue,
                Some(UserChange::Removed) => Vec::new(),
                Some(UserChange::Expelled(groups) | UserChange::Groups(groups)) => groups.to_vec(),
            };
            session.is_user_removed = change == Some(UserChange::Removed);
            session.has_other_groups = session.groups != groups;
            session.groups = groups;
        }
    }
}
