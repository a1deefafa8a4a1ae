//! Layers on the points of a grid, features last: (B, H, W, C).
//!
//! Beyond the edge of a regional grid the outermost points are repeated. Zeros would be a frame of average weather
//! around the region, a false gradient at every edge that the filters learn to see, and since training tiles have
//! more edge than the whole grid, they would see another world in a forecast than in training. On a global grid the
//! columns go round and only the rows beyond the poles are repeated.
//!
//! The norm after a filter is over the features of each point by itself (as in ConvNeXt, Liu et al. 2022), not over
//! the grid: what is predicted for a storm does not depend on how large the tile around it is.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::gelu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;

use crate::model::layer::Norm;
use crate::model::parameters::Builder;

/// A filter of 3×3 points with bias, a norm over the features, GELU.
#[derive(Module, Debug)]
pub struct Filter {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
    norm: Norm,
    #[module(skip)]
    wrap: bool,
}

impl Filter {
    /// `name.convolution` (out, in, 3, 3) and `name.norm`. `wrap`: the columns go round.
    pub fn new(builder: &mut Builder, name: &str, input: usize, output: usize, wrap: bool) -> Filter {
        let fan_in = 9 * input;
        let shape = [output, input, 3, 3];
        Filter {
            weight: builder.uniform_tensor(&format!("{name}.convolution.weight"), shape, fan_in),
            bias: builder.uniform_tensor(&format!("{name}.convolution.bias"), [output], fan_in),
            norm: builder.norm(&format!("{name}.norm"), output, 1e-5),
            wrap,
        }
    }

    /// (B, H, W, in) → (B, H, W, out).
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let filtered = convolve(framed(x, self.wrap), self.weight.val());
        gelu(self.norm.forward(filtered + self.bias.val().unsqueeze()))
    }
}

/// A filter of 3×3 over points that have a frame of one: (B, H + 2, W + 2, in) → (B, H, W, out).
fn convolve(x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
    let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    conv2d(x.permute([0, 3, 1, 2]), weight, None, options).permute([0, 2, 3, 1])
}

/// A frame of one point around the grid: (B, H, W, C) → (B, H + 2, W + 2, C).
fn framed(x: Tensor<4>, wrap: bool) -> Tensor<4> {
    let [_, height, width, _] = x.dims();
    let (first, last) = (x.clone().narrow(1, 0, 1), x.clone().narrow(1, height - 1, 1));
    let x = Tensor::cat(vec![first, x, last], 1);
    let (west, east) = (x.clone().narrow(2, 0, 1), x.clone().narrow(2, width - 1, 1));
    if wrap { Tensor::cat(vec![east, x, west], 2) } else { Tensor::cat(vec![west, x, east], 2) }
}

/// Several features of one point over `side`×`side` points.
#[derive(Module, Debug)]
pub struct Spread {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

impl Spread {
    /// `name` (in, out, side, side): a transposed convolution whose step is its side.
    pub fn new(builder: &mut Builder, name: &str, [input, output]: [usize; 2], side: usize) -> Spread {
        let shape = [input, output, side, side];
        Spread {
            weight: builder.uniform_tensor(&format!("{name}.weight"), shape, input),
            bias: builder.uniform_tensor(&format!("{name}.bias"), [output], input),
        }
    }

    /// (B, h, w, in) → (B, h·side, w·side, out).
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [input, output, side, _] = self.weight.dims();
        let [samples, rows, columns, _] = x.dims();
        let weight = self.weight.val().permute([0, 2, 3, 1]).reshape([input, side * side * output]);
        let spread = x
            .reshape([samples * rows * columns, input])
            .matmul(weight)
            .reshape([samples, rows, columns, side, side, output])
            .permute([0, 1, 3, 2, 4, 5])
            .reshape([samples, rows * side, columns * side, output]);
        spread + self.bias.val().unsqueeze()
    }
}

/// The features of 2×2 points made one point's.
#[derive(Module, Debug)]
pub struct Merge {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

impl Merge {
    /// `name` (out, in, 2, 2): a convolution whose step is its side.
    pub fn new(builder: &mut Builder, name: &str, input: usize, output: usize) -> Merge {
        Merge {
            weight: builder.uniform_tensor(&format!("{name}.weight"), [output, input, 2, 2], 4 * input),
            bias: builder.uniform_tensor(&format!("{name}.bias"), [output], 4 * input),
        }
    }

    /// (B, H, W, in), H and W even → (B, H/2, W/2, out).
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [output, input, _, _] = self.weight.dims();
        let [samples, height, width, _] = x.dims();
        let (rows, columns) = (height / 2, width / 2);
        let weight = self.weight.val().permute([2, 3, 1, 0]).reshape([4 * input, output]);
        let merged = x
            .reshape([samples, rows, 2, columns, 2, input])
            .permute([0, 1, 3, 2, 4, 5])
            .reshape([samples * rows * columns, 4 * input])
            .matmul(weight)
            .reshape([samples, rows, columns, output]);
        merged + self.bias.val().unsqueeze()
    }
}

