//! What zarrs reads from: the files of a place, whether a folder or a server whose files are fetched once and kept.
//!
//! A file that is not there is a chunk that was never written, which by Zarr's rule is its fill value; whatever else keeps
//! a file from being read is an error.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use zarrs::storage::byte_range::{ByteRange, ByteRangeIterator, InvalidByteRangeError};
use zarrs::storage::{Bytes, MaybeBytes, MaybeBytesIterator, ReadableStorageTraits, StorageError, StoreKey};

use crate::data::files::{FileError, Files, Wanted};

/// Files of up to so many bytes come whole, of longer ones (shards) what is asked for.
const WHOLE: u64 = 8 << 20;
/// Files that are asked for at a time.
const AT_ONCE: usize = 8;

/// A Zarr hierarchy below a place.
#[derive(Debug)]
pub(in crate::data) struct Storage {
    files: Arc<dyn Files>,
    /// The folder of the hierarchy: nothing, or with a slash at its end.
    below: String,
    /// Files that were looked for and are not there.
    absent: Mutex<BTreeSet<String>>,
}

impl Storage {
    pub(in crate::data) fn new(files: Arc<dyn Files>, below: &str) -> Storage {
        let below = below.trim_matches('/');
        let below = if below.is_empty() { String::new() } else { format!("{below}/") };
        Storage { files, below, absent: Mutex::default() }
    }

    /// Where a key lies in the place.
    pub(in crate::data) fn path(&self, key: &StoreKey) -> String {
        format!("{}{}", self.below, key.as_str())
    }

    pub(in crate::data) fn forget(&self, key: &StoreKey) {
        self.files.forget(&self.path(key));
    }

    /// The whole file of a key; nothing if it is not there.
    pub(in crate::data) fn stretch(&self, key: &StoreKey) -> Result<Option<Wanted>, FileError> {
        let path = self.path(key);
        let length = self.length(&path)?;
        Ok(length.map(|end| Wanted { path, start: 0, end }))
    }

    /// Brings the files of some keys near, some at a time; what is wrong with one is said when it is read.
    pub(in crate::data) fn bring(&self, keys: &[StoreKey]) {
        if keys.len() < 2 || !self.files.place().contains("://") {
            return;
        }
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(keys.len()) {
                scope.spawn(|| {
                    while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let Ok(Some(stretch)) = self.stretch(key) else { continue };
                        if stretch.end > WHOLE || self.files.near(&stretch.path, &stretch.range()) {
                            continue;
                        }
                        let _ = self.files.read(&stretch.path, stretch.range());
                    }
                });
            }
        });
    }

    /// Asks a server for all of a folder at once, where it can be listed, instead of file by file: of arrays whose chunks
    /// are all wanted.
    pub(in crate::data) fn list(&self, folder: &str, wanted: &[StoreKey]) {
        let near = |key: &StoreKey| self.files.near(&self.path(key), &(0..1));
        let place = self.files.place();
        if place.contains("://") && !place.starts_with("http") && !wanted.iter().all(near) {
            // What is not told so is asked for one by one.
            let _ = self.files.list(&format!("{}{folder}", self.below));
        }
    }

    fn length(&self, path: &str) -> Result<Option<u64>, FileError> {
        let absent = || self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        if absent().contains(path) {
            return Ok(None);
        }
        let length = self.files.length(path)?;
        if length.is_none() {
            absent().insert(path.to_string());
        }
        Ok(length)
    }
}

impl ReadableStorageTraits for Storage {
    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        byte_ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let path = self.path(key);
        let Some(length) = self.length(&path).map_err(failed)? else { return Ok(None) };
        let stretches = |length: u64| -> Result<Vec<(u64, u64)>, StorageError> {
            let one =
                |range| within(range, length).ok_or_else(|| InvalidByteRangeError::new(range, length).into());
            byte_ranges.map(one).collect()
        };
        if length <= WHOLE {
            let Some(all) = whole(&self.files, &path).map_err(failed)? else { return Ok(None) };
            let all = Bytes::from(all);
            let stretches = stretches(all.len() as u64)?.into_iter();
            return Ok(Some(Box::new(
                stretches.map(move |(start, end)| Ok(all.slice(start as usize..end as usize))),
            )));
        }
        let stretches = stretches(length)?;
        let wanted: Vec<Wanted> =
            stretches.into_iter().map(|(start, end)| Wanted { path: path.clone(), start, end }).collect();
        if wanted.len() > 1 {
            // What of it did not come is asked for again.
            let _ = self.files.fetch(&wanted, &mut |_| std::ops::ControlFlow::Continue(()));
        }
        let read =
            move |one: Wanted| self.files.read(&one.path, one.range()).map(Bytes::from).map_err(failed);
        Ok(Some(Box::new(wanted.into_iter().map(read))))
    }

    fn get(&self, key: &StoreKey) -> Result<MaybeBytes, StorageError> {
        let path = self.path(key);
        let there = self.length(&path).map_err(failed)?.is_some();
        Ok(if there { whole(&self.files, &path).map_err(failed)?.map(Bytes::from) } else { None })
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        self.length(&self.path(key)).map_err(failed)
    }

    fn supports_get_partial(&self) -> bool {
        true
    }
}

/// All of a file; nothing if it is not there. One that turns out to be of another length is read at that.
pub(in crate::data) fn whole(files: &Arc<dyn Files>, path: &str) -> Result<Option<Vec<u8>>, FileError> {
    let Some(length) = files.length(path)? else { return Ok(None) };
    match files.read(path, 0..length) {
        Err(error) => match files.length(path) {
            Ok(Some(other)) if other != length => files.read(path, 0..other).map(Some),
            _ => Err(error),
        },
        read => read.map(Some),
    }
}

/// The first byte of a range and the one behind its last.
fn within(range: ByteRange, length: u64) -> Option<(u64, u64)> {
    let (start, end) = match range {
        ByteRange::FromStart(start, None) => (start, length),
        ByteRange::FromStart(start, Some(count)) => (start, start.checked_add(count)?),
        ByteRange::Suffix(count) => (length.checked_sub(count)?, length),
    };
    (start <= end && end <= length).then_some((start, end))
}

fn failed(error: FileError) -> StorageError {
    StorageError::Other(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_within_their_file() {
        assert_eq!(within(ByteRange::FromStart(2, None), 10), Some((2, 10)));
        assert_eq!(within(ByteRange::FromStart(2, Some(8)), 10), Some((2, 10)));
        assert_eq!(within(ByteRange::Suffix(10), 10), Some((0, 10)));
        for range in [
            ByteRange::FromStart(2, Some(9)),
            ByteRange::FromStart(11, None),
            ByteRange::FromStart(2, Some(u64::MAX)),
            ByteRange::Suffix(11),
        ] {
            assert_eq!(within(range, 10), None, "{range:?}");
        }
    }
}
