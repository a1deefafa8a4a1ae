//! Sunlight at the top of the atmosphere, relative to the solar constant, as Aurora 1.5 prescribes it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Coordinates, ModelError};

/// Obliquity of the Earth in degrees, orbital elements of 1995.
const OBLIQUITY: f64 = 23.4441;
/// Eccentricity of its orbit.
const ECCENTRICITY: f64 = 0.016_715;
/// Longitude of the perihelion in degrees.
const PERIHELION: f64 = 282.7;

/// Insolation at a time (Unix seconds) for every point of the grid, row by row; below 0 at night.
///
/// The orbit to first order in the eccentricity (Berger 1978; Rose, *The Climate Laboratory*). Which parts are
/// f32 and which f64 is upstream's: the hour angle reaches 2300, so that its rounding to f32 shows in the result.
///
/// # Errors
/// A time that no calendar reaches.
pub fn insolation(
    time: i64,
    latitude: &Coordinates,
    longitude: &Coordinates,
) -> Result<Vec<f32>, ModelError> {
    let day = day_of_year(time)?;
    let sun = Sun::on(day);
    let at = |latitude: f32, longitude: f32| sun.over(day, latitude, longitude);
    let (latitude, longitude, regular) = (&latitude.values, &longitude.values, latitude.shape.len() == 1);
    if regular {
        let rows = latitude.iter();
        return Ok(rows.flat_map(|north| longitude.iter().map(|east| at(*north, *east))).collect());
    }
    Ok(latitude.iter().zip(longitude).map(|(north, east)| at(*north, *east)).collect())
}

/// Where the sun stands on a day.
struct Sun {
    /// Sine and cosine of the declination.
    declination: (f32, f32),
    /// One over the square of the distance in mean distances.
    nearness: f32,
}

impl Sun {
    fn on(day: f32) -> Sun {
        let (obliquity, perihelion) = (OBLIQUITY.to_radians(), PERIHELION.to_radians());
        let beta = (1.0 - ECCENTRICITY * ECCENTRICITY).sqrt();
        let since_equinox = std::f32::consts::TAU * (day - 80.5) / 365.0;
        let mean = ECCENTRICITY * (1.0 + beta) * perihelion.sin() + f64::from(since_equinox);
        let longitude = mean + 2.0 * ECCENTRICITY * (mean - perihelion).sin();
        let declination = (obliquity.sin() * longitude.sin()).asin() as f32;
        let distance =
            (1.0 - ECCENTRICITY * ECCENTRICITY) / (1.0 + ECCENTRICITY * (longitude - perihelion).cos());
        let distance = distance as f32;
        Sun { declination: (sine(declination), cosine(declination)), nearness: 1.0 / (distance * distance) }
    }

    fn over(&self, day: f32, latitude: f32, longitude: f32) -> f32 {
        let hour_angle = std::f32::consts::TAU * (day + longitude / 360.0);
        let latitude = RADIANS * latitude;
        let height =
            sine(latitude) * self.declination.0 - cosine(latitude) * self.declination.1 * cosine(hour_angle);
        height * self.nearness
    }
}

const RADIANS: f32 = (std::f64::consts::PI / 180.0) as f32;

/// Sine and cosine of an angle in f32, rounded once.
fn sine(angle: f32) -> f32 {
    f64::from(angle).sin() as f32
}

fn cosine(angle: f32) -> f32 {
    f64::from(angle).cos() as f32
}

/// Days since the year began, 0 at its first midnight, UTC.
fn day_of_year(time: i64) -> Result<f32, ModelError> {
    let unreachable = |_| ModelError::Batch(format!("the time {time} s since 1970 lies in no calendar"));
    let date = Timestamp::from_second(time).map_err(unreachable)?.to_zoned(TimeZone::UTC);
    let seconds =
        f64::from(date.hour()) * 3600.0 + f64::from(date.minute()) * 60.0 + f64::from(date.second());
    Ok((f64::from(date.day_of_year() - 1) + seconds / 86400.0) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: i64, north: f32, east: f32) -> f32 {
        insolation(time, &Coordinates::vector(vec![north]), &Coordinates::vector(vec![east])).unwrap()[0]
    }

    /// Noon over the equator at the equinox of March 2020: the sun is overhead, and the Earth a little closer than on the
    /// average.
    #[test]
    fn the_sun_is_overhead_at_noon_of_the_equinox() {
        let noon = 1_584_705_600;
        assert!((at(noon, 0.0, 0.0) - 1.0).abs() < 0.02);
        assert!((at(noon, 0.0, 180.0) + 1.0).abs() < 0.02, "midnight on the other side");
        assert!(at(noon, 0.0, 90.0).abs() < 0.02, "dusk");
        assert!((at(noon, 60.0, 0.0) - 0.5).abs() < 0.02);
    }

    /// It never sets over the pole in June, and never rises in December.
    #[test]
    fn the_poles_have_day_and_night_by_the_season() {
        for hour in 0..24 {
            assert!(at(1_592_697_600 + 3600 * hour, 89.0, 0.0) > 0.3);
            assert!(at(1_608_508_800 + 3600 * hour, 89.0, 0.0) < -0.3);
        }
    }

    #[test]
    fn a_grid_of_points_equals_the_regular_one() {
        let (north, east) = (vec![40.0, 30.0], vec![250.0, 260.0, 270.0]);
        let regular = insolation(0, &Coordinates::vector(north), &Coordinates::vector(east)).unwrap();
        let points = insolation(
            0,
            &Coordinates::matrix(2, 3, vec![40.0, 40.0, 40.0, 30.0, 30.0, 30.0]),
            &Coordinates::matrix(2, 3, vec![250.0, 260.0, 270.0, 250.0, 260.0, 270.0]),
        );
        assert_eq!(regular, points.unwrap());
    }
}
