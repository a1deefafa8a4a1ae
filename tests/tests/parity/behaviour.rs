//! What the model promises beside its numbers: formats, seeds, refusals, roll-outs.

use std::collections::BTreeMap;
use std::path::Path;

use aurora_runtime::model::{Aurora, Batch, ModelError};
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
