//! Samples and batches as they are cut, ordered and read ahead.

use super::*;

fn cut(split: Split, history: usize, targets: usize) -> Cut {
    Cut { seed: 9, shuffled: true, ..Cut::plain(split, history, 3600, targets) }
}

#[test]
fn an_epoch_is_a_permutation_and_a_pure_function() {
    let (_kept, store) = shared();
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
    let (_kept, store) = shared();
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
    let (_kept, store) = shared();
    let sampler = Arc::new(Mix::from(Sampler::new(&store, cut(Split::Train, 1, 1)).unwrap()));
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

/// Tiles: inside the grid, another in each epoch, the values those of the whole grid, statics and truth cut alike.
#[test]
fn tiles_are_parts_of_the_grid() {
    let (_kept, store) = shared();
    let cut = Cut { tile: Some([24, 40]), ..cut(Split::Train, 2, 1) };
    let sampler = Sampler::new(&store, cut).unwrap();
    let selection = Selection::all(&store);
    let mut seen = BTreeSet::new();
    for epoch in 0..2 {
        for place in 0..sampler.len() {
            let index = sampler.sample(epoch, place);
            assert_eq!(index, sampler.sample(epoch, place));
            assert_eq!((index.window.height, index.window.width, index.correction), (24, 40, 1.0));
            seen.insert(index.window);
        }
    }
    assert_eq!(seen, sampler.places().iter().copied().collect(), "every place is drawn");
    let windows = |epoch: u64| (0..20).map(|place| sampler.sample(epoch, place).window).collect::<Vec<_>>();
    assert_ne!(windows(0), windows(1));
    let index = sampler.sample(1, 5);
    let sample = load(&store, &index, &selection).unwrap();
    let (rows, columns) = (index.window.row, index.window.column);
    let whole = store.read("t", index.inputs[1]).unwrap();
    let part = whole.slice(ndarray::s![.., rows..rows + 24, columns..columns + 40]);
    assert_eq!(sample.inputs["t"].index_axis(Axis(0), 1), part);
    let orog = store.read("orog", 0).unwrap();
    assert_eq!(sample.statics["orog"], orog.slice(ndarray::s![0, rows..rows + 24, columns..columns + 40]));
    let batch = load_batch(&store, &sampler.batch(4, 2), &selection).unwrap();
    assert_eq!(batch.inputs["z"].dim(), (4, 2, 3, 24, 40));
    assert_eq!(batch.windows.len(), 4);
    for (wrong, words) in [([65, 24], "does not fit"), ([0, 24], "no tile")] {
        let error = Sampler::new(&store, Cut { tile: Some(wrong), ..cut }).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// A window of a store whose tiles do not divide the grid is what the whole field has there.
#[test]
fn windows_reach_over_inner_chunks() {
    let (_kept, store) = shared();
    let whole = store.read("t", 7).unwrap();
    for (row, column, height, width) in [(0, 0, 64, 64), (3, 5, 7, 9), (63, 0, 1, 64), (10, 60, 54, 4)] {
        let window = Window { row, column, height, width };
        let part = store.window("t", 7, window).unwrap();
        assert_eq!(*part, whole.slice(ndarray::s![.., row..row + height, column..column + width]));
    }
    for outside in [
        Window { row: 60, column: 0, height: 5, width: 5 },
        Window { row: 0, column: 0, height: 0, width: 1 },
    ] {
        assert!(store.window("t", 7, outside).unwrap_err().to_string().contains("does not hold"));
    }
    let far = Window { row: usize::MAX, column: 0, height: 2, width: 2 };
    assert!(store.window("t", 7, far).is_err());
}

/// Coarser samples are the means of blocks, of inputs, truth and statics.
#[test]
fn a_coarser_sample_is_made_of_blocks() {
    let (_kept, store) = shared();
    let cut = Cut { tile: Some([16, 16]), factor: 2, ..cut(Split::Train, 1, 1) };
    let sampler = Sampler::new(&store, cut).unwrap();
    let index = sampler.sample(0, 0);
    let sample = load(&store, &index, &Selection::all(&store)).unwrap();
    assert_eq!(sample.inputs["t"].dim(), (1, 3, 16, 16));
    let whole = store.read("t", index.inputs[0]).unwrap();
    let (row, column) = (2 * (index.window.row + 3), 2 * (index.window.column + 4));
    let block = whole.slice(ndarray::s![1, row..row + 2, column..column + 2]);
    let mean = block.iter().map(|value| f64::from(*value)).sum::<f64>() / 4.0;
    assert!((f64::from(sample.inputs["t"][(0, 1, 3, 4)]) - mean).abs() < 1e-4);
}

/// Ranks share a batch without seeing one sample twice; what a rank gets depends on nothing but its number.
#[test]
fn ranks_share_a_batch() {
    let (_kept, store) = shared();
    let sampler = Sampler::new(&store, cut(Split::Train, 2, 3)).unwrap();
    for number in [0, 1, 5, 9] {
        let whole = sampler.batch(12, number);
        let shared: Vec<_> = (0..3).flat_map(|rank| sampler.batch_of_rank(4, number, rank, 3)).collect();
        assert_eq!(shared, whole);
    }
}

/// One thread or eight: the same batches; stopped anywhere and started again: the next batch.
#[test]
fn batches_depend_on_their_numbers_only() {
    let (_kept, store) = shared();
    let cut = Cut { tile: Some([16, 24]), ..cut(Split::Train, 2, 1) };
    let sampler = Arc::new(Mix::from(Sampler::new(&store, cut).unwrap()));
    let selection = Selection::all(&store);
    let run = |workers: usize, numbers: std::ops::Range<u64>| -> Vec<super::super::sample::Batch> {
        let ahead = Ahead { workers, batches: 8 };
        let (store, sampler) = (Arc::clone(&store), Arc::clone(&sampler));
        let batches = Prefetch::new(store, sampler, selection.clone(), 3, numbers, ahead).unwrap();
        batches.map(Result::unwrap).collect()
    };
    let one = run(1, 0..20);
    assert_eq!(one.len(), 20);
    assert_eq!(run(8, 0..20), one);
    for stop in [1, 7, 19] {
        let mut resumed = run(2, 0..stop);
        resumed.extend(run(5, stop..20));
        assert_eq!(resumed, one);
    }
}

/// Samples with strong echo are drawn as often as is asked, and their correction tells how rare they are.
#[test]
fn favoured_samples_come_as_often_as_asked() {
    let (_kept, store) = shared();
    let cut = Cut { tile: Some([16, 16]), ..cut(Split::Train, 1, 1) };
    let plain = Sampler::new(&store, cut).unwrap();
    let strong = |time: usize| {
        let echo = store.read("refc", time)?;
        let plane = echo.index_axis(Axis(0), 0).mapv(|echo| f32::from(u8::from(echo >= 57.0)));
        Ok(favour::Blocks::of(&plane))
    };
    let held = Held::new(("echo", 0.7), plain.steps(), plain.places(), 1, strong).unwrap();
    let occurrence = held.occurrence();
    assert!((0.01..0.6).contains(&occurrence), "{occurrence}");
    let sampler = Sampler::new(&store, cut).unwrap().favouring(vec![held]).unwrap();
    let (mut held, mut all) = (0, 0);
    for epoch in 0..20 {
        for place in 0..sampler.len() {
            let index = sampler.sample(epoch, place);
            let echo = store.window("refc", index.targets[0], index.window).unwrap();
            let has = echo.iter().any(|echo| *echo >= 57.0);
            assert_eq!(has, (index.correction - occurrence / 0.7).abs() < 1e-12, "{index:?}");
            held += usize::from(has);
            all += 1;
        }
    }
    // Four standard deviations of a binomial count.
    let share = held as f64 / all as f64;
    assert!((share - 0.7).abs() < 4.0 * (0.21 / all as f64).sqrt(), "{share}");
}

/// Several scales in one phase: every batch has one, as often as its share says, whatever batches were asked for before it;
/// and an epoch still visits every time once.
#[test]
fn scales_take_turns_by_their_shares() {
    let (_kept, store) = shared();
    let at = |factor, tile| {
        let cut = Cut { shuffled: true, seed: 5, tile: Some(tile), factor, ..cut(Split::Train, 2, 1) };
        Sampler::new(&store, cut).unwrap()
    };
    let mix = || Mix::from(at(1, [32, 32])).and(1.0 / 3.0, at(2, [32, 32])).and(0.25, at(4, [16, 16]));
    let (one, other) = (mix(), mix());
    let mut counts = [0; 3];
    for number in (0..4000).rev() {
        let batch = one.batch(4, number);
        assert_eq!(batch, other.batch(4, number));
        let factor = batch[0].factor;
        assert!(batch.iter().all(|sample| sample.factor == factor));
        counts[factor.ilog2() as usize] += 1;
    }
    // Halves, quarters, quarters; five standard deviations of a binomial count.
    for (count, share) in counts.into_iter().zip([0.5_f64, 0.25, 0.25]) {
        let (mean, spread) = (4000.0 * share, (4000.0 * share * (1.0 - share)).sqrt());
        assert!((f64::from(count) - mean).abs() < 5.0 * spread, "{counts:?}");
    }
    let alone = at(1, [32, 32]);
    let mut times: Vec<Timestamp> = (0..one.batches(4) as u64)
        .flat_map(|number| one.batch(4, number))
        .map(|sample| sample.time)
        .collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), one.batches(4) * 4);
    assert_eq!((one.len(), one.batches(4)), (alone.len(), alone.batches(4)));
    let coarse = (0..).map(|number| one.batch(4, number)).find(|batch| batch[0].factor == 4).unwrap();
    let loaded = load_batch(&store, &coarse, &Selection::all(&store)).unwrap();
    assert_eq!(loaded.inputs["t"].dim(), (4, 2, 3, 16, 16));
    let fine = store.read("t", coarse[1].inputs[1]).unwrap();
    let mean = fine.slice(ndarray::s![2, 0..4, 4..8]).mean().unwrap();
    assert!((loaded.inputs["t"][(1, 1, 2, 0, 1)] - mean).abs() < 1e-3);
}
