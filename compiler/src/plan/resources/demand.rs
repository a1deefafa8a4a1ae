//! What a phase asks of the machine: how many points, samples and steps are held at once, and what moves.

use super::Moved;
use super::memory::{Memory, PROCESS, Part, Stretch, stretches};
use crate::plan::Plan;
use crate::plan::model::ModelPlan;
use crate::plan::training::{AdapterSteps, PhasePlan};
use crate::site::MachineProfile;

/// A group of weights that learns, whole or by low-rank matrices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    /// Rank, and steps with matrices of their own.
    pub lora: Option<(usize, usize)>,
}

/// What comes and goes takes so much more than it holds, in freed blocks that nothing fits into: fitted to five
/// measured peaks, held to twelve (`docs/src/performance.md`).
const FREED: f64 = 1.25;

/// The demand of one phase, with what may be changed to lower it.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// Points that a sample covers.
    pub height: usize,
    pub width: usize,
    /// Samples to a step of the optimiser, and those held at a time.
    pub batch: usize,
    pub micro_batch: usize,
    pub rollout: usize,
    pub recompute: bool,
    /// Activations of the backbone in 16 bits.
    pub half: bool,
    /// Averages of the weights are kept beside them.
    pub average: bool,
    pub moved: Moved,
}

impl Demand {
    #[must_use]
    pub fn of(plan: &Plan, phase: &PhasePlan, machine: Option<&MachineProfile>) -> Demand {
        let group = |name: &String| {
            let adapter = phase.adapters.iter().find(|adapter| adapter.group == *name);
            Group { name: name.clone(), lora: adapter.map(|one| (one.rank, pairs(one.steps, phase.rollout))) }
        };
        let groups: Vec<Group> = phase.train.iter().map(group).collect();
        let [height, width] = points(plan, phase);
        let held = machine.and_then(|m| m.micro_batch).unwrap_or(phase.batch);
        Demand {
            height,
            width,
            batch: phase.batch,
            micro_batch: held.clamp(1, phase.batch.max(1)),
            rollout: phase.rollout,
            recompute: machine.is_some_and(|m| m.recompute),
            half: phase.bf16.iter().any(|group| group == "backbone"),
            average: phase.average.is_some(),
            moved: Moved::of(plan, &groups),
        }
    }

    /// Bytes at the peak. On the way back activations go while gradients come: what is held beside weights and
    /// optimiser is the most of both at once, of which `activations` is what gradients in the end do not fill.
    #[must_use]
    pub fn memory(&self, model: &ModelPlan) -> Memory {
        let parameters = model.parameters().total;
        let moved = self.moved.total();
        let gradients = 4 * moved;
        let most = self.most(model);
        Memory {
            weights: 4 * parameters,
            gradients,
            optimiser: 8 * moved + if self.average { 4 * parameters } else { 0 },
            activations: ((FREED * most) as u64).saturating_sub(gradients),
            process: PROCESS,
        }
    }

    /// The most bytes of activations and gradients at once, stretch by stretch from the last.
    fn most(&self, model: &ModelPlan) -> f64 {
        let list = stretches(model, self.height, self.width);
        let samples = 4.0 * self.micro_batch.max(1) as f64;
        let moved = |part: Part| {
            (match part {
                Part::Encoder => self.moved.encoder,
                Part::Backbone => self.moved.backbone,
                Part::Decoder => self.moved.decoder,
                Part::Heads => self.moved.heads,
            }) as f64
        };
        // Nothing is kept before the first part that moves.
        let order = [Part::Encoder, Part::Backbone, Part::Decoder, Part::Heads];
        let place = |part: Part| order.iter().position(|one| *one == part).unwrap_or_default();
        let first = order.iter().position(|part| moved(*part) > 0.0);
        let records = |one: &Stretch| first.is_some_and(|first| place(one.part) >= first);
        let again = |one: &Stretch| self.recompute && one.part == Part::Backbone;
        let half = |one: &Stretch| self.half && one.part == Part::Backbone;
        let bytes = |one: &Stretch| if half(one) { samples / 2.0 } else { samples };
        let kept = |one: &Stretch| match (records(one), again(one)) {
            (false, _) => 0.0,
            (true, true) => bytes(one) * one.input,
            (true, false) => bytes(one) * one.kept,
        };
        let mut held: f64 = list.iter().map(kept).sum::<f64>() * self.rollout.max(1) as f64;
        let mut most = list.iter().map(|one| bytes(one) * one.passing).fold(held, f64::max);
        let mut gradients = 0.0;
        for one in list.iter().rev().filter(|one| records(one)) {
            gradients += 4.0 * one.share * moved(one.part);
            let computed = if again(one) { bytes(one) * one.kept } else { 0.0 };
            most = most.max(held + gradients + computed + bytes(one) * one.flying);
            held -= kept(one);
        }
        most
    }

    /// Operations of one step of the optimiser: forward, backward through what lies behind the first weight that
    /// moves (inputs' gradients cost a forward pass, weights' gradients another), and what is computed again.
    #[must_use]
    pub fn step_flops(&self, plan: &Plan) -> f64 {
        let mut model = plan.model.clone();
        (model.height, model.width) = (self.height, self.width);
        let work = model.work();
        let moved = self.moved;
        let parts = [
            (work.encoder, moved.encoder > 0, moved.encoder > 0, false),
            (work.backbone, moved.backbone > 0, moved.encoder + moved.backbone > 0, self.recompute),
            (work.decoder, moved.decoder + moved.heads > 0, moved.total() > 0, false),
        ];
        let one: f64 = parts
            .into_iter()
            .map(|(flops, weights, inputs, again)| {
                let passes = 1.0
                    + f64::from(u8::from(weights))
                    + f64::from(u8::from(inputs))
                    + f64::from(u8::from(again && inputs));
                flops * passes
            })
            .sum();
        one * self.batch as f64 * self.rollout.max(1) as f64
    }
}

/// Pairs of low-rank matrices beside each matrix.
fn pairs(steps: AdapterSteps, rollout: usize) -> usize {
    match steps {
        AdapterSteps::All | AdapterSteps::First => 1,
        AdapterSteps::Each => rollout.max(1),
    }
}

/// Rows and columns of a sample: the tile, else the grid at the finest scale of the phase, cut to whole patches.
fn points(plan: &Plan, phase: &PhasePlan) -> [usize; 2] {
    if let Some(tile) = phase.tile {
        return tile;
    }
    let spacing = plan.data.grid.spacing;
    let finest = phase.scales.iter().map(|scale| scale.spacing).fold(f64::INFINITY, f64::min);
    let coarser = if finest.is_finite() && spacing > 0.0 { (finest / spacing).max(1.0) } else { 1.0 };
    let patch = plan.model.patch.max(1);
    [plan.model.height, plan.model.width].map(|side| {
        let side = (side as f64 / coarser) as usize;
        (side - side % patch).max(patch)
    })
}
