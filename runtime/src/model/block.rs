//! A block of the backbone: attention within windows and a perceptron, each with a modulated norm on its branch.

use std::sync::Arc;

use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Int, Tensor, TensorData};

use super::chance::{Dropout, dropped};
use super::fused;
use super::layer::{Mlp, ModulatedNorm, cast, cast_like, constant, linear};
use super::lora::Lora;
use super::mode::Mode;
use super::parameters::Builder;
use super::window::WindowLayout;

/// Window attention and perceptron, each with a modulated norm on its branch.
#[derive(Module, Debug)]
pub(super) struct Block {
    attention_norm: ModulatedNorm,
    qkv: Linear,
    qkv_update: Option<Lora>,
    projection: Linear,
    projection_update: Option<Lora>,
    mlp_norm: ModulatedNorm,
    mlp: Mlp,
    #[module(skip)]
    settings: Arc<Settings>,
}

/// What a block is, beside its weights.
#[derive(Debug)]
struct Settings {
    heads: usize,
    /// Dropout, and stochastic depth of the branches.
    drop_rate: f64,
    drop_path: f64,
    /// Attention's logits are kept inside the range of f16.
    safe: bool,
    /// Aurora's name of the block.
    name: String,
}

/// What a pass through blocks is told beside tokens and conditioning.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    /// Roll-out step of the input.
    pub(super) step: usize,
    pub(super) mode: Mode,
}

impl Block {
    /// `drop_path` is the block's own rate of stochastic depth.
    pub(super) fn new(
        builder: &mut Builder,
        name: &str,
        plan: &ModelPlan,
        sizes: &StageSizes,
        drop_path: f64,
    ) -> Block {
        let (width, options) = (sizes.width, &plan.options);
        let names = [&*format!("{name}.mlp.fc1"), &*format!("{name}.mlp.fc2")];
        let mut update = |part: &str, output| {
            let lora = options.lora.as_ref()?;
            Some(Lora::new(builder, &format!("{name}.attn.lora_{part}"), lora, width, output))
        };
        let (qkv_update, projection_update) = (update("qkv", 3 * width), update("proj", width));
        Block {
            attention_norm: ModulatedNorm::new(builder, &format!("{name}.norm1"), plan.embed_dim, width),
            qkv: builder.linear(&format!("{name}.attn.qkv"), width, 3 * width, true),
            qkv_update,
            projection: builder.linear(&format!("{name}.attn.proj"), width, width, true),
            projection_update,
            mlp_norm: ModulatedNorm::new(builder, &format!("{name}.norm2"), plan.embed_dim, width),
            mlp: Mlp::new(builder, names, width, ModelPlan::hidden(width, plan.mlp_ratio)),
            settings: Arc::new(Settings {
                heads: sizes.heads,
                drop_rate: options.drop_rate,
                drop_path,
                safe: options.fp16_safe_attention,
                name: name.to_string(),
            }),
        }
    }

    /// `x` (B, C·h·w, d); `condition` (B, 1, D) or, by token, (B, C·h·w, D), after SiLU.
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        layout: Arc<WindowLayout>,
        condition: Tensor<3>,
        pass: &Pass,
    ) -> Tensor<3> {
        let (samples, settings) = (x.dims()[0], &self.settings);
        let dropout =
            |rate, part| pass.mode.dropout(rate, &format!("{}.{part}", settings.name), pass.step, samples);
        let add = |norm: &ModulatedNorm, x: Tensor<3>, branch, part| match dropout(settings.drop_path, part) {
            Some(path) => x + path.samples(norm.forward(branch, condition.clone())),
            None => norm.forward_added(x, branch, condition.clone()),
        };
        let drop = dropout(settings.drop_rate, "drop");
        let attended = self.attention(cast(x.clone(), pass.mode.precision), &layout, pass, drop.as_ref());
        let x = add(&self.attention_norm, x, cast(attended, DType::F32), "attention");
        let branch = self
            .mlp
            .forward_dropped(cast(x.clone(), pass.mode.precision), drop.map(|drop| drop.at("mlp")).as_ref());
        add(&self.mlp_norm, x, cast(branch, DType::F32), "mlp")
    }

    fn attention(
        &self,
        x: Tensor<3>,
        layout: &Arc<WindowLayout>,
        pass: &Pass,
        drop: Option<&Dropout>,
    ) -> Tensor<3> {
        let heads = self.settings.heads;
        let adapted = |layer: &Linear, update: &Option<Lora>, x: Tensor<3>| {
            let y = linear(layer, x.clone());
            match update.as_ref().and_then(|update| update.update(&x, pass.step)) {
                Some(update) => y + update,
                None => y,
            }
        };
        let qkv = adapted(&self.qkv, &self.qkv_update, x);
        // Padding tokens are zero before the linear map and its update, so that theirs is the bias alone.
        let padding = self.qkv.bias.as_ref().map(|bias| bias.val());
        let dtype = qkv.dtype();
        let attended = match padding {
            Some(padding) if drop.is_none() && fused::available(&qkv.device()) => {
                cast(fused::window_attention(cast(qkv, DType::F32), padding, layout, heads), dtype)
            }
            padding => {
                let padding = padding.map(|padding| cast_like(padding, &qkv));
                window_attention(qkv, padding, layout, heads, self.settings.safe, drop)
            }
        };
        dropped(adapted(&self.projection, &self.projection_update, attended), drop, "projection")
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
    safe: bool,
    drop: Option<&Dropout>,
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
    let mut scores = match safe {
        true => part(0).matmul(part(1).transpose().mul_scalar(scale)),
        false => part(0).mul_scalar(scale).matmul(part(1).transpose()),
    };
    let dtype = scores.dtype();
    if let Some(mask) = layout.mask() {
        let mask = cast(constant(mask, [1, windows, 1, size, size], &device), dtype);
        scores = (scores.reshape([samples, windows, heads, size, size]) + mask).reshape([
            samples * windows,
            heads,
            size,
            size,
        ]);
    }
    if safe {
        scores = inside_half(scores);
    }
    let weights = dropped(cast(softmax(cast(scores, DType::F32), 3), dtype), drop, "weights");
    let mixed = weights.matmul(part(2)).swap_dims(1, 2).reshape([samples, windows * size, width]);
    mixed.select(1, indices(&layout.places))
}

/// Logits kept inside the range of f16, if they are f16: what is infinite comes out as a large number.
pub(super) fn inside_half<const D: usize>(scores: Tensor<D>) -> Tensor<D> {
    const GREATEST: f32 = 65504.0;
    if scores.dtype() != DType::F16 {
        return scores;
    }
    let infinite = scores.clone().is_inf().any().into_scalar::<bool>();
    let limit = if infinite { GREATEST - 1000.0 } else { GREATEST };
    scores.clamp(-limit, limit)
}
