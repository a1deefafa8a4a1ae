//! Count, mean, spread and extremes of a plane's values.

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

/// Sums are kept in this many lanes, whatever the machine, so that every machine gives the same bits.
const LANES: usize = 8;

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

impl Default for Moments {
    /// Of nothing: count 0, extremes 0.
    fn default() -> Self {
        Self { count: 0, mean: 0.0, squares: 0.0, minimum: 0.0, maximum: 0.0 }
    }
}

/// What one pass over values adds up, about a first guess of their mean: the first finite one of them, so that nothing is lost
/// far from zero.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    guess: f32,
    values: u64,
    missing: [u32; LANES],
    sum: [f64; LANES],
    squares: [f64; LANES],
    minimum: [f32; LANES],
    maximum: [f32; LANES],
}

impl Moments {
    /// Of the finite values of a plane.
    #[cfg(test)]
    fn of(plane: ndarray::ArrayView2<'_, f32>) -> Self {
        let mut sums = Sums::default();
        plane.iter().copied().collect::<Vec<f32>>().chunks(LANES * 3).for_each(|chunk| sums.add(chunk));
        sums.moments()
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

impl Default for Sums {
    fn default() -> Self {
        Self {
            guess: f32::NAN,
            values: 0,
            missing: [0; LANES],
            sum: [0.0; LANES],
            squares: [0.0; LANES],
            minimum: [f32::INFINITY; LANES],
            maximum: [f32::NEG_INFINITY; LANES],
        }
    }
}

/// The sums with further values. They are given and returned, that the compiler keeps them in registers.
#[multiversion(targets("x86_64+avx2"))]
fn taken(mut sums: Sums, chunks: &[[f32; LANES]]) -> Sums {
    chunks.iter().for_each(|chunk| sums.take(chunk));
    sums
}

impl Sums {
    /// Adds further values; all chunks but the last have a multiple of `LANES`. At most 2³² values a lane.
    pub(super) fn add(&mut self, values: &[f32]) {
        if self.guess.is_nan() {
            let Some(guess) = values.iter().copied().find(|value| value.is_finite()) else { return };
            self.guess = guess;
        }
        self.values += values.len() as u64;
        let (whole, rest) = values.as_chunks::<LANES>();
        let mut sums = taken(self.clone(), whole);
        if !rest.is_empty() {
            let mut chunk = [f32::NAN; LANES];
            chunk[..rest.len()].copy_from_slice(rest);
            sums.take(&chunk);
            sums.values += (LANES - rest.len()) as u64;
        }
        *self = sums;
    }

    #[inline(always)]
    fn take(&mut self, chunk: &[f32; LANES]) {
        for (lane, value) in chunk.iter().enumerate() {
            let finite = value.abs() < f32::INFINITY;
            // The guess adds nothing to the sums, and the extremes have it.
            let value = if finite { *value } else { self.guess };
            let apart = f64::from(value) - f64::from(self.guess);
            self.missing[lane] += u32::from(!finite);
            self.sum[lane] += apart;
            self.squares[lane] += apart * apart;
            self.minimum[lane] = if value < self.minimum[lane] { value } else { self.minimum[lane] };
            self.maximum[lane] = if value > self.maximum[lane] { value } else { self.maximum[lane] };
        }
    }

    pub(super) fn moments(&self) -> Moments {
        let each = self.values / LANES as u64;
        let mut all = Moments::default();
        for lane in 0..LANES {
            let count = each - u64::from(self.missing[lane]);
            if count == 0 {
                continue;
            }
            let mean = self.sum[lane] / count as f64;
            all.merge(&Moments {
                count,
                mean: f64::from(self.guess) + mean,
                squares: (self.squares[lane] - self.sum[lane] * mean).max(0.0),
                minimum: f64::from(self.minimum[lane]),
                maximum: f64::from(self.maximum[lane]),
            });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_are_left_out() {
        let plane = ndarray::arr2(&[[1.0, f32::NAN], [3.0, f32::INFINITY]]);
        let moments = Moments::of(plane.view());
        assert_eq!((moments.count, moments.mean, moments.deviation()), (2, 2.0, 1.0));
        assert_eq!((moments.minimum, moments.maximum), (1.0, 3.0));
        let nothing = Moments::of(ndarray::arr2(&[[f32::NAN]]).view());
        let mut sum = nothing;
        sum.merge(&moments);
        assert_eq!(sum, moments);
    }

    /// Values far from zero with a small spread, where sums of squares of the values themselves lose everything.
    #[test]
    fn far_from_zero_nothing_is_lost() {
        let values: Vec<f32> = (0..10_007).map(|k| 101_325.0 + ((k * 7919) % 977) as f32 / 128.0).collect();
        let wide: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
        let mean = wide.iter().sum::<f64>() / wide.len() as f64;
        let variance = wide.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / wide.len() as f64;
        let plane = ndarray::Array2::from_shape_vec((1, values.len()), values).unwrap();
        let moments = Moments::of(plane.view());
        assert!((moments.mean - mean).abs() < 1e-9, "{} {mean}", moments.mean);
        assert!((moments.deviation() - variance.sqrt()).abs() < 1e-9);
    }
}
