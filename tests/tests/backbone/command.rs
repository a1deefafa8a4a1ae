//! Training by the command: what the machine's settings must not change, and phases of low-rank updates.

use aurora_runtime::model::checkpoint::read_safetensors;
use aurora_tests::{Place, SITE, TINY};
use serde_json::Value;

/// `recompute` and `micro_batch` of site.toml are the machine's affair: each step has the same loss and the same
/// gradient, a mean over the points where a condition holds included. The first steps are compared; rounding grows
/// with every step.
#[test]
fn settings_of_the_machine_change_no_result() {
    let train = |settings: &str| {
        let place = Place::tiny();
        let loss = "mae(prognostic) + mae(refc, when = truth(refc) >= 30 dBZ)";
        place.write("tiny.aurora", TINY.replace("mae(prognostic)", loss));
        place.write("site.toml", format!("{SITE}{settings}"));
        place.done(&["train", "tiny.aurora"]);
        let events = place.files("runs").into_iter().find(|path| path.ends_with("events.jsonl")).unwrap();
        let text = place.text(&format!("runs/{events}"));
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let steps = events.filter(|event| event["event"] == "step");
        steps.map(|step| (step["loss"].as_f64().unwrap(), step["gradient_norm"].as_f64().unwrap())).collect()
    };
    let plain: Vec<(f64, f64)> = train("");
    assert!(plain.len() >= 3);
    for settings in ["recompute = true\n", "micro_batch = 1\n"] {
        let other: Vec<(f64, f64)> = train(settings);
        assert_eq!(other.len(), plain.len());
        for (step, (one, two)) in plain.iter().zip(&other).take(3).enumerate() {
            let off = ((one.0 - two.0) / one.0).abs().max(((one.1 - two.1) / one.1).abs());
            assert!(off < 1e-4, "{settings} step {step}: {one:?} {two:?}");
        }
    }
}

/// A phase that learns by low-rank updates changes nothing but the two matrices of attention, each by a matrix of
/// that rank, and what it leaves has the plan's names. Taken up again within the phase it ends with the same bytes.
#[test]
fn low_rank_updates_are_learnt_and_folded_in() {
    let (first, second) = TINY.split_once("phase second").unwrap();
    let second = second.replacen("train       new", "train       backbone by lora(rank = 2, alpha = 4)", 1);
    let place = Place::tiny();
    place.write("tiny.aurora", format!("{first}phase second{second}"));
    place.write("site.toml", "threads = 2\ncheckpoint_seconds = 3600.0\n");
    place.done(&["train", "tiny.aurora"]);
    let steps = checkpoints(&place);
    let [before, after] = &steps[..] else { panic!("one at the end of each phase: {steps:?}") };
    let read =
        |folder: &str| read_safetensors(&place.path(&format!("{folder}/weights.safetensors"))).unwrap();
    let (old, new) = (read(before), read(after));
    assert_eq!(old.keys().collect::<Vec<_>>(), new.keys().collect::<Vec<_>>());
    let mut changed = 0;
    for (name, old) in &old {
        let new = &new[name];
        if !name.contains(".attn.") || !name.ends_with(".weight") {
            assert_eq!(old.values, new.values, "{name}");
            continue;
        }
        let width = old.shape[1];
        let change: Vec<f64> =
            new.values.iter().zip(&old.values).map(|(new, old)| f64::from(new - old)).collect();
        let rows: Vec<Vec<f64>> = change.chunks(width).map(<[f64]>::to_vec).collect();
        let size = norm(&change);
        assert!(size > 0.0, "{name} did not learn");
        // What is left after two rows are taken out of the others is the rounding of the sum in f32.
        let left = without(&without(&rows));
        assert!(norm(&left.concat()) < 1e-2 * size, "{name}: {:e} of {size:e}", norm(&left.concat()));
        changed += 1;
    }
    assert_eq!(changed, old.keys().filter(|name| name.ends_with(".attn.qkv.weight")).count() * 2);
    // Once more, with a checkpoint at every step, from the newest that lies within the second phase.
    let again = Place::tiny();
    again.write("tiny.aurora", place.read("tiny.aurora"));
    again.done(&["train", "tiny.aurora"]);
    let last = checkpoints(&again).pop().unwrap();
    let whole = again.read(&format!("{last}/weights.safetensors"));
    assert_eq!(whole, place.read(&format!("{after}/weights.safetensors")));
    std::fs::remove_dir_all(again.path(&last)).unwrap();
    let within = checkpoints(&again).pop().unwrap();
    let inside = read_safetensors(&again.path(&format!("{within}/weights.safetensors"))).unwrap();
    assert!(inside.keys().any(|name| name.ends_with("lora_qkv.loras.0.lora_B")));
    again.done(&["train", "tiny.aurora"]);
    assert_eq!(whole, again.read(&format!("{last}/weights.safetensors")));
}

/// Folders of a run's checkpoints, oldest first.
fn checkpoints(place: &Place) -> Vec<String> {
    let names = place
        .files("runs")
        .into_iter()
        .filter(|path| path.rsplit('/').next().is_some_and(|name| name.starts_with("step-")));
    names.map(|name| format!("runs/{name}")).collect()
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// The rows without their parts along the longest of them: a matrix of one rank less.
fn without(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let longest = rows.iter().max_by(|one, two| norm(one).total_cmp(&norm(two))).unwrap().clone();
    let dot = |one: &[f64]| one.iter().zip(&longest).map(|(one, two)| one * two).sum::<f64>();
    let squared = dot(&longest).max(f64::MIN_POSITIVE);
    let less = |row: &Vec<f64>| {
        let share = dot(row) / squared;
        row.iter().zip(&longest).map(|(value, along)| value - share * along).collect()
    };
    rows.iter().map(less).collect()
}
