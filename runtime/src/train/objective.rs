//! What is minimised: errors in normalised space, errors of derived fields, and broken constraints.

use std::collections::{BTreeMap, BTreeSet};

use aurora_compiler::kernel::ir::Module;
use aurora_compiler::plan::training::{ErrorTerm, Measure, PhasePlan};
use aurora_compiler::plan::{Plan, Role};
use aurora_compiler::soften::kernel_in_losses;
use burn::tensor::{Device, Tensor, TensorData};

use super::compiled::LossKernel;
use super::distribution::DistributionTerm;
use super::graph::{Field, GraphError};
use super::scaling::Scalings;
use crate::model::Prediction;

/// The truth that belongs to a prediction.
#[derive(Clone, Debug)]
pub struct Truth {
    /// (V, B, 1, H, W), normalised, in the plan's order.
    pub surface: Tensor<5>,
    /// (V, B, 1, A, H, W), normalised, in the plan's order.
    pub atmosphere: Tensor<6>,
    /// Fields that derived errors and conditions speak of, (B, 1, C, H, W), physical.
    pub fields: BTreeMap<String, Field>,
    /// Static fields, which prediction and truth share, (1, 1, 1, H, W), physical.
    pub statics: BTreeMap<String, Field>,
}

/// One phase's objective, ready to be taken of any prediction.
#[derive(Debug)]
pub struct Objective {
    groups: Vec<Group>,
    conditional: Vec<ConditionalTerm>,
    distributions: Vec<(DistributionTerm, Option<LossKernel>)>,
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

/// The error of one variable over the points where a condition on the truth holds.
#[derive(Debug)]
struct ConditionalTerm {
    field: Place,
    term: ErrorTerm,
    condition: LossKernel,
}

/// Where a variable stands among those of the model.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Surface(usize),
    Atmosphere(usize),
}

#[derive(Debug)]
struct DerivedTerm {
    name: String,
    kernel: LossKernel,
    /// The kernel has ramps where the field has steps: the truth is computed with it too.
    softened: bool,
    measure: Measure,
    weight: f64,
    spread: f64,
    condition: Option<LossKernel>,
}

#[derive(Debug)]
struct ConstraintTerm {
    name: String,
    kernel: LossKernel,
    weight: f64,
}

/// What part of a batch a micro-batch is: the values and gradients of all of them add up to the whole batch's.
#[derive(Clone, Debug)]
pub struct Share {
    /// Of the samples.
    pub samples: f32,
    /// For each condition, of the points where it holds ([`Objective::holding`]); as of the samples where absent.
    pub conditions: Vec<f32>,
}

impl Share {
    /// The whole batch.
    pub fn whole() -> Share {
        Share { samples: 1.0, conditions: Vec::new() }
    }
}

/// The value of an objective and of its parts.
#[derive(Debug)]
pub struct Value {
    /// One number, with a graph behind it on an autodiff device.
    pub total: Tensor<1>,
    /// Errors in units of the field's spread, as `mae(refc)`, and violations in tolerances squared, by name.
    pub parts: BTreeMap<String, f64>,
}

/// Why a phase's objective cannot be made of the compiled recipe. The compiler lets none of these pass: the recipe
/// and its kernels do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum ObjectiveError {
    #[error("{what} needs the kernel `{kernel}`, which was not compiled; build the recipe again")]
    MissingKernel { what: String, kernel: String },
    #[error(
        "`{name}` is minimised in the phase `{phase}`, but is neither a loss nor a constraint of the recipe"
    )]
    NoSuchLoss { phase: String, name: String },
    #[error("{what} needs a distribution, but no head predicts `{field}` as quantiles")]
    NoDistribution { what: String, field: String },
    #[error("{what} cannot be trained on in this version")]
    NotBuilt { what: String },
}

