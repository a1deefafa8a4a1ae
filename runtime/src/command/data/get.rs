//! `aurorac data get RECIPE`: fetches what a recipe reads of an archive on a server, into the cache or a folder.
//!
//! What is there already is not fetched again, so the same command goes on where an interrupted one has ended.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurora_compiler::plan::data::{DataPlan, DebiasPlan, FieldPlan};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use serde::Serialize;

use crate::data::archive::{Archive, DataError};
use crate::data::fetch::subset::Subset;
use crate::data::fetch::{Amount, Choice, Outcome, bring, is_grib, needs};
use crate::data::files::{FileError, Files, Progress, Wanted};
use crate::data::idx::Inventory;
use crate::data::prepare::{hourly, suits};
use crate::run::{Failure, Format, Recipe};
use crate::talk::{say, tell};
use crate::train::interrupt::Interrupt;

/// Reasons that are shown; the others are counted.
const SHOWN: usize = 10;
/// Files that are fetched before they are written to a folder.
const FILES_AT_ONCE: usize = 16;

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// A .aurora file, or the folder of an artefact
    recipe: PathBuf,
    /// The first time, for instance 2024-05-01 or 2024-05-01T06:00Z; that of the recipe's splits by default
    #[arg(long, value_parser = from)]
    from: Option<Timestamp>,
    /// The last time; a day means all of it
    #[arg(long, value_parser = to)]
    to: Option<Timestamp>,
    /// Only these fields, by the recipe's names
    #[arg(long, value_delimiter = ',', value_name = "FIELD,…")]
    only: Vec<String>,
    /// A folder for the records instead of the cache; it can stand in site.toml as the archive
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How the outcome is said
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What was done, as `--format json` prints it.
#[derive(Debug, Serialize)]
struct Account {
    archive: String,
    place: String,
    times: usize,
    fetched: Amount,
    already_there: Amount,
    absent: Vec<Missing>,
    failed: Vec<Missing>,
    interrupted: bool,
    /// Of the archives that `debias` compares with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<Account>,
}

/// A time or a record that did not come.
#[derive(Debug, Serialize)]
struct Missing {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<[u64; 2]>,
    reason: String,
}

fn from(text: &str) -> Result<Timestamp, String> {
    instant(text, 0)
}

fn to(text: &str) -> Result<Timestamp, String> {
    instant(text, 86_399)
}

/// A time of UTC; a day is its first second and so many more.
pub(super) fn instant(text: &str, day: i64) -> Result<Timestamp, String> {
    let text = text.trim();
    let wrong = || "a time is written 2024-05-01 or 2024-05-01T06:00Z".to_string();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let (date, seconds) = match text.parse::<Date>() {
        Ok(date) if !text.contains(['T', ' ']) => (date.to_datetime(jiff::civil::Time::midnight()), day),
        _ => (text.parse::<DateTime>().map_err(|_| wrong())?, 0),
    };
    let time = Offset::UTC.to_timestamp(date).map_err(|_| wrong())?;
    Timestamp::from_second(time.as_second() + seconds).map_err(|_| wrong())
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipe = Recipe::open_for_data(&arguments.recipe, arguments.format)?;
    let interrupt = Interrupt::watch()?;
    let data = &recipe.plan.data;
    let archive = recipe.site.open_archive(&data.archive)?;
    let Some(files) = archive.files() else {
        return Err(Failure::because(format!(
            "the archive `{}` is read where it lies: there is nothing to fetch",
            data.archive
        )));
    };
    let chosen = |field: &&FieldPlan| arguments.only.is_empty() || arguments.only.contains(&field.name);
    hourly(data)?;
    data.fields.iter().filter(chosen).try_for_each(|field| suits(data, &*archive, field))?;
    let out = arguments.out.as_deref();
    let mut account = fetched(
        arguments,
        arguments.only.clone(),
        data,
        &*archive,
        Getting { files, out, interrupt: &interrupt },
    )?;
    for better in compared_with(data, &arguments.only) {
        let archive = recipe.site.open_archive(&better.archive)?;
        match archive.files().filter(|_| !account.interrupted) {
            Some(_) if out.is_some() => say(&format!(
                "what `debias` compares with lies in the archive `{}`, of which nothing is written to the folder",
                better.archive
            )),
            Some(files) => {
                let getting = Getting { files, out: None, interrupt: &interrupt };
                account.others.push(fetched(arguments, Vec::new(), &better, &*archive, getting)?);
            }
            None => {}
        }
    }
    account.say(arguments.format)?;
    let accounts = || std::iter::once(&account).chain(&account.others);
    match interrupt.code() {
        Some(code) if accounts().any(|account| account.interrupted) => Err(Failure::Signal(code)),
        _ if accounts().any(|account| !account.failed.is_empty()) => Err(Failure::Code(1)),
        _ => Ok(()),
    }
}

