//! Kernels in losses as machine code with a backward pass of its own, and as the burn graph: values and gradients, each beside those of the
//! interpreter in f64, whose derivative `compiler/tests/kernel_adjoint.rs` and `kernel_gradients.rs` hold to differences. Beside each
//! other they would be judged by the sum of both errors, and nobody could say whose it is.

use std::collections::BTreeMap;

use aurora_compiler::kernel::adjoint;
use aurora_compiler::kernel::ir::*;
use aurora_runtime::train::compiled::LossKernel;
use aurora_runtime::train::graph::{self, Field};
use aurora_tests::Random;
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array2;

use crate::gradients::tracked;
use crate::kernels::{across, along, inputs, shipped, written};
use crate::programs::{along_step, program};
use crate::run::{CELLS, HEIGHT, WIDTH, fields, judged};

/// Relative to the greatest number of the field: what some hundred roundings of f32 come to (6e-8 each), if they all err alike.
const LIMIT: f64 = 1e-5;
const EXECUTORS: [&str; 2] = ["machine code", "graph"];

/// Two samples, of which the last input, if there are several, is shared.
fn batch(kernel: &Kernel, random: &mut Random, device: &Device) -> BTreeMap<String, Field> {
    let [one, other] = [(); 2].map(|()| fields(kernel, &inputs(kernel, random), device));
    let last = kernel.inputs.last().map(|input| input.name.clone()).filter(|_| kernel.inputs.len() > 1);
    one.into_iter()
        .map(|(name, field)| {
            let shared = Some(&name) == last.as_ref();
            let both = if shared { field } else { Tensor::cat(vec![field, other[&name].clone()], 0) };
            (name, both.require_grad())
        })
        .collect()
}

fn numbers(field: &Field) -> Vec<f64> {
    let data = field.clone().into_data().convert::<f32>();
    data.try_into_vec::<f32>().expect("f32").into_iter().map(f64::from).collect()
}

/// Every input of every sample; what samples share stands in each.
fn samples(kernel: &Kernel, leaves: &BTreeMap<String, Field>) -> Vec<Vec<Array2<f64>>> {
    let count = leaves.values().map(|field| field.dims()[0]).max().unwrap_or(1);
    let of = |sample: usize, input: &Input| {
        let numbers = numbers(&leaves[&input.name]);
        let length = input.domain.levels() * CELLS;
        let start = if numbers.len() > length { sample * length } else { 0 };
        let part = numbers[start..start + length].to_vec();
        Array2::from_shape_vec((input.domain.levels(), CELLS), part).expect("levels by cells")
    };
    (0..count).map(|sample| kernel.inputs.iter().map(|input| of(sample, input)).collect()).collect()
}

/// What the interpreter makes of the kernel and of its derivative in f64, from the same numbers: the output, and the gradient by each
/// input of the output's sum with `weights`. What samples share has the sum of their gradients.
fn exact(
    kernel: &Kernel,
    leaves: &BTreeMap<String, Field>,
    weights: &[f64],
) -> (Vec<f64>, BTreeMap<String, Vec<f64>>) {
    let names: Vec<&str> = kernel.inputs.iter().map(|input| input.name.as_str()).collect();
    let derivative = adjoint::gradient(kernel, &[&kernel.outputs[0].name], &names).expect("a derivative");
    let (mut values, mut gradients) = (Vec::new(), BTreeMap::<String, Vec<f64>>::new());
    let samples = samples(kernel, leaves);
    for (mut inputs, weights) in samples.iter().cloned().zip(weights.chunks(weights.len() / samples.len())) {
        let levels = weights.len() / CELLS;
        inputs.push(Array2::from_shape_vec((levels, CELLS), weights.to_vec()).expect("levels by cells"));
        let found = judged(&derivative, &inputs);
        values.extend(&found[0]);
        for (name, gradient) in names.iter().zip(&found[1..]) {
            let known = gradients.entry((*name).to_string()).or_default();
            if leaves[*name].dims()[0] == 1 && !known.is_empty() {
                known.iter_mut().zip(gradient).for_each(|(sum, part)| *sum += part);
            } else {
                known.extend(gradient);
            }
        }
    }
    (values, gradients)
}

/// The greatest difference, relative to the greatest number.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1e-30_f64, |most, x| most.max(x.abs()));
    let most = found
        .iter()
        .zip(expected)
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, |most: f64, x| if x.is_nan() { f64::INFINITY } else { most.max(x) });
    most / size
}

/// How far from f64 an executor is: its values, and the gradients of a weighted sum of them.
#[derive(Clone, Copy, Debug, Default)]
struct Errors {
    values: f64,
    gradients: f64,
}

