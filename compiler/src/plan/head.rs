//! Decoders beside Aurora's own: what each reads, predicts and is built of, and the weights that follow.
//!
//! All heads but the Perceiver read the latent state of a patch whole, that is, all latent levels side by side,
//! C·2D numbers. `conv` and `unet` work on points: the latent is narrowed to `width`, spread over the points of
//! its patch, and joined by the fields that the head reads of the newest input. `mlp` works on patches.
//!
//! Filters of 3×3 see the outermost points again beyond the edge of a regional grid, for zeros would be a frame of
//! average weather around every tile; on a global grid the columns go round. A head predicts one time; several at
//! once are not built.

use serde::{Deserialize, Serialize};

use super::list::Tensors;
use super::model::ModelPlan;

/// `head NAME { }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeadPlan {
    pub name: String,
    /// Fields of the newest input that it reads beside the latent state, by the checkpoint's names.
    pub reads: Vec<HeadField>,
    pub predicts: Vec<HeadField>,
    /// Equally probable quantiles predicted of each field; one value if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<usize>,
    pub layers: Layers,
}

/// A field that a head reads or predicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeadField {
    pub field: String,
    /// The checkpoint's name.
    pub named: String,
    /// It has one value per level, not one per column.
    pub levels: bool,
}

/// What a head is built of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layers {
    /// Aurora's own decoder over again: each level asks the latent levels. `modulate` adds a second output m
    /// for each field, whose prediction is then x + (1 + m)·previous.
    Perceiver { depth: usize, mlp_ratio: f64, modulate: bool },
    /// `depth` convolutions of 3×3 points, all `width` wide.
    Conv { width: usize, depth: usize },
    /// A U-Net with `depth` halvings; the width doubles with each.
    Unet { width: usize, depth: usize },
    /// `depth` layers on each patch by itself.
    Mlp { width: usize, depth: usize },
}

impl Layers {
    /// As a recipe writes it.
    #[must_use]
    pub fn spoken(&self) -> String {
        match self {
            Layers::Perceiver { modulate: false, .. } => "perceiver".to_string(),
            Layers::Perceiver { modulate: true, .. } => "perceiver(modulate = true)".to_string(),
            Layers::Conv { width, depth } => format!("conv(width = {width}, depth = {depth})"),
            Layers::Unet { width, depth } => format!("unet(width = {width}, depth = {depth})"),
            Layers::Mlp { width, depth } => format!("mlp(width = {width}, depth = {depth})"),
        }
    }
}

impl HeadPlan {
    /// Numbers predicted for one point of a field: its levels times its quantiles.
    fn outputs(&self, model: &ModelPlan, field: &HeadField) -> usize {
        let levels = if field.levels { model.levels.len() } else { 1 };
        levels.saturating_mul(self.quantiles.unwrap_or(1))
    }

    /// Channels of the newest input that it reads.
    fn inputs(&self, model: &ModelPlan) -> usize {
        self.reads.iter().map(|field| if field.levels { model.levels.len() } else { 1 }).sum()
    }

    /// The head's weights under `heads.NAME`.
    pub(super) fn tensors(&self, model: &ModelPlan, list: &mut Tensors) {
        let prefix = format!("heads.{}", self.name);
        let latent = 2 * model.embed_dim * model.latent_levels;
        let area = model.patch * model.patch;
        match self.layers {
            Layers::Perceiver { depth, mlp_ratio, modulate } => {
                let name = format!("{prefix}.level_decoder");
                list.perceiver(&name, 2 * model.embed_dim, mlp_ratio, depth, false);
                let outputs = area * self.quantiles.unwrap_or(1);
                for field in self.sorted() {
                    let name = format!("{prefix}.atmos_heads.{}", field.named);
                    model.level_outputs(list, &name, outputs);
                    if modulate {
                        model.level_outputs(list, &format!("{name}_mod"), outputs);
                    }
                }
            }
            Layers::Mlp { width, depth } => {
                let fields = self.inputs(model) * area;
                for layer in 0..depth {
                    let input = if layer == 0 { latent + fields } else { width };
                    list.linear(&format!("{prefix}.layers.{layer}"), input, width, true);
                }
                for field in self.sorted() {
                    let outputs = area * self.outputs(model, field);
                    list.linear(&format!("{prefix}.outputs.{}", field.named), width, outputs, true);
                }
            }
            Layers::Conv { width, depth } => {
                self.entry(model, list, latent, width);
                for layer in 0..depth {
                    convolution(list, &format!("{prefix}.layers.{layer}"), width, width);
                }
                self.points(model, list, width);
            }
            Layers::Unet { width, depth } => {
                self.entry(model, list, latent, width);
                unet(list, &prefix, width, depth);
                self.points(model, list, width);
            }
        }
    }

