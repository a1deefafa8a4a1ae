//! Parts of a grid: where tiles may lie, which of them lie in a region, and how tiles that overlap become one field.

use aurora_compiler::plan::data::RegionPlan;
use ndarray::{Array2, Array3, ArrayView3, s};
use serde::{Deserialize, Serialize};

/// Tiles begin at whole multiples of so many points, and where they touch the grid's southern and eastern edges.
pub const LATTICE: usize = 16;

/// Rows and columns of a grid, from the north-western point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    pub row: usize,
    pub column: usize,
    pub height: usize,
    pub width: usize,
}

impl Window {
    /// A whole grid of (rows, columns).
    #[must_use]
    pub fn whole((height, width): (usize, usize)) -> Self {
        Self { row: 0, column: 0, height, width }
    }

    /// The same part of a grid whose points lie `factor` times as densely.
    #[must_use]
    pub fn finer(self, factor: usize) -> Self {
        Self {
            row: self.row * factor,
            column: self.column * factor,
            height: self.height * factor,
            width: self.width * factor,
        }
    }

    /// Whether it lies in a grid of (rows, columns).
    #[must_use]
    pub fn fits(&self, (height, width): (usize, usize)) -> bool {
        let inside = |from: usize, size: usize, all: usize| {
            size > 0 && from.checked_add(size).is_some_and(|end| end <= all)
        };
        inside(self.row, self.height, height) && inside(self.column, self.width, width)
    }

    /// Its part of a plane.
    #[must_use]
    pub fn of(&self, plane: &Array2<f32>) -> Array2<f32> {
        let rows = self.row..self.row + self.height;
        plane.slice(s![rows, self.column..self.column + self.width]).to_owned()
    }
}

/// Every place where a tile of (rows, columns) may lie on a grid, those first that lie in the north-west; none if the tile
/// is larger than the grid. `latitude` and `longitude` (0 to 360) are the grid's; the centre of a tile lies in one of the
/// regions, if there are any.
#[must_use]
pub fn places(
    tile: [usize; 2],
    latitude: &Array2<f32>,
    longitude: &Array2<f32>,
    regions: &[RegionPlan],
) -> Vec<Window> {
    let (rows, columns) = latitude.dim();
    let [height, width] = tile;
    let begins = |all: usize, size: usize| -> Vec<usize> {
        let Some(last) = all.checked_sub(size).filter(|_| size > 0) else { return Vec::new() };
        let mut begins: Vec<usize> = (0..=last).step_by(LATTICE).collect();
        begins.extend(begins.last().filter(|begin| **begin < last).map(|_| last));
        begins
    };
    let across = begins(columns, width);
    let all = begins(rows, height)
        .into_iter()
        .flat_map(|row| across.iter().map(move |column| Window { row, column: *column, height, width }));
    all.filter(|window| {
        let centre = (window.row + window.height / 2, window.column + window.width / 2);
        let centre = (centre.0.min(rows - 1), centre.1.min(columns - 1));
        regions.is_empty() || regions.iter().any(|region| inside(region, latitude[centre], longitude[centre]))
    })
    .collect()
}

/// Whether a point lies in a region; one whose west lies east of its east goes across the date line.
#[must_use]
pub fn inside(region: &RegionPlan, latitude: f32, longitude: f32) -> bool {
    let (north, east) = (f64::from(latitude), f64::from(longitude));
    let along = (east - region.west).rem_euclid(360.0);
    let width = region.east - region.west;
    let width = if width == 360.0 { 360.0 } else { width.rem_euclid(360.0) };
    (region.south..=region.north).contains(&north) && along <= width
}

/// A grid covered by tiles that overlap, put together again with weights that fall to the edges of each tile, so that no
/// seam is seen.
#[derive(Clone, Debug)]
pub struct Tiling {
    shape: (usize, usize),
    overlap: usize,
    windows: Vec<Window>,
}

impl Tiling {
    /// Covers a grid of (rows, columns) with as few tiles as it takes for neighbours to overlap by `overlap` points or more;
    /// nothing if the tile is larger than the grid or not larger than the overlap.
    #[must_use]
    pub fn new(shape: (usize, usize), tile: [usize; 2], overlap: usize) -> Option<Self> {
        let begins = |all: usize, size: usize| -> Option<Vec<usize>> {
            let last = all.checked_sub(size)?;
            let step = size.checked_sub(overlap).filter(|step| *step > 0)?;
            let count = last.div_ceil(step);
            Some((0..=count).map(|index| index * last / count.max(1)).collect())
        };
        let [height, width] = tile;
        let (down, across) = (begins(shape.0, height)?, begins(shape.1, width)?);
        let windows = down
            .iter()
            .flat_map(|row| across.iter().map(|column| Window { row: *row, column: *column, height, width }))
            .collect();
        Some(Self { shape, overlap, windows })
    }

