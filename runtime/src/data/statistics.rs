//! Moments of a field, level by level: streaming, mergeable, and the same whatever the number of threads.
//!
//! A plane's moments are summed by one thread in the order of its points, planes are merged in the order of time with
//! the formula of Chan, Golub and LeVeque (1983, The American Statistician 37, 242–247).

use ndarray::{ArrayView2, ArrayView3};
use serde::{Deserialize, Serialize};

/// Count, mean, sum of squared deviations and extremes of finite values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    pub count: u64,
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub squares: f64,
    pub minimum: f64,
    pub maximum: f64,
}

/// Moments of every level of a field; one entry without levels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FieldStatistics {
    pub levels: Vec<Moments>,
}

impl Default for Moments {
    /// Of nothing: count 0, extremes 0.
    fn default() -> Self {
        Self { count: 0, mean: 0.0, squares: 0.0, minimum: 0.0, maximum: 0.0 }
    }
}

impl Moments {
    /// Of the finite values of a plane, in two passes.
    #[must_use]
    pub fn of(plane: ArrayView2<'_, f32>) -> Self {
        let values = || plane.iter().filter(|value| value.is_finite()).map(|value| f64::from(*value));
        let (mut count, mut sum) = (0_u64, 0.0);
        let (mut minimum, mut maximum) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values() {
            count += 1;
            sum += value;
            minimum = minimum.min(value);
            maximum = maximum.max(value);
        }
        if count == 0 {
            return Self::default();
        }
        let mean = sum / count as f64;
        let squares = values().map(|value| (value - mean) * (value - mean)).sum();
        Self { count, mean, squares, minimum, maximum }
    }

    /// Adds the moments of further values.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let apart = other.mean - self.mean;
        self.count += other.count;
        self.mean += apart * b / (a + b);
        self.squares += other.squares + apart * apart * a * b / (a + b);
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
    }

    /// Standard deviation of the population; 0 of nothing.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        if self.count == 0 { 0.0 } else { (self.squares / self.count as f64).sqrt() }
    }
}

impl FieldStatistics {
    /// Of one time's array, (C, H, W).
    #[must_use]
    pub fn of(array: ArrayView3<'_, f32>) -> Self {
        Self { levels: array.outer_iter().map(Moments::of).collect() }
    }

    /// Adds another time, which has the same levels.
    pub fn merge(&mut self, other: &Self) {
        if self.levels.is_empty() {
            self.levels.clone_from(&other.levels);
            return;
        }
        for (mine, theirs) in self.levels.iter_mut().zip(&other.levels) {
            mine.merge(theirs);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    /// Against sums over all values at once, far from zero, where careless formulas lose everything.
    #[test]
    fn merging_equals_computing_at_once() {
        let planes: Vec<Array3<f32>> = (0..9)
            .map(|k| {
                Array3::from_shape_fn((2, 5, 7), |(c, y, x)| {
                    1e5 + (c * 100 + (x * 31 + y * 17 + k * 7) % 13) as f32
                })
            })
            .collect();
        let mut merged = FieldStatistics::default();
        for plane in &planes {
            merged.merge(&FieldStatistics::of(plane.view()));
        }
        for level in 0..2 {
            let values: Vec<f64> = planes
                .iter()
                .flat_map(|plane| {
                    plane
                        .index_axis(ndarray::Axis(0), level)
                        .iter()
                        .map(|v| f64::from(*v))
                        .collect::<Vec<_>>()
                })
                .collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
            let moments = merged.levels[level];
            assert_eq!(moments.count, values.len() as u64);
            assert!((moments.mean - mean).abs() < 1e-9);
            assert!((moments.deviation() - variance.sqrt()).abs() < 1e-9);
            assert_eq!(moments.minimum, values.iter().copied().fold(f64::INFINITY, f64::min));
        }
    }

    #[test]
    fn missing_values_are_left_out() {
        let plane = ndarray::arr2(&[[1.0, f32::NAN], [3.0, f32::INFINITY]]);
        let moments = Moments::of(plane.view());
        assert_eq!((moments.count, moments.mean, moments.deviation()), (2, 2.0, 1.0));
        let nothing = Moments::of(ndarray::arr2(&[[f32::NAN]]).view());
        let mut sum = nothing;
        sum.merge(&moments);
        assert_eq!(sum, moments);
    }
}
