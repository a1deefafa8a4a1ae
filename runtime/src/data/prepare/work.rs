//! The work of a preparation: stretches of time read, judged and written, a file for each field.

use std::path::Path;
use std::sync::Arc;

use aurora_compiler::plan::data::{DataPlan, SupportPlan};
use jiff::Timestamp;
use ndarray::Array3;
use rayon::prelude::*;
use zarrs::array::Array;
use zarrs::filesystem::FilesystemStore;

use super::hour::{Hour, Judged, Read, Values};
use super::write::{Packed, Writer, Writing, land};
use super::{Deriver, check, first_of, within};
use crate::data::archive::{Archive, DataError};
use crate::data::journal::{
    self, FieldRecord, Journal, Line, STATIC, Status, TimeRecord, TimesRecord, name as stretch_name,
};
use crate::data::layout::{self, Description, StoredField, all_fields};
use crate::data::quality::{Check, Finding, Judge, outside_and_missing};
use crate::data::shard::TileCodec;
use crate::data::statistics::Growing;

/// Longest stretch in time steps, and the memory (bytes) that the fields of one stretch may take while it is made.
const LONGEST: usize = 24;
const MEMORY: usize = 512 << 20;

/// Everything checked, ready to be read and written.
pub(super) struct Work<'a> {
    pub(super) plan: &'a DataPlan,
    pub(super) archive: &'a dyn Archive,
    pub(super) derive: &'a dyn Deriver,
    pub(super) judge: Judge,
    /// All fields of the plan, whether or not the store keeps them.
    pub(super) fields: Vec<StoredField>,
    pub(super) depths: Vec<usize>,
    /// For each read field: which of the archive's levels, in the plan's order.
    pub(super) levels: Vec<Option<Vec<usize>>>,
    /// All times of the splits.
    pub(super) times: Vec<Timestamp>,
}

/// The last time of a stretch, which the first of the next is compared with.
#[derive(Debug)]
pub(super) struct Lead {
    time: Timestamp,
    /// As the archive has it, which the checks look at.
    read: Option<Hour>,
    /// As samples are made of it, if they are.
    kept: Option<Hour>,
}

impl<'a> Work<'a> {
    /// Checks the plan against the archive.
    pub(super) fn new(
        plan: &'a DataPlan,
        archive: &'a dyn Archive,
        derive: &'a dyn Deriver,
    ) -> Result<Self, DataError> {
        let levels = check::levels(plan, archive)?;
        let fields = all_fields(plan);
        let depths = fields.iter().map(|field| layout::depth(plan, field)).collect::<Result<_, _>>()?;
        check::names(plan, &fields)?;
        check::order(plan)?;
        let times = super::selected_times(plan);
        Ok(Self { plan, archive, derive, judge: Judge::new(plan), fields, depths, levels, times })
    }

    /// The first time of the splits that the archive has, as [`first_of`] means it.
    pub(super) fn first(&self) -> Result<Timestamp, DataError> {
        let requests = self.requests();
        let there = |time: Timestamp| self.archive.absence(&requests, time).is_none();
        first_of(&self.times, there).ok_or_else(|| {
            let range = self.archive.times();
            DataError::Plan(format!(
                "the archive `{}` has none of the {} times of the splits; it reaches from {} to {}",
                self.archive.name(),
                self.times.len(),
                range.from,
                range.to
            ))
        })
    }

    /// Times in a stretch: at most a day, fewer where a day of fields would not fit the memory set aside.
    pub(super) fn shard(&self) -> usize {
        let per_time: usize =
            self.depths.iter().sum::<usize>() * self.plan.grid.width * self.plan.grid.height * 4;
        (MEMORY / per_time.max(1)).clamp(1, LONGEST).min(self.times.len().max(1))
    }

    /// The fields that do not change and that the store keeps.
    fn fixed(&self, store: &Store<'_>) -> Vec<usize> {
        let fixed = |index: &usize| self.fields[*index].support == SupportPlan::Static && store.keeps(*index);
        (0..self.fields.len()).filter(fixed).collect()
    }

    /// Whether all that does not change is written.
    pub(super) fn has_statics(&self, store: &Store<'_>) -> Result<bool, DataError> {
        let written = journal::read(store.directory, STATIC)?.unwrap_or_default();
        Ok(self.fixed(store).iter().all(|index| written.fields.contains_key(&self.fields[*index].name)))
    }

