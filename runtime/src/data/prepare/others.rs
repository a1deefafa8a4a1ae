//! What other stores beside one already hold. Where the times of a recipe have changed and nothing else of its data, a stretch
//! of times that would come out the same is taken over: its files get a second name here, and nothing is read.
//!
//! What comes out depends on the values that the archive has, on what does not change, on which times follow one another in
//! one split and are of `train`, and on what the archive lacks. All of these are compared; then the bytes are those that would be
//! written. The other store stays as it is: no file is ever changed under its name, only replaced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aurora_compiler::plan::data::{DataPlan, TimeRange};
use jiff::Timestamp;
use rayon::prelude::*;

use super::calendar::Calendar;
use super::known::Known;
use super::pack::Store;
use super::work::Work;
use crate::data::archive::DataError;
use crate::data::journal::{self, FieldRecord, TimesRecord, Written};
use crate::data::layout::{self, Description, all_fields};
use crate::durable;

/// Stores of the same fields of the same archive, at whatever times, beside one that is being made.
pub(super) struct Others<'a> {
    work: &'a Work<'a>,
    store: &'a Store<'a>,
    stores: Vec<(PathBuf, Description)>,
    /// Stores and the numbers of their stretches, by the first time.
    stretches: BTreeMap<Timestamp, Vec<(usize, usize)>>,
}

impl<'a> Others<'a> {
    /// None are looked for.
    pub(super) fn none(work: &'a Work<'a>, store: &'a Store<'a>) -> Self {
        Self { work, store, stores: Vec::new(), stretches: BTreeMap::new() }
    }

    /// Those that lie in the same folder as a store.
    pub(super) fn beside(work: &'a Work<'a>, store: &'a Store<'a>) -> Self {
        let (directory, description) = (store.directory, store.description);
        let above = directory.parent().filter(|above| !above.as_os_str().is_empty());
        let entries = std::fs::read_dir(above.unwrap_or(Path::new("."))).into_iter().flatten().flatten();
        let hidden =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.file_name() != directory.file_name() && !hidden(path));
        paths.sort();
        let of_same = |path: PathBuf| {
            let found = layout::describe(&path).ok().filter(|found| same(found, description, work))?;
            Some((path, found))
        };
        let stores: Vec<(PathBuf, Description)> = paths.into_iter().filter_map(of_same).collect();
        let mut stretches: BTreeMap<Timestamp, Vec<(usize, usize)>> = BTreeMap::new();
        for (place, (_, found)) in stores.iter().enumerate() {
            for number in 0..found.stretches() {
                if let Some(first) = found.stretch(number).first() {
                    stretches.entry(*first).or_default().push((place, number));
                }
            }
        }
        Self { stores, stretches, ..Self::none(work, store) }
    }

    /// Whether a stretch can be taken over, unless the archive now has what it lacked then.
    pub(super) fn have(&self, number: usize, known: &mut Known) -> Result<bool, DataError> {
        for (path, theirs) in self.alike(number) {
            if let Some(times) = journal::ended(path, &journal::name(theirs))
                && of_same_ground(&times, &self.work.fixed(known)?.digest)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes a stretch over; whether one of them had it.
    pub(super) fn give(&self, number: usize, known: &mut Known) -> Result<bool, DataError> {
        for (path, theirs) in self.alike(number) {
            // What is wrong with another store is not this one's affair.
            let Ok(Some(Written { fields, times: Some(times) })) =
                journal::read(path, &journal::name(theirs))
            else {
                continue;
            };
            if !of_same_ground(&times, &self.work.fixed(known)?.digest)
                || !self.work.is_done(&times, known)?
            {
                continue;
            }
            if taken(path, theirs, Written { fields, times: Some(times) }, self.store, number)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Stretches of others of which the splits decide what they do of this one.
    fn alike(&self, number: usize) -> impl Iterator<Item = (&Path, usize)> {
        let times = self.store.description.stretch(number);
        let mine = calendar(self.store.description).decided(times);
        let candidates = times.first().and_then(|first| self.stretches.get(first)).into_iter().flatten();
        candidates.filter_map(move |(place, theirs)| {
            let (path, description) = &self.stores[*place];
            let same = description.stretch(*theirs) == times && calendar(description).decided(times) == mine;
            same.then_some((path.as_path(), *theirs))
        })
    }
}

/// Gives the files of another store's stretch second names in this one and says so in its journal, at once and last. Whether the files
/// are what that store's journal says of them, as far as can be seen without reading them.
fn taken(
    path: &Path,
    theirs: usize,
    written: Written,
    store: &Store<'_>,
    number: usize,
) -> Result<bool, DataError> {
    let all = all_fields(&store.description.plan);
    let take = |record: &FieldRecord| -> Result<Option<FieldRecord>, DataError> {
        let index = all.iter().position(|field| field.name == record.field);
        let Some(file) = index.and_then(|index| store.file(index, number)) else { return Ok(None) };
        let (from, to) = (path.join(&record.file), store.directory.join(&file));
        if !std::fs::metadata(&from).is_ok_and(|there| there.len() == record.bytes) {
            return Ok(None);
        }
        match durable::link_by(&journal::ways(store.directory), &from, &to) {
            Ok(()) => Ok(Some(FieldRecord { file, ..record.clone() })),
            // Removed meanwhile, with its store.
            Err(_) if !from.exists() => Ok(None),
            Err(source) => Err(DataError::File { what: "cannot write", path: to, source }),
        }
    };
    let fields: Vec<&FieldRecord> = written.fields.values().collect();
    let fields: Option<Vec<FieldRecord>> = fields.into_par_iter().map(take).collect::<Result<_, _>>()?;
    let Some(fields) = fields else { return Ok(false) };
    // A process that writes the other stretch again takes back its journal first.
    if journal::read(path, &journal::name(theirs)).ok().flatten().as_ref() != Some(&written) {
        return Ok(false);
    }
    let fields = fields.into_iter().map(|record| (record.field.clone(), record)).collect();
    let taken = Written { fields, times: written.times };
    journal::replace(store.directory, &journal::name(number), &taken).map(|()| true)
}

fn calendar(description: &Description) -> Calendar<'_> {
    Calendar { plan: &description.plan, times: &description.times }
}

fn of_same_ground(times: &TimesRecord, fixed: &str) -> bool {
    times.beyond.as_ref().is_some_and(|beyond| beyond.fixed == fixed)
}

/// Whether a store differs from another in its times only: its digest is what it would be with this archive and these
/// kernels.
fn same(found: &Description, wanted: &Description, work: &Work<'_>) -> bool {
    found.shard == wanted.shard
        && timeless(&found.plan) == timeless(&wanted.plan)
        && found.digest == super::digest(&found.plan, work.archive, work.derive)
}

/// A plan without that in which the stores of recipes may differ that share stretches.
fn timeless(plan: &DataPlan) -> DataPlan {
    let mut plan = plan.clone();
    plan.train = TimeRange { from: Timestamp::UNIX_EPOCH, to: Timestamp::UNIX_EPOCH };
    (plan.validate, plan.test) = (None, None);
    // Where samples are taken from changes nothing of what is stored.
    plan.sampling.months.clear();
    plan.sampling.regions.clear();
    plan
}
