//! Fields that belong to the grid and not to the weather, so that every archive has them: `grid:latitude`, in radians, and
//! cosine and sine of the angle by which the rows of the grid lead away from east, `grid:rotation_cosine` and
//! `grid:rotation_sine`.

use ndarray::{Array3, Axis};

use super::grid::Grid;

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
        Array3::from_shape_fn((1, rows, columns), |(_, row, column)| of(grid.convergence(row, column)) as f32)
    };
    match from {
        "grid:latitude" => Some(grid.latitude.mapv(f32::to_radians).insert_axis(Axis(0))),
        "grid:rotation_cosine" => Some(turned(f64::cos)),
        "grid:rotation_sine" => Some(turned(f64::sin)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::plains;
    use super::*;

    #[test]
    fn every_grid_has_them() {
        let grid = Grid::new(&plains().plan).unwrap();
        for (from, _) in FIELDS {
            let field = values(from, &grid).unwrap();
            assert_eq!(field.dim(), (1, grid.plan.height, grid.plan.width), "{from}");
            assert!(units(from).is_some());
        }
        let latitude = values("grid:latitude", &grid).unwrap();
        assert!((latitude[[0, 3, 5]] - grid.latitude[[3, 5]].to_radians()).abs() < 1e-7);
        let (cosine, sine) =
            (values("grid:rotation_cosine", &grid).unwrap(), values("grid:rotation_sine", &grid).unwrap());
        assert!(cosine.iter().zip(&sine).all(|(c, s)| (c * c + s * s - 1.0).abs() < 1e-6));
        // The rows of a Lambert grid lead away from east on either side of its centre, to either side.
        let last = grid.plan.width - 1;
        assert!(sine[[0, 0, 0]] * sine[[0, 0, last]] < 0.0);
        assert!(units("TMP").is_none() && values("TMP", &grid).is_none());
    }
}
