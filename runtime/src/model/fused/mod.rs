//! Operations that burn's CPU backend would do in many passes, each as one, with a backward pass of its own.
//!
//! `layer` and `backbone` use them on the CPU backend only (`available`); elsewhere the same mathematics are
//! composed of burn's operations. Results do not depend on the number of threads: work is cut into pieces of a
//! fixed size and partial sums are added in order.

mod adamw;
mod columns;
mod gelu;
mod graph;
mod head;
mod matrix;
mod norm;
mod wide;
mod windows;

use std::sync::Arc;

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{Device, Tensor};

use super::window::WindowLayout;
pub use adamw::Step as AdamWStep;
use graph::FusedOps;

/// Whether tensors on this device may be given to the functions here.
pub fn available(device: &Device) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_))
}

/// Layer norm over the last axis, times `scale`, plus `shift`: `x` (.., d), the others (G, d), where the rows of
/// `x` fall into G equal groups.
pub fn norm<const D: usize>(x: Tensor<D>, scale: Tensor<2>, shift: Tensor<2>, epsilon: f64) -> Tensor<D> {
    let (x, scale, shift) = (x.into_dispatch(), scale.into_dispatch(), shift.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_norm(x, scale, shift, epsilon as f32))
}

/// `beside` plus the norm of `x`, as [`norm`].
pub fn norm_added<const D: usize>(
    beside: Tensor<D>,
    x: Tensor<D>,
    scale: Tensor<2>,
    shift: Tensor<2>,
    epsilon: f64,
) -> Tensor<D> {
    let (beside, x) = (beside.into_dispatch(), x.into_dispatch());
    let (scale, shift) = (scale.into_dispatch(), shift.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_norm_added(beside, x, scale, shift, epsilon as f32))
}

/// `x` (N, in) times `weight` (in, out), plus `bias` (out) in each row.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::fused_linear(x, weight, bias.into_dispatch()),
        None => Dispatch::fused_product(x, weight),
    })
}

/// GELU of `x` (.., d) plus `bias` (d).
pub fn gelu<const D: usize>(x: Tensor<D>, bias: Tensor<1>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fused_gelu(x.into_dispatch(), bias.into_dispatch()))
}

/// Attention within windows: `qkv` (B, N, 3d) with features (query key value, head, head width), `padding` (3d)
/// the same of padding tokens → (B, N, d).
pub fn window_attention(
    qkv: Tensor<3>,
    padding: Tensor<1>,
    layout: &Arc<WindowLayout>,
    heads: usize,
) -> Tensor<3> {
    let (qkv, padding) = (qkv.into_dispatch(), padding.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_window_attention(qkv, padding, layout.clone(), heads))
}

/// Attention in groups: `query` (G or 1, M, d), `key_value` (G, N, 2d) → (G, M, d).
pub fn cross_attention(query: Tensor<3>, key_value: Tensor<3>, heads: usize) -> Tensor<3> {
    let (query, key_value) = (query.into_dispatch(), key_value.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_cross_attention(query, key_value, heads))
}

/// Weight, first and second moment after a step of AdamW, all without a graph and of the same number of values. What
/// is not shared is changed where it lies.
pub fn adamw<const D: usize>(
    weight: Tensor<D>,
    moments: (Tensor<1>, Tensor<1>),
    gradient: Tensor<1>,
    step: AdamWStep,
) -> (Tensor<D>, (Tensor<1>, Tensor<1>)) {
    let (first, second) = (moments.0.into_dispatch(), moments.1.into_dispatch());
    let (weight, first, second) =
        Dispatch::fused_adamw(weight.into_dispatch(), first, second, gradient.into_dispatch(), step);
    (Tensor::from_dispatch(weight), (Tensor::from_dispatch(first), Tensor::from_dispatch(second)))
}

