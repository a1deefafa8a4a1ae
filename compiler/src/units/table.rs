//! The one table of units: every name, its dimension and factor, and whether it takes prefixes.

use super::{Scale, Unit};
use crate::dimension::Dimension;

/// A unit by its name, with or without a prefix.
pub(super) fn named(name: &str) -> Option<Unit> {
    if let Some(unit) = special(name).or_else(|| plain(name)) {
        return Some(unit);
    }
    let (factor, base) = split(name)?;
    let unit = plain(base)?;
    Some(Unit { factor: unit.factor * factor, ..unit })
}

/// `kJ` is `J`; a name without prefix, or none at all, gives nothing.
pub(super) fn without_prefix(name: &str) -> Option<&str> {
    if plain(name).is_some() {
        return None;
    }
    split(name).map(|(_, base)| base)
}

/// Every name, and every prefix on every name that takes one.
pub(super) fn every_name() -> impl Iterator<Item = String> {
    let plain = TABLE.iter().map(|(name, ..)| (*name).to_string());
    let special = SPECIAL.iter().map(|name| (*name).to_string());
    let prefixed = TABLE
        .iter()
        .filter(|entry| entry.3)
        .flat_map(|(name, ..)| PREFIXES.iter().map(move |(prefix, _)| format!("{prefix}{name}")));
    plain.chain(special).chain(prefixed)
}

fn split(name: &str) -> Option<(f64, &str)> {
    PREFIXES.iter().find_map(|(prefix, factor)| {
        let base = name.strip_prefix(prefix)?;
        TABLE.iter().any(|(known, _, _, prefixed)| *prefixed && *known == base).then_some((*factor, base))
    })
}

/// The prefixes of SI; `u` is micro where a keyboard has no µ.
const PREFIXES: [(&str, f64); 25] = [
    ("da", 1e1),
    ("h", 1e2),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Z", 1e21),
    ("Y", 1e24),
    ("R", 1e27),
    ("Q", 1e30),
    ("d", 1e-1),
    ("c", 1e-2),
    ("m", 1e-3),
    ("µ", 1e-6),
    ("u", 1e-6),
    ("n", 1e-9),
    ("p", 1e-12),
    ("f", 1e-15),
    ("a", 1e-18),
    ("z", 1e-21),
    ("y", 1e-24),
    ("r", 1e-27),
    ("q", 1e-30),
];

/// Exponents of (kg, m, s, K).
type Exponents = [i8; 4];
const NONE: Exponents = [0, 0, 0, 0];
const MASS: Exponents = [1, 0, 0, 0];
const LENGTH: Exponents = [0, 1, 0, 0];
const AREA: Exponents = [0, 2, 0, 0];
const VOLUME: Exponents = [0, 3, 0, 0];
const TIME: Exponents = [0, 0, 1, 0];
const RATE: Exponents = [0, 0, -1, 0];
const TEMPERATURE: Exponents = [0, 0, 0, 1];
const SPEED: Exponents = [0, 1, -1, 0];
const FORCE: Exponents = [1, 1, -2, 0];
const PRESSURE: Exponents = [1, -1, -2, 0];
const ENERGY: Exponents = [1, 2, -2, 0];
const POWER: Exponents = [1, 2, -3, 0];
/// Of potential vorticity: K m² kg⁻¹ s⁻¹.
const VORTICITY: Exponents = [-1, 2, -1, 1];

const DEGREE: f64 = std::f64::consts::PI / 180.0;

/// Name, dimension, factor to SI, whether it takes prefixes. A whole name goes before a prefix: `min` is a
/// minute, `kt` a knot, `d` a day. A standard geopotential metre counts as a metre.
const TABLE: [(&str, Exponents, f64, bool); 57] = [
    ("1", NONE, 1.0, false),
    ("%", NONE, 1e-2, false),
    ("‰", NONE, 1e-3, false),
    ("ppm", NONE, 1e-6, false),
    ("ppb", NONE, 1e-9, false),
    ("okta", NONE, 0.125, false),
    ("rad", NONE, 1.0, true),
    ("sr", NONE, 1.0, false),
    ("deg", NONE, DEGREE, false),
    ("°", NONE, DEGREE, false),
    ("kg", MASS, 1.0, false),
    ("g", MASS, 1e-3, true),
    ("t", MASS, 1e3, false),
    ("lb", MASS, 0.453_592_37, false),
    ("m", LENGTH, 1.0, true),
    ("gpm", LENGTH, 1.0, false),
    ("gpkm", LENGTH, 1e3, false),
    ("gpdam", LENGTH, 10.0, false),
    ("dagpm", LENGTH, 10.0, false),
    ("mi", LENGTH, 1609.344, false),
    ("nmi", LENGTH, 1852.0, false),
    ("ft", LENGTH, 0.3048, false),
    ("kft", LENGTH, 304.8, false),
    ("yd", LENGTH, 0.9144, false),
    ("in", LENGTH, 0.0254, false),
    ("inch", LENGTH, 0.0254, false),
    ("Å", LENGTH, 1e-10, false),
    ("ha", AREA, 1e4, false),
    ("L", VOLUME, 1e-3, true),
    ("l", VOLUME, 1e-3, true),
    ("s", TIME, 1.0, true),
    ("min", TIME, 60.0, false),
    ("h", TIME, 3600.0, false),
    ("d", TIME, 86_400.0, false),
    ("day", TIME, 86_400.0, false),
    ("week", TIME, 604_800.0, false),
    ("Hz", RATE, 1.0, true),
    ("K", TEMPERATURE, 1.0, true),
    ("kt", SPEED, 1852.0 / 3600.0, false),
    ("kts", SPEED, 1852.0 / 3600.0, false),
    ("kn", SPEED, 1852.0 / 3600.0, false),
    ("knot", SPEED, 1852.0 / 3600.0, false),
    ("knots", SPEED, 1852.0 / 3600.0, false),
    ("mph", SPEED, 0.447_04, false),
    ("kph", SPEED, 1000.0 / 3600.0, false),
    ("N", FORCE, 1.0, true),
    ("Pa", PRESSURE, 1.0, true),
    ("mb", PRESSURE, 100.0, false),
    ("bar", PRESSURE, 1e5, true),
    ("atm", PRESSURE, 101_325.0, false),
    ("inHg", PRESSURE, 3386.389, false),
    ("mmHg", PRESSURE, 133.322_387_415, false),
    ("J", ENERGY, 1.0, true),
    ("Wh", ENERGY, 3600.0, true),
    ("cal", ENERGY, 4.184, true),
    ("W", POWER, 1.0, true),
    ("PVU", VORTICITY, 1e-6, false),
];

