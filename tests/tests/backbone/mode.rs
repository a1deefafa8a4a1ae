//! Modes of a pass: chance, recomputation, numbers of 16 bits.

use std::collections::BTreeMap;

use aurora_compiler::plan::model::{LoraMode, LoraPlan, ModelPlan};
use aurora_runtime::model::{
    Aurora, Batch, Chance, Coordinates, Mode, ParameterGradients, Prediction, Recomputation,
};
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::{difference, values};

/// A model with every option of the backbone, on a grid of 4×9 patches, which windows of 3×4 do not fit.
fn whole() -> ModelPlan {
    let mut plan = ModelPlan::small();
    (plan.height, plan.width, plan.levels) = (16, 36, vec![500.0, 850.0]);
    (plan.embed_dim, plan.num_heads, plan.window, plan.mlp_ratio) = (16, 4, [2, 3, 4], 2.0);
    (plan.encoder_depths, plan.encoder_heads) = (vec![1, 2, 1], vec![2, 4, 4]);
    (plan.decoder_depths, plan.decoder_heads) = (vec![1, 1, 2], vec![4, 4, 2]);
    plan.options.lora = Some(LoraPlan { mode: LoraMode::All, steps: 2, rank: 3, alpha: 6.0 });
    plan.options.stochastic = true;
    plan.options.drop_rate = 0.1;
    plan.options.drop_path = 0.3;
    plan
}

/// A model whose weights are all alive.
fn model(plan: &ModelPlan, device: &Device) -> Aurora {
    let model = Aurora::new(plan, 5, device).unwrap();
    let mut weights = model.parameters();
    for (index, (name, tensor)) in weights.iter_mut().enumerate() {
        let inputs = tensor.shape.iter().skip(1).product::<usize>().max(1);
        let size = if name.ends_with("bias") { 0.1 } else { 0.9 / (inputs as f32).sqrt() };
        let centre = if tensor.shape.len() == 1 && name.ends_with("weight") { 1.0 } else { 0.0 };
        for (value, noise) in tensor.values.iter_mut().zip(wave(index)) {
            *value = centre + size * noise;
        }
    }
    let names = model.names().clone();
    names.write_each(model, &mut |name| Ok(weights.remove(name))).unwrap()
}

/// Numbers between −1.7 and 1.7 that look random.
fn wave(seed: usize) -> impl Iterator<Item = f32> {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * 1.7
    })
}

/// A normalised batch of some samples; sample n is the same in every batch.
fn batch(plan: &ModelPlan, samples: std::ops::Range<usize>, device: &Device) -> Batch {
    let (height, width, levels) = (plan.height, plan.width, plan.levels.len());
    let line = |from: f32, to: f32, count: usize| {
        (0..count).map(|at| from + (to - from) * at as f32 / (count - 1) as f32).collect::<Vec<_>>()
    };
    let field = |seed: usize, size: usize| -> Vec<f32> {
        samples.clone().flat_map(|sample| wave(100 * seed + sample).take(size)).collect()
    };
    let count = samples.len();
    let surface = plan.surface.iter().enumerate().map(|(index, name)| {
        let data = TensorData::new(field(index + 1, 2 * height * width), [count, 2, height, width]);
        (name.clone(), Tensor::from_data(data, device))
    });
    let atmosphere = plan.atmosphere.iter().enumerate().map(|(index, name)| {
        let values = field(index + 21, 2 * levels * height * width);
        let data = TensorData::new(values, [count, 2, levels, height, width]);
        (name.clone(), Tensor::from_data(data, device))
    });
    let statics = plan.statics.iter().enumerate().map(|(index, name)| {
        let data = TensorData::new(wave(index + 77).take(height * width).collect(), [height, width]);
        (name.clone(), Tensor::from_data(data, device))
    });
    Batch {
        surface: surface.collect(),
        statics: statics.collect(),
        atmosphere: atmosphere.collect(),
        latitude: Coordinates::vector(line(50.0, 20.0, height)),
        longitude: Coordinates::vector(line(230.0, 290.0, width)),
        time: samples.map(|sample| 1_590_000_000 + 3600 * sample as i64).collect(),
        levels: plan.levels.clone(),
        rollout_step: 0,
    }
}

fn lead(batch: &Batch) -> Vec<f32> {
    vec![6.0; batch.time.len()]
}

/// The input after a prediction, all normalised.
fn after(batch: &Batch, prediction: Prediction) -> Batch {
    let new = prediction.into_batch();
    let mut next = batch.clone();
    for (name, field) in &mut next.surface {
        *field = Tensor::cat(vec![field.clone().narrow(1, 1, 1), new.surface[name].clone()], 1);
    }
    for (name, field) in &mut next.atmosphere {
        *field = Tensor::cat(vec![field.clone().narrow(1, 1, 1), new.atmosphere[name].clone()], 1);
    }
    Batch { time: new.time, rollout_step: new.rollout_step, ..next }
}

