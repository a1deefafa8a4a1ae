//! Aurora as a whole: encoder, backbone, decoder, and what stands around them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aurora_compiler::plan::model::{Family, ModelPlan};
use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor};

use super::backbone::{Backbone, BackboneTrace, Conditions};
use super::batch::Coordinates;
use super::decoder::{self, Decoder, Wanted};
use super::encoder::{Encoder, EncoderTrace};
use super::family::{self, air_pollution::Combiners};
use super::heads::{Heads, Quantiles, Scene};
use super::mode::Mode;
use super::noise::Noise;
use super::parameters::{Builder, HostTensor, Names, Supply};
use super::position::GridEncoding;
use super::{Batch, ModelError, Normalisation, Prediction};

/// Microsoft Aurora.
///
/// On an autodiff device a forward pass is recorded for gradients; on a plain device, or as
/// `model.valid()`, nothing is recorded.
#[derive(Module, Debug)]
pub struct Aurora {
    encoder: Encoder,
    backbone: Backbone,
    decoder: Decoder,
    combiners: Option<Combiners>,
    heads: Heads,
    #[module(skip)]
    plan: Arc<ModelPlan>,
    #[module(skip)]
    names: Names,
    #[module(skip)]
    grid: GridCache,
}

/// Intermediate results, for comparison with the reference.
#[derive(Debug, Default)]
pub struct Trace {
    pub encoder: EncoderTrace,
    pub backbone: BackboneTrace,
    /// Outputs of whole parts.
    pub parts: Vec<(&'static str, Tensor<3>)>,
}

impl Aurora {
    /// Aurora with fresh weights, the same for the same seed: upstream's initialisation.
    pub fn new(plan: &ModelPlan, seed: u64, device: &Device) -> Result<Aurora, ModelError> {
        plan.validate().map_err(ModelError::Plan)?;
        let mut builder = Builder::new(seed, device);
        let encoder = Encoder::new(&mut builder, plan);
        let backbone = Backbone::new(&mut builder, plan);
        let decoder = Decoder::new(&mut builder, plan);
        let polluted = plan.options.family == Family::AirPollution;
        let combiners = polluted.then(|| Combiners::new(&mut builder, plan));
        let heads = Heads::new(&mut builder, plan);
        Ok(Aurora {
            encoder,
            backbone,
            decoder,
            combiners,
            heads,
            plan: Arc::new(plan.clone()),
            names: builder.names(),
            grid: GridCache::default(),
        })
    }

    pub fn plan(&self) -> &ModelPlan {
        &self.plan
    }

    /// Aurora's names of the parameters.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// All parameters under Aurora's names, in torch's layout.
    pub fn parameters(&self) -> BTreeMap<String, HostTensor> {
        self.names.read(self)
    }

    /// The gradients of all parameters that have one, under Aurora's names, in torch's layout.
    pub fn gradients(&self, gradients: &Gradients) -> BTreeMap<String, HostTensor> {
        self.names.gradients(self, gradients)
    }

    /// Replaces the parameters for which there are values, fetched one by one. On an error the model is as it was.
    pub(super) fn replace(&mut self, supply: &mut Supply<'_>) -> Result<(), ModelError> {
        let names = self.names.clone();
        *self = names.write_each(self.clone(), supply)?;
        Ok(())
    }

    /// The device that holds the weights.
    pub fn device(&self) -> Device {
        self.encoder.device()
    }

    /// The noise that a stochastic model draws; clones of the model share it.
    pub fn noise(&self) -> &Noise {
        self.backbone.noise()
    }

    /// Uses this encoding for the grid with these coordinates (cropped) from now on, instead of computing it.
    pub fn set_grid(&self, latitude: Coordinates, longitude: Coordinates, encoding: GridEncoding) {
        *self.grid.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Known { latitude, longitude, encoding: Arc::new(encoding) });
    }

    /// Physical batch in, physical prediction out (one time), at the model's time step.
    ///
    /// # Errors
    /// A batch that does not fit the model.
    pub fn forward(&self, batch: &Batch, normalisation: &Normalisation) -> Result<Batch, ModelError> {
        self.forward_at(batch, normalisation, &self.step_of(batch))
    }

    /// As `forward`, at a lead time in hours for each sample.
    ///
    /// # Errors
    /// A batch that does not fit the model; lead times other than its time step, unless it is built for such.
    pub fn forward_at(
        &self,
        batch: &Batch,
        normalisation: &Normalisation,
        lead: &[f32],
    ) -> Result<Batch, ModelError> {
        let prediction = self.run(&self.normalised(batch, normalisation)?, lead, &Mode::default(), None)?;
        self.physical(prediction, normalisation)
    }

