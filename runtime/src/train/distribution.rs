//! The score of a predicted distribution as a loss: `crps(refc)` of a field whose head predicts quantiles.

use aurora_compiler::plan::training::ErrorTerm;
use burn::tensor::Tensor;

use super::graph::Field;
use super::objective::{Place, Truth};
use crate::model::Prediction;
use crate::model::heads::quantiles;

/// The score of one field, over all points or over those where a condition on the truth holds.
#[derive(Debug)]
pub(super) struct DistributionTerm {
    pub place: Place,
    /// What the checkpoint calls the field.
    pub named: String,
    pub term: ErrorTerm,
}

impl DistributionTerm {
    /// The score at each point in units of the field's spread, (B, 1, C, H, W); nothing if the prediction has no
    /// distribution of the field.
    pub fn errors(&self, prediction: &Prediction, truth: &Truth) -> Option<Field> {
        match self.place {
            Place::Surface(slot) => {
                let quantiles = prediction.quantiles.surface.get(&self.named)?.clone();
                let score: Tensor<5> = quantiles::crps(quantiles, truth.surface.clone().narrow(0, slot, 1));
                let [_, samples, times, height, width] = score.dims();
                Some(score.reshape([samples, times, 1, height, width]))
            }
            Place::Atmosphere(slot) => {
                let quantiles = prediction.quantiles.atmosphere.get(&self.named)?.clone();
                let score: Tensor<6> =
                    quantiles::crps(quantiles, truth.atmosphere.clone().narrow(0, slot, 1));
                Some(score.squeeze_dim(0))
            }
        }
    }
}
