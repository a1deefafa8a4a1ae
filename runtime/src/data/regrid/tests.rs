//! Against scipy and PROJ (`tests/reference/regrid.py`), against means over blocks, and what must stay the same.

use aurora_compiler::plan::data::{GridPlan, Projection};
use ndarray::{Array2, Array3, Axis, s};

use super::*;
use crate::data::grid::coarsened;

#[derive(serde::Deserialize)]
struct Case {
    from: Described,
    to: Described,
    bilinear: Vec<Option<f64>>,
    mean: Vec<Option<f64>>,
}

#[derive(serde::Deserialize)]
struct Described {
    projection: Projection,
    height: usize,
    width: usize,
    spacing: f64,
}

impl Described {
    fn grid(&self) -> Grid {
        grid(self.projection.clone(), self.width, self.height, self.spacing)
    }
}

fn grid(projection: Projection, width: usize, height: usize, spacing: f64) -> Grid {
    Grid::new(&GridPlan { name: "g".into(), projection, width, height, spacing, southwest: None }).unwrap()
}

fn lambert(width: usize, height: usize, spacing: f64) -> Grid {
    grid(Projection::Lambert { latitude: 38.5, longitude: -97.5 }, width, height, spacing)
}

/// The reference's own field.
fn field(grid: &Grid) -> Array3<f32> {
    Array3::from_shape_fn((1, grid.plan.height, grid.plan.width), |(_, row, column)| {
        ((row * 31 + column * 17) % 97) as f32 / 97.0
    })
}

fn applied(from: &Grid, to: &Grid, method: Method, values: &Array3<f32>) -> Array3<f32> {
    Regridder::new(from, to, method).unwrap().apply(values.view()).unwrap()
}

#[test]
fn as_scipy_and_proj_have_it() {
    let text = include_str!("../../../../tests/fixtures/grid/regrid.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    for case in cases {
        let (from, to) = (case.from.grid(), case.to.grid());
        // Bilinear: single precision. Means: a cell of the reference has 400 points a side, so edges of the source's cells that cross it
        // (some 2 to 20) are known to 1/400 of it each, of which chance takes the most away.
        for (method, wanted, tolerance) in
            [(Method::Bilinear, &case.bilinear, 1e-6), (Method::Conservative, &case.mean, 1e-3)]
        {
            let found = applied(&from, &to, method, &field(&from));
            let mut there = 0;
            for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                match wanted {
                    Some(wanted) if *wanted < 0.0 => {}
                    Some(wanted) => {
                        there += 1;
                        let off = (f64::from(*found) - wanted).abs();
                        assert!(off < tolerance, "{method:?} {index}: {found} {wanted}");
                    }
                    None => assert!(found.is_nan(), "{method:?} {index}: {found} where nothing is"),
                }
            }
            assert!(there > 40);
        }
    }
}

/// From 3 to 6 and 12 km the mean over blocks, weighted by area, written out by hand.
#[test]
fn coarser_cells_are_means_over_blocks() {
    let fine = lambert(83, 62, 3000.0);
    let (values, areas) = (field(&fine), fine.areas());
    for factor in [2, 4] {
        let coarse = coarsened(&fine, factor).unwrap();
        assert_eq!((coarse.plan.width, coarse.plan.height), (83 / factor, 62 / factor));
        let found = applied(&fine, &coarse, Method::Conservative, &values);
        let left_over = 62 % factor;
        for row in 0..coarse.plan.height {
            for column in 0..coarse.plan.width {
                let (down, right) = (left_over + row * factor, column * factor);
                let block = s![down..down + factor, right..right + factor];
                let weights = areas.slice(block);
                let parts = values.index_axis(Axis(0), 0);
                let mean = (parts.slice(block).mapv(f64::from) * weights).sum() / weights.sum();
                let value = f64::from(found[(0, row, column)]);
                // Single precision of weights and of the value.
                assert!((value - mean).abs() < 3e-7, "{factor} {row} {column}: {value} {mean}");
            }
        }
    }
}