    /// Bytes of the largest field over a stretch, before it is compressed.
    pub(super) fn largest(&self) -> usize {
        let deepest = self.depths.iter().copied().max().unwrap_or(1);
        deepest * self.plan.grid.width * self.plan.grid.height * 4 * self.shard()
    }

    /// Writes what does not change.
    pub(super) fn write_statics(&self, store: &Store<'_>, statics: &Values) -> Result<(), DataError> {
        let mut journal = match Journal::open(store.directory, STATIC) {
            // Of several processes that begin together one writes; the values are the same.
            Err(DataError::Busy { .. }) => return Ok(()),
            journal => journal?,
        };
        for index in self.fixed(store) {
            let Some(values) = &statics[index] else { continue };
            if journal.written.fields.contains_key(&self.fields[index].name) {
                continue;
            }
            let statistics = Growing::of(values.view(), None);
            let counts = counted(&self.fields[index], values, None);
            let hours = vec![Some(&**values)];
            let record = Record { index, number: 0, hours, counts, mended: 0, times: String::new() };
            if let Some(packed) = store.packed(&record, &self.fields[index], statistics)? {
                journal.push(Line::Field(land(store.directory, packed)?))?;
            }
        }
        Ok(())
    }

    /// Whether a stretch is written and nothing that it lacks has come since.
    pub(super) fn is_done(
        &self,
        times: &TimesRecord,
        statics: &mut Option<Values>,
    ) -> Result<bool, DataError> {
        for record in times.times.iter().filter(|record| record.status.lacking().is_some()) {
            if self.archive.absence(&self.requests(), record.time).is_some() {
                continue;
            }
            // Its files are there; whatever keeps them from being read, the store stays what it is.
            match self.known(statics).and_then(|statics| self.hour(record.time, statics)) {
                Ok(Read::Whole(_)) => return Ok(false),
                Err(DataError::Interrupted) => return Err(DataError::Interrupted),
                Ok(Read::Absent(_)) | Err(_) => {}
            }
        }
        Ok(true)
    }

