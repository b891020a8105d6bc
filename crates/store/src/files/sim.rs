//! A disk in memory that loses power, tears writes, fills up, fails and forgets, by a seed.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::files::{Files, LockError, Name};

const SECTOR: usize = 512;

/// What goes wrong on a [`SimDisk`], and when.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The disk stops working at this operation that changes something, counted from 0, as if
    /// power were lost in its middle. [`SimDisk::restart`] brings it back.
    pub crash_at: Option<u64>,
    /// The sync with this number, counted from 0, fails, and what it should have written is
    /// dropped: the kernel marks the pages clean and forgets the error.
    pub fail_sync_at: Option<u64>,
    /// How many bytes fit. Reserved room counts.
    pub capacity: Option<u64>,
    /// No file can be made or opened, for the system's reason with this number: there are no descriptors.
    pub create_error: Option<i32>,
    /// From this operation on, counted as for `crash_at`, one write finds the disk full in its
    /// middle, although room was reserved: file systems that copy on write do not keep it.
    pub full_at: Option<u64>,
    /// A place that cannot be read: a file, and the first byte and the one after the last.
    pub unreadable: Option<(Name, u64, u64)>,
}

/// A disk in memory. Clones are views of the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    random: u64,
    faults: Faults,
    operations: u64,
    syncs: u64,
    is_down: bool,
    /// Which inode goes by which name, now and on the platter.
    names: BTreeMap<Name, u64>,
    names_durable: BTreeMap<Name, u64>,
    /// Changes of names since the last sync of the directory, in order.
    renames: Vec<BTreeMap<Name, u64>>,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    /// The write in whose middle the disk stopped.
    interrupted: Option<Interrupted>,
}

/// A write that did not return.
#[derive(Debug)]
struct Interrupted {
    inode: u64,
    offset: u64,
    /// What was there before.
    before: Vec<u8>,
    /// How long the file was.
    length: u64,
}

#[derive(Debug, Default, Clone)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync, in order.
    unsynced: Vec<Change>,
    /// What is reserved on the disk.
    reserved: u64,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

