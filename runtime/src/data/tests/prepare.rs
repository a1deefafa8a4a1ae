//! Stores as they are made, stopped, shared and damaged.

use super::*;
use crate::data::store::verify::{strike, verify};

#[test]
fn a_reopened_store_equals_the_archive_bit_for_bit() {
    let (_kept, store) = shared();
    let archive = Synthetic::new(1);
    assert_eq!(store.times(), selected_times(&plan()));
    assert_eq!(store.times().len(), 72);
    assert_eq!(store.latitude(), plains().latitude.mapv(|degrees| degrees as f32));
    assert_eq!(store.longitude(), plains().longitude.mapv(|degrees| degrees as f32));
    for (index, time) in store.times().iter().enumerate() {
        let temperature = archive.read("TMP", *time).unwrap().select(Axis(0), &[10, 7, 12]);
        assert_eq!(store.read("t", index).unwrap(), temperature);
        assert_eq!(
            store.read("refc", index).unwrap(),
            archive.read("REFC:entire atmosphere", *time).unwrap()
        );
        let height = archive.read("HGT", *time).unwrap().select(Axis(0), &[10, 7, 12]);
        assert_eq!(store.read("z", index).unwrap(), height.mapv(|height| 9.806_65 * height));
    }
    assert_eq!(store.read("orog", 50).unwrap(), archive.read("HGT:surface", store.times()[0]).unwrap());
    assert!(store.read("q", 0).unwrap_err().to_string().contains("`q`"));
    assert!(store.read("t", 72).is_err());
}

