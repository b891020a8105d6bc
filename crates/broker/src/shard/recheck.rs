//! Changed users and access rules, applied to clients that are here already.

use std::collections::BTreeMap;
use std::sync::Arc;

use columba_codec::ReasonCode;

use super::Shard;
use super::refuse::Refusal;
use crate::access::{AccessRules, Action};
use crate::event::UserChange;
use crate::id::ConnectionId;
use crate::outcome::Outcome;
use crate::recorder::Facts;
use crate::routing::FilterId;
use crate::session::Identity;

/// Why a client has to log in again.
const EXPELLED: &str = "the user was removed or has another password";

/// Why a Will is not published.
pub(super) const USER_REMOVED: &str = "its user was removed";

impl Shard {
    /// Uses other rules, and ends subscriptions that they no longer allow.
    pub(super) fn on_set_access(&mut self, access: Arc<AccessRules>) {
        self.use_access(access);
        self.recheck_subscriptions();
    }

    fn use_access(&mut self, access: Arc<AccessRules>) {
        let (hashing, now_ms) = (self.hashing, self.now.unix_ms);
        let hits = &self.rule_hits;
        self.rule_hits = hits.carried_over(&self.access, &access, hashing, now_ms);
        self.access = access;
    }

    /// Lets go of users that are gone or have another password, and gives the others their new
    /// groups. Sessions stay: who logs in again finds its own.
    pub(super) fn on_users_changed(
        &mut self,
        changes: &BTreeMap<Arc<str>, UserChange>,
        access: Option<Arc<AccessRules>>,
    ) {
        if let Some(access) = access {
            self.use_access(access);
        }
        let mut expelled: Vec<ConnectionId> = Vec::new();
        let mut removed: Vec<u32> = Vec::new();
        let mut changed: Vec<u32> = Vec::new();
        for (slot, session) in &mut self.sessions {
            let Some(user) = &session.identity.user else {
                continue;
            };
            let groups = match changes.get(user) {
                None => continue,
                Some(UserChange::Removed) => {
                    removed.push(slot as u32);
                    expelled.extend(session.connection);
                    Vec::new()
                }
                Some(UserChange::Expelled(groups)) => {
                    expelled.extend(session.connection);
                    groups.to_vec()
                }
                Some(UserChange::Groups(groups)) => groups.to_vec(),
            };
            let user = Some(Arc::clone(user));
            session.identity = Arc::new(Identity { user, groups });
            changed.push(slot as u32);
        }
        for slot in changed {
            self.save_session(slot);
        }
        for slot in removed {
            self.withhold_will_of(slot, USER_REMOVED);
        }
        for id in expelled {
            self.close(
                id,
                Outcome::DisconnectAdmin,
                ReasonCode::NotAuthorized,
                EXPELLED,
            );
        }
        self.recheck_waiting(changes);
        self.recheck_subscriptions();
    }

    /// Clients that wait for their CONNACK have logged in before the change as well.
    fn recheck_waiting(&mut self, changes: &BTreeMap<Arc<str>, UserChange>) {
        let mut expelled: Vec<(Arc<str>, ConnectionId)> = Vec::new();
        let waiting = self.rivals.waiting_mut().chain(self.leaving.waiting_mut());
        for (client_id, (id, identity)) in waiting {
            let Some(user) = &identity.user else {
                continue;
            };
            match changes.get(user) {
                None => {}
                Some(UserChange::Removed | UserChange::Expelled(_)) => {
                    expelled.push((Arc::clone(client_id), *id));
                }
                Some(UserChange::Groups(groups)) => {
                    let (user, groups) = (Some(Arc::clone(user)), groups.to_vec());
                    *identity = Arc::new(Identity { user, groups });
                }
            }
        }
        for (client_id, id) in expelled {
            // It may have gone by itself.
            if self.rival_of(id).is_some() || self.is_leaving(id) {
                let refusal = Refusal::new(
                    ReasonCode::BadUserNameOrPassword,
                    Outcome::ConnectBadCredentials,
                    EXPELLED,
                );
                self.refuse(id, &client_id, &refusal);
            }
        }
    }

    /// Ends subscriptions that the access rules do not allow.
    pub(super) fn recheck_subscriptions(&mut self) {
        if self.access.allows_all() {
            return;
        }
        let slots: Vec<u32> = self.sessions.iter().map(|(slot, _)| slot as u32).collect();
        for slot in slots {
            for (filter_id, filter) in self.denied_subscriptions(slot) {
                self.revoke(slot, filter_id, &filter);
            }
            self.recheck_memberships(slot);
        }
    }

    fn denied_subscriptions(&self, slot: u32) -> Vec<(FilterId, Arc<str>)> {
        let subscriptions = self
            .session(slot)
            .and_then(|session| session.subscriptions.as_ref());
        let ids = subscriptions
            .into_iter()
            .flat_map(|map| map.keys().copied());
        let mut denied: Vec<_> = ids
            .filter_map(|id| Some((id, Arc::clone(&self.filters.get(id)?.text))))
            .filter(|(_, filter)| !self.decide(slot, Action::Subscribe, filter).is_allowed)
            .collect();
        // The order of a hash map is nobody's business.
        denied.sort_by(|a, b| a.1.cmp(&b.1));
        denied
    }

    fn revoke(&mut self, slot: u32, filter_id: FilterId, filter: &Arc<str>) {
        let Some(session) = self.session_mut(slot) else {
            return;
        };
        let Some(subscriptions) = &mut session.subscriptions else {
            return;
        };
        let Some(position) = subscriptions.remove(&filter_id) else {
            return;
        };
        if subscriptions.is_empty() {
            session.subscriptions = None;
        }
        self.forget_replays(slot, &[Arc::clone(filter)]);
        self.shrink_subscriptions(slot, filter.len());
        self.forget_subscription(slot, filter_id);
        self.remove_subscription(filter_id, position);
        self.report_revoked(slot, filter);
    }

    fn recheck_memberships(&mut self, slot: u32) {
        let memberships = self
            .session(slot)
            .map_or(&[][..], |session| &session.memberships);
        let denied: Vec<u32> = memberships
            .iter()
            .filter(|member| {
                !self
                    .decide(slot, Action::Subscribe, &member.filter)
                    .is_allowed
            })
            .map(|member| member.number)
            .collect();
        for number in denied {
            let Some(session) = self.session_mut(slot) else {
                return;
            };
            let Some(membership) = session.memberships.remove(number) else {
                continue;
            };
            let filter = Arc::clone(&membership.filter);
            let name = Arc::clone(&membership.group);
            self.leave(slot, membership);
            self.report_revoked(slot, &format!("$share/{name}/{filter}"));
        }
    }

    fn report_revoked(&mut self, slot: u32, filter: &str) {
        // The rule that took it back; those that let subscriptions stay have decided nothing new.
        self.judge(slot, Action::Subscribe, filter);
        self.stats.count(Outcome::SubscribeRevoked);
        let detail = "the access rules no longer allow this subscription: it has ended";
        let facts = Facts {
            topic: filter,
            detail,
            ..Facts::default()
        };
        self.withhold(slot, Outcome::SubscribeRevoked, facts);
    }
}