    /// What does not change, read when it is needed first.
    pub(super) fn known<'b>(&self, statics: &'b mut Option<Values>) -> Result<&'b Values, DataError> {
        Ok(match statics {
            Some(statics) => statics,
            empty => empty.insert(self.statics(self.first()?)?),
        })
    }

    /// Reads and judges a stretch and hands it to be written; gives its last time.
    pub(super) fn stretch(
        &self,
        store: &Store<'_>,
        writer: &Writer<'_>,
        number: usize,
        lead: Option<Lead>,
        statics: &Values,
    ) -> Result<Option<Lead>, DataError> {
        let shard = store.description.shard;
        let times = &self.times[number * shard..((number + 1) * shard).min(self.times.len())];
        let mut journal = Journal::open(store.directory, &stretch_name(number))?;
        let lead = self.lead(times, lead, statics)?;
        let read: Vec<Read> =
            times.par_iter().map(|time| self.hour(*time, statics)).collect::<Result<_, _>>()?;
        let judged = self.judge_all(times, read, lead.as_ref());
        let (mut hours, mut records) = (Vec::new(), Vec::new());
        for (time, judged) in times.iter().zip(&judged) {
            let (hour, status) = self.settle(*time, judged, statics)?;
            hours.push(hour);
            records.push(TimeRecord { time: *time, status, findings: judged.findings.clone() });
        }
        let became = became(&records);
        // What was written when other times were there is written again, and nothing speaks of it meanwhile.
        let stale = journal.written.fields.values().any(|field| field.times != became);
        if stale || journal.written.times.is_some() {
            journal.clear()?;
        }
        let stretch =
            Stretch { number, times, hours: &hours, records: &records, lead: lead.as_ref(), became: &became };
        self.write(store, writer, &stretch, journal)?;
        let last = times.last().copied().zip(hours.pop()).zip(judged.into_iter().next_back());
        Ok(last.map(|((time, kept), judged)| Lead { time, kept, read: judged.read.whole() }))
    }

    /// The time before the first of a stretch: the one just done, or read once more.
    fn lead(
        &self,
        times: &[Timestamp],
        done: Option<Lead>,
        statics: &Values,
    ) -> Result<Option<Lead>, DataError> {
        let Some(before) = times.first().and_then(|first| self.neighbour(*first, -1)) else {
            return Ok(None);
        };
        if let Some(done) = done.filter(|done| done.time == before) {
            return Ok(Some(done));
        }
        let read = self.hour(before, statics)?;
        let earlier = match self.neighbour(before, -1) {
            Some(earlier) if !self.plan.repair.reject.is_empty() => Some(self.hour(earlier, statics)?),
            _ => None,
        };
        let earlier = earlier.and_then(Read::whole);
        let judged = self.judged(read, earlier.as_ref());
        let (kept, _) = self.settle(before, &judged, statics)?;
        Ok(Some(Lead { time: before, kept, read: judged.read.whole() }))
    }

    fn judge_all(&self, times: &[Timestamp], read: Vec<Read>, lead: Option<&Lead>) -> Vec<Judged> {
        let mut judged: Vec<Judged> = Vec::with_capacity(read.len());
        for (index, read) in read.into_iter().enumerate() {
            let before = match (self.neighbour(times[index], -1), index.checked_sub(1)) {
                (None, _) => None,
                (Some(_), None) => lead.and_then(|lead| lead.read.as_ref()),
                (Some(there), Some(last)) if times[last] == there => match &judged[last].read {
                    Read::Whole(hour) => Some(hour),
                    Read::Absent(_) => None,
                },
                _ => None,
            };
            judged.push(self.judged(read, before));
        }
        judged
    }

    /// What becomes of a time, and the hour that samples are made of, if there is one.
    fn settle(
        &self,
        time: Timestamp,
        judged: &Judged,
        statics: &Values,
    ) -> Result<(Option<Hour>, Status), DataError> {
        if let Some(hour) = judged.sound() {
            return Ok((Some(hour.clone()), Status::Present));
        }
        let absent = match &judged.read {
            Read::Absent(reason) => Some(reason.clone()),
            Read::Whole(_) => None,
        };
        Ok(match (self.filled(time, statics)?, absent) {
            (Some((hour, before, after)), absent) => (Some(hour), Status::Filled { before, after, absent }),
            (None, Some(reason)) => (None, Status::Absent { reason }),
            (None, None) => (None, Status::Rejected),
        })
    }

    /// Hands over every field of a stretch that its journal does not have yet.
    fn write(
        &self,
        store: &Store<'_>,
        writer: &Writer<'_>,
        stretch: &Stretch<'_>,
        journal: Journal,
    ) -> Result<(), DataError> {
        let wanted: Vec<usize> = (0..self.fields.len())
            .filter(|i| store.keeps(*i) && self.fields[*i].support != SupportPlan::Static)
            .filter(|i| !journal.written.fields.contains_key(&self.fields[*i].name))
            .collect();
        let times = TimesRecord { times: stretch.records.to_vec() };
        let writing = Writing::new(journal, wanted.len(), times)?;
        wanted.into_par_iter().try_for_each(|index| {
            let shown =
                |place: usize| stretch.hours[place].as_ref().and_then(|hour| hour.values[index].as_deref());
            let hours: Vec<Option<&Array3<f32>>> = (0..stretch.times.len()).map(shown).collect();
            let counts = hours.iter().zip(stretch.records).filter_map(|(hour, record)| {
                let judged = (record.status == Status::Present).then_some(&record.findings[..]);
                hour.map(|hour| counted(&self.fields[index], hour, judged))
            });
            let record = Record {
                index,
                number: stretch.number as u64,
                counts: counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)),
                hours,
                mended: stretch.hours.iter().flatten().map(|hour| hour.mended[index]).sum(),
                times: stretch.became.to_string(),
            };
            let statistics = self.statistics(stretch, &record);
            match store.packed(&record, &self.fields[index], statistics)? {
                Some(packed) => writer.hand(&writing, packed),
                None => Ok(()),
            }
        })
    }

    /// Of a field over the times of a stretch that lie in the training split.
    fn statistics(&self, stretch: &Stretch<'_>, record: &Record<'_>) -> Growing {
        let mut statistics = Growing::default();
        for (place, time) in stretch.times.iter().enumerate() {
            let Some(now) = record.hours[place].filter(|_| within(&self.plan.train, *time)) else { continue };
            let before = self.neighbour(*time, -1).and_then(|there| match place.checked_sub(1) {
                Some(last) if stretch.times[last] == there => record.hours[last],
                Some(_) => None,
                None => stretch
                    .lead
                    .filter(|lead| lead.time == there)
                    .and_then(|lead| lead.kept.as_ref()?.values[record.index].as_deref()),
            });
            statistics.merge(&Growing::of(now.view(), before.map(|before| before.view())));
        }
        statistics
    }
}

