//! What a recipe needs of an archive's files, and bringing it near: `data get`.
//!
//! First the lists of contents (`.idx`) of all times are read, which tells every record with its bytes; then what is
//! not kept is fetched, many files at a time, and what has come of GRIB2 is looked at: a message that does not begin and
//! end as one is dropped and fetched once more.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aurora_compiler::plan::data::{DataPlan, SupportPlan};
use jiff::Timestamp;
use serde::Serialize;

use super::archive::{Archive, DataError, Request};
use super::files::{FileError, Files, Progress, Wanted};
use super::of_grid;
use super::prepare::{first_of, select, selected_times};

pub mod subset;
#[cfg(test)]
mod tests;

/// Lists of contents that are read at a time.
const AT_ONCE: usize = 8;

/// Which part of what a recipe needs.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// Fields by the recipe's names; all if none are named.
    pub only: Vec<String>,
}

/// What is needed, as the lists of contents tell it.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Times that are wanted.
    pub times: usize,
    /// Each stretch once, by file and place.
    pub records: Vec<Wanted>,
    /// Times that the archive does not have, with what is missing.
    pub absent: Vec<(Timestamp, String)>,
    /// Times whose records cannot be told, with the reason.
    pub failed: Vec<(Timestamp, String)>,
}

/// Files, records and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    pub files: usize,
    pub records: usize,
    pub bytes: u64,
}

/// What came of a fetching.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub fetched: Vec<Wanted>,
    /// Why some records did not come; one of a file may stand for all.
    pub failed: Vec<(Wanted, FileError)>,
    /// Records that were not come to because it was interrupted.
    pub left: Vec<Wanted>,
}

impl Amount {
    #[must_use]
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Wanted>) -> Amount {
        let mut files = BTreeSet::new();
        let mut amount = Amount::default();
        for record in records {
            files.insert(record.path.as_str());
            amount.records += 1;
            amount.bytes += record.end - record.start;
        }
        Amount { files: files.len(), ..amount }
    }
}

/// Finds out what is needed; `told` hears how many times have been looked at, and ends it by `Break`.
///
/// # Errors
/// Fields that the recipe or the archive does not have; an interruption. What is wrong with single times is in the
/// answer.
pub fn needs(
    plan: &DataPlan,
    archive: &dyn Archive,
    choice: &Choice,
    told: &(dyn Fn(usize, usize) -> ControlFlow<()> + Sync),
) -> Result<Needs, DataError> {
    let offered = archive.fields();
    check_names(plan, &choice.only)?;
    let mut chosen = Vec::new();
    for field in &plan.fields {
        let named = choice.only.is_empty() || choice.only.contains(&field.name);
        if named && of_grid::units(&field.from).is_none() {
            chosen.push((field, select(plan, archive.name(), field, &offered)?));
        }
    }
    let times: Vec<Timestamp> = selected_times(plan)
        .into_iter()
        .filter(|time| choice.from.is_none_or(|from| from <= *time) && choice.to.is_none_or(|to| *time <= to))
        .collect();
    let requests = |with_statics: bool| -> Vec<Request<'_>> {
        chosen
            .iter()
            .filter(|(field, _)| with_statics || field.support != SupportPlan::Static)
            .map(|(field, levels)| Request {
                from: &field.from,
                cell: field.cell.as_deref(),
                levels: levels.as_deref(),
            })
            .collect()
    };
    let (all, moving) = (requests(true), requests(false));
    // What does not change is read once, at the first time at which all of the recipe's fields can be read, as when a
    // store is prepared, whichever are chosen here.
    let mut every = Vec::new();
    for field in plan.fields.iter().filter(|field| of_grid::units(&field.from).is_none()) {
        every.extend(select(plan, archive.name(), field, &offered).ok().map(|levels| (field, levels)));
    }
    let every: Vec<Request<'_>> = every
        .iter()
        .map(|(field, levels)| Request {
            from: &field.from,
            cell: field.cell.as_deref(),
            levels: levels.as_deref(),
        })
        .collect();
    let first = first_of(&times, |time| archive.absence(&every, time).is_none()).or(times.first().copied());
    look(archive, &times, &|index| if times.get(index).copied() == first { &all } else { &moving }, told)
}

fn check_names(plan: &DataPlan, only: &[String]) -> Result<(), DataError> {
    let known: Vec<&str> = plan.fields.iter().map(|field| field.name.as_str()).collect();
    let unknown: Vec<String> =
        only.iter().filter(|name| !known.contains(&name.as_str())).map(|name| format!("`{name}`")).collect();
    match unknown.is_empty() {
        true => Ok(()),
        false => Err(DataError::Plan(format!(
            "the recipe reads no field {}; it reads {}",
            unknown.join(", "),
            known.join(", ")
        ))),
    }
}