    /// Normalised batch in (see `normalised`), normalised prediction out, at the model's time step.
    ///
    /// # Errors
    /// A batch that does not fit the model.
    pub fn forward_normalised(&self, batch: &Batch) -> Result<Prediction, ModelError> {
        self.run(batch, &self.step_of(batch), &Mode::default(), None)
    }

    /// As `forward_normalised`, at a lead time in hours for each sample and in a mode of its own: with dropout, in
    /// another precision, recomputed.
    ///
    /// # Errors
    /// As `forward_at`.
    pub fn forward_in(&self, batch: &Batch, lead: &[f32], mode: &Mode) -> Result<Prediction, ModelError> {
        self.run(batch, lead, mode, None)
    }

    /// As `forward_normalised`, at a lead time in hours for each sample; keeps intermediate results.
    ///
    /// # Errors
    /// As `forward_at`.
    pub fn forward_traced(
        &self,
        batch: &Batch,
        lead: &[f32],
        trace: &mut Trace,
    ) -> Result<Prediction, ModelError> {
        self.run(batch, lead, &Mode::default(), Some(trace))
    }

    /// A physical batch with the variables that the model knows, cropped to whole patches, on the model's device.
    /// Doing it twice changes nothing more.
    ///
    /// # Errors
    /// A batch that does not fit the model.
    pub fn prepare(&self, batch: &Batch) -> Result<Batch, ModelError> {
        let mut batch = family::prepare(&self.plan, batch.clone().adopt(&self.device()))?;
        if self.plan.options.family != Family::V1p5 {
            batch.surface.retain(|name, _| !self.plan.surface_output_only(name));
            batch.atmosphere.retain(|name, _| !self.plan.atmosphere_output_only(name));
        }
        batch.check(&self.plan)?;
        batch.crop(self.plan.patch)
    }

    /// A physical batch as the network reads it.
    ///
    /// # Errors
    /// A batch that does not fit the model, a variable without scaling.
    pub fn normalised(&self, batch: &Batch, normalisation: &Normalisation) -> Result<Batch, ModelError> {
        let batch = family::before_normalising(&self.plan, self.prepare(batch)?);
        normalisation.normalise(batch)
    }

    /// A prediction in physical units.
    ///
    /// # Errors
    /// A variable without scaling, times that no calendar reaches.
    pub fn physical(
        &self,
        prediction: Prediction,
        normalisation: &Normalisation,
    ) -> Result<Batch, ModelError> {
        family::after_restoring(&self.plan, normalisation.restore(prediction.into_batch())?)
    }

    /// The time step for each sample.
    fn step_of(&self, batch: &Batch) -> Vec<f32> {
        vec![self.plan.timestep as f32; batch.time.len()]
    }

    fn run(
        &self,
        batch: &Batch,
        lead: &[f32],
        mode: &Mode,
        trace: Option<&mut Trace>,
    ) -> Result<Prediction, ModelError> {
        let plan = &self.plan;
        let batch = batch.clone().adopt(&self.device());
        batch.check(plan)?;
        let batch = batch.crop(plan.patch)?;
        let sizes = batch.check(plan)?;
        self.check_lead(lead, sizes.samples)?;
        let grid = self.grid.get(&batch, plan)?;
        let input = family::before_encoder(plan, self.combiners.as_ref(), clamp_inputs(batch.clone(), plan));
        let (encoder_trace, backbone_trace, parts) = match trace {
            Some(trace) => (Some(&mut trace.encoder), Some(&mut trace.backbone), Some(&mut trace.parts)),
            None => (None, None, None),
        };
        let conditions = Conditions { lead: lead.to_vec(), step: batch.rollout_step, mode: mode.clone() };
        let encoded = self.encoder.forward(&input, sizes, &grid, &conditions, encoder_trace)?;
        let resolution = [plan.latent_levels, sizes.height / plan.patch, sizes.width / plan.patch];
        let kept = parts.is_some().then(|| encoded.clone());
        let tokens = self.backbone.forward(encoded, resolution, &conditions, backbone_trace)?;
        let (surface, atmosphere) = outputs(plan, &batch);
        let levels = batch.levels.clone();
        let wanted = Wanted { sizes, surface: surface.clone(), atmosphere: atmosphere.clone(), levels };
        let decoded = self.decoder.forward(tokens.clone(), &wanted, mode.recomputation.as_ref())?;
        if let Some(parts) = parts {
            parts.extend(kept.map(|encoded| ("encoder", encoded)));
            parts.push(("backbone", tokens.clone()));
            parts.extend(decoded.tokens);
        }
        let prediction = Prediction {
            surface_names: surface,
            surface: decoded.surface,
            atmosphere_names: atmosphere,
            atmosphere: decoded.atmosphere,
            quantiles: Quantiles::default(),
            statics: batch.statics.clone(),
            latitude: batch.latitude.clone(),
            longitude: batch.longitude.clone(),
            time: batch.time.iter().zip(lead).map(|(time, lead)| later(*time, *lead)).collect(),
            levels: batch.levels.clone(),
            rollout_step: batch.rollout_step + 1,
        };
        let queries = self.decoder.queries(&batch.levels, &tokens.device())?;
        self.finish(&Scene { latent: &tokens, sizes, patch: plan.patch, batch: &batch, queries }, prediction)
    }

