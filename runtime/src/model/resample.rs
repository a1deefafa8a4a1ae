//! The backbone's ways between resolutions: four tokens become one, one becomes four.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::layer::{Norm, linear};
use super::parameters::Builder;

/// Four neighbouring tokens become one of twice the width.
#[derive(Module, Debug)]
pub(super) struct Merging {
    norm: Norm,
    reduction: Linear,
}

impl Merging {
    pub(super) fn new(builder: &mut Builder, prefix: &str, width: usize) -> Merging {
        Merging {
            norm: builder.norm(&format!("{prefix}.norm"), 4 * width, 1e-5),
            reduction: builder.linear(&format!("{prefix}.reduction"), 4 * width, 2 * width, false),
        }
    }

    pub(super) fn forward(&self, x: Tensor<3>, resolution: [usize; 3]) -> Tensor<3> {
        linear(&self.reduction, self.norm.forward(gather(x, resolution)))
    }
}

/// One token becomes four of half the width.
#[derive(Module, Debug)]
pub(super) struct Splitting {
    expansion: Linear,
    norm: Norm,
    mixing: Linear,
}

impl Splitting {
    pub(super) fn new(builder: &mut Builder, prefix: &str, width: usize) -> Splitting {
        Splitting {
            expansion: builder.linear(&format!("{prefix}.lin1"), width, 2 * width, false),
            norm: builder.norm(&format!("{prefix}.norm"), width / 2, 1e-5),
            mixing: builder.linear(&format!("{prefix}.lin2"), width / 2, width / 2, false),
        }
    }

    /// The result is cropped to `target`, which may be a row or a column short of twice the size.
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        [levels, rows, columns]: [usize; 3],
        target: [usize; 3],
    ) -> Tensor<3> {
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

/// Joins the features of four neighbours (B, C·h·w, d) → (B, C·⌈h/2⌉·⌈w/2⌉, 4d). Odd rows and columns are padded
/// with zeros at the bottom and the right.
pub(super) fn gather(x: Tensor<3>, [levels, rows, columns]: [usize; 3]) -> Tensor<3> {
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
    x.reshape([samples, levels, high, 2, wide, 2, width]).permute([0, 1, 2, 4, 3, 5, 6]).reshape([
        samples,
        levels * high * wide,
        4 * width,
    ])
}
