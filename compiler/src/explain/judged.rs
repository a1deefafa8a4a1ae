//! The part of the plan's page that says what the model is judged by.

use super::learning::relation;
use super::listed;
use super::page::{Line, Tone};
use super::plan::{hours, number};
use crate::plan::Plan;
use crate::plan::data::SupportPlan;
use crate::plan::evaluation::{Confidence, EvaluationPlan, ScorePlan};

pub(super) fn judged(plan: &Plan) -> Vec<Line> {
    let line = |evaluation: &EvaluationPlan| {
        let words = scores(plan, &evaluation.scores);
        let against = match &evaluation.against[..] {
            [] => String::new(),
            baselines => format!("   against {}", listed(baselines)),
        };
        let by = match &evaluation.by[..] {
            [] => String::new(),
            words => format!("   by {}", listed(words)),
        };
        let confidence = match evaluation.confidence {
            Some(Confidence::Blocks { level, block }) => {
                format!("   confidence {} % over {} h", number(level * 100.0), hours(block))
            }
            Some(Confidence::None) | None => String::new(),
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
            .with(Tone::Faint, by)
            .with(Tone::Faint, confidence)
            .hanging(2)
    };
    plan.evaluations.iter().map(line).collect()
}

/// `csi, pod of refc at 20, 35 dBZ within 0, 12 km`: scores that differ in their word alone are told together.
fn scores(plan: &Plan, scores: &[ScorePlan]) -> Vec<String> {
    let mut told: Vec<(Vec<&str>, String)> = Vec::new();
    for score in scores {
        let subject = subject(plan, score);
        match told.last_mut() {
            Some((words, last)) if *last == subject => words.push(score.score.word()),
            _ => told.push((vec![score.score.word()], subject)),
        }
    }
    told.into_iter().map(|(words, subject)| format!("{} of {subject}", listed(&words))).collect()
}

/// A score's field with its levels, thresholds, neighbourhoods and bins, or its event.
fn subject(plan: &Plan, score: &ScorePlan) -> String {
    let numbers = |values: &[f64]| listed(&values.iter().map(|value| number(*value)).collect::<Vec<_>>());
    let mut said = match &score.event {
        Some(event) => format!("chance({})", relation(event)),
        None => score.field.clone(),
    };
    if !score.levels.is_empty() {
        said += &format!(" at {}", levels(plan, score));
    }
    if !score.thresholds.is_empty() {
        said += &format!(" at {} {}", numbers(&score.thresholds), score.units);
    }
    let widths: Vec<f64> = score.scales.iter().map(|metres| metres / 1e3).collect();
    if widths.iter().any(|width| *width != 0.0) {
        said += &format!(" within {} km", numbers(&widths));
    }
    if let Some(bins) = score.bins {
        said += &format!(" in {bins} bins");
    }
    said
}

/// `850, 500 hPa`; levels that are no pressures by their place.
fn levels(plan: &Plan, score: &ScorePlan) -> String {
    let field = plan.data.fields.iter().find(|field| field.name == score.field).map(|field| &field.support);
    let derived = plan.data.derived.iter().find(|derived| derived.name == score.field).map(|d| &d.support);
    let set = match field.or(derived) {
        Some(SupportPlan::Levels(set)) => plan.data.levels.get(set),
        _ => None,
    };
    let (scale, unit) = match set.map(|set| set.coordinate.as_str()) {
        Some("pressure") => (100.0, " hPa"),
        Some("height") => (1.0, " m"),
        _ => (1.0, ""),
    };
    let value = |index: &usize| match set.and_then(|set| set.values.get(*index)) {
        Some(value) => number(value / scale),
        None => format!("level {index}"),
    };
    format!("{}{unit}", listed(&score.levels.iter().map(value).collect::<Vec<_>>()))
}
