//! The part of the plan's page that says how the model learns: phases, losses, constraints.

use super::page::{Line, Tone};
use super::plan::number;
use super::{grouped, listed, rough};
use crate::plan::Plan;
use crate::plan::base::parameters_moved;
use crate::plan::model::parameters_of;
use crate::plan::training::{
    AdamW, Adapter, AdapterSteps, Condition, ErrorTerm, Length, LossPlan, Measure, PhasePlan, ScaleShare,
    Schedule, Shape,
};

pub(super) fn phases(plan: &Plan) -> Vec<Line> {
    plan.training.phases.iter().flat_map(|phase| phase_lines(plan, phase)).collect()
}

fn phase_lines(plan: &Plan, phase: &PhasePlan) -> Vec<Line> {
    let length = match phase.length {
        Length::Epochs(n) => format!("{n} epochs"),
        Length::Steps(n) => format!("{n} steps"),
    };
    let groups: Vec<String> = phase.train.iter().map(|group| adapted(phase, group)).collect();
    let rollout = match phase.rollout_from {
        Some(from) => format!("{from} → {}", phase.rollout),
        None => phase.rollout.to_string(),
    };
    let note = |word: &str, text: String| {
        Line::new("        ").with(Tone::Faint, format!("{word:<9} ")).plain(text).hanging(18)
    };
    let terms: Vec<String> = phase.minimise.iter().map(|(w, name)| weighted(*w, name)).collect();
    let mut lines = vec![
        Line::default()
            .with(Tone::Strong, format!("{:<8}", phase.name))
            .plain(format!(
                "{length:<10} batch {} · rate {} · rollout {rollout} · {}: {} of {} weights move",
                phase.batch,
                optimiser(&phase.optimiser),
                listed(&groups),
                rough(moving(plan, phase)),
                rough(plan.model.parameters().total),
            ))
            .hanging(8),
        note("minimise", terms.join(" + ")),
    ];
    for (group, own) in &phase.optimisers {
        lines.push(note("optimise", format!("{group} by its own rate {}", optimiser(own))));
    }
    if !phase.scales.is_empty() {
        let scale = |s: &ScaleShare| {
            format!("{} km in {} % of batches", number(s.spacing / 1e3), number(s.share * 100.0))
        };
        lines.push(note("scale", phase.scales.iter().map(scale).collect::<Vec<_>>().join(", ")));
    }
    if let Some([rows, columns]) = phase.tile {
        lines.push(note("tile", format!("{rows} × {columns} points (rows × columns)")));
    }
    for favour in &phase.favour {
        let share = number(favour.share * 100.0);
        lines.push(note("favour", format!("{} in {share} % of samples", relation(&favour.condition))));
    }
    if let Some(stop) = &phase.stop {
        lines.push(note("stop", format!("when {} stalls for {} epochs on validate", stop.loss, stop.epochs)));
    }
    if let Some(decay) = phase.average {
        lines.push(note("average", format!("of the weights, decay {decay}")));
    }
    if !phase.bf16.is_empty() {
        lines.push(note("precision", format!("bf16 of {}", listed(&phase.bf16))));
    }
    lines
}

/// `backbone lora 8`
fn adapted(phase: &PhasePlan, group: &str) -> String {
    match phase.adapters.iter().find(|adapter| adapter.group == group) {
        Some(adapter) => format!("{group} lora {}", adapter.rank),
        None => group.to_string(),
    }
}

/// Weights of the groups a phase trains; of an adapted group only what is added beside it.
fn moving(plan: &Plan, phase: &PhasePlan) -> u64 {
    let adapted = |group: &&str| phase.adapters.iter().any(|adapter| adapter.group == **group);
    let whole: Vec<&str> = phase.train.iter().map(String::as_str).filter(|group| !adapted(group)).collect();
    let steps = |adapter: &Adapter| if adapter.steps == AdapterSteps::Each { phase.rollout } else { 1 };
    let added = phase.adapters.iter().filter_map(|adapter| {
        Some(parameters_of(&plan.model.lora(&adapter.group, adapter.rank, steps(adapter))?))
    });
    parameters_moved(&plan.model, plan.base.as_ref(), &whole).saturating_add(added.sum())
}