/// What is summed over a region is the same before and after, whichever way the grids lie to one another.
#[test]
fn the_sum_over_the_region_stays() {
    let source = lambert(60, 50, 4000.0);
    // A storm in the middle, nothing at the edges, so that all of it lies on all targets.
    let storm = Array3::from_shape_fn((1, 50, 60), |(_, row, column)| {
        let (y, x) = (row as f32 - 24.0, column as f32 - 30.0);
        (1.0 - (x * x + y * y) / 200.0).max(0.0)
    });
    let total = |grid: &Grid, values: &Array3<f32>| -> f64 {
        values
            .iter()
            .zip(grid.areas())
            .filter(|(value, _)| value.is_finite())
            .map(|(v, a)| f64::from(*v) * a)
            .sum()
    };
    let before = total(&source, &storm);
    for target in [
        coarsened(&source, 2).unwrap(),
        grid(Projection::Lambert { latitude: 40.0, longitude: -96.0 }, 50, 50, 11_000.0),
        grid(Projection::Mercator { latitude: 38.0, longitude: -97.0 }, 60, 60, 6000.0),
        grid(Projection::LatLon { north: 40.0, west: 260.5, step: 0.08 }, 60, 50, 8900.0),
    ] {
        let after = total(&target, &applied(&source, &target, Method::Conservative, &storm));
        // The target's areas are the first term of theirs, and a cell's edges are straight on the source's map: both are 1e-7 at 10 km and
        // grow with the square.
        assert!((after / before - 1.0).abs() < 1e-6, "{:?}: {after} {before}", target.plan);
    }
}

/// The weights themselves give every source cell away whole: summed over targets, weight times the target's covered area is its area.
#[test]
fn every_cell_is_given_away_once() {
    let source = lambert(30, 20, 30_000.0);
    let target = grid(Projection::LatLon { north: 45.0, west: 252.0, step: 0.7 }, 30, 22, 77_000.0);
    let weights = overlap::conservative(&source, &target);
    let ones = Array3::from_elem((1, 20, 30), 1.0f32);
    let there = applied(&source, &target, Method::Conservative, &ones);
    assert!(there.iter().filter(|value| value.is_finite()).all(|value| (value - 1.0).abs() < 1e-6));
    // Cells of the target that lie whole on the source have weights that sum to one.
    let sums: Vec<f64> =
        (0..660).map(|row| weights.row(row).map(|(_, weight)| f64::from(*weight)).sum()).collect();
    assert!(sums.iter().all(|sum| *sum < 1.0 + 1e-6));
    assert!(sums.iter().filter(|sum| (**sum - 1.0).abs() < 1e-6).count() > 60);
}

#[test]
fn missing_values_are_made_up_for_and_too_many_are_not() {
    let fine = lambert(8, 8, 3000.0);
    let coarse = coarsened(&fine, 4).unwrap();
    let mut values = Array3::from_shape_fn((1, 8, 8), |(_, row, _)| row as f32);
    values.slice_mut(s![0, 0..2, 0..4]).fill(f32::NAN);
    values.slice_mut(s![0, 0..3, 4..8]).fill(f32::NAN);
    let found = applied(&fine, &coarse, Method::Conservative, &values);
    assert!((found[(0, 0, 0)] - 2.5).abs() < 1e-3, "half is there");
    assert!(found[(0, 0, 1)].is_nan(), "a quarter is");
    assert!((found[(0, 1, 0)] - 5.5).abs() < 1e-3);
}

