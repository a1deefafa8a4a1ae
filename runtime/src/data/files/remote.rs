//! Files on a server, behind the calls of a folder: what is asked for is fetched once and kept.
//!
//! The server's requests run on two threads of their own; whoever asks waits. With all that is asked for kept, nobody
//! is asked, so that a machine without a network works on what it has.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::runtime::{Builder, Runtime};

use super::address::Address;
use super::cache::{Cache, Kept};
use super::listing::Listing;
use super::ranges::{PIECE, requests, union, without};
use super::server::{About, Server, Trouble};
use super::{FileError, Files, Progress, Settings, Wanted};
use crate::talk::reason;

/// Under this name the names of folders are kept; no folder of an archive is called so.
const FOLDERS: &str = "~folders";
/// How often a file may change while it is read.
const CHANGES: usize = 3;
/// The longest until an interruption is noticed, and between two tellings.
const TICK: Duration = Duration::from_millis(100);

/// A place on a server.
#[derive(Debug)]
pub struct Remote {
    place: String,
    server: Server,
    cache: Cache,
    connections: usize,
    /// As listings told them: what has been listed need not be asked for file by file.
    lengths: Mutex<BTreeMap<String, u64>>,
    /// Whether the last listing could not be had.
    unreachable: AtomicBool,
    runtime: Runtime,
}

impl Remote {
    /// # Errors
    /// The system gives no threads.
    pub fn open(address: Address, cache: &Path, settings: &Settings) -> Result<Remote, FileError> {
        let place = address.place.clone();
        let runtime =
            Builder::new_multi_thread().worker_threads(2).thread_name("fetching").enable_all().build();
        let failed = |error: std::io::Error| FileError {
            place: place.clone(),
            path: String::new(),
            reason: reason(&error),
        };
        Ok(Remote {
            cache: Cache::new(cache, &place, &address.identity),
            server: Server::new(address, settings),
            connections: settings.connections.max(1),
            lengths: Mutex::default(),
            unreachable: AtomicBool::new(false),
            runtime: runtime.map_err(failed)?,
            place,
        })
    }

    fn error(&self, path: &str, reason: impl Into<String>) -> FileError {
        FileError { place: self.place.clone(), path: path.to_string(), reason: reason.into() }
    }

    fn disk(&self, path: &str, error: &std::io::Error) -> FileError {
        self.error(path, format!("what was fetched cannot be kept: {}", reason(error)))
    }

    fn trouble(&self, path: &str, trouble: Trouble) -> FileError {
        match trouble {
            Trouble::Absent => self.error(path, "there is no such file"),
            Trouble::Changed(_) => self.error(path, "the file changes while it is read"),
            Trouble::NoLists(reason) | Trouble::Failed(reason) => self.error(path, reason),
        }
    }

    /// What is known of a file, from here or from there.
    async fn about(&self, path: &str, kept: &Kept) -> Result<Option<About>, FileError> {
        if let Some(about) = kept.about() {
            return Ok(Some(about));
        }
        let about = self.server.about(path).await.map_err(|trouble| self.trouble(path, trouble))?;
        if let Some(about) = &about {
            kept.describe(about).map_err(|error| self.disk(path, &error))?;
        }
        Ok(about)
    }

