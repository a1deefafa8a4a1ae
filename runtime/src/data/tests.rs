//! The road from the synthetic archive to batches, and everything that may go wrong on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aurora_compiler::plan::data::{
    DataPlan, DerivedPlan, FieldPlan, LevelsPlan, RepairPlan, SamplingPlan, SupportPlan, TimeRange,
};
use jiff::Timestamp;
use ndarray::{Array3, ArrayView3, Axis};

use super::archive::{Archive, ArchiveField, Available, DataError};
use super::grid::Grid;
use super::journal::{self, FOLDER};
use super::prefetch::{Ahead, Prefetch};
use super::prepare::{Deriver, NoDeriver, Share, merge, prepare, prepare_share, selected_times};
use super::sample::{Cut, Sampler, Selection, Split, load, load_batch};
use super::store::Store;
use super::synthetic::{Synthetic, plains};

/// z = g0 hgt, the one derivation these tests need.
struct Geopotential;

impl Deriver for Geopotential {
    fn identity(&self) -> String {
        "z = g0 * hgt".into()
    }

    fn derive(
        &self,
        derived: &[&DerivedPlan],
        fields: &BTreeMap<String, ArrayView3<'_, f32>>,
    ) -> Result<BTreeMap<String, Array3<f32>>, DataError> {
        let of = |plan: &&DerivedPlan| {
            (plan.name.clone(), fields[&plan.inputs[0]].mapv(|height| 9.806_65 * height))
        };
        Ok(derived.iter().map(of).collect())
    }
}

/// The synthetic archive with a fault: reading fails after a number of reads, or some hours are absent.
struct Faulty {
    inner: Synthetic,
    reads: AtomicUsize,
    limit: usize,
    absent: Vec<Timestamp>,
}

impl Archive for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }
    fn identity(&self) -> String {
        "faulty".into()
    }
    fn fields(&self) -> Vec<ArchiveField> {
        self.inner.fields()
    }
    fn grid(&self) -> Grid {
        self.inner.grid()
    }
    fn times(&self) -> Available {
        self.inner.times()
    }
    fn has(&self, time: Timestamp) -> bool {
        self.inner.has(time) && !self.absent.contains(&time)
    }
    fn read(&self, from: &str, time: Timestamp) -> Result<Array3<f32>, DataError> {
        if self.reads.fetch_add(1, Ordering::Relaxed) >= self.limit {
            return Err(DataError::Archive("the disk has gone".into()));
        }
        self.inner.read(from, time)
    }
}

