//! Interval arithmetic: between which values a result can lie, given between which its operands do.
//!
//! An end that is nothing is open: nothing is known on that side. An end that a value does not reach (`> 0`) is
//! kept as the neighbouring number, so that `exp(x)` is known to be positive. What is computed here encloses the
//! truth and may be wider, for it treats each occurrence of a field as if it were another one.

/// The least and the greatest value.
pub type Range = (Option<f64>, Option<f64>);

/// Any number.
pub const UNKNOWN: Range = (None, None);
/// 0 or more.
pub const NOT_NEGATIVE: Range = (Some(0.0), None);
/// More than 0: from the smallest normal number.
pub const POSITIVE: Range = (Some(f64::MIN_POSITIVE), None);
/// A share, a mask.
pub const SHARE: Range = (Some(0.0), Some(1.0));

pub fn exactly(value: f64) -> Range {
    known(value, value)
}

/// The smallest range that has both.
pub fn hull(a: Range, b: Range) -> Range {
    let ((a, b), (c, d)) = (ends(a), ends(b));
    known(a.min(c), b.max(d))
}

/// What is in both; the first, if nothing is.
pub fn both(a: Range, b: Range) -> Range {
    let ((low_a, high_a), (low_b, high_b)) = (ends(a), ends(b));
    let (low, high) = (low_a.max(low_b), high_a.min(high_b));
    if low <= high { known(low, high) } else { a }
}

pub fn negate(a: Range) -> Range {
    let (low, high) = ends(a);
    known(-high, -low)
}

pub fn add(a: Range, b: Range) -> Range {
    let ((a, b), (c, d)) = (ends(a), ends(b));
    known(a + c, b + d)
}

pub fn subtract(a: Range, b: Range) -> Range {
    add(a, negate(b))
}

pub fn multiply(a: Range, b: Range) -> Range {
    let (x, y) = (ends(a), ends(b));
    corners(x, y, |p, q| if p == 0.0 || q == 0.0 { 0.0 } else { p * q }, x.0 > 0.0 && y.0 > 0.0)
}

/// Nothing is known if the divisor may be 0.
pub fn divide(a: Range, b: Range) -> Range {
    let (x, y) = (ends(a), ends(b));
    if y.0 <= 0.0 && y.1 >= 0.0 {
        // Both on one side of zero leaves the sign known, if not the size.
        let same = x.0 >= 0.0 && y.0 >= 0.0 || x.1 <= 0.0 && y.1 <= 0.0;
        let opposite = x.0 >= 0.0 && y.1 <= 0.0 || x.1 <= 0.0 && y.0 >= 0.0;
        return if same {
            NOT_NEGATIVE
        } else if opposite {
            negate(NOT_NEGATIVE)
        } else {
            UNKNOWN
        };
    }
    corners(x, y, |p, q| if p == 0.0 { 0.0 } else { p / q }, x.0 > 0.0 && y.0 > 0.0)
}

pub fn absolute(a: Range) -> Range {
    let (low, high) = ends(a);
    if low >= 0.0 {
        a
    } else if high <= 0.0 {
        negate(a)
    } else {
        known(0.0, high.max(-low))
    }
}

pub fn square_root(a: Range) -> Range {
    rising(a, |x| x.max(0.0).sqrt(), 0.0)
}

pub fn exponential(a: Range) -> Range {
    rising(a, f64::exp, f64::MIN_POSITIVE)
}

pub fn logarithm(a: Range) -> Range {
    rising(a, |x| if x > 0.0 { x.ln() } else { f64::NEG_INFINITY }, f64::NEG_INFINITY)
}

pub fn minimum(a: Range, b: Range) -> Range {
    let ((a, b), (c, d)) = (ends(a), ends(b));
    known(a.min(c), b.min(d))
}

pub fn maximum(a: Range, b: Range) -> Range {
    let ((a, b), (c, d)) = (ends(a), ends(b));
    known(a.max(c), b.max(d))
}

/// To a power that is known.
pub fn power(a: Range, exponent: f64) -> Range {
    let (low, high) = ends(a);
    if exponent == 0.0 {
        return exactly(1.0);
    }
    let even = exponent.rem_euclid(2.0) == 0.0;
    let a = if even { absolute(a) } else { a };
    let (low, high) = if even { ends(a) } else { (low, high) };
    if low < 0.0 && (exponent.fract() != 0.0 || exponent < 0.0) {
        return UNKNOWN;
    }
    if exponent < 0.0 {
        // Falling, and without bound at 0.
        let top = if low > 0.0 { low.powf(exponent) } else { f64::INFINITY };
        return known(high.powf(exponent).max(f64::MIN_POSITIVE), top);
    }
    let lowest = if low > 0.0 { f64::MIN_POSITIVE } else { f64::NEG_INFINITY };
    known(low.powf(exponent).max(lowest), high.powf(exponent))
}

/// A sum of values of one range, each with its factor.
pub fn weighted(a: Range, weights: &[f64]) -> Range {
    let (low, high) = ends(a);
    let term = |end: f64, factor: f64| if factor == 0.0 { 0.0 } else { end * factor };
    let sum = |positive: f64, negative: f64| -> f64 {
        weights.iter().map(|w| if *w >= 0.0 { term(positive, *w) } else { term(negative, *w) }).sum()
    };
    let (mut least, mut most) = (sum(low, high), sum(high, low));
    // Shares of an interpolation add up to 1 but for rounding, which must not widen a range.
    let total: f64 = weights.iter().sum();
    if (total - 1.0).abs() < 1e-9 && weights.iter().all(|w| *w >= 0.0) {
        (least, most) = (low, high);
    }
    known(least, most)
}

