//! What happens when things break: kills, signals, damaged files, two processes, full disks. And that the same
//! seed gives the same bytes.

#![cfg(unix)]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use aurora_tests::{Place, Random, Running, SITE, TINY, aurorac, run};

/// Random kills of a training.
const KILLS: usize = 20;

/// A finished run, trained once without interruption.
struct Finished {
    place: Place,
    /// Folder of the run, relative to the place.
    run: String,
    /// The newest checkpoint, likewise.
    checkpoint: String,
    /// How long it took.
    seconds: Duration,
}

fn finished() -> &'static Finished {
    static DONE: OnceLock<Finished> = OnceLock::new();
    DONE.get_or_init(|| {
        let place = Place::tiny();
        place.done(&["data", "prepare", "tiny.aurora"]);
        let began = Instant::now();
        place.done(&["train", "tiny.aurora"]);
        let seconds = began.elapsed();
        let run = run_of(&place, "0");
        let checkpoint = newest(&place, &run);
        println!("a training without interruption takes {seconds:.1?}");
        Finished { place, run, checkpoint, seconds }
    })
}

/// A place with the store already prepared.
fn prepared() -> Place {
    let place = Place::tiny();
    copy(&finished().place.path("build"), &place.path("build"));
    place
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let status = Command::new("cp").arg("-r").args([from, to]).status().expect("cp runs");
    assert!(status.success());
}

fn run_of(place: &Place, seed: &str) -> String {
    let folders = place.files("runs");
    let run = folders.iter().find(|path| path.starts_with("tiny-") && path.ends_with(&format!("/{seed}")));
    format!("runs/{}", run.unwrap_or_else(|| panic!("no run of seed {seed}: {folders:?}")))
}

fn checkpoints(place: &Place, run: &str) -> Vec<String> {
    let files = place.files(&format!("{run}/checkpoints"));
    files.into_iter().filter(|name| !name.contains('/')).collect()
}

fn newest(place: &Place, run: &str) -> String {
    let last = checkpoints(place, run).into_iter().rfind(|name| name.starts_with("step-"));
    format!("{run}/checkpoints/{}", last.expect("a checkpoint"))
}

fn steps_of(name: &str) -> usize {
    name.rsplit_once("step-").and_then(|(_, steps)| steps.parse().ok()).expect("a checkpoint's name")
}

/// Nothing half-made below a folder.
fn tidy(place: &Place, folder: &str) {
    let left: Vec<String> = place
        .files(folder)
        .into_iter()
        .filter(|path| {
            [".writing-", ".replaced-", ".aurorac-building-", ".tmp"].iter().any(|p| path.contains(p))
        })
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// The run's results are those of the run without interruption, byte for byte.
fn same_results(place: &Place) {
    let done = finished();
    tidy(place, &done.run);
    assert_eq!(newest(place, &done.run), done.checkpoint);
    for name in ["weights.safetensors", "optimiser.safetensors", "state.json"] {
        let path = format!("{}/{name}", done.checkpoint);
        assert!(place.read(&path) == done.place.read(&path), "{name} differs");
    }
    for name in ["scores.jsonl", "maps.json", "report.html"] {
        let path = format!("{}/{name}", done.run);
        assert!(place.read(&path) == done.place.read(&path), "{name} differs");
    }
}

/// The steps that `events.jsonl` says are safe on disk.
fn announced(place: &Place, run: &str) -> usize {
    let text = fs::read_to_string(place.path(&format!("{run}/events.jsonl"))).unwrap_or_default();
    let events = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let saved = events.filter(|event| event["event"] == "checkpoint");
    saved.filter_map(|event| event["step"].as_u64()).max().unwrap_or(0) as usize
}

#[test]
fn killed_at_random_moments_it_resumes_and_ends_with_the_same_bytes() {
    let done = finished();
    let place = prepared();
    let mut random = Random(20);
    let (mut kills, mut resumed, mut ends, mut while_saving) = (0, 0, 0, 0);
    let began = Instant::now();
    while kills < KILLS {
        let safe = announced(&place, &done.run);
        let mut running = place.start(&["train", "tiny.aurora"]);
        std::thread::sleep(done.seconds.mul_f64(0.05 + 0.75 * random.unit()));
        running.kill();
        let said = running.end();
        // It had come to its end by itself: a process that is being taken down can't be killed any more.
        if said.status.signal() != Some(9) {
            assert_eq!(said.status.code(), Some(0), "{said:#?}");
            same_results(&place);
            ends += 1;
            fs::remove_dir_all(place.path("runs")).expect("removed");
            continue;
        }
        kills += 1;
        if safe > 0 {
            let begins = said.stderr.lines().find_map(|line| line.strip_prefix("resuming after step "));
            // Killed before it came so far, or after the last step.
            if let Some(step) = begins {
                assert!(step.parse::<usize>().expect("a number") >= safe, "{said:#?}");
                resumed += 1;
            }
        }
        if place.files(&done.run).iter().any(|path| path.contains(".writing-") || path.contains(".replaced-"))
        {
            while_saving += 1;
        }
        for name in checkpoints(&place, &done.run).iter().filter(|name| name.starts_with("step-")) {
            let folder = format!("{}/checkpoints/{name}", done.run);
            assert_eq!(place.files(&folder).len(), 3, "{name} is not whole");
        }
    }
    place.done(&["train", "tiny.aurora"]);
    same_results(&place);
    println!(
        "{kills} kills ({while_saving} while writing), {resumed} resumed, {} ends with equal bytes, {:.1?}",
        ends + 1,
        began.elapsed()
    );
    assert!(resumed >= KILLS / 4, "too few of the kills came while training");
}

#[test]
fn signals_leave_a_checkpoint_and_their_code() {
    let done = finished();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let place = prepared();
        place.write("site.toml", "threads = 2\ncheckpoint_seconds = 1e6\n");
        let events = place.path(&format!("{}/events.jsonl", done.run));
        let mut running = place.start(&["train", "tiny.aurora"]);
        let began = running.until(|| fs::read_to_string(&events).is_ok_and(|text| text.lines().count() >= 3));
        assert!(began && running.signal(signal));
        let said = running.end();
        assert_eq!(said.status.code(), Some(code), "{said:#?}");
        assert!(said.stderr.contains("the same command goes on from here"), "{said:#?}");
        let saved = steps_of(&newest(&place, &done.run));
        assert!(saved >= 3 && saved < steps_of(&done.checkpoint), "{saved}");
        tidy(&place, "runs");
        let said = place.done(&["train", "tiny.aurora"]);
        assert!(said.stderr.contains(&format!("resuming after step {saved}\n")), "{said:#?}");
        same_results(&place);
    }
}

