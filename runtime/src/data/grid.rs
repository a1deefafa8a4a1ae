//! A horizontal grid: a projection of the sphere and the latitude and longitude of its points.
//!
//! Earth is the sphere of radius 6 371 229 m, as in HRRR. Formulas: Snyder, *Map Projections* (USGS 1395, 1987),
//! sections 7 (Mercator), 15 (Lambert conformal conic, one standard parallel) and 21 (polar stereographic), sphere.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

use aurora_compiler::plan::data::{GridPlan, Projection};
use ndarray::Array2;

use super::archive::DataError;
use super::synthetic::arithmetic::{atan, cos, exp, ln, sin};

/// Radius of the sphere in metres.
pub const EARTH_RADIUS: f64 = 6_371_229.0;

/// A grid with the coordinates of its points; row 0 is north, column 0 west.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    pub plan: GridPlan,
    /// Projection coordinates in metres of the south-western point.
    pub origin: (f64, f64),
    /// (H, W) in degrees north.
    pub latitude: Array2<f32>,
    /// (H, W) in degrees east, 0 to 360.
    pub longitude: Array2<f32>,
}

impl Grid {
    /// Computes the coordinates.
    ///
    /// # Errors
    /// A grid without points, without spacing, or whose centre the projection cannot have.
    pub fn new(plan: &GridPlan) -> Result<Self, DataError> {
        let (latitude, longitude) = match plan.projection {
            Projection::Lambert { latitude, longitude }
            | Projection::Mercator { latitude, longitude }
            | Projection::Stereographic { latitude, longitude } => (latitude, longitude),
            Projection::LatLon { north, west, step } => (north - step * plan.height as f64 / 2.0, west),
        };
        let lambert = matches!(plan.projection, Projection::Lambert { .. });
        let possible = plan.width > 0
            && plan.height > 0
            && plan.spacing > 0.0
            && plan.spacing.is_finite()
            && longitude.is_finite()
            && latitude.abs() < 89.0
            && (!lambert || latitude.abs() > 1.0);
        if !possible {
            return Err(DataError::Plan(format!(
                "the grid `{}` is impossible: {} by {} points, {} m apart, centred on {latitude} N {longitude} E",
                plan.name, plan.width, plan.height, plan.spacing
            )));
        }
        let shape = (plan.height, plan.width);
        let mut grid = Self {
            plan: plan.clone(),
            origin: origin(plan),
            latitude: Array2::zeros(shape),
            longitude: Array2::zeros(shape),
        };
        for row in 0..plan.height {
            for column in 0..plan.width {
                let (x, y) = grid.position(row, column);
                let (north, east) = geographic(&plan.projection, x, y);
                grid.latitude[(row, column)] = north as f32;
                grid.longitude[(row, column)] = east as f32;
            }
        }
        Ok(grid)
    }

    /// Projection coordinates (x east, y north) of a point, in metres from the projection's centre; in degrees
    /// on a grid of latitude and longitude.
    #[must_use]
    pub fn position(&self, row: usize, column: usize) -> (f64, f64) {
        if let Projection::LatLon { north, west, step } = self.plan.projection {
            return (west + column as f64 * step, north - row as f64 * step);
        }
        let up = self.plan.height as f64 - 1.0 - row as f64;
        (self.origin.0 + column as f64 * self.plan.spacing, self.origin.1 + up * self.plan.spacing)
    }

    /// The angle in radians by which the grid's y axis is turned from north, positive east of the centre:
    /// `u_east = u cos a + v sin a`, `v_north = v cos a − u sin a` for winds (u, v) along the grid.
    #[must_use]
    pub fn convergence(&self, row: usize, column: usize) -> f64 {
        match self.plan.projection {
            Projection::Mercator { .. } | Projection::LatLon { .. } => 0.0,
            Projection::Stereographic { .. } => {
                let (x, y) = self.position(row, column);
                x.atan2(-y)
            }
            Projection::Lambert { latitude, .. } => {
                let n = sin(latitude.to_radians());
                let cone = EARTH_RADIUS * cos(latitude.to_radians()) / n;
                let (x, y) = self.position(row, column);
                atan(x / (cone - y))
            }
        }
    }
}

