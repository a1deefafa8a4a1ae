//! The air pollution model: a pollutant is read beside its logarithm, and predicted as a change of an earlier state.

use std::collections::BTreeMap;

use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::Fields;
use crate::model::decoder::modulation;
use crate::model::parameters::Builder;
use crate::model::{Batch, ModelError};

/// The input time whose state each pollutant's prediction changes: 0 is a day before the prediction, when the
/// traffic was the same, 1 the step before.
const CHANGES: [(&str, usize); 13] = [
    ("pm1", 0),
    ("pm2p5", 0),
    ("pm10", 0),
    ("co", 1),
    ("tcco", 1),
    ("no", 0),
    ("tc_no", 0),
    ("no2", 0),
    ("tcno2", 0),
    ("so2", 1),
    ("tcso2", 1),
    ("go3", 1),
    ("gtco3", 1),
];

/// Least value whose logarithm counts, and greatest of the linear feature, both normalised.
const LEAST: f64 = 1e-4;
const GREATEST: f32 = 2.5;
/// Sulphur dioxide grew without bound near the ground; upstream bounds it there, normalised, if adapted by LoRA.
const GROUND: f64 = 850.0;

/// One linear map for each positive variable: of its value and its logarithm to what is embedded.
#[derive(Module, Debug)]
pub struct Combiners {
    surface: Vec<Linear>,
    atmosphere: Vec<Linear>,
    #[module(skip)]
    surface_names: Vec<String>,
    #[module(skip)]
    atmosphere_names: Vec<String>,
}

impl Combiners {
    pub fn new(builder: &mut Builder, plan: &ModelPlan) -> Combiners {
        let mut list = |part: &str, names: &[String]| -> Vec<Linear> {
            let names = names.iter().map(|name| format!("{part}_feature_combiner.{name}"));
            names.map(|name| builder.constant_linear(&name, 2, 1, 0.5)).collect()
        };
        Combiners {
            surface: list("surf", &plan.positive_surface),
            atmosphere: list("atmos", &plan.positive_atmosphere),
            surface_names: plan.positive_surface.clone(),
            atmosphere_names: plan.positive_atmosphere.clone(),
        }
    }

    pub(super) fn forward(&self, mut batch: Batch) -> Batch {
        combine(&mut batch.surface, &self.surface_names, &self.surface);
        combine(&mut batch.atmosphere, &self.atmosphere_names, &self.atmosphere);
        batch
    }
}

fn combine<const D: usize>(fields: &mut BTreeMap<String, Tensor<D>>, names: &[String], layers: &[Linear]) {
    for (name, layer) in names.iter().zip(layers) {
        let Some(field) = fields.get_mut(name) else { continue };
        let value = field.clone().clamp(0.0, GREATEST);
        let logarithm = field.clone().clamp_min(LEAST as f32).log();
        let logarithm = logarithm.sub_scalar(LEAST.ln() as f32).div_scalar(-LEAST.ln() as f32);
        let weight = |row: usize| layer.weight.val().narrow(0, row, 1).reshape([1; D]);
        let sum = value * weight(0) + logarithm * weight(1);
        *field = match &layer.bias {
            Some(bias) => sum + bias.val().reshape([1; D]),
            None => sum,
        };
    }
}

/// x + (1 + m)·previous for every pollutant with a modulation m; modulations are used up.
pub(super) fn after_decoder(plan: &ModelPlan, input: &Batch, fields: Fields) -> Result<Fields, ModelError> {
    let Fields { mut surface, mut atmosphere } = fields;
    change(&mut surface, &input.surface)?;
    change(&mut atmosphere, &input.atmosphere)?;
    if plan.options.lora.is_some()
        && let Some(field) = atmosphere.get_mut("so2")
    {
        let levels = input.levels.iter().enumerate().map(|(at, level)| {
            let field = field.clone().narrow(2, at, 1);
            if *level >= GROUND { field.clamp_max(1.0) } else { field }
        });
        *field = Tensor::cat(levels.collect(), 2);
    }
    Ok(Fields { surface, atmosphere })
}

fn change<const D: usize>(
    fields: &mut BTreeMap<String, Tensor<D>>,
    input: &BTreeMap<String, Tensor<D>>,
) -> Result<(), ModelError> {
    for (name, time) in CHANGES {
        let Some(modulation) = fields.remove(&modulation(name)) else { continue };
        let (Some(field), Some(previous)) = (fields.get_mut(name), input.get(name)) else { continue };
        let times = previous.dims()[1];
        if time >= times {
            return Err(ModelError::Batch(format!(
                "`{name}` is predicted as a change of input time {}, but {times} are given",
                time + 1
            )));
        }
        let previous = previous.clone().narrow(1, time, 1);
        *field = field.clone() + modulation.add_scalar(1.0) * previous;
    }
    Ok(())
}