fn faulty(limit: usize, absent: Vec<Timestamp>) -> Faulty {
    Faulty { inner: Synthetic::new(1), reads: AtomicUsize::new(0), limit, absent }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn range(from: &str, to: &str) -> TimeRange {
    TimeRange { from: at(from), to: at(to) }
}

fn field(name: &str, from: &str, quantity: &str, units: &str, support: SupportPlan) -> FieldPlan {
    FieldPlan {
        name: name.into(),
        from: from.into(),
        quantity: quantity.into(),
        units: units.into(),
        support,
        cell: None,
        range: (None, None),
        kept: true,
    }
}

/// Two days of training, gaps, and half a day each of the others; three of thirteen levels, out of order.
fn plan() -> DataPlan {
    let levels = || SupportPlan::Levels("pl".into());
    let mut refc = field("refc", "REFC:entire atmosphere", "reflectivity", "dBZ", SupportPlan::Column);
    refc.range = (Some(-10.0), Some(40.0));
    DataPlan {
        archive: "synthetic".into(),
        grid: plains().plan,
        levels: BTreeMap::from([(
            "pl".into(),
            LevelsPlan { coordinate: "pressure".into(), values: vec![85_000.0, 50_000.0, 100_000.0] },
        )]),
        every: 3600,
        train: range("2020-05-01T00:00:00Z", "2020-05-02T23:00:00Z"),
        validate: Some(range("2020-05-04T00:00:00Z", "2020-05-04T11:00:00Z")),
        test: Some(range("2020-05-04T12:00:00Z", "2020-05-04T23:00:00Z")),
        fields: vec![
            field("t", "TMP", "temperature", "K", levels()),
            field("hgt", "HGT", "height", "m", levels()),
            refc,
            field("orog", "HGT:surface", "height", "m", SupportPlan::Static),
        ],
        derived: vec![DerivedPlan {
            name: "z".into(),
            kernel: "z".into(),
            inputs: vec!["hgt".into()],
            quantity: "geopotential".into(),
            units: "m^2/s^2".into(),
            support: levels(),
            range: (None, None),
            kept: true,
        }],
        sampling: SamplingPlan::default(),
        repair: RepairPlan::default(),
    }
}

fn prepared(directory: &Path) -> Store {
    prepare(&plan(), &Synthetic::new(1), &Geopotential, directory, &mut |_| {}).unwrap();
    Store::open(directory).unwrap()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.zarr");
    (folder, store)
}

#[test]
fn a_reopened_store_equals_the_archive_bit_for_bit() {
    let (_folder, directory) = folder();
    let store = prepared(&directory);
    let archive = Synthetic::new(1);
    assert_eq!(store.times(), selected_times(&plan()));
    assert_eq!(store.times().len(), 72);
    assert_eq!(store.latitude(), plains().latitude.mapv(|degrees| degrees as f32));
    assert_eq!(store.longitude(), plains().longitude.mapv(|degrees| degrees as f32));
    for (index, time) in store.times().iter().enumerate() {
        let temperature = archive.read("TMP", *time).unwrap().select(Axis(0), &[10, 7, 12]);
        assert_eq!(*store.read("t", index).unwrap(), temperature);
        assert_eq!(
            *store.read("refc", index).unwrap(),
            archive.read("REFC:entire atmosphere", *time).unwrap()
        );
        let height = archive.read("HGT", *time).unwrap().select(Axis(0), &[10, 7, 12]);
        assert_eq!(*store.read("z", index).unwrap(), height.mapv(|height| 9.806_65 * height));
    }
    assert_eq!(*store.read("orog", 50).unwrap(), archive.read("HGT:surface", store.times()[0]).unwrap());
    assert!(store.read("q", 0).unwrap_err().to_string().contains("`q`"));
    assert!(store.read("t", 72).is_err());
}

#[test]
fn the_cache_keeps_its_bound_and_changes_nothing() {
    let (_folder, directory) = folder();
    let store = prepared(&directory);
    let small = Store::open_with(&directory, 3 * 64 * 64 * 4 * 2).unwrap();
    for index in [0, 1, 2, 0, 5, 0, 2] {
        assert_eq!(store.read("t", index).unwrap(), small.read("t", index).unwrap());
    }
    assert!(Arc::ptr_eq(&store.read("t", 0).unwrap(), &store.read("t", 0).unwrap()));
}

/// Statistics cover the training split only, and equal a direct computation in f64 whatever the number of threads.
#[test]
fn statistics_are_of_the_training_split_and_of_no_thread_count() {
    let archive = Synthetic::new(1);
    let mut results = Vec::new();
    for threads in [1, 3] {
        let (_folder, directory) = folder();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let inventory =
            pool.install(|| prepare(&plan(), &archive, &Geopotential, &directory, &mut |_| {})).unwrap();
        assert_eq!(Store::open(&directory).unwrap().inventory(), &inventory);
        results.push(inventory);
    }
    assert_eq!(results[0], results[1]);
    let inventory = &results[0];
    let train: Vec<Timestamp> = selected_times(&plan()).into_iter().take(48).collect();
    for (level, place) in [10, 7, 12].into_iter().enumerate() {
        let values: Vec<f64> = train
            .iter()
            .flat_map(|time| {
                archive
                    .read("TMP", *time)
                    .unwrap()
                    .index_axis(Axis(0), place)
                    .iter()
                    .map(|v| f64::from(*v))
                    .collect::<Vec<_>>()
            })
            .collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        let moments = inventory.statistics["t"].levels[level];
        assert_eq!(moments.count as usize, values.len());
        assert!((moments.mean - mean).abs() < 1e-9, "{} {mean}", moments.mean);
        assert!((moments.deviation() - deviation).abs() < 1e-9);
        assert_eq!(moments.maximum, values.iter().copied().fold(f64::MIN, f64::max));
    }
    let outside: usize = selected_times(&plan())
        .iter()
        .map(|time| {
            archive.read("REFC:entire atmosphere", *time).unwrap().iter().filter(|echo| **echo > 40.0).count()
        })
        .sum();
    assert!(outside > 0);
    assert_eq!(inventory.fields["refc"].outside, outside as u64);
    assert_eq!(inventory.fields["refc"].values, 72 * 64 * 64);
    assert_eq!(inventory.fields["t"].missing, 0);
}

#[test]
fn the_same_plan_is_not_prepared_twice_and_another_is() {
    let (_folder, directory) = folder();
    let archive = Synthetic::new(1);
    let first = prepare(&plan(), &archive, &Geopotential, &directory, &mut |_| {}).unwrap();
    let again =
        prepare(&plan(), &archive, &Geopotential, &directory, &mut |_| panic!("written again")).unwrap();
    assert!(!first.reused && again.reused);
    assert_eq!(first.digest, again.digest);
    // What is there is not replaced by another store.
    let mut shorter = plan();
    shorter.test = None;
    let error = prepare(&shorter, &archive, &Geopotential, &directory, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("another recipe or archive"), "{error}");
    let error = prepare(&plan(), &Synthetic::new(2), &Geopotential, &directory, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("another recipe or archive"), "{error}");
    assert_eq!(Store::open(&directory).unwrap().inventory(), &first);
    // Nothing temporary stays behind.
    assert_eq!(std::fs::read_dir(directory.parent().unwrap()).unwrap().count(), 1);
}

/// All files of a store with their bytes.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(
                    path.strip_prefix(directory).unwrap().to_path_buf(),
                    std::fs::read(&path).unwrap(),
                );
            }
        }
    }
    found
}

