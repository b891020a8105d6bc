//! What a loss of power leaves of a directory: what was synced, and any part of what was not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::chance::Chance;
use super::journal::{self, Event, Note};

/// What a disk writes whole or not at all.
const SECTOR_BYTES: u64 = 512;

/// A file, whatever its name is.
type Id = u64;

/// Names that come to mean a file, or none, at once.
type Renaming = Vec<(String, Option<Id>)>;

/// A disk below a directory. What was written is there once it was synced; names are there once
/// their directory was, in the order in which they were made.
pub(super) struct Disk {
    /// The directory as processes see it.
    seen: PathBuf,
    /// The durable bytes of each file, in a file that is called by its number.
    image: PathBuf,
    files: u64,
    durable: BTreeMap<String, Id>,
    /// The names as processes see them.
    names: BTreeMap<String, Id>,
    /// Changes of names that are not durable, each with its place in time.
    renames: Vec<(u64, Renaming)>,
    /// Changes of bytes that are not durable, each with its place in time.
    changes: BTreeMap<Id, Vec<(u64, Change)>>,
    /// Descriptors; `None` is the directory.
    open: BTreeMap<u32, Option<Id>>,
    /// Descriptors of files in directories below it. They are promised nothing.
    unpromised: BTreeSet<u32>,
    /// Places in time before those of the process that runs.
    base: u64,
    last: u64,
    /// Files that may not be the same in the directory and in the image.
    touched: BTreeSet<Id>,
    /// The names at the last [`restore`](Self::restore).
    restored: BTreeMap<String, Id>,
    /// What the very last note says: a process that was killed may not have done it.
    undone: Option<Undone>,
    has_failed: bool,
    /// What the losses of power did.
    pub(super) tally: Tally,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, data: Vec<u8> },
    Length(u64),
}

/// What is noted, and may not be done.
enum Undone {
    /// The newest change of a file.
    Change(Id),
    /// The newest renaming, which took the first of these names away; the names before it.
    Renaming(String, BTreeMap<String, Id>),
}

/// What became of changes that were not durable.
#[derive(Default, Debug)]
pub(super) struct Tally {
    pub(super) syncs: u64,
    pub(super) kept: u64,
    pub(super) torn: u64,
    pub(super) lost: u64,
    pub(super) names_lost: u64,
    /// How often the directory was compared, and nothing was missing in the journal.
    pub(super) compared: u64,
}

/// How much of what was not synced a loss of power leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Nothing,
    Everything,
    Something,
}

