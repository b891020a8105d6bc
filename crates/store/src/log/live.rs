//! Looks at a log while another process writes to it.

use super::recover::Recovery;
use super::{Log, Options, Progress, Recovered};
use crate::error::Error;
use crate::files::{Files, Name};
use crate::walk::{Step, Walk, segments};

impl<F: Files> Log<F> {
    /// Reads a log that a process may be writing, and changes nothing: what is found is how it was
    /// at one commit, near the end of this. It is not locked, and nothing can be committed
    /// ([`Error::ReadOnly`]).
    ///
    /// Records can be read as long as the other process has not freed the space where they lay; those
    /// that are gone are reported as damaged. [`backup`](crate::backup()) makes a copy that stays.
    ///
    /// # Errors
    /// If there is none, a file cannot be read, or the files are not of one store of a known version.
    /// Damage is no error.
    pub fn open_in_use(
        files: F,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Self, Recovered), Error> {
        Recovery::new(files, Options::new(0), true).run_in_use(progress)
    }

    /// Whether everything that was there when the log was opened still is, where another process
    /// uses it.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn is_all_there(&mut self) -> Result<bool, Error> {
        let there = segments(&mut self.files)?;
        Ok(self.segments.keys().all(|number| there.contains(number)))
    }
}

impl<F: Files> Recovery<F> {
    fn run_in_use(
        mut self,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Log<F>, Recovered), Error> {
        let numbers = segments(&mut self.log.files)?;
        self.identify(&numbers)?;
        let mut walk = Walk::new();
        let mut done = Progress {
            bytes: 0,
            bytes_total: numbers.len() as u64 * u64::from(self.log.options.segment_bytes),
            records: 0,
        };
        loop {
            match walk.next(&mut self.log.files)? {
                Step::Closed(number, bytes) => {
                    self.segment(number, &bytes, false)?;
                    done.bytes += bytes.len() as u64;
                    done.records = self.log.index.len();
                    progress(done);
                }
                Step::Gone(number) => self.forget(number),
                Step::End(last, mark) => {
                    self.marked = mark.sequence;
                    if let Some((number, bytes)) = last {
                        self.segment(number, &bytes, true)?;
                    }
                    break;
                }
            }
        }
        let numbers: Vec<u32> = self.log.segments.keys().copied().collect();
        self.finish(&numbers)?;
        // Of the last segment only what is committed was read; its file has room ahead.
        if let Some((number, segment)) = self.log.segments.iter_mut().next_back() {
            let length = self.log.files.length(Name::Segment(*number));
            segment.file_bytes = length.unwrap_or(segment.file_bytes);
        }
        Ok((self.log, self.found))
    }

    /// A segment is gone: what lived there was moved or released before, which is told by others
    /// that are still to come, or are gone as well.
    fn forget(&mut self, number: u32) {
        let there = self.log.index.from(0);
        let gone: Vec<u64> = there
            .filter(|(_, place)| place.segment == number)
            .map(|(position, _)| position)
            .collect();
        for position in gone {
            self.log.index.remove(position);
        }
        self.log.segments.remove(&number);
        let file = Name::Segment(number);
        self.found.damage.retain(|damage| damage.file != file);
        self.lost.retain(|_, damage| damage.file != file);
    }
}
