//! The same values in all executors.

use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::text::parse;
use aurora_compiler::kernel::verify::domains;
use aurora_runtime::train::graph::{self, Field};
use aurora_tests::Random;
use burn::tensor::Device;
use ndarray::Array2;
use std::collections::BTreeMap;

use crate::kernels::{across, along, inputs, shipped, written};
use crate::programs::{any_step, plain_step, program};
use crate::run::{CELLS, array, compiled, distance, fields, graphed, judged, no_floor};

/// The graph's own arithmetic: `exp`, `log`, `pow` and the order of sums differ from the interpreter's. Relative
/// to the size of what is summed.
const GRAPH: f64 = 1e-5;
/// Machine code: 2 ulp for `exp`, `log` and `pow`, and what becomes of them in a few more steps.
const MACHINE: f64 = 2e-6;

#[test]
fn recipes_kernels_give_the_same_in_all_executors() {
    let mut random = Random(1);
    let kernels: Vec<Kernel> =
        shipped().into_iter().chain(written()).chain(along()).chain(across()).collect();
    for kernel in &kernels {
        let inputs = inputs(kernel, &mut random);
        let expected = judged(kernel, &inputs);
        let (machine, graph) = (compiled(kernel, &inputs), graphed(kernel, &inputs));
        let mut errors: [f64; 2] = [0.0; 2];
        for (number, (expected, graph)) in expected.iter().zip(&graph).enumerate() {
            assert!(
                expected.iter().all(|value| value.is_finite()),
                "{}: its inputs are no good",
                kernel.name
            );
            errors[0] = errors[0].max(distance(&machine[number], expected, &no_floor(expected)));
            errors[1] = errors[1].max(distance(graph, expected, &no_floor(expected)));
        }
        println!("{}: machine code {:.1e}, graph {:.1e}", kernel.name, errors[0], errors[1]);
        assert!(errors[0] <= MACHINE && errors[1] <= GRAPH, "{kernel}");
    }
    println!("{} kernels", kernels.len());
}

/// Every instruction by itself, given what the executor made of its operands, for errors may grow without limit
/// on their way through a random program.
#[test]
fn random_programs_give_the_same_in_all_executors() {
    let mut random = Random(2);
    let mut compared = 0;
    for number in 0..600 {
        let kernel = program(&mut random, 20, if number < 300 { plain_step } else { any_step });
        let domains = domains(&kernel).expect("verified");
        let outputs = (0..kernel.instructions.len())
            .map(|position| Output { name: format!("v{position}"), value: Value::new(position) })
            .collect();
        let every = Kernel { outputs, ..kernel };
        let inputs = inputs(&every, &mut random);
        let machine = ("machine code", compiled(&every, &inputs), MACHINE);
        for (executor, values, limit) in [machine, ("graph", graphed(&every, &inputs), GRAPH)] {
            for (position, instruction) in every.instructions.iter().enumerate().skip(every.inputs.len()) {
                let (alone, operands) = alone(instruction, &domains);
                let operands: Vec<_> =
                    operands.iter().map(|operand| values[operand.index()].clone()).collect();
                if operands.iter().flatten().any(|value| !value.is_finite()) {
                    continue;
                }
                let expected = judged(&alone, &operands).remove(0);
                if looks_along(instruction) {
                    let missing = |(x, y): (&f32, &f32)| x.is_nan() == y.is_nan();
                    assert!(values[position].iter().zip(&expected).all(missing), "%{position}\n{every}");
                }
                let error = distance(&values[position], &expected, &terms(instruction, &operands, &expected));
                assert!(error <= limit, "{executor}, %{position}: {error:.1e}\n{every}");
                compared += expected.len();
            }
        }
    }
    println!("{compared} values compared");
    assert!(compared > 400_000);
}

fn looks_along(instruction: &Instruction) -> bool {
    matches!(instruction, Instruction::Interpolate { .. } | Instruction::Layer { .. })
}