    /// From the decoder's channels to variables: what the family does, what other heads predict, then the clamps.
    fn finish(&self, scene: &Scene<'_>, mut prediction: Prediction) -> Result<Prediction, ModelError> {
        let plan = &self.plan;
        if family::changes_prediction(plan) {
            let fields = family::after_decoder(plan, scene.batch, prediction.fields())?;
            prediction = prediction.with_fields(fields, &plan.surface, &plan.atmosphere);
        }
        prediction = self.heads.join(plan, scene, prediction)?;
        if prediction.rollout_step > 1 || plan.clamp_at_first_step {
            prediction = prediction.clamped(&plan.positive_surface, &plan.positive_atmosphere);
        }
        Ok(prediction)
    }

    fn check_lead(&self, lead: &[f32], samples: usize) -> Result<(), ModelError> {
        let step = self.plan.timestep as f32;
        if lead.len() != samples {
            return Err(ModelError::Batch(format!("{} lead times for {samples} samples", lead.len())));
        }
        match lead.iter().find(|lead| **lead != step && !self.plan.options.variable_lead_time) {
            None => Ok(()),
            Some(other) => Err(ModelError::Batch(format!(
                "the model predicts {step} h ahead and is not built for other lead times, such as {other} h"
            ))),
        }
    }
}

/// A time in Unix seconds and a lead time in hours, to the second.
fn later(time: i64, hours: f32) -> i64 {
    time.saturating_add((f64::from(hours) * 3600.0).round() as i64)
}

/// The channels to decode: of the variables that the batch has, and of those that are predicted only. Modulations
/// come last.
fn outputs(plan: &ModelPlan, batch: &Batch) -> (Vec<String>, Vec<String>) {
    let surface = plan.surface.iter();
    let surface = surface.filter(|name| batch.surface.contains_key(*name) || plan.surface_output_only(name));
    let atmosphere = plan.atmosphere.iter();
    let atmosphere =
        atmosphere.filter(|name| batch.atmosphere.contains_key(*name) || plan.atmosphere_output_only(name));
    let of = |modulations: &[String], mut channels: Vec<String>| {
        let modulation = |channel: &String| modulations.contains(channel);
        channels.sort_by_key(modulation);
        channels
    };
    let modulations: Vec<String> =
        plan.options.modulation_heads.iter().map(|name| decoder::modulation(name)).collect();
    (
        of(&modulations, surface.flat_map(|name| plan.surface_outputs_of(name)).collect()),
        of(&modulations, atmosphere.flat_map(|name| plan.atmosphere_outputs_of(name)).collect()),
    )
}

fn clamp_inputs(mut batch: Batch, plan: &ModelPlan) -> Batch {
    for name in &plan.positive_surface {
        if let Some(field) = batch.surface.get_mut(name) {
            *field = field.clone().clamp_min(0.0);
        }
    }
    for name in &plan.positive_atmosphere {
        if let Some(field) = batch.atmosphere.get_mut(name) {
            *field = field.clone().clamp_min(0.0);
        }
    }
    batch
}

/// The encoding of the grid last used.
#[derive(Clone, Debug, Default)]
struct GridCache(Arc<Mutex<Option<Known>>>);

#[derive(Clone, Debug)]
struct Known {
    latitude: Coordinates,
    longitude: Coordinates,
    encoding: Arc<GridEncoding>,
}

impl GridCache {
    fn get(&self, batch: &Batch, plan: &ModelPlan) -> Result<Arc<GridEncoding>, ModelError> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = slot.as_ref()
            && known.latitude == batch.latitude
            && known.longitude == batch.longitude
        {
            return Ok(Arc::clone(&known.encoding));
        }
        let encoding =
            Arc::new(GridEncoding::new(&batch.latitude, &batch.longitude, plan.patch, plan.embed_dim)?);
        *slot = Some(Known {
            latitude: batch.latitude.clone(),
            longitude: batch.longitude.clone(),
            encoding: Arc::clone(&encoding),
        });
        Ok(encoding)
    }
}
