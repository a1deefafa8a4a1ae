//! From a checked recipe to a plan: what is used is collected, ordered and numbered.

use std::collections::{BTreeMap, BTreeSet};

use aurora_grammar::{Diagnostic, Diagnostics};

use super::data::{DataPlan, DerivedPlan, FieldPlan, LevelsPlan, SupportPlan};
use super::evaluation::Score;
use super::model::ModelPlan;
use super::training::{ConstraintPlan, TrainingPlan};
use super::{Plan, Role, RolePlan, SCHEMA};
use crate::check::{Checked, ModelChoice, Preset};
use crate::kernel::ir::Module;
use crate::lower::{self, input_name};
use crate::resolve::{RECIPE, Resolved};
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
            fields: fields(checked, &used),
            derived: derived(checked, &used, &mut module),
            sampling: data.sampling.clone(),
            repair: data.repair.clone(),
        },
        model: ModelPlan::pretrained(),
        history: model.history,
        step: model.step,
        roles: roles(checked, model),
        training: TrainingPlan::default(),
        evaluations: checked.evaluations.clone(),
        ensemble: None,
    };
    // Their order in the text does not matter, so it may not show.
    plan.evaluations.sort_by(|a, b| a.name.cmp(&b.name));
    plan.data.levels = levels(checked, &used);
    plan.training = training(resolved, checked, &mut module);
    plan.model = architecture(checked, model, &plan, diagnostics)?;
    crate::check::tile_not_multiple(&plan, resolved, diagnostics);
    Some((plan, module))
}

/// Two fields of one name, from a library and from the recipe or another library, would be one in the store.
fn name_clash(resolved: &Resolved, used: &[String], diagnostics: &mut Diagnostics) -> bool {
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
    let lookup = |name: &str| resolved.lookup(RECIPE, name).map(|d| d.id.clone());
    let model = checked.model.iter().flat_map(|m| m.prognostic.iter().chain(&m.statics)).cloned();
    let errors = checked.losses.values().flat_map(|l| &l.terms).filter_map(|t| lookup(&t.field));
    let constraints = checked.constraints.values().flat_map(|c| c.violation.variables());
    let scores = checked.evaluations.iter().flat_map(|e| &e.scores).filter_map(|s| lookup(&s.field));
    let conditions = checked.conditions.values().flat_map(|c| c.variables());
    let conditions = conditions.map(|id| lower::bare_id(&id).to_string());
    let gate = checked.ensemble.iter().flat_map(|ensemble| &ensemble.gate).cloned();
    let own = checked.derived.keys().filter(|id| !id.contains('.')).cloned();
    for id in model.chain(errors).chain(conditions).chain(constraints).chain(scores).chain(gate).chain(own) {
        need(checked, &id, &mut used);
    }
    used
}

fn need(checked: &Checked, id: &str, used: &mut Vec<String>) {
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

fn fields(checked: &Checked, used: &[String]) -> Vec<FieldPlan> {
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
        })
        .collect();
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    fields
}

