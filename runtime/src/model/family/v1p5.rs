//! Aurora 1.5: logarithmic accumulations, variables that are predicted only, insolation by formula.

use aurora_compiler::plan::model::ModelPlan;
use burn::tensor::{Tensor, TensorData};

use crate::model::insolation::insolation;
use crate::model::{Batch, ModelError};

/// Added before a logarithm is taken.
const SMALLEST: f64 = 1e-3;

/// Whether the network sees the variable's logarithm; upstream tells it by the name.
pub fn is_logarithmic(name: &str) -> bool {
    name.starts_with("scaled_")
}

/// ln(x + 10⁻³) − ln 10⁻³, which is 0 at 0.
pub fn logarithm<const D: usize>(field: Tensor<D>) -> Tensor<D> {
    field.add_scalar(SMALLEST as f32).log().sub_scalar(SMALLEST.ln() as f32)
}

/// What `logarithm` was taken of.
pub fn exponential<const D: usize>(field: Tensor<D>) -> Tensor<D> {
    field.exp().sub_scalar(1.0).mul_scalar(SMALLEST as f32)
}

pub(super) fn before_normalising(mut batch: Batch) -> Batch {
    for (_, field) in batch.surface.iter_mut().filter(|(name, _)| is_logarithmic(name)) {
        *field = logarithm(field.clone());
    }
    batch
}

/// Variables that are predicted only are read as zeros, whatever the input holds of them.
pub(super) fn before_encoder(plan: &ModelPlan, mut batch: Batch) -> Batch {
    if let Some(like) = batch.surface.values().next().map(Tensor::zeros_like) {
        for name in plan.surface.iter().filter(|name| plan.surface_output_only(name)) {
            batch.surface.insert(name.clone(), like.clone());
        }
    }
    if let Some(like) = batch.atmosphere.values().next().map(Tensor::zeros_like) {
        for name in plan.atmosphere.iter().filter(|name| plan.atmosphere_output_only(name)) {
            batch.atmosphere.insert(name.clone(), like.clone());
        }
    }
    batch
}

/// Undoes logarithms; the insolation of the valid time is known and need not be predicted.
pub(super) fn after_restoring(mut batch: Batch) -> Result<Batch, ModelError> {
    for (_, field) in batch.surface.iter_mut().filter(|(name, _)| is_logarithmic(name)) {
        *field = exponential(field.clone());
    }
    if let Some(field) = batch.surface.get_mut("insolation") {
        let mut values = Vec::new();
        for time in &batch.time {
            values.extend(insolation(*time, &batch.latitude, &batch.longitude)?);
        }
        *field = Tensor::from_data(TensorData::new(values, field.dims()), &field.device());
    }
    Ok(batch)
}
