//! The work of a forward pass, counted from the plan alone.

use super::ModelPlan;

/// Floating-point operations of the three parts, forward, for one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    pub encoder: f64,
    pub backbone: f64,
    pub decoder: f64,
}

impl ModelPlan {
    /// Floating-point operations of one forward pass for one sample, matrix products only (a product of
    /// m×k and k×n counts 2mkn), those of windows' padding included.
    pub fn forward_flops(&self) -> f64 {
        let work = self.work();
        work.encoder + work.backbone + work.decoder
    }

    /// The same, part by part; heads count with the decoder.
    pub fn work(&self) -> Work {
        let (rows, columns) = self.patch_grid();
        let patches = (rows * columns) as f64;
        let (width, levels) = (self.embed_dim as f64, self.levels.len() as f64);
        let area = (self.patch * self.patch) as f64;
        let latents = self.latent_levels as f64 - 1.0;
        let channel = self.history as f64 * area * width;
        let surface = self.surface_inputs().len() as f64 * channel
            + 2.0 * width * ModelPlan::hidden(self.embed_dim, self.mlp_ratio) as f64;
        let embedding = surface + levels * self.atmosphere_inputs().len() as f64 * channel;
        let encoder = embedding + perceiver_products(width, self.mlp_ratio, latents, levels, self.enc_depth);
        let outputs = 2.0 * width * area;
        let perceivers = if self.options.separate_perceiver.is_empty() { 1.0 } else { 2.0 };
        let decoder = perceivers
            * perceiver_products(2.0 * width, self.dec_mlp_ratio, levels, latents, self.dec_depth)
            + outputs
                * (self.surface_outputs().len() as f64 + levels * self.atmosphere_outputs().len() as f64);
        let heads: f64 = self.options.heads.iter().map(|head| head.products(self)).sum();
        Work {
            encoder: 2.0 * patches * encoder,
            backbone: 2.0 * self.backbone_products(),
            decoder: 2.0 * (patches * decoder + heads),
        }
    }

    /// Multiplications of the backbone.
    fn backbone_products(&self) -> f64 {
        let mut products = 0.0;
        for (stage, resolution) in self.resolutions().iter().enumerate() {
            let tokens = resolution.iter().product::<usize>() as f64;
            let width = self.stage_width(stage) as f64;
            let window = (0..3).map(|axis| self.window[axis].min(resolution[axis])).product::<usize>() as f64;
            // Attention also works on the padding that fills the last windows; what follows does not.
            let padded: usize = (0..3)
                .map(|axis| resolution[axis].next_multiple_of(self.window[axis].min(resolution[axis]).max(1)))
                .product();
            let share = padded as f64 / tokens.max(1.0);
            let attention = width * width * 4.0 + 2.0 * window * width;
            let block = share * attention + width * width * 2.0 * self.mlp_ratio;
            let mirror = self.stages() - 1 - stage;
            let blocks =
                self.encoder_depths[stage] + self.decoder_depths.get(mirror).copied().unwrap_or_default();
            products += tokens * blocks as f64 * block;
            if stage + 1 < self.stages() {
                // Merging to (4d → 2d) on a quarter of the tokens; splitting back from it.
                products += tokens * width * width * (2.0 + 2.0 + 1.0);
            }
        }
        products
    }
}

/// Multiplications of a Perceiver for one patch: `queries` tokens read `context` tokens.
pub(in crate::plan) fn perceiver_products(
    width: f64,
    ratio: f64,
    queries: f64,
    context: f64,
    depth: usize,
) -> f64 {
    let projections = 2.0 * width * width * (queries + context);
    let attention = 2.0 * queries * context * width;
    let mlp = 2.0 * ratio * width * width * queries;
    depth as f64 * (projections + attention + mlp)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted by torch's FlopCounter on AuroraSmallPretrained (microsoft-aurora 2.0.1) in its forward pass, two past
    /// times: GFLOP by rows, columns and levels. It leaves out what is no matrix product, and so do we; 1 % is
    /// left for the small products of the conditioning.
    #[test]
    fn work_is_what_torch_counts() {
        for (height, width, levels, expected) in
            [(64, 128, 4, 101.8), (64, 128, 13, 118.3), (128, 256, 4, 373.1)]
        {
            let mut plan = ModelPlan { height, width, ..ModelPlan::small() };
            plan.levels.truncate(levels);
            let found = plan.forward_flops() / 1e9;
            assert!(
                (found / expected - 1.0).abs() < 0.01,
                "{height}×{width}×{levels}: {found}, not {expected}"
            );
        }
    }
}