#[test]
fn classes_stay_classes() {
    let fine = lambert(8, 8, 3000.0);
    let coarse = coarsened(&fine, 4).unwrap();
    let classes =
        Array3::from_shape_fn((1, 8, 8), |(_, row, column)| if row * 8 + column < 27 { 3.0 } else { 7.0 });
    // In the north 12 and 15 of 16 are class 3: in the first block by one column more.
    let found = applied(&fine, &coarse, Method::Mode, &classes);
    assert_eq!(found.into_raw_vec_and_offset().0, [3.0, 3.0, 7.0, 7.0]);
    let nearest = applied(&fine, &fine, Method::Nearest, &classes);
    assert_eq!(nearest, classes);
    let far = grid(Projection::Lambert { latitude: 38.5, longitude: -60.0 }, 4, 4, 3000.0);
    for method in [Method::Nearest, Method::Mode, Method::Bilinear, Method::Conservative] {
        assert!(applied(&fine, &far, method, &classes).iter().all(|value| value.is_nan()), "{method:?}");
    }
}

/// From a grid around the globe, over the meridian where it begins, to a region and back to all of it.
#[test]
fn around_the_globe() {
    let globe = grid(Projection::LatLon { north: 90.0, west: 0.0, step: 2.0 }, 180, 91, 222_000.0);
    let smooth = Array3::from_shape_fn((1, 91, 180), |(_, row, column)| {
        let (latitude, longitude) = globe.geographic(row as f64, column as f64);
        (longitude.to_radians().cos() * latitude.to_radians().cos()) as f32
    });
    let region = grid(Projection::Lambert { latitude: 50.0, longitude: 0.0 }, 30, 20, 50_000.0);
    for method in [Method::Bilinear, Method::Conservative, Method::Nearest] {
        let found = applied(&globe, &region, method, &smooth);
        let worst = found
            .index_axis(Axis(0), 0)
            .indexed_iter()
            .map(|((row, column), value)| {
                let (latitude, longitude) = region.geographic(row as f64, column as f64);
                (f64::from(*value) - longitude.to_radians().cos() * latitude.to_radians().cos()).abs()
            })
            .fold(0.0, f64::max);
        // Two degrees of a cosine: 0.0006 by its curve, 0.017 by its slope over half a cell.
        let tolerance = if method == Method::Nearest { 0.025 } else { 0.02 };
        assert!(worst < tolerance, "{method:?} {worst}");
    }
    // All of the globe from a region: the other side is far from it, and nothing there is found or takes long.
    let back = applied(&region, &globe, Method::Conservative, &Array3::from_elem((1, 20, 30), 1.0));
    let there = back.iter().filter(|value| value.is_finite()).count();
    assert!((20..60).contains(&there), "{there}");
}

#[test]
fn weights_are_kept_and_damaged_ones_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (lambert(20, 16, 3000.0), lambert(9, 7, 6000.0));
    let made = Regridder::kept(&from, &to, Method::Bilinear, folder.path()).unwrap();
    assert_eq!(made, Regridder::new(&from, &to, Method::Bilinear).unwrap());
    let other = Regridder::kept(&from, &to, Method::Conservative, folder.path()).unwrap();
    assert_ne!(made, other);
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    for file in &files {
        let whole = std::fs::read(file).unwrap();
        for spoilt in [whole[..whole.len() / 2].to_vec(), vec![], [&whole[..40], &[1], &whole[41..]].concat()]
        {
            std::fs::write(file, &spoilt).unwrap();
            assert_eq!(Regridder::kept(&from, &to, Method::Bilinear, folder.path()).unwrap(), made);
            assert_eq!(Regridder::kept(&from, &to, Method::Conservative, folder.path()).unwrap(), other);
        }
        assert_eq!(std::fs::read(file).unwrap(), whole);
    }
}

#[test]
fn a_field_of_another_grid_is_refused() {
    let (from, to) = (lambert(20, 16, 3000.0), lambert(9, 7, 6000.0));
    let regridder = Regridder::new(&from, &to, Method::Bilinear).unwrap();
    assert!(regridder.apply(Array3::zeros((1, 20, 16)).view()).unwrap_err().to_string().contains("20 by 16"));
    let turned = Array2::<f32>::ones((20, 16)).reversed_axes().insert_axis(Axis(0));
    assert!(regridder.apply(turned.view()).unwrap().iter().all(|value| (value - 1.0).abs() < 1e-6));
}
