//! Stores whose recipes' times have changed: what is the same is taken over from the stores that are there, and nothing tells the
//! result from a store that was made at once.

use std::time::{Duration, SystemTime};

use aurora_compiler::plan::data::{GapMethod, GapPlan};
use zarrs::array::Array;
use zarrs::filesystem::FilesystemStore;

use super::*;
use crate::data::journal::Status;
use crate::data::layout::{create_store, describe};
use crate::data::prepare::Progress;
use crate::data::store::verify::{strike, verify};

/// Training over so many days of May, and half a day each of the others a week later.
fn until(days: usize) -> DataPlan {
    DataPlan {
        train: range("2020-05-01T00:00:00Z", &format!("2020-05-{days:02}T23:00:00Z")),
        validate: Some(range("2020-05-08T00:00:00Z", "2020-05-08T11:00:00Z")),
        test: Some(range("2020-05-08T12:00:00Z", "2020-05-08T23:00:00Z")),
        ..plan()
    }
}

/// Prepares a store; gives the times that were said to lie in other stores.
fn taken(plan: &DataPlan, archive: &dyn Archive, directory: &Path) -> usize {
    let mut taken = 0;
    let mut told = |progress| match progress {
        Progress::Begun { elsewhere, .. } => taken = elsewhere,
        Progress::Going { .. } => {}
    };
    prepare(plan, archive, &Geopotential, directory, &mut told).unwrap();
    Store::open(directory).unwrap();
    taken
}

/// The same, and how often the archive was read.
fn grow(plan: &DataPlan, archive: &Faulty, directory: &Path) -> (usize, usize) {
    let before = archive.reads.load(Ordering::Relaxed);
    let taken = taken(plan, archive, directory);
    (taken, archive.reads.load(Ordering::Relaxed) - before)
}

/// A store of a folder of its own.
fn at_once(plan: &DataPlan, archive: &Faulty) -> BTreeMap<PathBuf, Vec<u8>> {
    let (_folder, directory) = folder();
    grow(plan, archive, &directory);
    content(&directory)
}

fn whole() -> Faulty {
    faulty(usize::MAX, vec![])
}

/// Reads of so many new days of one stretch each: three fields an hour, what does not change, and the hour before the first.
fn reads(days: usize) -> usize {
    3 * 24 * days + 1 + if days > 0 { 3 } else { 0 }
}

/// In one step, in two, in many, forth and back; what is there is not read again.
#[test]
fn grown_in_any_steps_it_is_the_store_made_at_once() {
    let archive = whole();
    for steps in [&[2, 4][..], &[1, 2, 3, 4], &[3, 1, 4]] {
        let folder = tempfile::tempdir().unwrap();
        for (number, days) in steps.iter().enumerate() {
            let directory = folder.path().join(format!("{number}.zarr"));
            let (taken, read) = grow(&until(*days), &archive, &directory);
            let known = steps[..number].iter().max();
            let new = known.map_or(days + 1, |known| days.saturating_sub(*known));
            assert_eq!(taken, 24 * (days + 1 - new), "{steps:?} {days}");
            assert!(read <= reads(new), "{steps:?} {days}: {read} reads");
            assert!(content(&directory) == at_once(&until(*days), &archive), "{steps:?} {days}");
        }
    }
}

#[test]
fn samples_of_a_grown_store_are_those_of_one_made_at_once() {
    let (folder, directory) = folder();
    let archive = whole();
    grow(&until(1), &archive, &folder.path().join("old.zarr"));
    grow(&until(2), &archive, &directory);
    let other = tempfile::tempdir().unwrap();
    let new = other.path().join("new.zarr");
    grow(&until(2), &archive, &new);
    let batch = |directory: &Path| {
        let store = Store::open(directory).unwrap();
        let cut =
            Cut { seed: 3, shuffled: true, tile: Some([16, 24]), ..Cut::plain(Split::Train, 2, 3600, 2) };
        let sampler = Sampler::new(&store, cut).unwrap();
        load_batch(&store, &sampler.batch(8, 1), &Selection::all(&store)).unwrap()
    };
    assert_eq!(batch(&directory), batch(&new));
}

