//! From fields to tokens: patch embeddings, level aggregation, encodings of place, size and time.

use std::collections::BTreeMap;

use aurora_compiler::plan::model::{ModelPlan, TIME_CHANNELS};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

use super::backbone::Conditions;
use super::batch::Sizes;
use super::chance::{Dropout, dropped};
use super::layer::{Mlp, Norm, constant, linear};
use super::mode::Mode;
use super::parameters::Builder;
use super::patches::{LevelEmbedding, PatchEmbedding};
use super::perceiver::{Perceiver, PerceiverSizes};
use super::position::GridEncoding;
use super::recompute::segment_of;
use super::{Batch, ModelError, fourier, time_channels};

/// Batch (normalised, cropped) → tokens (B, C·L, D), ordered level, row, column.
#[derive(Module, Debug)]
pub struct Encoder {
    latents: Param<Tensor<2>>,
    surface_level: Param<Tensor<1>>,
    surface_mlp: Mlp,
    surface_norm: Norm,
    position: Linear,
    scale: Linear,
    lead_time: Linear,
    absolute_time: Linear,
    levels: Linear,
    surface: PatchEmbedding,
    atmosphere: LevelEmbedding,
    aggregation: Perceiver,
    #[module(skip)]
    channels: Channels,
}

/// Which channels the embeddings read, and the rest of the plan that a forward pass needs.
#[derive(Clone, Debug)]
struct Channels {
    surface: Vec<String>,
    atmosphere: Vec<String>,
    /// Six channels of the date beside the static ones.
    dynamic: bool,
    /// On levels the geopotential stands in the place of the static one too.
    indexing_error: bool,
    /// The lead-time expansion of Aurora 1.5.
    updated_lead_time: bool,
    drop_rate: f64,
    patch: usize,
    width: usize,
}

/// How the names of fixed channels on levels begin.
const STATIC: &str = "static_";
const STATIC_GEOPOTENTIAL: &str = "static_z";

/// What the encoder computed on its way, for comparison with the reference.
#[derive(Debug, Default)]
pub struct EncoderTrace {
    /// Aurora's module name → its output, flattened in our order of tokens.
    pub outputs: Vec<(&'static str, Tensor<3>)>,
}

impl EncoderTrace {
    fn keep<const D: usize>(trace: &mut Option<&mut EncoderTrace>, name: &'static str, output: &Tensor<D>) {
        if let Some(trace) = trace {
            let shape = output.dims();
            let (rows, columns) = (shape[D - 2], shape[D - 1]);
            let groups = shape[..D - 2].iter().product::<usize>();
            trace.outputs.push((name, output.clone().reshape([groups, rows, columns])));
        }
    }
}

impl Encoder {
    pub fn new(builder: &mut Builder, plan: &ModelPlan) -> Encoder {
        let width = plan.embed_dim;
        let hidden = ModelPlan::hidden(width, plan.mlp_ratio);
        let mut square = |name: &str| builder.linear(&format!("encoder.{name}"), width, width, true);
        let position = square("pos_embed");
        let scale = square("scale_embed");
        let lead_time = square("lead_time_embed");
        let absolute_time = square("absolute_time_embed");
        let levels = square("atmos_levels_embed");
        let channels = Channels {
            surface: plan.surface_inputs(),
            atmosphere: plan.atmosphere_inputs(),
            dynamic: plan.options.dynamic_variables,
            indexing_error: plan.options.simulate_indexing_bug,
            updated_lead_time: plan.options.updated_lead_time_embedding,
            drop_rate: plan.options.drop_rate,
            patch: plan.patch,
            width,
        };
        let aggregation = PerceiverSizes {
            width,
            heads: plan.num_heads,
            hidden,
            depth: plan.enc_depth,
            epsilon: plan.perceiver_ln_eps,
            stabilise: plan.stabilise_level_aggregation,
        };
        Encoder {
            latents: builder.normal_tensor("encoder.atmos_latents", [plan.latent_levels - 1, width]),
            surface_level: builder.normal_tensor("encoder.surf_level_encoding", [width]),
            surface_mlp: Mlp::new(
                builder,
                ["encoder.surf_mlp.net.0", "encoder.surf_mlp.net.2"],
                width,
                hidden,
            ),
            surface_norm: builder.norm("encoder.surf_norm", width, 1e-5),
            position,
            scale,
            lead_time,
            absolute_time,
            levels,
            surface: PatchEmbedding::new(builder, "encoder.surf_token_embeds", &channels.surface, plan),
            atmosphere: LevelEmbedding::new(
                builder,
                "encoder.atmos_token_embeds",
                &channels.atmosphere,
                plan,
            ),
            aggregation: Perceiver::new(builder, "encoder.level_agg", aggregation),
            channels,
        }
    }