/// Whether 0 may occur.
pub fn has_zero(a: Range) -> bool {
    let (low, high) = ends(a);
    low <= 0.0 && high >= 0.0
}

/// The ends, where an open one is infinitely far.
pub fn ends(a: Range) -> (f64, f64) {
    (a.0.unwrap_or(f64::NEG_INFINITY), a.1.unwrap_or(f64::INFINITY))
}

/// The ends for people and plans: an end next to zero is zero.
pub fn shown(a: Range) -> Range {
    let near = |end: f64| if end.abs() <= f64::MIN_POSITIVE { 0.0 } else { end };
    (a.0.map(near), a.1.map(near))
}

fn known(low: f64, high: f64) -> Range {
    (low.is_finite().then_some(low), high.is_finite().then_some(high))
}

fn rising(a: Range, function: impl Fn(f64) -> f64, least: f64) -> Range {
    let (low, high) = ends(a);
    known(function(low).max(least), function(high))
}

/// Of a function that is monotone in each of its operands; `positive` keeps an underflow from reaching 0.
fn corners(x: (f64, f64), y: (f64, f64), of: impl Fn(f64, f64) -> f64, positive: bool) -> Range {
    let all = [of(x.0, y.0), of(x.0, y.1), of(x.1, y.0), of(x.1, y.1)];
    if all.iter().any(|corner| corner.is_nan()) {
        return if positive { POSITIVE } else { UNKNOWN };
    }
    let low = all.iter().copied().fold(f64::INFINITY, f64::min);
    let high = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    known(if positive { low.max(f64::MIN_POSITIVE) } else { low }, high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(low: f64, high: f64) -> Range {
        (Some(low), Some(high))
    }

    #[test]
    fn known_cases() {
        assert_eq!(multiply(range(-2.0, 3.0), range(-5.0, 4.0)), range(-15.0, 12.0));
        assert_eq!(multiply(NOT_NEGATIVE, NOT_NEGATIVE), NOT_NEGATIVE);
        assert_eq!(multiply(POSITIVE, POSITIVE), POSITIVE);
        assert_eq!(multiply(NOT_NEGATIVE, UNKNOWN), UNKNOWN);
        assert_eq!(divide(range(1.0, 2.0), range(4.0, 8.0)), range(0.125, 0.5));
        assert_eq!(divide(range(1.0, 2.0), NOT_NEGATIVE), NOT_NEGATIVE);
        assert_eq!(divide(range(-1.0, 2.0), NOT_NEGATIVE), UNKNOWN);
        assert_eq!(subtract(exactly(1.0), NOT_NEGATIVE), (None, Some(1.0)));
        assert_eq!(absolute(range(-3.0, 2.0)), range(0.0, 3.0));
        assert_eq!(square_root(range(-4.0, 9.0)), range(0.0, 3.0));
        assert_eq!(exponential(UNKNOWN), POSITIVE);
        assert_eq!(logarithm(NOT_NEGATIVE), UNKNOWN);
        assert_eq!(power(range(-3.0, 2.0), 2.0), range(0.0, 9.0));
        assert_eq!(power(range(-3.0, 2.0), 3.0), range(-27.0, 8.0));
        assert_eq!(power(POSITIVE, -1.0).0, Some(f64::MIN_POSITIVE));
        assert_eq!(weighted(range(-1.0, 3.0), &[2.0, 0.0, -1.0]), range(-5.0, 7.0));
        assert_eq!(weighted(NOT_NEGATIVE, &[0.3, 0.7]), NOT_NEGATIVE);
        assert_eq!(minimum(UNKNOWN, exactly(1.0)), (None, Some(1.0)));
        assert_eq!(maximum(UNKNOWN, exactly(0.0)), NOT_NEGATIVE);
        assert_eq!(both(range(0.0, 9.0), (None, Some(4.0))), range(0.0, 4.0));
        assert_eq!(shown(POSITIVE), NOT_NEGATIVE);
    }

    proptest! {
        /// Whatever the operands are within their ranges, the result is within its own.
        #[test]
        fn results_are_enclosed(
            a in -9.0..9.0f64, da in 0.0..5.0f64, s in 0.0..1.0f64,
            b in -9.0..9.0f64, db in 0.0..5.0f64, t in 0.0..1.0f64,
        ) {
            let (ra, rb) = (range(a, a + da), range(b, b + db));
            let (x, y) = (a + s * da, b + t * db);
            let holds = |range: Range, value: f64| {
                let (low, high) = ends(range);
                value.is_nan() || low - 1e-9 * (1.0 + low.abs()) <= value && value <= high + 1e-9 * (1.0 + high.abs())
            };
            prop_assert!(holds(add(ra, rb), x + y));
            prop_assert!(holds(subtract(ra, rb), x - y));
            prop_assert!(holds(multiply(ra, rb), x * y));
            prop_assert!(holds(divide(ra, rb), x / y));
            prop_assert!(holds(negate(ra), -x));
            prop_assert!(holds(absolute(ra), x.abs()));
            prop_assert!(holds(square_root(ra), x.sqrt()));
            prop_assert!(holds(exponential(ra), x.exp()));
            prop_assert!(holds(logarithm(ra), x.ln()));
            prop_assert!(holds(minimum(ra, rb), x.min(y)));
            prop_assert!(holds(maximum(ra, rb), x.max(y)));
            prop_assert!(holds(hull(ra, rb), x) && holds(hull(ra, rb), y));
            prop_assert!(holds(weighted(ra, &[2.0, -3.0]), 2.0 * x - 3.0 * (a + t * da)));
            for exponent in [-2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0] {
                prop_assert!(holds(power(ra, exponent), x.powf(exponent)), "{x} ^ {exponent}: {:?}", power(ra, exponent));
            }
        }
    }
}
