//! The fused operations as burn sees them: on the CPU backend, and recorded for gradients.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, backend_extension};
use burn::tensor::TensorData;

use super::super::window::WindowLayout;
use super::columns::{self, Columns};
use super::matrix::{self, Matrix};
use super::{adamw, gelu, norm, windows};

/// The identities of parents that ask for a gradient.
macro_rules! ids {
    ($parents:expr) => {
        $parents.each_ref().map(|parent| parent.as_ref().map(|parent| parent.id))
    };
}

/// Forward passes, and backward passes from the inputs and the gradient of the output.
#[backend_extension(Autodiff, Flex)]
pub trait FusedOps: burn::backend::Backend {
    fn fused_norm(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;
    fn fused_norm_backward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
    fn fused_norm_added(
        beside: FloatTensor<Self>,
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;
    /// A product of two matrices.
    fn fused_product(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;
    /// The same, with a bias added to each row.
    fn fused_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    fn fused_column_sums(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn fused_gelu(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;
    fn fused_gelu_backward(
        x: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
    fn fused_window_attention(
        qkv: FloatTensor<Self>,
        padding: FloatTensor<Self>,
        layout: Arc<WindowLayout>,
        heads: usize,
    ) -> FloatTensor<Self>;
    fn fused_window_attention_backward(
        qkv: FloatTensor<Self>,
        padding: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        layout: Arc<WindowLayout>,
        heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
    fn fused_cross_attention(
        query: FloatTensor<Self>,
        key_value: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self>;
    fn fused_cross_attention_backward(
        query: FloatTensor<Self>,
        key_value: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
    /// Weight, first and second moment after a step of AdamW; in place where they are not shared.
    fn fused_adamw(
        weight: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: adamw::Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
    /// Sums of squares of pieces.
    fn fused_squares(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The values of a contiguous tensor, without a copy. All tensors here are f32.
fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.storage::<f32>()
}

fn shape(tensor: &FlexTensor) -> Vec<usize> {
    tensor.layout().shape().iter().copied().collect()
}

fn tensor(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// The same tensor, which `as_matrix` can show where it lies: any that no axis of runs backwards.
fn strided(tensor: FlexTensor) -> FlexTensor {
    match tensor.layout().strides().iter().all(|step| *step >= 0) {
        true => tensor,
        false => own(tensor),
    }
}

/// A tensor of two axes without steps backwards, where it lies.
fn as_matrix(tensor: &FlexTensor) -> Matrix<'_> {
    let layout = tensor.layout();
    let sides = shape(tensor);
    let step = |axis: usize| layout.strides()[axis].unsigned_abs();
    Matrix::strided(&values(tensor)[layout.start_offset()..], [sides[0], sides[1]], [step(0), step(1)])
}

/// The same tensor, contiguous; not shared if it was not.
fn own(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

impl FusedOps for Flex {
    fn fused_adamw(
        weight: FlexTensor,
        first: FlexTensor,
        second: FlexTensor,
        gradient: FlexTensor,
        step: adamw::Step,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (mut weight, mut first, mut second) = (own(weight), own(first), own(second));
        let gradient = own(gradient);
        adamw::step(weight.storage_mut(), first.storage_mut(), second.storage_mut(), values(&gradient), step);
        (weight, first, second)
    }

    fn fused_squares(x: FlexTensor) -> FlexTensor {
        let sums = adamw::squares(values(&x.to_contiguous()));
        let count = sums.len();
        tensor(sums, vec![count])
    }

    fn fused_norm(x: FlexTensor, scale: FlexTensor, shift: FlexTensor, epsilon: f32) -> FlexTensor {
        let (x, scale, shift) = (x.to_contiguous(), scale.to_contiguous(), shift.to_contiguous());
        let width = shape(&x).last().copied().unwrap_or(1);
        let y = norm::forward(None, values(&x), values(&scale), values(&shift), width, epsilon);
        tensor(y, shape(&x))
    }

    fn fused_norm_backward(
        x: FlexTensor,
        scale: FlexTensor,
        gradient: FlexTensor,
        epsilon: f32,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (x, scale, gradient) = (x.to_contiguous(), scale.to_contiguous(), gradient.to_contiguous());
        let width = shape(&x).last().copied().unwrap_or(1);
        let (dx, dscale, dshift) =
            norm::backward(values(&x), values(&scale), values(&gradient), width, epsilon);
        (tensor(dx, shape(&x)), tensor(dscale, shape(&scale)), tensor(dshift, shape(&scale)))
    }

    fn fused_norm_added(
        beside: FlexTensor,
        x: FlexTensor,
        scale: FlexTensor,
        shift: FlexTensor,
        epsilon: f32,
    ) -> FlexTensor {
        let (beside, x, scale, shift) = (own(beside), own(x), own(scale), own(shift));
        let width = shape(&x).last().copied().unwrap_or(1);
        let rows = Some(values(&beside));
        let y = norm::forward(rows, values(&x), values(&scale), values(&shift), width, epsilon);
        tensor(y, shape(&x))
    }

    fn fused_product(x: FlexTensor, weight: FlexTensor) -> FlexTensor {
        let sides = vec![shape(&x)[0], shape(&weight)[1]];
        let (x, weight) = (strided(x), strided(weight));
        tensor(matrix::product(as_matrix(&x), as_matrix(&weight), None), sides)
    }

    fn fused_linear(x: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
        let sides = vec![shape(&x)[0], shape(&weight)[1]];
        let (x, weight, bias) = (strided(x), strided(weight), own(bias));
        tensor(matrix::product(as_matrix(&x), as_matrix(&weight), Some(values(&bias))), sides)
    }

    fn fused_column_sums(x: FlexTensor) -> FlexTensor {
        let x = own(x);
        let width = shape(&x)[1];
        tensor(matrix::column_sums(values(&x), width), vec![width])
    }

    fn fused_gelu(x: FlexTensor, bias: FlexTensor) -> FlexTensor {
        let (x, bias) = (x.to_contiguous(), bias.to_contiguous());
        tensor(gelu::forward(values(&x), values(&bias)), shape(&x))
    }

    fn fused_gelu_backward(
        x: FlexTensor,
        bias: FlexTensor,
        gradient: FlexTensor,
    ) -> (FlexTensor, FlexTensor) {
        let (x, bias, gradient) = (x.to_contiguous(), bias.to_contiguous(), gradient.to_contiguous());
        let (dx, dbias) = gelu::backward(values(&x), values(&bias), values(&gradient));
        (tensor(dx, shape(&x)), tensor(dbias, shape(&bias)))
    }

    fn fused_window_attention(
        qkv: FlexTensor,
        padding: FlexTensor,
        layout: Arc<WindowLayout>,
        heads: usize,
    ) -> FlexTensor {
        let (qkv, padding) = (qkv.to_contiguous(), padding.to_contiguous());
        let mut shape = shape(&qkv);
        shape[2] /= 3;
        let width = shape[2];
        let sizes = windows::Sizes { layout: &layout, width, heads };
        tensor(windows::forward(values(&qkv), values(&padding), sizes), shape)
    }

    fn fused_window_attention_backward(
        qkv: FlexTensor,
        padding: FlexTensor,
        gradient: FlexTensor,
        layout: Arc<WindowLayout>,
        heads: usize,
    ) -> (FlexTensor, FlexTensor) {
        let (qkv, padding, gradient) =
            (qkv.to_contiguous(), padding.to_contiguous(), gradient.to_contiguous());
        let width = shape(&qkv)[2] / 3;
        let inputs = (values(&qkv), values(&padding), values(&gradient));
        let sizes = windows::Sizes { layout: &layout, width, heads };
        let (dqkv, dpadding) = windows::backward(inputs, sizes);
        (tensor(dqkv, shape(&qkv)), tensor(dpadding, shape(&padding)))
    }

    fn fused_cross_attention(query: FlexTensor, key_value: FlexTensor, heads: usize) -> FlexTensor {
        let (query, key_value) = (query.to_contiguous(), key_value.to_contiguous());
        let sizes = Columns::new(&shape(&query), &shape(&key_value), heads);
        let y = columns::forward(values(&query), values(&key_value), sizes);
        tensor(y, vec![sizes.groups, sizes.queries, sizes.width])
    }

    fn fused_cross_attention_backward(
        query: FlexTensor,
        key_value: FlexTensor,
        gradient: FlexTensor,
        heads: usize,
    ) -> (FlexTensor, FlexTensor) {
        let (query, key_value, gradient) =
            (query.to_contiguous(), key_value.to_contiguous(), gradient.to_contiguous());
        let sizes = Columns::new(&shape(&query), &shape(&key_value), heads);
        let (dquery, dkey_value) =
            columns::backward(values(&query), values(&key_value), values(&gradient), sizes);
        (tensor(dquery, shape(&query)), tensor(dkey_value, shape(&key_value)))
    }
}

impl<B: FusedOps, C: CheckpointStrategy> FusedOps for Autodiff<B, C> {
    fn fused_norm(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Step;
        impl<B: FusedOps> Backward<B, 3> for Step {
            type State = (NodeId, NodeId, f32);
            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, kept: &mut Checkpointer) {
                let gradient = grads.consume::<B>(&ops.node);
                let (x, scale, epsilon) = ops.state;
                let (x, scale) = (kept.retrieve_node_output(x), kept.retrieve_node_output(scale));
                let (dx, dscale, dshift) = B::fused_norm_backward(x, scale, gradient, epsilon);
                register::<B, 3>(grads, ids!(ops.parents), [dx, dscale, dshift]);
            }
        }
        let nodes = [x.node(), scale.node(), shift.node()];
        match Step.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&scale), epsilon);
                let (x, scale, shift) = (x.into_primitive(), scale.into_primitive(), shift.into_primitive());
                prep.finish(state, B::fused_norm(x, scale, shift, epsilon))
            }
            OpsKind::UnTracked(prep) => {
                let (x, scale, shift) = (x.into_primitive(), scale.into_primitive(), shift.into_primitive());
                prep.finish(B::fused_norm(x, scale, shift, epsilon))
            }
        }
    }

    fn fused_norm_added(
        beside: FloatTensor<Self>,
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Step;
        impl<B: FusedOps> Backward<B, 4> for Step {
            type State = (NodeId, NodeId, f32);
            fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, kept: &mut Checkpointer) {
                let gradient = grads.consume::<B>(&ops.node);
                let (x, scale, epsilon) = ops.state;
                let (x, scale) = (kept.retrieve_node_output(x), kept.retrieve_node_output(scale));
                let (dx, dscale, dshift) = B::fused_norm_backward(x, scale, gradient.clone(), epsilon);
                register::<B, 4>(grads, ids!(ops.parents), [gradient, dx, dscale, dshift]);
            }
        }
        let nodes = [beside.node(), x.node(), scale.node(), shift.node()];
        let compute = |beside: FloatTensor<Self>,
                       x: FloatTensor<Self>,
                       scale: FloatTensor<Self>,
                       shift: FloatTensor<Self>| {
            let (beside, x) = (beside.into_primitive(), x.into_primitive());
            B::fused_norm_added(beside, x, scale.into_primitive(), shift.into_primitive(), epsilon)
        };
        match Step.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&scale), epsilon);
                prep.finish(state, compute(beside, x, scale, shift))
            }
            OpsKind::UnTracked(prep) => prep.finish(compute(beside, x, scale, shift)),
        }
    }

    fn fused_product(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Step;
        impl<B: FusedOps> Backward<B, 2> for Step {
            type State = [Option<NodeId>; 2];
            fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, kept: &mut Checkpointer) {
                let gradient = grads.consume::<B>(&ops.node);
                let [x, weight, ..] = ids!(ops.parents);
                product_backward::<B>(ops.state, &gradient, [x, weight], grads, kept);
            }
        }
        let tracked = [x.is_tracked(), weight.is_tracked()];
        match Step.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                // The gradient of each asks for the other.
                let state =
                    [tracked[1].then(|| prep.checkpoint(&x)), tracked[0].then(|| prep.checkpoint(&weight))];
                prep.finish(state, B::fused_product(x.into_primitive(), weight.into_primitive()))
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::fused_product(x.into_primitive(), weight.into_primitive()))
            }
        }
    }

    fn fused_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Step;
        impl<B: FusedOps> Backward<B, 3> for Step {
            type State = [Option<NodeId>; 2];
            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, kept: &mut Checkpointer) {
                let gradient = grads.consume::<B>(&ops.node);
                let [x, weight, ..] = ids!(ops.parents);
                product_backward::<B>(ops.state, &gradient, [x, weight], grads, kept);
                if let Some(bias) = &ops.parents[2] {
                    grads.register::<B>(bias.id, B::fused_column_sums(gradient));
                }
            }
        }
        let tracked = [x.is_tracked(), weight.is_tracked()];
        let nodes = [x.node(), weight.node(), bias.node()];
        let compute = |x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>| {
            B::fused_linear(x.into_primitive(), weight.into_primitive(), bias.into_primitive())
        };
        match Step.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state =
                    [tracked[1].then(|| prep.checkpoint(&x)), tracked[0].then(|| prep.checkpoint(&weight))];
                prep.finish(state, compute(x, weight, bias))
            }
            OpsKind::UnTracked(prep) => prep.finish(compute(x, weight, bias)),
        }
    }

    fn fused_gelu(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Step;
        impl<B: FusedOps> Backward<B, 2> for Step {
            type State = (NodeId, NodeId);
            fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, kept: &mut Checkpointer) {
                let gradient = grads.consume::<B>(&ops.node);
                let (x, bias) = ops.state;
                let (x, bias) = (kept.retrieve_node_output(x), kept.retrieve_node_output(bias));
                let (dx, dbias) = B::fused_gelu_backward(x, bias, gradient);
                register::<B, 2>(grads, ids!(ops.parents), [dx, dbias]);
            }
        }
        match Step.prepare::<C>([x.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&bias));
                prep.finish(state, B::fused_gelu(x.into_primitive(), bias.into_primitive()))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_gelu(x.into_primitive(), bias.into_primitive())),
        }
    }

    fn fused_window_attention(
        qkv: FloatTensor<Self>,
        padding: FloatTensor<Self>,
        layout: Arc<WindowLayout>,
        heads: usize,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Step;
        impl<B: FusedOps> Backward<B, 2> for Step {
            type State = (NodeId, NodeId, Arc<WindowLayout>, usize);
            fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, kept: &mut Checkpointer) {
                let gradient = grads.consume::<B>(&ops.node);
                let (qkv, padding, layout, heads) = ops.state;
                let (qkv, padding) = (kept.retrieve_node_output(qkv), kept.retrieve_node_output(padding));
                let (one, two) = B::fused_window_attention_backward(qkv, padding, gradient, layout, heads);
                register::<B, 2>(grads, ids!(ops.parents), [one, two]);
            }
        }
        match Step.prepare::<C>([qkv.node(), padding.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&qkv), prep.checkpoint(&padding), layout.clone(), heads);
                let (qkv, padding) = (qkv.into_primitive(), padding.into_primitive());
                prep.finish(state, B::fused_window_attention(qkv, padding, layout, heads))
            }
            OpsKind::UnTracked(prep) => {
                let (qkv, padding) = (qkv.into_primitive(), padding.into_primitive());
                prep.finish(B::fused_window_attention(qkv, padding, layout, heads))
            }
        }
    }

    fn fused_cross_attention(
        query: FloatTensor<Self>,
        key_value: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Step;
        impl<B: FusedOps> Backward<B, 2> for Step {
            type State = (NodeId, NodeId, usize);
            fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, kept: &mut Checkpointer) {
                let gradient = grads.consume::<B>(&ops.node);
                let (query, key_value, heads) = ops.state;
                let (query, key_value) =
                    (kept.retrieve_node_output(query), kept.retrieve_node_output(key_value));
                let (one, two) = B::fused_cross_attention_backward(query, key_value, gradient, heads);
                register::<B, 2>(grads, ids!(ops.parents), [one, two]);
            }
        }
        match Step.prepare::<C>([query.node(), key_value.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&query), prep.checkpoint(&key_value), heads);
                let (query, key_value) = (query.into_primitive(), key_value.into_primitive());
                prep.finish(state, B::fused_cross_attention(query, key_value, heads))
            }
            OpsKind::UnTracked(prep) => {
                let (query, key_value) = (query.into_primitive(), key_value.into_primitive());
                prep.finish(B::fused_cross_attention(query, key_value, heads))
            }
        }
    }

    // Gradients of gradients are not needed; nothing of ours differentiates a backward pass or an optimiser.

    fn fused_adamw(
        weight: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: adamw::Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (weight, first, second) =
            (weight.into_primitive(), first.into_primitive(), second.into_primitive());
        let (one, two, three) = B::fused_adamw(weight, first, second, gradient.into_primitive(), step);
        (constant::<B, C>(one), constant::<B, C>(two), constant::<B, C>(three))
    }

    fn fused_column_sums(x: FloatTensor<Self>) -> FloatTensor<Self> {
        constant::<B, C>(B::fused_column_sums(x.into_primitive()))
    }

    fn fused_squares(x: FloatTensor<Self>) -> FloatTensor<Self> {
        constant::<B, C>(B::fused_squares(x.into_primitive()))
    }

    fn fused_norm_backward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (x, scale, gradient) = (x.into_primitive(), scale.into_primitive(), gradient.into_primitive());
        let (one, two, three) = B::fused_norm_backward(x, scale, gradient, epsilon);
        (constant::<B, C>(one), constant::<B, C>(two), constant::<B, C>(three))
    }

    fn fused_gelu_backward(
        x: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (x, bias, gradient) = (x.into_primitive(), bias.into_primitive(), gradient.into_primitive());
        let (one, two) = B::fused_gelu_backward(x, bias, gradient);
        (constant::<B, C>(one), constant::<B, C>(two))
    }

    fn fused_window_attention_backward(
        qkv: FloatTensor<Self>,
        padding: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        layout: Arc<WindowLayout>,
        heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (qkv, padding, gradient) =
            (qkv.into_primitive(), padding.into_primitive(), gradient.into_primitive());
        let (one, two) = B::fused_window_attention_backward(qkv, padding, gradient, layout, heads);
        (constant::<B, C>(one), constant::<B, C>(two))
    }

    fn fused_cross_attention_backward(
        query: FloatTensor<Self>,
        key_value: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (query, key_value, gradient) =
            (query.into_primitive(), key_value.into_primitive(), gradient.into_primitive());
        let (one, two) = B::fused_cross_attention_backward(query, key_value, gradient, heads);
        (constant::<B, C>(one), constant::<B, C>(two))
    }
}

