//! What follows from a plan alone: the names and shapes of the weights in Aurora 2.0.1, their number, and the
//! work of a forward pass.

use super::{ModelPlan, ParameterCount};

impl ModelPlan {
    /// Every weight: its name in Aurora 2.0.1 and its shape in torch's layout.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut list = Tensors::default();
        self.encoder_tensors(&mut list);
        self.backbone_tensors(&mut list);
        self.decoder_tensors(&mut list);
        list.0
    }

    /// The number of parameters, in all and by part.
    pub fn parameters(&self) -> ParameterCount {
        let mut count = ParameterCount { total: 0, encoder: 0, backbone: 0, decoder: 0 };
        for (name, shape) in self.tensors() {
            let size = shape.iter().product::<usize>() as u64;
            count.total += size;
            match name.split('.').next() {
                Some("encoder") => count.encoder += size,
                Some("backbone") => count.backbone += size,
                _ => count.decoder += size,
            }
        }
        count
    }

    /// Floating-point operations of one forward pass for one sample, matrix products only (a product of
    /// m×k and k×n counts 2mkn). Padding to windows is not counted.
    pub fn forward_flops(&self) -> f64 {
        let (rows, columns) = self.patch_grid();
        let patches = (rows * columns) as f64;
        let (width, levels) = (self.embed_dim as f64, self.levels.len() as f64);
        let area = (self.patch * self.patch) as f64;
        let latents = self.latent_levels as f64 - 1.0;
        let channel = self.history as f64 * area * width;
        let surface = (self.surface.len() + self.statics.len()) as f64 * channel
            + 2.0 * width * ModelPlan::hidden(self.embed_dim, self.mlp_ratio) as f64;
        let embedding = surface + levels * self.atmosphere.len() as f64 * channel;
        let encoder = embedding + perceiver(width, self.mlp_ratio, latents, levels, self.enc_depth);
        let heads = 2.0 * width * area;
        let decoder = perceiver(2.0 * width, self.dec_mlp_ratio, levels, latents, self.dec_depth)
            + heads * (self.surface.len() as f64 + levels * self.atmosphere.len() as f64);
        2.0 * (patches * (encoder + decoder) + self.backbone_products())
    }

    /// Multiplications of the backbone.
    fn backbone_products(&self) -> f64 {
        let mut products = 0.0;
        for (stage, resolution) in self.resolutions().iter().enumerate() {
            let tokens = resolution.iter().product::<usize>() as f64;
            let width = self.stage_width(stage) as f64;
            let window = (0..3).map(|axis| self.window[axis].min(resolution[axis])).product::<usize>() as f64;
            let block = width * width * (4.0 + 2.0 * self.mlp_ratio) + 2.0 * window * width;
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

    fn encoder_tensors(&self, list: &mut Tensors) {
        let width = self.embed_dim;
        list.add("encoder.atmos_latents", [self.latent_levels.saturating_sub(1), width]);
        list.add("encoder.surf_level_encoding", [width]);
        list.mlp("encoder.surf_mlp", width, ModelPlan::hidden(width, self.mlp_ratio));
        list.norm("encoder.surf_norm", width);
        for name in
            ["pos_embed", "scale_embed", "lead_time_embed", "absolute_time_embed", "atmos_levels_embed"]
        {
            list.linear(&format!("encoder.{name}"), width, width, true);
        }
        let shape = [width, 1, self.history, self.patch, self.patch];
        let surface = sorted(self.surface.iter().chain(&self.statics));
        for (part, names) in [("surf", surface), ("atmos", sorted(self.atmosphere.iter()))] {
            list.add(format!("encoder.{part}_token_embeds.bias"), [width]);
            for name in names {
                list.add(format!("encoder.{part}_token_embeds.weights.{name}"), shape);
            }
        }
        let stabilise = self.stabilise_level_aggregation;
        list.perceiver("encoder.level_agg", width, self.mlp_ratio, self.enc_depth, stabilise);
    }

    fn backbone_tensors(&self, list: &mut Tensors) {
        let stages = self.stages();
        for index in [0, 2] {
            list.linear(&format!("backbone.time_mlp.{index}"), self.embed_dim, self.embed_dim, true);
        }
        for stage in 0..stages {
            let (prefix, width) = (format!("backbone.encoder_layers.{stage}"), self.stage_width(stage));
            self.block_tensors(list, &prefix, self.encoder_depths[stage], width);
            if stage + 1 < stages {
                list.linear(&format!("{prefix}.downsample.reduction"), 4 * width, 2 * width, false);
                list.norm(&format!("{prefix}.downsample.norm"), 4 * width);
            }
        }
        for (stage, &depth) in self.decoder_depths.iter().enumerate().take(stages) {
            let prefix = format!("backbone.decoder_layers.{stage}");
            let width = self.stage_width(stages - 1 - stage);
            self.block_tensors(list, &prefix, depth, width);
            if stage + 1 < stages {
                list.linear(&format!("{prefix}.upsample.lin1"), width, 2 * width, false);
                list.linear(&format!("{prefix}.upsample.lin2"), width / 2, width / 2, false);
                list.norm(&format!("{prefix}.upsample.norm"), width / 2);
            }
        }
    }

    fn block_tensors(&self, list: &mut Tensors, prefix: &str, depth: usize, width: usize) {
        let hidden = ModelPlan::hidden(width, self.mlp_ratio);
        for block in 0..depth {
            let prefix = format!("{prefix}.blocks.{block}");
            list.linear(&format!("{prefix}.norm1.ln_modulation.1"), self.embed_dim, 2 * width, true);
            list.linear(&format!("{prefix}.attn.qkv"), width, 3 * width, true);
            list.linear(&format!("{prefix}.attn.proj"), width, width, true);
            list.linear(&format!("{prefix}.norm2.ln_modulation.1"), self.embed_dim, 2 * width, true);
            list.linear(&format!("{prefix}.mlp.fc1"), width, hidden, true);
            list.linear(&format!("{prefix}.mlp.fc2"), hidden, width, true);
        }
    }

    fn decoder_tensors(&self, list: &mut Tensors) {
        let (width, area) = (2 * self.embed_dim, self.patch * self.patch);
        list.perceiver("decoder.level_decoder", width, self.dec_mlp_ratio, self.dec_depth, false);
        for (part, names) in [("surf", &self.surface), ("atmos", &self.atmosphere)] {
            for name in sorted(names.iter()) {
                list.linear(&format!("decoder.{part}_heads.{name}"), width, area, true);
            }
        }
        list.linear("decoder.atmos_levels_embed", width, width, true);
    }
}

/// Multiplications of a Perceiver for one patch: `queries` tokens read `context` tokens.
fn perceiver(width: f64, ratio: f64, queries: f64, context: f64, depth: usize) -> f64 {
    let projections = 2.0 * width * width * (queries + context);
    let attention = 2.0 * queries * context * width;
    let mlp = 2.0 * ratio * width * width * queries;
    depth as f64 * (projections + attention + mlp)
}

/// Names and shapes as they are listed.
#[derive(Default)]
struct Tensors(Vec<(String, Vec<usize>)>);

impl Tensors {
    fn add<const D: usize>(&mut self, name: impl Into<String>, shape: [usize; D]) {
        self.0.push((name.into(), shape.to_vec()));
    }

    fn linear(&mut self, name: &str, input: usize, output: usize, bias: bool) {
        self.add(format!("{name}.weight"), [output, input]);
        if bias {
            self.add(format!("{name}.bias"), [output]);
        }
    }

    fn norm(&mut self, name: &str, width: usize) {
        self.add(format!("{name}.weight"), [width]);
        self.add(format!("{name}.bias"), [width]);
    }

    fn mlp(&mut self, name: &str, width: usize, hidden: usize) {
        self.linear(&format!("{name}.net.0"), width, hidden, true);
        self.linear(&format!("{name}.net.2"), hidden, width, true);
    }

    fn perceiver(&mut self, name: &str, width: usize, ratio: f64, depth: usize, stabilise: bool) {
        for layer in 0..depth {
            let prefix = format!("{name}.layers.{layer}");
            self.linear(&format!("{prefix}.0.to_q"), width, width, false);
            self.linear(&format!("{prefix}.0.to_kv"), width, 2 * width, false);
            self.linear(&format!("{prefix}.0.to_out"), width, width, false);
            if stabilise && layer == 0 {
                self.norm(&format!("{prefix}.0.ln_k"), width);
                self.norm(&format!("{prefix}.0.ln_q"), width);
            }
            self.mlp(&format!("{prefix}.1"), width, ModelPlan::hidden(width, ratio));
            self.norm(&format!("{prefix}.2"), width);
            self.norm(&format!("{prefix}.3"), width);
        }
    }
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut list: Vec<_> = names.collect();
    list.sort();
    list
}
