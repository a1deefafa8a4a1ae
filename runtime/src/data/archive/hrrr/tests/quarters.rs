//! Quarters of an hour: times between analyses, and what is over a part of an hour.

use std::path::PathBuf;

use super::*;
use crate::data::grib::encode::{About, Lambert, Packing, message};
use crate::data::grib::product::Code;
use crate::data::grib::words::When;

/// wrfsubh of the run of midnight, and of the one before and after it.
const OF: [&str; 3] = [
    "hrrr.20200519/conus/hrrr.t23z.wrfsubhf01.grib2",
    "hrrr.20200520/conus/hrrr.t00z.wrfsubhf01.grib2",
    "hrrr.20200520/conus/hrrr.t01z.wrfsubhf01.grib2",
];
const RAIN: &str = "APCP:surface";

fn over<'a>(from: &'a str, cell: &'a str) -> Request<'a> {
    Request { from, cell: Some(cell), levels: None }
}

/// The record of a file that an inventory would list so.
fn listed(folder: &tempfile::TempDir, path: &str, parameter: &str, level: &str, when: &str) -> Array2<f32> {
    let (level, when) = (Level::read(level).unwrap(), When::read(when).unwrap());
    directly(folder, path, |field| {
        field.name() == parameter
            && Level::of(&field.product).is_some_and(|held| held.same(&level))
            && When::of(&field.product) == Some(when)
    })
}

/// Which file is read for a field of a time.
fn file(archive: &Hrrr, request: Request<'_>, at: &str) -> String {
    let records = archive.records(&[request], time(at)).unwrap();
    assert_eq!(records.len(), 1);
    records[0].path.clone()
}

#[test]
fn between_the_hours_is_the_run_of_the_hour() {
    let folder = made_with(2, true);
    let archive = opened(&folder);
    let times = archive.times();
    assert_eq!((times.from, times.to), (time("2020-05-20T00:00:00Z"), time("2020-05-20T01:45:00Z")));
    assert_eq!(times.every, 900);
    for (at, path, when) in [
        ("2020-05-20T00:00:00Z", "hrrr.20200520/conus/hrrr.t00z.wrfsfcf00.grib2", "anl"),
        ("2020-05-20T00:15:00Z", OF[1], "15 min fcst"),
        ("2020-05-20T00:30:00Z", OF[1], "30 min fcst"),
        ("2020-05-20T00:45:00Z", OF[1], "45 min fcst"),
        ("2020-05-20T01:00:00Z", SURFACE, "anl"),
        ("2020-05-20T01:45:00Z", OF[2], "45 min fcst"),
    ] {
        assert!(archive.has(time(at)), "{at}");
        assert_eq!(archive.absence(&[instant(T2M)], time(at)), None, "{at}");
        assert_eq!(file(&archive, instant(T2M), at), path, "{at}");
        let read = archive.read(T2M, time(at)).unwrap();
        assert_eq!(
            read.index_axis(Axis(0), 0),
            listed(&folder, path, "TMP", "2 m above ground", when),
            "{at}"
        );
    }
    // The quarters are no copies of one another.
    let at = |minute: &str| archive.read(T2M, time(&format!("2020-05-20T00:{minute}:00Z"))).unwrap();
    assert!(at("15") != at("30") && at("30") != at("45"));
    // What an analysis has no word of is on the hour that of f01 of the run before, as ever.
    let rate = instant("PRATE:surface");
    let before = "hrrr.20200520/conus/hrrr.t00z.wrfsfcf01.grib2";
    assert_eq!(file(&archive, rate, "2020-05-20T01:00:00Z"), before);
    assert_eq!(file(&archive, rate, "2020-05-20T01:15:00Z"), OF[2]);
}

#[test]
fn a_part_of_an_hour_is_of_the_run_in_which_it_lies() {
    let folder = made_with(2, true);
    let archive = opened(&folder);
    for (at, path, when) in [
        ("2020-05-20T00:00:00Z", OF[0], "45-60 min acc fcst"),
        ("2020-05-20T00:15:00Z", OF[1], "0-15 min acc fcst"),
        ("2020-05-20T01:00:00Z", OF[1], "45-60 min acc fcst"),
        ("2020-05-20T01:30:00Z", OF[2], "15-30 min acc fcst"),
    ] {
        let rain = over(RAIN, "sum over 15 min");
        assert_eq!(file(&archive, rain, at), path, "{at}");
        let read = archive.fetch(&rain, time(at)).unwrap();
        assert_eq!(read.index_axis(Axis(0), 0), listed(&folder, path, "APCP", "surface", when), "{at}");
        assert!(read.iter().any(|value| *value > 0.0), "{at}");
    }
    // Of an hour it is what it was, and a mean of a quarter is no maximum of an hour.
    let hour = "2020-05-20T01:00:00Z";
    let before = "hrrr.20200520/conus/hrrr.t00z.wrfsfcf01.grib2";
    assert_eq!(file(&archive, over(RAIN, "sum over 1 h"), hour), before);
    let wind = "WIND:10 m above ground";
    assert_eq!(file(&archive, over(wind, "max over 1 h"), hour), before);
    assert_eq!(file(&archive, over(wind, "mean over 15 min"), hour), OF[1]);
}

