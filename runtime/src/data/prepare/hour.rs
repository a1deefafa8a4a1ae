//! One time of an archive, whole: read, mended, derived, judged; or made from its neighbours where a recipe says so.
//!
//! What becomes of a time is a function of the archive and the time alone, so that many processes can share the work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aurora_compiler::plan::data::SupportPlan;
use jiff::Timestamp;
use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use super::work::Work;
use crate::data::archive::{DataError, Request};
use crate::data::of_grid;
use crate::data::quality::{Fields, Finding, between, fill_holes};

/// Values of all fields of the plan at a time, in its order; empty places are yet to be filled.
pub(super) type Values = Vec<Option<Arc<Array3<f32>>>>;

/// All fields at one time.
#[derive(Clone, Debug)]
pub(super) struct Hour {
    pub values: Values,
    /// Points filled from around them, field by field.
    pub mended: Vec<u64>,
}

/// What an archive gives for a time.
#[derive(Debug)]
pub(super) enum Read {
    Whole(Hour),
    /// Why it gives nothing.
    Absent(String),
}

impl Read {
    pub(super) fn lacks(&self) -> bool {
        matches!(self, Read::Absent(_))
    }

    pub(super) fn whole(self) -> Option<Hour> {
        match self {
            Read::Whole(hour) => Some(hour),
            Read::Absent(_) => None,
        }
    }
}

/// What was made of a time.
#[derive(Debug)]
pub(super) struct Judged {
    pub read: Read,
    pub findings: Vec<Finding>,
}

impl Judged {
    /// The hour, if nothing speaks against it.
    pub(super) fn sound(&self) -> Option<&Hour> {
        match &self.read {
            Read::Whole(hour) if !self.findings.iter().any(|finding| finding.rejects) => Some(hour),
            _ => None,
        }
    }
}

