//! ERA5 as the Climate Data Store, ARCO and xarray write it: units in words, marks for missing in odd places, coordinates in
//! single precision, what does not change at a time of its own.

use aurora_compiler::plan::data::DataPlan;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::*;
use crate::data::brought::Brought;
use crate::data::prepare::{NoDeriver, prepare};

const PLANE: [usize; 3] = [2, 2, 2];

/// Two rows, two columns, two hours of 2020.
fn small(folder: &Path, version: u8) -> Zarr<'_> {
    let zarr = Zarr::new(folder, version);
    zarr.doubles("latitude", &["latitude"], &[10.25, 10.0], json!({"units": "degrees_north"}));
    zarr.doubles("longitude", &["longitude"], &[20.0, 20.25], json!({"units": "degrees_east"}));
    zarr.doubles("time", &["time"], &[0.0, 1.0], json!({"units": "hours since 2020-01-01"}));
    zarr
}

fn first() -> Timestamp {
    "2020-01-01T00:00:00Z".parse().unwrap()
}

fn hourly(zarr: &Zarr<'_>, name: &str, values: &[f32; 8], units: &str) {
    zarr.floats(name, &["time", "latitude", "longitude"], &PLANE, values, json!({"units": units}));
}

#[test]
fn units_in_words_and_depths_of_water() {
    let folder = tempfile::tempdir().unwrap();
    let zarr = small(folder.path(), 2);
    hourly(&zarr, "soil_type", &[3.0; 8], "~");
    hourly(&zarr, "tvl", &[7.0; 8], "(Code table 4.234)");
    hourly(&zarr, "tp", &[0.002; 8], "m");
    hourly(&zarr, "sd", &[0.25; 8], "m of water equivalent");
    hourly(&zarr, "blh", &[900.0; 8], "m");
    hourly(&zarr, "odd", &[1.0; 8], "furlong");
    let cf = Cf::open("era5", folder.path()).unwrap();
    for (from, units, value) in [
        ("slt", "1", 3.0),
        ("tvl", "1", 7.0),
        ("tp", "kg/m^2", 2.0),
        ("sd", "kg/m^2", 250.0),
        ("blh", "m", 900.0),
    ] {
        let field = cf.fields().into_iter().find(|field| field.from == from);
        assert_eq!(field.unwrap_or_else(|| panic!("{from}")).units, units, "{from}");
        assert!(cf.read(from, first()).unwrap().iter().all(|found| *found == value), "{from}");
    }
    let said = cf.read("odd", first()).unwrap_err().to_string();
    assert!(said.contains("`odd` is left out: its unit `furlong` is not known"), "{said}");
}

/// xarray moves the mark of packed numbers into `.zarray`, and writes that of floats as base64 in version 3.
#[test]
fn marks_for_missing_where_xarray_puts_them() {
    let folder = tempfile::tempdir().unwrap();
    let zarr = small(folder.path(), 2);
    let packed: Vec<u8> =
        [0_i16, 10, -32767, 30, 0, 0, 0, 0].into_iter().flat_map(i16::to_le_bytes).collect();
    let about = json!({"units": "K", "scale_factor": 0.01, "add_offset": 300.0});
    zarr.put("sst", &["time", "latitude", "longitude"], &PLANE, ["<i2", "int16"], packed, about);
    let path = folder.path().join("sst/.zarray");
    let text = fs::read_to_string(&path).unwrap().replace("\"fill_value\":null", "\"fill_value\":-32767");
    fs::write(&path, text).unwrap();
    let sea = Cf::open("era5", folder.path()).unwrap().read("sst", first()).unwrap();
    let sea: Vec<String> = sea.iter().map(f32::to_string).collect();
    assert_eq!(sea, ["300", "300.1", "NaN", "300.3"]);

    for mark in [-9999.0_f64, 9.999e20] {
        let folder = tempfile::tempdir().unwrap();
        let zarr = small(folder.path(), 3);
        let values = [1.0, mark as f32, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0];
        let mark = BASE64_STANDARD.encode(mark.to_le_bytes());
        let about = json!({"units": "m", "_FillValue": mark});
        zarr.floats("blh", &["time", "latitude", "longitude"], &PLANE, &values, about);
        let read = Cf::open("era5", folder.path()).unwrap().read("blh", first()).unwrap();
        let read: Vec<String> = read.iter().map(f32::to_string).collect();
        assert_eq!(read, ["1", "NaN", "2", "3"]);
    }
}

