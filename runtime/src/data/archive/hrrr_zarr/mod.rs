//! HRRR-Zarr, the University of Utah's copy of HRRR in Zarr (`s3://hrrrzarr`), behind the same names and rules as NOAA's
//! GRIB2 ([`super::hrrr`]).
//!
//! Documented (mesowest.utah.edu/html/hrrr/zarr_documentation; Gowan et al. 2022, doi 10.1175/JTECH-D-21-0106.1): one
//! array for each parameter and level, chunks of 150 by 150 points, analyses apart from forecasts, of which a chunk holds
//! all 18 or 48 hours, compressed with blosc; grid as in GRIB2. From programs that read it: paths
//! and spellings of levels and parameters (`layout.rs`), version 2 with a `.zmetadata` in each hierarchy, hour 1 as the
//! first of a forecast, rows from south to north, numbers of 16 bits for most, and beside each array, in
//! `LEVEL/PARAMETER`, `projection_x_coordinate`, `projection_y_coordinate` and `forecast_reference_time`.
//!
//! - What is instantaneous is that of `anl`; what is over an hour, or blank at the start of a run, is the first hour of
//!   `fcst` of the run before ([`super::hrrr::catalogue`]).
//! - Some forecasts were copies of those of the hour before: the reference time is held against the run, where it is there.
//! - Zeros are zeros, whatever the arrays have as fill value. A chunk that is not there is fill values, but an array of
//!   which none is there is missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use ndarray::parallel::prelude::*;
use ndarray::{Array3, ArrayViewMut2, Axis};

use self::array::{Layer, coordinate, run};
use self::contents::{COORDINATES, Contents};
use self::layout::Utah;
use super::hrrr::catalogue::{Catalogue, Entry};
use super::hrrr::index::Index;
use super::hrrr::layout::{Days, FileOf, PRODUCTS, Product, before};
use super::{Archive, ArchiveField, Available, DataError, Request};
use crate::data::files::{FileError, Files, Wanted};
use crate::data::grib::product::Cell;
use crate::data::grib::words::{Level, When};
use crate::data::grid::Grid;
use crate::data::source::values::Trouble;

mod array;
mod contents;
mod grid;
mod layout;
#[cfg(test)]
mod tests;

/// Contents kept: those of the hierarchies that threads are reading from.
const KEPT: usize = 16;
/// Counts what reading a field means: a store that was made of another meaning is not taken for one of this.
const MEANING: u32 = 1;

/// The archive.
#[derive(Debug)]
pub struct HrrrZarr {
    name: String,
    files: Arc<dyn Files>,
    days: Days,
    catalogue: Catalogue,
    times: Available,
    grid: Grid,
    identity: String,
    contents: Mutex<BTreeMap<String, Arc<Contents>>>,
}

/// One layer of a field at one time.
struct Ask<'a> {
    entry: &'a Entry,
    cell: Option<Cell>,
    level: Level,
    file: FileOf,
}

