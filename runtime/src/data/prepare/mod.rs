//! `data prepare`: from an archive and a data plan to a training store.
//!
//! The store is begun with all that is known beforehand, then filled stretch by stretch of time, by one process or by many
//! that each have a share ([`Share`]). Every file comes under its name when it is whole, and a journal tells which are
//! there (`journal.rs`), so that a preparation that was stopped goes on where it was. What other stores of the same fields
//! hold already is taken over (`others.rs`). The store is whole, and opens, when the journals have been put together ([`merge`]).

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use aurora_compiler::plan::data::{DataPlan, DerivedPlan, TimeRange};
use jiff::Timestamp;
use ndarray::{Array3, ArrayView3};
use serde_json::json;

use super::archive::{Archive, DataError};
use super::journal::{self, FOLDER};
use super::layout::{self, Description, FORMAT};
use crate::durable;

mod calendar;
mod check;
mod hour;
mod inventory;
mod known;
mod others;
mod pack;
mod work;
mod write;

pub(in crate::data) use calendar::first_of;
pub use calendar::selected_times;
pub use check::{hourly, suits};
pub(in crate::data) use check::{same_grid, select};
pub use inventory::{FieldInventory, Inventory, Month, Tally, merge, read as read_inventory};
use known::Known;
use others::Others;
use pack::Store;
use work::Work;
use write::Writer;

/// Computes derived fields; the compiler's kernels stand behind it.
pub trait Deriver: Sync {
    /// What distinguishes these kernels from others under the same names, for instance a digest of their text.
    fn identity(&self) -> String;

    /// These derived fields at one time, by name, (C, H, W) each, C = 1 without levels; `fields` holds what they are derived
    /// from, likewise, those among `derived` aside.
    ///
    /// # Errors
    /// A field that is missing or has another shape than its kernel expects.
    fn derive(
        &self,
        derived: &[&DerivedPlan],
        fields: &BTreeMap<String, ArrayView3<'_, f32>>,
    ) -> Result<BTreeMap<String, Array3<f32>>, DataError>;
}

/// For plans without derived fields; refuses any.
#[derive(Clone, Copy, Debug)]
pub struct NoDeriver;

impl Deriver for NoDeriver {
    fn identity(&self) -> String {
        "none".into()
    }

    fn derive(
        &self,
        derived: &[&DerivedPlan],
        _: &BTreeMap<String, ArrayView3<'_, f32>>,
    ) -> Result<BTreeMap<String, Array3<f32>>, DataError> {
        match derived.first() {
            None => Ok(BTreeMap::new()),
            Some(plan) => {
                Err(DataError::Derive { field: plan.name.clone(), reason: "no kernel computes it".into() })
            }
        }
    }
}

/// How far a preparation is, in times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Said first, where something is left to do: of `total` times `here` are in the store already, and `elsewhere` in others, from
    /// which they are taken over.
    Begun { here: usize, elsewhere: usize, total: usize },
    /// Of `total` times so many have been seen to.
    Going { done: usize, total: usize },
}

/// A share of a store's times: part 1 of 12 and so on. Shares write no file in common but what does not change, the same in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// From 1.
    pub part: usize,
    pub of: usize,
}

impl Share {
    /// Everything.
    pub const WHOLE: Share = Share { part: 1, of: 1 };

    /// The stretches that fall to it.
    pub(super) fn stretches(self, all: usize) -> Range<usize> {
        (self.part - 1) * all / self.of..self.part * all / self.of
    }
}

impl std::str::FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let parts = parts.and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((part, of)) if (1..=of).contains(&part) => Ok(Share { part, of }),
            _ => Err(format!("a share is written I/N with I from 1 to N, for instance 3/12, not `{text}`")),
        }
    }
}

/// Makes the store, or finds it made. What a process that was stopped had written is kept.
///
/// # Errors
/// A plan the archive cannot serve (all wrong fields and levels in one message), an archive that cannot be read, a
/// directory that cannot be written or that holds something else than this store.
pub fn prepare(
    plan: &DataPlan,
    archive: &dyn Archive,
    derive: &dyn Deriver,
    directory: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Inventory, DataError> {
    let written = prepare_share(plan, archive, derive, directory, Share::WHOLE, progress)?;
    match inventory::read(directory)? {
        Some(inventory) if !written => Ok(Inventory { reused: true, ..inventory }),
        _ => merge(directory),
    }
}

/// Prepares a share of a store; whether anything was left to do. Processes that share the work need not speak to one
/// another; when all are done, [`merge`] makes the store whole.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_share(
    plan: &DataPlan,
    archive: &dyn Archive,
    derive: &dyn Deriver,
    directory: &Path,
    share: Share,
    progress: &mut dyn FnMut(Progress),
) -> Result<bool, DataError> {
    let work = Work::new(plan, archive, derive)?;
    let digest = digest(plan, archive, derive);
    let description = Description {
        digest,
        archive: archive.identity(),
        plan: plan.clone(),
        shard: work.shard(),
        times: work.times.clone(),
    };
    let mut known = Known::of(directory)?;
    begin(directory, &description, &work, &mut known)?;
    let store = Store::open(directory, &description)?;
    // By processes that were killed.
    for left in durable::leftovers(&journal::ways(directory)).unwrap_or_default() {
        let _ = std::fs::remove_file(left);
    }
    std::thread::scope(|scope| {
        let writer = Writer::start(scope, directory, work.largest());
        let written = fill(&work, &store, &writer, share, known, progress);
        writer.finish(written)
    })
}