#[test]
fn the_cache_keeps_its_bound_and_changes_nothing() {
    let (kept, store) = shared();
    let small = Store::open_with(&kept.0.path().join("store.zarr"), 3 * 64 * 64 * 4 * 2).unwrap();
    for index in [0, 1, 2, 0, 5, 0, 2] {
        assert_eq!(store.read("t", index).unwrap(), small.read("t", index).unwrap());
    }
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

/// What does not change is read at the first time that is there, and stays as it was read when an earlier one comes: all
/// stretches stand on the same ground, those that are made again too.
#[test]
fn what_does_not_change_stays_as_it_was_read() {
    let early = plan().train.from;
    let rising = |absent: Vec<Timestamp>| {
        let risen = move |from: &str, time: Timestamp, values: &mut Array3<f32>| {
            *values += if from == "HGT:surface" && time > early { 100.0 } else { 0.0 };
        };
        Faulty { change: Box::new(risen), ..faulty(usize::MAX, absent) }
    };
    let (_folder, directory) = folder();
    prepare(&plan(), &rising(vec![early]), &Geopotential, &directory, &mut |_| {}).unwrap();
    let ground = Store::open(&directory).unwrap().read("orog", 0).unwrap();
    let second = prepare(&plan(), &rising(vec![]), &Geopotential, &directory, &mut |_| {}).unwrap();
    assert_eq!((second.absent().count(), second.usable(), second.reused), (0, 72, false));
    assert_eq!(Store::open(&directory).unwrap().read("orog", 0).unwrap(), ground);
    let fixed = |number: usize| {
        let written = journal::read(&directory, &journal::name(number)).unwrap().unwrap();
        written.times.unwrap().beyond.unwrap().fixed
    };
    assert!((1..3).all(|number| fixed(number) == fixed(0)));
    // Lost and written again it is read at that time still.
    let written = journal::read(&directory, journal::STATIC).unwrap().unwrap();
    std::fs::remove_file(directory.join(&written.fields["orog"].file)).unwrap();
    let damaged = verify(&directory).unwrap().damaged;
    assert_eq!(damaged.len(), 1);
    strike(&directory, &damaged).unwrap();
    prepare(&plan(), &rising(vec![]), &Geopotential, &directory, &mut |_| {}).unwrap();
    assert_eq!(Store::open(&directory).unwrap().read("orog", 0).unwrap(), ground);
    // Made at once it would stand on the earlier one.
    let (_other, whole) = folder();
    prepare(&plan(), &rising(vec![]), &Geopotential, &whole, &mut |_| {}).unwrap();
    assert_ne!(Store::open(&whole).unwrap().read("orog", 0).unwrap(), ground);
}

/// Between the hours HRRR has no analyses.
#[test]
fn analyses_are_of_whole_hours() {
    let refused = |change: fn(&mut DataPlan)| {
        let mut plan = plan();
        plan.sampling.analyses_only = true;
        change(&mut plan);
        hourly(&plan).map_err(|error| error.to_string())
    };
    assert_eq!(refused(|_| {}), Ok(()));
    assert_eq!(refused(|plan| plan.every = 7200), Ok(()));
    for change in [
        |plan: &mut DataPlan| plan.every = 900,
        |plan: &mut DataPlan| plan.train.from = at("2020-05-01T00:30:00Z"),
    ] {
        let error = refused(change).unwrap_err();
        assert!(error.contains("`archive synthetic.f00`") && error.contains("`every 1 h`"), "{error}");
        assert!(refused_by_prepare(change).contains("whole hours"));
    }
}

fn refused_by_prepare(change: fn(&mut DataPlan)) -> String {
    let (_folder, directory) = folder();
    let mut plan = plan();
    plan.sampling.analyses_only = true;
    change(&mut plan);
    let refused = prepare(&plan, &faulty(usize::MAX, vec![]), &Geopotential, &directory, &mut |_| {});
    assert!(!directory.exists());
    refused.unwrap_err().to_string()
}

/// An archive that cannot be asked takes nothing from a store: what it lacks may have come, but nobody can tell.
#[test]
fn an_archive_that_cannot_be_asked_leaves_a_store_as_it_is() {
    let (_folder, directory) = folder();
    let hole = at("2020-05-02T10:00:00Z");
    let first =
        prepare(&plan(), &faulty(usize::MAX, vec![hole]), &Geopotential, &directory, &mut |_| {}).unwrap();
    let before = files(&directory);
    // It says that it has the hour; at first what does not change cannot be read, then the hour itself.
    for limit in [0, 1] {
        let deaf = faulty(limit, vec![]);
        let again =
            prepare(&plan(), &deaf, &Geopotential, &directory, &mut |_| panic!("written again")).unwrap();
        assert!(deaf.reads.load(Ordering::Relaxed) > limit, "it was asked");
        assert!(again.reused && again.times == first.times && again.content == first.content);
        assert!(files(&directory) == before);
    }
    assert_eq!(Store::open(&directory).unwrap().times().len(), 71);
}

/// A disk that fails under the threads that write ends the preparation with the name of the file, whichever of them it hits,
/// and nothing hangs; when it is mended the store goes on where it was.
#[test]
fn a_disk_that_fails_is_named() {
    let (_whole_folder, whole) = folder();
    prepare(&plan(), &faulty(usize::MAX, vec![]), &Geopotential, &whole, &mut |_| {}).unwrap();
    // The files of one field, and all of the store.
    for place in ["t/c", ""] {
        let (folder, directory) = folder();
        let broken = if place.is_empty() { directory.clone() } else { directory.join(place) };
        let aside = folder.path().join("aside");
        let failing = failing_disk(directory.clone(), broken.clone(), aside.clone());
        let (sender, ended) = std::sync::mpsc::channel();
        let store = directory.clone();
        std::thread::spawn(move || {
            let failed = prepare(&plan(), &failing, &Geopotential, &store, &mut |_| {});
            let _ = sender.send(failed.map(drop).map_err(|error| error.to_string()));
        });
        let ended = ended.recv_timeout(std::time::Duration::from_secs(100)).expect("it hangs");
        let message = ended.unwrap_err();
        assert!(message.contains(&format!("cannot write {}/", broken.display())), "{message}");
        std::fs::remove_file(&broken).unwrap();
        std::fs::rename(&aside, &broken).unwrap();
        assert!(Store::open(&directory).unwrap_err().to_string().contains("not finished"));
        prepare(&plan(), &faulty(usize::MAX, vec![]), &Geopotential, &directory, &mut |_| {}).unwrap();
        assert!(content(&directory) == content(&whole), "{place}");
    }
}

/// An archive that puts a file in the place of a folder, which it moves aside, when its second day is first read and the first day
/// is written.
fn failing_disk(directory: PathBuf, broken: PathBuf, aside: PathBuf) -> Faulty {
    let once = std::sync::Once::new();
    let spoil = move |_: &str, time: Timestamp, _: &mut Array3<f32>| {
        if time < at("2020-05-02T00:00:00Z") {
            return;
        }
        once.call_once(|| {
            while journal::ended(&directory, &journal::name(0)).is_none() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            std::fs::rename(&broken, &aside).unwrap();
            std::fs::write(&broken, "in the way").unwrap();
        });
    };
    Faulty { change: Box::new(spoil), ..faulty(usize::MAX, vec![]) }
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
