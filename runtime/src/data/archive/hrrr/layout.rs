//! How NOAA lays HRRR's files out:
//! `hrrr.YYYYMMDD/{conus,alaska}/hrrr.tHHz.wrf{sfc,prs,nat,subh}fFF.grib2`, those of Alaska with `.ak` before `.grib2`.
//!
//! Source: the bucket `noaa-hrrr-bdp-pds`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::data::files::{FileError, Files};

/// The two regions for which HRRR is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    Conus,
    Alaska,
}

/// What a file of a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Product {
    /// Near the ground and of whole columns.
    Surface,
    /// On pressure levels.
    Pressure,
    /// On the model's own levels.
    Native,
    /// Near the ground, of whole columns and averaged, at each quarter of the hour that ends with the lead.
    Quarters,
}

/// Those that hold analyses.
pub const PRODUCTS: [Product; 3] = [Product::Surface, Product::Pressure, Product::Native];

/// Seconds between two times of wrfsubh.
pub const QUARTER: i64 = 900;

/// Hours before the newest analysis in which a file is looked for that its run may not have yet.
const RECENT: u8 = 24;

/// Days without an analysis after which the first one of a server is looked for no further.
const MOST_EMPTY: usize = 366;

/// One file of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileOf {
    pub run: Timestamp,
    pub product: Product,
    /// Hours after the run.
    pub lead: u8,
}

impl Domain {
    pub fn read(name: &str) -> Option<Domain> {
        match name {
            "conus" => Some(Domain::Conus),
            "alaska" => Some(Domain::Alaska),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Domain::Conus => "conus",
            Domain::Alaska => "alaska",
        }
    }

    /// The day before which there is nothing: NOAA's archive begins then, Alaska's forecasts in July of 2018.
    fn first(self) -> Date {
        match self {
            Domain::Conus => jiff::civil::date(2014, 9, 30),
            Domain::Alaska => jiff::civil::date(2018, 7, 1),
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Domain::Conus => ".grib2",
            Domain::Alaska => ".ak.grib2",
        }
    }
}

impl Product {
    pub fn name(self) -> &'static str {
        match self {
            Product::Surface => "sfc",
            Product::Pressure => "prs",
            Product::Native => "nat",
            Product::Quarters => "subh",
        }
    }
}

impl FileOf {
    /// Below the place of the archive.
    pub fn path(&self, domain: Domain) -> String {
        let day = self.run.strftime("%Y%m%d");
        let (hour, product) = (self.run.strftime("%H"), self.product.name());
        format!("hrrr.{day}/{}/hrrr.t{hour}z.wrf{product}f{:02}{}", domain.name(), self.lead, domain.ending())
    }

    /// From the path; nothing for any other file.
    pub fn read(path: &str, domain: Domain) -> Option<FileOf> {
        let mut parts = path.split('/');
        let (day, place, file) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || place != domain.name() {
            return None;
        }
        let date = Date::strptime("hrrr.%Y%m%d", day).ok()?;
        let (hour, rest) = file.strip_prefix("hrrr.t")?.split_once("z.wrf")?;
        let mut products = PRODUCTS.into_iter().chain([Product::Quarters]);
        let (product, rest) =
            products.find_map(|product| Some((product, rest.strip_prefix(product.name())?)))?;
        let lead = rest.strip_prefix('f')?.strip_suffix(domain.ending())?;
        let digits = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten();
        let hour = digits(hour).filter(|hour| *hour < 24)?;
        let run = start(date)?.checked_add(i64::from(hour).hours()).ok()?;
        Some(FileOf { run, product, lead: digits(lead)? })
    }
}

/// How the files of an archive of HRRR are called.
pub trait Naming: std::fmt::Debug + Send + Sync {
    /// The day before which there is nothing.
    fn since(&self) -> Date;

    /// The file that stands for one among [`Naming::of`] its day.
    fn listed(&self, file: &FileOf) -> FileOf {
        *file
    }

    /// The days that have a folder, in order.
    ///
    /// # Errors
    /// The place cannot be asked.
    fn days(&self, files: &Arc<dyn Files>) -> Result<Vec<Date>, FileError>;

    /// The files of a day.
    ///
    /// # Errors
    /// The place cannot be asked.
    fn of(&self, files: &Arc<dyn Files>, date: Date) -> Result<BTreeSet<FileOf>, FileError>;
}

impl Naming for Domain {
    fn since(&self) -> Date {
        self.first()
    }

    fn days(&self, files: &Arc<dyn Files>) -> Result<Vec<Date>, FileError> {
        let folders = files.folders("")?;
        Ok(folders.iter().filter_map(|name| Date::strptime("hrrr.%Y%m%d", name).ok()).collect())
    }

    fn of(&self, files: &Arc<dyn Files>, date: Date) -> Result<BTreeSet<FileOf>, FileError> {
        let list = files.list(&format!("hrrr.{}/{}", date.strftime("%Y%m%d"), self.name()))?;
        Ok(list.iter().filter_map(|(path, _)| FileOf::read(path, *self)).collect())
    }
}

/// Which files are there, day by day, as far as it has been asked.
#[derive(Debug)]
pub struct Days {
    files: Arc<dyn Files>,
    naming: Box<dyn Naming>,
    known: Mutex<BTreeMap<Date, Arc<BTreeSet<FileOf>>>>,
}

impl Days {
    pub fn new(files: Arc<dyn Files>, naming: impl Naming + 'static) -> Self {
        Self { files, naming: Box::new(naming), known: Mutex::default() }
    }

    /// Whether a file is there.
    ///
    /// # Errors
    /// The place cannot be asked.
    pub fn has(&self, file: &FileOf) -> Result<bool, FileError> {
        Ok(self.of(day(file.run))?.contains(&self.naming.listed(file)))
    }

