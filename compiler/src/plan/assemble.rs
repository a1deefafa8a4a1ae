//! From a checked recipe to a plan: what is used is collected, ordered and numbered.

use std::collections::{BTreeMap, BTreeSet};

use aurora_grammar::{Diagnostic, Diagnostics};

use super::architecture::architecture;
use super::data::{DataPlan, DerivedPlan, FieldPlan, LevelsPlan, SupportPlan};
use super::evaluation::Score;
use super::model::ModelPlan;
use super::training::{ConstraintPlan, ProjectionPlan, TrainingPlan};
use super::{Part, Plan, Role, RolePlan, SCHEMA, capacity, start};
use crate::check::{Checked, ModelChoice, Projection};
use crate::kernel::ir::Module;
use crate::lower::{self, input_name};
use crate::resolve::{RECIPE, Resolved};
use crate::soften::{kernel_in_losses, softened};
use crate::typed::{Binary, Typed, TypedExpr, TypedKind};
use crate::types::{FieldType, Support};

/// The plan and the kernels it names; nothing if the recipe is not whole.
pub fn assemble(
    resolved: &Resolved,
    checked: &Checked,
    hash: &str,
    diagnostics: &mut Diagnostics,
) -> Option<(Plan, Module)> {
    let (mut plan, mut module) = one(resolved, checked, hash, diagnostics)?;
    if let Some(choice) = &checked.ensemble {
        plan.ensemble = Some(super::members::ensemble(choice, resolved, checked, &mut module, diagnostics)?);
    }
    Some((plan, module))
}

/// One recipe without its members.
pub(super) fn one(
    resolved: &Resolved,
    checked: &Checked,
    hash: &str,
    diagnostics: &mut Diagnostics,
) -> Option<(Plan, Module)> {
    let (data, model) = (checked.data.as_ref()?, checked.model.as_ref()?);
    let mut module = Module::default();
    let used = used_fields(resolved, checked);
    let kept = kept_fields(resolved, checked);
    if name_clash(resolved, &used, diagnostics) {
        return None;
    }
    let mut plan = Plan {
        schema: SCHEMA.to_string(),
        name: checked.name.clone(),
        title: checked.title.clone(),
        hash: hash.to_string(),
        data: DataPlan {
            archive: data.archive.clone(),
            grid: checked.grids.get(&data.grid)?.clone(),
            levels: BTreeMap::new(),
            every: data.every,
            train: data.train,
            validate: data.validate,
            test: data.test,
            fields: fields(checked, &used, &|id| kept.contains(id)),
            derived: derived(checked, &used, &|id| kept.contains(id), &mut module),
            sampling: data.sampling.clone(),
            repair: data.repair.clone(),
        },
        model: ModelPlan::pretrained(),
        history: model.history,
        step: model.step,
        roles: roles(checked, model),
        base: None,
        training: TrainingPlan::default(),
        evaluations: checked.evaluations.clone(),
        ensemble: None,
    };
    // Their order in the text does not matter, so it may not show.
    plan.evaluations.sort_by(|a, b| a.name.cmp(&b.name));
    plan.data.levels = levels(checked, &used);
    plan.training = training(resolved, checked, &mut module);
    plan.model = architecture(checked, model, &plan, diagnostics)?;
    plan.base = start::base(model, &plan, diagnostics)?;
    crate::check::tile_not_multiple(&plan, resolved, diagnostics);
    capacity::fits(resolved, checked, &plan, diagnostics)?;
    Some((plan, module))
}

/// Two fields of one name, from a library and from the recipe or another library, would be one in the store.
pub(super) fn name_clash(resolved: &Resolved, used: &[String], diagnostics: &mut Diagnostics) -> bool {
    let mut by_name: BTreeMap<&str, &String> = BTreeMap::new();
    for id in used {
        let Some(other) = by_name.insert(input_name(id), id).filter(|other| *other != id) else { continue };
        let name = input_name(id);
        let mut diagnostic =
            Diagnostic::error("already-defined", format!("two different fields called `{name}` are needed"));
        for one in [id, other] {
            let Some(definition) = resolved.definitions.get(one) else { continue };
            let from = definition.library.as_deref().unwrap_or("this recipe");
            diagnostic = diagnostic.label(definition.name.span, format!("`{name}` of {from}"));
        }
        diagnostics.push(
            diagnostic.help("what a library derives uses the library's own fields; give yours another name"),
        );
        return true;
    }
    false
}