#[test]
fn signals_during_preparation_leave_no_whole_store() {
    for word in [&["data", "prepare", "long.aurora"][..], &["train", "long.aurora"]] {
        let place = Place::tiny();
        place.write("long.aurora", TINY.replacen("2020-05-01T00:00Z", "2020-01-01T00:00Z", 1));
        let mut running = place.start(word);
        assert!(running.until(|| place.files("build").iter().any(|path| path.ends_with(".jsonl"))));
        assert!(running.signal("INT"));
        let said = running.end();
        assert_eq!(said.status.code(), Some(130), "{said:#?}");
        said.no_panic();
        tidy(&place, "build");
        // What is there is kept, and does not pass for a whole store.
        assert!(!place.files("build/data").iter().any(|path| path.ends_with("inventory.json")));
    }
}

/// A preparation that was killed goes on with the next one, and nothing of it lies about
/// when that is done.
#[test]
fn a_killed_preparation_goes_on_and_leaves_nothing_behind() {
    let place = Place::tiny();
    let mut running = place.start(&["data", "prepare", "tiny.aurora"]);
    assert!(running.until(|| place.files("build").iter().any(|path| path.ends_with(".jsonl"))));
    running.kill();
    running.end();
    place.done(&["data", "prepare", "tiny.aurora"]);
    assert!(!place.files("build").iter().any(|path| path.contains("writing")));
    tidy(&place, "build");
}

#[test]
fn a_signal_during_evaluation_writes_no_scores() {
    let place = prepared();
    // Many starts, so that the evaluation takes a while.
    place.write("tiny.aurora", TINY.replace("2020-06-06T07:00Z", "2020-06-09T07:00Z"));
    place.done(&["data", "prepare", "tiny.aurora"]);
    let mut running = place.start(&["train", "tiny.aurora"]);
    let runs = |place: &Place| place.files("runs").into_iter().find(|path| path.ends_with("/0"));
    assert!(running.until(|| {
        runs(&place).is_some_and(|run| {
            let files = place.files(&format!("runs/{run}/checkpoints"));
            let newest = files.iter().rfind(|name| name.ends_with("/state.json"));
            newest.is_some_and(|name| {
                let text = fs::read_to_string(place.path(&format!("runs/{run}/checkpoints/{name}")));
                text.is_ok_and(|text| text.contains("\"finished\": true"))
            })
        })
    }));
    assert!(running.signal("TERM"));
    let said = running.end();
    assert_eq!(said.status.code(), Some(143), "{said:#?}");
    let run = format!("runs/{}", runs(&place).expect("a run"));
    assert_eq!(said.stdout, "");
    tidy(&place, &run);
    assert!(!place.path(&format!("{run}/scores.jsonl")).exists());
    assert!(!place.path(&format!("{run}/report.html")).exists());
    let said = place.done(&["evaluate", "tiny.aurora"]);
    assert!(said.stdout.contains("RMSE"), "{said:#?}");
    assert!(place.path(&format!("{run}/scores.jsonl")).exists());
}

