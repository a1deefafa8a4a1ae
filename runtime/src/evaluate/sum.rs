//! Exact summation of f64 values.
//!
//! A sum of floating-point numbers depends on the order of the additions. [`ExactSum`] does not: it holds the sum as
//! one wide fixed-point integer (a *superaccumulator*; Kulisch, *Computer Arithmetic and Validity*, 2013, ch. 8) and
//! rounds once, when the value is read. Adding and merging are therefore associative and commutative, bit for bit.

/// 32-bit digits that cover 2^-1074 (the smallest f64) to 2^1024, and 64 bits for carries above.
const DIGITS: usize = 68;
/// Additions after which carries are resolved; each adds less than 2^32 to a digit, so an i64 cannot overflow.
const PENDING: u32 = 1 << 30;
/// Exponent of the lowest bit of the lowest digit.
const LOWEST: i32 = -1074;

/// An exact sum of finite f64 values.
///
/// The value is Σ `digits[k]` · 2^(32k − 1074). Non-finite terms make the sum NaN.
#[derive(Clone)]
pub struct ExactSum {
    digits: [i64; DIGITS],
    pending: u32,
    poisoned: bool,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self { digits: [0; DIGITS], pending: 0, poisoned: false }
    }
}

impl std::fmt::Debug for ExactSum {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ExactSum({})", self.value())
    }
}

/// Equal when the exact values are equal.
impl PartialEq for ExactSum {
    fn eq(&self, other: &Self) -> bool {
        let (mut left, mut right) = (self.clone(), other.clone());
        left.carry();
        right.carry();
        left.digits == right.digits && left.poisoned == right.poisoned
    }
}

impl ExactSum {
    /// The empty sum, 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as u32;
        let mut mantissa = bits & ((1 << 52) - 1);
        if exponent == 0x7ff {
            self.poisoned = true;
            return;
        }
        // A normal number is (2^52 + mantissa) · 2^(exponent − 1075), a subnormal one mantissa · 2^−1074.
        let shift = if exponent == 0 {
            0
        } else {
            mantissa |= 1 << 52;
            exponent - 1
        };
        let digit = (shift / 32) as usize;
        let wide = u128::from(mantissa) << (shift % 32);
        let sign = if bits >> 63 == 0 { 1 } else { -1 };
        self.digits[digit] += sign * (wide & 0xffff_ffff) as i64;
        self.digits[digit + 1] += sign * ((wide >> 32) & 0xffff_ffff) as i64;
        self.digits[digit + 2] += sign * (wide >> 64) as i64;
        self.pending += 1;
        if self.pending == PENDING {
            self.carry();
        }
    }

    /// Adds `left · right` without rounding the product (as long as it does not underflow).
    #[inline]
    pub fn add_product(&mut self, left: f64, right: f64) {
        let product = left * right;
        self.add(product);
        self.add(left.mul_add(right, -product));
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.combine(other, 1);
    }

    /// `self − other`, rounded once.
    pub fn difference(&self, other: &Self) -> f64 {
        let mut result = self.clone();
        result.combine(other, -1);
        result.value()
    }

    /// The sum, rounded once to the nearest f64.
    pub fn value(&self) -> f64 {
        if self.poisoned {
            return f64::NAN;
        }
        let mut digits = self.clone();
        digits.carry();
        let negative = digits.digits[DIGITS - 1] < 0;
        if negative {
            digits.digits.iter_mut().for_each(|digit| *digit = -*digit);
            digits.carry();
        }
        let Some(top) = digits.digits.iter().rposition(|digit| *digit != 0) else { return 0.0 };
        // Three digits hold at least 65 significant bits; everything below only breaks ties.
        let digit = |back: usize| top.checked_sub(back).map_or(0, |index| digits.digits[index] as u128);
        let mut head = (digit(0) << 64) | (digit(1) << 32) | digit(2);
        if digits.digits[..top.saturating_sub(2)].iter().any(|digit| *digit != 0) {
            head |= 1;
        }
        let magnitude = scale(head as f64, 32 * (top as i32 - 2) + LOWEST);
        if negative { -magnitude } else { magnitude }
    }

    /// The sum as an unevaluated pair `high + low`, some 106 bits.
    pub fn pair(&self) -> (f64, f64) {
        let high = self.value();
        let mut rest = self.clone();
        rest.add(-high);
        (high, rest.value())
    }

    fn combine(&mut self, other: &Self, sign: i64) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        for (digit, term) in self.digits.iter_mut().zip(other.digits) {
            *digit += sign * term;
        }
        self.poisoned |= other.poisoned;
        self.carry();
    }

    /// Brings every digit but the highest into 0 .. 2^32, which makes the representation unique.
    fn carry(&mut self) {
        for index in 0..DIGITS - 1 {
            let carried = self.digits[index] >> 32;
            self.digits[index] -= carried << 32;
            self.digits[index + 1] += carried;
        }
        self.pending = 0;
    }
}

