//! A report of a store that never was, and what its page and its JSON say.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ndarray::array;

use super::*;
use crate::data::journal::Status;
use crate::data::quality::Finding;
use crate::data::statistics::SHARES;
use crate::report::{MapField, Panel};

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(1_589_932_800 + 3600 * hour).unwrap()
}

fn month(present: u64, absent: u64, rejected: u64, filled: u64) -> Month {
    Month { present, absent, rejected, filled }
}

fn report() -> DataReport {
    let finding = Finding {
        check: Check::Superadiabatic,
        field: "t".into(),
        level: Some(85_000.0),
        points: 12,
        worst: 14.0,
        rejects: true,
    };
    let level = |level: f64, far: bool| LevelReport {
        level: Some(level),
        count: 1000,
        mean: 280.0,
        spread: 8.0,
        minimum: 250.0,
        maximum: 310.0,
        quantiles: Some([262.0, 281.0, 297.0]),
        change: Some(Change { mean: 0.01, spread: 0.8 }),
        aurora: Some(Published {
            named: "t".into(),
            mean: 274.0,
            spread: 15.6,
            off: if far { 7.0 } else { 0.4 },
            ratio: 0.5,
            far,
        }),
        curve: SHARES.iter().map(|share| 250.0 + 60.0 * share).collect(),
    };
    let months = BTreeMap::from([("2020-05".to_string(), month(21, 1, 1, 1))]);
    DataReport {
        title: "Storms <b>& rain</b>".into(),
        archive: "any".into(),
        digest: "d1".into(),
        content: "c1".into(),
        span: Some((at(0), at(47))),
        grid: "4 by 3 points".into(),
        times: month(45, 1, 1, 1),
        days: BTreeMap::from([
            (Date::constant(2020, 5, 20), month(24, 0, 0, 0)),
            (Date::constant(2020, 5, 21), month(21, 1, 1, 1)),
            (Date::constant(2020, 6, 1), month(0, 24, 0, 0)),
        ]),
        exceptions: vec![
            TimeRecord {
                time: at(30),
                status: Status::Absent { reason: "a.grib2 is not there".into() },
                findings: vec![],
            },
            TimeRecord { time: at(31), status: Status::Rejected, findings: vec![finding] },
        ],
        checks: Check::all().iter().map(|check| (*check, check.says())).collect(),
        findings: BTreeMap::new(),
        fields: vec![FieldReport {
            name: "t".into(),
            quantity: "temperature".into(),
            units: "K".into(),
            values: 2000,
            outside: 0,
            missing: 3,
            mended: 0,
            months,
            findings: BTreeMap::from([(
                Check::Superadiabatic,
                Tally { times: 1, points: 12, worst: 14.0, first: at(31) },
            )]),
            levels: vec![level(85_000.0, false), level(50_000.0, true)],
            map: Some(MapRow {
                caption: "t".into(),
                panels: vec![Panel { label: "noon".into(), values: array![[1.0, 2.0], [3.0, f32::NAN]] }],
                field: MapField::Continuous { units: "K".into(), label: "t".into() },
            }),
        }],
        warnings: vec!["`t`: 3 of 2000 values are missing.".into()],
    }
}

#[test]
fn the_page_says_what_is_and_what_is_not() {
    let page = report().html().unwrap();
    for told in [
        "46 of 48 times can be used",
        "1 absent, 1 rejected, 1 filled",
        "a.grib2 is not there",
        "superadiabatic of t at 850 hPa (12 points)",
        "<code>t</code>: 3 of 2000 values are missing.",
        "2020-05-21: 21 of 24 times present, 1 filled, 1 rejected, 1 absent",
        "data:image/png;base64,",
        "class=\"number far\"",
        "500 hPa",
    ] {
        assert!(page.contains(told), "{told}");
    }
    assert!(page.contains("Storms &lt;b&gt;&amp; rain&lt;/b&gt;") && !page.contains("<b>& rain"));
    for class in ["day whole", "day part", "day gone"] {
        assert!(page.contains(class), "{class}");
    }
    assert_eq!(page, report().html().unwrap(), "the same report gives the same bytes");
}

#[test]
fn the_json_has_the_numbers() {
    let json = serde_json::to_value(report()).unwrap();
    assert_eq!(json["times"]["rejected"], 1);
    assert_eq!(json["fields"][0]["levels"][1]["aurora"]["far"], true);
    assert_eq!(json["fields"][0]["findings"]["superadiabatic"]["points"], 12);
    assert_eq!(json["fields"][0]["levels"][0]["quantiles"][1], 281.0);
    assert_eq!(json["days"]["2020-05-21"]["absent"], 1);
    assert!(json["checks"]["jump"].as_str().unwrap().contains("5 robust spreads"));
}

#[test]
fn a_store_without_faults_and_without_anything() {
    let mut clean = report();
    clean.exceptions.clear();
    clean.warnings.clear();
    clean.times = month(48, 0, 0, 0);
    clean.fields[0].findings.clear();
    let page = clean.html().unwrap();
    assert!(page.contains("48 of 48 times can be used") && page.contains("no check found anything"));
    clean.fields.clear();
    clean.days.clear();
    clean.span = None;
    clean.html().unwrap();
}