    /// The tiles, from the north-west.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// One field of one array for each tile, (C, H, W): the mean, with weights that rise linearly from a tile's edge over the
    /// overlap. Edges of the grid keep their weight. Nothing if an array has another shape than its tile.
    #[must_use]
    pub fn blended(&self, tiles: &[ArrayView3<'_, f32>]) -> Option<Array3<f32>> {
        let depth = tiles.first()?.dim().0;
        let mut sum = Array3::<f64>::zeros((depth, self.shape.0, self.shape.1));
        let mut weights = Array2::<f64>::zeros(self.shape);
        if tiles.len() != self.windows.len() {
            return None;
        }
        for (window, tile) in self.windows.iter().zip(tiles) {
            if tile.dim() != (depth, window.height, window.width) {
                return None;
            }
            let down = self.ramp(window.row, window.height, self.shape.0);
            let across = self.ramp(window.column, window.width, self.shape.1);
            for row in 0..window.height {
                for column in 0..window.width {
                    let weight = down[row] * across[column];
                    let (y, x) = (window.row + row, window.column + column);
                    weights[(y, x)] += weight;
                    for level in 0..depth {
                        sum[(level, y, x)] += weight * f64::from(tile[(level, row, column)]);
                    }
                }
            }
        }
        Some(Array3::from_shape_fn(sum.dim(), |(level, y, x)| (sum[(level, y, x)] / weights[(y, x)]) as f32))
    }

    /// Weights along one side of a tile.
    fn ramp(&self, begin: usize, size: usize, all: usize) -> Vec<f64> {
        let reach = (self.overlap + 1) as f64;
        let weight = |index: usize| {
            let from_start = if begin == 0 { reach } else { (index + 1) as f64 };
            let from_end = if begin + size == all { reach } else { (size - index) as f64 };
            from_start.min(from_end).min(reach) / reach
        };
        (0..size).map(weight).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinates(rows: usize, columns: usize) -> (Array2<f32>, Array2<f32>) {
        let latitude = Array2::from_shape_fn((rows, columns), |(row, _)| 50.0 - 0.1 * row as f32);
        let longitude = Array2::from_shape_fn((rows, columns), |(_, column)| 250.0 + 0.1 * column as f32);
        (latitude, longitude)
    }

    #[test]
    fn tiles_reach_every_point_and_stay_inside() {
        let (latitude, longitude) = coordinates(107, 181);
        let windows = places([50, 64], &latitude, &longitude, &[]);
        let mut seen = Array2::<bool>::default((107, 181));
        for window in &windows {
            assert!(window.fits((107, 181)), "{window:?}");
            seen.slice_mut(s![window.row..window.row + 50, window.column..window.column + 64]).fill(true);
        }
        assert!(seen.iter().all(|seen| *seen));
        assert_eq!(windows.len(), 5 * 9);
        assert!(places([108, 64], &latitude, &longitude, &[]).is_empty());
        assert_eq!(places([107, 181], &latitude, &longitude, &[]), [Window::whole((107, 181))]);
    }

    #[test]
    fn a_region_takes_the_tiles_whose_centres_lie_in_it() {
        let (latitude, longitude) = coordinates(107, 181);
        let west = RegionPlan { south: 0.0, north: 90.0, west: -110.0, east: -104.0 };
        for window in places([32, 32], &latitude, &longitude, &[west]) {
            let centre = longitude[(window.row + 16, window.column + 16)];
            assert!((250.0..=256.0).contains(&centre), "{centre}");
        }
        let date_line = RegionPlan { south: -10.0, north: 10.0, west: 170.0, east: -170.0 };
        assert!(inside(&date_line, 0.0, 185.0) && inside(&date_line, 0.0, 175.0));
        assert!(!inside(&date_line, 0.0, 10.0) && !inside(&date_line, 20.0, 180.0));
    }

    /// What was cut into tiles comes together as it was, and a step between two tiles becomes a ramp.
    #[test]
    fn tiles_blend_without_seams() {
        let field = Array3::from_shape_fn((2, 61, 90), |(c, y, x)| (c * 7 + y * y + 3 * x) as f32);
        let tiling = Tiling::new((61, 90), [32, 48], 8).unwrap();
        let cut = |window: &Window| {
            let rows = window.row..window.row + window.height;
            field.slice(s![.., rows, window.column..window.column + window.width])
        };
        let tiles: Vec<_> = tiling.windows().iter().map(cut).collect();
        let whole = tiling.blended(&tiles).unwrap();
        for (found, expected) in whole.iter().zip(&field) {
            assert!((found - expected).abs() <= expected.abs() * 1e-6, "{found} {expected}");
        }
        let tiling = Tiling::new((8, 28), [8, 16], 4).unwrap();
        let tiles = [Array3::zeros((1, 8, 16)), Array3::ones((1, 8, 16))];
        let views: Vec<_> = tiles.iter().map(|tile| tile.view()).collect();
        let whole = tiling.blended(&views).unwrap();
        let line: Vec<f32> = whole.slice(s![0, 3, ..]).to_vec();
        assert!(line.is_sorted() && line[0] == 0.0 && line[27] == 1.0, "{line:?}");
        assert!(line.windows(2).all(|pair| pair[1] - pair[0] < 0.25), "{line:?}");
        assert!(Tiling::new((8, 28), [9, 16], 4).is_none() && Tiling::new((8, 28), [8, 4], 4).is_none());
    }
}
