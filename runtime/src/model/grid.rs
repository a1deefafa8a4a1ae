//! What a grid must be for Aurora to know where it is: the checks of latitudes and longitudes.
//!
//! A regular grid has one latitude for each row, from north to south as upstream wants them, and one longitude for
//! each column. Any other grid, such as HRRR's Lambert grid, has both for each point; there rows may go north or
//! south, as archives have them, but one way all over. Neither matters to the encoding of a patch, which takes the
//! mean and the outermost of its points. (Upstream compares whole rows of points with one another and lets many
//! grids pass that are none.) Longitudes rise along each row, so that no grid crosses the meridian of Greenwich,
//! where they jump from 360 to 0; a global one ends there.

use super::ModelError;
use super::batch::Coordinates;

/// Checks the coordinates of a grid of `height` by `width` points.
///
/// # Errors
/// What is wrong, with the first place where it is.
pub fn check(
    latitude: &Coordinates,
    longitude: &Coordinates,
    height: usize,
    width: usize,
) -> Result<(), ModelError> {
    let (kind, other) = (latitude.shape.as_slice(), longitude.shape.as_slice());
    let whole = |c: &Coordinates| c.values.len() == c.shape.iter().product::<usize>();
    match (kind, other) {
        ([rows], [columns]) if whole(latitude) && whole(longitude) => {
            if (*rows, *columns) != (height, width) {
                return wrong(format!("coordinates for {rows}×{columns} points of a {height}×{width} grid"));
            }
        }
        _ if kind == [height, width] && other == [height, width] && whole(latitude) && whole(longitude) => {}
        _ => {
            return wrong(format!(
                "latitudes have shape {kind:?} and longitudes {other:?}, the grid is {height}×{width}; give one \
                 latitude for each row and one longitude for each column, or both for each point"
            ));
        }
    }
    within(latitude, "latitude", "-90 to 90 degrees north", |value| (-90.0..=90.0).contains(&value))?;
    within(longitude, "longitude", "0 to 360 degrees east, 360 excluded", |value| {
        (0.0..360.0).contains(&value)
    })?;
    if latitude.shape.len() == 1 {
        falling(latitude)?
    } else {
        one_way(latitude, width)?
    }
    rising(longitude, width)
}

/// Every value is a number in its range.
fn within(
    coordinates: &Coordinates,
    what: &str,
    range: &str,
    sound: impl Fn(f32) -> bool,
) -> Result<(), ModelError> {
    let Some(at) = coordinates.values.iter().position(|value| !sound(*value)) else { return Ok(()) };
    let (value, place) = (coordinates.values[at], place(coordinates, at));
    if value.is_nan() {
        return wrong(format!(
            "the {what} at {place} is missing; the model needs to know where every point is"
        ));
    }
    wrong(format!("the {what} at {place} is {value}; it must lie within {range}"))
}

/// Rows of a regular grid go from north to south.
fn falling(latitude: &Coordinates) -> Result<(), ModelError> {
    let Some(row) = latitude.values.windows(2).position(|pair| pair[0] <= pair[1]) else { return Ok(()) };
    let (one, next) = (latitude.values[row], latitude.values[row + 1]);
    wrong(format!(
        "latitudes must decrease from row to row, but row {row} lies at {one} and row {} at {next} degrees north; turn \
         the rows of every field round, or give latitude and longitude for each point",
        row + 1
    ))
}

/// Rows go north all over or south all over, at every column.
fn one_way(latitude: &Coordinates, width: usize) -> Result<(), ModelError> {
    let values = &latitude.values;
    let (Some(first), Some(second)) = (values.first(), values.get(width)) else { return Ok(()) };
    let south = second < first;
    let wrong_way = |at: &usize| {
        let (one, next) = (values[*at], values[*at + width]);
        if south { next >= one } else { next <= one }
    };
    let Some(at) = (0..values.len() - width).find(wrong_way) else { return Ok(()) };
    let (row, column, way) = (at / width, at % width, if south { "decrease" } else { "increase" });
    wrong(format!(
        "latitudes {way} from row 0 to row 1 at column 0, but not from row {row} to row {} at column {column}: {} and \
         {} degrees north; rows must go one way all over, so no pole may lie inside the grid",
        row + 1,
        values[at],
        values[at + width]
    ))
}

