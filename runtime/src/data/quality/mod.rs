//! Checks of what an archive gives, and what is done about what fails them.

use std::collections::BTreeMap;

use aurora_compiler::plan::data::{DataPlan, GapMethod};
use ndarray::{Array3, ArrayView3};
use serde::{Deserialize, Serialize};

/// Fields of one time by the recipe's names, (C, H, W).
pub type Fields<'a> = BTreeMap<&'a str, ArrayView3<'a, f32>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    OutsideRange,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub check: Check,
    pub field: String,
    pub level: Option<f64>,
    pub points: u64,
    pub worst: f64,
    pub rejects: bool,
}

#[derive(Clone, Debug)]
pub struct Judge {}

impl Judge {
    pub fn new(_plan: &DataPlan) -> Judge {
        Judge {}
    }

    /// Whether any check compares a time with the one before.
    pub fn looks_back(&self) -> bool {
        false
    }

    pub fn judge(&self, _now: &Fields<'_>, _before: Option<&Fields<'_>>) -> Vec<Finding> {
        Vec::new()
    }
}

pub fn fill_holes(_values: &mut Array3<f32>, _largest: usize) -> u64 {
    0
}

pub fn between(before: &Array3<f32>, after: &Array3<f32>, weight: f64, _method: GapMethod) -> Array3<f32> {
    let weight = weight as f32;
    before + &((after - before) * weight)
}
