//! Where a grid's corners and points lie, from its first point, spacing and projection: on the sphere in closed form, on a flattened Earth
//! by `ellipsoid.rs`.
//!
//! Source: Snyder, *Map Projections: A Working Manual* (1987), spherical forms: Lambert (15-1 to 15-11),
//! Mercator (7-1 to 7-5), polar stereographic (21-1 to 21-15).

use ndarray::Array2;

use super::ellipsoid::Chart;
use super::grid::{Earth, Grid, Kind};

/// South-west, south-east, north-west, north-east; `None` for grids that are not regular on an Earth known here.
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
    let plane = Plane::on(grid.kind, grid.earth)?;
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
    /// Where all points lie; nothing for grids that are not regular on an Earth known here.
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
            (kind, earth) => Some(Plane::on(kind, earth)?),
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

/// The plane of a conformal map of the Earth.
pub(in crate::data) fn plane_of(kind: Kind, earth: Earth) -> Option<Plane> {
    Plane::on(kind, earth)
}

/// The cone constant of Lambert's map of an ellipsoid (Snyder 14-15, 15-8 and 15-9).
fn cone(first: f64, second: f64, major: f64, minor: f64) -> f64 {
    let flat = 1.0 - (minor / major).powi(2);
    let e = flat.sqrt();
    let (one, two) = (first.to_radians(), second.to_radians());
    if (first - second).abs() < 1e-9 {
        return one.sin();
    }
    let m = |phi: f64| phi.cos() / (1.0 - flat * phi.sin().powi(2)).sqrt();
    let t = |phi: f64| {
        let bent = ((1.0 - e * phi.sin()) / (1.0 + e * phi.sin())).powf(e / 2.0);
        1.0 / (half_tangent(phi) * bent)
    };
    (m(one) / m(two)).ln() / (t(one) / t(two)).ln()
}

/// A conformal map. Those of the sphere share the isometric latitude; the cone constant n tells them apart:
/// between 0 and 1 a cone, 1 the polar plane; Mercator is the limit 0.
pub(in crate::data) enum Plane {
    Cone {
        n: f64,
        scale: f64,
        longitude: f64,
    },
    Cylinder {
        scale: f64,
    },
    /// The map, and by how much of the longitude's distance from the middle its columns are turned.
    Flattened {
        chart: Box<Chart>,
        n: f64,
        longitude: f64,
    },
}

impl Plane {
    fn on(kind: Kind, earth: Earth) -> Option<Self> {
        match earth {
            Earth::Sphere(radius) => Plane::new(kind, radius),
            Earth::Spheroid { major, minor, .. } => {
                let chart = Box::new(Chart::new(kind, major, minor)?);
                let (n, longitude) = match kind {
                    Kind::Lambert { longitude, first, second } => {
                        (cone(first, second, major, minor), longitude)
                    }
                    Kind::PolarStereographic { longitude, north, .. } => {
                        (if north { 1.0 } else { -1.0 }, longitude)
                    }
                    _ => (0.0, 0.0),
                };
                Some(Plane::Flattened { chart, n, longitude })
            }
            Earth::Unknown => None,
        }
    }

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
            Plane::Cone { n, longitude: middle, .. } | Plane::Flattened { n, longitude: middle, .. } => {
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
            Plane::Flattened { ref chart, .. } => chart.forward(latitude, longitude),
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
            Plane::Flattened { ref chart, .. } => return chart.inverse(x, y),
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

    /// Of flattened Earths, as PROJ has them: `tests/reference/grid.py`. South-west, south-east, north-west, north-east; a centimetre. The
    /// angle is PROJ's meridian convergence at the north-eastern corner.
    #[test]
    fn flattened_earths_are_those_of_proj() {
        let (grs80, wgs84) = ((4, 6_378_137.0, 6_356_752.314), (5, 6_378_137.0, 6_356_752.314_245));
        let iau65 = (2, 6_378_160.0, 6_356_775.0);
        for (kind, (code, major, minor), first, corners, angle) in [
            (
                Kind::Lambert { longitude: 265.0, first: 30.0, second: 60.0 },
                grs80,
                (28.0, 245.0),
                [
                    (28.0, 245.0),
                    (29.650_756_561, 275.187_638_741),
                    (45.184_331_815, 238.642_153_744),
                    (47.443_872_792, 278.584_471_466),
                ],
                0.169_681_147_4,
            ),
            (
                Kind::PolarStereographic { true_latitude: -71.0, longitude: 0.0, north: false },
                wgs84,
                (-62.0, 300.0),
                [
                    (-62.0, 300.0),
                    (-75.594_231_002, 9.650_255_742),
                    (-50.914_815_543, 322.500_753_932),
                    (-58.475_387_528, 4.307_859_466),
                ],
                -0.075_186_331_4,
            ),
            (
                Kind::Mercator { true_latitude: 20.0 },
                iau65,
                (-5.0, 100.0),
                [
                    (-5.0, 100.0),
                    (-5.0, 128.189_885_198),
                    (13.621_253_939, 100.0),
                    (13.621_253_939, 128.189_885_198),
                ],
                0.0,
            ),
        ] {
            let earth = Earth::Spheroid { code, major, minor };
            let mut grid = Grid {
                template: 30,
                points: 60 * 40,
                shape: Some((60, 40)),
                kind,
                first: Some(first),
                spacing: Some((50_000.0, 50_000.0)),
                winds_along_grid: None,
                earth,
                scanning: Some(0x40),
                corners: None,
            };
            grid.corners = super::corners(&grid);
            let found = grid.corners.unwrap();
            for (found, wanted) in found.iter().zip(corners) {
                let near = (found.0 - wanted.0).abs() < 1e-7 && (found.1 - wanted.1).abs() < 1e-7;
                assert!(near, "{kind:?}: {found:?} {wanted:?}");
            }
            let turned = plane_of(kind, earth).unwrap().angle(found[3].1);
            assert!((turned - angle).abs() < 1e-8, "{kind:?}: {turned} {angle}");
            assert_eq!(grid.points().unwrap().latitude[(39, 0)], found[0].0);
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