/// An archive without wrfsubh is what it was, and one with it is the same archive.
#[test]
fn quarters_change_nothing_on_the_hour() {
    let (with, without) = (made_with(2, true), made(2));
    let (with, without) = (opened(&with), opened(&without));
    assert_eq!(with.identity(), without.identity());
    assert_eq!(with.fields(), without.fields());
    assert_eq!((without.times().every, without.times().to), (3600, time("2020-05-20T01:00:00Z")));
    let hour = time("2020-05-20T01:00:00Z");
    for request in [instant(T2M), instant("TMP"), over("MXUPHL:5000-2000 m above ground", "max over 1 h")] {
        assert_eq!(with.fetch(&request, hour).unwrap(), without.fetch(&request, hour).unwrap());
        assert_eq!(with.records(&[request], hour).unwrap(), without.records(&[request], hour).unwrap());
    }
    let quarter = time("2020-05-20T00:15:00Z");
    assert!(!without.has(quarter));
    let why = without.absence(&[instant(T2M)], quarter).unwrap();
    assert!(why.contains("a time every 1 h, and none at 2020-05-20T00:15:00Z"), "{why}");
    for error in [without.read(T2M, quarter).unwrap_err(), without.suits(&instant(T2M), 900).unwrap_err()] {
        let error = error.to_string();
        assert!(error.contains("none of HRRR's wrfsubh files") && error.contains("`every 1 h`"), "{error}");
    }
    assert!(without.suits(&instant(T2M), 7200).is_ok());
}

