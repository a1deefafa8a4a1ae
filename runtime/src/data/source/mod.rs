//! Files that belong to no archive, told by what is in them: GRIB2, NetCDF, Zarr, batch files. Whatever a file is, it
//! offers fields ([`Offer`]) at times on one grid ([`Place`]), and reads them in SI, row 0 in the north.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use ndarray::Array3;

use crate::data::files::{Files, Wanted};

mod batch;
mod cf;
mod grib;
mod grid;
pub(in crate::data) mod hierarchy;
pub mod place;
pub(in crate::data) mod storage;
mod table;
pub mod units;
pub(in crate::data) mod values;
pub mod what;
mod wrf;
pub(in crate::data) mod zarr;

pub use place::{Coordinates, Mapping, Place};
pub use what::{What, Where};

/// A field that a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// What the file calls it, with the place where that is apart: `TMP:2 m above ground`, `Temperature_isobaric`.
    pub name: String,
    pub what: Option<What>,
    pub place: Where,
    /// `max over 1 h`; absent if instantaneous.
    pub cell: Option<String>,
    /// Winds along the rows and columns of the grid, not towards east and north.
    pub along_grid: bool,
    /// When it is there. Empty if it does not change in time.
    pub times: Arc<Vec<Timestamp>>,
}

/// One file or folder.
pub trait Source: std::fmt::Debug + Send + Sync {
    /// `GRIB2`, `NetCDF-4 (HDF5)`, `Zarr v3`…
    fn format(&self) -> String;

    fn place(&self) -> &Place;

    fn offers(&self) -> &[Offer];

    /// The unit in which the values of a field come, where it is known.
    fn units(&self, _offer: usize) -> Option<String> {
        None
    }

    /// When the run began from which the fields come, if it is one.
    fn reference(&self) -> Option<Timestamp> {
        None
    }

    /// What a person should know: what was left out, and why.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The bytes that reading a field needs, of files that are fetched for it; none where they are read where they lie.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn stretches(&self, _offer: usize, _time: Option<Timestamp>) -> Result<Vec<Wanted>, String> {
        Ok(Vec::new())
    }

    /// The field `offers()[offer]` at a time, (levels, H, W), levels in the order of [`Where`], missing values as NaN.
    ///
    /// # Errors
    /// A sentence that says what cannot be read.
    fn read(&self, offer: usize, time: Option<Timestamp>) -> Result<Array3<f32>, String>;
}

/// All inputs of a command, on one grid.
#[derive(Debug)]
pub struct Sources {
    list: Vec<(PathBuf, Box<dyn Source>)>,
}

/// A field of one of the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    source: usize,
    offer: usize,
}

/// Why an input cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

impl Sources {
    /// Opens every input.
    ///
    /// # Errors
    /// One that is not there, of no form known here, damaged as a whole, or on another grid than the first.
    pub fn open(paths: &[PathBuf]) -> Result<Sources, SourceError> {
        let mut list: Vec<(PathBuf, Box<dyn Source>)> = Vec::new();
        for path in paths {
            let source = open(path)?;
            if let Some((first, known)) = list.first()
                && !known.place().same(source.place())
            {
                return Err(SourceError(format!(
                    "{} is on another grid than {}: derive them one by one",
                    path.display(),
                    first.display()
                )));
            }
            list.push((path.clone(), source));
        }
        match list.is_empty() {
            true => Err(SourceError("no input was given".into())),
            false => Ok(Sources { list }),
        }
    }

    /// A Zarr store at any place.
    ///
    /// # Errors
    /// What is none, or cannot be read.
    pub fn served(files: &Arc<dyn Files>) -> Result<Sources, SourceError> {
        let place = files.place();
        let source = zarr::served(files).map_err(|reason| {
            SourceError(match reason.starts_with(&place) {
                true => reason,
                false => format!("{place}: {reason}"),
            })
        })?;
        Ok(Sources { list: vec![(PathBuf::from(place), Box::new(source))] })
    }

    pub fn place(&self) -> &Place {
        self.list[0].1.place()
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.list.iter().map(|(path, _)| path.as_path())
    }

