//! Keeps what the flight recorders have seen on disk, so that last night's fault has an answer after
//! this morning's restart.
//!
//! ```text
//! file  := frame*                     NNNNNNNN.rec, the lowest number is the oldest
//! frame := kind:u8 len:u32 crc32c:u32 body      big-endian; the checksum is that of the body
//! kind  := 1 a chunk of a tape (see the recorder)    2 a start: unix_ms:u64    3 an end
//!          4 the recorder was off: from_unix_ms:u64 to_unix_ms:u64
//! ```
//! Chunks that are full are appended; those that are being written stand in `open.rec`, which is
//! replaced each time. A start that follows no end tells that something is missing between them, and
//! so does a chunk that does not begin where the one before it on its tape ended.

mod frame;
mod reading;
#[cfg(test)]
mod tests;
mod writing;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use columba_broker::event::ShardId;
use columba_broker::query::{Answer, Request};
use columba_broker::recorder::Recording;

use crate::runtime::Asker;
use frame::{NONE_BYTES, OPEN, numbers, path_of, put_open_away};
use reading::Reading;
use writing::Writer;

/// How often what is new is written: what a process that is killed has seen since is lost.
const INTERVAL: Duration = Duration::from_secs(30);

/// What is on disk, of earlier processes and of this one. It is read when somebody asks, and takes no
/// memory else.
#[derive(Clone, Debug, Default)]
pub struct Past(Option<Arc<PathBuf>>);

impl Past {
    /// Whether what a process has seen is there for the next one.
    pub(crate) const fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Puts what memory has pushed out, and what was recorded before, to what is recorded now. Reads all
    /// files: not for a thread that others wait for.
    pub(crate) fn before(&self, now: Vec<Recording>) -> Vec<Recording> {
        let Some(dir) = &self.0 else { return now };
        match read(dir) {
            Ok((reading, is_cut)) => joined(reading, is_cut, now),
            Err(error) => {
                tracing::warn!(
                    directory = %dir.display(), %error,
                    "what the flight recorder has written cannot be read"
                );
                without_past(now)
            }
        }
    }
}

/// What there was before is not known.
fn without_past(mut now: Vec<Recording>) -> Vec<Recording> {
    for recording in &mut now {
        recording.overwritten += 1;
    }
    now
}

/// All files; and whether there were some before them.
fn read(dir: &Path) -> io::Result<(Reading, bool)> {
    read_by(dir, |path| fs::read(path))
}

/// The same with another way to read one of them, in a test. What is open is read first: what is put away
/// meanwhile is then met twice, and does not slip through between the two.
fn read_by(
    dir: &Path,
    mut read: impl FnMut(&PathBuf) -> io::Result<Vec<u8>>,
) -> io::Result<(Reading, bool)> {
    let open = read(&dir.join(OPEN));
    let mut reading = Reading::default();
    let numbers = numbers(dir)?;
    let mut is_cut = numbers.first().is_some_and(|first| *first > 0);
    for number in &numbers {
        let path = path_of(dir, *number);
        let is_whole = match read(&path) {
            Ok(bytes) => reading.take(&bytes),
            // It has just been removed to make room.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                is_cut = true;
                true
            }
            Err(error) => {
                tracing::warn!(
                    file = %path.display(), %error,
                    "what the flight recorder has written into this file cannot be read"
                );
                false
            }
        };
        // The last one is being written, and what it lacks is in memory.
        if !is_whole && Some(number) != numbers.last() {
            reading.lose();
        }
    }
    // Memory may have pushed out what was open when it was written last; what of that is missing is found
    // by what comes behind it.
    reading.take(&open.unwrap_or_default());
    Ok((reading, is_cut))
}