/// The store that is grown from stays, and what is done to it or to the new one afterwards is not seen in the other.
#[test]
fn the_older_store_stays_as_it_is() {
    let (folder, new) = folder();
    let archive = whole();
    let old = folder.path().join("old.zarr");
    grow(&until(2), &archive, &old);
    let before = files(&old);
    grow(&until(3), &archive, &new);
    assert!(files(&old) == before);
    for store in [&old, &new] {
        assert_eq!((verify(store).unwrap().damaged.len(), verify(store).unwrap().unfinished), (0, 0));
    }
    // A file that both have is damaged in both; the one that is mended does not take it from the other again.
    let grown = content(&new);
    let damage = |store: &Path, file: &str| {
        let mut bytes = std::fs::read(store.join(file)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(store.join(file), bytes).unwrap();
    };
    damage(&new, "t/c/1/0/0/0");
    let found = verify(&new).unwrap().damaged;
    assert_eq!(found.len(), 1);
    strike(&new, &found).unwrap();
    grow(&until(3), &archive, &new);
    assert!(content(&new) == grown && verify(&new).unwrap().damaged.is_empty());
    // And it goes on when the other is gone.
    std::fs::remove_dir_all(&old).unwrap();
    assert!(verify(&new).unwrap().damaged.is_empty() && content(&new) == grown);
}

/// Shares that begin together find one description, and each takes over its own.
#[test]
fn shares_grow_a_store_together() {
    let (folder, directory) = folder();
    let archive = whole();
    grow(&until(2), &archive, &folder.path().join("old.zarr"));
    let expected = at_once(&until(5), &archive);
    let read = archive.reads.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        for part in 1..=3 {
            let (directory, archive) = (&directory, &archive);
            let share = Share { part, of: 3 };
            scope.spawn(move || {
                prepare_share(&until(5), archive, &Geopotential, directory, share, &mut |_| {}).unwrap()
            });
        }
    });
    // Each reads what does not change and, of two shares, the hour before.
    assert!(archive.reads.load(Ordering::Relaxed) - read <= reads(3) + 2 + 2 * 3);
    assert!(Store::open(&directory).unwrap_err().to_string().contains("not finished"));
    merge(&directory).unwrap();
    assert!(content(&directory) == expected);
}

/// Stopped right after its description was written, or anywhere later, it is no whole store and goes on; a stopped store is grown
/// from as far as it came.
#[test]
fn a_growth_that_stopped_goes_on() {
    let archive = whole();
    let expected = at_once(&until(4), &archive);
    for limit in [None, Some(1), Some(5), Some(100), Some(147)] {
        let (folder, directory) = folder();
        grow(&until(2), &archive, &folder.path().join("old.zarr"));
        match limit {
            None => {
                let other = tempfile::tempdir().unwrap();
                let like = other.path().join("like.zarr");
                grow(&until(4), &archive, &like);
                std::fs::create_dir(&directory).unwrap();
                create_store(&directory, &describe(&like).unwrap(), &plains()).unwrap();
            }
            Some(limit) => {
                let failed =
                    prepare(&until(4), &faulty(limit, vec![]), &Geopotential, &directory, &mut |_| {});
                assert!(failed.unwrap_err().to_string().contains("the disk has gone"));
            }
        }
        assert!(Store::open(&directory).unwrap_err().to_string().contains("not finished"));
        let third = folder.path().join("third.zarr");
        let (_, read) = grow(&until(3), &archive, &third);
        assert!(read <= reads(1), "{limit:?}: {read}");
        assert!(content(&third) == at_once(&until(3), &archive));
        let (_, read) = grow(&until(4), &archive, &directory);
        assert!(read <= reads(2) && content(&directory) == expected, "{limit:?}: {read}");
    }
}