/// Ids of all fields the plan needs, those derived after what they are derived from.
pub(crate) fn used_fields(resolved: &Resolved, checked: &Checked) -> Vec<String> {
    let mut used = Vec::new();
    for id in modelled(checked).chain(spoken_of(resolved, checked)) {
        need(checked, &id, &mut used);
    }
    used
}

/// Those of them that samples are made of: the model's own, what else is spoken of, and what that is computed from after a
/// prediction. What serves only to derive the model's fields is read and not kept.
fn kept_fields(resolved: &Resolved, checked: &Checked) -> BTreeSet<String> {
    let mut kept: BTreeSet<String> = modelled(checked).collect();
    let mut open: Vec<String> = spoken_of(resolved, checked).collect();
    while let Some(id) = open.pop() {
        if kept.insert(id.clone()) {
            let inputs = checked.derived.get(&id).map(|derived| derived.value.variables());
            open.extend(inputs.into_iter().flatten());
        }
    }
    kept
}

fn modelled(checked: &Checked) -> impl Iterator<Item = String> {
    checked.model.iter().flat_map(|m| m.fields().map(|(id, _)| id.clone()))
}

/// What losses, conditions, constraints, scores and the gate speak of, and all that the recipe itself derives.
fn spoken_of(resolved: &Resolved, checked: &Checked) -> impl Iterator<Item = String> {
    let lookup = |name: &str| resolved.lookup(RECIPE, name).map(|d| d.id.clone());
    let errors = checked.losses.values().flat_map(|l| &l.terms).filter_map(move |t| lookup(&t.field));
    let constraints = checked.constraints.values().flat_map(|c| c.violation.variables());
    let scores = checked.evaluations.iter().flat_map(|e| &e.scores).filter_map(move |s| lookup(&s.field));
    let conditions = checked.conditions.values().flat_map(|c| c.variables());
    let conditions = conditions.map(|id| lower::bare_id(&id).to_string());
    let gate = checked.ensemble.iter().flat_map(|ensemble| &ensemble.gate).cloned();
    let own = checked.derived.keys().filter(|id| !id.contains('.')).cloned();
    errors.chain(conditions).chain(constraints).chain(scores).chain(gate).chain(own)
}

pub(super) fn need(checked: &Checked, id: &str, used: &mut Vec<String>) {
    if used.iter().any(|u| u == id) {
        return;
    }
    if let Some(derived) = checked.derived.get(id) {
        // A constant, or made of coordinates alone: known already, wherever it is used.
        if derived.value.variables().is_empty() {
            return;
        }
        for input in derived.value.variables() {
            need(checked, &input, used);
        }
    }
    used.push(id.to_string());
}

pub(super) fn fields(checked: &Checked, used: &[String], kept: &dyn Fn(&str) -> bool) -> Vec<FieldPlan> {
    let mut fields: Vec<FieldPlan> = used
        .iter()
        .filter_map(|id| checked.variables.get(id))
        .map(|variable| FieldPlan {
            name: input_name(&variable.id).to_string(),
            from: variable.from.clone(),
            quantity: variable.ty.quantity.clone().unwrap_or_default(),
            units: variable.units.clone(),
            support: support(&variable.ty),
            cell: variable.ty.cell.map(|cell| cell.to_string()),
            range: crate::range::shown(variable.ty.range),
            kept: kept(&variable.id),
        })
        .collect();
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    fields
}

