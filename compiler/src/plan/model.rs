//! The full description of Aurora as configured, and what follows from it alone: the names and shapes
//! of the weights, their number, the work of a forward pass, and the rules a configuration must keep.

use serde::{Deserialize, Serialize};

/// Hours that the lead-time expansion covers: one minute to three weeks.
const LEAD_HOURS: (f64, f64) = (1.0 / 60.0, 504.0);
/// Pressures in hPa that the level expansion covers.
const LEVEL_RANGE: (f64, f64) = (0.01, 1e5);

/// Aurora, configured. Variables carry the names of the checkpoint (`2t`, `10u`, `msl`, ...).
///
/// The names of the hyper-parameters are those of Microsoft's constructor, in whole words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelPlan {
    /// Surface variables, read and predicted.
    pub surface: Vec<String>,
    /// Static variables, read only.
    pub statics: Vec<String>,
    /// Variables on pressure levels, read and predicted.
    pub atmosphere: Vec<String>,
    /// Pressure levels in hPa, in the order of the level axis.
    pub levels: Vec<f64>,
    /// Grid rows, before the crop to a multiple of `patch`.
    pub height: usize,
    /// Grid columns, a multiple of `patch`.
    pub width: usize,
    /// Side of a patch in grid points.
    pub patch: usize,
    /// Attention window in patches: latent levels, rows, columns.
    pub window: [usize; 3],
    pub encoder_depths: Vec<usize>,
    pub encoder_heads: Vec<usize>,
    pub decoder_depths: Vec<usize>,
    pub decoder_heads: Vec<usize>,
    /// Levels inside the model, of which one is the surface.
    pub latent_levels: usize,
    pub embed_dim: usize,
    /// Heads of the Perceivers.
    pub num_heads: usize,
    /// Hidden width over width: backbone, encoder Perceiver, surface MLP.
    pub mlp_ratio: f64,
    /// Layers of the encoder's Perceiver.
    pub enc_depth: usize,
    /// Layers of the decoder's Perceiver.
    pub dec_depth: usize,
    pub dec_mlp_ratio: f64,
    pub perceiver_ln_eps: f64,
    /// Greatest number of input times.
    pub history: usize,
    /// Hours from the newest input to the prediction.
    pub timestep: f64,
    /// Layer norms on keys and queries of the first level aggregation.
    pub stabilise_level_aggregation: bool,
    /// Attention across the left and right edge: true on global grids, false on regional ones.
    pub wrap: bool,
    /// Surface variables clamped at 0 in normalised space.
    pub positive_surface: Vec<String>,
    /// Atmospheric variables clamped at 0 in normalised space.
    pub positive_atmosphere: Vec<String>,
    /// Clamp the first prediction too, not only those from the second step on.
    pub clamp_at_first_step: bool,
    #[serde(default)]
    pub options: ModelOptions,
}

/// What a recipe may ask of Aurora beyond the base configuration. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelOptions {
    /// Largest rate of stochastic depth.
    pub drop_path: f64,
    /// Dropout.
    pub drop_rate: f64,
    pub lora: Option<LoraPlan>,
    /// Levels (hPa) that have embeddings and heads of their own.
    pub level_condition: Option<Vec<f64>>,
    /// Six channels of the time of day, week and year.
    pub dynamic_variables: bool,
    /// Static channels on every level too.
    pub atmosphere_statics: bool,
    /// Atmospheric variables decoded by a second Perceiver.
    pub separate_perceiver: Vec<String>,
    /// Variables with a modulation head.
    pub modulation_heads: Vec<String>,
    pub simulate_indexing_bug: bool,
    /// Noise in the backbone's conditioning.
    pub stochastic: bool,
    /// The lead-time expansion of Aurora 1.5.
    pub updated_lead_time_embedding: bool,
    /// A lead time for each sample.
    pub variable_lead_time: bool,
}

/// Low-rank adaptation of the backbone's attention.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraPlan {
    pub mode: LoraMode,
    /// Roll-out steps that are adapted.
    pub steps: usize,
    pub rank: usize,
    pub alpha: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoraMode {
    Single,
    FromSecond,
    All,
}

/// Numbers of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterCount {
    pub total: u64,
    pub encoder: u64,
    pub backbone: u64,
    pub decoder: u64,
}

