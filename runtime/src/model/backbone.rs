//! The backbone: a Swin transformer in three dimensions, shaped as a U-Net.

use std::sync::Arc;

use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::{silu, softmax};
use burn::tensor::{Int, Tensor, TensorData};

use super::fused;
use super::layer::{Mlp, ModulatedNorm, Norm, constant, linear};
use super::parameters::Builder;
use super::window::{Layouts, WindowLayout};
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

    /// Runs the U-Net over tokens of the given (levels, rows, columns) for a lead time in hours.
    pub fn forward(
        &self,
        tokens: Tensor<3>,
        resolution: [usize; 3],
        lead: f32,
        mut trace: Option<&mut BackboneTrace>,
    ) -> Result<Tensor<3>, ModelError> {
        let samples = tokens.dims()[0];
        let features = fourier::LEAD_TIME.expand(&vec![lead; samples], self.width)?;
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

struct StageSizes {
    width: usize,
    depth: usize,
    heads: usize,
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

/// Window attention and perceptron, each with a modulated norm on its branch.
#[derive(Module, Debug)]
struct Block {
    attention_norm: ModulatedNorm,
    qkv: Linear,
    projection: Linear,
    mlp_norm: ModulatedNorm,
    mlp: Mlp,
    #[module(skip)]
    heads: usize,
}

impl Block {
    fn new(builder: &mut Builder, prefix: &str, plan: &ModelPlan, sizes: &StageSizes) -> Block {
        let width = sizes.width;
        let names = [&*format!("{prefix}.mlp.fc1"), &*format!("{prefix}.mlp.fc2")];
        Block {
            attention_norm: ModulatedNorm::new(builder, &format!("{prefix}.norm1"), plan.embed_dim, width),
            qkv: builder.linear(&format!("{prefix}.attn.qkv"), width, 3 * width, true),
            projection: builder.linear(&format!("{prefix}.attn.proj"), width, width, true),
            mlp_norm: ModulatedNorm::new(builder, &format!("{prefix}.norm2"), plan.embed_dim, width),
            mlp: Mlp::new(builder, names, width, ModelPlan::hidden(width, plan.mlp_ratio)),
            heads: sizes.heads,
        }
    }

    /// `x` (B, C·h·w, d), `condition` (B, D) after SiLU.
    fn forward(&self, x: Tensor<3>, layout: Arc<WindowLayout>, condition: &Tensor<2>) -> Tensor<3> {
        // Padding tokens are zero before the linear map, so that theirs is its bias.
        let padding = self.qkv.bias.as_ref().map(|bias| bias.val());
        let qkv = linear(&self.qkv, x.clone());
        let attended = match padding {
            Some(padding) if fused::available(&x.device()) => {
                fused::window_attention(qkv, padding, &layout, self.heads)
            }
            padding => window_attention(qkv, padding, &layout, self.heads),
        };
        let attended = linear(&self.projection, attended);
        let x = x + self.attention_norm.forward(attended, condition.clone());
        let branch = self.mlp.forward(x.clone());
        x + self.mlp_norm.forward(branch, condition.clone())
    }
}

/// Attention within windows: (B, N, 3d), features ordered (query key value, head, head width) → (B, N, d).
pub(super) fn window_attention(
    qkv: Tensor<3>,
    padding: Option<Tensor<1>>,
    layout: &WindowLayout,
    heads: usize,
) -> Tensor<3> {
    let [samples, count, triple] = qkv.dims();
    let (width, device) = (triple / 3, qkv.device());
    let indices = |list: &[u32]| {
        let list: Vec<i32> = list.iter().map(|index| *index as i32).collect();
        let length = list.len();
        Tensor::<1, Int>::from_data(TensorData::new(list, [length]), &device)
    };
    let qkv = match padding {
        Some(padding) if layout.tokens.len() > count => {
            Tensor::cat(vec![qkv, padding.unsqueeze::<3>().expand([samples, 1, triple])], 1)
        }
        _ => qkv,
    };
    let (windows, size) = (layout.windows, layout.size);
    let parts = qkv
        .select(1, indices(&layout.tokens))
        .reshape([samples * windows, size, 3, heads, width / heads])
        .permute([2, 0, 3, 1, 4]);
    let part = |index| parts.clone().narrow(0, index, 1).squeeze_dim::<4>(0);
    let scale = ((width / heads) as f32).powf(-0.5);
    let mut scores = part(0).mul_scalar(scale).matmul(part(1).transpose());
    if let Some(mask) = layout.mask() {
        let mask = constant(mask, [1, windows, 1, size, size], &device);
        scores = (scores.reshape([samples, windows, heads, size, size]) + mask).reshape([
            samples * windows,
            heads,
            size,
            size,
        ]);
    }
    let mixed = softmax(scores, 3).matmul(part(2)).swap_dims(1, 2).reshape([samples, windows * size, width]);
    mixed.select(1, indices(&layout.places))
}

/// Four neighbouring tokens become one of twice the width.
#[derive(Module, Debug)]
struct Merging {
    norm: Norm,
    reduction: Linear,
}

impl Merging {
    fn new(builder: &mut Builder, prefix: &str, width: usize) -> Merging {
        Merging {
            norm: builder.norm(&format!("{prefix}.norm"), 4 * width, 1e-5),
            reduction: builder.linear(&format!("{prefix}.reduction"), 4 * width, 2 * width, false),
        }
    }

    /// Odd rows and columns are padded with zeros at the bottom and the right.
    fn forward(&self, x: Tensor<3>, [levels, rows, columns]: [usize; 3]) -> Tensor<3> {
        let [samples, _, width] = x.dims();
        let device = x.device();
        let mut x = x.reshape([samples, levels, rows, columns, width]);
        let (high, wide) = (rows.div_ceil(2), columns.div_ceil(2));
        if rows % 2 == 1 {
            x = Tensor::cat(vec![x, Tensor::zeros([samples, levels, 1, columns, width], &device)], 2);
        }
        if columns % 2 == 1 {
            x = Tensor::cat(vec![x, Tensor::zeros([samples, levels, 2 * high, 1, width], &device)], 3);
        }
        let x = x
            .reshape([samples, levels, high, 2, wide, 2, width])
            .permute([0, 1, 2, 4, 3, 5, 6])
            .reshape([samples, levels * high * wide, 4 * width]);
        linear(&self.reduction, self.norm.forward(x))
    }
}

/// One token becomes four of half the width.
#[derive(Module, Debug)]
struct Splitting {
    expansion: Linear,
    norm: Norm,
    mixing: Linear,
}

impl Splitting {
    fn new(builder: &mut Builder, prefix: &str, width: usize) -> Splitting {
        Splitting {
            expansion: builder.linear(&format!("{prefix}.lin1"), width, 2 * width, false),
            norm: builder.norm(&format!("{prefix}.norm"), width / 2, 1e-5),
            mixing: builder.linear(&format!("{prefix}.lin2"), width / 2, width / 2, false),
        }
    }

    /// The result is cropped to `target`, which may be a row or a column short of twice the size.
    fn forward(&self, x: Tensor<3>, [levels, rows, columns]: [usize; 3], target: [usize; 3]) -> Tensor<3> {
        let [samples, _, width] = x.dims();
        let half = width / 2;
        let mut x = linear(&self.expansion, x)
            .reshape([samples, levels, rows, columns, 2, 2, half])
            .permute([0, 1, 2, 4, 3, 5, 6])
            .reshape([samples, levels, 2 * rows, 2 * columns, half]);
        if target[1] < 2 * rows {
            x = x.narrow(2, 0, target[1]);
        }
        if target[2] < 2 * columns {
            x = x.narrow(3, 0, target[2]);
        }
        let x = x.reshape([samples, target.iter().product(), half]);
        linear(&self.mixing, self.norm.forward(x))
    }
}
