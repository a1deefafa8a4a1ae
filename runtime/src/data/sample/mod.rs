//! Samples: which times and which part of the grid make one, in which order an epoch visits them.
//!
//! A sample is a function of (seed, epoch, place in the epoch) and of nothing else: not of workers, ranks, or of where a
//! run was stopped. An epoch visits every time of its split once, in an order of its own; on tiles, each time with one
//! tile, drawn anew in every epoch.

use std::sync::{Arc, Mutex, PoisonError};

use aurora_compiler::plan::data::TimeRange;
use jiff::Timestamp;

use super::archive::DataError;
use super::grid_points::{coarse, coarse_longitude};
use super::prepare::within;
use super::store::Store;
use super::synthetic::draw::Draw;
use favour::Favoured;

pub mod favour;
pub mod load;
mod mix;
pub mod window;

pub use favour::Held;
pub use load::{Batch, Sample, Selection, load, load_batch};
pub use mix::Mix;
pub use window::{LATTICE, Tiling, Window, places};

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
    /// Rows and columns of the part of the grid that a sample covers; all of it if absent.
    pub tile: Option<[usize; 2]>,
    /// Points of the store's grid, in each direction, that become one of the sample's; 1 leaves them as they are.
    pub factor: usize,
}

impl Cut {
    /// Whole grids at their own spacing, in the order of time.
    #[must_use]
    pub fn plain(split: Split, history: usize, step: i64, targets: usize) -> Self {
        Self { split, history, step, targets, seed: 0, shuffled: false, tile: None, factor: 1 }
    }
}

/// The samples of a split. No sample reaches over a gap in the times or out of its split.
#[derive(Debug)]
pub struct Sampler {
    cut: Cut,
    samples: Vec<Steps>,
    /// Where tiles may lie, in points of the sample's spacing; the whole grid without tiles.
    places: Vec<Window>,
    favoured: Option<Favoured>,
    /// The order of the epoch asked for last.
    order: Mutex<Option<(u64, Arc<Vec<u32>>)>>,
}

/// Which times of a store make a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The newest input.
    pub time: Timestamp,
    /// Numbers into [`Store::times`], oldest first.
    pub inputs: Vec<usize>,
    pub targets: Vec<usize>,
}

/// A sample before it is loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleIndex {
    /// The newest input.
    pub time: Timestamp,
    /// Numbers into [`Store::times`], oldest first.
    pub inputs: Vec<usize>,
    pub targets: Vec<usize>,
    /// The part of the grid, in points of the sample's spacing.
    pub window: Window,
    /// As [`Cut::factor`].
    pub factor: usize,
    /// How much rarer the sample would be if none were favoured: 1 where none is. A mean over samples, each weighted with
    /// this, is that over the whole split.
    pub correction: f64,
}

