//! `data synthesize`: the world of std.synthetic as HRRR would have written it, so that the whole road from wrfsfc and
//! wrfprs can be walked without a network: grid, layout, packing, names, levels, `.idx`, placeholders in f00.
//!
//! For each hour wrfsfc f00 and wrfprs f00 are written, and of the run an hour before wrfsfc f01 with what f00 has only
//! placeholders of; where it is ordered, wrfsubh f01 of each run, with some fields at its four quarters. Every message is
//! decoded again and compared before its file is put in place, whole.

use std::path::{Path, PathBuf};

use aurora_compiler::plan::data::{GridPlan, Projection};
use jiff::{SignedDuration, Timestamp};
use rayon::prelude::*;
use serde::Serialize;

use super::grib::Grib;
use super::grib::encode::{About, Lambert, Packing, message};
use super::grib::product::Cell;
use super::grib::words::{Level, When};
use super::grid::Grid;
use super::synthetic::hour::World;
use super::synthetic::{FIRST, LAST, SEED};
use crate::durable;
use hour::Hour;
use inventory::{LEVELS, Line, QUARTERS, SURFACE, UPPER};

pub(in crate::data) mod hour;
pub mod inventory;

/// On which grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of HRRR's: 1799 by 1059 points.
    Conus,
    /// 192 by 192 points of it.
    Tile,
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub folder: PathBuf,
    pub extent: Extent,
    pub from: Timestamp,
    pub hours: u32,
    /// Whether wrfsubh is written too.
    pub quarters: bool,
}

/// What has been written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    pub files: usize,
    pub messages: usize,
    pub bytes: u64,
}

/// The product of the quarters of an hour, whose messages count minutes.
const SUBHOURLY: &str = "subh";

/// Bytes a point takes in a message, as measured; for estimates.
const BYTES_PER_POINT: f64 = 0.5;

impl Extent {
    /// As a recipe names it.
    pub fn plan(self) -> GridPlan {
        // Of the tile the south-western point is HRRR's in column 804 and row 433.
        let (name, width, height, southwest) = match self {
            Extent::Conus => ("conus", 1799, 1059, [21.138_123, -122.719_528]),
            Extent::Tile => ("tile", 192, 192, [35.864_054, -100.665_651]),
        };
        let projection = Projection::Lambert { latitude: 38.5, longitude: -97.5 };
        GridPlan { name: name.into(), projection, width, height, spacing: 3000.0, southwest: Some(southwest) }
    }

    fn lambert(self) -> Lambert {
        let plan = self.plan();
        let [latitude, longitude] = plan.southwest.unwrap_or_default();
        Lambert {
            width: plan.width as u32,
            height: plan.height as u32,
            latitude,
            longitude,
            true_latitude: 38.5,
            central_longitude: -97.5,
            spacing: plan.spacing,
        }
    }
}

impl Order {
    /// Says what of it cannot be.
    ///
    /// # Errors
    /// A sentence.
    pub fn sound(&self) -> Result<(), String> {
        let (first, last) =
            (self.from.as_second(), self.from.as_second() + (i64::from(self.hours) - 1) * 3600);
        // The run that quarters come from goes on for an hour.
        let end = LAST - if self.quarters { 3600 } else { 0 };
        if self.hours == 0 {
            return Err("--hours is at least 1".into());
        }
        if first % 3600 != 0 {
            return Err(format!("{} is no whole hour", self.from));
        }
        match first < FIRST + 3600 || last > end {
            true => Err(format!(
                "the world reaches from 2020-01-01T01Z to 2029-12-31T{}Z{}",
                if self.quarters { 22 } else { 23 },
                if self.quarters { " with --quarters" } else { "" }
            )),
            false => Ok(()),
        }
    }

    /// What it will come to, roughly.
    pub fn estimate(&self) -> Written {
        let plan = self.extent.plan();
        let over = SURFACE.iter().filter(|line| line.blank_at_start()).count();
        let runs = if self.quarters { self.hours as usize + 1 } else { 0 };
        let messages = (LEVELS.len() * UPPER.len() + SURFACE.len() + over) * self.hours as usize
            + 4 * QUARTERS.len() * runs;
        let bytes = (plan.width * plan.height * messages) as f64 * BYTES_PER_POINT;
        Written { files: 6 * self.hours as usize + 2 * runs, messages, bytes: bytes as u64 }
    }

