//! How many values are judged in a second: four fields of thirteen levels on HRRR's grid, an hour before beside them.

use std::collections::BTreeMap;
use std::time::Instant;

use aurora_compiler::plan::data::{
    DataPlan, FieldPlan, GridPlan, LevelsPlan, Projection, RepairPlan, SamplingPlan, SupportPlan, TimeRange,
};
use aurora_runtime::data::quality::{Fields, Judge};
use jiff::Timestamp;
use ndarray::Array3;

const LEVELS: usize = 13;
const SIZE: (usize, usize) = (1059, 1799);

pub fn judge() {
    let judge = Judge::new(&plan());
    let (now, before) = (hour(1), hour(0));
    let count: usize = now.values().map(Array3::len).sum();
    let times = 5;
    let began = Instant::now();
    for _ in 0..times {
        std::hint::black_box(judge.judge(&views(&now), Some(&views(&before))));
    }
    let seconds = began.elapsed().as_secs_f64() / f64::from(times);
    println!("judge    {count} values: {:.0} million values a second", count as f64 / seconds / 1e6);
}

fn hour(hour: usize) -> BTreeMap<&'static str, Array3<f32>> {
    let of = |base: f32, step: f32, scale: f32| {
        Array3::from_shape_fn((LEVELS, SIZE.0, SIZE.1), |(level, row, column)| {
            scale * (base + step * level as f32 + 0.01 * ((row * 31 + column * 17 + hour) % 97) as f32)
        })
    };
    BTreeMap::from([
        ("t", of(200.0, 6.0, 1.0)),
        ("q", of(1.0, 1.0, 1e-6)),
        ("u", of(3.0, 1.0, 1.0)),
        ("v", of(-3.0, 0.5, 1.0)),
    ])
}

fn views<'a>(fields: &'a BTreeMap<&'static str, Array3<f32>>) -> Fields<'a> {
    fields.iter().map(|(name, values)| (*name, values.view())).collect()
}

fn plan() -> DataPlan {
    let field = |(name, quantity, units, range): (&str, &str, &str, (f64, f64))| FieldPlan {
        name: name.into(),
        from: name.into(),
        quantity: quantity.into(),
        units: units.into(),
        support: SupportPlan::Levels("pl".into()),
        cell: None,
        range: (Some(range.0), Some(range.1)),
        kept: true,
    };
    let values = (1..=LEVELS).map(|level| 7_000.0 * level as f64).collect();
    DataPlan {
        archive: "any".into(),
        grid: GridPlan {
            name: "conus".into(),
            projection: Projection::Lambert { latitude: 38.5, longitude: -97.5 },
            width: SIZE.1,
            height: SIZE.0,
            spacing: 3000.0,
            southwest: Some([21.138_123, -122.719_528]),
        },
        levels: BTreeMap::from([("pl".into(), LevelsPlan { coordinate: "pressure".into(), values })]),
        every: 3600,
        train: TimeRange { from: Timestamp::UNIX_EPOCH, to: Timestamp::UNIX_EPOCH },
        validate: None,
        test: None,
        fields: [
            ("t", "temperature", "K", (150.0, 340.0)),
            ("q", "specific_humidity", "1", (0.0, 0.05)),
            ("u", "eastward_wind", "m/s", (-200.0, 200.0)),
            ("v", "northward_wind", "m/s", (-200.0, 200.0)),
        ]
        .map(field)
        .to_vec(),
        derived: Vec::new(),
        sampling: SamplingPlan::default(),
        repair: RepairPlan::default(),
    }
}
