//! A model with its weights and scalings, ready to forecast.

use std::path::Path;

use aurora_compiler::Plan;
use burn::tensor::Device;

use crate::model::{Aurora, Batch, ModelError, Normalisation};
use crate::train::{Scalings, TrainError, checkpoint};

/// A trained model on a device, without gradients.
#[derive(Debug)]
pub struct Forecaster {
    pub model: Aurora,
    pub normalisation: Normalisation,
    pub scalings: Scalings,
    /// Digest of the training store it learnt from.
    pub data: String,
}

impl Forecaster {
    /// Forecasts `steps` steps; physical batches in and out.
    pub fn forecast(&self, batch: &Batch, steps: usize) -> Result<Vec<Batch>, ModelError> {
        self.model.rollout(batch, &self.normalisation, steps)
    }
}

/// Opens a training checkpoint (a folder `step-…`), or the newest of a run.
pub fn forecaster(plan: &Plan, path: &Path, device: &Device) -> Result<Forecaster, TrainError> {
    let refused =
        |reason: &str| TrainError::Checkpoint { path: path.to_path_buf(), reason: reason.to_string() };
    let folder =
        if path.join("checkpoints").is_dir() { path.join("checkpoints") } else { path.to_path_buf() };
    let chosen = match checkpoint::newest(&folder)? {
        Some((newest, _)) => newest,
        None if folder.join("state.json").is_file() => folder,
        None if !path.exists() => return Err(refused("it is not there; train first")),
        None => return Err(refused("it holds no whole checkpoint; train first")),
    };
    let position = checkpoint::verify(&chosen)?;
    if position.recipe != plan.hash {
        return Err(refused(&format!(
            "it was trained by recipe {}, this one is {}",
            &position.recipe[..8.min(position.recipe.len())],
            plan.short_hash()
        )));
    }
    let mut model = Aurora::new(&plan.model, position.seed, device)?;
    model.load_safetensors(&checkpoint::weights(&chosen), true)?;
    Ok(Forecaster {
        model,
        normalisation: position.scalings.normalisation(plan),
        scalings: position.scalings,
        data: position.data,
    })
}
