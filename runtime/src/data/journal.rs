//! What has been written of a training store: a file for each stretch of times, a line for each field.
//!
//! A line is appended when its file is on disk under its own name, the last line when all fields of the stretch are there.
//! So whoever finds a line finds the file, and a process that is killed at any moment loses the field it was writing. A
//! last line that was cut short counts for nothing and is written over.
//!
//! ```text
//! STORE/.aurorac/times/00012.jsonl    {"field":"t","file":"t/c/12/0/0/0","bytes":…,"blake3":"…",…}
//!                                     …
//!                                     {"times":[{"time":"2020-05-20T12:00:00Z","status":"present"}],"beyond":…}
//! ```

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::archive::DataError;
use super::quality::Finding;
use super::statistics::Growing;
use crate::durable;

/// The folder of all that is no Zarr; no field can have its name.
pub const FOLDER: &str = ".aurorac";

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    Field(FieldRecord),
    Times(TimesRecord),
}

/// A field over the times of a stretch, as it lies on disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FieldRecord {
    pub field: String,
    /// Its path within the store.
    pub file: String,
    pub bytes: u64,
    /// Of the file.
    pub blake3: String,
    /// Values in all, finite ones outside the field's range, those that are not finite, and those that were filled.
    pub values: u64,
    pub outside: u64,
    pub missing: u64,
    pub mended: u64,
    /// What had become of the stretch's times, as a digest; empty of what does not change.
    pub times: String,
    /// Over the times of the training split among them.
    pub statistics: Growing,
}

/// The times of a stretch, written when all their fields are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimesRecord {
    pub times: Vec<TimeRecord>,
    /// Nothing in stores of versions that did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyond: Option<Beyond>,
}

/// What a stretch owes to what lies outside it, the values aside that the archive had there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beyond {
    /// Times of other stretches that were looked at, ascending, and that the archive did not have.
    pub missed: Vec<Timestamp>,
    /// All that does not change, whether or not it is kept, as a digest.
    pub fixed: String,
}

/// What became of one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeRecord {
    pub time: Timestamp,
    #[serde(flatten)]
    pub status: Status,
    /// What the checks found, whether or not it led to anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    Present,
    /// The archive does not have it.
    Absent {
        reason: String,
    },
    /// It failed a check of `reject`.
    Rejected,
    /// It was absent or rejected, and made from its neighbours.
    Filled {
        before: Timestamp,
        after: Timestamp,
        /// Why the archive does not have it; nothing if it was rejected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        absent: Option<String>,
    },
}

impl Status {
    /// Whether samples can be made of it.
    #[must_use]
    pub fn usable(&self) -> bool {
        matches!(self, Status::Present | Status::Filled { .. })
    }

    /// Why the archive did not have it.
    #[must_use]
    pub fn lacking(&self) -> Option<&str> {
        match self {
            Status::Absent { reason } => Some(reason),
            Status::Filled { absent, .. } => absent.as_deref(),
            Status::Present | Status::Rejected => None,
        }
    }
}

/// What has been written of a stretch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    pub fields: BTreeMap<String, FieldRecord>,
    /// There when all fields are.
    pub times: Option<TimesRecord>,
}

/// The journal of one stretch of times, open for appending. No other process has it open at the same time.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    pub written: Written,
}

/// The name of what does not change, beside those of the stretches of times.
pub const STATIC: &str = "static";

/// The name of a stretch of times.
#[must_use]
pub fn name(number: usize) -> String {
    format!("{number:05}")
}

/// The folder of a store in which files are written before they come under their own names.
#[must_use]
pub fn ways(store: &Path) -> PathBuf {
    store.join(FOLDER).join("writing")
}

/// The place of the journal of a stretch.
#[must_use]
pub fn path(store: &Path, stretch: &str) -> PathBuf {
    store.join(FOLDER).join("times").join(format!("{stretch}.jsonl"))
}

impl Journal {
    /// Opens or begins the journal of a stretch, to write in it.
    ///
    /// # Errors
    /// A folder that cannot be written; a journal that another process writes.
    pub fn open(store: &Path, stretch: &str) -> Result<Self, DataError> {
        let path = path(store, stretch);
        let fail = |source| DataError::File { what: "cannot write", path: path.clone(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail)?;
        // A disk without locks cannot tell; shares do not meet on it either.
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(DataError::Busy { path });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail)?;
        let (written, whole) = lines(&bytes);
        file.set_len(whole as u64).map_err(fail)?;
        file.seek(SeekFrom::End(0)).map_err(fail)?;
        Ok(Self { path, file, written })
    }

    /// Begins it anew.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn clear(&mut self) -> Result<(), DataError> {
        self.written = Written::default();
        let emptied = self.file.set_len(0).and_then(|()| self.file.sync_data());
        let cleared = emptied.and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map(drop).map_err(|source| self.error(source))
    }

    /// Adds a line and waits until it is on disk.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn push(&mut self, line: Line) -> Result<(), DataError> {
        let mut text = serde_json::to_string(&line).map_err(|error| self.error(error.into()))?;
        text.push('\n');
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|source| self.error(source))?;
        match line {
            Line::Field(record) => drop(self.written.fields.insert(record.field.clone(), record)),
            Line::Times(record) => self.written.times = Some(record),
        }
        Ok(())
    }

    fn error(&self, source: std::io::Error) -> DataError {
        DataError::File { what: "cannot write", path: self.path.clone(), source }
    }
}