/// For what is a sum, the size of what is summed; for sines, whose zeros have an error of their own, 1.
fn terms(instruction: &Instruction, operands: &[Array2<f32>], result: &Array2<f32>) -> Array2<f64> {
    let size = |operand: usize, cell: usize| -> f64 {
        operands[operand].column(cell).iter().map(|x| f64::from(x.abs())).sum()
    };
    let of = |scale: &dyn Fn(usize) -> f64| Array2::from_shape_fn(result.dim(), |(_, cell)| scale(cell));
    match instruction {
        Instruction::Reduce { op: Reduce::Sum, weights, .. } => {
            let weight = |level: usize| weights.as_ref().map_or(1.0, |weights| weights[level].abs());
            of(&|cell| {
                let column = operands[0].column(cell);
                column.iter().enumerate().map(|(k, x)| f64::from(x.abs()) * weight(k)).sum()
            })
        }
        Instruction::Unary { op: Unary::Sin | Unary::Cos, .. } => of(&|_| 1.0),
        Instruction::Interpolate { .. } => of(&|cell| size(0, cell)),
        Instruction::Layer { op: LayerOp::Integral, .. } => of(&|cell| size(0, cell) * size(1, cell)),
        Instruction::Layer { .. } => of(&|cell| size(0, cell)),
        Instruction::Scan { .. } => of(&|cell| (0..operands.len()).map(|k| size(k, cell)).sum()),
        _ => no_floor(result),
    }
}

fn alone(instruction: &Instruction, domains: &[Domain]) -> (Kernel, Vec<Value>) {
    let mut builder = Builder::new("alone");
    let operands = instruction.operands();
    for (number, operand) in operands.iter().enumerate() {
        builder.input(&format!("i{number}"), domains[operand.index()]);
    }
    let mut number = 0;
    let result = builder.push(instruction.clone().map_operands(|_| {
        number += 1;
        Value::new(number - 1)
    }));
    builder.output("o", result);
    (builder.finish(), operands)
}

/// What is asked for outside the column is missing in all executors, comparisons with it too; what does not use it is
/// whole, and so is every gradient.
#[test]
fn what_is_not_in_the_column_is_missing_in_the_graph_too() {
    let text = "kernel outside(q: column 4, h: column 4, x: cell) {
        %0 = input q
        %1 = input h
        %2 = input x
        %3 = constant 2.0
        %4 = mul %2 %3
        %5 = interpolate %0 on %1 at %4
        %6 = constant 0.01
        %7 = gt %5 %6
        %8 = select %7 %2 %6
        %9 = levels [0.0 0.0 0.0 1.0]
        %10 = sum %1 weights [0.0 0.0 0.0 1.0]
        %11 = le %4 %10
        %12 = select %11 %5 %2
        %13 = layer mean %0 on %1 from %10 to %4
        %14 = select %11 %13 %2
        output value = %5
        output moist = %8
        output kept = %12
        output layer = %14
    }";
    let kernel = parse(text).expect("kernel").kernels.remove(0);
    let inputs = inputs(&kernel, &mut Random(7));
    let (expected, found) = (judged(&kernel, &inputs), graphed(&kernel, &inputs));
    let missing = |array: &Array2<f32>| array.mapv(f32::is_nan);
    let counts: Vec<usize> = expected.iter().map(|a| a.iter().filter(|x| x.is_nan()).count()).collect();
    println!("missing {counts:?} of {CELLS}");
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(missing(expected), missing(found));
        assert!(distance(found, expected, &no_floor(expected)) <= GRAPH);
    }
    assert!(counts[0] > 3 && counts[0] < CELLS - 3 && counts[0] == counts[1] && counts[2] == 0);

    let device = Device::flex().autodiff();
    let leaves: BTreeMap<String, Field> =
        fields(&kernel, &inputs, &device).into_iter().map(|(name, f)| (name, f.require_grad())).collect();
    let kept = graph::run(&kernel, &leaves).expect("run").swap_remove(2);
    let gradients = kept.sum().backward();
    for leaf in leaves.values() {
        let gradient = array(leaf.grad(&gradients).expect("a gradient"));
        assert!(gradient.iter().all(|slope| slope.is_finite()));
    }
}