fn derived(checked: &Checked, used: &[String], module: &mut Module) -> Vec<DerivedPlan> {
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

fn levels(checked: &Checked, used: &[String]) -> BTreeMap<String, LevelsPlan> {
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
    let role = |id: &String| {
        let variable = checked.variables.get(id);
        let ty = variable.map(|v| &v.ty).or_else(|| checked.derived.get(id).map(|d| &d.ty))?;
        let field = input_name(id).to_string();
        Some(RolePlan {
            named: variable.and_then(|v| v.named.clone()).unwrap_or_else(|| field.clone()),
            field,
            role: match ty.support {
                Support::Levels(_) => Role::Atmosphere,
                Support::Static | Support::Constant => Role::Static,
                Support::Surface | Support::Column => Role::Surface,
            },
            centre: variable.and_then(|v| v.centre),
            spread: variable.and_then(|v| v.spread),
        })
    };
    model.prognostic.iter().chain(&model.statics).filter_map(role).collect()
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
        let needed = minimised(&name) && constraint.tolerance.is_some() || scored(&name);
        if !known || !needed {
            continue;
        }
        let tolerance = constraint.tolerance.unwrap_or(1.0);
        let kernel_name = format!("constraint.{name}");
        let kernel = lower::kernel(checked, &kernel_name, &in_tolerances(&constraint.violation, tolerance));
        let inputs = kernel.inputs.iter().map(|i| i.name.clone()).collect();
        module.kernels.push(kernel);
        constraints.insert(name, ConstraintPlan { kernel: kernel_name, inputs, tolerance });
    }
    let losses: BTreeMap<_, _> = checked
        .losses
        .iter()
        .filter(|(name, _)| minimised(name))
        .map(|(name, loss)| (name.clone(), loss.clone()))
        .collect();
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let terms = losses.values().flat_map(|loss| &loss.terms);
    needed.extend(terms.flat_map(|term| term.when.iter().chain(&term.expression)).map(|c| c.kernel.as_str()));
    let favours = checked.phases.iter().flat_map(|phase| &phase.favour);
    needed.extend(favours.map(|favour| favour.condition.kernel.as_str()));
    let scores = checked.evaluations.iter().flat_map(|e| &e.scores);
    needed.extend(scores.flat_map(|score| &score.event).map(|event| event.kernel.as_str()));
    for (name, relation) in &checked.conditions {
        if needed.contains(name.as_str()) {
            module.kernels.push(lower::kernel(checked, name, relation));
        }
    }
    TrainingPlan { losses, constraints, phases: checked.phases.clone() }
}

fn in_tolerances(violation: &Typed, tolerance: f64) -> Typed {
    let span = violation.span;
    let node = |kind, ty| std::rc::Rc::new(TypedExpr::new(kind, ty, span, None));
    let scale = node(TypedKind::Constant(tolerance), FieldType::number());
    let ty = FieldType { support: violation.ty.support.clone(), ..FieldType::number() };
    node(TypedKind::Binary(Binary::Divide, violation.clone(), scale), ty)
}

/// The preset, with what the recipe changes; its rules are checked by the plan itself.
fn architecture(
    checked: &Checked,
    choice: &ModelChoice,
    plan: &Plan,
    diagnostics: &mut Diagnostics,
) -> Option<ModelPlan> {
    let named = |role: Role| -> Vec<String> {
        plan.roles.iter().filter(|r| r.role == role).map(|r| r.named.clone()).collect()
    };
    let mut model = match choice.preset {
        Preset::Pretrained => ModelPlan::pretrained(),
        Preset::Small => ModelPlan::small(),
    };
    model.surface = named(Role::Surface);
    model.statics = named(Role::Static);
    model.atmosphere = named(Role::Atmosphere);
    model.levels = atmosphere_levels(checked, choice, diagnostics)?;
    (model.height, model.width) = (plan.data.grid.height, plan.data.grid.width);
    model.wrap = plan.data.grid.wraps();
    model.history = choice.history;
    model.timestep = choice.step as f64 / 3600.0;
    model.stabilise_level_aggregation = choice.stabilise;
    model.patch = choice.patch.unwrap_or(model.patch);
    model.embed_dim = choice.embed.unwrap_or(model.embed_dim);
    if let Some(depths) = &choice.depths {
        model.encoder_depths = depths.clone();
        model.decoder_depths = depths.iter().rev().copied().collect();
    }
    if let Some(heads) = &choice.heads {
        model.encoder_heads = heads.clone();
        model.decoder_heads = heads.iter().rev().copied().collect();
        model.num_heads = heads.first().copied().unwrap_or(model.num_heads);
    }
    model.decoder_depths = choice.decoder_depths.clone().unwrap_or(model.decoder_depths);
    model.decoder_heads = choice.decoder_heads.clone().unwrap_or(model.decoder_heads);
    model.num_heads = choice.perceiver_heads.unwrap_or(model.num_heads);
    if let Some(window) = &choice.window {
        match window[..] {
            [levels, rows, columns] => model.window = [levels, rows, columns],
            _ => {
                refuse(
                    choice,
                    &["`window` has three sides: latent levels, rows, columns".into()],
                    diagnostics,
                );
                return None;
            }
        }
    }
    model.latent_levels = choice.latent_levels.unwrap_or(model.latent_levels);
    model.mlp_ratio = choice.mlp_ratio.unwrap_or(model.mlp_ratio);
    model.dec_mlp_ratio = choice.decoder_mlp_ratio.unwrap_or(model.dec_mlp_ratio);
    model.enc_depth = choice.encoder_perceiver_depth.unwrap_or(model.enc_depth);
    model.dec_depth = choice.decoder_perceiver_depth.unwrap_or(model.dec_depth);
    // Before anything is counted: the work of counting grows with the depth.
    let blocks =
        model.encoder_depths.iter().chain(&model.decoder_depths).try_fold(0usize, |a, b| a.checked_add(*b));
    if blocks.is_none_or(|blocks| blocks > MOST_BLOCKS) || model.enc_depth.max(model.dec_depth) > MOST_BLOCKS
    {
        refuse(choice, &[format!("a model has at most {MOST_BLOCKS} blocks")], diagnostics);
        return None;
    }
    if let Err(reasons) = model.validate() {
        let reasons: Vec<String> = reasons.iter().map(|reason| in_recipe_words(reason)).collect();
        refuse(choice, &reasons, diagnostics);
        return None;
    }
    Some(model)
}

