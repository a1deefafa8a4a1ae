//! A horizontal grid: a projection of the sphere and the latitude and longitude of its points.
//!
//! Earth is the sphere of radius 6 371 229 m, as in HRRR. Formulas: Snyder, *Map Projections* (USGS 1395, 1987),
//! sections 7 (Mercator) and 15 (Lambert conformal conic), sphere, one standard parallel.

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
            Projection::Lambert { latitude, longitude } | Projection::Mercator { latitude, longitude } => {
                (latitude, longitude)
            }
            Projection::LatLon { north, west, step } => return Self::of_degrees(plan, (north, west, step)),
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
        let mut grid =
            Self { plan: plan.clone(), latitude: Array2::zeros(shape), longitude: Array2::zeros(shape) };
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

    /// A grid whose rows are circles of latitude and whose columns are meridians.
    fn of_degrees(plan: &GridPlan, (north, west, step): (f64, f64, f64)) -> Result<Self, DataError> {
        let south = north - step * plan.height.saturating_sub(1) as f64;
        let possible = plan.width > 0
            && plan.height > 0
            && step > 0.0
            && west.is_finite()
            && north <= 90.0 + 1e-9
            && south >= -90.0 - 1e-9;
        if !possible {
            return Err(DataError::Plan(format!(
                "the grid `{}` is impossible: {} by {} points, {step} degrees apart, from {north} N {west} E",
                plan.name, plan.width, plan.height
            )));
        }
        let shape = (plan.height, plan.width);
        Ok(Self {
            plan: plan.clone(),
            latitude: Array2::from_shape_fn(shape, |(row, _)| (north - step * row as f64) as f32),
            longitude: Array2::from_shape_fn(shape, |(_, column)| {
                (west + step * column as f64).rem_euclid(360.0) as f32
            }),
        })
    }

    /// Projection coordinates (x east, y north) of a point in metres from the centre of the grid.
    #[must_use]
    pub fn position(&self, row: usize, column: usize) -> (f64, f64) {
        let x = (column as f64 - (self.plan.width as f64 - 1.0) / 2.0) * self.plan.spacing;
        let y = ((self.plan.height as f64 - 1.0) / 2.0 - row as f64) * self.plan.spacing;
        (x, y)
    }

    /// The angle in radians by which the grid's y axis is turned from north, positive east of the centre:
    /// `u_east = u cos a + v sin a`, `v_north = v cos a − u sin a` for winds (u, v) along the grid.
    #[must_use]
    pub fn convergence(&self, row: usize, column: usize) -> f64 {
        match self.plan.projection {
            Projection::Mercator { .. } | Projection::LatLon { .. } => 0.0,
            Projection::Lambert { latitude, .. } => {
                let n = sin(latitude.to_radians());
                let cone = EARTH_RADIUS * cos(latitude.to_radians()) / n;
                let (x, y) = self.position(row, column);
                atan(x / (cone - y))
            }
        }
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
        // On this plane a metre is a metre of the meridian, counted from the point at 0 N, `west`.
        Projection::LatLon { west, .. } => (y / EARTH_RADIUS, west + (x / EARTH_RADIUS).to_degrees()),
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
        };
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
                continue;
            };
            let plan = GridPlan { name: "g".into(), projection, width: 5, height: 7, spacing: 6000.0 };
            let grid = Grid::new(&plan).unwrap();
            assert!((f64::from(grid.latitude[(3, 2)]) - latitude).abs() < 1e-5);
            assert!((f64::from(grid.longitude[(3, 2)]) - longitude.rem_euclid(360.0)).abs() < 2e-5);
            assert!(grid.latitude[(0, 2)] > grid.latitude[(6, 2)]);
            assert!(grid.longitude[(3, 0)] < grid.longitude[(3, 4)]);
            let north = f64::from(grid.latitude[(2, 2)] - grid.latitude[(3, 2)]).to_radians() * EARTH_RADIUS;
            assert!((north - 6000.0).abs() < 3.0, "{north}");
        }
    }

    #[test]
    fn a_global_grid_begins_in_the_north_west_and_wraps() {
        let plan = GridPlan {
            name: "era5".into(),
            projection: Projection::LatLon { north: 90.0, west: 0.0, step: 0.25 },
            width: 1440,
            height: 721,
            spacing: 27_798.0,
        };
        assert!(plan.wraps());
        assert!(!GridPlan { width: 1439, ..plan.clone() }.wraps());
        let grid = Grid::new(&plan).unwrap();
        assert_eq!([grid.latitude[(0, 0)], grid.latitude[(720, 9)]], [90.0, -90.0]);
        assert_eq!([grid.longitude[(5, 0)], grid.longitude[(5, 1439)]], [0.0, 359.75]);
        assert!(Grid::new(&GridPlan { height: 722, ..plan }).is_err());
    }

    #[test]
    fn impossible_grids_are_refused() {
        let plan = GridPlan {
            name: "flat".into(),
            projection: Projection::Lambert { latitude: 0.0, longitude: 0.0 },
            width: 4,
            height: 4,
            spacing: 1000.0,
        };
        assert!(Grid::new(&plan).unwrap_err().to_string().contains("`flat`"));
    }
}