/// A stretch of times, ready to be written.
struct Stretch<'a> {
    number: usize,
    times: &'a [Timestamp],
    /// Those that samples are made of.
    hours: &'a [Option<Hour>],
    records: &'a [TimeRecord],
    lead: Option<&'a Lead>,
    became: &'a str,
}

/// What became of times, so that it can be compared.
fn became(times: &[TimeRecord]) -> String {
    let text = serde_json::json!(times.iter().map(|time| (time.time, &time.status)).collect::<Vec<_>>());
    blake3::hash(text.to_string().as_bytes()).to_hex()[..16].to_string()
}

/// A store that is being written.
pub(super) struct Store<'a> {
    pub(super) directory: &'a Path,
    pub(super) description: &'a Description,
    /// By the place of the field in the plan; nothing for what is not kept.
    fields: Vec<Option<Kept>>,
}

struct Kept {
    array: Array<FilesystemStore>,
    codec: TileCodec,
}

/// A field over a stretch of times, on its way to disk; nothing where a time is missing.
struct Record<'a> {
    index: usize,
    number: u64,
    hours: Vec<Option<&'a Array3<f32>>>,
    /// Values out of range, and those that are missing.
    counts: (u64, u64),
    mended: u64,
    /// What became of the times.
    times: String,
}

impl<'a> Store<'a> {
    pub(super) fn open(directory: &'a Path, description: &'a Description) -> Result<Self, DataError> {
        let broken = |reason: String| DataError::Store { path: directory.to_path_buf(), reason };
        let storage = FilesystemStore::new(directory).map_err(|error| broken(error.to_string()))?;
        let storage = Arc::new(storage);
        let kept: Vec<StoredField> = layout::stored_fields(&description.plan);
        let open = |field: &StoredField| {
            if !kept.iter().any(|kept| kept.name == field.name) {
                return Ok(None);
            }
            let array = Array::open(Arc::clone(&storage), &format!("/{}", field.name))
                .map_err(|error| broken(format!("its `{}` cannot be opened: {error}", field.name)))?;
            let grid = &description.plan.grid;
            let depth = layout::depth(&description.plan, field)?;
            let shape = (grid.height, grid.width);
            let codec = TileCodec::new(depth, shape, layout::tile(shape.0, shape.1));
            Ok(Some(Kept { array, codec }))
        };
        let fields = all_fields(&description.plan).iter().map(open).collect::<Result<_, DataError>>()?;
        Ok(Self { directory, description, fields })
    }

    fn keeps(&self, index: usize) -> bool {
        self.fields[index].is_some()
    }

    /// The bytes of a field's file and what is to be said of them; nothing of a field that is not kept.
    fn packed(
        &self,
        record: &Record<'_>,
        field: &StoredField,
        statistics: Growing,
    ) -> Result<Option<Packed>, DataError> {
        let Some(kept) = &self.fields[record.index] else { return Ok(None) };
        let mut shard = vec![0; kept.array.dimensionality()];
        let fixed = field.support == SupportPlan::Static;
        if !fixed {
            shard[0] = record.number;
        }
        let times = if fixed { 1 } else { self.description.shard };
        let parts = kept.codec.shard(times, &record.hours).map_err(|reason| {
            DataError::Archive(format!("the field `{}` cannot be written: {reason}", field.name))
        })?;
        let mut hash = blake3::Hasher::new();
        for part in &parts {
            hash.update(part);
        }
        let stretch = if fixed { STATIC.into() } else { stretch_name(record.number as usize) };
        let said = FieldRecord {
            field: field.name.clone(),
            file: kept.array.chunk_key(&shard).to_string(),
            bytes: parts.iter().map(|part| part.len() as u64).sum(),
            blake3: hash.finalize().to_hex().to_string(),
            values: record.hours.iter().flatten().map(|hour| hour.len() as u64).sum(),
            outside: record.counts.0,
            missing: record.counts.1,
            mended: record.mended,
            times: record.times.clone(),
            statistics,
        };
        Ok(Some(Packed { way: format!("{stretch}-{}", field.name), parts, record: said }))
    }
}

/// How many values of a field are out of range and how many are missing: of a time that was judged the findings say so.
fn counted(field: &StoredField, values: &Array3<f32>, judged: Option<&[Finding]>) -> (u64, u64) {
    match judged {
        Some(findings) => {
            let points = |check: Check| {
                let of = findings.iter().filter(|one| one.check == check && one.field == field.name);
                of.map(|finding| finding.points).sum()
            };
            (points(Check::OutsideRange), points(Check::Missing))
        }
        None => outside_and_missing(values, field.range),
    }
}
