//! The model: the preset with what the recipe changes, the roles put in, the rules kept.

use aurora_grammar::{Diagnostic, Diagnostics};

use super::data::GridPlan;
use super::model::{Clip, Family, Fault, LoraMode, LoraPlan, ModelPlan, OutputOnly};
use super::{Part, Plan, Role, RolePlan, fit};
use crate::check::{Checked, ModelChoice, Value};
use crate::types::Support;

/// More blocks than any Aurora has.
const MOST_BLOCKS: usize = 1_000;

/// The whole model; nothing, and a diagnostic, if it cannot be built.
pub fn architecture(
    checked: &Checked,
    choice: &ModelChoice,
    plan: &Plan,
    diagnostics: &mut Diagnostics,
) -> Option<ModelPlan> {
    let mut model = choice.preset.plan();
    variables(&mut model, plan);
    ranges(&mut model, checked, choice, plan);
    model.levels = atmosphere_levels(checked, choice, diagnostics)?;
    (model.height, model.width) = (plan.data.grid.height, plan.data.grid.width);
    model.wrap = plan.data.grid.wraps();
    model.history = choice.history;
    model.timestep = choice.step as f64 / 3600.0;
    model.options.variable_lead_time = choice.lead_times.is_some();
    model.options.lead_times =
        choice.lead_times.map(|(shortest, longest)| (shortest as f64 / 3600.0, longest as f64 / 3600.0));
    model.options.heads = choice.heads.iter().map(|(head, _)| head.clone()).collect();
    arguments(&mut model, checked, choice, diagnostics)?;
    named_fields(&mut model, choice, plan, diagnostics)?;
    if choice.tiled && model.patch > 0 {
        // The network sees tiles; of the whole grid what its patches cover.
        model.height -= model.height % model.patch;
        model.width -= model.width % model.patch;
    }
    // Before anything is counted: the work of counting grows with the depth.
    let blocks =
        model.encoder_depths.iter().chain(&model.decoder_depths).try_fold(0usize, |a, b| a.checked_add(*b));
    let deep = |depth: usize| depth > MOST_BLOCKS;
    if blocks.is_none_or(deep) || deep(model.enc_depth) || deep(model.dec_depth) {
        let sentence = format!("a model has at most {MOST_BLOCKS} blocks");
        refuse(choice, plan, &model, &[Fault { about: "depths", sentence }], diagnostics);
        return None;
    }
    let faults = model.faults();
    if !faults.is_empty() {
        refuse(choice, plan, &model, &faults, diagnostics);
        return None;
    }
    Some(model)
}

/// The recipe's variables in place of the preset's; options of the preset that name others are dropped.
fn variables(model: &mut ModelPlan, plan: &Plan) {
    let of = |wanted: fn(&RolePlan) -> bool| -> Vec<String> {
        plan.roles.iter().filter(|role| wanted(role)).map(|role| role.named.clone()).collect()
    };
    model.surface = of(|r| r.role == Role::Surface && r.part.predicted());
    model.statics = of(|r| r.role == Role::Static);
    model.atmosphere = of(|r| r.role == Role::Atmosphere && r.part.predicted());
    let (surface, atmosphere) = (model.surface.clone(), model.atmosphere.clone());
    let known = |name: &String| surface.contains(name) || atmosphere.contains(name);
    model.positive_surface.retain(|name| surface.contains(name));
    model.positive_atmosphere.retain(|name| atmosphere.contains(name));
    let options = &mut model.options;
    options.forcing_surface = of(|r| r.role == Role::Surface && r.part == Part::Forcing);
    options.forcing_atmosphere = of(|r| r.role == Role::Atmosphere && r.part == Part::Forcing);
    options.separate_perceiver.retain(|name| atmosphere.contains(name));
    options.modulation_heads.retain(known);
    options.density_channels.retain(|name| surface.contains(name));
    options.angles.retain(|name| surface.contains(name));
    options.clips.retain(|clip| surface.contains(&clip.variable));
    let only = |r: &&RolePlan| r.part == Part::Diagnostic;
    options.output_only = plan
        .roles
        .iter()
        .filter(only)
        .map(|r| match r.role {
            Role::Atmosphere => OutputOnly::Atmosphere(r.named.clone()),
            _ => OutputOnly::Surface(r.named.clone()),
        })
        .collect();
    // A family whose variables are all gone does nothing any more.
    let alive = match options.family {
        Family::Base => true,
        Family::AirPollution => !model.positive_surface.is_empty() || !model.positive_atmosphere.is_empty(),
        Family::Wave => !options.density_channels.is_empty() || !options.angles.is_empty(),
        Family::V1p5 => true,
    };
    if !alive {
        options.family = Family::Base;
    }
}

