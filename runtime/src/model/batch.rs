//! What goes into Aurora and comes out of it: fields with the grid, times and levels they stand for.

use std::collections::BTreeMap;

use aurora_compiler::plan::model::ModelPlan;
use burn::tensor::{Device, Tensor};

use super::{ModelError, grid};

/// Fields of B samples at T times; index T−1 is the newest time.
///
/// Values are physical or normalised, as the function that takes the batch says.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Name → (B, T, H, W).
    pub surface: BTreeMap<String, Tensor<4>>,
    /// Name → (H, W).
    pub statics: BTreeMap<String, Tensor<2>>,
    /// Name → (B, T, A, H, W), levels in the order of `levels`.
    pub atmosphere: BTreeMap<String, Tensor<5>>,
    /// Degrees north, within ±90.
    pub latitude: Coordinates,
    /// Degrees east, from 0 up to but not including 360.
    pub longitude: Coordinates,
    /// Unix seconds of the newest time, one for each sample.
    pub time: Vec<i64>,
    /// Pressure levels in hPa.
    pub levels: Vec<f64>,
    /// Predictions made since real data: 0 for real data.
    pub rollout_step: usize,
}

/// Latitudes or longitudes in degrees: of the rows or columns of a regular grid, or of each point.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinates {
    /// (H), (W) or (H, W).
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Coordinates {
    /// Of the rows or columns of a regular grid.
    pub fn vector(values: Vec<f32>) -> Coordinates {
        Coordinates { shape: vec![values.len()], values }
    }

    /// Of each point, row by row.
    pub fn matrix(rows: usize, columns: usize, values: Vec<f32>) -> Coordinates {
        Coordinates { shape: vec![rows, columns], values }
    }

    fn rows(&self, count: usize) -> Coordinates {
        let width: usize = self.shape[1..].iter().product();
        let mut shape = self.shape.clone();
        shape[0] = count;
        Coordinates { shape, values: self.values[..count * width].to_vec() }
    }
}

/// Sizes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub samples: usize,
    pub times: usize,
    pub levels: usize,
    pub height: usize,
    pub width: usize,
}

impl Batch {
    /// Checks the batch against the plan and itself, and gives its sizes.
    ///
    /// The variables may be a subset of the plan's; levels may be any.
    pub fn check(&self, plan: &ModelPlan) -> Result<Sizes, ModelError> {
        let sizes = self.sizes(plan)?;
        let Sizes { samples, times, levels, height, width } = sizes;
        for (name, field) in &self.surface {
            known("surface", name, &[&plan.surface[..], &plan.options.forcing_surface])?;
            shape(name, &field.dims(), &[samples, times, height, width])?;
        }
        for (name, field) in &self.statics {
            known("static", name, &[&plan.statics])?;
            shape(name, &field.dims(), &[height, width])?;
        }
        for (name, field) in &self.atmosphere {
            known("atmospheric", name, &[&plan.atmosphere[..], &plan.options.forcing_atmosphere])?;
            shape(name, &field.dims(), &[samples, times, levels, height, width])?;
        }
        grid::check(&self.latitude, &self.longitude, height, width)?;
        Ok(sizes)
    }

    fn sizes(&self, plan: &ModelPlan) -> Result<Sizes, ModelError> {
        if self.surface.is_empty() || self.statics.is_empty() {
            return wrong("it needs at least one surface, one static and one atmospheric variable");
        }
        let Some((name, field)) = self.atmosphere.first_key_value() else {
            return wrong("it needs at least one surface, one static and one atmospheric variable");
        };
        let [samples, times, levels, height, width] = field.dims();
        if times == 0 || times > plan.history {
            return wrong(format!("`{name}` holds {times} times; the model takes 1 to {}", plan.history));
        }
        if self.levels.len() != levels {
            return wrong(format!("`{name}` has {levels} levels, but {} are named", self.levels.len()));
        }
        if self.time.len() != samples {
            return wrong(format!("{samples} samples need as many times, not {}", self.time.len()));
        }
        Ok(Sizes { samples, times, levels, height, width })
    }

    /// Drops the last row of fields and coordinates (the southernmost of a grid that goes from north to south) if
    /// the rows are one more than a multiple of `patch`.
    ///
    /// Errors if rows or columns are otherwise no multiple of it. The batch must have passed `check`.
    pub fn crop(self, patch: usize) -> Result<Batch, ModelError> {
        let Some(field) = self.surface.values().next() else { return Ok(self) };
        let [_, _, height, width] = field.dims();
        if width % patch != 0 {
            return wrong(format!("{width} columns are no multiple of the patch size {patch}"));
        }
        if height % patch == 0 {
            return Ok(self);
        }
        if height % patch != 1 || height == 1 {
            return wrong(format!(
                "{height} rows are neither a multiple of the patch size {patch} nor one more"
            ));
        }
        let rows = height - 1;
        Ok(Batch {
            surface: map(self.surface, |field| field.narrow(2, 0, rows)),
            statics: map(self.statics, |field| field.narrow(0, 0, rows)),
            atmosphere: map(self.atmosphere, |field| field.narrow(3, 0, rows)),
            latitude: self.latitude.rows(rows),
            longitude: if self.longitude.shape.len() == 2 {
                self.longitude.rows(rows)
            } else {
                self.longitude
            },
            ..self
        })
    }

    /// The fields on `device`, with or without a gradient's record as the device has it.
    pub fn adopt(self, device: &Device) -> Batch {
        Batch {
            surface: map(self.surface, |field| adopt(field, device)),
            statics: map(self.statics, |field| adopt(field, device)),
            atmosphere: map(self.atmosphere, |field| adopt(field, device)),
            ..self
        }
    }
}

/// The tensor on `device`, tracked exactly if the device tracks.
pub(super) fn adopt<const D: usize>(tensor: Tensor<D>, device: &Device) -> Tensor<D> {
    let tensor = match (device.is_autodiff(), tensor.is_autodiff()) {
        (true, false) => Tensor::from_inner(tensor),
        (false, true) => tensor.inner(),
        _ => tensor,
    };
    if tensor.device() == *device { tensor } else { tensor.to_device(device) }
}

/// Applies a function to every value of a map.
pub(super) fn map<A, B>(fields: BTreeMap<String, A>, mut change: impl FnMut(A) -> B) -> BTreeMap<String, B> {
    fields.into_iter().map(|(name, field)| (name, change(field))).collect()
}

fn known(kind: &str, name: &str, lists: &[&[String]]) -> Result<(), ModelError> {
    if lists.iter().any(|names| names.iter().any(|known| known == name)) {
        return Ok(());
    }
    wrong(format!("`{name}` is no {kind} variable of the model, which has {}", lists.concat().join(", ")))
}

fn shape(name: &str, have: &[usize], want: &[usize]) -> Result<(), ModelError> {
    if have == want {
        return Ok(());
    }
    wrong(format!("`{name}` has shape {have:?} where the other fields ask for {want:?}"))
}

fn wrong<T>(message: impl Into<String>) -> Result<T, ModelError> {
    Err(ModelError::Batch(message.into()))
}