/// The same without the journals, whose lines come in the order in which fields happen to be done.
fn content(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let own = |path: &PathBuf| !path.starts_with(Path::new(FOLDER).join("times"));
    files(directory).into_iter().filter(|(path, _)| own(path)).collect()
}

/// A store that is not finished does not open; the same command goes on, writes nothing twice, and ends with the very
/// files of a preparation that was never stopped.
#[test]
fn a_preparation_that_failed_goes_on() {
    let (_whole_folder, whole) = folder();
    let archive = faulty(usize::MAX, vec![]);
    prepare(&plan(), &archive, &Geopotential, &whole, &mut |_| {}).unwrap();
    let all = archive.reads.load(Ordering::Relaxed);
    let (_folder, directory) = folder();
    let failing = faulty(100, vec![]);
    let failed = prepare(&plan(), &failing, &Geopotential, &directory, &mut |_| {});
    assert!(failed.unwrap_err().to_string().contains("the disk has gone"));
    let message = Store::open(&directory).unwrap_err().to_string();
    assert!(message.contains("not finished"), "{message}");
    let message = merge(&directory).unwrap_err().to_string();
    assert!(message.contains("of its 3 stretches of time are not prepared yet"), "{message}");
    let rest = faulty(usize::MAX, vec![]);
    prepare(&plan(), &rest, &Geopotential, &directory, &mut |_| {}).unwrap();
    assert!(rest.reads.load(Ordering::Relaxed) < all, "what was done is not read again");
    assert_eq!(content(&directory), content(&whole));
}