/// What a stretch has, for reading; nothing if it was not begun.
///
/// # Errors
/// A file that is there and cannot be read.
pub fn read(store: &Path, stretch: &str) -> Result<Option<Written>, DataError> {
    let path = path(store, stretch);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(lines(&bytes).0)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DataError::File { what: "cannot read", path, source }),
    }
}

/// What became of the times of a stretch that has ended, by the last line of its journal alone.
#[must_use]
pub fn ended(store: &Path, stretch: &str) -> Option<TimesRecord> {
    let line = last_line(&path(store, stretch)).ok()?;
    serde_json::from_slice(&line).ok()
}

/// The last line of a file, which may be long, without the lines before it, which are longer.
fn last_line(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut part = size.min(1 << 14);
    loop {
        file.seek(SeekFrom::Start(size - part))?;
        let mut bytes = Vec::new();
        (&file).take(part).read_to_end(&mut bytes)?;
        if bytes.pop() != Some(b'\n') {
            return Ok(Vec::new());
        }
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(before) => return Ok(bytes.split_off(before + 1)),
            None if part == size => return Ok(bytes),
            None => part = size.min(4 * part),
        }
    }
}

/// Writes a journal at once in place of what is there, which no process may have open.
///
/// # Errors
/// A file that cannot be written.
pub fn replace(store: &Path, stretch: &str, written: &Written) -> Result<(), DataError> {
    let path = path(store, stretch);
    let mut text = Vec::new();
    let lines =
        written.fields.values().map(serde_json::to_vec).chain(written.times.as_ref().map(serde_json::to_vec));
    for line in lines {
        text.extend(line.map_err(|error| DataError::Archive(error.to_string()))?);
        text.push(b'\n');
    }
    let landed = durable::write_by(&ways(store), &path, &[text]);
    landed.map_err(|source| DataError::File { what: "cannot write", path, source })
}

/// The whole lines of a journal, and how many bytes they take. What follows a line that cannot be read was never written.
fn lines(bytes: &[u8]) -> (Written, usize) {
    let (mut written, mut whole) = (Written::default(), 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let complete = line.ends_with(b"\n");
        match serde_json::from_slice(line).ok().filter(|_| complete) {
            Some(Line::Field(record)) => drop(written.fields.insert(record.field.clone(), record)),
            Some(Line::Times(record)) => written.times = Some(record),
            None => break,
        }
        whole += line.len();
    }
    (written, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(field: &str) -> Line {
        Line::Field(FieldRecord {
            field: field.into(),
            file: format!("{field}/c/0"),
            bytes: 7,
            blake3: "00".into(),
            values: 4,
            outside: 0,
            missing: 1,
            mended: 0,
            times: String::new(),
            statistics: Growing::default(),
        })
    }

    fn at() -> Line {
        let status = Status::Absent { reason: "the file is not there".into() };
        let time = Timestamp::from_second(1_590_000_000).unwrap();
        let beyond = Some(Beyond { missed: vec![time], fixed: "00".into() });
        Line::Times(TimesRecord { times: vec![TimeRecord { time, status, findings: Vec::new() }], beyond })
    }

    /// Whatever is cut off at the end, the whole lines before it count, and what is written next is whole again.
    #[test]
    fn a_line_cut_short_counts_for_nothing() {
        let store = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(store.path(), "00003").unwrap();
        for line in [record("t"), record("q"), at()] {
            journal.push(line).unwrap();
        }
        drop(journal);
        let whole = std::fs::read(path(store.path(), "00003")).unwrap();
        for length in 0..=whole.len() {
            std::fs::write(path(store.path(), "00003"), &whole[..length]).unwrap();
            let expected = whole[..length].iter().filter(|byte| **byte == b'\n').count();
            let mut journal = Journal::open(store.path(), "00003").unwrap();
            assert_eq!(
                journal.written.fields.len() + usize::from(journal.written.times.is_some()),
                expected,
                "{length}"
            );
            journal.push(record("u")).unwrap();
            drop(journal);
            let written = read(store.path(), "00003").unwrap().unwrap();
            assert!(written.fields.contains_key("u"));
        }
    }

    /// A stretch has ended when its last line is there, whole, however long the lines are; written at once it is the same.
    #[test]
    fn the_end_of_a_journal_is_seen() {
        let store = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(store.path(), "00003").unwrap();
        assert!(ended(store.path(), "00003").is_none() && ended(store.path(), "00004").is_none());
        journal.push(record("t")).unwrap();
        assert!(ended(store.path(), "00003").is_none());
        let Line::Times(mut long) = at() else { unreachable!() };
        long.times = vec![long.times[0].clone(); 2000];
        for line in [Line::Times(long), at()] {
            journal.push(line).unwrap();
            assert!(ended(store.path(), "00003").is_some());
        }
        let written = journal.written.clone();
        drop(journal);
        let path = path(store.path(), "00003");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(ended(store.path(), "00003").is_none());
        replace(store.path(), "00003", &written).unwrap();
        assert!(ended(store.path(), "00003").is_some());
        assert_eq!(read(store.path(), "00003").unwrap(), Some(written));
    }

    #[test]
    fn two_processes_do_not_write_one() {
        let store = tempfile::tempdir().unwrap();
        let _held = Journal::open(store.path(), "00000").unwrap();
        let error = Journal::open(store.path(), "00000").unwrap_err().to_string();
        assert!(error.contains("--part"), "{error}");
        assert!(read(store.path(), "00001").unwrap().is_none());
    }
}
