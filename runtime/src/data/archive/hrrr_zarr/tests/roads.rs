//! One archive by two roads: prepared from GRIB2 and from Zarr it gives equal samples.

use super::*;
use crate::data::grib::encode::Packing;
use crate::data::prepare::{NoDeriver, prepare};
use crate::data::sample::Cut;
use crate::data::synthesize::hour::Hour;
use crate::data::synthesize::inventory::{SURFACE, UPPER};
use crate::data::synthetic::hour::World;
use crate::data::synthetic::{FIRST, SEED};

fn plan() -> DataPlan {
    let field = |name: &str, from: &str, quantity: &str, units: &str, support: Value, cell: Value| {
        json!({"name": name, "from": from, "quantity": quantity, "units": units, "support": support, "cell": cell,
            "range": [null, null], "kept": true})
    };
    let grid = Extent::Tile.plan();
    serde_json::from_value(json!({
        "archive": "hrrr", "grid": grid, "every": 3600,
        "levels": {"pl": {"coordinate": "pressure", "values": [85_000.0, 50_000.0, 100_000.0]}},
        "train": {"from": "2020-05-20T00:00:00Z", "to": "2020-05-20T03:00:00Z"},
        "validate": null, "test": null, "derived": [],
        "fields": [
            field("t", "TMP", "temperature", "K", json!({"levels": "pl"}), Value::Null),
            field("q", "SPFH", "specific_humidity", "kg/kg", json!({"levels": "pl"}), Value::Null),
            field("t2m", T2M, "temperature", "K", json!("surface"), Value::Null),
            field("ux10", "UGRD:10 m above ground", "x_wind", "m/s", json!("surface"), Value::Null),
            field("refc", "REFC:entire atmosphere", "reflectivity", "dBZ", json!("column"), Value::Null),
            field("pwat", "PWAT:entire atmosphere (considered as a single layer)", "precipitable_water", "kg/m^2",
                json!("column"), Value::Null),
            field("prate", "PRATE:surface", "precipitation_rate", "kg/m^2/s", json!("surface"), Value::Null),
            field("apcp", "APCP:surface", "precipitation", "kg/m^2", json!("surface"), json!("sum over 1 h")),
            field("uh", ROTATION, "helicity", "m^2/s^2", json!("column"), json!("max over 1 h")),
            field("orog", "HGT:surface", "height", "m", json!("static"), Value::Null),
        ],
    }))
    .unwrap()
}

fn stored(archive: &dyn Archive, folder: &Path) -> Store {
    prepare(&plan(), archive, &NoDeriver, folder, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
    Store::open(folder).unwrap()
}

/// The values of a field of a store at every time.
fn all(store: &Store, name: &str) -> Vec<u32> {
    let times = 0..store.times().len();
    times.flat_map(|time| store.read(name, time).unwrap().into_iter().map(f32::to_bits)).collect()
}

/// What messages hold single precision holds too, so the stores and their samples are equal bit for bit.
#[test]
fn one_archive_by_two_roads_gives_equal_samples() {
    let ((_noaa, grib), (_utah, zarr)) = (made::noaa(), made::utah());
    let folder = tempfile::tempdir().unwrap();
    let (one, other) =
        (stored(&grib, &folder.path().join("one.zarr")), stored(&zarr, &folder.path().join("other.zarr")));
    for field in &plan().fields {
        let (one, other) = (all(&one, &field.name), all(&other, &field.name));
        assert!(one == other, "{}", field.name);
        assert!(one.iter().any(|bits| *bits != one[0]), "{} is one value", field.name);
    }
    assert_eq!(one.inventory().statistics, other.inventory().statistics);
    let samples = |store: &Store| -> Vec<Sample> {
        let sampler =
            Sampler::new(store, Cut { seed: 3, shuffled: true, ..Cut::plain(Split::Train, 2, 3600, 1) });
        let sampler = sampler.unwrap();
        assert_eq!(sampler.len(), 2);
        let all = Selection::all(store);
        (0..4)
            .map(|index| load(store, &sampler.sample(index / 2, index as usize % 2), &all).unwrap())
            .collect()
    };
    assert_eq!(samples(&one), samples(&other));
}

/// Of values that messages do not hold exactly each comes out of GRIB2 within half a step of its packing.
#[test]
fn packing_is_all_that_the_roads_differ_by() {
    let world = World::new(SEED, Grid::new(&Extent::Tile.plan()).unwrap());
    let first = time("2020-05-20T00:00:00Z");
    let hours: Vec<Hour> =
        (0..2).map(|hour| Hour::of(&world, (first.as_second() + hour * 3600 - FIRST) as f64)).collect();
    let line = |field: &grib::Field| {
        let level = Level::of(&field.product)?;
        let is = |(parameter, words): (&str, &str)| {
            parameter == field.name() && Level::read(words).is_some_and(|other| other.same(&level))
        };
        SURFACE.iter().position(|line| is((line.parameter, line.level)))
    };
    let folder = copied(2, Kept::Single, true, &|file, field| {
        let valid = field.product.valid?.as_second() - first.as_second();
        let hour = hours.get(usize::try_from(valid / 3600).ok()?)?;
        let blank = field.product.reference.as_second() == first.as_second() + valid;
        match line(field) {
            Some(place) if blank && SURFACE[place].blank_at_start() => Some(made::held(file, field)),
            Some(place) => Some(hour.surface(place).to_vec()),
            None => Some(hour.level(&field.name(), Level::of(&field.product)?.low?)),
        }
    });
    let ((_noaa, grib), zarr) = (made::noaa(), opened(folder.path()));
    let mut fields: Vec<(String, Option<&str>, Packing)> = Vec::new();
    for line in SURFACE {
        let cell = match line.process {
            Some(1) => Some("sum over 1 h"),
            Some(2) => Some("max over 1 h"),
            Some(3) => Some("min over 1 h"),
            _ => None,
        };
        fields.push((line.name(), cell, line.packing));
    }
    fields.extend(UPPER.map(|(name, binary)| (name.to_string(), None, Packing::Simple { binary })));
    let mut differ = 0;
    for (from, cell, packing) in fields {
        let wanted = Request { from: &from, cell, levels: None };
        let hour = time(HOUR);
        let (one, other) = (grib.fetch(&wanted, hour).unwrap(), zarr.fetch(&wanted, hour).unwrap());
        let (Packing::Simple { binary } | Packing::Differences { binary }) = packing;
        // Percent have become fractions.
        let per =
            grib.fields().iter().find(|field| field.from == from).is_some_and(|field| field.units == "1");
        let half = 0.5 * 2f32.powi(i32::from(binary)) * if per { 0.01 } else { 1.0 };
        for (one, other) in one.iter().zip(&other) {
            let allowed = half * 1.0001 + 4.0 * f32::EPSILON * other.abs();
            assert!((one - other).abs() <= allowed.max(half + 1e-6), "{from}: {one} for {other}");
            differ += usize::from(one != other);
        }
    }
    assert!(differ > 1_000_000, "{differ}");
}
