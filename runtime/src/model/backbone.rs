//! The backbone: a Swin transformer in three dimensions, shaped as a U-Net.

use std::sync::Arc;

use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::silu;

use super::block::{Block, Pass, StageSizes};
use super::layer::{constant, linear};
use super::mode::Mode;
use super::noise::Noise;
use super::parameters::Builder;
use super::recompute::{segment, segment_of};
use super::resample::{Merging, Splitting, gather};
use super::window::Layouts;
use super::{ModelError, fourier};

/// Tokens (B, C·L, D) → (B, C·L, 2D).
#[derive(Module, Debug)]
pub struct Backbone {
    time_first: Linear,
    time_second: Linear,
    stochastic: Option<Stochastic>,
    down: Vec<Stage>,
    up: Vec<Stage>,
    #[module(skip)]
    width: usize,
    #[module(skip)]
    updated_lead_time: bool,
    #[module(skip)]
    noise: Noise,
}

/// What brings noise into the conditioning of every token.
#[derive(Module, Debug)]
struct Stochastic {
    first: Linear,
    second: Linear,
    /// From each resolution to the next lower one.
    merging: Vec<Linear>,
}

/// What the backbone is told beside its tokens.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Lead time of each sample in hours.
    pub lead: Vec<f32>,
    /// Roll-out step of the input, 0 for data: chooses the low-rank adaptation.
    pub step: usize,
    /// How the pass is made.
    pub mode: Mode,
}

/// Outputs of the backbone's parts, for comparison with the reference.
#[derive(Debug, Default)]
pub struct BackboneTrace {
    pub time: Option<Tensor<2>>,
    /// Of a stochastic backbone.
    pub noise: Option<Tensor<3>>,
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
        let stochastic = plan.options.stochastic.then(|| Stochastic::new(builder, plan));
        let mut stage = |part: &str, index: usize, level: usize, depths: &[usize], heads: usize| {
            let prefix = format!("backbone.{part}_layers.{index}");
            let sizes = StageSizes { width: plan.stage_width(level), depth: depths[index], heads };
            let first = depths[..index].iter().sum();
            let drop_paths = &drop_paths(plan.options.drop_path, depths)[first..];
            Stage::new(builder, &prefix, plan, sizes, drop_paths, &layouts)
        };
        let mut down: Vec<Stage> = (0..stages)
            .map(|index| stage("encoder", index, index, &plan.encoder_depths, plan.encoder_heads[index]))
            .collect();
        let mut up: Vec<Stage> = (0..stages)
            .map(|index| {
                let level = stages - 1 - index;
                stage("decoder", index, level, &plan.decoder_depths, plan.decoder_heads[index])
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
            stochastic,
            down,
            up,
            width,
            updated_lead_time: plan.options.updated_lead_time_embedding,
            noise: Noise::default(),
        }
    }

    /// The noise that a stochastic backbone draws; clones of the model share it.
    pub fn noise(&self) -> &Noise {
        &self.noise
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
        let contexts = self.contexts(&tokens, resolution, conditions, &mut trace)?;
        let pass = Pass { step: conditions.step, mode: conditions.mode.clone() };
        let recomputation = pass.mode.recomputation.as_ref();
        let (mut x, mut resolutions, mut skips) = (tokens, vec![resolution], Vec::new());
        for (index, stage) in self.down.iter().enumerate() {
            let here = resolutions[index];
            let prefix = || format!("backbone.encoder_layers.{index}");
            x = stage.blocks(x, here, contexts.at(index), &pass, &mut trace, prefix)?;
            if let Some(merging) = &stage.merging {
                skips.push(x.clone());
                x = segment_of(recomputation, merging, x, move |merging, x| Ok(merging.forward(x, here)))?;
                resolutions.push(halved(here));
            }
            BackboneTrace::keep(&mut trace, prefix, &x);
        }
        let last = self.up.len() - 1;
        for (index, stage) in self.up.iter().enumerate() {
            let level = last - index;
            let prefix = || format!("backbone.decoder_layers.{index}");
            x = stage.blocks(x, resolutions[level], contexts.at(level), &pass, &mut trace, prefix)?;
            if let Some(splitting) = &stage.splitting {
                let (from, to) = (resolutions[level], resolutions[level - 1]);
                x = segment_of(recomputation, splitting, x, move |splitting, x| {
                    Ok(splitting.forward(x, from, to))
                })?;
            }
            BackboneTrace::keep(&mut trace, prefix, &x);
            // The first, deepest stage gets no skip; the last is joined to its skip.
            if index > 0 && index < last {
                x = x + skips[level - 1].clone();
            }
        }
        Ok(Tensor::cat(vec![x, skips[0].clone()], 2))
    }

