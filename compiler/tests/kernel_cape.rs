//! The gradient of CAPE by temperature, humidity and pressure on every level.

mod kernel_support;

use aurora_compiler::kernel::adjoint::value_and_gradient;
use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::jit::Compiled;
use kernel_support::gradients::{Errors, compared, gradients, interpreted, judged_by_input};
use kernel_support::parcel::{cape, soundings};
use kernel_support::{Random, run};

const LEVELS: usize = 40;

/// The limits are those of the prototype's figures: f64's differences miss the gradient itself by 1e-8 at most.
#[test]
fn the_gradient_of_cape_equals_differences() {
    let kernel = cape(LEVELS);
    let (mut random, cells) = (Random(23), 60);
    let inputs = soundings(&mut random, LEVELS, cells);
    let values = interpreted::<f64>(&kernel, &inputs, cells).remove(0);
    let mean = values.sum() / cells as f64;
    println!(
        "CAPE {:.0} to {:.0}, mean {mean:.0} J/kg",
        values.iter().copied().fold(f64::INFINITY, f64::min),
        values.iter().copied().fold(0.0, f64::max)
    );
    assert!(mean > 500.0);
    let [median, wide, _] = compared::<f64>(&kernel, &inputs, cells).told("f64");
    assert!(median <= 1e-6 && wide <= 1e-4);
    let found = gradients::<f32>(&kernel, &inputs, cells);
    let mut all = Errors::default();
    for (input, mut errors) in kernel.inputs.iter().zip(judged_by_input(&kernel, &inputs, cells, &found)) {
        let [median, wide, _] = errors.told(&format!("f32, by {}", input.name));
        // Where the parcel arrives hardly depends on the pressures it has passed: what each of them adds on one level it takes
        // away on the next, and f32's rounding of the two is more, beside their difference, than elsewhere.
        let limit = if input.name == "p" { 1e-2 } else { 1e-3 };
        assert!(median <= 1e-5 && wide <= limit, "{}", input.name);
        all.extend(errors);
    }
    all.told("f32");
}

/// Work that a kernel does on a column: instructions, those in bodies once for each level, each once for a walk; costly ones
/// counted apart.
fn work(kernel: &Kernel) -> [usize; 2] {
    let mut walks: Vec<Instruction> = Vec::new();
    let mut work = [0, 0];
    let mut count = |instruction: &Instruction, times: usize| {
        let costly = matches!(instruction, Instruction::Unary { op: Unary::Exp | Unary::Log, .. })
            || matches!(instruction, Instruction::Binary { op: Binary::Pow, .. });
        work[usize::from(costly)] += times;
    };
    for instruction in &kernel.instructions {
        let Instruction::Scan { body, .. } = instruction else {
            count(instruction, 1);
            continue;
        };
        let mut walk = instruction.clone();
        if let Instruction::Scan { result, .. } = &mut walk {
            *result = 0;
        }
        if !walks.contains(&walk) {
            body.instructions.iter().for_each(|inner| count(inner, LEVELS));
            walks.push(walk);
        }
    }
    work
}

/// The way back computes no exponential again and is not much longer than the way there.
#[test]
fn the_gradient_of_cape_is_small() {
    let kernel = cape(LEVELS);
    let derivative = value_and_gradient(&kernel, &["cape"], &["t", "r", "p"]).unwrap();
    let ([plain, costly], [all, costly_of_all]) = (work(&kernel), work(&derivative));
    println!("{plain} and {costly} costly; with the gradient {all} and {costly_of_all}");
    assert!(costly_of_all <= costly + 2 && all <= 4 * plain, "{derivative}");
}

/// Machine code of the gradient gives the interpreter's numbers, but for what 2 ulp of exponentials and logarithms make of them.
#[test]
fn machine_code_gives_the_same_gradient() {
    let kernel = cape(LEVELS);
    let derivative = value_and_gradient(&kernel, &["cape"], &["t", "r", "p"]).unwrap();
    let (mut random, cells) = (Random(29), 37);
    let inputs = soundings(&mut random, LEVELS, cells);
    let expected = interpreted::<f32>(&derivative, &inputs, cells);
    let rounded: Vec<_> = inputs.iter().map(|array| array.mapv(|x| x as f32)).collect();
    let levels = [1, LEVELS, LEVELS, LEVELS];
    let found = run(&Compiled::new(&derivative).unwrap(), &rounded, &levels, cells);
    for (found, expected) in found.iter().zip(&expected) {
        let size = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let most = found.iter().zip(expected).map(|(x, y)| (f64::from(*x) - y).abs()).fold(0.0, f64::max);
        println!("at most {:.1e} of the greatest", most / size);
        assert!(most <= 1e-5 * size);
    }
}
