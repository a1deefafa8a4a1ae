//! AdamW (Loshchilov and Hutter 2019, algorithm 2) with clipping by the norm of the whole gradient.
//!
//! Moments are kept under Aurora's names of the parameters, so that a checkpoint does not depend on the
//! identities that burn draws at random in each process.

use std::collections::BTreeMap;

use aurora_compiler::plan::model::ModelPlan;
use aurora_compiler::plan::training::AdamW;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::model::fused::{self, AdamWStep};
use crate::model::parameters::Names;
use crate::model::{Aurora, HostTensor, ParameterGradients};

/// First and second moments of one parameter, flattened.
#[derive(Clone, Debug)]
struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
}

/// The optimiser's memory over one phase.
#[derive(Clone, Debug, Default)]
pub struct Optimiser {
    /// Steps taken, for the correction of the moments' bias.
    pub steps: usize,
    moments: BTreeMap<String, Moments>,
}

impl Optimiser {
    /// One step. Parameters outside `groups` stay as they are. Gives back the norm of the gradient before
    /// clipping; if it is not finite nothing is changed. Weights are changed in place if nobody shares the model.
    pub fn step(
        &mut self,
        model: Aurora,
        mut gradients: ParameterGradients,
        settings: &AdamW,
        rate: f64,
        groups: &[String],
    ) -> (Aurora, f64) {
        gradients.retain(|name| learns(model.plan(), name, groups));
        let norm = gradients.norm();
        if !norm.is_finite() {
            return (model, norm);
        }
        let clip = settings.clip.map_or(1.0, |limit| (limit / norm.max(f64::MIN_POSITIVE)).min(1.0));
        (self.update(model, gradients, settings, rate, clip), norm)
    }

    /// The step itself, with gradients multiplied by `clip`. Parameters without a gradient stay as they are.
    pub fn update(
        &mut self,
        model: Aurora,
        gradients: ParameterGradients,
        settings: &AdamW,
        rate: f64,
        clip: f64,
    ) -> Aurora {
        self.steps += 1;
        let names = model.names().clone();
        let step = numbers(settings, rate, self.steps, clip);
        model.map(&mut Update { names: &names, gradients, step, moments: &mut self.moments })
    }

    /// The moments under `first.NAME` and `second.NAME`, flattened.
    pub fn save(&self) -> BTreeMap<String, HostTensor> {
        let host = |tensor: &Tensor<1>| HostTensor {
            shape: tensor.dims().to_vec(),
            values: tensor.to_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default(),
        };
        let both = self.moments.iter().flat_map(|(name, m)| {
            [(format!("first.{name}"), host(&m.first)), (format!("second.{name}"), host(&m.second))]
        });
        both.collect()
    }

    /// What [`save`](Self::save) gave, on a device.
    pub fn load(steps: usize, tensors: BTreeMap<String, HostTensor>, device: &Device) -> Optimiser {
        let tensor = |host: &HostTensor| {
            let shape = [host.values.len()];
            Tensor::from_data(TensorData::new(host.values.clone(), shape), device)
        };
        let moments = tensors
            .iter()
            .filter_map(|(key, first)| {
                let name = key.strip_prefix("first.")?;
                let second = tensors.get(&format!("second.{name}"))?;
                Some((name.to_string(), Moments { first: tensor(first), second: tensor(second) }))
            })
            .collect();
        Optimiser { steps, moments }
    }
}

/// Whether a parameter learns in a phase. From fresh weights everything is `new`.
fn learns(plan: &ModelPlan, name: &str, groups: &[String]) -> bool {
    let own = plan.group_of(name);
    groups.iter().any(|group| group == "new" || *group == own)
}

/// The numbers of a step, the first of which is 1.
fn numbers(settings: &AdamW, rate: f64, step: usize, clip: f64) -> AdamWStep {
    let correction = |beta: f64| 1.0 - beta.powi(step.min(i32::MAX as usize) as i32);
    AdamWStep {
        clip: clip as f32,
        beta1: settings.beta1 as f32,
        beta2: settings.beta2 as f32,
        rest1: (1.0 - settings.beta1) as f32,
        rest2: (1.0 - settings.beta2) as f32,
        rate: (rate / correction(settings.beta1)) as f32,
        root: (1.0 / correction(settings.beta2).sqrt()) as f32,
        epsilon: settings.epsilon as f32,
        keep: (1.0 - rate * settings.weight_decay) as f32,
    }
}

struct Update<'a> {
    names: &'a Names,
    gradients: ParameterGradients,
    step: AdamWStep,
    moments: &'a mut BTreeMap<String, Moments>,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(name) = self.names.of(param.id).map(str::to_string) else { return param };
        let Some(gradient) = self.gradients.take(&name) else { return param };
        param.map(|weight| {
            let count = weight.shape().num_elements();
            let old = self.moments.remove(&name).unwrap_or_else(|| Moments {
                first: Tensor::zeros([count], &gradient.device()),
                second: Tensor::zeros([count], &gradient.device()),
            });
            let moments = (old.first, old.second);
            let apply = match fused::available(&gradient.device()) {
                true => fused::adamw,
                false => composed,
            };
            // From here nobody else holds the weight, so that it may be changed in place.
            let (new, (first, second)) = apply(weight.inner(), moments, gradient, self.step);
            self.moments.insert(name.clone(), Moments { first, second });
            Tensor::from_inner(new).require_grad()
        })
    }
}

