//! Units: how a number is spelt. Every unit is a dimension, a factor to SI, an offset and a scale.
//!
//! `m^2/s^2`, `m²/s²` and `m² * s⁻²` are one unit. Text is brought to Unicode's composed form (NFC) first,
//! and the two signs for micro are taken for one.

mod suggest;
mod table;

use unicode_normalization::UnicodeNormalization;

use crate::dimension::Dimension;

pub use suggest::{KNOWN, suggest};

/// `SI value = value * factor + offset`, except that logarithmic values stay as they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    pub dimension: Dimension,
    pub factor: f64,
    pub offset: f64,
    pub scale: Scale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scale {
    /// Zero means nothing: K, Pa, m/s.
    Ratio,
    /// Zero is a convention: a point in °C. Its value is kept on the ratio scale, but two points have no sum.
    Affine,
    /// Ten times the decimal logarithm of a ratio to a reference: dBZ.
    Logarithmic,
    /// A difference of two logarithmic values: dB.
    Decibel,
}

impl Unit {
    /// A value in this unit, in SI (logarithmic values unchanged).
    pub fn to_si(&self, value: f64) -> f64 {
        crate::exact::scaled(value, self.factor, self.offset)
    }

    /// A value in SI, in this unit.
    pub fn from_si(&self, value: f64) -> f64 {
        (value - self.offset) / self.factor
    }
}

/// Reads `m^2/s^2`, `m²·s⁻²`, `J/kg/K`, `hPa`, `degC`, `%`, `1`. On failure gives back the part that is no unit.
pub fn parse(text: &str) -> Result<Unit, String> {
    let text = normal(text);
    let text = text.as_str();
    let mut unit = Unit { dimension: Dimension::NONE, factor: 1.0, offset: 0.0, scale: Scale::Ratio };
    let single = !text.contains(BETWEEN);
    let mut rest = text;
    let mut divide = false;
    loop {
        let end = rest.find(BETWEEN).unwrap_or(rest.len());
        let part = rest[..end].trim();
        let (atom, exponent) = power_of(part).ok_or_else(|| part.to_string())?;
        let plain = single && exponent == 1;
        // What has a zero or a logarithm of its own cannot be multiplied.
        let base = table::named(atom).filter(|u| plain || matches!(u.scale, Scale::Ratio));
        let base = base.ok_or_else(|| part.to_string())?;
        if plain {
            return Ok(base);
        }
        let signed = if divide { -exponent } else { exponent };
        let power = base.dimension.power(f64::from(signed)).ok_or_else(|| text.to_string())?;
        unit.dimension = unit.dimension.times(power);
        unit.factor *= base.factor.powi(signed);
        if !unit.factor.is_normal() {
            return Err(text.to_string());
        }
        let Some(sign) = rest[end..].chars().next() else { return Ok(unit) };
        divide = sign == '/';
        rest = &rest[end + sign.len_utf8()..];
    }
}

/// `m^2/s^-1` as it is printed: `m²/s⁻¹`.
pub fn pretty(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut raised = false;
    for c in text.chars() {
        let small = RAISED.iter().find(|(_, plain)| raised && *plain == c);
        match (c, small) {
            ('^', _) => raised = true,
            (_, Some((small, _))) => shown.push(*small),
            _ => {
                raised = false;
                shown.push(c);
            }
        }
    }
    shown
}

/// Whether a unit says that energy or power is meant: 2500 J/kg is no helicity, although J/kg = m²/s².
pub fn spells_energy(text: &str) -> bool {
    let text = normal(text);
    text.split(BETWEEN).filter_map(power_of).any(|(atom, _)| {
        let base = table::without_prefix(atom).unwrap_or(atom);
        ["J", "W", "cal"].contains(&base)
    })
}

const BETWEEN: [char; 5] = ['/', '*', '·', '⋅', '×'];

const RAISED: [(char, char); 11] = [
    ('⁰', '0'),
    ('¹', '1'),
    ('²', '2'),
    ('³', '3'),
    ('⁴', '4'),
    ('⁵', '5'),
    ('⁶', '6'),
    ('⁷', '7'),
    ('⁸', '8'),
    ('⁹', '9'),
    ('⁻', '-'),
];

/// Composed characters, one micro sign, one way to write °C.
fn normal(text: &str) -> String {
    let composed: String = text.nfc().collect();
    composed.replace('μ', "µ").replace('℃', "°C").replace('℉', "°F")
}

