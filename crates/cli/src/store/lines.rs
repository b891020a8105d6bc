//! Records as lines of JSON, out of a store and into one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use columba_server::store::random_number;
use columba_speech::{Param, Text};
use columba_store::{DiskFiles, Error, Files as _, Log, Name, Options, Position};
use serde_json::{Map, Value};

use super::meaning::meaning;
use super::meter::Meter;
use super::sum::Sum;
use super::{Look, failed, failed_to_open, look, move_files, show_damage, used_by};
use crate::failure::{Failure, note};
use crate::words::{store as words, system, unreadable};

/// Records that are read in one go.
const RECORDS: usize = 1024;
/// Bytes of records that are written in one go.
const BYTES: usize = 4 << 20;

pub(super) fn export(store: &Path, to: Option<&Path>) -> Result<(), Failure> {
    let Look {
        mut log,
        mut found,
        user,
    } = look(store)?;
    used_by(user, found.commit).into_iter().for_each(note);
    let has_changed =
        |log: &mut Log<DiskFiles>| user.is_some() && !log.is_all_there().unwrap_or(false);
    let mut out: BufWriter<Box<dyn Write>> = BufWriter::new(match to {
        Some(file) => Box::new(create_private(file).map_err(|error| {
            let file = file.display().to_string();
            Failure::new(words::unmade(file, system(&error)))
        })?),
        None => Box::new(io::stdout().lock()),
    });
    let unwritten = |error| Failure::new(words::records_unwritten(system(&error)));
    // A reader that has seen enough, such as `head`, is no failure.
    let is_enough = |done: &io::Result<()>| {
        done.as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    let mut meter = Meter::new(words::writing());
    let (mut from, mut sum) = (Position::new(0), Sum::default());
    loop {
        let mut written = Ok(());
        let next = log.replay(from, RECORDS, |position, record| {
            sum.add(position, record);
            if written.is_ok() {
                written = write_line(&mut out, position, record);
            }
        });
        if is_enough(&written) {
            return Ok(());
        }
        written.map_err(unwritten)?;
        let next = match next {
            Err(_) if has_changed(&mut log) => return Err(changed(sum.records)),
            next => next.map_err(|error| failed(store, error))?,
        };
        let Some(next) = next else {
            break;
        };
        from = next;
        meter.step(sum.records, found.records);
    }
    let damage = log.take_damage();
    if !damage.is_empty() && has_changed(&mut log) {
        return Err(changed(sum.records));
    }
    let flushed = out.write_all(sum.line().as_bytes());
    let flushed = flushed.and_then(|()| out.flush());
    if is_enough(&flushed) {
        return Ok(());
    }
    flushed.map_err(unwritten)?;
    found.damage.extend(damage);
    if show_damage(&found) {
        let what = words::written_without(words::records(sum.records));
        return Err(Failure::new(what));
    }
    note(words::written(words::records(sum.records)));
    Ok(())
}

/// A file for its owner alone: it holds payloads, users and the seed of the hash tables.
fn create_private(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(file)
}

/// The broker has moved or released records before they were read.
fn changed(count: u64) -> Failure {
    let what = words::changed_meanwhile(words::records(count));
    Failure::new(what).fix(words::export_copy())
}

fn write_line(out: &mut impl Write, position: Position, record: &[u8]) -> io::Result<()> {
    let mut line = Map::new();
    line.insert("position".to_owned(), position.value().into());
    line.insert("record".to_owned(), STANDARD.encode(record).into());
    if let Some(meaning) = meaning(record) {
        line.insert("meaning".to_owned(), meaning);
    }
    serde_json::to_writer(&mut *out, &Value::Object(line))?;
    out.write_all(b"\n")
}

/// Makes the store beside its place and moves it there when it is whole.
///
/// An export ends with a line that says how many records it has; `is_unchecked` does without.
pub(super) fn import(store: &Path, from: Option<&Path>, is_unchecked: bool) -> Result<(), Failure> {
    let mut input: Box<dyn BufRead> = match from {
        Some(file) => Box::new(BufReader::new(File::open(file).map_err(|error| {
            let file = file.display().to_string();
            Failure::new(unreadable(file, system(&error)))
        })?)),
        None => Box::new(io::stdin().lock()),
    };
    // Locked to the end.
    let mut target = DiskFiles::open(store).map_err(|error| failed_to_open(store, error))?;
    let locked = target.lock();
    locked.map_err(|error| failed(store, error.into()))?;
    let there = target
        .list()
        .map_err(|error| failed_to_open(store, error))?;
    if there.iter().any(|name| *name != Name::Lock) {
        return Err(failed(store, Error::NotEmpty));
    }
    let aside = aside(store);
    if aside.exists() {
        let what = words::unfinished_import(aside.display().to_string());
        return Err(Failure::new(what).fix(format!("rm -r {}", aside.display())));
    }
    let done = fill(&aside, &mut input, is_unchecked);
    let moved = done.and_then(|count| {
        let moved = move_files(&aside, store).and_then(|()| target.sync_directory());
        let moved = moved.map_err(|error| failed_to_open(store, error));
        moved.map(|()| count)
    });
    drop(fs::remove_dir_all(&aside));
    note(words::taken_over(words::records(moved?)));
    Ok(())
}

/// `data.import` for `data`.
fn aside(store: &Path) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(".import");
    store.with_file_name(name)
}

