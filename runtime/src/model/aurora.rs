//! Aurora as a whole: encoder, backbone, decoder, the clamps around them, and the roll-out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aurora_compiler::plan::model::{Clip, ModelPlan};
use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor};

use super::backbone::{Backbone, BackboneTrace};
use super::batch::Coordinates;
use super::decoder::Decoder;
use super::encoder::{Encoder, EncoderTrace};
use super::normalisation::Scaling;
use super::parameters::{Builder, HostTensor, Names, Supply};
use super::position::GridEncoding;
use super::{Batch, ModelError, Normalisation};

/// Microsoft Aurora.
///
/// On an autodiff device a forward pass is recorded for gradients; on a plain device, or as
/// `model.valid()`, nothing is recorded.
#[derive(Module, Debug)]
pub struct Aurora {
    encoder: Encoder,
    backbone: Backbone,
    decoder: Decoder,
    #[module(skip)]
    plan: Arc<ModelPlan>,
    #[module(skip)]
    names: Names,
    #[module(skip)]
    grid: GridCache,
}

/// A normalised prediction. Variables are joined, in the plan's order, so that a loss is one expression.
#[derive(Clone, Debug)]
pub struct Prediction {
    pub surface_names: Vec<String>,
    /// (V, B, 1, H, W).
    pub surface: Tensor<5>,
    pub atmosphere_names: Vec<String>,
    /// (V, B, 1, A, H, W).
    pub atmosphere: Tensor<6>,
    /// Normalised static fields of the input, cropped.
    pub statics: BTreeMap<String, Tensor<2>>,
    pub latitude: Coordinates,
    pub longitude: Coordinates,
    /// Valid times in Unix seconds.
    pub time: Vec<i64>,
    pub levels: Vec<f64>,
    pub rollout_step: usize,
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
        let missing = plan.not_built();
        if !missing.is_empty() {
            return Err(ModelError::NotBuilt(missing));
        }
        let mut builder = Builder::new(seed, device);
        let encoder = Encoder::new(&mut builder, plan);
        let backbone = Backbone::new(&mut builder, plan);
        let decoder = Decoder::new(&mut builder, plan);
        Ok(Aurora {
            encoder,
            backbone,
            decoder,
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

    /// Uses this encoding for the grid with these coordinates (cropped) from now on, instead of computing it.
    pub fn set_grid(&self, latitude: Coordinates, longitude: Coordinates, encoding: GridEncoding) {
        *self.grid.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Known { latitude, longitude, encoding: Arc::new(encoding) });
    }

    /// Physical batch in, physical prediction out (one time).
    pub fn forward(&self, batch: &Batch, normalisation: &Normalisation) -> Result<Batch, ModelError> {
        batch.check(&self.plan)?;
        let batch = batch.clone().adopt(&self.device()).crop(self.plan.patch)?;
        let statics = batch.statics.clone();
        let prediction = self.forward_normalised(&normalisation.normalise(batch)?)?;
        let restored = normalisation.restore(prediction.into_batch())?;
        Ok(Batch { statics, ..restored })
    }

    /// Normalised batch in, normalised prediction out.
    pub fn forward_normalised(&self, batch: &Batch) -> Result<Prediction, ModelError> {
        self.run(batch, None)
    }

    /// As `forward_normalised`, and keeps intermediate results.
    pub fn forward_traced(&self, batch: &Batch, trace: &mut Trace) -> Result<Prediction, ModelError> {
        self.run(batch, Some(trace))
    }

    /// Predicts `steps` times, each from the last prediction; physical batches in and out.
    pub fn rollout(
        &self,
        batch: &Batch,
        normalisation: &Normalisation,
        steps: usize,
    ) -> Result<Vec<Batch>, ModelError> {
        batch.check(&self.plan)?;
        let mut batch = batch.clone().adopt(&self.device()).crop(self.plan.patch)?;
        let mut predictions = Vec::with_capacity(steps);
        for step in 0..steps {
            let prediction = self.forward(&batch, normalisation)?;
            if step + 1 < steps {
                batch = advance(batch, &clipped(prediction.clone(), &self.plan, None));
            }
            predictions.push(prediction);
        }
        Ok(predictions)
    }

    fn run(&self, batch: &Batch, trace: Option<&mut Trace>) -> Result<Prediction, ModelError> {
        let plan = &self.plan;
        batch.check(plan)?;
        let batch = batch.clone().adopt(&self.device()).crop(plan.patch)?;
        let sizes = batch.check(plan)?;
        let grid = self.grid.get(&batch, plan)?;
        let batch = clamp_inputs(batch, plan);
        let lead = plan.timestep as f32;
        let (encoder_trace, backbone_trace, parts) = match trace {
            Some(trace) => (Some(&mut trace.encoder), Some(&mut trace.backbone), Some(&mut trace.parts)),
            None => (None, None, None),
        };
        let encoded = self.encoder.forward(&batch, sizes, &grid, lead, encoder_trace)?;
        let resolution = [plan.latent_levels, sizes.height / plan.patch, sizes.width / plan.patch];
        let tokens = self.backbone.forward(encoded.clone(), resolution, lead, backbone_trace)?;
        let surface_names = chosen(&plan.surface, &batch.surface);
        let atmosphere_names = chosen(&plan.atmosphere, &batch.atmosphere);
        let decoded =
            self.decoder.forward(tokens.clone(), sizes, &surface_names, &atmosphere_names, &batch.levels)?;
        if let Some(parts) = parts {
            parts.extend([
                ("encoder", encoded),
                ("backbone", tokens),
                ("decoder.level_decoder", decoded.tokens.clone()),
            ]);
        }
        let step = batch.rollout_step + 1;
        let (mut surface, mut atmosphere) = (decoded.surface, decoded.atmosphere);
        if step > 1 || plan.clamp_at_first_step {
            surface = clamp(surface, &surface_names, &plan.positive_surface);
            atmosphere = clamp(atmosphere, &atmosphere_names, &plan.positive_atmosphere);
        }
        let lead = (plan.timestep * 3600.0).round() as i64;
        Ok(Prediction {
            surface_names,
            surface,
            atmosphere_names,
            atmosphere,
            statics: batch.statics,
            latitude: batch.latitude,
            longitude: batch.longitude,
            time: batch.time.iter().map(|time| time + lead).collect(),
            levels: batch.levels,
            rollout_step: step,
        })
    }
}

impl Prediction {
    /// The same values by variable, still normalised, as a batch of one time.
    pub fn into_batch(self) -> Batch {
        let surface = self.surface_names.into_iter().enumerate();
        let atmosphere = self.atmosphere_names.into_iter().enumerate();
        Batch {
            surface: surface
                .map(|(at, name)| (name, self.surface.clone().narrow(0, at, 1).squeeze_dim(0)))
                .collect(),
            atmosphere: atmosphere
                .map(|(at, name)| (name, self.atmosphere.clone().narrow(0, at, 1).squeeze_dim(0)))
                .collect(),
            statics: self.statics,
            latitude: self.latitude,
            longitude: self.longitude,
            time: self.time,
            levels: self.levels,
            rollout_step: self.rollout_step,
        }
    }
}

/// A prediction brought into the ranges of its variables before it is fed back. Of a normalised one the scalings
/// are needed, for ranges are physical.
pub(crate) fn clipped(mut batch: Batch, plan: &ModelPlan, scalings: Option<&Normalisation>) -> Batch {
    let bound = |value: Option<f64>, scaling: Option<Scaling>, open: f64| match (value, scaling) {
        (Some(value), Some(scaling)) => (value - scaling.location) / scaling.scale,
        (Some(value), None) => value,
        (None, _) => open,
    };
    let limits = |clip: &Clip, scaling: Option<Scaling>| {
        (bound(clip.least, scaling, f64::MIN) as f32, bound(clip.greatest, scaling, f64::MAX) as f32)
    };
    for clip in &plan.options.clips {
        if !clip.levels {
            if let Some(field) = batch.surface.remove(&clip.variable) {
                let scaling = scalings.and_then(|all| all.surface.get(&clip.variable).copied());
                let (least, greatest) = limits(clip, scaling);
                batch.surface.insert(clip.variable.clone(), field.clamp(least, greatest));
            }
            continue;
        }
        let Some(field) = batch.atmosphere.remove(&clip.variable) else { continue };
        let field = match scalings.and_then(|all| all.atmosphere.get(&clip.variable)) {
            None => {
                let (least, greatest) = limits(clip, None);
                field.clamp(least, greatest)
            }
            Some(levels) => {
                let of = |level: &f64| levels.iter().find(|(known, _)| known == level).map(|(_, one)| *one);
                let parts = batch.levels.iter().enumerate().map(|(at, level)| {
                    let (least, greatest) = limits(clip, of(level));
                    field.clone().narrow(2, at, 1).clamp(least, greatest)
                });
                Tensor::cat(parts.collect(), 2)
            }
        };
        batch.atmosphere.insert(clip.variable.clone(), field);
    }
    batch
}

/// The input of the next step: the oldest time dropped, the prediction appended. Both physical or both normalised.
pub(crate) fn advance(batch: Batch, prediction: &Batch) -> Batch {
    let surface = prediction.surface.iter().filter_map(|(name, new)| {
        let old = batch.surface.get(name)?;
        let times = old.dims()[1];
        Some((name.clone(), Tensor::cat(vec![old.clone(), new.clone()], 1).narrow(1, 1, times)))
    });
    let atmosphere = prediction.atmosphere.iter().filter_map(|(name, new)| {
        let old = batch.atmosphere.get(name)?;
        let times = old.dims()[1];
        Some((name.clone(), Tensor::cat(vec![old.clone(), new.clone()], 1).narrow(1, 1, times)))
    });
    Batch {
        surface: surface.collect(),
        atmosphere: atmosphere.collect(),
        time: prediction.time.clone(),
        rollout_step: prediction.rollout_step,
        statics: batch.statics,
        ..prediction.clone()
    }
}

/// The plan's variables that the batch has, in the plan's order.
fn chosen<T>(names: &[String], fields: &BTreeMap<String, T>) -> Vec<String> {
    names.iter().filter(|name| fields.contains_key(*name)).cloned().collect()
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

/// Clamps the positive ones among variables joined on the first axis.
fn clamp<const D: usize>(fields: Tensor<D>, names: &[String], positive: &[String]) -> Tensor<D> {
    if !names.iter().any(|name| positive.contains(name)) {
        return fields;
    }
    let parts = names.iter().enumerate().map(|(at, name)| {
        let part = fields.clone().narrow(0, at, 1);
        if positive.contains(name) { part.clamp_min(0.0) } else { part }
    });
    Tensor::cat(parts.collect(), 0)
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
