//! Keeps what the flight recorders have seen on disk, so that last night's fault has an answer after
//! this morning's restart.
//!
//! ```text
//! file  := frame*                     NNNNNNNN.rec, the lowest number is the oldest
//! frame := kind:u8 len:u32 crc32c:u32 body      big-endian; the checksum is that of the body
//! kind  := 1 a chunk of a tape (see the recorder)    2 a start: unix_ms:u64    3 an end
//! ```
//! Chunks that are full are appended; those that are being written stand in `open.rec`, which is
//! replaced each time. A start that follows no end tells that something is missing between them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use columba_broker::query::{Answer, Request};
use columba_broker::recorder::{Chunk, Line, Recording, TapeName};

use crate::runtime::Asker;

/// How often what is new is written: what a process that is killed has seen since is lost.
const INTERVAL: Duration = Duration::from_secs(30);
/// Bytes of a file, more or less.
const FILE_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of all files that are kept, more or less.
const FILES_BYTES_MAX: u64 = 8 * FILE_BYTES;
/// Files that are kept: a broker that is started again and again makes two small ones each time.
const FILES_MAX: usize = 200;

const CHUNK: u8 = 1;
const START: u8 = 2;
const END: u8 = 3;
const HEAD_BYTES: usize = 9;
const OPEN: &str = "open.rec";

/// What earlier processes have recorded. It is read when somebody asks, and takes no memory else.
#[derive(Clone, Debug, Default)]
pub struct Past(Option<Arc<Earlier>>);

/// The files of earlier processes.
#[derive(Debug)]
struct Earlier {
    dir: PathBuf,
    /// The first file of this process.
    end: u64,
    /// When this process began.
    started_ms: u64,
}

impl Past {
    /// Puts what was recorded before to what is recorded now. Reads up to 64 MiB from the disk: not
    /// for a thread that others wait for.
    pub(crate) fn before(&self, now: Vec<Recording>) -> Vec<Recording> {
        let Some(earlier) = &self.0 else { return now };
        let mut all = earlier.read().unwrap_or_else(|error| {
            tracing::warn!(
                directory = %earlier.dir.display(), %error,
                "what the flight recorder saw before the start cannot be read"
            );
            BTreeMap::new()
        });
        for mut recording in now {
            if let Some(past) = all.remove(&recording.shard) {
                recording.chunks.splice(..0, past.chunks);
                recording.overwritten += past.overwritten;
                recording.left_out += past.left_out;
                recording.holes.splice(..0, past.holes);
            }
            all.insert(recording.shard, recording);
        }
        all.into_values().collect()
    }
}

