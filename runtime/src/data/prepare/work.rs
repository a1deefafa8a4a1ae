//! The work of a preparation: stretches of time read, judged and written, a file for each field.

use std::collections::BTreeSet;

use aurora_compiler::plan::data::{DataPlan, SupportPlan};
use jiff::Timestamp;
use ndarray::Array3;
use rayon::prelude::*;

use super::calendar::Calendar;
use super::hour::{Hour, Judged, Read, Values};
use super::known::Fixed;
use super::pack::{Record, Store, counted};
use super::write::{Writer, Writing, land};
use super::{Deriver, check, first_of, within};
use crate::data::archive::{Archive, DataError};
use crate::data::journal::{self, Beyond, Journal, STATIC, Status, TimeRecord, TimesRecord};
use crate::data::layout::{self, StoredField, all_fields};
use crate::data::quality::Judge;
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
    /// Times that the archive does not have and on which that depends.
    missed: BTreeSet<Timestamp>,
}

impl Lead {
    fn new(time: Timestamp, kept: Option<Hour>, read: Read, mut missed: BTreeSet<Timestamp>) -> Self {
        missed.extend(read.lacks().then_some(time));
        Self { time, read: read.whole(), kept, missed }
    }
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
    fn static_fields(&self, store: &Store<'_>) -> Vec<usize> {
        let fixed = |index: &usize| self.fields[*index].support == SupportPlan::Static && store.keeps(*index);
        (0..self.fields.len()).filter(fixed).collect()
    }

    /// Whether all that does not change is written.
    pub(super) fn has_statics(&self, store: &Store<'_>) -> Result<bool, DataError> {
        let written = journal::read(store.directory, STATIC)?.unwrap_or_default();
        Ok(self
            .static_fields(store)
            .iter()
            .all(|index| written.fields.contains_key(&self.fields[*index].name)))
    }

    /// Bytes of the largest field over a stretch, before it is compressed.
    pub(super) fn largest(&self) -> usize {
        let deepest = self.depths.iter().copied().max().unwrap_or(1);
        deepest * self.plan.grid.width * self.plan.grid.height * 4 * self.shard()
    }

    /// Writes what does not change. Of several processes that begin together each writes the same.
    pub(super) fn write_statics(&self, store: &Store<'_>, fixed: &Fixed) -> Result<(), DataError> {
        let mut written = journal::read(store.directory, STATIC)?.unwrap_or_default();
        let read_at = TimeRecord { time: fixed.time, status: Status::Present, findings: Vec::new() };
        written.times = Some(TimesRecord { times: vec![read_at], beyond: None });
        for index in self.static_fields(store) {
            let Some(values) = &fixed.values[index] else { continue };
            let field = &self.fields[index];
            if written.fields.contains_key(&field.name) {
                continue;
            }
            let statistics = Growing::of(values.view(), None);
            let counts = counted(field, values, None);
            let hours = vec![Some(&**values)];
            let record = Record { index, number: 0, hours, counts, mended: 0, times: String::new() };
            if let Some(packed) = store.packed(&record, field, statistics)? {
                written.fields.insert(field.name.clone(), land(store.directory, packed)?);
            }
        }
        journal::replace(store.directory, STATIC, &written)
    }