/// Machine code and the graph, each beside the interpreter in f64; nothing where the graph has no gradient.
fn compare(kernel: &Kernel, random: &mut Random) -> Option<[Errors; 2]> {
    let device = Device::flex().autodiff();
    let leaves = batch(kernel, random, &device);
    let compiled = LossKernel::new(kernel.clone()).run(&leaves).expect("run");
    // Cells of a value that is the same everywhere are not written out, nor samples.
    let count = leaves.values().map(|field| field.dims()[0]).max().unwrap_or(1);
    let shape = [count, 1, compiled.dims()[2], HEIGHT, WIDTH];
    let graph = graph::run(kernel, &leaves).expect("run").swap_remove(0);
    let executors = [compiled, graph].map(|field| field.expand(shape));
    let weights: Vec<f32> = (0..shape.iter().product()).map(|_| 0.5 + random.unit() as f32).collect();
    let (values, gradients) =
        exact(kernel, &leaves, &weights.iter().copied().map(f64::from).collect::<Vec<_>>());
    if values.iter().any(|x| !x.is_finite()) || !tracked(kernel) {
        return None;
    }
    let weights: Field = Tensor::from_data(TensorData::new(weights, shape), &device);
    Some(executors.map(|field| {
        let mut errors = Errors { values: apart(&numbers(&field), &values), gradients: 0.0 };
        let found = (field * weights.clone()).sum().backward();
        for (name, leaf) in &leaves {
            let Some(found) = leaf.grad(&found) else { continue };
            errors.gradients = errors.gradients.max(apart(&numbers(&found), &gradients[name]));
        }
        errors
    }))
}

/// Every output on its own.
fn single(kernels: Vec<Kernel>) -> impl Iterator<Item = Kernel> {
    kernels.into_iter().flat_map(|kernel| {
        kernel
            .outputs
            .clone()
            .into_iter()
            .map(move |output| Kernel { outputs: vec![output], ..kernel.clone() })
    })
}

#[test]
fn kernels_of_losses_in_f32_equal_the_interpreter() {
    let mut random = Random(41);
    let mut compared = 0;
    for kernel in single(shipped()).chain(single(written())).chain(single(along())) {
        assert!(LossKernel::new(kernel.clone()).is_compiled(), "{kernel}");
        let Some(executors) = compare(&kernel, &mut random) else { continue };
        for (errors, executor) in executors.iter().zip(EXECUTORS) {
            let Errors { values, gradients } = errors;
            let name = format!("{} {} as {executor}", kernel.name, kernel.outputs[0].name);
            println!("{name}: values {values:.1e}, gradients {gradients:.1e}");
            assert!(*values <= LIMIT && *gradients <= LIMIT, "{name}: {errors:?}\n{kernel}");
        }
        compared += 1;
    }
    assert!(compared >= 20, "{compared}");
}

#[test]
fn random_programs_in_f32_equal_the_interpreter() {
    let mut random = Random(42);
    let mut all: Vec<[Errors; 2]> = Vec::new();
    for _ in 0..400 {
        let kernel = program(&mut random, 8, along_step);
        all.extend(compare(&kernel, &mut random));
    }
    assert!(all.len() > 200);
    for (number, executor) in EXECUTORS.into_iter().enumerate() {
        for (part, of) in [
            ("values", (|errors| errors.values) as fn(&Errors) -> f64),
            ("gradients", |errors| errors.gradients),
        ] {
            let mut errors: Vec<f64> = all.iter().map(|executors| of(&executors[number])).collect();
            errors.sort_by(f64::total_cmp);
            let of = |share: f64| errors[((errors.len() - 1) as f64 * share) as usize];
            println!(
                "{part} of {} programs as {executor}: median {:.1e}, 90 % {:.1e}, 99 % {:.1e}, most {:.1e}",
                errors.len(),
                of(0.5),
                of(0.9),
                of(0.99),
                of(1.0)
            );
            // Errors may grow on their way through a program.
            assert!(of(0.9) <= LIMIT);
        }
    }
}

/// What machine code has no derivative for runs as a graph.
#[test]
fn stencils_run_as_graphs() {
    for kernel in single(across()) {
        let compiled = LossKernel::new(kernel.clone());
        assert!(!compiled.is_compiled());
        let leaves = batch(&kernel, &mut Random(43), &Device::flex().autodiff());
        let expected = graph::run(&kernel, &leaves).expect("run").swap_remove(0);
        assert_eq!(numbers(&compiled.run(&leaves).expect("run")), numbers(&expected));
    }
}

/// Without a graph, and in part without one.
#[test]
fn gradients_go_where_they_are_asked_for() {
    let kernel = written().remove(0);
    let device = Device::flex().autodiff();
    let arrays = inputs(&kernel, &mut Random(44));
    let plain = fields(&kernel, &arrays, &Device::flex());
    let compiled = LossKernel::new(kernel.clone());
    let value = compiled.run(&plain).expect("run");
    assert!(!value.is_autodiff());
    let mut leaves = fields(&kernel, &arrays, &device);
    let (name, leaf) = leaves.pop_first().expect("inputs");
    let leaf = leaf.require_grad();
    leaves.insert(name, leaf.clone());
    let recorded = compiled.run(&leaves).expect("run");
    assert_eq!(numbers(&recorded), numbers(&value));
    let gradients = recorded.sum().backward();
    assert!(numbers(&leaf.grad(&gradients).expect("a gradient")).iter().any(|slope| *slope != 0.0));
    let missing = BTreeMap::new();
    assert!(compiled.run(&missing).is_err());
}
