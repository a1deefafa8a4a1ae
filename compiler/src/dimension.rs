//! Physical dimensions: products of powers of kilogram, metre, second and kelvin.

use std::fmt;

/// Exponents of (kg, m, s, K), counted in twelfths, so that roots up to the fourth and sixth are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dimension([i16; 4]);

const BASES: [&str; 4] = ["kg", "m", "s", "K"];
const TWELFTHS: i16 = 12;

impl Dimension {
    /// A plain number.
    pub const NONE: Dimension = Dimension([0; 4]);
    pub const MASS: Dimension = Dimension([TWELFTHS, 0, 0, 0]);
    pub const LENGTH: Dimension = Dimension([0, TWELFTHS, 0, 0]);
    pub const TIME: Dimension = Dimension([0, 0, TWELFTHS, 0]);
    pub const TEMPERATURE: Dimension = Dimension([0, 0, 0, TWELFTHS]);

    pub fn times(self, other: Dimension) -> Dimension {
        self.combine(other, 1)
    }

    pub fn over(self, other: Dimension) -> Dimension {
        self.combine(other, -1)
    }

    /// `self ^ exponent`, or nothing if an exponent would not be a whole number of twelfths.
    pub fn power(self, exponent: f64) -> Option<Dimension> {
        let mut result = [0i16; 4];
        for (slot, &twelfths) in result.iter_mut().zip(&self.0) {
            let value = f64::from(twelfths) * exponent;
            if value.fract() != 0.0 || value.abs() > 12_000.0 {
                return None;
            }
            *slot = value as i16;
        }
        Some(Dimension(result))
    }

    pub fn is_none(self) -> bool {
        self == Dimension::NONE
    }

    fn combine(self, other: Dimension, sign: i16) -> Dimension {
        let mut result = self.0;
        for (a, b) in result.iter_mut().zip(other.0) {
            *a = a.saturating_add(sign.saturating_mul(b));
        }
        Dimension(result)
    }
}

/// `kg·m²/s²` written with SI bases: `kg m^2 s^-2`; a plain number is `1`.
impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (base, &twelfths) in BASES.iter().zip(&self.0).filter(|(_, t)| **t != 0) {
            if !first {
                write!(f, " ")?;
            }
            first = false;
            match (twelfths, twelfths % TWELFTHS) {
                (TWELFTHS, _) => write!(f, "{base}")?,
                (_, 0) => write!(f, "{base}^{}", twelfths / TWELFTHS)?,
                _ => write!(f, "{base}^{}", f64::from(twelfths) / f64::from(TWELFTHS))?,
            }
        }
        if first { write!(f, "1") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_per_mass_is_speed_squared() {
        let speed = Dimension::LENGTH.over(Dimension::TIME);
        let force = Dimension::MASS.times(Dimension::LENGTH).over(Dimension::TIME.power(2.0).unwrap());
        let specific_energy = force.times(Dimension::LENGTH).over(Dimension::MASS);
        assert_eq!(specific_energy, speed.power(2.0).unwrap());
        assert_eq!(specific_energy.to_string(), "m^2 s^-2");
        assert_eq!(specific_energy.power(0.5), Some(speed));
        assert_eq!(speed.power(0.2), None);
    }
}