    /// From the patch's latent state to its points, joined by the fields that are read.
    fn entry(&self, model: &ModelPlan, list: &mut Tensors, latent: usize, width: usize) {
        let prefix = format!("heads.{}", self.name);
        list.linear(&format!("{prefix}.latent"), latent, width, true);
        list.transposed(&format!("{prefix}.spread"), width, width, model.patch);
        convolution(list, &format!("{prefix}.enter"), width + self.inputs(model), width);
    }

    /// From the points' features to each field.
    fn points(&self, model: &ModelPlan, list: &mut Tensors, width: usize) {
        for field in self.sorted() {
            let name = format!("heads.{}.outputs.{}", self.name, field.named);
            list.convolution(&name, width, self.outputs(model, field), 1);
        }
    }

    fn sorted(&self) -> Vec<&HeadField> {
        let mut list: Vec<_> = self.predicts.iter().collect();
        list.sort_by(|a, b| a.named.cmp(&b.named));
        list
    }

    /// Multiplications for one sample, forward.
    pub(super) fn products(&self, model: &ModelPlan) -> f64 {
        let (rows, columns) = model.patch_grid();
        let patches = (rows * columns) as f64;
        let points = patches * (model.patch * model.patch) as f64;
        let mut list = Tensors::default();
        self.tensors(model, &mut list);
        if let Layers::Perceiver { depth, mlp_ratio, .. } = self.layers {
            let (width, levels) = (2.0 * model.embed_dim as f64, model.levels.len() as f64);
            let context = model.latent_levels as f64 - 1.0;
            let decoder = super::model::perceiver_products(width, mlp_ratio, levels, context, depth);
            let outputs = self.predicts.len() as f64 * levels * width * (model.patch * model.patch) as f64;
            return patches * (decoder + outputs * self.quantiles.unwrap_or(1) as f64);
        }
        let one = |(name, shape): &(String, Vec<usize>)| {
            let size = shape.iter().product::<usize>() as f64;
            match shape.len() {
                0 | 1 => 0.0,
                2 => size * patches,
                // The filter that spreads a patch's features is applied once a patch, over all its points.
                _ if name.ends_with(".spread.weight") => size * patches,
                _ => size * points / unet_shrink(name),
            }
        };
        list.0.iter().map(one).sum()
    }
}

/// How many times fewer points a layer of the U-Net sees.
fn unet_shrink(name: &str) -> f64 {
    let stage =
        |part: &str| name.split_once(part).and_then(|(_, rest)| rest.split('.').next()?.parse::<i32>().ok());
    if let Some(stage) = stage(".down.") {
        let below = i32::from(name.contains(".merge."));
        return 4f64.powi(stage + below);
    }
    stage(".up.").map_or(1.0, |stage| 4f64.powi(stage + i32::from(name.contains(".split."))))
}

/// A filter of 3×3 points and the norm after it.
fn convolution(list: &mut Tensors, name: &str, input: usize, output: usize) {
    list.convolution(&format!("{name}.convolution"), input, output, 3);
    list.norm(&format!("{name}.norm"), output);
}