pub(super) fn derived(
    checked: &Checked,
    used: &[String],
    kept: &dyn Fn(&str) -> bool,
    module: &mut Module,
) -> Vec<DerivedPlan> {
    let wanted = used.iter().filter_map(|id| checked.derived.get(id));
    let mut plans = Vec::new();
    for derived in order(wanted.collect()) {
        let name = input_name(&derived.id).to_string();
        let kernel = lower::kernel(checked, &name, &derived.value);
        plans.push(DerivedPlan {
            name: name.clone(),
            kernel: name,
            inputs: kernel.inputs.iter().map(|i| i.name.clone()).collect(),
            quantity: derived.ty.quantity.clone().unwrap_or_default(),
            units: derived.units.clone(),
            support: support(&derived.ty),
            range: crate::range::shown(derived.declared),
            kept: kept(&derived.id),
        });
        module.kernels.push(kernel);
    }
    plans
}

/// By name, but never before what it is derived from: so the order of the text does not matter.
fn order(mut wanted: Vec<&crate::check::Derived>) -> Vec<&crate::check::Derived> {
    wanted.sort_by(|a, b| a.id.cmp(&b.id));
    let mut ordered: Vec<&crate::check::Derived> = Vec::new();
    while !wanted.is_empty() {
        let ready = wanted.iter().position(|d| {
            d.value.variables().iter().all(|v| !wanted.iter().any(|w| w.id == *v && w.id != d.id))
        });
        ordered.push(wanted.remove(ready.unwrap_or(0)));
    }
    ordered
}

pub(super) fn levels(checked: &Checked, used: &[String]) -> BTreeMap<String, LevelsPlan> {
    let types = used.iter().filter_map(|id| {
        let variable = checked.variables.get(id).map(|v| &v.ty);
        variable.or_else(|| checked.derived.get(id).map(|d| &d.ty))
    });
    types
        .filter_map(|ty| match &ty.support {
            Support::Levels(id) => Some((input_name(id).to_string(), checked.levels.get(id)?.clone())),
            _ => None,
        })
        .collect()
}

fn support(ty: &FieldType) -> SupportPlan {
    match &ty.support {
        Support::Constant | Support::Static => SupportPlan::Static,
        Support::Surface => SupportPlan::Surface,
        Support::Column => SupportPlan::Column,
        Support::Levels(id) => SupportPlan::Levels(input_name(id).to_string()),
    }
}

fn roles(checked: &Checked, model: &ModelChoice) -> Vec<RolePlan> {
    let role = |(id, part): (&String, Part)| {
        let variable = checked.variables.get(id);
        let derived = checked.derived.get(id);
        let ty = variable.map(|v| &v.ty).or_else(|| derived.map(|d| &d.ty))?;
        let named = variable.map(|v| &v.named).or_else(|| derived.map(|d| &d.named)).cloned().flatten();
        let field = input_name(id).to_string();
        Some(RolePlan {
            named: named.unwrap_or_else(|| field.clone()),
            field,
            role: match ty.support {
                Support::Levels(_) => Role::Atmosphere,
                Support::Static | Support::Constant => Role::Static,
                Support::Surface | Support::Column => Role::Surface,
            },
            part,
            centre: variable.and_then(|v| v.centre).or_else(|| derived.and_then(|d| d.centre)),
            spread: variable.and_then(|v| v.spread).or_else(|| derived.and_then(|d| d.spread)),
            centres: variable.map(|v| &v.centres).or_else(|| derived.map(|d| &d.centres))?.clone(),
            spreads: variable.map(|v| &v.spreads).or_else(|| derived.map(|d| &d.spreads))?.clone(),
        })
    };
    model.fields().filter_map(role).collect()
}

