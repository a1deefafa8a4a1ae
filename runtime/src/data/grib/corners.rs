//! Where a grid's corners and points lie, from its first point, spacing and projection, on the sphere.
//!
//! Source: Snyder, *Map Projections: A Working Manual* (1987), spherical forms: Lambert (15-1 to 15-11),
//! Mercator (7-1 to 7-5), polar stereographic (21-1 to 21-15).

use ndarray::Array2;

use super::grid::{Earth, Grid, Kind};

/// South-west, south-east, north-west, north-east; `None` for grids that are not regular on a sphere known here.
pub(super) fn corners(grid: &Grid) -> Option<[(f64, f64); 4]> {
    let (columns, rows) = grid.shape?;
    let (dx, dy) = grid.spacing?;
    let (latitude, longitude) = grid.first?;
    let scanning = grid.scanning?;
    let (width, height) = ((columns - 1) as f64 * dx, (rows - 1) as f64 * dy);
    // From the first point to the west and east edges, and to the south and north edges.
    let (west, east) = if scanning & 0x80 == 0 { (0.0, width) } else { (-width, 0.0) };
    let (south, north) = if scanning & 0x40 == 0 { (-height, 0.0) } else { (0.0, height) };
    let edges = [(west, south), (east, south), (west, north), (east, north)];
    if let Kind::LatitudeLongitude = grid.kind {
        return Some(edges.map(|(x, y)| (latitude + y, (longitude + x).rem_euclid(360.0))));
    }
    if let Kind::Rotated { pole_latitude, pole_longitude, angle } = grid.kind {
        let place = |(x, y)| turn_back(latitude + y, longitude + x, pole_latitude, pole_longitude);
        return (angle == 0.0).then(|| edges.map(place));
    }
    let Earth::Sphere(radius) = grid.earth else { return None };
    let plane = Plane::new(grid.kind, radius)?;
    let (x0, y0) = plane.forward(latitude, longitude);
    let corners = edges.map(|(x, y)| plane.inverse(x0 + x, y0 + y));
    corners.iter().all(|(latitude, longitude)| (latitude + longitude).is_finite()).then_some(corners)
}

/// The points of a grid, row 0 in the north and columns eastward, as `Grid::image` has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    /// (H, W) in degrees north.
    pub latitude: Array2<f64>,
    /// (H, W) in degrees east.
    pub longitude: Array2<f64>,
    /// Of the columns in the grid's own plane: metres from the projection's centre, degrees on grids of degrees.
    pub x: Vec<f64>,
    /// Of the rows, likewise.
    pub y: Vec<f64>,
}

impl Grid {
    /// Where all points lie; nothing for grids that are not regular on a sphere known here.
    pub fn points(&self) -> Option<Points> {
        let (columns, rows) = self.shape?;
        let (dx, dy) = self.spacing?;
        let (latitude, longitude) = self.first?;
        let scanning = self.scanning?;
        let (dx, dy) = (dx.abs(), dy.abs());
        let west = if scanning & 0x80 == 0 { 0.0 } else { -((columns - 1) as f64 * dx) };
        let north = if scanning & 0x40 == 0 { 0.0 } else { (rows - 1) as f64 * dy };
        let plane = match (self.kind, self.earth) {
            (Kind::LatitudeLongitude | Kind::Rotated { .. }, _) => None,
            (kind, Earth::Sphere(radius)) => Some(Plane::new(kind, radius)?),
            _ => return None,
        };
        let (x0, y0) =
            plane.as_ref().map_or((longitude, latitude), |plane| plane.forward(latitude, longitude));
        let x: Vec<f64> = (0..columns).map(|column| x0 + west + column as f64 * dx).collect();
        let y: Vec<f64> = (0..rows).map(|row| y0 + north - row as f64 * dy).collect();
        let place = |(row, column): (usize, usize)| match (&plane, self.kind) {
            (Some(plane), _) => plane.inverse(x[column], y[row]),
            (None, Kind::Rotated { pole_latitude, pole_longitude, .. }) => {
                turn_back(y[row], x[column], pole_latitude, pole_longitude)
            }
            (None, _) => (y[row], x[column]),
        };
        if matches!(self.kind, Kind::Rotated { angle, .. } if angle != 0.0) {
            return None;
        }
        let mut latitude = Array2::zeros((rows, columns));
        let mut longitude = Array2::zeros((rows, columns));
        for row in 0..rows {
            for column in 0..columns {
                let (north, east) = place((row, column));
                if !(north + east).is_finite() {
                    return None;
                }
                latitude[(row, column)] = north;
                longitude[(row, column)] = east;
            }
        }
        Some(Points { latitude, longitude, x, y })
    }
}

/// From rotated coordinates to geographical ones, given the rotated south pole.
fn turn_back(latitude: f64, longitude: f64, pole_latitude: f64, pole_longitude: f64) -> (f64, f64) {
    let (phi, lambda, tilt) =
        (latitude.to_radians(), longitude.to_radians(), (90.0 + pole_latitude).to_radians());
    let sine = phi.sin() * tilt.cos() + phi.cos() * lambda.cos() * tilt.sin();
    let east = phi.cos() * lambda.sin();
    let north = phi.cos() * lambda.cos() * tilt.cos() - phi.sin() * tilt.sin();
    (
        sine.clamp(-1.0, 1.0).asin().to_degrees(),
        (pole_longitude + east.atan2(north).to_degrees()).rem_euclid(360.0),
    )
}

/// The plane of a conformal map of a sphere with this radius in metres.
pub(in crate::data) fn plane_of(kind: Kind, radius: f64) -> Option<Plane> {
    Plane::new(kind, radius)
}