#[test]
fn a_spoilt_newest_checkpoint_is_passed_over() {
    let done = finished();
    type Spoil = fn(&std::path::Path);
    let spoil: [(&str, Spoil); 5] = [
        ("deleted", |folder| fs::remove_dir_all(folder).expect("removed")),
        ("a bit of the weights", |folder| flip(&folder.join("weights.safetensors"), 5000)),
        ("a bit of the optimiser", |folder| flip(&folder.join("optimiser.safetensors"), 5000)),
        ("a digit of the state", |folder| {
            let path = folder.join("state.json");
            let text = fs::read_to_string(&path).expect("state");
            let changed = text.replacen("\"seed\": 0", "\"seed\": 1", 1);
            assert_ne!(text, changed);
            fs::write(path, changed).expect("written");
        }),
        ("cut short", |folder| {
            let path = folder.join("weights.safetensors");
            let bytes = fs::read(&path).expect("weights");
            fs::write(path, &bytes[..bytes.len() / 2]).expect("written");
        }),
    ];
    for (what, spoil) in spoil {
        let place = prepared();
        copy(&done.place.path("runs"), &place.path("runs"));
        let before = checkpoints(&place, &done.run);
        assert_eq!(before.len(), 2, "{before:?}");
        spoil(&place.path(&done.checkpoint));
        let said = place.done(&["train", "tiny.aurora"]);
        let previous = steps_of(&before[0]);
        assert!(said.stderr.contains(&format!("resuming after step {previous}\n")), "{what}: {said:#?}");
        if what != "deleted" {
            assert!(said.stderr.contains("cannot be used"), "{what}: {said:#?}");
            assert!(said.stderr.contains("looking for the one before it"), "{what}: {said:#?}");
        }
        same_results(&place);
    }
}

fn flip(path: &std::path::Path, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    let at = at % bytes.len();
    bytes[at] ^= 4;
    fs::write(path, bytes).expect("written");
}

#[test]
fn a_second_process_is_refused() {
    let place = prepared();
    let run = &finished().run;
    let lock = place.path(&format!("{run}/events.jsonl"));
    let mut first = place.start(&["train", "tiny.aurora"]);
    assert!(first.until(|| lock.exists()));
    let sentence = place.refused(&["train", "tiny.aurora"]);
    assert!(sentence.contains("another process is training in"), "{sentence}");
    assert_eq!(first.end().status.code(), Some(0));
    same_results(&place);
}

#[test]
fn a_run_of_another_recipe_or_seed_is_refused_and_kept() {
    let done = finished();
    let place = prepared();
    copy(&done.place.path("runs"), &place.path("runs"));
    let before = listing(&place, &done.run);
    fs::rename(place.path(&done.run), place.path(&done.run.replace("/0", "/7"))).expect("moved");
    let run = done.run.replace("/0", "/7");
    let sentence = place.refused(&["train", "tiny.aurora", "--seed", "7"]);
    assert!(sentence.contains("another experiment (seed 0)"), "{sentence}");
    assert_eq!(listing(&place, &run), before);

    place.write("tiny.aurora", TINY.replace("2e-3 -> 1e-3", "2e-3 -> 9e-4"));
    let other = place.done(&["build", "tiny.aurora"]).stdout;
    let folder = other.trim_end().rsplit_once('/').expect("a folder").1.to_string();
    fs::create_dir_all(place.path(&format!("runs/{folder}"))).expect("made");
    let moved = format!("runs/{folder}/0");
    fs::rename(place.path(&run), place.path(&moved)).expect("moved");
    for word in ["train", "evaluate"] {
        let sentence = place.refused(&[word, "tiny.aurora"]);
        assert!(sentence.contains("recipe "), "{sentence}");
    }
    assert_eq!(listing(&place, &moved), before);
}

