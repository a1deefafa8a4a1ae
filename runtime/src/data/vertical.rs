//! From model levels to pressure levels, column by column, linear in ln p.
//!
//! x(p) = x_k + (x_(k+1) - x_k) · (ln p - ln p_k) / (ln p_(k+1) - ln p_k) for p between p_k and p_(k+1).
//!
//! Nothing is extrapolated. A level that lies outside a column (below the ground, or above the model's top) is
//! NaN, or, where the caller asks for it, takes the value of the column's nearest level: below the ground that
//! is the lowest model level, for temperature, humidity and wind alike. Either way the count is told.

use ndarray::{Array3, ArrayView3, Axis, Zip};

/// What becomes of a pressure level outside a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// NaN.
    Missing,
    /// The value of the column's nearest level.
    Nearest,
}

/// Where each pressure level lies in each column: found once, used for every field on those columns.
#[derive(Clone, Debug)]
pub struct Columns {
    levels: usize,
    /// (target, row, column): the level above or below, and the weight of the next one. A weight of NaN marks a
    /// missing value.
    places: Array3<(u32, f64)>,
    outside: Vec<usize>,
}

/// Why columns cannot be interpolated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum VerticalError {
    #[error("a column needs at least two levels, this one has {0}")]
    TooFew(usize),
    #[error("pressure is {value} Pa at level {level}, row {row}, column {column}; it must be positive")]
    NotPositive { value: f64, level: usize, row: usize, column: usize },
    #[error("pressure does not go one way along the column at row {row}, column {column}: see level {level}")]
    NotMonotone { level: usize, row: usize, column: usize },
    #[error("the wanted pressure {0} Pa is not positive")]
    BadTarget(f64),
    #[error("a field of {field:?} (levels, rows, columns) on columns of {columns:?}")]
    Shape { field: Vec<usize>, columns: Vec<usize> },
}

impl Columns {
    /// Locates `targets` (Pa) in the columns of `pressure` (Pa; levels, rows, columns), whose levels may run
    /// upward or downward but must do so strictly.
    ///
    /// # Errors
    /// Fewer than two levels, a pressure that is not positive, a column that turns back.
    pub fn new(
        pressure: ArrayView3<'_, f64>,
        targets: &[f64],
        outside: Outside,
    ) -> Result<Self, VerticalError> {
        let (levels, rows, columns) = pressure.dim();
        check(pressure)?;
        if let Some(&bad) = targets.iter().find(|&&target| !(target > 0.0 && target.is_finite())) {
            return Err(VerticalError::BadTarget(bad));
        }
        let mut places = Array3::from_elem((targets.len(), rows, columns), (0, f64::NAN));
        let mut counts = vec![0; targets.len()];
        for row in 0..rows {
            for column in 0..columns {
                let one = |level: usize| pressure[[level, row, column]];
                for (index, &target) in targets.iter().enumerate() {
                    let (place, is_outside) = locate(levels, one, target, outside);
                    places[[index, row, column]] = place;
                    counts[index] += usize::from(is_outside);
                }
            }
        }
        Ok(Columns { levels, places, outside: counts })
    }

    /// The field (levels, rows, columns) on the pressure levels: (targets, rows, columns).
    ///
    /// # Errors
    /// A field of another shape than the columns.
    pub fn apply(&self, field: ArrayView3<'_, f32>) -> Result<Array3<f32>, VerticalError> {
        let (targets, rows, columns) = self.places.dim();
        if field.dim() != (self.levels, rows, columns) {
            return Err(VerticalError::Shape {
                field: field.shape().to_vec(),
                columns: vec![self.levels, rows, columns],
            });
        }
        let mut result = Array3::zeros((targets, rows, columns));
        Zip::indexed(&mut result).and(&self.places).par_for_each(
            |(_, row, column), value: &mut f32, &(level, weight)| {
                let one = |level: usize| f64::from(field[[level, row, column]]);
                let level = level as usize;
                // Weight 0 must not touch the next level, which may not exist.
                *value = if weight == 0.0 {
                    one(level) as f32
                } else {
                    (one(level) + weight * (one((level + 1).min(self.levels - 1)) - one(level))) as f32
                };
                if weight.is_nan() {
                    *value = f32::NAN;
                }
            },
        );
        Ok(result)
    }

    /// For each target, how many columns it lies outside of.
    pub fn outside(&self) -> &[usize] {
        &self.outside
    }
}

/// Those of `candidates` (Pa) that lie inside every column of `pressure` (Pa; levels, rows, columns).
///
/// # Errors
/// Those of [`Columns::new`] for the pressure.
pub fn inside_everywhere(
    pressure: ArrayView3<'_, f64>,
    candidates: &[f64],
) -> Result<Vec<f64>, VerticalError> {
    check(pressure)?;
    let edge = |index: usize| pressure.index_axis(Axis(0), index);
    let (first, last) = (edge(0), edge(pressure.dim().0 - 1));
    let (mut top, mut bottom) = (0.0f64, f64::INFINITY);
    Zip::from(first).and(last).for_each(|&a, &b| {
        top = top.max(a.min(b));
        bottom = bottom.min(a.max(b));
    });
    Ok(candidates.iter().copied().filter(|&candidate| candidate >= top && candidate <= bottom).collect())
}

