//! A horizontal grid: a projection of the sphere and the latitude and longitude of its points.
//!
//! Earth is the sphere of radius 6 371 229 m, as in HRRR.

mod area;
mod projection;

use aurora_compiler::plan::data::{GridPlan, Projection};
use ndarray::Array2;

use super::archive::DataError;
use projection::{Inverse, convergence, geographic, planar, scale};

/// Radius of the sphere in metres.
pub const EARTH_RADIUS: f64 = 6_371_229.0;

/// A grid with the coordinates of its points; row 0 is north, column 0 west.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    pub plan: GridPlan,
    /// Projection coordinates in metres of the south-western point.
    pub origin: (f64, f64),
    /// (H, W) in degrees north.
    pub latitude: Array2<f64>,
    /// (H, W) in degrees east, 0 to 360.
    pub longitude: Array2<f64>,
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
            latitude: Array2::zeros((0, 0)),
            longitude: Array2::zeros((0, 0)),
        };
        let (mut latitude, mut longitude) = (Array2::zeros(shape), Array2::zeros(shape));
        // By one thread: grids are made while a recipe is compiled, before it is known how many threads there shall be.
        let inverse = Inverse::new(&plan.projection);
        for row in 0..plan.height {
            for column in 0..plan.width {
                let (x, y) = grid.position(row, column);
                let (north, east) = inverse.geographic(x, y);
                latitude[(row, column)] = north;
                longitude[(row, column)] = east;
            }
        }
        (grid.latitude, grid.longitude) = (latitude, longitude);
        Ok(grid)
    }

    /// Projection coordinates (x east, y north) of a point, in metres from the projection's centre; in degrees
    /// on a grid of latitude and longitude.
    #[must_use]
    pub fn position(&self, row: usize, column: usize) -> (f64, f64) {
        self.at(row as f64, column as f64)
    }

    /// The same of any place between the points, or beyond them.
    fn at(&self, row: f64, column: f64) -> (f64, f64) {
        if let Projection::LatLon { north, west, step } = self.plan.projection {
            return (west + column * step, north - row * step);
        }
        let up = self.plan.height as f64 - 1.0 - row;
        (self.origin.0 + column * self.plan.spacing, self.origin.1 + up * self.plan.spacing)
    }

    /// Latitude and longitude in degrees of a place given in rows and columns, whole at the points of the grid: the
    /// south-western corner of the first cell is at (0.5, -0.5).
    #[must_use]
    pub fn geographic(&self, row: f64, column: f64) -> (f64, f64) {
        let (x, y) = self.at(row, column);
        geographic(&self.plan.projection, x, y)
    }

    /// Row and column of a place in degrees, whole at the points of the grid: the inverse of [`Self::geographic`]. Places
    /// off the grid have rows below 0 or above H - 1, columns likewise; a place that the projection does not have, such as the
    /// other pole, is at no finite row.
    #[must_use]
    pub fn locate(&self, latitude: f64, longitude: f64) -> (f64, f64) {
        let (x, y) = planar(&self.plan.projection, latitude, longitude);
        if let Projection::LatLon { north, west, step } = self.plan.projection {
            // A place beyond the grid is on the side from which the way is shorter.
            let middle = west + (self.plan.width as f64 - 1.0) / 2.0 * step;
            let column = (x - middle + 180.0).rem_euclid(360.0) - 180.0 + middle - west;
            return ((north - y) / step, column / step);
        }
        let last = self.plan.height as f64 - 1.0;
        (last - (y - self.origin.1) / self.plan.spacing, (x - self.origin.0) / self.plan.spacing)
    }

    /// The angle in radians by which the grid's y axis is turned from north, positive east of the centre:
    /// `u_east = u cos a + v sin a`, `v_north = v cos a − u sin a` for winds (u, v) along the grid.
    #[must_use]
    pub fn convergence(&self, row: usize, column: usize) -> f64 {
        let (x, y) = self.position(row, column);
        convergence(&self.plan.projection, x, y)
    }

    /// How many metres of the map a metre on the sphere is at a point, so that neighbours are `spacing` divided by it apart
    /// there. On a grid of latitude and longitude that of lengths from west to east; from north to south it is 1.
    #[must_use]
    pub fn map_factor(&self, row: usize, column: usize) -> f64 {
        let (x, y) = self.position(row, column);
        scale(&self.plan.projection, x, y)
    }
}

/// The grid whose cells are blocks of `factor` by `factor` cells of another: of 3 km the one of 6 or 12 km. Blocks begin in the south-western
/// corner; rows and columns that make no whole block are left over in the north and the east.
///
/// # Errors
/// A grid without one block, and those of [`Grid::new`].
pub fn coarsened(grid: &Grid, factor: usize) -> Result<Grid, DataError> {
    let plan = &grid.plan;
    let (width, height) = (plan.width / factor.max(1), plan.height / factor.max(1));
    if factor == 0 || width == 0 || height == 0 {
        return Err(DataError::Plan(format!(
            "the grid `{}` of {} by {} points has no block of {factor} by {factor}",
            plan.name, plan.width, plan.height
        )));
    }
    let middle = (factor as f64 - 1.0) / 2.0;
    // The middle of the south-western block, and of the north-western one.
    let low = plan.height as f64 - 1.0 - middle;
    let high = low - ((height - 1) * factor) as f64;
    let mut coarse = GridPlan {
        name: format!("{}_by_{factor}", plan.name),
        width,
        height,
        spacing: plan.spacing * factor as f64,
        ..plan.clone()
    };
    if let Projection::LatLon { north, west, step } = plan.projection {
        coarse.projection = Projection::LatLon {
            north: north - high * step,
            west: west + middle * step,
            step: step * factor as f64,
        };
    }
    let (latitude, longitude) = grid.geographic(low, middle);
    coarse.southwest = Some([latitude, longitude]);
    Grid::new(&coarse)
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

#[cfg(test)]
mod tests;