fn training(resolved: &Resolved, checked: &Checked, module: &mut Module) -> TrainingPlan {
    let minimised = |name: &str| {
        checked.phases.iter().any(|p| {
            p.minimise.iter().any(|(_, n)| n == name) || p.stop.as_ref().is_some_and(|stop| stop.loss == name)
        })
    };
    let scored = |name: &str| {
        let scores = checked.evaluations.iter().flat_map(|e| &e.scores);
        scores.filter(|s| s.score == Score::Violation).any(|s| s.field == name)
    };
    let mut constraints = BTreeMap::new();
    for constraint in checked.constraints.values() {
        let name = input_name(&constraint.id).to_string();
        let known = resolved.lookup(RECIPE, &name).is_some_and(|d| d.id == constraint.id);
        let needed = minimised(&name) && constraint.tolerance.is_some()
            || scored(&name)
            || constraint.projection.is_some();
        if !known || !needed {
            continue;
        }
        let tolerance = constraint.tolerance.unwrap_or(1.0);
        let kernel_name = format!("constraint.{name}");
        let violation = in_tolerances(&constraint.violation, tolerance);
        softened_beside(checked, &kernel_name, &violation, module);
        let kernel = lower::kernel(checked, &kernel_name, &violation);
        let inputs = kernel.inputs.iter().map(|i| i.name.clone()).collect();
        module.kernels.push(kernel);
        let projection = constraint.projection.as_ref().map(|p| projection(checked, &name, p, module));
        constraints.insert(name, ConstraintPlan { kernel: kernel_name, inputs, tolerance, projection });
    }
    let losses: BTreeMap<_, _> = checked
        .losses
        .iter()
        .filter(|(name, _)| minimised(name))
        .map(|(name, loss)| (name.clone(), loss.clone()))
        .collect();
    let derived: BTreeSet<&str> =
        losses.values().flat_map(|loss| &loss.terms).map(|term| term.field.as_str()).collect();
    for name in derived {
        let id = resolved.lookup(RECIPE, name).map(|definition| &definition.id);
        if let Some(derived) = id.and_then(|id| checked.derived.get(id)) {
            softened_beside(checked, name, &derived.value, module);
        }
    }
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let terms = losses.values().flat_map(|loss| &loss.terms);
    needed.extend(terms.flat_map(|term| term.when.iter().chain(&term.expression)).map(|c| c.kernel.as_str()));
    let terms = losses.values().flat_map(|loss| &loss.terms);
    let expressions: BTreeSet<&str> =
        terms.flat_map(|term| &term.expression).map(|c| c.kernel.as_str()).collect();
    let favours = checked.phases.iter().flat_map(|phase| &phase.favour);
    needed.extend(favours.map(|favour| favour.condition.kernel.as_str()));
    let scores = checked.evaluations.iter().flat_map(|e| &e.scores);
    needed.extend(scores.flat_map(|score| &score.event).map(|event| event.kernel.as_str()));
    for (name, relation) in &checked.conditions {
        if needed.contains(name.as_str()) {
            // Of a loss written out there is no other kernel.
            let soft = if expressions.contains(name.as_str()) { softened(relation) } else { None };
            module.kernels.push(lower::kernel(checked, name, soft.as_ref().unwrap_or(relation)));
        }
    }
    TrainingPlan { losses, constraints, phases: checked.phases.clone() }
}

/// Where a value has steps that are ramps in losses, the kernel for losses.
fn softened_beside(checked: &Checked, name: &str, value: &Typed, module: &mut Module) {
    if let Some(soft) = softened(value) {
        module.kernels.push(lower::kernel(checked, &kernel_in_losses(name), &soft));
    }
}

fn projection(checked: &Checked, name: &str, projection: &Projection, module: &mut Module) -> ProjectionPlan {
    let kernel_name = format!("bound.{name}");
    let kernel = lower::kernel(checked, &kernel_name, &projection.bound);
    let inputs = kernel.inputs.iter().map(|i| i.name.clone()).collect();
    module.kernels.push(kernel);
    let field = input_name(&projection.field).to_string();
    ProjectionPlan { field, upper: projection.upper, kernel: kernel_name, inputs }
}

fn in_tolerances(violation: &Typed, tolerance: f64) -> Typed {
    let span = violation.span;
    let node = |kind, ty| std::rc::Rc::new(TypedExpr::new(kind, ty, span, None));
    let scale = node(TypedKind::Constant(tolerance), FieldType::number());
    let ty = FieldType { support: violation.ty.support.clone(), ..FieldType::number() };
    node(TypedKind::Binary(Binary::Divide, violation.clone(), scale), ty)
}
