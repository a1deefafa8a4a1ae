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

fn is_transcendental(instruction: &Instruction) -> bool {
    matches!(
        instruction,
        Instruction::Unary { op: Unary::Exp | Unary::Log, .. } | Instruction::Binary { op: Binary::Pow, .. }
    )
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
    /// Then the result is 2 ulp away at most for `exp`, `log` and `pow`, and not at all for the others.
    /// And it does not matter for a value which others are written.
    #[test]
    fn kernel_each_instruction_is_right_on_its_own(seed: u64, size in 1_usize..25, cells in 1_usize..40) {
        let mut random = Random(seed);
        let (kernel, domains) = random_kernel(&mut random, size, true);
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
            let limit = if is_transcendental(instruction) { 2 } else { 0 };
            let difference = difference(&values[position], expected.view(), limit);
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
