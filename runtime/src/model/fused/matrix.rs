//! Products of matrices that lie anywhere among other values, through the crate `gemm`.

use rayon::prelude::*;

use super::wide::wide;

/// Products of fewer multiplications are not worth a second thread.
const PARALLEL: usize = 1 << 21;
/// Rows of a piece of work.
const ROWS: usize = 64;

/// A matrix within values: the element (i, j) stands at `i·row_step + j·column_step`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    /// Rows one after another, each at `row_step` from the last.
    ///
    /// # Panics
    /// If they reach beyond the values.
    pub fn new(values: &'a [f32], [rows, columns]: [usize; 2], row_step: usize) -> Matrix<'a> {
        Matrix::strided(values, [rows, columns], [row_step, 1])
    }

    /// As `new`, with any step between columns.
    pub fn strided(values: &'a [f32], [rows, columns]: [usize; 2], steps: [usize; 2]) -> Matrix<'a> {
        let [row_step, column_step] = steps;
        let inside =
            rows == 0 || columns == 0 || (rows - 1) * row_step + (columns - 1) * column_step < values.len();
        assert!(inside, "a matrix reaches beyond its values");
        Matrix { values, rows, columns, row_step, column_step }
    }

    /// The transpose, where it lies.
    pub fn turned(self) -> Matrix<'a> {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }
}

/// a·b, row after row, on all threads; with `bias` added to each row. The bits do not depend on the number of threads: the
/// sum over a's columns is never divided among them.
#[allow(unsafe_code)]
pub fn product(a: Matrix<'_>, b: Matrix<'_>, bias: Option<&[f32]>) -> Vec<f32> {
    let (rows, columns) = (a.rows, b.columns);
    let count = rows * columns;
    if a.columns == 0 {
        return vec![0.0; count];
    }
    let mut out: Vec<f32> = Vec::with_capacity(count);
    if rows == 1 || columns == 1 {
        // For vectors `gemm` takes ways of its own, which may read before they write.
        out.resize(count, 0.0);
        out.clear();
    }
    if let Some(bias) = bias {
        assert_eq!(bias.len(), columns, "a bias for each column");
        for _ in 0..rows {
            out.extend_from_slice(bias);
        }
    }
    let space = out.as_mut_ptr();
    // SAFETY: `space` has room for rows × columns values, which `gemm` all writes, reading them only if there is a bias
    // and they have been written above.
    unsafe {
        write_product(space, columns, a, b, bias.is_some(), rows * columns * a.columns >= PARALLEL);
        out.set_len(count);
    }
    out
}

/// a·b into rows at `row_step` from each other, on this thread.
///
/// # Panics
/// If the rows overlap or reach beyond `out`.
#[allow(unsafe_code)]
pub fn multiply(out: &mut [f32], row_step: usize, a: Matrix<'_>, b: Matrix<'_>) {
    if a.rows == 0 || b.columns == 0 {
        return;
    }
    let inside = (a.rows - 1) * row_step + b.columns <= out.len() && (a.rows == 1 || b.columns <= row_step);
    assert!(inside && a.columns > 0, "a product reaches beyond its place");
    // SAFETY: all rows lie inside `out`, as has just been seen.
    unsafe { write_product(out.as_mut_ptr(), row_step, a, b, false, false) }
}

/// # Safety
/// `out` must be valid for writes of a.rows rows of b.columns values at `row_step` from each other, and hold values if
/// `add`.
#[allow(unsafe_code)]
unsafe fn write_product(
    out: *mut f32,
    row_step: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
    add: bool,
    parallel: bool,
) {
    assert_eq!(a.columns, b.rows, "matrices that do not fit");
    let parallelism = if parallel { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None };
    // SAFETY: `Matrix` holds both operands within their values; the caller vouches for `out`.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out,
            1,
            row_step as isize,
            add,
            a.values.as_ptr(),
            a.column_step as isize,
            a.row_step as isize,
            b.values.as_ptr(),
            b.column_step as isize,
            b.row_step as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// The sum of each column, of rows of `width`.
pub fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    if width == 0 {
        return sums;
    }
    let parts: Vec<Vec<f32>> = values
        .par_chunks(ROWS * width)
        .map(|rows| {
            let mut part = vec![0.0; width];
            add_rows(&mut part, rows);
            part
        })
        .collect();
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    sums
}

wide! {
    pub fn add_rows(sums: &mut [f32], rows: &[f32]) {
        for row in rows.chunks_exact(sums.len()) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}
