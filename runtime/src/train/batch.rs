//! From samples as arrays to what the model reads and what its prediction is compared with.

use std::collections::BTreeMap;

use aurora_compiler::plan::model::Family;
use aurora_compiler::plan::{Part, Plan, Role, RolePlan};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array2, Array5, Axis, Slice};

use super::objective::Truth;
use super::scaling::Scalings;
use crate::data::grid_points::{coarse, coarse_longitude};
use crate::data::sample::{Batch as Samples, Selection, Window};
use crate::data::store::Store;
use crate::model::family::v1p5;
use crate::model::{Batch, Coordinates};

/// The fields that training reads: the model's own, and the truth of others that a loss speaks of.
pub fn selection(plan: &Plan, others: &[String]) -> Selection {
    let fields = |wanted: fn(&RolePlan) -> bool| -> Vec<String> {
        plan.roles.iter().filter(|role| wanted(role)).map(|role| role.field.clone()).collect()
    };
    let mut targets = fields(|role| role.role != Role::Static);
    targets.extend(others.iter().filter(|name| !plan.roles.iter().any(|r| r.field == **name)).cloned());
    Selection {
        inputs: fields(|role| role.role != Role::Static && role.part.fed()),
        targets,
        statics: fields(|role| role.role == Role::Static),
    }
}

/// Latitudes and longitudes of the part of the grid that samples cover, (H, W), longitudes from 0 to 360.
pub fn coordinates(store: &Store, samples: &Samples) -> (Coordinates, Coordinates) {
    let window = samples.windows.first().map(|window| window.finer(samples.factor));
    let window = window.unwrap_or_else(|| Window::whole(store.latitude().dim()));
    let matrix = |values: Array2<f32>| {
        let (rows, columns) = values.dim();
        Coordinates::matrix(rows, columns, values.iter().copied().collect())
    };
    let latitude = coarse(&window.of(store.latitude()), samples.factor);
    let longitude = coarse_longitude(&window.of(store.longitude()), samples.factor);
    (matrix(latitude), matrix(longitude.mapv(|lon| lon.rem_euclid(360.0))))
}

/// A physical batch for the model, under the checkpoint's names; of samples that cover one part of the grid.
pub fn physical(plan: &Plan, samples: &Samples, grid: &(Coordinates, Coordinates), device: &Device) -> Batch {
    let mut batch = Batch {
        surface: BTreeMap::new(),
        statics: BTreeMap::new(),
        atmosphere: BTreeMap::new(),
        latitude: grid.0.clone(),
        longitude: grid.1.clone(),
        time: samples.times.iter().map(|time| time.as_second()).collect(),
        levels: plan.model.levels.clone(),
        rollout_step: 0,
    };
    for role in plan.roles.iter().filter(|role| role.part.fed()) {
        match role.role {
            Role::Static => {
                if let Some(field) = samples.statics.get(&role.field) {
                    let (_, rows, columns) = field.dim();
                    let values = field.iter().take(rows * columns).copied().collect();
                    let data = TensorData::new(values, [rows, columns]);
                    batch.statics.insert(role.named.clone(), Tensor::from_data(data, device));
                }
            }
            Role::Surface => {
                if let Some(field) = samples.inputs.get(&role.field) {
                    batch.surface.insert(role.named.clone(), tensor(field, device).squeeze_dim::<4>(2));
                }
            }
            Role::Atmosphere => {
                if let Some(field) = samples.inputs.get(&role.field) {
                    batch.atmosphere.insert(role.named.clone(), tensor(field, device));
                }
            }
        }
    }
    batch
}

/// The fields that are fed and not predicted, at target step `step` (from 0), under the checkpoint's names.
pub fn forcing(plan: &Plan, samples: &Samples, step: usize, device: &Device) -> Batch {
    let mut batch = Batch {
        surface: BTreeMap::new(),
        statics: BTreeMap::new(),
        atmosphere: BTreeMap::new(),
        latitude: Coordinates::vector(Vec::new()),
        longitude: Coordinates::vector(Vec::new()),
        time: Vec::new(),
        levels: plan.model.levels.clone(),
        rollout_step: 0,
    };
    for role in plan.roles.iter().filter(|role| role.part == Part::Forcing) {
        let Some(field) = target(samples, &role.field, step) else { continue };
        let field = tensor(&field, device);
        if role.role == Role::Surface {
            batch.surface.insert(role.named.clone(), field.squeeze_dim(2));
        } else {
            batch.atmosphere.insert(role.named.clone(), field);
        }
    }
    batch
}

/// The truth at target step `step` (from 0), normalised as the model's predictions are, and the physical
/// values of `fields`.
pub fn truth(
    plan: &Plan,
    samples: &Samples,
    scalings: &Scalings,
    fields: &[String],
    step: usize,
    device: &Device,
) -> Truth {
    let at = |name: &str| Some(cropped(plan, target(samples, name, step)?));
    let of = |role: Role| -> Vec<Tensor<5>> {
        let roles = plan.roles.iter().filter(|r| r.role == role && r.part.predicted());
        let normalised = |role: &RolePlan| {
            let mut field = tensor(&at(&role.field)?, device);
            if plan.model.options.family == Family::V1p5 && v1p5::is_logarithmic(&role.named) {
                field = v1p5::logarithm(field);
            }
            Some(scalings.normalise(&role.field, field))
        };
        roles.filter_map(normalised).collect()
    };
    let surface: Vec<Tensor<4>> = of(Role::Surface).into_iter().map(|t| t.squeeze_dim(2)).collect();
    let statics: BTreeMap<String, Tensor<5>> = samples
        .statics
        .iter()
        .map(|(name, field)| {
            let (_, rows, columns) = field.dim();
            let values = field.iter().take(rows * columns).copied().collect();
            let data = TensorData::new(values, [1, 1, 1, rows, columns]);
            let field: Tensor<5> = Tensor::from_data(data, device);
            (name.clone(), field.narrow(3, 0, kept_rows(plan, rows)))
        })
        .collect();
    let true_fields = fields.iter().filter_map(|name| {
        let field = at(name).map(|field| tensor(&field, device)).or_else(|| statics.get(name).cloned())?;
        Some((name.clone(), field))
    });
    Truth {
        surface: stack(surface),
        atmosphere: stack(of(Role::Atmosphere)),
        fields: true_fields.collect(),
        statics: statics.clone(),
    }
}

/// The rows that the model predicts: one that is more than whole patches is dropped, as from its input.
fn kept_rows(plan: &Plan, rows: usize) -> usize {
    rows - rows % plan.model.patch.max(1)
}

/// (B, T, C, H, W), less a row that the model does not predict.
fn cropped(plan: &Plan, field: Array5<f32>) -> Array5<f32> {
    let rows = kept_rows(plan, field.dim().3);
    field.slice_axis(Axis(3), Slice::from(0..rows)).to_owned()
}

/// A field at one target step, (B, 1, C, H, W).
fn target(samples: &Samples, name: &str, step: usize) -> Option<Array5<f32>> {
    let field = samples.targets.get(name)?;
    Some(field.slice_axis(Axis(1), Slice::from(step..step + 1)).to_owned())
}

fn stack<const D: usize, const E: usize>(fields: Vec<Tensor<D>>) -> Tensor<E> {
    Tensor::stack(fields, 0)
}

fn tensor(field: &Array5<f32>, device: &Device) -> Tensor<5> {
    let (b, t, c, h, w) = field.dim();
    Tensor::from_data(TensorData::new(field.iter().copied().collect(), [b, t, c, h, w]), device)
}