impl HrrrZarr {
    /// Looks at what is there: the days, and the contents of the newest hour and of the first.
    ///
    /// # Errors
    /// A place that cannot be read, that holds no analysis, or whose grid is not HRRR's.
    pub fn open(name: &str, files: Arc<dyn Files>) -> Result<HrrrZarr, DataError> {
        let days = Days::new(Arc::clone(&files), Utah);
        let Some((from, to)) = days.reach().map_err(unread)? else {
            return Err(DataError::Archive(format!(
                "{} holds no analysis of HRRR-Zarr: a hierarchy such as `sfc/20200520/20200520_00z_anl.zarr`",
                files.place()
            )));
        };
        let mut told: Vec<(FileOf, Contents)> = Vec::new();
        for list in days.telling(from, to).map_err(unread)? {
            if let Some(file) = list.first()
                && !told.iter().any(|(known, _)| known == file)
            {
                told.push((*file, Contents::of(&files, file)?));
            }
        }
        let list: Vec<(Product, &Index)> =
            told.iter().map(|(file, contents)| (file.product, &contents.index)).collect();
        let catalogue = Catalogue::of(&list);
        let oldest = told.iter().find(|(file, _)| file.run == from && file.lead == 0);
        let (Some((_, newest)), Some((_, oldest)), false) = (told.first(), oldest, catalogue.is_empty())
        else {
            let place = files.place();
            return Err(DataError::Archive(format!(
                "{place}: no field of the hours {from} and {to} is known"
            )));
        };
        let grid = grid::of(&files, newest)
            .map_err(|reason| DataError::Archive(format!("{}/{}: {reason}", files.place(), newest.path)))?;
        let identity = format!("hrrr-zarr {MEANING} since {from} {}", digest(&files, oldest)?);
        let times = Available { from, to, every: 3600 };
        let (name, contents) = (name.to_string(), Mutex::default());
        Ok(HrrrZarr { name, files, days, catalogue, times, grid, identity, contents })
    }

    /// The layers of a field that are wanted at a time.
    fn asks(&self, wanted: &Request<'_>, time: Timestamp) -> Result<Vec<Ask<'_>>, DataError> {
        let (entry, cell, lead) = self.catalogue.asked(&self.name, wanted.from, wanted.cell)?;
        let run = before(time, lead)
            .ok_or_else(|| DataError::Archive(format!("{time} is no time of the archive `{}`", self.name)))?;
        let ask = |(product, level)| Ask { entry, cell, level, file: FileOf { run, product, lead } };
        Ok(entry.layers(wanted)?.into_iter().map(ask).collect())
    }

    fn contents(&self, file: &FileOf) -> Result<Arc<Contents>, DataError> {
        let path = Utah::path(file);
        let lock = || self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&path) {
            return Ok(Arc::clone(known));
        }
        let first = FileOf { lead: file.lead.min(1), ..*file };
        let found = Arc::new(Contents::of(&self.files, &first)?);
        let mut kept = lock();
        if kept.len() >= KEPT {
            kept.pop_first();
        }
        kept.insert(path, Arc::clone(&found));
        Ok(found)
    }

    /// The layer in its array, held to what was asked for.
    fn layer(&self, ask: &Ask<'_>) -> Result<Layer, DataError> {
        let contents = self.contents(&ask.file)?;
        let fail = |reason: String| ask.error(&self.files, reason);
        let unread = |reason: String| DataError::Archive(format!("{}: {reason}", ask.name()));
        let found = contents.index.records.iter().position(|record| {
            let when = When { ahead: i64::from(ask.file.lead.min(1)) * 3600, cell: ask.cell };
            record.codes.iter().any(|code| ask.entry.codes.contains(code))
                && record.level.is_some_and(|level| level.same(&ask.level))
                && record.when == Some(when)
        });
        let lacks = || fail("the hierarchy is there but has no such array".into());
        let path = found.and_then(|place| contents.arrays.get(place)).ok_or_else(lacks)?;
        let described = contents.described(&self.files, path).map_err(unread)?.ok_or_else(lacks)?;
        let outer = path.rsplitn(3, '/').last().unwrap_or_default();
        let named = run(&self.files, &contents, &format!("{outer}/{}", COORDINATES[2])).map_err(unread)?;
        if let Some(named) = named.filter(|named| *named != ask.file.run) {
            return Err(fail(format!("it is of the run {named}, not of {}", ask.file.run)));
        }
        let size = (self.grid.plan.height, self.grid.plan.width);
        let layer =
            Layer::open(&self.files, &contents, path, described, ask.file.lead, size).map_err(fail)?;
        match layer.written().map_err(unread)? {
            true => Ok(layer),
            false => Err(fail("the array is named but none of its chunks is there".into())),
        }
    }