/// The ranges of the variables. What is fed back is brought into its range first, in physical units. A field
/// that starts at 0 and whose scale starts there too (`centre 0`) is also kept positive inside the network, as
/// upstream does, for there 0 means the same.
fn ranges(model: &mut ModelPlan, checked: &Checked, choice: &ModelChoice, plan: &Plan) {
    for ((id, part), role) in choice.fields().zip(&plan.roles) {
        let variable = checked.variables.get(id).map(|v| &v.ty);
        let Some(ty) = variable.or_else(|| checked.derived.get(id).map(|d| &d.ty)) else { continue };
        let (least, greatest) = ty.range;
        if !part.predicted() || (least.is_none() && greatest.is_none()) {
            continue;
        }
        let levels = role.role == Role::Atmosphere;
        if part == Part::Prognostic {
            let clips = &mut model.options.clips;
            clips.retain(|clip| clip.variable != role.named || clip.levels != levels);
            clips.push(Clip { variable: role.named.clone(), levels, least, greatest });
        }
        if least == Some(0.0) && role.centre == Some(0.0) {
            let list = if levels { &mut model.positive_atmosphere } else { &mut model.positive_surface };
            if !list.contains(&role.named) {
                list.push(role.named.clone());
                model.clamp_at_first_step = true;
            }
        }
    }
}

/// What the arguments of `architecture` change.
fn arguments(
    model: &mut ModelPlan,
    checked: &Checked,
    choice: &ModelChoice,
    diagnostics: &mut Diagnostics,
) -> Option<()> {
    // Those first that set others too.
    for name in ["depths", "heads"] {
        let Some(Value::Wholes(list)) = choice.argument(name).map(|given| &given.value) else { continue };
        let reversed = list.iter().rev().copied().collect();
        if name == "depths" {
            (model.encoder_depths, model.decoder_depths) = (list.clone(), reversed);
        } else {
            (model.encoder_heads, model.decoder_heads) = (list.clone(), reversed);
            model.num_heads = list.first().copied().unwrap_or(model.num_heads);
        }
    }
    for given in &choice.arguments {
        match (given.name, &given.value) {
            ("patch", Value::Whole(n)) => model.patch = *n,
            ("embed", Value::Whole(n)) => model.embed_dim = *n,
            ("latent_levels", Value::Whole(n)) => model.latent_levels = *n,
            ("perceiver_heads", Value::Whole(n)) => model.num_heads = *n,
            ("encoder_perceiver_depth", Value::Whole(n)) => model.enc_depth = *n,
            ("decoder_perceiver_depth", Value::Whole(n)) => model.dec_depth = *n,
            ("decoder_depths", Value::Wholes(list)) => model.decoder_depths = list.clone(),
            ("decoder_heads", Value::Wholes(list)) => model.decoder_heads = list.clone(),
            ("mlp_ratio", Value::Number(x)) => model.mlp_ratio = *x,
            ("decoder_mlp_ratio", Value::Number(x)) => model.dec_mlp_ratio = *x,
            ("perceiver_ln_eps", Value::Number(x)) => model.perceiver_ln_eps = *x,
            ("drop_rate", Value::Number(x)) => model.options.drop_rate = *x,
            ("drop_path", Value::Number(x)) => model.options.drop_path = *x,
            ("stabilise", Value::Truth(yes)) => model.stabilise_level_aggregation = *yes,
            ("dynamic", Value::Truth(yes)) => model.options.dynamic_variables = *yes,
            ("atmosphere_statics", Value::Truth(yes)) => model.options.atmosphere_statics = *yes,
            ("stochastic", Value::Truth(yes)) => model.options.stochastic = *yes,
            ("simulate_indexing_bug", Value::Truth(yes)) => model.options.simulate_indexing_bug = *yes,
            ("updated_lead_time", Value::Truth(yes)) => model.options.updated_lead_time_embedding = *yes,
            ("fp16_safe_attention", Value::Truth(yes)) => model.options.fp16_safe_attention = *yes,
            ("condition", Value::Levels(set)) => {
                let levels = checked.levels.get(set)?;
                model.options.level_condition = Some(hectopascals(&levels.values));
            }
            ("wrap", Value::Truth(yes)) => model.wrap = *yes,
            ("clamp_first", Value::Truth(yes)) => model.clamp_at_first_step = *yes,
            ("lora", Value::Word(word)) => model.options.lora = adapters(word, model.options.lora.take()),
            ("window", Value::Wholes(list)) => match list[..] {
                [levels, rows, columns] => model.window = [levels, rows, columns],
                _ => {
                    diagnostics.push(
                        Diagnostic::error(
                            "impossible-architecture",
                            "`window` has three sides: latent levels, rows, columns",
                        )
                        .label(given.span, format!("{} of them", list.len()))
                        .help("for instance: window = [2, 6, 12]"),
                    );
                    return None;
                }
            },
            _ => {}
        }
    }
    Some(())
}

