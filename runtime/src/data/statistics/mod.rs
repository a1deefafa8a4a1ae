//! Statistics of a field, level by level: streaming, mergeable, and the same whatever the number of threads or of parts
//! into which the work was cut.
//!
//! A plane's moments are summed by one thread in the order of its points, planes are merged in the order of time with
//! the formula of Chan, Golub and LeVeque (1983, The American Statistician 37, 242–247).

use ndarray::{ArrayView2, ArrayView3, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

mod histogram;
mod moments;

use histogram::Counts;
pub use histogram::Histogram;
pub use moments::Moments;
use moments::Sums;

/// Values that are looked at in one go, so that they stay in the nearest cache; a multiple of the lanes of [`Sums`].
const PART: usize = 4096;

/// The shares of all values at which quantiles are told.
pub const SHARES: [f64; 11] = [0.0001, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 0.9999];

/// Statistics of every level of a field; one entry without levels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FieldStatistics {
    pub levels: Vec<Moments>,
    /// Of the change from one time to the next, where both are there; empty for what does not change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Moments>,
    /// At [`SHARES`], to 1/256 of a value; empty of nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quantiles: Vec<Vec<f64>>,
}

/// Statistics that still grow: what one time or a stretch of times adds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Growing {
    levels: Vec<Moments>,
    changes: Vec<Moments>,
    /// [`Histogram::written`], level by level.
    #[serde(with = "as_text")]
    counts: Vec<Histogram>,
}

impl Growing {
    /// Of one time's array and of the one before, (C, H, W).
    #[must_use]
    pub fn of(now: ArrayView3<'_, f32>, before: Option<ArrayView3<'_, f32>>) -> Self {
        let level = |level: usize| {
            let before = before.as_ref().map(|before| before.index_axis(Axis(0), level));
            plane(now.index_axis(Axis(0), level), before)
        };
        let planes: Vec<_> = (0..now.dim().0).into_par_iter().map(level).collect();
        let mut all = Self::default();
        for (moments, changes, counts) in planes {
            all.levels.push(moments);
            all.changes.extend(changes);
            all.counts.push(counts);
        }
        all
    }

    /// Adds a later time or stretch of times, which has the same levels.
    pub fn merge(&mut self, later: &Self) {
        grow(&mut self.levels, &later.levels, Moments::merge);
        grow(&mut self.changes, &later.changes, Moments::merge);
        grow(&mut self.counts, &later.counts, Histogram::merge);
    }

    /// What is told of them.
    #[must_use]
    pub fn grown(&self) -> FieldStatistics {
        let inside = |(counts, moments): (&Histogram, &Moments)| {
            let within = |value: f64| value.clamp(moments.minimum, moments.maximum);
            counts.quantiles(&SHARES).into_iter().map(within).collect()
        };
        FieldStatistics {
            levels: self.levels.clone(),
            changes: self.changes.clone(),
            quantiles: self.counts.iter().zip(&self.levels).map(inside).collect(),
        }
    }

    /// How often which values occur, level by level.
    #[must_use]
    pub fn counts(&self) -> &[Histogram] {
        &self.counts
    }
}

/// All statistics of a plane in one pass over it, part by part.
fn plane(
    now: ArrayView2<'_, f32>,
    before: Option<ArrayView2<'_, f32>>,
) -> (Moments, Option<Moments>, Histogram) {
    let now = now.as_standard_layout();
    let before = before.as_ref().map(|before| before.as_standard_layout());
    let before = before.as_ref().and_then(|before| before.as_slice());
    let (mut sums, mut changes, mut counts) = (Sums::default(), Sums::default(), Counts::new());
    let mut change = [0.0; PART];
    for (place, part) in now.as_slice().unwrap_or_default().chunks(PART).enumerate() {
        sums.add(part);
        counts.add(part);
        if let Some(before) = before.and_then(|before| before.get(place * PART..place * PART + part.len())) {
            let change = &mut change[..part.len()];
            change
                .iter_mut()
                .zip(part)
                .zip(before)
                .for_each(|((change, now), before)| *change = now - before);
            changes.add(change);
        }
    }
    (sums.moments(), before.map(|_| changes.moments()), counts.histogram())
}

fn grow<T: Clone>(mine: &mut Vec<T>, theirs: &[T], merge: fn(&mut T, &T)) {
    if mine.is_empty() {
        *mine = theirs.to_vec();
        return;
    }
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        merge(mine, theirs);
    }
}

mod as_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Histogram;

    pub fn serialize<S: Serializer>(counts: &[Histogram], serializer: S) -> Result<S::Ok, S::Error> {
        counts.iter().map(Histogram::written).collect::<Vec<_>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Histogram>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let counts: Option<Vec<Histogram>> = texts.iter().map(|text| Histogram::read(text)).collect();
        counts.ok_or_else(|| D::Error::custom("these are no counts of values"))
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
        let mut merged = Growing::default();
        for (index, plane) in planes.iter().enumerate() {
            let before = index.checked_sub(1).map(|index| planes[index].view());
            merged.merge(&Growing::of(plane.view(), before));
        }
        let told = merged.grown();
        for level in 0..2 {
            let of = |plane: &Array3<f32>| -> Vec<f64> {
                plane.index_axis(Axis(0), level).iter().map(|value| f64::from(*value)).collect()
            };
            let check = |values: &[f64], moments: &Moments| {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
                assert_eq!(moments.count, values.len() as u64);
                assert!((moments.mean - mean).abs() < 1e-9);
                assert!((moments.deviation() - variance.sqrt()).abs() < 1e-9);
                assert_eq!(moments.minimum, values.iter().copied().fold(f64::INFINITY, f64::min));
            };
            check(&planes.iter().flat_map(of).collect::<Vec<_>>(), &told.levels[level]);
            let changes = planes.windows(2).flat_map(|pair| {
                of(&pair[1])
                    .into_iter()
                    .zip(of(&pair[0]))
                    .map(|(now, before)| now - before)
                    .collect::<Vec<_>>()
            });
            check(&changes.collect::<Vec<_>>(), &told.changes[level]);
            assert!(told.quantiles[level].is_sorted() && told.quantiles[level].len() == SHARES.len());
        }
        let text = serde_json::to_string(&merged).unwrap();
        assert_eq!(serde_json::from_str::<Growing>(&text).unwrap(), merged);
    }
}
