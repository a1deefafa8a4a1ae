//! Reading real data: every GRIB2 field against ecCodes, NetCDF, and files that are not what they should be.
//!
//! Cases on real files want `AURORAC_TEST_DATA`, the folder that holds `data/`. Where it is unset they say that
//! they are skipped; where it is set, a missing file is a failure.

use std::fs;
use std::path::{Path, PathBuf};

use aurora_runtime::data::grib::{Field, Grib, Packing, Problem};
use aurora_runtime::data::inspect::{InspectError, Inspection, inspect};
use aurora_runtime::data::netcdf::NetCdf;
use serde_json::Value;

#[path = "inspect/made.rs"]
mod made;
#[path = "inspect/rotation.rs"]
mod rotation;
#[path = "world/mod.rs"]
mod world;
#[path = "inspect/wrf.rs"]
mod wrf;

/// The folder of real data, or `None` with a word about it.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("AURORAC_TEST_DATA").map(|folder| PathBuf::from(folder).join("data"));
    if folder.is_none() {
        println!("skipped: AURORAC_TEST_DATA is not set");
    }
    folder
}

fn reference(folder: &Path) -> Vec<(String, Vec<Value>)> {
    let text = fs::read(folder.join("REFERENCE.json")).expect("REFERENCE.json");
    let all: Value = serde_json::from_slice(&text).expect("REFERENCE.json is JSON");
    let messages = |value: &Value| value["messages"].as_array().cloned().unwrap_or_default();
    all.as_object().expect("an object").iter().map(|(name, value)| (name.clone(), messages(value))).collect()
}

/// Both decode the same whole numbers, so all that may differ is the last places of double precision in
/// Y = (R + X·2^E)·10^-D: 1e-12 of the value's size. A wrong whole number would be off by the packing's quantum,
/// which is never below 1e-7 of the range, and the test demands that the tolerance stay under a thousandth of it.
fn same(ours: f64, theirs: f64, size: f64) -> bool {
    (ours - theirs).abs() <= 1e-12 * size
}

/// Files of GRIB edition 1, which is refused.
const EDITION_1: [&str; 3] =
    ["era5_ecmwf/era5-2mt-2019-03-uk.grib", "era5_ecmwf/era5-levels-members.grib", "other/lambert_grid.grib"];

