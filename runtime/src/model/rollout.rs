//! Forecasts of several steps, each from the last.

use std::collections::BTreeMap;

use aurora_compiler::plan::model::{Clip, ModelPlan};
use burn::tensor::Tensor;

use super::{Aurora, Batch, ModelError, Normalisation};

/// How a roll-out goes.
#[derive(Clone, Debug, Default)]
pub struct Rollout {
    /// Steps of the model's time step.
    pub steps: usize,
    /// Lead times in hours that are predicted within each step, all from the same input; the last is the time
    /// step itself and leads to the next. None predicts at the time step only.
    pub lead_times: Vec<f32>,
    /// Feeds predictions back as they are, outside of their variables' ranges too.
    pub unclipped: bool,
    /// Draws fresh noise for each lead time instead of letting it go on from one to the next.
    pub fresh_noise: bool,
    /// Physical fields of the variables that are fed and not predicted, at the end of each step but the last.
    pub forcing: Vec<Batch>,
}

impl Rollout {
    /// A roll-out of so many steps and nothing more.
    pub fn of(steps: usize) -> Rollout {
        Rollout { steps, ..Rollout::default() }
    }
}

impl Aurora {
    /// Predicts `steps` times, each from the last prediction; physical batches in and out.
    ///
    /// # Errors
    /// A batch that does not fit the model; forcing variables, for which `rollout_as` needs fields.
    pub fn rollout(
        &self,
        batch: &Batch,
        normalisation: &Normalisation,
        steps: usize,
    ) -> Result<Vec<Batch>, ModelError> {
        self.rollout_as(batch, normalisation, &Rollout::of(steps))
    }

    /// As `rollout`, told how. Predictions of all lead times come in order.
    ///
    /// # Errors
    /// A batch that does not fit the model, lead times that it cannot take, fields of forcing that are lacking.
    pub fn rollout_as(
        &self,
        batch: &Batch,
        normalisation: &Normalisation,
        how: &Rollout,
    ) -> Result<Vec<Batch>, ModelError> {
        let mut predictions = Vec::new();
        self.roll(batch, how, |input, lead| {
            let prediction = self.forward_at(input, normalisation, lead)?;
            predictions.push(prediction.clone());
            Ok(prediction)
        })?;
        Ok(predictions)
    }

    /// The bare roll-out: `predict` is given a physical input and the lead time of each sample in hours, and gives
    /// the physical prediction.
    ///
    /// # Errors
    /// As `rollout_as`, and what `predict` says.
    pub fn roll(
        &self,
        batch: &Batch,
        how: &Rollout,
        mut predict: impl FnMut(&Batch, &[f32]) -> Result<Batch, ModelError>,
    ) -> Result<(), ModelError> {
        let plan = self.plan();
        check(plan, how)?;
        let mut batch = self.prepare(batch)?;
        // Noise that goes on through the lead times of a step is new at the same lead time of the next.
        let accumulated = if how.fresh_noise { 0 } else { how.lead_times.len() };
        let _end = NoiseEnd(self);
        self.noise().accumulate(accumulated);
        let step = [plan.timestep as f32];
        let leads = if how.lead_times.is_empty() { &step[..] } else { &how.lead_times };
        for step in 0..how.steps {
            let mut last = None;
            for lead in leads {
                last = Some(predict(&batch, &vec![*lead; batch.time.len()])?);
            }
            let Some(prediction) = last.filter(|_| step + 1 < how.steps) else { continue };
            let prediction = if how.unclipped { prediction } else { clipped(prediction, plan) };
            batch = advance(batch, &prediction, how.forcing.get(step));
        }
        Ok(())
    }
}

/// Ends the accumulation of noise with the roll-out, however that ends.
struct NoiseEnd<'a>(&'a Aurora);

impl Drop for NoiseEnd<'_> {
    fn drop(&mut self) {
        self.0.noise().accumulate(0);
    }
}

fn check(plan: &ModelPlan, how: &Rollout) -> Result<(), ModelError> {
    let wrong = |message: String| Err(ModelError::Batch(message));
    if let Some(last) = how.lead_times.last() {
        if !plan.options.variable_lead_time {
            return wrong("the model has one lead time; it takes no others in a roll-out".into());
        }
        if (f64::from(*last) - plan.timestep).abs() > 1e-6 * plan.timestep {
            return wrong(format!(
                "the last lead time of a step, {last} h, must be the time step of {} h",
                plan.timestep
            ));
        }
    }
    let options = &plan.options;
    let forced = !options.forcing_surface.is_empty() || !options.forcing_atmosphere.is_empty();
    if forced && how.steps > how.forcing.len() + 1 {
        let names = [&options.forcing_surface[..], &options.forcing_atmosphere[..]].concat();
        return wrong(format!(
            "a roll-out of {} steps needs {} at the end of each step but the last",
            how.steps,
            names.join(", ")
        ));
    }
    Ok(())
}

/// A physical prediction brought into the ranges of its variables before it is fed back.
pub fn clipped(mut batch: Batch, plan: &ModelPlan) -> Batch {
    for clip in &plan.options.clips {
        if clip.levels {
            bound(&mut batch.atmosphere, clip);
        } else {
            bound(&mut batch.surface, clip);
        }
    }
    batch
}

fn bound<const D: usize>(fields: &mut BTreeMap<String, Tensor<D>>, clip: &Clip) {
    let Some(field) = fields.get_mut(&clip.variable) else { return };
    if let Some(least) = clip.least {
        *field = field.clone().clamp_min(least as f32);
    }
    if let Some(greatest) = clip.greatest {
        *field = field.clone().clamp_max(greatest as f32);
    }
}

/// The input of the next step, physical: the oldest time dropped, the prediction appended, or, where a variable is
/// not predicted, the field of `forcing`. A variable that neither has leaves the input, and one that the input
/// lacks does not come in, as upstream.
pub fn advance(batch: Batch, prediction: &Batch, forcing: Option<&Batch>) -> Batch {
    let surface = forcing.map(|forcing| &forcing.surface);
    let atmosphere = forcing.map(|forcing| &forcing.atmosphere);
    Batch {
        surface: shifted(batch.surface, &prediction.surface, surface),
        atmosphere: shifted(batch.atmosphere, &prediction.atmosphere, atmosphere),
        statics: batch.statics,
        time: prediction.time.clone(),
        rollout_step: prediction.rollout_step,
        levels: prediction.levels.clone(),
        latitude: prediction.latitude.clone(),
        longitude: prediction.longitude.clone(),
    }
}

fn shifted<const D: usize>(
    fields: BTreeMap<String, Tensor<D>>,
    prediction: &BTreeMap<String, Tensor<D>>,
    forcing: Option<&BTreeMap<String, Tensor<D>>>,
) -> BTreeMap<String, Tensor<D>> {
    let next = fields.into_iter().filter_map(|(name, old)| {
        let new = prediction.get(&name).or_else(|| forcing?.get(&name))?.clone();
        let times = old.dims()[1];
        Some((name, Tensor::cat(vec![old, new], 1).narrow(1, 1, times)))
    });
    next.collect()
}
