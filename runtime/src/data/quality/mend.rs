//! What may be mended: small holes in space, and whole times from their neighbours.

use aurora_compiler::plan::data::GapMethod;
use ndarray::{Array2, Array3, ArrayViewMut2, Axis, Zip};
use rayon::prelude::*;

/// Fills points that are not finite, level by level, where no more than `largest` of them lie together (side by side); larger holes
/// stay as they are. From the edge inwards each point gets the mean of its neighbours, diagonal ones too, that are there or were
/// filled in an earlier round. Returns how many points were filled.
pub fn fill_holes(values: &mut Array3<f32>, largest: usize) -> u64 {
    values.axis_iter_mut(Axis(0)).into_par_iter().map(|plane| fill_plane(plane, largest)).sum()
}

fn fill_plane(mut plane: ArrayViewMut2<'_, f32>, largest: usize) -> u64 {
    if plane.iter().all(|value| value.is_finite()) {
        return 0;
    }
    let (height, width) = plane.dim();
    let mut seen = Array2::from_elem((height, width), false);
    let mut filled = 0;
    for row in 0..height {
        for column in 0..width {
            if plane[(row, column)].is_finite() || seen[(row, column)] {
                continue;
            }
            let hole = hole(&plane, &mut seen, (row, column));
            if hole.len() <= largest {
                filled += close(&mut plane, hole);
            }
        }
    }
    filled
}

/// All points that are not finite and lie together with one.
fn hole(
    plane: &ArrayViewMut2<'_, f32>,
    seen: &mut Array2<bool>,
    from: (usize, usize),
) -> Vec<(usize, usize)> {
    let (height, width) = plane.dim();
    let mut hole = vec![from];
    seen[from] = true;
    let mut next = 0;
    while let Some(&(row, column)) = hole.get(next) {
        next += 1;
        let beside = [
            (row.wrapping_sub(1), column),
            (row + 1, column),
            (row, column.wrapping_sub(1)),
            (row, column + 1),
        ];
        for at in beside {
            if at.0 < height && at.1 < width && !seen[at] && !plane[at].is_finite() {
                seen[at] = true;
                hole.push(at);
            }
        }
    }
    hole
}

/// Fills a hole round by round; what nothing surrounds stays.
fn close(plane: &mut ArrayViewMut2<'_, f32>, mut hole: Vec<(usize, usize)>) -> u64 {
    let mut filled = 0;
    loop {
        let around = |&(row, column): &(usize, usize)| {
            let (mut sum, mut count) = (0.0f64, 0u32);
            for row in row.saturating_sub(1)..(row + 2).min(plane.nrows()) {
                for column in column.saturating_sub(1)..(column + 2).min(plane.ncols()) {
                    let value = plane[(row, column)];
                    if value.is_finite() {
                        sum += f64::from(value);
                        count += 1;
                    }
                }
            }
            (count > 0).then(|| (sum / f64::from(count)) as f32)
        };
        let round: Vec<((usize, usize), f32)> =
            hole.iter().filter_map(|at| Some((*at, around(at)?))).collect();
        if round.is_empty() {
            return filled;
        }
        for (at, value) in round {
            plane[at] = value;
            filled += 1;
        }
        hole.retain(|at| !plane[*at].is_finite());
    }
}

/// A time between two: `weight` is its distance from the earlier one as a share of theirs from each other. On the straight line, a
/// point is missing where one of both is; the nearer one is the earlier in the middle.
#[must_use]
pub fn between(before: &Array3<f32>, after: &Array3<f32>, weight: f64, method: GapMethod) -> Array3<f32> {
    match method {
        GapMethod::Persistence => before.clone(),
        GapMethod::Nearest if weight <= 0.5 => before.clone(),
        GapMethod::Nearest => after.clone(),
        GapMethod::Linear => {
            let mut filled = before.clone();
            if filled.dim() == after.dim() {
                let line = |value: &mut f32, after: &f32| {
                    *value = (f64::from(*value) * (1.0 - weight) + f64::from(*after) * weight) as f32;
                };
                Zip::from(&mut filled).and(after).par_for_each(line);
            }
            filled
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: f32 = f32::NAN;

    fn plane(rows: [[f32; 5]; 4]) -> Array3<f32> {
        Array3::from_shape_fn((1, 4, 5), |(_, row, column)| rows[row][column])
    }

    #[test]
    fn small_holes_are_filled_from_around_and_large_ones_stay() {
        let mut values = plane([
            [1.0, 1.0, 1.0, 1.0, GONE],
            [1.0, GONE, 3.0, 1.0, GONE],
            [1.0, 1.0, 1.0, 1.0, GONE],
            [1.0, 1.0, 1.0, GONE, GONE],
        ]);
        assert_eq!(fill_holes(&mut values, 2), 1);
        assert_eq!(values[(0, 1, 1)], 10.0 / 8.0);
        assert!(values[(0, 0, 4)].is_nan() && values[(0, 3, 3)].is_nan());
        assert_eq!(fill_holes(&mut values, 5), 5);
        assert!(values.iter().all(|value| (1.0..=3.0).contains(value)));
        assert_eq!(fill_holes(&mut values, 5), 0);
    }

    /// A hole of three by three in a ramp: its middle is filled in the second round, and the ramp is symmetric about it.
    #[test]
    fn from_the_edge_inwards() {
        let mut values = Array3::from_shape_fn((2, 7, 7), |(_, row, column)| (row + column) as f32);
        for row in 2..5 {
            for column in 2..5 {
                values[(1, row, column)] = f32::INFINITY;
            }
        }
        let untouched = values.index_axis(Axis(0), 0).to_owned();
        assert_eq!(fill_holes(&mut values, 8), 0);
        assert_eq!(fill_holes(&mut values, 9), 9);
        assert_eq!(values.index_axis(Axis(0), 0), untouched);
        assert!((values[(1, 3, 3)] - 6.0).abs() < 1e-6);
    }

    #[test]
    fn what_nothing_surrounds_stays() {
        let mut values = Array3::from_elem((1, 3, 3), f32::NAN);
        assert_eq!(fill_holes(&mut values, 100), 0);
        assert!(values.iter().all(|value| value.is_nan()));
    }

    #[test]
    fn times_between_two() {
        let before = Array3::from_shape_vec((1, 1, 3), vec![0.0, 10.0, GONE]).unwrap();
        let after = Array3::from_shape_vec((1, 1, 3), vec![4.0, 20.0, 1.0]).unwrap();
        let line = between(&before, &after, 0.25, GapMethod::Linear);
        assert_eq!((line[(0, 0, 0)], line[(0, 0, 1)]), (1.0, 12.5));
        assert!(line[(0, 0, 2)].is_nan());
        let nearest = |weight| between(&before, &after, weight, GapMethod::Nearest)[(0, 0, 0)];
        assert_eq!((nearest(0.25), nearest(0.5), nearest(0.75)), (0.0, 0.0, 4.0));
        assert_eq!(between(&before, &after, 0.75, GapMethod::Persistence)[(0, 0, 0)], 0.0);
    }
}