#[test]
fn every_grib2_field_is_what_eccodes_reads() {
    let Some(folder) = data() else { return };
    let (mut files, mut fields, mut values) = (0, 0, 0u64);
    for (name, messages) in reference(&folder) {
        let path = folder.join(&name);
        if messages.iter().any(|message| message["edition"] == 1) {
            assert!(EDITION_1.contains(&name.as_str()), "{name}");
            let error = Grib::open(&path).expect_err("edition 1 is refused");
            assert_eq!(error.problem, Problem::Edition(1), "{name}");
            continue;
        }
        let grib = Grib::open(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(grib.fields().len(), messages.len(), "{name}");
        for (field, message) in grib.fields().iter().zip(&messages) {
            let place = format!("{name} field {}", field.number());
            compare_description(&place, field, message);
            let read = grib.values::<f64>(field).unwrap_or_else(|error| panic!("{error}"));
            compare_values(&place, &read, &field.packing, message);
            // Single precision is double precision, rounded.
            let single = grib.values::<f32>(field).unwrap_or_else(|error| panic!("{error}"));
            let rounded = |(single, double): (&f32, &f64)| {
                single.to_bits() == (*double as f32).to_bits() || single.is_nan() && double.is_nan()
            };
            assert!(single.len() == read.len() && single.iter().zip(&read).all(rounded), "{place}");
            fields += 1;
            values += read.len() as u64;
        }
        files += 1;
    }
    println!("{files} files, {fields} fields, {values} values");
    assert!(files >= 28 && fields >= 1000, "{files} files, {fields} fields");
}

fn compare_description(place: &str, field: &Field, message: &Value) {
    let number = |key: &str| message[key].as_i64();
    let code = field.product.code;
    assert_eq!(number("discipline"), Some(code.discipline.into()), "{place}");
    assert_eq!(number("parameterCategory"), Some(code.category.into()), "{place}");
    assert_eq!(number("parameterNumber"), Some(code.number.into()), "{place}");
    assert_eq!(number("gridDefinitionTemplateNumber"), Some(field.grid.template.into()), "{place}");
    assert_eq!(number("productDefinitionTemplateNumber"), Some(field.product.template.into()), "{place}");
    assert_eq!(number("dataRepresentationTemplateNumber"), Some(field.packing.template.into()), "{place}");
    assert_eq!(number("scanningMode"), field.grid.scanning.map(i64::from), "{place}");
    if let Some(along) = number("uvRelativeToGrid") {
        assert_eq!(Some(along == 1), field.grid.winds_along_grid, "{place}");
    }
    let reference = field.product.reference.strftime("%Y%m%d %-H%M").to_string();
    let (date, time) = (number("dataDate").unwrap_or(0), number("dataTime").unwrap_or(0));
    assert_eq!(reference, format!("{date} {}{:02}", time / 100, time % 100), "{place}");
    compare_times(place, field, message);
    compare_corners(place, field, message);
}

/// `stepRange` is `24`, `15m` or `12-24`, in hours unless it says otherwise.
fn compare_times(place: &str, field: &Field, message: &Value) {
    let Some(range) = message["stepRange"].as_str() else { return };
    let seconds = |step: &str| match step.strip_suffix('m') {
        Some(minutes) => minutes.parse::<i64>().map(|minutes| minutes * 60),
        None => step.trim_end_matches('h').parse::<i64>().map(|hours| hours * 3600),
    };
    let (start, end) = range.split_once('-').map_or((None, range), |(start, end)| (Some(start), end));
    let end = seconds(end).unwrap_or_else(|_| panic!("{place}: step {range}"));
    let valid = field.product.valid.expect("a valid time");
    assert_eq!(valid.as_second() - field.product.reference.as_second(), end, "{place}: step {range}");
    if let Some(start) = start.and_then(|start| seconds(start).ok()) {
        assert_eq!(field.product.cell.map(|cell| cell.seconds), Some(end - start), "{place}: step {range}");
    }
}

/// To 2e-6 degrees: coordinates are stored in millionths. On rotated grids ecCodes rounds its answer in single
/// precision, which is good to 1e-5 degrees only.
fn compare_corners(place: &str, field: &Field, message: &Value) {
    let (Some([south_west, south_east, north_west, north_east]), Some(scanning)) =
        (field.grid.corners, field.grid.scanning)
    else {
        return;
    };
    let expected = match scanning {
        0x40 => [
            ("first", south_west),
            ("row0_last", south_east),
            ("lastrow_first", north_west),
            ("last", north_east),
        ],
        _ => [
            ("first", north_west),
            ("row0_last", north_east),
            ("lastrow_first", south_west),
            ("last", south_east),
        ],
    };
    for (key, ours) in expected {
        let theirs = &message["latlon"][key];
        let (Some(latitude), Some(longitude)) = (theirs[0].as_f64(), theirs[1].as_f64()) else { continue };
        let tolerance = if field.grid.template == 1 { 1e-5 } else { 2e-6 };
        let across = (ours.1 - longitude + 180.0).rem_euclid(360.0) - 180.0;
        assert!(
            (ours.0 - latitude).abs() < tolerance && across.abs() < tolerance,
            "{place} {key}: {ours:?}, ecCodes ({latitude}, {longitude})"
        );
    }
}

fn compare_values(place: &str, read: &[f64], packing: &Packing, message: &Value) {
    let count = |key: &str| message[key].as_u64().unwrap_or(0) as usize;
    let missing = read.iter().filter(|value| value.is_nan()).count();
    assert_eq!(missing, count("numberOfMissing").max(count("n_nan")), "{place}: missing");
    let present: Vec<f64> = read.iter().copied().filter(|value| !value.is_nan()).collect();
    let fold = |start: f64, pick: fn(f64, f64) -> f64| present.iter().copied().fold(start, pick);
    let (least, greatest) = (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max));
    let offset = packing.reference * 10f64.powi(-packing.decimal_scale);
    let size = least.abs().max(greatest.abs()).max(offset.abs());
    if let Some(quantum) = packing.quantum().filter(|_| greatest > least) {
        assert!(
            1e-12 * size < 1e-3 * quantum,
            "{place}: a quantum of {quantum} cannot be told from rounding"
        );
    }
    let check = |what: &str, ours: f64| {
        if let Some(theirs) = message[what].as_f64() {
            assert!(same(ours, theirs, size), "{place}: {what} {ours}, ecCodes {theirs}");
        }
    };
    check("min", least);
    check("max", greatest);
    // A mean of two million terms adds its own rounding, whatever the order of summation.
    if let Some(mean) = message["mean"].as_f64() {
        let ours = present.iter().sum::<f64>() / present.len() as f64;
        assert!((ours - mean).abs() <= 1e-9 * size, "{place}: mean {ours}, ecCodes {mean}");
    }
    compare_points(place, read, size, message);
}

