//! Regridding: fields of one grid on the points of another. How much of which source value goes into which point is computed once
//! ([`Regridder::new`]) and may be kept on disk ([`Regridder::kept`]); then it is applied to any number of fields, in parallel.
//!
//! Every method is a sparse matrix of positive weights whose rows sum to the part of the target that the source covers. Where source
//! values are missing, the others are weighted up; where less than [`LEAST`] of the target is there, the target is missing.

mod cache;
mod overlap;
#[cfg(test)]
mod tests;
mod weights;

use ndarray::{Array3, ArrayView3, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::archive::DataError;
use super::grid::Grid;
use weights::Weights;

/// The least part of a target, by weight, that must be there.
pub const LEAST: f64 = 0.5;

/// How values come to the target's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// From the four points around, linear in rows and in columns of the source: for smooth fields on grids of similar spacing.
    Bilinear,
    /// The mean over the target's cell, by area on the sphere (first order, Jones 1999, Monthly Weather Review 127, equation 4 with a
    /// field constant in each cell): what is summed over the region stays the same. For coarser targets and for amounts.
    Conservative,
    /// The value of the cell in which the target's point lies: for classes.
    Nearest,
    /// Of the values in the target's cell the one with most area; the smaller one of two with as much. For classes on coarser targets.
    Mode,
}

/// The way from one grid to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Regridder {
    method: Method,
    /// Rows and columns of the source and of the target.
    from: (usize, usize),
    to: (usize, usize),
    weights: Weights,
}

impl Regridder {
    /// Computes the weights.
    ///
    /// # Errors
    /// A grid of more than 2³² points.
    pub fn new(from: &Grid, to: &Grid, method: Method) -> Result<Regridder, DataError> {
        let shape = |grid: &Grid| (grid.plan.height, grid.plan.width);
        for grid in [from, to] {
            if u32::try_from(grid.latitude.len()).is_err() {
                return Err(DataError::Plan(format!("the grid `{}` has too many points", grid.plan.name)));
            }
        }
        let weights = match method {
            Method::Bilinear => weights::bilinear(from, to),
            Method::Nearest => weights::nearest(from, to),
            Method::Conservative | Method::Mode => overlap::conservative(from, to),
        };
        Ok(Regridder { method, from: shape(from), to: shape(to), weights })
    }

    /// The field on the target's points, (C, H, W).
    ///
    /// # Errors
    /// A field that is not on the source's grid.
    pub fn apply(&self, values: ArrayView3<'_, f32>) -> Result<Array3<f32>, DataError> {
        let (levels, height, width) = values.dim();
        if (height, width) != self.from {
            let wanted = self.from;
            return Err(DataError::Plan(format!(
                "a field of {height} by {width} points cannot be brought from a grid of {} by {} to another",
                wanted.0, wanted.1
            )));
        }
        let mut result = Array3::zeros((levels, self.to.0, self.to.1));
        let columns = self.to.1;
        let planes = values.outer_iter().into_par_iter().zip(result.axis_iter_mut(Axis(0)).into_par_iter());
        planes.for_each(|(plane, mut target)| {
            let plane = plane.as_standard_layout();
            let source = plane.as_slice().unwrap_or(&[]);
            target.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, line)| {
                for (column, value) in line.into_iter().enumerate() {
                    let parts = self.weights.row(row * columns + column);
                    *value = match self.method {
                        Method::Mode => mode(parts, source),
                        _ => mean(parts, source),
                    };
                }
            });
        });
        Ok(result)
    }
}

/// The mean of what is there, or missing.
fn mean<'a>(parts: impl Iterator<Item = (usize, &'a f32)>, source: &[f32]) -> f32 {
    let (mut sum, mut there) = (0.0f64, 0.0f64);
    for (index, weight) in parts {
        let value = source.get(index).copied().unwrap_or(f32::NAN);
        if value.is_finite() {
            sum += f64::from(*weight) * f64::from(value);
            there += f64::from(*weight);
        }
    }
    // Weights are of 24 bits: half may be a last bit less.
    if there >= LEAST - 1e-6 { (sum / there) as f32 } else { f32::NAN }
}

/// The value with most weight, if enough is there.
fn mode<'a>(parts: impl Iterator<Item = (usize, &'a f32)>, source: &[f32]) -> f32 {
    let mut values: Vec<(f32, f64)> = Vec::new();
    let mut there = 0.0f64;
    for (index, weight) in parts {
        let value = source.get(index).copied().unwrap_or(f32::NAN);
        if !value.is_finite() {
            continue;
        }
        there += f64::from(*weight);
        match values.iter_mut().find(|(known, _)| *known == value) {
            Some((_, sum)) => *sum += f64::from(*weight),
            None => values.push((value, f64::from(*weight))),
        }
    }
    let best = values.into_iter().reduce(|best, next| {
        // As much to a millionth is as much.
        let more = next.1 > best.1 * (1.0 + 1e-6);
        let as_much = next.1 > best.1 * (1.0 - 1e-6);
        if more || (as_much && next.0 < best.0) { next } else { best }
    });
    best.filter(|_| there >= LEAST - 1e-6).map_or(f32::NAN, |(value, _)| value)
}
