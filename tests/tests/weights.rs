//! Names and shapes of weights, and their number, against microsoft-aurora 2.0.1.
//!
//! `fixtures/weights/NAME.txt` is the state dict of a small model with one option or of a published class: a line of
//! JSON with class and constructor arguments, then `NAME SHAPE INDICES`, where each list of indices fills the
//! stars of the name. `param_counts.json` holds the counts of all published classes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aurora_compiler::plan::base::BasePlan;
use aurora_compiler::plan::model::{LoraMode, LoraPlan, ModelPlan, OutputOnly, ParameterCount, Preset};
use aurora_compiler::site::CheckpointHeader;
use aurora_runtime::model::checkpoint::header;
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/weights")
}

#[test]
fn every_option_has_upstreams_weights() {
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    cases.sort();
    assert!(cases.len() >= 24, "the cases were not found");
    for path in cases {
        let name = path.file_stem().unwrap().to_string_lossy().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let (head, list) = text.split_once('\n').unwrap();
        let expected: BTreeMap<String, Vec<usize>> = list.lines().flat_map(expanded).collect();
        let plan = plan(&serde_json::from_str(head).unwrap());
        let tensors = plan.tensors();
        let found: BTreeMap<String, Vec<usize>> = tensors.iter().cloned().collect();
        assert_eq!(found.len(), tensors.len(), "{name}: a name twice");
        let missing: Vec<_> = expected.iter().filter(|(key, _)| !found.contains_key(*key)).collect();
        let more: Vec<_> = found.iter().filter(|(key, _)| !expected.contains_key(*key)).collect();
        assert!(missing.is_empty() && more.is_empty(), "{name}: lacks {missing:?}, has besides {more:?}");
        for (key, shape) in &expected {
            assert_eq!(&found[key], shape, "{name}: {key}");
        }
    }
}

#[test]
fn published_classes_have_their_counts() {
    let counts: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(folder().join("param_counts.json")).unwrap()).unwrap();
    assert_eq!(counts.len(), Preset::ALL.len());
    for preset in Preset::ALL {
        let count = |key: &str| counts[preset.class()][key].as_u64().unwrap();
        let plan = preset.plan();
        let expected = ParameterCount {
            total: count("total"),
            encoder: count("encoder"),
            backbone: count("backbone"),
            decoder: count("decoder"),
            heads: 0,
            other: count("other"),
        };
        assert_eq!(plan.parameters(), expected, "{}", preset.word());
        assert_eq!(plan.tensors().len() as u64, count("tensors"), "{}", preset.word());
        let adapters = plan.tensors().into_iter().filter(|(name, _)| name.contains(".lora_"));
        let adapters: usize = adapters.map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(adapters as u64, count("lora"), "{}", preset.word());
    }
}

/// `a.*.b.*.c 3x4 0.1 0.2` stands for `a.0.b.1.c` and `a.0.b.2.c`.
fn expanded(line: &str) -> Vec<(String, Vec<usize>)> {
    let mut words = line.split(' ');
    let (name, shape) = (words.next().unwrap(), words.next().unwrap());
    let shape: Vec<usize> = shape.split('x').map(|side| side.parse().unwrap()).collect();
    let indices: Vec<&str> = words.collect();
    if indices.is_empty() {
        return vec![(name.to_string(), shape)];
    }
    let filled = |indices: &str| {
        let mut indices = indices.split('.');
        let parts: Vec<&str> =
            name.split('.').map(|part| if part == "*" { indices.next().unwrap() } else { part }).collect();
        parts.join(".")
    };
    indices.into_iter().map(|one| (filled(one), shape.clone())).collect()
}