impl ModelPlan {
    /// `AuroraPretrained`, 1.3 billion parameters, on the 0.25° grid.
    pub fn pretrained() -> ModelPlan {
        let names = |list: &[&str]| list.iter().map(|name| name.to_string()).collect();
        ModelPlan {
            surface: names(&["2t", "10u", "10v", "msl"]),
            statics: names(&["lsm", "z", "slt"]),
            atmosphere: names(&["z", "u", "v", "t", "q"]),
            levels: vec![
                50.0, 100.0, 150.0, 200.0, 250.0, 300.0, 400.0, 500.0, 600.0, 700.0, 850.0, 925.0, 1000.0,
            ],
            height: 721,
            width: 1440,
            patch: 4,
            window: [2, 6, 12],
            encoder_depths: vec![6, 10, 8],
            encoder_heads: vec![8, 16, 32],
            decoder_depths: vec![8, 10, 6],
            decoder_heads: vec![32, 16, 8],
            latent_levels: 4,
            embed_dim: 512,
            num_heads: 16,
            mlp_ratio: 4.0,
            enc_depth: 1,
            dec_depth: 1,
            dec_mlp_ratio: 2.0,
            perceiver_ln_eps: 1e-5,
            history: 2,
            timestep: 6.0,
            stabilise_level_aggregation: false,
            wrap: true,
            positive_surface: Vec::new(),
            positive_atmosphere: Vec::new(),
            clamp_at_first_step: false,
            options: ModelOptions::default(),
        }
    }

    /// `AuroraSmallPretrained`, 113 million parameters, on the 0.25° grid.
    pub fn small() -> ModelPlan {
        ModelPlan {
            encoder_depths: vec![2, 6, 2],
            encoder_heads: vec![4, 8, 16],
            decoder_depths: vec![2, 6, 2],
            decoder_heads: vec![16, 8, 4],
            embed_dim: 256,
            num_heads: 8,
            ..ModelPlan::pretrained()
        }
    }

    /// Stages of the U-Net.
    pub fn stages(&self) -> usize {
        self.encoder_depths.len()
    }

    /// Width of encoder stage `stage`, counted from 0.
    pub fn stage_width(&self, stage: usize) -> usize {
        self.embed_dim << stage
    }

    /// Hidden width of an MLP of the given width and ratio, rounded down as upstream.
    pub fn hidden(width: usize, ratio: f64) -> usize {
        (width as f64 * ratio) as usize
    }

    /// Rows and columns of patches, after the crop of one surplus row.
    pub fn patch_grid(&self) -> (usize, usize) {
        (self.height / self.patch, self.width / self.patch)
    }

    /// Latent levels, rows and columns at each stage.
    pub fn resolutions(&self) -> Vec<[usize; 3]> {
        let (mut rows, mut columns) = self.patch_grid();
        let mut list = Vec::new();
        for _ in 0..self.stages() {
            list.push([self.latent_levels, rows, columns]);
            (rows, columns) = (rows.div_ceil(2), columns.div_ceil(2));
        }
        list
    }

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

    /// Options of this plan that no backend builds yet, each in words.
    pub fn not_built(&self) -> Vec<String> {
        let options = &self.options;
        let mut list = Vec::new();
        let mut add = |present: bool, what: &str| {
            if present {
                list.push(what.to_string());
            }
        };
        add(options.drop_path != 0.0, "stochastic depth (drop_path)");
        add(options.drop_rate != 0.0, "dropout (drop_rate)");
        add(options.lora.is_some(), "low-rank adaptation (lora)");
        add(options.level_condition.is_some(), "embeddings by level (level_condition)");
        add(options.dynamic_variables, "time channels (dynamic_variables)");
        add(options.atmosphere_statics, "static channels on levels (atmosphere_statics)");
        add(!options.separate_perceiver.is_empty(), "a second decoder Perceiver (separate_perceiver)");
        add(!options.modulation_heads.is_empty(), "modulation heads (modulation_heads)");
        add(options.simulate_indexing_bug, "the indexing error of the air pollution model");
        add(options.stochastic, "noise in the backbone (stochastic)");
        add(options.updated_lead_time_embedding, "the lead-time embedding of Aurora 1.5");
        add(options.variable_lead_time, "a lead time for each sample (variable_lead_time)");
        list
    }

