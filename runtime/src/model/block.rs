//! A block of the backbone: attention within windows and a perceptron, each with a modulated norm on its branch.

use std::sync::Arc;

use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor, TensorData};

use super::fused;
use super::layer::{Mlp, ModulatedNorm, constant, linear};
use super::parameters::Builder;
use super::window::WindowLayout;

/// Window attention and perceptron, each with a modulated norm on its branch.
#[derive(Module, Debug)]
pub(super) struct Block {
    attention_norm: ModulatedNorm,
    qkv: Linear,
    projection: Linear,
    mlp_norm: ModulatedNorm,
    mlp: Mlp,
    #[module(skip)]
    heads: usize,
}

impl Block {
    pub(super) fn new(builder: &mut Builder, prefix: &str, plan: &ModelPlan, sizes: &StageSizes) -> Block {
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
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        layout: Arc<WindowLayout>,
        condition: &Tensor<2>,
    ) -> Tensor<3> {
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

/// Sizes of the blocks of a stage.
pub(super) struct StageSizes {
    pub(super) width: usize,
    pub(super) depth: usize,
    pub(super) heads: usize,
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
