//! AdamW (Loshchilov and Hutter 2019, algorithm 2) with clipping by the norm of the whole gradient.
//!
//! Moments are kept under Aurora's names of the parameters, so that a checkpoint does not depend on the
//! identities that burn draws at random in each process.

use std::collections::BTreeMap;

use aurora_compiler::plan::model::ModelPlan;
use aurora_compiler::plan::training::AdamW;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};

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
    /// clipping; if it is not finite nothing is changed.
    pub fn step(
        &mut self,
        model: Aurora,
        mut gradients: ParameterGradients,
        settings: &AdamW,
        rate: f64,
        groups: &[String],
    ) -> (Aurora, f64) {
        let names = model.names().clone();
        gradients.retain(|name| learns(model.plan(), name, groups));
        let norm = gradients.norm();
        if !norm.is_finite() {
            return (model, norm);
        }
        self.steps += 1;
        let clip = settings.clip.map_or(1.0, |limit| (limit / norm.max(f64::MIN_POSITIVE)).min(1.0));
        let correction = |beta: f64| 1.0 - beta.powi(self.steps.min(i32::MAX as usize) as i32);
        let mut update = Update {
            names: &names,
            gradients,
            settings,
            rate,
            clip,
            corrections: (correction(settings.beta1), correction(settings.beta2)),
            moments: &mut self.moments,
        };
        (model.map(&mut update), norm)
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

struct Update<'a> {
    names: &'a Names,
    gradients: ParameterGradients,
    settings: &'a AdamW,
    rate: f64,
    clip: f64,
    corrections: (f64, f64),
    moments: &'a mut BTreeMap<String, Moments>,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(name) = self.names.of(param.id).map(str::to_string) else { return param };
        let Some(gradient) = self.gradients.take(&name) else { return param };
        let settings = self.settings;
        param.map(|weight| {
            let count = weight.shape().num_elements();
            let gradient = gradient.mul_scalar(self.clip as f32);
            let old = self.moments.remove(&name).unwrap_or_else(|| {
                let zero = Tensor::zeros([count], &gradient.device());
                Moments { first: zero.clone(), second: zero }
            });
            let first = blend(old.first, gradient.clone(), settings.beta1);
            let second = blend(old.second, gradient.powi_scalar(2), settings.beta2);
            let direction = first.clone().div_scalar(self.corrections.0 as f32)
                / second
                    .clone()
                    .div_scalar(self.corrections.1 as f32)
                    .sqrt()
                    .add_scalar(settings.epsilon as f32);
            let device = weight.device();
            let shape = weight.dims();
            let plain = weight.inner();
            let decayed = plain.mul_scalar((1.0 - self.rate * settings.weight_decay) as f32);
            let new = decayed - direction.mul_scalar(self.rate as f32).reshape(shape);
            self.moments.insert(name.clone(), Moments { first, second });
            Tensor::from_data(new.into_data(), &device).require_grad()
        })
    }
}

/// `β·old + (1 − β)·new`.
fn blend(old: Tensor<1>, new: Tensor<1>, beta: f64) -> Tensor<1> {
    old.mul_scalar(beta as f32) + new.mul_scalar((1.0 - beta) as f32)
}