/// A loss over a roll-out of some steps, through which its gradient flows, and the gradients of all parameters.
fn gradients(model: &Aurora, mode: &Mode, mut input: Batch, steps: usize) -> (f32, Gradients) {
    let mut loss = Tensor::<1>::zeros([1], &model.device());
    for _ in 0..steps {
        let prediction = model.forward_in(&input, &lead(&input), mode).unwrap();
        let fields = prediction.clone();
        loss = loss + fields.surface.powi_scalar(2).mean() + fields.atmosphere.powi_scalar(2).mean();
        input = after(&input, prediction);
    }
    let value = loss.clone().into_scalar::<f32>();
    let mut gradients = ParameterGradients::from_burn(model, loss.backward());
    gradients.add(mode.recomputation.as_ref().map(Recomputation::take).unwrap_or_default());
    (value, gradients.iter().map(|(name, tensor)| (name.to_string(), values(tensor.clone()))).collect())
}

type Gradients = BTreeMap<String, Vec<f32>>;

/// The greatest difference of two gradients over the greatest of the tensor's values, over all tensors. Tensors
/// whose gradient is nothing but rounding are passed over: a millionth of the greatest of all.
fn unequal(one: &Gradients, two: &Gradients) -> f32 {
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    let greatest = two.values().flatten().fold(0f32, |most, value| most.max(value.abs()));
    one.iter().fold(0f32, |worst, (name, one)| {
        let (off, own) = difference(one, &two[name]);
        assert!(off.is_finite(), "{name}");
        worst.max(off / own.max(1e-6 * greatest))
    })
}

/// Segments computed twice give the same gradients, through two steps of a roll-out with noise. With dropout,
/// attention is composed of burn's operations, whose softmax rounds otherwise where a graph is recorded.
#[test]
fn recomputation_changes_no_gradient() {
    let device = Device::flex().autodiff();
    let chance = Some(Chance { seed: 9, step: 3, first: 0 });
    for (dropout, allowed) in [(0.0, 1e-6), (0.1, 1e-3)] {
        let mut plan = whole();
        plan.options.drop_rate = dropout;
        let model = model(&plan, &device);
        let kept = Mode { chance, ..Mode::default() };
        let again = Mode { recomputation: Some(Recomputation::new(model.names())), ..kept.clone() };
        let one = gradients(&model, &kept, batch(&plan, 0..2, &device), 2);
        let two = gradients(&model, &again, batch(&plan, 0..2, &device), 2);
        assert!((one.0 - two.0).abs() <= 1e-6 * one.0);
        // Every parameter has a gradient: two steps use both low-rank updates.
        assert_eq!(one.1.len(), plan.tensors().len());
        let off = unequal(&one.1, &two.1);
        println!("dropout {dropout}: gradients differ by {off:.1e} of the greatest");
        assert!(off <= allowed, "dropout {dropout}: {off:e}");
        // Taken once, they are gone.
        assert_eq!(again.recomputation.unwrap().take().iter().count(), 0);
    }
}

/// Masks and noise are functions of seed and step: the same again, others at another step, none in prediction.
#[test]
fn chance_repeats_itself() {
    let device = Device::flex();
    let mut plan = whole();
    plan.options.stochastic = false;
    let model = model(&plan, &device);
    let at = |chance: Option<Chance>| {
        let input = batch(&plan, 0..2, &device);
        let mode = Mode { chance, ..Mode::default() };
        let prediction = model.forward_in(&input, &lead(&input), &mode).unwrap();
        values(prediction.atmosphere)
    };
    let chance = |step| Some(Chance { seed: 9, step, first: 0 });
    assert_eq!(at(chance(3)), at(chance(3)));
    let (off, greatest) = difference(&at(chance(3)), &at(chance(4)));
    assert!(off > 0.01 * greatest, "{off} of {greatest}");
    let (off, greatest) = difference(&at(chance(3)), &at(None));
    assert!(off > 0.01 * greatest, "{off} of {greatest}");
    let predicted = values(model.forward_normalised(&batch(&plan, 0..2, &device)).unwrap().atmosphere);
    assert_eq!(at(None), predicted);
}

