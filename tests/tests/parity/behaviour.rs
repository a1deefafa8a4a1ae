//! What the model promises beside its numbers: formats, seeds, refusals, roll-outs.

use std::collections::BTreeMap;
use std::path::Path;

use aurora_compiler::plan::model::{ModelPlan, OutputOnly, Preset};
use aurora_runtime::model::normalisation::Scaling;
use aurora_runtime::model::{Aurora, Batch, ModelError, Normalisation, Rollout};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::case::Case;
use super::compare::{bits, close, fields};
use super::here;

/// Weights survive our own format to the bit, and so does the forward pass.
#[test]
fn safetensors_keep_every_bit() {
    let case = Case::open(&here(), "base");
    let device = Device::flex();
    let model = case.model(&device);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    model.save_safetensors(&path).unwrap();
    let mut again = Aurora::new(&case.plan, 77, &device).unwrap();
    assert!(again.load_safetensors(&path, true).unwrap().is_complete());
    assert_eq!(bits(model.parameters()), bits(again.parameters()));
    let (batch, normalisation) = (case.batch(&device), case.normalisation());
    let one = fields(&model.forward(&batch, &normalisation).unwrap());
    let two = fields(&again.forward(&batch, &normalisation).unwrap());
    assert_eq!(bits(one), bits(two));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn equal_seeds_give_equal_weights() {
    let case = Case::open(&here(), "base");
    let fresh = |seed| Aurora::new(&case.plan, seed, &Device::flex()).unwrap().parameters();
    assert_eq!(bits(fresh(5)), bits(fresh(5)));
    assert_ne!(bits(fresh(5)), bits(fresh(6)));
    let weights = fresh(5);
    let names: BTreeMap<_, _> = case.plan.tensors().into_iter().collect();
    let shapes: BTreeMap<_, _> =
        weights.iter().map(|(name, value)| (name.clone(), value.shape.clone())).collect();
    assert_eq!(shapes, names, "the modules hold exactly the plan's tensors");
    let weight = &weights["backbone.encoder_layers.1.blocks.0.mlp.fc1.weight"].values;
    let deviation = (weight.iter().map(|value| value * value).sum::<f32>() / weight.len() as f32).sqrt();
    assert!((deviation - 0.02).abs() < 0.001, "{deviation}");
    assert!(
        weights["backbone.encoder_layers.0.blocks.0.norm1.ln_modulation.1.weight"]
            .values
            .iter()
            .all(|v| *v == 0.0)
    );
}

#[test]
fn a_file_that_does_not_fit_is_explained() {
    let case = Case::open(&here(), "base");
    let mut plan = case.plan.clone();
    plan.surface.push("refc".into());
    let mut model = Aurora::new(&plan, 0, &Device::flex()).unwrap();
    let error = model.load_pytorch(&case.path("ckpt"), true).unwrap_err().to_string();
    assert!(error.contains("missing in the file: decoder.surf_heads.refc.bias"), "{error}");
    let report = model.load_pytorch(&case.path("ckpt"), false).unwrap();
    assert_eq!(report.missing.len(), 3);
    plan.embed_dim = 32;
    let before = Aurora::new(&plan, 3, &Device::flex()).unwrap();
    let mut model = before.clone();
    assert!(matches!(model.load_pytorch(&case.path("ckpt"), false), Err(ModelError::Mismatch { .. })));
    assert_eq!(bits(before.parameters()), bits(model.parameters()), "a refused file changes nothing");
    assert!(model.load_pytorch(Path::new("nowhere.ckpt"), true).is_err());
}

/// A forward pass without a record equals one with a record, and input may lie on either device.
#[test]
fn inference_equals_training() {
    let case = Case::open(&here(), "base");
    let (plain, tracked) = (Device::flex(), Device::flex().autodiff());
    let model = case.model(&tracked);
    let normalisation = case.normalisation();
    let one = fields(&model.forward(&case.batch(&plain), &normalisation).unwrap());
    let two = fields(&model.valid().forward(&case.batch(&tracked), &normalisation).unwrap());
    close("inference", &one, &two, |greatest| 1e-6 * greatest.max(1.0));
}

#[test]
fn a_batch_that_does_not_fit_is_explained() {
    let case = Case::open(&here(), "base");
    let device = Device::flex();
    let model = case.model(&device);
    let normalisation = case.normalisation();
    let refuse = |expected: &str, change: &dyn Fn(&mut Batch)| {
        let mut batch = case.batch(&device);
        change(&mut batch);
        let error = model.forward(&batch, &normalisation).expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    };
    refuse("no surface variable", &|batch| {
        let field = batch.surface["2t"].clone();
        batch.surface.insert("cape".into(), field);
    });
    refuse("at least one", &|batch| batch.statics.clear());
    refuse("latitudes must decrease", &|batch| batch.latitude.values.reverse());
    refuse("360 excluded", &|batch| batch.longitude.values[0] = 360.0);
    refuse("4 levels, but 3", &|batch| {
        batch.levels.pop();
    });
    refuse("as many times", &|batch| batch.time.clear());
    refuse("no location and scale", &|batch| batch.levels[0] = 123.0);
}

/// Two steps of a roll-out: the second starts from the first.
#[test]
fn a_rollout_feeds_predictions_back() {
    let case = Case::open(&here(), "base");
    let device = Device::flex();
    let (model, normalisation, batch) = (case.model(&device), case.normalisation(), case.batch(&device));
    let steps = model.rollout(&batch, &normalisation, 2).unwrap();
    let mut second = batch.clone();
    for (name, field) in &mut second.surface {
        *field = Tensor::cat(vec![field.clone().narrow(1, 1, 1), steps[0].surface[name].clone()], 1);
    }
    for (name, field) in &mut second.atmosphere {
        *field = Tensor::cat(vec![field.clone().narrow(1, 1, 1), steps[0].atmosphere[name].clone()], 1);
    }
    second.time = vec![batch.time[0] + 6 * 3600];
    second.rollout_step = 1;
    let expected = model.forward(&second, &normalisation).unwrap();
    assert_eq!(bits(fields(&steps[1])), bits(fields(&expected)));
    assert_eq!((steps[1].rollout_step, steps[1].time[0]), (2, batch.time[0] + 12 * 3600));
}

/// Upstream's table, read out of the package: 244 keys, of which those with a level are asked for by level too.
#[test]
fn the_statistics_are_upstreams() {
    let text = std::fs::read_to_string(here().join("normalisation.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let statistics = file["stats"].as_object().unwrap();
    assert_eq!(statistics.len(), 244);
    let mut on_levels = 0;
    for (key, pair) in statistics {
        let number = |name: &str| pair[name].as_f64().unwrap();
        let expected = Scaling { location: number("location"), scale: number("scale") };
        let own = std::slice::from_ref(key);
        let table = Normalisation::aurora(own, own, &[], &[]);
        assert_eq!((table.surface[key], table.statics[key]), (expected, expected), "{key}");
        let (name, level) = key.rsplit_once('_').unwrap_or((key, ""));
        let Ok(level) = level.parse::<f64>() else { continue };
        let table = Normalisation::aurora(&[], &[], &[name.to_string()], &[level]);
        assert_eq!(table.atmosphere[name], [(level, expected)], "{key}");
        on_levels += 1;
    }
    // Variables on thirteen levels, and classes of soil and plants, whose numbers look like levels.
    assert_eq!(on_levels, 168);
}

/// The number that a physical field becomes is that of arithmetic in 32 bits with constants rounded to 32 bits.
#[test]
fn normalisation_is_in_32_bits() {
    let case = Case::open(&here(), "base");
    let device = Device::flex();
    let (model, normalisation, batch) = (case.model(&device), case.normalisation(), case.batch(&device));
    let normalised = model.normalised(&batch, &normalisation).unwrap();
    let values = |field: Tensor<4>| field.into_data().try_into_vec::<f32>().unwrap();
    let scaling = normalisation.surface["msl"];
    let expected: Vec<f32> = values(batch.surface["msl"].clone())
        .iter()
        .map(|value| (value - scaling.location as f32) / scaling.scale as f32)
        .collect();
    assert_eq!(values(normalised.surface["msl"].clone()), expected);
}

/// Every class, made small, has in burn exactly the weights that the plan counts.
#[test]
fn modules_hold_the_plans_tensors() {
    for preset in Preset::ALL {
        let class = preset.plan();
        let plan = ModelPlan {
            height: 4 * class.patch,
            width: 8 * class.patch,
            embed_dim: 8,
            num_heads: 2,
            encoder_depths: vec![1, 1],
            encoder_heads: vec![1, 2],
            decoder_depths: vec![1, 1],
            decoder_heads: vec![2, 1],
            window: [2, 2, 4],
            ..class
        };
        let model = Aurora::new(&plan, 0, &Device::flex()).unwrap_or_else(|error| panic!("{error}"));
        let have: BTreeMap<String, Vec<usize>> =
            model.parameters().into_iter().map(|(name, value)| (name, value.shape)).collect();
        let want: BTreeMap<String, Vec<usize>> = plan.tensors().into_iter().collect();
        assert_eq!(have, want, "{}", preset.word());
    }
}

/// The small class at its full size, as burn holds it: upstream's number of parameters.
#[test]
fn the_small_class_has_113_million_parameters() {
    let model = Aurora::new(&ModelPlan::small(), 0, &Device::flex()).unwrap();
    assert_eq!(model.num_params(), 112_797_584);
    assert_eq!(model.plan().parameters().total, 112_797_584);
}

/// The published classes at their full size, as burn holds them: upstream's numbers of parameters. By hand, for it
/// takes minutes and 12 GB.
#[test]
#[ignore = "eight models of 1.3 billion weights, 12 GB and five minutes: CONTRIBUTING.md says when"]
fn every_class_has_upstreams_number_of_parameters() {
    let counts = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/weights/param_counts.json");
    let counts: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(counts).unwrap()).unwrap();
    for preset in Preset::ALL {
        let model = Aurora::new(&preset.plan(), 0, &Device::flex()).unwrap_or_else(|error| panic!("{error}"));
        let want = counts[preset.class()]["total"].as_u64().unwrap();
        assert_eq!(
            (model.num_params() as u64, model.plan().parameters().total),
            (want, want),
            "{}",
            preset.class()
        );
        println!("{}: {want}", preset.class());
    }
}

/// What is fed and not predicted (`msl`), and predicted and not fed (`10v`): upstream has neither.
#[test]
fn forcing_is_fed_and_diagnostics_are_predicted() {
    let case = Case::open(&here(), "base");
    let mut plan = case.plan.clone();
    plan.surface.retain(|name| name != "msl");
    plan.options.forcing_surface = vec!["msl".into()];
    plan.options.output_only = vec![OutputOnly::Surface("10v".into())];
    let device = Device::flex();
    let model = Aurora::new(&plan, 3, &device).unwrap();
    let (normalisation, mut batch) = (case.normalisation(), case.batch(&device));
    batch.surface.remove("10v");
    let first = model.forward(&batch, &normalisation).unwrap();
    assert_eq!(first.surface.keys().collect::<Vec<_>>(), ["10u", "10v", "2t"]);
    let mut warmer = batch.clone();
    let pressure = warmer.surface["msl"].clone().add_scalar(5000.0);
    warmer.surface.insert("msl".into(), pressure);
    let second = model.forward(&warmer, &normalisation).unwrap();
    assert_ne!(bits(fields(&first)), bits(fields(&second)), "forcing is read");
    // Given all the same, a diagnostic field is not read.
    let mut given = batch.clone();
    given.surface.insert("10v".into(), batch.surface["10u"].clone());
    let third = model.forward(&given, &normalisation).unwrap();
    assert_eq!(bits(fields(&first)), bits(fields(&third)));

    let error = model.rollout(&batch, &normalisation, 2).unwrap_err().to_string();
    assert!(error.contains("needs msl at the end of each step but the last"), "{error}");
    let mut forcing = first.clone();
    let future = batch.surface["msl"].clone().narrow(1, 0, 1).add_scalar(300.0);
    forcing.surface.insert("msl".into(), future.clone());
    let how = Rollout { forcing: vec![forcing], ..Rollout::of(2) };
    let steps = model.rollout_as(&batch, &normalisation, &how).unwrap();
    let mut next = batch.clone();
    for (name, field) in &mut next.surface {
        let new = if name == "msl" { future.clone() } else { steps[0].surface[name].clone() };
        *field = Tensor::cat(vec![field.clone().narrow(1, 1, 1), new], 1);
    }
    for (name, field) in &mut next.atmosphere {
        *field = Tensor::cat(vec![field.clone().narrow(1, 1, 1), steps[0].atmosphere[name].clone()], 1);
    }
    (next.time, next.rollout_step) = (steps[0].time.clone(), 1);
    let expected = model.forward(&next, &normalisation).unwrap();
    assert_eq!(bits(fields(&steps[1])), bits(fields(&expected)));
}

/// Lead times that a model is not built for, and roll-outs that do not come out at its step, are refused.
#[test]
fn lead_times_are_those_of_the_model() {
    let device = Device::flex();
    let refuse = |name: &str, how: &Rollout, expected: &str| {
        let case = Case::open(&here(), name);
        let (model, batch) = (case.model(&device), case.batch(&device));
        let error = model.rollout_as(&batch, &case.normalisation(), how).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let fine = |lead_times: &[f32]| Rollout { lead_times: lead_times.to_vec(), ..Rollout::of(1) };
    refuse("base", &fine(&[3.0, 6.0]), "the model has one lead time");
    refuse("v1p5_rollout", &fine(&[3.0, 5.0]), "must be the time step of 6 h");
    let case = Case::open(&here(), "base");
    let (model, batch) = (case.model(&device), case.batch(&device));
    let error = model.forward_at(&batch, &case.normalisation(), &[3.0]).unwrap_err().to_string();
    assert!(error.contains("not built for other lead times"), "{error}");
}