    /// The device that holds the weights.
    pub fn device(&self) -> Device {
        self.surface_level.val().device()
    }

    /// Encodes a normalised, cropped batch, whose variables are the network's channels, under the
    /// conditions of each sample.
    ///
    /// # Errors
    /// Levels, places, lead times or dates that the model has no encoding for.
    pub fn forward(
        &self,
        batch: &Batch,
        sizes: Sizes,
        grid: &GridEncoding,
        conditions: &Conditions,
        mut trace: Option<&mut EncoderTrace>,
    ) -> Result<Tensor<3>, ModelError> {
        let device = self.device();
        let (samples, patches, width) = (sizes.samples, grid.patches, self.channels.width);
        let fixed = self.fixed(batch, sizes, &device)?;
        let Conditions { lead, step, mode } = conditions;
        let drop = mode.dropout(self.channels.drop_rate, "encoder", *step, samples);
        let surface = self.surface_tokens(batch, &fixed, sizes, (mode, drop.clone()), &mut trace)?;
        let aggregated = self.aggregated(batch, &fixed, sizes, (mode, drop.clone()), &mut trace)?;
        let latents = aggregated.dims()[1];
        let aggregated = aggregated.reshape([samples, patches, latents, width]).swap_dims(1, 2);
        let tokens = Tensor::cat(vec![surface.unsqueeze_dim::<4>(1), aggregated], 1);
        let place = self.place(grid, &device, &mut trace);
        let time = self.time(&batch.time, lead, &device, &mut trace)?;
        let tokens = tokens + place.unsqueeze::<4>() + time.reshape([samples, 1, 1, width]);
        let tokens = tokens.reshape([samples, (latents + 1) * patches, width]);
        Ok(dropped(tokens, drop.as_ref(), "tokens"))
    }

    /// The channels that do not depend on the weather, (B, T, H, W): static fields and the date's.
    fn fixed(
        &self,
        batch: &Batch,
        sizes: Sizes,
        device: &Device,
    ) -> Result<BTreeMap<String, Tensor<4>>, ModelError> {
        let shape = [sizes.samples, sizes.times, sizes.height, sizes.width];
        let spread = |(name, field): (&String, &Tensor<2>)| {
            (name.clone(), field.clone().unsqueeze::<4>().expand(shape))
        };
        let mut fixed: BTreeMap<_, _> = batch.statics.iter().map(spread).collect();
        if self.channels.dynamic {
            let dates = batch.time.iter().map(|time| time_channels::of(*time));
            let dates = dates.collect::<Result<Vec<_>, _>>()?;
            for (index, name) in TIME_CHANNELS.iter().enumerate() {
                let values = dates.iter().map(|date| date[index]).collect();
                let values = constant(values, [sizes.samples, 1, 1, 1], device);
                fixed.insert((*name).to_string(), values.expand(shape));
            }
        }
        Ok(fixed)
    }

