//! The evaluation plan: which scores, of which fields, at which lead times, against what.

use serde::{Deserialize, Serialize};

use super::training::Condition;

/// One `evaluate NAME on SPLIT { }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EvaluationPlan {
    pub name: String,
    /// `train`, `validate` or `test`.
    pub split: String,
    /// In steps of the model, ascending.
    pub leads: Vec<usize>,
    pub scores: Vec<ScorePlan>,
    /// `persistence`, `climatology`, or `ARCHIVE.forecast`.
    pub against: Vec<String>,
    /// What the scores are told apart by: `member`, `region`, `month`, `season`, `hour`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// How confidence intervals are made, if the recipe says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
}

/// Confidence intervals from resampling blocks of starting times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    None,
    /// A moving-block bootstrap (Künsch 1989): `level` in 0 to 1, `block` in seconds.
    Blocks {
        level: f64,
        block: i64,
    },
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
    /// The event whose chance is scored, as a kernel of prediction or truth alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Condition>,
    /// Bins of a reliability diagram.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bins: Option<usize>,
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
    Reliability,
    Brier,
    Roc,
    Crps,
    Spread,
    Sal,
    Object,
    Spectra,
    Violation,
}

/// What a score is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The values of a field.
    Values,
    /// A field's values above a threshold.
    Events,
    /// `chance(x >= a)`.
    Chance,
    /// The distribution that an ensemble or a head of quantiles predicts.
    Distribution,
    /// A constraint.
    Constraint,
}

impl Score {
    /// Every score by its word in a recipe.
    pub const WORDS: [(&'static str, Score); 18] = [
        ("rmse", Score::Rmse),
        ("bias", Score::Bias),
        ("mae", Score::Mae),
        ("csi", Score::Csi),
        ("pod", Score::Pod),
        ("far", Score::Far),
        ("ets", Score::Ets),
        ("frequency_bias", Score::FrequencyBias),
        ("fss", Score::Fss),
        ("reliability", Score::Reliability),
        ("brier", Score::Brier),
        ("roc", Score::Roc),
        ("crps", Score::Crps),
        ("spread", Score::Spread),
        ("sal", Score::Sal),
        ("object", Score::Object),
        ("spectra", Score::Spectra),
        ("violation", Score::Violation),
    ];

    pub fn word(self) -> &'static str {
        Score::WORDS.iter().find(|(_, score)| *score == self).map_or("", |(word, _)| word)
    }

    pub fn subject(self) -> Subject {
        match self {
            Score::Rmse | Score::Bias | Score::Mae | Score::Spectra => Subject::Values,
            Score::Csi | Score::Pod | Score::Far | Score::Ets | Score::FrequencyBias | Score::Fss => {
                Subject::Events
            }
            Score::Sal | Score::Object => Subject::Events,
            Score::Reliability | Score::Brier | Score::Roc => Subject::Chance,
            Score::Crps | Score::Spread => Subject::Distribution,
            Score::Violation => Subject::Constraint,
        }
    }

    /// Whether it counts events above a threshold.
    pub fn needs_threshold(self) -> bool {
        self.subject() == Subject::Events
    }

    /// Whether it may look `within` a distance.
    pub fn has_neighbourhood(self) -> bool {
        self.needs_threshold() && !matches!(self, Score::Sal | Score::Object)
    }
}
