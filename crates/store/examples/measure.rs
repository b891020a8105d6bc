//! Prints what the store costs on the disk of a directory: commits, time of the processor, space,
//! and how long a log takes to open.
//!
//! `cargo run --release -p columba-store --example measure -- DIRECTORY [RECORDS] [SECONDS] [PART]`,
//! where PART is `commits`, `idle`, `recovery` or `cycles` and all are measured without it.
#![expect(clippy::print_stdout, reason = "it is what the program is for")]
#![expect(clippy::disallowed_methods, reason = "time is what is being measured")]

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use columba_store::{Batch, DiskFiles, Log, Options, Position};
use rustix::time::{ClockId, clock_gettime};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().ok_or("name a directory")?;
    let records = arguments.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let seconds = arguments.next().map_or(Ok(2.0), |n| n.parse())?;
    let part = arguments.next();
    let is_wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let directory = Path::new(&parent).join("columba-store-measure");
    if is_wanted("commits") {
        println!(
            "record  batch  records/s  CPU us/record  commit p50 us     p99   p99.9   worst  \
             bytes/record"
        );
        for bytes in [100, 1024] {
            for batch in [1, 32, 1024] {
                commits(&directory, bytes, batch, Duration::from_secs_f64(seconds))?;
            }
        }
    }
    if is_wanted("idle") {
        idle(&directory, Duration::from_secs_f64(seconds))?;
    }
    if is_wanted("recovery") {
        recovery(&directory, records)?;
    }
    if is_wanted("cycles") {
        cycles(&directory, records)?;
    }
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

fn open(directory: &Path) -> Result<Log<DiskFiles>> {
    let (log, found) = Log::open(DiskFiles::open(directory)?, Options::new(1), &mut |_| ())?;
    if !found.damage.is_empty() {
        return Err(format!("{:?}", found.damage).into());
    }
    Ok(log)
}

fn open_empty(directory: &Path) -> Result<Log<DiskFiles>> {
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    open(directory)
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Appends with a sync for each batch. The records of the batch before the last are released, so
/// the log stays short.
fn commits(directory: &Path, bytes: usize, size: u64, time: Duration) -> Result<()> {
    let mut log = open_empty(directory)?;
    let record = vec![b'x'; bytes];
    let mut batch = Batch::new();
    let mut took = Vec::new();
    let mut kept: Vec<Position> = Vec::new();
    let (start, processor) = (Instant::now(), processor_time());
    let mut appended_bytes = 0;
    while start.elapsed() < time {
        batch.clear();
        (0..size).for_each(|_| batch.append(&record));
        appended_bytes += batch.bytes_on_disk();
        kept.drain(..).for_each(|position| batch.release(position));
        let before = Instant::now();
        let first = log.commit([&batch])?.batches.remove(0)?;
        took.push(before.elapsed());
        kept.extend((first.value()..first.value() + size).map(Position::new));
    }
    let (elapsed, processor) = (start.elapsed(), processor_time() - processor);
    took.sort_unstable();
    let records = took.len() as u64 * size;
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_micros();
    println!(
        "{bytes:6} {size:6} {:10.0} {:14.2} {:14} {:7} {:7} {:7} {:13.1}",
        records as f64 / elapsed.as_secs_f64(),
        processor.as_secs_f64() * 1e6 / records as f64,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        appended_bytes as f64 / records as f64,
    );
    Ok(())
}

/// What a commit of one record takes at 200 a second, and beside it what the disk alone takes: a write
/// into a file that has been written before, and `fdatasync`. A disk that has just slept is slower
/// than a busy one, so the one is no yardstick for the other.
fn idle(directory: &Path, time: Duration) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(5);
    const FILE_BYTES: u64 = 8 << 20;
    let mut log = open_empty(directory)?;
    let mut batch = Batch::new();
    let file = File::create(directory.join("yardstick"))?;
    file.write_all_at(&vec![0; FILE_BYTES as usize], 0)?;
    file.sync_all()?;
    let (mut commits, mut bare, mut at) = (Vec::new(), Vec::new(), 0);
    let start = Instant::now();
    while start.elapsed() < time {
        std::thread::sleep(PAUSE);
        let before = Instant::now();
        file.write_all_at(&[b'x'; 160], at)?;
        file.sync_data()?;
        bare.push(before.elapsed());
        at = (at + 160) % (FILE_BYTES - 160);
        std::thread::sleep(PAUSE);
        batch.clear();
        batch.append(&[b'x'; 100]);
        let before = Instant::now();
        log.commit([&batch])?;
        commits.push(before.elapsed());
    }
    for (name, mut took) in [("write and fdatasync", bare), ("commit", commits)] {
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_micros();
        println!(
            "200 a second, {name}: p50 {} us, p90 {} us, p99 {} us",
            at(0.5),
            at(0.9),
            at(0.99)
        );
    }
    Ok(())
}

