//! What a recipe has mended on the way into a store: gaps, holes, bad times, another distribution, another grid.

use aurora_compiler::plan::data::{DebiasPlan, GapMethod, GapPlan};

use super::*;
use crate::data::archive::Request;
use crate::data::brought::Brought;
use crate::data::journal::Status;
use crate::data::synthetic::LEVELS;

/// The synthetic archive without some hours and with other values.
fn altered(
    absent: &[&str],
    change: impl Fn(&str, Timestamp, &mut Array3<f32>) + Send + Sync + 'static,
) -> Faulty {
    let absent = absent.iter().map(|time| at(time)).collect();
    Faulty { change: Box::new(change), ..faulty(usize::MAX, absent) }
}

fn unchanged(_: &str, _: Timestamp, _: &mut Array3<f32>) {}

/// The plan of these tests with what is to be mended.
fn mending(gaps: Option<(i64, GapMethod)>, reject: &[&str]) -> DataPlan {
    let mut plan = plan();
    plan.repair.gaps = gaps.map(|(hours, method)| GapPlan { longest: hours * 3600, method });
    plan.repair.reject = reject.iter().map(ToString::to_string).collect();
    plan
}

fn made(plan: &DataPlan, archive: &dyn Archive, directory: &Path) -> Store {
    prepare(plan, archive, &Geopotential, directory, &mut |_| {}).unwrap();
    Store::open(directory).unwrap()
}

fn status(store: &Store, time: &str) -> Status {
    store.inventory().times.iter().find(|record| record.time == at(time)).unwrap().status.clone()
}

fn number(store: &Store, time: &str) -> usize {
    store.times().binary_search(&at(time)).unwrap()
}

/// An hour between two others is made from them, derived fields from what was made; of two hours in a row neither is, where
/// the recipe bridges two hours only. What comes later takes the place of what was made.
#[test]
fn short_gaps_are_bridged_and_long_ones_stay() {
    let (_folder, directory) = folder();
    let plan = mending(Some((2, GapMethod::Linear)), &[]);
    let gaps =
        ["2020-05-01T05:00:00Z", "2020-05-01T10:00:00Z", "2020-05-01T11:00:00Z", "2020-05-04T03:00:00Z"];
    let store = made(&plan, &altered(&gaps, unchanged), &directory);
    assert!(matches!(status(&store, gaps[0]), Status::Filled { absent: Some(_), .. }));
    assert!(matches!(status(&store, gaps[1]), Status::Absent { .. }));
    let here = number(&store, gaps[0]);
    for name in ["t", "hgt", "refc"] {
        let [before, now, after] = [here - 1, here, here + 1].map(|time| store.read(name, time).unwrap());
        let mean = (&before + &after) / 2.0;
        assert!(now.iter().zip(&mean).all(|(now, mean)| (now - mean).abs() <= 1e-6 * mean.abs()), "{name}");
    }
    let (height, potential) = (store.read("hgt", here).unwrap(), store.read("z", here).unwrap());
    assert_eq!(potential, height.mapv(|height| 9.806_65 * height));
    // No sample is told of its target by an input that was made of it, and none is tested against what was made.
    let samples = |split| Sampler::new(&store, Cut::plain(split, 2, 3600, 1)).unwrap().steps().to_vec();
    let newest =
        |samples: &[super::super::sample::Steps], time: &str| samples.iter().any(|s| s.time == at(time));
    let train = samples(Split::Train);
    assert!(!newest(&train, "2020-05-01T05:00:00Z") && newest(&train, "2020-05-01T06:00:00Z"));
    assert!(newest(&train, "2020-05-01T04:00:00Z"));
    assert!(!newest(&samples(Split::Validate), "2020-05-04T02:00:00Z"));
    // What was there is kept, what has come takes its place.
    let whole = altered(&[], unchanged);
    let store = made(&plan, &whole, &directory);
    assert!(gaps.iter().all(|time| status(&store, time) == Status::Present));
    let (_other, new) = folder();
    assert_eq!(store.inventory().content, made(&plan, &whole, &new).inventory().content);
    assert_eq!(store.inventory().statistics, Store::open(&new).unwrap().statistics().clone());
}

