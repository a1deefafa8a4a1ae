//! `aurorac plan`: what will happen, in words, before anything does.

use std::fmt::Write;

use jiff::tz::TimeZone;

use crate::plan::data::TimeRange;
use crate::plan::training::Length;
use crate::plan::{Plan, Role};

/// A page about the plan, in the manner of a methods section's first table.
pub fn plan(plan: &Plan) -> String {
    let mut out = String::new();
    let title = plan.title.as_deref().unwrap_or("");
    let count = |role: Role| plan.roles.iter().filter(|r| r.role == role).count();
    let parameters = plan.model.parameters();
    let levels = plan.model.levels.len();
    let lines = [
        format!("{}  {title}", plan.name),
        format!("  identity    blake3 {}…", plan.short_hash()),
        format!(
            "  grid        {}: {} × {} points, {} km apart",
            plan.data.grid.name,
            plan.data.grid.height,
            plan.data.grid.width,
            plan.data.grid.spacing / 1000.0
        ),
        format!(
            "  variables   {} on {levels} levels · {} in the column or at the surface · {} static",
            count(Role::Atmosphere),
            count(Role::Surface),
            count(Role::Static)
        ),
        format!("  derived     {}", derived(plan)),
        format!("  data        archive {}, every {} h", plan.data.archive, hours(plan.data.every)),
        splits(plan),
        format!(
            "  model       aurora: patch {}, width {}, {} weights, all fresh",
            plan.model.patch,
            plan.model.embed_dim,
            grouped(parameters.total)
        ),
        format!(
            "              encoder {} · backbone {} · decoder {}",
            grouped(parameters.encoder),
            grouped(parameters.backbone),
            grouped(parameters.decoder)
        ),
        format!("  step        {} h from {} steps of history", hours(plan.step), plan.history),
    ];
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
    phases(plan, &mut out);
    judged(plan, &mut out);
    out
}

fn derived(plan: &Plan) -> String {
    if plan.data.derived.is_empty() {
        return "nothing".to_string();
    }
    let each = |d: &crate::plan::data::DerivedPlan| format!("{} from {}", d.name, d.inputs.join(", "));
    plan.data.derived.iter().map(each).collect::<Vec<_>>().join(" · ")
}

fn splits(plan: &Plan) -> String {
    let split = |name: &str, range: &Option<TimeRange>| {
        range
            .map(|r| format!("{name} {} times ({} – {})", steps(&r, plan.data.every), day(r.from), day(r.to)))
    };
    let all = [
        split("train", &Some(plan.data.train)),
        split("validate", &plan.data.validate),
        split("test", &plan.data.test),
    ];
    format!("              {}", all.into_iter().flatten().collect::<Vec<_>>().join("\n              "))
}

fn phases(plan: &Plan, out: &mut String) {
    for (i, phase) in plan.training.phases.iter().enumerate() {
        let lead = if i == 0 { "  phases      " } else { "              " };
        let length = match phase.length {
            Length::Epochs(n) => format!("{n} epochs"),
            Length::Steps(n) => format!("{n} steps"),
        };
        let terms: Vec<String> = phase
            .minimise
            .iter()
            .map(|(w, name)| if *w == 1.0 { name.clone() } else { format!("{w} {name}") })
            .collect();
        let _ = writeln!(
            out,
            "{lead}{}: {length} of batch {}, {} learn, rate {} → {}, minimise {}",
            phase.name,
            phase.batch,
            phase.train.join(", "),
            phase.optimiser.rate.from,
            phase.optimiser.rate.to,
            terms.join(" + ")
        );
    }
}

fn judged(plan: &Plan, out: &mut String) {
    for evaluation in &plan.evaluations {
        let mut words: Vec<String> =
            evaluation.scores.iter().map(|s| format!("{} of {}", s.score.word(), s.field)).collect();
        words.dedup();
        let against = if evaluation.against.is_empty() {
            String::new()
        } else {
            format!(" against {}", evaluation.against.join(", "))
        };
        let _ = writeln!(
            out,
            "  judged by   {} on {}, lead {} … {} h{against}",
            words.join(", "),
            evaluation.split,
            hours(plan.step) * evaluation.leads.first().copied().unwrap_or(0) as f64,
            hours(plan.step) * evaluation.leads.last().copied().unwrap_or(0) as f64,
        );
    }
}

fn hours(seconds: i64) -> f64 {
    seconds as f64 / 3600.0
}

fn steps(range: &TimeRange, every: i64) -> i64 {
    range.to.duration_since(range.from).as_secs() / every.max(1) + 1
}

fn day(instant: jiff::Timestamp) -> String {
    instant.to_zoned(TimeZone::UTC).date().to_string()
}

/// `1 256 300 176`, with thin spaces' plain cousin.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
