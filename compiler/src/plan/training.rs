//! The training plan: what is minimised, in which phases, by which steps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything `train` needs to know besides the data and the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TrainingPlan {
    pub losses: BTreeMap<String, LossPlan>,
    pub constraints: BTreeMap<String, ConstraintPlan>,
    /// In the order in which they run.
    pub phases: Vec<PhasePlan>,
}

/// A plain number to be made small: a weighted sum of errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LossPlan {
    pub terms: Vec<ErrorTerm>,
}

/// `weight * mae(field)`. A role such as `prognostic` has become one term per variable, whose weights
/// are equal and add up to the weight that was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ErrorTerm {
    pub weight: f64,
    pub measure: Measure,
    /// A predicted variable, or a derived field computed from prediction and truth alike.
    pub field: String,
    /// The mean is taken over the points where this holds; over all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
}

/// A relation between true values, as a kernel that gives 1 where it holds and 0 elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Condition {
    pub kernel: String,
    /// What the kernel reads of the truth, in its order.
    pub inputs: Vec<String>,
}

/// How prediction and truth are compared, after division by the field's spread over the train split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// mean |d|
    Mae,
    /// mean d²
    Mse,
    /// d²/2 up to |d| = delta, delta (|d| − delta/2) beyond; its mean.
    Huber { delta: f64 },
}

/// A relation that ought to hold, as a kernel giving the violation divided by the tolerance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConstraintPlan {
    /// Kernel with one output, 0 where the relation holds, 1 where it is broken by the tolerance. As a
    /// penalty its value is the mean of the square.
    pub kernel: String,
    /// What the kernel reads, in its order.
    pub inputs: Vec<String>,
    /// In SI units of the relation.
    pub tolerance: f64,
}

/// One stretch of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PhasePlan {
    pub name: String,
    pub title: Option<String>,
    pub length: Length,
    pub batch: usize,
    /// Steps of the model fed back into itself before the loss is taken.
    pub rollout: usize,
    /// Groups of weights that learn: `new`, `encoder`, `backbone`, `decoder`.
    pub train: Vec<String>,
    pub optimiser: AdamW,
    /// Weighted names of losses and constraints.
    pub minimise: Vec<(f64, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// Passes over the train split.
    Epochs(usize),
    /// Steps of the optimiser.
    Steps(usize),
}

/// AdamW (Loshchilov and Hutter 2019, algorithm 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AdamW {
    pub rate: Schedule,
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    pub weight_decay: f64,
    /// Largest norm of the whole gradient; no clipping if absent.
    pub clip: Option<f64>,
}

/// A number that changes over a phase.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Schedule {
    pub from: f64,
    pub to: f64,
    pub shape: Shape,
    /// Steps over which it first rises linearly from zero.
    pub warmup: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    Constant,
    Linear,
    Cosine,
}

impl Schedule {
    /// The value at `step` of `steps`, both counted from the start of the phase.
    pub fn at(&self, step: usize, steps: usize) -> f64 {
        if step < self.warmup {
            return self.from * (step + 1) as f64 / self.warmup as f64;
        }
        let length = steps.saturating_sub(self.warmup + 1).max(1) as f64;
        let share = ((step - self.warmup) as f64 / length).min(1.0);
        match self.shape {
            Shape::Constant => self.from,
            Shape::Linear => self.from + (self.to - self.from) * share,
            Shape::Cosine => {
                self.to + (self.from - self.to) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_schedule_begins_and_ends_where_it_says() {
        let schedule = Schedule { from: 1e-3, to: 1e-5, shape: Shape::Cosine, warmup: 0 };
        assert_eq!(schedule.at(0, 100), 1e-3);
        assert!((schedule.at(99, 100) - 1e-5).abs() < 1e-18);
        assert!((schedule.at(50, 101) - (1e-3 + 1e-5) / 2.0).abs() < 1e-12);
        let warm = Schedule { warmup: 10, ..schedule };
        assert!((warm.at(0, 100) - 1e-4).abs() < 1e-18);
        assert_eq!(warm.at(9, 100), 1e-3);
        assert_eq!(Schedule { warmup: 0, ..schedule }.at(0, 1), 1e-3);
    }
}
