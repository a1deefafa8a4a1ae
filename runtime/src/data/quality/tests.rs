//! Planted faults, each found by its check and by no other; and clean air, in which nothing is found.

use std::collections::BTreeMap;

use aurora_compiler::plan::data::{
    DataPlan, FieldPlan, GridPlan, LevelsPlan, Projection, RepairPlan, SamplingPlan, SupportPlan, TimeRange,
};
use jiff::Timestamp;
use ndarray::{Array3, ArrayView3, Axis};

use super::{Check, Fields, Finding, Judge};
use crate::data::archive::Archive;
use crate::data::synthetic::{self, Synthetic};

const LEVELS: [f64; 4] = [100_000.0, 85_000.0, 50_000.0, 10_000.0];
const SIZE: (usize, usize) = (40, 60);

/// Name, what the archive calls it, quantity, support, period, range.
type Row = (&'static str, &'static str, &'static str, SupportPlan, Option<&'static str>, (f64, f64));

fn rows() -> Vec<Row> {
    let pl = || SupportPlan::Levels("pl".into());
    let surface = SupportPlan::Surface;
    vec![
        ("t", "TMP", "temperature", pl(), None, (150.0, 350.0)),
        ("q", "SPFH", "specific_humidity", pl(), None, (0.0, 0.05)),
        ("u", "UGRD", "x_wind", pl(), None, (-1000.0, 1000.0)),
        ("v", "VGRD", "y_wind", pl(), None, (-1000.0, 1000.0)),
        ("t2m", "TMP:2 m above ground", "temperature", surface.clone(), None, (180.0, 340.0)),
        ("td2m", "DPT:2 m above ground", "temperature", surface.clone(), None, (150.0, 340.0)),
        ("q2m", "SPFH:2 m above ground", "specific_humidity", surface.clone(), None, (0.0, 0.05)),
        ("u10", "UGRD:10 m above ground", "x_wind", surface.clone(), None, (-1000.0, 1000.0)),
        ("v10", "VGRD:10 m above ground", "y_wind", surface.clone(), None, (-1000.0, 1000.0)),
        ("sp", "PRES:surface", "pressure", surface.clone(), None, (40_000.0, 110_000.0)),
        ("rain", "APCP:surface", "precipitation", surface, Some("sum over 1 h"), (0.0, 500.0)),
        ("updraught", "MAXUVV", "vertical_wind", SupportPlan::Column, Some("max over 1 h"), (-100.0, 100.0)),
        ("refd", "REFD", "reflectivity", SupportPlan::Column, Some("max over 1 h"), (-20.0, 90.0)),
        ("ice", "ICEC", "fraction", SupportPlan::Surface, None, (0.0, 1.0)),
    ]
}

fn plan(reject: &[&str]) -> DataPlan {
    let range = TimeRange { from: Timestamp::UNIX_EPOCH, to: Timestamp::UNIX_EPOCH };
    let field = |(name, from, quantity, support, cell, range): Row| FieldPlan {
        name: name.into(),
        from: from.into(),
        quantity: quantity.into(),
        units: "1".into(),
        support,
        cell: cell.map(String::from),
        range: (Some(range.0), Some(range.1)),
        kept: true,
    };
    DataPlan {
        archive: "any".into(),
        grid: GridPlan {
            name: "g".into(),
            projection: Projection::Lambert { latitude: 38.5, longitude: -97.5 },
            width: SIZE.1,
            height: SIZE.0,
            spacing: 3000.0,
            southwest: None,
        },
        levels: BTreeMap::from([(
            "pl".to_string(),
            LevelsPlan { coordinate: "pressure".into(), values: LEVELS.to_vec() },
        )]),
        every: 3600,
        train: range,
        validate: None,
        test: None,
        fields: rows().into_iter().map(field).collect(),
        derived: Vec::new(),
        sampling: SamplingPlan::default(),
        repair: RepairPlan { reject: reject.iter().map(ToString::to_string).collect(), ..Default::default() },
    }
}

type Air = BTreeMap<&'static str, Array3<f32>>;