/// Whatever file of a stretch is lost with the lines of the journal that follow it, the rest is kept.
#[test]
fn a_stretch_cut_short_keeps_its_fields() {
    let (_folder, directory) = folder();
    prepared(&directory);
    let before = content(&directory);
    let path = journal::path(&directory, &journal::name(1));
    let text = std::fs::read_to_string(&path).unwrap();
    let first = text.lines().next().unwrap();
    std::fs::write(&path, format!("{first}\n{{\"field\":\"half a li")).unwrap();
    std::fs::remove_file(directory.join(FOLDER).join("inventory.json")).unwrap();
    let written = |directory: &Path| {
        let time = |file: &str| std::fs::metadata(directory.join(file)).unwrap().modified().unwrap();
        ["refc/c/1/0/0", "t/c/1/0/0/0", "z/c/1/0/0/0", "t/c/0/0/0/0"].map(time)
    };
    let kept: journal::FieldRecord = serde_json::from_str(first).unwrap();
    let times = written(&directory);
    prepare(&plan(), &Synthetic::new(1), &Geopotential, &directory, &mut |_| {}).unwrap();
    let again = written(&directory);
    let same = times.iter().zip(&again).filter(|(before, after)| before == after).count();
    // The field of the first line, and all of the other stretch.
    assert_eq!(same, if kept.file.starts_with("hgt") { 1 } else { 2 });
    assert_eq!(content(&directory), before);
}

/// Any cut into shares, in any order, gives one and the same store.
#[test]
fn shares_add_up_to_the_whole() {
    let (_whole_folder, whole) = folder();
    prepared(&whole);
    for order in [vec![1, 2, 3], vec![3, 1, 2]] {
        let (_folder, directory) = folder();
        for part in &order {
            let share = Share { part: *part, of: 3 };
            let archive = Synthetic::new(1);
            assert!(prepare_share(&plan(), &archive, &Geopotential, &directory, share, &mut |_| {}).unwrap());
            assert!(
                !prepare_share(&plan(), &archive, &Geopotential, &directory, share, &mut |_| {}).unwrap()
            );
        }
        assert!(Store::open(&directory).is_err());
        merge(&directory).unwrap();
        assert_eq!(content(&directory), content(&whole));
    }
    let many: Vec<_> = (1..=7).map(|part| Share { part, of: 7 }.stretches(3)).collect();
    assert_eq!(many.iter().map(ExactSizeIterator::len).sum::<usize>(), 3);
}

/// A time that the archive did not have is added when it has come, and nothing else is written again.
#[test]
fn what_comes_later_is_added() {
    let (_folder, directory) = folder();
    let hole = at("2020-05-02T10:00:00Z");
    let archive = faulty(usize::MAX, vec![hole]);
    let first = prepare(&plan(), &archive, &Geopotential, &directory, &mut |_| {}).unwrap();
    assert_eq!((first.absent().count(), first.usable()), (1, 71));
    let later = faulty(usize::MAX, vec![]);
    let second = prepare(&plan(), &later, &Geopotential, &directory, &mut |_| {}).unwrap();
    assert_eq!((second.absent().count(), second.usable(), second.reused), (0, 72, false));
    assert_ne!(first.content, second.content);
    assert!(later.reads.load(Ordering::Relaxed) <= 24 * 4 + 8);
    let (_other, whole) = folder();
    prepare(&plan(), &faulty(usize::MAX, vec![]), &Geopotential, &whole, &mut |_| {}).unwrap();
    assert_eq!(Store::open(&whole).unwrap().inventory(), Store::open(&directory).unwrap().inventory());
}

/// What is only derived from is read and not kept.
#[test]
fn fields_that_only_serve_are_not_kept() {
    let (_folder, directory) = folder();
    let mut plan = plan();
    plan.fields[1].kept = false;
    prepare(&plan, &Synthetic::new(1), &Geopotential, &directory, &mut |_| {}).unwrap();
    let store = Store::open(&directory).unwrap();
    assert!(!directory.join("hgt").exists() && store.read("hgt", 0).is_err());
    assert!(store.read("z", 0).is_ok());
}