/// Has all that is not there yet written; whether there was anything.
fn fill(
    work: &Work<'_>,
    store: &Store<'_>,
    writer: &Writer<'_>,
    share: Share,
    mut known: Known,
    progress: &mut dyn FnMut(Progress),
) -> Result<bool, DataError> {
    let directory = store.directory;
    let stretches = share.stretches(store.description.stretches());
    let others = begun(work, store, stretches.clone(), &mut known, progress)?;
    let length = |number: usize| store.description.stretch(number).len();
    let total = stretches.clone().map(length).sum();
    let (mut lead, mut written, mut done) = (None, false, 0);
    // From the first change on the store is not what its inventory says.
    let mut change = || match std::mem::replace(&mut written, true) {
        true => Ok(()),
        false => forget_inventory(directory),
    };
    if !work.has_statics(store)? {
        change()?;
        work.write_statics(store, work.fixed(&mut known)?)?;
    }
    for number in stretches {
        done += length(number);
        let state = journal::read(directory, &journal::name(number))?;
        let times = state.as_ref().and_then(|written| written.times.as_ref());
        if times.map_or(Ok(false), |times| work.is_done(times, &mut known))? {
            lead = None;
            continue;
        }
        change()?;
        // What was begun here is not taken over: it may have been struck out because the others' files are damaged.
        let taken = state.is_none() && others.give(number, &mut known)?;
        lead = match taken {
            true => None,
            false => work.stretch(store, writer, number, lead, work.fixed(&mut known)?)?,
        };
        progress(Progress::Going { done, total });
    }
    Ok(written)
}

/// Looks at what is there already, in the store and in others, and says it if that is not all.
fn begun<'a>(
    work: &'a Work<'a>,
    store: &'a Store<'a>,
    stretches: Range<usize>,
    known: &mut Known,
    progress: &mut dyn FnMut(Progress),
) -> Result<Others<'a>, DataError> {
    let (mut total, mut here, mut elsewhere, mut lacking) = (0, 0, 0, Vec::new());
    for number in stretches {
        let times = store.description.stretch(number).len();
        total += times;
        match journal::ended(store.directory, &journal::name(number)) {
            Some(_) => here += times,
            None => lacking.push((number, times)),
        }
    }
    if lacking.is_empty() {
        return Ok(Others::none(work, store));
    }
    let others = Others::beside(work, store);
    for (number, times) in lacking {
        elsewhere += if others.have(number, known)? { times } else { 0 };
    }
    progress(Progress::Begun { here, elsewhere, total });
    Ok(others)
}

/// Makes sure that the directory holds this very store, empty if it is new.
fn begin(
    directory: &Path,
    description: &Description,
    work: &Work<'_>,
    known: &mut Known,
) -> Result<(), DataError> {
    let fail = |source| DataError::File { what: "cannot write", path: directory.to_path_buf(), source };
    if !directory.exists() || std::fs::read_dir(directory).map_err(fail)?.next().is_none() {
        // Nothing is begun that fails at once.
        work.fixed(known)?;
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
        std::fs::create_dir_all(parent.unwrap_or(Path::new("."))).map_err(fail)?;
        let grid = work.archive.grid();
        durable::new_folder::<Begun>(directory, |inside| {
            layout::create_store(inside, description, &grid).map_err(Begun::Data)
        })
        .map_err(|begun| match begun {
            Begun::Data(error) => error,
            Begun::File(source) => DataError::Unwritten(source),
        })?;
    }
    let other = |reason: String| DataError::Store { path: directory.to_path_buf(), reason };
    if !directory.join("zarr.json").is_file() {
        return Err(other("it holds other files; choose an empty or a new directory".into()));
    }
    let found = layout::describe(directory)?;
    if found.digest != description.digest || found.shard != description.shard {
        return Err(other("it is of another recipe or archive; choose an empty or a new directory".into()));
    }
    Ok(())
}

/// Why a store was not begun.
#[derive(Debug)]
enum Begun {
    Data(DataError),
    File(std::io::Error),
}

impl From<std::io::Error> for Begun {
    fn from(error: std::io::Error) -> Self {
        Begun::File(error)
    }
}

fn forget_inventory(directory: &Path) -> Result<(), DataError> {
    let path = directory.join(FOLDER).join("inventory.json");
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(DataError::File { what: "cannot remove", path, source })
        }
        _ => Ok(()),
    }
}

/// Whether a time lies in a split.
#[must_use]
pub fn within(range: &TimeRange, time: Timestamp) -> bool {
    range.from <= time && time <= range.to
}

/// What a store is of, in hexadecimal: format, plan, archive and kernels.
pub fn digest(plan: &DataPlan, archive: &dyn Archive, derive: &dyn Deriver) -> String {
    let text = json!([FORMAT, plan, archive.identity(), derive.identity()]).to_string();
    blake3::hash(text.as_bytes()).to_hex().to_string()
}
