//! The model beside the checkpoint it starts from: what agrees, and in people's words what does not.

use aurora_grammar::{Diagnostic, Diagnostics, Span};

use super::Plan;
use super::base::{BasePlan, Misfit};
use super::model::{ModelPlan, Preset};
use super::tensor_map::Mismatch;
use crate::check::{BaseChoice, Given, ModelChoice, Value};

/// Compares the plan's model with its base. The outer nothing is an error that has been told.
#[allow(clippy::option_option)] // no base, no error; no base, an error; a base
pub fn base(choice: &ModelChoice, plan: &Plan, diagnostics: &mut Diagnostics) -> Option<Option<BasePlan>> {
    let Some(base) = &choice.base else {
        return if broadcasts_nothing(choice, &plan.model, None, diagnostics) { None } else { Some(None) };
    };
    if levels_all_fresh(choice, base, &plan.model, diagnostics)
        || means_otherwise(choice, base, &plan.model, diagnostics)
    {
        return None;
    }
    match BasePlan::compare(&base.name, &plan.model, base.header.as_ref(), broadcast(choice).is_some())? {
        Ok(compared) => {
            let wrong = broadcasts_nothing(choice, &plan.model, Some(&compared), diagnostics)
                || some_levels_fresh(choice, base, &compared, diagnostics);
            if wrong { None } else { Some(Some(compared)) }
        }
        Err(Misfit::Shapes(mismatches)) => {
            diagnostics.push(shapes_differ(choice, base, &plan.model, &mismatches));
            None
        }
        Err(Misfit::Layout(reason)) => {
            let message = format!("the checkpoint `{}` is of no known layout: {reason}", base.name);
            diagnostics.push(Diagnostic::error("unreadable-base", message).label(base.span, "this file").help(
                "take the class that the file belongs to as `architecture`, or name the file as it is published",
            ));
            None
        }
    }
}

/// Where `broadcast = true` stands.
fn broadcast(choice: &ModelChoice) -> Option<Span> {
    choice.argument("broadcast").filter(|given| given.value == Value::Truth(true)).map(|given| given.span)
}

/// `broadcast = true` where no weight of the base could serve several levels.
fn broadcasts_nothing(
    choice: &ModelChoice,
    model: &ModelPlan,
    base: Option<&BasePlan>,
    diagnostics: &mut Diagnostics,
) -> bool {
    let Some(span) = broadcast(choice) else { return false };
    let reason = match (&model.options.level_condition, base) {
        (_, Some(base)) if !base.broadcast.is_empty() => return false,
        (_, None) => "there is no base that has one",
        (None, _) => "the model has one for all levels itself",
        (Some(_), Some(_)) => "the base has one for each level",
    };
    let message = "`broadcast` gives each level of `condition` what the base has for all levels";
    diagnostics.push(
        Diagnostic::error("wrong-argument", message)
            .label(span, reason)
            .help("leave `broadcast` out, or write it as `false`")
            .fix(span, "false"),
    );
    true
}

const EMBEDDINGS: &str = "encoder.atmos_token_embeds.layers.";

/// Levels of which the base knows nothing, though it knows others.
fn some_levels_fresh(
    choice: &ModelChoice,
    base: &BaseChoice,
    compared: &BasePlan,
    diagnostics: &mut Diagnostics,
) -> bool {
    let level = |name: &String| {
        let level = name.strip_prefix(EMBEDDINGS)?.strip_suffix(".bias")?;
        level.replace('_', ".").parse::<f64>().ok()
    };
    let mut levels: Vec<f64> = compared.fresh.iter().filter_map(level).collect();
    if levels.is_empty() {
        return false;
    }
    levels.sort_by(f64::total_cmp);
    let list = levels.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    let place = choice.argument("condition").map_or(choice.span, |given| given.span);
    diagnostics.push(
        Diagnostic::error("fresh-levels", format!("the base has nothing for {list} hPa, where all would be fresh"))
            .label(place, "each of these levels has embeddings and output layers of its own")
            .label(base.span, "has them for other levels only")
            .help(
                "condition on levels that the base has and bring the fields there with `at`; or start from a base \
                 without levels of its own, with `broadcast = true`",
            ),
    );
    true
}