fn check(pressure: ArrayView3<'_, f64>) -> Result<(), VerticalError> {
    let (levels, rows, columns) = pressure.dim();
    if levels < 2 {
        return Err(VerticalError::TooFew(levels));
    }
    for row in 0..rows {
        for column in 0..columns {
            let one = |level: usize| pressure[[level, row, column]];
            let falls = one(1) < one(0);
            for level in 0..levels {
                let value = one(level);
                if !(value > 0.0 && value.is_finite()) {
                    return Err(VerticalError::NotPositive { value, level, row, column });
                }
                if level > 0 && (value == one(level - 1) || (value < one(level - 1)) != falls) {
                    return Err(VerticalError::NotMonotone { level, row, column });
                }
            }
        }
    }
    Ok(())
}

/// The level below the target in index, the weight of the next, and whether the target lies outside.
fn locate(
    levels: usize,
    pressure: impl Fn(usize) -> f64,
    target: f64,
    outside: Outside,
) -> ((u32, f64), bool) {
    let falls = pressure(1) < pressure(0);
    let past = |level: usize| if falls { pressure(level) <= target } else { pressure(level) >= target };
    // The first level at or past the target.
    let next = (0..levels).find(|&level| past(level));
    let missed = |level: usize| match outside {
        Outside::Missing => ((level as u32, f64::NAN), true),
        Outside::Nearest => ((level as u32, 0.0), true),
    };
    match next {
        None => missed(levels - 1),
        Some(level) if pressure(level) == target => ((level as u32, 0.0), false),
        Some(0) => missed(0),
        Some(level) => {
            let (one, two) = (pressure(level - 1).ln(), pressure(level).ln());
            ((level as u32 - 1, (target.ln() - one) / (two - one)), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of unequal, uneven levels, from 1000 hPa up to about 100 hPa.
    fn pressure(levels: usize) -> Array3<f64> {
        Array3::from_shape_fn((levels, 3, 4), |(k, row, column)| {
            let height = k as f64 / (levels - 1) as f64;
            (100_000.0 - 500.0 * (row + column) as f64) * (-2.3 * height * (0.6 + 0.4 * height)).exp()
        })
    }

    /// Linear in ln p, so that interpolation must reproduce it.
    fn profile(pressure: f64) -> f64 {
        288.0 + 21.0 * (pressure / 101_325.0).ln()
    }

    #[test]
    fn exact_for_fields_linear_in_ln_p() {
        let (pressure, targets) = (pressure(9), [92_500.0, 85_000.0, 70_000.0, 50_000.0, 25_000.0]);
        let field = pressure.mapv(|p| profile(p) as f32);
        for downward in [false, true] {
            let (mut pressure, mut field) = (pressure.clone(), field.clone());
            if downward {
                pressure.invert_axis(Axis(0));
                field.invert_axis(Axis(0));
            }
            let columns = Columns::new(pressure.view(), &targets, Outside::Missing).unwrap();
            assert_eq!(columns.outside(), [0; 5]);
            for ((index, ..), value) in columns.apply(field.view()).unwrap().indexed_iter() {
                // Half a unit in the last place of the f32 field at each end, and one for the result.
                assert!(
                    (f64::from(*value) - profile(targets[index])).abs() < 6e-5,
                    "{value} at {}",
                    targets[index]
                );
            }
        }
    }

    #[test]
    fn a_level_that_is_a_target_is_itself() {
        let pressure = pressure(5);
        let field = Array3::from_shape_fn((5, 3, 4), |(k, ..)| k as f32);
        let targets = [pressure[[0, 0, 0]], pressure[[4, 0, 0]], pressure[[2, 0, 0]]];
        let values =
            Columns::new(pressure.view(), &targets, Outside::Missing).unwrap().apply(field.view()).unwrap();
        assert_eq!([values[[0, 0, 0]], values[[1, 0, 0]], values[[2, 0, 0]]], [0.0, 4.0, 2.0]);
    }

    #[test]
    fn outside_is_missing_or_nearest_and_counted() {
        let pressure = pressure(5);
        let field = Array3::from_shape_fn((5, 3, 4), |(k, ..)| 10.0 + k as f32);
        let targets = [99_000.0, 5_000.0];
        let missing = Columns::new(pressure.view(), &targets, Outside::Missing).unwrap();
        // Row + column from 3 on begins at 98 500 Pa and below: 6 of 12 columns.
        assert_eq!(missing.outside(), [6, 12]);
        let values = missing.apply(field.view()).unwrap();
        assert!(values[[0, 0, 0]].is_finite() && values[[0, 2, 3]].is_nan() && values[[1, 0, 0]].is_nan());
        let nearest = Columns::new(pressure.view(), &targets, Outside::Nearest).unwrap();
        let values = nearest.apply(field.view()).unwrap();
        assert_eq!((values[[0, 2, 3]], values[[1, 0, 0]]), (10.0, 14.0));
        assert_eq!(nearest.outside(), [6, 12]);
    }

    #[test]
    fn what_every_column_holds() {
        let pressure = pressure(5);
        let candidates = [100_000.0, 97_500.0, 97_400.0, 50_000.0, 10_100.0, 9_000.0];
        assert_eq!(
            inside_everywhere(pressure.view(), &candidates).unwrap(),
            [97_500.0, 97_400.0, 50_000.0, 10_100.0]
        );
    }

    #[test]
    fn columns_that_turn_back_are_refused() {
        let mut pressure = pressure(5);
        pressure[[3, 1, 2]] = pressure[[2, 1, 2]] + 1.0;
        let error = Columns::new(pressure.view(), &[50_000.0], Outside::Missing).unwrap_err();
        assert_eq!(error, VerticalError::NotMonotone { level: 3, row: 1, column: 2 });
        pressure[[0, 0, 0]] = f64::NAN;
        assert!(matches!(
            Columns::new(pressure.view(), &[50_000.0], Outside::Missing),
            Err(VerticalError::NotPositive { .. })
        ));
    }
}
