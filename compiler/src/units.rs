//! Units: how a number is spelt. Every unit is a dimension, a factor to SI, an offset and a scale.

use crate::dimension::Dimension;

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
    /// Zero is a convention: °C. Values are turned into the ratio scale when read.
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
}

/// Reads `m^2/s^2`, `J/kg/K`, `hPa`, `degC`, `%`, `1`. On failure gives back the part that is no unit.
pub fn parse(text: &str) -> Result<Unit, String> {
    let mut unit = Unit { dimension: Dimension::NONE, factor: 1.0, offset: 0.0, scale: Scale::Ratio };
    let single = !text.contains(['/', '*']);
    let mut rest = text;
    let mut divide = false;
    loop {
        let end = rest.find(['/', '*']).unwrap_or(rest.len());
        let (atom, exponent) = power_of(&rest[..end]).ok_or_else(|| rest[..end].to_string())?;
        let plain = single && exponent == 1;
        let base = atom_named(atom).filter(|u| plain || matches!(u.scale, Scale::Ratio));
        let base = base.ok_or_else(|| rest[..end].to_string())?;
        if plain {
            return Ok(base);
        }
        let signed = if divide { -exponent } else { exponent };
        let power = base.dimension.power(f64::from(signed)).ok_or_else(|| text.to_string())?;
        unit.dimension = unit.dimension.times(power);
        unit.factor *= base.factor.powi(signed);
        if end == rest.len() {
            return Ok(unit);
        }
        divide = rest.as_bytes()[end] == b'/';
        rest = &rest[end + 1..];
    }
}

/// `m^2` is (`m`, 2).
fn power_of(atom: &str) -> Option<(&str, i32)> {
    match atom.split_once('^') {
        None => Some((atom, 1)),
        Some((base, exponent)) => {
            let exponent: i32 = exponent.parse().ok()?;
            (exponent.unsigned_abs() <= 12).then_some((base, exponent))
        }
    }
}

/// Every name of a unit without prefix, with its dimension and factor; prefixes are tried afterwards.
fn atom_named(name: &str) -> Option<Unit> {
    if let Some(unit) = special(name).or_else(|| plain(name)) {
        return Some(unit);
    }
    let (prefix, factor) = PREFIXES.iter().find(|(p, _)| name.starts_with(p) && name.len() > p.len())?;
    let base = &name[prefix.len()..];
    if !PREFIXABLE.contains(&base) {
        return None;
    }
    let unit = plain(base)?;
    Some(Unit { factor: unit.factor * factor, ..unit })
}

const PREFIXES: [(&str, f64); 8] =
    [("k", 1e3), ("h", 1e2), ("c", 1e-2), ("m", 1e-3), ("µ", 1e-6), ("μ", 1e-6), ("n", 1e-9), ("M", 1e6)];
const PREFIXABLE: [&str; 8] = ["m", "g", "s", "Pa", "J", "W", "N", "K"];

/// Units whose zero or scale is a convention.
fn special(name: &str) -> Option<Unit> {
    let kelvin = Dimension::TEMPERATURE;
    let volume = Dimension::LENGTH.power(3.0)?; // mm⁶/m³ has the dimension of a volume
    Some(match name {
        "degC" | "°C" => Unit { dimension: kelvin, factor: 1.0, offset: 273.15, scale: Scale::Affine },
        "degF" | "°F" => Unit {
            dimension: kelvin,
            factor: 5.0 / 9.0,
            offset: 273.15 - 32.0 * 5.0 / 9.0,
            scale: Scale::Affine,
        },
        "dBZ" => Unit { dimension: volume, factor: 1.0, offset: 0.0, scale: Scale::Logarithmic },
        "dB" => Unit { dimension: volume, factor: 1.0, offset: 0.0, scale: Scale::Decibel },
        _ => return None,
    })
}

fn plain(name: &str) -> Option<Unit> {
    let (none, mass, length, time) = (Dimension::NONE, Dimension::MASS, Dimension::LENGTH, Dimension::TIME);
    let per_time_squared = time.power(-2.0)?;
    let force = mass.times(length).times(per_time_squared);
    let pressure = force.over(length.power(2.0)?);
    let energy = force.times(length);
    let (dimension, factor) = match name {
        "1" => (none, 1.0),
        "%" => (none, 0.01),
        "rad" => (none, 1.0),
        "deg" | "°" => (none, std::f64::consts::PI / 180.0),
        "kg" => (mass, 1.0),
        "g" => (mass, 1e-3),
        "m" | "gpm" => (length, 1.0),
        "mi" => (length, 1609.344),
        "ft" => (length, 0.3048),
        "s" => (time, 1.0),
        "min" => (time, 60.0),
        "h" => (time, 3600.0),
        "d" => (time, 86_400.0),
        "K" => (Dimension::TEMPERATURE, 1.0),
        "Pa" => (pressure, 1.0),
        "mb" => (pressure, 100.0),
        "N" => (force, 1.0),
        "J" => (energy, 1.0),
        "W" => (energy.over(time), 1.0),
        "kt" => (length.over(time), 1852.0 / 3600.0),
        _ => return None,
    };
    Some(Unit { dimension, factor, offset: 0.0, scale: Scale::Ratio })
}

/// Names that people write out, and the unit that is meant.
pub const LONG: [(&str, &str); 17] = [
    ("second", "s"),
    ("seconds", "s"),
    ("sec", "s"),
    ("minute", "min"),
    ("minutes", "min"),
    ("hour", "h"),
    ("hours", "h"),
    ("hr", "h"),
    ("day", "d"),
    ("days", "d"),
    ("degree", "deg"),
    ("degrees", "deg"),
    ("kelvin", "K"),
    ("celsius", "degC"),
    ("C", "degC"),
    ("knots", "kt"),
    ("mbar", "mb"),
];

/// Names for `did you mean`.
pub const KNOWN: [&str; 32] = [
    "1", "%", "rad", "deg", "kg", "g", "m", "km", "gpm", "mm", "ft", "mi", "s", "min", "h", "d", "K", "degC",
    "degF", "Pa", "hPa", "kPa", "mb", "N", "J", "kJ", "W", "kt", "dBZ", "dB", "g/kg", "m/s",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_the_same_unit_agree() {
        for (a, b) in [("J/kg", "m^2/s^2"), ("hPa", "mb"), ("N/m^2", "Pa"), ("kJ/kg", "kJ/kg")] {
            let (a, b) = (parse(a).unwrap(), parse(b).unwrap());
            assert_eq!(a.dimension, b.dimension);
            assert!((a.factor - b.factor).abs() < 1e-12 * b.factor);
        }
        assert_eq!(parse("g/kg").unwrap().factor, 1e-3);
        assert_eq!(parse("mm").unwrap().factor, 1e-3);
        assert_eq!(parse("min").unwrap().factor, 60.0);
    }

    #[test]
    fn offsets_and_logarithms_stand_alone() {
        assert!((parse("degC").unwrap().to_si(-5.0) - 268.15).abs() < 1e-9);
        assert!((parse("degF").unwrap().to_si(212.0) - 373.15).abs() < 1e-9);
        assert_eq!(parse("dBZ").unwrap().scale, Scale::Logarithmic);
        assert_eq!(parse("degC/km"), Err("degC".into()));
        assert_eq!(parse("furlong"), Err("furlong".into()));
        assert_eq!(parse(""), Err("".into()));
    }
}
