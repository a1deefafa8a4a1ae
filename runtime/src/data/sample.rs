//! Samples: which times make one, in which order an epoch visits them, and the arrays themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aurora_compiler::plan::data::{SupportPlan, TimeRange};
use jiff::Timestamp;
use ndarray::{Array2, Array4, Array5, Axis};

use super::archive::DataError;
use super::prepare::within;
use super::store::Store;
use super::synthetic::draw::Draw;

/// One of the plan's stretches of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Split {
    Train,
    Validate,
    Test,
}

/// How samples are cut from a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    pub split: Split,
    /// Input steps, the newest included; at least 1.
    pub history: usize,
    /// Seconds between steps, a multiple of the plan's `every`.
    pub step: i64,
    /// Target steps after the newest input.
    pub targets: usize,
    pub seed: u64,
    pub shuffled: bool,
}

/// The samples of a split. No sample reaches over a gap in the times or out of its split.
#[derive(Debug)]
pub struct Sampler {
    cut: Cut,
    samples: Vec<SampleIndex>,
    /// The order of the epoch asked for last.
    order: Mutex<Option<(u64, Arc<Vec<u32>>)>>,
}

/// Which times of a store make a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleIndex {
    /// The newest input.
    pub time: Timestamp,
    /// Numbers into [`Store::times`], oldest first.
    pub inputs: Vec<usize>,
    pub targets: Vec<usize>,
}

/// Which fields of a sample are loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub inputs: Vec<String>,
    pub targets: Vec<String>,
    pub statics: Vec<String>,
}

/// One sample's arrays by field.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub time: Timestamp,
    /// (T, C, H, W): T input steps, oldest first; C = 1 without levels.
    pub inputs: BTreeMap<String, Array4<f32>>,
    /// (T, C, H, W): T target steps.
    pub targets: BTreeMap<String, Array4<f32>>,
    /// (H, W).
    pub statics: BTreeMap<String, Array2<f32>>,
}

/// Several samples stacked.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The newest input of each sample.
    pub times: Vec<Timestamp>,
    /// (B, T, C, H, W).
    pub inputs: BTreeMap<String, Array5<f32>>,
    /// (B, T, C, H, W).
    pub targets: BTreeMap<String, Array5<f32>>,
    /// (H, W), common to all.
    pub statics: BTreeMap<String, Array2<f32>>,
}

impl Batch {
    /// The samples with these numbers.
    pub fn part(&self, samples: std::ops::Range<usize>) -> Batch {
        let cut = |fields: &BTreeMap<String, Array5<f32>>| {
            let part = |field: &Array5<f32>| {
                field.slice_axis(Axis(0), ndarray::Slice::from(samples.clone())).to_owned()
            };
            fields.iter().map(|(name, field)| (name.clone(), part(field))).collect()
        };
        Batch {
            times: self.times[samples.clone()].to_vec(),
            inputs: cut(&self.inputs),
            targets: cut(&self.targets),
            statics: self.statics.clone(),
        }
    }
}

impl Sampler {
    /// Finds every sample of a split, in the order of time.
    ///
    /// # Errors
    /// A split the plan does not have, a step that the store's times do not have, a split too short for one sample.
    pub fn new(store: &Store, cut: Cut) -> Result<Self, DataError> {
        let plan = store.plan();
        let (name, range) = match cut.split {
            Split::Train => ("train", Some(plan.train)),
            Split::Validate => ("validate", plan.validate),
            Split::Test => ("test", plan.test),
        };
        let Some(range) = range else {
            return Err(DataError::Plan(format!("the recipe's `data` has no `{name}` split")));
        };
        if cut.history == 0 || cut.step <= 0 || cut.step % plan.every != 0 {
            return Err(DataError::Plan(format!(
                "samples of {} steps every {} s cannot be cut from data every {} s",
                cut.history, cut.step, plan.every
            )));
        }
        let samples = cut_samples(store.times(), &range, &cut);
        if samples.is_empty() {
            return Err(DataError::Plan(format!(
                "`{name}` ({} to {}) is too short for one sample of {} steps in and {} steps out, {} s apart",
                range.from, range.to, cut.history, cut.targets, cut.step
            )));
        }
        Ok(Self { cut, samples, order: Mutex::new(None) })
    }

    /// Samples in an epoch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Never: a sampler without samples is not made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The sample at a place of an epoch, a pure function of (seed, epoch, index); places beyond the last begin again.
    #[must_use]
    pub fn sample(&self, epoch: u64, index: usize) -> &SampleIndex {
        let index = index % self.samples.len();
        if self.cut.shuffled {
            &self.samples[self.epoch(epoch)[index] as usize]
        } else {
            &self.samples[index]
        }
    }

    /// Batches in an epoch: the last incomplete one is dropped.
    #[must_use]
    pub fn batches(&self, size: usize) -> usize {
        self.samples.len() / size.max(1)
    }

