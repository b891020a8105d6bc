//! Real files: a process that is killed, and one that wants a directory that is in use.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong stops")]

mod model;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use columba_store::{Batch, DiskFiles, Error, LockError, Log, Options, Position};
use model::Random;

const DIRECTORY: &str = "COLUMBA_STORE_CHILD_DIRECTORY";

fn open(path: &Path) -> Result<Log<DiskFiles>, Error> {
    let mut options = Options::new(3);
    options.segment_bytes = 64 << 10;
    options.step_bytes = 4 << 10;
    let (log, found) = Log::open(DiskFiles::open(path).unwrap(), options, &mut |_| ())?;
    assert_eq!(found.damage, []);
    Ok(log)
}

/// The positions that are live. Each record names its own.
fn live(log: &mut Log<DiskFiles>) -> Vec<u64> {
    let mut found = Vec::new();
    let mut from = Position::new(0);
    while let Some(next) = log
        .replay(from, 1000, |position, record| {
            let text = position.to_string();
            assert!(record.starts_with(text.as_bytes()));
            found.push(position.value());
        })
        .unwrap()
    {
        from = next;
    }
    assert_eq!(log.take_damage(), []);
    found
}

/// What a child does: appends and releases until it is killed, and says what is durable.
#[test]
fn a_process_to_be_killed() {
    #[expect(clippy::disallowed_methods, reason = "how a test speaks to its child")]
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let mut log = open(Path::new(&directory)).unwrap();
    let there = live(&mut log);
    let mut oldest = there.first().copied().unwrap_or(0);
    let mut next = there.last().map_or(0, |last| last + 1);
    let mut random = Random(next);
    let mut out = std::io::stdout().lock();
    writeln!(out, "open {oldest} {next}").unwrap();
    loop {
        let mut batch = Batch::new();
        for _ in 0..1 + random.below(8) {
            let filling = random.below(300) as usize;
            batch.append_with(|record| record.extend(format!("{next} {:filling$}", "").bytes()));
            next += 1;
        }
        while next - oldest > 300 {
            batch.release(Position::new(oldest));
            oldest += 1;
        }
        log.commit([&batch]).unwrap().batches.remove(0).unwrap();
        writeln!(out, "durable {oldest} {next}").unwrap();
        out.flush().unwrap();
    }
}

fn start_child(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_to_be_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn reported(line: &str) -> Option<(u64, u64)> {
    let (_, numbers) = line.split_once("durable ")?;
    let (oldest, next) = numbers.split_once(' ')?;
    Some((oldest.parse().ok()?, next.parse().ok()?))
}

#[test]
fn a_killed_process_loses_nothing_that_it_reported() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random(11);
    for _ in 0..20 {
        let mut child = start_child(directory.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut last = None;
        let mut line = String::new();
        for _ in 0..8 + random.below(300) {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the child ended");
            last = reported(line.trim()).or(last);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        // The last line may have been cut off in the middle of a number.
        let whole = rest.rsplit_once('\n').map_or("", |(whole, _)| whole);
        last = whole.lines().filter_map(reported).next_back().or(last);
        let (oldest, next) = last.unwrap();
        let there = live(&mut open(directory.path()).unwrap());
        let first = there[0];
        let end = there.last().unwrap() + 1;
        assert_eq!(there, (first..end).collect::<Vec<_>>());
        // What was reported, or one commit more.
        assert!(
            first >= oldest && end >= next,
            "{first}..{end}, not {oldest}..{next}"
        );
        assert!(end <= next + 8 && first <= oldest + 8);
    }
}

#[test]
fn a_directory_in_use_is_refused_and_the_other_process_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = start_child(directory.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("durable") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the child ended");
    }
    let refused = open(directory.path()).map(|_| ()).unwrap_err();
    let mut expected = String::new();
    let path = directory.path().display();
    write!(expected, "{path} is in use by process {}", child.id()).unwrap();
    assert_eq!(refused.to_string(), expected);
    assert!(matches!(refused, Error::Locked(LockError::InUse { .. })));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(open(directory.path()).is_ok());
}