impl Sampler {
    /// Finds every sample of a split, in the order of time.
    ///
    /// # Errors
    /// A split the plan does not have, a step that the store's times do not have, a split too short for one sample, a tile
    /// that does not fit the grid or of which none lies in the region.
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
        let samples = cut_samples(store.times(), &range, &cut, |time| store.made_from(time));
        if samples.is_empty() {
            return Err(DataError::Plan(format!(
                "`{name}` ({} to {}) is too short for one sample of {} steps in and {} steps out, {} s apart",
                range.from, range.to, cut.history, cut.targets, cut.step
            )));
        }
        let places = windows(store, &cut)?;
        Ok(Self { cut, samples, places, favoured: None, order: Mutex::new(None) })
    }

    /// Draws of the samples a share from those that a condition favours, for each condition; without any nothing changes.
    ///
    /// # Errors
    /// A condition that favours no sample of the split, or every one; conditions that together favour every one, of which
    /// the shares leave something for others.
    pub fn favouring(mut self, held: Vec<Held>) -> Result<Self, DataError> {
        if !held.is_empty() {
            self.favoured = Some(Favoured::new(held, self.samples.len(), self.places.len())?);
        }
        Ok(self)
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

    /// The times of its samples, in order.
    #[must_use]
    pub fn steps(&self) -> &[Steps] {
        &self.samples
    }

    /// Where its tiles may lie.
    #[must_use]
    pub fn places(&self) -> &[Window] {
        &self.places
    }

    /// The sample at a place of an epoch, a pure function of (seed, epoch, index); places beyond the last begin again.
    /// Without shuffling all epochs are alike.
    #[must_use]
    pub fn sample(&self, epoch: u64, index: usize) -> SampleIndex {
        let index = index % self.samples.len();
        let epoch = if self.cut.shuffled { epoch } else { 0 };
        let number = if self.cut.shuffled { self.epoch(epoch)[index] as usize } else { index };
        let mut draw = Draw::new(b"tile    ", self.cut.seed, epoch as i64, index as u64);
        let (number, place, correction) = match &self.favoured {
            Some(favoured) => favoured.drawn(&mut draw),
            None if self.places.len() == 1 => (number, 0, 1.0),
            None => (number, draw.below(self.places.len()), 1.0),
        };
        let Steps { time, inputs, targets } = self.samples[number].clone();
        let (window, factor) = (self.places[place], self.cut.factor);
        SampleIndex { time, inputs, targets, window, factor, correction }
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
        (place * size..(place + 1) * size).map(|index| self.sample(epoch, index)).collect()
    }

    /// The part of batch `number` that falls to one of several ranks: `size` samples for each of them, which together are
    /// the batch of all.
    #[must_use]
    pub fn batch_of_rank(&self, size: usize, number: u64, rank: usize, ranks: usize) -> Vec<SampleIndex> {
        let mut all = self.batch(size * ranks, number);
        all.drain(rank * size..(rank + 1) * size).collect()
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

/// The windows that samples may have.
fn windows(store: &Store, cut: &Cut) -> Result<Vec<Window>, DataError> {
    let (rows, columns) = store.latitude().dim();
    let shape = (rows / cut.factor.max(1), columns / cut.factor.max(1));
    if cut.factor == 0 || shape.0 == 0 || shape.1 == 0 {
        return Err(DataError::Plan(format!(
            "{rows} by {columns} points cannot be brought to a grid of a {}th of them",
            cut.factor
        )));
    }
    let regions = &store.plan().sampling.regions;
    let tile = match cut.tile {
        Some(tile) => tile,
        // Whole fields, of which whoever wants them chooses points.
        None => return Ok(vec![Window::whole(shape)]),
    };
    let latitude = coarse(store.latitude(), cut.factor);
    let longitude = coarse_longitude(store.longitude(), cut.factor);
    let windows = places(tile, &latitude, &longitude, regions);
    match windows.is_empty() {
        false => Ok(windows),
        true if tile[0] > shape.0 || tile[1] > shape.1 => Err(DataError::Plan(format!(
            "a tile of {} by {} points does not fit a grid of {} by {}",
            tile[0], tile[1], shape.0, shape.1
        ))),
        true => Err(DataError::Plan(format!(
            "no tile of {} by {} points has its centre in the `region` of the data",
            tile[0], tile[1]
        ))),
    }
}

/// Every sample whose steps all exist within the range. `made_from` tells of a time that was made from others the later of
/// these: as an input it would tell of what is to be forecast, and outside of training it is no truth to be held to.
fn cut_samples(
    times: &[Timestamp],
    range: &TimeRange,
    cut: &Cut,
    made_from: impl Fn(usize) -> Option<Timestamp>,
) -> Vec<Steps> {
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
            let targets = steps(now, 1, cut.targets)?;
            let tells = inputs.iter().any(|input| made_from(*input).is_some_and(|after| after > *time));
            let untrue =
                cut.split != Split::Train && targets.iter().any(|target| made_from(*target).is_some());
            (!tells && !untrue).then_some(Steps { time: *time, inputs, targets })
        })
        .collect()
}