    /// The samples of batch `number`, counted over all epochs; an epoch has [`Sampler::batches`], at least one.
    #[must_use]
    pub fn batch(&self, size: usize, number: u64) -> Vec<SampleIndex> {
        let batches = self.batches(size).max(1) as u64;
        let (epoch, place) = (number / batches, (number % batches) as usize);
        (place * size..(place + 1) * size).map(|index| self.sample(epoch, index).clone()).collect()
    }

    /// The order of an epoch: Fisher and Yates' shuffle with the draws of (seed, epoch).
    fn epoch(&self, epoch: u64) -> Arc<Vec<u32>> {
        let mut kept = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((number, order)) = kept.as_ref()
            && *number == epoch
        {
            return Arc::clone(order);
        }
        let mut draw = Draw::new(b"epoch   ", self.cut.seed, epoch as i64, 0);
        let mut order: Vec<u32> = (0..self.samples.len() as u32).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, draw.below(last + 1));
        }
        let order = Arc::new(order);
        *kept = Some((epoch, Arc::clone(&order)));
        order
    }
}

impl Selection {
    /// Every field: those that change as inputs and targets, the others as statics.
    #[must_use]
    pub fn all(store: &Store) -> Self {
        let names = |fixed: bool| {
            let kind = store.fields().filter(|field| (field.support == SupportPlan::Static) == fixed);
            kind.map(|field| field.name.clone()).collect::<Vec<_>>()
        };
        Self { inputs: names(false), targets: names(false), statics: names(true) }
    }
}

/// Reads the arrays of one sample.
///
/// # Errors
/// A field the store lacks, a damaged chunk.
pub fn load(store: &Store, index: &SampleIndex, selection: &Selection) -> Result<Sample, DataError> {
    let steps = |names: &[String], times: &[usize]| {
        names
            .iter()
            .map(|name| {
                let arrays =
                    times.iter().map(|time| store.read(name, *time)).collect::<Result<Vec<_>, _>>()?;
                let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
                let stacked = ndarray::stack(Axis(0), &views)
                    .map_err(|error| DataError::Plan(format!("`{name}` has no steps to load: {error}")))?;
                Ok((name.clone(), stacked))
            })
            .collect::<Result<BTreeMap<_, _>, DataError>>()
    };
    let targets: &[String] = if index.targets.is_empty() { &[] } else { &selection.targets };
    let statics = selection
        .statics
        .iter()
        .map(|name| Ok((name.clone(), store.read(name, 0)?.index_axis(Axis(0), 0).to_owned())))
        .collect::<Result<_, DataError>>()?;
    Ok(Sample {
        time: index.time,
        inputs: steps(&selection.inputs, &index.inputs)?,
        targets: steps(targets, &index.targets)?,
        statics,
    })
}

/// Reads and stacks the samples of a batch.
///
/// # Errors
/// As [`load`]; no samples.
pub fn load_batch(store: &Store, indices: &[SampleIndex], selection: &Selection) -> Result<Batch, DataError> {
    let samples = indices.iter().map(|index| load(store, index, selection)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = samples.first() else {
        return Err(DataError::Plan("a batch needs at least one sample".into()));
    };
    let stack = |part: fn(&Sample) -> &BTreeMap<String, Array4<f32>>| {
        part(first)
            .keys()
            .map(|name| {
                let views: Vec<_> =
                    samples.iter().filter_map(|sample| part(sample).get(name)).map(|a| a.view()).collect();
                let stacked = ndarray::stack(Axis(0), &views).map_err(|error| {
                    DataError::Plan(format!("the samples of `{name}` do not stack: {error}"))
                })?;
                Ok((name.clone(), stacked))
            })
            .collect::<Result<BTreeMap<_, _>, DataError>>()
    };
    Ok(Batch {
        times: samples.iter().map(|sample| sample.time).collect(),
        inputs: stack(|sample| &sample.inputs)?,
        targets: stack(|sample| &sample.targets)?,
        statics: first.statics.clone(),
    })
}

/// Every sample whose steps all exist within the range.
fn cut_samples(times: &[Timestamp], range: &TimeRange, cut: &Cut) -> Vec<SampleIndex> {
    let place = |second: i64| {
        let place = times.binary_search_by_key(&second, |time| time.as_second()).ok()?;
        within(range, times[place]).then_some(place)
    };
    let steps = |from: i64, first: i64, count: usize| {
        (0..count as i64).map(|step| place(from + (first + step) * cut.step)).collect::<Option<Vec<_>>>()
    };
    times
        .iter()
        .filter_map(|time| {
            let now = time.as_second();
            let inputs = steps(now, 1 - cut.history as i64, cut.history)?;
            Some(SampleIndex { time: *time, inputs, targets: steps(now, 1, cut.targets)? })
        })
        .collect()
}