/// A linear map at each point.
#[derive(Module, Debug)]
pub struct Pointwise {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

impl Pointwise {
    /// `name` (out, in, 1, 1), which begins small, as Aurora's own output layers do.
    pub fn new(builder: &mut Builder, name: &str, input: usize, output: usize) -> Pointwise {
        Pointwise {
            weight: builder.normal_tensor(&format!("{name}.weight"), [output, input, 1, 1]),
            bias: builder.zero_tensor(&format!("{name}.bias"), [output]),
        }
    }

    /// (B, H, W, in) → (B, H, W, out).
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [output, input, _, _] = self.weight.dims();
        let [samples, height, width, _] = x.dims();
        let weight = self.weight.val().reshape([output, input]).transpose();
        let mapped = x.reshape([samples * height * width, input]).matmul(weight);
        mapped.reshape([samples, height, width, output]) + self.bias.val().unsqueeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn values<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<D> {
        let count = shape.iter().product::<usize>();
        let list: Vec<f32> =
            (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1000.0 - 1.0).collect();
        Tensor::from_data(TensorData::new(list, shape), &Device::flex())
    }

    fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec::<f32>().unwrap()
    }

    /// Against the definition, point by point, on a grid whose sides differ.
    #[test]
    fn a_filter_is_a_sum_over_neighbours() {
        let (height, width, input, output) = (4, 5, 3, 2);
        let (x, weight) = (values([2, height, width, input], 1), values([output, input, 3, 3], 2));
        let (points, filter) = (list(x.clone()), list(weight.clone()));
        for wrap in [false, true] {
            let found = list(convolve(framed(x.clone(), wrap), weight.clone()));
            for sample in 0..2 {
                for (i, j, o) in places([height, width, output]) {
                    let mut sum = 0.0;
                    for (di, dj, c) in places([3, 3, input]) {
                        let row = (i + di).saturating_sub(1).min(height - 1);
                        let column = match (wrap, j + dj) {
                            (true, shifted) => (shifted + width - 1) % width,
                            (false, shifted) => shifted.saturating_sub(1).min(width - 1),
                        };
                        sum += points[((sample * height + row) * width + column) * input + c]
                            * filter[((o * input + c) * 3 + di) * 3 + dj];
                    }
                    let there = found[((sample * height + i) * width + j) * output + o];
                    assert!((there - sum).abs() < 1e-5, "wrap {wrap}: {there} {sum}");
                }
            }
        }
    }

    /// One thing everywhere stays one thing everywhere: the edge makes no difference.
    #[test]
    fn a_uniform_field_has_no_edge() {
        let x = Tensor::<4>::ones([1, 6, 7, 2], &Device::flex());
        let filtered = list(convolve(framed(x, false), values([1, 2, 3, 3], 3)));
        assert!(filtered.iter().all(|value| (value - filtered[0]).abs() < 1e-6), "{filtered:?}");
    }

    #[test]
    fn spreading_and_merging_keep_points_in_their_place() {
        let device = Device::flex();
        let mut builder = Builder::new(1, &device);
        let spread = Spread::new(&mut builder, "spread", [2, 3], 4);
        let x = values([1, 2, 3, 2], 5);
        let (points, weight, bias) = (list(x.clone()), list(spread.weight.val()), list(spread.bias.val()));
        let y = list(spread.forward(x));
        for (i, j, o) in places([8, 12, 3]) {
            let sum: f32 = (0..2)
                .map(|c| {
                    points[((i / 4) * 3 + j / 4) * 2 + c] * weight[((c * 3 + o) * 4 + i % 4) * 4 + j % 4]
                })
                .sum();
            assert!((y[(i * 12 + j) * 3 + o] - sum - bias[o]).abs() < 1e-5);
        }
        let merge = Merge::new(&mut builder, "merge", 2, 3);
        let x = values([1, 4, 6, 2], 6);
        let (points, weight, bias) = (list(x.clone()), list(merge.weight.val()), list(merge.bias.val()));
        let y = list(merge.forward(x));
        for (i, j, o) in places([2, 3, 3]) {
            let sum: f32 = places([2, 2, 2])
                .map(|(di, dj, c)| {
                    points[((2 * i + di) * 6 + 2 * j + dj) * 2 + c] * weight[((o * 2 + c) * 2 + di) * 2 + dj]
                })
                .sum();
            assert!((y[(i * 3 + j) * 3 + o] - sum - bias[o]).abs() < 1e-5);
        }
    }

    fn places([a, b, c]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
    }
}
