//! `aurorac plan`: what will happen, in words, before anything does.
//!
//! A page is a list of sections, one function each; a new part of the plan is a new function in [`page`].

use aurora_grammar::Style;
use jiff::tz::TimeZone;

use super::page::{Line, Page, Section, Tone};
use super::{bytes, grouped, listed, rough};
use crate::plan::data::TimeRange;
use crate::plan::evaluation::EvaluationPlan;
use crate::plan::training::{Length, Measure, PhasePlan, Schedule};
use crate::plan::{Plan, Role};

/// The page without colour, for files and tests.
pub fn plan(plan: &Plan) -> String {
    page(plan).draw(Style { color: false, width: 100, unicode: true })
}

/// Everything the compiler decided, as a page.
pub fn page(plan: &Plan) -> Page {
    let title = plan.title.as_deref().map_or(String::new(), |title| format!("  {title}"));
    Page {
        head: Line::default().with(Tone::Strong, plan.name.clone()).plain(title),
        mark: format!("blake3 {}…", plan.short_hash()),
        sections: vec![
            Section::new("grid", grid(plan)),
            Section::new("variables", variables(plan)),
            Section::new("weights", weights(plan)),
            Section::new("data", data(plan)),
            Section::new("derived", derived(plan)),
            Section::new("phases", phases(plan)),
            Section::new("losses", losses(plan)),
            Section::new("constraints", constraints(plan)),
            Section::new("resources", resources(plan)),
            Section::new("judged by", judged(plan)),
        ],
    }
}

fn grid(plan: &Plan) -> Vec<Line> {
    let grid = &plan.data.grid;
    let spacing = grid.spacing / 1000.0;
    vec![Line::new(format!(
        "{}: {} × {} points (rows × columns), {spacing} km apart · step {} h from {} steps of history",
        grid.name,
        grid.height,
        grid.width,
        hours(plan.step),
        plan.history,
    ))]
}

fn variables(plan: &Plan) -> Vec<Line> {
    let of = |role: Role| -> Vec<&str> {
        plan.roles.iter().filter(|r| r.role == role).map(|r| r.field.as_str()).collect()
    };
    let (levels, surface, fixed) = (of(Role::Atmosphere), of(Role::Surface), of(Role::Static));
    let count = Line::new(format!(
        "{} on {} levels · {} in the column or at the surface · {} static",
        levels.len(),
        plan.model.levels.len(),
        surface.len(),
        fixed.len(),
    ));
    let named = |what: &str, names: &[&str]| {
        (!names.is_empty())
            .then(|| Line::default().with(Tone::Faint, format!("{what:<9}")).plain(listed(names)).hanging(9))
    };
    let lines = [named("levels", &levels), named("surface", &surface), named("static", &fixed)];
    std::iter::once(count).chain(lines.into_iter().flatten()).collect()
}

fn weights(plan: &Plan) -> Vec<Line> {
    let parameters = plan.model.parameters();
    let model = &plan.model;
    let tensors = model.tensors().len() as u64;
    vec![
        Line::new(format!(
            "aurora: patch {}, width {}, stages {:?} · {:?}, window {:?}",
            model.patch, model.embed_dim, model.encoder_depths, model.decoder_depths, model.window
        ))
        .hanging(8),
        Line::default().with(Tone::Added, format!("+ {:>9}", grouped(tensors))).plain(format!(
            " fresh tensors, {} weights: encoder {} · backbone {} · decoder {}",
            rough(parameters.total),
            rough(parameters.encoder),
            rough(parameters.backbone),
            rough(parameters.decoder)
        )),
    ]
}

fn data(plan: &Plan) -> Vec<Line> {
    let data = &plan.data;
    let split = |name: &str, range: &Option<TimeRange>| {
        let range = (*range)?;
        Some(Line::default().with(Tone::Faint, format!("{name:<9}")).plain(format!(
            "{:>9} h  {:>7} times   {} – {}",
            grouped(length(&range, data.every)),
            grouped(times(&range, data.every)),
            day(range.from),
            day(range.to)
        )))
    };
    let head = Line::new(format!("archive {}, every {} h", data.archive, hours(data.every)));
    let splits =
        [split("train", &Some(data.train)), split("validate", &data.validate), split("test", &data.test)];
    std::iter::once(head).chain(splits.into_iter().flatten()).collect()
}

fn derived(plan: &Plan) -> Vec<Line> {
    let kernel = |d: &crate::plan::data::DerivedPlan| {
        Line::default()
            .with(Tone::Plain, format!("{:<12}", d.name))
            .plain(format!("from {}", listed(&d.inputs)))
            .with(Tone::Faint, format!("   kernel {}", d.kernel))
            .hanging(12)
    };
    plan.data.derived.iter().map(kernel).collect()
}

fn phases(plan: &Plan) -> Vec<Line> {
    let total = plan.model.parameters().total;
    let phase = |phase: &PhasePlan| {
        let length = match phase.length {
            Length::Epochs(n) => format!("{n} epochs"),
            Length::Steps(n) => format!("{n} steps"),
        };
        let head = Line::default()
            .with(Tone::Strong, format!("{:<8}", phase.name))
            .plain(format!(
                "{length:<10} batch {} · rate {} · rollout {} · {} learn: {} of {} weights move",
                phase.batch,
                schedule(&phase.optimiser.rate),
                phase.rollout,
                listed(&phase.train),
                rough(moving(plan, phase)),
                rough(total),
            ))
            .hanging(8);
        let terms: Vec<String> = phase.minimise.iter().map(|(w, name)| weighted(*w, name)).collect();
        let sum = Line::new("        ").with(Tone::Faint, "minimise  ").plain(terms.join(" + ")).hanging(18);
        [head, sum]
    };
    plan.training.phases.iter().flat_map(phase).collect()
}