impl Objective {
    /// The objective of a phase. `spreads` are those of derived fields over the train split.
    ///
    /// # Errors
    /// A term whose kernel is not there, or which needs a distribution where one value is predicted.
    pub fn new(
        plan: &Plan,
        phase: &PhasePlan,
        module: &Module,
        scalings: &Scalings,
        spreads: &BTreeMap<String, f64>,
    ) -> Result<Objective, ObjectiveError> {
        let fields = |role: Role| -> Vec<String> {
            let roles = plan.roles.iter().filter(|r| r.role == role && r.part.predicted());
            roles.map(|r| r.field.clone()).collect()
        };
        let mut objective = Objective {
            groups: Vec::new(),
            conditional: Vec::new(),
            distributions: Vec::new(),
            derived: Vec::new(),
            constraints: Vec::new(),
            scalings: scalings.clone(),
            surface: fields(Role::Surface),
            atmosphere: fields(Role::Atmosphere),
        };
        for (weight, name) in &phase.minimise {
            if let Some(loss) = plan.training.losses.get(name) {
                for term in &loss.terms {
                    let term = ErrorTerm { weight: weight * term.weight, ..term.clone() };
                    objective.add(term, plan, module, spreads)?;
                }
            } else if let Some(constraint) = plan.training.constraints.get(name) {
                let kernel =
                    kernel_in_loss(module, &constraint.kernel, || format!("the constraint `{name}`"))?;
                objective.constraints.push(ConstraintTerm { name: name.clone(), kernel, weight: *weight });
            } else {
                return Err(ObjectiveError::NoSuchLoss { phase: phase.name.clone(), name: name.clone() });
            }
        }
        Ok(objective)
    }

    fn add(
        &mut self,
        term: ErrorTerm,
        plan: &Plan,
        module: &Module,
        spreads: &BTreeMap<String, f64>,
    ) -> Result<(), ObjectiveError> {
        let what = || format!("`{}`", part(term.measure, &term.field));
        if matches!(term.measure, Measure::Spectral { .. } | Measure::Fss { .. } | Measure::Expression) {
            return Err(ObjectiveError::NotBuilt { what: what() });
        }
        let surface = self.surface.iter().position(|name| *name == term.field).map(Place::Surface);
        let atmosphere =
            || self.atmosphere.iter().position(|name| *name == term.field).map(Place::Atmosphere);
        let condition = match &term.when {
            Some(when) => Some(kernel(module, &when.kernel, || format!("the condition of {}", what()))?),
            None => None,
        };
        let place = surface.or_else(atmosphere);
        if term.measure == Measure::Crps {
            let named = place.and_then(|place| distribution(plan, &term.field, place));
            let (Some(place), Some(named)) = (place, named) else {
                return Err(ObjectiveError::NoDistribution { what: what(), field: term.field.clone() });
            };
            self.distributions.push((DistributionTerm { place, named, term }, condition));
            return Ok(());
        }
        match (place, condition) {
            (None, condition) => {
                let softened = module.kernel(&kernel_in_losses(&term.field)).is_some();
                let kernel = kernel_in_loss(module, &term.field, what)?;
                let spread = spreads.get(&term.field).copied().unwrap_or(1.0);
                let ErrorTerm { field: name, measure, weight, .. } = term;
                self.derived.push(DerivedTerm { name, kernel, softened, measure, weight, spread, condition });
            }
            (Some(field), Some(condition)) => {
                self.conditional.push(ConditionalTerm { field, term, condition })
            }
            (Some(field), None) => self.weigh(field, term.measure, term.weight as f32),
        }
        Ok(())
    }

    /// Adds a weight to a variable in the group of its measure.
    fn weigh(&mut self, field: Place, measure: Measure, weight: f32) {
        let at = self.groups.iter().position(|group| group.measure == measure).unwrap_or_else(|| {
            let surface = vec![0.0; self.surface.len()];
            let atmosphere = vec![0.0; self.atmosphere.len()];
            self.groups.push(Group { measure, surface, atmosphere });
            self.groups.len() - 1
        });
        match field {
            Place::Surface(slot) => self.groups[at].surface[slot] += weight,
            Place::Atmosphere(slot) => self.groups[at].atmosphere[slot] += weight,
        }
    }

