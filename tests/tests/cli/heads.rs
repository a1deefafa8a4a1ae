//! Heads, quantiles, and fields that are predicted only or fed only, on the whole road: train, evaluate, predict.

use std::collections::BTreeMap;

use aurora_runtime::data::store::Store;
use aurora_tests::Place;
use serde_json::Value;

use super::files::{ATMOSPHERE, File};

const RECIPE: &str = include_str!("../../cli/heads.aurora");

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn heads_are_trained_judged_and_forecast() {
    let place = Place::tiny();
    place.write("heads.aurora", RECIPE);
    let store = place.done(&["data", "prepare", "heads.aurora"]).stdout;
    place.done(&["train", "heads.aurora"]);
    let files = place.files("runs");
    let run = format!("runs/{}", files.iter().find(|path| path.ends_with("/0")).expect("a run"));

    let events = lines(&place.text(&format!("{run}/events.jsonl")));
    let steps: Vec<&Value> = events.iter().filter(|event| event["event"] == "step").collect();
    assert_eq!(steps.len(), 4);
    for part in ["crps(refc)", "crps(refc) when", "mae(uh)", "mae(refc)", "mae(t)"] {
        assert!(steps.iter().all(|step| step["parts"][part].as_f64().is_some_and(f64::is_finite)), "{part}");
    }
    // The score of a distribution is at most the error of its median, and less where the distribution has a width.
    for step in &steps {
        let part = |name: &str| step["parts"][name].as_f64().expect("a number");
        assert!(part("crps(refc)") < part("mae(refc)"), "{step}");
    }

    // Only the heads have learnt, and all of their weights have.
    let weights = |step: usize| -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
        File::read(&place.path(&format!("{run}/checkpoints/step-{step:08}/weights.safetensors"))).tensors
    };
    let (before, after) = (weights(3), weights(4));
    for (name, (_, old)) in &before {
        let moved = old != &after[name].1;
        assert_eq!(moved, name.starts_with("heads."), "{name}");
    }

    let rows = lines(&place.text(&format!("{run}/scores.jsonl")));
    let has = |score: &str, field: &str| {
        rows.iter().any(|row| {
            row["score"] == score
                && row["variable"] == field
                && row["forecasts"]["model"].as_f64().is_some_and(f64::is_finite)
        })
    };
    assert!(has("rmse", "uh") && has("rmse", "t2m"), "{rows:?}");

    let store = Store::open(&place.path(store.trim_end())).expect("a store");
    let surface = [("t2m", "2t"), ("refc", "refc"), ("msl", "msl")];
    File::from_store(&store, &[2], &surface, &ATMOSPHERE).write(&place.path("in.safetensors"));
    place.done(&[
        "predict",
        "heads.aurora",
        "--checkpoint",
        &run,
        "--input",
        "in.safetensors",
        "--output",
        "out.safetensors",
    ]);
    let forecast = File::read(&place.path("out.safetensors")).tensors;
    for name in ["surf.uh", "surf.refc", "surf.2t", "atmos.q"] {
        let values = forecast.iter().find(|(key, _)| key.ends_with(name)).map(|(_, (_, values))| values);
        assert!(values.is_some_and(|values| values.iter().all(|value| value.is_finite())), "{name}");
    }
    assert!(forecast.keys().all(|key| !key.ends_with("msl")), "{:?}", forecast.keys());
}
