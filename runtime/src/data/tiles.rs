//! Kernels that machine code cannot do yet, interpreted in `f32` over bands of rows side by side: right, but
//! slower.

use aurora_compiler::kernel::interpret::{Extent, InterpretError, interpret_on};
use aurora_compiler::kernel::ir::Kernel;
use ndarray::{Array2, Array3, ArrayView3, s};
use rayon::prelude::*;

/// Grid points in a band: its columns stay in the processor's cache, and a field falls into enough bands for all cores.
const POINTS: usize = 4096;

/// The outputs of a verified kernel on a grid, (levels, rows, columns) each; inputs in the kernel's order, of this shape.
/// They do not depend on the bands: a kernel that looks at neighbouring rows is given them.
///
/// # Errors
/// Inputs that do not fit the kernel.
pub fn interpret(
    kernel: &Kernel,
    inputs: &[ArrayView3<'_, f32>],
    results: &mut [Array3<f32>],
) -> Result<(), InterpretError> {
    let Some((_, rows, columns)) = inputs.first().map(|input| input.dim()) else { return Ok(()) };
    let reach = kernel.reach();
    let height = (POINTS / columns.max(1)).max(4 * reach).max(1);
    let starts: Vec<usize> = (0..rows).step_by(height).collect();
    let bands: Vec<Vec<Array2<f32>>> = starts
        .par_iter()
        .map(|start| {
            let (top, bottom) = (start.saturating_sub(reach), (start + height + reach).min(rows));
            let band: Vec<Array2<f32>> = inputs
                .iter()
                .map(|input| {
                    let part = input.slice(s![.., top..bottom, ..]);
                    let depth = part.dim().0;
                    let cells = part.iter().copied().collect();
                    Array2::from_shape_vec((depth, (bottom - top) * part.dim().2), cells).unwrap_or_default()
                })
                .collect();
            let views: Vec<_> = band.iter().map(|input| input.view()).collect();
            interpret_on(kernel, &views, Extent { rows: bottom - top, columns })
        })
        .collect::<Result<_, InterpretError>>()?;
    for (start, band) in starts.iter().zip(bands) {
        let (top, end) = (start.saturating_sub(reach), (start + height).min(rows));
        for (result, output) in results.iter_mut().zip(&band) {
            for (mut level, cells) in result.outer_iter_mut().zip(output.outer_iter()) {
                let wanted = cells.slice(s![(start - top) * columns..(end - top) * columns]);
                for (to, from) in level.slice_mut(s![*start..end, ..]).iter_mut().zip(wanted) {
                    *to = *from;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use aurora_compiler::kernel::text::parse;

    use super::*;

    #[test]
    fn bands_leave_no_trace() {
        let text = "kernel k(a: column 2, b: cell) {
            %0 = input a
            %1 = input b
            %2 = mul %0 %1
            %3 = difference %2 y
            %4 = difference %3 x
            %5 = difference %4 y
            %6 = add %5 %0
            output o = %6
        }";
        let kernel = parse(text).unwrap().kernels.remove(0);
        assert_eq!(kernel.reach(), 3);
        let (rows, columns) = (61, 700);
        let number =
            |(k, i, j): (usize, usize, usize)| ((k * 31 + i * i * 7 + j * j * 3) % 1009) as f32 / 64.0;
        let a = Array3::from_shape_fn((2, rows, columns), number);
        let b = Array3::from_shape_fn((1, rows, columns), |(_, i, j)| number((5, j, i)));
        let mut found = vec![Array3::from_elem((2, rows, columns), f32::NAN)];
        interpret(&kernel, &[a.view(), b.view()], &mut found).unwrap();
        let found = found.remove(0);
        let flat = |x: &Array3<f32>| x.clone().into_shape_with_order((x.dim().0, rows * columns)).unwrap();
        let (a, b) = (flat(&a), flat(&b));
        let whole = interpret_on(&kernel, &[a.view(), b.view()], Extent { rows, columns }).unwrap();
        assert_eq!(flat(&found), whole[0]);
        // What is compared is no constant.
        assert!(found.iter().any(|x| *x != found[[0, 0, 0]]));
    }
}