#[test]
fn foreign_files_are_not_deleted() {
    let (_folder, directory) = folder();
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("thesis.txt"), "years of work").unwrap();
    let error = prepare(&plan(), &Synthetic::new(1), &Geopotential, &directory, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("other files"), "{error}");
    assert!(directory.join("thesis.txt").exists());
}

#[test]
fn damage_is_named_with_its_field_and_file() {
    let (_folder, directory) = folder();
    prepared(&directory);
    let shard = directory.join("t/c/0/0/0/0");
    let mut bytes = std::fs::read(&shard).unwrap();
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 64] {
        *byte ^= 0x55;
    }
    std::fs::write(&shard, bytes).unwrap();
    let store = Store::open(&directory).unwrap();
    let errors: Vec<String> =
        (0..24).filter_map(|time| store.read("t", time).err()).map(|error| error.to_string()).collect();
    assert!(!errors.is_empty() && errors.len() <= 2, "{errors:?}");
    assert!(errors[0].contains("`t`") && errors[0].contains("t/c/0/0/0/0"), "{errors:?}");
    std::fs::remove_file(&shard).unwrap();
    let error = Store::open(&directory).unwrap().read("t", 0).unwrap_err().to_string();
    assert!(error.contains("missing") && error.contains("t/c/0/0/0/0"), "{error}");
}

#[test]
fn plans_the_archive_cannot_serve_are_explained() {
    let fails = |change: &dyn Fn(&mut DataPlan)| {
        let (_folder, directory) = folder();
        let mut plan = plan();
        change(&mut plan);
        let failed = prepare(&plan, &Synthetic::new(1), &NoDeriver, &directory, &mut |_| {});
        let message = failed.unwrap_err().to_string();
        assert!(!directory.exists() || message.contains("no kernel"), "{message}");
        message
    };
    assert!(fails(&|plan| plan.fields[0].from = "TMPP".into()).contains("TMPP"));
    assert!(fails(&|plan| plan.fields[0].units = "degC".into()).contains("degC"));
    let level = fails(&|plan| plan.levels.get_mut("pl").unwrap().values[0] = 77_500.0);
    assert!(level.contains("77500") && level.contains("`t`") && level.contains("`hgt`"), "{level}");
    assert!(fails(&|plan| plan.grid.width = 65).contains("65"));
    assert!(fails(&|plan| plan.fields[2].support = SupportPlan::Levels("pl".into())).contains("no levels"));
    assert!(fails(&|plan| plan.fields[0].support = SupportPlan::Column).contains("on` a level set"));
    assert!(fails(&|plan| plan.every = 0).contains("every 0 s"));
    assert!(fails(&|plan| plan.derived[0].inputs = vec!["q".into()]).contains("`q`"));
    assert!(fails(&|_| {}).contains("no kernel"));
    assert!(fails(&|plan| plan.fields[3].name = "time".into()).contains("`time`"));
    let early = fails(&|plan| {
        (plan.validate, plan.test) = (None, None);
        plan.train = range("1999-05-01T00:00:00Z", "1999-05-02T23:00:00Z");
    });
    assert!(early.contains("none of the 48 times"), "{early}");
}

fn cut(split: Split, history: usize, targets: usize) -> Cut {
    Cut { seed: 9, shuffled: true, ..Cut::plain(split, history, 3600, targets) }
}