    /// One layer into its plane.
    fn plane(&self, ask: &Ask<'_>, mut plane: ArrayViewMut2<'_, f32>) -> Result<(), DataError> {
        self.layer(ask)?.read(plane.view_mut()).map_err(|trouble| match trouble {
            Trouble::Unread(reason) => DataError::Archive(format!("{}: {reason}", ask.name())),
            damaged => ask.error(&self.files, damaged.told()),
        })?;
        ask.entry.finish(plane);
        Ok(())
    }
}

impl Ask<'_> {
    fn name(&self) -> String {
        let ahead = i64::from(self.file.lead) * 3600;
        self.entry.record(&self.level, When { ahead, cell: self.cell })
    }

    fn error(&self, files: &Arc<dyn Files>, reason: String) -> DataError {
        let file = format!("{}/{}", files.place(), Utah::path(&self.file));
        DataError::Record { file, record: self.name(), reason }
    }
}

/// What tells an hour from any other: its arrays, and the bytes of the first.
fn digest(files: &Arc<dyn Files>, contents: &Contents) -> Result<String, DataError> {
    let fail = |reason: String| DataError::Archive(format!("{}/{}: {reason}", files.place(), contents.path));
    let mut hash = blake3::Hasher::new();
    for array in &contents.arrays {
        hash.update(array.as_bytes());
    }
    let first = contents.arrays.iter().min();
    if let Some(values) =
        first.map(|array| coordinate(files, contents, array)).transpose().map_err(fail)?.flatten()
    {
        for value in values {
            hash.update(&value.to_le_bytes());
        }
    }
    Ok(hash.finalize().to_hex().to_string())
}

fn unread(error: FileError) -> DataError {
    DataError::Archive(error.to_string())
}

impl Archive for HrrrZarr {
    fn name(&self) -> &str {
        &self.name
    }

    /// Of the first hour only, so that it stays when later ones come.
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn fields(&self) -> Vec<ArchiveField> {
        self.catalogue.fields()
    }

    fn grid(&self) -> Grid {
        self.grid.clone()
    }

    fn times(&self) -> Available {
        self.times
    }

    fn has(&self, time: Timestamp) -> bool {
        // What cannot be asked is not absent: reading it will say why.
        let there = |product| self.days.has(&FileOf { run: time, product, lead: 0 }).unwrap_or(true);
        self.times.contains(time) && PRODUCTS.into_iter().any(there)
    }

    fn absence(&self, wanted: &[Request<'_>], time: Timestamp) -> Option<String> {
        let file = self.catalogue.absent(&self.days, wanted, time)?;
        Some(format!("{} is not there", Utah::path(&file)))
    }

    /// A field that is only there over a period comes over the one its arrays have.
    fn read(&self, from: &str, time: Timestamp) -> Result<Array3<f32>, DataError> {
        let cell = self.catalogue.period(from).map(|cell| cell.to_string());
        self.fetch(&Request { from, cell: cell.as_deref(), levels: None }, time)
    }

    fn files(&self) -> Option<Arc<dyn Files>> {
        Some(Arc::clone(&self.files))
    }

    fn records(&self, wanted: &[Request<'_>], time: Timestamp) -> Result<Vec<Wanted>, DataError> {
        let mut records = Vec::new();
        for request in wanted {
            for ask in self.asks(request, time)? {
                records.extend(self.layer(&ask)?.stretches().map_err(DataError::Archive)?);
            }
        }
        Ok(records)
    }

    fn fetch(&self, wanted: &Request<'_>, time: Timestamp) -> Result<Array3<f32>, DataError> {
        let asks = self.asks(wanted, time)?;
        for ask in &asks {
            // Once, before all layers want it at the same time; an error here comes again with its array.
            let _ = self.contents(&ask.file);
        }
        let mut planes = Array3::zeros((asks.len(), self.grid.plan.height, self.grid.plan.width));
        planes
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(asks.par_iter())
            .try_for_each(|(plane, ask)| self.plane(ask, plane))?;
        Ok(planes)
    }
}
