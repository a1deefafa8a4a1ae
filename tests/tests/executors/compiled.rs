//! Kernels in losses as machine code with a backward pass of its own, beside the burn graph: values and gradients.

use std::collections::BTreeMap;

use aurora_compiler::kernel::ir::*;
use aurora_runtime::train::compiled::LossKernel;
use aurora_runtime::train::graph::{self, Field};
use aurora_tests::Random;
use burn::tensor::{Device, Tensor, TensorData};

use crate::gradients::tracked;
use crate::kernels::{across, along, inputs, shipped, written};
use crate::programs::{along_step, program};
use crate::run::fields;

/// Both round differently, in f32, and sum in other orders. Relative to the greatest number of the sample's field.
const LIMIT: f64 = 1e-5;

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

/// The greatest difference, relative to the greatest number.
fn apart(found: &Field, expected: &Field) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (numbers(found), numbers(expected));
    let size = expected.iter().fold(1e-30_f64, |most, x| most.max(x.abs()));
    let most = found
        .iter()
        .zip(&expected)
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, |most: f64, x| if x.is_nan() { f64::INFINITY } else { most.max(x) });
    most / size
}

/// How far values, and then gradients of a weighted sum of them, are apart; nothing where the graph has none.
fn compare(kernel: &Kernel, random: &mut Random) -> Option<[f64; 2]> {
    let device = Device::flex().autodiff();
    let leaves = batch(kernel, random, &device);
    let compiled = LossKernel::new(kernel.clone());
    let found = compiled.run(&leaves).expect("run");
    let expected = graph::run(kernel, &leaves).expect("run").swap_remove(0);
    let shape = found.dims();
    let expected = expected.expand(shape);
    let values = apart(&found, &expected);
    let weights: Vec<f32> = (0..shape.iter().product()).map(|_| 0.5 + random.unit() as f32).collect();
    let weights: Field = Tensor::from_data(TensorData::new(weights, shape), &device);
    if numbers(&expected).iter().any(|x| !x.is_finite()) || !tracked(kernel) {
        return None;
    }
    let [found, expected] = [found, expected].map(|field| (field * weights.clone()).sum().backward());
    let mut gradients: f64 = 0.0;
    for leaf in leaves.values() {
        let Some(expected) = leaf.grad(&expected) else { continue };
        gradients = gradients.max(apart(&leaf.grad(&found).expect("a gradient"), &expected));
    }
    Some([values, gradients])
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
fn compiled_kernels_of_losses_equal_the_graph() {
    let mut random = Random(41);
    let mut compared = 0;
    for kernel in single(shipped()).chain(single(written())).chain(single(along())) {
        assert!(LossKernel::new(kernel.clone()).is_compiled(), "{kernel}");
        let Some([values, gradients]) = compare(&kernel, &mut random) else { continue };
        println!(
            "{} {}: values {values:.1e}, gradients {gradients:.1e}",
            kernel.name, kernel.outputs[0].name
        );
        // Back through a layer both take differences of nearly equal terms, in another order.
        assert!(values <= LIMIT && gradients <= 1e-4, "{kernel}");
        compared += 1;
    }
    assert!(compared >= 20, "{compared}");
}

#[test]
fn compiled_random_programs_equal_the_graph() {
    let mut random = Random(42);
    let (mut values, mut gradients) = (Vec::new(), Vec::new());
    for _ in 0..400 {
        let kernel = program(&mut random, 8, along_step);
        if let Some([value, gradient]) = compare(&kernel, &mut random) {
            values.push(value);
            gradients.push(gradient);
        }
    }
    for errors in [&mut values, &mut gradients] {
        errors.sort_by(f64::total_cmp);
        let of = |share: f64| errors[((errors.len() - 1) as f64 * share) as usize];
        println!(
            "{} programs: median {:.1e}, 99 % {:.1e}, most {:.1e}",
            errors.len(),
            of(0.5),
            of(0.99),
            of(1.0)
        );
        // Errors may grow on their way through a program.
        assert!(errors.len() > 200 && of(0.9) <= LIMIT);
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
