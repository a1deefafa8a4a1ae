//! Heads inside a tiny model: weights, shapes, order, gradients, what they read.

use std::collections::{BTreeMap, BTreeSet};

use aurora_compiler::plan::head::{HeadField, HeadPlan, Layers};
use aurora_compiler::plan::model::ModelPlan;
use burn::tensor::{Device, Tensor, TensorData};

use crate::model::{Aurora, Batch, Coordinates, HostTensor, ModelError, Prediction};

const PERCEIVER: Layers = Layers::Perceiver { depth: 1, mlp_ratio: 2.0, modulate: false };
const MODULATED: Layers = Layers::Perceiver { depth: 2, mlp_ratio: 1.5, modulate: true };
const CONV: Layers = Layers::Conv { width: 6, depth: 2 };
const UNET: Layers = Layers::Unet { width: 4, depth: 2 };
const MLP: Layers = Layers::Mlp { width: 10, depth: 3 };

/// 18 by 12 points in patches of 3: stages of the U-Net see 18, 9, 5 rows.
fn tiny() -> ModelPlan {
    let mut plan = ModelPlan::small();
    plan.surface = ["2t", "refc", "msl"].map(str::to_string).to_vec();
    plan.atmosphere = ["t", "q"].map(str::to_string).to_vec();
    plan.statics = vec!["z".to_string()];
    plan.levels = vec![850.0, 500.0, 250.0];
    (plan.height, plan.width, plan.patch, plan.window) = (18, 12, 3, [2, 2, 2]);
    (plan.encoder_depths, plan.decoder_depths) = (vec![1, 1], vec![1, 1]);
    (plan.encoder_heads, plan.decoder_heads) = (vec![1, 2], vec![2, 1]);
    (plan.latent_levels, plan.embed_dim, plan.num_heads, plan.history, plan.wrap) = (4, 8, 2, 2, false);
    plan
}

fn field(named: &str) -> HeadField {
    HeadField { field: named.into(), named: named.into(), levels: matches!(named, "t" | "q") }
}

fn head(layers: Layers, reads: &[&str], predicts: &[&str], quantiles: Option<usize>) -> HeadPlan {
    let fields = |names: &[&str]| names.iter().map(|name| field(name)).collect();
    HeadPlan { name: "storms".into(), reads: fields(reads), predicts: fields(predicts), quantiles, layers }
}

fn with(head: HeadPlan) -> ModelPlan {
    let mut plan = tiny();
    plan.options.heads = vec![head];
    plan
}

fn built(plan: &ModelPlan) -> Aurora {
    Aurora::new(plan, 3, &Device::flex().autodiff()).expect("a model")
}

fn values<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<D> {
    let count = shape.iter().product::<usize>();
    let list: Vec<f32> =
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1000.0 - 1.0).collect();
    Tensor::from_data(TensorData::new(list, shape), &Device::flex())
}

/// Two samples, normalised.
fn input(plan: &ModelPlan) -> Batch {
    let (height, width) = (plan.height, plan.width);
    let (surface, levels) = ([2, 2, height, width], [2, 2, plan.levels.len(), height, width]);
    let named = |names: &[String], from: usize| {
        names.iter().cloned().enumerate().map(|(at, name)| (name, from + at)).collect::<Vec<_>>()
    };
    Batch {
        surface: named(&plan.surface, 1).into_iter().map(|(n, at)| (n, values(surface, at))).collect(),
        statics: BTreeMap::from([("z".to_string(), values([height, width], 50))]),
        atmosphere: named(&plan.atmosphere, 20).into_iter().map(|(n, at)| (n, values(levels, at))).collect(),
        latitude: Coordinates::vector((0..height).map(|i| 50.0 - 0.25 * i as f32).collect()),
        longitude: Coordinates::vector((0..width).map(|i| 250.0 + 0.25 * i as f32).collect()),
        time: vec![1_600_000_000; 2],
        levels: plan.levels.clone(),
        rollout_step: 0,
    }
}

