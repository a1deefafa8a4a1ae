//! The gradient of CAPE by temperature, humidity and pressure on every level.

mod kernel_support;

use aurora_compiler::kernel::adjoint::value_and_gradient;
use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::jit::Compiled;
use kernel_support::gradients::{Errors, gradients, interpreted, judged_by_input, quantile};
use kernel_support::parcel::{cape, soundings};
use kernel_support::{Random, run};

const LEVELS: usize = 40;

/// Of temperature and humidity every gradient is right by itself: the median to 1e-5, 99 in 100 to 1e-3. Of pressure it is right beside the
/// largest of its column, and not always by itself. A pressure is the end of one step of the ascent and the beginning of the next: what
/// it adds to the parcel's temperature in the one it takes away in the other, for where the parcel arrives hardly depends on the
/// pressures that it has passed. Each of the two parts is dCAPE/dT times dT/d ln p, in these columns 15 000 J/kg and seven times CAPE; on one
/// level in ten their sum is a 25 000th of them, on one in a hundred a 190 000th, and f32's 6e-8 of the parts is then 1e-2 of the
/// sum. They come from different steps of the walk, so no order of the sums has their difference exactly. Beside it
/// stands f64 with the same kernel, which has the digits to spare.
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
    let found = gradients::<f64>(&kernel, &inputs, cells);
    for (input, mut errors) in kernel.inputs.iter().zip(judged_by_input(&kernel, &inputs, cells, &found)) {
        let [median, wide, _] = errors.told(&format!("f64, by {}", input.name));
        assert!(median <= 1e-6 && wide <= 1e-4, "{}", input.name);
    }
    let found = gradients::<f32>(&kernel, &inputs, cells);
    let mut all = Errors::default();
    for (input, mut errors) in kernel.inputs.iter().zip(judged_by_input(&kernel, &inputs, cells, &found)) {
        let [median, wide, _] = errors.told(&format!("f32, by {}", input.name));
        let [typical, beside, most] = [0.5, 0.99, 1.0].map(|share| quantile(&mut errors.of_largest, share));
        println!("   of the column's largest: median {typical:.1e}, 99 % {beside:.1e}, most {most:.1e}");
        assert!(median <= 1e-5, "{}", input.name);
        assert!(input.name == "p" || wide <= 1e-3, "{}", input.name);
        // Of every input, ten times as strict as what is asked of each gradient by itself, and no exception.
        assert!(beside <= 1e-4 && most <= 1e-3, "{}", input.name);
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
