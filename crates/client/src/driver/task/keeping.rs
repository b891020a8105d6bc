//! What the session says waits until its records are on the disk.
//!
//! One batch is being written at a time. All that happens meanwhile goes into the next one, so a slow
//! disk is synced less often, not for each message.

use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::Task;
use crate::driver::session_file::{Journal, SessionFileError};
use crate::outcome::CloseCause;
use crate::session::{Output, Session};

/// Outputs that wait for the disk before reading from the server stops.
const WAITING_OUTPUTS_MAX: usize = 256;

/// How a batch ended, and the file, unless the runtime has dropped it.
pub(super) type Written = Result<(Journal, Result<(), SessionFileError>), JoinError>;

/// The file of a session, and what waits for it.
pub(super) struct Keeping {
    /// Here while no batch is being written.
    journal: Option<Journal>,
    writing: Option<JoinHandle<(Journal, Result<(), SessionFileError>)>>,
    /// What goes out when the batch is on the disk that is being written.
    held: Turn,
    /// What waits for the next one.
    next: Turn,
    /// Written before; used again.
    records: Vec<u8>,
    failed: bool,
}

/// What a session said, in order.
#[derive(Default)]
struct Turn {
    outputs: Vec<Output>,
    bytes: Vec<u8>,
}

impl Turn {
    fn is_empty(&self) -> bool {
        self.outputs.is_empty() && self.bytes.is_empty()
    }
}

impl Keeping {
    pub(super) fn new(journal: Journal) -> Self {
        Self {
            journal: Some(journal),
            writing: None,
            held: Turn::default(),
            next: Turn::default(),
            records: Vec::new(),
            failed: false,
        }
    }

    /// Bytes for the server that wait for the disk.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.held.bytes.len() + self.next.bytes.len()
    }

    /// Whether so much waits for the disk that nothing more is to be read.
    pub(super) fn is_full(&self) -> bool {
        self.next.outputs.len() >= WAITING_OUTPUTS_MAX
    }

    /// Takes what the session said, and begins a batch if there is none.
    fn take(&mut self, session: &mut Session) {
        self.next
            .outputs
            .extend(std::iter::from_fn(|| session.poll()));
        session.transmit(&mut self.next.bytes);
        session.take_records(&mut self.records);
        if self.failed {
            self.records.clear();
        }
    }

    /// Begins to write what waits, if anything does and nothing is being written.
    fn begin(&mut self, session: &Session) {
        if self.records.is_empty() {
            return;
        }
        let Some(mut journal) = self.journal.take() else {
            return;
        };
        self.held = std::mem::take(&mut self.next);
        let mut records = std::mem::take(&mut self.records);
        let outgrown = journal.has_outgrown();
        if outgrown {
            records.clear();
            session.snapshot(&mut records);
        }
        self.writing = Some(spawn_blocking(move || {
            let written = if outgrown {
                journal.replace(&records)
            } else {
                journal.append(&records)
            };
            (journal, written)
        }));
    }
}

/// Whether a batch is being written.
pub(super) fn is_writing(keeping: Option<&Keeping>) -> bool {
    keeping.is_some_and(|keeping| keeping.writing.is_some())
}

/// The end of the batch that is being written. Cancel safe.
pub(super) async fn written(keeping: &mut Option<Keeping>) -> Written {
    let handle = keeping.as_mut().map(|keeping| &mut keeping.writing);
    let Some(slot) = handle else {
        return std::future::pending().await;
    };
    let Some(writing) = slot.as_mut() else {
        return std::future::pending().await;
    };
    let written = writing.await;
    *slot = None;
    written
}

impl Task {
    /// Passes on what the session said, as far as its records allow.
    pub(super) fn keep(&mut self) {
        let Some(keeping) = &mut self.keeping else {
            return;
        };
        keeping.take(&mut self.session);
        if keeping.failed {
            // Nothing leaves any more, but the word that it is over.
            keeping.next.bytes.clear();
            keeping
                .next
                .outputs
                .retain(|output| matches!(output, Output::Closed(_)));
        }
        keeping.begin(&self.session);
        if keeping.writing.is_none() {
            let turn = std::mem::take(&mut keeping.next);
            self.pass(turn);
        }
    }

    pub(super) fn on_records_written(&mut self, written: Written) {
        let Some(keeping) = &mut self.keeping else {
            return;
        };
        let failure = match written {
            Ok((journal, Ok(()))) => {
                keeping.journal = Some(journal);
                let turn = std::mem::take(&mut keeping.held);
                self.pass(turn);
                self.keep();
                self.pass_events();
                return;
            }
            Ok((_, Err(error))) => error.to_string(),
            Err(error) => format!("writing to the session file was cut short: {error}"),
        };
        keeping.failed = true;
        keeping.held = Turn::default();
        keeping.next = Turn::default();
        keeping.records.clear();
        self.outgoing.clear();
        self.written = 0;
        // Not by DISCONNECT: a server that still has the session is to keep it.
        self.on_transport_end(None);
        self.closed = Some(CloseCause::SessionFile(failure));
    }

    /// Bytes of a connection that is gone go nowhere.
    pub(super) fn forget_kept_bytes(&mut self) {
        if let Some(keeping) = &mut self.keeping {
            keeping.held.bytes.clear();
            keeping.next.bytes.clear();
        }
    }

    /// Waits until all that was said is on the disk.
    pub(super) async fn finish_keeping(&mut self) {
        while is_writing(self.keeping.as_ref()) {
            let written = written(&mut self.keeping).await;
            self.on_records_written(written);
        }
    }

    fn pass(&mut self, turn: Turn) {
        if turn.is_empty() {
            return;
        }
        // First, as an output may make further bytes.
        self.outgoing.extend_from_slice(&turn.bytes);
        for output in turn.outputs {
            self.on_output(output);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