#[test]
fn a_quarter_that_is_not_there_is_absent() {
    let folder = made_with(2, true);
    let gone = |path: &str| {
        for name in [path.to_string(), format!("{path}.idx")] {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
    };
    gone(OF[1]);
    let archive = opened(&folder);
    let (quarter, hour) = (time("2020-05-20T00:30:00Z"), time("2020-05-20T01:00:00Z"));
    assert!(!archive.has(quarter) && archive.times().contains(quarter));
    let missing = format!("{} is not there", OF[1]);
    assert_eq!(archive.absence(&[instant(T2M)], quarter), Some(missing.clone()));
    assert!(archive.has(hour) && archive.absence(&[instant(T2M)], hour).is_none());
    assert_eq!(archive.absence(&[over(RAIN, "sum over 15 min")], hour), Some(missing));
    let odd = time("2020-05-20T00:20:00Z");
    assert!(archive.absence(&[instant(T2M)], odd).unwrap().contains("a time every 15 min"));
    // The newest run may not have its quarters yet.
    assert_eq!(archive.times().to, time("2020-05-20T01:45:00Z"));
    gone(OF[2]);
    let archive = opened(&folder);
    assert_eq!((archive.times().to, archive.times().every), (hour, 900));
}

#[test]
fn what_wrfsubh_lacks_is_refused_by_name() {
    let folder = made_with(2, true);
    let archive = opened(&folder);
    let (quarter, hour) = (time("2020-05-20T00:15:00Z"), time("2020-05-20T01:00:00Z"));
    let uh = "MXUPHL:5000-2000 m above ground";
    for (request, at, words) in [
        (instant("TMP"), quarter, &["`TMP`: between the hours", "`TMP:2 m above ground`", "`every 1 h`"][..]),
        (instant("CAPE:surface"), quarter, &["`CAPE:surface`: between", "only what is in wrfsubh"]),
        (over(uh, "max over 1 h"), quarter, &["end on the hour", "`APCP:surface` (sum over 15 min)"]),
        (
            over(uh, "max over 15 min"),
            hour,
            &[uh, "max over 15 min", "`WIND:10 m above ground` (mean over 15 min)"],
        ),
        (over(uh, "max over 90 min"), hour, &["whole hours up to 18", "parts of one"]),
        (
            over(T2M, "mean over 1 h"),
            hour,
            &["`TMP:2 m above ground`", "of the instant", "leave the period out"],
        ),
        (instant("NONE:surface"), quarter, &["has no field `NONE:surface`"]),
        (instant(T2M), time("2020-05-20T00:20:00Z"), &["every 15 min"]),
    ] {
        let error = archive.fetch(&request, at).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        // It is no gap.
        let on_time = at.as_second() % 900 == 0;
        assert_eq!(archive.absence(&[request], at).is_none(), on_time, "{error}");
    }
    let suits = |request: &Request<'_>, every: i64| archive.suits(request, every).is_ok();
    assert!(suits(&instant(T2M), 900) && suits(&instant(T2M), 1800) && !suits(&instant(T2M), 300));
    assert!(!suits(&instant("TMP"), 900) && suits(&instant("TMP"), 3600));
    assert!(suits(&over(RAIN, "sum over 15 min"), 900) && !suits(&over(RAIN, "sum over 1 h"), 900));
    // Nothing is begun that the first time would end.
    assert!(!suits(&over(T2M, "mean over 1 h"), 3600) && !suits(&over(uh, "max over 90 min"), 3600));
}

/// The list says that a record is of another quarter than it is, or has none of a quarter.
#[test]
fn a_record_of_another_quarter_is_not_believed() {
    let folder = made_with(1, true);
    let quarter = time("2020-05-20T00:15:00Z");
    let whole = opened(&folder).read(T2M, quarter).unwrap();
    let (list, line) = (format!("{}.idx", OF[1]), ":TMP:2 m above ground:");
    let swapped = |bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let text = text.replace(&format!("{line}15 min"), &format!("{line}x min"));
        let text = text.replace(&format!("{line}30 min"), &format!("{line}15 min"));
        *bytes = text.replace(&format!("{line}x min"), &format!("{line}30 min")).into_bytes();
    };
    let (_, archive) = Meddled::open(&folder, &list, false, swapped);
    let error = archive.read(T2M, quarter).unwrap_err().to_string();
    assert!(error.starts_with(&format!("there/{}: record ", OF[1])), "{error}");
    assert!(
        error.contains("(TMP:2 m above ground:15 min fcst)")
            && error.contains("it is of the run 2020-05-20T00:00:00Z for 2020-05-20T00:30:00Z"),
        "{error}"
    );
    let (_, archive) = Meddled::open(&folder, &list, true, swapped);
    assert_eq!(archive.read(T2M, quarter).unwrap(), whole);
    let (_, archive) = Meddled::open(&folder, &list, false, |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace(&format!("{line}15 min"), ":TPM:2 m above ground:15 min").into_bytes();
    });
    let error = archive.read(T2M, quarter).unwrap_err().to_string();
    assert!(
        error.contains("TMP:2 m above ground:15 min fcst: the file is there but has no such record"),
        "{error}"
    );
}

/// What no other file has is on the hour the end of its hour before.
#[test]
fn what_only_wrfsubh_has_is_there_on_the_hour_too() {
    let folder = made_with(2, true);
    let gust = "GUST:surface";
    let hour = time("2020-05-20T01:00:00Z");
    let expected = opened(&folder).read(gust, hour).unwrap();
    for hour in ["00", "01"] {
        let list = folder.path().join(format!("hrrr.20200520/conus/hrrr.t{hour}z.wrfsfcf00.grib2.idx"));
        let text = std::fs::read_to_string(&list).unwrap();
        std::fs::write(&list, text.replace(":GUST:", ":GTSU:")).unwrap();
    }
    let archive = opened(&folder);
    assert_eq!(file(&archive, instant(gust), "2020-05-20T01:00:00Z"), OF[1]);
    assert_eq!(file(&archive, instant(gust), "2020-05-20T00:00:00Z"), OF[0]);
    assert_eq!(file(&archive, instant(gust), "2020-05-20T01:15:00Z"), OF[2]);
    // The world does as it was forecast.
    assert_eq!(archive.read(gust, hour).unwrap(), expected);
}

#[test]
fn what_only_wrfsubh_has_is_there_over_its_periods() {
    let folder = made_with(2, true);
    for list in std::fs::read_dir(folder.path()).unwrap().flat_map(|day| {
        let files = std::fs::read_dir(day.unwrap().path().join("conus")).unwrap();
        files
            .map(|file| file.unwrap().path())
            .filter(|file| file.to_string_lossy().ends_with("wrfsfcf01.grib2.idx"))
    }) {
        let text = std::fs::read_to_string(&list).unwrap();
        std::fs::write(&list, text.replace(":WIND:", ":WNID:")).unwrap();
    }
    let (archive, wind) = (opened(&folder), "WIND:10 m above ground");
    let hour = time("2020-05-20T01:00:00Z");
    assert!(archive.fetch(&over(wind, "mean over 15 min"), hour).is_ok());
    let error = archive.fetch(&over(wind, "mean over 1 h"), hour).unwrap_err().to_string();
    assert!(
        error.contains(wind) && error.contains("not as mean over 1 h: say `mean over 15 min`"),
        "{error}"
    );
}

