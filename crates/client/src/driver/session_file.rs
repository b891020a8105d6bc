//! A session in a file.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the driver has files"
)]

mod on_disk;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::journal::{self, Damage};
use crate::message::Message;
use crate::options::SessionOptions;
use crate::session::{RecordError, Session};
pub(super) use on_disk::Journal;
use on_disk::{lock, one_name, with_suffix};

/// A session in a file, for [`super::Client::connect_kept`]. One process at a time has it.
///
/// Beside the file `NAME` there are `NAME.lock`, which stays, and `NAME.new` while the file is being
/// compacted. The file holds at most twice what is unfinished
/// ([`SessionOptions::kept_bytes_max`]) and a little more than a megabyte.
#[derive(Debug)]
pub struct SessionFile {
    pub(super) session: Session,
    pub(super) journal: Journal,
    cut_bytes: usize,
}

/// Why a session file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionFileError {
    /// Reading or writing failed.
    #[error("the session file {}: cannot {doing}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done, and where.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// Another process, or another connection of this one, has it.
    #[error(
        "the session file {} is in use by another program; two cannot share a session. \
         End the other one, or give each a file and a client id of its own", .0.display()
    )]
    InUse(PathBuf),
    /// Its bytes are not what was written.
    #[error("the session file {}: {damage}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How.
        damage: Damage,
    },
    /// Its records make no session with these options.
    #[error("the session file {}: {error}", .path.display())]
    Records {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: RecordError,
    },
    /// The options ask for a session that ends with its connection.
    #[error("a session that is kept in a file needs {0}")]
    Options(&'static str),
}

impl SessionFile {
    /// Opens the file, or prepares to make it, and takes the lock on it.
    ///
    /// # Errors
    /// [`SessionFileError`], whose text is a sentence for people.
    pub fn open(
        path: impl Into<PathBuf>,
        mut options: SessionOptions,
    ) -> Result<Self, SessionFileError> {
        let path = path.into();
        let path = one_name(&path)
            .map_err(|error| failed(&path, "find its directory".to_owned(), error))?;
        if options.client_id.is_empty() {
            return Err(SessionFileError::Options(
                "a client id, by which the server knows it again",
            ));
        }
        let expires = options.properties.session_expiry_secs.unwrap_or(0) == 0;
        if options.version.has_properties() && expires {
            return Err(SessionFileError::Options(
                "a Session Expiry Interval above 0, or the server forgets it at once",
            ));
        }
        options.recovers_lost_session = true;
        let lock = lock(&path)?;
        // A compaction that was not completed left the file itself as it was.
        let fresh = with_suffix(&path, ".new");
        if let Err(error) = fs::remove_file(&fresh)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(failed(&fresh, "remove it".to_owned(), error));
        }
        match fs::read(&path) {
            Ok(bytes) => Self::of_bytes(path, lock, options, &bytes),
            // It is made once the server has forgotten what it may know of the client.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self {
                session: Session::kept(options),
                journal: Journal::new(path, lock),
                cut_bytes: 0,
            }),
            Err(error) => Err(failed(&path, "read it".to_owned(), error)),
        }
    }

    fn of_bytes(
        path: PathBuf,
        lock: File,
        options: SessionOptions,
        bytes: &[u8],
    ) -> Result<Self, SessionFileError> {
        let contents = journal::read(bytes).map_err(|damage| SessionFileError::Damaged {
            path: path.clone(),
            damage,
        })?;
        let session = Session::restore(options, &contents.records).map_err(|error| {
            SessionFileError::Records {
                path: path.clone(),
                error,
            }
        })?;
        let mut file = Self {
            session,
            journal: Journal::new(path, lock),
            cut_bytes: bytes.len() - contents.end,
        };
        // What was read may be in the page cache alone, after a write that failed: it is written anew.
        file.write()?;
        Ok(file)
    }

    /// Whether nothing has been written so far.
    pub(super) fn is_new(&self) -> bool {
        self.journal.is_new()
    }

    /// Writes the session as it is.
    pub(super) fn write(&mut self) -> Result<(), SessionFileError> {
        let mut records = Vec::new();
        self.session.snapshot(&mut records);
        self.journal.replace(&records)
    }

    /// How many messages at QoS 1 and 2 the session has ever taken. An application that publishes
    /// from a list goes on with the entry after these.
    pub fn taken_messages(&self) -> u64 {
        self.session.taken_messages()
    }

    /// The messages that earlier processes left without an answer. They are sent by themselves, so
    /// do not publish them again.
    pub fn unfinished(&self) -> impl Iterator<Item = &Message> {
        self.session.unfinished().filter_map(|(_, message)| message)
    }

    /// Bytes at the end of the file that a crash had left incomplete, and that were cut off. Nothing
    /// had been sent or acknowledged that stood in them.
    pub fn cut_bytes(&self) -> usize {
        self.cut_bytes
    }
}