/// Stage i is `width`·2^i wide; `down.i` works there and halves, `up.i` comes back and joins what `down.i` kept.
fn unet(list: &mut Tensors, prefix: &str, width: usize, depth: usize) {
    let wide = |stage: usize| width.saturating_mul(1usize.checked_shl(stage as u32).unwrap_or(usize::MAX));
    for stage in 0..=depth {
        let name = format!("{prefix}.down.{stage}");
        convolution(list, &format!("{name}.first"), wide(stage), wide(stage));
        convolution(list, &format!("{name}.second"), wide(stage), wide(stage));
        if stage < depth {
            list.convolution(&format!("{name}.merge"), wide(stage), wide(stage + 1), 2);
        }
    }
    for stage in (0..depth).rev() {
        let name = format!("{prefix}.up.{stage}");
        list.transposed(&format!("{name}.split"), wide(stage + 1), wide(stage), 2);
        convolution(list, &format!("{name}.first"), 2 * wide(stage), wide(stage));
        convolution(list, &format!("{name}.second"), wide(stage), wide(stage));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::model::parameters_of;

    fn with(layers: Layers, levels: bool) -> ModelPlan {
        let field = |name: &str, levels| HeadField { field: name.into(), named: name.into(), levels };
        let mut plan = ModelPlan::small();
        let predicts =
            if levels { vec![field("q", true)] } else { vec![field("refc", false), field("uh", false)] };
        if !levels {
            plan.surface.extend(["refc".to_string(), "uh".to_string()]);
        }
        plan.options.heads =
            vec![HeadPlan { name: "storms".into(), reads: Vec::new(), predicts, quantiles: None, layers }];
        plan
    }

    /// Counted by hand from what each layer is said to be: width 8, latent 4·512, patch 4.
    #[test]
    fn heads_have_the_weights_they_say() {
        let (latent, filter) = (4 * 512, |input: usize, output: usize| 9 * input * output + 3 * output);
        let entry = latent * 8 + 8 + 16 * 8 * 8 + 8 + filter(8, 8);
        let last = 2 * (8 + 1);
        let conv = with(Layers::Conv { width: 8, depth: 2 }, false);
        assert_eq!(parameters_of(&conv.group("storms")) as usize, entry + 2 * filter(8, 8) + last);
        let unet = with(Layers::Unet { width: 8, depth: 1 }, false);
        let down = 2 * filter(8, 8) + (4 * 8 * 16 + 16) + 2 * filter(16, 16);
        let up = (4 * 16 * 8 + 8) + filter(16, 8) + filter(8, 8);
        assert_eq!(parameters_of(&unet.group("storms")) as usize, entry + down + up + last);
        let mlp = with(Layers::Mlp { width: 8, depth: 2 }, false);
        let layers = latent * 8 + 8 + 8 * 8 + 8 + 2 * (8 * 16 + 16);
        assert_eq!(parameters_of(&mlp.group("storms")) as usize, layers);
    }

    /// A Perceiver of its own is as large as Aurora's; what it predicts Aurora's own decoder no longer does.
    #[test]
    fn a_perceiver_head_is_auroras_decoder_over_again() {
        let plan = with(Layers::Perceiver { depth: 1, mlp_ratio: 2.0, modulate: true }, true);
        let own: Vec<_> = ModelPlan::small().group("decoder");
        let of = |part: &str| {
            parameters_of(&own.iter().filter(|(name, _)| name.contains(part)).cloned().collect::<Vec<_>>())
        };
        let expected = of("level_decoder") + 2 * of("atmos_heads.q");
        assert_eq!(parameters_of(&plan.group("storms")), expected);
        assert!(plan.tensors().iter().all(|(name, _)| !name.starts_with("decoder.atmos_heads.q.")));
    }

    #[test]
    fn work_of_a_head_counts_the_points_of_each_stage() {
        let plan = with(Layers::Conv { width: 8, depth: 2 }, false);
        let points = 720.0 * 1440.0;
        let patches = points / 16.0;
        let expected = patches * (2048.0 * 8.0) + points * (8.0 * 8.0 + 3.0 * 9.0 * 64.0 + 2.0 * 8.0);
        assert_eq!(plan.options.heads[0].products(&plan), expected);
        let deep = with(Layers::Unet { width: 8, depth: 1 }, false);
        let entry = patches * (2048.0 * 8.0) + points * (64.0 + 576.0 + 16.0);
        // Stage 1 has a quarter of the points and twice the width; `merge` and `split` map 2×2 points to one.
        let quarter = points / 4.0;
        let inner = points * (4.0 * 576.0 + 576.0) + quarter * (2.0 * 9.0 * 256.0 + 2.0 * 4.0 * 8.0 * 16.0);
        assert_eq!(deep.options.heads[0].products(&deep), entry + inner);
    }
}
