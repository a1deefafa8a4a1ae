//! A model with its weights and scalings, ready to forecast.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aurora_compiler::Plan;
use aurora_compiler::plan::base::BasePlan;
use burn::tensor::Device;

use super::batch_file::Input;
use crate::model::checkpoint::Loading;
use crate::model::position::GridEncoding;
use crate::model::{Aurora, Batch, ModelError, Normalisation, Rollout};
use crate::train::{Scalings, TrainError, checkpoint};

/// A trained model on a device, without gradients.
#[derive(Debug)]
pub struct Forecaster {
    pub model: Aurora,
    pub normalisation: Normalisation,
    pub scalings: Scalings,
    /// Digest of the training store it learnt from; empty of a file of weights.
    pub data: String,
}

impl Forecaster {
    /// Forecasts as the input says, `steps` steps with predictions at `lead_times` (hours) within each; at the end of
    /// each step only, if none are given.
    ///
    /// # Errors
    /// The input does not fit the model.
    pub fn forecast_of(
        &self,
        input: &Input,
        steps: usize,
        lead_times: &[f32],
    ) -> Result<Vec<Batch>, ModelError> {
        if let Some(sizes) = &input.patch_sizes {
            let cropped = self.model.prepare(&input.batch)?;
            let plan = self.model.plan();
            let encoding = GridEncoding::with_sizes(
                &cropped.latitude,
                &cropped.longitude,
                plan.patch,
                plan.embed_dim,
                sizes,
            )?;
            self.model.set_grid(cropped.latitude, cropped.longitude, encoding);
        }
        self.model.noise().queue(input.noise.iter().cloned());
        if let Some(leads) = &input.lead_times {
            if steps > 1 || !lead_times.is_empty() {
                return Err(ModelError::Batch(
                    "with a lead time for each sample, one step is forecast".into(),
                ));
            }
            return Ok(vec![self.model.forward_at(&input.batch, &self.normalisation, leads)?]);
        }
        let how = Rollout { lead_times: lead_times.to_vec(), ..Rollout::of(steps) };
        self.model.rollout_as(&input.batch, &self.normalisation, &how)
    }

    /// Forecasts `steps` steps; physical batches in and out.
    pub fn forecast(&self, batch: &Batch, steps: usize) -> Result<Vec<Batch>, ModelError> {
        self.model.rollout(batch, &self.normalisation, steps)
    }
}

/// Opens what holds the weights: a run's folder or one of its checkpoints, or files of weights (Microsoft's or ours)
/// that hold all of them together.
///
/// # Errors
/// It is not there, not whole, another recipe's, or its weights do not fit.
pub fn opened(plan: &Plan, paths: &[PathBuf], device: &Device) -> Result<Forecaster, TrainError> {
    match paths {
        [path] if !path.is_file() => forecaster(plan, path, device),
        paths => official(plan, paths, device),
    }
}

/// The model alone, from what holds its weights as for [`opened`].
///
/// # Errors
/// As of [`opened`].
pub fn weights(plan: &Plan, paths: &[PathBuf], device: &Device) -> Result<Aurora, TrainError> {
    match paths {
        [path] if !path.is_file() => forecaster(plan, path, device).map(|forecaster| forecaster.model),
        paths => loaded(plan, paths, device),
    }
}

/// A model whose weights are in files. Aurora's own statistics are its scales, unless the recipe fixes others.
fn official(plan: &Plan, paths: &[PathBuf], device: &Device) -> Result<Forecaster, TrainError> {
    let model = loaded(plan, paths, device)?;
    let scalings = Scalings::published(plan).map_err(ModelError::Normalisation)?;
    let normalisation = scalings.normalisation(plan);
    Ok(Forecaster { model, normalisation, scalings, data: String::new() })
}

/// Each weight is in one of the files; they hold nothing else.
fn loaded(plan: &Plan, paths: &[PathBuf], device: &Device) -> Result<Aurora, TrainError> {
    let base = plan.base.as_ref();
    let loading = Loading {
        strict: false,
        broadcast: base.is_some_and(|base| !base.broadcast.is_empty()),
        class: base.and_then(BasePlan::preset),
    };
    let mut model = Aurora::new(&plan.model, 0, device)?;
    let mut missing: BTreeSet<String> = plan.model.tensors().into_iter().map(|(name, _)| name).collect();
    for path in paths {
        let report = model.load_checkpoint(path, loading)?;
        let twice = report.kept.iter().find(|name| !missing.remove(*name));
        let reason = match (twice, report.unused.first()) {
            (Some(name), _) => format!("`{name}` is in another of the files as well"),
            (None, Some(name)) => {
                let count = report.unused.len();
                format!(
                    "it holds {count} weights for which the recipe's model has no place, the first `{name}`"
                )
            }
            (None, None) => continue,
        };
        return Err(TrainError::Checkpoint { path: path.clone(), reason });
    }
    if let Some(name) = missing.first() {
        let path = paths.first().cloned().unwrap_or_default();
        let count = missing.len();
        let reason = format!("it lacks {count} weights of the recipe's model, the first `{name}`");
        return Err(TrainError::Checkpoint { path, reason });
    }
    Ok(model)
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
        None if !path.exists() => {
            return Err(refused(
                "it is not there; train first, or give a .ckpt or .safetensors file, or OWNER/REPOSITORY:FILE",
            ));
        }
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