    /// Fetches what is not kept of some stretches of a file. A file that has changed is begun again.
    async fn bring(&self, path: &str, wanted: &[Range<u64>], come: &AtomicU64) -> Result<(), FileError> {
        let kept = self.cache.file(path);
        for _ in 0..CHANGES {
            let known = self.known(path, &kept, wanted).await?;
            let present = known.as_ref().map(|about| kept.present(about)).unwrap_or_default();
            let missing = without(wanted, &present);
            let pieces = requests(&missing, &present);
            let fetched =
                pieces.into_iter().map(|piece| self.piece(path, &kept, piece, known.as_ref(), come));
            let mut fetched = futures_util::stream::iter(fetched).buffer_unordered(self.connections);
            let mut failed = None;
            while let Some(one) = fetched.next().await {
                // The others are brought all the same: what has come need not come again.
                match (one, &failed) {
                    (Ok(()), _) => {}
                    (Err(changed @ Failed::Changed(_)), _) => failed = Some(changed),
                    (Err(error), None) => failed = Some(error),
                    (Err(_), Some(_)) => {}
                }
            }
            match failed {
                None => return Ok(()),
                Some(Failed::Error(error)) => return Err(error),
                Some(Failed::Changed(about)) => {
                    kept.describe(&about).map_err(|error| self.disk(path, &error))?;
                }
            }
        }
        Err(self.error(path, format!("the file changed {CHANGES} times while it was read")))
    }

    /// What the file is expected to be. It need not be known for a request, whose answer tells it; but for a stretch
    /// in many pieces it must exist.
    async fn known(
        &self,
        path: &str,
        kept: &Kept,
        wanted: &[Range<u64>],
    ) -> Result<Option<About>, FileError> {
        let several = union(wanted).iter().any(|range| range.end - range.start > PIECE);
        let known = match several {
            false => kept.about(),
            true => match self.about(path, kept).await? {
                None => return Err(self.trouble(path, Trouble::Absent)),
                about => about,
            },
        };
        let end = wanted.iter().map(|range| range.end).max().unwrap_or(0);
        match &known {
            Some(about) if end > about.length => {
                let reason = format!("it has {} bytes, so none up to {end}", about.length);
                Err(self.error(path, reason))
            }
            _ => Ok(known),
        }
    }

    async fn piece(
        &self,
        path: &str,
        kept: &Kept,
        piece: Range<u64>,
        known: Option<&About>,
        come: &AtomicU64,
    ) -> Result<(), Failed> {
        let start = piece.start;
        let (bytes, about) = match self.server.bytes(path, piece, known).await {
            Ok(come) => come,
            Err(Trouble::Changed(about)) => return Err(Failed::Changed(about)),
            Err(trouble) => return Err(Failed::Error(self.trouble(path, trouble))),
        };
        come.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let kept = kept.clone();
        let written = tokio::task::spawn_blocking(move || kept.put(&about, start, &bytes)).await;
        let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        written.map_err(|error| Failed::Error(self.disk(path, &error)))
    }

    /// Folders that have been settled for long are listed once, others every hour. Without a network what was there when
    /// it was last asked.
    fn listed(
        &self,
        folder: &str,
        kept_as: &str,
        ask: impl Future<Output = Result<Listing, Trouble>>,
    ) -> Result<Listing, FileError> {
        let now = Timestamp::now().as_second();
        match self.cache.listing(kept_as, now) {
            Some((listing, true)) => Ok(listing),
            Some((listing, false)) if self.unreachable.load(Ordering::Relaxed) => Ok(listing),
            kept => match self.runtime.block_on(ask) {
                Ok(listing) => {
                    let written = self.cache.list(kept_as, listing.clone(), now);
                    written.map_err(|error| self.disk(folder, &error))?;
                    Ok(listing)
                }
                Err(trouble) => {
                    self.unreachable.store(true, Ordering::Relaxed);
                    kept.map(|(listing, _)| listing).ok_or_else(|| self.trouble(folder, trouble))
                }
            },
        }
    }

    /// The bytes that are kept, if all are.
    fn kept(&self, path: &str, range: &Range<u64>) -> Result<Option<Vec<u8>>, FileError> {
        let kept = self.cache.file(path);
        let Some(about) = kept.about() else { return Ok(None) };
        let failed =
            |error| self.error(path, format!("what is kept of it cannot be read: {}", reason(&error)));
        kept.read(&about, range).map_err(failed)
    }
}

/// Why a piece did not come.
enum Failed {
    Changed(About),
    Error(FileError),
}

