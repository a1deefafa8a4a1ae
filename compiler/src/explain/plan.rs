//! `aurorac plan`: what will happen, in words, before anything does.
//!
//! A page is a list of sections, one function each; a new part of the plan is a new function in [`page`].

use aurora_grammar::Style;
use jiff::tz::TimeZone;

use super::judged::judged;
use super::learning::{constraints, losses, phases};
use super::page::{Line, Page, Section, Tone};
use super::{bytes, grouped, listed, rough};
use crate::plan::base::BasePlan;
use crate::plan::data::{DataPlan, TimeRange};
use crate::plan::ensemble::{Blend, MemberPlan};
use crate::plan::head::{HeadField, HeadPlan};
use crate::plan::model::parameters_of;
use crate::plan::resources::resources;
use crate::plan::{Part, Plan, Role};
use crate::site::MachineProfile;

/// The page without colour, for files and tests.
pub fn plan(plan: &Plan) -> String {
    page(plan, None).draw(Style { color: false, width: 100, unicode: true })
}

/// Everything the compiler decided, as a page; times are those of `machine`.
pub fn page(plan: &Plan, machine: Option<&MachineProfile>) -> Page {
    let title = plan.title.as_deref().map_or(String::new(), |title| format!("  {title}"));
    Page {
        head: Line::default().with(Tone::Strong, plan.name.clone()).plain(title),
        mark: format!("blake3 {}…", plan.short_hash()),
        sections: vec![
            Section::new("grid", grid(plan)),
            Section::new("variables", variables(plan)),
            Section::new("weights", weights(plan)),
            Section::new("heads", heads(plan)),
            Section::new("data", data(plan)),
            Section::new("derived", derived(plan)),
            Section::new("phases", phases(plan)),
            Section::new("losses", losses(plan)),
            Section::new("constraints", constraints(plan)),
            Section::new("resources", costs(plan, machine)),
            Section::new("ensemble", ensemble(plan)),
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
    let of = |part: Part| -> Vec<&str> {
        plan.roles.iter().filter(|r| r.part == part).map(|r| r.field.as_str()).collect()
    };
    let parts = [Part::Prognostic, Part::Diagnostic, Part::Forcing, Part::Static];
    let counts: Vec<String> = parts
        .iter()
        .filter(|part| !of(**part).is_empty())
        .map(|part| format!("{} {}", of(*part).len(), part.word()))
        .collect();
    let on_levels = plan.roles.iter().filter(|role| role.role == Role::Atmosphere).count();
    let count = Line::new(format!(
        "{} · {on_levels} of them on {} levels",
        counts.join(" · "),
        plan.model.levels.len(),
    ));
    let named = |part: Part| {
        let names = of(part);
        (!names.is_empty()).then(|| {
            Line::default()
                .with(Tone::Faint, format!("{:<11}", part.word()))
                .plain(listed(&names))
                .hanging(11)
        })
    };
    std::iter::once(count).chain(parts.into_iter().filter_map(named)).collect()
}

fn weights(plan: &Plan) -> Vec<Line> {
    let parameters = plan.model.parameters();
    let model = &plan.model;
    let parts = format!(
        "{} weights: encoder {} · backbone {} · decoder {}",
        rough(parameters.total),
        rough(parameters.encoder),
        rough(parameters.backbone),
        rough(parameters.decoder)
    );
    let mut lines = vec![
        Line::new(format!(
            "aurora: patch {}, width {}, stages {:?} · {:?}, window {:?}",
            model.patch, model.embed_dim, model.encoder_depths, model.decoder_depths, model.window
        ))
        .hanging(8),
        Line::new(parts).hanging(8),
    ];
    match &plan.base {
        None => {
            let tensors = model.tensors().len();
            lines.push(counted(
                Tone::Added,
                '+',
                tensors,
                "fresh: there is no base, so everything is new".into(),
            ));
        }
        Some(base) => lines.extend(from_base(base)),
    }
    lines
}

/// What becomes of the checkpoint's weights: kept, grown, fresh, unused.
fn from_base(base: &BasePlan) -> Vec<Line> {
    let read = if base.digest.is_some() { "" } else { " (by its published shapes; the file is not at hand)" };
    let mut lines = vec![counted(Tone::Plain, ' ', base.kept, format!("kept of {}{read}", base.name))];
    if let Some(first) = base.grown.first() {
        let what = format!("grown from {} to {} past times, the new ones from zero", first.from, first.to);
        lines.push(counted(Tone::Changed, '~', base.grown.len(), what));
    }
    for told in BasePlan::told(&base.broadcast) {
        let what = format!("broadcast, from one for all levels: {told}");
        lines.push(counted(Tone::Changed, '~', told.tensors, what));
    }
    for told in BasePlan::told(&base.fresh) {
        lines.push(counted(Tone::Added, '+', told.tensors, format!("fresh: {told}")));
    }
    for told in BasePlan::told(&base.unused) {
        lines.push(counted(Tone::Removed, '–', told.tensors, format!("unused: {told}")));
    }
    lines
}

/// `+ 1 198 fresh: …`
fn counted(tone: Tone, mark: char, number: usize, what: String) -> Line {
    Line::default()
        .with(tone, format!("{mark} {:>6}", grouped(number as u64)))
        .plain(format!(" {what}"))
        .hanging(9)
}

fn heads(plan: &Plan) -> Vec<Line> {
    let line = |head: &HeadPlan| {
        let names = |fields: &[HeadField]| {
            fields.iter().map(|field| field.field.clone()).collect::<Vec<_>>().join(", ")
        };
        let reads = match &head.reads[..] {
            [] => String::new(),
            fields => format!(", {}", names(fields)),
        };
        let quantiles = head.quantiles.map_or(String::new(), |n| format!(" as {n} quantiles"));
        Line::default()
            .with(Tone::Strong, format!("{:<11} ", head.name))
            .plain(format!(
                "{} of latent{reads} → {}{quantiles}: {} weights",
                head.layers.spoken(),
                names(&head.predicts),
                rough(parameters_of(&plan.model.group(&head.name))),
            ))
            .hanging(12)
    };
    plan.model.options.heads.iter().map(line).collect()
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
    std::iter::once(head).chain(splits.into_iter().flatten()).chain(sampled(data)).collect()
}

/// Which part of the splits is used, and what is done about data that are missing or wrong.
fn sampled(data: &DataPlan) -> Vec<Line> {
    let (sampling, repair) = (&data.sampling, &data.repair);
    let mut said = Vec::new();
    if sampling.analyses_only {
        said.push("only analyses, no forecast hours".to_string());
    }
    for region in &sampling.regions {
        said.push(format!(
            "only lat {} .. {}, lon {} .. {} deg",
            region.south, region.north, region.west, region.east
        ));
    }
    if !sampling.months.is_empty() {
        let months: Vec<String> = sampling.months.iter().map(ToString::to_string).collect();
        said.push(format!("only months {}", listed(&months)));
    }
    if let Some(gaps) = &repair.gaps {
        said.push(format!("gaps of up to {} h filled in time", hours(gaps.longest)));
    }
    if let Some(holes) = repair.holes {
        said.push(format!("holes of up to {holes} cells filled in space"));
    }
    if !repair.reject.is_empty() {
        said.push(format!("times rejected: {}", listed(&repair.reject)));
    }
    for debias in &repair.debias {
        said.push(format!(
            "{} brought to {}'s {} by {} quantiles, fitted on train",
            debias.field, debias.against_archive, debias.against_from, debias.quantiles
        ));
    }
    said.into_iter().map(Line::new).collect()
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

/// Weights, work, memory and time, counted from the plan; seconds only where the machine has been measured.
fn costs(plan: &Plan, machine: Option<&MachineProfile>) -> Vec<Line> {
    let costs = resources(plan, machine);
    let samples = costs.samples;
    let mut lines = vec![
        Line::new(format!(
            "{} weights · {}FLOP for a forward pass of one sample on the whole grid",
            rough(costs.parameters),
            flops(costs.forward_flops)
        ))
        .hanging(8),
        Line::new(format!(
            "samples  train {} · validate {} · test {} · prepared data {}",
            grouped(samples.train),
            grouped(samples.validate),
            grouped(samples.test),
            bytes(costs.store_bytes)
        ))
        .hanging(8),
    ];
    for phase in &costs.phases {
        let memory = &phase.memory;
        let time = phase.seconds().map_or(String::new(), |seconds| format!(" · about {}", lasting(seconds)));
        lines.push(
            Line::default()
                .with(Tone::Faint, format!("{:<8} ", phase.name))
                .plain(format!(
                    "{} steps of {}FLOP{time} · {} of memory: weights {}, gradients {}, optimiser {}, activations {}, process {}",
                    grouped(phase.steps),
                    flops(phase.step_flops),
                    bytes(memory.total()),
                    bytes(memory.weights),
                    bytes(memory.gradients),
                    bytes(memory.optimiser),
                    bytes(memory.activations),
                    bytes(memory.process),
                ))
                .hanging(9),
        );
    }
    lines
}

/// `3.1 T`, for a unit to follow.
fn flops(number: f64) -> String {
    let (scaled, letter) = match number {
        n if n >= 1e18 => (n / 1e18, "E"),
        n if n >= 1e15 => (n / 1e15, "P"),
        n if n >= 1e12 => (n / 1e12, "T"),
        n if n >= 1e9 => (n / 1e9, "G"),
        n => (n / 1e6, "M"),
    };
    format!("{scaled:.1} {letter}")
}

/// Seconds, minutes, hours or days.
fn lasting(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}

fn ensemble(plan: &Plan) -> Vec<Line> {
    let Some(ensemble) = &plan.ensemble else { return Vec::new() };
    let blend = match &ensemble.blend {
        Blend::Owner => "each variable from the member that predicts it".to_string(),
        Blend::Mean => "with equal weights".to_string(),
        Blend::Skill { split } => format!("by skill over {split}"),
        Blend::Gate { fields } => format!("by a gate learnt from {}", listed(fields)),
    };
    let shares = match &ensemble.shares[..] {
        [] => "sharing nothing".to_string(),
        groups => format!("sharing {}", listed(groups)),
    };
    let head = Line::default()
        .with(Tone::Strong, ensemble.name.clone())
        .plain(format!(": {} members {shares}, blended {blend}", ensemble.members.len()))
        .hanging(2);
    let member = |member: &MemberPlan| {
        let own = sampled(&member.plan.data).len();
        let phases: Vec<String> =
            member.plan.training.phases.iter().map(|phase| phase.name.clone()).collect();
        let data = if own == 0 { "all of the data" } else { "its own part of the data" };
        Line::default()
            .with(Tone::Faint, format!("{:<11} ", member.name))
            .plain(format!("{data} · phases {} · {} fields", listed(&phases), member.plan.roles.len()))
            .hanging(12)
    };
    std::iter::once(head).chain(ensemble.members.iter().map(member)).collect()
}

/// The shortest digits; powers of ten where zeros would crowd.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-2..1e6).contains(&size) {
        let rounded = format!("{value:.6}");
        rounded.trim_end_matches('0').trim_end_matches('.').to_string()
    } else {
        format!("{value:e}")
    }
}

pub(super) fn hours(seconds: i64) -> f64 {
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
