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

use std::sync::Arc;

use ndarray::ArrayViewMut2;

use self::array::{Layer, coordinate, run};
use self::contents::{COORDINATES, Contents};
use self::layout::Utah;
use super::hrrr::analyses::{Analyses, Ask, Common, unread};
use super::hrrr::catalogue::Catalogue;
use super::hrrr::index::Index;
use super::hrrr::layout::{Days, FileOf, Naming, Product};
use super::hrrr::recent::Recent;
use super::{Available, DataError};
use crate::data::files::{Files, Wanted};
use crate::data::grib::words::When;
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
    common: Common,
    contents: Recent<Contents>,
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
            if !told.iter().any(|(known, _)| list.first() == Some(known)) {
                told.extend(first_sound(&files, &list)?);
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
        let common = Common { name: name.to_string(), files, days, catalogue, times, grid, identity };
        Ok(HrrrZarr { common, contents: Recent::new(KEPT) })
    }

    fn contents(&self, file: &FileOf) -> Result<Arc<Contents>, DataError> {
        self.contents.get(&Utah::path(file), || Contents::of(&self.common.files, &Utah.listed(file)))
    }

    /// The layer in its array, held to what was asked for.
    fn layer(&self, ask: &Ask<'_>) -> Result<Layer, DataError> {
        let Common { files, grid, .. } = &self.common;
        let contents = self.contents(&ask.file)?;
        let fail = |reason: String| record(files, ask, reason);
        let unread = |reason: String| DataError::Archive(format!("{}: {reason}", ask.name()));
        let found = contents.index.records.iter().position(|record| {
            let when = When { ahead: i64::from(ask.file.lead.min(1)) * 3600, cell: ask.cell };
            record.codes.iter().any(|code| ask.entry.codes.contains(code))
                && record.level.is_some_and(|level| level.same(&ask.level))
                && record.when == Some(when)
        });
        let lacks = || fail("the hierarchy is there but has no such array".into());
        let path = found.and_then(|place| contents.arrays.get(place)).ok_or_else(lacks)?;
        let described = contents.described(files, path).map_err(unread)?.ok_or_else(lacks)?;
        let outer = path.rsplitn(3, '/').last().unwrap_or_default();
        let named = run(files, &contents, &format!("{outer}/{}", COORDINATES[2])).map_err(unread)?;
        if let Some(named) = named.filter(|named| *named != ask.file.run) {
            return Err(fail(format!("it is of the run {named}, not of {}", ask.file.run)));
        }
        let size = (grid.plan.height, grid.plan.width);
        let layer = Layer::open(files, &contents, path, described, ask.file.lead, size).map_err(fail)?;
        match layer.written().map_err(unread)? {
            true => Ok(layer),
            false => Err(fail("the array is named but none of its chunks is there".into())),
        }
    }
}

/// The first of these hierarchies whose contents can be told, for the newest may still be coming; nothing if there are none.
fn first_sound(files: &Arc<dyn Files>, list: &[FileOf]) -> Result<Option<(FileOf, Contents)>, DataError> {
    let mut wrong = None;
    for file in list {
        match Contents::of(files, file) {
            Ok(contents) => return Ok(Some((*file, contents))),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    wrong.map_or(Ok(None), Err)
}

/// Of what is not there or not what it should be.
fn record(files: &Arc<dyn Files>, ask: &Ask<'_>, reason: String) -> DataError {
    let file = format!("{}/{}", files.place(), Utah::path(&ask.file));
    DataError::Record { file, record: ask.name(), reason }
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

impl Analyses for HrrrZarr {
    fn common(&self) -> &Common {
        &self.common
    }

    fn path(&self, file: &FileOf) -> String {
        Utah::path(file)
    }

    fn look(&self, file: &FileOf) {
        let _ = self.contents(file);
    }

    fn stretches(&self, ask: &Ask<'_>) -> Result<Vec<Wanted>, DataError> {
        self.layer(ask)?.stretches().map_err(DataError::Archive)
    }

    fn plane(&self, ask: &Ask<'_>, mut plane: ArrayViewMut2<'_, f32>) -> Result<(), DataError> {
        self.layer(ask)?.read(plane.view_mut()).map_err(|trouble| match trouble {
            Trouble::Unread(reason) => DataError::Archive(format!("{}: {reason}", ask.name())),
            damaged => record(&self.common.files, ask, damaged.told()),
        })?;
        ask.entry.finish(plane);
        Ok(())
    }
}