/// A step of AdamW of burn's operations.
fn composed<const D: usize>(
    weight: Tensor<D>,
    (first, second): (Tensor<1>, Tensor<1>),
    gradient: Tensor<1>,
    step: AdamWStep,
) -> (Tensor<D>, (Tensor<1>, Tensor<1>)) {
    let gradient = gradient.mul_scalar(step.clip);
    let first = first.mul_scalar(step.beta1) + gradient.clone().mul_scalar(step.rest1);
    let square = gradient.clone() * gradient;
    let second = second.mul_scalar(step.beta2) + square.mul_scalar(step.rest2);
    let spread = second.clone().sqrt().mul_scalar(step.root).add_scalar(step.epsilon);
    let direction = first.clone().mul_scalar(step.rate) / spread;
    let direction = direction.reshape(weight.dims());
    (weight.mul_scalar(step.keep) - direction, (first, second))
}

#[cfg(test)]
mod tests {
    use aurora_compiler::plan::training::{Schedule, Shape};

    use super::*;

    const COUNT: usize = 70_001;

    fn list(seed: usize) -> Vec<f32> {
        (0..COUNT).map(|at| ((at * 7919 + seed * 104_729) % 2003) as f32 / 500.0 - 2.0).collect()
    }

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &Device::flex())
    }

    fn settings() -> AdamW {
        let rate = Schedule { from: 1e-3, to: 1e-3, shape: Shape::Constant, warmup: 0 };
        AdamW { rate, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1, clip: None }
    }

    #[test]
    fn one_pass_gives_the_bits_of_the_composition() {
        let run = |fused: bool| {
            let mut state = (tensor(&list(1)), (tensor(&[0.0; COUNT]), tensor(&[0.0; COUNT])));
            for at in 1..4 {
                let step = numbers(&settings(), 1e-2, at, 0.3);
                let gradient = tensor(&list(1 + at));
                state = match fused {
                    true => fused::adamw(state.0, state.1, gradient, step),
                    false => composed(state.0, state.1, gradient, step),
                };
            }
            let (weight, (first, second)) = state;
            [weight, first, second].map(|one| one.into_data().try_into_vec::<f32>().unwrap())
        };
        assert_eq!(run(true), run(false));
    }

    /// Algorithm 2 in f64, number by number. Three steps of size 1e-2 on values of size 2, rounded to f32: 1e-6.
    #[test]
    fn steps_are_those_of_the_definition() {
        let settings = settings();
        let (mut weight, mut moments) = (tensor(&list(1)), (tensor(&[0.0; COUNT]), tensor(&[0.0; COUNT])));
        let mut wanted: Vec<[f64; 3]> = list(1).iter().map(|w| [f64::from(*w), 0.0, 0.0]).collect();
        let rate = 1e-2;
        for at in 1..4 {
            let gradient = list(1 + at);
            for (wanted, gradient) in wanted.iter_mut().zip(&gradient) {
                let gradient = f64::from(*gradient) * 0.3;
                let [weight, first, second] = wanted;
                *first = settings.beta1 * *first + (1.0 - settings.beta1) * gradient;
                *second = settings.beta2 * *second + (1.0 - settings.beta2) * gradient * gradient;
                let mean = *first / (1.0 - settings.beta1.powi(at as i32));
                let spread = (*second / (1.0 - settings.beta2.powi(at as i32))).sqrt();
                *weight -= rate * (mean / (spread + settings.epsilon) + settings.weight_decay * *weight);
            }
            (weight, moments) =
                fused::adamw(weight, moments, tensor(&gradient), numbers(&settings, rate, at, 0.3));
        }
        let found = weight.into_data().try_into_vec::<f32>().unwrap();
        for (found, [wanted, ..]) in found.iter().zip(&wanted) {
            assert!((f64::from(*found) - wanted).abs() < 1e-6, "{found} {wanted}");
        }
    }

    #[test]
    fn a_weight_that_nobody_shares_is_changed_where_it_lies() {
        let step = numbers(&settings(), 1e-2, 1, 1.0);
        let (weight, moments) = (tensor(&list(1)), (tensor(&[0.0; COUNT]), tensor(&[0.0; COUNT])));
        let shared = weight.clone();
        let (moved, moments) = fused::adamw(weight, moments, tensor(&list(2)), step);
        let kept = shared.into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(kept, list(1));
        let place = |tensor: &Tensor<1>| address(tensor.clone());
        let before = place(&moved);
        let (moved, _) = fused::adamw(moved, moments, tensor(&list(3)), step);
        assert_eq!(before, place(&moved));
    }

    /// Where the values of a tensor on the CPU lie.
    fn address(tensor: Tensor<1>) -> usize {
        let primitive = tensor.try_into_primitive::<burn::backend::Flex>().ok().unwrap();
        primitive.bytes().as_ptr() as usize
    }
}
