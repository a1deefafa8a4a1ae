use std::fs;
use std::path::{Path, PathBuf};

use aurora_compiler::plan::data::DataPlan;
use half::f16;
use jiff::Timestamp;
use serde_json::{Value, json};
use zarrs::array::{Array, ArrayMetadata, ArraySubset, Element};
use zarrs::filesystem::FilesystemStore;

use super::*;
use crate::data::archive::hrrr::Hrrr;
use crate::data::archive::hrrr::layout::Domain;
use crate::data::archive::{Archive, ArchiveField, Request};
use crate::data::files::Folder;
use crate::data::grib::words::Level;
use crate::data::grib::{self, Grib};
use crate::data::grid::Grid;
use crate::data::sample::{Sample, Sampler, Selection, Split, load};
use crate::data::store::Store;
use crate::data::synthesize::{Extent, Order};

mod made;
mod roads;

use made::{Kept, among, copied, held, noaa, opened, time, utah};

const T2M: &str = "TMP:2 m above ground";
const ROTATION: &str = "MXUPHL:5000-2000 m above ground";
const HOUR: &str = "2020-05-20T01:00:00Z";

fn instant(from: &str) -> Request<'_> {
    Request { from, cell: None, levels: None }
}

fn sorted(archive: &dyn Archive) -> Vec<ArchiveField> {
    let mut fields = archive.fields();
    fields.sort_by(|one, other| one.from.cmp(&other.from));
    fields
}

#[test]
fn fields_are_those_of_the_grib_archive() {
    let ((_noaa, grib), (_utah, archive)) = (noaa(), utah());
    assert_eq!(sorted(&archive), sorted(&grib));
    assert_eq!(archive.times(), grib.times());
    let (here, there) = (archive.grid(), grib.grid());
    assert_eq!((here.plan.projection, here.plan.spacing), (there.plan.projection, there.plan.spacing));
    // By the axes in metres here, there by a corner in millionths of a degree.
    let near = |one: &ndarray::Array2<f64>, other: &ndarray::Array2<f64>| {
        one.dim() == other.dim() && one.iter().zip(other).all(|(one, other)| (one - other).abs() < 2e-6)
    };
    assert!(near(&here.latitude, &there.latitude) && near(&here.longitude, &there.longitude));
    // What is over an hour, and what is blank at the start, come from the forecast of the hour before.
    let over = Request { cell: Some("max over 1 h"), ..instant(ROTATION) };
    for wanted in
        [instant(T2M), instant("PRATE:surface"), over, instant("TMP"), instant("UGRD:10 m above ground")]
    {
        let (here, there) =
            (archive.fetch(&wanted, time(HOUR)).unwrap(), grib.fetch(&wanted, time(HOUR)).unwrap());
        assert!(here == there && here.iter().any(|value| *value != 0.0), "{}", wanted.from);
    }
    assert_eq!(archive.read(ROTATION, time(HOUR)).unwrap(), grib.fetch(&over, time(HOUR)).unwrap());
    let levels = Request { levels: Some(&[3, 0]), ..instant("TMP") };
    assert_eq!(archive.fetch(&levels, time(HOUR)).unwrap(), grib.fetch(&levels, time(HOUR)).unwrap());
}

/// Eleven bits: half a step of them, and what lies below the least of normal numbers; what lies above the largest is no
/// field.
#[test]
fn numbers_of_16_bits_are_as_near_as_they_can_be() {
    let some = [
        ("TMP", "2 m"),
        ("CAPE", "surface"),
        ("SPFH", "2 m"),
        ("HGT", " mb"),
        ("PRES", "surface"),
        // Without it there would be no forecast.
        ("MXUPHL", "5000"),
    ];
    let folder = copied(1, Kept::Half, true, &|file, field| among(field, &some).then(|| held(file, field)));
    let ((_noaa, grib), archive) = (noaa(), opened(folder.path()));
    let hour = time("2020-05-20T00:00:00Z");
    for from in [T2M, "CAPE:surface", "SPFH:2 m above ground", "HGT"] {
        let (here, there) = (archive.read(from, hour).unwrap(), grib.read(from, hour).unwrap());
        for (here, there) in here.iter().zip(&there) {
            let allowed = (there.abs() / 2048.0).max(3e-8);
            assert!((here - there).abs() <= allowed, "{from}: {here} for {there}");
        }
    }
    let error = archive.read("PRES:surface", hour).unwrap_err();
    assert!(matches!(error, DataError::Record { .. }) && error.to_string().contains("infinities"), "{error}");
}