impl Disk {
    /// An empty disk. `seen` need not be there yet, or has to be empty.
    pub(super) fn new(seen: PathBuf, image: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&image)?;
        Ok(Self {
            seen,
            image,
            files: 0,
            durable: BTreeMap::new(),
            names: BTreeMap::new(),
            renames: Vec::new(),
            changes: BTreeMap::new(),
            open: BTreeMap::new(),
            unpromised: BTreeSet::new(),
            base: 0,
            last: 0,
            touched: BTreeSet::new(),
            restored: BTreeMap::new(),
            undone: None,
            has_failed: false,
            tally: Tally::default(),
        })
    }

    /// Takes over what a process that has ended did, and removes its journal.
    pub(super) fn absorb(&mut self, journal: &Path, chance: &mut Chance) -> anyhow::Result<()> {
        let bytes = match fs::read(journal) {
            // It was killed before it did anything.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            bytes => bytes?,
        };
        for note in journal::read(&bytes)? {
            self.take(note, chance)?;
        }
        self.settle()?;
        fs::remove_file(journal)?;
        Ok(())
    }

    /// Whether the process that has ended did what it noted last is seen in the directory, as long as
    /// its successor has not changed that.
    fn settle(&mut self) -> anyhow::Result<()> {
        match self.undone.take() {
            Some(Undone::Change(file)) => self.settle_change(file)?,
            Some(Undone::Renaming(name, before)) if self.seen.join(&name).exists() => {
                self.renames.pop();
                self.names = before;
            }
            Some(Undone::Renaming(..)) | None => {}
        }
        Ok(())
    }

    /// Has the newest change of a file be what it did.
    fn settle_change(&mut self, file: Id) -> anyhow::Result<()> {
        let newest = self.changes.get_mut(&file).and_then(|all| all.last_mut());
        let name = self.names.iter().find(|(_, id)| **id == file);
        // A file without a name is gone with its process.
        let (Some((_, change)), Some((name, _))) = (newest, name) else {
            return Ok(());
        };
        let seen = File::open(self.seen.join(name)).with_context(|| name.clone())?;
        let length = seen.metadata()?.len();
        match change {
            Change::Write { offset, data } => {
                let there = length.saturating_sub(*offset).min(data.len() as u64);
                data.truncate(usize::try_from(there)?);
                seen.read_exact_at(data, *offset)?;
            }
            Change::Length(wanted) => *wanted = length,
        }
        Ok(())
    }

    fn take(&mut self, note: Note, chance: &mut Chance) -> anyhow::Result<()> {
        if note.event == Event::Start {
            self.open.clear();
            self.unpromised.clear();
            self.base = self.last;
        }
        let now = self.base + note.number;
        self.last = now;
        self.undone = None;
        if self.is_unpromised(&note.event) {
            return Ok(());
        }
        match note.event {
            Event::Start => {}
            Event::Open {
                fd,
                name,
                creates: _,
                truncates,
            } => self.opened(now, fd, &name, truncates)?,
            Event::Close { fd } => drop(self.open.remove(&fd)),
            Event::Write { fd, offset, data } => {
                self.change(now, fd, Change::Write { offset, data })?;
            }
            Event::Length { fd, length } => self.change(now, fd, Change::Length(length))?,
            Event::Sync { fd, upto, length } => {
                self.tally.syncs += 1;
                match self.file(fd)? {
                    Some(file) => {
                        for (_, change) in self.drain(file, self.base + upto) {
                            self.apply(file, &change)?;
                        }
                        self.image_of(file)?.set_len(length)?;
                        self.touched.insert(file);
                    }
                    None => self.sync_names(self.base + upto),
                }
            }
            Event::SyncFailed { fd, upto } => {
                self.has_failed = true;
                // What was not written then never will be, whatever is synced later.
                if let Some(file) = self.file(fd)? {
                    for (_, change) in self.drain(file, self.base + upto) {
                        self.apply_some(file, change, Mood::Something, chance)?;
                    }
                }
            }
            Event::Rename { from, to } => {
                let before = self.names.clone();
                if let Some(file) = self.names.remove(&from) {
                    self.names.insert(to.clone(), file);
                    self.undone = Some(Undone::Renaming(from.clone(), before));
                    self.renames
                        .push((now, vec![(from, None), (to, Some(file))]));
                }
            }
            Event::Unlink { name } => {
                let before = self.names.clone();
                if self.names.remove(&name).is_some() {
                    self.undone = Some(Undone::Renaming(name.clone(), before));
                    self.renames.push((now, vec![(name, None)]));
                }
            }
        }
        Ok(())
    }

    /// Whether a file in a directory below this one is concerned.
    fn is_unpromised(&mut self, event: &Event) -> bool {
        match event {
            Event::Open { fd, name, .. } if name.contains('/') => {
                self.unpromised.insert(*fd);
                true
            }
            Event::Close { fd } => self.unpromised.remove(fd),
            Event::Write { fd, .. }
            | Event::Length { fd, .. }
            | Event::Sync { fd, .. }
            | Event::SyncFailed { fd, .. } => self.unpromised.contains(fd),
            Event::Start | Event::Open { .. } | Event::Rename { .. } | Event::Unlink { .. } => {
                false
            }
        }
    }

    fn opened(&mut self, now: u64, fd: u32, name: &str, truncates: bool) -> anyhow::Result<()> {
        if name.is_empty() {
            self.open.insert(fd, None);
            return Ok(());
        }
        // A name that nobody has noted: whoever made it was killed before the note.
        let file = self.names.get(name).copied();
        let is_new = file.is_none();
        let file = file.unwrap_or(self.files + 1);
        self.open.insert(fd, Some(file));
        if is_new {
            self.files = file;
            self.image_of(file)?.set_len(0)?;
            self.names.insert(name.to_owned(), file);
            self.renames
                .push((now, vec![(name.to_owned(), Some(file))]));
            self.touched.insert(file);
        } else if truncates {
            self.change(now, fd, Change::Length(0))?;
        }
        Ok(())
    }

    fn file(&self, fd: u32) -> anyhow::Result<Option<Id>> {
        let known = self.open.get(&fd).copied();
        known.with_context(|| format!("the shim's journal does not say what {fd} is"))
    }

    fn change(&mut self, now: u64, fd: u32, change: Change) -> anyhow::Result<()> {
        let file = self.file(fd)?.context("a directory was written to")?;
        self.changes.entry(file).or_default().push((now, change));
        self.touched.insert(file);
        self.undone = Some(Undone::Change(file));
        Ok(())
    }

    /// The changes of a file up to a time, which are settled now.
    fn drain(&mut self, file: Id, upto: u64) -> Vec<(u64, Change)> {
        let Some(changes) = self.changes.get_mut(&file) else {
            return Vec::new();
        };
        let count = changes.partition_point(|(at, _)| *at <= upto);
        changes.drain(..count).collect()
    }

    fn sync_names(&mut self, upto: u64) {
        let count = self.renames.partition_point(|(at, _)| *at <= upto);
        for (_, names) in self.renames.drain(..count) {
            rename(&mut self.durable, names);
        }
    }

    fn image_of(&self, file: Id) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(self.image.join(file.to_string()))
    }

    fn apply(&self, file: Id, change: &Change) -> io::Result<()> {
        let image = self.image_of(file)?;
        match change {
            Change::Write { offset, data } => image.write_all_at(data, *offset),
            Change::Length(length) => image.set_len(*length),
        }
    }

    /// Applies a change whole, in part or not at all.
    fn apply_some(
        &mut self,
        file: Id,
        change: Change,
        mood: Mood,
        chance: &mut Chance,
    ) -> io::Result<()> {
        let fate = match mood {
            Mood::Nothing => 0,
            Mood::Everything => 1,
            Mood::Something => chance.below(3),
        };
        match (fate, &change) {
            (1, _) => {
                self.tally.kept += 1;
                self.apply(file, &change)?;
            }
            (0, _) | (_, Change::Length(_)) => self.tally.lost += 1,
            (_, Change::Write { offset, data }) => {
                self.tally.torn += 1;
                let image = self.image_of(file)?;
                let mut rest = &data[..];
                let mut at = *offset;
                while !rest.is_empty() {
                    let room = SECTOR_BYTES - at % SECTOR_BYTES;
                    let (sector, behind) = rest.split_at(rest.len().min(room as usize));
                    if chance.below(2) == 0 {
                        image.write_all_at(sector, at)?;
                    }
                    at += sector.len() as u64;
                    rest = behind;
                }
            }
        }
        Ok(())
    }

    /// The power goes, and comes back: what is left is in the directory then. No process may use it
    /// any more, and what they did has to be [absorbed](Self::absorb).
    pub(super) fn lose_power(&mut self, chance: &mut Chance) -> anyhow::Result<()> {
        let mood = match chance.below(4) {
            0 => Mood::Nothing,
            1 => Mood::Everything,
            _ => Mood::Something,
        };
        self.lose(mood, chance)
    }

    fn lose(&mut self, mood: Mood, chance: &mut Chance) -> anyhow::Result<()> {
        let all = self.renames.len() as u64;
        let count = match mood {
            Mood::Nothing => 0,
            Mood::Everything => all,
            Mood::Something => chance.below(all + 1),
        };
        let kept = self.renames.drain(..).take(count as usize);
        for (_, names) in kept {
            rename(&mut self.durable, names);
        }
        self.tally.names_lost += all - count;
        for (file, changes) in std::mem::take(&mut self.changes) {
            for (_, change) in changes {
                self.apply_some(file, change, mood, chance)?;
            }
            self.grow(file, mood, chance)?;
        }
        if mood == Mood::Everything && !self.has_failed {
            self.compare()?;
        }
        let seen = self.seen.clone();
        for entry in fs::read_dir(&seen)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                spoil(&entry.path(), mood, chance)?;
            }
        }
        self.restore()
    }

    /// Room that was reserved and not synced may be there.
    fn grow(&self, file: Id, mood: Mood, chance: &mut Chance) -> io::Result<()> {
        let is_kept = match mood {
            Mood::Nothing => false,
            Mood::Everything => true,
            Mood::Something => chance.below(2) == 0,
        };
        let name = self.names.iter().find(|(_, id)| **id == file);
        if let (true, Some((name, _))) = (is_kept, name)
            && let Ok(status) = fs::metadata(self.seen.join(name))
        {
            let image = self.image_of(file)?;
            if image.metadata()?.len() < status.len() {
                image.set_len(status.len())?;
            }
        }
        Ok(())
    }

    /// Fails if the image, with everything in it, is not what processes saw: then the shim misses
    /// something, and no trial shows anything.
    fn compare(&mut self) -> anyhow::Result<()> {
        for (name, file) in &self.durable {
            if !self.touched.contains(file) {
                continue;
            }
            let seen = fs::read(self.seen.join(name)).with_context(|| name.clone())?;
            let image = fs::read(self.image.join(file.to_string()))?;
            let common = seen.len().min(image.len());
            let is_same = seen[..common] == image[..common]
                && seen[common..].iter().all(|byte| *byte == 0)
                && image[common..].iter().all(|byte| *byte == 0);
            if !is_same {
                bail!("the shim missed a change of {name}");
            }
        }
        self.tally.compared += 1;
        Ok(())
    }

    /// Makes the directory what is durable.
    fn restore(&mut self) -> anyhow::Result<()> {
        for entry in fs::read_dir(&self.seen)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !self.durable.contains_key(&name) && !entry.file_type()?.is_dir() {
                fs::remove_file(entry.path())?;
            }
        }
        for (name, file) in &self.durable {
            let is_same = self.restored.get(name) == Some(file) && !self.touched.contains(file);
            let place = self.seen.join(name);
            if !is_same || !place.exists() {
                // A new file: an old one would keep what is behind the end of a shorter one.
                let _ = fs::remove_file(&place);
                fs::copy(self.image.join(file.to_string()), &place)
                    .with_context(|| name.clone())?;
            }
        }
        for entry in fs::read_dir(&self.image)? {
            let entry = entry?;
            let file = entry.file_name().to_string_lossy().parse::<Id>();
            if !file.is_ok_and(|file| self.durable.values().any(|kept| *kept == file)) {
                fs::remove_file(entry.path())?;
            }
        }
        self.names = self.durable.clone();
        self.restored = self.durable.clone();
        self.touched.clear();
        self.open.clear();
        self.has_failed = false;
        Ok(())
    }
}

