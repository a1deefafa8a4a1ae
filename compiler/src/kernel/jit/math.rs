//! `exp`, `log` and `pow` on four lanes, inline and without branches.
//!
//! Argument reduction to a short interval, then a polynomial: `exp` and `log` in single precision, `pow` in double,
//! because an error in `y·log x` becomes, in x to the y, an error larger by as much as `y·log x` itself.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Value};

use super::lanes::Lanes;

/// ln 2 in two parts: products of the first with integers below 2¹⁵ are exact.
pub(super) const LN2_HIGH: f32 = 0.693_359_4;
pub(super) const LN2_LOW: f32 = -2.121_944_4e-4;
/// Added and subtracted again, it rounds a small `f32` to an integer; its low bits then hold that integer.
pub(super) const ROUND: f32 = 12_582_912.0;
/// From here on every `f32` is an integer.
pub(super) const ALL_INTEGERS: f32 = 8_388_608.0;
/// The bits of √½: mantissas are taken between it and √2, so that the logarithm of 1 does not cancel.
pub(super) const SQRT_HALF: i32 = 0x3f35_04f3;

/// Past these the exponential is 0 or ∞ in any case.
pub(super) const EXP_LOW: f32 = -104.0;
pub(super) const EXP_HIGH: f32 = 89.0;
/// eʳ = 1 + r + r²·(½ + …), the highest power first.
pub(super) const EXP_SERIES: [f32; 6] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5];
/// 2·artanh s = 2s + s·z·(⅔ + …) with z = s², the highest power first.
pub(super) const LOG_SERIES: [f32; 5] = [2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0];

impl Lanes<'_, '_> {
    /// eˣ = 2ⁿ·eʳ with n = round(x / ln 2), |r| ≤ ln 2 / 2, and eʳ by its Taylor series to r⁷ (remainder under 6e−9).
    /// The power of two is multiplied in by halves, so that subnormal results are rounded once.
    pub fn exp(&mut self, x: Value) -> Value {
        let (low, high) = (self.constant(EXP_LOW), self.constant(EXP_HIGH));
        let above = self.test(FloatCC::GreaterThan, x, low);
        let clamped = self.choose(above, x, low);
        let below = self.test(FloatCC::LessThan, clamped, high);
        let clamped = self.choose(below, clamped, high);

        let (scale, round) = (self.constant(std::f32::consts::LOG2_E), self.constant(ROUND));
        let shifted = self.fma(clamped, scale, round);
        let n = self.builder.ins().fsub(shifted, round);
        let (high, low) = (self.constant(-LN2_HIGH), self.constant(-LN2_LOW));
        let r = self.fma(n, high, clamped);
        let r = self.fma(n, low, r);

        let tail = self.polynomial(r, &EXP_SERIES);
        let square = self.builder.ins().fmul(r, r);
        let tail = self.fma(tail, square, r);
        let one = self.constant(1.0);
        let power = self.builder.ins().fadd(tail, one);

        let (shifted, round) = (self.cast(I32X4, shifted), self.integer(ROUND.to_bits() as i32));
        let n = self.builder.ins().isub(shifted, round);
        let half = self.builder.ins().sshr_imm_s(n, 1);
        let rest = self.builder.ins().isub(n, half);
        let (half, rest) = (self.power_of_two(half), self.power_of_two(rest));
        let result = self.builder.ins().fmul(power, half);
        let result = self.builder.ins().fmul(result, rest);
        let missing = self.test(FloatCC::Unordered, x, x);
        self.builder.ins().bor(result, missing)
    }

    /// ln x = e·ln 2 + ln m with m between √½ and √2. With f = m − 1 (exact) and s = f / (2 + f),
    /// ln m = 2·artanh s = f − f²/2 + s·(f²/2 + R), R = 2s²/3 + 2s⁴/5 + …: the large term is exact and the others are small.
    pub fn log(&mut self, x: Value) -> Value {
        let (mantissa, exponent) = self.split(x);
        let (one, two, half) = (self.constant(1.0), self.constant(2.0), self.constant(0.5));
        let f = self.builder.ins().fsub(mantissa, one);
        let divisor = self.builder.ins().fadd(f, two);
        let s = self.builder.ins().fdiv(f, divisor);
        let z = self.builder.ins().fmul(s, s);
        let series = self.polynomial(z, &LOG_SERIES);
        let r = self.builder.ins().fmul(series, z);
        let half_square = self.builder.ins().fmul(f, half);
        let half_square = self.builder.ins().fmul(half_square, f);
        let (high, low) = (self.constant(LN2_HIGH), self.constant(LN2_LOW));
        let sum = self.builder.ins().fadd(half_square, r);
        let small = self.builder.ins().fmul(exponent, low);
        let small = self.fma(s, sum, small);
        let small = self.builder.ins().fsub(small, half_square);
        let result = self.builder.ins().fadd(f, small);
        let result = self.fma(exponent, high, result);

        let (zero, infinity) = (self.constant(0.0), self.constant(f32::INFINITY));
        let minus_infinity = self.constant(f32::NEG_INFINITY);
        let infinite = self.test(FloatCC::Equal, x, infinity);
        let result = self.choose(infinite, x, result);
        let empty = self.test(FloatCC::Equal, x, zero);
        let result = self.choose(empty, minus_infinity, result);
        // "Unordered or less than": below zero or NaN.
        let missing = self.test(FloatCC::UnorderedOrLessThan, x, zero);
        self.builder.ins().bor(result, missing)
    }