/// A hole of three points is filled from around it and counted; a larger one stays.
#[test]
fn small_holes_are_filled() {
    let (_folder, directory) = folder();
    let mut plan = mending(None, &[]);
    plan.repair.holes = Some(3);
    let holes = |from: &str, time: Timestamp, values: &mut Array3<f32>| {
        if from == "REFC:entire atmosphere" && time == at("2020-05-01T07:00:00Z") {
            for (row, column) in [(5, 5), (5, 6), (6, 5), (20, 20), (20, 21), (20, 22), (21, 20)] {
                values[(0, row, column)] = f32::NAN;
            }
        }
    };
    let store = made(&plan, &altered(&[], holes), &directory);
    let values = store.read("refc", number(&store, "2020-05-01T07:00:00Z")).unwrap();
    assert!([(5, 5), (5, 6), (6, 5)].iter().all(|(row, column)| values[(0, *row, *column)].is_finite()));
    assert_eq!(values.iter().filter(|value| value.is_nan()).count(), 4);
    let counts = &store.inventory().fields["refc"];
    assert_eq!((counts.mended, counts.missing), (3, 4));
}

/// A time that fails a check of the recipe is left out, or made from its neighbours; one that fails another check stays.
#[test]
fn bad_times_are_left_out_or_made_again() {
    let bad = "2020-05-01T07:00:00Z";
    let spoil = move |from: &str, time: Timestamp, values: &mut Array3<f32>| {
        if from == "TMP" && time == at(bad) {
            values.slice_mut(ndarray::s![.., 3..9, 3..9]).fill(-9999.0);
        }
    };
    let (_folder, directory) = folder();
    let store = made(&mending(None, &["sentinel"]), &altered(&[], spoil), &directory);
    assert_eq!((status(&store, bad), store.times().len()), (Status::Rejected, 71));
    assert!(store.statistics()["t"].levels.iter().all(|level| level.minimum > 150.0));
    let (_folder, directory) = folder();
    let store = made(&mending(Some((2, GapMethod::Linear)), &["sentinel"]), &altered(&[], spoil), &directory);
    assert!(matches!(status(&store, bad), Status::Filled { absent: None, .. }));
    assert!(store.read("t", number(&store, bad)).unwrap().iter().all(|value| *value > 150.0));
    let (_folder, directory) = folder();
    let store = made(&mending(None, &["frozen"]), &altered(&[], spoil), &directory);
    assert_eq!((status(&store, bad), store.times().len()), (Status::Present, 72));
}

/// The checks look at what the archive has, not at what was made of it: the first hour of a day is beside the last of the day
/// before as any other is beside the one before it.
#[test]
fn an_hour_is_judged_beside_what_was_read() {
    let (first, last) = ("2020-05-02T00:00:00Z", "2020-05-01T23:00:00Z");
    let plan = mending(Some((3, GapMethod::Nearest)), &["frozen"]);
    // Made as the hour after it, which is sound.
    let (_folder, directory) = folder();
    let store = made(&plan, &altered(&["2020-05-01T22:00:00Z", last], unchanged), &directory);
    assert!(matches!(status(&store, last), Status::Filled { .. }));
    assert_eq!(status(&store, first), Status::Present);
    // Stuck since the hour before the one that was found to be stuck.
    let stuck = move |from: &str, time: Timestamp, values: &mut Array3<f32>| {
        if [at(first), at(last)].contains(&time) {
            *values = Synthetic::new(1).read(from, at("2020-05-01T22:00:00Z")).unwrap();
        }
    };
    let (_folder, directory) = folder();
    let store = made(&plan, &altered(&[], stuck), &directory);
    for time in [last, first] {
        assert!(matches!(status(&store, time), Status::Filled { absent: None, .. }), "{time}");
    }
}