pub(super) fn losses(plan: &Plan) -> Vec<Line> {
    let line = |(name, loss): (&String, &LossPlan)| {
        // Terms of one weight and measure were written as one: `mae(prognostic)`.
        let mut terms: Vec<(f64, String, Vec<&str>)> = Vec::new();
        for term in &loss.terms {
            let form = form(term);
            match terms.last_mut() {
                Some((weight, last, fields)) if *weight == term.weight && *last == form => {
                    fields.push(&term.field);
                }
                _ => terms.push((term.weight, form, vec![&term.field])),
            }
        }
        let shown = |(weight, form, fields): &(f64, String, Vec<&str>)| {
            let weight = weight * fields.len() as f64;
            let weight = if (weight - 1.0).abs() < 1e-12 { 1.0 } else { weight };
            weighted(weight, &form.replacen('§', &listed(fields), 1))
        };
        let sum = terms.iter().map(shown).collect::<Vec<_>>().join(" + ");
        Line::default().plain(format!("{name:<12}")).plain(sum).hanging(12)
    };
    plan.training.losses.iter().map(line).collect()
}

/// `mae(§ when)`, where the fields stand at `§`.
fn form(term: &ErrorTerm) -> String {
    if let Some(expression) = term.expression.as_ref().filter(|expression| !expression.written.is_empty()) {
        return expression.written.clone();
    }
    let measure = match term.measure {
        Measure::Mae => "mae".to_string(),
        Measure::Mse => "mse".to_string(),
        Measure::Huber { delta } => format!("huber {delta}"),
        Measure::Crps => "crps".to_string(),
        Measure::Spectral { below } => format!("spectral below {} km", number(below / 1e3)),
        Measure::Fss { above, within } => {
            format!("fss above {} within {} km", number(above), number(within / 1e3))
        }
        Measure::Expression => "mean".to_string(),
    };
    let when = term.when.as_ref().map_or(String::new(), |when| format!(" when {}", relation(when)));
    let scale = term.scale.map_or(String::new(), |scale| format!(" at {} km", number(scale / 1e3)));
    format!("{measure}(§{when}{scale})")
}

pub(super) fn constraints(plan: &Plan) -> Vec<Line> {
    if plan.training.constraints.is_empty() {
        return vec![Line::default().with(Tone::Faint, "none")];
    }
    let line = |(name, constraint): (&String, &crate::plan::training::ConstraintPlan)| {
        let held = match &constraint.projection {
            Some(projection) => format!(
                "{} is cut to it, {} {}",
                projection.field,
                if projection.upper { "from above, by" } else { "from below, by" },
                listed(&projection.inputs)
            ),
            None => format!("ties {} within {}", listed(&constraint.inputs), number(constraint.tolerance)),
        };
        Line::default().plain(format!("{name:<12}")).plain(held).hanging(12)
    };
    plan.training.constraints.iter().map(line).collect()
}

/// As the recipe writes it; a plan of an earlier version knows only what it reads.
pub(super) fn relation(condition: &Condition) -> String {
    if condition.written.is_empty() { listed(&condition.inputs) } else { condition.written.clone() }
}

/// `1e-3 → 1e-5 cosine after 1 000 steps of warm-up, clip 1`
fn optimiser(optimiser: &AdamW) -> String {
    let clip = optimiser.clip.map_or(String::new(), |clip| format!(", clip {}", number(clip)));
    format!("{}{clip}", schedule(&optimiser.rate))
}

fn schedule(rate: &Schedule) -> String {
    let shape = match rate.shape {
        Shape::Constant => "",
        Shape::Linear => " linear",
        Shape::Cosine => " cosine",
    };
    let warm = match rate.warmup {
        0 => String::new(),
        steps => format!(" after {} steps of warm-up", grouped(steps as u64)),
    };
    if rate.shape == Shape::Constant || rate.from == rate.to {
        format!("{}{warm}", number(rate.from))
    } else {
        format!("{} → {}{shape}{warm}", number(rate.from), number(rate.to))
    }
}

fn weighted(weight: f64, name: &str) -> String {
    if weight == 1.0 { name.to_string() } else { format!("{} {name}", number(weight)) }
}