/// The low-rank updates of a class of upstream's, which fixes rank and alpha.
fn adapters(word: &str, known: Option<LoraPlan>) -> Option<LoraPlan> {
    let mode = match word {
        "single" => LoraMode::Single,
        "from_second" => LoraMode::FromSecond,
        "all" => LoraMode::All,
        _ => return None,
    };
    let known = known.unwrap_or(LoraPlan { mode, steps: 40, rank: 8, alpha: 8.0 });
    Some(LoraPlan { mode, ..known })
}

/// Arguments that list fields, by the names of the checkpoint.
fn named_fields(
    model: &mut ModelPlan,
    choice: &ModelChoice,
    plan: &Plan,
    diagnostics: &mut Diagnostics,
) -> Option<()> {
    for given in &choice.arguments {
        match (given.name, &given.value) {
            ("lora_steps", Value::Whole(steps)) => {
                if let Some(lora) = &mut model.options.lora {
                    lora.steps = *steps;
                }
            }
            (name, Value::Fields(fields)) => {
                let mut list = Vec::new();
                for (field, span) in fields {
                    let Some(role) = plan.roles.iter().find(|role| role.field == *field) else {
                        let message = format!("`{field}` has no role in this model");
                        diagnostics.push(
                            Diagnostic::error("impossible-architecture", message)
                                .label(*span, "neither prognostic nor diagnostic")
                                .help(format!("name a field that `model` predicts in `{name}`")),
                        );
                        return None;
                    };
                    list.push(role);
                }
                fields_of(model, name, &list);
            }
            _ => {}
        }
    }
    Some(())
}

fn fields_of(model: &mut ModelPlan, argument: &str, fields: &[&RolePlan]) {
    let names = |wanted: fn(Role) -> bool| -> Vec<String> {
        fields.iter().filter(|role| wanted(role.role)).map(|role| role.named.clone()).collect()
    };
    match argument {
        "separate" => model.options.separate_perceiver = names(|role| role == Role::Atmosphere),
        "modulated" => model.options.modulation_heads = names(|_| true),
        "positive" => {
            model.positive_surface = names(|role| role == Role::Surface);
            model.positive_atmosphere = names(|role| role == Role::Atmosphere);
        }
        "surface_order" => {
            let order = names(|role| role == Role::Surface);
            let place = |name: &String| order.iter().position(|one| one == name).unwrap_or(usize::MAX);
            model.surface.sort_by_key(place);
        }
        _ => {}
    }
}

