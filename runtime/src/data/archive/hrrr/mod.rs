//! NOAA's HRRR in GRIB2, as it lies in `noaa-hrrr-bdp-pds` or in a folder of the same layout.
//!
//! - An instantaneous field is that of the analysis (f00) of its hour. What is over a period does not exist there: f00
//!   carries placeholders, so `max over 1 h` is read from the run an hour before (f01), `sum over 3 h` from f03 of the
//!   run three hours before. Some instantaneous fields are placeholders in f00 too ([`catalogue::blank_at_start`]), and
//!   come from f01 likewise. Where wrfsubh files lie beside the others there are times between the hours, which are of the
//!   run of their own hour, and periods of a part of an hour ([`sought`]).
//! - Which file of a run holds a field is what the inventories of the newest hour say, and those of the first hour of what
//!   has gone since; wrfsfc goes before wrfprs before wrfnat. `PARAMETER` alone is the field on the pressure levels of wrfprs (Pa) and, after those, on the model's own
//!   of wrfnat (by their numbers).
//! - A record is found by the `.idx` ([`index`]) and decoded from its bytes alone. Nothing is believed: the message has to be
//!   what was asked for by code, level, period, run, time and grid. If not, what is kept of the file is forgotten and the
//!   record is read once more before that is an error. A place that does not answer says nothing of what it holds.
//! - Values come in SI, north up; winds as they are, along the grid.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ndarray::ArrayViewMut2;

use self::analyses::{Analyses, Ask, Common, unread};
use self::catalogue::Catalogue;
use self::index::{Index, Record};
use self::layout::{Days, Domain, FileOf, Product, QUARTER};
use self::recent::Recent;
use super::{Available, DataError};
use crate::data::files::{FileError, Files, Wanted};
use crate::data::grib::words::Level;
use crate::data::grib::{self, Grib};
use crate::data::grid::Grid;

pub mod analyses;
pub mod catalogue;
pub mod index;
pub mod layout;
pub mod recent;
mod shape;
pub mod sought;
#[cfg(test)]
mod tests;

/// NCEP's number (common table C-11).
const NCEP: u16 = 7;
/// Inventories kept: those of the files that threads are reading from.
const KEPT: usize = 64;
/// Counts what reading a field means: a store that was made of another meaning is not taken for one of this.
const MEANING: u32 = 2;

/// The archive.
#[derive(Debug)]
pub struct Hrrr {
    common: Common,
    domain: Domain,
    /// The grid as its messages describe it.
    shape: grib::Grid,
    indexes: Recent<Index>,
}

/// Why a record cannot be had.
enum Trouble {
    /// It is not in the file.
    Lacks(DataError),
    /// It is damaged, or what was fetched of it.
    Damaged(DataError),
    /// The place could not be asked, which says nothing of the record.
    Unread(DataError),
}

impl Trouble {
    fn error(self) -> DataError {
        match self {
            Trouble::Lacks(error) | Trouble::Damaged(error) | Trouble::Unread(error) => error,
        }
    }
}

impl Hrrr {
    /// Looks at what is there: the days, and the inventories of the newest hour and of the first.
    ///
    /// # Errors
    /// A place that cannot be read, that holds no analysis of HRRR, or whose grid no recipe can name.
    pub fn open(name: &str, files: Arc<dyn Files>, domain: Domain) -> Result<Hrrr, DataError> {
        let days = Days::new(Arc::clone(&files), domain);
        let Some((from, to)) = days.reach().map_err(unread)? else {
            return Err(DataError::Archive(format!(
                "{} holds no analysis of HRRR: a file such as `hrrr.20200520/{}/hrrr.t00z.wrfsfcf00.grib2`",
                files.place(),
                domain.name()
            )));
        };
        let mut inventories: Vec<(FileOf, Index)> = Vec::new();
        for list in days.telling(from, to).map_err(unread)? {
            if !inventories.iter().any(|(file, _)| list.first() == Some(file)) {
                inventories.extend(first_sound(&files, domain, &list)?);
            }
        }
        let list: Vec<(Product, &Index)> =
            inventories.iter().map(|(file, index)| (file.product, index)).collect();
        let catalogue = Catalogue::of(&list);
        let oldest = inventories.iter().find(|(file, _)| file.run == from && file.lead == 0);
        let (Some((newest, of_newest)), Some((oldest, of_oldest)), false) =
            (inventories.first(), oldest, catalogue.is_empty())
        else {
            return Err(DataError::Archive(format!(
                "{}: no field of the hours {from} and {to} is known",
                files.place()
            )));
        };
        let (of_first, digest) = shape::first_message(&files, &oldest.path(domain), of_oldest)?;
        // Where a file has just come it may not be whole.
        let shape = match shape::first_message(&files, &newest.path(domain), of_newest) {
            Ok((shape, _)) => shape,
            Err(_) => of_first,
        };
        let grid = Grid::new(&shape::plan(&shape, domain).map_err(|reason| {
            DataError::Archive(format!("{}/{}: {reason}", files.place(), newest.path(domain)))
        })?)?;
        // Where the records of the first hour lie depends on every packed byte.
        let identity = format!("hrrr {MEANING} {} since {from} {digest}", domain.name());
        let times = match catalogue.has_quarters() {
            false => Available { from, to, every: 3600 },
            true => Available { from, to: last_quarter(&days, to).map_err(unread)?, every: QUARTER },
        };
        let common = Common { name: name.to_string(), files, days, catalogue, times, grid, identity };
        Ok(Hrrr { common, domain, shape, indexes: Recent::new(KEPT) })
    }

