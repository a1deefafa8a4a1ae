//! Training: the objective as tensors, the optimiser, checkpoints, and the loop that ties them.

pub mod batch;
pub mod checkpoint;
pub mod compiled;
mod distribution;
pub mod events;
mod gradient;
pub mod graph;
pub mod interrupt;
mod learning;
pub mod objective;
pub mod optimiser;
pub mod progress;
mod samples;
pub mod scaling;
pub mod trainer;

use std::path::PathBuf;

use crate::data::archive::DataError;
use crate::model::ModelError;

pub use scaling::Scalings;
pub use trainer::{Outcome, Trainer};

/// What can go wrong while training, in sentences for the person who waits for it.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Graph(#[from] graph::GraphError),
    #[error(transparent)]
    Objective(#[from] objective::ObjectiveError),
    #[error("the run's files: {0}")]
    File(#[from] std::io::Error),
    #[error("the checkpoint {} cannot be used: {reason}", path.display())]
    Checkpoint { path: PathBuf, reason: String },
    #[error("the run {} belongs to another experiment ({reason}); give the recipe another name or move the run away", path.display())]
    OtherRun { path: PathBuf, reason: String },
    #[error("another process is training in {}", .0.display())]
    Busy(PathBuf),
    #[error(
        "the {what} is no longer a number at step {step} of phase `{phase}` (largest part: {part}); lower the rate or clip the gradient"
    )]
    NotFinite { what: &'static str, step: usize, phase: String, part: String },
    #[error(
        "phase `{phase}` learns at {kilometres} km, but what it minimises takes differences between neighbouring points, for which only \
         the grid's own spacing is known; minimise that in a phase without `scale`"
    )]
    Differences { phase: String, kilometres: f64 },
    #[error(
        "phase `{phase}` learns at {kilometres} km, where the grid has {rows} by {columns} points, which are no whole patches of {patch}: \
         give the phase a `tile`"
    )]
    Patches { phase: String, kilometres: f64, rows: usize, columns: usize, patch: usize },
    #[error("phase `{phase}` has {samples} samples, fewer than one batch of {batch}")]
    TooFewSamples { phase: String, samples: usize, batch: usize },
}
