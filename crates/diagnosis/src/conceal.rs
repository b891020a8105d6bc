//! What of the evidence is told to somebody who may ask about clients of its own alone.

use std::sync::Arc;

use columba_broker::outcome::Outcome;

use crate::evidence::{Evidence, is_of_connection};
use crate::history::filter_of;
use crate::near;
use crate::operators;

/// Stands for a client whose name is not told.
const OTHER: &str = "*";

impl Evidence {
    /// Topics that were published to and have to do with the question: nearly its topic, or matched or nearly
    /// matched by a filter of the subscriber. The best guesses first, and no more than so many.
    pub fn related_topics(&self, topics_max: usize) -> Vec<String> {
        let mut related = Vec::new();
        if let Some(topic) = &self.question.topic {
            let topics = self.topics.iter().map(String::as_str);
            related.extend(near::topics(topic, topics).into_iter().map(|of| of.name));
        }
        // They were chosen by that topic and by the filters.
        if !self.is_about_topic() {
            let mut others = self.topics.clone();
            others.retain(|topic| !related.contains(topic));
            related.append(&mut others);
        }
        related.truncate(topics_max);
        related
    }

    /// Whether the question names a topic itself.
    const fn is_about_topic(&self) -> bool {
        self.question.topic.is_some() && !self.is_of_clients
    }

    /// Takes out what is known of others than these clients, for somebody who may ask about these
    /// alone: names, addresses, words, other topics and filters. What others did on the topic stays,
    /// without their names, if `with_others`.
    pub fn conceal(&mut self, own: &[&str], with_others: bool) {
        let is_own = |client: &str| own.contains(&client);
        self.events
            .retain(|event| event.client.is_empty() || is_own(&event.client) || with_others);
        for event in &mut self.events {
            if !event.client.is_empty() && !is_own(&event.client) {
                OTHER.clone_into(&mut event.client);
                (event.peer, event.detail) = (None, String::new());
                event.by = String::new();
            }
            if operators::did(event.outcome) {
                event.by = String::new();
            }
        }
        // Who is not known by a client id may be anybody; and under one name for all it is not told who of
        // them is online.
        self.events.retain(|event| match &*event.client {
            "" => event.outcome.name().starts_with("broker."),
            OTHER => !is_of_connection(event.outcome),
            _ => true,
        });
        // How many sessions the broker has.
        let events = self
            .events
            .iter_mut()
            .map(|of| (of.outcome, &mut of.detail));
        let starts = events.filter(|(outcome, _)| {
            matches!(
                outcome,
                Outcome::BrokerStarted | Outcome::BrokerStoreDamaged
            )
        });
        starts.for_each(|(_, detail)| detail.clear());
        self.restarts
            .iter_mut()
            .for_each(|restart| restart.recovered.clear());
        self.damage.truncate(1);
        self.damage
            .iter_mut()
            .for_each(|damage| damage.what.clear());
        // That there is something is told, and nothing of it.
        self.unread
            .retain(|event| is_own(&event.client) || with_others);
        let traffic = self.topic_rows.iter_mut();
        for traffic in traffic.filter_map(|row| row.traffic.as_mut()) {
            let is_others = |of: &Arc<str>| !is_own(of);
            if traffic.last_publisher.as_ref().is_some_and(is_others) {
                traffic.last_publisher = None;
            }
        }
        if !with_others {
            self.topic_rows.clear();
        }
        self.matching.retain(|row| is_own(&row.key.client_id));
        self.holders.retain(|held| is_own(&held.row.key.client_id));
        self.owners.retain(|_, client| is_own(client));
        self.filters = self.subscriptions.iter().map(filter_of).collect();
        self.clients.retain(|client| is_own(client));
        self.topics.clear();
        // Which other topics there are that its clients may not receive.
        let topic = self.question.topic.as_deref();
        self.events.retain(|event| {
            event.outcome != Outcome::DeliverDeniedRead || topic == Some(&*event.topic)
        });
        self.is_concealed = true;
    }
}
