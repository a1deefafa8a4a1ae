//! What is minimised: errors in normalised space, errors of derived fields, and broken constraints.

use std::collections::BTreeMap;

use aurora_compiler::kernel::ir::{Kernel, Module};
use aurora_compiler::plan::training::{Measure, PhasePlan};
use aurora_compiler::plan::{Plan, Role};
use burn::tensor::{Device, Tensor, TensorData};

use super::graph::{self, Field, GraphError};
use super::scaling::Scalings;
use crate::model::Prediction;

/// The truth that belongs to a prediction.
#[derive(Clone, Debug)]
pub struct Truth {
    /// (V, B, 1, H, W), normalised, in the plan's order.
    pub surface: Tensor<5>,
    /// (V, B, 1, A, H, W), normalised, in the plan's order.
    pub atmosphere: Tensor<6>,
    /// Derived fields that a loss speaks of, (B, 1, C, H, W), physical.
    pub derived: BTreeMap<String, Field>,
}

/// One phase's objective, ready to be taken of any prediction.
#[derive(Debug)]
pub struct Objective {
    groups: Vec<Group>,
    derived: Vec<DerivedTerm>,
    constraints: Vec<ConstraintTerm>,
    scalings: Scalings,
    surface: Vec<String>,
    atmosphere: Vec<String>,
}

/// All variables compared by one measure, with their weights.
#[derive(Debug)]
struct Group {
    measure: Measure,
    surface: Vec<f32>,
    atmosphere: Vec<f32>,
}

#[derive(Debug)]
struct DerivedTerm {
    name: String,
    kernel: Kernel,
    measure: Measure,
    weight: f64,
    spread: f64,
}

#[derive(Debug)]
struct ConstraintTerm {
    name: String,
    kernel: Kernel,
    weight: f64,
}

/// The value of an objective and of its parts.
#[derive(Debug)]
pub struct Value {
    /// One number, with a graph behind it on an autodiff device.
    pub total: Tensor<1>,
    /// Errors in units of the field's spread, as `mae(refc)`, and violations in tolerances squared, by name.
    pub parts: BTreeMap<String, f64>,
}

impl Objective {
    /// The objective of a phase. `spreads` are those of derived fields over the train split.
    pub fn new(
        plan: &Plan,
        phase: &PhasePlan,
        module: &Module,
        scalings: &Scalings,
        spreads: &BTreeMap<String, f64>,
    ) -> Objective {
        let fields = |role: Role| -> Vec<String> {
            plan.roles.iter().filter(|r| r.role == role).map(|r| r.field.clone()).collect()
        };
        let mut objective = Objective {
            groups: Vec::new(),
            derived: Vec::new(),
            constraints: Vec::new(),
            scalings: scalings.clone(),
            surface: fields(Role::Surface),
            atmosphere: fields(Role::Atmosphere),
        };
        for (weight, name) in &phase.minimise {
            if let Some(loss) = plan.training.losses.get(name) {
                for term in &loss.terms {
                    objective.add(term.measure, &term.field, weight * term.weight, module, spreads);
                }
            } else if let Some(constraint) = plan.training.constraints.get(name)
                && let Some(kernel) = module.kernel(&constraint.kernel)
            {
                let term = ConstraintTerm { name: name.clone(), kernel: kernel.clone(), weight: *weight };
                objective.constraints.push(term);
            }
        }
        objective
    }

    fn add(
        &mut self,
        measure: Measure,
        field: &str,
        weight: f64,
        module: &Module,
        spreads: &BTreeMap<String, f64>,
    ) {
        let surface = self.surface.iter().position(|name| name == field);
        let atmosphere = self.atmosphere.iter().position(|name| name == field);
        if surface.is_none() && atmosphere.is_none() {
            if let Some(kernel) = module.kernel(field) {
                let spread = spreads.get(field).copied().unwrap_or(1.0);
                let kernel = kernel.clone();
                self.derived.push(DerivedTerm { name: field.to_string(), kernel, measure, weight, spread });
            }
            return;
        }
        let at = self.groups.iter().position(|group| group.measure == measure).unwrap_or_else(|| {
            let surface = vec![0.0; self.surface.len()];
            let atmosphere = vec![0.0; self.atmosphere.len()];
            self.groups.push(Group { measure, surface, atmosphere });
            self.groups.len() - 1
        });
        let group = &mut self.groups[at];
        if let Some(slot) = surface {
            group.surface[slot] += weight as f32;
        }
        if let Some(slot) = atmosphere {
            group.atmosphere[slot] += weight as f32;
        }
    }

    /// Names of derived fields whose truth is needed.
    pub fn derived_fields(&self) -> Vec<String> {
        self.derived.iter().map(|term| term.name.clone()).collect()
    }

