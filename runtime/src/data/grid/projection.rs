//! Between the plane of a projection and the sphere, in closed form, and how much larger lengths are on the plane.
//!
//! Formulas: Snyder, *Map Projections* (USGS 1395, 1987), sections 7 (Mercator), 15 (Lambert conformal conic, one standard
//! parallel) and 21 (polar stereographic), sphere. All of it is made of the functions of `synthetic/arithmetic.rs`, so that
//! a grid has the same bits on every machine.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use aurora_compiler::plan::data::Projection;

use super::EARTH_RADIUS;
use crate::data::synthetic::arithmetic::{atan, cos, exp, ln, sin};

/// The point of the projection plane, in metres, of a place in degrees; in degrees on a grid of latitude and longitude.
pub(super) fn planar(projection: &Projection, north: f64, east: f64) -> (f64, f64) {
    let turn = |longitude: f64| ((east - longitude + 180.0).rem_euclid(360.0) - 180.0).to_radians();
    match *projection {
        Projection::Lambert { latitude, longitude } => {
            let n = sin(latitude.to_radians());
            let cone = EARTH_RADIUS * cos(latitude.to_radians()) / n;
            let distance = cone * exp(n * ln(half_tangent(latitude) / half_tangent(north)));
            let angle = n * turn(longitude);
            (distance * sin(angle), cone - distance * cos(angle))
        }
        Projection::Mercator { latitude, longitude } => {
            let true_radius = EARTH_RADIUS * cos(latitude.to_radians());
            (true_radius * turn(longitude), true_radius * ln(half_tangent(north) / half_tangent(latitude)))
        }
        Projection::Stereographic { latitude, longitude } => {
            let distance = EARTH_RADIUS * (1.0 + sin(latitude.to_radians())) / half_tangent(north);
            (distance * sin(turn(longitude)), -distance * cos(turn(longitude)))
        }
        Projection::LatLon { .. } => (east, north),
    }
}

/// (latitude, longitude in 0..360) in degrees of a point of the projection plane.
pub(super) fn geographic(projection: &Projection, x: f64, y: f64) -> (f64, f64) {
    Inverse::new(projection).geographic(x, y)
}

/// From the projection plane to the sphere, with all that is the same at every point computed once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Inverse {
    Lambert { longitude: f64, n: f64, cone: f64, tangent: f64 },
    Mercator { longitude: f64, true_radius: f64, tangent: f64 },
    Stereographic { longitude: f64, scale: f64 },
    LatLon,
}

impl Inverse {
    pub(super) fn new(projection: &Projection) -> Self {
        match *projection {
            Projection::Lambert { latitude, longitude } => {
                let n = sin(latitude.to_radians());
                let cone = EARTH_RADIUS * cos(latitude.to_radians()) / n;
                Self::Lambert { longitude, n, cone, tangent: half_tangent(latitude) }
            }
            Projection::Mercator { latitude, longitude } => {
                let true_radius = EARTH_RADIUS * cos(latitude.to_radians());
                Self::Mercator { longitude, true_radius, tangent: half_tangent(latitude) }
            }
            Projection::Stereographic { latitude, longitude } => {
                let scale = EARTH_RADIUS * (1.0 + sin(latitude.to_radians()));
                Self::Stereographic { longitude, scale }
            }
            Projection::LatLon { .. } => Self::LatLon,
        }
    }

    /// As the function of this name.
    pub(super) fn geographic(&self, x: f64, y: f64) -> (f64, f64) {
        let (north, east) = match *self {
            Self::Lambert { longitude, n, cone, tangent } => {
                let distance = (x * x + (cone - y) * (cone - y)).sqrt() * n.signum();
                let tangent = tangent * exp(ln(cone / distance) / n);
                (2.0 * atan(tangent) - FRAC_PI_2, longitude + (atan(x / (cone - y)) / n).to_degrees())
            }
            Self::Mercator { longitude, true_radius, tangent } => {
                let tangent = tangent * exp(y / true_radius);
                (2.0 * atan(tangent) - FRAC_PI_2, longitude + (x / true_radius).to_degrees())
            }
            Self::Stereographic { longitude, scale } => {
                let north = FRAC_PI_2 - 2.0 * atan((x * x + y * y).sqrt() / scale);
                (north, longitude + direction(x, -y).to_degrees())
            }
            Self::LatLon => return (y, x.rem_euclid(360.0)),
        };
        (north.to_degrees(), east.rem_euclid(360.0))
    }
}

