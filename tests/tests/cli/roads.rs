//! From a name to an artefact, from an archive to a store, from real WRF output to a forecast.

use std::path::PathBuf;

use aurora_runtime::data::store::Store;
use aurora_tests::{Place, TINY};
use serde_json::Value;

use super::files::File;

#[test]
fn new_recipes_check_and_build_to_equal_bytes() {
    let place = Place::empty();
    assert_eq!(place.done(&["new", "mine"]).stdout, "mine.aurora\n");
    assert!(place.refused(&["new", "mine"]).contains("already there"));
    for name in ["../up", "", "a b", "7up", "-"] {
        assert!(place.run(&["new", name]).status.code().is_some_and(|code| code > 0), "{name}");
    }
    let said = place.done(&["check", "mine.aurora"]);
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", ""));
    let folder = place.done(&["build", "mine.aurora"]).stdout.trim_end().to_string();
    let listing = |folder: &str| -> Vec<(String, Vec<u8>)> {
        place
            .files(folder)
            .into_iter()
            .map(|path| (path.clone(), place.read(&format!("{folder}/{path}"))))
            .collect()
    };
    let first = listing(&folder);
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["graph.json", "kernels.kir", "lock", "plan.json", "recipe.aurora"]);
    assert_eq!(place.done(&["build", "mine.aurora"]).stdout.trim_end(), folder);
    assert!(listing(&folder) == first);
    // The artefact is a recipe itself: it builds to the same folder and the same bytes.
    assert_eq!(place.done(&["build", &folder]).stdout.trim_end(), folder);
    assert!(listing(&folder) == first);
    assert_eq!(place.files("build").iter().filter(|path| !path.contains('/')).count(), 1);

    let plan: Value =
        serde_json::from_str(&place.done(&["plan", "mine.aurora", "--format", "json"]).stdout).expect("JSON");
    assert_eq!(plan["name"], "mine");
    let built: Value = serde_json::from_slice(&place.read(&format!("{folder}/plan.json"))).expect("JSON");
    assert_eq!(plan["hash"], built["hash"]);
    let words = place.done(&["plan", "mine.aurora"]).stdout;
    assert!(words.contains("learn") && !words.contains('\u{1b}'), "{words}");
}

#[test]
fn stores_are_reused_until_something_differs() {
    let place = Place::tiny();
    let first = place.done(&["data", "prepare", "tiny.aurora"]);
    assert!(first.stderr.contains("prepared: "), "{first:#?}");
    let store = first.stdout.trim_end();
    let modified = || std::fs::metadata(place.path(store)).and_then(|m| m.modified()).expect("its time");
    let before = modified();
    let second = place.done(&["data", "prepare", "tiny.aurora"]);
    assert!(second.stderr.contains("already whole") && second.stdout == first.stdout, "{second:#?}");
    assert_eq!(modified(), before);
    let text = place.text("tiny.aurora").replace("T15:00Z", "T14:00Z");
    place.write("tiny.aurora", text);
    let third = place.done(&["data", "prepare", "tiny.aurora"]);
    assert!(third.stderr.contains("prepared: ") && third.stdout != first.stdout, "{third:#?}");
    let said = place.done(&["data", "inspect", store]);
    assert!(said.stdout.contains("refc"), "{said:#?}");
}

#[test]
fn inspect_speaks_of_a_file_made_by_hand() {
    let place = Place::empty();
    place.write("t.nc", classic());
    let said = place.done(&["data", "inspect", "t.nc"]);
    assert!(
        said.stdout.contains('t') && said.stdout.contains("NetCDF") && said.stderr.is_empty(),
        "{said:#?}"
    );
    let json: Value =
        serde_json::from_str(&place.done(&["data", "inspect", "t.nc", "--format", "json"]).stdout)
            .expect("JSON");
    assert!(json.to_string().contains("\"t\""), "{json}");
    place.write("t.nc", &classic()[..40]);
    assert!(place.refused(&["data", "inspect", "t.nc"]).contains("t.nc"));
}

/// A NetCDF classic file with `t(x)` = 1, 2, 3 as float.
fn classic() -> Vec<u8> {
    let word = |value: u32| value.to_be_bytes().to_vec();
    let name = |text: &str| [word(text.len() as u32), text.bytes().chain([0; 3]).take(4).collect()].concat();
    let head = |begin: u32| {
        [
            b"CDF\x01".to_vec(),
            word(0),
            [word(10), word(1), name("x"), word(3)].concat(),
            [word(0), word(0)].concat(),
            [
                word(11),
                word(1),
                name("t"),
                word(1),
                word(0),
                word(0),
                word(0),
                word(5),
                word(12),
                word(begin),
            ]
            .concat(),
        ]
        .concat()
    };
    let mut bytes = head(head(0).len() as u32);
    bytes.extend([1f32, 2.0, 3.0].iter().flat_map(|value| value.to_be_bytes()));
    bytes
}