    /// The conditioning at each resolution, after SiLU.
    fn contexts(
        &self,
        tokens: &Tensor<3>,
        mut resolution: [usize; 3],
        conditions: &Conditions,
        trace: &mut Option<&mut BackboneTrace>,
    ) -> Result<Contexts, ModelError> {
        let [samples, count, _] = tokens.dims();
        let device = tokens.device();
        let Conditions { lead, step, mode } = conditions;
        if lead.len() != samples {
            return Err(ModelError::Batch(format!("{} lead times for {samples} samples", lead.len())));
        }
        let features = fourier::lead_time(lead, self.width, self.updated_lead_time)?;
        let features = constant(features, [samples, self.width], &device);
        let time = linear(&self.time_second, silu(linear(&self.time_first, features)));
        if let Some(trace) = trace {
            trace.time = Some(time.clone());
        }
        let time = time.unsqueeze_dim::<3>(1);
        let Some(stochastic) = &self.stochastic else { return Ok(Contexts(vec![silu(time)])) };
        let noise = self.noise.draw([samples, count, self.width], mode.chance, *step, &device);
        let noise = linear(&stochastic.second, silu(linear(&stochastic.first, noise)));
        if let Some(trace) = trace {
            trace.noise = Some(noise.clone());
        }
        let mut context = time + noise;
        let mut list = vec![silu(context.clone())];
        for merging in &stochastic.merging {
            context = linear(merging, gather(context, resolution));
            resolution = halved(resolution);
            list.push(silu(context.clone()));
        }
        Ok(Contexts(list))
    }
}

/// The conditioning (B, 1, D) of all resolutions, or (B, N, D) of each.
struct Contexts(Vec<Tensor<3>>);

impl Contexts {
    fn at(&self, level: usize) -> &Tensor<3> {
        self.0.get(level).unwrap_or(&self.0[0])
    }
}

impl Stochastic {
    fn new(builder: &mut Builder, plan: &ModelPlan) -> Stochastic {
        let width = plan.embed_dim;
        let merging = (0..plan.stages() - 1).map(|stage| {
            let name = format!("backbone.context_down_layers.{stage}.reduction");
            builder.linear(&name, 4 * width, width, false)
        });
        let merging = merging.collect();
        Stochastic {
            first: builder.linear("backbone.noise_mlp.0", width, width, true),
            second: builder.linear("backbone.noise_mlp.2", width, width, true),
            merging,
        }
    }
}

/// Levels, rows and columns at the next lower resolution.
fn halved([levels, rows, columns]: [usize; 3]) -> [usize; 3] {
    [levels, rows.div_ceil(2), columns.div_ceil(2)]
}

/// Rates of stochastic depth that grow evenly over all blocks, from none to the greatest.
fn drop_paths(greatest: f64, depths: &[usize]) -> Vec<f64> {
    let blocks = depths.iter().sum::<usize>();
    (0..blocks).map(|block| greatest * block as f64 / (blocks.max(2) - 1) as f64).collect()
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
        drop_paths: &[f64],
        layouts: &Layouts,
    ) -> Stage {
        let blocks = (0..sizes.depth)
            .zip(drop_paths)
            .map(|(index, rate)| {
                Block::new(builder, &format!("{prefix}.blocks.{index}"), plan, &sizes, *rate)
            })
            .collect();
        let (window, wrap) = (plan.window, plan.wrap);
        Stage { blocks, merging: None, splitting: None, window, wrap, layouts: layouts.clone() }
    }

    fn blocks(
        &self,
        mut x: Tensor<3>,
        resolution: [usize; 3],
        condition: &Tensor<3>,
        pass: &Pass,
        trace: &mut Option<&mut BackboneTrace>,
        prefix: impl Fn() -> String,
    ) -> Result<Tensor<3>, ModelError> {
        for (index, block) in self.blocks.iter().enumerate() {
            let layout = self.layouts.get(resolution, self.window, index % 2 == 1, self.wrap);
            let own = pass.clone();
            x = segment(
                pass.mode.recomputation.as_ref(),
                block,
                x,
                condition.clone(),
                move |block, x, c| Ok(block.forward(x, Arc::clone(&layout), c, &own)),
            )?;
            BackboneTrace::keep(trace, || format!("{}.blocks.{index}", prefix()), &x);
        }
        Ok(x)
    }
}
