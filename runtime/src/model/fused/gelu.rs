//! GELU(x + bias), exact form, forward and backward.
//!
//! The error function is approximation 7.1.26 of Abramowitz and Stegun (1964), off by at most 1.5e-7: about the
//! rounding of 1 + erf in f32.

use rayon::prelude::*;

use super::wide::{exp, wide};

/// Elements of a piece of work, about.
const PIECE: usize = 1 << 14;

pub fn forward(x: &[f32], bias: &[f32]) -> Vec<f32> {
    let piece = piece(bias.len());
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(piece).zip(x.par_chunks(piece)).for_each(|(y, x)| forward_rows(y, x, bias));
    y
}

/// Gradients of x and bias.
pub fn backward(x: &[f32], bias: &[f32], gradient: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let piece = piece(bias.len());
    let mut dx = vec![0.0; x.len()];
    let parts: Vec<Vec<f32>> = dx
        .par_chunks_mut(piece)
        .zip(x.par_chunks(piece).zip(gradient.par_chunks(piece)))
        .map(|(dx, (x, gradient))| {
            let mut sums = vec![0.0; bias.len()];
            backward_rows(dx, &mut sums, x, bias, gradient);
            sums
        })
        .collect();
    let mut dbias = vec![0.0; bias.len()];
    for part in parts {
        dbias.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    (dx, dbias)
}

/// Whole rows only.
fn piece(width: usize) -> usize {
    (PIECE / width.max(1)).max(1) * width.max(1)
}

/// The normal distribution's probability below x, and e^(−x²/2).
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let bell = exp(-0.5 * x * x);
    let size = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let series = 1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4);
    let tail = 0.5 * bell * t * (0.254_829_6 + t * (-0.284_496_74 + t * series));
    (if x < 0.0 { tail } else { 1.0 - tail }, bell)
}

wide! {
    pub fn forward_rows(y: &mut [f32], x: &[f32], bias: &[f32]) {
        for (y, x) in y.chunks_exact_mut(bias.len()).zip(x.chunks_exact(bias.len())) {
            for ((y, x), bias) in y.iter_mut().zip(x).zip(bias) {
                let x = x + bias;
                *y = x * normal(x).0;
            }
        }
    }
}

wide! {
    pub fn backward_rows(dx: &mut [f32], sums: &mut [f32], x: &[f32], bias: &[f32], gradient: &[f32]) {
        let rows = x.chunks_exact(bias.len()).zip(gradient.chunks_exact(bias.len()));
        for (dx, (x, gradient)) in dx.chunks_exact_mut(bias.len()).zip(rows) {
            for ((((dx, sum), x), bias), gradient) in
                dx.iter_mut().zip(sums.iter_mut()).zip(x).zip(bias).zip(gradient)
            {
                let x = x + bias;
                let (below, bell) = normal(x);
                // 1/√(2π)
                let slope = gradient * (below + x * bell * 0.398_942_3);
                *dx = slope;
                *sum += slope;
            }
        }
    }
}
