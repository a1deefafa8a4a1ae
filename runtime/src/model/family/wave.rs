//! The wave model: directions as sine and cosine, and a channel that says where a wave is.

use std::collections::BTreeMap;

use aurora_compiler::plan::model::ModelPlan;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, Tensor};

use super::Fields;
use crate::model::{Batch, ModelError};

/// A wave's height and what is not defined where it is absent. Upstream forgets the period `mpts`.
const WAVES: [(&str, &[&str]); 5] = [
    ("swh", &["mwd", "mwp", "pp1d"]),
    ("shww", &["mdww", "mpww"]),
    ("shts", &["mdts"]),
    ("swh1", &["mwd1", "mwp1"]),
    ("swh2", &["mwd2", "mwp2"]),
];
const DIRECTIONS: [&str; 5] = ["mwd", "mdww", "mdts", "mwd1", "mwd2"];
/// Metres: a lower wave is absent.
const ABSENT: f32 = 1e-4;

/// Splits the wind over waves into components, and marks absent waves in data (not in predictions) as NaN.
pub(super) fn prepare(mut batch: Batch) -> Result<Batch, ModelError> {
    if let (Some(speed), Some(direction)) = (batch.surface.get("wind"), batch.surface.get("dwi")) {
        if speed.dims() != direction.dims() {
            let shapes = (speed.dims(), direction.dims());
            return wrong(format!("`wind` has shape {:?} and `dwi` {:?}", shapes.0, shapes.1));
        }
        let direction = direction.clone().deg2rad();
        let (east, north) = (speed.clone() * direction.clone().sin(), speed.clone() * direction.cos());
        batch.surface.insert("10u_wave".into(), east.neg());
        batch.surface.insert("10v_wave".into(), north.neg());
        batch.surface.remove("dwi");
    }
    if batch.rollout_step == 0 {
        for (height, others) in WAVES {
            mark_absent(&mut batch.surface, height, others)?;
        }
    }
    Ok(batch)
}

fn mark_absent(
    fields: &mut BTreeMap<String, Tensor<4>>,
    height: &str,
    others: &[&str],
) -> Result<(), ModelError> {
    let Some(absent) = fields.get(height).map(|height| height.clone().lower_elem(ABSENT)) else {
        return Ok(());
    };
    if !any(absent.clone()) {
        return Ok(());
    }
    for name in std::iter::once(&height).chain(others) {
        let Some(field) = fields.get_mut(*name) else { continue };
        if field.dims() != absent.dims() {
            let shapes = (absent.dims(), field.dims());
            return wrong(format!("`{height}` has shape {:?} and `{name}` {:?}", shapes.0, shapes.1));
        }
        *field = field.clone().mask_fill(absent.clone(), f32::NAN);
        if !DIRECTIONS.contains(name) && any(field.clone().lower_elem(ABSENT)) {
            return wrong(format!("`{name}` has values below {ABSENT} where the wave `{height}` is present"));
        }
    }
    Ok(())
}

/// Channels of the normalised variables: presence, sine and cosine; 0 where there is none.
pub(super) fn before_encoder(plan: &ModelPlan, mut batch: Batch) -> Batch {
    let options = &plan.options;
    for (name, field) in std::mem::take(&mut batch.surface) {
        let missing = field.clone().is_nan();
        if options.density_channels.contains(&name) {
            batch.surface.insert(format!("{name}_density"), missing.clone().bool_not().float());
        }
        if options.angles.contains(&name) {
            let angle = field.deg2rad();
            let sine = angle.clone().sin().mask_fill(missing.clone(), 0.0);
            batch.surface.insert(format!("{name}_sin"), sine);
            batch.surface.insert(format!("{name}_cos"), angle.cos().mask_fill(missing, 0.0));
        } else if options.density_channels.contains(&name) {
            batch.surface.insert(name, field.mask_fill(missing, 0.0));
        } else {
            batch.surface.insert(name, field);
        }
    }
    batch
}

/// Angles from their sines and cosines; NaN where the presence is below one half or there is no sea.
pub(super) fn after_decoder(plan: &ModelPlan, input: &Batch, fields: Fields) -> Result<Fields, ModelError> {
    let Fields { mut surface, atmosphere } = fields;
    let Some(sea) = input.statics.get("wmb") else {
        return wrong("the wave model needs the static variable `wmb`, the mask of the sea");
    };
    for name in &plan.options.angles {
        let (sine, cosine) = (surface.remove(&format!("{name}_sin")), surface.remove(&format!("{name}_cos")));
        if let (Some(sine), Some(cosine)) = (sine, cosine) {
            let degrees = sine.atan2(cosine).rad2deg().remainder_scalar(360.0);
            surface.insert(name.clone(), degrees);
        }
    }
    for name in &plan.options.density_channels {
        let Some(density) = surface.remove(&format!("{name}_density")) else { continue };
        let Some(field) = surface.get_mut(name) else { continue };
        let sea = sea.clone().greater_elem(0.0).float().unsqueeze::<4>();
        let absent = (sigmoid(density) * sea.clone()).lower_elem(0.5);
        *field = (field.clone() * sea).mask_fill(absent, f32::NAN);
    }
    Ok(Fields { surface, atmosphere })
}

fn any(mask: Tensor<4, Bool>) -> bool {
    mask.any().into_scalar::<bool>()
}

fn wrong<T>(message: impl Into<String>) -> Result<T, ModelError> {
    Err(ModelError::Batch(message.into()))
}
