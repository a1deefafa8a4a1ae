//! The arrays of samples and batches, read from a store.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurora_compiler::plan::data::SupportPlan;
use jiff::Timestamp;
use ndarray::{Array2, Array3, Array4, Array5, Axis};
use rayon::prelude::*;

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

/// One field at one time in a sample's window and spacing.
fn part(store: &Store, index: &SampleIndex, name: &str, time: usize) -> Result<Arc<Array3<f32>>, DataError> {
    let array = store.window(name, time, index.window.finer(index.factor))?;
    if index.factor == 1 {
        return Ok(array);
    }
    let planes: Vec<Array2<f32>> =
        array.outer_iter().map(|plane| coarse(&plane.to_owned(), index.factor)).collect();
    let views: Vec<_> = planes.iter().map(|plane| plane.view()).collect();
    let stacked = ndarray::stack(Axis(0), &views);
    stacked.map(Arc::new).map_err(|error| DataError::Plan(format!("`{name}`: {error}")))
}

/// Reads the arrays of one sample, several at a time.
///
/// # Errors
/// A field the store lacks, a damaged chunk.
pub fn load(store: &Store, index: &SampleIndex, selection: &Selection) -> Result<Sample, DataError> {
    let steps = |names: &[String], times: &[usize]| {
        names
            .par_iter()
            .map(|name| {
                let arrays = times
                    .iter()
                    .map(|time| part(store, index, name, *time))
                    .collect::<Result<Vec<_>, _>>()?;
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
        .map(|name| Ok((name.clone(), part(store, index, name, 0)?.index_axis(Axis(0), 0).to_owned())))
        .collect::<Result<_, DataError>>()?;
    Ok(Sample {
        index: index.clone(),
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
    let unlike = |name: &str, error: ndarray::ShapeError| {
        DataError::Plan(format!("the samples of `{name}` do not stack: {error}"))
    };
    let stack = |part: fn(&Sample) -> &BTreeMap<String, Array4<f32>>| {
        part(first)
            .keys()
            .map(|name| {
                let views: Vec<_> =
                    samples.iter().filter_map(|sample| part(sample).get(name)).map(|a| a.view()).collect();
                let stacked = ndarray::stack(Axis(0), &views).map_err(|error| unlike(name, error))?;
                Ok((name.clone(), stacked))
            })
            .collect::<Result<BTreeMap<_, _>, DataError>>()
    };
    let fixed = |name: &String| {
        let views: Vec<_> =
            samples.iter().filter_map(|sample| sample.statics.get(name)).map(|a| a.view()).collect();
        let stacked = ndarray::stack(Axis(0), &views).map_err(|error| unlike(name, error))?;
        Ok((name.clone(), stacked))
    };
    Ok(Batch {
        times: indices.iter().map(|index| index.time).collect(),
        windows: indices.iter().map(|index| index.window).collect(),
        factor: first.index.factor,
        corrections: indices.iter().map(|index| index.correction).collect(),
        inputs: stack(|sample| &sample.inputs)?,
        targets: stack(|sample| &sample.targets)?,
        statics: first.statics.keys().map(fixed).collect::<Result<_, DataError>>()?,
    })
}
