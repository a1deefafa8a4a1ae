//! Forecast verification: what was forecast against what was observed.
//!
//! Every metric is an **accumulator of sufficient statistics**: `add` takes one sample (a forecast and an observed
//! field), `merge` joins two accumulators, and the ratio or root is taken once, at the end.
//!
//! What always holds:
//! - NaN and infinities are missing. A cell counts only if forecast *and* observation are finite (common mask).
//! - An event is `value >= threshold`, the threshold first rounded to f32, the fields' own precision.
//! - A zero denominator gives NaN, never 0, 1 or infinity; in `scores.jsonl` it is `null`.
//! - Counts are u64; sums of real numbers are exact ([`sum::ExactSum`]), so that the result is bitwise the same for
//!   any order of samples, any tree of merges and any number of threads.

pub mod contingency;
pub mod continuous;
pub mod evaluation;
mod forecasts;
pub mod fss;
pub mod judge;
pub mod neighbourhood;
pub mod persistence;
pub mod scores;
pub mod sum;
pub mod table;

pub use contingency::{Contingency, Counts};
pub use continuous::Continuous;
pub use evaluation::{Evaluation, FieldKey, Thresholds};
pub use fss::{EventTables, Fss, Padding};
pub use neighbourhood::NeighbourhoodMaximum;
pub use persistence::Persistence;
pub use scores::{ScoreRow, read_rows, write_rows};
pub use table::table;

use ndarray::ArrayView2;

/// Why a pair of fields could not be scored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EvaluateError {
    /// The two fields do not lie on the same grid.
    #[error(
        "the {what} has {found_rows} x {found_columns} cells but the forecast has {rows} x {columns}; \
         bring both to one grid before scoring"
    )]
    Shape {
        /// Which field differs, such as "observation".
        what: &'static str,
        /// Rows of the forecast.
        rows: usize,
        /// Columns of the forecast.
        columns: usize,
        /// Rows of the other field.
        found_rows: usize,
        /// Columns of the other field.
        found_columns: usize,
    },
    /// A neighbourhood without a middle cell.
    #[error("a neighbourhood of {width} cells has no middle cell; use an odd width such as {}", width + 1)]
    EvenWidth {
        /// The width asked for, in cells.
        width: usize,
    },
    /// A threshold that is NaN or infinite.
    #[error("the threshold {threshold} is not a finite number")]
    Threshold {
        /// The threshold asked for.
        threshold: f64,
    },
    /// A weight that is negative or not finite.
    #[error("the weight {weight} in row {row}, column {column} is not a finite number of at least 0")]
    Weight {
        /// The weight found.
        weight: f64,
        /// Row of the cell.
        row: usize,
        /// Column of the cell.
        column: usize,
    },
    /// A grid with more cells than a 32-bit count holds.
    #[error("a grid of {cells} cells is too large for neighbourhood scores (at most 4294967295 cells)")]
    TooLarge {
        /// Cells of the grid.
        cells: usize,
    },
    /// Two accumulators that measure different things.
    #[error("cannot merge scores of {left} with scores of {right}")]
    Merge {
        /// What the left one measures.
        left: String,
        /// What the right one measures.
        right: String,
    },
    /// The distance between two cells is not a positive number.
    #[error("the grid spacing {spacing_km} km is not a positive number")]
    Spacing {
        /// The spacing given.
        spacing_km: f64,
    },
}

/// Fails unless both fields have the same rows and columns.
pub(crate) fn same_shape<A, B>(
    forecast: &ArrayView2<'_, A>,
    other: &ArrayView2<'_, B>,
    what: &'static str,
) -> Result<(), EvaluateError> {
    let ((rows, columns), (found_rows, found_columns)) = (forecast.dim(), other.dim());
    if (rows, columns) == (found_rows, found_columns) {
        Ok(())
    } else {
        Err(EvaluateError::Shape { what, rows, columns, found_rows, found_columns })
    }
}

/// `numerator / denominator`, NaN if the denominator is zero.
pub(crate) fn ratio(numerator: f64, denominator: f64) -> f64 {
    if denominator == 0.0 { f64::NAN } else { numerator / denominator }
}