/// What is in memory goes on where the files end.
fn joined(mut reading: Reading, is_cut: bool, now: Vec<Recording>) -> Vec<Recording> {
    for recording in &now {
        for chunk in &recording.chunks {
            reading.add(Arc::clone(chunk));
        }
    }
    // A recorder that is off from the beginning does not know when that was.
    let began_ms = reading.began_ms().unwrap_or_default();
    let since_start = |(from_ms, to_ms): (u64, u64)| (from_ms.max(began_ms.min(to_ms)), to_ms);
    let mut all: BTreeMap<u16, Recording> = reading.finish(is_cut);
    for Recording {
        shard,
        left_out,
        holes,
        off,
        is_off,
        ..
    } in now
    {
        let recording = all.entry(shard).or_insert_with(|| Recording {
            shard,
            ..Recording::default()
        });
        recording.left_out += left_out;
        recording.holes.extend(holes.into_iter().map(since_start));
        recording.off.extend(off.into_iter().map(since_start));
        recording.is_off = is_off;
    }
    all.into_values().collect()
}

/// Writes what the recorders see, on a thread of its own.
#[derive(Debug)]
pub struct RecorderFiles {
    past: Past,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl RecorderFiles {
    /// Looks at what is there and begins to write. All files together have so many bytes at most, more
    /// or less.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn start(dir: &Path, bytes_max: u64, asker: Asker) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let number = put_open_away(dir)?;
        let mut writer = Writer::new(dir, number, bytes_max)?;
        writer.start(asker.shared.now().unix_ms)?;
        let past = Past(Some(Arc::new(dir.to_owned())));
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                let mut is_failed = false;
                loop {
                    let is_over = !matches!(
                        stopped.recv_timeout(INTERVAL),
                        Err(RecvTimeoutError::Timeout)
                    );
                    let all = recordings(&asker, &writer);
                    let is_whole = all.is_some();
                    let mut written = all.map_or(Ok(()), |all| writer.write(&all));
                    // Without what was not told any more, it is no end but a hole.
                    if is_over && is_whole && written.is_ok() {
                        written = writer.end();
                    }
                    if let Err(error) = &written
                        && !is_failed
                    {
                        tracing::warn!(
                            directory = %writer.dir.display(), %error,
                            "what the flight recorder has seen cannot be written; it is still in memory"
                        );
                    }
                    is_failed = written.is_err();
                    if is_over {
                        return;
                    }
                }
            })?;
        Ok(Self { past, stop, thread })
    }

    /// What is on disk.
    pub fn past(&self) -> Past {
        self.past.clone()
    }

    /// Writes what is new, and ends. The shards still have to be there.
    pub fn stop(self) {
        drop(self.stop);
        // It cannot panic but by a fault of its own, which the log has.
        drop(self.thread.join());
    }
}

/// Notes that a process begins which keeps no files, if others before it did: what they have ends there, and
/// what the next one keeps goes on later.
///
/// # Errors
/// The directory cannot be written to.
pub fn note_none(dir: &Path, asker: &Asker) -> io::Result<()> {
    note_none_at(dir, asker.shared.now().unix_ms)
}

fn note_none_at(dir: &Path, unix_ms: u64) -> io::Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    let is_open = dir.join(OPEN).exists();
    match numbers(dir)?.last() {
        None if !is_open => return Ok(()),
        // The process before this one has noted the same, and nothing came since.
        Some(last) if !is_open && fs::metadata(path_of(dir, *last))?.len() == NONE_BYTES => {
            return Ok(());
        }
        _ => {}
    }
    let number = put_open_away(dir)?;
    Writer::new(dir, number, u64::MAX)?.start_without(unix_ms)
}

/// What the shards have seen that is not written.
fn recordings(asker: &Asker, writer: &Writer) -> Option<Vec<Recording>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    runtime.block_on(async {
        let mut all = Vec::new();
        for shard in 0..asker.shards() {
            let request = Request::RecordingSince(writer.seen(shard));
            let answer = asker.ask(ShardId(shard), request).await.ok()?;
            if let Answer::Recording(recording) = answer {
                all.push(*recording);
            }
        }
        Some(all)
    })
}