/// Each option alone is seen in training.
#[test]
fn dropout_and_stochastic_depth_are_seen() {
    let device = Device::flex();
    for (rate, path) in [(0.1, 0.0), (0.0, 0.3)] {
        let mut plan = whole();
        plan.options.stochastic = false;
        (plan.options.drop_rate, plan.options.drop_path) = (rate, path);
        let model = model(&plan, &device);
        let input = batch(&plan, 0..2, &device);
        let at = |chance| {
            let mode = Mode { chance, ..Mode::default() };
            values(model.forward_in(&input, &lead(&input), &mode).unwrap().atmosphere)
        };
        let (off, greatest) = difference(&at(Some(Chance { seed: 1, step: 1, first: 0 })), &at(None));
        assert!(off > 0.01 * greatest, "rate {rate}, path {path}: {off} of {greatest}");
    }
}

/// The gradients of micro-batches add up to the whole batch's: they draw the masks and the noise that their
/// samples draw in the whole. To the rounding of sums in another order.
#[test]
fn micro_batches_add_up() {
    let device = Device::flex().autodiff();
    let plan = whole();
    let model = model(&plan, &device);
    let mode = |first| Mode { chance: Some(Chance { seed: 9, step: 3, first }), ..Mode::default() };
    let (_, one) = gradients(&model, &mode(0), batch(&plan, 0..3, &device), 1);
    let mut two: Gradients = BTreeMap::new();
    for (part, share) in [(0..2, 2.0 / 3.0), (2..3, 1.0 / 3.0)] {
        let (_, list) = gradients(&model, &mode(part.start), batch(&plan, part, &device), 1);
        for (name, values) in list {
            let sum = two.entry(name).or_insert_with(|| vec![0.0; values.len()]);
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += share * value);
        }
    }
    let off = unequal(&two, &one);
    println!("gradients differ by {off:.1e} of the greatest");
    assert!(off <= 1e-4, "{off:e}");
}

/// Operands of 16 bits: bf16 keeps 8 bits, f16 keeps 11, so that results differ by some of their last. Gradients
/// are finite, of the same direction, and of the weights' own type.
#[test]
fn sixteen_bits_stay_close() {
    let device = Device::flex().autodiff();
    let mut plan = whole();
    plan.options.fp16_safe_attention = true;
    (plan.options.stochastic, plan.options.drop_rate, plan.options.drop_path) = (false, 0.0, 0.0);
    let model = model(&plan, &device);
    let run = |precision| {
        let mode = Mode { precision, ..Mode::default() };
        let input = batch(&plan, 0..1, &device);
        let prediction = model.forward_in(&input, &lead(&input), &mode).unwrap();
        assert_eq!(prediction.atmosphere.dtype(), DType::F32);
        (values(prediction.atmosphere), gradients(&model, &mode, input, 1).1)
    };
    let (exact, gradient) = run(DType::F32);
    for (precision, step) in [(DType::BF16, 2f32.powi(-8)), (DType::F16, 2f32.powi(-11))] {
        let (have, rounded) = run(precision);
        let off = (squares(have.iter().zip(&exact).map(|(one, two)| one - two))
            / squares(exact.iter().copied()))
        .sqrt();
        assert!(off > 0.0, "{precision:?}: nothing was rounded");
        assert!(off < 4.0 * step, "{precision:?}: off by {off:e}");
        let (mut along, mut one, mut two) = (0.0, 0.0, 0.0);
        for (name, rounded) in &rounded {
            assert!(rounded.iter().all(|value| value.is_finite()), "{precision:?} {name}");
            let exact = &gradient[name];
            along += rounded.iter().zip(exact).map(|(a, b)| a * b).sum::<f32>();
            one += squares(rounded.iter().copied());
            two += squares(exact.iter().copied());
        }
        let angle = along / (one * two).sqrt();
        println!("{precision:?}: outputs off by {off:.1e}, the gradients' cosine is {angle:.6}");
        assert!(angle > 1.0 - 0.5 * (16.0 * step).powi(2), "{precision:?}: {angle}");
        // With recomputation the same, to the last bit of f32.
        let mode =
            Mode { precision, recomputation: Some(Recomputation::new(model.names())), ..Mode::default() };
        let again = gradients(&model, &mode, batch(&plan, 0..1, &device), 1).1;
        assert!(unequal(&again, &rounded) <= 1e-6);
    }
}

fn squares(values: impl Iterator<Item = f32>) -> f32 {
    values.map(|value| value * value).sum()
}

/// A model that is read-only for the graph: nothing to recompute, nothing recorded.
#[test]
fn recomputation_without_a_graph_is_no_more_than_a_prediction() {
    let device = Device::flex();
    let plan = whole();
    let model = model(&plan, &device).valid();
    let input = batch(&plan, 0..1, &device);
    let run = |recomputation| {
        model.noise().seed(4);
        let mode = Mode { recomputation, ..Mode::default() };
        values(model.forward_in(&input, &lead(&input), &mode).unwrap().surface)
    };
    assert_eq!(run(None), run(Some(Recomputation::new(model.names()))));
}
