//! The grid of the archive: HRRR's, or a part of its points.

use std::sync::Arc;

use aurora_compiler::plan::data::{GridPlan, Projection};

use super::array::coordinate;
use super::contents::{COORDINATES, Contents};
use crate::data::files::Files;
use crate::data::grid::Grid;

/// Points of HRRR over the United States, from west to east and from south to north.
const SIZE: (usize, usize) = (1799, 1059);
/// Its south-western point.
const CORNER: [f64; 2] = [21.138_123, -122.719_528];
const SPACING: f64 = 3000.0;
/// How far, in metres, a point may lie from one of HRRR's.
const NEAR: f64 = 30.0;

/// By the size of the first array, and the axes beside it where they are there.
pub fn of(files: &Arc<dyn Files>, contents: &Contents) -> Result<Grid, String> {
    let array = contents.arrays.first().ok_or("it has no array")?;
    let described = contents.described(files, array)?.ok_or_else(|| format!("`{array}` is not there"))?;
    let shape = described.metadata.get("shape").and_then(serde_json::Value::as_array);
    let shape: Vec<usize> =
        shape.into_iter().flatten().filter_map(|size| usize::try_from(size.as_u64()?).ok()).collect();
    let &[.., height, width] = shape.as_slice() else {
        return Err(format!("`{array}` has no rows and columns"));
    };
    let outer = array.rsplitn(3, '/').last().unwrap_or_default();
    let axis = |name: &str| coordinate(files, contents, &format!("{outer}/{name}"));
    let (x, y) = (axis(COORDINATES[0])?, axis(COORDINATES[1])?);
    let plan = |width, height, [latitude, longitude]: [f64; 2]| GridPlan {
        name: "conus".into(),
        projection: Projection::Lambert { latitude: 38.5, longitude: -97.5 },
        width,
        height,
        spacing: SPACING,
        southwest: Some([latitude, longitude]),
    };
    let (Some(x), Some(y)) = (x, y) else {
        return match (width, height) == SIZE {
            true => Grid::new(&plan(width, height, CORNER)).map_err(|error| error.to_string()),
            false => Err(format!(
                "{width} by {height} points, and no axes that say where: HRRR has {} by {}",
                SIZE.0, SIZE.1
            )),
        };
    };
    let whole = Grid::new(&plan(1, 1, CORNER)).map_err(|error| error.to_string())?;
    let (column, row) =
        (first(&x, width, whole.origin.0, "columns")?, first(&y, height, whole.origin.1, "rows")?);
    let corner = if (column, row) == (0.0, 0.0) {
        CORNER
    } else {
        let (latitude, longitude) = whole.geographic(-row, column);
        let degrees = |value: f64| (value * 1e6).round() / 1e6;
        [degrees(latitude), degrees((longitude + 180.0).rem_euclid(360.0) - 180.0)]
    };
    Grid::new(&plan(width, height, corner)).map_err(|error| error.to_string())
}

/// Which of HRRR's points an axis begins with.
fn first(axis: &[f64], count: usize, origin: f64, what: &str) -> Result<f64, String> {
    let start = axis.first().copied().unwrap_or(f64::NAN);
    let place = ((start - origin) / SPACING).round();
    let near =
        |(index, value): (usize, &f64)| (value - origin - (place + index as f64) * SPACING).abs() <= NEAR;
    match axis.len() == count && axis.iter().enumerate().all(near) {
        true => Ok(place),
        false => Err(format!("its {what} are not those of HRRR, {SPACING} m apart from south and west")),
    }
}