/// One diagnostic for all faults: most often one number is wrong and several rules say so.
fn refuse(
    choice: &ModelChoice,
    plan: &Plan,
    model: &ModelPlan,
    faults: &[Fault],
    diagnostics: &mut Diagnostics,
) {
    let Some((first, rest)) = faults.split_first() else { return };
    let mut diagnostic = Diagnostic::error("impossible-architecture", in_recipe_words(&first.sentence));
    let place = match first.about {
        "step" => Some(choice.step_span),
        "history" => Some(choice.history_span),
        "grid" => choice.argument("patch").map(|given| given.span),
        argument => {
            // What is not said follows from what is: `heads` sets those of the Perceivers and of the decoder too.
            let behind = match argument {
                "perceiver_heads" | "decoder_heads" => "heads",
                "decoder_depths" => "depths",
                other => other,
            };
            choice.argument(argument).or_else(|| choice.argument(behind)).map(|given| given.span)
        }
    };
    let label = match (first.about, place) {
        ("grid", Some(_)) => format!("patches of {0} by {0} points", model.patch),
        (_, Some(_)) => "this cannot be built".to_string(),
        ("grid", None) => format!("patches of {0} by {0} points", model.patch),
        (_, None) => "this model cannot be built".to_string(),
    };
    diagnostic = diagnostic.label(place.unwrap_or(choice.span), label);
    if let (true, Some(span)) = (first.about == "grid", choice.grid_span) {
        let GridPlan { width, height, .. } = plan.data.grid;
        diagnostic = diagnostic.label(span, format!("{width} by {height} points"));
    }
    let help = fit::remedy(first, model, &plan.data.grid);
    let others: Vec<String> = rest.iter().map(|fault| in_recipe_words(&fault.sentence)).collect();
    let help = match (help, others.is_empty()) {
        (Some(help), _) => help,
        (None, false) => format!("and for the same model: {}", others.join("; ")),
        (None, true) => {
            "one that works: architecture aurora(patch = 4, embed = 64, depths = [2, 2], heads = [4, 8], \
                         window = [2, 4, 4])"
                .to_string()
        }
    };
    diagnostics.push(diagnostic.help(help));
}

/// The plan's names for what a recipe calls otherwise.
pub fn in_recipe_words(reason: &str) -> String {
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

/// Pressure in hPa; all fields on levels must be on one set.
fn atmosphere_levels(
    checked: &Checked,
    choice: &ModelChoice,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<f64>> {
    let mut sets: Vec<&String> = choice
        .fields()
        .filter_map(|(id, _)| {
            let ty = checked.variables.get(id).map(|v| &v.ty);
            match &ty.or_else(|| checked.derived.get(id).map(|d| &d.ty))?.support {
                Support::Levels(set) => Some(set),
                _ => None,
            }
        })
        .collect();
    sets.sort();
    sets.dedup();
    let mut refuse = |reason: &str, help: &str| {
        diagnostics.push(
            Diagnostic::error("impossible-architecture", reason)
                .label(choice.span, "this model cannot be built")
                .help(help),
        );
        None
    };
    let [set] = sets[..] else {
        return if sets.is_empty() {
            refuse(
                "Aurora needs at least one prognostic field on pressure levels",
                "for instance: prognostic  t, u, v, q, z",
            )
        } else {
            refuse(
                "Aurora's fields on levels must share one set of levels",
                "bring them to one: derive NAME on pl = FIELD at pl",
            )
        };
    };
    let levels = checked.levels.get(set)?;
    if levels.coordinate != "pressure" {
        return refuse(
            "Aurora's levels are pressures; bring the fields there with `at`",
            "for instance: derive w : vertical_wind on pl = w_hybrid at pl",
        );
    }
    Some(hectopascals(&levels.values))
}

fn hectopascals(pascals: &[f64]) -> Vec<f64> {
    pascals.iter().map(|p| p / 100.0).collect()
}