#[test]
fn without_consolidated_metadata_folders_are_asked() {
    let some = [
        ("TMP", "2 m"),
        ("TMP", "500 mb"),
        ("TMP", "850 mb"),
        ("REFC", ""),
        ("MXUPHL", ""),
        ("PRATE", ""),
        ("HGT", "surface"),
    ];
    let in_part = |consolidated| {
        copied(1, Kept::Single, consolidated, &|file, field| among(field, &some).then(|| held(file, field)))
    };
    let (told, asked) = (in_part(true), in_part(false));
    let (whole, archive) = (opened(told.path()), opened(asked.path()));
    assert!(archive.fields().len() >= 6);
    assert_eq!(sorted(&archive), sorted(&whole));
    let hour = time("2020-05-20T00:00:00Z");
    assert_eq!(archive.read(T2M, hour).unwrap(), whole.read(T2M, hour).unwrap());
}

/// Some hours of few fields, to be damaged.
fn few(hours: i64) -> tempfile::TempDir {
    let some = [("TMP", "2 m"), ("MXUPHL", "5000"), ("TMP", "500 mb")];
    copied(hours, Kept::Single, true, &|file, field| among(field, &some).then(|| held(file, field)))
}

#[test]
fn what_is_absent_is_named() {
    let folder = few(3);
    let store = |name: &str| folder.path().join("sfc/20200520").join(name);
    let array = "5000_2000m_above_ground/MXUPHL_1hr_max_fcst/5000_2000m_above_ground/MXUPHL_1hr_max_fcst";
    let hour = time(HOUR);
    let over = Request { cell: Some("max over 1 h"), ..instant(ROTATION) };
    let archive = opened(folder.path());
    // Named, but never written.
    let chunks = store("20200520_00z_fcst.zarr").join(array);
    for entry in fs::read_dir(&chunks).unwrap().map(|entry| entry.unwrap().path()) {
        if !entry.file_name().unwrap().to_string_lossy().starts_with(".z") {
            fs::remove_file(entry).unwrap();
        }
    }
    let error = archive.fetch(&over, hour).unwrap_err();
    let said =
        "sfc/20200520/20200520_00z_fcst.zarr: the record MXUPHL:2000-5000 m above ground:0-1 hour max fcst: ";
    assert!(matches!(error, DataError::Record { .. }), "{error}");
    let error = error.to_string();
    let said = said.replace("2000-5000", "5000-2000");
    assert!(error.contains(&said) && error.ends_with("none of its chunks is there"), "{error}");
    // An hour that is not there is a gap, and no other.
    fs::remove_dir_all(store("20200520_01z_anl.zarr")).unwrap();
    let archive = opened(folder.path());
    assert_eq!(
        archive.absence(&[instant(T2M)], hour).as_deref(),
        Some("sfc/20200520/20200520_01z_anl.zarr is not there")
    );
    assert_eq!(archive.absence(&[over], hour), None);
    assert_eq!(archive.absence(&[instant("TMP")], hour), None);
    assert_eq!(archive.absence(&[instant(T2M), over], time("2020-05-20T02:00:00Z")), None);
    assert!(
        archive
            .fetch(&instant(T2M), hour)
            .unwrap_err()
            .to_string()
            .contains("20200520_01z_anl.zarr is not there")
    );
    let longer = Request { cell: Some("max over 3 h"), ..instant(ROTATION) };
    let error = archive.fetch(&longer, time("2020-05-20T02:00:00Z")).unwrap_err().to_string();
    assert!(error.contains("20200519_23z_fcst.zarr") && error.contains("no such array"), "{error}");
    // The hierarchy is there.
    assert_eq!(archive.absence(&[longer], time("2020-05-20T02:00:00Z")), None);
    // There are no quarters of an hour.
    let quarter = time("2020-05-20T00:15:00Z");
    let part = Request { cell: Some("max over 15 min"), ..instant(ROTATION) };
    for error in [
        archive.read(T2M, quarter).unwrap_err(),
        archive.suits(&instant(T2M), 900).unwrap_err(),
        archive.fetch(&part, time("2020-05-20T00:00:00Z")).unwrap_err(),
    ] {
        let error = error.to_string();
        assert!(error.contains("whole hours") && error.contains("wrfsubh"), "{error}");
    }
    assert!(archive.absence(&[instant(T2M)], quarter).unwrap().contains("a time every 1 h"));
}