/// Smooth air that moves by an hour: dry-adiabatic to half, humid to 70 % at the ground, windy with height.
fn air(hour: usize) -> Air {
    let wave = |row: usize, column: usize, k: f32| {
        ((row as f32 + hour as f32) * 0.2 * k).sin() + ((column as f32) * 0.13 * k).cos()
    };
    let on = |depth: usize, of: &dyn Fn(usize, usize, usize) -> f32| {
        Array3::from_shape_fn((depth, SIZE.0, SIZE.1), |(level, row, column)| of(level, row, column))
    };
    let temperature = [296.0, 287.0, 260.0, 210.0];
    let humidity = [0.012, 0.007, 0.001, 3e-6];
    let wind = [5.0, 12.0, 25.0, 40.0];
    BTreeMap::from([
        ("t", on(4, &|level, row, column| temperature[level] + wave(row, column, 1.0))),
        ("q", on(4, &|level, row, column| humidity[level] * (1.0 + 0.1 * wave(row, column, 0.7)))),
        ("u", on(4, &|level, row, column| wind[level] * (1.0 + 0.2 * wave(row, column, 0.9)))),
        ("v", on(4, &|level, row, column| wind[level] * 0.3 * wave(row, column, 1.1))),
        ("t2m", on(1, &|_, row, column| 297.0 + wave(row, column, 1.0))),
        ("td2m", on(1, &|_, row, column| 289.0 + wave(row, column, 0.8))),
        ("q2m", on(1, &|_, row, column| 0.013 * (1.0 + 0.1 * wave(row, column, 0.7)))),
        ("u10", on(1, &|_, row, column| 4.0 + wave(row, column, 1.3))),
        ("v10", on(1, &|_, row, column| 2.0 * wave(row, column, 1.2))),
        ("sp", on(1, &|_, row, column| 101_000.0 + 300.0 * wave(row, column, 0.3))),
        ("rain", on(1, &|_, _, _| 0.0)),
        ("updraught", on(1, &|_, row, column| 1.0 + 0.5 * wave(row, column, 1.0))),
        ("refd", on(1, &|_, _, _| -10.0)),
        ("ice", on(1, &|_, row, _| if row < 3 { 1.0 } else { 0.0 })),
    ])
}

fn views(air: &Air) -> Fields<'_> {
    air.iter().map(|(name, values)| (*name, values.view())).collect()
}

/// What is found in an hour that was spoilt, after a clean one.
fn spoilt(spoil: impl FnOnce(&mut Air)) -> Vec<Finding> {
    let mut now = air(1);
    spoil(&mut now);
    Judge::new(&plan(&[])).judge(&views(&now), Some(&views(&air(0))))
}

/// Whether these and only these were found, as check, field and level.
fn only(findings: &[Finding], wanted: &[(Check, &str, Option<f64>)]) {
    let found: Vec<(Check, &str, Option<f64>)> =
        findings.iter().map(|finding| (finding.check, finding.field.as_str(), finding.level)).collect();
    assert_eq!(found, wanted, "{findings:#?}");
}

#[test]
fn in_clean_air_nothing_is_found() {
    only(&spoilt(|_| {}), &[]);
    only(&Judge::new(&plan(&[])).judge(&views(&air(0)), None), &[]);
}

#[test]
fn values_outside_and_missing() {
    let found = spoilt(|air| {
        air.get_mut("td2m").unwrap()[(0, 3, 4)] = 400.0;
        air.get_mut("td2m").unwrap()[(0, 3, 5)] = 100.0;
        air.get_mut("v").unwrap()[(1, 3, 5)] = f32::NAN;
    });
    only(&found, &[(Check::Missing, "v", Some(85_000.0)), (Check::OutsideRange, "td2m", None)]);
    assert_eq!((found[0].points, found[0].worst), (1, 1.0 / 2400.0));
    assert_eq!((found[1].points, found[1].worst), (2, 400.0));
}

#[test]
fn air_that_holds_too_much() {
    let found = spoilt(|air| air.get_mut("q").unwrap()[(0, 3, 4)] = 0.045);
    only(&found, &[(Check::Supersaturation, "q", Some(100_000.0))]);
    assert!((2.0..3.0).contains(&found[0].worst), "{found:?}");
    // At 2 m by the pressure at the ground, with the temperature and not the dewpoint beside it.
    let found = spoilt(|air| air.get_mut("q2m").unwrap()[(0, 3, 4)] = 0.045);
    only(&found, &[(Check::Supersaturation, "q2m", None)]);
}

