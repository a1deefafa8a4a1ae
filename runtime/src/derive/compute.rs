//! Kernels over the fields of files, time by time and in bands of rows, so that what stands between input and output
//! needs little memory.

use std::collections::{BTreeMap, BTreeSet};

use aurora_compiler::kernel::ir::Module;
use aurora_compiler::plan::data::{DerivedPlan, SupportPlan};
use aurora_compiler::plan::derivation::Derivation;
use jiff::Timestamp;
use ndarray::{Array3, ArrayView3, s};

use super::DeriveError;
use super::bind::Bound;
use crate::data::kernels::Kernels;
use crate::data::source::Sources;

/// Points in a band: some megabytes of a field on forty levels.
const BAND: usize = 1 << 16;

/// Derived fields, by name in the plan's order; one array (levels, H, W) for each time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Computed {
    /// Empty if nothing depends on time.
    pub times: Vec<Timestamp>,
    pub fields: BTreeMap<String, Vec<Array3<f32>>>,
}

/// The derived fields of `plan` that are in `outputs`, at every time at which all that they need is there.
///
/// # Errors
/// A field that cannot be read, a kernel that cannot run, no time at which all is there; `stop` says so.
pub fn compute(
    plan: &Derivation,
    module: &Module,
    outputs: &BTreeSet<String>,
    bound: &BTreeMap<String, Bound>,
    sources: &Sources,
    stop: &dyn Fn() -> bool,
) -> Result<Computed, DeriveError> {
    let derived = needed(plan, outputs);
    let reads: BTreeSet<&str> =
        derived.iter().flat_map(|field| field.inputs.iter().map(String::as_str)).collect();
    let fields: Vec<_> = plan.fields.iter().filter(|field| reads.contains(field.name.as_str())).collect();
    let bound: Vec<(&str, &Bound, bool)> = fields
        .iter()
        .map(|field| {
            let found = bound.get(&field.name).ok_or_else(|| {
                DeriveError(format!("`{}`, from which something is derived, is not in the input", field.name))
            })?;
            Ok((field.name.as_str(), found, field.support == SupportPlan::Static))
        })
        .collect::<Result<_, DeriveError>>()?;
    let kernels = Kernels::of(module, &plan.derived, &outputs.iter().cloned().collect::<Vec<_>>())?;
    let whole =
        derived.iter().any(|field| module.kernel(&field.kernel).is_some_and(|kernel| kernel.is_stencil()));
    let times = times(sources, &bound)?;
    let slots: Vec<Option<Timestamp>> =
        if times.is_empty() { vec![None] } else { times.iter().copied().map(Some).collect() };
    let mut computed = Computed { times, fields: BTreeMap::new() };
    for time in slots {
        let mut inputs: BTreeMap<String, Array3<f32>> = BTreeMap::new();
        for (name, field, fixed) in &bound {
            // What does not change may be in the file at one time only.
            let time = if *fixed && !field.there(sources, time) { None } else { time };
            inputs.insert((*name).to_string(), field.fetch(sources, time)?);
            if stop() {
                return Err(DeriveError("interrupted".into()));
            }
        }
        for (name, values) in run(&kernels, &inputs, whole)? {
            computed.fields.entry(name).or_default().push(values);
        }
    }
    Ok(computed)
}

/// The derived fields that are wanted and those that they need, in the plan's order.
pub fn needed<'a>(plan: &'a Derivation, outputs: &BTreeSet<String>) -> Vec<&'a DerivedPlan> {
    let mut needed: BTreeSet<&str> = outputs.iter().map(String::as_str).collect();
    for field in plan.derived.iter().rev() {
        if needed.contains(field.name.as_str()) {
            needed.extend(field.inputs.iter().map(String::as_str));
        }
    }
    plan.derived.iter().filter(|field| needed.contains(field.name.as_str())).collect()
}

/// Every time at which all that changes in time is there.
fn times(sources: &Sources, bound: &[(&str, &Bound, bool)]) -> Result<Vec<Timestamp>, DeriveError> {
    let all = sources.times();
    let there =
        |time: &Timestamp| bound.iter().all(|(_, field, fixed)| *fixed || field.there(sources, Some(*time)));
    let times: Vec<Timestamp> = all.iter().copied().filter(there).collect();
    if times.is_empty() && !all.is_empty() {
        let lacking: Vec<&str> = bound
            .iter()
            .filter(|(_, field, fixed)| !*fixed && !field.there(sources, all.first().copied()))
            .map(|(name, ..)| *name)
            .collect();
        return Err(DeriveError(format!(
            "there is no time at which all that is needed is there; at {} the input lacks {}",
            all.first().map(ToString::to_string).unwrap_or_default(),
            lacking.join(", ")
        )));
    }
    Ok(times)
}

/// All derived fields that are wanted, of one time.
fn run(
    kernels: &Kernels,
    inputs: &BTreeMap<String, Array3<f32>>,
    whole: bool,
) -> Result<BTreeMap<String, Array3<f32>>, DeriveError> {
    let Some((_, height, width)) = inputs.values().next().map(|field| field.dim()) else {
        return Err(DeriveError("nothing of the input is needed: what is asked for are constants".into()));
    };
    let rows = if whole { height.max(1) } else { (BAND / width.max(1)).clamp(1, height.max(1)) };
    let mut results: BTreeMap<String, Array3<f32>> = BTreeMap::new();
    let mut from = 0;
    while from < height {
        let to = (from + rows).min(height);
        let band: BTreeMap<String, ArrayView3<'_, f32>> =
            inputs.iter().map(|(name, values)| (name.clone(), values.slice(s![.., from..to, ..]))).collect();
        for (name, values) in kernels.derive_all(&band)? {
            let depth = values.dim().0;
            results
                .entry(name)
                .or_insert_with(|| Array3::zeros((depth, height, width)))
                .slice_mut(s![.., from..to, ..])
                .assign(&values);
        }
        from = to;
    }
    Ok(results)
}