    /// The files of a day.
    ///
    /// # Errors
    /// The place cannot be asked.
    pub fn of(&self, date: Date) -> Result<Arc<BTreeSet<FileOf>>, FileError> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&date) {
            return Ok(Arc::clone(known));
        }
        let found = Arc::new(self.naming.of(&self.files, date)?);
        lock().insert(date, Arc::clone(&found));
        Ok(found)
    }

    /// The files whose inventories tell what the archive holds from `from` to `to`, the first sound one of each list: those
    /// of the newest hours, for fields come in the course of the years, then those of the first, for some go; last those of
    /// the quarters of an hour. Of the newest run not every file need be there yet.
    ///
    /// # Errors
    /// The place cannot be asked.
    pub fn telling(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Vec<FileOf>>, FileError> {
        let recent: Vec<Timestamp> = (0..=RECENT).filter_map(|hours| before(to, hours)).collect();
        // Of an archive that begins with an hour the run before it is seldom there.
        let first: Vec<Timestamp> = [before(from, 1), Some(from)].into_iter().flatten().collect();
        let (mut lists, mut quarters) = (Vec::new(), Vec::new());
        for (analysed, forecast) in [(&recent[..], &recent[..]), (&[from][..], &first[..])] {
            for product in PRODUCTS {
                lists.push(self.there(analysed, product, 0)?);
            }
            lists.push(self.there(forecast, Product::Surface, 1)?);
            quarters.push(self.there(forecast, Product::Quarters, 1)?);
        }
        lists.extend(quarters);
        Ok(lists)
    }

    /// A file of each of these runs that has it.
    fn there(&self, runs: &[Timestamp], product: Product, lead: u8) -> Result<Vec<FileOf>, FileError> {
        let mut files = Vec::new();
        for run in runs {
            let file = FileOf { run: *run, product, lead };
            if self.has(&file)? {
                files.push(file);
            }
        }
        Ok(files)
    }

    /// The first and the last hour of which an analysis is there. Only folders of days at both ends are looked into: those
    /// of all years hold a million files.
    ///
    /// # Errors
    /// The place cannot be asked.
    pub fn reach(&self) -> Result<Option<(Timestamp, Timestamp)>, FileError> {
        let since = self.naming.since();
        let days: Vec<Date> =
            self.naming.days(&self.files)?.into_iter().filter(|day| *day >= since).collect();
        // On a server each day is a request: where so many are empty the domain is not kept.
        let most = if self.files.place().contains("://") { MOST_EMPTY } else { usize::MAX };
        let ends = (
            self.analysed(days.iter().take(most), |runs| runs.min())?,
            self.analysed(days.iter().rev().take(most), |runs| runs.max())?,
        );
        Ok(ends.0.zip(ends.1))
    }

    /// A run of the first of these days that has an analysis.
    fn analysed<'a>(
        &self,
        days: impl Iterator<Item = &'a Date>,
        choose: impl Fn(&mut dyn Iterator<Item = Timestamp>) -> Option<Timestamp>,
    ) -> Result<Option<Timestamp>, FileError> {
        for day in days {
            let files = self.of(*day)?;
            let analysis = |file: &&FileOf| file.lead == 0 && PRODUCTS.contains(&file.product);
            let chosen = choose(&mut files.iter().filter(analysis).map(|file| file.run));
            if chosen.is_some() {
                return Ok(chosen);
            }
        }
        Ok(None)
    }
}

pub(in crate::data::archive) fn start(date: Date) -> Option<Timestamp> {
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn day(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

/// The run some hours before a time.
pub fn before(time: Timestamp, hours: u8) -> Option<Timestamp> {
    time.checked_sub(SignedDuration::from_hours(i64::from(hours))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_there_and_back() {
        let run: Timestamp = "2020-05-20T03:00:00Z".parse().unwrap();
        let file = FileOf { run, product: Product::Pressure, lead: 1 };
        let path = "hrrr.20200520/conus/hrrr.t03z.wrfprsf01.grib2";
        assert_eq!(file.path(Domain::Conus), path);
        assert_eq!(FileOf::read(path, Domain::Conus), Some(file));
        let alaska = "hrrr.20200520/alaska/hrrr.t03z.wrfprsf01.ak.grib2";
        assert_eq!(FileOf::read(alaska, Domain::Alaska), Some(file));
        let quarters = FileOf { product: Product::Quarters, ..file };
        for (domain, path) in [
            (Domain::Conus, "hrrr.20200520/conus/hrrr.t03z.wrfsubhf01.grib2"),
            (Domain::Alaska, "hrrr.20200520/alaska/hrrr.t03z.wrfsubhf01.ak.grib2"),
        ] {
            assert_eq!((quarters.path(domain).as_str(), FileOf::read(path, domain)), (path, Some(quarters)));
        }
        for other in [
            "hrrr.20200520/conus/hrrr.t03z.wrfprsf01.grib2.idx",
            "hrrr.20200520/conus/hrrr.t24z.wrfprsf01.grib2",
            "hrrr.20201320/conus/hrrr.t03z.wrfprsf01.grib2",
            "hrrr.20200520/conus/hrrr.t03z.wrfsubhf0015.grib2",
            "hrrr.20200520/conus/hrrr.t03z.wrfp\u{e9}f01.grib2",
            "hrrr.20200520/alaska/hrrr.t03z.wrfprsf01.grib2",
            "hrrr.20200520/hrrr.t03z.wrfprsf01.grib2",
        ] {
            assert_eq!(FileOf::read(other, Domain::Conus), None, "{other}");
        }
    }
}
