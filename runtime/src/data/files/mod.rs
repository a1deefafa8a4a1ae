//! Where the files of an archive lie: a folder here, or a server whose files are fetched as they are needed and kept.
//!
//! ```text
//! Remote ─what is not kept─▶ Server (object_store, retries) ─bytes─▶ Cache (a folder for each remote file)
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod address;
mod cache;
mod connector;
mod folder;
mod index_page;
mod listing;
mod pages;
mod ranges;
mod remote;
mod server;

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

    /// The files below a folder and in its folders, by name, with their lengths where the place tells them; none if it is
    /// not there.
    ///
    /// # Errors
    /// The place cannot be listed.
    fn list(&self, folder: &str) -> Result<Vec<(String, Option<u64>)>, FileError>;

    /// The names of the folders right below a folder, in order; none if it is not there.
    ///
    /// # Errors
    /// The place cannot be listed.
    fn folders(&self, folder: &str) -> Result<Vec<String>, FileError> {
        let list = self.list(folder)?;
        let below = |path: &str| {
            let rest = path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/');
            rest.split_once('/').map(|(name, _)| name.to_string())
        };
        let names: BTreeSet<String> = list.iter().filter_map(|(path, _)| below(path)).collect();
        Ok(names.into_iter().collect())
    }

    /// Forgets what is kept of a file because it proved to be damaged; the next read fetches it again.
    fn forget(&self, _path: &str) {}

    /// Whether these bytes can be read without asking a server.
    fn near(&self, _path: &str, _range: &Range<u64>) -> bool {
        true
    }

    /// Brings bytes near, many at a time, and tells how far it is; the answer `Break` ends it. One result for each
    /// that is wanted, in their order; nothing for those that were not come to.
    fn fetch(
        &self,
        wanted: &[Wanted],
        _told: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Vec<Option<Result<(), FileError>>> {
        vec![Some(Ok(())); wanted.len()]
    }
}

/// Some bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    pub path: String,
    pub start: u64,
    pub end: u64,
}

impl Wanted {
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.start..self.end
    }
}

/// How far a fetching is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files that are through, well or not.
    pub files: usize,
    /// Bytes that have come, those of gaps between what is wanted included.
    pub bytes: u64,
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

/// How a server is talked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Requests at a time.
    pub connections: usize,
    /// Of S3; `us-east-1` if neither this nor `AWS_REGION` says another.
    pub region: Option<String>,
    /// The address of a server that speaks S3, where it is not Amazon's: `http://localhost:9000`.
    pub endpoint: Option<String>,
    pub patience: Patience,
}

/// How often and how long a server is tried before an error is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Attempts in a row that bring next to nothing.
    pub attempts: u32,
    /// The pause after the first of them; each further one is twice as long, up to half a minute.
    pub pause: Duration,
    /// The longest that one request may take, of a listing each page.
    pub request: Duration,
    /// The longest that nothing may come.
    pub silence: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let patience = Patience {
            attempts: 6,
            pause: Duration::from_millis(250),
            request: Duration::from_secs(180),
            silence: Duration::from_secs(30),
        };
        Settings { connections: 8, region: None, endpoint: None, patience }
    }
}

/// Opens a place: a folder, against `base` if it is relative; `http://…`, `https://…`; `s3://BUCKET/PREFIX`;
/// `gs://BUCKET/PREFIX`. Nobody is asked yet. What is fetched is kept below `cache`.
///
/// # Errors
/// An address that cannot be one, credentials in the environment that cannot be used.
pub fn open(
    location: &str,
    base: &Path,
    cache: &Path,
    settings: &Settings,
) -> Result<Arc<dyn Files>, FileError> {
    match address::read(location, settings)? {
        None => Ok(Arc::new(Folder::new(&base.join(location)))),
        Some(address) => Ok(Arc::new(remote::Remote::open(address, cache, settings)?)),
    }
}
