//! Training stores: killed, shared, damaged, told and removed.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use aurora_compiler::lock::LockFile;
use aurora_runtime::data::store::Store;
use aurora_tests::{Place, Random, TINY};
use serde_json::Value;

/// Every file of a store with its bytes, journals aside: their lines come as fields are done.
fn content(place: &Place, store: &str) -> BTreeMap<String, Vec<u8>> {
    let own = place
        .files(store)
        .into_iter()
        .filter(|file| !file.starts_with(".aurorac/times") && place.path(store).join(file).is_file());
    own.map(|file| (file.clone(), place.read(&format!("{store}/{file}")))).collect()
}

/// Eight days in eight stretches.
fn long() -> Place {
    let place = Place::tiny();
    train_until(&place, 8);
    place
}

/// What those are when they are prepared by one process that is left alone.
struct Whole {
    store: String,
    content: BTreeMap<String, Vec<u8>>,
    lock: String,
}

fn whole() -> &'static Whole {
    static WHOLE: OnceLock<Whole> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let place = long();
        let store = place.done(&["data", "prepare", "tiny.aurora"]).stdout.trim_end().to_string();
        Whole { content: content(&place, &store), lock: place.text("aurora.lock"), store }
    })
}

/// Training until the end of a day of May.
fn train_until(place: &Place, day: usize) {
    let text = TINY.replace("2020-05-01T15:00Z", &format!("2020-05-{day:02}T23:00Z"));
    place.write("tiny.aurora", text);
}

/// SIGKILL at any moment loses what was being written and nothing else; the end is that of a run that was left alone.
#[test]
fn a_killed_preparation_goes_on() {
    let Whole { store, content: expected, .. } = whole();
    let place = long();
    let mut random = Random(8);
    let mut killed = 0;
    for _ in 0..12 {
        let mut running = place.start(&["data", "prepare", "tiny.aurora"]);
        std::thread::sleep(Duration::from_millis(30 + random.below(250) as u64));
        killed += usize::from(running.running());
        running.kill();
        running.end().no_panic();
        let written = |file: &String| {
            let own = file.contains("/c/") && !file.contains("/.") && !file.starts_with('.');
            own && place.path("build/data").join(file).is_file()
        };
        for file in place.files("build/data").into_iter().filter(written) {
            // A file under its own name is whole.
            let name = file.split_once(".zarr/").expect("in a store").1;
            let bytes = place.read(&format!("build/data/{file}"));
            assert!(expected.get(name) == Some(&bytes), "{file}");
        }
    }
    assert!(killed >= 3, "{killed} of 12 were killed before their end");
    place.done(&["data", "prepare", "tiny.aurora"]);
    assert!(content(&place, store) == *expected);
}

#[test]
fn shares_make_the_store_of_one_process() {
    let whole = whole();
    let place = long();
    let mut running: Vec<_> = [2, 3]
        .iter()
        .map(|part| place.start(&["data", "prepare", "tiny.aurora", "--part", &format!("{part}/3")]))
        .collect();
    for one in running.drain(..) {
        let said = one.end();
        assert!(said.status.success(), "{said:#?}");
    }
    let early = place.refused(&["data", "merge-stats", "tiny.aurora"]);
    assert!(early.contains("stretches of time are not prepared yet") && early.contains("--part"), "{early}");
    let said = place.done(&["data", "prepare", "tiny.aurora", "--part", "1/3"]);
    assert!(said.stderr.contains("share 1 of 3 prepared"), "{said:#?}");
    let merged = place.done(&["data", "merge-stats", "tiny.aurora"]);
    assert_eq!(merged.stdout.trim_end(), whole.store);
    assert!(content(&place, &whole.store) == whole.content);
    assert_eq!(place.text("aurora.lock"), whole.lock);
    assert!(place.done(&["data", "prepare", "tiny.aurora"]).stderr.contains("already whole"));
    for wrong in ["0/3", "4/3", "x", "1/0"] {
        let said = place.run(&["data", "prepare", "tiny.aurora", "--part", wrong]);
        assert!(said.status.code() == Some(2) && said.stderr.contains("I/N"), "{said:#?}");
    }
}

