//! The full description of Aurora as configured, and what follows from it alone: the names and shapes
//! of the weights, their number, the work of a forward pass, and the rules a configuration must keep.

mod rules;
mod tensors;

use serde::{Deserialize, Serialize};

/// Aurora, configured. Variables carry the names of the checkpoint (`2t`, `10u`, `msl`, ...).
///
/// The names of the hyper-parameters are those of Microsoft's constructor, in whole words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LoraPlan {
    pub mode: LoraMode,
    /// Roll-out steps that are adapted.
    pub steps: usize,
    pub rank: usize,
    pub alpha: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoraMode {
    Single,
    FromSecond,
    All,
}

/// Numbers of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
        self.embed_dim.saturating_mul(1usize.checked_shl(stage as u32).unwrap_or(usize::MAX))
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
        type Case = (&'static str, fn(&mut ModelPlan));
        let cases: Vec<Case> = vec![
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
