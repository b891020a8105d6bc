//! From operators to the core, and back.

use std::collections::HashMap;

use columba_broker::Input;
use columba_broker::query::{Answer, Request, RequestId};
use tokio::sync::oneshot;

use super::Driver;

/// Where the answer to a request goes. Whoever asked may have stopped waiting.
pub(crate) type Reply = oneshot::Sender<Answer>;

/// Requests without an answer. Their number is bounded by who makes them:
/// [`Asker`](crate::runtime::Asker).
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u64,
    waiting: HashMap<RequestId, Reply>,
}

impl Requests {
    fn begin(&mut self, reply: Reply) -> RequestId {
        self.last += 1;
        let id = RequestId(self.last);
        self.waiting.insert(id, reply);
        id
    }

    pub(super) fn answer(&mut self, id: RequestId, answer: Answer) {
        if let Some(reply) = self.waiting.remove(&id) {
            drop(reply.send(answer));
        }
    }
}

impl Driver {
    pub(super) fn request(&mut self, request: Request, reply: Reply) {
        let id = self.requests.begin(reply);
        self.core.handle(self.now, Input::Request { id, request });
        self.drain();
    }
}
