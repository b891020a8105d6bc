//! Hands lines to a thread of their own, so that nobody waits for a slow terminal, pipe or disk.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::ThreadId;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// The end that takes lines, from any thread. It never waits: what finds no room is lost and
/// counted.
#[derive(Clone, Debug)]
pub(super) struct Handoff {
    letters: Sender<Letter>,
    gauge: Arc<Gauge>,
    writer: ThreadId,
}

/// For the thread that writes.
#[derive(Debug)]
enum Letter {
    Line(Vec<u8>),
    /// To be answered when everything before it is written.
    Flush(Sender<()>),
}

#[derive(Debug)]
struct Gauge {
    waiting_bytes: AtomicUsize,
    bytes_max: usize,
}

/// Lines that were lost in this process: it has one log.
static LINES_LOST: AtomicU64 = AtomicU64::new(0);

/// Lines that never reached the log, because they found no room or could not be written.
pub(super) fn lines_lost() -> u64 {
    LINES_LOST.load(Ordering::Relaxed)
}

impl Handoff {
    /// Starts the thread. At most `bytes_max` wait for it.
    pub(super) fn start(sink: impl Write + Send + 'static, bytes_max: usize) -> io::Result<Self> {
        let (letters, receiver) = channel();
        let gauge = Arc::new(Gauge {
            waiting_bytes: AtomicUsize::new(0),
            bytes_max,
        });
        let gauge_of_writer = Arc::clone(&gauge);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&receiver, sink, &gauge_of_writer))?;
        Ok(Self {
            letters,
            gauge,
            writer: thread.thread().id(),
        })
    }

    /// Waits until all lines handed over so far are written, but no longer than that.
    pub(super) fn flush(&self, patience: Duration) {
        if std::thread::current().id() == self.writer {
            return;
        }
        let (done, is_done) = channel();
        if self.letters.send(Letter::Flush(done)).is_ok() {
            // Nothing else can be done for lines that nobody takes.
            let _ = is_done.recv_timeout(patience);
        }
    }

    fn pass(&self, line: &[u8]) {
        let cost = cost_of(line);
        let waiting = self.gauge.waiting_bytes.fetch_add(cost, Ordering::Relaxed);
        let has_room = waiting + cost <= self.gauge.bytes_max;
        if !has_room || self.letters.send(Letter::Line(line.to_vec())).is_err() {
            self.gauge.waiting_bytes.fetch_sub(cost, Ordering::Relaxed);
            LINES_LOST.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<'a> MakeWriter<'a> for Handoff {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter(self)
    }
}

/// Takes one line.
#[derive(Debug)]
pub(super) struct LineWriter<'a>(&'a Handoff);

impl Write for LineWriter<'_> {
    /// Takes a whole line: that is how lines are written.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.pass(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes that a waiting line takes.
const fn cost_of(line: &[u8]) -> usize {
    line.len() + size_of::<Letter>()
}

/// Writes until the last sender is gone.
fn write_all(letters: &Receiver<Letter>, mut sink: impl Write, gauge: &Gauge) {
    let mut told = 0;
    while let Ok(letter) = letters.recv() {
        match letter {
            Letter::Line(line) => {
                let is_written = sink.write_all(&line).is_ok();
                let cost = cost_of(&line);
                let waiting = gauge.waiting_bytes.fetch_sub(cost, Ordering::Relaxed) - cost;
                if !is_written {
                    LINES_LOST.fetch_add(1, Ordering::Relaxed);
                } else if waiting <= gauge.bytes_max / 2 {
                    // Only after a success: a line about a full disk would not fit either.
                    tell_lost(&mut told);
                }
            }
            Letter::Flush(done) => {
                // What does not work here is told by the next line.
                let _ = sink.flush();
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
        }
    }
}

fn tell_lost(told: &mut u64) {
    let lost = lines_lost();
    if lost > *told {
        let lines = lost - *told;
        *told = lost;
        tracing::warn!(
            lines,
            "lines of the log were lost: whatever takes the log was too slow or had no room"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};

    use super::*;

    /// Hands on what is written, and waits until somebody takes it.
    struct Slow(SyncSender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_nobody_waits() {
        let (sender, receiver) = sync_channel(0);
        let line = [b'x'; 100];
        let handoff = Handoff::start(Slow(sender), 10 * cost_of(&line)).unwrap();
        let before = lines_lost();
        for _ in 0..25 {
            handoff.make_writer().write_all(&line).unwrap();
        }
        assert_eq!(lines_lost() - before, 15);
        let taken = (0..10).map(|_| receiver.recv().unwrap());
        assert!(taken.eq(std::iter::repeat_n(line.to_vec(), 10)));
        handoff.flush(Duration::from_secs(20));
        // There is room again.
        handoff.make_writer().write_all(b"last").unwrap();
        assert_eq!(receiver.recv().unwrap(), b"last");
        assert_eq!(lines_lost() - before, 15);
    }
}
