//! From fields to tokens: patch embeddings, level aggregation, encodings of place, size and time.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

use aurora_compiler::plan::model::ModelPlan;

use super::batch::Sizes;
use super::layer::{Mlp, Norm, constant, linear};
use super::parameters::Builder;
use super::perceiver::{Perceiver, PerceiverSizes};
use super::position::GridEncoding;
use super::{Batch, ModelError, fourier};

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
    atmosphere: PatchEmbedding,
    aggregation: Perceiver,
    #[module(skip)]
    width: usize,
}

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
        let names = plan.surface.iter().chain(&plan.statics).cloned().collect();
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
            surface: PatchEmbedding::new(builder, "encoder.surf_token_embeds", names, plan),
            atmosphere: PatchEmbedding::new(
                builder,
                "encoder.atmos_token_embeds",
                plan.atmosphere.clone(),
                plan,
            ),
            aggregation: Perceiver::new(builder, "encoder.level_agg", aggregation),
            width,
        }
    }

    /// The device that holds the weights.
    pub fn device(&self) -> Device {
        self.surface_level.val().device()
    }

    /// Encodes a normalised, cropped batch for a lead time in hours.
    pub fn forward(
        &self,
        batch: &Batch,
        sizes: Sizes,
        grid: &GridEncoding,
        lead: f32,
        mut trace: Option<&mut EncoderTrace>,
    ) -> Result<Tensor<3>, ModelError> {
        let device = self.device();
        let (samples, patches, width) = (sizes.samples, grid.patches, self.width);
        let surface = self.surface_tokens(batch, sizes, &mut trace);
        let atmosphere = self.atmosphere_tokens(batch, sizes, &device, &mut trace)?;
        let aggregated = self.aggregation.forward(self.latents.val().unsqueeze_dim(0), atmosphere);
        EncoderTrace::keep(&mut trace, "encoder.level_agg", &aggregated);
        let latents = aggregated.dims()[1];
        let aggregated = aggregated.reshape([samples, patches, latents, width]).swap_dims(1, 2);
        let tokens = Tensor::cat(vec![surface.unsqueeze_dim::<4>(1), aggregated], 1);
        let place = self.place(grid, &device, &mut trace);
        let time = self.time(&batch.time, lead, &device, &mut trace)?;
        let tokens = tokens + place.unsqueeze::<4>() + time.reshape([samples, 1, 1, width]);
        Ok(tokens.reshape([samples, (latents + 1) * patches, width]))
    }

    /// (B, L, D).
    fn surface_tokens(
        &self,
        batch: &Batch,
        sizes: Sizes,
        trace: &mut Option<&mut EncoderTrace>,
    ) -> Tensor<3> {
        let Sizes { samples, times, height, width, .. } = sizes;
        let (mut fields, mut chosen) = (Vec::new(), Vec::new());
        for (index, name) in self.surface.names.iter().enumerate() {
            let field = batch.surface.get(name).cloned().or_else(|| {
                let field = batch.statics.get(name)?.clone();
                Some(field.unsqueeze::<4>().expand([samples, times, height, width]))
            });
            if let Some(field) = field {
                fields.push(field);
                chosen.push(index);
            }
        }
        let patch = self.surface.patch;
        let (rows, columns) = (height / patch, width / patch);
        let pixels = Tensor::stack::<5>(fields, 1)
            .reshape([samples, chosen.len(), times, rows, patch, columns, patch])
            .permute([0, 3, 5, 1, 2, 4, 6])
            .reshape([samples * rows * columns, chosen.len() * times * patch * patch]);
        let tokens =
            self.surface.forward(pixels, &chosen, times).reshape([samples, rows * columns, self.width]);
        EncoderTrace::keep(trace, "encoder.surf_token_embeds", &tokens);
        let tokens = tokens + self.surface_level.val().unsqueeze();
        let branch = self.surface_mlp.forward(tokens.clone());
        EncoderTrace::keep(trace, "encoder.surf_mlp", &branch);
        tokens + self.surface_norm.forward(branch)
    }

    /// (B·L, A, D): for each patch its tokens on the pressure levels.
    fn atmosphere_tokens(
        &self,
        batch: &Batch,
        sizes: Sizes,
        device: &Device,
        trace: &mut Option<&mut EncoderTrace>,
    ) -> Result<Tensor<3>, ModelError> {
        let Sizes { samples, times, levels, height, width } = sizes;
        let (mut fields, mut chosen) = (Vec::new(), Vec::new());
        for (index, name) in self.atmosphere.names.iter().enumerate() {
            if let Some(field) = batch.atmosphere.get(name) {
                fields.push(field.clone());
                chosen.push(index);
            }
        }
        let patch = self.atmosphere.patch;
        let (rows, columns) = (height / patch, width / patch);
        let pixels = Tensor::stack::<6>(fields, 1)
            .reshape([samples, chosen.len(), times, levels, rows, patch, columns, patch])
            .permute([0, 4, 6, 3, 1, 2, 5, 7])
            .reshape([samples * rows * columns * levels, chosen.len() * times * patch * patch]);
        let tokens = self.atmosphere.forward(pixels, &chosen, times);
        let tokens = tokens.reshape([samples * rows * columns, levels, self.width]);
        EncoderTrace::keep(trace, "encoder.atmos_token_embeds", &tokens);
        let pressure: Vec<f32> = batch.levels.iter().map(|level| *level as f32).collect();
        let features = fourier::LEVEL.expand(&pressure, self.width)?;
        let embedded = linear(&self.levels, constant(features, [levels, self.width], device));
        EncoderTrace::keep(trace, "encoder.atmos_levels_embed", &embedded);
        Ok(tokens + embedded.unsqueeze())
    }

    /// Place and size of the patches: (L, D).
    fn place(
        &self,
        grid: &GridEncoding,
        device: &Device,
        trace: &mut Option<&mut EncoderTrace>,
    ) -> Tensor<2> {
        let shape = [grid.patches, self.width];
        let position = linear(&self.position, constant(grid.position.clone(), shape, device));
        EncoderTrace::keep(trace, "encoder.pos_embed", &position);
        let scale = linear(&self.scale, constant(grid.scale.clone(), shape, device));
        EncoderTrace::keep(trace, "encoder.scale_embed", &scale);
        position + scale
    }

    /// Lead time (hours) and absolute time (Unix seconds): (B, D).
    fn time(
        &self,
        time: &[i64],
        lead: f32,
        device: &Device,
        trace: &mut Option<&mut EncoderTrace>,
    ) -> Result<Tensor<2>, ModelError> {
        let shape = [time.len(), self.width];
        let features = fourier::LEAD_TIME.expand(&vec![lead; time.len()], self.width)?;
        let lead = linear(&self.lead_time, constant(features, shape, device));
        EncoderTrace::keep(trace, "encoder.lead_time_embed", &lead);
        // Aurora rounds the hours to f32 before expanding them.
        let hours: Vec<f32> = time.iter().map(|seconds| (*seconds as f64 / 3600.0) as f32).collect();
        let features = fourier::ABSOLUTE_TIME.expand(&hours, self.width)?;
        let absolute = linear(&self.absolute_time, constant(features, shape, device));
        EncoderTrace::keep(trace, "encoder.absolute_time_embed", &absolute);
        Ok(lead + absolute)
    }
}

