//! Parameters by Aurora's names: fresh values from a seed, reading them out, writing them in.
//!
//! A stream of random numbers per name makes fresh weights independent of the order of construction.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::ModelError;
use super::layer::Norm;

/// Values in row-major order, in torch's layout where they are a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// How a parameter lies in burn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// As in torch.
    Same,
    /// A linear weight: (in, out) here, (out, in) in torch.
    Transposed,
}

/// The names of a module's parameters, by the parameters' identities.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<BTreeMap<u64, (String, Layout)>>);

impl Names {
    /// Aurora's name of a parameter of this module.
    pub fn of(&self, parameter: burn::module::ParamId) -> Option<&str> {
        self.0.get(&parameter.val()).map(|(name, _)| name.as_str())
    }

    /// All parameters, by name, in torch's layout.
    pub fn read<M: Module>(&self, module: &M) -> BTreeMap<String, HostTensor> {
        let mut reader = Reader { names: self, gradients: None, list: BTreeMap::new() };
        module.visit(&mut reader);
        reader.list
    }

    /// The gradients of all parameters that have one, by name, in torch's layout.
    pub fn gradients<M: Module>(&self, module: &M, gradients: &Gradients) -> BTreeMap<String, HostTensor> {
        let mut reader = Reader { names: self, gradients: Some(gradients), list: BTreeMap::new() };
        module.visit(&mut reader);
        reader.list
    }

    /// The module with the given values in place of its own. Names it lacks and shapes that do not fit are left
    /// as they are: compare first.
    pub fn write<M: Module>(&self, module: M, mut values: BTreeMap<String, HostTensor>) -> M {
        let mut supply = |name: &str| Ok(values.remove(name));
        module.map(&mut Writer { names: self, supply: &mut supply, failed: None })
    }

    /// The module with values in place of its own that are fetched one by one; where there are none, its own stay.
    ///
    /// # Errors
    /// The first that could not be fetched.
    pub fn write_each<M: Module>(&self, module: M, supply: &mut Supply<'_>) -> Result<M, ModelError> {
        let mut writer = Writer { names: self, supply, failed: None };
        let module = module.map(&mut writer);
        writer.failed.map_or(Ok(module), Err)
    }
}

struct Reader<'a> {
    names: &'a Names,
    gradients: Option<&'a Gradients>,
    list: BTreeMap<String, HostTensor>,
}

impl ModuleVisitor for Reader<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some((name, layout)) = self.names.0.get(&param.id.val()) else { return };
        let tensor = match self.gradients {
            None => Some(param.val()),
            Some(gradients) => param.val().grad(gradients),
        };
        let Some(tensor) = tensor else { return };
        let tensor = if *layout == Layout::Transposed { tensor.swap_dims(0, 1) } else { tensor };
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
        self.list.insert(name.clone(), HostTensor { shape, values });
    }
}

/// Fetches the values of a parameter by its name; nothing if there are none.
pub type Supply<'a> = dyn FnMut(&str) -> Result<Option<HostTensor>, ModelError> + 'a;

struct Writer<'a, 'b> {
    names: &'a Names,
    supply: &'a mut Supply<'b>,
    /// Why values could not be fetched; nothing more is then.
    failed: Option<ModelError>,
}

impl ModuleMapper for Writer<'_, '_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((name, layout)) = self.names.0.get(&param.id.val()) else { return param };
        if self.failed.is_some() {
            return param;
        }
        let value = match (self.supply)(name) {
            Ok(Some(value)) => value,
            Ok(None) => return param,
            Err(error) => {
                self.failed = Some(error);
                return param;
            }
        };
        param.map(|old| {
            let data = burn_layout(value, *layout);
            if data.shape().as_slice() != old.dims() {
                return old;
            }
            let new = Tensor::from_data(data, &old.device());
            new.set_require_grad(old.is_require_grad())
        })
    }
}

/// Fresh parameters, drawn from a seed, with their names taken down.
#[derive(Debug)]
pub struct Builder<'a> {
    seed: u64,
    device: &'a Device,
    names: BTreeMap<u64, (String, Layout)>,
}

