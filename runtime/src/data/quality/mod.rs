//! Quality: what is wrong with the fields of one time ([`Judge`]), and the ways to mend what may be mended: holes in space, gaps in
//! time, another distribution than a better archive has. All of it is pure; `prepare` decides what is done.

mod check;
mod column;
mod correction;
mod judge;
mod mend;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ndarray::ArrayView3;

pub use check::{Check, Finding};
pub use correction::Correction;
pub use judge::Judge;
pub use mend::{between, fill_holes};
pub use scan::outside_and_missing;

/// Fields of one time by the recipe's names, (C, H, W), C = 1 without levels, in SI.
pub type Fields<'a> = BTreeMap<&'a str, ArrayView3<'a, f32>>;
