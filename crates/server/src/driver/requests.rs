//! From operators to the core, and back.

use std::collections::HashMap;

use columba_broker::Input;
use columba_broker::event::ConnectionId;
use columba_broker::output::Output;
use columba_broker::query::{Answer, Request, RequestId};
use columba_diagnosis::KernelFacts;
use tokio::sync::oneshot;

use super::{Driver, Phase};
use crate::listener::kernel::send_queue;

/// Where the answer to a request goes. Whoever asked may have stopped waiting.
pub(crate) type Reply = oneshot::Sender<Answer>;

/// Requests without an answer that may be there before anybody looks who has stopped waiting.
const WAITING_SMALL: usize = 64;

/// Requests without an answer. Their number is bounded by who makes them:
/// [`Asker`](crate::runtime::Asker).
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u64,
    waiting: HashMap<RequestId, Reply>,
}

impl Requests {
    fn begin(&mut self, reply: Reply) -> RequestId {
        // Some are never answered: what waits for a disk that has failed since.
        if self.waiting.len() > WAITING_SMALL {
            self.waiting.retain(|_, reply| !reply.is_closed());
        }
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

    /// How far the bytes of a connection have come, as the kernel has it now.
    pub(super) fn kernel_facts(&mut self, id: ConnectionId) -> Option<KernelFacts> {
        let given_bytes = self.core.sent_bytes(id)?;
        let waiting_bytes = self.core.output(id).map_or(0, Output::len) as u64;
        let connection = self.connections.find(id)?;
        if connection.phase != Phase::Open {
            return None;
        }
        let queue = send_queue(&connection.socket)?;
        let layers = connection.layers.as_deref();
        let wrapped_bytes = layers.map_or(0, |layers| layers.unsent().len()) as u64;
        let acknowledged_bytes = if layers.is_none() {
            given_bytes.checked_sub(queue.queued_bytes)
        } else if wrapped_bytes + queue.queued_bytes == 0 {
            Some(given_bytes)
        } else {
            // Which bytes of MQTT these are, TLS and WebSocket hide.
            None
        };
        Some(KernelFacts {
            acknowledged_bytes,
            unsent_bytes: waiting_bytes + wrapped_bytes,
            send_queue_bytes: queue.queued_bytes,
            unsent_in_queue_bytes: queue.unsent_bytes,
            retransmits: queue.retransmits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_are_never_answered_do_not_pile_up() {
        let mut requests = Requests::default();
        let (reply, mut kept) = oneshot::channel();
        let first = requests.begin(reply);
        for _ in 0..10 * WAITING_SMALL {
            // Whoever asked has stopped waiting.
            let (reply, gone) = oneshot::channel();
            drop(gone);
            requests.begin(reply);
        }
        assert!(requests.waiting.len() <= WAITING_SMALL + 1);
        requests.answer(first, Answer::Done);
        assert!(matches!(kept.try_recv(), Ok(Answer::Done)));
    }
}
