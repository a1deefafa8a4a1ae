//! The gradient of a batch: all at once, or in micro-batches whose gradients add up to the same.

use std::collections::BTreeMap;
use std::ops::Range;

use burn::tensor::DType;

use super::objective::{Share, Value};
use super::trainer::{Phase, Trainer};
use super::{TrainError, batch};
use crate::data::sample::{Batch as Samples, Window};
use crate::model::rollout::{advance, clipped};
use crate::model::{Aurora, Chance, Mode, ParameterGradients, Recomputation};

/// The objective's value for a batch, its parts and its gradient.
#[derive(Debug)]
pub(super) struct Gradient {
    pub(super) loss: f64,
    pub(super) parts: BTreeMap<String, f64>,
    pub(super) gradients: ParameterGradients,
}

impl Trainer<'_> {
    /// The gradient at a step of the optimiser, counted over all phases. If the loss is no number, there is no
    /// gradient.
    pub(super) fn gradient(
        &self,
        phase: &Phase<'_>,
        model: &Aurora,
        samples: &Samples,
        step: u64,
    ) -> Result<Gradient, TrainError> {
        let recomputation = self.recompute.then(|| Recomputation::new(model.names()));
        let half = phase.plan.bf16.iter().any(|group| group == "backbone");
        let precision = if half { DType::BF16 } else { DType::F32 };
        let ranges = micro_batches(&samples.windows, self.micro_batch);
        let shares = self.shares(phase, samples, &ranges)?;
        let mut sum = Gradient { loss: 0.0, parts: BTreeMap::new(), gradients: Default::default() };
        for (range, shares) in ranges.into_iter().zip(shares) {
            let chance = Some(Chance { seed: self.seed, step, first: range.start });
            let mode = Mode { chance, precision, recomputation: recomputation.clone() };
            let value = self.objective(phase, model, &samples.part(range), &mode, &shares)?;
            let loss = f64::from(value.total.clone().into_scalar::<f32>());
            sum.loss += loss;
            for (name, part) in value.parts {
                *sum.parts.entry(name).or_default() += part;
            }
            if !loss.is_finite() {
                break;
            }
            sum.gradients.add(ParameterGradients::from_burn(model, value.total.backward()));
            sum.gradients.add(recomputation.as_ref().map(Recomputation::take).unwrap_or_default());
        }
        Ok(sum)
    }

    /// The objective of a whole batch without its gradient, and its parts.
    pub(super) fn valued(
        &self,
        phase: &Phase<'_>,
        model: &Aurora,
        samples: &Samples,
    ) -> Result<(f64, BTreeMap<String, f64>), TrainError> {
        let ranges = micro_batches(&samples.windows, self.micro_batch);
        let shares = self.shares(phase, samples, &ranges)?;
        let (mut loss, mut parts) = (0.0, BTreeMap::new());
        for (range, shares) in ranges.into_iter().zip(shares) {
            let value = self.objective(phase, model, &samples.part(range), &Mode::default(), &shares)?;
            loss += f64::from(value.total.into_scalar::<f32>());
            for (name, part) in value.parts {
                *parts.entry(name).or_default() += part;
            }
        }
        Ok((loss, parts))
    }

    /// The objective for a batch or a part of one: the mean over the steps of the roll-out. `shares` are those of
    /// the part at each step; none for a whole batch. Without a graph on a model that is not on an autodiff
    /// device.
    pub(super) fn objective(
        &self,
        phase: &Phase<'_>,
        model: &Aurora,
        samples: &Samples,
        mode: &Mode,
        shares: &[Share],
    ) -> Result<Value, TrainError> {
        let device = model.device();
        let lead = vec![self.plan.model.timestep as f32; samples.times.len()];
        let grid = batch::coordinates(&self.store, samples);
        let mut input = model.prepare(&batch::physical(self.plan, samples, &grid, &device))?;
        let mut sum: Option<Value> = None;
        for step in 0..phase.plan.rollout {
            let normalised = model.normalised(&input, &phase.normalisation)?;
            let prediction = model.forward_in(&normalised, &lead, mode)?;
            let fields = phase.objective.true_fields();
            let truth = batch::truth(self.plan, samples, &phase.scalings, &fields, step, &device);
            let whole = Share::whole();
            let value = phase.objective.value(&prediction, &truth, shares.get(step).unwrap_or(&whole))?;
            if step + 1 < phase.plan.rollout {
                let next = clipped(model.physical(prediction, &phase.normalisation)?, &self.plan.model);
                input = advance(input, &next, Some(&batch::forcing(self.plan, samples, step, &device)));
            }
            sum = Some(match sum {
                None => value,
                Some(sum) => sum.plus(value),
            });
        }
        let sum = sum.ok_or_else(|| std::io::Error::other("a roll-out of no steps"))?;
        Ok(sum.over(phase.plan.rollout))
    }

    /// What each micro-batch is of the whole at each step of the roll-out. Means over the points where a condition
    /// holds need to know how many of them are in the whole batch.
    fn shares(
        &self,
        phase: &Phase<'_>,
        samples: &Samples,
        ranges: &[Range<usize>],
    ) -> Result<Vec<Vec<Share>>, TrainError> {
        if ranges.len() == 1 {
            return Ok(vec![Vec::new()]);
        }
        let fields = phase.objective.true_fields();
        let mut shares = vec![Vec::new(); ranges.len()];
        for step in 0..phase.plan.rollout {
            let holding = |range: &Range<usize>| {
                let part = samples.part(range.clone());
                let truth = batch::truth(self.plan, &part, &phase.scalings, &fields, step, &self.device);
                phase.objective.holding(&truth)
            };
            let holding: Vec<Vec<f64>> = ranges.iter().map(holding).collect::<Result<_, _>>()?;
            for ((range, shares), own) in ranges.iter().zip(&mut shares).zip(&holding) {
                let whole = |index: usize| holding.iter().map(|part| part[index]).sum::<f64>();
                let share = |(index, own): (usize, &f64)| (own / whole(index).max(1.0)) as f32;
                shares.push(Share {
                    samples: range.len() as f32 / samples.times.len() as f32,
                    conditions: own.iter().enumerate().map(share).collect(),
                });
            }
        }
        Ok(shares)
    }
}

/// Ranges of at most `held` samples, in order, each of one part of the grid.
fn micro_batches(windows: &[Window], held: Option<usize>) -> Vec<Range<usize>> {
    let held = held.unwrap_or(windows.len()).max(1);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (index, window) in windows.iter().enumerate() {
        match ranges.last_mut().filter(|range| range.len() < held && windows[range.start] == *window) {
            Some(range) => range.end = index + 1,
            None => ranges.push(index..index + 1),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_batches_cover_the_batch() {
        let ends = |rows: &[usize], held| {
            let windows: Vec<Window> =
                rows.iter().map(|row| Window { row: *row, column: 0, height: 4, width: 4 }).collect();
            let ranges = micro_batches(&windows, held).into_iter();
            ranges.map(|range| (range.start, range.end)).collect::<Vec<_>>()
        };
        assert_eq!(ends(&[0; 5], Some(2)), [(0, 2), (2, 4), (4, 5)]);
        assert_eq!(ends(&[0; 5], None), [(0, 5)]);
        assert_eq!(ends(&[0; 3], Some(8)), [(0, 3)]);
        assert_eq!(ends(&[0; 3], Some(0)), [(0, 1), (1, 2), (2, 3)]);
        // Samples of different parts of the grid are never computed together.
        assert_eq!(ends(&[0, 0, 16, 0], None), [(0, 2), (2, 3), (3, 4)]);
    }
}