    /// (B, L, D).
    fn surface_tokens(
        &self,
        batch: &Batch,
        fixed: &BTreeMap<String, Tensor<4>>,
        sizes: Sizes,
        (mode, drop): (&Mode, Option<Dropout>),
        trace: &mut Option<&mut EncoderTrace>,
    ) -> Result<Tensor<3>, ModelError> {
        let Sizes { samples, times, height, width, .. } = sizes;
        let (mut fields, mut chosen) = (Vec::new(), Vec::new());
        for (index, name) in self.channels.surface.iter().enumerate() {
            if let Some(field) = batch.surface.get(name).or_else(|| fixed.get(name)) {
                fields.push(field.clone());
                chosen.push(index);
            }
        }
        let patch = self.channels.patch;
        let (rows, columns) = (height / patch, width / patch);
        let pixels = Tensor::stack::<5>(fields, 1)
            .reshape([samples, chosen.len(), times, rows, patch, columns, patch])
            .permute([0, 3, 5, 1, 2, 4, 6])
            .reshape([samples, rows * columns, chosen.len() * times * patch * patch]);
        if mode.recomputation.is_none() {
            return Ok(self.embed_surface(pixels, &chosen, times, drop.as_ref(), trace));
        }
        segment_of(mode.recomputation.as_ref(), self, pixels, move |encoder, pixels| {
            Ok(encoder.embed_surface(pixels, &chosen, times, drop.as_ref(), &mut None))
        })
    }

    /// Pixels (B, L, V·T·P²) → (B, L, D).
    fn embed_surface(
        &self,
        pixels: Tensor<3>,
        chosen: &[usize],
        times: usize,
        drop: Option<&Dropout>,
        trace: &mut Option<&mut EncoderTrace>,
    ) -> Tensor<3> {
        let [samples, patches, inputs] = pixels.dims();
        let tokens = self.surface.forward(pixels.reshape([samples * patches, inputs]), chosen, times);
        let tokens = tokens.reshape([samples, patches, self.channels.width]);
        EncoderTrace::keep(trace, "encoder.surf_token_embeds", &tokens);
        let tokens = tokens + self.surface_level.val().unsqueeze();
        let branch = dropped(self.surface_mlp.forward(tokens.clone()), drop, "surface");
        EncoderTrace::keep(trace, "encoder.surf_mlp", &branch);
        tokens + self.surface_norm.forward(branch)
    }

    /// (B·L, C−1, D): for each patch the latent levels above the surface.
    fn aggregated(
        &self,
        batch: &Batch,
        fixed: &BTreeMap<String, Tensor<4>>,
        sizes: Sizes,
        (mode, drop): (&Mode, Option<Dropout>),
        trace: &mut Option<&mut EncoderTrace>,
    ) -> Result<Tensor<3>, ModelError> {
        let Sizes { samples, times, levels, height, width } = sizes;
        let patch = self.channels.patch;
        let (rows, columns) = (height / patch, width / patch);
        let (fields, chosen) = self.atmosphere_channels(batch, fixed, levels)?;
        let pixels = Tensor::stack::<6>(fields, 1)
            .reshape([samples, chosen.len(), times, levels, rows, patch, columns, patch])
            .permute([0, 4, 6, 3, 1, 2, 5, 7])
            .reshape([samples * rows * columns, levels, chosen.len() * times * patch * patch]);
        let pressures = batch.levels.clone();
        if mode.recomputation.is_none() {
            return self.aggregate(pixels, &chosen, times, &pressures, drop.as_ref(), trace);
        }
        segment_of(mode.recomputation.as_ref(), self, pixels, move |encoder, pixels| {
            encoder.aggregate(pixels, &chosen, times, &pressures, drop.as_ref(), &mut None)
        })
    }