/// Real model output: `mercator_sample.nc` of xwrf-data.
#[test]
fn wrf_output_is_learnt_from_and_forecast() {
    let Some(root) = std::env::var_os("AURORAC_TEST_DATA").map(PathBuf::from) else {
        println!("skipped: AURORAC_TEST_DATA is not set");
        return;
    };
    let original = root.join("data/netcdf3d/mercator_sample.nc");
    assert!(original.is_file(), "{} is missing", original.display());
    let place = Place::empty();
    let file = place.path("sample.nc");
    std::fs::copy(&original, &file).expect("copied");
    place.write("wrf.aurora", include_str!("../../../recipes/wrf-sample.aurora"));
    place.write("site.toml", format!("threads = 2\n[archives]\nwrf = {:?}\n", file.display().to_string()));
    let store = place.done(&["data", "prepare", "wrf.aurora"]).stdout;
    let said = place.done(&["train", "wrf.aurora"]);
    for word in ["t, 600 hPa", "t, 850 hPa", "t2m", "RMSE [K]", "persistence", "report.html"] {
        assert!(said.stdout.contains(word), "{said:#?}");
    }
    let files = place.files("runs");
    let run = format!("runs/{}", files.iter().find(|path| path.ends_with("/0")).expect("a run"));
    let events = place.text(&format!("{run}/events.jsonl"));
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let losses: Vec<f64> =
        events.iter().filter(|e| e["event"] == "step").filter_map(|e| e["loss"].as_f64()).collect();
    assert_eq!(losses.len(), 60);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&losses[..10]), mean(&losses[50..]));
    println!("loss: first ten steps {first:.3}, last ten {last:.3}");
    assert!(last < 0.7 * first, "{first} to {last}");

    let store = Store::open(&place.path(store.trim_end())).expect("a store");
    let surface = [("t2m", "2t"), ("u10", "10u"), ("v10", "10v")];
    let atmosphere = ["t", "u", "v", "q", "z"].map(|name| (name, name));
    let input = File::from_store(&store, &[2], &surface, &atmosphere);
    input.write(&place.path("in.safetensors"));
    let arguments = [
        "predict",
        "wrf.aurora",
        "--checkpoint",
        &run,
        "--input",
        "in.safetensors",
        "--output",
        "out.safetensors",
    ];
    place.done(&arguments);
    let forecast = File::read(&place.path("out.safetensors"));
    assert_eq!(forecast.metadata["time"], "2005-08-28T21:00:00Z");
    for (name, low, high) in [("surf.2t", 270.0, 320.0), ("atmos.t", 220.0, 310.0), ("atmos.z", 3e3, 6e4)] {
        let (_, values) = &forecast.tensors[name];
        assert!(values.iter().all(|value| (low..high).contains(value)), "{name}");
    }

    // Other data are another experiment, even under the same name.
    let mut bytes = std::fs::read(&file).expect("the sample");
    bytes.push(0);
    std::fs::write(&file, bytes).expect("written");
    for word in ["train", "evaluate"] {
        let sentence = place.refused(&[word, "wrf.aurora"]);
        assert!(sentence.contains("changed since"), "{sentence}");
    }
}

/// Static fields may stand in derived fields, constraints and conditions; a condition counts only where it holds.
#[test]
fn losses_may_read_static_fields_and_ask_the_truth() {
    let place = Place::tiny();
    let text = TINY
        .replace("loss water   = mae(pwat)", concat!(
            "derive above : temperature on surface = t2m + orog / 1000 m * 6.5 K\n",
            "constraint warm : t2m >= 250 K - orog / 1000 m * 6.5 K   within 1 K\n",
            "loss water   = mae(above, when = truth(orog) >= 1 m) + mae(refc, when = truth(refc) >= 30 dBZ)",
        ))
        .replace("weather + 0.1 * water", "weather + 0.1 * water + 0.1 * warm")
        .replace("for         40 steps", "for         4 steps")
        .replace("for         2 epochs", "for         2 steps");
    place.write("tiny.aurora", text);
    place.done(&["train", "tiny.aurora"]);
    let run = place.files("runs").into_iter().find(|path| path.ends_with("events.jsonl")).expect("a run");
    let events = place.text(&format!("runs/{run}"));
    let first: Value = serde_json::from_str(events.lines().next().expect("a step")).expect("JSON");
    for part in ["mae(above)", "mae(refc) when", "warm"] {
        assert!(first["parts"][part].as_f64().is_some_and(f64::is_finite), "{part}: {first}");
    }
    assert!(first["parts"]["mae(above)"].as_f64() > Some(0.0));
}