/// Where the south-western point lies in the projection's plane: at the stated place, or so that the grid has its centre there.
fn origin(plan: &GridPlan) -> (f64, f64) {
    match plan.southwest {
        Some([north, east]) => planar(&plan.projection, north, east),
        None => (
            -(plan.width as f64 - 1.0) / 2.0 * plan.spacing,
            -(plan.height as f64 - 1.0) / 2.0 * plan.spacing,
        ),
    }
}

/// The point of the projection plane, in metres, of a place in degrees.
fn planar(projection: &Projection, north: f64, east: f64) -> (f64, f64) {
    let half_tangent = |degrees: f64| {
        let half = FRAC_PI_4 + degrees.to_radians() / 2.0;
        sin(half) / cos(half)
    };
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
fn geographic(projection: &Projection, x: f64, y: f64) -> (f64, f64) {
    let (north, east) = match *projection {
        Projection::Lambert { latitude, longitude } => {
            let centre = latitude.to_radians();
            let n = sin(centre);
            let cone = EARTH_RADIUS * cos(centre) / n;
            let distance = (x * x + (cone - y) * (cone - y)).sqrt() * n.signum();
            let half = FRAC_PI_4 + centre / 2.0;
            let tangent = sin(half) / cos(half) * exp(ln(cone / distance) / n);
            (2.0 * atan(tangent) - FRAC_PI_2, longitude + (atan(x / (cone - y)) / n).to_degrees())
        }
        Projection::Mercator { latitude, longitude } => {
            let true_radius = EARTH_RADIUS * cos(latitude.to_radians());
            let half = FRAC_PI_4 + latitude.to_radians() / 2.0;
            let tangent = sin(half) / cos(half) * exp(y / true_radius);
            (2.0 * atan(tangent) - FRAC_PI_2, longitude + (x / true_radius).to_degrees())
        }
        Projection::Stereographic { latitude, longitude } => {
            let scale = EARTH_RADIUS * (1.0 + sin(latitude.to_radians()));
            let north = FRAC_PI_2 - 2.0 * atan(x.hypot(y) / scale);
            (north, longitude + x.atan2(-y).to_degrees())
        }
        Projection::LatLon { .. } => (y.to_radians(), x),
    };
    (north.to_degrees(), east.rem_euclid(360.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HRRR's own grid: the corners stated by its messages (south-west first), to a hundred metres.
    #[test]
    fn lambert_reproduces_the_corners_of_hrrr() {
        let plan = GridPlan {
            name: "conus".into(),
            projection: Projection::Lambert { latitude: 38.5, longitude: -97.5 },
            width: 1799,
            height: 1059,
            spacing: 3000.0,
            southwest: Some([21.138_123, -122.719_528]),
        };
        let grid = Grid::new(&plan).unwrap();
        let (x, y) = grid.position(1058, 0);
        assert!((x + 2_697_520.143).abs() < 0.2 && (y + 1_587_306.153).abs() < 0.2, "{x} {y}");
        assert!((f64::from(grid.latitude[(0, 1798)]) - 47.842_195).abs() < 1e-5);
        // HRRR's lower left corner lies at x = −2 697 520 m, y = −1 587 306 m: half a kilometre from a grid
        // centred exactly, so the closed form is asked at HRRR's own positions.
        for (x, y, latitude, longitude) in [
            (-2_697_520.143, -1_587_306.153, 21.138_123, 237.280_472),
            (2_696_479.857, -1_587_306.153, 21.140_547, 287.710_282),
            (-2_697_520.143, 1_586_693.847, 47.838_623, 225.904_520),
            (2_696_479.857, 1_586_693.847, 47.842_195, 299.082_807),
        ] {
            let (north, east) = geographic(&plan.projection, x, y);
            assert!((north - latitude).abs() < 2e-6, "{north} {latitude}");
            assert!((east - longitude).abs() < 2e-6, "{east} {longitude}");
        }
    }

    #[test]
    fn the_centre_is_the_centre_and_row_0_is_north() {
        for projection in [
            Projection::Lambert { latitude: 38.5, longitude: -97.5 },
            Projection::Mercator { latitude: 20.0, longitude: 140.0 },
        ] {
            let (Projection::Lambert { latitude, longitude } | Projection::Mercator { latitude, longitude }) =
                projection
            else {
                unreachable!("both have a centre")
            };
            let plan = GridPlan {
                name: "g".into(),
                projection,
                width: 5,
                height: 7,
                spacing: 6000.0,
                southwest: None,
            };
            let grid = Grid::new(&plan).unwrap();
            assert!((f64::from(grid.latitude[(3, 2)]) - latitude).abs() < 1e-5);
            assert!((f64::from(grid.longitude[(3, 2)]) - longitude.rem_euclid(360.0)).abs() < 2e-5);
            assert!(grid.latitude[(0, 2)] > grid.latitude[(6, 2)]);
            assert!(grid.longitude[(3, 0)] < grid.longitude[(3, 4)]);
            let north = f64::from(grid.latitude[(2, 2)] - grid.latitude[(3, 2)]).to_radians() * EARTH_RADIUS;
            assert!((north - 6000.0).abs() < 3.0, "{north}");
        }
    }

    /// HRRR's grid of Alaska: the corners that NCEP states (north-east: 63.975, -115.689), to a kilometre.
    #[test]
    fn stereographic_goes_there_and_back() {
        let projection = Projection::Stereographic { latitude: 60.0, longitude: -135.0 };
        let plan = GridPlan {
            name: "alaska".into(),
            projection: projection.clone(),
            width: 1299,
            height: 919,
            spacing: 3000.0,
            southwest: Some([41.612_949, 185.117_126]),
        };
        let grid = Grid::new(&plan).unwrap();
        for (row, column) in [(918, 0), (0, 0), (918, 1298), (0, 1298), (300, 700)] {
            let (x, y) = grid.position(row, column);
            let (north, east) = geographic(&projection, x, y);
            let (there, up) = planar(&projection, north, east);
            assert!((there - x).abs() < 1e-3 && (up - y).abs() < 1e-3, "{x} {there} {y} {up}");
        }
        assert!((f64::from(grid.latitude[(918, 0)]) - 41.612_949).abs() < 1e-5);
        assert!((f64::from(grid.longitude[(918, 0)]) - 185.117_126).abs() < 2e-5);
    }

    #[test]
    fn a_global_grid_begins_at_the_pole_and_wraps() {
        let projection = Projection::LatLon { north: 90.0, west: 0.0, step: 0.25 };
        let plan = GridPlan {
            name: "global".into(),
            projection,
            width: 1440,
            height: 721,
            spacing: 27_799.0,
            southwest: None,
        };
        assert!(plan.wraps());
        let grid = Grid::new(&plan).unwrap();
        assert_eq!((grid.latitude[(0, 0)], grid.longitude[(0, 0)]), (90.0, 0.0));
        assert_eq!((grid.latitude[(720, 0)], grid.longitude[(0, 1439)]), (-90.0, 359.75));
        assert_eq!(grid.convergence(10, 10), 0.0);
    }

    #[test]
    fn impossible_grids_are_refused() {
        let plan = GridPlan {
            name: "flat".into(),
            projection: Projection::Lambert { latitude: 0.0, longitude: 0.0 },
            width: 4,
            height: 4,
            spacing: 1000.0,
            southwest: None,
        };
        assert!(Grid::new(&plan).unwrap_err().to_string().contains("`flat`"));
    }
}
