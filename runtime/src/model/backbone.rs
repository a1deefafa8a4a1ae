//! The backbone: a Swin transformer in three dimensions, shaped as a U-Net.

use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::silu;

use super::block::{Block, StageSizes};
use super::layer::{constant, linear};
use super::parameters::Builder;
use super::resample::{Merging, Splitting};
use super::window::Layouts;
use super::{ModelError, fourier};

/// Tokens (B, C·L, D) → (B, C·L, 2D).
#[derive(Module, Debug)]
pub struct Backbone {
    time_first: Linear,
    time_second: Linear,
    down: Vec<Stage>,
    up: Vec<Stage>,
    #[module(skip)]
    width: usize,
}

/// What the backbone is told beside its tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// Lead time of each sample in hours.
    pub lead: Vec<f32>,
    /// Roll-out step of the input, 0 for data: chooses the low-rank adaptation.
    pub step: usize,
}

/// Outputs of the backbone's parts, for comparison with the reference.
#[derive(Debug, Default)]
pub struct BackboneTrace {
    pub time: Option<Tensor<2>>,
    /// Aurora's module name → output.
    pub outputs: Vec<(String, Tensor<3>)>,
}

impl BackboneTrace {
    fn keep(trace: &mut Option<&mut BackboneTrace>, name: impl FnOnce() -> String, output: &Tensor<3>) {
        if let Some(trace) = trace {
            trace.outputs.push((name(), output.clone()));
        }
    }
}

impl Backbone {
    pub fn new(builder: &mut Builder, plan: &ModelPlan) -> Backbone {
        let (width, stages) = (plan.embed_dim, plan.stages());
        let layouts = Layouts::default();
        let mut stage = |part: &str, index: usize, level: usize, depth: usize, heads: usize| {
            let prefix = format!("backbone.{part}_layers.{index}");
            let sizes = StageSizes { width: plan.stage_width(level), depth, heads };
            Stage::new(builder, &prefix, plan, sizes, &layouts)
        };
        let mut down: Vec<Stage> = (0..stages)
            .map(|index| {
                stage("encoder", index, index, plan.encoder_depths[index], plan.encoder_heads[index])
            })
            .collect();
        let mut up: Vec<Stage> = (0..stages)
            .map(|index| {
                let level = stages - 1 - index;
                stage("decoder", index, level, plan.decoder_depths[index], plan.decoder_heads[index])
            })
            .collect();
        for index in 0..stages - 1 {
            let prefix = format!("backbone.encoder_layers.{index}.downsample");
            down[index].merging = Some(Merging::new(builder, &prefix, plan.stage_width(index)));
            let prefix = format!("backbone.decoder_layers.{index}.upsample");
            up[index].splitting =
                Some(Splitting::new(builder, &prefix, plan.stage_width(stages - 1 - index)));
        }
        Backbone {
            time_first: builder.linear("backbone.time_mlp.0", width, width, true),
            time_second: builder.linear("backbone.time_mlp.2", width, width, true),
            down,
            up,
            width,
        }
    }

    /// Runs the U-Net over tokens (B, C·L, D) of the given (levels, rows, columns).
    ///
    /// # Errors
    /// When the lead times are not one for each sample or lie outside the expansion's range.
    pub fn forward(
        &self,
        tokens: Tensor<3>,
        resolution: [usize; 3],
        conditions: &Conditions,
        mut trace: Option<&mut BackboneTrace>,
    ) -> Result<Tensor<3>, ModelError> {
        let samples = tokens.dims()[0];
        if conditions.lead.len() != samples {
            let count = conditions.lead.len();
            return Err(ModelError::Batch(format!("{count} lead times for {samples} samples")));
        }
        let features = fourier::LEAD_TIME.expand(&conditions.lead, self.width)?;
        let features = constant(features, [samples, self.width], &tokens.device());
        let condition = linear(&self.time_second, silu(linear(&self.time_first, features)));
        if let Some(trace) = &mut trace {
            trace.time = Some(condition.clone());
        }
        let condition = silu(condition);
        let (mut x, mut resolutions, mut skips) = (tokens, vec![resolution], Vec::new());
        for (index, stage) in self.down.iter().enumerate() {
            let here = resolutions[index];
            let prefix = || format!("backbone.encoder_layers.{index}");
            x = stage.blocks(x, here, &condition, &mut trace, prefix);
            if let Some(merging) = &stage.merging {
                skips.push(x.clone());
                x = merging.forward(x, here);
                resolutions.push([here[0], here[1].div_ceil(2), here[2].div_ceil(2)]);
            }
            BackboneTrace::keep(&mut trace, prefix, &x);
        }
        let last = self.up.len() - 1;
        for (index, stage) in self.up.iter().enumerate() {
            let level = last - index;
            let prefix = || format!("backbone.decoder_layers.{index}");
            x = stage.blocks(x, resolutions[level], &condition, &mut trace, prefix);
            if let Some(splitting) = &stage.splitting {
                x = splitting.forward(x, resolutions[level], resolutions[level - 1]);
            }
            BackboneTrace::keep(&mut trace, prefix, &x);
            // The first, deepest stage gets no skip; the last is joined to its skip.
            if index > 0 && index < last {
                x = x + skips[level - 1].clone();
            }
        }
        Ok(Tensor::cat(vec![x, skips[0].clone()], 2))
    }
}

/// Blocks at one resolution, and the way to the next.
#[derive(Module, Debug)]
struct Stage {
    blocks: Vec<Block>,
    merging: Option<Merging>,
    splitting: Option<Splitting>,
    #[module(skip)]
    window: [usize; 3],
    #[module(skip)]
    wrap: bool,
    #[module(skip)]
    layouts: Layouts,
}

impl Stage {
    fn new(
        builder: &mut Builder,
        prefix: &str,
        plan: &ModelPlan,
        sizes: StageSizes,
        layouts: &Layouts,
    ) -> Stage {
        let blocks = (0..sizes.depth)
            .map(|index| Block::new(builder, &format!("{prefix}.blocks.{index}"), plan, &sizes))
            .collect();
        let (window, wrap) = (plan.window, plan.wrap);
        Stage { blocks, merging: None, splitting: None, window, wrap, layouts: layouts.clone() }
    }

    fn blocks(
        &self,
        mut x: Tensor<3>,
        resolution: [usize; 3],
        condition: &Tensor<2>,
        trace: &mut Option<&mut BackboneTrace>,
        prefix: impl Fn() -> String,
    ) -> Tensor<3> {
        for (index, block) in self.blocks.iter().enumerate() {
            let layout = self.layouts.get(resolution, self.window, index % 2 == 1, self.wrap);
            x = block.forward(x, layout, condition);
            BackboneTrace::keep(trace, || format!("{}.blocks.{index}", prefix()), &x);
        }
        x
    }
}
