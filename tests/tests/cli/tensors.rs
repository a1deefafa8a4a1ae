//! `predict` and `derive`: files in, files out, the same numbers as the road from data to scores gives.

use aurora_runtime::data::store::Store;
use serde_json::Value;

use super::files::{ATMOSPHERE, File, SURFACE, trained};

/// Sums of squared differences are taken in f64 from equal f32 forecasts; forecasts of other batch sizes may
/// differ in the order of sums.
const RMSE: f64 = 1e-5;

/// Rows of `scores.jsonl`.
fn scores(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The forecasts of `predict` from every start of the test split have the very RMSE that `evaluate` wrote.
#[test]
fn predict_forecasts_what_evaluate_scored() {
    let (place, store, run) = trained();
    let test = store.plan().test.expect("a test split");
    let inside: Vec<usize> =
        (0..store.times().len()).filter(|t| (test.from..=test.to).contains(&store.times()[*t])).collect();
    // One hour of history before, two hours of lead after.
    let starts = &inside[1..inside.len() - 2];
    File::from_store(&store, starts, &SURFACE, &ATMOSPHERE).write(&place.path("in.safetensors"));
    let arguments = |checkpoint: &'static str, output: &'static str| {
        [
            "predict",
            "tiny.aurora",
            "--checkpoint",
            checkpoint,
            "--input",
            "in.safetensors",
            "--output",
            output,
            "--steps",
            "2",
        ]
    };
    let run_link: &'static str = Box::leak(run.clone().into_boxed_str());
    let said = place.done(&arguments(run_link, "out.safetensors"));
    assert_eq!(said.stdout, "out.safetensors\n");
    let forecast = File::read(&place.path("out.safetensors"));
    let rows = scores(&place.text(&format!("{run}/scores.jsonl")));
    let mut compared = 0;
    for row in rows.iter().filter(|row| row["score"] == "rmse") {
        let lead = row["lead_hours"].as_f64().expect("a lead") as usize;
        let field = row["variable"].as_str().expect("a name");
        let (name, level) = match field {
            "t2m" => ("surf.2t", 0),
            _ => {
                let level = row["level"].as_f64().expect("a level").to_string();
                let levels: Vec<&str> = forecast.metadata["levels"].split(',').collect();
                ("atmos.t", levels.iter().position(|l| *l == level).expect("the level"))
            }
        };
        let (shape, values) = &forecast.tensors[&format!("step{lead}.{name}")];
        assert_eq!((shape[0], shape[1]), (starts.len(), 1));
        let plane = shape[shape.len() - 2] * shape[shape.len() - 1];
        let depth = values.len() / starts.len() / plane;
        let mut squares = 0.0;
        for (sample, start) in starts.iter().enumerate() {
            let truth = store.read(field, start + lead).expect("the truth");
            let truth = truth.index_axis(ndarray::Axis(0), level);
            let from = (sample * depth + level) * plane;
            let pairs = values[from..from + plane].iter().zip(truth);
            squares += pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
        }
        let found = (squares / (starts.len() * plane) as f64).sqrt();
        let expected = row["forecasts"]["model"].as_f64().expect("a score");
        assert!((found - expected).abs() <= RMSE * expected, "{row}: {found}");
        compared += 1;
    }
    assert_eq!(compared, 6);

    // The same again, from the checkpoint by its own name: the same bytes.
    let checkpoints = place.files(&format!("{run}/checkpoints"));
    let newest = checkpoints.iter().rfind(|path| !path.contains('/')).expect("a checkpoint");
    let newest: &'static str = Box::leak(format!("{run}/checkpoints/{newest}").into_boxed_str());
    for output in ["again.safetensors", "thrice.safetensors"] {
        place.done(&arguments(newest, output));
        assert!(place.read("out.safetensors") == place.read(output));
    }
    predict_refuses(&place, &run, &File::from_store(&store, &starts[..1], &SURFACE, &ATMOSPHERE));
    derive_equals_the_store(&place, &store);
}

/// What is wrong with an input is said in one sentence, and nothing is written.
fn predict_refuses(place: &aurora_tests::Place, run: &str, good: &File) {
    type Change = fn(&mut File);
    let cases: [(&str, Change); 14] = [
        ("lacks `surf.2t`", |file| drop(file.tensors.remove("surf.2t"))),
        ("lacks `atmos.q`", |file| drop(file.tensors.remove("atmos.q"))),
        ("lacks `static.orog`", |file| drop(file.tensors.remove("static.orog"))),
        (
            "works on [300.0, 500.0, 700.0, 850.0] hPa, the input is on [300.0, 500.0, 700.0, 900.0] hPa",
            |file| {
                file.metadata.insert("levels".into(), "300,500,700,900".into());
            },
        ),
        ("`x` is not a pressure", |file| {
            file.metadata.insert("levels".into(), "300,x".into());
        }),
        ("has no `time`", |file| drop(file.metadata.remove("time"))),
        ("`yesterday` is not an RFC 3339 time", |file| {
            file.metadata.insert("time".into(), "yesterday".into());
        }),
        ("samples need as many times", |file| {
            file.metadata.insert("time".into(), "2020-01-01T00:00:00Z,2020-01-01T01:00:00Z".into());
        }),
        ("has no `lat`", |file| drop(file.tensors.remove("lat"))),
        ("2 values that are no numbers, the first at [0, 1, 2, 3, 5]", |file| {
            let (shape, values) = file.tensors.get_mut("atmos.t").expect("t");
            let at = ((shape[2] + 2) * shape[3] + 3) * shape[4] + 5;
            values[at] = f32::NAN;
            values[at + 1] = f32::INFINITY;
        }),
        ("`surf.refc` has 3 axes, but 4 are wanted", |file| {
            file.tensors.get_mut("surf.refc").expect("refc").0.remove(0);
        }),
        ("has shape", |file| {
            let (shape, values) = file.tensors.get_mut("surf.refc").expect("refc");
            shape[2] /= 2;
            values.truncate(shape.iter().product());
        }),
        ("holds 1 times", |file| {
            for (name, (shape, values)) in &mut file.tensors {
                if name.starts_with("surf") || name.starts_with("atmos") {
                    shape[1] = 1;
                    values.truncate(shape.iter().product());
                }
            }
        }),
        ("`wind` is no surface variable", |file| {
            let other = file.tensors["surf.2t"].clone();
            file.tensors.insert("surf.wind".into(), other);
        }),
    ];
    for (words, change) in cases {
        let mut file = good.clone();
        change(&mut file);
        assert_ne!(&file, good);
        file.write(&place.path("bad.safetensors"));
        let arguments = [
            "predict",
            "tiny.aurora",
            "--checkpoint",
            run,
            "--input",
            "bad.safetensors",
            "--output",
            "bad.out",
        ];
        let sentence = place.refused(&arguments);
        assert!(sentence.contains(words) && sentence.contains("bad.safetensors"), "{words}: {sentence}");
        assert!(!place.path("bad.out").exists());
    }
    for bytes in [&b""[..], b"short", &[255; 64], b"\x02\0\0\0\0\0\0\0{}"] {
        place.write("bad.safetensors", bytes);
        let arguments = [
            "predict",
            "tiny.aurora",
            "--checkpoint",
            run,
            "--input",
            "bad.safetensors",
            "--output",
            "bad.out",
        ];
        assert!(place.refused(&arguments).contains("bad.safetensors"));
    }
    good.write(&place.path("good.safetensors"));
    let arguments = |checkpoint: &'static str, output: &'static str| {
        [
            "predict",
            "tiny.aurora",
            "--checkpoint",
            checkpoint,
            "--input",
            "good.safetensors",
            "--output",
            output,
        ]
    };
    assert!(place.refused(&arguments("build", "o")).contains("holds no whole checkpoint"));
    place.write("file", "in the way");
    let run: &'static str = Box::leak(run.to_string().into_boxed_str());
    assert!(place.refused(&arguments(run, "file/out")).contains("file/out"));
}

/// `derive` on a batch file gives what preparing gave, bit for bit: the same machine code on the same numbers.
fn derive_equals_the_store(place: &aurora_tests::Place, store: &Store) {
    let newest = [3, 9];
    File::from_store(store, &newest, &SURFACE, &ATMOSPHERE).write(&place.path("d.safetensors"));
    for only in [None, Some("pwat")] {
        let mut arguments = vec!["derive", "tiny.aurora", "--input", "d.safetensors", "--output", "d.out"];
        arguments.extend(only.iter().flat_map(|name| ["--only", name]));
        place.done(&arguments);
        let derived = File::read(&place.path("d.out"));
        let (shape, values) = &derived.tensors["surf.pwat"];
        assert_eq!(shape[..2], [2, 2]);
        let mut expected = Vec::new();
        for time in newest.iter().flat_map(|newest| [newest - 1, *newest]) {
            expected.extend(store.read("pwat", time).expect("pwat").iter().copied());
        }
        assert!(*values == expected, "derive differs from the store");
    }
    let mut file = File::from_store(store, &newest, &SURFACE, &ATMOSPHERE);
    let derive = ["derive", "tiny.aurora", "--input", "d.safetensors", "--output", "d.no"];
    file.metadata.insert("levels".into(), "300,500,700,900".into());
    file.write(&place.path("d.safetensors"));
    assert!(place.refused(&derive).contains("900"));
    file.tensors.remove("atmos.q");
    file.write(&place.path("d.safetensors"));
    assert!(place.refused(&derive).contains("`pwat` is derived from `q`, which the input file lacks"));
    let unknown = ["derive", "tiny.aurora", "--input", "d.safetensors", "--output", "d.no", "--only", "pwot"];
    assert!(place.refused(&unknown).contains("did you mean `pwat`?"));
    assert!(!place.path("d.no").exists());
}