fn constant<B: FusedOps, C: CheckpointStrategy>(primitive: FloatTensor<B>) -> FloatTensor<Autodiff<B, C>> {
    <Autodiff<B, C> as burn::backend::AutodiffBackend>::from_inner(primitive)
}

/// Gradients of the factors of a product from that of the product: g·wᵀ and xᵀ·g.
fn product_backward<B: FusedOps>(
    kept: [Option<NodeId>; 2],
    gradient: &FloatTensor<B>,
    parents: [Option<NodeId>; 2],
    grads: &mut Gradients,
    checkpointer: &mut Checkpointer,
) {
    let [x, weight] = kept.map(|node| node.map(|node| checkpointer.retrieve_node_output(node)));
    if let (Some(parent), Some(weight)) = (parents[0], weight) {
        let gradient = B::fused_product(gradient.clone(), B::float_transpose(weight));
        grads.register::<B>(parent, gradient);
    }
    if let (Some(parent), Some(x)) = (parents[1], x) {
        grads.register::<B>(parent, B::fused_product(B::float_transpose(x), gradient.clone()));
    }
}

fn register<B: FusedOps, const N: usize>(
    grads: &mut Gradients,
    parents: [Option<NodeId>; N],
    gradients: [FloatTensor<B>; N],
) {
    for (parent, gradient) in parents.into_iter().zip(gradients) {
        if let Some(parent) = parent {
            grads.register::<B>(parent, gradient);
        }
    }
}
