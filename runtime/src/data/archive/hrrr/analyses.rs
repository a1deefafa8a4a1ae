//! What the archives of HRRR share, whatever their files are: hours of analyses and of the forecasts just before them, a
//! catalogue of what these hold, and one rule by which a field of a time is sought in a file of a run.

use std::fmt::Debug;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ndarray::parallel::prelude::*;
use ndarray::{Array3, ArrayViewMut2, Axis};

use super::catalogue::{Catalogue, Entry, HOUR};
use super::layout::{Days, FileOf, PRODUCTS, Product};
use super::sought::Sought;
use crate::data::archive::{Archive, ArchiveField, Available, DataError, Request};
use crate::data::files::{FileError, Files, Wanted};
use crate::data::grib::product::{Cell, duration};
use crate::data::grib::words::{Level, When};
use crate::data::grid::Grid;

/// What is known of such an archive once it is open.
#[derive(Debug)]
pub struct Common {
    pub name: String,
    pub files: Arc<dyn Files>,
    pub days: Days,
    pub catalogue: Catalogue,
    pub times: Available,
    pub grid: Grid,
    /// Of the first hour only, so that it stays when later ones come.
    pub identity: String,
}

/// One layer of a field at one time.
#[derive(Debug)]
pub struct Ask<'a> {
    pub entry: &'a Entry,
    pub cell: Option<Cell>,
    pub level: Level,
    pub file: FileOf,
    pub time: Timestamp,
}

impl Ask<'_> {
    /// As an inventory would list it.
    pub fn name(&self) -> String {
        self.entry.record(&self.level, self.when())
    }

    /// How far ahead of its run it is, and over which period.
    pub fn when(&self) -> When {
        When { ahead: self.time.as_second() - self.file.run.as_second(), cell: self.cell }
    }
}

impl Common {
    /// The layers of a field that are wanted at a time.
    fn asks(&self, wanted: &Request<'_>, time: Timestamp) -> Result<Vec<Ask<'_>>, DataError> {
        let Sought { entry, cell, run, lead } =
            self.catalogue.asked(&self.name, wanted.from, wanted.cell, time)?;
        let ask = |(product, level)| Ask { entry, cell, level, file: FileOf { run, product, lead }, time };
        Ok(entry.layers(wanted)?.into_iter().map(ask).collect())
    }
}

/// Where an archive of HRRR has its layers, and how they are read: the rest follows, so that it is an [`Archive`].
pub trait Analyses: Debug + Send + Sync {
    fn common(&self) -> &Common;

    /// Where a file lies below the place.
    fn path(&self, file: &FileOf) -> String;

    /// Looks into a file once, before all layers want it at the same time; an error comes again with each of them.
    fn look(&self, file: &FileOf);

    /// The bytes of a layer.
    ///
    /// # Errors
    /// A layer that is not there, a place that cannot be asked.
    fn stretches(&self, ask: &Ask<'_>) -> Result<Vec<Wanted>, DataError>;

    /// Reads a layer into its plane, north up, in SI.
    ///
    /// # Errors
    /// As [`Analyses::stretches`]; what is not what was asked for.
    fn plane(&self, ask: &Ask<'_>, plane: ArrayViewMut2<'_, f32>) -> Result<(), DataError>;
}

impl<A: Analyses> Archive for A {
    fn name(&self) -> &str {
        &self.common().name
    }

    fn identity(&self) -> String {
        self.common().identity.clone()
    }

    fn fields(&self) -> Vec<ArchiveField> {
        self.common().catalogue.fields()
    }

    fn grid(&self) -> Grid {
        self.common().grid.clone()
    }

    fn times(&self) -> Available {
        self.common().times
    }

    fn has(&self, time: Timestamp) -> bool {
        let Common { days, times, .. } = self.common();
        // What cannot be asked is not absent: reading it will say why.
        let there = |file: FileOf| days.has(&file).unwrap_or(true);
        times.contains(time)
            && match time.as_second().rem_euclid(HOUR) {
                0 => PRODUCTS.into_iter().any(|product| there(FileOf { run: time, product, lead: 0 })),
                past => time
                    .checked_sub(SignedDuration::from_secs(past))
                    .is_ok_and(|run| there(FileOf { run, product: Product::Quarters, lead: 1 })),
            }
    }

    fn absence(&self, wanted: &[Request<'_>], time: Timestamp) -> Option<String> {
        let Common { name, catalogue, days, times, .. } = self.common();
        if (time.as_second() - times.from.as_second()) % times.every != 0 {
            let every = duration(times.every);
            return Some(format!("the archive `{name}` has a time every {every}, and none at {time}"));
        }
        let file = catalogue.absent(days, wanted, time)?;
        Some(format!("{} is not there", self.path(&file)))
    }

    fn suits(&self, wanted: &Request<'_>, every: i64) -> Result<(), DataError> {
        let Common { name, catalogue, times, .. } = self.common();
        // One time stands for all: on the hour, or between the hours.
        let time = times.from.checked_add(SignedDuration::from_secs(every % HOUR));
        let time = time.map_err(|error| DataError::Archive(error.to_string()))?;
        catalogue.asked(name, wanted.from, wanted.cell, time).map(|_| ())
    }

    /// A field that is only there over a period comes over the one it is kept with.
    fn read(&self, from: &str, time: Timestamp) -> Result<Array3<f32>, DataError> {
        let cell = self.common().catalogue.period(from).map(|cell| cell.to_string());
        self.fetch(&Request { from, cell: cell.as_deref(), levels: None }, time)
    }

    fn files(&self) -> Option<Arc<dyn Files>> {
        Some(Arc::clone(&self.common().files))
    }

    fn records(&self, wanted: &[Request<'_>], time: Timestamp) -> Result<Vec<Wanted>, DataError> {
        let mut records = Vec::new();
        for request in wanted {
            for ask in self.common().asks(request, time)? {
                records.extend(self.stretches(&ask)?);
            }
        }
        Ok(records)
    }

    fn fetch(&self, wanted: &Request<'_>, time: Timestamp) -> Result<Array3<f32>, DataError> {
        let Common { grid, .. } = self.common();
        let asks = self.common().asks(wanted, time)?;
        asks.iter().for_each(|ask| self.look(&ask.file));
        let mut planes = Array3::zeros((asks.len(), grid.plan.height, grid.plan.width));
        planes
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(asks.par_iter())
            .try_for_each(|(plane, ask)| self.plane(ask, plane))?;
        Ok(planes)
    }
}

/// An error of a place that could not be asked.
pub fn unread(error: FileError) -> DataError {
    DataError::Archive(error.to_string())
}
