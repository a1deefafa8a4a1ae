//! Random typed programs: the executors agree, the passes change nothing, the text says everything.

mod kernel_support;

use aurora_compiler::kernel::interpret::{Extent, interpret, interpret_on};
use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::kernel::optimise::{
    fold_constants, optimise, remove_dead_code, share_common_subexpressions,
};
use aurora_compiler::kernel::text::parse;
use aurora_compiler::kernel::verify::verify;
use kernel_support::*;
use ndarray::Array2;
use proptest::prelude::*;

const PROGRAMS: u32 = 2000;

fn interpreted(kernel: &Kernel, inputs: &[Array2<f32>], cells: usize) -> Vec<Array2<f32>> {
    let views: Vec<_> = inputs.iter().map(|array| array.view()).collect();
    interpret(kernel, &views, cells).unwrap()
}

fn interpreted_on(kernel: &Kernel, inputs: &[Array2<f32>], extent: Extent) -> Vec<Array2<f32>> {
    let views: Vec<_> = inputs.iter().map(|array| array.view()).collect();
    interpret_on(kernel, &views, extent).unwrap()
}

fn levels_of_outputs(kernel: &Kernel, domains: &[Domain]) -> Vec<usize> {
    kernel.outputs.iter().map(|output| domains[output.value.index()].levels()).collect()
}

fn random_inputs(random: &mut Random, kernel: &Kernel, cells: usize) -> Vec<Array2<f32>> {
    kernel.inputs.iter().map(|input| random.array(input.domain.levels(), cells)).collect()
}

/// The instruction alone, its operands as inputs.
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

/// By how many units in the last place machine code may miss the interpreter. Sines and cosines are within 10⁻⁷ near
/// their zeros instead.
fn limit(instruction: &Instruction) -> u64 {
    match instruction {
        Instruction::Unary { op: Unary::Exp | Unary::Log | Unary::Sin | Unary::Cos, .. } => 2,
        Instruction::Binary { op: Binary::Pow, .. } => 2,
        Instruction::Binary { op: Binary::Atan2, .. } => 4,
        _ => 0,
    }
}

/// The first place where a value is not what its instruction makes of its operands.
fn misses(instruction: &Instruction, found: &Array2<f32>, expected: &Array2<f32>) -> Option<String> {
    let mut expected = expected.clone();
    if let Instruction::Unary { op: Unary::Sin | Unary::Cos, .. } = instruction {
        expected.zip_mut_with(found, |expected, found| {
            if (*expected - found).abs() <= 1e-7 {
                *expected = *found;
            }
        });
    }
    difference(found, expected.view(), limit(instruction))
}

