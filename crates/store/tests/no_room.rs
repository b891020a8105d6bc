//! A look at a store in use whose process has just found no room for another segment: the file of
//! that segment is there for a moment, and the one before it is written on.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong stops")]

mod model;

use std::collections::BTreeMap;
use std::io;

use columba_store::{Files, LockError, Log, Name, SimDisk, backup};
use model::{Model, Random, content, open};

/// The disk of a process that does something between two looks at the names that are there.
struct Watched<'a> {
    disk: SimDisk,
    looks: u64,
    meanwhile: &'a mut (dyn FnMut(u64) + Send),
}

impl Files for Watched<'_> {
    fn lock(&mut self) -> Result<(), LockError> {
        self.disk.lock()
    }

    fn list(&mut self) -> io::Result<Vec<Name>> {
        (self.meanwhile)(self.looks);
        self.looks += 1;
        self.disk.list()
    }

    fn create(&mut self, name: Name) -> io::Result<()> {
        self.disk.create(name)
    }

    fn allocate(&mut self, name: Name, bytes: u64) -> io::Result<()> {
        self.disk.allocate(name, bytes)
    }

    fn length(&mut self, name: Name) -> io::Result<u64> {
        self.disk.length(name)
    }

    fn read_at(&mut self, name: Name, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.read_at(name, offset, buffer)
    }

    fn write_at(&mut self, name: Name, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_at(name, offset, bytes)
    }

    fn truncate(&mut self, name: Name, length: u64) -> io::Result<()> {
        self.disk.truncate(name, length)
    }

    fn sync_data(&mut self, name: Name) -> io::Result<()> {
        self.disk.sync_data(name)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.disk.sync_directory()
    }

    fn rename(&mut self, from: Name, to: Name) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&mut self, name: Name) -> io::Result<()> {
        self.disk.remove(name)
    }
}

/// A store in use, and all that it held at its commits.
struct Used {
    disk: SimDisk,
    log: Log<SimDisk>,
    model: Model,
    random: Random,
    states: BTreeMap<u64, Vec<(u64, Vec<u8>)>>,
}

impl Used {
    fn new(seed: u64) -> Self {
        let disk = SimDisk::new(seed);
        let (log, _) = open(&disk).unwrap();
        let mut used = Self {
            disk,
            log,
            model: Model::default(),
            random: Random(seed),
            states: BTreeMap::new(),
        };
        used.work(60);
        used
    }

    fn work(&mut self, batches: u64) {
        for _ in 0..batches {
            let batch = self.model.batch(&mut self.random, 40);
            let first = self.log.commit([&batch]).unwrap().batches.remove(0);
            self.model.apply(&batch, first.unwrap().value());
            let commit = self.log.stats().commit;
            self.states.insert(commit, self.model.content());
        }
    }

    /// The file behind the last segment, as it is before room is reserved for it.
    fn next_file(&self) -> Name {
        let last = self.disk.names().into_iter().filter_map(|name| match name {
            Name::Segment(number) => Some(number),
            _ => None,
        });
        Name::Segment(last.max().unwrap_or(0) + 1)
    }
}

/// Has the file there from one look on and gone from another on, after which the process works.
fn look_while(
    seed: u64,
    from: u64,
    looks: u64,
    batches: u64,
    look: impl FnOnce(Watched<'_>, &SimDisk) -> u64,
) {
    let mut used = Used::new(seed);
    let disk = used.disk.clone();
    let target = SimDisk::new(seed);
    let file = used.next_file();
    let mut meanwhile = |at: u64| {
        if at == from {
            used.disk.clone().create(file).unwrap();
        } else if at == from + looks {
            used.disk.clone().remove(file).unwrap();
            used.work(batches);
        }
    };
    let watched = Watched {
        disk,
        looks: 0,
        meanwhile: &mut meanwhile,
    };
    let commit = look(watched, &target);
    let (mut copy, found) = open(&target).unwrap();
    let case = format!("seed {seed}, from {from} for {looks}, {batches} batches");
    assert_eq!(found.damage, [], "{case}");
    assert_eq!(
        Some(&content(&mut copy)),
        used.states.get(&commit),
        "{case}"
    );
}

fn in_all_cases(case: impl Fn(u64, u64, u64, u64)) {
    for seed in 0..4 {
        for from in 0..12 {
            for (looks, batches) in [(1, 1), (1, 30), (2, 1), (2, 30), (5, 3), (1_000, 0)] {
                case(seed, from, looks, batches);
            }
        }
    }
}

#[test]
fn a_copy_is_what_the_store_was_at_one_commit() {
    in_all_cases(|seed, from, looks, batches| {
        look_while(seed, from, looks, batches, |mut watched, target| {
            let done = backup(&mut watched, &mut target.clone(), &mut |_| ());
            done.unwrap().commit
        });
    });
}

#[test]
fn a_look_finds_no_damage_that_is_not_there() {
    in_all_cases(|seed, from, looks, batches| {
        look_while(seed, from, looks, batches, |watched, target| {
            let disk = watched.disk.clone();
            let shown = Log::open_in_use(watched, &mut |_| ());
            let (_, found) = shown.unwrap();
            assert_eq!(found.damage, []);
            backup(&mut disk.clone(), &mut target.clone(), &mut |_| ())
                .unwrap()
                .commit
        });
    });
}
