//! What a recipe costs: weights, work, memory, data and time, counted from the plan before anything runs.
//!
//! Memory of a phase is what training holds at its peak: all weights, gradients and two moments of AdamW for those
//! that move, and the activations that the backward pass reads again. `memory.rs` lists the latter block by block;
//! `runtime/benches/speed` measures how near that comes.

mod demand;
mod memory;
mod remedy;

use serde::{Deserialize, Serialize};

use super::Plan;
use super::base::group;
use super::data::{SupportPlan, TimeRange};
use super::training::{Length, PhasePlan};
use crate::site::MachineProfile;

pub use demand::Demand;
pub use memory::Memory;
pub use remedy::remedies;

/// The cost of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Resources {
    pub parameters: u64,
    /// Of one sample on the whole grid, forward.
    pub forward_flops: f64,
    pub samples: Samples,
    /// Bytes of the prepared store, before compression.
    pub store_bytes: u64,
    pub phases: Vec<PhaseResources>,
}

/// Samples of each split: a history and the truth one step after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Samples {
    pub train: u64,
    pub validate: u64,
    pub test: u64,
}

/// The cost of one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PhaseResources {
    pub name: String,
    /// Numbers that move.
    pub moved: u64,
    pub memory: Memory,
    /// Steps of the optimiser.
    pub steps: u64,
    /// Forward, backward and what is computed again, for one step of the optimiser.
    pub step_flops: f64,
    /// By the machine's measured rate; absent if it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_seconds: Option<f64>,
}

impl PhaseResources {
    /// The whole phase, in seconds.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        Some(self.step_seconds? * self.steps as f64)
    }
}

/// Counts everything, on the machine if one is known.
#[must_use]
pub fn resources(plan: &Plan, machine: Option<&MachineProfile>) -> Resources {
    let split = |range: Option<TimeRange>| range.map_or(0, |range| samples(plan, &range, 1));
    Resources {
        parameters: plan.model.parameters().total,
        forward_flops: plan.model.forward_flops(),
        samples: Samples {
            train: samples(plan, &plan.data.train, 1),
            validate: split(plan.data.validate),
            test: split(plan.data.test),
        },
        store_bytes: store_bytes(plan),
        phases: plan.training.phases.iter().map(|phase| of_phase(plan, phase, machine)).collect(),
    }
}

fn of_phase(plan: &Plan, phase: &PhasePlan, machine: Option<&MachineProfile>) -> PhaseResources {
    let demand = Demand::of(plan, phase, machine);
    let step_flops = demand.step_flops(plan);
    let rate = machine.and_then(|machine| machine.model_flops_per_second.or(machine.flops_per_second));
    PhaseResources {
        name: phase.name.clone(),
        moved: demand.moved.total(),
        memory: demand.memory(&plan.model),
        steps: steps(plan, phase),
        step_flops,
        step_seconds: rate.filter(|rate| *rate > 0.0).map(|rate| step_flops / rate),
    }
}

/// Steps of the optimiser; the last batch of an epoch is left out if it is not whole.
fn steps(plan: &Plan, phase: &PhasePlan) -> u64 {
    match phase.length {
        Length::Steps(steps) => steps as u64,
        Length::Epochs(epochs) => {
            let samples = samples(plan, &plan.data.train, phase.rollout);
            (samples / phase.batch.max(1) as u64).saturating_mul(epochs as u64)
        }
    }
}

/// Starts in a split from which history and `rollout` steps of truth lie inside it, in the months that are used.
fn samples(plan: &Plan, range: &TimeRange, rollout: usize) -> u64 {
    let every = plan.data.every.max(1);
    let before = (plan.history as i64 - 1).max(0).saturating_mul(plan.step);
    let after = (rollout as i64).saturating_mul(plan.step);
    let (first, last) =
        (range.from.as_second().saturating_add(before), range.to.as_second().saturating_sub(after));
    let times = if last < first { 0 } else { (last - first) / every + 1 };
    let months = &plan.data.sampling.months;
    if months.is_empty() || times > MOST_COUNTED {
        return times.unsigned_abs();
    }
    let used = |at: &i64| {
        let time = jiff::Timestamp::from_second(first + at * every).ok();
        time.is_some_and(|time| {
            u8::try_from(time.to_zoned(jiff::tz::TimeZone::UTC).month())
                .is_ok_and(|month| months.contains(&month))
        })
    };
    (0..times).filter(used).count() as u64
}

