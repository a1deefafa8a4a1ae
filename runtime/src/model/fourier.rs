//! Fourier expansions: a scalar as sines and cosines of logarithmically spaced wavelengths.

use super::ModelError;

/// Wavelengths from `lower` to `upper`; with `asserted`, other arguments are refused.
#[derive(Clone, Copy, Debug)]
pub struct Expansion {
    what: &'static str,
    lower: f64,
    upper: f64,
    asserted: bool,
}

/// Degrees of latitude or longitude.
pub const POSITION: Expansion = Expansion { what: "position", lower: 0.01, upper: 720.0, asserted: true };
/// Square root of a patch's area in km. Aurora's bounds are areas in km²: from a cell of 0.01° at the pole to
/// the whole Earth.
pub const SCALE: Expansion = Expansion {
    what: "patch size",
    lower: 1.081_408_526_305_807_3e-4,
    upper: 511_207_893.395_810_96,
    asserted: true,
};
/// Lead time in hours, one minute to three weeks.
pub const LEAD_TIME: Expansion =
    Expansion { what: "lead time", lower: 1.0 / 60.0, upper: 504.0, asserted: true };
/// Lead time in hours as Aurora 1.5 has it, from six hours to three weeks.
const LEAD_TIME_UPDATED: Expansion =
    Expansion { what: "lead time", lower: 6.0, upper: 504.0, asserted: false };
/// Pressure in hPa.
pub const LEVEL: Expansion = Expansion { what: "pressure level", lower: 0.01, upper: 1e5, asserted: true };
/// Hours since 1970, from an hour to a year.
pub const ABSOLUTE_TIME: Expansion = Expansion { what: "time", lower: 1.0, upper: 8766.0, asserted: false };

/// Expands lead times in hours into `width` features (even), one row each. In Aurora 1.5's (`updated`) the sine
/// of the longest wavelength gives way to the lead time itself, over three weeks.
///
/// # Errors
/// Where the older expansion is given a lead time shorter than a minute or longer than three weeks.
pub fn lead_time(hours: &[f32], width: usize, updated: bool) -> Result<Vec<f32>, ModelError> {
    if !updated {
        return LEAD_TIME.expand(hours, width);
    }
    let mut features = LEAD_TIME_UPDATED.expand(hours, width)?;
    for (row, hours) in features.chunks_mut(width).zip(hours) {
        row[(width / 2).saturating_sub(1)] = hours / 504.0;
    }
    Ok(features)
}

impl Expansion {
    /// Expands each argument into `width` features (even), one row each: sines, then cosines. Wavelengths and
    /// angles are computed in f64 and rounded once.
    pub fn expand(&self, arguments: &[f32], width: usize) -> Result<Vec<f32>, ModelError> {
        let frequencies = self.frequencies(width / 2);
        let mut features = Vec::with_capacity(arguments.len() * width);
        for &argument in arguments {
            self.check(argument)?;
            let argument = f64::from(argument);
            features.extend(frequencies.iter().map(|frequency| (argument * frequency).sin() as f32));
            features.extend(frequencies.iter().map(|frequency| (argument * frequency).cos() as f32));
        }
        Ok(features)
    }

    fn frequencies(&self, count: usize) -> Vec<f64> {
        let (low, high) = (self.lower.log10(), self.upper.log10());
        let step = if count > 1 { (high - low) / (count - 1) as f64 } else { 0.0 };
        (0..count).map(|index| 2.0 * std::f64::consts::PI / 10f64.powf(low + index as f64 * step)).collect()
    }

    fn check(&self, argument: f32) -> Result<(), ModelError> {
        let (size, lower, upper) = (argument.abs(), self.lower as f32, self.upper as f32);
        if !self.asserted || size == 0.0 || (lower..=upper).contains(&size) {
            return Ok(());
        }
        let Expansion { what, lower, upper, .. } = self;
        Err(ModelError::Batch(format!("{what} {argument} lies outside {lower} to {upper}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_sines_then_cosines_of_the_wavelengths() {
        let features = LEVEL.expand(&[500.0], 4).unwrap();
        let angle = |wavelength: f64| 2.0 * std::f64::consts::PI * 500.0 / wavelength;
        let expected = [angle(0.01).sin(), angle(1e5).sin(), angle(0.01).cos(), angle(1e5).cos()];
        for (have, want) in features.iter().zip(expected) {
            // 500/0.01 turns lose some 1e-10 of a turn in f64.
            assert!((f64::from(*have) - want).abs() < 1e-7, "{have} {want}");
        }
    }

    #[test]
    fn the_updated_lead_time_stands_beside_its_sines() {
        let features = lead_time(&[6.0, 48.0], 6, true).unwrap();
        assert_eq!((features[2], features[8]), (6.0 / 504.0, 48.0 / 504.0));
        // One turn of the shortest wavelength, eight of it.
        assert!(
            features[0].abs() < 1e-6 && (features[3] - 1.0).abs() < 1e-6 && (features[9] - 1.0).abs() < 1e-6
        );
        assert!(lead_time(&[0.001], 6, true).is_ok() && lead_time(&[0.001], 6, false).is_err());
    }

    #[test]
    fn arguments_out_of_range_are_refused() {
        assert!(POSITION.expand(&[0.0, 0.01, -90.0], 8).is_ok());
        assert!(POSITION.expand(&[0.005], 8).is_err());
        assert!(LEAD_TIME.expand(&[505.0], 8).is_err());
        assert!(LEVEL.expand(&[f32::NAN], 8).is_err());
        assert!(ABSOLUTE_TIME.expand(&[4e5], 8).is_ok());
    }
}