/// `condition` on a base without levels of their own: none of its embeddings of levels would be used.
fn levels_all_fresh(
    choice: &ModelChoice,
    base: &BaseChoice,
    model: &ModelPlan,
    diagnostics: &mut Diagnostics,
) -> bool {
    let Some(levels) = &model.options.level_condition else { return false };
    let class = base.published.map(Preset::plan);
    let has = match &base.header {
        Some(header) => header.tensors.iter().any(|one| one.name.contains("atmos_token_embeds.layers.")),
        None => class.is_some_and(|class| class.options.level_condition.is_some()),
    };
    if has || broadcast(choice).is_some() {
        return false;
    }
    let fresh: Vec<_> = model
        .tensors()
        .into_iter()
        .filter(|(name, _)| name.starts_with(EMBEDDINGS) || name.starts_with("decoder.atmos_heads."))
        .collect();
    let numbers = super::model::parameters_of(&fresh);
    let condition = choice.argument("condition");
    let place = condition.map_or(choice.span, |given| given.span);
    let mut diagnostic =
        Diagnostic::error("fresh-levels", "every level embedding would be fresh: the base has none by level")
            .label(
                place,
                format!(
                    "{} levels with embeddings and output layers of their own, {numbers} weights at random",
                    levels.len()
                ),
            )
            .label(base.span, "has one patch embedding for all levels")
            .help(
                "write `broadcast = true` beside `condition`, and each level starts from what the base has for all; or \
                 start from \"microsoft/aurora:aurora-0.4-air-pollution.ckpt\", which has them by level",
            );
    if let Some(Given { value: Value::Levels(set), span, .. }) = condition {
        let set = set.rsplit('.').next().unwrap_or_default();
        diagnostic = diagnostic.fix(*span, format!("{set}, broadcast = true"));
    }
    diagnostics.push(diagnostic);
    true
}

/// Numbers that change what weights mean but not their shapes.
fn means_otherwise(
    choice: &ModelChoice,
    base: &BaseChoice,
    model: &ModelPlan,
    diagnostics: &mut Diagnostics,
) -> bool {
    let Some(class) = base.published.map(Preset::plan) else { return false };
    if class.embed_dim != model.embed_dim || class.stages() != model.stages() {
        return false; // the shapes differ, which is told in its own words
    }
    let list = |numbers: &[usize]| format!("{numbers:?}");
    let shorter = |one: &[usize], other: &[usize]| one.iter().zip(other).any(|(a, b)| a < b);
    let cases = [
        ("heads", "heads of attention", list(&model.encoder_heads), list(&class.encoder_heads)),
        (
            "decoder_heads",
            "heads of attention upwards",
            list(&model.decoder_heads),
            list(&class.decoder_heads),
        ),
        (
            "perceiver_heads",
            "heads in its Perceivers",
            model.num_heads.to_string(),
            class.num_heads.to_string(),
        ),
        (
            "updated_lead_time",
            "for the lead time of Aurora 1.5",
            model.options.updated_lead_time_embedding.to_string(),
            class.options.updated_lead_time_embedding.to_string(),
        ),
    ];
    let shallow = [
        ("depths", &model.encoder_depths, &class.encoder_depths),
        ("decoder_depths", &model.decoder_depths, &class.decoder_depths),
    ];
    let said = cases.into_iter().find(|(_, _, ours, theirs)| ours != theirs).or_else(|| {
        let (name, ours, theirs) = shallow.into_iter().find(|(_, ours, theirs)| shorter(ours, theirs))?;
        Some((name, "blocks in its stages", list(ours), list(theirs)))
    });
    let Some((argument, what, ours, theirs)) = said else { return false };
    let message =
        format!("the base has {theirs} {what}, this model {ours}: its weights would mean something else");
    let given =
        choice.argument(argument).or_else(|| choice.argument(argument.trim_start_matches("decoder_")));
    let mut diagnostic = Diagnostic::error("base-mismatch", message)
        .label(given.map_or(choice.span, |given| given.span), format!("{ours} here"))
        .label(base.span, format!("{theirs} there"))
        .help(format!("write {argument} = {theirs}, or leave it out; or start from scratch, without `base`"));
    if let Some(given) = given.filter(|given| given.name == argument) {
        diagnostic = diagnostic.fix(given.span, theirs);
    }
    diagnostics.push(diagnostic);
    true
}

