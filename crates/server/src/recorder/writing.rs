//! Writes what is new on the tapes: full chunks to the end of a file, the others to one that is
//! replaced.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use columba_broker::recorder::{Chunk, Recording, Seen, TapeName};

use super::frame::{CHUNK, END, OFF, OPEN, START, file_bytes, frame, make_room, path_of};

pub(super) struct Writer {
    pub(super) dir: PathBuf,
    bytes_max: u64,
    pub(super) number: u64,
    file: File,
    bytes: u64,
    tapes: BTreeMap<(u16, TapeName), Progress>,
    /// When the process began.
    began_ms: u64,
    /// When the recorders were off, by when that began: until when, and whether that is written.
    off: BTreeMap<u64, (u64, bool)>,
    /// The last attempt failed: nothing of what is open counts as written.
    has_failed: bool,
}

/// How far a tape is written.
#[derive(Default)]
struct Progress {
    /// The first entry that is in no chunk at the end of a file.
    next: u64,
    /// The last chunk. It may grow.
    open: Option<Arc<Chunk>>,
    /// The first entry that it does not have.
    open_end: u64,
}

impl Writer {
    /// Begins the file with this number.
    pub(super) fn new(dir: &Path, number: u64, bytes_max: u64) -> io::Result<Self> {
        make_room(dir, bytes_max)?;
        Ok(Self {
            dir: dir.to_owned(),
            bytes_max,
            number,
            file: File::create_new(path_of(dir, number))?,
            bytes: 0,
            tapes: BTreeMap::new(),
            began_ms: 0,
            off: BTreeMap::new(),
            has_failed: false,
        })
    }

    /// A process begins.
    pub(super) fn start(&mut self, unix_ms: u64) -> io::Result<()> {
        self.began_ms = unix_ms;
        self.append(START, &unix_ms.to_be_bytes())
    }

    /// It keeps no files: nothing follows until the next one begins.
    pub(super) fn start_without(&mut self, unix_ms: u64) -> io::Result<()> {
        self.start(unix_ms)?;
        self.append_off(unix_ms, u64::MAX)
    }

    fn append_off(&mut self, from_ms: u64, to_ms: u64) -> io::Result<()> {
        let times = [from_ms.to_be_bytes(), to_ms.to_be_bytes()];
        self.append(OFF, times.as_flattened())
    }

    /// Notes when the recorders were off, once that is over: until then its end moves on.
    fn note_off(&mut self, recordings: &[Recording]) -> io::Result<()> {
        for (from_ms, to_ms) in recordings.iter().flat_map(|of| of.off.iter().copied()) {
            // Who is off from the beginning does not know when that was.
            let from_ms = from_ms.max(self.began_ms);
            let known = self.off.insert(from_ms, (to_ms, false));
            let Some((known_ms, is_written)) = known else {
                continue;
            };
            if is_written || known_ms == to_ms {
                if !is_written {
                    self.append_off(from_ms, to_ms)?;
                }
                self.off.insert(from_ms, (to_ms, true));
            }
        }
        Ok(())
    }

    /// It ends in order.
    pub(super) fn end(&mut self) -> io::Result<()> {
        for (from_ms, (to_ms, is_written)) in std::mem::take(&mut self.off) {
            if !is_written {
                self.append_off(from_ms, to_ms)?;
            }
        }
        self.append(END, &[])
    }

    fn append(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        if self.bytes >= file_bytes(self.bytes_max) {
            make_room(&self.dir, self.bytes_max)?;
            // A number that was given to a file which could not be written is not used again.
            self.number += 1;
            self.file = File::create_new(path_of(&self.dir, self.number))?;
            self.bytes = 0;
        }
        let frame = frame(kind, body);
        if let Err(error) = self.file.write_all(&frame) {
            // Behind a frame that is cut nothing would be found. A file that cannot be mended is left as it
            // is, and the next frame begins another one.
            self.bytes = self.cut_off().map_or(u64::MAX, |()| self.bytes);
            return Err(error);
        }
        self.bytes += frame.len() as u64;
        Ok(())
    }

    /// Takes what was written in part off the end of the file.
    fn cut_off(&mut self) -> io::Result<()> {
        let path = path_of(&self.dir, self.number);
        self.file = fs::OpenOptions::new().write(true).open(path)?;
        self.file.set_len(self.bytes)?;
        self.file.seek(SeekFrom::Start(self.bytes)).map(drop)
    }

    /// What of a shard's tapes is written.
    pub(super) fn seen(&self, shard: u16) -> Seen {
        let of = |tape| {
            let progress = self.tapes.get(&(shard, tape));
            progress.map_or(0, |progress| match self.has_failed {
                true => progress.next,
                false => progress.open_end.max(progress.next),
            })
        };
        Seen {
            events: of(TapeName::Events),
            excess: of(TapeName::Excess),
            ledger: of(TapeName::Ledger),
        }
    }

    /// Writes what is new. After a failure it is new still.
    pub(super) fn write(&mut self, recordings: &[Recording]) -> io::Result<()> {
        self.note_off(recordings)?;
        let is_new = recordings.iter().any(|of| !of.chunks.is_empty());
        if !is_new && !self.has_failed {
            return Ok(());
        }
        self.has_failed = true;
        for recording in recordings {
            for chunk in &recording.chunks {
                self.take(recording.shard, chunk)?;
            }
        }
        let mut open = Vec::new();
        for progress in self.tapes.values() {
            if let Some(chunk) = &progress.open {
                let mut body = Vec::new();
                chunk.write(&mut body);
                open.extend(frame(CHUNK, &body));
            }
        }
        let temporary = self.dir.join("open.tmp");
        fs::write(&temporary, &open)?;
        fs::rename(temporary, self.dir.join(OPEN))?;
        self.has_failed = false;
        Ok(())
    }

    /// A chunk, each tape's in order. The one before it is full, then.
    fn take(&mut self, shard: u16, chunk: &Arc<Chunk>) -> io::Result<()> {
        let key = (shard, chunk.tape());
        let before = self.tapes.entry(key).or_default().open.clone();
        if let Some(before) = before.filter(|before| before.sequence() < chunk.sequence()) {
            let mut body = Vec::new();
            before.write(&mut body);
            self.append(CHUNK, &body)?;
        }
        let progress = self.tapes.entry(key).or_default();
        if chunk.sequence() >= progress.next {
            progress.next = chunk.sequence();
            progress.open_end = chunk.end();
            progress.open = Some(Arc::clone(chunk));
        }
        Ok(())
    }
}

#[cfg(test)]
impl Writer {
    /// The disk has room for a few bytes of the next frame and no more.
    pub(super) fn fill_disk(&mut self) {
        let path = path_of(&self.dir, self.number);
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(&[CHUNK, 0, 0, 1, 0]).unwrap();
        let full = fs::OpenOptions::new().write(true).open("/dev/full");
        self.file = full.unwrap();
    }
}
