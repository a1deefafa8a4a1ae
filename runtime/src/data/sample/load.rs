//! The arrays of samples and batches, read from a store.

use aurora_compiler::plan::data::SupportPlan;
use jiff::Timestamp;
use ndarray::{Array2, Array3, Array4, Array5, ArrayViewMut3, Axis};
use rayon::prelude::*;
use std::collections::BTreeMap;

use super::{SampleIndex, Window};
use crate::data::archive::DataError;
use crate::data::grid_points::coarse;
use crate::data::store::Store;

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
    pub index: SampleIndex,
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
    /// The part of the grid of each sample.
    pub windows: Vec<Window>,
    /// As [`SampleIndex::factor`], common to all.
    pub factor: usize,
    /// As [`SampleIndex::correction`].
    pub corrections: Vec<f64>,
    /// (B, T, C, H, W).
    pub inputs: BTreeMap<String, Array5<f32>>,
    /// (B, T, C, H, W).
    pub targets: BTreeMap<String, Array5<f32>>,
    /// (B, H, W).
    pub statics: BTreeMap<String, Array3<f32>>,
}

impl Batch {
    /// The samples with these numbers.
    #[must_use]
    pub fn part(&self, samples: std::ops::Range<usize>) -> Batch {
        let slice = ndarray::Slice::from(samples.clone());
        let cut = |fields: &BTreeMap<String, Array5<f32>>| {
            let part = |field: &Array5<f32>| field.slice_axis(Axis(0), slice).to_owned();
            fields.iter().map(|(name, field)| (name.clone(), part(field))).collect()
        };
        let fixed = |field: &Array3<f32>| field.slice_axis(Axis(0), slice).to_owned();
        Batch {
            times: self.times[samples.clone()].to_vec(),
            windows: self.windows[samples.clone()].to_vec(),
            factor: self.factor,
            corrections: self.corrections[samples].to_vec(),
            inputs: cut(&self.inputs),
            targets: cut(&self.targets),
            statics: self.statics.iter().map(|(name, field)| (name.clone(), fixed(field))).collect(),
        }
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

/// One field at one time in a sample's window and spacing, into (C, H, W).
fn fill(
    store: &Store,
    index: &SampleIndex,
    name: &str,
    time: usize,
    mut out: ArrayViewMut3<'_, f32>,
) -> Result<(), DataError> {
    if index.factor == 1 {
        return store.fill(name, time, index.window, out);
    }
    let fine = store.window(name, time, index.window.finer(index.factor))?;
    for (mut out, plane) in out.outer_iter_mut().zip(fine.outer_iter()) {
        out.assign(&coarse(&plane.to_owned(), index.factor));
    }
    Ok(())
}

/// Reads the arrays of one sample.
///
/// # Errors
/// As [`load_batch`].
pub fn load(store: &Store, index: &SampleIndex, selection: &Selection) -> Result<Sample, DataError> {
    let batch = load_batch(store, std::slice::from_ref(index), selection)?;
    let alone = |fields: BTreeMap<String, Array5<f32>>| {
        fields.into_iter().map(|(name, field)| (name, field.index_axis_move(Axis(0), 0))).collect()
    };
    let statics = batch.statics.into_iter().map(|(name, field)| (name, field.index_axis_move(Axis(0), 0)));
    Ok(Sample {
        index: index.clone(),
        inputs: alone(batch.inputs),
        targets: alone(batch.targets),
        statics: statics.collect(),
    })
}

/// Reads the samples of a batch, each field straight to its place among the others.
///
/// # Errors
/// A field the store lacks, a damaged chunk, samples of different sizes, no samples.
pub fn load_batch(store: &Store, indices: &[SampleIndex], selection: &Selection) -> Result<Batch, DataError> {
    let Some(first) = indices.first() else {
        return Err(DataError::Plan("a batch needs at least one sample".into()));
    };
    let shape = |index: &SampleIndex| {
        (index.factor, index.window.height, index.window.width, index.inputs.len(), index.targets.len())
    };
    if indices.iter().any(|index| shape(index) != shape(first)) {
        return Err(DataError::Plan("the samples of a batch are not of one size".into()));
    }
    let steps = |names: &[String], times: fn(&SampleIndex) -> &[usize]| {
        let field = |name: &String| Ok((name.clone(), stacked(store, indices, name, times)?));
        names.par_iter().map(field).collect::<Result<BTreeMap<_, _>, DataError>>()
    };
    let fixed = |name: &String| {
        let field = stacked(store, indices, name, |_| &[0])?;
        Ok((name.clone(), field.index_axis_move(Axis(1), 0).index_axis_move(Axis(1), 0)))
    };
    let targets: &[String] = if first.targets.is_empty() { &[] } else { &selection.targets };
    Ok(Batch {
        times: indices.iter().map(|index| index.time).collect(),
        windows: indices.iter().map(|index| index.window).collect(),
        factor: first.factor,
        corrections: indices.iter().map(|index| index.correction).collect(),
        inputs: steps(&selection.inputs, |index| &index.inputs)?,
        targets: steps(targets, |index| &index.targets)?,
        statics: selection.statics.iter().map(fixed).collect::<Result<_, DataError>>()?,
    })
}

/// A field of several samples at several times each, (B, T, C, H, W).
fn stacked(
    store: &Store,
    indices: &[SampleIndex],
    name: &str,
    times: fn(&SampleIndex) -> &[usize],
) -> Result<Array5<f32>, DataError> {
    let Some(first) = indices.first().filter(|first| !times(first).is_empty()) else {
        return Err(DataError::Plan(format!("`{name}` has no steps to load")));
    };
    let Window { height, width, .. } = first.window;
    let shape = (indices.len(), times(first).len(), store.depth(name)?, height, width);
    let mut field = Array5::zeros(shape);
    field.outer_iter_mut().into_par_iter().zip(indices).try_for_each(|(mut sample, index)| {
        let steps = sample.outer_iter_mut().into_par_iter().zip(times(index));
        steps.try_for_each(|(out, time)| fill(store, index, name, *time, out))
    })?;
    Ok(field)
}