/// A recipe whose training has become longer: what is there is told and not read again, SIGKILL at any moment leaves no store that
/// opens and is not whole, and the end is the store that is made at once. The older one stays until it is removed.
#[test]
fn a_store_grows() {
    let Whole { store, content: expected, lock } = whole();
    let place = Place::tiny();
    train_until(&place, 5);
    let old = place.done(&["data", "prepare", "tiny.aurora"]).stdout.trim_end().to_string();
    let before = content(&place, &old);
    train_until(&place, 8);
    for word in ["verify", "stats"] {
        let early = place.refused(&["data", word, "tiny.aurora"]);
        assert!(early.contains("not prepared yet: aurorac data prepare tiny.aurora"), "{early}");
    }
    let mut random = Random(12);
    let mut killed = 0;
    for _ in 0..10 {
        let mut running = place.start(&["data", "prepare", "tiny.aurora"]);
        std::thread::sleep(Duration::from_millis(20 + random.below(150) as u64));
        killed += usize::from(running.running());
        running.kill();
        running.end().no_panic();
        match Store::open(&place.path(store)) {
            Ok(store) => assert_eq!(store.times().len(), 204),
            Err(error) => assert!(error.to_string().contains("not a whole training store"), "{error}"),
        }
        assert!(content(&place, &old) == before);
        // So that the whole way is gone more than once.
        if place.path(store).join(".aurorac/inventory.json").exists() {
            std::fs::remove_dir_all(place.path(store)).expect("removed");
        }
    }
    assert!(killed >= 3, "{killed} of 10 were killed before their end");
    place.done(&["data", "prepare", "tiny.aurora"]);
    assert!(content(&place, store) == *expected);
    assert_eq!(remembered(&place.text("aurora.lock")), remembered(lock));
    std::fs::remove_dir_all(place.path(store)).expect("removed");
    let said = place.done(&["data", "prepare", "tiny.aurora"]);
    assert!(
        said.stderr.contains("132 of 204 times are there already, 132 of them in other stores"),
        "{said:#?}"
    );
    assert!(content(&place, store) == *expected && content(&place, &old) == before);
    place.done(&["data", "verify", &old]);
    let listed = place.done(&["data", "gc", "--delete"]);
    assert!(
        listed.stdout.lines().any(|line| line.starts_with("removed") && line.contains(&old)),
        "{listed:#?}"
    );
    assert!(!place.path(&old).exists());
    place.done(&["data", "verify", "tiny.aurora"]);
    assert!(content(&place, store) == *expected);
}

/// Shares grow a store as they make one, whichever of them begins, and when one is killed.
#[test]
fn shares_grow_a_store() {
    let Whole { store, content: expected, lock } = whole();
    let place = Place::tiny();
    train_until(&place, 5);
    place.done(&["data", "prepare", "tiny.aurora"]);
    train_until(&place, 8);
    let part = |part: usize| {
        vec!["data".to_string(), "prepare".into(), "tiny.aurora".into(), format!("--part={part}/3")]
    };
    let mut running: Vec<_> = (1..=3).map(|number| place.start(&part(number))).collect();
    std::thread::sleep(Duration::from_millis(60));
    running[1].kill();
    for (number, one) in running.into_iter().enumerate() {
        let said = one.end();
        said.no_panic();
        assert!(number == 1 || said.status.success(), "{said:#?}");
    }
    place.done(&part(2));
    place.done(&["data", "merge-stats", "tiny.aurora"]);
    assert!(content(&place, store) == *expected);
    assert_eq!(remembered(&place.text("aurora.lock")), remembered(lock));
}

/// The statistics in a lock.
fn remembered(lock: &str) -> String {
    let lock = LockFile::read(lock).expect("a lock");
    lock.recipes["tiny"].statistics.to_string()
}

