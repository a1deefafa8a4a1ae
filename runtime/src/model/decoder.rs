//! From tokens to fields: the surface from its own level, the pressure levels by a Perceiver.

use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

use super::batch::Sizes;
use super::layer::{constant, linear};
use super::normalisation::level_key;
use super::parameters::Builder;
use super::patches::places;
use super::perceiver::{Perceiver, PerceiverSizes};
use super::recompute::{Recomputation, segment_of};
use super::{ModelError, fourier};

/// Tokens (B, C·L, 2D) → normalised fields.
#[derive(Module, Debug)]
pub struct Decoder {
    perceiver: Perceiver,
    /// Of the variables that are decoded apart.
    alternate: Option<Perceiver>,
    surface: Heads,
    atmosphere: LevelHeads,
    levels: Linear,
    /// Channels on levels that are decoded apart.
    #[module(skip)]
    separate: Vec<String>,
    #[module(skip)]
    patch: usize,
}

/// Surface (V, B, 1, H, W), atmosphere (V, B, 1, A, H, W).
#[derive(Debug)]
pub struct Decoded {
    pub surface: Tensor<5>,
    pub atmosphere: Tensor<6>,
    /// The Perceivers' outputs (B·L, A, 2D) under their names in Aurora; none if they are recomputed.
    pub tokens: Vec<(&'static str, Tensor<3>)>,
}

/// What is to be decoded.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub sizes: Sizes,
    /// Channels on the surface and on levels; names that the decoder lacks are left out.
    pub surface: Vec<String>,
    pub atmosphere: Vec<String>,
    /// Pressures in hPa.
    pub levels: Vec<f64>,
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
        let separate = &plan.options.separate_perceiver;
        let alternate =
            (!separate.is_empty()).then(|| Perceiver::new(builder, "decoder.level_decoder_alternate", sizes));
        let separate = separate.iter().flat_map(|name| [name.clone(), modulation(name)]).collect();
        Decoder {
            perceiver: Perceiver::new(builder, "decoder.level_decoder", sizes),
            alternate,
            surface: Heads::new(builder, "decoder.surf_heads", "", plan.surface_outputs(), [width, area]),
            atmosphere: LevelHeads::new(builder, plan, [width, area]),
            levels: builder.linear("decoder.atmos_levels_embed", width, width, true),
            separate,
            patch: plan.patch,
        }
    }

    /// What is asked for each level (hPa), (1, A, 2D).
    ///
    /// # Errors
    /// A level that the model has no encoding for.
    pub fn queries(&self, levels: &[f64], device: &Device) -> Result<Tensor<3>, ModelError> {
        let width = self.levels.weight.dims()[0];
        let pressure: Vec<f32> = levels.iter().map(|level| *level as f32).collect();
        let features = fourier::LEVEL.expand(&pressure, width)?;
        Ok(linear(&self.levels, constant(features, [levels.len(), width], device)).unsqueeze_dim(0))
    }

    /// Predicts what is wanted from tokens (B, C·L, 2D), which with a recomputation is all that is kept.
    ///
    /// # Errors
    /// A level that the model has no encoding or no layer for.
    pub fn forward(
        &self,
        tokens: Tensor<3>,
        wanted: &Wanted,
        recomputation: Option<&Recomputation>,
    ) -> Result<Decoded, ModelError> {
        if recomputation.is_none() {
            return self.decode(tokens, wanted);
        }
        let Wanted { sizes: Sizes { samples, height, width, .. }, surface, atmosphere, levels } = wanted;
        let (samples, height, width) = (*samples, *height, *width);
        let own = wanted.clone();
        // A segment has one output: both, flattened.
        let both: Tensor<1> = segment_of(recomputation, self, tokens, move |decoder, tokens| {
            let Decoded { surface, atmosphere, .. } = decoder.decode(tokens, &own)?;
            let sizes = [surface.shape().num_elements(), atmosphere.shape().num_elements()];
            Ok(Tensor::cat(vec![surface.reshape([sizes[0]]), atmosphere.reshape([sizes[1]])], 0))
        })?;
        let surface = [surface.len(), samples, 1, height, width];
        let atmosphere = [atmosphere.len(), samples, 1, levels.len(), height, width];
        let counts = [surface.iter().product::<usize>(), atmosphere.iter().product::<usize>()];
        Ok(Decoded {
            surface: both.clone().narrow(0, 0, counts[0]).reshape(surface),
            atmosphere: both.narrow(0, counts[0], counts[1]).reshape(atmosphere),
            tokens: Vec::new(),
        })
    }

    fn decode(&self, tokens: Tensor<3>, wanted: &Wanted) -> Result<Decoded, ModelError> {
        let Wanted { sizes, surface, atmosphere, levels } = wanted;
        let [samples, count, width] = tokens.dims();
        let Sizes { height, width: across, .. } = *sizes;
        let (rows, columns, patch) = (height / self.patch, across / self.patch, self.patch);
        let patches = rows * columns;
        let latents = count / patches;
        let context = tokens
            .clone()
            .narrow(1, patches, count - patches)
            .reshape([samples, latents - 1, patches, width])
            .swap_dims(1, 2)
            .reshape([samples * patches, latents - 1, width]);
        let fields = self.surface.forward(tokens.narrow(1, 0, patches), surface);
        let variables = surface.len();
        let surface = fields
            .reshape([samples, rows, columns, variables, patch, patch])
            .permute([3, 0, 1, 4, 2, 5])
            .reshape([variables, samples, 1, height, across]);

        let queries = self.queries(levels, &context.device())?;
        let tokens = self.perceiver.forward(queries.clone(), context.clone());
        let alternate = self.alternate.as_ref().map(|alternate| alternate.forward(queries.clone(), context));
        let unpatch = |fields: Tensor<3>, variables: usize| -> Tensor<6> {
            fields
                .reshape([samples, rows, columns, levels.len(), variables, patch, patch])
                .permute([4, 0, 3, 1, 5, 2, 6])
                .reshape([variables, samples, 1, levels.len(), height, across])
        };
        // Each run of names that one Perceiver decodes is one product.
        let apart = |name: &String| alternate.is_some() && self.separate.contains(name);
        let mut parts = Vec::new();
        for names in atmosphere.chunk_by(|one, two| apart(one) == apart(two)) {
            let source = alternate.as_ref().filter(|_| names.first().is_some_and(apart)).unwrap_or(&tokens);
            let fields = self.atmosphere.forward(source.clone(), names, levels)?;
            parts.push(unpatch(fields, names.len()));
        }
        let atmosphere = if parts.is_empty() {
            Tensor::zeros([0, samples, 1, levels.len(), height, across], &tokens.device())
        } else {
            Tensor::cat(parts, 0)
        };
        let mut outputs = vec![("decoder.level_decoder", tokens)];
        outputs.extend(alternate.map(|tokens| ("decoder.level_decoder_alternate", tokens)));
        Ok(Decoded { surface, atmosphere, tokens: outputs })
    }
}

