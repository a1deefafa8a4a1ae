//! Decimal arithmetic for units: what is written in one unit is exactly what is written in another.
//!
//! In binary, 25.4 mm × 0.001 is not 0.0254 m: the last bit differs, and with it every digest. Here the
//! digits are multiplied, and the result is rounded once, to the nearest `f64`.

/// Denominators of factors that have no finite decimal: 1 km/h is 1000/3600 m/s, 1 °F is 5/9 K.
const DENOMINATORS: [u32; 6] = [1, 9, 60, 3600, 86_400, 604_800];
/// Digits that a factor times its denominator has at most, to be taken for a decimal.
const MOST_DIGITS: usize = 13;

/// A number as `digits * 10^exponent / denominator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decimal {
    digits: i128,
    exponent: i32,
    denominator: i128,
}

/// `value * factor + offset`, rounded once. All three are read as the shortest decimals that stand for
/// them; factor and offset also as fractions of time or of ninths. Where the digits are too many for 128
/// bits, and for what is not finite, binary arithmetic decides.
#[must_use]
pub fn scaled(value: f64, factor: f64, offset: f64) -> f64 {
    if factor == 1.0 && offset == 0.0 {
        return value;
    }
    decimal(value)
        .zip(fraction(factor))
        .zip(fraction(offset))
        .and_then(|((value, factor), offset)| rounded(sum(product(value, factor)?, offset)?))
        .unwrap_or(value * factor + offset)
}

/// The shortest decimal that reads as this number.
fn decimal(value: f64) -> Option<Decimal> {
    if !value.is_finite() {
        return None;
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let places = mantissa.split_once('.').map_or(0, |(_, behind)| behind.len());
    let digits: i128 = mantissa.replace('.', "").parse().ok()?;
    Some(Decimal { digits, exponent: exponent - places as i32, denominator: 1 })
}

fn fraction(value: f64) -> Option<Decimal> {
    for denominator in DENOMINATORS {
        let multiple = value * f64::from(denominator);
        // The product may be off by its last bit.
        for candidate in [multiple, multiple.next_up(), multiple.next_down()] {
            let short = decimal(candidate)?;
            if short.digits.to_string().trim_start_matches('-').len() <= MOST_DIGITS
                && candidate / f64::from(denominator) == value
            {
                return Some(Decimal { denominator: i128::from(denominator), ..short });
            }
        }
    }
    decimal(value)
}

fn product(a: Decimal, b: Decimal) -> Option<Decimal> {
    Some(Decimal {
        digits: a.digits.checked_mul(b.digits)?,
        exponent: a.exponent.checked_add(b.exponent)?,
        denominator: a.denominator.checked_mul(b.denominator)?,
    })
}

fn sum(a: Decimal, b: Decimal) -> Option<Decimal> {
    if b.digits == 0 {
        return Some(a);
    }
    let exponent = a.exponent.min(b.exponent);
    let shifted = |x: Decimal, other: Decimal| {
        let places = u32::try_from(x.exponent.checked_sub(exponent)?).ok()?;
        x.digits.checked_mul(10i128.checked_pow(places)?)?.checked_mul(other.denominator)
    };
    Some(Decimal {
        digits: shifted(a, b)?.checked_add(shifted(b, a)?)?,
        exponent,
        denominator: a.denominator.checked_mul(b.denominator)?,
    })
}

/// The nearest `f64`. A quotient is written out to as many digits as fit, with a last digit that says
/// whether anything is left, so that reading it rounds as the whole would.
fn rounded(number: Decimal) -> Option<f64> {
    let (mut digits, mut exponent) = (number.digits, number.exponent);
    let mut left = "";
    if number.denominator != 1 {
        while let Some(more) = digits.checked_mul(10).filter(|_| digits != 0) {
            (digits, exponent) = (more, exponent.checked_sub(1)?);
        }
        left = if digits % number.denominator == 0 { "" } else { "1" };
        digits /= number.denominator;
        exponent = exponent.checked_sub(i32::from(!left.is_empty()))?;
    }
    format!("{digits}{left}e{exponent}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_length_in_many_units_is_one_number() {
        assert_eq!(scaled(1.1, 1e-3, 0.0), 0.0011);
        assert_ne!(5.1 * 1e-3, 0.0051, "binary arithmetic would do");
        assert_eq!(scaled(5.1, 1e-3, 0.0), 0.0051);
        assert_eq!(scaled(0.1, 3600.0, 0.0), scaled(6.0, 60.0, 0.0));
        for value in [0.1, 0.7, 1.1, 2.3, 12.6, 77.7, 1e-5] {
            assert_eq!(scaled(value * 1e3, 1.0, 0.0), scaled(value, 1e3, 0.0), "{value}");
        }
    }

    #[test]
    fn fractions_without_end_agree() {
        // 1 mm/h = 24 mm/d; 3.6 km/h = 1 m/s; 1 kt = 1.852 km/h.
        assert_eq!(scaled(1.0, 1e-3 / 3600.0, 0.0), scaled(24.0, 1e-3 / 86_400.0, 0.0));
        assert_eq!(scaled(3.6, 1e3 / 3600.0, 0.0), 1.0);
        assert_eq!(scaled(1.0, 1852.0 / 3600.0, 0.0), scaled(1.852, 1e3 / 3600.0, 0.0));
    }

    #[test]
    fn degrees_have_an_offset() {
        assert_eq!(scaled(-5.0, 1.0, 273.15), 268.15);
        assert_eq!(scaled(26.84, 1.0, 273.15), 299.99);
        assert_eq!(scaled(212.0, 5.0 / 9.0, 273.15 - 32.0 * 5.0 / 9.0), 373.15);
        assert_eq!(scaled(32.0, 5.0 / 9.0, 273.15 - 32.0 * 5.0 / 9.0), 273.15);
    }

    #[test]
    fn what_does_not_fit_is_left_to_binary_arithmetic() {
        assert_eq!(scaled(f64::INFINITY, 1e3, 0.0), f64::INFINITY);
        assert!(scaled(f64::NAN, 1e3, 0.0).is_nan());
        assert_eq!(scaled(1e300, 1e3, 1.0), 1e303);
        assert_eq!(scaled(0.0, 1e3 / 3600.0, 0.0), 0.0);
        assert_eq!(scaled(1e-320, 1e-3, 0.0), 1e-323);
        let radian = std::f64::consts::PI / 180.0;
        assert_eq!(scaled(180.0, radian, 0.0), std::f64::consts::PI);
    }
}