impl SimDisk {
    /// An empty disk. The same seed and the same operations give the same faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                random: seed,
                faults: Faults::default(),
                operations: 0,
                syncs: 0,
                is_down: false,
                names: BTreeMap::new(),
                names_durable: BTreeMap::new(),
                renames: Vec::new(),
                inodes: BTreeMap::new(),
                next_inode: 0,
                interrupted: None,
            })),
        }
    }

    /// Decides what goes wrong from here on.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// How many operations have changed something since the last restart.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// How many bytes are taken.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.state().used()
    }

    /// How many syncs there were since the last restart.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Whether the disk has stopped.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.state().is_down
    }

    /// Power comes back: of what was not synced, each write is there, gone or torn, the file is longer or
    /// not, and of the changes of names the first so many are there. No faults are set afterwards.
    pub fn restart(&self) {
        self.state().restart();
    }

    /// The process dies and the machine lives on: nothing is lost of what was written. Of a write in
    /// whose middle it died the first so many bytes are there; if it was to make the file longer, that
    /// ends with them, or is as long already and has zeros behind them.
    pub fn restart_process(&self) {
        let mut state = self.state();
        state.cut_short();
        state.is_down = false;
        state.operations = 0;
        state.syncs = 0;
        state.faults = Faults::default();
    }

    /// The content of a file.
    #[must_use]
    pub fn content(&self, name: Name) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.inodes.get(state.names.get(&name)?)?;
        Some(inode.now.clone())
    }

    /// Changes the content of a file behind the log's back.
    pub fn damage(&self, name: Name, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let id = state.names.get(&name).copied();
        if let Some(inode) = id.and_then(|id| state.inodes.get_mut(&id)) {
            change(&mut inode.now);
            inode.durable.clone_from(&inode.now);
            inode.unsynced.clear();
        }
    }

    /// Removes a file behind the log's back.
    pub fn lose(&self, name: Name) {
        let mut state = self.state();
        state.names.remove(&name);
        state.names_durable = state.names.clone();
        state.renames.clear();
    }

    /// The names of the files that are there.
    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        self.state().names.keys().copied().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere leaves the disk as it was.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn draw(&mut self, below: u64) -> u64 {
        // splitmix64
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    /// Decides how much of an interrupted write is there.
    fn cut_short(&mut self) {
        let Some(of) = self.interrupted.take() else {
            return;
        };
        let kept = self.draw(of.before.len() as u64 + 1) as usize;
        let is_longer = of.offset + of.before.len() as u64 > of.length;
        let is_cut = is_longer && self.draw(2) == 0;
        let Some(inode) = self.inodes.get_mut(&of.inode) else {
            return;
        };
        let rest = of.before.get(kept..).unwrap_or_default();
        put(&mut inode.now, of.offset + kept as u64, rest);
        if let Some(Change::Write(_, bytes)) = inode.unsynced.last_mut() {
            bytes.truncate(kept);
        }
        if is_cut {
            let length = of.length.max(of.offset + kept as u64);
            inode.now.truncate(length as usize);
        }
        let length = inode.now.len() as u64;
        if length > of.length {
            inode.unsynced.push(Change::Length(length));
        }
    }

    fn restart(&mut self) {
        self.interrupted = None;
        // A journal commits changes of names in order: a prefix of them is there.
        let kept = self.draw(self.renames.len() as u64 + 1);
        for change in self.renames.drain(..).take(kept as usize) {
            self.names_durable = change;
        }
        self.names = self.names_durable.clone();
        for id in self.inodes.keys().copied().collect::<Vec<_>>() {
            self.settle(id);
        }
        let named: Vec<u64> = self.names.values().copied().collect();
        self.inodes.retain(|id, _| named.contains(id));
        self.is_down = false;
        self.operations = 0;
        self.syncs = 0;
        self.faults = Faults::default();
    }

    /// Decides which unsynced changes of a file are there.
    fn settle(&mut self, id: u64) {
        let Some(mut inode) = self.inodes.remove(&id) else {
            return;
        };
        for change in std::mem::take(&mut inode.unsynced) {
            match change {
                Change::Length(length) => {
                    if self.draw(2) == 0 {
                        inode.durable.resize(length as usize, 0);
                    }
                }
                Change::Write(offset, bytes) => self.settle_write(&mut inode, offset, &bytes),
            }
        }
        inode.now.clone_from(&inode.durable);
        self.inodes.insert(id, inode);
    }

    fn settle_write(&mut self, inode: &mut Inode, offset: u64, bytes: &[u8]) {
        let end = offset as usize + bytes.len();
        // How long a file is may be on the disk before what stands in it.
        if end > inode.durable.len() && self.draw(3) == 0 {
            inode.durable.resize(end, 0);
        }
        let fate = self.draw(4);
        match fate {
            0 => {}
            1 => put(&mut inode.durable, offset, bytes),
            // The first so many bytes.
            2 => {
                let kept = self.draw(bytes.len() as u64 + 1) as usize;
                put(
                    &mut inode.durable,
                    offset,
                    bytes.get(..kept).unwrap_or(bytes),
                );
            }
            // Any of its sectors; those that are not there hold zeros, junk or what was there.
            _ => {
                let mut at = offset;
                let mut rest = bytes;
                while !rest.is_empty() {
                    let room = SECTOR - (at as usize % SECTOR);
                    let (sector, after) = rest.split_at(room.min(rest.len()));
                    match self.draw(8) {
                        0..=3 => put(&mut inode.durable, at, sector),
                        // A block that was never written shows what it held for somebody else. One
                        // that was keeps its old content: a disk writes a sector or does not.
                        4 if is_blank(&inode.durable, at, sector.len()) => {
                            let junk: Vec<u8> =
                                sector.iter().map(|_| self.draw(256) as u8).collect();
                            put(&mut inode.durable, at, &junk);
                        }
                        _ => {}
                    }
                    at += sector.len() as u64;
                    rest = after;
                }
            }
        }
    }

    /// Counts an operation that changes something; fails if the disk stops at it. The second value
    /// is whether it stops in the middle of this very operation.
    fn operate(&mut self) -> io::Result<bool> {
        if self.is_down {
            return Err(io::Error::other("the disk is down"));
        }
        let number = self.operations;
        self.operations += 1;
        self.is_down = self.faults.crash_at == Some(number);
        Ok(self.is_down)
    }

    fn inode(&mut self, name: Name) -> io::Result<&mut Inode> {
        let id = self.names.get(&name).copied();
        id.and_then(|id| self.inodes.get_mut(&id))
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// How many bytes are taken; a file without a name takes none.
    fn used(&self) -> u64 {
        let named = self.names.values().filter_map(|id| self.inodes.get(id));
        named.map(|i| i.reserved.max(i.now.len() as u64)).sum()
    }

    fn names_changed(&mut self) {
        self.renames.push(self.names.clone());
    }

    /// How much of `bytes` more fits.
    fn room(&self, bytes: u64) -> u64 {
        let capacity = self.faults.capacity.unwrap_or(u64::MAX);
        bytes.min(capacity.saturating_sub(self.used()))
    }
}

fn put(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = offset as usize;
    let end = start + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(start..end) {
        place.copy_from_slice(bytes);
    }
}

/// Whether nothing has been written to a place.
fn is_blank(content: &[u8], offset: u64, length: usize) -> bool {
    let rest = content.get(offset as usize..).unwrap_or_default();
    rest.iter().take(length).all(|byte| *byte == 0)
}

fn down() -> io::Error {
    io::Error::other("power was lost")
}

impl Files for SimDisk {
    fn lock(&mut self) -> Result<(), LockError> {
        Ok(())
    }

    fn list(&mut self) -> io::Result<Vec<Name>> {
        Ok(self.names())
    }

    fn create(&mut self, name: Name) -> io::Result<()> {
        let mut state = self.state();
        let stops = state.operate()?;
        if let Some(code) = state.faults.create_error {
            return Err(io::Error::from_raw_os_error(code));
        }
        let id = state.next_inode;
        state.next_inode += 1;
        state.inodes.insert(id, Inode::default());
        state.names.insert(name, id);
        state.names_changed();
        if stops { Err(down()) } else { Ok(()) }
    }

    fn allocate(&mut self, name: Name, bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        let stops = state.operate()?;
        let inode = state.inode(name)?;
        let more = bytes.saturating_sub(inode.reserved.max(inode.now.len() as u64));
        if state.room(more) < more {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = state.inode(name)?;
        inode.reserved = inode.reserved.max(bytes);
        if (inode.now.len() as u64) < bytes {
            inode.now.resize(bytes as usize, 0);
            inode.unsynced.push(Change::Length(bytes));
        }
        if stops { Err(down()) } else { Ok(()) }
    }

    fn length(&mut self, name: Name) -> io::Result<u64> {
        Ok(self.state().inode(name)?.now.len() as u64)
    }

    fn read_at(&mut self, name: Name, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        if state.is_down {
            return Err(down());
        }
        if let Some((bad, start, end)) = state.faults.unreadable
            && bad == name
            && offset < end
            && start < offset + buffer.len() as u64
        {
            return Err(io::Error::other("input/output error"));
        }
        let inode = state.inode(name)?;
        let content = inode.now.get(offset as usize..).unwrap_or_default();
        let read = content.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..read), content.get(..read)) {
            to.copy_from_slice(from);
        }
        Ok(read)
    }

    fn write_at(&mut self, name: Name, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let stops = state.operate()?;
        let end = offset + bytes.len() as u64;
        let inode = state.inode(name)?;
        let more = end.saturating_sub(inode.reserved.max(inode.now.len() as u64));
        let room = state.room(more);
        let is_due = state.faults.full_at.is_some_and(|at| state.operations > at);
        let is_due = is_due && name != Name::Mark;
        let is_full = room < more || is_due;
        let mut kept = bytes.len() - ((more - room) as usize).min(bytes.len());
        if is_due {
            state.faults.full_at = None;
            // All of it may be there, and still it is no success.
            kept = state.draw(kept as u64 + 1).max(kept as u64 / 2) as usize;
        }
        let bytes = bytes.get(..kept).unwrap_or(bytes);
        if stops && let Some(inode) = state.names.get(&name).copied() {
            let end = (offset as usize).saturating_add(bytes.len());
            let mut before = state.inode(name)?.now.clone();
            let length = before.len() as u64;
            before.resize(before.len().max(end), 0);
            state.interrupted = Some(Interrupted {
                inode,
                offset,
                before: before
                    .get(offset as usize..end)
                    .unwrap_or_default()
                    .to_vec(),
                length,
            });
        }
        let inode = state.inode(name)?;
        put(&mut inode.now, offset, bytes);
        inode.unsynced.push(Change::Write(offset, bytes.to_vec()));
        match (stops, is_full) {
            (true, _) => Err(down()),
            (false, true) => Err(io::ErrorKind::StorageFull.into()),
            (false, false) => Ok(()),
        }
    }

    fn truncate(&mut self, name: Name, length: u64) -> io::Result<()> {
        let mut state = self.state();
        let stops = state.operate()?;
        let inode = state.inode(name)?;
        inode.now.resize(length as usize, 0);
        inode.reserved = length;
        inode.unsynced.push(Change::Length(length));
        if stops { Err(down()) } else { Ok(()) }
    }

    fn sync_data(&mut self, name: Name) -> io::Result<()> {
        let mut state = self.state();
        if state.operate()? {
            return Err(down());
        }
        let number = state.syncs;
        state.syncs += 1;
        let fails = state.faults.fail_sync_at == Some(number);
        let id = state.names.get(&name).copied();
        if fails {
            // Part of it may have reached the disk, and the cache shows all of it as clean.
            if let Some(id) = id {
                let now = state.inode(name)?.now.clone();
                state.settle(id);
                state.inode(name)?.now = now;
            }
            return Err(io::Error::other("input/output error"));
        }
        let inode = state.inode(name)?;
        // Not all that is shown: what a failed sync has dropped stays dropped.
        for change in std::mem::take(&mut inode.unsynced) {
            match change {
                Change::Length(length) => inode.durable.resize(length as usize, 0),
                Change::Write(offset, bytes) => put(&mut inode.durable, offset, &bytes),
            }
        }
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        let mut state = self.state();
        if state.operate()? {
            return Err(down());
        }
        state.names_durable = state.names.clone();
        state.renames.clear();
        Ok(())
    }

    fn rename(&mut self, from: Name, to: Name) -> io::Result<()> {
        let mut state = self.state();
        let stops = state.operate()?;
        let id = state.names.remove(&from);
        let id = id.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        state.names.insert(to, id);
        state.names_changed();
        if stops { Err(down()) } else { Ok(()) }
    }

    fn remove(&mut self, name: Name) -> io::Result<()> {
        let mut state = self.state();
        let stops = state.operate()?;
        state.names.remove(&name);
        state.names_changed();
        if stops { Err(down()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const FILE: Name = Name::Segment(1);

    /// A file with a sector on the disk, and a write of three sectors behind that.
    fn with_longer_write(seed: u64, is_interrupted: bool) -> SimDisk {
        let mut disk = SimDisk::new(seed);
        disk.create(FILE).unwrap();
        disk.sync_directory().unwrap();
        disk.write_at(FILE, 0, &[1; SECTOR]).unwrap();
        disk.sync_data(FILE).unwrap();
        let crash_at = is_interrupted.then(|| disk.operations());
        disk.set_faults(Faults {
            crash_at,
            ..Faults::default()
        });
        let written = disk.write_at(FILE, SECTOR as u64, &[2; 3 * SECTOR]);
        assert_eq!(written.is_err(), is_interrupted);
        disk
    }

    /// How long the file is, in sectors that have begun, and what is at the beginning and the end of each
    /// of those behind the first one.
    fn shape(disk: &SimDisk) -> (usize, Vec<(u8, u8)>) {
        let content = disk.content(FILE).unwrap();
        assert_eq!(content[..SECTOR], [1; SECTOR]);
        let sectors = content[SECTOR..].chunks(SECTOR);
        let ends = sectors.map(|of| (of[0], of[of.len() - 1]));
        (content.len().div_ceil(SECTOR), ends.collect())
    }

    #[test]
    fn a_loss_of_power_leaves_all_that_a_disk_may_have_of_a_write_that_makes_a_file_longer() {
        for is_interrupted in [false, true] {
            let all: BTreeSet<_> = (0..2_000)
                .map(|seed| {
                    let disk = with_longer_write(seed, is_interrupted);
                    disk.restart();
                    shape(&disk)
                })
                .collect();
            let (new, zero) = ((2, 2), (0, 0));
            for sectors in [
                vec![],
                vec![new],
                vec![new, new, new],
                vec![zero, zero, zero],
                vec![new, zero, zero],
                vec![zero, new, zero],
                vec![zero, zero, new],
                vec![zero, new],
                vec![new, zero, new],
                // In the middle of a sector.
                vec![(2, 0), zero, zero],
            ] {
                let wanted = (sectors.len() + 1, sectors);
                assert!(all.contains(&wanted), "{is_interrupted}: {wanted:?}");
            }
            // What the block held for somebody else.
            let is_junk = |of: &u8| !matches!(*of, 0 | 2);
            let mut ends = all.iter().flat_map(|(_, ends)| ends);
            assert!(ends.any(|(first, last)| is_junk(first) && is_junk(last)));
        }
    }

    #[test]
    fn a_process_that_dies_leaves_the_beginning_of_a_write_and_zeros_or_nothing_behind_it() {
        let (mut shorter, mut longer) = (0, 0);
        for seed in 0..500 {
            let mut disk = with_longer_write(seed, true);
            disk.restart_process();
            let content = disk.content(FILE).unwrap();
            let kept = content[SECTOR..].iter().filter(|byte| **byte == 2).count();
            assert_eq!(content[SECTOR..][..kept], vec![2; kept]);
            match content.len() - SECTOR - kept {
                0 => shorter += 1,
                zeros => {
                    assert_eq!(kept + zeros, 3 * SECTOR);
                    longer += 1;
                }
            }
            // What a process has seen and had synced is there whatever happens then.
            disk.sync_data(FILE).unwrap();
            disk.restart();
            assert!(disk.content(FILE) == Some(content), "{seed}");
        }
        assert!(shorter > 100 && longer > 100, "{shorter} and {longer}");
    }
}