    /// |x| to the y as 2 to the (y·log₂|x|) in double precision, then the sign and the special cases of IEEE 754, with NaN
    /// for any NaN.
    pub fn pow(&mut self, x: Value, y: Value) -> Value {
        let size = self.builder.ins().fabs(x);
        let (zero, one, infinity) = (self.constant(0.0), self.constant(1.0), self.constant(f32::INFINITY));
        let result = self.pow_of_positive(size, y);
        // 0 and ∞ have no mantissa: |x| is 0 or ∞ to the y, by the sign of y.
        let vanishing = self.test(FloatCC::Equal, size, zero);
        let infinite = self.test(FloatCC::Equal, size, infinity);
        let negative = self.test(FloatCC::LessThan, y, zero);
        let grows = self.builder.ins().bxor(infinite, negative);
        let limit = self.builder.ins().band(grows, infinity);
        let special = self.builder.ins().bor(vanishing, infinite);
        let result = self.choose(special, limit, result);
        // Anything to the 0, and 1 to anything.
        let (flat, unit) = (self.test(FloatCC::Equal, y, zero), self.test(FloatCC::Equal, size, one));
        let trivial = self.builder.ins().bor(flat, unit);
        let result = self.choose(trivial, one, result);
        // Odd powers keep the sign of x, that of −0 and −∞ too.
        let exponent = self.builder.ins().fabs(y);
        let half = self.constant(0.5);
        let half = self.builder.ins().fmul(exponent, half);
        let (whole, even) = (self.is_integer(exponent), self.is_integer(half));
        let odd = self.builder.ins().band_not(whole, even);
        let sign = self.constant(-0.0);
        let sign = self.builder.ins().band(sign, x);
        let sign = self.builder.ins().band(sign, odd);
        let result = self.builder.ins().bor(result, sign);
        // A negative number has only whole powers.
        let below = self.test(FloatCC::LessThan, x, zero);
        let fraction = self.builder.ins().band_not(below, whole);
        let fraction = self.builder.ins().band_not(fraction, infinite);
        let missing = self.test(FloatCC::Unordered, x, y);
        let missing = self.builder.ins().bor(missing, fraction);
        self.builder.ins().bor(result, missing)
    }

    /// For x above zero and finite.
    fn pow_of_positive(&mut self, x: Value, y: Value) -> Value {
        let (mantissa, exponent) = self.split(x);
        let halves = [false, true].map(|upper| {
            let [m, e, y] = [mantissa, exponent, y].map(|lanes| self.promote(lanes, upper));
            let log = self.log2_of_parts(m, e);
            let product = self.builder.ins().fmul(y, log);
            let power = self.exp2_double(product);
            self.builder.ins().fvdemote(power)
        });
        self.join(halves)
    }

    /// log₂(m·2ᵉ) in double precision: 2/ln 2 · artanh((m−1)/(m+1)) by its series to s¹⁵ (relative remainder under 2e−13).
    fn log2_of_parts(&mut self, m: Value, e: Value) -> Value {
        let one = self.double(1.0);
        let above = self.builder.ins().fsub(m, one);
        let below = self.builder.ins().fadd(m, one);
        let s = self.builder.ins().fdiv(above, below);
        let z = self.builder.ins().fmul(s, s);
        let factor = 2.0 / std::f64::consts::LN_2;
        let series: Vec<f64> = (0..8).rev().map(|k| factor / f64::from(2 * k + 1)).collect();
        let sum = self.polynomial_double(z, &series);
        self.fma(s, sum, e)
    }

    /// 2ᵗ in double precision: 2ⁿ·2ʳ with |r| ≤ ½ and 2ʳ by its Taylor series to r¹⁰ (remainder under 3e−13). `t` is held
    /// between limits past which the result is 0 or ∞ in single precision.
    fn exp2_double(&mut self, t: Value) -> Value {
        let (low, high) = (self.double(-200.0), self.double(200.0));
        let t = self.clamp_double(t, low, high);
        // The same trick as `ROUND`, shifted by the exponent's bias so that the low bits are the biased exponent.
        let round = self.double(6_755_399_441_055_744.0 + 1023.0);
        let shifted = self.builder.ins().fadd(t, round);
        let n = self.builder.ins().fsub(shifted, round);
        let r = self.builder.ins().fsub(t, n);
        let mut series = vec![1.0];
        for k in 1..=10 {
            let last = series[0];
            series.insert(0, last * std::f64::consts::LN_2 / f64::from(k));
        }
        let power = self.polynomial_double(r, &series);
        let bits = self.cast(I64X2, shifted);
        let bits = self.builder.ins().ishl_imm_s(bits, 52);
        let scale = self.cast(F64X2, bits);
        self.builder.ins().fmul(power, scale)
    }