/// The newest hour may still be coming, and an axis may say anything.
#[test]
fn what_is_not_whole_yet_is_passed_over() {
    let folder = few(3);
    let newest = folder.path().join("sfc/20200520/20200520_02z_anl.zarr");
    fs::remove_dir_all(&newest).unwrap();
    fs::create_dir(&newest).unwrap();
    let archive = opened(folder.path());
    assert!(archive.read(T2M, time(HOUR)).is_ok());
    fs::write(newest.join(".zmetadata"), "{").unwrap();
    let archive = opened(folder.path());
    assert!(archive.read(T2M, time(HOUR)).is_ok());
    assert!(archive.read(T2M, time("2020-05-20T02:00:00Z")).is_err());
    let hierarchy = folder.path().join("sfc/20200520/20200520_01z_anl.zarr");
    let mut found = 0;
    for name in [".zmetadata", "2m_above_ground/TMP/forecast_reference_time/.zarray"] {
        let Ok(text) = fs::read_to_string(hierarchy.join(name)) else { continue };
        let mut json: Value = serde_json::from_str(&text).unwrap();
        let key = "2m_above_ground/TMP/forecast_reference_time/.zarray";
        let axis = match name {
            ".zmetadata" => &mut json["metadata"][key],
            _ => &mut json,
        };
        axis["shape"] = json!([1_000_000_000_000_u64]);
        fs::write(hierarchy.join(name), json.to_string()).unwrap();
        found += 1;
    }
    assert!(found > 0);
    let error = opened(folder.path()).read(T2M, time(HOUR)).unwrap_err().to_string();
    assert!(error.contains("has too many values"), "{error}");
}

#[test]
fn what_is_not_what_it_should_be_is_no_field() {
    let folder = few(2);
    let array =
        |name: &str| folder.path().join("sfc/20200520/20200520_01z_anl.zarr/2m_above_ground/TMP").join(name);
    let hour = time(HOUR);
    let whole = opened(folder.path()).read(T2M, hour).unwrap();
    // A chunk that was never written is fill values, here none.
    let (chunk, kept) =
        (array("2m_above_ground/TMP/0.0"), fs::read(array("2m_above_ground/TMP/0.0")).unwrap());
    fs::remove_file(&chunk).unwrap();
    let read = opened(folder.path()).read(T2M, hour).unwrap();
    for ((level, row, column), value) in read.indexed_iter() {
        match row >= 192 - 150 && column < 150 {
            true => assert!(value.is_nan()),
            false => assert_eq!(*value, whole[(level, row, column)]),
        }
    }
    fs::write(&chunk, &kept[..kept.len() / 2]).unwrap();
    let error = opened(folder.path()).read(T2M, hour).unwrap_err();
    assert!(matches!(error, DataError::Record { .. }), "{error}");
    assert!(error.to_string().contains("2m_above_ground/TMP/0.0"), "{error}");
    fs::write(&chunk, &kept).unwrap();
    assert_eq!(opened(folder.path()).read(T2M, hour).unwrap(), whole);
    // The run of another hour under this name.
    let other = time("2020-05-20T00:00:00Z").as_second() / 3600;
    fs::write(array("forecast_reference_time/0"), other.to_le_bytes()).unwrap();
    let error = opened(folder.path()).read(T2M, hour).unwrap_err().to_string();
    assert!(error.contains("it is of the run 2020-05-20T00:00:00Z, not of 2020-05-20T01:00:00Z"), "{error}");
}
