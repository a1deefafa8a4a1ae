//! The evaluation plan: which scores, of which fields, at which lead times, against what.

use serde::{Deserialize, Serialize};

/// One `evaluate NAME on SPLIT { }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EvaluationPlan {
    pub name: String,
    /// `train`, `validate` or `test`.
    pub split: String,
    /// In steps of the model, ascending.
    pub leads: Vec<usize>,
    pub scores: Vec<ScorePlan>,
    /// `persistence`.
    pub against: Vec<String>,
}

/// One score of one field, at some levels, thresholds and scales.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ScorePlan {
    pub score: Score,
    /// A predicted variable or a derived field.
    pub field: String,
    /// In the canonical unit of the field's quantity.
    pub units: String,
    /// Indices into the field's levels; empty for fields without levels.
    pub levels: Vec<usize>,
    /// In `units`; empty for scores of the values themselves.
    pub thresholds: Vec<f64>,
    /// Widths of the neighbourhood in metres; 0 is the cell itself.
    pub scales: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    Rmse,
    Bias,
    Mae,
    Csi,
    Pod,
    Far,
    Ets,
    FrequencyBias,
    Fss,
}

impl Score {
    /// Every score by its word in a recipe.
    pub const WORDS: [(&'static str, Score); 9] = [
        ("rmse", Score::Rmse),
        ("bias", Score::Bias),
        ("mae", Score::Mae),
        ("csi", Score::Csi),
        ("pod", Score::Pod),
        ("far", Score::Far),
        ("ets", Score::Ets),
        ("frequency_bias", Score::FrequencyBias),
        ("fss", Score::Fss),
    ];

    pub fn word(self) -> &'static str {
        Score::WORDS.iter().find(|(_, score)| *score == self).map_or("", |(word, _)| word)
    }

    /// Whether it counts events above a threshold.
    pub fn needs_threshold(self) -> bool {
        !matches!(self, Score::Rmse | Score::Bias | Score::Mae)
    }
}
