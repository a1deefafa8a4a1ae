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
use aurora_runtime::model::checkpoint::{Loading, header, values_for};
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
            "use_updated_lead_time_embedding" => plan.options.updated_lead_time_embedding = truth(),
            "modulation_heads" => plan.options.modulation_heads = names(),
            "density_channel_surf_vars" => plan.options.density_channels = names(),
            "angle_surf_vars" => plan.options.angles = names(),
            "simulate_indexing_bug" => plan.options.simulate_indexing_bug = truth(),
            "use_lora" => match truth() {
                true => plan.options.lora = Some(lora(&mut plan)),
                false => plan.options.lora = None,
            },
            // They change no weight.
            "autocast"
            | "surf_stats"
            | "timestep_hours"
            | "rollout_input_clipping"
            | "perceiver_ln_eps"
            | "drop_path"
            | "drop_rate" => {}
            other => panic!("what does {other} mean?"),
        }
    }
    plan
}

/// What becomes of each weight of a checkpoint is what upstream's loader reported, from the header alone and with
/// its values, whose norms are those of upstream's parameters.
#[test]
fn checkpoints_load_as_upstream_loads_them() {
    let cases = fixtures();
    for (folder, name) in &cases {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let info: Value = serde_json::from_str(&text).unwrap();
        let model = plan(&info["config"]["model"]);
        let path = folder.join(format!("{name}.ckpt"));
        let reported = |key: &str| -> Vec<String> {
            let mut list: Vec<String> = serde_json::from_value(info["load_report"][key].clone()).unwrap();
            list.sort();
            list
        };
        let strict = info["load_report"]["strict"].as_bool().unwrap();
        let loading = Loading { strict, ..Loading::default() };
        let (values, report) = values_for(&model, &path, loading).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(report.missing, reported("missing"), "{name}");
        assert_eq!(report.unused, reported("unexpected"), "{name}");

        let found = CheckpointHeader { digest: String::new(), tensors: header(&path).unwrap() };
        let compared = BasePlan::compare("file.ckpt", &model, Some(&found), false).unwrap();
        let compared = compared.unwrap_or_else(|misfit| panic!("{name}: {misfit:?}"));
        assert_eq!(compared.fresh, report.missing, "{name}");
        assert_eq!(compared.unused, report.unused, "{name}");
        assert_eq!(compared.grown.len(), report.grown.len(), "{name}");
        assert_eq!(compared.kept + compared.grown.len(), report.kept.len(), "{name}");

        let norms = info["params"].as_object().unwrap();
        assert_eq!(values.len() + report.missing.len(), norms.len(), "{name}");
        for (key, value) in &values {
            let want = norms[key]["l2"].as_f64().unwrap();
            let have = value.values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            assert!(
                (have - want).abs() <= 1e-6 * want.max(1e-6),
                "{name}: {key} has norm {have}, not {want}"
            );
        }
        println!("{name}: {} weights, {} missing", values.len(), report.missing.len());
    }
    println!("{} checkpoints", cases.len());
    assert!(!cases.is_empty());
}

/// A base without levels of its own, in a model that conditions on them: at random, or broadcast to all.
#[test]
fn one_embedding_can_serve_every_level() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/aurora");
    let info: Value =
        serde_json::from_str(&std::fs::read_to_string(here.join("base.json")).unwrap()).unwrap();
    let mut model = plan(&info["config"]["model"]);
    let path = here.join("base.ckpt");
    let (plain, _) = values_for(&model, &path, Loading { strict: true, ..Loading::default() }).unwrap();
    model.options.level_condition = Some(vec![850.0, 2.5]);
    model.history += 1;
    let (_, report) = values_for(&model, &path, Loading::default()).unwrap();
    // Five embeddings and a bias, five heads of weight and bias, for two levels.
    assert_eq!(report.missing.len(), 2 * (6 + 10));
    let (values, report) =
        values_for(&model, &path, Loading { strict: true, broadcast: true, class: None }).unwrap();
    assert_eq!((report.missing.len(), report.broadcast.len()), (0, 2 * (6 + 10)));
    assert_eq!(values["decoder.atmos_heads.q.layers.2_5.weight"], plain["decoder.atmos_heads.q.weight"]);
    assert_eq!(
        values["encoder.atmos_token_embeds.layers.850.bias"],
        plain["encoder.atmos_token_embeds.bias"]
    );
    // Two past times become three, the newest from zero.
    let (one, three) = (
        &plain["encoder.atmos_token_embeds.weights.t"],
        &values["encoder.atmos_token_embeds.layers.850.weights.t"],
    );
    let [outputs, _, times, rows, columns] = one.shape[..] else { panic!("five axes") };
    assert_eq!(three.shape, [outputs, 1, times + 1, rows, columns]);
    for (one, three) in
        one.values.chunks(times * rows * columns).zip(three.values.chunks((times + 1) * rows * columns))
    {
        assert_eq!(three[..one.len()], *one);
        assert!(three[one.len()..].iter().all(|value| *value == 0.0));
    }
    // More past times in the file than in the model: never cut off.
    model.history = 1;
    let error = values_for(&model, &path, Loading::default()).unwrap_err().to_string();
    assert!(error.contains("the file reads 2 past times, the model 1"), "{error}");
}

/// Folder and name of every fixture: those kept here, and those of the two variables.
fn fixtures() -> Vec<(PathBuf, String)> {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/aurora")];
    for (variable, below) in [("AURORAC_TEST_DATA", "fixtures/aurora"), ("AURORAC_EXTRA_FIXTURES", "aurora")]
    {
        match std::env::var_os(variable) {
            Some(folder) => folders.push(PathBuf::from(folder).join(below)),
            None => println!("skipped: ${variable} is not set"),
        }
    }
    let mut list = Vec::new();
    for folder in folders {
        let files =
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let names = files
            .filter_map(|file| file.unwrap().file_name().to_str()?.strip_suffix(".ckpt").map(str::to_string));
        let mut names: Vec<String> = names.collect();
        names.sort();
        assert!(!names.is_empty(), "no case in {}", folder.display());
        list.extend(names.into_iter().map(|name| (folder.clone(), name)));
    }
    list
}

/// The header of our own format gives the names and shapes that were written, and is held to the file's size.
#[test]
fn headers_of_safetensors_are_held_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let text = br#"{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(text);
    bytes.extend_from_slice(&[0; 24]);
    std::fs::write(&path, &bytes).unwrap();
    let tensors = header(&path).unwrap();
    assert_eq!(tensors.len(), 1);
    assert_eq!(
        (tensors[0].name.as_str(), &tensors[0].shape[..], tensors[0].kind.as_str()),
        ("x", &[2, 3][..], "f32")
    );
    std::fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
    assert!(header(&path).is_err());
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(header(&path).is_err(), "{length} bytes");
    }
}
