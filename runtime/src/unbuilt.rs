//! What the language says and the compiler plans, but this version cannot run yet: refused before anything
//! is prepared or trained, never ignored. When a part is built, its line here goes.

use aurora_compiler::Plan;
use aurora_compiler::plan::data::{DataPlan, SupportPlan};
use aurora_compiler::plan::evaluation::{Confidence, EvaluationPlan, Score, Subject};
use aurora_compiler::plan::training::{Adapter, AdapterSteps, Measure, PhasePlan};

use crate::run::Failure;

/// Refuses a plan that asks for what cannot be run yet.
///
/// # Errors
/// A sentence for each such part.
pub fn refuse(plan: &Plan) -> Result<(), Failure> {
    let missing = unbuilt(plan);
    if missing.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = missing.iter().map(|what| format!("\n  - {what}")).collect();
    Err(Failure::because(format!(
        "this recipe compiles, and `aurorac plan` explains it, but this version cannot run it yet; it needs{}",
        list.concat()
    )))
}

/// Every part of the plan that no code runs yet, in words, each once.
fn unbuilt(plan: &Plan) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    let mut add = |missing: bool, what: String| {
        if missing && !list.contains(&what) {
            list.push(what);
        }
    };
    let variable = plan.model.options.variable_lead_time;
    add(variable, "training with a lead time for each sample (`step A .. B h`)".into());
    if let Some(ensemble) = &plan.ensemble {
        add(true, format!("the ensemble `{}`", ensemble.name));
    }
    let no_tile = plan.training.phases.iter().filter(|phase| phase.tile.is_none());
    for phase in no_tile.filter(|_| !plan.data.sampling.regions.is_empty()) {
        add(true, format!("a `region` in the phase `{}`, which has no `tile`", phase.name));
    }
    let used = |name: &str| plan.training.phases.iter().any(|p| p.minimise.iter().any(|(_, n)| n == name));
    for (name, loss) in plan.training.losses.iter().filter(|(name, _)| used(name)) {
        for term in &loss.terms {
            let measure = match term.measure {
                Measure::Mae | Measure::Mse | Measure::Huber { .. } | Measure::Crps => None,
                Measure::Spectral { .. } => Some("spectral"),
                Measure::Fss { .. } => Some("fss"),
                Measure::Expression => Some("an error written out with `truth`"),
            };
            add(measure.is_some(), format!("{} in the loss `{name}`", measure.unwrap_or_default()));
            add(term.scale.is_some(), format!("an error at a coarser `scale` in the loss `{name}`"));
        }
    }
    for (name, _) in plan.training.constraints.iter().filter(|(_, c)| c.projection.is_some()) {
        add(true, format!("the constraint `{name}`, which is to hold `always`"));
    }
    for phase in &plan.training.phases {
        phase_of(phase, plan.model.options.lora.is_some(), &mut add);
    }
    for evaluation in &plan.evaluations {
        evaluation_of(evaluation, &mut add);
        levels_of(&plan.data, evaluation, &mut add);
    }
    list
}

/// `lora`: the model has low-rank updates of its own.
fn phase_of(phase: &PhasePlan, lora: bool, add: &mut impl FnMut(bool, String)) {
    let mut part = |missing: bool, what: &str| add(missing, format!("{what} in the phase `{}`", phase.name));
    part(phase.rollout_from.is_some(), "a `rollout` that grows");
    let one_for_all = |adapter: &Adapter| adapter.steps == AdapterSteps::All;
    part(!phase.adapters.iter().all(one_for_all), "low-rank updates of some steps only (`steps`)");
    part(!phase.adapters.is_empty() && lora, "low-rank updates beside those of the architecture");
    part(!phase.optimisers.is_empty(), "an optimiser for one group");
    part(phase.stop.is_some(), "`stop`");
    part(phase.average.is_some(), "`average`");
    part(
        phase.bf16.iter().any(|group| group != "backbone"),
        "`precision` of a group other than the backbone",
    );
}

/// Scores are kept by pressure; on other levels they would be shown at a wrong place.
fn levels_of(data: &DataPlan, evaluation: &EvaluationPlan, add: &mut impl FnMut(bool, String)) {
    let support = |name: &str| {
        let field = data.fields.iter().find(|field| field.name == name).map(|field| &field.support);
        field.or_else(|| data.derived.iter().find(|d| d.name == name).map(|d| &d.support))
    };
    for score in evaluation.scores.iter().filter(|score| !score.levels.is_empty()) {
        let Some(SupportPlan::Levels(set)) = support(&score.field) else { continue };
        let coordinate = data.levels.get(set).map_or("", |levels| levels.coordinate.as_str());
        add(
            coordinate != "pressure",
            format!("the score of `{}`, whose levels are no pressures", score.field),
        );
    }
}

fn evaluation_of(evaluation: &EvaluationPlan, add: &mut impl FnMut(bool, String)) {
    for score in &evaluation.scores {
        let built = matches!(score.score.subject(), Subject::Values | Subject::Events)
            && !matches!(score.score, Score::Spectra | Score::Sal | Score::Object);
        add(!built, format!("the score `{}`", score.score.word()));
        let near = built && score.score != Score::Fss && score.scales.iter().any(|scale| *scale != 0.0);
        add(near, format!("the score `{}` within a distance", score.score.word()));
    }
    for baseline in evaluation.against.iter().filter(|name| *name != "persistence") {
        add(true, format!("the baseline `{baseline}`"));
    }
    for stratum in &evaluation.by {
        add(true, format!("scores told apart by {stratum}"));
    }
    let intervals = matches!(evaluation.confidence, Some(Confidence::Blocks { .. }));
    add(intervals, "the `confidence` of scores".into());
}