fn resident_bytes() -> Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).ok_or("statm")?.parse()?;
    Ok(pages * 4096)
}

/// How long a log with so many live records of 100 bytes takes to open and to replay.
fn recovery(directory: &Path, records: u64) -> Result<()> {
    let mut log = open_empty(directory)?;
    let mut batch = Batch::new();
    for n in 0..records {
        batch.append(&[n as u8; 100]);
        if batch.records().len() == 1024 || n + 1 == records {
            log.commit([&batch])?;
            batch.clear();
        }
    }
    let disk = log.stats().disk_bytes;
    drop(log);
    let memory = resident_bytes()?;
    let start = Instant::now();
    let mut log = open(directory)?;
    let opened = start.elapsed();
    let index = resident_bytes()?.saturating_sub(memory);
    let (mut from, mut count) = (Position::new(0), 0_u64);
    while let Some(next) = log.replay(from, 10_000, |_, _| count += 1)? {
        from = next;
    }
    println!(
        "{count} live records of 100 bytes: {} MB on disk, opened in {opened:.2?} with {} MB more \
         memory, replayed in {:.2?}",
        disk >> 20,
        index >> 20,
        start.elapsed() - opened
    );
    Ok(())
}

/// Appends and releases ten times as many records, of which a hundred thousandth part stays.
fn cycles(directory: &Path, records: u64) -> Result<()> {
    let mut log = open_empty(directory)?;
    let mut batch = Batch::new();
    let (mut next, mut oldest, mut most) = (0, 0, 0);
    let mut took = Vec::new();
    let (start, processor) = (Instant::now(), processor_time());
    let (mut told, mut part_start) = (0, start);
    while next < 10 * records {
        batch.clear();
        for _ in 0..64 {
            batch.append(&[next as u8; 100]);
            next += 1;
        }
        while next - oldest > 10_000 {
            if oldest % 100_000 != 0 {
                batch.release(Position::new(oldest));
            }
            oldest += 1;
        }
        let before = Instant::now();
        log.commit([&batch])?;
        took.push(before.elapsed());
        most = most.max(log.stats().disk_bytes);
        if next >= told + records {
            let (secs, mb) = (
                part_start.elapsed().as_secs_f64(),
                log.stats().disk_bytes >> 20,
            );
            println!(
                "{next:10} cycles: {:8.0}/s, {mb} MB on disk",
                (next - told) as f64 / secs
            );
            (told, part_start) = (next, Instant::now());
        }
    }
    let (elapsed, processor) = (start.elapsed(), processor_time() - processor);
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_micros();
    let stats = log.stats();
    println!(
        "{next} cycles of append and release, 64 a commit: {:.0}/s, CPU {:.2} us each, commit p50 \
         {} us, p99 {} us, p99.9 {} us, worst {} us; at most {} MB on disk, {} MB live at the end, \
         {} segments reclaimed, {} MB moved",
        next as f64 / elapsed.as_secs_f64(),
        processor.as_secs_f64() * 1e6 / next as f64,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        most >> 20,
        stats.live_bytes >> 20,
        stats.segments_removed,
        stats.moved_bytes >> 20,
    );
    Ok(())
}
