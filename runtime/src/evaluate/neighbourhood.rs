//! Contingency table of neighbourhood maxima: was there an event *near* the cell?

use ndarray::ArrayView2;

use super::contingency::{Counts, finite};
use super::fss::{EventTables, odd};
use super::{EvaluateError, same_shape};

/// Table of one threshold after both event fields were dilated by the n x n box.
///
/// A cell is an event if any valid cell of its box is at or above the threshold; only valid cells are counted.
#[derive(Debug, Clone, PartialEq)]
pub struct NeighbourhoodMaximum {
    threshold: f64,
    width: usize,
    counts: Counts,
}

impl NeighbourhoodMaximum {
    /// An empty table; `width` in cells, odd; `threshold` in the units of the fields.
    ///
    /// # Errors
    /// [`EvaluateError::EvenWidth`] or [`EvaluateError::Threshold`].
    pub fn new(threshold: f64, width: usize) -> Result<Self, EvaluateError> {
        odd(width)?;
        finite(threshold)?;
        Ok(Self { threshold, width, counts: Counts::default() })
    }

    /// Adds one sample; both fields are (rows, columns).
    ///
    /// # Errors
    /// As [`EventTables::new`].
    pub fn add(
        &mut self,
        forecast: ArrayView2<'_, f32>,
        observation: ArrayView2<'_, f32>,
    ) -> Result<(), EvaluateError> {
        same_shape(&forecast, &observation, "observation")?;
        let tables = EventTables::new(forecast, observation, self.threshold)?;
        for row in 0..tables.rows {
            for column in 0..tables.columns {
                if tables.is_valid(row, column) {
                    let (f, o, _) = tables.around(row, column, self.width / 2);
                    self.counts.cell(f > 0, o > 0);
                }
            }
        }
        Ok(())
    }

    /// Adds the table of other samples at the same threshold and width.
    ///
    /// # Errors
    /// [`EvaluateError::Merge`] if either differs.
    pub fn merge(&mut self, other: &Self) -> Result<(), EvaluateError> {
        if (self.threshold, self.width) != (other.threshold, other.width) {
            let name = |table: &Self| format!("threshold {}, width {}", table.threshold, table.width);
            return Err(EvaluateError::Merge { left: name(self), right: name(other) });
        }
        self.counts.merge(&other.counts);
        Ok(())
    }

    /// The pooled table; its methods are the scores.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn a_near_miss_becomes_a_hit() {
        let (mut forecast, mut observed) = (Array2::<f32>::zeros((5, 5)), Array2::<f32>::zeros((5, 5)));
        forecast[(2, 1)] = 40.0;
        observed[(2, 2)] = 40.0;
        let mut table = NeighbourhoodMaximum::new(35.0, 3).unwrap();
        table.add(forecast.view(), observed.view()).unwrap();
        let expected = Counts { hits: 6, false_alarms: 3, misses: 3, correct_negatives: 13 };
        assert_eq!(table.counts(), expected);
        assert!(table.merge(&NeighbourhoodMaximum::new(35.0, 5).unwrap()).is_err());
    }
}
