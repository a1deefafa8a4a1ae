//! Whether a batch file is one that a recipe's model can forecast from.

use aurora_compiler::Plan;
use aurora_compiler::plan::Role;
use aurora_compiler::plan::model::Family;
use burn::tensor::Tensor;

use crate::model::Batch;

/// Checks a batch against the recipe: every field of the model, on its levels, at its times, and no gaps.
///
/// The model itself takes fewer fields, other levels and fewer times than it was trained with; a forecast from
/// such a batch would be another thing than the recipe describes. Only Microsoft's own weights (not `trained` by the
/// recipe) were trained to take fewer times.
///
/// # Errors
/// One sentence.
pub fn fit(plan: &Plan, batch: &Batch, trained: bool) -> Result<(), String> {
    let read = plan.roles.iter().filter(|role| role.part.fed() && !computed(plan, &role.named, batch));
    let missing: Vec<String> = read.filter_map(|role| absent(role.role, &role.named, batch)).collect();
    if !missing.is_empty() {
        return Err(format!("the input lacks {}, which the recipe's model reads", missing.join(", ")));
    }
    let levels = &plan.model.levels;
    let same = levels.len() == batch.levels.len()
        && levels.iter().zip(&batch.levels).all(|(a, b)| (a - b).abs() < 1e-6);
    if !same && !batch.atmosphere.is_empty() {
        return Err(format!(
            "the recipe's model works on {levels:?} hPa, the input is on {:?} hPa",
            batch.levels
        ));
    }
    if plan.model.options.family != Family::Wave {
        // Waves come with a direction that the model does not read as it is.
        batch.check(&plan.model).map_err(|error| error.to_string())?;
    }
    for (name, times) in batch
        .surface
        .iter()
        .map(|(n, f)| (n, f.dims()[1]))
        .chain(batch.atmosphere.iter().map(|(n, f)| (n, f.dims()[1])))
    {
        if times != plan.history && (trained || times > plan.history) {
            return Err(format!("`{name}` holds {times} times, the recipe's model reads {}", plan.history));
        }
    }
    // A wave that is not there has no values.
    let absent = |name: &String| plan.model.options.density_channels.contains(name);
    for (name, field) in batch.surface.iter().filter(|(name, _)| !absent(name)) {
        finite("surf", name, field)?;
    }
    for (name, field) in &batch.atmosphere {
        finite("atmos", name, field)?;
    }
    for (name, field) in &batch.statics {
        finite("static", name, field)?;
    }
    Ok(())
}

/// The wave model works the components of its wind out from speed and direction.
fn computed(plan: &Plan, named: &str, batch: &Batch) -> bool {
    plan.model.options.family == Family::Wave
        && ["10u_wave", "10v_wave"].contains(&named)
        && ["wind", "dwi"].iter().all(|name| batch.surface.contains_key(*name))
}

fn absent(role: Role, named: &str, batch: &Batch) -> Option<String> {
    let (kind, there) = match role {
        Role::Surface => ("surf", batch.surface.contains_key(named)),
        Role::Atmosphere => ("atmos", batch.atmosphere.contains_key(named)),
        Role::Static => ("static", batch.statics.contains_key(named)),
    };
    (!there).then(|| format!("`{kind}.{named}`"))
}

/// One number that is none would spread over the whole forecast.
fn finite<const D: usize>(kind: &str, name: &str, field: &Tensor<D>) -> Result<(), String> {
    let values = field.to_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
    let gaps = values.iter().filter(|value| !value.is_finite()).count();
    let Some(first) = values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let mut place = Vec::new();
    let mut rest = first;
    for size in field.dims().iter().rev() {
        place.insert(0, rest % size);
        rest /= size;
    }
    Err(format!(
        "`{kind}.{name}` has {gaps} values that are no numbers, the first at {place:?}; a forecast needs a value everywhere"
    ))
}
