//! The ensemble: variants of the recipe, what they share, and how they become one forecast.

use serde::{Deserialize, Serialize};

use super::Plan;

/// One `ensemble NAME { }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EnsemblePlan {
    pub name: String,
    /// Groups of weights that are trained once, for all members.
    pub shares: Vec<String>,
    /// In alphabetical order.
    pub members: Vec<MemberPlan>,
    pub blend: Blend,
}

/// One member: the enclosing recipe with the member's amendments, as a plan of its own. Its evaluations are
/// those of the ensemble; kernels that differ from the enclosing recipe's are named `KERNEL.MEMBER`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberPlan {
    pub name: String,
    pub plan: Box<Plan>,
}

/// How the members' forecasts become one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blend {
    /// Each variable from the one member that predicts it.
    Owner,
    /// With equal weights.
    Mean,
    /// With weights from each member's error over this split.
    Skill { split: String },
    /// With weights that are learnt for each cell from these fields; `lat`, `lon`, `month` and `hour` are
    /// known without being fields.
    Gate { fields: Vec<String> },
}
