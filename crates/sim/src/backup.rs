//! Backups of the store while the broker works, and of one whose broker has died.

use columba_store::{Error, Log, Position, SimDisk, backup};

use crate::store::Store;
use crate::world::World;

/// Live records: where they are and what they say.
type Content = Vec<(u64, Vec<u8>)>;

impl World {
    /// Somebody copies the store: the copy opens, also after a loss of power, and holds what is
    /// committed now and nothing else.
    pub(crate) fn back_up(&mut self) {
        let Some(store) = &mut self.store else { return };
        // A disk that has failed or lied may have anything.
        if store.has_failed || self.oracle.is_lenient {
            return;
        }
        let result = store.back_up().and_then(|copy| store.compare(&copy));
        if store.disk.is_down() {
            self.is_dead = true;
            return;
        }
        self.note(format_args!("a backup: {result:?}"));
        self.oracle.judge("backup", result);
    }
}

impl Store {
    /// Copies the disk to another one.
    pub(crate) fn back_up(&self) -> Result<SimDisk, String> {
        let target = SimDisk::new(self.disk.operations());
        let done = backup(&mut self.disk.clone(), &mut target.clone(), &mut |_| ());
        match done {
            // A broker that died early has left none; then there is nothing that it could find either.
            Ok(_) | Err(Error::NoStore) => Ok(target),
            Err(error) => Err(format!("no backup: {error}")),
        }
    }

    /// Compares a copy with what there is.
    pub(crate) fn compare(&mut self, copy: &SimDisk) -> Result<(), String> {
        let own = self.log().map_or_else(|| Ok(Vec::new()), content)?;
        copy.restart();
        let options = self.options().clone();
        let (mut log, found) = Log::open(copy.clone(), options, &mut |_| {})
            .map_err(|error| format!("the copy does not open: {error}"))?;
        if !found.damage.is_empty() {
            return Err(format!("the copy is damaged: {:?}", found.damage));
        }
        let copied = content(&mut log)?;
        if copied == own {
            return Ok(());
        }
        let places = |of: &Content| of.iter().map(|(at, _)| *at).collect::<Vec<_>>();
        let (copied, own) = (places(&copied), places(&own));
        Err(format!("the copy has {copied:?}, the store {own:?}"))
    }
}

fn content(log: &mut Log<SimDisk>) -> Result<Content, String> {
    let mut all = Vec::new();
    let mut from = Some(Position::new(0));
    while let Some(position) = from {
        let next = log.replay(position, 64, |position, record| {
            all.push((position.value(), record.to_vec()));
        });
        from = next.map_err(|error| error.to_string())?;
    }
    let damage = log.take_damage();
    if damage.is_empty() {
        return Ok(all);
    }
    Err(format!("{damage:?}"))
}