impl Files for Remote {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn length(&self, path: &str) -> Result<Option<u64>, FileError> {
        let kept = self.cache.file(path);
        let known = || self.lengths.lock().unwrap_or_else(PoisonError::into_inner).get(path).copied();
        if let Some(length) = kept.about().map(|about| about.length).or_else(known) {
            return Ok(Some(length));
        }
        let about = self.runtime.block_on(self.about(path, &kept))?;
        Ok(about.map(|about| about.length))
    }

    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>, FileError> {
        if range.start >= range.end {
            return match range.start == range.end {
                true => Ok(Vec::new()),
                false => Err(self.error(path, format!("no bytes at {} to {}", range.start, range.end))),
            };
        }
        // Twice, for another process may drop what has just come, or the disk may have changed it.
        for _ in 0..2 {
            if let Some(bytes) = self.kept(path, &range)? {
                return Ok(bytes);
            }
            self.runtime.block_on(self.bring(path, std::slice::from_ref(&range), &AtomicU64::new(0)))?;
        }
        let lost = || self.error(path, "what was fetched does not stay in the cache");
        self.kept(path, &range)?.ok_or_else(lost)
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, Option<u64>)>, FileError> {
        let folder = folder.trim_matches('/');
        let listing = self.listed(folder, folder, self.server.list(folder))?;
        let mut lengths = self.lengths.lock().unwrap_or_else(PoisonError::into_inner);
        let told = listing.files.iter().filter_map(|(path, length)| Some((path.clone(), (*length)?)));
        lengths.extend(told);
        Ok(listing.files)
    }

    fn folders(&self, folder: &str) -> Result<Vec<String>, FileError> {
        let folder = folder.trim_matches('/');
        let kept_as = format!("{folder}/{FOLDERS}");
        let listing = self.listed(folder, kept_as.trim_matches('/'), self.server.folders(folder))?;
        Ok(listing.files.into_iter().map(|(name, _)| name).collect())
    }

    fn forget(&self, path: &str) {
        self.lengths.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
        // What cannot be removed is found damaged again.
        drop(self.cache.file(path).forget());
    }

    fn near(&self, path: &str, range: &Range<u64>) -> bool {
        let kept = self.cache.file(path);
        let present = kept.about().map(|about| kept.present(&about));
        present.is_some_and(|present| without(std::slice::from_ref(range), &present).is_empty())
    }

    fn fetch(
        &self,
        wanted: &[Wanted],
        told: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Vec<Option<Result<(), FileError>>> {
        let mut files: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, one) in wanted.iter().enumerate() {
            files.entry(&one.path).or_default().push(index);
        }
        let come = Arc::new(AtomicU64::new(0));
        let mut results: Vec<Option<Result<(), FileError>>> = vec![None; wanted.len()];
        let jobs = files.into_iter().map(|(path, indices)| {
            let ranges: Vec<Range<u64>> = indices.iter().map(|index| wanted[*index].range()).collect();
            let come = Arc::clone(&come);
            async move {
                let outcome = self.bring(path, &ranges, &come).await;
                (indices, outcome)
            }
        });
        let mut jobs = futures_util::stream::iter(jobs).buffer_unordered(self.connections);
        let mut progress = Progress::default();
        self.runtime.block_on(async {
            loop {
                let next = tokio::time::timeout(TICK, jobs.next()).await;
                if let Ok(Some((indices, outcome))) = &next {
                    progress.files += 1;
                    for index in indices {
                        // One stretch that cannot be had says nothing of those that came.
                        let near =
                            outcome.is_ok() || self.near(&wanted[*index].path, &wanted[*index].range());
                        results[*index] = Some(if near { Ok(()) } else { outcome.clone() });
                    }
                }
                progress.bytes = come.load(Ordering::Relaxed);
                if told(progress).is_break() || matches!(next, Ok(None)) {
                    return;
                }
            }
        });
        drop(jobs);
        results
    }
}
