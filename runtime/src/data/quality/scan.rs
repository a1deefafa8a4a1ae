//! One pass over the values of a plane: what is missing, what lies outside, the ends. No branch depends on a value, so that the
//! compiler makes vectors of it.

use multiversion::multiversion;
use ndarray::parallel::prelude::*;
use ndarray::{Array3, ArrayView2, Axis};

/// Lanes of the counters; each takes every sixteenth value of a row.
const LANES: usize = 16;

/// What a pass finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scan {
    pub values: u64,
    pub missing: u64,
    pub outside: u64,
    /// Of finite values; the first above the second if there are none.
    pub least: f32,
    pub most: f32,
}

#[derive(Clone, Copy)]
struct Lanes {
    missing: [u32; LANES],
    outside: [u32; LANES],
    least: [f32; LANES],
    most: [f32; LANES],
}

/// Of all values of a plane, against a range with both ends.
pub(super) fn scan(plane: &ArrayView2<'_, f32>, low: f32, high: f32) -> Scan {
    let mut scan = Scan {
        values: plane.len() as u64,
        missing: 0,
        outside: 0,
        least: f32::INFINITY,
        most: f32::NEG_INFINITY,
    };
    let mut line = Vec::new();
    for row in plane.outer_iter() {
        let values = match row.as_slice() {
            Some(values) => values,
            None => {
                line.clear();
                line.extend(row.iter());
                &line
            }
        };
        // A row has fewer values than a counter holds.
        for part in values.chunks(1 << 24) {
            scan.add(part, low, high);
        }
    }
    scan
}