/// Statistics are of `train`, and changes of times of one split: a day that has come to another split is made again, one whose split
/// has only another name is not.
#[test]
fn another_split_is_another_store() {
    let archive = whole();
    let (before, mut later) = (until(3), until(3));
    later.train = until(2).train;
    later.validate = Some(range("2020-05-03T00:00:00Z", "2020-05-03T23:00:00Z"));
    // Both halves of the last day are now one.
    later.test = Some(range("2020-05-08T00:00:00Z", "2020-05-08T23:00:00Z"));
    let (mut renamed, mut shorter) = (until(3), until(3));
    std::mem::swap(&mut renamed.validate, &mut renamed.test);
    // Not by a whole stretch: each has other times.
    shorter.train.from = at("2020-05-01T12:00:00Z");
    // Times follow one another as before, but are learnt from where they were not.
    let mut other_way = until(3);
    (other_way.train, other_way.validate) =
        (range("2020-05-08T00:00:00Z", "2020-05-08T11:00:00Z"), Some(until(3).train));
    let mut months = until(3);
    months.train.from = at("2020-04-29T00:00:00Z");
    months.sampling.months = vec![5];
    for (plan, days) in [(later, 2), (renamed, 0), (shorter, 4), (other_way, 4), (months, 0)] {
        let (folder, directory) = folder();
        grow(&before, &archive, &folder.path().join("old.zarr"));
        let (taken, read) = grow(&plan, &archive, &directory);
        assert_eq!(taken, 24 * (4 - days), "{days}");
        assert!(read <= reads(days) + 3, "{days}: {read} reads");
        assert!(content(&directory) == at_once(&plan, &archive), "{days}");
    }
}

/// Nothing is taken from stores of other fields, steps, archives or kernels.
#[test]
fn other_stores_give_nothing() {
    let other = Synthetic::new(2);
    let archive = Synthetic::new(1);
    let mut narrower = until(3);
    narrower.fields[2].range = (Some(-10.0), Some(50.0));
    let mut slower = until(3);
    slower.every = 7200;
    let mut mended = until(3);
    mended.repair.holes = Some(2);
    for (plan, archive) in [(until(3), &other), (narrower, &archive), (slower, &archive), (mended, &archive)]
    {
        let (folder, directory) = folder();
        taken(&until(2), &Synthetic::new(1), &folder.path().join("old.zarr"));
        std::fs::create_dir(folder.path().join("no store.zarr")).unwrap();
        assert_eq!(taken(&plan, archive, &directory), 0);
        let (_new, alone) = super::folder();
        taken(&plan, archive, &alone);
        assert!(content(&directory) == content(&alone));
    }
}

/// What does not change is read at the first time; where another first time shows another ground, nothing is taken over.
#[test]
fn another_ground_is_another_store() {
    let moved = |from: &str, time: Timestamp, values: &mut Array3<f32>| {
        if from == "HGT:surface" && time < at("2020-05-02T00:00:00Z") {
            values.mapv_inplace(|height| height + 1.0);
        }
    };
    for (move_ground, days) in [(false, 1), (true, 4)] {
        let mut archive = whole();
        if move_ground {
            archive.change = Box::new(moved);
        }
        let (folder, directory) = folder();
        let mut later = until(3);
        later.train.from = at("2020-05-02T00:00:00Z");
        grow(&later, &archive, &folder.path().join("old.zarr"));
        let (taken, read) = grow(&until(3), &archive, &directory);
        assert_eq!(taken, if move_ground { 0 } else { 48 });
        // Of a day that begins earlier the next one's statistics know the hour before it.
        let again = if move_ground { days } else { days + 1 };
        assert!(read <= reads(again), "{move_ground}: {read}");
        assert!(move_ground == (read > reads(3)), "{move_ground}: {read}");
        assert!(content(&directory) == at_once(&until(3), &archive));
    }
}

/// A gap at the end of the old store is bridged by what comes after it, and what has come since is read.
#[test]
fn gaps_at_the_seam_are_bridged() {
    let filling = |days: usize| {
        let mut plan = until(days);
        plan.repair.gaps = Some(GapPlan { longest: 2 * 3600, method: GapMethod::Linear });
        plan
    };
    let seam = at("2020-05-02T23:00:00Z");
    let early = at("2020-05-01T05:00:00Z");
    let (folder, directory) = folder();
    grow(&filling(2), &faulty(usize::MAX, vec![early, seam]), &folder.path().join("old.zarr"));
    let archive = faulty(usize::MAX, vec![seam]);
    grow(&filling(3), &archive, &directory);
    let inventory = Store::open(&directory).unwrap().inventory().clone();
    let status = |time| inventory.times.iter().find(|record| record.time == time).unwrap().status.clone();
    assert!(matches!(status(seam), Status::Filled { absent: Some(_), .. }));
    assert_eq!(status(early), Status::Present);
    assert!(content(&directory) == at_once(&filling(3), &archive));
}

