//! Count, mean, spread and extremes of a plane's values.

use ndarray::ArrayView2;
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

/// What one pass over values adds up, about a first guess of their mean.
struct Sums {
    count: [u64; LANES],
    sum: [f64; LANES],
    squares: [f64; LANES],
    minimum: [f32; LANES],
    maximum: [f32; LANES],
}

impl Moments {
    /// Of the finite values of a plane.
    #[must_use]
    pub fn of(plane: ArrayView2<'_, f32>) -> Self {
        match plane.as_slice() {
            Some(values) => Self::of_chunks(values.chunks(LANES).map(padded)),
            None => Self::of(plane.as_standard_layout().view()),
        }
    }

    /// Of what has changed from one plane to the next of the same shape.
    #[must_use]
    pub fn of_change(before: ArrayView2<'_, f32>, now: ArrayView2<'_, f32>) -> Self {
        let change = |(before, now): (&[f32], &[f32])| {
            let (before, now) = (padded(before), padded(now));
            std::array::from_fn(|lane| now[lane] - before[lane])
        };
        match (before.as_slice(), now.as_slice()) {
            (Some(before), Some(now)) => {
                Self::of_chunks(before.chunks(LANES).zip(now.chunks(LANES)).map(change))
            }
            _ => Self::of_change(before.as_standard_layout().view(), now.as_standard_layout().view()),
        }
    }

    /// Of the finite ones of these values: deviations from the first of them are added up, so that nothing is lost far
    /// from zero.
    fn of_chunks(chunks: impl Iterator<Item = [f32; LANES]> + Clone) -> Self {
        let Some(guess) = chunks.clone().flatten().find(|value| value.is_finite()) else {
            return Self::default();
        };
        let mut sums = Sums {
            count: [0; LANES],
            sum: [0.0; LANES],
            squares: [0.0; LANES],
            minimum: [f32::INFINITY; LANES],
            maximum: [f32::NEG_INFINITY; LANES],
        };
        chunks.for_each(|chunk| sums.add(&chunk, f64::from(guess)));
        sums.moments(f64::from(guess))
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

/// Up to `LANES` values, filled up with missing ones.
fn padded(values: &[f32]) -> [f32; LANES] {
    match values.try_into() {
        Ok(whole) => whole,
        Err(_) => std::array::from_fn(|lane| values.get(lane).copied().unwrap_or(f32::NAN)),
    }
}

impl Sums {
    #[inline(always)]
    fn add(&mut self, chunk: &[f32; LANES], guess: f64) {
        for (lane, value) in chunk.iter().enumerate() {
            let finite = value.is_finite();
            let apart = if finite { f64::from(*value) - guess } else { 0.0 };
            self.count[lane] += u64::from(finite);
            self.sum[lane] += apart;
            self.squares[lane] += apart * apart;
            self.minimum[lane] = self.minimum[lane].min(if finite { *value } else { f32::INFINITY });
            self.maximum[lane] = self.maximum[lane].max(if finite { *value } else { f32::NEG_INFINITY });
        }
    }

    fn moments(&self, guess: f64) -> Moments {
        let mut all = Moments::default();
        for lane in 0..LANES {
            let count = self.count[lane];
            if count == 0 {
                continue;
            }
            let mean = self.sum[lane] / count as f64;
            all.merge(&Moments {
                count,
                mean: guess + mean,
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

    #[test]
    fn changes_are_of_points_that_both_have() {
        let before = ndarray::arr2(&[[1.0, f32::NAN, 2.0]]);
        let now = ndarray::arr2(&[[4.0, 5.0, 3.0]]);
        let moments = Moments::of_change(before.view(), now.view());
        assert_eq!((moments.count, moments.mean, moments.deviation()), (2, 2.0, 1.0));
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
