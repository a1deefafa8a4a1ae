//! From the pixels of a patch to a token.

use aurora_compiler::plan::model::ModelPlan;
use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::ModelError;
use super::normalisation::level_key;
use super::parameters::Builder;

/// One linear map from the pixels of a patch, all variables and times, to a token. Each variable has weights
/// (D, 1, times, P, P); they are joined for one matrix product.
#[derive(Module, Debug)]
pub struct PatchEmbedding {
    weights: Vec<Param<Tensor<5>>>,
    bias: Param<Tensor<1>>,
}

impl PatchEmbedding {
    pub fn new(builder: &mut Builder, prefix: &str, names: &[String], plan: &ModelPlan) -> PatchEmbedding {
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
        PatchEmbedding { weights, bias }
    }

    /// `pixels` (N, V·T·P²) of the variables with the numbers `chosen`, in their order → (N, D). Fewer times than
    /// the weights have meet the weights' first times, as upstream.
    pub fn forward(&self, pixels: Tensor<2>, chosen: &[usize], times: usize) -> Tensor<2> {
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

/// Patch embedding on pressure levels: one for all of them, or one for each.
#[derive(Module, Debug)]
pub struct LevelEmbedding {
    layers: Vec<PatchEmbedding>,
    #[module(skip)]
    levels: Option<Vec<f64>>,
}

impl LevelEmbedding {
    pub fn new(builder: &mut Builder, prefix: &str, names: &[String], plan: &ModelPlan) -> LevelEmbedding {
        let levels = plan.options.level_condition.clone();
        let layers = match &levels {
            None => vec![PatchEmbedding::new(builder, prefix, names, plan)],
            Some(levels) => levels
                .iter()
                .map(|level| {
                    let prefix = format!("{prefix}.layers.{}", level_key(*level));
                    PatchEmbedding::new(builder, &prefix, names, plan)
                })
                .collect(),
        };
        LevelEmbedding { layers, levels }
    }

    /// `pixels` (N, A, V·T·P²) on the levels (hPa) → (N, A, D).
    ///
    /// # Errors
    /// A level that has no embedding of its own where there are such.
    pub fn forward(
        &self,
        pixels: Tensor<3>,
        chosen: &[usize],
        times: usize,
        levels: &[f64],
    ) -> Result<Tensor<3>, ModelError> {
        let [count, height, features] = pixels.dims();
        let places = places(self.levels.as_deref(), levels)?;
        let Some(places) = places else {
            let tokens = self.layers[0].forward(pixels.reshape([count * height, features]), chosen, times);
            let width = tokens.dims()[1];
            return Ok(tokens.reshape([count, height, width]));
        };
        let tokens = places.into_iter().enumerate().map(|(at, place)| {
            self.layers[place].forward(pixels.clone().narrow(1, at, 1).squeeze_dim(1), chosen, times)
        });
        Ok(Tensor::stack(tokens.collect(), 1))
    }
}

/// Where each level stands among those that have layers of their own; nothing if all share one.
///
/// # Errors
/// A level that is not among them.
pub(super) fn places(own: Option<&[f64]>, levels: &[f64]) -> Result<Option<Vec<usize>>, ModelError> {
    let Some(own) = own else { return Ok(None) };
    let place = |level: &f64| {
        let key = level_key(*level);
        own.iter().position(|known| level_key(*known) == key).ok_or_else(|| {
            let known: Vec<String> = own.iter().map(f64::to_string).collect();
            ModelError::Batch(format!(
                "the model has layers for {} hPa, not for {level} hPa",
                known.join(", ")
            ))
        })
    };
    levels.iter().map(place).collect::<Result<Vec<_>, _>>().map(Some)
}
