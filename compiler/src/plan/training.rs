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
    /// In metres: both are averaged over cells of this width first. The cells of the grid if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// The kernel whose mean is taken, for [`Measure::Expression`]. It reads predicted values as `FIELD`
    /// and true ones as `truth.FIELD`, both physical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<Condition>,
}

/// A relation between true values, as a kernel that gives 1 where it holds and 0 elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Condition {
    pub kernel: String,
    /// What the kernel reads of the truth, in its order.
    pub inputs: Vec<String>,
    /// As the recipe writes it, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub written: String,
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
    /// The continuous ranked probability score of the predicted distribution (Gneiting and Raftery 2007,
    /// equation 20).
    Crps,
    /// The mean square difference of the logarithms of the power spectra at wavelengths below `below` metres.
    Spectral { below: f64 },
    /// 1 − the fractions skill score (Roberts and Lean 2008) of x >= `above`, in the field's units, over
    /// squares of `within` metres.
    Fss { above: f64, within: f64 },
    /// The mean of a kernel over prediction and truth.
    Expression,
}

/// A relation that ought to hold, as a kernel giving the violation divided by the tolerance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConstraintPlan {
    /// Kernel with one output, 0 where the relation holds, 1 where it is broken by the tolerance. As a
    /// penalty its value is the mean of the square.
    pub kernel: String,
    /// What the kernel reads, in its order.
    pub inputs: Vec<String>,
    /// In SI units of the relation; 1 for a relation without a tolerance, which is only watched.
    pub tolerance: f64,
    /// How a prediction is made to keep it, if it is to hold `always`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<ProjectionPlan>,
}

/// A prediction is cut to a bound: `field = min(field, bound)` if the bound is an upper one, else `max`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProjectionPlan {
    pub field: String,
    pub upper: bool,
    /// The kernel that gives the bound, in the field's units.
    pub kernel: String,
    /// What the kernel reads, in its order.
    pub inputs: Vec<String>,
}

/// One stretch of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PhasePlan {
    pub name: String,
    pub title: Option<String>,
    pub length: Length,
    pub batch: usize,
    /// Steps of the model fed back into itself before the loss is taken; the most, if it grows.
    pub rollout: usize,
    /// Where a rollout that grows over the phase begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout_from: Option<usize>,
    /// Groups of weights that learn: `new`, `encoder`, `backbone`, `decoder`, or a head by name.
    pub train: Vec<String>,
    /// Of those groups, the ones that learn by low-rank updates only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<Adapter>,
    pub optimiser: AdamW,
    /// Groups that have an optimiser of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub optimisers: BTreeMap<String, AdamW>,
    /// Weighted names of losses and constraints.
    pub minimise: Vec<(f64, String)>,
    /// Grid spacings it trains at, with shares that add up to 1; the grid's own if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scales: Vec<ScaleShare>,
    /// Rows and columns of the part that a sample covers; the whole grid if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<[usize; 2]>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub favour: Vec<Favour>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// Decay of the exponential moving average of the weights (Polyak and Juditsky 1992).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// Groups whose forward pass is computed in numbers of 16 bits (bfloat16).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bf16: Vec<String>,
}

/// `by lora(rank = 8)`: updates of low rank beside weights that stay (Hu et al. 2022).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Adapter {
    pub group: String,
    pub rank: usize,
    /// The update is scaled by alpha / rank.
    pub alpha: f64,
    pub steps: AdapterSteps,
}

/// Which steps of a rollout have which updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdapterSteps {
    /// One update, the same at all steps.
    All,
    /// One update, at the first step only.
    First,
    /// An update of its own for each step.
    Each,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ScaleShare {
    /// In metres, a whole multiple of the grid's spacing.
    pub spacing: f64,
    /// How much of the batches have it.
    pub share: f64,
}

/// `share` of the samples are drawn from those in which the condition holds somewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Favour {
    pub condition: Condition,
    pub share: f64,
}

/// The phase ends when a loss, over `validate`, has not been smaller for so many epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stop {
    pub loss: String,
    pub epochs: usize,
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
