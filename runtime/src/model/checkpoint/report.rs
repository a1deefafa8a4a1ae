//! What became of the weights of a file and of the model.

use std::fmt;

use aurora_compiler::plan::tensor_map::{Mismatch, Origin, TensorMap};

/// Names that a message lists before it counts the rest.
const SHOWN: usize = 12;

/// What became of the weights of a file and of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that took the file's values, sorted: with those that are grown and broadcast.
    pub kept: Vec<String>,
    /// Parameters that the file lacks, sorted; they keep the values they had.
    pub missing: Vec<String>,
    /// Tensors of the file that the model has no place for, sorted.
    pub unused: Vec<String>,
    pub mismatched: Vec<Mismatch>,
    /// Patch embeddings of fewer times than the model's, continued with zeros.
    pub grown: Vec<String>,
    /// Parameters of single levels that took the file's values for all levels.
    pub broadcast: Vec<String>,
}

impl LoadReport {
    pub(super) fn of(map: &TensorMap) -> LoadReport {
        LoadReport {
            kept: map.names(|origin| *origin != Origin::Fresh),
            missing: map.names(|origin| *origin == Origin::Fresh),
            unused: map.unused.clone(),
            mismatched: map.mismatched.clone(),
            grown: map.names(|origin| match origin {
                Origin::Grown { .. } => true,
                Origin::Broadcast { from, to, .. } => from != to,
                _ => false,
            }),
            broadcast: map.names(|origin| matches!(origin, Origin::Broadcast { .. })),
        }
    }

    /// Nothing missing, unused or of another shape.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.mismatched.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {} parameters fit", self.kept.len())?;
        for (what, names) in [("missing in the file", &self.missing), ("not in the model", &self.unused)] {
            if !names.is_empty() {
                let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
                let rest = names.len().saturating_sub(SHOWN);
                let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
                write!(f, "\n  {what}: {shown}{more}")?;
            }
        }
        for one in self.mismatched.iter().take(SHOWN) {
            write!(f, "\n  {}: the model has {:?}, the file {:?}", one.name, one.model, one.checkpoint)?;
        }
        if self.mismatched.len() > SHOWN {
            write!(f, "\n  and {} more of other shapes", self.mismatched.len() - SHOWN)?;
        }
        if let Some(reason) = self.mismatched.iter().find_map(Mismatch::about_times) {
            write!(f, "\n  {reason}")?;
        }
        Ok(())
    }
}
