//! Where the files of an archive lie: a folder here, or a server whose files are fetched as they are needed and kept.

use std::fmt;
use std::ops::Range;

mod folder;

pub use folder::Folder;

/// Files by their paths below one place; `/` parts folders, whatever the system.
pub trait Files: Send + Sync + fmt::Debug {
    /// The place, as errors name it: `/data/hrrr`, `s3://noaa-hrrr-bdp-pds`.
    fn place(&self) -> String;

    /// The length in bytes of a file that is there; `None` is a sure no.
    ///
    /// # Errors
    /// The place cannot be asked.
    fn length(&self, path: &str) -> Result<Option<u64>, FileError>;

    /// Some bytes of a file, exactly as many as are asked for.
    ///
    /// # Errors
    /// A file that is not there or too short, a place that cannot be read.
    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>, FileError>;

    /// The files below a folder and in its folders, with their lengths, by name; none if it is not there.
    ///
    /// # Errors
    /// The place cannot be listed.
    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, FileError>;

    /// Forgets what is kept of a file because it proved to be damaged; the next read fetches it again.
    fn forget(&self, _path: &str) {}
}

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}/{path}: {reason}")]
pub struct FileError {
    pub place: String,
    pub path: String,
    /// A sentence for people.
    pub reason: String,
}