/// The name of a variable's modulation, a second output of the network for it.
pub(super) fn modulation(name: &str) -> String {
    format!("{name}_mod")
}

/// A linear map from token to patch for each variable, joined for one matrix product.
#[derive(Module, Debug)]
struct Heads {
    heads: Vec<Linear>,
    #[module(skip)]
    names: Vec<String>,
}

impl Heads {
    /// Parameters are called `prefix.NAMEsuffix`.
    fn new(
        builder: &mut Builder,
        prefix: &str,
        suffix: &str,
        names: Vec<String>,
        [width, area]: [usize; 2],
    ) -> Heads {
        let heads = names
            .iter()
            .map(|name| builder.linear(&format!("{prefix}.{name}{suffix}"), width, area, true))
            .collect();
        Heads { heads, names }
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
        if weights.is_empty() {
            return Tensor::zeros([groups, count, 0], &tokens.device());
        }
        let weight = Tensor::cat(weights, 1);
        let output = weight.dims()[1];
        let fields = tokens.reshape([groups * count, width]).matmul(weight);
        (fields + Tensor::cat(biases, 0).unsqueeze()).reshape([groups, count, output])
    }
}

/// Heads of variables on levels: one for all levels, or one for each.
#[derive(Module, Debug)]
struct LevelHeads {
    layers: Vec<Heads>,
    #[module(skip)]
    levels: Option<Vec<f64>>,
}

impl LevelHeads {
    fn new(builder: &mut Builder, plan: &ModelPlan, sizes: [usize; 2]) -> LevelHeads {
        let levels = plan.options.level_condition.clone();
        let suffixes = match &levels {
            None => vec![String::new()],
            Some(levels) => levels.iter().map(|level| format!(".layers.{}", level_key(*level))).collect(),
        };
        let names = plan.atmosphere_outputs();
        let layer =
            |suffix: &String| Heads::new(builder, "decoder.atmos_heads", suffix, names.clone(), sizes);
        LevelHeads { layers: suffixes.iter().map(layer).collect(), levels }
    }

    /// (X, A, 2D) → (X, A, V·P²).
    fn forward(&self, tokens: Tensor<3>, chosen: &[String], levels: &[f64]) -> Result<Tensor<3>, ModelError> {
        let Some(places) = places(self.levels.as_deref(), levels)? else {
            return Ok(self.layers[0].forward(tokens, chosen));
        };
        let fields = places
            .into_iter()
            .enumerate()
            .map(|(at, place)| self.layers[place].forward(tokens.clone().narrow(1, at, 1), chosen));
        Ok(Tensor::cat(fields.collect(), 1))
    }
}
