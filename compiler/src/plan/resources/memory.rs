//! The memory that training holds: a list of what the backward pass reads again, layer by layer.

use serde::{Deserialize, Serialize};

use crate::plan::head::{HeadPlan, Layers};
use crate::plan::model::ModelPlan;

/// Bytes at the peak of a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Memory {
    pub weights: u64,
    pub gradients: u64,
    /// Two moments of AdamW, and the average if there is one.
    pub optimiser: u64,
    pub activations: u64,
    /// Beside the model: the program, its threads' stacks and buffers, what building the model leaves behind.
    #[serde(default)]
    pub process: u64,
}

/// As measured on a CPU (`docs/src/performance.md`); the context of a GPU is of that size or larger.
pub const PROCESS: u64 = 140_000_000;

impl Memory {
    #[must_use]
    pub fn total(&self) -> u64 {
        let parts = [self.weights, self.gradients, self.optimiser, self.activations, self.process];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

/// A stretch of the model: what one sample's forward pass leaves there for the backward pass, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stretch {
    pub part: Part,
    pub kept: f64,
    /// Instead of `kept`, if the stretch is computed again.
    pub input: f64,
    /// Beside what is kept: gradients in flight while its backward pass runs.
    pub flying: f64,
    /// Held at once while its forward pass runs, if nothing is kept.
    pub passing: f64,
    /// Its share of the weights of its part.
    pub share: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    Encoder,
    Backbone,
    Decoder,
    Heads,
}

/// The stretches in the order of the forward pass, over `height` by `width` points.
#[must_use]
pub fn stretches(model: &ModelPlan, height: usize, width: usize) -> Vec<Stretch> {
    let model = ModelPlan { height, width, ..model.clone() };
    let mut list = vec![encoder(&model)];
    let resolutions = model.resolutions();
    let depth = |list: &[usize], at: usize| list.get(at).copied().unwrap_or_default();
    let last = model.stages().saturating_sub(1);
    let down = (0..=last).map(|stage| (stage, depth(&model.encoder_depths, stage)));
    let up = (0..=last).rev().map(|stage| (stage, depth(&model.decoder_depths, last - stage)));
    for (stage, blocks) in down.chain(up) {
        let tokens = resolutions.get(stage).map_or(0.0, |sides| sides.iter().product::<usize>() as f64);
        let numbers = tokens * model.stage_width(stage) as f64;
        list.extend(std::iter::repeat_n(block(&model, stage, numbers), blocks));
        // The way to the next resolution: its norm's input and output, and tokens put in another order.
        if let Some(one) = list.last_mut() {
            one.kept += 3.0 * numbers;
            one.input += 3.0 * numbers;
        }
    }
    let weights: f64 = list.iter().filter(|one| one.part == Part::Backbone).map(|one| one.share).sum();
    list.iter_mut().filter(|one| one.part == Part::Backbone).for_each(|one| one.share /= weights.max(1.0));
    list.push(decoder(&model));
    list.extend(model.options.heads.iter().map(|head| {
        let kept = of_head(&model, head);
        let share = 1.0 / model.options.heads.len() as f64;
        Stretch { part: Part::Heads, kept, input: kept, flying: 0.3 * kept, passing: 0.5 * kept, share }
    }));
    list
}

/// A block of the backbone, of N·d numbers. Kept are its input, queries, keys and values (3), attention's output,
/// its projection, the sum with the norm of that, hidden units before and after GELU (twice the ratio) and what they
/// are projected to; attention's weights and the norms are computed again.
fn block(model: &ModelPlan, stage: usize, numbers: f64) -> Stretch {
    let (width, ratio) = (model.stage_width(stage) as f64, model.mlp_ratio);
    Stretch {
        part: Part::Backbone,
        kept: numbers * (8.0 + 2.0 * ratio),
        input: numbers,
        flying: numbers * (2.0 + 2.0 * ratio),
        // The skips of finer stages lie beside.
        passing: numbers * (3.0 + 2.0 * ratio),
        share: width * width * (4.0 + 2.0 * ratio) + 4.0 * width * model.embed_dim as f64,
    }
}

/// For each patch: its values, each level's token (placed, as key and value), the Perceiver's layers and the surface's
/// MLP.
fn encoder(model: &ModelPlan) -> Stretch {
    let (rows, columns) = model.patch_grid();
    let patches = (rows * columns) as f64;
    let (width, levels) = (model.embed_dim as f64, model.levels.len() as f64);
    let area = (model.patch * model.patch * model.history) as f64;
    let values =
        area * (model.surface_inputs().len() as f64 + levels * model.atmosphere_inputs().len() as f64);
    let latents = model.latent_levels as f64 - 1.0;
    let hidden = latents * width * 2.0 * model.mlp_ratio;
    let layer = levels * 2.0 * width + latents * width * 4.0 + hidden;
    let surface = width * (2.0 + 2.0 * model.mlp_ratio);
    let kept = patches * (values + levels * width + model.enc_depth as f64 * layer + surface);
    let passing = patches * (2.0 * values + (3.0 * levels + latents) * width + hidden);
    Stretch { part: Part::Encoder, kept, input: kept, flying: patches * hidden, passing, share: 1.0 }
}

/// For each patch: its tokens, the Perceiver's layers of twice the width, and the fields, which a loss reads again.
fn decoder(model: &ModelPlan) -> Stretch {
    let (rows, columns) = model.patch_grid();
    let patches = (rows * columns) as f64;
    let (width, levels) = (2.0 * model.embed_dim as f64, model.levels.len() as f64);
    let area = (model.patch * model.patch) as f64;
    let values =
        area * (model.surface_outputs().len() as f64 + levels * model.atmosphere_outputs().len() as f64);
    let perceivers = if model.options.separate_perceiver.is_empty() { 1.0 } else { 2.0 };
    let layers = perceivers * perceiver(model, width, model.dec_mlp_ratio, model.dec_depth);
    let tokens = model.latent_levels as f64 * width;
    let hidden = levels * width * 2.0 * model.dec_mlp_ratio;
    let kept = patches * (2.0 * tokens + layers + levels * width + 2.0 * values);
    let passing = patches * (2.0 * tokens + 2.0 * levels * width + hidden + values);
    Stretch { part: Part::Decoder, kept, input: kept, flying: patches * hidden, passing, share: 1.0 }
}

/// The Perceiver of a decoder, for each patch: keys and values; of each level attention's output, its projection, the
/// sum, hidden units before and after GELU and what they are projected to.
fn perceiver(model: &ModelPlan, width: f64, ratio: f64, depth: usize) -> f64 {
    let (levels, context) = (model.levels.len() as f64, model.latent_levels as f64 - 1.0);
    depth as f64 * (context * 2.0 * width + levels * width * (4.0 + 2.0 * ratio))
}

/// A head's layers: before and after each filter, its norm and its GELU.
fn of_head(model: &ModelPlan, head: &HeadPlan) -> f64 {
    let (rows, columns) = model.patch_grid();
    let patches = (rows * columns) as f64;
    let points = patches * (model.patch * model.patch) as f64;
    let outputs = head.predicts.len() as f64 * head.quantiles.unwrap_or(1) as f64;
    match head.layers {
        Layers::Perceiver { depth, mlp_ratio, .. } => {
            let width = 2.0 * model.embed_dim as f64;
            patches * perceiver(model, width, mlp_ratio, depth) + points * outputs * model.levels.len() as f64
        }
        Layers::Mlp { width, depth } => patches * 2.0 * (width * depth) as f64 + points * outputs,
        Layers::Conv { width, depth } => {
            points * (width as f64 * (2.0 + 3.0 * (depth as f64 + 1.0)) + outputs)
        }
        Layers::Unet { width, depth } => {
            // Six fields of its width at each stage down and as many up; points fall to a quarter and widths
            // double, so that each stage has half of the numbers of the one above.
            let stages: f64 = (0..=depth).map(|stage| 0.5f64.powi(stage as i32)).sum();
            points * (width as f64 * (5.0 + 13.0 * stages) + outputs)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block keeps sixteen times its input, so that computing it again saves nearly all; wider grids keep more, and
    /// the backbone's shares are a whole.
    #[test]
    fn stretches_are_those_of_the_model() {
        let model = ModelPlan::small();
        let list = stretches(&model, 64, 128);
        let backbone: Vec<&Stretch> = list.iter().filter(|one| one.part == Part::Backbone).collect();
        assert_eq!(backbone.len(), 20);
        let first = backbone[0];
        assert_eq!((first.input, first.kept), (2048.0 * 256.0, 16.0 * 2048.0 * 256.0));
        let whole: f64 = backbone.iter().map(|one| one.share).sum();
        assert!((whole - 1.0).abs() < 1e-12);
        let sum = |list: &[Stretch]| list.iter().map(|one| one.kept).sum::<f64>();
        let ratio = sum(&stretches(&model, 128, 256)) / sum(&list);
        assert!((3.9..4.1).contains(&ratio), "{ratio}");
    }
}