#[test]
fn levels_of_pressure_without_a_unit() {
    for (levels, pressure) in [([500.0, 850.0], true), ([1.0, 2.0], false)] {
        let folder = tempfile::tempdir().unwrap();
        let zarr = small(folder.path(), 2);
        zarr.doubles("level", &["level"], &levels, json!({}));
        let dimensions = ["time", "level", "latitude", "longitude"];
        zarr.floats("temperature", &dimensions, &[2, 2, 2, 2], &[250.0; 16], json!({"units": "K"}));
        let cf = Cf::open("era5", folder.path()).unwrap();
        let field = cf.fields().into_iter().find(|field| field.from == "t").unwrap();
        let wanted = if pressure { vec![50_000.0, 85_000.0] } else { vec![1.0, 2.0] };
        assert_eq!(field.levels, Some(wanted));
    }
}

/// The mask of 2023 serves the weather of 2020, and makes no time of the archive.
#[test]
fn what_does_not_change_has_a_time_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let zarr = small(folder.path(), 2);
    hourly(&zarr, "t2m", &[280.0; 8], "K");
    zarr.doubles("then", &["then"], &[0.0], json!({"units": "hours since 2023-01-01"}));
    let dimensions = ["then", "latitude", "longitude"];
    for (name, value) in [("land_sea_mask", 1.0), ("cape", 5.0)] {
        zarr.floats(name, &dimensions, &[1, 2, 2], &[value; 4], json!({"units": "1"}));
    }
    let cf = Cf::open("era5", folder.path()).unwrap();
    assert_eq!(cf.read("lsm", first()).unwrap().iter().sum::<f32>(), 4.0);
    let request = |from| Request { from, cell: None, levels: None };
    assert_eq!(cf.absence(&[request("lsm"), request("2t")], first()), None);
    // What changes is not taken from another time.
    assert!(cf.read("cape", first()).is_err());

    let folder = tempfile::tempdir().unwrap();
    let zarr = small(folder.path(), 2);
    hourly(&zarr, "t2m", &[280.0; 8], "K");
    zarr.doubles("then", &["then"], &[0.0], json!({"units": "hours since 2023-01-01"}));
    zarr.floats("lsm", &dimensions, &[1, 2, 2], &[1.0; 4], json!({"units": "1"}));
    let times = Cf::open("era5", folder.path()).unwrap().times();
    assert_eq!((times.from, times.to), (first(), "2020-01-01T01:00:00Z".parse().unwrap()));
}

#[test]
fn a_gap_in_one_field_is_an_absence() {
    let folder = tempfile::tempdir().unwrap();
    let zarr = small(folder.path(), 2);
    hourly(&zarr, "t2m", &[280.0; 8], "K");
    zarr.doubles("later", &["later"], &[1.0, 2.0], json!({"units": "hours since 2020-01-01"}));
    let dimensions = ["later", "latitude", "longitude"];
    zarr.floats("blh", &dimensions, &PLANE, &[500.0; 8], json!({"units": "m"}));
    let cf = Cf::open("era5", folder.path()).unwrap();
    let request = |from| Request { from, cell: None, levels: None };
    assert_eq!(cf.absence(&[request("2t")], first()), None);
    let said = cf.absence(&[request("2t"), request("blh")], first()).unwrap();
    assert_eq!(said, "the archive `era5` has no `blh` at 2020-01-01T00:00:00Z");
    let none = cf.absence(&[request("2t")], "2020-01-01T03:00:00Z".parse().unwrap()).unwrap();
    assert!(none.contains("has nothing at"), "{none}");
}

