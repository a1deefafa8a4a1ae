//! What the published classes of Aurora do around the network: before the encoder and after the decoder.
//!
//! The order of a forward pass is: `prepare` (physical, may be done twice), `before_normalising`, the network's
//! normalisation, `before_encoder` on a copy whose positive variables are clamped, encoder, backbone, decoder,
//! `after_decoder` (which sees the input as it was before the copy), and, physical again, `after_restoring`.

pub mod air_pollution;
pub mod v1p5;
pub mod wave;

use std::collections::BTreeMap;

use aurora_compiler::plan::model::{Family, ModelPlan};
use burn::tensor::Tensor;

use super::{Batch, ModelError};
use air_pollution::Combiners;

/// Channels as the decoder gives them, and variables once they are made of them: (B, 1, H, W), (B, 1, A, H, W).
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub surface: BTreeMap<String, Tensor<4>>,
    pub atmosphere: BTreeMap<String, Tensor<5>>,
}

/// Physical input to the variables that the model knows. Doing it twice changes nothing more.
///
/// # Errors
/// Values that a family does not take.
pub(super) fn prepare(plan: &ModelPlan, batch: Batch) -> Result<Batch, ModelError> {
    match plan.options.family {
        Family::Wave => wave::prepare(batch),
        Family::Base | Family::AirPollution | Family::V1p5 => Ok(batch),
    }
}

/// Physical input to what is normalised; once only.
pub(super) fn before_normalising(plan: &ModelPlan, batch: Batch) -> Batch {
    match plan.options.family {
        Family::V1p5 => v1p5::before_normalising(batch),
        Family::Base | Family::AirPollution | Family::Wave => batch,
    }
}

/// Normalised variables to the channels that the encoder embeds.
pub(super) fn before_encoder(plan: &ModelPlan, combiners: Option<&Combiners>, batch: Batch) -> Batch {
    match (plan.options.family, combiners) {
        (Family::AirPollution, Some(combiners)) => combiners.forward(batch),
        (Family::Wave, _) => wave::before_encoder(plan, batch),
        (Family::V1p5, _) => v1p5::before_encoder(plan, batch),
        (Family::Base | Family::AirPollution, _) => batch,
    }
}

/// Whether `after_decoder` does anything.
pub(super) fn changes_prediction(plan: &ModelPlan) -> bool {
    matches!(plan.options.family, Family::AirPollution | Family::Wave)
}

/// The decoder's channels to normalised variables. `input` is the normalised batch, not clamped.
///
/// # Errors
/// Input that lacks what the prediction is made with.
pub(super) fn after_decoder(plan: &ModelPlan, input: &Batch, fields: Fields) -> Result<Fields, ModelError> {
    match plan.options.family {
        Family::AirPollution => air_pollution::after_decoder(plan, input, fields),
        Family::Wave => wave::after_decoder(plan, input, fields),
        Family::Base | Family::V1p5 => Ok(fields),
    }
}

/// The physical prediction, finished.
///
/// # Errors
/// Times that no calendar reaches.
pub(super) fn after_restoring(plan: &ModelPlan, batch: Batch) -> Result<Batch, ModelError> {
    match plan.options.family {
        Family::V1p5 => v1p5::after_restoring(batch),
        Family::Base | Family::AirPollution | Family::Wave => Ok(batch),
    }
}
