//! The work of a preparation: stretches of time read, judged and written, a file for each field.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use aurora_compiler::plan::data::{DataPlan, SupportPlan};
use jiff::Timestamp;
use ndarray::Array3;
use rayon::prelude::*;
use zarrs::array::Array;
use zarrs::filesystem::FilesystemStore;

use super::hour::{Hour, Judged, Read, Values};
use super::{Deriver, check, within};
use crate::data::archive::{Archive, DataError};
use crate::data::journal::{
    FOLDER, FieldRecord, Journal, Line, STATIC, Status, TimeRecord, TimesRecord, name as stretch_name,
};
use crate::data::layout::{self, Description, StoredField, all_fields};
use crate::data::quality::Judge;
use crate::data::shard::TileCodec;
use crate::data::statistics::Growing;
use crate::durable;

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
    hour: Hour,
    usable: bool,
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

    /// The first time of the splits that the archive has.
    pub(super) fn first(&self) -> Result<Timestamp, DataError> {
        let requests = self.requests();
        let there = |time: &&Timestamp| self.archive.absence(&requests, **time).is_none();
        self.times.iter().find(there).copied().ok_or_else(|| {
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

    /// Writes what does not change, unless it has been written.
    pub(super) fn write_statics(&self, store: &Store<'_>, statics: &Values) -> Result<(), DataError> {
        let fixed: Vec<usize> = (0..self.fields.len()).filter(|index| statics[*index].is_some()).collect();
        let all = |journal: &Journal| {
            fixed
                .iter()
                .all(|i| !store.keeps(*i) || journal.written.fields.contains_key(&self.fields[*i].name))
        };
        if let Some(written) = crate::data::journal::read(store.directory, STATIC)?
            && fixed.iter().all(|i| !store.keeps(*i) || written.fields.contains_key(&self.fields[*i].name))
        {
            return Ok(());
        }
        // Of several processes that begin together one writes; the values are the same.
        let Ok(journal) = Journal::open(store.directory, STATIC) else { return Ok(()) };
        if all(&journal) {
            return Ok(());
        }
        let journal = Mutex::new(journal);
        for index in fixed.into_iter().filter(|index| store.keeps(*index)) {
            let Some(values) = &statics[index] else { continue };
            let record = Record { index, number: 0, hours: vec![Some(values)], mended: 0 };
            let statistics = Growing::of(values.view(), None);
            store.write(&record, &self.fields[index], statistics, &journal)?;
        }
        Ok(())
    }

    /// Whether a stretch is written and nothing that it lacks has come since.
    pub(super) fn is_done(&self, times: &TimesRecord) -> bool {
        let requests = self.requests();
        !times.times.iter().any(|record| {
            matches!(record.status, Status::Absent { .. })
                && self.archive.absence(&requests, record.time).is_none()
        })
    }

    /// Reads, judges and writes a stretch; gives its last time.
    pub(super) fn stretch(
        &self,
        store: &Store<'_>,
        number: usize,
        lead: Option<Lead>,
        statics: &Values,
    ) -> Result<Option<Lead>, DataError> {
        let shard = store.description.shard;
        let times = &self.times[number * shard..((number + 1) * shard).min(self.times.len())];
        let mut journal = Journal::open(store.directory, &stretch_name(number))?;
        if journal.written.times.is_some() {
            journal.clear()?;
        }
        let lead = self.lead(times, lead, statics)?;
        let read: Vec<Read> =
            times.par_iter().map(|time| self.hour(*time, statics)).collect::<Result<_, _>>()?;
        let judged = self.judge_all(times, read, lead.as_ref());
        let (mut hours, mut records) = (Vec::new(), Vec::new());
        for (time, judged) in times.iter().zip(judged) {
            let (hour, status) = self.settle(*time, &judged, statics)?;
            records.push(TimeRecord { time: *time, status, findings: judged.findings });
            hours.push(hour.or(match judged.read {
                Read::Whole(hour) => Some(hour),
                Read::Absent(_) => None,
            }));
        }
        let usable: Vec<bool> = records.iter().map(|record| record.status.usable()).collect();
        let journal = self.write(store, number, times, &hours, &usable, lead.as_ref(), journal)?;
        journal
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Line::Times(TimesRecord { times: records }))?;
        let last = times.last().copied().zip(hours.pop().flatten()).zip(usable.last().copied());
        Ok(last.map(|((time, hour), usable)| Lead { time, hour, usable }))
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
        let earlier = if let Some(Read::Whole(hour)) = &earlier { Some(hour) } else { None };
        let judged = self.judged(read, earlier);
        let (filled, status) = self.settle(before, &judged, statics)?;
        let usable = status.usable();
        let hour = filled.or(if let Read::Whole(hour) = judged.read { Some(hour) } else { None });
        Ok(hour.map(|hour| Lead { time: before, hour, usable }))
    }

    fn judge_all(&self, times: &[Timestamp], read: Vec<Read>, lead: Option<&Lead>) -> Vec<Judged> {
        let mut judged: Vec<Judged> = Vec::with_capacity(read.len());
        for (index, read) in read.into_iter().enumerate() {
            let before = match (self.neighbour(times[index], -1), index.checked_sub(1)) {
                (None, _) => None,
                (Some(_), None) => lead.map(|lead| &lead.hour),
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

    /// What becomes of a time, and the hour made in its place if one is.
    fn settle(
        &self,
        time: Timestamp,
        judged: &Judged,
        statics: &Values,
    ) -> Result<(Option<Hour>, Status), DataError> {
        if judged.sound().is_some() {
            return Ok((None, Status::Present));
        }
        if let Some((hour, before, after)) = self.filled(time, statics)? {
            return Ok((Some(hour), Status::Filled { before, after }));
        }
        Ok(match &judged.read {
            Read::Absent(reason) => (None, Status::Absent { reason: reason.clone() }),
            Read::Whole(_) => (None, Status::Rejected),
        })
    }

    /// Writes every field of a stretch that its journal does not have yet.
    #[allow(clippy::too_many_arguments)]
    fn write(
        &self,
        store: &Store<'_>,
        number: usize,
        times: &[Timestamp],
        hours: &[Option<Hour>],
        usable: &[bool],
        lead: Option<&Lead>,
        journal: Journal,
    ) -> Result<Mutex<Journal>, DataError> {
        let wanted: Vec<usize> = (0..self.fields.len())
            .filter(|i| store.keeps(*i) && self.fields[*i].support != SupportPlan::Static)
            .filter(|i| !journal.written.fields.contains_key(&self.fields[*i].name))
            .collect();
        let journal = Mutex::new(journal);
        wanted.into_par_iter().try_for_each(|index| {
            let shown = |place: usize| -> Option<&Array3<f32>> {
                hours[place].as_ref().filter(|_| usable[place]).and_then(|hour| hour.values[index].as_deref())
            };
            let mut statistics = Growing::default();
            for (place, time) in times.iter().enumerate() {
                let Some(now) = shown(place).filter(|_| within(&self.plan.train, *time)) else { continue };
                let before = self.neighbour(*time, -1).and_then(|there| match place.checked_sub(1) {
                    Some(last) if times[last] == there => shown(last),
                    Some(_) => None,
                    None => lead
                        .filter(|lead| lead.time == there && lead.usable)
                        .and_then(|lead| lead.hour.values[index].as_deref()),
                });
                statistics.merge(&Growing::of(now.view(), before.map(|before| before.view())));
            }
            let values = (0..times.len()).map(shown).collect();
            let mended = hours.iter().flatten().map(|hour| hour.mended[index]).sum();
            let record = Record { index, number: number as u64, hours: values, mended };
            store.write(&record, &self.fields[index], statistics, &journal)
        })?;
        Ok(journal)
    }
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
    mended: u64,
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
            let codec = TileCodec::new(field, depth, shape, layout::tile(shape.0, shape.1))?;
            Ok(Some(Kept { array, codec }))
        };
        let fields = all_fields(&description.plan).iter().map(open).collect::<Result<_, DataError>>()?;
        Ok(Self { directory, description, fields })
    }

    fn keeps(&self, index: usize) -> bool {
        self.fields[index].is_some()
    }

    /// Writes a file under its own name only when it is whole and on disk, then says so in the journal.
    fn write(
        &self,
        record: &Record<'_>,
        field: &StoredField,
        statistics: Growing,
        journal: &Mutex<Journal>,
    ) -> Result<(), DataError> {
        let Some(kept) = &self.fields[record.index] else { return Ok(()) };
        let array = &kept.array;
        let failed = |reason: String| {
            DataError::Archive(format!("the field `{}` cannot be written: {reason}", field.name))
        };
        let mut shard = vec![0; array.dimensionality()];
        if field.support != SupportPlan::Static {
            shard[0] = record.number;
        }
        let fixed = field.support == SupportPlan::Static;
        let times = if fixed { 1 } else { self.description.shard };
        let bytes = kept.codec.shard(times, &record.hours).map_err(failed)?;
        let file = array.chunk_key(&shard).to_string();
        let path = self.directory.join(&file);
        let stretch = if fixed { STATIC.into() } else { stretch_name(record.number as usize) };
        let way = self.directory.join(FOLDER).join("writing").join(format!("{stretch}-{}", field.name));
        durable::write_by(&way, &path, &bytes).map_err(|source| DataError::File {
            what: "cannot write",
            path,
            source,
        })?;
        let line = Line::Field(FieldRecord {
            field: field.name.clone(),
            file,
            bytes: bytes.len() as u64,
            blake3: blake3::hash(&bytes).to_hex().to_string(),
            mended: record.mended,
            statistics,
            ..counted(field, &record.hours)
        });
        journal.lock().unwrap_or_else(PoisonError::into_inner).push(line)
    }
}

/// How many values a field has, and how many of them are out of range or missing.
fn counted(field: &StoredField, hours: &[Option<&Array3<f32>>]) -> FieldRecord {
    // A bound that f32 cannot hold is met by the nearest f32.
    let low = field.range.0.map_or(f32::NEG_INFINITY, |low| low as f32);
    let high = field.range.1.map_or(f32::INFINITY, |high| high as f32);
    let mut record = FieldRecord::default();
    for values in hours.iter().flatten() {
        record.values += values.len() as u64;
        let whole = values.as_standard_layout();
        // Few enough for counts of 32 bits, of which a register holds more.
        let chunks = whole.as_slice().unwrap_or_default().par_chunks(1 << 20);
        let counts = chunks.map(|chunk| {
            let (mut missing, mut outside) = (0_u32, 0_u32);
            for value in chunk {
                let finite = value.is_finite();
                missing += u32::from(!finite);
                outside += u32::from(finite & !(low <= *value && *value <= high));
            }
            (u64::from(missing), u64::from(outside))
        });
        let (missing, outside) = counts.reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        record.missing += missing;
        record.outside += outside;
    }
    record
}
