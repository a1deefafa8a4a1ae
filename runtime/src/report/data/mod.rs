//! The report of a training store: what is in it, what is not and why, what the checks found, how the values are distributed and how
//! far they are from what Aurora was trained on. One HTML file that needs no network, and the same as JSON.

mod against;
mod gather;
mod page;
mod spark;
mod strip;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::{MapRow, ReportError, write_whole};
use crate::data::journal::TimeRecord;
use crate::data::prepare::{Month, Tally};
use crate::data::quality::Check;

pub use against::{Published, against};

/// Everything the report says.
#[derive(Clone, Debug, Serialize)]
pub struct DataReport {
    /// Of the recipe, or of the store if that is all there is.
    pub title: String,
    /// The name and the identity of the archive.
    pub archive: String,
    /// Of format, plan, archive and kernels; of all files of fields.
    pub digest: String,
    pub content: String,
    /// First and last time of the splits.
    pub span: Option<(Timestamp, Timestamp)>,
    /// In words: projection, size, spacing.
    pub grid: String,
    pub times: Month,
    pub days: BTreeMap<Date, Month>,
    /// What is not as the archive should have it: absent, rejected and filled times, with their reasons.
    pub exceptions: Vec<TimeRecord>,
    /// Checks by what they say.
    pub checks: BTreeMap<Check, &'static str>,
    /// Findings about whole times.
    pub findings: BTreeMap<Check, Tally>,
    pub fields: Vec<FieldReport>,
    /// What a person should look at, a sentence each.
    pub warnings: Vec<String>,
}

/// One field.
#[derive(Clone, Debug, Serialize)]
pub struct FieldReport {
    pub name: String,
    pub quantity: String,
    pub units: String,
    pub values: u64,
    pub outside: u64,
    pub missing: u64,
    pub mended: u64,
    pub months: BTreeMap<String, Month>,
    pub findings: BTreeMap<Check, Tally>,
    pub levels: Vec<LevelReport>,
    /// One time, on one level.
    #[serde(skip)]
    pub map: Option<MapRow>,
}

/// One level of a field, over the training split.
#[derive(Clone, Debug, Serialize)]
pub struct LevelReport {
    /// In SI; absent for a field without levels.
    pub level: Option<f64>,
    pub count: u64,
    pub mean: f64,
    pub spread: f64,
    pub minimum: f64,
    pub maximum: f64,
    /// Below which 1, 50 and 99 % of the values lie.
    pub quantiles: Option<[f64; 3]>,
    /// Of the change from one time to the next.
    pub change: Option<Change>,
    /// Aurora's own, for what it knows.
    pub aurora: Option<Published>,
    /// At the shares of [`crate::data::statistics::SHARES`].
    #[serde(skip)]
    pub curve: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Change {
    pub mean: f64,
    pub spread: f64,
}

impl DataReport {
    /// As one HTML text.
    ///
    /// # Errors
    /// A map that cannot be encoded.
    pub fn html(&self) -> Result<String, ReportError> {
        Ok(page::page(self)?.into_string())
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// As [`DataReport::html`], and a file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        write_whole(path, self.html()?.as_bytes())
            .map_err(|error| ReportError::Write { path: path.display().to_string(), error })
    }
}
