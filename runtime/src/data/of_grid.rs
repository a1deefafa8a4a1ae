//! Fields that belong to the grid and not to the weather, so that every archive has them: `grid:latitude`, in radians, and
//! cosine and sine of the angle by which the rows of the grid lead away from east, `grid:rotation_cosine` and
//! `grid:rotation_sine`.

use ndarray::{Array3, Axis};
use rayon::prelude::*;

use super::grid::Grid;
use super::synthetic::arithmetic::{cos, sin};

/// Their names in `from`, with their units.
pub const FIELDS: [(&str, &str); 3] =
    [("grid:latitude", "rad"), ("grid:rotation_cosine", "1"), ("grid:rotation_sine", "1")];

/// The unit of such a field; nothing if it is none.
#[must_use]
pub fn units(from: &str) -> Option<&'static str> {
    FIELDS.iter().find(|(name, _)| *name == from).map(|(_, units)| *units)
}

/// Its values, (1, rows, columns); nothing if it is none.
#[must_use]
pub fn values(from: &str, grid: &Grid) -> Option<Array3<f32>> {
    let (rows, columns) = grid.latitude.dim();
    let turned = |of: fn(f64) -> f64| {
        let mut values = Array3::zeros((1, rows, columns));
        values.axis_iter_mut(Axis(1)).into_par_iter().enumerate().for_each(|(row, mut line)| {
            let turned = |column| of(grid.convergence(row, column)) as f32;
            line.iter_mut().enumerate().for_each(|(column, value)| *value = turned(column));
        });
        values
    };
    match from {
        "grid:latitude" => {
            Some(grid.latitude.mapv(|degrees| degrees.to_radians() as f32).insert_axis(Axis(0)))
        }
        "grid:rotation_cosine" => Some(turned(cos)),
        "grid:rotation_sine" => Some(turned(sin)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use aurora_compiler::plan::data::{GridPlan, Projection};

    use super::super::synthetic::plains;
    use super::*;

    /// Half a unit in the last place of degrees in f32, and then of radians.
    const LATITUDE: f64 = 1e-7;
    /// Of numbers near 1 in f32; PROJ's come from steps of a metre, of which f64 keeps as much.
    const DIRECTION: f64 = 2e-7;

    /// Row, column, degrees north, and where a row leads: east and north.
    type Point = (usize, usize, f64, f64, f64);

    fn grid(projection: Projection, width: usize, height: usize, spacing: f64, southwest: [f64; 2]) -> Grid {
        let name = "any".to_string();
        Grid::new(&GridPlan { name, projection, width, height, spacing, southwest: Some(southwest) }).unwrap()
    }

    fn compare(grid: &Grid, points: &[Point]) {
        let [latitude, cosine, sine] = FIELDS.map(|(from, _)| values(from, grid).unwrap());
        for (row, column, north, towards_east, towards_north) in points {
            let at = [0, *row, *column];
            let place = format!("{:?} {at:?}", grid.plan.projection);
            assert!(
                (f64::from(latitude[at]) - north.to_radians()).abs() < LATITUDE,
                "{place}: {}",
                latitude[at]
            );
            assert!((f64::from(cosine[at]) - towards_east).abs() < DIRECTION, "{place}: {}", cosine[at]);
            assert!((-f64::from(sine[at]) - towards_north).abs() < DIRECTION, "{place}: {}", sine[at]);
        }
    }

    /// PROJ, on the same sphere: `tests/reference/grid.py`.
    #[test]
    fn grids_lie_and_turn_as_proj_has_them() {
        let lambert = Projection::Lambert { latitude: 38.5, longitude: -97.5 };
        compare(
            &grid(lambert, 60, 40, 50_000.0, [27.0, -119.0]),
            &[
                (0, 0, 43.853_110_0, 0.956_941_8, 0.290_279_9),
                (13, 30, 40.639_464_7, 0.996_474_6, 0.083_895_3),
                (39, 59, 28.923_143_6, 0.996_130_3, -0.087_888_6),
            ],
        );
        let southern = Projection::Lambert { latitude: -34.0, longitude: 138.0 };
        compare(
            &grid(southern, 40, 30, 30_000.0, [-38.0, 131.0]),
            &[
                (0, 0, -30.198_881_0, 0.998_060_0, -0.062_259_9),
                (10, 20, -33.066_105_7, 0.999_998_9, -0.001_510_6),
                (29, 39, -38.034_320_1, 0.998_091_5, 0.061_752_8),
            ],
        );
        // Across the date line.
        let mercator = Projection::Mercator { latitude: 20.0, longitude: 179.0 };
        compare(
            &grid(mercator, 50, 30, 20_000.0, [-5.0, 171.0]),
            &[(0, 0, 0.544_254_8, 1.0, 0.0), (10, 25, -1.369_613_9, 1.0, 0.0), (29, 49, -5.0, 1.0, 0.0)],
        );
        let polar = Projection::Stereographic { latitude: 60.0, longitude: -150.0 };
        compare(
            &grid(polar, 30, 20, 90_000.0, [42.0, -175.0]),
            &[
                (0, 0, 54.439_325_8, 0.809_770_3, 0.586_747_0),
                (6, 15, 55.125_713_8, 0.971_377_3, 0.237_541_8),
                (19, 29, 45.930_504_1, 0.996_991_5, -0.077_511_0),
            ],
        );
        let parallels = Projection::LatLon { north: 60.0, west: 350.0, step: 0.25 };
        let parallels = grid(parallels, 80, 40, 27_799.0, [50.25, 350.0]);
        compare(&parallels, &[(0, 0, 60.0, 1.0, 0.0), (39, 79, 50.25, 1.0, 0.0)]);
    }

    /// Corners of grids as ecCodes has them of files: north-western, north-eastern, south-eastern.
    #[test]
    fn grids_lie_as_eccodes_has_them() {
        let nam = Projection::Lambert { latitude: 25.0, longitude: 265.0 };
        let nam = grid(nam, 93, 65, 81_271.0, [12.19, 226.541]);
        let hrrr = Projection::Lambert { latitude: 38.5, longitude: 262.5 };
        let hrrr = grid(hrrr, 1799, 1059, 3000.0, [21.138_123, 237.280_472]);
        let alaska = Projection::Stereographic { latitude: 60.0, longitude: 210.0 };
        let alaska = grid(alaska, 825, 553, 5953.0, [40.53, 181.429]);
        for (grid, [northwest, northeast, southeast]) in [
            (nam, [54.535_803_5, 57.289_403_9, 14.334_642_5]),
            (hrrr, [47.838_623_5, 47.842_195_0, 21.140_546_6]),
            (alaska, [61.399_385_95, 63.976_300_2, 41.739_954_9]),
        ] {
            let latitude = values("grid:latitude", &grid).unwrap();
            let (bottom, right) = (grid.plan.height - 1, grid.plan.width - 1);
            for (row, column, north) in [(0, 0, northwest), (0, right, northeast), (bottom, right, southeast)]
            {
                let found = f64::from(latitude[[0, row, column]]).to_degrees();
                // ecCodes has them of the rounded corners of the message.
                assert!((found - north).abs() < 1e-5, "{:?}: {found} {north}", grid.plan.projection);
            }
        }
    }

    /// A wind along the rows, turned by the fields as std.physics turns it, is the wind that has moved a point to the next of its row.
    #[test]
    fn a_wind_along_the_rows_leads_to_the_next_point() {
        let grid = Grid::new(&plains().plan).unwrap();
        let [latitude, cosine, sine] = FIELDS.map(|(from, _)| values(from, &grid).unwrap());
        let spread = |values: &ndarray::Array2<f64>, row: usize, column: usize| {
            (values[[row, column + 1]] - values[[row, column - 1]]).to_radians()
        };
        for (row, column) in [(3, 5), (grid.plan.height / 2, grid.plan.width / 2), (1, grid.plan.width - 2)] {
            let at = [0, row, column];
            let east = spread(&grid.longitude, row, column) * f64::from(latitude[at]).cos();
            let north = spread(&grid.latitude, row, column);
            let length = east.hypot(north);
            // Degrees in f32, two rows' worth of them.
            assert!((east / length - f64::from(cosine[at])).abs() < 1e-3);
            assert!((north / length + f64::from(sine[at])).abs() < 1e-3);
        }
    }

    #[test]
    fn only_these_belong_to_the_grid() {
        let grid = Grid::new(&plains().plan).unwrap();
        for (from, _) in FIELDS {
            assert_eq!(values(from, &grid).unwrap().dim(), (1, grid.plan.height, grid.plan.width), "{from}");
            assert!(units(from).is_some());
        }
        assert!(units("TMP").is_none() && values("TMP", &grid).is_none());
    }
}