impl<'a> Builder<'a> {
    pub fn new(seed: u64, device: &'a Device) -> Builder<'a> {
        Builder { seed, device, names: BTreeMap::new() }
    }

    pub fn names(self) -> Names {
        Names(Arc::new(self.names))
    }

    /// A linear layer: weight normal with deviation 0.02, bias 0.
    pub fn linear(&mut self, name: &str, input: usize, output: usize, bias: bool) -> Linear {
        let name = name.to_string();
        let weight_name = format!("{name}.weight");
        let values = self.normal(&weight_name, input * output);
        let weight = self.param(weight_name, vec![output, input], values, Layout::Transposed);
        let bias =
            bias.then(|| self.param(format!("{name}.bias"), vec![output], vec![0.0; output], Layout::Same));
        Linear { weight, bias }
    }

    /// A linear layer of zeros.
    pub fn zero_linear(&mut self, name: &str, input: usize, output: usize) -> Linear {
        self.constant_linear(name, input, output, 0.0)
    }

    /// A linear layer whose weights are all the same, bias 0.
    pub fn constant_linear(&mut self, name: &str, input: usize, output: usize, value: f32) -> Linear {
        let values = vec![value; input * output];
        let weight = self.param(format!("{name}.weight"), vec![output, input], values, Layout::Transposed);
        let bias = self.param(format!("{name}.bias"), vec![output], vec![0.0; output], Layout::Same);
        Linear { weight, bias: Some(bias) }
    }

    /// A layer norm: weight 1, bias 0.
    pub fn norm(&mut self, name: &str, width: usize, epsilon: f64) -> Norm {
        let weight = self.param(format!("{name}.weight"), vec![width], vec![1.0; width], Layout::Same);
        let bias = self.param(format!("{name}.bias"), vec![width], vec![0.0; width], Layout::Same);
        Norm { weight, bias, epsilon }
    }

    /// Normal with deviation 0.02.
    pub fn normal_tensor<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Param<Tensor<D>> {
        let values = self.normal(name, shape.iter().product());
        self.param(name.into(), shape.to_vec(), values, Layout::Same)
    }

    /// Zeros.
    pub fn zero_tensor<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Param<Tensor<D>> {
        self.param(name.into(), shape.to_vec(), vec![0.0; shape.iter().product()], Layout::Same)
    }

    /// Uniform within ±1/√`fan_in`: torch's default for convolutions and their biases.
    pub fn uniform_tensor<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        fan_in: usize,
    ) -> Param<Tensor<D>> {
        let bound = 1.0 / (fan_in as f64).sqrt();
        let mut stream = self.stream(name);
        let count = shape.iter().product();
        let values = (0..count).map(|_| ((2.0 * unit(&mut stream) - 1.0) * bound) as f32).collect();
        self.param(name.into(), shape.to_vec(), values, Layout::Same)
    }

    /// A linear map that is a parameter by itself, (in, out): uniform within ±1/√in, as torch draws one.
    pub fn uniform_map(&mut self, name: &str, input: usize, output: usize) -> Param<Tensor<2>> {
        let bound = 1.0 / (input as f64).sqrt();
        let mut stream = self.stream(name);
        let draw = |_| ((2.0 * unit(&mut stream) - 1.0) * bound) as f32;
        let values = (0..input * output).map(draw).collect();
        self.param(name.into(), vec![output, input], values, Layout::Transposed)
    }

    /// A linear map of zeros that is a parameter by itself, (in, out).
    pub fn zero_map(&mut self, name: &str, input: usize, output: usize) -> Param<Tensor<2>> {
        self.param(name.into(), vec![output, input], vec![0.0; input * output], Layout::Transposed)
    }

    fn param<const D: usize>(
        &mut self,
        name: String,
        shape: Vec<usize>,
        values: Vec<f32>,
        layout: Layout,
    ) -> Param<Tensor<D>> {
        let data = burn_layout(HostTensor { shape, values }, layout);
        let param = Param::from_tensor(Tensor::from_data(data, self.device));
        self.names.insert(param.id.val(), (name, layout));
        param
    }

    /// Normal with deviation 0.02, by the transform of Box and Muller. Upstream truncates at ±2, a hundred
    /// deviations away.
    fn normal(&self, name: &str, count: usize) -> Vec<f32> {
        let mut stream = self.stream(name);
        let mut values = Vec::with_capacity(count + 1);
        while values.len() < count {
            let radius = (-2.0 * (1.0 - unit(&mut stream)).ln()).sqrt() * 0.02;
            let (sine, cosine) = (2.0 * std::f64::consts::PI * unit(&mut stream)).sin_cos();
            values.extend([(radius * cosine) as f32, (radius * sine) as f32]);
        }
        values.truncate(count);
        values
    }

    fn stream(&self, name: &str) -> ChaCha8Rng {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.seed.to_le_bytes());
        hash.update(name.as_bytes());
        ChaCha8Rng::from_seed(*hash.finalize().as_bytes())
    }
}

/// Uniform in [0, 1), 53 bits.
fn unit(stream: &mut ChaCha8Rng) -> f64 {
    (stream.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

fn burn_layout(tensor: HostTensor, layout: Layout) -> TensorData {
    let HostTensor { shape, values } = tensor;
    match (layout, shape.as_slice()) {
        (Layout::Transposed, &[rows, columns]) => {
            let mut turned = Vec::with_capacity(values.len());
            for column in 0..columns {
                turned.extend((0..rows).map(|row| values[row * columns + column]));
            }
            TensorData::new(turned, [columns, rows])
        }
        _ => TensorData::new(values, shape),
    }
}