    /// Names of the fields whose physical truth is needed.
    pub fn true_fields(&self) -> Vec<String> {
        let inputs =
            self.conditions().flat_map(|kernel| &kernel.kernel().inputs).map(|input| input.name.clone());
        let of_term = |term: &DerivedTerm| match term.softened {
            true => term.kernel.kernel().inputs.iter().map(|input| input.name.clone()).collect(),
            false => vec![term.name.clone()],
        };
        let names: BTreeSet<String> = self.derived.iter().flat_map(of_term).chain(inputs).collect();
        names.into_iter().collect()
    }

    /// For each term with a condition, the points of the truth where it holds.
    pub fn holding(&self, truth: &Truth) -> Result<Vec<f64>, GraphError> {
        self.conditions().map(|kernel| Ok(scalar(&kernel.run(&truth.fields)?.sum()))).collect()
    }

    /// The conditions of all terms, in the order in which `value` takes the terms.
    fn conditions(&self) -> impl Iterator<Item = &LossKernel> {
        let conditions = self.conditional.iter().map(|term| &term.condition);
        let conditions = conditions.chain(self.distributions.iter().filter_map(|(_, when)| when.as_ref()));
        conditions.chain(self.derived.iter().filter_map(|term| term.condition.as_ref()))
    }

    /// The objective's value for one prediction of a batch or of a part of one.
    pub fn value(&self, prediction: &Prediction, truth: &Truth, share: &Share) -> Result<Value, GraphError> {
        let device = prediction.surface.device();
        let mut total = Tensor::<1>::zeros([1], &device);
        let mut parts = BTreeMap::new();
        let mut conditions = share.conditions.iter();
        let mut share_of = |condition: Option<&LossKernel>| {
            condition.and_then(|_| conditions.next()).copied().unwrap_or(share.samples)
        };
        for group in &self.groups {
            let surface = per_variable(group.measure, prediction.surface.clone() - truth.surface.clone());
            let atmosphere =
                per_variable(group.measure, prediction.atmosphere.clone() - truth.atmosphere.clone());
            let (surface, atmosphere) =
                (surface.mul_scalar(share.samples), atmosphere.mul_scalar(share.samples));
            note(&mut parts, group.measure, &self.surface, &group.surface, &surface);
            note(&mut parts, group.measure, &self.atmosphere, &group.atmosphere, &atmosphere);
            total = total
                + (surface * vector(&group.surface, &device)).sum()
                + (atmosphere * vector(&group.atmosphere, &device)).sum();
        }
        for ConditionalTerm { field, term, condition } in &self.conditional {
            let difference = match field {
                Place::Surface(slot) => {
                    let part = |all: &Tensor<5>| all.clone().narrow(0, *slot, 1);
                    let [_, b, t, h, w] = prediction.surface.dims();
                    (part(&prediction.surface) - part(&truth.surface)).reshape([b, t, 1, h, w])
                }
                Place::Atmosphere(slot) => {
                    let part = |all: &Tensor<6>| -> Field { all.clone().narrow(0, *slot, 1).squeeze_dim(0) };
                    part(&prediction.atmosphere) - part(&truth.atmosphere)
                }
            };
            let error = mean_where(measured(term.measure, difference), Some(condition), &truth.fields)?;
            let error = error.mul_scalar(share_of(Some(condition)));
            parts.insert(format!("{} when", part(term.measure, &term.field)), scalar(&error));
            total = total + error.mul_scalar(term.weight as f32);
        }
        for (distribution, condition) in &self.distributions {
            let DistributionTerm { named, term, .. } = distribution;
            let errors = distribution.errors(prediction, truth).ok_or_else(|| GraphError::MissingInput {
                kernel: part(term.measure, &term.field),
                input: format!("quantiles of {named}"),
            })?;
            let error = mean_where(errors, condition.as_ref(), &truth.fields)?;
            let error = error.mul_scalar(share_of(condition.as_ref()));
            let when = if condition.is_some() { " when" } else { "" };
            parts.insert(format!("{}{when}", part(term.measure, &term.field)), scalar(&error));
            total = total + error.mul_scalar(term.weight as f32);
        }
        if self.derived.is_empty() && self.constraints.is_empty() {
            return Ok(Value { total, parts });
        }
        let mut fields = self.physical(prediction);
        fields.extend(truth.statics.clone());
        for term in &self.derived {
            let value = term.kernel.run(&fields)?;
            let true_value = match term.softened {
                true => term.kernel.run(&truth.fields)?,
                false => truth.fields.get(&term.name).cloned().ok_or_else(|| GraphError::MissingInput {
                    kernel: part(term.measure, &term.name),
                    input: format!("truth of {}", term.name),
                })?,
            };
            let difference = (value - true_value).div_scalar(term.spread as f32);
            let error =
                mean_where(measured(term.measure, difference), term.condition.as_ref(), &truth.fields)?;
            let error = error.mul_scalar(share_of(term.condition.as_ref()));
            parts.insert(part(term.measure, &term.name), scalar(&error));
            total = total + error.mul_scalar(term.weight as f32);
        }
        for term in &self.constraints {
            let violation = term.kernel.run(&fields)?.powi_scalar(2).mean();
            let violation = violation.mul_scalar(share.samples);
            parts.insert(term.name.clone(), scalar(&violation));
            total = total + violation.mul_scalar(term.weight as f32);
        }
        Ok(Value { total, parts })
    }