/// Paths with digests of what they hold, locks aside.
fn listing(place: &Place, folder: &str) -> Vec<(String, Vec<u8>)> {
    let files = place.files(folder).into_iter().filter(|path| !path.ends_with(".lock"));
    files
        .map(|path| (path.clone(), fs::read(place.path(&format!("{folder}/{path}"))).unwrap_or_default()))
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let place = Place::tiny();
    place.done(&["train", "tiny.aurora"]);
    same_results(&place);
    let scores = place.read(&format!("{}/scores.jsonl", finished().run));
    place.done(&["evaluate", "tiny.aurora"]);
    place.done(&["report", "tiny.aurora"]);
    same_results(&place);
    place.done(&["train", "tiny.aurora", "--seed", "1"]);
    let other = run_of(&place, "1");
    assert!(place.read(&format!("{other}/scores.jsonl")) != scores, "the seed does nothing");
}

/// A talk nobody reads must not end a training.
#[test]
fn a_closed_stderr_does_not_matter() {
    let place = prepared();
    let script =
        format!("{} train tiny.aurora 2>&1 >out.txt | true; exit ${{PIPESTATUS[0]}}", aurorac().display());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(place.path(""));
    let said = run(command);
    assert_eq!(said.status.code(), Some(0), "{said:#?}");
    same_results(&place);
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let place = prepared();
    place.write("file", "in the way");
    place.write("site.toml", format!("{SITE}runs = \"file\"\n"));
    let sentence = place.refused(&["train", "tiny.aurora"]);
    assert!(sentence.contains("cannot write file/tiny-"), "{sentence}");
    place.write("site.toml", format!("{SITE}stores = \"file/stores\"\n"));
    let said = place.run(&["data", "prepare", "tiny.aurora"]);
    let sentence = said.stderr.lines().last().unwrap_or_default();
    assert!(said.status.code() == Some(1) && sentence.contains("file/stores"), "{said:#?}");
    assert_eq!(place.text("file"), "in the way");
    let place = Place::tiny();
    place.write("build", "in the way");
    let sentence = place.refused(&["build", "tiny.aurora"]);
    assert!(sentence.contains("build/tiny-"), "{sentence}");
}

/// `RLIMIT_FSIZE` stands for the full disk: no file may grow beyond so many blocks of 1024 bytes.
fn limited(place: &Place, blocks: usize, arguments: &str) -> Running {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {} {arguments}", aurorac().display());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(place.path(""));
    Running::new(command)
}

#[test]
fn a_full_disk_loses_nothing() {
    let done = finished();
    let place = prepared();
    copy(&done.place.path("runs"), &place.path("runs"));
    // So that there is something left to train.
    fs::remove_dir_all(place.path(&done.checkpoint)).expect("removed");
    let before = checkpoints(&place, &done.run);
    let said = limited(&place, 64, "train tiny.aurora").end();
    let sentence = said.stderr.lines().last().unwrap_or_default();
    assert_eq!(said.status.code(), Some(1), "{said:#?}");
    said.no_panic();
    assert!(sentence.starts_with("error: ") && sentence.contains("checkpoints/step-"), "{said:#?}");
    assert!(sentence.to_lowercase().contains("file too large"), "{said:#?}");
    assert_eq!(checkpoints(&place, &done.run), before);
    place.done(&["train", "tiny.aurora"]);
    same_results(&place);

    let place = Place::tiny();
    let said = limited(&place, 64, "data prepare tiny.aurora").end();
    assert_eq!(said.status.code(), Some(1), "{said:#?}");
    said.no_panic();
    tidy(&place, "build");
    place.done(&["data", "prepare", "tiny.aurora"]);
}

/// A store that may only be read is enough for training and evaluation.
#[test]
fn a_read_only_store_is_enough() {
    let place = prepared();
    let rights = |mode: &str| {
        let status = Command::new("chmod").args(["-R", mode]).arg(place.path("build")).status();
        assert!(status.expect("chmod runs").success());
    };
    rights("a-w");
    let said = place.run(&["train", "tiny.aurora"]);
    rights("u+w");
    assert_eq!(said.status.code(), Some(0), "{said:#?}");
    same_results(&place);
}

/// A chunk that was damaged on disk is named.
#[test]
fn a_damaged_store_is_named() {
    let place = prepared();
    let chunk = place
        .files("build")
        .into_iter()
        .find(|path| path.contains("/t/c/") && place.path(&format!("build/{path}")).is_file());
    let chunk = place.path(&format!("build/{}", chunk.expect("a chunk")));
    let size = fs::metadata(&chunk).expect("its size").len() as usize;
    flip(&chunk, size / 3);
    let said = place.run(&["train", "tiny.aurora"]);
    let sentence = said.stderr.lines().last().unwrap_or_default();
    assert_eq!(said.status.code(), Some(1), "{said:#?}");
    said.no_panic();
    assert!(sentence.contains("`t` cannot be read from"), "{said:#?}");
}
