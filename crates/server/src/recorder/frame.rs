//! Frames, and the files that they stand in. `docs/recorder-format.md` has them byte by byte.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A chunk of a tape.
pub(super) const CHUNK: u8 = 1;
/// A process begins.
pub(super) const START: u8 = 2;
/// A process ended in order.
pub(super) const END: u8 = 3;

/// The recorder was off from a time to another one.
pub(super) const OFF: u8 = 4;

const HEAD_BYTES: usize = 9;

/// How long a file is that says that a process keeps none: its start, and that it is off from then on.
pub(super) const NONE_BYTES: u64 = 2 * HEAD_BYTES as u64 + 8 + 16;

/// The file of the chunks that are being written.
pub(super) const OPEN: &str = "open.rec";

/// Files that are kept: a broker that is started again and again makes two small ones each time.
pub(super) const FILES_MAX: usize = 200;

/// The highest number: another process a microsecond would need years for it.
const NUMBER_MAX: u64 = 1 << 48;

/// Parts that the bytes of all files are divided into: the oldest of them goes at a time.
const PARTS: u64 = 8;

/// How large a file becomes, more or less, if so much is kept in all.
pub(super) const fn file_bytes(bytes_max: u64) -> u64 {
    bytes_max / PARTS
}

pub(super) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend((body.len() as u32).to_be_bytes());
    frame.extend(crc32c::crc32c(body).to_be_bytes());
    frame.extend(body);
    frame
}

/// Takes a frame off the front; `None` at the end, or where the rest is none. No kind is 0: zeros are what a
/// loss of power leaves, and look like frames else.
pub(super) fn take_frame<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (head, after) = rest.split_first_chunk::<HEAD_BYTES>()?;
    let [kind, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let len = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    let (body, after) = after.split_at_checked(len)?;
    if kind == 0 || crc32c::crc32c(body) != u32::from_be_bytes([c0, c1, c2, c3]) {
        return None;
    }
    *rest = after;
    Some((kind, body))
}

pub(super) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.rec"))
}

/// The numbers of the files, lowest first.
pub(super) fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let named = named(dir)?.into_iter();
    Ok(named
        .filter_map(|(of, is_file)| is_file.then_some(of))
        .collect())
}

/// The numbers that names in the directory have, lowest first, and whether they are those of files. A
/// name that this does not give to a file is none of them.
fn named(dir: &Path) -> io::Result<Vec<(u64, bool)>> {
    let mut named = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".rec"));
        let number = number.and_then(|number| number.parse::<u64>().ok());
        let is_own = |of: &u64| *of <= NUMBER_MAX && path_of(dir, *of) == entry.path();
        if let Some(number) = number.filter(is_own) {
            named.push((number, entry.file_type().is_ok_and(|of| of.is_file())));
        }
    }
    named.sort_unstable();
    Ok(named)
}

/// Removes the oldest files until there is room for another one below `bytes_max`.
pub(super) fn make_room(dir: &Path, bytes_max: u64) -> io::Result<()> {
    let numbers = numbers(dir)?;
    let (mut bytes, mut kept) = (file_bytes(bytes_max), 1);
    for number in numbers.into_iter().rev() {
        let path = path_of(dir, number);
        bytes = bytes.saturating_add(fs::metadata(&path)?.len());
        kept += 1;
        if bytes > bytes_max || kept > FILES_MAX {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Gives what was open when the last process ended its number; tells that of the next file.
pub(super) fn put_open_away(dir: &Path) -> io::Result<u64> {
    // Also behind what is no file, which would be in the way.
    let next = named(dir)?.last().map_or(0, |(last, _)| last + 1);
    match fs::rename(dir.join(OPEN), path_of(dir, next)) {
        Ok(()) => Ok(next + 1),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(next),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_started_again_and_again_leaves_a_bounded_number_of_files() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..FILES_MAX as u64 + 10 {
            fs::write(path_of(dir.path(), number), b"x").unwrap();
        }
        make_room(dir.path(), 1 << 20).unwrap();
        let left = numbers(dir.path()).unwrap();
        assert_eq!((left.len(), left.first()), (FILES_MAX - 1, Some(&11)));
    }
}
