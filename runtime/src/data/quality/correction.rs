//! Quantile mapping: values get the distribution that a better archive has of the same quantity. Monotone, linear between quantiles,
//! beyond the first and the last shifted as these are (Déqué 2007, Global and Planetary Change 57, section 2.3, with a constant
//! correction in the tails).

use ndarray::{Array3, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// From values of ours to values of theirs, both ascending.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    /// Strictly ascending.
    pub from: Vec<f32>,
    pub to: Vec<f32>,
}

impl Correction {
    /// From the quantiles of both at the same probabilities, or from samples of both, of which the longer one is then read at the
    /// ranks of the shorter one. Where several of ours are one value (no rain, which is the smallest at many probabilities), it is
    /// brought to the mean of theirs. Values that are not finite are left out.
    #[must_use]
    pub fn fit(ours: &[f32], theirs: &[f32]) -> Correction {
        let sorted = |values: &[f32]| {
            let mut values: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
            values.sort_by(f32::total_cmp);
            values
        };
        let (ours, theirs) = (sorted(ours), sorted(theirs));
        let count = ours.len().min(theirs.len());
        let mut correction = Correction::default();
        let mut alike = 0u32;
        for rank in 0..count {
            let (from, to) = (at_rank(&ours, rank, count), at_rank(&theirs, rank, count));
            if let (Some(last), Some(mean)) = (correction.from.last(), correction.to.last_mut())
                && *last >= from
            {
                alike += 1;
                *mean += (to - *mean) / (alike + 1) as f32;
                continue;
            }
            alike = 0;
            correction.from.push(from);
            correction.to.push(to);
        }
        correction
    }

    /// Corrects in place; what is missing stays so, and without quantiles everything stays.
    pub fn apply(&self, values: &mut Array3<f32>) {
        let (Some(first), Some(last)) =
            (self.shift(0), self.from.len().checked_sub(1).and_then(|end| self.shift(end)))
        else {
            return;
        };
        let of = |value: f32| {
            let above = self.from.partition_point(|from| *from <= value);
            if above == 0 {
                return value + first;
            }
            let (Some(high), Some(higher)) = (self.from.get(above), self.to.get(above)) else {
                return value + last;
            };
            let (low, lower) = (self.from[above - 1], self.to[above - 1]);
            lower + (higher - lower) * ((value - low) / (high - low))
        };
        values.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut plane| {
            plane.axis_iter_mut(Axis(0)).into_par_iter().for_each(|row| {
                row.into_iter().filter(|value| value.is_finite()).for_each(|value| *value = of(*value));
            });
        });
    }

    fn shift(&self, index: usize) -> Option<f32> {
        Some(self.to.get(index)? - self.from.get(index)?)
    }
}

/// The value at a rank of `count` evenly over an ascending list.
fn at_rank(sorted: &[f32], rank: usize, count: usize) -> f32 {
    if sorted.len() == count || count < 2 {
        return sorted[rank];
    }
    let place = rank as f64 * (sorted.len() - 1) as f64 / (count - 1) as f64;
    let below = (place as usize).min(sorted.len() - 2);
    let part = (place - below as f64) as f32;
    sorted[below] + (sorted[below + 1] - sorted[below]) * part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(correction: &Correction, value: f32) -> f32 {
        let mut values = Array3::from_elem((1, 1, 1), value);
        correction.apply(&mut values);
        values[(0, 0, 0)]
    }

    /// Archives that differ by a scale and an offset are brought together exactly, beyond the quantiles by the end's shift.
    #[test]
    fn a_linear_bias_is_taken_away() {
        let ours: Vec<f32> = (0..=10).map(|rank| rank as f32).collect();
        let theirs: Vec<f32> = ours.iter().map(|value| 2.0 * value + 1.0).collect();
        let correction = Correction::fit(&ours, &theirs);
        for (value, wanted) in [(0.0, 1.0), (2.5, 6.0), (10.0, 21.0), (12.0, 23.0), (-3.0, -2.0)] {
            assert_eq!(applied(&correction, value), wanted, "{value}");
        }
        assert!(applied(&correction, f32::NAN).is_nan());
        assert_eq!(applied(&Correction::fit(&[], &theirs), 7.0), 7.0);
    }

    /// Rain that is nowhere in half of ours and in a third of theirs.
    #[test]
    fn one_value_at_many_probabilities_goes_to_the_mean_of_theirs() {
        let correction = Correction::fit(&[0.0, 0.0, 0.0, 1.0, 4.0], &[0.0, 0.0, 0.3, 2.0, 5.0]);
        assert_eq!(correction.from, [0.0, 1.0, 4.0]);
        assert!((applied(&correction, 0.0) - 0.1).abs() < 1e-6);
        assert_eq!(applied(&correction, 1.0), 2.0);
        assert_eq!(applied(&correction, 2.5), 3.5);
    }

    /// After mapping, the quantiles of ours are those of theirs, whatever the sizes: to the distance of neighbouring ranks.
    #[test]
    fn the_distribution_becomes_theirs() {
        let ours: Vec<f32> = (0..5000).map(|i| ((i * 7919 % 5000) as f32 / 5000.0).powi(2)).collect();
        let theirs: Vec<f32> = (0..3000).map(|i| (i as f32 / 3000.0).sqrt() * 3.0).collect();
        let correction = Correction::fit(&ours, &theirs);
        assert!(correction.from.windows(2).all(|two| two[0] < two[1]));
        assert!(correction.to.windows(2).all(|two| two[0] <= two[1]));
        let mut values = Array3::from_shape_vec((1, 50, 100), ours).unwrap();
        correction.apply(&mut values);
        let mut sorted: Vec<f32> = values.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        for share in [0.1f32, 0.25, 0.5, 0.9] {
            let found = sorted[(share * 4999.0) as usize];
            assert!((found - share.sqrt() * 3.0).abs() < 5e-3, "{share} {found}");
        }
    }
}
