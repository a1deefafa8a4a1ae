//! What a store is made from: anything that can list its fields and times and read one field at one time.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use ndarray::{Array3, Axis};

use super::files::{Files, Wanted};
use super::grid::Grid;

pub mod cf;
pub mod hrrr;
pub mod hrrr_zarr;
pub mod place;

/// What a recipe wants of an archive: one field, some of its levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request<'a> {
    /// The archive's own name of it, as [`ArchiveField::from`] has it.
    pub from: &'a str,
    /// `max over 1 h`; nothing for an instantaneous field.
    pub cell: Option<&'a str>,
    /// Places in [`ArchiveField::levels`], in the order in which they are wanted; all of them without.
    pub levels: Option<&'a [usize]>,
}

/// A source of gridded fields.
pub trait Archive: Sync {
    /// The archive's name, as `data { archive NAME }` spells it.
    fn name(&self) -> &str;

    /// What distinguishes this archive's contents from another of the same name (a seed, a digest of a listing);
    /// a store made from one identity is not reused for another.
    fn identity(&self) -> String;

    /// Every field the archive offers, in a fixed order.
    fn fields(&self) -> Vec<ArchiveField>;

    /// What lies in its files and is not offered, and why: a sentence each.
    fn left_out(&self) -> Vec<String> {
        Vec::new()
    }

    /// The one horizontal grid of all its fields.
    fn grid(&self) -> Grid;

    /// The times it has.
    fn times(&self) -> Available;

    /// Whether it has a time; an archive with holes answers for each.
    fn has(&self, time: Timestamp) -> bool {
        self.times().contains(time)
    }

    /// One field at one time: (C, H, W), C = 1 without levels, levels in the order of [`ArchiveField::levels`].
    ///
    /// # Errors
    /// A field or a time the archive lacks, or bytes that cannot be read.
    fn read(&self, from: &str, time: Timestamp) -> Result<Array3<f32>, DataError>;

    /// What keeps a time from being read, in words (`hrrr.20200520/conus/hrrr.t03z.wrfsfcf00.grib2 is not there`);
    /// nothing if all that is wanted can be expected there. A record missing from a file that is there is no absence
    /// but an error of [`Archive::fetch`].
    fn absence(&self, _wanted: &[Request<'_>], time: Timestamp) -> Option<String> {
        (!self.has(time)).then(|| format!("the archive `{}` has nothing at {time}", self.name()))
    }

    /// Whether a field that changes is of a kind that is there at times so many seconds apart. Of single times it says
    /// nothing.
    ///
    /// # Errors
    /// What the archive has between its coarser times instead, and what to write.
    fn suits(&self, _wanted: &Request<'_>, _every: i64) -> Result<(), DataError> {
        Ok(())
    }

    /// The place whose files reading goes through; nothing for an archive without files, or whose files are read where
    /// they lie without asking.
    fn files(&self) -> Option<Arc<dyn Files>> {
        None
    }

    /// The bytes of [`Archive::files`] that reading these fields at one time needs, beside lists of contents, which finding
    /// them out has fetched. Empty where reads need no fetching; nothing for a record that the archive's files may lack.
    ///
    /// # Errors
    /// A list of contents that cannot be read, a record that should be in it and is not.
    fn records(&self, _wanted: &[Request<'_>], _time: Timestamp) -> Result<Vec<Wanted>, DataError> {
        Ok(Vec::new())
    }

    /// What is wanted of one field at one time: (C, H, W), C = 1 without levels. Archives that can read single levels do.
    ///
    /// # Errors
    /// As [`Archive::read`]; a level the field does not have.
    fn fetch(&self, wanted: &Request<'_>, time: Timestamp) -> Result<Array3<f32>, DataError> {
        let all = self.read(wanted.from, time)?;
        match wanted.levels {
            Some(levels) if levels.iter().any(|level| *level >= all.dim().0) => {
                Err(DataError::Archive(format!("`{}` came with {} levels only", wanted.from, all.dim().0)))
            }
            Some(levels) => Ok(all.select(Axis(0), levels)),
            None => Ok(all),
        }
    }
}

/// One field of an archive.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveField {
    /// The archive's own name, for instance `TMP:2 m above ground`.
    pub from: String,
    /// The unit its values come in, for instance `K`.
    pub units: String,
    /// Pressure levels in Pa, or the numbers of a model's own levels, absent for a field without levels.
    pub levels: Option<Vec<f64>>,
    /// One sentence for people.
    pub description: String,
}

/// Times from `from` to `to`, both included, every `every` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    pub from: Timestamp,
    pub to: Timestamp,
    pub every: i64,
}

impl Available {
    /// Whether `time` is one of them.
    #[must_use]
    pub fn contains(&self, time: Timestamp) -> bool {
        let offset = time.as_second() - self.from.as_second();
        time.subsec_nanosecond() == self.from.subsec_nanosecond()
            && time >= self.from
            && time <= self.to
            && offset % self.every == 0
    }
}

/// What can go wrong between an archive and a batch. Messages are for the person who wrote the recipe.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("the archive `{archive}` has no field `{field}`; it offers {offered}")]
    UnknownField { archive: String, field: String, offered: String },
    #[error("the archive `{archive}` has nothing at {time}; it has every {every} s from {from} to {to}")]
    UnknownTime { archive: String, time: Timestamp, every: i64, from: Timestamp, to: Timestamp },
    #[error("`{field}` is wanted at {wanted} Pa, but the archive `{archive}` has it at {offered} Pa")]
    UnknownLevel { archive: String, field: String, wanted: f64, offered: String },
    #[error("{0}")]
    Plan(String),
    #[error("{what} {path}: {source}", path = path.display())]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    /// The error names the file.
    #[error("{0}")]
    Unwritten(std::io::Error),
    #[error("the field `{field}` cannot be read from {path}: {reason}", path = path.display())]
    Chunk { field: String, path: PathBuf, reason: String },
    #[error("{path} is not a whole training store: {reason}", path = path.display())]
    Store { path: PathBuf, reason: String },
    #[error("the store {path} has no field `{field}`", path = path.display())]
    NotStored { path: PathBuf, field: String },
    #[error("the derived field `{field}`: {reason}")]
    Derive { field: String, reason: String },
    #[error("{0}")]
    Archive(String),
    #[error("{file}: {record}: {reason}")]
    Record { file: String, record: String, reason: String },
    #[error(
        "{path} is being written by another process: give each process a share of its own (--part I/N), or wait for it",
        path = path.display()
    )]
    Busy { path: PathBuf },
    #[error("interrupted")]
    Interrupted,
}