    /// Checks every rule the architecture imposes; one sentence for each that is broken.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut faults = Faults::default();
        self.check_variables(&mut faults);
        self.check_grid(&mut faults);
        self.check_widths(&mut faults);
        self.check_stages(&mut faults);
        if faults.0.is_empty() { Ok(()) } else { Err(faults.0) }
    }

    fn check_variables(&self, faults: &mut Faults) {
        let lists =
            [("surface", &self.surface), ("static", &self.statics), ("atmospheric", &self.atmosphere)];
        for (kind, names) in lists {
            faults.add(names.is_empty(), || format!("the model needs at least one {kind} variable"));
            for name in repeated(names) {
                faults.add(true, || format!("the {kind} variable `{name}` is listed twice"));
            }
        }
        for name in self.surface.iter().filter(|name| self.statics.contains(name)) {
            faults.add(true, || format!("`{name}` is both a surface and a static variable"));
        }
        let positive = [
            ("surface", &self.positive_surface, &self.surface),
            ("atmospheric", &self.positive_atmosphere, &self.atmosphere),
        ];
        for (kind, names, known) in positive {
            for name in names.iter().filter(|name| !known.contains(name)) {
                faults.add(true, || {
                    format!("`{name}` is to be kept positive but is no {kind} variable of the model")
                });
            }
        }
        faults.add(self.levels.is_empty(), || "the model needs at least one pressure level".into());
        for level in &self.levels {
            faults.add(!(LEVEL_RANGE.0..=LEVEL_RANGE.1).contains(level), || {
                format!("pressure level {level} hPa lies outside 0.01 to 100000 hPa")
            });
        }
        for (index, level) in self.levels.iter().enumerate() {
            let twice = self.levels[..index].contains(level);
            faults.add(twice, || format!("pressure level {level} hPa is listed twice"));
        }
        let lead = (LEAD_HOURS.0..=LEAD_HOURS.1).contains(&self.timestep);
        faults.add(!lead, || {
            format!("the time step of {} h lies outside one minute to three weeks", self.timestep)
        });
        faults.add(self.history == 0, || "the history must hold at least one time".into());
    }

    fn check_grid(&self, faults: &mut Faults) {
        let ModelPlan { patch, height, width, .. } = *self;
        faults.add(patch < 2, || format!("the patch size must be 2 or more, not {patch}"));
        if patch < 2 {
            return;
        }
        faults.add(width == 0 || width % patch != 0, || {
            format!("the grid's {width} columns must be a multiple of the patch size {patch}")
        });
        faults.add(height < patch || height % patch > 1, || {
            format!("the grid's {height} rows must be a multiple of the patch size {patch}, or one more")
        });
        let resolutions = self.resolutions();
        for (stage, [_, rows, columns]) in resolutions.iter().enumerate().take(self.stages().max(1) - 1) {
            faults.add(*rows < 2 || *columns < 2, || {
                format!(
                    "stage {stage} has {rows}×{columns} patches, too few to merge: use fewer stages or smaller \
                     patches"
                )
            });
        }
    }

    fn check_widths(&self, faults: &mut Faults) {
        let ModelPlan { embed_dim, num_heads, latent_levels, window, .. } = *self;
        faults.add(embed_dim == 0 || embed_dim % 4 != 0, || {
            format!("embed_dim must be a positive multiple of 4, not {embed_dim}")
        });
        faults.add(num_heads == 0 || embed_dim % num_heads.max(1) != 0, || {
            format!("embed_dim {embed_dim} must be a multiple of num_heads {num_heads}")
        });
        faults.add(window.contains(&0), || "the window must be at least 1 on each axis".into());
        faults.add(latent_levels < 2, || format!("latent_levels must be 2 or more, not {latent_levels}"));
        faults.add(window[0] > 0 && latent_levels % window[0] != 0, || {
            format!("latent_levels {latent_levels} must be a multiple of the window's {} levels", window[0])
        });
        let ratios = [("mlp_ratio", self.mlp_ratio), ("dec_mlp_ratio", self.dec_mlp_ratio)];
        for (name, ratio) in ratios {
            let sound = ratio.is_finite() && ModelPlan::hidden(embed_dim, ratio) > 0;
            faults.add(!sound, || format!("{name} {ratio} leaves no hidden unit"));
        }
        let eps = self.perceiver_ln_eps;
        faults
            .add(!(eps.is_finite() && eps > 0.0), || format!("perceiver_ln_eps must be positive, not {eps}"));
        for (name, depth) in [("enc_depth", self.enc_depth), ("dec_depth", self.dec_depth)] {
            faults.add(depth == 0, || format!("{name} must be at least 1"));
        }
    }

    fn check_stages(&self, faults: &mut Faults) {
        let stages = self.stages();
        faults.add(stages < 2, || format!("the backbone needs two or more stages, not {stages}"));
        let lists = [
            ("encoder_heads", self.encoder_heads.len()),
            ("decoder_depths", self.decoder_depths.len()),
            ("decoder_heads", self.decoder_heads.len()),
        ];
        for (name, length) in lists {
            faults.add(length != stages, || {
                format!("{name} has {length} entries, but encoder_depths has {stages}")
            });
        }
        let sums = (self.encoder_depths.iter().sum::<usize>(), self.decoder_depths.iter().sum::<usize>());
        faults.add(sums.0 != sums.1, || {
            format!(
                "encoder_depths add up to {} blocks and decoder_depths to {}: they must agree",
                sums.0, sums.1
            )
        });
        for depth in self.encoder_depths.iter().chain(&self.decoder_depths) {
            faults.add(*depth == 0, || "every stage needs at least one block".into());
        }
        for (stage, &heads) in self.encoder_heads.iter().enumerate().take(stages) {
            self.check_heads(faults, "encoder", stage, heads, self.stage_width(stage));
        }
        for (stage, &heads) in self.decoder_heads.iter().enumerate().take(stages) {
            self.check_heads(faults, "decoder", stage, heads, self.stage_width(stages - 1 - stage));
        }
    }

    fn check_heads(&self, faults: &mut Faults, part: &str, stage: usize, heads: usize, width: usize) {
        faults.add(heads == 0 || !width.is_multiple_of(heads.max(1)), || {
            format!("{part} stage {stage} is {width} wide, which is no multiple of its {heads} heads")
        });
    }
}