/// Takes files that are promised nothing away, whole or in part.
fn spoil(dir: &Path, mood: Mood, chance: &mut Chance) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let fate = match mood {
            Mood::Nothing => 0,
            Mood::Everything => 1,
            Mood::Something => chance.below(3),
        };
        match fate {
            0 => fs::remove_file(entry.path())?,
            1 => {}
            _ => {
                let file = OpenOptions::new().write(true).open(entry.path())?;
                file.set_len(chance.below(entry.metadata()?.len() + 1))?;
            }
        }
    }
    Ok(())
}

fn rename(names: &mut BTreeMap<String, Id>, changes: Renaming) {
    for (name, file) in changes {
        match file {
            Some(file) => names.insert(name, file),
            None => names.remove(&name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::fresh_dir;

    struct Bed {
        disk: Disk,
        chance: Chance,
        number: u64,
    }

    impl Bed {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("columba-{}-{name}", std::process::id()));
            let dir = fresh_dir(dir).expect("a directory");
            fs::create_dir(dir.join("seen")).expect("a file");
            let disk = Disk::new(dir.join("seen"), dir.join("image")).expect("a file");
            let mut bed = Self {
                disk,
                chance: Chance::new(1),
                number: 0,
            };
            bed.take(Event::Start);
            bed.open(3, "");
            bed
        }

        fn take(&mut self, event: Event) {
            self.number += 1;
            let number = self.number;
            let note = Note { number, event };
            self.disk
                .take(note, &mut self.chance)
                .expect("a sound note");
        }

        fn open(&mut self, fd: u32, name: &str) {
            self.take(Event::Open {
                fd,
                name: name.to_owned(),
                creates: true,
                truncates: false,
            });
        }

        fn write(&mut self, fd: u32, data: &[u8]) {
            self.take(Event::Write {
                fd,
                offset: 0,
                data: data.to_vec(),
            });
        }

        fn sync(&mut self, fd: u32, upto: u64, length: u64) {
            self.take(Event::Sync { fd, upto, length });
        }

        /// The process is killed with the file as given, and a successor ends without a change; then
        /// the power goes, and everything is left that can be.
        fn killed_with(&mut self, name: &str, data: &[u8]) {
            fs::write(self.disk.seen.join(name), data).expect("a file");
            self.disk.settle().expect("a file");
            self.number = 0;
            self.take(Event::Start);
            self.disk.settle().expect("a file");
            let lost = self.disk.lose(Mood::Everything, &mut self.chance);
            lost.expect("the journal and the directory agree");
        }

        /// What is left, if nothing is that need not be.
        fn left(mut self) -> Vec<(String, Vec<u8>)> {
            self.disk.renames.clear();
            self.disk.changes.clear();
            self.disk.restore().expect("a file");
            let dir = self.disk.seen.clone();
            let read =
                |(name, _): (&String, _)| (name.clone(), fs::read(dir.join(name)).expect("a file"));
            let left = self.disk.durable.iter().map(read).collect();
            fs::remove_dir_all(dir.parent().expect("a directory above")).expect("a file");
            left
        }
    }

    #[test]
    fn bytes_are_there_that_were_written_before_the_sync_began() {
        let mut bed = Bed::new("bytes");
        bed.open(4, "mark");
        bed.write(4, b"old");
        let upto = bed.number;
        bed.write(4, b"new");
        bed.sync(3, bed.number, 0);
        bed.sync(4, upto, 3);
        assert_eq!(bed.left(), [("mark".to_owned(), b"old".to_vec())]);
    }

    #[test]
    fn a_name_is_there_once_the_directory_was_synced() {
        let mut bed = Bed::new("names");
        bed.open(4, "spare");
        bed.write(4, b"x");
        bed.sync(4, bed.number, 1);
        bed.sync(3, bed.number, 0);
        bed.open(5, "other");
        bed.sync(5, bed.number, 0);
        let (from, to) = ("spare".to_owned(), "00000001.log".to_owned());
        bed.take(Event::Rename { from, to });
        assert_eq!(bed.left(), [("spare".to_owned(), b"x".to_vec())]);
    }

    #[test]
    fn a_write_that_was_noted_before_a_kill_may_be_done_in_part() {
        for there in [&b""[..], b"x", b"xy"] {
            let mut bed = Bed::new("write");
            bed.open(4, "mark");
            bed.write(4, b"xy");
            bed.killed_with("mark", there);
            assert_eq!(bed.left(), [("mark".to_owned(), there.to_vec())]);
        }
    }

    #[test]
    fn a_name_that_was_noted_before_a_kill_may_not_be_given() {
        for name in ["spare", "mark"] {
            let mut bed = Bed::new("given");
            bed.open(4, "spare");
            bed.write(4, b"x");
            let (from, to) = ("spare".to_owned(), "mark".to_owned());
            bed.take(Event::Rename { from, to });
            bed.killed_with(name, b"x");
            assert_eq!(bed.left(), [(name.to_owned(), b"x".to_vec())]);
        }
    }

    #[test]
    fn a_sync_that_follows_a_failed_one_does_not_make_up_for_it() {
        let mut lost = 0;
        for seed in 0..20 {
            let mut bed = Bed::new("failed");
            bed.chance = Chance::new(seed);
            bed.open(4, "mark");
            bed.write(4, b"x");
            let (fd, upto) = (4, bed.number);
            bed.take(Event::SyncFailed { fd, upto });
            bed.sync(4, bed.number, 1);
            bed.sync(3, bed.number, 0);
            lost += usize::from(bed.left()[0].1 == [0]);
        }
        assert!((1..20).contains(&lost), "{lost}");
    }
}