/// What is read of the archives that `debias` compares with: one field each, over `train`.
fn compared_with(data: &DataPlan, only: &[String]) -> Vec<DataPlan> {
    let wanted = data.repair.debias.iter().filter(|one| only.is_empty() || only.contains(&one.field));
    let plan = |debias: &DebiasPlan| {
        let field = data.fields.iter().find(|field| field.name == debias.field)?;
        Some(DataPlan {
            archive: debias.against_archive.clone(),
            fields: vec![FieldPlan { from: debias.against_from.clone(), ..field.clone() }],
            derived: Vec::new(),
            validate: None,
            test: None,
            ..data.clone()
        })
    };
    wanted.filter_map(plan).collect()
}

/// Fetches what a plan reads of an archive.
fn fetched(
    arguments: &Arguments,
    only: Vec<String>,
    data: &DataPlan,
    archive: &dyn Archive,
    getting: Getting<'_>,
) -> Result<Account, Failure> {
    let choice = Choice { from: arguments.from, to: arguments.to, only };
    let bar = bar("looking  {bar:32} {pos}/{len} times  {eta} left");
    let looked = needs(data, archive, &choice, &|done, total| {
        if let Some(bar) = &bar {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        }
        stopped(getting.interrupt)
    });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let needs = match (looked, getting.interrupt.code()) {
        (Err(DataError::Interrupted), Some(code)) => return Err(Failure::Signal(code)),
        (looked, _) => looked?,
    };
    if getting.out.is_some() && needs.records.iter().any(|record| !is_grib(&record.path)) {
        return Err(Failure::because(format!(
            "`--out` copies records of GRIB2 files, and the archive `{}` has others: without it they are kept in the cache",
            data.archive
        )));
    }
    let (wanted, there) = getting.parted(needs.records);
    let (all, missing, present) =
        (Amount::of(wanted.iter().chain(&there)), Amount::of(&wanted), Amount::of(&there));
    say(&format!(
        "{}: {} times: {} files, {} records, {}; already there {}, to fetch {}",
        data.archive,
        needs.times,
        all.files,
        all.records,
        HumanBytes(all.bytes),
        HumanBytes(present.bytes),
        HumanBytes(missing.bytes)
    ));
    let outcome = getting.get(&wanted, missing);
    let time =
        |(time, reason): (Timestamp, String)| Missing { time: Some(time), path: None, bytes: None, reason };
    let record = |(record, error): (Wanted, FileError)| Missing {
        time: None,
        bytes: Some([record.start, record.end]),
        path: Some(record.path),
        reason: error.to_string(),
    };
    let failed = needs.failed.into_iter().map(time);
    Ok(Account {
        archive: data.archive.clone(),
        place: getting.files.place(),
        times: needs.times,
        fetched: Amount::of(&outcome.fetched),
        already_there: present,
        absent: needs.absent.into_iter().map(time).collect(),
        failed: failed.chain(outcome.failed.into_iter().map(record)).collect(),
        interrupted: !outcome.left.is_empty(),
        others: Vec::new(),
    })
}

fn bar(template: &str) -> Option<ProgressBar> {
    std::io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(0).with_style(style)
    })
}

fn stopped(interrupt: &Interrupt) -> ControlFlow<()> {
    match interrupt.code() {
        Some(_) => ControlFlow::Break(()),
        None => ControlFlow::Continue(()),
    }
}

/// Where records come from and go to.
struct Getting<'a> {
    files: Arc<dyn Files>,
    out: Option<&'a Path>,
    interrupt: &'a Interrupt,
}