/// More times than these are not looked at one by one: a century of hours.
const MOST_COUNTED: i64 = 1_000_000;

/// Every field and derived field at every time of all splits, as 32-bit numbers.
fn store_bytes(plan: &Plan) -> u64 {
    let data = &plan.data;
    let points = (data.grid.height as u64).saturating_mul(data.grid.width as u64);
    let times: u64 = [Some(data.train), data.validate, data.test]
        .into_iter()
        .flatten()
        .map(|range| samples(plan, &range, 0).saturating_add(plan.history as u64).saturating_sub(1))
        .sum();
    let levels = |support: &SupportPlan| match support {
        SupportPlan::Levels(set) => data.levels.get(set).map_or(1, |set| set.values.len() as u64),
        _ => 1,
    };
    let supports = data.fields.iter().map(|f| &f.support).chain(data.derived.iter().map(|d| &d.support));
    let fields: u64 = supports
        .map(|support| match support {
            SupportPlan::Static => 1,
            other => levels(other).saturating_mul(times),
        })
        .fold(0, u64::saturating_add);
    fields.saturating_mul(points).saturating_mul(4)
}

/// `80 GB`, `1.26 TB`: three digits, in powers of a thousand.
#[must_use]
pub fn bytes_spoken(bytes: u64) -> String {
    spoken(bytes as f64, "B")
}

/// Three digits and a prefix: `12.9 M`, `1.26 G`.
#[must_use]
pub fn spoken(number: f64, unit: &str) -> String {
    let mut number = number;
    for prefix in ["", "k", "M", "G", "T", "P"] {
        if number < 999.5 || prefix == "P" {
            let digits = match number {
                n if prefix.is_empty() || n >= 99.95 => 0,
                n if n >= 9.995 => 1,
                _ => 2,
            };
            return format!("{number:.digits$} {prefix}{unit}").trim_end().to_string();
        }
        number /= 1000.0;
    }
    String::new()
}

/// The numbers of each part of the model that a phase moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub encoder: u64,
    pub backbone: u64,
    pub decoder: u64,
    pub heads: u64,
}

impl Moved {
    /// Each weight counted once, whatever groups it is in.
    fn of(plan: &Plan, groups: &[demand::Group]) -> Moved {
        let mut tensors = std::collections::BTreeMap::new();
        let mut moved = Moved::default();
        for one in groups {
            match one.lora {
                Some((rank, steps)) => {
                    let adapters = plan.model.lora(&one.name, rank, steps).unwrap_or_default();
                    moved.backbone += super::model::parameters_of(&adapters);
                }
                None => tensors.extend(group(&plan.model, plan.base.as_ref(), &one.name)),
            }
        }
        for (name, shape) in tensors {
            let size = shape.iter().map(|side| *side as u64).product::<u64>();
            match name.split('.').next() {
                Some("backbone") => moved.backbone += size,
                Some("decoder") => moved.decoder += size,
                Some("heads") => moved.heads += size,
                _ => moved.encoder += size,
            }
        }
        moved
    }

    fn total(self) -> u64 {
        self.encoder + self.backbone + self.decoder + self.heads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spoken_in_three_digits() {
        assert_eq!(spoken(12.0, "B"), "12 B");
        assert_eq!(spoken(1_260_000_000.0, ""), "1.26 G");
        assert_eq!(spoken(12_940_000.0, "B"), "12.9 MB");
        assert_eq!(spoken(999_600.0, "B"), "1.00 MB");
        assert_eq!(bytes_spoken(80_000_000_000), "80.0 GB");
    }
}