fn failed(path: &Path, doing: String, source: io::Error) -> SessionFileError {
    SessionFileError::Io {
        path: path.to_owned(),
        doing,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Input;
    use columba_codec::QoS;

    fn options() -> SessionOptions {
        let mut options = SessionOptions {
            client_id: "a".to_owned(),
            ..SessionOptions::default()
        };
        options.properties.session_expiry_secs = Some(60);
        options
    }

    /// Opens the file, and makes it if it is new, as the first connection does.
    fn open(path: &Path) -> Result<SessionFile, SessionFileError> {
        let mut file = SessionFile::open(path, options())?;
        if file.is_new() {
            file.write()?;
        }
        Ok(file)
    }

    fn publish(file: &mut SessionFile, payload: usize) -> Vec<u8> {
        let message = Message::new("x", vec![7; payload]).with_qos(QoS::ExactlyOnce);
        let token = file.session.next_token();
        file.session.handle(0, Input::Publish { token, message });
        let mut records = Vec::new();
        file.session.take_records(&mut records);
        records
    }

    #[test]
    fn what_was_written_is_there_when_it_is_opened_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("session");
        let mut file = open(&path).expect("opens");
        let records = publish(&mut file, 10);
        file.journal.append(&records).expect("writes");
        drop(file);
        let file = open(&path).expect("opens again");
        assert_eq!((file.taken_messages(), file.cut_bytes()), (1, 0));
        let unfinished = file.unfinished().collect::<Vec<_>>();
        assert_eq!(unfinished.len(), 1);
        assert_eq!(unfinished[0].payload, [7; 10]);
    }

    #[test]
    fn a_second_user_is_told_so_and_the_next_one_after_the_first_is_let_in() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("session");
        let first = open(&path).expect("opens");
        let error = open(&path).expect_err("it is in use");
        assert!(matches!(error, SessionFileError::InUse(_)), "{error}");
        drop(first);
        open(&path).expect("it is free");
    }

    #[cfg(unix)]
    #[test]
    fn whatever_the_file_is_called_it_has_one_lock() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("real")).expect("makes");
        symlink(at("real"), at("linked")).expect("links");
        // To a file that is not there yet.
        symlink("real/session", at("shortcut")).expect("links");
        let names = [
            "real/session",
            "real/../real/session",
            "linked/session",
            "shortcut",
        ];
        for first in names {
            let file = open(&at(first)).expect("opens");
            for second in names {
                let error = open(&at(second)).expect_err("it is in use");
                assert!(matches!(error, SessionFileError::InUse(_)), "{error}");
            }
            drop(file);
        }
        let link = fs::symlink_metadata(at("shortcut")).expect("is there");
        assert!(link.is_symlink(), "a link stays one");
    }

    #[test]
    fn a_file_of_version_1_goes_on_as_one_of_version_2() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("session");
        let mut file = open(&path).expect("opens");
        let mut records = Vec::new();
        publish(&mut file, 10);
        file.session.snapshot(&mut records);
        drop(file);
        let mut older = b"COLUMBA-SESSION1\xC0\x1B\xA7\xC4".to_vec();
        let len = u32::try_from(records.len()).expect("small").to_be_bytes();
        let summed = [&[0; 8][..], &len, &records].concat();
        older.extend_from_slice(&summed[..12]);
        older.extend_from_slice(&crc32c::crc32c(&summed).to_be_bytes());
        older.extend_from_slice(&records);
        fs::write(&path, older).expect("writes");
        for _ in 0..2 {
            assert_eq!(open(&path).expect("opens").taken_messages(), 1);
            assert!(
                fs::read(&path)
                    .expect("reads")
                    .starts_with(b"COLUMBA-SESSION2")
            );
        }
    }

    #[test]
    fn a_torn_end_is_cut_off_and_a_damaged_middle_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("session");
        let mut file = open(&path).expect("opens");
        for _ in 0..3 {
            let records = publish(&mut file, 10);
            file.journal.append(&records).expect("writes");
        }
        drop(file);
        let whole = fs::read(&path).expect("reads");
        fs::write(&path, &whole[..whole.len() - 1]).expect("writes");
        let mut file = open(&path).expect("a torn end is no damage");
        assert_eq!(file.taken_messages(), 2);
        assert!(file.cut_bytes() > 0);
        let records = publish(&mut file, 10);
        file.journal
            .append(&records)
            .expect("goes on behind the cut");
        drop(file);
        assert_eq!(open(&path).expect("opens").taken_messages(), 3);
        let mut damaged = whole;
        damaged[60] ^= 1;
        fs::write(&path, &damaged).expect("writes");
        let error = open(&path).expect_err("it is damaged").to_string();
        let place = "session: it is damaged at byte 32, and whole again at byte";
        assert!(error.contains(place), "{error}");
    }

    #[test]
    fn a_compaction_that_was_not_completed_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("session");
        let mut file = open(&path).expect("opens");
        let records = publish(&mut file, 10);
        file.journal.append(&records).expect("writes");
        drop(file);
        fs::write(with_suffix(&path, ".new"), b"COLUMBA-SES").expect("writes");
        assert_eq!(open(&path).expect("opens").taken_messages(), 1);
        assert!(!with_suffix(&path, ".new").exists());
    }

    #[test]
    fn the_file_stays_small_however_much_goes_through_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("session");
        let mut file = open(&path).expect("opens");
        let mut largest = 0;
        for _ in 0..40 {
            let mut records = publish(&mut file, 100_000);
            // Its answer: as if the connection had refused it for its size.
            let token = file.session.next_token() - 1;
            file.session.forget_message(token);
            file.session.take_records(&mut records);
            if file.journal.has_outgrown() {
                records.clear();
                file.session.snapshot(&mut records);
                file.journal.replace(&records).expect("writes");
            } else {
                file.journal.append(&records).expect("writes");
            }
            largest = largest.max(fs::metadata(&path).expect("is there").len());
        }
        assert!(largest < 1_300_000, "{largest} bytes");
        drop(file);
        let file = open(&path).expect("opens");
        assert_eq!((file.taken_messages(), file.unfinished().count()), (40, 0));
    }

    #[test]
    fn options_whose_session_ends_with_the_connection_are_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("session");
        let mut short = options();
        short.properties.session_expiry_secs = None;
        let error = SessionFile::open(&path, short).expect_err("no expiry");
        assert!(error.to_string().contains("Session Expiry Interval"));
        let mut nameless = options();
        nameless.client_id.clear();
        let error = SessionFile::open(&path, nameless).expect_err("no client id");
        assert!(error.to_string().contains("client id"));
        assert!(!path.exists());
    }
}