/// A field that is 3 K too warm and spread too widely comes out as the better archive has it; the quantiles of one set of
/// levels are not those of another.
#[test]
fn distributions_are_brought_to_a_better_archives() {
    let warm = |from: &str, _: Timestamp, values: &mut Array3<f32>| {
        if from == "TMP" {
            values.mapv_inplace(|value| 250.0 + 1.2 * (value - 250.0) + 3.0);
        }
    };
    let archive = altered(&[], warm);
    let quantiles = tempfile::tempdir().unwrap();
    for levels in [vec![85_000.0, 50_000.0, 100_000.0], vec![50_000.0, 85_000.0, 20_000.0]] {
        let mut plan = mending(None, &[]);
        plan.levels.get_mut("pl").unwrap().values.clone_from(&levels);
        let debias = |field: &str| DebiasPlan {
            field: field.into(),
            against_archive: "better".into(),
            against_from: "TMP".into(),
            quantiles: 50,
        };
        plan.repair.debias = vec![debias("t")];
        let better = |name: &str| -> Result<Box<dyn Archive>, DataError> {
            assert_eq!(name, "better");
            Ok(Box::new(Synthetic::new(1)))
        };
        let brought =
            |plan: &DataPlan| Brought::to_grid(&archive, plan, &plan.fields, quantiles.path()).unwrap();
        let corrected = brought(&plan).debiased(&plan, &better, quantiles.path()).unwrap();
        assert_ne!(corrected.identity(), archive.identity());
        let (_folder, directory) = folder();
        let store = made(&plan, &corrected, &directory);
        let places: Vec<usize> =
            levels.iter().map(|level| LEVELS.iter().position(|one| one == level).unwrap()).collect();
        for time in [0, 30, 60] {
            let truth = Synthetic::new(1).read("TMP", store.times()[time]).unwrap();
            let found = store.read("t", time).unwrap();
            for (level, place) in places.iter().enumerate() {
                let (found, truth) = (found.index_axis(Axis(0), level), truth.index_axis(Axis(0), *place));
                let apart = found.iter().zip(truth).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                // Between 50 quantiles the two distributions lie on nearly straight lines; the ends are shifted.
                assert!(apart < 1.0, "{} Pa at {time}: {apart}", levels[level]);
                let bias = found.mean().unwrap() - truth.mean().unwrap();
                assert!(bias.abs() < 0.1, "{} Pa at {time}: {bias}", levels[level]);
            }
        }
        plan.repair.debias = vec![debias("dew")];
        let error = brought(&plan).debiased(&plan, &better, quantiles.path()).unwrap_err().to_string();
        assert!(error.contains("`debias dew`: no such field"), "{error}");
    }
}

/// A grid of points that the archive has takes their values; one four times as coarse the means of their surroundings.
#[test]
fn a_recipe_has_a_grid_of_its_own() {
    let archive = altered(&[], unchanged);
    let weights = tempfile::tempdir().unwrap();
    let mut plan = mending(None, &[]);
    let (name, width, height) = ("inner".to_string(), 32, 24);
    let inner = aurora_compiler::plan::data::GridPlan { name, width, height, ..plan.grid.clone() };
    plan.grid = inner.clone();
    let brought = Brought::to_grid(&archive, &plan, &plan.fields, weights.path()).unwrap();
    assert_eq!((brought.grid().plan.width, brought.grid().plan.height), (32, 24));
    let (_folder, directory) = folder();
    let store = made(&plan, &brought, &directory);
    for (name, from, place) in [("t", "TMP", 10), ("refc", "REFC:entire atmosphere", 0)] {
        let whole = archive.read(from, store.times()[5]).unwrap();
        let expected = whole.slice(ndarray::s![place, 20..44, 16..48]);
        let found = store.read(name, 5).unwrap();
        for (found, expected) in found.index_axis(Axis(0), 0).iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{name}: {found} {expected}");
        }
    }
    plan.grid = aurora_compiler::plan::data::GridPlan {
        name: "coarse".into(),
        width: 8,
        height: 6,
        spacing: 48_000.0,
        ..inner
    };
    let brought = Brought::to_grid(&archive, &plan, &plan.fields, weights.path()).unwrap();
    let (_other, coarse) = folder();
    let store = made(&plan, &brought, &coarse);
    let whole = archive.read("TMP", store.times()[5]).unwrap();
    let found = store.read("t", 5).unwrap();
    for ((row, column), found) in found.index_axis(Axis(0), 0).indexed_iter() {
        let (top, left) = (20 + 4 * row, 16 + 4 * column);
        let cells = whole.slice(ndarray::s![10, top..top + 4, left..left + 4]);
        // Cells of 12 km differ in area by less than a thousandth.
        assert!((found - cells.mean().unwrap()).abs() < 0.02, "{row} {column}: {found} {cells}");
    }
    let request = Request { from: "TMP", cell: None, levels: Some(&[3, 1]) };
    assert_eq!(brought.fetch(&request, store.times()[5]).unwrap().dim(), (2, 6, 8));
}