#[test]
fn what_is_below_the_ground_is_no_air() {
    let found = spoilt(|air| {
        air.get_mut("sp").unwrap()[(0, 3, 4)] = 95_000.0;
        air.get_mut("q").unwrap()[(0, 3, 4)] = 0.045;
        air.get_mut("t").unwrap()[(0, 3, 4)] = 320.0;
    });
    only(&found, &[]);
}

#[test]
fn a_layer_that_is_too_warm() {
    let found = spoilt(|air| air.get_mut("t").unwrap().index_axis_mut(Axis(0), 0)[(7, 7)] = 330.0);
    only(&found, &[(Check::Superadiabatic, "t", Some(85_000.0))]);
    assert_eq!(found[0].points, 1);
    assert!((found[0].worst - (330.0 - 287.0 * 0.85f64.powf(-0.2857))).abs() < 3.0);
}

#[test]
fn winds_that_do_not_blow() {
    let found = spoilt(|air| {
        air.get_mut("u").unwrap()[(3, 3, 4)] = 200.0;
        air.get_mut("v10").unwrap()[(0, 9, 9)] = -80.0;
    });
    only(&found, &[(Check::WindSpeed, "u", Some(10_000.0)), (Check::WindSpeed, "u10", None)]);
}

#[test]
fn a_field_that_stands_still() {
    let found = spoilt(|now| *now.get_mut("t2m").unwrap() = air(0)["t2m"].clone());
    only(&found, &[(Check::Frozen, "t2m", None)]);
    // No rain and all the ice stay as they are in every test.
}

#[test]
fn one_value_everywhere() {
    let found = spoilt(|air| air.get_mut("u").unwrap().index_axis_mut(Axis(0), 2).fill(3.0));
    only(&found, &[(Check::Constant, "u", Some(50_000.0))]);
    // In the stratosphere packing leaves a few values of humidity or one.
    only(&spoilt(|air| air.get_mut("q").unwrap().index_axis_mut(Axis(0), 3).fill(3e-6)), &[]);
}

#[test]
fn an_hour_that_comes_twice() {
    let found = spoilt(|now| *now = air(0));
    assert_eq!(found.last().unwrap().check, Check::DuplicatedTime);
    assert!(found.iter().all(|finding| matches!(finding.check, Check::Frozen | Check::DuplicatedTime)));
}

#[test]
fn maxima_of_an_analysis() {
    let found = spoilt(|air| air.get_mut("updraught").unwrap().fill(0.0));
    only(
        &found,
        &[
            (Check::Placeholder, "rain", None),
            (Check::Placeholder, "updraught", None),
            (Check::Placeholder, "refd", None),
        ],
    );
}

#[test]
fn numbers_that_stand_for_missing() {
    for (name, number, more) in [
        ("t2m", 9999.0, vec![Check::OutsideRange]),
        ("t2m", 9.999e20, vec![Check::OutsideRange]),
        ("sp", -9999.0, vec![Check::OutsideRange]),
        ("refd", -999.0, vec![Check::OutsideRange]),
        ("u", 999.0, vec![]),
    ] {
        let found = spoilt(|air| {
            air.get_mut(name).unwrap()[(0, 0, 0)] = number;
            air.get_mut(name).unwrap()[(0, 5, 8)] = number;
        });
        let checks: Vec<Check> =
            found.iter().map(|finding| finding.check).filter(|check| *check != Check::WindSpeed).collect();
        assert_eq!(checks, [more, vec![Check::Sentinel]].concat(), "{name} {number}");
        let sentinel = found.iter().find(|finding| finding.check == Check::Sentinel).unwrap();
        assert_eq!((sentinel.points, sentinel.worst as f32), (2, number));
    }
    // Once is a value.
    only(&spoilt(|air| air.get_mut("rain").unwrap()[(0, 0, 0)] = 499.0), &[]);
}