const SPECIAL: [&str; 6] = ["degC", "°C", "degF", "°F", "dBZ", "dB"];

/// Units whose zero or scale is a convention.
fn special(name: &str) -> Option<Unit> {
    let kelvin = Dimension::TEMPERATURE;
    let volume = Dimension::LENGTH.power(3.0)?; // mm⁶/m³ has the dimension of a volume
    let unit = |dimension, factor, offset, scale| Some(Unit { dimension, factor, offset, scale });
    match name {
        "degC" | "°C" => unit(kelvin, 1.0, 273.15, Scale::Affine),
        "degF" | "°F" => unit(kelvin, 5.0 / 9.0, 273.15 - 32.0 * 5.0 / 9.0, Scale::Affine),
        "dBZ" => unit(volume, 1.0, 0.0, Scale::Logarithmic),
        "dB" => unit(volume, 1.0, 0.0, Scale::Decibel),
        _ => None,
    }
}

fn plain(name: &str) -> Option<Unit> {
    let (_, exponents, factor, _) = TABLE.iter().find(|(known, ..)| *known == name)?;
    let bases = [Dimension::MASS, Dimension::LENGTH, Dimension::TIME, Dimension::TEMPERATURE];
    let mut dimension = Dimension::NONE;
    for (base, exponent) in bases.iter().zip(exponents) {
        dimension = dimension.times(base.power(f64::from(*exponent))?);
    }
    Some(Unit { dimension, factor: *factor, offset: 0.0, scale: Scale::Ratio })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Value in SI of one of each, from the definitions (BIPM 2019; NIST SP 811), written out here by hand.
    #[test]
    fn every_unit_has_the_value_of_its_definition() {
        let known: [(&str, f64); 62] = [
            ("1", 1.0),
            ("%", 0.01),
            ("‰", 0.001),
            ("ppm", 0.000001),
            ("ppb", 0.000000001),
            ("okta", 1.0 / 8.0),
            ("rad", 1.0),
            ("sr", 1.0),
            ("deg", 0.017453292519943295),
            ("°", 0.017453292519943295),
            ("kg", 1.0),
            ("g", 0.001),
            ("t", 1000.0),
            ("lb", 0.45359237),
            ("m", 1.0),
            ("gpm", 1.0),
            ("gpkm", 1000.0),
            ("gpdam", 10.0),
            ("dagpm", 10.0),
            ("mi", 1609.344),
            ("nmi", 1852.0),
            ("ft", 0.3048),
            ("kft", 304.8),
            ("yd", 0.9144),
            ("in", 0.0254),
            ("inch", 0.0254),
            ("Å", 1e-10),
            ("ha", 10000.0),
            ("L", 0.001),
            ("l", 0.001),
            ("s", 1.0),
            ("min", 60.0),
            ("h", 3600.0),
            ("d", 86400.0),
            ("day", 86400.0),
            ("week", 604800.0),
            ("Hz", 1.0),
            ("K", 1.0),
            ("kt", 0.514444444444444),
            ("kts", 0.514444444444444),
            ("kn", 0.514444444444444),
            ("knot", 0.514444444444444),
            ("knots", 0.514444444444444),
            ("mph", 0.44704),
            ("kph", 0.277777777777778),
            ("N", 1.0),
            ("Pa", 1.0),
            ("mb", 100.0),
            ("bar", 100000.0),
            ("atm", 101325.0),
            ("inHg", 3386.389),
            ("mmHg", 133.322387415),
            ("J", 1.0),
            ("Wh", 3600.0),
            ("cal", 4.184),
            ("W", 1.0),
            ("PVU", 0.000001),
            ("hPa", 100.0),
            ("kJ", 1000.0),
            ("mm", 0.001),
            ("µg", 1e-9),
            ("dam", 10.0),
        ];
        for (name, value) in known {
            let unit = named(name).unwrap_or_else(|| panic!("{name} is no unit"));
            assert!((unit.factor - value).abs() <= 1e-14 * value.abs(), "{name}: {}", unit.factor);
        }
        for (name, ..) in TABLE {
            assert!(known.iter().any(|(other, _)| *other == name), "{name} is not judged");
        }
    }

    #[test]
    fn a_prefix_multiplies_and_a_whole_name_goes_first() {
        for (prefix, factor) in PREFIXES {
            let unit = named(&format!("{prefix}Pa")).unwrap();
            assert!((unit.factor - factor).abs() <= 1e-14 * factor, "{prefix}");
        }
        assert_eq!(named("min").unwrap().dimension, Dimension::TIME);
        assert_eq!(named("kt").unwrap().dimension, Dimension::LENGTH.over(Dimension::TIME));
        assert_eq!(named("kkg"), None);
        assert_eq!(named("hft"), None);
        assert_eq!(without_prefix("kJ"), Some("J"));
        assert_eq!(without_prefix("J"), None);
    }
}
