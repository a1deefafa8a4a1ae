//! In which file of which run a field of a time is sought, and in whose words it is refused if in none.
//!
//! | | on the hour | between the hours |
//! |---|---|---|
//! | instantaneous | the analysis; f01 of the run before for what an analysis has not | wrfsubh f01 of the run of that hour |
//! | over hours | the run that began as long before | nowhere |
//! | over a part of an hour | wrfsubh f01 of the run before | wrfsubh f01 of the run of that hour |

use jiff::{SignedDuration, Timestamp};

use super::catalogue::{Catalogue, Entry, HOUR, Name};
use super::layout::{Days, FileOf, Product, QUARTER, before};
use crate::data::archive::{DataError, Request};
use crate::data::grib::product::Cell;

/// The longest period in hours: beyond it not every run goes.
const LONGEST: i64 = 18;

/// Where a field of a time is sought: in the file of `run` with this lead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sought<'a> {
    pub entry: &'a Entry,
    pub cell: Option<Cell>,
    pub run: Timestamp,
    pub lead: u8,
}

impl Catalogue {
    /// Where a field of a time is sought; `archive` is the name in errors.
    ///
    /// # Errors
    /// A time or a period that no run has, a field that the archive lacks.
    pub fn asked(
        &self,
        archive: &str,
        from: &str,
        cell: Option<&str>,
        time: Timestamp,
    ) -> Result<Sought<'_>, DataError> {
        let read = |text: &str| {
            let whole =
                |cell: &Cell| cell.seconds % HOUR == 0 || (cell.seconds < HOUR && self.has_quarters());
            let cell = Cell::read(text).filter(|cell| (1..=LONGEST * HOUR).contains(&cell.seconds));
            cell.filter(whole).ok_or_else(|| self.no_period(archive, from, text))
        };
        let cell = cell.map(read).transpose()?;
        let past = time.as_second().rem_euclid(HOUR);
        let no_time = || DataError::Archive(format!("{time} is no time of the archive `{archive}`"));
        if past == 0 && cell.is_none_or(|cell| cell.seconds >= HOUR) {
            let entry = self.find(from, cell.is_some()).ok_or_else(|| self.unknown(archive, from, cell))?;
            let lead = cell.map_or(entry.lead, |cell| (cell.seconds / HOUR) as u8);
            return Ok(Sought { entry, cell, run: before(time, lead).ok_or_else(no_time)?, lead });
        }
        if !self.has_quarters() || past % QUARTER != 0 {
            return Err(self.no_time(archive, from, time));
        }
        let entry = self.quarter(from, cell).ok_or_else(|| self.not_between(archive, from, cell))?;
        let ahead = if past == 0 { HOUR } else { past };
        let run = time.checked_sub(SignedDuration::from_secs(ahead)).map_err(|_| no_time())?;
        Ok(Sought { entry, cell, run, lead: 1 })
    }

    fn quarter(&self, from: &str, cell: Option<Cell>) -> Option<&Entry> {
        let name = Name::read(from)?;
        self.quarters.iter().find(|entry| entry.cell == cell && entry.is(&name))
    }

    /// Of a field that is not there, or over periods only.
    fn unknown(&self, archive: &str, from: &str, cell: Option<Cell>) -> DataError {
        let periods: Vec<String> = self.periods(from).map(|cell| format!("`{cell}`")).collect();
        if !periods.is_empty() {
            let said = match cell {
                None => "over a period only".to_string(),
                Some(cell) => format!("not as {cell}"),
            };
            return DataError::Archive(format!(
                "`{from}` of the archive `{archive}` is there {said}: say {}",
                periods.join(" or ")
            ));
        }
        if let Some(cell) = cell.filter(|_| self.find(from, false).is_some()) {
            return DataError::Archive(format!(
                "`{from}` of the archive `{archive}` is of the instant, not {cell}: leave the period out"
            ));
        }
        let offered: Vec<String> = self.fields().iter().map(|field| format!("`{}`", field.from)).collect();
        DataError::UnknownField {
            archive: archive.to_string(),
            field: from.to_string(),
            offered: offered.join(", "),
        }
    }

    fn no_period(&self, archive: &str, from: &str, text: &str) -> DataError {
        let parts = match self.has_quarters() {
            true => "and parts of one",
            false => {
                "and no part of one, for the newest hours and the first have none of HRRR's wrfsubh files"
            }
        };
        DataError::Archive(format!(
            "`{from}`, {text}: of the archive `{archive}` periods of whole hours up to {LONGEST} are read, {parts}"
        ))
    }

    fn no_time(&self, archive: &str, from: &str, time: Timestamp) -> DataError {
        let (times, step) = match self.has_quarters() {
            true => ("a time every 15 min", "15 min"),
            false => (
                "whole hours only: the newest and the first have none of HRRR's wrfsubh files, which have the quarters",
                "1 h",
            ),
        };
        DataError::Archive(format!(
            "`{from}` at {time}: the archive `{archive}` has {times}; write `every {step}` and splits that begin at such a time"
        ))
    }

    /// Of a field that the hours may have, and wrfsubh has not.
    fn not_between(&self, archive: &str, from: &str, cell: Option<Cell>) -> DataError {
        let known = match cell {
            None => self.find(from, false).is_some(),
            Some(_) => self.fields().iter().any(|field| field.from == from),
        };
        if !known {
            return self.unknown(archive, from, cell);
        }
        let over = |entry: &&Entry| entry.cell.is_some() == cell.is_some();
        let named = |entry: &Entry| match entry.cell {
            None => format!("`{}`", entry.from),
            Some(cell) => format!("`{}` ({cell})", entry.from),
        };
        let offered: Vec<String> = self.quarters.iter().filter(over).map(named).collect();
        let offered = if offered.is_empty() { "nothing".to_string() } else { offered.join(", ") };
        DataError::Archive(match cell {
            None => format!(
                "`{from}`: between the hours the archive `{archive}` has only what is in wrfsubh, {offered}; write \
                 `every 1 h` and splits that begin on the hour, or leave it out"
            ),
            Some(cell) if cell.seconds % HOUR == 0 => format!(
                "`{from}`, {cell}: periods of whole hours end on the hour; write `every 1 h`, or a period that wrfsubh \
                 has, which are those of {offered}"
            ),
            Some(cell) => format!(
                "`{from}`, {cell}: over a part of an hour the archive `{archive}` has only what is in wrfsubh, {offered}; \
                 write a period of whole hours with `every 1 h`, or leave it out"
            ),
        })
    }

    /// The first file that is not there of those that hold what is wanted at a time.
    pub fn absent(&self, days: &Days, wanted: &[Request<'_>], time: Timestamp) -> Option<FileOf> {
        wanted.iter().find_map(|request| {
            let Sought { entry, run, lead, .. } = self.asked("", request.from, request.cell, time).ok()?;
            let layers = entry.layers.iter().enumerate();
            let mut products: Vec<Product> = layers
                .filter(|(place, _)| request.levels.is_none_or(|levels| levels.contains(place)))
                .map(|(_, (product, _))| *product)
                .collect();
            products.sort_unstable();
            products.dedup();
            let file = |product: Product| FileOf { run, product, lead };
            products.into_iter().map(file).find(|file| matches!(days.has(file), Ok(false)))
        })
    }
}