#[test]
fn damage_is_found_and_mended() {
    let place = Place::tiny();
    let store = place.done(&["data", "prepare", "tiny.aurora"]).stdout.trim_end().to_string();
    let before = content(&place, &store);
    let said = place.done(&["data", "verify", "tiny.aurora"]);
    assert!(said.stdout.contains("files are sound"), "{said:#?}");
    let mut bytes = place.read(&format!("{store}/t/c/0/0/0/0"));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    place.write(&format!("{store}/t/c/0/0/0/0"), &bytes);
    std::fs::remove_file(place.path(&format!("{store}/refc/c/0/0/0"))).expect("removed");
    let said = place.run(&["data", "verify", &store]);
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("t/c/0/0/0/0: other bytes than were written"), "{said:#?}");
    assert!(said.stderr.contains("refc/c/0/0/0: No such file"), "{said:#?}");
    let said = place.run(&["data", "verify", "tiny.aurora", "--format", "json"]);
    let found: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(found["damaged"].as_array().map(Vec::len), Some(2), "{found}");
    assert_eq!(place.run(&["data", "verify", "tiny.aurora", "--drop"]).status.code(), Some(1));
    place.done(&["data", "prepare", "tiny.aurora"]);
    assert!(content(&place, &store) == before);
    place.done(&["data", "verify", "tiny.aurora"]);
}

#[test]
fn statistics_are_told_and_remembered() {
    let place = Place::tiny();
    let early = place.refused(&["data", "stats", "tiny.aurora"]);
    assert!(early.contains("aurorac data prepare tiny.aurora"), "{early}");
    place.done(&["data", "prepare", "tiny.aurora"]);
    let table = place.done(&["data", "stats", "tiny.aurora"]).stdout;
    assert!(table.lines().next().is_some_and(|head| head.contains("median")), "{table}");
    let text = place.done(&["data", "stats", "tiny.aurora", "t2m", "--format", "json"]).stdout;
    let rows: Value = serde_json::from_str(&text).expect("JSON");
    let mean = rows[0]["mean"].as_f64().expect("a mean");
    assert!(
        (280.0..310.0).contains(&mean) && rows[0]["quantiles"].as_array().map(Vec::len) == Some(11),
        "{rows}"
    );
    let lock = LockFile::read(&place.text("aurora.lock")).expect("a lock");
    let remembered = &lock.recipes["tiny"].statistics["t2m"]["mean"][0];
    assert_eq!(remembered.as_float(), Some(mean));
    let wrong = place.refused(&["data", "stats", "tiny.aurora", "t3m"]);
    assert!(wrong.contains("`t3m`") && wrong.contains("t2m"), "{wrong}");
}

#[test]
fn stores_that_nothing_uses_are_removed() {
    let place = Place::tiny();
    let old = place.done(&["data", "prepare", "tiny.aurora"]).stdout.trim_end().to_string();
    let text = place.text("tiny.aurora").replace("T15:00Z", "T14:00Z");
    place.write("tiny.aurora", text);
    let new = place.done(&["data", "prepare", "tiny.aurora"]).stdout.trim_end().to_string();
    place.write("build/data/notes.txt", "mine");
    let listed = place.done(&["data", "gc"]);
    let line = |store: &str| listed.stdout.lines().find(|line| line.contains(store)).map(str::to_string);
    assert!(line(&old).is_some_and(|line| line.starts_with("unused")), "{listed:#?}");
    assert!(line(&new).is_some_and(|line| line.starts_with("used")), "{listed:#?}");
    assert!(listed.stderr.contains("`--delete` removes what is unused, which frees"), "{listed:#?}");
    assert!(place.path(&old).exists());
    place.done(&["data", "gc", "--delete"]);
    assert!(!place.path(&old).exists() && place.path(&new).exists());
    assert_eq!(place.text("build/data/notes.txt"), "mine");
    // What a recipe that is wrong would use is not known.
    place.write("other.aurora", "aurora 1.0\nrecipe other \"x\"\nnonsense here\n");
    let refused = place.run(&["data", "gc", "--delete"]);
    assert!(refused.status.code() == Some(1) && place.path(&new).exists(), "{refused:#?}");
}