/// `a·b − c·d` of four sums, each product exact to some 106 bits: no cancellation as in f64.
pub fn determinant(a: &ExactSum, b: &ExactSum, c: &ExactSum, d: &ExactSum) -> f64 {
    let mut result = ExactSum::new();
    for (left, right, sign) in [(a.pair(), b.pair(), 1.0), (c.pair(), d.pair(), -1.0)] {
        for x in [left.0, left.1] {
            for y in [right.0, right.1] {
                result.add_product(sign * x, y);
            }
        }
    }
    result.value()
}

/// `value · 2^exponent`, in two steps so that neither factor leaves the range of f64.
fn scale(value: f64, exponent: i32) -> f64 {
    let half = exponent / 2;
    value * 2f64.powi(half) * 2f64.powi(exponent - half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> ExactSum {
        let mut result = ExactSum::new();
        values.iter().for_each(|value| result.add(*value));
        result
    }

    #[test]
    fn keeps_what_f64_loses() {
        assert_eq!(sum(&[1e16, 1.0, -1e16]).value(), 1.0);
        assert_eq!(sum(&[1e300, 1e-300, -1e300]).value(), 1e-300);
        assert_eq!(sum(&[0.1; 10]).value(), 1.0, "ten times the f64 nearest to 0.1 rounds to 1");
        assert_eq!(sum(&[]).value(), 0.0);
        assert_eq!(sum(&[-3.5]).value(), -3.5);
        assert_eq!(sum(&[f64::MIN_POSITIVE, -5e-324]).value(), f64::MIN_POSITIVE - 5e-324);
        assert!(sum(&[f64::INFINITY]).value().is_nan());
    }

    #[test]
    fn rounds_ties_to_even_and_looks_below() {
        let half = f64::EPSILON / 2.0;
        assert_eq!(sum(&[1.0, half]).value(), 1.0);
        assert_eq!(sum(&[1.0, half, 1e-200]).value(), 1.0 + f64::EPSILON);
    }

    #[test]
    fn a_determinant_does_not_cancel() {
        let values = [300.0, 300.000_03_f32 as f64, 300.0, 299.999_97_f32 as f64];
        let squares: Vec<f64> = values.iter().map(|value| value * value).collect();
        let (count, first, second) = (sum(&[4.0]), sum(&values), sum(&squares));
        let expected: f64 = values.iter().map(|value| 4.0 * (value - 300.0).powi(2)).sum();
        assert_eq!(determinant(&count, &second, &first, &first), expected);
    }

    proptest! {
        #[test]
        fn order_and_merges_do_not_matter(values in prop::collection::vec(prop::num::f64::NORMAL, 0..60), cut in 0usize..60) {
            let values: Vec<f64> = values.into_iter().map(|value| value * 1e-10).collect();
            let forward = sum(&values);
            let reversed: Vec<f64> = values.iter().rev().copied().collect();
            prop_assert_eq!(&forward, &sum(&reversed));
            let cut = cut.min(values.len());
            let mut merged = sum(&values[cut..]);
            merged.merge(&sum(&values[..cut]));
            prop_assert_eq!(merged.value().to_bits(), forward.value().to_bits());
        }

        #[test]
        fn two_terms_agree_with_the_processor(left in -1e30f64..1e30, right in -1e30f64..1e30) {
            prop_assert_eq!(sum(&[left, right]).value(), left + right);
        }
    }
}