/// Asks the archive for the records of each time, some times at once.
fn look<'a>(
    archive: &dyn Archive,
    times: &[Timestamp],
    requests: &(dyn Fn(usize) -> &'a [Request<'a>] + Sync),
    told: &(dyn Fn(usize, usize) -> ControlFlow<()> + Sync),
) -> Result<Needs, DataError> {
    let (next, done, stopped) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let found: Mutex<BTreeMap<usize, Found>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(times.len()) {
            scope.spawn(|| {
                while !stopped.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(time) = times.get(index) else { return };
                    let answer = at(archive, requests(index), *time);
                    found.lock().unwrap_or_else(PoisonError::into_inner).insert(index, answer);
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if told(done, times.len()).is_break() {
                        stopped.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    if stopped.load(Ordering::Relaxed) {
        return Err(DataError::Interrupted);
    }
    let mut needs = Needs { times: times.len(), ..Needs::default() };
    let mut records = BTreeSet::new();
    for (index, found) in found.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match found {
            Found::Records(of_time) => records.extend(of_time),
            Found::Absent(reason) => needs.absent.push((times[index], reason)),
            Found::Failed(reason) => needs.failed.push((times[index], reason)),
        }
    }
    needs.records = records.into_iter().collect();
    Ok(needs)
}

/// What is known of one time.
enum Found {
    Records(Vec<Wanted>),
    Absent(String),
    Failed(String),
}

fn at(archive: &dyn Archive, requests: &[Request<'_>], time: Timestamp) -> Found {
    if let Some(reason) = archive.absence(requests, time) {
        return Found::Absent(reason);
    }
    match archive.records(requests, time) {
        Ok(records) => Found::Records(records),
        Err(error) => Found::Failed(error.to_string()),
    }
}

/// Brings records near. Those of GRIB2 that prove to be no messages are dropped and fetched once more.
pub fn bring(
    files: &dyn Files,
    records: &[Wanted],
    told: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Outcome {
    let mut outcome = once(files, records, told);
    let damaged = damaged(files, &outcome.fetched);
    if !damaged.is_empty() {
        for path in damaged.keys() {
            files.forget(path);
        }
        // Forgetting a file forgets all of it.
        let again: Vec<Wanted> =
            records.iter().filter(|record| damaged.contains_key(record.path.as_str())).cloned().collect();
        outcome.fetched.retain(|record| !damaged.contains_key(record.path.as_str()));
        let second = once(files, &again, told);
        outcome.failed.extend(second.failed);
        outcome.left.extend(second.left);
        outcome.fetched.extend(second.fetched);
    }
    let still = self::damaged(files, &outcome.fetched);
    let (sound, wrong): (Vec<Wanted>, Vec<Wanted>) = outcome.fetched.into_iter().partition(|record| {
        still.get(record.path.as_str()).is_none_or(|list| list.iter().all(|(one, _)| one != record))
    });
    outcome.fetched = sound;
    for record in wrong {
        let reasons = still.get(record.path.as_str()).into_iter().flatten();
        let reason = reasons.filter(|(one, _)| *one == record).map(|(_, reason)| reason.clone()).next();
        let reason = reason.unwrap_or_default();
        files.forget(&record.path);
        let error = FileError { place: files.place(), path: record.path.clone(), reason };
        outcome.failed.push((record, error));
    }
    outcome
}

fn once(files: &dyn Files, records: &[Wanted], told: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Outcome {
    let mut outcome = Outcome::default();
    for (record, result) in records.iter().zip(files.fetch(records, told)) {
        match result {
            Some(Ok(())) => outcome.fetched.push(record.clone()),
            Some(Err(error)) => outcome.failed.push((record.clone(), error)),
            None => outcome.left.push(record.clone()),
        }
    }
    outcome
}

/// Records of GRIB2 files that are none, by file.
fn damaged(files: &dyn Files, records: &[Wanted]) -> BTreeMap<String, Vec<(Wanted, String)>> {
    let mut damaged: BTreeMap<String, Vec<(Wanted, String)>> = BTreeMap::new();
    for record in records.iter().filter(|record| is_grib(&record.path)) {
        let problem = match files.read(&record.path, record.range()) {
            Ok(bytes) => whole_messages(&bytes),
            Err(error) => Err(error.reason),
        };
        if let Err(reason) = problem {
            let reason = format!("bytes {} to {}: {reason}", record.start, record.end);
            damaged.entry(record.path.clone()).or_default().push((record.clone(), reason));
        }
    }
    damaged
}

/// Whether a file is one of GRIB, by its name.
#[must_use]
pub fn is_grib(path: &str) -> bool {
    [".grib2", ".grb2", ".grib", ".grb"].iter().any(|end| path.ends_with(end))
}

/// Whether bytes are one whole message of GRIB2, or several.
fn whole_messages(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = match rest.get(..16) {
            Some(head) if head.starts_with(b"GRIB") => {
                head.iter().skip(8).fold(0u64, |length, byte| length << 8 | u64::from(*byte))
            }
            _ => return Err("no GRIB2 message begins there".to_string()),
        };
        let end = usize::try_from(length).ok().filter(|end| (20..=rest.len()).contains(end));
        let Some(end) = end else {
            return Err(format!("the message says {length} bytes where {} are", rest.len()));
        };
        let (message, following) = rest.split_at(end);
        if !message.ends_with(b"7777") {
            return Err("the message does not end in `7777`".to_string());
        }
        rest = following;
    }
    Ok(())
}
