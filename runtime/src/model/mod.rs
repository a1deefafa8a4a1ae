//! Microsoft Aurora in burn, weight for weight, from a `ModelPlan`.
//!
//! `Aurora` is the module; `Batch` goes in and comes out, `Normalisation` stands between physical and
//! normalised values, and `checkpoint` reads and writes weights under Aurora's own names.
//!
//! Letters in shapes: B samples, T times, V variables, A pressure levels, H×W grid points, P patch side,
//! L = (H/P)·(W/P) patches, C latent levels, D width.

pub mod aurora;
pub mod backbone;
pub mod batch;
mod block;
pub mod chance;
pub mod checkpoint;
pub mod decoder;
pub mod encoder;
pub mod family;
pub mod fourier;
pub mod fused;
pub mod gradients;
pub mod grid;
pub mod heads;
pub mod insolation;
pub mod layer;
mod lora;
pub mod mode;
pub mod noise;
pub mod normalisation;
pub mod parameters;
pub mod patches;
pub mod perceiver;
pub mod position;
pub mod prediction;
pub mod recompute;
mod resample;
pub mod rollout;
pub mod time_channels;
pub mod window;

use std::path::PathBuf;

pub use aurora::Aurora;
pub use batch::{Batch, Coordinates};
pub use chance::Chance;
pub use checkpoint::LoadReport;
pub use gradients::ParameterGradients;
pub use mode::Mode;
pub use noise::Noise;
pub use normalisation::Normalisation;
pub use parameters::HostTensor;
pub use prediction::Prediction;
pub use recompute::Recomputation;
pub use rollout::Rollout;

/// What can go wrong with a model, in sentences for the person at the recipe.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("the model's configuration is not sound:\n  {}", .0.join("\n  "))]
    Plan(Vec<String>),
    #[error("the input does not fit the model: {0}")]
    Batch(String),
    #[error("normalisation: {0}")]
    Normalisation(String),
    #[error("cannot read the weights in {path}: {message}")]
    Unreadable { path: PathBuf, message: String },
    #[error("the weights in {path} do not fit the model:\n{report}")]
    Mismatch { path: PathBuf, report: Box<LoadReport> },
    #[error("cannot write {path}: {message}")]
    Unwritable { path: PathBuf, message: String },
}
