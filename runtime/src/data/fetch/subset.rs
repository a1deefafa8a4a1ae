//! Some records of a GRIB2 file as a file of their own, under its path, with an inventory beside it: a part of an
//! archive that is read as the whole one is.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::data::files::{FileError, Files, Wanted};
use crate::data::idx::Inventory;
use crate::durable;
use crate::talk::reason;

/// A file of records below a folder.
#[derive(Clone, Debug)]
pub struct Subset {
    file: PathBuf,
    inventory: PathBuf,
    path: String,
}

impl Subset {
    /// The part of `path` below `folder`; nothing is read or made. Paths that lead out of the folder are none.
    #[must_use]
    pub fn new(folder: &Path, path: &str) -> Option<Subset> {
        let plain =
            |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':']);
        let file = path
            .split('/')
            .all(plain)
            .then(|| path.split('/').fold(folder.to_path_buf(), |at, part| at.join(part)))?;
        let name = format!("{}.idx", file.file_name()?.to_string_lossy());
        Some(Subset { inventory: file.with_file_name(name), file, path: path.to_string() })
    }

    /// The lines of its inventory, as the whole file has them but for their offsets, with their bytes here; empty if it
    /// is not there or not whole.
    #[must_use]
    pub fn lines(&self) -> BTreeMap<String, Range<u64>> {
        let Ok(text) = std::fs::read(&self.inventory) else { return BTreeMap::new() };
        let Ok(length) = std::fs::metadata(&self.file).map(|about| about.len()) else {
            return BTreeMap::new();
        };
        let Ok(inventory) = Inventory::read(&self.path, &text) else { return BTreeMap::new() };
        let lines = inventory.entries().iter();
        lines.filter_map(|entry| Some((key(&entry.line), inventory.range(entry.offset, length)?))).collect()
    }

    /// Whether all of these records are in it.
    #[must_use]
    pub fn holds(&self, whole: &Inventory, records: &[Wanted]) -> bool {
        let here = self.lines();
        whole
            .entries()
            .iter()
            .filter(|entry| message(whole, entry.offset, records).is_some())
            .all(|entry| here.contains_key(&key(&entry.line)))
    }

    /// Writes these records, and those that were in it before, in the order of the whole file. The inventory is written
    /// last and names only what is there.
    ///
    /// # Errors
    /// A record that cannot be read, a folder that cannot be written.
    pub fn write(&self, files: &dyn Files, whole: &Inventory, records: &[Wanted]) -> Result<(), FileError> {
        let here = self.lines();
        let before = if here.is_empty() {
            Vec::new()
        } else {
            std::fs::read(&self.file).map_err(|error| self.error(&error))?
        };
        let (mut bytes, mut lines) = (Vec::new(), String::new());
        let mut last = None;
        for entry in whole.entries() {
            let wanted = message(whole, entry.offset, records);
            let known = here.get(&key(&entry.line));
            if wanted.is_none() && known.is_none() {
                continue;
            }
            // Fields of one message stand behind one another.
            if last.map(|(offset, _)| offset) != Some(entry.offset) {
                last = Some((entry.offset, bytes.len()));
                match (known, wanted) {
                    (Some(range), _) => {
                        let range = range.start as usize..range.end as usize;
                        bytes.extend_from_slice(before.get(range).unwrap_or_default());
                    }
                    (None, Some(range)) => bytes.extend(files.read(&self.path, range)?),
                    (None, None) => {}
                }
            }
            let (number, rest) = entry.line.split_once(':').unwrap_or_default();
            let rest = rest.split_once(':').map_or("", |(_, rest)| rest);
            let offset = last.map_or(0, |(_, start)| start);
            lines.push_str(&format!("{number}:{offset}:{rest}\n"));
        }
        // Without its inventory a file is walked through: old lines must not point into new bytes.
        match std::fs::remove_file(&self.inventory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(self.error(&error)),
            _ => {}
        }
        durable::write(&self.file, &bytes).map_err(|error| self.error(&error))?;
        durable::write(&self.inventory, lines.as_bytes()).map_err(|error| self.error(&error))
    }

    fn error(&self, error: &std::io::Error) -> FileError {
        let folder = self.file.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        let path = self.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        FileError { place: folder, path, reason: reason(error) }
    }
}

/// The bytes of the message that begins at `offset`, if it is among the records.
fn message(whole: &Inventory, offset: u64, records: &[Wanted]) -> Option<Range<u64>> {
    let record = records.iter().find(|record| record.range().contains(&offset))?;
    let end = whole.next(offset).unwrap_or(record.end);
    (end <= record.end).then_some(offset..end)
}

/// A line without its offset.
fn key(line: &str) -> String {
    let (number, rest) = line.split_once(':').unwrap_or_default();
    format!("{number}:{}", rest.split_once(':').map_or("", |(_, rest)| rest))
}
