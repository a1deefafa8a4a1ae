use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::data::archive::hrrr::Hrrr;
use crate::data::archive::hrrr::layout::Domain;
use crate::data::files::Folder;
use crate::data::synthesize::{Extent, Order};

mod era5;

/// A Zarr folder of arrays of one chunk each, uncompressed.
struct Zarr<'a> {
    folder: &'a Path,
    version: u8,
}

impl Zarr<'_> {
    fn new(folder: &Path, version: u8) -> Zarr<'_> {
        let (file, group) = match version {
            2 => (".zgroup", json!({"zarr_format": 2})),
            _ => ("zarr.json", json!({"zarr_format": 3, "node_type": "group", "attributes": {}})),
        };
        fs::write(folder.join(file), group.to_string()).unwrap();
        Zarr { folder, version }
    }

    fn put(
        &self,
        name: &str,
        dimensions: &[&str],
        shape: &[usize],
        kind: [&str; 2],
        bytes: Vec<u8>,
        attributes: Value,
    ) {
        let folder = self.folder.join(name);
        let mut attributes = attributes;
        fs::create_dir(&folder).unwrap();
        let places = vec!["0"; shape.len()];
        let chunk = if self.version == 2 {
            attributes["_ARRAY_DIMENSIONS"] = json!(dimensions);
            let about = json!({"zarr_format": 2, "shape": shape, "chunks": shape, "dtype": kind[0], "compressor": null,
                "fill_value": null, "order": "C", "filters": null});
            fs::write(folder.join(".zarray"), about.to_string()).unwrap();
            fs::write(folder.join(".zattrs"), attributes.to_string()).unwrap();
            folder.join(if places.is_empty() { "0".to_string() } else { places.join(".") })
        } else {
            let about = json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": kind[1],
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "fill_value": 0,
                "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
                "dimension_names": dimensions, "attributes": attributes});
            fs::write(folder.join("zarr.json"), about.to_string()).unwrap();
            folder.join([&["c"], places.as_slice()].concat().join("/"))
        };
        fs::create_dir_all(chunk.parent().unwrap()).unwrap();
        fs::write(chunk, bytes).unwrap();
    }

    fn floats(&self, name: &str, dimensions: &[&str], shape: &[usize], values: &[f32], attributes: Value) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.put(name, dimensions, shape, ["<f4", "float32"], bytes, attributes);
    }

    fn doubles(&self, name: &str, dimensions: &[&str], values: &[f64], attributes: Value) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let shape: Vec<usize> = if dimensions.len() == 2 { SIZE.into() } else { vec![values.len()] };
        self.put(name, dimensions, &shape, ["<f8", "float64"], bytes, attributes);
    }
}

const SIZE: [usize; 2] = [192, 192];