/// What a stretch owes to times of its neighbours is made again when they come, by whomever it was made: a gap that can be bridged,
/// the change from the hour before, what was judged beside it, and whether that hour itself was sound.
#[test]
fn what_comes_to_one_stretch_changes_its_neighbours() {
    let [two, three, four] = ["2020-05-01T22:00:00Z", "2020-05-01T23:00:00Z", "2020-05-02T00:00:00Z"];
    let bridged = || mending(Some((2, GapMethod::Linear)), &[]);
    let judged = || mending(None, &["frozen"]);
    // Of the hour that is stuck, and of none.
    type Case = (DataPlan, Vec<&'static str>, Vec<&'static str>, Option<&'static str>);
    let cases: [Case; 7] = [
        (bridged(), vec![three, four], vec![three], None),
        (bridged(), vec![three, four], vec![four], None),
        (plan(), vec![three], vec![], None),
        (judged(), vec![three], vec![], Some(four)),
        (judged(), vec![two], vec![], Some(three)),
        (mending(Some((3, GapMethod::Nearest)), &["frozen"]), vec![two], vec![], Some(three)),
        (mending(Some((3, GapMethod::Nearest)), &["frozen"]), vec![two, three], vec![two], Some(four)),
    ];
    for (mut plan, absent, later, stuck) in cases {
        // A day and some hours.
        (plan.validate, plan.test, plan.train.to) = (None, None, at("2020-05-02T04:00:00Z"));
        let archive = |absent: &[&str]| {
            altered(absent, move |from: &str, time: Timestamp, values: &mut Array3<f32>| {
                if stuck.is_some_and(|stuck| at(stuck) == time) {
                    let before = Timestamp::from_second(time.as_second() - 3600).unwrap();
                    *values = Synthetic::new(1).read(from, before).unwrap();
                }
            })
        };
        let (_whole, whole) = folder();
        let expected = made(&plan, &archive(&later), &whole).inventory().clone();
        let (_shared, shared) = folder();
        for part in [2, 1] {
            let share = Share { part, of: 2 };
            prepare_share(&plan, &archive(&absent), &Geopotential, &shared, share, &mut |_| {}).unwrap();
        }
        let (_alone, alone) = folder();
        let before = made(&plan, &archive(&absent), &alone).inventory().clone();
        assert_eq!(merge(&shared).unwrap(), before);
        for number in 0..2 {
            let of = |store: &Path| journal::read(store, &journal::name(number)).unwrap().unwrap();
            assert_eq!(of(&alone), of(&shared), "{absent:?} {number}");
        }
        for directory in [&alone, &shared] {
            assert_eq!(
                made(&plan, &archive(&later), directory).inventory(),
                &expected,
                "{absent:?} {stuck:?}"
            );
            assert!(content(directory) == content(&whole), "{absent:?} {stuck:?}");
        }
    }
}

/// A stretch of which a part was written before the hour before it had come is not put together of both.
#[test]
fn a_part_of_a_stretch_is_not_kept_beside_another_neighbour() {
    let (_folder, directory) = folder();
    made(&plan(), &altered(&["2020-05-01T23:00:00Z"], unchanged), &directory);
    let path = journal::path(&directory, &journal::name(1));
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&path, format!("{}\n", lines[..2].join("\n"))).unwrap();
    let whole = altered(&[], unchanged);
    let store = made(&plan(), &whole, &directory);
    let (_other, new) = folder();
    assert_eq!(store.inventory(), made(&plan(), &whole, &new).inventory());
}

/// A static file that is lost is written again, and a store without it does not pass for whole.
#[test]
fn what_does_not_change_is_written_again_when_it_is_lost() {
    let (_folder, directory) = folder();
    let before = prepared(&directory).inventory().clone();
    std::fs::remove_file(journal::path(&directory, journal::STATIC)).unwrap();
    assert!(merge(&directory).unwrap_err().to_string().contains("`orog` is not written"));
    let again = prepare(&plan(), &Synthetic::new(1), &Geopotential, &directory, &mut |_| {}).unwrap();
    assert_eq!(again, before);
    assert!(crate::data::store::verify::verify(&directory).unwrap().damaged.is_empty());
}

/// Fields that were written when another hour was absent are not kept beside those that have it.
#[test]
fn files_of_two_readings_do_not_mix() {
    let (_folder, directory) = folder();
    let hole = altered(&["2020-05-01T05:00:00Z"], unchanged);
    made(&plan(), &hole, &directory);
    // As if it had been stopped before its last line.
    let path = journal::path(&directory, &journal::name(0));
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&path, format!("{}\n", lines[..2].join("\n"))).unwrap();
    std::fs::remove_file(directory.join(FOLDER).join("inventory.json")).unwrap();
    let whole = altered(&[], unchanged);
    let store = made(&plan(), &whole, &directory);
    let (_other, new) = folder();
    assert_eq!(store.inventory(), made(&plan(), &whole, &new).inventory());
    assert_eq!(content(&directory), content(&new));
}