#[test]
fn without_an_inventory_quarters_are_found_too() {
    let folder = made_with(1, true);
    let quarter = time("2020-05-20T00:45:00Z");
    let requests = [instant(T2M), over(RAIN, "sum over 15 min")];
    let expected = requests.map(|request| opened(&folder).fetch(&request, quarter).unwrap());
    for path in &OF[..2] {
        std::fs::remove_file(folder.path().join(format!("{path}.idx"))).unwrap();
    }
    let archive = opened(&folder);
    assert_eq!(archive.times().every, 900);
    assert_eq!(requests.map(|request| archive.fetch(&request, quarter).unwrap()), expected);
}

/// NOAA's own file, beside an analysis of one value.
#[test]
fn a_real_quarter_is_read() {
    let Some(data) = std::env::var_os("AURORAC_TEST_DATA") else {
        println!("skipped: AURORAC_TEST_DATA is not set");
        return;
    };
    let name = "hrrr/hrrr.wrfsubhf.sample.grib2";
    let data = PathBuf::from(data).join("data");
    let folder = tempfile::tempdir().unwrap();
    let day = folder.path().join("hrrr.20221014/conus");
    std::fs::create_dir_all(&day).unwrap();
    std::fs::copy(data.join(name), day.join("hrrr.t01z.wrfsubhf01.grib2")).unwrap();
    let plan = Extent::Conus.plan();
    let [latitude, longitude] = plan.southwest.unwrap();
    let grid = Lambert {
        width: 1799,
        height: 1059,
        latitude,
        longitude,
        true_latitude: 38.5,
        central_longitude: -97.5,
        spacing: 3000.0,
    };
    let about = About {
        code: Code { discipline: 0, category: 0, number: 0 },
        level: Level::read("2 m above ground").unwrap(),
        reversed: false,
        run: time("2022-10-14T01:00:00Z"),
        when: When { ahead: 0, cell: None },
    };
    let values = vec![280.0; 1799 * 1059];
    let analysis = message(&about, &grid, Packing::Simple { binary: 0 }, &values).unwrap();
    std::fs::write(day.join("hrrr.t01z.wrfsfcf00.grib2"), analysis).unwrap();
    let archive = opened(&folder);
    assert_eq!(archive.times().every, 900);
    let reference = std::fs::read_to_string(data.join("REFERENCE.json")).unwrap();
    let reference: serde_json::Value = serde_json::from_str(&reference).unwrap();
    let quarter = time("2022-10-14T01:15:00Z");
    let fields = [("REFC:entire atmosphere", None), ("VBDSF:surface", Some("mean over 15 min"))];
    for (number, (field, cell)) in fields.into_iter().enumerate() {
        let read = archive.fetch(&Request { from: field, cell, levels: None }, quarter).unwrap();
        // Nobody need say over what it is, where it is only there so.
        assert_eq!(archive.read(field, quarter).unwrap(), read);
        let told = |key: &str| reference[name]["messages"][number][key].as_f64().unwrap();
        let (least, most) = read.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), value| {
            (least.min(*value), most.max(*value))
        });
        assert_eq!(
            (f64::from(least), f64::from(most)),
            (told("min") as f32 as f64, told("max") as f32 as f64)
        );
        let mean = read.iter().map(|value| f64::from(*value)).sum::<f64>() / read.len() as f64;
        // Single precision of each value.
        assert!((mean - told("mean")).abs() <= 1e-6 * told("max").abs(), "{field}: {mean}");
    }
    let error = archive.read("REFC:entire atmosphere", time("2022-10-14T01:30:00Z")).unwrap_err().to_string();
    assert!(
        error.contains("REFC:entire atmosphere:30 min fcst: the file is there but has no such"),
        "{error}"
    );
    for (request, offered) in [
        (instant(T2M), "only what is in wrfsubh, `REFC:entire atmosphere`; write"),
        (instant("VBDSF:surface"), "is there over a period only: say `mean over 15 min`"),
        (over("REFC:entire atmosphere", "max over 15 min"), "`VBDSF:surface` (mean over 15 min)"),
    ] {
        let error = archive.fetch(&request, quarter).unwrap_err().to_string();
        assert!(error.contains(offered), "{error}");
    }
}