/// The sample points of REFERENCE.json lie at fixed places of the file's order.
fn compare_points(place: &str, read: &[f64], size: f64, message: &Value) {
    let (Some(columns), Some(rows)) = (message["Nx"].as_u64(), message["Ny"].as_u64()) else { return };
    let (columns, rows) = (columns as usize, rows as usize);
    let places = [
        ("first", 0),
        ("row0_last", columns - 1),
        ("lastrow_first", (rows - 1) * columns),
        ("last", rows * columns - 1),
        ("mid", rows / 2 * columns + columns / 2),
        ("q", rows / 4 * columns + columns / 4),
    ];
    for (key, index) in places {
        match (&message["points"][key], read[index]) {
            (Value::Number(theirs), ours) if !ours.is_nan() => {
                let theirs = theirs.as_f64().unwrap_or(f64::NAN);
                assert!(same(ours, theirs, size), "{place} {key}: {ours}, ecCodes {theirs}");
            }
            (Value::Null, ours) => assert!(ours.is_nan(), "{place} {key}: {ours}, ecCodes missing"),
            (theirs, ours) => panic!("{place} {key}: {ours}, ecCodes {theirs}"),
        }
    }
}

#[test]
fn every_file_can_be_looked_into() {
    let Some(folder) = data() else { return };
    let mut seen = 0;
    for part in ["hrrr", "mrms", "rap_nam_gfs", "era5_ecmwf", "other", "synth", "netcdf3d", "grid"] {
        for entry in fs::read_dir(folder.join(part)).expect(part) {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "py") {
                continue;
            }
            match inspect(&path) {
                Ok(found) => {
                    looks_right(&found);
                    seen += 1;
                }
                Err(InspectError::Grib(error)) => assert_eq!(error.problem, Problem::Edition(1), "{error}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(seen >= 30, "{seen} files");
}

fn looks_right(found: &Inspection) {
    let text = found.to_string();
    assert!(!found.fields.is_empty(), "{text}");
    assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
    let json = serde_json::to_value(found).expect("JSON");
    assert_eq!(json["fields"].as_array().map(Vec::len), Some(found.fields.len()));
    for field in &found.fields {
        // The one Zarr array in a codec this build lacks is a scalar without meaning of its own.
        assert!(
            field.problem.is_none() || field.name == "spatial_ref",
            "{}: {:?}",
            field.name,
            field.problem
        );
    }
}

#[test]
fn hrrr_grid_is_shown_as_hrrr_states_it() {
    let Some(folder) = data() else { return };
    let text = inspect(&folder.join("hrrr/hrrr.t06z.wrfsfcf01-TMP.grib2")).expect("readable").to_string();
    for line in [
        "grid     Lambert conformal (template 3.30), 1799 x 1059 points, 3000 m apart",
        "         true at 38.5 N, centred on 262.5 E, sphere of 6371229 m",
        "         rows from south to north, winds along the grid",
        "         NW  47.8386  225.9045   NE  47.8422  299.0828",
        "         SW  21.1381  237.2805   SE  21.1405  287.7103",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

/// North up: in July the southern edge of the United States is warmer than the northern one.
#[test]
fn images_have_north_on_top() {
    let Some(folder) = data() else { return };
    let grib = Grib::open(&folder.join("hrrr/hrrr.t06z.wrfsfcf01-TMP.grib2")).expect("readable");
    let field = &grib.fields()[0];
    let (image, values) = (grib.image(field).expect("an image"), grib.values::<f64>(field).expect("values"));
    assert_eq!(image.dim(), (1059, 1799));
    assert_eq!(image[[1058, 0]], values[0] as f32);
    assert_eq!(image[[0, 1798]], values[values.len() - 1] as f32);
}

/// Against figures of the files as the reference library of NetCDF reads them.
#[test]
fn netcdf_values_come_unpacked() {
    let Some(folder) = data() else { return };
    let file = NetCdf::open(&folder.join("netcdf3d/eraint_uvz.nc")).expect("readable");
    assert_eq!(file.format(), "NetCDF classic, 64-bit offsets");
    let z = file.read("z").expect("z");
    assert_eq!(z.shape(), [2, 3, 241, 480]);
    let least = z.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = z.iter().sum::<f64>() / z.len() as f64;
    assert!((least - 10_303.25).abs() < 1e-9 && (greatest - 123_347.75).abs() < 1e-9, "{least} {greatest}");
    assert!((mean - 61_179.390_464_444_776).abs() < 1e-6, "{mean}");
    let times = NetCdf::open(&folder.join("netcdf3d/GFS_global.nc"))
        .expect("readable")
        .times("time3")
        .expect("times");
    let words: Vec<_> = times.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["2021-01-30T12:00:00Z", "2021-01-30T15:00:00Z", "2021-01-30T18:00:00Z"]);
}

/// The same on real files of every packing: cut at many lengths, bytes changed at many places.
#[test]
fn damage_to_real_files_never_panics() {
    let Some(folder) = data() else { return };
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("file");
    let files = [
        "hrrr/hrrr.t00z.wrfprsf00-template8.grib2",
        "hrrr/hrrr.t06z.wrfsfcf01-CFRZR.grib2",
        "rap_nam_gfs/gfs.jpeg.grib2",
        "rap_nam_gfs/gfs.png.grib2",
        "era5_ecmwf/aifs-single-t500.grib2",
        "netcdf3d/gfs_output.nc",
        "netcdf3d/GFS_test.nc",
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    for name in files {
        let whole = fs::read(folder.join(name)).expect(name);
        for step in 0..12 {
            let length = whole.len() * step / 12;
            fs::write(&path, &whole[..length]).expect("written");
            let fine = inspect(&path).is_ok_and(|found| found.problems().next().is_none());
            assert!(!fine, "{name} cut to {length} bytes was read without complaint");
        }
        for round in 0..16 {
            let mut bytes = whole.clone();
            // Headers lie in the first kilobyte: half the rounds strike there.
            let reach = if round % 2 == 0 { bytes.len().min(1024) } else { bytes.len() };
            for _ in 0..4 {
                let index = next(reach);
                bytes[index] ^= 1 << next(8);
            }
            fs::write(&path, &bytes).expect("written");
            let _ = inspect(&path).map(|found| found.to_string());
        }
    }
}
