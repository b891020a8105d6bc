//! The connection of a publisher: one that is over when it is lost, or one that comes back, for lines
//! that come over hours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use columba_client::CloseCause;
use columba_client::driver::{Client, Event, Events, LastingEvent, LastingEvents};
use tokio::task::JoinHandle;

use crate::connection::{Plan, Talk, Trouble, close_trouble, connect_trouble};
use crate::subscribe::again::{may_pass, reconnect};
use crate::words;

/// Who takes the events of a connection until it ends.
pub(super) struct Link {
    pub(super) state: Arc<State>,
    ended: JoinHandle<Option<Trouble>>,
}

/// How a connection stands.
#[derive(Debug)]
pub(super) struct State {
    is_connected: AtomicBool,
    comes_back: AtomicBool,
}

impl State {
    fn new(comes_back: bool) -> Arc<Self> {
        Arc::new(Self {
            is_connected: AtomicBool::new(true),
            comes_back: AtomicBool::new(comes_back),
        })
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected.load(Relaxed)
    }

    /// Whether a connection that is lost is made again.
    pub(super) fn comes_back(&self) -> bool {
        self.comes_back.load(Relaxed)
    }
}

impl Link {
    /// A connection that is over when it is lost.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub(super) async fn single(plan: &mut Plan) -> Result<(Client, Self), Trouble> {
        let (client, events) = plan.connect().await?;
        let ended = tokio::spawn(watch(events, plan.talk));
        let state = State::new(false);
        Ok((client, Self { state, ended }))
    }

    /// A connection that comes back. The first one must succeed.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub(super) async fn lasting(plan: &mut Plan) -> Result<(Client, Self), Trouble> {
        let (client, events) = plan.connect_recovering(&reconnect()).await?;
        let state = State::new(true);
        let talk = plan.talk;
        let watched = (client.clone(), state.clone());
        let ended = tokio::spawn(async move {
            let (client, state) = watched;
            let trouble = watch_lasting(events, &client, &state, talk).await;
            state.comes_back.store(false, Relaxed);
            trouble
        });
        Ok((client, Self { state, ended }))
    }

    /// Waits for the end of the connection, and says why if it was not this program that ended it.
    pub(super) async fn end(&mut self) -> Option<Trouble> {
        (&mut self.ended).await.ok().flatten()
    }
}

async fn watch(mut events: Events, talk: Talk) -> Option<Trouble> {
    while let Some(event) = events.next().await {
        match event {
            // A kept session may still have subscriptions.
            Event::Message(_) => {}
            Event::Unanswered(warning) => talk.warning(words::client::warning(&warning)),
            Event::Ended(ended) if ended.cause == CloseCause::Requested => return None,
            Event::Ended(ended) => {
                return Some(close_trouble(&ended.cause, ended.transport_error.as_ref()));
            }
        }
    }
    None
}

async fn watch_lasting(
    mut events: LastingEvents,
    client: &Client,
    state: &State,
    talk: Talk,
) -> Option<Trouble> {
    while let Some(event) = events.next().await {
        match event {
            LastingEvent::Connected(accepted) => {
                state.is_connected.store(true, Relaxed);
                talk.accepted(&accepted);
            }
            LastingEvent::Disconnected { error, .. } => {
                let was_connected = state.is_connected.swap(false, Relaxed);
                if !may_pass(&error) {
                    // Nor is it tried while this command ends.
                    client.abandon().await;
                    return Some(connect_trouble(&error));
                }
                if was_connected {
                    talk.warning(words::connecting_again(words::client::connect(&error)));
                } else {
                    talk.debug(|| error.to_string());
                }
            }
            LastingEvent::Warning(warning) => talk.warning(words::client::warning(&warning)),
            LastingEvent::Ended(ended) if ended.cause == CloseCause::Requested => return None,
            LastingEvent::Ended(ended) => {
                return Some(close_trouble(&ended.cause, ended.transport_error.as_ref()));
            }
            // A kept session may still have subscriptions; kinds that a later version of the library
            // may have need nothing done.
            _ => {}
        }
    }
    None
}