#[test]
fn an_epoch_is_a_permutation_and_a_pure_function() {
    let (_folder, directory) = folder();
    let store = prepared(&directory);
    let sampler = Sampler::new(&store, cut(Split::Train, 2, 3)).unwrap();
    assert_eq!(sampler.len(), 48 - 1 - 3);
    let epoch = |sampler: &Sampler, number: u64| {
        (0..sampler.len()).map(|index| sampler.sample(number, index).time).collect::<Vec<_>>()
    };
    let first = epoch(&sampler, 0);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), sampler.len());
    assert_ne!(first, epoch(&sampler, 1));
    // In another order, from another instance: the same.
    let again = Sampler::new(&store, cut(Split::Train, 2, 3)).unwrap();
    let _ = epoch(&again, 5);
    assert_eq!(epoch(&again, 1), epoch(&sampler, 1));
    assert_eq!(epoch(&again, 0), first);
    let other = Sampler::new(&store, Cut { seed: 10, ..cut(Split::Train, 2, 3) }).unwrap();
    assert_ne!(epoch(&other, 0), first);
    let plain = Sampler::new(&store, Cut { shuffled: false, ..cut(Split::Train, 2, 3) }).unwrap();
    assert!(epoch(&plain, 3).is_sorted());
    assert_eq!(sampler.batches(10), 4);
    assert_eq!(sampler.batch(10, 5)[0].time, epoch(&sampler, 1)[10]);
}

#[test]
fn samples_stay_in_their_split_and_off_the_gaps() {
    let (_folder, directory) = folder();
    let hole = at("2020-05-01T10:00:00Z");
    let inventory =
        prepare(&plan(), &faulty(usize::MAX, vec![hole]), &Geopotential, &directory, &mut |_| {}).unwrap();
    assert_eq!(inventory.absent().map(|record| record.time).collect::<Vec<_>>(), vec![hole]);
    let store = Store::open(&directory).unwrap();
    let plan = plan();
    for (split, range) in [
        (Split::Train, plan.train),
        (Split::Validate, plan.validate.unwrap()),
        (Split::Test, plan.test.unwrap()),
    ] {
        let sampler = Sampler::new(&store, Cut { step: 7200, ..cut(split, 2, 2) }).unwrap();
        for index in 0..sampler.len() {
            let sample = sampler.sample(0, index);
            let times: Vec<Timestamp> =
                sample.inputs.iter().chain(&sample.targets).map(|place| store.times()[*place]).collect();
            assert_eq!(times[1], sample.time);
            for pair in times.windows(2) {
                assert_eq!(pair[1].as_second() - pair[0].as_second(), 7200);
            }
            assert!(times.iter().all(|time| range.from <= *time && *time <= range.to && *time != hole));
        }
        // 12 hours less the reach of 6; in training 48 − 6 less the four samples that would use the hole.
        assert_eq!(sampler.len(), if split == Split::Train { 38 } else { 6 });
    }
    assert!(Sampler::new(&store, cut(Split::Test, 7, 7)).unwrap_err().to_string().contains("too short"));
    assert!(Sampler::new(&store, Cut { step: 1800, ..cut(Split::Test, 1, 1) }).is_err());
}

#[test]
fn samples_and_batches_have_their_arrays_in_place() {
    let (_folder, directory) = folder();
    let store = prepared(&directory);
    let sampler = Sampler::new(&store, cut(Split::Train, 2, 3)).unwrap();
    let indices = sampler.batch(4, 0);
    let selection = Selection::all(&store);
    let batch = load_batch(&store, &indices, &selection).unwrap();
    assert_eq!(batch.inputs["t"].dim(), (4, 2, 3, 64, 64));
    assert_eq!(batch.targets["refc"].dim(), (4, 3, 1, 64, 64));
    assert_eq!(batch.statics["orog"].dim(), (4, 64, 64));
    assert_eq!(batch.times, indices.iter().map(|index| index.time).collect::<Vec<_>>());
    let sample = load(&store, &indices[2], &selection).unwrap();
    assert_eq!(batch.inputs["t"].index_axis(Axis(0), 2), sample.inputs["t"]);
    assert_eq!(batch.targets["z"].index_axis(Axis(0), 2), sample.targets["z"]);
    let newest = store.read("t", indices[2].inputs[1]).unwrap();
    assert_eq!(sample.inputs["t"].index_axis(Axis(0), 1), *newest);
    let next = store.read("t", indices[2].targets[0]).unwrap();
    assert_eq!(sample.targets["t"].index_axis(Axis(0), 0), *next);
}