/// `m^2` and `m²` are (`m`, 2).
fn power_of(atom: &str) -> Option<(&str, i32)> {
    let digits = |text: &str| {
        text.chars()
            .map(|c| RAISED.iter().find(|(small, _)| *small == c).map(|(_, plain)| *plain))
            .collect::<Option<String>>()
    };
    let raised = atom.find(|c| RAISED.iter().any(|(small, _)| *small == c));
    let (base, exponent) = match (atom.split_once('^'), raised) {
        (Some((base, exponent)), None) => (base, exponent.to_string()),
        (None, Some(at)) => (&atom[..at], digits(&atom[at..])?),
        (None, None) => return Some((atom, 1)),
        (Some(_), Some(_)) => return None,
    };
    let exponent: i32 = exponent.parse().ok()?;
    (exponent.unsigned_abs() <= 12).then_some((base, exponent))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_the_same_unit_agree() {
        for (a, b) in [
            ("J/kg", "m^2/s^2"),
            ("hPa", "mb"),
            ("mbar", "hPa"),
            ("N/m^2", "Pa"),
            ("kJ/kg", "kJ*kg^-1"),
            ("m²/s²", "m^2/s^2"),
            ("s⁻¹", "s^-1"),
            ("m²·s⁻²", "J/kg"),
            ("μm", "µm"),
            ("um", "µm"),
            ("kt", "knot"),
            ("kts", "nmi/h"),
            ("day", "d"),
            ("W/m^2", "J*s^-1*m^-2"),
            ("1/s", "Hz"),
        ] {
            let (a, b) = (parse(a).unwrap(), parse(b).unwrap());
            assert_eq!(a.dimension, b.dimension);
            assert!((a.factor - b.factor).abs() < 1e-12 * b.factor);
        }
        // A degree sign may come in two pieces of text; NFC makes it one.
        assert_eq!(parse("°C"), parse("℃"));
        assert_eq!(parse("Å"), parse("A\u{30a}"));
    }

    #[test]
    fn offsets_and_logarithms_stand_alone() {
        assert!((parse("degC").unwrap().to_si(-5.0) - 268.15).abs() < 1e-9);
        assert!((parse("degF").unwrap().to_si(212.0) - 373.15).abs() < 1e-9);
        assert!((parse("degF").unwrap().from_si(373.15) - 212.0).abs() < 1e-9);
        assert_eq!(parse("dBZ").unwrap().scale, Scale::Logarithmic);
        assert_eq!(parse("degC/km"), Err("degC".into()));
        assert_eq!(parse("dBZ^2"), Err("dBZ^2".into()));
        assert_eq!(parse("furlong"), Err("furlong".into()));
        assert_eq!(parse("khPa"), Err("khPa".into()), "one prefix at most");
        assert_eq!(parse("m^13"), Err("m^13".into()));
        assert_eq!(parse(""), Err("".into()));
        assert_eq!(parse("m//s"), Err("".into()));
    }

    #[test]
    fn units_are_printed_with_raised_exponents() {
        assert_eq!(pretty("m^2/s^2"), "m²/s²");
        assert_eq!(pretty("kg m^2 s^-2"), "kg m² s⁻²");
        assert_eq!(pretty("mm^6/m^3"), "mm⁶/m³");
        assert_eq!(parse(&pretty("m^2*s^-12")), parse("m^2*s^-12"));
    }

    #[test]
    fn energy_is_told_from_its_spelling() {
        for energy in ["J/kg", "kJ", "W/m^2", "MJ*m^-2"] {
            assert!(spells_energy(energy), "{energy}");
        }
        for other in ["m^2/s^2", "N*m", "hPa", "jkl", ""] {
            assert!(!spells_energy(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,24}") {
            let _ = parse(&text);
            let _ = suggest(&text);
            let _ = spells_energy(&text);
            let _ = pretty(&text);
        }

        #[test]
        fn units_and_exponents_in_any_order_do_not_panic(text in "([a-zµ°%/*·^⁻²]|km|hPa|s|-|[0-9]){0,12}") {
            if let Ok(unit) = parse(&text) {
                prop_assert!(unit.factor.is_finite() && unit.factor > 0.0);
                prop_assert!((unit.from_si(unit.to_si(3.0)) - 3.0).abs() < 1e-6 * (1.0 + unit.offset.abs() / unit.factor));
            }
        }
    }
}