/// One archive by two roads: HRRR's GRIB2, and the same fields as CF Zarr of both versions, south up as models write.
/// Values are equal bit for bit.
#[test]
fn grib_and_zarr_of_one_archive_are_equal() {
    let folder = tempfile::tempdir().unwrap();
    let from: Timestamp = "2020-05-20T00:00:00Z".parse().unwrap();
    Order { folder: folder.path().into(), extent: Extent::Tile, from, hours: 2, quarters: false }
        .write(&mut |_| true)
        .unwrap();
    let hrrr = Hrrr::open("hrrr", Arc::new(Folder::new(folder.path())), Domain::Conus).unwrap();
    let hours = [from, "2020-05-20T01:00:00Z".parse().unwrap()];
    let levels = [85_000.0, 50_000.0];
    let held = hrrr.fields().into_iter().find(|field| field.from == "TMP").unwrap().levels.unwrap();
    let places: Vec<usize> =
        levels.iter().map(|level| held.iter().position(|other| other == level).unwrap()).collect();
    let upward = |values: Array3<f32>| -> Vec<f32> {
        values
            .outer_iter()
            .flat_map(|plane| plane.outer_iter().rev().flat_map(|row| row.to_vec()).collect::<Vec<_>>())
            .collect()
    };
    let grid = hrrr.grid();
    for version in [2, 3] {
        let folder = tempfile::tempdir().unwrap();
        let zarr = Zarr::new(folder.path(), version);
        let map = |values: &ndarray::Array2<f64>| {
            values.outer_iter().rev().flat_map(|row| row.to_vec()).collect::<Vec<f64>>()
        };
        zarr.doubles("latitude", &["y", "x"], &map(&grid.latitude), json!({"units": "degrees_north"}));
        zarr.doubles("longitude", &["y", "x"], &map(&grid.longitude), json!({"units": "degrees_east"}));
        let axis = |start: f64| (0..192).map(|index| start + 3000.0 * f64::from(index)).collect::<Vec<f64>>();
        zarr.doubles(
            "x",
            &["x"],
            &axis(grid.origin.0),
            json!({"units": "m", "standard_name": "projection_x_coordinate"}),
        );
        zarr.doubles(
            "y",
            &["y"],
            &axis(grid.origin.1),
            json!({"units": "m", "standard_name": "projection_y_coordinate"}),
        );
        zarr.doubles("time", &["time"], &[0.0, 1.0], json!({"units": "hours since 2020-05-20 00:00:00"}));
        zarr.doubles("isobaric", &["isobaric"], &[850.0, 500.0], json!({"units": "hPa"}));
        zarr.put("crs", &[], &[], ["<i4", "int32"], vec![0; 4], json!({"grid_mapping_name": "lambert_conformal_conic",
            "standard_parallel": 38.5, "longitude_of_central_meridian": -97.5, "latitude_of_projection_origin": 38.5}));
        let both = |fetch: &dyn Fn(Timestamp) -> Array3<f32>| {
            hours.iter().flat_map(|hour| upward(fetch(*hour))).collect::<Vec<f32>>()
        };
        let about = |units: &str, standard: &str| json!({"units": units, "standard_name": standard, "grid_mapping": "crs"});
        let [height, width] = SIZE;
        let surface = |from: &str| both(&|hour| hrrr.read(from, hour).unwrap());
        let plane = [2, height, width];
        zarr.floats(
            "t2m",
            &["time", "y", "x"],
            &plane,
            &surface("TMP:2 m above ground"),
            about("K", "air_temperature"),
        );
        zarr.floats(
            "REFC",
            &["time", "y", "x"],
            &plane,
            &surface("REFC:entire atmosphere"),
            json!({"units": "dBZ", "grid_mapping": "crs"}),
        );
        let request = Request { from: "TMP", cell: None, levels: Some(&places) };
        let upper = both(&|hour| hrrr.fetch(&request, hour).unwrap());
        zarr.floats(
            "t",
            &["time", "isobaric", "y", "x"],
            &[2, 2, height, width],
            &upper,
            about("K", "air_temperature"),
        );

        let cf = Cf::open("copy", folder.path()).unwrap();
        assert_eq!(cf.times(), hrrr.times());
        let (mine, theirs) = (cf.grid().plan, grid.plan.clone());
        assert_eq!(
            (mine.projection, mine.spacing, mine.southwest),
            (theirs.projection, theirs.spacing, theirs.southwest)
        );
        for hour in hours {
            let same = |one: &str, two: &str| {
                assert_eq!(cf.read(one, hour).unwrap(), hrrr.read(two, hour).unwrap(), "{one}")
            };
            same("TMP:2 m above ground", "TMP:2 m above ground");
            same("2t", "TMP:2 m above ground");
            same("REFC", "REFC:entire atmosphere");
            assert_eq!(cf.read("TMP", hour).unwrap(), hrrr.fetch(&request, hour).unwrap());
        }
        let field = cf.fields().into_iter().find(|field| field.from == "t").unwrap();
        assert_eq!((field.levels, field.units.as_str()), (Some(levels.to_vec()), "K"));
    }
}

/// Latitudes from south to north, whole numbers with scale, offset and a mark for missing, a name of ARCO's.
#[test]
fn packed_numbers_and_latitudes_the_other_way() {
    let folder = tempfile::tempdir().unwrap();
    let zarr = Zarr::new(folder.path(), 2);
    zarr.doubles("latitude", &["latitude"], &[10.0, 10.25, 10.5], json!({"units": "degrees_north"}));
    zarr.doubles("longitude", &["longitude"], &[359.75, 0.0], json!({"units": "degrees_east"}));
    zarr.doubles("time", &["time"], &[0.0, 6.0, 12.0], json!({"units": "hours since 1979-01-01"}));
    let packed: Vec<u8> = (0..18i16)
        .map(|value| if value == 7 { -999 } else { value * 10 })
        .flat_map(i16::to_le_bytes)
        .collect();
    let about = json!({"units": "Pa", "scale_factor": 0.5, "add_offset": 101_000.0, "_FillValue": -999});
    zarr.put(
        "mean_sea_level_pressure",
        &["time", "latitude", "longitude"],
        &[3, 3, 2],
        ["<i2", "int16"],
        packed,
        about,
    );
    let cf = Cf::open("era5", folder.path()).unwrap();
    let plan = cf.grid().plan;
    assert_eq!(plan.projection, Projection::LatLon { north: 10.5, west: 359.75, step: 0.25 });
    assert_eq!((plan.height, plan.width, cf.times().every), (3, 2, 21_600));
    let middle = cf.read("msl", "1979-01-01T06:00:00Z".parse().unwrap()).unwrap();
    // Values 6 to 11 from south to north; 7 is missing.
    let read: Vec<String> = middle.iter().map(f32::to_string).collect();
    assert_eq!(read, ["101050", "101055", "101040", "101045", "101030", "NaN"]);
    assert!(cf.read("t", cf.times().from).is_err());
    assert!(cf.read("msl", "1979-01-01T05:00:00Z".parse().unwrap()).is_err());
    assert!(Cf::open("none", &folder.path().join("time")).is_err());
}
