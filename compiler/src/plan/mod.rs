//! What will happen, as plain data: the recipe's data, model, training and evaluation.

mod architecture;
mod assemble;
pub mod base;
mod capacity;
pub mod data;
pub mod derivation;
pub mod ensemble;
pub mod evaluation;
mod fit;
pub mod head;
pub mod layout;
mod list;
mod members;
pub mod model;
pub mod resources;
pub mod schema;
mod start;
pub mod tensor_map;
pub mod training;

use serde::{Deserialize, Serialize};

pub use assemble::assemble;
pub(crate) use assemble::used_fields;

/// The version of `plan.json`; it changes when a reader of the old one would misread the new one.
pub const SCHEMA: &str = "aurora-plan/1";

/// Everything the runtime does for a recipe. The kernels it names are in the artefact's module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Plan {
    pub schema: String,
    pub name: String,
    pub title: Option<String>,
    /// BLAKE3 of the resolved recipe in canonical form, in hexadecimal.
    pub hash: String,
    pub data: data::DataPlan,
    pub model: model::ModelPlan,
    /// Steps of history the model is fed.
    pub history: usize,
    /// Seconds from the newest input to the prediction.
    pub step: i64,
    /// The fields the model reads and predicts, in the recipe's order.
    pub roles: Vec<RolePlan>,
    /// The checkpoint whose weights are the start, and what becomes of each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<base::BasePlan>,
    pub training: training::TrainingPlan,
    pub evaluations: Vec<evaluation::EvaluationPlan>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<ensemble::EnsemblePlan>,
}

/// A field of the store and the part it plays in the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RolePlan {
    pub field: String,
    /// What the checkpoint calls it.
    pub named: String,
    pub role: Role,
    pub part: Part,
    /// Fixed by the recipe, in the field's canonical units; otherwise from the train split.
    pub centre: Option<f64>,
    pub spread: Option<f64>,
    /// The same where each level has its own, in the order of the levels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub centres: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spreads: Vec<f64>,
}

impl RolePlan {
    /// Centre and spread of a level (0 of a field without levels), where the recipe fixes them.
    #[must_use]
    pub fn fixed(&self, level: usize) -> (Option<f64>, Option<f64>) {
        let of = |all: Option<f64>, each: &[f64]| each.get(level).copied().or(all);
        (of(self.centre, &self.centres), of(self.spread, &self.spreads))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Static,
    /// One value per column.
    Surface,
    /// One value per level.
    Atmosphere,
}

/// The part a field plays: what the recipe calls its role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Predicted and fed back.
    #[default]
    Prognostic,
    /// Predicted only.
    Diagnostic,
    /// Fed only.
    Forcing,
    /// Fed, and the same at all times.
    Static,
}

impl Part {
    /// The clause of `model` that says it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Part::Prognostic => "prognostic",
            Part::Diagnostic => "diagnostic",
            Part::Forcing => "forcing",
            Part::Static => "static",
        }
    }

    /// Whether the model predicts it.
    #[must_use]
    pub fn predicted(self) -> bool {
        matches!(self, Part::Prognostic | Part::Diagnostic)
    }

    /// Whether the model is fed it.
    #[must_use]
    pub fn fed(self) -> bool {
        self != Part::Diagnostic
    }
}

impl Plan {
    /// The first eight digits of the hash, as used in names of folders.
    pub fn short_hash(&self) -> &str {
        &self.hash[..8.min(self.hash.len())]
    }

    /// `quickstart-1a2b3c4d`.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.name, self.short_hash())
    }
}