    pub fn reference(&self) -> Option<Timestamp> {
        let all: BTreeSet<Option<Timestamp>> =
            self.list.iter().map(|(_, source)| source.reference()).collect();
        if all.len() == 1 { all.into_iter().next().flatten() } else { None }
    }

    pub fn formats(&self) -> String {
        let all: BTreeSet<String> = self.list.iter().map(|(_, source)| source.format()).collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    }

    pub fn notes(&self) -> Vec<String> {
        let told = |(path, source): &(PathBuf, Box<dyn Source>)| {
            let name = path.display().to_string();
            source.notes().into_iter().map(move |note| format!("{name}: {note}")).collect::<Vec<_>>()
        };
        self.list.iter().flat_map(told).collect()
    }

    pub fn offer(&self, found: Found) -> &Offer {
        &self.list[found.source].1.offers()[found.offer]
    }

    /// The unit in which the values of a field come, where it is known.
    pub fn units(&self, found: Found) -> Option<String> {
        self.list[found.source].1.units(found.offer)
    }

    /// All fields, in the order of the inputs.
    pub fn all(&self) -> impl Iterator<Item = (Found, &Offer)> {
        self.list.iter().enumerate().flat_map(|(source, (_, holder))| {
            let place = move |(offer, held)| (Found { source, offer }, held);
            holder.offers().iter().enumerate().map(place)
        })
    }

    /// The first field for which `fits` holds; of several inputs with the same field at other times, see
    /// [`Sources::read`].
    pub fn find(&self, fits: impl Fn(&Offer) -> bool) -> Option<Found> {
        self.all().find(|(_, offer)| fits(offer)).map(|(found, _)| found)
    }

    /// Every time at which something is there that changes, in order; if nothing does, every time.
    pub fn times(&self) -> Vec<Timestamp> {
        let of = |fixed: bool| -> BTreeSet<Timestamp> {
            // Of years of hours all fields share one list.
            let mut lists: Vec<&Arc<Vec<Timestamp>>> = Vec::new();
            for (_, offer) in self.all().filter(|(found, _)| fixed || !self.is_fixed(*found)) {
                if !lists.iter().any(|known| Arc::ptr_eq(known, &offer.times)) {
                    lists.push(&offer.times);
                }
            }
            lists.into_iter().flat_map(|times| times.iter().copied()).collect()
        };
        let changing = of(false);
        let all = if changing.is_empty() { of(true) } else { changing };
        all.into_iter().collect()
    }

    /// Whether a field, or the like of it in another input, is there at a time.
    pub fn has(&self, found: Found, time: Option<Timestamp>) -> bool {
        self.holder(found, time).is_some()
    }

    /// Reads a field, from the input that has it at that time.
    ///
    /// # Errors
    /// A sentence that names the file, the field and what is wrong.
    pub fn read(&self, found: Found, time: Option<Timestamp>) -> Result<Array3<f32>, SourceError> {
        let offer = self.offer(found);
        let holder = self.holder(found, time).ok_or_else(|| {
            let when = time.map(|time| format!(" at {time}")).unwrap_or_default();
            SourceError(format!("`{}` is not there{when}", offer.name))
        })?;
        let (path, source) = &self.list[holder.source];
        // What does not change is there at one time of its own.
        let time = time.filter(|time| is_there(self.offer(holder), Some(*time)));
        let values = source
            .read(holder.offer, time)
            .map_err(|problem| SourceError(format!("{}: `{}`: {problem}", path.display(), offer.name)))?;
        let place = self.place();
        let wanted = (offer.place.depth(), place.height, place.width);
        if values.dim() != wanted {
            return Err(SourceError(format!(
                "{}: `{}` has shape {:?}, but {wanted:?} is wanted",
                path.display(),
                offer.name,
                values.dim()
            )));
        }
        Ok(values)
    }

    /// The bytes that reading a field needs, of files that are fetched for it.
    ///
    /// # Errors
    /// As [`Sources::read`].
    pub fn stretches(&self, found: Found, time: Option<Timestamp>) -> Result<Vec<Wanted>, SourceError> {
        let Some(holder) = self.holder(found, time) else { return Ok(Vec::new()) };
        let time = time.filter(|time| is_there(self.offer(holder), Some(*time)));
        let (path, source) = &self.list[holder.source];
        source
            .stretches(holder.offer, time)
            .map_err(|problem| SourceError(format!("{}: {problem}", path.display())))
    }

