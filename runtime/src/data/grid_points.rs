//! Planes on fewer points: blocks of neighbouring points become one.

use ndarray::{Array2, s};

/// The mean of each block of `factor` by `factor` points, missing ones aside; a block of which less than half is there is
/// missing. Rows and columns that fill no block fall away at the southern and eastern edges.
///
/// Points of a conformal grid stand for areas that differ by less than a thousandth within a block of 12 km, so they count
/// alike.
#[must_use]
pub fn coarse(plane: &Array2<f32>, factor: usize) -> Array2<f32> {
    if factor <= 1 {
        return plane.clone();
    }
    let (rows, columns) = plane.dim();
    let points = factor * factor;
    Array2::from_shape_fn((rows / factor, columns / factor), |(row, column)| {
        let across = column * factor..(column + 1) * factor;
        let block = plane.slice(s![row * factor..(row + 1) * factor, across]);
        let (mut sum, mut count) = (0.0, 0);
        for value in block.iter().filter(|value| value.is_finite()) {
            sum += f64::from(*value);
            count += 1;
        }
        if count * 2 >= points { (sum / count as f64) as f32 } else { f32::NAN }
    })
}

/// The same of longitudes in degrees: around the globe, the mean of 359 and 1 is 0.
#[must_use]
pub fn coarse_longitude(plane: &Array2<f32>, factor: usize) -> Array2<f32> {
    if factor <= 1 {
        return plane.clone();
    }
    let corner = |row: usize, column: usize| plane[(row / factor * factor, column / factor * factor)];
    let turned = Array2::from_shape_fn(plane.dim(), |(row, column)| {
        let apart = plane[(row, column)] - corner(row, column);
        apart - 360.0 * (apart / 360.0).round()
    });
    let mut means = coarse(&turned, factor);
    for ((row, column), value) in means.indexed_iter_mut() {
        *value = (*value + plane[(row * factor, column * factor)]).rem_euclid(360.0);
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_their_means() {
        let plane = Array2::from_shape_fn((5, 7), |(row, column)| (row * 10 + column) as f32);
        let halved = coarse(&plane, 2);
        assert_eq!(halved.dim(), (2, 3));
        assert_eq!(halved[(1, 2)], (24.0 + 25.0 + 34.0 + 35.0) / 4.0);
        let mut holed = plane.clone();
        holed[(0, 0)] = f32::NAN;
        assert_eq!(coarse(&holed, 2)[(0, 0)], (1.0 + 10.0 + 11.0) / 3.0);
        (holed[(0, 1)], holed[(1, 0)]) = (f32::NAN, f32::NAN);
        assert!(coarse(&holed, 2)[(0, 0)].is_nan());
        assert_eq!(coarse(&plane, 1), plane);
    }

    #[test]
    fn longitudes_go_round() {
        let line = ndarray::arr2(&[[358.0, 359.0, 0.0, 1.0], [358.0, 359.0, 0.0, 1.0]]);
        assert_eq!(coarse_longitude(&line, 2), ndarray::arr2(&[[358.5, 0.5]]));
        let seam = ndarray::arr2(&[[359.0, 1.0], [359.0, 1.0]]);
        assert_eq!(coarse_longitude(&seam, 2), ndarray::arr2(&[[0.0]]));
    }
}
