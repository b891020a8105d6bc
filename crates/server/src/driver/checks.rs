//! The threads that check credentials, so that no shard waits for a password hash.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use columba_broker::event::{AuthRequest, AuthVerdict, ConnectionId};

use super::{Errand, ShardHandle};
use crate::auth::Authenticate;

/// Where shards leave their requests.
#[derive(Clone, Debug)]
pub(crate) struct Checks(SyncSender<Check>);

/// One request and where its answer goes.
#[derive(Debug)]
struct Check {
    shard: usize,
    conn: ConnectionId,
    request: Box<AuthRequest>,
}

impl Checks {
    /// Starts the threads. They end when all clones of the result are gone.
    pub(crate) fn start(
        threads: usize,
        queue_max: usize,
        authenticator: &Arc<dyn Authenticate>,
        shards: &Arc<[ShardHandle]>,
    ) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let (sender, receiver) = sync_channel(queue_max);
        let receiver = Arc::new(Mutex::new(receiver));
        let spawn = |number: usize| {
            let receiver = Arc::clone(&receiver);
            let authenticator = Arc::clone(authenticator);
            let shards = Arc::clone(shards);
            std::thread::Builder::new()
                .name(format!("auth-{number}"))
                .spawn(move || run(&receiver, &*authenticator, &shards))
        };
        let threads = (0..threads.max(1)).map(spawn).collect::<Result<_, _>>()?;
        Ok((Self(sender), threads))
    }

    /// Asks. `Some` is the answer at once: the queue is full.
    pub(crate) fn ask(
        &self,
        shard: usize,
        conn: ConnectionId,
        request: Box<AuthRequest>,
    ) -> Option<AuthVerdict> {
        match self.0.try_send(Check {
            shard,
            conn,
            request,
        }) {
            Ok(()) => None,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                Some(AuthVerdict::Unavailable)
            }
        }
    }
}

fn run(receiver: &Mutex<Receiver<Check>>, with: &dyn Authenticate, shards: &[ShardHandle]) {
    loop {
        let next = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(Check {
            shard,
            conn,
            request,
        }) = next
        else {
            return;
        };
        let verdict = with.check(&request);
        if let Some(shard) = shards.get(shard) {
            shard.send(Errand::Verdict { conn, verdict });
        }
    }
}
