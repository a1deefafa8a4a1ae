//! Training that starts from a checkpoint of Microsoft's layout.

use std::path::Path;

use aurora_runtime::model::checkpoint::WeightsFile;
use aurora_tests::Place;
use serde_json::Value;

use super::files::File;

/// The tiny recipe in the form of the fixture `base`, from whose checkpoint it starts; two steps of what is new.
fn recipe() -> String {
    let lines = aurora_tests::TINY.lines().map(|line| match line.split_whitespace().next() {
        Some("architecture") => {
            "    base \"base.ckpt\"\n    architecture aurora(embed = 16, depths = [2, 2, 2], heads = [2, 4, \
                                 8], perceiver_heads = 4, window = [2, 2, 4])"
                .to_string()
        }
        Some("for") => "    for 2 steps".to_string(),
        _ => line.to_string(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn training_starts_from_the_weights_and_statistics_of_its_base() {
    let place = Place::tiny();
    place.write("based.aurora", recipe());
    let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/aurora/base.ckpt");
    std::fs::copy(&checkpoint, place.path("base.ckpt")).expect("copied");
    let page = place.done(&["plan", "based.aurora"]).stdout;
    assert!(
        page.contains("kept of base.ckpt") && page.contains("fresh: patch embeddings of orog, refc"),
        "{page}"
    );
    place.done(&["train", "based.aurora"]);
    let files = place.files("runs");
    let run = files.iter().find(|path| path.ends_with("/0")).expect("a run");

    // What was loaded is the first thing told.
    let events = place.text(&format!("runs/{run}/events.jsonl"));
    let first: Value = serde_json::from_str(events.lines().next().expect("an event")).expect("JSON");
    assert_eq!((first["event"].as_str(), first["name"].as_str()), (Some("base"), Some("base.ckpt")));
    let fresh = [
        "decoder.surf_heads.refc.bias",
        "decoder.surf_heads.refc.weight",
        "encoder.surf_token_embeds.weights.orog",
    ];
    for name in fresh {
        assert!(first["fresh"].as_array().expect("a list").iter().any(|one| one == name), "{first}");
    }
    assert_eq!(first["digest"].as_str().map(str::len), Some(64));

    // Only what is new has moved: the rest is the file's, to the bit.
    let steps = files
        .iter()
        .filter(|path| path.contains("/0/checkpoints/step-") && path.ends_with("weights.safetensors"));
    let newest = steps.max().expect("a checkpoint");
    let weights = File::read(&place.path(&format!("runs/{newest}")));
    let mut base = WeightsFile::open(&checkpoint).expect("a checkpoint");
    for name in [
        "backbone.encoder_layers.1.blocks.0.attn.qkv.weight",
        "encoder.pos_embed.bias",
        "decoder.level_decoder.layers.0.0.to_q.weight",
    ] {
        let was = base.read(&format!("net.{name}")).expect("there");
        assert_eq!(weights.tensors[name], (was.shape, was.values), "{name}");
    }
    let stack = base.read("net.encoder.surf_token_embeds.weight").expect("there");
    let size: usize = stack.shape[2..].iter().product();
    let own = &weights.tensors["encoder.surf_token_embeds.weights.2t"].1;
    let first: Vec<f32> = stack.values.chunks(size).step_by(7).flatten().copied().collect();
    assert_eq!(*own, first, "2t is the first of the stack");

    // Variables that the base knows keep Aurora's statistics, new ones have those of the data.
    let state = newest.replace("weights.safetensors", "state.json");
    let state: Value = serde_json::from_str(&place.text(&format!("runs/{state}"))).expect("JSON");
    let scalings = &state["position"]["scalings"];
    assert_eq!(scalings["t2m"][0][0].as_f64(), Some(278.5140));
    assert_eq!(scalings["t2m"][0][1].as_f64(), Some(21.22036));
    assert_ne!(scalings["orog"][0][0].as_f64(), Some(-1386.496));
    let centre = scalings["refc"][0][0].as_f64().expect("a number");
    assert!((-10.0..75.0).contains(&centre), "{centre}");
}

/// Out to a file of torch and of safetensors, in again, and to the bit what it was.
#[test]
fn weights_are_exported_as_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/aurora");
    let place = Place::empty();
    let made = aurora_tests::fixture::write(&folder, "base", &place.path("")).expect("a fixture");
    let export = |from: &str, to: &str| {
        let recipe = made.recipe.display().to_string();
        place.done(&["export", &recipe, "--checkpoint", from, "--output", to]);
    };
    let checkpoint = made.checkpoints[0].display().to_string();
    export(&checkpoint, "one.ckpt");
    export(&checkpoint, "one.safetensors");
    export("one.ckpt", "two.safetensors");
    export("one.safetensors", "two.ckpt");
    assert_eq!(place.read("one.safetensors"), place.read("two.safetensors"));
    assert_eq!(place.read("one.ckpt"), place.read("two.ckpt"));
    let named = File::read(&place.path("one.safetensors"));
    let mut torch = WeightsFile::open(&place.path("one.ckpt")).expect("a checkpoint");
    assert!(torch.is_torch() && torch.tensors().expect("a header").len() == named.tensors.len());
    for (name, (shape, values)) in &named.tensors {
        let same = torch.read(name).expect("there");
        assert_eq!((&same.shape, &same.values), (shape, values), "{name}");
    }
    let sentence = place.refused(&[
        "export",
        &made.recipe.display().to_string(),
        "--checkpoint",
        &checkpoint,
        "--output",
        "x.txt",
    ]);
    assert!(sentence.contains("NAME.ckpt or NAME.safetensors"), "{sentence}");
}