/// One error for all weights whose shapes differ: most often one number is behind them.
fn shapes_differ(
    choice: &ModelChoice,
    base: &BaseChoice,
    model: &ModelPlan,
    mismatches: &[Mismatch],
) -> Diagnostic {
    let count = mismatches.len();
    let Some(cause) = cause(model, mismatches) else {
        let first = mismatches.first();
        let example = first.map_or(String::new(), |m| {
            format!("; the first is {}: {:?} here, {:?} in the base", m.name, m.model, m.checkpoint)
        });
        return Diagnostic::error("base-mismatch", format!("{} not fit the base{example}", weights(count)))
            .label(choice.span, "this model")
            .label(base.span, "this checkpoint")
            .help("take the base's own class as `architecture`, or start from scratch, without `base`");
    };
    let Cause { argument, what, ours, theirs } = cause;
    let given = choice.argument(argument);
    let place = match argument {
        "history" => choice.history_span,
        _ => given.map_or(choice.span, |given| given.span),
    };
    let message = format!("the base has {what} {theirs}, this model {ours}: {} not fit", weights(count));
    let own = base.published.filter(|_| given.is_none() && argument != "history");
    let help = match own {
        Some(class) => format!("write architecture  {}, or start from scratch, without `base`", class.word()),
        None if argument == "history" => {
            format!("write history  {theirs} steps, or start from scratch, without `base`")
        }
        None => {
            format!("write {argument} = {theirs}, or leave it out; or start from scratch, without `base`")
        }
    };
    let mut diagnostic = Diagnostic::error("base-mismatch", message)
        .label(place, format!("{what} {ours}"))
        .label(base.span, format!("{what} {theirs}"))
        .help(help);
    if let Some(given) = given {
        diagnostic = diagnostic.fix(given.span, theirs);
    }
    diagnostic
}

fn weights(count: usize) -> String {
    if count == 1 { "1 weight does".to_string() } else { format!("{count} weights do") }
}

/// The number behind weights that do not fit.
struct Cause {
    argument: &'static str,
    what: &'static str,
    ours: String,
    theirs: String,
}

fn cause(model: &ModelPlan, mismatches: &[Mismatch]) -> Option<Cause> {
    let of = |name: &str| mismatches.iter().find(|one| one.name == name);
    let embedding =
        mismatches.iter().find(|one| one.name.contains("_token_embeds.") && one.name.contains("weights."));
    let say = |argument, what, ours: usize, theirs: usize| {
        (ours != theirs).then(|| Cause { argument, what, ours: ours.to_string(), theirs: theirs.to_string() })
    };
    let first = |one: &Mismatch| Some((*one.model.first()?, *one.checkpoint.first()?));
    let width = of("encoder.surf_level_encoding").and_then(first);
    if let Some((ours, theirs)) = width {
        return say("embed", "a width of", ours, theirs);
    }
    if let Some(one) = embedding
        && let ([_, _, ours_times, ours_patch, _], [_, _, times, patch, _]) =
            (&one.model[..], &one.checkpoint[..])
    {
        return say("patch", "patches of", *ours_patch, *patch)
            .or_else(|| say("history", "a history of", *ours_times, *times));
    }
    if let Some((ours, theirs)) = of("encoder.atmos_latents").and_then(first) {
        return say("latent_levels", "latent levels:", ours + 1, theirs + 1);
    }
    let ratio = |argument, name: &str, width: usize| {
        let (_, theirs) = of(name).and_then(first)?;
        let ours = if argument == "mlp_ratio" { model.mlp_ratio } else { model.dec_mlp_ratio };
        let theirs = theirs as f64 / width.max(1) as f64;
        Some(Cause {
            argument,
            what: "a hidden ratio of",
            ours: ours.to_string(),
            theirs: theirs.to_string(),
        })
    };
    ratio("mlp_ratio", "encoder.surf_mlp.net.0.weight", model.embed_dim).or_else(|| {
        ratio("decoder_mlp_ratio", "decoder.level_decoder.layers.0.1.net.0.weight", 2 * model.embed_dim)
    })
}