impl Work<'_> {
    /// Reads a time. A record that a file lacks is an error, unless the recipe fills gaps.
    pub(super) fn hour(&self, time: Timestamp, statics: &Values) -> Result<Read, DataError> {
        if let Some(reason) = self.archive.absence(&self.requests(), time) {
            return Ok(Read::Absent(reason));
        }
        let sources: Result<Vec<_>, DataError> = (0..self.plan.fields.len())
            .into_par_iter()
            .map(|index| match &statics[index] {
                Some(fixed) => Ok((Arc::clone(fixed), 0)),
                None => self.read(index, time).map(|(values, mended)| (Arc::new(values), mended)),
            })
            .collect();
        let sources = match sources {
            Err(DataError::Record { file, record, reason }) if self.plan.repair.gaps.is_some() => {
                return Ok(Read::Absent(format!("{file}: {record}: {reason}")));
            }
            sources => sources?,
        };
        let (values, mended) = sources.into_iter().unzip();
        self.hour_of(values, mended, time, statics).map(Read::Whole)
    }

    /// The hour of what was read: what is derived from it is added.
    fn hour_of(
        &self,
        sources: Vec<Arc<Array3<f32>>>,
        mut mended: Vec<u64>,
        time: Timestamp,
        statics: &Values,
    ) -> Result<Hour, DataError> {
        let mut values = statics.clone();
        for (place, source) in values.iter_mut().zip(sources) {
            *place = Some(source);
        }
        mended.resize(values.len(), 0);
        self.derive(&mut values, time, |support| *support != SupportPlan::Static)?;
        Ok(Hour { values, mended })
    }

    /// Reads what does not change; the places of the other fields stay empty.
    pub(super) fn statics(&self, time: Timestamp) -> Result<Values, DataError> {
        let mut statics: Values = vec![None; self.fields.len()];
        for (index, place) in statics.iter_mut().enumerate().take(self.plan.fields.len()) {
            if self.fields[index].support == SupportPlan::Static {
                *place = Some(Arc::new(self.read(index, time)?.0));
            }
        }
        self.derive(&mut statics, time, |support| *support == SupportPlan::Static)?;
        Ok(statics)
    }

    /// Judges a time beside the one before it.
    pub(super) fn judged(&self, read: Read, before: Option<&Hour>) -> Judged {
        let findings = match &read {
            Read::Whole(hour) => {
                let before = before.map(|hour| self.named(hour));
                self.judge.judge(&self.named(hour), before.as_ref())
            }
            Read::Absent(_) => Vec::new(),
        };
        Judged { read, findings }
    }

    /// The time before one, if what it is decides whether that one is left out.
    pub(super) fn judged_beside(&self, time: Timestamp) -> Option<Timestamp> {
        self.neighbour(time, -1).filter(|_| !self.plan.repair.reject.is_empty())
    }

    fn named<'a>(&'a self, hour: &'a Hour) -> Fields<'a> {
        let named = self.fields.iter().zip(&hour.values);
        named.filter_map(|(field, value)| Some((field.name.as_str(), value.as_ref()?.view()))).collect()
    }

    /// Makes a time from the nearest sound ones before and after it, if they are no farther apart than the recipe allows
    /// and lie in the same split. Those that were looked at and that the archive does not have are added to `missed`.
    pub(super) fn filled(
        &self,
        time: Timestamp,
        statics: &Values,
        missed: &mut BTreeSet<Timestamp>,
    ) -> Result<Option<(Hour, Timestamp, Timestamp)>, DataError> {
        let Some(gaps) = &self.plan.repair.gaps else { return Ok(None) };
        let mut look = |time: Timestamp| -> Result<Read, DataError> {
            let read = self.hour(time, statics)?;
            missed.extend(read.lacks().then_some(time));
            Ok(read)
        };
        let mut ends: [Option<(Timestamp, Hour)>; 2] = [None, None];
        for (end, way) in ends.iter_mut().zip([-1, 1]) {
            for step in 1..self.calendar().reach() {
                let Some(there) = self.neighbour(time, way * step) else { break };
                let before = match self.judged_beside(there) {
                    Some(before) => look(before)?.whole(),
                    None => None,
                };
                let judged = self.judged(look(there)?, before.as_ref());
                if let Some(hour) = judged.sound() {
                    *end = Some((there, hour.clone()));
                    break;
                }
            }
        }
        let [Some((before, one)), Some((after, two))] = ends else { return Ok(None) };
        let apart = after.as_second() - before.as_second();
        if apart > gaps.longest {
            return Ok(None);
        }
        let weight = (time.as_second() - before.as_second()) as f64 / apart as f64;
        let between = |index: usize| match (&one.values[index], &two.values[index]) {
            (Some(a), Some(_)) if statics[index].is_some() => Some(Arc::clone(a)),
            (Some(a), Some(b)) => Some(Arc::new(between(a, b, weight, gaps.method))),
            _ => None,
        };
        let sources = (0..self.plan.fields.len()).into_par_iter().filter_map(between).collect();
        Ok(Some((self.hour_of(sources, Vec::new(), time, statics)?, before, after)))
    }

    /// The time some steps away, if it lies in the same split.
    pub(super) fn neighbour(&self, time: Timestamp, steps: i64) -> Option<Timestamp> {
        self.calendar().neighbour(time, steps)
    }

    pub(super) fn requests(&self) -> Vec<Request<'_>> {
        let read = |index: &usize| of_grid::units(&self.plan.fields[*index].from).is_none();
        (0..self.plan.fields.len()).filter(read).map(|index| self.request(index)).collect()
    }

    fn request(&self, index: usize) -> Request<'_> {
        let field = &self.plan.fields[index];
        Request { from: &field.from, cell: field.cell.as_deref(), levels: self.levels[index].as_deref() }
    }

    /// One field at one time, its levels selected and its small holes filled, and how many points those had.
    fn read(&self, index: usize, time: Timestamp) -> Result<(Array3<f32>, u64), DataError> {
        let field = &self.plan.fields[index];
        let of_grid =
            of_grid::units(&field.from).and_then(|_| of_grid::values(&field.from, &self.archive.grid()));
        let values = match of_grid {
            Some(values) => values,
            None => self.archive.fetch(&self.request(index), time)?,
        };
        let mut values = self.whole(index, values, time)?;
        let mended = self.plan.repair.holes.map_or(0, |largest| fill_holes(&mut values, largest));
        Ok((values, mended))
    }

    /// Fills the places of the derived fields with these supports, all at once.
    fn derive(
        &self,
        values: &mut Values,
        time: Timestamp,
        chosen: impl Fn(&SupportPlan) -> bool,
    ) -> Result<(), DataError> {
        let wanted: Vec<_> = self.plan.derived.iter().filter(|plan| chosen(&plan.support)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let there = self.fields.iter().zip(values.iter());
        let given: BTreeMap<String, ArrayView3<'_, f32>> =
            there.filter_map(|(field, value)| Some((field.name.clone(), value.as_ref()?.view()))).collect();
        let mut done = self.derive.derive(&wanted, &given)?;
        for (index, field) in self.fields.iter().enumerate().skip(self.plan.fields.len()) {
            if let Some(value) = done.remove(&field.name) {
                values[index] = Some(Arc::new(self.whole(index, value, time)?));
            } else if chosen(&field.support) {
                let reason = "it was not computed".to_string();
                return Err(DataError::Derive { field: field.name.clone(), reason });
            }
        }
        Ok(())
    }

    /// The field in the order of rows, if it has the shape that the plan says.
    fn whole(&self, index: usize, value: Array3<f32>, time: Timestamp) -> Result<Array3<f32>, DataError> {
        let expected = (self.depths[index], self.plan.grid.height, self.plan.grid.width);
        if value.dim() != expected {
            return Err(DataError::Archive(format!(
                "`{}` at {time} has the shape {:?} instead of {expected:?}",
                self.fields[index].name,
                value.dim()
            )));
        }
        Ok(if value.is_standard_layout() { value } else { value.as_standard_layout().into_owned() })
    }
}
