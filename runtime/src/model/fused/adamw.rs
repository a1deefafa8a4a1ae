//! A step of AdamW in one pass over weight, moments and gradient, in place; and sums of squares.

use rayon::prelude::*;

use super::wide::{LANES, sum, wide};

/// Elements of a piece of work.
const PIECE: usize = 1 << 15;

/// The numbers of one step of AdamW (Loshchilov and Hutter 2019, algorithm 2), rounded once from f64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Factor of the gradient, which clips it.
    pub clip: f32,
    pub beta1: f32,
    pub beta2: f32,
    /// 1 − β₁ and 1 − β₂.
    pub rest1: f32,
    pub rest2: f32,
    /// The rate over 1 − β₁ᵗ.
    pub rate: f32,
    /// 1/√(1 − β₂ᵗ).
    pub root: f32,
    pub epsilon: f32,
    /// 1 − rate·decay.
    pub keep: f32,
}

/// Moves weight and moments.
pub fn step(weight: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32], step: Step) {
    let moments = first.par_chunks_mut(PIECE).zip(second.par_chunks_mut(PIECE));
    weight
        .par_chunks_mut(PIECE)
        .zip(moments)
        .zip(gradient.par_chunks(PIECE))
        .for_each(|((weight, (first, second)), gradient)| move_piece(weight, first, second, gradient, step));
}

wide! {
    pub fn move_piece(weight: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32], step: Step) {
        let moments = first.iter_mut().zip(second.iter_mut());
        for ((weight, (first, second)), gradient) in weight.iter_mut().zip(moments).zip(gradient) {
            let gradient = gradient * step.clip;
            *first = *first * step.beta1 + gradient * step.rest1;
            *second = *second * step.beta2 + gradient * gradient * step.rest2;
            let direction = *first * step.rate / (second.sqrt() * step.root + step.epsilon);
            *weight = *weight * step.keep - direction;
        }
    }
}

/// Sums of squares, one for each piece of the values, so that the whole may be summed in higher precision.
pub fn squares(values: &[f32]) -> Vec<f32> {
    values
        .par_chunks(PIECE)
        .map(|piece| {
            let mut result = [0.0];
            square_sum(&mut result, piece);
            result[0]
        })
        .collect()
}

wide! {
    pub fn square_sum(result: &mut [f32; 1], values: &[f32]) {
        let mut lanes = [0f32; 4 * LANES];
        let (whole, rest) = values.as_chunks::<{ 4 * LANES }>();
        for chunk in whole {
            for (sum, value) in lanes.iter_mut().zip(chunk) {
                *sum += value * value;
            }
        }
        let rest = sum(rest.len(), |index| rest[index] * rest[index]);
        result[0] = sum(lanes.len(), |index| lanes[index]) + rest;
    }
}