fn predict(plan: &ModelPlan, batch: &Batch) -> Prediction {
    built(plan).forward_normalised(batch).expect("a prediction")
}

fn list<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().convert::<f32>().try_into_vec::<f32>().expect("numbers")
}

fn assign(model: &mut Aurora, mut values: BTreeMap<String, HostTensor>) {
    model.replace(&mut |name| Ok(values.remove(name))).expect("replaced");
}

fn every_kind() -> Vec<HeadPlan> {
    let mut heads = Vec::new();
    for quantiles in [None, Some(2), Some(5)] {
        heads.push(head(PERCEIVER, &[], &["q", "t"], quantiles));
        heads.push(head(MODULATED, &[], &["t"], quantiles));
        for layers in [CONV, UNET, MLP] {
            heads.push(head(layers, &[], &["refc"], quantiles));
            heads.push(head(layers, &["2t", "t", "z"], &["refc", "q", "msl"], quantiles));
        }
    }
    heads
}

#[test]
fn built_heads_hold_exactly_the_weights_that_the_plan_lists() {
    for head in every_kind() {
        for condition in [None, Some(vec![850.0, 500.0, 250.0, 2.5])] {
            let mut plan = with(head.clone());
            plan.options.level_condition = condition;
            let planned: BTreeSet<(String, Vec<usize>)> = plan.tensors().into_iter().collect();
            let built: BTreeSet<_> =
                built(&plan).parameters().into_iter().map(|(name, tensor)| (name, tensor.shape)).collect();
            assert_eq!(built, planned, "{head:?}");
            assert!(planned.iter().any(|(name, _)| name.starts_with("heads.storms.")));
        }
    }
}

/// Every variable once, in the plan's order, whoever predicts it; and every weight of a head learns.
#[test]
fn heads_and_decoder_share_the_prediction_out() {
    for head in every_kind() {
        let plan = with(head.clone());
        let model = built(&plan);
        let prediction = model.forward_normalised(&input(&plan)).expect("a prediction");
        assert_eq!(
            (&prediction.surface_names, &prediction.atmosphere_names),
            (&plan.surface, &plan.atmosphere)
        );
        assert_eq!(prediction.surface.dims(), [3, 2, 1, 18, 12]);
        assert_eq!(prediction.atmosphere.dims(), [2, 2, 1, 3, 18, 12]);
        let mut loss = prediction.surface.clone().powi_scalar(2).sum()
            + prediction.atmosphere.clone().powi_scalar(2).sum();
        for (name, quantiles) in &prediction.quantiles.surface {
            assert_eq!(quantiles.dims(), [head.quantiles.unwrap_or(1), 2, 1, 18, 12], "{name}");
            loss = loss + quantiles.clone().powi_scalar(2).sum();
        }
        for (name, quantiles) in &prediction.quantiles.atmosphere {
            assert_eq!(quantiles.dims(), [head.quantiles.unwrap_or(1), 2, 1, 3, 18, 12], "{name}");
            loss = loss + quantiles.clone().powi_scalar(2).sum();
        }
        let distributions = prediction.quantiles.surface.len() + prediction.quantiles.atmosphere.len();
        assert_eq!(distributions, if head.quantiles.is_some() { head.predicts.len() } else { 0 });
        let gradients = model.gradients(&loss.backward());
        for (name, _) in plan.group("storms") {
            let moved = gradients.get(&name).is_some_and(|g| g.values.iter().any(|value| *value != 0.0));
            assert!(moved, "{name} of {head:?}");
        }
    }
}

#[test]
fn the_value_of_a_distribution_is_its_median() {
    for (count, lower) in [(5, 2), (4, 1)] {
        let plan = with(head(CONV, &[], &["refc"], Some(count)));
        let prediction = predict(&plan, &input(&plan));
        let quantiles = &prediction.quantiles.surface["refc"];
        let at = |index: usize| list(&quantiles.clone().narrow(0, index, 1));
        let median = list(&prediction.surface.clone().narrow(0, 1, 1));
        let upper = count / 2;
        for ((value, below), above) in median.iter().zip(at(lower)).zip(at(upper)) {
            assert!((value - (below + above) / 2.0).abs() < 1e-6);
        }
        for index in 1..count {
            assert!(at(index - 1).iter().zip(at(index)).all(|(below, above)| *below < above));
        }
    }
}