/// Makes a store of lines; returns how many records it has.
fn fill(directory: &Path, input: &mut dyn BufRead, is_unchecked: bool) -> Result<u64, Failure> {
    let failed = |error| failed(directory, error);
    let number = random_number().map_err(|error| Failure::new(error.to_string()))?;
    let files = DiskFiles::open(directory).map_err(|error| failed_to_open(directory, error))?;
    let (mut log, _) = Log::open(files, Options::new(number), &mut |_| ()).map_err(failed)?;
    let mut part: Vec<(Position, Vec<u8>)> = Vec::new();
    let (mut bytes, mut sum, mut last) = (0, Sum::default(), None);
    let mut adopt = |part: &mut Vec<(Position, Vec<u8>)>| {
        let records: Vec<(Position, &[u8])> = part
            .iter()
            .map(|(position, record)| (*position, &record[..]))
            .collect();
        let done = log.adopt(&records);
        part.clear();
        done
    };
    let mut meter = Meter::new(words::taking_over());
    let mut done = 0;
    let mut lines = Lines::new(input);
    let mut is_ended = false;
    while let Some(value) = lines.next()? {
        let faulty = |what: Text| faulty(lines.number, what.into());
        if is_ended {
            return Err(faulty(words::behind_the_last()));
        }
        if Sum::is_line(&value) {
            if !is_unchecked {
                sum.check(&value).map_err(faulty)?;
            }
            is_ended = true;
            continue;
        }
        let (position, record) = read_record(&value).map_err(faulty)?;
        if last.is_some_and(|last| last >= position) {
            return Err(faulty(words::not_behind(position.to_string())));
        }
        last = Some(position);
        bytes += record.len();
        done += record.len() as u64;
        sum.add(position, &record);
        part.push((position, record));
        if bytes >= BYTES {
            adopt(&mut part).map_err(failed)?;
            bytes = 0;
            meter.bytes(done);
        }
    }
    if !is_ended && !is_unchecked {
        let what = words::no_last_line(words::records(sum.records));
        return Err(Failure::new(what).fix(words::export_again()).faulty());
    }
    if !part.is_empty() {
        adopt(&mut part).map_err(failed)?;
    }
    log.compact(&mut |_| ()).map_err(failed)?;
    Ok(sum.records)
}

fn faulty(line: u64, what: Param) -> Failure {
    let failure = Failure::new(words::line(line, what));
    failure.fix(words::unchanged_export()).faulty()
}

/// The objects of an export, one a line.
struct Lines<'a> {
    input: &'a mut dyn BufRead,
    line: String,
    /// Of the line that was read last.
    number: u64,
}

impl<'a> Lines<'a> {
    fn new(input: &'a mut dyn BufRead) -> Self {
        Self {
            input,
            line: String::new(),
            number: 0,
        }
    }

    fn next(&mut self) -> Result<Option<Value>, Failure> {
        loop {
            self.line.clear();
            self.number += 1;
            let read = self.input.read_line(&mut self.line);
            if read.map_err(|error| faulty(self.number, system(&error)))? == 0 {
                return Ok(None);
            }
            if self.line.trim().is_empty() {
                continue;
            }
            let value = serde_json::from_str(&self.line);
            let value = value.map_err(|error| words::no_json(error.column()));
            return value
                .map(Some)
                .map_err(|what| faulty(self.number, what.into()));
        }
    }
}

fn read_record(value: &Value) -> Result<(Position, Vec<u8>), Text> {
    let position = value.get("position").and_then(Value::as_u64);
    let position = position.ok_or_else(words::no_position)?;
    let record = value.get("record").and_then(Value::as_str);
    let record = record.ok_or_else(words::no_record)?;
    let record = STANDARD.decode(record);
    let record = record.map_err(|_| words::no_base64())?;
    Ok((Position::new(position), record))
}