    pub(super) fn calendar(&self) -> Calendar<'_> {
        Calendar { plan: self.plan, times: &self.times }
    }

    /// Reads and judges a stretch and hands it to be written; gives its last time.
    pub(super) fn stretch(
        &self,
        store: &Store<'_>,
        writer: &Writer<'_>,
        number: usize,
        lead: Option<Lead>,
        fixed: &Fixed,
    ) -> Result<Option<Lead>, DataError> {
        let times = store.description.stretch(number);
        let statics = &fixed.values;
        let mut journal = Journal::open(store.directory, &journal::name(number))?;
        let lead = self.lead(times, lead, statics)?;
        let read: Vec<Read> =
            times.par_iter().map(|time| self.hour(*time, statics)).collect::<Result<_, _>>()?;
        let judged = self.judge_all(times, read, lead.as_ref());
        let mut missed = lead.as_ref().map(|lead| lead.missed.clone()).unwrap_or_default();
        let (mut hours, mut records, mut last) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (time, judged) in times.iter().zip(&judged) {
            last.clear();
            let (hour, status) = self.settle(*time, judged, statics, &mut last)?;
            missed.extend(&last);
            hours.push(hour);
            records.push(TimeRecord { time: *time, status, findings: judged.findings.clone() });
        }
        let beyond = Beyond {
            missed: missed.into_iter().filter(|time| !times.contains(time)).collect(),
            fixed: fixed.digest.clone(),
        };
        let record = TimesRecord { times: records, beyond: Some(beyond) };
        let became = became(&record);
        // What was written when other times were there is written again, and nothing speaks of it meanwhile.
        let stale = journal.written.fields.values().any(|field| field.times != became);
        if stale || journal.written.times.is_some() {
            journal.clear()?;
        }
        let lead = lead.as_ref();
        let stretch = Stretch { number, times, hours: &hours, record: &record, lead, became: &became };
        self.write(store, writer, &stretch, journal)?;
        // Of the last time the next stretch has to know what a look at it alone would tell.
        if let Some(before) = times.last().and_then(|time| self.judged_beside(*time)) {
            let lacks = match times.iter().position(|time| *time == before) {
                Some(place) => judged[place].read.lacks(),
                None => lead.is_some_and(|lead| lead.time == before && lead.read.is_none()),
            };
            last.extend(lacks.then_some(before));
        }
        let ended = times.last().copied().zip(hours.pop()).zip(judged.into_iter().next_back());
        Ok(ended.map(|((time, kept), judged)| Lead::new(time, kept, judged.read, last)))
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
        let mut missed = BTreeSet::new();
        let read = self.hour(before, statics)?;
        let earlier = match self.judged_beside(before) {
            Some(earlier) => {
                let read = self.hour(earlier, statics)?;
                missed.extend(read.lacks().then_some(earlier));
                read.whole()
            }
            None => None,
        };
        let judged = self.judged(read, earlier.as_ref());
        let (kept, _) = self.settle(before, &judged, statics, &mut missed)?;
        Ok(Some(Lead::new(before, kept, judged.read, missed)))
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

    /// What becomes of a time, and the hour that samples are made of, if there is one. Others that were looked at and that
    /// the archive does not have are added to `missed`.
    fn settle(
        &self,
        time: Timestamp,
        judged: &Judged,
        statics: &Values,
        missed: &mut BTreeSet<Timestamp>,
    ) -> Result<(Option<Hour>, Status), DataError> {
        if let Some(hour) = judged.sound() {
            return Ok((Some(hour.clone()), Status::Present));
        }
        let absent = match &judged.read {
            Read::Absent(reason) => Some(reason.clone()),
            Read::Whole(_) => None,
        };
        Ok(match (self.filled(time, statics, missed)?, absent) {
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
        let writing = Writing::new(journal, wanted.len(), stretch.record.clone())?;
        wanted.into_par_iter().try_for_each(|index| {
            let shown =
                |place: usize| stretch.hours[place].as_ref().and_then(|hour| hour.values[index].as_deref());
            let hours: Vec<Option<&Array3<f32>>> = (0..stretch.times.len()).map(shown).collect();
            let counts = hours.iter().zip(&stretch.record.times).filter_map(|(hour, record)| {
                let judged = (record.status == Status::Present).then_some(&record.findings[..]);
                hour.map(|hour| counted(&self.fields[index], hour, judged))
            });
            let record = Record {
                index,
                number: stretch.number,
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
    record: &'a TimesRecord,
    lead: Option<&'a Lead>,
    became: &'a str,
}

/// What became of times, so that it can be compared.
fn became(record: &TimesRecord) -> String {
    let times: Vec<_> = record.times.iter().map(|time| (time.time, &time.status)).collect();
    let text = serde_json::json!([times, record.beyond]);
    blake3::hash(text.to_string().as_bytes()).to_hex()[..16].to_string()
}