/// A conformal map of the sphere. All three share the isometric latitude; the cone constant n tells them apart:
/// between 0 and 1 a cone, 1 the polar plane; Mercator is the limit 0.
pub(in crate::data) enum Plane {
    Cone { n: f64, scale: f64, longitude: f64 },
    Cylinder { scale: f64 },
}

impl Plane {
    fn new(kind: Kind, radius: f64) -> Option<Self> {
        match kind {
            Kind::Lambert { longitude, first, second } => {
                let (one, two) = (first.to_radians(), second.to_radians());
                let n = if (first - second).abs() < 1e-9 {
                    one.sin()
                } else {
                    (one.cos() / two.cos()).ln() / (half_tangent(two) / half_tangent(one)).ln()
                };
                let scale = radius * one.cos() * half_tangent(one).powf(n) / n;
                (n.abs() > 1e-9).then_some(Plane::Cone { n, scale, longitude })
            }
            Kind::PolarStereographic { true_latitude, longitude, north } => {
                let n = if north { 1.0 } else { -1.0 };
                let scale = radius * (1.0 + true_latitude.to_radians().sin() * n) * n;
                Some(Plane::Cone { n, scale, longitude })
            }
            Kind::Mercator { true_latitude } => {
                Some(Plane::Cylinder { scale: radius * true_latitude.to_radians().cos() })
            }
            _ => None,
        }
    }

    /// The angle in radians by which the map's y axis is turned from north at a longitude, positive to the east.
    pub(in crate::data) fn angle(&self, longitude: f64) -> f64 {
        match *self {
            Plane::Cone { n, longitude: middle, .. } => {
                n * ((longitude - middle + 180.0).rem_euclid(360.0) - 180.0).to_radians()
            }
            Plane::Cylinder { .. } => 0.0,
        }
    }

    /// Degrees to metres.
    pub(in crate::data) fn forward(&self, latitude: f64, longitude: f64) -> (f64, f64) {
        let t = half_tangent(latitude.to_radians());
        match *self {
            Plane::Cone { n, scale, longitude: middle } => {
                let rho = scale * t.powf(-n);
                let theta = n * ((longitude - middle + 180.0).rem_euclid(360.0) - 180.0).to_radians();
                (rho * theta.sin(), -rho * theta.cos())
            }
            Plane::Cylinder { scale } => (scale * longitude.to_radians(), scale * t.ln()),
        }
    }

    /// Metres to degrees, longitude in [0, 360).
    fn inverse(&self, x: f64, y: f64) -> (f64, f64) {
        let (t, longitude) = match *self {
            Plane::Cone { n, scale, longitude } => {
                let rho = x.hypot(y) * n.signum();
                let theta = (x * n.signum()).atan2(-y * n.signum());
                ((scale / rho).powf(1.0 / n), longitude + (theta / n).to_degrees())
            }
            Plane::Cylinder { scale } => ((y / scale).exp(), (x / scale).to_degrees()),
        };
        ((2.0 * t.atan()).to_degrees() - 90.0, longitude.rem_euclid(360.0))
    }
}

/// tan(45° + latitude/2), the exponential of the isometric latitude.
fn half_tangent(latitude: f64) -> f64 {
    (std::f64::consts::FRAC_PI_4 + latitude / 2.0).tan()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The corners of the points are the corners.
    #[test]
    fn points_end_in_the_corners() {
        for scanning in [0x00, 0x40, 0x80, 0xc0] {
            for kind in
                [Kind::LatitudeLongitude, Kind::Lambert { longitude: 262.5, first: 38.5, second: 38.5 }]
            {
                let metres = kind != Kind::LatitudeLongitude;
                let mut grid = Grid {
                    template: 30,
                    points: 12,
                    shape: Some((4, 3)),
                    kind,
                    first: Some((38.0, 262.0)),
                    spacing: Some(if metres { (30_000.0, 30_000.0) } else { (0.5, 0.25) }),
                    winds_along_grid: None,
                    earth: Earth::Sphere(6_371_229.0),
                    scanning: Some(scanning),
                    corners: None,
                };
                grid.corners = corners(&grid);
                let points = grid.points().unwrap();
                let at = |row, column| (points.latitude[(row, column)], points.longitude[(row, column)]);
                assert_eq!(
                    grid.corners,
                    Some([at(2, 0), at(2, 3), at(0, 0), at(0, 3)]),
                    "{scanning} {kind:?}"
                );
                assert!(points.y[0] > points.y[2] && points.x[0] < points.x[3]);
            }
        }
    }

    #[test]
    fn there_and_back() {
        let kinds = [
            Kind::Lambert { longitude: 262.5, first: 38.5, second: 38.5 },
            Kind::Lambert { longitude: 10.0, first: 30.0, second: 60.0 },
            Kind::Lambert { longitude: 145.0, first: -30.0, second: -60.0 },
            Kind::PolarStereographic { true_latitude: 60.0, longitude: 225.0, north: true },
            Kind::PolarStereographic { true_latitude: -60.0, longitude: 0.0, north: false },
            Kind::Mercator { true_latitude: 20.0 },
        ];
        for kind in kinds {
            let plane = Plane::new(kind, 6_371_229.0).unwrap();
            for (latitude, longitude) in [(35.0, 250.0), (-20.0, 200.0), (60.0, 262.5)] {
                let (x, y) = plane.forward(latitude, longitude);
                let (back, across) = plane.inverse(x, y);
                assert!((back - latitude).abs() < 1e-9 && (across - longitude).abs() < 1e-9, "{kind:?}");
            }
        }
    }
}