    /// Pixels (B·L, A, V·T·P²) on the levels (hPa) → (B·L, C−1, D).
    fn aggregate(
        &self,
        pixels: Tensor<3>,
        chosen: &[usize],
        times: usize,
        levels: &[f64],
        drop: Option<&Dropout>,
        trace: &mut Option<&mut EncoderTrace>,
    ) -> Result<Tensor<3>, ModelError> {
        let device = pixels.device();
        let tokens = self.atmosphere.forward(pixels, chosen, times, levels)?;
        EncoderTrace::keep(trace, "encoder.atmos_token_embeds", &tokens);
        let pressure: Vec<f32> = levels.iter().map(|level| *level as f32).collect();
        let features = fourier::LEVEL.expand(&pressure, self.channels.width)?;
        let embedded = linear(&self.levels, constant(features, [levels.len(), self.channels.width], &device));
        EncoderTrace::keep(trace, "encoder.atmos_levels_embed", &embedded);
        let (tokens, latents) = (tokens + embedded.unsqueeze(), self.latents.val().unsqueeze_dim(0));
        let drop = drop.map(|drop| drop.at("levels"));
        let aggregated = self.aggregation.forward_dropped(latents, tokens, drop.as_ref());
        EncoderTrace::keep(trace, "encoder.level_agg", &aggregated);
        Ok(aggregated)
    }

    /// Fields (B, T, A, H, W) of the channels on levels, fixed ones on every level, and the channels' numbers.
    fn atmosphere_channels(
        &self,
        batch: &Batch,
        fixed: &BTreeMap<String, Tensor<4>>,
        levels: usize,
    ) -> Result<(Vec<Tensor<5>>, Vec<usize>), ModelError> {
        let (mut fields, mut chosen) = (Vec::new(), Vec::new());
        let geopotential = batch.atmosphere.get("z").filter(|_| self.channels.indexing_error);
        let mut misplaced = false;
        for (index, name) in self.channels.atmosphere.iter().enumerate() {
            let spread = |field: &Tensor<4>| {
                let [samples, times, height, width] = field.dims();
                field.clone().unsqueeze_dim::<5>(2).expand([samples, times, levels, height, width])
            };
            let fixed = || fixed.get(name.strip_prefix(STATIC)?).map(spread);
            let Some(mut field) = batch.atmosphere.get(name).cloned().or_else(fixed) else { continue };
            if let Some(geopotential) = geopotential.filter(|_| name == STATIC_GEOPOTENTIAL) {
                field = geopotential.clone();
                misplaced = true;
            }
            fields.push(field);
            chosen.push(index);
        }
        if geopotential.is_some() && !misplaced {
            let reason = "the model's indexing error puts `z` in the place of the static `z` on levels, which the \
                          input lacks";
            return Err(ModelError::Batch(reason.into()));
        }
        Ok((fields, chosen))
    }

    /// Place and size of the patches: (L, D).
    fn place(
        &self,
        grid: &GridEncoding,
        device: &Device,
        trace: &mut Option<&mut EncoderTrace>,
    ) -> Tensor<2> {
        let shape = [grid.patches, self.channels.width];
        let position = linear(&self.position, constant(grid.position.clone(), shape, device));
        EncoderTrace::keep(trace, "encoder.pos_embed", &position);
        let scale = linear(&self.scale, constant(grid.scale.clone(), shape, device));
        EncoderTrace::keep(trace, "encoder.scale_embed", &scale);
        position + scale
    }

    /// Absolute time (Unix seconds) and lead time (hours): (B, D).
    fn time(
        &self,
        time: &[i64],
        lead: &[f32],
        device: &Device,
        trace: &mut Option<&mut EncoderTrace>,
    ) -> Result<Tensor<2>, ModelError> {
        let width = self.channels.width;
        let shape = [time.len(), width];
        let features = fourier::lead_time(lead, width, self.channels.updated_lead_time)?;
        let lead = linear(&self.lead_time, constant(features, shape, device));
        EncoderTrace::keep(trace, "encoder.lead_time_embed", &lead);
        // Aurora rounds the hours to f32 before expanding them.
        let hours: Vec<f32> = time.iter().map(|seconds| (*seconds as f64 / 3600.0) as f32).collect();
        let features = fourier::ABSOLUTE_TIME.expand(&hours, width)?;
        let absolute = linear(&self.absolute_time, constant(features, shape, device));
        EncoderTrace::keep(trace, "encoder.absolute_time_embed", &absolute);
        Ok(lead + absolute)
    }
}