    /// x = m·2ᵉ with m between √½ and √2, for x above zero and finite; subnormals are scaled first.
    fn split(&mut self, x: Value) -> (Value, Value) {
        let (least, scale) = (self.constant(f32::MIN_POSITIVE), self.constant(ALL_INTEGERS));
        let small = self.test(FloatCC::LessThan, x, least);
        let scaled = self.builder.ins().fmul(x, scale);
        let x = self.choose(small, scaled, x);
        let bits = self.cast(I32X4, x);
        let pivot = self.integer(SQRT_HALF);
        let e = self.builder.ins().isub(bits, pivot);
        let e = self.builder.ins().sshr_imm_s(e, 23);
        let shift = self.builder.ins().ishl_imm_s(e, 23);
        let m = self.builder.ins().isub(bits, shift);
        let m = self.cast(F32X4, m);
        let e = self.builder.ins().fcvt_from_sint(F32X4, e);
        let correction = self.constant(23.0);
        let correction = self.builder.ins().band(correction, small);
        (m, self.builder.ins().fsub(e, correction))
    }

    /// The lanes, none negative, that are integers or infinite.
    fn is_integer(&mut self, x: Value) -> Value {
        let limit = self.constant(ALL_INTEGERS);
        let large = self.test(FloatCC::GreaterThanOrEqual, x, limit);
        let rounded = self.builder.ins().fadd(x, limit);
        let rounded = self.builder.ins().fsub(rounded, limit);
        let whole = self.test(FloatCC::Equal, rounded, x);
        self.builder.ins().bor(large, whole)
    }

    /// 2ⁿ for n of −126 to 127.
    fn power_of_two(&mut self, n: Value) -> Value {
        let bias = self.integer(127);
        let biased = self.builder.ins().iadd(n, bias);
        let bits = self.builder.ins().ishl_imm_s(biased, 23);
        self.cast(F32X4, bits)
    }

    /// Horner's rule, the highest power first.
    fn polynomial(&mut self, x: Value, coefficients: &[f32]) -> Value {
        let mut sum = self.constant(coefficients[0]);
        for coefficient in &coefficients[1..] {
            let coefficient = self.constant(*coefficient);
            sum = self.fma(sum, x, coefficient);
        }
        sum
    }

    pub(super) fn polynomial_double(&mut self, x: Value, coefficients: &[f64]) -> Value {
        let mut sum = self.double(coefficients[0]);
        for coefficient in &coefficients[1..] {
            let coefficient = self.double(*coefficient);
            sum = self.fma(sum, x, coefficient);
        }
        sum
    }

    pub(super) fn clamp_double(&mut self, x: Value, low: Value, high: Value) -> Value {
        let above = self.builder.ins().fcmp(FloatCC::GreaterThan, x, low);
        let above = self.cast(F64X2, above);
        let x = self.choose(above, x, low);
        let below = self.builder.ins().fcmp(FloatCC::LessThan, x, high);
        let below = self.cast(F64X2, below);
        self.choose(below, x, high)
    }

    pub(super) fn double(&mut self, number: f64) -> Value {
        self.vector(F64X2, &number.to_bits().to_le_bytes())
    }

    pub(super) fn fma(&mut self, x: Value, y: Value, z: Value) -> Value {
        self.builder.ins().fma(x, y, z)
    }

    /// Two of four lanes in double precision.
    pub(super) fn promote(&mut self, lanes: Value, upper: bool) -> Value {
        let lanes = if upper { self.shuffle(lanes, lanes, [8, 8]) } else { lanes };
        self.builder.ins().fvpromote_low(lanes)
    }

    /// The lower two lanes of each.
    pub(super) fn join(&mut self, [lower, upper]: [Value; 2]) -> Value {
        self.shuffle(lower, upper, [0, 16])
    }

    /// Two runs of 8 bytes, from the places given, of the 32 bytes of both.
    fn shuffle(&mut self, first: Value, second: Value, runs: [u8; 2]) -> Value {
        let bytes: Vec<u8> = runs.iter().flat_map(|start| *start..start + 8).collect();
        let (first, second) = (self.cast(I8X16, first), self.cast(I8X16, second));
        let mask = self.builder.func.dfg.immediates.push(bytes.into());
        let shuffled = self.builder.ins().shuffle(first, second, mask);
        self.cast(F32X4, shuffled)
    }
}
