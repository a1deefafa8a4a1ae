//! Perceiver resampler: a few tokens read a set of others, patch by patch.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use super::chance::{Dropout, dropped};
use super::fused;
use super::layer::{Mlp, Norm, linear};
use super::parameters::Builder;

/// Layers of cross-attention and perceptron with norms on the branches.
#[derive(Module, Debug)]
pub struct Perceiver {
    layers: Vec<Layer>,
}

/// Sizes of a Perceiver.
#[derive(Clone, Copy, Debug)]
pub struct PerceiverSizes {
    pub width: usize,
    pub heads: usize,
    pub hidden: usize,
    pub depth: usize,
    pub epsilon: f64,
    /// Norms on the keys and queries of the first layer.
    pub stabilise: bool,
}

impl Perceiver {
    pub fn new(builder: &mut Builder, name: &str, sizes: PerceiverSizes) -> Perceiver {
        let layers = (0..sizes.depth)
            .map(|layer| {
                Layer::new(builder, &format!("{name}.layers.{layer}"), sizes, sizes.stabilise && layer == 0)
            })
            .collect();
        Perceiver { layers }
    }

    /// `queries` (G or 1, M, d), shared by all groups if there is one of them, and `context` (G, N, d) give
    /// (G, M, d).
    pub fn forward(&self, queries: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        self.forward_dropped(queries, context, None)
    }

    /// With dropout at the end of each perceptron.
    pub(super) fn forward_dropped(
        &self,
        queries: Tensor<3>,
        context: Tensor<3>,
        drop: Option<&Dropout>,
    ) -> Tensor<3> {
        self.layers.iter().enumerate().fold(queries, |tokens, (index, layer)| {
            let drop = drop.map(|drop| drop.at(&index.to_string()));
            layer.forward(tokens, context.clone(), drop.as_ref())
        })
    }
}

#[derive(Module, Debug)]
struct Layer {
    query: Linear,
    key_value: Linear,
    output: Linear,
    key_norm: Option<Norm>,
    query_norm: Option<Norm>,
    mlp: Mlp,
    attention_norm: Norm,
    mlp_norm: Norm,
    #[module(skip)]
    heads: usize,
}

impl Layer {
    fn new(builder: &mut Builder, name: &str, sizes: PerceiverSizes, stabilise: bool) -> Layer {
        let PerceiverSizes { width, heads, hidden, epsilon, .. } = sizes;
        Layer {
            query: builder.linear(&format!("{name}.0.to_q"), width, width, false),
            key_value: builder.linear(&format!("{name}.0.to_kv"), width, 2 * width, false),
            output: builder.linear(&format!("{name}.0.to_out"), width, width, false),
            key_norm: stabilise.then(|| builder.norm(&format!("{name}.0.ln_k"), width, 1e-5)),
            query_norm: stabilise.then(|| builder.norm(&format!("{name}.0.ln_q"), width, 1e-5)),
            mlp: Mlp::new(builder, [&format!("{name}.1.net.0"), &format!("{name}.1.net.2")], width, hidden),
            attention_norm: builder.norm(&format!("{name}.2"), width, epsilon),
            mlp_norm: builder.norm(&format!("{name}.3"), width, epsilon),
            heads,
        }
    }

    fn forward(&self, tokens: Tensor<3>, context: Tensor<3>, drop: Option<&Dropout>) -> Tensor<3> {
        let tokens = self.attention_norm.forward(self.attention(tokens.clone(), context)) + tokens;
        let branch = dropped(self.mlp.forward(tokens.clone()), drop, "mlp");
        self.mlp_norm.forward(branch) + tokens
    }

    fn attention(&self, tokens: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        let width = tokens.dims()[2];
        let mut query = linear(&self.query, tokens);
        let key_value = linear(&self.key_value, context);
        if self.key_norm.is_none() && fused::available(&query.device()) {
            return linear(&self.output, fused::cross_attention(query, key_value, self.heads));
        }
        let mut key = key_value.clone().narrow(2, 0, width);
        let value = key_value.narrow(2, width, width);
        if let (Some(key_norm), Some(query_norm)) = (&self.key_norm, &self.query_norm) {
            key = key_norm.forward(key);
            query = query_norm.forward(query);
        }
        linear(&self.output, cross_attention(query, key, value, self.heads))
    }
}

/// softmax(q kᵀ/√head width) v for each group and head: (G or 1, M, d), (G, N, d), (G, N, d) → (G, M, d).
pub(super) fn cross_attention(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: usize) -> Tensor<3> {
    let [groups, _, width] = value.dims();
    let queries = query.dims()[1];
    let split = |x: Tensor<3>| {
        let [groups, count, width] = x.dims();
        x.reshape([groups, count, heads, width / heads]).swap_dims(1, 2)
    };
    let scale = ((width / heads) as f32).powf(-0.5);
    let scores = split(query.mul_scalar(scale)).matmul(split(key).transpose());
    softmax(scores, 3).matmul(split(value)).swap_dims(1, 2).reshape([groups, queries, width])
}