/// Sums of squares of pieces of `x`, to be added up in f64.
pub fn squares(x: Tensor<1>) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::fused_squares(x.into_dispatch()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{block, layer, perceiver};
    use burn::tensor::TensorData;

    fn device() -> Device {
        Device::flex().autodiff()
    }

    /// Some values between −2 and 2 that a gradient is asked for.
    fn values<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<D> {
        let count = shape.iter().product::<usize>();
        let list: Vec<f32> =
            (0..count).map(|index| ((index * 7919 + seed * 104_729) % 2003) as f32 / 500.0 - 2.0).collect();
        Tensor::from_data(TensorData::new(list, shape), &device()).require_grad()
    }

    /// The results and all gradients of two ways to compute the same, for a loss that weighs the results
    /// unequally. Results are of size 1, gradients of size up to 100; 2e-5 covers the roundings.
    fn agree<const D: usize, const A: usize, const B: usize>(
        one: impl Fn(Tensor<A>, Tensor<B>) -> Tensor<D>,
        two: impl Fn(Tensor<A>, Tensor<B>) -> Tensor<D>,
        shapes: ([usize; A], [usize; B]),
    ) {
        let run = |way: &dyn Fn(Tensor<A>, Tensor<B>) -> Tensor<D>| {
            let (a, b) = (values(shapes.0, 1), values(shapes.1, 2));
            let y = way(a.clone(), b.clone());
            let weights = values(y.dims(), 3).detach();
            let gradients = (y.clone() * weights).sum().backward();
            let gradient = |t: Option<Tensor<A>>| t.map(|t| t.into_data().try_into_vec::<f32>().unwrap());
            let other = |t: Option<Tensor<B>>| t.map(|t| t.into_data().try_into_vec::<f32>().unwrap());
            let y = y.into_data().try_into_vec::<f32>().unwrap();
            (y, gradient(a.grad(&gradients)).unwrap(), other(b.grad(&gradients)).unwrap())
        };
        let (one, two) = (run(&one), run(&two));
        for (what, one, two) in [("y", one.0, two.0), ("first", one.1, two.1), ("second", one.2, two.2)] {
            let greatest = two.iter().fold(1f32, |most, value| most.max(value.abs()));
            for (one, two) in one.iter().zip(&two) {
                assert!((one - two).abs() <= 2e-5 * greatest, "{what}: {one} {two}");
            }
        }
    }

    #[test]
    fn norm_agrees_with_its_parts() {
        for width in [16, 40, 5] {
            agree(
                |x: Tensor<3>, m: Tensor<2>| {
                    norm(x, m.clone().narrow(1, 0, width), m.narrow(1, width, width), 1e-5)
                },
                |x: Tensor<3>, m: Tensor<2>| {
                    let scale = m.clone().narrow(1, 0, width).unsqueeze_dim(1);
                    layer::standardise(x, 1e-5) * scale + m.narrow(1, width, width).unsqueeze_dim(1)
                },
                ([3, 70, width], [3, 2 * width]),
            );
        }
    }

    #[test]
    fn a_norm_beside_a_residual_agrees_with_its_parts() {
        let width = 24;
        let parts = |m: Tensor<2>| (m.clone().narrow(1, 0, width), m.narrow(1, width, width));
        let beside = |x: &Tensor<3>| x.clone().mul_scalar(0.5);
        agree(
            |x: Tensor<3>, m: Tensor<2>| {
                let (scale, shift) = parts(m);
                norm_added(beside(&x), x, scale, shift, 1e-5)
            },
            |x: Tensor<3>, m: Tensor<2>| {
                let (scale, shift) = parts(m);
                let y = layer::standardise(x.clone(), 1e-5) * scale.unsqueeze_dim(1);
                beside(&x) + y + shift.unsqueeze_dim(1)
            },
            ([3, 70, width], [3, 2 * width]),
        );
    }

    /// Also of a view that does not lie row after row, and of a single row.
    #[test]
    fn linear_agrees_with_its_parts() {
        for (rows, inputs, outputs) in [(130, 40, 70), (1, 16, 33), (37, 1, 5)] {
            agree(
                |x: Tensor<2>, w: Tensor<2>| {
                    linear(x.transpose(), w.clone(), Some(w.sum_dim(0).squeeze_dim(0)))
                },
                |x: Tensor<2>, w: Tensor<2>| x.transpose().matmul(w.clone()) + w.sum_dim(0),
                ([inputs, rows], [inputs, outputs]),
            );
            agree(
                |x: Tensor<2>, w: Tensor<2>| linear(x, w.narrow(1, 1, outputs - 1), None),
                |x: Tensor<2>, w: Tensor<2>| x.matmul(w.narrow(1, 1, outputs - 1)),
                ([rows, inputs], [inputs, outputs]),
            );
        }
    }

    /// To the bit: nothing of ours may depend on how many threads there are.
    #[test]
    fn the_number_of_threads_changes_nothing() {
        let layout = Arc::new(WindowLayout::new([4, 10, 22], [2, 6, 12], true, true));
        let run = || {
            let (x, w) = (values([2 * layout.count, 96], 1), values([96, 288], 2));
            let qkv = linear(x.clone(), w.clone(), Some(values([288], 4)));
            let y = window_attention(qkv.reshape([2, layout.count, 288]), values([288], 3), &layout, 3);
            let y = norm_added(y.clone(), y, values([1, 96], 5), values([1, 96], 6), 1e-5);
            let y = gelu(y, values([96], 7));
            let gradients = (y.clone() * values(y.dims(), 8)).sum().backward();
            let list = [x.grad(&gradients).unwrap(), w.grad(&gradients).unwrap()];
            list.map(|one| one.into_data().try_into_vec::<f32>().unwrap())
        };
        let with =
            |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
        let one = with(1);
        assert!(one == with(2) && one == with(3));
    }

    #[test]
    fn gelu_agrees_with_its_parts() {
        agree(
            |x: Tensor<2>, b: Tensor<1>| gelu(x.mul_scalar(3.0), b),
            |x: Tensor<2>, b: Tensor<1>| burn::tensor::activation::gelu(x.mul_scalar(3.0) + b.unsqueeze()),
            ([300, 70], [70]),
        );
    }

    #[test]
    fn window_attention_agrees_with_its_parts() {
        // The last is mostly padding.
        for (resolution, window) in [([4, 8, 8], [2, 4, 4]), ([2, 7, 9], [2, 3, 4]), ([2, 7, 13], [2, 6, 12])]
        {
            for (shifted, wrap) in [(false, true), (true, true), (true, false)] {
                let layout = Arc::new(WindowLayout::new(resolution, window, shifted, wrap));
                // The padding's share of the second gradient is nil where there is none.
                agree(
                    |x: Tensor<3>, p: Tensor<1>| {
                        window_attention(x, p.clone(), &layout, 2) + p.mean().unsqueeze()
                    },
                    |x: Tensor<3>, p: Tensor<1>| {
                        block::window_attention(x, Some(p.clone()), &layout, 2, false, None)
                            + p.mean().unsqueeze()
                    },
                    ([2, layout.count, 48], [48]),
                );
            }
        }
    }

    #[test]
    fn cross_attention_agrees_with_its_parts() {
        for (asking, queries, keys) in [(1, 3, 13), (37, 3, 13), (1, 13, 3)] {
            agree(
                |q: Tensor<3>, kv: Tensor<3>| cross_attention(q, kv, 2),
                |q: Tensor<3>, kv: Tensor<3>| {
                    let (key, value) = (kv.clone().narrow(2, 0, 24), kv.narrow(2, 24, 24));
                    perceiver::cross_attention(q, key, value, 2)
                },
                ([asking, queries, 24], [37, keys, 48]),
            );
        }
    }
}