/// A grid is learnt in tiles, storms more often, then at two scales in turn with strong ones apart, and evaluated in tiles that
/// overlap. Taken up within the second phase, it ends with the same weights.
#[test]
fn tiles_are_trained_and_evaluated() {
    let place = Place::tiny();
    let text = place.text("tiny.aurora");
    let tile = "{\n    tile        32 by 32\n    favour      truth(refc) >= 60 dBZ in 60 % of samples\n";
    let text = text.replace("phase first {\n", &format!("phase first {tile}"));
    let scales = "{\n    tile        32 by 32\n    scale       [12, 24] km weighted [2, 1]\n\
        \n    favour      truth(refc) >= 60 dBZ in 30 % of samples\n    favour      truth(refc) >= 50 dBZ in 40 % of samples\n";
    let text = text.replace("phase second {\n", &format!("phase second {scales}"));
    place.write("tiny.aurora", text.replace("40 steps", "6 steps"));
    let said = place.done(&["train", "tiny.aurora"]);
    assert!(said.stdout.contains("CSI") && !said.stdout.contains("NaN"), "{said:#?}");
    let files = place.files("runs");
    let saved: Vec<String> = files
        .into_iter()
        .filter(|file| file.ends_with("/weights.safetensors"))
        .map(|file| format!("runs/{file}"))
        .collect();
    let [before, last] = &saved[..] else { panic!("{saved:?}") };
    assert!(before.contains("step-00000011") && last.contains("step-00000012"), "{saved:?}");
    let weights = place.read(last);
    assert!(weights != place.read(before));
    std::fs::remove_dir_all(place.path(last).parent().expect("its folder")).expect("removed");
    let said = place.done(&["train", "tiny.aurora"]);
    assert!(said.stderr.contains("resuming after step 11\n"), "{said:#?}");
    assert!(place.read(last) == weights);
}

/// Tiles lie in the region, and what is told of the model is told of it alone. The plains are 64 by 64 points of 12 km about
/// 38.5 degrees north and 97.5 west.
#[test]
fn a_region_is_learnt_and_scored() {
    let scores = |region: &str| {
        let place = Place::tiny();
        let text = place.text("tiny.aurora").replace("data {\n", &format!("data {{\n{region}"));
        let text = text.replace("phase first {\n", "phase first {\n    tile  32 by 32\n");
        let text = text.replace("phase second {\n", "phase second {\n    tile  32 by 32\n");
        place.write("tiny.aurora", text.replace("40 steps", "2 steps"));
        place.done(&["train", "tiny.aurora"]);
        let run =
            place.files("runs").into_iter().find(|path| path.ends_with("/scores.jsonl")).expect("scores");
        let text = place.text(&format!("runs/{run}"));
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>()
    };
    let (everywhere, south) = (scores(""), scores("    region  lat 20 .. 38.5 deg, lon -110 .. -85 deg\n"));
    assert!(everywhere.len() == south.len() && !south.is_empty());
    for (all, part) in everywhere.iter().zip(&south) {
        let points = |row: &Value| row["valid"].as_u64().unwrap_or(0) / row["samples"].as_u64().unwrap_or(1);
        assert_eq!((points(all), all["coverage"].as_f64()), (64 * 64, Some(1.0)));
        assert!(points(part).abs_diff(64 * 32) <= 64 * 3 && part["coverage"] == 1.0, "{part}");
    }
}

/// What a coarser scale cannot be is said before anything is learnt.
#[test]
fn scales_that_do_not_fit_are_refused_at_once() {
    let place = Place::tiny();
    let plain = place.text("tiny.aurora").replace("40 steps", "1 steps");
    let refused = |change: &dyn Fn(&str) -> String| {
        place.write("tiny.aurora", change(&plain));
        let said = place.run(&["train", "tiny.aurora"]);
        assert_eq!(said.status.code(), Some(1), "{said:#?}");
        assert!(!said.stdout.contains("CSI"), "{said:#?}");
        said.stderr
    };
    // 64 points at 12 km are 21 at 36 km.
    let said = refused(&|text| text.replace("phase second {\n", "phase second {\n    scale  [12, 36] km\n"));
    assert!(said.contains("no whole patches of 8") && said.contains("tile"), "{said}");
    let said = refused(&|text| {
        let winds =
            "use std.physics   (g0, wind_x)\n\nderive crossing : index on surface = 1 km / 1 K * ddx(t2m)";
        let text = text.replace("use std.physics   (g0)", winds);
        let text = text
            .replace("loss water   = mae(pwat)", "loss water   = mae(pwat)\nloss fronts  = mae(crossing)");
        let second = "phase second {\n    scale  [12, 24] km\n";
        let text = text.replace("phase second {\n", second);
        text.replace("    minimise    weather\n}", "    minimise    weather + 0.1 * fronts\n}")
    });
    assert!(said.contains("differences between neighbouring points"), "{said}");
}