/// How many values of a field lie outside a range, as nearly as f32 holds it, and how many are missing.
#[must_use]
pub fn outside_and_missing(values: &Array3<f32>, range: (Option<f64>, Option<f64>)) -> (u64, u64) {
    let low = range.0.map_or(f32::NEG_INFINITY, |low| low as f32);
    let high = range.1.map_or(f32::INFINITY, |high| high as f32);
    let planes = values.axis_iter(Axis(0)).into_par_iter().map(|plane| scan(&plane, low, high));
    planes.map(|scan| (scan.outside, scan.missing)).reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

impl Scan {
    fn add(&mut self, values: &[f32], low: f32, high: f32) {
        let (whole, rest) = values.as_chunks::<LANES>();
        let mut lanes = lanes(whole, low, high);
        if !rest.is_empty() {
            // Made whole by its own first value, of which the surplus is taken off again.
            let mut chunk = [rest[0]; LANES];
            chunk[..rest.len()].copy_from_slice(rest);
            lanes.take(&chunk, low, high);
            let surplus = (LANES - rest.len()) as u64;
            self.missing -= surplus * u64::from(!rest[0].is_finite());
            self.outside -= surplus * u64::from(rest[0].is_finite() && (rest[0] < low || rest[0] > high));
        }
        self.missing += lanes.missing.iter().map(|&count| u64::from(count)).sum::<u64>();
        self.outside += lanes.outside.iter().map(|&count| u64::from(count)).sum::<u64>();
        self.least = lanes.least.iter().copied().fold(self.least, f32::min);
        self.most = lanes.most.iter().copied().fold(self.most, f32::max);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn lanes(chunks: &[[f32; LANES]], low: f32, high: f32) -> Lanes {
    let mut lanes = Lanes {
        missing: [0; LANES],
        outside: [0; LANES],
        least: [f32::INFINITY; LANES],
        most: [f32::NEG_INFINITY; LANES],
    };
    for chunk in chunks {
        lanes.take(chunk, low, high);
    }
    lanes
}

impl Lanes {
    #[inline(always)]
    fn take(&mut self, chunk: &[f32; LANES], low: f32, high: f32) {
        for (lane, &value) in chunk.iter().enumerate() {
            let finite = value.abs() < f32::INFINITY;
            let least = if finite { value } else { f32::INFINITY };
            let most = if finite { value } else { f32::NEG_INFINITY };
            self.missing[lane] += u32::from(!finite);
            self.outside[lane] += u32::from(finite & ((value < low) | (value > high)));
            self.least[lane] = if least < self.least[lane] { least } else { self.least[lane] };
            self.most[lane] = if most > self.most[lane] { most } else { self.most[lane] };
        }
    }
}

/// Whether two planes have the same bits; found out at the first row in which they have not.
pub(super) fn same(one: &ArrayView2<'_, f32>, other: &ArrayView2<'_, f32>) -> bool {
    one.dim() == other.dim()
        && one.outer_iter().zip(other.outer_iter()).all(|(one, other)| {
            match (one.as_slice(), other.as_slice()) {
                (Some(one), Some(other)) => one.chunks(4096).zip(other.chunks(4096)).all(|(one, other)| {
                    one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a.to_bits() ^ b.to_bits())) == 0
                }),
                _ => one.iter().zip(&other).all(|(a, b)| a.to_bits() == b.to_bits()),
            }
        })
}

/// Median and robust spread (quartile range / 1.349) of some 4,000 points evenly over the plane; nothing if fewer than a
/// hundred of them are finite. As many points as there are if the plane has no more.
pub(super) fn centre_and_spread(plane: &ArrayView2<'_, f32>) -> Option<(f64, f64)> {
    const POINTS: usize = 4096;
    let (height, width) = plane.dim();
    let stride = ((height * width) as f64 / POINTS as f64).sqrt().ceil().max(1.0) as usize;
    let mut values: Vec<f32> = (stride / 2..height)
        .step_by(stride)
        .flat_map(|row| (stride / 2..width).step_by(stride).map(move |column| (row, column)))
        .filter_map(|at| plane.get(at).copied().filter(|value| value.is_finite()))
        .collect();
    if values.len() < 100 {
        return None;
    }
    let last = values.len() - 1;
    let mut quantile = |share: f64| {
        let at = (share * last as f64).round() as usize;
        f64::from(*values.select_nth_unstable_by(at, f32::total_cmp).1)
    };
    let (lower, middle, upper) = (quantile(0.25), quantile(0.5), quantile(0.75));
    Some((middle, (upper - lower) / 1.349))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;

    #[test]
    fn a_pass_counts_as_one_by_one() {
        for (height, width) in [(1, 1), (3, 16), (5, 37), (2, 257)] {
            let values =
                Array2::from_shape_fn((height, width), |(row, column)| match (row * width + column) % 11 {
                    3 => f32::NAN,
                    7 => f32::NEG_INFINITY,
                    other => other as f32 - 4.5,
                });
            for view in [values.view(), values.slice(s![.., ..;-1]), values.slice(s![.., ..1])] {
                let found = scan(&view, -2.0, 4.0);
                let finite = || view.iter().copied().filter(|value| value.is_finite());
                assert_eq!(found.values, view.len() as u64);
                assert_eq!(found.missing, view.len() as u64 - finite().count() as u64);
                assert_eq!(found.outside, finite().filter(|v| !(-2.0..=4.0).contains(v)).count() as u64);
                assert_eq!(found.least, finite().fold(f32::INFINITY, f32::min));
                assert_eq!(found.most, finite().fold(f32::NEG_INFINITY, f32::max));
            }
        }
    }

    #[test]
    fn sameness_is_of_bits() {
        let one = Array2::from_elem((3, 5000), f32::NAN);
        let mut other = one.clone();
        assert!(same(&one.view(), &other.view()));
        other[(2, 4999)] = 1.0;
        assert!(!same(&one.view(), &other.view()));
        assert!(!same(&one.view(), &one.slice(s![..2, ..])));
    }

    /// Of numbers 0 to n the quartiles are n/4 apart from the middle; the sample may miss by a stride.
    #[test]
    fn centres_and_spreads_of_a_ramp() {
        let plane = Array2::from_shape_fn((300, 300), |(row, column)| (row * 300 + column) as f32);
        let (centre, spread) = centre_and_spread(&plane.view()).unwrap();
        assert!((centre / 45_000.0 - 1.0).abs() < 0.02, "{centre}");
        assert!((spread / (45_000.0 / 1.349) - 1.0).abs() < 0.05, "{spread}");
        assert!(centre_and_spread(&Array2::from_elem((9, 9), 1.0).view()).is_none());
    }
}
