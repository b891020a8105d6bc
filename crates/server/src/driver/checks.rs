//! The threads that check credentials, so that no shard waits for a password hash.

mod waiting;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use columba_broker::event::{AuthRequest, AuthVerdict, ConnectionId};

use super::{Errand, ShardHandle};
use crate::auth::Authenticate;
use waiting::{Offer, Waiting};

/// Where shards leave their requests. The threads end when all clones are gone.
#[derive(Clone)]
pub(crate) struct Checks {
    desk: Arc<Desk>,
    /// Told apart from `desk`, which the threads hold too: the last shard to let go ends them.
    _is_open: Arc<Opened>,
    authenticator: Arc<dyn Authenticate>,
}

/// One request and where its answer goes.
#[derive(Debug)]
struct Check {
    shard: usize,
    conn: ConnectionId,
    request: Box<AuthRequest>,
}

/// The answer to a request, to be counted only if it is not out of date.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) conn: ConnectionId,
    /// For another check, should this one be out of date.
    pub(crate) request: Box<AuthRequest>,
    pub(crate) verdict: AuthVerdict,
    /// Of the users that the check began with.
    pub(crate) generation: u64,
}

#[derive(Debug)]
struct Desk {
    state: Mutex<State>,
    has_work: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: Waiting,
    is_over: bool,
}

#[derive(Debug)]
struct Opened(Arc<Desk>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.has_work.notify_all();
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a check; `None` is the end.
    fn next(&self) -> Option<Check> {
        let is_idle = |state: &mut State| state.waiting.is_empty() && !state.is_over;
        let mut state = self
            .has_work
            .wait_while(self.lock(), is_idle)
            .unwrap_or_else(PoisonError::into_inner);
        // What is left at the end has nobody who waits for it.
        if state.is_over {
            return None;
        }
        state.waiting.next()
    }
}

impl Checks {
    /// Starts the threads.
    pub(crate) fn start(
        threads: usize,
        queue_max: usize,
        authenticator: &Arc<dyn Authenticate>,
        shards: &Arc<[ShardHandle]>,
    ) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let desk = Arc::new(Desk {
            state: Mutex::new(State {
                waiting: Waiting::new(queue_max),
                is_over: false,
            }),
            has_work: Condvar::new(),
        });
        let opened = Arc::new(Opened(Arc::clone(&desk)));
        let spawn = |number: usize| {
            let desk = Arc::clone(&desk);
            let authenticator = Arc::clone(authenticator);
            let shards = Arc::clone(shards);
            std::thread::Builder::new()
                .name(format!("auth-{number}"))
                .spawn(move || run(&desk, &*authenticator, &shards))
        };
        let threads = (0..threads.max(1)).map(spawn).collect::<Result<_, _>>()?;
        let checks = Self {
            desk,
            _is_open: opened,
            authenticator: Arc::clone(authenticator),
        };
        Ok((checks, threads))
    }

    /// Asks for a connection of a shard. What is answered at once comes back, for this or another
    /// connection of the shard; answers for other shards go to them.
    pub(crate) fn ask(
        &self,
        shard: usize,
        conn: ConnectionId,
        request: Box<AuthRequest>,
        shards: &[ShardHandle],
    ) -> Option<Checked> {
        let generation = self.generation();
        if let Some(verdict) = self.authenticator.recall(&request) {
            return Some(Checked {
                conn,
                request,
                verdict,
                generation,
            });
        }
        let check = Check {
            shard,
            conn,
            request,
        };
        let offer = self.desk.lock().waiting.offer(check);
        let turned_away = match offer {
            Offer::Taken => {
                self.desk.has_work.notify_one();
                return None;
            }
            Offer::TurnedAway(check) => check,
        };
        let to = turned_away.shard;
        let busy = Checked {
            conn: turned_away.conn,
            request: turned_away.request,
            verdict: AuthVerdict::Busy,
            generation,
        };
        if to == shard {
            return Some(busy);
        }
        if let Some(other) = shards.get(to) {
            other.send(Errand::Verdict(busy));
        }
        None
    }

    /// Takes back what was asked for a connection that is gone.
    pub(crate) fn forget(&self, shard: usize, conn: ConnectionId) {
        self.desk.lock().waiting.forget(shard, conn);
    }

    /// Verdicts of an older generation are out of date.
    pub(crate) fn generation(&self) -> u64 {
        self.authenticator.generation()
    }
}

fn run(desk: &Desk, with: &dyn Authenticate, shards: &[ShardHandle]) {
    while let Some(check) = desk.next() {
        let generation = with.generation();
        let verdict = with.check(&check.request);
        if let Some(shard) = shards.get(check.shard) {
            shard.send(Errand::Verdict(Checked {
                conn: check.conn,
                request: check.request,
                verdict,
                generation,
            }));
        }
    }
}