/// With output layers of zeros a modulated head predicts that nothing changes; with m = 1 alone, the double.
#[test]
fn a_modulated_head_corrects_the_newest_input() {
    for quantiles in [None, Some(3)] {
        let plan = with(head(MODULATED, &[], &["t"], quantiles));
        let batch = input(&plan);
        let newest = list(&batch.atmosphere["t"].clone().narrow(1, 1, 1));
        for (bias, factor) in [(0.0, 1.0), (1.0, 2.0)] {
            let mut model = built(&plan);
            let outputs = plan.group("storms").into_iter().filter(|(name, _)| name.contains("atmos_heads"));
            let fixed = outputs.map(|(name, shape)| {
                let value = if name.ends_with("t_mod.bias") { bias } else { 0.0 };
                let values = vec![value; shape.iter().product()];
                (name, HostTensor { shape, values })
            });
            assign(&mut model, fixed.collect());
            let prediction = model.forward_normalised(&batch).expect("a prediction");
            let predicted = list(&prediction.atmosphere.narrow(0, 0, 1));
            for (value, old) in predicted.iter().zip(&newest) {
                assert!((value - factor * old).abs() < 1e-5, "{value} {old}");
            }
        }
    }
}

/// A change of what a head reads changes its prediction, and only there where nothing else could have.
#[test]
fn a_head_sees_the_fields_that_it_reads() {
    for layers in [CONV, UNET, MLP] {
        for name in ["t", "z"] {
            let plan = with(head(layers, &[name], &["refc"], None));
            let mut model = built(&plan);
            // Without the latent state the fields alone are left.
            let latent = plan.group("storms").into_iter().filter(|(name, _)| {
                name.starts_with("heads.storms.latent") || name.starts_with("heads.storms.spread")
            });
            let silent = latent.map(|(name, shape)| {
                let values = vec![0.0; shape.iter().product()];
                (name, HostTensor { shape, values })
            });
            assign(&mut model, silent.collect());
            let refc = |batch: &Batch| {
                list(&model.forward_normalised(batch).expect("a prediction").surface.narrow(0, 1, 1))
            };
            let batch = input(&plan);
            let mut other = batch.clone();
            // One point of the last patch of the first sample, at the newest time.
            if let Some(field) = other.atmosphere.get_mut(name) {
                let mut values = list(field);
                let newest = 18 * 12 * 3;
                values[2 * newest - 1] += 1.0;
                *field = Tensor::from_data(TensorData::new(values, field.dims()), &Device::flex());
            }
            if let Some(field) = other.statics.get_mut(name) {
                let mut values = list(field);
                values[18 * 12 - 1] += 1.0;
                *field = Tensor::from_data(TensorData::new(values, field.dims()), &Device::flex());
            }
            let (before, after) = (refc(&batch), refc(&other));
            let last = 18 * 12 - 1;
            assert!((before[last] - after[last]).abs() > 1e-7, "{layers:?} {name}");
            if layers == CONV {
                assert_eq!(before[0], after[0], "three filters do not reach across the grid");
            }
        }
    }
}

#[test]
fn what_a_head_cannot_do_is_said() {
    let plan = with(head(MLP, &["q"], &["refc"], None));
    let mut batch = input(&plan);
    batch.atmosphere.remove("q");
    let refused = |batch: &Batch| match built(&plan).forward_normalised(batch) {
        Err(ModelError::Batch(message)) => message,
        other => panic!("{other:?}"),
    };
    assert!(refused(&batch).contains("`storms` reads `q`"));
    let mut batch = input(&plan);
    batch.levels = vec![850.0, 500.0, 200.0];
    assert!(refused(&batch).contains("the input is on [850.0, 500.0, 200.0] hPa"));
}