/// Multiplications of a Perceiver for one patch: `queries` tokens read `context` tokens.
fn perceiver(width: f64, ratio: f64, queries: f64, context: f64, depth: usize) -> f64 {
    let projections = 2.0 * width * width * (queries + context);
    let attention = 2.0 * queries * context * width;
    let mlp = 2.0 * ratio * width * width * queries;
    depth as f64 * (projections + attention + mlp)
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut list: Vec<_> = names.collect();
    list.sort();
    list
}

fn repeated(names: &[String]) -> Vec<&String> {
    names
        .iter()
        .enumerate()
        .filter(|(index, name)| names[..*index].contains(name))
        .map(|(_, name)| name)
        .collect()
}

/// Sentences about what is wrong.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, wrong: bool, sentence: impl FnOnce() -> String) {
        if wrong {
            self.0.push(sentence());
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts measured on the classes of microsoft-aurora 2.0.1.
    #[test]
    fn presets_have_upstreams_parameter_counts() {
        let small = ParameterCount {
            total: 112_797_584,
            encoder: 1_743_616,
            backbone: 108_616_704,
            decoder: 2_437_264,
        };
        assert_eq!(ModelPlan::small().parameters(), small);
        assert_eq!(ModelPlan::small().tensors().len(), 332);
        let large = ParameterCount {
            total: 1_256_300_176,
            encoder: 6_764_032,
            backbone: 1_239_943_168,
            decoder: 9_592_976,
        };
        assert_eq!(ModelPlan::pretrained().parameters(), large);
        assert_eq!(ModelPlan::pretrained().tensors().len(), 668);
    }

    #[test]
    fn presets_are_valid_and_survive_serialisation() {
        for plan in [ModelPlan::small(), ModelPlan::pretrained()] {
            assert_eq!(plan.validate(), Ok(()));
            let text = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<ModelPlan>(&text).unwrap(), plan);
        }
    }

    #[test]
    fn each_broken_rule_is_named() {
        type Change = fn(&mut ModelPlan);
        let cases: Vec<(&str, Change)> = vec![
            ("columns", |plan| plan.width = 1442),
            ("rows", |plan| plan.height = 722),
            ("patch size must be 2", |plan| plan.patch = 1),
            ("multiple of 4", |plan| plan.embed_dim = 258),
            ("num_heads", |plan| plan.num_heads = 7),
            ("latent_levels 5", |plan| plan.latent_levels = 5),
            ("must agree", |plan| plan.encoder_depths[0] = 3),
            ("two or more stages", |plan| {
                plan.encoder_depths.truncate(1);
                plan.encoder_heads.truncate(1);
                plan.decoder_depths.truncate(1);
                plan.decoder_heads.truncate(1);
            }),
            ("encoder stage 1", |plan| plan.encoder_heads[1] = 3),
            ("decoder_heads has 2", |plan| plan.decoder_heads.truncate(2)),
            ("listed twice", |plan| plan.surface.push("2t".into())),
            ("static variable", |plan| plan.statics.clear()),
            ("kept positive", |plan| plan.positive_surface = vec!["cape".into()]),
            ("too few to merge", |plan| plan.height = 4),
            ("three weeks", |plan| plan.timestep = 600.0),
            ("hPa lies outside", |plan| plan.levels[0] = -1.0),
        ];
        for (expected, change) in cases {
            let mut plan = ModelPlan::small();
            change(&mut plan);
            let faults = plan.validate().expect_err(expected);
            assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:?}");
        }
    }

    /// A product of tokens with every weight is the bulk of the work of a large model.
    #[test]
    fn work_grows_with_the_backbone() {
        let plan = ModelPlan::pretrained();
        let tokens = 4.0 * 180.0 * 360.0;
        let outer = 2.0 * 12.0 * 512.0_f64.powi(2) * 12.0 * tokens;
        assert!(plan.forward_flops() > outer);
        assert!(plan.forward_flops() < 2e14 && plan.forward_flops() > 1e13, "{:e}", plan.forward_flops());
    }
}
