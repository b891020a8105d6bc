//! Subscriptions that outlive a server that forgets them.

use std::collections::{BTreeMap, VecDeque};

use columba_codec::ReasonCode;

use super::{Subscription, Token};

/// What the server has granted, and what it is still to be asked for.
///
/// Empty unless [`crate::SessionOptions::recovers_lost_session`]. Both parts together hold at most
/// [`crate::SessionOptions::subscriptions_max`] filters.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscriptions {
    /// By topic filter, each alone in its [`Subscription`].
    granted: BTreeMap<String, Subscription>,
    /// To be asked for when there is a connection; without a token, asked for on nobody's behalf.
    due: VecDeque<(Option<Token>, Subscription)>,
}

impl Subscriptions {
    /// Filters that are remembered.
    pub(super) fn len(&self) -> usize {
        let due = self
            .due
            .iter()
            .map(|(_, subscription)| subscription.filters.len());
        self.granted.len() + due.sum::<usize>()
    }

    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Whether the server has granted this filter already, and asking again adds none.
    pub(super) fn has_granted(&self, filter: &str) -> bool {
        self.granted.contains_key(filter)
    }

    pub(super) fn put_due(&mut self, token: Option<Token>, subscription: Subscription) {
        self.due.push_back((token, subscription));
    }

    pub(super) fn take_due(&mut self) -> VecDeque<(Option<Token>, Subscription)> {
        std::mem::take(&mut self.due)
    }

    /// SUBACK: a filter that was refused is not asked for again. A refusal leaves an earlier
    /// subscription to the same filter as it was (`MQTT-3.8.4-3`).
    pub(super) fn on_answer(&mut self, subscription: &Subscription, codes: &[ReasonCode]) {
        for ((filter, options), code) in subscription.filters.iter().zip(codes) {
            if !code.is_error() {
                let alone = Subscription {
                    filters: vec![(filter.clone(), *options)],
                    ..subscription.clone()
                };
                self.granted.insert(filter.clone(), alone);
            }
        }
    }

    /// The application no longer wants these, whatever the server says to it.
    pub(super) fn forget(&mut self, filters: &[String]) {
        for filter in filters {
            self.granted.remove(filter);
        }
        for (token, subscription) in &mut self.due {
            if token.is_none() {
                subscription
                    .filters
                    .retain(|(filter, _)| !filters.contains(filter));
            }
        }
        self.due
            .retain(|(_, subscription)| !subscription.filters.is_empty());
    }

    /// The server has no session: everything that it had granted is due again, and before what
    /// was asked for since.
    pub(super) fn session_lost(&mut self) {
        let lost = std::mem::take(&mut self.granted);
        for subscription in lost.into_values().rev() {
            self.due.push_front((None, subscription));
        }
    }
}
