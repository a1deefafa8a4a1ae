//! What learns in a phase: whole groups of weights, or low-rank updates beside weights that stay.
//!
//! Updates are fresh at the beginning of a phase and folded into the weights at its end, W + (alpha/rank)·B·A: one
//! update for all steps of a roll-out is no more than another matrix (Hu et al. 2022, section 4.1). So checkpoints at
//! the ends of phases hold the plan's weights and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use aurora_compiler::plan::Plan;
use aurora_compiler::plan::base;
use aurora_compiler::plan::model::{LoraMode, LoraPlan, ModelPlan};
use aurora_compiler::plan::training::{Adapter, PhasePlan};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};

use super::TrainError;
use crate::model::parameters::Names;
use crate::model::{Aurora, HostTensor};

/// How the names of updates of low rank go on.
const UPDATE: &str = ".lora_";

/// Names of the weights that learn in a phase.
pub(super) fn learning(plan: &Plan, phase: &PhasePlan) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for group in &phase.train {
        let tensors = match phase.adapters.iter().find(|adapter| adapter.group == *group) {
            Some(adapter) => plan.model.lora(group, adapter.rank, 1).unwrap_or_default(),
            None => base::group(&plan.model, plan.base.as_ref(), group),
        };
        names.extend(tensors.into_iter().map(|(name, _)| name));
    }
    names
}

/// The model within a phase: the plan's own, with the phase's updates beside its weights.
pub(super) fn model_plan(plan: &Plan, phase: &PhasePlan) -> ModelPlan {
    let mut model = plan.model.clone();
    if let Some(Adapter { rank, alpha, .. }) = phase.adapters.first() {
        let (rank, alpha) = (*rank, *alpha);
        model.options.lora = Some(LoraPlan { mode: LoraMode::Single, steps: usize::MAX, rank, alpha });
    }
    model
}

/// The model as it begins a phase: fresh updates, of no effect yet, beside its weights.
pub(super) fn adapted(
    model: Aurora,
    plan: &Plan,
    phase: &PhasePlan,
    seed: u64,
    device: &Device,
) -> Result<Aurora, TrainError> {
    if phase.adapters.is_empty() {
        return Ok(model);
    }
    let mut weights = model.parameters();
    drop(model);
    let fresh = Aurora::new(&model_plan(plan, phase), seed, device)?;
    let names = fresh.names().clone();
    Ok(names.write_each(fresh, &mut |name| Ok(weights.remove(name)))?)
}

/// The model as it ends a phase: updates are part of the weights.
pub(super) fn folded(
    model: Aurora,
    plan: &Plan,
    phase: &PhasePlan,
    device: &Device,
) -> Result<Aurora, TrainError> {
    let Some(adapter) = phase.adapters.first() else { return Ok(model) };
    let mut weights = model.parameters();
    drop(model);
    fold(&mut weights, (adapter.alpha / adapter.rank as f64) as f32);
    let plain = Aurora::new(&plan.model, 0, device)?;
    let names = plain.names().clone();
    Ok(names.write_each(plain, &mut |name| Ok(weights.remove(name)))?)
}

/// Adds each pair A (rank, in), B (out, rank) to the weight (out, in) that it stands beside, and takes it out.
fn fold(weights: &mut BTreeMap<String, HostTensor>, scale: f32) {
    let pairs: Vec<String> = weights.keys().filter(|name| name.ends_with(".lora_A")).cloned().collect();
    for down in pairs {
        let up = format!("{}B", down.trim_end_matches('A'));
        let (Some(a), Some(b)) = (weights.remove(&down), weights.remove(&up)) else { continue };
        let Some((block, rest)) = down.split_once(UPDATE) else { continue };
        let part = rest.split('.').next().unwrap_or_default();
        let Some(weight) = weights.get_mut(&format!("{block}.{part}.weight")) else { continue };
        let (&[rank, inputs], &[_, b_rank]) = (&a.shape[..], &b.shape[..]) else { continue };
        if rank != b_rank || inputs == 0 || rank == 0 {
            continue;
        }
        for (row, b) in weight.values.chunks_mut(inputs).zip(b.values.chunks(rank)) {
            for (a, b) in a.values.chunks(inputs).zip(b) {
                row.iter_mut().zip(a).for_each(|(weight, a)| *weight += scale * b * a);
            }
        }
    }
}

/// The model with a graph for the weights that learn only: no gradient is computed for the others.
pub(super) fn only(model: Aurora, learning: &BTreeSet<String>) -> Aurora {
    let names = model.names().clone();
    model.map(&mut Only { names: &names, learning })
}

struct Only<'a> {
    names: &'a Names,
    learning: &'a BTreeSet<String>,
}

impl ModuleMapper for Only<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let learns = self.names.of(param.id).is_some_and(|name| self.learning.contains(name));
        param.map(|tensor| tensor.detach().set_require_grad(learns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W = 0 (3, 2), A = (1 2) of rank 1, B = (1 10 100): W + 2·B·A.
    #[test]
    fn an_update_is_folded_into_its_weight() {
        let tensor =
            |shape: [usize; 2], values: &[f32]| HostTensor { shape: shape.to_vec(), values: values.to_vec() };
        let mut weights: BTreeMap<String, HostTensor> = [
            ("block.attn.qkv.weight", tensor([3, 2], &[0.5; 6])),
            ("block.attn.lora_qkv.loras.0.lora_A", tensor([1, 2], &[1.0, 2.0])),
            ("block.attn.lora_qkv.loras.0.lora_B", tensor([3, 1], &[1.0, 10.0, 100.0])),
        ]
        .into_iter()
        .map(|(name, tensor)| (name.to_string(), tensor))
        .collect();
        fold(&mut weights, 2.0);
        assert_eq!(weights.len(), 1);
        assert_eq!(weights["block.attn.qkv.weight"].values, [2.5, 4.5, 20.5, 40.5, 200.5, 400.5]);
    }
}
