//! What the model predicts, normalised.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};

use super::family::Fields;
use super::heads::Quantiles;
use super::{Batch, Coordinates};

/// A normalised prediction. Variables are joined, in the plan's order, so that a loss is one expression.
#[derive(Clone, Debug)]
pub struct Prediction {
    pub surface_names: Vec<String>,
    /// (V, B, 1, H, W).
    pub surface: Tensor<5>,
    pub atmosphere_names: Vec<String>,
    /// (V, B, 1, A, H, W).
    pub atmosphere: Tensor<6>,
    /// The distributions of fields whose head predicts quantiles; `surface` and `atmosphere` hold their medians.
    pub quantiles: Quantiles,
    /// Normalised static fields of the input, cropped.
    pub statics: BTreeMap<String, Tensor<2>>,
    pub latitude: Coordinates,
    pub longitude: Coordinates,
    /// Valid times in Unix seconds.
    pub time: Vec<i64>,
    pub levels: Vec<f64>,
    pub rollout_step: usize,
}

impl Prediction {
    /// The same values by variable, still normalised, as a batch of one time.
    pub fn into_batch(self) -> Batch {
        let Fields { surface, atmosphere } = self.fields();
        Batch {
            surface,
            atmosphere,
            statics: self.statics,
            latitude: self.latitude,
            longitude: self.longitude,
            time: self.time,
            levels: self.levels,
            rollout_step: self.rollout_step,
        }
    }

    /// The values by name.
    pub(super) fn fields(&self) -> Fields {
        let surface = self.surface_names.iter().enumerate();
        let atmosphere = self.atmosphere_names.iter().enumerate();
        Fields {
            surface: surface
                .map(|(at, name)| (name.clone(), self.surface.clone().narrow(0, at, 1).squeeze_dim(0)))
                .collect(),
            atmosphere: atmosphere
                .map(|(at, name)| (name.clone(), self.atmosphere.clone().narrow(0, at, 1).squeeze_dim(0)))
                .collect(),
        }
    }

    /// With other values: those of `names` that there are, in that order.
    pub(super) fn with_fields(self, fields: Fields, surface: &[String], atmosphere: &[String]) -> Prediction {
        let device = self.surface.device();
        let [_, samples, times, height, width] = self.surface.dims();
        let (surface_names, surface) = join(fields.surface, surface);
        let (atmosphere_names, atmosphere) = join(fields.atmosphere, atmosphere);
        let none = |device: &Device| Tensor::zeros([0, samples, times, height, width], device);
        let none_on_levels =
            |device: &Device| Tensor::zeros([0, samples, times, self.levels.len(), height, width], device);
        Prediction {
            surface_names,
            surface: surface.unwrap_or_else(|| none(&device)),
            atmosphere_names,
            atmosphere: atmosphere.unwrap_or_else(|| none_on_levels(&device)),
            ..self
        }
    }

    /// With variables that must not be negative, in normalised space, clamped.
    pub(super) fn clamped(self, surface: &[String], atmosphere: &[String]) -> Prediction {
        Prediction {
            surface: clamp(self.surface, &self.surface_names, surface),
            atmosphere: clamp(self.atmosphere, &self.atmosphere_names, atmosphere),
            quantiles: self.quantiles.clamped(surface, atmosphere),
            ..self
        }
    }
}

fn join<const D: usize, const E: usize>(
    mut fields: BTreeMap<String, Tensor<D>>,
    names: &[String],
) -> (Vec<String>, Option<Tensor<E>>) {
    let found = names.iter().filter_map(|name| fields.remove_entry(name));
    let (names, fields): (Vec<_>, Vec<_>) = found.unzip();
    let joined = (!fields.is_empty()).then(|| Tensor::stack(fields, 0));
    (names, joined)
}

/// Clamps the positive ones among variables joined on the first axis.
fn clamp<const D: usize>(fields: Tensor<D>, names: &[String], positive: &[String]) -> Tensor<D> {
    if !names.iter().any(|name| positive.contains(name)) {
        return fields;
    }
    let parts = names.iter().enumerate().map(|(at, name)| {
        let part = fields.clone().narrow(0, at, 1);
        if positive.contains(name) { part.clamp_min(0.0) } else { part }
    });
    Tensor::cat(parts.collect(), 0)
}