/// What lies in a store that is being written elsewhere, or that has lost a file, is read from the archive.
#[test]
fn what_others_have_lost_is_read() {
    let archive = whole();
    let (folder, directory) = folder();
    let old = folder.path().join("old.zarr");
    grow(&until(2), &archive, &old);
    std::fs::remove_file(old.join("t/c/0/0/0/0")).unwrap();
    let path = journal::path(&old, &journal::name(1));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.lines().next().unwrap()).unwrap();
    let (taken, read) = grow(&until(2), &archive, &directory);
    assert!(taken == 48 && read > reads(1) && read <= reads(2) + 3, "{taken} {read}");
    assert!(content(&directory) == at_once(&until(2), &archive));
}

/// What Zarr readers see of the times: coordinate, status, the shapes of fields, and the same in the consolidated metadata.
#[test]
fn readers_of_zarr_see_the_times() {
    let (folder, directory) = folder();
    let archive = faulty(usize::MAX, vec![at("2020-05-03T04:00:00Z")]);
    grow(&until(2), &archive, &folder.path().join("old.zarr"));
    grow(&until(3), &archive, &directory);
    let storage = Arc::new(FilesystemStore::new(&directory).unwrap());
    let open = |name: &str| Array::open(Arc::clone(&storage), &format!("/{name}")).unwrap();
    let time = open("time");
    let seconds: Vec<i64> = time.retrieve_array_subset(&time.subset_all()).unwrap();
    let expected: Vec<i64> = selected_times(&until(3)).iter().map(|time| time.as_second()).collect();
    assert_eq!((seconds.len(), seconds), (96, expected));
    assert_eq!(time.attributes()["units"], "seconds since 1970-01-01T00:00:00Z");
    let status = open("status");
    let codes: Vec<i8> = status.retrieve_array_subset(&status.subset_all()).unwrap();
    assert!(codes.iter().enumerate().all(|(place, code)| *code == if place == 52 { 3 } else { 1 }));
    let group: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.join("zarr.json")).unwrap()).unwrap();
    for name in ["time", "status", "t", "hgt", "z", "refc"] {
        assert_eq!(open(name).shape()[0], 96, "{name}");
        let own = std::fs::read(directory.join(name).join("zarr.json")).unwrap();
        let own: serde_json::Value = serde_json::from_slice(&own).unwrap();
        assert_eq!(group["consolidated_metadata"]["metadata"][name], own, "{name}");
    }
    // Read as any reader does, the fields are the archive's, and nothing where the archive had nothing.
    let echo = open("refc");
    let values: Vec<f32> = echo.retrieve_array_subset(&echo.subset_all()).unwrap();
    for (place, time) in selected_times(&until(3)).into_iter().enumerate() {
        let found = &values[place * 64 * 64..(place + 1) * 64 * 64];
        match place {
            52 => assert!(found.iter().all(|value| value.is_nan())),
            _ => assert_eq!(
                found,
                Synthetic::new(1).read("REFC:entire atmosphere", time).unwrap().as_slice().unwrap()
            ),
        }
    }
}

/// What killed processes have left is removed when it is old, at once when the store is whole.
#[test]
fn leftovers_are_removed() {
    let (_folder, directory) = folder();
    let archive = whole();
    grow(&until(1), &archive, &directory);
    let ways = journal::ways(&directory);
    let left = |name: &str, age: u64| {
        std::fs::create_dir_all(&ways).unwrap();
        let file = std::fs::File::create(ways.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    };
    left(".writing-old", 7200);
    left(".writing-new", 60);
    grow(&until(1), &archive, &directory);
    assert!(!ways.join(".writing-old").exists() && ways.join(".writing-new").exists());
    merge(&directory).unwrap();
    assert!(!ways.exists());
}
