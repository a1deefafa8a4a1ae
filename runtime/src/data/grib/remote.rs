//! A file of some place as a stream: the walk jumps from description to description and reads little of each message.

use std::io::{Error, Read, Result, Seek, SeekFrom};

use crate::data::files::Files;

/// Bytes asked for at a time. The sections before the data of a message take some hundred.
const WINDOW: u64 = 4096;

/// Two windows are kept: the walk looks at a message's end and comes back to its beginning.
pub(super) struct Reader<'a> {
    files: &'a dyn Files,
    path: &'a str,
    length: u64,
    at: u64,
    windows: [(u64, Vec<u8>); 2],
}

impl<'a> Reader<'a> {
    pub(super) fn new(files: &'a dyn Files, path: &'a str, length: u64) -> Self {
        Self { files, path, length, at: 0, windows: Default::default() }
    }

    /// What is at hand at a place, from there on.
    fn held(&self, at: u64) -> Option<&[u8]> {
        self.windows.iter().find_map(|(start, bytes)| {
            let skip = usize::try_from(at.checked_sub(*start)?).ok()?;
            bytes.get(skip..).filter(|rest| !rest.is_empty())
        })
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.at >= self.length || into.is_empty() {
            return Ok(0);
        }
        if self.held(self.at).is_none() {
            let end = self.length.min(self.at.saturating_add(WINDOW.max(into.len() as u64)));
            let bytes =
                self.files.read(self.path, self.at..end).map_err(|error| Error::other(error.reason))?;
            self.windows.swap(0, 1);
            self.windows[0] = (self.at, bytes);
        }
        let held = self.held(self.at).unwrap_or_default();
        let count = held.len().min(into.len());
        into[..count].copy_from_slice(&held[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let from = |place: u64, by: i64| place.checked_add_signed(by);
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => from(self.length, by),
            SeekFrom::Current(by) => from(self.at, by),
        };
        self.at = place.ok_or_else(|| Error::other("before the beginning"))?;
        Ok(self.at)
    }
}