/// Weights of the groups a phase trains.
fn moving(plan: &Plan, phase: &PhasePlan) -> u64 {
    let parameters = plan.model.parameters();
    if phase.train.iter().any(|group| group == "new") {
        return parameters.total;
    }
    let of = |group: &str| match group {
        "encoder" => parameters.encoder,
        "backbone" => parameters.backbone,
        "decoder" => parameters.decoder,
        _ => 0,
    };
    phase.train.iter().map(|group| of(group)).sum()
}

fn losses(plan: &Plan) -> Vec<Line> {
    let measure = |measure: &Measure| match measure {
        Measure::Mae => "mae".to_string(),
        Measure::Mse => "mse".to_string(),
        Measure::Huber { delta } => format!("huber {delta}"),
        Measure::Crps => "crps".to_string(),
        Measure::Spectral { below } => format!("spectral below {} km", below / 1000.0),
        Measure::Fss { above, within } => format!("fss above {above} within {} km", within / 1000.0),
        Measure::Expression => "mean".to_string(),
    };
    let line = |(name, loss): (&String, &crate::plan::training::LossPlan)| {
        let terms: Vec<String> = loss
            .terms
            .iter()
            .map(|term| {
                let when = if term.when.is_some() { " when" } else { "" };
                weighted(term.weight, &format!("{}({}{when})", measure(&term.measure), term.field))
            })
            .collect();
        Line::default().plain(format!("{name:<12}")).plain(terms.join(" + ")).hanging(12)
    };
    plan.training.losses.iter().map(line).collect()
}

fn constraints(plan: &Plan) -> Vec<Line> {
    if plan.training.constraints.is_empty() {
        return vec![Line::default().with(Tone::Faint, "none")];
    }
    let line = |(name, constraint): (&String, &crate::plan::training::ConstraintPlan)| {
        Line::default()
            .plain(format!("{name:<12}"))
            .plain(format!("ties {} within {}", listed(&constraint.inputs), number(constraint.tolerance)))
            .hanging(12)
    };
    plan.training.constraints.iter().map(line).collect()
}

/// What follows from the model alone: four bytes a weight, and AdamW keeps two more numbers beside each
/// weight that moves and its gradient.
fn resources(plan: &Plan) -> Vec<Line> {
    let total = plan.model.parameters().total;
    let most = plan.training.phases.iter().map(|phase| moving(plan, phase)).max().unwrap_or(0);
    vec![
        Line::new(format!(
            "{} of weights · {} of gradients and optimiser while training",
            bytes(total.saturating_mul(4)),
            bytes(most.saturating_mul(12)),
        )),
        Line::new(format!("{:.2} TFLOP for a forward pass of one sample", plan.model.forward_flops() / 1e12)),
    ]
}

fn judged(plan: &Plan) -> Vec<Line> {
    let line = |evaluation: &EvaluationPlan| {
        let mut words: Vec<String> =
            evaluation.scores.iter().map(|s| format!("{} of {}", s.score.word(), s.field)).collect();
        words.dedup();
        let against = match &evaluation.against[..] {
            [] => String::new(),
            baselines => format!("   against {}", listed(baselines)),
        };
        let lead = |step: Option<&usize>| hours(plan.step) * step.copied().unwrap_or(0) as f64;
        Line::default()
            .with(Tone::Strong, evaluation.name.clone())
            .plain(format!(
                " on {}, lead {} … {} h: {}",
                evaluation.split,
                lead(evaluation.leads.first()),
                lead(evaluation.leads.last()),
                listed(&words)
            ))
            .with(Tone::Faint, against)
            .hanging(2)
    };
    plan.evaluations.iter().map(line).collect()
}

fn weighted(weight: f64, name: &str) -> String {
    if weight == 1.0 { name.to_string() } else { format!("{} {name}", number(weight)) }
}

fn schedule(rate: &Schedule) -> String {
    if rate.from == rate.to {
        number(rate.from)
    } else {
        format!("{} → {}", number(rate.from), number(rate.to))
    }
}

/// The shortest digits; powers of ten where zeros would crowd.
fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-2..1e6).contains(&size) {
        let rounded = format!("{value:.6}");
        rounded.trim_end_matches('0').trim_end_matches('.').to_string()
    } else {
        format!("{value:e}")
    }
}

fn hours(seconds: i64) -> f64 {
    seconds as f64 / 3600.0
}

fn times(range: &TimeRange, every: i64) -> u64 {
    let seconds = range.to.duration_since(range.from).as_secs();
    u64::try_from(seconds / every.max(1)).unwrap_or(0).saturating_add(1)
}

/// Hours that the times stand for.
fn length(range: &TimeRange, every: i64) -> u64 {
    times(range, every).saturating_mul(every.max(0).unsigned_abs()) / 3600
}

fn day(instant: jiff::Timestamp) -> String {
    instant.to_zoned(TimeZone::UTC).date().to_string()
}