    /// Writes every hour; `progress` is told how many are done, and a `false` of it ends the work.
    ///
    /// # Errors
    /// A sentence: a folder that cannot be written, a field that GRIB cannot hold.
    pub fn write(&self, progress: &mut dyn FnMut(u32) -> bool) -> Result<Written, String> {
        self.sound()?;
        let grid = Grid::new(&self.extent.plan()).map_err(|error| error.to_string())?;
        let world = World::new(SEED, grid);
        let mut written = Written::default();
        for hour in 0..self.hours {
            if !progress(hour) {
                return Ok(written);
            }
            let time = later(self.from, i64::from(hour))?;
            let fields = Hour::of(&world, (time.as_second() - FIRST) as f64);
            for file in self.files(time, &fields)? {
                self.put(file, &mut written)?;
            }
            // What is over the last quarter before the first hour is of the run before.
            let runs = if hour == 0 { vec![later(time, -1)?, time] } else { vec![time] };
            for run in runs.into_iter().filter(|_| self.quarters) {
                self.put(self.quarters_of(&world, run)?, &mut written)?;
            }
        }
        progress(self.hours);
        Ok(written)
    }

    /// The three files that hold an hour.
    fn files(&self, time: Timestamp, hour: &Hour) -> Result<Vec<Vec<Record<'_>>>, String> {
        let before = later(time, -1)?;
        let upper = LEVELS.iter().flat_map(|level| UPPER.iter().map(move |upper| (*level, upper)));
        let pressure = upper
            .map(|(level, (parameter, binary))| {
                let words = format!("{level} mb");
                let packing = Packing::Differences { binary: *binary };
                let when = When { ahead: 0, cell: None };
                Job { run: time, product: "prs", parameter, level: words, when, packing, line: None }
            })
            .collect();
        let instant = |line: &Line| {
            let cell = line.cell().map(|cell| Cell { seconds: 0, ..cell });
            When { ahead: 0, cell }
        };
        let whole = |line: &Line| When { ahead: 3600, cell: line.cell() };
        let surface = |run: Timestamp, over: bool, when: &dyn Fn(&Line) -> When| -> Vec<Job<'_>> {
            let lines = SURFACE.iter().enumerate().filter(|(_, line)| !over || line.blank_at_start());
            let job = |(place, line): (usize, &'static Line)| {
                let (level, when) = (line.level.to_string(), when(line));
                Job {
                    run,
                    product: "sfc",
                    parameter: line.parameter,
                    level,
                    when,
                    packing: line.packing,
                    line: Some(place),
                }
            };
            lines.map(job).collect()
        };
        let jobs: [Vec<Job<'_>>; 3] =
            [surface(before, true, &whole), surface(time, false, &instant), pressure];
        let grid = self.extent.lambert();
        jobs.into_iter()
            .map(|jobs| jobs.into_par_iter().map(|job| job.record(&grid, hour)).collect())
            .collect()
    }

    /// wrfsubh of the first hour of a run.
    fn quarters_of(&self, world: &World, run: Timestamp) -> Result<Vec<Record<'static>>, String> {
        let grid = self.extent.lambert();
        let mut records = Vec::new();
        for ahead in [900, 1800, 2700, 3600] {
            let fields = Hour::of(world, (run.as_second() + ahead - FIRST) as f64);
            let made: Result<Vec<Record<'_>>, String> = QUARTERS
                .into_par_iter()
                .map(|(name, process)| {
                    let line = SURFACE.iter().position(|line| line.name() == name);
                    let place = line.ok_or_else(|| format!("{name}: no such field"))?;
                    let Line { parameter, level, packing, .. } = SURFACE[place];
                    let cell = process.map(|process| Cell { process, seconds: 900 });
                    let (level, when) = (level.to_string(), When { ahead, cell });
                    Job { run, product: SUBHOURLY, parameter, level, when, packing, line: Some(place) }
                        .record(&grid, &fields)
                })
                .collect();
            records.extend(made?);
        }
        Ok(records)
    }

    fn put(&self, records: Vec<Record<'_>>, written: &mut Written) -> Result<(), String> {
        let Some(first) = records.first() else { return Ok(()) };
        let (mut bytes, mut inventory) = (Vec::new(), String::new());
        for (place, record) in records.iter().enumerate() {
            let job = &record.job;
            let (number, offset, date) = (place + 1, bytes.len(), job.run.strftime("%Y%m%d%H"));
            let when = if job.product == SUBHOURLY { job.when.minutes() } else { job.when.words() };
            inventory
                .push_str(&format!("{number}:{offset}:d={date}:{}:{}:{when}:\n", job.parameter, job.level));
            bytes.extend_from_slice(&record.bytes);
        }
        let path = self.folder.join(first.job.path());
        durable::write(&path, &bytes).map_err(|error| error.to_string())?;
        durable::write(&beside(&path), inventory.as_bytes()).map_err(|error| error.to_string())?;
        written.files += 2;
        written.messages += records.len();
        written.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// One message to be made.
struct Job<'a> {
    run: Timestamp,
    product: &'a str,
    parameter: &'a str,
    level: String,
    when: When,
    packing: Packing,
    /// Its place in [`SURFACE`].
    line: Option<usize>,
}

