//! The area of a grid's cells on the sphere. A cell is what lies nearer to its point than to the next, in rows and columns.
//!
//! On a conformal map it is the square of spacing / map factor at the point: the first term of the integral over the cell, whose
//! next is of the order of (spacing / radius)² / 24, some 1e-8 of it at 3 km and 1e-6 at 30 km. On a grid of latitude and longitude it is the
//! area between two parallels, R² Δλ (sin φ₂ − sin φ₁), exactly; at a pole the half cell that there is.

use aurora_compiler::plan::data::Projection;
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::projection::scale;
use super::{EARTH_RADIUS, Grid};
use crate::data::synthetic::arithmetic::sin;

impl Grid {
    /// Square metres of each cell, (H, W).
    #[must_use]
    pub fn areas(&self) -> Array2<f64> {
        let mut areas = Array2::zeros((self.plan.height, self.plan.width));
        areas.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, mut line)| {
            if let Projection::LatLon { north, step, .. } = self.plan.projection {
                line.fill(between_parallels(north - row as f64 * step, step));
                return;
            }
            for (column, area) in line.iter_mut().enumerate() {
                let (x, y) = self.position(row, column);
                let side = self.plan.spacing / scale(&self.plan.projection, x, y);
                *area = side * side;
            }
        });
        areas
    }
}

/// Of the cell with a side of `step` degrees around a latitude.
fn between_parallels(latitude: f64, step: f64) -> f64 {
    let sine = |degrees: f64| sin(degrees.clamp(-90.0, 90.0).to_radians());
    let height = sine(latitude + step / 2.0) - sine(latitude - step / 2.0);
    EARTH_RADIUS * EARTH_RADIUS * step.to_radians() * height
}

#[cfg(test)]
mod tests {
    use aurora_compiler::plan::data::GridPlan;

    use super::*;

    fn grid(projection: Projection, width: usize, height: usize, spacing: f64) -> Grid {
        let name = "any".to_string();
        Grid::new(&GridPlan { name, projection, width, height, spacing, southwest: None }).unwrap()
    }

    /// The area inside the outline of all cells, R² ∮ sin φ dλ by Stokes, in steps of a tenth of a cell.
    fn enclosed(grid: &Grid) -> f64 {
        let (height, width) = (grid.plan.height as f64, grid.plan.width as f64);
        let corners = [(height, 0.0), (height, width), (0.0, width), (0.0, 0.0), (height, 0.0)];
        let mut outline = Vec::new();
        for pair in corners.windows(2) {
            let [(row, column), (to, across)] = [pair[0], pair[1]];
            let steps = 10.0 * ((to - row).abs() + (across - column).abs());
            for step in 0..steps as usize {
                let part = step as f64 / steps;
                let place = (row + (to - row) * part, column + (across - column) * part);
                outline.push(grid.geographic(place.0 - 0.5, place.1 - 0.5));
            }
        }
        outline.push(outline[0]);
        let sum: f64 = outline
            .windows(2)
            .map(|two| {
                let across = (two[1].1 - two[0].1 + 180.0).rem_euclid(360.0) - 180.0;
                let middle = ((two[0].0 + two[1].0) / 2.0).to_radians();
                middle.sin() * across.to_radians()
            })
            .sum();
        -sum * EARTH_RADIUS * EARTH_RADIUS
    }

    /// The sum over cells against the outline. The tolerance, (spacing / radius)² / 10, is the next term's and the outline's chords'.
    #[test]
    fn the_cells_fill_their_region() {
        let lambert = Projection::Lambert { latitude: 38.5, longitude: -97.5 };
        let alaska = GridPlan {
            name: "alaska".into(),
            projection: Projection::Stereographic { latitude: 60.0, longitude: -135.0 },
            width: 1299,
            height: 919,
            spacing: 3000.0,
            southwest: Some([41.612_949, 185.117_126]),
        };
        for grid in [
            grid(lambert.clone(), 1799, 1059, 3000.0),
            grid(lambert, 180, 106, 30_000.0),
            grid(Projection::Lambert { latitude: -34.0, longitude: 138.0 }, 200, 150, 10_000.0),
            grid(Projection::Mercator { latitude: 20.0, longitude: 140.0 }, 300, 200, 10_000.0),
            Grid::new(&alaska).unwrap(),
        ] {
            let tolerance = (grid.plan.spacing / EARTH_RADIUS).powi(2) / 10.0;
            let (found, exact) = (grid.areas().sum(), enclosed(&grid));
            assert!((found / exact - 1.0).abs() < tolerance, "{:?}: {found} {exact}", grid.plan);
        }
    }

    #[test]
    fn a_global_grid_has_the_area_of_the_sphere() {
        let globe = grid(Projection::LatLon { north: 90.0, west: 0.0, step: 0.25 }, 1440, 721, 27_799.0);
        let sphere = 4.0 * std::f64::consts::PI * EARTH_RADIUS * EARTH_RADIUS;
        assert!((globe.areas().sum() / sphere - 1.0).abs() < 1e-12);
    }
}
