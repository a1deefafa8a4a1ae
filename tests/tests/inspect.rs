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

#[test]
fn every_grib2_field_is_what_eccodes_reads() {
    let Some(folder) = data() else { return };
    let (mut files, mut fields, mut values) = (0, 0, 0u64);
    for (name, messages) in reference(&folder) {
        let path = folder.join(&name);
        if messages.iter().any(|message| message["edition"] == 1) {
            let error = Grib::open(&path).expect_err("edition 1 is refused");
            assert_eq!(error.problem, Problem::Edition(1), "{name}");
            continue;
        }
        let grib = Grib::open(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(grib.fields().len(), messages.len(), "{name}");
        for (field, message) in grib.fields().iter().zip(&messages) {
            let place = format!("{name} field {}", field.number());
            compare_description(&place, field, message);
            let read = grib.values(field).unwrap_or_else(|error| panic!("{error}"));
            compare_values(&place, &read, &field.packing, message);
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
    let (image, values) = (grib.image(field).expect("an image"), grib.values(field).expect("values"));
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

/// Files made here, so that these run everywhere.
mod made {
    use super::*;

    fn write(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    }

    /// A GRIB2 message of 3 x 2 points in simple packing of 8 bits, values 10, 11, ... 15, rows from the south.
    fn message() -> Vec<u8> {
        let mut sections = Vec::new();
        let mut section = |number: u8, body: &[u8]| {
            sections.extend((body.len() as u32 + 5).to_be_bytes());
            sections.push(number);
            sections.extend(body);
        };
        section(1, &[0, 7, 0, 0, 2, 1, 1, 0x07, 0xe7, 7, 22, 6, 0, 0, 0, 1]);
        let mut grid = vec![0, 0, 0, 0, 6, 0, 0, 0, 0, 6];
        grid.resize(25, 0);
        for word in [3u32, 2, 0, 0xffff_ffff, 40_000_000, 260_000_000] {
            grid.extend(word.to_be_bytes());
        }
        grid.push(48);
        for word in [41_000_000u32, 262_000_000, 1_000_000, 1_000_000] {
            grid.extend(word.to_be_bytes());
        }
        grid.push(0x40);
        section(3, &grid);
        let level = [103, 0, 0, 0, 0, 2, 255, 255, 255, 255, 255, 255];
        let product = [&[0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1][..], &level].concat();
        section(4, &product);
        let packing = [&[0, 0, 0, 6, 0, 0][..], &10f32.to_be_bytes(), &[0, 0, 0, 0, 8, 0]].concat();
        section(5, &packing);
        section(6, &[255]);
        section(7, &[0, 1, 2, 3, 4, 5]);
        let mut bytes = b"GRIB\0\0\0\x02".to_vec();
        bytes.extend((sections.len() as u64 + 20).to_be_bytes());
        bytes.extend(&sections);
        bytes.extend(b"7777");
        bytes
    }

    /// A NetCDF classic file: `t(y, x)` of int16 with a scale, an offset and a missing value, and `y`.
    fn classic() -> Vec<u8> {
        let word = |value: u32| value.to_be_bytes().to_vec();
        let name = |text: &str| {
            let mut bytes = word(text.len() as u32);
            bytes.extend(text.bytes());
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let short = |text: &str, value: i16| {
            [name(text), word(3), word(1), value.to_be_bytes().to_vec(), vec![0; 2]].concat()
        };
        let double =
            |text: &str, value: f64| [name(text), word(6), word(1), value.to_be_bytes().to_vec()].concat();
        let attributes = [
            word(12),
            word(3),
            double("scale_factor", 0.5),
            double("add_offset", 100.0),
            short("_FillValue", -9),
        ]
        .concat();
        let dimensions = [word(10), word(2), name("y"), word(2), name("x"), word(3)].concat();
        let t = |begin: u32| {
            [name("t"), word(2), word(0), word(1), attributes.clone(), word(3), word(12), word(begin)]
                .concat()
        };
        let y = |begin: u32| {
            [name("y"), word(1), word(0), word(0), word(0), word(5), word(8), word(begin)].concat()
        };
        let head = |at: u32| {
            [
                b"CDF\x01".to_vec(),
                word(0),
                dimensions.clone(),
                word(0),
                word(0),
                word(11),
                word(2),
                t(at),
                y(at + 12),
            ]
            .concat()
        };
        let mut bytes = head(head(0).len() as u32);
        for value in [0i16, 1, 2, 3, -9, 5] {
            bytes.extend(value.to_be_bytes());
        }
        for value in [40f32, 41.0] {
            bytes.extend(value.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn grib_by_hand() {
        let folder = tempfile::tempdir().expect("a folder");
        let header = b"\r\r\n001 \r\r\nHTXX \r\r\n";
        let path = write(&folder, "two.grib2", &[&header[..], &message(), &message()].concat());
        let grib = Grib::open(&path).expect("readable");
        assert_eq!((grib.messages(), grib.skipped()), (2, header.len() as u64));
        let field = &grib.fields()[1];
        assert_eq!((field.name().as_str(), field.product.level_name().as_str()), ("TMP", "2 m above ground"));
        assert_eq!(grib.values(field).expect("values"), [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]);
        let image = grib.image(field).expect("an image");
        assert_eq!(image.into_raw_vec_and_offset().0, [13.0, 14.0, 15.0, 10.0, 11.0, 12.0]);
        let text = inspect(&path).expect("readable").to_string();
        assert!(
            text.contains("run      2023-07-22 06:00Z") && text.contains("valid    2023-07-22 07:00Z"),
            "{text}"
        );
    }

    #[test]
    fn netcdf_classic_by_hand() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = write(&folder, "t.nc", &classic());
        let file = NetCdf::open(&path).expect("readable");
        let values: Vec<f64> = file.read("t").expect("t").iter().copied().collect();
        assert_eq!(format!("{values:?}"), "[100.0, 100.5, 101.0, 101.5, NaN, 102.5]");
        assert_eq!(file.read_at("t", 1).expect("t").shape(), [3]);
        let found = inspect(&path).expect("readable");
        assert_eq!(found.fields[0].missing, Some(1));
        assert!(
            file.read("nothing").expect_err("no such variable").to_string().contains("the file has t, y")
        );
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut edition_1 = message();
        edition_1[7] = 1;
        let mut no_end = message();
        let end = no_end.len() - 1;
        no_end[end] = b'8';
        let cases: [(&[u8], &str); 5] = [
            (b"", "the file is empty"),
            (b"\x89PNG\r\n\x1a\n and so on", "it begins with `\\x89PNG\\r\\n\\x1a\\n`"),
            (&edition_1, "GRIB edition 1 is not read"),
            (&no_end, "does not end in `7777`"),
            (&message()[..100], "the file has 100 left: it was cut short"),
        ];
        for (bytes, words) in cases {
            let error = inspect(&write(&folder, "file", bytes)).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
        let error = inspect(folder.path()).expect_err("a folder").to_string();
        assert!(error.contains("not a Zarr store"), "{error}");
    }

    /// Cut at every length and with every byte changed: an error or a changed reading, never a panic.
    #[test]
    fn damage_never_panics() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, whole) in [("file.grib2", message()), ("file.nc", classic())] {
            for length in 0..whole.len() {
                let path = write(&folder, name, &whole[..length]);
                let fine = inspect(&path).is_ok_and(|found| found.problems().next().is_none());
                assert!(!fine, "{name} cut to {length} of {} bytes was read without complaint", whole.len());
            }
            for index in 0..whole.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut bytes = whole.clone();
                    bytes[index] ^= flip;
                    let _ = inspect(&write(&folder, name, &bytes)).map(|found| found.to_string());
                }
            }
        }
    }
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

/// WRF output as an archive, against sums done here point by point in double precision.
mod wrf {
    use aurora_runtime::data::archive::{Archive, DataError};
    use aurora_runtime::data::grid::Grid;
    use aurora_runtime::data::wrf::{Wrf, hydrostatic};

    use super::*;

    fn open() -> Option<(Wrf, NetCdf)> {
        let path = data()?.join("netcdf3d/mercator_sample.nc");
        Some((Wrf::open(&path).expect("an archive"), NetCdf::open(&path).expect("readable")))
    }

    #[test]
    fn it_offers_what_the_file_holds() {
        let Some((wrf, _)) = open() else { return };
        let times = wrf.times();
        assert_eq!(times.from.to_string(), "2005-08-28T12:00:00Z");
        assert_eq!((times.to.as_second() - times.from.as_second(), times.every), (9 * 3600, 3 * 3600));
        // The lowest centre of a cell anywhere lies between 950 and 925 hPa, in the hurricane; the highest
        // reaches just above 550 hPa.
        let hectopascals: Vec<_> = wrf.levels().iter().map(|level| level / 100.0).collect();
        assert_eq!(
            hectopascals,
            [550.0, 600.0, 650.0, 700.0, 750.0, 775.0, 800.0, 825.0, 850.0, 875.0, 900.0, 925.0]
        );
        let names: Vec<_> = wrf.fields().into_iter().map(|field| field.from).collect();
        assert_eq!(names.len(), 11, "{names:?}");
        for name in &names {
            let values = wrf.read(name, times.to).expect(name);
            assert!(values.iter().all(|value| value.is_finite()), "{name}");
            let levels = if name.contains(':') { 1 } else { 12 };
            assert_eq!(values.dim(), (levels, 48, 48), "{name}");
        }
        assert!(matches!(wrf.read("CAPE", times.to), Err(DataError::UnknownField { .. })));
        let later = times.to.checked_add(jiff::SignedDuration::from_hours(3)).expect("a time");
        assert!(matches!(wrf.read("TMP", later), Err(DataError::UnknownTime { .. })));
    }

    /// The projection written down for the grid, in round numbers that a recipe can repeat, gives the file's own
    /// coordinates to 0.0003 degrees, 30 m of 9 km.
    #[test]
    fn its_grid_is_the_file_s() {
        let Some((wrf, file)) = open() else { return };
        let grid = wrf.grid();
        let ideal = Grid::new(&grid.plan).expect("a grid");
        let (north, east) = (file.read("XLAT").expect("XLAT"), file.read("XLONG").expect("XLONG"));
        for row in 0..48 {
            for column in 0..48 {
                let at = [row, column];
                assert_eq!(grid.latitude[at], north[[0, 47 - row, column]] as f32);
                let longitude = east[[0, 47 - row, column]] + 360.0;
                assert!((f64::from(grid.longitude[at]) - longitude).abs() < 2e-5);
                assert!((ideal.latitude[at] - grid.latitude[at]).abs() < 3e-4);
                assert!((ideal.longitude[at] - grid.longitude[at]).abs() < 3e-4);
            }
        }
        assert!(grid.latitude[[0, 0]] > grid.latitude[[47, 0]]);
        println!("{:?}", grid.plan);
    }

    /// Every value of every field on levels, computed again from the file's variables: destaggering, potential
    /// temperature, mixing ratio and interpolation written out for one column at a time. Tolerance: the f32 field
    /// and result round by half a unit in the last place each, 1.2e-7 of the value, or of the larger neighbour
    /// for winds that change sign.
    #[test]
    fn levels_against_sums_done_here() {
        let Some((wrf, file)) = open() else { return };
        let read = |name: &str| file.read(name).expect(name);
        let (t, p, pb, qv, u, v) = (read("T"), read("P"), read("PB"), read("QVAPOR"), read("U"), read("V"));
        let (ph, phb) = (read("PH"), read("PHB"));
        let exact = |name: &str, n: usize, k: usize, j: usize, i: usize| match name {
            "TMP" => (t[[n, k, j, i]] + 300.0) * ((p[[n, k, j, i]] + pb[[n, k, j, i]]) / 1e5).powf(2.0 / 7.0),
            "SPFH" => qv[[n, k, j, i]] / (1.0 + qv[[n, k, j, i]]),
            "UGRD" => 0.5 * (u[[n, k, j, i]] + u[[n, k, j, i + 1]]),
            "VGRD" => 0.5 * (v[[n, k, j, i]] + v[[n, k, j + 1, i]]),
            _ => {
                let face = |k: usize| ph[[n, k, j, i]] + phb[[n, k, j, i]];
                0.5 * (face(k) + face(k + 1)) / 9.80665
            }
        };
        let mut checked = 0;
        for n in 0..4 {
            let seconds = wrf.times().from.as_second() + 3 * 3600 * n as i64;
            let time = jiff::Timestamp::from_second(seconds).expect("a time");
            for name in ["TMP", "SPFH", "UGRD", "VGRD", "HGT"] {
                let ours = wrf.read(name, time).expect(name);
                for ((level, row, i), &value) in ours.indexed_iter() {
                    let (target, j) = (wrf.levels()[level], 47 - row);
                    let ln = |k: usize| (p[[n, k, j, i]] + pb[[n, k, j, i]]).ln();
                    let k =
                        (0..13).find(|&k| ln(k) >= target.ln() && ln(k + 1) <= target.ln()).expect("inside");
                    let (low, high) = (exact(name, n, k, j, i), exact(name, n, k + 1, j, i));
                    let share = (ln(k) - target.ln()) / (ln(k) - ln(k + 1));
                    let theirs = low * (1.0 - share) + high * share;
                    let size = low.abs().max(high.abs());
                    assert!(
                        (f64::from(value) - theirs).abs() <= 1.3e-7 * size,
                        "{name} at {target} Pa, {row}, {i}: {value}, here {theirs}"
                    );
                    checked += 1;
                }
            }
        }
        println!("{checked} values");
    }

    #[test]
    fn surface_fields_are_the_file_s_north_up() {
        let Some((wrf, file)) = open() else { return };
        for (name, variable) in
            [("TMP:2 m above ground", "T2"), ("UGRD:10 m above ground", "U10"), ("PRES:surface", "PSFC")]
        {
            let (ours, theirs) =
                (wrf.read(name, wrf.times().from).expect(name), file.read(variable).expect(variable));
            for ((_, row, column), &value) in ours.indexed_iter() {
                assert_eq!(value, theirs[[0, 47 - row, column]] as f32, "{name}");
            }
        }
        let q2 = file.read("Q2").expect("Q2")[[0, 47, 0]];
        let ours = wrf.read("SPFH:2 m above ground", wrf.times().from).expect("humidity")[[0, 0, 0]];
        assert_eq!(ours, (q2 / (1.0 + q2)) as f32);
    }

    /// The road for files without geopotential, tried on one that has it: WRF is not hydrostatic and its mean over
    /// a layer is another, but over the file the two differ by less than 30 m anywhere and 5 m on average.
    #[test]
    fn hydrostatic_heights_agree_with_the_model_s() {
        let Some((_, file)) = open() else { return };
        let volume = |name: &str| {
            file.read_at(name, 3).expect(name).into_dimensionality::<ndarray::Ix3>().expect(name)
        };
        let area = |name: &str| {
            file.read_at(name, 3).expect(name).into_dimensionality::<ndarray::Ix2>().expect(name)
        };
        let pressure = volume("P") + volume("PB");
        let temperature = (volume("T") + 300.0) * pressure.mapv(|p| (p / 1e5).powf(2.0 / 7.0));
        let humidity = volume("QVAPOR").mapv(|r| r / (1.0 + r));
        let ours = hydrostatic(&pressure, &temperature, &humidity, &(area("HGT") * 9.81), &area("PSFC"));
        let faces = volume("PH") + volume("PHB");
        let (mut worst, mut sum) = (0.0f64, 0.0);
        for ((k, j, i), value) in ours.indexed_iter() {
            let metres = (value - 0.5 * (faces[[k, j, i]] + faces[[k + 1, j, i]])).abs() / 9.81;
            worst = worst.max(metres);
            sum += metres;
        }
        let mean = sum / ours.len() as f64;
        println!("heights differ by {mean:.2} m on average, {worst:.2} m at most");
        assert!(worst < 30.0 && mean < 5.0, "{mean} {worst}");
    }
}
