use aurora_compiler::plan::data::{GridPlan, Projection};

use super::projection::{geographic, planar};
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
    assert!((grid.latitude[(0, 1798)] - 47.842_195).abs() < 1e-5);
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
        let plan =
            GridPlan { name: "g".into(), projection, width: 5, height: 7, spacing: 6000.0, southwest: None };
        let grid = Grid::new(&plan).unwrap();
        assert!((grid.latitude[(3, 2)] - latitude).abs() < 1e-5);
        assert!((grid.longitude[(3, 2)] - longitude.rem_euclid(360.0)).abs() < 2e-5);
        assert!(grid.latitude[(0, 2)] > grid.latitude[(6, 2)]);
        assert!(grid.longitude[(3, 0)] < grid.longitude[(3, 4)]);
        let north = (grid.latitude[(2, 2)] - grid.latitude[(3, 2)]).to_radians() * EARTH_RADIUS;
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
    assert!((grid.latitude[(918, 0)] - 41.612_949).abs() < 1e-5);
    assert!((grid.longitude[(918, 0)] - 185.117_126).abs() < 2e-5);
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

/// HRRR's own grid, as `std.hrrr` has it.
fn conus() -> Grid {
    Grid::new(&GridPlan {
        name: "conus".into(),
        projection: Projection::Lambert { latitude: 38.5, longitude: -97.5 },
        width: 1799,
        height: 1059,
        spacing: 3000.0,
        southwest: Some([21.138_123, 237.280_472]),
    })
    .unwrap()
}

/// Degrees: what the sphere's closed form may differ from ecCodes' own.
const DEGREES: f64 = 1e-10;
/// Radians: PROJ's angle comes of a difference over 200 m, of which the truncation is (100 m / R)² and the rounding 1e-15 rad / (200 m / R).
const ANGLE: f64 = 2e-9;

/// The places ecCodes has, and the angles that PROJ has: `tests/reference/hrrr_grid.py`.
#[test]
fn hrrr_lies_as_eccodes_has_it_and_turns_as_proj_has_it() {
    #[derive(serde::Deserialize)]
    struct Fixture {
        points: Vec<(usize, usize, f64, f64, f64)>,
    }
    let text = include_str!("../../../../tests/fixtures/grid/hrrr.json");
    let fixture: Fixture = serde_json::from_str(text).unwrap();
    assert!(fixture.points.len() > 300);
    let grid = conus();
    for (row, column, latitude, longitude, angle) in fixture.points {
        let found = (grid.latitude[(row, column)], grid.longitude[(row, column)]);
        assert!((found.0 - latitude).abs() < DEGREES, "{row} {column}: {found:?} {latitude}");
        assert!((found.1 - longitude).abs() < DEGREES, "{row} {column}: {found:?} {longitude}");
        let turned = grid.convergence(row, column);
        assert!((turned - angle).abs() < ANGLE, "{row} {column}: {turned} {angle}");
        let back = grid.locate(latitude, longitude);
        // A billionth of 3 km, 3 µm.
        assert!((back.0 - row as f64).abs() < 1e-9 && (back.1 - column as f64).abs() < 1e-9, "{back:?}");
    }
}

/// All of them, of a file that `tests/reference/hrrr_grid.py` writes.
#[test]
#[ignore = "reads the file AURORAC_HRRR_POINTS of 46 MB, which tests/reference/hrrr_grid.py makes; a step of .ci/run"]
fn every_point_of_hrrr() {
    let path = std::env::var_os("AURORAC_HRRR_POINTS").expect("AURORAC_HRRR_POINTS names no file");
    let bytes = std::fs::read(path).unwrap();
    let numbers: Vec<f64> =
        bytes.chunks_exact(8).map(|eight| f64::from_le_bytes(eight.try_into().unwrap())).collect();
    let grid = conus();
    let points = grid.latitude.len();
    assert_eq!((points, numbers.len()), (1_905_141, 3 * 1_905_141));
    let mut worst = [0.0f64; 3];
    for (index, (at, latitude)) in grid.latitude.indexed_iter().enumerate() {
        let found = [*latitude, grid.longitude[at], grid.convergence(at.0, at.1)];
        for (part, worst) in worst.iter_mut().enumerate() {
            *worst = worst.max((found[part] - numbers[part * points + index]).abs());
        }
    }
    println!(
        "worst of {points} points: {:e} degrees north, {:e} east, {:e} rad",
        worst[0], worst[1], worst[2]
    );
    assert!(worst[0] < DEGREES && worst[1] < DEGREES && worst[2] < ANGLE);
}

#[test]
fn places_are_found_again_on_every_map() {
    for (projection, southwest) in [
        (Projection::Lambert { latitude: 38.5, longitude: -97.5 }, None),
        (Projection::Lambert { latitude: -34.0, longitude: 138.0 }, None),
        (Projection::Mercator { latitude: 20.0, longitude: 179.0 }, None),
        (Projection::Stereographic { latitude: 60.0, longitude: -135.0 }, Some([41.6, 185.1])),
        (Projection::LatLon { north: 60.0, west: 350.0, step: 0.25 }, None),
    ] {
        let plan =
            GridPlan { name: "g".into(), projection, width: 80, height: 40, spacing: 20_000.0, southwest };
        let grid = Grid::new(&plan).unwrap();
        for (row, column) in [(0.0, 0.0), (39.0, 79.0), (12.25, 60.5), (-1.0, 80.0)] {
            let (latitude, longitude) = grid.geographic(row, column);
            let found = grid.locate(latitude, longitude);
            assert!((found.0 - row).abs() < 1e-7 && (found.1 - column).abs() < 1e-7, "{plan:?} {found:?}");
        }
    }
    let pole = conus().locate(-90.0, 0.0);
    assert!(!pole.0.is_finite() || pole.0 > 1e6, "{pole:?}");
}