/// The class's plan with upstream's constructor arguments put in.
fn plan(head: &Value) -> ModelPlan {
    let class = head["class"].as_str().unwrap();
    let preset = Preset::ALL.into_iter().find(|preset| preset.class() == class).expect(class);
    let mut plan = preset.plan();
    let text = |value: &Value| value.as_str().unwrap().to_string();
    for (key, value) in head["kwargs"].as_object().unwrap() {
        let names = || value.as_array().unwrap().iter().map(text).collect::<Vec<String>>();
        let numbers =
            || value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect::<Vec<_>>();
        let number = || value.as_u64().unwrap() as usize;
        let truth = || value.as_bool().unwrap();
        let lora = |plan: &mut ModelPlan| {
            let known = plan.options.lora.take();
            known.unwrap_or(LoraPlan { mode: LoraMode::Single, steps: 40, rank: 8, alpha: 8.0 })
        };
        match key.as_str() {
            "surf_vars" => plan.surface = names(),
            "static_vars" => plan.statics = names(),
            "atmos_vars" => plan.atmosphere = names(),
            "embed_dim" => plan.embed_dim = number(),
            "num_heads" => plan.num_heads = number(),
            "encoder_depths" => plan.encoder_depths = numbers(),
            "decoder_depths" => plan.decoder_depths = numbers(),
            "encoder_num_heads" => plan.encoder_heads = numbers(),
            "decoder_num_heads" => plan.decoder_heads = numbers(),
            "window_size" => plan.window = numbers().try_into().unwrap(),
            "mlp_ratio" => plan.mlp_ratio = value.as_f64().unwrap(),
            "dec_mlp_ratio" => plan.dec_mlp_ratio = value.as_f64().unwrap(),
            "enc_depth" => plan.enc_depth = number(),
            "dec_depth" => plan.dec_depth = number(),
            "patch_size" => plan.patch = number(),
            "latent_levels" => plan.latent_levels = number(),
            "max_history_size" => plan.history = number(),
            "stabilise_level_agg" => plan.stabilise_level_aggregation = truth(),
            "positive_surf_vars" => plan.positive_surface = names(),
            "positive_atmos_vars" => plan.positive_atmosphere = names(),
            "clamp_at_first_step" => plan.clamp_at_first_step = truth(),
            "level_condition" => {
                let levels = value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
                plan.options.level_condition = Some(levels);
            }
            "dynamic_vars" => plan.options.dynamic_variables = truth(),
            "atmos_static_vars" => plan.options.atmosphere_statics = truth(),
            "separate_perceiver" => plan.options.separate_perceiver = names(),
            "stochastic" => plan.options.stochastic = truth(),
            "variable_lead_time" => plan.options.variable_lead_time = truth(),
            "use_fp16_safe_attention" => plan.options.fp16_safe_attention = truth(),
            "output_only_surf_vars" => {
                plan.options.output_only = names().into_iter().map(OutputOnly::Surface).collect();
            }
            "lora_mode" => {
                let mode = serde_json::from_value(value.clone()).unwrap();
                plan.options.lora = Some(LoraPlan { mode, ..lora(&mut plan) });
            }
            "lora_steps" => plan.options.lora = Some(LoraPlan { steps: number(), ..lora(&mut plan) }),
            "autocast" => {}
            other => panic!("what does {other} mean?"),
        }
    }
    plan
}

/// What becomes of each weight of a checkpoint, from its header alone, is what upstream's loader reported. Set
/// `AURORAC_TEST_DATA` to run it on the fixtures' checkpoints; two of their layouts are known by class only.
#[test]
fn headers_tell_what_upstreams_loader_reports() {
    let Some(data) = std::env::var_os("AURORAC_TEST_DATA") else {
        return println!("skipped: $AURORAC_TEST_DATA is not set");
    };
    let folder = PathBuf::from(data).join("fixtures/aurora");
    let mut ran = 0;
    for entry in std::fs::read_dir(self::folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().to_string();
        let checkpoint = folder.join(format!("{name}.ckpt"));
        // Their stacked layouts are split by the variables of the published class, which these small ones lack.
        if !checkpoint.is_file()
            || ["air_pollution", "v1p5_rollout", "v1p5_ensemble"].contains(&name.as_str())
        {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let model = plan(&serde_json::from_str(text.lines().next().unwrap()).unwrap());
        let tensors = header(&checkpoint).unwrap();
        let found = CheckpointHeader { digest: String::new(), tensors };
        let base = if name == "v1p5" { "microsoft/aurora:aurora-0.25-v1.5.ckpt" } else { "file.ckpt" };
        let compared = BasePlan::compare(base, &model, Some(&found)).unwrap();
        let compared = compared.unwrap_or_else(|mismatches| panic!("{name}: {mismatches:?}"));
        let info: Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap())
                .unwrap();
        let reported = |key: &str| -> Vec<String> {
            let mut list: Vec<String> = serde_json::from_value(info["load_report"][key].clone()).unwrap();
            list.sort();
            list
        };
        assert_eq!(compared.fresh, reported("missing"), "{name}");
        assert_eq!(compared.unused, reported("unexpected"), "{name}");
        let grown = compared.grown.len();
        assert_eq!(grown > 0, name == "history_growth", "{name}: {grown} grown");
        assert_eq!(compared.kept + grown + compared.fresh.len(), model.tensors().len(), "{name}");
        ran += 1;
    }
    assert!(ran >= 15, "only {ran} checkpoints");
}

/// The header of our own format gives the names and shapes that were written, and its values are not needed.
#[test]
fn headers_of_safetensors_are_read_without_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let text = br#"{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(text);
    std::fs::write(&path, &bytes).unwrap();
    let tensors = header(&path).unwrap();
    assert_eq!(tensors.len(), 1);
    assert_eq!(
        (tensors[0].name.as_str(), &tensors[0].shape[..], tensors[0].kind.as_str()),
        ("x", &[2, 3][..], "f32")
    );
    std::fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
    assert!(header(&path).is_err());
    std::fs::write(&path, &bytes[..20]).unwrap();
    assert!(header(&path).is_err());
}
