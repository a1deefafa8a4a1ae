//! Maps of a flattened Earth, by proj4rs: what `corners.rs` has in closed form for the sphere.

use proj4rs::Proj;
use proj4rs::transform::transform;

use super::grid::Kind;

/// A map of an ellipsoid and the ellipsoid's own latitudes and longitudes.
#[derive(Clone, Debug)]
pub(in crate::data) struct Chart {
    plane: Proj,
    globe: Proj,
}

impl Chart {
    /// Of an ellipsoid with these half axes in metres; nothing for grids of degrees, and for maps that cannot be.
    pub(super) fn new(kind: Kind, major: f64, minor: f64) -> Option<Chart> {
        let map = match kind {
            Kind::Lambert { longitude, first, second } => {
                format!("+proj=lcc +lat_1={first} +lat_2={second} +lat_0={first} +lon_0={longitude}")
            }
            Kind::PolarStereographic { true_latitude, longitude, north } => {
                let pole = if north { 90 } else { -90 };
                // The southern map is true in the south, though some write the latitude without its sign.
                let latitude = if north { true_latitude.abs() } else { -true_latitude.abs() };
                format!("+proj=stere +lat_0={pole} +lat_ts={latitude} +lon_0={longitude}")
            }
            Kind::Mercator { true_latitude } => format!("+proj=merc +lat_ts={true_latitude} +lon_0=0"),
            _ => return None,
        };
        let ellipsoid = format!("+a={major} +b={minor} +no_defs");
        let plane = Proj::from_proj_string(&format!("{map} {ellipsoid}")).ok()?;
        let globe = Proj::from_proj_string(&format!("+proj=longlat {ellipsoid}")).ok()?;
        Some(Chart { plane, globe })
    }

    /// Degrees to metres; not a number where the map has no such place.
    pub(super) fn forward(&self, latitude: f64, longitude: f64) -> (f64, f64) {
        let mut point = (longitude.to_radians(), latitude.to_radians(), 0.0);
        match transform(&self.globe, &self.plane, &mut point) {
            Ok(()) => (point.0, point.1),
            Err(_) => (f64::NAN, f64::NAN),
        }
    }

    /// Metres to degrees (latitude, longitude in [0, 360)); not a number where the map has no such place.
    pub(super) fn inverse(&self, x: f64, y: f64) -> (f64, f64) {
        let mut point = (x, y, 0.0);
        match transform(&self.plane, &self.globe, &mut point) {
            Ok(()) => (point.1.to_degrees(), point.0.to_degrees().rem_euclid(360.0)),
            Err(_) => (f64::NAN, f64::NAN),
        }
    }
}
