//! From tokens to fields: the surface from its own level, the pressure levels by a Perceiver.

use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::batch::Sizes;
use super::layer::{constant, linear};
use super::parameters::Builder;
use super::perceiver::{Perceiver, PerceiverSizes};
use super::{ModelError, fourier};

/// Tokens (B, C·L, 2D) → normalised fields.
#[derive(Module, Debug)]
pub struct Decoder {
    perceiver: Perceiver,
    surface: Heads,
    atmosphere: Heads,
    levels: Linear,
    #[module(skip)]
    patch: usize,
}

/// Surface (V, B, 1, H, W), atmosphere (V, B, 1, A, H, W), and the Perceiver's output (B·L, A, 2D).
#[derive(Debug)]
pub struct Decoded {
    pub surface: Tensor<5>,
    pub atmosphere: Tensor<6>,
    pub tokens: Tensor<3>,
}

impl Decoder {
    pub fn new(builder: &mut Builder, plan: &ModelPlan) -> Decoder {
        let width = 2 * plan.embed_dim;
        let sizes = PerceiverSizes {
            width,
            heads: plan.num_heads,
            hidden: ModelPlan::hidden(width, plan.dec_mlp_ratio),
            depth: plan.dec_depth,
            epsilon: plan.perceiver_ln_eps,
            stabilise: false,
        };
        let area = plan.patch * plan.patch;
        Decoder {
            perceiver: Perceiver::new(builder, "decoder.level_decoder", sizes),
            surface: Heads::new(builder, "decoder.surf_heads", &plan.surface, width, area),
            atmosphere: Heads::new(builder, "decoder.atmos_heads", &plan.atmosphere, width, area),
            levels: builder.linear("decoder.atmos_levels_embed", width, width, true),
            patch: plan.patch,
        }
    }

    /// Predicts the named variables on the levels (hPa). Names the model lacks are left out.
    pub fn forward(
        &self,
        tokens: Tensor<3>,
        sizes: Sizes,
        surface: &[String],
        atmosphere: &[String],
        levels: &[f64],
    ) -> Result<Decoded, ModelError> {
        let [samples, count, width] = tokens.dims();
        let Sizes { height, width: across, .. } = sizes;
        let (rows, columns, patch) = (height / self.patch, across / self.patch, self.patch);
        let patches = rows * columns;
        let latents = count / patches;
        let context = tokens
            .clone()
            .narrow(1, patches, count - patches)
            .reshape([samples, latents - 1, patches, width])
            .swap_dims(1, 2)
            .reshape([samples * patches, latents - 1, width]);
        let first = tokens.narrow(1, 0, patches);
        let fields = self.surface.forward(first, surface);
        let variables = surface.len();
        let surface = fields
            .reshape([samples, rows, columns, variables, patch, patch])
            .permute([3, 0, 1, 4, 2, 5])
            .reshape([variables, samples, 1, height, across]);

        let pressure: Vec<f32> = levels.iter().map(|level| *level as f32).collect();
        let features = fourier::LEVEL.expand(&pressure, width)?;
        let queries = linear(&self.levels, constant(features, [levels.len(), width], &context.device()));
        let tokens = self.perceiver.forward(queries.unsqueeze_dim(0), context);
        let fields = self.atmosphere.forward(tokens.clone(), atmosphere);
        let (variables, levels) = (atmosphere.len(), levels.len());
        let atmosphere = fields
            .reshape([samples, rows, columns, levels, variables, patch, patch])
            .permute([4, 0, 3, 1, 5, 2, 6])
            .reshape([variables, samples, 1, levels, height, across]);
        Ok(Decoded { surface, atmosphere, tokens })
    }
}

/// A linear map from token to patch for each variable, joined for one matrix product.
#[derive(Module, Debug)]
struct Heads {
    heads: Vec<Linear>,
    #[module(skip)]
    names: Vec<String>,
}

impl Heads {
    fn new(builder: &mut Builder, prefix: &str, names: &[String], width: usize, area: usize) -> Heads {
        let heads = names.iter().map(|name| builder.linear(&format!("{prefix}.{name}"), width, area, true));
        Heads { heads: heads.collect(), names: names.to_vec() }
    }

    /// (X, Y, 2D) → (X, Y, V·P²).
    fn forward(&self, tokens: Tensor<3>, chosen: &[String]) -> Tensor<3> {
        let [groups, count, width] = tokens.dims();
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for name in chosen {
            if let Some(head) = self.names.iter().position(|known| known == name).map(|at| &self.heads[at]) {
                weights.push(head.weight.val());
                biases.extend(head.bias.as_ref().map(|bias| bias.val()));
            }
        }
        let weight = Tensor::cat(weights, 1);
        let output = weight.dims()[1];
        let fields = tokens.reshape([groups * count, width]).matmul(weight);
        (fields + Tensor::cat(biases, 0).unsqueeze()).reshape([groups, count, output])
    }
}
