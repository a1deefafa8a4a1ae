//! How a forward pass is made: the default predicts, in f32, and keeps what the graph of gradients needs.

use burn::tensor::DType;

use super::chance::{Chance, Dropout};
use super::recompute::Recomputation;

/// The circumstances of a forward pass that change nothing about the model.
#[derive(Clone, Debug)]
pub struct Mode {
    /// In training, what dropout, stochastic depth and noise depend on; absent in prediction, where nothing is
    /// dropped.
    pub chance: Option<Chance>,
    /// The type of the operands of the backbone's matrix products: f32, bf16 or f16. Weights, norms, softmax and
    /// the tokens between branches stay f32.
    pub precision: DType,
    /// Where a graph is recorded: activations are not kept but computed again, segment by segment.
    pub recomputation: Option<Recomputation>,
}

impl Default for Mode {
    fn default() -> Mode {
        Mode { chance: None, precision: DType::F32, recomputation: None }
    }
}

impl Mode {
    /// Dropout at a place, if there is any. `step` is the roll-out step, so that each step draws anew.
    pub(super) fn dropout(&self, rate: f64, place: &str, step: usize, samples: usize) -> Option<Dropout> {
        Dropout::new(self.chance, rate, format!("{place}@{step}"), samples)
    }
}