#[test]
fn another_unit_or_another_field() {
    let celsius = spoilt(|air| air.get_mut("td2m").unwrap().mapv_inplace(|value| value - 100.0));
    only(&celsius, &[(Check::Jump, "td2m", None)]);
    assert!(celsius[0].worst > 5.0);
    let wider = spoilt(|air| air.get_mut("u10").unwrap().mapv_inplace(|value| (value - 4.0) * 30.0));
    assert!(wider.iter().any(|finding| finding.check == Check::Jump && finding.field == "u10"), "{wider:?}");
}

#[test]
fn only_what_is_named_rejects() {
    let mut now = air(1);
    now.get_mut("u").unwrap()[(3, 3, 4)] = 200.0;
    now.get_mut("t2m").unwrap()[(0, 3, 4)] = f32::NAN;
    let found = Judge::new(&plan(&["wind", "range"])).judge(&views(&now), None);
    let told: Vec<(Check, bool)> = found.iter().map(|finding| (finding.check, finding.rejects)).collect();
    assert_eq!(told, [(Check::Missing, false), (Check::WindSpeed, true)]);
}

/// Fields that are not there, of another shape, turned over or without points are no fault of this room.
#[test]
fn whatever_is_given_there_is_an_answer() {
    let judge = Judge::new(&plan(&[]));
    only(&judge.judge(&Fields::new(), None), &[]);
    let now = air(1);
    let mut fields = views(&now);
    for view in fields.values_mut() {
        view.invert_axis(Axis(1));
    }
    only(&judge.judge(&fields, None), &[]);
    let other = Array3::<f32>::zeros((2, 0, 3));
    let fields: Fields<'_> = rows().iter().map(|row| (row.0, ArrayView3::from(&other))).collect();
    let _ = judge.judge(&fields, Some(&views(&now)));
    let small = Array3::<f32>::zeros((1, 1, 1));
    let mixed: Fields<'_> = now
        .iter()
        .map(|(name, values)| (*name, if *name == "q2m" { small.view() } else { values.view() }))
        .collect();
    let _ = judge.judge(&mixed, Some(&fields));
}

/// Every field of the synthetic world over two days.
#[test]
fn in_the_synthetic_world_nothing_is_found() {
    let world = Synthetic::new(1);
    let quantity = |from: &str| match from.split(':').next() {
        Some("TMP") => "temperature",
        Some("UGRD") => "eastward_wind",
        Some("VGRD") => "northward_wind",
        Some("SPFH") => "specific_humidity",
        Some("HGT") => "height",
        Some("MSLMA" | "PRES") => "pressure",
        Some("REFC") => "reflectivity",
        Some("UPDRAFT") => "vertical_wind",
        Some("CAPE") => "buoyant_energy",
        _ => "helicity",
    };
    let mut plan = plan(&[]);
    plan.grid = world.grid().plan;
    plan.levels.insert(
        "pl".into(),
        LevelsPlan { coordinate: "pressure".into(), values: synthetic::LEVELS.to_vec() },
    );
    plan.fields = (synthetic::FIELDS.iter())
        .map(|field| FieldPlan {
            name: field.from.into(),
            from: field.from.into(),
            quantity: quantity(field.from).into(),
            units: field.units.into(),
            support: match field.from {
                "HGT:surface" => SupportPlan::Static,
                _ if field.levels => SupportPlan::Levels("pl".into()),
                from if from.contains("entire atmosphere") || from.contains('-') => SupportPlan::Column,
                _ => SupportPlan::Surface,
            },
            cell: field.from.contains("UPHL").then(|| "max over 1 h".into()),
            range: (None, None),
            kept: true,
        })
        .collect();
    let judge = Judge::new(&plan);
    let hour = |hour: i64| -> Air {
        let time = Timestamp::from_second(1_589_932_800 + 3600 * hour).unwrap();
        synthetic::FIELDS.iter().map(|field| (field.from, world.read(field.from, time).unwrap())).collect()
    };
    let mut before = hour(0);
    for next in 1..48 {
        let now = hour(next);
        let found = judge.judge(&views(&now), Some(&views(&before)));
        assert!(found.is_empty(), "hour {next}: {found:#?}");
        before = now;
    }
}
