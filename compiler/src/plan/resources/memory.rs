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
}

impl Memory {
    #[must_use]
    pub fn total(&self) -> u64 {
        let parts = [self.weights, self.gradients, self.optimiser, self.activations];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

/// Numbers kept for the backward pass of one sample in one forward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kept {
    pub encoder: f64,
    pub backbone: f64,
    pub decoder: f64,
    pub heads: f64,
    /// Instead of `backbone`, if blocks are computed again: the input of each block.
    pub block_inputs: f64,
    /// The largest block: what is held of it while it is computed again, and as much for gradients in flight.
    pub largest_block: f64,
}

impl Kept {
    /// Lists what one sample on `height` by `width` points leaves behind.
    #[must_use]
    pub fn of(model: &ModelPlan, height: usize, width: usize) -> Kept {
        let model = ModelPlan { height, width, ..model.clone() };
        let mut kept = Kept { encoder: encoder(&model), decoder: decoder(&model), ..Kept::default() };
        kept.heads = model.options.heads.iter().map(|head| of_head(&model, head)).sum();
        for (stage, resolution) in model.resolutions().iter().enumerate() {
            let mirror = model.stages() - 1 - stage;
            let depth = |list: &[usize], at: usize| list.get(at).copied().unwrap_or_default();
            let blocks = depth(&model.encoder_depths, stage) + depth(&model.decoder_depths, mirror);
            let heads = depth(&model.encoder_heads, stage) as f64;
            let tokens = resolution.iter().product::<usize>() as f64;
            let block = block(&model, stage, *resolution, heads);
            kept.backbone += blocks as f64 * block;
            kept.block_inputs += blocks as f64 * tokens * model.stage_width(stage) as f64;
            kept.largest_block = kept.largest_block.max(block);
        }
        kept
    }
}

/// A block of the backbone. N tokens of width d, n of them with the padding of windows of W tokens: the branch's
/// input (n·d), queries, keys and values (3n·d), attention's weights (n·W a head) and output (n·d), the projection
/// before its norm and the norm's own (2N·d), the sum (N·d); hidden units before and after GELU (2N·h), their
/// projection before its norm and the norm's own (2N·d), the sum (N·d).
fn block(model: &ModelPlan, stage: usize, resolution: [usize; 3], heads: f64) -> f64 {
    let tokens = resolution.iter().product::<usize>() as f64;
    let width = model.stage_width(stage) as f64;
    let sides: Vec<usize> = (0..3).map(|axis| model.window[axis].min(resolution[axis]).max(1)).collect();
    let padded: f64 =
        sides.iter().zip(resolution).map(|(side, whole)| whole.next_multiple_of(*side) as f64).product();
    let window = sides.iter().product::<usize>() as f64;
    padded * (5.0 * width + window * heads) + tokens * width * (6.0 + 2.0 * model.mlp_ratio)
}

/// For each patch: its values, each level's token (embedded, placed, as key and value), the Perceiver's layers,
/// the surface's MLP, and the tokens as encodings are added.
fn encoder(model: &ModelPlan) -> f64 {
    let (rows, columns) = model.patch_grid();
    let (width, levels) = (model.embed_dim as f64, model.levels.len() as f64);
    let area = (model.patch * model.patch * model.history) as f64;
    let values =
        area * (model.surface_inputs().len() as f64 + levels * model.atmosphere_inputs().len() as f64);
    let latents = model.latent_levels as f64 - 1.0;
    let layer = levels * 2.0 * width + latents * width * (7.0 + 2.0 * model.mlp_ratio);
    let surface = width * (4.0 + 2.0 * model.mlp_ratio);
    let added = 3.0 * model.latent_levels as f64 * width;
    (rows * columns) as f64
        * (values + 3.0 * levels * width + model.enc_depth as f64 * layer + surface + added)
}

/// For each patch: its tokens, the Perceiver's layers of twice the width, and the output of each layer.
fn decoder(model: &ModelPlan) -> f64 {
    let (rows, columns) = model.patch_grid();
    let (width, levels) = (2.0 * model.embed_dim as f64, model.levels.len() as f64);
    let area = (model.patch * model.patch) as f64;
    let values =
        area * (model.surface_outputs().len() as f64 + levels * model.atmosphere_outputs().len() as f64);
    let perceivers = if model.options.separate_perceiver.is_empty() { 1.0 } else { 2.0 };
    let layers = perceivers * perceiver(model, width, model.dec_mlp_ratio, model.dec_depth);
    (rows * columns) as f64 * (model.latent_levels as f64 * width + layers + values)
}

/// The Perceiver of a decoder, for each patch.
fn perceiver(model: &ModelPlan, width: f64, ratio: f64, depth: usize) -> f64 {
    let (levels, context) = (model.levels.len() as f64, model.latent_levels as f64 - 1.0);
    depth as f64 * (context * 2.0 * width + levels * width * (6.0 + 2.0 * ratio))
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

    /// Peak memory of AuroraSmallPretrained in torch on a CPU (microsoft-aurora 2.0.1), forward and backward of one
    /// sample: GiB by rows, columns, levels. 1.21 GiB are held before the first step, and gradients grow to 0.42 GiB
    /// while activations go, so that the activations at the peak lie between the peak less both and less the first.
    #[test]
    fn activations_are_what_torch_holds() {
        let measured = [
            (64, 128, 4, 2.16),
            (96, 192, 4, 2.78),
            (128, 256, 4, 3.95),
            (64, 128, 13, 2.19),
            (96, 192, 13, 3.04),
            (128, 256, 13, 4.40),
        ];
        for (height, width, levels, peak) in measured {
            let mut model = ModelPlan::small();
            model.levels.truncate(levels);
            let kept = Kept::of(&model, height, width);
            let all = kept.encoder + kept.backbone + kept.decoder + kept.largest_block;
            let found = 4.0 * all / 1024f64.powi(3);
            let (least, most) = (peak - 1.21 - 0.42, peak - 1.21);
            assert!(
                (least..=most).contains(&found),
                "{height}×{width}×{levels}: {found}, not {least} to {most}"
            );
        }
    }

    /// With recomputation the measured peaks fell to 1.91, 2.11 and 2.34 GiB: the blocks' inputs, one block, its
    /// gradients, and 0.1 GiB that the libraries hold whatever the size.
    #[test]
    fn recomputation_holds_little_more_than_the_inputs_of_blocks() {
        for (height, width, peak) in [(64, 128, 1.91), (96, 192, 2.11), (128, 256, 2.34)] {
            let mut model = ModelPlan::small();
            model.levels.truncate(4);
            let kept = Kept::of(&model, height, width);
            let again = kept.encoder + kept.decoder + kept.block_inputs + 2.0 * kept.largest_block;
            let found = 4.0 * again / 1024f64.powi(3) + 0.1;
            let (least, most) = (peak - 1.21 - 0.42, peak - 1.21);
            assert!((least..=most).contains(&found), "{height}×{width}: {found}, not {least} to {most}");
            assert!(kept.block_inputs + kept.largest_block < 0.3 * kept.backbone);
        }
    }
}