/// One linear map from the pixels of a patch, all variables and times, to a token. Each variable has weights
/// (D, 1, times, P, P); they are joined for one matrix product.
#[derive(Module, Debug)]
pub struct PatchEmbedding {
    weights: Vec<Param<Tensor<5>>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    names: Vec<String>,
    #[module(skip)]
    patch: usize,
}

impl PatchEmbedding {
    fn new(builder: &mut Builder, prefix: &str, names: Vec<String>, plan: &ModelPlan) -> PatchEmbedding {
        let ModelPlan { embed_dim, history, patch, .. } = *plan;
        let fan_in = history * patch * patch;
        let weights = names
            .iter()
            .map(|name| {
                let shape = [embed_dim, 1, history, patch, patch];
                builder.uniform_tensor(&format!("{prefix}.weights.{name}"), shape, fan_in)
            })
            .collect();
        let bias = builder.uniform_tensor(&format!("{prefix}.bias"), [embed_dim], fan_in);
        PatchEmbedding { weights, bias, names, patch }
    }

    /// `pixels` (N, V·T·P²) of the chosen variables, in their order → (N, D). Fewer times than the weights
    /// have meet the weights' first times, as upstream.
    fn forward(&self, pixels: Tensor<2>, chosen: &[usize], times: usize) -> Tensor<2> {
        let columns = chosen.iter().map(|&index| {
            let weight = self.weights[index].val();
            let [width, _, history, patch, _] = weight.dims();
            let weight = if times < history { weight.narrow(2, 0, times) } else { weight };
            weight.reshape([width, times * patch * patch])
        });
        let weight = Tensor::cat(columns.collect::<Vec<Tensor<2>>>(), 1);
        pixels.matmul(weight.transpose()) + self.bias.val().unsqueeze()
    }
}