/// Columns go east along each row.
fn rising(longitude: &Coordinates, width: usize) -> Result<(), ModelError> {
    let values = &longitude.values;
    let wrong_way = |at: &usize| !(at + 1).is_multiple_of(width) && values[*at] >= values[at + 1];
    let Some(at) = (0..values.len().saturating_sub(1)).find(wrong_way) else { return Ok(()) };
    let (one, next) = (values[at], values[at + 1]);
    let (here, there) = (place(longitude, at), place(longitude, at + 1));
    if one - next > 180.0 {
        return wrong(format!(
            "the grid crosses the meridian of Greenwich between {here} ({one} degrees east) and {there} ({next}); \
             Aurora's encoding of longitude jumps there: cut the grid east or west of it"
        ));
    }
    wrong(format!(
        "longitudes must increase along each row, but {here} lies at {one} and {there} at {next} degrees east"
    ))
}

/// Where a value stands, in words.
fn place(coordinates: &Coordinates, at: usize) -> String {
    match coordinates.shape[..] {
        [_, columns] => format!("row {}, column {}", at / columns.max(1), at % columns.max(1)),
        _ => format!("place {at}"),
    }
}

fn wrong<T>(message: String) -> Result<T, ModelError> {
    Err(ModelError::Batch(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::{GridEncoding, root_areas};

    const ROWS: usize = 8;
    const COLUMNS: usize = 12;

    /// A curved grid: rows bend and columns lean, as on a Lambert plane. All values are multiples of 1/64, so that
    /// sums over patches are exact in any order.
    fn curved(south_up: bool) -> [Vec<f32>; 2] {
        let (mut latitude, mut longitude) = (Vec::new(), Vec::new());
        for i in 0..ROWS {
            for j in 0..COLUMNS {
                let (row, column) = (if south_up { i } else { ROWS - 1 - i }, j as f32 - 5.5);
                latitude.push(30.0 + row as f32 / 4.0 - column * column / 64.0);
                longitude.push(250.0 + column / 2.0 * (1.0 + row as f32 / 32.0));
            }
        }
        [latitude, longitude]
    }

    fn points([latitude, longitude]: [Vec<f32>; 2]) -> [Coordinates; 2] {
        [latitude, longitude].map(|values| Coordinates::matrix(ROWS, COLUMNS, values))
    }

    fn regular(latitude: Vec<f32>, longitude: Vec<f32>) -> [Coordinates; 2] {
        [Coordinates::vector(latitude), Coordinates::vector(longitude)]
    }

    fn refusal([latitude, longitude]: &[Coordinates; 2]) -> String {
        match check(latitude, longitude, ROWS, COLUMNS) {
            Err(ModelError::Batch(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rows_of_points_may_go_either_way() {
        for south_up in [false, true] {
            let [latitude, longitude] = points(curved(south_up));
            check(&latitude, &longitude, ROWS, COLUMNS).unwrap();
        }
    }

    /// The same places in rows of the other order: the same patches, encoded the same, in rows of the other order.
    #[test]
    fn a_grid_turned_round_has_its_encoding_turned_round() {
        for patch in [2, 4] {
            let [north_up, south_up] = [false, true].map(|way| {
                let [latitude, longitude] = points(curved(way));
                let areas = root_areas(&latitude, &longitude, patch);
                (GridEncoding::new(&latitude, &longitude, patch, 16).unwrap(), areas)
            });
            let turned = |list: &[f32], width: usize| -> Vec<f32> {
                let row = width * COLUMNS / patch;
                list.chunks(row).rev().flatten().copied().collect()
            };
            assert_eq!(north_up.0.position, turned(&south_up.0.position, 16));
            assert_eq!(north_up.0.scale, turned(&south_up.0.scale, 16));
            assert_eq!(north_up.1, turned(&south_up.1, 1));
            assert!(north_up.1.iter().all(|side| *side > 0.0 && side.is_finite()));
            assert_ne!(north_up.0.position, south_up.0.position);
        }
    }

    #[test]
    fn each_fault_is_told_at_its_first_place() {
        let change = |which: usize, at: usize, value: f32| {
            let mut grid = curved(true);
            grid[which][at] = value;
            refusal(&points(grid))
        };
        assert!(change(0, 15, f32::NAN).contains("the latitude at row 1, column 3 is missing"));
        assert!(change(1, 95, f32::NAN).contains("the longitude at row 7, column 11 is missing"));
        assert!(change(0, 0, 91.0).contains("the latitude at row 0, column 0 is 91"));
        assert!(change(1, 5, -110.0).contains("the longitude at row 0, column 5 is -110"));
        assert!(change(1, 5, 360.0).contains("360 excluded"));
        // Row 4 as far south as row 3, in one column only: upstream compares whole rows and lets it pass.
        let flat = change(0, 4 * COLUMNS + 7, curved(true)[0][3 * COLUMNS + 7]);
        assert!(flat.contains("not from row 3 to row 4 at column 7"), "{flat}");
        let level = change(1, 26, curved(true)[1][25]);
        assert!(level.contains("row 2, column 1 lies at"), "{level}");
    }

    #[test]
    fn greenwich_may_not_lie_inside() {
        let [latitude, longitude] = curved(true);
        let around = longitude.iter().map(|east| (east + 110.0).rem_euclid(360.0)).collect();
        let message = refusal(&points([latitude, around]));
        assert!(message.contains("crosses the meridian of Greenwich between row 0, column 5"), "{message}");
    }

    #[test]
    fn shapes_must_be_those_of_the_grid() {
        let [latitude, longitude] = points(curved(true));
        let short = Coordinates::matrix(ROWS - 1, COLUMNS, latitude.values[COLUMNS..].to_vec());
        assert!(refusal(&[short, longitude.clone()]).contains("shape [7, 12]"));
        assert!(refusal(&[Coordinates::vector(vec![1.0; ROWS]), longitude.clone()]).contains("shape [8]"));
        let lying = Coordinates { shape: vec![ROWS, COLUMNS], values: vec![30.0; 5] };
        assert!(refusal(&[lying, longitude]).contains("shape"));
        let falls: Vec<f32> = (0..ROWS).map(|i| 40.0 - i as f32).collect();
        let rises: Vec<f32> = (0..COLUMNS).map(|j| 10.0 + j as f32).collect();
        assert!(refusal(&regular(falls[1..].to_vec(), rises.clone())).contains("7×12 points of a 8×12 grid"));
        check(&Coordinates::vector(falls), &Coordinates::vector(rises), ROWS, COLUMNS).unwrap();
    }

    /// Upstream's rule for regular grids.
    #[test]
    fn regular_grids_go_from_north_to_south() {
        let rises: Vec<f32> = (0..COLUMNS).map(|j| 10.0 + j as f32).collect();
        let south_up: Vec<f32> = (0..ROWS).map(|i| 40.0 + i as f32).collect();
        let message = refusal(&regular(south_up, rises.clone()));
        assert!(message.contains("row 0 lies at 40 and row 1 at 41"), "{message}");
        let falls: Vec<f32> = (0..ROWS).map(|i| 40.0 - i as f32).collect();
        let mut back = rises;
        back[4] = 13.0;
        let message = refusal(&regular(falls, back));
        assert!(message.contains("place 3 lies at 13 and place 4 at 13"), "{message}");
    }
}