    /// The objective's value for one prediction.
    pub fn value(&self, prediction: &Prediction, truth: &Truth) -> Result<Value, GraphError> {
        let device = prediction.surface.device();
        let mut total = Tensor::<1>::zeros([1], &device);
        let mut parts = BTreeMap::new();
        for group in &self.groups {
            let surface = per_variable(group.measure, prediction.surface.clone() - truth.surface.clone());
            let atmosphere = per_variable(group.measure, prediction.atmosphere.clone() - truth.atmosphere.clone());
            note(&mut parts, group.measure, &self.surface, &group.surface, &surface);
            note(&mut parts, group.measure, &self.atmosphere, &group.atmosphere, &atmosphere);
            total = total
                + (surface * vector(&group.surface, &device)).sum()
                + (atmosphere * vector(&group.atmosphere, &device)).sum();
        }
        if !self.derived.is_empty() || !self.constraints.is_empty() {
            let fields = self.physical(prediction);
            for term in &self.derived {
                let value = first(graph::run(&term.kernel, &fields)?);
                let Some(true_value) = truth.derived.get(&term.name) else { continue };
                let difference = (value - true_value.clone()).div_scalar(term.spread as f32);
                let error = measured(term.measure, difference).mean();
                parts.insert(part(term.measure, &term.name), scalar(&error));
                total = total + error.mul_scalar(term.weight as f32);
            }
            for term in &self.constraints {
                let violation = first(graph::run(&term.kernel, &fields)?).powi_scalar(2).mean();
                parts.insert(term.name.clone(), scalar(&violation));
                total = total + violation.mul_scalar(term.weight as f32);
            }
        }
        Ok(Value { total, parts })
    }

    /// The predicted fields that kernels read, in SI units, (B, 1, C, H, W).
    fn physical(&self, prediction: &Prediction) -> BTreeMap<String, Field> {
        let mut fields = BTreeMap::new();
        let wanted = |name: &str| {
            let reads = |kernel: &Kernel| kernel.inputs.iter().any(|input| input.name == name);
            self.derived.iter().any(|t| reads(&t.kernel)) || self.constraints.iter().any(|t| reads(&t.kernel))
        };
        for (slot, name) in self.surface.iter().enumerate().filter(|(_, name)| wanted(name)) {
            let [_, samples, times, height, width] = prediction.surface.dims();
            let field = prediction.surface.clone().narrow(0, slot, 1);
            let field = field.reshape([samples, times, 1, height, width]);
            fields.insert(name.clone(), self.scalings.restore(name, field));
        }
        for (slot, name) in self.atmosphere.iter().enumerate().filter(|(_, name)| wanted(name)) {
            let field: Field = prediction.atmosphere.clone().narrow(0, slot, 1).squeeze_dim(0);
            fields.insert(name.clone(), self.scalings.restore(name, field));
        }
        fields
    }
}

/// The mean error of each variable, (V).
fn per_variable<const D: usize>(measure: Measure, difference: Tensor<D>) -> Tensor<1> {
    let variables = difference.dims()[0];
    if variables == 0 {
        return Tensor::zeros([0], &difference.device());
    }
    let rest = difference.shape().num_elements() / variables;
    measured(measure, difference).reshape([variables, rest]).mean_dim(1).reshape([variables])
}

fn measured<const D: usize>(measure: Measure, difference: Tensor<D>) -> Tensor<D> {
    match measure {
        Measure::Mae => difference.abs(),
        Measure::Mse => difference.powi_scalar(2),
        Measure::Huber { delta } => {
            let delta = delta as f32;
            let size = difference.abs();
            let inner = size.clone().clamp_max(delta);
            inner.clone().powi_scalar(2).mul_scalar(0.5) + (size - inner).mul_scalar(delta)
        }
    }
}

/// Keeps the errors of the variables that carry weight, for the record.
fn note(
    parts: &mut BTreeMap<String, f64>,
    measure: Measure,
    names: &[String],
    weights: &[f32],
    errors: &Tensor<1>,
) {
    let values = errors.to_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
    for ((name, weight), value) in names.iter().zip(weights).zip(values) {
        if *weight != 0.0 {
            parts.insert(part(measure, name), f64::from(value));
        }
    }
}

/// `mae(refc)`: what a part is called in the record.
fn part(measure: Measure, field: &str) -> String {
    match measure {
        Measure::Mae => format!("mae({field})"),
        Measure::Mse => format!("mse({field})"),
        Measure::Huber { delta } => format!("huber({field}, {delta})"),
    }
}

fn vector(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

fn scalar(value: &Tensor<1>) -> f64 {
    f64::from(value.clone().into_scalar::<f32>())
}

fn first(mut outputs: Vec<Field>) -> Field {
    outputs.swap_remove(0)
}

impl Value {
    /// The sum of two, part by part.
    pub fn plus(mut self, other: Value) -> Value {
        for (name, part) in other.parts {
            *self.parts.entry(name).or_default() += part;
        }
        Value { total: self.total + other.total, parts: self.parts }
    }

    /// Divided by a count.
    pub fn over(mut self, count: usize) -> Value {
        self.parts.values_mut().for_each(|part| *part /= count as f64);
        Value { total: self.total.div_scalar(count as f32), parts: self.parts }
    }
}
