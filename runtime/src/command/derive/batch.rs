//! From a batch file to a batch file: all samples and all steps of history, as models take them.

use std::collections::BTreeMap;
use std::path::Path;

use aurora_compiler::Plan;
use aurora_compiler::plan::data::{DerivedPlan, SupportPlan};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array3, Array5, Axis, s};

use crate::data::kernels::Kernels;
use crate::model::Batch;
use crate::predict::batch_file;
use crate::run::{Failure, Recipe};

/// The derived fields of a recipe, of the batch file `input`, or those of them in `only`.
pub fn run(recipe: &Recipe, input: &Path, output: &Path, only: &[String]) -> Result<(), Failure> {
    let plan = &recipe.plan;
    let needed = needed(plan, only)?;
    let kernels = Kernels::of(&recipe.kernels, &plan.data.derived, only)?;
    let device = Device::flex();
    let batch = batch_file::read(input, &device)?;
    let computed = compute(plan, &needed, &kernels, &inputs(plan, &batch), &batch.levels)?;
    let mut result = Batch { surface: BTreeMap::new(), atmosphere: BTreeMap::new(), ..batch };
    for (name, value) in computed {
        let (b, t, c, h, w) = value.dim();
        let tensor: Tensor<5> =
            Tensor::from_data(TensorData::new(value.iter().copied().collect(), [b, t, c, h, w]), &device);
        let support = needed.iter().find(|derived| derived.name == name).map(|derived| &derived.support);
        match support {
            Some(SupportPlan::Levels(_)) => {
                result.atmosphere.insert(name, tensor);
            }
            Some(SupportPlan::Static) => {
                let field = tensor.slice([0..1, 0..1, 0..1, 0..h, 0..w]).reshape([h, w]);
                result.statics.insert(name, field);
            }
            _ => {
                result.surface.insert(name, tensor.squeeze_dim::<4>(2));
            }
        }
    }
    batch_file::write(output, &[result])?;
    Ok(())
}

/// The derived fields asked for and those they need, in the plan's order.
fn needed<'a>(plan: &'a Plan, only: &[String]) -> Result<Vec<&'a DerivedPlan>, Failure> {
    let all = &plan.data.derived;
    if let Some(unknown) = only.iter().find(|name| !all.iter().any(|d| d.name == **name)) {
        let names: Vec<&str> = all.iter().map(|d| d.name.as_str()).collect();
        let near = aurora_grammar::nearest(unknown, names.iter().copied());
        let hint = near
            .map_or_else(|| format!("it derives {}", names.join(", ")), |n| format!("did you mean `{n}`?"));
        return Err(Failure::because(format!("the recipe derives nothing called `{unknown}`; {hint}")));
    }
    let mut needed: Vec<String> = only.to_vec();
    for derived in all.iter().rev() {
        if needed.contains(&derived.name) {
            needed.extend(derived.inputs.iter().cloned());
        }
    }
    Ok(all.iter().filter(|d| only.is_empty() || needed.contains(&d.name)).collect())
}

/// Every field of the batch by the recipe's name, (B, T, C, H, W).
fn inputs(plan: &Plan, batch: &Batch) -> BTreeMap<String, Array5<f32>> {
    let name = |named: &String| {
        plan.roles
            .iter()
            .find(|role| role.named == *named)
            .map_or_else(|| named.clone(), |role| role.field.clone())
    };
    let array = |tensor: Tensor<5>| {
        let [b, t, c, h, w] = tensor.dims();
        let values = tensor.into_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
        Array5::from_shape_vec((b, t, c, h, w), values).ok()
    };
    let surface =
        batch.surface.iter().filter_map(|(n, f)| Some((name(n), array(f.clone().unsqueeze_dim(2))?)));
    let atmosphere = batch.atmosphere.iter().filter_map(|(n, f)| Some((name(n), array(f.clone())?)));
    let statics =
        batch.statics.iter().filter_map(|(n, f)| Some((name(n), array(f.clone().unsqueeze::<5>())?)));
    surface.chain(atmosphere).chain(statics).collect()
}

/// The derived fields that are asked for, at every time of every sample: (B, T, C, H, W) each.
fn compute(
    plan: &Plan,
    needed: &[&DerivedPlan],
    kernels: &Kernels,
    fields: &BTreeMap<String, Array5<f32>>,
    levels: &[f64],
) -> Result<BTreeMap<String, Array5<f32>>, Failure> {
    let reads = kernels.reads();
    let mut arrays = Vec::new();
    for input in &reads {
        let reader = || needed.iter().find(|derived| derived.inputs.contains(input));
        let array = fields.get(input).ok_or_else(|| {
            Failure::because(format!(
                "`{}` is derived from `{input}`, which the input file lacks",
                reader().map_or("", |derived| derived.name.as_str())
            ))
        })?;
        same_levels(plan, input, levels)?;
        arrays.push(array);
    }
    let Some(first) = arrays.first() else {
        return Err(Failure::because("what is asked for is derived from nothing"));
    };
    // A static field is the same in every sample and at every time.
    let samples = arrays.iter().map(|a| a.dim().0).max().unwrap_or(1);
    let times = arrays.iter().map(|a| a.dim().1).max().unwrap_or(1);
    let (_, _, _, height, width) = first.dim();
    let mut whole = Vec::new();
    for (array, input) in arrays.into_iter().zip(&reads) {
        let (.., depth, _, _) = array.dim();
        let wide = array.broadcast((samples, times, depth, height, width)).ok_or_else(|| {
            Failure::because(format!("`{input}` of the input file has another shape than its other fields"))
        })?;
        whole.push(wide);
    }
    let mut parts: BTreeMap<String, Vec<Array3<f32>>> = BTreeMap::new();
    for sample in 0..samples {
        for time in 0..times {
            let views = whole.iter().map(|array| array.slice(s![sample, time, .., .., ..]));
            for (name, value) in kernels.derive_all(&reads.iter().cloned().zip(views).collect())? {
                parts.entry(name).or_default().push(value);
            }
        }
    }
    let mut stacked = BTreeMap::new();
    for (name, parts) in parts {
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        let all = ndarray::stack(Axis(0), &views)?;
        let (_, c, h, w) = all.dim();
        stacked.insert(name, all.into_shape_with_order((samples, times, c, h, w))?);
    }
    Ok(stacked)
}

/// A field on levels is given on just the levels for which its kernel was compiled.
fn same_levels(plan: &Plan, input: &str, given: &[f64]) -> Result<(), Failure> {
    let field = plan.data.fields.iter().find(|f| f.name == input).map(|f| &f.support);
    let derived = plan.data.derived.iter().find(|d| d.name == input).map(|d| &d.support);
    let Some(SupportPlan::Levels(set)) = field.or(derived) else { return Ok(()) };
    let wanted: Vec<f64> =
        plan.data.levels.get(set).map(|l| l.values.iter().map(|p| p / 100.0).collect()).unwrap_or_default();
    if wanted.len() == given.len() && wanted.iter().zip(given).all(|(a, b)| (a - b).abs() < 1e-6) {
        return Ok(());
    }
    Err(Failure::because(format!(
        "the recipe has `{input}` on {wanted:?} hPa, the input file on {given:?} hPa"
    )))
}