    fn index(&self, path: &str) -> Result<Arc<Index>, DataError> {
        self.indexes.get(path, || index(&self.common.files, path))
    }

    fn inventory(&self, path: &str) -> Result<Arc<Index>, Trouble> {
        self.index(path).map_err(|error| match error {
            DataError::Record { .. } => Trouble::Damaged(error),
            _ => Trouble::Unread(error),
        })
    }

    /// What proves damaged is fetched once more: it may have been kept while the file was still coming.
    fn twice<T>(
        &self,
        ask: &Ask<'_>,
        mut attempt: impl FnMut() -> Result<T, Trouble>,
    ) -> Result<T, DataError> {
        match attempt() {
            Err(Trouble::Damaged(_)) => {
                self.forget(&self.path(&ask.file));
                attempt().map_err(Trouble::error)
            }
            done => done.map_err(Trouble::error),
        }
    }

    fn forget(&self, path: &str) {
        self.indexes.forget(path);
        forget(&self.common.files, path);
    }

    fn attempt(&self, ask: &Ask<'_>, mut plane: ArrayViewMut2<'_, f32>) -> Result<(), Trouble> {
        let path = self.path(&ask.file);
        let file = format!("{}/{path}", self.common.files.place());
        let index = self.inventory(&path)?;
        let Some(record) = index.records.iter().find(|record| ask.is(record)) else {
            return Err(self.lacks(ask, &path, file, &index));
        };
        let damaged = |reason: String| {
            Trouble::Damaged(DataError::Record { file: file.clone(), record: record.name(), reason })
        };
        let bytes = self
            .common
            .files
            .read(&path, record.bytes.clone())
            .map_err(|error| self.unread(&path, record, &error, damaged))?;
        let message = Grib::of_bytes(Path::new(&file), bytes, record.bytes.start).map_err(|error| {
            damaged(format!(
                "at byte {}: {}",
                error.place.map_or(record.bytes.start, |(_, at)| at),
                error.problem
            ))
        })?;
        if message.messages() != 1 || message.skipped() > 0 {
            return Err(damaged(format!(
                "the .idx gives it bytes {} to {}, where {} messages and {} other bytes lie",
                record.bytes.start,
                record.bytes.end,
                message.messages(),
                message.skipped()
            )));
        }
        let Some(field) = message.fields().iter().find(|field| ask.means(field)) else {
            let found: Vec<String> = message.fields().iter().map(said).collect();
            return Err(damaged(format!(
                "the message at byte {} is {}",
                record.bytes.start,
                found.join(" and ")
            )));
        };
        let (run, valid) = (field.product.reference, field.product.valid);
        if run != ask.file.run || valid != Some(ask.time) {
            let valid = valid.map_or_else(|| "no time".into(), |valid| valid.to_string());
            return Err(damaged(format!(
                "it is of the run {run} for {valid}, not of {} for {}",
                ask.file.run, ask.time
            )));
        }
        if !shape::same(&field.grid, &self.shape) {
            return Err(damaged(format!("it lies on another grid than the archive: {}", field.grid.name())));
        }
        message.image_into(field, plane.view_mut()).map_err(|error| damaged(error.problem.to_string()))?;
        ask.entry.finish(plane);
        Ok(())
    }

    /// Bytes that did not come: the file ends before them, or the place does not answer.
    fn unread(
        &self,
        path: &str,
        record: &Record,
        error: &FileError,
        damaged: impl Fn(String) -> Trouble,
    ) -> Trouble {
        let (start, end) = (record.bytes.start, record.bytes.end);
        let reason = format!("{} ({} bytes from byte {start})", error.reason, end - start);
        match self.common.files.length(path) {
            Ok(length) if length.is_none_or(|length| length < end) => damaged(reason),
            _ => Trouble::Unread(DataError::Archive(format!(
                "{}/{path}: {}: {reason}",
                self.common.files.place(),
                record.name()
            ))),
        }
    }