/// The angle in radians by which the plane's y axis is turned from north at a point of it, positive to the east.
pub(super) fn convergence(projection: &Projection, x: f64, y: f64) -> f64 {
    match *projection {
        Projection::Mercator { .. } | Projection::LatLon { .. } => 0.0,
        Projection::Stereographic { .. } => direction(x, -y),
        Projection::Lambert { latitude, .. } => {
            let n = sin(latitude.to_radians());
            let cone = EARTH_RADIUS * cos(latitude.to_radians()) / n;
            atan(x / (cone - y))
        }
    }
}

/// How many metres of the plane a metre on the sphere is, at a point of the plane: the same in all directions, for the
/// maps are conformal. On a grid of latitude and longitude, where it is not, that of lengths from west to east.
pub(super) fn scale(projection: &Projection, x: f64, y: f64) -> f64 {
    let (north, _) = geographic(projection, x, y);
    let parallel = cos(north.to_radians());
    match *projection {
        Projection::Lambert { latitude, .. } => {
            let n = sin(latitude.to_radians());
            let cone = EARTH_RADIUS * cos(latitude.to_radians()) / n;
            let distance = (x * x + (cone - y) * (cone - y)).sqrt();
            distance * n.abs() / (EARTH_RADIUS * parallel)
        }
        Projection::Mercator { latitude, .. } => cos(latitude.to_radians()) / parallel,
        Projection::Stereographic { latitude, .. } => {
            (1.0 + sin(latitude.to_radians())) / (1.0 + sin(north.to_radians()))
        }
        Projection::LatLon { .. } => 1.0 / parallel,
    }
}

/// tan(45° + latitude/2), the exponential of the isometric latitude.
fn half_tangent(degrees: f64) -> f64 {
    let half = FRAC_PI_4 + degrees.to_radians() / 2.0;
    sin(half) / cos(half)
}

/// The angle of the vector (x, y) from the y axis, positive towards x, in (-π, π].
fn direction(x: f64, y: f64) -> f64 {
    if y > 0.0 {
        atan(x / y)
    } else if y < 0.0 {
        atan(x / y) + if x < 0.0 { -PI } else { PI }
    } else if x == 0.0 {
        0.0
    } else {
        FRAC_PI_2 * x.signum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_those_of_the_system() {
        for (x, y) in
            [(1.0, 2.0), (-1.0, 2.0), (1.0, -2.0), (-1.0, -2.0), (0.0, -1.0), (3.0, 0.0), (-3.0, 0.0)]
        {
            assert!((direction(x, y) - f64::atan2(x, y)).abs() < 4e-15, "{x} {y}");
        }
        assert_eq!(direction(0.0, 0.0), 0.0);
    }

    /// A step of ten metres on the plane, measured on the sphere; rounding of f64 over ten metres is 1e-9.
    #[test]
    fn the_scale_is_that_of_a_short_step() {
        for projection in [
            Projection::Lambert { latitude: 38.5, longitude: -97.5 },
            Projection::Lambert { latitude: -34.0, longitude: 138.0 },
            Projection::Mercator { latitude: 20.0, longitude: 140.0 },
            Projection::Stereographic { latitude: 60.0, longitude: -150.0 },
        ] {
            for (x, y) in [(-2.6e6, -1.5e6), (1.0e6, 1.5e6), (2.0e5, -9.0e5)] {
                let (south, from) = geographic(&projection, x - 5.0, y);
                let (north, to) = geographic(&projection, x + 5.0, y);
                let parallel = ((south + north) / 2.0).to_radians().cos();
                let step = (to - from).to_radians() * parallel;
                let length = step.hypot((north - south).to_radians()) * EARTH_RADIUS;
                let found = scale(&projection, x, y);
                assert!((found * length / 10.0 - 1.0).abs() < 1e-8, "{projection:?} {x} {y} {found}");
            }
        }
    }
}
