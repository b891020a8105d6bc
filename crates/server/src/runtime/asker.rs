//! Requests of operators on their way to shards, and the answers on their way back.

use std::sync::Arc;

use columba_broker::event::{Command, ConnectionId, ShardId};
use columba_broker::home_of;
use columba_broker::query::{Answer, Request};
use columba_diagnosis::KernelFacts;
use tokio::sync::{Semaphore, oneshot};

use super::Shared;
use crate::driver::{Alarm, Errand, ShardHandle};
use crate::listener::BoundAddress;
use crate::store::BootReport;

/// Requests that are on their way at a time, over all shards.
const REQUESTS_MAX: usize = 256;

/// The broker is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker is stopping")]
pub(crate) struct NoAnswer;

/// What there is to know of a running broker besides its shards.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) addresses: Vec<BoundAddress>,
    pub(crate) boot_report: Option<BootReport>,
    pub(crate) store: Option<columba_store::Handle>,
    /// How the disk of the store is.
    pub(crate) alarm: Arc<Alarm>,
}

/// Reaches the shards of a running broker from any thread.
#[derive(Clone)]
pub struct Asker {
    shards: Arc<[ShardHandle]>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) facts: Arc<Facts>,
    seed: u64,
    room: Arc<Semaphore>,
}

impl Asker {
    pub(super) fn new(
        shards: Arc<[ShardHandle]>,
        shared: Arc<Shared>,
        facts: Facts,
        seed: u64,
    ) -> Self {
        Self {
            shards,
            shared,
            facts: Arc::new(facts),
            seed,
            room: Arc::new(Semaphore::new(REQUESTS_MAX)),
        }
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> u16 {
        self.shards.len() as u16
    }

    /// Asks one shard.
    pub(crate) async fn ask(&self, shard: ShardId, request: Request) -> Result<Answer, NoAnswer> {
        let _room = self.room.acquire().await.map_err(|_| NoAnswer)?;
        let (reply, answer) = oneshot::channel();
        let request = Box::new(request);
        let handle = self.shards.get(shard.index()).ok_or(NoAnswer)?;
        handle.send(Errand::Request { request, reply });
        answer.await.map_err(|_| NoAnswer)
    }

    /// Asks the home shard of a client id or of a topic.
    pub(crate) async fn ask_home(&self, name: &str, request: Request) -> Result<Answer, NoAnswer> {
        let home = home_of(self.seed, name, self.shards());
        self.ask(home, request).await
    }

    /// What the kernel knows of the bytes that went to a connection of a client, which is at its home.
    /// `None`: it says nothing, or the connection is gone.
    pub(crate) async fn ask_kernel(
        &self,
        client_id: &str,
        connection: ConnectionId,
    ) -> Result<Option<KernelFacts>, NoAnswer> {
        let home = home_of(self.seed, client_id, self.shards());
        let _room = self.room.acquire().await.map_err(|_| NoAnswer)?;
        let (reply, answer) = oneshot::channel();
        let handle = self.shards.get(home.index()).ok_or(NoAnswer)?;
        handle.send(Errand::AskKernel { connection, reply });
        answer.await.map_err(|_| NoAnswer)
    }

    /// Asks every shard; the answers are in the order of the shards.
    pub(crate) async fn ask_all(&self, request: &Request) -> Result<Vec<Answer>, NoAnswer> {
        let count = self.shards.len() as u32;
        let _room = self.room.acquire_many(count).await.map_err(|_| NoAnswer)?;
        let mut waiting = Vec::with_capacity(self.shards.len());
        for handle in self.shards.iter() {
            let (reply, answer) = oneshot::channel();
            let request = Box::new(request.clone());
            handle.send(Errand::Request { request, reply });
            waiting.push(answer);
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for answer in waiting {
            answers.push(answer.await.map_err(|_| NoAnswer)?);
        }
        Ok(answers)
    }

    /// Hands a command to every shard.
    pub(crate) fn command(&self, command: &Command) {
        super::tell_all(&self.shards, command);
    }
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asker")
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}