    /// A record that is not listed: the file lacks it, or its list was cut short.
    fn lacks(&self, ask: &Ask<'_>, path: &str, file: String, index: &Index) -> Trouble {
        let record = ask.name();
        if index.told
            && let Some(last) = index.records.last()
        {
            let head = last.bytes.start..last.bytes.end.min(last.bytes.start + 16);
            let head = match self.common.files.read(path, head) {
                Ok(head) => head,
                Err(error) => return Trouble::Unread(unread(error)),
            };
            let length = grib::octets::unsigned(&head, 8, 8);
            if length != Some(last.bytes.end - last.bytes.start) {
                let reason =
                    format!("the .idx does not list it, and ends with {} before the file does", last.name());
                return Trouble::Damaged(DataError::Record { file, record, reason });
            }
        }
        let reason = "the file is there but has no such record".to_string();
        Trouble::Lacks(DataError::Record { file, record, reason })
    }
}

impl Ask<'_> {
    fn is(&self, record: &Record) -> bool {
        record.codes.iter().any(|code| self.entry.codes.contains(code))
            && record.level.is_some_and(|level| level.same(&self.level))
            && record.when == Some(self.when())
    }

    fn means(&self, field: &grib::Field) -> bool {
        self.entry.codes.contains(&field.product.code)
            && Level::of(&field.product).is_some_and(|level| level.same(&self.level))
            && field.product.cell == self.cell
            && field.product.kind.is_none()
    }
}

/// `TMP (0.0.0) at 2 m above ground, max over 1 h`.
fn said(field: &grib::Field) -> String {
    let cell = field.product.cell_name().map(|cell| format!(", {cell}")).unwrap_or_default();
    format!("{} ({}) at {}{cell}", field.name(), field.product.code, field.product.level_name())
}

impl Analyses for Hrrr {
    fn common(&self) -> &Common {
        &self.common
    }

    fn path(&self, file: &FileOf) -> String {
        file.path(self.domain)
    }

    fn look(&self, file: &FileOf) {
        let _ = self.index(&self.path(file));
    }

    fn stretches(&self, ask: &Ask<'_>) -> Result<Vec<Wanted>, DataError> {
        self.twice(ask, || {
            let path = self.path(&ask.file);
            let index = self.inventory(&path)?;
            match index.records.iter().find(|record| ask.is(record)) {
                Some(record) => Ok(vec![Wanted { path, start: record.bytes.start, end: record.bytes.end }]),
                None => {
                    let file = format!("{}/{path}", self.common.files.place());
                    Err(self.lacks(ask, &path, file, &index))
                }
            }
        })
    }

    fn plane(&self, ask: &Ask<'_>, mut plane: ArrayViewMut2<'_, f32>) -> Result<(), DataError> {
        self.twice(ask, || self.attempt(ask, plane.view_mut()))
    }
}

/// Drops what is kept of a file and of its list.
fn forget(files: &Arc<dyn Files>, path: &str) {
    files.forget(path);
    files.forget(&format!("{path}.idx"));
}

/// The last time of an archive whose newest analysis is of `hour`: its run may go on beyond.
fn last_quarter(days: &Days, hour: Timestamp) -> Result<Timestamp, FileError> {
    let goes_on = days.has(&FileOf { run: hour, product: Product::Quarters, lead: 1 })?;
    let last = hour.checked_add(SignedDuration::from_secs(3 * QUARTER)).ok().filter(|_| goes_on);
    Ok(last.unwrap_or(hour))
}

/// The first of these files whose inventory is sound; nothing if there are none.
fn first_sound(
    files: &Arc<dyn Files>,
    domain: Domain,
    list: &[FileOf],
) -> Result<Option<(FileOf, Index)>, DataError> {
    let mut wrong = None;
    for file in list {
        let path = file.path(domain);
        let found = match index(files, &path) {
            Err(DataError::Record { .. }) => {
                forget(files, &path);
                index(files, &path)
            }
            found => found,
        };
        match found {
            Ok(index) => return Ok(Some((*file, index))),
            Err(error @ DataError::Record { .. }) => wrong = wrong.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    wrong.map_or(Ok(None), Err)
}

fn index(files: &Arc<dyn Files>, path: &str) -> Result<Index, DataError> {
    let length = files.length(path).map_err(unread)?;
    let length =
        length.ok_or_else(|| DataError::Archive(format!("{}/{path} is not there", files.place())))?;
    Index::read(files, path, length)
}
