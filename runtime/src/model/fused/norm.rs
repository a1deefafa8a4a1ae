//! Layer norm with scale and shift by group of rows, forward and backward.

use rayon::prelude::*;

use super::wide::{sum, wide};

/// Rows of a piece of work.
const ROWS: usize = 64;

/// y = (x − mean)/√(variance + ε)·scale + shift, added to `beside` if it is there.
pub fn forward(
    beside: Option<&[f32]>,
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    width: usize,
    epsilon: f32,
) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    let per_group = x.len() / (scale.len() / width);
    let per_group = per_group.max(1);
    let groups = y.par_chunks_mut(per_group).zip(x.par_chunks(per_group)).enumerate();
    groups.zip(scale.par_chunks(width).zip(shift.par_chunks(width))).for_each(
        |((group, (y, x)), (scale, shift))| {
            let pieces = y.par_chunks_mut(ROWS * width).zip(x.par_chunks(ROWS * width));
            pieces.enumerate().for_each(|(piece, (y, x))| {
                if let Some(beside) = beside {
                    y.copy_from_slice(&beside[group * per_group + piece * ROWS * width..][..y.len()]);
                }
                forward_rows(y, x, scale, shift, epsilon);
            });
        },
    );
    y
}

/// Gradients of x, scale and shift.
pub fn backward(
    x: &[f32],
    scale: &[f32],
    gradient: &[f32],
    width: usize,
    epsilon: f32,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let per_group = (x.len() / (scale.len() / width)).max(1);
    let mut dx = vec![0.0; x.len()];
    let (mut dscale, mut dshift) = (Vec::with_capacity(scale.len()), Vec::with_capacity(scale.len()));
    let inputs = x.chunks(per_group).zip(gradient.chunks(per_group)).zip(scale.chunks(width));
    for (dx, ((x, gradient), scale)) in dx.chunks_mut(per_group).zip(inputs) {
        let parts: Vec<Vec<f32>> = dx
            .par_chunks_mut(ROWS * width)
            .zip(x.par_chunks(ROWS * width).zip(gradient.par_chunks(ROWS * width)))
            .map(|(dx, (x, gradient))| {
                let mut sums = vec![0.0; 2 * width];
                backward_rows(dx, &mut sums, x, scale, gradient, epsilon);
                sums
            })
            .collect();
        let mut sums = vec![0.0; 2 * width];
        for part in parts {
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        dscale.extend_from_slice(&sums[..width]);
        dshift.extend_from_slice(&sums[width..]);
    }
    (dx, dscale, dshift)
}

/// Mean and 1/√(variance + ε) of a row.
#[inline(always)]
fn moments(x: &[f32], epsilon: f32) -> (f32, f32) {
    let count = x.len() as f32;
    let mean = sum(x.len(), |index| x[index]) / count;
    let variance = sum(x.len(), |index| (x[index] - mean) * (x[index] - mean)) / count;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

wide! {
    pub fn forward_rows(y: &mut [f32], x: &[f32], scale: &[f32], shift: &[f32], epsilon: f32) {
        let width = scale.len();
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let (mean, inverse) = moments(x, epsilon);
            for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                *y += (x - mean) * inverse * scale + shift;
            }
        }
    }
}

wide! {
    pub fn backward_rows(
        dx: &mut [f32],
        sums: &mut [f32],
        x: &[f32],
        scale: &[f32],
        gradient: &[f32],
        epsilon: f32,
    ) {
        let width = scale.len();
        let (dscale, dshift) = sums.split_at_mut(width);
        let rows = x.chunks_exact(width).zip(gradient.chunks_exact(width));
        for (dx, (x, gradient)) in dx.chunks_exact_mut(width).zip(rows) {
            let (mean, inverse) = moments(x, epsilon);
            let inner = sum(width, |index| gradient[index] * scale[index]) / width as f32;
            let along = sum(width, |index| {
                gradient[index] * scale[index] * ((x[index] - mean) * inverse)
            }) / width as f32;
            for index in 0..width {
                let standard = (x[index] - mean) * inverse;
                dx[index] = inverse * (gradient[index] * scale[index] - inner - standard * along);
                dscale[index] += gradient[index] * standard;
                dshift[index] += gradient[index];
            }
        }
    }
}