/// A walk with all instructions that a body may have, every value of its body a state and an output; the domains of the
/// kernel's values, and the body's instructions.
fn random_walk(random: &mut Random, size: usize) -> (Kernel, Vec<Domain>, Vec<Instruction>) {
    let levels = Domain::Column(1 + random.below(5));
    let mut builder = Builder::new("walk");
    let inputs = [levels, Domain::Cell, levels];
    let captures: Vec<Value> =
        inputs.iter().enumerate().map(|(k, domain)| builder.input(&format!("i{k}"), *domain)).collect();
    let (mut body, mut domains) = (BodyBuilder::new(), Vec::new());
    for number in 0..size {
        domains.push(Domain::Cell);
        match (number, random.below(7)) {
            (0, _) | (_, 0) => body.state(random.below(size)),
            (1, _) | (_, 1) => body.here(random.below(3)),
            (_, 2) => body.before(random.below(3)),
            (_, 3) => {
                let [left, right] = [(); 2].map(|()| Value::new(random.below(number)));
                let turned = [
                    Instruction::Unary { op: Unary::Sin, value: left },
                    Instruction::Unary { op: Unary::Cos, value: left },
                    Instruction::Binary { op: Binary::Atan2, left, right },
                ];
                body.push(turned[random.below(3)].clone())
            }
            _ => body.push(random_instruction(random, &domains[..number], true).0),
        };
    }
    let next = (0..size).map(Value::new).collect();
    let body = body.finish(next);
    let (starts, reverse) = (vec![captures[1]; size], random.below(2) == 0);
    let mut kept = inputs.to_vec();
    for result in 0..size {
        let column = builder.scan(reverse, starts.clone(), captures.clone(), None, body.clone(), result);
        builder.output(&format!("v{result}"), column);
        kept.push(levels);
    }
    (builder.finish(), kept, body.instructions)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: PROGRAMS, failure_persistence: None, ..ProptestConfig::default() })]

    /// Without transcendental functions, machine code and interpreter agree in every bit.
    #[test]
    fn kernel_machine_code_equals_the_interpreter(seed: u64, size in 1_usize..40, cells in 1_usize..70) {
        let mut random = Random(seed);
        let (kernel, domains) = random_kernel(&mut random, size, false);
        let inputs = random_inputs(&mut random, &kernel, cells);
        let expected = interpreted(&kernel, &inputs, cells);
        let compiled = Compiled::new(&kernel).unwrap();
        let found = run(&compiled, &inputs, &levels_of_outputs(&kernel, &domains), cells);
        for ((found, expected), output) in found.iter().zip(&expected).zip(&kernel.outputs) {
            let difference = difference(found, expected.view(), 0);
            prop_assert!(difference.is_none(), "{kernel}{}: {}", output.name, difference.unwrap_or_default());
        }
    }

    /// With them, errors may grow without limit on their way through a program, so each instruction is judged by
    /// itself: every value is made an output, and the interpreter is given what machine code made of the operands.
    /// Then the result is a few ulp away at most where it is transcendental, and not at all for the others.
    /// And it does not matter for a value which others are written.
    #[test]
    fn kernel_each_instruction_is_right_on_its_own(seed: u64, size in 1_usize..25, cells in 1_usize..40) {
        let mut random = Random(seed);
        let (kernel, domains) = match random.below(3) {
            0 => random_kernel(&mut random, size, true),
            _ => random_point_kernel(&mut random, size),
        };
        let inputs = random_inputs(&mut random, &kernel, cells);
        let outputs = (0..kernel.instructions.len())
            .map(|position| Output { name: format!("v{position}"), value: Value::new(position) })
            .collect();
        let every = Kernel { outputs, ..kernel.clone() };
        let values = run(&Compiled::new(&every).unwrap(), &inputs, &levels_of_outputs(&every, &domains), cells);
        for (position, instruction) in kernel.instructions.iter().enumerate().skip(kernel.inputs.len()) {
            let (alone, operands) = alone(instruction, &domains);
            let operands: Vec<_> = operands.iter().map(|operand| values[operand.index()].clone()).collect();
            let expected = interpreted(&alone, &operands, cells).remove(0);
            let difference = misses(instruction, &values[position], &expected);
            prop_assert!(difference.is_none(), "{kernel}%{position}: {}", difference.unwrap_or_default());
        }
        let few = run(&Compiled::new(&kernel).unwrap(), &inputs, &levels_of_outputs(&kernel, &domains), cells);
        for (found, output) in few.iter().zip(&kernel.outputs) {
            let difference = difference(found, values[output.value.index()].view(), 0);
            prop_assert!(difference.is_none(), "{kernel}{}: {}", output.name, difference.unwrap_or_default());
        }
    }

    /// No pass changes a bit, in either precision, and what comes out verifies.
    #[test]
    fn kernel_passes_preserve_results(seed: u64, size in 1_usize..40, rows in 1_usize..4, columns in 1_usize..4) {
        let mut random = Random(seed);
        let (kernel, _) = random_whole_kernel(&mut random, size);
        let extent = Extent { rows, columns };
        let inputs = random_inputs(&mut random, &kernel, rows * columns);
        let expected = interpreted_on(&kernel, &inputs, extent);
        let passes: [fn(&Kernel) -> Kernel; 4] =
            [fold_constants::<f32>, share_common_subexpressions, remove_dead_code, optimise::<f32>];
        for (number, pass) in passes.iter().enumerate() {
            let after = pass(&kernel);
            prop_assert_eq!(verify(&Module { kernels: vec![after.clone()] }), Ok(()));
            for (found, expected) in interpreted_on(&after, &inputs, extent).iter().zip(&expected) {
                let difference = difference(found, expected.view(), 0);
                prop_assert!(difference.is_none(), "pass {number}: {kernel}{after}{}", difference.unwrap_or_default());
            }
        }
        let wide: Vec<_> = inputs.iter().map(|array| array.mapv(f64::from)).collect();
        let views: Vec<_> = wide.iter().map(|array| array.view()).collect();
        let (before, after) = (interpret_on(&kernel, &views, extent), interpret_on(&optimise::<f64>(&kernel), &views, extent));
        for (before, after) in before.unwrap().iter().zip(&after.unwrap()) {
            let same = |(x, y): (&f64, &f64)| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
            prop_assert!(before.iter().zip(after).all(same));
        }
    }

    /// In the body of a walk too: every value of it is made a state, so that each is seen on each level with its operands.
    #[test]
    fn kernel_each_instruction_of_a_walk_is_right_on_its_own(seed: u64, size in 1_usize..14, cells in 1_usize..20) {
        let mut random = Random(seed);
        let (kernel, domains, values) = random_walk(&mut random, size);
        let inputs = random_inputs(&mut random, &kernel, cells);
        let columns = run(&Compiled::new(&kernel).unwrap(), &inputs, &levels_of_outputs(&kernel, &domains), cells);
        let domains = vec![Domain::Column(columns[0].nrows()); values.len()];
        for (position, instruction) in values.iter().enumerate().filter(|(_, one)| !one.operands().is_empty()) {
            let (alone, operands) = alone(instruction, &domains);
            let operands: Vec<_> = operands.iter().map(|operand| columns[operand.index()].clone()).collect();
            let expected = interpreted(&alone, &operands, cells).remove(0);
            let difference = misses(instruction, &columns[position], &expected);
            prop_assert!(difference.is_none(), "{kernel}%{position}: {}", difference.unwrap_or_default());
        }
    }

    /// Printed and parsed again, a module is the same in every bit.
    #[test]
    fn kernel_text_round_trips(seed: u64, size in 0_usize..40) {
        let mut random = Random(seed);
        let mut kernels = vec![random_whole_kernel(&mut random, size).0, random_whole_kernel(&mut random, size).0];
        kernels[1].name = "another.one@2-m".to_owned();
        let module = Module { kernels };
        let text = module.to_string();
        let parsed = parse(&text).unwrap();
        prop_assert_eq!(&text, &parsed.to_string());
        // NaN constants are not equal to themselves, so constants are compared as bits.
        for (before, after) in module.kernels.iter().zip(&parsed.kernels) {
            prop_assert_eq!((&before.name, &before.inputs, &before.outputs), (&after.name, &after.inputs, &after.outputs));
            for (before, after) in before.instructions.iter().zip(&after.instructions) {
                match (before, after) {
                    (Instruction::Constant(x), Instruction::Constant(y)) if !x.is_nan() => {
                        prop_assert_eq!(x.to_bits(), y.to_bits());
                    }
                    (Instruction::Constant(_) | Instruction::Levels(_) | Instruction::Scan { .. }, _) | (Instruction::Reduce { weights: Some(_), .. }, _) => {
                        prop_assert_eq!(format!("{before:?}"), format!("{after:?}"));
                    }
                    _ => prop_assert_eq!(before, after),
                }
            }
        }
    }
}

/// Sizes around groups and tiles, with more than one tile in parallel: each cell's result is that of the cell alone.
#[test]
fn kernel_results_do_not_depend_on_the_number_of_cells() {
    let mut random = Random(7);
    for size in [2, 5, 30] {
        let (kernel, domains) = random_kernel(&mut random, size, true);
        let levels = levels_of_outputs(&kernel, &domains);
        let compiled = Compiled::new(&kernel).unwrap();
        let inputs = random_inputs(&mut random, &kernel, 12_301);
        let whole = run(&compiled, &inputs, &levels, 12_301);
        for (start, cells) in [(0, 1), (4095, 3), (4093, 17), (12_300, 1), (8000, 4301), (0, 4096), (3, 8192)]
        {
            let part = |array: &Array2<f32>| {
                array.slice(ndarray::s![.., start..start + cells]).as_standard_layout().to_owned()
            };
            let inputs: Vec<_> = inputs.iter().map(part).collect();
            for (found, whole) in run(&compiled, &inputs, &levels, cells).iter().zip(&whole) {
                assert_eq!(difference(found, part(whole).view(), 0), None, "{kernel}");
            }
        }
    }
}
