//! The full description of Aurora as configured, and what follows from it alone: the names and shapes
//! of the weights, their number, the work of a forward pass, and the rules a configuration must keep.

mod groups;
mod presets;
mod rules;
mod tensors;
mod work;

use serde::{Deserialize, Serialize};

use super::head::HeadPlan;

pub use groups::{Tensor, parameters_of};
pub use presets::{Preset, Published};
pub use rules::Fault;
pub use tensors::TIME_CHANNELS;
pub use work::Work;
pub(super) use work::perceiver_products;

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
    /// Shortest and longest lead time in hours, where it varies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_times: Option<(f64, f64)>,
    /// Attention whose logits are kept inside the range of 16-bit floating point.
    pub fp16_safe_attention: bool,
    /// What a published class does before the encoder and after the decoder.
    pub family: Family,
    /// Variables of `surface` and `atmosphere` that are predicted and never read. The published Aurora 1.5
    /// embeds them all the same, as zeros; elsewhere they have no embedding.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output_only: Vec<OutputOnly>,
    /// Surface variables that are read and not predicted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forcing_surface: Vec<String>,
    /// Variables on levels that are read and not predicted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forcing_atmosphere: Vec<String>,
    /// Bounds in physical units (SI), put on a prediction before it is fed back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clips: Vec<Clip>,
    /// Surface variables (of waves) with a channel that says where they exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub density_channels: Vec<String>,
    /// Surface variables that are angles in degrees, read and predicted as sine and cosine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub angles: Vec<String>,
    /// Decoders beside Aurora's own; what none of them claims Aurora's own predicts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<HeadPlan>,
}

/// Whose hooks a model has: what happens to a batch before the encoder and after the decoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// None.
    #[default]
    Base,
    /// Pollutants are combined with their logarithms, and predicted as changes of an earlier state.
    AirPollution,
    /// Waves have angles and are absent in places.
    Wave,
    /// Logarithmic accumulations, insolation by formula, output-only variables embedded as zeros.
    V1p5,
}

/// A variable that is predicted and never read, by its kind, for `z` may be both on levels and static.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputOnly {
    Surface(String),
    Atmosphere(String),
}

/// Bounds of one variable; an open end is absent. Those of a variable on levels hold on all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Clip {
    pub variable: String,
    /// The variable lives on levels.
    #[serde(default)]
    pub levels: bool,
    pub least: Option<f64>,
    pub greatest: Option<f64>,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ParameterCount {
    pub total: u64,
    pub encoder: u64,
    pub backbone: u64,
    pub decoder: u64,
    /// Of heads beside Aurora's own decoder.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub heads: u64,
    /// Outside of the three parts: the combiners of the air pollution model.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes references
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl ModelPlan {
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
            heads: 0,
            other: 0,
        };
        assert_eq!(ModelPlan::small().parameters(), small);
        assert_eq!(ModelPlan::small().tensors().len(), 332);
        let large = ParameterCount {
            total: 1_256_300_176,
            encoder: 6_764_032,
            backbone: 1_239_943_168,
            decoder: 9_592_976,
            heads: 0,
            other: 0,
        };
        assert_eq!(ModelPlan::pretrained().parameters(), large);
        assert_eq!(ModelPlan::pretrained().tensors().len(), 668);
    }

    #[test]
    fn presets_are_valid_and_survive_serialisation() {
        for preset in Preset::ALL {
            let plan = preset.plan();
            assert_eq!(plan.validate(), Ok(()), "{}", preset.word());
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