struct Record<'a> {
    job: Job<'a>,
    bytes: Vec<u8>,
}

impl<'a> Job<'a> {
    fn path(&self) -> String {
        let (day, hour) = (self.run.strftime("%Y%m%d"), self.run.strftime("%H"));
        let lead = self.when.ahead.unsigned_abs().div_ceil(3600);
        format!("hrrr.{day}/conus/hrrr.t{hour}z.wrf{}f{lead:02}.grib2", self.product)
    }

    fn record(self, grid: &Lambert, hour: &Hour) -> Result<Record<'a>, String> {
        let fail = |what: &str| format!("{}:{}: {what}", self.parameter, self.level);
        let level = Level::read(&self.level).ok_or_else(|| fail("no such level"))?;
        let code = inventory::code(self.parameter).ok_or_else(|| fail("no such parameter"))?;
        let reversed = level.words(false).as_deref() != Some(&self.level);
        let about = About { code, level, reversed, run: self.run, when: self.when };
        let upper;
        let blank = |line: usize| SURFACE.get(line).is_some_and(Line::blank_at_start);
        let placeholder = self.when.ahead == 0 && self.line.is_some_and(blank);
        let values: &[f32] = match self.line {
            Some(_) if placeholder => {
                upper = vec![0.0; (grid.width * grid.height) as usize];
                &upper
            }
            Some(line) => match self.when.cell {
                // The world has the sum over an hour.
                Some(Cell { process: 1, seconds }) => {
                    let part = seconds as f32 / 3600.0;
                    upper = hour.surface(line).iter().map(|value| value * part).collect();
                    &upper
                }
                _ => hour.surface(line),
            },
            None => {
                upper = hour.level(self.parameter, level.low.unwrap_or_default());
                &upper
            }
        };
        let bytes = message(&about, grid, self.packing, values).map_err(|reason| fail(&reason))?;
        compare(&bytes, self.packing, values).map_err(|reason| fail(&reason))?;
        Ok(Record { job: self, bytes })
    }
}

/// Decodes a message and compares: half a step, and what f32 keeps.
fn compare(bytes: &[u8], packing: Packing, values: &[f32]) -> Result<(), String> {
    let grib =
        Grib::of_bytes("what was written".as_ref(), bytes.to_vec(), 0).map_err(|error| error.to_string())?;
    let field = grib.fields().first().ok_or("it holds no field")?;
    let read = grib.values::<f32>(field).map_err(|error| error.to_string())?;
    let (Packing::Simple { binary } | Packing::Differences { binary }) = packing;
    let half = 0.5 * 2f32.powi(i32::from(binary));
    let most = values.iter().fold(0f32, |most, value| most.max(value.abs()));
    let allowed = half + 4.0 * f32::EPSILON * most;
    let near = |(read, value): (&f32, &f32)| (read - value).abs() <= allowed;
    match read.len() == values.len() && read.iter().zip(values).all(near) {
        true => Ok(()),
        false => Err("decoded again it is not what was written".into()),
    }
}

fn later(time: Timestamp, hours: i64) -> Result<Timestamp, String> {
    time.checked_add(SignedDuration::from_hours(hours)).map_err(|error| error.to_string())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".idx");
    name.into()
}