#[test]
fn prefetched_batches_come_in_order_and_errors_come_through() {
    let (_folder, directory) = folder();
    let store = Arc::new(prepared(&directory));
    let sampler = Arc::new(Sampler::new(&store, cut(Split::Train, 1, 1)).unwrap());
    let selection = Selection::all(&store);
    let start = |selection: &Selection, numbers| {
        let ahead = Ahead { workers: 3, batches: 4 };
        Prefetch::new(Arc::clone(&store), Arc::clone(&sampler), selection.clone(), 5, numbers, ahead).unwrap()
    };
    let times: Vec<_> = start(&selection, 3..14).map(|batch| batch.unwrap().times).collect();
    let expected: Vec<_> = (3..14)
        .map(|number| sampler.batch(5, number).iter().map(|index| index.time).collect::<Vec<_>>())
        .collect();
    assert_eq!(times, expected);
    // Dropped while the thread waits to deliver: returns, because drop joins.
    let mut endless = start(&selection, 0..u64::MAX);
    assert!(endless.next().unwrap().is_ok());
    drop(endless);
    let wrong = Selection { inputs: vec!["rain".into()], ..Selection::default() };
    let mut failing = start(&wrong, 0..10);
    assert!(failing.next().unwrap().unwrap_err().to_string().contains("`rain`"));
    assert!(failing.next().is_none());
    let one = Ahead { workers: 1, batches: 1 };
    let huge = Prefetch::new(Arc::clone(&store), sampler, selection, 500, 0..1, one);
    assert!(huge.unwrap_err().to_string().contains("500"));
}

/// What it costs: `cargo test --release -p aurora-runtime cost_of_480_hours -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement; keeps the store if AURORAC_KEEP names a directory"]
fn cost_of_480_hours() {
    let (_folder, mut directory) = folder();
    if let Some(kept) = std::env::var_os("AURORAC_KEEP") {
        directory = kept.into();
    }
    let mut plan = plan();
    plan.train = range("2020-05-01T00:00:00Z", "2020-05-20T23:00:00Z");
    (plan.validate, plan.test) = (None, None);
    plan.levels.insert(
        "pl".into(),
        LevelsPlan { coordinate: "pressure".into(), values: super::synthetic::LEVELS.to_vec() },
    );
    let levels = || SupportPlan::Levels("pl".into());
    for (name, from, units) in [("u", "UGRD", "m/s"), ("v", "VGRD", "m/s"), ("q", "SPFH", "kg/kg")] {
        plan.fields.push(field(name, from, "x", units, levels()));
    }
    for (name, from, units) in [
        ("t2m", "TMP:2 m above ground", "K"),
        ("u10", "UGRD:10 m above ground", "m/s"),
        ("v10", "VGRD:10 m above ground", "m/s"),
        ("msl", "MSLMA:mean sea level", "Pa"),
        ("w", "UPDRAFT:entire atmosphere", "m/s"),
        ("uh", "MXUPHL:5000-2000 m above ground", "m^2/s^2"),
    ] {
        plan.fields.push(field(name, from, "x", units, SupportPlan::Surface));
    }
    let started = std::time::Instant::now();
    let inventory = prepare(&plan, &Synthetic::new(1), &Geopotential, &directory, &mut |_| {}).unwrap();
    let size = super::layout::size_on_disk(&directory).unwrap();
    println!(
        "{} hours: {:.1} s, {:.1} MB",
        inventory.usable(),
        started.elapsed().as_secs_f64(),
        size as f64 / 1e6
    );
    let store = Store::open(&directory).unwrap();
    let started = std::time::Instant::now();
    for time in 0..store.times().len() {
        for name in ["t", "u", "v", "q", "z", "t2m", "u10", "v10", "msl", "refc"] {
            store.read(name, time).unwrap();
        }
    }
    println!("read once: {:.1} s", started.elapsed().as_secs_f64());
}
