//! From a batch file to a batch file: all samples and all steps of history, as models take them.

use std::collections::BTreeMap;
use std::path::Path;

use aurora_compiler::Plan;
use aurora_compiler::plan::data::{DerivedPlan, SupportPlan};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array3, Array5, ArrayView3, Axis, s};

use crate::data::kernels::Kernels;
use crate::data::prepare::Deriver;
use crate::model::Batch;
use crate::predict::batch_file;
use crate::run::{Failure, Recipe};

/// The derived fields of a recipe, of the batch file `input`, or those of them in `only`.
pub fn run(recipe: &Recipe, input: &Path, output: &Path, only: &[String]) -> Result<(), Failure> {
    let plan = &recipe.plan;
    let kernels = Kernels::new(&recipe.kernels, &plan.data.derived)?;
    let device = Device::flex();
    let batch = batch_file::read(input, &device)?;
    let mut fields = inputs(plan, &batch);
    let mut result = Batch { surface: BTreeMap::new(), atmosphere: BTreeMap::new(), ..batch };
    for derived in wanted(plan, only)? {
        let value = compute(plan, derived, &kernels, &fields, &result.levels)?;
        let (b, t, c, h, w) = value.dim();
        let tensor: Tensor<5> =
            Tensor::from_data(TensorData::new(value.iter().copied().collect(), [b, t, c, h, w]), &device);
        if only.is_empty() || only.contains(&derived.name) {
            match derived.support {
                SupportPlan::Levels(_) => {
                    result.atmosphere.insert(derived.name.clone(), tensor);
                }
                SupportPlan::Static => {
                    result.statics.insert(
                        derived.name.clone(),
                        tensor.slice([0..1, 0..1, 0..1, 0..h, 0..w]).reshape([h, w]),
                    );
                }
                _ => {
                    result.surface.insert(derived.name.clone(), tensor.squeeze_dim::<4>(2));
                }
            }
        }
        fields.insert(derived.name.clone(), value);
    }
    batch_file::write(output, &[result])?;
    Ok(())
}

/// The derived fields asked for and those they need, in the plan's order.
fn wanted<'a>(plan: &'a Plan, only: &[String]) -> Result<Vec<&'a DerivedPlan>, Failure> {
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

fn compute(
    plan: &Plan,
    derived: &DerivedPlan,
    kernels: &Kernels,
    fields: &BTreeMap<String, Array5<f32>>,
    levels: &[f64],
) -> Result<Array5<f32>, Failure> {
    let mut arrays = Vec::new();
    for input in &derived.inputs {
        let array = fields.get(input).ok_or_else(|| {
            Failure::because(format!(
                "`{}` is derived from `{input}`, which the input file lacks",
                derived.name
            ))
        })?;
        same_levels(plan, input, levels)?;
        arrays.push(array);
    }
    let Some(first) = arrays.first() else {
        return Err(Failure::because(format!("`{}` is derived from nothing", derived.name)));
    };
    // A static field is the same in every sample and at every time.
    let samples = arrays.iter().map(|a| a.dim().0).max().unwrap_or(1);
    let times = arrays.iter().map(|a| a.dim().1).max().unwrap_or(1);
    let (_, _, _, height, width) = first.dim();
    let mut whole = Vec::new();
    for (array, input) in arrays.into_iter().zip(&derived.inputs) {
        let (.., depth, _, _) = array.dim();
        let wide = array.broadcast((samples, times, depth, height, width)).ok_or_else(|| {
            Failure::because(format!(
                "`{input}`, from which `{}` is derived, has another shape than its other fields",
                derived.name
            ))
        })?;
        whole.push(wide);
    }
    let mut parts: Vec<Array3<f32>> = Vec::new();
    for sample in 0..samples {
        for time in 0..times {
            let views: Vec<ArrayView3<'_, f32>> =
                whole.iter().map(|array| array.slice(s![sample, time, .., .., ..])).collect();
            parts.push(kernels.derive(derived, &views)?);
        }
    }
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    let stacked = ndarray::stack(Axis(0), &views)?;
    let (_, c, h, w) = stacked.dim();
    Ok(stacked.into_shape_with_order((samples, times, c, h, w))?)
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