impl Getting<'_> {
    /// Records that are to be fetched, and those that are there.
    fn parted(&self, records: Vec<Wanted>) -> (Vec<Wanted>, Vec<Wanted>) {
        match self.out {
            None => records.into_iter().partition(|record| !self.files.near(&record.path, &record.range())),
            Some(folder) => {
                let (mut wanted, mut there) = (Vec::new(), Vec::new());
                for (path, records) in by_file(records) {
                    match (Subset::new(folder, &path), self.inventory(&path)) {
                        (Some(subset), Ok(whole)) => {
                            let (missing, present) = subset.parted(&whole, records);
                            wanted.extend(missing);
                            there.extend(present);
                        }
                        // Why not is said when it is to be written.
                        _ => wanted.extend(records),
                    }
                }
                (wanted, there)
            }
        }
    }

    fn get(&self, wanted: &[Wanted], missing: Amount) -> Outcome {
        let bar = bar("fetching {bar:32} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left");
        if let Some(bar) = &bar {
            bar.set_length(missing.bytes);
        }
        let mut before = 0;
        let mut outcome = Outcome::default();
        let groups = match self.out {
            None => vec![wanted.to_vec()],
            Some(_) => {
                let files: Vec<Vec<Wanted>> = by_file(wanted.to_vec()).into_values().collect();
                files.chunks(FILES_AT_ONCE).map(<[Vec<Wanted>]>::concat).collect()
            }
        };
        for group in groups {
            if self.interrupt.code().is_some() {
                outcome.left.extend(group);
                continue;
            }
            let mut come = 0;
            let mut told = |progress: Progress| {
                come = progress.bytes;
                if let Some(bar) = &bar {
                    bar.set_position((before + come).min(missing.bytes));
                }
                stopped(self.interrupt)
            };
            let kept = self.kept(&group);
            let mut one = bring(&*self.files, &group, &mut told);
            before += come;
            if let Some(folder) = self.out {
                self.write(folder, &mut one);
                kept.iter().filter(|(_, kept)| !**kept).for_each(|(path, _)| self.files.forget(path));
            }
            outcome.fetched.extend(one.fetched);
            outcome.failed.extend(one.failed);
            outcome.left.extend(one.left);
        }
        if let Some(bar) = &bar {
            bar.finish_and_clear();
        }
        outcome
    }

    /// Whether something of these files' records was in the cache before.
    fn kept(&self, records: &[Wanted]) -> BTreeMap<String, bool> {
        let mut files = BTreeMap::new();
        for record in records {
            *files.entry(record.path.clone()).or_default() |= self.files.near(&record.path, &record.range());
        }
        files
    }

    /// Writes what has come to a folder; what cannot be written has not come.
    fn write(&self, folder: &Path, outcome: &mut Outcome) {
        let mut fetched = Vec::new();
        for (path, records) in by_file(std::mem::take(&mut outcome.fetched)) {
            let outside = || FileError {
                place: folder.display().to_string(),
                path: path.clone(),
                reason: "the path leads out of the folder".to_string(),
            };
            let written = Subset::new(folder, &path).ok_or_else(outside).and_then(|subset| {
                let whole = self.inventory(&path)?;
                subset.write(&*self.files, &whole, &records)
            });
            match written {
                Ok(()) => fetched.extend(records),
                Err(error) => {
                    outcome.failed.extend(records.into_iter().map(|record| (record, error.clone())));
                }
            }
        }
        outcome.fetched = fetched;
    }

    /// The inventory beside a file.
    fn inventory(&self, path: &str) -> Result<Inventory, FileError> {
        let name = format!("{path}.idx");
        let error = |reason: String| FileError { place: self.files.place(), path: name.clone(), reason };
        let length = self.files.length(&name)?.ok_or_else(|| error("there is no such file".to_string()))?;
        if length > crate::data::idx::LONGEST {
            return Err(error(format!("{length} bytes are too many for an inventory")));
        }
        Inventory::read(&name, &self.files.read(&name, 0..length)?).map_err(|wrong| {
            self.files.forget(&name);
            error(format!("line {}: {}", wrong.line, wrong.reason))
        })
    }
}

fn by_file(records: Vec<Wanted>) -> BTreeMap<String, Vec<Wanted>> {
    let mut files: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
    for record in records {
        files.entry(record.path.clone()).or_default().push(record);
    }
    files
}

impl Account {
    fn say(&self, format: Format) -> Result<(), Failure> {
        if format == Format::Json {
            return crate::command::print(&format!("{}\n", serde_json::to_string_pretty(self)?));
        }
        let mut text = format!(
            "fetched {} records of {} files, {}\n",
            self.fetched.records,
            self.fetched.files,
            HumanBytes(self.fetched.bytes)
        );
        let listed =
            [("absent", "times are absent", &self.absent), ("failed", "could not be fetched", &self.failed)];
        for (word, sentence, missing) in listed {
            if missing.is_empty() {
                continue;
            }
            text.push_str(&format!("{} {sentence}:\n", missing.len()));
            for one in missing.iter().take(SHOWN) {
                let time = one.time.map(|time| format!("{time}: ")).unwrap_or_default();
                text.push_str(&format!("  {time}{}\n", one.reason));
            }
            if missing.len() > SHOWN {
                text.push_str(&format!(
                    "  and {} more; --format json names every one under `{word}`\n",
                    missing.len() - SHOWN
                ));
            }
        }
        if self.interrupted {
            text.push_str("interrupted: the same command goes on from here\n");
        }
        tell(&text);
        self.others.iter().try_for_each(|other| {
            tell(&format!("of `{}`, for `debias`:\n", other.archive));
            other.say(format)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_or_instants() {
        let same = |text: &str, seconds: &str| assert_eq!(from(text).unwrap().to_string(), seconds, "{text}");
        same("2024-05-01", "2024-05-01T00:00:00Z");
        same("2024-05-01T06:00Z", "2024-05-01T06:00:00Z");
        same("2024-05-01T06:00", "2024-05-01T06:00:00Z");
        same("2024-05-01T06:00+02:00", "2024-05-01T04:00:00Z");
        assert_eq!(to("2024-05-01").unwrap().to_string(), "2024-05-01T23:59:59Z");
        assert_eq!(to("2024-05-01T06:00").unwrap().to_string(), "2024-05-01T06:00:00Z");
        assert!(from("May").is_err() && from("2024-13-01").is_err());
    }
}
