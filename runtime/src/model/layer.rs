//! Layers that several parts share: layer norm, its modulated form, the two-layer perceptron.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::gelu;
use burn::tensor::{DType, Tensor, TensorData};

use super::chance::{Dropout, dropped};
use super::fused;
use super::parameters::Builder;

/// Layer norm over the last axis with weight and bias.
#[derive(Module, Debug)]
pub struct Norm {
    pub weight: Param<Tensor<1>>,
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    pub epsilon: f64,
}

impl Norm {
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if fused::available(&x.device()) {
            let (scale, shift) = (self.weight.val().unsqueeze(), self.bias.val().unsqueeze());
            return fused::norm(x, scale, shift, self.epsilon);
        }
        standardise(x, self.epsilon) * self.weight.val().unsqueeze() + self.bias.val().unsqueeze()
    }
}

/// Layer norm whose scale and shift come from the conditioning: no weights of its own but the linear map.
#[derive(Module, Debug)]
pub struct ModulatedNorm {
    modulation: Linear,
}

impl ModulatedNorm {
    pub fn new(builder: &mut Builder, name: &str, condition: usize, width: usize) -> ModulatedNorm {
        ModulatedNorm {
            modulation: builder.zero_linear(&format!("{name}.ln_modulation.1"), condition, 2 * width),
        }
    }

    /// `x` (B, N, d) and SiLU of the conditioning: (B, 1, D) of a sample, or (B, N, D) of each token.
    pub fn forward(&self, x: Tensor<3>, condition: Tensor<3>) -> Tensor<3> {
        let width = x.dims()[2];
        let modulation = linear(&self.modulation, condition);
        let [samples, groups, _] = modulation.dims();
        let shift = modulation.clone().narrow(2, 0, width);
        let scale = modulation.narrow(2, width, width);
        if !fused::available(&x.device()) {
            return standardise(x, 1e-5) * scale + shift;
        }
        if groups == 1 {
            let (scale, shift) = (scale.reshape([samples, width]), shift.reshape([samples, width]));
            return fused::norm(x, scale, shift, 1e-5);
        }
        let device = x.device();
        let (one, zero) = (Tensor::ones([1, width], &device), Tensor::zeros([1, width], &device));
        fused::norm(x, one, zero, 1e-5) * scale + shift
    }

    /// `beside` plus [`forward`](Self::forward), in one pass where it can be.
    pub fn forward_added(&self, beside: Tensor<3>, x: Tensor<3>, condition: Tensor<3>) -> Tensor<3> {
        if condition.dims()[1] != 1 || !fused::available(&x.device()) {
            return beside + self.forward(x, condition);
        }
        let width = x.dims()[2];
        let modulation = linear(&self.modulation, condition);
        let samples = modulation.dims()[0];
        let modulation = modulation.reshape([samples, 2 * width]);
        let shift = modulation.clone().narrow(1, 0, width);
        fused::norm_added(beside, x, modulation.narrow(1, width, width), shift, 1e-5)
    }
}

/// Linear, GELU (exact), linear.
#[derive(Module, Debug)]
pub struct Mlp {
    first: Linear,
    second: Linear,
}

impl Mlp {
    pub fn new(builder: &mut Builder, names: [&str; 2], width: usize, hidden: usize) -> Mlp {
        Mlp {
            first: builder.linear(names[0], width, hidden, true),
            second: builder.linear(names[1], hidden, width, true),
        }
    }

    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.forward_dropped(x, None)
    }

    /// With dropout after the activation and at the end.
    pub(super) fn forward_dropped<const D: usize>(
        &self,
        x: Tensor<D>,
        dropout: Option<&Dropout>,
    ) -> Tensor<D> {
        let hidden = match &self.first.bias {
            Some(bias) if fused::available(&x.device()) && x.dtype() == DType::F32 => {
                fused::gelu(product(&self.first, x), bias.val())
            }
            _ => gelu(linear(&self.first, x)),
        };
        dropped(linear(&self.second, dropped(hidden, dropout, "hidden")), dropout, "end")
    }
}

/// Applies a linear layer, in the type of `x`.
pub fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    if x.dtype() == DType::F32 && fused::available(&x.device()) {
        return fused_linear(layer, x, layer.bias.as_ref().map(|bias| bias.val()));
    }
    let y = product(layer, x);
    match &layer.bias {
        Some(bias) => {
            let bias = cast_like(bias.val(), &y);
            y + bias.unsqueeze()
        }
        None => y,
    }
}

/// A linear layer without its bias, as one matrix product over all tokens.
pub fn product<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    if x.dtype() == DType::F32 && fused::available(&x.device()) {
        return fused_linear(layer, x, None);
    }
    let mut shape = x.dims();
    let [input, output] = layer.weight.dims();
    let tokens: usize = shape[..D - 1].iter().product();
    let weight = cast_like(layer.weight.val(), &x);
    let y = x.reshape([tokens, input]).matmul(weight);
    shape[D - 1] = output;
    y.reshape(shape)
}

fn fused_linear<const D: usize>(layer: &Linear, x: Tensor<D>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let mut shape = x.dims();
    let [input, output] = layer.weight.dims();
    let tokens: usize = shape[..D - 1].iter().product();
    shape[D - 1] = output;
    fused::linear(x.reshape([tokens, input]), layer.weight.val(), bias).reshape(shape)
}

/// In the type of another.
pub(super) fn cast_like<const D: usize, const E: usize>(tensor: Tensor<D>, like: &Tensor<E>) -> Tensor<D> {
    cast(tensor, like.dtype())
}

/// In a type of floating-point numbers.
pub(super) fn cast<const D: usize>(tensor: Tensor<D>, dtype: DType) -> Tensor<D> {
    if tensor.dtype() == dtype { tensor } else { tensor.cast(dtype) }
}

/// Mean 0 and variance 1 (biased) over the last axis.
pub(super) fn standardise<const D: usize>(x: Tensor<D>, epsilon: f64) -> Tensor<D> {
    let mean = x.clone().mean_dim(D - 1);
    let centred = x - mean;
    let variance = centred.clone().powi_scalar(2).mean_dim(D - 1);
    centred / variance.add_scalar(epsilon as f32).sqrt()
}

/// A constant (rows, columns) on the device of `like`.
pub fn constant<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    like: &burn::tensor::Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), like)
}