    /// The same field where it is there at a time; any time will do for what the file has at one time only, if it
    /// is static.
    fn holder(&self, found: Found, time: Option<Timestamp>) -> Option<Found> {
        let wanted = self.offer(found);
        if is_there(wanted, time) {
            return Some(found);
        }
        let other = self.all().find(|(_, offer)| alike(offer, wanted) && is_there(offer, time));
        other.map(|(found, _)| found).or_else(|| self.is_fixed(found).then_some(found))
    }

    /// Whether a field is there at one time of all inputs only, and is one that does not change.
    pub fn is_fixed(&self, found: Found) -> bool {
        let wanted = self.offer(found);
        what::is_static(&wanted.name, wanted.what, &wanted.place) && self.times_of(found).len() <= 1
    }

    /// The times of a field in all inputs; none if it does not change.
    pub fn times_of(&self, found: Found) -> BTreeSet<Timestamp> {
        let wanted = self.offer(found);
        let like = self.all().filter(|(_, offer)| alike(offer, wanted));
        like.flat_map(|(_, offer)| offer.times.iter().copied()).collect()
    }
}

fn is_there(offer: &Offer, time: Option<Timestamp>) -> bool {
    time.is_none_or(|time| offer.times.is_empty() || offer.times.contains(&time))
}

/// Whether two inputs offer one field.
fn alike(one: &Offer, other: &Offer) -> bool {
    one.what == other.what
        && one.place == other.place
        && one.cell == other.cell
        && one.along_grid == other.along_grid
        && (one.what.is_some() || one.name == other.name)
}

/// Opens one input. What it is, is told from its bytes, not from its name.
fn open(path: &Path) -> Result<Box<dyn Source>, SourceError> {
    let fail = |reason: String| SourceError(format!("{}: {reason}", path.display()));
    let unread = |error: std::io::Error| fail(crate::talk::reason(&error));
    if std::fs::metadata(path).map_err(unread)?.is_dir() {
        return Ok(Box::new(zarr::open(path).map_err(fail)?));
    }
    let mut start = Vec::new();
    File::open(path).map_err(unread)?.take(1024).read_to_end(&mut start).map_err(unread)?;
    if start.is_empty() {
        return Err(fail("the file is empty".into()));
    }
    if start.starts_with(b"CDF") || start.starts_with(b"\x89HDF") {
        return open_netcdf(path);
    }
    if start.windows(4).any(|window| window == b"GRIB") {
        return Ok(Box::new(grib::open(path).map_err(SourceError)?));
    }
    if start.starts_with(b"\x1f\x8b") {
        return Err(fail("compressed with gzip: unpack it first".into()));
    }
    // The length of a safetensors header, then the header in JSON.
    if start.get(8) == Some(&b'{') {
        return Ok(Box::new(batch::open(path).map_err(fail)?));
    }
    if start.starts_with(b"%TITLE%") || start.windows(5).any(|window| window == b"%RAW%") {
        return Err(fail("this is a sounding: aurorac derive std.severe --sounding FILE".into()));
    }
    let shown: String =
        start.iter().take(8).flat_map(|&byte| std::ascii::escape_default(byte)).map(char::from).collect();
    Err(fail(format!(
        "neither GRIB2 nor NetCDF nor a Zarr folder nor a batch file (safetensors); it begins with `{shown}`"
    )))
}

/// Output of WRF or of its preprocessor, or any other file of variables.
fn open_netcdf(path: &Path) -> Result<Box<dyn Source>, SourceError> {
    let file = crate::data::netcdf::NetCdf::open(path).map_err(|error| SourceError(error.to_string()))?;
    if wrf::is_model(&file) {
        return Ok(Box::new(wrf::model(path).map_err(SourceError)?));
    }
    if wrf::is_metgrid(&file) {
        return Ok(Box::new(wrf::metgrid(file).map_err(SourceError)?));
    }
    let fail = |reason: String| SourceError(format!("{}: {reason}", path.display()));
    Ok(Box::new(cf::Cf::new(table::Netcdf(file)).map_err(fail)?))
}