/// Tenths of degrees in single precision are the recipe's tenths, and no row of them is lost.
#[test]
fn degrees_in_single_precision_are_the_recipes() {
    let folder = tempfile::tempdir().unwrap();
    let zarr = Zarr::new(folder.path(), 2);
    let (rows, columns) = (12_usize, 20_usize);
    let north: Vec<f32> = (0..rows).map(|row| (45.1 - 0.1 * row as f64) as f32).collect();
    let east: Vec<f32> = (0..columns).map(|column| (350.2 + 0.1 * column as f64) as f32).collect();
    zarr.floats("latitude", &["latitude"], &[rows], &north, json!({"units": "degrees_north"}));
    zarr.floats("longitude", &["longitude"], &[columns], &east, json!({"units": "degrees_east"}));
    zarr.doubles("time", &["time"], &[0.0, 1.0], json!({"units": "hours since 2020-01-01"}));
    let values: Vec<f32> = (0..2 * rows * columns).map(|index| 250.0 + index as f32 / 10.0).collect();
    let dimensions = ["time", "latitude", "longitude"];
    zarr.floats("t2m", &dimensions, &[2, rows, columns], &values, json!({"units": "K"}));
    let cf = Cf::open("era5", folder.path()).unwrap();
    let plan = |north: f64, height: usize| -> DataPlan {
        serde_json::from_value(json!({
            "archive": "era5",
            "grid": {"name": "fine", "projection": {"lat_lon": {"north": north, "west": 350.2, "step": 0.1}},
                "width": columns, "height": height, "spacing": 0.1_f64.to_radians() * EARTH_RADIUS},
            "levels": {}, "every": 3600,
            "train": {"from": "2020-01-01T00:00:00Z", "to": "2020-01-01T01:00:00Z"},
            "validate": null, "test": null, "derived": [],
            "fields": [{"name": "t2m", "from": "2t", "quantity": "temperature", "units": "K", "support": "surface",
                "cell": null, "range": [null, null], "kept": true}],
        }))
        .unwrap()
    };
    let weights = tempfile::tempdir().unwrap();
    let whole = plan(45.1, rows);
    let brought = Brought::to_grid(&cf, &whole, &whole.fields, weights.path()).unwrap();
    assert_eq!(brought.grid().plan.projection, whole.grid.projection);
    assert_eq!(brought.read("2t", first()).unwrap(), cf.read("2t", first()).unwrap());
    let store = weights.path().join("store.zarr");
    let made = prepare(&whole, &brought, &NoDeriver, &store, &mut |_| {});
    made.unwrap_or_else(|error| panic!("{error}"));
    // Of a part of it, which goes by way of weights, every point is there.
    let part = plan(45.1, rows - 2);
    let brought = Brought::to_grid(&cf, &part, &part.fields, weights.path()).unwrap();
    assert!(brought.read("2t", first()).unwrap().iter().all(|value| value.is_finite()));
}

/// From Greenwich round to Greenwich, over the date line, and in single precision.
#[test]
fn the_step_is_that_of_all_columns() {
    let line = |west: f64, columns: usize| -> Vec<f64> {
        let east = |column: usize| f64::from((west + 0.1 * column as f64).rem_euclid(360.001) as f32);
        (0..columns).map(east).collect()
    };
    for (west, columns) in [(0.0, 3600), (0.0, 3601), (350.0, 90), (300.0, 2)] {
        let longitude = line(west, columns);
        let step = step_of(longitude[0], longitude[1], &longitude);
        assert!((step - 0.1).abs() < 2e-5, "{west} {columns}: {step}");
    }
    let turned = [179.75, -180.0, -179.75];
    assert!((step_of(turned[0], turned[1], &turned) - 0.25).abs() < 1e-12);
}