/// More blocks than any Aurora has.
const MOST_BLOCKS: usize = 1_000;

/// One diagnostic for all reasons: most often one number is wrong and several rules say so.
fn refuse(choice: &ModelChoice, reasons: &[String], diagnostics: &mut Diagnostics) {
    let Some((first, rest)) = reasons.split_first() else { return };
    let help = match rest {
        [] => "one that works: architecture aurora(patch = 4, embed = 64, depths = [2, 2], heads = [4, 8], \
               window = [2, 4, 4])"
            .to_string(),
        _ => format!("and for the same model: {}", rest.join("; ")),
    };
    diagnostics.push(
        Diagnostic::error("impossible-architecture", first.clone())
            .label(choice.span, "this model cannot be built")
            .help(help),
    );
}

/// The plan's names for what a recipe calls otherwise.
fn in_recipe_words(reason: &str) -> String {
    const WORDS: [(&str, &str); 10] = [
        ("encoder_heads", "`heads`"),
        ("decoder_heads", "`decoder_heads`"),
        ("encoder_depths", "`depths`"),
        ("decoder_depths", "`decoder_depths`"),
        ("embed_dim", "`embed`"),
        ("num_heads", "`perceiver_heads`"),
        ("dec_mlp_ratio", "`decoder_mlp_ratio`"),
        ("enc_depth", "`encoder_perceiver_depth`"),
        ("dec_depth", "`decoder_perceiver_depth`"),
        ("latent_levels", "`latent_levels`"),
    ];
    let word = |word: &str| {
        WORDS.iter().find(|(plan, _)| *plan == word).map_or(word.to_string(), |(_, own)| (*own).to_string())
    };
    reason.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Pressure in hPa; all prognostic fields on levels must be on one set.
fn atmosphere_levels(
    checked: &Checked,
    choice: &ModelChoice,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<f64>> {
    let mut sets: Vec<&String> = choice
        .prognostic
        .iter()
        .filter_map(|id| {
            let ty = checked.variables.get(id).map(|v| &v.ty);
            match &ty.or_else(|| checked.derived.get(id).map(|d| &d.ty))?.support {
                Support::Levels(set) => Some(set),
                _ => None,
            }
        })
        .collect();
    sets.sort();
    sets.dedup();
    let [set] = sets[..] else {
        let reason = if sets.is_empty() {
            "Aurora needs at least one prognostic field on pressure levels"
        } else {
            "Aurora's fields on levels must share one set of levels"
        };
        refuse(choice, &[reason.to_string()], diagnostics);
        return None;
    };
    let levels = checked.levels.get(set)?;
    if levels.coordinate != "pressure" {
        refuse(
            choice,
            &["Aurora's levels are pressures; bring the fields there with `at`".into()],
            diagnostics,
        );
        return None;
    }
    Some(levels.values.iter().map(|p| p / 100.0).collect())
}