/// Writes what the recorders see, on a thread of its own.
#[derive(Debug)]
pub struct RecorderFiles {
    past: Past,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl RecorderFiles {
    /// Reads what is there and begins to write.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn start(dir: &Path, asker: Asker) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let end = put_open_away(dir)?;
        make_room(dir)?;
        let started_ms = asker.shared.now().unix_ms;
        let past = Past(Some(Arc::new(Earlier {
            dir: dir.to_owned(),
            end,
            started_ms,
        })));
        let mut writer = Writer::new(dir, end)?;
        writer.append(START, &started_ms.to_be_bytes())?;
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
                    let mut written = recordings(&asker).map_or(Ok(()), |all| writer.write(&all));
                    if is_over && written.is_ok() {
                        written = writer.append(END, &[]);
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

    /// What earlier processes have recorded.
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

fn recordings(asker: &Asker) -> Option<Vec<Recording>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    let answers = runtime.block_on(asker.ask_all(&Request::Recording)).ok()?;
    let recording = |answer| match answer {
        Answer::Recording(recording) => Some(*recording),
        _ => None,
    };
    answers.into_iter().map(recording).collect()
}

struct Writer {
    dir: PathBuf,
    number: u64,
    file: File,
    bytes: u64,
    /// The first entry of the next chunk to be written, by shard and tape.
    next: BTreeMap<(u16, TapeName), u64>,
    /// Bytes of the chunks in `open.rec`.
    open_bytes: usize,
}

impl Writer {
    fn new(dir: &Path, number: u64) -> io::Result<Self> {
        Ok(Self {
            dir: dir.to_owned(),
            number,
            file: File::create_new(path_of(dir, number))?,
            bytes: 0,
            next: BTreeMap::new(),
            open_bytes: 0,
        })
    }

    fn append(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        if self.bytes >= FILE_BYTES {
            self.number += 1;
            self.file = File::create_new(path_of(&self.dir, self.number))?;
            self.bytes = 0;
            make_room(&self.dir)?;
        }
        let frame = frame(kind, body);
        // Behind a frame that is cut nothing would be found: after a failure the next begins a file.
        let before = std::mem::replace(&mut self.bytes, FILE_BYTES);
        self.file.write_all(&frame)?;
        self.bytes = before + frame.len() as u64;
        Ok(())
    }

    /// Writes what is new.
    fn write(&mut self, recordings: &[Recording]) -> io::Result<()> {
        let mut open = Vec::new();
        for recording in recordings {
            for tape in [TapeName::Events, TapeName::Excess, TapeName::Ledger] {
                let chunks = recording.chunks.iter().filter(|chunk| chunk.tape() == tape);
                let mut chunks: Vec<_> = chunks.collect();
                // The last one may be written on.
                let last = chunks.pop();
                let next = (recording.shard, tape);
                for chunk in chunks {
                    if chunk.sequence() < self.next.get(&next).copied().unwrap_or(0) {
                        continue;
                    }
                    let mut body = Vec::new();
                    chunk.write(&mut body);
                    self.append(CHUNK, &body)?;
                    self.next.insert(next, chunk.sequence() + 1);
                }
                if let Some(chunk) = last {
                    let mut body = Vec::new();
                    chunk.write(&mut body);
                    open.extend(frame(CHUNK, &body));
                }
            }
        }
        if open.len() == self.open_bytes {
            return Ok(());
        }
        self.open_bytes = open.len();
        let temporary = self.dir.join("open.tmp");
        fs::write(&temporary, &open)?;
        fs::rename(temporary, self.dir.join(OPEN))
    }
}

fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.rec"))
}

/// Removes the oldest files above the bounds.
fn make_room(dir: &Path) -> io::Result<()> {
    let numbers = numbers(dir)?;
    let (mut bytes, mut kept) = (0, 0);
    for number in numbers.into_iter().rev() {
        let path = path_of(dir, number);
        bytes += fs::metadata(&path)?.len();
        kept += 1;
        if bytes > FILES_BYTES_MAX || kept > FILES_MAX {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The numbers of the files, lowest first.
fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".rec"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend((body.len() as u32).to_be_bytes());
    frame.extend(crc32c::crc32c(body).to_be_bytes());
    frame.extend(body);
    frame
}

/// Takes a frame off the front; `None` at the end, or where the rest is none.
fn take_frame<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (head, after) = rest.split_first_chunk::<HEAD_BYTES>()?;
    let [kind, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let len = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    let (body, after) = after.split_at_checked(len)?;
    if crc32c::crc32c(body) != u32::from_be_bytes([c0, c1, c2, c3]) {
        return None;
    }
    *rest = after;
    Some((kind, body))
}

/// What is gathered while files are read.
#[derive(Default)]
struct Reading {
    shards: BTreeMap<u16, Recording>,
    /// When the last entry was, if its process has not ended in order since.
    unfinished_ms: Option<u64>,
    holes: Vec<(u64, u64)>,
}

/// Gives what was open when the last process ended its number; tells that of the next file.
fn put_open_away(dir: &Path) -> io::Result<u64> {
    let next = numbers(dir)?.last().map_or(0, |last| last + 1);
    match fs::rename(dir.join(OPEN), path_of(dir, next)) {
        Ok(()) => Ok(next + 1),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(next),
        Err(error) => Err(error),
    }
}

impl Earlier {
    fn read(&self) -> io::Result<BTreeMap<u16, Recording>> {
        let mut reading = Reading::default();
        let mut numbers = numbers(&self.dir)?;
        numbers.retain(|number| *number < self.end);
        for number in &numbers {
            match fs::read(path_of(&self.dir, *number)) {
                Ok(bytes) => reading.take(&bytes),
                // It has just been removed to make room.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        reading.start(self.started_ms);
        let is_cut = numbers.first().is_some_and(|first| *first > 0);
        for recording in reading.shards.values_mut() {
            recording.holes.clone_from(&reading.holes);
            // How much there was in files that are gone is not known: something.
            recording.overwritten += u64::from(is_cut);
        }
        Ok(reading.shards)
    }
}

impl Reading {
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some((kind, body)) = take_frame(&mut bytes) {
            match kind {
                CHUNK => {
                    if let Ok(chunk) = Chunk::read(body) {
                        self.add(chunk);
                    }
                }
                START => {
                    if let Some((ms, _)) = body.split_first_chunk() {
                        self.start(u64::from_be_bytes(*ms));
                    }
                }
                END => self.unfinished_ms = None,
                _ => {}
            }
        }
    }

    fn start(&mut self, at_ms: u64) {
        if let Some(last_ms) = self.unfinished_ms.take() {
            self.holes.push((last_ms, at_ms));
        }
        self.unfinished_ms = Some(at_ms);
    }

    fn add(&mut self, chunk: Chunk) {
        // What was open at the end of a process is read behind its end.
        if let Some(last_ms) = &mut self.unfinished_ms {
            for line in chunk.entries() {
                let at_ms = match line {
                    Ok(Line::Entry(entry)) => entry.unix_ms,
                    Ok(Line::Gap { unix_ms, .. }) => unix_ms,
                    Err(_) => continue,
                };
                *last_ms = at_ms.max(*last_ms);
            }
        }
        let shard = self
            .shards
            .entry(chunk.shard())
            .or_insert_with(|| Recording {
                shard: chunk.shard(),
                ..Recording::default()
            });
        // What was open once may have been filled since.
        let is_same = |other: &Arc<Chunk>| {
            other.tape() == chunk.tape()
                && other.sequence() == chunk.sequence()
                && other.unix_ms() == chunk.unix_ms()
        };
        match shard.chunks.iter_mut().find(|other| is_same(other)) {
            Some(other) if other.len_bytes() >= chunk.len_bytes() => {}
            Some(other) => *other = Arc::new(chunk),
            None => shard.chunks.push(Arc::new(chunk)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &Path, all: &[&[u8]]) {
        for (number, bytes) in all.iter().enumerate() {
            fs::write(path_of(dir, number as u64), bytes).unwrap();
        }
    }

    #[test]
    fn a_start_without_an_end_before_it_leaves_a_hole() {
        let dir = tempfile::tempdir().unwrap();
        let start = |ms: u64| frame(START, &ms.to_be_bytes());
        let end = frame(END, &[]);
        let first = [start(1000), end.clone(), start(2000)].concat();
        let second = [start(3000), end].concat();
        files(dir.path(), &[&first, &second]);
        let mut reading = Reading::default();
        for number in numbers(dir.path()).unwrap() {
            reading.take(&fs::read(path_of(dir.path(), number)).unwrap());
        }
        reading.start(4000);
        assert_eq!(reading.holes, [(2000, 3000)]);
    }

    #[test]
    fn a_broker_that_is_started_again_and_again_leaves_a_bounded_number_of_files() {
        let dir = tempfile::tempdir().unwrap();
        let all = vec![&b"x"[..]; FILES_MAX + 10];
        files(dir.path(), &all);
        make_room(dir.path()).unwrap();
        let left = numbers(dir.path()).unwrap();
        assert_eq!((left.len(), left.first()), (FILES_MAX, Some(&10)));
    }

    #[test]
    fn any_damage_to_a_file_costs_the_rest_of_it_at_most() {
        let whole = [
            frame(START, &7_u64.to_be_bytes()),
            frame(CHUNK, b"no chunk"),
            frame(END, &[]),
        ]
        .concat();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            let dir = tempfile::tempdir().unwrap();
            files(dir.path(), &[&bytes, &whole[..at]]);
            let end = put_open_away(dir.path()).unwrap();
            assert_eq!(end, 2);
            let dir = dir.path().to_owned();
            let earlier = Earlier {
                dir,
                end,
                started_ms: 9,
            };
            assert!(earlier.read().unwrap().is_empty());
        }
    }
}