    /// Whether anything of it is computed from differences between neighbouring points of the grid.
    pub fn has_stencils(&self) -> bool {
        let derived = self.derived.iter().map(|term| &term.kernel);
        let kernels =
            derived.chain(self.constraints.iter().map(|term| &term.kernel)).chain(self.conditions());
        kernels.into_iter().any(|kernel| kernel.kernel().is_stencil())
    }

    /// The predicted fields that kernels read, in SI units, (B, 1, C, H, W).
    fn physical(&self, prediction: &Prediction) -> BTreeMap<String, Field> {
        let mut fields = BTreeMap::new();
        let wanted = |name: &str| {
            let reads = |kernel: &LossKernel| kernel.kernel().inputs.iter().any(|input| input.name == name);
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

fn kernel(module: &Module, name: &str, what: impl FnOnce() -> String) -> Result<LossKernel, ObjectiveError> {
    let missing = || ObjectiveError::MissingKernel { what: what(), kernel: name.to_string() };
    module.kernel(name).cloned().map(LossKernel::new).ok_or_else(missing)
}

/// The kernel as it stands in losses, where that is another one.
fn kernel_in_loss(
    module: &Module,
    name: &str,
    what: impl FnOnce() -> String,
) -> Result<LossKernel, ObjectiveError> {
    let own = kernel_in_losses(name);
    kernel(module, if module.kernel(&own).is_some() { &own } else { name }, what)
}

/// What the checkpoint calls a field that a head predicts as quantiles.
fn distribution(plan: &Plan, field: &str, place: Place) -> Option<String> {
    let levels = matches!(place, Place::Atmosphere(_));
    let heads = plan.model.options.heads.iter().filter(|head| head.quantiles.is_some());
    let mut fields = heads.flat_map(|head| &head.predicts);
    fields.find(|one| one.field == field && one.levels == levels).map(|one| one.named.clone())
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

/// The mean over the points where a condition on the truth holds, over all without one; nothing where it
/// holds nowhere.
fn mean_where(
    errors: Field,
    condition: Option<&LossKernel>,
    truth: &BTreeMap<String, Field>,
) -> Result<Tensor<1>, GraphError> {
    let Some(condition) = condition else { return Ok(errors.mean()) };
    let holds = condition.run(truth)?.expand(errors.dims());
    let count = holds.clone().sum().clamp_min(1.0);
    Ok((errors * holds).sum() / count)
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
        // Scores of distributions have terms of their own, the others are refused when the objective is made.
        Measure::Crps | Measure::Spectral { .. } | Measure::Fss { .. } | Measure::Expression => {
            difference.mul_scalar(f32::NAN)
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
        Measure::Crps => format!("crps({field})"),
        Measure::Spectral { below } => format!("spectral({field}, {below})"),
        Measure::Fss { above, within } => format!("fss({field}, {above}, {within})"),
        Measure::Expression => format!("expression({field})"),
    }
}

fn vector(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

fn scalar(value: &Tensor<1>) -> f64 {
    f64::from(value.clone().into_scalar::<f32>())
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
